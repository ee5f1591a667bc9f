/* tests/unit/test_au.c: AU header sections, plain and of ISMACryp; H.264 packets to samples and back */
#include <stdlib.h>
#include <string.h>
#include "proto/au.h"
#include "tests/suite.h"

static uint8_t buf[70000], out[70000];

START_TEST(the_worked_example_reads_and_writes)
{
	struct au_params p = au_ismacryp(&au_aac_hbr, 1);
	json_t *j = vec_json("media/ismacryp.json");
	size_t n = unhex(json_string_value(json_object_get(j, "rtp_payload")), buf, sizeof(buf));
	struct au_reader r;
	struct au a;

	ck_assert_int_eq(au_read(&r, &p, buf, n), 0);
	ck_assert_int_eq(au_next(&r, &a), 1);
	ck_assert(a.encrypted);
	ck_assert_uint_eq(a.iv, 0x123);
	ck_assert_uint_eq(a.key[0], 5);
	ck_assert_uint_eq(a.size, 40);
	ck_assert_uint_eq(a.index, 0);
	ck_assert_uint_eq(a.len, 40);
	ck_assert_ptr_eq(a.p, buf + 9);
	ck_assert_int_eq(au_next(&r, &a), 0);
	ck_assert_uint_eq(au_write(&p, &a, 1, out, sizeof(out)), 9);
	ck_assert_mem_eq(out, buf, 9);
	ck_assert_uint_eq(au_section_len(&p), 9);
	for (size_t k = 0; k <= 9; k++)		/* a lone access unit may be a fragment, but not of nothing */
		ck_assert(au_read(&r, &p, buf, k) < 0 || au_next(&r, &a) < 0);
	json_decref(j);
}
END_TEST

