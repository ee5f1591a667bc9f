/* kms/mikey_stkm.h: keys, sealing and opening of the Smartcard profile's STKM (bcast-smartcard-profile 2 and 5, RFC 3830). */
#ifndef KMS_MIKEY_STKM_H
#define KMS_MIKEY_STKM_H
#include "kms/mikey_psk.h"
#include "kms/rx.h"
#include "lib/err.h"
#include "proto/mikey.h"

/* A SEK or PEK with its RAND, interval and contexts, and a receiver's counters for it; used by one thread at a time. */
struct msk;
/* ids: domain, group, number; TEK IDs in (lower, upper]. RAND: of the LTKM that carried the key. */
struct msk *msk_new(const struct mikey_ids *ids, const uint8_t key[16], const void *rand, size_t rand_len, uint16_t lower, uint16_t upper,
	struct gw_err *);
void msk_free(struct msk *);
/* Another LTKM of the same key: TEK IDs in (lower, upper] from now on; what a receiver has accepted stays accepted. lower > upper: unusable. */
void msk_interval(struct msk *, uint16_t lower, uint16_t upper);
/* A receiver's counters for it: that of the last STKM accepted, 0: none; SEQs. They may outlive the key in memory. */
uint32_t msk_counter(const struct msk *, uint16_t *seqs);
void msk_resume(struct msk *, uint32_t counter, uint16_t seqs);

/* TEK ID of a CP (6.1): lower + 1 + ((cp - first_cp) mod 65536). -1: beyond the key's interval. */
int msk_tek_id(const struct msk *, uint16_t first_cp, uint16_t cp, uint16_t *tek_id);
uint16_t msk_upper(const struct msk *);	/* its last TEK ID */
/* The packets' key identifier when none is sent (5.2 to 5.4); ki_len: of ISMACryp's key indicator. Octets, 0: no rule. */
size_t msk_traffic_id(uint8_t protocol, const struct mikey_ids *ids, uint16_t tek_id, size_t ki_len, uint8_t out[STKM_ID_MAX]);

struct msk_plan {
	uint16_t tek_id;
	const uint8_t *id; size_t id_len;		/* explicit key identifier; 0: none sent (key_id_mode mbms) */
	const struct mikey_management *management;	/* EXT BCAST, protection filled in from the key; NULL: none */
	bool spent;					/* a store has taken the TEK ID for this TEK: nothing is kept here */
};
/* The same plan and key give the same octets. Octets, or 0 with *err: GW_EPEER when the TEK ID was used for another TEK (2.5). */
size_t msk_seal(struct msk *, const struct msk_plan *, const struct tkm *, void *out, size_t cap, struct gw_err *);

/* A receiver of one stream. Keys lent; they keep counter and SEQs, which no other receiver may share. */
struct msk_rx {
	struct msk *const *keys; size_t nkeys;
	uint8_t protocol; bool authenticated;	/* of the stream, for messages without EXT BCAST */
	size_t ki_len;				/* ISMACrypKeyIndicatorLength; 0: 1 */
};
enum rx_result msk_receive(struct msk_rx *, const void *stkm, size_t len, struct rx_keys *);
#endif
