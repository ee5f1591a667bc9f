/*
 * lib/link.c: framed links. One hub per loop holds what links share: the receive buffer, and the list of links with output
 * waiting. Output is gathered during a turn of the loop and leaves in one write before the loop sleeps, so that the answers to a
 * burst cost one system call. An idle link owns no buffer at all.
 */
#include "lib/link.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>
#include "lib/listen.h"
#include "lib/log.h"
#include "proto/sim.h"

enum {
	IN_BYTES = 65536,	/* one read, and what one link may read in one turn */
	FLUSH_BYTES = 65536,	/* gathered output that does not wait for the end of the turn */
	QUEUE_BYTES = 1 << 20,
	KEEPALIVE_S = 30,
	LINGER_MS = 250,	/* after our FIN: time for the peer's, so that no reset overtakes our last message */
	CONNECT_MS = 3000,
	HEAR_MS = 1000,		/* how long a newcomer that is going to be refused is listened to */
	GOOD_LIFE_MS = 5000,	/* a link that lived so long was no failure */
	FIRST_WAIT_MS = 1000,
	MAX_WAIT_MS = 30000,
};

struct buf { uint8_t *p; size_t len, cap; };
TAILQ_HEAD(link_list, gw_link);

struct hub {
	uv_loop_t *loop;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle;		/* while a link waits to be flushed: who sends from a later prepare callback waits for no event */
	unsigned refs, handles;
	uint64_t turn;
	struct link_list dirty;
	struct hub *next;
	uint8_t in[IN_BYTES];
};

struct gw_link {
	union { uv_handle_t handle; uv_stream_t stream; uv_tcp_t tcp; uv_pipe_t pipe; } u;
	uv_timer_t timer;		/* grace of an orderly close */
	uv_write_t write;		/* at most one at a time; what comes meanwhile gathers in out */
	struct hub *hub;
	struct gw_dialer *dialer;	/* NULL: accepted */
	struct gw_listener *refused;	/* by whom; NULL: it is not */
	const struct gw_link_ops *ops;
	void *self;
	struct gw_err *why;
	TAILQ_ENTRY(gw_link) entry;
	struct buf tail, out, flight;
	uint64_t turn, closes_at;
	size_t bound, spent;
	uint8_t handles;
	bool dirty, is_up, paused, writing, over, draining, shut, closing, orderly;
	char peer[64];
};

struct gw_listener {
	struct gw_accept *door;
	struct hub *hub;
	bool pipe;
	const struct gw_link_ops *ops;
	struct gw_link_limits limits;
	void *(*accept)(void *, struct gw_link *);
	void (*refuse)(void *, struct gw_link *, const uint8_t *, size_t);
	void *owner;
	void (*done)(void *);
	unsigned nrefused;		/* links that are being told so */
	bool closed;
};

struct gw_dialer {
	uv_timer_t timer;		/* the wait between rounds; the limit of one attempt */
	uv_connect_t connect;
	uv_getaddrinfo_t lookup;
	struct hub *hub;
	const struct gw_link_ops *ops;
	struct gw_link_limits limits;
	void *self;
	void (*done)(void *);
	struct gw_link *link;
	struct addrinfo *found, *next;	/* what the present name resolved to, and what of it is untried */
	struct gw_rate rate;
	uint64_t up_since;
	size_t n, at;			/* addresses; the one in use or tried */
	unsigned fails, max_wait_ms;
	bool looking, useless, quick, ending, timer_closed;
	struct gw_addr addrs[];
};

static _Thread_local struct hub *hubs;

static void write_out(struct gw_link *);
static void resume(struct gw_link *);
static void dialer_lost(struct gw_dialer *, const struct gw_err *);

/* buffers: keys pass through them, so what is given back is cleansed */

static void
buf_free(struct buf *b)
{
	if (b->p)
		OPENSSL_cleanse(b->p, b->len);
	free(b->p);
	*b = (struct buf){ 0 };
}

static int
buf_room(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : 2048;	/* ten ECMs */

	if (need <= b->cap)
		return 0;
	while (cap < need)
		cap *= 2;
	uint8_t *p = malloc(cap);	/* not realloc(): it leaves its old bytes behind */
	if (!p)
		return -1;
	if (b->len > 0) {
		memcpy(p, b->p, b->len);
		OPENSSL_cleanse(b->p, b->len);
	}
	free(b->p);
	b->p = p;
	b->cap = cap;
	return 0;
}

