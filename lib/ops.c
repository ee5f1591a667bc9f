/* lib/ops.c: a bounded HTTP/1.1 responder: one GET of at most 4 KiB per connection, answered and closed. */
#include "config.h"
#include "lib/ops.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/time.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/listen.h"
#include "lib/stall.h"

enum {
	REQUEST_BYTES = 4096,
	CLIENTS = 32,		/* at a time; more are closed at once */
	CLIENT_MS = 5000,	/* a whole visit may take so long */
	ANSWER_BYTES = 64 << 20,	/* what gw_ops_get() accepts */
};

struct text { char *p; size_t len, cap; bool bad; };

struct client {
	union { uv_handle_t handle; uv_stream_t stream; uv_tcp_t tcp; uv_pipe_t pipe; } u;
	uv_timer_t timer;
	uv_write_t write;
	struct gw_ops *ops;
	LIST_ENTRY(client) entry;
	unsigned handles;
	bool answered;
	size_t len;
	char in[REQUEST_BYTES + 1];
	struct text head, body;
};

struct gw_ops {
	struct gw_accept *door;
	uv_loop_t *loop;
	struct gw_ops_conf conf;
	char *instance;		/* ours: the caller's may be of a file that is read anew */
	int64_t since_us;
	struct gw_stall stall;
	LIST_HEAD(, client) clients;
	unsigned nclients;
	bool pipe, closing, door_closed, stall_closed;
};

/* text that grows */

static void put(struct text *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool
room(struct text *t, size_t more)
{
	size_t cap = t->cap ? t->cap : 1024;
	char *p;

	while (cap < t->len + more)
		cap *= 2;
	if (cap == t->cap)
		return true;
	p = realloc(t->p, cap);
	if (!p) {
		t->bad = true;
		return false;
	}
	t->p = p;
	t->cap = cap;
	return true;
}

static void
put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || t->bad || !room(t, (size_t)n + 1))
		return;
	va_start(ap, fmt);
	vsnprintf(t->p + t->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	t->len += (size_t)n;
}

/* metrics: text format 0.0.4, whose samples stand together by metric under one HELP and TYPE */

struct sample { const struct gw_metric *metric; char *labels; double value; size_t next, last, next_metric; };
struct gw_samples { struct sample *v; size_t n, cap; };	/* v[0] heads the list of metrics; 0 ends a list */

void
gw_sample(struct gw_samples *s, const struct gw_metric *metric, const char *labels, double value)
{
	size_t cap = s->cap ? 2 * s->cap : 64, first = 0;

	if (s->n == s->cap) {
		struct sample *v = realloc(s->v, cap * sizeof(*v));
		if (!v)
			return;
		s->v = v;
		s->cap = cap;
	}
	s->v[s->n] = (struct sample){ .metric = metric, .labels = labels[0] ? strdup(labels) : NULL, .value = value, .last = s->n };
	if (s->n > 0) {
		while (s->v[first].metric != metric && s->v[first].next_metric)
			first = s->v[first].next_metric;
		if (s->v[first].metric == metric) {
			s->v[s->v[first].last].next = s->n;
			s->v[first].last = s->n;
		} else {
			s->v[first].next_metric = s->n;
		}
	}
	s->n++;
}

char *
gw_label(char *buf, size_t cap, const char *key, const char *value)
{
	size_t at = strlen(buf), need = (at > 0) + strlen(key) + 3;

	for (const char *c = value; *c; c++)
		need += *c == '"' || *c == '\\' || *c == '\n' ? 2 : 1;
	if (at + need + 1 > cap)
		return buf;	/* a label whole or not at all: what is cut would not parse */
	at += (size_t)sprintf(buf + at, "%s%s=\"", at > 0 ? "," : "", key);
	for (const char *c = value; *c; c++) {
		if (*c == '"' || *c == '\\' || *c == '\n')
			buf[at++] = '\\';
		buf[at++] = *c == '\n' ? 'n' : *c;
	}
	buf[at++] = '"';
	buf[at] = '\0';
	return buf;
}

static void
put_value(struct text *t, double v)
{
	if (isnan(v))
		put(t, " NaN\n");
	else if (isinf(v))
		put(t, v > 0 ? " +Inf\n" : " -Inf\n");
	else
		put(t, " %.15g\n", v);
}

