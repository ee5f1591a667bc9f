/* tests/unit/test_lib_link.c: links on a real loop: framing, bounds, ends, and the dialer's order */
#include "lib/link.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/loop.h"
#include "tests/suite.h"

/* One side of the table: a server that echoes, or a client that counts. */
struct side {
	struct gw_link *link;		/* the last one up */
	int ups, downs, frames, drains, refuse;
	size_t bytes, last;
	bool orderly, echo, close_in_frame, pause_in_frame;
	enum gw_code code;
	uint32_t sum;
	int done;
};
static uv_loop_t loop;
static struct side server, client;
static uv_timer_t limit;
static int ticks;

static void
up(void *self, struct gw_link *l)
{
	struct side *s = self;

	s->ups++;
	s->link = l;
	ck_assert_ptr_eq(gw_link_data(l), self);
}

static void
frame(void *self, struct gw_link *l, const uint8_t *msg, size_t len)
{
	struct side *s = self;

	s->frames++;
	s->bytes += len;
	s->last = len;
	for (size_t i = 0; i < len; i++)
		s->sum = s->sum * 31 + msg[i];
	if (s->echo)
		ck_assert_int_ge(gw_link_send(l, msg, len), 0);
	if (s->close_in_frame)
		gw_link_close(l, 1000);
	if (s->pause_in_frame)
		gw_link_read(l, false);
}

static void
down(void *self, struct gw_link *l, const struct gw_err *why)
{
	struct side *s = self;

	ck_assert_int_eq(gw_link_send(l, "x", 1), -1);	/* harmless */
	gw_link_close(l, 1000);
	s->downs++;
	s->link = NULL;
	s->orderly = why == NULL;
	s->code = why ? why->code : GW_OK;
}

static void
drained(void *self, struct gw_link *l)
{
	struct side *s = self;

	(void)l;
	s->drains++;
}

static const struct gw_link_ops ops = { up, frame, down, drained };

static void *
take(void *owner, struct gw_link *l)
{
	struct side *s = owner;

	(void)l;
	return s->refuse ? NULL : s;
}

static void
counted(void *self)
{
	((struct side *)self)->done++;
}

/* Wakes the loop, since what a turn does before it sleeps may be what the test waits for; and ends a test that waits for ever. */
static void
tick(uv_timer_t *t)
{
	(void)t;
	ck_assert_msg(--ticks > 0, "the test waited too long");
}

static void
begin(void)
{
	gw_log_init("test", GW_ERR);
	uv_loop_init(&loop);
	server = client = (struct side){ 0 };
	uv_timer_init(&loop, &limit);
	ticks = 4000;
	uv_timer_start(&limit, tick, 5, 5);
	signal(SIGPIPE, SIG_IGN);	/* as gw_life_open() does */
	uv_unref((uv_handle_t *)&limit);
}

static void
finish(void)
{
	uv_close((uv_handle_t *)&limit, NULL);
	gw_loop_fini(&loop);
}

static struct gw_addr
addr(const char *text)
{
	struct gw_addr a;
	struct gw_err err;

	ck_assert_msg(gw_addr_parse(text, GW_TCP | GW_TLS | GW_UNIX, &a, &err) == 0, "%s", text);
	return a;
}

static struct gw_listener *
serve(const char *text, const struct gw_link_limits *limits)
{
	struct gw_addr a = addr(text);
	struct gw_err err = { 0 };
	struct gw_listener *s = gw_listen(&loop, &a, &ops, limits, take, &server, &err);

	ck_assert_msg(s != NULL, "%s", err.text);
	return s;
}

static int
plain_client(const struct gw_listener *s)
{
	const struct gw_addr *a = gw_listener_addr(s);
	int fd = socket(a->ss.ss_family, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&a->ss, a->sslen), 0);
	return fd;
}

