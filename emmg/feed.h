/* emmg/feed.h: one stream's data: its source, its pace, and how datagrams are packed into data_provisions. Sans-I/O. */
#ifndef EMMG_FEED_H
#define EMMG_FEED_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/emmg_chan.h"
#include "lib/emmg_pace.h"
#include "emmg/source.h"

enum { EMMG_BATCH = 1000 };	/* datagrams in one message */

struct emmg_feed_conf {
	uint8_t format;
	unsigned datagrams;	/* in one message, 1..EMMG_BATCH */
	size_t bytes;		/* of one message, header included; a datagram that alone is longer travels alone */
	size_t udp_bytes;	/* of one UDP message: the path MTU without IP and UDP headers; what is longer goes by TCP */
};
struct emmg_feed {
	struct emmg_chan *chan;
	size_t stream;
	struct emmg_source *source;
	struct emmg_feed_conf conf;
	struct emmg_pace pace;
	uint64_t messages, udp_messages, datagrams, bytes, lost;	/* bytes: of datagrams; lost: by a socket or a connection that failed */
	bool ended;		/* the source has ended, and all of it was sent */
	/* the message that waits for its time, or for room in the socket */
	struct emmg_datagram held[EMMG_BATCH]; size_t n, held_bytes;
	uint64_t held_bits;
	uint8_t *room;
};

int emmg_feed_init(struct emmg_feed *, struct emmg_chan *, size_t stream, struct emmg_source *, const struct emmg_feed_conf *);	/* -1: out of memory */
void emmg_feed_fini(struct emmg_feed *);	/* not the source */
/* Sends what is due; tcp false: the link's queue is full, nothing may go there. When it wants the time again; INT64_MAX: not by time. */
int64_t emmg_feed_run(struct emmg_feed *, bool tcp, int64_t now_us);
/* From the channel: what may be sent now. */
void emmg_feed_rate(struct emmg_feed *, uint32_t bps, int64_t now_us);
#endif
