/* tools/pt_tests.c: the tests, in their order. Each runs in a child of its own; what one finds out is in *pt for the next. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "lib/secret.h"
#include "proto/ecmg_scs.h"
#include "proto/stkm.h"
#include "tools/pt.h"

enum { WHY = 240, SEED = 0x51a7e, YEAR_CPS = 365 * 86400 / 10, YEAR_HOURS = 365 * 24, FIRST_CP = 65000, IN_FLIGHT = 32, FEW = 64, CP_NUMBERS = 65536, MANY = 128, OPENS = 100, ROUND_MAX = 20000 };

/* What does without ECMs is no plugin; but one reason is enough. */
static bool
errors_since(unsigned found)
{
	for (unsigned k = found; k < pt->nfindings; k++)
		if (pt_rules[pt->finding[k].rule].gravity == PT_G_ERROR)
			return true;
	return false;
}

/* Requests that any plugin of later answers has to cope with at a time: max_comp_time holds for as many as a channel may have streams. */
static unsigned
in_flight(void)
{
	const unsigned most = pt->channel.max_streams;

	return most && most < IN_FLIGHT ? most : IN_FLIGHT;
}

/* ---- the shared object and its entry */

static void
object(void)
{
	const char *path = pt->opt.plugin;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char why[WHY];
	struct pt_elf e;
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
		pt_find(PT_R_OBJECT, "%s: %s", path, fd < 0 ? strerror(errno) : "it is no file, or empty");
		return;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED || pt_elf_read(p, (size_t)st.st_size, &e, why, sizeof(why)) < 0) {
		pt_find(PT_R_OBJECT, "%s: %s", path, p == MAP_FAILED ? strerror(errno) : why);
		return;
	}
	bool entry = false;
	const char *other = NULL;
	for (size_t k = 0; k < e.nexported && k < sizeof(e.exported) / sizeof(e.exported[0]); k++) {
		entry |= strcmp(e.exported[k], "kms_plugin_entry") == 0;
		if (strcmp(e.exported[k], "kms_plugin_entry") != 0)
			other = e.exported[k];
	}
	if (e.nexported > 1)
		pt_find(PT_R_SYMBOLS, "%zu symbols are exported, %s among them: compile with -fvisibility=hidden", e.nexported, other);
	else if (!entry)
		pt_find(PT_R_SYMBOLS, "kms_plugin_entry is not exported");
	if (e.constructors)
		pt_find(PT_R_CONSTRUCTORS, "%zu functions run when it is loaded", e.constructors);
	if (e.textrel)
		pt_find(PT_R_TEXTREL, "its code is changed when it is loaded");
	if (e.execstack)
		pt_find(PT_R_EXECSTACK, "it asks for a stack that can be executed");
	pt_say("%lld octets", (long long)st.st_size);
}

static void
load(void)
{
	static const char *const calling[] = { "KMS_INLINE", "KMS_WORKER", "KMS_ASYNC" };

	pt_host_judge();
	pt_say("%s %s, %s, ABI %u%s", pt->name, pt->version, calling[pt->calling], pt->abi, pt->has_ltkm ? ", makes EMMs" : "");
}

/* ---- open and close */

static void
refused_open(const char *settings, const char *what)
{
	struct pt_kms k = { 0 };
	char why[WHY] = "";

	if (pt_open(&k, settings, why, sizeof(why)) >= 0) {
		pt_find(PT_R_SETTINGS, "open() takes %s", what);
		pt_close(&k);
	} else if (!*why) {
		pt_find(PT_R_SENTENCE, "open() refuses %s and leaves why empty", what);
	}
}

static void
opening(void)
{
	static char text[PT_SETTINGS + 64];
	struct pt_kms k = { 0 };
	char why[WHY];

	if (pt_open_given(&k) < 0)
		return;
	pt->opens = true;
	pt_close(&k);
	snprintf(text, sizeof(text), "%sno_such_setting_of_any_plugin=1\n", pt->opt.settings);
	refused_open(text, "an unknown setting");
	snprintf(text, sizeof(text), "%sno_such_setting_of_any_plugin\n", pt->opt.settings);
	refused_open(text, "a line that is no KEY=VALUE");
	if (*pt->opt.settings && pt_open(&k, "", why, sizeof(why)) >= 0)
		pt_close(&k);
	else if (*pt->opt.settings && !*why)
		pt_find(PT_R_SENTENCE, "open() refuses to do without settings and leaves why empty");
	pt_say("opened, closed; strange settings refused");
}

static void
again(void)
{
	int64_t at[4] = { 0 }, least = INT64_MAX, most = 0;
	const int marks[] = { OPENS / 4, OPENS / 2, OPENS / 4 * 3, OPENS };
	const size_t threads = pt_threads();

	for (int n = 0, m = 0; n <= OPENS; n++) {
		struct pt_kms k = { 0 };
		if (n == marks[m])
			at[m++] = pt_memory();
		if (n == OPENS || pt_open_given(&k) < 0)
			break;
		if (pt->has_ecm) {
			struct pt_ask a = pt->base;
			for (a.cp = 0; a.cp < 3; a.cp++)
				pt_ecm(&k, &a);
		}
		pt_close(&k);
	}
	if (pt_threads() > threads)	/* a finding of its own; their stacks are no other one */
		return;
	for (int m = 1; m < 4; m++) {
		least = at[m] - at[m - 1] < least ? at[m] - at[m - 1] : least;
		most = at[m] - at[m - 1] > most ? at[m] - at[m - 1] : most;
	}
	if (least >= OPENS / 4 * 8 && most <= 2 * least)	/* each quarter alike: what malloc() keeps for itself comes and goes */
		pt_find(PT_R_LEAK, "each open() and close() leaves %lld octets behind", (long long)(at[3] - at[0]) / (OPENS / 4 * 3));
	pt_say("%d times opened, used and closed", OPENS);
}

/* ---- channel and stream */

static const uint32_t usual_cas[] = { 0x4ae60001, 0x00010001, 0x00020001 };

