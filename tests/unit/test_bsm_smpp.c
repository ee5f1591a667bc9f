/* tests/unit/test_bsm_smpp.c: the link to an SMSC with a clock of ours: every status, every loss, days of it */
#include <string.h>
#include "bsm/smpp.h"
#include "proto/smpp.h"
#include "tests/unit/mikey_vectors.h"

enum { MS = 1000, S = 1000 * 1000 };
static struct rig {
	struct smsc *smsc;
	struct sms_counts counts;
	int64_t now, next;
	struct smpp pdu[64]; uint8_t octets[64][SMPP_MAX]; size_t n;	/* what it sent since the last look */
	int64_t id[2000]; bool sent[2000]; size_t told;
	uint32_t sequence;
} r;

static void
on_done(void *self, int64_t id, bool sent)
{
	ck_assert_ptr_eq(self, &r);
	r.id[r.told] = id;
	r.sent[r.told++] = sent;
}

static void
start(bool data_sm, uint32_t per_second)
{
	struct gw_err err = { 0 };
	struct smsc_conf c = { .system_id = "bsm", .password = "secret", .source = "4000", .data_sm = data_sm, .per_second = per_second, .done = on_done,
		.self = &r, .counts = &r.counts };

	memset(&r, 0, sizeof(r));
	r.now = 1000 * (int64_t)S;
	r.smsc = smsc_new(&c, &err);
	ck_assert_msg(r.smsc != NULL, "%s", err.text);
}

/* What it has to say, PDU by PDU. */
static void
look(void)
{
	size_t len;
	const uint8_t *p = smsc_out(r.smsc, &len);
	int n;

	for (r.n = 0; len; r.n++) {
		ck_assert_uint_lt(r.n, 64);
		n = smpp_frame(p, len);
		ck_assert_int_gt(n, 0);
		memcpy(r.octets[r.n], p, (size_t)n);
		ck_assert_int_eq(smpp_decode(r.octets[r.n], (size_t)n, &r.pdu[r.n], NULL), 0);
		smsc_written(r.smsc, (size_t)n);
		p = smsc_out(r.smsc, &len);
	}
}

static void
at(int64_t now)
{
	r.now = now;
	r.next = smsc_tick(r.smsc, now);
	look();
}

static void in(int64_t us) { at(r.now + us); }

static void
say(uint32_t id, uint32_t status, uint32_t sequence)
{
	uint8_t out[200];
	struct smpp p = { .id = id, .status = status, .sequence = sequence, .message_id = smpp_text("m") };
	size_t n = smpp_encode(&p, out, sizeof(out));

	ck_assert_uint_gt(n, 0);
	smsc_heard(r.smsc, out, n, r.now);
	r.next = smsc_tick(r.smsc, r.now);
	look();
}

static void
bound(void)
{
	at(r.now);
	ck_assert_int_eq(smsc_want(r.smsc), SMSC_CONNECT);
	ck_assert_int_eq(smsc_want(r.smsc), SMSC_NOTHING);
	smsc_up(r.smsc, r.now);
	look();
	ck_assert_uint_eq(r.n, 1);
	ck_assert_uint_eq(r.pdu[0].id, SMPP_BIND_TRANSMITTER);
	say(SMPP_BIND_TRANSMITTER | SMPP_RESP, 0, r.pdu[0].sequence);
	ck_assert_int_eq(smsc_state(r.smsc), SMSC_BOUND);
}

static void
put(int64_t id, size_t len)
{
	struct sms_message m = { .id = id, .msisdn = "491701234567", .ref = 0x5a, .len = len };

	memset(m.pdu, (int)id, len);
	ck_assert(smsc_put(r.smsc, &m, r.now));
}

static void done(void) { smsc_free(r.smsc); }

