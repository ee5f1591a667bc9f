/* tests/unit/test_lib_burst.c: bursts: public vectors, and the same bytes by every means as by OpenSSL's EVP and HMAC(), nothing else touched */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include "lib/burst.h"
#include "tests/suite.h"

static const enum gw_burst_by means[] = { GW_BURST_OPENSSL, GW_BURST_AUTO };	/* AUTO: intel-ipsec-mb where there is one */
enum { MEANS = 2 };

static struct gw_burst *
burst(enum gw_burst_by by)
{
	struct gw_err err = { 0 };
	struct gw_burst *b = gw_burst_new(by, &err);

	ck_assert_msg(b != NULL, "%s", err.text);
	return b;
}

/* ---- an independent hand ------------------------------------------------------------------------------------------------------- */

static void
evp(const EVP_CIPHER *cipher, const uint8_t *key, const uint8_t *iv, unsigned skip, uint8_t *p, size_t len)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t none[16] = { 0 };
	int n;

	ck_assert_int_eq(EVP_EncryptInit_ex(c, cipher, NULL, key, iv), 1);
	EVP_CIPHER_CTX_set_padding(c, 0);
	ck_assert_int_eq(EVP_EncryptUpdate(c, none, &n, none, (int)skip), 1);
	if (len > 0)
		ck_assert_int_eq(EVP_EncryptUpdate(c, p, &n, p, (int)len), 1);
	EVP_CIPHER_CTX_free(c);
}

static void
hmac(const uint8_t *key, size_t key_len, const uint8_t *p, size_t len, uint8_t out[GW_SHA1])
{
	unsigned n = 0;

	ck_assert_ptr_nonnull(HMAC(EVP_sha1(), key, (int)key_len, p, len, out, &n));
	ck_assert_uint_eq(n, GW_SHA1);
}

/* ---- the public vectors -------------------------------------------------------------------------------------------------------- */

START_TEST(self_test_holds)
{
	struct gw_err err = { 0 };

	ck_assert_msg(gw_burst_self_test(&err) == 0, "%s", err.text);
}
END_TEST

static size_t
field(json_t *v, const char *name, uint8_t *out, size_t cap)
{
	json_t *s = json_object_get(v, name);

	return s ? unhex(json_string_value(s), out, cap) : 0;
}

static int
vector(json_t *v, enum gw_burst_by by, size_t copies)
{
	const char *algorithm = json_string_value(json_object_get(v, "algorithm"));
	static uint8_t key[128], iv[16], in[128], want[128], at[70][128], tag[70][GW_SHA1];
	size_t k = field(v, "key", key, sizeof(key)), w = field(v, "expected", want, sizeof(want)), n;
	bool ctr = strcmp(algorithm, "AES-128-CTR") == 0, cbc = strcmp(algorithm, "AES-128-CBC") == 0;
	struct gw_burst *b;
	struct gw_aes aes;
	struct gw_hmac mac;

	if (!ctr && !cbc && strcmp(algorithm, "HMAC-SHA1") != 0)
		return 0;
	n = field(v, ctr || cbc ? "plaintext" : "data", in, sizeof(in));
	field(v, ctr ? "initial_counter" : "iv", iv, sizeof(iv));
	gw_aes_init(&aes, key);
	gw_hmac_init(&mac, key, k);
	b = burst(by);
	for (size_t i = 0; i < copies; i++) {
		memcpy(at[i], in, n);
		if (ctr)
			gw_burst_ctr(b, &aes, iv, 0, at[i], n);
		else if (cbc)
			gw_burst_cbc(b, &aes, iv, at[i], n);
		else
			gw_burst_mac(b, &mac, at[i], n, tag[i], GW_SHA1, NULL, NULL, 0);
	}
	gw_burst_run(b);
	for (size_t i = 0; i < copies; i++)
		ck_assert_mem_eq(ctr || cbc ? at[i] : tag[i], want, w);
	if (cbc) {
		gw_cbc_open(&aes, iv, at[0], n);
		ck_assert_mem_eq(at[0], in, n);
	} else if (ctr) {
		gw_ctr_once(&aes, iv, 0, at[0], n);
		ck_assert_mem_eq(at[0], in, n);
	}
	gw_burst_free(b);
	return 1;
}

