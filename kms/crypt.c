/* kms/crypt.c: see crypt.h */
#include "kms/crypt.h"
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

EVP_MAC_CTX *
crypt_mac_new(const void *key, size_t len)
{
	char sha1[] = "SHA1";
	OSSL_PARAM p[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha1, 0), OSSL_PARAM_construct_end() };
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *c = mac ? EVP_MAC_CTX_new(mac) : NULL;

	EVP_MAC_free(mac);
	if (c && EVP_MAC_init(c, key, len, p) == 1)
		return c;
	EVP_MAC_CTX_free(c);
	return NULL;
}

int
crypt_mac(EVP_MAC_CTX *c, const void *msg, size_t len, uint8_t out[CRYPT_SHA1])
{
	size_t n;

	return EVP_MAC_init(c, NULL, 0, NULL) == 1 && EVP_MAC_update(c, msg, len) == 1 &&
		EVP_MAC_final(c, out, &n, CRYPT_SHA1) == 1 && n == CRYPT_SHA1 ? 0 : -1;
}

EVP_CIPHER_CTX *
crypt_aes_new(enum crypt_mode mode, const uint8_t key[16])
{
	static const char *const name[] = { "AES-128-CBC", "AES-128-CTR", "AES-128-ECB" };
	EVP_CIPHER *aes = EVP_CIPHER_fetch(NULL, name[mode], NULL);
	EVP_CIPHER_CTX *c = aes ? EVP_CIPHER_CTX_new() : NULL;
	int ok = c && EVP_CipherInit_ex2(c, aes, key, NULL, mode != CRYPT_CBC_OPEN, NULL) == 1 && EVP_CIPHER_CTX_set_padding(c, 0) == 1;

	EVP_CIPHER_free(aes);
	if (ok)
		return c;
	EVP_CIPHER_CTX_free(c);
	return NULL;
}

int
crypt_aes(EVP_CIPHER_CTX *c, const uint8_t *iv, const void *in, size_t len, void *out)
{
	int n = 0;

	if (len > INT_MAX || (iv && EVP_CipherInit_ex2(c, NULL, NULL, iv, -1, NULL) != 1))
		return -1;
	return EVP_CipherUpdate(c, out, &n, in, (int)len) == 1 && (size_t)n == len ? 0 : -1;
}

int
crypt_cbc_seal(EVP_CIPHER_CTX *ecb, const uint8_t iv[CRYPT_BLOCK], const void *in, size_t len, void *out)
{
	const uint8_t *before = iv, *from = in;
	uint8_t *p = out;

	if (len % CRYPT_BLOCK != 0)
		return -1;
	for (; len > 0; len -= CRYPT_BLOCK, from += CRYPT_BLOCK, before = p, p += CRYPT_BLOCK) {
		for (int i = 0; i < CRYPT_BLOCK; i++)
			p[i] = from[i] ^ before[i];
		if (crypt_aes(ecb, NULL, p, CRYPT_BLOCK, p) < 0)
			return -1;
	}
	return 0;
}
