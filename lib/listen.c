/* lib/listen.c */
#include "lib/listen.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/log.h"

enum { ACCEPTS = 64, BACKLOG = 1024, PAUSE_MS = 200 };	/* ACCEPTS: connections taken in one turn */

struct gw_accept {
	uv_poll_t poll;
	uv_timer_t pause;
	struct gw_addr addr;
	void (*take)(void *, int, const struct sockaddr *);
	void (*refuse)(void *, int, const struct sockaddr *);
	void *owner;
	void (*done)(void *);
	int fd, reserve;		/* reserve: -1: none, or given up */
	unsigned handles;
	bool starved, refusing, closing;
	dev_t dev; ino_t ino;		/* of a Unix path, so that a successor's is not removed */
};

static void accept_some(uv_poll_t *, int, int);

static void
fill_reserve(struct gw_accept *s)
{
	if (s->refuse && s->reserve < 0)
		s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
on_pause_over(uv_timer_t *t)
{
	struct gw_accept *s = t->data;

	fill_reserve(s);
	uv_poll_start(&s->poll, UV_READABLE, accept_some);
}

/* Without descriptors the listening socket stays readable: look away for a while instead of spinning. */
static void
starve(struct gw_accept *s, int sys)
{
	char text[GW_ADDR_TEXT];

	if (!s->starved)
		gw_log(GW_ERR, "accept_paused", strerror(sys), "listen=%s", gw_addr_text(&s->addr, text, sizeof(text)));
	s->starved = true;
	uv_poll_stop(&s->poll);
	uv_timer_start(&s->pause, on_pause_over, PAUSE_MS, 0);
}

static int
accept_one(struct gw_accept *s, struct sockaddr_storage *from)
{
	socklen_t len = sizeof(*from);

	return accept4(s->fd, (struct sockaddr *)from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* The reserve for a newcomer that is going to be refused. accept() says that there is no descriptor even when nobody has come. */
static void
use_reserve(struct gw_accept *s)
{
	struct sockaddr_storage from;
	int fd;

	close(s->reserve);
	s->reserve = -1;
	fd = accept_one(s, &from);
	if (fd < 0) {
		starve(s, errno);
		return;
	}
	s->refusing = true;
	uv_poll_stop(&s->poll);
	s->refuse(s->owner, fd, (struct sockaddr *)&from);
}

static void
accept_some(uv_poll_t *p, int status, int events)
{
	struct gw_accept *s = p->data;
	struct sockaddr_storage from;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS && !s->closing; i++) {
		int fd = accept_one(s, &from);
		if (fd >= 0) {
			s->take(s->owner, fd, (struct sockaddr *)&from);
		} else if ((errno == EMFILE || errno == ENFILE) && s->reserve >= 0) {
			use_reserve(s);
			return;
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			starve(s, errno);
			return;
		} else if (errno == EAGAIN) {
			s->starved = false;	/* the backlog is served: the next shortage is news */
			return;
		}
		/* anything else is that connection's misfortune (ECONNABORTED, EPROTO …) */
	}
}

/* Programs start in any order, so the first one makes the directory. What fails here is said by bind(). */
static void
make_directory(const char *path)
{
	char dir[sizeof(((struct gw_addr *)0)->path)];
	char *slash;

	strcpy(dir, path);
	slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = '\0';
		mkdir(dir, 0750);
	}
}

/* A file at the path: removed if nobody answers there, refused if somebody does. */
static int
clear_path(const struct gw_addr *a, struct gw_err *err)
{
	struct stat st;
	int fd, rc;

	make_directory(a->path);
	if (lstat(a->path, &st) < 0)
		return errno == ENOENT ? 0 : gw_fail(err, GW_ESYS, "%s: %s", a->path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return gw_fail(err, GW_EUNAVAIL, "%s exists and is not a socket", a->path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return gw_fail(err, GW_ESYS, "socket: %s", strerror(errno));
	rc = connect(fd, (const struct sockaddr *)&a->ss, a->sslen);
	bool dead = rc < 0 && errno == ECONNREFUSED;
	close(fd);
	if (!dead)
		return gw_fail(err, GW_EUNAVAIL, "%s is in use by a running process", a->path);
	if (unlink(a->path) < 0 && errno != ENOENT)
		return gw_fail(err, GW_ESYS, "%s: %s", a->path, strerror(errno));
	return 0;
}

static int
listen_fd(struct gw_addr *a, struct gw_err *err)
{
	char text[GW_ADDR_TEXT];
	int fd, on = 1;

	if (a->scheme == GW_TLS)
		return gw_fail(err, GW_EUNAVAIL, "%s: TLS is not available in this version; use tcp:// or unix://",
		    gw_addr_text(a, text, sizeof(text)));
	if (a->scheme != GW_TCP && a->scheme != GW_UNIX)
		return gw_fail(err, GW_ECONF, "%s: only tcp:// and unix:// can be listened on", gw_addr_text(a, text, sizeof(text)));
	if (gw_addr_resolve(a, err) < 0 || (a->scheme == GW_UNIX && clear_path(a, err) < 0))
		return -1;
	fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return gw_fail(err, GW_ESYS, "socket: %s", strerror(errno));
	if (a->scheme == GW_UNIX)
		fchmod(fd, 0660);	/* before bind(): the path never exists with a wider mode */
	else
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a->ss, a->sslen) < 0 || listen(fd, BACKLOG) < 0) {
		gw_fail(err, GW_EUNAVAIL, "%s: %s", gw_addr_text(a, text, sizeof(text)), strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

static void
note_bound(struct gw_accept *s)
{
	struct stat st;

	if (s->addr.scheme == GW_UNIX) {
		if (stat(s->addr.path, &st) == 0) {
			s->dev = st.st_dev;
			s->ino = st.st_ino;
		}
		return;
	}
	s->addr.sslen = sizeof(s->addr.ss);
	getsockname(s->fd, (struct sockaddr *)&s->addr.ss, &s->addr.sslen);
	s->addr.port = ntohs(s->addr.ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&s->addr.ss)->sin6_port :
	    ((struct sockaddr_in *)&s->addr.ss)->sin_port);
}

struct gw_accept *
gw_accept_open(uv_loop_t *loop, const struct gw_addr *addr, void (*take)(void *, int, const struct sockaddr *), void *owner,
    struct gw_err *err)
{
	struct gw_accept *s = calloc(1, sizeof(*s));

	if (!s) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	s->addr = *addr;
	s->take = take;
	s->owner = owner;
	s->reserve = -1;
	s->fd = listen_fd(&s->addr, err);
	if (s->fd < 0) {
		free(s);
		return NULL;
	}
	note_bound(s);
	uv_poll_init(loop, &s->poll, s->fd);
	uv_timer_init(loop, &s->pause);
	s->handles = 2;
	s->poll.data = s->pause.data = s;
	uv_poll_start(&s->poll, UV_READABLE, accept_some);
	return s;
}

void
gw_accept_reserve(struct gw_accept *s, void (*refuse)(void *, int, const struct sockaddr *))
{
	s->refuse = refuse;
	fill_reserve(s);
}

/* Without a new reserve (somebody else was quicker) the next newcomer waits in the backlog until there is one. */
void
gw_accept_regain(struct gw_accept *s)
{
	if (s->closing || !s->refusing)
		return;
	s->refusing = false;
	fill_reserve(s);
	uv_poll_start(&s->poll, UV_READABLE, accept_some);
}

const struct gw_addr *
gw_accept_addr(const struct gw_accept *s)
{
	return &s->addr;
}

static void
on_closed(uv_handle_t *handle)
{
	struct gw_accept *s = handle->data;

	if (--s->handles > 0)
		return;
	if (s->done)
		s->done(s->owner);
	free(s);
}

void
gw_accept_close(struct gw_accept *s, void (*done)(void *))
{
	struct stat st;

	if (!s || s->closing)
		return;
	s->closing = true;
	s->done = done;
	if (s->addr.scheme == GW_UNIX && stat(s->addr.path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->addr.path);
	uv_close((uv_handle_t *)&s->poll, on_closed);
	uv_close((uv_handle_t *)&s->pause, on_closed);
	if (s->reserve >= 0)
		close(s->reserve);
	close(s->fd);
}
