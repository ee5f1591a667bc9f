/* tests/unit/test_ecmg_channel.c: one connection of an SCS, with a clock and a plugin of the test's own */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/ecmg_channel.h"
#include "lib/secret.h"
#include "tests/suite.h"

static struct ecmg_engine e;
static struct ecmg_channel c;
static char out[32768];		/* what the channel did, a line each */
static size_t nout;
static int64_t now;
static struct ecmg_says says;
static int channel_rc, stream_rc, ecm_rc;
static bool later;		/* the plugin answers by ecmg_channel_answer() */
static uint64_t handles[32];
static size_t nhandles;
static char asked[512];		/* the last request */

static void __attribute__((format(printf, 1, 2)))
say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	nout += (size_t)vsnprintf(out + nout, sizeof(out) - nout, fmt, ap);
	va_end(ap);
}

static void
door_send(void *self, const uint8_t *msg, size_t len)
{
	static struct sim_msg m;
	char text[2048];

	ck_assert_ptr_eq(self, &c);
	ck_assert_int_eq(sim_decode_as(&ecmg_scs, SIM_STRICT, msg, len, &m, NULL), 0);
	sim_print(&m, text, sizeof(text));
	say("v%u %s\n", m.version, text);
}

static int
door_channel(void *self, uint32_t super_cas_id, struct ecmg_says *channel, char *why, size_t cap)
{
	(void)self;
	(void)super_cas_id;
	*channel = says;
	if (channel_rc < 0)
		snprintf(why, cap, "not here");
	return channel_rc;
}

static int
door_stream(void *self, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t cap)
{
	(void)self;
	(void)super_cas_id;
	(void)ecm_id;
	(void)why;
	(void)cap;
	return stream_rc;
}

static int
door_ecm(void *self, const struct ecmg_request *q, uint8_t *ecm, size_t cap, char *why, size_t why_cap)
{
	size_t n = 0;

	(void)self;
	ck_assert_uint_ge(cap, ECMG_ECM_MAX);
	n += (size_t)snprintf(asked + n, sizeof(asked) - n, "id=%u cp=%u dur=%u", q->ecm_id, q->cp_number, q->cp_duration_100ms);
	if (q->has_protection)
		n += (size_t)snprintf(asked + n, sizeof(asked) - n, " prot=%u/%u", q->protection, q->authenticated);
	for (size_t k = 0; k < q->ncws; k++)
		n += (size_t)snprintf(asked + n, sizeof(asked) - n, " %u:%zu:%02x/%zu", q->cws[k].cp_number, q->cws[k].cw_len,
		    q->cws[k].cw[0], q->cws[k].key_id_len);
	if (q->access_criteria)
		n += (size_t)snprintf(asked + n, sizeof(asked) - n, " ac=%zu", q->access_criteria_len);
	if (later) {
		handles[nhandles++] = q->handle;
		return ECMG_LATER;
	}
	if (ecm_rc < 0) {
		snprintf(why, why_cap, "told to fail");
		return ecm_rc;
	}
	memcpy(ecm, "\x80\x70\x02\xaa\xbb", 5);	/* a section */
	return ecm_rc ? ecm_rc : 5;
}

static void
door_close(void *self)
{
	(void)self;
	say("close\n");
}

static void
door_note(void *self, const struct ecmg_note *n)
{
	const struct sim_param *param = sim_param_find(&ecmg_scs, n->param);

	(void)self;
	if (n->level > GW_NOTICE || strncmp(n->event, "channel_", 8) == 0)
		return;
	say("log %s message=%s channel=%d stream=%d error=0x%04x param=%s offset=%zu: %s\n", n->event, n->message ? n->message : "-",
	    n->channel, n->stream, n->status, param ? param->name : n->param ? "unknown" : "-", n->offset, n->why ? n->why : "");
}

static int64_t
door_clock(void *self)
{
	(void)self;
	return now;
}

static const struct ecmg_door door = { door_send, door_channel, door_stream, door_ecm, door_close, door_note, door_clock };

static void
start(bool strict)
{
	memset(&e, 0, sizeof(e));
	e.door = &door;
	e.strict = strict;
	e.silence_ms = 30000;
	e.patience_ms = 10000;
	e.ecm_limit_ms = 5000;
	now = 1000000;
	says = (struct ecmg_says){ .lead_CW = 1, .CW_per_msg = 2, .delay_start = -200, .ECM_rep_period = 100, .min_CP_duration = 50, .max_comp_time = 500 };
	channel_rc = stream_rc = ecm_rc = 0;
	later = false;
	nhandles = 0;
	asked[0] = '\0';
	ecmg_channel_init(&c, &e, &c, 3, now);
}

