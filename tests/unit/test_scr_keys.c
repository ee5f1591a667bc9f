/* tests/unit/test_scr_keys.c: the scrambler's key engine under a clock of ours */
#include "scrambler/keys.h"
#include <string.h>
#include "proto/playout.h"
#include "tests/suite.h"

enum { S = 1000000, D = 10 * S };
static const int64_t T0 = INT64_C(1795000000) * S;	/* UTC of CP 100 */
static const int64_t M0 = INT64_C(5000) * S;		/* monotonic at the same moment */
static struct scr_keys k;
static const char *why;

static const struct scr_form srtp = { "srtp", 1, 30, 1, 8 };

static void up(void) { scr_keys_init(&k, &srtp); why = NULL; }
static void down(void) { scr_keys_fini(&k); }

static struct scr_record
record(uint64_t cp)
{
	static uint8_t id[4][2], key[4][30];
	static unsigned turn;
	unsigned t = turn++ % 4;

	id[t][0] = (uint8_t)(cp >> 8);
	id[t][1] = (uint8_t)cp;
	memset(key[t], (int)(cp & 0xff), 30);
	return (struct scr_record){ .mode = SCR_SCRAMBLED, .cp = cp, .start_us = T0 + ((int64_t)cp - 100) * D, .duration_ms = 10000, .min_duration_ms = 1000,
	    .protection = 1, .authenticated = true, .key_id = id[t], .key_id_len = 2, .key = key[t], .key_len = 30 };
}

static int
take(uint64_t cp)
{
	struct scr_record r = record(cp);

	return scr_keys_take(&k, &r, &why);
}

static enum scr_step step(int64_t us) { return scr_keys_step(&k, T0 + us, M0 + us); }
static int64_t wait_at(int64_t us) { return scr_keys_wait(&k, T0 + us, M0 + us); }

START_TEST(keys_follow_one_another)
{
	ck_assert_int_eq(step(0), SCR_GO_ON);
	ck_assert(wait_at(0) == INT64_MAX);
	ck_assert_int_eq(take(100), 0);
	ck_assert_int_eq(take(101), 0);
	ck_assert_int_eq(step(-1), SCR_GO_ON);		/* not before its start, though no other key is there */
	ck_assert_ptr_null(k.now.key.p);
	ck_assert_int_eq(wait_at(-1), 1);
	ck_assert_int_eq(step(0), SCR_SWITCH);
	ck_assert_uint_eq(k.now.cp, 100);
	ck_assert_uint_eq(scr_keys_next(&k)->cp, 101);
	ck_assert_int_eq(wait_at(0), D);
	ck_assert_int_eq(step(D - 1), SCR_GO_ON);
	ck_assert_int_eq(step(D + 3), SCR_SWITCH);
	ck_assert_uint_eq(k.now.cp, 101);
	ck_assert_uint_eq(k.now.key.p[0], 101);
	ck_assert_ptr_null(scr_keys_next(&k));
	ck_assert_int_eq(step(1000 * (int64_t)D), SCR_GO_ON);	/* starved: the last key is held */
	ck_assert_uint_eq(k.now.cp, 101);
}
END_TEST

START_TEST(months_of_periods)
{
	for (uint64_t cp = 100; cp < 100 + 300000; cp++) {	/* CP_number wraps four times */
		int64_t at = (int64_t)(cp - 100) * D;
		ck_assert_int_eq(take(cp), 0);
		ck_assert_int_eq(step(at - 1), SCR_GO_ON);
		ck_assert_int_eq(step(at), SCR_SWITCH);
		ck_assert_uint_eq(k.now.cp, cp);
	}
	ck_assert_uint_eq(k.n, 0);
}
END_TEST

START_TEST(joins_a_running_period)
{
	ck_assert_int_eq(take(100), 0);
	ck_assert_int_eq(take(101), 0);
	ck_assert_int_eq(step(D - 100), SCR_SWITCH);
	ck_assert_uint_eq(k.now.cp, 100);
	ck_assert_int_eq(step(D), SCR_SWITCH);		/* it has lasted its time, though not with us */
	ck_assert_uint_eq(k.now.cp, 101);
}
END_TEST

