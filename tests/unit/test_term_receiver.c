/* tests/unit/test_term_receiver.c: the lab receiver's engine: key changes, late joins, loss, wrong keys, replays */
#include "terminal/receiver.h"
#include <string.h>
#include "lib/secret.h"
#include "lib/srtp.h"
#include "tests/suite.h"

enum { S = 1000000, TS = 188 };
static struct gw_srtp_mark marks[4];
static struct gw_srtp_tx *tx;
static struct receiver *r;
static _Alignas(8) uint8_t pk[2048];
static size_t len;
static bool authenticated;
static uint32_t lifetime_s;
static uint16_t newest;		/* CP of the newest STKM our opener took */

static void
master_of(uint16_t cp, uint8_t m[30])
{
	memset(m, 0x55, 30);
	m[3] = (uint8_t)(cp >> 8);
	m[4] = (uint8_t)cp;
}

static void
put_key(struct rx_key *k, uint16_t cp)
{
	uint8_t cw[30];

	master_of(cp, cw);
	k->id[0] = (uint8_t)(cp >> 8);
	k->id[1] = (uint8_t)cp;
	k->id_len = 2;
	ck_assert_int_eq(tkm_of_cw(&k->tkm, STKM_SRTP, authenticated, cw, sizeof(cw)), 0);
}

/* Our STKM: CP (2), 1 if the next key is in it, 1 if the key is a wrong one. Newer than the newest, equal, or refused as stale. */
static enum rx_result
opener(void *self, const void *stkm, size_t n, int64_t utc_s, struct rx_keys *out)
{
	const uint8_t *p = stkm;

	(void)self;
	(void)utc_s;
	*out = (struct rx_keys){ .lifetime_s = lifetime_s };
	if (n != 4)
		return rx_refuse(out, RX_MALFORMED);
	uint16_t cp = (uint16_t)(p[0] << 8 | p[1]);
	if (cp < newest)
		return rx_refuse(out, RX_STALE);
	out->n = 1 + p[2];
	put_key(&out->key[0], cp);
	if (p[3])
		put_key(&out->key[0], (uint16_t)(cp + 1000)), out->key[0].id[0] = p[0], out->key[0].id[1] = p[1];
	if (p[2])
		put_key(&out->key[1], (uint16_t)(cp + 1));
	if (cp == newest)
		return RX_REPEAT;
	newest = cp;
	return RX_NEW;
}

static enum rx_result
stkm(uint16_t cp, bool next, int64_t at)
{
	const uint8_t m[4] = { (uint8_t)(cp >> 8), (uint8_t)cp, next };
	enum rx_reason why;

	return receiver_stkm(r, m, sizeof(m), 0, at, &why);
}

static void
up(void)
{
	ck_assert_int_eq(gw_srtp_init(NULL), 0);
	memset(marks, 0, sizeof(marks));
	tx = gw_srtp_tx_new(marks, 4);
	r = receiver_new(2, opener, NULL);
	authenticated = true;
	lifetime_s = 16;
	newest = 0;
}

static void
down(void)
{
	gw_srtp_tx_free(tx);
	receiver_free(r);
	gw_srtp_fini();
}

static void
scramble_with(uint16_t cp)
{
	uint8_t m[30];
	struct gw_srtp_key k = { .mki = { (uint8_t)(cp >> 8), (uint8_t)cp }, .mki_len = 2, .key = m, .salt = m + 16, .authenticated = authenticated };

	master_of(cp, m);
	ck_assert_int_eq(gw_srtp_tx_prepare(tx, &k, NULL), 0);
	gw_srtp_tx_switch(tx);
}

/* A scrambled packet of two TS packets in pk. */
static void
make(uint32_t seq)
{
	memset(pk, 0, sizeof(pk));
	pk[0] = 0x80;
	pk[1] = 33;
	pk[2] = (uint8_t)(seq >> 8);
	pk[3] = (uint8_t)seq;
	pk[11] = 7;
	pk[12] = pk[12 + TS] = 0x47;
	len = 12 + 2 * TS;
	ck_assert_int_eq(gw_srtp_protect(tx, 0, pk, &len), GW_SRTP_OK);
}

