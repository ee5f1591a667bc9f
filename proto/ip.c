/* proto/ip.c: see ip.h */
#include "proto/ip.h"
#include <string.h>
#include "proto/be.h"

enum { DF = 0x40, FRAGMENT = 0x3fff };

static uint64_t
word(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Folded to 16 bits. */
static uint32_t
fold(uint64_t s)
{
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (uint32_t)((s & 0xffff) + (s >> 16));
}

/* A carry out of 64 bits is worth 1 (RFC 1071, 2 (C)). */
#define ADD(sum, v) (carry += __builtin_add_overflow(sum, v, &(sum)))

/* Words are added in the order of this machine, and the sum is turned once: it is the same (RFC 1071, 2 (B)). */
uint32_t
ip_sum(uint32_t sum, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint64_t a = 0, b = 0, carry = 0;	/* two sums, so that additions wait less for one another */
	uint8_t last[8] = { 0 };

	for (size_t i = 0; i < len; i += 64)	/* a packet is seldom in the first-level cache */
		__builtin_prefetch(p + i);
	for (; len >= 32; len -= 32, p += 32) {
		ADD(a, word(p));
		ADD(b, word(p + 8));
		ADD(a, word(p + 16));
		ADD(b, word(p + 24));
	}
	for (; len >= 8; len -= 8, p += 8)
		ADD(a, word(p));
	if (len) {
		memcpy(last, p, len);
		ADD(b, word(last));
	}
	uint16_t native = (uint16_t)fold((uint64_t)fold(a) + fold(b) + carry);
	return fold((uint64_t)sum + be16((const uint8_t *)&native));
}

size_t
ip_header_len(bool v6)
{
	return v6 ? IP_V6_HEADER : IP_V4_HEADER;
}

size_t
ip_put(uint8_t *out, const struct ip_ends *e, uint8_t next, uint8_t ttl, size_t payload_len)
{
	memset(out, 0, ip_header_len(e->v6));
	if (e->v6) {
		out[0] = 6 << 4;
		put16(out + 4, payload_len);
		out[6] = next;
		out[7] = ttl;
		memcpy(out + 8, e->from, 16);
		memcpy(out + 24, e->to, 16);
		return IP_V6_HEADER;
	}
	out[0] = 4 << 4 | IP_V4_HEADER / 4;
	put16(out + 2, IP_V4_HEADER + payload_len);
	out[6] = DF;
	out[8] = ttl;
	out[9] = next;
	memcpy(out + 12, e->from, 4);
	memcpy(out + 16, e->to, 4);
	put16(out + 10, ~ip_sum(0, out, IP_V4_HEADER) & 0xffff);
	return IP_V4_HEADER;
}

static int
parse_v6(const uint8_t *p, size_t len, struct ip *ip)
{
	if (len < IP_V6_HEADER)
		return -1;
	ip->ends.v6 = true;
	ip->header_len = IP_V6_HEADER;
	ip->len = (size_t)IP_V6_HEADER + be16(p + 4);
	ip->next = p[6];
	ip->ttl = p[7];
	memcpy(ip->ends.from, p + 8, 16);
	memcpy(ip->ends.to, p + 24, 16);
	return ip->len <= len ? 0 : -1;
}

int
ip_parse(const void *packet, size_t len, struct ip *ip)
{
	const uint8_t *p = packet;

	*ip = (struct ip){ .header_len = 0 };
	if (len && p[0] >> 4 == 6)
		return parse_v6(p, len, ip);
	if (len < IP_V4_HEADER || p[0] >> 4 != 4)
		return -1;
	ip->header_len = 4u * (p[0] & 15);
	ip->len = be16(p + 2);
	ip->ttl = p[8];
	ip->next = p[9];
	memcpy(ip->ends.from, p + 12, 4);
	memcpy(ip->ends.to, p + 16, 4);
	return ip->header_len >= IP_V4_HEADER && ip->header_len <= ip->len && ip->len <= len && !(be16(p + 6) & FRAGMENT) &&
	    ip_sum(0, p, ip->header_len) == 0xffff ? 0 : -1;
}

uint32_t
ip_udp_sum(const struct ip_ends *e)
{
	size_t n = e->v6 ? 16 : 4;

	return ip_sum(ip_sum(IP_NEXT_UDP, e->from, n), e->to, n);
}

void
ip_udp_put(uint8_t *out, const struct ip_ends *e, uint32_t sum, size_t len)
{
	size_t n = IP_UDP_HEADER + len;
	/* the length counts in the pseudo-header, too */
	uint16_t c = (uint16_t)~ip_sum(sum + e->from_port + e->to_port + 2 * (uint32_t)n, out + IP_UDP_HEADER, len);

	put16(out, e->from_port);
	put16(out + 2, e->to_port);
	put16(out + 4, n);
	put16(out + 6, c ? c : 0xffff);	/* 0 would say that there is none */
}

int
ip_udp_parse(const void *packet, size_t len, const uint32_t *sum, bool v6, struct ip_ends *e, size_t *payload_len)
{
	const uint8_t *p = packet;
	size_t n = len >= IP_UDP_HEADER ? be16(p + 4) : 0;

	if (n < IP_UDP_HEADER || n > len)
		return -1;
	e->from_port = be16(p);
	e->to_port = be16(p + 2);
	*payload_len = n - IP_UDP_HEADER;
	if (be16(p + 6) == 0)
		return v6 ? -1 : 0;	/* RFC 8200 8.1 */
	return !sum || ip_sum(*sum + (uint32_t)n, p, n) == 0xffff ? 0 : -1;
}
