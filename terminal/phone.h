/* terminal/phone.h: the phone around a terminal of the Smartcard profile that has a card: its sockets, its files, its requests. */
#ifndef TERM_PHONE_H
#define TERM_PHONE_H
#include <jansson.h>
#include "kms/card.h"
#include "lib/headend.h"
#include "lib/ops.h"
#include "terminal/subscriber.h"

struct terminal;
struct term_phone;
/* *out is NULL when the terminal has no card. 0, or -1 with *err: its card file, its state, its address. It begins at once. */
int term_phone_open(struct terminal *, const struct he_terminal *, struct term_phone **out, struct gw_err *);
/* Deregisters, if it is registered; then, within SUB_STOP_US, over() comes once. */
void term_phone_stop(struct term_phone *, void (*over)(struct terminal *));
void term_phone_close(struct term_phone *);	/* handles; quiet on NULL, as is all of the following */
void term_phone_free(struct term_phone *);
void term_phone_second(struct term_phone *);
void term_phone_drain(struct term_phone *);	/* LTKMs that have come: a key is there before the messages it opens */
/* The card's keys for a receiver, good until the next LTKM. -1: no memory. */
int term_phone_lend(struct term_phone *, struct msk_rx *);
/* An STKM was opened with them: see subscriber_counted(). Not of NULL. */
void term_phone_counted(struct term_phone *);
/* An STKM was refused for its key. */
void term_phone_wants(struct term_phone *, const void *stkm, size_t len, bool beyond);
struct subscriber *term_phone_subscriber(struct term_phone *);	/* lent; not of NULL */
/* phone_status.c */
json_t *term_phone_status(struct term_phone *);
void term_phone_collect(struct term_phone *, const char *terminal, struct gw_samples *);
#endif
