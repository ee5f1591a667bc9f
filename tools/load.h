/*
 * tools/load.h: simulgate load: many SimulCrypt channels at once, and what their peer makes of it. The engines keep streams, schedules and counts;
 * tools/load.c has the command line and the report.
 *
 * Time is told twice. `sent`: from the moment a request left to its answer. `due`: from the moment it was to leave. With a rate these differ
 * as soon as the peer is late: a request that waits for a stream whose last one has no answer yet is late, too, and to leave it out would
 * hide just what is looked for (coordinated omission). With a window a request is due when it leaves.
 */
#ifndef TOOLS_LOAD_H
#define TOOLS_LOAD_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <uv.h>
#include "lib/addr.h"
#include "lib/err.h"
#include "proto/sim.h"
#include "tools/load_phone.h"
#include "tools/pace.h"

enum load_side { LOAD_ECMG, LOAD_MUX, LOAD_SCS, LOAD_BSM };	/* who is loaded */
enum { LOAD_ERRORS = 32, LOAD_FRAME = 2048, LOAD_CONNECTIONS = 65536, LOAD_STREAMS = 1024, LOAD_DATAGRAM = 1024, LOAD_ECM = 256, LOAD_ASKS = 16, LOAD_CODES = 64 };

struct load_misdeed;
struct load_bsm_conf {
	const char *url, *bsf_url;	/* as given; bsf_url NULL: the root of url */
	char *naf, *bsf;		/* bsf NULL: as naf */
	const char *service;		/* whose STKMs are asked for */
	const char *ca;			/* PEM; NULL: the system's */
	const char *subscribers;	/* a file; NULL: made, from..upto */
	unsigned from, upto;
	struct gw_addr ltkm;		/* scheme 0: LTKMs are not looked at */
	uint8_t asks[LOAD_ASKS]; unsigned nasks;	/* enum phone_ask, in turn */
	bool mac_star;
};
struct load_conf {
	enum load_side side;
	struct gw_addr at;
	struct gw_addr udp;		/* LOAD_MUX: where data go to; scheme 0: by TCP */
	unsigned connections, streams;	/* streams: of each connection, which is a channel */
	unsigned window;		/* requests outstanding on a connection; 0: by rate */
	double rate;			/* requests a second, of all; 0: by window */
	int64_t ramp_ns, duration_ns, timeout_ns;
	uint32_t super_cas_id, client_id;
	uint16_t data_id;		/* of the first stream of the first channel; others follow */
	uint8_t version;
	unsigned cw_len, cp_100ms, size;	/* size: octets of a datagram */
	uint8_t ac[64]; size_t ac_len;	/* access criteria of each request; none: 0 */
	bool bcast;			/* requests say traffic protection and key identifiers, as a DRM-profile KMS wants them */
	/* an ECMG, LOAD_SCS */
	unsigned lead, cw_per_msg, delay_ms;
	const struct load_misdeed *misdeed; unsigned every;	/* with every so many-th request; NULL: none */
	struct load_bsm_conf bsm;	/* LOAD_BSM; connections are terminals then, of one stream */
};
struct load_report {
	struct pace_report pace;	/* requests sent, unanswered, unsent, and their times */
	unsigned up;			/* connections that have been ready */
	uint64_t refused, lost;		/* connections that were not taken; that ended before we ended them */
	uint64_t answered, errors, wrong, late;	/* wrong: not what was asked for; late: after the time-out */
	uint64_t misdeeds, bad;		/* bad: messages that do not decode */
	uint64_t datagrams, unsendable;	/* by UDP: sent; refused by this machine */
	uint64_t tested, recovered;	/* answers to our channel_tests; of LOAD_SCS: after a misdeed */
	struct { uint16_t status; uint64_t n; } error[LOAD_ERRORS]; unsigned nerrors;	/* LOAD_BSM: outcomes of misdeeds, which are no `errors` */
	struct hist ready;		/* ns; of a connection, from its beginning to its last stream's set-up */
	struct hist interval;		/* LOAD_SCS: between two requests of a stream */
	unsigned streams;		/* LOAD_SCS: set up at a time, at most */
	struct load_bsm_report {
		struct load_kind { uint64_t asked, done, failed; struct hist ns; } kind[PHONE_ASKS];	/* ns: of those that were done, from the first octet */
		struct hist exchange;		/* of HTTP: a request, of which a kind takes one to three */
		struct hist push;		/* from the registration or the LTKM Request to the first LTKM that comes after it */
		uint64_t unknown;		/* B-TIDs that the BSM did not know any more */
		uint64_t ltkms, pulls, again, refused, strangers;	/* again: sent again; refused: by the card; strangers: for nobody here */
		struct { uint8_t kind; unsigned status; uint64_t n; } code[LOAD_CODES]; unsigned ncodes;	/* as phone_reply() says it */
	} bsm;
	int64_t ran_ns;
	struct gw_err why;		/* the first connection that failed */
};
const struct sim_iface *load_iface(enum load_side);
extern const char *const load_sides[];	/* by enum load_side */
/* Counts an error_status, or an outcome. */
void load_error(struct load_report *, uint16_t status);


