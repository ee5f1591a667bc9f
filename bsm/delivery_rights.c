/* bsm/delivery_rights.c: what a subscriber is entitled to: registrations, requests, purchases, cuts (bcast-smartcard-profile 3.4, 3.5, 7.2) */
#include "bsm/delivery_int.h"
#include <string.h>

enum { LOOK = 128, MANY = 64, ON_A_CARD = 2 };	/* subscriptions a turn; programmes of a service that are looked at; keys of a group (1.2) */

struct keys_of { struct { int64_t id; enum kms_key_state state; } k[ROLL_KEYS]; size_t n; bool current; };

static int
keep_key(void *self, const struct kms_key *k)
{
	struct keys_of *all = self;

	if (k->state != KMS_KEY_NEW && k->state != KMS_KEY_CURRENT)
		return 0;
	all->current = all->current || k->state == KMS_KEY_CURRENT;
	all->k[all->n].id = k->id;
	all->k[all->n++].state = k->state;
	return all->n == ROLL_KEYS;
}

/* The roll that brings this key, while it goes on; 0: none. */
static int64_t
roll_to(struct delivery *d, int64_t key)
{
	struct kms_roll r;

	return kms_roll_get(d->store, key, &r) == GW_WON && r.state != KMS_ROLL_DONE ? r.id : 0;
}

/* The keys of a service that its subscribers need now: the current one, the next one while its roll goes on, the first one before its use. */
static void
service_keys(struct delivery *d, int64_t service, int64_t now_us, struct keys_of *all)
{
	struct kms_service s;

	*all = (struct keys_of){ 0 };
	kms_keys(d->store, service, KMS_SEK, keep_key, all);
	if (all->n || kms_service_get(d->store, service, &s) != GW_WON)
		return;
	if (keymgr_first(d->store, &s, &d->conf.plan, now_us) == GW_WON)
		kms_keys(d->store, service, KMS_SEK, keep_key, all);
}

static void
push_service(struct delivery *d, int64_t sub, int64_t service, int64_t now_us)
{
	struct keys_of all;
	int64_t roll;

	service_keys(d, service, now_us, &all);
	for (size_t i = 0; i < all.n; i++) {
		roll = all.k[i].state == KMS_KEY_NEW ? roll_to(d, all.k[i].id) : 0;
		if (all.k[i].state == KMS_KEY_CURRENT || roll || !all.current)
			out_ltkm(d, sub, all.k[i].id, roll, false, now_us);
	}
}

/* A programme's key goes out before the programme begins, too. */
static void
push_programme(struct delivery *d, int64_t sub, int64_t key, int64_t now_us)
{
	struct kms_key *k = &d->safe->key;
	bool over;

	d->safe_key = 0;
	over = kms_key_get(d->store, key, k) != GW_WON || k->state == KMS_KEY_DEAD || (k->valid_until_us && k->valid_until_us <= now_us);
	gw_cleanse(k, sizeof(*k));
	if (!over)
		out_ltkm(d, sub, key, 0, false, now_us);
}

/* A programme is bought before it begins; its key is good for nothing else. */
static bool
in_force(const struct kms_subscription *s, int64_t now_us)
{
	return (s->state == KMS_NEW || s->state == KMS_TOLD) && (s->kind == KMS_PEK || s->from_us <= now_us) &&
	    (s->until_us == 0 || s->until_us > now_us);
}

/* ---- programmes that wait for others ---- */

struct programmes { const struct kms_subscription *of; int64_t now_us, key[MANY]; size_t n; };

static int
keep_programme(void *self, const struct kms_subscription *s)
{
	struct programmes *p = self;

	if (s->kind == KMS_PEK && s->service == p->of->service && s->key != p->of->key && in_force(s, p->now_us))
		p->key[p->n++] = s->key;
	return p->n == MANY;
}

static bool
times_of(struct delivery *d, int64_t key, int64_t *from_us, int64_t *until_us)
{
	struct kms_key *k = &d->safe->key;
	bool there;

	d->safe_key = 0;
	there = kms_key_get(d->store, key, k) == GW_WON && k->state != KMS_KEY_DEAD;
	*from_us = k->valid_from_us;
	*until_us = k->valid_until_us;
	gw_cleanse(k, sizeof(*k));
	return there;
}