#define IMPOSSIBLE(cond, ...) do { if (cond) pt_find(PT_R_STATUS_VALUES, __VA_ARGS__); } while (0)
#define DOUBTFUL(cond, ...) do { if (cond) pt_find(PT_R_STATUS_DOUBT, __VA_ARGS__); } while (0)

static void
judge_channel(const struct kms_channel *c)
{
	IMPOSSIBLE(c->section_TSpkt_flag > 2, "section_TSpkt_flag %u: 0, 1 or 2", c->section_TSpkt_flag);
	IMPOSSIBLE(c->CW_per_msg == 0, "CW_per_msg 0: an ECM carries at least one control word");
	IMPOSSIBLE(c->access_criteria_transfer_mode > 1, "access_criteria_transfer_mode %u: 0 or 1", c->access_criteria_transfer_mode);
	IMPOSSIBLE(c->has_transition > 1 || c->has_AC > 1, "has_transition %u, has_AC %u: 0 or 1", c->has_transition, c->has_AC);
	IMPOSSIBLE(c->lead_CW > 0 && c->CW_per_msg > 0 && c->CW_per_msg < c->lead_CW,
	    "CW_per_msg %u with lead_CW %u: the ECM of a CP has not the control word of that CP", c->CW_per_msg, c->lead_CW);
	DOUBTFUL(c->ECM_rep_period == 0, "ECM_rep_period 0 ms");
	DOUBTFUL(c->ECM_rep_period > 10000, "ECM_rep_period %u ms: receivers wait that long", c->ECM_rep_period);
	DOUBTFUL(c->min_CP_duration == 0, "min_CP_duration 0");
	DOUBTFUL(c->max_comp_time == 0, "max_comp_time 0 ms: the SCS leaves no time for the ECM");
	DOUBTFUL(c->max_comp_time > 10000, "max_comp_time %u ms: the ECMG gives an ECM up after 10000 ms (--ecm-limit)", c->max_comp_time);
	DOUBTFUL(c->delay_start > c->min_CP_duration * 100, "delay_start %d ms is longer than the shortest crypto-period", c->delay_start);
	DOUBTFUL(c->lead_CW == 0 && c->delay_start > 0, "delay_start %d ms with lead_CW 0: the ECM comes after its crypto-period has begun", c->delay_start);
	DOUBTFUL(c->delay_stop < c->delay_start, "delay_stop %d ms before delay_start %d ms: there are gaps between ECMs", c->delay_stop, c->delay_start);
	DOUBTFUL(c->lead_CW > 10 || c->CW_per_msg > 10, "lead_CW %u, CW_per_msg %u: the SCS makes keys that far ahead", c->lead_CW, c->CW_per_msg);
}

/* No Super_CAS_id given: one that is free, then those of our own KMSs. */
static bool
find_cas(struct pt_kms *k, char *why)
{
	const size_t n = pt->opt.ncas ? pt->opt.ncas : sizeof(usual_cas) / sizeof(usual_cas[0]);

	for (size_t i = 0; i < n; i++) {
		const uint32_t id = pt->opt.ncas ? pt->opt.cas[i] : usual_cas[i];
		struct kms_channel c, again_c;
		const int rc = pt_channel(k, id, &c, why, WHY);
		if (rc < 0) {
			if (rc != -0x0005)
				pt_find(PT_R_UNKNOWN_CAS, "channel(0x%08x) returned %d: %s", id, rc, why);
			else if (pt->opt.ncas)
				pt_find(PT_R_CHANNEL, "Super_CAS_id 0x%08x is refused: %s", id, why);
			continue;
		}
		judge_channel(&c);
		if (pt_channel(k, id, &again_c, why, WHY) != rc || memcmp(&c, &again_c, sizeof(c)) != 0)
			pt_find(PT_R_STATUS_SAME, "channel(0x%08x), asked twice, says two things", id);
		if (!pt->has_channel) {
			pt->channel = c;
			pt->cas = id;
			pt->has_channel = c.CW_per_msg > 0;
		}
	}
	return pt->has_channel;
}

static void
channel(void)
{
	static const uint32_t odd[] = { 0, 0xffffffff, 0x12345678, 0xdeadbeef };
	struct pt_kms k = { 0 };
	const unsigned found = pt->nfindings;
	struct kms_channel c;
	size_t taken = 0;
	char why[WHY] = "";

	if (pt_open_given(&k) < 0)
		return;
	if (!find_cas(&k, why) && !errors_since(found))
		pt_find(PT_R_CHANNEL, "no Super_CAS_id is known that it serves; say --super-cas-id (%s)", why);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		const int rc = pt_channel(&k, odd[i], &c, why, sizeof(why));
		taken += rc >= 0;
		if (rc < 0 && rc != -0x0005)
			pt_find(PT_R_UNKNOWN_CAS, "channel(0x%08x) returned %d (-0x%04x): %s", odd[i], rc, (unsigned)-rc, why);
	}
	pt->call[0] = '\0';
	if (taken == sizeof(odd) / sizeof(odd[0]))
		pt_find(PT_R_ANY_CAS, "every Super_CAS_id is served");
	pt_close(&k);
	if (pt->has_channel)
		pt_say("0x%08x: section_TSpkt_flag %u, lead_CW %u, CW_per_msg %u, max_comp_time %u ms", pt->cas, pt->channel.section_TSpkt_flag,
		    pt->channel.lead_CW, pt->channel.CW_per_msg, pt->channel.max_comp_time);
}

