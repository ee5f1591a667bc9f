/*
 * tests/unit/test_lib_srtp.c: vectors, key changes, restarts of sources, and that no index is spent twice under a key; built once
 * for each engine (-DENGINE=)
 */
#include "lib/srtp.h"
#include "lib/transform.h"
#include <stdlib.h>
#include <string.h>
#include "lib/secret.h"
#include "tests/suite.h"

#ifndef ENGINE
#define ENGINE GW_ENGINE_AUTO
#endif
enum { PAYLOAD = 40, CLEAR = 12 + PAYLOAD, SOURCES = 4, KEYS = 8, RX_SOURCES = 64 };
static const struct gw_transform *const row = &gw_transform_srtp;
static uint64_t page[(32 + SOURCES * sizeof(struct gw_srtp_mark)) / 8];
static struct gw_srtp_mark *const marks = (struct gw_srtp_mark *)(page + 4);	/* behind SRTCP's */
static struct gw_burst *burst;
static struct gw_tx *tx;
static struct gw_tx_medium *medium[2];
static struct gw_rx *rx;
static _Alignas(4) uint8_t room[GW_XF_HEAD + 2048 + GW_XF_TAIL];
static uint8_t *const pk = room + GW_XF_HEAD;
static size_t len;
static struct gw_rx_got got;

static void
stop(void)
{
	row->key_free(row->use(tx, NULL));
	row->medium_free(medium[0]);
	row->medium_free(medium[1]);
	row->tx_free(tx);
}

static void
start(void)
{
	struct gw_tx_conf conf = { .engine = ENGINE, .authenticated = true, .sources = SOURCES, .marks = page };

	ck_assert_uint_eq(row->marks_len(&conf), sizeof(page));
	ck_assert_ptr_nonnull(tx = row->tx_new(&conf, NULL));
	for (uint32_t i = 0; i < 2; i++)
		ck_assert_ptr_nonnull(medium[i] = row->medium_new(tx, &(struct gw_tx_medium_conf){ .index = i }, NULL));
}

/* kill -9: only the marks are left. */
static void
restart(void)
{
	stop();
	start();
}

static void
up(void)
{
	memset(page, 0, sizeof(page));
	ck_assert_ptr_nonnull(burst = gw_burst_new(GW_BURST_AUTO, NULL));
	start();
	ck_assert_ptr_nonnull(rx = row->rx_new(&(struct gw_rx_conf){ .authenticated = true }, NULL));
}

static void
down(void)
{
	stop();
	row->rx_free(rx);
	gw_burst_free(burst);
	gw_srtp_fini();
}

/* Key of a crypto-period; different for each. */
static struct gw_material
key_of(uint16_t cp, bool authenticated)
{
	static uint8_t master[4][30];
	static unsigned turn;
	uint8_t *m = master[turn++ % 4];

	memset(m, 0x40, 30);
	m[0] = (uint8_t)(cp >> 8);
	m[1] = (uint8_t)cp;
	return (struct gw_material){ .id = { (uint8_t)(cp >> 8), (uint8_t)cp }, .id_len = 2, .tek = m, .salt = m + 16,
	    .authenticated = authenticated };
}

static struct gw_xkey *
ready(struct gw_material k)
{
	struct gw_xkey *key = row->key_new(tx, &k, NULL);

	ck_assert_ptr_nonnull(key);
	return key;
}

static void
put_in_force(struct gw_xkey *key)
{
	row->key_free(row->use(tx, key));
}

static void
use_key(uint16_t cp, bool authenticated)
{
	struct gw_material k = key_of(cp, authenticated);

	put_in_force(ready(k));
	ck_assert_int_eq(row->rx_key(rx, &k, NULL), 0);
}

static int
protect(unsigned from)
{
	struct gw_pk p = { pk, len };
	int v = row->protect(tx, medium[from], &p, burst, NULL);

	gw_burst_run(burst);
	ck_assert_ptr_eq(p.p, pk);
	len = p.len;
	return v;
}

static int
unprotect(uint64_t *index)
{
	struct gw_pk p = { pk, len };
	int v = row->unprotect(rx, &p, &got, NULL);

	len = p.len;
	if (v == GW_XF_OK && index)
		*index = got.index;
	return v;
}

