/* tests/unit/test_kms_mikey.c: keys, sealing and opening of the Smartcard profile */
#include <string.h>
#include "kms/crypt.h"
#include "kms/mikey_stkm.h"
#include "tests/unit/mikey_vectors.h"

static const struct mikey_ids sek_ids = { .domain = { 0, 0xf1, 0x10 }, .key_group = 1, .key_number = 1 };

/* The SEK that V07 delivers: TEK IDs in (0, 1000]. */
static struct msk *
new_sek(void)
{
	json_t *v = vector("V07_ltkm_plain");
	uint8_t key[16], rand[16];
	struct msk *k;

	ck_assert_uint_eq(hex_of(v, "sek", key, 16), 16);
	ck_assert_uint_eq(hex_of(v, "rand", rand, 16), 16);
	ck_assert_ptr_nonnull(k = msk_new(&sek_ids, key, rand, 16, 0, 1000, NULL));
	return k;
}

START_TEST(prf_holds)
{
	json_t *c = json_array_get(json_object_get(vector("V05_mikey_prf"), "cases"), (size_t)_i);
	uint8_t key[64], label[64], want[64], got[64];
	size_t k = hex_of(c, "inkey", key, sizeof(key)), l = hex_of(c, "label", label, sizeof(label)), n = hex_of(c, "outkey", want, sizeof(want));

	ck_assert_int_eq(mikey_prf(key, k, label, l, got, n), 0);
	ck_assert_mem_eq(got, want, n);
}
END_TEST

static const char *const keyed[] = { "V06_mikey_psk_keys", "V07_ltkm_plain", "V10_ltkm_pek_ext_bcast_full", "V12_stkm_srtp",
	"V17_solicited_pull_group1" };

START_TEST(message_keys_hold)
{
	json_t *v = vector(keyed[_i]);
	uint8_t psk[32], rand[16], want[32];
	struct mikey_psk k;
	size_t n = hex_of(v, _i == 0 ? "SMK" : "pre_shared_key", psk, sizeof(psk));

	hex_of(v, "rand", rand, sizeof(rand));
	ck_assert_int_eq(mikey_psk_keys(psk, n, 0, rand, 16, &k), 0);
	ck_assert_mem_eq(k.encr, want, hex_of(v, "encr_key", want, sizeof(want)));
	ck_assert_mem_eq(k.auth, want, hex_of(v, "auth_key", want, sizeof(want)));
	ck_assert_mem_eq(k.salt, want, hex_of(v, "salt_key", want, sizeof(want)));
}
END_TEST

/* What makes each vector, beside key and salt: protection, EXT BCAST and the explicit identifier. */
static const struct { const char *name; uint8_t protocol; bool auth, ext; uint8_t par, lifetime; const char *id, *salt, *id_name; } made[] = {
	{ "V12_stkm_srtp",                    STKM_SRTP,     true,  false, 0, 0, "000100010001", "salt", NULL },
	{ "V13_stkm_srtp_ext_bcast",          STKM_SRTP,     true,  true,  3, 5, "0002",         "salt", "mki_explicit" },
	{ "V14_stkm_ipsec",                   STKM_IPSEC,    false, true,  3, 5, "80010003",     NULL,   "spi_explicit" },
	{ "V15_stkm_ipsec_auth_explicit_spi", STKM_IPSEC,    true,  true,  3, 5, "80010004",     "tas",  "spi_explicit" },
	{ "V16_stkm_ismacryp",                STKM_ISMACRYP, false, true,  2, 6, "05",           "salt", "key_indicator_explicit" },
};
enum { MADE = sizeof(made) / sizeof(made[0]) };

static struct tkm
cw_of(int i)
{
	json_t *v = vector(made[i].name);
	struct tkm t;
	uint8_t cw[48];
	size_t n = hex_of(v, "tek", cw, sizeof(cw));

	if (made[i].salt)
		n += hex_of(v, made[i].salt, cw + n, sizeof(cw) - n);
	ck_assert_int_eq(tkm_of_cw(&t, made[i].protocol, made[i].auth, cw, n), 0);
	return t;
}

