/* tools/dec_args.h: what the programs for captures are told in the same words */
#ifndef TOOLS_DEC_ARGS_H
#define TOOLS_DEC_ARGS_H
#include "lib/err.h"
#include "tools/dec_msg.h"

/* An interface by its name: ecmg, mux or emmg, eis, psig, cpsig, playout. 0, or -1 with why. */
int dec_take_iface(const char *value, const struct sim_iface **, struct gw_err *);
/* --port N: what is said there is SimulCrypt, however it looks. 0, or -1 with why. */
int dec_take_port(const char *value, struct dec_msg_conf *, struct gw_err *);
#endif
