/* lib/clock.h: one absolute clock for the head-end: UTC in microseconds. */
#ifndef GW_CLOCK_H
#define GW_CLOCK_H
#include <stdint.h>

int64_t gw_utc_us(void);	/* CLOCK_REALTIME */
int64_t gw_mono_us(void);	/* CLOCK_MONOTONIC */
/* The same as of the kernel's last tick, up to 4 ms ago, at a third of the price: for what is done for every message. */
int64_t gw_utc_tick_us(void);
int64_t gw_mono_tick_us(void);
/* "2026-11-21T10:30:00.123456Z" into out; returns out. */
char *gw_utc_text(int64_t utc_us, char out[32]);

/* Notices that UTC jumped against the monotonic clock. Zeroed at first; returns the jump in us (0: none beyond tolerance_us). */
struct gw_clock_watch { int64_t utc_us, mono_us; };
int64_t gw_clock_jump(struct gw_clock_watch *, int64_t utc_us, int64_t mono_us, int64_t tolerance_us);
#endif
