/*
 * bridge/keys_bsa.c: the BSA's side of CP-3: what the SCS wants is asked for by tag 1, what tag 3 delivers is kept until it is wanted. The first key of a
 * crypto-period stands. Keys are here as long as they may be asked for again, and nowhere but in locked memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/errors.h"
#include "bridge/keys_int.h"
#include "lib/clock.h"
#include "lib/hex.h"
#include "lib/ops.h"
#include "lib/text.h"

enum { PAST = 4 };

/* ---- what is held ---- */

/* CP_numbers are 16 bits and wrap: how far one is after another. */
static int
after(uint16_t cp, int64_t other)
{
	return (int16_t)(cp - (uint16_t)other);
}

static struct tek *
find(struct tek_unit *u, uint16_t cp)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->held[i].cp == cp)
			return &u->held[i];
	return NULL;
}

static void
drop(struct tek_unit *u, struct tek *t)
{
	gw_secret_free(&t->material);
	*t = u->held[--u->n];
	memset(&u->held[u->n], 0, sizeof(u->held[0]));
}

/* What the SCS has gone past it asks for no more, stored or not: CP_number comes round, and the key would stand in the way of another. */
static void
drop_past(struct tek_unit *u)
{
	for (size_t i = 0; i < u->n; )
		if (!u->held[i].call && after(u->held[i].cp, u->from) < -PAST)
			drop(u, &u->held[i]);
		else
			i++;
}

/* Room for one more: the oldest that is past goes. false: all are still to come. */
static bool
make_room(struct tek_unit *u)
{
	struct tek *oldest = NULL;

	if (u->n < TEK_HELD)
		return true;
	for (size_t i = 0; i < u->n; i++)
		if (!u->held[i].call && !u->held[i].fresh && after(u->held[i].cp, u->from) < 0 && (!oldest || after(u->held[i].cp, oldest->cp) < 0))
			oldest = &u->held[i];
	if (oldest)
		drop(u, oldest);
	return oldest != NULL;
}

/* ---- what may be wrong with a key ---- */

struct offer { const struct tek_unit *u; const struct sp4_key_context *c; const struct sp4_octets *data; const struct tek *held; };

static bool
other_protection(const struct offer *o)
{
	return o->c->protection != tek_protection(o->u->conf->service) || !!o->c->authenticated != o->u->conf->service->authentication;
}

static bool
other_length(const struct offer *o)
{
	return o->data->len != tek_length(o->u->conf->service);
}

static bool
encrypted(const struct offer *o)
{
	return o->c->cw_encryption.p != NULL;
}

static bool
long_id(const struct offer *o)
{
	return o->c->key_id.len > TEK_ID_MAX;
}

static bool
another_key(const struct offer *o)
{
	const struct tek *t = o->held;

	return t && (!gw_secret_equal(&t->material, o->data->p, o->data->len) || t->id_len != o->c->key_id.len ||
	    (t->id_len && memcmp(t->id, o->c->key_id.p, t->id_len) != 0));
}

static const struct { unsigned status; bool (*wrong)(const struct offer *); const char *why; } rules[] = {
	{ BR_INVALID, other_protection, "the key is for another protection, or its authentication differs" },
	{ BR_INVALID, other_length,     "the key has not the length that the protection takes" },
	{ BR_INVALID, encrypted,        "an encrypted key is of no use to a scrambler" },
	{ BR_INVALID, long_id,          "KeyId is longer than any that packets carry" },
	{ BR_WRONG_KEY,           another_key,      "another key was there before for this crypto-period" },
};

static unsigned
judge(struct tek_unit *u, const struct sp4_key_context *c, const struct sp4_octets *data, const char **why)
{
	const struct offer o = { u, c, data, find(u, (uint16_t)c->cp) };

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].wrong(&o)) {
			*why = rules[i].why;
			return rules[i].status;
		}
	return 0;
}

