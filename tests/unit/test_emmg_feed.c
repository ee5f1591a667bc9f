/* tests/unit/test_emmg_feed.c: pace, sources from files and plugins, and how datagrams are packed into messages */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "emmg/feed.h"
#include "lib/log.h"
#include "proto/emmg_mux.h"
#include "tests/suite.h"
#include "tests/unit/scratch.h"

#define MS INT64_C(1000)
#define S INT64_C(1000000)
static const int64_t T0 = INT64_C(5000) * S;

/* ---- pace ---- */

static const struct { uint8_t format; size_t len; uint64_t packets, octets; } costs[] = {
	{ EMMG_SECTION, 3, 1, 0 }, { EMMG_SECTION, 183, 1, 0 }, { EMMG_SECTION, 184, 2, 0 }, { EMMG_SECTION, 4096, 23, 0 },
	{ EMMG_TSPKT, 1316, 7, 0 }, { EMMG_BCAST, 100, 0, 100 },
};

START_TEST(bits_are_those_of_packets)
{
	for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++)
		ck_assert_uint_eq(emmg_pace_bits(costs[i].format, costs[i].len), costs[i].packets * 1504 + costs[i].octets * 8);
}
END_TEST

static const uint32_t rates[] = { 1000, 64000, 1000000, 65535000 };

/* Timers that are late by up to 30 ms: the rate is not exceeded in any stretch but for 20 ms and a message, and is kept. */
START_TEST(the_rate_is_kept)	/* _i: row */
{
	struct emmg_pace p = { 0, 0 };
	uint64_t bits = 0, last = 0;
	int64_t t = T0, end = T0 + 600 * S;
	uint32_t x = 12345;

	ck_assert(!emmg_pace_due(&p, T0));
	ck_assert_int_eq(emmg_pace_next(&p), INT64_MAX);
	emmg_pace_rate(&p, rates[_i], T0);
	while (t < end) {
		while (emmg_pace_due(&p, t)) {
			x = x * 1664525 + 1013904223;
			last = 8 * (1 + x % 1400);
			emmg_pace_spend(&p, last, t);
			bits += last;
			ck_assert(bits <= (uint64_t)(t - T0 + 20 * MS) * rates[_i] / S + last);
		}
		x = x * 1664525 + 1013904223;
		t = emmg_pace_next(&p) + ((x >> 8) % 997 == 0 ? 30 * MS : x % 1000);
	}
	ck_assert(bits >= 600 * (uint64_t)rates[_i] * 95 / 100);
}
END_TEST

START_TEST(another_rate_counts_what_was_spent)
{
	struct emmg_pace p = { 0, 0 };

	emmg_pace_rate(&p, 1000, T0);
	emmg_pace_spend(&p, 1000, T0);
	ck_assert_int_eq(emmg_pace_next(&p), T0 + S);
	emmg_pace_rate(&p, 10000, T0);
	ck_assert_int_eq(emmg_pace_next(&p), T0 + 100 * MS);
	emmg_pace_rate(&p, 0, T0 + 50 * MS);
	ck_assert(!emmg_pace_due(&p, T0 + 9 * S));
	emmg_pace_rate(&p, 500, T0 + 60 * MS);
	ck_assert(emmg_pace_due(&p, T0 + 100 * MS));
}
END_TEST

/* ---- sources ---- */

static char dir[128], file[256];

static void
put(const char *name, const void *p, size_t n)
{
	FILE *f;

	snprintf(file, sizeof(file), "%s", scratch(name));
	ck_assert_ptr_nonnull(f = fopen(file, "wb"));
	ck_assert_uint_eq(fwrite(p, 1, n, f), n);
	fclose(f);
}

static void
prepare(void)
{
	gw_log_init("test", GW_ERR);
	snprintf(dir, sizeof(dir), "%s", scratch("."));
}

/* "Read so many octets": the next datagram. */
static size_t
next(struct emmg_source *s, uint8_t *out, int64_t now)
{
	size_t n = emmg_source_peek(s, now);

	if (n)
		emmg_source_take(s, out);
	return n;
}

static const uint8_t sections[] = { 0x82, 0x70, 2, 1, 2, 0x83, 0x70, 0, 0x84, 0x70, 1, 9 };

