/* tests/unit/test_emmg_channel.c: an EMMG's channel against a scripted MUX: every version, errors, time-outs, a random walk, the machines as a page */
#include <stdlib.h>
#include <string.h>
#include "lib/emmg_chan.h"
#include "lib/log.h"
#include "proto/emmg_mux.h"
#include "tests/suite.h"

#define MS INT64_C(1000)
#define S INT64_C(1000000)
static const int64_t T0 = INT64_C(1000) * S;
enum { CLIENT = 0x4ae60001 };

/* What the engine did, a line a call; the last message sent, decoded. */
static char diary[16384];
static struct sim_msg last;
static uint8_t sent[SIM_MAX];
static size_t sent_len, errors_sent, dropped, sends;
static bool udp_full, walking;
static uint8_t version_sent;

static void
note(const char *fmt, ...)
{
	size_t n = strlen(diary);
	va_list ap;

	if (walking)
		return;
	va_start(ap, fmt);
	vsnprintf(diary + n, sizeof(diary) - n, fmt, ap);
	va_end(ap);
}

static int
on_send(void *self, const void *msg, size_t len)
{
	(void)self;
	memcpy(sent, msg, sent_len = len);
	sends++;
	ck_assert_int_eq(sim_decode_as(&emmg_mux, SIM_STRICT, sent, len, &last, NULL), 0);
	version_sent = last.version;
	errors_sent += last.type == EMMG_CHANNEL_ERROR || last.type == EMMG_STREAM_ERROR;
	if (last.type == EMMG_CHANNEL_ERROR || last.type == EMMG_STREAM_ERROR)
		note("%s 0x%04x\n", last.def->name, (unsigned)sim_int(&last, EMMG_ERROR_STATUS, 0));
	else if (last.type == EMMG_STREAM_BW_REQUEST)
		note("%s %d\n", last.def->name, (int)sim_int(&last, EMMG_BANDWIDTH, -1));
	else
		note("%s\n", last.def->name);
	return 0;
}

static int
on_send_udp(void *self, const void *msg, size_t len)
{
	(void)self;
	if (udp_full)
		return 1;
	memcpy(sent, msg, sent_len = len);
	ck_assert_int_eq(sim_decode_as(&emmg_mux_udp, SIM_STRICT, sent, len, &last, NULL), 0);
	note("%s by UDP\n", last.def->name);
	return 0;
}

static void
on_drop(void *self, const char *why)
{
	(void)self;
	dropped++;
	note("drop: %s\n", why ? why : "in order");
}

static void
on_rate(void *self, size_t stream, uint32_t bps)
{
	(void)self;
	note("rate %zu %u\n", stream, bps);
}

static const struct emmg_chan_ops ops = { on_send, on_send_udp, on_drop, on_rate };

static struct emmg_chan *
make(uint8_t version, uint8_t format, bool strict, bool udp, size_t streams)
{
	struct emmg_chan_conf c = { .name = "k", .client_id = CLIENT, .channel_id = 1, .version = version, .format = format,
		.strict = strict, .udp = udp };
	struct emmg_chan *chan = emmg_chan_new(&c, &ops, NULL);

	gw_log_init("test", GW_ERR);
	diary[0] = '\0';
	errors_sent = dropped = sends = 0;
	udp_full = walking = false;
	for (size_t i = 0; i < streams; i++) {
		struct emmg_stream_conf t = { .data_id = (uint16_t)(0x20 + i), .data_type = i & 1, .bandwidth_bps = 100000 };
		ck_assert_int_eq(emmg_chan_add(chan, &t, T0), (int)i);
	}
	return chan;
}

/* What was done since the last look. */
static void
did(const char *want)
{
	ck_assert_str_eq(diary, want);
	diary[0] = '\0';
}

/* The MUX speaks. */
static struct sim_writer reply;
static uint8_t reply_buf[1024];

static void
say(uint8_t version, uint16_t message, int stream)
{
	sim_begin(&reply, &emmg_mux, version, message, reply_buf, sizeof(reply_buf));
	sim_put_int(&reply, EMMG_CLIENT_ID, CLIENT);
	sim_put_int(&reply, EMMG_CHANNEL_ID, 1);
	if (stream >= 0)
		sim_put_int(&reply, EMMG_STREAM_ID, stream);
}

