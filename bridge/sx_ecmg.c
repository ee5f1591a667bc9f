/* bridge/sx_ecmg.c */
#include "bridge/sx_ecmg.h"
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/errors.h"
#include "lib/scs_terms.h"
#include "lib/secret.h"

enum { ATTEMPT_MS = 2000, LEAST_US = 1000000 };

struct sx_ask {
	struct gw_due due;		/* first: it is found by it */
	LIST_ENTRY(sx_ask) next;
	struct sx_ecmg *engine;
	struct sx_stream *stream;
	uint16_t cp;
	uint8_t whole[SX_DIGEST];
	uint64_t waiting[SX_WAITERS]; unsigned nwaiting;
	int64_t asked_us, period_us;
};

static void
note(const struct sx_ecmg *e, enum gw_level level, const char *event, const struct sx_stream *s, int cp, const char *why)
{
	if (!s->gone)	/* its row is not in the file any more */
		e->door->note(e->self, &(struct sx_note){ level, event, s->row->kms, s->unit->service, s->ecm_id, cp, why });
}

/* ---- streams, of the file ---- */

static uint64_t
key_of(uint32_t super_cas_id, uint16_t ecm_id)
{
	return (uint64_t)super_cas_id << 16 | ecm_id;
}

static int
by_key(const void *a, const void *b)
{
	const uint64_t x = (*(struct sx_stream *const *)a)->key, y = (*(struct sx_stream *const *)b)->key;

	return (x > y) - (x < y);
}

static struct sx_stream *
find(const struct sx_ecmg *e, uint32_t super_cas_id, uint16_t ecm_id)
{
	const struct sx_stream wanted = { .key = key_of(super_cas_id, ecm_id) };
	const struct sx_stream *const w = &wanted;
	struct sx_stream **s = e->n ? bsearch(&w, e->v, e->n, sizeof(struct sx_stream *), by_key) : NULL;

	return s ? *s : NULL;
}

static const struct he_bridge_ecmg *
row_of(const struct sx_ecmg *e, uint32_t super_cas_id)
{
	for (size_t i = 0; e->bridge && i < e->bridge->necmg; i++)
		if (e->bridge->ecmg[i].kms->super_cas_id == super_cas_id)
			return &e->bridge->ecmg[i];
	return NULL;
}

static void
free_stream(struct sx_stream *s)
{
	for (unsigned k = 0; k < SX_KEPT; k++)
		free(s->kept[k].stkm);
	free(s);
}

struct table { struct sx_stream **v; size_t n, cap; };

static int
add_stream(struct table *t, const struct he_bridge_ecmg *row, const struct he_unit *unit, uint16_t ecm_id)
{
	struct sx_stream *s = calloc(1, sizeof(*s)), **v = t->v;

	if (t->n == t->cap && (v = realloc(t->v, (t->cap = t->cap ? 2 * t->cap : 64) * sizeof(struct sx_stream *))))
		t->v = v;
	if (!s || !v) {
		free(s);
		return -1;
	}
	*s = (struct sx_stream){ .key = key_of(row->kms->super_cas_id, ecm_id), .row = row, .unit = unit, .ecm_id = ecm_id };
	LIST_INIT(&s->asks);
	t->v[t->n++] = s;
	return 0;
}

static void
free_table(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free_stream(t->v[i]);
	free(t->v);
}

static int
add_unit(struct table *t, const struct he_unit *u, const struct he_bridge *b)
{
	for (size_t k = 0; k < u->nstkm; k++)
		for (size_t r = 0; r < b->necmg; r++)
			if (b->ecmg[r].kms == u->stkm[k].kms && add_stream(t, &b->ecmg[r], u, u->stkm[k].ecm_id) < 0)
				return -1;
	return 0;
}

/* Every stream of the file's services that one of the bridge's BSMs makes. */
static int
build(struct table *t, const struct headend *h, const struct he_bridge *b)
{
	for (size_t i = 0; i < h->nservices; i++)
		for (size_t k = 0; k < h->services[i].nunits; k++)
			if (add_unit(t, &h->services[i].units[k], b) < 0)
				return -1;
	return 0;
}