static bool
packet(uint32_t seq, int64_t at)
{
	make(seq & 0xffff);
	bool clear = receiver_packet(r, 0, pk, &len, at);
	if (clear) {
		ck_assert_uint_eq(len, 12 + 2 * TS);
		ck_assert_uint_eq(pk[12], 0x47);
	}
	return clear;
}

static struct receiver_counts
counts(void)
{
	struct receiver_counts c;

	receiver_counts(r, &c);
	return c;
}

START_TEST(nothing_is_lost_at_key_changes)	/* _i: bit 0 the STKM has the next key, too; bit 1 authenticated */
{
	uint32_t seq = 65000;
	int64_t t = 0;

	authenticated = _i & 2;
	for (uint16_t cp = 1; cp <= 12; cp++) {
		for (int half = 0; half < 200; half++, t += 50000, seq++) {	/* 10 s, a packet each 50 ms */
			uint16_t on_air = (uint16_t)(half >= 160 ? cp + 1 : cp);	/* 2 s ahead of the switch */
			if (half % 10 == 0)
				ck_assert_int_ne(stkm(on_air, _i & 1, t), RX_REFUSED);
			if (half == 0)
				scramble_with(cp);
			ck_assert_msg(packet(seq, t), "cp %u packet %d", cp, half);
		}
	}
	struct receiver_counts c = counts();
	ck_assert_uint_eq(c.packets, 2400);
	ck_assert_uint_eq(c.crypto_periods, 12);
	ck_assert_uint_eq(c.lost + c.undecryptable + c.waiting + c.repeated, 0);
	ck_assert_uint_eq(c.accepted, 13);
	ck_assert_uint_eq(c.stkm, c.accepted + c.repeats);
	ck_assert_uint_le(receiver_keys(r), 4);
}
END_TEST

START_TEST(waits_for_the_first_stkm)
{
	scramble_with(1);
	ck_assert(!packet(1, 0));
	ck_assert(!packet(2, 0));
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	ck_assert(packet(3, 0));
	struct receiver_counts c = counts();
	ck_assert_uint_eq(c.waiting, 2);
	ck_assert_uint_eq(c.packets, 1);
	ck_assert_uint_eq(c.lost + c.undecryptable, 0);
}
END_TEST

START_TEST(joins_in_the_overlap)	/* the STKM on air is already that of the next CP */
{
	scramble_with(1);
	ck_assert_int_eq(stkm(2, false, 0), RX_NEW);
	ck_assert(!packet(1, S));
	scramble_with(2);
	ck_assert(packet(2, 2 * S));
	ck_assert_uint_eq(counts().waiting, 1);
	ck_assert_uint_eq(counts().undecryptable, 0);
	scramble_with(9);
	ck_assert(!packet(3, 3 * S));		/* tuned in: now it is a fault */
	ck_assert_uint_eq(counts().undecryptable, 1);
}
END_TEST

START_TEST(waits_no_longer_than_an_overlap)
{
	scramble_with(1);
	ck_assert_int_eq(stkm(2, false, 0), RX_NEW);
	ck_assert(!packet(1, RECEIVER_TUNE_IN_US));
	ck_assert_uint_eq(counts().undecryptable, 1);
}
END_TEST

START_TEST(joins_late_in_the_service)
{
	marks[0] = (struct gw_srtp_mark){ .ssrc = 7, .used = 1, .highest = 200 << 16, .window = 1 };
	gw_srtp_tx_free(tx);
	ck_assert_ptr_nonnull(tx = gw_srtp_tx_new(marks, 4));
	scramble_with(1);
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	for (uint32_t s = 1; s < 10; s++)
		ck_assert(packet(s, 0));
	ck_assert_uint_eq(marks[0].highest, (200 << 16) + 9);
	ck_assert_uint_eq(counts().undecryptable, 0);
}
END_TEST

