/* tests/unit/test_scs_schedule.c: the timetable, case by case and then for weeks of faults on a fake clock */
#include <stdlib.h>
#include <string.h>
#include "scs/schedule.h"
#include "tests/suite.h"

#define MS INT64_C(1000)
#define S INT64_C(1000000)
/* check's own assertions cost a system call each: too dear in a loop of millions */
#define HOLDS(x) do { if (!(x)) ck_abort_msg("%s", #x); } while (0)
static const int64_t T0 = INT64_C(1795257000) * S;

/* ECMGs as design.md 6 has them: DRM profile looks one CW ahead, Smartcard profile does not. */
static const struct scs_terms drm = { .lead_CW = 1, .CW_per_msg = 2, .delay_start = -2000, .delay_stop = -2000,
	.transition_delay_start = -2000, .transition_delay_stop = -2000, .max_comp_time = 500, .min_CP_duration = 10, .ECM_rep_period = 500 };
static const struct scs_terms card = { .lead_CW = 0, .CW_per_msg = 1, .delay_start = -2000, .delay_stop = -2000,
	.transition_delay_start = -2000, .transition_delay_stop = -2000, .max_comp_time = 500, .min_CP_duration = 10, .ECM_rep_period = 500 };
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
	scs_schedule_stream_up(s, 0, &drm, T0);
	ck_assert_int_eq(scs_schedule_period(s), 10 * S);
	scs_schedule_stream_up(s, 1, &slow, T0);
	ck_assert_int_eq(scs_schedule_period(s), 30 * S);
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
	ck_assert_uint_eq(scs_schedule_live(s, T0 + 3 * S, live), 1);	/* its time has come: the one before it is over */
	expect(s, SCS_AIR);
	scs_schedule_held(s, 65536, T0 + 3 * S);
	expect(s, SCS_INSTALL), expect(s, SCS_TRIM);
	nothing(s);
	ck_assert_uint_eq(scs_schedule_live(s, T0 + 3 * S, live), 1);
	ck_assert_int_eq(live[0]->cp, 65536);
	ck_assert_int_eq(live[0]->start_us, T0 + 2 * S);
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

/*
 * Weeks of faults: ECMGs that answer late, refuse, vanish and return with other terms, one of them optional; muxes and a store that
 * fail; UTC set to and fro; an SCS killed at any moment and restarted from what it had stored; CP_number wraps on the way. A model of
 * mux and scrambler checks what a viewer would; it counts in real time (`now`), the engine sees UTC (`now` + `skew`).
 */
enum { STREAMS = 3, MUXES = 2 };
static const bool most[STREAMS] = { true, true, false };
struct world {
	struct scs_schedule *s;
	int64_t now, skew;
	struct { bool up; int64_t back, answer; int64_t cp; } st[STREAMS];
	struct { bool up; int64_t back, air_cp, air_at; } mux[MUXES];	/* air: an ECM on its way, and when it is there */
	int64_t acked_cp; bool acked[MUXES];
	int64_t jumps, left_out, drawn;
	struct scs_cp disk[2]; size_t ndisk;
	struct { int64_t cp, since; } aired[4];	/* what the mux got, and when */
	int64_t in_force, force_start, period;	/* the scrambler */
	struct { int64_t cp, start; } installed;
	int64_t switches, extensions, restarts;
};

static unsigned
dice(unsigned n)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	return (unsigned)(x >> 33) % n;
}

#define UTC(w) ((w)->now + (w)->skew)

static struct scs_schedule *
life(void)
{
	struct scs_schedule_conf c = { .period_us = 10 * S, .phase_us = 4 * S, .extension_alarm_us = 30 * S, .needs_mux = true,
		.nstreams = STREAMS, .required = most };
	return scs_schedule_new(&c);
}

/* A key's start is UTC; that of the waiting one is kept in real time, as a scrambler that follows the clock's jumps has it. */
static void
scrambler_takes(struct world *w, int64_t cp, int64_t start)
{
	if (cp <= w->in_force || cp == w->installed.cp)
		return;
	HOLDS(w->installed.cp <= w->in_force);	/* no third key while one is waiting */
	HOLDS(cp == w->in_force + 1);
	w->installed.cp = cp, w->installed.start = start - w->skew;
}

