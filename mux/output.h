/*
 * mux/output.h: where things go: a connected UDP socket per address, or, when the address names a PID, a place in the transport
 * stream of that address, which all that goes there with a PID shares.
 */
#ifndef MUX_OUTPUT_H
#define MUX_OUTPUT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/addr.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mux_format.h"
#include "lib/udp.h"
#include "mux/ts.h"

enum { MUX_COPY_BYTES = 1472, MUX_SETTLE_MS = 5 };

struct mux_output;
struct mux_carrier;
struct mux_outputs {
	struct mux_output **v; size_t n, cap;	/* by address and format, ascending */
	struct mux_carrier *carriers;		/* transport streams; kept, so that their counters go on */
	uint64_t datagrams, bytes, errors;
	int batch_fd; const char *batch_text;	/* where the batch goes; NULL: it is empty */
	struct gw_packet batch[GW_UDP_BATCH]; size_t nbatch;
	uint8_t copies[GW_UDP_BATCH][MUX_COPY_BYTES];
	struct gw_rate rate;
};
/* The output of an address, opened with its first user. NULL with why: a format that cannot go there, or the system's reason. */
struct mux_output *mux_output_ref(struct mux_outputs *, const struct gw_addr *, enum mux_format, struct gw_err *);
void mux_output_unref(struct mux_outputs *, struct mux_output *);
const char *mux_output_text(const struct mux_output *);
/* A mux_send for the carousel; self: struct mux_outputs. The datagram is lent for the call. */
void mux_output_send(void *self, void *out, const uint8_t *datagram, size_t len);
void mux_outputs_flush(struct mux_outputs *);	/* whole datagrams go now: at the end of each turn */
bool mux_outputs_wait(const struct mux_outputs *);	/* parts of one wait for more: settle MUX_SETTLE_MS later */
void mux_outputs_settle(struct mux_outputs *);
void mux_outputs_fini(struct mux_outputs *);
#endif
