/*
 * bridge/xs.h: X->S (bcast-backend-xml 11.5): XML peers see a BSM and a BSD/A, and behind them are SimulCrypt ECMGs and MUXes. Tag 5 of a BSD/A becomes a
 * CW_provision to an ECMG of the KMS of its row; what tags 11 and 15 of a BSM bring is stored, and repeated by data_provision to a MUX; tags 9 and 13 get what
 * is stored.
 */
#ifndef BRIDGE_XS_H
#define BRIDGE_XS_H
#include <jansson.h>
#include <uv.h>
#include "bridge/exchange.h"
#include "lib/ops.h"
#include "lib/scs_chan.h"

struct xs;
/*
 * Dials the ECMGs and MUXes of the rows stkm and mux, and answers for them. The file and ex are lent until xs_close, the file also until xs_reconf. NULL with
 * *err. A bridge without such rows does nothing. What is to be distributed is kept in the file STORE.objects.
 */
struct xs *xs_open(uv_loop_t *, const struct headend *, const struct he_bridge *, struct ex *, struct gw_err *);
/* Another reading of the file, after ex_reconf: what stays the same goes on; 0, or -1 with *err and all stays. */
int xs_reconf(struct xs *, const struct headend *, const struct he_bridge *, struct gw_err *);
/* Before ex_close: what waits is answered, channels are closed in order. Frees itself once its handles have closed; quiet on NULL. */
void xs_close(struct xs *);
json_t *xs_status(const struct xs *);
void xs_collect(const struct xs *, struct gw_samples *);

/* Who makes the keys of mode A: as of br_keys_make (bridge/keys.h), material lent until the next call. Without it such requests end in status 20. */
typedef int xs_make(void *self, const char *unit, uint16_t cp, struct scs_key *, struct gw_err *);
void xs_keys_from(struct xs *, xs_make *, void *self);
#endif
