/* tests/fuzz/fuzz_sim_ecmg.c */
#include "proto/ecmg_scs.h"
#include "tests/fuzz/fuzz_sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_sim(&ecmg_scs, data, size);
	return 0;
}
