/* tests/unit/test_sap.c: announcements, RFC 2974 clause 3 */
#include <string.h>
#include "proto/sap.h"
#include "tests/suite.h"

START_TEST(an_announcement_is_bit_exact)
{
	static const char want[] = "\x20\x00\x12\x34\xc0\x00\x02\x0a" "application/sdp\0" "v=0";
	struct sap s = { .hash = 0x1234, .source = { 192, 0, 2, 10 }, .type = "application/sdp", .payload = "v=0", .len = 3 }, back;
	uint8_t out[64];

	ck_assert_uint_eq(sap_build(&s, out, sizeof(out)), sizeof(want) - 1);
	ck_assert_mem_eq(out, want, sizeof(want) - 1);
	ck_assert_int_eq(sap_parse(out, sizeof(want) - 1, &back), 0);
	ck_assert(!back.v6 && !back.deletion && back.hash == 0x1234 && back.len == 3);
	ck_assert_str_eq(back.type, "application/sdp");
	for (size_t n = 0; n < sizeof(want) - 1; n++)
		ck_assert_uint_eq(sap_build(&s, out, n), 0);
	s.hash = 0;
	ck_assert_uint_eq(sap_build(&s, out, sizeof(out)), 0);
}
END_TEST

START_TEST(a_deletion_over_ipv6_is_one)
{
	struct sap s = { .deletion = true, .v6 = true, .hash = 1, .source = { 0xfe, 0x80 }, .type = "application/sdp", .payload = "o=", .len = 2 }, back;
	uint8_t out[64];
	size_t n = sap_build(&s, out, sizeof(out));

	ck_assert_uint_eq(n, 4 + 16 + 16 + 2);
	ck_assert_uint_eq(out[0], 0x34);
	ck_assert_int_eq(sap_parse(out, n, &back), 0);
	ck_assert(back.v6 && back.deletion);
	ck_assert_mem_eq(back.source, s.source, 16);
}
END_TEST

START_TEST(what_others_send_is_read_or_refused)
{
	struct sap s;

	/* no payload type, authentication data of a word */
	ck_assert_int_eq(sap_parse("\x20\x01\x00\x01\x01\x02\x03\x04" "auth" "v=0\r\n", 17, &s), 0);
	ck_assert(s.type[0] == '\0' && s.len == 5 && memcmp(s.payload, "v=0", 3) == 0);
	ck_assert_int_eq(sap_parse("\x20\x02\x00\x01\x01\x02\x03\x04" "auth", 12, &s), -1);
	ck_assert_int_eq(sap_parse("\x40\x00\x00\x01\x01\x02\x03\x04", 8, &s), -1);	/* version 2 */
	ck_assert_int_eq(sap_parse("\x20\x00\x00\x01\x01\x02\x03\x04", 7, &s), -1);
	ck_assert_int_eq(sap_parse("\x20\x00\x00\x01\x01\x02\x03\x04" "text", 12, &s), -1);	/* a type without end */
	ck_assert_int_eq(sap_parse("\x22\x00\x00\x01\x01\x02\x03\x04" "????", 12, &s), 0);
	ck_assert(s.encrypted && s.len == 4);
	ck_assert_int_eq(sap_parse("", 0, &s), -1);
}
END_TEST

START_TEST(hashes_differ_and_are_never_0)
{
	uint16_t a = sap_hash("o=1", 3), b = sap_hash("o=2", 3);

	ck_assert(a && b && a != b && sap_hash("o=1", 3) == a && sap_hash("", 0));
	for (uint32_t i = 0; i < 200000; i++)
		ck_assert_uint_ne(sap_hash(&i, sizeof(i)), 0);
}
END_TEST

SUITE("sap", tcase_add_test(t, an_announcement_is_bit_exact); tcase_add_test(t, a_deletion_over_ipv6_is_one);
    tcase_add_test(t, what_others_send_is_read_or_refused); tcase_add_test(t, hashes_differ_and_are_never_0))
