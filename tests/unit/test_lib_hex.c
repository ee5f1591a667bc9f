/* tests/unit/test_lib_hex.c */
#include "lib/hex.h"
#include "tests/suite.h"

START_TEST(both_ways)
{
	uint8_t b[4];
	char text[9];

	ck_assert_int_eq(gw_unhex("00fFa5", b, sizeof(b)), 3);
	ck_assert_mem_eq(b, "\x00\xff\xa5", 3);
	ck_assert_str_eq(gw_hex(b, 3, text, sizeof(text)), "00ffa5");
	ck_assert_str_eq(gw_hex(b, 3, text, 6), "00ff");	/* cut to fit, whole bytes only */
	ck_assert_str_eq(gw_hex(b, 3, text, 1), "");
	ck_assert_int_eq(gw_unhex("", b, 0), 0);
}
END_TEST

START_TEST(refusals)
{
	static const char *const bad[] = { "0", "001", "0x00", "00 11", "g0", "0g", "0011223344" };
	uint8_t b[4];

	ck_assert_int_eq(gw_unhex(bad[_i], b, sizeof(b)), -1);
}
END_TEST

SUITE("lib_hex", tcase_add_test(t, both_ways); tcase_add_loop_test(t, refusals, 0, 7))