static void
stream(void)
{
	struct pt_kms k = { 0 };
	char why[WHY] = "", last[WHY] = "";
	unsigned welcome = 0;

	if (pt_open_given(&k) < 0)
		return;
	for (size_t i = 0; i < pt->opt.necm; i++) {
		if (pt_stream(&k, pt->cas, pt->opt.ecm[i], why, sizeof(why)) < 0)
			pt_find(PT_R_STREAM, "ECM_id %u is refused: %s", pt->opt.ecm[i], why);
		else
			pt->ecm[pt->necm++] = pt->opt.ecm[i];
	}
	for (unsigned id = 0; id <= UINT16_MAX; id += id < 1024 ? 1 : 251) {
		const int rc = pt_stream(&k, pt->cas, (uint16_t)id, why, sizeof(why));
		if (rc < 0) {
			snprintf(last, sizeof(last), "%s", why);
			if (rc != -0x0012)
				pt_find(PT_R_UNKNOWN_ECM_ID, "stream(ECM_id %u) returned %d (-0x%04x): %s", id, rc, (unsigned)-rc, why);
			continue;
		}
		welcome++;
		if (pt->opt.necm == 0 && pt->necm < PT_IDS && id > 0)
			pt->ecm[pt->necm++] = (uint16_t)id;
	}
	pt->has_stream = pt->necm > 0;
	if (!pt->has_stream)
		pt_find(PT_R_STREAM, "no ECM_id is known that is welcome; say --ecm-id (%s)", last);
	pt_close(&k);
	pt_say(*last ? "some ECM_ids are welcome, %u the first, others are refused" : "every ECM_id is welcome", pt->necm ? pt->ecm[0] : 0);
}

/* ---- ECMs */

struct kind { bool has_protection; uint8_t protection, authenticated; size_t len; const char *name; };
static const struct { uint8_t protocol, authenticated, cipher; const char *name; } protections[] = {
	{ STKM_TS, 0, STKM_CSA2, "MPEG-2 TS, 8 octets" }, { STKM_TS, 0, STKM_CISSA, "MPEG-2 TS, 16 octets" },
	{ STKM_SRTP, 0, 0, "SRTP" }, { STKM_SRTP, 1, 0, "SRTP authenticated" }, { STKM_IPSEC, 0, 0, "IPsec" },
	{ STKM_IPSEC, 1, 0, "IPsec authenticated" }, { STKM_ISMACRYP, 0, 0, "ISMACryp" }, { STKM_ISMACRYP, 1, 0, "ISMACryp authenticated" },
};
enum { NPROTECTIONS = sizeof(protections) / sizeof(protections[0]) };

static struct pt_ask
first_ask(void)
{
	struct pt_ask a = { .super_cas_id = pt->cas, .seed = SEED, .ecm_id = pt->ecm[0], .cp = 1, .duration_100ms = 100, .cw_len = 8 };

	if (pt->opt.criteria) {
		a.has_criteria = true;
		a.criteria = pt->opt.criteria;
		a.criteria_len = pt->opt.criteria_len;
	}
	return a;
}

/* Asks as it is, then with criteria that are empty, then with names for the keys. */
static struct pt_got *
coax(struct pt_kms *k, struct pt_ask *a)
{
	struct pt_ask as = *a;
	struct pt_got *g = pt_ecm(k, &as);

	if (g->rc < 0 && !as.has_criteria) {
		as.has_criteria = true;
		as.criteria = (const uint8_t *)"";
		g = pt_ecm(k, &as);
		if (g->rc < 0) {
			as = *a;
			as.key_id_len = 4;
			g = pt_ecm(k, &as);
		}
	}
	if (g->rc >= 0)
		*a = as;
	return g;
}

static bool
try_kind(struct pt_kms *k, struct pt_ask a, const char *name, char *said, size_t cap, char *why)
{
	const struct pt_got *g = coax(k, &a);
	const size_t n = strlen(said);

	if (g->rc < 0) {
		snprintf(why, WHY, "%s: %.200s", name, g->why);
		return false;
	}
	if (g->rc == 0)
		pt_find(PT_R_EMPTY, "%s: the ECM is empty", name);
	else if (!pt->has_ecm) {
		pt->base = a;
		pt->ecm_len = (size_t)g->rc;
		pt->has_ecm = true;
	}
	snprintf(said + n, cap - n, "%s%s", n ? ", " : "", name);
	return true;
}

static void
ecm(void)
{
	static const size_t plain[] = { 8, 16 };
	char said[PT_TEXT] = "", why[WHY + 64] = "";
	const unsigned found = pt->nfindings;
	struct pt_kms k = { 0 };

	if (pt_open_given(&k) < 0)
		return;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		struct pt_ask a = first_ask();
		char name[32];
		a.cw_len = plain[i];
		snprintf(name, sizeof(name), "%zu octets", plain[i]);
		try_kind(&k, a, name, said, sizeof(said), why);
	}
	for (size_t i = 0; i < NPROTECTIONS; i++) {
		const struct stkm_layout *l = stkm_layout(protections[i].protocol, protections[i].authenticated, protections[i].cipher);
		struct pt_ask a = first_ask();
		if (!l)
			continue;
		a.cw_len = (size_t)l->tek + l->salt + l->tas;
		a.cp = (uint16_t)(10 * (i + 1));
		if (!try_kind(&k, a, protections[i].name, said, sizeof(said), why)) {
			a.has_protection = true;
			a.protection = protections[i].protocol;
			a.authenticated = protections[i].authenticated;
		} else {
			continue;
		}
		try_kind(&k, a, protections[i].name, said, sizeof(said), why);
	}
	pt_close(&k);
	if (!pt->has_ecm && !errors_since(found))
		pt_find(PT_R_ECM, "no kind of control word gets an ECM%s%s", *why ? "; the last refusal: " : ": all are empty", why);
	pt_say("%s", said);
}

