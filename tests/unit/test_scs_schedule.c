/* tests/unit/test_scs_schedule.c: the timetable, case by case and then for a year of faults on a fake clock */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "scs/schedule.h"
#include "tests/suite.h"

#define MS INT64_C(1000)
#define S INT64_C(1000000)
/* check's own assertions cost a system call each: too dear in a loop of millions */
static const int64_t T0 = INT64_C(1795257000) * S;

/* ECMGs as design.md 6 has them: DRM profile looks one CW ahead, Smartcard profile does not. */
static const struct scs_terms drm = { .lead_CW = 1, .CW_per_msg = 2, .delay_start = -2000, .delay_stop = -2000,
	.transition_delay_start = -2000, .transition_delay_stop = -2000, .AC_delay_start = -2000, .AC_delay_stop = -2000, .max_comp_time = 500, .min_CP_duration = 10, .ECM_rep_period = 500 };
static const struct scs_terms card = { .lead_CW = 0, .CW_per_msg = 1, .delay_start = -2000, .delay_stop = -2000,
	.transition_delay_start = -2000, .transition_delay_stop = -2000, .AC_delay_start = -2000, .AC_delay_stop = -2000, .max_comp_time = 500, .min_CP_duration = 10, .ECM_rep_period = 500 };
static const bool both[] = { true, true }, first_only[] = { true, false };

static struct scs_schedule *
make(const bool *required, int64_t phase, bool align)
{
	struct scs_schedule_conf c = { .period_us = 10 * S, .phase_us = phase, .align = align, .extension_alarm_us = 30 * S,
		.needs_mux = true, .nstreams = 2, .required = required };
	return scs_schedule_new(&c);
}

static struct scs_action
expect(struct scs_schedule *s, enum scs_action_kind kind)
{
	struct scs_action a = { 0 };

	ck_assert_msg(scs_schedule_take(s, &a), "nothing to do, want action %d in phase %s", kind, scs_schedule_phase(s));
	ck_assert_int_eq(a.kind, kind);
	return a;
}

static void
nothing(struct scs_schedule *s)
{
	struct scs_action a;

	ck_assert_msg(!scs_schedule_take(s, &a), "unexpected action %d", a.kind);
}

/* What the mux has waits for its time on the air: then the key goes out. */
static void
its_turn(struct scs_schedule *s, int64_t cp)
{
	const struct scs_cp *next = scs_schedule_find(s, cp);

	if (scs_schedule_next(s) != INT64_MIN)
		scs_schedule_tick(s, next->start_us - next->lead_us - 250 * MS);
}

/* Everybody answers at once: from DRAW to the release of one CP. Its start. */
static int64_t
whole_cp(struct scs_schedule *s, int64_t cp, int64_t now)
{
	struct scs_action a = expect(s, SCS_DRAW);

	ck_assert_int_eq(a.cp, cp);
	scs_schedule_drawn(s, a.last, now);
	for (size_t i = 0; i < 2; i++) {
		a = expect(s, SCS_PROVISION);
		ck_assert_int_eq(a.cp, cp);
		ck_assert_uint_eq(a.stream, i);
	}
	scs_schedule_ecm(s, 0, cp, now);
	nothing(s);
	scs_schedule_ecm(s, 1, cp, now);
	a = expect(s, SCS_COMMIT);
	scs_schedule_stored(s, cp, true, a.start_us, now);
	expect(s, SCS_AIR);
	scs_schedule_aired(s, cp, now);
	its_turn(s, cp);
	a = expect(s, SCS_INSTALL);
	ck_assert_int_eq(a.cp, cp);
	expect(s, SCS_TRIM);
	nothing(s);
	return a.start_us;
}

static struct scs_schedule *
started(int64_t phase, bool align, int64_t *start)
{
	struct scs_schedule *s = make(both, phase, align);

	scs_schedule_muxes(s, 1, T0);
	scs_schedule_stream_up(s, 0, &drm, T0);
	nothing(s);		/* the other one is required, too */
	scs_schedule_stream_up(s, 1, &card, T0);
	*start = whole_cp(s, 0, T0);
	return s;
}

START_TEST(first_cp_comes_as_soon_as_its_ecms_lead)
{
	int64_t start;
	struct scs_schedule *s = started(3 * S, false, &start);

	ck_assert_int_eq(start, T0 + 2 * S + 100 * MS);
	/* the next lies on the service's own phase, at least a whole period later; asked for in time for 500 ms of computing */
	ck_assert_int_eq(scs_schedule_next(s), T0 + 13 * S - 2100 * MS - 500 * MS - 500 * MS);
	scs_schedule_tick(s, T0 + 13 * S - 3100 * MS);
	ck_assert_int_eq(whole_cp(s, 1, T0 + 13 * S - 3100 * MS), T0 + 13 * S);
	scs_schedule_tick(s, T0 + 23 * S - 3100 * MS);
	ck_assert_int_eq(whole_cp(s, 2, T0 + 23 * S - 3100 * MS), T0 + 23 * S);
	scs_schedule_free(s);
}
END_TEST

START_TEST(keys_are_drawn_as_far_as_the_furthest_stream_looks)
{
	struct scs_schedule *s = make(both, 0, false);
	struct scs_terms far = drm;
	struct scs_action a;

	scs_schedule_muxes(s, 1, T0);
	scs_schedule_stream_up(s, 0, &drm, T0);
	scs_schedule_stream_up(s, 1, &card, T0);
	a = expect(s, SCS_DRAW);
	ck_assert_int_eq(a.last, 1);
	scs_schedule_drawn(s, 1, T0);
	expect(s, SCS_PROVISION), expect(s, SCS_PROVISION);
	/* another ECMG takes over and wants CWs two ahead: drawn before it is asked */
	far.lead_CW = 2, far.CW_per_msg = 3;
	scs_schedule_stream_down(s, 0, T0);
	scs_schedule_stream_up(s, 0, &far, T0);
	a = expect(s, SCS_DRAW);
	ck_assert_int_eq(a.last, 2);
	nothing(s);
	scs_schedule_drawn(s, 2, T0);
	ck_assert_uint_eq(expect(s, SCS_PROVISION).stream, 0);
	nothing(s);
	scs_schedule_free(s);
}
END_TEST

START_TEST(late_answer_prolongs_the_running_cp)
{
	int64_t start, plan, now;
	struct scs_schedule *s = started(0, false, &start);
	struct scs_action a;

	plan = T0 + 20 * S;	/* T0 is a multiple of the period */
	now = plan - 3100 * MS;
	scs_schedule_tick(s, now);
	a = expect(s, SCS_DRAW);
	scs_schedule_drawn(s, a.last, now);
	expect(s, SCS_PROVISION), expect(s, SCS_PROVISION);
	scs_schedule_ecm(s, 0, 1, now + 10 * MS);
	scs_schedule_stream_down(s, 1, now + 20 * MS);	/* kill -9 */
	nothing(s);
	ck_assert_int_eq(scs_schedule_next(s), plan);
	scs_schedule_tick(s, plan);
	a = expect(s, SCS_EXTENDED);
	ck_assert_int_eq(a.cp, 0);
	ck_assert_int_eq(scs_schedule_next(s), plan + 30 * S);
	scs_schedule_tick(s, plan + 30 * S);
	expect(s, SCS_ALARM);
	ck_assert(scs_schedule_in_alarm(s));
	now = plan + 41 * S + 1;
	scs_schedule_stream_up(s, 1, &card, now);
	a = expect(s, SCS_PROVISION);	/* the same CP again; the other stream keeps its answer */
	ck_assert_int_eq(a.cp, 1);
	ck_assert_uint_eq(a.stream, 1);
	scs_schedule_ecm(s, 1, 1, now);
	a = expect(s, SCS_COMMIT);
	ck_assert_int_eq(a.start_us, now + 2100 * MS);	/* from the present: its ECM must be on air first */
	scs_schedule_stored(s, 1, true, a.start_us, now);
	expect(s, SCS_AIR);
	scs_schedule_aired(s, 1, now);
	a = expect(s, SCS_RESUMED);
	ck_assert_int_eq(a.duration_us, now + 2100 * MS - plan);
	expect(s, SCS_INSTALL), expect(s, SCS_TRIM);
	nothing(s);
	ck_assert(!scs_schedule_in_alarm(s));
	/* and back on its phase: at least a whole period later */
	ck_assert_int_eq(scs_schedule_next(s), plan + 60 * S - 3100 * MS);
	scs_schedule_free(s);
}
END_TEST