static void
scrambler_runs(struct world *w)
{
	if (w->installed.cp <= w->in_force || w->now < w->installed.start)
		return;
	bool known = false;
	for (size_t i = 0; i < 4; i++)
		if (w->aired[i].cp == w->installed.cp && w->aired[i].since <= w->installed.start - 1900 * MS)
			known = true;
	HOLDS(known);	/* receivers had its ECM in time */
	if (w->switches > 0)
		HOLDS(w->installed.start - w->force_start >= 10 * S);
	w->in_force = w->installed.cp, w->force_start = w->installed.start;
	w->switches++;
}

static void
mux_gets(struct world *w, int64_t cp)
{
	for (size_t i = 0; i < 4; i++)
		if (w->aired[i].cp == cp)
			return;
	w->aired[cp % 4].cp = cp, w->aired[cp % 4].since = w->now;
}

static void
stored(struct world *w, const struct scs_action *a)
{
	const struct scs_cp *cp = scs_schedule_find(w->s, a->cp);

	HOLDS((cp->with & 3) == 3);		/* every required ECM */
	HOLDS(w->drawn >= a->cp);
	w->left_out += !(cp->with & 4);
	if (dice(500) == 0) {
		scs_schedule_stored(w->s, a->cp, false, 0, UTC(w));
		return;
	}
	if (w->ndisk == 0 || w->disk[w->ndisk - 1].cp != a->cp) {
		if (w->ndisk == 2)
			w->disk[0] = w->disk[1], w->ndisk = 1;
		w->ndisk++;
	}
	w->disk[w->ndisk - 1] = *cp;
	w->disk[w->ndisk - 1].start_us = a->start_us;
	scs_schedule_stored(w->s, a->cp, true, a->start_us, UTC(w));
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
			HOLDS(w->st[a.stream].up);
			HOLDS(w->drawn >= a.cp);
			w->st[a.stream].cp = a.cp;
			w->st[a.stream].answer = w->now + 1000 * (int64_t)(dice(50) == 0 ? dice(20000) : dice(400));
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
			scrambler_takes(w, a.cp, a.start_us);
			break;
		case SCS_EXTENDED:
			w->extensions++;
			break;
		default:
			break;
		}
}

