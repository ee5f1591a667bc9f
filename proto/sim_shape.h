/*
 * proto/sim_shape.h: sim_decode() for who reads many messages of one kind: the order of parameters of the last good one is kept, and a message
 * that has the same is read along it, without a search. Pure; the memory is the caller's.
 */
#ifndef PROTO_SIM_SHAPE_H
#define PROTO_SIM_SHAPE_H
#include <stdbool.h>
#include "proto/sim.h"

enum { SIM_SHAPE = 24 };	/* parameters of a message that is kept; a run of the same counts once */
struct sim_place {
	uint16_t type, least, most;	/* octets of the value */
	uint8_t top;			/* the largest value of one octet; 0: any */
	bool run, dropped;		/* one or more of them; the message does not know it */
};
struct sim_shape {		/* zeroes: nothing is kept yet */
	const struct sim_iface *iface; const struct sim_message *def;
	uint8_t version; uint16_t n;
	struct sim_place v[SIM_SHAPE];
};
/* In all things as sim_decode(): the shape is one of messages of any type, and best kept for one type and version. */
int sim_decode_alike(const struct sim_iface *, struct sim_shape *, const void *buf, size_t len, struct sim_msg *, struct sim_fault *why);
#endif
