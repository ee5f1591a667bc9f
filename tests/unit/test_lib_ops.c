/* tests/unit/test_lib_ops.c: the operator's door, with our own client in a thread and with raw bytes */
#include "lib/ops.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/stall.h"
#include "tests/suite.h"

static const struct gw_metric requests = { "simulgate_test_requests_total", "Requests seen", GW_COUNTER };
static const struct gw_metric level = { "simulgate_test_level", "A level", GW_GAUGE };

static uv_loop_t loop;
static uv_async_t wake;		/* keeps the loop alive until the client thread has ended */

static json_t *
status(void *self)
{
	return json_pack("{s:s, s:[i,i], s:s}", "state", (const char *)self, "list", 1, 2, "program", "impostor");
}

static void
collect(void *self, struct gw_samples *s)
{
	char a[128] = "", b[128] = "", tiny[8] = "";

	(void)self;
	gw_label(gw_label(a, sizeof(a), "kms", "drm"), sizeof(a), "peer", "a\"b\\c\nd");
	gw_label(b, sizeof(b), "kms", "smartcard");
	ck_assert_str_eq(gw_label(tiny, sizeof(tiny), "kms", "drm"), "");	/* whole or not at all */
	gw_sample(s, &requests, a, 12345678901.0);
	gw_sample(s, &level, "", 0.5);
	gw_sample(s, &requests, b, 7);
	gw_sample(s, &level, b, INFINITY);
}

static const char metrics[] =
	"# HELP simulgate_test_requests_total Requests seen\n# TYPE simulgate_test_requests_total counter\n"
	"simulgate_test_requests_total{kms=\"drm\",peer=\"a\\\"b\\\\c\\nd\"} 12345678901\n"
	"simulgate_test_requests_total{kms=\"smartcard\"} 7\n"
	"# HELP simulgate_test_level A level\n# TYPE simulgate_test_level gauge\n"
	"simulgate_test_level 0.5\n"
	"simulgate_test_level{kms=\"smartcard\"} +Inf\n";

static struct gw_addr
addr(const char *text)
{
	struct gw_addr a;
	struct gw_err err;

	ck_assert_int_eq(gw_addr_parse(text, GW_TCP | GW_UNIX, &a, &err), 0);
	return a;
}

static struct gw_ops *
open_door(const char *text)
{
	static char name[] = "running";
	struct gw_ops_conf conf = { .program = "test", .instance = "one", .status = status, .collect = collect, .self = name };
	struct gw_addr a = addr(text);
	struct gw_err err = { 0 };
	struct gw_ops *o = gw_ops_open(&loop, &a, &conf, &err);

	ck_assert_msg(o != NULL, "%s", err.text);
	return o;
}

static void
woken(uv_async_t *a)
{
	uv_close((uv_handle_t *)a, NULL);
	uv_stop(&loop);
}

/* Runs a visit in a thread while the loop serves. */
struct visit { const struct gw_addr *a; void (*go)(struct visit *); const char *say; char got[8192]; size_t len; struct gw_err err; char *body; int rc; };

static void
thread(void *arg)
{
	struct visit *v = arg;

	v->go(v);
	uv_async_send(&wake);
}

static void
visit(struct visit *v)
{
	uv_thread_t t;

	uv_async_init(&loop, &wake, woken);
	uv_thread_create(&t, thread, v);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_thread_join(&t);
}

static void
get(struct visit *v)
{
	v->rc = gw_ops_get(v->a, v->say, 2000, &v->body, &v->err);
}

static void
raw(struct visit *v)
{
	int fd = socket(v->a->ss.ss_family, SOCK_STREAM, 0);
	ssize_t n;

	connect(fd, (const struct sockaddr *)&v->a->ss, v->a->sslen);
	for (const char *p = v->say; *p; p += strlen(p) < 7 ? strlen(p) : 7)	/* in pieces */
		send(fd, p, strlen(p) < 7 ? strlen(p) : 7, MSG_NOSIGNAL);
	while ((n = recv(fd, v->got + v->len, sizeof(v->got) - 1 - v->len, 0)) > 0)
		v->len += (size_t)n;
	v->rc = (int)n;
	close(fd);
}

static void
begin(void)
{
	gw_log_init("test", GW_ERR);
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&loop);
}