static void
to(struct emmg_chan *c, int64_t now)
{
	size_t n = sim_end(&reply, NULL);

	ck_assert_uint_gt(n, 0);
	emmg_chan_frame(c, reply_buf, n, now);
}

static void
plain(struct emmg_chan *c, uint16_t message, int stream, int64_t now)
{
	say(emmg_chan_version(c), message, stream);
	to(c, now);
}

static void
status(struct emmg_chan *c, int format, int64_t now)
{
	say(emmg_chan_version(c), EMMG_CHANNEL_STATUS, -1);
	sim_put_int(&reply, EMMG_SECTION_TSPKT, format);
	to(c, now);
}

static void
stream_status(struct emmg_chan *c, int stream, int data_id, int data_type, int64_t now)
{
	say(emmg_chan_version(c), EMMG_STREAM_STATUS, stream);
	if (emmg_chan_version(c) >= 2)
		sim_put_int(&reply, EMMG_DATA_ID, data_id);
	sim_put_int(&reply, EMMG_DATA_TYPE, data_type);
	to(c, now);
}

static void
allocate(struct emmg_chan *c, int stream, int kbps, int64_t now)
{
	say(emmg_chan_version(c), EMMG_STREAM_BW_ALLOCATION, stream);
	if (kbps >= 0)
		sim_put_int(&reply, EMMG_BANDWIDTH, kbps);
	to(c, now);
}

static void
error(struct emmg_chan *c, int stream, int code, int64_t now)
{
	say(emmg_chan_version(c), stream < 0 ? EMMG_CHANNEL_ERROR : EMMG_STREAM_ERROR, stream);
	sim_put_int(&reply, EMMG_ERROR_STATUS, code);
	to(c, now);
}

/* data_stream_id of stream i of make(): in version 1, which has no data_id, that is it. */
static int
sid(const struct emmg_chan *c, int i)
{
	return emmg_chan_version(c) >= 2 ? i + 1 : 0x20 + i;
}

/* A channel with one stream that is up, at T0. */
static struct emmg_chan *
up(uint8_t version, bool strict, bool udp)
{
	struct emmg_chan *c = make(version, EMMG_SECTION, strict, udp, 1);

	emmg_chan_connected(c, "mux:1", T0);
	status(c, EMMG_SECTION, T0);
	stream_status(c, sid(c, 0), 0x20, 0, T0);
	allocate(c, sid(c, 0), 100, T0);
	diary[0] = '\0';
	return c;
}

START_TEST(a_session_of_every_version)	/* _i: version */
{
	struct emmg_chan *c = make((uint8_t)_i, EMMG_SECTION, true, false, 1);
	const struct emmg_datagram d = { (const uint8_t *)"\x82\x70\x02\xa0\xa1", 5 };

	emmg_chan_connected(c, "mux:1", T0);
	did("channel_setup\n");
	ck_assert_int_eq(version_sent, _i);
	status(c, EMMG_SECTION, T0);
	did("stream_setup\n");
	ck_assert_int_eq(sim_int(&last, EMMG_DATA_ID, -1), _i >= 2 ? 0x20 : -1);
	stream_status(c, sid(c, 0), 0x20, 0, T0);
	did("stream_BW_request 100\nrate 0 100000\n");
	allocate(c, sid(c, 0), 64, T0);
	did("rate 0 64000\n");
	ck_assert_int_eq(emmg_chan_data(c, 0, &d, 1, false, T0), 0);
	did("data_provision\n");
	ck_assert_uint_eq(sent_len, emmg_chan_overhead(c, false) + 4 + d.len);
	ck_assert_int_eq(sim_int(&last, EMMG_CHANNEL_ID, -1), 1);
	ck_assert_int_eq(sim_int(&last, EMMG_STREAM_ID, -1), sid(c, 0));
	ck_assert_int_eq(sim_int(&last, EMMG_DATA_ID, -1), _i >= 2 ? 0x20 : -1);
	plain(c, EMMG_CHANNEL_TEST, -1, T0);
	plain(c, EMMG_STREAM_TEST, sid(c, 0), T0);
	did("channel_status\nstream_status\n");
	emmg_chan_stop(c, T0);
	did("rate 0 0\n");
	emmg_chan_tick(c, T0);
	did("stream_close_request\n");
	plain(c, EMMG_STREAM_CLOSE_RESPONSE, sid(c, 0), T0);
	did("channel_close\ndrop: in order\n");
	emmg_chan_lost(c, T0);
	ck_assert_uint_eq(errors_sent, 0);
	emmg_chan_free(c);
}
END_TEST

