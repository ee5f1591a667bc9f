/* mux/emmg.h: the door for EMMGs and PDGs (lib/mux_face.h), and from there to the air */
#ifndef MUX_EMMG_H
#define MUX_EMMG_H
#include <uv.h>
#include "lib/mux_face.h"
#include "mux/air.h"
#include "mux/conf.h"

struct mux_emmg {
	struct mux_face face;
	struct mux_outputs *outputs;
	struct mux_air *air;
};
/* Nothing is listened for where the configuration names no address. The struct outlives its handles. */
int mux_emmg_open(struct mux_emmg *, uv_loop_t *, const struct mux_conf *, struct mux_outputs *, struct mux_air *, struct gw_err *);
void mux_emmg_reload(struct mux_emmg *, const struct mux_conf *);	/* the conf's map is lent until the next reload */
#endif
