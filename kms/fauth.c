/* kms/fauth.c: see fauth.h */
#include "kms/fauth.h"
#include <string.h>
#include "kms/crypt.h"
#include "lib/secret.h"

enum { BLOCK = 16 };

static int
subkey(EVP_CIPHER_CTX *c, uint8_t octet, uint8_t out[BLOCK])
{
	memset(out, octet, BLOCK);
	return crypt_aes(c, NULL, out, BLOCK, out);
}

int
fauth_xcbc(const uint8_t key[BLOCK], const void *msg, size_t len, uint8_t out[BLOCK])
{
	const uint8_t *p = msg;
	uint8_t k[3][BLOCK];	/* K1, K2, K3 */
	EVP_CIPHER_CTX *c = crypt_aes_new(CRYPT_ECB, key), *c1 = NULL;
	int rc = -1;

	if (c && subkey(c, 1, k[0]) == 0 && subkey(c, 2, k[1]) == 0 && subkey(c, 3, k[2]) == 0)
		c1 = crypt_aes_new(CRYPT_ECB, k[0]);
	if (c1) {
		rc = 0;
		memset(out, 0, BLOCK);
		for (; len > BLOCK && rc == 0; p += BLOCK, len -= BLOCK) {
			for (int i = 0; i < BLOCK; i++)
				out[i] ^= p[i];
			rc = crypt_aes(c1, NULL, out, BLOCK, out);
		}
		for (size_t i = 0; i < BLOCK; i++)	/* the last block: whole under K2, else padded under K3 */
			out[i] = (uint8_t)(out[i] ^ (i < len ? p[i] : i == len ? 0x80 : 0) ^ k[len == BLOCK ? 1 : 2][i]);
		rc = rc == 0 ? crypt_aes(c1, NULL, out, BLOCK, out) : rc;
	}
	EVP_CIPHER_CTX_free(c1);
	EVP_CIPHER_CTX_free(c);
	gw_cleanse(k, sizeof(k));
	return rc;
}

int
fauth_prf(const void *key, size_t key_len, const void *msg, size_t len, uint8_t out[BLOCK])
{
	static const uint8_t zero[BLOCK];
	uint8_t k[BLOCK] = { 0 };
	int rc = 0;

	if (key_len > BLOCK)
		rc = fauth_xcbc(zero, key, key_len, k);
	else if (key_len)
		memcpy(k, key, key_len);
	rc = rc == 0 ? fauth_xcbc(k, msg, len, out) : rc;
	gw_cleanse(k, sizeof(k));
	return rc;
}

int
fauth(const uint8_t seed[BLOCK], enum fauth_label label, uint8_t out[FAUTH_KEY])
{
	uint8_t c[BLOCK], prf[2 * BLOCK];
	int rc = 0;

	memset(c, (int)label, BLOCK - 1);
	for (int i = 0; i < 2 && rc == 0; i++) {
		c[BLOCK - 1] = (uint8_t)(i + 1);
		rc = fauth_prf(seed, BLOCK, c, BLOCK, prf + i * BLOCK);
	}
	memcpy(out, prf, FAUTH_KEY);
	gw_cleanse(prf, sizeof(prf));
	return rc;
}
