/*
 * bridge/keys_made.c: the BSM's side of CP-3: keys of mode A are made here, for the STKMG behind the bridge, and brought to the BSA by tag 3 or given to it by
 * tag 2. A key is stored, wrapped, before anybody sees it, so that a crypto-period never has two.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/errors.h"
#include "bridge/keys_int.h"
#include "cwg/cwg.h"
#include "lib/clock.h"
#include "lib/ops.h"
#include "lib/store.h"
#include "lib/text.h"

enum { RECENT = 8, KEPT = 1024, STEP = 64, WRAPPED = CWG_MATERIAL_MAX + 7 + GW_WRAP_OVERHEAD };

struct recent { int64_t cp; struct gw_secret material; bool offered; uint64_t used; };	/* offered: to the BSAs of the file */
struct maker {
	struct tek_made *made;
	const struct he_unit *conf;	/* NULL: the file has it no more */
	char *id, *content;
	int64_t epoch, newest;		/* newest -1: none was ever made */
	int64_t moved_us;		/* monotonic: when newest grew the last time; 0: not since the start */
	struct recent recent[RECENT]; uint64_t uses;
	uint64_t n, offered, confirmed, refused, given;
	char why[160];
	struct maker *next;
};
struct tek_made {
	struct br_keys *k;
	struct gw_store *store;
	struct gw_wrap *wrap;
	struct cwg *cwg;
	struct maker *makers;
};

/* ---- keys ---- */

/* The crypto-period that a CP_number means: the one nearest to the newest. */
static int64_t
unwrap_cp(const struct maker *m, uint16_t cp)
{
	int64_t full = m->newest < 0 ? cp : m->newest + (int16_t)(cp - (uint16_t)m->newest);

	return full < 0 ? full + 65536 : full;
}

static struct recent *
recent_of(struct maker *m, int64_t cp)
{
	for (size_t i = 0; i < RECENT; i++)
		if (m->recent[i].material.p && m->recent[i].cp == cp) {
			m->recent[i].used = ++m->uses;
			return &m->recent[i];
		}
	return NULL;
}

/* In the place of the one that was used the longest ago. */
static struct recent *
remember(struct maker *m, int64_t cp, size_t len)
{
	struct recent *r = &m->recent[0];

	for (size_t i = 1; i < RECENT; i++)
		if (m->recent[i].used < r->used)
			r = &m->recent[i];
	gw_secret_free(&r->material);
	*r = (struct recent){ .cp = cp, .used = ++m->uses };
	return gw_secret_new(&r->material, len) < 0 ? NULL : r;
}

static int
from_store(struct maker *m, struct recent *r, const struct gw_blob *b)
{
	uint8_t plain[WRAPPED];
	int n = gw_wrap_open_key(m->made->wrap, b->p, b->len, plain, sizeof(plain));
	bool good = n > 0 && (size_t)n == r->material.len;

	if (good)
		memcpy(r->material.p, plain, r->material.len);
	gw_cleanse(plain, sizeof(plain));
	return good ? 0 : -1;
}

static enum gw_outcome
into_store(struct maker *m, struct recent *r, struct gw_blob *found)
{
	const struct he_service *s = m->conf->service;
	struct tek_made *t = m->made;
	uint8_t wrapped[WRAPPED];
	int n = -1;

	if (cwg_draw(t->cwg, (int)s->scrambling, s->authentication, m->conf->id, (uint64_t)r->cp, r->material.p, r->material.len) == 0)
		n = gw_wrap_seal(t->wrap, r->material.p, r->material.len, wrapped, sizeof(wrapped));
	return n < 0 ? GW_UNAVAILABLE : gw_store_put(t->store, m->conf->id, m->epoch, GW_RECORD_KEY, r->cp, wrapped, (size_t)n, found);
}

static struct recent *
key_of(struct maker *m, int64_t cp, struct gw_err *err)
{
	struct recent *r = recent_of(m, cp);
	struct gw_blob found = { 0 };
	enum gw_outcome o;

	if (r)
		return r;
	if (!(r = remember(m, cp, tek_length(m->conf->service)))) {
		gw_fail(err, GW_ESYS, "out of locked memory");
		return NULL;
	}
	o = into_store(m, r, &found);
	if (o == GW_WON)
		m->n++;
	if (o == GW_EXISTS && from_store(m, r, &found) == 0)
		o = GW_WON;
	gw_store_free(&found);
	if (o != GW_WON) {
		gw_secret_free(&r->material);
		gw_fail(err, GW_ESTORE, "unit %s: the key of crypto-period %lld could not be stored", m->conf->id, (long long)cp);
		return NULL;
	}
	if (cp > m->newest) {
		/* After a leap nothing is forgotten: it may have been somebody's mistake. */
		if (cp % STEP == 0 && cp - m->newest < STEP)
			gw_store_trim(m->made->store, m->conf->id, m->epoch, cp - KEPT);
		m->newest = cp;
		m->moved_us = gw_mono_us();
	}
	return r;
}

