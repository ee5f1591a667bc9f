/*
 * tools/scrub.h: captures that can be shared: frames go through decode's own reassembly and recognition, and come out with nothing in their
 * payloads but the messages that were recognised, their values replaced by keyed pseudonyms. A frame is written when it comes, empty; what it
 * carries of a message is filled in when that message is whole: the same octets wherever the stream had them (sent again, overlapping, split).
 * Memory is bounded as decode's is.
 */
#ifndef TOOLS_SCRUB_H
#define TOOLS_SCRUB_H
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "tools/dec_msg.h"
#include "tools/scrub_msg.h"

/* ---- where it goes: a file that can be written again behind its end; tools/scrub_out.c ---- */
struct scrub_out;
struct scrub_out *scrub_out_new(int fd);	/* fd -1: nowhere, and nothing is kept. NULL: no memory */
int scrub_out_end(struct scrub_out *, struct gw_err *);	/* all is in the file: 0; or -1 with *err (GW_ESYS) */
void scrub_out_free(struct scrub_out *);
uint64_t scrub_out_at(const struct scrub_out *);	/* octets so far */
void scrub_out_put(struct scrub_out *, const void *, size_t);
void scrub_out_read(struct scrub_out *, uint64_t at, void *, size_t);
void scrub_out_write(struct scrub_out *, uint64_t at, const void *, size_t);

/* ---- frames; tools/scrub.c ---- */
struct scrub_counts {
	uint64_t frames, messages, partial, sessions, dropped;
	uint64_t payload, filled;	/* octets of TCP and UDP, and of these what was filled in: the rest is blank */
	uint64_t other, broken, fragments;	/* frames: neither TCP nor UDP; broken or cut in their headers; fragments */
	uint64_t blocks, options;	/* of pcapng, left out */
};
/* Connections that carry SimulCrypt, by the order in which dec_tcp meets them: from one run over a capture to the next one over it. */
struct scrub_seen { uint8_t *map; size_t octets; uint64_t n; };
struct scrub;
/*
 * pen and out are lent; learn (may be NULL) is filled; only (may be NULL): frames of other connections, and what is neither TCP nor UDP, are
 * left out. NULL: no memory.
 */
struct scrub *scrub_new(struct scrub_pen *, struct scrub_out *, const struct dec_msg_conf *, struct scrub_seen *learn, const struct scrub_seen *only);
void scrub_free(struct scrub *);
/*
 * One frame: head and tail (of the record, as they are to be) stand before and behind it. link: a DLT_ of libpcap, -1: of none that is known.
 * The frame has caplen octets in the file, of which frame[0..there) count.
 */
enum { SCRUB_FRAME = 1 << 18 };	/* most octets of a frame: libpcap's own limit */
struct scrub_record { const void *head; size_t head_len; const void *tail; size_t tail_len; size_t caplen; };
void scrub_record(struct scrub *, const struct scrub_record *, int link, const uint8_t *frame, size_t there, size_t wire_len, int64_t at_ns);
void scrub_flush(struct scrub *);	/* no more will come */
struct scrub_counts *scrub_count(struct scrub *);

/* ---- the file; tools/scrub_cap.c ---- */
struct scrub_source { size_t (*read)(void *self, void *, size_t); void *self; };	/* fewer octets than asked for: the end */
/*
 * A pcap or pcapng file, all of it, into the scrub's out. Of pcapng stay: sections, interfaces (link type, snap length, resolution, offset,
 * speed, FCS), packets (flags, drop counts), statistics. 0; 1: it breaks off, as *err says; -1 with *err: it is no capture that is known here.
 */
int scrub_capture(struct scrub *, struct scrub_out *, const struct scrub_source *, const char *name, const volatile sig_atomic_t *stop,
    void (*progress)(uint64_t frames), struct gw_err *);
#endif
