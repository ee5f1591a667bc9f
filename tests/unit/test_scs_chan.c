/* tests/unit/test_scs_chan.c: an ECMG channel against a scripted ECMG: windows, priming, errors, time-outs, the machines as a page */
#include <stdlib.h>
#include <string.h>
#include "lib/log.h"
#include "proto/ecmg_scs.h"
#include "lib/scs_chan.h"
#include "tests/suite.h"

#define MS INT64_C(1000)
#define S INT64_C(1000000)
static const int64_t T0 = INT64_C(1795257000) * S;

/* What the engine did, as one line a call; the last message sent, decoded. */
static char diary[8192];
static struct sim_msg last;
static uint8_t sent[SIM_MAX];
static int64_t oldest;
static struct he_manners manners = { .stream_ids = HE_FROM_1 };	/* of the next channel */

static void
note(const char *fmt, ...)
{
	size_t n = strlen(diary);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(diary + n, sizeof(diary) - n, fmt, ap);
	va_end(ap);
}

static void
on_send(void *self, const void *msg, size_t len)
{
	(void)self;
	memcpy(sent, msg, len);
	ck_assert_int_eq(sim_decode_as(&ecmg_scs, manners.omit_ECM_id ? SIM_LENIENT : SIM_STRICT, sent, len, &last, NULL), 0);
	note("%s\n", last.def->name);
}

static void
on_drop(void *self, const char *why, bool at_once)
{
	(void)self;
	note("drop%s: %s\n", at_once ? " at once" : "", why ? why : "in order");
}

static uint16_t other_id;

static uint16_t
on_another(void *self, uint16_t id)
{
	(void)self;
	return other_id ? other_id : id;
}

static void
on_opened(void *self, const struct scs_terms *t)
{
	(void)self;
	(void)t;
}

static void
on_failed(void *self, size_t stream, bool full)
{
	(void)self;
	note("failed %zu%s\n", stream, full ? " full" : "");
}

static void
on_up(void *self, size_t stream, const struct scs_terms *t)
{
	(void)self;
	note("up %zu lead_CW=%u transition_delay_start=%d\n", stream, t->lead_CW, t->transition_delay_start);
}

static void
on_down(void *self, size_t stream)
{
	(void)self;
	note("down %zu\n", stream);
}

static void
on_ecm(void *self, size_t stream, int64_t cp, const uint8_t *p, size_t len)
{
	(void)self;
	(void)p;
	note("ecm %zu cp=%d bytes=%zu\n", stream, (int)cp, len);
}

static void
on_refused(void *self, size_t stream, int64_t cp, bool timed_out)
{
	(void)self;
	note("%s %zu cp=%d\n", timed_out ? "silent" : "refused", stream, (int)cp);
}

/* The CW of a CP: its number, eight times; CPs below `oldest` never existed. */
static bool
on_key(void *self, size_t stream, int64_t cp, struct scs_key *k)
{
	static uint8_t cw[8];

	(void)self;
	(void)stream;
	memset(cw, (int)cp, sizeof(cw));
	*k = (struct scs_key){ .material = cw, .len = sizeof(cw), .id = { (uint8_t)(cp >> 8), (uint8_t)cp }, .id_len = 2 };
	return cp >= oldest;
}

static uint16_t
on_nominal(void *self, size_t stream, const struct scs_terms *t)
{
	(void)self;
	(void)stream;
	return t->min_CP_duration > 100 ? t->min_CP_duration : 100;
}

/* Access criteria of the first stream from CP 0 on; others after CP `change`, and none after `ending`. */
static int64_t change, ending;

static size_t
on_criteria(void *self, size_t stream, int64_t cp, const uint8_t **p)
{
	static const uint8_t before[] = { 1, 2, 0, 15 }, after[] = { 9 };

	(void)self;
	*p = cp >= change ? after : before;
	return stream || cp >= ending ? 0 : cp >= change ? sizeof(after) : sizeof(before);
}

static const struct scs_chan_ops ops = { .send = on_send, .drop = on_drop, .another_id = on_another, .opened = on_opened,
	.stream_up = on_up, .stream_down = on_down, .setup_failed = on_failed, .ecm = on_ecm, .refused = on_refused, .key = on_key,
	.nominal = on_nominal, .criteria = on_criteria };
static bool strict;

static struct scs_chan *
make(uint8_t version, bool bcast, size_t streams)
{
	struct scs_chan_conf c = { .kms = "k", .super_cas_id = 0x4ae60001, .channel_id = 7, .version = version, .bcast_parameters = bcast,
		.manners = manners, .strict = strict };
	struct scs_chan *chan = scs_chan_new(&c, &ops, NULL);

	gw_log_init("test", GW_ERR);
	diary[0] = '\0';
	oldest = 0;
	change = ending = INT64_MAX;
	other_id = 0;
	for (size_t i = 0; i < streams; i++) {
		struct scs_chan_stream t = { .unit = "news", .ecm_id = (uint16_t)(100 + i), .protection = 1, .authenticated = true };
		ck_assert_int_eq(scs_chan_add(chan, &t, T0), (int)i);
	}
	return chan;
}

/* The ECMG speaks. */
static struct sim_writer reply;
static uint8_t reply_buf[1024];

static void
say(uint8_t version, uint16_t message)
{
	sim_begin(&reply, &ecmg_scs, version, message, reply_buf, sizeof(reply_buf));
	sim_put_int(&reply, ECMG_CHANNEL_ID, 7);
}

