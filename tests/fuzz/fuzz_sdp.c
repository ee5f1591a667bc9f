/* tests/fuzz/fuzz_sdp.c: what parses can be walked, and its lines written anew parse to the same */
#include <stdlib.h>
#include <string.h>
#include "proto/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static bool
rewritable(const struct sdp *s)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->line[i].value.len; k++)
			if ((unsigned char)s->line[i].value.p[k] < ' ' || s->line[i].value.p[k] == 0x7f)
				return false;
	return true;
}

static void
walk(const struct sdp *s, int medium)
{
	struct sdp_text v, p;
	struct sdp_connection c;
	size_t at = 0, n = 0;

	while (sdp_next_attribute(s, medium, "fmtp", &at, &v)) {
		sdp_parameter(v, "streamid", &p);
		if (++n > s->n)
			abort();
	}
	if (medium >= 0 && !sdp_connection_of(s, medium, &c))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sdp s, again;
	static char text[1 << 17];
	struct sdp_writer w;
	size_t len;

	if (sdp_parse((const char *)data, size, &s, NULL) < 0)
		return 0;
	for (int m = SDP_SESSION; m < (int)s.nmedia; m++)
		walk(&s, m);
	if (size > sizeof(text) / 4 || !rewritable(&s))
		return 0;
	sdp_begin(&w, text, sizeof(text));
	for (size_t i = 0; i < s.n; i++)
		sdp_put(&w, s.line[i].type, "%.*s", (int)s.line[i].value.len, s.line[i].value.p);
	if (!(len = sdp_end(&w)) || sdp_parse(text, len, &again, NULL) < 0 || again.n != s.n || again.nmedia != s.nmedia)
		abort();
	for (size_t i = 0; i < s.n; i++)
		if (again.line[i].value.len != s.line[i].value.len ||
		    memcmp(again.line[i].value.p, s.line[i].value.p, s.line[i].value.len) != 0)
			abort();
	return 0;
}
