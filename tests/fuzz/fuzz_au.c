/*
 * tests/fuzz/fuzz_au.c: the first octets choose the parameters, the rest is a payload. Sections that read are written and read to the same;
 * what H.264 packets give (the rest again, cut into packets by octets of it) goes into packets and comes out the same.
 */
#include <stdlib.h>
#include <string.h>
#include "proto/au.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
sections(const struct au_params *p, const uint8_t *data, size_t size)
{
	static uint8_t again[AU_SECTION];
	static struct au a[65536];
	struct au_reader r, s;
	struct au b;
	size_t n = 0;
	int v;

	if (au_read(&r, p, data, size) < 0)
		return;
	while ((v = au_next(&r, &a[n])) == 1)
		n++;
	if (v < 0 || n == 0 || p->delta_iv_length)
		return;
	size_t len = au_write(p, a, n, again, sizeof(again));
	if (len != r.start || au_read(&s, p, again, len) < 0 || s.end != r.end)
		abort();
	s.len = s.start + (r.len - r.start);	/* with as much data, never looked at */
	for (size_t i = 0; i < n; i++)
		if (au_next(&s, &b) != 1 || b.iv != a[i].iv || b.size != a[i].size || b.index != a[i].index || b.rap != a[i].rap || b.len != a[i].len ||
		    b.cts_delta != a[i].cts_delta || b.dts_delta != a[i].dts_delta || memcmp(b.key, a[i].key, AU_KEY) != 0)
			abort();
}

/* The quick reader of AAC-hbr refuses what the other one does. */
static void
hbr(const uint8_t *data, size_t size)
{
	struct au_reader r;
	struct au a;
	uint32_t first = 0, got = 0;
	size_t n = 0;
	int v = -1;

	if (au_read(&r, &au_aac_hbr, data, size) == 0)
		while ((v = au_next(&r, &a)) == 1)
			first = n++ ? first : a.size;
	if (au_hbr(data, size, &got) != (v == 0 ? n : 0) || (v == 0 && got != first))
		abort();
}

static void
video(const uint8_t *data, size_t size)
{
	static uint8_t room[2][1 << 16], packet[1500];
	struct h264_au au = { .p = room[0], .cap = sizeof(room[0]) }, again = { .p = room[1], .cap = sizeof(room[1]) };
	struct h264_split s;

	for (size_t n; size > 1; data += n, size -= n) {
		n = data[0] < size - 1 ? data[0] : size - 1;
		data++;
		size--;
		h264_may_begin(data, n);
		if (h264_add(&au, data, n) != H264_OK)
			return;
	}
	if (!h264_complete(&au))
		return;
	if (h264_split(&s, au.p, au.len) < 0)
		abort();
	for (size_t n; (n = h264_next(&s, packet, 3 + au.len % 100)) > 0;)
		if (h264_add(&again, packet, n) != H264_OK)
			abort();
	if (!h264_complete(&again) || again.len != au.len || memcmp(again.p, au.p, au.len) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct h264_split s;

	if (size < 8)
		return 0;
	struct au_params p = { .size_length = data[0] & 63, .index_length = data[1] & 63, .index_delta_length = data[2] & 63, .cts_delta_length = data[3] & 63,
		.dts_delta_length = data[4] & 63, .stream_state = data[5] & 63, .random_access = data[0] >> 7, .selective = data[1] >> 7,
		.key_per_au = data[2] >> 7, .iv_length = data[6] & 15, .delta_iv_length = data[6] >> 6, .key_length = data[7] & 15 };
	sections(&p, data + 8, size - 8);
	hbr(data + 8, size - 8);
	video(data + 8, size - 8);
	h264_split(&s, data + 8, size - 8);
	return 0;
}
