/* kms/crypt.h: OpenSSL contexts that are made once per key: no fetch, no key schedule and no allocation per message. */
#ifndef KMS_CRYPT_H
#define KMS_CRYPT_H
#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

enum { CRYPT_SHA1 = 20 };
/* HMAC-SHA1 under a key, in locked memory; NULL when there is none. */
struct crypt_mac;
struct crypt_mac *crypt_mac_new(const void *key, size_t len);
void crypt_mac_free(struct crypt_mac *);
int crypt_mac(const struct crypt_mac *, const void *msg, size_t len, uint8_t out[CRYPT_SHA1]);	/* 0, or -1 */

enum { CRYPT_BLOCK = 16 };
enum crypt_mode { CRYPT_CBC_OPEN, CRYPT_CTR, CRYPT_ECB };
/* AES-128 without padding. */
EVP_CIPHER_CTX *crypt_aes_new(enum crypt_mode, const uint8_t key[16]);
/* len octets from a fresh start with iv (16 octets; NULL for ECB); whole blocks except in CTR. out may be in. */
int crypt_aes(EVP_CIPHER_CTX *, const uint8_t *iv, const void *in, size_t len, void *out);
/* CBC by hand on an ECB context: a new IV costs EVP more than the few blocks of a key. len octets, whole blocks; out may be in. */
int crypt_cbc_seal(EVP_CIPHER_CTX *ecb, const uint8_t iv[CRYPT_BLOCK], const void *in, size_t len, void *out);
#endif
