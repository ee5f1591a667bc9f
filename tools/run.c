/*
 * tools/run.c: simulgate run: starts and watches all processes of one machine. BSMs start first: they make the stores that ECMGs want. Players
 * start when the others are ready and stop first, so that a receiver's count covers everything that was played. A process that dies is
 * started again.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>
#include "lib/args.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "tools/tools.h"

enum {
	DRAIN_MS = 300,		/* between the last played packet and the receivers' end */
	KILL_MS = 3000,		/* a process that does not end by then is killed */
	READY_MS = 15000,	/* who is not ready by then is named, once */
	BACKOFF_MIN_MS = 200, BACKOFF_MAX_MS = 10000,
	STEADY_MS = 30000,	/* a life as long as this forgets the ones before */
	RUNNING = -1, DRAINING = -2, ENDED = -3,	/* of run.stopping; else the stage that is stopping */
};

struct child {
	struct run *run;
	const struct tool_process *p;
	pid_t pid;		/* 0: not running */
	bool ready, was_ready, finished;	/* finished: a player at the end of its file */
	bool out_open;
	int status;		/* of the last life, as waitpid() says */
	unsigned lives, backoff_ms;
	int64_t born_us;
	uv_timer_t again;
	uv_pipe_t out;
	char line[1024]; size_t len;	/* of its stdout, unfinished */
	char summary[1024];	/* its last "terminal …" line */
};

struct run {
	uv_loop_t loop;
	struct gw_life life;
	struct headend *h;
	struct tool_plan plan;
	struct child *c; size_t n;
	uv_signal_t chld;
	uv_poll_t notify;
	uv_timer_t clock, end, late;	/* of the stage that is stopping; of --seconds; of readiness */
	int notify_fd, lock_fd;
	char notify_path[108];
	int stopping, status;	/* status: why it was given up; 0 */
	int started;		/* the last stage that was */
	bool open;
	unsigned seconds;
	struct gw_args args;
};

/* ---- options ---- */

static int
take_seconds(void *self, const char *value, struct gw_err *err)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || n == 0 || n > UINT_MAX / 1000)
		return gw_fail(err, GW_EUSAGE, "%s is not a number of seconds", value);
	((struct run *)self)->seconds = (unsigned)n;
	return 0;
}

static const struct gw_option options[] = {
	{ "seconds", "N", "end after N seconds", take_seconds },
};
static const struct gw_program program = {
	"simulgate run", "FILE [--seconds N]",
	"Starts and watches all processes of one machine; ends 0 if every receiver saw every packet right.", options, 1, 0, 1,
};

/* ---- a process's life ---- */

static void start_child(struct child *);
static void stop_all(struct run *, int status);
static void next_stage(struct run *);

static void
on_again(uv_timer_t *t)
{
	struct child *c = t->data;

	if (c->out_open)	/* the life before has not been read to its end */
		uv_timer_start(t, on_again, 50, 0);
	else if (c->run->stopping == RUNNING)
		start_child(c);
}

/* Lines of a receiver's summary are kept for the end; whatever else a process prints goes to stderr. */
static void
take_line(struct child *c)
{
	c->line[c->len] = '\0';
	c->len = 0;
	if (c->p->stage == STAGE_TERMINAL && strncmp(c->line, "terminal ", 9) == 0)
		memcpy(c->summary, c->line, sizeof(c->summary));
	else if (*c->line)
		fprintf(stderr, "%s: %s\n", c->p->program, c->line);
}

static void
on_room(uv_handle_t *h, size_t want, uv_buf_t *buf)
{
	static char room[4096];	/* one read at a time */

	(void)h;
	(void)want;
	*buf = uv_buf_init(room, sizeof(room));
}

static void
on_out_closed(uv_handle_t *h)
{
	((struct child *)h->data)->out_open = false;
}

static void
take(struct child *c, const char *text, ssize_t n)
{
	for (ssize_t i = 0; i < n; i++)
		if (text[i] == '\n')
			take_line(c);
		else if (c->len < sizeof(c->line) - 1)
			c->line[c->len++] = text[i];
}

