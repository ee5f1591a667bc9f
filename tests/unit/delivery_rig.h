/*
 * tests/unit/delivery_rig.h: a BSM's delivery engine on a real store, with phones: cards that take LTKMs and pulls, verify, and register when a
 * pull says so. Time is the test's. The phones and the log of all that ever left lie in shared memory, so that they outlive a killed BSM.
 */
#ifndef TESTS_UNIT_DELIVERY_RIG_H
#define TESTS_UNIT_DELIVERY_RIG_H
#include <arpa/inet.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include "bsm/delivery.h"
#include "kms/mikey_ltkm.h"
#include "lib/secret.h"
#include "tests/suite.h"
#include "tests/unit/scratch.h"

#define NAF "bsm.example.net"
#define S INT64_C(1000000)
#define T0 (INT64_C(1800000000) * S)	/* a day in 2027 */
enum { PHONES = 64, PHONE_KEYS = 16, LOG = 4096, LIFE_S = 86400, WINDOW_S = 100 };

struct phone_key { uint16_t group, number, lower, upper; uint8_t key[16]; };
struct phone {
	int64_t sub;
	char btid[64];
	uint8_t smk[32];
	uint32_t counter;			/* EF_MUK's */
	struct phone_key key[PHONE_KEYS]; size_t nkeys;
	uint8_t last[LTKM_MAX]; size_t last_len;	/* LTKM that was verified last: the same octets are verified again */
	bool deaf, mute, forges, error;		/* takes nothing; does not verify; wrong MAC; error message */
	bool has_sms, wants_in;			/* wants_in: registers at the next turn */
	bool never;				/* has no B-TID yet */
	size_t ltkms, pulls, stale;
};
struct left { int phone; uint32_t counter; size_t len; int64_t at_us; bool sms; uint8_t octets[LTKM_MAX]; };
struct world {
	struct phone phone[PHONES]; size_t n;
	struct left log[LOG]; size_t nlog;
	size_t point, kill_at;			/* commits and sendings so far; the one at which the BSM is killed, 0: none */
	int64_t now;
};
struct rig {
	struct world *w;
	struct kms_store *store;
	struct delivery *d;
	struct bsm_events events;
	struct delivery_conf conf;
	int64_t next;
	bool lose;				/* the store takes no group */
	bool no_smsc, sms_refused;		/* SMS get nowhere, and nobody says so; are refused */
	size_t room;				/* what the socket takes of a batch; 0: all */
};

static void
point(struct world *w)
{
	if (++w->point == w->kill_at)
		raise(SIGKILL);
}

static struct world *
rig_world(void)
{
	struct world *w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(w, MAP_FAILED);
	w->now = T0;
	return w;
}

static struct delivery_conf
rig_conf(void)
{
	return (struct delivery_conf){ .naf = NAF, .domain = { 0x00, 0xf1, 0x10 }, .pull_on_purchase = true, .sms = true,
		.plan = { .life_us = LIFE_S * S, .window_us = WINDOW_S * S }, .cut_window_us = 0 };
}

static void
rig_start(struct rig *r)
{
	struct kms_store_conf sc = { .path = scratch("kms.db"), .create = true };
	struct gw_err err = { 0 };

	ck_assert_msg(kms_store_open(&sc, &r->store, &err) == 0, "%s", err.text);
	ck_assert_msg(delivery_new(r->store, &r->conf, &r->d, &err) == 0, "%s", err.text);
	r->events = delivery_events(r->d);
}

static void
rig_stop(struct rig *r)
{
	delivery_free(r->d);
	kms_store_close(r->store);
}

static inline struct rig
rig(void)
{
	struct rig r = { .w = rig_world(), .conf = rig_conf() };

	gw_secrets_init(256, true, NULL);
	rig_start(&r);
	return r;
}

/* ---- what is in the store ---- */

static int64_t
rig_service(struct rig *r, const char *name)
{
	struct kms_service s = { .domain = { 0x00, 0xf1, 0x10 }, .crypto_period_ms = 10000 };

	snprintf(s.name, sizeof(s.name), "%s", name);
	snprintf(s.item, sizeof(s.item), "urn:test:%s", name);
	ck_assert_int_eq(kms_service_put(r->store, &s), GW_WON);
	return s.id;
}