START_TEST(lost_reordered_and_repeated_packets)
{
	uint8_t copy[2048];
	size_t n;

	scramble_with(1);
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	ck_assert(packet(65534, 0));
	ck_assert(packet(65535, 0));
	make(0);			/* lost */
	make(1);			/* late */
	memcpy(copy, pk, n = len);
	ck_assert(packet(2, 0));
	ck_assert_uint_eq(counts().lost, 2);
	memcpy(pk, copy, len = n);
	ck_assert(receiver_packet(r, 0, pk, &len, 0));
	ck_assert_uint_eq(counts().lost, 1);
	memcpy(pk, copy, len = n);
	ck_assert(!receiver_packet(r, 0, pk, &len, 0));
	ck_assert_uint_eq(counts().repeated, 1);
	ck_assert_uint_eq(counts().packets, 4);
	ck_assert_uint_eq(counts().undecryptable, 0);
}
END_TEST

START_TEST(a_restarted_source_is_no_loss)
{
	scramble_with(1);
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	for (uint32_t s = 30000; s < 30010; s++)
		ck_assert(packet(s, 0));
	make(30010);			/* one is lost before the restart */
	ck_assert(packet(30011, 0));
	memset(pk, 0, 12);
	pk[0] = 0x80;
	pk[1] = 33;
	pk[11] = 7;
	len = 12 + TS;
	ck_assert_int_eq(gw_srtp_protect(tx, 0, pk, &len), GW_SRTP_OLD);	/* the scrambler makes sure */
	for (uint32_t s = 1; s < 10; s++)
		ck_assert(packet(s, 0));
	ck_assert_uint_eq(counts().lost, 1);
	ck_assert_uint_eq(counts().undecryptable, 0);
}
END_TEST

START_TEST(wrong_key_and_changed_packet)
{
	const uint8_t wrong[4] = { 0, 1, 0, 1 };
	enum rx_reason why;

	scramble_with(1);
	ck_assert_int_eq(receiver_stkm(r, wrong, 4, 0, 0, &why), RX_NEW);
	for (uint32_t s = 1; s < 5; s++)
		ck_assert(!packet(s, 0));
	ck_assert_uint_eq(counts().undecryptable, 4);
	ck_assert_int_eq(stkm(2, false, 0), RX_NEW);
	scramble_with(2);
	ck_assert(packet(5, 0));
	make(6);
	pk[40] ^= 1;
	ck_assert(!receiver_packet(r, 0, pk, &len, 0));
	ck_assert_uint_eq(counts().undecryptable, 5);
	ck_assert(packet(7, 0));
	ck_assert_uint_eq(counts().lost, 1);
	memset(pk, 0, len = 5);
	ck_assert(!receiver_packet(r, 0, pk, &len, 0));
	ck_assert_uint_eq(counts().undecryptable, 6);
}
END_TEST

START_TEST(garbage_without_authentication_is_seen)
{
	const uint8_t wrong[4] = { 0, 1, 0, 1 };
	enum rx_reason why;

	authenticated = false;
	scramble_with(1);
	ck_assert_int_eq(receiver_stkm(r, wrong, 4, 0, 0, &why), RX_NEW);
	ck_assert(!packet(1, 0));
	ck_assert_uint_eq(counts().undecryptable, 1);
	ck_assert_uint_eq(counts().packets, 0);
}
END_TEST

