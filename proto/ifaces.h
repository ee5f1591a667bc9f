/* proto/ifaces.h: which interface a message belongs to; parameter_types mean something on one interface only (TS 103 197 4.4.1) */
#ifndef PROTO_IFACES_H
#define PROTO_IFACES_H
#include "proto/sim.h"

/* By the ranges of message_type, for decoders. NULL: none of ours, or an unassigned range. */
const struct sim_iface *sim_iface_of(uint16_t message_type);
#endif