static int
emit(uint32_t ssrc, uint32_t seq)
{
	memset(pk, 0, 12);
	pk[0] = 0x80;
	pk[1] = 33;
	pk[2] = (uint8_t)(seq >> 8);
	pk[3] = (uint8_t)seq;
	pk[8] = (uint8_t)(ssrc >> 24);
	pk[9] = (uint8_t)(ssrc >> 16);
	pk[10] = (uint8_t)(ssrc >> 8);
	pk[11] = (uint8_t)ssrc;
	memset(pk + 12, 0x47, PAYLOAD);
	len = CLEAR;
	return protect(0);
}

/* Unprotects what was sent last; the index in *at if it is right. */
static int
receive(uint64_t *at)
{
	uint64_t index = 0;
	int v = unprotect(&index);

	if (v == GW_XF_OK) {
		ck_assert_uint_eq(len, CLEAR);
		for (size_t i = 0; i < PAYLOAD; i++)
			ck_assert_uint_eq(pk[12 + i], 0x47);
		ck_assert_uint_eq(got.source, (uint32_t)pk[8] << 24 | (uint32_t)pk[9] << 16 | (uint32_t)pk[10] << 8 | pk[11]);
		if (at)
			*at = index;
	}
	return v;
}

static void
pass(uint32_t ssrc, uint32_t seq, uint64_t index)
{
	uint64_t at = 0;

	ck_assert_int_eq(emit(ssrc, seq), GW_XF_OK);
	ck_assert_int_eq(receive(&at), GW_XF_OK);
	ck_assert_uint_eq(at, index);
}

START_TEST(vectors_are_bit_exact)
{
	json_t *j = vec_json("media/srtp.json"), *v;
	size_t i;

	json_array_foreach(json_object_get(j, "packets"), i, v) {
		uint8_t master[30], want[256];
		struct gw_material k = { .tek = master, .salt = master + 16, .authenticated = true };
		uint64_t index;
		size_t n, rtp;

		unhex(json_string_value(json_object_get(v, "master_key")), master, 16);
		unhex(json_string_value(json_object_get(v, "master_salt")), master + 16, 14);
		k.id_len = unhex(json_string_value(json_object_get(v, "mki")), k.id, sizeof(k.id));
		rtp = len = unhex(json_string_value(json_object_get(v, "rtp_packet")), pk, 2048);
		n = unhex(json_string_value(json_object_get(v, "srtp_packet")), want, sizeof(want));
		if (k.id_len == 0) {	/* ours always has one; the tag does not cover it */
			memmove(want + n - 10 + 2, want + n - 10, 10);
			memcpy(want + n - 10, "\x12\x34", 2);
			memcpy(k.id, "\x12\x34", k.id_len = 2);
			n += 2;
		}
		put_in_force(ready(k));
		ck_assert_int_eq(row->rx_key(rx, &k, NULL), 0);
		ck_assert_int_eq(protect(0), GW_XF_OK);
		ck_assert_uint_eq(len, n);
		ck_assert_mem_eq(pk, want, n);
		ck_assert_int_eq(unprotect(&index), GW_XF_OK);
		ck_assert_uint_eq(len, rtp);
	}
	ck_assert_uint_eq(i, 2);
	json_decref(j);
}
END_TEST

START_TEST(nothing_goes_out_before_a_key_and_after_it)
{
	struct gw_xkey *key;

	ck_assert_int_eq(emit(7, 1), GW_XF_NO_KEY);
	ck_assert_uint_eq(len, CLEAR);
	key = ready(key_of(1, true));
	ck_assert_int_eq(emit(7, 1), GW_XF_NO_KEY);	/* ready is not in force */
	put_in_force(key);
	ck_assert_int_eq(emit(7, 1), GW_XF_OK);
	put_in_force(NULL);
	ck_assert_int_eq(emit(7, 2), GW_XF_NO_KEY);
	ck_assert_uint_eq(row->sources(tx, NULL, 0), 0);
}
END_TEST

START_TEST(only_rtp_is_touched)
{
	use_key(1, true);
	memset(pk, 0, 2048);
	len = 40;
	ck_assert_int_eq(protect(0), GW_XF_NOT_RTP);	/* version 0 */
	pk[0] = 0x80;
	len = 11;
	ck_assert_int_eq(protect(0), GW_XF_NOT_RTP);
	pk[0] = 0x8f;	/* fifteen CSRCs that are not there */
	len = 12;
	ck_assert_int_ne(protect(0), GW_XF_OK);
}
END_TEST

