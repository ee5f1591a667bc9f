/* lib/refusals.h: what a server has refused, for operators: how often by error_status, and the last ones in words */
#ifndef GW_REFUSALS_H
#define GW_REFUSALS_H
#include <jansson.h>
#include "lib/ops.h"
#include "proto/sim.h"

enum { GW_REFUSAL_CODES = 64, GW_REFUSALS_LAST = 16 };
struct gw_refusals {		/* zeroed at first */
	struct { uint16_t status; uint64_t n; } by[GW_REFUSAL_CODES]; size_t n;
	struct { char text[320]; int64_t utc_us; } last[GW_REFUSALS_LAST];	/* the youngest at (nlast - 1) % GW_REFUSALS_LAST */
	size_t nlast;
};
/* Beyond GW_REFUSAL_CODES codes, which only a plugin can invent, they count as 0x7000. message, why: may be NULL. */
void gw_refusals_add(struct gw_refusals *, const char *peer, const char *message, uint16_t status, const char *why);
json_t *gw_refusals_counts(const struct gw_refusals *, const struct sim_iface *);	/* {"0x000f exceeded bandwidth": 3} */
json_t *gw_refusals_last(const struct gw_refusals *);	/* [{"at": …, "error": …}], the youngest first */
/* labels: those that every sample of the program has; error and name are added. */
void gw_refusals_collect(const struct gw_refusals *, const struct sim_iface *, const struct gw_metric *, const char *labels,
    struct gw_samples *);
#endif
