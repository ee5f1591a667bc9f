/* tests/unit/test_replay.c: conversations, what is alike, and the engine of simulgate replay with a clock of its own */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"
#include "tests/suite.h"
#include "tests/unit/spelt.h"
#include "tools/diff.h"
#include "tools/replay.h"

enum { MS = 1000000, OUT = 64 };

#define SETUP     "v2 0001 000e:0001 0001:4adc0001"
#define STATUS    "v2 0003 000e:0001 0002:01 0003:00c8 0004:00c8 0007:0064 0008:0000 0009:000a 000a:01 000b:02 000c:0064"
#define STREAM    "v2 0101 000e:0001 000f:0001 0019:0001 0010:0014"
#define STREAM_OK "v2 0103 000e:0001 000f:0001 0019:0001 0011:00"
#define CW(n)     "v2 0201 000e:0001 000f:0001 0012:000" #n " 0014:000" #n "1111111111111111"
#define ECM(n)    "v2 0202 000e:0001 000f:0001 0012:000" #n " 0015:8070" #n "0"
#define CLOSE     "v2 0104 000e:0001 000f:0001"
#define CLOSED    "v2 0105 000e:0001 000f:0001"
#define END       "v2 0004 000e:0001"
#define TEST      "v2 0002 000e:0001"

static struct talk talk;

struct said { char who; int ms; const char *text; };	/* > the client, < the server, u a datagram of the client */

static void
say_all(struct talk *t, const struct sim_iface *iface, const struct said *s, size_t n)
{
	uint8_t p[512];

	t->c = calloc(1, sizeof(*t->c));
	t->n = t->room = 1;
	t->c[0].iface = iface;
	t->c[0].number = 1;
	for (size_t i = 0; i < n; i++) {
		size_t len = octets(s[i].text, p);

		ck_assert_ptr_nonnull(talk_add(&t->c[0], s[i].who == '<' ? TALK_SERVER : TALK_CLIENT, s[i].who == 'u', p, len, (int64_t)s[i].ms * MS, i + 1));
	}
	t->first_ns = t->c[0].m[0].at_ns;
	t->last_ns = t->c[0].m[n - 1].at_ns;
}

#define N(a) (sizeof(a) / sizeof((a)[0]))
static const struct said session[] = {
	{ '>', 0, SETUP }, { '<', 1, STATUS }, { '>', 10, STREAM }, { '<', 11, STREAM_OK }, { '>', 100, CW(1) }, { '>', 101, CW(2) }, { '<', 102, ECM(1) },
	{ '<', 103, ECM(2) }, { '>', 1100, CW(3) }, { '<', 1102, ECM(3) }, { '>', 2000, CLOSE }, { '<', 2001, CLOSED }, { '>', 2002, END },
};

START_TEST(answers_find_their_requests)
{
	static const size_t request[] = { 0, 1, 0, 3, 0, 0, 5, 6, 0, 9, 0, 11, 0 };

	say_all(&talk, &ecmg_scs, session, N(session));
	for (size_t i = 0; i < N(session); i++)
		ck_assert_uint_eq(talk.c[0].m[i].request, request[i]);
	ck_assert_uint_eq(talk.c[0].m[4].answer, 7);
	talk_forget(&talk.c[0], 5);
	ck_assert_uint_eq(talk.c[0].m[1].request, 0);	/* of what is forgotten */
	ck_assert_uint_eq(talk.c[0].m[2].request, 1);
	talk_free(&talk);
}
END_TEST

START_TEST(lists_of_sessions)
{
	ck_assert_int_eq(talk_listed("1,3-5", 1), 1);
	ck_assert_int_eq(talk_listed("1,3-5", 2), 0);
	ck_assert_int_eq(talk_listed("1,3-5", 5), 1);
	ck_assert_int_eq(talk_listed("3", 3), 1);
	for (const char *const *bad = (const char *const[]){ "", ",", "1,", "-3", "5-3", "a", "1 2", "3-", NULL }; *bad; bad++)
		ck_assert_int_eq(talk_listed(*bad, 1), -1);
}
END_TEST

START_TEST(values_of_keys_are_not_shown)
{
	static const uint8_t cw[] = { 0, 7, 0xde, 0xad, 0xbe, 0xef, 0xde, 0xad, 0xbe, 0xef }, delay[] = { 0xff, 0x38 };
	char text[80];

	ck_assert_str_eq(talk_value(&ecmg_scs, ECMG_CP_CW, cw, sizeof(cw), false, text, sizeof(text)), "7:(8 bytes)");
	ck_assert_str_eq(talk_value(&ecmg_scs, ECMG_CP_CW, cw, sizeof(cw), true, text, sizeof(text)), "7:deadbeefdeadbeef");
	ck_assert_str_eq(talk_value(&ecmg_scs, 0x8888, cw, sizeof(cw), false, text, sizeof(text)), "(10 bytes)");
	ck_assert_str_eq(talk_value(&ecmg_scs, ECMG_DELAY_START, delay, 2, false, text, sizeof(text)), "-200ms");
	ck_assert_str_eq(talk_value(&ecmg_scs, ECMG_ECM_DATAGRAM, cw, sizeof(cw), false, text, 20), "\u2026 (10 bytes)");
}
END_TEST

/* ---- what is alike ---- */

