/* tests/fuzz/fuzz_stkm.c: whatever decodes must print, and encode back to the same bytes */
#include <stdlib.h>
#include <string.h>
#include "proto/stkm.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[STKM_MAX];
	static char text[4096];
	struct stkm_tail t;
	struct stkm m;

	if (stkm_decode(data, size, &m, NULL) < 0) {
		stkm_peek(data, size, &t, NULL);
		return 0;
	}
	stkm_print(&m, text, sizeof(text));
	if (stkm_encode(&m, again, sizeof(again), NULL) != size || memcmp(again, data, size) != 0)
		abort();
	if (stkm_peek(data, size, &t, NULL) < 0 || t.service_MAC_at != m.service_MAC_at || t.program_MAC_at != m.program_MAC_at)
		abort();
	return 0;
}
