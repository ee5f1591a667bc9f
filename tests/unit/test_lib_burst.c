/* tests/unit/test_lib_burst.c: bursts: public vectors, and the same bytes whatever the means */
#include <string.h>
#include "lib/burst.h"
#include "tests/suite.h"

START_TEST(self_test_holds)
{
	struct gw_err err = { 0 };

	ck_assert_msg(gw_burst_self_test(&err) == 0, "%s", err.text);
}
END_TEST

SUITE("lib_burst", tcase_add_test(t, self_test_holds))