START_TEST(roc_and_mki_over_key_changes)	/* _i: authenticated */
{
	struct gw_source source;
	uint32_t seq = 65000;
	uint64_t index = seq;

	for (uint16_t cp = 1; cp <= 20; cp++) {		/* more than libsrtp2's 16 keys a stream */
		use_key(cp, _i);
		for (int n = 0; n < 10000; n += 997, seq += 997, index += 997) {
			ck_assert_int_eq(emit(7, seq & 0xffff), GW_XF_OK);
			ck_assert_uint_eq(len, CLEAR + 2u + (_i ? 10u : 0u));
			ck_assert_int_eq(pk[CLEAR] << 8 | pk[CLEAR + 1], cp);
			uint64_t at = 0;
			ck_assert_int_eq(receive(&at), GW_XF_OK);
			ck_assert_uint_eq(at, index);
			ck_assert_uint_eq(got.id_len, 2);
			ck_assert_int_eq(got.id[0] << 8 | got.id[1], cp);
		}
	}
	ck_assert_uint_eq(row->sources(tx, &source, 1), 1);
	ck_assert_uint_eq(source.ssrc, 7);
	ck_assert_uint_eq(source.roc, (index - 997) >> 16);
	ck_assert_uint_ge(source.roc, 4);
	use_key(21, _i);	/* who has not sent yet under the new key is not gone */
	ck_assert_uint_eq(row->sources(tx, &source, 1), 1);
	ck_assert_int_eq(emit(8, 1), GW_XF_OK);
	ck_assert_uint_eq(row->sources(tx, NULL, 0), 2);
	use_key(22, _i);	/* who has sent nothing for a whole period is */
	ck_assert_uint_eq(row->sources(tx, &source, 1), 1);
	ck_assert_uint_eq(source.ssrc, 8);
}
END_TEST

START_TEST(prepared_key_waits_for_its_switch)
{
	struct gw_material a = key_of(2, true), b = key_of(3, true);
	struct gw_xkey *next;

	use_key(1, true);
	pass(7, 100, 100);
	row->key_free(ready(a));
	next = ready(b);			/* a newer plan */
	pass(7, 101, 101);
	ck_assert_int_eq(row->rx_key(rx, &b, NULL), 0);
	put_in_force(next);
	pass(7, 102, 102);
	pass(8, 5, 5);			/* a second source under the new key */
	use_key(4, true);
	pass(8, 6, 6);
	pass(7, 103, 103);
}
END_TEST

START_TEST(reordering_passes_once)
{
	use_key(1, true);
	pass(7, 65530, 65530);
	pass(7, 4, 65540);		/* over the wrap */
	use_key(2, true);
	pass(7, 65533, 65533);		/* late, and the first under its key */
	pass(7, 5, 65541);
	ck_assert_int_eq(emit(7, 65533), GW_XF_REPEAT);
	ck_assert_int_eq(emit(7, 5), GW_XF_REPEAT);
	pass(7, 6, 65542);
	ck_assert_int_eq(receive(NULL), GW_XF_NO_KEY);	/* a clear packet has no MKI of ours */
}
END_TEST

START_TEST(replayed_packet_is_counted_not_shown)	/* _i: authenticated */
{
	uint8_t copy[256];

	use_key(1, _i);
	ck_assert_int_eq(emit(7, 9), GW_XF_OK);
	size_t n = len;
	memcpy(copy, pk, n);
	ck_assert_int_eq(receive(NULL), GW_XF_OK);
	memcpy(pk, copy, len = n);
	ck_assert_int_eq(receive(NULL), GW_XF_REPEAT);
}
END_TEST

START_TEST(restarted_source_never_reuses_a_key_stream)	/* _i: where the sequence jumps to, in 10,000s */
{
	uint64_t at = 0;
	uint32_t to = (uint32_t)_i * 10000;

	use_key(1, true);
	for (uint32_t s = 0; s <= 40000; s += 500)
		pass(7, s, s);
	ck_assert_int_eq(emit(7, to), GW_XF_RESTART);		/* lost: one stray packet is no restart */
	pass(7, 40001, 40001);
	ck_assert_int_eq(emit(7, to), GW_XF_RESTART);
	ck_assert_int_eq(emit(7, to + 1), GW_XF_OK);
	ck_assert_int_eq(receive(&at), GW_XF_OK);		/* the receiver finds it by authentication */
	ck_assert_uint_gt(at, 40001 + 0x8000);
	ck_assert_uint_eq(at & 0xffff, to + 1);
	for (uint32_t s = to + 2; s < to + 70000; s += 3001)
		pass(7, s & 0xffff, (at & ~UINT64_C(0xffff)) + s);
}
END_TEST