static const struct alike_row { const char *a, *b; size_t loose, strict; } rows[] = {
	{ STATUS, STATUS, 0, 0 },
	{ ECM(1), "v2 0202 000e:0009 000f:0001 0012:0001 0015:80aabbcc", 0, 1 },		/* a name, and an ECM */
	{ ECM(1), "v2 0202 000e:0001 000f:0001 0012:0001 0015:", 1, 1 },		/* without an ECM is something else */
	{ ECM(1), "v2 0202 0015:807010 0012:0001 000f:0001 000e:0001", 0, 0 },		/* any order */
	{ ECM(1), "v3 0202 000e:0001 000f:0001 0012:0001 0015:807010", 1, 1 },
	{ CW(1), "v2 0201 000e:0001 000f:0001 0012:0005 0014:00052222222222222222", 0, 1 },	/* a distance, and a control word */
	{ CW(1), "v2 0201 000e:0001 000f:0001 0012:0005 0014:00062222222222222222", 1, 1 },	/* two distances; strict stops at the first */
	{ CW(1), "v2 0201 000e:0001 000f:0001 0012:0001 0014:00011111", 1, 1 },
	{ STATUS, "v2 0003 000e:0001 0002:01 0003:00c9 0004:00c8 0007:0064 0008:0000 0009:000a 000a:01 000b:02", 2, 2 },
	{ "v2 0106 000e:0001 000f:0001 7000:000b", "v2 0106 000e:0001 000f:0001 7000:000b 7001:6162", 0, 1 },
};

START_TEST(fields_differ_by_their_roles)	/* _i: row */
{
	static uint8_t pa[512], pb[512];
	struct talk_msg a = { .p = pa, .len = octets(rows[_i].a, pa) }, b = { .p = pb, .len = octets(rows[_i].b, pb) };

	for (int strict = 0; strict < 2; strict++) {
		struct alike_conf conf = { .strict = strict };
		struct alike_map map = { 0 };

		ck_assert_uint_eq(alike(&conf, &map, &ecmg_scs, &a, &b, NULL, NULL), strict ? rows[_i].strict : rows[_i].loose);
		alike_map_fini(&map);
	}
}
END_TEST

START_TEST(a_name_stands_for_one_thing)
{
	static uint8_t p[3][512];
	struct talk_msg one = { .p = p[0], .len = octets("v2 0104 000e:0001 000f:0001", p[0]) }, two = { .p = p[1], .len = octets("v2 0104 000e:0001 000f:0002", p[1]) },
	    nine = { .p = p[2], .len = octets("v2 0104 000e:0001 000f:0009", p[2]) };
	struct alike_conf conf = { 0 };
	struct alike_map map = { 0 };

	ck_assert_uint_eq(alike(&conf, &map, &ecmg_scs, &one, &nine, NULL, NULL), 0);
	ck_assert_uint_eq(alike(&conf, &map, &ecmg_scs, &one, &two, NULL, NULL), 1);	/* it was 9 */
	ck_assert_uint_eq(alike(&conf, &map, &ecmg_scs, &two, &nine, NULL, NULL), 1);	/* that is the other one */
	conf.ignored[conf.nignored++] = "ECM_stream_id";
	ck_assert_uint_eq(alike(&conf, &map, &ecmg_scs, &two, &nine, NULL, NULL), 0);
	alike_map_fini(&map);
}
END_TEST

/* ---- the engine ---- */

static struct replay *engine;
static struct replay_conf conf;
static struct { uint8_t p[512]; size_t len; bool udp; } out[OUT];
static size_t nout, taken;
static unsigned opened, closed, rounds = 1;
static uint64_t lost;	/* octets that the capture lacks */
static struct { enum find_what what; uint32_t param; uint16_t type; } finds[OUT];
static size_t nfinds;
static int64_t now;

static void
on_open(void *self, unsigned link)
{
	(void)self;
	(void)link;
	opened++;
}

static bool full;

static bool
on_send(void *self, unsigned link, bool udp, const uint8_t *p, size_t len)
{
	(void)self;
	(void)link;
	ck_assert_uint_lt(nout, OUT);
	memcpy(out[nout].p, p, len);
	out[nout].udp = udp;
	out[nout++].len = len;
	return !full;
}

static void
on_close(void *self, unsigned link)
{
	(void)self;
	(void)link;
	closed++;
}

static void
on_found(void *self, const struct finding *f)
{
	(void)self;
	ck_assert_uint_lt(nfinds, OUT);
	finds[nfinds].what = f->what;
	finds[nfinds].type = f->b ? talk_type(f->b) : f->a ? talk_type(f->a) : 0;
	finds[nfinds++].param = f->field ? f->field->param : 0;
}

static void
begin(enum talk_side side, const struct sim_iface *iface, const struct said *s, size_t n)
{
	static const struct replay_user user = { NULL, on_open, on_send, on_close, on_found };

	say_all(&talk, iface, s, n);
	talk.c[0].lost = lost;
	conf.side = side;
	conf.iface = iface;
	conf.speed = conf.speed < 0 ? 0 : conf.speed > 0 ? conf.speed : 1;
	conf.loops = rounds;
	conf.timeout_ns = INT64_C(1000) * MS;
	nout = taken = nfinds = 0;
	opened = closed = 0;
	now = INT64_C(5000) * MS;
	engine = replay_new(&conf, &talk, &user);
	ck_assert_ptr_nonnull(engine);
	replay_start(engine, now);
}

