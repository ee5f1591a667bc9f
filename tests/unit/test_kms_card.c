/* tests/unit/test_kms_card.c: the card of a terminal of the Smartcard profile */
#include <string.h>
#include "kms/card.h"
#include "lib/hex.h"
#include "tests/unit/mikey_vectors.h"

static const char naf[] = "bsm.example.net", btid[] = "I1U8vpY3qJ0hiuZNrke/NQ==@bsf.mnc001.mcc001.pub.3gppnetwork.org";
static uint8_t smk[MIKEY_SMK];

struct message { uint8_t p[512]; size_t len; };

static struct message
message(const char *name)
{
	struct message m;

	m.len = hex_of(vector(name), "message", m.p, sizeof(m.p));
	return m;
}

static struct card *
new_card(void)
{
	struct card *c = card_new();

	ck_assert_ptr_nonnull(c);
	hex_of(vector("V06_mikey_psk_keys"), "SMK", smk, sizeof(smk));
	ck_assert_int_eq(card_smk(c, naf, btid, smk), 0);
	return c;
}

static enum ltkm_result
take(struct card *c, const char *name, struct card_news *news)
{
	struct message m = message(name);

	return card_take(c, m.p, m.len, news);
}

/* One STKM to all of the card's keys. */
static enum rx_result
stkm(struct card *c, const uint8_t *p, size_t len, struct rx_keys *got)
{
	struct msk_rx rx = { .protocol = STKM_SRTP, .authenticated = true };

	ck_assert_int_eq(card_lend(c, &rx), 0);
	return msk_receive(&rx, p, len, got);
}

/* A phone that is switched off and on: what was saved is all there is. */
static struct card *
restart(struct card *c)
{
	uint8_t state[CARD_STATE_MAX], again[CARD_STATE_MAX];
	size_t n = card_save(c, state, sizeof(state));
	struct card *d = card_new();
	struct gw_err err;

	ck_assert_uint_le(n, sizeof(state));
	ck_assert_int_eq(card_load(d, state, n, &err), 0);
	ck_assert_uint_eq(card_save(d, again, sizeof(again)), n);
	ck_assert_mem_eq(again, state, n);
	card_free(c);
	return d;
}

/* The LTKMs of the vectors by their counters, 1 to 7; as they come, and with a restart between any two. */
START_TEST(vectors_are_taken_in_order)
{
	static const struct { const char *name; enum ltkm_result r; enum card_change change; uint16_t group, number, lower, upper; bool answered;
		size_t keys; } steps[] = {
		{ "V07_ltkm_plain",                  LTKM_KEY,  CARD_NEW_KEY,   1, 1, 0, 1000,    true,  1 },
		{ "V09_ltkm_ext_bcast_min",          LTKM_KEY,  CARD_INTERVAL,  1, 1, 0, 1000,    false, 1 },
		{ "V10_ltkm_pek_ext_bcast_full",     LTKM_KEY,  CARD_NEW_KEY,   2, 1, 256, 0x1ff, true,  2 },
		{ "V11_ltkm_srtp_map_sp",            LTKM_KEY,  CARD_INTERVAL,  1, 1, 0, 1000,    true,  2 },
		{ "V17_solicited_pull_group1",       LTKM_PULL, CARD_UNCHANGED, 1, 0, 0, 0,       false, 2 },
		{ "V18_solicited_pull_register_all", LTKM_PULL, CARD_UNCHANGED, 0, 0, 0, 0,       false, 2 },
		{ "V27_ltkm_invalidate",             LTKM_KEY,  CARD_EXPIRED,   1, 1, 1, 0,       true,  2 },
	};
	struct message v08 = message("V08_ltkm_verification");
	struct card *c = new_card();
	struct card_key keys[4];
	struct card_news n;
	uint32_t counter;

	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		ck_assert_int_eq(take(c, steps[s].name, &n), steps[s].r);
		ck_assert_uint_eq(n.counter, s + 1);
		ck_assert_int_eq(card_counter(c, naf, btid, &counter), 0);
		ck_assert_uint_eq(counter, s + 1);
		ck_assert_int_eq(n.change, steps[s].change);
		ck_assert_uint_eq(n.ids.key_group, steps[s].group);
		ck_assert_uint_eq(n.ids.key_number, steps[s].number);
		ck_assert_uint_eq(n.lower, steps[s].lower);
		ck_assert_uint_eq(n.upper, steps[s].upper);
		ck_assert((n.len > 0) == steps[s].answered);
		ck_assert(!n.evicted && !n.again);
		if (s == 0) {
			ck_assert_uint_eq(n.len, v08.len);
			ck_assert_mem_eq(n.answer, v08.p, v08.len);
		}
		ck_assert_uint_eq(card_keys(c, keys, 4), steps[s].keys);
		c = _i ? restart(c) : c;
		ck_assert_int_eq(take(c, steps[s].name, &n), LTKM_STALE);
		ck_assert(n.again == steps[s].answered);
		if (s == 0)
			ck_assert_mem_eq(n.answer, v08.p, v08.len);
	}
	ck_assert_int_eq(take(c, "V07_ltkm_plain", &n), LTKM_STALE);
	ck_assert(!n.again && n.len == 0);	/* of long ago */
	card_free(c);
}
END_TEST

