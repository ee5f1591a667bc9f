/*
 * kms/keymgr.h: SEKs and PEKs on the store: made, put into use, rolled (bcast-smartcard-profile 1.2, 6.1, 7). The BSM and the STKMG both call it;
 * the store decides who was first, so neither needs the other to be alive. All but the sums are called within a group of the store's.
 *
 * A crypto-period that was answered stays with the key that answered it, whoever asks again and however late. A new one gets the key
 * whose time has come; CPs just before a key's first_cp, KEYMGR_BEFORE of them, belong to the key before it.
 */
#ifndef KMS_KEYMGR_H
#define KMS_KEYMGR_H
#include "kms/store.h"

/* A key's TEK IDs at most; how far back CPs are answered; TEK IDs left when the STKMG itself makes the next SEK (6.1). */
enum { KEYMGR_TEK_IDS = 65535, KEYMGR_BEFORE = 64, KEYMGR_FEW = 10 };

/* How the keys of a service are planned. NULL where one is asked for: as the SEK in use, else 30 days and an hour. */
struct keymgr_plan {
	int64_t life_us;	/* of a SEK; no more than keymgr_life_max_us() */
	int64_t window_us;	/* before its end in which the next one goes to subscribers; less than life_us */
	uint16_t tek_ids;	/* a SEK's interval; 0: 65535 */
};
/*
 * The longest life of a SEK, and length of a programme, at a crypto-period: its TEK IDs do not wrap (2.5). 7.5 days at 10 s; a month needs
 * 40 s. A configuration whose life_us is longer is refused; one that is there all the same rolls when the interval is used up.
 */
static inline int64_t
keymgr_life_max_us(uint16_t tek_ids, uint32_t crypto_period_ms)
{
	return (tek_ids ? tek_ids : KEYMGR_TEK_IDS) * (int64_t)crypto_period_ms * 1000;
}

/* Makes the first SEK of a service when there is none: current, not in use before an STKM needs it. GW_WON: there is one now. */
enum gw_outcome keymgr_first(struct kms_store *, const struct kms_service *, const struct keymgr_plan *, int64_t now_us);
/*
 * The SEK after the current one, with a roll whose window ends at switch_us; GW_EXISTS: it was made before (a sooner switch_us is taken
 * over). A cut rolls at once: switch_us is now. The key before the current one is dead from then on: a card keeps two of a group (1.2).
 */
enum gw_outcome keymgr_next(struct kms_store *, const struct kms_service *, const struct keymgr_plan *, int64_t now_us, int64_t switch_us);
/* A programme's PEK, valid in [from, until). GW_EXISTS: another one has this time, or a part of it; *key is that one. */
enum gw_outcome keymgr_programme(struct kms_store *, const struct kms_service *, const char *item, int64_t from_us, int64_t until_us,
    struct kms_key *);
/*
 * Another validity for all who hold the key (3.6, "changed key validity"): an interval that ends elsewhere goes to those who are registered
 * and entitled, as a roll does, the key, its number and its RAND as they were; until_us moves when its successor is planned for (SEK), or the
 * end of a programme (PEK). It holds for STKMs at once. 0: as it is. over_us: the new LTKMs are to have left by then.
 * GW_EXISTS: refused, *why (static) says why, and nothing was changed.
 */
struct keymgr_validity { uint16_t upper; int64_t until_us; };
enum gw_outcome keymgr_change(struct kms_store *, const struct kms_service *, int64_t key, const struct keymgr_validity *, int64_t now_us,
    int64_t over_us, const char **why);
/*
 * Once a second or so: next SEKs whose window begins, keys that are over, rolls that are done. *next_us: when it wants the time again.
 * GW_UNAVAILABLE: try again.
 */
enum gw_outcome keymgr_tick(struct kms_store *, const struct keymgr_plan *, int64_t now_us, int64_t *next_us);

enum keymgr_answer { KEYMGR_KEY, KEYMGR_NO_PROGRAMME, KEYMGR_BEYOND, KEYMGR_UNKNOWN, KEYMGR_LATER };
/*
 * The key and TEK ID of a CP of an ECM_id's stream, put into use at this CP when its time has come (the roll's window is over and its LTKMs are
 * all on their way, or as much time again has passed, an hour at most; or the current interval is over): TEK ID = lower + 1 + ((CP_number - first_cp) mod 65536). When few TEK IDs are left and there is no next key, it is made.
 * KEYMGR_NO_PROGRAMME: nothing is sold now; the stream has no STKM for this CP. KEYMGR_BEYOND: no key of the service reaches this CP, as
 * after CP numbers that jumped; a roll that is due, a cut say, takes whatever CP comes. KEYMGR_UNKNOWN: no such stream. KEYMGR_LATER: the
 * store is not available. Nothing of it may leave before flush, and before kms_tek_spend has taken the TEK ID for its TEK.
 */
enum keymgr_answer keymgr_at(struct kms_store *, const struct keymgr_plan *, uint16_t ecm_id, uint16_t cp, int64_t now_us, struct kms_key *,
    uint16_t *tek_id);
#endif