static void
turn(int n)
{
	while (n-- > 0)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static void
until(const int *what, int value)
{
	while (*what < value)
		uv_run(&loop, UV_RUN_ONCE);
}

static size_t
make_frame(uint8_t *buf, uint16_t payload, uint8_t fill)
{
	buf[0] = 3;
	buf[1] = 0;
	buf[2] = 1;
	buf[3] = (uint8_t)(payload >> 8);
	buf[4] = (uint8_t)payload;
	memset(buf + 5, fill, payload);
	return payload + 5u;
}

static void
read_all(int fd, uint8_t *buf, size_t len)
{
	size_t got = 0;

	while (got < len) {
		turn(1);
		ssize_t n = recv(fd, buf + got, len - got, MSG_DONTWAIT);
		ck_assert(n != 0);
		got += n > 0 ? (size_t)n : 0;
	}
}

START_TEST(echoes_one_byte_segments)
{
	uint8_t out[64], in[64];
	size_t len = make_frame(out, 20, 0x5a);
	struct gw_listener *s;

	begin();
	server.echo = true;
	s = serve("tcp://127.0.0.1:0", NULL);
	ck_assert_uint_ne(gw_listener_addr(s)->port, 0);
	int fd = plain_client(s);
	until(&server.ups, 1);
	ck_assert_int_eq(strncmp(gw_link_peer(server.link), "127.0.0.1:", 10), 0);
	for (size_t i = 0; i < len; i++) {
		ck_assert_int_eq(server.frames, 0);
		ck_assert_int_eq(write(fd, out + i, 1), 1);
		turn(2);
	}
	read_all(fd, in, len);
	ck_assert_mem_eq(in, out, len);
	ck_assert_int_eq(server.frames, 1);
	close(fd);
	until(&server.downs, 1);
	ck_assert(!server.orderly);
	ck_assert_int_eq(server.code, GW_EPEER);
	gw_listener_close(s, counted);
	finish();
	ck_assert_int_eq(server.done, 1);
}
END_TEST

START_TEST(takes_several_frames_from_one_segment)
{
	uint8_t out[4096], in[4096];
	size_t len = 0;
	struct gw_listener *s;

	begin();
	server.echo = true;
	s = serve("tcp://[::1]:0", NULL);
	int fd = plain_client(s);
	len += make_frame(out + len, 0, 0);
	len += make_frame(out + len, 700, 1);
	len += make_frame(out + len, 13, 2);
	size_t whole = len;
	len += make_frame(out + len, 100, 3);
	ck_assert_int_eq(write(fd, out, whole + 3), (ssize_t)whole + 3);	/* three, and a piece of a header */
	read_all(fd, in, whole);
	ck_assert_int_eq(server.frames, 3);
	ck_assert_int_eq(write(fd, out + whole + 3, len - whole - 3), (ssize_t)(len - whole - 3));
	read_all(fd, in + whole, len - whole);
	ck_assert_mem_eq(in, out, len);
	close(fd);
	until(&server.downs, 1);
	gw_listener_close(s, NULL);
	finish();
}
END_TEST

START_TEST(carries_the_largest_frame)
{
	uint8_t *out = malloc(65540), *in = malloc(65540);
	size_t sent = 0, got = 0, len = make_frame(out, 65535, 0xa5);
	struct gw_listener *s;

	begin();
	server.echo = true;
	s = serve("tcp://127.0.0.1:0", NULL);
	int fd = plain_client(s);
	while (got < len) {
		ssize_t n = sent < len ? send(fd, out + sent, len - sent < 777 ? len - sent : 777, MSG_DONTWAIT) : 0;
		sent += n > 0 ? (size_t)n : 0;
		turn(1);
		n = recv(fd, in + got, len - got, MSG_DONTWAIT);
		got += n > 0 ? (size_t)n : 0;
	}
	ck_assert_uint_eq(server.last, 65540);
	ck_assert_mem_eq(in, out, len);
	close(fd);
	until(&server.downs, 1);
	gw_listener_close(s, NULL);
	finish();
	free(out);
	free(in);
}
END_TEST

START_TEST(bounds_what_a_slow_peer_is_owed)
{
	struct gw_link_limits limits = { .queue_bytes = 200000 };
	static uint8_t msg[10005];
	struct gw_listener *s;
	int rc = 0, sent = 0, busy = 0;

	begin();
	make_frame(msg, 10000, 7);
	s = serve("tcp://127.0.0.1:0", &limits);
	int fd = plain_client(s);
	until(&server.ups, 1);
	while (rc >= 0 && sent < 100000) {	/* nobody reads */
		rc = gw_link_send(server.link, msg, sizeof(msg));
		busy += rc == 1;
		sent++;
		if (rc >= 0)
			ck_assert_uint_le(gw_link_queued(server.link), limits.queue_bytes);
	}
	ck_assert_int_eq(rc, -1);
	ck_assert_int_ge(busy, 5);
	ck_assert_int_eq(server.downs, 0);	/* never within a call */
	until(&server.downs, 1);
	ck_assert_int_eq(server.code, GW_EPEER);
	close(fd);
	gw_listener_close(s, NULL);
	finish();
}
END_TEST

START_TEST(tells_when_the_queue_has_drained)
{
	struct gw_link_limits limits = { .queue_bytes = 1 << 22 };
	static uint8_t msg[10005], sink[65536];
	struct gw_listener *s;

	begin();
	make_frame(msg, 10000, 7);
	s = serve("tcp://127.0.0.1:0", &limits);
	int fd = plain_client(s);
	until(&server.ups, 1);
	int sent = 1;
	while (gw_link_send(server.link, msg, sizeof(msg)) == 0)
		sent++;
	size_t left = (size_t)sent * sizeof(msg), all = left;
	while (left > 0) {
		turn(1);
		ssize_t n = recv(fd, sink, sizeof(sink), MSG_DONTWAIT);
		left -= n > 0 ? (size_t)n : 0;
		ck_assert(server.drains == 0 || gw_link_queued(server.link) <= limits.queue_bytes / 2);
	}
	ck_assert_uint_gt(all, limits.queue_bytes / 2);
	ck_assert_int_eq(server.drains, 1);
	ck_assert_int_eq(gw_link_send(server.link, msg, sizeof(msg)), 0);
	close(fd);
	until(&server.downs, 1);
	gw_listener_close(s, NULL);
	finish();
}
END_TEST

/* The last message of a link that is closed while the peer still sends must arrive: no reset may overtake it. */
START_TEST(closes_within_a_frame_and_says_it_all)
{
	uint8_t out[1024], in[64];
	size_t one = make_frame(out, 10, 1), len = one;
	struct gw_listener *s;

	begin();
	server.echo = server.close_in_frame = true;
	s = serve("tcp://127.0.0.1:0", NULL);
	int fd = plain_client(s);
	while (len + one < sizeof(out))
		len += make_frame(out + len, 10, 1);
	ck_assert_int_eq(write(fd, out, len), (ssize_t)len);
	until(&server.frames, 1);
	ck_assert_int_eq(write(fd, out, len), (ssize_t)len);
	read_all(fd, in, one);
	turn(5);
	ck_assert_int_eq(recv(fd, in, sizeof(in), 0), 0);	/* an end, not an error */
	ck_assert_int_eq(server.frames, 1);
	close(fd);
	until(&server.downs, 1);
	ck_assert(server.orderly);
	gw_listener_close(s, NULL);
	finish();
}
END_TEST

START_TEST(a_pause_holds_the_rest_of_a_burst)
{
	uint8_t out[256];
	size_t len = 0;
	struct gw_listener *s;

	begin();
	server.pause_in_frame = true;
	s = serve("tcp://127.0.0.1:0", NULL);
	int fd = plain_client(s);
	for (int i = 0; i < 3; i++)
		len += make_frame(out + len, 10, (uint8_t)i);
	ck_assert_int_eq(write(fd, out, len - 2), (ssize_t)len - 2);
	until(&server.frames, 1);
	turn(5);
	ck_assert_int_eq(server.frames, 1);
	gw_link_read(server.link, true);
	until(&server.frames, 2);
	ck_assert_int_eq(write(fd, out + len - 2, 2), 2);
	turn(5);
	ck_assert_int_eq(server.frames, 2);
	gw_link_read(server.link, true);
	until(&server.frames, 3);
	close(fd);
	gw_link_read(server.link, true);
	until(&server.downs, 1);
	gw_listener_close(s, NULL);
	finish();
}
END_TEST

/* One link that never stops sending must not keep another from being served. */
START_TEST(a_flood_does_not_starve_a_neighbour)
{
	static uint8_t flood[1 << 20];
	uint8_t out[64], in[64];
	size_t len = make_frame(out, 20, 9);
	struct gw_listener *s;
	size_t at = 0;
	ssize_t n;
	int most = 0;

	begin();
	for (size_t k = 0; k + 25 <= sizeof(flood); )
		k += make_frame(flood + k, 20, 1);
	client.echo = true;
	s = serve("tcp://127.0.0.1:0", NULL);
	int a = plain_client(s);
	until(&server.ups, 1);
	int b = plain_client(s);
	until(&server.ups, 2);
	gw_link_set_data(server.link, &client);
	fcntl(a, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 20; i++) {
		while ((n = write(a, flood + at, sizeof(flood) / 25 * 25 - at)) > 0)
			at = (at + (size_t)n) % (sizeof(flood) / 25 * 25);
		int before = server.frames;
		turn(1);
		most = server.frames - before > most ? server.frames - before : most;
	}
	ck_assert_int_gt(most, 0);
	ck_assert_int_le(most, 3 * 65536 / 25);	/* a share of a turn, however much waits in the socket */
	ck_assert_int_eq(write(b, out, len), (ssize_t)len);
	fcntl(b, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 20 && recv(b, in, sizeof(in), MSG_PEEK) <= 0; i++)
		turn(1);
	ck_assert_int_eq(recv(b, in, sizeof(in), 0), (ssize_t)len);
	close(a);
	close(b);
	until(&server.downs, 1);
	until(&client.downs, 1);
	gw_listener_close(s, NULL);
	finish();
}
END_TEST

START_TEST(a_refused_connection_is_closed)
{
	struct gw_listener *s;
	char c;

	begin();
	server.refuse = 1;
	s = serve("tcp://127.0.0.1:0", NULL);
	int fd = plain_client(s);
	turn(5);
	ck_assert_int_le(recv(fd, &c, 1, 0), 0);
	ck_assert_int_eq(server.ups + server.downs, 0);
	close(fd);
	gw_listener_close(s, NULL);
	finish();
}
END_TEST

static int refusals, mute;

/* Echoes what the newcomer said with another version; to one that says nothing, a frame without payload. */
static void
refuse(void *owner, struct gw_link *l, const uint8_t *msg, size_t len)
{
	uint8_t answer[64] = { 9 };

	ck_assert_ptr_eq(owner, &server);
	if (msg) {
		ck_assert_uint_le(len, sizeof(answer));
		memcpy(answer + 1, msg + 1, len - 1);
	} else {
		mute++;
	}
	refusals++;
	ck_assert_int_eq(gw_link_send(l, answer, msg ? len : 5), 0);
}

/* Exactly this frame, then the end of the connection. */
static void
expect_last(int fd, const uint8_t *want, size_t len)
{
	uint8_t in[64];
	ssize_t n;

	read_all(fd, in, len);
	ck_assert_mem_eq(in, want, len);
	while ((n = recv(fd, in, 1, MSG_DONTWAIT)) < 0)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_int_eq(n, 0);
	close(fd);
}

START_TEST(a_refused_connection_is_told_so)
{
	uint8_t frame[64];
	size_t len = make_frame(frame, 20, 0x5a);
	struct gw_listener *s;

	begin();
	refusals = mute = 0;
	server.refuse = 1;
	s = serve("tcp://127.0.0.1:0", NULL);
	gw_listener_refuse(s, refuse);
	int talks = plain_client(s), silent = plain_client(s), gone = plain_client(s);
	ck_assert_int_eq(write(talks, frame, len), (ssize_t)len);
	close(gone);
	frame[0] = 9;
	expect_last(talks, frame, len);
	expect_last(silent, (const uint8_t[]){ 9, 0, 0, 0, 0 }, 5);
	ck_assert_int_eq(refusals, 2);
	ck_assert_int_eq(mute, 1);
	ck_assert_int_eq(server.ups + server.downs, 0);
	int late = plain_client(s);	/* the listener may go while it still listens to somebody */
	turn(5);
	gw_listener_close(s, counted);
	finish();
	ck_assert_int_eq(server.done, 1);
	ck_assert_int_eq(refusals, 2);
	close(late);
}
END_TEST

START_TEST(a_stale_unix_socket_is_replaced_a_live_one_refused)
{
	char dir[] = "/tmp/gw-link-XXXXXX", text[64], path[48];
	struct gw_err err = { 0 };
	struct stat st;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(text, sizeof(text), "unix://%s", path);
	begin();
	struct gw_addr a = addr(text);
	int stale = socket(AF_UNIX, SOCK_STREAM, 0);	/* bound and left behind, as by kill -9 */
	ck_assert_int_eq(bind(stale, (struct sockaddr *)&a.ss, a.sslen), 0);
	close(stale);
	struct gw_listener *s = serve(text, NULL);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07, 0);
	ck_assert_ptr_null(gw_listen(&loop, &a, &ops, NULL, take, &server, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "in use"));
	ck_assert_int_eq(err.code, GW_EUNAVAIL);
	int fd = plain_client(s);
	until(&server.ups, 1);
	ck_assert_str_eq(gw_link_peer(server.link), "unix");
	close(fd);
	until(&server.downs, 1);
	gw_listener_close(s, NULL);
	ck_assert_int_eq(access(path, F_OK), -1);

	FILE *f = fopen(path, "w");	/* a file that is no socket is somebody's */
	fclose(f);
	ck_assert_ptr_null(gw_listen(&loop, &a, &ops, NULL, take, &server, &err));
	ck_assert_int_eq(access(path, F_OK), 0);
	unlink(path);
	rmdir(dir);
	finish();
}
END_TEST

