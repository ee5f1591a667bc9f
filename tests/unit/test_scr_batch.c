/* tests/unit/test_scr_batch.c: the packet engine without sockets, under a clock of ours and a protection that shows its key; GSO runs */
#include <stdlib.h>
#include <string.h>
#include "scrambler/batch.h"
#include "scrambler/output.h"
#include "tests/suite.h"

enum { S = 1000000, D = 10 * S, UNITS = 1000 };
static const int64_t T0 = INT64_C(1795000000) * S, M0 = INT64_C(5000) * S;

/* ---- a protection: the key's number is put behind the packet; 'H' is held and comes out as three, 'X' is malformed ---- */

struct gw_xkey { uint8_t number; };
struct gw_tx { struct gw_xkey *key; };
static int uses;

static struct gw_xkey *
use(struct gw_tx *tx, struct gw_xkey *k)
{
	struct gw_xkey *old = tx->key;

	uses++;
	tx->key = k;
	return old;
}

static int
protect(struct gw_tx *tx, struct gw_tx_medium *m, struct gw_pk *pk, struct gw_burst *burst, struct gw_sink *sink)
{
	(void)m;
	(void)burst;
	if (!tx->key)
		return GW_XF_NO_KEY;
	if (pk->p[0] == 'X')
		return GW_XF_MALFORMED;
	for (int i = 0; pk->p[0] == 'H' && i < 3; i++) {
		struct gw_pk *made = sink->slot(sink->self);
		ck_assert_ptr_nonnull(made);
		ck_assert_uint_eq((uintptr_t)made->p % 4, 0);
		memcpy(made->p, (const uint8_t []){ 'h', (uint8_t)i, tx->key->number }, 3);
		made->len = 3;
	}
	if (pk->p[0] == 'H')
		return GW_XF_HELD;
	pk->p[pk->len++] = tx->key->number;
	return GW_XF_OK;
}

static const struct gw_transform row = { .name = "fake", .protection = 7, .use = use, .protect = protect };
static const struct scr_form form = { "fake", 7, 16, 1, 1 };

/* ---- what went out ---- */

static struct { uint8_t bytes[16]; size_t len; const struct scr_flow *flow; bool clear; } sent[4096];
static size_t nsent, nbatches, nchanged;

static void
on_send(void *self, const struct scr_packet *pk, size_t n)
{
	(void)self;
	nbatches++;
	for (size_t i = 0; i < n; i++, nsent++) {
		ck_assert_uint_lt(nsent, 4096);
		sent[nsent].len = pk[i].pk.len;
		memcpy(sent[nsent].bytes, pk[i].pk.p, pk[i].pk.len < 16 ? pk[i].pk.len : 16);
		sent[nsent].flow = pk[i].flow;
		sent[nsent].clear = pk[i].clear;
		pk[i].flow->sent++;
	}
}
static void on_changed(void *self, struct scr_line *l, enum scr_step step) { (void)self; (void)l; (void)step; nchanged++; }
static const struct scr_batch_ops ops = { .send = on_send, .changed = on_changed };

static struct scr_batch *b;
static struct scr_line lines[UNITS];
static struct scr_flow flows[UNITS];
static struct gw_tx txs[UNITS];
static struct gw_xkey keys[256];

static void
up(void)
{
	struct gw_err err = { 0 };

	nsent = nbatches = nchanged = 0;
	uses = 0;
	memset(txs, 0, sizeof(txs));
	memset(flows, 0, sizeof(flows));
	for (unsigned i = 0; i < 256; i++)
		keys[i].number = (uint8_t)i;
	ck_assert_msg((b = scr_batch_new(GW_BURST_AUTO, &ops, NULL, &err)) != NULL, "%s", err.text);
	for (size_t i = 0; i < UNITS; i++) {
		scr_line_init(&lines[i], "unit", &row, &txs[i], &form);
		flows[i].line = &lines[i];
		ck_assert_int_eq(scr_batch_join(b, &lines[i]), 0);
	}
}

static void
down(void)
{
	for (size_t i = 0; i < UNITS; i++) {
		scr_batch_leave(&lines[i]);
		scr_keys_fini(&lines[i].keys);
	}
	scr_batch_free(b);
}

/* Key n of a unit, from T0 + at on. */
static void
key(size_t unit, uint8_t n, int64_t at)
{
	uint8_t id = n & 1, bytes[16] = { n };
	const char *why;
	struct scr_record r = { .mode = SCR_SCRAMBLED, .cp = n, .start_us = T0 + at, .duration_ms = 10000, .protection = 7, .key_id = &id,
		.key_id_len = 1, .key = bytes, .key_len = 16 };

	ck_assert_int_eq(scr_keys_take(&lines[unit].keys, &r, &why), 0);
	scr_keys_coming(&lines[unit].keys, n)->ready = &keys[n];
	scr_line_plan(&lines[unit], T0 - S, M0 - S);
}

