/* bsm/services.h: what a head-end's file says of a KMS's services, put into its store: services, their streams, their first SEKs */
#ifndef BSM_SERVICES_H
#define BSM_SERVICES_H
#include "kms/keymgr.h"
#include "lib/headend.h"

/* How a BSM's SEKs are planned. */
struct keymgr_plan bsm_plan(const struct he_bsm *);
/*
 * Puts or changes them, one for each key sequence with a stream of that KMS (a medium with a stkm list of its own is SERVICE/MEDIUM, and its
 * PurchaseDataReference has /MEDIUM behind it), and makes the first SEK of each. In one group of its own. *n: how many. 0, or -1 with why;
 * GW_ETEMP: the store is busy.
 */
int bsm_services_put(struct kms_store *, const struct headend *, const struct he_bsm *, int64_t now_us, size_t *n, struct gw_err *);
#endif