static int
buf_add(struct buf *b, const void *bytes, size_t len)
{
	if (buf_room(b, b->len + len) < 0)
		return -1;
	memcpy(b->p + b->len, bytes, len);
	b->len += len;
	return 0;
}

/* the hub of a loop */

static void
hub_flush(struct hub *h)
{
	struct gw_link *l;

	while ((l = TAILQ_FIRST(&h->dirty)) != NULL) {
		TAILQ_REMOVE(&h->dirty, l, entry);
		l->dirty = false;
		resume(l);
		write_out(l);
	}
	uv_idle_stop(&h->idle);
}

static void
on_idle(uv_idle_t *i)
{
	(void)i;
}

static void
on_prepare(uv_prepare_t *p)
{
	struct hub *h = p->data;

	h->turn++;
	hub_flush(h);
}

static void
on_check(uv_check_t *c)
{
	hub_flush(c->data);
}

static struct hub *
hub_ref(uv_loop_t *loop)
{
	struct hub *h;

	for (h = hubs; h; h = h->next)
		if (h->loop == loop) {
			h->refs++;
			return h;
		}
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->loop = loop;
	h->refs = 1;
	h->handles = 3;
	TAILQ_INIT(&h->dirty);
	uv_prepare_init(loop, &h->prepare);
	uv_check_init(loop, &h->check);
	uv_idle_init(loop, &h->idle);
	h->prepare.data = h->check.data = h->idle.data = h;
	uv_prepare_start(&h->prepare, on_prepare);
	uv_check_start(&h->check, on_check);
	uv_unref((uv_handle_t *)&h->prepare);
	uv_unref((uv_handle_t *)&h->check);
	uv_unref((uv_handle_t *)&h->idle);
	h->next = hubs;
	hubs = h;
	return h;
}

static void
hub_closed(uv_handle_t *handle)
{
	struct hub *h = handle->data;

	if (--h->handles == 0)
		free(h);
}

static void
hub_unref(struct hub *h)
{
	struct hub **p = &hubs;

	if (--h->refs > 0)
		return;
	while (*p != h)
		p = &(*p)->next;
	*p = h->next;
	uv_close((uv_handle_t *)&h->prepare, hub_closed);
	uv_close((uv_handle_t *)&h->check, hub_closed);
	uv_close((uv_handle_t *)&h->idle, hub_closed);
}

/* a link's end */

static void
on_link_closed(uv_handle_t *handle)
{
	struct gw_link *l = handle->data;
	struct gw_dialer *d = l->dialer;

	if (--l->handles > 0)
		return;
	if (l->dirty)
		TAILQ_REMOVE(&l->hub->dirty, l, entry);
	if (l->is_up)
		l->ops->down(l->self, l, l->orderly ? NULL : l->why);
	if (d)
		dialer_lost(d, l->why);
	buf_free(&l->tail);
	buf_free(&l->out);
	buf_free(&l->flight);
	free(l->why);
	hub_unref(l->hub);
	free(l);
}

static void
end(struct gw_link *l)
{
	if (l->closing)
		return;
	l->closing = true;
	/* A last word, such as an error message, goes out if the kernel takes it now. */
	if (l->out.len > 0 && !l->writing) {
		uv_buf_t b = uv_buf_init((char *)l->out.p, (unsigned)l->out.len);
		uv_try_write(&l->u.stream, &b, 1);
	}
	uv_close((uv_handle_t *)&l->timer, on_link_closed);
	uv_close(&l->u.handle, on_link_closed);
}

static void
fail(struct gw_link *l, enum gw_code code, const char *what, int uverr)
{
	if (l->closing)
		return;
	l->orderly = l->draining;	/* what breaks while we say goodbye is no fault */
	if (!l->orderly && (l->why = calloc(1, sizeof(*l->why))) != NULL) {
		errno = uverr < 0 ? -uverr : 0;
		if (uverr < 0)
			gw_fail(l->why, code, "%s: %s", what, uv_strerror(uverr));
		else
			gw_fail(l->why, code, "%s", what);
	}
	end(l);
}

static void
on_grace_over(uv_timer_t *t)
{
	struct gw_link *l = t->data;

	l->orderly = true;
	end(l);
}

