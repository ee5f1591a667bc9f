/* bsm/delivery.c: LTKM delivery: its life and its turns */
#include "bsm/delivery_int.h"
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/* 2.5: after an unclean stop every counter grows by that much. */
enum { SKIP = 16 };
#define RUNNING "ltkm.running"	/* a note: 1 while we run */
enum { DAY = 24 * 3600, KEEP_DAYS = 7, AGAIN_S = 600, IDLE_S = 60, LOST_US = 250000 };
enum { AHEAD_S = 3600 };	/* nothing waits longer for its turn */
enum { TRIM_MINUTES = 10 };	/* often, that it is little */

void
delivery_keep_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_TRIM_THRESHOLD, 4 << 20);
	mallopt(M_TOP_PAD, 1 << 20);
#endif
}

static void
defaults(struct delivery_conf *c)
{
	static const int64_t wait_s[DELIVERY_TRIES] = { 4, 8, 16, 4 };
	bool any = false;

	for (size_t i = 0; i < DELIVERY_TRIES; i++)
		any = any || c->wait_us[i] > 0;
	for (size_t i = 0; !any && i < DELIVERY_TRIES; i++)
		c->wait_us[i] = wait_s[i] * SECOND;
	if (c->port == 0)
		c->port = DELIVERY_PORT;
	if (c->keep_us == 0)
		c->keep_us = (int64_t)KEEP_DAYS * DAY * SECOND;
}

void
delivery_configure(struct delivery *d, const struct delivery_conf *conf)
{
	d->conf = *conf;
	defaults(&d->conf);
}

static int
unavailable(struct gw_err *err)
{
	return gw_fail(err, GW_ETEMP, "the store cannot be written now");
}

/* Notes that we run; when we did already, the last stop was unclean. */
static int
begin_life(struct delivery *d, struct gw_err *err)
{
	uint8_t running = 0;
	size_t len = sizeof(running);
	bool unclean;

	kms_store_begin(d->store);
	unclean = kms_note_get(d->store, RUNNING, &running, &len, false) == GW_WON && len == 1 && running;
	if (unclean)
		kms_gba_skip(d->store, SKIP);
	running = 1;
	kms_note_put(d->store, RUNNING, &running, sizeof(running), false);
	if (kms_store_flush(d->store) != GW_WON)
		return unavailable(err);
	if (unclean)
		gw_log(GW_NOTICE, "ltkm_counters_skipped", "the last stop was unclean: every LTKM counter has grown", "by=%d", SKIP);
	return 0;
}

static int
reserve(struct delivery *d)
{
	d->heard = calloc(DELIVERY_HEARD, sizeof(*d->heard));
	d->action = calloc(DELIVERY_BATCH, sizeof(*d->action));
	d->page = calloc(DELIVERY_BATCH, sizeof(*d->page));
	d->mine.row = calloc(MINE, sizeof(*d->mine.row));
	d->bought = calloc(BOUGHT, sizeof(*d->bought));
	if (!d->heard || !d->action || !d->page || !d->mine.row || !d->bought || gw_secret_new(&d->secret, sizeof(struct safe)) < 0)
		return -1;
	d->safe = (struct safe *)(void *)d->secret.p;
	return 0;
}

static void
release(struct delivery *d)
{
	gw_secret_free(&d->secret);
	free(d->heard);
	free(d->action);
	free(d->page);
	free(d->mine.row);
	free(d->bought);
	free(d->roll);
	free(d->service);
	free(d);
}

int
delivery_new(struct kms_store *store, const struct delivery_conf *conf, struct delivery **out, struct gw_err *err)
{
	struct delivery *d = calloc(1, sizeof(*d));

	*out = NULL;
	if (!d)
		return gw_fail(err, GW_ETEMP, "out of memory");
	d->store = store;
	d->rate_error = d->rate_failed = (struct gw_rate){ .burst = 10, .per_ms = 10000 };
	d->now.look_new = d->now.look_cut = true;
	d->now.back_us = -1;
	delivery_configure(d, conf);
	if (reserve(d) < 0) {
		release(d);
		return gw_fail(err, GW_ETEMP, "out of memory");
	}
	if (begin_life(d, err) < 0) {
		release(d);
		return -1;
	}
	*out = d;
	return 0;
}

void
delivery_free(struct delivery *d)
{
	const uint8_t running = 0;

	if (!d)
		return;
	kms_note_put(d->store, RUNNING, &running, sizeof(running), false);
	release(d);
}

struct bsm_events
delivery_events(struct delivery *d)
{
	struct bsm_events e = { 0 };

	rights_events(d, &e);
	return e;
}

bool
delivery_heard(struct delivery *d, const struct sockaddr *from, const void *msg, size_t len)
{
	struct datagram *g = &d->heard[d->nheard];

	(void)from;	/* who it is, the MAC says */
	if (d->nheard == DELIVERY_HEARD) {
		d->now.counts.flood++;
		return false;
	}
	g->len = len < DATAGRAM ? len : DATAGRAM;	/* longer: no message here is, and it does not decode */
	memcpy(g->msg, msg, g->len);
	d->nheard++;
	return true;
}

void
delivery_sms_done(struct delivery *d, int64_t out, bool sent)
{
	if (d->noutcomes < FLYING)	/* there are no more in flight */
		d->outcome[d->noutcomes++] = (struct outcome){ out, sent };
}

void
delivery_sms_gone(struct delivery *d)
{
	d->nflights = 0;
}

