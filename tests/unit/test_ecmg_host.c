/* tests/unit/test_ecmg_host.c: plugins that are refused, inline, on threads and asynchronous */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "ecmg/host.h"
#include "lib/log.h"
#include "tests/suite.h"

static uv_loop_t loop;
static struct { uint64_t handle; int rc; uint8_t ecm[256]; char why[256]; } got[64];
static size_t ngot;
static bool closed;

static void
on_answer(void *owner, uint64_t handle, int rc, const uint8_t *ecm, const char *why)
{
	ck_assert_ptr_eq(owner, &loop);
	got[ngot].handle = handle;
	got[ngot].rc = rc;
	if (rc > 0)
		memcpy(got[ngot].ecm, ecm, (size_t)rc);
	snprintf(got[ngot++].why, sizeof(got[0].why), "%s", why);
}

static void
on_closed(void *owner, struct ecmg_host *h)
{
	(void)owner;
	(void)h;
	closed = true;
}

static struct ecmg_host *
load(const char *name, const char *conf, struct gw_err *err)
{
	const char *top = getenv("top_builddir");
	char dir[4096];

	snprintf(dir, sizeof(dir), "%s/tests/unit/.libs", top ? top : ".");
	setenv("SIMULGATE_PLUGIN_DIR", dir, 1);
	gw_log_init("test", GW_WARNING);
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	ngot = 0;
	closed = false;
	return ecmg_host_open(&loop, name, conf, 4, on_answer, &loop, err);
}

