/* bsm/stkm_get.c: see stkm_get.h */
#include "bsm/stkm_get.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "kms/mikey_psk.h"
#include "lib/secret.h"
#include "proto/mikey.h"

enum { FRESH_US = 10000000, SECOND = 1000000, CHECKS = 20 };	/* CHECKS: new datagrams of a stream that are looked into within a second */

struct stream {
	bool used;
	uint16_t ecm_id;
	char service[KMS_NAME];
	enum kms_kind kind;
	int64_t key;			/* whose the newest one is */
	uint32_t counter;
	int64_t heard_us;		/* 0: never */
	int64_t second_us; unsigned checks;
	uint8_t octets[STKM_GET_MAX]; size_t len;
};
struct stkm_get {
	struct kms_store *store;
	int64_t fresh_us;
	const char *prefix;
	struct stream *streams; size_t n, room;
	struct gw_secret memory; struct kms_key *key;	/* of the datagram at hand */
	struct stkm_get_counts counts;
};

int
stkm_get_new(struct kms_store *store, int64_t fresh_us, struct stkm_get **out, struct gw_err *err)
{
	struct stkm_get *g = calloc(1, sizeof(*g));

	*out = NULL;
	if (!g || gw_secret_new(&g->memory, sizeof(*g->key)) < 0) {
		free(g);
		return gw_fail(err, GW_ESYS, "no memory for STKMs over the interaction channel");
	}
	g->store = store;
	g->fresh_us = fresh_us ? fresh_us : FRESH_US;
	g->key = (struct kms_key *)(void *)g->memory.p;
	*out = g;
	return 0;
}

void
stkm_get_free(struct stkm_get *g)
{
	if (!g)
		return;
	gw_secret_free(&g->memory);
	free(g->streams);
	free(g);
}

int
stkm_get_stream(struct stkm_get *g, uint16_t ecm_id, const char *service, enum kms_kind kind)
{
	size_t place = g->n;

	for (size_t i = g->n; i-- > 0;) {
		struct stream *s = &g->streams[i];
		if (s->used && s->ecm_id == ecm_id && s->kind == kind && strcmp(s->service, service) == 0)
			return (int)i;
		if (!s->used)
			place = i;
	}
	if (strlen(service) >= KMS_NAME)
		return -1;
	if (place == g->room) {
		size_t room = g->room ? 2 * g->room : 16;
		struct stream *more = realloc(g->streams, room * sizeof(*more));
		if (!more)
			return -1;
		g->streams = more;
		g->room = room;
	}
	g->n += place == g->n;
	g->streams[place] = (struct stream){ .used = true, .ecm_id = ecm_id, .kind = kind };
	strcpy(g->streams[place].service, service);
	return (int)place;
}

void
stkm_get_end(struct stkm_get *g, int stream)
{
	if (stream >= 0 && (size_t)stream < g->n)
		g->streams[stream].used = false;
}

/* ---- hearing ---- */

/* Anybody can send to a group: only so much of it is looked into. */
static bool
may_check(struct stream *s, int64_t now_us)
{
	if (now_us - s->second_us >= SECOND || now_us < s->second_us) {
		s->second_us = now_us;
		s->checks = 0;
	}
	return s->checks++ < CHECKS;
}

static bool
mac_right(const struct kms_key *key, const struct mikey *m, const void *msg)
{
	struct mikey_session session;
	bool right;

	if (m->mac.len != MIKEY_MAC || mikey_session_init(&session, key->key, sizeof(key->key), m->csb_id, key->rand, sizeof(key->rand)) < 0)
		return false;
	right = mikey_mac_right(&session, msg, m->mac_at, m->mac.p);
	mikey_session_fini(&session);
	return right;
}

/* Is it an STKM under a key of that service, of that kind, and not an old one that somebody has sent again? */
static bool
is_newest(struct stkm_get *g, const struct stream *s, const struct mikey *m, const void *msg, int64_t now_us)
{
	const struct mikey_ids *ids = &m->ids;
	struct kms_service service;

	if (m->data_type != MIKEY_PSK || !m->has_ids || !ids->has_domain || !ids->has_key || !ids->has_tek || !ids->key_number || !m->has_t || !m->has_kemac ||
	    kms_service_find(g->store, s->service, &service) != GW_WON ||
	    kms_key_find(g->store, ids->domain, ids->key_group, ids->key_number, g->key) != GW_WON)
		return false;
	if (g->key->service != service.id || g->key->kind != s->kind || !mac_right(g->key, m, msg))
		return false;
	return g->key->id != s->key || m->ts > s->counter || now_us - s->heard_us > g->fresh_us;
}

bool
stkm_get_heard(struct stkm_get *g, int stream, const void *msg, size_t len, int64_t now_us)
{
	struct stream *s = stream >= 0 && (size_t)stream < g->n ? &g->streams[stream] : NULL;
	struct mikey m;

	if (!s || !s->used)
		return false;
	g->counts.heard++;
	if (s->heard_us && len == s->len && memcmp(msg, s->octets, len) == 0) {
		s->heard_us = now_us;
		return true;
	}
	bool newest = len <= sizeof(s->octets) && may_check(s, now_us) && mikey_decode(msg, len, &m, NULL) == 0 && is_newest(g, s, &m, msg, now_us);
	if (newest) {
		memcpy(s->octets, msg, len);
		s->len = len;
		s->key = g->key->id;
		s->counter = (uint32_t)m.ts;
		s->heard_us = now_us;
	}
	gw_cleanse(g->key, sizeof(*g->key));
	++*(newest ? &g->counts.kept : &g->counts.foreign);
	return newest;
}

/* ---- giving ---- */