START_TEST(udp_has_no_channel_and_its_time_to_arrive)	/* _i: version */
{
	struct emmg_chan *c = up((uint8_t)_i, false, true);
	const struct emmg_datagram d[2] = { { (const uint8_t *)"\x82\x70\x02\xa0\xa1", 5 }, { (const uint8_t *)"\x83\x70\x00", 3 } };

	ck_assert(emmg_chan_udp(c) == (_i >= 2));
	if (_i >= 2) {
		udp_full = true;
		ck_assert_int_eq(emmg_chan_data(c, 0, d, 2, true, T0 + S), 1);
		udp_full = false;
		ck_assert_int_eq(emmg_chan_data(c, 0, d, 2, true, T0 + S), 0);
		did("data_provision by UDP\n");
		ck_assert_uint_eq(sent_len, emmg_chan_overhead(c, true) + 8 + 8);
		ck_assert_uint_eq(last.n, 4);
		ck_assert_int_eq(sim_int(&last, EMMG_DATA_ID, -1), 0x20);
		emmg_chan_stop(c, T0 + S + 40 * MS);
		emmg_chan_tick(c, T0 + S + 99 * MS);
		did("rate 0 0\n");
		ck_assert_int_eq(emmg_chan_next(c), T0 + S + 100 * MS);
		emmg_chan_tick(c, T0 + S + 100 * MS);
		did("stream_close_request\n");
	}
	emmg_chan_free(c);
}
END_TEST

START_TEST(allocations_set_the_rate)
{
	struct emmg_chan *c = up(3, false, false);
	struct emmg_stream_view v;

	allocate(c, 1, 250, T0);	/* more than was asked for: what was asked for stands */
	did("rate 0 100000\n");
	allocate(c, 1, 0, T0);
	did("rate 0 0\n");
	allocate(c, 1, -1, T0);		/* not known */
	did("rate 0 100000\n");
	allocate(c, 1, 40, T0);
	emmg_chan_stream(c, 0, &v);
	ck_assert(v.up && v.granted && v.granted_bps == 40000 && v.rate_bps == 40000);
	emmg_chan_bandwidth(c, 0, 30000, T0);
	did("rate 0 40000\nstream_BW_request 30\nrate 0 30000\n");
	allocate(c, 9, 40, T0);		/* of another stream */
	did("stream_error 0x0005\n");
	emmg_chan_free(c);
}
END_TEST

START_TEST(complaints_slow_it_down_for_a_while)
{
	struct emmg_chan *c = up(3, false, false);
	int64_t t = T0;

	error(c, 1, EMMG_E_BANDWIDTH, t);
	did("stream_BW_request -1\nrate 0 75000\n");
	error(c, 1, EMMG_E_BANDWIDTH, t += 100 * MS);	/* the same burst */
	did("");
	allocate(c, 1, 100, t);		/* no news */
	did("");
	error(c, 1, EMMG_E_BANDWIDTH, t += S);
	did("stream_BW_request -1\nrate 0 56250\n");
	allocate(c, 1, 100, t);
	for (int i = 0; i < 40; i++) {	/* it is polite of the mux to answer channel_test */
		emmg_chan_tick(c, t += S);
		status(c, EMMG_SECTION, t);
	}
	ck_assert_ptr_nonnull(strstr(diary, "rate 0 100000\n"));
	for (int i = 0; i < 100; i++)
		error(c, 1, EMMG_E_BANDWIDTH, t += 2 * S);
	ck_assert_ptr_nonnull(strstr(diary, "rate 0 6250\n"));	/* and no less */
	ck_assert_uint_eq(emmg_chan_counts(c)->errors[0].n, 103);
	ck_assert_uint_eq(errors_sent, 0);
	emmg_chan_free(c);
}
END_TEST

static const struct { int code; const char *does; } stream_errors[] = {
	{ EMMG_E_STREAM_ID, "rate 0 0\n" }, { EMMG_E_CHANNEL_ID, "drop: the mux has forgotten the channel; a new connection sets it up\n" },
	{ EMMG_E_UNRECOVERABLE, "rate 0 0\nstream_close_request\n" }, { EMMG_E_DATA_ID, "" }, { EMMG_E_UNKNOWN, "" }, { 0x8014, "" },
	{ 0x4242, "" },
};

