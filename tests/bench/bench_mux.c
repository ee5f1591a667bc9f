/*
 * tests/bench/bench_mux.c: how many data_provisions a second, of one datagram of 1316 octets each, simulgate-mux puts on air from four
 * streams of four EMMGs, with its address map and the shaping of streams and total on: once over TCP, once over UDP. The ceiling is a
 * bare libuv server that knows where a datagram lies in its message and sends it on by UDP, one uv_udp_try_send() each. Both count
 * what they have sent, are processes of their own on one core, and are fed by the same client on the other, in turns.
 *
 * Where they send to nobody reads: what does not fit there any more the kernel drops, for both alike.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include "lib/ops.h"
#include "proto/emmg_mux.h"

enum { STREAMS = 4, DATAGRAM = 1316, ROUNDS = 5, CHUNK = 65536, WARM_MS = 300, START_S = 10, BURST = 32 };
enum { CLIENT = 0x00010001, VERSION = 5 };	/* LTKMs: arbitrary bytes, each a UDP datagram of its own */

static const char *mux_path;
static char mux_found[512], status_path[64];
static int sinks[STREAMS];		/* bound, never read */
static struct sockaddr_in sink_addr[STREAMS];
static atomic_ullong *forwarded;	/* by the bare server; shared with it */

static void
die(const char *what)
{
	fprintf(stderr, "bench_mux: %s\n", what);
	exit(1);
}

static double
now(void)
{
	return 1e-9 * (double)uv_hrtime();
}

/* ---- the ceiling */

static uv_udp_t out[STREAMS];
static uint8_t in[CHUNK];
struct conn { uv_tcp_t tcp; size_t have; uint8_t in[2 * CHUNK]; };
static unsigned nconns;

static void
forward(unsigned stream, const uint8_t *message, size_t len)
{
	union { const uint8_t *in; char *out; } lent = { .in = message };	/* uv_buf_t serves reading, too */

	if (len < DATAGRAM)
		return;
	uv_buf_t b = uv_buf_init(lent.out + len - DATAGRAM, DATAGRAM);
	uv_udp_try_send(&out[stream], &b, 1, NULL);
	atomic_fetch_add_explicit(forwarded, 1, memory_order_relaxed);
}

static void
conn_room(uv_handle_t *h, size_t size, uv_buf_t *b)
{
	struct conn *c = h->data;

	(void)size;
	*b = uv_buf_init((char *)c->in + c->have, CHUNK);
}

static void
conn_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct conn *c = s->data;
	size_t at = 0, len;

	(void)b;
	if (n < 0)
		_exit(0);	/* the round is over */
	c->have += (size_t)n;
	while ((len = sim_frame_length(c->in + at, c->have - at)) != 0 && len <= c->have - at) {
		forward(c->in[at + 30] % STREAMS, c->in + at, len);	/* the last octet of data_id */
		at += len;
	}
	memmove(c->in, c->in + at, c->have -= at);
}

static void
on_accept(uv_stream_t *listener, int status)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (status < 0 || !c)
		die("the bare server cannot accept");
	nconns++;
	uv_tcp_init(listener->loop, &c->tcp);
	c->tcp.data = c;
	uv_accept(listener, (uv_stream_t *)&c->tcp);
	uv_read_start((uv_stream_t *)&c->tcp, conn_room, conn_read);
}

static void
udp_room(uv_handle_t *h, size_t size, uv_buf_t *b)
{
	(void)h;
	(void)size;
	*b = uv_buf_init((char *)in, sizeof(in));
}

static void
udp_read(uv_udp_t *u, ssize_t n, const uv_buf_t *b, const struct sockaddr *from, unsigned flags)
{
	(void)u;
	(void)flags;
	if (n > 0 && from)
		forward((unsigned)(uint8_t)b->base[18] % STREAMS, (const uint8_t *)b->base, (size_t)n);
}

static int
bare_main(int port)
{
	uv_loop_t *loop = uv_default_loop();
	struct sockaddr_in a;
	uv_tcp_t listener;
	uv_udp_t udp;
	int bytes = 8 << 20;

	uv_ip4_addr("127.0.0.1", port, &a);
	for (int i = 0; i < STREAMS; i++)
		if (uv_udp_init(loop, &out[i]) < 0 || uv_udp_connect(&out[i], (struct sockaddr *)&sink_addr[i]) < 0)
			die("the bare server cannot connect");
	uv_tcp_init(loop, &listener);
	uv_udp_init(loop, &udp);
	if (uv_tcp_bind(&listener, (struct sockaddr *)&a, 0) < 0 || uv_listen((uv_stream_t *)&listener, STREAMS, on_accept) < 0 ||
	    uv_udp_bind(&udp, (struct sockaddr *)&a, 0) < 0 || uv_recv_buffer_size((uv_handle_t *)&udp, &bytes) < 0)
		die("the bare server cannot listen");
	uv_udp_recv_start(&udp, udp_room, udp_read);
	return uv_run(loop, UV_RUN_DEFAULT);
}

