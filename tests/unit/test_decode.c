/* tests/unit/test_decode.c: the engines of simulgate-decode: reassembly against a model, recognition wherever a capture begins, masks */
#include <stdlib.h>
#include <string.h>
#include "proto/cpsig_psig.h"
#include "proto/ecmg_scs.h"
#include "proto/eis_scs.h"
#include "proto/emmg_mux.h"
#include "proto/playout.h"
#include "proto/psig_mux.h"
#include "tests/suite.h"
#include "tools/dec_ask.h"
#include "tools/dec_out.h"
#include "tools/dec_words.h"

enum { STREAM = 30000, SEGMENTS = 2000 };

static uint64_t seed;

static unsigned
draw(unsigned n)	/* 0..n-1: the same for the same test */
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* ---- reassembly ---- */

/* What came of each side: the octets, and where they lie in what was sent. */
static struct got { uint8_t p[STREAM]; size_t len, lost; unsigned gaps, ends; } got[2];
static uint8_t sent[2][STREAM];

static void
data(void *self, struct dec_conn *c, int side, const uint8_t *p, size_t len)
{
	struct got *g = &got[side];

	(void)self;
	(void)c;
	ck_assert_uint_le(g->len + g->lost + len, STREAM);
	ck_assert_mem_eq(p, sent[side] + g->len + g->lost, len);	/* in its place */
	memcpy(g->p + g->len, p, len);
	g->len += len;
}

static void
gap(void *self, struct dec_conn *c, int side, uint32_t lost)
{
	(void)self;
	(void)c;
	got[side].gaps++;
	got[side].lost += lost;
}

static void
ended(void *self, struct dec_conn *c)
{
	(void)self;
	(void)c;
	got[0].ends++;
}

static const struct dec_tcp_user user = { .data = data, .gap = gap, .end = ended };

struct planned { int side; uint32_t at; size_t len; };

static struct dec_segment
segment(int side, uint32_t isn[2], uint32_t at, size_t len, uint8_t flags)
{
	struct dec_segment s = { .ends = { .from = { 10, 0, 0, 1 }, .to = { 10, 0, 0, 2 }, .from_port = 4000, .to_port = 2000 },
		.seq = isn[side] + 1 + at, .ack = isn[1 - side] + 1, .flags = flags | DEC_ACK, .p = sent[side] + at, .len = len };

	if (side)
		s.ends = (struct ip_ends){ .from = { 10, 0, 0, 2 }, .to = { 10, 0, 0, 1 }, .from_port = 2000, .to_port = 4000 };
	return s;
}

/* Both sides' octets cut anywhere, some cut again in other places, in an order that differs from theirs by up to `far` segments. */
static size_t
plan(struct planned *out, unsigned far)
{
	size_t n = 0;
	uint32_t at[2] = { 0, 0 };

	while (n + 2 < SEGMENTS && (at[0] < STREAM || at[1] < STREAM)) {
		int side = at[0] >= STREAM ? 1 : at[1] >= STREAM ? 0 : (int)draw(2);
		uint32_t left = STREAM - at[side], most = 1 + draw(draw(8) ? 60 : 1460), len = most < left ? most : left;

		if (n + 10 > SEGMENTS - 40)	/* the rest at once */
			len = left;
		out[n++] = (struct planned){ side, at[side], len };
		at[side] += len;
		if (draw(3) == 0) {	/* sent again, from and to somewhere near */
			uint32_t from = at[side] - draw(at[side] < 500 ? at[side] : 500) - 1, more = 1 + draw(300);

			out[n++] = (struct planned){ side, from, from + more <= at[side] ? more : at[side] - from };
		}
	}
	ck_assert(at[0] == STREAM && at[1] == STREAM);
	for (size_t i = 0; far && i < n; i++) {
		size_t k = i + draw(far);
		struct planned p = out[i];

		if (k < n) {
			out[i] = out[k];
			out[k] = p;
		}
	}
	return n;
}

static void
fresh(void)
{
	memset(got, 0, sizeof(got));
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < STREAM; i++)
			sent[side][i] = (uint8_t)draw(256);
}

