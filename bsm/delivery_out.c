/* bsm/delivery_out.c: messages of the outbox: made, sent, repeated, verified, given up (bcast-smartcard-profile 2.5, 2.9, 3.6, 7.1) */
#include "bsm/delivery_int.h"
#include <netinet/in.h>
#include <string.h>
#include "kms/mikey_ltkm.h"
#include "proto/mikey.h"

enum { PULL_TRIES = 2, SMS_TRIES = 5, SMS_WAIT_S = 60, PULL_WAIT_S = 24, BUSY_US = 5 * SECOND, PACE_US = 10000 };
/* Nobody verifies a pull over UDP: once more in case it was lost, then it is given up. A second SMS is not sent while one may still arrive. */
enum { SMS_AGAIN_S = 3600 };

static bool
open_state(enum kms_out_state s)
{
	return s == KMS_OUT_DUE || s == KMS_OUT_SENT;
}

/* ---- whom it is for ---- */

/* The live context, if it has not expired. */
static bool
bootstrapped(struct delivery *d, int64_t sub, int64_t now_us)
{
	return kms_gba_live(d->store, sub, &d->safe->gba) == GW_WON && d->safe->gba.expires_us > now_us;
}

static bool
by_sms(struct delivery *d, int64_t sub, int64_t now_us)
{
	return d->conf.sms && bootstrapped(d, sub, now_us) && kms_subscriber_get(d->store, sub, &d->safe->sub) == GW_WON &&
	    d->safe->sub.msisdn[0];
}

enum reach
out_reach(struct delivery *d, int64_t sub, int64_t now_us, struct kms_registration *r)
{
	bool there = kms_registration_get(d->store, sub, r) == GW_WON && r->expires_us > now_us && r->reachable;

	if (there)
		return REACH_UDP;
	return by_sms(d, sub, now_us) ? REACH_SMS : REACH_NOT;
}

/* ---- what is open of a subscriber ---- */

static int
keep_open(void *self, const struct kms_out *o)
{
	struct delivery *d = self;
	bool counted_as_lost = o->roll && !o->pull && (o->state == KMS_OUT_FAILED || o->state == KMS_OUT_SMS);

	if (o->state == KMS_OUT_ACKED && !o->pull && !o->cut && o->key == d->mine.key)
		d->mine.acked = true;
	if (!open_state(o->state) && !counted_as_lost && !(o->pull && o->state == KMS_OUT_SMS))
		return 0;
	d->mine.row[d->mine.n++] = *o;
	return d->mine.n == MINE;
}

void
out_open(struct delivery *d, int64_t sub, int64_t key)
{
	d->mine.n = 0;
	d->mine.key = key;
	d->mine.acked = false;
	kms_outs_of(d->store, sub, keep_open, d);
}

static void
set_state(struct delivery *d, struct kms_out *o, enum kms_out_state state)
{
	o->state = state;
	kms_out_change(d->store, o);
}

static void
put(struct delivery *d, struct kms_out *o)
{
	int64_t id;

	o->state = KMS_OUT_DUE;
	kms_out_put(d->store, o, &id);
	if (o->due_us < d->next_us)
		d->next_us = o->due_us;
	o->id = id;
	if (d->mine.n < MINE)
		d->mine.row[d->mine.n++] = *o;
}

void
out_ltkm(struct delivery *d, int64_t sub, int64_t key, int64_t roll, bool cut, int64_t now_us)
{
	bool open = false;

	for (size_t i = 0; i < d->mine.n; i++) {
		struct kms_out *o = &d->mine.row[i];
		if (o->pull || o->key != key)
			continue;
		if (!open_state(o->state) || o->cut != cut) {	/* its place in the counts is the new one's; what was bought or cut last counts */
			if (o->state != KMS_OUT_VOID && (open_state(o->state) || !cut))
				set_state(d, o, KMS_OUT_VOID);
			continue;
		}
		o->due_us = now_us;
		o->tries = 0;
		set_state(d, o, KMS_OUT_DUE);
		open = true;
	}
	if (open) {
		d->next_us = now_us < d->next_us ? now_us : d->next_us;
		return;
	}
	put(d, &(struct kms_out){ .sub = sub, .key = key, .roll = roll, .cut = cut, .due_us = now_us });
}

void
out_renew(struct delivery *d, int64_t sub, int64_t key, int64_t roll, int64_t now_us)
{
	for (size_t i = 0; i < d->mine.n; i++) {
		struct kms_out *o = &d->mine.row[i];
		if (!o->pull && o->key == key && o->state != KMS_OUT_VOID)
			set_state(d, o, KMS_OUT_VOID);
	}
	put(d, &(struct kms_out){ .sub = sub, .key = key, .roll = roll, .due_us = now_us });
}

