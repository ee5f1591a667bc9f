/*
 * bridge/seak.h: the BSD/A's side of the synchronisation of SEAKs (bcast-backend-xml 6): one BSM's SEAK reaches all BSMs of the service, and no STKM
 * goes on air under a SEAK that they have not got. Sans-I/O: messages and time go in; what is to be sent, answered and kept comes out through the
 * owner's calls. Peers are named by their id (@source). Times are UTC in us.
 */
#ifndef BRIDGE_SEAK_H
#define BRIDGE_SEAK_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bridge/errors.h"
#include "kms/seaks.h"

enum { SEAK_MOST = 64, SEAK_ENDLESS = 8, SEAK_WAITERS = 64, SEAK_PEER_WAITERS = 8, SEAK_PEER_WINDOW = 8 };	/* SEAKs of one service and kind; those without an end of one generator that stay in any case; pulls that wait for one answer, and those of one peer among them; deliveries to one peer at a time */

struct seak_member { const char *id; bool called; };	/* called: it can be sent to; else it only asks */
/* One service; copied. members: all of its BSMs, the generator among them. */
struct seak_rule {
	const char *service, *urn;
	const char *generator;		/* NULL: whoever is first with an instance is its generator */
	const struct seak_member *members; size_t nmembers;
	int64_t wait_us;		/* of the gate */
};
/* What a tag 18 or 19 says. */
struct seak_said {
	bool context;			/* there is a SeakContext with a cidExtension */
	enum seak_kind kind; uint32_t cid_extension;
	int64_t from_s, to_s;		/* INT64_MIN, INT64_MAX: not said */
	const uint8_t *key; size_t len;	/* one Data; NULL: none, or several */
};

struct seak_flight;	/* a delivery or request on its way; ends in seak_delivered or seak_responded, once */
/* None of these calls may call back into the engine. key has SEAK_LEN octets; the rows' own are zero. */
struct seak_ops {
	/* Durable when it returns 0: one SEAK and its marks; id is filled in. Before anybody is told. */
	int (*save)(void *self, struct seak_row *, const uint8_t *key, const struct seak_mark *, size_t n);
	void (*mark)(void *self, int64_t id, const struct seak_mark *);
	void (*gate)(void *self, int64_t id, int64_t first_us, int64_t open_us);
	void (*drop)(void *self, int64_t id);
	void (*audit)(void *self, const struct seak_audit *);
	void (*deliver)(void *self, struct seak_flight *, const char *who, const struct seak_row *, const uint8_t *key);	/* tag 19, one attempt */
	void (*request)(void *self, struct seak_flight *, const char *who, const char *urn);				/* tag 17 */
	/* Tag 18 or 20, to a call of seak_asked or seak_offered; row: the SEAK that a tag 18 carries, or NULL. */
	void (*answer)(void *self, void *call, unsigned status, const struct seak_row *row, const uint8_t *key, const char *reason);
};

struct seak_sync;
/* NULL: no memory. */
struct seak_sync *seak_new(const struct seak_rule *, size_t n, const struct seak_ops *, void *self);
/* Pulls that wait are answered with status 19; flights end unheard: seak_delivered and seak_responded still come, with any engine or NULL, as before seak_free with NULL. */
void seak_free(struct seak_sync *);
/* What was kept, before anything else: each SEAK with its marks. Those of services that are not in the rules, and expired ones, are passed over. */
int seak_restore(struct seak_sync *, const struct seak_row *, const struct seak_mark *, size_t n, int64_t now_us);

void seak_asked(struct seak_sync *, void *call, const char *who, const char *urn, int64_t now_us);				/* tag 17 */
void seak_offered(struct seak_sync *, void *call, const char *who, const char *urn, const struct seak_said *, int64_t now_us);	/* tag 19 */
enum seak_end { SEAK_ANSWERED, SEAK_REFUSED, SEAK_SILENT };	/* with a status; with HTTP's no; not at all */
void seak_delivered(struct seak_sync *, struct seak_flight *, enum seak_end, unsigned status, const char *reason, int64_t now_us);
void seak_responded(struct seak_sync *, struct seak_flight *, enum seak_end, unsigned status, const char *reason, const struct seak_said *, int64_t now_us);
/*
 * A peer does not answer, whatever it was that was sent to it: after SEAK_GRACE_MS nothing waits for it, neither what is under way nor what comes, until it is
 * heard again.
 */
enum { SEAK_GRACE_MS = 1500 };
void seak_lost(struct seak_sync *, const char *who, int64_t now_us);
/* A sign of life of a peer that was silent: what it is to have goes to it now. */
void seak_heard(struct seak_sync *, const char *who, int64_t now_us);
void seak_tick(struct seak_sync *, int64_t now_us);
int64_t seak_next(const struct seak_sync *);	/* when to tick; INT64_MAX: never */

/*
 * May an STKM with this extension of the service (its GlobalServiceID) go on air? True for services without a rule. False: all reachable BSMs have not
 * confirmed yet and wait is not over, or nobody has delivered that SEAK.
 */
bool seak_may_air(const struct seak_sync *, const char *urn, enum seak_kind, uint32_t cid_extension, int64_t now_us);

/* What seak_offered would answer, and to whom it would go, and nothing is done. who_gets: called for each; may be NULL. */
unsigned seak_would(const struct seak_sync *, const char *who, const char *urn, const struct seak_said *, int64_t now_us, const char **reason,
    void (*who_gets)(void *self, const char *id, bool called), void *self);
/* [{"service", "global_service_id", "generator", "instances": [{…}]}]; no key is in it. NULL: no memory. */
json_t *seak_status(const struct seak_sync *, int64_t now_us);

struct seak_counts { uint64_t stored, repeated, conflicts, refused, pulls, deliveries, confirmed, failed, opened_all, opened_wait; size_t instances, undelivered; };
void seak_counts(const struct seak_sync *, struct seak_counts *);
#endif