/* RFC 3640 3.3.6: three access units, interleaving fields 0, 1, 1. */
START_TEST(several_in_a_packet)
{
	struct au_params p = au_ismacryp(&au_aac_hbr, 2);
	struct au a[3] = { { .size = 2, .index = 0, .iv = 0xffffff00, .key = { 1, 2 }, .encrypted = true }, { .size = 1, .index = 1 }, { .size = 3, .index = 7 } };
	struct au_reader r;
	struct au got;
	size_t n = unhex("0060  ffffff00 0102 0010 0009 001f  aabb cc ddeeff", buf, sizeof(buf));
	static const uint32_t iv[] = { 0xffffff00, 0xffffff02, 0xffffff03 };

	ck_assert_uint_eq(au_write(&p, a, 3, out, sizeof(out)), 14);
	ck_assert_mem_eq(out, buf, 14);
	ck_assert_int_eq(au_read(&r, &p, buf, n), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(au_next(&r, &got), 1);
		ck_assert_uint_eq(got.iv, iv[i]);
		ck_assert_uint_eq(got.len, a[i].size);
		ck_assert_uint_eq(got.index, a[i].index);
		ck_assert_mem_eq(got.key, a[0].key, 2);
	}
	ck_assert_int_eq(au_next(&r, &got), 0);
	for (size_t cut = 14; cut < n; cut++) {		/* what is stated of several is there */
		int v;
		ck_assert_int_eq(au_read(&r, &p, buf, cut), 0);
		while ((v = au_next(&r, &got)) == 1)
			;
		ck_assert_int_eq(v, -1);
	}
	for (size_t cut = 0; cut < 14; cut++)
		ck_assert_int_eq(au_read(&r, &p, buf, cut), -1);
	buf[n] = 0;					/* and no more */
	ck_assert_int_eq(au_read(&r, &p, buf, n + 1), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(au_next(&r, &got), 1);
	ck_assert_int_eq(au_next(&r, &got), -1);
}
END_TEST

START_TEST(video_has_flags_that_are_no_octets)
{
	struct au_params p = au_ismacryp(&au_avc_video, 1);
	struct au a = { .iv = 0x10, .key = { 7 }, .rap = true, .encrypted = true }, got;
	struct au_reader r;

	ck_assert_uint_eq(au_section_len(&p), 8);
	ck_assert_uint_eq(au_write(&p, &a, 1, out, sizeof(out)), 8);
	unhex("002a 00000010 07 40", buf, sizeof(buf));		/* 42 bits: DTS-flag 0, RAP-flag 1 */
	ck_assert_mem_eq(out, buf, 8);
	out[8] = 0x65;
	ck_assert_int_eq(au_read(&r, &p, out, 9), 0);
	ck_assert_int_eq(au_next(&r, &got), 1);
	ck_assert(got.rap && !got.has_dts);
	ck_assert_uint_eq(got.len, 1);
	a.has_dts = true;
	a.dts_delta = 0x3fffff;
	a.rap = false;
	ck_assert_uint_eq(au_write(&p, &a, 1, out, sizeof(out)), 10);
	ck_assert_int_eq(au_read(&r, &p, out, 11), 0);
	ck_assert_int_eq(au_next(&r, &got), 1);
	ck_assert(got.has_dts && !got.rap);
	ck_assert_uint_eq(got.dts_delta, 0x3fffff);
	a.dts_delta++;		/* 23 bits */
	ck_assert_uint_eq(au_write(&p, &a, 1, out, sizeof(out)), 0);
	ck_assert_uint_eq(au_write(&p, &a, 0, out, sizeof(out)), 0);
	ck_assert_int_eq(au_read(&r, &p, out, 10), 0);		/* no data */
	ck_assert_int_eq(au_next(&r, &got), -1);
}
END_TEST

START_TEST(selective_encryption_takes_the_flag_at_either_end)
{
	struct au_params p = au_ismacryp(&au_aac_hbr, 1);
	struct au_reader r;
	struct au a = { .size = 1, .encrypted = false, .key = { 9 } };

	p.selective = p.key_per_au = true;
	p.delta_iv_length = 2;
	ck_assert_uint_eq(au_write(&p, &a, 1, out, sizeof(out)), 10);
	static const struct { uint8_t flag; bool encrypted; } t[] = { { 0x80, true }, { 0x01, true }, { 0, false } };
	for (size_t i = 0; i < 3; i++) {
		out[2] = t[i].flag;
		ck_assert_int_eq(au_read(&r, &p, out, 11), 0);
		ck_assert_int_eq(au_next(&r, &a), 1);
		ck_assert_int_eq(a.encrypted, t[i].encrypted);
	}
	/* second header: flag, delta IV -1, its own key, size 1 */
	size_t n = unhex("0070  80 00000100 09 0008  01 ffff 0a 0008  aa bb", out, sizeof(out));
	ck_assert_int_eq(au_read(&r, &p, out, n), 0);
	ck_assert_int_eq(au_next(&r, &a), 1);
	ck_assert_int_eq(au_next(&r, &a), 1);
	ck_assert_uint_eq(a.iv, 0x100);
	ck_assert_uint_eq(a.key[0], 10);
	ck_assert_int_eq(au_next(&r, &a), 0);
}
END_TEST

START_TEST(parameters_have_bounds)
{
	struct au_params p = au_ismacryp(&au_aac_hbr, 1);
	struct au a = { .size = 1 };
	struct au_reader r;

	p.iv_length = 9;
	ck_assert_int_eq(au_read(&r, &p, buf, sizeof(buf)), -1);
	ck_assert_uint_eq(au_write(&p, &a, 1, out, sizeof(out)), 0);
	p.iv_length = 8;
	a.iv = UINT64_MAX;
	ck_assert_uint_eq(au_write(&p, &a, 1, out, 12), 0);
	ck_assert_uint_eq(au_write(&p, &a, 1, out, 13), 13);
	p.iv_length = 4;
	ck_assert_uint_eq(au_write(&p, &a, 1, out, sizeof(out)), 0);	/* does not fit */
	p = (struct au_params){ 0 };
	ck_assert_uint_eq(au_write(&p, &a, 1, out, sizeof(out)), 0);	/* no header */
	memset(buf, 0, 16);
	buf[1] = 8;
	ck_assert_int_eq(au_read(&r, &p, buf, 16), 0);
	ck_assert_int_eq(au_next(&r, &a), -1);
}
END_TEST

START_TEST(fragments_state_the_whole)
{
	struct au_reader r;
	struct au a = { .size = 5000 };

	ck_assert_uint_eq(au_write(&au_aac_hbr, &a, 1, buf, sizeof(buf)), 4);
	ck_assert_int_eq(au_read(&r, &au_aac_hbr, buf, 4 + 1400), 0);
	ck_assert_int_eq(au_next(&r, &a), 1);
	ck_assert_uint_eq(a.size, 5000);
	ck_assert_uint_eq(a.len, 1400);
	ck_assert_int_eq(au_next(&r, &a), 0);
}
END_TEST

/* ---- H.264 ---- */

static struct h264_au au;

static enum h264_verdict
add(const char *hex)
{
	uint8_t p[64];
	size_t n = unhex(hex, p, sizeof(p));

	return h264_add(&au, p, n);
}

static void
begin(size_t cap)
{
	static uint8_t room[70000];

	au = (struct h264_au){ .p = room, .cap = cap };
	h264_au_reset(&au);
}

START_TEST(packets_become_a_sample)
{
	uint8_t want[64];
	size_t n = unhex("00000002 6742  00000003 680102  00000005 6588aabbcc", want, sizeof(want));

	begin(64);
	ck_assert(!h264_complete(&au));
	ck_assert_int_eq(add("18 0002 6742 0003 680102"), H264_OK);	/* STAP-A */
	ck_assert(!au.idr);
	ck_assert_int_eq(add("7c 85 88"), H264_OK);			/* FU-A */
	ck_assert(!h264_complete(&au));
	ck_assert_int_eq(add("7c 05 aabb"), H264_OK);
	ck_assert_int_eq(add("7c 45 cc"), H264_OK);
	ck_assert(h264_complete(&au) && au.idr);
	ck_assert_uint_eq(au.len, n);
	ck_assert_mem_eq(au.p, want, n);
	ck_assert_int_eq(add("41 9a00"), H264_OK);			/* single */
	ck_assert_uint_eq(au.len, n + 7);
}
END_TEST

START_TEST(what_is_no_packet_of_this_mode_is_refused)	/* _i: which */
{
	static const char *const bad[] = {
		"", "c1 00", "00 11", "19 0000 0002 6742", "1a 00", "1b 00", "1d 85 0000 88", "1e 00", "1f 00",
		"18", "18 00", "18 0000", "18 0003 6742", "18 0002 6742 00", "18 0002 7c85", "7c", "7c 85", "7c c5 88", "7c 05 88", "7c 45 88", "7c 9c 88",
		"18 0002 e742",
	};

	begin(64);
	ck_assert_int_eq(add(bad[_i]), H264_MALFORMED);
}
END_TEST

START_TEST(fragments_belong_together)
{
	begin(64);
	ck_assert_int_eq(add("7c 85 88"), H264_OK);
	ck_assert_int_eq(add("7c 01 88"), H264_MALFORMED);	/* of another type */
	begin(64);
	ck_assert_int_eq(add("7c 85 88"), H264_OK);
	ck_assert_int_eq(add("41 88"), H264_MALFORMED);		/* in between */
	begin(64);
	ck_assert_int_eq(add("7c 85 88"), H264_OK);
	ck_assert_int_eq(add("7c 85 88"), H264_MALFORMED);	/* begins twice */
	for (size_t cap = 0; cap < 10; cap++) {
		begin(cap);
		ck_assert(add("7c 85 88") == H264_TOO_LONG || add("7c 05 aabbccdd") == H264_TOO_LONG || add("7c 45 ee") == H264_TOO_LONG);
	}
	begin(6);
	ck_assert_int_eq(add("41 88"), H264_OK);
	ck_assert_int_eq(add("41 88"), H264_TOO_LONG);
}
END_TEST

START_TEST(a_sample_becomes_packets_and_the_same_sample)	/* _i: octets of a packet */
{
	static uint8_t sample[60000];
	size_t cap = (size_t)_i, n = 0, count = 0;
	struct h264_split s;

	for (size_t len = 1; n + 4 + len < sizeof(sample); len = len * 3 / 2 + 1) {
		sample[n] = sample[n + 1] = 0;
		sample[n + 2] = (uint8_t)(len >> 8);
		sample[n + 3] = (uint8_t)len;
		sample[n + 4] = 0x65;
		for (size_t i = 1; i < len; i++)
			sample[n + 4 + i] = (uint8_t)(len * 7 + i);
		n += 4 + len;
	}
	begin(sizeof(sample));
	ck_assert_int_eq(h264_split(&s, sample, n), 0);
	for (size_t k; (k = h264_next(&s, out, cap)) > 0; count++) {
		ck_assert_uint_le(k, cap);
		ck_assert_int_eq(h264_add(&au, out, k), H264_OK);
		ck_assert_int_eq(h264_ended(&s), au.len == n);
	}
	ck_assert(h264_complete(&au) && h264_ended(&s));
	ck_assert_uint_eq(au.len, n);
	ck_assert_mem_eq(au.p, sample, n);
	ck_assert_uint_ge(count, n / cap);
	ck_assert_uint_eq(h264_next(&s, out, cap), 0);
}
END_TEST

START_TEST(what_is_no_sample_is_not_split)
{
	static const char *const bad[] = { "", "00000001", "00000000 65", "00000003 6500", "00000001 65 00", "00000001 18", "00000001 e5", "ffffffff 65" };
	struct h264_split s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t n = unhex(bad[i], buf, sizeof(buf));
		ck_assert_int_eq(h264_split(&s, buf, n), -1);
	}
}
END_TEST

