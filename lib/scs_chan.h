/*
 * lib/scs_chan.h: one ECMG channel as the SCS sees it (TS 103 197 clause 5): channel_setup, the streams put on it, CW_provisions with
 * their windows and priming, tests, errors. Sans-I/O: connection events, messages and time go in; what is to happen comes out
 * through the owner's calls. State machines are the tables in scs_chan.c. One loop thread: all channels share one pair of buffers, and
 * no call of the owner may end in scs_chan_frame() of any channel.
 */
#ifndef GW_SCS_CHAN_H
#define GW_SCS_CHAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/headend.h"
#include "lib/scs_terms.h"

struct scs_chan_conf {
	const char *kms;		/* for the log; copied */
	uint32_t super_cas_id;
	uint16_t channel_id;
	uint8_t version;		/* protocol_version to begin with */
	bool bcast_parameters;		/* traffic_protection and key_identifier go with the CWs */
	bool strict;
	struct he_manners manners;
	int64_t test_us;		/* after so long a silence channel_test, and stream_test of some; 0: 10 s */
};
struct scs_chan_stream {		/* copied */
	const char *unit;		/* for the log */
	uint16_t ecm_id;
	uint8_t protection;		/* traffic_protection_protocol; 255: none */
	bool authenticated;
};
struct scs_key {
	const uint8_t *material; size_t len;
	uint8_t id[8]; size_t id_len;
	const uint8_t *encryption; size_t encryption_len;	/* CW_encryption: the material is not in clear; 0: it is */
};
/* Why it went wrong: error_status of the ECMG, 0 when it said none; its error_information, else words of ours. */
struct scs_trouble { uint16_t status; char text[160]; };

/* Streams by number. In none of these calls may the same stream of the channel be asked, removed or stopped. */
struct scs_chan_ops {
	void (*send)(void *self, const void *msg, size_t len);	/* lent for the call, cleansed after it */
	/* The connection is to be closed: why, or NULL after an orderly end. Then scs_chan_lost() as for any loss. at_once: the next
	 * one need not wait, something will be different. */
	void (*drop)(void *self, const char *why, bool at_once);
	uint16_t (*another_id)(void *self, uint16_t taken);	/* the ECMG has this ECM_channel_id in use; the same: there is no other */
	void (*opened)(void *self, const struct scs_terms *);
	void (*stream_up)(void *self, size_t stream, const struct scs_terms *);
	void (*stream_down)(void *self, size_t stream);
	/* It could not be set up, and is tried again later. full: the channel has no room for it (0x0009), or says so (max_streams). */
	void (*setup_failed)(void *self, size_t stream, bool full);
	void (*ecm)(void *self, size_t stream, int64_t cp, const uint8_t *datagram, size_t len);	/* lent */
	void (*refused)(void *self, size_t stream, int64_t cp, bool timed_out);
	bool (*key)(void *self, size_t stream, int64_t cp, struct scs_key *);	/* false: there is no such CP */
	uint16_t (*nominal)(void *self, size_t stream, const struct scs_terms *);	/* nominal_CP_duration under these terms, x 100 ms */
	size_t (*criteria)(void *self, size_t stream, int64_t cp, const uint8_t **);	/* access criteria of a CP; 0: none */
};

struct scs_chan;
struct scs_chan *scs_chan_new(const struct scs_chan_conf *, const struct scs_chan_ops *, void *self);
void scs_chan_free(struct scs_chan *);
/* The number that all calls use, from 0; set up at once when the channel is open. -1: out of memory or numbers. */
int scs_chan_add(struct scs_chan *, const struct scs_chan_stream *, int64_t now_us);
/* Closes a stream in order; nothing is called for it any more, its number may be given out again. */
void scs_chan_remove(struct scs_chan *, size_t stream, int64_t now_us);

void scs_chan_connected(struct scs_chan *, const char *peer, int64_t now_us);
void scs_chan_frame(struct scs_chan *, const uint8_t *msg, size_t len, int64_t now_us);
void scs_chan_lost(struct scs_chan *, int64_t now_us);
/* Asks a stream that is up for the ECM of a CP lasting duration_us; ends in ecm(), refused() or stream_down(). */
void scs_chan_provision(struct scs_chan *, size_t stream, int64_t cp, int64_t duration_us, int64_t now_us);
/* Closes streams and channel in order, then drop(NULL). */
void scs_chan_stop(struct scs_chan *, int64_t now_us);
void scs_chan_tick(struct scs_chan *, int64_t now_us);
int64_t scs_chan_next(const struct scs_chan *);

struct scs_chan_counts { uint64_t cw_provision, ecm_response, stream_error, channel_error, timeouts, ignored, tolerated; };
struct scs_chan_view {
	const char *state; bool open;
	struct scs_terms announced, terms;	/* as the ECMG has it; in force, after the overrides */
	uint8_t version; struct scs_chan_counts counts; uint16_t last_error;
	size_t streams, streams_up;
};
void scs_chan_view(const struct scs_chan *, struct scs_chan_view *);
/* Response times of one stream's latest answers, us; -1: none yet. */
int64_t scs_chan_latency(const struct scs_chan *, size_t stream);
const char *scs_chan_stream_state(const struct scs_chan *, size_t stream);
uint16_t scs_chan_id(const struct scs_chan *);	/* ECM_channel_id */
uint16_t scs_chan_stream_id(const struct scs_chan *, size_t stream);	/* ECM_stream_id */
const char *scs_chan_peer(const struct scs_chan *);	/* address of the ECMG; "" while there is no connection */
/* A value of the terms by its place in enum he_announced, and its name. */
int64_t scs_terms_value(const struct scs_terms *, int announced);
const char *scs_terms_name(int announced);
/* The latest: within refused(), setup_failed(), stream_down() and drop() what led there. */
const struct scs_trouble *scs_chan_trouble(const struct scs_chan *);
/* Both machines as golden text (tests). */
size_t scs_chan_print_machines(char *out, size_t cap);
#endif
