/*
 * lib/scs_kms.h: a KMS as the SCS sees it: a list of ECMGs in order of preference, on each of them as many channels as its streams
 * need, and which of them is asked. Sans-I/O: connections' events, questions and time go in; dialling, messages and answers come out.
 *
 * The preferred ECMG is asked. Spares are kept open and tested (warm), or connected when those before them fail (cold). A question
 * without an answer is put to the next ECMG as soon as its connection ends, it is refused, it times out, or hedge_us have passed;
 * the first answer counts. A preferred ECMG that fails is left at once, and gone back to when it has been well for return_us.
 */
#ifndef GW_SCS_KMS_H
#define GW_SCS_KMS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/scs_chan.h"

struct scs_kms_conf {
	struct scs_chan_conf chan;	/* of every channel, but for its channel_id */
	size_t necmg;			/* 1..HE_ECMGS */
	bool cold, stay;		/* stay: never gone back */
	int64_t hedge_us, return_us;	/* hedge 0: none */
};
struct scs_line;			/* one connection and its channel */
struct scs_kms_stream;

struct scs_kms_ops {
	/* A connection to an ECMG, kept up until hang_up(): what the calls below get as `conn`. NULL: out of memory. */
	void *(*dial)(void *self, struct scs_line *, size_t ecmg);
	void (*hang_up)(void *conn);	/* no further attempt; the line is no more */
	void (*send)(void *conn, const void *msg, size_t len);
	void (*drop)(void *conn, const char *why, bool at_once);	/* as scs_chan_ops.drop */
	/* An ECM_channel_id that no other channel has, or the fixed one, from 0. -1: none is left. */
	int (*take_id)(void *self, int fixed);
	void (*free_id)(void *self, uint16_t id);
	void (*stopped)(void *self);	/* after scs_kms_stop(): the last line is gone */
	/* The stream may be asked, and the terms that hold for it now; again when they, or the ECMG, change. */
	void (*stream_up)(void *owner, const struct scs_terms *);
	void (*stream_down)(void *owner);
	void (*ecm)(void *owner, int64_t cp, const uint8_t *datagram, size_t len, const struct scs_terms *);	/* lent */
	void (*refused)(void *owner, int64_t cp);	/* by all that could be asked, or timed out there: scs_kms_trouble() */
	bool (*key)(void *owner, int64_t cp, struct scs_key *);
	uint16_t (*nominal)(void *owner, const struct scs_terms *);
	size_t (*criteria)(void *owner, int64_t cp, const uint8_t **);
};

struct scs_kms;
struct scs_kms *scs_kms_new(const struct scs_kms_conf *, const struct scs_kms_ops *, void *self);
void scs_kms_start(struct scs_kms *, int64_t now_us);	/* dials */
/* Streams and channels are closed in order, then stopped(). No owner is called any more. */
void scs_kms_stop(struct scs_kms *, int64_t now_us);
void scs_kms_free(struct scs_kms *);

struct scs_kms_stream *scs_kms_join(struct scs_kms *, const struct scs_chan_stream *, void *owner, int64_t now_us);	/* NULL: out of memory */
void scs_kms_leave(struct scs_kms_stream *, int64_t now_us);
/* Asks for the ECM of a CP: ends in ecm(), refused() or stream_down(). */
void scs_kms_ask(struct scs_kms_stream *, int64_t cp, int64_t duration_us, int64_t now_us);

void scs_line_connected(struct scs_line *, const char *peer, int64_t now_us);
void scs_line_frame(struct scs_line *, const uint8_t *msg, size_t len, int64_t now_us);
void scs_line_lost(struct scs_line *, int64_t now_us);
void scs_kms_tick(struct scs_kms *, int64_t now_us);
int64_t scs_kms_next(const struct scs_kms *);

/* For the status page. */
struct scs_ecmg_view { const char *state; bool preferred, alarm; size_t lines, open, streams, streams_up; };
struct scs_kms_view {
	size_t preferred, streams, dead;	/* dead: ECMGs in alarm */
	struct scs_chan_counts counts;	/* of all its channels, those that are over, too */
	uint64_t switches, hedged, late;	/* late: answers that another had given before */
	/* the latest loss of a connection with questions outstanding: put to another ECMG, answered, and after how long the last */
	struct { uint64_t n, asked, answered; int64_t us; } takeover;
};
void scs_kms_view(const struct scs_kms *, struct scs_kms_view *);
void scs_kms_ecmg_view(const struct scs_kms *, size_t ecmg, struct scs_ecmg_view *);
const struct scs_chan *scs_kms_chan(const struct scs_kms *, size_t ecmg, size_t i);	/* NULL: there are fewer */
struct scs_stream_view { const char *state; size_t ecmg; bool up; int64_t latency_us; uint64_t provisioned, answered; };	/* crypto-periods */
void scs_kms_stream_view(const struct scs_kms_stream *, struct scs_stream_view *);
/* What went wrong last with the stream since it was asked, else with the KMS since a channel was open; text "": nothing. */
const struct scs_trouble *scs_kms_trouble(const struct scs_kms_stream *);
size_t scs_kms_print_machines(char *out, size_t cap);
#endif
