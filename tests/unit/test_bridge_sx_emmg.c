/* tests/unit/test_bridge_sx_emmg.c: an XML BSD/A as a MUX: what goes out of data_provisions, when, and how often, with a clock of the test's own */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/errors.h"
#include "bridge/sx_emmg.h"
#include "proto/emmg_mux.h"
#include "tests/suite.h"
#include "tests/unit/transcript.h"

#define UTC INT64_C(1795257000000000)
static char t_news[] = "news", t_urn[] = "urn:news", t_a[] = "a", t_b[] = "b", t_x[] = "x";
static struct he_service news = { .id = t_news, .global_service_id = t_urn };
static struct he_sp4_peer a = { .name = t_a }, b = { .name = t_b };
static struct he_bridge_emmg rows[] = {
	{ .client_id = 0x10042, .data_id = 1, .peer = &a, .service = &news, .bandwidth_bps = 64000, .repetition_ms = 10000 },
	{ .client_id = 0x10042, .data_id = 2, .peer = &a, .service = &news, .bandwidth_bps = 64000, .repetition_ms = 60000, .registration = true },
};
static struct he_bridge bridge = { .name = t_x, .emmg = rows, .nemmg = 2 };
static struct sx_emmg e;
static int64_t now;
static struct sx_flow *under_way;
static int send_rc;

static int
door_send(void *self, const struct he_sp4_peer *peer, struct sp4_msg *m, int64_t give_up_us, struct sx_flow *f, struct gw_err *err)
{
	(void)self;
	if (send_rc < 0)
		return gw_fail(err, GW_ESYS, "told to fail");
	ck_assert_uint_eq(m->n_distribution, 1);
	say("%d to %s %s id=%d rep=%d bw=%d window=%d until=%d:", (int)m->tag, peer->name, m->service, (int)m->distribution.data_id,
	    (int)m->distribution.repetition_ms, (int)m->distribution.bandwidth_kbps, (int)(m->distribution_end - m->distribution_start),
	    (int)((give_up_us - now) / 1000000));
	ck_assert_int_le(sp4_unix(m->distribution_start), (UTC + now) / 1000000);	/* a second try has the window of the first */
	for (size_t k = 0; k < m->n_data && k < 3; k++)
		say(" %.*s", (int)m->data[k].len, (const char *)m->data[k].p);
	say(m->n_data > 3 ? " … %zu\n" : "\n", m->n_data);
	under_way = f;
	return 0;
}

static void
door_complain(void *self, const struct he_bridge_emmg *row, uint16_t status, const char *why)
{
	(void)self;
	say("stream_error %u 0x%04x %s\n", row->data_id, status, why);
}

static void
door_note(void *self, enum gw_level level, const char *event, const struct he_bridge_emmg *row, const char *why)
{
	(void)self, (void)level, (void)event, (void)row, (void)why;
}

static const struct sx_emmg_door door = { door_send, door_complain, door_note };

static void
start(void)
{
	struct gw_err err;

	e = (struct sx_emmg){ .door = &door };
	now = 1000000;
	send_rc = 0;
	say_no_more();
	under_way = NULL;
	ck_assert_int_eq(sx_emmg_conf(&e, &bridge, &err), 0);
}

static bool
provide(uint16_t data_id, const char *first, ...)
{
	static uint8_t buf[SIM_MAX];
	static struct sim_msg m;
	struct sim_writer w;
	va_list ap;

	sim_begin(&w, &emmg_mux, 5, EMMG_DATA_PROVISION, buf, sizeof(buf));
	sim_put_int(&w, EMMG_CLIENT_ID, 0x10042);
	sim_put_int(&w, EMMG_CHANNEL_ID, 1);
	sim_put_int(&w, EMMG_STREAM_ID, data_id);
	sim_put_int(&w, EMMG_DATA_ID, data_id);
	va_start(ap, first);
	for (const char *d = first; d; d = va_arg(ap, const char *))
		sim_put_bytes(&w, EMMG_DATAGRAM, d, strlen(d));
	va_end(ap);
	ck_assert_int_eq(sim_decode(&emmg_mux, buf, sim_end(&w, NULL), &m, NULL), 0);
	return sx_emmg_provide(&e, sx_emmg_flow(&e, 0x10042, data_id), &m, now, UTC + now);
}

static void
done(struct ex_result r)
{
	struct sx_flow *f = under_way;

	ck_assert_ptr_nonnull(f);
	under_way = NULL;
	r.reason = r.reason ? r.reason : "";
	sx_emmg_done(&e, f, &r, now, UTC + now);
}

static void
confirmed(int status)
{
	struct sp4_msg m;

	sp4_init(&m, 12);
	m.status = status;
	m.reason = status ? "because" : NULL;
	done((struct ex_result){ .end = EX_ANSWERED, .answer = &m });
}

