/* tests/unit/test_ecmg_server.c: listeners, channels and the lab plugin on a real loop; the test is the SCS, on plain sockets */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "ecmg/server.h"
#include "tests/suite.h"

static struct ecmg_server s;
static int ticks;
static uv_timer_t limit;

/* Wakes a loop that waits for nothing else, and ends a test that waits for ever. */
static void
tick(uv_timer_t *t)
{
	(void)t;
	ck_assert_msg(--ticks > 0, "the test waited too long");
}

static void
start(const char *words)
{
	static char text[512], *argv[32], dir[4096];
	const char *top = getenv("top_builddir");
	struct gw_err err = { 0 };
	int argc = 0;

	snprintf(dir, sizeof(dir), "%s/kms/.libs", top ? top : ".");
	setenv("SIMULGATE_PLUGIN_DIR", dir, 1);
	signal(SIGPIPE, SIG_IGN);
	gw_log_init("test", GW_ERR);
	snprintf(text, sizeof(text), "ecmg --listen tcp://127.0.0.1:0 --plugin lab --set lead_CW=1 %s", words);
	for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	ck_assert_int_eq(ecmg_args(&s.args, argc, argv), -1);
	ck_assert_msg(ecmg_conf_load(&s.conf, &s.args, &err) == 0, "%s", err.text);
	uv_loop_init(&s.loop);
	ck_assert_msg(ecmg_server_start(&s, &err) == 0, "%s", err.text);
	ticks = 4000;
	uv_timer_init(&s.loop, &limit);
	uv_timer_start(&limit, tick, 5, 5);
	uv_unref((uv_handle_t *)&limit);
}

static void
stop(void)
{
	ecmg_server_stop(&s);
	while (!s.ended)
		uv_run(&s.loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&limit, NULL);
	gw_loop_fini(&s.loop);
	ecmg_server_fini(&s);
}

static int
dial(void)
{
	const struct gw_addr *a = gw_listener_addr(s.face.listeners[0]);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&a->ss, a->sslen), 0);
	return fd;
}

static void
put(int fd, const char *hex)
{
	uint8_t msg[1024];
	size_t n = unhex(hex, msg, sizeof(msg));

	ck_assert_int_eq(send(fd, msg, n, 0), (ssize_t)n);
}

/* The next message, in words; "" when the connection has ended. */
static const char *
next(int fd)
{
	static struct sim_msg m;
	static uint8_t msg[SIM_MAX];
	static char text[4][512];
	static unsigned turn;
	char *out = text[turn++ % 4];
	size_t have = 0, want = SIM_HEADER;
	ssize_t n;

	while (have < want) {
		n = recv(fd, msg + have, want - have, MSG_DONTWAIT);
		if (n == 0)
			return "";
		if (n < 0)
			uv_run(&s.loop, UV_RUN_ONCE);
		else
			have += (size_t)n;
		if (have == SIM_HEADER)
			want = sim_frame_length(msg, have);
	}
	ck_assert_int_eq(sim_decode_as(&ecmg_scs, SIM_STRICT, msg, have, &m, NULL), 0);
	sim_print(&m, out, 512);
	return out;
}

static int64_t
status(const char *key)
{
	json_t *o = ecmg_status(&s);
	const int64_t v = json_integer_value(json_object_get(o, key));

	json_decref(o);
	return v;
}

#define SETUP(id) "030001000e000e000200" id "000100044ae60001"
#define STREAM7 "0301010018000e00020001000f00020007001900020102001000020064"
#define CW(cp, cp2) "030201002e000e00020001000f000200070012000200" cp "0014000a00" cp "11223366445566ff" "0014000a00" cp2 "a1a2a3e6a4a5a6ef"

static void
expect(int fd, const char *begins)
{
	const char *got = next(fd);

	ck_assert_msg(strncmp(got, begins, strlen(begins)) == 0, "%s, wanted %s", got, begins);
}

