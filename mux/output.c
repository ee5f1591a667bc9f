/* mux/output.c */
#include "mux/output.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/addr.h"

struct mux_output {
	int fd;
	unsigned refs;
	enum mux_format format;
	char text[GW_ADDR_TEXT];	/* canonical */
};

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
	x->fd = gw_udp_sender(a, err);
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

struct mux_output *
mux_output_ref(struct mux_outputs *o, const char *addr, enum mux_format format, struct gw_err *err)
{
	char text[GW_ADDR_TEXT];
	struct mux_output *x;
	struct gw_addr a;
	size_t at;

	if (gw_addr_parse(addr, GW_UDP, &a, err) < 0)
		return NULL;
	gw_addr_text(&a, text, sizeof(text));
	at = seek(o, text, format, &x);
	if (!x)
		x = add(o, at, &a, text, format, err);
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
	if (o->batch_out == x)
		mux_outputs_flush(o);
	close(x->fd);
	free(x);
}

const char *
mux_output_text(const struct mux_output *x)
{
	return x->text;
}

int
mux_output_fits(enum mux_format format, const uint8_t *datagram, size_t len, struct gw_err *err)
{
	if (format == MUX_SECTIONS)
		return gw_fail(err, GW_EUNAVAIL,
		    "ECMs as sections need a transport stream to go into, and this multiplexer makes none: let the ECMG give TS packets (1) or datagrams (2)");
	if (format != MUX_TS && format != MUX_DATAGRAM)
		return gw_fail(err, GW_EPEER, "section_TSpkt_flag %d is not 0, 1 or 2", (int)format);
	if (format == MUX_DATAGRAM && len > MUX_DATAGRAM_BYTES)
		return gw_fail(err, GW_EPEER, "%zu bytes do not fit into a UDP datagram", len);
	if (format == MUX_TS && len % MUX_TS_PACKET != 0)
		return gw_fail(err, GW_EPEER, "%zu bytes are not whole TS packets", len);
	for (size_t i = 0; format == MUX_TS && i < len; i += MUX_TS_PACKET)
		if (datagram[i] != 0x47)
			return gw_fail(err, GW_EPEER, "TS packet %zu does not begin with 0x47", i / MUX_TS_PACKET);
	return 0;
}

/* What the kernel does not take is lost: the next repetition is better than an old one. */
void
mux_outputs_flush(struct mux_outputs *o)
{
	int n;

	if (o->nbatch == 0)
		return;
	errno = EAGAIN;
	n = gw_udp_send(o->batch_out->fd, o->batch, o->nbatch);
	if (n < (int)o->nbatch) {
		int sys = errno;
		o->errors += o->nbatch - (size_t)(n < 0 ? 0 : n);
		gw_log_limited(&o->rate, GW_WARNING, "send_failed", strerror(sys), "out=%s", o->batch_out->text);
	}
	for (int i = 0; i < n; i++)
		o->bytes += o->batch[i].len;
	o->datagrams += n > 0 ? (uint64_t)n : 0;
	o->nbatch = 0;
	o->batch_out = NULL;
}

static void
queue(struct mux_outputs *o, struct mux_output *x, const uint8_t *p, size_t len)
{
	union { const uint8_t *in; uint8_t *out; } lent = { .in = p };	/* struct gw_packet serves receiving, too */

	if (o->nbatch == GW_UDP_BATCH || (o->nbatch > 0 && o->batch_out != x))
		mux_outputs_flush(o);
	o->batch_out = x;
	o->batch[o->nbatch++] = (struct gw_packet){ lent.out, len };
}

void
mux_output_send(void *self, void *out, const uint8_t *datagram, size_t len)
{
	struct mux_output *x = out;
	size_t most = x->format == MUX_TS ? MUX_TS_PACKET * MUX_TS_BURST : len;

	for (size_t at = 0; at < len; at += most)
		queue(self, x, datagram + at, len - at < most ? len - at : most);
}

void
mux_outputs_fini(struct mux_outputs *o)
{
	assert(o->n == 0);
	free(o->v);
	o->v = NULL;
}