static void
to(struct scs_chan *c, int64_t now)
{
	size_t n = sim_end(&reply, NULL);

	ck_assert_uint_gt(n, 0);
	scs_chan_frame(c, reply_buf, n, now);
}

static int transition;	/* transition_delay_start of channel_status, ms; 0: absent */

static void
status(struct scs_chan *c, uint8_t version, int lead_CW, int CW_per_msg, int64_t now)
{
	say(version, ECMG_CHANNEL_STATUS);
	sim_put_int(&reply, ECMG_SECTION_TSPKT, 0);
	sim_put_int(&reply, ECMG_DELAY_START, -200);
	sim_put_int(&reply, ECMG_DELAY_STOP, 0);
	if (transition)
		sim_put_int(&reply, ECMG_TRANS_START, transition);
	sim_put_int(&reply, ECMG_REP_PERIOD, 100);
	sim_put_int(&reply, ECMG_MAX_STREAMS, 0);
	sim_put_int(&reply, ECMG_MIN_CP_DURATION, 10);
	sim_put_int(&reply, ECMG_LEAD_CW, lead_CW);
	sim_put_int(&reply, ECMG_CW_PER_MSG, CW_per_msg);
	sim_put_int(&reply, ECMG_MAX_COMP_TIME, 2000);
	to(c, now);
}

static void
stream_status(struct scs_chan *c, uint8_t version, uint16_t id, int mode, int64_t now)
{
	say(version, ECMG_STREAM_STATUS);
	sim_put_int(&reply, ECMG_STREAM_ID, id);
	if (version >= 2)
		sim_put_int(&reply, ECMG_ECM_ID, 99 + id);
	sim_put_int(&reply, ECMG_AC_TRANSFER_MODE, mode);
	to(c, now);
}

static void
response(struct scs_chan *c, uint8_t version, uint16_t id, uint16_t cp, int64_t now)
{
	say(version, ECMG_ECM_RESPONSE);
	sim_put_int(&reply, ECMG_STREAM_ID, id);
	sim_put_int(&reply, ECMG_CP_NUMBER, cp);
	sim_put_bytes(&reply, ECMG_ECM_DATAGRAM, "\x80\x70\x01\x00", 4);
	to(c, now);
}

static void
stream_error(struct scs_chan *c, uint8_t version, uint16_t id, uint16_t error, int64_t now)
{
	say(version, ECMG_STREAM_ERROR);
	sim_put_int(&reply, ECMG_STREAM_ID, id);
	sim_put_int(&reply, ECMG_ERROR_STATUS, error);
	to(c, now);
}

static struct scs_chan *
opened(uint8_t version, bool bcast, int lead_CW, int CW_per_msg)
{
	struct scs_chan *c = make(version, bcast, 1);

	scs_chan_connected(c, "peer", T0);
	status(c, version, lead_CW, CW_per_msg, T0);
	stream_status(c, version, 1, 0, T0);
	diary[0] = '\0';
	return c;
}

/* The CPs of the message sent last, as "4 5 6". */
static const char *
window(void)
{
	static char text[64];

	text[0] = '\0';
	for (size_t i = 0; i < sim_count(&last, ECMG_CP_CW); i++) {
		const struct sim_value *v = sim_value(&last, ECMG_CP_CW, i);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%d:%d", i ? " " : "", v->p[0] << 8 | v->p[1], v->p[2]);
	}
	return text;
}

START_TEST(a_session_in_order)
{
	struct scs_chan *c = make(3, false, 2);

	scs_chan_connected(c, "peer", T0);
	status(c, 3, 1, 2, T0);
	ck_assert_str_eq(diary, "channel_setup\nstream_setup\nstream_setup\n");
	ck_assert_int_eq(sim_int(&last, ECMG_ECM_ID, -1), 101);
	ck_assert_int_eq(sim_int(&last, ECMG_NOMINAL_CP_DURATION, -1), 100);
	stream_status(c, 3, 1, 0, T0);
	stream_status(c, 3, 2, 0, T0);
	diary[0] = '\0';
	scs_chan_provision(c, 0, 5, 10 * S, T0);
	ck_assert_str_eq(window(), "5:5 6:6");
	ck_assert_uint_eq(sim_count(&last, ECMG_CP_DURATION), 0);	/* nominal */
	ck_assert_uint_eq(sim_count(&last, ECMG_ACCESS_CRITERIA), 1);
	ck_assert_uint_eq(sim_count(&last, ECMG_TRAFFIC_PROTECTION), 0);
	response(c, 3, 1, 5, T0 + 3 * MS);
	ck_assert_int_eq(scs_chan_latency(c, 0), 3 * MS);
	scs_chan_provision(c, 0, 6, 13 * S, T0 + S);
	ck_assert_int_eq(sim_int(&last, ECMG_CP_DURATION, -1), 130);
	ck_assert_uint_eq(sim_count(&last, ECMG_ACCESS_CRITERIA), 0);	/* mode 0: only when they change */
	scs_chan_stop(c, T0 + S);
	say(3, ECMG_STREAM_CLOSE_RESPONSE);
	sim_put_int(&reply, ECMG_STREAM_ID, 1);
	to(c, T0 + S);
	say(3, ECMG_STREAM_CLOSE_RESPONSE);
	sim_put_int(&reply, ECMG_STREAM_ID, 2);
	to(c, T0 + S);
	ck_assert_str_eq(diary, "CW_provision\necm 0 cp=5 bytes=4\nCW_provision\nstream_close_request\nstream_close_request\n"
	    "channel_close\ndrop: in order\n");
	scs_chan_free(c);
}
END_TEST

