/* mux/emmg.h: the door for EMMGs and PDGs: connections, the UDP port, and the clock of the intake */
#ifndef MUX_EMMG_H
#define MUX_EMMG_H
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "lib/link.h"
#include "lib/log.h"
#include "lib/refusals.h"
#include "mux/air.h"
#include "mux/conf.h"
#include "mux/intake.h"

struct mux_emmg;
struct mux_conn {		/* of an EMMG */
	TAILQ_ENTRY(mux_conn) all;
	struct mux_emmg *server;
	struct gw_link *link;
	struct mux_channel channel;
	struct gw_rate rate;
	bool leaving;
};
enum { MUX_UDP_BATCH = 64 };
struct mux_emmg {
	uv_loop_t *loop;
	struct mux_outputs *outputs;
	struct mux_air *air;
	struct mux_intake intake;
	TAILQ_HEAD(, mux_conn) conns;
	size_t nconns;
	struct gw_listener *listener;
	uv_poll_t udp; int udp_fd; uint8_t *udp_room;
	uv_timer_t tick, queue;		/* liveness and rates; what waits for tokens or its next repetition */
	struct gw_refusals refused;
	struct gw_rate udp_rate, full;
	uint64_t tolerated;
	bool open, closing;
};
/* Nothing is listened for where the configuration names no address. The struct outlives its handles. */
int mux_emmg_open(struct mux_emmg *, uv_loop_t *, const struct mux_conf *, struct mux_outputs *, struct mux_air *, struct gw_err *);
void mux_emmg_reload(struct mux_emmg *, const struct mux_conf *);	/* the conf's map is lent until the next reload */
void mux_emmg_close(struct mux_emmg *);		/* quiet when it was never opened, or closed before */
void mux_emmg_fini(struct mux_emmg *);		/* after the loop */
#endif