START_TEST(aligned_service_stays_aligned_after_an_extension)
{
	int64_t start, now = T0 + 24 * S;
	struct scs_schedule *s = started(0, true, &start);
	struct scs_action a;

	scs_schedule_tick(s, now);
	a = expect(s, SCS_DRAW);
	expect(s, SCS_EXTENDED);
	scs_schedule_drawn(s, a.last, now);
	expect(s, SCS_PROVISION), expect(s, SCS_PROVISION);
	scs_schedule_ecm(s, 0, 1, now), scs_schedule_ecm(s, 1, 1, now);
	a = expect(s, SCS_COMMIT);
	ck_assert_int_eq(a.start_us, T0 + 30 * S);
	ck_assert_int_eq(a.duration_us, 10 * S);
	scs_schedule_free(s);
}
END_TEST

START_TEST(no_key_before_its_ecm_is_with_the_mux)
{
	int64_t start, now = T0 + 20 * S - 3100 * MS;
	struct scs_schedule *s = started(0, false, &start);
	struct scs_action a;

	scs_schedule_tick(s, now);
	a = expect(s, SCS_DRAW);
	scs_schedule_muxes(s, 0, now);	/* the mux dies */
	scs_schedule_drawn(s, a.last, now);
	expect(s, SCS_PROVISION), expect(s, SCS_PROVISION);
	scs_schedule_ecm(s, 0, 1, now), scs_schedule_ecm(s, 1, 1, now);
	nothing(s);			/* not even committed */
	scs_schedule_muxes(s, 1, now + 100 * MS);
	a = expect(s, SCS_COMMIT);
	ck_assert_int_eq(a.start_us, T0 + 20 * S);
	scs_schedule_stored(s, 1, true, a.start_us, now + 100 * MS);
	expect(s, SCS_AIR);
	nothing(s);
	/* it dies again before it acknowledges, and is back after the planned start: the start moves, then the key goes out */
	now = T0 + 21 * S;
	scs_schedule_muxes(s, 0, now), scs_schedule_muxes(s, 1, now);
	expect(s, SCS_EXTENDED);
	scs_schedule_aired(s, 1, now);
	a = expect(s, SCS_AMEND);
	ck_assert_int_eq(a.start_us, now + 2100 * MS);
	scs_schedule_stored(s, 1, true, a.start_us, now);
	expect(s, SCS_AIR);
	scs_schedule_aired(s, 1, now);
	expect(s, SCS_RESUMED);
	ck_assert_int_eq(expect(s, SCS_INSTALL).start_us, now + 2100 * MS);
	scs_schedule_free(s);
}
END_TEST

/* Everything up to the mux's acknowledgement; the CP's turn on the air is not yet. */
static void
handed_to_the_mux(struct scs_schedule *s, int64_t cp, int64_t now)
{
	struct scs_action a;

	scs_schedule_tick(s, now);
	a = expect(s, SCS_DRAW);
	scs_schedule_drawn(s, a.last, now);
	expect(s, SCS_PROVISION), expect(s, SCS_PROVISION);
	scs_schedule_ecm(s, 0, cp, now), scs_schedule_ecm(s, 1, cp, now);
	a = expect(s, SCS_COMMIT);
	scs_schedule_stored(s, cp, true, a.start_us, now);
	expect(s, SCS_AIR);
	scs_schedule_aired(s, cp, now);
}

START_TEST(no_key_when_the_mux_goes_before_its_ecm_is_on_air)
{
	int64_t start, now = T0 + 20 * S - 3100 * MS;
	struct scs_schedule *s = started(0, false, &start);
	struct scs_action a;

	handed_to_the_mux(s, 1, now);
	nothing(s);			/* the mux has it; on air it is in 1.1 s, and the key goes out a quarter of a second before that */
	ck_assert_int_eq(scs_schedule_next(s), T0 + 20 * S - 2350 * MS);
	scs_schedule_muxes(s, 0, now + 100 * MS);
	scs_schedule_tick(s, T0 + 20 * S - 2350 * MS);
	nothing(s);
	scs_schedule_tick(s, T0 + 20 * S);
	expect(s, SCS_EXTENDED);
	now = T0 + 25 * S;
	scs_schedule_muxes(s, 1, now);
	nothing(s);			/* what a mux before it had says nothing of this one */
	scs_schedule_aired(s, 1, now);
	a = expect(s, SCS_AMEND);
	ck_assert_int_eq(a.start_us, now + 2100 * MS);
	scs_schedule_stored(s, 1, true, a.start_us, now);
	expect(s, SCS_AIR);
	scs_schedule_aired(s, 1, now);
	expect(s, SCS_RESUMED);
	ck_assert_int_eq(expect(s, SCS_INSTALL).start_us, now + 2100 * MS);
	scs_schedule_free(s);
}
END_TEST

START_TEST(a_mux_that_is_back_before_its_turn_delays_nothing)
{
	int64_t start, now = T0 + 20 * S - 3100 * MS;
	struct scs_schedule *s = started(0, false, &start);

	handed_to_the_mux(s, 1, now);
	scs_schedule_muxes(s, 0, now + 100 * MS), scs_schedule_muxes(s, 1, now + 300 * MS);
	scs_schedule_aired(s, 1, now + 300 * MS);
	nothing(s);
	scs_schedule_tick(s, T0 + 20 * S - 2350 * MS);
	ck_assert_int_eq(expect(s, SCS_INSTALL).start_us, T0 + 20 * S);
	scs_schedule_free(s);
}
END_TEST

START_TEST(optional_kms_is_left_out_but_not_before_it_must)
{
	struct scs_schedule *s = make(first_only, 0, false);
	struct scs_action a;
	int64_t now = T0;

	scs_schedule_muxes(s, 1, now);
	scs_schedule_stream_up(s, 0, &drm, now);	/* the optional one is not even there */
	a = expect(s, SCS_DRAW);
	scs_schedule_drawn(s, a.last, now);
	expect(s, SCS_PROVISION);
	scs_schedule_ecm(s, 0, 0, now);
	a = expect(s, SCS_COMMIT);
	ck_assert_uint_eq(scs_schedule_find(s, 0)->with, 1);
	scs_schedule_stored(s, 0, true, a.start_us, now);
	expect(s, SCS_AIR);
	scs_schedule_aired(s, 0, now);
	expect(s, SCS_INSTALL), expect(s, SCS_TRIM);
	scs_schedule_stream_up(s, 1, &card, now + S);
	now = T0 + 20 * S - 3100 * MS;
	scs_schedule_tick(s, now);
	a = expect(s, SCS_DRAW);
	scs_schedule_drawn(s, a.last, now);
	expect(s, SCS_PROVISION), expect(s, SCS_PROVISION);
	scs_schedule_ecm(s, 0, 1, now);
	nothing(s);
	ck_assert_int_eq(scs_schedule_next(s), T0 + 20 * S - 2100 * MS);	/* waited for as long as the plan holds */
	scs_schedule_tick(s, T0 + 20 * S - 2100 * MS);
	a = expect(s, SCS_COMMIT);
	ck_assert_int_eq(a.start_us, T0 + 20 * S);
	ck_assert_uint_eq(scs_schedule_find(s, 1)->with, 1);
	scs_schedule_free(s);
}
END_TEST

