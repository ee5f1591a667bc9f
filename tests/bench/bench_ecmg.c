/*
 * tests/bench/bench_ecmg.c: how many ECMs a second one simulgate-ecmg gives to 100 channels of 10 streams, one request outstanding
 * on each stream. The ceiling is a bare libuv server that answers each frame of the same size with a frame of the same size and
 * knows nothing else; both write once for what one read brought, are processes of their own, and are measured by the same client, in
 * turns. Servers have one core and the client has another; the client's share of its core is printed, for a client that is all
 * busy while the echo's core is not would flatter the ratio.
 *
 * Twice: all requests of a channel in one segment, where system calls are shared by ten and what the server itself does shows most;
 * and apart, each in a segment of its own, as services ask whose crypto-periods are spread.
 *
 * Then what a connection costs: 1,000 channels of 10 streams beside 10 channels of 1,000, with a hundred requests outstanding that go
 * round over all of them, ten streams of a channel in one segment, so that either way as many share a system call; and, for
 * information, with one outstanding on each stream, where a thousand that meet in one receive buffer share what ten cannot.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include "proto/be.h"
#include "proto/ecmg_scs.h"

enum { CHANNELS = 100, STREAMS = 10, CHANNELS_MAX = 1000, TOGETHER = 10, ROUNDS = 5, CHUNK = 65536, FRAME = 1024, WARM_MS = 300, SETUP_S = 15 };

/* Where the three numbers stand that a frame is told by: ECM_channel_id, ECM_stream_id and CP_number come first, in this order. */
enum { AT_STREAM = SIM_HEADER + 6 + 4, AT_CP = SIM_HEADER + 12 + 4, HEAD = SIM_HEADER + 18 };

static void
die(const char *what)
{
	fprintf(stderr, "bench_ecmg: %s\n", what);
	exit(1);
}

/* the ceiling: frames in, frames out */

struct echo { uv_tcp_t tcp; size_t have; uint8_t in[CHUNK]; };
static uint8_t echo_out[CHUNK * 4];
static size_t echo_reply;	/* bytes of an answer, header included */

static void
echo_room(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
	struct echo *e = h->data;

	(void)size;
	*buf = uv_buf_init((char *)e->in + e->have, (unsigned)(sizeof(e->in) - e->have));
}

static void
echo_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct echo *e = s->data;
	size_t at = 0, out = 0, len;

	(void)buf;
	if (n < 0)
		exit(0);	/* the client has gone: the round is over */
	e->have += (size_t)n;
	while ((len = sim_frame_length(e->in + at, e->have - at)) != 0 && len <= e->have - at && out + echo_reply <= sizeof(echo_out)) {
		memcpy(echo_out + out, e->in + at, HEAD);
		put16(echo_out + out + 1, ECMG_ECM_RESPONSE);
		put16(echo_out + out + 3, (uint16_t)(echo_reply - SIM_HEADER));
		out += echo_reply;
		at += len;
	}
	memmove(e->in, e->in + at, e->have -= at);
	uv_buf_t b = uv_buf_init((char *)echo_out, (unsigned)out);
	if (out && uv_try_write(s, &b, 1) != (int)out)
		die("the echo server's client does not read");	/* it has one frame a stream outstanding: it fits any socket buffer */
}

static void
echo_accept(uv_stream_t *listener, int status)
{
	struct echo *e = calloc(1, sizeof(*e));

	if (status < 0 || !e)
		die("the echo server cannot accept");
	uv_tcp_init(listener->loop, &e->tcp);
	e->tcp.data = e;
	uv_accept(listener, (uv_stream_t *)&e->tcp);
	uv_tcp_nodelay(&e->tcp, 1);
	uv_read_start((uv_stream_t *)&e->tcp, echo_room, echo_read);
}

/* fd: bound and listening since before the fork, so that the client need not wait. */
static int
echo_main(int fd, size_t reply)
{
	uv_loop_t *loop = uv_default_loop();
	uv_tcp_t listener;

	echo_reply = reply;
	uv_tcp_init(loop, &listener);
	if (uv_tcp_open(&listener, fd) < 0 || uv_listen((uv_stream_t *)&listener, CHANNELS_MAX, echo_accept) < 0)
		return 1;
	return uv_run(loop, UV_RUN_DEFAULT);
}

/* the client */

