/*
 * proto/cursor.h: one walk over the fields of a message that reads or writes them, so that a grammar stands once. Big-endian. A
 * fault is sticky: the first is kept, later steps do nothing. For the modules of proto/ only; fault numbers are theirs, 0 is none.
 */
#ifndef PROTO_CURSOR_H
#define PROTO_CURSOR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	uint8_t *out;		/* NULL: reading */
	const uint8_t *in;
	size_t at, len;		/* octets of the message, or room; at <= len, or a fault is set */
	int beyond;		/* the fault of a step beyond len */
	int fault;
};

static inline void
fail(struct cursor *c, int fault)
{
	if (c->fault == 0)
		c->fault = fault;
}

static inline bool
room(struct cursor *c, size_t n)
{
	if (c->fault == 0 && n > c->len - c->at)
		fail(c, c->beyond);
	return c->fault == 0;
}

static inline void
octets(struct cursor *c, uint8_t *field, size_t n)
{
	if (!room(c, n))
		return;
	if (c->out)
		memcpy(c->out + c->at, field, n);
	else
		memcpy(field, c->in + c->at, n);
	c->at += n;
}

/* n octets, 1..8. The value written, or the one read. */
static inline uint64_t
number(struct cursor *c, uint64_t value, size_t n)
{
	if (!room(c, n))
		return c->out ? value : 0;	/* a failed encode leaves the struct as it was */
	if (c->out) {
		for (size_t k = 0; k < n; k++)
			c->out[c->at + k] = (uint8_t)(value >> 8 * (n - 1 - k));
	} else {
		value = 0;
		for (size_t k = 0; k < n; k++)
			value = value << 8 | c->in[c->at + k];
	}
	c->at += n;
	return value;
}
#endif
