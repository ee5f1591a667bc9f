/* tests/unit/test_mux_ts.c: the transport stream, read back by a demultiplexer of the test's own (ISO/IEC 13818-1, 2.4) */
#include <stdlib.h>
#include <string.h>
#include "mux/ts.h"
#include "tests/suite.h"

enum { PIDS = 3, ROOM = 1 << 16 };
static const uint16_t pid_of[PIDS] = { 0x0100, 0x01f0, 0x1ffe };
static struct mux_ts *ts;
static struct mux_ts_pid *pids[PIDS];

/* What the demultiplexer has found */
static size_t datagrams, packets, largest;
static struct { int last; bool synced; size_t n; uint8_t buf[4200]; size_t have, sections; uint8_t all[ROOM]; size_t len; } got[PIDS];

static void
section_octets(int i, const uint8_t *p, size_t n)
{
	for (; n > 0; p++, n--) {
		if (got[i].have == 0 && *p == 0xff)
			return;		/* stuffing until the end of the packet */
		got[i].buf[got[i].have++] = *p;
		if (got[i].have >= 3 && got[i].have == 3u + ((got[i].buf[1] & 0x0fu) << 8 | got[i].buf[2])) {
			memcpy(got[i].all + got[i].len, got[i].buf, got[i].have);
			got[i].len += got[i].have;
			got[i].have = 0;
			got[i].sections++;
		}
	}
}

static void
demux(const uint8_t *p)
{
	const int pid = (p[1] & 0x1f) << 8 | p[2];
	int i = 0;

	ck_assert_uint_eq(p[0], 0x47);
	while (i < PIDS && pid_of[i] != pid)
		i++;
	ck_assert_msg(i < PIDS, "PID 0x%04x is nobody's", pid);
	if (got[i].last >= 0)
		ck_assert_int_eq(p[3] & 0x0f, (got[i].last + (p[3] & 0x10 ? 1 : 0)) & 0x0f);
	got[i].last = p[3] & 0x0f;
	got[i].n++;
	packets++;
	if ((p[3] & 0x30) != 0x10 || i == 2)
		return;		/* the third PID carries packets, not sections */
	if (p[1] & 0x40) {
		ck_assert_uint_le(p[4], 182);
		section_octets(i, p + 5, p[4]);
		ck_assert_uint_eq(got[i].have, 0);	/* pointer_field: here a section begins */
		section_octets(i, p + 5 + p[4], 183u - p[4]);
	} else {
		ck_assert_uint_gt(got[i].have, 0);
		section_octets(i, p + 4, 184);
	}
}

static void
emit(void *self, const uint8_t *datagram, size_t len)
{
	ck_assert_ptr_eq(self, &datagrams);
	ck_assert_uint_eq(len % MUX_TS_PACKET, 0);
	ck_assert_uint_le(len, MUX_TS_PACKET * MUX_TS_BURST);
	datagrams++;
	largest = len > largest ? len : largest;
	for (size_t at = 0; at < len; at += MUX_TS_PACKET)
		demux(datagram + at);
}

static void
begin(void)
{
	memset(got, 0, sizeof(got));
	datagrams = packets = largest = 0;
	ts = mux_ts_new(emit, &datagrams);
	for (int i = 0; i < PIDS; i++) {
		got[i].last = -1;
		pids[i] = mux_ts_pid(ts, pid_of[i]);
	}
}

static void
section(uint8_t *out, size_t len, unsigned seed)
{
	for (size_t k = 0; k < len; k++)
		out[k] = (uint8_t)(seed * 7 + k);
	out[0] = 0x82;
	out[1] = (uint8_t)(0x70 | (len - 3) >> 8);
	out[2] = (uint8_t)(len - 3);
}

/* A section of each length behind one of each fill of its packet: whole, in order, no gap in the counters. */
START_TEST(sections_of_every_length)
{
	static uint8_t want[ROOM], one[4098];
	size_t len = 0;

	begin();
	for (unsigned k = 0; k < 250; k++) {
		const size_t n = 3 + (k * 37 + (size_t)_i) % 400;
		section(one, n, k);
		if (len + n > sizeof(want))
			break;
		memcpy(want + len, one, n);
		len += n;
		mux_ts_section(ts, pids[0], one, n);
		if (k % 17 == 0)
			mux_ts_flush(ts);
	}
	mux_ts_flush(ts);
	ck_assert(!mux_ts_waits(ts));
	ck_assert_uint_eq(got[0].have, 0);
	ck_assert_uint_eq(got[0].len, len);
	ck_assert_mem_eq(got[0].all, want, len);
	mux_ts_free(ts);
}
END_TEST