static void
feed(const char *hex)
{
	uint8_t in[4096], *exact;
	size_t n = unhex(hex, in, sizeof(in));

	exact = malloc(n);
	memcpy(exact, in, n);
	ecmg_channel_feed(&c, exact, n, now);
	memset(exact, 0xee, n);	/* nothing keeps a pointer into it */
	free(exact);
}

/* What feeding it makes the channel do. */
static const char *
fed(const char *hex)
{
	nout = 0;
	out[0] = '\0';
	feed(hex);
	return out;
}

static const char *
told(uint64_t handle, int rc)
{
	nout = 0;
	out[0] = '\0';
	ck_assert_int_eq(ecmg_channel_answer(&c, handle, rc, (const uint8_t *)"\x80\x70\x02\xaa\xbb", rc < 0 ? "told to fail" : NULL), 0);
	return out;
}

static const char *
at(int64_t seconds)
{
	nout = 0;
	out[0] = '\0';
	now = 1000000 + seconds * 1000000;
	ecmg_channel_time(&c, now);
	return out;
}

#define SETUP "030001000e000e00020001000100044ae60001"
#define STREAM7 "0301010018000e00020001000f00020007001900020102001000020064"
#define STREAM0 "0301010018000e00020001000f00020000001900020000001000020064"
#define CW(cp, cp2) "030201002e000e00020001000f000200070012000200" cp "0014000a00" cp "11223366445566ff" "0014000a00" cp2 "a1a2a3e6a4a5a6ef"
#define STATUS "v3 channel_status ECM_channel_id=1 section_TSpkt_flag=0 delay_start=-200ms delay_stop=0ms ECM_rep_period=100ms max_streams=0 " \
	"min_CP_duration=50x100ms lead_CW=1 CW_per_msg=2 max_comp_time=500ms\n"
#define RESPONSE(cp) "v3 ECM_response ECM_channel_id=1 ECM_stream_id=7 CP_number=" cp " ECM_datagram=807002aabb\n"

static void
set_up(bool strict)
{
	start(strict);
	feed(SETUP);
	feed(STREAM7);
	ck_assert_uint_eq(e.channels, 1);
	ck_assert_uint_eq(e.streams, 1);
}

START_TEST(the_machine_is_a_page)
{
	static char page[8192];

	gw_fsm_print(&ecmg_channel_fsm, page, sizeof(page));
	vec_golden("ecmg/channel_fsm.txt", page);
}
END_TEST

START_TEST(a_session)
{
	start(true);
	ck_assert_str_eq(fed(SETUP), STATUS);
	ck_assert_str_eq(fed(STREAM7), "v3 stream_status ECM_channel_id=1 ECM_stream_id=7 ECM_id=258 access_criteria_transfer_mode=0\n");
	ck_assert_str_eq(fed(CW("64", "65")), RESPONSE("100"));
	ck_assert_str_eq(asked, "id=258 cp=100 dur=100 100:8:11/0 101:8:a1/0");
	ck_assert_str_eq(fed("0300020006000e00020001"), STATUS);
	ck_assert_str_eq(fed("030102000c000e00020001000f00020007"),
	    "v3 stream_status ECM_channel_id=1 ECM_stream_id=7 ECM_id=258 access_criteria_transfer_mode=0\n");
	ck_assert_str_eq(fed("030104000c000e00020001000f00020007"), "v3 stream_close_response ECM_channel_id=1 ECM_stream_id=7\n");
	ck_assert_uint_eq(e.streams, 0);
	ck_assert_str_eq(fed("0300040006000e00020001"), "");	/* channel_close has no answer */
	ck_assert_uint_eq(e.channels, 0);
	ck_assert_str_eq(at(2), "close\n");	/* after a grace */
	ck_assert_uint_eq(e.ecm_total, 1);
	ecmg_channel_fini(&c);
}
END_TEST

START_TEST(another_channel_may_follow_a_closed_one)
{
	set_up(true);
	fed("0300040006000e00020001");
	ck_assert_uint_eq(e.streams, 0);
	ck_assert_ptr_nonnull(strstr(fed("050001000e000e00020009000100044ae60001"), "v5 channel_status ECM_channel_id=9"));
	ck_assert_str_eq(at(5), "");	/* the grace of the first one is over, but this one stays */
	ecmg_channel_fini(&c);
}
END_TEST

