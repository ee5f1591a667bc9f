/*
 * mux/ts.h: one transport stream (ISO/IEC 13818-1), sans-I/O: sections and packets of several PIDs go in, datagrams of up to seven
 * packets come out. PIDs and continuity counters are ours, and there are no null packets: it is as fast as what there is to send.
 */
#ifndef MUX_TS_H
#define MUX_TS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/ts.h"

enum { MUX_TS_PACKET = TS_PACKET, MUX_TS_BURST = 7 };	/* 7 packets fit an Ethernet frame */

struct mux_ts;
struct mux_ts_pid;
/* emit: a datagram, lent for the call. */
struct mux_ts *mux_ts_new(void (*emit)(void *self, const uint8_t *datagram, size_t len), void *self);
void mux_ts_free(struct mux_ts *);
/* Found, or made; NULL: out of memory. It lives as long as the stream: whoever comes back to it goes on with its continuity counter. */
struct mux_ts_pid *mux_ts_pid(struct mux_ts *, uint16_t pid);
/* A whole section; several share packets (pointer_field, 2.4.4) until the next flush. */
void mux_ts_section(struct mux_ts *, struct mux_ts_pid *, const uint8_t *section, size_t len);
/* Whole packets, whatever PID and continuity counter they have. */
void mux_ts_packets(struct mux_ts *, struct mux_ts_pid *, const uint8_t *packets, size_t len);
/* Something waits for a packet or a datagram to fill. */
bool mux_ts_waits(const struct mux_ts *);
void mux_ts_flush(struct mux_ts *);	/* it goes now */
#endif