START_TEST(stream_errors_do_what_they_ask)	/* _i: row */
{
	struct emmg_chan *c = up(3, true, false);

	error(c, 1, stream_errors[_i].code, T0);
	did(stream_errors[_i].does);
	ck_assert_uint_eq(errors_sent, 0);
	if (stream_errors[_i].code == EMMG_E_STREAM_ID) {	/* never at once */
		emmg_chan_tick(c, T0 + 999 * MS);
		did("");
		emmg_chan_tick(c, T0 + S);
		did("stream_setup\n");
	}
	if (stream_errors[_i].code == EMMG_E_UNRECOVERABLE) {
		emmg_chan_tick(c, T0 + S);	/* no response comes */
		emmg_chan_tick(c, T0 + 2 * S);
		did("stream_setup\n");
	}
	emmg_chan_free(c);
}
END_TEST

static const int channel_ends[] = { EMMG_E_VERSION, EMMG_E_CHANNEL_ID, EMMG_E_TOO_MANY_CHANNELS, EMMG_E_CLIENT_ID,
	EMMG_E_CHANNEL_ID_IN_USE, EMMG_E_CLIENT_ID_IN_USE, EMMG_E_UNRECOVERABLE };

START_TEST(channel_errors_end_it_or_do_not)
{
	struct emmg_chan *c = up(3, false, false);

	for (int code = 0; code < 0x20; code++) {
		bool ends = code == 0;
		error(c, -1, code ? code : EMMG_E_UNRECOVERABLE, T0);
		for (size_t i = 0; i < sizeof(channel_ends) / sizeof(channel_ends[0]); i++)
			ends = ends || channel_ends[i] == code;
		did(ends ? "drop: the mux reported an error of the channel\n" : "");
	}
	ck_assert_uint_eq(errors_sent, 0);
	emmg_chan_free(c);
}
END_TEST

START_TEST(a_version_that_is_refused_changes_once)
{
	struct emmg_chan *c = make(5, EMMG_SECTION, false, true, 1);

	emmg_chan_connected(c, "mux:1", T0);
	say(2, EMMG_CHANNEL_ERROR, -1);
	sim_put_int(&reply, EMMG_ERROR_STATUS, EMMG_E_VERSION);
	to(c, T0);
	did("channel_setup\ndrop: the mux refused the channel\n");
	emmg_chan_lost(c, T0);
	emmg_chan_connected(c, "mux:1", T0);
	ck_assert_int_eq(version_sent, 2);
	say(1, EMMG_CHANNEL_ERROR, -1);	/* nor that: back to ours, no wandering about */
	sim_put_int(&reply, EMMG_ERROR_STATUS, EMMG_E_VERSION);
	to(c, T0);
	emmg_chan_lost(c, T0);
	emmg_chan_connected(c, "mux:1", T0);
	ck_assert_int_eq(version_sent, 5);
	emmg_chan_free(c);

	c = make(5, EMMG_BCAST, false, false, 1);	/* what version 2 cannot carry */
	emmg_chan_connected(c, "mux:1", T0);
	say(2, EMMG_CHANNEL_ERROR, -1);
	sim_put_int(&reply, EMMG_ERROR_STATUS, EMMG_E_VERSION);
	to(c, T0);
	emmg_chan_lost(c, T0);
	emmg_chan_connected(c, "mux:1", T0);
	ck_assert_int_eq(version_sent, 5);
	emmg_chan_free(c);
}
END_TEST

