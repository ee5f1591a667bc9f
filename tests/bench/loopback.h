/*
 * tests/bench/loopback.h: packets from one socket to another on the loopback interface, for benches that count what forwarding costs: they
 * fill the forwarder's socket, let it work, drain what it sent; only the work is timed. All of it happens in one thread on one CPU, so
 * that nothing waits and no packet meets another core; a send has the delivery to the next socket in it.
 *
 * And the bare loops: what the kernel and the cipher library cost by themselves, with everything prepared that can be.
 */
#ifndef TESTS_BENCH_LOOPBACK_H
#define TESTS_BENCH_LOOPBACK_H
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tests/bench/ceiling.h"

enum { LO_ROOM = 2048, LO_BATCH = 64 };

struct lo_packet { uint8_t p[LO_ROOM]; size_t len; struct sockaddr_in to; };

int lo_feeder(void);			/* a socket to send from, to groups, too, by the loopback interface */
int lo_sink(uint16_t *port);		/* a socket at any address and the port it was given */
int lo_esp_sink(uint32_t at);		/* one for IP protocol 50 at this address (host order); -1: not allowed */
/* Puts n of them into the sockets they are for; exits when the kernel does not take them. */
void lo_fill(int feeder, struct lo_packet *, size_t n);
/* Takes out all there is; how many. each may be NULL; p is its own to change. */
size_t lo_drain(int sink, void (*each)(void *self, uint8_t *p, size_t len), void *self);

/* A bare forwarder. */
/*
 * Connected sendmmsg; 32 packets in a message of UDP_SEGMENT; raw ESP, connected sendmmsg. LO_GROUPS: connected sendmmsg, but what comes is sent
 * to a group, and the kernel says to which; LO_MANY: so it is, to LO_STREAMS groups in turn, and goes out to as many addresses in turn.
 */
enum lo_out { LO_UDP, LO_GSO, LO_RAW, LO_GROUPS, LO_MANY };
enum lo_part { LO_IN = 1, LO_CRYPT = 2, LO_OUT = 4, LO_ALL = 7 };
enum { LO_STREAMS = 1000 };
struct lo_bare {
	enum lo_out out; enum ceiling_shape shape;
	size_t at, len;			/* where in the slot a packet is received; of what goes out */
	int in, to, sink; uint16_t port, sink_port;
	unsigned fed, sent;		/* LO_MANY: whose turn it is */
};
/* 0, or -1: the system does not allow it (LO_RAW). */
int lo_bare_open(struct lo_bare *, enum lo_out, enum ceiling_shape);
/* Where the next packet is to be put for it. */
struct sockaddr_in lo_bare_feed(struct lo_bare *);
/* Nanoseconds of CPU for `packets` (a multiple of 64, at most 256), as many as there are in its socket or (LO_OUT alone) none. */
double lo_bare_run(struct lo_bare *, struct ceiling *, int parts, unsigned packets);
#endif
