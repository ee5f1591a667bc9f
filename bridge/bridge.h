/*
 * bridge/bridge.h: the program: exchanges with peers (bridge/exchange.h), and the parts that have something to exchange, each a row of
 * bridge/parts.c. All on one loop; a part knows the others by bridge_part() only.
 */
#ifndef BRIDGE_BRIDGE_H
#define BRIDGE_BRIDGE_H
#include <jansson.h>
#include <uv.h>
#include "bridge/conf.h"
#include "bridge/exchange.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/ops.h"

enum { BRIDGE_PARTS = 8 };		/* room for them */
struct bridge {
	uv_loop_t loop;
	struct gw_life life;
	struct bridge_args args;
	struct bridge_conf conf;
	struct bridge_kept { struct bridge_conf conf; struct bridge_kept *next; } *kept;	/* readings that were refused, and that a part may still point into */
	struct ex *ex;
	void *part[BRIDGE_PARTS];	/* by row; NULL: not open */
	struct gw_ops *ops;
	bool stopping;
};

/*
 * A part. open: NULL with *err; it may use what rows above have opened. reconf: another reading of the file, after ex_take; 0, or -1 with *err and it
 * is as it was. close frees by itself once handles have closed; it is called from the last row to the first, after ex_close (before it, with `first`), and
 * quiet on NULL. status: an object, the caller's. collect may be NULL.
 */
struct bridge_part {
	const char *name;		/* its key in /status */
	void *(*open)(struct bridge *, struct gw_err *);
	int (*reconf)(void *, const struct headend *, const struct he_bridge *, struct gw_err *);
	void (*close)(void *);
	json_t *(*status)(const void *);
	void (*collect)(const void *, struct gw_samples *);
	bool first;
};
/* bridge/parts.c */
extern const struct bridge_part bridge_parts[];
extern const size_t bridge_nparts;
void *bridge_part(const struct bridge *, const char *name);	/* NULL: not open (yet) */

/* bridge/shell.c */
int bridge_open(struct bridge *, struct gw_err *);	/* what was opened is closed by bridge_close */
void bridge_close(struct bridge *);
/* Takes the fresh one, in any case; -1 with *err: everything is as it was. */
int bridge_reload(struct bridge *, struct bridge_conf *fresh, struct gw_err *);
void bridge_let_go(struct bridge *);			/* of refused readings, when nobody points there */
#endif