static void
windows(void)
{
	static const uint16_t cps[] = { 0, 1, 2, 3, 255, 256, 32767, 32768, 65533, 65534, 65535, 0, 1 };
	struct pt_kms k = { 0 };
	unsigned turned = 0;
	int last = -1;

	if (pt_open_given(&k) < 0)
		return;
	for (size_t i = 0; i < sizeof(cps) / sizeof(cps[0]); i++) {
		struct pt_ask a = pt->base;
		a.cp = cps[i];
		const struct pt_got *g = pt_ecm(&k, &a);
		if (g->rc < 0)	/* a KMS whose keys do not reach there says so with a status of its own */
			pt_find(g->rc <= -0x8000 ? PT_R_KEYS_END : PT_R_WINDOW, "CP %u is refused: %s", cps[i], g->why);
		if (pt->channel.section_TSpkt_flag == 0 && g->rc > 0 && (g->ecm[0] & 0xfe) == 0x80) {
			turned += last >= 0 && i > 0 && (uint16_t)(cps[i] - cps[i - 1]) == 1 && last == g->ecm[0];
			last = g->ecm[0];
		} else {
			last = -1;
		}
	}
	if (turned)
		pt_find(PT_R_TABLE_ID, "%u ECMs have the table_id of the CP before: receivers take them for repetitions", turned);
	pt_close(&k);
	pt_say("0 to 65535, and on to 0");
}

/* One kept answer beside a fresh one. */
struct kept { int rc; uint8_t ecm[KMS_ECM_MAX]; };

static void
keep(struct kept *to, const struct pt_got *g)
{
	to->rc = g->rc;
	if (g->rc > 0)
		memcpy(to->ecm, g->ecm, (size_t)g->rc);
}

static bool
alike(const struct kept *a, const struct pt_got *g)
{
	return a->rc == g->rc && (a->rc <= 0 || memcmp(a->ecm, g->ecm, (size_t)a->rc) == 0);
}

static void
same(void)
{
	static struct kept first;
	struct pt_ask a = pt->base, b = pt->base, other = pt->base;
	struct pt_kms k = { 0 };
	const struct pt_got *g;

	if (pt_open_given(&k) < 0)
		return;
	a.cp = 700;
	b.cp = 701;
	keep(&first, pt_ecm(&k, &a));
	if (!alike(&first, pt_ecm(&k, &a)))
		pt_find(PT_R_SAME, "the request of CP %u, made twice in a row, got two answers", a.cp);
	pt_ecm(&k, &b);
	usleep(20000);
	if (!alike(&first, pt_ecm(&k, &a)))
		pt_find(PT_R_SAME, "the request of CP %u, made again after that of CP %u, got another answer", a.cp, b.cp);
	other.cp = a.cp;
	other.seed++;
	g = pt_ecm(&k, &other);
	if (g->rc > 0 && alike(&first, g))
		pt_find(PT_R_DIFFERENT, "CP %u with another control word gets the same ECM", a.cp);
	other.cp = 800;
	keep(&first, pt_ecm(&k, &other));
	other.seed++;
	pt_close(&k);
	if (pt_open_given(&k) < 0)
		return;
	g = pt_ecm(&k, &other);
	if (g->rc > 0 && alike(&first, g))
		pt_find(PT_R_DIFFERENT, "CP %u with another control word gets the same ECM", other.cp);
	pt_close(&k);
	pt_say("repeated requests get the same octets, other control words do not");
}

static void
criteria(void)
{
	static uint8_t noise[60000], ones[255];
	const struct { const uint8_t *p; size_t len; bool there; } tries[] = {
		{ NULL, 0, false }, { noise, 0, true }, { noise, 1, true }, { ones, sizeof(ones), true }, { noise, 64, true }, { noise, 4096, true },
		{ noise, sizeof(noise), true },
	};
	struct pt_kms k = { 0 };
	unsigned served = 0;

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * 167 + (i >> 8) * 31 + 13);
	memset(ones, 0xff, sizeof(ones));
	if (pt_open_given(&k) < 0)
		return;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct pt_ask a = pt->base;
		a.cp = (uint16_t)(900 + i);
		a.has_criteria = tries[i].there;
		a.criteria = tries[i].p;
		a.criteria_len = tries[i].len;
		served += pt_ecm(&k, &a)->rc >= 0;
	}
	struct pt_ask a = pt->base;
	a.cp = 950;
	if (pt_ecm(&k, &a)->rc < 0)
		pt_find(PT_R_ECM, "after requests with strange access criteria a good one is refused");
	pt_close(&k);
	pt_say("absent, empty, long and garbled: %u ECMs, %zu refusals", served, sizeof(tries) / sizeof(tries[0]) - served);
}

static void
errors(void)
{
	static const size_t lengths[] = { 0, 1, 3, 7, 9, 15, 17, 64, 255, 1000 }, whys[] = { 1, 2, 16 };
	static const uint8_t unknown[] = { 3, 5, 6, 8, 255 };
	struct pt_kms k = { 0 };
	unsigned refused = 0, asked = 0;
	struct pt_got *g;

	if (pt_open_given(&k) < 0)
		return;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++, asked++) {
		struct pt_ask a = pt->base;
		a.cp = (uint16_t)(1000 + i);
		a.cw_len = lengths[i];
		const bool no = pt_ecm(&k, &a)->rc < 0;
		for (size_t w = 0; no && refused == 0 && w < sizeof(whys) / sizeof(whys[0]); w++) {	/* the reason of the first refusal */
			a.why_cap = whys[w];
			pt_ecm(&k, &a);
		}
		refused += no;
	}
	for (size_t i = 0; i < sizeof(unknown); i++, asked++) {
		struct pt_ask a = pt->base;
		a.cp = (uint16_t)(1100 + i);
		a.has_protection = true;
		a.protection = unknown[i];
		refused += pt_ecm(&k, &a)->rc < 0;
	}
	for (size_t n = 1; n < 256; n = n * 3 + 1, asked++) {
		struct pt_ask a = pt->base;
		a.cp = (uint16_t)(1200 + n);
		a.key_id_len = n < 255 ? n : 255;
		refused += pt_ecm(&k, &a)->rc < 0;
	}
	for (size_t cap = 1; pt->ecm_len > 1 && cap < pt->ecm_len; cap = cap * 2 < pt->ecm_len - 1 || cap == pt->ecm_len - 1 ? cap * 2 : pt->ecm_len - 1, asked++) {
		struct pt_ask a = pt->base;
		a.cap = cap;
		g = pt_ecm(&k, &a);
		refused += g->rc < 0;
		if (g->rc >= 0 && !g->later && (size_t)g->rc <= cap && (size_t)g->rc != pt->ecm_len)
			pt_find(PT_R_SMALL, "cap %zu is too small for an ECM of %zu octets, and ecm() returned %d", cap, pt->ecm_len, g->rc);
	}
	struct pt_ask a = pt->base;
	a.ecm_id = 0xfffd;
	pt_ecm(&k, &a);
	a = pt->base;
	a.super_cas_id ^= 0xa5a5a5a5;
	pt_ecm(&k, &a);
	pt_close(&k);
	pt_say("%u strange requests, %u refusals, each with its reason", asked, refused);
}

