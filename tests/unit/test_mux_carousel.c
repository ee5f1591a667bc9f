/* tests/unit/test_mux_carousel.c: what is on air when, under a clock of our own */
#include "mux/carousel.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/suite.h"

#define S INT64_C(1000000)
#define T0 (INT64_C(1800000000) * S)	/* UTC at monotonic 0 */

static struct mux_carousel *car;
static int64_t mono, shift;		/* UTC is T0 + mono + shift */
static int outs[4096];			/* how many records hold each output */
static int held;

struct sent { int64_t at; uint64_t cp; long out; };
static struct sent *log_;
static size_t nlog, caplog;
static char views[1024];

static int64_t
utc(void)
{
	return T0 + mono + shift;
}

static void
drop(void *self, void *out)
{
	(void)self;
	outs[(long)(intptr_t)out]--;
	held--;
}

static void
sent(void *self, void *out, const uint8_t *datagram, size_t len)
{
	(void)self;
	if (nlog == caplog) {
		caplog = caplog ? 2 * caplog : 1024;
		log_ = realloc(log_, caplog * sizeof(*log_));
	}
	ck_assert(len == 8);
	log_[nlog].at = mono;
	memcpy(&log_[nlog].cp, datagram, 8);
	log_[nlog++].out = (long)(intptr_t)out;
	ck_assert(outs[(long)(intptr_t)out] > 0);	/* never after it was given back */
}

static void
begin(void)
{
	car = mux_carousel_new(500, drop, NULL);
	mono = 5 * S;
	shift = held = 0;
	nlog = 0;
	views[0] = '\0';
	memset(outs, 0, sizeof(outs));
}

static void
finish(void)
{
	mux_carousel_free(car);
	ck_assert_int_eq(held, 0);
	free(log_);
	log_ = NULL;
	caplog = 0;
}

struct plan { const char *service; uint16_t ecm_id; uint64_t cp; int64_t start; int ds, pds, rep; bool empty, hold; long out; };

static enum mux_put
put(struct plan p)
{
	uint64_t cp = p.cp;
	struct mux_record r = { .service = p.service ? p.service : "news", .kms = "drm", .super_cas_id = 0x10001, .ecm_id = p.ecm_id,
		.cp = p.cp, .start_us = T0 + p.start, .delay_start_ms = (int16_t)p.ds, .previous_delay_stop_ms = (int16_t)p.pds,
		.rep_ms = (uint16_t)p.rep, .datagram = (const uint8_t *)&cp, .len = p.empty ? 0 : sizeof(cp),
		.out = (void *)(intptr_t)p.out, .hold = p.hold };

	outs[p.out]++;
	held++;
	return mux_carousel_put(car, &r);
}

/* Runs everything that is due until monotonic `end`, at exactly the times the carousel asks for. */
static void
run_to(int64_t end)
{
	for (;;) {
		int64_t next = mux_carousel_next(car);
		if (next > end)
			break;
		mono = next > mono ? next : mono;
		mux_carousel_run(car, utc(), mono, sent, NULL);
		ck_assert(mux_carousel_next(car) > mono);
	}
	mono = end;
}

/* The transmissions of one CP begin at `from`, never pause longer than the period, and end at `end` (exclusive). */
static void
aired(uint64_t cp, int64_t from, int64_t end, int64_t period)
{
	int64_t last = -1;

	for (size_t i = 0; i < nlog; i++) {
		if (log_[i].cp != cp)
			continue;
		if (last < 0)
			ck_assert_int_eq(log_[i].at, from);
		else
			ck_assert(log_[i].at - last <= period);
		ck_assert(log_[i].at < end);
		last = log_[i].at;
	}
	if (from < end) {
		ck_assert_msg(last >= 0, "CP %lu was never on air", (unsigned long)cp);
		ck_assert_int_ge(last, end - period);
	} else {
		ck_assert_int_eq(last, -1);
	}
}

static size_t
count(uint64_t cp)
{
	size_t n = 0;

	for (size_t i = 0; i < nlog; i++)
		n += log_[i].cp == cp;
	return n;
}

