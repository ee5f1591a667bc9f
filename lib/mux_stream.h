/*
 * lib/mux_stream.h: the streams of the intake: their shares of the bandwidth, a token bucket, a queue and the repetitions of each.
 * Shares are max-min fair: who wants less than an equal part gets what it wants, the others part the rest evenly.
 */
#ifndef GW_MUX_STREAM_H
#define GW_MUX_STREAM_H
#include "lib/mux_intake.h"

enum { MUX_QUEUE_BYTES = 256 << 10, MUX_HELD_BYTES = 1 << 20, MUX_TICK_US = 5000 };

struct mux_unit;		/* a datagram that waits, for its turn or for its next repetition */
STAILQ_HEAD(mux_units, mux_unit);
struct mux_stream {
	LIST_ENTRY(mux_stream) chain;		/* by (client_id, data_id) */
	TAILQ_ENTRY(mux_stream) all, busy;
	struct mux_channel *channel;		/* NULL: known by configuration, fed by UDP alone */
	uint16_t id;
	bool numbered;				/* its stream_setup had a data_id */
	uint8_t data_type, flag;
	struct mux_route route;			/* of the map, as of now */
	void *out;
	bool asked, silent, is_busy;		/* stream_BW_request was used; a change of share is not told; units wait */
	uint16_t asked_kbps, told_kbps;
	uint64_t want_bps, grant_bps;		/* on air, repetitions included */
	int64_t tokens, filled_us;		/* 1e-6 bit */
	struct mux_units waiting, held;		/* for tokens; for their next repetition, by time */
	size_t nwaiting, nheld;			/* octets */
	int64_t told_us, heard_us;		/* when its data were last complained of; when data last came */
	uint64_t in, sent, dropped, bits;	/* datagrams, transmissions, datagrams; bits on air */
	uint64_t rate_bps, rate_bits; int64_t rate_us;	/* of the last second, and how that is found */
};

/* channel: NULL for UDP alone. NULL with why. */
struct mux_stream *mux_stream_new(struct mux_intake *, struct mux_channel *, const struct mux_route *, uint8_t data_type, uint8_t flag,
    int64_t now_us, struct gw_err *);
void mux_stream_end(struct mux_intake *, struct mux_stream *);
struct mux_stream *mux_stream_find(const struct mux_intake *, uint32_t client_id, uint16_t data_id);
/* One datagram of its format: on air now, or in the queue; false: the queue is full, it is lost. */
bool mux_stream_offer(struct mux_intake *, struct mux_stream *, const uint8_t *datagram, size_t len, int64_t now_us);
/* One data_provision to the door's provide(); false: it is lost. */
bool mux_stream_pass(struct mux_intake *, struct mux_stream *, const struct sim_msg *, int64_t now_us);
void mux_stream_ask(struct mux_intake *, struct mux_stream *, uint16_t kbps);	/* stream_BW_request */
uint16_t mux_stream_kbps(const struct mux_stream *);	/* what its EMMG may send */
/* Another route, or another total: 0, or -1 with why when the new place cannot be had; the stream then has its old one. */
int mux_stream_reroute(struct mux_intake *, struct mux_stream *, const struct mux_route *, struct gw_err *);
void mux_stream_share(struct mux_intake *);	/* the total has changed */
/* channel.c's: the share of a stream that has asked is another now. */
void mux_channel_tell(struct mux_stream *);
#endif