START_TEST(any_cut_order_and_repetition_gives_the_same_octets)	/* _i: seed */
{
	static struct planned p[SEGMENTS];
	struct dec_tcp *t = dec_tcp_new(&user);
	uint32_t isn[2];
	int64_t now = 0;
	size_t n;

	seed = (uint64_t)_i * 7919 + 1;
	fresh();
	isn[0] = _i % 3 ? draw(1 << 30) : UINT32_MAX - draw(STREAM);	/* sequence numbers wrap in every third */
	isn[1] = draw(1 << 30) * 4u;
	for (int side = 0; side < 2; side++) {
		struct dec_segment s = segment(side, isn, 0, 0, DEC_SYN);
		s.seq--;
		s.flags = side ? DEC_SYN | DEC_ACK : DEC_SYN;
		ck_assert_int_eq(dec_tcp_segment(t, &s, now), 0);
	}
	n = plan(p, (unsigned)_i % 4 * 7);
	for (size_t i = 0; i < n; i++) {
		struct dec_segment s = segment(p[i].side, isn, p[i].at, p[i].len, 0);
		ck_assert_int_eq(dec_tcp_segment(t, &s, now += draw(1000000)), 0);
	}
	for (int side = 0; side < 2; side++) {
		ck_assert_uint_eq(got[side].len, STREAM);
		ck_assert_uint_eq(got[side].gaps, 0);
	}
	ck_assert_uint_eq(dec_tcp_held(t), 0);
	dec_tcp_flush(t);
	ck_assert_uint_eq(got[0].ends, 1);
	dec_tcp_free(t);
}
END_TEST

START_TEST(what_is_missing_is_told_once_and_exactly)	/* _i: seed */
{
	static struct planned p[SEGMENTS];
	struct dec_tcp *t = dec_tcp_new(&user);
	uint32_t isn[2] = { 77, 1u << 31 };
	bool there[2][STREAM] = { { false } };
	int64_t now = 0;
	size_t n;

	seed = (uint64_t)_i * 104729 + 3;
	fresh();
	for (int side = 0; side < 2; side++) {
		struct dec_segment s = segment(side, isn, 0, 0, DEC_SYN);
		s.seq--;
		s.flags = side ? DEC_SYN | DEC_ACK : DEC_SYN;
		dec_tcp_segment(t, &s, now);
	}
	n = plan(p, 9);
	for (size_t i = 0; i < n; i++) {
		struct dec_segment s = segment(p[i].side, isn, p[i].at, p[i].len, 0);

		if (draw(20) == 0 && p[i].at + p[i].len < STREAM - 2000)
			continue;	/* the capture has not got it */
		memset(there[p[i].side] + p[i].at, true, p[i].len);
		dec_tcp_segment(t, &s, now += 1000);
	}
	dec_tcp_flush(t);
	for (int side = 0; side < 2; side++) {
		size_t missing = 0;

		for (size_t k = 0; k < STREAM; k++)
			missing += !there[side][k];
		ck_assert_uint_eq(got[side].lost, missing);	/* data() has looked at the octets */
		ck_assert_uint_eq(got[side].len, STREAM - missing);
	}
	dec_tcp_free(t);
}
END_TEST

static void nothing(void *self, struct dec_conn *c, int side, const uint8_t *p, size_t len) { (void)self; (void)c; (void)side; (void)p; (void)len; }
static void no_gap(void *self, struct dec_conn *c, int side, uint32_t lost) { (void)self; (void)c; (void)side; (void)lost; }

START_TEST(memory_is_bounded_whatever_comes)
{
	static const uint8_t junk[1400];
	struct dec_tcp_user quiet = { .data = nothing, .gap = no_gap, .end = ended };
	struct dec_tcp *t = dec_tcp_new(&quiet);

	memset(got, 0, sizeof(got));
	for (unsigned i = 0; i < 200000; i++) {	/* every second segment is missing, on ever more connections */
		struct dec_segment s = { .ends = { .from = { 10, 1 }, .to = { 10, 2 }, .from_port = 9, .to_port = (uint16_t)(i % 20000) },
			.seq = i / 20000 * 2800, .flags = DEC_ACK, .p = junk, .len = sizeof(junk) };
		ck_assert_int_eq(dec_tcp_segment(t, &s, i), 0);
		ck_assert_uint_le(dec_tcp_held(t), DEC_HELD + 2 * sizeof(junk));
	}
	ck_assert_uint_ge(got[0].ends, 20000 - DEC_CONNECTIONS);
	ck_assert_uint_ge(dec_tcp_evicted(t), 20000 - DEC_CONNECTIONS);
	dec_tcp_free(t);
}
END_TEST

