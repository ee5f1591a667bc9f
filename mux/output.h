/* mux/output.h: one connected UDP socket per address and format, shared by the records that go there */
#ifndef MUX_OUTPUT_H
#define MUX_OUTPUT_H
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/log.h"
#include "lib/udp.h"

enum mux_format { MUX_SECTIONS = 0, MUX_TS = 1, MUX_DATAGRAM = 2 };	/* section_TSpkt_flag */
enum { MUX_TS_PACKET = 188, MUX_TS_BURST = 7, MUX_DATAGRAM_BYTES = 65507 };	/* 7 packets fit an Ethernet frame */

struct mux_output;
struct mux_outputs {
	struct mux_output **v; size_t n, cap;	/* by address and format, ascending */
	uint64_t datagrams, bytes, errors;
	struct mux_output *batch_out;
	struct gw_packet batch[GW_UDP_BATCH]; size_t nbatch;
	struct gw_rate rate;
};
/* The output of an address (lib/addr.h, udp://), opened with its first user. NULL with why. */
struct mux_output *mux_output_ref(struct mux_outputs *, const char *addr, enum mux_format, struct gw_err *);
void mux_output_unref(struct mux_outputs *, struct mux_output *);
const char *mux_output_text(const struct mux_output *);
/* 0, or -1 with why this cannot be sent in that format. */
int mux_output_fits(enum mux_format, const uint8_t *datagram, size_t len, struct gw_err *);
/* A mux_send for the carousel; self: struct mux_outputs. Datagrams are lent until mux_outputs_flush(). */
void mux_output_send(void *self, void *out, const uint8_t *datagram, size_t len);
void mux_outputs_flush(struct mux_outputs *);
void mux_outputs_fini(struct mux_outputs *);
#endif