bool
out_has(const struct delivery *d, int64_t key)
{
	for (size_t i = 0; i < d->mine.n; i++)
		if (!d->mine.row[i].pull && !d->mine.row[i].cut && d->mine.row[i].key == key && open_state(d->mine.row[i].state))
			return true;
	return d->mine.acked;
}

void
out_answered(struct delivery *d, uint16_t group)
{
	for (size_t i = 0; i < d->mine.n; i++) {
		struct kms_out *o = &d->mine.row[i];
		if (o->pull && o->group == group)	/* one that has not left was not what moved it */
			set_state(d, o, o->len ? KMS_OUT_ACKED : KMS_OUT_VOID);
	}
}

void
out_void(struct delivery *d)
{
	for (size_t i = 0; i < d->mine.n; i++)
		if (!d->mine.row[i].sms && open_state(d->mine.row[i].state))
			set_state(d, &d->mine.row[i], KMS_OUT_VOID);
}

void
out_pull(struct delivery *d, int64_t sub, uint16_t group, bool sms, int64_t now_us)
{
	for (size_t i = 0; i < d->mine.n; i++) {
		const struct kms_out *o = &d->mine.row[i];
		if (!o->pull || o->sms != sms || o->group != group)
			continue;
		if (open_state(o->state) || (o->state == KMS_OUT_SMS && o->due_us > now_us - (int64_t)SMS_AGAIN_S * SECOND && o->due_us <= now_us))
			return;	/* it is on its way */
	}
	put(d, &(struct kms_out){ .sub = sub, .pull = true, .group = group, .sms = sms, .due_us = now_us });
}

/* ---- made ---- */

static const struct kms_key *
key_of(struct delivery *d, int64_t id)
{
	if (d->safe_key != id) {
		d->safe_key = 0;
		if (kms_key_get(d->store, id, &d->safe->key) != GW_WON || d->safe->key.state == KMS_KEY_DEAD)
			return NULL;
		d->safe_key = id;
	}
	return &d->safe->key;
}

static const struct mikey_management *
management(const struct delivery *d, struct mikey_management *m)
{
	bool full = d->conf.ext_bcast == DELIVERY_FULL;

	if (d->conf.ext_bcast == DELIVERY_PLAIN)
		return NULL;
	*m = (struct mikey_management){ .subtype = MIKEY_BCAST_LTKM };
	if (full) {
		m->criteria = d->conf.criteria;
		m->binding = d->conf.binding;
	}
	return m;
}

static void
plan_pull(const struct delivery *d, const struct kms_out *o, struct ltkm_plan *p)
{
	p->pull = true;
	memcpy(p->ids.domain, d->conf.domain, sizeof(p->ids.domain));
	p->ids.key_group = o->group;
	gw_random(p->rand, sizeof(p->rand));
}

static void
plan_ltkm(const struct kms_key *k, const struct kms_out *o, struct ltkm_plan *p)
{
	p->verify = true;
	memcpy(p->ids.domain, k->domain, sizeof(p->ids.domain));
	p->ids.key_group = k->group;
	p->ids.key_number = k->number;
	memcpy(p->rand, k->rand, sizeof(p->rand));
	p->key = k->key;
	p->lower = o->cut ? 1 : k->lower;	/* V27: empty, hence unusable */
	p->upper = o->cut ? 0 : k->upper;
}

/*
 * Octets for the row, under the context in safe->gba. They are made once for a counter; when later counters have been spent in the meantime
 * the card may be past this one, and it is a new message with a counter of its own. False: it cannot be made.
 */
static bool
make(struct delivery *d, struct kms_out *o)
{
	const struct kms_gba *g = &d->safe->gba;
	struct mikey_management m;
	struct ltkm_plan plan = { .ids = { .has_domain = true, .has_key = true } };
	const struct ltkm_peer peer = { g->smk, d->conf.naf, g->btid };
	const struct kms_key *k = NULL;
	struct gw_err err = { 0 };

	if (o->len && strcmp(o->btid, g->btid) == 0 && o->counter == g->ltkm_counter)
		return true;
	if (!o->pull && !(k = key_of(d, o->key)))
		return false;
	if (o->pull)
		plan_pull(d, o, &plan);
	else {
		plan_ltkm(k, o, &plan);
		plan.management = management(d, &m);
	}
	if (kms_gba_spend(d->store, g->btid, &o->counter) != GW_WON)
		return false;
	plan.counter = o->counter;
	memcpy(o->btid, g->btid, sizeof(o->btid));
	o->len = ltkm_make(&peer, &plan, o->octets, sizeof(o->octets), &err);
	if (o->len == 0)
		gw_log_limited(&d->rate_failed, GW_ERR, "ltkm_not_made", err.text, "sub=%lld key=%lld", (long long)o->sub, (long long)o->key);
	return o->len > 0;
}