static void
mode(size_t unit, enum scr_mode m, uint64_t cp, int64_t at)
{
	const char *why;

	ck_assert_int_eq(scr_keys_take(&lines[unit].keys, &(struct scr_record){ .mode = m, .cp = cp, .start_us = T0 + at }, &why), 0);
	scr_line_plan(&lines[unit], T0 - S, M0 - S);
}

static void begin(int64_t at) { scr_batch_begin(b, T0 + at, M0 + at); }

static void
packet(size_t slot, size_t unit, char what)
{
	struct gw_pk pk = scr_batch_slot(b, slot);

	pk.p[0] = (uint8_t)what;
	pk.len = 1;
	scr_batch_take(b, &flows[unit], &pk);
}

START_TEST(first_packet_at_its_time_has_the_key)
{
	key(0, 1, 0);
	key(0, 2, D);
	ck_assert_int_eq(scr_batch_next(b), T0);
	begin(-1);
	packet(0, 0, 'a');
	scr_batch_flush(b);
	ck_assert_uint_eq(nsent, 0);
	ck_assert_uint_eq(flows[0].dropped[GW_XF_NO_KEY], 1);
	begin(0);
	packet(0, 0, 'a');
	scr_batch_flush(b);
	begin(D - 1);
	packet(0, 0, 'b');
	scr_batch_flush(b);
	ck_assert_int_eq(scr_batch_next(b), T0 + D);
	begin(D);
	packet(0, 0, 'c');
	scr_batch_flush(b);
	ck_assert_uint_eq(nsent, 3);
	ck_assert_mem_eq(sent[0].bytes, "a\1", 2);
	ck_assert_mem_eq(sent[1].bytes, "b\1", 2);
	ck_assert_mem_eq(sent[2].bytes, "c\2", 2);
	ck_assert_uint_eq(lines[0].switches, 2);
	ck_assert_uint_eq(nchanged, 2);
	ck_assert_uint_eq(lines[0].previous.cp, 1);
	ck_assert(scr_batch_next(b) == INT64_MAX);
	begin(1000 * (int64_t)D);		/* held */
	packet(0, 0, 'd');
	scr_batch_flush(b);
	ck_assert_mem_eq(sent[3].bytes, "d\2", 2);
}
END_TEST

START_TEST(a_thousand_units_switch_at_once)
{
	for (size_t i = 0; i < UNITS; i++)
		key(i, 1, 0), key(i, 2, D);
	begin(0);
	ck_assert_uint_eq(nchanged, UNITS);
	begin(D);
	ck_assert_uint_eq(nchanged, 2 * UNITS);
	for (size_t i = 0; i < SCR_BATCH; i++)
		packet(i, i * 15, 'a');
	scr_batch_flush(b);
	ck_assert_uint_eq(nsent, SCR_BATCH);
	ck_assert_uint_eq(nbatches, 1);
	for (size_t i = 0; i < SCR_BATCH; i++) {
		ck_assert_ptr_eq(sent[i].flow, &flows[i * 15]);
		ck_assert_mem_eq(sent[i].bytes, "a\2", 2);
	}
}
END_TEST

/* What is over waits for its owner: nothing is freed beside packets. */
START_TEST(keys_that_are_over_are_kept_for_their_owner)
{
	struct scr_key gone;

	key(0, 1, 0);
	key(0, 2, D);
	begin(0);
	begin(D);
	ck_assert(scr_keys_gone(&lines[0].keys, &gone));
	ck_assert_ptr_eq(gone.ready, &keys[1]);
	ck_assert_ptr_eq(txs[0].key, &keys[2]);
	scr_key_free(&gone);
	ck_assert(!scr_keys_gone(&lines[0].keys, &gone));
}
END_TEST

START_TEST(modes)
{
	key(0, 1, 0);
	mode(0, SCR_CLEAR, 2, D);
	mode(0, SCR_MUTED, 3, 2 * D);
	key(0, 4, 3 * D);
	for (int i = 0; i < 4; i++) {
		begin(i * (int64_t)D);
		packet(0, 0, 'a');
		scr_batch_flush(b);
	}
	ck_assert_uint_eq(nsent, 3);
	ck_assert(!sent[0].clear && sent[1].clear && !sent[2].clear);
	ck_assert_uint_eq(sent[1].len, 1);
	ck_assert_mem_eq(sent[2].bytes, "a\4", 2);
	ck_assert_uint_eq(flows[0].dropped[GW_XF_NO_KEY], 1);
	/* a key that could not be made ready is silence, not clear */
	key(0, 5, 4 * D);
	scr_keys_coming(&lines[0].keys, 5)->ready = NULL;
	begin(4 * D);
	packet(0, 0, 'a');
	scr_batch_flush(b);
	ck_assert_uint_eq(nsent, 3);
	scr_keys_end(&lines[0].keys, T0 + 5 * D);
	scr_line_plan(&lines[0], T0 + 4 * D, M0 + 4 * D);
	ck_assert_int_eq(scr_batch_next(b), T0 + 5 * D);
	begin(5 * D);
	ck_assert_int_eq(lines[0].mode, SCR_NONE);
	ck_assert_ptr_null(txs[0].key);
}
END_TEST

