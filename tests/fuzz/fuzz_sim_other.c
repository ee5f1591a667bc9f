/* tests/fuzz/fuzz_sim_other.c: what a capture may hold: the table is picked by message_type, as a decoder does */
#include "proto/ifaces.h"
#include "tests/fuzz/fuzz_sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sim_iface *iface = size >= SIM_HEADER ? sim_iface_of((uint16_t)(data[1] << 8 | data[2])) : NULL;

	if (iface)
		fuzz_sim(iface, data, size);
	return 0;
}