START_TEST(no_index_twice_whatever_the_source_does)
{
	static uint8_t spent[1 << 21];	/* indices seen, under one key */
	uint32_t r = 12345, seq = 0;

	memset(spent, 0, sizeof(spent));
	use_key(1, true);
	for (int n = 0; n < 20000; n++) {
		r = r * 1103515245 + 12345;
		uint32_t dice = r >> 16 & 0xff;
		seq += dice < 230 ? 1 : dice < 240 ? 0 : dice < 250 ? (uint32_t)-5 : dice < 254 ? 300 : r >> 8 & 0xffff;
		if (emit(7, seq & 0xffff) != GW_XF_OK)
			continue;
		uint64_t index = marks[0].highest;	/* the packet's own, if it is in front */
		if ((index & 0xffff) != (seq & 0xffff))
			index -= (uint16_t)(index - seq);
		ck_assert_uint_lt(index, sizeof(spent) * 8);
		ck_assert_msg(!(spent[index / 8] >> index % 8 & 1), "index %llu spent twice", (unsigned long long)index);
		spent[index / 8] |= (uint8_t)(1 << index % 8);
		uint64_t at = 0;
		ck_assert_int_eq(receive(&at), GW_XF_OK);
		ck_assert_uint_eq(at, index);
	}
}
END_TEST

START_TEST(marks_outlive_the_process)
{
	struct gw_material k = key_of(1, true);

	use_key(1, true);
	for (uint32_t s = 0; s <= 70000; s += 700)
		pass(7, s & 0xffff, s);
	restart();
	use_key(1, true);			/* the running key again */
	ck_assert_int_eq(emit(7, 70000 & 0xffff), GW_XF_REPEAT);
	pass(7, 70001 & 0xffff, 70001);		/* seamless */
	ck_assert_int_eq(emit(7, 1), GW_XF_RESTART);
	restart();
	k = key_of(2, true);
	put_in_force(ready(k));
	ck_assert_int_eq(emit(7, 60000), GW_XF_OK);	/* another key and a sequence that does not go on: as at the first start */
	ck_assert_uint_eq(marks[0].highest, 60000);
}
END_TEST

START_TEST(table_full_of_sources)
{
	use_key(1, true);
	for (uint32_t ssrc = 1; ssrc <= 4; ssrc++)
		pass(ssrc, 10, 10);
	ck_assert_int_eq(emit(5, 10), GW_XF_FULL);	/* nobody's indices are forgotten under this key */
	use_key(2, true);
	pass(1, 11, 11);
	pass(5, 10, 10);
	ck_assert_int_eq(emit(1, 11), GW_XF_REPEAT);
}
END_TEST

START_TEST(one_input_a_source)
{
	use_key(1, true);
	pass(7, 10, 10);
	ck_assert_int_eq(emit(8, 500), GW_XF_OK);
	memset(pk, 0, 12);
	pk[0] = 0x80;
	pk[3] = 12;
	pk[11] = 7;
	len = CLEAR;
	ck_assert_int_eq(protect(1), GW_XF_TAKEN);
	use_key(2, true);		/* it may move, but not within a key */
	ck_assert_int_eq(protect(1), GW_XF_OK);
	ck_assert_int_eq(emit(7, 13), GW_XF_TAKEN);
}
END_TEST

START_TEST(unknown_mki_and_wrong_key)
{
	struct gw_material wrong = key_of(9, true), right = key_of(2, true);

	use_key(1, true);
	pass(7, 1, 1);
	put_in_force(ready(right));
	ck_assert_int_eq(emit(7, 2), GW_XF_OK);
	ck_assert_int_eq(receive(NULL), GW_XF_NO_KEY);	/* never tried with the other key */
	memcpy(wrong.id, right.id, 2);
	ck_assert_int_eq(row->rx_key(rx, &wrong, NULL), 0);
	for (uint32_t s = 3; s < 40; s++) {
		ck_assert_int_eq(emit(7, s), GW_XF_OK);
		ck_assert_int_eq(receive(NULL), GW_XF_FORGED);
	}
	right = key_of(2, true);
	ck_assert_int_eq(row->rx_key(rx, &right, NULL), 0);	/* replaces it */
	pass(7, 40, 40);
	ck_assert_int_eq(row->rx_key(rx, &right, NULL), 0);	/* the same again: the session is kept */
	row->rx_drop(rx, right.id, 2);
	ck_assert_int_eq(emit(7, 41), GW_XF_OK);
	ck_assert_int_eq(receive(NULL), GW_XF_NO_KEY);
}
END_TEST