/* ---- several states */

static void
states(void)
{
	static struct kept of_a, of_b;
	struct pt_kms a = { 0 }, b = { 0 };
	struct pt_ask q = pt->base;
	const struct pt_got *g;

	if (pt_open_given(&a) < 0 || pt_open_given(&b) < 0)
		return;
	q.cp = 2000;
	keep(&of_a, pt_ecm(&a, &q));
	g = pt_ecm(&b, &q);
	if (!alike(&of_a, g))
		pt_find(pt->calling == KMS_WORKER ? PT_R_PARALLEL : PT_R_RESTART, "two states answer the request of CP %u differently%s", q.cp,
		    pt->calling == KMS_WORKER ? "; a worker's next request may go to any of them" : ": a spare ECMG is such another state");
	keep(&of_b, g);
	for (unsigned i = 1; i < 20; i++) {
		struct pt_ask x = q;
		x.cp = (uint16_t)(q.cp + i / 4 + 1);
		if (pt_ecm(i & 1 ? &a : &b, &x)->rc < 0)
			pt_find(PT_R_STATES, "CP %u is refused when two states take turns", x.cp);
	}
	pt_close(&a);
	q.cp = 2000;
	g = pt_ecm(&b, &q);
	if (g->rc < 0)
		pt_find(PT_R_STATES, "once one state was closed the other refuses: %s", g->why);
	pt_close(&b);
	pt_say("two side by side; one closed, the other goes on");
}

static void
restart(void)
{
	static struct kept before[4];
	struct pt_ask q = pt->base;
	struct pt_kms k = { 0 };
	unsigned differ = 0;

	for (int round = 0; round < 2; round++) {
		if (pt_open_given(&k) < 0)
			return;
		for (size_t i = 0; i < 4; i++) {
			q.cp = (uint16_t)(2100 + i);
			const struct pt_got *g = pt_ecm(&k, &q);
			if (round == 0)
				keep(&before[i], g);
			else
				differ += !alike(&before[i], g);
		}
		pt_close(&k);
	}
	if (differ)
		pt_find(PT_R_RESTART, "after close() and open() %u of 4 requests get other octets: an SCS that asks again puts a second ECM on air", differ);
	pt_say("closed and opened: the same answers");
}

struct racer { pthread_t thread; struct pt_kms k; const struct kept *want; struct pt_ask ask; unsigned wrong; };

/* A request without guards, in storage of its own: several at once. */
static void *
race(void *arg)
{
	struct racer *r = arg;
	uint8_t cw[256][40], *out = malloc(KMS_ECM_MAX);
	struct kms_cw cws[256];
	char why[WHY];

	if (!out)
		abort();
	for (unsigned i = 0; i < pt->channel.CW_per_msg; i++) {
		const uint16_t cp = (uint16_t)(r->ask.cp + 1u + pt->channel.lead_CW - pt->channel.CW_per_msg + i);
		pt_cw(&r->ask, cp, cw[i]);
		cws[i] = (struct kms_cw){ cp, cw[i], r->ask.cw_len, NULL, 0 };
	}
	const struct kms_request q = { .size = sizeof(q), .handle = 1, .super_cas_id = r->ask.super_cas_id, .ecm_id = r->ask.ecm_id,
		.cp_number = r->ask.cp, .cp_duration_100ms = r->ask.duration_100ms, .has_protection = r->ask.has_protection,
		.protection = r->ask.protection, .authenticated = r->ask.authenticated, .cws = cws, .ncws = pt->channel.CW_per_msg,
		.access_criteria = r->ask.criteria, .access_criteria_len = r->ask.criteria_len };
	for (int n = 0; n < 200; n++) {
		const int rc = pt_plugin->ecm(r->k.state, &q, out, KMS_ECM_MAX, why, sizeof(why));
		r->wrong += rc != r->want->rc || (rc > 0 && memcmp(out, r->want->ecm, (size_t)rc) != 0);
	}
	gw_cleanse(cw, sizeof(cw));
	free(out);
	return NULL;
}

static void
parallel(void)
{
	static struct racer racers[4];
	static struct kept want;
	unsigned wrong = 0;
	struct pt_ask q = pt->base;

	if (q.cw_len > 40 || q.key_id_len) {
		pt_skip("keys with names are not tried in parallel");
		return;
	}
	q.cp = 2200;
	for (size_t i = 0; i < 4; i++) {
		if (pt_open_given(&racers[i].k) < 0)
			return;
		racers[i].want = &want;
		racers[i].ask = q;
	}
	keep(&want, pt_ecm(&racers[0].k, &q));
	pt_calling("ecm() on four threads, each with a state of its own");
	for (size_t i = 0; i < 4; i++)
		pthread_create(&racers[i].thread, NULL, race, &racers[i]);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(racers[i].thread, NULL);
		wrong += racers[i].wrong;
	}
	pt_called();
	if (wrong)
		pt_find(PT_R_PARALLEL, "%u of 800 answers were wrong when four states worked at once", wrong);
	for (size_t i = 0; i < 4; i++)
		pt_close(&racers[i].k);
	pt_say("four threads, 800 answers");
}

