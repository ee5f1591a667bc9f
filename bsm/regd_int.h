/* bsm/regd_int.h: within the registration server */
#ifndef BSM_REGD_INT_H
#define BSM_REGD_INT_H
#include "bsm/regd.h"
#include "kms/crypt.h"
#include "kms/digest.h"
#include "kms/gba.h"
#include "kms/mbms_xml.h"
#include "lib/log.h"
#include "lib/secret.h"

enum { REGD_PASSWORD = 44, REGD_LIMITS = 4096, REGD_RIGHTS = MBMS_ITEMS - 1, REGD_NONCE = 200 };

/* In locked memory. What belongs to the request at hand is cleansed when it is answered. */
struct regd_secrets {
	struct { uint8_t nonce[32], rand[32], decoy[32]; } keys;	/* of the store: nonces and challenges outlive a restart */
	struct regd_passing {
		struct kms_subscriber sub;
		struct kms_gba gba;
		struct gba_vector vector;
		struct milenage milenage;
		struct kms_key key;
		char password[REGD_PASSWORD + 1];
	} now;
};

/* How often keys of a Key Group were asked for by a subscriber of late; those who share a place forget each other's. */
struct regd_limit { uint64_t who; int64_t since_us; unsigned n; };

/* The document that was read last: phones of one make send the same, octet by octet. */
struct regd_seen { enum mbms_procedure procedure; size_t len; uint8_t octets[512]; struct mbms_list list; };	/* len 0: none */

struct regd {
	struct kms_store *store;
	struct regd_conf conf;		/* defaults filled in */
	struct bsm_events events;
	struct gw_secret memory;
	struct regd_secrets *s;
	struct crypt_mac *rand_mac, *decoy_mac;
	char realm[DIGEST_REALM];
	struct digest_credentials c;	/* of the request at hand */
	struct regd_limit *limits;
	struct regd_seen seen;
	uint8_t decoy_amf[2];		/* as the last real subscriber has it: it stands in challenges for all to see */
	struct gw_rate log;
	uint64_t counts[REGD_NCOUNTS];
};

/* Counts it and says it in the log, at a limited rate. why: static words. */
void regd_note(struct regd *, enum regd_count, const struct door_request *, const char *who, const char *why);
/* The subscriber of a request, proven by Digest under the SRK: s->now.gba and .password are filled. *proven false: answered. */
enum gw_outcome regd_prove(struct regd *, const struct door_request *, struct door_answer *, bool *proven);
/*
 * So that a name that is unknown costs what a known one costs: notes that are as long as the keys of a context and of a card are looked up
 * and unwrapped in place of a row, and one that is not there where there was a row.
 */
extern const char regd_decoy_context[], regd_decoy_card[], regd_nobody[];
enum { REGD_CONTEXT_KEYS = 3 * 32, REGD_CARD_KEYS = 2 * 16 + 2 };
enum gw_outcome regd_look_up(struct regd *, const char *note);

bool regd_is_ub(const struct regd *, const struct door_request *);
enum gw_outcome regd_ub(struct regd *, const struct door_request *, struct door_answer *);
/* A registration, deregistration or LTKM Request of a proven subscriber. */
enum gw_outcome regd_procedure(struct regd *, enum mbms_procedure, const struct door_request *, struct door_answer *);
#endif
