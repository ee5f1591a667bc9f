/*
 * bridge/sx.h: S->X (bcast-backend-xml 11.5): SimulCrypt clients see an ECMG and a MUX, and behind them are XML BSMs and BSD/As. An SCS connects to the
 * ECMG addresses of a KMS that the bridge serves, an EMMG to the `listen` of its row; each CW_provision becomes tag 5, each data_provision tag 11 or 15.
 */
#ifndef BRIDGE_SX_H
#define BRIDGE_SX_H
#include <jansson.h>
#include <uv.h>
#include "bridge/exchange.h"
#include "lib/ops.h"

struct sx;
/* Listens. The file and ex are lent until sx_close, the file also until sx_reconf. NULL with *err. A bridge without such rows opens nothing. */
struct sx *sx_open(uv_loop_t *, const struct headend *, const struct he_bridge *, struct ex *, struct gw_err *);
/* Another reading of the file, after ex_reconf: 0, or -1 with *err and all stays. Addresses change with a restart only. */
int sx_reconf(struct sx *, const struct headend *, const struct he_bridge *, struct gw_err *);
/* After ex_close: what has been asked for is over. Frees itself once its handles have closed. */
void sx_close(struct sx *);
/* Who says which STKMs may go on air by now, as seak_run_may_air(); lent until sx_close. Without one all may. */
typedef bool sx_may_air(const void *gate, const char *urn, const void *stkm, size_t len, unsigned *status, const char **reason);
void sx_gate(struct sx *, sx_may_air *, const void *gate);
json_t *sx_status(const struct sx *);
void sx_collect(const struct sx *, struct gw_samples *);
#endif