static int
channel(const char *setup)
{
	int fd = dial();

	put(fd, setup);
	expect(fd, "channel_status ");
	return fd;
}

START_TEST(two_questions_at_once_are_answered_in_order)
{
	start("--set ecm_delay=30");	/* the plugin answers later, from a thread of its own */
	int fd = channel(SETUP("01"));
	put(fd, STREAM7 CW("64", "65") CW("65", "66") "0300020006000e00020001");
	expect(fd, "stream_status ");
	expect(fd, "channel_status ");	/* who waits for no plugin waits for no stream */
	expect(fd, "ECM_response ECM_channel_id=1 ECM_stream_id=7 CP_number=100 ");
	expect(fd, "ECM_response ECM_channel_id=1 ECM_stream_id=7 CP_number=101 ");
	ck_assert_int_eq(status("ecm_total"), 2);
	ck_assert_int_eq(status("pending"), 0);
	close(fd);
	stop();
}
END_TEST

START_TEST(a_vanished_peer_frees_its_numbers_at_once)
{
	start("--max-channels 1 --max-streams 1");
	int fd = channel(SETUP("01"));
	put(fd, STREAM7);
	expect(fd, "stream_status ");
	int other = dial();
	put(other, SETUP("01"));
	expect(other, "channel_error ECM_channel_id=1 error_status=0x0008");
	ck_assert_int_eq(status("streams"), 1);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));	/* a reset: it is gone, not closed */
	close(fd);
	while (status("connections") > 1)
		uv_run(&s.loop, UV_RUN_ONCE);
	put(other, SETUP("01") STREAM7);
	expect(other, "channel_status ECM_channel_id=1 ");
	expect(other, "stream_status ECM_channel_id=1 ECM_stream_id=7 ");
	close(other);
	stop();
}
END_TEST

START_TEST(without_descriptors_a_newcomer_is_told_and_the_others_stay)
{
	struct rlimit old, low;
	int top, other;

	start("");
	int fd = channel(SETUP("01"));
	other = dial();		/* both ends are the test's: in the backlog before the shortage */
	while ((top = dup(STDERR_FILENO)) < other)
		;
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = (rlim_t)top + 1;
	setrlimit(RLIMIT_NOFILE, &low);
	put(other, "020001000e000e00020009000100044ae60001");
	expect(other, "channel_error ECM_channel_id=9 error_status=0x0008");
	ck_assert_str_eq(next(other), "");
	put(fd, STREAM7 CW("64", "65"));
	expect(fd, "stream_status ");
	expect(fd, "ECM_response ");
	setrlimit(RLIMIT_NOFILE, &old);
	close(other);
	ck_assert_int_eq(status("connections"), 1);
	other = channel(SETUP("02"));	/* the shortage is over */
	close(other);
	close(fd);
	stop();
}
END_TEST

/* One fault of each, found in what operators see. */
START_TEST(what_operators_see)
{
	json_t *o, *one;

	start("--super-cas-id 0x4AE60001");
	int fd = channel(SETUP("01"));
	put(fd, "0301070006000e00020001" "030001000e000e00020009000100044ae60001" "0300020006000e00020001");
	expect(fd, "channel_error ECM_channel_id=9 error_status=0x0006");
	expect(fd, "channel_status ");
	int other = dial();
	put(other, "030001000e000e00020002000100044ae60002");
	expect(other, "channel_error ECM_channel_id=2 error_status=0x0005");
	o = ecmg_status(&s);
	one = json_array_get(json_object_get(o, "channels"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(one, "state")), "OPEN");
	ck_assert_str_eq(json_string_value(json_object_get(one, "Super_CAS_id")), "0x4ae60001");
	ck_assert_int_eq(json_integer_value(json_object_get(one, "protocol_version")), 3);
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(one, "tolerated"), 0)), "unknown message_type, ignored");
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(json_object_get(o, "channels"), 1), "state")), "NO_CHANNEL");
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(o, "refused"), "0x0006 unknown ECM_channel_id value")), 1);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(o, "refused"), "0x0005 unknown Super_CAS_id value")), 1);
	ck_assert_int_eq(json_integer_value(json_object_get(o, "ignored")), 1);
	ck_assert_int_eq(json_integer_value(json_object_get(o, "misbehaved")), 0);
	one = json_object_get(json_array_get(json_object_get(o, "last_errors"), 0), "error");	/* the youngest first */
	ck_assert_ptr_nonnull(strstr(json_string_value(one), "channel_setup 0x0005 this ECMG serves Super_CAS_id 0x4ae60001 only"));
	ck_assert_uint_eq(json_array_size(json_object_get(o, "last_errors")), 2);
	json_decref(o);
	close(fd);
	close(other);
	stop();
}
END_TEST

