/* tests/unit/test_bridge_sx_ecmg.c: XML BSMs as ECMGs: behind real channels, with a clock, an SCS and BSMs of the test's own */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/errors.h"
#include "bridge/sx_ecmg.h"
#include "lib/headend.h"
#include "lib/secret.h"
#include "tests/suite.h"
#include "tests/unit/transcript.h"

static const char file[] =
    "head_end: lab\n"
    "kms:\n"
    "  drm: { super_cas_id: 0x00010001, ecmg: [tcp://127.0.0.1:7001] }\n"
    "  card: { super_cas_id: 0x00020001, ecmg: [tcp://127.0.0.1:7002], max_comp_time: 500 }\n"
    "  own: { super_cas_id: 0x00020002, ecmg: [tcp://127.0.0.1:7003] }\n"
    "services:\n"
    "  - id: news\n    scrambling: srtp\n    crypto_period: 10s\n"
    "    media: [ { name: av, in: udp://239.255.0.1:5004, out: udp://239.255.1.1:5004 } ]\n"
    "    stkm:\n      - { kms: drm, ecm_id: 1, out: udp://239.255.1.1:5010 }\n      - { kms: card, ecm_id: 2, out: udp://239.255.1.1:5012 }\n"
    "  - id: sport\n    scrambling: ipsec\n    crypto_period: 10s\n"
    "    media: [ { name: av, in: udp://239.255.0.2:5004, out: udp://239.255.1.2:5004 } ]\n"
    "    stkm: [ { kms: card, ecm_id: 3, out: udp://239.255.1.2:5012 } ]\n"
    "  - id: film\n    scrambling: srtp\n    crypto_period: 10s\n    keys: x\n"
    "    media: [ { name: av, in: udp://239.255.0.3:5004, out: udp://239.255.1.3:5004 } ]\n"
    "    stkm: [ { kms: own, ecm_id: 4, out: udp://239.255.1.3:5012 } ]\n"
    "bridge:\n"
    "  x:\n    roles: [bsda, bsa]\n    plain: true\n    listen: tcp://127.0.0.1:8443\n"
    "    peers:\n"
    "      a: { url: \"http://127.0.0.1:9001\", roles: [bsm] }\n"
    "      b: { url: \"http://127.0.0.1:9002\", roles: [bsm] }\n"
    "    ecmg:\n      - { kms: drm, peer: a }\n      - { kms: card, peer: b }\n      - { kms: own, peer: a, mode: a }\n";

static struct headend *he;
static struct ecmg_engine engine;
static struct ecmg_channel chan;
static struct sx_ecmg sx;
static int64_t now;
static struct { struct sx_ask *ask; int64_t give_up_us; unsigned attempt_ms; } asks[64];
static size_t nasks;
static int send_rc;

/* ---- the door of the channel ---- */

static void
door_send(void *self, const uint8_t *msg, size_t len)
{
	static struct sim_msg m;
	const struct sim_value *text, *stkm;

	(void)self;
	ck_assert_int_eq(sim_decode_as(&ecmg_scs, SIM_STRICT, msg, len, &m, NULL), 0);
	if (m.type == ECMG_CHANNEL_STATUS || m.type == ECMG_STREAM_STATUS)
		return;
	say("%s %d", m.def->name, (int)sim_int(&m, ECMG_STREAM_ID, -1));
	if (m.type == ECMG_ECM_RESPONSE)
		say(" cp=%d", (int)sim_int(&m, ECMG_CP_NUMBER, -1));
	else
		say(" 0x%04x", (unsigned)sim_int(&m, ECMG_ERROR_STATUS, 0));
	if ((stkm = sim_value(&m, ECMG_ECM_DATAGRAM, 0)))
		say_hex("stkm", stkm->p, stkm->len);
	if ((text = sim_value(&m, ECMG_ERROR_INFORMATION, 0)))
		say(" \"%.*s\"", (int)text->len, (const char *)text->p);
	say("\n");
}

static int
door_channel(void *self, uint32_t id, struct ecmg_says *says, char *why, size_t cap)
{
	(void)self;
	return sx_ecmg_channel(&sx, id, says, why, cap);
}

static int
door_stream(void *self, uint32_t id, uint16_t ecm_id, char *why, size_t cap)
{
	(void)self;
	return sx_ecmg_stream(&sx, id, ecm_id, why, cap);
}