START_TEST(a_taken_port_and_tls_are_refused_by_sentence)
{
	struct gw_err err = { 0 };
	struct gw_listener *s;

	begin();
	s = serve("tcp://127.0.0.1:0", NULL);
	ck_assert_ptr_null(gw_listen(&loop, gw_listener_addr(s), &ops, NULL, take, &server, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "Address already in use"));
	struct gw_addr a = addr("tls://127.0.0.1:7001");
	ck_assert_ptr_null(gw_listen(&loop, &a, &ops, NULL, take, &server, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "TLS"));
	gw_listener_close(s, NULL);
	finish();
}
END_TEST

START_TEST(a_shortage_of_descriptors_pauses_accept)
{
	struct rlimit old, low;
	struct gw_listener *s;
	clock_t cpu;

	begin();
	s = serve("tcp://127.0.0.1:0", NULL);
	int fd = plain_client(s), top = dup(fd);
	close(top);
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = (rlim_t)top;	/* every lower one is in use */
	setrlimit(RLIMIT_NOFILE, &low);
	cpu = clock();
	uint64_t end = uv_hrtime() + 500000000u;
	while (uv_hrtime() < end)
		uv_run(&loop, UV_RUN_ONCE);	/* would spin: the socket stays readable */
	ck_assert_int_eq(server.ups, 0);
	ck_assert_int_lt(clock() - cpu, CLOCKS_PER_SEC / 10);
	setrlimit(RLIMIT_NOFILE, &old);
	until(&server.ups, 1);	/* it waited in the backlog */
	close(fd);
	until(&server.downs, 1);
	gw_listener_close(s, NULL);
	finish();
}
END_TEST