static void
finish(void)
{
	replay_free(engine);
	talk_free(&talk);
	conf = (struct replay_conf){ 0 };
}

static void
peer(const char *text)
{
	uint8_t p[512];
	size_t n = octets(text, p);

	replay_message(engine, 0, p, n, now);
	replay_tick(engine, now);
}

static void
up(void)
{
	replay_up(engine, 0, now);
	replay_tick(engine, now);
}

/* The next message that went out is this. */
static void
said(const char *text)
{
	uint8_t p[512];
	size_t n = octets(text, p);

	ck_assert_msg(taken < nout, "%s has not been sent", text);
	ck_assert_uint_eq(out[taken].len, n);
	ck_assert_mem_eq(out[taken].p, p, n);
	taken++;
}

static void
silent(void)
{
	ck_assert_uint_eq(taken, nout);
}

/* To the next thing that is due, which is in so many ms. */
static void
passes(int ms)
{
	ck_assert_int_eq(replay_next(engine), now + (int64_t)ms * MS);
	now += (int64_t)ms * MS;
	replay_tick(engine, now);
}

START_TEST(the_client_keeps_the_captured_times_and_waits_for_answers)
{
	begin(TALK_CLIENT, &ecmg_scs, session, N(session));
	ck_assert_uint_eq(opened, 1);
	up();
	said(SETUP);
	silent();
	peer(STATUS);
	silent();
	passes(10);
	said(STREAM);
	ck_assert_int_eq(replay_next(engine), now + conf.timeout_ns);
	now += 200 * MS;	/* later than it was: what is due by then goes out at once */
	peer(STREAM_OK);
	said(CW(1));
	said(CW(2));
	silent();
	peer(ECM(2));		/* in any order */
	silent();
	peer(ECM(1));
	passes(890);		/* 1100 ms after the start */
	said(CW(3));
	peer(ECM(3));
	passes(900);
	said(CLOSE);
	peer(CLOSED);
	passes(2);
	said(END);
	silent();
	ck_assert(replay_done(engine));
	ck_assert(replay_as_captured(engine));
	ck_assert_uint_eq(closed, 1);
	ck_assert_uint_eq(replay_counts(engine)->compared, 6);
	finish();
}
END_TEST

START_TEST(over_and_over)
{
	static const struct said brief[] = { { '>', 0, SETUP }, { '<', 1, STATUS }, { '>', 5, END } };

	conf.speed = -1;
	begin(TALK_CLIENT, &ecmg_scs, brief, N(brief));
	finish();
	conf.speed = -1;
	rounds = 2;
	begin(TALK_CLIENT, &ecmg_scs, brief, N(brief));
	for (unsigned k = 1; k <= 2; k++) {
		ck_assert_uint_eq(opened, k);
		up();
		said(SETUP);
		peer(STATUS);
		said(END);
		ck_assert_uint_eq(closed, k);
		replay_tick(engine, now);
		ck_assert_uint_eq(opened, k);	/* not before the old one is gone */
		replay_down(engine, 0, now);
		replay_tick(engine, now);
		replay_tick(engine, now);
	}
	ck_assert(replay_done(engine) && replay_as_captured(engine));
	ck_assert_uint_eq(replay_counts(engine)->connections, 2);
	rounds = 1;
	finish();
}
END_TEST

START_TEST(a_peer_that_refuses_everybody_is_left_alone_for_a_while)
{
	static const struct said brief[] = { { '>', 0, SETUP }, { '<', 1, STATUS }, { '>', 5, END } };

	conf.speed = -1;
	rounds = 3;
	begin(TALK_CLIENT, &ecmg_scs, brief, N(brief));
	for (unsigned k = 1; k <= 3; k++) {
		ck_assert_uint_eq(opened, k);
		up();
		replay_down(engine, 0, now);
		replay_tick(engine, now);
		replay_tick(engine, now);
		ck_assert_uint_eq(opened, k);
		if (k < 3)
			passes(500);
	}
	ck_assert(replay_done(engine));
	rounds = 1;
	finish();
}
END_TEST

START_TEST(faster_and_as_fast_as_can_be)
{
	conf.speed = 10;
	begin(TALK_CLIENT, &ecmg_scs, session, N(session));
	up();
	said(SETUP);
	peer(STATUS);
	passes(1);
	said(STREAM);
	finish();
	conf.speed = -1;
	begin(TALK_CLIENT, &ecmg_scs, session, N(session));
	up();
	said(SETUP);
	peer(STATUS);
	said(STREAM);
	peer(STREAM_OK);
	said(CW(1));
	said(CW(2));
	peer(ECM(1));
	silent();
	peer(ECM(2));
	said(CW(3));
	finish();
}
END_TEST