START_TEST(the_largest_section)
{
	static uint8_t one[4098];

	begin();
	section(one, sizeof(one), 1);
	mux_ts_section(ts, pids[1], one, sizeof(one));
	mux_ts_flush(ts);
	ck_assert_uint_eq(got[1].sections, 1);
	ck_assert_mem_eq(got[1].all, one, sizeof(one));
	ck_assert_uint_eq(packets, 23);		/* 1 + 4098 octets in 184s */
	ck_assert_uint_eq(datagrams, 4);
	ck_assert_uint_eq(largest, 1316);
	mux_ts_free(ts);
}
END_TEST

START_TEST(small_sections_share_packets)
{
	uint8_t one[20];

	begin();
	for (unsigned k = 0; k < 18; k++) {
		section(one, sizeof(one), k);
		mux_ts_section(ts, pids[0], one, sizeof(one));
	}
	ck_assert(mux_ts_waits(ts));
	mux_ts_flush(ts);
	ck_assert_uint_eq(got[0].sections, 18);
	ck_assert_uint_eq(packets, 2);	/* 360 octets and two pointer_fields */
	mux_ts_free(ts);
}
END_TEST

/* Packets of an EMMG have any PID and counter, as TSDuck's 0x1fff; those without payload do not count. */
START_TEST(packets_get_our_pid_and_counter)
{
	uint8_t in[40 * 188];

	begin();
	for (unsigned k = 0; k < 40; k++) {
		uint8_t *p = in + k * 188;
		memset(p, (int)k, 188);
		p[0] = 0x47;
		p[1] = 0x5f;
		p[2] = 0xff;
		p[3] = (uint8_t)((k % 5 == 4 ? 0x20 : k % 7 == 6 ? 0x30 : 0x10) | (k * 3 & 0x0f));
	}
	mux_ts_packets(ts, pids[2], in, sizeof(in));
	mux_ts_flush(ts);
	ck_assert_uint_eq(got[2].n, 40);
	ck_assert_uint_eq(datagrams, 6);
	in[3] &= 0x0f;		/* adaptation_field_control 00 is reserved */
	mux_ts_packets(ts, pids[2], in, 188);
	mux_ts_flush(ts);
	ck_assert_uint_eq(got[2].n, 40);
	mux_ts_free(ts);
}
END_TEST

START_TEST(pids_interleave_and_go_on_after_a_pause)
{
	uint8_t one[100], packet[188] = { 0x47, 0x40, 0x11, 0x1a }, bare[188] = { 0x47, 0x00, 0x11, 0x2a };

	begin();
	for (unsigned k = 0; k < 64; k++) {
		section(one, sizeof(one), k);
		mux_ts_section(ts, pids[k & 1], one, sizeof(one));
		mux_ts_packets(ts, pids[2], packet, sizeof(packet));
		if (k % 9 == 0)
			mux_ts_flush(ts);
		if (k == 40)	/* the stream of the first PID has ended and comes back */
			ck_assert_ptr_eq(mux_ts_pid(ts, pid_of[0]), pids[0]);
	}
	mux_ts_packets(ts, pids[0], bare, sizeof(bare));	/* what of a section waits goes before it */
	mux_ts_flush(ts);
	ck_assert_uint_eq(got[0].sections + got[1].sections, 64);
	ck_assert_uint_eq(got[2].n, 64);
	mux_ts_free(ts);
}
END_TEST

SUITE("mux_ts", tcase_add_loop_test(t, sections_of_every_length, 0, 190); tcase_add_test(t, the_largest_section);
      tcase_add_test(t, small_sections_share_packets); tcase_add_test(t, packets_get_our_pid_and_counter);
      tcase_add_test(t, pids_interleave_and_go_on_after_a_pause))
