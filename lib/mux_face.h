/*
 * lib/mux_face.h: a MUX as EMMGs and PDGs see it, on a loop: connections, the UDP port, the clock of the intake (lib/mux_intake.h), what is logged and
 * counted of them. Where data go is the owner's: the air, an XML BSD/A behind a bridge.
 */
#ifndef GW_MUX_FACE_H
#define GW_MUX_FACE_H
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "lib/link.h"
#include "lib/log.h"
#include "lib/mux_intake.h"
#include "lib/refusals.h"

struct mux_face;
struct mux_conn {		/* of an EMMG */
	TAILQ_ENTRY(mux_conn) all;
	struct mux_face *server;
	struct gw_link *link;
	struct mux_channel channel;
	struct gw_rate rate;
	bool leaving;
};
/* The owner's part of struct mux_door. */
struct mux_maker {
	void *(*open)(void *owner, const struct mux_route *, uint8_t section_TSpkt_flag, struct gw_err *);
	void (*shut)(void *owner, void *out);
	void (*air)(void *owner, void *out, const uint8_t *datagram, size_t len);
	bool (*provide)(void *owner, void *out, const struct sim_msg *);	/* NULL: air */
	void (*parted)(void *owner);	/* NULL; or: after mux_face_close() nobody is connected, and it has no handle any more. Never from within it */
};
/* rules: addresses (scheme 0: none), bandwidth, limits. The map is lent until the next reload. */
struct mux_face_conf { const struct mux_map *map; struct he_mux rules; unsigned silence_ms; };
enum { MUX_UDP_BATCH = 64 };
struct mux_face {
	uv_loop_t *loop;
	struct mux_door door;
	struct mux_intake intake;
	TAILQ_HEAD(, mux_conn) conns;
	size_t nconns;
	struct gw_listener *listener;
	uv_poll_t udp; int udp_fd; uint8_t *udp_room;
	uv_timer_t tick, queue;		/* liveness and rates; what waits for tokens or its next repetition */
	struct gw_refusals refused;
	struct gw_rate udp_rate, full;
	uint64_t tolerated;
	const struct mux_maker *maker;
	void *owner;
	unsigned handles;
	bool open, closing;
};
/* Nothing is listened for where the configuration names no address. The struct outlives its handles. */
int mux_face_open(struct mux_face *, uv_loop_t *, const struct mux_maker *, void *owner, const struct mux_face_conf *, struct gw_err *);
void mux_face_reload(struct mux_face *, const struct mux_face_conf *);
void mux_face_close(struct mux_face *);		/* quiet when it was never opened, or closed before */
void mux_face_fini(struct mux_face *);		/* after the loop */
#endif
