/*
 * lib/burst.h: many small AES-128 and HMAC-SHA1 operations at a time, each with a key of its own: what the packets of a batch need,
 * whatever their transforms. intel-ipsec-mb works on several at once; where it is not built in, and for bursts too small to gain by
 * it, OpenSSL gives the same bytes.
 */
#ifndef GW_BURST_H
#define GW_BURST_H
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"

enum { GW_AES_KEY = 16, GW_AES_BLOCK = 16, GW_SHA1 = 20 };

/*
 * Keys made ready once, used by any number of threads; plain data that lies in its owner's locked memory (lib/secret.h), 16-byte
 * aligned. Not to be moved or cleansed while a burst that names it has not run.
 */
struct gw_aes { _Alignas(16) uint8_t enc[11 * GW_AES_BLOCK]; uint8_t key[GW_AES_KEY]; };
struct gw_hmac { uint32_t inner[5], outer[5]; };	/* SHA-1 states after the pads */
void gw_aes_init(struct gw_aes *, const uint8_t key[GW_AES_KEY]);
void gw_hmac_init(struct gw_hmac *, const void *key, size_t len);	/* RFC 2104; len as it comes */

enum gw_burst_by { GW_BURST_AUTO, GW_BURST_OPENSSL, GW_BURST_IPSEC_MB };
struct gw_burst;	/* of one thread */
/* NULL: with *err. GW_BURST_IPSEC_MB: refused where it is not built in or the CPU lacks what it needs. Room for jobs grows never:
 * it runs by itself when it is full. */
struct gw_burst *gw_burst_new(enum gw_burst_by, struct gw_err *);
void gw_burst_free(struct gw_burst *);
const char *gw_burst_name(const struct gw_burst *);	/* "openssl", "ipsec-mb" */

/*
 * All of them note what is to be done, now or later; the bytes are good after gw_burst_run. In place; len at most INT_MAX. Ciphers are
 * done before MACs, so a packet's are to be noted in that order, when what they work on is there. iv and patch are copied.
 */
/* Key stream from the counter block iv on (SP 800-38A: all of it counts, as one big-endian number), whose first `skip` octets (0..15) are left
 * out. What lies before p is not touched. */
void gw_burst_ctr(struct gw_burst *, const struct gw_aes *, const uint8_t iv[GW_AES_BLOCK], unsigned skip, uint8_t *p, size_t len);
void gw_burst_cbc(struct gw_burst *, const struct gw_aes *, const uint8_t iv[GW_AES_BLOCK], uint8_t *p, size_t len);	/* len: whole blocks */
/*
 * HMAC-SHA1 of p[0..len), its first tag_len octets (1..20) to tag, then patch_len octets (0..8) of patch to patch_at: a ROC that is hashed, not
 * sent, stands where the MKI goes. MACs read what no other job of the burst writes but a cipher.
 */
void gw_burst_mac(struct gw_burst *, const struct gw_hmac *, const uint8_t *p, size_t len, uint8_t *tag, size_t tag_len,
    uint8_t *patch_at, const uint8_t *patch, size_t patch_len);
void gw_burst_run(struct gw_burst *);	/* all, then it is empty */

/* At once, for those that have one packet in hand (receivers, key derivation, tests). */
void gw_aes_block(const struct gw_aes *, const uint8_t in[GW_AES_BLOCK], uint8_t out[GW_AES_BLOCK]);	/* ECB, for key derivation */
void gw_ctr_once(const struct gw_aes *, const uint8_t iv[GW_AES_BLOCK], unsigned skip, uint8_t *p, size_t len);
void gw_cbc_open(const struct gw_aes *, const uint8_t iv[GW_AES_BLOCK], uint8_t *p, size_t len);		/* decrypts */
void gw_hmac_once(const struct gw_hmac *, const void *p, size_t len, uint8_t out[GW_SHA1]);

/* The public vectors (NIST SP 800-38A, RFC 3686, RFC 2202) by each of the means there are. 0, or -1 with *err: do not start. */
int gw_burst_self_test(struct gw_err *);
#endif
