/* tests/unit/test_lib_http.c: the client against our server, on one loop */
#include "lib/http.h"
#include <stdio.h>
#include <string.h>
#include "lib/httpd.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "tests/suite.h"

static uv_loop_t loop;
static struct gw_httpd *server;
static struct gw_http *client;
static struct gw_http_conf conf;
static struct gw_exchange *waiting;
static struct { int requests, gone, done; unsigned status; size_t len; char method[16], x[64], type[64], body[64], error[256], last[64]; } seen;
static char big[300000];

static void
on_request(void *self, struct gw_exchange *x, const struct gw_httpd_request *r)
{
	static const char *const headers[] = { "X-Tag: first", "X-Other: o", "X-Tag: second", NULL };
	const char *v = gw_exchange_header(x, "x-asked");

	(void)self;
	seen.requests++;
	snprintf(seen.method, sizeof(seen.method), "%s", r->method);
	snprintf(seen.x, sizeof(seen.x), "%s", v ? v : "-");
	if (strcmp(r->path, "/wait") == 0)
		waiting = x;
	else if (strcmp(r->path, "/big") == 0)
		gw_exchange_answer(x, &(struct gw_answer){ .status = 200, .content_type = "text/plain", .body = big, .len = sizeof(big) });
	else
		gw_exchange_answer(x, &(struct gw_answer){ .status = r->body_len ? 201 : 404, .content_type = "Text/Plain; charset=utf-8", .body = r->body,
			.len = r->body_len, .headers = headers });
}

static void
on_gone(void *self, struct gw_exchange *x)
{
	(void)self;
	ck_assert_ptr_eq(x, waiting);
	waiting = NULL;
	seen.gone++;
}

static void
on_done(void *self, const struct gw_reply *r)
{
	const char *tag;

	(void)self;
	seen.done++;
	seen.status = r->status;
	seen.len = r->len;
	snprintf(seen.type, sizeof(seen.type), "%s", r->content_type);
	snprintf(seen.body, sizeof(seen.body), "%s", (const char *)r->body);
	snprintf(seen.error, sizeof(seen.error), "%s", r->error);
	tag = gw_reply_header(r, "x-tag");
	snprintf(seen.last, sizeof(seen.last), "%s", tag ? tag : "-");
}

static void
setup(void)
{
	struct gw_httpd_conf s = { .max_body = 1 << 20, .max_clients = 10, .idle_ms = 5000, .request_ms = 5000, .request = on_request, .gone = on_gone };
	struct gw_err err = { 0 };

	gw_log_init("test", GW_DEBUG);
	memset(&seen, 0, sizeof(seen));
	memset(big, 'x', sizeof(big));
	waiting = NULL;
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	ck_assert_int_eq(gw_addr_parse("tcp://127.0.0.1:0", GW_TCP, &s.listen, &err), 0);
	server = gw_httpd_open(&loop, &s, &err);
	ck_assert_msg(server != NULL, "%s", err.text);
	conf = (struct gw_http_conf){ .max_answer = 1 << 20, .connect_ms = 2000, .total_ms = 2000, .plain_ok = true };
	client = NULL;
}

static void
teardown(void)
{
	gw_http_close(client);
	gw_httpd_close(server);
	gw_loop_fini(&loop);
}

static void
on_limit(uv_timer_t *t)
{
	*(bool *)t->data = true;
}

static void
until_done(int n)
{
	bool over = false;
	uv_timer_t t;

	uv_timer_init(&loop, &t);
	t.data = &over;
	uv_timer_start(&t, on_limit, 5000, 0);
	while (!over && seen.done < n)
		uv_run(&loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&t, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	ck_assert_int_eq(seen.done, n);
}

static const char *
url(const char *path)
{
	static char text[128];

	snprintf(text, sizeof(text), "http://127.0.0.1:%u%s", gw_httpd_addr(server)->port, path);
	return text;
}

static void
ask(const char *method, const char *where, const void *body, size_t len)
{
	static const char *const headers[] = { "X-Asked: yes", "Content-Type: text/plain", NULL };
	struct gw_err err = { 0 };

	if (!client)
		client = gw_http_open(&loop, &conf, &err);
	ck_assert_msg(client != NULL, "%s", err.text);
	ck_assert_msg(gw_http_send(client, method, where, headers, body, len, on_done, NULL, &err) == 0, "%s", err.text);
}

START_TEST(post_and_keep_alive)
{
	for (int i = 1; i <= 3; i++) {
		ask("POST", url("/a"), "hello", 5);
		until_done(i);
		ck_assert_uint_eq(seen.status, 201);
		ck_assert_str_eq(seen.body, "hello");
		ck_assert_str_eq(seen.type, "text/plain");
		ck_assert_str_eq(seen.last, "second");
		ck_assert_str_eq(seen.error, "");
		ck_assert_str_eq(seen.x, "yes");
		ck_assert_str_eq(seen.method, "POST");
	}
}
END_TEST

SUITE("lib_http", tcase_add_checked_fixture(t, setup, teardown); tcase_add_test(t, post_and_keep_alive);)
