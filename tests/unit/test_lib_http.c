/* tests/unit/test_lib_http.c: the client against our server, on one loop */
#include "lib/http.h"
#include <stdio.h>
#include <string.h>
#include "lib/httpd.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "tests/suite.h"
#include "tests/unit/test_ca.h"

static uv_loop_t loop;
static struct gw_httpd *server;
static struct gw_http *client;
static struct gw_http_conf conf;
static struct gw_exchange *waiting;
static struct gw_httpd_conf served;
static int refusals;
static char refusal[160];
static struct { int requests, gone, done; unsigned status; size_t len; char method[16], x[64], type[64], body[64], error[256], last[64], subject[64], peer[64]; size_t der_len; } seen;
static char big[300000];

static void
on_request(void *self, struct gw_exchange *x, const struct gw_httpd_request *r)
{
	static const char *const headers[] = { "X-Tag: first", "X-Other: o", "X-Tag: second", NULL };
	const char *v = gw_exchange_header(x, "x-asked");
	const uint8_t *der;

	(void)self;
	seen.requests++;
	snprintf(seen.method, sizeof(seen.method), "%s", r->method);
	snprintf(seen.subject, sizeof(seen.subject), "%s", r->subject ? r->subject : "-");
	gw_sockaddr_text(r->peer, seen.peer, sizeof(seen.peer));
	seen.der_len = gw_exchange_certificate(x, &der);
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
on_refused(void *self, const struct sockaddr *peer, unsigned status, const char *why)
{
	(void)self;
	(void)peer;
	(void)status;
	refusals++;
	snprintf(refusal, sizeof(refusal), "%s", why);
}

static void
serve(const char *address)
{
	struct gw_err err = { 0 };

	ck_assert_int_eq(gw_addr_parse(address, GW_TCP | GW_TLS, &served.listen, &err), 0);
	server = gw_httpd_open(&loop, &served, &err);
	ck_assert_msg(server != NULL, "%s", err.text);
}

static void
setup(void)
{
	gw_log_init("test", GW_DEBUG);
	memset(&seen, 0, sizeof(seen));
	refusals = 0;
	memset(big, 'x', sizeof(big));
	waiting = NULL;
	server = NULL;
	client = NULL;
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	served = (struct gw_httpd_conf){ .max_body = 1 << 20, .max_clients = 10, .idle_ms = 5000, .request_ms = 5000, .request = on_request,
		.gone = on_gone, .refused = on_refused };
	conf = (struct gw_http_conf){ .max_answer = 1 << 20, .connect_ms = 15000, .total_ms = 15000, .plain_ok = true };
}

static void
teardown(void)
{
	gw_http_close(client);
	gw_httpd_close(server);
	gw_loop_fini(&loop);
}

static void
on_turn(uv_timer_t *t)
{
	++*(int *)t->data;
}

/* Turns the loop until so many are done; fifteen seconds at most. */
static void
until_done(int n)
{
	int turns = 0;
	uv_timer_t t;

	uv_timer_init(&loop, &t);
	t.data = &turns;
	uv_timer_start(&t, on_turn, 5, 5);
	while (turns < 3000 && seen.done < n)
		uv_run(&loop, UV_RUN_ONCE);
	for (turns = 0; turns < 4;)	/* what the other side has to say about it */
		uv_run(&loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&t, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	ck_assert_int_eq(seen.done, n);
}

static const char *
url(const char *path)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s://127.0.0.1:%u%s", served.listen.scheme == GW_TLS ? "https" : "http", gw_httpd_addr(server)->port, path);
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
	serve("tcp://127.0.0.1:0");
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

static void
fails(const char *why)
{
	ck_assert_uint_eq(seen.status, 0);
	ck_assert_msg(strstr(seen.error, why) != NULL, "'%s' does not say '%s'", seen.error, why);
	ck_assert_uint_eq(seen.len, 0);
}

START_TEST(methods)
{
	serve("tcp://127.0.0.1:0");
	ask("GET", url("/"), NULL, 0);
	until_done(1);
	ck_assert_uint_eq(seen.status, 404);
	ck_assert_str_eq(seen.method, "GET");
	ask("HEAD", url("/big"), NULL, 0);
	until_done(2);
	ck_assert_uint_eq(seen.status, 200);
	ck_assert_uint_eq(seen.len, 0);
	ask("PUT", url("/"), "x", 1);
	until_done(3);
	ck_assert_str_eq(seen.method, "PUT");
	ck_assert_str_eq(seen.body, "x");
	ask("POST", url("/"), NULL, 0);
	until_done(4);
	ck_assert_str_eq(seen.method, "POST");
	ask("GET", url("/big"), NULL, 0);
	until_done(5);
	ck_assert_uint_eq(seen.len, sizeof(big));
	ck_assert_str_eq(seen.last, "-");
}
END_TEST

START_TEST(failures)
{
	struct gw_err err = { 0 };
	char gone[128];

	conf.max_answer = sizeof(big) - 1;
	conf.total_ms = 200;
	serve("tcp://127.0.0.1:0");
	ask("GET", url("/big"), NULL, 0);
	until_done(1);
	fails("too long");
	ask("GET", url("/wait"), NULL, 0);
	until_done(2);
	fails("timed out");
	ck_assert_int_eq(seen.gone, 1);
	snprintf(gone, sizeof(gone), "%s", url("/"));
	gw_httpd_close(server);
	for (int i = 0; i < 20; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		uv_sleep(2);
	}
	server = NULL;
	ask("GET", gone, NULL, 0);
	until_done(3);
	fails("onnect");
	ask("GET", "ftp://127.0.0.1/", NULL, 0);
	until_done(4);
	fails("rotocol");
	gw_http_close(client);
	conf.plain_ok = false;
	client = gw_http_open(&loop, &conf, &err);
	ask("GET", gone, NULL, 0);
	until_done(5);
	fails("rotocol");
}
END_TEST

static void
close_when_done(void *self, const struct gw_reply *r)
{
	(void)self;
	(void)r;
	seen.done++;
	gw_http_close(client);
	client = NULL;
}

START_TEST(closed_from_within)
{
	struct gw_err err = { 0 };

	serve("tcp://127.0.0.1:0");
	client = gw_http_open(&loop, &conf, &err);
	ck_assert_int_eq(gw_http_send(client, "GET", url("/wait"), NULL, NULL, 0, on_done, NULL, &err), 0);	/* never answered, never told */
	ck_assert_int_eq(gw_http_send(client, "GET", url("/"), NULL, NULL, 0, close_when_done, NULL, &err), 0);
	until_done(1);
}
END_TEST

START_TEST(called_from)
{
	conf.local = "127.0.0.9";
	serve("tcp://127.0.0.1:0");
	ask("GET", url("/"), NULL, 0);
	until_done(1);
	ck_assert_uint_eq(seen.status, 404);
	ck_assert_msg(strncmp(seen.peer, "127.0.0.9:", 10) == 0, "%s", seen.peer);
}
END_TEST

START_TEST(many_at_once)
{
	serve("tcp://127.0.0.1:0");
	for (int i = 0; i < 10; i++)
		ask("POST", url("/"), "abc", 3);
	until_done(10);
	ck_assert_int_eq(seen.requests, 10);
	ck_assert_uint_eq(seen.status, 201);
}
END_TEST

/* Two authorities: ours, and one that nobody asked for. */
static void
certificates(void)
{
	struct test_ca ours, theirs;

	ca_open(&ours, "ours");
	ca_open(&theirs, "theirs");
	ca_issue(&ours, "server");
	ca_issue(&ours, "client");
	ca_issue(&theirs, "stranger");
	ca_issue(&theirs, "other");
	ca_close(&ours);
	ca_close(&theirs);
}

static char paths[8][128];

static const char *
pem(int i, const char *name)
{
	snprintf(paths[i], sizeof(paths[i]), "%s", scratch(name));
	return paths[i];
}

static void
new_client(const char *ca, const char *name)
{
	char file[32];
	struct gw_err err = { 0 };

	gw_http_close(client);
	conf.ca = ca ? pem(0, ca) : NULL;
	conf.certificate = conf.private_key = NULL;
	if (name) {
		snprintf(file, sizeof(file), "%s.pem", name);
		conf.certificate = pem(1, file);
		snprintf(file, sizeof(file), "%s.key", name);
		conf.private_key = pem(2, file);
	}
	client = gw_http_open(&loop, &conf, &err);
	ck_assert_msg(client != NULL, "%s", err.text);
}

START_TEST(tls)
{
	certificates();
	served.certificate = pem(3, "server.pem");
	served.private_key = pem(4, "server.key");
	serve("tls://127.0.0.1:0");
	ck_assert_int_eq(gw_httpd_addr(server)->scheme, GW_TLS);
	conf.plain_ok = false;
	new_client("ours.pem", NULL);
	for (int i = 1; i <= 2; i++) {
		ask("POST", url("/"), "abc", 3);
		until_done(i);
		ck_assert_msg(seen.status == 201, "%s", seen.error);
		ck_assert_str_eq(seen.subject, "-");
		ck_assert_uint_eq(seen.der_len, 0);
	}
	ask("GET", url("/big"), NULL, 0);
	until_done(3);
	ck_assert_uint_eq(seen.len, sizeof(big));
	new_client("theirs.pem", NULL);
	ask("GET", url("/"), NULL, 0);
	until_done(4);
	fails("ertificate");
	ck_assert_int_eq(seen.requests, 3);
	ck_assert_int_eq(refusals, 1);
	ck_assert_ptr_nonnull(strstr(refusal, "TLS: the"));	/* client says "unknown CA", or handshake did not end: the kernel's reset may overtake the alert */
	new_client(NULL, NULL);		/* the system's authorities do not know us */
	ask("GET", url("/"), NULL, 0);
	until_done(5);
	fails("ertificate");
}
END_TEST

START_TEST(mutual_tls)
{
	static const char *const strangers[] = { NULL, "stranger" };

	certificates();
	served.certificate = pem(3, "server.pem");
	served.private_key = pem(4, "server.key");
	served.client_ca = pem(5, "ours.pem");
	serve("tls://127.0.0.1:0");
	conf.plain_ok = false;
	for (int i = 0; i < 2; i++) {
		new_client("ours.pem", strangers[i]);
		ask("POST", url("/"), "abc", 3);
		until_done(i + 1);
		ck_assert_uint_eq(seen.status, 0);
		ck_assert_int_eq(refusals, i + 1);
		ck_assert_ptr_nonnull(strstr(refusal, "TLS: refused: "));
	}
	ck_assert_int_eq(seen.requests, 0);
	new_client("ours.pem", "client");
	for (int i = 3; i <= 4; i++) {
		ask("POST", url("/"), "abc", 3);
		until_done(i);
		ck_assert_msg(seen.status == 201, "%s", seen.error);
		ck_assert_str_eq(seen.subject, "CN = client");
		ck_assert_uint_gt(seen.der_len, 200);
	}
}
END_TEST

static void
copy(const char *from, const char *to)
{
	char command[400];

	snprintf(command, sizeof(command), "cp %s %s", scratch(from), scratch(to));
	ck_assert_int_eq(system(command), 0);
}

/* New connections get the new certificate and the new rules; what does not fit together changes nothing. */
START_TEST(reload)
{
	struct gw_err err = { 0 };

	certificates();
	copy("server.pem", "now.pem");
	copy("server.key", "now.key");
	copy("ours.pem", "now_ca.pem");
	served.certificate = pem(3, "now.pem");
	served.private_key = pem(4, "now.key");
	served.client_ca = pem(5, "now_ca.pem");
	serve("tls://127.0.0.1:0");
	new_client("ours.pem", "client");
	ask("POST", url("/"), "abc", 3);
	until_done(1);
	ck_assert_uint_eq(seen.status, 201);
	copy("other.pem", "now.pem");	/* without its key */
	ck_assert_int_eq(gw_httpd_reload(server, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "now.key: the key is not that of the certificate"));
	put_file(scratch("now_ca.pem"), "nothing\n", 0600);
	copy("other.key", "now.key");
	ck_assert_int_eq(gw_httpd_reload(server, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "now_ca.pem"));
	new_client("ours.pem", "client");
	ask("POST", url("/"), "abc", 3);
	until_done(2);
	ck_assert_uint_eq(seen.status, 201);
	copy("theirs.pem", "now_ca.pem");
	ck_assert_msg(gw_httpd_reload(server, &err) == 0, "%s", err.text);
	ask("POST", url("/"), "abc", 3);	/* on the connection that is */
	until_done(3);
	ck_assert_uint_eq(seen.status, 201);
	new_client("theirs.pem", "stranger");
	ask("POST", url("/"), "abc", 3);
	until_done(4);
	ck_assert_msg(seen.status == 201, "%s", seen.error);
	ck_assert_str_eq(seen.subject, "CN = stranger");
	new_client("theirs.pem", "client");
	ask("POST", url("/"), "abc", 3);
	until_done(5);
	ck_assert_uint_eq(seen.status, 0);
	ck_assert_int_eq(seen.requests, 4);
}
END_TEST

SUITE("lib_http", tcase_add_checked_fixture(t, setup, teardown); tcase_set_timeout(t, 60); tcase_add_test(t, post_and_keep_alive);
	tcase_add_test(t, methods); tcase_add_test(t, failures); tcase_add_test(t, closed_from_within); tcase_add_test(t, called_from); tcase_add_test(t, many_at_once);
	tcase_add_test(t, tls); tcase_add_test(t, mutual_tls); tcase_add_test(t, reload);)
