/*
 * lib/mux_intake.h: EMMGs and PDGs as the mux sees them, sans-I/O (TS 103 197 clause 6): whole messages and the time go in, answers,
 * datagrams for the air and notes for the log come out through a door. A connection carries one channel, a channel any number of
 * streams. Each stream has its share of the bandwidth and a queue of its own: none can starve another.
 */
#ifndef GW_MUX_INTAKE_H
#define GW_MUX_INTAKE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include "lib/fsm.h"
#include "lib/log.h"
#include "lib/mux_map.h"
#include "proto/emmg_mux.h"

struct mux_note {		/* worth a log line: what, about which message, why */
	enum gw_level level;
	const char *event;
	const char *message;	/* its name; NULL: none */
	int64_t client_id;
	int channel, stream;	/* identifiers, as the client_id; -1: none */
	uint16_t status;	/* error_status sent, or received with event "peer_error"; 0: none */
	uint16_t param;		/* parameter_type at fault; 0: none */
	size_t offset;
	const char *why;
};

struct mux_door {
	void (*send)(void *self, const uint8_t *msg, size_t len);	/* self: the connection's */
	void (*close)(void *self);	/* what was sent goes out first */
	void (*note)(void *self, const struct mux_note *);
	/* The way to the air of one stream; NULL with why: GW_ECONF if the format cannot go there. owner: the intake's. */
	void *(*open)(void *owner, const struct mux_route *, uint8_t section_TSpkt_flag, struct gw_err *);
	void (*shut)(void *owner, void *out);
	void (*air)(void *owner, void *out, const uint8_t *datagram, size_t len);
	/*
	 * NULL; or a whole data_provision, over TCP or UDP, goes there in place of its datagrams to air: false, there is no room for it. Its
	 * datagrams are of the stream's format; the share of the stream is told, not enforced.
	 */
	bool (*provide)(void *owner, void *out, const struct sim_msg *);
};

TAILQ_HEAD(mux_streams, mux_stream);
TAILQ_HEAD(mux_channels, mux_channel);

/* No message, not data_provision, of no stream, with a fault; datagrams of it beyond the stream's share. */
enum mux_udp_drop { MUX_UDP_MALFORMED, MUX_UDP_NOT_DATA, MUX_UDP_UNKNOWN, MUX_UDP_REFUSED, MUX_UDP_OVER_RATE, MUX_UDP_DROPS };
extern const char *const mux_udp_drops[MUX_UDP_DROPS];
enum { MUX_STREAM_BUCKETS = 4096 };

/* What all connections share. Zeroed, then filled by the server; the last block is the engine's, by mux_intake_init(). */
struct mux_intake {
	const struct mux_door *door;
	void *owner;
	const struct mux_map *map;
	uint64_t total_bps;
	struct he_mux limits;
	unsigned silence_ms;		/* a channel silent so long is probed with channel_test; 0: never */
	unsigned patience_ms;		/* how long for its answer, and how long a connection may stay without a channel; 0: for ever */

	struct mux_channels channels;
	struct mux_streams streams, busy;
	LIST_HEAD(, mux_stream) by_data[MUX_STREAM_BUCKETS];
	unsigned nchannels, nstreams;	/* open */
	uint64_t want_bps;		/* of all streams together */
	bool tight;			/* more than there is */
	uint64_t udp_messages, udp_drops[MUX_UDP_DROPS];
	struct sim_msg in;		/* the message at hand: 16 KiB that no stack has to carry */
};

enum mux_channel_state { MUX_NO_CHANNEL, MUX_OPEN };
struct mux_channel {		/* embedded in the connection */
	TAILQ_ENTRY(mux_channel) all;
	struct mux_intake *e;
	void *self;
	struct gw_state state;
	uint32_t client_id;
	uint16_t id;
	uint8_t version;		/* that of channel_setup: mirrored in every message */
	uint8_t flag;			/* section_TSpkt_flag */
	unsigned nstreams, tolerated;	/* tolerated: a bit for each deviation that was named */
	int64_t now_us, heard_us, probed_us, closes_us;	/* 0: not probed, not closing */
	struct mux_stream **pages[256];
};

extern const struct gw_fsm mux_channel_fsm;

void mux_intake_init(struct mux_intake *);
void mux_intake_fini(struct mux_intake *);	/* after its channels */
/* One UDP datagram; nothing is ever answered by UDP. */
void mux_intake_udp(struct mux_intake *, const uint8_t *msg, size_t len, int64_t now_us);
/* Sends what has waited. When to come again, monotonic us; INT64_MAX: nothing waits. */
int64_t mux_intake_run(struct mux_intake *, int64_t now_us);
/* The map, the total or the limits have changed: streams follow, those without a place any more end. */
void mux_intake_revise(struct mux_intake *, int64_t now_us);
/* The time, for rates and for streams that only UDP feeds; a few times a second. */
void mux_intake_time(struct mux_intake *, int64_t now_us);

/* To the EMMG of a stream, as stream_error: what became of its data later. Quiet when nobody has it over TCP. */
void mux_intake_complain(struct mux_intake *, uint32_t client_id, uint16_t data_id, uint16_t status, const char *why);

void mux_channel_init(struct mux_channel *, struct mux_intake *, void *self, int64_t now_us);
void mux_channel_fini(struct mux_channel *);	/* the connection is lost: channel and streams with it */
void mux_channel_feed(struct mux_channel *, const uint8_t *msg, size_t len, int64_t now_us);
void mux_channel_time(struct mux_channel *, int64_t now_us);
/* A newcomer that there is no room for: the answer (0x0007) to its first message; msg NULL: it has said nothing. */
void mux_channel_turn_away(struct mux_intake *, void *self, const uint8_t *msg, size_t len);
#endif
