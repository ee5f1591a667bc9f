/*
 * tests/bench/bench_load.c: how many requests a second simulgate load gives to 1,000 connections, with one core of its own: its engine in this
 * process, against a libuv server on the other core that answers each CW_provision with an ECM_response as long as usual and knows nothing else.
 * So the generator is never what other benches measure. Two shapes: one request outstanding on each connection, where each costs a write and a
 * read of its own; and ten, on ten streams, that share them.
 *
 * The ceiling is the same exchange with nothing around it: the same server, and a client that sends ready octets back for what it reads. Both are
 * printed by the client's own CPU time, which other processes on a busy machine do not change much, and as requests a second that came through,
 * which they do. Against the echo every request must be answered.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>
#include "lib/loop.h"
#include "proto/be.h"
#include "proto/ecmg_scs.h"
#include "tests/bench/ceiling.h"
#include "tools/load.h"

enum { CONNECTIONS = 1000, STREAMS = 10, ROUNDS = 5, CHUNK = 65536, ECM = 184, FRAME = 1024 };

static void
die(const char *what)
{
	fprintf(stderr, "bench_load: %s\n", what);
	exit(1);
}

static void
stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);	/* refused: the numbers are less quiet, no more */
}

/* ---- the echo ---- */

struct echo { uv_tcp_t tcp; size_t have; uint8_t in[CHUNK]; };
static struct load_conf server = { .side = LOAD_SCS, .version = 3, .cw_per_msg = 1 };
static uint8_t out[4 * CHUNK];

static void
room(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
	struct echo *e = h->data;

	(void)size;
	*buf = uv_buf_init((char *)e->in + e->have, (unsigned)(sizeof(e->in) - e->have));
}

/* The answer to a frame; a request's first three parameters are those of its answer. */
static size_t
answer(const uint8_t *p, uint8_t *to)
{
	enum { HEAD = SIM_HEADER + 18 };
	unsigned type = (unsigned)p[1] << 8 | p[2];
	int channel = load_wire_find(p, sim_frame_length(p, SIM_HEADER), ECMG_CHANNEL_ID);
	int stream = load_wire_find(p, sim_frame_length(p, SIM_HEADER), ECMG_STREAM_ID);

	if (type == ECMG_CHANNEL_SETUP)
		return load_wire_message(&server, ECMG_CHANNEL_STATUS, (uint16_t)channel, 0, 0, to, FRAME);
	if (type == ECMG_STREAM_SETUP)
		return load_wire_message(&server, ECMG_STREAM_STATUS, (uint16_t)channel, (uint16_t)stream, 0, to, FRAME);
	if (type != ECMG_CW_PROVISION)
		return 0;
	memcpy(to, p, HEAD);
	put16(to + 1, ECMG_ECM_RESPONSE);
	put16(to + 3, HEAD - SIM_HEADER + 4 + ECM);
	put16(to + HEAD, ECMG_ECM_DATAGRAM);
	put16(to + HEAD + 2, ECM);
	return HEAD + 4 + ECM;
}

static void
on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct echo *e = s->data;
	size_t at = 0, len = 0, frame;

	(void)buf;
	if (n < 0) {
		uv_close((uv_handle_t *)s, (uv_close_cb)(void (*)(void))free);	/* the handle comes first */
		return;
	}
	e->have += (size_t)n;
	while ((frame = sim_frame_length(e->in + at, e->have - at)) != 0 && frame <= e->have - at && len + FRAME <= sizeof(out)) {
		len += answer(e->in + at, out + len);
		at += frame;
	}
	memmove(e->in, e->in + at, e->have -= at);
	uv_buf_t b = uv_buf_init((char *)out, (unsigned)len);
	if (len && uv_try_write(s, &b, 1) != (int)len)
		die("the client does not read");
}

static void
on_accept(uv_stream_t *listener, int status)
{
	struct echo *e = calloc(1, sizeof(*e));

	if (status < 0 || !e)
		die("the echo cannot accept");
	uv_tcp_init(listener->loop, &e->tcp);
	e->tcp.data = e;
	uv_accept(listener, (uv_stream_t *)&e->tcp);
	uv_tcp_nodelay(&e->tcp, 1);
	uv_read_start((uv_stream_t *)&e->tcp, room, on_read);
}