/* V26 with its state: V07 was taken and then V12; each case with its reason, before and after a restart. */
START_TEST(negative_vectors_are_refused_for_their_reason)
{
	static const struct { const char *name, *word; enum rx_result r; enum rx_reason why; } want[] = {
		{ "ltkm_bad_mac", "replayed", 0, 0 },	/* its counter is not even new; without V07 it is bad_mac */
		{ "ltkm_replayed", "replayed", 0, 0 }, { "ltkm_truncated", "truncated", 0, 0 },
		{ "stkm_replayed", NULL, RX_REPEAT, RX_FINE }, { "stkm_above_interval", NULL, RX_REFUSED, RX_ABOVE },
		{ "stkm_at_lower_limit", NULL, RX_REFUSED, RX_STALE }, { "stkm_wrong_sek", NULL, RX_REFUSED, RX_BAD_MAC },
	};
	int k = _i % 7;
	json_t *v = json_array_get(json_object_get(vector("V26_negative"), "cases"), (size_t)k);
	struct message v12 = message("V12_stkm_srtp"), v13 = message("V13_stkm_srtp_ext_bcast");
	uint8_t in[512], before[CARD_STATE_MAX], after[CARD_STATE_MAX];
	size_t n = hex_of(v, "message", in, sizeof(in)), len;
	struct card *c = new_card();
	struct card_news news;
	struct rx_keys got;

	ck_assert_str_eq(text_of(v, "name"), want[k].name);
	if (k == 0) {
		ck_assert_str_eq(ltkm_result_text(card_take(c, in, n, &news)), "bad_mac");
		ck_assert_uint_eq(news.err_no, 0);
		ck_assert_uint_eq(news.len, 0);
	}
	ck_assert_int_eq(take(c, "V07_ltkm_plain", &news), LTKM_KEY);
	ck_assert_int_eq(stkm(c, v12.p, v12.len, &got), RX_NEW);
	c = _i >= 7 ? restart(c) : c;
	len = card_save(c, before, sizeof(before));
	if (want[k].word)
		ck_assert_str_eq(ltkm_result_text(card_take(c, in, n, &news)), want[k].word);
	else {
		ck_assert_int_eq(stkm(c, in, n, &got), want[k].r);
		ck_assert_str_eq(rx_reason_text(got.reason), rx_reason_text(want[k].why));
	}
	ck_assert_uint_eq(card_save(c, after, sizeof(after)), len);
	ck_assert_mem_eq(after, before, len);	/* nothing moved */
	ck_assert_int_eq(stkm(c, v13.p, v13.len, &got), RX_NEW);
	card_free(c);
}
END_TEST

START_TEST(a_key_without_an_interval_opens_nothing)
{
	struct message v12 = message("V12_stkm_srtp");
	struct card *c = new_card();
	struct card_news news;
	struct rx_keys got;

	ck_assert_int_eq(stkm(c, v12.p, v12.len, &got), RX_REFUSED);
	ck_assert_int_eq(got.reason, RX_NO_KEY);
	ck_assert_int_eq(take(c, "V07_ltkm_plain", &news), LTKM_KEY);
	ck_assert_int_eq(stkm(c, v12.p, v12.len, &got), RX_NEW);
	ck_assert_int_eq(take(c, "V27_ltkm_invalidate", &news), LTKM_KEY);
	ck_assert_int_eq(stkm(c, v12.p, v12.len, &got), RX_REFUSED);
	ck_assert_int_eq(got.reason, RX_NOT_VALID);
	c = restart(c);
	ck_assert_int_eq(stkm(c, v12.p, v12.len, &got), RX_REFUSED);
	ck_assert_int_eq(got.reason, RX_NOT_VALID);
	card_forget(c);
	ck_assert_int_eq(stkm(c, v12.p, v12.len, &got), RX_REFUSED);
	ck_assert_int_eq(got.reason, RX_NO_KEY);
	card_free(c);
}
END_TEST