static int
door_ecm(void *self, const struct ecmg_request *q, uint8_t *ecm, size_t cap, char *why, size_t why_cap)
{
	(void)self;
	return sx_ecmg_ecm(&sx, q, now, ecm, cap, why, why_cap);
}

static void
door_close(void *self)
{
	(void)self;
	say("close\n");
}

static void
door_note(void *self, const struct ecmg_note *n)
{
	(void)self, (void)n;
}

static int64_t
door_clock(void *self)
{
	(void)self;
	return now;
}

static const struct ecmg_door door = { door_send, door_channel, door_stream, door_ecm, door_close, door_note, door_clock };

/* ---- the door of the bridge ---- */

static int
sx_send(void *self, const struct he_sp4_peer *peer, struct sp4_msg *m, unsigned attempt_ms, int64_t give_up_us, struct sx_ask *a, struct gw_err *err)
{
	(void)self;
	if (send_rc < 0)
		return gw_fail(err, GW_ESYS, "told to fail");
	asks[nasks].ask = a;
	asks[nasks].give_up_us = give_up_us;
	asks[nasks].attempt_ms = attempt_ms;
	say("tag %d #%zu to %s %s cp=%d stream=%d profile=%d rep=%d", (int)m->tag, nasks, peer->name, strrchr(m->service, ':') + 1, (int)m->stkm.cp,
	    (int)m->stkm.stream, (int)m->stkm.profile, (int)m->stkm.repetition_ms);
	say_hex("ac", m->stkm.access_criteria.p, m->stkm.access_criteria.len);
	for (size_t k = 0; k < m->n_keys; k++) {
		say(" {cp=%d prot=%d auth=%d ds=%d", (int)m->keys[k].cp, (int)m->keys[k].protection, (int)m->keys[k].authenticated,
		    (int)m->keys[k].duration_ds);
		say_hex("id", m->keys[k].key_id.p, m->keys[k].key_id.len);
		say_hex("key", m->keys[k].material.p, m->keys[k].material.len);
		say_hex("enc", m->keys[k].cw_encryption.p, m->keys[k].cw_encryption.len);
		say("}");
	}
	say("\n");
	nasks++;
	return 0;
}

static void
sx_answer(void *self, uint64_t handle, int rc, const uint8_t *stkm, const char *why)
{
	(void)self;
	ck_assert_int_eq(ecmg_channel_answer(&chan, handle, rc, stkm, why), 0);
}

static void
sx_note(void *self, const struct sx_note *n)
{
	(void)self;
	if (n->level <= GW_WARNING)
		say("log %s %s\n", n->event, n->why);
}

static bool gate = true;

static bool
sx_may_air(void *self, const char *urn, const void *stkm, size_t len, unsigned *status, const char **reason)
{
	(void)self, (void)stkm, (void)len;
	ck_assert_ptr_nonnull(strstr(urn, "urn:simulgate:lab:"));
	*status = 19;
	*reason = gate ? NULL : "not all have the SEAK";
	return gate;
}

static const struct sx_ecmg_door sx_door = { sx_send, sx_answer, sx_may_air, sx_note };

/* ---- the SCS ---- */

static void
start(void)
{
	char text[sizeof(file)];
	struct gw_err err = { 0 };

	memcpy(text, file, sizeof(file));
	he = headend_load_text("test.yaml", text, strlen(text), &err);
	ck_assert_msg(he != NULL, "%s", err.text);
	memset(&engine, 0, sizeof(engine));
	engine.door = &door;
	engine.encrypted = true;
	sx = (struct sx_ecmg){ .door = &sx_door };
	ck_assert_int_eq(sx_ecmg_conf(&sx, he, &he->bridge[0], &err), 0);
	now = 1000000;
	nasks = 0;
	send_rc = 0;
	say_no_more();
	ecmg_channel_init(&chan, &engine, &chan, 0, now);
}

static void
stop(void)
{
	while (sx.nasks > 0) {	/* as ex_close() does */
		struct sx_stream *s = NULL;
		for (size_t i = 0; i < sx.n && !s; i++)
			s = sx.v[i]->nasks ? sx.v[i] : NULL;
		sx_ecmg_done(&sx, LIST_FIRST(&s->asks), &(struct ex_result){ .end = EX_CANCELLED, .reason = "" }, now);
	}
	ecmg_channel_fini(&chan);
	sx_ecmg_fini(&sx);
	headend_free(he);
}

