/* tests/fuzz/fuzz_sap.c: whatever parses builds a packet that parses to the same */
#include <stdlib.h>
#include <string.h>
#include "proto/sap.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[1 << 16];
	struct sap s, again;
	size_t n;

	if (sap_parse(data, size, &s) < 0)
		return 0;
	if (s.encrypted || s.compressed || s.hash == 0 || !s.type[0] || (n = sap_build(&s, out, sizeof(out))) == 0)
		return 0;
	if (sap_parse(out, n, &again) < 0 || again.hash != s.hash || again.v6 != s.v6 || again.deletion != s.deletion)
		abort();
	if (strcmp(again.type, s.type) != 0 || again.len != s.len || memcmp(again.payload, s.payload, s.len) != 0)
		abort();
	return 0;
}
