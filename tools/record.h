/*
 * tools/record.h: messages as a capture: a pcapng file of Ethernet frames whose TCP connections have handshakes, confirmations and ends,
 * so that whatever reads captures finds nothing to complain of. What carried the messages is made up; times and octets are real.
 */
#ifndef TOOLS_RECORD_H
#define TOOLS_RECORD_H
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "proto/ip.h"

struct record;
/* program: who writes, kept in the file. NULL with *err: it cannot be written (GW_ESYS). */
struct record *record_open(const char *path, const char *program, struct gw_err *);
/* The rest is written; 0, or -1 with *err: not all of it is in the file. */
int record_close(struct record *, struct gw_err *);

/* A TCP connection, opened by ends->from; storage is the caller's. at_ns: nanoseconds since 1970, here and below. */
struct record_conn { struct ip_ends ends; uint32_t seq[2]; };
void record_begin(struct record *, struct record_conn *, const struct ip_ends *, int64_t at_ns);
/* Octets that one end sends: side 0: ends.from. They are cut into segments. */
void record_octets(struct record *, struct record_conn *, int side, const void *, size_t len, int64_t at_ns);
void record_end(struct record *, struct record_conn *, int side, int64_t at_ns);	/* closed by that side first */
/* A datagram of at most 65507 octets, in fragments when the frame has no room for it. */
void record_datagram(struct record *, const struct ip_ends *, const void *, size_t len, int64_t at_ns);
uint64_t record_frames(const struct record *);
#endif
