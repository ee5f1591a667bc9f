/*
 * bsm/regd.h: the registration server, sans-I/O: bootstrapping (Ub), registration, deregistration and LTKM (MSK) Requests under HTTP Digest
 * (bcast-smartcard-profile 3.1 to 3.5). A request and the time go in; an answer, rows of the store and events come out.
 */
#ifndef BSM_REGD_H
#define BSM_REGD_H
#include "bsm/door.h"
#include "bsm/events.h"
#include "kms/store.h"

/*
 * Further things to be had under the SRK's Digest (STKMs over the interaction channel): requests with that method whose path begins with
 * that prefix. answer() is called once the subscriber is known, within the group; regd adds Authentication-Info to what it answers.
 */
struct regd_route {
	const char *method, *prefix;
	void (*answer)(void *self, int64_t sub, const struct door_request *, struct door_answer *);
	void *self;
};

struct regd_conf {			/* lent for the life of the engine */
	const char *naf, *bsf;		/* FQDNs: of the realm, NAF_Id and IDi; of the realm of Ub and after the @ of B-TIDs */
	const char *path;		/* of requests whose content type says nothing; NULL: /keymanagement */
	const char *bsf_path;		/* where Ub is; NULL: / */
	bool auth_ok;			/* qop auth is accepted, too (Reading) */
	bool registered_address;	/* X-Registered-Address is believed; tests (Reading) */
	bool mac_star;			/* challenges of GBA_U cards carry MAC* (3.1) */
	/* 0: the default */
	int64_t registration_us;	/* 3600 s */
	int64_t nonce_us;		/* 300 s */
	int64_t bootstrapping_us;	/* life of a B-TID; 24 h */
	int64_t challenge_us;		/* of Ub; 60 s */
	int64_t request_us;		/* LTKM Requests for a Key Group: one in so long is expected of a terminal (3.5), 30 s; */
	unsigned requests;		/* … and so many at once are borne; 4. More: 503 */
	const struct regd_route *routes; size_t nroutes;
};

/* What happened, for status and metrics: a name, and its meaning. */
#define REGD_COUNTS(X) \
	X(CHALLENGES,      "challenges",      "bootstrapping challenges sent") \
	X(RESYNCS,         "resyncs",         "sequence numbers taken over from a card") \
	X(BOOTSTRAPPED,    "bootstrapped",    "subscribers that got a B-TID") \
	X(REGISTRATIONS,   "registrations",   "registrations put") \
	X(DEREGISTRATIONS, "deregistrations", "registrations ended by the terminal") \
	X(REQUESTS,        "requests",        "LTKM Requests answered") \
	X(WANTED,          "wanted",          "LTKMs that requests were promised") \
	X(ROUTED,          "routed",          "requests handed to further routes") \
	X(UNAUTHENTICATED, "unauthenticated", "requests without credentials, which got a challenge") \
	X(BAD_CREDENTIALS, "bad_credentials", "credentials that are malformed, or for another realm or place") \
	X(WRONG,           "wrong",           "unknown or expired B-TID or IMPI, or wrong response") \
	X(STALE,           "stale",           "right, but the nonce has expired") \
	X(REPLAYED,        "replayed",        "right, but the nonce count or the challenge was used before") \
	X(MALFORMED,       "malformed",       "bodies that are not the document they should be") \
	X(UNKNOWN,         "unknown",         "other paths, methods and content types") \
	X(LIMITED,         "limited",         "keys that were asked for too often") \
	X(UNAVAILABLE,     "unavailable",     "the store was busy")
#define REGD_X(code, name, help) REGD_##code,
enum regd_count { REGD_COUNTS(REGD_X) REGD_NCOUNTS };
#undef REGD_X
extern const struct regd_counter { const char *name, *help; } regd_counters[REGD_NCOUNTS];

struct regd;
/* Not within a group of the store: keys for nonces and challenges are read from it or put into it. All are lent. */
int regd_new(struct kms_store *, const struct regd_conf *, const struct bsm_events *, struct regd **, struct gw_err *);
/* Another conf from now on; names and path are the same. */
void regd_configure(struct regd *, const struct regd_conf *);
void regd_free(struct regd *);	/* quiet on NULL */
/*
 * Within the caller's group: nothing of the answer may leave before its flush. The outcome is that of the store: GW_UNAVAILABLE: the group
 * has failed, the answer is a 503.
 */
enum gw_outcome regd_request(struct regd *, const struct door_request *, struct door_answer *);
const uint64_t *regd_counts(const struct regd *);	/* by enum regd_count */
#endif