struct target {
	const char *name, *plugin;	/* plugin NULL: the echo */
	uint32_t super_cas_id;
	uint8_t version, cw_len;
	bool bcast, apart;	/* apart: each request leaves by itself */
	const struct target *like;	/* the echo: whose sizes it has */
	const struct target *beside;	/* what it is measured against; NULL: it is a ceiling itself */
	unsigned channels, streams;	/* streams: of each channel */
	unsigned rounds;		/* requests of TOGETHER streams that go round over all channels; 0: one request on each stream */
	/* learnt from the ECMG */
	uint8_t lead, count;
	size_t request_len, reply_len;
	/* measured, per round */
	int port; pid_t pid;
	double rate[ROUNDS], cpu[ROUNDS], client[ROUNDS];	/* a second; us of the server a message; share of the client's core */
};
struct client;
struct channel {
	uv_tcp_t tcp; uv_connect_t connect; struct client *client;
	uint16_t id; unsigned streams, waiting; bool open, closed;
	size_t have; uint8_t in[CHUNK];
};
struct client {
	uv_loop_t loop;
	struct target *t;
	uv_timer_t timer;
	unsigned open, streams;		/* channels connected and set up; streams set up */
	bool running; uint64_t answers; unsigned pending, turn;	/* pending: questions not answered yet */
	uint16_t *cp;			/* by channel and stream */
	uint8_t request[FRAME]; size_t cw_at[4], id_at[4], ncw, nid;
	struct channel *channels;
};
static uint8_t out[CHUNK];

static void
send_all(struct channel *c, size_t len)
{
	uv_buf_t b = uv_buf_init((char *)out, (unsigned)len);

	if (uv_try_write((uv_stream_t *)&c->tcp, &b, 1) != (int)len)
		die("the server does not read");
}

/* A word that is a function of its CP, with the check sums of DVB-CSA. */
static void
word(uint8_t *cw, size_t len, uint16_t cp)
{
	for (size_t i = 0; i < len; i++)
		cw[i] = (uint8_t)(i % 4 == 3 ? cw[i - 1] + cw[i - 2] + cw[i - 3] : i & 1 ? cp >> 8 : cp + (int)i);
}

/* The request once, by the tables; later ones differ in numbers and words only. */
static void
make_request(struct client *k)
{
	const struct target *t = k->t->like ? k->t->like : k->t;
	struct sim_writer w;
	struct sim_fault why;
	uint8_t cw[2 + 48], id[4], protection[2] = { 1, 1 };
	size_t len;

	sim_begin(&w, &ecmg_scs, t->version, ECMG_CW_PROVISION, k->request, sizeof(k->request));
	sim_put_int(&w, ECMG_CHANNEL_ID, 0);
	sim_put_int(&w, ECMG_STREAM_ID, 0);
	sim_put_int(&w, ECMG_CP_NUMBER, 0);
	for (unsigned i = 0; i < t->count; i++) {
		put16(cw, (uint16_t)i);
		word(cw + 2, t->cw_len, (uint16_t)i);
		k->cw_at[k->ncw++] = w.len + 4;
		sim_put_bytes(&w, ECMG_CP_CW, cw, (size_t)t->cw_len + 2);
	}
	if (t->bcast) {
		sim_put_bytes(&w, ECMG_TRAFFIC_PROTECTION, protection, sizeof(protection));
		for (unsigned i = 0; i < t->count; i++) {
			memset(id, 0, sizeof(id));
			k->id_at[k->nid++] = w.len + 4;
			sim_put_bytes(&w, ECMG_KEY_IDENTIFIER, id, sizeof(id));
		}
	}
	len = sim_end(&w, &why);
	if (len == 0)
		die(sim_verdict_text(why.verdict));
	k->t->request_len = len;
}

static size_t
add_request(struct client *k, uint8_t *p, uint16_t channel, uint16_t stream)
{
	const struct target *t = k->t->like ? k->t->like : k->t;
	uint16_t cp = ++k->cp[channel * t->streams + stream];

	k->pending++;
	memcpy(p, k->request, t->request_len);
	put16(p + SIM_HEADER + 4, channel);
	put16(p + AT_STREAM, stream);
	put16(p + AT_CP, cp);
	for (size_t i = 0; i < k->ncw; i++) {
		uint16_t n = (uint16_t)(cp + 1 + t->lead - t->count + (int)i);
		put16(p + k->cw_at[i], n);
		word(p + k->cw_at[i] + 2, t->cw_len, n);
		if (i < k->nid) {
			put16(p + k->id_at[i], n);
			put16(p + k->id_at[i] + 2, n);	/* MKI: the CP */
		}
	}
	return t->request_len;
}