START_TEST(vectors_are_sealed_bit_for_bit)
{
	json_t *v = vector(made[_i].name);
	uint8_t want[256], got[256], id[8], tek_id[2];
	size_t n = hex_of(v, "message", want, sizeof(want));
	struct mikey_management m = { .protection_after_reception = made[_i].par, .lifetime = made[_i].lifetime };
	struct msk *k = new_sek();
	struct tkm t = cw_of(_i);
	struct msk_plan plan = { .id = id, .id_len = made[_i].id_name ? hex_of(v, made[_i].id_name, id, sizeof(id)) : 0,
		.management = made[_i].ext ? &m : NULL };

	hex_of(v, "tek_id", tek_id, 2);
	plan.tek_id = (uint16_t)(tek_id[0] << 8 | tek_id[1]);
	for (int twice = 0; twice < 2; twice++) {
		ck_assert_uint_eq(msk_seal(k, &plan, &t, got, sizeof(got), NULL), n);
		ck_assert_mem_eq(got, want, n);
	}
	for (size_t cap = 0; cap < n; cap++)
		ck_assert_uint_eq(msk_seal(k, &plan, &t, got, cap, NULL), 0);
	msk_free(k);
}
END_TEST

START_TEST(vectors_open)
{
	uint8_t in[256], id[8];
	size_t n = hex_of(vector(made[_i].name), "message", in, sizeof(in));
	struct tkm t = cw_of(_i);
	struct msk *k = new_sek();
	struct msk_rx rx = { .keys = &k, .nkeys = 1, .protocol = STKM_SRTP, .authenticated = true };
	struct rx_keys got;

	ck_assert_int_eq(msk_receive(&rx, in, n, &got), RX_NEW);
	ck_assert_uint_eq(got.n, 1);
	ck_assert_ptr_eq(got.key[0].tkm.layout, t.layout);
	ck_assert_mem_eq(got.key[0].tkm.cw, t.cw, tkm_len(&t));
	ck_assert_uint_eq(got.key[0].id_len, unhex(made[_i].id, id, sizeof(id)));
	ck_assert_mem_eq(got.key[0].id, id, got.key[0].id_len);
	ck_assert_uint_eq(got.lifetime_s, made[_i].ext ? 1u << made[_i].lifetime : 0);
	ck_assert_int_eq(msk_receive(&rx, in, n, &got), RX_REPEAT);
	ck_assert_mem_eq(got.key[0].tkm.cw, t.cw, tkm_len(&t));
	msk_free(k);
}
END_TEST