/* Each negative vector in the state it asks for; the golden file has both readings of each. */
START_TEST(every_negative_vector)
{
	static char page[32768];
	json_t *all = vec_json("sim/simulcrypt-vectors.json"), *v;
	size_t k, n = 0;

	json_array_foreach(json_object_get(all, "negative"), k, v) {
		const char *name = json_string_value(json_object_get(v, "name")), *pre = json_string_value(json_object_get(v, "precondition"));
		const char *status = json_string_value(json_object_get(v, "error_status"));
		if (strcmp(json_string_value(json_object_get(v, "interface")), "ECMG-SCS") != 0)
			continue;
		for (int strict = 0; strict < 2; strict++) {
			char expected[32];
			start(strict);
			if (strstr(pre, "open"))
				feed(SETUP);
			if (strstr(pre, "stream 7") && !strstr(pre, "no stream 7"))
				feed(STREAM7);
			fed(json_string_value(json_object_get(v, "hex")));
			snprintf(expected, sizeof(expected), "error_status=0x%04lx", status ? strtoul(status, NULL, 16) : 0xffffff);
			/* the unknown is an error for a strict receiver only */
			ck_assert_msg((strstr(out, expected) != NULL) == (status && (strict || strcmp(status, "0x0003") != 0)), "%s: %s", name, out);
			ck_assert_ptr_null(strstr(out, "close"));
			n += (size_t)snprintf(page + n, sizeof(page) - n, "%s (%s)\n%s", name, strict ? "strict" : "lenient", out);
			ecmg_channel_fini(&c);
		}
	}
	vec_golden("ecmg/negative.txt", page);
	json_decref(all);
}
END_TEST

START_TEST(the_version_of_channel_setup_is_mirrored)
{
	start(false);
	ck_assert_ptr_eq(strstr(fed("020001000e000e00020001000100044ae60001"), "v2 channel_status"), out);
	ck_assert_ptr_eq(strstr(fed("0201010018000e00020001000f00020007001900020102001000020064"), "v2 stream_status"), out);
	ck_assert_str_eq(fed("0300020006000e00020001"),
	    "v2 channel_error ECM_channel_id=1 error_status=0x0002\n"
	    "log refused message=channel_test channel=1 stream=-1 error=0x0002 param=- offset=0: protocol_version changed within the connection\n");
	ecmg_channel_fini(&c);

	start(false);	/* version 1 knows no ECM_id */
	feed("010001000e000e00020001000100044ae60001");
	ck_assert_str_eq(fed("0101010012000e00020001000f00020007001000020064"),
	    "v1 stream_status ECM_channel_id=1 ECM_stream_id=7 access_criteria_transfer_mode=0\n");
	ecmg_channel_fini(&c);

	start(false);	/* STKMs cannot be announced to versions 1 and 2 */
	says.section_TSpkt_flag = 2;
	ck_assert_ptr_nonnull(strstr(fed("020001000e000e00020001000100044ae60001"), "v2 channel_error ECM_channel_id=1 error_status=0x0002"));
	ck_assert_ptr_nonnull(strstr(fed("030001000e000e00020001000100044ae60001"), "v3 channel_status ECM_channel_id=1 section_TSpkt_flag=2"));
	ecmg_channel_fini(&c);
}
END_TEST

START_TEST(a_missing_ecm_id_is_tolerated_unless_strict)
{
	start(false);
	feed(SETUP);
	ck_assert_ptr_nonnull(strstr(fed("0301010012000e00020001000f00020007001000020064"),
	    "v3 stream_status ECM_channel_id=1 ECM_stream_id=7 ECM_id=7 access_criteria_transfer_mode=0\n"));
	ecmg_channel_fini(&c);
	start(true);
	feed(SETUP);
	ck_assert_ptr_nonnull(strstr(fed("0301010012000e00020001000f00020007001000020064"),
	    "v3 stream_error ECM_channel_id=1 ECM_stream_id=7 error_status=0x0010 error_information=0019\n"));
	ecmg_channel_fini(&c);
}
END_TEST