/* What is known of a stream stays with it; one that is gone goes with its last ask. */
static void
take_over(struct sx_ecmg *e, struct table *t)
{
	for (size_t i = 0; i < e->n; i++)
		e->v[i]->gone = true;
	for (size_t i = 0; i < t->n; i++) {
		struct sx_stream *old = find(e, (uint32_t)(t->v[i]->key >> 16), t->v[i]->ecm_id);
		if (!old || !old->gone)
			continue;
		old->row = t->v[i]->row;
		old->unit = t->v[i]->unit;
		old->gone = false;
		free_stream(t->v[i]);
		t->v[i] = old;
	}
	for (size_t i = 0; i < e->n; i++)
		if (e->v[i]->gone && e->v[i]->nasks == 0)
			free_stream(e->v[i]);
	free(e->v);
	e->v = t->v;
	e->n = t->n;
}

int
sx_ecmg_conf(struct sx_ecmg *e, const struct headend *h, const struct he_bridge *b, struct gw_err *err)
{
	struct table t = { .cap = 0 };

	e->md = e->md ? e->md : EVP_MD_fetch(NULL, "SHA256", NULL);
	e->mdctx = e->mdctx ? e->mdctx : EVP_MD_CTX_new();
	if (!e->md || !e->mdctx || build(&t, h, b) < 0) {
		free_table(&t);
		return gw_fail(err, GW_ESYS, "out of memory");
	}
	if (t.n)
		qsort(t.v, t.n, sizeof(struct sx_stream *), by_key);
	for (size_t i = 1; i < t.n; i++)
		if (t.v[i]->key == t.v[i - 1]->key) {
			gw_fail(err, GW_ECONF, "KMS %s has ECM_id %u twice", t.v[i]->row->kms->name, t.v[i]->ecm_id);
			free_table(&t);
			return -1;
		}
	take_over(e, &t);
	e->bridge = b;
	return 0;
}

void
sx_ecmg_fini(struct sx_ecmg *e)
{
	for (size_t i = 0; i < e->n; i++)
		free_stream(e->v[i]);
	free(e->v);
	gw_dues_free(&e->dues);
	EVP_MD_free(e->md);
	EVP_MD_CTX_free(e->mdctx);
	*e = (struct sx_ecmg){ .door = e->door, .self = e->self };
}

/* ---- what SCSs are told ---- */

enum { DRM_PROFILE = 0x0001, SMARTCARD_PROFILE = 0x0002 };	/* upper half of Super_CAS_id */

static int64_t
said(const struct he_opt *o, int64_t otherwise)
{
	return o->set ? o->v : otherwise;
}

/* Of one attempt: what the peer has to make an STKM, and what its answer takes over the network. */
static unsigned
attempt_ms(const struct he_bridge_ecmg *row)
{
	if (row->kms->max_comp_time.set)
		return (unsigned)row->kms->max_comp_time.v + SCS_NETWORK_MS;
	return row->peer->timeout_ms ? row->peer->timeout_ms : ATTEMPT_MS;
}

/* As channel_status can say it. */
static uint16_t
comp_time_ms(const struct he_bridge_ecmg *row)
{
	const int64_t ms = said(&row->kms->max_comp_time, attempt_ms(row));

	return ms < UINT16_MAX ? (uint16_t)ms : UINT16_MAX;
}

/* What the SCS waits is what an answer over HTTP may take (11.2): it and the number of control words are the file's to correct. */
int
sx_ecmg_channel(const struct sx_ecmg *e, uint32_t super_cas_id, struct ecmg_says *says, char *why, size_t cap)
{
	const struct he_bridge_ecmg *row = row_of(e, super_cas_id);
	const struct he_kms *k = row ? row->kms : NULL;
	const bool drm = super_cas_id >> 16 == DRM_PROFILE;

	if (!k) {
		snprintf(why, cap, "no BSM of this bridge has Super_CAS_id 0x%08x", super_cas_id);
		return -ECMG_E_SUPER_CAS_ID;
	}
	says->section_TSpkt_flag = k->protocol_version < 3 ? 0 : 2;	/* versions that have no 2: a CA system of sections behind XML */
	says->lead_CW = (uint8_t)said(&k->lead_CW, drm);
	says->CW_per_msg = (uint8_t)said(&k->CW_per_msg, drm ? 2 : 1);
	says->delay_start = (int16_t)said(&k->delay_start, -2000);
	says->delay_stop = (int16_t)said(&k->delay_stop, -2000);
	says->ECM_rep_period = (uint16_t)said(&k->ECM_rep_period, 500);
	says->max_comp_time = comp_time_ms(row);
	says->min_CP_duration = (uint16_t)said(&k->min_CP_duration, 10);
	says->max_streams = (uint16_t)said(&k->max_streams, 0);
	if (says->lead_CW > 1 || says->CW_per_msg > 2 || says->CW_per_msg == 0 || says->CW_per_msg < says->lead_CW + 1) {
		snprintf(why, cap, "tag 5 has room for the keys of this and the next crypto-period: lead_CW 0 with CW_per_msg 1 or 2, or 1 with 2");
		return -ECMG_E_UNKNOWN;
	}
	return 0;
}