START_TEST(after_a_gap_only_the_last_due)
{
	for (uint64_t cp = 100; cp < 105; cp++)
		ck_assert_int_eq(take(cp), 0);
	ck_assert_int_eq(step(3 * D + 5), SCR_SWITCH);
	ck_assert_uint_eq(k.now.cp, 103);
	ck_assert_int_eq(step(3 * D + 5), SCR_GO_ON);
	ck_assert_uint_eq(scr_keys_next(&k)->cp, 104);
}
END_TEST

START_TEST(clock_jumps_forward)
{
	for (uint64_t cp = 100; cp < 104; cp++)
		ck_assert_int_eq(take(cp), 0);
	ck_assert_int_eq(scr_keys_step(&k, T0, M0), SCR_SWITCH);
	ck_assert_int_eq(scr_keys_step(&k, T0 + D, M0 + S / 2), SCR_GO_ON);	/* 10 s later in UTC, half a second in truth */
	ck_assert_int_eq(scr_keys_wait(&k, T0 + D, M0 + S / 2), S / 2);
	ck_assert_int_eq(scr_keys_step(&k, T0 + D, M0 + S - 1), SCR_GO_ON);
	ck_assert_int_eq(scr_keys_step(&k, T0 + D, M0 + S), SCR_SWITCH);
	ck_assert_uint_eq(k.now.cp, 101);
}
END_TEST

START_TEST(clock_jumps_back)
{
	ck_assert_int_eq(take(100), 0);
	ck_assert_int_eq(take(101), 0);
	ck_assert_int_eq(scr_keys_step(&k, T0, M0), SCR_SWITCH);
	ck_assert_int_eq(scr_keys_step(&k, T0 - 3600 * (int64_t)S, M0 + 5 * S), SCR_GO_ON);
	ck_assert_uint_eq(k.now.cp, 100);		/* never back to no key */
	ck_assert_int_eq(scr_keys_step(&k, T0 + D, M0 + 3610 * (int64_t)S), SCR_SWITCH);
	ck_assert_uint_eq(k.now.cp, 101);
}
END_TEST

START_TEST(records_come_again)
{
	struct scr_record r = record(101);

	ck_assert_int_eq(take(100), 0);
	ck_assert_int_eq(step(0), SCR_SWITCH);
	ck_assert_int_eq(take(100), 0);			/* no change */
	ck_assert_int_eq(step(S * 2), SCR_GO_ON);
	ck_assert_int_eq(take(99), 0);			/* older: acknowledged, ignored */
	ck_assert_uint_eq(k.n, 0);
	ck_assert_int_eq(take(101), 0);
	r.start_us += 5 * S;				/* the running period is extended */
	ck_assert_int_eq(scr_keys_take(&k, &r, &why), 0);
	ck_assert_uint_eq(k.n, 1);
	ck_assert_int_eq(step(D), SCR_GO_ON);
	ck_assert_int_eq(step(D + 5 * S), SCR_SWITCH);
}
END_TEST

START_TEST(two_keys_for_one_period_are_refused)	/* _i: 100 in force, 101 coming */
{
	struct scr_record r = record(100 + (uint64_t)_i);
	uint8_t other[30] = { 1 };

	ck_assert_int_eq(take(100), 0);
	ck_assert_int_eq(take(101), 0);
	ck_assert_int_eq(step(0), SCR_SWITCH);
	r.key = other;
	ck_assert_int_eq(scr_keys_take(&k, &r, &why), PLAYOUT_E_STATE);
	ck_assert_ptr_nonnull(why);
	ck_assert_uint_eq(k.now.key.p[0], 100);
	ck_assert_uint_eq(k.coming[0].key.p[0], 101);
	r = record(100 + (uint64_t)_i);
	r.authenticated = false;
	ck_assert_int_eq(scr_keys_take(&k, &r, &why), PLAYOUT_E_STATE);
}
END_TEST

START_TEST(numbers_that_go_back_are_refused)
{
	struct scr_record r = record(3);

	ck_assert_int_eq(take(100), 0);
	ck_assert_int_eq(step(0), SCR_SWITCH);
	r.start_us = T0 + D;
	ck_assert_int_eq(scr_keys_take(&k, &r, &why), PLAYOUT_E_STATE);
	scr_keys_end(&k, T0 + S);
	ck_assert_int_eq(step(S), SCR_END);
	ck_assert_int_eq(scr_keys_take(&k, &r, &why), 0);
	ck_assert_int_eq(step(D), SCR_SWITCH);
	ck_assert_uint_eq(k.now.cp, 3);
}
END_TEST

