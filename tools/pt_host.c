/* tools/pt_host.c: the host that a child is: loads the plugin, calls it with guards around everything, and judges what comes back */
#include "tools/pt.h"
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <openssl/crypto.h>
#include "kms/load.h"
#include "lib/secret.h"
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"

enum { WHY = 240, CW_MAX = 1024, WINDOW = 256, ASKS = 64, RING = 65536, POISON = 0xa7, LOOK = 256, FACES = 256 };

static struct kms_module module;
const struct kms_plugin *pt_plugin;

/* What log texts are searched for: the control words of the latest requests. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came;
static struct pt_ask recent[ASKS];
static size_t nrecent;

enum handle_state { FREE, ASKED, LATE, ANSWERED, AT_ONCE };
struct pending { uint64_t handle; enum handle_state state; struct pt_ask ask; int64_t sent_ns; struct pt_got *got; };
static struct pending ring[RING];
static uint64_t last_handle;
static size_t owed;
static struct pt_late late;

struct face { struct kms_host *host; bool closed; };

/* ---- control words */

static uint64_t
mix(uint64_t x)	/* splitmix64 */
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

void
pt_cw(const struct pt_ask *a, uint16_t cp, uint8_t *out)
{
	for (size_t i = 0; i < a->cw_len; i++) {
		const uint64_t v = mix((uint64_t)a->seed << 32 ^ (uint64_t)cp << 12 ^ i / 8);
		out[i] = (uint8_t)(v >> 8 * (i % 8));
	}
}

static uint16_t
first_cp(uint16_t cp)
{
	return (uint16_t)(cp + 1u + pt->channel.lead_CW - pt->channel.CW_per_msg);
}

bool
pt_reveals(const struct pt_ask *a, const uint8_t *p, size_t len)
{
	uint8_t cw[CW_MAX];
	bool found = false;

	for (unsigned k = 0; k < pt->channel.CW_per_msg && !found && a->cw_len <= sizeof(cw); k++) {
		pt_cw(a, (uint16_t)(first_cp(a->cp) + k), cw);
		for (size_t i = 0; i + 8 <= a->cw_len && !found; i++)
			found = memmem(p, len, cw + i, 8) != NULL;
	}
	gw_cleanse(cw, sizeof(cw));
	return found;
}

/* As octets, or in hexadecimal digits with anything between them, which may begin in the middle of what looks like an octet. */
static bool
text_reveals(const char *text, size_t len)
{
	uint8_t hex[2][4096] = { 0 };
	size_t digits = 0;
	bool found = false;

	for (size_t i = 0; i < len && digits < 2 * sizeof(hex[0]) - 2; i++) {
		const int c = (unsigned char)text[i];
		const int v = isdigit(c) ? c - '0' : isxdigit(c) ? (c | 32) - 'a' + 10 : -1;
		if (v < 0)
			continue;
		for (size_t odd = 0; odd < 2; odd++)
			hex[odd][(digits + odd) / 2] |= (uint8_t)((digits + odd) & 1 ? v : v << 4);
		digits++;
	}
	for (size_t k = 0; k < (nrecent < ASKS ? nrecent : ASKS) && !found; k++)
		found = pt_reveals(&recent[k], (const uint8_t *)text, len) || (digits >= 16 &&
		    (pt_reveals(&recent[k], hex[0], digits / 2) || pt_reveals(&recent[k], hex[1], (digits + 1) / 2)));
	return found;
}

bool
pt_text_reveals(const char *text, size_t len)
{
	bool found;

	pthread_mutex_lock(&lock);
	found = text_reveals(text, len);
	pthread_mutex_unlock(&lock);
	return found;
}

/* ---- what the plugin may call */

static void
host_log(void *ctx, int level, const char *text)
{
	(void)ctx;
	if (!text || level < KMS_LOG_ERR || level > KMS_LOG_DEBUG)
		pt_find(PT_R_OUTPUT, "host->log(%d, %s): no level of enum kms_log_level, or no text", level, text ? "text" : "NULL");
	else if (pt_text_reveals(text, strlen(text)))
		pt_find(PT_R_CW_LOG, "a text of host->log holds a control word");
}

