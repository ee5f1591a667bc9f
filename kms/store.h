/*
 * kms/store.h: what the KMS of the Smartcard profile must not forget: subscribers, their GBA contexts, services, subscriptions,
 * registrations, SEKs and PEKs, LTKMs and pulls on their way, spent TEK IDs, rolls, audit. One store for the STKMG (the ECMG's plugin), the
 * BSM and the operators' commands, each with a handle of its own. bcast-smartcard-profile 7.
 *
 * No SQL anywhere else: a second back end has these calls. Rows with key material are wrapped at rest and are plain in the caller's struct:
 * it cleanses them. Times are UTC in us; 0: none. Names are UTF-8, NUL-terminated. A handle is for one thread.
 */
#ifndef KMS_STORE_H
#define KMS_STORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include "lib/err.h"
#include "lib/store.h"	/* enum gw_outcome */

enum { KMS_NAME = 65, KMS_IMPI = 256, KMS_MSISDN = 20, KMS_BTID = 280, KMS_URI = 256, KMS_MIKEY = 255, KMS_TEXT = 400 };

struct kms_store;
/*
 * PATH is one SQLite file (WAL, 0600), PATH.master its master key (0600; `master` names another place, e.g. a systemd credential). create:
 * both are made when neither is there. Refused with the reason: no store, a newer schema, a corrupt file, a wrong or missing master key.
 */
struct kms_store_conf { const char *path, *master; bool create; };
int kms_store_open(const struct kms_store_conf *, struct kms_store **, struct gw_err *);
void kms_store_close(struct kms_store *);
/* One consistent file (store) and its master key beside it, while others use it; `to` must not exist. */
int kms_store_backup(struct kms_store *, const char *to, struct gw_err *);
/* Puts a backup in place of nothing: refused where there is a store. */
int kms_store_restore(const char *from, const struct kms_store_conf *, struct gw_err *);
/* Everything wrapped anew under a new master key, in one transaction; a crash leaves the old pair or the new one. Other handles notice. */
int kms_store_rotate(struct kms_store *, struct gw_err *);

/*
 * As in lib/store.h: calls between begin and flush become durable together, and none of them has happened before flush says GW_WON.
 * begin waits for other writers: what a group has read stays so until its flush. So a group is short, and writes.
 */
void kms_store_begin(struct kms_store *);
enum gw_outcome kms_store_flush(struct kms_store *);
void kms_store_drop(struct kms_store *);
/* Another handle has committed since this was asked last (cheap: asked many times a second). */
bool kms_store_changed(struct kms_store *);
/*
 * Below: GW_WON; GW_EXISTS where a put finds its key taken, or a get, end or mark finds nothing; GW_UNAVAILABLE: not now. Lists are
 * paged, ascending: each() borrows its row, calls nothing of the store and returns non-zero to stop; `after` is the last id seen, 0 at first.
 */

/* ---- subscribers and their bootstrapping (1.1, 3.1) ---- */
enum kms_provision { KMS_MILENAGE, KMS_KS, KMS_KEYS };	/* who computes: the built-in BSF; both sides from a given Ks; SMK and SRK are given */
struct kms_subscriber {
	int64_t id;			/* given by the store */
	char name[KMS_NAME];		/* the operator's, unique */
	char impi[KMS_IMPI];		/* unique; "" only with KMS_KEYS */
	char msisdn[KMS_MSISDN];	/* digits, unique; "": no SMS */
	enum kms_provision provision;
	bool gba_me;			/* gba_mode me; else u */
	uint8_t k[16], opc[16], sqn[6], amf[2];	/* KMS_MILENAGE; sqn: the last one used */
};
enum gw_outcome kms_subscriber_put(struct kms_store *, const struct kms_subscriber *, int64_t *id);
enum gw_outcome kms_subscriber_get(struct kms_store *, int64_t id, struct kms_subscriber *);
/* Found by name, IMPI or MSISDN, in this order. */
enum gw_outcome kms_subscriber_find(struct kms_store *, const char *who, struct kms_subscriber *);
/* IMPI, MSISDN, gba_me and a card's keys become those, by id; name, provision and SQN stay. GW_EXISTS: there is none; IMPI or MSISDN is another one's. */
enum gw_outcome kms_subscriber_change(struct kms_store *, const struct kms_subscriber *);
enum gw_outcome kms_subscriber_sqn(struct kms_store *, int64_t id, const uint8_t sqn[6]);
enum gw_outcome kms_subscriber_end(struct kms_store *, int64_t id);	/* with all that is theirs, the audit apart */
typedef int kms_subscriber_each(void *self, const struct kms_subscriber *);	/* without keys */
enum gw_outcome kms_subscribers(struct kms_store *, int64_t after, size_t max, kms_subscriber_each *, void *self);