void
delivery_changed(struct delivery *d)
{
	d->now.look_new = d->now.look_cut = true;
	d->now.rolls_us = 0;
	d->next_us = 0;
}

/* By how much the clock was set back since the last tick, were it more than a second; else 0. */
static int64_t
set_back_us(const struct delivery *d, int64_t now_us)
{
	return d->tick_us > now_us + SECOND ? d->tick_us - now_us : 0;
}

bool
delivery_wants(const struct delivery *d, int64_t now_us)
{
	return set_back_us(d, now_us) > 0 || (now_us >= d->not_before_us && (now_us >= d->next_us || d->nheard || d->noutcomes));
}

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void
trim(struct delivery *d, int64_t now_us)
{
	if (now_us < d->now.trim_us)
		return;
	kms_out_trim(d->store, now_us - d->conf.keep_us);
	kms_store_trim(d->store, now_us);
	d->now.trim_us = now_us + (int64_t)TRIM_MINUTES * MINUTE;
}

/* What was to be at a time of the old clock would wait until the new one is there. */
static void
set_back(struct delivery *d, int64_t now_us)
{
	struct mind *m = &d->now;

	if (m->back_us > 0) {
		gw_log(GW_WARNING, "clock_set_back", "what is on its way goes on from the time that it is now", "by_s=%lld", (long long)(m->back_us / SECOND));
		m->keymgr_us = m->renew_us = m->trim_us = m->rolls_us = m->again_us = 0;
		kms_out_back(d->store, now_us, m->back_us, now_us);
	} else if (m->back_us < 0) {
		kms_out_back(d->store, now_us + (int64_t)AHEAD_S * SECOND, INT64_MAX / 2, now_us);
	}
	m->back_us = 0;
}

int64_t
delivery_tick(struct delivery *d, int64_t now_us)
{
	int64_t next = now_us + (int64_t)IDLE_S * SECOND, back = set_back_us(d, now_us);

	if (back > 0)
		d->now.back_us = d->now.back_us > 0 ? d->now.back_us + back : back;
	d->before = d->now;
	d->tick_us = now_us;
	d->safe_key = 0;
	set_back(d, now_us);
	for (; d->now.heard < d->nheard; d->now.heard++)
		out_hear(d, &d->heard[d->now.heard]);
	for (; d->now.outcomes < d->noutcomes; d->now.outcomes++)
		out_outcome(d, &d->outcome[d->now.outcomes], now_us);
	if (now_us >= d->now.again_us) {	/* those that waited may have been bootstrapped */
		d->now.look_new = true;
		d->now.new_after = d->now.from_us = 0;
		d->now.again_us = now_us + (int64_t)AGAIN_S * SECOND;
	}
	rights_look(d, now_us);
	next = sooner(next, renew_tick(d, now_us));
	next = sooner(next, roll_tick(d, now_us));
	next = sooner(next, out_serve(d, now_us));
	next = sooner(next, d->now.again_us);
	if (d->now.from_us)
		next = sooner(next, d->now.from_us);
	if (d->now.look_new || d->now.look_cut)
		next = now_us;
	trim(d, now_us);
	gw_cleanse(d->safe, sizeof(*d->safe));
	d->safe_key = 0;
	return d->next_us = next;
}

static bool
has_landed(const struct delivery *d, int64_t out)
{
	for (size_t i = 0; i < d->now.outcomes; i++)
		if (d->outcome[i].out == out)
			return true;
	return false;
}

/* The SMS actions of this turn are in flight, or never were; those with an outcome are over, or not yet. */
static void
settle_flights(struct delivery *d, bool won)
{
	size_t n = 0;

	for (size_t i = 0; i < d->nflights; i++)
		if (won ? !has_landed(d, d->flight[i].out) : d->flight[i].ready) {
			d->flight[i].ready = true;
			d->flight[n++] = d->flight[i];
		}
	d->nflights = n;
}

void
delivery_flushed(struct delivery *d, enum gw_outcome outcome)
{
	bool won = outcome == GW_WON;

	settle_flights(d, won);
	if (!won) {
		struct delivery_counts c = d->now.counts;
		d->now = d->before;
		d->now.counts.flood = c.flood;
		d->now.counts.flushes_lost = c.flushes_lost + 1;
		d->now.look_new = d->now.look_cut = true;	/* a group without a tick may have been told of changes */
		d->nactions = d->ready;
		d->nrolls = 0;	/* paces are made anew */
		d->now.rolls_us = d->next_us = 0;
		d->not_before_us = d->tick_us + LOST_US;
		return;
	}
	d->not_before_us = 0;
	d->ready = d->nactions;
	memmove(d->heard, d->heard + d->now.heard, (d->nheard - d->now.heard) * sizeof(*d->heard));
	d->nheard -= d->now.heard;
	memmove(d->outcome, d->outcome + d->now.outcomes, (d->noutcomes - d->now.outcomes) * sizeof(*d->outcome));
	d->noutcomes -= d->now.outcomes;
	d->now.heard = d->now.outcomes = 0;
	d->before = d->now;
}

const struct delivery_action *
delivery_actions(const struct delivery *d, size_t *n)
{
	*n = d->ready - d->first;
	return d->action + d->first;
}

void
delivery_taken(struct delivery *d, size_t n)
{
	d->first += n < d->ready - d->first ? n : d->ready - d->first;
	if (d->first == d->nactions)
		d->first = d->ready = d->nactions = 0;
	if (d->blocked && d->first == d->ready)
		d->next_us = 0;
}

const struct delivery_counts *delivery_counts(const struct delivery *d) { return &d->now.counts; }
