/* tests/unit/test_mux_follow.c: the follower against an SCS of our own making, with real sockets */
#include "mux/follow.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/link.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "proto/playout.h"
#include "tests/suite.h"

static uv_loop_t loop;
static uv_timer_t limit, air;
static int ticks;
static char dir[32];
static struct gw_addr at;
static struct mux_carousel *car;
static struct mux_outputs outs;
static struct mux_follow *fol;
static int rx;
static char where[64];

/* the SCS */
static struct gw_listener *door;
static struct gw_link *scs;
static int ups, downs;
static char heard[4096];	/* what the follower said, printed, a line each */

static void
scs_up(void *self, struct gw_link *l)
{
	(void)self;
	scs = l;
	ups++;
}

static void
scs_frame(void *self, struct gw_link *l, const uint8_t *bytes, size_t len)
{
	static struct sim_msg m;
	struct sim_fault why;
	size_t used = strlen(heard);

	(void)self;
	(void)l;
	ck_assert_msg(sim_decode_as(&playout, SIM_STRICT, bytes, len, &m, &why) == 0, "%s", sim_verdict_text(why.verdict));
	sim_print(&m, heard + used, sizeof(heard) - used - 1);
	strcat(heard, "\n");
}

static void
scs_down(void *self, struct gw_link *l, const struct gw_err *why)
{
	(void)self;
	(void)why;
	downs++;
	scs = scs == l ? NULL : scs;
}

static const struct gw_link_ops scs_ops = { scs_up, scs_frame, scs_down, NULL };

static void *
scs_accept(void *owner, struct gw_link *l)
{
	(void)l;
	return owner;
}

static void
scs_start(void)
{
	struct gw_err err = { 0 };

	door = gw_listen(&loop, &at, &scs_ops, NULL, scs_accept, &loop, &err);
	ck_assert_msg(door != NULL, "%s", err.text);
}

static struct sim_writer w;
static uint8_t wire[2048];

static void
message(uint16_t type)
{
	sim_begin(&w, &playout, PLAYOUT_VERSION, type, wire, sizeof(wire));
}

static void
say(void)
{
	struct sim_fault why = { 0 };
	size_t len = sim_end(&w, &why);

	ck_assert_msg(len > 0, "%s 0x%04x", sim_verdict_text(why.verdict), why.param);
	ck_assert_int_eq(gw_link_send(scs, wire, len), 0);
}

static void
welcome(void)
{
	message(PLAYOUT_FOLLOWER_STATUS);
	sim_put_text(&w, PLAYOUT_HEAD_END, "lab");
	say();
}

static bool hold;	/* what is said with the next records */

static void
record(uint64_t cp, int64_t start, int flag, const char *out, const void *datagram, size_t len)
{
	message(PLAYOUT_ECM_RECORD);
	sim_put_text(&w, PLAYOUT_SERVICE, "news");
	sim_put_int(&w, PLAYOUT_CP, (int64_t)cp);
	sim_put_int(&w, PLAYOUT_START, start);
	sim_put_int(&w, PLAYOUT_EPOCH, 1);
	sim_put_text(&w, PLAYOUT_KMS, "drm");
	sim_put_int(&w, PLAYOUT_SUPER_CAS_ID, 0x10001);
	sim_put_int(&w, PLAYOUT_ECM_ID, 1);
	sim_put_int(&w, PLAYOUT_SECTION_TSPKT, flag);
	sim_put_int(&w, PLAYOUT_DELAY_START, -2000);
	sim_put_int(&w, PLAYOUT_PREVIOUS_DELAY_STOP, -2000);
	sim_put_int(&w, PLAYOUT_ECM_REP_PERIOD, 40);
	sim_put_text(&w, PLAYOUT_OUT, out);
	sim_put_bytes(&w, PLAYOUT_ECM_DATAGRAM, datagram, len);
	if (hold)
		sim_put_int(&w, PLAYOUT_HOLD, 1);
	say();
}

/* the mux around the follower */