START_TEST(public_vectors_hold)	/* _i: the means */
{
	json_t *j = vec_json("bcast/crypto-vectors.json"), *v;
	int ran = 0;
	size_t k;

	json_array_foreach(json_object_get(j, "vectors"), k, v) {
		ran += vector(v, means[_i], 1);
		vector(v, means[_i], 70);
	}
	ck_assert_int_eq(ran, 5 + 4 + 7);	/* CBC, CTR, HMAC-SHA1 */
	json_decref(j);
}
END_TEST

START_TEST(one_block_is_ecb)
{
	json_t *j = vec_json("bcast/crypto-vectors.json"), *v;
	uint8_t key[16], in[64], want[64], out[16];
	struct gw_aes aes;
	size_t k;

	json_array_foreach(json_object_get(j, "vectors"), k, v) {
		if (strcmp(json_string_value(json_object_get(v, "algorithm")), "AES-128-ECB") != 0)
			continue;
		field(v, "key", key, sizeof(key));
		gw_aes_init(&aes, key);
		ck_assert_uint_eq(field(v, "plaintext", in, sizeof(in)), 64);
		field(v, "expected", want, sizeof(want));
		for (int i = 0; i < 64; i += 16) {
			gw_aes_block(&aes, in + i, out);
			ck_assert_mem_eq(out, want + i, 16);
		}
	}
	json_decref(j);
}
END_TEST

/* ---- whatever is asked for, in any mixture ------------------------------------------------------------------------------------------ */

enum { KEYS = 9, GUARD = 48, LONGEST = 9216, PACKETS = 700, ARENA = 3 << 20 };

static struct pool {
	struct gw_aes aes[KEYS];
	struct gw_hmac mac[KEYS];
	uint8_t hmac_key[KEYS][80];
	size_t hmac_len[KEYS];
} pool;

static uint64_t
rnd(uint64_t *s)
{
	*s ^= *s << 13, *s ^= *s >> 7, *s ^= *s << 17;
	return *s;
}

static size_t
below(uint64_t *s, size_t n)
{
	return (size_t)(rnd(s) >> 16) % n;
}

static void
fill(uint64_t *s, uint8_t *p, size_t len)
{
	while (len-- > 0)
		*p++ = (uint8_t)(rnd(s) >> 24);
}

static void
pool_fill(uint64_t *s)
{
	uint8_t key[16];

	for (int i = 0; i < KEYS; i++) {
		fill(s, key, sizeof(key));
		gw_aes_init(&pool.aes[i], key);
		pool.hmac_len[i] = below(s, sizeof(pool.hmac_key[i]) + 1);
		fill(s, pool.hmac_key[i], pool.hmac_len[i]);
		gw_hmac_init(&pool.mac[i], pool.hmac_key[i], pool.hmac_len[i]);
	}
}

static void
random_iv(uint64_t *s, uint8_t iv[16])
{
	fill(s, iv, 16);
	if (below(s, 4) == 0) {	/* a counter that is about to carry, sometimes far */
		memset(iv + 4 + below(s, 9), 0xff, 4);
		memset(iv + 12, 0xff, 3);
		iv[15] = (uint8_t)(0xff - below(s, 100));
	}
}

static size_t
random_len(uint64_t *s)
{
	switch (below(s, 8)) {
	case 0: return below(s, 33);
	case 1: return below(s, LONGEST + 1);
	case 2: return 1316 + below(s, 32);
	default: return below(s, 300);
	}
}

static struct gw_burst *under_test;	/* NULL: the independent hand does it */

