/* tests/unit/test_lib_httpd.c */
#include "lib/httpd.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
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

/* What has come within ms, NUL-terminated; *eof: the server has closed. */
static size_t
hear(int fd, char *out, size_t cap, unsigned ms, bool *eof)
{
	size_t len = 0;

	if (eof)
		*eof = false;
	for (unsigned t = 0; t < ms; t += 5) {
		ssize_t n;
		turn_ms(5);
		while (len + 1 < cap && (n = recv(fd, out + len, cap - len - 1, MSG_DONTWAIT)) > 0)
			len += (size_t)n;
		if (n == 0 && len + 1 < cap) {
			if (eof)
				*eof = true;
			break;
		}
	}
	out[len] = '\0';
	return len;
}

START_TEST(get)
{
	char got[2048];
	int fd;

	serve();
	fd = dial();
	say(fd, "GET /a/b%20c?x=1&y HTTP/1.1\r\nHost: h\r\nContent-Type: Text/XML; charset=utf-8\r\n\r\n");
	hear(fd, got, sizeof(got), 100, NULL);
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

SUITE("lib_httpd", tcase_add_checked_fixture(t, setup, teardown); tcase_add_test(t, get);)
