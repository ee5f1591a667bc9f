/* tests/unit/test_mux_stream.c: shares, shaping, repetition, and the map of the command line */
#include "tests/unit/mux_peer.h"

static struct mux_stream *
stream(uint16_t data_id)
{
	struct mux_stream *s = mux_stream_find(&e, 0x4ae60001, data_id);

	ck_assert_ptr_nonnull(s);
	return s;
}

static struct mux_stream *
fresh(uint16_t data_id, uint64_t most_bps, unsigned repeat)
{
	struct mux_route r = { .client_id = 0x4ae60001, .data_id = data_id, .most_bps = most_bps, .repeat = repeat, .repeat_ms = 100 };
	struct gw_err err = { 0 };
	struct mux_stream *s;

	gw_addr_parse("udp://10.0.0.1:9", GW_UDP, &r.out, &err);
	s = mux_stream_new(&e, NULL, &r, 0, 2, now, &err);
	ck_assert_msg(s != NULL, "%s", err.text);
	return s;
}

/* Wants and the shares that follow, in kbit/s, out of a total of 1000 */
static const struct { size_t n; unsigned want[5], get[5]; } shares[] = {
	{ 1, { 300 }, { 300 } }, { 1, { 5000 }, { 1000 } }, { 2, { 5000, 5000 }, { 500, 500 } }, { 2, { 100, 5000 }, { 100, 900 } },
	{ 3, { 800, 200, 600 }, { 400, 200, 400 } }, { 3, { 300, 300, 400 }, { 300, 300, 400 } }, { 3, { 1000, 0, 10 }, { 990, 0, 10 } },
	{ 5, { 900, 900, 900, 100, 50 }, { 283, 283, 284, 100, 50 } },
};
enum { NSHARES = sizeof(shares) / sizeof(shares[0]) };

START_TEST(shares_are_max_min_fair)
{
	struct mux_stream *s[5];
	uint64_t sum = 0;

	start(false);
	for (size_t i = 0; i < shares[_i].n; i++)
		s[i] = fresh((uint16_t)(100 + i), shares[_i].want[i] * UINT64_C(1000), 1);
	for (size_t i = 0; i < shares[_i].n; i++) {
		ck_assert_uint_le(s[i]->grant_bps, (shares[_i].get[i] + 1) * 1000);
		ck_assert_uint_ge(s[i]->grant_bps + 1000, shares[_i].get[i] * 1000);
		sum += s[i]->grant_bps;
	}
	ck_assert_uint_le(sum, e.total_bps);
	/* what goes gives its share back */
	for (size_t i = 1; i < shares[_i].n; i++)
		mux_stream_end(&e, s[i]);
	ck_assert_uint_eq(s[0]->grant_bps, shares[_i].want[0] > 1000 ? 1000000 : shares[_i].want[0] * 1000);
	ck_assert(!e.tight);
	finish();
}
END_TEST

/* A cap, a request below and above it, and what a newcomer changes is said to whom it concerns: those that asked. */
START_TEST(allocations_are_told)
{
	start(false);
	for (size_t i = 0; i < map.n; i++)
		if (map.v[i].data_id == 32)
			map.v[i].most_bps = 700000;
	fed(0, SETUP);
	fed(0, STREAM3);
	ck_assert_ptr_nonnull(strstr(fed(0, ASK("00fa")), "stream_BW_allocation " NAMES " bandwidth=250kbit/s\n"));
	ck_assert_ptr_nonnull(strstr(fed(0, ASK("ffff")), "bandwidth=700kbit/s\n"));
	fed(1, "0300110013000100044ae600020003000200010002000100");
	/* another client's stream: it wants all, and the fair part is half */
	ck_assert_str_eq(fed(1, "030111001f000100044ae600020003000200010004000200030008000200200007000100"),
	    "0: v3 stream_BW_allocation " NAMES " bandwidth=500kbit/s\n"
	    "1: v3 stream_status client_id=0x4ae60002 data_channel_id=1 data_stream_id=3 data_id=32 data_type=0\n");
	ck_assert_str_eq(fed(1, "0301170014000100044ae60002000300020001000400020003"),	/* a question is no request */
	    "1: v3 stream_BW_allocation client_id=0x4ae60002 data_channel_id=1 data_stream_id=3 bandwidth=500kbit/s\n");
	ck_assert_str_eq(fed(1, "030117001a000100044ae60002000300020001000400020003000600020064"),
	    "0: v3 stream_BW_allocation " NAMES " bandwidth=700kbit/s\n"
	    "1: v3 stream_BW_allocation client_id=0x4ae60002 data_channel_id=1 data_stream_id=3 bandwidth=100kbit/s\n");
	ck_assert_ptr_nonnull(strstr(fed(1, "030117001a000100044ae600020003000200010004000200030006000203e8"), "0: v3 stream_BW_allocation " NAMES " bandwidth=500kbit/s\n"));
	hush();
	mux_channel_fini(&peer[1]);	/* its connection is lost: its share is free at once */
	ck_assert_str_eq(out, "0: v3 stream_BW_allocation " NAMES " bandwidth=700kbit/s\n");
	e.total_bps = 200000;
	hush();
	mux_intake_revise(&e, now);
	ck_assert_str_eq(out, "0: v3 stream_BW_allocation " NAMES " bandwidth=200kbit/s\n");
	finish();
}
END_TEST

