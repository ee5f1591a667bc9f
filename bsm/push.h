/* bsm/push.h: LTKMs over UDP: one socket bound to the BSM's address (bcast-smartcard-profile 3.6), IPv4 and IPv6, batches. The shell of bsm/delivery.h. */
#ifndef BSM_PUSH_H
#define BSM_PUSH_H
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "bsm/delivery.h"
#include "lib/addr.h"

struct push;
struct push_conf {
	struct gw_addr listen;		/* udp, unicast; [::] serves IPv4, too */
	/* A datagram came: most likely a verification. Lent for the call. */
	void (*heard)(void *self, const struct sockaddr *from, const void *msg, size_t len);
	void (*batch)(void *self);	/* all that had come was handed over: a turn is worth while. May be NULL */
	void (*room)(void *self);	/* after push_send was short */
	void *self;
};
struct push *push_open(uv_loop_t *, const struct push_conf *, struct gw_err *);
const struct gw_addr *push_addr(const struct push *);	/* with the port the kernel picked */
/*
 * Sends those of kind DELIVERY_UDP in front; the first of another kind ends it. Returns how many are done with: those that no socket takes
 * (no route, no such family) are counted and left to their retry; fewer than were there when the socket is full, then room() follows.
 */
size_t push_send(struct push *, const struct delivery_action *, size_t n);
struct push_counts { uint64_t sent, received, cut, unsent, full; };	/* cut: longer than any MIKEY message here */
const struct push_counts *push_counts(const struct push *);
void push_close(struct push *);	/* frees itself when the handle has closed; quiet on NULL */
#endif
