/*
 * bridge/seak_bsm.h: a BSM's side of the synchronisation of SEAKs (bcast-backend-xml 6): makes them, if it is to, and offers them to its BSD/A; takes those of
 * other BSMs from there, and asks for what it has missed. A SEAK is used once the BSD/A has it, never before: two BSMs that make one at the same time end with
 * one. Sans-I/O as bridge/seak.h, whose calls of the owner it has, too. Times are UTC in us.
 */
#ifndef BRIDGE_SEAK_BSM_H
#define BRIDGE_SEAK_BSM_H
#include "bridge/seak.h"

/* One service; copied. */
struct seak_bsm_rule {
	const char *service, *urn;
	const char *bsda; bool called;	/* called: it can be sent to; else it asks */
	bool generate;
	int64_t life_s, ahead_s;	/* how long a SEAK is the newest; how long before that it is offered, and how long after it still opens */
};

struct seak_bsm;
/* me: our id. Of the owner's calls save, gate, drop, audit, deliver (tag 19), request (tag 17) and answer are used. NULL: no memory. */
struct seak_bsm *seak_bsm_new(const char *me, const struct seak_bsm_rule *, size_t n, const struct seak_ops *, void *self);
void seak_bsm_free(struct seak_bsm *);	/* as seak_free */
int seak_bsm_restore(struct seak_bsm *, const struct seak_row *, int64_t now_us);

void seak_bsm_asked(struct seak_bsm *, void *call, const char *who, const char *urn, int64_t now_us);
void seak_bsm_offered(struct seak_bsm *, void *call, const char *who, const char *urn, const struct seak_said *, int64_t now_us);
void seak_bsm_delivered(struct seak_bsm *, struct seak_flight *, enum seak_end, unsigned status, const char *reason, int64_t now_us);
void seak_bsm_responded(struct seak_bsm *, struct seak_flight *, enum seak_end, unsigned status, const char *reason, const struct seak_said *, int64_t now_us);
void seak_bsm_tick(struct seak_bsm *, int64_t now_us);	/* also once at first */
int64_t seak_bsm_next(const struct seak_bsm *);
json_t *seak_bsm_status(const struct seak_bsm *, int64_t now_us);
/* Counts: stored (by us or taken), repeated, conflicts, refused, pulls (ours), deliveries, confirmed, failed. */
void seak_bsm_counts(const struct seak_bsm *, struct seak_counts *);
#endif
