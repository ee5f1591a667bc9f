/*
 * scrambler/scrambler.h: the program: the main thread has configuration, keys, the link to the SCS and operators; workers have the packets.
 * A unit is the main thread's; its line and its media's flows belong to its worker and are touched under the worker's lock only.
 */
#ifndef SCR_SCRAMBLER_H
#define SCR_SCRAMBLER_H
#include <jansson.h>
#include <uv.h>
#include "lib/addr.h"
#include "lib/args.h"
#include "lib/clock.h"
#include "lib/headend.h"
#include "lib/index.h"
#include "lib/link.h"
#include "lib/loop.h"
#include "lib/ops.h"
#include "lib/transform.h"
#include "scrambler/keys.h"
#include "scrambler/sap.h"
#include "scrambler/worker.h"

/* What a sender must not forget, in a mapped file: it outlives the process, as the key in force does. */
struct scr_marks { int fd; void *map; size_t len; void *marks; const char *path; };	/* path: while it is opened */

/* Where the packets of a stream go: protected ones, and those in clear, which is the same unless they are ESP. */
struct scr_ways { struct scr_out *out, *clear; };
/* Where a stream of packets goes and comes from: a medium's, or its RTCP's. */
struct scr_path {
	struct scr_flow flow;
	struct scr_tap tap;
};
/* Its part in the unit's sender, and what that was made for. */
struct scr_part { struct gw_tx_medium *tx; struct gw_tx_medium_conf conf; uint16_t *pids; };
struct scr_medium {
	struct scr_unit *unit; uint32_t index;
	char *name;
	struct gw_addr in, out;
	bool has_rtcp;
	struct scr_part part;
	struct scr_path media, rtcp;
	/* while a configuration is tried */
	struct { bool staged; char *name; struct gw_addr out; struct scr_part part; struct scr_ways media, rtcp; } next;
};
/* What of the configuration a unit's sender hangs on: another one is another sender. */
struct scr_setup {
	enum he_scrambling scrambling;
	bool authenticated;
	unsigned rcc, sources;
	enum gw_engine engine;
	struct he_ipsec esp;		/* its texts are the unit's */
};
struct scr_unit {
	struct scrambler *app;
	char *id;
	struct scr_worker *worker;
	struct scr_line line;
	struct scr_setup setup;
	struct scr_marks marks;
	struct gw_pcap *pcap;				/* ESP packets go there; NULL: on air */
	struct scr_medium **media; size_t nmedia;
	struct scr_medium **staged; size_t nstaged;	/* media of the configuration being tried */
	enum scr_mode staged_loss; uint32_t staged_loss_ms;
	uint32_t inputs;				/* media there ever were */
	bool kept;					/* in the configuration that is taken */
};
struct scrambler {
	uv_loop_t loop;
	struct gw_args args;
	char *head_end, *playout, *state;
	enum gw_engine engine;
	struct scr_worker **workers; unsigned *load; size_t nworkers;	/* load: units */
	struct scr_unit **units; size_t nunits;
	struct gw_index by_id;
	struct gw_life life;
	struct gw_dialer *dialer;
	bool welcome;				/* follower_status came */
	int64_t heard_us, tested_us;		/* monotonic */
	struct gw_clock_watch watch;
	uv_timer_t second; bool ticking;
	uv_async_t notes; bool noting;		/* workers have something to say */
	struct gw_ops *ops;
	struct scr_sap *sap;
	uint64_t records, refused;
	struct gw_rate rate;
};

/* conf.c: what of the head-end this program can do; refused with file and place. */
int scr_conf_check(const struct headend *, struct gw_err *);
/* The units that are scrambled here; n of them, heap. */
const struct he_unit **scr_conf_units(const struct headend *, size_t *n);
enum gw_engine scr_conf_engine(const struct headend *);
struct scr_form scr_form_of(const struct scr_setup *);	/* of its keys */

/* marks.c: the file of a unit, for len octets of this protection's. */
int scr_marks_open(struct scr_marks *, const char *state, const char *unit, enum he_scrambling, size_t len, struct gw_err *);
void scr_marks_until(struct scr_marks *, int64_t utc_us);	/* until when a key is in use, as far as is known; the latest counts */
void scr_marks_close(struct scr_marks *);

/* work.c: the workers, as the main thread sees them */
int scr_work_open(struct scrambler *, const struct headend *, struct gw_err *);
void scr_work_close(struct scrambler *);	/* no unit is left */
struct scr_worker *scr_work_least(struct scrambler *);	/* the one with the fewest units; it has one more now */
void scr_work_less(struct scrambler *, const struct scr_worker *);
void scr_work_notes(struct scrambler *);	/* logs what workers have put down, frees the keys that are over */
void scr_work_second(struct scrambler *);	/* once a second: keys are in force, whatever their plan was */
void scr_work_replan(struct scrambler *);	/* UTC has jumped */
void scr_work_heard(struct scrambler *, int64_t heard_us);	/* see scr_batch_heard */

/* unit.c: a unit, without media at first */
struct scr_unit *scr_unit_open(struct scrambler *, const struct he_unit *, struct gw_err *);
void scr_unit_close(struct scr_unit *);
/* A new configuration: opens what it needs beside what there is; then take it, or leave everything as it was. */
int scr_unit_stage(struct scr_unit *, const struct he_unit *, struct gw_err *);
void scr_unit_commit(struct scr_unit *);
void scr_unit_revert(struct scr_unit *);
struct scr_unit *scr_unit_find(const struct scrambler *, const char *id, size_t len);
bool scr_unit_same(const struct scr_unit *, const struct he_unit *);	/* its sender may stay */
/* A record; 0 with the name of the key that is held for it ("" unless there is one), or the error_status of record_error with *why (which
 * the unit may have put into err). */
int scr_unit_take(struct scr_unit *, struct scr_record *, char fingerprint[17], const char **why, struct gw_err *err);
void scr_unit_end(struct scr_unit *, int64_t start_us);
void scr_unit_second(struct scr_unit *);	/* once a second: what is captured can be seen */
void scr_unit_free_keys(struct scr_unit *);	/* those that are over */

/* medium.c: its sockets, beside the worker; packets flow from its commit on. instead: one that goes then, whose sources may go on here; or NULL */
struct scr_medium *scr_medium_open(struct scr_unit *, const struct he_medium *, const struct scr_medium *instead, struct gw_err *);
void scr_medium_close(struct scr_medium *);
bool scr_medium_same_in(const struct scr_medium *, const struct he_medium *);
/* Another configuration for the same input: prepares it; take puts it in force while the worker rests, revert forgets it. */
int scr_medium_stage(struct scr_medium *, const struct he_medium *, struct gw_err *);
int scr_medium_take(struct scr_medium *, struct gw_err *);
void scr_medium_stop(struct scr_medium *);	/* no packet any more; while the worker rests */
void scr_medium_revert(struct scr_medium *);	/* and what take left over */

/* follow.c: the follower of the SCS */
void scr_follow_open(struct scrambler *);
void scr_follow_again(struct scrambler *);	/* the list of services has changed */
void scr_follow_close(struct scrambler *);
void scr_follow_second(struct scrambler *);	/* liveness; once a second */

/* status.c */
json_t *scr_status(void *self);
void scr_collect(void *self, struct gw_samples *);
#endif
