/* tests/unit/test_lib_srtp.c: vectors, key changes, restarts of sources, and that no index is spent twice under a key */
#include "lib/srtp.h"
#include <stdlib.h>
#include <string.h>
#include "lib/secret.h"
#include "tests/suite.h"

enum { PAYLOAD = 40, CLEAR = 12 + PAYLOAD };
static struct gw_srtp_mark marks[4];
static struct gw_srtp_tx *tx;
static struct gw_srtp_rx *rx;
static _Alignas(4) uint8_t pk[2048];
static size_t len;

static void
up(void)
{
	ck_assert_int_eq(gw_srtp_init(NULL), 0);
	memset(marks, 0, sizeof(marks));
	ck_assert_ptr_nonnull(tx = gw_srtp_tx_new(marks, 4));
	ck_assert_ptr_nonnull(rx = gw_srtp_rx_new());
}

static void
down(void)
{
	gw_srtp_tx_free(tx);
	gw_srtp_rx_free(rx);
	gw_srtp_fini();
}

/* Key of a crypto-period; different for each. */
static struct gw_srtp_key
key_of(uint16_t cp, bool authenticated)
{
	static uint8_t master[4][30];
	static unsigned turn;
	uint8_t *m = master[turn++ % 4];

	memset(m, 0x40, 30);
	m[0] = (uint8_t)(cp >> 8);
	m[1] = (uint8_t)cp;
	return (struct gw_srtp_key){ .mki = { (uint8_t)(cp >> 8), (uint8_t)cp }, .mki_len = 2, .key = m, .salt = m + 16,
	    .authenticated = authenticated };
}

static void
use_key(uint16_t cp, bool authenticated)
{
	struct gw_srtp_key k = key_of(cp, authenticated);

	ck_assert_int_eq(gw_srtp_tx_prepare(tx, &k, NULL), 0);
	gw_srtp_tx_switch(tx);
	ck_assert_int_eq(gw_srtp_rx_key(rx, &k, NULL), 0);
}

static int
send(uint32_t ssrc, uint32_t seq)
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
	return gw_srtp_protect(tx, 0, pk, &len);
}

/* Unprotects what was sent last; the index in *at if it is right. */
static int
receive(uint64_t *at)
{
	uint64_t index = 0;
	int v = gw_srtp_unprotect(rx, pk, &len, &index);

	if (v == GW_SRTP_OK) {
		ck_assert_uint_eq(len, CLEAR);
		for (size_t i = 0; i < PAYLOAD; i++)
			ck_assert_uint_eq(pk[12 + i], 0x47);
		if (at)
			*at = index;
	}
	return v;
}

static void
pass(uint32_t ssrc, uint32_t seq, uint64_t index)
{
	uint64_t at = 0;

	ck_assert_int_eq(send(ssrc, seq), GW_SRTP_OK);
	ck_assert_int_eq(receive(&at), GW_SRTP_OK);
	ck_assert_uint_eq(at, index);
}

START_TEST(vectors_are_bit_exact)
{
	json_t *j = vec_json("media/srtp.json"), *v;
	size_t i;

	json_array_foreach(json_object_get(j, "packets"), i, v) {
		uint8_t master[30], want[256];
		struct gw_srtp_key k = { .key = master, .salt = master + 16, .authenticated = true };
		uint64_t index;
		size_t n, rtp;

		unhex(json_string_value(json_object_get(v, "master_key")), master, 16);
		unhex(json_string_value(json_object_get(v, "master_salt")), master + 16, 14);
		k.mki_len = unhex(json_string_value(json_object_get(v, "mki")), k.mki, sizeof(k.mki));
		rtp = len = unhex(json_string_value(json_object_get(v, "rtp_packet")), pk, sizeof(pk));
		n = unhex(json_string_value(json_object_get(v, "srtp_packet")), want, sizeof(want));
		if (k.mki_len == 0) {	/* ours always has one; the tag does not cover it */
			memmove(want + n - 10 + 2, want + n - 10, 10);
			memcpy(want + n - 10, "\x12\x34", 2);
			memcpy(k.mki, "\x12\x34", k.mki_len = 2);
			n += 2;
		}
		ck_assert_int_eq(gw_srtp_tx_prepare(tx, &k, NULL), 0);
		gw_srtp_tx_switch(tx);
		ck_assert_int_eq(gw_srtp_rx_key(rx, &k, NULL), 0);
		ck_assert_int_eq(gw_srtp_protect(tx, 0, pk, &len), GW_SRTP_OK);
		ck_assert_uint_eq(len, n);
		ck_assert_mem_eq(pk, want, n);
		ck_assert_int_eq(gw_srtp_unprotect(rx, pk, &len, &index), GW_SRTP_OK);
		ck_assert_uint_eq(len, rtp);
	}
	ck_assert_uint_eq(i, 2);
	json_decref(j);
}
END_TEST