int
sx_ecmg_stream(const struct sx_ecmg *e, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t cap)
{
	if (find(e, super_cas_id, ecm_id))
		return 0;
	snprintf(why, cap, "no service has an STKM stream with ECM_id %u of this KMS", ecm_id);
	return -ECMG_E_ECM_ID;
}

/* ---- requests ---- */

/* What a stream is protected with when the SCS does not say. */
static int
protection_of(const struct sx_stream *s, const struct ecmg_request *q, size_t key_len)
{
	static const int of_scrambling[] = { [HE_IPSEC] = SP4_IPSEC, [HE_SRTP] = SP4_SRTP, [HE_ISMACRYP] = SP4_ISMACRYP };
	const unsigned p = q->has_protection ? q->protection : (unsigned)s->unit->service->scrambling;

	if (p <= HE_ISMACRYP)
		return of_scrambling[p];
	return key_len == 8 ? SP4_CSA2 : SP4_CISSA;
}

struct key_id { uint8_t b[8]; size_t len; };

/* That of the SCS, or of the rule; transport streams tell even and odd periods apart. */
static void
identify(const struct sx_stream *s, const struct ecmg_cw *cw, struct key_id *id)
{
	if (cw->key_id_len > 0 && cw->key_id_len <= sizeof(id->b)) {
		memcpy(id->b, cw->key_id, id->len = cw->key_id_len);
		return;
	}
	id->len = he_key_id(s->unit->service->scrambling, s->unit->index, cw->cp_number, id->b);
	if (id->len == 0) {
		id->b[0] = cw->cp_number & 1;
		id->len = 1;
	}
}

static const struct ecmg_cw *
cw_of(const struct ecmg_request *q, uint16_t cp)
{
	for (size_t k = 0; k < q->ncws; k++)
		if (q->cws[k].cp_number == cp)
			return &q->cws[k];
	return NULL;
}

static void
fill_key(const struct sx_stream *s, const struct ecmg_request *q, const struct ecmg_cw *cw, const struct key_id *id, struct sp4_key_context *k)
{
	k->cp = cw->cp_number;
	k->protection = protection_of(s, q, cw->cw_len);
	k->authenticated = q->has_protection ? q->authenticated : s->unit->service->authentication;
	k->duration_ds = q->cp_duration_100ms;
	k->key_id = (struct sp4_octets){ id->b, id->len };
	k->material = (struct sp4_octets){ cw->cw, cw->cw_len };
	if (q->cw_encryption)
		k->cw_encryption = (struct sp4_octets){ q->cw_encryption, q->cw_encryption_len };
}

static void
fill(const struct sx_stream *s, const struct ecmg_request *q, const struct ecmg_cw *const cw[2], const struct key_id id[2], struct sp4_msg *m)
{
	sp4_init(m, 5);
	m->service = s->unit->service->global_service_id;
	m->n_stkm = 1;
	m->stkm = (struct sp4_stkm_context){ .cp = q->cp_number, .stream = s->ecm_id,
		.profile = q->super_cas_id >> 16 == SMARTCARD_PROFILE ? SP4_SMARTCARD : SP4_DRM, .repetition_ms = said(&s->row->kms->ECM_rep_period, 500),
		.access_criteria = { q->access_criteria, q->access_criteria_len } };
	for (size_t k = 0; k < 2; k++)
		if (cw[k]) {
			struct sp4_key_context *c = &m->keys[m->n_keys++];
			*c = (struct sp4_key_context){ .cp = SP4_ABSENT, .protection = SP4_ABSENT, .authenticated = SP4_ABSENT,
				.activation_ms = SP4_ABSENT, .duration_ds = SP4_ABSENT };
			fill_key(s, q, cw[k], &id[k], c);
		}
}

