/*
 * bridge/parts.c: what the bridge does with its exchanges, a row each. PART(prefix, tag) makes of
 *   struct tag *prefix_open(uv_loop_t *, const struct headend *, const struct he_bridge *, struct ex *, struct gw_err *)
 * and prefix_reconf, prefix_close, prefix_status, prefix_collect what a row holds.
 */
#include <string.h>
#include "bridge/bridge.h"
#include "bridge/keys.h"
#include "bridge/seak_ecmg.h"
#include "bridge/seak_run.h"
#include "bridge/sx.h"
#include "bridge/xs.h"

#define PART(prefix, tag) \
	static void *prefix##_opened(struct bridge *app, struct gw_err *err) \
	{ return prefix##_open(&app->loop, app->conf.he, app->conf.b, app->ex, err); } \
	static int prefix##_reconfed(void *p, const struct headend *he, const struct he_bridge *b, struct gw_err *err) \
	{ return prefix##_reconf((struct tag *)p, he, b, err); } \
	static void prefix##_closed(void *p) { prefix##_close((struct tag *)p); } \
	static json_t *prefix##_told(const void *p) { return prefix##_status((const struct tag *)p); } \
	static void prefix##_collected(const void *p, struct gw_samples *s) { prefix##_collect((const struct tag *)p, s); }
#define ROW(key, prefix, before) { key, prefix##_opened, prefix##_reconfed, prefix##_closed, prefix##_told, prefix##_collected, before }

PART(br_keys, br_keys)
PART(seak_run, seak_run)
PART(seak_ecmg, seak_ecmg)
PART(sx, sx)
PART(xs, xs)

static bool
may_air(const void *gate, const char *urn, const void *stkm, size_t len, unsigned *status, const char **reason)
{
	return seak_run_may_air(gate, urn, stkm, len, status, reason);
}

/* STKMs that a BSM made wait for the SEAK that they name. */
static void *
sx_behind_gate(struct bridge *app, struct gw_err *err)
{
	struct sx *s = sx_opened(app, err);

	if (s)
		sx_gate(s, may_air, bridge_part(app, "seak"));
	return s;
}

static int
make_key(void *keys, const char *unit, uint16_t cp, struct scs_key *out, struct gw_err *err)
{
	struct br_key k;

	if (br_keys_make(keys, unit, cp, &k, err) < 0)
		return -1;
	*out = (struct scs_key){ .material = k.material, .len = k.len, .id_len = k.id_len };
	memcpy(out->id, k.id, k.id_len);
	return 0;
}

/* In mode A the keys of its CW_provisions are made here. */
static void *
xs_with_keys(struct bridge *app, struct gw_err *err)
{
	struct xs *x = xs_opened(app, err);

	if (x)
		xs_keys_from(x, make_key, bridge_part(app, "keys"));
	return x;
}

const struct bridge_part bridge_parts[] = {
	ROW("keys", br_keys, false),	/* traffic keys that a BSM makes */
	ROW("seak", seak_run, false),	/* one SEAK for many BSMs; the gate for those below */
	ROW("make_stkm", seak_ecmg, false),	/* mode B */
	{ "sx", sx_behind_gate, sx_reconfed, sx_closed, sx_told, sx_collected, false },	/* SimulCrypt in front of XML */
	{ "xs", xs_with_keys, xs_reconfed, xs_closed, xs_told, xs_collected, true },	/* SimulCrypt behind XML */
	{ .name = NULL },	/* the end; rows stand above it */
};
const size_t bridge_nparts = sizeof(bridge_parts) / sizeof(bridge_parts[0]) - 1;
_Static_assert(sizeof(bridge_parts) / sizeof(bridge_parts[0]) - 1 <= BRIDGE_PARTS, "struct bridge has room for all");

void *
bridge_part(const struct bridge *app, const char *name)
{
	for (const struct bridge_part *p = bridge_parts; p->name; p++)
		if (strcmp(p->name, name) == 0)
			return app->part[p - bridge_parts];
	return NULL;
}