static void
close_out(struct child *c)
{
	if (uv_is_closing((uv_handle_t *)&c->out))
		return;
	if (c->len)
		take_line(c);
	uv_close((uv_handle_t *)&c->out, on_out_closed);
}

static void
on_out(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	take(s->data, buf->base, n);
	if (n < 0)
		close_out(s->data);
}

/* The process is gone: what it wrote is there, and nobody else is waited for who may hold its stdout. */
static void
drain_out(struct child *c)
{
	char text[4096];
	uv_os_fd_t fd;
	ssize_t n;

	if (!c->out_open || uv_fileno((uv_handle_t *)&c->out, &fd) < 0)
		return;
	while ((n = read(fd, text, sizeof(text))) > 0)
		take(c, text, n);
	close_out(c);
}

/* In the new process. */
static void
become(const struct run *r, const struct tool_process *p, int out, pid_t parent)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);	/* Ctrl-C is ours to pass on, in the right order */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);	/* died before it could be told */
	setenv("NOTIFY_SOCKET", r->notify_path, 1);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
		execv(p->argv[0], p->argv);
	fprintf(stderr, "%s: %s\n", p->argv[0], strerror(errno));
	_exit(gw_exit_status(GW_EUNAVAIL));
}

static void
start_child(struct child *c)
{
	pid_t parent = getpid();
	int fd[2];

	c->ready = false;
	c->lives++;
	c->born_us = gw_mono_us();
	if (pipe2(fd, O_CLOEXEC) < 0 || (c->pid = fork()) < 0) {
		gw_log(GW_ERR, "process_not_started", strerror(errno), "program=%s instance=%s", c->p->program, c->p->instance);
		c->pid = 0;
		stop_all(c->run, gw_exit_status(GW_ESYS));
		return;
	}
	if (c->pid == 0)
		become(c->run, c->p, fd[1], parent);
	close(fd[1]);
	uv_pipe_init(&c->run->loop, &c->out, 0);
	c->out.data = c;
	c->out_open = true;
	uv_pipe_open(&c->out, fd[0]);
	uv_read_start((uv_stream_t *)&c->out, on_room, on_out);
	gw_log(GW_DEBUG, "process_started", NULL, "program=%s instance=%s pid=%d", c->p->program, c->p->instance, (int)c->pid);
}

/* A misused command line or a bad configuration does not mend itself. */
static bool
hopeless(const struct child *c)
{
	return !c->was_ready && WIFEXITED(c->status) &&
	    (WEXITSTATUS(c->status) == gw_exit_status(GW_EUSAGE) || WEXITSTATUS(c->status) == gw_exit_status(GW_ECONF));
}

static void
died(struct child *c)
{
	int64_t lived_ms = (gw_mono_us() - c->born_us) / 1000;

	if (c->p->stage == STAGE_PLAY && WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0) {
		c->finished = true;
		return;
	}
	if (hopeless(c)) {
		gw_log(GW_ERR, "process_hopeless", "it refuses to run; all are stopped", "program=%s instance=%s status=%d", c->p->program,
		    c->p->instance, WEXITSTATUS(c->status));
		stop_all(c->run, WEXITSTATUS(c->status));
		return;
	}
	c->backoff_ms = lived_ms > STEADY_MS || !c->backoff_ms ? BACKOFF_MIN_MS : 2 * c->backoff_ms;
	if (c->backoff_ms > BACKOFF_MAX_MS)
		c->backoff_ms = BACKOFF_MAX_MS;
	gw_log(GW_WARNING, "process_died", "it ended by itself and is started again", "program=%s instance=%s %s=%d wait_ms=%u",
	    c->p->program, c->p->instance, WIFSIGNALED(c->status) ? "signal" : "status",
	    WIFSIGNALED(c->status) ? WTERMSIG(c->status) : WEXITSTATUS(c->status), c->backoff_ms);
	uv_timer_start(&c->again, on_again, c->backoff_ms, 0);
}

static void
on_chld(uv_signal_t *s, int signum)
{
	struct run *r = s->data;

	(void)signum;
	for (size_t i = 0; i < r->n; i++) {
		struct child *c = &r->c[i];

		if (c->pid == 0 || waitpid(c->pid, &c->status, WNOHANG) != c->pid)
			continue;
		c->pid = 0;
		drain_out(c);
		if (r->stopping == RUNNING)
			died(c);
	}
	if (r->stopping >= 0)
		next_stage(r);
}