START_TEST(refused_and_failed_steps_are_tried_again)
{
	struct scs_schedule *s = make(both, 0, false);
	struct scs_action a;
	int64_t now = T0;

	scs_schedule_muxes(s, 1, now);
	scs_schedule_stream_up(s, 0, &drm, now), scs_schedule_stream_up(s, 1, &card, now);
	expect(s, SCS_DRAW);
	scs_schedule_draw_failed(s, now);	/* the store is away */
	nothing(s);
	ck_assert_int_eq(scs_schedule_next(s), now + S);
	scs_schedule_tick(s, now += S);
	a = expect(s, SCS_DRAW);
	scs_schedule_drawn(s, a.last, now);
	expect(s, SCS_PROVISION), expect(s, SCS_PROVISION);
	scs_schedule_refused(s, 0, 0, now);
	scs_schedule_ecm(s, 1, 0, now);
	nothing(s);
	scs_schedule_tick(s, now += S);
	ck_assert_uint_eq(expect(s, SCS_PROVISION).stream, 0);
	scs_schedule_ecm(s, 0, 7, now);		/* an answer to something else */
	nothing(s);
	scs_schedule_ecm(s, 0, 0, now);
	expect(s, SCS_COMMIT);
	scs_schedule_stored(s, 0, false, 0, now);
	nothing(s);
	scs_schedule_tick(s, now += S);
	expect(s, SCS_COMMIT);
	scs_schedule_free(s);
}
END_TEST

START_TEST(min_CP_duration_of_an_ecmg_stretches_the_period)
{
	struct scs_schedule *s = make(both, 0, false);
	struct scs_terms slow = card;

	slow.min_CP_duration = 300;
	ck_assert_int_eq(scs_schedule_least(s), 0);
	scs_schedule_stream_up(s, 0, &drm, T0);
	ck_assert_int_eq(scs_schedule_period(s), 10 * S);
	ck_assert_int_eq(scs_schedule_least(s), drm.min_CP_duration * 100 * MS);
	scs_schedule_stream_up(s, 1, &slow, T0);
	ck_assert_int_eq(scs_schedule_period(s), 30 * S);
	ck_assert_int_eq(scs_schedule_least(s), 30 * S);
	scs_schedule_free(s);
}
END_TEST

START_TEST(an_earlier_life_is_taken_up)
{
	struct scs_cp cps[2] = {
		{ .cp = 65535, .start_us = T0 - 8 * S, .duration_us = 10 * S, .lead_us = 2100 * MS, .released = true, .with = 3 },
		{ .cp = 65536, .start_us = T0 + 2 * S, .duration_us = 10 * S, .lead_us = 2100 * MS, .with = 3 },
	};
	const struct scs_cp *live[SCS_LIVE];
	struct scs_schedule *s = make(both, 0, false);

	/* killed between commit and release: both are live; the newer one is released once the mux has it, with a later start */
	scs_schedule_adopt(s, cps, 2, T0 + S);
	ck_assert_uint_eq(scs_schedule_live(s, T0 + S, live), 2);
	ck_assert_int_eq(live[0]->cp, 65535);
	ck_assert_int_eq(live[1]->cp, 65536);
	expect(s, SCS_AIR);
	scs_schedule_muxes(s, 1, T0 + S);
	scs_schedule_aired(s, 65536, T0 + S);	/* no ECMG is back yet; and a scrambler may still say that it holds it */
	nothing(s);
	scs_schedule_tick(s, T0 + 2 * S);
	nothing(s);				/* no alarm either: it may well be running */
	ck_assert_int_eq(scs_schedule_next(s), T0 + 2500 * MS);
	scs_schedule_tick(s, T0 + 2500 * MS);
	ck_assert_int_eq(expect(s, SCS_AMEND).start_us, T0 + 2500 * MS + 2100 * MS);
	expect(s, SCS_EXTENDED);
	scs_schedule_free(s);

	/* a scrambler holds it: it had been released; nothing moves */
	s = make(both, 0, false);
	scs_schedule_adopt(s, cps, 2, T0 + 3 * S);
	ck_assert_uint_eq(scs_schedule_live(s, T0 + 3 * S, live), 2);	/* its time has come: the one before it is over, or it is not */
	ck_assert(live[0]->cp == 65535 && live[0]->on_air && !live[0]->released);	/* no scrambler begins with it */
	ck_assert(live[1]->cp == 65536 && !live[1]->on_air && !live[1]->released);
	expect(s, SCS_AIR);
	scs_schedule_held(s, 65536, T0 + 3 * S);
	expect(s, SCS_INSTALL), expect(s, SCS_TRIM);
	nothing(s);
	ck_assert_uint_eq(scs_schedule_live(s, T0 + 3 * S, live), 1);
	ck_assert(live[0]->cp == 65536 && live[0]->on_air && live[0]->released);
	ck_assert_int_eq(live[0]->start_us, T0 + 2 * S);
	scs_schedule_free(s);

	/* none does: the one before it stays on air until its key is out, at another time */
	s = make(both, 0, false);
	scs_schedule_adopt(s, cps, 2, T0 + 3 * S);
	expect(s, SCS_AIR);
	scs_schedule_muxes(s, 1, T0 + 3 * S);
	scs_schedule_aired(s, 65536, T0 + 3 * S);
	scs_schedule_tick(s, T0 + 4500 * MS);
	expect(s, SCS_AMEND), expect(s, SCS_EXTENDED);
	scs_schedule_stored(s, 65536, true, T0 + 6600 * MS, T0 + 4500 * MS);
	expect(s, SCS_AIR);
	ck_assert_uint_eq(scs_schedule_live(s, T0 + 4500 * MS, live), 2);
	ck_assert(live[0]->cp == 65535 && live[0]->on_air && !live[1]->on_air);
	scs_schedule_aired(s, 65536, T0 + 4500 * MS);
	expect(s, SCS_RESUMED);
	expect(s, SCS_INSTALL);
	ck_assert_uint_eq(scs_schedule_live(s, T0 + 4500 * MS, live), 1);
	ck_assert(live[0]->cp == 65536 && live[0]->on_air);
	scs_schedule_free(s);

	/* yesterday's: numbers go on, the timetable begins anew */
	s = make(both, 0, false);
	scs_schedule_adopt(s, cps, 2, T0 + 86400 * S);
	scs_schedule_muxes(s, 1, T0 + 86400 * S);
	scs_schedule_stream_up(s, 0, &drm, T0 + 86400 * S), scs_schedule_stream_up(s, 1, &card, T0 + 86400 * S);
	nothing(s);				/* but for a moment a scrambler may say that it has held the key all the day */
	ck_assert_int_eq(scs_schedule_next(s), T0 + 86400 * S + 1500 * MS);
	scs_schedule_tick(s, T0 + 86400 * S + 1500 * MS);
	ck_assert_int_eq(whole_cp(s, 65537, T0 + 86400 * S + 1500 * MS), T0 + 86400 * S + 3600 * MS);
	scs_schedule_free(s);

	/* and it does: its STKM is on the air again at once, and rotation goes on */
	s = make(both, 0, false);
	scs_schedule_adopt(s, cps, 2, T0 + 86400 * S);
	ck_assert_uint_eq(scs_schedule_live(s, T0 + 86400 * S, live), 0);
	scs_schedule_muxes(s, 1, T0 + 86400 * S);
	scs_schedule_held(s, 65536, T0 + 86400 * S + 300 * MS);
	ck_assert_int_eq(expect(s, SCS_AIR).cp, 65536);
	ck_assert_int_eq(expect(s, SCS_INSTALL).start_us, T0 + 2 * S);
	ck_assert_uint_eq(scs_schedule_live(s, T0 + 86400 * S + 300 * MS, live), 1);
	ck_assert_int_eq(live[0]->cp, 65536);
	scs_schedule_free(s);
}
END_TEST

START_TEST(an_alarm_counts_from_the_start_of_this_life)
{
	/* a service that was taken out of the file, and came back */
	struct scs_cp cp = { .cp = 7, .start_us = T0 - 60 * S, .duration_us = 10 * S, .lead_us = 2100 * MS, .released = true, .with = 3 };
	struct scs_schedule *s = make(both, 0, false);

	scs_schedule_adopt(s, &cp, 1, T0);
	expect(s, SCS_AIR);
	scs_schedule_muxes(s, 1, T0);
	scs_schedule_aired(s, 7, T0);
	scs_schedule_held(s, 7, T0);
	expect(s, SCS_INSTALL);
	expect(s, SCS_TRIM);
	expect(s, SCS_EXTENDED);	/* its end was 50 s ago */
	scs_schedule_tick(s, T0 + 30 * S - 1);
	nothing(s);
	ck_assert_int_eq(scs_schedule_next(s), T0 + 30 * S);
	scs_schedule_tick(s, T0 + 30 * S);
	ck_assert_int_eq(expect(s, SCS_ALARM).duration_us, 80 * S);
	scs_schedule_free(s);
}
END_TEST