/* Everything queued has gone: FIN, then wait shortly for the peer's. Closing with unread input would send a reset. */
static void
say_goodbye(struct gw_link *l)
{
	uint64_t now = uv_now(l->hub->loop), left = l->closes_at > now ? l->closes_at - now : 0;
	uv_os_fd_t fd;

	if (l->shut || l->closing)
		return;
	l->shut = true;
	if (uv_fileno(&l->u.handle, &fd) == 0)
		shutdown(fd, SHUT_WR);
	uv_timer_start(&l->timer, on_grace_over, left < LINGER_MS ? left : LINGER_MS, 0);
}

/* output */

static void
on_written(uv_write_t *w, int status)
{
	struct gw_link *l = w->data;

	l->writing = false;
	buf_free(&l->flight);
	if (l->closing)
		return;
	if (status < 0) {
		fail(l, GW_ESYS, "write", status);
		return;
	}
	write_out(l);
}

static void
note_drained(struct gw_link *l)
{
	if (!l->over || l->closing || gw_link_queued(l) > l->bound / 2)
		return;
	l->over = false;
	if (l->ops->drained && !l->draining)
		l->ops->drained(l->self, l);
}

/* Gives the kernel what it takes; the rest goes by uv_write(), whose buffer is then `flight`. */
static void
write_out(struct gw_link *l)
{
	if (l->closing || l->writing)
		return;
	if (l->out.len > 0) {
		uv_buf_t b = uv_buf_init((char *)l->out.p, (unsigned)l->out.len);
		int n = uv_try_write(&l->u.stream, &b, 1);

		if (n < 0 && n != UV_EAGAIN) {
			fail(l, GW_ESYS, "write", n);
			return;
		}
		if (n == (int)l->out.len) {
			buf_free(&l->out);
		} else {
			size_t sent = n > 0 ? (size_t)n : 0;
			l->flight = l->out;
			l->out = (struct buf){ 0 };
			b = uv_buf_init((char *)l->flight.p + sent, (unsigned)(l->flight.len - sent));
			l->writing = true;
			n = uv_write(&l->write, &l->u.stream, &b, 1, on_written);
			if (n < 0) {
				l->writing = false;
				fail(l, GW_ESYS, "write", n);
				return;
			}
		}
	}
	note_drained(l);
	if (l->draining && gw_link_queued(l) == 0)
		say_goodbye(l);
}

static void
mark(struct gw_link *l)
{
	if (l->dirty || l->closing)
		return;
	l->dirty = true;
	TAILQ_INSERT_TAIL(&l->hub->dirty, l, entry);
	uv_idle_start(&l->hub->idle, on_idle);
}

int
gw_link_send(struct gw_link *l, const void *msg, size_t len)
{
	if (l->closing || l->draining)
		return -1;
	/* The bound is for what the kernel will not take, so ask it before judging. */
	if (l->out.len + len > FLUSH_BYTES || gw_link_queued(l) + len > l->bound / 2)
		write_out(l);
	if (l->closing)
		return -1;
	size_t queued = gw_link_queued(l);
	if (queued > 0 && queued + len > l->bound) {
		fail(l, GW_EPEER, "slow peer: it does not take what is sent to it", 0);
		return -1;
	}
	if (buf_add(&l->out, msg, len) < 0) {
		fail(l, GW_ESYS, "out of memory", 0);
		return -1;
	}
	mark(l);
	l->over = l->over || queued + len > l->bound / 2;
	return l->over ? 1 : 0;
}

void
gw_link_close(struct gw_link *l, unsigned grace_ms)
{
	if (l->closing || l->draining)
		return;
	l->draining = true;
	if (grace_ms == 0) {
		l->orderly = true;
		end(l);
		return;
	}
	l->closes_at = uv_now(l->hub->loop) + grace_ms;
	uv_timer_start(&l->timer, on_grace_over, grace_ms, 0);
	mark(l);
}

void
gw_link_abort(struct gw_link *l, enum gw_code code, const char *why)
{
	fail(l, code, why, 0);
}

const char *
gw_link_peer(const struct gw_link *l)
{
	return l->peer;
}

void *
gw_link_data(const struct gw_link *l)
{
	return l->self;
}

void
gw_link_set_data(struct gw_link *l, void *self)
{
	l->self = self;
}

size_t
gw_link_queued(const struct gw_link *l)
{
	return l->out.len + (l->writing ? uv_stream_get_write_queue_size(&l->u.stream) : 0);
}

/* input */

