/* tests/unit/test_lib_loop.c: signals, readiness and UTC timers */
#include "lib/loop.h"
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/clock.h"
#include "tests/suite.h"

static uv_loop_t loop;
static struct gw_life life;
static int stops, reloads;

static void
stop(void *self)
{
	stops++;
	gw_life_close(self);
}

static void
reload(void *self)
{
	(void)self;
	reloads++;
	raise(SIGTERM);
}

START_TEST(signals_reload_and_stop)
{
	struct gw_err err = { 0 };

	uv_loop_init(&loop);
	ck_assert_int_eq(gw_life_open(&life, &loop, stop, reload, &life, &err), 0);
	raise(SIGPIPE);
	raise(SIGHUP);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(reloads, 1);
	ck_assert_int_eq(stops, 1);
	gw_life_close(&life);	/* quiet */
	gw_loop_fini(&loop);
}
END_TEST

static void
ask_again(uv_timer_t *t)
{
	(void)t;
	raise(SIGINT);
}

/* The first repetition comes along with the first wish, as from timeout(1); the next is meant. */
static void
stubborn(void *self)
{
	static uv_timer_t later;

	(void)self;
	raise(SIGINT);
	uv_timer_init(&loop, &later);
	uv_timer_start(&later, ask_again, 300, 0);
}

START_TEST(a_second_stop_exits_at_once)
{
	struct gw_err err = { 0 };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		uv_loop_init(&loop);
		gw_life_open(&life, &loop, stubborn, NULL, NULL, &err);
		raise(SIGHUP);	/* without a reload: ignored */
		raise(SIGTERM);
		uv_run(&loop, UV_RUN_DEFAULT);
		_exit(77);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 1);
}
END_TEST

/* systemd's end: a datagram socket, at a path (0) or an abstract name (1) */
static int
manager(bool abstract, char *name, size_t cap)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(name, cap, "%s/tmp/gw-notify-%d", abstract ? "@" : "", (int)getpid());
	memcpy(un.sun_path, name, strlen(name));
	if (abstract)
		un.sun_path[0] = '\0';
	else
		unlink(name);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))), 0);
	struct timeval tv = { .tv_sec = 5 };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void
hears(int fd, const char *want)
{
	char got[600];
	ssize_t n = recv(fd, got, sizeof(got) - 1, 0);

	ck_assert_int_gt(n, 0);
	got[n] = '\0';
	ck_assert_str_eq(got, want);
}

static void
expire(void *self)
{
	gw_life_close(self);
}

START_TEST(readiness_watchdog_and_stopping_are_told)
{
	struct gw_timer t;
	struct gw_err err = { 0 };
	char name[108];
	int fd = manager(_i == 1, name, sizeof(name));

	setenv("WATCHDOG_USEC", "40000", 1);
	uv_loop_init(&loop);
	ck_assert_int_eq(gw_life_open(&life, &loop, stop, NULL, &life, &err), 0);
	gw_life_ready(&life, "serving");
	hears(fd, "READY=1\nSTATUS=serving");
	gw_life_status(&life, "again");
	hears(fd, "STATUS=again");
	gw_timer_init(&t, &loop, expire, &life);
	gw_timer_at(&t, gw_utc_us() + 100000);
	uv_run(&loop, UV_RUN_DEFAULT);
	gw_timer_close(&t, NULL);
	hears(fd, "WATCHDOG=1");	/* every 20 ms: half of what is allowed */
	hears(fd, "WATCHDOG=1");
	hears(fd, "WATCHDOG=1");
	char got[64] = "";
	while (strncmp(got, "STOPPING=1", 10) != 0)
		ck_assert_int_gt(recv(fd, got, sizeof(got), 0), 0);
	gw_loop_fini(&loop);
	close(fd);
	if (_i == 0)
		unlink(name);
}
END_TEST

START_TEST(a_watchdog_for_another_process_is_left_alone)
{
	struct gw_err err = { 0 };
	struct gw_timer t;
	char name[108], got[64];
	int fd = manager(true, name, sizeof(name));

	setenv("WATCHDOG_USEC", "4000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	uv_loop_init(&loop);
	ck_assert_int_eq(gw_life_open(&life, &loop, stop, NULL, &life, &err), 0);
	gw_life_ready(&life, "x");
	hears(fd, "READY=1\nSTATUS=x");
	gw_timer_init(&t, &loop, expire, &life);
	gw_timer_at(&t, gw_utc_us() + 30000);
	uv_run(&loop, UV_RUN_DEFAULT);
	gw_timer_close(&t, NULL);
	ck_assert_int_gt(recv(fd, got, sizeof(got), 0), 0);
	ck_assert_int_eq(strncmp(got, "STOPPING=1", 10), 0);
	gw_loop_fini(&loop);
	close(fd);
}
END_TEST

static int64_t fired[3];
static int nfired;

static void
fire(void *self)
{
	(void)self;
	fired[nfired++] = gw_utc_us();
}

START_TEST(timers_fire_on_utc_never_early)
{
	struct gw_timer a, b, never;
	int64_t t0;

	uv_loop_init(&loop);
	gw_timer_init(&a, &loop, fire, NULL);
	gw_timer_init(&b, &loop, fire, NULL);
	gw_timer_init(&never, &loop, fire, NULL);
	usleep(20000);	/* the loop's own idea of now is old */
	t0 = gw_utc_us();
	gw_timer_at(&a, t0 + 600500);
	gw_timer_at(&b, t0 - 1000000);	/* the past: on the next turn */
	gw_timer_at(&never, t0 + 10000);
	gw_timer_at(&never, INT64_MAX);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(nfired, 2);
	ck_assert_int_lt(fired[0], t0 + 500000);
	ck_assert_int_ge(fired[1], t0 + 600500);
	gw_timer_close(&a, NULL);
	gw_timer_close(&b, NULL);
	gw_timer_close(&never, NULL);
	gw_loop_fini(&loop);
}
END_TEST

START_TEST(descriptors_are_raised_to_the_hard_limit)
{
	struct rlimit r;

	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &r);
	gw_raise_nofile();
	getrlimit(RLIMIT_NOFILE, &r);
	ck_assert_uint_eq(r.rlim_cur, r.rlim_max);
}
END_TEST

SUITE("lib_loop", tcase_add_test(t, signals_reload_and_stop);
      tcase_add_test(t, a_second_stop_exits_at_once);
      tcase_add_loop_test(t, readiness_watchdog_and_stopping_are_told, 0, 2);
      tcase_add_test(t, a_watchdog_for_another_process_is_left_alone);
      tcase_add_test(t, timers_fire_on_utc_never_early);
      tcase_add_test(t, descriptors_are_raised_to_the_hard_limit))