static void
put_metric(struct text *t, const struct gw_samples *s, size_t first)
{
	const struct gw_metric *m = s->v[first].metric;
	size_t i = first;

	put(t, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name, m->kind == GW_COUNTER ? "counter" : "gauge");
	do {
		const struct sample *x = &s->v[i];
		put(t, "%s%s%s%s", m->name, x->labels ? "{" : "", x->labels ? x->labels : "", x->labels ? "}" : "");
		put_value(t, x->value);
		i = x->next;
	} while (i);
}

static const struct gw_metric
	stalls = { "simulgate_stalls_total", "how often the process did nothing for 0.2 s or more though it should have", GW_COUNTER },
	stall_seconds = { "simulgate_stall_seconds_total", "how long in all", GW_COUNTER };

static void
write_metrics(struct gw_ops *o, struct text *t)
{
	struct gw_samples s = { 0 };
	size_t i = 0;

	if (o->conf.collect)
		o->conf.collect(o->conf.self, &s);
	gw_sample(&s, &stalls, "", (double)o->stall.count);
	gw_sample(&s, &stall_seconds, "", (double)o->stall.total_ms / 1000);
	if (s.n > 0)
		do
			put_metric(t, &s, i);
		while ((i = s.v[i].next_metric) != 0);
	for (i = 0; i < s.n; i++)
		free(s.v[i].labels);
	free(s.v);
}

static void
write_status(struct gw_ops *o, struct text *t)
{
	json_t *own = o->conf.status ? o->conf.status(o->conf.self) : NULL;
	json_t *all = json_pack("{s:s, s:s, s:s, s:i, s:f, s:{s:I, s:I, s:I}}", "program", o->conf.program, "instance",
	    o->instance, "version", PACKAGE_VERSION, "pid", (int)getpid(),
	    "up_seconds", (double)(gw_mono_us() - o->since_us) / 1e6, "stalls", "count",
	    (json_int_t)o->stall.count, "total_ms", (json_int_t)o->stall.total_ms, "longest_ms", (json_int_t)o->stall.longest_ms);
	char *text = NULL;

	if (all && own)
		json_object_update_missing(all, own);
	if (all)
		text = json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
	if (text)
		put(t, "%s\n", text);
	else
		t->bad = true;
	free(text);
	json_decref(all);
	json_decref(own);
}

static const struct page {
	const char *path, *type;
	void (*write)(struct gw_ops *, struct text *);
} pages[] = {
	{ "/status", "application/json", write_status },
	{ "/metrics", "text/plain; version=0.0.4; charset=utf-8", write_metrics },
};

/* a visit */

static void
check_end(struct gw_ops *o)
{
	if (!o->closing || !o->door_closed || !o->stall_closed || o->nclients > 0)
		return;
	free(o->instance);
	free(o);
}

static void
on_client_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;
	struct gw_ops *o = c->ops;

	if (--c->handles > 0)
		return;
	LIST_REMOVE(c, entry);
	o->nclients--;
	free(c->head.p);
	free(c->body.p);
	free(c);
	check_end(o);
}

static void
drop(struct client *c)
{
	if (uv_is_closing(&c->u.handle))
		return;
	uv_close(&c->u.handle, on_client_closed);
	uv_close((uv_handle_t *)&c->timer, on_client_closed);
}

static void
on_client_late(uv_timer_t *t)
{
	drop(t->data);
}

/* Our end is written: wait for the peer's, since closing with unread input would send a reset after the answer. */
static void
on_answered(uv_write_t *w, int status)
{
	struct client *c = w->data;
	uv_os_fd_t fd;

	if (status < 0 || uv_fileno(&c->u.handle, &fd) < 0)
		drop(c);
	else
		shutdown(fd, SHUT_WR);
}

static void
answer(struct client *c, const char *status, const char *extra, const char *type)
{
	uv_buf_t b[2];

	c->answered = true;
	put(&c->head, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
	    "X-Content-Type-Options: nosniff\r\n%sConnection: close\r\n\r\n", status, type, c->body.len, extra);
	if (c->head.bad || c->body.bad) {
		drop(c);
		return;
	}
	b[0] = uv_buf_init(c->head.p, (unsigned)c->head.len);
	b[1] = uv_buf_init(c->body.p, (unsigned)c->body.len);
	if (uv_write(&c->write, &c->u.stream, b, 2, on_answered) < 0)
		drop(c);
}