START_TEST(what_differs_is_found_and_the_session_goes_on)
{
	conf.speed = -1;
	conf.latest_ns = 50 * MS;
	begin(TALK_CLIENT, &ecmg_scs, session, N(session));
	up();
	peer("v2 0003 000e:0001 0002:01 0003:00c9 0004:00c8 0007:0064 0008:0000 0009:000a 000a:01 000b:02 000c:0064");
	ck_assert_uint_eq(nfinds, 1);
	ck_assert_int_eq(finds[0].what, FIND_FIELD);
	ck_assert_uint_eq(finds[0].param, ECMG_DELAY_START);
	now += 100 * MS;
	peer(STREAM_OK);
	ck_assert_int_eq(finds[1].what, FIND_LATE);
	peer("v2 0106 000e:0001 000f:0001 7000:000b");	/* stream_error for the first control word */
	ck_assert_int_eq(finds[2].what, FIND_INSTEAD);
	taken = nout;
	passes(1000);
	ck_assert_int_eq(finds[3].what, FIND_MISSING);
	ck_assert_uint_eq(finds[3].type, ECMG_ECM_RESPONSE);
	peer("v2 0005 000e:0001 7000:7000");	/* channel_error, which nothing has asked for: it answers the third CW_provision's stream not */
	ck_assert_int_eq(finds[4].what, FIND_UNEXPECTED);
	replay_down(engine, 0, now);
	ck_assert_int_eq(finds[5].what, FIND_LOST);
	ck_assert_uint_eq(nfinds, 6);
	replay_tick(engine, now);
	ck_assert(replay_done(engine) && !replay_as_captured(engine));
	finish();
}
END_TEST

START_TEST(other_names_versions_and_periods)
{
	conf.speed = -1;
	conf.version = 3;
	ck_assert_int_eq(replay_map_parse("ECM_channel_id=1:7", &ecmg_scs, &conf.map[conf.nmaps++]), 0);
	ck_assert_int_eq(replay_map_parse("ECM_stream_id=0x20", &ecmg_scs, &conf.map[conf.nmaps++]), 0);
	ck_assert_int_eq(replay_map_parse("CP_number=+65535", &ecmg_scs, &conf.map[conf.nmaps++]), 0);
	ck_assert_int_eq(replay_map_parse("nominal_CP_duration=50", &ecmg_scs, &conf.map[conf.nmaps++]), 0);
	begin(TALK_CLIENT, &ecmg_scs, session, N(session));
	up();
	said("v3 0001 000e:0007 0001:4adc0001");
	peer("v3 0003 000e:0007 0002:01 0003:00c8 0004:00c8 0007:0064 0008:0000 0009:000a 000a:01 000b:02 000c:0064");
	said("v3 0101 000e:0007 000f:0020 0019:0001 0010:0032");
	peer("v3 0103 000e:0007 000f:0020 0019:0001 0011:00");
	said("v3 0201 000e:0007 000f:0020 0012:0000 0014:00001111111111111111");
	said("v3 0201 000e:0007 000f:0020 0012:0001 0014:00011111111111111111");
	peer("v3 0202 000e:0007 000f:0020 0012:0000 0015:80");
	peer("v3 0202 000e:0007 000f:0020 0012:0001 0015:80");
	ck_assert_uint_eq(nfinds, 0);
	said("v3 0201 000e:0007 000f:0020 0012:0002 0014:00021111111111111111");
	peer("v2 0202 000e:0007 000f:0020 0012:0002 0015:80");	/* not the version that it was spoken to in */
	ck_assert_uint_eq(nfinds, 1);
	finish();
}
END_TEST

START_TEST(a_lower_version_has_what_it_has)
{
	static const struct said old[] = { { '>', 0, "v1 0001 000e:0001 0001:4adc0001" }, { '>', 1, "v1 0101 000e:0001 000f:0005 0010:0014" } };

	conf.speed = -1;
	conf.version = 1;
	begin(TALK_CLIENT, &ecmg_scs, session, N(session));
	up();
	peer("v1 0003 000e:0001 0002:01 0003:00c8 0004:00c8 0007:0064 0008:0000 0009:000a 000a:01 000b:02 000c:0064");
	said("v1 0001 000e:0001 0001:4adc0001");
	said("v1 0101 000e:0001 000f:0001 0010:0014");	/* no ECM_id */
	finish();
	conf.speed = -1;
	conf.version = 2;
	begin(TALK_CLIENT, &ecmg_scs, old, N(old));
	up();
	said(SETUP);
	said("v2 0101 000e:0001 000f:0005 0010:0014 0019:0005");
	finish();
}
END_TEST

START_TEST(a_part_of_a_session)
{
	ck_assert_int_eq(replay_mark_parse("CW_provision#2", &conf.from), 0);
	ck_assert_int_eq(replay_mark_parse("CW_provision#3", &conf.until), 0);
	begin(TALK_CLIENT, &ecmg_scs, session, N(session));
	up();
	said(SETUP);
	peer(STATUS);
	said(STREAM);	/* at once: it is only there for what follows */
	peer(STREAM_OK);
	said(CW(2));
	peer(ECM(2));
	passes(999);
	said(CW(3));
	ck_assert(!replay_done(engine));
	peer(ECM(3));
	silent();
	ck_assert(replay_done(engine) && replay_as_captured(engine));
	finish();
}
END_TEST