START_TEST(silence_is_asked_then_ended)
{
	struct emmg_chan *c = make(3, EMMG_SECTION, false, false, 1);

	emmg_chan_connected(c, "mux:1", T0);
	emmg_chan_tick(c, T0 + 5 * S - 1);
	did("channel_setup\n");
	emmg_chan_tick(c, T0 + 5 * S);
	did("drop: no answer to channel_setup\n");
	emmg_chan_lost(c, T0);
	emmg_chan_connected(c, "mux:1", T0);
	status(c, EMMG_SECTION, T0);
	diary[0] = '\0';
	emmg_chan_tick(c, T0 + 5 * S);		/* stream_setup */
	emmg_chan_tick(c, T0 + 6 * S);
	did("stream_setup\n");
	stream_status(c, 1, 0x20, 0, T0 + 6 * S);
	did("stream_BW_request 100\nrate 0 100000\n");
	emmg_chan_tick(c, T0 + 11 * S);	/* no allocation: data goes on; named once */
	did("");
	ck_assert_int_eq(emmg_chan_next(c), T0 + 16 * S);
	emmg_chan_tick(c, T0 + 16 * S);
	did("channel_test\n");
	status(c, EMMG_SECTION, T0 + 17 * S);
	emmg_chan_tick(c, T0 + 27 * S);
	emmg_chan_tick(c, T0 + 32 * S);
	did("channel_test\ndrop: no answer to channel_test\n");
	emmg_chan_lost(c, T0 + 32 * S);
	did("rate 0 0\n");
	ck_assert_int_eq(emmg_chan_next(c), INT64_MAX);
	emmg_chan_free(c);

	c = make(3, EMMG_SECTION, true, false, 1);	/* strict: the mux always answers (6.2.4.8) */
	emmg_chan_connected(c, "mux:1", T0);
	status(c, EMMG_SECTION, T0);
	stream_status(c, 1, 0x20, 0, T0);
	diary[0] = '\0';
	emmg_chan_tick(c, T0 + 5 * S);
	did("drop: no answer to stream_BW_request\n");
	emmg_chan_free(c);
}
END_TEST

START_TEST(formats_are_confirmed)
{
	struct emmg_chan *c = make(5, EMMG_BCAST, false, false, 0);

	emmg_chan_connected(c, "mux:1", T0);
	status(c, 1, T0);	/* a boolean, to TSDuck */
	did("channel_setup\n");
	ck_assert_str_eq(emmg_chan_state(c), "CH_OPEN");
	emmg_chan_free(c);
	c = make(5, EMMG_BCAST, true, false, 0);
	emmg_chan_connected(c, "mux:1", T0);
	status(c, 1, T0);
	did("channel_setup\nchannel_error 0x000d\ndrop: channel_status confirms another section_TSpkt_flag than channel_setup asked for\n");
	emmg_chan_free(c);
}
END_TEST

START_TEST(streams_come_and_go)
{
	struct emmg_chan *c = up(3, false, false);
	struct emmg_stream_conf t = { .data_id = 0x30, .bandwidth_bps = 1000 };

	ck_assert_int_eq(emmg_chan_add(c, &t, T0), 1);
	emmg_chan_tick(c, T0);
	did("stream_setup\n");
	ck_assert_int_eq(sim_int(&last, EMMG_STREAM_ID, -1), 2);
	stream_status(c, 2, 0x30, 0, T0);
	did("stream_BW_request 1\nrate 1 1000\n");
	emmg_chan_remove(c, 0, T0);
	emmg_chan_tick(c, T0);
	did("stream_close_request\n");	/* nothing is said of its rate: the owner knows */
	ck_assert(!emmg_chan_idle(c));
	plain(c, EMMG_STREAM_CLOSE_RESPONSE, 1, T0);
	t.data_id = 0x31;
	ck_assert_int_eq(emmg_chan_add(c, &t, T0), 0);	/* the number is free */
	emmg_chan_remove(c, 0, T0);
	emmg_chan_remove(c, 1, T0);
	emmg_chan_tick(c, T0);
	ck_assert(!emmg_chan_idle(c));
	emmg_chan_tick(c, T0 + S);	/* no response comes */
	ck_assert(emmg_chan_idle(c));
	emmg_chan_free(c);

	c = up(1, false, false);	/* another source: the same number in version 1, whose last life is not over */
	t.data_id = 0x20;
	emmg_chan_remove(c, 0, T0);
	ck_assert_int_eq(emmg_chan_add(c, &t, T0), 1);
	emmg_chan_tick(c, T0);
	did("stream_close_request\nstream_setup\n");
	plain(c, EMMG_STREAM_CLOSE_RESPONSE, 0x20, T0);
	stream_status(c, 0x20, 0, 0, T0);
	did("stream_BW_request 1\nrate 1 1000\n");
	emmg_chan_free(c);
}
END_TEST

/* A message of the user's own range is no fault, however strict one is (4.4.1). */
START_TEST(the_users_own_messages_are_ignored)
{
	struct emmg_chan *c = up(3, true, false);

	emmg_chan_frame(c, (const uint8_t *)"\x03\x89\x99\x00\x00", 5, T0);
	did("");
	emmg_chan_frame(c, (const uint8_t *)"\x03\x09\x99\x00\x00", 5, T0);
	did("channel_error 0x0003\n");
	emmg_chan_free(c);
}
END_TEST