static void
setup(struct channel *c, uint16_t message)
{
	struct target *t = c->client->t;
	struct sim_writer w;
	size_t len = 0;

	for (uint16_t s = 0; s < (message == ECMG_STREAM_SETUP ? t->streams : 1); s++) {
		sim_begin(&w, &ecmg_scs, t->version, message, out + len, sizeof(out) - len);
		sim_put_int(&w, ECMG_CHANNEL_ID, c->id);
		if (message == ECMG_STREAM_SETUP) {
			sim_put_int(&w, ECMG_STREAM_ID, s);
			sim_put_int(&w, ECMG_ECM_ID, c->id * t->streams + s);
			sim_put_int(&w, ECMG_NOMINAL_CP_DURATION, 100);
		} else {
			sim_put_int(&w, ECMG_SUPER_CAS_ID, t->super_cas_id);
		}
		len += sim_end(&w, NULL);
	}
	send_all(c, len);
}

static void
refused(const struct sim_msg *m)
{
	char text[512];

	sim_print(m, text, sizeof(text));
	die(text);
}

/* The next requests of those that go round, in one segment: to another channel each time. */
static void
send_next(struct client *k)
{
	const unsigned n = k->turn++, nth = n / k->t->channels;
	struct channel *c = &k->channels[n % k->t->channels];
	size_t len = 0;

	for (unsigned i = 0; i < TOGETHER; i++)
		len += add_request(k, out + len, c->id, (uint16_t)((nth * TOGETHER + i) % k->t->streams));
	c->waiting = TOGETHER;
	send_all(c, len);
}

/* What is not an ECM_response: the way up. */
static void
other_frame(struct channel *c, const uint8_t *p, size_t len)
{
	static struct sim_msg m;
	struct client *k = c->client;

	if (sim_decode(&ecmg_scs, p, len, &m, NULL) < 0)
		die("the server's message does not decode");
	if (m.type == ECMG_CHANNEL_STATUS && !c->open) {
		c->open = true;
		k->t->lead = (uint8_t)sim_int(&m, ECMG_LEAD_CW, 0);
		k->t->count = (uint8_t)sim_int(&m, ECMG_CW_PER_MSG, 0);
		if (k->t->count < 1 || k->t->count > 4)
			die("unexpected CW_per_msg");
		k->open++;
		setup(c, ECMG_STREAM_SETUP);
	} else if (m.type == ECMG_STREAM_STATUS) {
		k->streams++;
		if (k->streams == k->t->channels * k->t->streams)
			uv_stop(&k->loop);
	} else if (m.type == ECMG_CHANNEL_ERROR || m.type == ECMG_STREAM_ERROR) {
		refused(&m);
	}
}

static void
room(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
	struct channel *c = h->data;

	(void)size;
	*buf = uv_buf_init((char *)c->in + c->have, (unsigned)(sizeof(c->in) - c->have));
}

static void
on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct channel *c = s->data;
	struct client *k = c->client;
	size_t at = 0, len, gathered = 0, next = 0;

	(void)buf;
	if (n < 0)
		die("the server closed a connection");
	c->have += (size_t)n;
	while ((len = sim_frame_length(c->in + at, c->have - at)) != 0 && len <= c->have - at) {
		const uint8_t *p = c->in + at;
		at += len;
		if (be16(p + 1) != ECMG_ECM_RESPONSE) {
			other_frame(c, p, len);
			continue;
		}
		uint16_t stream = be16(p + AT_STREAM);
		if (len < HEAD || stream >= k->t->streams || be16(p + SIM_HEADER + 4) != c->id ||
		    be16(p + AT_CP) != k->cp[c->id * k->t->streams + stream])
			die("an answer to another question");
		k->t->reply_len = len;
		k->answers++;
		k->pending--;
		if (k->t->rounds && --c->waiting == 0 && k->running)
			next++;
		if (k->running && !k->t->rounds)
			gathered += add_request(k, out + gathered, c->id, stream);
		if (gathered && (k->t->apart || gathered + k->t->request_len > sizeof(out))) {
			send_all(c, gathered);
			gathered = 0;
		}
	}
	memmove(c->in, c->in + at, c->have -= at);
	if (gathered)
		send_all(c, gathered);
	while (next-- > 0)
		send_next(k);
	if (!k->running && k->pending == 0 && k->answers)
		uv_stop(&k->loop);
}