START_TEST(marks_and_maps_that_are_none)
{
	struct replay_mark mark;
	struct replay_map map;

	for (const char *const *bad = (const char *const[]){ "", "#3", "x#", "x#0", "x#-1", "x#1y", "frame:", "frame:0", "frame:x", NULL }; *bad; bad++)
		ck_assert_int_eq(replay_mark_parse(*bad, &mark), -1);
	for (const char *const *bad = (const char *const[]){ "", "=", "ECM_channel_id", "ECM_channel_id=", "ECM_channel_id=1:", "ECM_channel_id=:1", "ECM_channel_id=1:2:3",
		"CP_number=5", "CP_number=+", "ECM_datagram=1", "nothing=1", "ECM_channel_id=99999999999", "ECM_channel_id=65536", "ECM_channel_id=65536:1", "ECM_channel_id=-1", "delay_start=-40000", NULL }; *bad; bad++)
		ck_assert_int_eq(replay_map_parse(*bad, &ecmg_scs, &map), -1);
	for (const char *const *good = (const char *const[]){ "delay_start=-32768", "delay_start=-1:0", "ECM_channel_id=65535", "Super_CAS_id=0xffffffff", NULL }; *good; good++)
		ck_assert_int_eq(replay_map_parse(*good, &ecmg_scs, &map), 0);
}
END_TEST

START_TEST(the_server_calls_things_what_the_client_calls_them)
{
	begin(TALK_SERVER, &ecmg_scs, session, N(session));
	ck_assert_int_eq(replay_accept(engine, now), 0);
	peer("v3 0001 000e:0009 0001:4adc0001");
	silent();
	passes(1);	/* it took the captured one that long */
	said("v3 0003 000e:0009 0002:01 0003:00c8 0004:00c8 0007:0064 0008:0000 0009:000a 000a:01 000b:02 000c:0064");
	peer("v3 0101 000e:0009 000f:0042 0019:0007 0010:0014");
	passes(1);
	said("v3 0103 000e:0009 000f:0042 0019:0007 0011:00");
	peer("v3 0201 000e:0009 000f:0042 0012:0100 0014:01002222222222222222");
	passes(2);
	said("v3 0202 000e:0009 000f:0042 0012:0100 0015:807010");
	peer("v3 0201 000e:0009 000f:0042 0012:0101 0014:01012222222222222222");
	passes(2);
	said("v3 0202 000e:0009 000f:0042 0012:0101 0015:807020");
	peer("v3 0201 000e:0009 000f:0042 0012:0103 0014:01032222222222222222");	/* one was left out */
	passes(2);
	said("v3 0202 000e:0009 000f:0042 0012:0103 0015:807030");
	ck_assert_uint_eq(nfinds, 2);	/* CP_number, and that of its control word */
	ck_assert_uint_eq(finds[0].param, ECMG_CP_NUMBER);
	finish();
}
END_TEST

START_TEST(the_server_goes_on_beyond_the_capture)
{
	conf.speed = -1;
	begin(TALK_SERVER, &ecmg_scs, session, N(session));
	ck_assert_int_eq(replay_accept(engine, now), 0);
	peer(SETUP);
	peer(STREAM);
	peer(CW(1));
	peer(CW(2));
	peer(CW(3));
	taken = nout;
	peer(CW(4));
	said("v2 0202 000e:0001 000f:0001 0012:0004 0015:807010");
	peer(CW(5));
	said("v2 0202 000e:0001 000f:0001 0012:0005 0015:807020");
	peer("v2 0101 000e:0001 000f:0002 0019:0002 0010:0014");	/* a stream more */
	said("v2 0103 000e:0001 000f:0002 0019:0002 0011:00");
	peer("v2 0201 000e:0001 000f:0002 0012:0001 0014:00011111111111111111");
	said("v2 0202 000e:0001 000f:0002 0012:0001 0015:807010");
	peer(TEST);	/* was never asked: the last status answers it */
	said(STATUS);
	ck_assert_uint_eq(nfinds, 0);
	ck_assert_uint_eq(replay_counts(engine)->beyond, 5);
	replay_down(engine, 0, now);
	ck_assert_int_eq(finds[0].what, FIND_LOST);	/* the close is missing */
	replay_tick(engine, now);
	ck_assert(replay_done(engine));
	finish();
}
END_TEST

START_TEST(tests_come_when_they_come)
{
	static const struct said tested[] = { { '>', 0, SETUP }, { '<', 1, STATUS }, { '<', 10000, TEST }, { '>', 10001, STATUS }, { '>', 20000, END } };

	begin(TALK_CLIENT, &ecmg_scs, tested, N(tested));
	up();
	said(SETUP);
	peer(STATUS);
	peer(TEST);
	passes(1);
	said(STATUS);
	peer(TEST);	/* once more than captured */
	said(STATUS);
	passes(19999);
	said(END);
	ck_assert(replay_done(engine) && replay_as_captured(engine));
	finish();
	begin(TALK_CLIENT, &ecmg_scs, tested, N(tested));	/* and when they do not come, nothing waits */
	up();
	said(SETUP);
	peer(STATUS);
	passes(20000);
	said(END);
	ck_assert(replay_done(engine) && replay_as_captured(engine));
	finish();
	begin(TALK_SERVER, &ecmg_scs, tested, N(tested));	/* the server tests by itself */
	ck_assert_int_eq(replay_accept(engine, now), 0);
	peer(SETUP);
	passes(1);
	said(STATUS);
	passes(9999);
	said(TEST);
	peer(STATUS);
	ck_assert_uint_eq(nfinds, 0);
	finish();
}
END_TEST

