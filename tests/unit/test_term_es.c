/* tests/unit/test_term_es.c: clear RTP as files that players open */
#include "terminal/es.h"
#include <string.h>
#include "tests/suite.h"

static struct es e;
static uint8_t packet[4096], out[ES_ROOM(sizeof(packet))];

/* An RTP packet of that sequence number with a payload in hexadecimal digits; what it becomes is in out. */
static size_t
take(uint16_t seq, const char *payload)
{
	memset(packet, 0, 12);
	packet[0] = 0x80;
	packet[1] = 96;
	packet[2] = (uint8_t)(seq >> 8);
	packet[3] = (uint8_t)seq;
	return es_take(&e, packet, 12 + unhex(payload, packet + 12, sizeof(packet) - 12), out);
}

static void
gives(uint16_t seq, const char *payload, const char *want)
{
	uint8_t octets[1024];
	size_t n = unhex(want, octets, sizeof(octets));

	ck_assert_uint_eq(take(seq, payload), n);
	ck_assert_mem_eq(out, octets, n);
}

START_TEST(h264_nal_units_get_start_codes)	/* RFC 6184 5.6 to 5.8 */
{
	ck_assert_int_eq(es_init(&e, GW_MEDIA_H264, NULL), 0);
	gives(1, "65aabb", "0000000165aabb");
	gives(2, "78 0002 6742 0003 68ce3c", "00000001 6742 00000001 68ce3c");
	gives(3, "7c85 0102", "00000001 65 0102");		/* FU-A: start, middle, end */
	gives(4, "7c05 0304", "0304");
	gives(5, "7c45 05", "05");
	gives(6, "7c05 06", "");				/* no start */
	gives(7, "7c85 01", "00000001 65 01");
	gives(9, "7c05 02", "");				/* one is lost: nothing more of this unit */
	gives(10, "7c45 03", "");
	gives(11, "41ff", "00000001 41ff");
}
END_TEST

START_TEST(h264_that_does_not_parse_is_nothing)
{
	ck_assert_int_eq(es_init(&e, GW_MEDIA_H264, NULL), 0);
	gives(1, "", "");
	gives(2, "78", "");
	gives(3, "78 0009 6742", "");
	gives(4, "78 0000 0001 67", "");
	gives(5, "7c", "");
	gives(6, "79 0000 0001 67", "");	/* STAP-B */
	gives(7, "00ff", "");
}
END_TEST

START_TEST(aac_frames_get_adts_headers)		/* AAC-LC, 48 kHz, stereo; 13+3 bits of AU header */
{
	ck_assert_int_eq(es_init(&e, GW_MEDIA_AAC, "1190; mode=AAC-hbr"), 0);
	gives(1, "0010 0018 aabbcc", "fff14c80 015ffc aabbcc");
	gives(2, "0020 0010 0008 aabb cc", "fff14c80 013ffc aabb fff14c80 011ffc cc");
	gives(3, "0010 0028 0102", "");			/* 5 octets, in three fragments */
	gives(4, "0010 0028 0304", "");
	gives(5, "0010 0028 05", "fff14c80 019ffc 0102030405");
	gives(6, "0010 0028 0102", "");
	gives(8, "0010 0028 0304", "");			/* one is lost: what was begun stays without end */
	gives(9, "0010 0018 aabbcc", "fff14c80 015ffc aabbcc");
	gives(10, "0010", "");
	gives(11, "ffff 0018", "");
	gives(12, "0010 0000 aa", "");
	gives(13, "0020 0018 0018 aabbcc dd", "fff14c80 015ffc aabbcc");
}
END_TEST

START_TEST(aac_configurations)
{
	static const struct { const char *config; int rc; uint8_t profile, rate, channels; } rows[] = {
		{ "1190", 0, 1, 3, 2 }, { "1210", 0, 1, 4, 2 }, { "1408", 0, 1, 8, 1 }, { "2b118800", 0, 1, 6, 2 },
		{ "EB098800", 0, 1, 6, 1 }, { NULL, -1, 0, 0, 0 }, { "", -1, 0, 0, 0 }, { "1180", -1, 0, 0, 0 }, { "1f90", -1, 0, 0, 0 },
	};

	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		ck_assert_msg(es_init(&e, GW_MEDIA_AAC, rows[k].config) == rows[k].rc, "row %zu", k);
		if (rows[k].rc < 0)
			continue;
		ck_assert_msg(e.profile == rows[k].profile && e.rate == rows[k].rate && e.channels == rows[k].channels, "row %zu: %u %u %u", k,
		    e.profile, e.rate, e.channels);
	}
	ck_assert_str_eq(es_config("profile-level-id=1;config=1190;x"), "1190;x");
	ck_assert_str_eq(es_config("Config=1190"), "1190");
	ck_assert_ptr_null(es_config("reconfig=1; mode=config"));
	ck_assert_ptr_null(es_config(NULL));
}
END_TEST

START_TEST(transport_streams_are_bare)
{
	uint8_t ts[2 * 188] = { 0x47, 1 };

	ts[188] = 0x47;
	ck_assert_int_eq(es_init(&e, GW_MEDIA_TS, NULL), 0);
	memset(packet, 0, 12);
	packet[0] = 0x80;
	memcpy(packet + 12, ts, sizeof(ts));
	ck_assert_uint_eq(es_take(&e, packet, 12 + sizeof(ts), out), sizeof(ts));
	ck_assert_mem_eq(out, ts, sizeof(ts));
	ck_assert_uint_eq(es_take(&e, ts, sizeof(ts), out), sizeof(ts));
	ck_assert_mem_eq(out, ts, sizeof(ts));
	ck_assert_uint_eq(es_take(&e, ts, sizeof(ts) - 1, out), 188);
	packet[12 + 188] = 0;
	ck_assert_uint_eq(es_take(&e, packet, 12 + sizeof(ts), out), 188);
	ck_assert_uint_eq(es_take(&e, packet, 11, out), 0);
	ck_assert_uint_eq(es_take(&e, packet, 0, out), 0);
}
END_TEST

SUITE("term_es", tcase_add_test(t, h264_nal_units_get_start_codes); tcase_add_test(t, h264_that_does_not_parse_is_nothing);
      tcase_add_test(t, aac_frames_get_adts_headers); tcase_add_test(t, aac_configurations); tcase_add_test(t, transport_streams_are_bare))