START_TEST(the_window_is_what_the_ecmg_asked_for)
{
	static const struct { int x, y; const char *want; } w[] = {
		{ 0, 1, "9:9" }, { 1, 2, "9:9 10:10" }, { 1, 3, "8:8 9:9 10:10" }, { 2, 3, "9:9 10:10 11:11" }, { 0, 2, "8:8 9:9" },
	};

	for (size_t i = 0; i < sizeof(w) / sizeof(w[0]); i++) {
		struct scs_chan *c = opened(5, false, w[i].x, w[i].y);
		scs_chan_provision(c, 0, 9, 10 * S, T0);
		ck_assert_str_eq(window(), w[i].want);
		scs_chan_free(c);
	}
	/* before the first CP there was none: its CW stands there again */
	struct scs_chan *c = opened(5, false, 1, 3);
	scs_chan_provision(c, 0, 0, 10 * S, T0);
	ck_assert_str_eq(window(), "65535:0 0:0 1:1");
	scs_chan_free(c);
	/* the number on the wire is the low 16 bits */
	c = opened(5, true, 1, 2);
	scs_chan_provision(c, 0, 131071, 10 * S, T0);
	ck_assert_str_eq(window(), "65535:255 0:0");
	ck_assert_mem_eq(sim_value(&last, ECMG_KEY_IDENTIFIER, 1)->p, "\0\0\0\0", 4);
	ck_assert_mem_eq(sim_value(&last, ECMG_TRAFFIC_PROTECTION, 0)->p, "\1\1", 2);
	scs_chan_free(c);
}
END_TEST

START_TEST(an_ecmg_that_remembers_is_primed)
{
	struct scs_chan *c = opened(3, false, 1, 1);

	scs_chan_provision(c, 0, 20, 10 * S, T0);
	ck_assert_int_eq(sim_int(&last, ECMG_CP_NUMBER, -1), 19);
	ck_assert_str_eq(window(), "20:20");
	stream_error(c, 3, 1, ECMG_E_NOT_ENOUGH_CW, T0);	/* as it should; no failure */
	ck_assert_int_eq(sim_int(&last, ECMG_CP_NUMBER, -1), 20);
	ck_assert_str_eq(window(), "21:21");
	response(c, 3, 1, 20, T0);
	scs_chan_provision(c, 0, 21, 10 * S, T0);		/* the next needs none */
	ck_assert_int_eq(sim_int(&last, ECMG_CP_NUMBER, -1), 21);
	response(c, 3, 1, 21, T0);
	ck_assert_str_eq(diary, "CW_provision\nCW_provision\necm 0 cp=20 bytes=4\nCW_provision\necm 0 cp=21 bytes=4\n");
	scs_chan_provision(c, 0, 25, 10 * S, T0);		/* a gap: it has forgotten */
	ck_assert_int_eq(sim_int(&last, ECMG_CP_NUMBER, -1), 24);
	scs_chan_free(c);

	/* one that needs two messages before the first: each of them once, from below zero on */
	c = opened(3, false, 2, 1);
	scs_chan_provision(c, 0, 0, 10 * S, T0);
	for (int cp = -2; cp <= 1; cp++) {
		ck_assert_int_eq(sim_int(&last, ECMG_CP_NUMBER, -1), cp & 0xffff);
		if (cp == 1)
			break;
		response(c, 3, 1, (uint16_t)cp, T0);
		if (cp == 0)
			scs_chan_provision(c, 0, 1, 10 * S, T0);
	}
	ck_assert_str_eq(diary, "CW_provision\nCW_provision\nCW_provision\necm 0 cp=0 bytes=4\nCW_provision\n");
	scs_chan_free(c);
}
END_TEST

START_TEST(errors_and_their_remedies)
{
	struct scs_chan *c = opened(3, false, 1, 2);

	scs_chan_provision(c, 0, 1, 10 * S, T0);
	stream_error(c, 3, 1, ECMG_E_COMPUTATION, T0);
	ck_assert_str_eq(diary, "CW_provision\nrefused 0 cp=1\n");
	diary[0] = '\0';
	scs_chan_provision(c, 0, 1, 10 * S, T0);
	stream_error(c, 3, 1, ECMG_E_STREAM_ID, T0);		/* it lost the stream: set up again, but not without end */
	ck_assert_str_eq(diary, "CW_provision\ndown 0\n");
	ck_assert_int_eq(scs_chan_next(c), T0 + S);
	scs_chan_tick(c, T0 + S);
	ck_assert_str_eq(diary, "CW_provision\ndown 0\nstream_setup\n");
	stream_status(c, 3, 1, 0, T0 + S);
	diary[0] = '\0';
	scs_chan_provision(c, 0, 1, 10 * S, T0 + S);
	stream_error(c, 3, 1, ECMG_E_UNRECOVERABLE, T0 + S);	/* to be closed; this is the third failure in a row: another connection */
	ck_assert_str_eq(diary, "CW_provision\ndrop: the ECMG does not answer as it should; a new connection is tried\n");
	scs_chan_free(c);

	c = opened(3, false, 1, 2);
	stream_error(c, 3, 1, ECMG_E_UNRECOVERABLE, T0);	/* out of the blue */
	ck_assert_str_eq(diary, "down 0\nstream_close_request\n");
	say(3, ECMG_STREAM_CLOSE_RESPONSE);
	sim_put_int(&reply, ECMG_STREAM_ID, 1);
	to(c, T0);
	scs_chan_tick(c, T0 + S);
	stream_status(c, 3, 1, 0, T0 + S);
	ck_assert_str_eq(diary, "down 0\nstream_close_request\nstream_setup\nup 0 lead_CW=1 transition_delay_start=-200\n");
	diary[0] = '\0';
	say(3, ECMG_CHANNEL_ERROR);
	sim_put_int(&reply, ECMG_ERROR_STATUS, ECMG_E_UNRECOVERABLE);
	to(c, T0);
	ck_assert_str_eq(diary, "drop: the ECMG reported an error of the channel\n");
	scs_chan_lost(c, T0);
	ck_assert_str_eq(diary, "drop: the ECMG reported an error of the channel\ndown 0\n");
	scs_chan_free(c);
}
END_TEST