struct kms_gba {
	char btid[KMS_BTID];		/* the key */
	int64_t sub;
	uint8_t rand[16], ks[32];	/* zero with KMS_KEYS */
	uint8_t smk[32], srk[32];
	int64_t since_us, expires_us;
	uint32_t ltkm_counter;		/* the last one spent; a new context begins with 0 */
	bool live;			/* the subscriber's newest; older ones are kept for 24 h, and that of KMS_KS or KMS_KEYS for good */
};
/* Becomes the live one. Keys that come back (of KMS_KS, KMS_KEYS, of a subscriber who ended) go on from the counter that they had. */
enum gw_outcome kms_gba_put(struct kms_store *, const struct kms_gba *);
/* The same B-TID again, with another life or other keys: it is the live one, its counter goes on. GW_EXISTS: that subscriber has no such B-TID. */
enum gw_outcome kms_gba_renew(struct kms_store *, const struct kms_gba *);
enum gw_outcome kms_gba_get(struct kms_store *, const char *btid, struct kms_gba *);
enum gw_outcome kms_gba_live(struct kms_store *, int64_t sub, struct kms_gba *);
/* The next LTKM counter of a context, spent for good once flush has said so. GW_EXISTS: no such context, or all of them are spent. */
enum gw_outcome kms_gba_spend(struct kms_store *, const char *btid, uint32_t *counter);
/* After an unclean stop (2.5): every counter grows by n. */
enum gw_outcome kms_gba_skip(struct kms_store *, uint32_t n);

/* ---- services, what streams carry them, and who has bought them ---- */
enum kms_kind { KMS_SEK, KMS_PEK };
struct kms_service {
	int64_t id;
	char name[KMS_NAME];			/* the head-end's id of it, unique */
	char item[KMS_URI], reference[KMS_URI];	/* GlobalPurchaseItemID and PurchaseDataReference; together the MBMS User Service ID (3.4) */
	uint16_t group[2];			/* Key Groups by enum kms_kind, drawn at the first put; 0: no PEKs */
	uint8_t domain[3];			/* Key Domain ID */
	uint32_t crypto_period_ms;
};
/*
 * Puts or changes it by name; group and id are filled in. A group for PEKs is drawn when group[KMS_PEK] is not 0, when a stream of
 * PEKs is put, or with the first PEK. GW_EXISTS: another service has its URI; or its Key Domain would change while it has keys.
 */
enum gw_outcome kms_service_put(struct kms_store *, struct kms_service *);
enum gw_outcome kms_service_get(struct kms_store *, int64_t id, struct kms_service *);
enum gw_outcome kms_service_find(struct kms_store *, const char *name_or_uri, struct kms_service *);	/* name, or item || reference */
enum gw_outcome kms_service_group(struct kms_store *, const uint8_t domain[3], uint16_t group, struct kms_service *, enum kms_kind *);
enum gw_outcome kms_service_rename(struct kms_store *, int64_t id, const char *name);	/* GW_EXISTS: another one has it, or there is no such service */
/*
 * It is offered no more: subscriptions end, keys are dead, what is on its way is void, streams go, another service may have its URI. The row stays,
 * with its Key Groups and the numbers that were used: it may come back.
 */