static void
phone_boot(struct rig *r, struct phone *p, unsigned generation)
{
	struct kms_gba g = { .sub = p->sub, .since_us = r->w->now, .expires_us = r->w->now + 30 * LIFE_S * S };

	snprintf(p->btid, sizeof(p->btid), "%u-%u@bsf.example.net", (unsigned)(p - r->w->phone), generation);
	memset(p->smk, (int)(p - r->w->phone) + 1, sizeof(p->smk));
	p->smk[0] = (uint8_t)generation;
	p->counter = 0;
	p->never = false;
	memcpy(g.smk, p->smk, sizeof(g.smk));
	snprintf(g.btid, sizeof(g.btid), "%s", p->btid);
	ck_assert_int_eq(kms_gba_put(r->store, &g), GW_WON);
}

/* A subscriber with that phone, bootstrapped or not. */
static struct phone *
rig_phone(struct rig *r, bool sms, bool boot)
{
	struct phone *p = &r->w->phone[r->w->n];
	struct kms_subscriber s = { .provision = KMS_KEYS };

	snprintf(s.name, sizeof(s.name), "subscriber-%zu", r->w->n);
	if (sms)
		snprintf(s.msisdn, sizeof(s.msisdn), "49170%06zu", r->w->n);
	p->has_sms = sms;
	p->never = true;
	ck_assert_int_eq(kms_subscriber_put(r->store, &s, &p->sub), GW_WON);
	r->w->n++;
	if (boot)
		phone_boot(r, p, 1);
	return p;
}

static struct kms_subscription
rig_right(struct phone *p, int64_t service)
{
	return (struct kms_subscription){ .sub = p->sub, .service = service, .from_us = T0 - S, .source = "portal" };
}

static inline struct kms_key
rig_key(struct rig *r, int64_t service, uint16_t number)
{
	struct kms_service s;
	struct kms_key k;

	ck_assert_int_eq(kms_service_get(r->store, service, &s), GW_WON);
	ck_assert_int_eq(kms_key_find(r->store, s.domain, s.group[KMS_SEK], number, &k), GW_WON);
	return k;
}

/* ---- phones ---- */

static struct in_addr
phone_address(const struct world *w, const struct phone *p)
{
	return (struct in_addr){ htonl(0x7f010001 + (uint32_t)(p - w->phone)) };
}

/* What registration does, within a group. */
static void
phone_register(struct rig *r, struct phone *p)
{
	struct kms_registration g = { .sub = p->sub, .since_us = r->w->now, .expires_us = r->w->now + 3600 * S, .reachable = true, .services = "*" };

	snprintf(g.btid, sizeof(g.btid), "%s", p->btid);
	*(struct sockaddr_in *)&g.at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = phone_address(r->w, p) };
	kms_registration_put(r->store, &g);
	r->events.registered(r->events.self, p->sub, r->w->now);
}

static void
phone_keep(struct phone *p, const struct ltkm *l)
{
	size_t i = 0;

	while (i < p->nkeys && (p->key[i].group != l->ids.key_group || p->key[i].number != l->ids.key_number))
		i++;
	ck_assert_uint_lt(i, PHONE_KEYS);
	p->nkeys = i == p->nkeys ? i + 1 : p->nkeys;
	p->key[i] = (struct phone_key){ l->ids.key_group, l->ids.key_number, l->lower, l->upper, { 0 } };
	memcpy(p->key[i].key, l->key, 16);
}

static void
phone_answer(struct rig *r, struct phone *p, const uint8_t *ltkm, size_t len)
{
	const struct ltkm_peer peer = { p->smk, NAF, p->btid };
	uint8_t out[256];
	struct gw_err err = { 0 };
	size_t n = p->error ? ltkm_error(ltkm, len, 0, out, sizeof(out)) : ltkm_verification(&peer, ltkm, len, out, sizeof(out), &err);

	ck_assert_uint_gt(n, 0);
	if (p->forges)
		out[n - 1] ^= 1;
	if (!p->mute)
		delivery_heard(r->d, NULL, out, n);
}

static void
phone_take(struct rig *r, struct phone *p, const uint8_t *msg, size_t len)
{
	const struct ltkm_peer peer = { p->smk, NAF, p->btid };
	struct ltkm l;
	uint8_t no;

	if (p->deaf)
		return;
	if (p->last_len == len && memcmp(p->last, msg, len) == 0) {
		phone_answer(r, p, msg, len);
		return;
	}
	switch (ltkm_take(&peer, p->counter, msg, len, &l, &no)) {
	case LTKM_KEY:
		p->counter = l.counter;
		p->ltkms++;
		phone_keep(p, &l);
		memcpy(p->last, msg, p->last_len = len);
		phone_answer(r, p, msg, len);
		break;
	case LTKM_PULL:
		p->counter = l.counter;
		p->pulls++;
		p->wants_in = l.ids.key_group == 0;
		break;
	case LTKM_STALE:
		p->stale++;
		break;
	default:
		ck_abort_msg("a card refuses what the BSM made");
	}
}