/* ---- readiness ---- */

/* Those of the stages behind the last one that was started, up to this one. */
static void
start_stages(struct run *r, int upto)
{
	int from = r->started;

	r->started = upto;
	for (size_t i = 0; i < r->n && r->stopping == RUNNING; i++)
		if ((int)r->c[i].p->stage > from && (int)r->c[i].p->stage <= upto)
			start_child(&r->c[i]);
}

/* Everybody who was started is: the next ones may start. */
static void
check_ready(struct run *r)
{
	static const int steps[] = { STAGE_BSM, STAGE_PLAY - 1, STAGE_PLAY };	/* each waits for the one before */

	for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
		for (size_t i = 0; i < r->n; i++)
			if ((int)r->c[i].p->stage <= r->started && r->c[i].p->stage != STAGE_PLAY && !r->c[i].ready)
				return;
		if (r->started >= steps[k])
			continue;
		if (r->stopping != RUNNING)
			return;
		start_stages(r, steps[k]);
		if (steps[k] != STAGE_PLAY)
			continue;
		uv_timer_stop(&r->late);
		fprintf(stderr, "ready\n");
		gw_life_ready(&r->life, "all processes are ready");
	}
}

static void
on_late(uv_timer_t *t)
{
	struct run *r = t->data;

	for (size_t i = 0; i < r->n; i++)
		if ((int)r->c[i].p->stage <= r->started && r->c[i].p->stage != STAGE_PLAY && !r->c[i].ready)
			gw_log(GW_WARNING, "process_not_ready", "it has not said that it is ready", "program=%s instance=%s after_ms=%d",
			    r->c[i].p->program, r->c[i].p->instance, READY_MS);
}

/* One datagram of sd_notify: "READY=1\nSTATUS=…", with the sender's pid from the kernel. */
static bool
hear(struct run *r)
{
	char text[1024];
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(struct ucred))]; } control;
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(r->notify_fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *h = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL;
	struct ucred who = { 0, 0, 0 };

	if (n < 0)
		return false;
	text[n] = '\0';
	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_CREDENTIALS)
		memcpy(&who, CMSG_DATA(h), sizeof(who));
	for (size_t i = 0; i < r->n; i++)
		if (r->c[i].pid && r->c[i].pid == who.pid && (strncmp(text, "READY=1", 7) == 0 || strstr(text, "\nREADY=1")))
			r->c[i].ready = r->c[i].was_ready = true;
	return true;
}

static void
on_notify(uv_poll_t *p, int status, int events)
{
	(void)status;
	(void)events;
	while (hear(p->data))
		;
	check_ready(p->data);
}

static int
open_notify(struct run *r, struct gw_err *err)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int on = 1;

	if (snprintf(r->notify_path, sizeof(r->notify_path), "%s/run.notify", r->h->playout) >= (int)sizeof(un.sun_path))
		return gw_fail(err, GW_ECONF, "%s is too long for a socket", r->h->playout);
	memcpy(un.sun_path, r->notify_path, strlen(r->notify_path) + 1);
	unlink(r->notify_path);
	r->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->notify_fd < 0 || setsockopt(r->notify_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    bind(r->notify_fd, (struct sockaddr *)&un, sizeof(un)) < 0)
		return gw_fail(err, GW_ESYS, "%s: %s", r->notify_path, strerror(errno));
	return 0;
}

/* ---- the end ---- */

static void
finish(struct run *r)
{
	r->stopping = ENDED;
	for (size_t i = 0; i < r->n; i++)
		uv_close((uv_handle_t *)&r->c[i].again, NULL);
	uv_close((uv_handle_t *)&r->chld, NULL);
	uv_close((uv_handle_t *)&r->notify, NULL);
	uv_close((uv_handle_t *)&r->clock, NULL);
	uv_close((uv_handle_t *)&r->end, NULL);
	uv_close((uv_handle_t *)&r->late, NULL);
	gw_life_close(&r->life);
}

