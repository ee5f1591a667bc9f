/* mux/ts.c */
#include "mux/ts.h"
#include <stdlib.h>
#include <string.h>

enum { STUFFING = 0xff };

struct mux_ts_pid {
	struct mux_ts_pid *next;
	uint16_t pid;
	uint8_t counter;		/* continuity_counter of its next payload */
	uint8_t packet[MUX_TS_PACKET];	/* of sections, while it fills */
	size_t fill;			/* octets of it, header included; 0: none is begun */
};

struct mux_ts {
	void (*emit)(void *, const uint8_t *, size_t);
	void *self;
	struct mux_ts_pid *pids;
	size_t open;			/* PIDs with a packet begun */
	uint8_t datagram[MUX_TS_PACKET * MUX_TS_BURST];
	size_t fill;
};

struct mux_ts *
mux_ts_new(void (*emit)(void *, const uint8_t *, size_t), void *self)
{
	struct mux_ts *t = calloc(1, sizeof(*t));

	if (t) {
		t->emit = emit;
		t->self = self;
	}
	return t;
}

void
mux_ts_free(struct mux_ts *t)
{
	struct mux_ts_pid *next;

	if (!t)
		return;
	for (struct mux_ts_pid *p = t->pids; p; p = next) {
		next = p->next;
		free(p);
	}
	free(t);
}

struct mux_ts_pid *
mux_ts_pid(struct mux_ts *t, uint16_t pid)
{
	struct mux_ts_pid *p;

	for (p = t->pids; p; p = p->next)
		if (p->pid == pid)
			return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->pid = pid;
	p->next = t->pids;
	t->pids = p;
	return p;
}

static void
emit(struct mux_ts *t)
{
	t->emit(t->self, t->datagram, t->fill);
	t->fill = 0;
}

/* One packet under our PID; the counter counts payloads only (2.4.3.3). */
static void
put(struct mux_ts *t, struct mux_ts_pid *p, const uint8_t *packet)
{
	uint8_t *out = t->datagram + t->fill;
	const uint8_t counter = packet[3] & TS_PAYLOAD ? p->counter++ : (uint8_t)(p->counter - 1);

	memcpy(out, packet, MUX_TS_PACKET);
	out[1] = (uint8_t)((packet[1] & 0xe0) | p->pid >> 8);
	out[2] = (uint8_t)p->pid;
	out[3] = (uint8_t)((packet[3] & 0xf0) | (counter & TS_COUNTER));
	t->fill += MUX_TS_PACKET;
	if (t->fill == sizeof(t->datagram))
		emit(t);
}

static void
begin(struct mux_ts *t, struct mux_ts_pid *p)
{
	memcpy(p->packet, (const uint8_t[]){ TS_SYNC, 0, 0, TS_PAYLOAD }, TS_HEADER);
	p->fill = TS_HEADER;
	t->open++;
}

static void
finish(struct mux_ts *t, struct mux_ts_pid *p)
{
	memset(p->packet + p->fill, STUFFING, sizeof(p->packet) - p->fill);
	p->fill = 0;
	t->open--;
	put(t, p, p->packet);
}

/* The packet that the next section begins in: its first one has a pointer_field, which says how much of the last section is before it. */
static void
make_room(struct mux_ts *t, struct mux_ts_pid *p)
{
	const size_t tail = p->fill - TS_HEADER;

	if (p->fill > 0 && p->packet[1] & TS_UNIT_START)
		return;
	if (p->fill >= sizeof(p->packet) - 1)	/* no room for the field and an octet of the section */
		finish(t, p);
	if (p->fill == 0) {
		begin(t, p);
		p->packet[TS_HEADER] = 0;
	} else {
		memmove(p->packet + TS_HEADER + 1, p->packet + TS_HEADER, tail);
		p->packet[TS_HEADER] = (uint8_t)tail;
	}
	p->packet[1] |= TS_UNIT_START;
	p->fill++;
}

void
mux_ts_section(struct mux_ts *t, struct mux_ts_pid *p, const uint8_t *section, size_t len)
{
	if (len == 0)
		return;
	make_room(t, p);
	for (size_t n; len > 0; section += n, len -= n) {
		if (p->fill == 0)
			begin(t, p);
		n = sizeof(p->packet) - p->fill;
		n = n < len ? n : len;
		memcpy(p->packet + p->fill, section, n);
		p->fill += n;
		if (p->fill == sizeof(p->packet))
			finish(t, p);
	}
}

void
mux_ts_packets(struct mux_ts *t, struct mux_ts_pid *p, const uint8_t *packets, size_t len)
{
	if (p->fill > 0)
		finish(t, p);
	for (; len >= MUX_TS_PACKET; packets += MUX_TS_PACKET, len -= MUX_TS_PACKET)
		if (packets[3] & (TS_ADAPTATION | TS_PAYLOAD))	/* 00 is reserved: decoders discard such a packet */
			put(t, p, packets);
}

bool
mux_ts_waits(const struct mux_ts *t)
{
	return t->fill > 0 || t->open > 0;
}

void
mux_ts_flush(struct mux_ts *t)
{
	for (struct mux_ts_pid *p = t->pids; p && t->open > 0; p = p->next)
		if (p->fill > 0)
			finish(t, p);
	if (t->fill > 0)
		emit(t);
}
