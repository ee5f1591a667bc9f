/* tests/unit/test_ts.c: transport stream packets, and what PAT, CAT and PMTs teach, from packets made here by hand and from the clip */
#include "proto/ts.h"
#include <stdio.h>
#include <string.h>
#include "tests/suite.h"

static struct ts_psi psi;
static uint8_t counters[TS_PIDS];

static void
up(void)
{
	ts_psi_init(&psi);
	memset(counters, 0, sizeof(counters));
}

static void
feed_packet(const uint8_t *p)
{
	struct ts_packet k;

	ck_assert_int_eq(ts_parse(p, &k), 0);
	ts_psi_feed(&psi, p, &k);
}

static void
put_packet(uint8_t *p, uint16_t pid, bool start, const uint8_t *payload, size_t len)
{
	memset(p, 0xff, TS_PACKET);
	p[0] = TS_SYNC;
	p[1] = (uint8_t)((start ? TS_UNIT_START : 0) | pid >> 8);
	p[2] = (uint8_t)pid;
	p[3] = (uint8_t)(TS_PAYLOAD | (counters[pid]++ & TS_COUNTER));
	memcpy(p + TS_HEADER, payload, len);
}

/* A section with header and CRC, in as many packets as it takes. */
static void
feed(uint16_t pid, uint8_t table, uint16_t extension, unsigned version, const uint8_t *body, size_t n)
{
	uint8_t s[1 + TS_SECTION + 64] = { 0 }, *p = s + 1, packet[TS_PACKET];
	size_t len = 8 + n + 4;

	memcpy(p, (uint8_t[]){ table, (uint8_t)(0xb0 | (len - 3) >> 8), (uint8_t)(len - 3), (uint8_t)(extension >> 8), (uint8_t)extension,
	    (uint8_t)(0xc1 | version << 1), 0, 0 }, 8);
	memcpy(p + 8, body, n);
	uint32_t crc = ts_crc(p, len - 4);
	memcpy(p + len - 4, (uint8_t[]){ (uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8), (uint8_t)crc }, 4);
	for (size_t at = 0, k; at < 1 + len; at += k) {
		k = 1 + len - at < 184 ? 1 + len - at : 184;
		put_packet(packet, pid, at == 0, s + at, k);
		feed_packet(packet);
	}
}
#define FEED(pid, table, extension, version, ...) \
	feed(pid, table, extension, version, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static bool clear(uint16_t pid) { return ts_psi_clear(&psi, pid); }

START_TEST(header_is_read)
{
	uint8_t p[TS_PACKET] = { 0x47, 0xc1, 0x23, 0xf5, 3, 0x80 };
	struct ts_packet k;

	ck_assert_int_eq(ts_parse(p, &k), 0);
	ck_assert_uint_eq(k.pid, 0x123);
	ck_assert(k.error && k.unit_start && k.discontinuity);
	ck_assert_uint_eq(k.scrambling, TS_ODD);
	ck_assert_uint_eq(k.counter, 5);
	ck_assert_uint_eq(k.at, 8);
	ck_assert_uint_eq(k.len, 180);
	p[3] = 0x25;			/* adaptation field only */
	p[4] = 183;
	ck_assert_int_eq(ts_parse(p, &k), 0);
	ck_assert_uint_eq(k.len, 0);
	p[4] = 184;
	ck_assert_int_eq(ts_parse(p, &k), -1);
	p[4] = 183;
	p[3] = 0x05;			/* reserved */
	ck_assert_int_eq(ts_parse(p, &k), -1);
	p[3] = 0x15;
	ck_assert_int_eq(ts_parse(p, &k), 0);
	ck_assert_uint_eq(k.len, 184);
	p[0] = 0x46;
	ck_assert_int_eq(ts_parse(p, &k), -1);
}
END_TEST

START_TEST(nothing_is_known_at_first)
{
	for (unsigned pid = 0; pid < TS_PIDS; pid++)
		ck_assert_int_eq(clear((uint16_t)pid), pid <= 0x1f || pid == 0x1fff);
	ck_assert(!psi.pat);
}
END_TEST

START_TEST(tables_are_followed)
{
	FEED(0, 0, 1, 0, 0, 0, 0xe0, 0x30, 0, 1, 0xe1, 0x00, 0, 2, 0xe2, 0x00);	/* NIT 0x30, programs 1, 2 */
	ck_assert(psi.pat && clear(0x30) && clear(0x100) && clear(0x200) && !clear(0x101));
	/* PCR 0x101; CA_descriptor ECM 0x110; video 0x101 with a CA_descriptor of its own, 0x111; audio 0x102 */
	FEED(0x100, 2, 1, 0, 0xe1, 1, 0xf0, 6, 9, 4, 0x4a, 0x75, 0xe1, 0x10, 0x1b, 0xe1, 1, 0xf0, 8, 9, 6, 0x4a, 0x75, 0xe1, 0x11, 7, 7,
	    0x0f, 0xe1, 2, 0xf0, 0);
	ck_assert(clear(0x110) && clear(0x111) && !clear(0x101) && !clear(0x102));
	FEED(1, 1, 0xffff, 0, 9, 4, 0x4a, 0x75, 0xe1, 0x20);
	ck_assert(clear(0x120));
	/* another ECM PID: the old one is nobody's */
	FEED(0x100, 2, 1, 1, 0xe1, 1, 0xf0, 6, 9, 4, 0x4a, 0x75, 0xe1, 0x12, 0x1b, 0xe1, 1, 0xf0, 0);
	ck_assert(clear(0x112) && !clear(0x110) && !clear(0x111) && clear(0x120));
	/* a new PAT keeps what is known of a program that stays, and forgets one that goes */
	FEED(0, 0, 1, 1, 0, 1, 0xe1, 0x00);
	ck_assert(clear(0x100) && clear(0x112) && !clear(0x200) && !clear(0x30));
	FEED(0, 0, 1, 2, 0, 2, 0xe2, 0x00);
	ck_assert(!clear(0x100) && !clear(0x112) && clear(0x200));
	FEED(1, 1, 0xffff, 1, 5, 0);
	ck_assert(!clear(0x120));
}
END_TEST

START_TEST(media_is_media_whoever_claims_it)
{
	FEED(0, 0, 1, 0, 0, 1, 0xe1, 0x00, 0, 2, 0xe1, 0x01);			/* 0x101: a PMT, says the PAT */
	FEED(0x100, 2, 1, 0, 0xe1, 1, 0xf0, 12, 9, 4, 0x4a, 0x75, 0xe1, 0x01, 9, 4, 0x4a, 0x75, 0xe1, 0x02, 0x1b, 0xe1, 1, 0xf0, 0,
	    0x0f, 0xe1, 2, 0xf0, 0, 0x0f, 0xe0, 0x11, 0xf0, 0);
	FEED(1, 1, 0xffff, 0, 9, 4, 0x4a, 0x75, 0xe1, 0x02);
	ck_assert(!clear(0x101) && !clear(0x102) && !clear(0x11));
	ck_assert(clear(0x100));
}
END_TEST

START_TEST(what_is_not_in_force_or_not_whole_teaches_nothing)
{
	uint8_t p[TS_PACKET], section[] = { 0, 0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe1, 0, 0, 0, 0, 0 };
	uint32_t crc;

	put_packet(p, 0, true, section, sizeof(section));	/* no right CRC */
	feed_packet(p);
	section[6] = 0xc0;					/* next, not current */
	crc = ts_crc(section + 1, 12);
	memcpy(section + 13, (uint8_t[]){ (uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8), (uint8_t)crc }, 4);
	put_packet(p, 0, true, section, sizeof(section));
	feed_packet(p);
	section[6] = 0xc1;
	crc = ts_crc(section + 1, 12);
	memcpy(section + 13, (uint8_t[]){ (uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8), (uint8_t)crc }, 4);
	put_packet(p, 0x1e, true, section, sizeof(section));	/* on another PID */
	feed_packet(p);
	put_packet(p, 0, true, section, sizeof(section));
	p[3] |= TS_EVEN;					/* scrambled */
	feed_packet(p);
	put_packet(p, 0, true, section, sizeof(section));
	p[1] |= TS_ERROR;
	feed_packet(p);
	section[0] = 183;					/* pointer beyond the packet */
	put_packet(p, 0, true, section, sizeof(section));
	feed_packet(p);
	ck_assert(!psi.pat && !clear(0x100));
	section[0] = 0;
	put_packet(p, 0, true, section, sizeof(section));
	feed_packet(p);
	ck_assert(psi.pat && clear(0x100));
}
END_TEST

/* A PAT of 110 programs in three packets; in the last of them it begins again. */
START_TEST(sections_span_packets)	/* _i: what happens to the middle packet: 0 nothing, 1 it is lost, 2 it comes twice */
{
	uint8_t body[4 * 110], s[1 + TS_SECTION] = { 0 }, *p = s + 1, packet[TS_PACKET];
	size_t len = 8 + sizeof(body) + 4;
	uint32_t crc;

	for (unsigned i = 0; i < 110; i++)
		memcpy(body + 4 * i, (uint8_t[]){ 0, (uint8_t)(i + 1), 0xe5, (uint8_t)i }, 4);
	memcpy(p, (uint8_t[]){ 0, (uint8_t)(0xb0 | (len - 3) >> 8), (uint8_t)(len - 3), 0, 1, 0xc1, 0, 0 }, 8);
	memcpy(p + 8, body, sizeof(body));
	crc = ts_crc(p, len - 4);
	memcpy(p + len - 4, (uint8_t[]){ (uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8), (uint8_t)crc }, 4);
	put_packet(packet, 0, true, s, 184);
	feed_packet(packet);
	put_packet(packet, 0, false, s + 184, 184);
	for (int k = 0; k < (_i == 1 ? 0 : _i == 2 ? 2 : 1); k++)
		feed_packet(packet);
	size_t rest = 1 + len - 368;
	uint8_t last[184];
	last[0] = (uint8_t)rest;
	memcpy(last + 1, s + 368, rest);
	memcpy(last + 1 + rest, p, 183 - rest);
	put_packet(packet, 0, true, last, 184);
	feed_packet(packet);
	ck_assert_int_eq(psi.pat, _i != 1);
	ck_assert_int_eq(clear(0x500 + 109), _i != 1);
	put_packet(packet, 0, false, p + 183 - rest, 184);
	feed_packet(packet);
	size_t done = 183 - rest + 184;
	put_packet(packet, 0, false, p + done, len - done);
	feed_packet(packet);
	ck_assert(psi.pat && clear(0x500) && clear(0x500 + 109) && !clear(0x500 + 110));
}
END_TEST

START_TEST(more_than_there_is_room_for_is_left_out)
{
	uint8_t body[4 * 200];

	for (unsigned i = 0; i < 200; i++)
		memcpy(body + 4 * i, (uint8_t[]){ 0, (uint8_t)(i + 1), 0xe5, (uint8_t)i }, 4);
	feed(0, 0, 1, 0, body, sizeof(body));
	ck_assert(clear(0x500) && clear(0x500 + TS_PROGRAMS - 1) && !clear(0x500 + TS_PROGRAMS));
	ck_assert(psi.overflow);
	for (unsigned n = 1; n <= 9; n++) {	/* 9 × 100 ECM PIDs */
		uint8_t many[4 + 100 * 6] = { 0xe1, 1, (uint8_t)(0xf0 | 600 >> 8), 600 & 0xff };
		for (unsigned i = 0; i < 100; i++)
			memcpy(many + 4 + 6 * i, (uint8_t[]){ 9, 4, 0x4a, 0x75, (uint8_t)(0xe8 + n), (uint8_t)i }, 6);
		feed((uint16_t)(0x500 + n - 1), 2, (uint16_t)n, 0, many, sizeof(many));
	}
	ck_assert(clear(0x900) && clear(0xe00 + TS_LINKS - 501) && !clear(0xe00 + TS_LINKS - 500));
	ck_assert_uint_eq(psi.nlinks, TS_LINKS);
}
END_TEST

START_TEST(the_clip_is_understood)
{
	static uint8_t p[TS_PACKET];
	FILE *f = fopen(vec_path("../../examples/media/clip.ts"), "rb");

	ck_assert_ptr_nonnull(f);
	while (fread(p, sizeof(p), 1, f) == 1)
		feed_packet(p);
	fclose(f);
	ck_assert(psi.pat && !psi.overflow);
	for (unsigned pid = 0; pid < TS_PIDS; pid++)
		ck_assert_int_eq(clear((uint16_t)pid), pid <= 0x1f || pid == 0x1000 || pid == 0x1fff);
	ck_assert_uint_eq(psi.nlinks, 2);
}
END_TEST

SUITE("ts", tcase_add_checked_fixture(t, up, NULL); tcase_add_test(t, header_is_read); tcase_add_test(t, nothing_is_known_at_first);
      tcase_add_test(t, tables_are_followed); tcase_add_test(t, media_is_media_whoever_claims_it);
      tcase_add_test(t, what_is_not_in_force_or_not_whole_teaches_nothing); tcase_add_loop_test(t, sections_span_packets, 0, 3);
      tcase_add_test(t, more_than_there_is_room_for_is_left_out); tcase_add_test(t, the_clip_is_understood))
