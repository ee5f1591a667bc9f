/* tests/unit/test_rtp.c */
#include <string.h>
#include "proto/rtp.h"
#include "tests/suite.h"

START_TEST(a_full_header_is_read)
{
	uint8_t p[64];
	struct rtp r;
	size_t n = unhex("b2 e0 1234 00003840 c0ffee01 00000001 00000002  bede 0001 10aa0000  0102030405 000003", p, sizeof(p));

	ck_assert_int_eq(rtp_parse(p, n, &r), 0);
	ck_assert(r.padding && r.extension && r.marker);
	ck_assert_uint_eq(r.csrc_count, 2);
	ck_assert_uint_eq(r.payload_type, 96);
	ck_assert_uint_eq(r.seq, 0x1234);
	ck_assert_uint_eq(r.timestamp, 0x3840);
	ck_assert_uint_eq(r.ssrc, 0xc0ffee01);
	ck_assert_uint_eq(r.header_len, 28);
	ck_assert_uint_eq(r.payload_len, 5);
	ck_assert_int_eq(rtp_peek(p, n, &r), 0);
	ck_assert_uint_eq(r.payload_len, 8);
	for (size_t k = 0; k < 28; k++)
		ck_assert_int_eq(rtp_peek(p, k, &r), -1);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
	uint8_t p[64] = { 0 };
	struct rtp r;

	ck_assert_int_eq(rtp_peek(p, sizeof(p), &r), -1);	/* version 0 */
	p[0] = 0xa0;
	ck_assert_int_eq(rtp_parse(p, RTP_HEADER, &r), -1);	/* padding of nothing */
	ck_assert_int_eq(rtp_parse(p, RTP_HEADER + 1, &r), -1);	/* padding count 0 */
	p[RTP_HEADER] = 2;
	ck_assert_int_eq(rtp_parse(p, RTP_HEADER + 1, &r), -1);
	p[RTP_HEADER] = 1;
	ck_assert_int_eq(rtp_parse(p, RTP_HEADER + 1, &r), 0);
	ck_assert_uint_eq(r.payload_len, 0);
}
END_TEST

START_TEST(rtcp_ends_where_it_says)
{
	uint8_t p[64];
	size_t n = unhex("80 c9 0001 c0ffee01  81 ca 0002 c0ffee01 0102 6100", p, sizeof(p));

	ck_assert(rtcp_is_whole(p, n));
	ck_assert(rtcp_is_whole(p, 8));
	for (size_t k = 0; k < n; k++)
		ck_assert(k == 8 || !rtcp_is_whole(p, k));
	ck_assert(!rtcp_is_whole(p, n + 4));	/* what follows is no RTCP */
	p[1] = 33;
	ck_assert(!rtcp_is_whole(p, 8));
}
END_TEST

SUITE("rtp", tcase_add_test(t, rtcp_ends_where_it_says); tcase_add_test(t, a_full_header_is_read); tcase_add_test(t, what_does_not_fit_is_refused))
