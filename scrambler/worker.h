/*
 * scrambler/worker.h: a thread that owns its units outright: their sockets, senders and packets. It works in turns of one batch and
 * holds its lock for one turn at a time; the main thread takes the lock for what it has to change, and a busy worker lets it in
 * between two turns. No lock is shared between workers, none is taken for a packet.
 *
 * What a worker has to say (keys that changed) it puts down; the main thread reads and logs it.
 */
#ifndef SCR_WORKER_H
#define SCR_WORKER_H
#include <uv.h>
#include "scrambler/batch.h"
#include "scrambler/input.h"
#include "scrambler/output.h"

struct scr_note {		/* a line's key or mode changed */
	struct scr_line *line;
	enum scr_step step; enum scr_mode mode;
	uint64_t cp; int64_t start_us;
	char fingerprint[17];
	bool starved;		/* the policy's mode, not the record's */
};
enum { SCR_NOTES = 4096 };
struct scr_worker_conf {
	unsigned number;
	bool only;		/* there is no other */
	bool gso;
	uv_async_t *notes;	/* sent when there are some; its thread takes them */
};
struct scr_worker;
struct scr_worker *scr_worker_open(const struct scr_worker_conf *, struct gw_err *);	/* NULL: with *err */
void scr_worker_close(struct scr_worker *);	/* waits for the thread; frees it. Quiet on NULL */

/* Between two of its turns. Short; not nested. */
void scr_worker_lock(struct scr_worker *);
/* Lets it go on, and look at its timer again. */
void scr_worker_unlock(struct scr_worker *);

/* Under the lock */
struct scr_batch *scr_worker_batch(struct scr_worker *);
/* One of its notes, the oldest first; false: none. lost: how many found no room since. */
bool scr_worker_note(struct scr_worker *, struct scr_note *, uint64_t *lost);
/* No note speaks of this line any more. */
void scr_worker_forget(struct scr_worker *, const struct scr_line *);

/* Beside it */
struct scr_inputs *scr_worker_inputs(struct scr_worker *);
struct scr_outs *scr_worker_outs(struct scr_worker *);
unsigned scr_worker_number(const struct scr_worker *);
#endif