START_TEST(no_bit_may_flip)
{
	uint8_t in[256];
	size_t n = hex_of(vector(made[_i].name), "message", in, sizeof(in));
	struct msk *k = new_sek();
	struct msk_rx rx = { .keys = &k, .nkeys = 1, .protocol = STKM_SRTP, .authenticated = true };
	struct rx_keys got;

	for (size_t bit = 0; bit < 8 * n; bit++) {
		in[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(msk_receive(&rx, in, n, &got), RX_REFUSED);
		ck_assert_uint_eq(got.n, 0);
		in[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < n; cut++)
		ck_assert_int_eq(msk_receive(&rx, in, cut, &got), RX_REFUSED);
	ck_assert_int_eq(msk_receive(&rx, in, n, &got), RX_NEW);
	msk_free(k);
}
END_TEST

/* V26, after V12 was accepted. The LTKM cases: an STKM receiver has no use for them. */
static const struct { const char *name; int result; enum rx_reason reason; } refused[] = {
	{ "ltkm_bad_mac",        RX_REFUSED, RX_MALFORMED },
	{ "ltkm_replayed",       RX_REFUSED, RX_MALFORMED },
	{ "ltkm_truncated",      RX_REFUSED, RX_MALFORMED },
	{ "stkm_replayed",       RX_REPEAT,  RX_FINE },
	{ "stkm_above_interval", RX_REFUSED, RX_ABOVE },
	{ "stkm_at_lower_limit", RX_REFUSED, RX_STALE },
	{ "stkm_wrong_sek",      RX_REFUSED, RX_BAD_MAC },
};

START_TEST(negative_vectors_are_refused_for_their_reason)
{
	uint8_t in[512];
	size_t n = hex_of(vector("V12_stkm_srtp"), "message", in, sizeof(in));
	json_t *c = json_array_get(json_object_get(vector("V26_negative"), "cases"), (size_t)_i);
	struct msk *k = new_sek();
	struct msk_rx rx = { .keys = &k, .nkeys = 1, .protocol = STKM_SRTP, .authenticated = true };
	struct rx_keys got;

	ck_assert_int_eq(msk_receive(&rx, in, n, &got), RX_NEW);
	ck_assert_str_eq(json_string_value(json_object_get(c, "name")), refused[_i].name);
	n = hex_of(c, "message", in, sizeof(in));
	ck_assert_int_eq(msk_receive(&rx, in, n, &got), refused[_i].result);
	ck_assert_str_eq(rx_reason_text(got.reason), rx_reason_text(refused[_i].reason));
	/* whatever it was, the stream goes on */
	n = hex_of(vector("V13_stkm_srtp_ext_bcast"), "message", in, sizeof(in));
	ck_assert_int_eq(msk_receive(&rx, in, n, &got), RX_NEW);
	msk_free(k);
}
END_TEST

/* The LTKM cases of V26 by their own keys: structure and MAC as the card would see them. */
START_TEST(negative_ltkms_parse_or_not_and_have_the_mac_or_not)
{
	static const struct { int parses; bool mac; } want[] = { { 0, false }, { 0, true }, { -1, false } };
	json_t *c = json_array_get(json_object_get(vector("V26_negative"), "cases"), (size_t)_i);
	uint8_t in[512], smk[32], mac[CRYPT_SHA1];
	size_t n = hex_of(c, "message", in, sizeof(in));
	enum mikey_fault why;
	struct mikey_psk k;
	struct mikey m;

	ck_assert_int_eq(mikey_decode(in, n, &m, &why), want[_i].parses);
	if (want[_i].parses < 0) {
		ck_assert_int_eq(why, MIKEY_TRUNCATED);
		return;
	}
	hex_of(vector("V06_mikey_psk_keys"), "SMK", smk, sizeof(smk));
	ck_assert_int_eq(mikey_psk_keys(smk, 32, m.csb_id, m.rand.p, m.rand.len, &k), 0);
	struct crypt_mac *ctx = crypt_mac_new(k.auth, sizeof(k.auth));
	ck_assert_int_eq(crypt_mac(ctx, in, m.mac_at, mac), 0);
	crypt_mac_free(ctx);
	ck_assert(want[_i].mac == (memcmp(mac, m.mac.p, sizeof(mac)) == 0));
}
END_TEST

START_TEST(counters_only_grow)
{
	struct msk *k = new_sek(), *sender = new_sek();
	struct msk_rx rx = { .keys = &k, .nkeys = 1, .protocol = STKM_SRTP, .authenticated = true };
	struct tkm t = cw_of(0);
	static const struct { uint16_t tek_id; int result; } steps[] = {
		{ 5, RX_NEW }, { 5, RX_REPEAT }, { 4, RX_REFUSED }, { 9, RX_NEW }, { 5, RX_REFUSED }, { 1000, RX_NEW }, { 1001, RX_REFUSED },
		{ 1000, RX_REPEAT }, { 0, RX_REFUSED },
	};
	struct rx_keys got;
	uint8_t msg[256];

	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		struct msk_plan plan = { .tek_id = steps[s].tek_id };
		size_t n = msk_seal(sender, &plan, &t, msg, sizeof(msg), NULL);
		ck_assert_int_eq(msk_receive(&rx, msg, n, &got), steps[s].result);
	}
	msk_free(k);
	msk_free(sender);
}
END_TEST

START_TEST(a_key_of_an_empty_interval_is_unusable)
{
	uint8_t in[256], key[16], rand[16];
	size_t n = hex_of(vector("V12_stkm_srtp"), "message", in, sizeof(in));
	json_t *v = vector("V07_ltkm_plain");
	struct rx_keys got;

	hex_of(v, "sek", key, 16);
	hex_of(v, "rand", rand, 16);
	struct msk *k = msk_new(&sek_ids, key, rand, 16, 1, 0, NULL);
	struct msk_rx rx = { .keys = &k, .nkeys = 1, .protocol = STKM_SRTP, .authenticated = true };
	ck_assert_int_eq(msk_receive(&rx, in, n, &got), RX_REFUSED);
	ck_assert_int_eq(got.reason, RX_NOT_VALID);
	rx.nkeys = 0;
	ck_assert_int_eq(msk_receive(&rx, in, n, &got), RX_REFUSED);
	ck_assert_int_eq(got.reason, RX_NO_KEY);
	msk_free(k);
}
END_TEST

/* A key update: what was accepted stays so; nothing passes below the new lower limit, not even once more. */
START_TEST(an_interval_is_replaced)
{
	static const struct { uint16_t lower, upper, tek_id; int result; enum rx_reason why; } steps[] = {
		{ 0, 10, 5, RX_NEW, RX_FINE }, { 0, 10, 11, RX_REFUSED, RX_ABOVE }, { 0, 20, 5, RX_REPEAT, RX_FINE }, { 0, 20, 11, RX_NEW, RX_FINE },
		{ 0, 20, 5, RX_REFUSED, RX_STALE }, { 11, 20, 11, RX_REPEAT, RX_FINE }, { 15, 20, 15, RX_REFUSED, RX_STALE },
		{ 15, 20, 16, RX_NEW, RX_FINE }, { 1, 0, 16, RX_REFUSED, RX_NOT_VALID }, { 0, 16, 16, RX_REPEAT, RX_FINE },
		{ 0, 15, 16, RX_REFUSED, RX_ABOVE },
	};
	struct msk *k = new_sek(), *sender = new_sek();
	struct msk_rx rx = { .keys = &k, .nkeys = 1, .protocol = STKM_SRTP, .authenticated = true };
	struct tkm t = cw_of(0);
	struct rx_keys got;
	uint8_t msg[256];
	uint16_t seqs;

	ck_assert_uint_eq(msk_counter(k, &seqs), 0);
	ck_assert_uint_eq(seqs, 0);
	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		struct msk_plan plan = { .tek_id = steps[s].tek_id };
		size_t n = msk_seal(sender, &plan, &t, msg, sizeof(msg), NULL);
		msk_interval(k, steps[s].lower, steps[s].upper);
		ck_assert_msg(msk_receive(&rx, msg, n, &got) == steps[s].result, "step %zu", s);
		ck_assert_int_eq(got.reason, steps[s].why);
	}
	ck_assert_uint_eq(msk_counter(k, &seqs), 16);
	ck_assert_uint_eq(seqs, 16);
	msk_interval(k, 18, 20);
	ck_assert_uint_eq(msk_counter(k, &seqs), 16);
	ck_assert_uint_eq(seqs, 18);
	msk_free(k);
	msk_free(sender);
}
END_TEST