START_TEST(connections_that_resemble_one_another_are_kept_apart)	/* of so many ends some fall together in the table */
{
	struct dec_tcp_user quiet = { .data = nothing, .gap = no_gap, .end = ended };
	struct dec_tcp *t = dec_tcp_new(&quiet);
	static const uint8_t junk[9];

	memset(got, 0, sizeof(got));
	for (unsigned i = 0; i < 8000; i++)
		for (unsigned k = 0; k < 3; k++) {
			uint8_t a = (uint8_t)(i >> 8), b = (uint8_t)i;
			struct dec_segment s = { .ends = { .from = { 10, a, b, 1 }, .to = { 10, a, b, 1 }, .from_port = (uint16_t)(k == 1 ? 22220 : 57594 - i % 16),
				.to_port = (uint16_t)(k == 1 ? 57594 - i % 16 : 22220) }, .flags = DEC_ACK, .seq = k, .p = junk, .len = k };
			ck_assert_int_eq(dec_tcp_segment(t, &s, k), 0);
		}
	dec_tcp_flush(t);
	ck_assert_uint_eq(got[0].ends, 8000);
	dec_tcp_free(t);
}
END_TEST

/* ---- recognition ---- */

static uint8_t wire[8192];
static size_t wire_len, begins[64], nmessages;

static void
add(uint16_t type, const uint8_t *datagram, size_t len)
{
	struct sim_writer w;

	sim_begin(&w, &ecmg_scs, 3, type, wire + wire_len, sizeof(wire) - wire_len);
	sim_put_int(&w, ECMG_CHANNEL_ID, 7);
	if (type == ECMG_CHANNEL_SETUP)
		sim_put_int(&w, ECMG_SUPER_CAS_ID, 0x4ae60001);
	else
		sim_put_int(&w, ECMG_STREAM_ID, 1);
	if (type == ECMG_CW_PROVISION || type == ECMG_ECM_RESPONSE)
		sim_put_int(&w, ECMG_CP_NUMBER, (int64_t)nmessages);
	if (type == ECMG_CW_PROVISION)
		sim_put_bytes(&w, ECMG_CP_CW, (const uint8_t[]){ 0, 5, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8 }, 10);
	if (type == ECMG_ECM_RESPONSE)
		sim_put_bytes(&w, ECMG_ECM_DATAGRAM, datagram, len);
	begins[nmessages++] = wire_len;
	wire_len += sim_end(&w, NULL);
}

static char text[1 << 18];
static size_t text_len;

static void
write_text(void *self, const char *p, size_t len)
{
	(void)self;
	ck_assert_uint_lt(text_len + len, sizeof(text));
	memcpy(text + text_len, p, len);
	text_len += len;
	text[text_len] = '\0';
}

/* What is said of wire[from..) in segments of step octets; a connection that began with it, or one joined midway. */
static const char *
decoded(enum dec_mode mode, bool secrets, size_t from, size_t step, bool midway)
{
	struct dec_out_conf conf = { .mode = mode, .secrets = secrets, .filter = { .channel = -1, .stream = -1 }, .write = write_text };
	struct dec_msg_conf any = { 0 };
	struct dec_out *o = dec_out_new(&conf);
	struct dec_msg_user sink = dec_out_sink(o);
	struct dec_msg *d = dec_msg_new(&any, &sink);
	struct dec_tcp_user stream = dec_msg_sink(d);
	struct dec_tcp *t = dec_tcp_new(&stream);
	struct dec_segment s = { .ends = { .from = { 10, 0, 0, 1 }, .to = { 10, 0, 0, 2 }, .from_port = 4000, .to_port = 2000 }, .flags = DEC_SYN, .seq = 99 };
	struct dec_counts counts = { 0 };

	text_len = 0;
	text[0] = '\0';
	dec_msg_now(d, 1, 1000);
	dec_out_begin(o, 1000);
	if (!midway)
		dec_tcp_segment(t, &s, 1000);
	s.flags = DEC_ACK;
	for (size_t at = from; at < wire_len; at += step) {
		s.seq = (uint32_t)(100 + at - from);
		s.p = wire + at;
		s.len = step < wire_len - at ? step : wire_len - at;
		dec_tcp_segment(t, &s, 1000);
	}
	dec_tcp_flush(t);
	if (mode == DEC_SUMMARY)
		dec_out_summary(o, &counts);
	dec_out_flush(o);
	dec_tcp_free(t);
	dec_msg_free(d);
	dec_out_free(o);
	return text;
}

