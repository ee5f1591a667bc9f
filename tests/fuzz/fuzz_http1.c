/* tests/fuzz/fuzz_http1.c: a request in one piece is the same request in many; nothing reaches beyond the head */
#include <stdlib.h>
#include <string.h>
#include "proto/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* As the octets trickle in. */
static int
in_pieces(const char *buf, size_t len, size_t step)
{
	size_t at = 0;
	int n = 0;

	for (size_t have = 0; n == 0 && have < len;) {
		have = have + step < len ? have + step : len;
		n = http1_head_end(buf, have, &at);
	}
	return n;
}

/* The data's sum; its end in *end: 0, if it has none; ~0, if it is bad. */
static unsigned
chunks(const uint8_t *p, size_t len, size_t step, size_t *end)
{
	struct http1_chunks k = { 0 };
	enum http1_chunk_event e = HTTP1_MORE;
	const uint8_t *data;
	unsigned sum = 0;
	size_t used, n, at = 0;

	while (at < len && e != HTTP1_END && e != HTTP1_BAD) {
		e = http1_chunk(&k, p + at, step < len - at ? step : len - at, &used, &data, &n);
		if (e == HTTP1_DATA)
			for (size_t i = 0; i < n; i++)
				sum = 31 * sum + data[i];
		at += used;
	}
	*end = e == HTTP1_END ? at : e == HTTP1_BAD ? (size_t)-1 : 0;
	return sum;
}

static void
within(const char *text, const char *p, size_t len)
{
	if (p < text || p + strlen(p) > text + len)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[HTTP1_HEAD + 1];
	struct http1_head h;
	const char *why = NULL;
	size_t at = 0, a, b;
	int n = http1_head_end((const char *)data, size, &at);

	if (n != in_pieces((const char *)data, size, 1) || n != in_pieces((const char *)data, size, 7))
		abort();
	if (chunks(data, size, size, &a) != chunks(data, size, 1, &b) || a != b)
		abort();
	if (n <= 0)
		return 0;
	memcpy(text, data, (size_t)n);
	text[n] = '\0';
	if (http1_head_parse(text, (size_t)n, &h, &why) != 0) {
		if (!why)
			abort();
		return 0;
	}
	within(text, h.method, (size_t)n);
	within(text, h.uri, (size_t)n);
	within(h.uri, h.path, strlen(h.uri));
	if (h.path_len > strlen(h.path) || (h.chunked && h.length > 0))
		abort();
	for (size_t i = 0; i < h.n; i++) {
		within(text, h.header[i].name, (size_t)n);
		within(text, h.header[i].value, (size_t)n);
		if (!http1_header(&h, h.header[i].name))
			abort();
	}
	return 0;
}