/* What is to be hashed, gathered: most of it is a few octets long, and a call of libcrypto's costs more than they do. */
struct gathered { struct sx_ecmg *engine; size_t n; uint8_t octets[512]; };

static void
hash_gathered(struct gathered *g)
{
	EVP_DigestUpdate(g->engine->mdctx, g->octets, g->n);
	gw_cleanse(g->octets, g->n);	/* there are keys among them */
	g->n = 0;
}

static void
put(struct gathered *g, const void *p, size_t len)
{
	const uint32_t n = (uint32_t)len;	/* a length before each: no two different ones run together alike */

	if (sizeof(n) + len > sizeof(g->octets) - g->n)
		hash_gathered(g);
	memcpy(g->octets + g->n, &n, sizeof(n));
	g->n += sizeof(n);
	if (len > sizeof(g->octets) - g->n) {
		hash_gathered(g);
		EVP_DigestUpdate(g->engine->mdctx, p, len);
	} else if (p && len) {
		memcpy(g->octets + g->n, p, len);
		g->n += len;
	}
}

/* own: of the key of the message's first CP alone; else of all that it asks with. */
static void
digest(struct sx_ecmg *e, const struct sp4_msg *m, size_t from, size_t nkeys, bool whole, uint8_t out[SX_DIGEST])
{
	struct gathered g;

	g.engine = e;
	g.n = 0;
	EVP_DigestInit_ex2(e->mdctx, e->md, NULL);
	for (size_t k = from; k < from + nkeys; k++) {
		const struct sp4_key_context *c = &m->keys[k];
		const int64_t head[] = { c->cp, c->protection, c->authenticated, whole ? c->duration_ds : 0 };
		put(&g, head, sizeof(head));
		put(&g, c->key_id.p, c->key_id.len);
		put(&g, c->material.p, c->material.len);
		put(&g, c->cw_encryption.p, c->cw_encryption.len);
	}
	put(&g, m->stkm.access_criteria.p, m->stkm.access_criteria.len);
	if (whole)
		put(&g, &m->stkm.cp, sizeof(m->stkm.cp));
	hash_gathered(&g);
	EVP_DigestFinal_ex(e->mdctx, out, NULL);
}

/* ---- STKMs that are there ---- */

static void
keep(struct sx_stream *s, uint16_t cp, const uint8_t *whole, const uint8_t *own, const struct sp4_octets *stkm)
{
	struct sx_kept *k = NULL;
	uint8_t *copy = malloc(stkm->len ? stkm->len : 1);

	for (unsigned i = 0; i < SX_KEPT; i++)
		if (s->kept[i].there && s->kept[i].cp == cp)
			k = &s->kept[i];
	if (!k)
		k = &s->kept[s->next_kept++ % SX_KEPT];
	free(k->stkm);
	*k = (struct sx_kept){ .there = copy != NULL, .cp = cp, .asked = whole != NULL, .stkm = copy, .len = stkm->len };
	if (!copy)
		return;
	memcpy(copy, stkm->p, stkm->len);
	if (whole)
		memcpy(k->whole, whole, SX_DIGEST);
	if (own)
		memcpy(k->own, own, SX_DIGEST);
}

/*
 * One that came unasked is made with the keys that the BSM had by then: in mode C it will do if its only key is the one that is wanted. In mode A
 * the keys are the BSM's own.
 */
static bool
will_do(struct sx_ecmg *e, const struct sx_kept *k, const struct sp4_msg *m, const uint8_t whole[SX_DIGEST])
{
	uint8_t own[SX_DIGEST];

	if (k->asked || m->n_keys != 1)
		return k->asked ? memcmp(k->whole, whole, SX_DIGEST) == 0 : m->n_keys == 0;
	digest(e, m, 0, 1, false, own);
	return memcmp(k->own, own, SX_DIGEST) == 0;
}

