/* kms/crypt.c: see crypt.h */
#define OPENSSL_SUPPRESS_DEPRECATED	/* SHA1_*, see below */
#include "kms/crypt.h"
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

/*
 * SHA-1's own functions. OpenSSL 3 calls them deprecated, but EVP would copy the state of either pad with an allocation and look its
 * parameters up by name: as much time as an STKM's blocks take. The block function beneath is the same.
 */
struct crypt_mac { SHA_CTX inner, outer; };	/* after the block of each pad (RFC 2104); secrets */

static int
begin_pad(SHA_CTX *c, const uint8_t key[SHA_CBLOCK], uint8_t with)
{
	uint8_t pad[SHA_CBLOCK];
	int rc;

	for (size_t k = 0; k < sizeof(pad); k++)
		pad[k] = key[k] ^ with;
	rc = SHA1_Init(c) && SHA1_Update(c, pad, sizeof(pad)) ? 0 : -1;
	OPENSSL_cleanse(pad, sizeof(pad));
	return rc;
}

struct crypt_mac *
crypt_mac_new(const void *key, size_t len)
{
	struct crypt_mac *m = OPENSSL_secure_zalloc(sizeof(*m));
	uint8_t block[SHA_CBLOCK] = { 0 };
	int rc = m ? 0 : -1;

	if (len > sizeof(block))
		rc = SHA1(key, len, block) ? rc : -1;
	else if (len > 0)
		memcpy(block, key, len);
	if (rc == 0 && begin_pad(&m->inner, block, 0x36) == 0 && begin_pad(&m->outer, block, 0x5c) == 0)
		rc = 1;
	OPENSSL_cleanse(block, sizeof(block));
	if (rc == 1)
		return m;
	crypt_mac_free(m);
	return NULL;
}

void
crypt_mac_free(struct crypt_mac *m)
{
	OPENSSL_secure_clear_free(m, sizeof(*m));
}

int
crypt_mac(const struct crypt_mac *m, const void *msg, size_t len, uint8_t out[CRYPT_SHA1])
{
	SHA_CTX c = m->inner;
	int ok = SHA1_Update(&c, msg, len) && SHA1_Final(out, &c);

	c = m->outer;
	ok = ok && SHA1_Update(&c, out, CRYPT_SHA1) && SHA1_Final(out, &c);
	OPENSSL_cleanse(&c, sizeof(c));
	return ok ? 0 : -1;
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

static void
xor_block(uint8_t *out, const uint8_t *a, const uint8_t *b)
{
	uint64_t x[2], y[2];	/* a cipher that loads whole words waits for octets stored one by one */

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	x[0] ^= y[0];
	x[1] ^= y[1];
	memcpy(out, x, sizeof(x));
}

int
crypt_cbc_seal(EVP_CIPHER_CTX *ecb, const uint8_t iv[CRYPT_BLOCK], const void *in, size_t len, void *out)
{
	const uint8_t *before = iv, *from = in;
	uint8_t *p = out;

	if (len % CRYPT_BLOCK != 0)
		return -1;
	for (; len > 0; len -= CRYPT_BLOCK, from += CRYPT_BLOCK, before = p, p += CRYPT_BLOCK) {
		xor_block(p, from, before);
		if (crypt_aes(ecb, NULL, p, CRYPT_BLOCK, p) < 0)
			return -1;
	}
	return 0;
}
