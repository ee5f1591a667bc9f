/* bsm/api_int.h: within the purchase API */
#ifndef BSM_API_INT_H
#define BSM_API_INT_H
#include <jansson.h>
#include "bsm/api.h"
#include "lib/log.h"
#include "lib/secret.h"

struct api_passing {	/* in locked memory, cleansed after the request */
	struct kms_subscriber sub;
	struct kms_gba gba;
	struct kms_key key;
};

struct bsm_api {
	struct kms_store *store;
	struct bsm_events events;
	uint8_t token[32];		/* SHA-256 of it: what is compared is of one length */
	struct gw_secret memory;
	struct api_passing *now;
	struct gw_rate log;
	uint64_t counts[API_NCOUNTS];
};

/* Errors: their status, their word, and what they say; the one place that knows them (but 503: door_unavailable()), and simulgate-bsm-api(7) lists them. */
#define API_FAULTS(X) \
	X(NOT_AUTHORIZED, 401, "not_authorized",     "a bearer token is needed") \
	X(NOT_FOUND,      404, "not_found",          "there is no such thing") \
	X(METHOD,         405, "method_not_allowed", "another method is needed") \
	X(CONFLICT,       409, "conflict",           "the idempotency key belongs to another purchase") \
	X(TOO_LARGE,      413, "too_large",          "the body has more than 64 KiB") \
	X(MEDIA_TYPE,     415, "media_type",         "the body must be application/json") \
	X(MALFORMED,      400, "malformed",          "the body is not JSON") \
	X(UNKNOWN_FIELD,  400, "unknown_field",      "there is no field of that name") \
	X(MISSING_FIELD,  400, "missing_field",      "the field is needed") \
	X(INVALID_FIELD,  400, "invalid_field",      "the field is not valid") \
	X(UNKNOWN_NAME,   422, "unknown_name",       "nothing is known by that name") \
	X(INTERNAL,       500, "internal",           "the server failed")
#define API_FAULT_X(code, status, word, message) API_FAULT_##code,
enum api_fault { API_FAULTS(API_FAULT_X) API_NFAULTS };
#undef API_FAULT_X

/* field, message: NULL: none, the usual one. GW_WON, so that a handler may return it. */
enum gw_outcome api_refuse(struct bsm_api *, const struct door_request *, struct door_answer *, enum api_fault, const char *field, const char *message);
/* Takes the object (NULL: no memory). */
enum gw_outcome api_say(struct door_answer *, unsigned status, json_t *);

/* A value of the query or a part of the path, %-escapes undone; false: malformed or too long. */
bool api_unescape(const char *text, size_t len, char *out, size_t cap);
/* A name=value of the query. 1: there, 0: not there, -1: malformed. */
int api_query(const char *query, const char *name, char *out, size_t cap);
/* RFC 3339 in UTC: 2026-12-01T00:00:00Z, a fraction is allowed. */
bool api_time(const char *text, int64_t *utc_us);
json_t *api_time_json(int64_t utc_us);	/* null for 0 */
struct api_page { int64_t after; size_t limit; };
/* ?after= and ?limit=; NULL, or the field that is not valid. */
const char *api_page(const char *query, struct api_page *);

enum gw_outcome api_subscription_post(struct bsm_api *, const struct door_request *, const char *rest, struct door_answer *);
enum gw_outcome api_subscription_get(struct bsm_api *, const struct door_request *, const char *rest, struct door_answer *);
enum gw_outcome api_subscription_end(struct bsm_api *, const struct door_request *, const char *rest, struct door_answer *);
enum gw_outcome api_subscriptions_get(struct bsm_api *, const struct door_request *, const char *rest, struct door_answer *);
enum gw_outcome api_subscriber_get(struct bsm_api *, const struct door_request *, const char *rest, struct door_answer *);
enum gw_outcome api_subscribers_get(struct bsm_api *, const struct door_request *, const char *rest, struct door_answer *);
#endif
