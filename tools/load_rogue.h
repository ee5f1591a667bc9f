/*
 * tools/load_rogue.h: what a terminal of simulgate load does wrong: beside its own requests a registration that is wrong in one way, and what that earns.
 * It is of a service that there is not, so that a BSM that takes it has nothing to do about it. No I/O, no clock.
 */
#ifndef TOOLS_LOAD_ROGUE_H
#define TOOLS_LOAD_ROGUE_H
#include "tools/load.h"

struct rogue_manner;
struct rogue {
	const struct rogue_manner *how;
	struct gw_secret room; struct exchange_keys *keys;	/* in it */
	struct exchange x;		/* method, url, headers, body, len: what is to be sent with ROGUE_SEND */
	char btid[KMS_BTID], url[EXCHANGE_URL];
	char *body;
	unsigned answers;
};
enum rogue_verdict {
	ROGUE_SEND,	/* ->x, as any request */
	ROGUE_BARE,	/* rogue_octets(), on a connection of its own */
	ROGUE_OVER,
};
/* How long a bare connection is kept. */
enum rogue_stay { ROGUE_STATUS, ROGUE_UNTIL_STATUS, ROGUE_UNTIL_SENT };	/* until an answer has begun, and then ended; or reset; or ended when all is sent */

/* Of a terminal that has bootstrapped; lent until the end. OVER: it cannot be made. */
enum rogue_verdict rogue_begin(struct rogue *, unsigned misdeed, const struct phone *);
void rogue_fini(struct rogue *);	/* quiet on a zeroed one */
/* *outcome: with OVER, enum load_outcome. */
enum rogue_verdict rogue_reply(struct rogue *, const struct exchange_reply *, unsigned *outcome);
/* What goes out with BARE; the caller's. NULL: no memory. */
char *rogue_octets(const struct rogue *, size_t *len);
enum rogue_stay rogue_stays(const struct rogue *);
/* Whether that misdeed takes a bare connection, which knows no TLS. */
bool rogue_is_bare(unsigned misdeed);
#endif
