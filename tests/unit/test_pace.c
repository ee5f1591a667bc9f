/* tests/unit/test_pace.c: simulgate load's timetable on a clock of ours: rates, windows, ramps, and peers that stand still */
#include <string.h>
#include "tests/suite.h"
#include "tools/pace.h"

#define MS INT64_C(1000000)
#define S (1000 * MS)
enum { SLOTS = 64 };

static struct pace p;
static struct pace_report r;
static int64_t answer_at[SLOTS];	/* when the peer answers; 0: nothing is out */
static int64_t takes, still_from, still_until;	/* the peer: so long each; it stands still for a while */

static void
open_with(struct pace_conf c)
{
	memset(&r, 0, sizeof(r));
	memset(answer_at, 0, sizeof(answer_at));
	takes = MS;
	still_from = still_until = 0;
	ck_assert_int_eq(pace_open(&p, &c, &r), 0);
}

static void
ask(const struct pace_ask *a, int64_t now)
{
	int64_t at = now + takes;

	ck_assert_msg(answer_at[a->slot] == 0, "slot %u has one out", a->slot);
	ck_assert_int_le(a->due, now);
	answer_at[a->slot] = at >= still_from && at < still_until ? still_until : at;
	pace_sent(&p, a, now);
}

/* Each half millisecond the peer answers what it owes, and the timetable is asked. */
static void
run(int64_t from, int64_t until)
{
	struct pace_ask a;
	bool late;

	for (int64_t now = from; now < until; now += MS / 2) {
		for (unsigned s = 0; s < p.conf.groups * p.conf.slots; s++) {
			if (answer_at[s] && answer_at[s] <= now) {
				answer_at[s] = 0;
				if (pace_answered(&p, s, now, &a))
					ask(&a, now);
			} else if (answer_at[s] && now - p.slot[s].sent >= p.conf.timeout) {
				answer_at[s] = 0;
				if (pace_overdue(&p, s, now, &late, &a))
					ask(&a, now);
				ck_assert(late);
			}
		}
		while (pace_tick(&p, now, &a))
			ask(&a, now);
		if (p.known > 0 && p.conf.rate > 0)
			ck_assert_int_gt(pace_next(&p), now);
	}
}

static void
all_up(int64_t now)
{
	struct pace_ask a;

	for (unsigned s = 0; s < p.conf.groups * p.conf.slots; s++)
		if (pace_up(&p, s, now, &a))
			ask(&a, now);
}

START_TEST(a_rate_is_kept)
{
	open_with((struct pace_conf){ .groups = 4, .slots = 5, .rate = 100, .start = S, .duration = 10 * S, .timeout = S });
	ck_assert_int_eq(pace_next(&p), INT64_MAX);	/* nobody is up */
	all_up(S);
	run(S, 11 * S);
	pace_finish(&p, 11 * S);
	ck_assert_uint_ge(r.sent, 999);
	ck_assert_uint_le(r.sent, 1001);
	ck_assert_uint_eq(r.unanswered + r.unsent, 0);
	ck_assert_int_le(hist_quantile(&r.due, 1), 2 * MS);
	ck_assert_int_eq(pace_next(&p), INT64_MAX);
	pace_close(&p);
}
END_TEST

/* Two seconds in ten: of 1,000 requests one was out, and 200 were due. */
START_TEST(a_peer_that_stands_still)
{
	open_with((struct pace_conf){ .groups = 1, .slots = 1, .rate = 100, .start = S, .duration = 10 * S, .timeout = 30 * S });
	still_from = 3 * S;
	still_until = 5 * S;
	all_up(S);
	run(S, 11 * S + 500 * MS);
	pace_finish(&p, 11 * S + 500 * MS);
	ck_assert_uint_ge(r.sent, 999);			/* what was due has left in the end */
	ck_assert_uint_eq(r.unsent, 0);
	ck_assert_int_le(hist_quantile(&r.sent_ns, 0.99), 2 * MS);	/* one slow answer: nothing to see */
	ck_assert_int_ge(hist_quantile(&r.sent_ns, 1), 1990 * MS);
	ck_assert_int_ge(hist_quantile(&r.due, 0.99), 1700 * MS);
	ck_assert_int_ge(hist_quantile(&r.due, 0.9), 900 * MS);	/* a fifth waited, and those behind them */
	ck_assert_int_le(hist_quantile(&r.due, 0.5), 3 * MS);
	ck_assert_int_le(hist_quantile(&r.behind, 0.99), MS);	/* it was not our own doing */
	pace_close(&p);
}
END_TEST

START_TEST(what_never_left_has_waited)
{
	open_with((struct pace_conf){ .groups = 1, .slots = 2, .rate = 100, .start = S, .duration = 2 * S, .timeout = 30 * S });
	still_from = 2 * S;
	still_until = 60 * S;
	all_up(S);
	run(S, 3 * S);
	pace_finish(&p, 3 * S);
	ck_assert_uint_ge(r.unsent, 96);
	ck_assert_int_ge(hist_quantile(&r.due, 0.9), 700 * MS);	/* 100 at once, 100 that waited up to a second */
	pace_down(&p, 0, 4 * S);
	pace_down(&p, 1, 4 * S);
	ck_assert_uint_eq(r.unanswered, 2);
	ck_assert_uint_eq(r.due.n, r.sent + r.unsent);
	pace_close(&p);
}
END_TEST