/* ---- the servers */

struct target {
	const char *name;
	bool mux, udp;
	pid_t pid; int port;
	double rate[ROUNDS], cpu[ROUNDS];	/* messages a second; us of the server a message */
};

static void
become_server(const struct target *t)
{
	char listen[64], udp[64], status[96], map[STREAMS][64];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!t->mux)
		_exit(bare_main(t->port));
	snprintf(listen, sizeof(listen), "tcp://127.0.0.1:%d", t->port);
	snprintf(udp, sizeof(udp), "udp://127.0.0.1:%d", t->port);
	snprintf(status, sizeof(status), "unix://%s", status_path);
	for (int i = 0; i < STREAMS; i++)
		snprintf(map[i], sizeof(map[i]), "0x%08x/%d=udp://127.0.0.1:%d", CLIENT, i, ntohs(sink_addr[i].sin_port));
	execl(mux_path, mux_path, "--listen", listen, "--udp", udp, "--map", map[0], "--map", map[1], "--map", map[2], "--map", map[3],
	    "--total", "10Gbit/s", "--status", status, "--log-level", "warning", (char *)NULL);
	fprintf(stderr, "%s: %s\n", mux_path, strerror(errno));
	_exit(127);
}

/* Client and server do not take each other's core, if there are two. */
static void
stay_on(pid_t pid, unsigned nth)
{
	cpu_set_t all, one;
	unsigned cpu = 0;

	if (sched_getaffinity(getppid(), sizeof(all), &all) < 0 || CPU_COUNT(&all) < 2)
		return;
	while (!CPU_ISSET(cpu, &all) || nth-- > 0)
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(pid, sizeof(one), &one);
}

/* A bound socket of a port that the kernel picked. */
static int
bound(int type, struct sockaddr_in *a)
{
	socklen_t len = sizeof(*a);
	int fd = socket(AF_INET, type, 0);

	*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0 || bind(fd, (struct sockaddr *)a, sizeof(*a)) < 0 || getsockname(fd, (struct sockaddr *)a, &len) < 0)
		die("no free port");
	return fd;
}

static double
cpu_of(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) != 0)
		die("the server's CPU clock cannot be read");
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* Datagrams on air so far. */
static double
sent_by(const struct target *t)
{
	static const char name[] = "\nsimulgate_mux_datagrams_total ";
	struct gw_err err = { 0 };
	struct gw_addr a;
	char text[96], *body, *at;
	double n;

	if (!t->mux)
		return (double)atomic_load(forwarded);
	snprintf(text, sizeof(text), "unix://%s", status_path);
	if (gw_addr_parse(text, GW_UNIX, &a, &err) < 0 || gw_ops_get(&a, "/metrics", 5000, &body, &err) < 0)
		die(err.text);
	at = strstr(body, name);
	if (!at)
		die("no count of datagrams in /metrics");
	n = atof(at + strlen(name));
	free(body);
	return n;
}

/* ---- the client */

struct feeder { int fd; uint8_t *chunk; size_t len, at, message; };	/* whole messages, sent round and round */

static size_t
setup(uint8_t *buf, int stream, uint16_t type)
{
	struct sim_writer w;
	struct sim_fault why;
	size_t n;

	sim_begin(&w, &emmg_mux, VERSION, type, buf, 256);
	sim_put_int(&w, EMMG_CLIENT_ID, CLIENT);
	sim_put_int(&w, EMMG_CHANNEL_ID, stream + 1);
	if (type == EMMG_STREAM_SETUP) {
		sim_put_int(&w, EMMG_STREAM_ID, 1);
		sim_put_int(&w, EMMG_DATA_ID, stream);
		sim_put_int(&w, EMMG_DATA_TYPE, 0);
	} else {
		sim_put_int(&w, EMMG_SECTION_TSPKT, 2);
	}
	n = sim_end(&w, &why);
	if (n == 0)
		die(sim_verdict_text(why.verdict));
	return n;
}

