/* lib/loop.h: the life of a program on its libuv loop: signals, readiness, watchdog, timers on the head-end's clock. */
#ifndef GW_LOOP_H
#define GW_LOOP_H
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "lib/err.h"

/*
 * SIGTERM and SIGINT call stop; a second one, a quarter of a second later or more, exits at once with 1 (timeout(1) and a terminal's
 * Ctrl-C signal a process and its group, which is no second wish). SIGHUP calls reload; SIGPIPE is ignored.
 */
struct gw_life {
	uv_loop_t *loop;
	uv_signal_t term, intr, hup;
	uv_timer_t watchdog;
	void (*stop)(void *self); void (*reload)(void *self); void *self;
	bool open; uint64_t stopped_ms;
};
int gw_life_open(struct gw_life *, uv_loop_t *, void (*stop)(void *), void (*reload)(void *), void *self, struct gw_err *);
/* sd_notify without libsystemd: READY=1 with a STATUS text; arms the watchdog when WATCHDOG_USEC is set. */
void gw_life_ready(struct gw_life *, const char *status);
void gw_life_status(struct gw_life *, const char *status);	/* STATUS=…; also around a reload */
/* STOPPING=1 and closes the handles; the loop ends when nothing else is left. Quiet when called twice or never opened. */
void gw_life_close(struct gw_life *);
/* Runs the loop to its end and closes it; asserts (debug) that no handle was left. */
void gw_loop_fini(uv_loop_t *);

/* A one-shot timer on UTC. Embedded; the owner is freed in or after the close callback. */
struct gw_timer { uv_timer_t t; void (*fire)(void *self); void *self; int64_t at_us; };
void gw_timer_init(struct gw_timer *, uv_loop_t *, void (*fire)(void *), void *self);
void gw_timer_at(struct gw_timer *, int64_t utc_us);	/* INT64_MAX: never; the past: on the next turn */
void gw_timer_close(struct gw_timer *, uv_close_cb done);	/* done gets &timer->t; may be NULL */

/* Raises RLIMIT_NOFILE to its hard limit. */
void gw_raise_nofile(void);
#endif