START_TEST(what_an_earlier_life_left_open_is_closed)
{
	struct scs_chan *c = make(3, false, 1);
	struct scs_chan_stream t = { .unit = "sport", .ecm_id = 200, .protection = 255 };

	scs_chan_connected(c, "peer", T0);
	status(c, 3, 1, 2, T0);
	stream_error(c, 3, 1, ECMG_E_STREAM_ID_IN_USE, T0);
	ck_assert_str_eq(diary, "channel_setup\nstream_setup\nstream_close_request\nfailed 0\n");
	say(3, ECMG_STREAM_CLOSE_RESPONSE);
	sim_put_int(&reply, ECMG_STREAM_ID, 1);
	to(c, T0);
	scs_chan_tick(c, T0 + S);
	/* a stream that is removed while its set-up is on its way is closed, too, before its number is given out again */
	diary[0] = '\0';
	scs_chan_remove(c, 0, T0 + S);
	ck_assert_str_eq(diary, "stream_close_request\n");
	ck_assert_int_eq(scs_chan_add(c, &t, T0 + S), 1);
	stream_status(c, 3, 1, 0, T0 + S);
	say(3, ECMG_STREAM_CLOSE_RESPONSE);
	sim_put_int(&reply, ECMG_STREAM_ID, 1);
	to(c, T0 + S);
	ck_assert_int_eq(scs_chan_add(c, &t, T0 + S), 0);
	ck_assert_str_eq(diary, "stream_close_request\n");
	scs_chan_free(c);
}
END_TEST

/* The caller's configuration goes while the channel stays: a reload. */
START_TEST(the_name_of_the_kms_is_kept)
{
	char *name = strdup("k");
	struct scs_chan_conf conf = { .kms = name, .super_cas_id = 1, .channel_id = 7, .version = 3, .manners = { .stream_ids = HE_FROM_1 } };
	struct scs_chan *c = scs_chan_new(&conf, &ops, NULL);

	diary[0] = '\0';
	free(name);
	gw_log_init("test", GW_ERR);
	scs_chan_connected(c, "peer", T0);
	status(c, 3, 1, 0, T0);		/* says at err that this cannot be used */
	ck_assert_str_eq(diary, "channel_setup\ndrop: channel_status cannot be used\n");
	scs_chan_free(c);
}
END_TEST

START_TEST(late_lost_and_strange_answers)
{
	struct scs_chan *c = opened(3, false, 1, 2);
	int64_t now = T0;

	scs_chan_provision(c, 0, 1, 10 * S, now);
	ck_assert_int_eq(scs_chan_next(c), now + 2500 * MS);	/* max_comp_time and the network's allowance */
	response(c, 3, 1, 9, now);				/* nobody asked */
	scs_chan_tick(c, now += 2500 * MS);
	ck_assert_str_eq(diary, "CW_provision\nsilent 0 cp=1\n");
	response(c, 3, 1, 1, now);				/* late, but still good */
	ck_assert_str_eq(diary, "CW_provision\nsilent 0 cp=1\necm 0 cp=1 bytes=4\n");
	diary[0] = '\0';
	for (int i = 0; i < 3; i++) {
		scs_chan_provision(c, 0, 2, 10 * S, now);
		scs_chan_tick(c, now += 2500 * MS);
	}
	ck_assert_str_eq(diary, "CW_provision\nsilent 0 cp=2\nCW_provision\nsilent 0 cp=2\nCW_provision\n"
	    "drop: the ECMG does not answer as it should; a new connection is tried\n");
	scs_chan_free(c);
}
END_TEST

START_TEST(silence_is_probed)
{
	struct scs_chan *c = opened(3, false, 1, 2);

	ck_assert_int_eq(scs_chan_next(c), T0 + 10 * S);
	scs_chan_tick(c, T0 + 10 * S);
	status(c, 3, 1, 2, T0 + 11 * S);
	scs_chan_tick(c, T0 + 21 * S);
	scs_chan_tick(c, T0 + 26 * S);
	ck_assert_str_eq(diary, "channel_test\nstream_test\nchannel_test\ndrop: no answer to channel_test\n");
	ck_assert_int_eq(scs_chan_next(c), INT64_MAX);		/* nothing more of this connection */
	scs_chan_free(c);
	/* suspended for a minute: the question first, then time for the answer */
	c = opened(3, false, 1, 2);
	status(c, 3, 1, 2, T0 + 26 * S);
	scs_chan_tick(c, T0 + 86 * S);
	ck_assert_int_eq(scs_chan_next(c), T0 + 91 * S);
	ck_assert_str_eq(diary, "channel_test\nstream_test\n");
	diary[0] = '\0';
	status(c, 3, 2, 3, T0 + 26 * S);			/* and a channel's values are fixed */
	ck_assert_str_eq(diary, "drop: the ECMG changed its channel_status; a new channel adopts it\n");
	scs_chan_free(c);
}
END_TEST