/* Ten times what it may: over ten seconds it gets on air what was granted and no more, and no other stream notices. */
START_TEST(a_greedy_stream_is_shaped_alone)
{
	static uint8_t datagram[1250];	/* 10 kbit */
	struct mux_stream *greedy, *modest;
	uint64_t refused = 0;

	start(false);
	greedy = fresh(100, 500000, 1);
	modest = fresh(101, 500000, 1);
	quiet = true;
	for (int ms = 0; ms < 10000; ms++) {
		now += 1000;
		for (int k = 0; k < 5 && ms % 10 == 0; k++)
			refused += !mux_stream_offer(&e, greedy, datagram, sizeof(datagram), now);
		if (ms % 25 == 0)	/* 400 kbit/s */
			ck_assert(mux_stream_offer(&e, modest, datagram, sizeof(datagram), now));
		if (ms % 5 == 0)
			mux_intake_run(&e, now);
	}
	ck_assert_uint_ge(greedy->bits, 4900000);
	ck_assert_uint_le(greedy->bits, 5000000 + 50000 + 10000);	/* a bucket of 100 ms and the last datagram's debt */
	ck_assert_uint_eq(modest->bits, 4000000);
	ck_assert_uint_eq(modest->nwaiting, 0);
	ck_assert_uint_le(greedy->nwaiting, MUX_QUEUE_BYTES);
	ck_assert_uint_eq(greedy->dropped, refused);
	ck_assert_uint_gt(refused, 4000);
	ck_assert_uint_eq(greedy->in, greedy->sent + greedy->dropped + greedy->nwaiting / sizeof(datagram));
	mux_intake_time(&e, now);
	ck_assert_uint_ge(modest->rate_bps, 399000);
	ck_assert_uint_le(modest->rate_bps, 401000);
	finish();
}
END_TEST

START_TEST(over_rate_is_said_once_a_second)
{
	static char hex[20000];
	size_t n = 0;
	int said = 0;

	set_up(false);
	fed(0, ASK("0001"));	/* 1 kbit/s */
	n = (size_t)snprintf(hex, sizeof(hex), "0302110ff6" IDS);
	n += (size_t)snprintf(hex + n, sizeof(hex) - n, "00050fd8827fd5");
	while (n < 2 * (5 + 0x0ff6))
		n += (size_t)snprintf(hex + n, sizeof(hex) - n, "00");
	quiet = true;
	for (int i = 0; i < 200; i++) {	/* 4 KiB each for 2 s */
		now += 10000;
		if (strstr(fed(0, hex), "stream_error " NAMES " error_status=0x000f"))
			said++;
		ck_assert_ptr_null(strstr(out, "0x000b"));
	}
	ck_assert_int_eq(said, 2);
	ck_assert_uint_gt(stream(32)->dropped, 100);
	ck_assert_uint_le(stream(32)->nwaiting, MUX_QUEUE_BYTES);
	finish();
}
END_TEST

START_TEST(sections_cost_what_packets_take)
{
	static uint8_t section[183] = { 0x82, 0x70, 180 };
	struct mux_stream *s;

	start(false);
	s = fresh(100, 500000, 1);
	s->flag = 0;
	quiet = true;
	ck_assert(mux_stream_offer(&e, s, section, sizeof(section), now));
	ck_assert_uint_eq(s->bits, 188 * 8);
	finish();
}
END_TEST

