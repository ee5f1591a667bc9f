/*
 * tests/bench/bench_http.c: how many small POSTs a second lib/httpd answers over kept connections, beside a bare libwebsockets server
 * (tests/bench/bare.h). Both are processes of their own on the highest CPU, fed by the same client on the other, in turns.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>
#include "lib/httpd.h"
#include "lib/log.h"
#include "tests/bench/bare.h"
#include "tests/bench/ceiling.h"

enum { CLIENTS = 32, ROUNDS = 5, ANSWER = 300, BODY = 180 };

static char answer[ANSWER + 1];

static void
die(const char *what)
{
	fprintf(stderr, "bench_http: %s\n", what);
	exit(1);
}

/* ---- lib/httpd */

static void
on_request(void *self, struct gw_exchange *x, const struct gw_httpd_request *r)
{
	(void)self;
	if (r->body_len != BODY)
		die("a body got lost");
	gw_exchange_answer(x, &(struct gw_answer){ .status = 200, .content_type = "application/xml", .body = answer, .len = ANSWER });
}

static void
serve_ours(const void *self, int port_fd)
{
	static uv_loop_t loop;
	struct gw_httpd_conf conf = { .max_body = 65536, .max_clients = 1000, .idle_ms = 30000, .request_ms = 10000, .request = on_request };
	struct gw_err err;
	struct gw_httpd *s;
	uint16_t port;

	(void)self;
	uv_loop_init(&loop);
	if (gw_addr_parse("tcp://127.0.0.1:0", GW_TCP, &conf.listen, &err) < 0 || (s = gw_httpd_open(&loop, &conf, &err)) == NULL)
		die(err.text);
	port = gw_httpd_addr(s)->port;
	if (write(port_fd, &port, sizeof(port)) != sizeof(port))
		exit(1);
	uv_run(&loop, UV_RUN_DEFAULT);
}

/* ---- the client */

struct server { pid_t pid; uint16_t port; int epoll, fd[CLIENTS]; size_t got[CLIENTS], answer_len; char request[512]; size_t len; };

static void
ask(struct server *s, int i)
{
	if (send(s->fd[i], s->request, s->len, MSG_NOSIGNAL) != (ssize_t)s->len)
		die("a server has hung up");
	s->got[i] = 0;
}

/* The first answer of all says how long they are: they are the same but for the date. */
static void
measure_answer(struct server *s)
{
	char buf[4096];
	ssize_t n, len = 0;
	char *body;

	ask(s, 0);
	do {
		n = recv(s->fd[0], buf + len, sizeof(buf) - 1 - (size_t)len, 0);
		if (n <= 0)
			die("no answer");
		len += n;
		buf[len] = '\0';
		body = strstr(buf, "\r\n\r\n");
	} while (!body || strlen(body + 4) < ANSWER);
	s->answer_len = (size_t)len;
}

static void
connect_all(struct server *s)
{
	s->len = (size_t)snprintf(s->request, sizeof(s->request), "POST /keymanagement?requesttype=register HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	    "Content-Type: application/mbms-register+xml\r\nContent-Length: %d\r\n\r\n%*s", BODY, BODY, "x");
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < CLIENTS; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.u32 = (uint32_t)i };
		s->fd[i] = bench_connect(s->port);
		if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->fd[i], &e) < 0)
			die("no connection");
	}
	measure_answer(s);
}

/* Requests per second of the server's CPU. */
static double
round_of(struct server *s, double seconds)
{
	double began = bench_cpu_of(s->pid), until = 1e-9 * (double)uv_hrtime() + seconds;
	unsigned long answers = 0, open = CLIENTS;
	struct epoll_event e[CLIENTS];
	char buf[4096];

	for (int i = 0; i < CLIENTS; i++)
		ask(s, i);
	while (open > 0) {
		int n = epoll_wait(s->epoll, e, CLIENTS, 5000);
		bool more = 1e-9 * (double)uv_hrtime() < until;
		if (n <= 0)
			die("a server does not answer");
		for (int k = 0; k < n; k++) {
			int i = (int)e[k].data.u32;
			ssize_t len = recv(s->fd[i], buf, sizeof(buf), 0);
			if (len <= 0)
				die("a server has hung up");
			s->got[i] += (size_t)len;
			if (s->got[i] < s->answer_len)
				continue;
			answers++;
			if (more)
				ask(s, i);
			else
				open--;
		}
	}
	return (double)answers / (bench_cpu_of(s->pid) - began);
}

int
main(int argc, char **argv)
{
	static const struct bare_conf bare_conf = { .plain = { .status = 200, .type = "application/xml", .body = answer, .len = ANSWER } };
	struct server ours = { 0 }, bare = { 0 };
	double seconds = argc == 3 && strcmp(argv[1], "--seconds") == 0 ? atof(argv[2]) : 2, a[ROUNDS], b[ROUNDS], r[ROUNDS];

	gw_log_init("bench_http", GW_ERR);
	memset(answer, 'a', ANSWER);
	ours.pid = bench_server(serve_ours, NULL, &ours.port);
	bare.pid = bench_server(bare_serve, &bare_conf, &bare.port);
	bench_cpu(0);
	connect_all(&ours);
	connect_all(&bare);
	for (int i = 0; i < ROUNDS; i++) {
		a[i] = round_of(&ours, seconds / ROUNDS);
		b[i] = round_of(&bare, seconds / ROUNDS);
		r[i] = a[i] / b[i];
	}
	printf("# http: POST of %d octets, answer of %d, %d kept connections; per second of the server's CPU\n", BODY, ANSWER, CLIENTS);
	printf("http_httpd %.0f req/s %.2f of http_bare_lws\nhttp_bare_lws %.0f req/s\n", bench_median(a, ROUNDS), bench_median(r, ROUNDS),
	    bench_median(b, ROUNDS));
	kill(ours.pid, SIGKILL);
	kill(bare.pid, SIGKILL);
	return 0;
}