static void
do_ctr(int key, const uint8_t *iv, unsigned skip, uint8_t *p, size_t len)
{
	if (under_test)
		gw_burst_ctr(under_test, &pool.aes[key], iv, skip, p, len);
	else
		evp(EVP_aes_128_ctr(), pool.aes[key].key, iv, skip, p, len);
}

static void
do_cbc(int key, const uint8_t *iv, uint8_t *p, size_t len)
{
	if (under_test)
		gw_burst_cbc(under_test, &pool.aes[key], iv, p, len);
	else
		evp(EVP_aes_128_cbc(), pool.aes[key].key, iv, 0, p, len);
}

static void
do_mac(int key, const uint8_t *p, size_t len, uint8_t *tag, size_t tag_len, uint8_t *patch_at, const uint8_t *patch, size_t patch_len)
{
	uint8_t out[GW_SHA1];

	if (under_test) {
		gw_burst_mac(under_test, &pool.mac[key], p, len, tag, tag_len, patch_at, patch, patch_len);
		return;
	}
	hmac(pool.hmac_key[key], pool.hmac_len[key], p, len, out);
	memcpy(tag, out, tag_len);
	memcpy(patch_at, patch, patch_len);
}

/*
 * A packet at p, and room behind it: octets that it takes. 12 octets in clear, one or two runs of cipher (the second goes on where the first
 * ends, within a block), then 0..8 that are hashed and patched, then the tag.
 */
static size_t
random_packet(uint64_t *s, uint8_t *p)
{
	size_t len = random_len(s), first = below(s, len + 1), patch_len = below(s, 9), tag_len = 1 + below(s, 20);
	int aes = (int)below(s, KEYS), mac = (int)below(s, KEYS);
	unsigned what = (unsigned)below(s, 5), skip = (unsigned)below(s, 16);
	uint8_t iv[16], other[16], patch[8], *end;

	random_iv(s, iv);
	random_iv(s, other);
	fill(s, patch, sizeof(patch));
	if (what == 2 || what == 3)
		len = len / 16 * 16;
	end = p + 12 + len;
	if (what == 0)
		do_ctr(aes, iv, 0, p + 12, len);
	else if (what == 1) {
		do_ctr(aes, iv, skip, p + 12, first);
		do_ctr(aes, other, (unsigned)below(s, 16), p + 12 + first, len - first);
	} else if (what != 4)
		do_cbc(aes, iv, p + 12, len);
	if (what != 3)
		do_mac(mac, p, (size_t)(end - p) + patch_len, end + patch_len, tag_len, end, patch, patch_len);
	memset(iv, 0, sizeof(iv));	/* they were copied */
	memset(patch, 0, sizeof(patch));
	return (size_t)(end - p) + patch_len + tag_len;
}

static void
random_packets(uint64_t seed, size_t n, uint8_t *arena)
{
	uint8_t *p = arena + GUARD;

	for (size_t i = 0; i < n && p < arena + ARENA - LONGEST - 2 * GUARD - 64; i++)
		p += random_packet(&seed, p) + below(&seed, GUARD);
}

START_TEST(random_mixtures_are_right)	/* _i: seed; its lowest bit: the means */
{
	static uint8_t want[ARENA], got[ARENA];
	uint64_t seed = 0x9e3779b97f4a7c15u * (uint64_t)(_i / MEANS + 1);
	struct gw_burst *b = burst(means[_i % MEANS]);

	pool_fill(&seed);
	fill(&seed, want, sizeof(want));
	memcpy(got, want, sizeof(got));
	for (int round = 0; round < 4; round++) {
		size_t n = round == 3 ? PACKETS : 1 + below(&seed, round == 0 ? 8 : 200);

		under_test = NULL;
		random_packets(seed, n, want);
		under_test = b;
		random_packets(seed, n, got);
		gw_burst_run(b);
		ck_assert_msg(memcmp(got, want, sizeof(got)) == 0, "%s: round %d, %zu packets", gw_burst_name(b), round, n);
		rnd(&seed);
	}
	gw_burst_free(b);
}
END_TEST