START_TEST(bind_and_submit_are_as_the_vectors)	/* _i: data_sm */
{
	json_t *v = vector(_i ? "V23_smpp_data_sm" : "V22_smpp_submit_sm");
	uint8_t want[400];
	struct sms_message m = { .id = 1, .msisdn = "491701234567", .ref = 0x5a };
	size_t n;

	start(_i, 0);
	m.len = hex_of(vector("V20_wsp_push"), "pdu", m.pdu, sizeof(m.pdu));
	ck_assert(smsc_put(r.smsc, &m, r.now));
	at(r.now);
	ck_assert_int_eq(smsc_want(r.smsc), SMSC_CONNECT);
	smsc_up(r.smsc, r.now);
	look();
	n = hex_of(vector("V22_smpp_submit_sm"), "bind_transmitter", want, sizeof(want));
	ck_assert_mem_eq(r.octets[0], want, n);
	say(SMPP_BIND_TRANSMITTER | SMPP_RESP, 0, 1);
	ck_assert_uint_eq(r.n, _i ? 1 : 2);
	for (size_t i = 0; i < r.n; i++) {
		n = _i ? hex_of(v, "pdu", want, sizeof(want)) :
		    unhex(json_string_value(json_array_get(json_object_get(v, "pdus"), i)), want, sizeof(want));
		want[15] = (uint8_t)r.pdu[i].sequence;
		ck_assert_mem_eq(r.octets[i], want, n);
	}
	ck_assert_uint_eq(r.told, 0);
	uint32_t first = r.pdu[0].sequence;
	for (uint32_t i = _i ? 1 : 2; i-- > 0;)
		say((_i ? SMPP_DATA_SM : SMPP_SUBMIT_SM) | SMPP_RESP, 0, first + i);
	ck_assert_uint_eq(r.told, 1);
	ck_assert(r.sent[0] && r.id[0] == 1);
	ck_assert_uint_eq(smsc_waiting(r.smsc), 0);
	done();
}
END_TEST

START_TEST(no_more_than_the_window_is_unanswered)
{
	start(false, 0);
	bound();
	for (int i = 0; i < 30; i++)
		put(i, 100);
	in(MS);
	ck_assert_uint_eq(r.n, SMSC_WINDOW);
	for (uint32_t i = 0, first = r.pdu[0].sequence; i < 30; i++) {
		say(SMPP_SUBMIT_SM | SMPP_RESP, 0, first + i);
		ck_assert_uint_eq(r.n, i < 20 ? 1 : 0);
	}
	ck_assert_uint_eq(r.told, 30);
	for (size_t i = 0; i < 30; i++)
		ck_assert_int_eq(r.id[i], (int64_t)i);	/* in order */
	done();
}
END_TEST

START_TEST(the_rate_is_kept)
{
	size_t n = 0;

	start(false, 10);
	bound();
	for (int i = 0; i < 50; i++)
		put(i, 100);
	for (int ms = 1; ms <= 2000; ms++) {
		in(MS);
		n += r.n;
		for (size_t i = 0, k = r.n; i < k; i++)
			say(SMPP_SUBMIT_SM | SMPP_RESP, 0, r.pdu[i].sequence);
	}
	ck_assert_uint_ge(n, 20);
	ck_assert_uint_le(n, 21);
	done();
}
END_TEST

/* 1, 2, 4 … 60 s for one message; others pass. */
START_TEST(a_full_queue_is_waited_for)
{
	static const int waits[] = { 1, 2, 4, 8, 16, 32, 60, 60 };

	start(false, 0);
	bound();
	put(1, 100);
	in(MS);
	ck_assert_uint_eq(r.n, 1);
	for (size_t i = 0; i < 8; i++) {
		say(SMPP_SUBMIT_SM | SMPP_RESP, SMPP_QUEUE_FULL, r.pdu[0].sequence);
		ck_assert_uint_eq(r.n, 0);
		for (int s = 1; s < waits[i]; s++) {
			in(S);
			ck_assert_uint_eq(r.n, 0);
			say(SMPP_ENQUIRE_LINK, 0, 5);	/* the SMSC is heard of */
		}
		if (i == 3) {	/* another one is not held up */
			put(2, 100);
			in(MS);
			ck_assert_uint_eq(r.n, 1);
			say(SMPP_SUBMIT_SM | SMPP_RESP, 0, r.pdu[0].sequence);
			ck_assert_uint_eq(r.told, 1);
			ck_assert_int_eq(r.id[0], 2);
		}
		in(S - (i == 3 ? MS : 0));
		ck_assert_msg(r.n == 1 && r.pdu[0].id == SMPP_SUBMIT_SM, "after %d s", waits[i]);
	}
	say(SMPP_SUBMIT_SM | SMPP_RESP, 0, r.pdu[0].sequence);
	ck_assert(r.told == 2 && r.id[1] == 1 && r.sent[1]);
	ck_assert_uint_eq(r.counts.retries, 8);
	done();
}
END_TEST

