/* mux/air.h: when the outputs are flushed: whole datagrams once a turn of the loop, parts of a transport stream some milliseconds later */
#ifndef MUX_AIR_H
#define MUX_AIR_H
#include <stdbool.h>
#include <uv.h>
#include "mux/output.h"

struct mux_air { struct mux_outputs *outputs; uv_check_t check; uv_idle_t idle; uv_timer_t settle; bool open, touched; };
void mux_air_open(struct mux_air *, uv_loop_t *, struct mux_outputs *);
void mux_air_touch(struct mux_air *);	/* something was sent in this turn */
void mux_air_close(struct mux_air *);	/* what is left goes now; quiet when it was never opened */
#endif