START_TEST(the_peer_tests_us)
{
	struct scs_chan *c = opened(2, false, 1, 2);

	say(2, ECMG_CHANNEL_TEST);
	to(c, T0);
	ck_assert_int_eq(sim_int(&last, ECMG_MAX_COMP_TIME, -1), 2000);
	say(2, ECMG_STREAM_TEST);
	sim_put_int(&reply, ECMG_STREAM_ID, 1);
	to(c, T0);
	ck_assert_int_eq(sim_int(&last, ECMG_ECM_ID, -1), 100);
	say(2, ECMG_STREAM_TEST);
	sim_put_int(&reply, ECMG_STREAM_ID, 2);
	to(c, T0);
	ck_assert_int_eq(sim_int(&last, ECMG_ERROR_STATUS, -1), ECMG_E_STREAM_ID);
	stream_error(c, 2, 9, ECMG_E_STREAM_ID, T0);		/* an error is never answered with an error */
	scs_chan_frame(c, (const uint8_t *)"\2\0\5\0\1\0", 6, T0);
	ck_assert_str_eq(diary, "channel_status\nstream_status\nstream_error\n");
	scs_chan_free(c);
}
END_TEST

START_TEST(version_refused_is_adopted)
{
	struct scs_chan *c = make(5, false, 1);

	scs_chan_connected(c, "peer", T0);
	say(2, ECMG_CHANNEL_ERROR);
	sim_put_int(&reply, ECMG_ERROR_STATUS, ECMG_E_VERSION);
	to(c, T0);
	scs_chan_lost(c, T0);
	scs_chan_connected(c, "peer", T0 + S);
	ck_assert_uint_eq(last.version, 2);
	status(c, 2, 1, 2, T0 + S);
	ck_assert_str_eq(diary, "channel_setup\ndrop at once: the ECMG refused the channel\nchannel_setup\nstream_setup\n");
	scs_chan_free(c);
}
END_TEST

START_TEST(version_1_has_no_ECM_id)
{
	struct scs_chan *c = make(1, false, 1);

	scs_chan_connected(c, "peer", T0);
	status(c, 1, 1, 2, T0);
	ck_assert_uint_eq(sim_count(&last, ECMG_ECM_ID), 0);
	stream_status(c, 1, 1, 1, T0);
	scs_chan_provision(c, 0, 3, 10 * S, T0);
	response(c, 1, 1, 3, T0);
	scs_chan_provision(c, 0, 4, 10 * S, T0);
	ck_assert_uint_eq(sim_count(&last, ECMG_ACCESS_CRITERIA), 1);	/* mode 1: in every one */
	scs_chan_free(c);
}
END_TEST

START_TEST(streams_come_and_go_on_a_live_channel)
{
	struct scs_chan *c = opened(3, false, 1, 2);
	struct scs_chan_stream t = { .unit = "sport", .ecm_id = 200, .protection = 255 };

	ck_assert_int_eq(scs_chan_add(c, &t, T0), 1);
	scs_chan_tick(c, T0);
	stream_status(c, 3, 2, 0, T0);
	scs_chan_provision(c, 1, 0, 10 * S, T0);
	scs_chan_remove(c, 1, T0);
	response(c, 3, 2, 0, T0);			/* it was on its way */
	say(3, ECMG_STREAM_CLOSE_RESPONSE);
	sim_put_int(&reply, ECMG_STREAM_ID, 2);
	to(c, T0);
	ck_assert_int_eq(scs_chan_add(c, &t, T0), 1);	/* the number is free again */
	scs_chan_tick(c, T0);
	ck_assert_str_eq(diary, "stream_setup\nup 1 lead_CW=1 transition_delay_start=-200\nCW_provision\nstream_close_request\nstream_setup\n");
	scs_chan_free(c);
}
END_TEST

START_TEST(refused_stream_is_tried_again_ever_slower)
{
	struct scs_chan *c = make(3, false, 1);
	int64_t now = T0;

	scs_chan_connected(c, "peer", now);
	status(c, 3, 1, 2, now);
	for (int64_t wait = S; wait < 100 * S; wait *= 2) {
		stream_error(c, 3, 1, ECMG_E_ECM_ID, now);
		int64_t at = now + (wait < 60 * S ? wait : 60 * S);
		while (now < at) {	/* alive meanwhile */
			now = now + S < at ? now + S : at;
			say(3, ECMG_CHANNEL_TEST);
			to(c, now);
			diary[0] = '\0';
			scs_chan_tick(c, now);
		}
		ck_assert_str_eq(diary, "stream_setup\n");
	}
	scs_chan_free(c);
}
END_TEST

static struct he_opt
given(int64_t v)
{
	return (struct he_opt){ .set = true, .v = v };
}

