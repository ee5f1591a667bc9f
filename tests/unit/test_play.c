/* tests/unit/test_play.c: the sources of simulgate-play: what is due when, and which octets */
#include <string.h>
#include "tests/suite.h"
#include "tests/unit/scratch.h"
#include "tools/play.h"

enum { PACKET = 188, RATE = 2700 };	/* ticks of 27 MHz a packet in these streams: 100 us, 15 Mbit/s */
static const int64_t WRAP = ((int64_t)1 << 33) * 300;

/* ---- transport streams ---- */

static uint8_t stream[4096 * PACKET];

static void
packet(size_t i, unsigned pid, unsigned cc)
{
	uint8_t *p = stream + i * PACKET;

	memset(p, (int)(i & 0xff), PACKET);
	memcpy(p, (uint8_t[]){ 0x47, (uint8_t)(pid >> 8), (uint8_t)pid, (uint8_t)(0x10 | (cc & 15)) }, 4);
}

static void
pcr(size_t i, int64_t ticks, bool discontinuity)
{
	uint8_t *p = stream + i * PACKET;
	int64_t base = ticks / 300, ext = ticks % 300;

	p[3] |= 0x20;
	memcpy(p + 4, (uint8_t[]){ 7, (uint8_t)(0x10 | (discontinuity ? 0x80 : 0)), (uint8_t)(base >> 25), (uint8_t)(base >> 17),
	    (uint8_t)(base >> 9), (uint8_t)(base >> 1), (uint8_t)((base & 1) << 7 | 0x7e | ext >> 8), (uint8_t)ext }, 8);
}

/* n packets of PID 0x100 and, every third, 0x101, of even pace; a PCR in packet 5 and every 20th after it, from pcr0 on. */
static void
even_stream(size_t n, int64_t pcr0)
{
	unsigned cc[2] = { 3, 9 };

	for (size_t i = 0; i < n; i++) {
		unsigned second = i % 3 == 2 && i % 20 != 5;

		packet(i, 0x100 + second, cc[second]++);
		if (i % 20 == 5)
			pcr(i, (pcr0 + (int64_t)i * RATE) % WRAP, false);
	}
}

static struct play_source *
ts(size_t n, bool loop, const struct play_rtp *rtp)
{
	static const struct play_rtp none;
	struct gw_err err = { 0 };
	struct play_source *s = play_ts(stream, n * PACKET, loop, rtp ? rtp : &none, &err);

	ck_assert_msg(s != NULL, "%s", err.text);
	return s;
}

static void
refused(size_t len, const char *why)
{
	static const struct play_rtp none;
	struct gw_err err = { 0 };

	ck_assert_ptr_null(play_ts(stream, len, true, &none, &err));
	ck_assert_msg(strstr(err.text, why) != NULL, "%s", err.text);
}

static struct play_datagram
take(struct play_source *s)
{
	struct play_datagram d;
	struct gw_err err = { 0 };

	ck_assert_msg(s->next(s, &d, &err) == 1, "%s", err.text);
	return d;
}

static void
ended(struct play_source *s)
{
	struct play_datagram d;

	ck_assert_int_eq(s->next(s, &d, NULL), 0);
	ck_assert_int_eq(s->next(s, &d, NULL), 0);
	s->free(s);
}

START_TEST(packets_leave_by_sevens_in_time)	/* _i: where the PCR begins; it may wrap within the file */
{
	static const int64_t from[] = { 0, 12345678, ((int64_t)1 << 33) * 300 - 500 * RATE };
	size_t n = 1000;

	even_stream(n, from[_i]);
	struct play_source *s = ts(n, false, NULL);
	for (size_t i = 0; i < n; i += 7) {
		struct play_datagram d = take(s);

		ck_assert_int_eq(d.due_ns, (int64_t)i * 100000);
		ck_assert_uint_eq(d.len, (n - i < 7 ? n - i : 7) * PACKET);
		ck_assert_mem_eq(d.p, stream + i * PACKET, d.len);
	}
	ended(s);
}
END_TEST

