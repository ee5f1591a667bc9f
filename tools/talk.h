/*
 * tools/talk.h: what was said on connections, kept: messages in order, and which request each answers. Datagrams of an EMMG stand among
 * the messages of the connection that set their stream up. No I/O; the octets kept are limited.
 */
#ifndef TOOLS_TALK_H
#define TOOLS_TALK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "proto/ip.h"
#include "proto/sim.h"
#include "tools/dec_msg.h"

enum talk_side { TALK_CLIENT, TALK_SERVER };	/* who connects: SCS, EMMG, EIS, (C)(P)SIG; who is connected to */
struct talk_msg {
	uint8_t *p; size_t len;		/* header included; owned by the conversation */
	int64_t at_ns; uint64_t frame;
	enum talk_side side;
	bool udp;
	bool error;			/* channel_error, stream_error and the like */
	enum sim_verdict fault;		/* SIM_OK: nothing is wrong with it */
	size_t request, answer;		/* index + 1 of what it answers and what answers it; 0: nothing */
};
struct talk_open { size_t at; int64_t stream; uint16_t answer; enum talk_side side; };	/* what is looked for among many: where the request stands, what would answer it, who asked */
struct talk_conn {
	unsigned number;		/* as simulgate decode counts them */
	const struct sim_iface *iface;
	struct ip_ends ends;		/* from: the client */
	bool udp;			/* datagrams alone, whose stream nobody set up */
	bool midway;			/* its beginning was not captured */
	bool turned;			/* ends are not as dec_conn has them */
	int64_t last_ns;		/* of the last message of its own; of a capture */
	uint64_t lost;			/* octets that the capture lacks, or that were no messages */
	struct talk_msg *m; size_t n, room;
	struct talk_open *open; size_t nopen, open_room;	/* requests without an answer yet, oldest first */
};
struct talk {
	struct talk_conn *c; size_t n, room;	/* of those without messages nothing is kept */
	size_t octets;
	int64_t first_ns, last_ns;	/* of messages */
	int64_t origin_ns;		/* the capture's first frame: simulgate decode tells times from there on */
};
enum { TALK_OCTETS = 256 << 20 };	/* that a capture's messages may have, with what is kept of each */

struct talk_conf {
	struct dec_msg_conf msg;
	const struct sim_iface *iface;	/* only connections of it; NULL: all */
	const char *sessions;		/* "1,3-5": only these, as simulgate decode counts them; NULL: all */
};
/* 0; 1: the capture breaks off, as *err says; -1 with *err: cannot be read (GW_ECONF), too long (GW_ECONF), no memory. */
int talk_read(struct talk *, const char *name, const struct talk_conf *, struct gw_err *);
void talk_free(struct talk *);
/* Whether "1,3-5" has n; -1: it is no such list. */
int talk_listed(const char *list, unsigned n);

/* One more message of a conversation, copied; what it answers is found. NULL: no memory. */
struct talk_msg *talk_add(struct talk_conn *, enum talk_side, bool udp, const uint8_t *p, size_t len, int64_t at_ns, uint64_t frame);
void talk_forget(struct talk_conn *, size_t n);	/* the first n messages: indices go down by that */
void talk_conn_fini(struct talk_conn *);

/* ---- messages as they are: whatever stands in them ---- */
uint16_t talk_type(const struct talk_msg *);
const char *talk_name(const struct sim_iface *, uint16_t type, char out[24]);	/* of the message; "message_0x0999" */
/* The next parameter from *at (0: the first) on. false: there is none, or it is not whole. */
struct talk_param { uint16_t type, len; const uint8_t *p; };
bool talk_next(const struct talk_msg *, size_t *at, struct talk_param *);
bool talk_find(const struct talk_msg *, uint16_t type, size_t nth, struct talk_param *);
int64_t talk_int(const struct talk_msg *, uint16_t type);	/* -1: absent, or longer than 4 octets */
/* The roles of an interface's sides, as people call them. */
const char *talk_role(const struct sim_iface *, enum talk_side, char out[24]);
/* A value for people; of keys, the length. Long octets are cut with an ellipsis so that it fits. */
char *talk_value(const struct sim_iface *, uint16_t param, const uint8_t *p, size_t len, bool secrets, char *out, size_t cap);
#endif