/* A BSM's LTKM: the next counter, a key made of its name. */
static enum ltkm_result
deliver(struct card *c, uint8_t domain, uint16_t group, uint16_t number, uint16_t lower, uint16_t upper, struct card_news *n)
{
	uint8_t key[16] = { domain, (uint8_t)group, (uint8_t)(number >> 8), (uint8_t)number }, msg[LTKM_MAX];
	const struct ltkm_peer who = { smk, naf, btid };
	struct ltkm_plan p = { .ids = { .domain = { domain }, .key_group = group, .key_number = number }, .rand = { 7 }, .verify = true, .key = key,
		.lower = lower, .upper = upper };

	ck_assert_int_eq(card_counter(c, naf, btid, &p.counter), 0);
	p.counter++;
	size_t len = ltkm_make(&who, &p, msg, sizeof(msg), NULL);
	enum ltkm_result r = card_take(c, msg, len, n);
	if (r == LTKM_KEY)
		ck_assert(ltkm_verified(&who, msg, len, n->answer, n->len));
	return r;
}

START_TEST(two_keys_of_a_group_and_the_lower_goes)
{
	static const struct { uint8_t domain; uint16_t group, number, gone; } steps[] = {
		{ 1, 1, 5, 0 }, { 1, 1, 6, 0 }, { 2, 1, 7, 0 }, { 1, 2, 8, 0 }, { 1, 1, 7, 5 }, { 1, 1, 7, 0 }, { 1, 1, 5, 6 }, { 1, 1, 8, 5 },
		{ 1, 3, 65534, 0 }, { 1, 3, 65535, 0 }, { 1, 3, 1, 65534 }, { 1, 3, 2, 65535 }, { 1, 3, 3, 1 },	/* over the wrap */
	};
	struct card *c = new_card();
	struct card_news n;

	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		ck_assert_int_eq(deliver(c, steps[s].domain, steps[s].group, steps[s].number, 0, 9, &n), LTKM_KEY);
		ck_assert_msg(n.evicted == (steps[s].gone != 0) && n.gone.key_number == steps[s].gone, "step %zu", s);
		c = s % 2 ? restart(c) : c;
	}
	ck_assert_uint_eq(card_keys(c, NULL, 0), 6);
	card_free(c);
}
END_TEST

START_TEST(the_oldest_goes_when_it_is_full)
{
	struct card *c = new_card();
	struct card_key keys[CARD_KEYS];
	struct card_news n;

	for (uint16_t g = 1; g <= CARD_KEYS + 2; g++) {
		ck_assert_int_eq(deliver(c, 0, g, 1, 0, 9, &n), LTKM_KEY);
		ck_assert(n.evicted == (g > CARD_KEYS));
	}
	c = restart(c);
	ck_assert_uint_eq(card_keys(c, keys, CARD_KEYS), CARD_KEYS);
	ck_assert_uint_eq(keys[0].ids.key_group, 3);
	card_free(c);
}
END_TEST

/* Key update under way: counters stay, a renewed interval counts, another key under the same name is another key. */
START_TEST(updates_keep_the_counters)
{
	struct message v12 = message("V12_stkm_srtp"), v13 = message("V13_stkm_srtp_ext_bcast");
	uint8_t key[16], msg[LTKM_MAX];
	const struct ltkm_peer who = { smk, naf, btid };
	struct ltkm_plan p = { .ids = { .domain = { 0, 0xf1, 0x10 }, .key_group = 1, .key_number = 1 }, .key = key, .upper = 1 };
	static const struct { uint16_t lower, upper; bool other; enum rx_result v12, v13; } steps[] = {
		{ 0, 1, false, RX_NEW, RX_REFUSED }, { 0, 2, false, RX_REPEAT, RX_NEW }, { 0, 9, false, RX_REFUSED, RX_REPEAT },
		{ 2, 9, false, RX_REFUSED, RX_REPEAT }, { 3, 9, false, RX_REFUSED, RX_REFUSED }, { 0, 9, false, RX_REFUSED, RX_REFUSED },
		{ 0, 9, true, RX_REFUSED, RX_REFUSED }, { 0, 9, false, RX_NEW, RX_NEW },
	};
	struct card *c = new_card();
	struct card_news n;
	struct rx_keys got;

	hex_of(vector("V07_ltkm_plain"), "sek", key, 16);
	hex_of(vector("V07_ltkm_plain"), "rand", p.rand, 16);
	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		p.counter++;
		p.lower = steps[s].lower;
		p.upper = steps[s].upper;
		key[0] = (uint8_t)(steps[s].other ? 0xee : 0x5e);
		ck_assert_int_eq(card_take(c, msg, ltkm_make(&who, &p, msg, sizeof(msg), NULL), &n), LTKM_KEY);
		ck_assert_uint_eq(n.len, 0);	/* V was 0 */
		ck_assert_msg(stkm(c, v12.p, v12.len, &got) == steps[s].v12, "step %zu", s);
		c = _i ? restart(c) : c;
		ck_assert_msg(stkm(c, v13.p, v13.len, &got) == steps[s].v13, "step %zu", s);
	}
	card_free(c);
}
END_TEST