static const struct sx_kept *
kept_for(struct sx_ecmg *e, const struct sx_stream *s, uint16_t cp, const struct sp4_msg *m, const uint8_t whole[SX_DIGEST])
{
	for (unsigned i = 0; i < SX_KEPT; i++)
		if (s->kept[i].there && s->kept[i].cp == cp && will_do(e, &s->kept[i], m, whole))
			return &s->kept[i];
	return NULL;
}

static void
remember(struct sx_ecmg *e, struct sx_stream *s, const struct sp4_msg *m, const uint8_t whole[SX_DIGEST])
{
	for (size_t k = 0; k < (m->n_keys ? m->n_keys : 1); k++) {
		const unsigned at = s->next_sent++ % SX_SENT;
		s->sent[at].there = true;
		s->sent[at].cp = m->n_keys ? (uint16_t)m->keys[k].cp : (uint16_t)m->stkm.cp;
		s->sent[at].whole = k == 0;
		memcpy(s->sent[at].all, whole, SX_DIGEST);
		digest(e, m, k, m->n_keys ? 1 : 0, false, s->sent[at].own);
	}
}

/* 0; or -error_status with *why, while it names a key that others do not have yet: it stays here until it may. */
static int
held_back(const struct sx_ecmg *e, const struct sx_stream *s, const void *stkm, size_t len, const char **why)
{
	unsigned status = BR_DELAYED;

	if (!e->door->may_air || s->gone || e->door->may_air(e->self, s->unit->service->global_service_id, stkm, len, &status, why))
		return 0;
	return -br_error_of_status(status);
}

/* ---- asking ---- */

static struct sx_ask *
same_ask(const struct sx_stream *s, const uint8_t whole[SX_DIGEST])
{
	struct sx_ask *a;

	LIST_FOREACH(a, &s->asks, next)
		if (memcmp(a->whole, whole, SX_DIGEST) == 0)
			return a;
	return NULL;
}

static int64_t
comp_time_us(const struct sx_stream *s)
{
	return comp_time_ms(s->row) * INT64_C(1000);
}

static int
wait_for(struct sx_ecmg *e, struct sx_ask *a, uint64_t handle)
{
	if (a->nwaiting == SX_WAITERS)
		return -ECMG_E_COMPUTATION;	/* as many channels have the same stream */
	a->waiting[a->nwaiting++] = handle;
	if (a->nwaiting == 1)
		gw_due_set(&e->dues, &a->due, e->now_us + comp_time_us(a->stream));
	return ECMG_LATER;
}

static struct sx_ask *
new_ask(struct sx_ecmg *e, struct sx_stream *s, const struct ecmg_request *q, const uint8_t whole[SX_DIGEST])
{
	struct sx_ask *a = s->nasks < SX_ASKS ? calloc(1, sizeof(*a)) : NULL;

	if (!a)
		return NULL;
	if (gw_dues_reserve(&e->dues, e->nasks + 1) < 0) {
		free(a);
		return NULL;
	}
	a->engine = e;
	a->stream = s;
	a->cp = q->cp_number;
	a->asked_us = e->now_us;
	a->period_us = q->cp_duration_100ms * INT64_C(100000);
	memcpy(a->whole, whole, SX_DIGEST);
	LIST_INSERT_HEAD(&s->asks, a, next);
	s->nasks++;
	e->nasks++;
	return a;
}

/* Before its last answers, from within which more may be asked: nobody is to wait for this one any more. */
static void
part(struct sx_ecmg *e, struct sx_ask *a)
{
	LIST_REMOVE(a, next);
	a->stream->nasks--;
	e->nasks--;
}

static void
end_ask(struct sx_ecmg *e, struct sx_ask *a)
{
	gw_due_set(&e->dues, &a->due, INT64_MAX);
	if (a->stream->gone && a->stream->nasks == 0)
		free_stream(a->stream);
	free(a);
}

/* 0x000D; after three periods in which nothing was heard 0x7001. An SCS may say that its crypto-period takes no time. */
static int
silence(const struct sx_ecmg *e, struct sx_stream *s, int64_t since_us, int64_t period_us)
{
	if (!s->silent_us)
		s->silent_us = since_us;
	return e->now_us - s->silent_us >= SX_PERIODS * (period_us > LEAST_US ? period_us : LEAST_US) ? -ECMG_E_UNRECOVERABLE : -ECMG_E_COMPUTATION;
}