/* ---- sent ---- */

static struct delivery_action *
act(struct delivery *d, const struct kms_out *o, enum delivery_kind kind)
{
	struct delivery_action *a = &d->action[d->nactions++];

	a->kind = kind;
	a->out = o->id;
	a->len = o->len;
	memcpy(a->octets, o->octets, o->len);
	return a;
}

static void
sent(struct delivery *d, struct kms_out *o, int64_t due_us)
{
	o->tries++;
	o->due_us = due_us;
	set_state(d, o, KMS_OUT_SENT);
}

static void
unbuilt(struct delivery *d, struct kms_out *o)
{
	d->now.counts.unbuilt++;
	set_state(d, o, KMS_OUT_FAILED);
}

/* No address answers: an SMS asks the terminal to register, which brings all of its keys (2.9, 7.2). */
static void
fall_back(struct delivery *d, struct kms_out *o, int64_t now_us)
{
	struct kms_registration r;
	bool sms = !o->cut && out_reach(d, o->sub, now_us, &r) == REACH_SMS;

	d->now.counts.failed++;
	set_state(d, o, sms ? KMS_OUT_SMS : KMS_OUT_FAILED);
	gw_log_limited(&d->rate_failed, GW_INFO, "ltkm_failed", sms ? "nobody verifies it; an SMS asks the terminal to register" :
	    "nobody verifies it; the terminal is to register by itself", "sub=%lld key=%lld tries=%u", (long long)o->sub, (long long)o->key, o->tries);
	if (sms) {
		out_open(d, o->sub, 0);
		out_pull(d, o->sub, 0, true, now_us);
	}
}

static void
aim(const struct delivery *d, const struct kms_registration *r, struct sockaddr_storage *to)
{
	*to = r->at;
	if (to->ss_family == AF_INET6)
		((struct sockaddr_in6 *)to)->sin6_port = htons(d->conf.port);
	else
		((struct sockaddr_in *)to)->sin_port = htons(d->conf.port);
}

static void
serve_udp(struct delivery *d, struct kms_out *o, int64_t now_us)
{
	struct kms_registration r;
	unsigned most = o->pull ? PULL_TRIES : DELIVERY_TRIES;
	bool there = out_reach(d, o->sub, now_us, &r) == REACH_UDP;

	if (there && o->tries >= most && !o->pull) {
		kms_registration_unreachable(d->store, o->sub);
		there = false;
	}
	if (o->pull && (!there || o->tries >= most)) {
		set_state(d, o, KMS_OUT_FAILED);
		return;
	}
	if (!there) {
		fall_back(d, o, now_us);
		return;
	}
	if (kms_gba_get(d->store, r.btid, &d->safe->gba) != GW_WON || !make(d, o)) {
		unbuilt(d, o);
		return;
	}
	if (o->tries)
		d->now.counts.repeated++;
	else if (o->pull)
		d->now.counts.pulls++;
	else
		d->now.counts.pushed++;
	aim(d, &r, &act(d, o, DELIVERY_UDP)->to);
	sent(d, o, now_us + (o->pull ? d->conf.wait_us[1] + (o->tries ? (int64_t)PULL_WAIT_S * SECOND : 0) : d->conf.wait_us[o->tries]));
	if (d->conf.pushes_per_second)
		d->now.credit--;
}

static bool
flying(const struct delivery *d, int64_t out)
{
	for (size_t i = 0; i < d->nflights; i++)
		if (d->flight[i].out == out)
			return true;
	return false;
}

static void
serve_sms(struct delivery *d, struct kms_out *o, int64_t now_us)
{
	struct delivery_action *a;

	if (flying(d, o->id) || d->nflights == FLYING) {	/* the SMSC takes its time */
		o->due_us = now_us + BUSY_US;
		set_state(d, o, o->state);
		return;
	}
	if (!by_sms(d, o->sub, now_us)) {
		set_state(d, o, KMS_OUT_FAILED);
		return;
	}
	if (!make(d, o)) {
		unbuilt(d, o);
		return;
	}
	a = act(d, o, DELIVERY_SMS);
	memcpy(a->msisdn, d->safe->sub.msisdn, sizeof(a->msisdn));
	struct flight *f = &d->flight[d->nflights++];
	*f = (struct flight){ .out = o->id, .counter = o->counter };
	memcpy(f->btid, o->btid, sizeof(f->btid));
	d->now.counts.sms++;
	sent(d, o, now_us + (int64_t)SMS_WAIT_S * SECOND);
}

static int
keep_row(void *self, const struct kms_out *o)
{
	struct { struct delivery *d; size_t n; } *page = self;

	page->d->page[page->n++] = *o;
	return page->n == DELIVERY_BATCH;
}

