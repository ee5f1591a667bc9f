/*
 * scrambler/input.h: the receiving sockets of a worker, as few as the kernel allows: the groups of one port and interface share a socket
 * as far as its memberships reach; each unicast address has one. Datagrams are told apart by the group they were sent to, and by
 * their sender where a stream names it.
 *
 * A worker that is alone, and whose streams name their interface, has one socket a port: what does not fit is joined by further
 * sockets that receive nothing, while the one takes every group that this host has joined. The kernel goes through all sockets of a port, and
 * through the groups of each, for each datagram; and a batch comes in one call. What others have joined on that port is stray here, so
 * several workers do not do this to each other.
 */
#ifndef SCR_INPUT_H
#define SCR_INPUT_H
#include "lib/addr.h"
#include "scrambler/batch.h"

struct scr_inputs;
struct scr_input;		/* a socket */
struct scr_holder;

/* A stream's place at a socket. Embedded; zeroed: none. */
struct scr_tap {
	/* what a datagram asks for: a cache line */
	uint8_t group[16], source[16];
	struct scr_tap *next;	/* of one hash, of those that are attached */
	struct scr_flow *flow;	/* NULL: what comes is nobody's yet */
	unsigned ifindex;	/* 0: any */
	bool any_source;
	struct scr_input *in;
	struct scr_holder *holder;	/* who joined its group; NULL: the socket itself */
	struct scr_tap *beside;	/* of one hash, of all */
	uint64_t turn; unsigned used;	/* datagrams of so many turns, while there are more than can be worked on */
	struct gw_addr at;
};

struct scr_inputs *scr_inputs_new(bool only, struct gw_err *);	/* only: no other worker receives */
void scr_inputs_free(struct scr_inputs *);	/* quiet on NULL; no tap may be open */
int scr_inputs_fd(const struct scr_inputs *);	/* readable while any socket is */

/* Beside the worker: finds or opens a socket, joins the group. */
int scr_tap_open(struct scr_inputs *, struct scr_tap *, const struct gw_addr *, struct gw_err *);
void scr_tap_close(struct scr_tap *);		/* quiet when it is not open */
/* While the worker rests: packets go to the flow from now on, or to nobody. */
int scr_tap_attach(struct scr_tap *, struct scr_flow *, struct gw_err *);
void scr_tap_detach(struct scr_tap *);
uint16_t scr_tap_port(const struct scr_tap *);	/* that the kernel picked */
/* Datagrams that the kernel dropped because the socket's buffer was full; shared with others where the socket is. */
uint64_t scr_tap_kernel_drops(const struct scr_tap *);

/* One turn: up to about a batch of datagrams of the sockets that are readable, each socket its share. false: there was nothing. */
bool scr_inputs_turn(struct scr_inputs *, struct scr_batch *);
size_t scr_inputs_sockets(const struct scr_inputs *);	/* those that only join among them */
uint64_t scr_inputs_strays(const struct scr_inputs *);	/* datagrams for no stream */
#endif
