/*
 * tests/fuzz/fuzz_dec_tcp.c: segments of one connection, eight octets each: flags, time, offset (3), length (2), acknowledged (1, of 1 KiB). What
 * comes out is what was sent, in its place; what lies before the first octet is not known, and nothing is told twice.
 */
#include <stdlib.h>
#include <string.h>
#include "tools/dec_tcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t sent[1 << 17];
static struct { uint32_t next; bool known; } side_at[2];

static void
given(void *self, struct dec_conn *c, int side, const uint8_t *p, size_t len)
{
	uint32_t at = c->half[side].next - (uint32_t)len;	/* it has moved on already */

	(void)self;
	if (side_at[side].known && at != side_at[side].next)
		abort();
	side_at[side].known = true;
	side_at[side].next = at + (uint32_t)len;
	for (size_t k = 0; k < len; k++)
		if (p[k] != sent[(at + k) % (sizeof(sent) / 2)])
			abort();
}

static void
gap(void *self, struct dec_conn *c, int side, uint32_t lost)
{
	(void)self;
	if (lost == 0)
		abort();
	side_at[side].next = c->half[side].next;
}

static void
ended(void *self, struct dec_conn *c)
{
	(void)self;
	(void)c;
	side_at[0].known = side_at[1].known = false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dec_tcp_user user = { .data = given, .gap = gap, .end = ended };
	struct dec_tcp *t = dec_tcp_new(&user);
	int64_t now = 0;

	for (size_t k = 0; k < sizeof(sent); k++)	/* the same again behind its half, so that any offset has its octets */
		sent[k] = (uint8_t)((k % (sizeof(sent) / 2)) * 167 >> 5);
	memset(side_at, 0, sizeof(side_at));
	for (; size >= 8; data += 8, size -= 8) {
		int side = data[0] >> 7;
		uint32_t at = (uint32_t)data[2] << 16 | (uint32_t)data[3] << 8 | data[4];
		struct dec_segment s = { .ends = { .from_port = side ? 2 : 1, .to_port = side ? 1 : 2 }, .seq = at, .ack = data[7] * 1024u,
			.flags = data[0] & 0x17, .len = ((size_t)data[5] << 8 | data[6]) % 2048 };

		if (s.flags & DEC_SYN)	/* it takes a number, and octets with it come behind */
			s.len = 0;
		s.p = sent + at % (sizeof(sent) / 2);
		dec_tcp_segment(t, &s, now += (int64_t)data[1] * 10000000);
		if (dec_tcp_held(t) > 2 * (DEC_HELD_HALF + 4096))
			abort();
	}
	dec_tcp_flush(t);
	dec_tcp_free(t);
	return 0;
}