static const char *
name_of_status(int status)
{
	const struct sim_status *s = status > 0 && status <= UINT16_MAX ? sim_status_find(&ecmg_scs, (uint16_t)status) : NULL;

	return s ? s->name : status >= 0x8000 && status <= UINT16_MAX ? "OMA BCAST" : NULL;
}

/* What holds for every refusal: a status that peers know, a sentence. */
static void
judge_refusal(int rc, const char *why, const char *where)
{
	const size_t len = strlen(why);

	if (!name_of_status(-rc))
		pt_find(PT_R_STATUS, "%s returned %d (-0x%04x), which is no error_status; the peer is told 0x7000", where, rc, (unsigned)-rc);
	if (len == 0)
		pt_find(PT_R_SENTENCE, "%s refused with %d and left why empty", where, rc);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)why[i] < ' ') {
			pt_find(PT_R_SENTENCE, "the reason of %s has a control character, 0x%02x, in it", where, (unsigned char)why[i]);
			break;
		}
	if (pt_text_reveals(why, len))
		pt_find(PT_R_CW_LOG, "the reason of %s holds a control word: it goes to the peer", where);
}

static uint32_t
crc32_mpeg(const uint8_t *p, size_t len)
{
	uint32_t c = 0xffffffff;

	while (len--) {
		c ^= (uint32_t)*p++ << 24;
		for (int k = 0; k < 8; k++)
			c = c & 0x80000000 ? c << 1 ^ 0x04c11db7 : c << 1;
	}
	return c;
}

/* A section in packets begins in the first one; this finds it there. */
static const uint8_t *
in_packet(const uint8_t *p, size_t len, size_t *left)
{
	size_t at = 4;

	*left = 0;
	if (len < 188 || !(p[1] & 0x40))
		return NULL;
	if (p[3] & 0x20)
		at += 1u + p[4];
	if (at >= 188 || at + 1 + p[at] >= 188)
		return NULL;
	at += 1u + p[at];
	*left = 188 - at;
	return p + at;
}

const char *
pt_datagram_fault(uint8_t flag, const uint8_t *p, size_t len)
{
	size_t left;

	if (len == 0 || flag > 1)
		return NULL;
	if (flag == 0) {
		if (len < 3)
			return "it is shorter than the head of a section";
		return (size_t)((p[1] & 0x0f) << 8 | p[2]) + 3 == len ? NULL : "section_length is not that of the octets that came";
	}
	if (len % 188)
		return "its length is no multiple of 188";
	for (size_t at = 0; at < len; at += 188)
		if (p[at] != 0x47)
			return "a packet does not begin with 0x47";
	return in_packet(p, len, &left) ? NULL : "no section begins in the first packet (payload_unit_start_indicator, pointer_field)";
}

static void
judge_section(const struct pt_ask *a, const uint8_t *p, size_t len)
{
	const uint8_t flag = pt->channel.section_TSpkt_flag;
	const uint8_t *section = flag == 1 ? in_packet(p, len, &len) : flag == 0 ? p : NULL;

	if (!section || len < 3)
		return;
	const size_t whole = (size_t)((section[1] & 0x0f) << 8 | section[2]) + 3;
	if (section[1] & 0x80 && len >= whole && (whole < 12 || crc32_mpeg(section, whole) != 0))
		pt_find(PT_R_CRC, "section_syntax_indicator is set, and the last four octets are not the CRC_32 of the others");
	if ((section[0] & 0xfe) != 0x80)
		pt_find(PT_R_TABLE_ID, "table_id 0x%02x is neither 0x80 nor 0x81", section[0]);
	(void)a;
}

static void
judge_ecm(const struct pt_ask *a, const uint8_t *ecm, size_t len, bool whole)
{
	const char *fault = pt_datagram_fault(pt->channel.section_TSpkt_flag, ecm, len);

	if (fault)
		pt_find(PT_R_FORM, "ECM of CP %u, section_TSpkt_flag %u: %s", a->cp, pt->channel.section_TSpkt_flag, fault);
	else
		judge_section(a, ecm, len);
	if (whole && pt_reveals(a, ecm, len))
		pt_find(PT_R_CLEAR, "8 octets of a control word of %zu stand in the ECM of CP %u as they are", a->cw_len, a->cp);
}

