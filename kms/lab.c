/*
 * kms/lab.c: a KMS that protects nothing, for trying ordinary SimulCrypt equipment. Its ECM is a private section, table_id
 * 0x80 | (CP & 1), or that section in TS packets:
 *
 *	"LAB1" Super_CAS_id(4) ECM_id(2) CP_number(2) flags(1: 0x01 CWs in clear) count(1), then count times
 *	CP(2) length(1) and the CW itself, or a print of it: the first 8 octets of h, which begins as the CW's length and takes in
 *	its blocks, the last filled with zeros, by h := E(h ^ m) ^ h ^ m. E is AES-128 under "simulgate lab", filled with zeros.
 *
 * With ecm_delay every answer comes that much later, from a thread of its own, in the order of the requests.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "kms/crypt.h"
#include "kms/plug.h"
#include "lib/secret.h"

enum { SECTION_MAX = 4096, HEAD = 3 + 4 + 4 + 2 + 2 + 1 + 1, PACKET = 188, TS_HEAD = 4, PID = 0x1fff, PRINT = 8 };

struct job { struct job *next; uint64_t handle; struct timespec due; size_t len; uint8_t ecm[]; };
struct lab {
	struct kms_channel channel;
	bool clear_cw;
	uint32_t ecm_delay;	/* ms */
	struct kms_host host;
	EVP_CIPHER_CTX *print;
	/* answers that wait; with ecm_delay only */
	bool running, stop;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *first, **last;
};

static const struct plug_row settings[] = {
	{ "section_TSpkt_flag", PLUG_UINT, PLUG_AT(lab, channel.section_TSpkt_flag), 0, 1, NULL },
	{ "lead_CW", PLUG_UINT, PLUG_AT(lab, channel.lead_CW), 0, 255, NULL },
	{ "CW_per_msg", PLUG_UINT, PLUG_AT(lab, channel.CW_per_msg), 1, 255, NULL },
	{ "ecm_delay", PLUG_UINT, PLUG_AT(lab, ecm_delay), 0, 3600000, NULL },
	{ "clear_cw", PLUG_FLAG, PLUG_AT(lab, clear_cw), 0, 0, NULL },
	PLUG_CHANNEL(lab),
};

/* --- answers that wait ------------------------------------------------------------------------------------------------ */

static bool
is_due(const struct job *j, const struct timespec *now)
{
	return now->tv_sec != j->due.tv_sec ? now->tv_sec > j->due.tv_sec : now->tv_nsec >= j->due.tv_nsec;
}