START_TEST(refused_channels_and_streams)
{
	start(false);
	channel_rc = -ECMG_E_SUPER_CAS_ID;
	ck_assert_str_eq(fed(SETUP), "v3 channel_error ECM_channel_id=1 error_status=0x0005\n"
	    "log refused message=channel_setup channel=1 stream=-1 error=0x0005 param=Super_CAS_id offset=11: not here\n");
	/* a reason in words is not for TSDuck, which speaks 2 and 3 */
	ck_assert_ptr_nonnull(strstr(fed("050001000e000e00020001000100044ae60001"), "error_status=0x0005 error_information=\"not here\"\n"));
	channel_rc = 0;
	e.max_channels = 1;
	e.channels = 1;
	ck_assert_ptr_nonnull(strstr(fed(SETUP), "error_status=0x0008"));
	e.channels = 0;
	says.max_streams = 1;
	ck_assert_str_eq(strstr(fed(SETUP), "max_streams=1 ") ? "yes" : "no", "yes");
	ck_assert_ptr_nonnull(strstr(fed(SETUP), "v3 channel_error ECM_channel_id=1 error_status=0x0013"));
	stream_rc = -ECMG_E_ECM_ID;
	ck_assert_ptr_nonnull(strstr(fed(STREAM7), "v3 stream_error ECM_channel_id=1 ECM_stream_id=7 error_status=0x0012"));
	stream_rc = 0;
	ck_assert_ptr_nonnull(strstr(fed(STREAM7), "stream_status"));
	ck_assert_ptr_nonnull(strstr(fed(STREAM0), "v3 stream_error ECM_channel_id=1 ECM_stream_id=0 error_status=0x0009"));
	c.says.max_streams = 0;
	e.max_streams = 1;
	ck_assert_ptr_nonnull(strstr(fed(STREAM0), "error_status=0x000a"));
	e.max_streams = 0;
	ck_assert_ptr_nonnull(strstr(fed(STREAM0), "v3 stream_status ECM_channel_id=1 ECM_stream_id=0 ECM_id=0 "));	/* 0 is a number */
	/* the same ECM_id again: only a strict ECMG minds */
	ck_assert_ptr_nonnull(strstr(fed("0301010018000e00020001000f00020008001900020102001000020064"), "stream_status"));
	e.strict = true;
	ck_assert_ptr_nonnull(strstr(fed("0301010018000e00020001000f00020009001900020102001000020064"), "error_status=0x0015"));
	ecmg_channel_fini(&c);
	ck_assert_uint_eq(e.streams, 0);
	ck_assert_uint_eq(e.channels, 0);
}
END_TEST

START_TEST(the_unknown_is_ignored_unless_strict)
{
	set_up(false);
	ck_assert_ptr_nonnull(strstr(fed("030002000a000e0002000112340000"), STATUS));
	ecmg_channel_fini(&c);
	set_up(true);
	ck_assert_str_eq(fed("030002000a000e0002000112340000"), "v3 channel_error ECM_channel_id=1 error_status=0x000e error_information=1234\n"
	    "log refused message=channel_test channel=1 stream=-1 error=0x000e param=unknown offset=11: unknown parameter_type value\n");
	ck_assert_ptr_nonnull(strstr(fed("030002000a000e0002000112340001"), "error_status=0x0001 error_information=1234\n"));	/* and broken */
	ecmg_channel_fini(&c);
}
END_TEST

/* What a lenient ECMG goes on in spite of (the parameters of one message, after its identifiers), and how the log calls it. */
static const struct { const char *hex, *said; } lenient[] = {
	{ "0301070006000e00020001", "message=message_0x0107 channel=1 stream=-1 error=0x0000 param=- offset=1: unknown message_type, ignored" },
	{ "030002000a000e0002000112340000", "message=channel_test channel=1 stream=-1 error=0x0000 param=unknown offset=11: parameter that this message does not have, skipped" },
	{ "030002000b000e0002000100020001ff", "message=channel_test channel=1 stream=-1 error=0x0000 param=section_TSpkt_flag offset=11: parameter that this message does not have, skipped" },
	{ "0302010033000e00020001000f0002000700120002006480010001ff0014000a006411223366445566ff0014000a0065a1a2a3e6a4a5a6ef",
	    "message=CW_provision channel=1 stream=7 error=0x0000 param=traffic_protection offset=23: user-defined parameter of a length that is not ours, skipped" },
	{ "0301010012000e00020001000f00020008001000020064",
	    "message=stream_setup channel=1 stream=8 error=0x0000 param=ECM_id offset=23: mandatory parameter left out, ECM_stream_id taken for it" },
	{ "030201003c000e00020001000f0002000700120002006400140" "00a006411223366445566ff0014000a0065a1a2a3e6a4a5a6ef0014000a0066a1a2a3e6a4a5a6ef",
	    "message=CW_provision channel=1 stream=7 error=0x0000 param=CP_CW_combination offset=23: control words beyond those that lead_CW and CW_per_msg ask for" },
	{ "0301010018000e00020001000f00020009001900020102001000020064",
	    "message=stream_setup channel=1 stream=9 error=0x0000 param=ECM_id offset=17: ECM_id of another stream of the channel" },
};

