/*
 * tools/dec_tcp.h: the octets of TCP connections in order, as their receivers had them, out of segments in any order: doubled, overlapping,
 * sent again, missing; also of connections whose beginning was not captured. No I/O and no clock: time is that of the capture. Memory is
 * bounded for one direction, and for all: the connection that was silent longest gives way.
 */
#ifndef TOOLS_DEC_TCP_H
#define TOOLS_DEC_TCP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tools/dec_net.h"

enum {
	DEC_CONNECTIONS = 8192,
	DEC_HELD_HALF = 1 << 20,	/* octets out of order, each counted with its own overhead */
	DEC_HELD = 24 << 20,		/* of all connections; with what users hold, as they say in dec_conn.user_held */
};
struct dec_piece;
struct dec_half {			/* what one end sends */
	uint32_t next;			/* sequence number of the octet that is due */
	bool known, from_start;		/* next is; it was learnt from a SYN */
	bool fin; uint32_t fin_seq; int64_t fin_ns;	/* behind its last octet; when that was said */
	bool ignore;			/* set by the user: nothing more of it is wanted */
	bool acked_known; uint32_t acked;	/* what the other end has confirmed */
	struct dec_piece *first, *last; size_t held;
	int64_t since_ns; unsigned waited;	/* how long the gap is there: time, segments of the connection */
};
struct dec_conn {
	struct ip_ends ends;		/* from: side 0 */
	bool udp;
	bool closed;
	int opener;			/* the side that sent the SYN; -1: not seen */
	struct dec_half half[2];
	void *user; size_t user_held;
	void *tracker;			/* of whoever has dec_tcp_user.segment */
	/* of dec_tcp.c */
	struct dec_conn *chain, *older, *younger;
	uint32_t hash;
};
/* What TCP itself says: a reset; octets behind the end that a FIN said. */
enum dec_tcp_event { DEC_TCP_RESET, DEC_TCP_BEHIND_FIN };
struct dec_tcp_user {
	void *self;
	/* Octets of one side in order: lent. A datagram comes whole, of side 0 always. */
	void (*data)(void *self, struct dec_conn *, int side, const uint8_t *p, size_t len);
	/* So many octets are not in the capture; what comes next lies behind them. */
	void (*gap)(void *self, struct dec_conn *, int side, uint32_t lost);
	/* No more will come of the connection, which is about to be forgotten. */
	void (*end)(void *self, struct dec_conn *);
	void (*event)(void *self, struct dec_conn *, int side, enum dec_tcp_event);	/* may be NULL; reset: once */
	/* A segment or datagram has come, of this sequence number; len may be 0: before any of it is given out. NULL: not wanted. */
	void (*segment)(void *self, struct dec_conn *, int side, uint32_t seq, size_t len);
};
struct dec_tcp;
struct dec_tcp *dec_tcp_new(const struct dec_tcp_user *);	/* NULL: no memory */
/* Ends all connections: what is held is given out first. */
void dec_tcp_flush(struct dec_tcp *);
void dec_tcp_free(struct dec_tcp *);	/* without a call to the user */
/* 0; -1: no memory. */
int dec_tcp_segment(struct dec_tcp *, const struct dec_segment *, int64_t at_ns);
/* The pseudo-connection of a sender of datagrams; its data() is called. */
int dec_tcp_datagram(struct dec_tcp *, const struct dec_segment *, int64_t at_ns);
size_t dec_tcp_held(const struct dec_tcp *);	/* octets out of order, of all */
uint64_t dec_tcp_evicted(const struct dec_tcp *);	/* connections that gave way */
#endif
