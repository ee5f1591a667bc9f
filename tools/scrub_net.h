/*
 * tools/scrub_net.h: a captured frame as it may be shared: headers with other addresses, and nothing else. Payloads are zeros, for the caller to
 * fill in. No I/O; total on any octets.
 */
#ifndef TOOLS_SCRUB_NET_H
#define TOOLS_SCRUB_NET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tools/dec_net.h"
#include "tools/scrub_msg.h"

/* What a checksum was: not there; right, and follows what is filled in; wrong, and stays so; left to the network card: of the pseudo-header alone. */
enum scrub_sum { SCRUB_NONE, SCRUB_RIGHT, SCRUB_WRONG, SCRUB_OFFLOAD };
enum { SCRUB_TRANSPORT = 60 };			/* octets of a TCP header at most */
struct scrub_frame {
	bool fragment;				/* of the datagram named by ends, proto and id; at: of its payload */
	struct ip_ends ends; uint8_t proto; uint32_t id;
	size_t at, ip_payload_at, ip_payload_len; bool more;
	bool follows; size_t sum_at;		/* of a whole segment or datagram: its checksum follows its payload, and stands there in the frame */
};
/*
 * The frame's link and network headers, and that of TCP or UDP unless it is a fragment, into out (caplen octets). s, kind: what dec_net_read said
 * of it.
 */
void scrub_frame(struct scrub_pen *, int link, const uint8_t *in, size_t caplen, size_t wire_len, enum dec_frame kind, const struct dec_segment *s,
    uint8_t *out, struct scrub_frame *);
/* The header of a TCP segment or UDP datagram whose payload is zeros, into out: its octets. *sum_at: of its checksum. */
size_t scrub_transport(struct scrub_pen *, uint8_t proto, const struct dec_segment *, uint8_t out[SCRUB_TRANSPORT], enum scrub_sum *, size_t *sum_at);
/* A checksum field of UDP or TCP after n octets (at an even offset, unless odd) have changed from `from` to `to`. */
uint16_t scrub_sum_changed(uint16_t field, bool odd, const uint8_t *from, const uint8_t *to, size_t n, bool udp);
#endif
