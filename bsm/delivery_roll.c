/* bsm/delivery_roll.c: the next SEK goes to all who are registered, evenly over its roll's window; so does a key whose interval has changed; next SEKs are made in time (bcast-smartcard-profile 3.6, 7) */
#include "bsm/delivery_int.h"
#include <stdlib.h>

enum { COUNT_PAGE = 2048, AT_ONCE = 240, FIND_US = SECOND, STEP_MIN_US = 20000, RENEW_S = 10, RENEW_PAGE = 32, RENEW_PART = 5 };
/* The last ones of a roll need their retries before the switch: so much of the window at most. */
enum { TAIL_US = 60 * SECOND, TAIL_PART = 10 };

struct subs { int64_t id[COUNT_PAGE]; size_t n; };

static int
keep_sub(void *self, const struct kms_registration *r)
{
	struct subs *s = self;

	s->id[s->n++] = r->sub;
	return s->n == COUNT_PAGE;
}

/* How many are ahead of it, page by page: an even rate needs to know. */
static void
count(struct delivery *d, struct pace *p, int64_t now_us)
{
	struct subs page = { .n = 0 };

	kms_registrations(d->store, now_us, p->count_after, COUNT_PAGE, keep_sub, &page);
	p->left += page.n;
	p->counted = page.n < COUNT_PAGE;
	if (page.n)
		p->count_after = page.id[page.n - 1];
	p->at_us = now_us;
}

/* LTKMs a second. */
static double
rate(const struct delivery *d, const struct pace *p, int64_t now_us)
{
	int64_t window = p->row.switch_us - p->row.from_us, tail = window / TAIL_PART < TAIL_US ? window / TAIL_PART : TAIL_US;
	int64_t rest = p->row.switch_us - tail - now_us;

	if (d->conf.roll_rate)
		return d->conf.roll_rate;
	if (rest < SECOND)
		return (double)AT_ONCE * SECOND / STEP_MIN_US;
	return (double)p->left * SECOND / (double)rest;
}

/* What a campaign is about. */
struct about { int64_t service; enum kms_kind kind; enum kms_key_state state; };

/*
 * The next key is for those who have not got it; another interval for those who have, which of a key that is in use or sold are all who are entitled
 * to it.
 */
static void
one(struct delivery *d, const struct pace *p, const struct about *a, int64_t sub, int64_t now_us)
{
	const bool update = kms_roll_is_update(&p->row);
	int64_t at = p->row.switch_us > now_us && !update ? p->row.switch_us : now_us;

	if (kms_entitled(d->store, sub, a->service, a->kind, p->row.new_key, at) != GW_WON)
		return;
	out_open(d, sub, p->row.new_key);
	if (!update && !out_has(d, p->row.new_key))
		out_ltkm(d, sub, p->row.new_key, p->row.id, false, now_us);
	else if (update && (a->kind == KMS_PEK || a->state == KMS_KEY_CURRENT || out_has(d, p->row.new_key)))
		out_renew(d, sub, p->row.new_key, p->row.id, now_us);
}

static struct about
about(struct delivery *d, int64_t key)
{
	struct about a = { .service = 0 };
	const struct kms_key *k = &d->safe->key;

	d->safe_key = 0;
	if (kms_key_get(d->store, key, &d->safe->key) == GW_WON)
		a = (struct about){ k->service, k->kind, k->state };
	gw_cleanse(&d->safe->key, sizeof(d->safe->key));
	return a;
}

/* The next n subscribers; then the cursor is durable with what was made due. */
static void
step(struct delivery *d, struct pace *p, size_t n, int64_t now_us)
{
	struct subs page = { .n = 0 };
	const struct about a = about(d, p->row.new_key);

	kms_registrations(d->store, now_us, p->row.cursor, n, keep_sub, &page);
	for (size_t i = 0; i < page.n && a.service; i++)
		one(d, p, &a, page.id[i], now_us);
	if (page.n)
		p->row.cursor = page.id[page.n - 1];
	if (page.n < n)
		p->row.state = KMS_ROLL_READY;
	p->left -= page.n < p->left ? page.n : p->left;
	p->credit -= (double)page.n;
	kms_roll_change(d->store, &p->row);
	if (p->row.state == KMS_ROLL_READY)
		gw_log(GW_INFO, "roll_ready", kms_roll_is_update(&p->row) ? "the key's new interval is on its way to all who are registered" :
		    "the next SEK is on its way to all who are registered", "roll=%lld key=%lld", (long long)p->row.id, (long long)p->row.new_key);
}