static size_t
alive(const struct run *r, int stage)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->c[i].pid && (int)r->c[i].p->stage == stage;
	return n;
}

static void
signal_stage(struct run *r, int signum)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->c[i].pid && (int)r->c[i].p->stage == r->stopping) {
			if (signum == SIGKILL)
				gw_log(GW_WARNING, "process_killed", "it did not end when it was asked to", "program=%s instance=%s",
				    r->c[i].p->program, r->c[i].p->instance);
			kill(r->c[i].pid, signum);
		}
}

static void
on_kill(uv_timer_t *t)
{
	signal_stage(t->data, SIGKILL);
}

static void
begin_stage(struct run *r, int stage)
{
	r->stopping = stage;
	signal_stage(r, SIGTERM);
	uv_timer_start(&r->clock, on_kill, KILL_MS, 0);
	next_stage(r);	/* it may have nobody */
}

static void
on_drained(uv_timer_t *t)
{
	begin_stage(t->data, STAGE_TERMINAL);
}

static void
next_stage(struct run *r)
{
	if (alive(r, r->stopping))
		return;
	uv_timer_stop(&r->clock);
	if (r->stopping == STAGE_PLAY) {
		r->stopping = DRAINING;
		uv_timer_start(&r->clock, on_drained, DRAIN_MS, 0);
	} else if (r->stopping == STAGE_BSM) {
		finish(r);
	} else {
		begin_stage(r, r->stopping - 1);
	}
}

/* Players, then what is still on its way, then receivers, scrambler, EMMGs, mux, SCS, bridges, ECMGs, BSMs. */
static void
stop_all(struct run *r, int status)
{
	if (r->stopping != RUNNING)
		return;
	r->status = status;
	for (size_t i = 0; i < r->n; i++)
		uv_timer_stop(&r->c[i].again);
	uv_timer_stop(&r->end);
	uv_timer_stop(&r->late);
	gw_life_status(&r->life, "stopping");
	begin_stage(r, STAGE_PLAY);
}

static void
on_stop(void *self)
{
	stop_all(self, 0);
}

static void
on_end(uv_timer_t *t)
{
	stop_all(t->data, 0);
}

/* A reload is each process's own. */
static void
on_reload(void *self)
{
	struct run *r = self;

	for (size_t i = 0; i < r->n; i++)
		if (r->c[i].pid && r->c[i].ready)
			kill(r->c[i].pid, SIGHUP);
}

/* ---- the verdict ---- */

static bool
count(const char *summary, const char *key, unsigned long long *v)
{
	const char *p = strstr(summary, key);

	return p && sscanf(p + strlen(key), "%llu", v) == 1;
}

/* A receiver that has seen packets, and each of them right, all the time. */
static bool
content(const struct child *c)
{
	unsigned long long packets, lost, undecryptable;

	return c->lives == 1 && count(c->summary, " packets=", &packets) && count(c->summary, " lost=", &lost) &&
	    count(c->summary, " undecryptable=", &undecryptable) && packets > 0 && lost == 0 && undecryptable == 0;
}

static int
verdict(const struct run *r)
{
	int status = r->status;

	for (size_t i = 0; i < r->n; i++) {
		const struct child *c = &r->c[i];
		bool clean = c->lives == 0 || (WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0);

		if (!clean)
			gw_log(GW_WARNING, "process_failed", "its last end was not clean", "program=%s instance=%s %s=%d", c->p->program,
			    c->p->instance, WIFSIGNALED(c->status) ? "signal" : "status",
			    WIFSIGNALED(c->status) ? WTERMSIG(c->status) : WEXITSTATUS(c->status));
		if (c->p->stage == STAGE_TERMINAL && c->summary[0])
			printf("%s\n", c->summary);
		else if (c->p->stage == STAGE_TERMINAL)
			printf("terminal %s: it did not say what it saw\n", c->p->instance);
		if (!status && (!clean || (c->p->stage == STAGE_TERMINAL && !content(c))))
			status = 1;
	}
	fflush(stdout);
	return status;
}

/* ---- the beginning ---- */

