/* lib/mux_map.h: where data goes: (data_type, client_id, data_id), which names a stream in the whole system (TS 103 197 6.2.3), to an address */
#ifndef GW_MUX_MAP_H
#define GW_MUX_MAP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/addr.h"
#include "lib/err.h"
#include "lib/headend.h"

enum { MUX_ANY_TYPE = -1 };
struct mux_route {
	uint32_t client_id;
	uint16_t data_id;
	int data_type;		/* 0 EMM, 1 private data; MUX_ANY_TYPE: either */
	uint64_t most_bps;	/* what it may use on air; UINT64_MAX: all there is */
	unsigned repeat, repeat_ms;	/* each datagram is sent so often, with so much between */
	bool udp_alone;		/* data by UDP without a stream over TCP */
	struct gw_addr out;
};
struct mux_map { struct mux_route *v; size_t n; };	/* by client_id, data_id, data_type */

/* One of the command line: "[DATA_TYPE/]CLIENT_ID/DATA_ID=udp://HOST:PORT". 0, or -1 with why; a second one of its name is refused. */
int mux_map_add(struct mux_map *, const char *text, struct gw_err *);
/* A copy of one. 0, or -1 with why: a second one of its name, no memory. */
int mux_map_put(struct mux_map *, const struct mux_route *, struct gw_err *);
/* Those of the head-end's file that go anywhere from here. */
int mux_map_take(struct mux_map *, const struct headend *, struct gw_err *);
void mux_map_free(struct mux_map *);
/* data_type: MUX_ANY_TYPE when it is not known: UDP names none. NULL: nothing goes anywhere. */
const struct mux_route *mux_map_find(const struct mux_map *, int data_type, uint32_t client_id, uint16_t data_id);
bool mux_map_knows(const struct mux_map *, uint32_t client_id);
#endif