/* ---- to the BSAs ---- */

static void
fill(const struct maker *m, const struct recent *r, struct sp4_msg *msg, uint8_t id[8])
{
	const struct he_service *s = m->conf->service;
	struct sp4_key_context *c = &msg->keys[msg->n_keys++];
	size_t n = he_key_id(s->scrambling, m->conf->index, (uint16_t)r->cp, id);

	msg->data[msg->n_data++] = (struct sp4_octets){ r->material.p, r->material.len };
	c->cp = (uint16_t)r->cp;
	c->protection = tek_protection(s);
	c->authenticated = s->authentication;
	c->duration_ds = s->crypto_period_ms / 100;
	if (n)
		c->key_id = (struct sp4_octets){ id, n };
}

static void
confirmed(void *self, const struct ex_result *r)
{
	struct maker *m = self;
	bool good = r->end == EX_ANSWERED && r->answer->status == 0;
	const char *why = good ? "" : r->end == EX_ANSWERED && r->answer->reason ? r->answer->reason : r->reason;

	if (r->end == EX_CANCELLED)
		return;
	m->confirmed += good;
	m->refused += !good;
	gw_text(m->why, sizeof(m->why), why);
	if (!good)
		gw_log_limited(&m->made->k->rate, GW_WARNING, "tek_not_taken", *why ? why : "the BSA refuses", "unit=%s status=%lld", m->id,
		    r->end == EX_ANSWERED ? (long long)r->answer->status : -1LL);
}

/* The unit whose STKMs with this ecm_id the KMS makes. */
static const struct he_unit *
unit_of(const struct he_bridge_stkm *row)
{
	const struct he_service *s = row->service;

	for (size_t i = 0; s && i < s->nunits; i++)
		for (size_t n = 0; n < s->units[i].nstkm; n++)
			if (s->units[i].stkm[n].kms == row->kms && s->units[i].stkm[n].ecm_id == row->ecm_id)
				return &s->units[i];
	return s && s->nunits == 1 ? &s->units[0] : NULL;	/* the service's streams are somebody else's to list */
}

/* A BSA has the keys of what it asks STKMs for, as BSD/A, and those of the services that the file names for it. */
static bool
entitled(const struct maker *m, const struct he_sp4_peer *p)
{
	const struct he_bridge *b = m->made->k->b;

	for (size_t i = 0; i < b->nstkm; i++)
		if (b->stkm[i].mode == HE_MODE_A && strcmp(b->stkm[i].peer->name, p->name) == 0 && unit_of(&b->stkm[i]) == m->conf)
			return true;
	for (size_t i = 0; i < p->nservices; i++)
		if (strcmp(p->services[i]->id, m->conf->service->id) == 0)
			return true;
	return false;
}

static void
offer(struct maker *m, struct recent *r)
{
	struct br_keys *k = m->made->k;
	const struct he_service *s = m->conf->service;
	struct gw_err err = { 0 };
	struct sp4_msg msg;
	uint8_t id[8];

	if (r->offered)
		return;
	r->offered = true;
	for (size_t i = 0; i < k->b->npeers; i++) {
		const struct he_sp4_peer *p = &k->b->peers[i];
		if (!(p->roles & HE_ROLE_BSA) || !p->url || !entitled(m, p))
			continue;
		sp4_init(&msg, 3);
		msg.content = m->content;
		msg.service = s->global_service_id;
		fill(m, r, &msg, id);
		m->offered++;
		if (ex_send(k->ex, p, &msg, 0, gw_mono_us() + 2 * (int64_t)s->crypto_period_ms * 1000, confirmed, m, &err) < 0)
			gw_log_limited(&k->rate, GW_WARNING, "tek_not_offered", err.text, "unit=%s peer=%s", m->conf->id, p->name);
	}
}

static struct maker *
maker_of(const struct br_keys *k, const char *unit)
{
	for (struct maker *m = k->made ? k->made->makers : NULL; m; m = m->next)
		if (strcmp(m->id, unit) == 0)
			return m;
	return NULL;
}