START_TEST(what_the_peer_begins_at_the_end_is_waited_for)	/* _i: whether it comes */
{
	static const struct said refused[] = { { '>', 0, SETUP }, { '<', 1, STATUS }, { '>', 10, STREAM }, { '<', 11, STREAM_OK }, { '<', 500, "v2 0106 000e:0001 000f:0001 7000:000b" } };

	begin(TALK_CLIENT, &ecmg_scs, refused, N(refused));
	up();
	peer(STATUS);
	passes(10);
	peer(STREAM_OK);
	ck_assert_uint_eq(closed, 0);
	if (_i) {
		now += 600 * MS;	/* a little later than it was */
		peer("v2 0106 000e:0001 000f:0001 7000:000b");
		ck_assert(replay_done(engine) && replay_as_captured(engine));
	} else {
		passes(1490);	/* when it was, and as long as an answer may take */
		ck_assert_uint_eq(nfinds, 1);
		ck_assert_int_eq(finds[0].what, FIND_MISSING);
		ck_assert(replay_done(engine));
	}
	ck_assert_uint_eq(closed, 1);
	finish();
}
END_TEST

START_TEST(what_the_capture_lacks_is_nobodys_fault)
{
	static const struct said holes[] = { { '>', 0, SETUP }, { '<', 1, STATUS }, { '<', 11, STREAM_OK }, { '>', 100, CW(1) }, { '>', 101, CW(2) }, { '<', 103, ECM(2) }, { '>', 500, END } };

	lost = 100;	/* stream_setup, and the first ECM_response */
	conf.speed = -1;
	begin(TALK_CLIENT, &ecmg_scs, holes, N(holes));
	up();
	peer(STATUS);
	taken = 1;
	said(CW(1));
	said(CW(2));
	peer(ECM(1));
	peer(ECM(2));
	said(END);
	ck_assert(replay_done(engine) && replay_as_captured(engine));
	finish();
	begin(TALK_SERVER, &ecmg_scs, holes, N(holes));
	ck_assert_int_eq(replay_accept(engine, now), 0);
	peer(SETUP);
	passes(1);
	said(STATUS);
	silent();
	ck_assert_int_eq(replay_next(engine), INT64_MAX);	/* no stream_status by itself */
	finish();
	lost = 0;
}
END_TEST

START_TEST(a_slow_peer_is_not_flooded)
{
	conf.speed = -1;
	begin(TALK_CLIENT, &ecmg_scs, session, N(session));
	up();
	peer(STATUS);
	full = true;
	peer(STREAM_OK);
	taken = 2;
	said(CW(1));
	silent();
	full = false;
	replay_tick(engine, now);
	silent();
	replay_drained(engine, 0);
	replay_tick(engine, now);
	said(CW(2));
	finish();
}
END_TEST

START_TEST(an_answer_that_nobody_asked_for_is_a_difference)
{
	conf.speed = -1;
	begin(TALK_CLIENT, &ecmg_scs, session, N(session));
	up();
	peer(STATUS);
	peer(STREAM_OK);
	peer(ECM(1));
	ck_assert_uint_eq(nfinds, 0);
	peer(ECM(1));	/* again */
	peer("v2 0999");
	ck_assert_uint_eq(nfinds, 2);
	ck_assert_int_eq(finds[0].what, FIND_UNEXPECTED);
	ck_assert_int_eq(finds[1].what, FIND_UNEXPECTED);
	finish();
}
END_TEST

START_TEST(a_server_serves_for_hours)
{
	char text[120];

	conf.speed = -1;
	begin(TALK_SERVER, &ecmg_scs, session, 10);	/* of a capture that ends before the stream does */
	ck_assert_int_eq(replay_accept(engine, now), 0);
	peer(SETUP);
	peer(STREAM);
	for (unsigned k = 1; k < 9000; k++) {
		snprintf(text, sizeof(text), "v2 0201 000e:0001 000f:0001 0012:%04x 0014:%04x1111111111111111", k, k);
		nout = taken = 0;
		peer(text);
		ck_assert_uint_eq(nout, 1);
	}
	nout = taken = 0;
	peer(TEST);
	said(STATUS);
	peer("v2 0102 000e:0001 000f:0001");
	said(STREAM_OK);
	peer(CLOSE);	/* was not captured */
	said(CLOSED);
	peer(END);
	ck_assert_uint_eq(nfinds, 0);
	replay_down(engine, 0, now);
	ck_assert(replay_done(engine) && replay_as_captured(engine));
	finish();
}
END_TEST

START_TEST(a_name_is_free_when_its_stream_is_closed)	/* _i: who is right anyhow: the capture has one stream after the other, the client calls both the same; and the other way about */
{
	static const struct said two[] = {
		{ '>', 0, SETUP }, { '<', 1, STATUS }, { '>', 10, STREAM }, { '<', 11, STREAM_OK }, { '>', 100, CW(1) }, { '<', 102, ECM(1) }, { '>', 200, CLOSE }, { '<', 201, CLOSED },
		{ '>', 300, "v2 0101 000e:0001 000f:0002 0019:0002 0010:0014" }, { '<', 301, "v2 0103 000e:0001 000f:0002 0019:0002 0011:00" },
		{ '>', 400, "v2 0201 000e:0001 000f:0002 0012:0005 0014:00051111111111111111" }, { '<', 401, "v2 0202 000e:0001 000f:0002 0012:0005 0015:807050" }, { '>', 500, END },
	}, again[] = {
		{ '>', 0, SETUP }, { '<', 1, STATUS }, { '>', 10, STREAM }, { '<', 11, STREAM_OK }, { '>', 100, CW(1) }, { '<', 102, ECM(1) }, { '>', 200, CLOSE }, { '<', 201, CLOSED },
		{ '>', 300, STREAM }, { '<', 301, STREAM_OK }, { '>', 400, CW(5) }, { '<', 401, ECM(5) }, { '>', 500, END },
	};
	const struct said *captured = _i ? again : two, *live = _i ? two : again;

	conf.speed = -1;
	begin(TALK_SERVER, &ecmg_scs, captured, N(two));
	ck_assert_int_eq(replay_accept(engine, now), 0);
	for (size_t i = 0; i < N(two); i++)
		if (live[i].who == '>')
			peer(live[i].text);
		else if (live[i].text[5] != '2')
			said(live[i].text);
		else
			taken++;	/* an ECM as it was captured */
	ck_assert_uint_eq(nfinds, 0);
	ck_assert_uint_eq(replay_counts(engine)->beyond, 0);
	finish();
}
END_TEST