static void
feed(struct sim_writer *w)
{
	const size_t n = sim_end(w, NULL);

	ck_assert_uint_gt(n, 0);
	ecmg_channel_feed(&chan, w->buf, n, now);
}

static void
set_up(uint32_t super_cas_id)
{
	static uint8_t buf[256];
	struct sim_writer w;

	sim_begin(&w, &ecmg_scs, 5, ECMG_CHANNEL_SETUP, buf, sizeof(buf));
	sim_put_int(&w, ECMG_CHANNEL_ID, 7);
	sim_put_int(&w, ECMG_SUPER_CAS_ID, super_cas_id);
	feed(&w);
}

static void
stream(int id, int ecm_id)
{
	static uint8_t buf[256];
	struct sim_writer w;

	sim_begin(&w, &ecmg_scs, 5, ECMG_STREAM_SETUP, buf, sizeof(buf));
	sim_put_int(&w, ECMG_CHANNEL_ID, 7);
	sim_put_int(&w, ECMG_STREAM_ID, id);
	sim_put_int(&w, ECMG_ECM_ID, ecm_id);
	sim_put_int(&w, ECMG_NOMINAL_CP_DURATION, 100);
	feed(&w);
}

/* Keys are the CP and a letter; b: what BCAST adds. */
static void
provide(int id, uint16_t cp, size_t nkeys, char letter, bool b)
{
	static uint8_t buf[1024];
	struct sim_writer w;

	sim_begin(&w, &ecmg_scs, 5, ECMG_CW_PROVISION, buf, sizeof(buf));
	sim_put_int(&w, ECMG_CHANNEL_ID, 7);
	sim_put_int(&w, ECMG_STREAM_ID, id);
	sim_put_int(&w, ECMG_CP_NUMBER, cp);
	for (size_t k = 0; k < nkeys; k++) {
		const uint16_t n = (uint16_t)(cp + k);
		const uint8_t cw[] = { (uint8_t)(n >> 8), (uint8_t)n, (uint8_t)letter, (uint8_t)n }, kid[] = { (uint8_t)(n >> 8), (uint8_t)n, 0xee, (uint8_t)n };
		sim_put_bytes(&w, ECMG_CP_CW, cw, sizeof(cw));
		if (b)
			sim_put_bytes(&w, ECMG_KEY_IDENTIFIER, kid, sizeof(kid));
	}
	if (b) {
		sim_put_int(&w, ECMG_CP_DURATION, 120);
		sim_put_bytes(&w, ECMG_TRAFFIC_PROTECTION, "\x01\x01", 2);
		sim_put_bytes(&w, ECMG_ACCESS_CRITERIA, "\xac\x01", 2);
	}
	feed(&w);
}

/* ---- the BSM ---- */

static void
done(size_t n, struct ex_result r)
{
	r.reason = r.reason ? r.reason : "";
	sx_ecmg_done(&sx, asks[n].ask, &r, now);
}

static void
answered(size_t n, int status, const char *stkm, const char *reason)
{
	struct sp4_msg m;

	sp4_init(&m, 6);
	m.status = status;
	m.reason = reason;
	if (stkm)
		m.data[m.n_data++] = (struct sp4_octets){ (const uint8_t *)stkm, strlen(stkm) };
	done(n, (struct ex_result){ .end = EX_ANSWERED, .answer = &m, .http = 200 });
}

static unsigned
delivered(const char *from, const char *service, int cp, int number, const char *stkm)
{
	const struct he_sp4_peer *peer = strcmp(from, "a") == 0 ? &he->bridge[0].peers[0] : &he->bridge[0].peers[1];
	const char *reason;
	struct sp4_msg m;

	ck_assert_str_eq(peer->name, from);
	sp4_init(&m, 7);
	m.service = service;
	m.n_stkm = cp >= 0;
	m.stkm = (struct sp4_stkm_context){ .cp = cp, .stream = number < 0 ? SP4_ABSENT : number, .profile = 0, .repetition_ms = SP4_ABSENT };
	m.data[m.n_data++] = (struct sp4_octets){ (const uint8_t *)stkm, strlen(stkm) };
	return sx_ecmg_delivery(&sx, peer, &m, now, &reason);
}

