/* tests/unit/test_lib_due.c: the earliest of many deadlines, against a plain search */
#include <stdlib.h>
#include "lib/due.h"
#include "tests/suite.h"

enum { N = 200 };

START_TEST(the_earliest_is_first)
{
	static struct gw_due d[N];
	struct gw_dues h = { 0 };
	uint32_t x = 1;

	ck_assert_int_eq(gw_dues_next(&h), INT64_MAX);
	ck_assert_ptr_null(gw_dues_first(&h));
	ck_assert_int_eq(gw_dues_reserve(&h, N), 0);
	for (int i = 0; i < N; i++)
		d[i].at_us = INT64_MAX;
	for (int turn = 0; turn < 20000; turn++) {
		int64_t least = INT64_MAX;
		size_t waiting = 0;
		x = x * 1664525 + 1013904223;
		gw_due_set(&h, &d[(x >> 8) % N], (x & 7) == 0 ? INT64_MAX : (int64_t)(x >> 20));
		for (int i = 0; i < N; i++) {
			least = d[i].at_us < least ? d[i].at_us : least;
			waiting += d[i].at_us != INT64_MAX;
		}
		ck_assert_int_eq(gw_dues_next(&h), least);
		ck_assert_uint_eq(h.n, waiting);
	}
	for (int64_t before = INT64_MIN; h.n; gw_due_set(&h, gw_dues_first(&h), INT64_MAX)) {	/* all come out in order */
		ck_assert_int_ge(gw_dues_next(&h), before);
		before = gw_dues_next(&h);
	}
	gw_dues_free(&h);
}
END_TEST

SUITE("lib_due", tcase_add_test(t, the_earliest_is_first))
