/* tests/unit/test_load.c: the messages that simulgate load sends are those of the tables, in every version; its misdeeds are what they say */
#include <string.h>
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"
#include "tests/suite.h"
#include "tools/load.h"

static struct sim_msg m;
static struct sim_fault why;
static uint8_t out[LOAD_FRAME];

static struct load_conf
conf_of(enum load_side side, uint8_t version)
{
	return (struct load_conf){ .side = side, .version = version, .cw_len = version == 1 ? 8 : 16, .client_id = 0x4ae60001, .super_cas_id = 0x4ae60001,
		.size = 184, .cp_100ms = 100, .cw_per_msg = 1 };
}

static void
is_strict(const struct load_conf *c, const uint8_t *p, size_t len)
{
	ck_assert_uint_eq(sim_frame_length(p, len), len);
	ck_assert_msg(sim_decode_as(load_iface(c->side), SIM_STRICT, p, len, &m, &why) == 0, "%s, parameter 0x%04x at %zu", sim_verdict_text(why.verdict),
	    why.param, why.offset);
	ck_assert_uint_eq(m.version, c->version);
}

/* Of crypto-period 7 with lead_CW 1 and CW_per_msg 3: the words of 6, 7 and 8 (TS 103 197 5.5.7), the same as another request has of them. */
START_TEST(provisions)	/* _i: protocol_version */
{
	struct load_conf c = conf_of(LOAD_ECMG, (uint8_t)_i);
	struct load_wire w;
	uint8_t cw[18];
	size_t len;

	ck_assert_int_eq(load_wire_request(&w, &c, 1, 3, NULL), 0);
	len = load_wire_put(&w, out, 300, 5, 0, 8);
	is_strict(&c, out, len);
	memcpy(cw, sim_value(&m, ECMG_CP_CW, 1)->p, 2 + c.cw_len);
	len = load_wire_put(&w, out, 300, 5, 0, 7);
	is_strict(&c, out, len);
	ck_assert_uint_eq(m.type, ECMG_CW_PROVISION);
	ck_assert_int_eq(sim_int(&m, ECMG_CHANNEL_ID, -1), 300);
	ck_assert_int_eq(sim_int(&m, ECMG_STREAM_ID, -1), 5);
	ck_assert_int_eq(sim_int(&m, ECMG_CP_NUMBER, -1), 7);
	ck_assert_uint_eq(sim_count(&m, ECMG_CP_CW), 3);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(sim_value(&m, ECMG_CP_CW, i)->p[1], 6 + i);
	ck_assert_mem_eq(sim_value(&m, ECMG_CP_CW, 2)->p, cw, 2 + c.cw_len);
	load_wire_put(&w, out, 300, 5, 0, 0);	/* the numbers wrap */
	is_strict(&c, out, len);
	ck_assert_mem_eq(sim_value(&m, ECMG_CP_CW, 0)->p, "\xff\xff", 2);
	c.bcast = true;
	c.ac_len = 4;
	ck_assert_int_eq(load_wire_request(&w, &c, 1, 3, NULL), 0);
	is_strict(&c, out, load_wire_put(&w, out, 300, 5, 0, 7));
	ck_assert_uint_eq(sim_count(&m, ECMG_KEY_IDENTIFIER), 3);
	ck_assert_mem_eq(sim_value(&m, ECMG_KEY_IDENTIFIER, 0)->p, "\0\6\0\6", 4);
	ck_assert_uint_eq(sim_count(&m, ECMG_ACCESS_CRITERIA), 1);
}
END_TEST

START_TEST(windows_that_are_too_wide)
{
	struct load_conf c = conf_of(LOAD_ECMG, 3);
	struct gw_err err = { 0 };
	struct load_wire w;

	ck_assert_int_eq(load_wire_request(&w, &c, 0, 0, &err), -1);
	ck_assert_int_eq(load_wire_request(&w, &c, 0, 9, &err), -1);
	ck_assert_int_eq(load_wire_request(&w, &c, 8, 1, &err), -1);
	ck_assert_int_eq(err.code, GW_EPEER);
	c.cw_len = 64;	/* the most there is */
	ck_assert_int_eq(load_wire_request(&w, &c, 7, 8, &err), 0);
	is_strict(&c, out, load_wire_put(&w, out, 1, 2, 0, 3));
}
END_TEST