/* Delivers the whole frames of buf; the bytes used. Stops when the link is closed or paused by a callback. */
static size_t
deliver(struct gw_link *l, const uint8_t *buf, size_t len)
{
	size_t at = 0, n;

	while (!l->closing && !l->draining && !l->paused) {
		n = sim_frame_length(buf + at, len - at);
		if (n == 0 || n > len - at)
			break;
		at += n;
		l->ops->frame(l->self, l, buf + at - n, n);
	}
	return at;
}

static void
keep(struct gw_link *l, const uint8_t *rest, size_t len)
{
	if (len > 0 && !l->closing && !l->draining && buf_add(&l->tail, rest, len) < 0)
		fail(l, GW_ESYS, "out of memory", 0);
}

static void
take_in(struct gw_link *l, uint8_t *buf, size_t len)
{
	size_t used = deliver(l, buf, len);

	keep(l, buf + used, len - used);
}

/*
 * Normally reads into the hub's buffer. A link that holds the beginning of a frame reads just the rest of it, behind that
 * beginning: no byte is copied twice, and what is kept grows with what came, not with what the header promises.
 */
static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *b)
{
	struct gw_link *l = handle->data;
	size_t need, room;

	(void)suggested;
	if (l->turn != l->hub->turn) {
		l->turn = l->hub->turn;
		l->spent = 0;
	}
	if (l->spent >= IN_BYTES) {
		*b = uv_buf_init(NULL, 0);	/* UV_ENOBUFS: the others' turn; the poll will say "readable" again */
		return;
	}
	*b = uv_buf_init((char *)l->hub->in, IN_BYTES);
	if (l->tail.len == 0)
		return;
	need = sim_frame_length(l->tail.p, l->tail.len);
	if (need == 0)
		need = SIM_HEADER;
	if (buf_room(&l->tail, l->tail.len + 1) < 0) {
		*b = uv_buf_init(NULL, 0);
		return;
	}
	room = l->tail.cap - l->tail.len;
	need -= l->tail.len;
	*b = uv_buf_init((char *)l->tail.p + l->tail.len, (unsigned)(need < room ? need : room));
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
	struct gw_link *l = stream->data;

	if (n == 0 || n == UV_ENOBUFS)
		return;
	if (n < 0) {
		fail(l, GW_EPEER, n == UV_EOF ? "the peer closed the connection" : "read", n == UV_EOF ? 0 : (int)n);
		return;
	}
	l->spent += (size_t)n;
	if (b->base == (char *)l->hub->in) {
		take_in(l, l->hub->in, (size_t)n);
		OPENSSL_cleanse(l->hub->in, (size_t)n);
		return;
	}
	l->tail.len += (size_t)n;
	size_t need = sim_frame_length(l->tail.p, l->tail.len);
	if (need == 0 || need > l->tail.len)
		return;
	struct buf whole = l->tail;	/* out of the way: a callback may pause or close the link */
	l->tail = (struct buf){ 0 };
	take_in(l, whole.p, whole.len);
	buf_free(&whole);
}

/* After a pause, or for the goodbye: what was kept first, then the wire. From the hub only, never within a caller. */
static void
resume(struct gw_link *l)
{
	if (l->closing || !l->is_up || (l->paused && !l->draining))
		return;
	if (l->tail.len > 0 && !l->draining && sim_frame_length(l->tail.p, l->tail.len) <= l->tail.len) {
		struct buf kept = l->tail;
		l->tail = (struct buf){ 0 };
		take_in(l, kept.p, kept.len);
		buf_free(&kept);
	}
	if (!l->closing && (!l->paused || l->draining))
		uv_read_start(&l->u.stream, on_alloc, on_read);
}

void
gw_link_read(struct gw_link *l, bool on)
{
	if (l->closing || l->draining || l->paused == !on)
		return;
	l->paused = !on;
	if (on)
		mark(l);
	else
		uv_read_stop(&l->u.stream);
}

/* a link's beginning */

static struct gw_link *
link_new(struct hub *h, bool pipe, const struct gw_link_ops *ops, const struct gw_link_limits *limits, void *self)
{
	struct gw_link *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	if (pipe)
		uv_pipe_init(h->loop, &l->u.pipe, 0);
	else
		uv_tcp_init(h->loop, &l->u.tcp);
	uv_timer_init(h->loop, &l->timer);
	l->handles = 2;
	l->u.handle.data = l->timer.data = l->write.data = l;
	l->hub = h;
	h->refs++;
	l->ops = ops;
	l->self = self;
	l->bound = limits && limits->queue_bytes ? limits->queue_bytes : QUEUE_BYTES;
	return l;
}