static unsigned
keep(struct tek_unit *u, const struct sp4_key_context *c, const struct sp4_octets *data, const char **why)
{
	struct tek *t = find(u, (uint16_t)c->cp);

	if (t)
		return 0;
	*why = "there is no room for another key: too many crypto-periods ahead";
	if (!make_room(u))
		return BR_DELAYED;
	t = &u->held[u->n];
	*t = (struct tek){ .cp = (uint16_t)c->cp, .id_len = c->key_id.len, .fresh = true };
	if (gw_secret_set(&t->material, data->p, data->len) < 0)
		return BR_DELAYED;
	if (t->id_len)
		memcpy(t->id, c->key_id.p, t->id_len);
	u->n++;
	return 0;
}

/* The end of a message: its keys stay, or go. */
static void
settle(struct tek_unit *u, bool taken)
{
	for (size_t i = 0; i < u->n; )
		if (u->held[i].fresh && !taken)
			drop(u, &u->held[i]);
		else
			u->held[i++].fresh = false;
}

/* All keys of a message, or none of them. 0, or the status with why. */
static unsigned
take(struct tek_unit *u, const struct sp4_msg *m, const char **why)
{
	unsigned status = 0;

	*why = "no KeyContext says which crypto-period a key is of";
	if (m->n_keys == 0 || m->n_keys != m->n_data)
		return BR_MISSING;
	for (size_t i = 0; i < m->n_keys && status == 0; i++) {
		status = judge(u, &m->keys[i], &m->data[i], why);
		if (status == 0)
			status = keep(u, &m->keys[i], &m->data[i], why);
	}
	settle(u, status == 0);
	if (status) {
		u->refused++;
		snprintf(u->why, sizeof(u->why), "%s", *why);
		gw_log_limited(&u->k->rate, GW_ERR, "tek_refused", *why, "service=%s peer=%s status=%u", u->conf->id, u->bsm->name, status);
	}
	return status;
}

/* ---- to the SCS ---- */

static bool
wants(const struct tek_unit *u, uint16_t cp)
{
	return u->wanted && after(cp, u->from) >= 0 && after(cp, u->last) <= 0;
}

/* What it wants of what is here; whether that is all. */
static bool
supply(struct tek_unit *u)
{
	bool all = true;

	for (int64_t cp = u->from; u->wanted && cp <= u->last; cp++) {
		const struct tek *t = find(u, (uint16_t)cp);
		if (t && tek_link_up(u->k->link))
			tek_link_supply(u->k->link, u, cp, t);
		all = all && t;
	}
	return all;
}

/* ---- tag 1 ---- */

static void
free_unit(struct tek_unit *u)
{
	while (u->n)
		drop(u, &u->held[0]);
	free(u->content);
	free(u);
}

static void
forget(struct br_keys *k, struct tek_unit *u)
{
	for (struct tek_unit **at = &k->units; *at; at = &(*at)->next)
		if (*at == u) {
			*at = u->next;
			free_unit(u);
			return;
		}
}

static void
failed(struct tek_unit *u, const char *why, int64_t status)
{
	u->failed++;
	u->again_us = gw_mono_us() + TEK_AGAIN_MS * INT64_C(1000);
	if (why != u->why)
		gw_text(u->why, sizeof(u->why), *why ? why : "the BSM refuses");
	if (u->wanted && tek_link_up(u->k->link))
		tek_link_fail(u->k->link, u, u->from, u->why);
	gw_log_limited(&u->k->rate, GW_WARNING, "tek_not_got", u->why, "service=%s peer=%s cp=%lld status=%lld", u->conf->id,
	    u->bsm ? u->bsm->name : "-", (long long)u->from, (long long)status);
}