int
br_keys_make(struct br_keys *k, const char *unit, uint16_t cp, struct br_key *out, struct gw_err *err)
{
	struct maker *m = maker_of(k, unit);
	struct recent *r;

	if (!m || !m->conf)
		return gw_fail(err, GW_ECONF, "no keys of %s are made at bridge %s", unit, k->b->name);
	if (!(r = key_of(m, unwrap_cp(m, cp), err)))
		return -1;
	*out = (struct br_key){ .material = r->material.p, .len = r->material.len };
	out->id_len = he_key_id(m->conf->service->scrambling, m->conf->index, cp, out->id);
	offer(m, r);
	return 0;
}

/* ---- tag 1 ---- */

/* The crypto-periods that are asked for; without a KeyContext the two newest. */
static size_t
wanted(const struct maker *m, const struct sp4_msg *msg, uint16_t cps[SP4_KEYS])
{
	for (size_t i = 0; i < msg->n_keys; i++)
		cps[i] = (uint16_t)msg->keys[i].cp;
	if (msg->n_keys)
		return msg->n_keys;
	cps[0] = (uint16_t)(m->newest > 0 ? m->newest - 1 : 0);
	cps[1] = (uint16_t)(cps[0] + 1);
	return 2;
}

/*
 * A BSA asks for the crypto-periods that are next. Further than time can have gone on (at half a period each) it may not go: two leaps of half of what
 * CP_number counts, and a CP_number would mean another key than it did. Only how long we were away ourselves nobody knows.
 */
static bool
too_far(const struct maker *m, const uint16_t *cps, size_t n)
{
	int64_t most = m->newest + STEP;

	if (m->newest < 0 || !m->moved_us)
		return false;
	most += 2 * (gw_mono_us() - m->moved_us) / (1000 * (int64_t)m->conf->service->crypto_period_ms);
	for (size_t i = 0; i < n; i++)
		if (unwrap_cp(m, cps[i]) > most)
			return true;
	return false;
}

static const char *
mismatch(const struct maker *m, const struct sp4_msg *msg)
{
	const struct he_service *s = m->conf->service;

	for (size_t i = 0; i < msg->n_keys; i++)
		if (msg->keys[i].protection != tek_protection(s) || !!msg->keys[i].authenticated != s->authentication)
			return "the content's protection, or its authentication, is another one here";
	return NULL;
}

/* The answer has its own copies: there may be more keys in it than are remembered. */
static void
give(struct maker *m, struct ex_call *call, const struct sp4_msg *msg)
{
	struct sp4_msg answer;
	uint16_t cps[SP4_KEYS];
	uint8_t ids[SP4_KEYS][8];
	struct gw_secret copies;
	struct gw_err err = { 0 };
	const size_t n = wanted(m, msg, cps), len = tek_length(m->conf->service);

	if (too_far(m, cps, n)) {
		ex_status(call, BR_INVALID, "this crypto-period is too far ahead");
		return;
	}
	if (gw_secret_new(&copies, n * len) < 0) {
		ex_status(call, BR_SERVER_ERROR, "out of locked memory");
		return;
	}
	sp4_init(&answer, 2);
	answer.status = 0;
	for (size_t i = 0; i < n; i++) {
		struct recent *r = key_of(m, unwrap_cp(m, cps[i]), &err);
		if (!r) {
			gw_secret_free(&copies);
			ex_status(call, BR_NOT_GENERATED, err.text);
			return;
		}
		fill(m, r, &answer, ids[i]);
		answer.data[i].p = memcpy((uint8_t *)copies.p + i * len, r->material.p, len);
	}
	m->given++;
	ex_answer(call, &answer);
	gw_secret_free(&copies);
}

static bool
on_request(void *self, struct ex_call *call, const struct he_sp4_peer *from, const struct sp4_msg *msg)
{
	struct br_keys *k = self;
	struct maker *m = k->made ? k->made->makers : NULL;
	const char *why;

	if (!(from->roles & HE_ROLE_BSA))
		return false;
	while (m && (!m->conf || strcmp(m->content, msg->content) != 0))
		m = m->next;
	if (!m)
		ex_status(call, BR_NO_SERVICE, "no keys of a content of this name are made here");
	else if (!entitled(m, from))
		ex_status(call, BR_NOT_ENTITLED, "neither an stkm entry nor services of the peer has this content for it");
	else if ((why = mismatch(m, msg)))
		ex_status(call, BR_INVALID, why);
	else
		give(m, call, msg);
	return true;
}

/* ---- life ---- */

static int
newest(void *self, int64_t cp, const void *value, size_t len)
{
	(void)value, (void)len;
	((struct maker *)self)->newest = cp;
	return 0;
}