static void
on_connect(uv_connect_t *r, int status)
{
	struct channel *c = r->data;

	if (status < 0)
		die("the server does not answer");
	uv_tcp_nodelay(&c->tcp, 1);
	uv_read_start((uv_stream_t *)&c->tcp, room, on_read);
	if (c->client->t->like) {	/* the echo has nothing to set up */
		if (++c->client->open == c->client->t->channels)
			uv_stop(&c->client->loop);
	} else {
		setup(c, ECMG_CHANNEL_SETUP);
	}
}

static void
on_timer(uv_timer_t *t)
{
	uv_stop(t->loop);
}

static void
run_for(struct client *k, uint64_t ms)
{
	uv_timer_start(&k->timer, on_timer, ms, 0);
	uv_run(&k->loop, UV_RUN_DEFAULT);
	uv_timer_stop(&k->timer);
}

static void
connect_all(struct client *k)
{
	struct sockaddr_in a;

	uv_ip4_addr("127.0.0.1", k->t->port, &a);
	for (uint16_t i = 0; i < k->t->channels; i++) {
		struct channel *c = &k->channels[i];
		c->client = k;
		c->id = i;
		uv_tcp_init(&k->loop, &c->tcp);
		c->tcp.data = c->connect.data = c;
		if (uv_tcp_connect(&c->connect, &c->tcp, (struct sockaddr *)&a, on_connect) < 0)
			die("cannot connect");
	}
	run_for(k, SETUP_S * 1000);
	if (k->t->like ? k->open < k->t->channels : k->streams < k->t->channels * k->t->streams)
		die("the server did not set all streams up in time");
}

static void
close_one(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

/* the servers */

static double
cpu_of(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) != 0)
		die("the server's CPU clock cannot be read");
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* A listening socket on a port that the kernel picked. */
static int
listen_anywhere(int *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || getsockname(fd, (struct sockaddr *)&a, &len) < 0 ||
	    listen(fd, CHANNELS_MAX) < 0)
		die("no free port");
	*port = ntohs(a.sin_port);
	return fd;
}

static bool
answers(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool yes = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	close(fd);
	return yes;
}

static const char *ecmg_path, *keys_path, *log_path;

static void
become_server(const struct target *t, int listener)
{
	char listen[64], keys[512], id[16];
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (t->like)
		_exit(echo_main(listener, t->like->reply_len));
	fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, 1);
	dup2(fd, 2);
	snprintf(listen, sizeof(listen), "tcp://127.0.0.1:%d", t->port);
	snprintf(id, sizeof(id), "0x%08x", t->super_cas_id);
	snprintf(keys, sizeof(keys), "keys=%s", keys_path);
	if (t->bcast)
		execl(ecmg_path, ecmg_path, "--listen", listen, "--plugin", t->plugin, "--super-cas-id", id, "--set", keys,
		    "--log-level", "warning", (char *)NULL);
	else
		execl(ecmg_path, ecmg_path, "--listen", listen, "--plugin", t->plugin, "--log-level", "warning", (char *)NULL);
	dprintf(2, "%s: %s\n", ecmg_path, strerror(errno));
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

static void
start_server(struct target *t)
{
	int listener = listen_anywhere(&t->port);

	if (!t->like)	/* simulgate-ecmg takes an address: this found a free one */
		close(listener);
	t->pid = fork();
	if (t->pid == 0)
		become_server(t, listener);
	if (t->pid < 0)
		die("cannot fork");
	stay_on(t->pid, 0);
	if (t->like)
		close(listener);
	for (int i = 0; i < 1000 && !t->like && !answers(t->port); i++) {
		if (waitpid(t->pid, NULL, WNOHANG) == t->pid)
			die("simulgate-ecmg did not start");
		usleep(10000);
	}
}

