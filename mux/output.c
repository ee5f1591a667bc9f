/* mux/output.c */
#include "mux/output.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/addr.h"

struct mux_carrier {
	struct mux_carrier *next;
	struct mux_outputs *all;
	struct mux_ts *ts;
	int fd;
	char text[GW_ADDR_TEXT];	/* canonical, without PID */
};

struct mux_output {
	int fd;				/* its own, or the carrier's */
	struct mux_carrier *carrier;	/* NULL: no transport stream */
	struct mux_ts_pid *pid;
	unsigned refs;
	enum mux_format format;
	char text[GW_ADDR_TEXT];	/* canonical */
};

static void queue(struct mux_outputs *, int fd, const char *text, const uint8_t *, size_t);

static void
emit(void *self, const uint8_t *datagram, size_t len)
{
	struct mux_carrier *k = self;

	queue(k->all, k->fd, k->text, datagram, len);
}

static struct mux_carrier *
carrier(struct mux_outputs *o, const struct gw_addr *given, struct gw_err *err)
{
	struct gw_addr a = *given;
	char text[GW_ADDR_TEXT];
	struct mux_carrier *k;

	a.pid = 0;
	a.ttl = 1;	/* one stream, however far it reaches */
	gw_addr_text(&a, text, sizeof(text));
	for (k = o->carriers; k; k = k->next)
		if (strcmp(k->text, text) == 0)
			return k;
	k = calloc(1, sizeof(*k));
	if (!k || !(k->ts = mux_ts_new(emit, k)) || (k->fd = gw_udp_sender(given, err)) < 0) {
		if (!k || !k->ts)
			gw_fail(err, GW_ESYS, "out of memory");
		mux_ts_free(k ? k->ts : NULL);
		free(k);
		return NULL;
	}
	k->all = o;
	strcpy(k->text, text);
	k->next = o->carriers;
	o->carriers = k;
	return k;
}

