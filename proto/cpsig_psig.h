/* proto/cpsig_psig.h: C(P)SIG <=> (P)SIG, TS 103 197 clause 8, for decoders: the numbers stand in the table alone */
#ifndef PROTO_CPSIG_PSIG_H
#define PROTO_CPSIG_PSIG_H
#include "proto/sim.h"

extern const struct sim_iface cpsig_psig;
#endif