START_TEST(a_counter_carries_past_its_last_32_bits)	/* _i: the means */
{
	static const uint8_t low[][16] = {
		{ [8] = 0, [12] = 0xff, 0xff, 0xff, 0xff },			/* ISMACryp's 64 bits */
		{ [8] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe },
		{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	};
	struct gw_burst *b = burst(means[_i]);
	uint8_t key[16] = { 7 }, got[8][90] = { { 0 } }, want[90];
	struct gw_aes aes;

	gw_aes_init(&aes, key);
	for (size_t k = 0; k < sizeof(low) / sizeof(low[0]); k++)
		for (unsigned skip = 0; skip < 16; skip += 5) {
			memset(want, 3, sizeof(want));
			evp(EVP_aes_128_ctr(), key, low[k], skip, want, sizeof(want));
			for (int i = 0; i < 8; i++) {
				memset(got[i], 3, sizeof(got[i]));
				gw_burst_ctr(b, &aes, low[k], skip, got[i], sizeof(got[i]));
			}
			gw_burst_run(b);
			for (int i = 0; i < 8; i++)
				ck_assert_mem_eq(got[i], want, sizeof(want));
			memset(got[0], 3, sizeof(got[0]));
			gw_ctr_once(&aes, low[k], skip, got[0], sizeof(got[0]));
			ck_assert_mem_eq(got[0], want, sizeof(want));
		}
	gw_burst_free(b);
}
END_TEST

/* ---- what the interface says besides --------------------------------------------------------------------------------------------- */

START_TEST(a_full_burst_runs_by_itself)	/* _i: the means */
{
	enum { JOBS = 3000 };
	static uint8_t text[JOBS][20], tags[JOBS][GW_SHA1];
	struct gw_burst *b = burst(means[_i]);
	uint8_t want[GW_SHA1], sealed[20] = { 0 }, key[16] = { 1 }, iv[16] = { 2 };
	static const uint8_t nothing[GW_SHA1];
	struct gw_aes aes;
	struct gw_hmac mac;

	memset(text, 0, sizeof(text));
	memset(tags, 0, sizeof(tags));
	gw_aes_init(&aes, key);
	gw_hmac_init(&mac, "k", 1);
	evp(EVP_aes_128_ctr(), key, iv, 0, sealed, sizeof(sealed));
	hmac((const uint8_t *)"k", 1, sealed, sizeof(sealed), want);
	for (int i = 0; i < JOBS; i++) {
		gw_burst_ctr(b, &aes, iv, 0, text[i], sizeof(text[i]));
		gw_burst_mac(b, &mac, text[i], sizeof(text[i]), tags[i], GW_SHA1, NULL, NULL, 0);
	}
	ck_assert_mem_eq(tags[0], want, GW_SHA1);		/* before anybody said so */
	ck_assert_mem_eq(tags[JOBS - 1], nothing, GW_SHA1);
	gw_burst_run(b);
	for (int i = 0; i < JOBS; i++) {
		ck_assert_mem_eq(text[i], sealed, sizeof(sealed));
		ck_assert_mem_eq(tags[i], want, GW_SHA1);
	}
	gw_burst_run(b);	/* empty */
	ck_assert_mem_eq(text[0], sealed, sizeof(sealed));
	gw_burst_free(b);
}
END_TEST

START_TEST(a_patch_comes_after_the_mac)	/* _i: the means. As SRTP: the ROC is hashed where the MKI goes */
{
	uint8_t pk[12][40], want[GW_SHA1], text[24];
	const uint8_t roc[4] = { 0, 0, 0, 9 }, mki[2] = { 0x12, 0x34 };
	struct gw_burst *b = burst(means[_i]);
	struct gw_hmac mac;

	gw_hmac_init(&mac, "secret", 6);
	for (int i = 0; i < 12; i++) {
		memset(pk[i], i, sizeof(pk[i]));
		memcpy(pk[i] + 20, roc, 4);
		gw_burst_mac(b, &mac, pk[i], 24, pk[i] + 22, 10, pk[i] + 20, mki, 2);
	}
	gw_burst_run(b);
	for (int i = 0; i < 12; i++) {
		memset(text, i, 20);
		memcpy(text + 20, roc, 4);
		hmac((const uint8_t *)"secret", 6, text, sizeof(text), want);
		ck_assert_mem_eq(pk[i], text, 20);
		ck_assert_mem_eq(pk[i] + 20, mki, 2);
		ck_assert_mem_eq(pk[i] + 22, want, 10);
		for (int k = 32; k < 40; k++)
			ck_assert_int_eq(pk[i][k], i);
	}
	gw_burst_free(b);
}
END_TEST

START_TEST(another_key_in_the_same_place_is_another_key)	/* _i: the means */
{
	struct gw_burst *b = burst(means[_i]);
	struct gw_aes aes;

	for (int k = 0; k < 40; k++) {
		uint8_t key[16] = { (uint8_t)(k / 2) }, iv[16] = { 5 }, ctr[33] = { 0 }, cbc[32] = { 0 }, block[16], got[33] = { 0 }, zero[32] = { 0 };

		gw_aes_init(&aes, key);
		evp(EVP_aes_128_ctr(), key, iv, 0, ctr, sizeof(ctr));
		evp(EVP_aes_128_cbc(), key, iv, 0, cbc, sizeof(cbc));
		gw_burst_ctr(b, &aes, iv, 0, got, sizeof(got));
		gw_burst_run(b);
		ck_assert_mem_eq(got, ctr, sizeof(ctr));
		gw_ctr_once(&aes, iv, 0, got, sizeof(got));
		ck_assert_mem_eq(got, zero, sizeof(zero));
		gw_burst_cbc(b, &aes, iv, got, 32);
		gw_burst_run(b);
		ck_assert_mem_eq(got, cbc, sizeof(cbc));
		gw_cbc_open(&aes, iv, got, 32);
		ck_assert_mem_eq(got, zero, sizeof(zero));
		gw_aes_block(&aes, iv, block);		/* CBC of a zero block */
		ck_assert_mem_eq(block, cbc, 16);
	}
	gw_burst_free(b);
}
END_TEST

START_TEST(keys_of_any_length_make_macs)
{
	uint8_t key[200], want[GW_SHA1], got[GW_SHA1];
	uint64_t seed = 77;
	struct gw_hmac mac;

	fill(&seed, key, sizeof(key));
	for (size_t n = 0; n <= sizeof(key); n++) {
		gw_hmac_init(&mac, key, n);
		gw_hmac_once(&mac, key, n, got);
		hmac(key, n, key, n, want);
		ck_assert_mem_eq(got, want, sizeof(want));
	}
}
END_TEST

START_TEST(what_is_too_long_for_lanes_is_right)	/* _i: the means */
{
	enum { LEN = 70000 };
	static uint8_t got[6][LEN], want[LEN];
	struct gw_burst *b = burst(means[_i]);
	uint8_t key[16] = { 8 }, iv[16] = { 9 }, tag[6][GW_SHA1], mac[GW_SHA1];
	struct gw_aes aes;
	struct gw_hmac h;

	gw_aes_init(&aes, key);
	gw_hmac_init(&h, key, 16);
	for (int i = 0; i < 6; i++) {
		size_t len = i % 2 ? 4000 : LEN;

		memset(got, 0, sizeof(got));
		memset(want, 0, sizeof(want));
		for (int k = 0; k < 6; k++) {
			gw_burst_cbc(b, &aes, iv, got[k], k == i ? LEN : len);
			gw_burst_mac(b, &h, got[k], k == i ? LEN : len, tag[k], GW_SHA1, NULL, NULL, 0);
		}
		gw_burst_run(b);
		evp(EVP_aes_128_cbc(), key, iv, 0, want, LEN);
		for (int k = 0; k < 6; k++) {
			ck_assert_mem_eq(got[k], want, k == i ? LEN : len);
			hmac(key, 16, want, k == i ? LEN : len, mac);
			ck_assert_mem_eq(tag[k], mac, GW_SHA1);
		}
	}
	gw_burst_free(b);
}
END_TEST

/* Keys are shared; bursts and what works at once are each thread's own. */
static void *
thread(void *arg)
{
	struct gw_burst *b = gw_burst_new(means[*(int *)arg % MEANS], NULL);
	uint8_t iv[16] = { 1 }, p[16][100], out[GW_SHA1], tags[16][GW_SHA1];
	uint64_t wrong = 0;

	for (int round = 0; b && round < 50; round++) {
		memset(p, 0, sizeof(p));
		for (int i = 0; i < 16; i++) {
			gw_burst_ctr(b, &pool.aes[i % KEYS], iv, 0, p[i], sizeof(p[i]));
			gw_burst_mac(b, &pool.mac[i % KEYS], p[i], sizeof(p[i]), tags[i], GW_SHA1, NULL, NULL, 0);
		}
		gw_burst_run(b);
		for (int i = 0; i < 16; i++) {
			gw_hmac_once(&pool.mac[i % KEYS], p[i], sizeof(p[i]), out);
			wrong += memcmp(out, tags[i], GW_SHA1) != 0;
			gw_ctr_once(&pool.aes[i % KEYS], iv, 0, p[i], sizeof(p[i]));
			for (size_t k = 0; k < sizeof(p[i]); k++)
				wrong += p[i][k];
		}
	}
	wrong += !b;
	gw_burst_free(b);
	return (void *)(uintptr_t)wrong;
}

START_TEST(threads_share_keys_only)
{
	pthread_t t[4];
	int id[4] = { 0, 1, 2, 3 };
	uint64_t seed = 4;
	void *wrong;

	pool_fill(&seed);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, thread, &id[i]), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(t[i], &wrong), 0);
		ck_assert_ptr_null(wrong);
	}
}
END_TEST

