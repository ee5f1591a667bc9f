/*
 * lib/rawip.h: ESP as IP protocol 50: raw sockets for it (CAP_NET_RAW), and captures of what one would have sent. Batches as lib/udp.h
 * has them: a sender's go out by gw_udp_send, which works on any connected socket.
 */
#ifndef GW_RAWIP_H
#define GW_RAWIP_H
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "lib/addr.h"
#include "lib/err.h"
#include "lib/udp.h"

/*
 * A non-blocking socket connected to the address (its port does not count; dscp, source; multicast: interface, TTL, loop on). The kernel
 * writes the IP header. source: a numeric address of this machine that it sends from, of the address's family; NULL: the address says.
 * *from gets the one that it sends from, with the address's port: what UDP checksums within are made of. fd or -1.
 */
int gw_rawip_sender(const struct gw_addr *, const char *source, struct sockaddr_storage *from, struct gw_err *);
/* The address that the kernel would send from, without a socket of that kind: for what goes out in UDP or a file. 0 or -1. */
int gw_rawip_source(const struct gw_addr *, const char *source, struct sockaddr_storage *from, struct gw_err *);

/* A non-blocking socket bound to the address (joins the group if it is multicast, from its source alone if it names one). fd or -1. */
int gw_rawip_receiver(const struct gw_addr *, struct gw_err *);
/*
 * As gw_udp_recv, with room for cap bytes that IPv4 headers need some of, too: pk[i].p is moved to what follows the IP header. What
 * was cut or has no whole header has len 0. family: the socket's. from[i] gets whom each came from; may be NULL.
 */
int gw_rawip_recv(int fd, int family, struct gw_packet *pk, struct sockaddr_storage *from, size_t n, size_t cap);

/* A file of captured IP packets (libpcap's format, DLT_RAW), written in large pieces. */
struct gw_pcap;
struct gw_pcap *gw_pcap_new(const char *path, struct gw_err *);	/* the file is made anew, mode 0600. NULL: with *err */
/*
 * Puts an ESP packet with an IP header in front into the buffer: TTL, DF; between the two, of one family. utc_us: when. Writes when the
 * buffer is full: 0, or -1 with errno when that failed; what was in it is lost then.
 */
int gw_pcap_esp(struct gw_pcap *, const struct sockaddr_storage *from, const struct sockaddr_storage *to, uint8_t ttl, int64_t utc_us,
    const void *esp, size_t len);
int gw_pcap_flush(struct gw_pcap *);	/* 0, or -1 with errno */
void gw_pcap_free(struct gw_pcap *);	/* flushes */
#endif
