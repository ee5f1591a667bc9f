/* proto/ip.h: the IPv4 (RFC 791), IPv6 (RFC 8200) and UDP (RFC 768) headers of datagrams that travel within others. Pure; bounded; without fragments. */
#ifndef PROTO_IP_H
#define PROTO_IP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IP_V4_HEADER = 20, IP_V6_HEADER = 40, IP_UDP_HEADER = 8, IP_MAX = 65535 };
enum { IP_NEXT_V4 = 4, IP_NEXT_UDP = 17, IP_NEXT_V6 = 41, IP_NEXT_ESP = 50 };	/* of IANA's protocol numbers */

/* Both ends of a datagram; of IPv4 addresses the first 4 octets. */
struct ip_ends { bool v6; uint8_t from[16], to[16]; uint16_t from_port, to_port; };

struct ip {
	struct ip_ends ends;		/* ports: 0 */
	uint8_t next, ttl;
	size_t header_len, len;		/* len: with header; what the packet has beyond is not the datagram's */
};

/* Octets of the header that ip_put writes. */
size_t ip_header_len(bool v6);
/* A header for payload_len octets (0..65535 less an IPv4 header), DSCP 0, IPv4 with DF. Octets written: 20 or 40. */
size_t ip_put(uint8_t *out, const struct ip_ends *, uint8_t next, uint8_t ttl, size_t payload_len);
/*
 * A whole IPv4 packet (header checksum right, options passed over) or IPv6 packet (without extension headers: what the first next
 * header says is the payload's), not a fragment. 0, or -1.
 */
int ip_parse(const void *packet, size_t len, struct ip *);

/* The one's complement sum of p[0..len) (RFC 1071), odd lengths with a zero behind, as it would stand in a 16-bit field: added to sum. */
uint32_t ip_sum(uint32_t sum, const void *p, size_t len);
/* Of the pseudo-header, without the length: what stays the same from one datagram to the next. */
uint32_t ip_udp_sum(const struct ip_ends *);
/* The UDP header in front of the len octets of payload at out + 8, with its checksum; sum: ip_udp_sum(). len: 0..65527. */
void ip_udp_put(uint8_t *out, const struct ip_ends *, uint32_t sum, size_t len);
/*
 * Ports and payload length (what the packet has beyond is none of it) of a UDP datagram. sum: ip_udp_sum(), or NULL: the checksum
 * cannot be verified. v6: a checksum must be there. 0, or -1.
 */
int ip_udp_parse(const void *packet, size_t len, const uint32_t *sum, bool v6, struct ip_ends *, size_t *payload_len);
#endif