/* ---- what must hold ---- */

START_TEST(super_cas_ids_are_those_of_the_table)
{
	struct ecmg_says says = { 0 };
	char why[200];

	start();
	set_up(0x00020003);
	said("channel_error -1 0x0005 \"no BSM of this bridge has Super_CAS_id 0x00020003\"\n");
	ck_assert_int_eq(sx_ecmg_channel(&sx, 0x00010001, &says, why, sizeof(why)), 0);
	ck_assert_int_eq(says.section_TSpkt_flag, 2);
	ck_assert_int_eq(says.lead_CW * 10 + says.CW_per_msg, 12);
	ck_assert_int_eq(says.max_comp_time, 2000);
	ck_assert_int_eq(sx_ecmg_channel(&sx, 0x00020001, &says, why, sizeof(why)), 0);
	ck_assert_int_eq(says.lead_CW * 10 + says.CW_per_msg, 1);
	ck_assert_int_eq(says.max_comp_time, 500);
	he->bridge[0].peers[0].timeout_ms = 66000;	/* more than 16 bits have room for */
	ck_assert_int_eq(sx_ecmg_channel(&sx, 0x00010001, &says, why, sizeof(why)), 0);
	ck_assert_int_eq(says.max_comp_time, 65535);
	set_up(0x00020001);
	stream(1, 9);
	said("stream_error 1 0x0012 \"no service has an STKM stream with ECM_id 9 of this KMS\"\n");
	stop();
}
END_TEST

START_TEST(a_request_holds_both_keys)
{
	start();
	set_up(0x00010001);
	stream(1, 1);
	provide(1, 0xffff, 2, 'k', true);
	said("tag 5 #0 to a news cp=65535 stream=1 profile=0 rep=500 ac=ac01"
	    " {cp=65535 prot=1 auth=1 ds=120 id=eeff key=6bff} {cp=0 prot=1 auth=1 ds=120 id=ee00 key=6b00}\n");
	ck_assert_int_eq(asks[0].attempt_ms, 2000);
	ck_assert_int_eq(asks[0].give_up_us, now + 12000000);
	answered(0, 0, "STKM", NULL);
	said("ECM_response 1 cp=65535 stkm=53544b4d\n");
	stop();
}
END_TEST

START_TEST(what_the_scs_does_not_say_is_of_the_file)
{
	start();
	set_up(0x00020001);
	stream(1, 3);
	provide(1, 5, 1, 'k', false);
	said("tag 5 #0 to b sport cp=5 stream=3 profile=1 rep=500 {cp=5 prot=0 auth=1 ds=100 id=80010005 key=6b05}\n");
	ck_assert_int_eq(asks[0].attempt_ms, 1000);	/* and half a second on the way */
	stop();
}
END_TEST

START_TEST(mode_a_sends_no_key)
{
	start();
	set_up(0x00020002);
	stream(1, 4);
	provide(1, 5, 1, 'k', true);
	said("tag 5 #0 to a film cp=5 stream=4 profile=1 rep=500 ac=ac01\n");
	answered(0, 0, "S", NULL);
	said("ECM_response 1 cp=5 stkm=53\n");
	stop();
}
END_TEST

START_TEST(requests_queue_and_are_answered_in_order)
{
	start();
	set_up(0x00020001);
	stream(1, 2);
	stream(2, 3);
	provide(1, 5, 1, 'k', true);
	provide(1, 6, 1, 'k', true);
	provide(2, 5, 1, 'm', true);
	said("tag 5 #0 to b news cp=5 stream=2 profile=1 rep=500 ac=ac01 {cp=5 prot=1 auth=1 ds=120 id=ee05 key=6b05}\n"
	    "tag 5 #1 to b sport cp=5 stream=3 profile=1 rep=500 ac=ac01 {cp=5 prot=1 auth=1 ds=120 id=ee05 key=6d05}\n");
	answered(1, 0, "B", NULL);
	said("ECM_response 2 cp=5 stkm=42\n");
	answered(0, 0, "A", NULL);
	said("ECM_response 1 cp=5 stkm=41\ntag 5 #2 to b news cp=6 stream=2 profile=1 rep=500 ac=ac01 {cp=6 prot=1 auth=1 ds=120 id=ee06 key=6b06}\n");
	answered(2, 0, "C", NULL);
	said("ECM_response 1 cp=6 stkm=43\n");
	stop();
}
END_TEST

