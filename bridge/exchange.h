/*
 * bridge/exchange.h: exchanges of SP-4 and CP-3 messages with the configured peers, over HTTPS (bcast-backend-xml 8): who calls is a client, who is
 * called a server, and a bridge is both. Identity, idempotency, time-outs and retries live here; what a message means does not.
 */
#ifndef BRIDGE_EXCHANGE_H
#define BRIDGE_EXCHANGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include <uv.h>
#include "bridge/sp4.h"
#include "lib/err.h"
#include "lib/headend.h"

struct ex;	/* one bridge's server, clients and memory of what was answered */

/* How an exchange that we began ended. */
enum ex_end {
	EX_ANSWERED,	/* `answer` is there, whatever its status */
	EX_REFUSED,	/* an HTTP status other than 200: http says which */
	EX_WRONG,	/* 200, but what came is no answer to what was asked: reason */
	EX_SILENT,	/* no connection, no answer in time, or the peer or a proxy is too busy (408, 429, 502, 503, 504), until the end: reason */
	EX_CANCELLED,	/* by ex_close */
};
struct ex_result {
	enum ex_end end;
	const struct sp4_msg *answer;	/* EX_ANSWERED only; good for the call; the short form is filled up from the request */
	unsigned http;			/* the last HTTP status; 0: none came */
	const char *reason;		/* for people: what the log says; "" */
	unsigned attempts;
	int64_t took_us;		/* from ex_send to the end */
};
typedef void ex_done(void *self, const struct ex_result *);

/*
 * Sends a request or a delivery to a peer. message_id, source, destination, version and time are filled in; everything else is lent for the call.
 * Repeated with the same octets after 0.2, 0.5, 1, 2 … s (60 s at most) until it is answered or give_up_us (loop time, gw_clock's monotonic us;
 * INT64_MAX: until ex_close) has passed; each attempt waits 2 s (tags 1, 3, 5, 7; attempt_ms when that is not 0), else 10 s. done is called once, never
 * from within ex_send. 0; -1 with *err (the message breaks a rule, the peer has no url, no memory), and done is not called.
 */
int ex_send(struct ex *, const struct he_sp4_peer *, struct sp4_msg *, unsigned attempt_ms, int64_t give_up_us, ex_done *, void *self, struct gw_err *);

/*
 * An exchange that a peer began; good until it is answered, which happens once. After ex_close answers go nowhere. After half a minute (ex_wait) the peer is
 * told status 19; the call stays good, and its answer then goes nowhere. It counts among those that a peer may have at a time until then: who never
 * answers has the next ones refused with 503.
 */
struct ex_call;
void ex_wait(struct ex_call *, unsigned ms);	/* the answer may take that long from now, if half a minute is less */
/*
 * A request or delivery that is well-formed, of a known peer, for us, and new: answered now or later by ex_answer or ex_status. msg is good for the
 * call. What no handler takes is answered with status 11. None comes from a peer whose answers fill its part of the store (ex_store_room): it is told 503.
 */
typedef bool ex_handler(void *self, struct ex_call *, const struct he_sp4_peer *from, const struct sp4_msg *);
/* tag is that of the request or delivery: 1, 3, 5 … 19. Several of one tag (9 and 13 have two) are asked in their order until one takes it. */
void ex_handle(struct ex *, int tag, ex_handler *, void *self);
/*
 * tag, message_id, ends, target, version and time are filled in from the call; the status as the peer's mode (basic, extended) wants it. Kept for ten
 * minutes, so that a repeat is answered with the same octets, also after a restart. An answer that breaks a rule is logged and becomes status 7.
 */
void ex_answer(struct ex_call *, struct sp4_msg *);
void ex_status(struct ex_call *, unsigned status, const char *reason);	/* an answer of a status and a Reason; reason may be NULL */

/*
 * Opens what the bridge's part of the file says. The file is lent for ever, or until ex_reconf. dir: of the schemas. NULL with *err.
 */
struct ex *ex_open(uv_loop_t *, const struct headend *, const struct he_bridge *, const char *dir, struct gw_err *);
/* May another reading of the file be taken? Its certificates are read. 0, or -1 with *err. */
int ex_check(struct ex *, const struct headend *, const struct he_bridge *, struct gw_err *);
/*
 * It is: peers come, go and change by name. This cannot fail, so that there is a way back from any reading to the one before: for a peer without memory it is
 * said in the log, and certificates that the server does not take leave it with those that it has.
 */
void ex_take(struct ex *, const struct headend *, const struct he_bridge *);
/* Both; -1 with *err and all stays as it was. */
int ex_reconf(struct ex *, const struct headend *, const struct he_bridge *, struct gw_err *);
/*
 * Every exchange of ours ends with EX_CANCELLED first; no handler is called any more; calls are good until the loop's next turn. Quiet on NULL.
 */
void ex_close(struct ex *);

/* A peer has stopped answering (no connection, no answer, or too busy, at the latest attempt), or answers or calls again. One listener; not after ex_close. */
typedef void ex_told(void *self, const struct he_sp4_peer *, bool silent);
void ex_watch(struct ex *, ex_told *, void *self);
bool ex_silent(const struct ex *, const struct he_sp4_peer *);	/* as it was told last */

/* For status, metrics: of one peer. */
struct ex_counts { uint64_t sent, answered, failed, retried, received, repeated, refused, no_room; int64_t last_heard_us, last_failed_us; };
void ex_counted(const struct ex *, const struct he_sp4_peer *, struct ex_counts *);
struct gw_samples;
json_t *ex_report(const struct ex *);				/* of all, and what was refused last; the caller's. NULL: no memory */
void ex_collect(const struct ex *, struct gw_samples *);
const struct gw_addr *ex_addr(const struct ex *);		/* where peers call, with the port the kernel picked; NULL: nowhere */
#endif