/*
 * A card keeps two keys of a group (1.2), and a third one puts out the first: so a programme's key leaves when no more than one of those that the
 * subscriber has bought comes before it. Else false, and it is looked at again when one of them is over; what was told of it counts no more.
 */
static bool
its_turn(struct delivery *d, const struct kms_subscription *s, int64_t now_us)
{
	struct programmes p = { .of = s, .now_us = now_us };
	int64_t mine, begins, ends, again = INT64_MAX;
	size_t before = 0;

	if (s->kind != KMS_PEK || !times_of(d, s->key, &mine, &ends))
		return true;
	kms_subscriptions_of(d->store, s->sub, keep_programme, &p);
	for (size_t i = 0; i < p.n; i++) {
		if (!times_of(d, p.key[i], &begins, &ends) || ends <= now_us || begins >= mine)
			continue;
		before++;
		again = ends < again ? ends : again;
	}
	if (before < ON_A_CARD)
		return true;
	if (s->state != KMS_NEW)
		kms_subscription_mark(d->store, s->id, KMS_NEW);
	if (d->now.from_us == 0 || again < d->now.from_us)
		d->now.from_us = again;
	return false;
}

/* Asks d->mine. */
static void
push(struct delivery *d, const struct kms_subscription *s, int64_t now_us)
{
	if (s->kind == KMS_PEK)
		push_programme(d, s->sub, s->key, now_us);
	else
		push_service(d, s->sub, s->service, now_us);
}

/* ---- what the doors tell ---- */

static int
keep_bought(void *self, const struct kms_subscription *s)
{
	struct delivery *d = self;

	d->bought[d->nbought++] = *s;
	return d->nbought == BOUGHT;
}

struct in_force { struct delivery *d; int64_t now_us; };

static int
keep_in_force(void *self, const struct kms_subscription *s)
{
	struct in_force *f = self;

	return in_force(s, f->now_us) && keep_bought(f->d, s);
}

static bool
had_before(const struct delivery *d, size_t n)
{
	const struct kms_subscription *s = &d->bought[n];

	for (size_t i = 0; i < n; i++)
		if (d->bought[i].service == s->service && d->bought[i].kind == s->kind && d->bought[i].key == s->key)
			return true;
	return false;
}

static void
on_registered(void *self, int64_t sub, int64_t now_us)
{
	struct delivery *d = self;
	struct in_force f = { d, now_us };

	out_open(d, sub, 0);
	out_answered(d, 0);
	d->nbought = 0;
	kms_subscriptions_of(d->store, sub, keep_in_force, &f);
	for (size_t i = 0; i < d->nbought; i++) {
		const struct kms_subscription *s = &d->bought[i];
		if (!its_turn(d, s, now_us))
			continue;
		if (s->state == KMS_NEW)
			kms_subscription_mark(d->store, s->id, KMS_TOLD);
		if (!had_before(d, i))
			push(d, s, now_us);
	}
	d->next_us = 0;
}

static void
on_deregistered(void *self, int64_t sub, int64_t now_us)
{
	struct delivery *d = self;

	(void)now_us;
	out_open(d, sub, 0);
	out_void(d);
}

static void
on_wanted(void *self, int64_t sub, int64_t key, int64_t now_us)
{
	struct delivery *d = self;
	uint16_t group = 0;

	out_open(d, sub, 0);
	d->safe_key = 0;
	if (kms_key_get(d->store, key, &d->safe->key) == GW_WON)
		group = d->safe->key.group;
	gw_cleanse(&d->safe->key, sizeof(d->safe->key));
	if (group)
		out_answered(d, group);
	out_ltkm(d, sub, key, roll_to(d, key), false, now_us);
	d->next_us = 0;
}