static void
end(struct ecmg_host *h)
{
	if (h)
		ecmg_host_close(h, on_closed);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert(closed == (h != NULL));
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static int
ask(struct ecmg_host *h, uint64_t handle, uint16_t cp, const char *cw, uint8_t *out, char *why)
{
	const struct kms_cw cws[] = { { cp, (const uint8_t *)cw, strlen(cw), (const uint8_t *)"\x00\x64", 2 } };

	return ecmg_host_ecm(h, &(struct kms_request){ .size = sizeof(struct kms_request), .handle = handle, .ecm_id = 7, .cp_number = cp,
	    .cws = cws, .ncws = 1, .access_criteria = (const uint8_t *)"AC", .access_criteria_len = 2 }, out, 256, why, 240);
}

static const struct { const char *plugin, *conf, *said; } refused[] = {
	{ "plug_abi",    "",           "built for plugin ABI 2, this program has 1" },
	{ "plug_short",  "",           "its struct kms_plugin has 8 bytes" },
	{ "plug_bare",   "",           "must be there" },
	{ "plug_inline", "colour=1\n", "plugin test: unknown setting: colour=1" },
	{ "plug_worker", "colour=1\n", "plugin test: unknown setting: colour=1" },
	{ "no_such",     "",           "no_such.so" },
	{ "/bin/sh",     "",           "/bin/sh" },
};

START_TEST(bad_plugins_are_refused_with_a_sentence)
{
	struct gw_err err = { 0 };

	ck_assert_ptr_null(load(refused[_i].plugin, refused[_i].conf, &err));
	ck_assert_int_eq(err.code, GW_EPLUGIN);
	ck_assert_msg(strstr(err.text, refused[_i].said) != NULL, "%s", err.text);
	end(NULL);
}
END_TEST

START_TEST(inline_answers_at_once)
{
	struct gw_err err = { 0 };
	struct ecmg_host *h = load("plug_inline", "mode=test\n", &err);
	struct kms_channel c = { 0 };
	uint8_t out[256];
	char why[240] = "";

	ck_assert_msg(h != NULL, "%s", err.text);
	ck_assert_str_eq(ecmg_host_plugin(h)->name, "test");
	ck_assert_int_eq(ecmg_host_channel(h, 1, &c, why, sizeof(why)), 0);
	ck_assert_uint_eq(c.CW_per_msg, 1);
	ck_assert_int_eq(ecmg_host_channel(h, 0xdead, &c, why, sizeof(why)), -5);
	ck_assert_str_eq(why, "never heard of it");
	ck_assert_int_eq(ecmg_host_stream(h, 1, 9, why, sizeof(why)), 0);	/* the plugin has no stream() */
	ck_assert_int_eq(ask(h, 1, 100, "12345678", out, why), 16);
	ck_assert_mem_eq(out, "\x00\x07\x00\x64" "AC" "87654321" "\x00\x64", 16);
	ck_assert_int_eq(ask(h, 2, 100, "FAILURE.", out, why), -0x8014);
	ck_assert_str_eq(why, "told to fail");
	ck_assert_uint_eq(ecmg_host_pending(h), 0);
	end(h);
}
END_TEST

/* A slow one of four, and quick ones behind it: they do not wait, and all end where they belong. The plugin itself aborts when a
 * state gets two calls at a time, and its octets are checked: the requests were copied. */
static void
later_answers(const char *plugin)
{
	struct gw_err err = { 0 };
	struct ecmg_host *h = load(plugin, "", &err);
	uint8_t out[256];
	char why[240] = "", cw[16];

	ck_assert_msg(h != NULL, "%s", err.text);
	for (unsigned k = 0; k < 20; k++) {
		snprintf(cw, sizeof(cw), "%s%04u", k == 0 ? "SLOW" : k == 5 ? "FAIL" : "cwcw", k);
		ck_assert_int_eq(ask(h, 1000 + k, (uint16_t)k, cw, out, why), KMS_LATER);
		memset(cw, 0, sizeof(cw));
	}
	ck_assert_uint_eq(ecmg_host_pending(h), 20);
	while (ngot < 20)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_uint_eq(ecmg_host_pending(h), 0);
	ck_assert_uint_eq(got[19].handle, 1000);	/* the slow one is the last */
	for (size_t k = 0; k < 20; k++) {
		const unsigned n = (unsigned)(got[k].handle - 1000);
		if (n == 5) {
			ck_assert_int_eq(got[k].rc, -0x8014);
			ck_assert_str_eq(got[k].why, "told to fail");
			continue;
		}
		ck_assert_int_eq(got[k].rc, 16);
		ck_assert_uint_eq(got[k].ecm[3], n);
		ck_assert_int_eq(got[k].ecm[6], '0' + (int)n % 10);
		ck_assert_mem_eq(got[k].ecm + 10, n == 0 ? "WOLS" : "wcwc", 4);
	}
	end(h);
}

START_TEST(worker_threads_do_not_wait_for_each_other)
{
	later_answers("plug_worker");
}
END_TEST

START_TEST(asynchronous_answers_come_in_any_order)
{
	later_answers("plug_async");
}
END_TEST

START_TEST(impossible_answers_are_errors)
{
	struct gw_err err = { 0 };
	struct ecmg_host *h = load("plug_async", "", &err);
	uint8_t out[256];
	char why[240];

	ck_assert_int_eq(ask(h, 1, 1, "PLUS....", out, why), KMS_LATER);
	ck_assert_int_eq(ask(h, 2, 2, "NONE....", out, why), KMS_LATER);
	while (ngot < 2)
		uv_run(&loop, UV_RUN_ONCE);
	for (size_t k = 0; k < 2; k++) {
		ck_assert_int_eq(got[k].rc, -0x7000);
		ck_assert_ptr_nonnull(strstr(got[k].why, "the plugin's answer"));
	}
	end(h);
}
END_TEST

START_TEST(close_waits_for_the_last_answer)
{
	static const char *const plugins[] = { "plug_worker", "plug_async" };
	struct gw_err err = { 0 };
	struct ecmg_host *h = load(plugins[_i], "", &err);
	uint8_t out[256];
	char why[240];

	ck_assert_int_eq(ask(h, 1, 1, "SLOW....", out, why), KMS_LATER);
	ck_assert_int_eq(ask(h, 2, 2, "quick...", out, why), KMS_LATER);
	end(h);
	ck_assert_uint_eq(ngot, 2);
}
END_TEST

SUITE("ecmg_host", tcase_add_loop_test(t, bad_plugins_are_refused_with_a_sentence, 0, sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(t, inline_answers_at_once); tcase_add_test(t, worker_threads_do_not_wait_for_each_other);
    tcase_add_test(t, asynchronous_answers_come_in_any_order); tcase_add_test(t, impossible_answers_are_errors); tcase_add_loop_test(t, close_waits_for_the_last_answer, 0, 2))