/* Every vector of the interface as the peer's word, in every state: nothing breaks, and no error is answered. */
START_TEST(vectors_as_answers)	/* _i: 0 lenient, 1 strict */
{
	json_t *all = vec_json("sim/simulcrypt-vectors.json"), *v;
	const char *const kinds[] = { "vectors", "negative" };
	size_t k, tested = 0;

	for (size_t kind = 0; kind < 2; kind++)
		json_array_foreach(json_object_get(all, kinds[kind]), k, v) {
			uint8_t in[4096];
			size_t n;

			if (strcmp(json_string_value(json_object_get(v, "interface")), "EMMG-MUX") != 0)
				continue;
			n = unhex(json_string_value(json_object_get(v, "hex")), in, sizeof(in));
			for (int state = 0; state < 4; state++) {
				struct emmg_chan *c = make(3, EMMG_SECTION, _i == 1, false, 3);
				if (state > 0)
					emmg_chan_connected(c, "mux:1", T0);
				if (state > 1)
					status(c, EMMG_SECTION, T0);
				if (state > 2)
					stream_status(c, 3, 0x22, 0, T0);
				errors_sent = sends = 0;
				emmg_chan_frame(c, in, n, T0);
				int type = in[1] << 8 | in[2];
				if (type == EMMG_CHANNEL_ERROR || type == EMMG_STREAM_ERROR)
					ck_assert_uint_eq(errors_sent, 0);
				if (type == EMMG_CHANNEL_SETUP || type == EMMG_STREAM_SETUP || type == EMMG_DATA_PROVISION)
					ck_assert_uint_eq(errors_sent, 1);	/* an EMMG's word from a mux */
				ck_assert_uint_le(errors_sent, 1);
				emmg_chan_free(c);
				tested++;
			}
		}
	json_decref(all);
	ck_assert_uint_ge(tested, 4 * 30);
}
END_TEST

/* xorshift: the same walk every time */
static uint32_t
dice(uint32_t n)
{
	static uint32_t x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x % n;
}

/*
 * A mux that answers anything at any time, a network that fails, an owner that adds and takes streams: what is sent is well-formed
 * (on_send), the engine always wants the time again or has a reason not to, errors get no errors, and once the mux behaves every
 * stream comes up.
 */