static void
newer(void)
{
	static struct kept want;
	struct pt_kms k = { 0 }, longer = { .longer = 64 };
	char why[WHY];
	struct pt_ask q = pt->base;

	q.cp = 2300;
	if (pt_open_given(&k) < 0)
		return;
	keep(&want, pt_ecm(&k, &q));
	pt_close(&k);
	if (pt_open(&longer, pt->opt.settings, why, sizeof(why)) < 0) {
		pt_find(PT_R_NEWER, "open() refuses a struct kms_host that is longer than this version's: %s", why);
		return;
	}
	if (pt_ecm(&longer, &q)->rc < 0)
		pt_find(PT_R_NEWER, "ecm() refuses a struct kms_request that is longer than this version's");
	pt_close(&longer);
	pt_say("structs that have grown by 64 octets");
}

/* ---- later answers */

static void
flight(void)
{
	struct pt_got *got = calloc(MANY, sizeof(*got));
	struct pt_kms k = { 0 };
	unsigned late = 0, busy = 0, missing;

	if (!got || pt_open_given(&k) < 0)
		return;
	for (unsigned i = 0; i < MANY; i++) {
		struct pt_ask a = pt->base;
		a.cp = (uint16_t)(3000 + i);
		a.ecm_id = pt->ecm[i % pt->necm];
		pt_send(&k, &a, false, &got[i]);
		late += got[i].later;
	}
	snprintf(pt->call, sizeof(pt->call), "%d requests in flight", MANY);
	if (!pt_await(0, pt->opt.patience))
		pt_find(PT_R_MISSING, "%zu of %d requests were not answered in %g s", pt_owed(), MANY, pt->opt.patience);
	missing = (unsigned)pt_owed();
	for (unsigned i = 0; i < MANY && !missing; i++)
		if (got[i].rc == -ECMG_E_COMPUTATION)	/* too much at a time, as it should be said */
			busy++;
		else if (got[i].rc < 0)
			pt_find(PT_R_ECM, "one of %d requests in flight was refused: %s", MANY, got[i].why);
	if (!missing && MANY - busy < in_flight())
		pt_find(PT_R_ECM, "%u of %d requests in flight were refused as too much at a time, 0x%04x", busy, MANY, ECMG_E_COMPUTATION);
	pt_close(&k);
	pt_say(!late ? "%d requests, all answered at once" : busy ? "%d in flight, %u to be answered later, %u refused as too many" :
	    "%d in flight, %u answered later", MANY, late, busy);
	/* got stays: an answer may still come */
}

static void
close_early(void)
{
	struct pt_got *got = calloc(IN_FLIGHT, sizeof(*got));
	struct pt_kms k = { 0 };
	size_t left;

	if (!got || pt_open_given(&k) < 0)
		return;
	for (unsigned i = 0; i < IN_FLIGHT; i++) {
		struct pt_ask a = pt->base;
		a.cp = (uint16_t)(4000 + i);
		pt_send(&k, &a, false, &got[i]);
	}
	left = pt_owed();
	pt_close(&k);
	snprintf(pt->call, sizeof(pt->call), "after close()");
	if (left)	/* time for what should not come */
		usleep(1000u * (100u + (pt->channel.max_comp_time < 1000 ? pt->channel.max_comp_time : 1000u)));
	pt_say(left ? "closed with %zu requests in flight" : "every request was answered at once", left);
}

static void
secrets(void)
{
	char where[256] = "";
	struct pt_kms k = { 0 };
	size_t left;

	if (pt_sanitized()) {
		pt_skip("not with a sanitizer, which keeps what is freed");
		return;
	}
	if (pt_open_given(&k) < 0)
		return;
	for (unsigned i = 0; i < IN_FLIGHT; i++) {
		struct pt_ask a = pt->base;
		a.cp = (uint16_t)(5000 + i * pt->channel.CW_per_msg);
		struct pt_got *g = pt_ecm(&k, &a);
		gw_cleanse(g->ecm, sizeof(g->ecm));	/* should it be there: that is another finding */
		pt_scan_add(&a);
	}
	pt_close(&k);
	pt->call[0] = '\0';
	left = pt_scan(where, sizeof(where));
	if (left)
		pt_find(PT_R_CW_LEFT, "after close() %zu pieces of %d control words are in memory, in %s first: a core dump, a swapped page "
		    "or the next fault shows them", left, IN_FLIGHT, where);
	pt_say("no control word is left in memory");
}

/* ---- EMMs and LTKMs */

static const char *const formats[] = { "sections", "TS packets", "messages" };

static unsigned
one_round(struct pt_kms *k, const struct kms_ltkm *what, char *why)
{
	static uint8_t out[KMS_ECM_MAX];
	unsigned n = 0;
	int rc;

	while ((rc = pt_ltkm(k, what, n, out, sizeof(out), why, WHY)) > 0 && n < ROUND_MAX) {
		const char *fault = (size_t)rc > sizeof(out) ? NULL : pt_datagram_fault(what->section_TSpkt_flag, out, (size_t)rc);
		if ((size_t)rc > sizeof(out))
			pt_find(PT_R_LENGTH, "ltkm() returned %d octets; cap is %zu", rc, sizeof(out));
		else if (fault)
			pt_find(PT_R_LTKM_FORM, "datagram %u, section_TSpkt_flag %u: %s", n, what->section_TSpkt_flag, fault);
		n++;
	}
	if (n == ROUND_MAX)
		pt_find(PT_R_LTKM, "%u datagrams, and ltkm() has not returned 0 yet: the EMMG never begins again", n);
	else if (n && rc == 0 && pt_ltkm(k, what, n + 1000, out, sizeof(out), why, WHY) > 0)
		pt_find(PT_R_LTKM, "there are %u datagrams, and one has number %u", n, n + 1000);
	for (size_t cap = 1; n && cap < 16; cap *= 4)
		if ((rc = pt_ltkm(k, what, 0, out, cap, why, WHY)) > (int)cap)
			pt_find(PT_R_LENGTH, "ltkm() returned %d octets; cap is %zu", rc, cap);
	return n;
}

