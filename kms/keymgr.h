/*
 * kms/keymgr.h: SEKs and PEKs on the store: made, put into use, rolled (bcast-smartcard-profile 1.2, 6.1, 7). The BSM and the STKMG both call it;
 * the store decides who was first, so neither needs the other to be alive.
 */
#ifndef KMS_KEYMGR_H
#define KMS_KEYMGR_H
#include "kms/store.h"

/* How the keys of a service are planned. */
struct keymgr_plan {
	int64_t life_us;	/* of a SEK */
	int64_t window_us;	/* before its end in which the next one goes to subscribers */
	uint16_t tek_ids;	/* a SEK's interval; 0: 65535 */
};

/* Makes the first SEK of a service when there is none. GW_WON: there is one now. */
enum gw_outcome keymgr_first(struct kms_store *, const struct kms_service *, const struct keymgr_plan *, int64_t now_us);
/*
 * The SEK after the current one, with a roll whose window ends at switch_us; GW_EXISTS: it was made before (a sooner switch_us is taken
 * over). A cut rolls at once: switch_us is now.
 */
enum gw_outcome keymgr_next(struct kms_store *, const struct kms_service *, const struct keymgr_plan *, int64_t now_us, int64_t switch_us);
/* A programme's PEK, valid in [from, until). */
enum gw_outcome keymgr_programme(struct kms_store *, const struct kms_service *, const char *item, int64_t from_us, int64_t until_us,
    struct kms_key *);
/*
 * Once a second or so: next SEKs whose window begins, keys that are over. *next_us: when it wants the time again. GW_UNAVAILABLE: try again.
 */
enum gw_outcome keymgr_tick(struct kms_store *, const struct keymgr_plan *, int64_t now_us, int64_t *next_us);

enum keymgr_answer { KEYMGR_KEY, KEYMGR_NO_PROGRAMME, KEYMGR_BEYOND, KEYMGR_UNKNOWN, KEYMGR_LATER };
/*
 * The key and TEK ID of a CP of an ECM_id's stream, put into use at this CP when its time has come (the roll's window is over, or the current
 * interval is): TEK ID = lower + 1 + ((CP_number - first_cp) mod 65536). CPs just before first_cp stay with the key before. When few TEK
 * IDs are left and there is no next key, it is made. KEYMGR_NO_PROGRAMME: nothing is sold now; the stream has no STKM for this CP. Within
 * the caller's group; nothing of it may leave before flush.
 */
enum keymgr_answer keymgr_at(struct kms_store *, const struct keymgr_plan *, uint16_t ecm_id, uint16_t cp, int64_t now_us, struct kms_key *,
    uint16_t *tek_id);
#endif
