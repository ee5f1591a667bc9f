/* tests/bench/bare.c */
#include "tests/bench/bare.h"
#include <arpa/inet.h>
#include <libwebsockets.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

static const struct bare_conf *conf;

static void
die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

/* Head and body in one piece: cheaper than libwebsockets' examples' two, each in a turn of its own. */
static int
on_bare(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	static uint8_t buf[LWS_PRE + 4096];
	uint8_t *start = buf + LWS_PRE, *p = start, *end = buf + sizeof(buf) - 1;
	bool *authorized = user;
	const struct bare_answer *a;

	if (reason == LWS_CALLBACK_HTTP)
		*authorized = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_AUTHORIZATION) > 0;
	if (reason == LWS_CALLBACK_HTTP_BODY_COMPLETION) {
		a = *authorized ? &conf->authorized : &conf->plain;
		if (lws_add_http_common_headers(wsi, a->status, a->type, a->len, &p, end) ||
		    (a->header && lws_add_http_header_by_name(wsi, (const uint8_t *)a->header, (const uint8_t *)a->value, (int)strlen(a->value), &p, end)) ||
		    lws_finalize_http_header(wsi, &p, end) || (size_t)(end - p) < a->len)
			return 1;
		memcpy(p, a->body, a->len);
		p += a->len;
		if (lws_write(wsi, start, (size_t)(p - start), LWS_WRITE_HTTP_FINAL) != p - start)
			return 1;
		return lws_http_transaction_completed(wsi) ? -1 : 0;
	}
	if (reason == LWS_CALLBACK_HTTP || reason == LWS_CALLBACK_HTTP_BODY)
		return 0;
	return lws_callback_http_dummy(wsi, reason, user, in, len);
}

static void
quiet(int level, const char *line)
{
	(void)level;
	(void)line;
}

void
bare_serve(const void *self, int port_fd)
{
	static uv_loop_t loop;
	static const struct lws_protocols protocols[] = { { .name = "http", .callback = on_bare, .per_session_data_size = sizeof(bool) }, { 0 } };
	void *loops[] = { &loop };
	struct lws_context_creation_info i = { .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS, .foreign_loops = loops, .port = 0,
		.iface = "127.0.0.1", .protocols = protocols, .gid = -1, .uid = -1, .keepalive_timeout = 60 };
	struct lws_context *context;
	struct lws_vhost *vhost;
	uint16_t port;

	conf = self;
	uv_loop_init(&loop);
	lws_set_log_level(0, quiet);
	context = lws_create_context(&i);
	vhost = context ? lws_create_vhost(context, &i) : NULL;
	if (!vhost)
		die("no bare server");
	port = (uint16_t)lws_get_vhost_listen_port(vhost);
	if (write(port_fd, &port, sizeof(port)) != sizeof(port))
		exit(1);
	uv_run(&loop, UV_RUN_DEFAULT);
}

/* ---- servers ---- */

void
bench_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

pid_t
bench_server(void (*serve)(const void *, int), const void *self, uint16_t *port)
{
	int pipe_fd[2];
	pid_t pid;

	if (pipe(pipe_fd) < 0 || (pid = fork()) < 0)
		die("no process");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		bench_cpu((int)sysconf(_SC_NPROCESSORS_ONLN) - 1);
		serve(self, pipe_fd[1]);
		exit(1);
	}
	close(pipe_fd[1]);
	if (read(pipe_fd[0], port, sizeof(*port)) != sizeof(*port))
		die("a server does not start");
	close(pipe_fd[0]);
	return pid;
}

double
bench_cpu_of(pid_t pid)
{
	clockid_t clock;
	struct timespec t;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
		die("no clock of a process");
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int
bench_connect(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("no connection");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}
