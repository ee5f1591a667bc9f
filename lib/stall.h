/*
 * lib/stall.h: whether a loop turns when it should. A process that gets no processor, or whose disk holds up a commit, has no fault and misses its times
 * all the same: what is late is judged beside this, by the operator and by tests.
 */
#ifndef GW_STALL_H
#define GW_STALL_H
#include <stdint.h>
#include <uv.h>
#include "lib/log.h"

enum { GW_STALL_MS = 200 };	/* what is shorter is none; one of half as much again is always seen */
struct gw_stall { uv_timer_t timer; uint64_t due_ms, count, total_ms, longest_ms; struct gw_rate rate; };	/* embedded: zeroed, and no timer of it keeps the loop alive */
void gw_stall_open(struct gw_stall *, uv_loop_t *);
void gw_stall_close(struct gw_stall *, uv_close_cb done);	/* done gets &stall->timer; its owner is freed then or later */
#endif