START_TEST(means_have_names)
{
	struct gw_err err = { 0 };
	struct gw_burst *b = burst(GW_BURST_OPENSSL);

	ck_assert_str_eq(gw_burst_name(b), "openssl");
	gw_burst_free(b);
	b = gw_burst_new(GW_BURST_IPSEC_MB, &err);
	if (b)
		ck_assert_str_eq(gw_burst_name(b), "ipsec-mb");
	else
		ck_assert_ptr_nonnull(strstr(err.text, "intel-ipsec-mb"));
	gw_burst_free(b);
	gw_burst_free(NULL);
}
END_TEST

SUITE("lib_burst", tcase_add_test(t, self_test_holds); tcase_add_loop_test(t, public_vectors_hold, 0, MEANS); tcase_add_test(t, one_block_is_ecb);
      tcase_add_loop_test(t, random_mixtures_are_right, 0, 12 * MEANS); tcase_add_loop_test(t, a_counter_carries_past_its_last_32_bits, 0, MEANS);
      tcase_add_loop_test(t, a_full_burst_runs_by_itself, 0, MEANS); tcase_add_loop_test(t, a_patch_comes_after_the_mac, 0, MEANS);
      tcase_add_loop_test(t, another_key_in_the_same_place_is_another_key, 0, MEANS); tcase_add_test(t, keys_of_any_length_make_macs);
      tcase_add_loop_test(t, what_is_too_long_for_lanes_is_right, 0, MEANS); tcase_add_test(t, threads_share_keys_only);
      tcase_add_test(t, means_have_names))