START_TEST(replayed_and_broken_stkms_change_nothing)
{
	enum rx_reason why;

	scramble_with(2);
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	ck_assert_int_eq(stkm(2, false, 0), RX_NEW);
	ck_assert_int_eq(stkm(1, false, 5 * S), RX_REFUSED);
	ck_assert_int_eq(receiver_stkm(r, "x", 1, 0, 0, &why), RX_REFUSED);
	ck_assert_int_eq(why, RX_MALFORMED);
	ck_assert(packet(1, 5 * S));
	ck_assert_uint_eq(receiver_keys(r), 2);
	receiver_tick(r, 16 * S);		/* the replay did not lengthen a life */
	ck_assert_uint_eq(receiver_keys(r), 0);
	struct receiver_counts c = counts();
	ck_assert_uint_eq(c.refused[RX_STALE], 1);
	ck_assert_uint_eq(c.refused[RX_MALFORMED], 1);
	ck_assert_uint_eq(c.stkm, 4);
}
END_TEST

START_TEST(repeats_keep_a_key_alive)
{
	scramble_with(1);
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	for (int64_t t = 0; t < 600 * (int64_t)S; t += 5 * S) {		/* the crypto-period is extended */
		ck_assert_int_eq(stkm(1, false, t), RX_REPEAT);
		ck_assert(packet((uint32_t)(t / S) + 1, t));
	}
	receiver_tick(r, 595 * (int64_t)S + 16 * S - 1);
	ck_assert_uint_eq(receiver_keys(r), 1);
	receiver_tick(r, 595 * (int64_t)S + 16 * S);
	ck_assert_uint_eq(receiver_keys(r), 0);
	ck_assert(!packet(700, 700 * (int64_t)S));
	ck_assert_uint_eq(counts().undecryptable, 1);
	ck_assert_int_eq(stkm(1, false, 700 * (int64_t)S), RX_REPEAT);	/* after a silence: the same message, its key is taken again */
	ck_assert(packet(701, 700 * (int64_t)S));
}
END_TEST

START_TEST(without_a_lifetime_two_further_identifiers)
{
	lifetime_s = 0;
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	ck_assert_int_eq(stkm(2, false, 0), RX_NEW);
	receiver_tick(r, INT64_C(1) << 50);
	ck_assert_uint_eq(receiver_keys(r), 2);
	ck_assert_int_eq(stkm(3, false, 0), RX_NEW);
	ck_assert_uint_eq(receiver_keys(r), 2);
	scramble_with(1);
	ck_assert(!packet(1, RECEIVER_TUNE_IN_US));
	scramble_with(2);
	ck_assert(packet(2, 0));
}
END_TEST

START_TEST(what_is_on_air_is_kept_without_a_lifetime)
{
	lifetime_s = 0;
	ck_assert_int_eq(stkm(1, false, 0), RX_NEW);
	ck_assert_int_eq(stkm(2, false, 0), RX_NEW);
	scramble_with(1);
	ck_assert(packet(1, 0));
	ck_assert_int_eq(stkm(3, false, 0), RX_NEW);	/* on air a crypto-period early: the scrambler is about to change to 2 */
	ck_assert(packet(2, 0));
	scramble_with(2);
	ck_assert(packet(3, 0));
	receiver_tick(r, 0);
	ck_assert_uint_eq(receiver_keys(r), 2);
}
END_TEST

SUITE("term_receiver", tcase_add_checked_fixture(t, up, down);
      tcase_add_loop_test(t, nothing_is_lost_at_key_changes, 0, 4); tcase_add_test(t, waits_for_the_first_stkm);
      tcase_add_test(t, joins_in_the_overlap); tcase_add_test(t, waits_no_longer_than_an_overlap);
      tcase_add_test(t, joins_late_in_the_service); tcase_add_test(t, lost_reordered_and_repeated_packets);
      tcase_add_test(t, a_restarted_source_is_no_loss); tcase_add_test(t, wrong_key_and_changed_packet);
      tcase_add_test(t, garbage_without_authentication_is_seen); tcase_add_test(t, replayed_and_broken_stkms_change_nothing);
      tcase_add_test(t, repeats_keep_a_key_alive); tcase_add_test(t, without_a_lifetime_two_further_identifiers);
      tcase_add_test(t, what_is_on_air_is_kept_without_a_lifetime))