enum gw_outcome kms_service_end(struct kms_store *, int64_t id, int64_t now_us);
#define KMS_ENDED_ITEM "urn:simulgate:ended:"	/* then its item begins so */
static inline bool
kms_service_is_ended(const struct kms_service *s)
{
	return strncmp(s->item, KMS_ENDED_ITEM, sizeof(KMS_ENDED_ITEM) - 1) == 0;
}
typedef int kms_service_each(void *self, const struct kms_service *);
enum gw_outcome kms_services(struct kms_store *, kms_service_each *, void *self);
/* Which keys seal the STKMs of an ECM_id (= stkmstream). */
enum gw_outcome kms_stream_put(struct kms_store *, uint16_t ecm_id, int64_t service, enum kms_kind);
enum gw_outcome kms_streams_end(struct kms_store *, int64_t service);	/* those of it; its Key Groups stay */
/* GW_WON: a stream of it has keys of that kind. */
enum gw_outcome kms_stream_of(struct kms_store *, int64_t service, enum kms_kind);
enum gw_outcome kms_stream_get(struct kms_store *, uint16_t ecm_id, struct kms_service *, enum kms_kind *);

enum kms_subscription_state {
	KMS_NEW,	/* bought, and nothing was done about it */
	KMS_TOLD,	/* an LTKM or a pull is on its way, or was delivered */
	KMS_CUT,	/* ended at once: the key is to be made unusable and rolled */
	KMS_ENDED,	/* over; kept for the record */
};
struct kms_subscription {
	int64_t id, sub, service;
	enum kms_kind kind; int64_t key;	/* KMS_PEK: the programme's key */
	int64_t from_us, until_us;		/* until 0: for good */
	char source[KMS_NAME];			/* portal, terminal, operator, import … */
	char order[KMS_NAME];			/* idempotency key, unique unless "" */
	enum kms_subscription_state state;
	int64_t sold_until_us;			/* as it was bought, whatever became of it since; given by the store. -1: nobody knows */
};
/* As it is now: what is past its end is over, though nobody has marked it. */
static inline enum kms_subscription_state
kms_subscription_now(const struct kms_subscription *s, int64_t now_us)
{
	return s->state < KMS_CUT && s->until_us && s->until_us <= now_us ? KMS_ENDED : s->state;
}
/* GW_EXISTS: that order was taken before; *id is the one that it made. */
enum gw_outcome kms_subscription_put(struct kms_store *, const struct kms_subscription *, int64_t *id);
enum gw_outcome kms_subscription_get(struct kms_store *, int64_t id, struct kms_subscription *);
enum gw_outcome kms_subscription_until(struct kms_store *, int64_t id, int64_t until_us, enum kms_subscription_state);
enum gw_outcome kms_subscription_mark(struct kms_store *, int64_t id, enum kms_subscription_state);
typedef int kms_subscription_each(void *self, const struct kms_subscription *);
enum gw_outcome kms_subscriptions_of(struct kms_store *, int64_t sub, kms_subscription_each *, void *self);
/* In a state, by id. */
enum gw_outcome kms_subscriptions_in(struct kms_store *, enum kms_subscription_state, int64_t after, size_t max, kms_subscription_each *, void *self);
/* GW_WON: the subscriber has it at that time (SEK: the service; PEK: the programme of `key`, or the service). */
enum gw_outcome kms_entitled(struct kms_store *, int64_t sub, int64_t service, enum kms_kind, int64_t key, int64_t at_us);

/* ---- registrations (3.4) ---- */
struct kms_registration {
	int64_t sub;			/* the key */
	char btid[KMS_BTID];
	struct sockaddr_storage at;	/* IP address; its port is not used */
	int64_t since_us, expires_us;
	bool reachable;			/* false: pushes failed (7.1); SMS until it registers again */
	char services[KMS_TEXT];	/* the MBMS User Service IDs, by spaces; "*": all */
};
enum gw_outcome kms_registration_put(struct kms_store *, const struct kms_registration *);
enum gw_outcome kms_registration_get(struct kms_store *, int64_t sub, struct kms_registration *);
enum gw_outcome kms_registration_unreachable(struct kms_store *, int64_t sub);
enum gw_outcome kms_registration_end(struct kms_store *, int64_t sub);
typedef int kms_registration_each(void *self, const struct kms_registration *);
/* How many there are that expire after at_us: in reach, and not. Counts them all: not for every request. */
enum gw_outcome kms_registration_counts(struct kms_store *, int64_t at_us, uint64_t *reachable, uint64_t *unreachable);
/* Those that expire after at_us. */
enum gw_outcome kms_registrations(struct kms_store *, int64_t at_us, int64_t after_sub, size_t max, kms_registration_each *, void *self);

