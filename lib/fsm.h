/* lib/fsm.h: state machines as tables. The first matching row wins; actions never change the state, but may post events. */
#ifndef GW_FSM_H
#define GW_FSM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GW_ANY = -1, GW_SAME = -2 };	/* any state (from); stay where you are (to) */

struct gw_edge { int from, on, to; void (*act)(void *self, const void *arg); };	/* act may be NULL */
struct gw_fsm {
	const char *name;
	const struct gw_edge *edges; size_t n;
	const char *const *states; size_t nstates;	/* names, by number */
	const char *const *events; size_t nevents;
	/* A pair with no row comes here once: answer the peer, log, count. */
	void (*stray)(void *self, int state, int event, const void *arg);
};
enum { GW_FSM_POSTED = 8 };
struct gw_state {		/* embedded in the object; zeroed plus the first state */
	const struct gw_fsm *fsm; int state; bool running;
	struct { int event; } posted[GW_FSM_POSTED]; size_t nposted;
};
void gw_fsm_init(struct gw_state *, const struct gw_fsm *, int state);
/* Runs the row of (state, event): sets the new state, then acts, then runs what was posted. arg is lent for the call. */
void gw_fsm_feed(struct gw_state *, void *self, int event, const void *arg);
/* From within an action: runs with a NULL arg after it has returned. */
void gw_fsm_post(struct gw_state *, int event);
const char *gw_fsm_name(const struct gw_state *);	/* of the present state */
/* The whole machine as text, one line per (state, event) pair: "OPEN + STATUS -> OPEN" or "… stray"; for golden pages. As snprintf. */
size_t gw_fsm_print(const struct gw_fsm *, char *out, size_t cap);
#endif
