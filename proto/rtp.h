/* proto/rtp.h: the RTP header, RFC 3550 5.1, and what tells RTCP. Pure; the payload is lent by the packet. */
#ifndef PROTO_RTP_H
#define PROTO_RTP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RTP_HEADER = 12 };
struct rtp {
	bool padding, extension, marker;
	uint8_t csrc_count, payload_type;
	uint16_t seq;
	uint32_t timestamp, ssrc;
	size_t header_len;	/* with CSRCs and extension */
	size_t payload_len;	/* of a clear packet; of a protected one with MKI and tag, padding not known */
};
/* A clear packet: 0, or -1 when version, CSRCs, extension or padding do not fit len octets. */
int rtp_parse(const void *packet, size_t len, struct rtp *);
/* The same for a protected packet, whose padding count is still encrypted. */
int rtp_peek(const void *packet, size_t len, struct rtp *);
/* Is it RTCP (RFC 3550 6.1) that ends with the last of the packets it is made of? One that is protected has something behind. */
bool rtcp_is_whole(const void *packet, size_t len);
#endif