/* Three times, 100 ms apart, within one share: the EMMG is told a third of it. */
START_TEST(repetitions)
{
	const uint8_t a[10] = { 'a' }, b[10] = { 'b' };
	struct mux_stream *s;

	start(false);
	s = fresh(100, 300000, 3);
	ck_assert_uint_eq(mux_stream_kbps(s), 100);
	hush();
	mux_stream_offer(&e, s, a, sizeof(a), now);
	ck_assert_str_eq(out, "air 10.0.0.1:9 10:61\n");
	at(50);
	mux_stream_offer(&e, s, b, sizeof(b), now);
	ck_assert_int_eq(mux_intake_run(&e, now), 1000000 + 100000);
	ck_assert_str_eq(at(99), "");
	ck_assert_str_eq(at(100), "air 10.0.0.1:9 10:61\n");
	ck_assert_str_eq(at(150), "air 10.0.0.1:9 10:62\n");
	ck_assert_str_eq(at(200), "air 10.0.0.1:9 10:61\n");
	ck_assert_str_eq(at(250), "air 10.0.0.1:9 10:62\n");
	ck_assert_str_eq(at(5000), "");
	ck_assert_int_eq(mux_intake_run(&e, now), INT64_MAX);
	ck_assert_uint_eq(s->sent, 6);
	finish();
}
END_TEST

START_TEST(a_large_datagram_passes_a_small_bucket)
{
	static uint8_t large[65000];
	struct mux_stream *s;

	start(false);
	s = fresh(100, 64000, 1);
	ck_assert(mux_stream_offer(&e, s, large, sizeof(large), now));
	ck_assert_uint_eq(on_air, 1);
	ck_assert(mux_stream_offer(&e, s, large, sizeof(large), now));	/* 520 kbit: eight seconds' worth is owed */
	at(7000);
	ck_assert_uint_eq(on_air, 1);
	for (int ms = 7000; ms < 9000; ms += 5)
		at(ms);
	ck_assert_uint_eq(on_air, 2);
	finish();
}
END_TEST

static const char *const bad_maps[] = { "", "1", "1/2", "1/2=", "1/2=tcp://127.0.0.1:1", "0x100000000/2=udp://127.0.0.1:1",
	"1/65536=udp://127.0.0.1:1", "2/1/2=udp://127.0.0.1:1", "-1/2=udp://127.0.0.1:1", "1/2/=udp://127.0.0.1:1", "1//2=udp://127.0.0.1:1",
	"0/1/2/3=udp://127.0.0.1:1", "7/8=udp://127.0.0.1:2", "1/2=udp://127.0.0.1:1?pid=1" };
enum { NBAD = sizeof(bad_maps) / sizeof(bad_maps[0]) };

START_TEST(maps_that_are_refused)
{
	struct mux_map m = { 0 };
	struct gw_err err = { 0 };

	ck_assert_int_eq(mux_map_add(&m, "7/8=udp://127.0.0.1:1", &err), 0);
	ck_assert_int_eq(mux_map_add(&m, bad_maps[_i], &err), -1);
	ck_assert_uint_gt(strlen(err.text), 10);
	ck_assert_uint_eq(m.n, 1);
	mux_map_free(&m);
}
END_TEST

START_TEST(maps_are_searched)
{
	struct mux_map m = { 0 };
	char text[64];

	for (unsigned i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "%u/%u=udp://127.0.0.1:%u", i * 7919 % 500 / 10, i * 7919 % 500 % 10, 1000 + i * 7919 % 500);
		ck_assert_int_eq(mux_map_add(&m, text, NULL), 0);
	}
	for (unsigned i = 0; i < 500; i++)
		ck_assert_uint_eq(mux_map_find(&m, 1, i / 10, (uint16_t)(i % 10))->out.port, 1000 + i);
	ck_assert_ptr_null(mux_map_find(&m, 1, 50, 0));
	ck_assert_ptr_null(mux_map_find(&m, 1, 0, 10));
	ck_assert(mux_map_knows(&m, 49) && !mux_map_knows(&m, 50));
	mux_map_add(&m, "1/60/1=udp://127.0.0.1:1", NULL);
	ck_assert_ptr_null(mux_map_find(&m, 0, 60, 1));
	ck_assert_ptr_nonnull(mux_map_find(&m, 1, 60, 1));
	ck_assert_ptr_nonnull(mux_map_find(&m, MUX_ANY_TYPE, 60, 1));
	mux_map_free(&m);
}
END_TEST

SUITE("mux_stream", tcase_add_loop_test(t, shares_are_max_min_fair, 0, NSHARES); tcase_add_test(t, allocations_are_told);
      tcase_add_test(t, a_greedy_stream_is_shaped_alone); tcase_add_test(t, over_rate_is_said_once_a_second);
      tcase_add_test(t, sections_cost_what_packets_take); tcase_add_test(t, repetitions);
      tcase_add_test(t, a_large_datagram_passes_a_small_bucket); tcase_add_loop_test(t, maps_that_are_refused, 0, NBAD);
      tcase_add_test(t, maps_are_searched))
