/* mux/conf.h: what the mux takes from the head-end's file, or from its command line alone */
#ifndef MUX_CONF_H
#define MUX_CONF_H
#include <stdbool.h>
#include "lib/addr.h"
#include "lib/args.h"
#include "lib/err.h"
#include "lib/headend.h"
#include "lib/mux_map.h"

struct mux_args {
	struct gw_args common;
	struct gw_addr listen, udp;	/* scheme 0: not given */
	struct mux_map map;
	uint64_t total_bps;		/* 0: not given */
	unsigned silence_ms;
	bool strict;
};
struct mux_conf {
	struct headend *file;		/* NULL: the command line was all */
	struct gw_addr scs;		/* the SCS's socket in the playout directory */
	struct gw_addr status;		/* scheme 0: none */
	struct mux_map map;
	struct he_mux rules;		/* addresses, bandwidth and limits, whoever gave them */
	unsigned silence_ms;
};
int mux_args(struct mux_args *, int argc, char **argv);	/* as gw_args() */
void mux_args_free(struct mux_args *);
int mux_conf_load(struct mux_conf *, const struct mux_args *, struct gw_err *);
void mux_conf_print(const struct mux_conf *);
void mux_conf_free(struct mux_conf *);
#endif