START_TEST(sections_of_a_file)
{
	struct gw_err err = { 0 };
	struct emmg_source *s;
	uint8_t out[64];

	put("s", sections, sizeof(sections));
	s = emmg_source_file(file, EMMG_SECTION, false, &err);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(emmg_source_size(s), 3);
	ck_assert_uint_eq(next(s, out, T0), 5);
	ck_assert_mem_eq(out, sections, 5);
	ck_assert_uint_eq(next(s, out, T0), 3);
	ck_assert(!emmg_source_ended(s));
	ck_assert_uint_eq(next(s, out, T0), 4);
	ck_assert(emmg_source_ended(s));
	ck_assert_uint_eq(next(s, out, T0), 0);
	ck_assert_int_eq(emmg_source_next(s), INT64_MAX);
	emmg_source_free(s);
	s = emmg_source_file(file, EMMG_SECTION, true, &err);
	for (int i = 0; i < 7; i++)
		ck_assert_uint_eq(next(s, out, T0), i % 3 == 0 ? 5 : i % 3 == 1 ? 3 : 4);
	ck_assert_uint_eq(emmg_source_rounds(s), 2);
	emmg_source_free(s);
}
END_TEST

static const struct { uint8_t format; const char *text; size_t len; const char *why; } bad[] = {
	{ EMMG_SECTION, "", 0, "nothing in it" }, { EMMG_SECTION, "\x82\x70\x00\x82\x70", 5, "offset 3: no whole section" },
	{ EMMG_SECTION, "\x82\x70\x05\x01", 4, "offset 0: no whole section" },
	{ EMMG_SECTION, "\x82\x70\x00\xff\xff\xff", 6, "offset 3: no whole section" },	/* stuffing is no section */
	{ EMMG_TSPKT, "\x47", 1, "offset 0: no whole TS packet" }, { EMMG_BCAST, "", 0, "offset 0: a message has" },
};

START_TEST(bad_files_are_refused_with_file_and_offset)	/* _i: row */
{
	struct gw_err err = { 0 };

	put("bad", bad[_i].text, bad[_i].len);
	ck_assert_ptr_null(emmg_source_file(file, bad[_i].format, true, &err));
	ck_assert_int_eq(err.code, GW_ECONF);
	ck_assert_ptr_nonnull(strstr(err.text, file));
	ck_assert_msg(strstr(err.text, bad[_i].why), "%s", err.text);
}
END_TEST

START_TEST(directories_and_what_is_no_file)
{
	struct gw_err err = { 0 };
	struct emmg_source *s;
	uint8_t out[64];

	put("b", "two", 3);
	put("a", "one!", 4);
	put(".hidden", "x", 1);
	s = emmg_source_file(dir, EMMG_BCAST, true, &err);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(next(s, out, T0), 4);
	ck_assert_uint_eq(next(s, out, T0), 3);
	ck_assert_mem_eq(out, "two", 3);
	emmg_source_free(s);
	ck_assert_ptr_null(emmg_source_file(dir, EMMG_SECTION, true, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "is no file"));
	ck_assert_ptr_null(emmg_source_file("/nowhere", EMMG_SECTION, true, &err));
	ck_assert_ptr_null(emmg_source_file("/dev/zero", EMMG_SECTION, true, &err));
	put("empty", "", 0);
	ck_assert_ptr_null(emmg_source_file(dir, EMMG_BCAST, true, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "empty: offset 0"));
}
END_TEST

/* ---- the plugin ---- */

static uv_loop_t loop;
static int readies;

static const char *
plugin(const char *name)
{
	static char path[4096];
	const char *top = getenv("top_builddir");

	snprintf(path, sizeof(path), "%s/tests/unit/.libs/%s.so", top ? top : ".", name);
	return path;
}

static void
on_ready(void *self)
{
	(void)self;
	readies++;
}

static const struct kms_ltkm what = { .client_id = 0x4ae60001, .data_id = 32, .section_TSpkt_flag = EMMG_SECTION };

static struct emmg_source *
from_plugin(const char *name, const char *lines, struct emmg_plugin **p)
{
	struct gw_err err = { 0 };
	struct emmg_source *s;

	uv_loop_init(&loop);
	*p = emmg_plugin_open(&loop, plugin(name), lines, &err);
	ck_assert_msg(*p != NULL, "%s", err.text);
	s = emmg_source_plugin(*p, &what, &err);
	ck_assert_ptr_nonnull(s);
	emmg_source_listen(s, on_ready, NULL);
	readies = 0;
	return s;
}