static void
measure(struct target *t, int round, double seconds)
{
	struct client *k = calloc(1, sizeof(*k));
	double cpu, own, elapsed;
	uint64_t began, before;

	if (!k || !(k->cp = calloc((size_t)t->channels * t->streams, sizeof(*k->cp))) || !(k->channels = calloc(t->channels, sizeof(*k->channels))))
		die("no memory");
	start_server(t);
	k->t = t;
	uv_loop_init(&k->loop);
	uv_timer_init(&k->loop, &k->timer);
	connect_all(k);
	make_request(k);
	k->running = true;
	for (unsigned i = 0; i < t->rounds; i++)
		send_next(k);
	for (uint16_t i = 0; i < t->channels && !t->rounds; i++) {
		size_t len = 0;
		for (uint16_t s = 0; s < t->streams; s++)
			len += add_request(k, out + len, i, s);
		send_all(&k->channels[i], len);
	}
	run_for(k, WARM_MS);
	before = k->answers;
	cpu = cpu_of(t->pid);
	own = cpu_of(getpid());
	began = uv_hrtime();
	run_for(k, (uint64_t)(seconds * 1000));
	elapsed = 1e-9 * (double)(uv_hrtime() - began);
	t->client[round] = (cpu_of(getpid()) - own) / elapsed;
	t->cpu[round] = 1e6 * (cpu_of(t->pid) - cpu) / (double)(k->answers - before);
	t->rate[round] = (double)(k->answers - before) / elapsed;
	k->running = false;	/* every question is answered before the end: nothing was lost on the way */
	run_for(k, 5000);
	if (k->pending)
		die("a question was never answered");
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
	uv_walk(&k->loop, close_one, NULL);
	uv_run(&k->loop, UV_RUN_DEFAULT);
	uv_loop_close(&k->loop);
	free(k->channels);
	free(k->cp);
	free(k);
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

static void
report(const struct target *t)
{
	const struct target *e = t->beside;

	if (!e) {
		printf("%s %.0f msg/s\n%s_cpu %.2f us/msg\n", t->name, median(t->rate, NULL), t->name, median(t->cpu, NULL));
	} else {
		printf("%s %.0f ECM/s %.2f of %s\n", t->name, median(t->rate, NULL), median(t->rate, e->rate), e->name);
		printf("%s_cpu %.2f us/ECM %.2f of %s_cpu\n", t->name, median(t->cpu, NULL), median(t->cpu, e->cpu), e->name);
	}
	printf("%s_client %.0f %%\n", t->name, 100 * median(t->client, NULL));
}

#define USUAL .channels = CHANNELS, .streams = STREAMS
#define LAB .plugin = "lab", .super_cas_id = 0x4AE60001, .version = 3, .cw_len = 8
#define DRM .plugin = "drm", .super_cas_id = 0x00010001, .version = 5, .cw_len = 30, .bcast = true

int
main(int argc, char **argv)
{
	static struct target targets[] = {	/* what is measured, then what it is measured beside */
		{ .name = "ecmg_lab", LAB, USUAL, .beside = &targets[1] },
		{ .name = "echo_lab", .like = &targets[0], USUAL },
		{ .name = "ecmg_drm", DRM, USUAL, .beside = &targets[3] },
		{ .name = "echo_drm", .like = &targets[2], USUAL },
		{ .name = "ecmg_lab_apart", LAB, USUAL, .apart = true, .beside = &targets[5] },
		{ .name = "echo_lab_apart", .like = &targets[4], USUAL, .apart = true },
		{ .name = "ecmg_drm_apart", DRM, USUAL, .apart = true, .beside = &targets[7] },
		{ .name = "echo_drm_apart", .like = &targets[6], USUAL, .apart = true },
		{ .name = "ecmg_1000x10", LAB, .channels = CHANNELS_MAX, .streams = 10, .rounds = 10, .beside = &targets[9] },
		{ .name = "ecmg_10x1000", LAB, .channels = 10, .streams = 1000, .rounds = 10 },
		{ .name = "ecmg_1000x10_all", LAB, .channels = CHANNELS_MAX, .streams = 10, .apart = true, .beside = &targets[11] },
		{ .name = "ecmg_10x1000_all", LAB, .channels = 10, .streams = 1000, .apart = true },
	};
	const size_t n = sizeof(targets) / sizeof(targets[0]);
	double seconds = 40;

	for (int i = 1; i < argc; i++) {
		if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0)
			seconds = atof(argv[++i]);
		else
			die("usage: bench_ecmg [--seconds N]; ECMG, KEYS and LOG in the environment as tests/bench/run.sh sets them");
	}
	ecmg_path = getenv("ECMG");
	keys_path = getenv("KEYS");
	log_path = getenv("LOG");
	if (!ecmg_path || !keys_path || !log_path || seconds <= 0)
		die("ECMG, KEYS and LOG name simulgate-ecmg, a key file of the DRM profile (mode 0600) and a log file");
	stay_on(getpid(), 1);
	for (int r = 0; r < ROUNDS; r++)
		for (size_t i = 0; i < n; i++)
			measure(&targets[i], r, seconds / ROUNDS / (double)n);
	for (size_t i = 0; i < n; i++)
		report(&targets[i]);
	return 0;
}