static size_t
provision(uint8_t *buf, int stream, bool udp)
{
	const struct sim_iface *iface = udp ? &emmg_mux_udp : &emmg_mux;
	uint8_t datagram[DATAGRAM];
	struct sim_writer w;
	struct sim_fault why;
	size_t n;

	memset(datagram, stream, sizeof(datagram));
	sim_begin(&w, iface, VERSION, EMMG_DATA_PROVISION, buf, 2048);
	sim_put_int(&w, EMMG_CLIENT_ID, CLIENT);
	if (!udp) {
		sim_put_int(&w, EMMG_CHANNEL_ID, stream + 1);
		sim_put_int(&w, EMMG_STREAM_ID, 1);
	}
	sim_put_int(&w, EMMG_DATA_ID, stream);
	sim_put_bytes(&w, EMMG_DATAGRAM, datagram, sizeof(datagram));
	n = sim_end(&w, &why);
	if (n == 0)
		die(sim_verdict_text(why.verdict));
	return n;
}

/* A status is awaited for each setup; later an error would be 0x000F: then something was not put on air, and the figure would lie. */
static void
expect(int fd, uint16_t type)
{
	uint8_t head[SIM_HEADER], rest[512];

	if (recv(fd, head, sizeof(head), MSG_WAITALL) != (ssize_t)sizeof(head) || (head[1] << 8 | head[2]) != type ||
	    recv(fd, rest, (size_t)(head[3] << 8 | head[4]), MSG_WAITALL) < 0)
		die("the mux refuses a channel or a stream");
}

static int
connect_to(const struct target *t, int type)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)t->port) };
	int fd = socket(AF_INET, type, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
start_server(struct target *t)
{
	struct sockaddr_in a;
	int fd = bound(SOCK_STREAM, &a), probe = -1;

	t->port = ntohs(a.sin_port);
	close(fd);	/* the server takes an address: this found a free one */
	unlink(status_path);
	atomic_store(forwarded, 0);
	fflush(stdout);
	t->pid = fork();
	if (t->pid == 0)
		become_server(t);
	if (t->pid < 0)
		die("cannot fork");
	stay_on(t->pid, 0);
	for (int i = 0; i < START_S * 100 && (probe < 0 || (t->mux && access(status_path, F_OK) < 0)); i++) {
		if (waitpid(t->pid, NULL, WNOHANG) == t->pid)
			die("the server did not start");
		usleep(10000);
		if (probe < 0)
			probe = t->mux ? connect_to(t, SOCK_STREAM) : 0;
	}
	if (probe > 0)
		close(probe);
}

static int
connect_patiently(const struct target *t, int type)
{
	for (int i = 0; i < START_S * 100; i++) {
		int fd = connect_to(t, type);
		if (fd >= 0)
			return fd;
		usleep(10000);
	}
	die("the server does not answer");
	return -1;
}

static void
open_control(const struct target *t, int control[STREAMS])
{
	uint8_t buf[256];

	for (int i = 0; i < STREAMS; i++) {
		control[i] = connect_patiently(t, SOCK_STREAM);
		if (!t->mux)
			continue;
		for (int k = 0; k < 2; k++) {
			const size_t n = setup(buf, i, k ? EMMG_STREAM_SETUP : EMMG_CHANNEL_SETUP);
			if (send(control[i], buf, n, MSG_NOSIGNAL) != (ssize_t)n)
				die("cannot set up");
			expect(control[i], k ? EMMG_STREAM_STATUS : EMMG_CHANNEL_STATUS);
		}
	}
}

static void
feed_tcp(struct feeder f[STREAMS], double until)
{
	struct pollfd p[STREAMS];

	for (int i = 0; i < STREAMS; i++)
		p[i] = (struct pollfd){ .fd = f[i].fd, .events = POLLOUT };
	while (now() < until) {
		poll(p, STREAMS, 50);
		for (int i = 0; i < STREAMS; i++) {
			ssize_t n = p[i].revents & POLLOUT ? send(f[i].fd, f[i].chunk + f[i].at, f[i].len - f[i].at, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
			if (n > 0)
				f[i].at = (f[i].at + (size_t)n) % f[i].len;
		}
	}
}

static void
feed_udp(struct feeder f[STREAMS], double until)
{
	static struct mmsghdr m[STREAMS][BURST];
	static struct iovec v[STREAMS];

	for (int i = 0; i < STREAMS; i++) {
		v[i] = (struct iovec){ f[i].chunk, f[i].message };
		for (int k = 0; k < BURST; k++)
			m[i][k] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &v[i], .msg_iovlen = 1 } };
	}
	while (now() < until)
		for (int i = 0; i < STREAMS; i++)
			sendmmsg(f[i].fd, m[i], BURST, 0);
}

