/* lib/loop.c */
#include "lib/loop.h"
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "lib/clock.h"

/* UTC may be set while a timer waits: look again at least this often. */
enum { TIMER_SLICE_MS = 10000 };
/* A second signal so soon belongs to the first. */
enum { TWICE_MS = 250 };

/* sd_notify(3): one datagram to $NOTIFY_SOCKET, a path or an abstract name after '@'. Nobody to tell is no fault. */
static void
notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (len < 2 || len >= sizeof(un.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	memcpy(un.sun_path, path, len);
	if (path[0] == '@')
		un.sun_path[0] = '\0';
	/* an abstract name is as long as the address says; a path may be */
	(void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&un,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

static void
on_stop(uv_signal_t *s, int signum)
{
	struct gw_life *life = s->data;

	(void)signum;
	if (life->stopped_ms == 0) {
		life->stopped_ms = uv_now(life->loop) + 1;
		life->stop(life->self);
	} else if (uv_now(life->loop) > life->stopped_ms + TWICE_MS) {
		_exit(1);	/* whoever asks twice does not want to wait */
	}
}

static void
on_reload(uv_signal_t *s, int signum)
{
	struct gw_life *life = s->data;

	(void)signum;
	if (life->reload)
		life->reload(life->self);
}

static void
on_watchdog(uv_timer_t *t)
{
	(void)t;
	notify("WATCHDOG=1");
}

int
gw_life_open(struct gw_life *life, uv_loop_t *loop, void (*stop)(void *), void (*reload)(void *), void *self, struct gw_err *err)
{
	int rc;

	*life = (struct gw_life){ .loop = loop, .stop = stop, .reload = reload, .self = self };
	signal(SIGPIPE, SIG_IGN);
	uv_signal_init(loop, &life->term);
	uv_signal_init(loop, &life->intr);
	uv_signal_init(loop, &life->hup);
	uv_timer_init(loop, &life->watchdog);
	uv_unref((uv_handle_t *)&life->watchdog);
	life->term.data = life->intr.data = life->hup.data = life;
	life->open = true;
	if ((rc = uv_signal_start(&life->term, on_stop, SIGTERM)) < 0 || (rc = uv_signal_start(&life->intr, on_stop, SIGINT)) < 0 ||
	    (rc = uv_signal_start(&life->hup, on_reload, SIGHUP)) < 0) {
		errno = -rc;
		gw_fail(err, GW_ESYS, "signals: %s", uv_strerror(rc));
		gw_life_close(life);
		return -1;
	}
	return 0;
}

static void
arm_watchdog(struct gw_life *life)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	unsigned long long us = usec ? strtoull(usec, NULL, 10) : 0;

	if (us < 2000 || (pid && strtol(pid, NULL, 10) != (long)getpid()))
		return;
	uv_timer_start(&life->watchdog, on_watchdog, us / 2000, us / 2000);
}

void
gw_life_ready(struct gw_life *life, const char *status)
{
	char text[512];

	snprintf(text, sizeof(text), "READY=1\nSTATUS=%s", status);
	notify(text);
	arm_watchdog(life);
}

void
gw_life_status(struct gw_life *life, const char *status)
{
	char text[512];

	(void)life;
	snprintf(text, sizeof(text), "STATUS=%s", status);
	notify(text);
}

void
gw_life_close(struct gw_life *life)
{
	if (!life->open)
		return;
	life->open = false;
	notify("STOPPING=1");
	uv_close((uv_handle_t *)&life->term, NULL);
	uv_close((uv_handle_t *)&life->intr, NULL);
	uv_close((uv_handle_t *)&life->hup, NULL);
	uv_close((uv_handle_t *)&life->watchdog, NULL);
}

void
gw_loop_fini(uv_loop_t *loop)
{
	int rc;

	uv_run(loop, UV_RUN_DEFAULT);
	rc = uv_loop_close(loop);
	assert(rc == 0);
	(void)rc;
}

/* a timer on UTC */

static void
on_timer(uv_timer_t *t)
{
	struct gw_timer *g = t->data;

	if (gw_utc_us() < g->at_us)
		gw_timer_at(g, g->at_us);
	else
		g->fire(g->self);
}

void
gw_timer_init(struct gw_timer *g, uv_loop_t *loop, void (*fire)(void *), void *self)
{
	uv_timer_init(loop, &g->t);
	g->t.data = g;
	g->fire = fire;
	g->self = self;
	g->at_us = INT64_MAX;
}

void
gw_timer_at(struct gw_timer *g, int64_t utc_us)
{
	int64_t now = gw_utc_us(), ms = 0;

	g->at_us = utc_us;
	if (utc_us == INT64_MAX) {
		uv_timer_stop(&g->t);
		return;
	}
	if (utc_us > now)
		ms = (utc_us - now) / 1000 < TIMER_SLICE_MS ? (utc_us - now + 999) / 1000 : TIMER_SLICE_MS;
	uv_timer_start(&g->t, on_timer, (uint64_t)ms, 0);
}

void
gw_timer_close(struct gw_timer *g, uv_close_cb done)
{
	uv_close((uv_handle_t *)&g->t, done);
}

void
gw_raise_nofile(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}