START_TEST(the_same_again_is_the_same_and_asks_nobody)
{
	start();
	set_up(0x00020001);
	stream(1, 2);
	provide(1, 5, 1, 'k', true);
	answered(0, 0, "A", NULL);
	say_no_more();
	provide(1, 5, 1, 'k', true);
	said("ECM_response 1 cp=5 stkm=41\n");
	provide(1, 5, 1, 'l', true);	/* another key */
	ck_assert_uint_eq(nasks, 2);
	answered(1, 0, "B", NULL);
	say_no_more();
	provide(1, 5, 1, 'l', true);
	said("ECM_response 1 cp=5 stkm=42\n");
	stop();
}
END_TEST

/* Status of 11.4 with its Reason; HTTP as of the table. */
START_TEST(errors_go_by_the_table)
{
	static const struct { struct ex_result r; const char *want; } rows[] = {
		{ { .end = EX_REFUSED, .http = 400, .reason = "HTTP 400" }, "stream_error 1 0x0001 \"HTTP 400\"\n" },
		{ { .end = EX_REFUSED, .http = 403, .reason = "HTTP 403" }, "stream_error 1 0x8005 \"HTTP 403\"\n" },
		{ { .end = EX_REFUSED, .http = 401, .reason = "HTTP 401" }, "stream_error 1 0x8005 \"HTTP 401\"\n" },
		{ { .end = EX_REFUSED, .http = 500, .reason = "HTTP 500" }, "stream_error 1 0x000d \"HTTP 500\"\n" },
		{ { .end = EX_REFUSED, .http = 404, .reason = "HTTP 404" }, "stream_error 1 0x7000 \"HTTP 404\"\n" },
		{ { .end = EX_WRONG, .http = 200, .reason = "another messageID" }, "stream_error 1 0x7000 \"another messageID\"\n" },
		{ { .end = EX_SILENT, .reason = "connection refused" }, "stream_error 1 0x000d \"connection refused\"\n" },
	};

	start();
	set_up(0x00020001);
	stream(1, 2);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char want[200];
		provide(1, (uint16_t)i, 1, 'k', true);
		say_no_more();
		done(i, rows[i].r);
		snprintf(want, sizeof(want), "log stkm_refused %s\n%s", rows[i].r.reason, rows[i].want);
		said(want);
	}
	for (int s = 1; s < 256; s++) {
		char want[200];
		provide(1, 7, 1, 'k', true);
		say_no_more();
		asks[0] = asks[nasks - 1];
		nasks = 1;
		answered(0, s, NULL, "because");
		snprintf(want, sizeof(want), "stream_error 1 0x%04x \"because\"\n", 0x8000 + s);
		said(want);
	}
	stop();
}
END_TEST

START_TEST(an_answer_that_is_none)
{
	struct sp4_msg m;

	start();
	set_up(0x00020001);
	stream(1, 2);
	provide(1, 5, 1, 'k', true);
	say_no_more();
	answered(0, 0, NULL, NULL);
	said("log stkm_wrong success without an STKM\nstream_error 1 0x8018 \"success without an STKM\"\n");
	provide(1, 5, 1, 'k', true);
	say_no_more();
	sp4_init(&m, 6);
	m.status = 0;
	m.data[m.n_data++] = (struct sp4_octets){ (const uint8_t *)"S", 1 };
	m.n_stkm = 1;
	m.stkm = (struct sp4_stkm_context){ .cp = 6, .stream = SP4_ABSENT };
	done(1, (struct ex_result){ .end = EX_ANSWERED, .answer = &m });
	said("log stkm_wrong the STKM is for another crypto-period\nstream_error 1 0x8018 \"the STKM is for another crypto-period\"\n");
	stop();
}
END_TEST

