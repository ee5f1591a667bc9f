/*
 * ecmg/misbehave.h: faults on purpose, so that an SCS can be tried. A filter between what a channel sends and the wire: the engine
 * behind it keeps to the standard and knows nothing of it. Sans-I/O, and the same seed does the same to the same messages.
 */
#ifndef ECMG_MISBEHAVE_H
#define ECMG_MISBEHAVE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "proto/sim.h"

enum { ECMG_FAULTS = 18 };	/* rows of the table */
struct ecmg_misbehave {		/* as the operator wants it; zeroed: nothing */
	bool on;
	char list[256];		/* in the operator's words */
	struct { double chance; uint32_t value; } fault[ECMG_FAULTS];	/* chance 0: it never strikes */
	uint64_t seed;
	uint32_t skip, times;	/* messages that are spared at first; messages struck in all, 0: no end */
};
/* "late=800ms,drop=0.01,error=0x000D@0.1,seed=7". 0, or -1 with what is wrong with which word. */
int ecmg_misbehave_parse(struct ecmg_misbehave *, const char *list, struct gw_err *);
/* A row: "late=TIME[@P]", what it does. NULL behind the last one. */
const char *ecmg_misbehave_row(size_t nth, char form[48]);

/* What all connections of one server share. Filled by ecmg_faults_init(). */
struct ecmg_edge_door {
	void (*send)(void *self, const uint8_t *bytes, size_t len);	/* not always whole messages */
	void (*close)(void *self);		/* at once */
	void (*struck)(void *self, const char *fault, const char *message);	/* for the log */
};
struct ecmg_faults {
	struct ecmg_misbehave how;
	const struct ecmg_edge_door *door;
	uint64_t random;
	uint64_t seen, struck;		/* messages that a fault could have struck, and did */
	struct sim_msg msg;
	uint8_t buf[2 * SIM_MAX];	/* the message at hand, and what is said unasked after it */
};
void ecmg_faults_init(struct ecmg_faults *, const struct ecmg_misbehave *, const struct ecmg_edge_door *);

struct ecmg_edge;		/* of one connection */
struct ecmg_edge *ecmg_edge_new(struct ecmg_faults *, void *self);	/* NULL: no memory */
void ecmg_edge_free(struct ecmg_edge *);
void ecmg_edge_send(struct ecmg_edge *, const uint8_t *msg, size_t len, int64_t now_us);
/* When it next wants the time; INT64_MAX: not before the next message. */
int64_t ecmg_edge_due(const struct ecmg_edge *);
void ecmg_edge_time(struct ecmg_edge *, int64_t now_us);
#endif
