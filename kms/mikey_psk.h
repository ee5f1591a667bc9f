/* kms/mikey_psk.h: what a MIKEY message's pre-shared key gives, SMK or SEK/PEK: keys, IV, MAC (bcast-smartcard-profile 2.3, 2.4; RFC 3830). */
#ifndef KMS_MIKEY_PSK_H
#define KMS_MIKEY_PSK_H
#include <stdbool.h>
#include "kms/crypt.h"

enum { MIKEY_RAND_MAX = 255 };

/* RFC 3830 4.1.2: out_len octets of PRF(inkey, label). 0, or -1. */
int mikey_prf(const void *inkey, size_t len, const void *label, size_t label_len, uint8_t *out, size_t out_len);
/* RFC 3830 4.1.4: what a pre-shared key gives. encr[16], auth[20], salt[14]. */
struct mikey_psk { uint8_t encr[16], auth[20], salt[14]; };
int mikey_psk_keys(const void *psk, size_t len, uint32_t csb_id, const void *rand, size_t rand_len, struct mikey_psk *);

/* Message keys with their contexts, for one (pre-shared key, CSB ID, RAND). */
struct mikey_session { struct crypt_mac *mac; EVP_CIPHER_CTX *ctr; uint8_t salt[14]; uint32_t csb_id; };
/* 0, or -1 and emptied. */
int mikey_session_init(struct mikey_session *, const void *psk, size_t len, uint32_t csb_id, const void *rand, size_t rand_len);
void mikey_session_fini(struct mikey_session *);	/* cleanses; quiet on an empty one */
/* The first counter block of a KEMAC. That a COUNTER is zero-extended is a reading. */
void mikey_iv(const struct mikey_session *, uint32_t counter, uint8_t iv[16]);
/* Is it the MAC of the mac_at octets of msg? In constant time. */
bool mikey_mac_right(const struct mikey_session *, const void *msg, size_t mac_at, const uint8_t mac[CRYPT_SHA1]);
#endif