START_TEST(clock_jump_shrinks_no_cp)
{
	int64_t start;
	struct scs_schedule *s = started(0, false, &start);

	/* an hour forward right after the start of CP 0: the plan moves along */
	scs_schedule_jump(s, 3600 * S, T0 + 3605 * S);
	nothing(s);
	ck_assert_int_eq(scs_schedule_next(s), T0 + 3620 * S - 3100 * MS);
	/* and an hour back */
	scs_schedule_jump(s, -3600 * S, T0 + 6 * S);
	ck_assert_int_eq(scs_schedule_next(s), T0 + 20 * S - 3100 * MS);
	scs_schedule_free(s);
}
END_TEST

/* ---- clear, mute, criteria, reconfiguration ---- */

static struct scs_schedule *
with_policy(enum scs_loss on_loss, bool clear)
{
	struct scs_schedule_conf c = { .period_us = 10 * S, .extension_alarm_us = 30 * S, .needs_mux = true, .on_loss = on_loss,
		.on_loss_us = 20 * S, .clear = clear, .nstreams = 2, .required = both };
	struct scs_schedule *s = scs_schedule_new(&c);

	scs_schedule_muxes(s, 1, T0);
	return s;
}

/* From the commit of a CP without a key to its release. */
static int64_t
whole_mode(struct scs_schedule *s, int64_t cp, enum scs_mode mode, int64_t now)
{
	struct scs_action a = expect(s, SCS_COMMIT);

	ck_assert_int_eq(a.cp, cp);
	ck_assert_int_eq(a.mode, mode);
	ck_assert_uint_eq(scs_schedule_find(s, cp)->with, 0);
	scs_schedule_stored(s, cp, true, a.start_us, now);
	expect(s, SCS_AIR);
	scs_schedule_aired(s, cp, now);
	its_turn(s, cp);
	a = expect(s, SCS_INSTALL);
	ck_assert_int_eq(a.mode, mode);
	expect(s, SCS_TRIM);
	ck_assert_int_eq(scs_schedule_mode(s), mode);
	return a.start_us;
}

START_TEST(clear_by_command_and_back)
{
	struct scs_terms t = card;
	int64_t start, now = T0 + 12 * S;
	struct scs_schedule *s = make(both, 0, false);
	int16_t from, stop;

	t.transition_delay_start = -4000, t.transition_delay_stop = 500;
	scs_schedule_muxes(s, 1, T0);
	scs_schedule_stream_up(s, 0, &drm, T0), scs_schedule_stream_up(s, 1, &t, T0);
	ck_assert_int_eq(whole_cp(s, 0, T0), T0 + 4100 * MS);		/* clear until the slowest KMS's lead has elapsed */
	/* the running CP ends at its boundary; its ECMs stay for transition_delay_stop */
	ck_assert_int_eq(scs_schedule_command(s, true, now), T0 + 20 * S);
	ck_assert_int_eq(scs_schedule_next(s), T0 + 20 * S - 2100 * MS - 500 * MS);
	scs_schedule_tick(s, now = T0 + 20 * S - 2600 * MS);
	ck_assert_int_eq(whole_mode(s, 1, SCS_CLEAR, now), T0 + 20 * S);
	scs_schedule_delays(s, 1, scs_schedule_find(s, 1), &from, &stop);
	ck_assert_int_eq(stop, 500);
	ck_assert_int_eq(scs_schedule_command(s, true, now), 0);
	/* nothing happens, whatever comes and goes: no CP, no extension */
	scs_schedule_tick(s, T0 + 86400 * S);
	scs_schedule_stream_down(s, 0, T0 + 86400 * S);
	nothing(s);
	ck_assert(scs_schedule_next(s) == INT64_MAX);
	scs_schedule_stream_up(s, 0, &drm, now = T0 + 90000 * S);
	/* back: ECM on air 4 s before the first key */
	start = scs_schedule_command(s, false, now);
	ck_assert_int_eq(start, now + 5100 * MS);
	ck_assert_int_eq(whole_cp(s, 2, now), start);
	ck_assert(scs_schedule_find(s, 2)->first);
	scs_schedule_delays(s, 1, scs_schedule_find(s, 2), &from, &stop);
	ck_assert_int_eq(from, -4000);
	ck_assert_int_eq(scs_schedule_mode(s), SCS_SCRAMBLED);
	scs_schedule_free(s);
}
END_TEST

START_TEST(a_command_taken_back_asks_nobody_twice)
{
	int64_t start, now = T0 + 20 * S - 3100 * MS;
	struct scs_schedule *s = started(0, false, &start);
	struct scs_action a;

	scs_schedule_tick(s, now);
	a = expect(s, SCS_DRAW);
	scs_schedule_drawn(s, a.last, now);
	expect(s, SCS_PROVISION), expect(s, SCS_PROVISION);
	scs_schedule_ecm(s, 0, 1, now);
	scs_schedule_muxes(s, 0, now);		/* so that nothing is committed at once */
	scs_schedule_command(s, true, now);
	scs_schedule_ecm(s, 1, 1, now);		/* arrives all the same */
	nothing(s);
	ck_assert_int_eq(scs_schedule_command(s, false, now), 0);
	scs_schedule_muxes(s, 1, now);
	a = expect(s, SCS_COMMIT);
	ck_assert_int_eq(a.mode, SCS_SCRAMBLED);
	ck_assert_uint_eq(scs_schedule_find(s, 1)->with, 3);
	/* committed: a command is for the one after it */
	ck_assert_int_eq(scs_schedule_command(s, true, now), a.start_us + a.duration_us);
	scs_schedule_free(s);
}
END_TEST

START_TEST(loss_policies)	/* _i: enum scs_loss */
{
	static const enum scs_mode becomes[] = { [SCS_HOLD] = SCS_SCRAMBLED, [SCS_MUTE] = SCS_MUTED, [SCS_EXPOSE] = SCS_EXPOSED };
	struct scs_schedule *s = with_policy((enum scs_loss)_i, false);
	int64_t now = T0 + 20 * S - 3100 * MS, at;
	struct scs_action a;

	scs_schedule_stream_up(s, 0, &drm, T0), scs_schedule_stream_up(s, 1, &card, T0);
	whole_cp(s, 0, T0);
	scs_schedule_stream_down(s, 1, T0 + 5 * S);
	scs_schedule_tick(s, now);
	a = expect(s, SCS_DRAW);
	scs_schedule_drawn(s, a.last, now);
	expect(s, SCS_PROVISION);
	scs_schedule_ecm(s, 0, 1, now);
	scs_schedule_tick(s, T0 + 20 * S);
	expect(s, SCS_EXTENDED);
	scs_schedule_tick(s, T0 + 40 * S - 1);
	nothing(s);
	scs_schedule_tick(s, now = T0 + 40 * S);
	if (_i == SCS_HOLD) {
		nothing(s);
		ck_assert_int_eq(scs_schedule_mode(s), SCS_SCRAMBLED);
		scs_schedule_free(s);
		return;
	}
	at = whole_mode(s, 1, becomes[_i], now);
	ck_assert_int_eq(at, now + 2100 * MS);		/* the ECM leaves the air before */
	ck_assert(scs_schedule_in_alarm(s));
	/* its number is spent; the next one is asked for, and brings the service back by itself */
	scs_schedule_tick(s, now += 5 * S);
	a = expect(s, SCS_DRAW);
	ck_assert_int_eq(a.cp, 2);
	scs_schedule_drawn(s, a.last, now);
	ck_assert_uint_eq(expect(s, SCS_PROVISION).stream, 0);
	scs_schedule_ecm(s, 0, 2, now);
	scs_schedule_tick(s, now += 3600 * S);
	nothing(s);					/* for as long as it takes */
	scs_schedule_stream_up(s, 1, &card, now);
	expect(s, SCS_PROVISION);
	scs_schedule_ecm(s, 1, 2, now);
	a = expect(s, SCS_COMMIT);
	ck_assert_int_eq(a.mode, SCS_SCRAMBLED);
	scs_schedule_stored(s, 2, true, a.start_us, now);
	expect(s, SCS_AIR);
	scs_schedule_aired(s, 2, now);
	expect(s, SCS_RESUMED), expect(s, SCS_INSTALL);
	ck_assert_int_eq(scs_schedule_mode(s), SCS_SCRAMBLED);
	scs_schedule_free(s);
}
END_TEST