START_TEST(nothing_goes_out_before_a_key_and_after_it)
{
	struct gw_srtp_key k = key_of(1, true);

	ck_assert_int_eq(send(7, 1), GW_SRTP_NO_KEY);
	ck_assert_uint_eq(len, CLEAR);
	ck_assert_int_eq(gw_srtp_tx_prepare(tx, &k, NULL), 0);
	ck_assert_int_eq(send(7, 1), GW_SRTP_NO_KEY);	/* ready is not in force */
	gw_srtp_tx_switch(tx);
	ck_assert_int_eq(send(7, 1), GW_SRTP_OK);
	gw_srtp_tx_switch(tx);				/* nothing prepared */
	ck_assert_int_eq(send(7, 2), GW_SRTP_OK);
	gw_srtp_tx_forget(tx);
	ck_assert_int_eq(send(7, 3), GW_SRTP_NO_KEY);
}
END_TEST

START_TEST(only_rtp_is_touched)
{
	use_key(1, true);
	memset(pk, 0, sizeof(pk));
	len = 40;
	ck_assert_int_eq(gw_srtp_protect(tx, 0, pk, &len), GW_SRTP_NOT_RTP);	/* version 0 */
	pk[0] = 0x80;
	len = 11;
	ck_assert_int_eq(gw_srtp_protect(tx, 0, pk, &len), GW_SRTP_NOT_RTP);
	pk[0] = 0x8f;	/* fifteen CSRCs that are not there */
	len = 12;
	ck_assert_int_ne(gw_srtp_protect(tx, 0, pk, &len), GW_SRTP_OK);
}
END_TEST

START_TEST(roc_and_mki_over_key_changes)	/* _i: authenticated */
{
	uint32_t seq = 65000, roc;
	uint64_t index = seq;

	for (uint16_t cp = 1; cp <= 20; cp++) {		/* more than libsrtp2's 16 keys a stream */
		use_key(cp, _i);
		for (int n = 0; n < 10000; n += 997, seq += 997, index += 997) {
			size_t mki_len = 0;
			ck_assert_int_eq(send(7, seq & 0xffff), GW_SRTP_OK);
			ck_assert_uint_eq(len, CLEAR + 2u + (_i ? 10u : 0u));
			ck_assert_int_eq(pk[CLEAR] << 8 | pk[CLEAR + 1], cp);
			ck_assert_ptr_nonnull(gw_srtp_rx_mki(rx, pk, len, &mki_len));
			ck_assert_uint_eq(mki_len, 2);
			uint64_t at = 0;
			ck_assert_int_eq(receive(&at), GW_SRTP_OK);
			ck_assert_uint_eq(at, index);
		}
	}
	ck_assert_uint_eq(gw_srtp_tx_sources(tx, &roc), 1);
	ck_assert_uint_eq(roc, (index - 997) >> 16);
	ck_assert_uint_ge(roc, 4);
}
END_TEST

START_TEST(prepared_key_waits_for_its_switch)
{
	struct gw_srtp_key a = key_of(2, true), b = key_of(3, true);

	use_key(1, true);
	pass(7, 100, 100);
	ck_assert_int_eq(gw_srtp_tx_prepare(tx, &a, NULL), 0);
	ck_assert_int_eq(gw_srtp_tx_prepare(tx, &b, NULL), 0);	/* a newer plan */
	pass(7, 101, 101);
	ck_assert_int_eq(gw_srtp_rx_key(rx, &b, NULL), 0);
	gw_srtp_tx_switch(tx);
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
	ck_assert_int_eq(send(7, 65533), GW_SRTP_REPEAT);
	ck_assert_int_eq(send(7, 5), GW_SRTP_REPEAT);
	pass(7, 6, 65542);
	ck_assert_int_eq(receive(NULL), GW_SRTP_NO_KEY);	/* a clear packet has no MKI of ours */
}
END_TEST

