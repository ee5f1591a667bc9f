/* mux/mux.h: the program: an SCS link, a carousel, a door for EMMGs, sockets out, and the operator's door */
#ifndef MUX_MUX_H
#define MUX_MUX_H
#include <uv.h>
#include "lib/loop.h"
#include "lib/ops.h"
#include "mux/air.h"
#include "mux/carousel.h"
#include "mux/conf.h"
#include "mux/emmg.h"
#include "mux/follow.h"
#include "mux/output.h"

struct mux {
	uv_loop_t loop;
	struct gw_life life;
	struct mux_args args;
	struct mux_conf conf;
	struct mux_carousel *carousel;
	struct mux_outputs outputs;
	struct mux_air air;
	struct mux_emmg emmg;
	struct mux_follow *scs;		/* NULL: without a file there is none */
	struct gw_ops *ops;
	uv_timer_t tick;		/* when the carousel wants the time */
	bool ticking;
};

/* mux/show.c */
json_t *mux_status(void *self);
void mux_collect(void *self, struct gw_samples *);
#endif