START_TEST(a_varying_pace_is_followed)
{
	even_stream(70, 0);
	pcr(25, 45 * RATE, false);	/* packets 5 to 25 take twice as long */
	pcr(45, 65 * RATE, false);
	pcr(65, 85 * RATE, false);
	struct play_source *s = ts(70, false, NULL);
	static const int64_t at[] = { 0, 14, 28, 42, 53, 60, 67, 74, 81, 88 };	/* packets 0, 7, ..: 0.2 ms each until 25 */

	for (size_t k = 0; k < 10; k++)
		ck_assert_int_eq(take(s).due_ns, at[k] * 100000);
	ended(s);
}
END_TEST

START_TEST(a_loop_goes_on_in_time)
{
	size_t n = 100;	/* not a multiple of seven: datagrams reach over the border */
	struct play_source *s;

	even_stream(n, 500);
	s = ts(n, true, NULL);
	for (size_t k = 0; k < 1000; k++) {
		struct play_datagram d = take(s);

		ck_assert_int_eq(d.due_ns, (int64_t)k * 7 * 100000);
		ck_assert_uint_eq(d.len, 7 * PACKET);
		ck_assert_mem_eq(d.p + 50, stream + k * 7 % n * PACKET + 50, 100);
	}
	s->free(s);
}
END_TEST

START_TEST(counters_go_on_over_the_loop)
{
	int last[2] = { -1, -1 };
	unsigned marks = 0, pcrs = 0;
	size_t n = 100;
	struct play_source *s;

	even_stream(n, 500);
	s = ts(n, true, NULL);
	for (size_t k = 0; k < 300; k++) {
		struct play_datagram d = take(s);

		for (size_t j = 0; j < 7; j++) {
			const uint8_t *p = d.p + j * PACKET;
			unsigned pid = p[2], pass = (unsigned)((k * 7 + j) / n);
			int cc = p[3] & 15;

			ck_assert_uint_le(pid, 1);
			if (last[pid] >= 0)
				ck_assert_int_eq(cc, (last[pid] + 1) & 15);
			last[pid] = cc;
			if (!(p[3] & 0x20))
				continue;
			if (p[5] & 0x80) {
				marks++;
				ck_assert_uint_eq(pcrs, pass * 5);	/* the first of its pass */
			}
			pcrs++;
		}
	}
	ck_assert_uint_eq(marks, 20);	/* 21 passes; the first has none */
	s->free(s);
}
END_TEST

START_TEST(faults_of_the_file_stay_its_own)	/* a lost and a repeated packet, a packet without payload, null packets */
{
	static const uint8_t cc[] = { 0, 1, 3, 3, 3, 4, 5, 6, 7, 8 };	/* packet 4 carries no payload: no new number */
	static const uint8_t want[] = { 0, 1, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10, 12, 12, 12, 13, 14, 15, 0, 1, 2 };
	struct play_source *s;

	for (size_t i = 0; i < 10; i++)
		packet(i, 0x100, cc[i]);
	packet(10, 0x1fff, 5);
	stream[4 * PACKET + 3] = 0x20 | 3;
	pcr(4, 4 * RATE, false);
	stream[4 * PACKET + 3] = 0x20 | 3;
	pcr(8, 8 * RATE, false);
	s = ts(11, true, NULL);
	for (size_t k = 0, i = 0, w = 0; k < 3; k++) {
		struct play_datagram d = take(s);

		for (size_t j = 0; j < 7; j++, i++) {
			if (i % 11 == 10)
				ck_assert_uint_eq(d.p[j * PACKET + 3] & 15, 5);
			else
				ck_assert_uint_eq(d.p[j * PACKET + 3] & 15, want[w++]);
		}
	}
	s->free(s);
}
END_TEST

