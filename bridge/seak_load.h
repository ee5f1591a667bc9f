/* bridge/seak_load.h: the engines of SEAK synchronisation from the head-end's file and the store */
#ifndef BRIDGE_SEAK_LOAD_H
#define BRIDGE_SEAK_LOAD_H
#include "bridge/seak.h"
#include "bridge/seak_bsm.h"
#include "lib/headend.h"

struct seak_engines {
	struct seak_sync *sync; struct seak_bsm *bsm;	/* NULL: no entry for that role */
	int64_t *gone; size_t ngone;			/* ids of rows that are over and whose service has left the file; heap, the caller's */
};
/* store NULL: there is none yet. selfs: of sync and bsm. 0, or -1 with *err and nothing is left. */
int seak_engines_load(const struct he_bridge *, struct seaks *store, const struct seak_ops *, void *const selfs[2], int64_t now_us, struct seak_engines *,
    struct gw_err *);
#endif