static int64_t
push(struct delivery *d, struct pace *p, int64_t now_us)
{
	double r, wait;

	if (!p->counted) {
		count(d, p, now_us);
		return now_us;
	}
	if (d->nactions || d->behind)	/* what was made due waits: no more of it */
		return now_us + STEP_MIN_US;
	r = rate(d, p, now_us);
	p->credit += r * (double)(now_us > p->at_us ? now_us - p->at_us : 0) / SECOND;
	p->at_us = now_us;
	if (p->credit > AT_ONCE)
		p->credit = AT_ONCE;
	if (p->left == 0 && p->credit < 1)	/* those who came since it was counted, and its end */
		p->credit = 1;
	if (p->credit >= 1)
		step(d, p, (size_t)p->credit, now_us);
	if (p->row.state != KMS_ROLL_PUSHING)
		return INT64_MAX;
	/* a few at a time: one commit is for all of them */
	wait = r > 0 ? 16 / r * SECOND : SECOND;
	return now_us + (wait < STEP_MIN_US ? STEP_MIN_US : wait > SECOND ? SECOND : (int64_t)wait);
}

static int
keep_roll(void *self, const struct kms_roll *r)
{
	struct delivery *d = self;
	size_t i = 0;

	if (r->state != KMS_ROLL_PUSHING)
		return 0;
	while (i < d->nrolls && d->roll[i].row.id != r->id)
		i++;
	if (i == d->nrolls) {
		if (d->nrolls == d->room_rolls) {
			size_t room = d->room_rolls ? 2 * d->room_rolls : 16;
			struct pace *more = realloc(d->roll, room * sizeof(*more));
			if (!more)
				return 1;	/* those that fit; the others at the next look */
			d->roll = more;
			d->room_rolls = room;
		}
		d->roll[d->nrolls++] = (struct pace){ .count_after = r->cursor };
	}
	d->roll[i].row = *r;
	return 0;
}

/*
 * Rolls are read anew each turn in which one goes on, for the STKMG's side may have brought its switch forward; with none, once a second.
 */
int64_t
roll_tick(struct delivery *d, int64_t now_us)
{
	int64_t next = now_us + FIND_US, at;
	size_t n = 0;

	if (d->nrolls == 0 && now_us < d->now.rolls_us)
		return d->now.rolls_us;
	for (size_t i = 0; i < d->nrolls; i++)
		d->roll[i].row.state = KMS_ROLL_DONE;	/* unless it is found */
	kms_rolls(d->store, false, keep_roll, d);
	for (size_t i = 0; i < d->nrolls; i++) {
		if (d->roll[i].row.state != KMS_ROLL_PUSHING)
			continue;
		at = push(d, &d->roll[i], now_us);
		next = at < next ? at : next;
		if (d->roll[i].row.state == KMS_ROLL_PUSHING)
			d->roll[n++] = d->roll[i];
	}
	d->nrolls = n;
	d->now.rolls_us = now_us + FIND_US;
	return next;
}

/* ---- next SEKs ---- */

static int
keep_service(void *self, const struct kms_service *s)
{
	struct delivery *d = self;

	if (d->nservices == d->room_services) {
		size_t room = d->room_services ? 2 * d->room_services : 64;
		int64_t *more = realloc(d->service, room * sizeof(*more));
		if (!more)
			return 1;
		d->service = more;
		d->room_services = room;
	}
	d->service[d->nservices++] = s->id;
	return 0;
}

/*
 * Less than a fifth of its SEK's TEK IDs is left: subscribers get the next one in time, whatever its planned life (3.6). Of a plan that fits
 * the crypto-period the roll's window has begun before.
 */
static void
renew(struct delivery *d, int64_t id, int64_t now_us)
{
	struct kms_service s;
	struct kms_key *k = &d->safe->key;
	uint16_t last;

	d->safe_key = 0;
	if (kms_service_get(d->store, id, &s) == GW_WON && kms_key_find(d->store, s.domain, s.group[KMS_SEK], 0, k) == GW_WON &&
	    kms_tek_last(d->store, k->id, &last) == GW_WON && k->upper > k->lower && k->upper - last < (k->upper - k->lower) / RENEW_PART)
		keymgr_next(d->store, &s, &d->conf.plan, now_us, now_us + (int64_t)(k->upper - last) * s.crypto_period_ms * 1000);
	gw_cleanse(k, sizeof(*k));
}

int64_t
renew_tick(struct delivery *d, int64_t now_us)
{
	int64_t next = 0;

	if (now_us >= d->now.keymgr_us) {
		keymgr_tick(d->store, &d->conf.plan, now_us, &next);
		d->now.keymgr_us = next > now_us ? next : now_us + SECOND;
	}
	if (now_us >= d->now.renew_us) {
		d->nservices = d->now.renew_at = 0;
		kms_services(d->store, keep_service, d);
		d->now.renew_us = now_us + (int64_t)RENEW_S * SECOND;
	}
	for (size_t n = 0; n < RENEW_PAGE && d->now.renew_at < d->nservices; n++)
		renew(d, d->service[d->now.renew_at++], now_us);
	if (d->now.renew_at < d->nservices)
		return now_us;
	return d->now.keymgr_us < d->now.renew_us ? d->now.keymgr_us : d->now.renew_us;
}