/* It stands for the whole link; the answers to what was in flight are one offence. */
START_TEST(throttling_slows_all)
{
	start(false, 0);
	bound();
	for (int i = 0; i < 4; i++)
		put(i, 100);
	in(MS);
	ck_assert_uint_eq(r.n, 4);
	for (uint32_t i = 0, first = r.pdu[0].sequence; i < 4; i++)
		say(SMPP_SUBMIT_SM | SMPP_RESP, SMPP_THROTTLED, first + i);
	put(9, 100);
	in(999 * MS);
	ck_assert_uint_eq(r.n, 0);
	in(MS);
	ck_assert_uint_eq(r.n, 5);
	uint32_t first = r.pdu[0].sequence;
	say(SMPP_SUBMIT_SM | SMPP_RESP, SMPP_THROTTLED, first);
	ck_assert_uint_eq(r.n, 0);
	for (uint32_t i = 1; i < 5; i++)
		say(SMPP_SUBMIT_SM | SMPP_RESP, SMPP_THROTTLED, first + i);
	in(1999 * MS);
	ck_assert_uint_eq(r.n, 0);
	in(MS);
	ck_assert_uint_eq(r.n, 5);
	done();
}
END_TEST

static const struct { uint32_t status; bool nack; } refusals[] = { { 0x0b, false }, { 0x45, false }, { 0x65, false }, { 0xfe, false }, { 0x400, false },
	{ SMPP_BAD_COMMAND, true }, { 0, true } };

START_TEST(others_refuse_for_good)	/* _i: of the table */
{
	start(false, 0);
	bound();
	put(1, 165);	/* two parts: one is taken, one refused */
	in(MS);
	ck_assert_uint_eq(r.n, 2);
	uint32_t first = r.pdu[0].sequence;
	say(refusals[_i].nack ? SMPP_NACK : SMPP_SUBMIT_SM | SMPP_RESP, refusals[_i].status, first);
	ck_assert_uint_eq(r.told, 0);
	say(SMPP_SUBMIT_SM | SMPP_RESP, 0, first + 1);
	ck_assert(r.told == 1 && !r.sent[0]);
	ck_assert_uint_eq(smsc_waiting(r.smsc), 0);
	ck_assert_int_eq(smsc_state(r.smsc), SMSC_BOUND);
	in(3600 * (int64_t)S / 200);
	ck_assert_uint_eq(r.told, 1);
	done();
}
END_TEST

/* Everything unanswered is sent again over the next link, which is sought after 1, 2, 4 … 60 s. */
START_TEST(a_lost_link_is_sought_again)
{
	static const int waits[] = { 1, 2, 4, 8, 16, 32, 60, 60 };

	start(false, 0);
	bound();
	put(1, 165);
	in(MS);
	ck_assert_uint_eq(r.n, 2);
	say(SMPP_SUBMIT_SM | SMPP_RESP, 0, r.pdu[0].sequence);
	smsc_lost(r.smsc, "connection reset by peer", r.now);
	for (size_t i = 0; i < 8; i++) {
		ck_assert_int_eq(smsc_state(r.smsc), SMSC_WAITING);
		in(waits[i] * (int64_t)S - MS);
		ck_assert_int_eq(smsc_want(r.smsc), SMSC_NOTHING);
		in(MS);
		ck_assert_int_eq(smsc_want(r.smsc), SMSC_CONNECT);
		smsc_lost(r.smsc, "connection refused", r.now);
	}
	in(60 * (int64_t)S);
	bound();
	ck_assert_uint_eq(r.n, 1);	/* the part that was not answered, no other */
	ck_assert_uint_eq(r.pdu[0].message.p[11], 2);
	say(SMPP_SUBMIT_SM | SMPP_RESP, 0, r.pdu[0].sequence);
	ck_assert(r.told == 1 && r.sent[0]);
	ck_assert_uint_eq(r.counts.links, 2);
	ck_assert_uint_eq(r.counts.link_failures, 9);
	done();
}
END_TEST

START_TEST(a_refused_bind_is_tried_again)
{
	start(false, 0);
	at(r.now);
	ck_assert_int_eq(smsc_want(r.smsc), SMSC_CONNECT);
	smsc_up(r.smsc, r.now);
	look();
	say(SMPP_BIND_TRANSMITTER | SMPP_RESP, SMPP_BIND_FAILED, r.pdu[0].sequence);
	ck_assert_int_eq(smsc_state(r.smsc), SMSC_WAITING);
	ck_assert_int_eq(smsc_want(r.smsc), SMSC_CLOSE);
	in(S);
	bound();
	done();
}
END_TEST

START_TEST(the_link_is_kept_alive)
{
	start(false, 0);
	bound();
	say(SMPP_ENQUIRE_LINK, 0, 77);
	ck_assert(r.n == 1 && r.pdu[0].id == (SMPP_ENQUIRE_LINK | SMPP_RESP) && r.pdu[0].sequence == 77);
	ck_assert_int_eq(r.next, r.now + SMSC_SILENCE_US);
	at(r.next);
	ck_assert(r.n == 1 && r.pdu[0].id == SMPP_ENQUIRE_LINK);
	say(SMPP_ENQUIRE_LINK | SMPP_RESP, 0, r.pdu[0].sequence);
	at(r.next);
	ck_assert(r.n == 1 && r.pdu[0].id == SMPP_ENQUIRE_LINK);
	ck_assert_int_eq(r.next, r.now + SMSC_ALIVE_US);
	at(r.next);
	ck_assert_int_eq(smsc_state(r.smsc), SMSC_WAITING);
	ck_assert_int_eq(smsc_want(r.smsc), SMSC_CLOSE);
	done();
}
END_TEST