static int
make_dir(const char *path, mode_t mode, struct gw_err *err)
{
	char up[PATH_MAX];

	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return 0;
	snprintf(up, sizeof(up), "%s", path);
	if (errno == ENOENT && strcmp(dirname(up), path) != 0 && make_dir(up, 0755, err) == 0 && mkdir(path, mode) == 0)
		return 0;
	return err->code ? -1 : gw_fail(err, GW_ESYS, "%s: %s", path, strerror(errno));
}

/* Two supervisors of one head-end would fight for every socket. */
static int
lock(struct run *r, struct gw_err *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/run.lock", r->h->playout);
	r->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (r->lock_fd < 0)
		return gw_fail(err, GW_ESYS, "%s: %s", path, strerror(errno));
	if (flock(r->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return gw_fail(err, GW_ETEMP, "another simulgate run has %s", r->h->playout);
	return 0;
}

static int
open_all(struct run *r, struct gw_err *err)
{
	r->c = calloc(r->plan.n, sizeof(*r->c));
	if (!r->c)
		return gw_fail(err, GW_ESYS, "out of memory");
	r->n = r->plan.n;
	uv_loop_init(&r->loop);
	r->open = true;
	uv_signal_init(&r->loop, &r->chld);
	uv_poll_init(&r->loop, &r->notify, r->notify_fd);
	uv_timer_init(&r->loop, &r->clock);
	uv_timer_init(&r->loop, &r->end);
	uv_timer_init(&r->loop, &r->late);
	r->chld.data = r->notify.data = r->clock.data = r->end.data = r->late.data = r;
	for (size_t i = 0; i < r->n; i++) {
		r->c[i].run = r;
		r->c[i].p = &r->plan.p[i];
		uv_timer_init(&r->loop, &r->c[i].again);
		r->c[i].again.data = &r->c[i];
	}
	if (gw_life_open(&r->life, &r->loop, on_stop, on_reload, r, err) < 0) {
		finish(r);
		return -1;
	}
	uv_signal_start(&r->chld, on_chld, SIGCHLD);
	uv_poll_start(&r->notify, UV_READABLE, on_notify);
	uv_timer_start(&r->late, on_late, READY_MS, 0);
	if (r->seconds)
		uv_timer_start(&r->end, on_end, (uint64_t)r->seconds * 1000, 0);
	return 0;
}

static int
start(struct run *r, const char *config, struct gw_err *err)
{
	static const char *const levels[] = { "err", "warning", "notice", "info", "debug" };

	if (tool_plan(r->h, config, levels[r->args.log_level], tool_find, &r->plan, err) < 0 ||
	    make_dir(r->h->playout, 0750, err) < 0 || make_dir(r->h->state, 0700, err) < 0 || lock(r, err) < 0 ||
	    open_notify(r, err) < 0 || open_all(r, err) < 0)
		return -1;
	tool_plan_print(&r->plan, r->h, stderr);
	check_ready(r);
	return 0;
}

int
tool_run(int argc, char **argv)
{
	struct run r = { .notify_fd = -1, .lock_fd = -1, .stopping = RUNNING, .started = -1 };
	struct gw_err err = { 0 };
	const char *config;
	int status = gw_args(&program, &r.args, &r, argc, argv);

	if (status >= 0)
		return status;
	gw_log_init("run", r.args.log_level);
	config = r.args.nrest ? r.args.rest[0] : r.args.config;
	if (!config || (r.args.nrest && r.args.config)) {
		fprintf(stderr, "simulgate run: which file? see --help\n");
		return gw_exit_status(GW_EUSAGE);
	}
	if (!(r.h = tool_load(config, &status)))
		return status;
	if (r.args.check_config)
		status = tool_check_programs(r.h, config);
	else
		status = start(&r, config, &err) < 0 ? gw_die(&err) : 0;
	if (r.open) {
		gw_loop_fini(&r.loop);
		status = status ? status : verdict(&r);
	}
	if (r.notify_fd >= 0) {
		close(r.notify_fd);
		unlink(r.notify_path);
	}
	if (r.lock_fd >= 0)
		close(r.lock_fd);
	free(r.c);
	tool_plan_free(&r.plan);
	headend_free(r.h);
	return status;
}