static int
ask(struct sx_ecmg *e, struct sx_stream *s, const struct ecmg_request *q, struct sp4_msg *m, const uint8_t whole[SX_DIGEST], char *why, size_t why_cap)
{
	struct sx_ask *a = new_ask(e, s, q, whole);
	struct gw_err err = { 0 };
	int64_t attempt_us, end_us;

	if (!a) {
		snprintf(why, why_cap, "the BSM %s has answered none of the last %d requests for this stream", s->row->peer->name, SX_ASKS);
		return silence(e, s, e->now_us, q->cp_duration_100ms * INT64_C(100000));
	}
	attempt_us = attempt_ms(s->row) * INT64_C(1000);
	end_us = a->period_us > LEAST_US ? a->period_us : LEAST_US;
	end_us = e->now_us + (end_us > attempt_us ? end_us : attempt_us);
	remember(e, s, m, whole);
	if (e->door->send(e->self, s->row->peer, m, attempt_ms(s->row), end_us, a, &err) < 0) {
		part(e, a);
		end_ask(e, a);
		snprintf(why, why_cap, "%s", err.text);
		return -ECMG_E_UNKNOWN;
	}
	e->counts.asked++;
	return wait_for(e, a, q->handle);
}

int
sx_ecmg_ecm(struct sx_ecmg *e, const struct ecmg_request *q, int64_t now_us, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	struct sx_stream *s = find(e, q->super_cas_id, q->ecm_id);
	const struct ecmg_cw *cw[2] = { cw_of(q, q->cp_number), cw_of(q, (uint16_t)(q->cp_number + 1)) };
	uint8_t whole[SX_DIGEST];
	const struct sx_kept *k;
	struct key_id id[2];
	struct sp4_msg m;
	struct sx_ask *a;

	e->now_us = now_us;
	if (!s) {
		snprintf(why, why_cap, "no service has this stream any more");
		return -ECMG_E_ECM_ID;
	}
	if (s->row->mode == HE_MODE_A) {
		cw[0] = cw[1] = NULL;
	} else if (!cw[0]) {
		snprintf(why, why_cap, "the control word of CP_number itself is not there");
		return -ECMG_E_NOT_ENOUGH_CW;
	}
	for (size_t i = 0; i < 2; i++)
		if (cw[i])
			identify(s, cw[i], &id[i]);
	fill(s, q, cw, id, &m);
	digest(e, &m, 0, m.n_keys, true, whole);
	k = kept_for(e, s, q->cp_number, &m, whole);
	if (k && k->len <= cap) {
		const char *reason = NULL;
		const int rc = held_back(e, s, k->stkm, k->len, &reason);
		if (rc < 0) {
			snprintf(why, why_cap, "%s", reason ? reason : "");
			return rc;
		}
		memcpy(out, k->stkm, k->len);
		e->counts.from_store++;
		return (int)k->len;
	}
	a = same_ask(s, whole);
	return a ? wait_for(e, a, q->handle) : ask(e, s, q, &m, whole, why, why_cap);
}

/* ---- answers ---- */

static void
answer(struct sx_ecmg *e, struct sx_ask *a, int rc, const uint8_t *stkm, const char *why)
{
	uint64_t waiting[SX_WAITERS];
	const unsigned n = a->nwaiting;

	memcpy(waiting, a->waiting, sizeof(waiting));
	a->nwaiting = 0;
	gw_due_set(&e->dues, &a->due, INT64_MAX);
	for (unsigned i = 0; i < n; i++)
		e->door->answer(e->self, waiting[i], rc, stkm, why);
}

/* NULL, or why this is not the STKM that was asked for. */
static const char *
unfit(const struct sx_ask *a, const struct sp4_msg *m)
{
	if (m->n_data != 1)
		return m->n_data ? "more than one STKM for one request" : "success without an STKM";
	if (m->data[0].len > ECMG_ECM_MAX)
		return "the STKM is longer than an ECM_datagram can be";
	if (m->n_stkm && m->stkm.cp != SP4_ABSENT && m->stkm.cp != a->cp)
		return "the STKM is for another crypto-period";
	if (m->n_stkm && m->stkm.stream != SP4_ABSENT && m->stkm.stream != a->stream->ecm_id)
		return "the STKM is for another stream";
	return NULL;
}

