/*
 * bsm/api.h: the purchase API, for web shops, sans-I/O: subscriptions are put, listed and ended in JSON under a bearer token;
 * simulgate-bsm-api(7). Every error is {"error": …, "message": …, "field": …}.
 */
#ifndef BSM_API_H
#define BSM_API_H
#include "bsm/door.h"
#include "bsm/events.h"
#include "kms/store.h"

enum { API_BODY = 64 << 10, API_TOKEN_MIN = 16, API_PAGE = 100, API_PAGE_MAX = 1000 };

struct bsm_api;
/* token_file: 0600, one line; lent are the store and the events. */
int bsm_api_new(struct kms_store *, const char *token_file, const struct bsm_events *, struct bsm_api **, struct gw_err *);
void bsm_api_free(struct bsm_api *);	/* quiet on NULL */
/* The token is read again; -1: the old one stays. */
int bsm_api_reload(struct bsm_api *, const char *token_file, struct gw_err *);
/* As regd_request(): within a group, the answer leaves after flush. */
enum gw_outcome bsm_api_request(struct bsm_api *, const struct door_request *, struct door_answer *);

#define API_COUNTS(X) \
	X(PURCHASES,   "purchases",   "subscriptions put") \
	X(REPEATED,    "repeated",    "purchases that were sent again under their idempotency key") \
	X(ENDED,       "ended",       "subscriptions ended") \
	X(READ,        "read",        "subscriptions and subscribers read") \
	X(DENIED,      "denied",      "requests without the token") \
	X(REFUSED,     "refused",     "requests that were not valid") \
	X(UNAVAILABLE, "unavailable", "the store was busy")
#define API_X(code, name, help) API_##code,
enum api_count { API_COUNTS(API_X) API_NCOUNTS };
#undef API_X
extern const struct api_counter { const char *name, *help; } api_counters[API_NCOUNTS];
const uint64_t *bsm_api_counts(const struct bsm_api *);	/* by enum api_count */
#endif
