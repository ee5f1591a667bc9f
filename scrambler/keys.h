/*
 * scrambler/keys.h: which key is in force for a protected unit. Fed with committed records and the time; no I/O.
 *
 * A key is in force from the start of its crypto-period until a later one starts: without a successor it is held. It starts by
 * absolute time, but never earlier than min_duration of monotonic time after the one before it, so that a jumping clock makes
 * no short crypto-period. A key once in force for a crypto-period is that period's only key.
 *
 * A committed crypto-period may be without a key: in clear, or nothing at all. Before the first record, after the end and while a key
 * cannot be installed there is nothing.
 *
 * Starvation: a crypto-period with a key is past its planned end, no later one is known, and the SCS is not heard (while it is, the
 * decision is its own: it holds a period, too, when a mux is away). The key is held, unless the operator has said (scr_keys_policy) that
 * after some time nothing is sent, or everything in clear; this and what a record says are all that makes media clear. It is over
 * when a later crypto-period is known, or the SCS is heard. Time is monotonic here: a clock that jumps starves nobody.
 */
#ifndef SCR_KEYS_H
#define SCR_KEYS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/secret.h"

struct gw_xkey;
enum { SCR_COMING = 8 };	/* crypto-periods known ahead */

struct scr_form {		/* what a key must be like; by the protection */
	const char *name;
	uint8_t protection;
	size_t key_len, id_min, id_max;
};

/* As the playout link has it; SCR_NONE: nothing is known. */
enum scr_mode { SCR_NONE, SCR_SCRAMBLED, SCR_CLEAR, SCR_MUTED };

struct scr_record {		/* key_record; key is lent. Or mode_record: nothing but mode, cp and start */
	enum scr_mode mode;
	uint64_t cp;
	int64_t start_us;	/* UTC */
	uint32_t duration_ms, min_duration_ms;
	uint8_t protection; bool authenticated;
	const uint8_t *key_id; size_t key_id_len;
	const uint8_t *key; size_t key_len;
};
struct scr_key {		/* the same, held */
	enum scr_mode mode;
	uint64_t cp;
	int64_t start_us;
	uint32_t duration_ms, min_duration_ms;
	bool authenticated;
	uint8_t key_id[8]; size_t key_id_len;
	struct gw_secret key;	/* p NULL: none, as modes but SCR_SCRAMBLED have it */
	struct gw_xkey *ready;	/* made of it by the caller, who frees it, too; NULL at first */
	char fingerprint[17];
};
struct scr_keys {
	struct scr_key now;	/* in force; SCR_NONE: none */
	struct scr_key coming[SCR_COMING]; size_t n;	/* ascending cp */
	int64_t hold_us;	/* monotonic: no switch before */
	int64_t end_us;		/* UTC: the service ends; INT64_MAX: it does not */
	int64_t plan_us;	/* monotonic: planned end of the one in force */
	int64_t heard_us;	/* monotonic: the last that was heard of the SCS; INT64_MIN: never */
	enum scr_mode loss; int64_t loss_after_us;	/* scr_keys_policy */
	struct scr_form form;
	/* Over, and not freed yet: a step neither frees nor cleanses. */
	struct scr_key gone[SCR_COMING + 1]; size_t ngone;
};
enum scr_step { SCR_GO_ON, SCR_SWITCH, SCR_END };
const char *scr_mode_name(enum scr_mode);	/* "scrambled" … */

void scr_keys_init(struct scr_keys *, const struct scr_form *);
void scr_keys_fini(struct scr_keys *);	/* no key of it may be ready any more: scr_keys_forget, scr_keys_gone */
/* All keys are over, as at the end of the service. */
void scr_keys_forget(struct scr_keys *);
/*
 * One of those that are over, out to *key, the caller's to be freed; false: none is left. To be asked until then before each
 * scr_keys_take, so that there is room.
 */
bool scr_keys_gone(struct scr_keys *, struct scr_key *key);
void scr_key_free(struct scr_key *);	/* cleanses */
/* The crypto-period's key if it has not begun; NULL: none. */
struct scr_key *scr_keys_coming(struct scr_keys *, uint64_t cp);
/* 0: acknowledge (also when there was nothing to do). Else the error_status of record_error, *why says it in words. */
int scr_keys_take(struct scr_keys *, const struct scr_record *, const char **why);
/*
 * What becomes of the service when a crypto-period that nothing follows is after_ms past its planned end, and the SCS silent for as long:
 * SCR_SCRAMBLED, it goes on with its key (as it does before this is called), SCR_MUTED or SCR_CLEAR. Holds for the one in force, too. A step
 * does it: SCR_SWITCH, with now.mode another and now.cp and now.key as they were; and back again.
 */
void scr_keys_policy(struct scr_keys *, enum scr_mode loss, uint32_t after_ms);
/* The SCS was heard then; to be told about once a second, or with each message. */
void scr_keys_heard(struct scr_keys *, int64_t mono_us);
bool scr_keys_starved(const struct scr_keys *);	/* now.mode is the policy's, not the record's */
/* service_end: nothing is sent from start_us on, until a record is taken. */
void scr_keys_end(struct scr_keys *, int64_t start_us);
/* SCR_SWITCH: another key is in force (`now`). SCR_END: no key is in force or coming. At most one change a call. */
enum scr_step scr_keys_step(struct scr_keys *, int64_t utc_us, int64_t mono_us);
/* Names the key that is held for a crypto-period, 16 hexadecimal digits, lent until the next step; NULL: none is. */
const char *scr_keys_fingerprint(const struct scr_keys *, uint64_t cp);
/* What will be in force next, as far as is known; NULL: nothing. */
const struct scr_key *scr_keys_next(const struct scr_keys *);
/* Microseconds until the step that may change something; INT64_MAX: only a record can. */
int64_t scr_keys_wait(const struct scr_keys *, int64_t utc_us, int64_t mono_us);
#endif
