/*
 * kms/card.h: the (U)SIM of a Smartcard profile terminal: SMKs and service keys with their counters (bcast-smartcard-profile 2.5, 2.6, 8).
 * Messages in, what became of them and what is to be answered out; no I/O, no clock. Keys in locked memory. For one thread.
 */
#ifndef KMS_CARD_H
#define KMS_CARD_H
#include "kms/mikey_ltkm.h"
#include "kms/mikey_stkm.h"

enum { CARD_SMKS = 4, CARD_KEYS = 64, CARD_PER_GROUP = 2, CARD_ANSWER = 512, CARD_NAME = 256, CARD_STATE_MAX = 8192 };

struct card;
struct card *card_new(void);	/* NULL: no memory */
void card_free(struct card *);

/*
 * The SMK of (IDi, IDr) after a bootstrapping or a start. The same SMK again keeps its counter; another one begins with 0 (2.5). Of more
 * than CARD_SMKS the one that was given first goes. 0, or -1: a name is empty or too long (CARD_NAME with NUL), or no memory.
 */
int card_smk(struct card *, const char *naf, const char *btid, const uint8_t smk[MIKEY_SMK]);
/* The last LTKM counter accepted from (IDi, IDr): 0, or -1: no such SMK. */
int card_counter(const struct card *, const char *naf, const char *btid, uint32_t *counter);
/* Puts it anywhere: a test's stale card. */
int card_set_counter(struct card *, const char *naf, const char *btid, uint32_t counter);
void card_forget(struct card *);	/* all service keys; the SMKs stay */

/* What a message changed. CARD_EXPIRED: the key's interval is empty now (V27). */
enum card_change { CARD_UNCHANGED, CARD_NEW_KEY, CARD_INTERVAL, CARD_EXPIRED };
struct card_news {
	enum ltkm_result result;	/* LTKM_PULL: go by ids (2.9), nothing is answered */
	uint8_t err_no;			/* for ltkm_error(), if the terminal sends errors; LTKM_NO_ERR: nothing to be said */
	struct mikey_ids ids;		/* below: of LTKM_KEY and LTKM_PULL, whose counter has been taken over */
	uint32_t counter;
	enum card_change change;
	uint16_t lower, upper;
	bool evicted; struct mikey_ids gone;	/* the key that made room */
	bool again;			/* LTKM_STALE: the LTKM accepted last, once more. 2.6 drops it; `answer` is there for who does not */
	size_t len; uint8_t answer[CARD_ANSWER];	/* the verification, for where the message came from; len 0: none */
};
/*
 * One datagram or SMS. A third key of a (Key Domain, Key Group) puts out the one with the lower Key Number, one more than CARD_KEYS the
 * oldest. The answer may leave once card_save()'s octets are on disk. Lent keys (card_lend) change.
 */
enum ltkm_result card_take(struct card *, const void *msg, size_t len, struct card_news *);

/*
 * The service keys for msk_receive, which moves their counters: rx->keys and nkeys, until the next card_take, card_load, card_forget or
 * card_free. Expired ones are among them (RX_NOT_VALID). 0, or -1: no memory for a key.
 */
int card_lend(struct card *, struct msk_rx *);
struct card_key { struct mikey_ids ids; uint16_t lower, upper; uint32_t counter; uint16_t seqs; char fingerprint[17]; };
size_t card_keys(const struct card *, struct card_key *, size_t max);	/* how many there are */

/*
 * All of it, keys in clear: the caller keeps the octets as it keeps keys (mode 0600) and cleanses them. Octets needed, at most
 * CARD_STATE_MAX; nothing is written when they are more than cap.
 */
size_t card_save(const struct card *, void *out, size_t cap);
/* Replaces what the card holds. -1 with *err: not such a state, damaged, or no memory; the card is as it was. */
int card_load(struct card *, const void *, size_t len, struct gw_err *err);
#endif