static void
is(struct emmg_source *s, const char *text, int64_t now)
{
	uint8_t out[256] = { 0 };
	size_t n = next(s, out, now);

	ck_assert_str_eq((const char *)out + 3, text);
	ck_assert_uint_eq(n, strlen(text) ? strlen(text) + 3 : 0);
}

static void
done(struct emmg_source *s, struct emmg_plugin *p)
{
	emmg_source_free(s);
	emmg_plugin_close(p);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}

START_TEST(a_carousel_is_asked_anew)
{
	struct emmg_plugin *p;
	struct emmg_source *s = from_plugin("plug_ltkm", "count=2\n", &p);

	is(s, "LTKM 32 0 1", T0);
	is(s, "LTKM 32 1 1", T0);
	is(s, "", T0);				/* the end of the round: a second from its beginning */
	ck_assert_int_eq(emmg_source_next(s), T0 + S);
	is(s, "", T0 + S - 1);
	is(s, "LTKM 32 0 2", T0 + S);
	is(s, "LTKM 32 1 2", T0 + 5 * S);	/* a slow one has no pause */
	is(s, "", T0 + 5 * S);
	is(s, "LTKM 32 0 3", T0 + 5 * S);
	ck_assert_uint_eq(emmg_source_rounds(s), 2);
	ck_assert_uint_eq(emmg_source_skipped(s), 0);
	done(s, p);
}
END_TEST

START_TEST(what_goes_wrong_is_skipped)
{
	struct emmg_plugin *p;
	struct emmg_source *s = from_plugin("plug_ltkm", "count=3\nodd=ebr\n", &p);

	is(s, "", T0);				/* refused */
	ck_assert_int_eq(emmg_source_next(s), T0 + S);
	is(s, "", T0 + S);			/* no section */
	is(s, "LTKM 32 2 1", T0 + 2 * S);	/* it goes on behind them */
	ck_assert_uint_eq(emmg_source_skipped(s), 2);
	done(s, p);
	s = from_plugin("plug_ltkm", "count=9\nodd=eeeeeee\n", &p);
	for (int i = 0; i < 7; i++)		/* after three in a row from the beginning, once a second */
		is(s, "", T0 + i * S);
	ck_assert_uint_eq(emmg_source_skipped(s), 7);
	ck_assert_uint_eq(emmg_source_rounds(s), 2);
	done(s, p);
	s = from_plugin("plug_ltkm", "count=0\n", &p);
	is(s, "", T0);				/* nothing is to be on air: asked again later */
	ck_assert_int_eq(emmg_source_next(s), T0 + S);
	ck_assert_uint_eq(emmg_source_rounds(s), 0);
	done(s, p);
}
END_TEST

START_TEST(a_plugin_that_may_block_has_a_thread)
{
	struct emmg_plugin *p;
	struct emmg_source *s = from_plugin("plug_ltkm_worker", "count=2\n", &p), *other;
	struct gw_err err = { 0 };

	other = emmg_source_plugin(p, &what, &err);
	emmg_source_listen(other, on_ready, NULL);
	is(s, "", T0);				/* asked; and both at once, which the plugin would not suffer */
	is(other, "", T0);
	ck_assert_int_eq(emmg_source_next(s), INT64_MAX);
	while (readies < 2)
		uv_run(&loop, UV_RUN_ONCE);
	is(s, "LTKM 32 0 1", T0);
	is(other, "LTKM 32 0 2", T0);
	ck_assert_uint_eq(emmg_source_skipped(s) + emmg_source_skipped(other), 0);
	is(s, "", T0);				/* asked again: the answer of one that goes away is nobody's */
	is(other, "", T0);
	emmg_source_free(other);
	done(s, p);
	ck_assert_int_eq(readies, 2);
}
END_TEST

