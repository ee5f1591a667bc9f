/* tests/fuzz/fuzz_load.c: what simulgate load reads out of answers without decoding them is what the decoder reads out of them */
#include <stdlib.h>
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"
#include "tools/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
compare(const struct sim_iface *iface, uint16_t answer, const uint16_t *params, size_t n, const uint8_t *data, size_t size)
{
	static struct sim_msg m;

	for (size_t i = 0; i < n; i++) {
		int found = load_wire_find(data, size, params[i]);
		if (sim_decode(iface, data, size, &m, NULL) == 0 && m.type == answer && found != (int)sim_int(&m, params[i], -1))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t ecmg[] = { ECMG_CHANNEL_ID, ECMG_STREAM_ID, ECMG_CP_NUMBER }, emmg[] = { EMMG_CHANNEL_ID, EMMG_STREAM_ID };

	compare(&ecmg_scs, ECMG_ECM_RESPONSE, ecmg, sizeof(ecmg) / sizeof(ecmg[0]), data, size);
	compare(&emmg_mux, EMMG_STREAM_STATUS, emmg, sizeof(emmg) / sizeof(emmg[0]), data, size);
	return 0;
}