static void
stop(void)
{
	if (under_way)
		done((struct ex_result){ .end = EX_CANCELLED });
	sx_emmg_fini(&e);
}

START_TEST(one_delivery_a_provision)
{
	start();
	ck_assert(provide(1, "one", "two", NULL));
	ck_assert(provide(1, "three", NULL));
	ck_assert(provide(2, "reg", NULL));
	said("11 to a urn:news id=1 rep=10000 bw=64 window=30 until=30: one two\n15 to a urn:news id=2 rep=60000 bw=64 window=180 until=180: reg\n");
	under_way = sx_emmg_flow(&e, 0x10042, 1);
	confirmed(0);	/* one at a time of a stream, in order */
	said("11 to a urn:news id=1 rep=10000 bw=64 window=30 until=30: three\n");
	confirmed(0);
	under_way = sx_emmg_flow(&e, 0x10042, 2);
	stop();
}
END_TEST

START_TEST(the_same_is_not_sent_again)
{
	start();
	provide(1, "one", NULL);
	confirmed(0);
	say_no_more();
	now += 9999000;
	ck_assert(provide(1, "one", NULL));
	said("");
	ck_assert(provide(1, "on", "e", NULL));	/* not the same */
	confirmed(0);
	said("11 to a urn:news id=1 rep=10000 bw=64 window=30 until=30: on e\n");
	now += 1000;
	ck_assert(provide(1, "one", NULL));
	said("11 to a urn:news id=1 rep=10000 bw=64 window=30 until=30: one\n");
	stop();
}
END_TEST

/* More different ones within a repetition than are remembered: the oldest goes twice, which is all. */
START_TEST(what_is_forgotten_is_sent_again)
{
	char text[16];

	start();
	for (int i = 0; i <= SX_SEEN; i++) {
		snprintf(text, sizeof(text), "d%d", i);
		ck_assert(provide(1, text, NULL));
		confirmed(0);
		say_no_more();
	}
	ck_assert(provide(1, "d1", NULL));	/* the oldest that is remembered */
	said("");
	ck_assert(provide(1, "d0", NULL));
	said("11 to a urn:news id=1 rep=10000 bw=64 window=30 until=30: d0\n");
	stop();
}
END_TEST

START_TEST(many_datagrams_are_parted)
{
	static uint8_t buf[SIM_MAX];
	static struct sim_msg m;
	struct sim_writer w;

	start();
	sim_begin(&w, &emmg_mux, 5, EMMG_DATA_PROVISION, buf, sizeof(buf));
	sim_put_int(&w, EMMG_CLIENT_ID, 0x10042);
	sim_put_int(&w, EMMG_CHANNEL_ID, 1);
	sim_put_int(&w, EMMG_STREAM_ID, 1);
	sim_put_int(&w, EMMG_DATA_ID, 1);
	for (int i = 0; i < 130; i++)
		sim_put_bytes(&w, EMMG_DATAGRAM, i == 64 ? "b" : i == 128 ? "c" : "a", 1);
	ck_assert_int_eq(sim_decode(&emmg_mux, buf, sim_end(&w, NULL), &m, NULL), 0);
	ck_assert(sx_emmg_provide(&e, sx_emmg_flow(&e, 0x10042, 1), &m, now, UTC + now));
	confirmed(0);
	confirmed(0);
	said("11 to a urn:news id=1 rep=10000 bw=64 window=30 until=30: a a a … 64\n"
	    "11 to a urn:news id=1 rep=10000 bw=64 window=30 until=30: b a a … 64\n"
	    "11 to a urn:news id=1 rep=10000 bw=64 window=30 until=30: c a\n");
	stop();
}
END_TEST

START_TEST(what_fails_for_a_while_is_sent_again)
{
	start();
	provide(1, "one", NULL);
	say_no_more();
	confirmed(19);
	said("");
	ck_assert_int_eq(sx_emmg_next(&e), now + 1000000);
	now += 999000;
	sx_emmg_time(&e, now, UTC + now);
	said("");
	now += 1000;
	sx_emmg_time(&e, now, UTC + now);
	ck_assert_ptr_nonnull(under_way);
	confirmed(0);
	ck_assert_uint_eq(sx_emmg_flow(&e, 0x10042, 1)->sent, 1);
	stop();
}
END_TEST

START_TEST(after_ten_failures_the_emmg_is_told)
{
	char name[16];

	start();
	for (int i = 0; i < 10; i++) {	/* refused for good: the next one is tried */
		snprintf(name, sizeof(name), "%d", i);
		provide(1, name, NULL);
		say_no_more();
		confirmed(5);
		if (i < 9)
			said("");
	}
	said("stream_error 1 0x8005 because\n");
	provide(1, "late", NULL);
	say_no_more();
	now += 29000000;
	done((struct ex_result){ .end = EX_SILENT, .attempts = 12, .reason = "no connection" });
	said("stream_error 1 0x7000 no connection\n");
	now += 2000000;	/* its window is over */
	sx_emmg_time(&e, now, UTC + now);
	said("");
	ck_assert_int_eq(sx_emmg_next(&e), INT64_MAX);
	stop();
}
END_TEST