START_TEST(late_joiner_finds_the_roc)	/* _i: the ROC */
{
	marks[0] = (struct gw_srtp_mark){ .ssrc = 7, .used = 1, .highest = (uint64_t)_i << 16 | 999, .window = 1 };
	restart();
	use_key(1, true);
	uint64_t at = 0;
	uint32_t seq = 1000;
	for (; seq < 2000; seq++) {
		ck_assert_int_eq(emit(7, seq), GW_XF_OK);
		int v = receive(&at);
		if (v == GW_XF_OK)
			break;
		ck_assert_int_eq(v, GW_XF_FORGED);
	}
	ck_assert_uint_eq(at, (uint64_t)_i << 16 | seq);
	ck_assert(_i >= 256 || seq == 1000);
	pass(7, seq + 1, at + 1);
}
END_TEST

START_TEST(sender_that_lost_its_marks_is_found_again)
{
	use_key(1, true);
	for (uint32_t s = 0; s <= 200000; s += 1000)
		pass(7, s & 0xffff, s);
	memset(page, 0, sizeof(page));
	restart();
	use_key(2, true);
	int lost = 0;
	for (uint32_t s = 5; lost < 40; s++, lost++) {
		ck_assert_int_eq(emit(7, s), GW_XF_OK);
		if (receive(NULL) == GW_XF_OK)
			break;
	}
	ck_assert_int_lt(lost, 20);
}
END_TEST

START_TEST(key_table_is_bounded)
{
	for (uint16_t cp = 1; cp <= KEYS + 1; cp++) {
		struct gw_material k = key_of(cp, true);
		ck_assert_int_eq(row->rx_key(rx, &k, NULL), 0);
	}
	struct gw_material k = key_of(1, true);
	put_in_force(ready(k));
	ck_assert_int_eq(emit(7, 1), GW_XF_OK);
	ck_assert_int_eq(receive(NULL), GW_XF_NO_KEY);	/* the oldest made room */
	k = key_of(2, true);
	put_in_force(ready(k));
	pass(7, 2, 2);
	k.id_len = 0;
	ck_assert_ptr_null(row->key_new(tx, &k, NULL));
	ck_assert_int_eq(row->rx_key(rx, &k, NULL), -1);
	for (uint32_t ssrc = 100; ssrc < 100 + 2 * RX_SOURCES; ssrc += 1) {	/* sources, too: the longest quiet goes */
		memset(page, 0, sizeof(page));
		restart();
		use_key(2, true);
		pass(ssrc, 1, 1);
	}
}
END_TEST

SUITE("lib_srtp", tcase_add_checked_fixture(t, up, down);
      tcase_add_test(t, vectors_are_bit_exact); tcase_add_test(t, nothing_goes_out_before_a_key_and_after_it);
      tcase_add_test(t, only_rtp_is_touched); tcase_add_loop_test(t, roc_and_mki_over_key_changes, 0, 2);
      tcase_add_test(t, prepared_key_waits_for_its_switch); tcase_add_test(t, reordering_passes_once);
      tcase_add_loop_test(t, replayed_packet_is_counted_not_shown, 0, 2);
      tcase_add_loop_test(t, restarted_source_never_reuses_a_key_stream, 1, 4);
      tcase_add_test(t, no_index_twice_whatever_the_source_does); tcase_add_test(t, marks_outlive_the_process);
      tcase_add_test(t, table_full_of_sources); tcase_add_test(t, one_input_a_source); tcase_add_test(t, unknown_mki_and_wrong_key);
      tcase_add_loop_test(t, late_joiner_finds_the_roc, 254, 259);
      tcase_add_test(t, sender_that_lost_its_marks_is_found_again); tcase_add_test(t, key_table_is_bounded))