START_TEST(counters_outlive_a_receiver)
{
	uint8_t in[256];
	size_t n = hex_of(vector("V13_stkm_srtp_ext_bcast"), "message", in, sizeof(in));
	struct msk *k = new_sek();
	struct msk_rx rx = { .keys = &k, .nkeys = 1, .protocol = STKM_SRTP, .authenticated = true };
	struct rx_keys got;

	msk_resume(k, 2, 2);
	ck_assert_int_eq(msk_receive(&rx, in, n, &got), RX_REPEAT);
	msk_resume(k, 3, 3);
	ck_assert_int_eq(msk_receive(&rx, in, n, &got), RX_REFUSED);
	msk_resume(k, 0, 0);
	ck_assert_int_eq(msk_receive(&rx, in, n, &got), RX_NEW);
	msk_free(k);
}
END_TEST

/* A sender that draws its own CSB ID and sends RAND: the message's values are used (2.2, 2.3). */
START_TEST(csb_id_and_rand_of_the_message_are_used)
{
	static const uint8_t rand[16] = { 9, 9, 9 }, plain[] = { 0, 0x30, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
		0, 14, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 };
	struct mikey_ids ids = sek_ids;
	uint8_t msg[256], key[16], iv[16] = { 0 }, *cipher;
	struct msk *k = new_sek();
	struct msk_rx rx = { .keys = &k, .nkeys = 1, .protocol = STKM_SRTP, .authenticated = true };
	struct mikey_writer w;
	struct mikey_psk p;
	struct rx_keys got;
	size_t mac_at;

	hex_of(vector("V07_ltkm_plain"), "sek", key, 16);
	ck_assert_int_eq(mikey_psk_keys(key, 16, 0x01020304, rand, 16, &p), 0);
	ids.has_tek = true;
	ids.tek_id = 7;
	mikey_begin(&w, msg, sizeof(msg), MIKEY_PSK, 0, 0x01020304);
	mikey_put_ids(&w, &ids);
	mikey_put_counter(&w, 7);
	mikey_put_rand(&w, rand, 16);
	cipher = mikey_put_kemac(&w, sizeof(plain), &mac_at);
	memcpy(iv, p.salt, 14);
	for (int b = 0; b < 4; b++)
		iv[2 + b] ^= (uint8_t)(b + 1);
	iv[13] ^= 7;
	EVP_CIPHER_CTX *ctr = crypt_aes_new(CRYPT_CTR, p.encr);
	struct crypt_mac *mac = crypt_mac_new(p.auth, sizeof(p.auth));
	ck_assert_int_eq(crypt_aes(ctr, iv, plain, sizeof(plain), cipher), 0);
	ck_assert_int_eq(crypt_mac(mac, msg, mac_at, msg + mac_at), 0);
	EVP_CIPHER_CTX_free(ctr);
	crypt_mac_free(mac);
	ck_assert_int_eq(msk_receive(&rx, msg, mikey_end(&w, NULL), &got), RX_NEW);
	ck_assert_mem_eq(tkm_tek(&got.key[0].tkm), plain + 4, 16);
	ck_assert_mem_eq(tkm_salt(&got.key[0].tkm), plain + 22, 14);
	msk_free(k);
}
END_TEST

