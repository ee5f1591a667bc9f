/* lib/link.h: framed SimulCrypt TLV over TCP and Unix sockets on a libuv loop: bounded queues, back-pressure, TCP_NODELAY, keep-alive. */
#ifndef GW_LINK_H
#define GW_LINK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "lib/addr.h"
#include "lib/err.h"

struct gw_link;
struct gw_link_ops {
	/* Ready to send and receive: accepted, or connected. */
	void (*up)(void *self, struct gw_link *);
	/* One whole message, header included (5..65540 bytes), lent for the call; several a segment or one in many segments. */
	void (*frame)(void *self, struct gw_link *, const uint8_t *msg, size_t len);
	/* The last call for this link (the peer closed, an error, gw_link_close): why, or NULL for our own orderly close. */
	void (*down)(void *self, struct gw_link *, const struct gw_err *why);
	/* The queue fell below half its bound after gw_link_send had said 1. May be NULL. */
	void (*drained)(void *self, struct gw_link *);
};
struct gw_link_limits {
	size_t queue_bytes;	/* what may wait to be sent; beyond it the link is closed ("slow peer"). 0: 1 MiB */
};

/*
 * Queues a copy of msg. 0: sent or queued; 1: queued and the queue is over half its bound (stop until `drained`); -1: not sent
 * (closing, or over the bound: the link goes down). Copies are cleansed once written.
 */
int gw_link_send(struct gw_link *, const void *msg, size_t len);
/* After what is queued has gone (at most grace_ms), close. `down` follows with why NULL. */
void gw_link_close(struct gw_link *, unsigned grace_ms);
/* At once, with the reason that `down` shall get. */
void gw_link_abort(struct gw_link *, enum gw_code, const char *why);
/* Stops and starts reading: back-pressure toward the peer. */
void gw_link_read(struct gw_link *, bool on);
const char *gw_link_peer(const struct gw_link *);	/* "10.0.0.7:2000", "unix" */
void *gw_link_data(const struct gw_link *);
void gw_link_set_data(struct gw_link *, void *self);	/* the `self` of later callbacks */
size_t gw_link_queued(const struct gw_link *);

/* A server. accept: returns the `self` for the new link's callbacks, or NULL to refuse it (closed at once, unless told to say why). */
struct gw_listener;
struct gw_listener *gw_listen(uv_loop_t *, const struct gw_addr *, const struct gw_link_ops *, const struct gw_link_limits *,
    void *(*accept)(void *owner, struct gw_link *), void *owner, struct gw_err *);
/*
 * Newcomers that cannot be kept, since accept said NULL or there is no descriptor for them, are told so: refuse gets the first
 * message of such a link, or NULL when none came within a second, sends its answer with gw_link_send() and lets go: the link
 * closes once that is out. Nothing else is ever called for it. For descriptors one is kept in reserve.
 */
void gw_listener_refuse(struct gw_listener *, void (*refuse)(void *owner, struct gw_link *, const uint8_t *msg, size_t len));
/* The address bound, with the port the kernel picked. Unix sockets: a stale file is replaced, a live one refused. */
const struct gw_addr *gw_listener_addr(const struct gw_listener *);
/* Closes the listening socket (and unlinks a Unix path); links accepted live on. Frees itself; done may be NULL. */
void gw_listener_close(struct gw_listener *, void (*done)(void *owner));

/*
 * A client that keeps one link to the first address of a list that answers: reconnects at once on the first loss, then after
 * 1, 2, 4 … s up to 30 s (25 % jitter), going round the list. Names are resolved anew at each attempt.
 */
struct gw_dialer;
struct gw_dialer *gw_dial(uv_loop_t *, const struct gw_addr *addrs, size_t n, const struct gw_link_ops *,
    const struct gw_link_limits *, void *self);
/* Upper bound of the wait between attempts, default 30,000. Playout links between our own processes use 500. */
void gw_dialer_max_backoff(struct gw_dialer *, unsigned ms);
struct gw_link *gw_dialer_link(const struct gw_dialer *);	/* NULL while down */
/* A refused channel: the present link was useless, so its loss counts as a failed attempt. */
void gw_dialer_failed(struct gw_dialer *);
/* Ends it: `down` for a live link, no further attempt. Frees itself; done may be NULL. */
void gw_dialer_close(struct gw_dialer *, void (*done)(void *self));
#endif