static void
measure(struct target *t, int round, double seconds)
{
	int control[STREAMS];
	struct feeder f[STREAMS];
	double sent, cpu, began;

	start_server(t);
	open_control(t, control);
	for (int i = 0; i < STREAMS; i++) {
		f[i] = (struct feeder){ .fd = t->udp ? connect_patiently(t, SOCK_DGRAM) : control[i], .chunk = malloc(2 * CHUNK) };
		f[i].message = provision(f[i].chunk, i, t->udp);
		for (f[i].len = f[i].message; f[i].len + f[i].message <= CHUNK; f[i].len += f[i].message)
			memcpy(f[i].chunk + f[i].len, f[i].chunk, f[i].message);
	}
	(t->udp ? feed_udp : feed_tcp)(f, now() + WARM_MS * 1e-3);
	sent = sent_by(t);
	cpu = cpu_of(t->pid);
	began = now();
	(t->udp ? feed_udp : feed_tcp)(f, began + seconds);
	sent = sent_by(t) - sent;
	t->rate[round] = sent / (now() - began);
	t->cpu[round] = 1e6 * (cpu_of(t->pid) - cpu) / sent;
	for (int i = 0; i < STREAMS; i++) {
		struct pollfd p = { .fd = control[i], .events = POLLIN };
		if (poll(&p, 1, 0) != 0)
			die("the mux complained: what was measured is not what was sent");
		if (f[i].fd != control[i])
			close(f[i].fd);
		close(control[i]);
		free(f[i].chunk);
	}
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
}

static int
ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Of one thing per round, or of its ratio to another of the same round: a neighbour that takes the machine for a while spoils a round only. */
static double
median(const double *of, const double *to)
{
	double v[ROUNDS];

	for (int r = 0; r < ROUNDS; r++)
		v[r] = to ? of[r] / to[r] : of[r];
	qsort(v, ROUNDS, sizeof(v[0]), ascending);
	return v[ROUNDS / 2];
}

static const char *
find_mux(void)
{
	const char *root = getenv("SIMULGATE_LIBEXEC");

	snprintf(mux_found, sizeof(mux_found), "%s/mux/simulgate-mux", root ? root : ".");
	if (access(mux_found, X_OK) < 0)
		snprintf(mux_found, sizeof(mux_found), "%s/simulgate-mux", root ? root : ".");
	return mux_found;
}

int
main(int argc, char **argv)
{
	static struct target targets[] = {	/* each before its ceiling */
		{ .name = "mux_tcp", .mux = true }, { .name = "bare_tcp" },
		{ .name = "mux_udp", .mux = true, .udp = true }, { .name = "bare_udp", .udp = true },
	};
	const size_t n = sizeof(targets) / sizeof(targets[0]);
	double seconds = 20;

	for (int i = 1; i < argc; i++) {
		if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0)
			seconds = atof(argv[++i]);
		else
			die("usage: bench_mux [--seconds N]; SIMULGATE_LIBEXEC in the environment says where simulgate-mux is");
	}
	if (seconds <= 0)
		die("seconds are more than 0");
	mux_path = find_mux();
	snprintf(status_path, sizeof(status_path), "/tmp/bench_mux.%d.sock", (int)getpid());
	forwarded = mmap(NULL, sizeof(*forwarded), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (forwarded == MAP_FAILED)
		die("no memory");
	for (int i = 0; i < STREAMS; i++)
		sinks[i] = bound(SOCK_DGRAM, &sink_addr[i]);
	stay_on(getpid(), 1);
	for (int r = 0; r < ROUNDS; r++)
		for (size_t i = 0; i < n; i++)
			measure(&targets[i], r, seconds / ROUNDS / (double)n);
	unlink(status_path);
	for (size_t i = 0; i < n; i += 2) {
		const struct target *t = &targets[i], *c = t + 1;
		printf("%s %.0f msg/s %.2f of %s\n", t->name, median(t->rate, NULL), median(t->rate, c->rate), c->name);
		printf("%s_cpu %.2f us/msg %.2f of %s_cpu\n", t->name, median(t->cpu, NULL), median(t->cpu, c->cpu), c->name);
		printf("%s %.0f msg/s\n%s_cpu %.2f us/msg\n", c->name, median(c->rate, NULL), c->name, median(c->cpu, NULL));
	}
	return 0;
}