/* The store and the mux are no KMS: their loss is none of the policy's. Nor is that everybody is away when the SCS has just started. */
START_TEST(no_policy_for_what_is_no_kms)
{
	struct scs_cp before = { .cp = 7, .start_us = T0 - 100 * S, .duration_us = 40 * S, .lead_us = 2100 * MS, .with = 3 };
	struct scs_schedule *s = with_policy(SCS_EXPOSE, false);
	int64_t now = T0 + 100 * S;
	struct scs_action a;

	scs_schedule_stream_up(s, 0, &drm, T0), scs_schedule_stream_up(s, 1, &card, T0);
	whole_cp(s, 0, T0);
	scs_schedule_tick(s, now);			/* asleep for long: the answers are due after the question */
	expect(s, SCS_DRAW);
	scs_schedule_draw_failed(s, now);
	while (scs_schedule_take(s, &a))
		ck_assert(a.kind == SCS_EXTENDED || a.kind == SCS_ALARM);
	scs_schedule_tick(s, now += S);
	a = expect(s, SCS_DRAW);
	scs_schedule_drawn(s, a.last, now);
	expect(s, SCS_PROVISION), expect(s, SCS_PROVISION);
	scs_schedule_tick(s, now += 900 * MS);
	nothing(s);
	scs_schedule_muxes(s, 0, now);
	scs_schedule_ecm(s, 0, 1, now), scs_schedule_ecm(s, 1, 1, now);
	scs_schedule_tick(s, now += 100 * S);
	nothing(s);
	scs_schedule_free(s);

	s = with_policy(SCS_EXPOSE, false);
	scs_schedule_adopt(s, &before, 1, T0);
	expect(s, SCS_AIR);
	scs_schedule_held(s, 7, T0);
	scs_schedule_tick(s, T0 + 19 * S);
	while (scs_schedule_take(s, &a))
		ck_assert_int_ne(a.kind, SCS_COMMIT);
	scs_schedule_tick(s, T0 + 20 * S);
	ck_assert_int_eq(expect(s, SCS_COMMIT).mode, SCS_EXPOSED);
	scs_schedule_free(s);
}
END_TEST

/* _i: bit 0: clear is what the stored command says now; bit 1: the record is of the policy, which is another now, or not */
START_TEST(a_restart_makes_nothing_clear_by_itself)
{
	bool stands = _i & 1, policy = _i & 2;
	struct scs_cp clear = { .cp = 9, .start_us = T0 - 7200 * S, .duration_us = 10 * S, .lead_us = 2100 * MS,
		.mode = policy ? SCS_EXPOSED : SCS_CLEAR };
	struct scs_schedule *s = with_policy(policy && stands ? SCS_EXPOSE : SCS_MUTE, !policy && stands);
	struct scs_action a;
	bool told = false;

	scs_schedule_adopt(s, &clear, 1, T0);
	for (int64_t now = T0; now < T0 + 60 * S; now += 100 * MS) {
		scs_schedule_tick(s, now);
		while (scs_schedule_take(s, &a)) {
			if (a.kind == SCS_AIR)
				scs_schedule_aired(s, a.cp, now);
			if (a.kind == SCS_COMMIT || a.kind == SCS_AMEND)
				scs_schedule_stored(s, a.cp, true, a.start_us, now);
			told |= a.kind == SCS_INSTALL && (a.mode == SCS_CLEAR || a.mode == SCS_EXPOSED);
		}
		/* a loss that an earlier life saw is none in this one, before its own time is up */
		ck_assert(!policy || !told || now >= T0 + 20 * S);
	}
	ck_assert_int_eq(told, stands);
	if (stands && policy)
		ck_assert_int_gt(scs_schedule_released(s), clear.cp);	/* by a record of its own */
	if (!stands)		/* nobody answers: what went on in clear all the time, without us, is stopped where the policy has it */
		ck_assert_int_eq(scs_schedule_mode(s), SCS_MUTED);
	scs_schedule_free(s);
}
END_TEST

/* Clear that was commanded, and is so no more before any mux could take part. _i: by an SCS that has restarted, or this one */
START_TEST(a_command_taken_back_in_time_makes_nothing_clear)
{
	struct scs_cp clear = { .cp = 1, .start_us = T0 - 100 * S, .duration_us = 10 * S, .lead_us = 2100 * MS, .mode = SCS_CLEAR };
	struct scs_schedule *s;
	struct scs_action a;
	int64_t now = T0;

	if (_i) {
		s = with_policy(SCS_HOLD, true);
		scs_schedule_muxes(s, 0, now);
		scs_schedule_adopt(s, &clear, 1, now);
	} else {
		s = started(0, false, &now);
		now += 5 * S;
		scs_schedule_command(s, true, now);
		for (; strcmp(scs_schedule_phase(s), "committing") != 0; now += 100 * MS)
			scs_schedule_tick(s, now);
		a = expect(s, SCS_COMMIT);
		scs_schedule_stored(s, 1, true, a.start_us, now);
		scs_schedule_muxes(s, 0, now);
	}
	now += 2 * S;
	scs_schedule_tick(s, now);
	scs_schedule_command(s, false, now);
	for (int k = 0; k < 600 && scs_schedule_released(s) < 2; k++, now += 100 * MS) {
		if (k == 20) {
			scs_schedule_muxes(s, 1, now);
			scs_schedule_stream_up(s, 0, &drm, now), scs_schedule_stream_up(s, 1, &card, now);
		}
		scs_schedule_tick(s, now);
		while (scs_schedule_take(s, &a)) {
			ck_assert(a.kind != SCS_INSTALL || a.mode == SCS_SCRAMBLED);
			if (a.kind == SCS_DRAW)
				scs_schedule_drawn(s, a.last, now);
			if (a.kind == SCS_PROVISION)
				scs_schedule_ecm(s, a.stream, a.cp, now);
			if (a.kind == SCS_COMMIT || a.kind == SCS_AMEND)
				scs_schedule_stored(s, a.cp, true, a.start_us, now);
			if (a.kind == SCS_AIR)
				scs_schedule_aired(s, a.cp, now);
		}
	}
	ck_assert_int_eq(scs_schedule_released(s), 2);
	ck_assert_int_eq(scs_schedule_mode(s), SCS_SCRAMBLED);
	scs_schedule_free(s);
}
END_TEST

START_TEST(changed_criteria_have_delays_of_their_own)
{
	int64_t start, now = T0 + 12 * S;
	struct scs_terms t = card;
	struct scs_schedule *s = started(0, false, &start);
	struct scs_action a;
	int16_t from, stop;

	t.AC_delay_start = -3000, t.AC_delay_stop = -1000;
	scs_schedule_stream_up(s, 1, &t, now);
	ck_assert_int_eq(scs_schedule_criteria(s, 1, now), 1);
	ck_assert_int_eq(scs_schedule_next(s), T0 + 20 * S - 3100 * MS - 1000 * MS);	/* earlier by the AC delay */
	scs_schedule_tick(s, now = T0 + 20 * S - 4100 * MS);
	a = expect(s, SCS_DRAW);
	scs_schedule_drawn(s, a.last, now);
	expect(s, SCS_PROVISION), expect(s, SCS_PROVISION);
	ck_assert_int_eq(scs_schedule_criteria(s, 1, now), 2);	/* too late: this one is asked for */
	scs_schedule_ecm(s, 0, 1, now), scs_schedule_ecm(s, 1, 1, now);
	a = expect(s, SCS_COMMIT);
	scs_schedule_delays(s, 1, scs_schedule_find(s, 1), &from, &stop);
	ck_assert_int_eq(from, -3000);
	ck_assert_int_eq(stop, -1000);
	scs_schedule_delays(s, 0, scs_schedule_find(s, 1), &from, &stop);
	ck_assert_int_eq(from, -2000);
	scs_schedule_free(s);
}
END_TEST