static void
go_up(struct gw_link *l)
{
	if (l->u.handle.type == UV_TCP) {
		uv_tcp_nodelay(&l->u.tcp, 1);
		uv_tcp_keepalive(&l->u.tcp, 1, KEEPALIVE_S);
	}
	l->is_up = true;
	l->ops->up(l->self, l);
	resume(l);
}

/* servers */

static struct gw_link *
link_of(struct gw_listener *s, int fd, const struct sockaddr *from)
{
	struct gw_link *l = link_new(s->hub, s->pipe, s->ops, &s->limits, NULL);
	int rc;

	if (!l) {
		close(fd);
		return NULL;
	}
	rc = s->pipe ? uv_pipe_open(&l->u.pipe, fd) : uv_tcp_open(&l->u.tcp, fd);
	if (rc < 0) {
		close(fd);
		end(l);
		return NULL;
	}
	if (s->pipe)
		strcpy(l->peer, "unix");
	else
		gw_sockaddr_text(from, l->peer, sizeof(l->peer));
	return l;
}

/* a newcomer that cannot be kept: it says what it wants, is told, and goes */

static void
tell(struct gw_link *l, const uint8_t *msg, size_t len)
{
	struct gw_listener *s = l->refused;

	if (!s->closed)
		s->refuse(s->owner, l, msg, len);
	gw_link_close(l, LINGER_MS);
}

static void
on_refused_up(void *self, struct gw_link *l)
{
	(void)self;
	(void)l;
}

static void
on_refused_frame(void *self, struct gw_link *l, const uint8_t *msg, size_t len)
{
	(void)self;
	tell(l, msg, len);
}

static void
on_refused_mute(uv_timer_t *t)
{
	tell(t->data, NULL, 0);
}

static void
listener_check_end(struct gw_listener *s)
{
	if (!s->closed || s->nrefused > 0)
		return;
	hub_unref(s->hub);
	free(s);
}

static void
on_refused_down(void *self, struct gw_link *l, const struct gw_err *why)
{
	struct gw_listener *s = l->refused;

	(void)self;
	(void)why;
	s->nrefused--;
	if (!s->closed)
		gw_accept_regain(s->door);
	listener_check_end(s);
}

static const struct gw_link_ops refused_ops = { on_refused_up, on_refused_frame, on_refused_down, NULL };

static void
turn_away(struct gw_listener *s, struct gw_link *l)
{
	l->ops = &refused_ops;
	l->refused = s;
	s->nrefused++;
	go_up(l);
	if (!l->closing && !l->draining)
		uv_timer_start(&l->timer, on_refused_mute, HEAR_MS, 0);
}

static void
on_short(void *owner, int fd, const struct sockaddr *from)
{
	struct gw_listener *s = owner;
	struct gw_link *l = link_of(s, fd, from);

	if (l)
		turn_away(s, l);
	else
		gw_accept_regain(s->door);
}

static void
on_accepted(void *owner, int fd, const struct sockaddr *from)
{
	struct gw_listener *s = owner;
	struct gw_link *l = link_of(s, fd, from);

	if (!l)
		return;
	l->self = s->accept(s->owner, l);
	if (l->self && !l->closing)
		go_up(l);
	else if (!l->self && s->refuse)
		turn_away(s, l);
	else
		end(l);
}

