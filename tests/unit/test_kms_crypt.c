/* tests/unit/test_kms_crypt.c: the public vectors that apply, by their algorithm */
#include <stdbool.h>
#include <string.h>
#include "kms/crypt.h"
#include "kms/fauth.h"
#include "tests/suite.h"

static size_t
field(json_t *v, const char *name, uint8_t *out, size_t cap)
{
	const char *text = json_string_value(json_object_get(v, name));

	return text ? unhex(text, out, cap) : 0;
}

static int
aes(enum crypt_mode mode, json_t *v, const char *iv_name, const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t key[16], iv[16];
	EVP_CIPHER_CTX *c;

	ck_assert_uint_eq(field(v, "key", key, sizeof(key)), 16);
	if (iv_name)
		ck_assert_uint_eq(field(v, iv_name, iv, sizeof(iv)), 16);
	ck_assert_ptr_nonnull(c = crypt_aes_new(mode, key));
	int rc = crypt_aes(c, iv_name ? iv : NULL, in, n, out);
	uint8_t twice[256];
	ck_assert_int_eq(crypt_aes(c, iv_name ? iv : NULL, in, n, twice), 0);	/* a context has no memory */
	ck_assert_mem_eq(twice, out, n);
	EVP_CIPHER_CTX_free(c);
	return rc;
}

/* Elsewhere and in place; a context has no memory. */
static void
seal(const uint8_t key[16], json_t *v, const uint8_t *in, size_t n, uint8_t *out)
{
	EVP_CIPHER_CTX *c = crypt_aes_new(CRYPT_ECB, key);
	uint8_t iv[16], twice[256];

	ck_assert_uint_eq(field(v, "iv", iv, sizeof(iv)), 16);
	memcpy(twice, in, n);
	ck_assert_int_eq(crypt_cbc_seal(c, iv, in, n, out), 0);
	ck_assert_int_eq(crypt_cbc_seal(c, iv, twice, n, twice), 0);
	ck_assert_mem_eq(twice, out, n);
	ck_assert_int_eq(crypt_cbc_seal(c, iv, in, n - 1, twice), -1);
	EVP_CIPHER_CTX_free(c);
}

static bool
run(const char *algorithm, json_t *v)
{
	uint8_t key[128], in[256], want[256], got[256], back[256];
	size_t k = field(v, "key", key, sizeof(key)), n = field(v, "data", in, sizeof(in)), w = field(v, "expected", want, sizeof(want));

	if (n == 0)
		n = field(v, "plaintext", in, sizeof(in));
	if (strcmp(algorithm, "AES-XCBC-MAC") == 0)
		ck_assert_int_eq(fauth_xcbc(key, in, n, got), 0);
	else if (strcmp(algorithm, "AES-XCBC-PRF-128") == 0)
		ck_assert_int_eq(fauth_prf(key, k, in, n, got), 0);
	else if (strcmp(algorithm, "HMAC-SHA1") == 0) {
		struct crypt_mac *c = crypt_mac_new(key, k);
		ck_assert_int_eq(crypt_mac(c, in, n, got), 0);
		ck_assert_int_eq(crypt_mac(c, in, n, got), 0);
		crypt_mac_free(c);
	} else if (strcmp(algorithm, "AES-128-CTR") == 0)
		ck_assert_int_eq(aes(CRYPT_CTR, v, "initial_counter", in, n, got), 0);
	else if (strcmp(algorithm, "AES-128-ECB") == 0)
		ck_assert_int_eq(aes(CRYPT_ECB, v, NULL, in, n, got), 0);
	else if (strcmp(algorithm, "AES-128-CBC") == 0) {
		seal(key, v, in, n, got);
		ck_assert_int_eq(aes(CRYPT_CBC_OPEN, v, "iv", want, w, back), 0);
		ck_assert_mem_eq(back, in, n);
	} else
		return false;
	ck_assert_msg(memcmp(got, want, w) == 0, "%s", json_string_value(json_object_get(v, "name")));
	return true;
}

START_TEST(public_vectors_hold)
{
	json_t *j = vec_json("bcast/crypto-vectors.json"), *v;
	size_t k, ran = 0;

	json_array_foreach(json_object_get(j, "vectors"), k, v)
		ran += run(json_string_value(json_object_get(v, "algorithm")), v) ? 1 : 0;
	ck_assert_uint_eq(ran, 1 + 5 + 4 + 7 + 6 + 3);	/* ECB, CBC, CTR, HMAC-SHA1, XCBC-MAC, XCBC-PRF */
	json_decref(j);
}
END_TEST

START_TEST(seeds_give_the_keys_of_the_examples)
{
	json_t *j = vec_json("bcast/stkm-examples.json"), *c = json_object_get(j, "common");
	json_t *a = json_array_get(json_object_get(j, "examples"), 0);
	const struct { json_t *of; const char *seed, *key; enum fauth_label label; } rows[] = {
		{ c, "SAS", "SAK", FAUTH_SAK }, { c, "PAS", "PAK", FAUTH_PAK }, { a, "TAS", "TAK", FAUTH_TAK },
	};
	uint8_t seed[16], want[FAUTH_KEY], got[FAUTH_KEY];

	for (size_t k = 0; k < 3; k++) {
		ck_assert_uint_eq(field(rows[k].of, rows[k].seed, seed, sizeof(seed)), 16);
		ck_assert_uint_eq(field(rows[k].of, rows[k].key, want, sizeof(want)), FAUTH_KEY);
		ck_assert_int_eq(fauth(seed, rows[k].label, got), 0);
		ck_assert_mem_eq(got, want, FAUTH_KEY);
	}
	json_decref(j);
}
END_TEST

SUITE("kms_crypt", tcase_add_test(t, public_vectors_hold); tcase_add_test(t, seeds_give_the_keys_of_the_examples))
