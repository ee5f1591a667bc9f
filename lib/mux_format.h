/* lib/mux_format.h: what the datagrams of an EMMG must be, by section_TSpkt_flag (TS 103 197 6.2.3) */
#ifndef GW_MUX_FORMAT_H
#define GW_MUX_FORMAT_H
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"

enum mux_format { MUX_SECTIONS = 0, MUX_TS = 1, MUX_DATAGRAM = 2 };	/* section_TSpkt_flag */
enum { MUX_DATAGRAM_BYTES = 65507 };
/* 0, or -1 with why these octets are not what the format says. An empty datagram is nothing to send, and fits. */
int mux_format_fits(enum mux_format, const uint8_t *datagram, size_t len, struct gw_err *);
#endif