struct gw_listener *
gw_listen(uv_loop_t *loop, const struct gw_addr *addr, const struct gw_link_ops *ops, const struct gw_link_limits *limits,
    void *(*accept)(void *, struct gw_link *), void *owner, struct gw_err *err)
{
	struct gw_listener *s = calloc(1, sizeof(*s));

	if (!s || !(s->hub = hub_ref(loop))) {
		free(s);
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	s->pipe = addr->scheme == GW_UNIX;
	s->ops = ops;
	s->limits = limits ? *limits : (struct gw_link_limits){ 0 };
	s->accept = accept;
	s->owner = owner;
	s->door = gw_accept_open(loop, addr, on_accepted, s, err);
	if (!s->door) {
		hub_unref(s->hub);
		free(s);
		return NULL;
	}
	return s;
}

void
gw_listener_refuse(struct gw_listener *s, void (*refuse)(void *, struct gw_link *, const uint8_t *, size_t))
{
	s->refuse = refuse;
	gw_accept_reserve(s->door, on_short);
}

const struct gw_addr *
gw_listener_addr(const struct gw_listener *s)
{
	return gw_accept_addr(s->door);
}

static void
on_door_closed(void *owner)
{
	struct gw_listener *s = owner;

	if (s->done)
		s->done(s->owner);
	s->closed = true;
	listener_check_end(s);
}

void
gw_listener_close(struct gw_listener *s, void (*done)(void *))
{
	if (!s)
		return;
	s->done = done;
	gw_accept_close(s->door, on_door_closed);
}

/* clients */

static void try_address(struct gw_dialer *);
static void try_next(struct gw_dialer *, const char *why);

static void
dialer_check_end(struct gw_dialer *d)
{
	if (!d->ending || d->link || d->looking || !d->timer_closed)
		return;
	if (d->found)
		uv_freeaddrinfo(d->found);
	if (d->done)
		d->done(d->self);
	hub_unref(d->hub);
	free(d);
}

static void
on_round(uv_timer_t *t)
{
	struct gw_dialer *d = t->data;

	d->at = 0;
	try_address(d);
}

/* fails: rounds in a row that led nowhere. 0: at once; then 1, 2, 4 … s with a jitter of 25 %. */
static void
wait_round(struct gw_dialer *d)
{
	uint64_t ms = 0;

	if (d->fails > 0) {
		ms = d->fails > 16 ? MAX_WAIT_MS : (uint64_t)FIRST_WAIT_MS << (d->fails - 1);
		ms = ms < d->max_wait_ms ? ms : d->max_wait_ms;
		ms = ms * (750 + uv_hrtime() / 1000 % 501) / 1000;
	}
	uv_timer_start(&d->timer, on_round, ms, 0);
}

static void
drop_found(struct gw_dialer *d)
{
	if (d->found)
		uv_freeaddrinfo(d->found);
	d->found = d->next = NULL;
}

static void
on_late(uv_timer_t *t)
{
	struct gw_dialer *d = t->data;

	if (d->link)
		fail(d->link, GW_EUNAVAIL, "no answer", 0);
	else
		uv_cancel((uv_req_t *)&d->lookup);	/* if it cannot be cancelled any more, its end will come */
}

static void
on_connected(uv_connect_t *c, int status)
{
	struct gw_dialer *d = c->data;
	struct gw_link *l = d->link;

	if (l->closing)
		return;
	uv_timer_stop(&d->timer);
	if (status < 0) {
		fail(l, GW_EUNAVAIL, uv_strerror(status), 0);
		return;
	}
	drop_found(d);
	d->up_since = uv_now(d->hub->loop);
	d->useless = false;
	go_up(l);
}

static void
connect_to(struct gw_dialer *d, const struct sockaddr *sa)
{
	bool pipe = sa->sa_family == AF_UNIX;
	int rc = 0;

	d->link = link_new(d->hub, pipe, d->ops, &d->limits, d->self);
	if (!d->link) {
		try_next(d, "out of memory");
		return;
	}
	d->link->dialer = d;
	uv_timer_start(&d->timer, on_late, CONNECT_MS, 0);
	if (pipe) {
		strcpy(d->link->peer, "unix");
		uv_pipe_connect(&d->connect, &d->link->u.pipe, d->addrs[d->at].path, on_connected);
	} else {
		gw_sockaddr_text(sa, d->link->peer, sizeof(d->link->peer));
		rc = uv_tcp_connect(&d->connect, &d->link->u.tcp, sa, on_connected);
	}
	if (rc < 0)
		fail(d->link, GW_EUNAVAIL, uv_strerror(rc), 0);
}

static void
on_found(uv_getaddrinfo_t *req, int status, struct addrinfo *ai)
{
	struct gw_dialer *d = req->data;

	d->looking = false;
	d->found = d->next = ai;
	if (d->ending) {
		dialer_check_end(d);
		return;
	}
	uv_timer_stop(&d->timer);
	if (status < 0 || !ai)
		try_next(d, status < 0 ? uv_strerror(status) : "the name has no address");
	else
		try_next(d, NULL);
}

static void
look_up(struct gw_dialer *d)
{
	const struct gw_addr *a = &d->addrs[d->at];
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG };
	char port[8];

	snprintf(port, sizeof(port), "%u", a->port);
	int rc = uv_getaddrinfo(d->hub->loop, &d->lookup, on_found, a->host, port, &hints);
	if (rc < 0) {
		try_next(d, uv_strerror(rc));
		return;
	}
	d->looking = true;
	uv_timer_start(&d->timer, on_late, CONNECT_MS, 0);
}