static void
host_answer(void *ctx, uint64_t handle, const uint8_t *ecm, size_t len, int error, const char *why)
{
	const int64_t now = pt_now_ns();
	struct pending *q = &ring[handle % RING];
	const struct face *f = ctx;

	pthread_mutex_lock(&lock);
	if (f->closed) {
		pt_find(PT_R_AFTER_CLOSE, "host->answer() was called after close() of its state had returned");
	} else if (q->handle != handle || q->state == FREE) {
		pt_find(PT_R_ONCE, "host->answer() for handle 0x%llx, which no request had", (unsigned long long)handle);
	} else if (q->state == ANSWERED || q->state == AT_ONCE) {
		pt_find(PT_R_ONCE, "host->answer() for the request of CP %u, which was answered %s", q->ask.cp,
		    q->state == AT_ONCE ? "by the return of ecm() already" : "before");
	} else {
		if (error > 0)
			pt_find(PT_R_ANSWER, "error %d: it is 0, or -error_status", error);
		else if (error == 0 && (len > KMS_ECM_MAX || (len && !ecm)))
			pt_find(PT_R_ANSWER, "an ECM of %zu octets at %s", len, ecm ? "an address" : "NULL");
		else if (error < 0)
			late.refused++;
		late.answers++;
		owed--;
		if (error < 0)
			snprintf(late.why, sizeof(late.why), "%s", why ? why : "");
		if (q->got) {
			q->got->rc = error ? (error < 0 ? error : -error) : len <= KMS_ECM_MAX && (ecm || !len) ? (int)len : -ECMG_E_UNKNOWN;
			q->got->took_ns = now - q->sent_ns;
			snprintf(q->got->why, sizeof(q->got->why), "%s", why ? why : "");
			if (q->got->rc > 0)
				memcpy(q->got->ecm, ecm, (size_t)q->got->rc);
		} else {
			hist_add(&pt->took_ns, now - q->sent_ns);
			if (error == 0 && len && len <= KMS_ECM_MAX && ecm)
				judge_ecm(&q->ask, ecm, len, handle % LOOK == 0);
		}
		q->state = ANSWERED;
		pthread_cond_broadcast(&came);
	}
	pthread_mutex_unlock(&lock);
}

/* ---- loading */

static void
judge_name(const char *what, const char *text)
{
	const size_t len = strlen(text);

	if (len == 0 || len > 40)
		pt_find(PT_R_NAME, "%s has %zu characters", what, len);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] <= ' ' || strchr("\"=\\", text[i])) {
			pt_find(PT_R_NAME, "%s \"%.60s\" needs quotes in a log line", what, text);
			break;
		}
}

