/* bsm/delivery_int.h: the engine of LTKM delivery within: one state, four files. Of bsm/delivery*.c alone. */
#ifndef BSM_DELIVERY_INT_H
#define BSM_DELIVERY_INT_H
#include "bsm/delivery.h"
#include "lib/log.h"
#include "lib/secret.h"

enum { SECOND = 1000000, MINUTE = 60 * SECOND };
enum { MINE = 256, BOUGHT = 512, DATAGRAM = 320, FLYING = 256, ROLL_KEYS = 8 };	/* open messages of a subscriber; their subscriptions; octets of a datagram */

/*
 * What follows from the store or from what was fed: it is put back when the store did not take the turn. Times are UTC in us, 0: at once.
 */
struct mind {
	bool look_new, look_cut;	/* subscriptions in KMS_NEW from new_after on, in KMS_CUT */
	int64_t new_after, from_us;	/* the last one seen; when the next of those seen begins */
	int64_t again_us;		/* all of KMS_NEW are looked at again */
	int64_t keymgr_us, renew_us, trim_us, rolls_us;
	size_t renew_at;		/* in services[] */
	double credit; int64_t credit_us;	/* datagrams that may leave */
	size_t heard, outcomes;		/* done with */
	int64_t back_us;		/* so far the clock was set back, and nothing was done about it yet; -1: nobody knows how far */
	struct delivery_counts counts;
};

struct datagram { size_t len; uint8_t msg[DATAGRAM]; };
struct outcome { int64_t out; bool sent; };
/* An SMS that is the other side's now. */
struct flight { int64_t out; uint32_t counter; bool ready; char btid[KMS_BTID]; };
/* How fast a roll goes. */
struct pace { struct kms_roll row; bool counted; int64_t count_after; uint64_t left; double credit; int64_t at_us; };
/* Keys pass through here: locked memory. */
struct safe { struct kms_gba gba; struct kms_key key; struct kms_subscriber sub; };

struct delivery {
	struct kms_store *store;
	struct delivery_conf conf;
	struct mind now, before;
	int64_t next_us;
	int64_t tick_us, not_before_us;		/* the last tick; after a turn that the store did not take: a while */
	bool blocked;				/* the last tick sent nothing, for actions were left */
	bool behind;				/* more was due than could be sent: rolls wait */
	struct datagram *heard; size_t nheard;
	struct outcome outcome[FLYING]; size_t noutcomes;
	struct flight flight[FLYING]; size_t nflights;
	struct delivery_action *action; size_t nactions, first, ready;	/* first … ready may leave; ready … nactions when the store has them */
	struct pace *roll; size_t nrolls, room_rolls;
	int64_t *service; size_t nservices, room_services;
	struct kms_out *page;			/* DELIVERY_BATCH */
	struct { struct kms_out *row; size_t n; int64_t key; bool acked; } mine;	/* open messages of one subscriber; acked: one with `key` is */
	struct kms_subscription *bought; size_t nbought;
	struct gw_secret secret; struct safe *safe;
	int64_t safe_key;			/* whose key safe->key is in this turn; 0: none */
	struct gw_rate rate_error, rate_failed;
};

/* delivery_out.c: messages made, sent, verified */
enum reach { REACH_NOT, REACH_UDP, REACH_SMS };
enum reach out_reach(struct delivery *, int64_t sub, int64_t now_us, struct kms_registration *);
void out_open(struct delivery *, int64_t sub, int64_t key);	/* fills d->mine */
/* One LTKM with that key, or the one that is open becomes due. Asks d->mine. */
void out_ltkm(struct delivery *, int64_t sub, int64_t key, int64_t roll, bool cut, int64_t now_us);
/* One LTKM with that key as it is now, in place of those that are open. Asks d->mine. */
void out_renew(struct delivery *, int64_t sub, int64_t key, int64_t roll, int64_t now_us);
bool out_has(const struct delivery *, int64_t key);	/* is one open with that key, or verified? Asks d->mine. */
void out_pull(struct delivery *, int64_t sub, uint16_t group, bool sms, int64_t now_us);
void out_hear(struct delivery *, const struct datagram *);
void out_outcome(struct delivery *, const struct outcome *, int64_t now_us);
/* Sends what is due. Returns when it wants to go on. */
int64_t out_serve(struct delivery *, int64_t now_us);

/* Ends the pulls that a registration or an LTKM Request has answered: those of a Key Group. Asks d->mine. */
void out_answered(struct delivery *, uint16_t group);
void out_void(struct delivery *);	/* all that is open over UDP: the address is gone. Asks d->mine. */

/* delivery_rights.c: what a subscriber is entitled to */
void rights_look(struct delivery *, int64_t now_us);
void rights_events(struct delivery *, struct bsm_events *);

/* delivery_roll.c: the next SEK to everybody; next SEKs in time */
int64_t roll_tick(struct delivery *, int64_t now_us);
int64_t renew_tick(struct delivery *, int64_t now_us);
#endif