START_TEST(a_new_period_is_for_the_next_cp)
{
	struct scs_schedule_conf c = { .period_us = 4 * S, .extension_alarm_us = 30 * S, .needs_mux = true, .nstreams = 2, .required = both };
	int64_t start, now = T0 + 15 * S;
	struct scs_schedule *s = started(0, false, &start);
	struct scs_action a;

	scs_schedule_reconf(s, &c, now);
	ck_assert_int_eq(scs_schedule_period(s), 4 * S);
	ck_assert_int_eq(scs_schedule_next(s), T0 + 20 * S - 3100 * MS);	/* the running one ends as it was promised */
	scs_schedule_tick(s, now = T0 + 20 * S - 3100 * MS);
	a = expect(s, SCS_DRAW);
	scs_schedule_drawn(s, a.last, now);
	a = expect(s, SCS_PROVISION);
	ck_assert_int_eq(a.duration_us, 4 * S);
	expect(s, SCS_PROVISION);
	scs_schedule_ecm(s, 0, 1, now), scs_schedule_ecm(s, 1, 1, now);
	a = expect(s, SCS_COMMIT);
	scs_schedule_stored(s, 1, true, a.start_us, now);
	expect(s, SCS_AIR);
	scs_schedule_aired(s, 1, now);
	its_turn(s, 1);
	expect(s, SCS_INSTALL), expect(s, SCS_TRIM);
	c.period_us = 20 * S, c.required = first_only;
	scs_schedule_reconf(s, &c, now);
	scs_schedule_tick(s, now = T0 + 24 * S - 3100 * MS);
	a = expect(s, SCS_DRAW);
	scs_schedule_drawn(s, a.last, now);
	ck_assert_int_eq(expect(s, SCS_PROVISION).duration_us, 36 * S);	/* from 24 to a slot of the new period, 20 s later at least */
	expect(s, SCS_PROVISION);
	scs_schedule_ecm(s, 0, 2, now);
	scs_schedule_tick(s, T0 + 24 * S - 2100 * MS);	/* and the other one is not required any more */
	ck_assert_int_eq(expect(s, SCS_COMMIT).start_us, T0 + 24 * S);
	scs_schedule_free(s);
}
END_TEST

START_TEST(table_of_modes)
{
	static char text[4096];

	ck_assert_uint_lt(scs_schedule_print_modes(text, sizeof(text)), sizeof(text));
	vec_golden("scs/modes.txt", text);
}
END_TEST

/*
 * A year of faults: ECMGs that answer late, never, twice or out of order, refuse, vanish and return with other terms, one of them
 * optional at times; muxes and a store that fail; UTC set to and fro; an SCS killed at any moment and restarted from what it had stored;
 * commands, other periods, other criteria, other policies; CP_number wraps on the way. A model of mux and scrambler checks what a
 * viewer would; it counts in real time (`now`), the engine sees UTC (`now` + `skew`). Under a sanitizer it is a month: ten times slower.
 */
enum { STREAMS = 3, MUXES = 2, RING = 64 };
#ifdef __SANITIZE_ADDRESS__
enum { DAYS = 30 };
#else
enum { DAYS = 365 };
#endif
struct world {
	struct scs_schedule *s;
	int64_t now, skew, fault_at;
	struct { bool up; int64_t back, answer, late, cp, changed, seen; } st[STREAMS];
	/* air: an ECM on its way, and when it is there */
	struct { bool up; int64_t back, air_cp, air_at; struct ecm { int64_t cp, start; bool held; } has[4]; } mux[MUXES];
	int64_t acked_cp; bool acked[MUXES];
	bool clear, required[STREAMS];	/* stored, and in the file */
	enum scs_loss on_loss;
	int64_t period;
	int64_t jumps, left_out, drawn, missing[STREAMS];
	struct scs_cp disk[2]; size_t ndisk;
	struct { int64_t cp, since; } aired[4];	/* what the mux got, and when */
	struct key { int64_t cp, start, duration; enum scs_mode mode; } in_force, installed;	/* the scrambler */
	int64_t jumped_at, blurred_at;	/* UTC was set; and an SCS began after that */
	int64_t switches, put_off, extensions, restarts, commands, modes[SCS_NOTHING + 1], criteria;
};

static unsigned
dice(unsigned n)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	return (unsigned)(x >> 33) % n;
}

#define UTC(w) ((w)->now + (w)->skew)

static struct scs_schedule_conf
file(const struct world *w)
{
	return (struct scs_schedule_conf){ .period_us = w->period, .phase_us = 3 * S, .extension_alarm_us = 30 * S, .needs_mux = true,
		.on_loss = w->on_loss, .on_loss_us = 25 * S, .clear = w->clear, .nstreams = STREAMS, .required = w->required };
}

/* A key's start is UTC; that of the waiting one is kept in real time, as a scrambler that follows the clock's jumps has it. */
static void
scrambler_takes(struct world *w, const struct scs_action *a)
{
	if (a->cp == w->installed.cp || a->cp == w->in_force.cp)
		return;
	ck_assert(a->cp > w->in_force.cp);
	ck_assert(w->installed.cp <= w->in_force.cp);	/* no third key while one is waiting */
	w->installed = (struct key){ a->cp, a->start_us - w->skew, a->duration_us, a->mode };
}

static void
scrambler_runs(struct world *w)
{
	struct key *k = &w->installed;
	bool known = k->mode != SCS_SCRAMBLED;

	if (k->cp <= w->in_force.cp || w->now < k->start)
		return;
	for (size_t i = 0; i < 4; i++)
		if (w->aired[i].cp == k->cp && w->aired[i].since <= k->start - 1900 * MS)
			known = true;
	ck_assert(known);		/* receivers had its ECM in time */
	/*
	 * As CW_provision promised; more than min_CP_duration. An SCS that was killed after UTC had been set cannot know since when in
	 * real time its last CP runs: there the scrambler, which counts by its monotonic clock, puts the switch off.
	 */
	if (w->switches > 0 && w->in_force.mode == SCS_SCRAMBLED && k->start - w->in_force.start < w->in_force.duration) {
		ck_assert(w->now - w->blurred_at < 600 * S);
		k->start = w->in_force.start + w->in_force.duration;
		w->put_off++;
		return;
	}
	w->in_force = *k;
	w->switches++;
	w->modes[k->mode]++;
}

static void
mux_gets(struct world *w, int64_t cp)
{
	for (size_t i = 0; i < 4; i++)
		if (w->aired[i].cp == cp)
			return;
	w->aired[cp % 4].cp = cp, w->aired[cp % 4].since = w->now;
}

/* As a carousel does: what was let go is not held again unless it starts at another time. It stays there while the link is down. */
static void
mux_takes(struct world *w, size_t k, const struct scs_cp *cp)
{
	struct ecm *has = w->mux[k].has, *at = &has[0];
	int64_t start = cp->start_us - w->skew;

	for (size_t i = 0; i < 4; i++)
		if (has[i].cp == cp->cp || (at->cp != cp->cp && has[i].cp < at->cp))
			at = &has[i];
	if (at->cp > cp->cp || (at->cp == cp->cp && at->start == start && !at->held))
		return;
	*at = (struct ecm){ cp->cp, start, !cp->on_air };
}

static void
muxes_take(struct world *w, int64_t cp)
{
	const struct scs_cp *found = scs_schedule_find(w->s, cp);

	for (size_t k = 0; k < MUXES && found; k++)
		if (w->mux[k].up)
			mux_takes(w, k, found);
}

/* Whatever ends when: no mux goes on to an ECM whose key the scrambler has not. */
static void
muxes_run(const struct world *w)
{
	for (size_t k = 0; k < MUXES; k++)
		for (size_t i = 0; i < 4; i++) {
			const struct ecm *e = &w->mux[k].has[i];
			ck_assert(e->held || e->cp <= w->in_force.cp || e->cp == w->installed.cp);
		}
}

