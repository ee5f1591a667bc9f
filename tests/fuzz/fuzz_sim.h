/* tests/fuzz/fuzz_sim.h: whatever decodes must print; what decodes strictly must encode back to the same bytes */
#include <stdlib.h>
#include <string.h>
#include "proto/sim.h"

static inline void
fuzz_sim(const struct sim_iface *iface, const uint8_t *data, size_t size)
{
	static uint8_t again[SIM_MAX];
	static struct sim_msg m;
	char text[256];
	struct sim_writer w;
	struct sim_fault why;
	int lenient = sim_decode(iface, data, size, &m, &why);

	if ((lenient == 0) != (why.verdict == SIM_OK) || why.offset > size)
		abort();
	sim_print(&m, text, sizeof(text));
	for (size_t k = 0; k < m.n; k++)	/* on failure, too: an error answer names what could be read */
		(void)sim_int(&m, m.v[k].type, 0);
	if (sim_decode_as(iface, SIM_STRICT, data, size, &m, &why) < 0)
		return;
	if (lenient < 0 || m.ignored > 0)
		abort();
	sim_begin(&w, iface, m.version, m.type, again, sizeof(again));
	for (size_t k = 0; k < m.n; k++)
		sim_put_bytes(&w, m.v[k].type, m.v[k].p, m.v[k].len);
	if (sim_end(&w, NULL) != size || memcmp(again, data, size) != 0)
		abort();
}
