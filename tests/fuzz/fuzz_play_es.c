/* tests/fuzz/fuzz_play_es.c: a file of any octets is refused, or played to its end: packets bounded, in time, and no more than it can hold */
#include <stdlib.h>
#include "tools/play.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct play_rtp on[PLAY_STREAMS][PLAY_STREAMS] = { { { .on = true } }, { { .on = false }, { .on = true } } };
	char fmtp[PLAY_FMTP];

	for (int i = 0; i < PLAY_STREAMS; i++) {
		struct play_source *s = play_es(data, size, false, on[i], NULL);
		struct play_datagram d;
		int64_t before = 0;

		for (size_t n = 0; s && s->next(s, &d, NULL) == 1; n++, before = d.due_ns)
			if (d.due_ns < before || d.len < 13 || d.len > 1412 || d.stream != (unsigned)i || n > size)
				abort();
		if (s) {
			play_es_fmtp(s, PLAY_H264, fmtp);
			play_es_fmtp(s, PLAY_AAC, fmtp);
			s->free(s);
		}
	}
	return 0;
}
