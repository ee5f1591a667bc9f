/* tests/unit/test_bridge_errors.c: errors from one side to the other, every code, against the table of bcast-backend-xml 11.4 */
#include <stdio.h>
#include <string.h>
#include "bridge/errors.h"
#include "tests/suite.h"

/* As the table stands in the document: a row a line. */
static const struct { const char *ecmg, *mux; unsigned status; } table[] = {
	{ "0001 0003 0004 000e 000f 0010 0011", "0001 0003 0004 000a 000b 000c 000d", 8 },
	{ "0002", "0002", 12 },
	{ "0005", "000e", 26 },
	{ "0006 0007 0012", "0005 0006 0010", 15 },
	{ "0008 0009 000a 000c 000d", "0007 0008 0009 000f", 19 },
	{ "000b", "", 17 },
	{ "0013 0014 0015", "0011 0012 0013 0014", 27 },
	{ "7000 7001", "7000 7001", 7 },
};

static unsigned
tabled(enum br_face face, unsigned code)
{
	char hex[8];

	if (code > 0x8000 && code <= 0x80ff)
		return code - 0x8000;
	snprintf(hex, sizeof(hex), "%04x", code);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strstr(face == BR_ECMG ? table[i].ecmg : table[i].mux, hex))
			return table[i].status;
	return 18;
}

START_TEST(every_error_status_has_its_status)
{
	for (unsigned code = 0; code <= UINT16_MAX; code++) {
		ck_assert_uint_eq(br_status_of(BR_ECMG, (uint16_t)code), tabled(BR_ECMG, code));
		ck_assert_uint_eq(br_status_of(BR_MUX, (uint16_t)code), tabled(BR_MUX, code));
	}
}
END_TEST

START_TEST(every_status_comes_back)
{
	for (unsigned s = 1; s <= UINT8_MAX; s++) {
		ck_assert_uint_eq(br_error_of_status(s), 0x8000 + s);
		ck_assert_uint_eq(br_status_of(BR_ECMG, br_error_of_status(s)), s);
		ck_assert_uint_eq(br_status_of(BR_MUX, br_error_of_status(s)), s);
	}
	ck_assert_uint_eq(br_error_of_status(256), 0x8012);
}
END_TEST

START_TEST(http_has_its_rows)
{
	static const struct { unsigned http; uint16_t ecmg, mux; } rows[] = {
		{ 0, 0x000d, 0x7000 }, { 400, 0x0001, 0x0001 }, { 401, 0x8005, 0x8005 }, { 403, 0x8005, 0x8005 }, { 500, 0x000d, 0x7000 },
		{ 503, 0x000d, 0x7000 }, { 599, 0x000d, 0x7000 }, { 404, 0x7000, 0x7000 }, { 413, 0x7000, 0x7000 }, { 302, 0x7000, 0x7000 },
		{ 402, 0x7000, 0x7000 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_uint_eq(br_error_of_http(BR_ECMG, rows[i].http), rows[i].ecmg);
		ck_assert_uint_eq(br_error_of_http(BR_MUX, rows[i].http), rows[i].mux);
	}
}
END_TEST

SUITE("bridge_errors", tcase_add_test(t, every_error_status_has_its_status); tcase_add_test(t, every_status_comes_back);
    tcase_add_test(t, http_has_its_rows))