START_TEST(announced_values_are_corrected)
{
	struct scs_chan_view v;
	struct scs_chan *c;

	manners.limits[HE_MAX_COMP_TIME].max = given(700);
	manners.limits[HE_DELAY_START].replace = given(-900);
	manners.limits[HE_DELAY_START].min = given(-500);		/* replaced first, then limited */
	manners.limits[HE_LEAD_CW].replace = given(2);
	manners.limits[HE_CW_PER_MSG].min = given(3);
	manners.limits[HE_MIN_CP_DURATION].min = given(150);
	manners.limits[HE_ECM_REP_PERIOD].max = given(60000);		/* it is less */
	c = opened(3, false, 1, 2);
	scs_chan_view(c, &v);
	for (int i = 0; i < HE_ANNOUNCED; i++) {
		static const int64_t want[HE_ANNOUNCED][2] = { { 1, 2 }, { 2, 3 }, { -200, -500 }, { 0, 0 }, { -200, -200 }, { 0, 0 }, { -200, -200 },
			{ 0, 0 }, { 100, 100 }, { 2000, 700 }, { 10, 150 }, { 0, 0 } };
		ck_assert_msg(scs_terms_value(&v.announced, i) == want[i][0], "%s announced", scs_terms_name(i));
		ck_assert_msg(scs_terms_value(&v.terms, i) == want[i][1], "%s in force", scs_terms_name(i));
	}
	scs_chan_provision(c, 0, 5, 10 * S, T0);
	ck_assert_str_eq(window(), "5:5 6:6 7:7");
	ck_assert_int_eq(scs_chan_next(c), T0 + 1200 * MS);
	status(c, 3, 1, 2, T0);		/* what it announces has not changed */
	ck_assert_str_eq(diary, "CW_provision\n");
	say(3, ECMG_CHANNEL_TEST);	/* and is what it hears back */
	to(c, T0);
	ck_assert_int_eq(sim_int(&last, ECMG_MAX_COMP_TIME, -1), 2000);
	scs_chan_free(c);
}
END_TEST

START_TEST(a_test_is_answered_with_what_was_announced)
{
	struct scs_chan *c;

	transition = -700;
	c = opened(3, false, 1, 2);
	transition = 0;
	say(3, ECMG_CHANNEL_TEST);
	to(c, T0);
	ck_assert_int_eq(last.def->type, ECMG_CHANNEL_STATUS);
	ck_assert_int_eq(sim_int(&last, ECMG_DELAY_START, 0), -200);
	ck_assert_int_eq(sim_int(&last, ECMG_TRANS_START, 0), -700);
	ck_assert_uint_eq(sim_count(&last, ECMG_AC_DELAY_START), 0);
	scs_chan_free(c);
}
END_TEST

START_TEST(access_criteria_go_when_they_change)
{
	struct scs_chan *c = opened(3, false, 1, 2);
	static const int sent_with[] = { 4, -1, 1, -1, 0, -1 };	/* bytes, by CP; -1: not there */

	change = 2;
	ending = 4;
	for (int64_t cp = 0; cp < 6; cp++) {
		const struct sim_value *ac;
		scs_chan_provision(c, 0, cp, 10 * S, T0);
		ac = sim_value(&last, ECMG_ACCESS_CRITERIA, 0);
		ck_assert_int_eq(ac ? ac->len : -1, sent_with[cp]);
		response(c, 3, 1, (uint16_t)cp, T0);
	}
	scs_chan_free(c);
	/* what was refused may not have been taken: once more */
	c = opened(3, false, 1, 2);
	scs_chan_provision(c, 0, 0, 10 * S, T0);
	stream_error(c, 3, 1, ECMG_E_COMPUTATION, T0);
	scs_chan_provision(c, 0, 0, 10 * S, T0);
	ck_assert_uint_eq(sim_count(&last, ECMG_ACCESS_CRITERIA), 1);
	scs_chan_free(c);
}
END_TEST

START_TEST(vendors_manners)
{
	struct scs_chan *c;

	manners.CP_duration_always = manners.criteria_always = manners.refuse_empty_ECM = true;
	c = opened(3, false, 1, 2);
	for (int64_t cp = 0; cp < 2; cp++) {
		scs_chan_provision(c, 0, cp, 10 * S, T0);
		ck_assert_int_eq(sim_int(&last, ECMG_CP_DURATION, -1), 100);
		ck_assert_uint_eq(sim_count(&last, ECMG_ACCESS_CRITERIA), 1);
		say(3, ECMG_ECM_RESPONSE);
		sim_put_int(&reply, ECMG_STREAM_ID, 1);
		sim_put_int(&reply, ECMG_CP_NUMBER, cp);
		sim_put_bytes(&reply, ECMG_ECM_DATAGRAM, "", 0);
		to(c, T0);
	}
	ck_assert_str_eq(diary, "CW_provision\nrefused 0 cp=0\nCW_provision\nrefused 0 cp=1\n");
	scs_chan_free(c);

	manners = (struct he_manners){ .stream_ids = HE_FROM_0 };
	c = make(3, false, 2);
	scs_chan_connected(c, "peer", T0);
	status(c, 3, 1, 2, T0);
	ck_assert_int_eq(sim_int(&last, ECMG_STREAM_ID, -1), 1);
	stream_status(c, 3, 0, 0, T0);
	scs_chan_provision(c, 0, 0, 10 * S, T0);
	say(3, ECMG_ECM_RESPONSE);	/* nothing on air for this one */
	sim_put_int(&reply, ECMG_STREAM_ID, 0);
	sim_put_int(&reply, ECMG_CP_NUMBER, 0);
	sim_put_bytes(&reply, ECMG_ECM_DATAGRAM, "", 0);
	to(c, T0);
	ck_assert_ptr_nonnull(strstr(diary, "ecm 0 cp=0 bytes=0\n"));
	scs_chan_free(c);

	/* one that knows no ECM_id: in version 3, and even to a strict eye that is no fault of it */
	manners = (struct he_manners){ .stream_ids = HE_ECM_ID, .omit_ECM_id = true };
	strict = true;
	c = make(3, false, 1);
	scs_chan_connected(c, "peer", T0);
	status(c, 3, 1, 2, T0);
	ck_assert_uint_eq(sim_count(&last, ECMG_ECM_ID), 0);
	ck_assert_int_eq(sim_int(&last, ECMG_STREAM_ID, -1), 100);
	static const uint8_t bare[] = { 3, 1, 3, 0, 17, 0, 14, 0, 2, 0, 7, 0, 15, 0, 2, 0, 100, 0, 17, 0, 1, 0 };
	scs_chan_frame(c, bare, sizeof(bare), T0);
	ck_assert_ptr_nonnull(strstr(diary, "up 0"));
	/* a stream of the same ECM_id, before the other has ended: each gets its own answer */
	struct scs_chan_stream t = { .unit = "news", .ecm_id = 100, .protection = 255 };
	scs_chan_remove(c, 0, T0);
	ck_assert_int_eq(scs_chan_add(c, &t, T0), 1);
	scs_chan_tick(c, T0);
	diary[0] = '\0';
	say(3, ECMG_STREAM_CLOSE_RESPONSE);
	sim_put_int(&reply, ECMG_STREAM_ID, 100);
	to(c, T0);
	scs_chan_frame(c, bare, sizeof(bare), T0);
	ck_assert_str_eq(diary, "up 1 lead_CW=1 transition_delay_start=-200\n");
	scs_chan_free(c);
}
END_TEST

