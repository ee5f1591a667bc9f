/* tests/unit/test_scrambler.c: the scrambler's shell on a real loop, between an SCS of ours, a source and a receiver */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/secret.h"
#include "lib/srtp.h"
#include "lib/udp.h"
#include "proto/playout.h"
#include "scrambler/scrambler.h"
#include "tests/suite.h"

enum { MS = 1000 };
static struct scrambler app;
static struct gw_listener *listener;
static struct gw_link *scs;
static char dir[64];
static int got_fd, src_fd, src2_fd;
static struct he_medium medium = { .name = (char []){ "av" } };
static struct he_medium second = { .name = (char []){ "second" } };
static const struct he_medium *media[] = { &medium, &second };
static const struct he_service news = { .id = (char []){ "news" }, .scrambling = HE_SRTP, .authentication = true, .sources = 128 };
static struct he_unit unit = { .id = (char []){ "news/av" }, .service = &news, .media = media, .nmedia = 2 };
static struct headend threads = { .scrambler = { (char []){ "auto" }, 1, false } };
static struct gw_rx *rx;
static uint16_t heard[32];	/* messages the SCS got */
static size_t nheard;
static uint64_t held;
static int refusal;
static size_t named;		/* services in the last follower_setup */

static void
scs_frame(void *self, struct gw_link *l, const uint8_t *msg, size_t len)
{
	struct sim_msg m;

	(void)self;
	(void)l;
	ck_assert_int_eq(sim_decode(&playout, msg, len, &m, NULL), 0);
	ck_assert_uint_lt(nheard, 32);
	heard[nheard++] = m.def->type;
	if (m.def->type == PLAYOUT_FOLLOWER_SETUP)
		named = sim_count(&m, PLAYOUT_SERVICE);
	if (m.def->type == PLAYOUT_FOLLOWER_HELD)
		held = (uint64_t)sim_int(&m, PLAYOUT_CP, 0);
	if (m.def->type == PLAYOUT_RECORD_ERROR || m.def->type == PLAYOUT_FOLLOWER_ERROR)
		refusal = (int)sim_int(&m, PLAYOUT_ERROR_STATUS, 0);
}
static void scs_up(void *self, struct gw_link *l) { (void)self; scs = l; }
static void scs_down(void *self, struct gw_link *l, const struct gw_err *why) { (void)self; (void)l; (void)why; scs = NULL; }
static const struct gw_link_ops scs_ops = { .up = scs_up, .frame = scs_frame, .down = scs_down };
static void *scs_accept(void *owner, struct gw_link *l) { (void)l; return owner; }

static struct gw_addr
address(const char *fmt, ...)
{
	struct gw_addr a;
	struct gw_err err;
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ck_assert_msg(gw_addr_parse(text, GW_UDP | GW_UNIX, &a, &err) == 0, "%s", err.text);
	return a;
}

static void
on_wake(uv_timer_t *t)
{
	(void)t;
}

/* Runs the loop until it holds, at most 5 s. */
#define UNTIL(condition) do {							\
	int64_t end = gw_mono_us() + 20000 * MS;					\
	uv_timer_t wake;							\
	uv_timer_init(&app.loop, &wake);					\
	uv_timer_start(&wake, on_wake, 5, 5);					\
	while (!(condition) && gw_mono_us() < end)				\
		uv_run(&app.loop, UV_RUN_ONCE);					\
	uv_close((uv_handle_t *)&wake, NULL);					\
	uv_run(&app.loop, UV_RUN_NOWAIT);					\
	ck_assert_msg(condition, "waited in vain for: " #condition);		\
} while (0)

static void
scs_listen(void)
{
	struct gw_addr a = address("unix://%s/scs.sock", dir);

	listener = gw_listen(&app.loop, &a, &scs_ops, NULL, scs_accept, &app, NULL);
	ck_assert_ptr_nonnull(listener);
}

static int
toward(uint16_t port)
{
	struct gw_addr a = address("udp://127.0.0.1:%u", port);

	return gw_udp_sender(&a, NULL);
}

/* A scrambler as it comes up; its marks are in dir. */
static void
scrambler_up(void)
{
	struct gw_err err = { 0 };

	app.units = calloc(1, sizeof(struct scr_unit *));
	ck_assert_msg((app.units[0] = scr_unit_open(&app, &unit, &err)) != NULL, "%s", err.text);
	ck_assert_msg(scr_unit_stage(app.units[0], &unit, &err) == 0, "%s", err.text);
	scr_unit_commit(app.units[0]);
	app.nunits = 1;
	ck_assert_int_eq(gw_index_put(&app.by_id, unit.id, app.units[0]), 0);
	src_fd = toward(scr_tap_port(&app.units[0]->media[0]->media.tap));
	src2_fd = toward(scr_tap_port(&app.units[0]->media[1]->media.tap));
	scr_follow_open(&app);
}