START_TEST(a_break_of_the_clock_keeps_the_pace)	/* _i: announced, backwards, far ahead */
{
	static const int64_t jump[] = { 5000, -60 * 27000000LL, 3600 * 27000000LL };
	struct play_source *s;

	even_stream(210, 7200 * 27000000LL);
	for (size_t i = 105; i < 210; i += 20)
		pcr(i, 7200 * 27000000LL + (int64_t)i * RATE + jump[_i], i == 105 && _i == 0);
	s = ts(210, false, NULL);
	for (int64_t k = 0; k < 30; k++)
		ck_assert_int_eq(take(s).due_ns, k * 7 * 100000);
	ended(s);
}
END_TEST

START_TEST(the_first_clock_sets_the_pace)	/* a second programme's PCRs are no part of it */
{
	struct play_source *s;

	even_stream(210, 0);
	for (size_t i = 12; i < 210; i += 20) {
		packet(i, 0x200, (unsigned)(i / 20));
		pcr(i, 99999999 + (int64_t)i * RATE * 3, false);
	}
	s = ts(210, false, NULL);
	for (int64_t k = 0; k < 30; k++)
		ck_assert_int_eq(take(s).due_ns, k * 7 * 100000);
	ended(s);
}
END_TEST

START_TEST(an_endless_loop_does_not_drift)
{
	size_t n = 701, k = 0;
	struct play_source *s;

	even_stream(n, 0);
	s = ts(n, true, NULL);
	for (; k < 700000; k++)
		take(s);
	ck_assert_int_eq(take(s).due_ns, (int64_t)k * 700000);
	s->free(s);
}
END_TEST

START_TEST(rtp_counts_on)
{
	const struct play_rtp rtp = { .on = true, .ssrc = 0xcafebabe, .timestamp = 0xfffff000, .sequence = 0x7ff0 };
	struct play_source *s;
	uint8_t want[12];

	even_stream(100, 0);
	s = ts(100, true, &rtp);
	for (unsigned k = 0; k < 70000; k++) {
		struct play_datagram d = take(s);
		uint32_t t = 0xfffff000u + k * 63u;	/* 700 us of 90 kHz */
		uint16_t seq = (uint16_t)(0x7ff0u + k);

		ck_assert_uint_eq(d.len, 12 + 7 * PACKET);
		unhex("8021 0000 00000000 cafebabe", want, sizeof(want));
		memcpy(want + 2, (uint8_t[]){ (uint8_t)(seq >> 8), (uint8_t)seq, (uint8_t)(t >> 24), (uint8_t)(t >> 16),
		    (uint8_t)(t >> 8), (uint8_t)t }, 6);
		ck_assert_mem_eq(d.p, want, 12);
		ck_assert_uint_eq(d.p[12], 0x47);
	}
	s->free(s);
}
END_TEST

START_TEST(what_has_no_pace_is_refused)
{
	even_stream(100, 0);
	refused(0, "not one whole");
	refused(187, "not one whole");
	stream[50 * PACKET] = 0x48;
	refused(100 * PACKET, "offset 9400");
	for (size_t i = 0; i < 100; i++)
		packet(i, 0x100, (unsigned)i);
	refused(100 * PACKET, "has 0 PCRs");
	pcr(50, 100, false);
	refused(100 * PACKET, "has 1 PCR:");
	pcr(60, 100, false);	/* a clock that stands */
	refused(100 * PACKET, "has 2 PCRs");
	pcr(60, 100 + RATE, true);	/* two clocks, one PCR each */
	refused(100 * PACKET, "has 2 PCRs");
}
END_TEST

/* ---- captures ---- */

static uint8_t capture[4096];
static size_t capture_len;

static void
put(const char *hex)
{
	capture_len += unhex(hex, capture + capture_len, sizeof(capture) - capture_len);
}

static void
begin(unsigned link)	/* pcap 2.4, microseconds, big-endian */
{
	char head[64];

	capture_len = 0;
	snprintf(head, sizeof(head), "a1b2c3d4 0002 0004 00000000 00000000 00010000 %08x", link);
	put(head);
}