/* A message with a parameter that nobody knows; an unknown message. */
static const uint8_t odd[] = { 3, 0, 2, 0, 11, 0, 14, 0, 2, 0, 7, 0x70, 0x55, 0, 1, 0 }, unknown[] = { 3, 0x77, 0x77, 0, 0 };
/* A message of the peer's own; a channel_test of another protocol_version than this channel's. */
static const uint8_t own[] = { 3, 0x81, 0x23, 0, 0 }, second[] = { 2, 0, 2, 0, 6, 0, 14, 0, 2, 0, 7 };

START_TEST(deviations_are_tolerated_or_refused)
{
	struct scs_chan *c = opened(3, false, 1, 2);
	struct scs_chan_view v;

	for (int i = 0; i < 3; i++) {
		scs_chan_frame(c, odd, sizeof(odd), T0);
		scs_chan_frame(c, unknown, sizeof(unknown), T0);
	}
	scs_chan_frame(c, own, sizeof(own), T0);
	scs_chan_view(c, &v);
	ck_assert_uint_eq(v.counts.tolerated, 7);
	ck_assert_str_eq(diary, "channel_status\nchannel_status\nchannel_status\n");	/* it was a channel_test after all */
	scs_chan_frame(c, second, sizeof(second), T0);
	scs_chan_view(c, &v);
	ck_assert_uint_eq(v.counts.tolerated, 8);
	ck_assert_str_eq(diary, "channel_status\nchannel_status\nchannel_status\nchannel_status\n");
	ck_assert_uint_eq(last.version, 3);
	scs_chan_free(c);
	strict = true;
	c = opened(3, false, 1, 2);
	scs_chan_frame(c, odd, sizeof(odd), T0);
	ck_assert_int_eq(sim_int(&last, ECMG_ERROR_STATUS, -1), ECMG_E_PARAMETER_TYPE);
	scs_chan_frame(c, unknown, sizeof(unknown), T0);
	ck_assert_int_eq(sim_int(&last, ECMG_ERROR_STATUS, -1), ECMG_E_MESSAGE_TYPE);
	scs_chan_frame(c, second, sizeof(second), T0);
	ck_assert_int_eq(sim_int(&last, ECMG_ERROR_STATUS, -1), ECMG_E_VERSION);
	ck_assert_uint_eq(last.version, 3);
	scs_chan_frame(c, own, sizeof(own), T0);	/* no inconsistency (4.4.1) */
	ck_assert_str_eq(diary, "channel_error\nchannel_error\nchannel_error\n");
	/* an error message that cannot be read is still an error message */
	scs_chan_frame(c, (const uint8_t *)"\3\0\5\0\1\0", 6, T0);
	scs_chan_frame(c, (const uint8_t *)"\3\1\6\0\1\0", 6, T0);
	ck_assert_str_eq(diary, "channel_error\nchannel_error\nchannel_error\n");
	scs_chan_free(c);
}
END_TEST

START_TEST(identifiers_in_use_and_versions_refused)
{
	struct scs_chan *c = make(5, false, 1);

	/* one that only mirrors our version: the lower ones are tried, each at once, and then from the beginning, slowly */
	for (uint8_t v = 5; v >= 1; v--) {
		scs_chan_connected(c, "peer", T0);
		ck_assert_uint_eq(last.version, v);
		diary[0] = '\0';
		say(v, ECMG_CHANNEL_ERROR);
		sim_put_int(&reply, ECMG_ERROR_STATUS, ECMG_E_VERSION);
		to(c, T0);
		ck_assert_str_eq(diary, v > 1 ? "drop at once: the ECMG refused the channel\n" : "drop: the ECMG refused the channel\n");
		scs_chan_lost(c, T0);
	}
	scs_chan_connected(c, "peer", T0);
	ck_assert_uint_eq(last.version, 5);
	/* the ECM_channel_id is in use: another one, if there is */
	say(5, ECMG_CHANNEL_ERROR);
	sim_put_int(&reply, ECMG_ERROR_STATUS, ECMG_E_CHANNEL_ID_IN_USE);
	diary[0] = '\0';
	to(c, T0);
	ck_assert_str_eq(diary, "drop: the ECMG refused the channel\n");
	scs_chan_lost(c, T0);
	other_id = 8;
	scs_chan_connected(c, "peer", T0);
	say(5, ECMG_CHANNEL_ERROR);
	sim_put_int(&reply, ECMG_ERROR_STATUS, ECMG_E_CHANNEL_ID_IN_USE);
	diary[0] = '\0';
	to(c, T0);
	ck_assert_str_eq(diary, "drop at once: the ECMG refused the channel\n");
	scs_chan_lost(c, T0);
	scs_chan_connected(c, "peer", T0);
	ck_assert_int_eq(sim_int(&last, ECMG_CHANNEL_ID, -1), 8);
	ck_assert_uint_eq(scs_chan_id(c), 8);
	scs_chan_free(c);
}
END_TEST

