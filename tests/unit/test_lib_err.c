/* tests/unit/test_lib_err.c */
#include <errno.h>
#include <string.h>
#include "lib/err.h"
#include "tests/suite.h"

START_TEST(fail_fills_code_errno_and_sentence)
{
	struct gw_err err = { 0 };

	errno = ENOENT;
	ck_assert_int_eq(gw_fail(&err, GW_ESYS, "no file %s", "x.yaml"), -1);
	ck_assert_int_eq(err.code, GW_ESYS);
	ck_assert_int_eq(err.sys, ENOENT);
	ck_assert_str_eq(err.text, "no file x.yaml");
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(gw_fail(NULL, GW_ESYS, "nobody listens"), -1);
}
END_TEST

START_TEST(wrap_adds_one_colon)
{
	struct gw_err err = { 0 };

	gw_fail(&err, GW_EPEER, "refused");
	ck_assert_int_eq(gw_wrap(&err, "channel %d", 7), -1);
	ck_assert_str_eq(err.text, "channel 7: refused");
	gw_wrap(&err, "kms %s: ", "drm");
	ck_assert_str_eq(err.text, "kms drm: channel 7: refused");
	ck_assert_int_eq(err.code, GW_EPEER);
	ck_assert_int_eq(gw_wrap(NULL, "nobody"), -1);
}
END_TEST

START_TEST(long_sentences_are_cut)
{
	struct gw_err err;
	char longest[2000];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	gw_fail(&err, GW_ECONF, "%s", longest);
	ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
	gw_wrap(&err, "%s", longest);
	ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
}
END_TEST

START_TEST(exit_statuses_are_those_of_sysexits)
{
	static const struct { enum gw_code code; int status; } want[] = {
		{ GW_EUSAGE, 64 }, { GW_EUNAVAIL, 69 }, { GW_EPLUGIN, 69 }, { GW_ECRYPTO, 70 }, { GW_ESYS, 71 },
		{ GW_ETEMP, 75 }, { GW_EPEER, 76 }, { GW_ECONF, 78 }, { GW_ESTORE, 78 }, { GW_OK, 1 },
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		ck_assert_int_eq(gw_exit_status(want[i].code), want[i].status);
}
END_TEST

SUITE("lib_err", tcase_add_test(t, fail_fills_code_errno_and_sentence); tcase_add_test(t, wrap_adds_one_colon);
      tcase_add_test(t, long_sentences_are_cut); tcase_add_test(t, exit_statuses_are_those_of_sysexits))