START_TEST(data)	/* _i: protocol_version */
{
	struct load_conf c = conf_of(LOAD_MUX, (uint8_t)_i);
	struct load_wire w;
	size_t len, first;

	c.size = LOAD_DATAGRAM;
	ck_assert_int_eq(load_wire_request(&w, &c, 0, 1, NULL), 0);
	len = load_wire_put(&w, out, 300, 5, 77, 1);
	first = sim_frame_length(out, len);
	ck_assert_uint_lt(first, len);
	is_strict(&c, out, first);
	ck_assert_uint_eq(m.type, EMMG_DATA_PROVISION);
	ck_assert_uint_eq(sim_value(&m, EMMG_DATAGRAM, 0)->len, LOAD_DATAGRAM);
	if (_i > 1)
		ck_assert_int_eq(sim_int(&m, EMMG_DATA_ID, -1), 77);
	is_strict(&c, out + first, len - first);
	ck_assert_uint_eq(m.type, EMMG_STREAM_TEST);
	ck_assert_int_eq(sim_int(&m, EMMG_CHANNEL_ID, -1), 300);
	ck_assert_int_eq(sim_int(&m, EMMG_STREAM_ID, -1), 5);
}
END_TEST

START_TEST(set_ups)	/* _i: protocol_version */
{
	static const uint16_t ecmg[] = { ECMG_CHANNEL_SETUP, ECMG_CHANNEL_STATUS, ECMG_CHANNEL_CLOSE, ECMG_STREAM_SETUP, ECMG_STREAM_STATUS, ECMG_STREAM_CLOSE_RESPONSE };
	static const uint16_t emmg[] = { EMMG_CHANNEL_SETUP, EMMG_CHANNEL_STATUS, EMMG_CHANNEL_CLOSE, EMMG_STREAM_SETUP, EMMG_STREAM_STATUS };
	struct load_conf c = conf_of(LOAD_ECMG, (uint8_t)_i);

	for (size_t i = 0; i < sizeof(ecmg) / sizeof(ecmg[0]); i++)
		is_strict(&c, out, load_wire_message(&c, ecmg[i], 1, 2, 3, out, sizeof(out)));
	c.side = LOAD_MUX;
	for (size_t i = 0; i < sizeof(emmg) / sizeof(emmg[0]); i++)
		is_strict(&c, out, load_wire_message(&c, emmg[i], 1, 2, 3, out, sizeof(out)));
}
END_TEST

START_TEST(misdeeds)	/* _i: LOAD_ECMG, LOAD_MUX */
{
	static const struct { unsigned id; enum sim_verdict verdict; } want[] = { { LOAD_TRUNCATED, SIM_MALFORMED }, { LOAD_VERSION, SIM_VERSION },
		{ LOAD_UNKNOWN, SIM_NO_MESSAGE }, { LOAD_MISSING, SIM_MISSING } };
	struct load_conf c = conf_of((enum load_side)_i, 3);
	uint8_t bad[LOAD_FRAME];
	struct load_wire w;
	size_t len, n;

	ck_assert_int_eq(load_wire_request(&w, &c, 0, 1, NULL), 0);
	len = load_wire_put(&w, out, 1, 2, 3, 4);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		n = load_wire_bad(want[i].id, out, len, bad);
		ck_assert_uint_eq(sim_frame_length(bad, n), n);	/* what comes behind it is understood */
		ck_assert_int_eq(sim_decode(load_iface(c.side), bad, n, &m, &why), -1);
		ck_assert_int_eq(why.verdict, want[i].verdict);
	}
	n = load_wire_bad(LOAD_OVERLAP, out, len, bad);
	is_strict(&c, bad, n);
	ck_assert_uint_eq(load_wire_bad(LOAD_GARBAGE, out, len, bad), 64);
	ck_assert_uint_eq(load_wire_bad(LOAD_DEAF, out, len, bad), 0);
}
END_TEST