int
pt_host_load(void)
{
	const struct kms_plugin *p;
	struct gw_err err = { 0 };
	Dl_info where;
	int rc;

	pt_calling("dlopen");
	rc = kms_load(&module, pt->opt.plugin, &err);
	pt_called();
	p = module.plugin;
	if (p && dladdr(p, &where))
		pt->fault.base = where.dli_fbase;
	if (rc < 0) {
		const enum pt_rule_id rule = !module.dl ? strstr(err.text, "undefined symbol") ? PT_R_UNDEFINED : PT_R_LOAD : !p ? PT_R_ENTRY :
			p->abi != KMS_PLUGIN_ABI ? PT_R_ABI : p->size < offsetof(struct kms_plugin, ltkm) ? PT_R_SIZE : PT_R_MEMBERS;
		pt_find(rule, "%s", err.text);
		return -1;
	}
	pt_plugin = p;
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&came, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

void
pt_host_judge(void)	/* once */
{
	const struct kms_plugin *p = pt_plugin, *(*entry)(void);
	void *symbol = dlsym(module.dl, "kms_plugin_entry");

	memcpy(&entry, &symbol, sizeof(entry));
	pt_calling("kms_plugin_entry()");
	if (entry() != p)
		pt_find(PT_R_ENTRY, "kms_plugin_entry() gives another address each time");
	pt_called();
	if (p->size != sizeof(*p) && p->size != offsetof(struct kms_plugin, ltkm))
		pt_find(PT_R_SIZE, "size is %u; struct kms_plugin has %zu", p->size, sizeof(*p));
	judge_name("name", p->name);
	judge_name("version", p->version);
	snprintf(pt->name, sizeof(pt->name), "%.*s", (int)sizeof(pt->name) - 1, p->name);
	snprintf(pt->version, sizeof(pt->version), "%.*s", (int)sizeof(pt->version) - 1, p->version);
	pt->calling = p->calling;
	pt->abi = p->abi;
	pt->size = p->size;
	pt->has_ltkm = pt_has_ltkm();
	pt->loaded = true;
}

bool
pt_has_ltkm(void)
{
	return kms_makes_ltkm(&module);
}

/* ---- calls */

/* Longer than this version's, as a later host has it: what a plugin does not know it does not read. */
static void *
lend_struct(const char *name, const void *from, size_t size, size_t longer)
{
	uint8_t *whole = malloc(size + longer);
	uint32_t said;
	void *p;

	if (!whole)
		abort();
	memcpy(whole, from, size);
	memset(whole + size, POISON, longer);
	memcpy(&said, whole, sizeof(said));
	said += (uint32_t)longer;
	memcpy(whole, &said, sizeof(said));	/* the first member of each is its size */
	p = pt_lend(name, PT_CONST, whole, size + longer);
	free(whole);
	return p;
}

/* An empty string; what is behind its end is no zero that the plugin could have forgotten. */
static char *
lend_why(size_t cap)
{
	char *why = pt_lend("why", PT_OUT, NULL, cap);

	memset(why, POISON, cap);
	why[0] = '\0';
	return why;
}

/* Takes the reason over and the lent memory back. */
static void
take_why(char *lent, size_t cap, char *why, size_t why_cap, const char *where)
{
	if (!memchr(lent, '\0', cap)) {
		pt_find(PT_R_SENTENCE, "%s left no end of string in why, which has %zu octets", where, cap);
		lent[cap - 1] = '\0';
	}
	if (why)
		snprintf(why, why_cap, "%s", lent);
	pt_withdraw(lent);
}

int
pt_open(struct pt_kms *k, const char *settings, char *why, size_t cap)
{
	static struct face faces[FACES];	/* they stay: answers after close() shall find them */
	static size_t opened;
	struct face *f = &faces[opened++ % FACES];
	void **state = pt_lend("*state", PT_OUT, NULL, sizeof(*state));
	char *lent = lend_why(WHY), *conf = pt_lend("conf", PT_CONST, settings, strlen(settings) + 1);
	int rc;

	f->closed = false;
	const struct kms_host host = { sizeof(host), f, host_log, kms_random, host_answer };
	f->host = lend_struct("struct kms_host", &host, sizeof(host), k->longer);
	pt_calling("open(\"%.100s\")", *settings ? settings : "");
	rc = pt_plugin->open(f->host, conf, state, lent, WHY);
	pt_called();
	k->state = *state;
	k->face = f;
	k->open = rc >= 0;
	pt_withdraw(state);
	pt_withdraw(conf);
	take_why(lent, WHY, why, cap, "open()");
	if (!k->open) {
		pt_withdraw(f->host);
		f->closed = true;
	}
	return rc;
}

int
pt_open_given(struct pt_kms *k)
{
	char why[WHY];

	if (pt_open(k, pt->opt.settings, why, sizeof(why)) >= 0)
		return 0;
	pt_find(PT_R_OPEN, "open() refused: %s", *why ? why : "(no reason)");
	return -1;
}

void
pt_close(struct pt_kms *k)
{
	struct face *f = k->face;

	if (!k->open)
		return;
	pt_judge_signals();
	pt_calling("close()");
	pt_plugin->close(k->state);
	pt_called();
	k->open = false;
	pthread_mutex_lock(&lock);
	f->closed = true;
	pthread_mutex_unlock(&lock);
	pt_withdraw(f->host);
}

int
pt_channel(struct pt_kms *k, uint32_t super_cas_id, struct kms_channel *out, char *why, size_t cap)
{
	struct kms_channel *c = pt_lend("struct kms_channel", PT_OUT, NULL, sizeof(*c));
	char *lent = lend_why(WHY), text[WHY];
	int rc;

	pt_calling("channel(0x%08x)", super_cas_id);
	rc = pt_plugin->channel(k->state, super_cas_id, c, lent, WHY);
	pt_called();
	*out = *c;
	pt_withdraw(c);
	take_why(lent, WHY, text, sizeof(text), "channel()");
	if (rc < 0)
		judge_refusal(rc, text, "channel()");
	if (why)
		snprintf(why, cap, "%s", text);
	return rc;
}

int
pt_stream(struct pt_kms *k, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t cap)
{
	char *lent, text[WHY];
	int rc;

	if (!pt_plugin->stream)
		return 0;
	lent = lend_why(WHY);
	pt_calling("stream(0x%08x, %u)", super_cas_id, ecm_id);
	rc = pt_plugin->stream(k->state, super_cas_id, ecm_id, lent, WHY);
	pt_called();
	take_why(lent, WHY, text, sizeof(text), "stream()");
	if (rc < 0)
		judge_refusal(rc, text, "stream()");
	if (why)
		snprintf(why, cap, "%s", text);
	return rc;
}

/* One request's memory: lent piece by piece, or standing still for the long run. */
struct parcel { const struct kms_request *request; void *piece[2 * WINDOW + 4]; size_t n; };

static const void *
piece(struct parcel *p, bool quick, const char *name, const void *from, size_t len)
{
	return quick ? from : (p->piece[p->n++] = pt_lend(name, PT_CONST, from, len));
}

static void
pack(struct parcel *p, struct pt_kms *k, const struct pt_ask *a, uint64_t handle, bool quick)
{
	static uint8_t octets[WINDOW][CW_MAX], ids[WINDOW][256];
	static struct kms_cw cws[WINDOW];
	static struct kms_request request;
	const unsigned n = pt->channel.CW_per_msg;

	for (unsigned i = 0; i < n; i++) {
		const uint16_t cp = (uint16_t)(first_cp(a->cp) + i);
		pt_cw(a, cp, octets[i]);
		memset(ids[i], 0, a->key_id_len);
		if (a->key_id_len >= 2) {
			ids[i][a->key_id_len - 2] = (uint8_t)(cp >> 8);
			ids[i][a->key_id_len - 1] = (uint8_t)cp;
		}
		if (a->key_id_len == 4)
			ids[i][0] = 1;	/* SPIs up to 255 are reserved */
		cws[i] = (struct kms_cw){ cp, piece(p, quick, "a control word", octets[i], a->cw_len), a->cw_len,
			a->key_id_len ? piece(p, quick, "a key_id", ids[i], a->key_id_len) : NULL, a->key_id_len };
	}
	request = (struct kms_request){ .size = sizeof(request), .handle = handle, .super_cas_id = a->super_cas_id, .ecm_id = a->ecm_id,
		.cp_number = a->cp, .cp_duration_100ms = a->duration_100ms, .has_protection = a->has_protection, .protection = a->protection,
		.authenticated = a->authenticated, .cws = piece(p, quick, "cws[]", cws, n * sizeof(*cws)), .ncws = n };
	if (a->has_criteria) {
		request.access_criteria = piece(p, quick, "access_criteria", a->criteria, a->criteria_len);
		request.access_criteria_len = a->criteria_len;
	}
	p->request = quick ? &request : (p->piece[p->n++] = lend_struct("struct kms_request", &request, sizeof(request), k->longer));
	if (!quick)
		gw_cleanse(octets, sizeof(octets[0]) * n);
}

static void
unpack(struct parcel *p)
{
	while (p->n)
		pt_withdraw(p->piece[--p->n]);
}

static void
judge_rc(int rc, size_t cap, const struct pt_ask *a)
{
	if (rc >= 0 && (size_t)rc > cap)
		pt_find(PT_R_LENGTH, "ecm() of CP %u returned %d octets; cap is %zu", a->cp, rc, cap);
	if (rc == KMS_LATER && pt_plugin->calling != KMS_ASYNC)
		pt_find(PT_R_LATER, "ecm() returned KMS_LATER, and calling is not KMS_ASYNC");
}

/* What the plugin said at once: -1 when the answer comes later. */
static int
settle(struct pending *q, const struct pt_ask *a, int rc, const uint8_t *out, size_t cap, bool quick, struct pt_got *got)
{
	got->rc = rc;
	judge_rc(rc, cap, a);
	if (rc >= 0 && (size_t)rc > cap)
		got->rc = -ECMG_E_UNKNOWN;	/* as the host takes it */
	if (rc == KMS_LATER && pt_plugin->calling == KMS_ASYNC)
		return -1;
	pthread_mutex_lock(&lock);
	owed -= q->state == LATE;
	if (q->state == ANSWERED)
		pt_find(PT_R_ONCE, "ecm() of CP %u returned an ECM, and host->answer() was called as well", a->cp);
	q->state = AT_ONCE;
	pthread_mutex_unlock(&lock);
	got->took_ns = got->call_ns;
	if (rc > 0 && (size_t)rc <= cap) {
		judge_ecm(a, out, (size_t)rc, !quick || q->handle % LOOK == 0);
		if (!quick)
			memcpy(got->ecm, out, (size_t)rc);
	}
	return 0;
}

static void
count_time(int64_t ns)
{
	pthread_mutex_lock(&lock);
	hist_add(&pt->took_ns, ns);
	pthread_mutex_unlock(&lock);
}

uint64_t
pt_send(struct pt_kms *k, const struct pt_ask *a, bool quick, struct pt_got *got)
{
	static uint8_t still[KMS_ECM_MAX];
	static char text[WHY];
	const size_t cap = a->cap ? a->cap : KMS_ECM_MAX, why_cap = a->why_cap ? a->why_cap : WHY;
	struct parcel parcel = { .n = 0 };
	uint8_t *out = quick ? still : pt_lend("out", PT_OUT, NULL, cap);
	char *why = quick ? text : lend_why(why_cap);
	const uint64_t handle = ++last_handle;
	struct pending *q = &ring[handle % RING];

	pthread_mutex_lock(&lock);
	*q = (struct pending){ handle, LATE, *a, 0, quick ? NULL : got };
	owed++;
	recent[nrecent++ % ASKS] = *a;
	pthread_mutex_unlock(&lock);
	pack(&parcel, k, a, handle, quick);
	why[0] = '\0';
	if (!quick)
		pt_calling("ecm(Super_CAS_id 0x%08x, ECM_id %u, CP %u, %zu octets%s%s)", a->super_cas_id, a->ecm_id, a->cp, a->cw_len,
		    a->has_protection ? ", protection " : "", !a->has_protection ? "" : a->protection == 0 ? "0" : a->protection == 1 ? "1" :
		    a->protection == 2 ? "2" : a->protection == 7 ? "7" : "unknown");
	got->later = got->missing = false;
	got->rc = KMS_LATER;
	q->sent_ns = pt_now_ns();
	const int rc = pt_plugin->ecm(k->state, parcel.request, out, cap, why, why_cap);
	got->call_ns = pt_now_ns() - q->sent_ns;
	if (!quick) {
		pt_called();
		unpack(&parcel);
		take_why(why, why_cap, text, sizeof(text), "ecm()");
	}
	if (rc != KMS_LATER || pt_plugin->calling != KMS_ASYNC) {
		settle(q, a, rc, out, cap, quick, got);
		snprintf(got->why, sizeof(got->why), "%s", rc == got->rc ? text : "the ECM is too long");
	} else {
		got->later = true;
	}
	if (!quick)
		pt_withdraw(out);
	else if (!got->later)
		count_time(got->took_ns);
	return handle;
}

size_t
pt_owed(void)
{
	size_t n;

	pthread_mutex_lock(&lock);
	n = owed;
	pthread_mutex_unlock(&lock);
	return n;
}

bool
pt_await(size_t most, double seconds)
{
	const int64_t until = pt_now_ns() + (int64_t)(seconds * 1e9);
	const struct timespec due = { until / 1000000000, until % 1000000000 };
	bool in_time = true;

	pthread_mutex_lock(&lock);
	while (owed > most && in_time)
		in_time = pthread_cond_timedwait(&came, &lock, &due) == 0;
	in_time = owed <= most;
	pthread_mutex_unlock(&lock);
	return in_time;
}

struct pt_late
pt_late(void)
{
	struct pt_late now;

	pthread_mutex_lock(&lock);
	now = late;
	pthread_mutex_unlock(&lock);
	return now;
}

struct pt_got *
pt_ecm(struct pt_kms *k, const struct pt_ask *a)
{
	static struct pt_got got;
	static bool once;	/* who has kept us waiting in vain is waited for no more than shortly */
	const uint64_t handle = pt_send(k, a, false, &got);
	struct pending *q = &ring[handle % RING];

	if (got.later) {
		if (!pt_await(0, once ? .02 : pt->opt.patience)) {
			once = true;
			pthread_mutex_lock(&lock);
			got.missing = q->state == LATE;
			q->state = got.missing ? ANSWERED : q->state;
			owed -= got.missing;
			pthread_mutex_unlock(&lock);
		}
		if (got.missing) {
			pt_find(PT_R_MISSING, "no answer to the request of CP %u in %g s", a->cp, pt->opt.patience);
			got.rc = -ECMG_E_COMPUTATION;
			return &got;
		}
		if (got.rc > 0)
			judge_ecm(a, got.ecm, (size_t)got.rc, true);
	}
	if (got.rc < 0 && got.rc != KMS_LATER && (a->why_cap == 0 || a->why_cap > 40))
		judge_refusal(got.rc, got.why, got.later ? "host->answer()" : "ecm()");
	return &got;
}

int
pt_ltkm(struct pt_kms *k, const struct kms_ltkm *what, uint32_t index, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	const struct kms_ltkm *asked = lend_struct("struct kms_ltkm", what, sizeof(*what), k->longer);
	uint8_t *lent_out = pt_lend("out", PT_OUT, NULL, cap);
	char *lent = lend_why(WHY), text[WHY];
	int rc;

	pt_calling("ltkm(client_id 0x%08x, data_id %u, index %u)", what->client_id, what->data_id, index);
	rc = pt_plugin->ltkm(k->state, asked, index, lent_out, cap, lent, WHY);
	pt_called();
	if (rc > 0 && (size_t)rc <= cap)
		memcpy(out, lent_out, (size_t)rc);
	pt_withdraw(lent_out);
	pt_withdraw((void *)(uintptr_t)asked);
	take_why(lent, WHY, text, sizeof(text), "ltkm()");
	if (rc < 0 && !sim_status_find(&emmg_mux, (uint16_t)-rc) && (rc <= KMS_LATER || rc > -0x8000))
		pt_find(PT_R_STATUS, "ltkm() returned %d (-0x%04x), which is no error_status of clause 6.2", rc, (unsigned)-rc);
	if (rc < 0 && !*text)
		pt_find(PT_R_SENTENCE, "ltkm() refused with %d and left why empty", rc);
	snprintf(why, why_cap, "%s", text);
	return rc;
}

/* ---- memory */

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

bool
pt_sanitized(void)
{
	return __sanitizer_get_current_allocated_bytes != NULL;
}

void
pt_warm(void)
{
	memset(ring, 0, sizeof(ring));
	memset(&pt->took_ns, 0, sizeof(pt->took_ns));
}

int64_t
pt_memory(void)
{
	if (__sanitizer_get_current_allocated_bytes)
		return (int64_t)__sanitizer_get_current_allocated_bytes() + (int64_t)CRYPTO_secure_used();
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
	malloc_trim(0);	/* small pieces that are free are counted as free */
	const struct mallinfo2 m = mallinfo2();

	return (int64_t)(m.uordblks + m.hblkhd) + (int64_t)CRYPTO_secure_used();
#else
	return (int64_t)CRYPTO_secure_used();
#endif
}
