/*
 * tools/dec_net.h: captured frames to TCP segments and UDP datagrams: Ethernet, Linux cooked v1 and v2, raw IP, loopback; VLAN tags (also
 * stacked); IPv4 and IPv6 with extension headers; fragments put together. No I/O; bounded memory; total on any octets.
 */
#ifndef TOOLS_DEC_NET_H
#define TOOLS_DEC_NET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/ip.h"

enum { DEC_FIN = 1, DEC_SYN = 2, DEC_RST = 4, DEC_ACK = 16 };
struct dec_segment {
	struct ip_ends ends;
	uint32_t seq, ack;		/* TCP */
	uint8_t flags;			/* TCP: DEC_* */
	const uint8_t *p; size_t len;	/* payload, lent until the next call */
	const uint8_t *header;		/* of TCP or UDP, whole up to p; lent */
	size_t cut;			/* octets that the packet had and the capture has not */
};
/* What a frame was: not IP, or neither TCP nor UDP; a part of a datagram that is not whole yet; broken, or cut within its headers. */
enum dec_frame { DEC_OTHER, DEC_TCP, DEC_UDP, DEC_FRAGMENT, DEC_BROKEN };

/* Datagrams whose fragments are waited for, the oldest of which gives way: at most DEC_FRAGMENTED of 64 KiB. */
enum { DEC_FRAGMENTED = 32 };
struct dec_net;
struct dec_net *dec_net_new(void);	/* NULL: no memory */
void dec_net_free(struct dec_net *);
uint64_t dec_net_torn(const struct dec_net *);	/* datagrams of which fragments are missing: those that gave way, and those that wait */
bool dec_net_knows(int link);		/* a DLT_ of libpcap */
/* One frame of caplen octets, of the wire_len (>= caplen) that it had. Checksums are not verified: captures of a sender lack them. */
enum dec_frame dec_net_read(struct dec_net *, int link, const void *frame, size_t caplen, size_t wire_len, struct dec_segment *);
#endif