static void
view(void *self, const struct mux_stream_view *v)
{
	(void)self;
	snprintf(views + strlen(views), sizeof(views) - strlen(views), "%s/%s/%u air=%d cp=%llu since=%lld sent=%llu next=%llu at=%lld%s\n",
	    v->service, v->kms, v->ecm_id, v->on_air, (unsigned long long)v->cp, v->on_air ? (long long)((v->since_us - T0) / 1000) : 0LL,
	    (unsigned long long)v->sent, v->pending ? (unsigned long long)v->next_cp : 0ULL,
	    v->pending ? (long long)((v->next_us - T0) / 1000) : 0LL, v->pending && v->next_held ? " held" : "");
}

static void
newest(void *self, const char *service, uint64_t cp)
{
	snprintf((char *)self + strlen(self), 64, "%s=%llu ", service, (unsigned long long)cp);
}

/* The first drawing of clause 5's delays: transition_delay_start -1500, delays of -300, transition_delay_stop 0. */
START_TEST(windows_without_gap)
{
	begin();
	put((struct plan){ .cp = 1, .start = 10 * S, .ds = -1500, .rep = 100 });
	run_to(11 * S);
	put((struct plan){ .cp = 2, .start = 12 * S, .ds = -300, .pds = -300, .rep = 100 });
	put((struct plan){ .cp = 3, .start = 14 * S, .ds = -300, .pds = -300, .rep = 100 });
	run_to(15 * S);
	mux_carousel_end(car, "news", T0 + 16 * S);
	run_to(20 * S);
	aired(1, 8500000, 11700000, 100000);
	aired(2, 11700000, 13700000, 100000);
	aired(3, 13700000, 16 * S, 100000);
	ck_assert_uint_eq(mux_carousel_counts(car).streams, 0);
	ck_assert_int_eq(mux_carousel_next(car), INT64_MAX);
	finish();
}
END_TEST

/* The second drawing: delay_start = delay_stop = +200. Then a gap (+200, -100) and an overlap (-300, +200). */
START_TEST(windows_with_gap_and_overlap)
{
	begin();
	put((struct plan){ .cp = 1, .start = 10 * S, .ds = 200, .pds = 200, .rep = 50 });
	put((struct plan){ .cp = 2, .start = 12 * S, .ds = 200, .pds = 200, .rep = 50 });
	put((struct plan){ .cp = 3, .start = 14 * S, .ds = 200, .pds = -100, .rep = 50 });
	put((struct plan){ .cp = 4, .start = 16 * S, .ds = -300, .pds = 200, .rep = 50 });
	run_to(20 * S);
	aired(1, 10200000, 12200000, 50000);
	aired(2, 12200000, 13900000, 50000);	/* a gap of 300 ms */
	aired(3, 14200000, 16200000, 50000);
	aired(4, 15700000, 20 * S, 50000);	/* both, for 500 ms, taking turns */
	for (size_t i = 1; i < nlog; i++)
		if (log_[i].at > 15800000 && log_[i].at < 16150000)
			ck_assert_uint_ne(log_[i].cp, log_[i - 1].cp);
	finish();
}
END_TEST

START_TEST(a_late_record_airs_at_once_and_the_last_one_stays)
{
	begin();
	put((struct plan){ .cp = 7, .start = 2 * S, .ds = -2000, .pds = -2000 });	/* as after a restart of the mux */
	run_to(30 * S);
	put((struct plan){ .cp = 8, .start = 20 * S, .ds = -2000, .pds = -2000 });
	run_to(3600 * S);	/* the SCS is gone */
	aired(7, 5 * S, 30 * S + 1, 500000);
	aired(8, 30 * S, 3600 * S, 500000);
	ck_assert_int_ge((int64_t)count(8), 3570 * 2);
	ck_assert_int_le((int64_t)count(8), 3570 * 2 + 1);
	finish();
}
END_TEST

START_TEST(verdicts)
{
	begin();
	struct plan p = { .cp = 7, .start = 6 * S, .ds = -2000, .pds = -2000 }, q;
	ck_assert_int_eq(put(p), MUX_NEW);
	ck_assert_int_eq(put(p), MUX_SAME);
	q = p;
	q.ecm_id = 1;
	ck_assert_int_eq(put(q), MUX_NEW);	/* another stream */
	q = p;
	q.out = 1;
	ck_assert_int_eq(put(q), MUX_REPLACED);
	ck_assert_int_eq(outs[0], 1);
	run_to(7 * S);
	q.cp = 6;
	q.start = 0;
	ck_assert_int_eq(put(q), MUX_OLD);
	q.cp = 5;
	q.start = 9 * S;	/* lower, but later: an SCS without its store */
	ck_assert_int_eq(put(q), MUX_NEW);
	nlog = 0;
	run_to(10 * S);
	aired(5, 7 * S, 10 * S, 500000);
	for (uint64_t cp = 6; cp < 69; cp++)
		ck_assert_int_eq(put((struct plan){ .cp = cp, .start = (int64_t)cp * 100 * S }), MUX_NEW);
	ck_assert_int_eq(put((struct plan){ .cp = 100, .start = 10000 * S }), MUX_FULL);
	ck_assert_uint_eq(mux_carousel_counts(car).records, 65);
	finish();
}
END_TEST