static int
add(struct tek_made *t, const struct he_unit *unit, struct gw_err *err)
{
	struct maker *m = maker_of(t->k, unit->id);
	char *content = tek_content(unit);

	if (!content || (!m && !(m = calloc(1, sizeof(*m)))) || (!m->id && !(m->id = strdup(unit->id)))) {
		free(content);
		if (m && !m->made)
			free(m);
		return gw_fail(err, GW_ESYS, "out of memory");
	}
	free(m->content);
	m->content = content;
	m->conf = unit;
	if (m->made)
		return 0;
	m->made = t;
	m->newest = -1;
	m->next = t->makers;
	t->makers = m;
	if (gw_store_own(t->store, unit->id, &m->epoch) != GW_WON || gw_store_each(t->store, unit->id, GW_RECORD_KEY, 0, newest, m) != GW_WON)
		return gw_fail(err, GW_ESTORE, "unit %s: the store of keys cannot be read", unit->id);
	return 0;
}

static int
open_store(struct br_keys *k, struct gw_err *err)
{
	struct tek_made *t = k->made = calloc(1, sizeof(*t));
	char path[4200];

	if (!t)
		return gw_fail(err, GW_ESYS, "out of memory");
	t->k = k;
	snprintf(path, sizeof(path), "%s.keys", k->b->store);
	if (gw_store_open(path, &t->store, err) < 0) {
		tek_made_close(k);	/* nothing is made without it */
		return -1;
	}
	snprintf(path, sizeof(path), "%s.keys.master", k->b->store);
	if (gw_wrap_open(path, t->store, &t->wrap, err) < 0 || !(t->cwg = cwg_new(NULL, err))) {
		tek_made_close(k);
		return -1;
	}
	ex_handle(k->ex, 1, on_request, k);
	return 0;
}

int
tek_made_reconf(struct br_keys *k, struct gw_err *err)
{
	for (struct maker *m = k->made ? k->made->makers : NULL; m; m = m->next) {
		m->conf = NULL;
		for (size_t i = 0; i < RECENT; i++)
			m->recent[i].offered = false;	/* there may be others now; who has it takes it again */
	}
	for (size_t i = 0; i < k->b->nstkm; i++) {
		const struct he_unit *unit = k->b->stkm[i].mode == HE_MODE_A ? unit_of(&k->b->stkm[i]) : NULL;
		if (unit && ((!k->made && open_store(k, err) < 0) || add(k->made, unit, err) < 0))
			return -1;
	}
	return 0;
}

void
tek_made_close(struct br_keys *k)
{
	struct tek_made *t = k->made;

	if (!t)
		return;
	while (t->makers) {
		struct maker *m = t->makers;
		t->makers = m->next;
		for (size_t i = 0; i < RECENT; i++)
			gw_secret_free(&m->recent[i].material);
		free(m->content);
		free(m->id);
		free(m);
	}
	cwg_free(t->cwg);
	gw_wrap_close(t->wrap);
	gw_store_close(t->store);
	free(t);
	k->made = NULL;
}

json_t *
tek_made_status(const struct br_keys *k)
{
	json_t *list = json_array();

	for (const struct maker *m = k->made ? k->made->makers : NULL; m; m = m->next)
		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "service", m->id, "GlobalContentID",
		    m->content, "newest", (json_int_t)m->newest, "made", (json_int_t)m->n, "offered", (json_int_t)m->offered, "confirmed",
		    (json_int_t)m->confirmed, "refused", (json_int_t)m->refused, "given", (json_int_t)m->given, "reason", m->why));
	return list;
}

static const struct gw_metric
	m_made = { "simulgate_bridge_teks_made_total", "keys of mode A that were made here", GW_COUNTER },
	m_offered = { "simulgate_bridge_teks_offered_total", "TEKDeliveries to BSAs", GW_COUNTER },
	m_confirmed = { "simulgate_bridge_teks_confirmed_total", "those that a BSA took", GW_COUNTER },
	m_given = { "simulgate_bridge_teks_given_total", "TEKRequests of BSAs that were answered with keys", GW_COUNTER };

void
tek_made_collect(const struct br_keys *k, struct gw_samples *s)
{
	for (const struct maker *m = k->made ? k->made->makers : NULL; m; m = m->next) {
		char labels[400] = "";
		gw_label(labels, sizeof(labels), "service", m->id);
		gw_sample(s, &m_made, labels, (double)m->n);
		gw_sample(s, &m_offered, labels, (double)m->offered);
		gw_sample(s, &m_confirmed, labels, (double)m->confirmed);
		gw_sample(s, &m_given, labels, (double)m->given);
	}
}