static void
try_address(struct gw_dialer *d)
{
	const struct gw_addr *a = &d->addrs[d->at];

	if (a->scheme == GW_TLS)
		try_next(d, "TLS is not available in this version; use tcp:// or unix://");
	else if (a->scheme != GW_TCP && a->scheme != GW_UNIX)
		try_next(d, "a link needs tcp:// or unix://");
	else if (a->numeric)
		connect_to(d, (const struct sockaddr *)&a->ss);
	else
		look_up(d);
}

/* The present attempt failed (why, if it is to be said) or a name was resolved: its next address, the list's next, or a wait for a new round. */
static void
try_next(struct gw_dialer *d, const char *why)
{
	char text[GW_ADDR_TEXT];

	if (why)
		gw_log_limited(&d->rate, GW_WARNING, "dial_failed", why, "peer=%s",
		    gw_addr_text(&d->addrs[d->at], text, sizeof(text)));
	if (d->next) {
		struct addrinfo *ai = d->next;
		d->next = ai->ai_next;
		connect_to(d, ai->ai_addr);
		return;
	}
	drop_found(d);
	if (++d->at < d->n) {
		try_address(d);
		return;
	}
	d->fails++;
	wait_round(d);
}

/* The link object is gone: a live one was lost, or an attempt failed. */
static void
dialer_lost(struct gw_dialer *d, const struct gw_err *why)
{
	bool lived = d->up_since != 0;
	uint64_t age = lived ? uv_now(d->hub->loop) - d->up_since : 0;

	d->link = NULL;
	d->up_since = 0;
	if (d->ending) {
		dialer_check_end(d);
		return;
	}
	if (!lived) {
		try_next(d, why ? why->text : "no connection");
		return;
	}
	if (d->useless) {
		d->useless = false;
		try_next(d, NULL);	/* whoever called it useless has said why */
		return;
	}
	if (age >= GOOD_LIFE_MS) {
		d->fails = 0;
		d->quick = false;
	}
	if (d->quick)
		d->fails++;
	d->quick = true;	/* once at once; one that is lost again and again waits */
	wait_round(d);
}

struct gw_dialer *
gw_dial(uv_loop_t *loop, const struct gw_addr *addrs, size_t n, const struct gw_link_ops *ops,
    const struct gw_link_limits *limits, void *self)
{
	struct gw_dialer *d = calloc(1, sizeof(*d) + n * sizeof(addrs[0]));

	if (!d || n == 0 || !(d->hub = hub_ref(loop))) {
		free(d);
		return NULL;
	}
	d->ops = ops;
	d->limits = limits ? *limits : (struct gw_link_limits){ 0 };
	d->self = self;
	d->n = n;
	memcpy(d->addrs, addrs, n * sizeof(addrs[0]));
	d->max_wait_ms = MAX_WAIT_MS;
	d->rate = (struct gw_rate){ .burst = 2, .per_ms = 30000 };
	d->connect.data = d->lookup.data = d;
	uv_timer_init(loop, &d->timer);
	d->timer.data = d;
	wait_round(d);
	return d;
}

void
gw_dialer_max_backoff(struct gw_dialer *d, unsigned ms)
{
	d->max_wait_ms = ms;
}

struct gw_link *
gw_dialer_link(const struct gw_dialer *d)
{
	return d->link && d->link->is_up && !d->link->closing ? d->link : NULL;
}

void
gw_dialer_failed(struct gw_dialer *d)
{
	d->useless = true;
}

static void
on_dialer_timer_closed(uv_handle_t *handle)
{
	struct gw_dialer *d = handle->data;

	d->timer_closed = true;
	dialer_check_end(d);
}

void
gw_dialer_close(struct gw_dialer *d, void (*done)(void *))
{
	if (!d || d->ending)
		return;
	d->ending = true;
	d->done = done;
	uv_close((uv_handle_t *)&d->timer, on_dialer_timer_closed);
	if (d->looking)
		uv_cancel((uv_req_t *)&d->lookup);
	if (d->link && d->link->is_up)
		gw_link_close(d->link, LINGER_MS);
	else if (d->link)
		end(d->link);
}