START_TEST(a_deviation_is_named_once_a_connection)
{
	char log[512];

	snprintf(log, sizeof(log), "log tolerated %s\n", lenient[_i].said);
	for (int connection = 0; connection < 2; connection++) {
		set_up(false);
		ck_assert_ptr_nonnull(strstr(fed(lenient[_i].hex), log));
		ck_assert_ptr_null(strstr(out, "error_status"));
		ck_assert_ptr_null(strstr(fed(lenient[_i].hex), "tolerated"));	/* known by now */
		ck_assert_int_eq(__builtin_popcount(c.tolerated), 1);
		ecmg_channel_fini(&c);
	}
	set_up(true);
	ck_assert_ptr_nonnull(strstr(fed(lenient[_i].hex), "error_status"));
	ck_assert_uint_eq(c.tolerated, 0);
	ecmg_channel_fini(&c);
}
END_TEST

START_TEST(a_newcomer_without_room_is_turned_away)
{
	static uint8_t in[64];
	size_t n = unhex("020001000e000e00020009000100044ae60001", in, sizeof(in));

	start(false);
	nout = 0;
	ecmg_channel_turn_away(&e, &c, in, n);
	ck_assert_ptr_nonnull(strstr(out, "v2 channel_error ECM_channel_id=9 error_status=0x0008\n"));
	nout = 0;
	ecmg_channel_turn_away(&e, &c, NULL, 0);	/* it said nothing */
	ck_assert_ptr_nonnull(strstr(out, "v3 channel_error ECM_channel_id=0 error_status=0x0008\n"));
	n = unhex("030005000c000e00020001700000020005", in, sizeof(in));	/* no error is answered with an error */
	nout = 0;
	out[0] = '\0';
	ecmg_channel_turn_away(&e, &c, in, n);
	ck_assert_str_eq(out, "");
	ck_assert_uint_eq(e.channels, 0);
	ecmg_channel_fini(&c);
}
END_TEST

START_TEST(errors_are_never_answered)
{
	static const char *const quiet[] = {
		"030005000c000e00020001700000020005",		/* channel_error */
		"030005000c000e00020002700000020005",		/* of another channel */
		"0300050006000e00020001",			/* without error_status: malformed, but still an error */
		"0301060012000e00020001000f0002000770000002000b",	/* stream_error */
		"030106000c000e00020001000f00020007",
		"0301030017000e00020001000f000200070019000201020011000101",	/* stream_status unasked */
	};

	for (int open = 0; open < 2; open++) {
		start(true);
		if (open)
			feed(SETUP);
		for (size_t k = 0; k < sizeof(quiet) / sizeof(quiet[0]); k++)
			ck_assert_msg(strstr(fed(quiet[k]), "v3 ") == NULL, "%s", out);
		ecmg_channel_fini(&c);
	}
	set_up(false);	/* the wrong direction, though, is an error */
	ck_assert_ptr_nonnull(strstr(fed("0302020016000e00020001000f0002000700120002006500150000"), "v3 stream_error ECM_channel_id=1 ECM_stream_id=7 error_status=0x0001"));
	ck_assert_ptr_nonnull(strstr(fed("030105000c000e00020001000f00020007"), "v3 stream_error ECM_channel_id=1 ECM_stream_id=7 error_status=0x0001"));
	ecmg_channel_fini(&c);
}
END_TEST

START_TEST(no_channel_no_streams)
{
	start(false);
	ck_assert_ptr_nonnull(strstr(fed("0300020006000e00020001"), "v3 channel_error ECM_channel_id=1 error_status=0x0006"));
	ck_assert_ptr_nonnull(strstr(fed("0300040006000e00020001"), "v3 channel_error ECM_channel_id=1 error_status=0x0006"));
	ck_assert_ptr_nonnull(strstr(fed(STREAM7), "v3 stream_error ECM_channel_id=1 ECM_stream_id=7 error_status=0x0006"));
	ck_assert_ptr_nonnull(strstr(fed(CW("64", "65")), "v3 stream_error ECM_channel_id=1 ECM_stream_id=7 error_status=0x0006"));
	ecmg_channel_fini(&c);
}
END_TEST