static size_t
count(const char *in, const char *what)
{
	size_t n = 0;

	for (const char *p = in; (p = strstr(p, what)) != NULL; p += strlen(what))
		n++;
	return n;
}

static void
a_session(void)
{
	static const uint8_t ts[188] = { 0x47, 0x1f, 0xff, 0x10 };

	wire_len = nmessages = 0;
	add(ECMG_CHANNEL_SETUP, NULL, 0);
	add(ECMG_STREAM_TEST, NULL, 0);
	for (int i = 0; i < 10; i++) {
		add(ECMG_CW_PROVISION, NULL, 0);
		add(ECMG_ECM_RESPONSE, ts, sizeof(ts));
	}
}

START_TEST(wherever_a_capture_begins_every_whole_message_is_found)
{
	a_session();
	for (size_t from = 0; from < wire_len; from++) {
		size_t whole = 0;

		for (size_t k = 0; k < nmessages; k++)
			whole += begins[k] >= from;
		decoded(DEC_JSON, true, from, 1 + from % 97, true);
		ck_assert_msg(count(text, "\"event\":\"message\"") == whole, "from %zu: %zu messages, not %zu", from, count(text, "\"event\":\"message\""), whole);
		ck_assert_uint_eq(count(text, "\"fault\":null"), whole);
	}
}
END_TEST

START_TEST(other_traffic_is_left_alone)
{
	seed = 5;
	wire_len = sizeof(wire);
	for (size_t i = 0; i < wire_len; i++)
		wire[i] = (uint8_t)draw(256);
	ck_assert_str_eq(decoded(DEC_LINES, false, 0, 1000, false), "");
	ck_assert_str_eq(decoded(DEC_LINES, false, 0, 1000, true), "");
	wire_len = (size_t)snprintf((char *)wire, sizeof(wire), "GET /status HTTP/1.1\r\nHost: example.net\r\n\r\n");
	ck_assert_str_eq(decoded(DEC_LINES, false, 0, 7, false), "");
}
END_TEST

START_TEST(a_broken_message_does_not_hide_those_behind_it)
{
	a_session();
	wire[begins[4] + 3] = 0x70;	/* message_length: far beyond what is there */
	decoded(DEC_JSON, false, 0, 300, false);
	ck_assert_uint_ge(count(text, "\"event\":\"message\""), 4);
	a_session();
	wire[begins[4]] = 9;		/* neither version nor type */
	wire[begins[4] + 1] = 0x77;
	decoded(DEC_JSON, false, 0, 300, false);
	ck_assert_uint_eq(count(text, "\"event\":\"message\""), nmessages - 1);
	ck_assert_uint_eq(count(text, "\"event\":\"passed_over\""), 1);
	a_session();
	wire[begins[4]] = 9;		/* the version alone: a peer's mistake */
	decoded(DEC_JSON, false, 0, 300, false);
	ck_assert_uint_eq(count(text, "\"event\":\"message\""), nmessages);
	ck_assert_uint_eq(count(text, "unsupported protocol version"), 1);
}
END_TEST

START_TEST(control_words_are_masked)	/* _i: mode */
{
	a_session();
	wire[begins[6] + SIM_HEADER + 2] = 0xff;	/* torn from here on: what was a CW is in no parameter */
	decoded((enum dec_mode)_i, false, 0, 100, false);
	ck_assert_msg(strstr(text, "c1c2c3c4") == NULL && strstr(text, "c5c6c7c8") == NULL, "%s", text);
	if (_i == DEC_SUMMARY || _i == DEC_LADDER)
		return;
	decoded((enum dec_mode)_i, true, 0, 100, false);
	ck_assert_ptr_nonnull(strstr(text, "c1c2c3c4c5c6c7c8"));
}
END_TEST

/* ---- what is inside ---- */