START_TEST(crypto_periods_are_counted_anew_when_a_stream_is)
{
	static const struct said twice[] = { { '>', 0, SETUP }, { '<', 1, STATUS }, { '>', 10, STREAM }, { '<', 11, STREAM_OK }, { '>', 100, CW(1) }, { '<', 102, ECM(1) }, { '>', 200, CLOSE },
		{ '<', 201, CLOSED }, { '>', 300, STREAM }, { '<', 301, STREAM_OK }, { '>', 400, CW(2) }, { '<', 401, ECM(2) }, { '>', 500, END } };

	conf.speed = -1;
	begin(TALK_SERVER, &ecmg_scs, twice, N(twice));
	ck_assert_int_eq(replay_accept(engine, now), 0);
	peer(SETUP);
	peer(STREAM);
	peer(CW(7));
	peer(CLOSE);
	peer(STREAM);
	peer(CW(1));
	ck_assert_uint_eq(nfinds, 0);
	finish();
}
END_TEST

START_TEST(a_higher_version_is_told_its_own_ecm_id)
{
	static const struct said old[] = { { '>', 0, "v1 0001 000e:0001 0001:4adc0001" }, { '<', 1, "v1 0003 000e:0001 0002:01" },
		{ '>', 2, "v1 0101 000e:0001 000f:0005 0010:0014" }, { '<', 3, "v1 0103 000e:0001 000f:0005 0011:00" } };

	conf.speed = -1;
	begin(TALK_SERVER, &ecmg_scs, old, N(old));
	ck_assert_int_eq(replay_accept(engine, now), 0);
	peer(SETUP);
	taken = nout;
	peer("v2 0101 000e:0001 000f:0007 0019:0123 0010:0014");
	said("v2 0103 000e:0001 000f:0007 0011:00 0019:0123");
	ck_assert_uint_eq(nfinds, 0);
	finish();
}
END_TEST

#define E_SETUP  "v2 0011 0001:4adc0001 0003:0001 0002:00"
#define E_STATUS "v2 0013 0001:4adc0001 0003:0001 0002:00"
#define E_STREAM "v2 0111 0001:4adc0001 0003:0001 0004:0001 0008:0005 0007:00"
#define E_OK     "v2 0113 0001:4adc0001 0003:0001 0004:0001 0008:0005 0007:00"
#define E_UDP    "v2 0211 0001:4adc0001 0008:0005 0005:827001aa"
#define E_CLOSE  "v2 0114 0001:4adc0001 0003:0001 0004:0001"
#define E_CLOSED "v2 0115 0001:4adc0001 0003:0001 0004:0001"
static const struct said emmg[] = {
	{ '>', 0, E_SETUP }, { '<', 1, E_STATUS }, { '>', 2, E_STREAM }, { '<', 3, E_OK }, { 'u', 10, E_UDP }, { 'u', 20, E_UDP }, { '>', 50, E_CLOSE }, { '<', 51, E_CLOSED },
};

START_TEST(datagrams_keep_their_place)
{
	conf.speed = -1;
	begin(TALK_CLIENT, &emmg_mux, emmg, N(emmg));
	up();
	said(E_SETUP);
	peer(E_STATUS);
	said(E_STREAM);
	silent();	/* none before its stream is there */
	peer(E_OK);
	passes(7);
	ck_assert(out[taken].udp);
	said(E_UDP);
	said(E_UDP);
	passes(30);	/* nor is the stream closed over them */
	ck_assert(!out[taken].udp);
	said(E_CLOSE);
	peer(E_CLOSED);
	ck_assert(replay_done(engine) && replay_as_captured(engine));
	finish();
}
END_TEST

START_TEST(the_mux_finds_the_stream_of_a_datagram)
{
	uint8_t p[512];
	size_t n;

	conf.speed = -1;
	begin(TALK_SERVER, &emmg_mux, emmg, N(emmg));
	ck_assert_int_eq(replay_accept(engine, now), 0);
	peer("v2 0011 0001:4adc0002 0003:0001 0002:00");
	said("v2 0013 0001:4adc0002 0003:0001 0002:00");
	peer("v2 0111 0001:4adc0002 0003:0001 0004:0001 0008:0006 0007:00");
	n = octets("v2 0211 0001:4adc0002 0008:0006 0005:827001bb", p);
	ck_assert_int_eq(replay_datagram(engine, p, n, now), 0);
	ck_assert_int_eq(replay_datagram(engine, p, n, now), 0);
	ck_assert_uint_eq(nfinds, 0);
	ck_assert_uint_eq(replay_counts(engine)->compared, 4);
	finish();
}
END_TEST

