/*
 * proto/psig_mux.h: (P)SIG <=> MUX, TS 103 197 clause 9, for decoders: the numbers stand in the table alone. Tables are repeated by the
 * mux (carousel in the mux, CiM: sections and rates) or by the generator (carousel in the (P)SIG, CiP: packets and bandwidth).
 */
#ifndef PROTO_PSIG_MUX_H
#define PROTO_PSIG_MUX_H
#include "proto/sim.h"

extern const struct sim_iface psig_mux;
#endif
