/* lib/udp.h: UDP sockets for media and key streams: unicast and multicast, IPv4 and IPv6, batches. Not libuv's: readiness by uv_poll, own recvmmsg/sendmmsg. */
#ifndef GW_UDP_H
#define GW_UDP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "lib/addr.h"
#include "lib/err.h"

enum { GW_UDP_BATCH = 64, GW_UDP_MTU = 9216 };	/* packets a call; bytes a packet may have (jumbo frame) */

/* A non-blocking socket bound to the address (joins the group if it is multicast, from its source alone if it names one; large SO_RCVBUF). fd or -1. */
int gw_udp_receiver(const struct gw_addr *, struct gw_err *);
/* A non-blocking socket connected to the address (dscp, source; multicast: interface, TTL, loop on). fd or -1. */
int gw_udp_sender(const struct gw_addr *, struct gw_err *);

/*
 * For those that serve many streams by few sockets:
 * - a receiver of any multicast group on the port of the address, or of its unicast address; nothing is joined yet, and only what this
 *   socket joined is delivered. Datagrams come with their destination (IP_PKTINFO, IPV6_PKTINFO);
 * - the group of an address, from its `source` alone if it has one. 0, or -1 with errno: ENOBUFS, ENOMEM: no room on this socket;
 * - a sender that is not connected: `to` is where each datagram goes.
 */
int gw_udp_port(const struct gw_addr *, struct gw_err *);
int gw_udp_join(int fd, const struct gw_addr *);
int gw_udp_leave(int fd, const struct gw_addr *);
int gw_udp_all_groups(int fd, const struct gw_addr *, bool all);	/* of that family: what any socket of this host joined, on its port; 0, or -1 with errno */
int gw_udp_open_sender(const struct gw_addr *, struct sockaddr_storage *to, socklen_t *to_len, struct gw_err *);

struct gw_packet { uint8_t *p; size_t len; };	/* p points into the caller's buffer; room before and after is the caller's */
/* Up to n datagrams, each into pk[i].p with room for cap bytes; sets pk[i].len. Count, 0 when there is none, -1 with errno. Cut datagrams have len 0. */
int gw_udp_recv(int fd, struct gw_packet *pk, size_t n, size_t cap);
/* The same, and from[i] gets whom each came from. */
int gw_udp_recv_from(int fd, struct gw_packet *pk, struct sockaddr_storage *from, size_t n, size_t cap);
/* Sends n datagrams on a connected socket; those sent (a full socket buffer ends the batch). -1 with errno when the first fails. */
int gw_udp_send(int fd, const struct gw_packet *pk, size_t n);
#endif