START_TEST(in_a_shortage_a_reserve_tells_the_newcomer)
{
	uint8_t frame[64], in[64];
	size_t len = make_frame(frame, 20, 0x5a);
	struct rlimit old, low;
	struct gw_listener *s;
	int fds[4];

	begin();
	refusals = mute = 0;
	server.echo = true;
	s = serve("tcp://127.0.0.1:0", NULL);
	gw_listener_refuse(s, refuse);
	int kept = plain_client(s);
	until(&server.ups, 1);
	for (size_t i = 0; i < 4; i++)	/* they are in the backlog before the shortage: the test's own ends need descriptors, too */
		fds[i] = plain_client(s);
	int top;
	while ((top = dup(STDERR_FILENO)) < fds[3])	/* no number below is free */
		;
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = (rlim_t)top + 1;
	setrlimit(RLIMIT_NOFILE, &low);
	for (size_t i = 0; i < 3; i++) {	/* one after the other, with the same descriptor */
		frame[0] = 3;
		ck_assert_int_eq(write(fds[i], frame, len), (ssize_t)len);
		frame[0] = 9;
		expect_last(fds[i], frame, len);
		fds[i] = -1;
		top = dup(STDERR_FILENO);	/* what the test gave back is taken again */
		ck_assert_int_ge(top, 0);
		frame[0] = 3;
		ck_assert_int_eq(write(kept, frame, len), (ssize_t)len);
		read_all(kept, in, len);	/* and everybody else is kept */
		ck_assert_mem_eq(in, frame, len);
	}
	ck_assert_int_eq(refusals, 3);
	ck_assert_int_eq(mute, 0);
	ck_assert_int_eq(server.ups, 1);
	setrlimit(RLIMIT_NOFILE, &old);
	close(fds[3]);
	int again = plain_client(s);	/* the shortage is over */
	until(&server.ups, 2);
	close(again);
	close(kept);
	until(&server.downs, server.ups);
	gw_listener_close(s, NULL);
	finish();
}
END_TEST

