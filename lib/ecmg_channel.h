/*
 * lib/ecmg_channel.h: one connection of an SCS, sans-I/O (TS 103 197 clause 5): whole messages and the time go in, answers, requests to
 * whoever makes the ECMs and notes for the log come out through a door. Answers of one stream leave in the order of its requests,
 * whatever the maker does (a plugin, a BSM behind a bridge); streams never wait for each other.
 */
#ifndef GW_ECMG_CHANNEL_H
#define GW_ECMG_CHANNEL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include "lib/fsm.h"
#include "lib/log.h"
#include "proto/ecmg_scs.h"

/* What channel_status announces (5.4.3). Delays in ms; has_*: the optional parameters are sent. */
struct ecmg_says {
	uint8_t section_TSpkt_flag;	/* 0 sections, 1 TS packets, 2 arbitrary (OMA BCAST) */
	uint8_t lead_CW, CW_per_msg;
	uint8_t access_criteria_transfer_mode;	/* 1: needed in every CW_provision */
	int16_t delay_start, delay_stop, transition_delay_start, transition_delay_stop, AC_delay_start, AC_delay_stop;
	uint8_t has_transition, has_AC;
	uint16_t ECM_rep_period;	/* ms */
	uint16_t max_streams;		/* 0: not stated */
	uint16_t min_CP_duration;	/* x 100 ms */
	uint16_t max_comp_time;		/* ms */
};
/* A CW_provision, its window checked. Lent for the call, keys and all. */
struct ecmg_cw {
	uint16_t cp_number;
	const uint8_t *cw; size_t cw_len;		/* key material: CW, or TEK, salt, TAS without padding */
	const uint8_t *key_id; size_t key_id_len;	/* SPI, MKI, key indicator; 0 if the peer sent none */
};
struct ecmg_request {
	uint64_t handle;		/* for ecmg_channel_answer() */
	uint32_t super_cas_id;
	uint16_t ecm_id, cp_number;
	uint16_t cp_duration_100ms;	/* of this CP; nominal_CP_duration if the peer did not say */
	bool has_protection;		/* the peer sent traffic_protection (0x8001): */
	uint8_t protection;		/* 0 IPsec, 1 SRTP, 2 ISMACryp, 7 MPEG-2 TS */
	bool authenticated;
	const struct ecmg_cw *cws; size_t ncws;	/* those that lead_CW and CW_per_msg ask for, by CP */
	const uint8_t *access_criteria; size_t access_criteria_len;	/* in force; NULL if none was ever sent */
	const uint8_t *cw_encryption; size_t cw_encryption_len;		/* NULL: the CWs are in clear */
};
#define ECMG_LATER (-0x10000)	/* returned by ecm(): ecmg_channel_answer() will follow */
#define ECMG_ECM_MAX 65000u	/* octets; the longest ECM_datagram */

struct ecmg_note {		/* worth a log line: what, about which message, why */
	enum gw_level level;
	const char *event;
	const char *message;	/* its name; NULL: none */
	int channel, stream;	/* identifiers; -1: none */
	uint16_t status;	/* error_status sent, or received with event "peer_error"; 0: none */
	uint16_t param;		/* parameter_type at fault, or of the deviation, perhaps one that no table has; 0: none */
	size_t offset;
	const char *why;
};

/*
 * The outside. self is the connection's. The maker's three: ecm octets, 0, or -error_status with why as a sentence, which reaches the peer's
 * operator; ecm may say ECMG_LATER.
 */
struct ecmg_door {
	void (*send)(void *self, const uint8_t *msg, size_t len);
	int (*channel)(void *self, uint32_t super_cas_id, struct ecmg_says *, char *why, size_t cap);
	int (*stream)(void *self, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t cap);
	int (*ecm)(void *self, const struct ecmg_request *, uint8_t *out, size_t cap, char *why, size_t why_cap);
	void (*close)(void *self);	/* what was sent goes out first */
	void (*note)(void *self, const struct ecmg_note *);
	int64_t (*clock_us)(void *self);	/* monotonic: how long the plugin takes, twice an ECM: ticks of a few ms will do, sums still come out right */
};