/* Datagrams that may leave now: a bucket that holds a tenth of a second. */
static size_t
credit(struct delivery *d, int64_t now_us)
{
	double rate = d->conf.pushes_per_second, most = rate / 10 < 1 ? 1 : rate / 10;

	if (d->conf.pushes_per_second == 0)
		return DELIVERY_BATCH;
	if (now_us > d->now.credit_us)
		d->now.credit += rate * (double)(now_us - d->now.credit_us) / SECOND;
	d->now.credit_us = now_us;
	if (d->now.credit > most)
		d->now.credit = most;
	return d->now.credit < DELIVERY_BATCH ? (size_t)d->now.credit : DELIVERY_BATCH;
}

int64_t
out_serve(struct delivery *d, int64_t now_us)
{
	struct { struct delivery *d; size_t n; } page = { d, 0 };
	size_t may = credit(d, now_us);
	int64_t due;

	d->blocked = d->nactions > 0;
	if (d->blocked || may == 0)
		return now_us + PACE_US;
	kms_out_due(d->store, now_us, may, keep_row, &page);
	for (size_t i = 0; i < page.n; i++)
		if (d->page[i].pull && d->page[i].sms)
			serve_sms(d, &d->page[i], now_us);
		else
			serve_udp(d, &d->page[i], now_us);
	d->behind = page.n == may;
	if (d->behind)
		return d->conf.pushes_per_second ? now_us + PACE_US : now_us;
	if (kms_out_next(d->store, &due) != GW_WON)
		return INT64_MAX;
	return due > now_us ? due : now_us;
}

/* ---- heard ---- */

static void
hear_error(struct delivery *d, const struct mikey *m)
{
	/* Not authentic (RFC 3830 5.1.2): the retries go on as if it had not come. */
	d->now.counts.errors++;
	gw_log_limited(&d->rate_error, GW_NOTICE, "mikey_error", "somebody claims that a card refused a message; this is a hint only",
	    "number=%u counter=%llu", m->err, (unsigned long long)(m->has_t ? m->ts : 0));
}

static uint64_t *
verdict(struct delivery *d, struct kms_out *o, const struct datagram *g)
{
	struct delivery_counts *c = &d->now.counts;
	const struct kms_gba *k = &d->safe->gba;
	struct ltkm_peer peer = { k->smk, d->conf.naf, o->btid };

	if (o->pull || o->len == 0)
		return &c->unknown;
	if (o->state == KMS_OUT_ACKED)
		return &c->duplicate;
	if (!open_state(o->state))
		return &c->late;
	if (kms_gba_get(d->store, o->btid, &d->safe->gba) != GW_WON)
		return &c->unknown;
	return ltkm_verified(&peer, o->octets, o->len, g->msg, g->len) ? &c->verified : &c->bad_mac;
}

void
out_hear(struct delivery *d, const struct datagram *g)
{
	struct delivery_counts *c = &d->now.counts;
	struct kms_out o = { 0 };
	char btid[KMS_BTID];
	uint64_t *count;
	uint32_t counter;
	struct mikey m;

	if (mikey_decode(g->msg, g->len, &m, NULL) < 0) {
		c->malformed++;
		return;
	}
	if (m.data_type == MIKEY_ERROR) {
		hear_error(d, &m);
		return;
	}
	if (m.data_type != MIKEY_PSK_VERIFY || !ltkm_verification_names(&m, &counter, btid, sizeof(btid))) {
		c->not_verification++;
		return;
	}
	count = kms_out_find(d->store, btid, counter, &o) == GW_WON ? verdict(d, &o, g) : &c->unknown;
	++*count;
	if (count == &c->verified)
		set_state(d, &o, KMS_OUT_ACKED);
}

void
out_outcome(struct delivery *d, const struct outcome *what, int64_t now_us)
{
	struct flight f = { 0 };
	struct kms_out o = { 0 };

	for (size_t i = 0; i < d->nflights; i++)
		if (d->flight[i].out == what->out)
			f = d->flight[i];
	if (f.out == 0)
		return;
	++*(what->sent ? &d->now.counts.sms_sent : &d->now.counts.sms_failed);
	/* Ours no more: it was given up, or the terminal has registered meanwhile. */
	if (kms_out_find(d->store, f.btid, f.counter, &o) != GW_WON || o.id != f.out || o.state != KMS_OUT_SENT)
		return;
	o.due_us = now_us;
	if (what->sent) {
		set_state(d, &o, KMS_OUT_SMS);
		return;
	}
	o.due_us = now_us + ((int64_t)SMS_WAIT_S * SECOND << o.tries);
	set_state(d, &o, o.tries < SMS_TRIES ? KMS_OUT_SENT : KMS_OUT_FAILED);
}
