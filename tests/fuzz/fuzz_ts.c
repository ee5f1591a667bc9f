/*
 * tests/fuzz/fuzz_ts.c: packets of 188 octets in a row. First octet: with bit 0, sections that lie in one packet get a right CRC, so that
 * what is in them is read. Whatever comes, places lie within the packet and the tables within their bounds.
 */
#include <stdlib.h>
#include <string.h>
#include "proto/ts.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
mend(uint8_t *packet, const struct ts_packet *k)
{
	size_t at, n;
	uint32_t crc;

	if (!k->unit_start || k->len < 4 || (at = k->at + 1u + packet[k->at]) + 3 > TS_PACKET)
		return;
	n = 3 + (((size_t)packet[at + 1] & 15) << 8 | packet[at + 2]);
	if (n < 12 || at + n > TS_PACKET)
		return;
	crc = ts_crc(packet + at, n - 4);
	for (size_t i = 0; i < 4; i++)
		packet[at + n - 4 + i] = (uint8_t)(crc >> (24 - 8 * i));
}

static void
check(const struct ts_psi *t)
{
	if (t->nlinks > TS_LINKS || !ts_psi_clear(t, 0) || !ts_psi_clear(t, 1) || !ts_psi_clear(t, TS_NULL))
		abort();
	for (size_t i = 0; i < t->nlinks; i++)
		if (t->links[i].elementary && ts_psi_clear(t, t->links[i].pid))
			abort();
	for (size_t i = 0; i < TS_GATHERS; i++)
		if (t->gather[i].fill > TS_SECTION)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ts_psi t;
	uint8_t packet[TS_PACKET];
	struct ts_packet k;

	if (size < 1)
		return 0;
	ts_psi_init(&t);
	for (size_t at = 1; size - at >= TS_PACKET; at += TS_PACKET) {
		memcpy(packet, data + at, TS_PACKET);
		if (ts_parse(packet, &k) < 0)
			continue;
		if (k.at + k.len > TS_PACKET || (k.len && k.at + k.len != TS_PACKET))
			abort();
		if (data[0] & 1)
			mend(packet, &k);
		ts_psi_feed(&t, packet, &k);
		check(&t);
	}
	return 0;
}
