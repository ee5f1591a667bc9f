/* mux/conf.h: what the mux takes from the head-end's file */
#ifndef MUX_CONF_H
#define MUX_CONF_H
#include "lib/addr.h"
#include "lib/err.h"
#include "lib/headend.h"

struct mux_conf {
	struct headend *file;
	struct gw_addr scs;		/* the SCS's socket in the playout directory */
	struct gw_addr status;
	unsigned rep_ms;
};
/* status: from the command line; scheme 0: the default place. */
int mux_conf_load(struct mux_conf *, const char *path, const struct gw_addr *status, struct gw_err *);
void mux_conf_free(struct mux_conf *);
#endif
