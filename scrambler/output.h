/*
 * scrambler/output.h: the sending sockets of a worker. The first so many destinations have a connected socket each, which is quicker; the
 * others share one for each way of sending (family, interface, TTL, DSCP, source). Packets of one destination and equal size go to the
 * kernel as one where it can part them (UDP_SEGMENT).
 */
#ifndef SCR_OUTPUT_H
#define SCR_OUTPUT_H
#include "lib/addr.h"
#include "lib/rawip.h"
#include "scrambler/batch.h"

enum { SCR_CONNECTED = 256, SCR_SEGMENTS = 64, SCR_DATAGRAM = 65507 };	/* SCR_DATAGRAM: octets of all segments together */

struct scr_outs;
struct scr_outs *scr_outs_new(bool gso);	/* NULL: no memory */
void scr_outs_free(struct scr_outs *);		/* quiet on NULL */
/* Opening and closing beside the worker that sends: an out must be in no flow when it is closed. */
struct scr_out *scr_out_open(struct scr_outs *, const struct gw_addr *, struct gw_err *);
/* ESP packets: by a raw socket, `source` as in lib/rawip.h; or into a capture, between the two. */
struct scr_out *scr_out_open_raw(struct scr_outs *, const struct gw_addr *, const char *source, struct gw_err *);
struct scr_out *scr_out_open_pcap(struct scr_outs *, const struct gw_addr *, const struct sockaddr_storage *from, struct gw_pcap *, struct gw_err *);
void scr_out_close(struct scr_out *);		/* quiet on NULL */
/* What scr_batch_ops.send does: never waits; what cannot go is counted with its flow. */
void scr_outs_send(struct scr_outs *, const struct scr_packet *, size_t n);
/* How many of the packets, by their lengths, may be one message: all but the last of one length, the last no longer. n and result: 1... */
size_t scr_gso_run(const size_t *len, size_t n);
#endif