START_TEST(replayed_packet_is_counted_not_shown)	/* _i: authenticated */
{
	uint8_t copy[256];

	use_key(1, _i);
	ck_assert_int_eq(send(7, 9), GW_SRTP_OK);
	size_t n = len;
	memcpy(copy, pk, n);
	ck_assert_int_eq(receive(NULL), GW_SRTP_OK);
	memcpy(pk, copy, len = n);
	ck_assert_int_eq(receive(NULL), GW_SRTP_REPEAT);
}
END_TEST

START_TEST(restarted_source_never_reuses_a_key_stream)	/* _i: where the sequence jumps to, in 10,000s */
{
	uint64_t at = 0;
	uint32_t to = (uint32_t)_i * 10000;

	use_key(1, true);
	for (uint32_t s = 0; s <= 40000; s += 500)
		pass(7, s, s);
	ck_assert_int_eq(send(7, to), GW_SRTP_OLD);		/* lost: one stray packet is no restart */
	pass(7, 40001, 40001);
	ck_assert_int_eq(send(7, to), GW_SRTP_OLD);
	ck_assert_int_eq(send(7, to + 1), GW_SRTP_OK);
	ck_assert_int_eq(receive(&at), GW_SRTP_OK);		/* the receiver finds it by authentication */
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
		if (send(7, seq & 0xffff) != GW_SRTP_OK)
			continue;
		uint64_t index = marks[0].highest;	/* the packet's own, if it is in front */
		if ((index & 0xffff) != (seq & 0xffff))
			index -= (uint16_t)(index - seq);
		ck_assert_uint_lt(index, sizeof(spent) * 8);
		ck_assert_msg(!(spent[index / 8] >> index % 8 & 1), "index %llu spent twice", (unsigned long long)index);
		spent[index / 8] |= (uint8_t)(1 << index % 8);
		uint64_t at = 0;
		ck_assert_int_eq(receive(&at), GW_SRTP_OK);
		ck_assert_uint_eq(at, index);
	}
}
END_TEST

START_TEST(marks_outlive_the_process)
{
	struct gw_srtp_key k = key_of(1, true);

	use_key(1, true);
	for (uint32_t s = 0; s <= 70000; s += 700)
		pass(7, s & 0xffff, s);
	gw_srtp_tx_free(tx);			/* kill -9: only the marks are left */
	ck_assert_ptr_nonnull(tx = gw_srtp_tx_new(marks, 4));
	use_key(1, true);			/* the running key again */
	ck_assert_int_eq(send(7, 70000 & 0xffff), GW_SRTP_REPEAT);
	pass(7, 70001 & 0xffff, 70001);		/* seamless */
	ck_assert_int_eq(send(7, 1), GW_SRTP_OLD);
	gw_srtp_tx_free(tx);
	ck_assert_ptr_nonnull(tx = gw_srtp_tx_new(marks, 4));
	k = key_of(2, true);
	ck_assert_int_eq(gw_srtp_tx_prepare(tx, &k, NULL), 0);
	gw_srtp_tx_switch(tx);
	ck_assert_int_eq(send(7, 60000), GW_SRTP_OK);	/* another key and a sequence that does not go on: as at the first start */
	ck_assert_uint_eq(marks[0].highest, 60000);
}
END_TEST

START_TEST(table_full_of_sources)
{
	use_key(1, true);
	for (uint32_t ssrc = 1; ssrc <= 4; ssrc++)
		pass(ssrc, 10, 10);
	ck_assert_int_eq(send(5, 10), GW_SRTP_FULL);	/* nobody's indices are forgotten under this key */
	use_key(2, true);
	pass(1, 11, 11);
	pass(5, 10, 10);
	ck_assert_int_eq(send(1, 11), GW_SRTP_REPEAT);
}
END_TEST

START_TEST(one_input_a_source)
{
	use_key(1, true);
	pass(7, 10, 10);
	ck_assert_int_eq(send(8, 500), GW_SRTP_OK);
	memset(pk, 0, 12);
	pk[0] = 0x80;
	pk[3] = 12;
	pk[11] = 7;
	len = CLEAR;
	ck_assert_int_eq(gw_srtp_protect(tx, 1, pk, &len), GW_SRTP_TAKEN);
	use_key(2, true);		/* it may move, but not within a key */
	ck_assert_int_eq(gw_srtp_protect(tx, 1, pk, &len), GW_SRTP_OK);
	ck_assert_int_eq(send(7, 13), GW_SRTP_TAKEN);
}
END_TEST