/* A start that is put off: the ECM leaves the air again, and the one before it returns. */
START_TEST(a_start_put_off_brings_the_predecessor_back)
{
	begin();
	put((struct plan){ .cp = 1, .start = 4 * S, .ds = -2000, .pds = -2000 });
	put((struct plan){ .cp = 2, .start = 14 * S, .ds = -2000, .pds = -2000 });
	run_to(13 * S);
	ck_assert_uint_gt(count(2), 0);
	nlog = 0;
	ck_assert_int_eq(put((struct plan){ .cp = 2, .start = 20 * S, .ds = -2000, .pds = -2000 }), MUX_REPLACED);
	run_to(25 * S);
	aired(1, 13 * S, 18 * S, 500000);
	aired(2, 18 * S, 25 * S, 500000);
	finish();
}
END_TEST

/* An ECM whose key is not out yet. _i: it is let go in time, late, after its start was put off, or never. */
START_TEST(a_held_ecm_waits_and_ends_nothing)
{
	struct plan p = { .cp = 2, .start = 14 * S, .ds = -2000, .pds = -2000, .hold = true };
	int64_t begins = 12 * S;
	char held_text[64] = "";

	begin();
	put((struct plan){ .cp = 1, .start = 4 * S, .ds = -2000, .pds = -2000 });
	ck_assert_int_eq(put(p), MUX_NEW);
	mux_carousel_held(car, newest, held_text);
	ck_assert_str_eq(held_text, "news=2 ");
	run_to(_i == 0 ? 11 * S : 15 * S);
	mux_carousel_each(car, view, NULL);
	ck_assert_str_eq(views, _i == 0 ? "news/drm/0 air=1 cp=1 since=5000 sent=13 next=2 at=12000 held\n" :
	    "news/drm/0 air=1 cp=1 since=5000 sent=21 next=2 at=12000 held\n");
	if (_i >= 1)
		begins = 15 * S;
	if (_i == 2) {
		p.start = 20 * S;
		begins = 18 * S;
		ck_assert_int_eq(put(p), MUX_REPLACED);
		run_to(17 * S);
	}
	if (_i == 3)	/* its number was given up */
		p.cp = 3, begins = 15 * S;
	p.hold = false;
	ck_assert_int_eq(put(p), _i == 3 ? MUX_NEW : MUX_SAME);
	p.hold = true;	/* an SCS that comes back, and does not know */
	ck_assert_int_eq(put(p), MUX_SAME);
	run_to(25 * S);
	aired(1, 5 * S, begins, 500000);
	aired(p.cp, begins, 25 * S, 500000);
	ck_assert_uint_eq(count(1) + count(p.cp), nlog);
	ck_assert_uint_eq(mux_carousel_counts(car).records, 2);
	/* with another start it is held again, and the one before it returns */
	p.start = 40 * S;
	ck_assert_int_eq(put(p), MUX_REPLACED);
	nlog = 0;
	run_to(50 * S);
	aired(1, 25 * S, 50 * S, 500000);
	ck_assert_uint_eq(count(1), nlog);
	finish();
}
END_TEST

/* Numbers that begin anew: what is on air stays until the first of them is let go. */
START_TEST(held_numbers_that_begin_anew_take_nothing_off_the_air)
{
	struct plan p = { .cp = 0, .start = 9 * S, .hold = true };

	begin();
	put((struct plan){ .cp = 7, .start = 4 * S });
	run_to(6 * S);
	ck_assert_int_eq(put(p), MUX_OLD);
	run_to(10 * S);
	p.hold = false;
	ck_assert_int_eq(put(p), MUX_NEW);
	run_to(12 * S);
	aired(7, 5 * S, 10 * S, 500000);
	aired(0, 10 * S, 12 * S, 500000);
	finish();
}
END_TEST