/* lead_CW, CW_per_msg, what is sent for CP 100 (0x64), and what the plugin gets: NULL is 0x000B. */
static const struct { unsigned lead, per; bool strict; const char *cws, *got; } windows[] = {
	{ 0, 1, true,  "0014000a0064aa00000000000000",                                                             " 100:8:aa/0" },
	{ 0, 1, true,  "0014000a0065aa00000000000000",                                                             NULL },
	{ 0, 1, true,  "0014000a0064aa00000000000000" "0014000a0065bb00000000000000",                              NULL },
	{ 0, 1, false, "0014000a0064aa00000000000000" "0014000a0065bb00000000000000",                              " 100:8:aa/0" },
	{ 1, 2, true,  "0014000a0065bb00000000000000" "0014000a0064aa00000000000000",                              " 100:8:aa/0 101:8:bb/0" },
	{ 1, 2, true,  "0014000a0064aa00000000000000" "0014000a0064aa00000000000000",                              NULL },
	{ 1, 1, true,  "0014000a0065bb00000000000000",                                                             " 101:8:bb/0" },
	{ 1, 1, false, "0014000a0064aa00000000000000",                                                             NULL },
	{ 1, 3, true,  "0014000a0064aa00000000000000" "0014000a0063cc00000000000000" "0014000a0065bb00000000000000", " 99:8:cc/0 100:8:aa/0 101:8:bb/0" },
	{ 2, 3, true,  "0014000a0064aa00000000000000" "0014000a0066cc00000000000000" "0014000a0065bb00000000000000", " 100:8:aa/0 101:8:bb/0 102:8:cc/0" },
	{ 0, 2, true,  "0014000a0064aa00000000000000" "0014000a0063cc00000000000000",                              " 99:8:cc/0 100:8:aa/0" },
};

START_TEST(the_window_of_control_words)
{
	char hex[512];
	const size_t n = strlen(windows[_i].cws) / 2 + 18;

	start(windows[_i].strict);
	says.lead_CW = (uint8_t)windows[_i].lead;
	says.CW_per_msg = (uint8_t)windows[_i].per;
	feed(SETUP);
	feed(STREAM7);
	snprintf(hex, sizeof(hex), "030201%04zx000e00020001000f00020007001200020064%s", n, windows[_i].cws);
	fed(hex);
	if (windows[_i].got) {
		ck_assert_ptr_nonnull(strstr(out, RESPONSE("100")));
		ck_assert_str_eq(asked + strlen("id=258 cp=100 dur=100"), windows[_i].got);
	} else {
		ck_assert_ptr_nonnull(strstr(out, "error_status=0x000b\n"));
		ck_assert_str_eq(asked, "");
	}
	ecmg_channel_fini(&c);
}
END_TEST

START_TEST(the_window_wraps)
{
	set_up(true);
	ck_assert_str_eq(fed("0302010044000e00020001000f0002000700120002ffff00140012ffff000102030405060708090a0b0c0d0e0f"
	    "001400120000f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff001300020082"), RESPONSE("65535"));
	ck_assert_str_eq(asked, "id=258 cp=65535 dur=130 65535:16:00/0 0:16:f0/0");
	ecmg_channel_fini(&c);
}
END_TEST

START_TEST(what_the_keys_are_for)
{
	uint8_t in[256];
	size_t n = vec_hex("sim/cw_provision_bcast.hex", in, sizeof(in));

	start(true);
	says.section_TSpkt_flag = 2;
	feed("050001000e000e000200090001000400010001");
	feed("0501010018000e00020009000f00020001001900020015001000020258");
	nout = 0;
	ecmg_channel_feed(&c, in, n, now);
	ck_assert_str_eq(asked, "id=21 cp=65535 dur=600 prot=1/1 65535:16:00/2 0:16:ff/2 ac=4");
	ck_assert_str_eq(out, "v5 ECM_response ECM_channel_id=9 ECM_stream_id=1 CP_number=65535 ECM_datagram=807002aabb\n");
	ecmg_channel_fini(&c);
}
END_TEST

#define CW_AC(ac) "0302010036000e00020001000f000200070012000200640014000a006411223366445566ff0014000a0065a1a2a3e6a4a5a6ef000d0004" ac

START_TEST(access_criteria_last_per_stream)
{
	set_up(true);
	feed(STREAM0);
	fed(CW("64", "65"));
	ck_assert_ptr_null(strstr(asked, " ac="));	/* none was ever sent */
	fed(CW_AC("01020304"));
	ck_assert_ptr_nonnull(strstr(asked, " ac=4"));
	fed(CW("65", "66"));
	ck_assert_ptr_nonnull(strstr(asked, " ac=4"));	/* remembered */
	/* those of a message that is refused never come into force */
	ck_assert_ptr_nonnull(strstr(fed("0302010034000e00020001000f000200070012000200660014000a006611223366445566ff0014000a0068a1a2a3e6a4a5a6ef000d00020102"),
	    "error_status=0x000b"));
	fed(CW("66", "67"));
	ck_assert_ptr_nonnull(strstr(asked, " ac=4"));
	fed("030201002e000e00020001000f000200000012000200640014000a006411223366445566ff0014000a0065a1a2a3e6a4a5a6ef");
	ck_assert_ptr_null(strstr(asked, " ac="));	/* another stream's are its own */
	fed("0302010032000e00020001000f000200070012000200670014000a006711223366445566ff0014000a0068a1a2a3e6a4a5a6ef000d0000");
	ck_assert_ptr_nonnull(strstr(asked, " ac=0"));	/* empty, but there */
	ecmg_channel_fini(&c);

	start(false);	/* mode 1: in every message */
	says.access_criteria_transfer_mode = 1;
	feed(SETUP);
	ck_assert_ptr_nonnull(strstr(fed(STREAM7), "access_criteria_transfer_mode=1"));
	ck_assert_str_eq(fed(CW_AC("01020304")), RESPONSE("100"));
	ck_assert_str_eq(fed(CW("65", "66")), "v3 stream_error ECM_channel_id=1 ECM_stream_id=7 error_status=0x0010 error_information=000d\n"
	    "log refused message=CW_provision channel=1 stream=7 error=0x0010 param=access_criteria offset=51: missing mandatory DVB parameter\n");
	ecmg_channel_fini(&c);
}
END_TEST

