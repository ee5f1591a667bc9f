/*
 * bsm/delivery.h: long-term keys on their way to the cards: LTKMs and pulls pushed over UDP until they are verified, SMS where there is no
 * address, rolls of SEKs to everybody (bcast-smartcard-profile 2.5, 2.9, 3.6, 7). Sans-I/O over the store: what is to be sent is a row of the
 * outbox first, with its counter spent and its octets made, and becomes an action when the store's flush said GW_WON; so whatever is DUE or
 * SENT goes on after a restart, and no counter ever has two octet strings.
 *
 * A turn: kms_store_begin; events of the doors; delivery_tick; kms_store_flush; delivery_flushed; the actions.
 * Memory is bounded, whatever the number of subscribers: rows are paged.
 */
#ifndef BSM_DELIVERY_H
#define BSM_DELIVERY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "bsm/events.h"
#include "kms/keymgr.h"
#include "proto/mikey.h"

enum { DELIVERY_PORT = 4359, DELIVERY_TRIES = 4, DELIVERY_BATCH = 256, DELIVERY_HEARD = 1024 };	/* omabcastltkm; sendings; messages a turn; datagrams that wait for one */
enum delivery_bcast { DELIVERY_PLAIN, DELIVERY_MIN, DELIVERY_FULL };	/* as he_bsm.ext_bcast */

/* Lent for the engine's life, and copied. Zero where "default" is said. */
struct delivery_conf {
	const char *naf;			/* IDi */
	uint8_t domain[3];			/* of pulls with Key Group 0 */
	uint16_t port;				/* of terminals; default 4359 */
	enum delivery_bcast ext_bcast;
	struct mikey_view criteria, binding;	/* DELIVERY_FULL: the blocks of 2.7, as in struct mikey_management; absent: left out */
	bool pull_on_purchase;
	bool sms;				/* SMS actions are carried out; else nothing falls back to it */
	uint32_t pushes_per_second;		/* datagrams; 0: as many as there are */
	uint32_t roll_rate;			/* LTKMs of a roll a second; 0: evenly over its window */
	struct keymgr_plan plan;
	int64_t cut_window_us;			/* of the roll that follows a cut; 0: what the pushes to the others take, and one repeat */
	int64_t wait_us[DELIVERY_TRIES];	/* after each sending; after the last one it has failed. Default 4, 8, 16, 4 s (3.6) */
	int64_t keep_us;			/* ended messages in the store; default 7 days */
};

/*
 * For the main() of a process that delivers: SQLite takes 64 KiB for the undo of each statement that has triggers, and returns them with it. By its
 * defaults glibc takes them from the kernel and returns them as often, which is two fifths of the cost of a delivery.
 */
void delivery_keep_memory(void);

struct delivery;
/* After an unclean stop all counters grow by 16 (2.5). Groups of its own. *err: GW_ESTORE, GW_ETEMP. */
int delivery_new(struct kms_store *, const struct delivery_conf *, struct delivery **, struct gw_err *);
/* A clean stop is noted; quiet on NULL. */
void delivery_free(struct delivery *);
void delivery_configure(struct delivery *, const struct delivery_conf *);
/* What the doors tell: within a group. */
struct bsm_events delivery_events(struct delivery *);

/* Fed at any time; nothing is done about them before the next tick. */
/* A datagram; false: too many wait for their turn (counted). */
bool delivery_heard(struct delivery *, const struct sockaddr *from, const void *msg, size_t len);
/* What became of an SMS action; not sent: for good. */
void delivery_sms_done(struct delivery *, int64_t out, bool sent);
/* The other side of SMS was closed: what it has not told of is handed over again, the same octets, when its time comes. */
void delivery_sms_gone(struct delivery *);
/* Another handle has committed (kms_store_changed): purchases, cuts and rolls by others are looked for. */
void delivery_changed(struct delivery *);

/* Does it want a tick at that time? Asks nothing of the store. */
bool delivery_wants(const struct delivery *, int64_t now_us);
/* Within a group: all that is due; keymgr_tick, too: nobody else in the process need call it. Returns when it wants the time again, UTC in us. */
int64_t delivery_tick(struct delivery *, int64_t now_us);
/* The group's end. Not GW_WON: none of it has happened, it is done again; datagrams and outcomes that were fed are kept. */
void delivery_flushed(struct delivery *, enum gw_outcome);

enum delivery_kind { DELIVERY_UDP, DELIVERY_SMS };
struct delivery_action {
	enum delivery_kind kind;
	int64_t out;				/* the row's id */
	struct sockaddr_storage to;		/* DELIVERY_UDP */
	char msisdn[KMS_MSISDN];		/* DELIVERY_SMS */
	uint8_t octets[KMS_MIKEY]; size_t len;
};
/* Those that may be carried out, in order; good until the next call but delivery_heard and delivery_sms_done. */
const struct delivery_action *delivery_actions(const struct delivery *, size_t *n);
/* The first n are done. While a batch is left, ticks make no more. */
void delivery_taken(struct delivery *, size_t n);

#define DELIVERY_COUNTS(X) /* since the start; field, words for the operator */ \
	X(pushed, "LTKMs sent for the first time") X(repeated, "messages sent again") X(pulls, "pulls sent over UDP") \
	X(sms, "pulls handed over as SMS") X(sms_sent, "SMS that were taken") X(sms_failed, "SMS that failed") \
	X(verified, "LTKMs verified") X(failed, "LTKMs that nobody verified") X(unbuilt, "messages that could not be made") \
	X(malformed, "datagrams: no MIKEY message") X(not_verification, "datagrams: neither verification nor error message") \
	X(unknown, "verifications: no such message") X(duplicate, "verifications: verified before") X(late, "verifications: given up before") \
	X(bad_mac, "verifications: MAC wrong") X(errors, "error messages: hints, no more") X(flood, "datagrams: too many at once") \
	X(flushes_lost, "turns that the store did not take")
#define DELIVERY_X(field, words) uint64_t field;
struct delivery_counts { DELIVERY_COUNTS(DELIVERY_X) };
#undef DELIVERY_X
const struct delivery_counts *delivery_counts(const struct delivery *);
#endif