static void
take_answer(struct sx_ecmg *e, struct sx_ask *a, const struct sp4_msg *m)
{
	const char *wrong = m->status == 0 ? unfit(a, m) : NULL, *reason = NULL;
	int rc;

	a->stream->silent_us = 0;
	if (m->status != 0) {
		e->counts.refused++;
		answer(e, a, -br_error_of_status((unsigned)m->status), NULL, m->reason && *m->reason ? m->reason : "the BSM refused it");
	} else if (wrong) {
		e->counts.refused++;
		note(e, GW_WARNING, "stkm_wrong", a->stream, a->cp, wrong);
		answer(e, a, -br_error_of_status(BR_WRONG_KEY), NULL, wrong);
	} else {
		e->counts.answered++;
		keep(a->stream, a->cp, a->whole, NULL, &m->data[0]);
		if (a->nwaiting == 0) {
			e->counts.late++;
			note(e, GW_NOTICE, "stkm_late", a->stream, a->cp, "the STKM came after max_comp_time; it is there when it is asked for again");
		}
		rc = held_back(e, a->stream, m->data[0].p, m->data[0].len, &reason);
		answer(e, a, rc < 0 ? rc : (int)m->data[0].len, m->data[0].p, reason);
	}
}

struct sx_ecmg *
sx_ask_engine(const struct sx_ask *a)
{
	return a->engine;
}

void
sx_ecmg_done(struct sx_ecmg *e, struct sx_ask *a, const struct ex_result *r, int64_t now_us)
{
	const unsigned http = r->end == EX_REFUSED ? r->http : 0;
	int rc;

	e->now_us = now_us;
	part(e, a);
	if (r->end == EX_ANSWERED) {
		take_answer(e, a, r->answer);
	} else if (r->end == EX_WRONG) {	/* it lives, and talks nonsense */
		a->stream->silent_us = 0;
		e->counts.refused++;
		note(e, GW_WARNING, "stkm_refused", a->stream, a->cp, r->reason);
		answer(e, a, -ECMG_E_UNKNOWN, NULL, r->reason);
	} else if (r->end != EX_CANCELLED) {
		rc = -br_error_of_http(BR_ECMG, http);
		if (rc == -ECMG_E_COMPUTATION)
			rc = silence(e, a->stream, a->asked_us, a->period_us);
		else	/* whoever refuses is there */
			a->stream->silent_us = 0;
		e->counts.refused++;
		note(e, GW_WARNING, "stkm_refused", a->stream, a->cp, r->reason);
		answer(e, a, rc, NULL, r->reason && *r->reason ? r->reason : "the BSM does not answer");
	}
	end_ask(e, a);
}

void
sx_ecmg_time(struct sx_ecmg *e, int64_t now_us)
{
	static const char why[] = "the BSM has not answered within max_comp_time";
	struct gw_due *d;

	e->now_us = now_us;
	while ((d = gw_dues_first(&e->dues)) != NULL && d->at_us <= now_us) {
		struct sx_ask *a = (struct sx_ask *)(void *)d;
		const int rc = silence(e, a->stream, a->asked_us, a->period_us);
		e->counts.silent++;
		note(e, rc == -ECMG_E_UNRECOVERABLE ? GW_ERR : GW_WARNING, "bsm_silent", a->stream, a->cp, why);
		answer(e, a, rc, NULL, why);
	}
}

int64_t
sx_ecmg_next(const struct sx_ecmg *e)
{
	return gw_dues_next(&e->dues);
}

/* ---- tag 7 ---- */

/*
 * The stream that a delivery is for; without @stkmStream the only one that the service has from this BSM. NULL; *n is how many it could
 * be, *of_all those of other BSMs, too.
 */