/* The place of (text, format): where it is, or where it belongs. */
static size_t
seek(const struct mux_outputs *o, const char *text, enum mux_format format, struct mux_output **found)
{
	size_t lo = 0, hi = o->n;

	*found = NULL;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int order = strcmp(o->v[mid]->text, text);
		order = order ? order : (int)o->v[mid]->format - (int)format;
		if (order == 0) {
			*found = o->v[mid];
			return mid;
		}
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct mux_output *
add(struct mux_outputs *o, size_t at, const struct gw_addr *a, const char *text, enum mux_format format, struct gw_err *err)
{
	struct mux_output *x;

	if (o->n == o->cap) {
		size_t cap = o->cap ? 2 * o->cap : 16;
		struct mux_output **v = realloc(o->v, cap * sizeof(struct mux_output *));
		if (!v) {
			gw_fail(err, GW_ESYS, "out of memory");
			return NULL;
		}
		o->v = v;
		o->cap = cap;
	}
	x = calloc(1, sizeof(*x));
	if (!x) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	if (a->pid) {
		x->carrier = carrier(o, a, err);
		x->pid = x->carrier ? mux_ts_pid(x->carrier->ts, a->pid) : NULL;
		if (x->carrier && !x->pid)
			gw_fail(err, GW_ESYS, "out of memory");
		x->fd = x->pid ? x->carrier->fd : -1;
	} else {
		x->fd = gw_udp_sender(a, err);
	}
	if (x->fd < 0) {
		free(x);
		return NULL;
	}
	x->format = format;
	strcpy(x->text, text);
	memmove(&o->v[at + 1], &o->v[at], (o->n++ - at) * sizeof(o->v[0]));
	o->v[at] = x;
	return x;
}

/* 0, or -1 with why what has this format cannot go there. */
static int
possible(const struct gw_addr *a, enum mux_format format, struct gw_err *err)
{
	if (format != MUX_SECTIONS && format != MUX_TS && format != MUX_DATAGRAM)
		return gw_fail(err, GW_EPEER, "section_TSpkt_flag %d is not 0, 1 or 2", (int)format);
	if (format == MUX_SECTIONS && !a->pid)
		return gw_fail(err, GW_ECONF, "sections need a transport stream to go into: name their PID, udp://HOST:PORT?pid=0x1f0");
	if (format == MUX_DATAGRAM && a->pid)
		return gw_fail(err, GW_ECONF, "datagrams (section_TSpkt_flag 2) do not fit into a transport stream: let the address have no pid");
	return 0;
}

struct mux_output *
mux_output_ref(struct mux_outputs *o, const struct gw_addr *a, enum mux_format format, struct gw_err *err)
{
	char text[GW_ADDR_TEXT];
	struct mux_output *x;
	size_t at;

	if (possible(a, format, err) < 0)
		return NULL;
	gw_addr_text(a, text, sizeof(text));
	at = seek(o, text, format, &x);
	if (!x)
		x = add(o, at, a, text, format, err);
	if (x)
		x->refs++;
	return x;
}

void
mux_output_unref(struct mux_outputs *o, struct mux_output *x)
{
	struct mux_output *found;
	size_t at;

	if (--x->refs > 0)
		return;
	at = seek(o, x->text, x->format, &found);
	assert(found == x);
	memmove(&o->v[at], &o->v[at + 1], (--o->n - at) * sizeof(o->v[0]));
	if (!x->carrier) {
		if (o->batch_text == x->text)
			mux_outputs_flush(o);
		close(x->fd);
	}
	free(x);
}

const char *
mux_output_text(const struct mux_output *x)
{
	return x->text;
}

/* What the kernel does not take is lost: the next repetition is better than an old one. */
void
mux_outputs_flush(struct mux_outputs *o)
{
	int n;

	if (o->nbatch == 0)
		return;
	errno = EAGAIN;
	n = gw_udp_send(o->batch_fd, o->batch, o->nbatch);
	if (n < (int)o->nbatch) {
		int sys = errno;
		o->errors += o->nbatch - (size_t)(n < 0 ? 0 : n);
		gw_log_limited(&o->rate, GW_WARNING, "send_failed", strerror(sys), "out=%s", o->batch_text);
	}
	for (int i = 0; i < n; i++)
		o->bytes += o->batch[i].len;
	o->datagrams += n > 0 ? (uint64_t)n : 0;
	o->nbatch = 0;
	o->batch_text = NULL;
}

/* What is small is copied, so that one call of the kernel serves many; what is large goes at once. */
static void
queue(struct mux_outputs *o, int fd, const char *text, const uint8_t *p, size_t len)
{
	union { const uint8_t *in; uint8_t *out; } lent = { .in = p };	/* struct gw_packet serves receiving, too */

	if (o->nbatch == GW_UDP_BATCH || o->batch_text != text)
		mux_outputs_flush(o);
	o->batch_fd = fd;
	o->batch_text = text;
	if (len <= MUX_COPY_BYTES)
		lent.out = memcpy(o->copies[o->nbatch], p, len);
	o->batch[o->nbatch++] = (struct gw_packet){ lent.out, len };
	if (len > MUX_COPY_BYTES)
		mux_outputs_flush(o);
}

void
mux_output_send(void *self, void *out, const uint8_t *datagram, size_t len)
{
	struct mux_output *x = out;
	size_t most = x->format == MUX_TS ? MUX_TS_PACKET * MUX_TS_BURST : len;

	if (x->carrier && x->format == MUX_SECTIONS)
		mux_ts_section(x->carrier->ts, x->pid, datagram, len);
	else if (x->carrier)
		mux_ts_packets(x->carrier->ts, x->pid, datagram, len);
	else
		for (size_t at = 0; at < len; at += most)
			queue(self, x->fd, x->text, datagram + at, len - at < most ? len - at : most);
}

bool
mux_outputs_wait(const struct mux_outputs *o)
{
	for (const struct mux_carrier *k = o->carriers; k; k = k->next)
		if (mux_ts_waits(k->ts))
			return true;
	return false;
}

void
mux_outputs_settle(struct mux_outputs *o)
{
	for (struct mux_carrier *k = o->carriers; k; k = k->next)
		mux_ts_flush(k->ts);
	mux_outputs_flush(o);
}

void
mux_outputs_fini(struct mux_outputs *o)
{
	struct mux_carrier *next;

	assert(o->n == 0);
	mux_outputs_settle(o);
	for (struct mux_carrier *k = o->carriers; k; k = next) {
		next = k->next;
		mux_ts_free(k->ts);
		close(k->fd);
		free(k);
	}
	o->carriers = NULL;
	free(o->v);
	o->v = NULL;
}