START_TEST(smks_are_found_by_both_names)
{
	static const char *const nafs[] = { "a", "b", "c", "d", "e" };
	uint8_t other[MIKEY_SMK] = { 9 };
	char longer[CARD_NAME + 1];
	struct card *c = new_card();
	struct card_news n;
	uint32_t counter;

	ck_assert_int_eq(take(c, "V07_ltkm_plain", &n), LTKM_KEY);
	ck_assert_int_eq(card_smk(c, naf, btid, smk), 0);	/* the same again: its counter stays */
	ck_assert_int_eq(take(c, "V07_ltkm_plain", &n), LTKM_STALE);
	ck_assert_int_eq(card_smk(c, naf, btid, other), 0);
	ck_assert_int_eq(take(c, "V09_ltkm_ext_bcast_min", &n), LTKM_BAD_MAC);
	ck_assert_int_eq(card_smk(c, naf, btid, smk), 0);	/* another: from the beginning */
	ck_assert_int_eq(take(c, "V07_ltkm_plain", &n), LTKM_KEY);
	ck_assert_int_eq(card_set_counter(c, naf, btid, 100), 0);
	ck_assert_int_eq(take(c, "V27_ltkm_invalidate", &n), LTKM_STALE);
	ck_assert_int_eq(card_set_counter(c, "x", btid, 100), -1);
	for (size_t k = 0; k < CARD_SMKS; k++)
		ck_assert_int_eq(card_smk(c, nafs[k], btid, smk), 0);
	ck_assert_int_eq(card_counter(c, naf, btid, &counter), -1);	/* the first one went */
	ck_assert_int_eq(take(c, "V27_ltkm_invalidate", &n), LTKM_UNKNOWN_SMK);
	ck_assert_uint_eq(n.len, 0);
	c = restart(c);
	ck_assert_int_eq(card_counter(c, "d", btid, &counter), 0);
	memset(longer, 'x', sizeof(longer));
	longer[CARD_NAME] = '\0';
	ck_assert_int_eq(card_smk(c, longer, btid, smk), -1);
	ck_assert_int_eq(card_smk(c, naf, longer, smk), -1);
	longer[CARD_NAME - 1] = '\0';
	ck_assert_int_eq(card_smk(c, longer, longer, smk), 0);
	ck_assert_int_eq(card_smk(c, "", btid, smk), -1);
	ck_assert_int_eq(card_smk(c, naf, "", smk), -1);
	c = restart(c);
	card_free(c);
}
END_TEST

/* A state is taken whole or not at all; a card that refuses one is as it was. */
START_TEST(damaged_states_are_refused)
{
	uint8_t state[CARD_STATE_MAX], mine[CARD_STATE_MAX], now[CARD_STATE_MAX];
	struct card *c = new_card(), *d = card_new();
	struct card_news n;
	struct gw_err err;

	ck_assert_int_eq(take(c, "V07_ltkm_plain", &n), LTKM_KEY);
	ck_assert_int_eq(take(c, "V10_ltkm_pek_ext_bcast_full", &n), LTKM_KEY);
	size_t len = card_save(c, state, sizeof(state));
	ck_assert_uint_eq(card_save(c, now, len - 1), len);
	ck_assert_int_eq(card_smk(d, "n", "b", smk), 0);
	size_t m = card_save(d, mine, sizeof(mine));
	for (size_t cut = 0; cut < len; cut++)
		ck_assert_int_eq(card_load(d, state, cut, &err), -1);
	state[len] = 0;
	ck_assert_int_eq(card_load(d, state, len + 1, &err), -1);
	state[7] ^= 1;
	ck_assert_int_eq(card_load(d, state, len, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "version"));
	state[7] ^= 1;
	ck_assert_uint_eq(card_save(d, now, sizeof(now)), m);
	ck_assert_mem_eq(now, mine, m);
	ck_assert_int_eq(card_load(d, state, len, &err), 0);
	ck_assert_int_eq(take(d, "V07_ltkm_plain", &n), LTKM_STALE);
	card_free(c);
	card_free(d);
}
END_TEST

SUITE("kms_card", tcase_add_loop_test(t, vectors_are_taken_in_order, 0, 2);
      tcase_add_loop_test(t, negative_vectors_are_refused_for_their_reason, 0, 14); tcase_add_test(t, a_key_without_an_interval_opens_nothing);
      tcase_add_test(t, two_keys_of_a_group_and_the_lower_goes); tcase_add_test(t, the_oldest_goes_when_it_is_full);
      tcase_add_loop_test(t, updates_keep_the_counters, 0, 2); tcase_add_test(t, smks_are_found_by_both_names);
      tcase_add_test(t, damaged_states_are_refused))