static struct sx_stream *
stream_of(const struct sx_ecmg *e, const struct he_sp4_peer *from, const struct sp4_msg *m, size_t *n, size_t *of_all)
{
	struct sx_stream *found = NULL;
	size_t matches = 0;

	*n = *of_all = 0;
	for (size_t i = 0; i < e->n; i++) {
		struct sx_stream *s = e->v[i];
		if (strcmp(s->unit->service->global_service_id, m->service) != 0)
			continue;
		++*of_all;
		if (s->row->peer != from)
			continue;
		++*n;
		if (!m->n_stkm || (m->stkm.stream != SP4_ABSENT && m->stkm.stream != s->ecm_id))
			continue;
		found = s;
		matches++;
	}
	return matches == 1 ? found : NULL;
}

static void
take_delivery(struct sx_ecmg *e, struct sx_stream *s, uint16_t cp, const struct sp4_octets *stkm)
{
	const uint8_t *whole = NULL, *own = NULL;
	struct sx_ask *a, *after;
	const char *reason = NULL;
	int rc;

	for (unsigned i = 0; i < SX_SENT; i++) {	/* from the oldest */
		const unsigned at = (s->next_sent + i) % SX_SENT;
		if (!s->sent[at].there || s->sent[at].cp != cp)
			continue;
		own = s->sent[at].own;
		whole = s->sent[at].whole ? s->sent[at].all : whole;
	}
	keep(s, cp, whole, own, stkm);
	s->silent_us = 0;
	for (a = LIST_FIRST(&s->asks); a; a = after) {	/* answered so; its tag 6 may still come */
		after = LIST_NEXT(a, next);
		if (a->cp == cp && whole && memcmp(a->whole, whole, SX_DIGEST) == 0) {
			rc = held_back(e, s, stkm->p, stkm->len, &reason);
			answer(e, a, rc < 0 ? rc : (int)stkm->len, stkm->p, reason);
			break;
		}
	}
}

unsigned
sx_ecmg_delivery(struct sx_ecmg *e, const struct he_sp4_peer *from, const struct sp4_msg *m, int64_t now_us, const char **reason)
{
	size_t streams = 0, all = 0;
	struct sx_stream *s = m->service ? stream_of(e, from, m, &streams, &all) : NULL;

	e->now_us = now_us;
	*reason = NULL;
	if (!s && streams && !m->n_stkm) {
		*reason = "StkmContext says which crypto-period and stream it is for";
		return BR_MISSING;
	}
	if (!s && streams > 1 && m->stkm.stream == SP4_ABSENT) {
		*reason = "the service has several STKM streams: which @stkmStream?";
		return BR_MISSING;
	}
	if (!s) {
		*reason = streams ? "the service has no such @stkmStream from this BSM" : all ? "the STKM streams of this service come from another BSM" :
		    "no STKM stream is of this service";
		return !streams && all ? BR_NOT_ENTITLED : BR_NO_SERVICE;
	}
	if (m->n_data != 1 || m->data[0].len == 0 || m->data[0].len > ECMG_ECM_MAX) {
		*reason = "one STKM is wanted";
		return BR_WRONG_KEY;
	}
	e->counts.unasked++;
	take_delivery(e, s, (uint16_t)m->stkm.cp, &m->data[0]);
	return BR_OK;
}

/* ---- what operators see ---- */

json_t *
sx_ecmg_status(const struct sx_ecmg *e)
{
	const struct sx_ecmg_counts *c = &e->counts;
	json_t *silent = json_array();

	for (size_t i = 0; i < e->n; i++)
		if (e->v[i]->silent_us)
			json_array_append_new(silent, json_pack("{s:s, s:s, s:i, s:s, s:I}", "kms", e->v[i]->row->kms->name, "service",
			    e->v[i]->unit->service->id, "ECM_id", e->v[i]->ecm_id, "peer", e->v[i]->row->peer->name, "silent_ms",
			    (json_int_t)((e->now_us - e->v[i]->silent_us) / 1000)));
	return json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "streams", (int)e->n, "under_way", (int)e->nasks,
	    "asked", (json_int_t)c->asked, "answered", (json_int_t)c->answered, "refused", (json_int_t)c->refused, "late", (json_int_t)c->late,
	    "not_in_time", (json_int_t)c->silent, "unasked", (json_int_t)c->unasked, "from_store", (json_int_t)c->from_store, "silent", silent);
}
