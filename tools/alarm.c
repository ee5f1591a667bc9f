/* tools/alarm.c: see alarm.h */
#include "tools/alarm.h"
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct alarm *a = (struct alarm *)poll;	/* its first member */
	uint64_t times;

	(void)status;
	(void)events;
	if (read(a->fd, &times, sizeof(times)) > 0)
		a->ring(a->self);
}

int
alarm_open(struct alarm *a, uv_loop_t *loop, void (*ring)(void *), void *self, struct gw_err *err)
{
	*a = (struct alarm){ .fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), .ring = ring, .self = self };
	if (a->fd < 0)
		return gw_fail(err, GW_ESYS, "timerfd: %s", strerror(errno));
	uv_poll_init(loop, &a->poll, a->fd);
	a->poll.data = self;
	uv_poll_start(&a->poll, UV_READABLE, on_poll);
	return 0;
}

void
alarm_set(struct alarm *a, int64_t at_ns)
{
	struct itimerspec at = { { 0, 0 }, { 0, 0 } };	/* all zero: never */

	if (at_ns != INT64_MAX) {
		at.it_value.tv_sec = at_ns / 1000000000;
		at.it_value.tv_nsec = at_ns % 1000000000;
	}
	timerfd_settime(a->fd, TFD_TIMER_ABSTIME, &at, NULL);
}

void
alarm_close(struct alarm *a, uv_close_cb closed)
{
	uv_poll_stop(&a->poll);
	close(a->fd);
	uv_close((uv_handle_t *)&a->poll, closed);
}