static void *
answer_late(void *self)
{
	struct lab *l = self;
	struct timespec now;

	pthread_mutex_lock(&l->lock);
	while (!l->stop) {
		struct job *j = l->first;

		clock_gettime(CLOCK_MONOTONIC, &now);
		if (!j)
			pthread_cond_wait(&l->wake, &l->lock);
		else if (!is_due(j, &now))
			pthread_cond_timedwait(&l->wake, &l->lock, &j->due);
		else {
			l->first = j->next;
			if (!l->first)
				l->last = &l->first;
			pthread_mutex_unlock(&l->lock);	/* the host may call back */
			l->host.answer(l->host.ctx, j->handle, j->ecm, j->len, 0, NULL);
			free(j);
			pthread_mutex_lock(&l->lock);
		}
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

static int
later(struct lab *l, uint64_t handle, const uint8_t *ecm, size_t len, char *why, size_t why_cap)
{
	struct job *j = malloc(sizeof(*j) + len);

	if (!j)
		return plug_refuse(PLUG_NO_RESOURCES, why, why_cap, "no memory for an answer");
	*j = (struct job){ .handle = handle, .len = len };
	memcpy(j->ecm, ecm, len);
	clock_gettime(CLOCK_MONOTONIC, &j->due);
	j->due.tv_sec += l->ecm_delay / 1000;
	j->due.tv_nsec += (long)(l->ecm_delay % 1000) * 1000000;
	if (j->due.tv_nsec >= 1000000000) {
		j->due.tv_nsec -= 1000000000;
		j->due.tv_sec++;
	}
	pthread_mutex_lock(&l->lock);
	*l->last = j;
	l->last = &j->next;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
	return KMS_LATER;
}

static int
start(struct lab *l)
{
	pthread_condattr_t attr;
	sigset_t all, before;

	l->last = &l->first;
	if (pthread_condattr_init(&attr) != 0)
		return -1;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->wake, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);	/* signals are the loop's */
	l->running = pthread_create(&l->thread, NULL, answer_late, l) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return l->running ? 0 : -1;
}

/* --- the plugin ------------------------------------------------------------------------------------------------------- */

static void
lab_close(void *state)
{
	struct lab *l = state;

	if (l->running) {
		pthread_mutex_lock(&l->lock);
		l->stop = true;
		pthread_cond_signal(&l->wake);
		pthread_mutex_unlock(&l->lock);
		pthread_join(l->thread, NULL);
		pthread_cond_destroy(&l->wake);
		pthread_mutex_destroy(&l->lock);
	}
	for (struct job *j = l->first, *next; j; j = next) {
		next = j->next;
		free(j);
	}
	EVP_CIPHER_CTX_free(l->print);
	free(l);
}

static int
lab_open(const struct kms_host *host, const char *conf, void **state, char *why, size_t why_cap)
{
	struct lab *l = calloc(1, sizeof(*l));
	int rc = -1;

	if (!l) {
		plug_refuse(1, why, why_cap, "no memory");
		return -1;
	}
	l->channel = (struct kms_channel){ .lead_CW = 1, .CW_per_msg = 2, .ECM_rep_period = 100, .min_CP_duration = 10,
		.max_comp_time = 500 };
	l->host = *host;
	l->print = crypt_aes_new(CRYPT_ECB, (const uint8_t[CRYPT_BLOCK]){ "simulgate lab" });
	if (!l->print)
		plug_refuse(1, why, why_cap, "OpenSSL has no AES-128");
	else if (plug_conf(settings, sizeof(settings) / sizeof(settings[0]), l, conf, why, why_cap) == 0) {
		rc = l->ecm_delay ? start(l) : 0;
		if (rc < 0)
			plug_refuse(1, why, why_cap, "no thread for late answers");
	}
	if (rc < 0) {
		lab_close(l);
		return -1;
	}
	host->log(host->ctx, KMS_LOG_ERR, l->clear_cw ? "the lab KMS protects nothing: its ECMs carry the control words in clear" :
		"the lab KMS protects nothing: no receiver can get control words out of its ECMs, and no right is checked");
	*state = l;
	return 0;
}

static int
lab_channel(void *state, uint32_t super_cas_id, struct kms_channel *channel, char *why, size_t why_cap)
{
	(void)super_cas_id;
	(void)why;
	(void)why_cap;
	*channel = ((struct lab *)state)->channel;
	return 0;
}

static uint8_t *
put(uint8_t *p, uint32_t value, int octets)
{
	while (octets-- > 0)
		*p++ = (uint8_t)(value >> 8 * octets);
	return p;
}

/* One way, and one AES block for a CW of DVB-CSA. */
static void
print_cw(struct lab *l, const uint8_t *cw, size_t len, uint8_t out[PRINT])
{
	uint8_t h[CRYPT_BLOCK] = { (uint8_t)len }, x[CRYPT_BLOCK];

	for (size_t at = 0; at < len; at += CRYPT_BLOCK) {
		for (size_t i = 0; i < CRYPT_BLOCK && at + i < len; i++)
			h[i] ^= cw[at + i];
		if (crypt_aes(l->print, NULL, h, CRYPT_BLOCK, x) < 0) {
			memset(h, 0, sizeof(h));	/* no print is no harm, a CW would be */
			break;
		}
		for (size_t i = 0; i < CRYPT_BLOCK; i++)
			h[i] ^= x[i];
	}
	memcpy(out, h, PRINT);
}

static uint8_t *
put_cw(struct lab *l, uint8_t *p, const struct kms_cw *cw)
{
	p = put(put(p, cw->cp_number, 2), l->clear_cw ? (uint32_t)cw->cw_len : PRINT, 1);
	if (l->clear_cw) {
		memcpy(p, cw->cw, cw->cw_len);
		return p + cw->cw_len;
	}
	print_cw(l, cw->cw, cw->cw_len, p);
	return p + PRINT;
}

/* Octets of the section, or 0: it would not fit. */
static size_t
section(struct lab *l, const struct kms_request *r, uint8_t out[SECTION_MAX])
{
	size_t need = HEAD;
	uint8_t *p = out;

	for (size_t k = 0; k < r->ncws; k++) {
		if (r->cws[k].cw_len > 255)
			return 0;
		need += 3 + (l->clear_cw ? r->cws[k].cw_len : PRINT);
	}
	if (need > SECTION_MAX || r->ncws > 255)
		return 0;
	p = put(p, 0x80u | (r->cp_number & 1), 1);
	p = put(p, 0x7000u | (uint32_t)(need - 3), 2);	/* private, no section syntax, reserved bits 1 */
	memcpy(p, "LAB1", 4);
	p = put(put(put(p + 4, r->super_cas_id, 4), r->ecm_id, 2), r->cp_number, 2);
	p = put(put(p, l->clear_cw, 1), (uint32_t)r->ncws, 1);
	for (size_t k = 0; k < r->ncws; k++)
		p = put_cw(l, p, &r->cws[k]);
	return need;
}

/* PID and continuity counter are the multiplexer's to write (TS 103 197, section_TSpkt_flag). */
static size_t
packetise(const uint8_t *section_at, size_t len, uint8_t *out, size_t cap)
{
	size_t n = 0;
	bool first = true;

	for (uint8_t cc = 0; len > 0; cc++, first = false, n += PACKET) {
		uint8_t *p = out + n;
		if (cap - n < PACKET)
			return 0;
		p = put(p, 0x47, 1);
		p = put(p, (first ? 0x4000u : 0) | PID, 2);
		p = put(p, 0x10u | (cc & 15), 1);
		if (first)
			p = put(p, 0, 1);	/* pointer_field */
		size_t room = PACKET - (size_t)(p - (out + n)), take = len < room ? len : room;
		memcpy(p, section_at, take);
		memset(p + take, 0xff, room - take);
		section_at += take;
		len -= take;
	}
	return n;
}

static int
lab_ecm(void *state, const struct kms_request *r, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	struct lab *l = state;
	uint8_t one[SECTION_MAX];
	size_t n, len = section(l, r, one);

	if (len == 0)
		return plug_refuse(PLUG_BAD_VALUE, why, why_cap, "CP_CW_combination: the control words do not fit a section");
	if (l->channel.section_TSpkt_flag == 1)
		n = packetise(one, len, out, cap);
	else if ((n = len) <= cap)
		memcpy(out, one, len);
	if (l->clear_cw)
		gw_cleanse(one, sizeof(one));
	if (n == 0 || n > cap)
		return plug_refuse(PLUG_NO_RESOURCES, why, why_cap, "the answer does not fit %zu octets", cap);
	return l->ecm_delay ? later(l, r->handle, out, n, why, why_cap) : (int)n;
}

static const struct kms_plugin plugin = {
	.abi = KMS_PLUGIN_ABI, .size = sizeof(plugin), .name = "lab", .version = "1", .calling = KMS_ASYNC,
	.open = lab_open, .channel = lab_channel, .ecm = lab_ecm, .close = lab_close,
};

const struct kms_plugin *
kms_plugin_entry(void)
{
	return &plugin;
}