static void
refuse(struct client *c, const char *status, const char *extra)
{
	put(&c->body, "%s\n", status);
	answer(c, status, extra, "text/plain");
}

/* in: "GET /path HTTP/1.1\r\n…", a whole head, NUL-terminated */
static void
serve(struct client *c)
{
	char *line_end = c->in + strcspn(c->in, "\r\n"), *path, *version;

	*line_end = '\0';
	path = strchr(c->in, ' ');
	version = path ? strchr(path + 1, ' ') : NULL;
	if (!version || strncmp(version, " HTTP/1.", 8) != 0 || path[1] != '/') {
		refuse(c, "400 Bad Request", "");
		return;
	}
	*path++ = *version = '\0';
	path[strcspn(path, "?")] = '\0';
	if (strcmp(c->in, "GET") != 0) {
		refuse(c, "405 Method Not Allowed", "Allow: GET\r\n");
		return;
	}
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (strcmp(path, pages[i].path) == 0) {
			pages[i].write(c->ops, &c->body);
			answer(c, "200 OK", "", pages[i].type);
			return;
		}
	refuse(c, "404 Not Found", "");
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *b)
{
	struct client *c = handle->data;

	(void)suggested;
	if (c->answered)
		c->len = 0;	/* whatever still comes is not looked at */
	*b = uv_buf_init(c->in + c->len, (unsigned)(REQUEST_BYTES - c->len));
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
	struct client *c = stream->data;

	(void)b;
	if (n < 0)
		drop(c);
	if (n <= 0 || c->answered)
		return;
	c->len += (size_t)n;
	c->in[c->len] = '\0';
	if (strlen(c->in) < c->len)
		refuse(c, "400 Bad Request", "");
	else if (strstr(c->in, "\r\n\r\n") || strstr(c->in, "\n\n"))
		serve(c);
	else if (c->len == REQUEST_BYTES)
		refuse(c, "431 Request Header Fields Too Large", "");
}

static void
on_taken(void *owner, int fd, const struct sockaddr *from)
{
	struct gw_ops *o = owner;
	struct client *c = o->nclients < CLIENTS ? calloc(1, sizeof(*c)) : NULL;
	int rc;

	(void)from;
	if (!c) {
		close(fd);
		return;
	}
	c->ops = o;
	c->handles = 2;
	LIST_INSERT_HEAD(&o->clients, c, entry);
	o->nclients++;
	if (o->pipe)
		uv_pipe_init(o->loop, &c->u.pipe, 0);
	else
		uv_tcp_init(o->loop, &c->u.tcp);
	uv_timer_init(o->loop, &c->timer);
	c->u.handle.data = c->timer.data = c->write.data = c;
	rc = o->pipe ? uv_pipe_open(&c->u.pipe, fd) : uv_tcp_open(&c->u.tcp, fd);
	if (rc < 0) {
		close(fd);
		drop(c);
		return;
	}
	uv_timer_start(&c->timer, on_client_late, CLIENT_MS, 0);
	uv_read_start(&c->u.stream, on_alloc, on_read);
}