/* ---- tools/load_out.c: the report ---- */

/* whole: with the distribution of load_times(). */
void load_print_text(const struct load_conf *, const struct load_report *, bool whole);
void load_print_json(const struct load_conf *, const struct load_report *, bool whole);
/* The times that count most: of requests from when they were due; of an SCS, between its requests. */
const struct hist *load_times(const struct load_conf *, const struct load_report *);

/* What a peer should not do, and (the last two lines) a terminal. */
struct load_wire;
enum { LOAD_GARBAGE, LOAD_TRUNCATED, LOAD_VERSION, LOAD_UNKNOWN, LOAD_MISSING, LOAD_OVERLAP, LOAD_DRIBBLE, LOAD_VANISH, LOAD_DEAF,
	LOAD_PARAMETER, LOAD_WINDOW, LOAD_OVERSIZED, LOAD_HALF, LOAD_MUTE, LOAD_FLOOD, LOAD_STORM,
	LOAD_SILENT, LOAD_REFUSE, LOAD_WRONG,
	LOAD_ANONYMOUS, LOAD_WRONG_KEY, LOAD_STRANGER, LOAD_REPLAY, LOAD_TAMPERED, LOAD_ELSEWHERE, LOAD_NONSENSE, LOAD_ENTITIES, LOAD_BIG_BODY,
	LOAD_NOISE, LOAD_TWO_LENGTHS, LOAD_LONG_HEAD, LOAD_STALL, LOAD_LEAVE, LOAD_BREAK };
/* What the peer is to make of it. */
enum load_duty {
	LOAD_MUST,	/* each time one error of `status`, and nothing else suffers */
	LOAD_MAY,	/* such an error, or nothing; nothing else suffers */
	LOAD_NO_HARM,	/* everything is answered as if nothing had been */
	LOAD_TESTS,	/* the same, and each channel_test by a channel_status */
	LOAD_CUT,	/* the connection is lost; the next is taken, and others do not suffer */
	LOAD_GO_ON,	/* an SCS asks on, and is answered */
	LOAD_EARNS,	/* a BSM: each time one of `status`, which are enum load_outcome then; and nothing else suffers */
};
/* What came of a terminal's misdeed: an HTTP status, of which 401 has a challenge; or one of these. */
enum load_outcome {
	LOAD_CLOSED = 1,	/* the connection ended, or was none, and no answer had come */
	LOAD_SILENCE,		/* nothing came in time */
	LOAD_LEFT,		/* nothing was to come: it was we who left */
	LOAD_UNTRIED,		/* what had to be right before it was not answered as such */
	LOAD_STALE = 1000,	/* + 401: with stale=true */
	LOAD_BARE = 2000,	/* + 401: without a challenge */
};
enum { LOAD_STATUSES = 4, LOAD_TESTS_AT_ONCE = 100, LOAD_BIG = 65540 };
struct load_misdeed {
	const char *name, *help;
	unsigned sides;		/* toward whom: 1 << enum load_side, or-ed */
	unsigned id;
	enum load_duty duty; uint16_t status[2][LOAD_STATUSES];	/* of an ECMG or a BSM, of a MUX; 0 ends; none: any */
};
extern const struct load_misdeed load_misdeeds[];	/* ends with name NULL */
/* An outcome in words, LOAD_WORDS octets at most. Returns out. */
const char *load_outcome_text(unsigned outcome, char *out, size_t cap);
struct load_report;
/* Whether the peer did its duty; in words what that is, LOAD_WORDS octets. */
enum { LOAD_WORDS = 160 };
bool load_judge(const struct load_conf *, const struct load_report *, char expected[LOAD_WORDS]);