START_TEST(a_reload_keeps_channels_unless_they_would_be_told_otherwise)
{
	start("");
	int fd = channel(SETUP("01"));
	put(fd, STREAM7);
	expect(fd, "stream_status ");
	ecmg_server_reload(&s);		/* the same again: a new plugin behind the same channel */
	put(fd, CW("64", "65"));
	expect(fd, "ECM_response ");
	s.args.own.lines = realloc(s.args.own.lines, 64);
	strcpy(s.args.own.lines, "CW_per_msg=1\n");
	ecmg_server_reload(&s);
	ck_assert_str_eq(next(fd), "");	/* channel_status holds for the life of a channel: the SCS has to come again */
	close(fd);
	fd = dial();
	put(fd, SETUP("01"));
	ck_assert_ptr_nonnull(strstr(next(fd), "CW_per_msg=1"));
	strcpy(s.args.own.lines, "no_such=1\n");
	ecmg_server_reload(&s);		/* refused, and nothing has changed */
	put(fd, "0300020006000e00020001");
	ck_assert_ptr_nonnull(strstr(next(fd), "CW_per_msg=1"));
	close(fd);
	stop();
}
END_TEST

START_TEST(a_misbehaving_one)
{
	start("--misbehave duplicate,late=30ms,skip=1,times=1");
	int fd = channel(SETUP("01"));
	put(fd, STREAM7 CW("64", "65"));
	expect(fd, "stream_status ");
	expect(fd, "ECM_response ECM_channel_id=1 ECM_stream_id=7 CP_number=100 ");
	put(fd, CW("65", "66") "0300020006000e00020001");
	expect(fd, "channel_status ");	/* sent later, here first */
	expect(fd, "ECM_response ECM_channel_id=1 ECM_stream_id=7 CP_number=101 ");
	expect(fd, "ECM_response ECM_channel_id=1 ECM_stream_id=7 CP_number=101 ");
	ck_assert_int_eq(status("misbehaved"), 1);
	put(fd, CW("66", "67"));
	expect(fd, "ECM_response ECM_channel_id=1 ECM_stream_id=7 CP_number=102 ");
	close(fd);
	stop();
}
END_TEST

START_TEST(what_is_computed_at_the_end_is_answered)
{
	start("--set ecm_delay=100");
	int fd = channel(SETUP("01"));
	put(fd, STREAM7 CW("64", "65"));
	expect(fd, "stream_status ");
	while (status("pending") == 0)
		uv_run(&s.loop, UV_RUN_ONCE);
	ecmg_server_stop(&s);
	expect(fd, "ECM_response ");
	ck_assert_str_eq(next(fd), "");
	close(fd);
	stop();
}
END_TEST

SUITE("ecmg_server", tcase_add_test(t, two_questions_at_once_are_answered_in_order);
    tcase_add_test(t, a_vanished_peer_frees_its_numbers_at_once);
    tcase_add_test(t, without_descriptors_a_newcomer_is_told_and_the_others_stay);
    tcase_add_test(t, what_operators_see); tcase_add_test(t, a_reload_keeps_channels_unless_they_would_be_told_otherwise);
    tcase_add_test(t, a_misbehaving_one); tcase_add_test(t, what_is_computed_at_the_end_is_answered))