struct gw_ops *
gw_ops_open(uv_loop_t *loop, const struct gw_addr *listen, const struct gw_ops_conf *conf, struct gw_err *err)
{
	char text[GW_ADDR_TEXT];
	struct gw_addr a = *listen;
	struct gw_ops *o;

	if (gw_addr_resolve(&a, err) < 0)
		return NULL;
	if ((a.scheme != GW_TCP && a.scheme != GW_UNIX) || !gw_addr_loopback(&a)) {
		gw_fail(err, GW_ECONF, "%s: the status is served on unix:// or on tcp:// at a loopback address only",
		    gw_addr_text(&a, text, sizeof(text)));
		return NULL;
	}
	o = calloc(1, sizeof(*o));
	if (o)
		o->instance = strdup(conf->instance ? conf->instance : "");
	if (!o || !o->instance) {
		free(o);
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	o->loop = loop;
	o->conf = *conf;
	o->since_us = gw_mono_us();
	o->pipe = a.scheme == GW_UNIX;
	LIST_INIT(&o->clients);
	o->door = gw_accept_open(loop, &a, on_taken, o, err);
	if (!o->door) {
		free(o->instance);
		free(o);
		return NULL;
	}
	gw_stall_open(&o->stall, loop);
	return o;
}

const struct gw_addr *
gw_ops_addr(const struct gw_ops *o)
{
	return gw_accept_addr(o->door);
}

static void
on_door_closed(void *owner)
{
	struct gw_ops *o = owner;

	o->door_closed = true;
	check_end(o);
}

static void
on_stall_closed(uv_handle_t *h)
{
	struct gw_stall *s = h->data;
	struct gw_ops *o = (struct gw_ops *)((char *)s - offsetof(struct gw_ops, stall));

	o->stall_closed = true;
	check_end(o);
}

void
gw_ops_close(struct gw_ops *o)
{
	struct client *c;

	if (!o || o->closing)
		return;
	o->closing = true;
	LIST_FOREACH(c, &o->clients, entry)
		drop(c);
	gw_accept_close(o->door, on_door_closed);
	gw_stall_close(&o->stall, on_stall_closed);
}

int
gw_ops_default_addr(const char *run_dir, const char *program, const char *instance, struct gw_addr *a, struct gw_err *err)
{
	char text[GW_ADDR_TEXT];
	bool several = instance && instance[0];

	snprintf(text, sizeof(text), "unix://%s/%s%s%s.status.sock", run_dir, program, several ? "-" : "", several ? instance : "");
	return gw_addr_parse(text, GW_UNIX, a, err);
}

/* the other side: a blocking GET */

static int
fetch(int fd, const struct gw_addr *a, const char *path, int64_t until_us, struct text *t)
{
	char ask[512];
	int n = snprintf(ask, sizeof(ask), "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
	ssize_t got;

	if (n >= (int)sizeof(ask)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (connect(fd, (const struct sockaddr *)&a->ss, a->sslen) < 0 || send(fd, ask, (size_t)n, MSG_NOSIGNAL) != n)
		return -1;
	do {
		if (gw_mono_us() > until_us || t->len > ANSWER_BYTES || !room(t, 16384)) {
			errno = gw_mono_us() > until_us ? ETIMEDOUT : EMSGSIZE;
			return -1;
		}
		got = recv(fd, t->p + t->len, 16383, 0);
		if (got < 0)
			return -1;
		t->len += (size_t)got;
	} while (got > 0);
	t->p[t->len] = '\0';
	return 0;
}

int
gw_ops_get(const struct gw_addr *addr, const char *path, unsigned timeout_ms, char **body, struct gw_err *err)
{
	struct timeval tv = { .tv_sec = timeout_ms / 1000, .tv_usec = (int)(timeout_ms % 1000) * 1000 };
	struct gw_addr a = *addr;
	char text[GW_ADDR_TEXT], *head_end;
	struct text t = { 0 };
	int fd, rc = -1;

	if (gw_addr_resolve(&a, err) < 0)
		return -1;
	gw_addr_text(&a, text, sizeof(text));
	fd = socket(a.ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return gw_fail(err, GW_ESYS, "socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));	/* bounds connect(), too */
	if (fetch(fd, &a, path, gw_mono_us() + 1000 * (int64_t)timeout_ms, &t) < 0)
		gw_fail(err, GW_EUNAVAIL, "%s: %s", text, strerror(errno == EAGAIN || errno == EINPROGRESS ? ETIMEDOUT : errno));
	else if ((head_end = strstr(t.p, "\r\n\r\n")) == NULL || strncmp(t.p, "HTTP/1.1 ", 9) != 0)
		gw_fail(err, GW_EPEER, "%s: the answer is not HTTP", text);
	else if (strncmp(t.p + 9, "200", 3) != 0)
		gw_fail(err, GW_EUNAVAIL, "%s%s: %.*s", text, path, (int)strcspn(t.p + 9, "\r\n"), t.p + 9);
	else {
		*body = strdup(head_end + 4);
		rc = *body ? 0 : gw_fail(err, GW_ESYS, "out of memory");
	}
	close(fd);
	free(t.p);
	return rc;
}