/* All that leaves is written down: one (SMK, counter) has one octet string, whatever happens. */
static void
leave(struct world *w, const struct phone *p, const struct delivery_action *a)
{
	struct left *l = &w->log[w->nlog];
	struct mikey m;
	enum mikey_fault why;

	ck_assert_int_eq(mikey_decode(a->octets, a->len, &m, &why), 0);
	ck_assert_uint_lt(w->nlog, LOG);
	*l = (struct left){ .phone = (int)(p - w->phone), .counter = (uint32_t)m.ts, .len = a->len, .at_us = w->now, .sms = a->kind == DELIVERY_SMS };
	memcpy(l->octets, a->octets, a->len);
	for (size_t i = 0; i < w->nlog; i++) {
		const struct left *o = &w->log[i];
		if (o->phone == l->phone && o->counter == l->counter && !(o->len == l->len && memcmp(o->octets, l->octets, l->len) == 0)) {
			struct mikey old;
			ck_assert_int_eq(mikey_decode(o->octets, o->len, &old, &why), 0);
			ck_assert_msg(old.idr.len != m.idr.len || memcmp(old.idr.p, m.idr.p, m.idr.len) != 0,
			    "two messages of phone %d under counter %u", l->phone, l->counter);
		}
	}
	w->nlog++;
}

static void
carry_out(struct rig *r, const struct delivery_action *a)
{
	struct world *w = r->w;
	struct phone *p = NULL;

	for (size_t i = 0; i < w->n && !p; i++)
		if (a->kind == DELIVERY_SMS ? (size_t)atoi(a->msisdn + 5) == i :
		    ((const struct sockaddr_in *)&a->to)->sin_addr.s_addr == phone_address(w, &w->phone[i]).s_addr)
			p = &w->phone[i];
	ck_assert_ptr_nonnull(p);
	if (a->kind == DELIVERY_UDP)
		ck_assert_uint_eq(ntohs(((const struct sockaddr_in *)&a->to)->sin_port), 4359);
	point(w);
	leave(w, p, a);
	if (a->kind == DELIVERY_SMS && (r->no_smsc || r->sms_refused)) {
		if (r->sms_refused)
			delivery_sms_done(r->d, a->out, false);
		return;
	}
	phone_take(r, p, a->octets, a->len);
	if (a->kind == DELIVERY_SMS)
		delivery_sms_done(r->d, a->out, true);
	point(w);
}

/* One group: what phones and doors have to say, then the engine; then what it wants sent. */
static void
rig_turn(struct rig *r, void (*doors)(struct rig *))
{
	struct world *w = r->w;
	enum gw_outcome outcome;
	size_t n;

	kms_store_begin(r->store);
	for (size_t i = 0; i < w->n; i++)
		if (w->phone[i].wants_in)
			phone_register(r, &w->phone[i]);
	if (doors)
		doors(r);
	r->next = delivery_tick(r->d, w->now);
	point(w);
	if (r->lose)
		kms_store_drop(r->store);
	outcome = r->lose ? GW_UNAVAILABLE : kms_store_flush(r->store);
	point(w);
	delivery_flushed(r->d, outcome);
	if (outcome == GW_WON)
		for (size_t i = 0; i < w->n; i++)
			w->phone[i].wants_in = false;
	const struct delivery_action *a = delivery_actions(r->d, &n);
	n = r->room && n > r->room ? r->room : n;
	for (size_t i = 0; i < n; i++)
		carry_out(r, &a[i]);
	delivery_taken(r->d, n);
}

static bool
anybody(const struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->phone[i].wants_in)
			return true;
	return false;
}

/* Until that long from now. */
static void
rig_run(struct rig *r, int64_t for_us)
{
	int64_t end = r->w->now + for_us;

	for (size_t turns = 0; ; turns++) {
		ck_assert_uint_lt(turns, 100000);
		if (anybody(r->w) || delivery_wants(r->d, r->w->now)) {
			rig_turn(r, NULL);
			continue;
		}
		if (r->w->now >= end)
			return;
		r->w->now = r->next <= r->w->now ? r->w->now + S / 10 : r->next < end ? r->next : end;
	}
}
#endif