START_TEST(new_bytes_replace_old_ones_at_once)
{
	uint64_t other = 99;
	struct mux_record r = { .service = "news", .kms = "drm", .super_cas_id = 0x10001, .cp = 1, .start_us = T0 + 4 * S,
		.datagram = (const uint8_t *)&other, .len = sizeof(other) };

	begin();
	put((struct plan){ .cp = 1, .start = 4 * S });
	run_to(7 * S + 1);
	outs[0]++;
	held++;
	ck_assert_int_eq(mux_carousel_put(car, &r), MUX_REPLACED);
	run_to(9 * S);
	aired(1, 5 * S, 7 * S + 1, 500000);
	aired(99, 7 * S + 1, 9 * S, 500000);
	finish();
}
END_TEST

START_TEST(an_empty_datagram_keeps_the_air_free)
{
	begin();
	put((struct plan){ .cp = 1, .start = 6 * S });
	put((struct plan){ .cp = 2, .start = 8 * S, .empty = true });
	put((struct plan){ .cp = 3, .start = 10 * S, .empty = true });
	put((struct plan){ .cp = 4, .start = 12 * S });
	run_to(9 * S);
	ck_assert_uint_eq(mux_carousel_counts(car).on_air, 0);
	run_to(14 * S);
	aired(1, 6 * S, 8 * S, 500000);
	aired(4, 12 * S, 14 * S, 500000);
	ck_assert_uint_eq(count(1) + count(4), nlog);
	ck_assert_uint_le(mux_carousel_counts(car).records, 2);
	finish();
}
END_TEST

/* UTC set back or forth by an hour, _i: on air, or in the gap between two ECMs. */
START_TEST(a_jump_of_the_clock_silences_nothing)
{
	int64_t jump = (_i & 1 ? 3600 : -3600) * S;

	begin();
	put((struct plan){ .cp = 1, .start = 6 * S, .ds = 0, .pds = -500 });
	put((struct plan){ .cp = 2, .start = 20 * S, .ds = 500, .pds = -500 });
	run_to(_i & 2 ? 20 * S : 10 * S);	/* 20 s: in the gap 19.5 .. 20.5 */
	shift += jump;
	nlog = 0;
	int64_t from = mono;
	for (; mono < from + 60 * S; mono += 50000)	/* the shell looks by its own timer, too */
		mux_carousel_run(car, utc(), mono, sent, NULL);
	ck_assert_uint_ge(nlog, 118);
	for (size_t i = 0; i < nlog; i++) {
		ck_assert_uint_eq(log_[i].cp, _i & 1 ? 2 : 1);
		ck_assert_int_le(log_[i].at - (i ? log_[i - 1].at : from), 550000);
	}
	finish();
}
END_TEST

START_TEST(streams_part_after_they_went_on_air_together)
{
	enum { N = 2000, BIN = 10000 };
	int bins[50] = { 0 };
	char name[16];

	begin();
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "s%d", i / 2);
		put((struct plan){ .service = name, .ecm_id = (uint16_t)(i % 2), .cp = 1, .start = 8 * S, .out = i });
	}
	ck_assert_uint_eq(mux_carousel_counts(car).streams, N);
	run_to(9 * S);
	nlog = 0;
	run_to(9500000 - 1);
	ck_assert_uint_eq(nlog, N);
	for (size_t i = 0; i < nlog; i++)
		bins[(log_[i].at - 9 * S) / BIN]++;
	for (int i = 0; i < 50; i++) {	/* 40 each, were they equal */
		ck_assert_int_gt(bins[i], 10);
		ck_assert_int_lt(bins[i], 80);
	}
	mux_carousel_end(car, "s7", T0);
	run_to(10 * S);
	ck_assert_uint_eq(mux_carousel_counts(car).streams, N - 2);
	finish();
}
END_TEST

