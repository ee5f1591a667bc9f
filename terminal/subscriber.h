/*
 * terminal/subscriber.h: a phone with a (U)SIM of the Smartcard profile, as a BSM sees it: bootstrapping, registration, LTKM Requests, LTKMs and
 * pulls (bcast-smartcard-profile 2.6, 2.9, 3, 7.1, 8). Sans-I/O: what comes and what time it is go in; requests and what must be remembered
 * come out by calls. One request at a time is outstanding. Whatever fails is tried again later and later, at random times.
 */
#ifndef TERM_SUBSCRIBER_H
#define TERM_SUBSCRIBER_H
#include "kms/card.h"
#include "kms/usim.h"
#include "lib/fsm.h"
#include "kms/exchange.h"
#include "terminal/misbehave.h"

enum sub_state { SUB_OFF, SUB_NO_GBA, SUB_BOOTSTRAPPING, SUB_BOOTSTRAPPED, SUB_REGISTERING, SUB_REGISTERED, SUB_DEREGISTERING, SUB_OVER, SUB_STATES };
enum sub_procedure { SUB_BOOTSTRAP, SUB_REGISTER, SUB_DEREGISTER, SUB_MSK, SUB_STKM, SUB_PROCEDURES };
enum sub_bearer { SUB_UDP, SUB_SMS, SUB_BEARERS };
enum { SUB_RESULTS = LTKM_FAILED + 1, SUB_ANSWER = CARD_ANSWER };

struct sub_clock { int64_t utc_us, mono_us; };	/* UTC for B-TIDs, the other for all that is waited for */

struct sub_request {			/* lent for the call */
	unsigned id;			/* of its reply */
	const char *method, *url; const char *const *headers;	/* "name: value", …, NULL */
	const void *body; size_t len;
};
struct sub_ops {
	/* 0, or -1: it cannot be sent; subscriber_reply() is not called for it. */
	int (*request)(void *self, const struct sub_request *);
	/* Durable when it returns 0; else nothing that hangs on it leaves. The octets hold keys. lasting: across a loss of power, too. */
	int (*save)(void *self, const void *octets, size_t len, bool lasting);
	void (*over)(void *self);	/* subscriber_stop() is done */
	/* An STKM was fetched, of the url with that place; not called when there are none. Lent. */
	void (*stkm)(void *self, size_t url, const void *msg, size_t len);
};

struct sub_conf {			/* lent until subscriber_free() */
	const char *name;		/* for the log */
	const struct usim *usim;
	const char *bsm_url, *bsf_url;	/* the BSM's without requesttype; bsf_url NULL: with a card that has its keys */
	const char *const *stkm_urls; size_t nstkm_urls;	/* STKMs that are fetched while it is registered, */
	int64_t stkm_poll_us;		/* … each so often (stkm_get of the BSM) */
	struct term_misbehave misbehave;
	const void *state; size_t state_len;	/* as saved; 0: a new card. Lent for the call. */
};

struct sub_counts {
	uint64_t sent[SUB_PROCEDURES], done[SUB_PROCEDURES], failed[SUB_PROCEDURES];	/* requests, 401s included; procedures */
	uint64_t messages[SUB_BEARERS], pulls[SUB_BEARERS], results[SUB_RESULTS];	/* LTKMs and pulls: all; pulls that were right; by enum ltkm_result */
	uint64_t verifications, repeated, dropped, spoilt, errors;	/* sent; of them once more; not sent, or wrong, on purpose; errors sent */
	uint64_t unsaved;		/* the state could not be kept */
};

struct subscriber;
extern const struct gw_fsm sub_fsm;
/* NULL with *err: a state of another card or damaged, no memory. */
struct subscriber *subscriber_new(const struct sub_conf *, const struct sub_ops *, void *self, struct gw_err *err);
void subscriber_free(struct subscriber *);
void subscriber_start(struct subscriber *, struct sub_clock);
/* Deregisters if it is registered; ops->over() comes once, within SUB_STOP_US. */
enum { SUB_STOP_US = 1500000 };
void subscriber_stop(struct subscriber *, struct sub_clock);

void subscriber_reply(struct subscriber *, unsigned id, const struct exchange_reply *, struct sub_clock);
/* One LTKM or pull; octets of the answer for whom it came from, 0: none. What it changed is saved before. */
size_t subscriber_message(struct subscriber *, enum sub_bearer, const void *msg, size_t len, void *answer, size_t cap, struct sub_clock);
/* An STKM came under a key that is not there, or with a TEK ID beyond its interval (3.5). */
void subscriber_wants(struct subscriber *, const struct mikey_ids *, bool beyond, struct sub_clock);
/* To be called when subscriber_next() has come (us of the monotonic clock; INT64_MAX: never), or at any time. */
void subscriber_time(struct subscriber *, struct sub_clock);
int64_t subscriber_next(const struct subscriber *);

/*
 * An STKM moved the counters of a key that was lent: they are kept before its TEK is used (2.5), so that no start takes it for new. Of a phone
 * that loses its power the last seconds may come again.
 */
void subscriber_counted(struct subscriber *);
struct card *subscriber_card(struct subscriber *);	/* lent: for card_lend and card_keys */
enum sub_state subscriber_state(const struct subscriber *);
const char *subscriber_btid(const struct subscriber *);	/* "": not bootstrapped */
int64_t subscriber_again(const struct subscriber *, int64_t *expires_utc_us);	/* monotonic, when it registers or tries again; of the B-TID */
size_t subscriber_services(const struct subscriber *);	/* that it is registered for */
void subscriber_counts(const struct subscriber *, struct sub_counts *);
const char *subscriber_trouble(const struct subscriber *);	/* of the last failure, ""; gone with the next success */
extern const char *const sub_procedures[SUB_PROCEDURES], *const sub_bearers[SUB_BEARERS], *const sub_results[SUB_RESULTS];
#endif
