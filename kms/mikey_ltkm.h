/*
 * kms/mikey_ltkm.h: LTKMs, solicited pulls and verification messages of the Smartcard profile: made at the BSM, taken apart by the card
 * (bcast-smartcard-profile 2; RFC 3830). Pure but for OpenSSL: no clock, no store. The SMK is lent.
 */
#ifndef KMS_MIKEY_LTKM_H
#define KMS_MIKEY_LTKM_H
#include "lib/err.h"
#include "proto/mikey.h"

enum { MIKEY_SMK = 32, LTKM_MAX = 255 };	/* octets (2.10) */

/* Whom a message is between: the SMK and the two identities that name it (1.2). */
struct ltkm_peer { const uint8_t *smk; const char *naf, *btid; };	/* IDi, IDr */
struct ltkm_plan {
	struct mikey_ids ids;		/* domain, group, number; a pull: number 0 */
	uint32_t counter;
	uint8_t rand[16];		/* of the SEK or PEK; of a pull: any */
	bool verify;			/* V = 1; never of a pull */
	bool pull;			/* no key data */
	const uint8_t *key;		/* 16 */
	uint16_t lower, upper;		/* lower > upper: unusable from now on (V27) */
	const struct mikey_management *management;	/* EXT BCAST; NULL: none */
	struct mikey_view sp;		/* SP payload, with map type 0 (V11); absent: none */
	const struct mikey *header;	/* with sp: whose map; NULL: the empty one */
};
/* Octets, at most LTKM_MAX; 0 with *err. The same plan gives the same octets. */
size_t ltkm_make(const struct ltkm_peer *, const struct ltkm_plan *, void *out, size_t cap, struct gw_err *);

/* What a card makes of one. Words as in V26's reasons. */
enum ltkm_result { LTKM_KEY, LTKM_PULL, LTKM_STALE, LTKM_BAD_MAC, LTKM_UNKNOWN_SMK, LTKM_MALFORMED, LTKM_UNSUPPORTED, LTKM_TRUNCATED, LTKM_FAILED };
enum { LTKM_NO_ERR = 255 };	/* err_no: no ERR payload tells the sender of it */
struct ltkm {
	struct mikey_ids ids;
	uint32_t counter, csb_id;
	bool verify;
	uint8_t rand[16];
	uint8_t key[16];		/* to be cleansed */
	uint16_t lower, upper;
	bool has_management; struct mikey_management management;	/* borrows the message */
};
/* Whose is it: IDi and IDr, to find the SMK by. False: not an LTKM or pull (it may be an STKM or damaged). */
bool ltkm_names(const struct mikey *, char *naf, size_t naf_cap, char *btid, size_t btid_cap);
/*
 * counter: the last one accepted from this SMK; the caller stores the new one when the answer is LTKM_KEY or LTKM_PULL, and cleanses the
 * key. err_no: of the ERR payload (2.8).
 */
enum ltkm_result ltkm_take(const struct ltkm_peer *, uint32_t counter, const void *msg, size_t len, struct ltkm *, uint8_t *err_no);
const char *ltkm_result_text(enum ltkm_result);

/* The verification of an LTKM (V08): made by the card; octets or 0. */
size_t ltkm_verification(const struct ltkm_peer *, const void *ltkm, size_t len, void *out, size_t cap, struct gw_err *);
/* Counter and IDr of what may be one: to find the LTKM by. */
bool ltkm_verification_names(const struct mikey *, uint32_t *counter, char *btid, size_t cap);
/* Does it verify that LTKM? */
bool ltkm_verified(const struct ltkm_peer *, const void *ltkm, size_t ltkm_len, const void *msg, size_t len);
/* An error message that answers it (V19). Octets; 0: no room, or what is to be answered is no pre-shared message with a counter. */
size_t ltkm_error(const void *ltkm, size_t len, uint8_t err_no, void *out, size_t cap);
#endif
