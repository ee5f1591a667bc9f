/* lib/mux_format.c */
#include "lib/mux_format.h"
#include "proto/ts.h"

int
mux_format_fits(enum mux_format format, const uint8_t *p, size_t len, struct gw_err *err)
{
	if (format == MUX_SECTIONS && len > 0 && (len < 3 || (size_t)((p[1] & 0x0f) << 8 | p[2]) + 3 != len))
		return gw_fail(err, GW_EPEER, "%zu bytes are not one section, or its section_length is wrong", len);
	if (format == MUX_SECTIONS && len > 0 && p[0] == 0xff)
		return gw_fail(err, GW_EPEER, "table_id 0xff is that of stuffing");
	if (format == MUX_DATAGRAM && len > MUX_DATAGRAM_BYTES)
		return gw_fail(err, GW_EPEER, "%zu bytes do not fit into a UDP datagram", len);
	if (format == MUX_TS && len % TS_PACKET != 0)
		return gw_fail(err, GW_EPEER, "%zu bytes are not whole TS packets", len);
	for (size_t i = 0; format == MUX_TS && i < len; i += TS_PACKET)
		if (p[i] != 0x47)
			return gw_fail(err, GW_EPEER, "TS packet %zu does not begin with 0x47", i / TS_PACKET);
	return 0;
}