/* Its own process, on the first core. The port. */
static uint16_t
echo_start(pid_t *pid)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(a);
	uv_tcp_t listener;

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, CONNECTIONS) < 0 || getsockname(fd, (struct sockaddr *)&a, &len) < 0 ||
	    (*pid = fork()) < 0)
		die("the echo does not start");
	if (*pid > 0) {
		close(fd);
		return ntohs(a.sin_port);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	stay_on(0);
	uv_tcp_init(uv_default_loop(), &listener);
	if (uv_tcp_open(&listener, fd) < 0 || uv_listen((uv_stream_t *)&listener, CONNECTIONS, on_accept) < 0)
		die("the echo does not listen");
	_exit(uv_run(uv_default_loop(), UV_RUN_DEFAULT));
}

/* ---- the generator ---- */

static uv_loop_t loop;
static uv_timer_t watch;
struct run { struct load_client *client; double length, cpu, begun_cpu, seconds; uint64_t answers, begun_answers, begun_ns; bool begun; };

/* What it takes to set up a thousand channels is not measured: from when all are up to the end of requests. */
static void
on_watch(uv_timer_t *t)
{
	struct run *r = t->data;
	struct load_live live = load_client_live(r->client);

	if (live.over)
		return;
	if (!r->begun && live.up == CONNECTIONS) {
		r->begun = true;
		r->begun_cpu = bench_cpu_ns();
		r->begun_ns = uv_hrtime();
		r->begun_answers = live.answered;
	}
	r->cpu = bench_cpu_ns() - r->begun_cpu;
	r->seconds = (double)(uv_hrtime() - r->begun_ns) / 1e9;
	r->answers = live.answered - r->begun_answers;
	if (r->begun && r->seconds >= r->length)
		load_client_stop(r->client);
}

static void
on_ended(void *self)
{
	(void)self;
	uv_close((uv_handle_t *)&watch, NULL);
}

static void
generate(uint16_t port, unsigned streams, double seconds, double *cpu, double *rate)
{
	struct load_conf conf = { .side = LOAD_ECMG, .connections = CONNECTIONS, .streams = streams, .window = streams, .duration_ns =
		INT64_C(60000000000), .timeout_ns = INT64_C(60000000000), .super_cas_id = 0x4ae60001, .version = 3, .cw_len = 16, .cp_100ms = 100, .data_id = 1 };
	static struct load_report report;
	struct gw_err err = { 0 };
	struct run r = { .length = seconds };
	char text[64];

	memset(&report, 0, sizeof(report));
	snprintf(text, sizeof(text), "tcp://127.0.0.1:%u", port);
	if (gw_addr_parse(text, GW_TCP, &conf.at, &err) < 0 || !(r.client = load_client_open(&loop, &conf, &report, on_ended, NULL, &err)))
		die(err.text);
	uv_timer_init(&loop, &watch);
	watch.data = &r;
	uv_timer_start(&watch, on_watch, 10, 10);
	uv_run(&loop, UV_RUN_DEFAULT);
	load_client_free(r.client);
	if (report.up != CONNECTIONS || report.pace.unanswered || report.wrong || report.late || report.bad || report.lost || report.pace.sent != report.answered)
		die("not every request was answered");
	if (!r.begun || r.answers == 0)
		die("too short");
	*cpu = r.cpu / (double)r.answers;
	*rate = (double)r.answers / r.seconds;
}

/* ---- the bare client ---- */

struct bare { uv_tcp_t tcp; uv_connect_t connect; size_t have; };
struct bare_run { struct bare c[CONNECTIONS]; uint8_t request[STREAMS * FRAME], in[CHUNK]; size_t len, reply; uint64_t answers; unsigned streams; };
static struct bare_run bare;

static void
bare_room(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
	(void)h;
	(void)size;
	*buf = uv_buf_init((char *)bare.in, sizeof(bare.in));
}

static void
bare_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct bare *c = s->data;
	size_t whole;

	(void)buf;
	if (n < 0)
		die("the echo closed");
	c->have += (size_t)n;
	whole = c->have / bare.reply;
	c->have -= whole * bare.reply;
	bare.answers += whole;
	uv_buf_t b = uv_buf_init((char *)bare.request, (unsigned)(whole * bare.len));
	if (whole && uv_try_write(s, &b, 1) != (int)b.len)
		die("the echo does not read");
}