START_TEST(unknown_mki_and_wrong_key)
{
	struct gw_srtp_key wrong = key_of(9, true), right = key_of(2, true);

	use_key(1, true);
	pass(7, 1, 1);
	ck_assert_int_eq(gw_srtp_tx_prepare(tx, &right, NULL), 0);
	gw_srtp_tx_switch(tx);
	ck_assert_int_eq(send(7, 2), GW_SRTP_OK);
	ck_assert_int_eq(receive(NULL), GW_SRTP_NO_KEY);	/* never tried with the other key */
	memcpy(wrong.mki, right.mki, 2);
	ck_assert_int_eq(gw_srtp_rx_key(rx, &wrong, NULL), 0);
	for (uint32_t s = 3; s < 40; s++) {
		ck_assert_int_eq(send(7, s), GW_SRTP_OK);
		ck_assert_int_eq(receive(NULL), GW_SRTP_FORGED);
	}
	right = key_of(2, true);
	ck_assert_int_eq(gw_srtp_rx_key(rx, &right, NULL), 0);	/* replaces it */
	pass(7, 40, 40);
	ck_assert_int_eq(gw_srtp_rx_key(rx, &right, NULL), 0);	/* the same again: the session is kept */
	gw_srtp_rx_drop(rx, right.mki, 2);
	ck_assert_int_eq(send(7, 41), GW_SRTP_OK);
	ck_assert_int_eq(receive(NULL), GW_SRTP_NO_KEY);
}
END_TEST

START_TEST(late_joiner_finds_the_roc)	/* _i: the ROC */
{
	marks[0] = (struct gw_srtp_mark){ .ssrc = 7, .used = 1, .highest = (uint64_t)_i << 16 | 999, .window = 1 };
	gw_srtp_tx_free(tx);
	ck_assert_ptr_nonnull(tx = gw_srtp_tx_new(marks, 4));
	use_key(1, true);
	uint64_t at = 0;
	uint32_t seq = 1000;
	for (; seq < 2000; seq++) {
		ck_assert_int_eq(send(7, seq), GW_SRTP_OK);
		int v = receive(&at);
		if (v == GW_SRTP_OK)
			break;
		ck_assert_int_eq(v, GW_SRTP_FORGED);
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
	memset(marks, 0, sizeof(marks));
	gw_srtp_tx_free(tx);
	ck_assert_ptr_nonnull(tx = gw_srtp_tx_new(marks, 4));
	use_key(2, true);
	int lost = 0;
	for (uint32_t s = 5; lost < 40; s++, lost++) {
		ck_assert_int_eq(send(7, s), GW_SRTP_OK);
		if (receive(NULL) == GW_SRTP_OK)
			break;
	}
	ck_assert_int_lt(lost, 20);
}
END_TEST

START_TEST(key_table_is_bounded)
{
	for (uint16_t cp = 1; cp <= GW_SRTP_KEYS + 1; cp++) {
		struct gw_srtp_key k = key_of(cp, true);
		ck_assert_int_eq(gw_srtp_rx_key(rx, &k, NULL), 0);
	}
	struct gw_srtp_key k = key_of(1, true);
	ck_assert_int_eq(gw_srtp_tx_prepare(tx, &k, NULL), 0);
	gw_srtp_tx_switch(tx);
	ck_assert_int_eq(send(7, 1), GW_SRTP_OK);
	ck_assert_int_eq(receive(NULL), GW_SRTP_NO_KEY);	/* the oldest made room */
	k = key_of(2, true);
	ck_assert_int_eq(gw_srtp_tx_prepare(tx, &k, NULL), 0);
	gw_srtp_tx_switch(tx);
	pass(7, 2, 2);
	k.mki_len = 0;
	ck_assert_int_eq(gw_srtp_tx_prepare(tx, &k, NULL), -1);
	ck_assert_int_eq(gw_srtp_rx_key(rx, &k, NULL), -1);
	for (uint32_t ssrc = 100; ssrc < 100 + 2 * GW_SRTP_SOURCES; ssrc += 1) {	/* sources, too: the longest quiet goes */
		memset(marks, 0, sizeof(marks));
		gw_srtp_tx_free(tx);
		tx = gw_srtp_tx_new(marks, 4);
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