/* 0x000D when max_comp_time is over, though the BSM is asked on; what comes late is there the next time; after three periods 0x7001. */
START_TEST(a_bsm_that_is_slow)
{
	start();
	set_up(0x00020001);
	stream(1, 2);
	stream(2, 3);
	provide(1, 5, 1, 'k', false);
	provide(2, 5, 1, 'k', false);
	say_no_more();
	answered(1, 0, "B", NULL);
	said("ECM_response 2 cp=5 stkm=42\n");
	ck_assert_int_eq(sx_ecmg_next(&sx), now + 500000);
	sx_ecmg_time(&sx, now += 499000);
	said("");
	sx_ecmg_time(&sx, now += 1000);
	said("log bsm_silent the BSM has not answered within max_comp_time\nstream_error 1 0x000d \"the BSM has not answered within max_comp_time\"\n");
	ck_assert_int_eq(sx_ecmg_next(&sx), INT64_MAX);
	now += 2000000;
	provide(1, 5, 1, 'k', false);	/* the SCS again: it is still being asked */
	said("");
	ck_assert_uint_eq(nasks, 2);
	answered(0, 0, "A", NULL);
	said("ECM_response 1 cp=5 stkm=41\n");
	provide(1, 6, 1, 'k', false);
	say_no_more();
	sx_ecmg_time(&sx, now += 500000);
	say_no_more();
	answered(2, 0, "C", NULL);	/* late */
	said("");
	provide(1, 6, 1, 'k', false);
	said("ECM_response 1 cp=6 stkm=43\n");
	stop();
}
END_TEST

/* CP_duration 0 is no reason to give the BSM up at its first delay. */
START_TEST(a_period_that_takes_no_time)
{
	static const uint8_t cw[] = { 0, 5, 'k', 5 };
	static uint8_t buf[256];
	struct sim_writer w;

	start();
	set_up(0x00020001);
	stream(1, 2);
	sim_begin(&w, &ecmg_scs, 5, ECMG_CW_PROVISION, buf, sizeof(buf));
	sim_put_int(&w, ECMG_CHANNEL_ID, 7);
	sim_put_int(&w, ECMG_STREAM_ID, 1);
	sim_put_int(&w, ECMG_CP_NUMBER, 5);
	sim_put_bytes(&w, ECMG_CP_CW, cw, sizeof(cw));
	sim_put_int(&w, ECMG_CP_DURATION, 0);
	feed(&w);
	ck_assert_uint_eq(nasks, 1);
	say_no_more();
	sx_ecmg_time(&sx, now += 500000);
	said_among("stream_error 1 0x000d");
	stop();
}
END_TEST

START_TEST(a_bsm_that_is_dead)
{
	start();
	set_up(0x00020001);
	stream(1, 2);
	stream(2, 3);
	for (uint16_t i = 0; i < 8; i++) {	/* the SCS prolongs, and asks again and again */
		provide(1, 5, 1, 'k', false);
		say_no_more();
		sx_ecmg_time(&sx, now += 500000);
		said_among(i < 6 ? "stream_error 1 0x000d" : "stream_error 1 0x7001");
		now += 4500000;
		if (i % 2)	/* the period is over: the exchange has been given up */
			done(i / 2, (struct ex_result){ .end = EX_SILENT });
	}
	say_no_more();
	provide(2, 5, 1, 'k', false);	/* of its own streams only those that are not answered */
	say_no_more();
	sx_ecmg_time(&sx, now += 500000);
	said_among("stream_error 2 0x000d");
	provide(1, 6, 1, 'k', false);
	say_no_more();
	answered(nasks - 1, 0, "A", NULL);
	said("ECM_response 1 cp=6 stkm=41\n");
	provide(1, 7, 1, 'k', false);	/* it is well: from the beginning */
	say_no_more();
	sx_ecmg_time(&sx, now += 500000);
	said_among("stream_error 1 0x000d");
	stop();
}
END_TEST

START_TEST(requests_without_end_are_bounded)
{
	start();
	set_up(0x00020001);
	stream(1, 2);
	for (uint16_t cp = 0; cp < 10; cp++) {
		provide(1, cp, 1, 'k', false);
		sx_ecmg_time(&sx, now += 500000);
	}
	ck_assert_uint_eq(nasks, SX_ASKS);
	said_among("has answered none of the last 4 requests");
	stop();
}
END_TEST