static void
bare_connected(uv_connect_t *req, int status)
{
	struct bare *c = req->data;
	uv_buf_t b = uv_buf_init((char *)bare.request, (unsigned)(bare.streams * bare.len));

	if (status < 0)
		die(uv_strerror(status));
	uv_tcp_nodelay(&c->tcp, 1);
	uv_read_start((uv_stream_t *)&c->tcp, bare_room, bare_read);
	uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
}

static void
bare_end(uv_timer_t *t)
{
	uv_stop(t->loop);
}

static void
exchange(uint16_t port, unsigned streams, double seconds, double *cpu, double *rate)
{
	struct load_conf conf = { .side = LOAD_ECMG, .version = 3, .cw_len = 16 };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static uint8_t reply[FRAME];
	struct load_wire w;
	uint64_t begun;

	memset(&bare, 0, sizeof(bare));
	if (load_wire_request(&w, &conf, 0, 1, NULL) < 0)
		die("no request");
	bare.streams = streams;
	for (unsigned i = 0; i < streams; i++)
		bare.len = load_wire_put(&w, bare.request + i * bare.len, 0, (uint16_t)i, 0, 1);
	bare.reply = answer(bare.request, reply);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct bare *c = &bare.c[i];
		c->tcp.data = c->connect.data = c;
		uv_tcp_init(&loop, &c->tcp);
		if (uv_tcp_connect(&c->connect, &c->tcp, (struct sockaddr *)&a, bare_connected) < 0)
			die("connect");
	}
	uv_timer_init(&loop, &watch);
	for (int part = 0; part < 2; part++) {	/* the first to warm */
		bare.answers = 0;
		begun = uv_hrtime();
		*cpu = bench_cpu_ns();
		uv_timer_start(&watch, bare_end, part ? (uint64_t)(seconds * 1000) : 400, 0);
		uv_run(&loop, UV_RUN_DEFAULT);
	}
	*cpu = (bench_cpu_ns() - *cpu) / (double)bare.answers;
	*rate = (double)bare.answers * 1e9 / (double)(uv_hrtime() - begun);
	for (unsigned i = 0; i < CONNECTIONS; i++)
		uv_close((uv_handle_t *)&bare.c[i].tcp, NULL);
	uv_close((uv_handle_t *)&watch, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
}

int
main(int argc, char **argv)
{
	static const unsigned shapes[] = { 1, STREAMS };
	enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };
	double cpu[SHAPES][2][ROUNDS], rate[SHAPES][2][ROUNDS], ratio[ROUNDS], seconds = 10;
	uint16_t port;
	pid_t pid;

	for (int i = 1; i + 1 < argc; i += 2)
		if (strcmp(argv[i], "--seconds") == 0)
			seconds = atof(argv[i + 1]);
	gw_raise_nofile();
	signal(SIGPIPE, SIG_IGN);
	port = echo_start(&pid);
	stay_on(1);
	uv_loop_init(&loop);
	for (int r = 0; r < ROUNDS; r++)
		for (size_t s = 0; s < SHAPES; s++) {
			exchange(port, shapes[s], seconds / ROUNDS / SHAPES / 2, &cpu[s][0][r], &rate[s][0][r]);
			generate(port, shapes[s], seconds / ROUNDS / SHAPES / 2, &cpu[s][1][r], &rate[s][1][r]);
		}
	for (size_t s = 0; s < SHAPES; s++) {
		for (int r = 0; r < ROUNDS; r++)
			ratio[r] = cpu[s][0][r] / cpu[s][1][r];
		printf("load_bare_1000x%u %.0f requests/s_of_a_core\n", shapes[s], 1e9 / bench_median(cpu[s][0], ROUNDS));
		printf("load_1000x%u %.0f requests/s_of_a_core %.2f of load_bare_1000x%u\n", shapes[s], 1e9 / bench_median(cpu[s][1], ROUNDS),
		    bench_median(ratio, ROUNDS), shapes[s]);
		printf("load_1000x%u_through %.0f requests/s\n", shapes[s], bench_median(rate[s][1], ROUNDS));
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	uv_loop_close(&loop);
	return 0;
}
