/* bridge/keys_int.h: what the files of bridge/keys.h share: keys_bsa.c (what comes from a BSM), keys_made.c (what is made here), keys_link.c (to the SCS) */
#ifndef BRIDGE_KEYS_INT_H
#define BRIDGE_KEYS_INT_H
#include "bridge/keys.h"
#include "lib/log.h"
#include "lib/secret.h"
#include "proto/playout.h"

enum { TEK_HELD = 64, TEK_CALLS = 4, TEK_MAX = 48, TEK_ID_MAX = 8, TEK_AGAIN_MS = 1000, TEK_ANSWER_MS = 1500 };

/* A delivery that is answered when the SCS has what it wants of it. */
struct tek_call { struct ex_call *call; int64_t until_us; unsigned left, status; char why[160]; };
/* stored: by the SCS; fresh: of the message that is being read. */
struct tek { uint16_t cp; struct gw_secret material; uint8_t id[TEK_ID_MAX]; size_t id_len; bool stored, fresh; struct tek_call *call; };

/* A unit whose keys come through this bridge. */
struct tek_unit {
	struct br_keys *k;
	const struct he_unit *conf;
	const struct he_sp4_peer *bsm;
	char *content;			/* GlobalContentID */
	bool gone;			/* of the file; freed when what it asked has ended */
	bool wanted, asking;
	int64_t from, last, period_ms;	/* by the SCS's count */
	int64_t again_us;		/* monotonic: not asked before */
	struct tek held[TEK_HELD]; size_t n;
	struct tek_call calls[TEK_CALLS];
	char why[200];			/* what the BSM or the SCS had against the latest; "" */
	uint64_t asked, answered, failed, delivered, supplied, refused;
	struct tek_unit *next;
};

struct br_keys {
	uv_loop_t *loop;
	const struct headend *he;
	const struct he_bridge *b;
	struct ex *ex;
	struct gw_rate rate;
	uv_timer_t timer;
	struct tek_unit *units;
	struct tek_link *link;		/* NULL: no service's keys come through here */
	struct tek_made *made;		/* NULL: none are made here */
	unsigned handles;
	bool closing;
};

/* GlobalContentID of a unit: the service's, and for a medium with keys of its own "/MEDIUM" behind it. Heap; NULL: no memory. */
char *tek_content(const struct he_unit *);
int tek_protection(const struct he_service *);		/* enum sp4_protection; -1: none is like it */
size_t tek_length(const struct he_service *);

void br_keys_let_go(struct br_keys *);	/* one handle less */

/* keys_bsa.c */
int tek_bsa_reconf(struct br_keys *, struct gw_err *);	/* units and link as the file has them */
void tek_bsa_close(struct br_keys *);
void tek_bsa_tick(struct br_keys *, int64_t mono_us);
json_t *tek_bsa_status(const struct br_keys *);
void tek_bsa_collect(const struct br_keys *, struct gw_samples *);
/* From the SCS. */
void tek_bsa_wanted(struct br_keys *, const struct sim_msg *);
void tek_bsa_acked(struct br_keys *, const struct sim_msg *);
void tek_bsa_ended(struct br_keys *, const struct sim_msg *);
void tek_bsa_lost(struct br_keys *);

/* keys_link.c */
struct tek_link *tek_link_open(struct br_keys *, struct gw_err *);
void tek_link_close(struct tek_link *);
bool tek_link_up(const struct tek_link *);
/* Why the key of a crypto-period is not there. */
void tek_link_fail(struct tek_link *, const struct tek_unit *, int64_t cp, const char *why);
void tek_link_supply(struct tek_link *, const struct tek_unit *, int64_t cp, const struct tek *);

/* keys_made.c */
int tek_made_reconf(struct br_keys *, struct gw_err *);
void tek_made_close(struct br_keys *);
json_t *tek_made_status(const struct br_keys *);
void tek_made_collect(const struct br_keys *, struct gw_samples *);
#endif
