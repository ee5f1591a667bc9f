/* tests/unit/test_lib_httpd.c */
#include "lib/httpd.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/loop.h"
#include "tests/suite.h"

/* A server and a client that is no library's: it sends octets and reads octets, on one loop. */
static uv_loop_t loop;
static struct gw_httpd *server;
static struct gw_httpd_conf conf;
static struct { int requests, gone, refused; unsigned status; char why[120], method[16], path[64], query[64], uri[128], type[64]; size_t body_len;
	uint8_t first, last; bool defer; struct gw_exchange *waiting; } seen;
static char answer_body[1 << 22];
static size_t answer_len;

static void
on_request(void *self, struct gw_exchange *x, const struct gw_httpd_request *r)
{
	static const char *const headers[] = { "X-One: 1", "X-Two: 2", NULL };

	(void)self;
	seen.requests++;
	snprintf(seen.method, sizeof(seen.method), "%s", r->method);
	snprintf(seen.path, sizeof(seen.path), "%s", r->path);
	snprintf(seen.query, sizeof(seen.query), "%s", r->query);
	snprintf(seen.uri, sizeof(seen.uri), "%s", r->uri);
	snprintf(seen.type, sizeof(seen.type), "%s", r->content_type);
	seen.body_len = r->body_len;
	ck_assert_int_eq(r->body[r->body_len], 0);
	if (seen.defer) {
		seen.waiting = x;
		return;
	}
	if (r->body_len > 0 && !answer_len)
		gw_exchange_answer(x, &(struct gw_answer){ .status = 200, .content_type = "text/plain", .body = r->body, .len = r->body_len, .headers = headers });
	else
		gw_exchange_answer(x, &(struct gw_answer){ .status = 200, .content_type = "text/plain", .body = answer_len ? answer_body : r->path,
			.len = answer_len ? answer_len : strlen(r->path), .headers = headers });
}

static void
on_gone(void *self, struct gw_exchange *x)
{
	(void)self;
	ck_assert_ptr_eq(x, seen.waiting);
	seen.waiting = NULL;
	seen.gone++;
}

static void
on_refused(void *self, const struct sockaddr *peer, unsigned status, const char *why)
{
	(void)self;
	ck_assert_int_eq(peer->sa_family, AF_INET);
	seen.refused++;
	seen.status = status;
	snprintf(seen.why, sizeof(seen.why), "%s", why);
}

static void
setup(void)
{
	struct gw_err err = { 0 };

	gw_log_init("test", GW_DEBUG);
	memset(&seen, 0, sizeof(seen));
	answer_len = 0;
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	conf = (struct gw_httpd_conf){ .max_body = 100000, .max_clients = 4, .idle_ms = 2000, .request_ms = 2000,
		.request = on_request, .gone = on_gone, .refused = on_refused };
	ck_assert_int_eq(gw_addr_parse("tcp://127.0.0.1:0", GW_TCP, &conf.listen, &err), 0);
}

static void
serve(void)
{
	struct gw_err err = { 0 };

	server = gw_httpd_open(&loop, &conf, &err);
	ck_assert_msg(server != NULL, "%s", err.text);
}

static void
teardown(void)
{
	gw_httpd_close(server);
	server = NULL;
	gw_loop_fini(&loop);
}

static int
dial(void)
{
	const struct gw_addr *a = gw_httpd_addr(server);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ne(a->port, 0);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&a->ss, a->sslen), 0);
	return fd;
}

static void
on_limit(uv_timer_t *t)
{
	*(bool *)t->data = true;
}

