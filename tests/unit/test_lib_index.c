/* tests/unit/test_lib_index.c: things by name */
#include <stdio.h>
#include <string.h>
#include "lib/index.h"
#include "tests/suite.h"

enum { MANY = 10000 };

START_TEST(everything_is_found_and_nothing_else)
{
	static char names[MANY][16];
	static int values[MANY + 1];
	struct gw_index x = { 0 };

	ck_assert_ptr_null(gw_index_get(&x, "s1", 2));	/* while it is empty, too */
	for (int i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "s%d", i);
		ck_assert_int_eq(gw_index_put(&x, names[i], &values[i]), 0);
	}
	ck_assert_uint_eq(x.n, MANY);
	for (int i = 0; i < MANY; i++)
		ck_assert_ptr_eq(gw_index_get(&x, names[i], strlen(names[i])), &values[i]);
	ck_assert_ptr_null(gw_index_get(&x, "s10000", 6));
	ck_assert_ptr_null(gw_index_get(&x, "", 0));
	ck_assert_ptr_eq(gw_index_get(&x, "s12345", 4), &values[123]);	/* by its length: names on the wire have no end */
	ck_assert_int_eq(gw_index_put(&x, "s7", &values[MANY]), 0);
	ck_assert_uint_eq(x.n, MANY);
	ck_assert_ptr_eq(gw_index_get(&x, "s7", 2), &values[MANY]);
	gw_index_clear(&x);
	ck_assert_ptr_null(gw_index_get(&x, "s7", 2));
}
END_TEST

SUITE("lib_index", tcase_add_test(t, everything_is_found_and_nothing_else))