START_TEST(what_is_malformed_is_counted)
{
	struct gw_pk empty = scr_batch_slot(b, 1);

	key(0, 1, 0);
	begin(0);
	packet(0, 0, 'X');
	scr_batch_take(b, &flows[0], &empty);
	scr_batch_flush(b);
	ck_assert_uint_eq(nsent, 0);
	ck_assert_uint_eq(flows[0].received, 2);
	ck_assert_uint_eq(flows[0].dropped[GW_XF_MALFORMED], 1);
	ck_assert_uint_eq(flows[0].dropped[GW_XF_NOT_RTP], 1);
}
END_TEST

/* Made packets fill the batch before it is full of others: it is sent in two, in order, nothing lost. */
START_TEST(made_packets_take_their_place)
{
	key(0, 1, 0);
	begin(0);
	for (size_t i = 0; i < SCR_BATCH; i++)
		packet(i, 0, i % 2 ? 'H' : 'a');
	scr_batch_flush(b);
	ck_assert_uint_eq(nsent, SCR_BATCH / 2 * 4);
	for (size_t i = 0; i < nsent; i += 4) {
		ck_assert_mem_eq(sent[i].bytes, "a\1", 2);
		for (uint8_t k = 0; k < 3; k++)
			ck_assert_mem_eq(sent[i + 1 + k].bytes, ((const uint8_t []){ 'h', k, 1 }), 3);
	}
	ck_assert_uint_eq(nbatches, 2);
	ck_assert_uint_eq(scr_batch_counts(b)->sizes[SCR_SIZES - 1], 2);
	ck_assert_uint_eq(scr_batch_counts(b)->packets, nsent);
}
END_TEST

/* Those that come in pieces have room of their own, which is there again after a flush. */
START_TEST(large_packets)
{
	key(0, 1, 0);
	begin(0);
	for (size_t i = 0; i < 3 * SCR_BATCH; i++) {
		struct gw_pk pk = scr_batch_large(b);
		memset(pk.p, (int)i, SCR_LARGE);
		pk.p[0] = 'a';
		pk.len = SCR_LARGE;
		scr_batch_take(b, &flows[0], &pk);
	}
	scr_batch_flush(b);
	ck_assert_uint_eq(nsent, 3 * SCR_BATCH);
	for (size_t i = 0; i < nsent; i++) {
		ck_assert_uint_eq(sent[i].len, SCR_LARGE + 1);
		ck_assert_uint_eq(sent[i].bytes[1], (uint8_t)i);
	}
}
END_TEST

START_TEST(utc_jumps)
{
	key(0, 1, 0);
	key(0, 2, D);
	begin(0);
	scr_batch_replan(b, T0 + 2 * D, M0 + S);	/* forward */
	ck_assert_uint_eq(lines[0].keys.now.cp, 2);
	key(0, 3, 3 * D);
	scr_batch_replan(b, T0, M0 + 2 * S);		/* and back: a key in force stays */
	ck_assert_uint_eq(lines[0].keys.now.cp, 2);
	ck_assert_int_eq(scr_batch_next(b), T0 + 3 * D);
}
END_TEST

START_TEST(gso_runs)
{
	static const struct { size_t len[8], n, run; } cases[] = {
		{ { 1328 }, 1, 1 }, { { 1328, 1328, 1328 }, 3, 3 }, { { 1328, 1328, 200, 1328 }, 4, 3 }, { { 200, 1328 }, 2, 1 },
		{ { 1328, 200, 200 }, 3, 2 }, { { 1328, 1329 }, 2, 1 }, { { 40000, 25507, 1 }, 3, 2 }, { { 40000, 25508 }, 2, 1 },
	};
	size_t many[100];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(scr_gso_run(cases[i].len, cases[i].n) == cases[i].run, "case %zu", i);
	for (size_t i = 0; i < 100; i++)
		many[i] = 1000;
	ck_assert_uint_eq(scr_gso_run(many, 100), SCR_SEGMENTS);
	for (size_t i = 0; i < 100; i++)
		many[i] = 1340;
	ck_assert_uint_eq(scr_gso_run(many, 100), 48);	/* 65,507 octets */
}
END_TEST

SUITE("scr_batch", tcase_add_checked_fixture(t, up, down);
      tcase_add_test(t, first_packet_at_its_time_has_the_key); tcase_add_test(t, a_thousand_units_switch_at_once);
      tcase_add_test(t, keys_that_are_over_are_kept_for_their_owner); tcase_add_test(t, modes);
      tcase_add_test(t, what_is_malformed_is_counted); tcase_add_test(t, made_packets_take_their_place); tcase_add_test(t, large_packets);
      tcase_add_test(t, utc_jumps); tcase_add_test(t, gso_runs))