static void
asked(void *self, const struct ex_result *r)
{
	struct tek_unit *u = self;
	const char *why = r->reason;

	u->asking = false;
	if (u->gone || r->end == EX_CANCELLED) {
		if (u->gone)
			forget(u->k, u);
		return;
	}
	if (r->end != EX_ANSWERED)
		failed(u, *why ? why : "no answer", r->http);
	else if (r->answer->status != 0)
		failed(u, r->answer->reason ? r->answer->reason : "the BSM refuses", r->answer->status);
	else if (take(u, r->answer, &why) != 0)
		failed(u, why, 0);
	else {
		u->answered++;
		u->why[0] = '\0';
		if (!supply(u))
			failed(u, "the BSM gave keys of other crypto-periods than those that are wanted", 0);
	}
}

static void
ask(struct tek_unit *u)
{
	const struct he_service *s = u->conf->service;
	struct gw_err err = { 0 };
	struct sp4_msg m;

	if (u->asking || !u->bsm || !u->bsm->url || gw_mono_us() < u->again_us)
		return;
	sp4_init(&m, 1);
	m.content = u->content;
	m.service = s->global_service_id;
	for (int64_t cp = u->from; cp <= u->last && m.n_keys < SP4_KEYS; cp++)
		if (!find(u, (uint16_t)cp)) {
			struct sp4_key_context *c = &m.keys[m.n_keys++];
			c->cp = (uint16_t)cp;
			c->protection = tek_protection(s);
			c->authenticated = s->authentication;
			c->duration_ds = u->period_ms / 100 > UINT16_MAX ? UINT16_MAX : u->period_ms / 100;
		}
	if (m.n_keys == 0)
		return;
	u->asked++;
	u->asking = true;
	if (ex_send(u->k->ex, u->bsm, &m, 0, gw_mono_us() + (u->period_ms > 5000 ? u->period_ms : 5000) * 1000, asked, u, &err) < 0) {
		u->asking = false;
		failed(u, err.text, 0);
	}
}

/* ---- tag 3 ---- */

static struct tek_unit *
by_content(const struct br_keys *k, const char *content)
{
	for (struct tek_unit *u = k->units; u; u = u->next)
		if (!u->gone && content && strcmp(u->content, content) == 0)
			return u;
	return NULL;
}

static void
finish(struct tek_unit *u, struct tek_call *c)
{
	struct ex_call *call = c->call;

	for (size_t i = 0; i < u->n; i++)
		if (u->held[i].call == c)
			u->held[i].call = NULL;
	c->call = NULL;
	ex_status(call, c->status, c->status ? c->why : NULL);
}

/* The SCS has the last word on what it wants now; what is for later is confirmed at once. */
static void
confirm(struct tek_unit *u, struct ex_call *call, const struct sp4_msg *m)
{
	struct tek_call *c = NULL;

	for (size_t i = 0; i < TEK_CALLS; i++)
		if (!u->calls[i].call)
			c = &u->calls[i];
	if (c)
		*c = (struct tek_call){ .until_us = gw_mono_us() + TEK_ANSWER_MS * INT64_C(1000) };
	for (size_t i = 0; c && i < m->n_keys; i++) {
		struct tek *t = find(u, (uint16_t)m->keys[i].cp);
		if (t && !t->call && wants(u, t->cp) && tek_link_up(u->k->link)) {
			t->call = c;
			c->left++;
		}
	}
	if (c && c->left)
		c->call = call;
	else
		ex_status(call, 0, NULL);
}

static bool
on_delivery(void *self, struct ex_call *call, const struct he_sp4_peer *from, const struct sp4_msg *m)
{
	struct br_keys *k = self;
	struct tek_unit *u = by_content(k, m->content);
	const char *why = "no content of this name has its keys from outside here";
	unsigned status = BR_NO_SERVICE;

	if (u && u->bsm != from)
		status = BR_NOT_ENTITLED, why = "another BSM makes the keys of this content";
	else if (u)
		status = take(u, m, &why);
	if (status) {
		ex_status(call, status, why);
		return true;
	}
	u->delivered++;
	confirm(u, call, m);
	supply(u);
	return true;
}

/* ---- from the SCS ---- */

