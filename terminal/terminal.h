/* terminal/terminal.h: the program: a lab receiver of one service, of either profile */
#ifndef TERM_TERMINAL_H
#define TERM_TERMINAL_H
#include <jansson.h>
#include <uv.h>
#include "lib/addr.h"
#include "lib/args.h"
#include "lib/headend.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/ops.h"
#include "terminal/receiver.h"

struct term_card;		/* the long-term keys and what must be remembered with them */
struct term_unit;
struct term_medium {
	struct term_unit *unit; size_t index;
	char *name;
	int in_fd, out_fd; uv_poll_t poll;
};
struct term_unit {
	struct terminal *app;
	char *id;
	struct term_card *card;
	struct receiver *receiver;
	int stkm_fd; uv_poll_t poll;
	struct term_medium *media; size_t nmedia;
	struct receiver_counts said;	/* what the log knows */
};
struct terminal {
	uv_loop_t loop;
	struct gw_args args;
	const char *name; unsigned seconds;
	struct term_unit *units; size_t nunits;
	struct gw_life life;
	uv_timer_t second, end; bool ticking;
	struct gw_ops *ops;
	struct gw_rate rate;
};

/* conf.c: the entry of that name, refused with file and place when its service cannot be received. NULL: with *err. */
const struct he_terminal *term_conf(const struct headend *, const char *name, struct gw_err *);
/* The key stream of a unit that a profile opens: the lowest ECM_id of its KMSs (bcast-scrambling-and-sdp 7.3). NULL: none. */
const struct he_stkm *term_conf_stkm(const struct he_unit *, bool smartcard);

/* card.c: opens STKMs with the keys of a key file; the `self` of term_card_receive */
struct term_card *term_card_new(const char *keys, bool smartcard, bool authenticated, struct gw_err *);
void term_card_free(struct term_card *);
receiver_open term_card_receive;

/* unit.c */
int term_units_open(struct terminal *, const struct he_terminal *, struct gw_err *);
void term_units_close(struct terminal *);	/* handles; the counts stay until term_units_free */
void term_units_free(struct terminal *);
void term_units_second(struct terminal *);
void term_counts(const struct terminal *, struct receiver_counts *);

/* status.c */
json_t *term_status(void *self);
void term_collect(void *self, struct gw_samples *);
void term_summary(const struct terminal *);	/* the line on stdout */
#endif