START_TEST(a_day_of_crypto_periods)
{
	enum { CPS = 8640 };
	static size_t n[CPS];

	begin();
	for (uint64_t cp = 0; cp < CPS; cp++) {
		int64_t start = (10 + (int64_t)cp * 10) * S;
		run_to(start - 5 * S);
		for (uint16_t id = 0; id < 2; id++)
			ck_assert(put((struct plan){ .ecm_id = id, .cp = cp, .start = start, .ds = -2000, .pds = -2000 }) == MUX_NEW);
		ck_assert(mux_carousel_counts(car).records <= 8);
	}
	run_to(CPS * 10 * S + 8 * S);
	for (size_t i = 0; i < nlog; i++) {
		int64_t from = (8 + (int64_t)log_[i].cp * 10) * S;
		ck_assert(log_[i].at >= from && log_[i].at < from + 10 * S);
		n[log_[i].cp]++;
	}
	for (int i = 0; i < CPS; i++) {
		ck_assert(n[i] >= 40 && n[i] <= 42);
	}
	finish();
}
END_TEST

/* Random timetables, deliveries (early, late, repeated) and extra looks, against the definition. _i: seed. */
START_TEST(random_timetables_keep_the_definition)
{
	enum { CPS = 60 };
	int64_t from[CPS], end[CPS + 1], given[CPS], start = 8 * S;
	int rep;

	srand((unsigned)_i);
	rep = 20 + rand() % 400;
	begin();
	for (int k = 0; k < CPS; k++) {
		struct plan p = { .cp = (uint64_t)k, .start = start, .ds = rand() % 1500 - 1000, .pds = rand() % 1500 - 1000, .rep = rep };
		given[k] = start - 2 * S + rand() % (3 * S);
		given[k] = k && given[k] < given[k - 1] ? given[k - 1] : given[k];
		given[k] = given[k] < mono ? mono : given[k];
		run_to(given[k]);
		if (rand() % 2) {	/* as our SCS does it */
			p.hold = true;
			ck_assert_int_eq(put(p), MUX_NEW);
			p.hold = false;
		}
		put(p);
		if (rand() % 4 == 0)
			ck_assert_int_eq(put(p), MUX_SAME);
		if (rand() % 4 == 0)	/* a look that is not due harms nothing */
			mux_carousel_run(car, utc(), mono, sent, NULL);
		int64_t f = start + p.ds * 1000, e = start + p.pds * 1000;
		from[k] = f > given[k] ? f : given[k];
		if (k)
			end[k - 1] = e > given[k] ? e : given[k];
		start += 3 * S + rand() % (3 * S);
	}
	run_to(start);
	end[CPS - 1] = start;
	for (int k = 0; k < CPS; k++)
		aired((uint64_t)k, from[k], end[k], rep * 1000);
	finish();
}
END_TEST

START_TEST(views_tell_what_an_operator_asks)
{
	char held_text[256] = "";

	begin();
	put((struct plan){ .ecm_id = 1, .cp = 70000, .start = 6 * S, .ds = -2000, .pds = -2000 });
	put((struct plan){ .ecm_id = 1, .cp = 70001, .start = 16 * S, .ds = -2000, .pds = -2000 });
	run_to(8 * S - 1);
	mux_carousel_each(car, view, NULL);
	ck_assert_str_eq(views, "news/drm/1 air=1 cp=70000 since=5000 sent=7 next=70001 at=14000\n");
	put((struct plan){ .ecm_id = 2, .cp = 70000, .start = 6 * S });
	put((struct plan){ .service = "sport", .ecm_id = 3, .cp = 5, .start = 6 * S });
	mux_carousel_held(car, newest, held_text);
	ck_assert_str_eq(held_text, "news=70000 sport=5 ");
	finish();
}
END_TEST

SUITE("mux_carousel", tcase_add_test(t, windows_without_gap);
      tcase_add_test(t, windows_with_gap_and_overlap);
      tcase_add_test(t, a_late_record_airs_at_once_and_the_last_one_stays);
      tcase_add_test(t, verdicts);
      tcase_add_test(t, a_start_put_off_brings_the_predecessor_back);
      tcase_add_loop_test(t, a_held_ecm_waits_and_ends_nothing, 0, 4);
      tcase_add_test(t, held_numbers_that_begin_anew_take_nothing_off_the_air);
      tcase_add_test(t, new_bytes_replace_old_ones_at_once);
      tcase_add_test(t, an_empty_datagram_keeps_the_air_free);
      tcase_add_loop_test(t, a_jump_of_the_clock_silences_nothing, 0, 4);
      tcase_add_test(t, streams_part_after_they_went_on_air_together);
      tcase_add_test(t, a_day_of_crypto_periods);
      tcase_add_loop_test(t, random_timetables_keep_the_definition, 1, 101);
      tcase_add_test(t, views_tell_what_an_operator_asks))