START_TEST(another_form_is_refused)
{
	struct scr_record r = record(100);

	r.protection = 0;
	ck_assert_int_eq(scr_keys_take(&k, &r, &why), PLAYOUT_E_PROTECTION);
	r = record(100);
	r.key_len = 16;
	ck_assert_int_eq(scr_keys_take(&k, &r, &why), PLAYOUT_E_PROTECTION);
	r = record(100);
	r.key_id_len = 0;
	ck_assert_int_eq(scr_keys_take(&k, &r, &why), PLAYOUT_E_PROTECTION);
	ck_assert_int_eq(take(100), 0);
	r = record(101);
	r.key_id_len = 1;
	ck_assert_int_eq(scr_keys_take(&k, &r, &why), PLAYOUT_E_PROTECTION);
	ck_assert_uint_eq(k.n, 1);
}
END_TEST

START_TEST(service_ends_and_begins)
{
	ck_assert_int_eq(take(100), 0);
	ck_assert_int_eq(take(101), 0);
	ck_assert_int_eq(step(0), SCR_SWITCH);
	scr_keys_end(&k, T0 + D + S);
	ck_assert_int_eq(wait_at(D - S), S);
	ck_assert_int_eq(step(D), SCR_SWITCH);		/* keys still change until then */
	ck_assert_int_eq(wait_at(D), S);
	ck_assert_int_eq(step(D + S), SCR_END);
	ck_assert_ptr_null(k.now.key.p);
	ck_assert_int_eq(step(D + S), SCR_GO_ON);
	ck_assert_int_eq(take(105), 0);
	scr_keys_end(&k, T0 + 9 * D);
	ck_assert_int_eq(take(106), 0);			/* it goes on after all */
	ck_assert_int_eq(step(5 * D), SCR_SWITCH);
	ck_assert_int_eq(step(9 * D), SCR_SWITCH);
	ck_assert_uint_eq(k.now.cp, 106);
	struct scr_record r = record(106);
	scr_keys_end(&k, T0 + 10 * D);
	r.key = record(1).key;
	ck_assert_int_ne(scr_keys_take(&k, &r, &why), 0);	/* what is refused does not keep it on */
	ck_assert_int_eq(step(10 * D), SCR_END);
}
END_TEST

/* A crypto-period without a key is one like the others: by its start, once, held until the next. */
START_TEST(clear_and_mute_by_record_only)	/* _i: enum scr_mode */
{
	struct scr_record r = { .mode = (enum scr_mode)_i, .cp = 101, .start_us = T0 + D }, key = record(101);

	ck_assert_int_eq(k.now.mode, SCR_NONE);
	ck_assert_int_eq(take(100), 0);
	ck_assert_int_eq(scr_keys_take(&k, &r, &why), 0);
	ck_assert_int_eq(scr_keys_take(&k, &key, &why), PLAYOUT_E_STATE);	/* decided already */
	ck_assert_int_eq(step(0), SCR_SWITCH);
	ck_assert_int_eq(k.now.mode, SCR_SCRAMBLED);
	ck_assert_int_eq(step(D - 1), SCR_GO_ON);
	ck_assert_int_eq(step(D), SCR_SWITCH);
	ck_assert_int_eq(k.now.mode, _i);
	ck_assert_ptr_null(k.now.key.p);
	ck_assert_int_eq(scr_keys_take(&k, &r, &why), 0);		/* sent again */
	ck_assert_int_eq(step(100 * (int64_t)D), SCR_GO_ON);
	ck_assert_int_eq(k.now.mode, _i);
	/* and back; at once, it has no least duration */
	key = record(102);
	key.start_us = T0 + D + S;
	key.key_id_len = 1;
	ck_assert_int_eq(scr_keys_take(&k, &key, &why), 0);
	ck_assert_int_eq(step(D + S), SCR_SWITCH);
	ck_assert_int_eq(k.now.mode, SCR_SCRAMBLED);
	scr_keys_end(&k, T0 + 2 * D);
	ck_assert_int_eq(step(2 * D), SCR_END);
	ck_assert_int_eq(k.now.mode, SCR_NONE);
}
END_TEST