START_TEST(an_stkm_that_comes_unasked)
{
	start();
	set_up(0x00020001);
	stream(1, 2);
	ck_assert_uint_eq(delivered("b", "urn:simulgate:lab:none", 5, 2, "X"), BR_NO_SERVICE);
	ck_assert_uint_eq(delivered("a", "urn:simulgate:lab:sport", 5, 3, "X"), BR_NOT_ENTITLED);	/* not its service */
	ck_assert_uint_eq(delivered("b", "urn:simulgate:lab:news", -1, 2, "X"), BR_MISSING);
	ck_assert_uint_eq(delivered("b", "urn:simulgate:lab:news", 5, 9, "X"), BR_NO_SERVICE);
	ck_assert_uint_eq(delivered("b", "urn:simulgate:lab:news", 5, 2, ""), BR_WRONG_KEY);
	ck_assert_uint_eq(delivered("b", "urn:simulgate:lab:news", 5, 2, "X"), BR_OK);
	provide(1, 5, 1, 'k', false);	/* mode C: it cannot have been made with this key */
	ck_assert_uint_eq(nasks, 1);
	say_no_more();
	ck_assert_uint_eq(delivered("b", "urn:simulgate:lab:news", 5, -1, "Y"), BR_OK);	/* now it can */
	said("ECM_response 1 cp=5 stkm=59\n");
	answered(0, 19, NULL, NULL);	/* too late to matter */
	said("");
	provide(1, 5, 1, 'k', false);
	said("ECM_response 1 cp=5 stkm=59\n");
	ecmg_channel_fini(&chan);
	ecmg_channel_init(&chan, &engine, &chan, 0, now);
	set_up(0x00020002);	/* mode A: the keys are the BSM's */
	stream(1, 4);
	ck_assert_uint_eq(delivered("a", "urn:simulgate:lab:film", 65535, 4, "Z"), BR_OK);
	provide(1, 65535, 1, 'k', false);
	said("ECM_response 1 cp=65535 stkm=5a\n");
	stop();
}
END_TEST

/* Two units of a service have a stream each: an STKM that does not say which is put on none. */
START_TEST(an_stkm_for_one_of_several_streams)
{
	static const char one[] = "    stkm: [ { kms: own, ecm_id: 4, out: udp://239.255.1.3:5012 } ]\n";
	static const char two[] = "    stkm: [ { kms: own, ecm_id: 4, out: udp://239.255.1.3:5012 }, { kms: own, ecm_id: 5, out: udp://239.255.1.3:5014 } ]\n";
	char text[sizeof(file) + sizeof(two)];
	const char *at = strstr(file, one);
	struct headend *old;
	struct gw_err err = { 0 };

	start();
	ck_assert_ptr_nonnull(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - file), file, two, at + sizeof(one) - 1);
	old = he;
	he = headend_load_text("test.yaml", text, strlen(text), &err);
	ck_assert_msg(he != NULL, "%s", err.text);
	ck_assert_int_eq(sx_ecmg_conf(&sx, he, &he->bridge[0], &err), 0);
	headend_free(old);
	set_up(0x00020002);
	stream(1, 4);
	stream(2, 5);
	ck_assert_uint_eq(delivered("a", "urn:simulgate:lab:film", 7, -1, "X"), BR_MISSING);
	ck_assert_uint_eq(delivered("a", "urn:simulgate:lab:film", 7, 5, "Y"), BR_OK);
	say_no_more();
	provide(2, 7, 1, 'k', false);
	said("ECM_response 2 cp=7 stkm=59\n");
	provide(1, 7, 1, 'k', false);
	said("tag 5 #0 to a film cp=7 stream=4 profile=1 rep=500\n");
	answered(0, 0, "X", NULL);
	said("ECM_response 1 cp=7 stkm=58\n");
	stop();
}
END_TEST

START_TEST(encrypted_control_words_pass)
{
	static uint8_t buf[256];
	struct sim_writer w;

	start();
	set_up(0x00020001);
	stream(1, 2);
	sim_begin(&w, &ecmg_scs, 5, ECMG_CW_PROVISION, buf, sizeof(buf));
	sim_put_int(&w, ECMG_CHANNEL_ID, 7);
	sim_put_int(&w, ECMG_STREAM_ID, 1);
	sim_put_int(&w, ECMG_CP_NUMBER, 5);
	sim_put_bytes(&w, ECMG_CP_CW, "\x00\x05\x11\x22", 4);
	sim_put_bytes(&w, ECMG_CW_ENCRYPTION, "\x01\x02\x03", 3);
	feed(&w);
	said("tag 5 #0 to b news cp=5 stream=2 profile=1 rep=500 {cp=5 prot=1 auth=1 ds=100 id=0005 key=1122 enc=010203}\n");
	stop();
}
END_TEST