START_TEST(random_walk)	/* _i: version */
{
	static const uint16_t types[] = { EMMG_CHANNEL_SETUP, EMMG_CHANNEL_TEST, EMMG_CHANNEL_STATUS, EMMG_CHANNEL_CLOSE, EMMG_CHANNEL_ERROR,
		EMMG_STREAM_SETUP, EMMG_STREAM_TEST, EMMG_STREAM_STATUS, EMMG_STREAM_CLOSE_REQUEST, EMMG_STREAM_CLOSE_RESPONSE,
		EMMG_STREAM_ERROR, EMMG_STREAM_BW_REQUEST, EMMG_STREAM_BW_ALLOCATION, EMMG_DATA_PROVISION };
	static const uint8_t section[] = { 0x82, 0x70, 0x00 };
	const struct emmg_datagram d = { section, sizeof(section) };
	struct emmg_chan *c = make((uint8_t)_i, EMMG_SECTION, false, _i >= 2, 4);
	bool connected = false;
	struct emmg_stream_view v;
	int64_t t = T0;
	size_t before;

	walking = true;
	for (int step = 0; step < 15000; step++) {
		t += dice(20) ? dice(50) * MS : (int64_t)dice(20) * S;
		if (!connected && !dice(3)) {
			emmg_chan_connected(c, "mux:1", t);
			connected = true;
			dropped = 0;
		}
		if (connected && (dropped || !dice(200))) {
			emmg_chan_lost(c, t);
			connected = false;
			dropped = 0;
		}
		emmg_chan_tick(c, t);
		if (!connected || dropped)
			continue;
		uint16_t type = types[dice(sizeof(types) / sizeof(types[0]))];
		bool of_stream = type >= EMMG_STREAM_SETUP;
		size_t i = dice(4);
		say(dice(50) ? emmg_chan_version(c) : (uint8_t)(1 + dice(5)), type, of_stream ? dice(30) ? sid(c, (int)i) : (int)dice(9) : -1);
		if (type == EMMG_CHANNEL_STATUS || type == EMMG_CHANNEL_SETUP)
			sim_put_int(&reply, EMMG_SECTION_TSPKT, dice(40) ? 0 : 1);
		if ((type == EMMG_STREAM_STATUS || type == EMMG_STREAM_SETUP || type == EMMG_DATA_PROVISION) && (reply_buf[0] >= 2 || !dice(9)))
			sim_put_int(&reply, EMMG_DATA_ID, dice(40) ? 0x20 + (int)i : 9);
		if (type == EMMG_STREAM_STATUS || type == EMMG_STREAM_SETUP)
			sim_put_int(&reply, EMMG_DATA_TYPE, i & 1);
		if (type == EMMG_DATA_PROVISION)
			sim_put_bytes(&reply, EMMG_DATAGRAM, section, sizeof(section));
		if (type == EMMG_CHANNEL_ERROR || type == EMMG_STREAM_ERROR)
			sim_put_int(&reply, EMMG_ERROR_STATUS, dice(9) ? 1 + dice(0x15) : 0x7000 + dice(2));
		if ((type == EMMG_STREAM_BW_ALLOCATION || type == EMMG_STREAM_BW_REQUEST) && dice(4))
			sim_put_int(&reply, EMMG_BANDWIDTH, dice(300));
		reply_buf[3] = (uint8_t)((reply.len - SIM_HEADER) >> 8);
		reply_buf[4] = (uint8_t)(reply.len - SIM_HEADER);
		if (!dice(100))
			reply_buf[dice((uint32_t)reply.len)] ^= (uint8_t)(1 + dice(255));
		before = errors_sent;
		emmg_chan_frame(c, reply_buf, reply.len, t);
		ck_assert_uint_le(errors_sent - before, 1);
		type = (uint16_t)(reply_buf[1] << 8 | reply_buf[2]);
		if (type == EMMG_CHANNEL_ERROR || type == EMMG_STREAM_ERROR)	/* however malformed */
			ck_assert_uint_eq(errors_sent, before);
		emmg_chan_stream(c, i, &v);
		if (v.up)
			ck_assert_int_eq(emmg_chan_data(c, i, &d, 1, emmg_chan_udp(c) && dice(2), t), 0);
		ck_assert_int_gt(emmg_chan_next(c), 0);
		ck_assert_int_lt(emmg_chan_next(c), t + 3600 * S);	/* while connected there is always a next time */
	}
	/* the mux comes to its senses */
	if (connected)
		emmg_chan_lost(c, t);
	emmg_chan_connected(c, "mux:1", t);
	status(c, EMMG_SECTION, t);
	for (int i = 0; i < 4; i++) {
		stream_status(c, sid(c, i), 0x20 + i, i & 1, t);
		emmg_chan_stream(c, (size_t)i, &v);
		ck_assert_msg(v.up, "stream %d is %s", i, v.state);
	}
	emmg_chan_free(c);
}
END_TEST

START_TEST(machines)
{
	static char text[16384];

	ck_assert_uint_lt(emmg_chan_print_machines(text, sizeof(text)), sizeof(text));
	vec_golden("emmg/channel_fsm.txt", text);
}
END_TEST

SUITE("emmg_channel", tcase_add_loop_test(t, a_session_of_every_version, 1, 6);
    tcase_add_loop_test(t, udp_has_no_channel_and_its_time_to_arrive, 1, 6); tcase_add_test(t, allocations_set_the_rate);
    tcase_add_test(t, complaints_slow_it_down_for_a_while);
    tcase_add_loop_test(t, stream_errors_do_what_they_ask, 0, (int)(sizeof(stream_errors) / sizeof(stream_errors[0])));
    tcase_add_test(t, channel_errors_end_it_or_do_not); tcase_add_test(t, a_version_that_is_refused_changes_once);
    tcase_add_test(t, silence_is_asked_then_ended); tcase_add_test(t, formats_are_confirmed); tcase_add_test(t, streams_come_and_go);
    tcase_add_test(t, the_users_own_messages_are_ignored);
    tcase_add_loop_test(t, vectors_as_answers, 0, 2); tcase_add_loop_test(t, random_walk, 1, 6); tcase_add_test(t, machines))