/* dialer */

START_TEST(a_dialer_connects_and_both_ends_close_in_order)
{
	uint8_t out[64];
	size_t len = make_frame(out, 20, 1);
	struct gw_listener *s;

	begin();
	server.echo = true;
	s = serve("tcp://127.0.0.1:0", NULL);
	struct gw_addr a = addr("tcp://localhost:1");	/* by name */
	a.port = gw_listener_addr(s)->port;
	struct gw_dialer *d = gw_dial(&loop, &a, 1, &ops, NULL, &client);
	ck_assert_ptr_null(gw_dialer_link(d));
	until(&client.ups, 1);
	ck_assert_ptr_eq(gw_dialer_link(d), client.link);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(gw_link_send(client.link, out, len), 0);
	until(&client.frames, 1000);
	ck_assert_uint_eq(client.sum, server.sum);
	gw_dialer_close(d, counted);
	until(&client.done, 1);
	ck_assert(client.orderly);
	ck_assert_int_eq(client.downs, 1);
	until(&server.downs, 1);
	gw_listener_close(s, NULL);
	finish();
}
END_TEST

START_TEST(a_dialer_goes_round_the_list_and_prefers_the_first)
{
	struct gw_listener *one, *two;
	struct gw_addr a[3];
	int dead = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t sl = sizeof(sin);
	char text[64];

	begin();
	/* a port that refuses: bound, not listening */
	ck_assert_int_eq(bind(dead, (struct sockaddr *)&sin, sl), 0);
	getsockname(dead, (struct sockaddr *)&sin, &sl);
	snprintf(text, sizeof(text), "tcp://127.0.0.1:%u", ntohs(sin.sin_port));
	a[0] = addr(text);
	one = serve("tcp://127.0.0.1:0", NULL);
	two = serve("tcp://127.0.0.2:0", NULL);
	a[1] = *gw_listener_addr(one);
	a[2] = *gw_listener_addr(two);
	struct gw_dialer *d = gw_dial(&loop, a, 3, &ops, NULL, &client);
	gw_dialer_max_backoff(d, 1000);
	until(&client.ups, 1);
	ck_assert_int_eq(strncmp(gw_link_peer(client.link), "127.0.0.1:", 10), 0);

	/* of no use: the next in the list, at once */
	gw_dialer_failed(d);
	until(&server.ups, 1);
	gw_link_abort(server.link, GW_EPEER, "test");
	until(&client.ups, 2);
	ck_assert_int_eq(strncmp(gw_link_peer(client.link), "127.0.0.2:", 10), 0);

	/* lost: a new round from the first on, at once */
	uint64_t t0 = uv_hrtime();
	until(&server.ups, 2);
	gw_link_abort(server.link, GW_EPEER, "test");
	until(&client.downs, 2);
	until(&client.ups, 3);
	ck_assert_int_eq(strncmp(gw_link_peer(client.link), "127.0.0.1:", 10), 0);
	ck_assert_uint_lt(uv_hrtime() - t0, 700000000u);

	/* lost again so soon: it waits */
	t0 = uv_hrtime();
	until(&server.ups, 3);
	gw_link_abort(server.link, GW_EPEER, "test");
	until(&client.ups, 4);
	ck_assert_uint_gt(uv_hrtime() - t0, 700000000u);
	gw_dialer_close(d, counted);
	until(&client.done, 1);
	until(&server.downs, 4);
	gw_listener_close(one, NULL);
	gw_listener_close(two, NULL);
	close(dead);
	finish();
}
END_TEST