/* A duplicate that waits behind a request that fails is asked anew: nobody waits for an exchange that is over. */
START_TEST(a_duplicate_behind_a_failure)
{
	start();
	set_up(0x00020001);
	stream(1, 2);
	provide(1, 5, 1, 'k', false);
	provide(1, 5, 1, 'k', false);
	done(0, (struct ex_result){ .end = EX_REFUSED, .http = 503 });
	ck_assert_uint_eq(nasks, 2);
	answered(1, 0, "A", NULL);
	said_among("ECM_response 1 cp=5 stkm=41\n");
	ck_assert_uint_eq(chan.pending, 0);
	send_rc = -1;
	provide(1, 6, 1, 'k', false);
	said_among("stream_error 1 0x7000 \"told to fail\"\n");
	ck_assert_uint_eq(sx.nasks, 0);
	stop();
}
END_TEST

START_TEST(the_gate_holds_an_stkm_back)
{
	start();
	set_up(0x00020001);
	stream(1, 2);
	provide(1, 5, 1, 'k', false);
	say_no_more();
	gate = false;
	answered(0, 0, "A", NULL);
	said("stream_error 1 0x8013 \"not all have the SEAK\"\n");
	provide(1, 5, 1, 'k', false);
	said("stream_error 1 0x8013 \"not all have the SEAK\"\n");
	gate = true;
	provide(1, 5, 1, 'k', false);
	said("ECM_response 1 cp=5 stkm=41\n");
	ck_assert_uint_eq(nasks, 1);
	stop();
}
END_TEST

START_TEST(another_file)
{
	char text[sizeof(file)], *sport;
	struct headend *old = NULL;
	struct gw_err err = { 0 };

	start();
	set_up(0x00020001);
	stream(1, 2);
	stream(2, 3);
	provide(1, 5, 1, 'k', false);
	provide(2, 5, 1, 'k', false);
	memcpy(text, file, sizeof(file));
	sport = strstr(text, "ecm_id: 3");
	memcpy(sport, "ecm_id: 8", 9);
	old = he;
	he = headend_load_text("test.yaml", text, strlen(text), &err);
	ck_assert_msg(he != NULL, "%s", err.text);
	ck_assert_int_eq(sx_ecmg_conf(&sx, he, &he->bridge[0], &err), 0);
	headend_free(old);
	say_no_more();
	answered(1, 0, "B", NULL);	/* its stream is not in the file any more */
	answered(0, 0, "A", NULL);
	said("ECM_response 2 cp=5 stkm=42\nECM_response 1 cp=5 stkm=41\n");
	provide(2, 6, 1, 'k', false);
	said("stream_error 2 0x0012 \"no service has this stream any more\"\n");
	stop();
}
END_TEST

SUITE("bridge_sx_ecmg", tcase_add_test(t, super_cas_ids_are_those_of_the_table); tcase_add_test(t, a_request_holds_both_keys);
    tcase_add_test(t, what_the_scs_does_not_say_is_of_the_file); tcase_add_test(t, mode_a_sends_no_key);
    tcase_add_test(t, requests_queue_and_are_answered_in_order); tcase_add_test(t, the_same_again_is_the_same_and_asks_nobody);
    tcase_add_test(t, errors_go_by_the_table); tcase_add_test(t, an_answer_that_is_none); tcase_add_test(t, a_bsm_that_is_slow);
    tcase_add_test(t, a_period_that_takes_no_time); tcase_add_test(t, a_bsm_that_is_dead); tcase_add_test(t, requests_without_end_are_bounded); tcase_add_test(t, an_stkm_that_comes_unasked);
    tcase_add_test(t, an_stkm_for_one_of_several_streams); tcase_add_test(t, encrypted_control_words_pass); tcase_add_test(t, a_duplicate_behind_a_failure); tcase_add_test(t, the_gate_holds_an_stkm_back);
    tcase_add_test(t, another_file))