START_TEST(an_answer_that_never_comes_ends_the_link)
{
	start(false, 0);
	bound();
	put(1, 100);
	in(MS);
	for (int i = 0; i < 29; i++) {
		in(S);
		say(SMPP_ENQUIRE_LINK, 0, 5);	/* it is alive, and does not answer */
	}
	ck_assert_int_eq(smsc_state(r.smsc), SMSC_BOUND);
	in(S);
	ck_assert_int_eq(smsc_state(r.smsc), SMSC_WAITING);
	ck_assert_int_eq(smsc_want(r.smsc), SMSC_CLOSE);
	in(S);
	bound();
	ck_assert_uint_eq(r.n, 1);
	done();
}
END_TEST

START_TEST(connections_and_binds_have_their_time)
{
	start(false, 0);
	at(r.now);
	ck_assert_int_eq(smsc_want(r.smsc), SMSC_CONNECT);
	in(SMSC_CONNECT_US);
	ck_assert_int_eq(smsc_want(r.smsc), SMSC_CLOSE);
	in(S);
	ck_assert_int_eq(smsc_want(r.smsc), SMSC_CONNECT);
	smsc_up(r.smsc, r.now);
	look();
	in(SMSC_ANSWER_US);
	ck_assert_int_eq(smsc_want(r.smsc), SMSC_CLOSE);
	ck_assert_int_eq(smsc_state(r.smsc), SMSC_WAITING);
	done();
}
END_TEST

START_TEST(what_is_put_off_for_a_day_is_refused)
{
	start(false, 0);
	bound();
	put(1, 100);
	for (int64_t s = 0; s < 90000 && !r.told; s++) {
		in(S);
		for (size_t i = 0, k = r.n; i < k; i++) {
			struct smpp p = r.pdu[i];
			if (p.id == SMPP_SUBMIT_SM)
				say(SMPP_SUBMIT_SM | SMPP_RESP, SMPP_LATER, p.sequence);
			else
				say(SMPP_ENQUIRE_LINK | SMPP_RESP, 0, p.sequence);
		}
	}
	ck_assert(r.told == 1 && !r.sent[0]);
	ck_assert_uint_ge(r.counts.retries, 1400);
	done();
}
END_TEST

START_TEST(it_unbinds_at_the_end)	/* _i: the SMSC answers, or does not */
{
	start(false, 0);
	bound();
	smsc_stop(r.smsc, r.now);
	look();
	ck_assert(r.n == 1 && r.pdu[0].id == SMPP_UNBIND);
	if (_i)
		say(SMPP_UNBIND | SMPP_RESP, 0, r.pdu[0].sequence);
	else
		in(SMSC_UNBIND_US);
	ck_assert_int_eq(smsc_state(r.smsc), SMSC_OVER);
	ck_assert_int_eq(smsc_want(r.smsc), SMSC_CLOSE);
	in(3600 * (int64_t)S);
	ck_assert_int_eq(r.next, INT64_MAX);
	done();
}
END_TEST

START_TEST(an_smsc_that_unbinds_is_sought_again)
{
	start(false, 0);
	bound();
	put(1, 100);
	in(MS);
	say(SMPP_UNBIND, 0, 3);
	ck_assert(r.n == 1 && r.pdu[0].id == (SMPP_UNBIND | SMPP_RESP) && r.pdu[0].sequence == 3);
	ck_assert_int_eq(smsc_want(r.smsc), SMSC_CLOSE);
	in(S);
	bound();
	ck_assert_uint_eq(r.n, 1);
	done();
}
END_TEST

START_TEST(one_that_forgot_us_is_bound_anew)
{
	start(false, 0);
	bound();
	put(1, 100);
	in(MS);
	say(SMPP_SUBMIT_SM | SMPP_RESP, SMPP_BAD_STATE, r.pdu[0].sequence);
	ck_assert_int_eq(smsc_want(r.smsc), SMSC_CLOSE);
	in(S);
	bound();
	ck_assert(r.n == 1 && r.pdu[0].id == SMPP_SUBMIT_SM);
	done();
}
END_TEST