START_TEST(a_dialer_waits_for_a_server_that_starts_later)
{
	char dir[] = "/tmp/gw-link-XXXXXX", text[64];
	struct gw_addr a;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(text, sizeof(text), "unix://%s/s", dir);
	begin();
	a = addr(text);
	struct gw_dialer *d = gw_dial(&loop, &a, 1, &ops, NULL, &client);
	gw_dialer_max_backoff(d, 50);
	uint64_t end = uv_hrtime() + 200000000u;
	while (uv_hrtime() < end)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_int_eq(client.ups + client.downs, 0);
	struct gw_listener *s = serve(text, NULL);
	until(&client.ups, 1);
	gw_listener_close(s, NULL);
	gw_dialer_close(d, counted);
	gw_dialer_close(d, counted);	/* harmless */
	until(&client.done, 1);
	until(&server.downs, 1);
	rmdir(dir);
	finish();
}
END_TEST

START_TEST(a_dialer_ends_at_any_moment)	/* _i turns after its start */
{
	struct gw_addr a[2];
	struct gw_listener *s;

	begin();
	s = serve("tcp://127.0.0.1:0", NULL);
	a[0] = addr("tcp://does-not-exist.invalid:1");
	a[1] = *gw_listener_addr(s);
	struct gw_dialer *d = gw_dial(&loop, a + _i % 2, 2u - (unsigned)_i % 2, &ops, NULL, &client);
	turn(_i / 2);
	gw_dialer_close(d, counted);
	until(&client.done, 1);
	ck_assert_int_eq(client.ups, client.downs);
	gw_listener_close(s, NULL);
	finish();
}
END_TEST