static void
holds(const char *kind, const uint8_t *p, size_t len)
{
	char line[16];

	wire_len = nmessages = 0;
	add(ECMG_CHANNEL_SETUP, NULL, 0);
	add(ECMG_ECM_RESPONSE, p, len);
	snprintf(line, sizeof(line), "[%s]", kind);
	ck_assert_msg(strstr(decoded(DEC_LINES, false, 0, 1000, false), line) != NULL, "%s: %s", kind, text);
	ck_assert_ptr_nonnull(strstr(decoded(DEC_JSON, false, 0, 1000, false), "\"payload\":{\"kind\":"));
}

START_TEST(messages_of_bcast_are_known)
{
	static uint8_t p[6000];
	json_t *j = vec_json("bcast/stkm-examples.json"), *all = json_object_get(j, "examples"), *e;
	size_t i;

	json_array_foreach(all, i, e)
		holds("STKM", p, unhex(json_string_value(json_object_get(e, "stkm")), p, sizeof(p)));
	json_decref(j);
	j = vec_json("bcast/mikey-vectors.json");
	all = json_object_get(j, "vectors");
	holds("LTKM", p, unhex(json_string_value(json_object_get(json_object_get(all, "V09_ltkm_ext_bcast_min"), "message")), p, sizeof(p)));
	holds("STKM", p, unhex(json_string_value(json_object_get(json_object_get(all, "V13_stkm_srtp_ext_bcast"), "message")), p, sizeof(p)));
	holds("MIKEY", p, unhex(json_string_value(json_object_get(json_object_get(all, "V12_stkm_srtp"), "message")), p, sizeof(p)));
	json_decref(j);
	j = vec_json("bcast/bcro-vectors.json");
	json_array_foreach(json_object_get(j, "bcro"), i, e)
		holds("BCRO", p, unhex(json_string_value(json_object_get(e, "bcro")), p, sizeof(p)));
	json_decref(j);
}
END_TEST

/* ---- requests ---- */

static struct dec_request
request(uint64_t frame, int64_t stream, int64_t key)
{
	return (struct dec_request){ .frame = frame, .at_ns = (int64_t)frame * 1000, .stream = stream, .key = key, .answer = 0x0202, .side = 0 };
}

START_TEST(answers_are_told_from_one_another)
{
	struct dec_ask *a = NULL;
	struct dec_request r;

	ck_assert_int_eq(dec_ask_take(a, 0, 1, 0x0202, 1, &r), 0);
	for (uint64_t k = 0; k < 600; k++) {	/* three crypto-periods of two hundred streams at once */
		r = request(k + 1, (int64_t)(k % 200), (int64_t)(k / 200));
		dec_ask_add(&a, &r);
	}
	ck_assert_int_eq(dec_ask_take(a, 1, 7, 0x0202, 1, &r), 0);	/* of the other side */
	ck_assert_int_eq(dec_ask_take(a, 0, 7, 0x0104, 1, &r), 0);	/* no answer to it */
	ck_assert_int_eq(dec_ask_take(a, 0, 7, 0x0202, 3, &r), 0);	/* of no period that was asked for */
	ck_assert_int_eq(dec_ask_take(a, 0, 7, 0x0202, 1, &r), 1);
	ck_assert_uint_eq(r.frame, 208);
	ck_assert_int_eq(dec_ask_take(a, 0, 7, 0x0202, 1, &r), 0);	/* it has its answer */
	ck_assert_int_eq(dec_ask_take(a, 0, 7, 0, -1, &r), 1);	/* a refusal: the oldest */
	ck_assert_uint_eq(r.frame, 8);
	ck_assert_int_eq(dec_ask_take(a, 0, 7, 0, -1, &r), 1);
	ck_assert_uint_eq(r.frame, 408);
	ck_assert_int_eq(dec_ask_take(a, 0, 7, 0, -1, &r), 0);
	dec_ask_free(a);
}
END_TEST