/* ---- SEKs and PEKs (1.2, 6.1) ---- */
enum kms_key_state { KMS_KEY_NEW, KMS_KEY_CURRENT, KMS_KEY_OLD, KMS_KEY_DEAD };
struct kms_key {
	int64_t id, service;
	enum kms_kind kind;
	uint8_t domain[3];
	uint16_t group, number;		/* number: given by the store, the next of the group; 1 after 65535 */
	uint8_t key[16], rand[16];
	uint16_t lower, upper;		/* TEK IDs (lower, upper] */
	int32_t first_cp;		/* the CP_number at which it went into use; -1: not yet */
	int64_t valid_from_us, valid_until_us;	/* as planned */
	char programme[KMS_URI];	/* KMS_PEK: its GlobalPurchaseItemID */
	enum kms_key_state state;
};
/* Fills id, domain, group and number. GW_EXISTS: the group has an unused key already (SEK: state new; id and number are its), or `number` of it is still in use. */
enum gw_outcome kms_key_put(struct kms_store *, struct kms_key *);
enum gw_outcome kms_key_get(struct kms_store *, int64_t id, struct kms_key *);
/* number 0: the current one of the group (1.2); before its first use the new one. */
enum gw_outcome kms_key_find(struct kms_store *, const uint8_t domain[3], uint16_t group, uint16_t number, struct kms_key *);
/* It goes into use at that CP, its predecessor becomes old; GW_EXISTS: it has a first_cp already, *first_cp. A first SEK may be current before. */
enum gw_outcome kms_key_use(struct kms_store *, int64_t id, uint16_t cp, uint16_t *first_cp);
enum gw_outcome kms_key_state(struct kms_store *, int64_t id, enum kms_key_state);
enum gw_outcome kms_key_validity(struct kms_store *, int64_t id, int64_t valid_until_us);
/* Another end of its TEK IDs; the lower limit is what TEK IDs are counted from, and stays. */
enum gw_outcome kms_key_upper(struct kms_store *, int64_t id, uint16_t upper);
typedef int kms_key_each(void *self, const struct kms_key *);
/* Those of a service and kind that are not dead, by id. */
enum gw_outcome kms_keys(struct kms_store *, int64_t service, enum kms_kind, kms_key_each *, void *self);
/* A TEK ID is spent for the TEK with that hash (32 octets). GW_EXISTS: it is spent; *same: for this very TEK. Forgets all but the 256 greatest of
 * a key, and takes whatever is not greater than a forgotten one for spent. */
enum gw_outcome kms_tek_spend(struct kms_store *, int64_t key, uint16_t tek_id, const uint8_t hash[32], bool *same);
/* The greatest that is spent; GW_EXISTS: none. */
enum gw_outcome kms_tek_last(struct kms_store *, int64_t key, uint16_t *tek_id);