SUITE("lib_link", tcase_add_test(t, echoes_one_byte_segments);
      tcase_add_test(t, takes_several_frames_from_one_segment);
      tcase_add_test(t, carries_the_largest_frame);
      tcase_add_test(t, bounds_what_a_slow_peer_is_owed);
      tcase_add_test(t, tells_when_the_queue_has_drained);
      tcase_add_test(t, closes_within_a_frame_and_says_it_all);
      tcase_add_test(t, a_pause_holds_the_rest_of_a_burst);
      tcase_add_test(t, a_flood_does_not_starve_a_neighbour);
      tcase_add_test(t, a_refused_connection_is_closed);
      tcase_add_test(t, a_stale_unix_socket_is_replaced_a_live_one_refused);
      tcase_add_test(t, a_taken_port_and_tls_are_refused_by_sentence);
      tcase_add_test(t, a_shortage_of_descriptors_pauses_accept);
      tcase_add_test(t, a_refused_connection_is_told_so);
      tcase_add_test(t, in_a_shortage_a_reserve_tells_the_newcomer);
      tcase_add_test(t, a_dialer_connects_and_both_ends_close_in_order);
      tcase_add_test(t, a_dialer_goes_round_the_list_and_prefers_the_first);
      tcase_add_test(t, a_dialer_waits_for_a_server_that_starts_later);
      tcase_add_loop_test(t, a_dialer_ends_at_any_moment, 0, 12))