/* Against a list that is searched from its beginning: while fewer than half of DEC_ASKED wait, nothing is forgotten. */
START_TEST(requests_are_found_as_in_a_list)
{
	static struct dec_request list[DEC_ASKED];
	struct dec_ask *a = NULL;
	size_t n = 0, held = 0;

	seed = 11;
	for (uint64_t frame = 1; frame < 200000; frame++) {
		int64_t stream = (int64_t)draw(40) - 1, key = draw(4);
		struct dec_request r = request(frame, stream, key), got_r;
		size_t k = 0;

		if (n < DEC_ASKED / 2 - 1 && draw(frame / 20000 % 2 ? 3 : 2) == 0) {
			list[n++] = r;
			held += dec_ask_add(&a, &r);
			continue;
		}
		while (k < n && (list[k].stream != stream || list[k].key != key))
			k++;
		ck_assert_int_eq(dec_ask_take(a, 0, stream, 0x0202, key, &got_r), k < n);
		if (k == n)
			continue;
		ck_assert_uint_eq(got_r.frame, list[k].frame);
		memmove(&list[k], &list[k + 1], (--n - k) * sizeof(list[0]));
	}
	ck_assert_uint_le(held, DEC_ASKED * 80);
	for (uint64_t frame = 1; frame < 100000; frame++) {	/* nobody answers */
		struct dec_request r = request(frame, (int64_t)frame % 7, 0);

		held += dec_ask_add(&a, &r);
	}
	ck_assert_uint_le(held, DEC_ASKED * 80);
	dec_ask_free(a);
}
END_TEST

/* One that has ended gives way before one that is open, and what comes late of it is known as sent again. */
START_TEST(connections_that_ended_give_way_first)
{
	struct dec_tcp *t = dec_tcp_new(&user);
	uint32_t isn[2] = { 1000, 2000 };
	struct dec_segment quiet = segment(0, isn, 0, 100, DEC_ACK);

	fresh();
	quiet.ends.from[2] = 77;
	dec_tcp_segment(t, &quiet, 0);
	for (uint32_t k = 0; k < 3 * DEC_CONNECTIONS; k++) {
		struct dec_segment s = segment(0, isn, 0, 0, DEC_RST);

		memcpy(s.ends.from, &k, 4);
		s.ends.from[3] = 1;
		dec_tcp_segment(t, &s, 1);
		dec_tcp_segment(t, &s, 2);
	}
	ck_assert_uint_eq(dec_tcp_evicted(t), 0);
	quiet = segment(0, isn, 0, 150, DEC_ACK);	/* the half of it that is new */
	quiet.ends.from[2] = 77;
	dec_tcp_segment(t, &quiet, 3);
	ck_assert_uint_eq(got[0].len, 150);
	dec_tcp_flush(t);
	dec_tcp_free(t);
}
END_TEST

/* ---- words ---- */

START_TEST(every_parameter_has_a_meaning_and_every_message_a_clause)	/* _i: interface */
{
	static const struct sim_iface *const ifaces[] = { &ecmg_scs, &emmg_mux, &eis_scs, &psig_mux, &cpsig_psig, &playout };
	const struct sim_iface *iface = ifaces[_i];
	char clause[64];

	for (size_t k = 0; k < iface->nparams; k++) {
		const char *meaning = dec_meaning(iface, iface->params[k].type);

		ck_assert_msg(meaning && *meaning, "%s: %s", iface->name, iface->params[k].name);
		ck_assert_msg(*dec_clause_param(iface, iface->params[k].type), "%s: %s", iface->name, iface->params[k].name);
	}
	for (size_t k = 0; k < iface->nmessages; k++)
		ck_assert_msg(*dec_clause_message(iface, iface->messages[k].type, clause, sizeof(clause)), "%s", iface->messages[k].name);
}
END_TEST

SUITE("decode", tcase_set_timeout(t, 120);
      tcase_add_loop_test(t, every_parameter_has_a_meaning_and_every_message_a_clause, 0, 6);
      tcase_add_test(t, answers_are_told_from_one_another);
      tcase_add_test(t, requests_are_found_as_in_a_list);
      tcase_add_test(t, connections_that_ended_give_way_first);
      tcase_add_loop_test(t, any_cut_order_and_repetition_gives_the_same_octets, 0, 60);
      tcase_add_loop_test(t, what_is_missing_is_told_once_and_exactly, 0, 40);
      tcase_add_test(t, memory_is_bounded_whatever_comes);
      tcase_add_test(t, connections_that_resemble_one_another_are_kept_apart);
      tcase_add_test(t, wherever_a_capture_begins_every_whole_message_is_found);
      tcase_add_test(t, other_traffic_is_left_alone);
      tcase_add_test(t, a_broken_message_does_not_hide_those_behind_it);
      tcase_add_loop_test(t, control_words_are_masked, 0, DEC_SUMMARY + 1);
      tcase_add_test(t, messages_of_bcast_are_known))
