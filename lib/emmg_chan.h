/*
 * lib/emmg_chan.h: one channel to a MUX as the EMMG sees it (TS 103 197 clause 6): channel_setup, data streams, bandwidth, tests, errors,
 * the forms of data_provision. Sans-I/O: connection events, messages and time go in; what is to happen comes out through the owner's
 * calls. State machines are the tables in emmg_chan.c.
 */
#ifndef GW_EMMG_CHAN_H
#define GW_EMMG_CHAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum emmg_format { EMMG_SECTION = 0, EMMG_TSPKT = 1, EMMG_BCAST = 2 };	/* section_TSpkt_flag */

struct emmg_chan_conf {
	const char *name;		/* for the log; lent */
	uint32_t client_id;
	uint16_t channel_id;		/* data_channel_id */
	uint8_t version;		/* protocol_version to begin with */
	uint8_t format;			/* enum emmg_format */
	bool strict;
	bool udp;			/* there is a UDP address for data */
};
struct emmg_stream_conf {
	uint16_t data_id;
	uint8_t data_type;		/* 0 EMM or LTKM, 1 private data */
	uint32_t bandwidth_bps;		/* asked for, and never exceeded */
};
struct emmg_datagram { const uint8_t *p; size_t len; };

struct emmg_chan_ops {
	/* 0: sent or queued; 1: and the queue is long; -1: it went wrong, the loss of the connection follows. Lent for the call. */
	int (*send)(void *self, const void *msg, size_t len);
	int (*send_udp)(void *self, const void *msg, size_t len);	/* 0; 1: not sent, the socket is full; -1: lost */
	/* The connection is to be closed: why, or NULL after an orderly end. Then emmg_chan_lost() as for any loss. */
	void (*drop)(void *self, const char *why);
	/* What the stream may send from now on, bit/s: at its set-up and whenever it changes; 0: nothing, until the next call. */
	void (*rate)(void *self, size_t stream, uint32_t bps);
};

struct emmg_chan;
struct emmg_chan *emmg_chan_new(const struct emmg_chan_conf *, const struct emmg_chan_ops *, void *self);
void emmg_chan_free(struct emmg_chan *);
/* The number that all calls use, from 0; data_stream_id is one more. Set up as soon as the channel is open. -1: out of memory or numbers. */
int emmg_chan_add(struct emmg_chan *, const struct emmg_stream_conf *, int64_t now_us);
/* Closes a stream in order; nothing is called for it any more, its number may be given out again. */
void emmg_chan_remove(struct emmg_chan *, size_t stream, int64_t now_us);
/* Another wish for bandwidth. */
void emmg_chan_bandwidth(struct emmg_chan *, size_t stream, uint32_t bps, int64_t now_us);
bool emmg_chan_idle(const struct emmg_chan *);	/* no stream is left, not even one that is being closed */

void emmg_chan_connected(struct emmg_chan *, const char *peer, int64_t now_us);
void emmg_chan_frame(struct emmg_chan *, const uint8_t *msg, size_t len, int64_t now_us);
void emmg_chan_lost(struct emmg_chan *, int64_t now_us);
/* Closes streams and channel in order, then drop(NULL). */
void emmg_chan_stop(struct emmg_chan *, int64_t now_us);
void emmg_chan_tick(struct emmg_chan *, int64_t now_us);
int64_t emmg_chan_next(const struct emmg_chan *);

/* Octets of a data_provision before its first datagram; each datagram takes four and its own. */
size_t emmg_chan_overhead(const struct emmg_chan *, bool udp);
bool emmg_chan_udp(const struct emmg_chan *);	/* data may go by UDP: there is an address, and the version knows it (2 and up) */
/* One data_provision with n datagrams. As send() or send_udp() say; -1, too, for a stream that is not up, and for what fits no message. */
int emmg_chan_data(struct emmg_chan *, size_t stream, const struct emmg_datagram *, size_t n, bool udp, int64_t now_us);

enum { EMMG_ERRORS = 32 };
struct emmg_chan_counts {
	uint64_t sent, received, refused, ignored, timeouts, channels;	/* messages; refused: errors we sent; channels: set up */
	struct { uint16_t status; uint64_t n; } errors[EMMG_ERRORS]; size_t nerrors;	/* errors we got; beyond EMMG_ERRORS codes they count as 0x7000 */
};
struct emmg_stream_view { const char *state; bool up, granted; uint16_t stream_id; uint32_t rate_bps, granted_bps; uint16_t last_error; uint64_t setups; };
const struct emmg_chan_counts *emmg_chan_counts(const struct emmg_chan *);
const char *emmg_chan_state(const struct emmg_chan *);
uint8_t emmg_chan_version(const struct emmg_chan *);	/* in use */
void emmg_chan_stream(const struct emmg_chan *, size_t stream, struct emmg_stream_view *);
/* NULL, or what a datagram of the format may not be. */
const char *emmg_datagram_fault(uint8_t format, const uint8_t *p, size_t len);
/* Both machines as golden text (tests). */
size_t emmg_chan_print_machines(char *out, size_t cap);
#endif
