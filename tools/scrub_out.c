/* tools/scrub_out.c: the last octets of a file in memory, where most of what is written again lies */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/scrub.h"

enum { TAIL = 8 << 20, KEPT = TAIL / 2 };
struct scrub_out {
	int fd, error;
	uint64_t base;		/* of tail[0] in the file */
	size_t n;
	uint8_t tail[TAIL];
};

struct scrub_out *
scrub_out_new(int fd)
{
	struct scrub_out *o = malloc(sizeof(*o));

	if (o) {
		o->fd = fd;
		o->error = 0;
		o->base = 0;
		o->n = 0;
	}
	return o;
}

void
scrub_out_free(struct scrub_out *o)
{
	free(o);
}

uint64_t
scrub_out_at(const struct scrub_out *o)
{
	return o->base + o->n;
}

static void
to_file(struct scrub_out *o, uint64_t at, const uint8_t *p, size_t n)
{
	while (n > 0 && !o->error && o->fd >= 0) {
		ssize_t k = pwrite(o->fd, p, n, (off_t)at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			o->error = k < 0 ? errno : EIO;
			return;
		}
		at += (uint64_t)k;
		p += k;
		n -= (size_t)k;
	}
}

/* Without a file nothing is read again, and the tail is only counted. */
static void
drain(struct scrub_out *o, size_t keep)
{
	size_t n = o->n - keep;

	to_file(o, o->base, o->tail, n);
	memmove(o->tail, o->tail + n, keep);
	o->base += n;
	o->n = keep;
}

void
scrub_out_put(struct scrub_out *o, const void *data, size_t n)
{
	const uint8_t *p = data;

	while (n > 0) {
		size_t k;

		if (o->n == TAIL)
			drain(o, KEPT);
		k = TAIL - o->n < n ? TAIL - o->n : n;
		memcpy(o->tail + o->n, p, k);
		o->n += k;
		p += k;
		n -= k;
	}
}

void
scrub_out_read(struct scrub_out *o, uint64_t at, void *out, size_t n)
{
	uint8_t *p = out;

	memset(p, 0, n);
	while (n > 0 && at < o->base && !o->error && o->fd >= 0) {
		size_t want = o->base - at < n ? (size_t)(o->base - at) : n;
		ssize_t k = pread(o->fd, p, want, (off_t)at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			o->error = k < 0 ? errno : EIO;
			return;
		}
		p += k;
		at += (uint64_t)k;
		n -= (size_t)k;
	}
	if (n > 0 && at >= o->base)
		memcpy(p, o->tail + (at - o->base), n);
}

void
scrub_out_write(struct scrub_out *o, uint64_t at, const void *data, size_t n)
{
	const uint8_t *p = data;

	if (at < o->base) {
		size_t k = o->base - at < n ? (size_t)(o->base - at) : n;

		to_file(o, at, p, k);
		p += k;
		at += k;
		n -= k;
	}
	if (n > 0)
		memcpy(o->tail + (at - o->base), p, n);
}

int
scrub_out_end(struct scrub_out *o, struct gw_err *err)
{
	drain(o, 0);
	if (!o->error)
		return 0;
	errno = o->error;
	return gw_fail(err, GW_ESYS, "cannot write: %s", strerror(o->error));
}
