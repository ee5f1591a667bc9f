/* tests/unit/test_lib_text.c: what strangers say */
#include "lib/text.h"
#include "tests/suite.h"

static const struct { size_t cap; const char *text, *want; } rows[] = {
	{ 20, "no such service", "no such service" }, { 20, NULL, "" }, { 1, "x", "" }, { 4, "abcdef", "abc" },
	{ 20, "gr\xc3\xbc\xc3\x9f gott", "gr\xc3\xbc\xc3\x9f gott" }, { 4, "gr\xc3\xbc", "gr" }, { 5, "gr\xc3\xbc", "gr\xc3\xbc" },
	{ 20, "a\nb\x1b[1m\x7f", "a?b?[1m?" },
	{ 20, "\xff\xc3", "??" }, { 20, "\xc0\xaf", "??" }, { 20, "\xe0\x80\xaf", "???" }, { 20, "\xed\xa0\x80", "???" },	/* overlong, a surrogate */
	{ 20, "\xf4\x90\x80\x80", "????" }, { 20, "\xef\xbf\xbe", "???" }, { 20, "\xef\xbf\xbd", "\xef\xbf\xbd" },
	{ 20, "\xe2\x82\xac\xf0\x9f\x94\x91", "\xe2\x82\xac\xf0\x9f\x94\x91" }, { 20, "\xe2\x82", "??" }, { 7, "\xe2\x82\xac\xf0\x9f\x94\x91", "\xe2\x82\xac" },
};

START_TEST(what_is_said)
{
	char out[20];

	gw_text(out, rows[_i].cap, rows[_i].text);
	ck_assert_str_eq(out, rows[_i].want);
}
END_TEST

SUITE("lib_text", tcase_add_loop_test(t, what_is_said, 0, sizeof(rows) / sizeof(rows[0])))