START_TEST(a_plugin_without_ltkm_is_refused)
{
	struct gw_err err = { 0 };

	uv_loop_init(&loop);
	ck_assert_ptr_null(emmg_plugin_open(&loop, plugin("plug_inline"), "", &err));
	ck_assert_int_eq(err.code, GW_EPLUGIN);
	ck_assert_msg(strstr(err.text, "makes no EMMs or LTKMs"), "%s", err.text);
	ck_assert_ptr_null(emmg_plugin_open(&loop, plugin("plug_ltkm"), "", &err));
	ck_assert_ptr_nonnull(strstr(err.text, "count is missing"));
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

/* ---- packing ---- */

static char diary[8192];	/* "tcp 3:96 udp 1:40 ": datagrams and octets of each message */
static bool full;

static int
on_message(const struct sim_iface *iface, const char *by, const void *msg, size_t len)
{
	static struct sim_msg m;
	size_t at = strlen(diary);

	ck_assert_int_eq(sim_decode_as(iface, SIM_STRICT, msg, len, &m, NULL), 0);
	if (m.type == EMMG_DATA_PROVISION)
		snprintf(diary + at, sizeof(diary) - at, "%s %zu:%zu ", by, sim_count(&m, EMMG_DATAGRAM), len);
	return 0;
}

static int
on_send(void *self, const void *msg, size_t len)
{
	(void)self;
	return on_message(&emmg_mux, "tcp", msg, len);
}

static int
on_udp(void *self, const void *msg, size_t len)
{
	(void)self;
	return full ? 1 : on_message(&emmg_mux_udp, "udp", msg, len);
}

static struct emmg_feed feed;

static void
on_rate(void *self, size_t stream, uint32_t bps)
{
	(void)self;
	(void)stream;
	if (feed.chan)
		emmg_feed_rate(&feed, bps, T0);
}

static void
on_drop(void *self, const char *why)
{
	(void)self;
	ck_abort_msg("%s", why);
}

static const struct emmg_chan_ops ops = { on_send, on_udp, on_drop, on_rate };

static struct emmg_chan *
up(bool udp)
{
	struct emmg_chan_conf conf = { .name = "k", .client_id = 7, .channel_id = 1, .version = 3, .format = EMMG_SECTION, .udp = udp };
	struct emmg_stream_conf t = { .data_id = 32, .bandwidth_bps = 1000000000 };
	static const char *const answers[] = { "03 0013 0013 0001 0004 00000007 0003 0002 0001 0002 0001 00",
		"03 0113 001f 0001 0004 00000007 0003 0002 0001 0004 0002 0001 0008 0002 0020 0007 0001 00" };
	struct emmg_chan *c = emmg_chan_new(&conf, &ops, NULL);
	char hex[128];
	uint8_t in[64];

	ck_assert_int_eq(emmg_chan_add(c, &t, T0), 0);
	emmg_chan_connected(c, "mux:1", T0);
	for (size_t i = 0; i < 2; i++) {
		size_t n = 0;
		for (const char *p = answers[i]; *p; p++)
			if (*p != ' ')
				hex[n++] = *p;
		hex[n] = '\0';
		n = unhex(hex, in, sizeof(in));
		emmg_chan_frame(c, in, n, T0);
	}
	diary[0] = '\0';
	full = false;
	return c;
}

/* Ten sections of 30 octets, then one of 2000; what went out in a round. */
static const char *
pack(unsigned datagrams, size_t bytes, size_t udp_bytes, bool tcp)
{
	static uint8_t ten[10 * 30 + 2000];
	struct emmg_feed_conf conf = { .format = EMMG_SECTION, .datagrams = datagrams, .bytes = bytes, .udp_bytes = udp_bytes };
	struct emmg_chan *c = up(udp_bytes > 0);
	struct gw_err err = { 0 };
	struct emmg_source *s;
	int64_t t = T0;

	for (size_t i = 0; i < 10; i++)
		memcpy(ten + 30 * i, "\x82\x70\x1b", 3);
	memcpy(ten + 300, "\x83\x77\xcd", 3);
	put("ten", ten, sizeof(ten));
	ck_assert_ptr_nonnull(s = emmg_source_file(file, EMMG_SECTION, false, &err));
	ck_assert_int_eq(emmg_feed_init(&feed, c, 0, s, &conf), 0);
	emmg_feed_rate(&feed, 1000000000, T0);
	while (!feed.ended && t != INT64_MAX && t < T0 + S)
		t = emmg_feed_run(&feed, tcp, t);
	emmg_feed_fini(&feed);
	feed.chan = NULL;
	emmg_source_free(s);
	emmg_chan_free(c);
	return diary;
}

START_TEST(messages_are_filled_within_their_limits)
{
	ck_assert_str_eq(pack(1, SIM_MAX, 0, true), "tcp 1:65 tcp 1:65 tcp 1:65 tcp 1:65 tcp 1:65 tcp 1:65 tcp 1:65 tcp 1:65 tcp 1:65 tcp 1:65 "
	    "tcp 1:2035 ");
	ck_assert_str_eq(pack(4, SIM_MAX, 0, true), "tcp 4:167 tcp 4:167 tcp 3:2103 ");
	ck_assert_str_eq(pack(1000, SIM_MAX, 0, true), "tcp 11:2375 ");
	ck_assert_str_eq(pack(1000, 133, 0, true), "tcp 3:133 tcp 3:133 tcp 3:133 tcp 1:65 tcp 1:2035 ");	/* to the octet */
	ck_assert_str_eq(pack(1000, 132, 0, true), "tcp 2:99 tcp 2:99 tcp 2:99 tcp 2:99 tcp 2:99 tcp 1:2035 ");
	ck_assert_str_eq(pack(1000, SIM_MAX, 1472, true), "udp 10:359 tcp 1:2035 ");
	ck_assert_str_eq(pack(3, 200, 121, true), "udp 3:121 udp 3:121 udp 3:121 udp 1:53 tcp 1:2035 ");
	ck_assert_str_eq(pack(4, SIM_MAX, 0, false), "");	/* the link is full: nothing, and nothing lost */
	ck_assert_str_eq(pack(4, SIM_MAX, 1472, false), "udp 4:155 udp 4:155 udp 2:87 ");
}
END_TEST

START_TEST(a_full_socket_is_tried_again)
{
	struct emmg_feed_conf conf = { .format = EMMG_SECTION, .datagrams = 2, .bytes = SIM_MAX, .udp_bytes = 1472 };
	struct emmg_chan *c = up(true);
	struct gw_err err = { 0 };
	struct emmg_source *s;

	put("s", sections, sizeof(sections));
	ck_assert_ptr_nonnull(s = emmg_source_file(file, EMMG_SECTION, false, &err));
	ck_assert_int_eq(emmg_feed_init(&feed, c, 0, s, &conf), 0);
	emmg_feed_rate(&feed, 64000, T0);
	full = true;
	ck_assert_int_eq(emmg_feed_run(&feed, true, T0), T0 + MS);
	ck_assert_int_eq(emmg_feed_run(&feed, true, T0 + MS), T0 + 2 * MS);
	ck_assert_str_eq(diary, "");
	full = false;
	emmg_feed_rate(&feed, 0, T0 + 2 * MS);		/* the stream goes down meanwhile: what is packed waits */
	ck_assert_int_eq(emmg_feed_run(&feed, true, T0 + 2 * MS), INT64_MAX);
	emmg_feed_rate(&feed, 64000, T0 + 3 * MS);
	ck_assert_int_gt(emmg_feed_run(&feed, true, T0 + 3 * MS), T0 + 3 * MS + 2 * 1504 * S / 64000 - 21 * MS);
	ck_assert_str_eq(diary, "udp 2:35 ");
	ck_assert_uint_eq(feed.datagrams, 2);
	ck_assert_uint_eq(feed.lost, 0);
	emmg_feed_fini(&feed);
	feed.chan = NULL;
	emmg_source_free(s);
	emmg_chan_free(c);
}
END_TEST

SUITE("emmg_feed", tcase_add_checked_fixture(t, prepare, NULL); tcase_add_test(t, bits_are_those_of_packets);
    tcase_add_loop_test(t, the_rate_is_kept, 0, (int)(sizeof(rates) / sizeof(rates[0])));
    tcase_add_test(t, another_rate_counts_what_was_spent); tcase_add_test(t, sections_of_a_file);
    tcase_add_loop_test(t, bad_files_are_refused_with_file_and_offset, 0, (int)(sizeof(bad) / sizeof(bad[0])));
    tcase_add_test(t, directories_and_what_is_no_file); tcase_add_test(t, a_carousel_is_asked_anew);
    tcase_add_test(t, what_goes_wrong_is_skipped); tcase_add_test(t, a_plugin_that_may_block_has_a_thread);
    tcase_add_test(t, a_plugin_without_ltkm_is_refused); tcase_add_test(t, messages_are_filled_within_their_limits);
    tcase_add_test(t, a_full_socket_is_tried_again))