static struct tek_unit *
unit_of(const struct br_keys *k, const struct sim_msg *m)
{
	const struct sim_value *id = sim_value(m, PLAYOUT_SERVICE, 0);

	for (struct tek_unit *u = k->units; u; u = u->next)
		if (!u->gone && strlen(u->conf->id) == id->len && memcmp(u->conf->id, id->p, id->len) == 0)
			return u;
	return NULL;
}

void
tek_bsa_wanted(struct br_keys *k, const struct sim_msg *m)
{
	struct tek_unit *u = unit_of(k, m);
	const struct sim_value *id = sim_value(m, PLAYOUT_SERVICE, 0);

	if (!u || sim_int(m, PLAYOUT_KEY_LENGTH, 0) != (int64_t)tek_length(u->conf->service) ||
	    sim_int(m, PLAYOUT_PROTECTION, -1) != (int64_t)u->conf->service->scrambling) {
		gw_log_limited(&k->rate, GW_ERR, "request_refused", "the SCS has another configuration of the service: reload both", "service=%.*s",
		    (int)id->len, (const char *)id->p);
		return;
	}
	u->from = sim_int(m, PLAYOUT_CP, 0);
	u->last = sim_int(m, PLAYOUT_LAST_CP, 0);
	u->period_ms = sim_int(m, PLAYOUT_DURATION, 0);
	u->wanted = u->last >= u->from && u->last - u->from < TEK_HELD;
	drop_past(u);
	if (u->wanted && !supply(u))
		ask(u);
}

/* What the SCS has against a key, as the BSM is told. */
static unsigned
status_of(int64_t error)
{
	static const struct { int64_t error; unsigned status; } table[] = {
		{ PLAYOUT_E_CONFLICT,   BR_WRONG_KEY           }, { PLAYOUT_E_LENGTH,     BR_INVALID },
		{ PLAYOUT_E_PROTECTION, BR_INVALID }, { PLAYOUT_E_IDENTIFIER, BR_INVALID },
		{ PLAYOUT_E_OVER,       BR_INVALID }, { PLAYOUT_E_UNKNOWN,    BR_NO_SERVICE          },
		{ PLAYOUT_E_RESOURCES,  BR_DELAYED             },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].error == error)
			return table[i].status;
	return BR_SERVER_ERROR;
}

/* It is not kept, so that a better one can come. */
static void
refused(struct tek_unit *u, struct tek *t, int64_t cp, int64_t error, const char *why, size_t len)
{
	char said[sizeof(u->why)];

	u->refused++;
	snprintf(said, sizeof(said), "%.*s", (int)len, why);
	gw_text(u->why, sizeof(u->why), said);
	gw_log_limited(&u->k->rate, GW_ERR, "key_refused", u->why, "service=%s cp=%lld error=0x%04x peer=%s", u->conf->id, (long long)cp,
	    (unsigned)error, u->bsm ? u->bsm->name : "-");
	if (t->call) {
		t->call->status = status_of(error);
		gw_text(t->call->why, sizeof(t->call->why), u->why);
	}
	u->again_us = gw_mono_us() + TEK_AGAIN_MS * INT64_C(1000);
}

/* An SCS that finds another key in its store keeps that one, and says which. */
static bool
is_another(const struct tek *t, const struct sim_msg *m)
{
	const struct sim_value *said = sim_value(m, PLAYOUT_FINGERPRINT, 0);
	char ours[17];
	uint8_t print[8];

	gw_fingerprint(t->material.p, t->material.len, ours);
	return said && gw_unhex(ours, print, sizeof(print)) == (int)sizeof(print) && (said->len != sizeof(print) || memcmp(said->p, print, sizeof(print)) != 0);
}