/* Turns the loop for that long at most. */
static void
turn_ms(unsigned ms)
{
	bool over = false;
	uv_timer_t t;

	uv_timer_init(&loop, &t);
	t.data = &over;
	uv_timer_start(&t, on_limit, ms, 0);
	while (!over)
		uv_run(&loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&t, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
}

static void
say(int fd, const char *text)
{
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* Turns the loop until there were so many; three seconds at most. */
static void
until(const int *n, int want)
{
	for (unsigned t = 0; t < 3000 && *n < want; t += 5)
		turn_ms(5);
	ck_assert_int_ge(*n, want);
}

enum { END = 10000 };	/* for the end of the connection */

/* What comes, NUL-terminated, until nothing has come for ms or the server has closed (*eof); the first of it may take longer. */
static size_t
hear(int fd, char *out, size_t cap, unsigned ms, bool *eof)
{
	size_t len = 0;
	bool over = false;
	ssize_t n = -1;

	for (unsigned t = 0, since = 0; !over && t < END && (len == 0 || since < ms); t += 5, since += 5) {
		turn_ms(5);
		while (len + 1 < cap && (n = recv(fd, out + len, cap - len - 1, MSG_DONTWAIT)) > 0) {
			len += (size_t)n;
			since = 0;
		}
		over = len + 1 < cap && n == 0;
	}
	out[len] = '\0';
	if (eof)
		*eof = over;
	return len;
}

/* Nothing comes for ms, not even the end. */
static void
quiet(int fd, unsigned ms)
{
	char c;

	turn_ms(ms);
	ck_assert_int_eq(recv(fd, &c, 1, MSG_DONTWAIT), -1);
}

START_TEST(get)
{
	char got[2048];
	int fd;

	serve();
	fd = dial();
	say(fd, "GET /a/b%20c?x=1&y HTTP/1.1\r\nHost: h\r\nContent-Type: Text/XML; charset=utf-8\r\n\r\n");
	hear(fd, got, sizeof(got), 50, NULL);
	ck_assert_str_eq(seen.method, "GET");
	ck_assert_str_eq(seen.path, "/a/b%20c");
	ck_assert_str_eq(seen.query, "x=1&y");
	ck_assert_str_eq(seen.uri, "/a/b%20c?x=1&y");
	ck_assert_str_eq(seen.type, "text/xml");
	ck_assert_ptr_nonnull(strstr(got, "HTTP/1.1 200 OK\r\nDate: "));
	ck_assert_ptr_nonnull(strstr(got, "\r\nContent-Length: 8\r\nContent-Type: text/plain\r\nX-One: 1\r\nX-Two: 2\r\n\r\n/a/b%20c"));
	close(fd);
}
END_TEST

/* status: of the first answer; 0: none */
static unsigned
status(const char *got)
{
	return strncmp(got, "HTTP/1.1 ", 9) == 0 ? (unsigned)atoi(got + 9) : 0;
}

static int
count(const char *text, const char *what)
{
	int n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

static const struct { const char *text; unsigned status; const char *why; } bad[] = {
	{ "hello\r\n\r\n", 400, "method" }, { "GET /\r\n\r\n", 400, "version" }, { "GET / HTTP/1.1\r\n\r\n", 400, "no Host" },
	{ "\x16\x03\x01\x02", 400, "no HTTP" }, { "GET / HTTP/1.1\nHost: a\n\n", 400, "no HTTP" }, { "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "HTTP/1.0" },
	{ "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "twice" }, { "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, "no header field" },
	{ "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", 400, "no header field" },
	{ "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, "chunked" },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", 400, "contradict" },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400, "twice" },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc", 400, "no number" },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413, "too long" },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n", 413, "too long" },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\nExpect: 100-continue\r\n\r\n", 413, "too long" },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: wonders\r\n\r\n", 417, "expectation" },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n", 400, "chunks" },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFF\r\nhello", 0, NULL },
	{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "1.0" },
	{ "GET relative HTTP/1.1\r\nHost: a\r\n\r\n", 400, "no path" }, { "GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "URI" },
};

START_TEST(garbage)
{
	char got[4096];
	bool eof;
	int fd;

	serve();
	fd = dial();
	ck_assert_int_eq(write(fd, bad[_i].text, strlen(bad[_i].text)), (ssize_t)strlen(bad[_i].text));
	if (bad[_i].status)
		hear(fd, got, sizeof(got), END, &eof);
	else
		quiet(fd, 50);
	ck_assert_int_eq(seen.requests, 0);
	if (bad[_i].status) {
		ck_assert_uint_eq(status(got), bad[_i].status);
		ck_assert_int_eq(seen.refused, 1);
		ck_assert_uint_eq(seen.status, bad[_i].status);
		ck_assert_msg(strstr(seen.why, bad[_i].why) != NULL, "%s", seen.why);
		ck_assert(eof);
		ck_assert_ptr_nonnull(strstr(got, "\r\nConnection: close\r\n"));
		ck_assert_ptr_null(strstr(got, "100 Continue"));
	}
	close(fd);
}
END_TEST

START_TEST(head_floods)
{
	static char flood[40000];
	char got[1024];
	bool eof;
	int fd;

	serve();
	memset(flood, 'a', sizeof(flood));
	fd = dial();
	say(fd, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	ck_assert_int_gt(send(fd, flood, sizeof(flood), MSG_DONTWAIT), 20000);
	hear(fd, got, sizeof(got), END, &eof);
	ck_assert_uint_eq(status(got), 431);
	ck_assert(eof);
	close(fd);
	fd = dial();
	say(fd, "GET /");
	ck_assert_int_gt(send(fd, flood, sizeof(flood), MSG_DONTWAIT), 20000);
	hear(fd, got, sizeof(got), END, &eof);
	ck_assert_uint_eq(status(got), 414);
	ck_assert(eof);
	close(fd);
	fd = dial();
	say(fd, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < 100; i++)
		say(fd, "X: y\r\n");
	say(fd, "\r\n");
	hear(fd, got, sizeof(got), END, &eof);
	ck_assert_uint_eq(status(got), 431);
	ck_assert_int_eq(seen.refused, 3);
	close(fd);
}
END_TEST

START_TEST(bodies)
{
	static char body[100000], got[110000];
	char *echo;
	int fd;

	serve();
	fd = dial();
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)('a' + i % 26);
	say(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
	for (size_t at = 0; at < sizeof(body); at += 10000) {
		ck_assert_int_eq(write(fd, body + at, 10000), 10000);
		turn_ms(2);
	}
	hear(fd, got, sizeof(got), 50, NULL);
	echo = strstr(got, "\r\n\r\n");
	ck_assert_ptr_nonnull(echo);
	ck_assert_mem_eq(echo + 4, body, sizeof(body));
	say(fd, "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n");
	turn_ms(5);
	say(fd, "1\r\n,\r\n06\r\n worl");
	turn_ms(5);
	say(fd, "d\r\n0\r\nTrailer: t\r\n\r\n");
	hear(fd, got, sizeof(got), 50, NULL);
	ck_assert_ptr_nonnull(strstr(got, "\r\n\r\nhello, world"));
	ck_assert_int_eq(seen.requests, 2);
	close(fd);
}
END_TEST

START_TEST(chunks_are_bounded)
{
	static char chunk[10000], got[2048];
	bool eof;
	int fd;

	serve();
	fd = dial();
	memset(chunk, 'x', sizeof(chunk));
	say(fd, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 11 && seen.refused == 0; i++) {
		say(fd, "2710\r\n");
		ck_assert_int_eq(write(fd, chunk, sizeof(chunk)), sizeof(chunk));
		say(fd, "\r\n");
		turn_ms(5);
	}
	hear(fd, got, sizeof(got), END, &eof);
	ck_assert_uint_eq(status(got), 413);
	ck_assert_uint_eq(seen.status, 413);
	ck_assert(eof);
	close(fd);
}
END_TEST

START_TEST(expect)
{
	char got[2048];
	int fd;

	serve();
	fd = dial();
	say(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n");
	hear(fd, got, sizeof(got), 50, NULL);
	ck_assert_str_eq(got, "HTTP/1.1 100 Continue\r\n\r\n");
	say(fd, "hello");
	hear(fd, got, sizeof(got), 50, NULL);
	ck_assert_uint_eq(status(got), 200);
	say(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");	/* it did not wait */
	hear(fd, got, sizeof(got), 50, NULL);
	ck_assert_uint_eq(status(got), 200);
	close(fd);
}
END_TEST

START_TEST(head_and_old_clients)
{
	char got[2048];
	bool eof;
	int fd;

	serve();
	fd = dial();
	say(fd, "HEAD /abc HTTP/1.1\r\nHost: a\r\n\r\n");
	hear(fd, got, sizeof(got), 50, NULL);
	ck_assert_ptr_nonnull(strstr(got, "\r\nContent-Length: 4\r\n"));
	ck_assert_str_eq(strstr(got, "\r\n\r\n"), "\r\n\r\n");
	say(fd, "GET http://a:80/abc?d HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n");
	hear(fd, got, sizeof(got), END, &eof);
	ck_assert_str_eq(seen.path, "/abc");
	ck_assert_str_eq(seen.query, "d");
	ck_assert_ptr_nonnull(strstr(got, "\r\nConnection: close\r\n"));
	ck_assert(eof);
	close(fd);
	fd = dial();
	say(fd, "GET /abc HTTP/1.0\r\n\r\n");
	hear(fd, got, sizeof(got), END, &eof);
	ck_assert_uint_eq(status(got), 200);
	ck_assert(eof);
	close(fd);
	fd = dial();
	say(fd, "GET /abc HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
	hear(fd, got, sizeof(got), 50, &eof);
	ck_assert_ptr_nonnull(strstr(got, "\r\nConnection: keep-alive\r\n"));
	ck_assert(!eof);
	close(fd);
}
END_TEST

START_TEST(pipelining)
{
	char got[8192];
	int fd;

	serve();
	fd = dial();
	say(fd, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\ntwo\r\n"
	    "POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthree\r\n0\r\n\r\nHEAD /4 HTTP/1.1\r\nHost: a\r\n\r\nGET /5 HTTP/1.1\r\nHost: a\r\n\r\n");
	hear(fd, got, sizeof(got), 50, NULL);
	ck_assert_int_eq(seen.requests, 5);
	ck_assert_int_eq(count(got, "HTTP/1.1 200 OK\r\n"), 5);
	ck_assert(strstr(got, "\r\n\r\n/1HTTP") < strstr(got, "\r\n\r\ntwoHTTP") && strstr(got, "\r\n\r\ntwoHTTP") < strstr(got, "\r\n\r\nthreeHTTP"));
	ck_assert_str_eq(strrchr(got, '\n'), "\n/5");
	close(fd);
}
END_TEST

/* Answers come in the order of the requests, also when they come later; one request at a time is with the program. */
START_TEST(answered_later)
{
	char got[8192];
	int fd;

	serve();
	seen.defer = true;
	fd = dial();
	say(fd, "GET /1 HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
	for (int i = 1; i <= 2; i++) {
		until(&seen.requests, i);
		quiet(fd, 30);
		ck_assert_int_eq(seen.requests, i);
		ck_assert_ptr_nonnull(gw_exchange_header(seen.waiting, "host"));
		ck_assert_ptr_null(gw_exchange_header(seen.waiting, "nothing"));
		gw_exchange_answer(seen.waiting, &(struct gw_answer){ .status = 404 });
		hear(fd, got, sizeof(got), 50, NULL);
		ck_assert_uint_eq(status(got), 404);
		ck_assert_ptr_nonnull(strstr(got, "\r\nContent-Length: 0\r\n\r\n"));
	}
	close(fd);
	turn_ms(20);
	ck_assert_int_eq(seen.gone, 0);
}
END_TEST

START_TEST(gone)
{
	int fd;

	serve();
	seen.defer = true;
	fd = dial();
	say(fd, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
	until(&seen.requests, 1);
	close(fd);
	until(&seen.gone, 1);
	fd = dial();
	say(fd, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
	until(&seen.requests, 2);
	shutdown(fd, SHUT_WR);
	until(&seen.gone, 2);
	close(fd);
	fd = dial();	/* and one that is still there when the server ends: nothing is told any more */
	say(fd, "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
	until(&seen.requests, 3);
	gw_httpd_close(server);
	server = NULL;
	turn_ms(30);
	ck_assert_int_eq(seen.gone, 2);
	close(fd);
}
END_TEST

START_TEST(half_closed_but_whole)
{
	char got[1024];
	int fd;

	serve();
	fd = dial();
	say(fd, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
	shutdown(fd, SHUT_WR);
	hear(fd, got, sizeof(got), 50, NULL);
	ck_assert_uint_eq(status(got), 200);
	close(fd);
	fd = dial();
	say(fd, "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
	shutdown(fd, SHUT_WR);
	until(&seen.refused, 1);
	ck_assert_int_eq(seen.requests, 1);
	ck_assert_int_eq(seen.refused, 1);
	ck_assert_uint_eq(seen.status, 0);
	close(fd);
}
END_TEST

START_TEST(slow_clients)
{
	char got[1024];
	bool eof;
	int fd;

	conf.request_ms = 150;
	conf.idle_ms = 2500;
	serve();
	fd = dial();
	for (int i = 0; i < 20 && seen.refused == 0; i++) {	/* an octet now and then is no excuse */
		say(fd, i == 0 ? "GET / HTTP/1.1\r\nX: " : "x");
		turn_ms(20);
	}
	hear(fd, got, sizeof(got), END, &eof);
	ck_assert_uint_eq(status(got), 408);
	ck_assert_uint_eq(seen.status, 408);
	ck_assert_msg(eof, "no end of the connection, 1");
	close(fd);
	fd = dial();
	say(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
	hear(fd, got, sizeof(got), END, &eof);
	ck_assert_uint_eq(status(got), 408);
	ck_assert_int_eq(seen.refused, 2);
	close(fd);
	fd = dial();		/* never asks */
	ck_assert_uint_eq(hear(fd, got, sizeof(got), END, &eof), 0);
	ck_assert_msg(eof, "no end of the connection, 2");
	close(fd);
	fd = dial();
	say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	hear(fd, got, sizeof(got), 200, &eof);
	ck_assert_uint_eq(status(got), 200);
	ck_assert(!eof);	/* idle_ms is longer */
	hear(fd, got, sizeof(got), END, &eof);
	ck_assert_msg(eof, "no end of the connection, 3");
	ck_assert_int_eq(seen.refused, 2);
	close(fd);
}
END_TEST

START_TEST(slow_reader)
{
	static char got[1 << 22];
	size_t len;
	int fd;

	conf.request_ms = 300;
	answer_len = sizeof(answer_body);
	memset(answer_body, 'z', sizeof(answer_body));
	serve();
	fd = dial();
	say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
	until(&seen.refused, 1);
	ck_assert_int_eq(seen.requests, 1);
	ck_assert_uint_eq(seen.status, 408);
	len = hear(fd, got, sizeof(got), 50, NULL);
	ck_assert_uint_lt(len, sizeof(answer_body));
	close(fd);
}
END_TEST

START_TEST(big_answers)
{
	static char got[1 << 23];
	size_t want = 2 * sizeof(answer_body), len;
	int fd;

	answer_len = sizeof(answer_body);
	memset(answer_body, 'z', sizeof(answer_body));
	serve();
	fd = dial();
	say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
	len = hear(fd, got, sizeof(got), 300, NULL);
	ck_assert_int_eq(seen.requests, 2);
	ck_assert_uint_gt(len, want - 1000);
	ck_assert_int_eq(seen.refused, 0);
	close(fd);
}
END_TEST

static const char get_root[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

static void
answered(int fd, unsigned want)
{
	char got[1024];

	hear(fd, got, sizeof(got), 50, NULL);
	ck_assert_uint_eq(status(got), want);
}

static bool
closed(int fd)
{
	char c;

	for (unsigned t = 0; t < END; t += 5) {
		turn_ms(5);
		if (recv(fd, &c, 1, MSG_DONTWAIT) == 0)
			return true;
	}
	return false;
}

static struct gw_exchange *at_work[4];
static int working;

static void
work(void *self, struct gw_exchange *x, const struct gw_httpd_request *r)
{
	(void)self, (void)r;
	at_work[working++] = x;
}

/* Each place is a client's that is busy: with a head, with a body, and two whose requests are at work. */
START_TEST(too_many_clients)
{
	static const char *const begun[] = { get_root, get_root, "GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1" };
	static const struct gw_answer a = { .status = 200, .content_type = "text/plain", .body = "x", .len = 1 };
	char got[1024];
	bool eof;
	int fd[5];

	conf.request = work;
	conf.idle_ms = conf.request_ms = 30000;
	serve();
	working = 0;
	for (int i = 0; i < 4; i++) {
		fd[i] = dial();
		say(fd[i], begun[i]);
		turn_ms(5);
	}
	until(&working, 2);
	for (int k = 0; k < 3; k++) {
		fd[4] = dial();
		say(fd[4], get_root);
		hear(fd[4], got, sizeof(got), END, &eof);
		ck_assert_uint_eq(status(got), 503);
		ck_assert_uint_eq(seen.status, 503);
		ck_assert_int_eq(seen.refused, k + 1);
		ck_assert(eof);
		close(fd[4]);
	}
	say(fd[2], "TP/1.1\r\nHost: a\r\n\r\n");
	say(fd[3], "2");
	until(&working, 4);
	for (int i = 0; i < 4; i++)
		gw_exchange_answer(at_work[i], &a);
	for (int i = 0; i < 4; i++)
		answered(fd[i], 200);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
}
END_TEST

START_TEST(the_longest_idle_makes_room)	/* _i: 1: its next request has come, and waits to be read */
{
	static const int order[] = { 2, 0, 3, 1 };
	int fd[6], goes = order[_i];

	conf.idle_ms = 30000;
	serve();
	for (int i = 0; i < 4; i++)
		fd[i] = dial();
	for (int i = 0; i < 4; i++) {
		say(fd[order[i]], get_root);
		answered(fd[order[i]], 200);
	}
	fd[4] = dial();
	if (_i)
		say(fd[order[0]], get_root);
	say(fd[4], get_root);
	answered(fd[4], 200);
	if (_i)
		answered(fd[order[0]], 200);
	ck_assert(closed(fd[goes]));
	ck_assert_int_eq(seen.refused, 1);
	ck_assert_uint_eq(seen.status, 0);
	ck_assert_str_eq(seen.why, "idle, and its place was needed");
	for (int i = 0; i < 5; i++)
		if (i != goes) {
			say(fd[i], get_root);
			answered(fd[i], 200);
		}
	for (int i = 0; i < 5; i++)
		close(fd[i]);
}
END_TEST

START_TEST(many_come_one_after_the_other)
{
	int fd[40];

	conf.idle_ms = 30000;
	serve();
	for (int i = 0; i < 40; i++) {
		fd[i] = dial();
		say(fd[i], get_root);
		answered(fd[i], 200);
	}
	for (int i = 0; i < 40; i++)
		close(fd[i]);
}
END_TEST

/* Who has said nothing since it came keeps its place for a second, and no longer. */
START_TEST(mute_clients_make_room)
{
	int fd[4], one, tries = 0;
	char got[1024];

	conf.idle_ms = conf.request_ms = 30000;
	serve();
	for (int i = 0; i < 4; i++)
		fd[i] = dial();
	do {
		turn_ms(100);
		one = dial();
		say(one, get_root);
		hear(one, got, sizeof(got), 50, NULL);
		close(one);
	} while (status(got) == 503 && ++tries < 100);
	ck_assert_uint_eq(status(got), 200);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
}
END_TEST

START_TEST(a_crowd_far_beyond)
{
	int fd[200], n = 200;

	serve();
	for (int i = 0; i < n; i++)
		fd[i] = dial();
	until(&seen.refused, 200 - 4 - 64);
	ck_assert_uint_eq(seen.status, 503);
	for (int i = 0; i < n; i++)
		close(fd[i]);
	turn_ms(50);
}
END_TEST

static void
close_in_request(void *self, struct gw_exchange *x, const struct gw_httpd_request *r)
{
	(void)self;
	(void)x;
	(void)r;
	gw_httpd_close(server);
	server = NULL;
}

START_TEST(closed_from_within)
{
	int fd;

	conf.request = close_in_request;
	serve();
	fd = dial();
	say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	for (int i = 0; i < 600 && server; i++)
		turn_ms(5);
	ck_assert_ptr_null(server);
	close(fd);
}
END_TEST

START_TEST(no_fields_in_fields)
{
	static const char *const headers[] = { "X-A: b\r\nX-Evil: c", "X-Good: d", NULL };
	char got[1024];
	int fd;

	serve();
	seen.defer = true;
	fd = dial();
	say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	until(&seen.requests, 1);
	gw_exchange_answer(seen.waiting, &(struct gw_answer){ .status = 200, .headers = headers, .close = true });
	hear(fd, got, sizeof(got), 50, NULL);
	ck_assert_ptr_null(strstr(got, "Evil"));
	ck_assert_ptr_nonnull(strstr(got, "\r\nX-Good: d\r\n"));
	close(fd);
}
END_TEST

START_TEST(open_fails)
{
	struct gw_err err = { 0 };
	struct gw_httpd *second;

	serve();
	conf.listen = *gw_httpd_addr(server);
	second = gw_httpd_open(&loop, &conf, &err);
	ck_assert_ptr_null(second);
	ck_assert_int_eq(err.code, GW_EUNAVAIL);
	ck_assert_int_eq(gw_addr_parse("tls://127.0.0.1:0", GW_TLS, &conf.listen, &err), 0);
	ck_assert_ptr_null(gw_httpd_open(&loop, &conf, &err));
	ck_assert_int_eq(err.code, GW_ECONF);
	conf.certificate = conf.private_key = "/nonexistent.pem";
	ck_assert_ptr_null(gw_httpd_open(&loop, &conf, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent.pem: No such file"));
}
END_TEST

SUITE("lib_httpd", tcase_add_checked_fixture(t, setup, teardown); tcase_set_timeout(t, 60); tcase_add_test(t, get);
	tcase_add_loop_test(t, garbage, 0, sizeof(bad) / sizeof(bad[0])); tcase_add_test(t, head_floods); tcase_add_test(t, bodies);
	tcase_add_test(t, chunks_are_bounded); tcase_add_test(t, expect); tcase_add_test(t, head_and_old_clients); tcase_add_test(t, pipelining);
	tcase_add_test(t, answered_later); tcase_add_test(t, gone); tcase_add_test(t, half_closed_but_whole); tcase_add_test(t, slow_clients);
	tcase_add_test(t, slow_reader); tcase_add_test(t, big_answers); tcase_add_loop_test(t, the_longest_idle_makes_room, 0, 2);
      tcase_add_test(t, many_come_one_after_the_other); tcase_add_test(t, mute_clients_make_room);
      tcase_add_test(t, too_many_clients); tcase_add_test(t, a_crowd_far_beyond);
	tcase_add_test(t, closed_from_within); tcase_add_test(t, no_fields_in_fields); tcase_add_test(t, open_fails);)
