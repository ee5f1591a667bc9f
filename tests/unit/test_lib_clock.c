/* tests/unit/test_lib_clock.c */
#include <stdlib.h>
#include <time.h>
#include "lib/clock.h"
#include "tests/suite.h"

START_TEST(text)
{
	static const struct { int64_t us; const char *want; } rows[] = {
		{ 0, "1970-01-01T00:00:00.000000Z" },
		{ -1, "1969-12-31T23:59:59.999999Z" },
		{ 1795257000123456, "2026-11-21T10:30:00.123456Z" },
		{ 253402300799999999, "9999-12-31T23:59:59.999999Z" },
		{ INT64_MAX, "294247-01-10T04:00:54.775807Z" },
	};
	char out[32];

	ck_assert_str_eq(gw_utc_text(rows[_i].us, out), rows[_i].want);
}
END_TEST

START_TEST(clocks_run)
{
	int64_t mt = gw_mono_tick_us(), m = gw_mono_us(), ut = gw_utc_tick_us(), u = gw_utc_us();

	ck_assert_int_ge(gw_mono_us(), m);
	ck_assert(mt <= m && m - mt < 60000000);
	ck_assert(ut <= u && u - ut < 60000000);
	ck_assert_int_le(llabs(u / 1000000 - (int64_t)time(NULL)), 60);
}
END_TEST

START_TEST(jumps_are_noticed_and_slewing_is_not)
{
	struct gw_clock_watch w = { 0 };

	ck_assert_int_eq(gw_clock_jump(&w, 1000000, 500, 1000), 0);	/* the first look */
	ck_assert_int_eq(gw_clock_jump(&w, 2000000, 1000500, 1000), 0);
	ck_assert_int_eq(gw_clock_jump(&w, 3000900, 2000500, 1000), 0);	/* 900 us ahead */
	ck_assert_int_eq(gw_clock_jump(&w, 4001800, 3000500, 1000), 0);	/* and again */
	ck_assert_int_eq(gw_clock_jump(&w, 9001800, 4000500, 1000), 4000000);
	ck_assert_int_eq(gw_clock_jump(&w, 9001800, 4000500, 1000), 0);	/* said once */
	ck_assert_int_eq(gw_clock_jump(&w, 9001800, 5000500, 1000), -1000000);
}
END_TEST

SUITE("lib_clock", tcase_add_loop_test(t, text, 0, 5); tcase_add_test(t, clocks_run);
      tcase_add_test(t, jumps_are_noticed_and_slewing_is_not))