START_TEST(ciphertext_is_not_taken_for_a_cw)
{
	set_up(false);
	ck_assert_ptr_nonnull(strstr(fed("0302010037000e00020001000f00020007001200020066001800050001c0ffee0014000a00669d8c7b6a594837260014000a00671a2b3c4d5e6f7081"),
	    "error_status=0x0011 error_information=0018"));
	ck_assert_str_eq(asked, "");
	ecmg_channel_fini(&c);
}
END_TEST

START_TEST(the_plugin_fails)
{
	set_up(false);
	ecm_rc = -0x8014;
	ck_assert_str_eq(fed(CW("64", "65")), "v3 stream_error ECM_channel_id=1 ECM_stream_id=7 error_status=0x8014\n"
	    "log refused message=CW_provision channel=1 stream=7 error=0x8014 param=- offset=0: told to fail\n");
	ecm_rc = 4;	/* not the length its section says */
	ck_assert_ptr_nonnull(strstr(fed(CW("64", "65")), "error_status=0x7000"));
	c.says.section_TSpkt_flag = 1;
	ecm_rc = 188;	/* no 0x47 */
	ck_assert_ptr_nonnull(strstr(fed(CW("64", "65")), "error_status=0x7000"));
	ecm_rc = 0;
	c.says.section_TSpkt_flag = 0;
	ck_assert_str_eq(fed(CW("64", "65")), RESPONSE("100"));
	ecmg_channel_fini(&c);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
	set_up(false);
	feed(STREAM0);
	later = true;
	ck_assert_str_eq(fed(CW("64", "65")), "");
	ck_assert_str_eq(fed(CW("65", "66")), "");
	ck_assert_str_eq(fed(CW("66", "68")), "");	/* its window is wrong: that is said at its turn */
	ck_assert_str_eq(fed(CW("67", "68")), "");
	ck_assert_uint_eq(c.pending, 4);
	ck_assert_uint_eq(nhandles, 1);		/* one at a time of a stream */
	fed("030201002e000e00020001000f000200000012000200640014000a006411223366445566ff0014000a0065a1a2a3e6a4a5a6ef");
	ck_assert_uint_eq(nhandles, 2);		/* another stream does not wait */
	ck_assert_str_eq(told(handles[1], 5), "v3 ECM_response ECM_channel_id=1 ECM_stream_id=0 CP_number=100 ECM_datagram=807002aabb\n");
	ck_assert_str_eq(told(handles[0], 5), RESPONSE("100"));
	ck_assert_uint_eq(nhandles, 3);
	ck_assert_str_eq(asked, "id=258 cp=101 dur=100 101:8:11/0 102:8:a1/0");
	ck_assert_str_eq(told(handles[2], -0x000c), "v3 stream_error ECM_channel_id=1 ECM_stream_id=7 error_status=0x000c\n"
	    "log refused message=CW_provision channel=1 stream=7 error=0x000c param=- offset=0: told to fail\n"
	    "v3 stream_error ECM_channel_id=1 ECM_stream_id=7 error_status=0x000b\n"
	    "log refused message=CW_provision channel=1 stream=7 error=0x000b param=CP_CW_combination offset=23: not enough control words to compute ECM\n");
	ck_assert_str_eq(told(handles[3], 0), "v3 ECM_response ECM_channel_id=1 ECM_stream_id=7 CP_number=103 ECM_datagram=\n");
	ck_assert_uint_eq(c.pending, 0);
	ck_assert_int_eq(ecmg_channel_answer(&c, handles[3], 0, NULL, NULL), -1);	/* once */
	ecmg_channel_fini(&c);
}
END_TEST