/* In place of the request: its frames are whole, and what stands behind it is untouched. */
START_TEST(in_its_place)	/* _i: LOAD_ECMG, LOAD_MUX */
{
	static const unsigned kinds[] = { LOAD_PARAMETER, LOAD_OVERSIZED, LOAD_WINDOW };
	static uint8_t bad[LOAD_BIG];
	struct load_conf c = conf_of((enum load_side)_i, 3);
	struct load_wire w;
	size_t len, n, first, behind;

	ck_assert_int_eq(load_wire_request(&w, &c, 1, 2, NULL), 0);
	len = load_wire_put(&w, out, 1, 2, 3, 4);
	behind = len - sim_frame_length(out, len);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		n = load_wire_instead(kinds[i], c.side, out, len, bad);
		ck_assert_uint_le(n, LOAD_BIG);
		first = sim_frame_length(bad, n);
		ck_assert_uint_eq(first + behind, n);
		ck_assert_mem_eq(bad + first, out + len - behind, behind);
		if (kinds[i] == LOAD_OVERSIZED)
			ck_assert_uint_eq(n, LOAD_BIG);
		else
			ck_assert_int_eq(sim_decode(load_iface(c.side), bad, first, &m, &why), 0);
	}
	if (_i == LOAD_ECMG) {	/* the last of them: of crypto-periods 1004 and 1005 */
		ck_assert_uint_eq(sim_count(&m, ECMG_CP_CW), 2);
		ck_assert_mem_eq(sim_value(&m, ECMG_CP_CW, 0)->p, "\3\xec", 2);
		ck_assert_mem_eq(sim_value(&m, ECMG_CP_CW, 1)->p, "\3\xed", 2);
	}
	ck_assert_uint_eq(load_wire_instead(LOAD_TRUNCATED, c.side, out, len, bad), 0);
}
END_TEST

static const struct load_misdeed *
misdeed(const char *name)
{
	const struct load_misdeed *d = load_misdeeds;

	while (strcmp(d->name, name) != 0)
		d++;
	return d;
}

START_TEST(verdicts)
{
	static const struct { const char *misdeed; uint64_t done; uint16_t status; uint64_t errors, lost; bool well; } rows[] = {
		{ "missing", 3, 0x0010, 3, 0, true }, { "missing", 3, 0x000f, 3, 0, false }, { "missing", 3, 0x0010, 2, 0, false },
		{ "missing", 3, 0x0010, 4, 0, false }, { "missing", 3, 0x0010, 3, 1, false },
		{ "unknown", 3, 0, 0, 0, true }, { "unknown", 3, 0x0003, 3, 0, true }, { "unknown", 3, 0x0001, 3, 0, false },
		{ "oversized", 3, 0x0011, 3, 0, true }, { "overlap", 3, 0x7000, 2, 0, true },
		{ "dribble", 3, 0, 0, 0, true }, { "dribble", 3, 0x0001, 1, 0, false }, { "dribble", 3, 0, 0, 1, false },
		{ "vanish", 3, 0, 0, 2, true }, { "flood", 3, 0, 0, 0, false },
	};
	static struct load_report r;
	struct load_conf c = conf_of(LOAD_ECMG, 3);
	char text[LOAD_WORDS];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&r, 0, sizeof(r));
		c.misdeed = misdeed(rows[i].misdeed);
		r.answered = 10;
		r.misdeeds = rows[i].done;
		r.lost = rows[i].lost;
		r.errors = rows[i].errors;
		for (uint64_t n = 0; n < rows[i].errors; n++)
			load_error(&r, rows[i].status);
		ck_assert_msg(load_judge(&c, &r, text) == rows[i].well, "row %zu: %s", i, text);
	}
	r.tested = 3 * LOAD_TESTS_AT_ONCE;	/* of the last row, the flood */
	ck_assert(load_judge(&c, &r, text));
	c.misdeed = misdeed("oversized");
	load_judge(&c, &r, text);
	ck_assert_str_eq(text, "nothing, or an error: 0x0004 or 0x000f or 0x0011");
}
END_TEST