/* A frame: its time in us, its bytes. */
static void
frame(unsigned us, const char *hex)
{
	uint8_t bytes[512];
	size_t n = unhex(hex, bytes, sizeof(bytes));
	char head[64];

	snprintf(head, sizeof(head), "%08x %08x %08zx %08zx", 1700000000u + us / 1000000, us % 1000000, n, n);
	put(head);
	put(hex);
}

static const char *
written(void)
{
	const char *path = scratch("test.pcap");
	FILE *f = fopen(path, "wb");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(capture, 1, capture_len, f), capture_len);
	fclose(f);
	return path;
}

static struct play_source *
pcap(bool loop, uint16_t port)
{
	struct gw_err err = { 0 };
	struct play_source *s = play_pcap(written(), loop, port, &err);

	ck_assert_msg(s != NULL, "%s", err.text);
	return s;
}

static void
takes(struct play_source *s, int64_t due_us, const char *payload)
{
	struct play_datagram d = take(s);

	ck_assert_int_eq(d.due_ns, due_us * 1000);
	ck_assert_uint_eq(d.len, strlen(payload));
	ck_assert_mem_eq(d.p, payload, d.len);
}

/* IPv4 and UDP in front of a payload of four octets to port 5004 (0x138c), by RFC 791 and RFC 768; checksums are not looked at. */
#define ETH "01005e000001 020000000001 0800"
#define IP4 "4500 0020 0000 0000 4011 0000 7f000001 ef000001"
#define UDP4 "1000 138c 000c 0000"
#define IP6 "60000000 000c 1140 fe800000000000000000000000000001 ff020000000000000000000000000001"

START_TEST(udp_payloads_leave_as_captured)
{
	struct play_source *s;

	begin(1);
	frame(100, "ffffffffffff 020000000001 0806 0001080006040001");			/* ARP */
	frame(1000, ETH IP4 UDP4 "6f6e6531");						/* one1 */
	frame(1500, "01005e000001 020000000001 8100 0064 0800" IP4 UDP4 "74776f32");	/* two2, VLAN 100 */
	frame(1600, "01005e000001 020000000001 88a8 0001 8100 0064 86dd" IP6 UDP4 "74687265");	/* thre, two tags, IPv6 */
	frame(1700, ETH IP4 UDP4 "666f7572 000000000000");				/* four, padded */
	frame(1800, ETH "4600 0024 0000 0000 4011 0000 7f000001 ef000001 94040000" UDP4 "66697665");	/* five, router alert */
	frame(1900, ETH "4500 0020 0000 2000 4011 0000 7f000001 ef000001" UDP4 "66726167");	/* a fragment */
	frame(1900, ETH "4500 0020 0000 0000 4006 0000 7f000001 ef000001" UDP4 "74637020");	/* TCP */
	frame(1900, ETH IP4 UDP4 "6375");						/* cut by the capture */
	frame(1900, ETH IP4 "1000 138c 0010 0000 6c6f6e67");				/* UDP longer than IP */
	frame(1900, ETH IP4 "1000 138c 0007 0000 73686f72");				/* UDP shorter than its header */
	frame(1900, ETH "4400 0020");
	frame(2000, ETH IP4 "1000 138d 000c 0000 73697836");				/* six6, another port */
	frame(1990, ETH IP4 UDP4 "7365766e");						/* sevn, out of order */
	frame(2300, ETH "4500 001c 0007 2000 4011 0000 7f000001 ef000001 1000 138c 000c 0000");	/* eigh, in two fragments */
	frame(2400, ETH "4500 0018 0007 0001 4011 0000 7f000001 ef000001 65696768");
	s = pcap(false, 0);
	takes(s, 0, "one1");
	takes(s, 500, "two2");
	takes(s, 600, "thre");
	takes(s, 700, "four");
	takes(s, 800, "five");
	takes(s, 1000, "six6");
	takes(s, 1000, "sevn");
	takes(s, 1400, "eigh");
	ended(s);
	s = pcap(false, 5005);
	takes(s, 0, "six6");
	ended(s);
}
END_TEST