void
tek_bsa_acked(struct br_keys *k, const struct sim_msg *m)
{
	static const char another[] = "the SCS has another key of this crypto-period in its store: that one stands";
	struct tek_unit *u = unit_of(k, m);
	const struct sim_value *why = sim_value(m, PLAYOUT_ERROR_INFORMATION, 0);
	int64_t cp = sim_int(m, PLAYOUT_CP, -1), error = sim_int(m, PLAYOUT_ERROR_STATUS, 0);
	struct tek *t = u ? find(u, (uint16_t)cp) : NULL;
	bool other = t && error == 0 && is_another(t, m);
	struct tek_call *c = t ? t->call : NULL;

	if (!t)
		return;
	if (other)
		refused(u, t, cp, PLAYOUT_E_CONFLICT, another, sizeof(another) - 1);
	else if (error)
		refused(u, t, cp, error, why ? (const char *)why->p : "", why ? why->len : 0);
	else
		u->supplied++;
	t->call = NULL;
	t->stored = !error && !other;
	if (!t->stored)
		drop(u, t);
	if (c && --c->left == 0)
		finish(u, c);
	if (other && u->from == cp)	/* it is not wanted any more */
		u->wanted = u->wanted && ++u->from <= u->last;
	while (u->wanted && (t = find(u, (uint16_t)u->from)) && t->stored)
		u->wanted = ++u->from <= u->last;
}

static void
finish_calls(struct tek_unit *u, int64_t before_us)
{
	for (size_t i = 0; i < TEK_CALLS; i++)
		if (u->calls[i].call && u->calls[i].until_us <= before_us)
			finish(u, &u->calls[i]);
}

void
tek_bsa_ended(struct br_keys *k, const struct sim_msg *m)
{
	struct tek_unit *u = unit_of(k, m);

	if (!u)
		return;
	u->wanted = false;
	finish_calls(u, INT64_MAX);
	while (u->n)
		drop(u, &u->held[0]);
}

/* What waited for the SCS is held here: that much can be said. */
void
tek_bsa_lost(struct br_keys *k)
{
	for (struct tek_unit *u = k->units; u; u = u->next)
		finish_calls(u, INT64_MAX);
}

void
tek_bsa_tick(struct br_keys *k, int64_t mono_us)
{
	for (struct tek_unit *u = k->units; u; u = u->next) {
		finish_calls(u, mono_us);
		if (u->wanted && !u->gone && tek_link_up(k->link))
			ask(u);
	}
}

/* ---- configuration ---- */

/* The BSM that makes the unit's STKMs in mode A. */
static const struct he_sp4_peer *
bsm_of(const struct he_bridge *b, const struct he_unit *unit)
{
	for (size_t i = 0; i < b->necmg; i++)
		for (size_t s = 0; b->ecmg[i].mode == HE_MODE_A && s < unit->nstkm; s++)
			if (unit->stkm[s].kms == b->ecmg[i].kms)
				return b->ecmg[i].peer;
	/* Its STKMs come by another way: the first BSM that may be asked, or else the first that delivers. */
	for (int asked = 1; asked >= 0; asked--)
		for (size_t i = 0; i < b->npeers; i++)
			if ((b->peers[i].roles & HE_ROLE_BSM) && (b->peers[i].url || !asked))
				return &b->peers[i];
	return NULL;
}

static struct tek_unit *
unit_called(const struct br_keys *k, const char *id)
{
	for (struct tek_unit *u = k->units; u; u = u->next)
		if (!u->gone && strcmp(u->conf->id, id) == 0)
			return u;
	return NULL;
}

static int
take_unit(struct br_keys *k, const struct he_unit *conf, struct gw_err *err)
{
	struct tek_unit *u = unit_called(k, conf->id);
	char *content = tek_content(conf);

	if (content && !u && (u = calloc(1, sizeof(*u)))) {
		struct tek_unit **at = &k->units;

		u->k = k;
		while (*at)
			at = &(*at)->next;
		*at = u;
	}
	if (!content || !u) {
		free(content);
		return gw_fail(err, GW_ESYS, "out of memory");
	}
	free(u->content);
	u->content = content;
	u->conf = conf;
	u->bsm = bsm_of(k->b, conf);
	return 0;
}