/* A terminal's: each outcome is one that the row has, and nobody else suffered. */
START_TEST(outcomes)
{
	static const struct { const char *misdeed; uint16_t first, second; uint64_t errors, unanswered, unknown, answered; bool well; } rows[] = {
		{ "key", 401, 401, 0, 0, 0, 10, true }, { "key", 401, LOAD_STALE + 401, 0, 0, 0, 10, false }, { "key", 401, LOAD_BARE + 401, 0, 0, 0, 10, false },
		{ "key", 401, 200, 0, 0, 0, 10, false }, { "key", 401, 401, 1, 0, 0, 10, false }, { "key", 401, 401, 0, 1, 0, 10, false },
		{ "key", 401, 401, 0, 0, 1, 10, false }, { "key", 401, 401, 0, 0, 0, 0, false }, { "key", 401, 0, 0, 0, 0, 10, false },
		{ "replay", 401, LOAD_STALE + 401, 0, 0, 0, 10, true }, { "replay", 401, LOAD_UNTRIED, 0, 0, 0, 10, false },
		{ "lengths", 400, LOAD_CLOSED, 0, 0, 0, 10, true }, { "lengths", 400, LOAD_SILENCE, 0, 0, 0, 10, false }, { "lengths", 400, 401, 0, 0, 0, 10, false },
		{ "header", 431, 413, 0, 0, 0, 10, true }, { "header", 431, 200, 0, 0, 0, 10, false },
		{ "stall", 408, LOAD_CLOSED, 0, 0, 0, 10, true }, { "stall", 408, 200, 0, 0, 0, 10, false }, { "stall", 408, LOAD_SILENCE, 0, 0, 0, 10, false },
		{ "leave", LOAD_LEFT, LOAD_LEFT, 0, 0, 0, 10, true }, { "leave", LOAD_LEFT, LOAD_CLOSED, 0, 0, 0, 10, false },
	};
	struct load_conf c = { .side = LOAD_BSM };
	static struct load_report r;
	char text[LOAD_WORDS];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&r, 0, sizeof(r));
		c.misdeed = misdeed(rows[i].misdeed);
		r.answered = rows[i].answered;
		r.misdeeds = 2;
		r.errors = rows[i].errors;
		r.pace.unanswered = rows[i].unanswered;
		r.bsm.unknown = rows[i].unknown;
		load_error(&r, rows[i].first);
		if (rows[i].second)	/* else it has none yet */
			load_error(&r, rows[i].second);
		ck_assert_msg(load_judge(&c, &r, text) == rows[i].well, "row %zu: %s", i, text);
	}
	ck_assert_str_eq(text, "others are answered, and it earns each time: left");
	c.misdeed = misdeed("replay");
	load_judge(&c, &r, text);
	ck_assert_str_eq(text, "others are answered, and it earns each time: 401 or 401 stale");
}
END_TEST

START_TEST(finding)
{
	struct load_conf c = conf_of(LOAD_ECMG, 3);
	struct load_wire w;
	size_t len;

	ck_assert_int_eq(load_wire_request(&w, &c, 0, 1, NULL), 0);
	len = load_wire_put(&w, out, 300, 5, 0, 0xfffe);
	ck_assert_int_eq(load_wire_find(out, len, ECMG_CHANNEL_ID), 300);
	ck_assert_int_eq(load_wire_find(out, len, ECMG_CP_NUMBER), 0xfffe);
	ck_assert_int_eq(load_wire_find(out, len, ECMG_CP_CW), -1);	/* it is longer */
	ck_assert_int_eq(load_wire_find(out, len, ECMG_ECM_ID), -1);
	for (size_t cut = 0; cut < len; cut++)
		load_wire_find(out, cut, ECMG_ECM_ID);
}
END_TEST

SUITE("load", tcase_add_loop_test(t, provisions, 1, 6); tcase_add_test(t, windows_that_are_too_wide); tcase_add_loop_test(t, data, 1, 6);
	tcase_add_loop_test(t, set_ups, 1, 6); tcase_add_loop_test(t, misdeeds, LOAD_ECMG, LOAD_MUX + 1); tcase_add_test(t, finding);
	tcase_add_loop_test(t, in_its_place, LOAD_ECMG, LOAD_MUX + 1); tcase_add_test(t, verdicts); tcase_add_test(t, outcomes))