/* What may be committed: a key with every required ECM; clear by command; mute and exposure by the policy, because of a loss. */
static void
may_be(const struct world *w, const struct scs_cp *cp)
{
	bool lost = false;

	for (size_t i = 0; i < STREAMS; i++)
		lost |= w->required[i] && w->missing[i] != -1;
	switch (cp->mode) {
	case SCS_SCRAMBLED:
		for (size_t i = 0; i < STREAMS; i++)
			ck_assert(!w->required[i] || cp->with >> i & 1);
		ck_assert(w->drawn >= cp->cp);
		break;
	case SCS_CLEAR:
		ck_assert(w->clear);
		break;
	case SCS_MUTED:
		ck_assert(w->on_loss == SCS_MUTE || w->disk[w->ndisk - 1].mode == SCS_EXPOSED);
		ck_assert(lost);
		break;
	default:
		ck_assert(cp->mode == SCS_EXPOSED && w->on_loss == SCS_EXPOSE && lost && !w->clear);
	}
	if (cp->mode != SCS_SCRAMBLED)
		ck_assert(cp->with == 0);
}

static void
stored(struct world *w, const struct scs_action *a)
{
	const struct scs_cp *cp = scs_schedule_find(w->s, a->cp), *last = &w->disk[w->ndisk - 1];

	/* a number is committed once, for one purpose: its key is its only one */
	ck_assert(a->kind == SCS_COMMIT ? a->cp == last->cp + 1 : a->cp == last->cp && cp->mode == last->mode && cp->with == last->with);
	if (a->kind == SCS_COMMIT)
		may_be(w, cp);
	w->left_out += cp->mode == SCS_SCRAMBLED && !(cp->with & 4);
	if (dice(500) == 0) {
		scs_schedule_stored(w->s, a->cp, false, 0, UTC(w));
		return;
	}
	if (a->kind == SCS_COMMIT) {
		if (w->ndisk == 2)
			w->disk[0] = w->disk[1], w->ndisk = 1;
		w->ndisk++;
		for (size_t i = 0; i < STREAMS; i++)
			w->st[i].seen = cp->with >> i & 1 || cp->mode == SCS_CLEAR ? w->now : w->st[i].seen;
	}
	w->disk[w->ndisk - 1] = *cp;
	w->disk[w->ndisk - 1].start_us = a->start_us;
	scs_schedule_stored(w->s, a->cp, true, a->start_us, UTC(w));
}

static void
provision(struct world *w, const struct scs_action *a)
{
	ck_assert(w->st[a->stream].up);
	ck_assert(w->drawn >= a->cp);
	ck_assert(w->st[a->stream].cp != a->cp);	/* nobody is asked twice for the same; of a late optional one the channel takes care */
	ck_assert(a->duration_us >= S);
	w->st[a->stream].cp = a->cp;
	/* late for a while; or never: the channel's time-out answers */
	w->st[a->stream].answer = w->now + 1000 * (int64_t)(dice(50) == 0 ? dice(20000) : dice(400));
}

static void
answer_all(struct world *w)
{
	struct scs_action a;

	while (scs_schedule_take(w->s, &a))
		switch (a.kind) {
		case SCS_DRAW:
			if (dice(300) == 0) {
				scs_schedule_draw_failed(w->s, UTC(w));
				break;
			}
			w->drawn = a.last > w->drawn ? a.last : w->drawn;
			scs_schedule_drawn(w->s, a.last, UTC(w));
			break;
		case SCS_PROVISION:
			provision(w, &a);
			break;
		case SCS_COMMIT:
		case SCS_AMEND:
			stored(w, &a);
			break;
		case SCS_AIR:
			w->acked_cp = a.cp;
			for (size_t k = 0; k < MUXES; k++)
				w->acked[k] = false, w->mux[k].air_cp = w->mux[k].up ? a.cp : -1, w->mux[k].air_at = w->now + dice(20) * MS;
			break;
		case SCS_INSTALL:
			muxes_take(w, a.cp);
			scrambler_takes(w, &a);
			break;
		case SCS_EXTENDED:
			w->extensions++;
			break;
		default:
			break;
		}
}

/* Whose ECM for the CP in preparation is not there: since when; -1: it is there. */
static void
note_missing(struct world *w)
{
	for (size_t i = 0; i < STREAMS; i++)
		w->missing[i] = strcmp(scs_schedule_asked(w->s, i), "answered") == 0 ? -1 : w->now;
}

static void
down(struct world *w, size_t i, unsigned most_ms)
{
	w->st[i].up = false, w->st[i].cp = -1, w->st[i].back = w->now + (1 + dice(most_ms)) * MS;
}

static void
ecmgs(struct world *w)
{
	static const struct scs_terms far = { .lead_CW = 2, .CW_per_msg = 3, .delay_start = 300, .delay_stop = 300,
		.transition_delay_start = 300, .transition_delay_stop = 300, .max_comp_time = 700, .min_CP_duration = 10 };
	static const struct scs_terms *const terms[STREAMS][2] = { { &drm, &far }, { &card, &card }, { &drm, &card } };

	for (size_t i = 0; i < STREAMS; i++) {
		if (!w->st[i].up && w->now >= w->st[i].back) {
			w->st[i].up = true;
			scs_schedule_stream_up(w->s, i, terms[i][dice(2)], UTC(w));
		}
		if (w->st[i].cp >= 0 && w->now >= w->st[i].answer) {
			int64_t cp = w->st[i].cp;
			w->st[i].cp = -1;
			if (dice(100) == 0) {
				scs_schedule_refused(w->s, i, cp, UTC(w));
				continue;
			}
			if (dice(50) == 0)	/* out of order: what the last but one was asked */
				scs_schedule_ecm(w->s, i, cp - 1, UTC(w));
			scs_schedule_ecm(w->s, i, cp, UTC(w));
			if (dice(50) == 0)
				scs_schedule_ecm(w->s, i, cp, UTC(w));
		}
	}
}

/* As the shell does: a mux that comes gets what is live; one that goes is waited for no more. */
static void
count_muxes(struct world *w)
{
	size_t up = 0, acked = 0;

	for (size_t k = 0; k < MUXES; k++)
		up += w->mux[k].up, acked += w->mux[k].up && w->acked[k];
	scs_schedule_muxes(w->s, up, UTC(w));
	if (up > 0 && acked == up && w->acked_cp >= 0) {
		mux_gets(w, w->acked_cp);
		scs_schedule_aired(w->s, w->acked_cp, UTC(w));
	}
}

static void
mux_down(struct world *w, size_t k, unsigned most_ms)
{
	w->mux[k].up = w->acked[k] = false, w->mux[k].back = w->now + (1 + dice(most_ms)) * MS, w->mux[k].air_cp = -1;
}

static void
muxes(struct world *w)
{
	const struct scs_cp *live[SCS_LIVE];

	for (size_t k = 0; k < MUXES; k++) {
		if (!w->mux[k].up && w->now >= w->mux[k].back) {
			size_t n = scs_schedule_live(w->s, UTC(w), live);
			w->mux[k].up = true;
			if (dice(2))	/* a new process */
				memset(w->mux[k].has, 0, sizeof(w->mux[k].has));
			for (size_t i = 0; i < n; i++)
				mux_takes(w, k, live[i]);
			if (n && !live[n - 1]->released)
				w->mux[k].air_cp = live[n - 1]->cp, w->mux[k].air_at = w->now + MS;
			count_muxes(w);
		}
		if (w->mux[k].air_cp >= 0 && w->now >= w->mux[k].air_at) {
			int64_t cp = w->mux[k].air_cp;
			w->mux[k].air_cp = -1;
			if (dice(200) == 0) {
				scs_schedule_not_aired(w->s, cp, UTC(w));
			} else if (cp == w->acked_cp) {
				muxes_take(w, cp);
				w->acked[k] = true;
				count_muxes(w);
			}
		}
	}
}

/* kill -9; and back from what was stored. At times after so long that the records are old, and the scrambler alone knows its key. */
static void
restart(struct world *w)
{
	struct scs_schedule_conf c;

	scs_schedule_free(w->s);
	w->now += dice(20) == 0 ? 300 * S : dice(3000) * MS;
	scrambler_runs(w);
	c = file(w);
	w->s = scs_schedule_new(&c);
	scs_schedule_adopt(w->s, w->disk, w->ndisk, UTC(w));
	for (size_t i = 0; i < STREAMS; i++)
		down(w, i, 3000), w->st[i].changed = -1;
	for (size_t k = 0; k < MUXES; k++)
		mux_down(w, k, 500);
	w->acked_cp = -1;
	scs_schedule_held(w->s, w->installed.cp, UTC(w));
	w->restarts++;
	if (w->now - w->jumped_at < 600 * S)
		w->blurred_at = w->now;
}