/* ---- tools/load_wire.c: messages that are made once by the tables, and then differ in a few places ---- */

enum { LOAD_PATCHES = 16 };
struct load_wire {
	uint8_t bytes[LOAD_FRAME]; size_t len;
	struct { uint8_t kind; uint8_t index; uint16_t at; } patch[LOAD_PATCHES]; unsigned n;
	uint8_t lead, count;		/* what of the control words it has */
	unsigned cw_len;
};
/* A request of that configuration: CW_provision for lead and count as channel_status said; or data_provision with a stream_test behind it. */
int load_wire_request(struct load_wire *, const struct load_conf *, uint8_t lead, uint8_t count, struct gw_err *);
/* It, for one stream; the count of octets put to out (LOAD_FRAME). id: ECM_id or data_id of the stream. */
size_t load_wire_put(const struct load_wire *, uint8_t *out, uint16_t channel, uint16_t stream, uint16_t id, uint16_t cp);
/* channel_setup, stream_setup … of the client's side, with what the message carries. 0: the message does not fit this configuration. */
size_t load_wire_message(const struct load_conf *, uint16_t message, uint16_t channel, uint16_t stream, uint16_t id, uint8_t *out, size_t cap);
/* Finds a 2-octet parameter in a frame without decoding all of it; -1: it is not there. */
int load_wire_find(const uint8_t *frame, size_t len, uint16_t type);
/* A misdeed's octets (LOAD_FRAME) beside a request `good` of len octets; 0: it is done by other means. */
size_t load_wire_bad(unsigned misdeed, const uint8_t *good, size_t len, uint8_t *out);
/* A request that goes in place of the good one, at most LOAD_BIG octets; 0: it is not done this way. */
size_t load_wire_instead(unsigned misdeed, enum load_side, const uint8_t *good, size_t len, uint8_t *out);

/* ---- tools/load_client.c: an SCS, or an EMMG ---- */

struct load_client;
/* ended: all is closed, the client may be freed. NULL with *err. */
struct load_client *load_client_open(uv_loop_t *, const struct load_conf *, struct load_report *, void (*ended)(void *self), void *self, struct gw_err *);
/* No more requests, as when its time is over: it ends when those that are out have answers. Called again: at once. */
void load_client_stop(struct load_client *);
void load_client_free(struct load_client *);
struct load_live { unsigned up; uint64_t answered, errors, outstanding; bool over; };	/* for a line of progress; over: no more requests */
struct load_live load_client_live(const struct load_client *);

/* ---- tools/load_bsm.c: terminals ---- */

struct load_bsm;
struct load_bsm *load_bsm_open(uv_loop_t *, struct load_conf *, struct load_report *, void (*ended)(void *self), void *self, struct gw_err *);
void load_bsm_stop(struct load_bsm *);
void load_bsm_free(struct load_bsm *);
struct load_live load_bsm_live(const struct load_bsm *);
/* Subscribers from..upto as a file for simulgate subscribe; each key is that number's, and anybody's who can read this. */
void load_bsm_print_subscribers(const struct load_bsm_conf *, FILE *);

/* ---- tools/load_serve.c: an ECMG ---- */

struct load_serve;
struct load_serve *load_serve_open(uv_loop_t *, const struct load_conf *, struct load_report *, void (*ended)(void *self), void *self, struct gw_err *);
void load_serve_stop(struct load_serve *);
void load_serve_free(struct load_serve *);
struct load_live load_serve_live(const struct load_serve *);
const struct gw_addr *load_serve_addr(const struct load_serve *);
#endif