/* ---- diff ---- */

static struct diff_counts
compared(const struct said *a, size_t na, const struct said *b, size_t nb)
{
	static const struct diff_user user = { NULL, on_found, NULL };
	static const struct alike_conf loose;
	struct talk x = { 0 }, y = { 0 };
	struct diff_counts counts;

	nfinds = 0;
	say_all(&x, &ecmg_scs, a, na);
	say_all(&y, &ecmg_scs, b, nb);
	ck_assert_int_eq(diff(&loose, &x, &y, &user, &counts), 0);
	talk_free(&x);
	talk_free(&y);
	return counts;
}

START_TEST(what_is_missing_is_missing_alone)	/* _i: the exchange that the second has not */
{
	static const struct { size_t from, n; } gone[] = { { 2, 2 }, { 8, 2 }, { 10, 2 }, { 12, 1 } };
	struct said less[N(session)];
	size_t n = 0;
	struct diff_counts counts;

	for (size_t i = 0; i < N(session); i++)
		if (i < gone[_i].from || i >= gone[_i].from + gone[_i].n)
			less[n++] = session[i];
	counts = compared(session, N(session), less, n);
	ck_assert_uint_eq(counts.found[FIND_MISSING], gone[_i].n);
	ck_assert_uint_eq(counts.messages, gone[_i].n);
	counts = compared(less, n, session, N(session));
	ck_assert_uint_eq(counts.found[FIND_UNEXPECTED], gone[_i].n);
	ck_assert_uint_eq(counts.messages, gone[_i].n);
}
END_TEST

START_TEST(a_capture_without_a_request_has_its_answer)
{
	struct said late[N(session)];
	struct diff_counts counts;

	memcpy(late, session + 5, sizeof(session) - 5 * sizeof(session[0]));	/* it begins between the first CW_provision and its answer */
	counts = compared(session, N(session), late, N(session) - 5);
	ck_assert_uint_eq(counts.found[FIND_MISSING], 5);
	ck_assert_uint_eq(counts.messages, 5);
	ck_assert_uint_eq(counts.compared, N(session) - 5);
	counts = compared(late, N(session) - 5, session, N(session));
	ck_assert_uint_eq(counts.found[FIND_UNEXPECTED], 5);
	ck_assert_uint_eq(counts.messages, 5);
}
END_TEST

START_TEST(the_same_is_the_same)
{
	struct said other[N(session)];
	struct diff_counts counts = compared(session, N(session), session, N(session));

	ck_assert(diff_same(&counts));
	ck_assert_uint_eq(counts.compared, N(session));
	memcpy(other, session, sizeof(other));
	other[9].text = "v2 0106 000e:0001 000f:0001 7000:000b";
	counts = compared(session, N(session), other, N(other));
	ck_assert_uint_eq(counts.found[FIND_INSTEAD], 1);
	ck_assert_uint_eq(counts.messages, 1);
}
END_TEST

SUITE("replay",
	tcase_add_test(t, answers_find_their_requests);
	tcase_add_test(t, lists_of_sessions);
	tcase_add_test(t, values_of_keys_are_not_shown);
	tcase_add_loop_test(t, fields_differ_by_their_roles, 0, N(rows));
	tcase_add_test(t, a_name_stands_for_one_thing);
	tcase_add_test(t, the_client_keeps_the_captured_times_and_waits_for_answers);
	tcase_add_test(t, over_and_over);
	tcase_add_test(t, a_peer_that_refuses_everybody_is_left_alone_for_a_while);
	tcase_add_test(t, faster_and_as_fast_as_can_be);
	tcase_add_test(t, what_differs_is_found_and_the_session_goes_on);
	tcase_add_test(t, other_names_versions_and_periods);
	tcase_add_test(t, a_lower_version_has_what_it_has);
	tcase_add_test(t, a_part_of_a_session);
	tcase_add_test(t, marks_and_maps_that_are_none);
	tcase_add_test(t, the_server_calls_things_what_the_client_calls_them);
	tcase_add_test(t, the_server_goes_on_beyond_the_capture);
	tcase_add_test(t, tests_come_when_they_come);
	tcase_add_loop_test(t, what_the_peer_begins_at_the_end_is_waited_for, 0, 2);
	tcase_add_test(t, what_the_capture_lacks_is_nobodys_fault);
	tcase_add_test(t, a_slow_peer_is_not_flooded);
	tcase_add_test(t, an_answer_that_nobody_asked_for_is_a_difference);
	tcase_add_test(t, a_server_serves_for_hours);
	tcase_add_loop_test(t, a_name_is_free_when_its_stream_is_closed, 0, 2);
	tcase_add_test(t, crypto_periods_are_counted_anew_when_a_stream_is);
	tcase_add_test(t, a_higher_version_is_told_its_own_ecm_id);
	tcase_add_test(t, datagrams_keep_their_place);
	tcase_add_test(t, the_mux_finds_the_stream_of_a_datagram);
	tcase_add_loop_test(t, what_is_missing_is_missing_alone, 0, 4);
	tcase_add_test(t, a_capture_without_a_request_has_its_answer);
	tcase_add_test(t, the_same_is_the_same))