START_TEST(how_an_access_unit_may_begin)
{
	static const struct { const char *hex; bool may; } t[] = {
		{ "09f0", true }, { "6742", true }, { "6801", true }, { "0605", true }, { "6588", true }, { "6508", false }, { "419a", true }, { "4108", false },
		{ "18 0002 6742", true }, { "18 0002 4108", false }, { "7c 85 88", true }, { "7c 05 88", false }, { "7c 85 08", false }, { "", false },
		{ "0c00", false }, { "18", false }, { "7c", false },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		size_t n = unhex(t[i].hex, buf, sizeof(buf));
		ck_assert_msg(h264_may_begin(buf, n) == t[i].may, "%s", t[i].hex);
	}
}
END_TEST

SUITE("au", tcase_add_test(t, the_worked_example_reads_and_writes); tcase_add_test(t, several_in_a_packet);
      tcase_add_test(t, video_has_flags_that_are_no_octets); tcase_add_test(t, selective_encryption_takes_the_flag_at_either_end);
      tcase_add_test(t, parameters_have_bounds); tcase_add_test(t, fragments_state_the_whole); tcase_add_test(t, packets_become_a_sample);
      tcase_add_loop_test(t, what_is_no_packet_of_this_mode_is_refused, 0, 22); tcase_add_test(t, fragments_belong_together);
      tcase_add_loop_test(t, a_sample_becomes_packets_and_the_same_sample, 3, 40); tcase_add_loop_test(t, a_sample_becomes_packets_and_the_same_sample, 1398, 1402);
      tcase_add_test(t, what_is_no_sample_is_not_split); tcase_add_test(t, how_an_access_unit_may_begin))