START_TEST(tek_ids_follow_the_crypto_period)
{
	uint16_t id;
	struct msk *k = new_sek();

	ck_assert_int_eq(msk_tek_id(k, 1, 2, &id), 0);
	ck_assert_uint_eq(id, 2);
	ck_assert_int_eq(msk_tek_id(k, 65530, 4, &id), 0);	/* over the wrap */
	ck_assert_uint_eq(id, 11);
	ck_assert_int_eq(msk_tek_id(k, 0, 999, &id), 0);
	ck_assert_uint_eq(id, 1000);
	ck_assert_int_eq(msk_tek_id(k, 0, 1000, &id), -1);
	ck_assert_int_eq(msk_tek_id(k, 1, 0, &id), -1);		/* before first_cp is 65535 after it */
	msk_free(k);
}
END_TEST

START_TEST(identifiers_follow_the_rule_when_none_is_sent)
{
	const struct mikey_ids ids = { .key_group = 0x0102, .key_number = 0x0304 };
	uint8_t id[STKM_ID_MAX];

	ck_assert_uint_eq(msk_traffic_id(STKM_SRTP, &ids, 0x0506, 0, id), 6);
	ck_assert_mem_eq(id, "\1\2\3\4\5\6", 6);
	ck_assert_uint_eq(msk_traffic_id(STKM_IPSEC, &ids, 0x0506, 0, id), 4);
	ck_assert_mem_eq(id, "\3\4\5\6", 4);
	ck_assert_uint_eq(msk_traffic_id(STKM_ISMACRYP, &ids, 0x0506, 0, id), 1);
	ck_assert_mem_eq(id, "\6", 1);
	ck_assert_uint_eq(msk_traffic_id(STKM_ISMACRYP, &ids, 0x0506, 2, id), 2);
	ck_assert_mem_eq(id, "\5\6", 2);
	ck_assert_uint_eq(msk_traffic_id(STKM_TS, &ids, 1, 0, id), 0);
}
END_TEST

SUITE("kms_mikey", tcase_add_loop_test(t, prf_holds, 0, 6); tcase_add_loop_test(t, message_keys_hold, 0, 5);
      tcase_add_loop_test(t, vectors_are_sealed_bit_for_bit, 0, MADE); tcase_add_loop_test(t, vectors_open, 0, MADE);
      tcase_add_loop_test(t, no_bit_may_flip, 0, MADE); tcase_add_loop_test(t, negative_vectors_are_refused_for_their_reason, 0, 7);
      tcase_add_loop_test(t, negative_ltkms_parse_or_not_and_have_the_mac_or_not, 0, 3);
      tcase_add_test(t, counters_only_grow); tcase_add_test(t, an_interval_is_replaced); tcase_add_test(t, counters_outlive_a_receiver); tcase_add_test(t, a_key_of_an_empty_interval_is_unusable);
      tcase_add_test(t, csb_id_and_rand_of_the_message_are_used); tcase_add_test(t, tek_ids_follow_the_crypto_period);
      tcase_add_test(t, identifiers_follow_the_rule_when_none_is_sent))
