/* tests/unit/test_bsm_sms.c: short messages into files, and to an SMSC on loopback that is as short as an SMSC can be */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>
#include "bsm/smpp.h"
#include "proto/smpp.h"
#include "tests/unit/mikey_vectors.h"
#include "tests/unit/scratch.h"

static uint8_t pull[300];
static size_t pull_len;
static struct { int64_t id[2000]; bool sent[2000]; size_t n, want, rooms; uv_loop_t *loop; } told;

static void
on_done(void *self, int64_t id, bool sent)
{
	(void)self;
	told.id[told.n] = id;
	told.sent[told.n++] = sent;
	if (told.n == told.want)
		uv_stop(told.loop);
}

static void on_room(void *self) { (void)self; told.rooms++; }

static struct bsm_sms *
opened(uv_loop_t *loop, struct sms_conf *c)
{
	struct gw_err err = { 0 };
	struct bsm_sms *s;

	pull_len = hex_of(vector("V18_solicited_pull_register_all"), "message", pull, sizeof(pull));
	memset(&told, 0, sizeof(told));
	told.loop = loop;
	uv_loop_init(loop);
	c->done = on_done;
	c->room = on_room;
	s = bsm_sms_open(loop, c, &err);
	ck_assert_msg(s != NULL, "%s", err.text);
	return s;
}

static void
until(uv_loop_t *loop, size_t n)
{
	told.want = n;
	if (told.n < n)
		uv_run(loop, UV_RUN_DEFAULT);
	ck_assert_uint_eq(told.n, n);
}

static void
closed(uv_loop_t *loop, struct bsm_sms *s)
{
	bsm_sms_close(s);
	uv_run(loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(loop), 0);
}

/* ---- files ---- */

static int
whole(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	ck_assert(e->d_name[0] != '.' || n < 3);	/* nothing half-written is left */
	return n > 4 && strcmp(e->d_name + n - 4, ".sms") == 0;
}

START_TEST(files_hold_what_a_phone_reads)
{
	static struct wdp_join join;
	struct dirent **names;
	struct mikey_view pdu;
	struct wsp_push p;
	struct sms_conf c = { .dir = scratch("sms") };
	uv_loop_t loop;
	struct bsm_sms *s = opened(&loop, &c);

	ck_assert_int_eq(bsm_sms_send(s, 7, "491701234567", pull, pull_len), 0);
	ck_assert_int_eq(bsm_sms_send(s, 8, "4916", pull, 100), 0);
	ck_assert_uint_eq(told.n, 0);	/* never within the call */
	ck_assert_uint_eq(bsm_sms_waiting(s), 2);
	until(&loop, 2);
	ck_assert(told.sent[0] && told.id[0] == 7 && told.sent[1] && told.id[1] == 8);
	ck_assert_str_eq(bsm_sms_state(s), "files");
	ck_assert_uint_eq(bsm_sms_counts(s)->parts, 3);
	closed(&loop, s);

	ck_assert_int_eq(scandir(scratch("sms"), &names, whole, alphasort), 3);
	ck_assert(strncmp(names[0]->d_name, "4916-", 5) == 0 && strncmp(names[1]->d_name, "491701234567-", 13) == 0);
	for (int i = 1; i < 3; i++) {
		char path[300];
		uint8_t block[200];
		snprintf(path, sizeof(path), "%s/%s", scratch("sms"), names[i]->d_name);
		FILE *f = fopen(path, "rb");
		size_t n = fread(block, 1, sizeof(block), f);
		fclose(f);
		ck_assert_int_eq(wdp_take(&join, 0, block, n, 0, &pdu), i == 2 ? WDP_WHOLE : WDP_MORE);
	}
	ck_assert_int_eq(wsp_push_decode(pdu.p, pdu.len, &p, NULL), 0);
	ck_assert(wsp_push_is_mikey(&p));
	ck_assert_uint_eq(p.body.len, pull_len);
	ck_assert_mem_eq(p.body.p, pull, pull_len);
	for (int i = 0; i < 3; i++)
		free(names[i]);
	free(names);
}
END_TEST

START_TEST(what_waits_is_bounded)
{
	struct sms_conf c = { .dir = scratch("sms") };
	uv_loop_t loop;
	struct bsm_sms *s = opened(&loop, &c);

	for (int i = 0; i < SMS_QUEUE; i++)
		ck_assert_int_eq(bsm_sms_send(s, i, "4916", pull, 100), 0);
	ck_assert_int_eq(bsm_sms_send(s, 5000, "4916", pull, 100), -1);
	until(&loop, SMS_QUEUE);
	uv_run(&loop, UV_RUN_NOWAIT);
	ck_assert_uint_eq(told.rooms, 1);
	for (size_t i = 0; i < SMS_QUEUE; i++)
		ck_assert_int_eq(told.id[i], (int64_t)i);
	ck_assert_int_eq(bsm_sms_send(s, 5000, "4916", pull, 100), 0);
	closed(&loop, s);
	ck_assert_uint_eq(told.n, SMS_QUEUE);	/* what is closed tells no more */
}
END_TEST

/* A directory that cannot be written to: it is tried again, nobody is told that it was sent. */
START_TEST(files_that_cannot_be_written_wait)
{
	char dir[128];
	struct sms_conf c = { .dir = dir };
	struct gw_err err = { 0 };
	uv_loop_t loop;

	snprintf(dir, sizeof(dir), "%s", scratch("sms"));
	struct bsm_sms *s = opened(&loop, &c);
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(bsm_sms_send(s, 1, "4916", pull, 100), 0);
	uv_run(&loop, UV_RUN_NOWAIT);
	uv_run(&loop, UV_RUN_NOWAIT);
	ck_assert_str_eq(bsm_sms_state(s), "waiting");
	ck_assert_uint_eq(bsm_sms_counts(s)->retries, 1);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	until(&loop, 1);
	ck_assert(told.sent[0]);
	closed(&loop, s);
	c.dir = "/proc/nowhere";
	uv_loop_init(&loop);
	ck_assert_ptr_null(bsm_sms_open(&loop, &c, &err));
	ck_assert_msg(strstr(err.text, "/proc/nowhere") != NULL, "%s", err.text);
	uv_loop_close(&loop);
}
END_TEST

SUITE("bsm_sms", tcase_add_test(t, files_hold_what_a_phone_reads); tcase_add_test(t, what_waits_is_bounded);
      tcase_add_test(t, files_that_cannot_be_written_wait))
