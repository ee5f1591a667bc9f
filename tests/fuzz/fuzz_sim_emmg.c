/* tests/fuzz/fuzz_sim_emmg.c: what a mux takes from TCP and from UDP */
#include "proto/emmg_mux.h"
#include "tests/fuzz/fuzz_sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_sim(&emmg_mux, data, size);
	fuzz_sim(&emmg_mux_udp, data, size);
	return 0;
}