START_TEST(an_unknown_mode_is_refused)
{
	struct scr_record r = { .mode = SCR_NONE, .cp = 100, .start_us = T0 };

	ck_assert_int_eq(scr_keys_take(&k, &r, &why), PLAYOUT_E_INVALID);
	ck_assert_int_eq(step(0), SCR_GO_ON);
}
END_TEST

START_TEST(horizon_is_bounded)
{
	for (uint64_t cp = 100; cp < 100 + SCR_COMING; cp++)
		ck_assert_int_eq(take(cp), 0);
	ck_assert_int_eq(take(100 + SCR_COMING), PLAYOUT_E_RESOURCES);
	ck_assert_int_eq(step(0), SCR_SWITCH);
	ck_assert_int_eq(take(100 + SCR_COMING), 0);
}
END_TEST

/* ---- starvation ---- */

START_TEST(starved_by_policy)	/* _i: enum scr_mode */
{
	const enum scr_mode mode = (enum scr_mode)_i;

	scr_keys_policy(&k, mode, 30000);
	ck_assert_int_eq(take(100), 0);
	ck_assert_int_eq(step(0), SCR_SWITCH);
	ck_assert_int_eq(wait_at(0), D + 30 * S);
	ck_assert_int_eq(step(D + 30 * S - 1), SCR_GO_ON);	/* not before, whatever */
	ck_assert_int_eq(k.now.mode, SCR_SCRAMBLED);
	ck_assert_int_eq(wait_at(D + 30 * S - 1), 1);
	ck_assert_int_eq(step(D + 30 * S), SCR_SWITCH);
	ck_assert(k.now.mode == mode && k.now.cp == 100 && scr_keys_starved(&k));
	ck_assert_int_eq(step(D + 31 * S), SCR_GO_ON);
	ck_assert(wait_at(D + 31 * S) == INT64_MAX);
	ck_assert_int_eq(take(100), 0);				/* the SCS is back, and says what it said: no second key */
	ck_assert_int_eq(step(D + 32 * S), SCR_GO_ON);
	struct scr_record r = record(101);			/* and goes on */
	r.start_us = T0 + D + 40 * S;
	ck_assert_int_eq(scr_keys_take(&k, &r, &why), 0);
	ck_assert_int_eq(wait_at(D + 33 * S), 0);
	ck_assert_int_eq(step(D + 33 * S), SCR_SWITCH);
	ck_assert(k.now.mode == SCR_SCRAMBLED && k.now.cp == 100 && !scr_keys_starved(&k));
	ck_assert_int_eq(wait_at(D + 33 * S), 7 * S);
	ck_assert_int_eq(step(D + 40 * S), SCR_SWITCH);
	ck_assert(k.now.mode == SCR_SCRAMBLED && k.now.cp == 101);
	ck_assert_int_eq(wait_at(D + 40 * S), D + 30 * S);	/* counted from the new plan */
}
END_TEST

/* What an SCS that is there does not change is meant. */
START_TEST(an_scs_that_is_heard_decides_itself)
{
	scr_keys_policy(&k, SCR_CLEAR, 5000);
	ck_assert_int_eq(take(100), 0);
	ck_assert_int_eq(step(0), SCR_SWITCH);
	for (int64_t at = S; at < 100 * (int64_t)D; at += S) {
		ck_assert_int_eq(step(at), SCR_GO_ON);
		scr_keys_heard(&k, M0 + at);
		ck_assert_int_eq(wait_at(at), at <= D ? D + 5 * S - at : 5 * S);
	}
	int64_t silent = 100 * (int64_t)D - S;
	ck_assert_int_eq(step(silent + 5 * S - 1), SCR_GO_ON);
	ck_assert_int_eq(step(silent + 5 * S), SCR_SWITCH);
	ck_assert_int_eq(k.now.mode, SCR_CLEAR);
	scr_keys_heard(&k, M0 + silent + 9 * S);	/* it is back: what it has not decided is as it was */
	ck_assert_int_eq(wait_at(silent + 9 * S), 0);
	ck_assert_int_eq(step(silent + 9 * S), SCR_SWITCH);
	ck_assert_int_eq(k.now.mode, SCR_SCRAMBLED);
}
END_TEST