static void
ltkm(void)
{
	char said[PT_TEXT] = "", why[WHY] = "";
	struct pt_kms k = { 0 };

	if (pt_open_given(&k) < 0)
		return;
	for (uint8_t flag = 0; flag < 3; flag++) {
		struct kms_ltkm what = { .size = sizeof(what), .client_id = pt->has_channel ? pt->cas : 0x4ae60001, .data_id = 1, .section_TSpkt_flag = flag,
			.utc_s = time(NULL) };
		const unsigned n = one_round(&k, &what, why);
		if (n)
			snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s%u %s", *said ? ", " : "", n, formats[flag]);
		what.utc_s = 0;
		pt_ltkm(&k, &what, 0, (uint8_t[4096]){ 0 }, 4096, why, sizeof(why));
		what.utc_s = (int64_t)1 << 40;
		pt_ltkm(&k, &what, UINT32_MAX, (uint8_t[4096]){ 0 }, 4096, why, sizeof(why));
		what.client_id = ~what.client_id;
		what.data_id = 0xfffd;
		pt_ltkm(&k, &what, 0, (uint8_t[4096]){ 0 }, 4096, why, sizeof(why));
	}
	pt_close(&k);
	pt->call[0] = '\0';
	if (!*said)
		pt_find(PT_R_LTKM_NONE, "ltkm() has nothing for client_id 0x%08x, data_id 1%s%s", pt->cas, *why ? ": " : "", why);
	pt_say("%s", said);
}

/* ---- a year */

