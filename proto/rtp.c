/* proto/rtp.c: see rtp.h */
#include "proto/rtp.h"
#include "proto/be.h"

enum { RTCP_HEADER = 4, RTCP_FIRST = 192, RTCP_LAST = 223 };	/* types: RFC 5761 4 */

int
rtp_peek(const void *packet, size_t len, struct rtp *r)
{
	const uint8_t *p = packet;

	if (len < RTP_HEADER || p[0] >> 6 != 2)
		return -1;
	r->padding = p[0] >> 5 & 1;
	r->extension = p[0] >> 4 & 1;
	r->csrc_count = p[0] & 15;
	r->marker = p[1] >> 7;
	r->payload_type = p[1] & 0x7f;
	r->seq = (uint16_t)(p[2] << 8 | p[3]);
	r->timestamp = be32(p + 4);
	r->ssrc = be32(p + 8);
	r->header_len = RTP_HEADER + 4u * r->csrc_count;
	if (r->extension) {
		if (len < r->header_len + 4)
			return -1;
		r->header_len += 4 + 4u * (be32(p + r->header_len) & 0xffff);
	}
	if (len < r->header_len)
		return -1;
	r->payload_len = len - r->header_len;
	return 0;
}

int
rtp_parse(const void *packet, size_t len, struct rtp *r)
{
	if (rtp_peek(packet, len, r) < 0)
		return -1;
	if (!r->padding)
		return 0;
	uint8_t pad = r->payload_len ? ((const uint8_t *)packet)[len - 1] : 0;
	if (pad == 0 || pad > r->payload_len)
		return -1;
	r->payload_len -= pad;
	return 0;
}

bool
rtcp_is_whole(const void *packet, size_t len)
{
	const uint8_t *p = packet;
	size_t at = 0;

	while (len - at >= RTCP_HEADER) {
		size_t n = 4 + 4 * (size_t)(p[at + 2] << 8 | p[at + 3]);
		if (p[at] >> 6 != 2 || p[at + 1] < RTCP_FIRST || p[at + 1] > RTCP_LAST || n > len - at)
			return false;
		at += n;
	}
	return at > 0 && at == len;
}