START_TEST(held_for_ever)	/* _i: said, or not */
{
	if (_i)
		scr_keys_policy(&k, SCR_SCRAMBLED, 30000);
	ck_assert_int_eq(take(100), 0);
	ck_assert_int_eq(step(0), SCR_SWITCH);
	ck_assert(wait_at(0) == INT64_MAX);
	ck_assert_int_eq(step(100000 * (int64_t)D), SCR_GO_ON);
	ck_assert_int_eq(k.now.mode, SCR_SCRAMBLED);
}
END_TEST

/* An SCS that is late but there: each record of it moves the end, and one that is known is enough. */
START_TEST(an_extension_is_no_starvation)
{
	struct scr_record r = record(101);

	scr_keys_policy(&k, SCR_CLEAR, 5000);
	ck_assert_int_eq(take(100), 0);
	ck_assert_int_eq(step(0), SCR_SWITCH);
	ck_assert_int_eq(step(D + 5 * S - 1), SCR_GO_ON);
	r.start_us = T0 + D + 8 * S;
	ck_assert_int_eq(scr_keys_take(&k, &r, &why), 0);
	ck_assert_int_eq(step(D + 5 * S), SCR_GO_ON);
	r.start_us = T0 + D + 60 * S;				/* later still */
	ck_assert_int_eq(scr_keys_take(&k, &r, &why), 0);
	ck_assert_int_eq(step(D + 60 * S - 1), SCR_GO_ON);
	ck_assert_int_eq(k.now.mode, SCR_SCRAMBLED);
	ck_assert_int_eq(step(D + 60 * S), SCR_SWITCH);
	ck_assert(k.now.mode == SCR_SCRAMBLED && k.now.cp == 101);
}
END_TEST

START_TEST(a_jump_of_the_clock_starves_nobody)
{
	scr_keys_policy(&k, SCR_CLEAR, 5000);
	ck_assert_int_eq(take(100), 0);
	ck_assert_int_eq(scr_keys_step(&k, T0, M0), SCR_SWITCH);
	ck_assert_int_eq(scr_keys_step(&k, T0 + 3600 * (int64_t)S, M0 + S), SCR_GO_ON);
	ck_assert_int_eq(scr_keys_wait(&k, T0 + 3600 * (int64_t)S, M0 + S), D + 4 * S);
	ck_assert_int_eq(k.now.mode, SCR_SCRAMBLED);
	ck_assert_int_eq(scr_keys_step(&k, T0 - 3600 * (int64_t)S, M0 + D + 5 * S), SCR_SWITCH);
	ck_assert_int_eq(k.now.mode, SCR_CLEAR);
}
END_TEST

START_TEST(who_joins_late_waits_as_long)
{
	scr_keys_policy(&k, SCR_MUTED, 5000);
	ck_assert_int_eq(take(100), 0);
	ck_assert_int_eq(step(4 * S), SCR_SWITCH);
	ck_assert_int_eq(wait_at(4 * S), 6 * S + 5 * S);
	scr_keys_fini(&k);
	scr_keys_policy(&k, SCR_MUTED, 5000);
	ck_assert_int_eq(take(100), 0);
	ck_assert_int_eq(step(3600 * (int64_t)S), SCR_SWITCH);	/* the plan is long over: on_loss_after is not */
	ck_assert_int_eq(wait_at(3600 * (int64_t)S), 5 * S);
}
END_TEST

