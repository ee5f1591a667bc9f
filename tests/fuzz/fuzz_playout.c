/* tests/fuzz/fuzz_playout.c */
#include "proto/playout.h"
#include "tests/fuzz/fuzz_sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_sim(&playout, data, size);
	return 0;
}