/* 7.2: pushed, asked for by SMS, or left until the terminal registers by itself. */
static void
bought(struct delivery *d, const struct kms_subscription *s, int64_t now_us)
{
	struct kms_registration r;
	enum reach reach;

	if (!in_force(s, now_us)) {
		if (s->until_us && s->until_us <= now_us)
			kms_subscription_mark(d->store, s->id, KMS_ENDED);
		else if (d->now.from_us == 0 || s->from_us < d->now.from_us)
			d->now.from_us = s->from_us;
		return;
	}
	reach = out_reach(d, s->sub, now_us, &r);
	if (reach == REACH_NOT || !its_turn(d, s, now_us))
		return;
	out_open(d, s->sub, 0);
	if (reach == REACH_UDP)
		push(d, s, now_us);
	if (reach == REACH_SMS || d->conf.pull_on_purchase)
		out_pull(d, s->sub, 0, reach == REACH_SMS, now_us);
	kms_subscription_mark(d->store, s->id, KMS_TOLD);
	d->next_us = 0;
}

/*
 * How soon the key changes after a cut: an honest card is without it at once, and for the sake of a dishonest one nobody else is to lose the picture. So
 * everybody's LTKM is to have left, and the first repeat of those that got lost.
 */
static int64_t
cut_window_us(struct delivery *d, int64_t now_us)
{
	uint64_t reachable = 0, unreachable;
	int64_t pushes_us = 0;

	if (d->conf.cut_window_us)
		return d->conf.cut_window_us;
	if (d->conf.pushes_per_second && kms_registration_counts(d->store, now_us, &reachable, &unreachable) == GW_WON)
		pushes_us = (int64_t)(reachable * SECOND / d->conf.pushes_per_second);
	return d->conf.wait_us[0] + SECOND + pushes_us + pushes_us / 4;
}

/* The empty interval for an honest card, and a new key for the others (7.2); unless it is paid for otherwise. */
static void
cut(struct delivery *d, const struct kms_subscription *s, int64_t now_us)
{
	struct kms_service service;
	struct keys_of all = { .n = 1, .k = { { s->key, KMS_KEY_CURRENT } } };
	struct kms_registration r;
	bool sek = s->kind == KMS_SEK, there = out_reach(d, s->sub, now_us, &r) == REACH_UDP;

	kms_subscription_mark(d->store, s->id, KMS_ENDED);
	if (kms_entitled(d->store, s->sub, s->service, s->kind, s->key, now_us) == GW_WON)
		return;
	if (sek)
		service_keys(d, s->service, now_us, &all);
	for (size_t i = 0; i < all.n && there; i++) {
		out_open(d, s->sub, all.k[i].id);
		/* the next key, only where it was sent before: what says that it is unusable says what it is */
		if (all.k[i].state == KMS_KEY_CURRENT || out_has(d, all.k[i].id))
			out_ltkm(d, s->sub, all.k[i].id, 0, true, now_us);
	}
	if (sek && kms_service_get(d->store, s->service, &service) == GW_WON)
		keymgr_next(d->store, &service, &d->conf.plan, now_us, now_us + cut_window_us(d, now_us));
	d->now.rolls_us = 0;
	d->next_us = 0;
}

static void
on_subscription(void *self, const struct kms_subscription *s, int64_t now_us)
{
	if (s->state == KMS_NEW)
		bought(self, s, now_us);
	else if (s->state == KMS_CUT)
		cut(self, s, now_us);
}

void
rights_events(struct delivery *d, struct bsm_events *e)
{
	*e = (struct bsm_events){ d, on_registered, on_deregistered, on_wanted, on_subscription };
}

/* ---- what commands have put into the store ---- */

static size_t
look(struct delivery *d, enum kms_subscription_state state, int64_t after, int64_t now_us)
{
	size_t n;

	d->nbought = 0;
	kms_subscriptions_in(d->store, state, after, LOOK, keep_bought, d);
	n = d->nbought;
	for (size_t i = 0; i < n; i++)
		on_subscription(d, &d->bought[i], now_us);
	return n;
}

void
rights_look(struct delivery *d, int64_t now_us)
{
	if (d->now.from_us && now_us >= d->now.from_us) {	/* one that was too early is not any more */
		d->now.from_us = d->now.new_after = 0;
		d->now.look_new = true;
	}
	if (d->now.look_cut)
		d->now.look_cut = look(d, KMS_CUT, 0, now_us) == LOOK;
	if (d->now.look_new) {
		size_t n = look(d, KMS_NEW, d->now.new_after, now_us);
		if (n)
			d->now.new_after = d->bought[n - 1].id;
		d->now.look_new = n == LOOK;
	}
}