static void
scrambler_down(void)
{
	scr_follow_close(&app);
	scr_unit_close(app.units[0]);
	gw_index_clear(&app.by_id);
	free(app.units);
	app.units = NULL;
	app.nunits = 0;
	app.welcome = false;
	close(src_fd);
	close(src2_fd);
	for (int i = 0; i < 20; i++)
		uv_run(&app.loop, UV_RUN_NOWAIT);
}

static void
up(void)
{
	struct gw_err err = { 0 };
	struct gw_addr any = address("udp://127.0.0.1:0");

	strcpy(dir, "/tmp/test_scrambler.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	memset(&app, 0, sizeof(app));
	app.playout = app.state = dir;
	nheard = 0;
	held = 0;
	refusal = 0;
	uv_loop_init(&app.loop);
	ck_assert_int_eq(scr_work_open(&app, &threads, &err), 0);
	got_fd = gw_udp_receiver(&any, &err);
	ck_assert_int_ge(got_fd, 0);
	medium.in = second.in = any;
	medium.out = second.out = address("udp://127.0.0.1:%u", port_of(got_fd));
	rx = gw_transform_srtp.rx_new(&(struct gw_rx_conf){ .authenticated = true }, &err);
	scs_listen();
	scrambler_up();
	UNTIL(nheard == 1);
	ck_assert_uint_eq(heard[0], PLAYOUT_FOLLOWER_SETUP);
}

static void
down(void)
{
	char cmd[128];

	scrambler_down();
	if (listener)
		gw_listener_close(listener, NULL);
	listener = NULL;
	scr_work_close(&app);
	gw_loop_fini(&app.loop);
	gw_transform_srtp.rx_free(rx);
	close(got_fd);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

static void
scs_send(struct sim_writer *w)
{
	size_t n = sim_end(w, NULL);

	ck_assert_uint_gt(n, 0);
	ck_assert_int_eq(gw_link_send(scs, w->buf, n), 0);
}

static void
scs_welcome(void)
{
	uint8_t buf[128];
	struct sim_writer w;

	UNTIL(scs != NULL);
	sim_begin(&w, &playout, 1, PLAYOUT_FOLLOWER_STATUS, buf, sizeof(buf));
	sim_put_text(&w, PLAYOUT_HEAD_END, "lab");
	scs_send(&w);
	UNTIL(app.welcome);
}

/* key_record of a CP whose key octets are all `fill`; the receiver gets the key, too. Waits for the answer. */
static uint16_t
scs_key(const char *service, uint16_t cp, int64_t start_us, uint8_t fill)
{
	uint8_t buf[512], key[30], id[2] = { (uint8_t)(cp >> 8), (uint8_t)cp };
	struct gw_material k = { .id = { id[0], id[1] }, .id_len = 2, .tek = key, .salt = key + 16, .authenticated = true };
	size_t before = nheard;
	struct sim_writer w;

	memset(key, fill, sizeof(key));
	sim_begin(&w, &playout, 1, PLAYOUT_KEY_RECORD, buf, sizeof(buf));
	sim_put_text(&w, PLAYOUT_SERVICE, service);
	sim_put_int(&w, PLAYOUT_CP, cp);
	sim_put_int(&w, PLAYOUT_START, start_us);
	sim_put_int(&w, PLAYOUT_DURATION, 1000);
	sim_put_int(&w, PLAYOUT_MIN_DURATION, 0);
	sim_put_int(&w, PLAYOUT_EPOCH, 1);
	sim_put_int(&w, PLAYOUT_PROTECTION, 1);
	sim_put_int(&w, PLAYOUT_AUTHENTICATED, 1);
	sim_put_bytes(&w, PLAYOUT_KEY_IDENTIFIER, id, 2);
	sim_put_bytes(&w, PLAYOUT_KEY_MATERIAL, key, sizeof(key));
	scs_send(&w);
	UNTIL(nheard > before);
	if (heard[nheard - 1] == PLAYOUT_KEY_ACK)
		ck_assert_int_eq(gw_transform_srtp.rx_key(rx, &k, NULL), 0);
	return heard[nheard - 1];
}

static void
rtp_from(int fd, uint16_t seq)
{
	uint8_t p[200] = { 0x80, 33, (uint8_t)(seq >> 8), (uint8_t)seq, 0, 0, 0, 0, 0, 0, 0, 7 };

	memset(p + 12, 0x47, 188);
	ck_assert_int_eq(send(fd, p, sizeof(p), 0), sizeof(p));
}
static void rtp(uint16_t seq) { rtp_from(src_fd, seq); }

/* The next packet that arrived, opened; its MKI, or -1 when none came. */
static int
arrived(uint64_t *index)
{
	static _Alignas(8) uint8_t buf[2048];
	ssize_t n = recv(got_fd, buf, sizeof(buf), MSG_DONTWAIT);
	struct gw_pk pk = { buf, (size_t)n };
	struct gw_rx_got got;

	if (n < 0)
		return -1;
	int mki = buf[n - 12] << 8 | buf[n - 11];
	ck_assert_int_eq(gw_transform_srtp.unprotect(rx, &pk, &got, NULL), GW_XF_OK);
	*index = got.index;
	ck_assert_uint_eq(pk.len, 200);
	ck_assert_uint_eq(buf[12], 0x47);
	return mki;
}

/* A number of the worker's, of medium i. */
static uint64_t
number(size_t i, const char *what, int reason)
{
	struct scr_unit *u = app.units[0];
	const struct scr_flow *f = &u->media[i]->media.flow;
	uint64_t n;

	scr_worker_lock(u->worker);
	n = *what == 'r' ? f->received : *what == 's' ? f->sent : *what == 'c' ? f->sent_clear : *what == 'k' ? u->line.switches : f->dropped[reason];
	scr_worker_unlock(u->worker);
	return n;
}
#define RECEIVED number(0, "received", 0)
#define SENT number(0, "sent", 0)
#define SENT_CLEAR number(0, "clear", 0)
#define DROPPED(reason) number(0, "dropped", (reason))
#define SWITCHES number(0, "keys", 0)

static bool
in_force(enum scr_mode mode, uint64_t cp)
{
	struct scr_unit *u = app.units[0];
	bool is;

	scr_worker_lock(u->worker);
	is = u->line.keys.now.mode == mode && u->line.keys.now.cp == cp;
	scr_worker_unlock(u->worker);
	return is;
}

START_TEST(nothing_before_the_first_key)
{
	uint64_t index;

	rtp(1);
	UNTIL(RECEIVED == 1);
	ck_assert_uint_eq(DROPPED(GW_XF_NO_KEY), 1);
	scs_welcome();
	ck_assert_uint_eq(scs_key("news/av", 5, gw_utc_us() + 150 * MS, 1), PLAYOUT_KEY_ACK);
	rtp(2);			/* the key is here, its time is not */
	UNTIL(RECEIVED == 2);
	ck_assert_uint_eq(DROPPED(GW_XF_NO_KEY), 2);
	ck_assert_int_eq(arrived(&index), -1);
	UNTIL(SWITCHES == 1);
	rtp(3);
	UNTIL(SENT == 1);
	ck_assert_int_eq(arrived(&index), 5);
}
END_TEST

START_TEST(keys_change_without_the_scs)
{
	uint64_t index;
	int64_t now = gw_utc_us();

	scs_welcome();
	ck_assert_uint_eq(scs_key("news/av", 5, now - 1000 * MS, 1), PLAYOUT_KEY_ACK);
	ck_assert_uint_eq(scs_key("news/av", 6, now + 200 * MS, 2), PLAYOUT_KEY_ACK);
	gw_listener_close(listener, NULL);
	gw_link_abort(scs, GW_EPEER, "dies");
	listener = NULL;
	UNTIL(!app.welcome);
	rtp(1);
	UNTIL(SENT == 1);
	ck_assert_int_eq(arrived(&index), 5);
	UNTIL(in_force(SCR_SCRAMBLED, 6));
	for (uint16_t s = 2; s < 12; s++)
		rtp(s);
	UNTIL(SENT == 11);
	for (uint16_t s = 2; s < 12; s++)
		ck_assert_int_eq(arrived(&index), 6);
	nheard = 0;
	scs_listen();			/* it returns */
	UNTIL(nheard == 2);
	ck_assert_uint_eq(heard[0], PLAYOUT_FOLLOWER_HELD);
	ck_assert_uint_eq(heard[1], PLAYOUT_FOLLOWER_SETUP);
	ck_assert_uint_eq(held, 6);
	scs_welcome();
	ck_assert_uint_eq(scs_key("news/av", 6, now + 200 * MS, 2), PLAYOUT_KEY_ACK);
	ck_assert_uint_eq(SWITCHES, 2);
}
END_TEST

START_TEST(comes_back_with_the_running_key)
{
	uint64_t index;
	int64_t start = gw_utc_us() - 500 * MS;

	scs_welcome();
	ck_assert_uint_eq(scs_key("news/av", 9, start, 3), PLAYOUT_KEY_ACK);
	rtp(65534);
	rtp(65535);
	rtp(0);
	UNTIL(SENT == 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(arrived(&index), 9);
	ck_assert_uint_eq(index, 65536);
	scrambler_down();
	nheard = 0;
	scrambler_up();
	UNTIL(nheard == 1);		/* it holds nothing now */
	rtp(1);
	UNTIL(RECEIVED == 1);
	ck_assert_int_eq(arrived(&index), -1);
	scs_welcome();
	ck_assert_uint_eq(scs_key("news/av", 9, start, 3), PLAYOUT_KEY_ACK);
	rtp(0);				/* this index is spent under this key */
	rtp(2);
	UNTIL(RECEIVED == 3);
	ck_assert_uint_eq(DROPPED(GW_XF_REPEAT), 1);
	UNTIL(SENT == 1);
	ck_assert_int_eq(arrived(&index), 9);
	ck_assert_uint_eq(index, 65538);	/* the ROC went on */
}
END_TEST

START_TEST(refusals_are_said)
{
	uint8_t buf[512];
	struct sim_writer w;
	int64_t now = gw_utc_us();

	scs_welcome();
	ck_assert_uint_eq(scs_key("sport", 5, now, 1), PLAYOUT_RECORD_ERROR);
	ck_assert_int_eq(refusal, PLAYOUT_E_UNKNOWN);
	ck_assert_uint_eq(scs_key("news/av", 5, now - MS, 1), PLAYOUT_KEY_ACK);
	ck_assert_uint_eq(scs_key("news/av", 5, now - MS, 2), PLAYOUT_RECORD_ERROR);
	ck_assert_int_eq(refusal, PLAYOUT_E_STATE);
	ck_assert_uint_eq(app.refused, 2);
	size_t before = nheard;
	sim_begin(&w, &playout, 1, PLAYOUT_KEY_ACK, buf, sizeof(buf));	/* not for us to hear */
	sim_put_text(&w, PLAYOUT_SERVICE, "news/av");
	sim_put_int(&w, PLAYOUT_CP, 5);
	scs_send(&w);
	sim_begin(&w, &playout, 1, PLAYOUT_LINK_TEST, buf, sizeof(buf));
	scs_send(&w);
	UNTIL(nheard == before + 2);
	ck_assert_uint_eq(heard[before], PLAYOUT_FOLLOWER_ERROR);
	ck_assert_int_eq(refusal, PLAYOUT_E_STATE);
	ck_assert_uint_eq(heard[before + 1], PLAYOUT_LINK_STATUS);
	ck_assert_int_eq(gw_link_send(scs, (const uint8_t []){ 1, 0x90, 0x21, 0, 0 }, 5), 0);	/* a key_record with nothing in it */
	UNTIL(nheard == before + 3);
	ck_assert_int_eq(refusal, PLAYOUT_E_INVALID);
}
END_TEST

START_TEST(more_services_than_a_message_names)
{
	static struct scr_unit *many[1100];
	struct scr_unit **one = app.units;

	ck_assert_uint_eq(named, 1);
	for (size_t i = 0; i < 1100; i++)
		many[i] = one[0];
	app.units = many;
	app.nunits = 1100;
	scr_follow_again(&app);
	UNTIL(nheard == 2);
	ck_assert_uint_eq(heard[1], PLAYOUT_FOLLOWER_SETUP);
	ck_assert_uint_eq(named, 0);	/* every one */
	app.units = one;
	app.nunits = 1;
}
END_TEST

START_TEST(an_scs_with_nothing_to_say_is_there)
{
	struct he_service careful = news;
	struct he_unit conf = unit;
	struct gw_err err = { 0 };
	int64_t until;

	careful.on_loss = HE_EXPOSE;
	careful.on_loss_after_ms = 3000;	/* more than a machine stands still */
	conf.service = &careful;
	conf.nmedia = 1;
	ck_assert_msg(scr_unit_stage(app.units[0], &conf, &err) == 0, "%s", err.text);
	scr_unit_commit(app.units[0]);
	scs_welcome();
	ck_assert_uint_eq(scs_key("news/av", 5, gw_utc_us() - 900 * MS, 1), PLAYOUT_KEY_ACK);
	UNTIL(in_force(SCR_SCRAMBLED, 5));
	for (until = gw_mono_us() + 3600 * MS; gw_mono_us() < until;) {
		int64_t next = gw_mono_us() + 200 * MS;
		scr_follow_second(&app);
		UNTIL(gw_mono_us() >= next);
		ck_assert(in_force(SCR_SCRAMBLED, 5));
	}
	gw_link_close(scs, 0);
	UNTIL(in_force(SCR_CLEAR, 5));
}
END_TEST

START_TEST(service_end_silences)
{
	uint8_t buf[512];
	struct sim_writer w;
	uint64_t index;

	scs_welcome();
	ck_assert_uint_eq(scs_key("news/av", 5, gw_utc_us() - MS, 1), PLAYOUT_KEY_ACK);
	rtp(1);
	UNTIL(SENT == 1);
	ck_assert_int_eq(arrived(&index), 5);
	sim_begin(&w, &playout, 1, PLAYOUT_SERVICE_END, buf, sizeof(buf));
	sim_put_text(&w, PLAYOUT_SERVICE, "news/av");
	sim_put_int(&w, PLAYOUT_START, gw_utc_us());
	scs_send(&w);
	UNTIL(in_force(SCR_NONE, 0));
	rtp(2);
	UNTIL(DROPPED(GW_XF_NO_KEY) == 1);
}
END_TEST

/* mode_record; waits for the answer. */
static uint16_t
scs_mode(uint16_t cp, int64_t start_us, uint8_t mode)
{
	uint8_t buf[512];
	size_t before = nheard;
	struct sim_writer w;

	sim_begin(&w, &playout, 1, PLAYOUT_MODE_RECORD, buf, sizeof(buf));
	sim_put_text(&w, PLAYOUT_SERVICE, "news/av");
	sim_put_int(&w, PLAYOUT_CP, cp);
	sim_put_int(&w, PLAYOUT_START, start_us);
	sim_put_int(&w, PLAYOUT_EPOCH, 1);
	sim_put_int(&w, PLAYOUT_MODE, mode);
	scs_send(&w);
	UNTIL(nheard > before);
	return heard[nheard - 1];
}

/* Whether the next packet arrived as it was sent. */
static bool
arrived_clear(uint16_t seq)
{
	uint8_t buf[2048];

	return recv(got_fd, buf, sizeof(buf), MSG_DONTWAIT) == 200 && buf[2] == seq >> 8 && buf[3] == (uint8_t)seq && buf[12] == 0x47;
}

START_TEST(clear_is_what_a_record_says)
{
	uint64_t index;

	scs_welcome();
	ck_assert_uint_eq(scs_key("news/av", 5, gw_utc_us() - MS, 1), PLAYOUT_KEY_ACK);
	rtp(1);
	UNTIL(SENT == 1);
	ck_assert_int_eq(arrived(&index), 5);
	ck_assert_uint_eq(scs_mode(6, gw_utc_us(), 9), PLAYOUT_RECORD_ERROR);	/* no mode of ours */
	ck_assert_uint_eq(scs_mode(6, gw_utc_us() + 100 * MS, PLAYOUT_CLEAR), PLAYOUT_KEY_ACK);
	rtp(2);
	UNTIL(SENT == 2);
	ck_assert_int_eq(arrived(&index), 5);		/* until its start */
	UNTIL(SWITCHES == 2);
	rtp(3);
	UNTIL(SENT == 3);
	ck_assert(arrived_clear(3));
	ck_assert_uint_eq(SENT_CLEAR, 1);
	ck_assert_uint_eq(scs_mode(7, gw_utc_us(), PLAYOUT_MUTED), PLAYOUT_KEY_ACK);
	rtp(4);
	UNTIL(DROPPED(GW_XF_NO_KEY) == 1);
	/* scrambled again: the indices go on where they were */
	ck_assert_uint_eq(scs_key("news/av", 8, gw_utc_us(), 3), PLAYOUT_KEY_ACK);
	rtp(5);
	UNTIL(SENT == 4);
	ck_assert_int_eq(arrived(&index), 8);
	ck_assert_uint_eq(index, 5);
	ck_assert_uint_eq(scs_mode(9, gw_utc_us(), PLAYOUT_CLEAR), PLAYOUT_KEY_ACK);
	UNTIL(in_force(SCR_CLEAR, 9));
	/* a scrambler that comes back knows nothing: it sends nothing, with and without the SCS's welcome, until it is told again */
	scrambler_down();
	scs = NULL;
	scrambler_up();
	rtp(6);
	UNTIL(DROPPED(GW_XF_NO_KEY) == 1);
	scs_welcome();
	rtp(7);
	UNTIL(DROPPED(GW_XF_NO_KEY) == 2);
	ck_assert_uint_eq(SENT, 0);
	ck_assert_uint_eq(scs_mode(9, gw_utc_us(), PLAYOUT_CLEAR), PLAYOUT_KEY_ACK);
	rtp(8);
	UNTIL(SENT == 1);
	ck_assert(arrived_clear(8));
}
END_TEST

START_TEST(only_rtp_passes)
{
	const uint8_t rtcp[28] = { 0x80, 200, 0, 6 }, junk[40] = { 0x47 };
	uint8_t huge[GW_UDP_MTU + 1] = { 0x80, 33 };
	uint64_t index;

	scs_welcome();
	ck_assert_uint_eq(scs_key("news/av", 5, gw_utc_us() - MS, 1), PLAYOUT_KEY_ACK);
	ck_assert_int_gt(send(src_fd, rtcp, sizeof(rtcp), 0), 0);
	ck_assert_int_gt(send(src_fd, junk, sizeof(junk), 0), 0);
	ck_assert_int_gt(send(src_fd, huge, sizeof(huge), 0), 0);
	rtp(1);
	UNTIL(RECEIVED == 4 && SENT == 1);
	ck_assert_uint_eq(DROPPED(GW_XF_NOT_RTP), 2);
	ck_assert_uint_eq(DROPPED(GW_XF_TOO_LONG), 1);
	ck_assert_int_eq(arrived(&index), 5);
	ck_assert_int_eq(arrived(&index), -1);
}
END_TEST

START_TEST(one_medium_an_ssrc)	/* they share a key: the second would repeat its key stream */
{
	uint64_t index;

	scs_welcome();
	ck_assert_uint_eq(scs_key("news/av", 5, gw_utc_us() - MS, 1), PLAYOUT_KEY_ACK);
	rtp(1);
	UNTIL(SENT == 1);
	rtp_from(src2_fd, 2);
	UNTIL(number(1, "dropped", GW_XF_TAKEN) == 1);
	ck_assert_int_eq(arrived(&index), 5);
	ck_assert_int_eq(arrived(&index), -1);
}
END_TEST

START_TEST(a_group_may_come_twice)	/* _i: with a source, or from anybody */
{
	struct gw_addr any = address("udp://127.0.0.1:0"), a;
	int fd = gw_udp_receiver(&any, NULL);
	struct scr_inputs *inputs = scr_worker_inputs(app.workers[0]);
	size_t sockets = scr_inputs_sockets(inputs);
	struct gw_err err = { 0 };
	struct scr_tap one, other;

	a = address("udp://232.1.2.3:%u?interface=lo%s", port_of(fd), _i ? "" : "&source=127.0.0.1");
	close(fd);	/* its port is free now, for sockets that take any group */
	ck_assert_msg(scr_tap_open(inputs, &one, &a, &err) == 0, "%s", err.text);
	ck_assert_msg(scr_tap_open(inputs, &other, &a, &err) == 0, "%s", err.text);
	ck_assert_uint_eq(scr_inputs_sockets(inputs), sockets + 2);
	scr_tap_close(&one);
	scr_tap_close(&other);
	ck_assert_uint_eq(scr_inputs_sockets(inputs), sockets);
}
END_TEST

START_TEST(one_scrambler_a_service)
{
	struct gw_err err = { 0 };

	ck_assert_ptr_null(scr_unit_open(&app, &unit, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "another scrambler"));
	ck_assert_int_eq(err.code, GW_ETEMP);
	ck_assert_ptr_eq(scr_unit_find(&app, "news/av", 7), app.units[0]);
	ck_assert_ptr_null(scr_unit_find(&app, "news", 4));
}
END_TEST

START_TEST(configuration_changes_in_place)
{
	struct scr_unit *u = app.units[0];
	struct scr_medium *first = u->media[0], *other = u->media[1];
	struct he_medium moved = { .name = (char []){ "moved" }, .in = address("udp://127.0.0.1:%u", scr_tap_port(&first->media.tap)) };
	struct he_medium taken = { .name = (char []){ "taken" }, .in = address("udp://127.0.0.1:%u", port_of(got_fd)), .out = medium.out };
	const struct he_medium *list[] = { &moved, &taken };
	struct he_unit conf = { .id = unit.id, .service = &news, .media = list, .nmedia = 2 };
	struct gw_addr any = address("udp://127.0.0.1:0");
	struct gw_err err = { 0 };
	uint64_t index;
	int fd = gw_udp_receiver(&any, &err), was = got_fd;

	scs_welcome();
	ck_assert_uint_eq(scs_key("news/av", 5, gw_utc_us() - MS, 1), PLAYOUT_KEY_ACK);
	first->in = moved.in;		/* the file says the port; here the kernel picked it */
	moved.out = address("udp://127.0.0.1:%u", port_of(fd));
	ck_assert_int_eq(scr_unit_stage(u, &conf, &err), -1);	/* the second port is in use */
	ck_assert_ptr_nonnull(strstr(err.text, "service news/av: medium taken: "));
	scr_unit_revert(u);
	ck_assert_ptr_eq(u->media[0], first);
	ck_assert_ptr_eq(u->media[1], other);
	ck_assert_str_eq(first->name, "av");
	rtp(1);
	UNTIL(number(0, "sent", 0) == 1);
	ck_assert_int_eq(arrived(&index), 5);
	conf.nmedia = 1;
	ck_assert_int_eq(scr_unit_stage(u, &conf, &err), 0);
	scr_unit_commit(u);
	ck_assert_uint_eq(u->nmedia, 1);
	ck_assert_ptr_eq(u->media[0], first);
	ck_assert_str_eq(first->name, "moved");
	rtp(2);
	UNTIL(number(0, "sent", 0) == 2);
	ck_assert_int_eq(arrived(&index), -1);
	got_fd = fd;
	ck_assert_int_eq(arrived(&index), 5);	/* the same key, elsewhere */
	got_fd = was;
	close(fd);
	/* what is as it was keeps its place in the sender, and with it what it has of an access unit */
	const struct gw_tx_medium *part = first->part.tx;
	ck_assert_int_eq(scr_unit_stage(u, &conf, &err), 0);
	scr_unit_commit(u);
	ck_assert_ptr_eq(first->part.tx, part);
	moved.pids = (uint16_t []){ 0x100 };
	moved.npids = 1;
	ck_assert_int_eq(scr_unit_stage(u, &conf, &err), 0);
	ck_assert_ptr_ne(first->next.part.tx, part);
	scr_unit_commit(u);
	ck_assert_ptr_ne(first->part.tx, part);
}
END_TEST

START_TEST(an_encoder_moves)
{
	struct scr_unit *u = app.units[0];
	struct gw_err err = { 0 };
	uint64_t index;
	int fd;

	scs_welcome();
	ck_assert_uint_eq(scs_key("news/av", 5, gw_utc_us() - MS, 1), PLAYOUT_KEY_ACK);
	rtp(1);
	UNTIL(SENT == 1);
	ck_assert_int_eq(arrived(&index), 5);
	for (size_t i = 0; i < 2; i++)	/* the file says ports; here the kernel picked them, and does again */
		u->media[i]->in = address("udp://127.0.0.1:%u", scr_tap_port(&u->media[i]->media.tap));
	ck_assert_msg(scr_unit_stage(u, &(struct he_unit){ .id = unit.id, .service = &news, .media = media, .nmedia = 1 }, &err) == 0, "%s", err.text);
	scr_unit_commit(u);
	fd = toward(scr_tap_port(&u->media[0]->media.tap));
	rtp_from(fd, 2);	/* the same SSRC under the same key */
	UNTIL(RECEIVED == 1);
	ck_assert_uint_eq(DROPPED(GW_XF_TAKEN), 0);
	ck_assert_int_eq(arrived(&index), 5);
	rtp_from(fd, 2);
	UNTIL(RECEIVED == 2);
	ck_assert_uint_eq(DROPPED(GW_XF_REPEAT), 1);	/* its index is spent */
	close(fd);
}
END_TEST

/* A packet of H.264, half an access unit. */
static void
half(int fd, uint16_t seq, bool marker)
{
	uint8_t p[100] = { 0x80, (uint8_t)(marker << 7 | 96), (uint8_t)(seq >> 8), (uint8_t)seq, 0, 0, 0, 9, 0, 0, 0, 7, marker ? 0x65 : 0x67 };

	ck_assert_int_eq(send(fd, p, sizeof(p), 0), sizeof(p));
}

START_TEST(a_reload_leaves_what_has_begun)
{
	static const uint8_t key[24] = "a key, and then its salt", id[1] = { 5 };
	struct scr_record r = { .mode = SCR_SCRAMBLED, .cp = 1, .start_us = gw_utc_us() - MS, .duration_ms = 1000, .protection = HE_ISMACRYP,
		.key_id = id, .key_id_len = 1, .key = key, .key_len = sizeof(key) };
	struct he_service service = { .id = (char []){ "film" }, .scrambling = HE_ISMACRYP };
	struct he_medium video = { .name = (char []){ "video" }, .in = medium.in, .out = medium.out, .type = HE_H264, .payload_type = 97 };
	const struct he_medium *list[] = { &video };
	struct he_unit conf = { .id = (char []){ "film" }, .service = &service, .media = list, .nmedia = 1 };
	struct gw_err err = { 0 };
	struct scr_unit *news_unit = app.units[0], *u = scr_unit_open(&app, &conf, &err);
	char fingerprint[17];
	const char *why = "";
	int fd;

	ck_assert_msg(u && scr_unit_stage(u, &conf, &err) == 0, "%s", err.text);
	scr_unit_commit(u);
	ck_assert_msg(scr_unit_take(u, &r, fingerprint, &why, &err) == 0, "%s", why);
	fd = toward(scr_tap_port(&u->media[0]->media.tap));
	app.units[0] = u;	/* for number() */
	half(fd, 1, false);
	UNTIL(RECEIVED == 1);
	ck_assert_int_eq(scr_unit_stage(u, &conf, &err), 0);
	scr_unit_commit(u);
	half(fd, 2, true);
	UNTIL(RECEIVED == 2);
	ck_assert_uint_eq(SENT, 1);	/* the whole of it */
	half(fd, 3, false);
	UNTIL(RECEIVED == 3);
	video.payload_type = 98;	/* another stream: what has begun was for the old one */
	ck_assert_int_eq(scr_unit_stage(u, &conf, &err), 0);
	scr_unit_commit(u);
	half(fd, 4, true);
	UNTIL(RECEIVED == 4);
	ck_assert_uint_eq(SENT, 1);
	app.units[0] = news_unit;
	scr_unit_close(u);
	close(fd);
}
END_TEST

START_TEST(configurations)
{
	struct he_unit ours = unit, a_bridges = unit;
	struct he_service services[4] = {
		{ .id = (char []){ "news" }, .at = { 7, 5 }, .scrambling = HE_SRTP, .units = &ours, .nunits = 1 },
		{ .id = (char []){ "films" }, .at = { 19, 5 }, .scrambling = HE_NONE, .units = &ours, .nunits = 1 },
		{ .id = (char []){ "sport" }, .at = { 31, 5 }, .scrambling = HE_SRTP, .rcc = 50, .units = &ours, .nunits = 1 },
		{ .id = (char []){ "theirs" }, .at = { 43, 5 }, .scrambling = HE_SRTP, .units = &a_bridges, .nunits = 1 },
	};
	char engine[16] = "auto";
	struct headend he = { .file = (char []){ "x.yaml" }, .services = services, .nservices = 4, .scrambler = { engine, 2, false } };
	struct gw_err err = { 0 };
	size_t n;

	ours.nstkm = 1;		/* none: another head-end's service, which only a bridge of the file knows */
	ck_assert_int_eq(scr_conf_check(&he, &err), 0);
	const struct he_unit **u = scr_conf_units(&he, &n);
	ck_assert_uint_eq(n, 2);	/* scrambling none: not ours */
	free(u);
	strcpy(engine, "batch");
	ck_assert_int_eq(scr_conf_check(&he, &err), 0);
	ck_assert_int_eq(scr_conf_engine(&he), GW_ENGINE_BATCH);
	strcpy(engine, "libsrtp2");
	ck_assert_int_eq(scr_conf_check(&he, &err), -1);
	ck_assert_int_eq(gw_exit_status(err.code), 78);
	ck_assert_ptr_nonnull(strstr(err.text, "x.yaml:31:5: service sport: rcc: engine libsrtp2"));
}
END_TEST

START_TEST(a_key_that_is_held_is_not_over)
{
	struct he_service more = news;
	struct he_unit conf = unit;
	struct gw_err err = { 0 };

	more.sources = 64;
	conf.service = &more;
	scs_welcome();
	ck_assert_uint_eq(scs_key("news/av", 5, gw_utc_us() - 10800000LL * MS, 1), PLAYOUT_KEY_ACK);	/* its plan ended hours ago */
	scr_work_second(&app);
	scrambler_down();
	ck_assert_ptr_null(scr_unit_open(&app, &conf, &err));	/* what is spent is not forgotten */
	ck_assert_int_eq(err.code, GW_ESTORE);
	scrambler_up();
}
END_TEST

START_TEST(damaged_marks_are_refused)	/* _i: too short, or another magic */
{
	struct gw_err err = { 0 };
	char path[128];

	scrambler_down();
	snprintf(path, sizeof(path), "%s/spent-news%%2fav", dir);
	FILE *f = fopen(path, "r+b");
	ck_assert_ptr_nonnull(f);
	fputs("what?", f);
	fclose(f);
	if (_i == 0)
		ck_assert_int_eq(truncate(path, 100), 0);
	ck_assert_ptr_null(scr_unit_open(&app, &unit, &err));
	ck_assert_int_eq(err.code, GW_ESTORE);
	ck_assert_int_eq(unlink(path), 0);
	scrambler_up();
}
END_TEST

SUITE("scrambler", tcase_add_checked_fixture(t, up, down);
      tcase_add_test(t, nothing_before_the_first_key); tcase_add_test(t, keys_change_without_the_scs);
      tcase_add_test(t, comes_back_with_the_running_key); tcase_add_test(t, refusals_are_said);
      tcase_add_test(t, clear_is_what_a_record_says); tcase_add_test(t, an_scs_with_nothing_to_say_is_there);
      tcase_add_test(t, more_services_than_a_message_names);
      tcase_add_test(t, service_end_silences); tcase_add_test(t, only_rtp_passes); tcase_add_test(t, one_scrambler_a_service);
      tcase_add_test(t, one_medium_an_ssrc); tcase_add_loop_test(t, a_group_may_come_twice, 0, 2);
      tcase_add_test(t, configuration_changes_in_place);
      tcase_add_test(t, a_reload_leaves_what_has_begun); tcase_add_test(t, an_encoder_moves);
      tcase_add_test(t, a_key_that_is_held_is_not_over);
      tcase_add_test(t, configurations); tcase_add_loop_test(t, damaged_marks_are_refused, 0, 2))