START_TEST(policy_and_records_meet)
{
	struct scr_record r = { .mode = SCR_MUTED, .cp = 101, .start_us = T0 + D };

	scr_keys_policy(&k, SCR_CLEAR, 5000);
	ck_assert_int_eq(take(100), 0);
	ck_assert_int_eq(step(0), SCR_SWITCH);
	ck_assert_int_eq(step(D + 5 * S), SCR_SWITCH);
	ck_assert_int_eq(k.now.mode, SCR_CLEAR);
	scr_keys_policy(&k, SCR_SCRAMBLED, 5000);		/* the operator has thought better of it */
	ck_assert_int_eq(wait_at(D + 6 * S), 0);
	ck_assert_int_eq(step(D + 6 * S), SCR_SWITCH);
	ck_assert(k.now.mode == SCR_SCRAMBLED && k.now.key.p);
	scr_keys_policy(&k, SCR_CLEAR, 5000);
	ck_assert_int_eq(step(D + 7 * S), SCR_SWITCH);
	ck_assert_int_eq(scr_keys_take(&k, &r, &why), 0);	/* a record that mutes is not overruled, however long it lasts */
	ck_assert_int_eq(step(D + 8 * S), SCR_SWITCH);
	ck_assert(k.now.mode == SCR_MUTED && k.now.cp == 101 && !scr_keys_starved(&k));
	ck_assert_int_eq(step(1000 * (int64_t)D), SCR_GO_ON);
	ck_assert_int_eq(k.now.mode, SCR_MUTED);
	scr_keys_end(&k, T0 + 1001 * (int64_t)D);
	ck_assert_int_eq(step(1001 * (int64_t)D), SCR_END);
	r = record(3);						/* the policy outlives the end */
	ck_assert_int_eq(scr_keys_take(&k, &r, &why), 0);
	ck_assert_int_eq(step(1002 * (int64_t)D), SCR_SWITCH);
	ck_assert_int_eq(step(1002 * (int64_t)D + 5 * S), SCR_SWITCH);
	ck_assert_int_eq(k.now.mode, SCR_CLEAR);
}
END_TEST

/* A step frees nothing: what was ready of a key is the caller's. */
START_TEST(what_is_over_is_handed_out)
{
	static int ready[SCR_COMING + 2];
	struct scr_key key;
	size_t n = 0;

	for (uint64_t cp = 100; cp < 100 + SCR_COMING; cp++) {
		ck_assert_int_eq(take(cp), 0);
		scr_keys_coming(&k, cp)->ready = (struct gw_xkey *)(void *)&ready[cp - 100];
	}
	ck_assert_ptr_null(scr_keys_coming(&k, 99));
	ck_assert_int_eq(step(0), SCR_SWITCH);
	ck_assert(!scr_keys_gone(&k, &key));
	ck_assert_int_eq(step(D), SCR_SWITCH);
	ck_assert_ptr_eq(k.now.ready, &ready[1]);
	ck_assert(scr_keys_gone(&k, &key));
	ck_assert_uint_eq(key.cp, 100);
	ck_assert_ptr_eq(key.ready, &ready[0]);
	ck_assert_ptr_nonnull(key.key.p);
	scr_key_free(&key);
	ck_assert_int_eq(step(3 * D), SCR_SWITCH);	/* the one between was never in force */
	scr_keys_forget(&k);
	for (; scr_keys_gone(&k, &key); n++)
		scr_key_free(&key);
	ck_assert_uint_eq(n, SCR_COMING - 1);
	ck_assert_int_eq(k.now.mode, SCR_NONE);
}
END_TEST

SUITE("scr_keys", tcase_add_checked_fixture(t, up, down);
      tcase_add_test(t, keys_follow_one_another); tcase_add_test(t, months_of_periods); tcase_add_test(t, joins_a_running_period);
      tcase_add_test(t, after_a_gap_only_the_last_due); tcase_add_test(t, clock_jumps_forward); tcase_add_test(t, clock_jumps_back);
      tcase_add_test(t, records_come_again); tcase_add_loop_test(t, two_keys_for_one_period_are_refused, 0, 2);
      tcase_add_test(t, numbers_that_go_back_are_refused); tcase_add_test(t, another_form_is_refused); tcase_add_test(t, what_is_over_is_handed_out);
      tcase_add_test(t, service_ends_and_begins); tcase_add_test(t, horizon_is_bounded);
      tcase_add_loop_test(t, clear_and_mute_by_record_only, SCR_CLEAR, SCR_MUTED + 1); tcase_add_test(t, an_unknown_mode_is_refused);
      tcase_add_loop_test(t, starved_by_policy, SCR_CLEAR, SCR_MUTED + 1); tcase_add_loop_test(t, held_for_ever, 0, 2);
      tcase_add_test(t, an_scs_that_is_heard_decides_itself);
      tcase_add_test(t, an_extension_is_no_starvation); tcase_add_test(t, a_jump_of_the_clock_starves_nobody);
      tcase_add_test(t, who_joins_late_waits_as_long); tcase_add_test(t, policy_and_records_meet))
