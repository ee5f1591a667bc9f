/* scrambler/scrambler.h: the program: units with their keys, media with their sockets, the link to the SCS */
#ifndef SCR_SCRAMBLER_H
#define SCR_SCRAMBLER_H
#include <jansson.h>
#include <uv.h>
#include "lib/addr.h"
#include "lib/args.h"
#include "lib/clock.h"
#include "lib/headend.h"
#include "lib/link.h"
#include "lib/loop.h"
#include "lib/ops.h"
#include "lib/srtp.h"
#include "scrambler/keys.h"
#include "scrambler/sap.h"

enum { SCR_SOURCES = 128 };	/* SSRCs of a unit under one key */
enum { SCR_CUT = GW_SRTP_VERDICTS, SCR_SEND, SCR_REASONS };	/* why a packet did not go out, after those of lib/srtp.h */

/* Spent indices in a mapped file: they outlive the process, the key in force does, too. */
struct scr_marks { int fd; void *map; struct gw_srtp_mark *marks; };

struct scr_medium {
	struct scr_unit *unit; uint32_t index;
	char *name;
	struct gw_addr in, out;
	int in_fd, out_fd;
	uv_poll_t poll; bool polling;
	struct { char *name; struct gw_addr out; int out_fd; } next;	/* while a configuration is tried */
	uint64_t received, sent, sent_clear, dropped[SCR_REASONS];
};
struct scr_unit {
	char *id;
	struct scr_keys keys;
	/* One sender for all media: they share the key, so no SSRC may be in two of them. */
	struct scr_marks marks;
	struct gw_srtp_tx *tx;
	bool ready; uint64_t ready_cp;		/* the key made ready in tx */
	bool clear;				/* the record in force says so: media pass as they are */
	struct scr_medium **media; size_t nmedia;
	struct scr_medium **staged; size_t nstaged;	/* media of the configuration being tried */
	enum scr_mode staged_loss; uint32_t staged_loss_ms;
	uint32_t inputs;				/* media there ever were */
	struct gw_timer timer;
	uint64_t switches;
};
struct scrambler {
	uv_loop_t loop;
	struct gw_args args;
	char *head_end, *playout, *state;
	struct scr_unit **units; size_t nunits;
	struct gw_life life;
	struct gw_dialer *dialer;
	bool welcome;				/* follower_status came */
	int64_t heard_us, tested_us;		/* monotonic */
	struct gw_clock_watch watch;
	uv_timer_t second; bool ticking;
	struct gw_ops *ops;
	struct scr_sap *sap;
	uint64_t records, refused;
	struct gw_rate rate;
};

/* conf.c: what of the head-end this program can do; refused with file and place. */
int scr_conf_check(const struct headend *, struct gw_err *);
/* The units that are scrambled here (SRTP); n of them, heap. */
const struct he_unit **scr_conf_units(const struct headend *, size_t *n);

/* marks.c */
int scr_marks_open(struct scr_marks *, const char *state, const char *unit, struct gw_err *);
void scr_marks_close(struct scr_marks *);

/* unit.c: a unit, without media at first */
struct scr_unit *scr_unit_open(struct scrambler *, const char *id, struct gw_err *);
void scr_unit_close(struct scr_unit *);		/* frees itself when its handles have closed */
/* A new configuration: opens what it needs beside what there is; then take it, or leave everything as it was. */
int scr_unit_stage(struct scrambler *, struct scr_unit *, const struct he_unit *, struct gw_err *);
void scr_unit_commit(struct scr_unit *);
void scr_unit_revert(struct scr_unit *);
struct scr_unit *scr_unit_find(const struct scrambler *, const char *id, size_t len);
/* Looks at the clock: switches keys that are due. Cheap when none is. */
void scr_unit_tick(struct scr_unit *);
/* Makes the next key ready and sets the timer: after every record. */
void scr_unit_plan(struct scr_unit *);

/* medium.c: the data path; packets flow while it is open, and are dropped while there is no key */
struct scr_medium *scr_medium_open(struct scrambler *, struct scr_unit *, const struct he_medium *, struct gw_err *);
void scr_medium_close(struct scr_medium *);	/* frees itself */
bool scr_medium_same_in(const struct scr_medium *, const struct he_medium *);
/* Another name or output for the same input: prepares it; commit takes it, revert forgets it. Both quiet when nothing is. */
int scr_medium_change(struct scr_medium *, const struct he_medium *, struct gw_err *);
void scr_medium_commit(struct scr_medium *);
void scr_medium_revert(struct scr_medium *);
const char *scr_reason(int reason);

/* follow.c: the follower of the SCS */
void scr_follow_open(struct scrambler *);
void scr_follow_again(struct scrambler *);	/* the list of services has changed */
void scr_follow_close(struct scrambler *);
void scr_follow_second(struct scrambler *);	/* liveness; once a second */

/* status.c */
json_t *scr_status(void *self);
void scr_collect(void *self, struct gw_samples *);
#endif
