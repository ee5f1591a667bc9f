/*
 * bridge/seak_run.h: the engines of SEAK synchronisation (bridge/seak.h, bridge/seak_bsm.h) between the peers, the store and the clock; and the gate for
 * STKMs that are made elsewhere (bcast-backend-xml 6). Those that are made here: bridge/seak_ecmg.h.
 */
#ifndef BRIDGE_SEAK_RUN_H
#define BRIDGE_SEAK_RUN_H
#include <jansson.h>
#include <uv.h>
#include "bridge/exchange.h"
#include "lib/ops.h"

struct seak_run;
/* Serves tags 17 and 19 and sends them. The file and ex are lent until seak_run_close, the file also until seak_run_reconf. NULL with *err. A bridge without `seak` opens nothing. */
struct seak_run *seak_run_open(uv_loop_t *, const struct headend *, const struct he_bridge *, struct ex *, struct gw_err *);
/* Another reading of the file, after ex_reconf: 0, or -1 with *err and all stays. */
int seak_run_reconf(struct seak_run *, const struct headend *, const struct he_bridge *, struct gw_err *);
/* After ex_close, which has ended what was under way. Frees itself once its handles have closed; quiet on NULL. */
void seak_run_close(struct seak_run *);
json_t *seak_run_status(const struct seak_run *);
void seak_run_collect(const struct seak_run *, struct gw_samples *);

/*
 * Modes A and C: an STKM of the service (its GlobalServiceID) that somebody else made has come, by tag 6 or 7. False: it names a SEAK that not all BSMs in reach
 * have yet, and must not go on air; *status and *reason are for who asked for it (19, so that its SCS prolongs the crypto-period and asks again).
 * True for what is no STKM of the DRM profile, for services without an entry in `seak`, and when run is NULL.
 */
bool seak_run_may_air(const struct seak_run *, const char *urn, const void *stkm, size_t len, unsigned *status, const char **reason);
#endif