START_TEST(a_queue_has_an_end)
{
	set_up(false);
	later = true;
	for (int k = 0; k < 17; k++)
		ck_assert_str_eq(fed(CW("64", "65")), "");
	ck_assert_ptr_nonnull(strstr(fed(CW("64", "65")), "v3 stream_error ECM_channel_id=1 ECM_stream_id=7 error_status=0x000d"));
	/* stream_close_request drops what is pending; a late answer finds nobody, nor does a new stream of the same number get it */
	ck_assert_str_eq(fed("030104000c000e00020001000f00020007"), "v3 stream_close_response ECM_channel_id=1 ECM_stream_id=7\n");
	ck_assert_uint_eq(c.pending, 0);
	ck_assert_int_eq(ecmg_channel_answer(&c, handles[0], 0, NULL, NULL), -1);
	feed(STREAM7);
	fed(CW("64", "65"));
	ck_assert_int_eq(ecmg_channel_answer(&c, handles[0], 0, NULL, NULL), -1);
	ck_assert_str_eq(told(handles[1], 5), RESPONSE("100"));
	fed(CW("64", "65"));
	fed(CW("65", "66"));
	ecmg_channel_fini(&c);	/* with requests pending and waiting */
	ck_assert_uint_eq(c.pending, 0);
}
END_TEST

START_TEST(a_hanging_plugin_is_not_waited_for)
{
	set_up(false);
	later = true;
	fed(CW("64", "65"));
	fed(CW("65", "66"));
	ck_assert_str_eq(at(4), "");
	ck_assert_ptr_nonnull(strstr(at(5), "v3 stream_error ECM_channel_id=1 ECM_stream_id=7 error_status=0x000d"));
	ck_assert_int_eq(ecmg_channel_answer(&c, handles[0], 0, NULL, NULL), -1);	/* too late */
	ck_assert_str_eq(told(handles[1], 5), RESPONSE("101"));
	ecmg_channel_fini(&c);
}
END_TEST

START_TEST(a_silent_peer_is_probed)
{
	set_up(false);
	ck_assert_str_eq(at(29), "");
	ck_assert_str_eq(at(30), "v3 channel_test ECM_channel_id=1\n");
	ck_assert_str_eq(at(39), "");
	ck_assert_str_eq(fed("0300030039000e0002000100020001010003000200c80004000200c800070002006400080002000000090002000a000a000100000b000101000c00020064"), "");
	ck_assert_str_eq(at(41), "");		/* its channel_status was heard */
	ck_assert_str_eq(at(69), "v3 channel_test ECM_channel_id=1\n");
	ck_assert_str_eq(at(79), "log peer_silent message=- channel=1 stream=-1 error=0x0000 param=- offset=0: no answer to channel_test\nclose\n");
	ck_assert_str_eq(at(120), "");		/* once */
	ecmg_channel_fini(&c);
	start(false);				/* connected, but no word */
	ck_assert_str_eq(at(9), "");
	ck_assert_ptr_nonnull(strstr(at(10), "close\n"));
	ecmg_channel_fini(&c);
}
END_TEST

SUITE("ecmg_channel", tcase_add_test(t, the_machine_is_a_page); tcase_add_test(t, a_session);
    tcase_add_test(t, another_channel_may_follow_a_closed_one); tcase_add_test(t, every_negative_vector);
    tcase_add_test(t, the_version_of_channel_setup_is_mirrored); tcase_add_test(t, a_missing_ecm_id_is_tolerated_unless_strict);
    tcase_add_test(t, refused_channels_and_streams); tcase_add_test(t, the_unknown_is_ignored_unless_strict); 
    tcase_add_loop_test(t, a_deviation_is_named_once_a_connection, 0, sizeof(lenient) / sizeof(lenient[0]));
    tcase_add_test(t, a_newcomer_without_room_is_turned_away); tcase_add_test(t, errors_are_never_answered); tcase_add_test(t, no_channel_no_streams);
    tcase_add_loop_test(t, the_window_of_control_words, 0, sizeof(windows) / sizeof(windows[0])); tcase_add_test(t, the_window_wraps);
    tcase_add_test(t, what_the_keys_are_for); tcase_add_test(t, access_criteria_last_per_stream);
    tcase_add_test(t, ciphertext_is_not_taken_for_a_cw); tcase_add_test(t, the_plugin_fails);
    tcase_add_test(t, pipelined_requests_are_answered_in_order); tcase_add_test(t, a_queue_has_an_end);
    tcase_add_test(t, a_hanging_plugin_is_not_waited_for); tcase_add_test(t, a_silent_peer_is_probed))
