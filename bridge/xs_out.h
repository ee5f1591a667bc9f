/* bridge/xs_out.h: one stream toward a MUX on the loop: the objects of bridge/xs_mux.h by the channel of lib/emmg_chan.h */
#ifndef BRIDGE_XS_OUT_H
#define BRIDGE_XS_OUT_H
#include <uv.h>
#include "bridge/xs_mux.h"
#include "lib/emmg_chan.h"
#include "lib/headend.h"
#include "lib/store_objects.h"

struct xs_out;
/*
 * Dials the MUX of a row and goes on with what the store has for it. channel_id: one that no other connection of this client_id has. What of the row is needed
 * is copied; the store is lent until xs_out_close. NULL with *err.
 */
struct xs_out *xs_out_open(uv_loop_t *, const struct he_bridge_mux *, uint16_t channel_id, struct gw_objects *, struct gw_err *);
/* The same stream to the same place: bandwidth and repetition may differ. */
bool xs_out_same(const struct xs_out *, const struct he_bridge_mux *);
void xs_out_reconf(struct xs_out *, const struct he_bridge_mux *);
uint16_t xs_out_channel(const struct xs_out *);
/* As of xs_carousel_deliver(). */
unsigned xs_out_deliver(struct xs_out *, const struct sp4_msg *, const char **reason);
const char *xs_out_stream(const struct xs_out *);	/* its name in the store */
/* Stream and channel are closed in order; frees itself, then calls closed(self). */
void xs_out_close(struct xs_out *, void (*closed)(void *self), void *self);

struct xs_out_view { struct xs_carousel_view carousel; const char *state, *peer; bool up; uint32_t granted_bps; uint64_t losses, udp_errors;
	uint16_t last_error; };
void xs_out_view(const struct xs_out *, struct xs_out_view *);
#endif