START_TEST(streams_are_tested_in_turn)
{
	struct scs_chan *c = opened(3, false, 1, 2);

	scs_chan_tick(c, T0 + 10 * S);
	status(c, 3, 1, 2, T0 + 10 * S);
	stream_error(c, 3, 1, ECMG_E_STREAM_ID, T0 + 10 * S);	/* it lost the stream: better now than in need */
	scs_chan_tick(c, T0 + 11 * S);
	ck_assert_str_eq(diary, "channel_test\nstream_test\ndown 0\nstream_setup\n");
	stream_status(c, 3, 1, 0, T0 + 11 * S);
	diary[0] = '\0';
	scs_chan_tick(c, T0 + 21 * S);
	status(c, 3, 1, 2, T0 + 21 * S);
	stream_status(c, 3, 1, 0, T0 + 21 * S);
	scs_chan_tick(c, T0 + 31 * S);
	status(c, 3, 1, 2, T0 + 31 * S);
	ck_assert_str_eq(diary, "channel_test\nstream_test\nchannel_test\nstream_test\n");
	scs_chan_tick(c, T0 + 36 * S);				/* no answer to it: not asked any more on this connection */
	scs_chan_tick(c, T0 + 41 * S);
	ck_assert_str_eq(diary, "channel_test\nstream_test\nchannel_test\nstream_test\nchannel_test\n");
	scs_chan_free(c);
	strict = true;
	c = opened(3, false, 1, 2);
	scs_chan_tick(c, T0 + 10 * S);
	status(c, 3, 1, 2, T0 + 10 * S);
	scs_chan_tick(c, T0 + 15 * S);
	ck_assert_str_eq(diary, "channel_test\nstream_test\ndown 0\nstream_close_request\n");
	scs_chan_free(c);
}
END_TEST

START_TEST(what_cannot_be_sent_is_refused_at_once)
{
	struct scs_chan *c = opened(3, false, 1, 2);

	oldest = 10;
	scs_chan_provision(c, 0, 5, 10 * S, T0);	/* the CWs of 5 and 6 are not there */
	ck_assert_str_eq(diary, "refused 0 cp=5\n");
	scs_chan_provision(c, 0, 10, 10 * S, T0);
	ck_assert_str_eq(diary, "refused 0 cp=5\nCW_provision\n");
	scs_chan_free(c);
}
END_TEST

START_TEST(no_more_streams_than_the_channel_takes)
{
	struct scs_chan *c;

	manners.limits[HE_MAX_STREAMS].replace = given(2);
	c = make(3, false, 3);
	scs_chan_connected(c, "peer", T0);
	status(c, 3, 1, 2, T0);
	ck_assert_str_eq(diary, "channel_setup\nstream_setup\nstream_setup\nfailed 2 full\n");
	stream_error(c, 3, 2, ECMG_E_TOO_MANY_STREAMS_CHANNEL, T0);	/* it takes even less */
	ck_assert_str_eq(diary, "channel_setup\nstream_setup\nstream_setup\nfailed 2 full\nfailed 1 full\n");
	scs_chan_free(c);
}
END_TEST

START_TEST(machines_as_a_page)
{
	static char page[32768];

	ck_assert_uint_lt(scs_chan_print_machines(page, sizeof(page)), sizeof(page));
	vec_golden("scs/chan.txt", page);
}
END_TEST

SUITE("scs_chan", tcase_add_test(t, a_session_in_order); tcase_add_test(t, the_window_is_what_the_ecmg_asked_for);
      tcase_add_test(t, an_ecmg_that_remembers_is_primed); tcase_add_test(t, errors_and_their_remedies);
      tcase_add_test(t, what_an_earlier_life_left_open_is_closed); tcase_add_test(t, the_name_of_the_kms_is_kept);
      tcase_add_test(t, late_lost_and_strange_answers); tcase_add_test(t, silence_is_probed); tcase_add_test(t, the_peer_tests_us);
      tcase_add_test(t, version_refused_is_adopted); tcase_add_test(t, version_1_has_no_ECM_id);
      tcase_add_test(t, streams_come_and_go_on_a_live_channel); tcase_add_test(t, refused_stream_is_tried_again_ever_slower);
      tcase_add_test(t, announced_values_are_corrected); tcase_add_test(t, a_test_is_answered_with_what_was_announced);
    tcase_add_test(t, access_criteria_go_when_they_change);
      tcase_add_test(t, vendors_manners); tcase_add_test(t, deviations_are_tolerated_or_refused);
      tcase_add_test(t, identifiers_in_use_and_versions_refused); tcase_add_test(t, streams_are_tested_in_turn);
      tcase_add_test(t, what_cannot_be_sent_is_refused_at_once); tcase_add_test(t, no_more_streams_than_the_channel_takes);
      tcase_add_test(t, machines_as_a_page))
