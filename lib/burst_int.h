/* lib/burst_int.h: what lib/burst*.c share; nobody else includes it */
#ifndef GW_BURST_INT_H
#define GW_BURST_INT_H
#include <openssl/evp.h>
#include <stdbool.h>
#include "lib/burst.h"

enum { CTR_JOBS = 256, CBC_JOBS = 512, MAC_JOBS = 256 };	/* CBC: the TS packets of 64 datagrams are 448 */

struct ctr_job { _Alignas(GW_AES_BLOCK) uint8_t iv[GW_AES_BLOCK]; const struct gw_aes *key; uint8_t *p; size_t len; unsigned skip; };
struct cbc_job { _Alignas(GW_AES_BLOCK) uint8_t iv[GW_AES_BLOCK]; const struct gw_aes *key; uint8_t *p; size_t len; };
struct mac_job {
	const struct gw_hmac *key;
	const uint8_t *p;
	uint8_t *tag, *patch_at;
	size_t len;
	uint8_t tag_len, patch_len, patch[8];
};

/*
 * OpenSSL's contexts that have a key already. A slot is found by where its user's key lies, and used again only if the key's octets are
 * still the same: what lies there may be another key by now.
 */
enum { SLOTS = 16 };
struct slot { EVP_CIPHER_CTX *ctx; uint8_t key[GW_AES_KEY]; bool keyed; };
enum ossl_kind { OSSL_CTR, OSSL_CBC, OSSL_CBC_OPEN, OSSL_ECB, OSSL_KINDS };
struct ossl { struct slot slots[OSSL_KINDS][SLOTS]; };

struct gw_burst {
	struct mb *mb;		/* NULL: without intel-ipsec-mb */
	struct ossl ossl;
	size_t nctr, ncbc, nmac;	/* what is OpenSSL's to do: all, or what ipsec-mb did not take */
	struct ctr_job ctr[CTR_JOBS];
	struct cbc_job cbc[CBC_JOBS];
	struct mac_job mac[MAC_JOBS];
};

struct mb *mb_new(void);	/* NULL: the CPU lacks what it needs, or there is no memory */
void mb_free(struct mb *);
void mb_expand(const uint8_t key[GW_AES_KEY], uint8_t enc[11 * GW_AES_BLOCK]);
enum { LANE_MAX = 65472 };	/* of CBC and MACs: its lanes count in 16 bits */
/* These take what mb_can_ctr() and LANE_MAX allow, and len is not 0. Ciphers may be done at once. */
bool mb_can_ctr(const uint8_t *iv, size_t len);
void mb_ctr(struct gw_burst *, const struct gw_aes *, const uint8_t *iv, unsigned skip, uint8_t *p, size_t len);
void mb_cbc(struct gw_burst *, const struct gw_aes *, const uint8_t *iv, uint8_t *p, size_t len);
struct mac_job *mb_mac(struct gw_burst *, const struct gw_hmac *, const uint8_t *p, size_t len);	/* the rest is to be filled in */
void mb_run_ciphers(struct gw_burst *);
void mb_run_macs(struct gw_burst *);

void ossl_cbc(struct gw_burst *, const struct cbc_job *, size_t n);
void ossl_mac(struct gw_burst *, const struct mac_job *, size_t n);
/* Of a MAC that has been reckoned: the tag, then the patch. */
void mac_deliver(const struct mac_job *, const uint8_t mac[GW_SHA1]);
#endif