/* SERVICE of /stkm/SERVICE; it may have slashes itself. */
static bool
unescape(const char *text, char *out, size_t cap)
{
	size_t n = 0;

	for (; *text; text++) {
		unsigned c = (unsigned char)*text;
		if (c == '%') {
			char digits[3] = { text[1], text[1] ? text[2] : 0 };
			if (!isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1]))
				return false;
			c = (unsigned)strtoul(digits, NULL, 16);
			text += 2;
		}
		if (c < ' ' || n + 1 >= cap)
			return false;
		out[n++] = (char)c;
	}
	out[n] = 0;
	return n > 0;
}

/* ?stkmstream=N. -1: there is none; -2: it is none. */
static long
wanted_stream(const char *query)
{
	static const char name[] = "stkmstream=";
	const char *p = query;
	char *end;

	while (strncmp(p, name, sizeof(name) - 1) != 0) {
		p += strcspn(p, "&");
		if (!*p++)
			return -1;
	}
	p += sizeof(name) - 1;
	unsigned long n = strtoul(p, &end, 10);
	return isdigit((unsigned char)*p) && (*end == 0 || *end == '&') && n <= UINT16_MAX ? (long)n : -2;
}

enum verdict { GIVE, MALFORMED, NOT_REGISTERED, UNKNOWN, NOT_BOUGHT, SILENT, BUSY };
static const struct { unsigned status; const char *words; size_t count; } verdicts[] = {
#define COUNT(member) offsetof(struct stkm_get_counts, member)
	[MALFORMED]      = { 400, "neither a service nor a stream is called that\n", COUNT(unknown) },
	[NOT_REGISTERED] = { 403, "not registered\n", COUNT(denied) },
	[UNKNOWN]        = { 404, "no such service or stream\n", COUNT(unknown) },
	[NOT_BOUGHT]     = { 403, "not bought\n", COUNT(denied) },
	[SILENT]         = { 503, "nothing is heard of it; try again\n", COUNT(silent) },
#undef COUNT
};

/* GW_UNAVAILABLE is BUSY; GW_EXISTS, nothing found, is what the caller says. */
static enum verdict
or_busy(enum gw_outcome o, enum verdict nothing)
{
	return o == GW_WON ? GIVE : o == GW_EXISTS ? nothing : BUSY;
}

static enum verdict
registered(struct stkm_get *g, int64_t sub, int64_t now_us)
{
	struct kms_registration r;
	enum verdict v = or_busy(kms_registration_get(g->store, sub, &r), NOT_REGISTERED);

	return v == GIVE && r.expires_us <= now_us ? NOT_REGISTERED : v;
}

/* The first stream that the subscriber may have, SEKs before PEKs. */
static enum verdict
choose(struct stkm_get *g, int64_t sub, const struct kms_service *service, long ecm_id, int64_t now_us, const struct stream **out)
{
	enum verdict v = UNKNOWN;

	for (int kind = KMS_SEK; kind <= KMS_PEK; kind++)
		for (size_t i = 0; i < g->n; i++) {
			const struct stream *s = &g->streams[i];

			if (!s->used || s->kind != (enum kms_kind)kind || (ecm_id >= 0 && s->ecm_id != ecm_id) || strcmp(s->service, service->name) != 0)
				continue;
			*out = s;
			v = or_busy(kms_entitled(g->store, sub, service->id, s->kind, s->key, now_us), NOT_BOUGHT);
			if (v == GIVE)
				return s->heard_us && now_us - s->heard_us <= g->fresh_us ? GIVE : SILENT;
			if (v == BUSY)
				return v;
		}
	return v;
}

static enum verdict
find(struct stkm_get *g, int64_t sub, const struct door_request *q, const struct stream **out)
{
	const char *rest = q->path + strlen(g->prefix);
	char name[2 * KMS_URI];
	struct kms_service service;
	long ecm_id = wanted_stream(q->query);
	enum verdict v;

	if (!unescape(rest, name, sizeof(name)) || ecm_id == -2)
		return MALFORMED;
	v = registered(g, sub, q->now_us);
	if (v == GIVE)
		v = or_busy(kms_service_find(g->store, name, &service), UNKNOWN);
	return v == GIVE ? choose(g, sub, &service, ecm_id, q->now_us, out) : v;
}

static void
give(struct stkm_get *g, const struct stream *s, struct door_answer *a)
{
	char *body = malloc(s->len);

	if (!body) {
		door_unavailable(a);
		return;
	}
	memcpy(body, s->octets, s->len);
	door_answer_free(a);
	a->status = 200;
	a->type = STKM_GET_TYPE;
	a->body = body;
	a->len = s->len;
	door_answer_header(a, "cache-control: no-store");
	g->counts.given++;
}

static void
answer(void *self, int64_t sub, const struct door_request *q, struct door_answer *a)
{
	struct stkm_get *g = self;
	const struct stream *s = NULL;
	enum verdict v = find(g, sub, q, &s);

	if (v == GIVE) {
		give(g, s, a);
	} else if (v == BUSY) {
		door_unavailable(a);
	} else {
		++*(uint64_t *)(void *)((uint8_t *)&g->counts + verdicts[v].count);
		door_answer_text(a, verdicts[v].status, "text/plain", verdicts[v].words);
		if (v == SILENT)
			door_answer_header(a, "retry-after: 1");
	}
}

struct regd_route
stkm_get_route(struct stkm_get *g, const char *prefix)
{
	g->prefix = prefix ? prefix : STKM_GET_PATH;
	return (struct regd_route){ .method = "GET", .prefix = g->prefix, .answer = answer, .self = g };
}

const struct stkm_get_counts *
stkm_get_counts(const struct stkm_get *g)
{
	return &g->counts;
}