START_TEST(serves_status_and_metrics)	/* _i: 0 Unix, 1 IPv4, 2 IPv6 */
{
	char dir[] = "/tmp/gw-ops-XXXXXX", text[64] = "tcp://127.0.0.1:0";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	if (_i == 0)
		snprintf(text, sizeof(text), "unix://%s/test.status.sock", dir);
	if (_i == 2)
		strcpy(text, "tcp://[::1]:0");
	begin();
	struct gw_ops *o = open_door(text);
	struct visit v = { .a = gw_ops_addr(o), .go = get, .say = "/metrics" };
	visit(&v);
	ck_assert_msg(v.rc == 0, "%s", v.err.text);
	ck_assert_int_eq(strncmp(v.body, metrics, strlen(metrics)), 0);
	ck_assert_int_eq(strncmp(v.body + strlen(metrics), "# HELP simulgate_stalls_total ", 30), 0);
	free(v.body);

	v.say = "/status?pretty";
	visit(&v);
	ck_assert_msg(v.rc == 0, "%s", v.err.text);
	json_t *j = json_loads(v.body, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(j, "program")), "test");
	ck_assert_str_eq(json_string_value(json_object_get(j, "instance")), "one");
	ck_assert_str_eq(json_string_value(json_object_get(j, "state")), "running");
	ck_assert_int_eq(json_integer_value(json_object_get(j, "pid")), getpid());
	ck_assert_int_gt((int)strlen(json_string_value(json_object_get(j, "version"))), 0);
	ck_assert(json_real_value(json_object_get(j, "up_seconds")) >= 0);
	json_decref(j);
	free(v.body);

	v.say = "/nothing";
	v.body = NULL;
	visit(&v);
	ck_assert_int_eq(v.rc, -1);
	ck_assert_ptr_nonnull(strstr(v.err.text, "404"));
	gw_ops_close(o);
	gw_loop_fini(&loop);
	rmdir(dir);
}
END_TEST

START_TEST(what_stood_still_is_told)
{
	begin();
	struct gw_ops *o = open_door("tcp://127.0.0.1:0");
	struct visit v = { .a = gw_ops_addr(o), .go = get, .say = "/status" };
	visit(&v);
	free(v.body);
	usleep(1000 * (GW_STALL_MS + 150));
	visit(&v);
	json_t *j = json_loads(v.body, JSON_REJECT_DUPLICATES, NULL), *stalls = json_object_get(j, "stalls");
	ck_assert_int_ge(json_integer_value(json_object_get(stalls, "count")), 1);
	ck_assert_int_ge(json_integer_value(json_object_get(stalls, "longest_ms")), GW_STALL_MS);
	ck_assert_int_ge(json_integer_value(json_object_get(stalls, "total_ms")), json_integer_value(json_object_get(stalls, "longest_ms")));
	json_decref(j);
	free(v.body);
	v.say = "/metrics";
	visit(&v);
	const char *total = strstr(v.body, "\nsimulgate_stalls_total ");
	ck_assert(total && total[24] > '0');
	free(v.body);
	gw_ops_close(o);
	gw_loop_fini(&loop);
}
END_TEST

static const struct { const char *say, *want; } wrong[] = {
	{ "POST /status HTTP/1.1\r\n\r\n", "HTTP/1.1 405 " },
	{ "HEAD /metrics HTTP/1.0\r\nHost: x\r\n\r\n", "HTTP/1.1 405 " },
	{ "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 " },
	{ "GET /status/../metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 404 " },
	{ "GET /status\r\n\r\n", "HTTP/1.1 400 " },
	{ "GET http://x/status HTTP/1.1\r\n\r\n", "HTTP/1.1 400 " },
	{ "\r\n\r\n", "HTTP/1.1 400 " },
	{ "\x16\x03\x01\n\n", "HTTP/1.1 400 " },
	{ "GET /metrics HTTP/1.0\n\n", "HTTP/1.1 200 " },
};

START_TEST(refuses_what_is_wrong)
{
	begin();
	struct gw_ops *o = open_door("tcp://127.0.0.1:0");
	struct visit v = { .a = gw_ops_addr(o), .go = raw, .say = wrong[_i].say };
	visit(&v);
	ck_assert_int_eq(v.rc, 0);
	ck_assert_msg(strncmp(v.got, wrong[_i].want, strlen(wrong[_i].want)) == 0, "%s", v.got);
	ck_assert_int_eq(strstr(v.got, "Allow: GET\r\n") != NULL, strstr(v.got, " 405 ") != NULL);
	gw_ops_close(o);
	gw_loop_fini(&loop);
}
END_TEST

