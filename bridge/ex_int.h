/* bridge/ex_int.h: what bridge/exchange.c and bridge/ex_*.c share; nobody else includes it */
#ifndef BRIDGE_EX_INT_H
#define BRIDGE_EX_INT_H
#include <sys/queue.h>
#include "bridge/ex_store.h"
#include "bridge/exchange.h"
#include "lib/due.h"
#include "lib/http.h"
#include "lib/httpd.h"
#include "lib/log.h"

enum {
	EX_CALLS = 4096, EX_PEER_CALLS = 1024,	/* that wait for their answer, or had one for want of it (late); more: 503 */
	EX_FLIGHTS = 65536,			/* exchanges of ours under way */
	EX_ANSWER_MS = 30000,			/* what has no answer by then gets status 19, unless somebody said that it takes longer */
	EX_LAST = 16,				/* refusals that are remembered in words */
};

/* Connections to a peer with one set of certificates; after ex_reconf an old one lives until its last exchange has ended. */
struct ex_line { LIST_ENTRY(ex_line) entry; struct gw_http *http; struct ex_peer *peer; unsigned flights; bool retired; };

struct ex_peer {
	LIST_ENTRY(ex_peer) entry;
	char *name;
	const struct he_sp4_peer *conf;		/* of the file in force */
	struct ex_counts counts;
	/* client */
	struct ex_line *line;
	unsigned under_way;			/* requests that are with line, or with one that is retired */
	TAILQ_HEAD(, ex_flight) ready;		/* that wait for a connection */
	bool silent;				/* since the last time that it answered */
	struct gw_rate rate;
	/* server */
	unsigned calls;
	size_t unkept;				/* octets of answers that are on their way to the store */
	uint8_t *der; size_t der_len;		/* the last certificate that was found to be its */
};

struct ex_flight {		/* an exchange that we began */
	struct gw_due due;			/* first: of the heap */
	struct ex *ex;
	struct ex_peer *peer;
	struct ex_line *line;			/* while it is with one */
	LIST_ENTRY(ex_flight) entry;
	TAILQ_ENTRY(ex_flight) queue;
	bool queued;
	bool cut_short;				/* the attempt had less than half of its time left: no answer to it says nothing of the peer */
	char *octets; size_t len;		/* cleansed at its end */
	int tag;
	char *message_id, *service, *content, *schedule;
	unsigned attempt_ms, attempts, http;
	int64_t began_us, give_up_us;
	ex_done *done;
	void *self;
};

struct ex_waiter { SLIST_ENTRY(ex_waiter) entry; struct gw_exchange *to; };
struct ex_call {		/* one that a peer began */
	struct ex *ex;
	struct ex_peer *peer;			/* NULL: it has gone from the file */
	LIST_ENTRY(ex_call) entry;		/* of those that are not answered, or of those that are and not kept yet */
	SLIST_HEAD(, ex_waiter) waiters;	/* the first, and repeats that came meanwhile */
	uint8_t hash[EX_HASH];
	int tag;
	bool answered;
	bool late;				/* its peer had its answer, for none came in time: whoever has the call may still answer it */
	uint64_t until_ms;			/* of the loop: then it is late */
	char *source, *message_id, *service, *content, *schedule;
	char *octets; size_t len;
};

enum { EX_HANDLERS = 4 };
struct ex {
	uv_loop_t *loop;
	const struct headend *he;
	const struct he_bridge *conf;
	char *id;				/* our @source */
	struct gw_xml_schema *schema;
	struct ex_store *store;
	struct gw_httpd *httpd;			/* NULL: nobody calls */
	LIST_HEAD(, ex_peer) peers;
	LIST_HEAD(, ex_line) lines;
	struct { ex_told *told; void *self; } watcher;
	struct { ex_handler *handle; void *self; } handlers[SP4_TAGS + 1][EX_HANDLERS];	/* in the order of their coming */
	LIST_HEAD(, ex_call) calls, answered, late;
	unsigned ncalls, nflights;
	LIST_HEAD(, ex_flight) flights;
	struct gw_dues dues;
	uv_timer_t timer, trim;
	uv_check_t check;			/* the answers of a turn of the loop are kept together */
	uv_idle_t idle;
	unsigned handles;
	uint64_t trimmed_ms;
	uint64_t sequence;
	char *buffer;				/* SP4_DOCUMENT + 1 octets: one document, cleansed after use */
	bool closing;
	uint64_t http[6], unkept, unknown;	/* answers by the first digit of their status; not kept, for the store did not take them; of no peer */
	struct { char text[240]; int64_t utc_us; } last[EX_LAST];
	size_t nlast;
	struct gw_rate rate;
};

struct ex_peer *ex_peer(const struct ex *, const struct he_sp4_peer *);
void ex_set_silent(struct ex *, struct ex_peer *, bool silent);	/* tells the watcher of a change */
/* What went wrong at our door, for the log, the status and the counters. who: a peer's name or an address. */
void ex_refused(struct ex *, struct ex_peer *, const char *who, unsigned http, const char *why);
char *ex_keep(const char *);			/* a copy; NULL of NULL, and when there is no memory */
void ex_trim(struct ex *);			/* what is over leaves the store */
/* The document in ex->buffer; 0 with *fault. */
size_t ex_encode(struct ex *, const struct sp4_msg *, struct sp4_fault *);
void ex_wipe(char *, size_t);			/* cleansed and freed */

/* ---- bridge/ex_server.c ---- */
int ex_serve(struct ex *, struct gw_err *);
void ex_serve_close(struct ex *);		/* the server's end; calls stay valid */
void ex_flush(struct ex *);			/* answers of this turn are kept and leave */
void ex_drop_calls(struct ex *);
void ex_expire(struct ex *, uint64_t now_ms);	/* calls that wait too long; now and then */
void ex_forget_peer(struct ex *, struct ex_peer *);	/* its calls are nobody's from now on */

/* ---- bridge/ex_client.c ---- */
int64_t ex_retry_us(unsigned attempts);		/* from the end of an attempt to the next, after so many: 0.2, 0.5, 1, 2 … 60 s */
int ex_line_open(struct ex *, struct ex_peer *, struct gw_err *);
void ex_line_retire(struct ex_line *);		/* quiet on NULL */
void ex_tick(struct ex *);
void ex_end_flights(struct ex *, struct ex_peer *, enum ex_end, const char *reason);	/* of one peer, NULL: all; with their connections */
#endif
