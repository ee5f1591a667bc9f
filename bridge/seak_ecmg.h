/*
 * bridge/seak_ecmg.h: mode B (bcast-backend-xml 5): the BSD/A makes STKMs itself. To SCSs the bridge is the ECMG of a KMS of the DRM profile whose `store` is
 * the bridge's `seaks`, at the KMS's addresses, for services whose entry of `seak` has make_stkm: the plugin drm in this process, with those SEAKs whose gate is open.
 */
#ifndef BRIDGE_SEAK_ECMG_H
#define BRIDGE_SEAK_ECMG_H
#include <jansson.h>
#include <uv.h>
#include "bridge/exchange.h"
#include "lib/ops.h"

struct seak_ecmg;
/* After the part that makes the store. NULL with *err. A bridge without make_stkm opens nothing. */
struct seak_ecmg *seak_ecmg_open(uv_loop_t *, const struct headend *, const struct he_bridge *, struct ex *, struct gw_err *);
/* What is announced may change; KMSs that come or go take a restart: -1 with *err. */
int seak_ecmg_reconf(struct seak_ecmg *, const struct headend *, const struct he_bridge *, struct gw_err *);
void seak_ecmg_close(struct seak_ecmg *);	/* frees itself once its handles have closed; quiet on NULL */
json_t *seak_ecmg_status(const struct seak_ecmg *);
void seak_ecmg_collect(const struct seak_ecmg *, struct gw_samples *);
#endif