static void
hear(const char *hex)
{
	uint8_t octets[300];
	size_t n = unhex(hex, octets, sizeof(octets));

	for (size_t i = 0; i < n; i++)	/* octet by octet */
		smsc_heard(r.smsc, octets + i, 1, r.now);
	r.next = smsc_tick(r.smsc, r.now);
	look();
}

START_TEST(what_is_out_of_place_is_counted)
{
	start(false, 0);
	bound();
	hear("00000010 00000099 00000000 00000007");	/* a command that nobody knows */
	ck_assert(r.n == 1 && r.pdu[0].id == SMPP_NACK && r.pdu[0].status == SMPP_BAD_COMMAND && r.pdu[0].sequence == 7);
	hear("00000012 80000004 00000000 00000063 6100");	/* an answer to what was not asked */
	ck_assert_uint_eq(r.n, 0);
	hear("00000011 00000015 00000000 00000008 00");
	ck_assert(r.n == 1 && r.pdu[0].id == SMPP_NACK && r.pdu[0].status == SMPP_BAD_LENGTH);
	hear("00000010 80000002 00000000 00000001");	/* bound again */
	ck_assert_int_eq(smsc_state(r.smsc), SMSC_BOUND);
	ck_assert_uint_eq(r.counts.malformed, 4);
	put(1, 100);
	in(MS);
	uint8_t bad[] = { 0, 0, 0, 18, 0x80, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, (uint8_t)r.pdu[0].sequence, 'a', 'b' };
	smsc_heard(r.smsc, bad, sizeof(bad), r.now);	/* malformed; but its status says that it was taken */
	ck_assert(r.told == 1 && r.sent[0]);
	hear("0000000f 00000015");
	ck_assert(r.n == 1 && r.pdu[0].id == SMPP_NACK);
	ck_assert_int_eq(smsc_want(r.smsc), SMSC_CLOSE);
	done();
}
END_TEST

/* Requests without end, whose answers nobody reads. */
START_TEST(a_flood_is_bounded)
{
	uint8_t ask[16] = { 0, 0, 0, 16, 0, 0, 0, 0x15 };
	size_t len;

	start(false, 0);
	bound();
	for (int i = 0; i < 2000; i++)
		smsc_heard(r.smsc, ask, sizeof(ask), r.now);
	ck_assert_int_eq(smsc_state(r.smsc), SMSC_WAITING);
	smsc_out(r.smsc, &len);
	ck_assert_uint_le(len, 4096);
	smsc_lost(r.smsc, "closed", r.now);
	in(S);
	bound();
	done();
}
END_TEST

START_TEST(what_waits_is_bounded)
{
	struct sms_message m = { .id = 1, .msisdn = "4916", .len = 100 };

	start(false, 0);
	for (int i = 0; i < SMS_QUEUE; i++)
		put(i, 100);
	ck_assert(!smsc_put(r.smsc, &m, r.now));
	bound();
	in(2 * MS);
	ck_assert_uint_eq(smsc_waiting(r.smsc), SMS_QUEUE);
	done();
}
END_TEST

START_TEST(the_machine_is_reviewed_as_a_page)
{
	char page[4096];

	ck_assert_uint_lt(gw_fsm_print(&smsc_fsm, page, sizeof(page)), sizeof(page));
	vec_golden("bcast/smsc.fsm.txt", page);
}
END_TEST

SUITE("bsm_smpp", tcase_add_loop_test(t, bind_and_submit_are_as_the_vectors, 0, 2); tcase_add_test(t, no_more_than_the_window_is_unanswered);
      tcase_add_test(t, the_rate_is_kept); tcase_add_test(t, a_full_queue_is_waited_for); tcase_add_test(t, throttling_slows_all);
      tcase_add_loop_test(t, others_refuse_for_good, 0, 7); tcase_add_test(t, a_lost_link_is_sought_again);
      tcase_add_test(t, a_refused_bind_is_tried_again); tcase_add_test(t, the_link_is_kept_alive);
      tcase_add_test(t, an_answer_that_never_comes_ends_the_link); tcase_add_test(t, connections_and_binds_have_their_time);
      tcase_add_test(t, what_is_put_off_for_a_day_is_refused); tcase_add_loop_test(t, it_unbinds_at_the_end, 0, 2);
      tcase_add_test(t, an_smsc_that_unbinds_is_sought_again); tcase_add_test(t, one_that_forgot_us_is_bound_anew);
      tcase_add_test(t, what_is_out_of_place_is_counted); tcase_add_test(t, a_flood_is_bounded); tcase_add_test(t, what_waits_is_bounded);
      tcase_add_test(t, the_machine_is_reviewed_as_a_page))