static void
drop(void *self, void *out)
{
	(void)self;
	mux_output_unref(&outs, out);
}

static void
run_air(uv_timer_t *t)
{
	(void)t;
	mux_carousel_run(car, gw_utc_us(), gw_mono_us(), mux_output_send, &outs);
	mux_outputs_settle(&outs);
}

static void
changed(void *self)
{
	(void)self;
	run_air(&air);
}

static void
tick(uv_timer_t *t)
{
	(void)t;
	ck_assert_msg(--ticks > 0, "waited too long; heard: %s", heard);
}

static void
begin(void)
{
	struct mux_follow_conf conf = { .name = "mux", .outputs = &outs, .changed = changed, .quiet_ms = 150 };
	struct gw_err err = { 0 };
	struct gw_addr a;
	char text[64];

	gw_log_init("test", GW_ERR);
	signal(SIGPIPE, SIG_IGN);
	strcpy(dir, "/tmp/gw-mux-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(text, sizeof(text), "unix://%s/scs.sock", dir);
	ck_assert_int_eq(gw_addr_parse(text, GW_UNIX, &at, &err), 0);
	ck_assert_int_eq(gw_addr_parse("udp://127.0.0.1:0", GW_UDP, &a, &err), 0);
	rx = gw_udp_receiver(&a, &err);
	snprintf(where, sizeof(where), "udp://127.0.0.1:%u", port_of(rx));
	uv_loop_init(&loop);
	uv_timer_init(&loop, &limit);
	ticks = 2000;
	uv_timer_start(&limit, tick, 5, 5);
	uv_timer_init(&loop, &air);
	uv_timer_start(&air, run_air, 5, 5);
	uv_unref((uv_handle_t *)&limit);
	uv_unref((uv_handle_t *)&air);
	conf.carousel = car = mux_carousel_new(500, drop, NULL);
	scs_start();
	fol = mux_follow_open(&loop, &at, &conf);
}

static void
finish(void)
{
	mux_follow_close(fol);
	gw_listener_close(door, NULL);
	uv_close((uv_handle_t *)&limit, NULL);
	uv_close((uv_handle_t *)&air, NULL);
	gw_loop_fini(&loop);
	mux_carousel_free(car);
	mux_outputs_fini(&outs);
	close(rx);
	rmdir(dir);
}

static void
until_up(int n)
{
	while (ups < n)
		uv_run(&loop, UV_RUN_ONCE);
}

/* Waits until the follower has said this. */
static void
hears(const char *what)
{
	while (!strstr(heard, what))
		uv_run(&loop, UV_RUN_ONCE);
}

static size_t
take(uint8_t *out, size_t cap)
{
	struct gw_packet p = { out, 0 };

	while (gw_udp_recv(rx, &p, 1, cap) != 1)
		uv_run(&loop, UV_RUN_ONCE);
	return p.len;
}

START_TEST(follows_records_and_goes_on_alone)
{
	int64_t now = gw_utc_us();
	struct mux_follow_view v;
	uint8_t got[2048];

	begin();
	until_up(1);
	hears("follower_setup follower_role=1 follower_name=\"mux\"\n");
	ck_assert_ptr_null(strstr(heard, "follower_held"));
	record(6, now, 2, where, "early", 5);	/* before our follower_status: out of place */
	hears("record_error service=\"news\" cp=6 Super_CAS_id=0x00010001 ECM_id=1 error_status=0x0004");
	welcome();
	record(7, now, 2, where, "seven", 5);
	hears("ecm_ack service=\"news\" cp=7 Super_CAS_id=0x00010001 ECM_id=1\n");
	ck_assert_uint_eq(take(got, sizeof(got)), 5);
	ck_assert_mem_eq(got, "seven", 5);

	/* the SCS dies: the last record stays on air, and the link is sought */
	gw_listener_close(door, NULL);
	gw_link_abort(scs, GW_EPEER, "test");
	for (int i = 0; i < 10; i++)
		ck_assert_uint_eq(take(got, sizeof(got)), 5);
	mux_follow_look(fol, &v);
	ck_assert(!v.up);
	heard[0] = '\0';
	scs_start();
	until_up(2);
	hears("follower_setup");
	ck_assert_int_eq(strncmp(heard, "follower_held service=\"news\" cp=7\nfollower_setup", 47), 0);
	welcome();
	record(7, now, 2, where, "seven", 5);	/* sent again */
	hears("ecm_ack service=\"news\" cp=7");
	hold = true;
	record(8, now + 1, 2, where, "eight", 5);
	hears("ecm_ack service=\"news\" cp=8");
	for (int i = 0; i < 10; i++) {
		ck_assert_uint_eq(take(got, sizeof(got)), 5);
		ck_assert_mem_eq(got, "seven", 5);
	}
	hold = false;
	record(8, now + 1, 2, where, "eight", 5);
	while (take(got, sizeof(got)) && memcmp(got, "seven", 5) == 0)
		;
	ck_assert_mem_eq(got, "eight", 5);
	mux_follow_look(fol, &v);
	ck_assert(v.up);
	ck_assert_str_eq(v.head_end, "lab");
	ck_assert_uint_eq(v.losses, 1);

	message(PLAYOUT_SERVICE_END);
	sim_put_text(&w, PLAYOUT_SERVICE, "news");
	sim_put_int(&w, PLAYOUT_START, now);
	say();
	while (mux_carousel_counts(car).streams > 0)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_uint_eq(outs.n, 0);	/* the socket went with its last record */
	finish();
}
END_TEST

static const struct { int flag; const char *out; size_t len; uint8_t first; const char *want; } wrong[] = {
	{ 0, NULL, 20, 0x80, "error_status=0x0007 error_information=" },	/* sections */
	{ 3, NULL, 20, 0x80, "error_status=0x0007" },
	{ 1, NULL, 187, 0x47, "error_status=0x0007" },
	{ 1, NULL, 188, 0x48, "error_status=0x0007" },
	{ 2, "tcp://127.0.0.1:1", 20, 0, "error_status=0x0007" },
	{ 2, "udp://239.1.1.1:1?interface=nosuch0", 20, 0, "error_status=0x0007" },
};

START_TEST(refuses_what_it_cannot_send)
{
	uint8_t datagram[200] = { wrong[_i].first };

	begin();
	until_up(1);
	welcome();
	record(7, gw_utc_us(), wrong[_i].flag, wrong[_i].out ? wrong[_i].out : where, datagram, wrong[_i].len);
	hears("record_error service=\"news\" cp=7");
	ck_assert_msg(strstr(heard, wrong[_i].want) != NULL, "%s", heard);
	ck_assert_uint_eq(mux_carousel_counts(car).streams, 0);
	ck_assert_uint_eq(outs.n, 0);
	finish();
}
END_TEST

START_TEST(ts_packets_go_out_seven_at_a_time)
{
	static uint8_t ts[9 * 188], got[2048];

	begin();
	for (size_t i = 0; i < 9; i++) {
		memset(ts + i * 188, (int)i, 188);
		ts[i * 188] = 0x47;
	}
	until_up(1);
	welcome();
	record(7, gw_utc_us(), 1, where, ts, sizeof(ts));
	ck_assert_uint_eq(take(got, sizeof(got)), 7 * 188);
	ck_assert_mem_eq(got, ts, 7 * 188);
	ck_assert_uint_eq(take(got, sizeof(got)), 2 * 188);
	ck_assert_mem_eq(got, ts + 7 * 188, 2 * 188);
	finish();
}
END_TEST

/* An ECM as a section: its packet has our PID, a pointer_field, stuffing, and a counter that counts repetitions. */
START_TEST(sections_go_into_a_transport_stream)
{
	uint8_t section[40] = { 0x80, 0x70, 37, 1, 2, 3 }, got[2048];
	char out[96];

	begin();
	snprintf(out, sizeof(out), "%s?pid=0x1f0", where);
	until_up(1);
	welcome();
	record(7, gw_utc_us(), 0, out, section, sizeof(section));
	for (unsigned k = 0; k < 20; k++) {
		ck_assert_uint_eq(take(got, sizeof(got)), 188);
		ck_assert_mem_eq(got, ((const uint8_t[]){ 0x47, 0x41, 0xf0, (uint8_t)(0x10 | (k & 0x0f)), 0 }), 5);
		ck_assert_mem_eq(got + 5, section, sizeof(section));
		for (size_t i = 5 + sizeof(section); i < 188; i++)
			ck_assert_uint_eq(got[i], 0xff);
	}
	finish();
}
END_TEST

START_TEST(answers_nonsense_with_errors_and_goes_on)
{
	begin();
	until_up(1);
	welcome();
	message(PLAYOUT_LINK_TEST);
	say();
	hears("link_status\n");
	message(PLAYOUT_FOLLOWER_STATUS);	/* a second welcome */
	sim_put_text(&w, PLAYOUT_HEAD_END, "lab");
	say();
	hears("follower_error error_status=0x0004");
	message(PLAYOUT_SERVICE_END);
	sim_put_text(&w, PLAYOUT_SERVICE, "news");
	sim_put_int(&w, PLAYOUT_START, 1);
	say();
	message(PLAYOUT_FOLLOWER_HELD);	/* not for us */
	sim_put_text(&w, PLAYOUT_SERVICE, "news");
	sim_put_int(&w, PLAYOUT_CP, 1);
	say();
	hears("error_status=0x0005");
	heard[0] = '\0';
	gw_link_send(scs, "\x01\x90\x11\x00\x02\xff\xff", 7);	/* half a parameter */
	hears("follower_error error_status=0x0001");
	gw_link_send(scs, "\x09\x90\x04\x00\x00", 5);
	hears("follower_error error_status=0x0002");
	record(7, -5, 2, where, "seven", 5);
	hears("record_error service=\"news\" cp=7 Super_CAS_id=0x00010001 ECM_id=1 error_status=0x0001");
	ck_assert_int_eq(downs, 0);
	finish();
}
END_TEST

START_TEST(tests_a_silent_scs_and_leaves_a_dead_one)
{
	begin();
	until_up(1);
	welcome();
	hears("link_test\n");
	message(PLAYOUT_LINK_STATUS);
	say();
	heard[0] = '\0';
	hears("link_test\n");	/* silent again, and this time for good */
	ck_assert_int_eq(downs, 0);
	until_up(2);
	ck_assert_int_eq(downs, 1);
	finish();
}
END_TEST

START_TEST(a_refusal_is_tried_again)
{
	begin();
	until_up(1);
	hears("follower_setup");
	message(PLAYOUT_FOLLOWER_ERROR);
	sim_put_int(&w, PLAYOUT_ERROR_STATUS, PLAYOUT_E_ROLE);
	sim_put_text(&w, PLAYOUT_ERROR_INFORMATION, "not now");
	say();
	until_up(2);
	welcome();
	record(7, gw_utc_us(), 2, where, "seven", 5);
	hears("ecm_ack");
	finish();
}
END_TEST

START_TEST(the_machine_is_the_golden_page)
{
	char page[4096];

	ck_assert_uint_lt(gw_fsm_print(&mux_follow_fsm, page, sizeof(page)), sizeof(page));
	vec_golden("mux/follow.txt", page);
}
END_TEST

SUITE("mux_follow", tcase_add_test(t, follows_records_and_goes_on_alone);
      tcase_add_loop_test(t, refuses_what_it_cannot_send, 0, (int)(sizeof(wrong) / sizeof(wrong[0])));
      tcase_add_test(t, ts_packets_go_out_seven_at_a_time);
      tcase_add_test(t, sections_go_into_a_transport_stream);
      tcase_add_test(t, answers_nonsense_with_errors_and_goes_on);
      tcase_add_test(t, tests_a_silent_scs_and_leaves_a_dead_one);
      tcase_add_test(t, a_refusal_is_tried_again);
      tcase_add_test(t, the_machine_is_the_golden_page))