static bool
is_ours(const struct br_keys *k, const struct he_service *s)
{
	return s->outside_keys && strcmp(s->outside_keys, k->b->name) == 0;
}

/* Of units that the file has no more: their configuration is freed with the file. */
static void
let_go(struct br_keys *k)
{
	for (struct tek_unit *u = k->units, *next; u; u = next) {
		const struct he_unit *still = u->gone ? NULL : headend_unit(k->he, u->conf->id);
		next = u->next;
		if (u->gone || (still && is_ours(k, still->service)))	/* gone: in an earlier reading, and still asking */
			continue;
		finish_calls(u, INT64_MAX);
		u->gone = true;
		u->conf = NULL;
		if (!u->asking)
			forget(k, u);
	}
}

int
tek_bsa_reconf(struct br_keys *k, struct gw_err *err)
{
	let_go(k);
	for (size_t i = 0; i < k->he->nservices; i++)
		for (size_t n = 0; is_ours(k, &k->he->services[i]) && n < k->he->services[i].nunits; n++)
			if (take_unit(k, &k->he->services[i].units[n], err) < 0)
				return -1;
	if (k->units && !k->link) {
		ex_handle(k->ex, 3, on_delivery, k);
		k->link = tek_link_open(k, err);
		return k->link ? 0 : -1;
	}
	return 0;
}

void
tek_bsa_close(struct br_keys *k)
{
	while (k->units) {
		struct tek_unit *u = k->units;
		k->units = u->next;
		free_unit(u);
	}
	tek_link_close(k->link);
	k->link = NULL;
}

/* ---- operators ---- */

json_t *
tek_bsa_status(const struct br_keys *k)
{
	json_t *list = json_array();

	for (const struct tek_unit *u = k->units; u; u = u->next)
		if (!u->gone)
			json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "service", u->conf->id,
			    "GlobalContentID", u->content, "bsm", u->bsm ? u->bsm->name : "", "wanted", u->wanted, "from", (json_int_t)u->from,
			    "held", (json_int_t)u->n, "asked", (json_int_t)u->asked, "answered", (json_int_t)u->answered,
			    "failed", (json_int_t)u->failed, "delivered", (json_int_t)u->delivered, "supplied", (json_int_t)u->supplied,
			    "refused", (json_int_t)u->refused, "reason", u->why));
	return list;
}

static const struct gw_metric
	m_asked = { "simulgate_bridge_tek_requests_total", "TEKRequests to the BSM", GW_COUNTER },
	m_failed = { "simulgate_bridge_tek_requests_failed_total", "those that brought no key", GW_COUNTER },
	m_delivered = { "simulgate_bridge_tek_deliveries_total", "TEKDeliveries of the BSM that were taken", GW_COUNTER },
	m_supplied = { "simulgate_bridge_teks_supplied_total", "keys that the SCS has stored", GW_COUNTER },
	m_refused = { "simulgate_bridge_teks_refused_total", "keys that were refused here or by the SCS", GW_COUNTER },
	m_held = { "simulgate_bridge_teks_held", "keys held in memory", GW_GAUGE };

void
tek_bsa_collect(const struct br_keys *k, struct gw_samples *s)
{
	for (const struct tek_unit *u = k->units; u; u = u->next) {
		char labels[400] = "";
		if (u->gone)
			continue;
		gw_label(labels, sizeof(labels), "service", u->conf->id);
		gw_sample(s, &m_asked, labels, (double)u->asked);
		gw_sample(s, &m_failed, labels, (double)u->failed);
		gw_sample(s, &m_delivered, labels, (double)u->delivered);
		gw_sample(s, &m_supplied, labels, (double)u->supplied);
		gw_sample(s, &m_refused, labels, (double)u->refused);
		gw_sample(s, &m_held, labels, (double)u->n);
	}
}
