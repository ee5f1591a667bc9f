/* tools/alarm.h: a timer to the nanosecond, as far as the kernel goes, where libuv's has milliseconds. On uv_hrtime()'s clock. */
#ifndef TOOLS_ALARM_H
#define TOOLS_ALARM_H
#include <stdint.h>
#include <uv.h>
#include "lib/err.h"

struct alarm { uv_poll_t poll; int fd; void (*ring)(void *self); void *self; };
int alarm_open(struct alarm *, uv_loop_t *, void (*ring)(void *self), void *self, struct gw_err *);
void alarm_set(struct alarm *, int64_t at_ns);	/* INT64_MAX: never. It may ring once too often. */
void alarm_close(struct alarm *, uv_close_cb);	/* the handle's data is self */
#endif