static int64_t
resident(void)
{
	long pages = 0, all;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%ld %ld", &all, &pages) != 2)
		pages = 0;
	if (f)
		fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

struct mark { uint64_t n; int64_t allocated, resident; };

/* Growth that goes on in every part but the first is none of a cache that fills. The octets that it was. */
static int64_t
judge_growth(const struct mark m[5], enum pt_rule_id rule, const char *of)
{
	const uint64_t n = m[4].n - m[1].n;
	const int64_t heap = m[4].allocated - m[1].allocated, pages = m[4].resident - m[1].resident;
	bool heap_on = n > 0, pages_on = n > 0;

	for (int q = 2; q < 5; q++) {
		heap_on &= m[q].allocated > m[q - 1].allocated;
		pages_on &= m[q].resident > m[q - 1].resident;
	}
	if (heap_on && heap >= 16384 && heap >= (int64_t)(2 * n))
		pt_find(rule, "%lld octets more are allocated after %llu %s, %.1f each", (long long)heap, (unsigned long long)n, of, (double)heap / (double)n);
	else if (pages_on && !pt_sanitized() && pages >= (4 << 20) && pages >= (int64_t)(8 * n))
		pt_find(rule, "the process has grown by %lld KiB in %llu %s", (long long)pages / 1024, (unsigned long long)n, of);
	return heap;
}

/* A year of EMMs: a round an hour, of the first format that there is. */
static void
rounds(void)
{
	static uint8_t out[KMS_ECM_MAX];
	struct kms_ltkm what = { .size = sizeof(what), .client_id = pt->has_channel ? pt->cas : 0x4ae60001, .data_id = 1, .utc_s = time(NULL) };
	const int64_t begin = pt_now_ns(), limit = (int64_t)(pt->opt.seconds * 5e8), most = limit + (int64_t)(pt->opt.patience * 1e9);
	struct pt_kms k = { 0 };
	struct mark marks[5];
	char why[WHY] = "";
	uint64_t i = 0, n = 0;
	unsigned quarter = 0;

	if (pt_open_given(&k) < 0)
		return;
	while (what.section_TSpkt_flag < 2 && pt_ltkm(&k, &what, 0, out, sizeof(out), why, sizeof(why)) <= 0)
		what.section_TSpkt_flag++;
	for (;; what.utc_s += 3600, i++) {
		const int64_t spent = pt_now_ns() - begin;
		const double by_time = limit ? (double)spent / (double)limit : 1, by_number = (double)i / YEAR_HOURS;
		/* between two marks there are rounds, though the machine stood still meanwhile */
		if ((by_time > by_number ? by_time : by_number) >= quarter / 4. && (quarter == 0 || i >= marks[quarter - 1].n + FEW || spent >= most))
			marks[quarter++] = (struct mark){ i, pt_memory(), resident() };
		if (quarter == 5)
			break;
		for (uint32_t index = 0; index < ROUND_MAX && pt_now_ns() - begin < most; index++, n++)
			if (pt_ltkm(&k, &what, index, out, sizeof(out), why, sizeof(why)) <= 0)
				break;
	}
	judge_growth(marks, PT_R_LTKM_MEMORY, "rounds");
	pt_close(&k);
	pt->call[0] = '\0';
	pt_say("%llu round%s, one an hour, with %llu %s%s", (unsigned long long)i, i == 1 ? "" : "s", (unsigned long long)n, formats[what.section_TSpkt_flag],
	    i >= YEAR_HOURS ? "" : "; half of --seconds is the limit");
}

/* calls: how long each call of ecm() took, which with later answers is not how long the answer took. */
static void
judge_times(const struct hist *calls)
{
	const double limit = pt->channel.max_comp_time, p50 = (double)hist_quantile(&pt->took_ns, .5) / 1e6,
	    on_loop = (double)hist_quantile(calls, .5) / 1e6, p99 = (double)hist_quantile(&pt->took_ns, .99) / 1e6, most = (double)pt->took_ns.max / 1e6;

	pt->call[0] = '\0';
	if (p99 > limit)
		pt_find(PT_R_LATE, "max_comp_time is %g ms; half of the answers took %.3f ms, one in 100 took %.3f ms or more", limit, p50, p99);
	else if (most > limit)
		pt_find(PT_R_LATEST, "max_comp_time is %g ms; one of %llu answers took %.3f ms", limit, (unsigned long long)pt->took_ns.n, most);
	if (pt->calling != KMS_WORKER && on_loop > 1)
		pt_find(PT_R_BLOCKS, "half of the calls take %.3f ms or more: nothing else happens in the ECMG meanwhile; %s", on_loop,
		    pt->calling == KMS_ASYNC ? "what blocks belongs into a thread of the plugin's" : "KMS_WORKER is for that");
}

static void
year(void)
{
	static struct hist calls;
	struct pt_got *got = calloc(1, sizeof(*got));
	struct pt_ask a = pt->base;
	struct pt_kms k = { 0 };
	struct mark marks[5];
	const int64_t begin = pt_now_ns(), limit = (int64_t)(pt->opt.seconds * 1e9);
	unsigned quarter = 0;
	double warm = 0;
	char why[256] = "";
	uint64_t i = 0;

	pt_warm();
	memset(&calls, 0, sizeof(calls));	/* its pages are there before those of the process are counted */
	if (!got || pt_open_given(&k) < 0)
		return;
	for (;;) {
		const int64_t spent = pt_now_ns() - begin;
		const bool end = i == YEAR_CPS || (spent >= limit && (i >= FEW || spent >= limit + (int64_t)(1e9 * pt->opt.patience)));
		const double by_time = limit ? (double)spent / (double)limit : 1, by_number = (double)i / YEAR_CPS;
		const double part = by_time > by_number ? by_time : by_number;
		/* The first mark at once, the next when each CP_number has been there, or half of the time is over; then three in equal parts. */
		const bool due = quarter == 0 || end || (quarter == 1 ? i >= CP_NUMBERS || part >= .5 : part >= warm + (1 - warm) * (quarter - 1) / 3);
		if (quarter < 5 && due) {
			pt_await(0, pt->opt.patience);
			warm = quarter == 1 ? part : warm;
			marks[quarter++] = (struct mark){ i, pt_memory(), resident() };
		}
		if (end) {
			pt_await(0, pt->opt.patience);	/* the last mark may have been before the last request */
			break;
		}
		a.cp = (uint16_t)(FIRST_CP + i);
		if ((i & 255) == 0)
			pt_calling("ecm(), CP %u, crypto-period %llu of the year", a.cp, (unsigned long long)i);
		pt_send(&k, &a, true, got);
		hist_add(&calls, got->call_ns);
		if (!got->later && got->rc < 0) {
			pt->year_refused++;
			snprintf(why, sizeof(why), "%s", got->why);
		}
		if (got->later && !pt_await(in_flight() - 1, pt->opt.patience)) {
			pt_find(PT_R_MISSING, "an answer did not come in %g s", pt->opt.patience);
			break;
		}
		pt->year_done = ++i;
		pt->since_ns = pt_now_ns();
	}
	while (quarter < 5)
		marks[quarter++] = (struct mark){ i, pt_memory(), resident() };
	pt_called();
	const struct pt_late late = pt_late();
	pt->year_refused += late.refused;
	pt->year_s = (double)(pt_now_ns() - begin) / 1e9;
	if (pt_owed())
		pt_find(PT_R_MISSING, "%zu requests were not answered in %g s", pt_owed(), pt->opt.patience);
	pt_close(&k);
	/* something may be kept for each CP_number */
	pt->grown_bytes = judge_growth(marks, marks[1].n >= CP_NUMBERS ? PT_R_MEMORY : PT_R_MEMORY_DOUBT, "requests");
	judge_times(&calls);
	if (pt->year_refused)
		pt_find(PT_R_KEYS_END, "%llu of %llu requests were refused, the last one so: %s", (unsigned long long)pt->year_refused,
		    (unsigned long long)i, *why ? why : late.why);
	pt_say("%llu crypto-periods of 10 s (%.0f days) in %.1f s%s", (unsigned long long)i, (double)i / 8640, pt->year_s,
	    i == YEAR_CPS ? "" : "; --seconds is the limit");
}

const struct pt_test pt_tests[] = {
	{ "object", "the shared object", object, 0 },
	{ "load", "loaded, its entry point", load, PT_LOADED },
	{ "open", "open and close, settings", opening, PT_LOADED },
	{ "channel", "Super_CAS_ids, channel_status", channel, PT_LOADED | PT_OPENS },
	{ "stream", "ECM_ids", stream, PT_LOADED | PT_OPENS | PT_SERVES },
	{ "ecm", "control words of every kind", ecm, PT_LOADED | PT_OPENS | PT_STREAMS },
	{ "window", "CP_numbers", windows, PT_LOADED | PT_MAKES },
	{ "same", "requests made again", same, PT_LOADED | PT_MAKES },
	{ "criteria", "access criteria", criteria, PT_LOADED | PT_MAKES },
	{ "errors", "requests that cannot be served", errors, PT_LOADED | PT_MAKES },
	{ "states", "two states", states, PT_LOADED | PT_MAKES },
	{ "restart", "closed and opened again", restart, PT_LOADED | PT_MAKES },
	{ "newer", "a later version of the host", newer, PT_LOADED | PT_MAKES },
	{ "parallel", "worker threads", parallel, PT_LOADED | PT_MAKES | PT_WORKERS },
	{ "flight", "many requests in flight", flight, PT_LOADED | PT_MAKES | PT_LATE },
	{ "close", "closed with requests in flight", close_early, PT_LOADED | PT_MAKES | PT_LATE },
	{ "secrets", "what is left of control words", secrets, PT_LOADED | PT_MAKES },
	{ "leak", "opened and closed 100 times", again, PT_LOADED | PT_OPENS },
	{ "ltkm", "EMMs and LTKMs", ltkm, PT_LOADED | PT_OPENS | PT_LTKMS },
	{ "rounds", "a year of EMMs and LTKMs", rounds, PT_LOADED | PT_OPENS | PT_LTKMS },
	{ "year", "a year of crypto-periods", year, PT_LOADED | PT_MAKES },
};
const size_t pt_ntests = sizeof(pt_tests) / sizeof(pt_tests[0]);
