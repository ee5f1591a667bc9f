/* kms/fauth.h: AES-XCBC (RFC 3566, 4434) and fauth, which makes authentication keys of seeds (bcast-drm-profile 2.1). */
#ifndef KMS_FAUTH_H
#define KMS_FAUTH_H
#include <stddef.h>
#include <stdint.h>

enum { FAUTH_KEY = 20 };
enum fauth_label { FAUTH_TAK = 1, FAUTH_SAK = 2, FAUTH_PAK = 3, FAUTH_BAK = 4 };

int fauth_xcbc(const uint8_t key[16], const void *msg, size_t len, uint8_t out[16]);	/* AES-XCBC-MAC, all 128 bits */
/* AES-XCBC-PRF-128: a key of another length is padded or hashed first (RFC 4434 section 2). */
int fauth_prf(const void *key, size_t key_len, const void *msg, size_t len, uint8_t out[16]);
int fauth(const uint8_t seed[16], enum fauth_label, uint8_t out[FAUTH_KEY]);	/* 0, or -1 */
#endif