/* ---- messages on their way (2.5, 3.6, 4) ---- */
enum kms_out_state { KMS_OUT_DUE, KMS_OUT_SENT, KMS_OUT_ACKED, KMS_OUT_FAILED, KMS_OUT_SMS, KMS_OUT_VOID };
enum kms_out_states { KMS_OUT_STATES = KMS_OUT_VOID + 1 };
struct kms_out {
	int64_t id, sub;
	bool pull; uint16_t group;	/* a solicited pull for that Key Group; else an LTKM with `key` */
	int64_t key, roll;		/* roll 0: not part of one */
	bool cut;			/* LTKM with the empty interval (V27) */
	bool sms;			/* pull: by SMS */
	char btid[KMS_BTID];		/* from here on: once it is built */
	uint32_t counter;
	uint8_t octets[KMS_MIKEY]; size_t len;
	int64_t due_us;			/* when it is to be sent, first or again */
	unsigned tries;
	enum kms_out_state state;
};
enum gw_outcome kms_out_put(struct kms_store *, const struct kms_out *, int64_t *id);
/* All but id, sub, key, group and roll are replaced; the counts of its roll follow its state. */
enum gw_outcome kms_out_change(struct kms_store *, const struct kms_out *);
enum gw_outcome kms_out_find(struct kms_store *, const char *btid, uint32_t counter, struct kms_out *);
typedef int kms_out_each(void *self, const struct kms_out *);
/* DUE and SENT ones whose time has come, by due_us. */
enum gw_outcome kms_out_due(struct kms_store *, int64_t now_us, size_t max, kms_out_each *, void *self);
enum gw_outcome kms_out_next(struct kms_store *, int64_t *due_us);	/* GW_EXISTS: there is none */
/* The clock was set back: DUE and SENT ones that are due later than after_us are due by_us sooner, though not before now_us. */
enum gw_outcome kms_out_back(struct kms_store *, int64_t after_us, int64_t by_us, int64_t now_us);
enum gw_outcome kms_outs_of(struct kms_store *, int64_t sub, kms_out_each *, void *self);
/* Counts of all of LTKMs and of pulls by state, since the store was made. */
enum gw_outcome kms_out_counts(struct kms_store *, uint64_t ltkm[KMS_OUT_STATES], uint64_t pull[KMS_OUT_STATES]);
enum gw_outcome kms_out_trim(struct kms_store *, int64_t before_us);	/* ended ones that are older; the counts stay */

/* ---- rolls: the next SEK goes to all who are registered, then the STKMG switches. Updates: a key that they have does, with another interval ---- */
/* READY: all are due or further; DONE: the STKMG has switched, or all of an update's are over. */
enum kms_roll_state { KMS_ROLL_PUSHING, KMS_ROLL_READY, KMS_ROLL_DONE };
struct kms_roll {
	int64_t id, old_key, new_key;	/* an update: the same */
	int64_t from_us, switch_us;	/* the window */
	int64_t cursor;			/* the last subscriber that was made due */
	uint64_t out[KMS_OUT_STATES];	/* its LTKMs by state */
	enum kms_roll_state state;
};
/* GW_EXISTS: new_key has a roll. An update of a key ends the one before. */
enum gw_outcome kms_roll_put(struct kms_store *, const struct kms_roll *, int64_t *id);
enum gw_outcome kms_roll_get(struct kms_store *, int64_t new_key, struct kms_roll *);	/* no update */
static inline bool
kms_roll_is_update(const struct kms_roll *r)
{
	return r->old_key == r->new_key;
}
/* Registered subscribers that it has not come to: those who expire after at_us. Counts them all, as kms_registration_counts() does. */
enum gw_outcome kms_roll_left(struct kms_store *, const struct kms_roll *, int64_t at_us, uint64_t *left);
enum gw_outcome kms_roll_change(struct kms_store *, const struct kms_roll *);	/* times, cursor, state */
typedef int kms_roll_each(void *self, const struct kms_roll *);
enum gw_outcome kms_rolls(struct kms_store *, bool done_too, kms_roll_each *, void *self);

/* ---- digest nonces that were used (3.3), notes, audit ---- */
/* nc must be greater than every one before under this nonce. GW_EXISTS: it is not. Forgotten after expires_us. */
enum gw_outcome kms_nonce_use(struct kms_store *, const char *nonce, uint32_t nc, int64_t expires_us);
/* Small named values; secret ones are wrapped. put replaces. *len: room, then octets. */
enum gw_outcome kms_note_put(struct kms_store *, const char *name, const void *value, size_t len, bool secret);
enum gw_outcome kms_note_get(struct kms_store *, const char *name, void *value, size_t *len, bool secret);
/* Who did what, in words without keys. */
enum gw_outcome kms_audit(struct kms_store *, int64_t at_us, const char *who, const char *what);
typedef int kms_audit_each(void *self, int64_t id, int64_t at_us, const char *who, const char *what);
enum gw_outcome kms_audits(struct kms_store *, int64_t after, size_t max, kms_audit_each *, void *self);
/* Forgets what has expired: nonces, registrations long over, GBA contexts after their 24 h. */
enum gw_outcome kms_store_trim(struct kms_store *, int64_t now_us);
#endif