START_TEST(a_time_out_frees_the_slot)
{
	open_with((struct pace_conf){ .groups = 1, .slots = 1, .window = 1, .start = S, .duration = 9 * S, .timeout = S });
	still_from = 0;
	still_until = 5 * S;
	all_up(S);
	ck_assert_int_eq(answer_at[0], 5 * S);
	run(S, 4 * S);		/* at 2 s and 3 s it is given up and asked anew */
	ck_assert_uint_eq(r.unanswered, 2);
	ck_assert_uint_eq(r.sent, 3);
	pace_close(&p);
}
END_TEST

START_TEST(a_window_is_kept)	/* _i: outstanding in each group */
{
	struct pace_ask a;

	open_with((struct pace_conf){ .groups = 3, .slots = 8, .window = (unsigned)_i, .start = S, .duration = S, .timeout = S });
	all_up(S);
	ck_assert_uint_eq(p.asked, 3 * (unsigned)_i);
	run(S, 2 * S);
	ck_assert_uint_eq(p.asked, 3 * (unsigned)_i);
	ck_assert_uint_ge(r.sent, 3 * (unsigned)_i * 990);	/* a millisecond each */
	for (unsigned s = 0; s < 24; s++)
		ck_assert_msg(p.slot[s].sent > 0, "slot %u had no turn", s);
	ck_assert(!pace_tick(&p, 2 * S, &a));
	pace_finish(&p, 2 * S);
	for (unsigned s = 0; s < 24; s++)
		if (pace_out(&p, s))
			ck_assert(!pace_answered(&p, s, 2 * S, &a));
	ck_assert_uint_eq(p.asked, 0);
	pace_close(&p);
}
END_TEST

/* Half of the groups are up: half of the rate; one that went away owes what was due meanwhile. */
START_TEST(groups_come_and_go)
{
	struct pace_ask a;

	open_with((struct pace_conf){ .groups = 2, .slots = 1, .rate = 100, .start = S, .ramp = 2 * S, .duration = 9 * S, .timeout = S });
	ck_assert_uint_eq(pace_opened(&p, 2, S), 1);
	ck_assert_uint_eq(pace_opened(&p, 2, 2 * S - 1), 1);
	ck_assert_uint_eq(pace_opened(&p, 2, 2 * S), 2);
	ck_assert_uint_eq(pace_opened(&p, 2, 99 * S), 2);
	ck_assert(!pace_up(&p, 0, S, &a));
	run(S, 2 * S);
	ck_assert_uint_ge(r.sent, 49);
	ck_assert_uint_le(r.sent, 51);
	ck_assert(!pace_up(&p, 1, 2 * S, &a));
	run(2 * S, 3 * S);
	ck_assert_uint_ge(r.sent, 149);
	ck_assert_uint_le(r.sent, 151);
	pace_down(&p, 0, 3 * S);
	answer_at[0] = 0;
	run(3 * S, 4 * S);
	ck_assert_uint_le(r.sent, 202);
	ck_assert_uint_ge(p.slot[0].behind, 49);
	ck_assert(pace_up(&p, 0, 4 * S, &a));
	ck_assert_int_le(a.due, 3 * S + 20 * MS);
	pace_close(&p);
}
END_TEST

/* Fifty groups come up within two seconds: as many requests as half of the rate would be, from the first moment on. */
START_TEST(a_ramp_is_even)
{
	struct pace_ask a;
	uint64_t sent;

	open_with((struct pace_conf){ .groups = 50, .slots = 1, .rate = 200, .start = S, .ramp = 2 * S, .duration = 9 * S, .timeout = S });
	for (unsigned g = 0; g < 50; g++) {
		ck_assert(!pace_up(&p, g, S + g * 40 * MS, &a));
		run(S + g * 40 * MS, S + (g + 1) * 40 * MS);
		if (g == 24) {
			ck_assert_uint_ge(r.sent, 45);	/* an eighth of two seconds' */
			ck_assert_uint_le(r.sent, 57);
		}
	}
	ck_assert_uint_ge(r.sent, 198);
	ck_assert_uint_le(r.sent, 207);
	sent = r.sent;
	run(3 * S, 4 * S);
	ck_assert_uint_ge(r.sent, sent + 199);
	ck_assert_uint_le(r.sent, sent + 201);
	pace_close(&p);
}
END_TEST

SUITE("pace", tcase_add_test(t, a_rate_is_kept); tcase_add_test(t, a_peer_that_stands_still); tcase_add_test(t, what_never_left_has_waited);
	tcase_add_test(t, a_time_out_frees_the_slot); tcase_add_loop_test(t, a_window_is_kept, 1, 9); tcase_add_test(t, groups_come_and_go);
	tcase_add_test(t, a_ramp_is_even))