START_TEST(captures_loop)
{
	struct play_source *s;

	begin(1);
	frame(1000, ETH IP4 UDP4 "6f6e6531");
	frame(1700, ETH IP4 UDP4 "74776f32");
	frame(2000, ETH IP4 UDP4 "74687265");
	s = pcap(true, 5004);
	for (int64_t pass = 0; pass < 5; pass++) {	/* 1000 us long, 500 us a datagram */
		takes(s, pass * 1500, "one1");
		takes(s, pass * 1500 + 700, "two2");
		takes(s, pass * 1500 + 1000, "thre");
	}
	s->free(s);
	begin(101);	/* raw IP */
	frame(7, IP4 UDP4 "6f6e6531");
	s = pcap(true, 0);
	takes(s, 0, "one1");
	takes(s, 1000000, "one1");	/* of one moment: once a second */
	s->free(s);
}
END_TEST

START_TEST(link_layers)	/* as libpcap numbers them in the file */
{
	static const struct { unsigned link; const char *header; } rows[] = {
		{ 1, ETH }, { 101, "" }, { 228, "" }, { 0, "00000002" }, { 108, "00000002" },
		{ 113, "0000 0001 0006 0200000000010000 0800" }, { 276, "0800 0000 00000001 0001 00 06 0200000000010000" },
	};
	char hex[512];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct play_source *s;

		begin(rows[i].link);
		snprintf(hex, sizeof(hex), "%s" IP4 UDP4 "6f6e6531", rows[i].header);
		frame(0, hex);
		s = pcap(false, 0);
		takes(s, 0, "one1");
		ended(s);
	}
}
END_TEST

START_TEST(captures_without_use_are_refused)
{
	struct gw_err err = { 0 };

	begin(1);
	frame(0, ETH IP4 UDP4 "6f6e6531");
	ck_assert_ptr_null(play_pcap(written(), true, 5005, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "port 5005"));
	begin(1);
	ck_assert_ptr_null(play_pcap(written(), true, 0, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "no whole UDP datagram"));
	begin(105);	/* IEEE 802.11 */
	ck_assert_ptr_null(play_pcap(written(), true, 0, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "IEEE802_11"));
	capture_len = 10;
	ck_assert_ptr_null(play_pcap(written(), true, 0, &err));
	ck_assert_ptr_null(play_pcap("/nonexistent.pcap", true, 0, &err));
	begin(1);
	frame(0, ETH IP4 UDP4 "6f6e6531");
	frame(9, ETH IP4 UDP4 "74776f32");
	capture_len -= 3;	/* a capture that was killed: what is whole is played, then the fault is told */
	struct play_source *s = pcap(false, 0);
	struct play_datagram d;
	takes(s, 0, "one1");
	ck_assert_int_eq(s->next(s, &d, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "truncated"));
	s->free(s);
}
END_TEST

SUITE("play", tcase_add_loop_test(t, packets_leave_by_sevens_in_time, 0, 3); tcase_add_test(t, a_varying_pace_is_followed);
    tcase_add_test(t, a_loop_goes_on_in_time); tcase_add_test(t, counters_go_on_over_the_loop);
    tcase_add_test(t, faults_of_the_file_stay_its_own); tcase_add_loop_test(t, a_break_of_the_clock_keeps_the_pace, 0, 3);
    tcase_add_test(t, the_first_clock_sets_the_pace); tcase_add_test(t, an_endless_loop_does_not_drift);
    tcase_add_test(t, rtp_counts_on); tcase_add_test(t, what_has_no_pace_is_refused);
    tcase_add_test(t, udp_payloads_leave_as_captured); tcase_add_test(t, captures_loop); tcase_add_test(t, link_layers);
    tcase_add_test(t, captures_without_use_are_refused))