static void
reconfigure(struct world *w)
{
	static const int64_t periods[] = { 4 * S, 6 * S, 10 * S };
	struct scs_schedule_conf c;

	w->period = periods[dice(3)];
	w->on_loss = (enum scs_loss)dice(3);
	w->required[2] = dice(4) == 0;
	c = file(w);
	note_missing(w);
	scs_schedule_reconf(w->s, &c, UTC(w));
}

static void
fault(struct world *w)
{
	unsigned what = dice(100);
	size_t i = dice(STREAMS);

	if (what < 60 && w->st[i].up) {
		down(w, i, 60000);
		note_missing(w);
		scs_schedule_stream_down(w->s, i, UTC(w));
	} else if (what < 75 && w->mux[i % MUXES].up) {
		mux_down(w, i % MUXES, 30000);
		count_muxes(w);
	} else if (what < 80) {		/* NTP sets the clock */
		int64_t jump = ((int64_t)dice(7200) - 3600) * S;
		w->skew += jump;
		w->jumps++;
		w->jumped_at = w->now;
		scs_schedule_jump(w->s, jump, UTC(w));
	} else if (what < 88) {
		restart(w);
	} else if (what < 92) {		/* the service is commanded; it is scrambled for most of the time */
		bool clear = !w->clear && dice(2) == 0;
		w->commands += clear != w->clear;
		w->clear = clear;
		scs_schedule_command(w->s, clear, UTC(w));
	} else if (what < 96) {
		reconfigure(w);
	} else {
		int64_t cp = scs_schedule_criteria(w->s, i, UTC(w));
		ck_assert(cp >= w->st[i].changed && cp > w->in_force.cp);
		ck_assert(cp > w->st[i].cp);	/* not the one that is being asked */
		w->st[i].changed = cp;
		w->criteria++;
	}
}

static void
sooner(const struct world *w, int64_t *at, int64_t t)
{
	if (t > w->now && t < *at)
		*at = t;
}

/* On to whatever is next. */
static void
advance(struct world *w)
{
	int64_t next = scs_schedule_next(w->s), at = w->fault_at;

	ck_assert(next == INT64_MAX || next == INT64_MIN || next - w->skew > w->now);	/* no timer that fires without end */
	if (next == INT64_MIN)
		return;
	if (next != INT64_MAX)
		sooner(w, &at, next - w->skew);
	for (size_t i = 0; i < STREAMS; i++) {
		if (!w->st[i].up)
			sooner(w, &at, w->st[i].back);
		else if (w->st[i].cp >= 0)
			sooner(w, &at, w->st[i].answer);
	}
	for (size_t k = 0; k < MUXES; k++) {
		if (!w->mux[k].up)
			sooner(w, &at, w->mux[k].back);
		else if (w->mux[k].air_cp >= 0)
			sooner(w, &at, w->mux[k].air_at);
	}
	if (w->installed.cp > w->in_force.cp)
		sooner(w, &at, w->installed.start);
	w->now = at;
}

START_TEST(year_of_faults)
{
	struct scs_cp before = { .cp = 65530, .start_us = T0 - 86400 * S, .duration_us = 10 * S, .lead_us = 2100 * MS, .with = 7 };
	struct world w = { .now = T0, .fault_at = T0 + 60 * S, .in_force = { .cp = 65529 }, .acked_cp = -1, .installed = { .cp = 65529 },
		.disk = { before }, .ndisk = 1, .period = 10 * S, .required = { true, true, false } };
	int64_t last_switch = 0, at = T0, end = T0 + DAYS * 86400 * S;
	struct scs_schedule_conf c = file(&w);

	w.s = scs_schedule_new(&c);
	scs_schedule_adopt(w.s, &before, 1, T0);
	for (size_t i = 0; i < 4; i++)
		w.aired[i].cp = -1;
	for (size_t i = 0; i < STREAMS; i++)
		w.st[i].cp = w.st[i].changed = -1, w.st[i].seen = T0;
	for (size_t k = 0; k < MUXES; k++)
		w.mux[k].air_cp = -1;
	while (w.now < end) {
		if (w.now >= w.fault_at) {
			fault(&w);
			w.fault_at = w.now + (1 + dice(200000)) * MS;
		}
		note_missing(&w);
		ecmgs(&w);
		muxes(&w);
		scs_schedule_tick(w.s, UTC(&w));
		answer_all(&w);
		scrambler_runs(&w);
		muxes_run(&w);
		bool rests = w.clear && w.in_force.mode == SCS_CLEAR;
		if (w.switches != last_switch || rests)
			last_switch = w.switches, at = w.now;
		for (size_t i = 0; i < STREAMS; i++) {
			w.st[i].seen = rests ? w.now : w.st[i].seen;
			if (w.now - at > 900 * S || w.now - w.st[i].seen > 3600 * S)
				ck_abort_msg("stream %zu stuck at CP %ld, phase %s", i, (long)w.in_force.cp, scs_schedule_phase(w.s));
		}
		advance(&w);
	}
	printf("# %d days: switches=%ld extensions=%ld restarts=%ld jumps=%ld left_out=%ld commands=%ld criteria=%ld clear=%ld muted=%ld exposed=%ld\n",
	    DAYS, (long)w.switches, (long)w.extensions, (long)w.restarts, (long)w.jumps, (long)w.left_out, (long)w.commands, (long)w.criteria,
	    (long)w.modes[SCS_CLEAR], (long)w.modes[SCS_MUTED], (long)w.modes[SCS_EXPOSED]);
	ck_assert_int_gt(w.switches, DAYS * 5000);
	ck_assert_int_gt(w.extensions, DAYS * 20);
	ck_assert_int_gt(w.restarts, DAYS * 20);
	ck_assert_int_lt(w.put_off, w.jumps / 10);
	ck_assert_int_gt(w.jumps, DAYS * 10);
	ck_assert_int_gt(w.left_out, DAYS * 50);
	ck_assert_int_gt(w.commands, DAYS * 5);
	ck_assert_int_gt(w.criteria, DAYS * 10);
	for (enum scs_mode m = SCS_CLEAR; m <= SCS_EXPOSED; m++)
		ck_assert_int_gt(w.modes[m], DAYS / 2);
	scs_schedule_free(w.s);
}
END_TEST

SUITE("scs_schedule", tcase_add_test(t, first_cp_comes_as_soon_as_its_ecms_lead);
      tcase_add_test(t, keys_are_drawn_as_far_as_the_furthest_stream_looks);
      tcase_add_test(t, late_answer_prolongs_the_running_cp);
      tcase_add_test(t, aligned_service_stays_aligned_after_an_extension);
      tcase_add_test(t, no_key_before_its_ecm_is_with_the_mux);
      tcase_add_test(t, no_key_when_the_mux_goes_before_its_ecm_is_on_air);
      tcase_add_test(t, a_mux_that_is_back_before_its_turn_delays_nothing);
      tcase_add_test(t, optional_kms_is_left_out_but_not_before_it_must);
      tcase_add_test(t, refused_and_failed_steps_are_tried_again);
      tcase_add_test(t, min_CP_duration_of_an_ecmg_stretches_the_period);
      tcase_add_test(t, an_earlier_life_is_taken_up);
      tcase_add_test(t, an_alarm_counts_from_the_start_of_this_life);
      tcase_add_test(t, clock_jump_shrinks_no_cp);
      tcase_add_test(t, clear_by_command_and_back); tcase_add_test(t, a_command_taken_back_asks_nobody_twice);
      tcase_add_loop_test(t, loss_policies, 0, 3); tcase_add_test(t, no_policy_for_what_is_no_kms);
      tcase_add_loop_test(t, a_restart_makes_nothing_clear_by_itself, 0, 4);
      tcase_add_loop_test(t, a_command_taken_back_in_time_makes_nothing_clear, 0, 2);
      tcase_add_test(t, changed_criteria_have_delays_of_their_own); tcase_add_test(t, a_new_period_is_for_the_next_cp);
      tcase_add_test(t, table_of_modes); tcase_add_test(t, year_of_faults))