START_TEST(a_head_without_end_is_refused_at_4_kib)
{
	static char head[5000];

	begin();
	struct gw_ops *o = open_door("tcp://127.0.0.1:0");
	memset(head, 'x', sizeof(head) - 1);
	memcpy(head, "GET /status HTTP/1.1\r\nA: ", 25);
	struct visit v = { .a = gw_ops_addr(o), .go = raw, .say = head };
	visit(&v);
	ck_assert_int_eq(v.rc, 0);
	ck_assert_int_eq(strncmp(v.got, "HTTP/1.1 431 ", 13), 0);
	gw_ops_close(o);
	gw_loop_fini(&loop);
}
END_TEST

START_TEST(opens_on_loopback_only_and_closes_on_a_visitor)
{
	struct gw_ops_conf conf = { .program = "test", .status = status, .collect = collect };
	struct gw_addr any = addr("tcp://0.0.0.0:0");
	struct gw_err err = { 0 };

	begin();
	ck_assert_ptr_null(gw_ops_open(&loop, &any, &conf, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "loopback"));
	struct gw_ops *o = open_door("tcp://127.0.0.1:0");
	const struct gw_addr *a = gw_ops_addr(o);
	int fd[40];
	for (int i = 0; i < 40; i++) {	/* more than are served: they are idle or turned away, and hold nothing up */
		fd[i] = socket(AF_INET, SOCK_STREAM, 0);
		ck_assert_int_eq(connect(fd[i], (const struct sockaddr *)&a->ss, a->sslen), 0);
	}
	for (int i = 0; i < 10; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	char c;
	ck_assert_int_eq(recv(fd[39], &c, 1, 0), 0);
	gw_ops_close(o);
	gw_ops_close(NULL);
	gw_loop_fini(&loop);
	for (int i = 0; i < 40; i++)
		close(fd[i]);
}
END_TEST

START_TEST(the_default_address_is_named_after_program_and_instance)
{
	struct gw_addr a;
	struct gw_err err = { 0 };
	char text[GW_ADDR_TEXT];

	ck_assert_int_eq(gw_ops_default_addr("/run/simulgate", "ecmg", "drm-7001", &a, &err), 0);
	ck_assert_str_eq(gw_addr_text(&a, text, sizeof(text)), "unix:///run/simulgate/ecmg-drm-7001.status.sock");
	ck_assert_int_eq(gw_ops_default_addr("/run/simulgate", "mux", "", &a, &err), 0);
	ck_assert_str_eq(gw_addr_text(&a, text, sizeof(text)), "unix:///run/simulgate/mux.status.sock");
	ck_assert_int_eq(gw_ops_default_addr("/a/very/long/directory/whose/name/does/not/fit/into/the/address/of/a/unix/socket/at/all/ever",
	    "mux", "", &a, &err), -1);
}
END_TEST

START_TEST(a_get_from_nobody_fails_by_sentence)
{
	struct gw_addr a = addr("unix:///nonexistent/x.sock");
	struct gw_err err = { 0 };
	char *body = NULL;

	ck_assert_int_eq(gw_ops_get(&a, "/status", 500, &body, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "No such file"));
	ck_assert_int_eq(err.code, GW_EUNAVAIL);

	int fd = socket(AF_INET, SOCK_STREAM, 0);	/* somebody who never answers */
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	bind(fd, (struct sockaddr *)&sin, len);
	listen(fd, 1);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	char text[64];
	snprintf(text, sizeof(text), "tcp://127.0.0.1:%u", ntohs(sin.sin_port));
	a = addr(text);
	ck_assert_int_eq(gw_ops_get(&a, "/status", 200, &body, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "timed out"));
	close(fd);
}
END_TEST

SUITE("lib_ops", tcase_add_loop_test(t, serves_status_and_metrics, 0, 3);
      tcase_add_test(t, what_stood_still_is_told);
      tcase_add_loop_test(t, refuses_what_is_wrong, 0, (int)(sizeof(wrong) / sizeof(wrong[0])));
      tcase_add_test(t, a_head_without_end_is_refused_at_4_kib);
      tcase_add_test(t, opens_on_loopback_only_and_closes_on_a_visitor);
      tcase_add_test(t, the_default_address_is_named_after_program_and_instance);
      tcase_add_test(t, a_get_from_nobody_fails_by_sentence))