static void
ecmgs(struct world *w)
{
	static const struct scs_terms far = { .lead_CW = 2, .CW_per_msg = 3, .delay_start = 300, .delay_stop = 300,
		.transition_delay_start = 300, .transition_delay_stop = 300, .max_comp_time = 700, .min_CP_duration = 10 };
	static const struct scs_terms *const terms[STREAMS][2] = { { &drm, &far }, { &card, &card }, { &drm, &card } };

	for (size_t i = 0; i < STREAMS; i++) {
		if (w->st[i].up && dice(4000) == 0) {
			w->st[i].up = false, w->st[i].cp = -1, w->st[i].back = w->now + dice(60000) * MS;
			scs_schedule_stream_down(w->s, i, UTC(w));
		} else if (!w->st[i].up && w->now >= w->st[i].back) {
			w->st[i].up = true;
			scs_schedule_stream_up(w->s, i, terms[i][dice(2)], UTC(w));
		}
		if (w->st[i].cp >= 0 && w->now >= w->st[i].answer) {
			int64_t cp = w->st[i].cp;
			w->st[i].cp = -1;
			if (dice(100) == 0)
				scs_schedule_refused(w->s, i, cp, UTC(w));
			else
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
muxes(struct world *w)
{
	const struct scs_cp *live[SCS_LIVE];

	for (size_t k = 0; k < MUXES; k++) {
		if (w->mux[k].up && dice(8000) == 0) {
			w->mux[k].up = w->acked[k] = false, w->mux[k].back = w->now + dice(30000) * MS, w->mux[k].air_cp = -1;
			count_muxes(w);
		} else if (!w->mux[k].up && w->now >= w->mux[k].back) {
			size_t n = scs_schedule_live(w->s, UTC(w), live);
			w->mux[k].up = true;
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
				w->acked[k] = true;
				count_muxes(w);
			}
		}
	}
}

static void
faults(struct world *w)
{
	if (dice(20000) == 0) {		/* NTP sets the clock */
		int64_t jump = ((int64_t)dice(7200) - 3600) * S;
		w->skew += jump;
		w->jumps++;
		scs_schedule_jump(w->s, jump, UTC(w));
	}
	ecmgs(w);
	muxes(w);
	if (dice(12000) == 0) {		/* kill -9 */
		scs_schedule_free(w->s);
		w->s = life();
		scs_schedule_adopt(w->s, w->disk, w->ndisk, UTC(w));
		for (size_t i = 0; i < STREAMS; i++)
			w->st[i].up = false, w->st[i].cp = -1, w->st[i].back = w->now + dice(3000) * MS;
		for (size_t k = 0; k < MUXES; k++)
			w->mux[k].up = w->acked[k] = false, w->mux[k].back = w->now + dice(500) * MS, w->mux[k].air_cp = -1;
		w->acked_cp = -1;
		scs_schedule_held(w->s, w->installed.cp, UTC(w));
		w->restarts++;
	}
}

START_TEST(weeks_of_faults)
{
	struct scs_cp before = { .cp = 65530, .start_us = T0 - 86400 * S, .duration_us = 10 * S, .lead_us = 2100 * MS, .with = 3 };
	struct world w = { .now = T0, .in_force = 65530, .acked_cp = -1, .installed = { 65530, 0 }, .disk = { before }, .ndisk = 1 };
	int64_t last_switch = 0, at = T0, end = T0 + 20 * 86400 * S;

	w.s = life();
	scs_schedule_adopt(w.s, &before, 1, T0);
	for (size_t i = 0; i < 4; i++)
		w.aired[i].cp = -1;
	for (size_t i = 0; i < STREAMS; i++)
		w.st[i].cp = -1;
	for (size_t k = 0; k < MUXES; k++)
		w.mux[k].air_cp = -1;
	while (w.now < end) {
		faults(&w);
		scs_schedule_tick(w.s, UTC(&w));
		answer_all(&w);
		scrambler_runs(&w);
		if (w.switches != last_switch)
			last_switch = w.switches, at = w.now;
		if (w.now - at > 600 * S)
			ck_abort_msg("stuck at CP %ld, phase %s", (long)w.in_force, scs_schedule_phase(w.s));
		int64_t next = scs_schedule_next(w.s) == INT64_MAX ? INT64_MAX : scs_schedule_next(w.s) - w.skew;
		HOLDS(next > w.now || scs_schedule_next(w.s) == INT64_MIN);	/* no timer that fires without end */
		w.now += (1 + dice(400)) * MS;
		if (next > w.now - 400 * MS && next < w.now)
			w.now = next;
	}
	ck_assert_int_gt(w.switches, 50000);
	ck_assert_int_gt(w.in_force, 65536 + 50000);
	ck_assert_int_gt(w.extensions, 500);
	ck_assert_int_gt(w.restarts, 200);
	ck_assert_int_gt(w.jumps, 100);
	ck_assert_int_gt(w.left_out, 500);
	scs_schedule_free(w.s);
}
END_TEST

SUITE("scs_schedule", tcase_add_test(t, first_cp_comes_as_soon_as_its_ecms_lead);
      tcase_add_test(t, keys_are_drawn_as_far_as_the_furthest_stream_looks);
      tcase_add_test(t, late_answer_prolongs_the_running_cp);
      tcase_add_test(t, aligned_service_stays_aligned_after_an_extension);
      tcase_add_test(t, no_key_before_its_ecm_is_with_the_mux);
      tcase_add_test(t, optional_kms_is_left_out_but_not_before_it_must);
      tcase_add_test(t, refused_and_failed_steps_are_tried_again);
      tcase_add_test(t, min_CP_duration_of_an_ecmg_stretches_the_period);
      tcase_add_test(t, an_earlier_life_is_taken_up);
      tcase_add_test(t, clock_jump_shrinks_no_cp);
      tcase_add_test(t, weeks_of_faults))
