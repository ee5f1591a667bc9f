/* tests/fuzz/fuzz_sim_shape.c: messages one behind the other, of one interface (the first octet): along the shape of the last as without it */
#include <stdlib.h>
#include <string.h>
#include "proto/ecmg_scs.h"
#include "proto/eis_scs.h"
#include "proto/emmg_mux.h"
#include "proto/psig_mux.h"
#include "proto/sim_shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sim_iface *const ifaces[] = { &ecmg_scs, &emmg_mux, &emmg_mux_udp, &eis_scs, &psig_mux };
	static struct sim_msg a, b;
	struct sim_shape shape = { 0 };
	const struct sim_iface *iface;

	if (size == 0)
		return 0;
	iface = ifaces[data[0] % (sizeof(ifaces) / sizeof(ifaces[0]))];
	for (size_t at = 1, n; at < size; at += n) {
		struct sim_fault x, y;

		n = sim_frame_length(data + at, size - at);
		n = n == 0 || n > size - at ? size - at : n;
		if (sim_decode(iface, data + at, n, &a, &x) != sim_decode_alike(iface, &shape, data + at, n, &b, &y))
			abort();
		if (x.verdict != y.verdict || x.param != y.param || x.offset != y.offset || a.def != b.def || a.type != b.type || a.version != b.version ||
		    a.n != b.n || a.ignored != b.ignored || a.iface != b.iface)
			abort();
		for (size_t k = 0; k < a.n; k++)
			if (a.v[k].type != b.v[k].type || a.v[k].len != b.v[k].len || a.v[k].p != b.v[k].p)
				abort();
	}
	return 0;
}
