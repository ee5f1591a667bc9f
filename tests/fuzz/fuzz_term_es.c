/* tests/fuzz/fuzz_term_es.c: octet 0 is the medium's type; then packets, each behind its length in one octet: what they become fits its room */
#include <stdlib.h>
#include <string.h>
#include "terminal/es.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct es e;
	size_t at = 1;

	if (size == 0 || es_init(&e, (enum gw_media_type)(data[0] % 3), "1190") < 0)
		return 0;
	while (at < size) {
		size_t len = data[at] < size - at - 1 ? data[at] : size - at - 1;
		uint8_t *packet = malloc(len + 1), *out = malloc(ES_ROOM(len));

		if (!packet || !out)
			abort();
		memcpy(packet, data + at + 1, len);
		if (es_take(&e, packet, len, out) > ES_ROOM(len))
			abort();
		free(packet);
		free(out);
		at += 1 + len;
	}
	return 0;
}