/* What all connections of one server share. Zeroed, then filled by the server; the last block is the engine's. */
struct ecmg_engine {
	const struct ecmg_door *door;
	bool encrypted;			/* CW_encryption is passed on; else refused */
	bool strict;			/* answer what the standard says to ignore, spare nothing */
	unsigned max_channels, max_streams;	/* of the whole ECMG; 0: no limit */
	unsigned silence_ms;		/* a channel silent so long is probed with channel_test; 0: never */
	unsigned patience_ms;		/* how long for its answer, and how long a connection may stay without a channel; 0: for ever */
	unsigned ecm_limit_ms;		/* a plugin that takes longer for one ECM is no longer waited for; 0: for ever */

	unsigned channels, streams;	/* open */
	uint64_t ecm_total, ecm_us;	/* answered; the plugin's time for them */
	uint64_t ignored;		/* messages of unknown type */
	uint32_t serial;
	struct sim_msg in;		/* the message at hand: 16 KiB that no stack has to carry */
	struct ecmg_cw cws[UINT8_MAX];
	uint8_t out[SIM_MAX], ecm[ECMG_ECM_MAX];
};

enum { ECMG_ECM_ID_LISTS = 64 };
enum ecmg_state { ECMG_NO_CHANNEL, ECMG_OPEN };
/* What a lenient ECMG goes on in spite of and a strict one refuses. Each kind is noted once a connection: event "tolerated". */
enum ecmg_deviation {
	ECMG_UNKNOWN_MESSAGE, ECMG_UNKNOWN_PARAMETER, ECMG_STRANGE_LENGTH, ECMG_LEFT_OUT, ECMG_MORE_CWS, ECMG_SHARED_ECM_ID, ECMG_DEVIATIONS
};
struct ecmg_stream;
struct ecmg_channel {		/* embedded in the connection */
	struct ecmg_engine *e;
	void *self;
	uint16_t slot;		/* the server's number of the connection, for answers that come later */
	struct gw_state state;
	uint16_t id;
	uint8_t version;	/* that of channel_setup: mirrored in every message */
	uint8_t tolerated;	/* 1 << enum ecmg_deviation */
	uint32_t super_cas_id;
	struct ecmg_says says;	/* as channel_status announced */
	unsigned nstreams, pending;	/* streams open; requests that the plugin has or that wait for it */
	int64_t now_us, heard_us, probed_us, closes_us;	/* 0: not probed, not closing */
	struct ecmg_stream **pages[256];	/* streams by ECM_stream_id */
	LIST_HEAD(, ecmg_stream) ecm_ids[ECMG_ECM_ID_LISTS];	/* and by ECM_id, modulo */
};

extern const struct gw_fsm ecmg_channel_fsm;

void ecmg_channel_init(struct ecmg_channel *, struct ecmg_engine *, void *self, uint16_t slot, int64_t now_us);
void ecmg_channel_fini(struct ecmg_channel *);	/* the connection is lost: channel and streams with it */
/* One whole message, as the peer sent it. */
void ecmg_channel_feed(struct ecmg_channel *, const uint8_t *msg, size_t len, int64_t now_us);
/* A newcomer that there is no room for: the answer (0x0008) to its first message; msg NULL: it has said nothing. */
void ecmg_channel_turn_away(struct ecmg_engine *, void *self, const uint8_t *msg, size_t len);
const char *ecmg_deviation_name(enum ecmg_deviation);
/* The time; a few times a second is enough. */
void ecmg_channel_time(struct ecmg_channel *, int64_t now_us);
/*
 * The answer to a request for which door->ecm returned ECMG_LATER. rc as ecm() returns it: octets of ecm, or -error_status.
 * 0, or -1 when nobody waits for it any more.
 */
int ecmg_channel_answer(struct ecmg_channel *, uint64_t handle, int rc, const uint8_t *ecm, const char *why);
static inline uint16_t
ecmg_handle_slot(uint64_t handle)
{
	return (uint16_t)(handle >> 48);
}
#endif