START_TEST(the_queue_has_an_end)
{
	char name[16];
	int taken = 0;

	start();
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%d", i);
		taken += provide(1, name, NULL);
	}
	ck_assert_int_eq(taken, SX_QUEUE);
	stop();
}
END_TEST

START_TEST(requests_get_the_last_objects)
{
	const char *reason;
	struct sp4_msg q, r;

	start();
	sp4_init(&q, 9);
	q.service = "urn:news";
	ck_assert_int_eq(sx_emmg_request(&e, &a, &q, UTC + now, &r, &reason), BR_DELAYED);
	ck_assert_int_eq(sx_emmg_request(&e, &b, &q, UTC + now, &r, &reason), -1);
	q.service = "urn:none";
	ck_assert_int_eq(sx_emmg_request(&e, &a, &q, UTC + now, &r, &reason), -1);
	q.service = "urn:news";
	provide(1, "one", "two", NULL);
	confirmed(0);
	provide(1, "three", NULL);
	ck_assert_int_eq(sx_emmg_request(&e, &a, &q, UTC + now, &r, &reason), BR_OK);
	ck_assert_int_eq(r.tag, 10);
	ck_assert_uint_eq(r.n_data, 1);
	ck_assert_mem_eq(r.data[0].p, "three", 5);
	ck_assert_int_eq(sp4_unix(r.distribution_end), (UTC + now) / 1000000 + 30);
	q.tag = 13;
	ck_assert_int_eq(sx_emmg_request(&e, &a, &q, UTC + now, &r, &reason), BR_DELAYED);
	q.tag = 9;
	ck_assert_int_eq(sx_emmg_request(&e, &a, &q, UTC + now + 40000000, &r, &reason), BR_DELAYED);	/* out of date */
	stop();
}
END_TEST

/* Of many streams with large objects: as much as a document takes. */
START_TEST(an_answer_fits_into_a_document)
{
	static struct he_bridge_emmg many[12];
	static char large[60001], text[SP4_DOCUMENT];
	struct he_bridge of_many = { .name = t_x, .emmg = many, .nemmg = 12 };
	struct sp4_fault fault;
	struct gw_err err;
	const char *reason;
	struct sp4_msg q, r;

	memset(large, 'x', sizeof(large) - 1);
	for (uint16_t i = 0; i < 12; i++) {
		many[i] = rows[0];
		many[i].data_id = (uint16_t)(i + 1);
	}
	start();
	ck_assert_int_eq(sx_emmg_conf(&e, &of_many, &err), 0);
	for (uint16_t i = 1; i <= 12; i++) {
		provide(i, large, NULL);
		confirmed(0);
		say_no_more();
	}
	sp4_init(&q, 9);
	q.service = "urn:news";
	ck_assert_int_eq(sx_emmg_request(&e, &a, &q, UTC + now, &r, &reason), BR_OK);
	ck_assert_uint_ge(r.n_data, 5);
	r.message_id = "m", r.source = "s", r.destination = "d", r.service = "urn:news";
	ck_assert_msg(sp4_encode(&r, text, sizeof(text), &fault) > 0, "%s: %s", fault.element, fault.rule);
	stop();
}
END_TEST

START_TEST(another_file)
{
	struct he_bridge other = { .name = t_x, .emmg = &rows[1], .nemmg = 1 };
	struct gw_err err;

	start();
	provide(1, "one", NULL);
	provide(1, "two", NULL);
	ck_assert_int_eq(sx_emmg_conf(&e, &other, &err), 0);
	say_no_more();
	confirmed(0);	/* its stream is gone, and what waited with it */
	said("");
	ck_assert_ptr_null(sx_emmg_flow(&e, 0x10042, 1));
	provide(2, "reg", NULL);
	said("15 to a urn:news id=2 rep=60000 bw=64 window=180 until=180: reg\n");
	stop();
	start();
	send_rc = -1;
	ck_assert(provide(1, "one", NULL));
	ck_assert_int_eq(sx_emmg_next(&e), INT64_MAX);
	stop();
}
END_TEST

SUITE("bridge_sx_emmg", tcase_add_test(t, one_delivery_a_provision); tcase_add_test(t, the_same_is_not_sent_again);
    tcase_add_test(t, what_is_forgotten_is_sent_again); tcase_add_test(t, many_datagrams_are_parted); tcase_add_test(t, what_fails_for_a_while_is_sent_again);
    tcase_add_test(t, after_ten_failures_the_emmg_is_told); tcase_add_test(t, the_queue_has_an_end);
    tcase_add_test(t, an_answer_fits_into_a_document); tcase_add_test(t, requests_get_the_last_objects); tcase_add_test(t, another_file))
