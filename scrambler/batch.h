/*
 * scrambler/batch.h: the packet engine of a worker: a batch of packets of any streams, the keys that are in force for them, one burst of
 * cryptography for all, then those that go out. No sockets, clock or threads: a worker feeds it from its sockets, benches and unit tests by
 * hand. A batch and what is joined to it belong to one thread at a time.
 *
 *	struct scr_batch *b = scr_batch_new(GW_BURST_AUTO, &ops, self, &err);	ops.send gets the packets that go out
 *	scr_line_init(&line, "news", row, tx, &form);				a unit; tx is of row->tx_new(), form of scr_form_of()
 *	scr_batch_join(b, &line);
 *	struct scr_flow flow = { .line = &line, .medium = row->medium_new(tx, …) };	a stream of it
 *	scr_keys_take(&line.keys, &record, &why);				a key…
 *	scr_keys_coming(&line.keys, cp)->ready = row->key_new(tx, &material, &err);	…and what the row makes of it, at leisure
 *	scr_line_plan(&line, utc_us, mono_us);
 *
 *	for each batch:
 *		scr_batch_begin(b, utc_us, mono_us);		switches the keys that are due
 *		for (i = 0; i < SCR_BATCH; i++) {
 *			pk = scr_batch_slot(b, i);		its p: SCR_SLOT octets, with head and tail room
 *			… fill pk.p and pk.len …
 *			scr_batch_take(b, &flow, &pk);
 *		}
 *		scr_batch_flush(b);				the burst runs, ops.send is called
 *
 *	at the end: scr_batch_leave(&line); scr_keys_forget(), then row->key_free() and scr_key_free() of each that scr_keys_gone() gives;
 *	scr_keys_fini(); row->medium_free(), row->tx_free(); scr_batch_free(b).
 *
 * A packet is protected with the key in force at the batch's time: the first one at or after T(n) has key n. Nothing here allocates,
 * locks or logs. A switch of keys is a pointer swap and a place in a heap; what was in force is freed by the owner of the keys, later.
 */
#ifndef SCR_BATCH_H
#define SCR_BATCH_H
#include "lib/due.h"
#include "lib/transform.h"
#include "scrambler/keys.h"

enum {
	SCR_BATCH = 64,		/* packets in a burst */
	SCR_SLOT = 1792,	/* octets of a slot of scr_batch_slot */
	SCR_LARGE = 9216,	/* octets of one of scr_batch_large, and of the largest packet (jumbo frame) */
	SCR_SIZES = 7,		/* classes of batch sizes: 1, 2.., 4.., 8.., 16.., 32.., 64 */
};
/* Why a packet did not go out, after the verdicts of lib/transform.h. */
enum { SCR_SEND = GW_XF_VERDICTS, SCR_OVERLOAD, SCR_REASONS };
const char *scr_reason(int reason);	/* "no_key", …, "send_error", "overload" */

struct scr_batch;
struct scr_out;			/* where packets go; of ops.send */

/* A protected unit: its key sequence, its sender. */
struct scr_line {
	/* what packets need, in a cache line */
	const struct gw_transform *row;
	struct gw_tx *tx;
	enum scr_mode mode;		/* what packets get; SCR_NONE also while the key of a period could not be made ready */
	const char *id;			/* lent */
	uint64_t switches;
	struct scr_keys keys;
	struct { uint64_t cp; char fingerprint[17]; } previous;	/* key in force before; fingerprint "": none */
	struct gw_due due;
	struct scr_batch *batch;	/* NULL: in none */
};
/* One stream of it: a medium, or a medium's RTCP. */
struct scr_flow {
	struct scr_line *line;
	struct gw_tx_medium *medium;
	bool rtcp;
	struct scr_out *out, *clear;	/* for packets that are protected, and for those that a record has in clear */
	uint64_t received, sent, sent_clear, dropped[SCR_REASONS];
};
struct scr_packet { struct gw_pk pk; struct scr_flow *flow; bool clear; };

struct scr_batch_ops {
	/* Packets that are ready, in the order of their streams: to be sent, and counted with their flows. */
	void (*send)(void *self, const struct scr_packet *, size_t n);
	/* The line's mode or key has changed: told, not asked; may be NULL. */
	void (*changed)(void *self, struct scr_line *, enum scr_step);
};

struct scr_batch *scr_batch_new(enum gw_burst_by, const struct scr_batch_ops *, void *self, struct gw_err *);
void scr_batch_free(struct scr_batch *);	/* quiet on NULL */
const char *scr_batch_engine(const struct scr_batch *);		/* of lib/burst.h */

void scr_line_init(struct scr_line *, const char *id, const struct gw_transform *, struct gw_tx *, const struct scr_form *);
/* -1: no memory. */
int scr_batch_join(struct scr_batch *, struct scr_line *);
void scr_batch_leave(struct scr_line *);	/* quiet when it has joined none */
/* After its keys have changed: puts in force what is due, and notes when to look again. */
void scr_line_plan(struct scr_line *, int64_t utc_us, int64_t mono_us);
/* UTC of the next change of a key that is known, for a timer; INT64_MAX: none. */
int64_t scr_batch_next(const struct scr_batch *);
/* The SCS was heard at heard_us (monotonic; may be earlier than was said before): lines that starve are told, see scr_keys_heard. */
void scr_batch_heard(struct scr_batch *, int64_t heard_us, int64_t utc_us, int64_t mono_us);
/* All lines look again: UTC has jumped. */
void scr_batch_replan(struct scr_batch *, int64_t utc_us, int64_t mono_us);

void scr_batch_begin(struct scr_batch *, int64_t utc_us, int64_t mono_us);
/* i: 0..SCR_BATCH-1. Its p stays good until the batch after the next flush is filled; reuse a slot only after a flush. */
struct gw_pk scr_batch_slot(struct scr_batch *, size_t i);
/* For a packet that comes in pieces: SCR_LARGE octets, to be taken at once, before the next is asked for. May flush. */
struct gw_pk scr_batch_large(struct scr_batch *);
/* Its next packet is near: asks for its memory, a pointer further in each step. */
enum { SCR_WARM_STEPS = 2 + GW_XF_WARM_STEPS };
void scr_flow_warm(const struct scr_flow *, unsigned step);
/* A packet of the stream, from a slot. May flush. */
void scr_batch_take(struct scr_batch *, struct scr_flow *, struct gw_pk *);
void scr_batch_flush(struct scr_batch *);

struct scr_batch_counts { uint64_t batches, packets, sizes[SCR_SIZES]; };	/* bursts that went out; by size */
const struct scr_batch_counts *scr_batch_counts(const struct scr_batch *);
#endif
