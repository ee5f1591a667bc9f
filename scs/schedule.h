/*
 * scs/schedule.h: the crypto-period timetable of one protected unit (design.md 4; TS 103 197 clause 5, CW_provision and delays).
 * Sans-I/O: time (UTC us), streams and answers go in; actions come out. It knows CPs by number and never sees a key or an ECM.
 *
 * One CP is prepared at a time, the one after the last released:
 *
 *   WAIT -time-> DRAWING -keys stored-> ASKING -all required ECMs-> COMMITTING -stored-> AIRING -every mux has it-> released
 *                                                                                     '-too late-> AMENDING -stored-> AIRING
 *
 * A CP is released (its ECMs may go on air, its key to the scramblers) only after its ECMs are with the mux, and not long before they
 * go on air, |delay_start| before its start. As long as a CP is not released the one before it is prolonged: no key without its ECMs, no gap,
 * nothing in clear.
 *
 * A stretch without scrambling is a CP, too: it has a number, a start and a stored record, and it takes the ECMs of the one before off
 * the air; but no key, no ECM and no end of its own. It comes by command, or by the service's policy for the loss of a required ECM;
 * what the next CP is to be is the table of modes in schedule.c. Nothing else makes a service clear.
 */
#ifndef SCS_SCHEDULE_H
#define SCS_SCHEDULE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/scs_terms.h"

enum scs_mode { SCS_SCRAMBLED,
	SCS_CLEAR,	/* by command */
	SCS_MUTED,	/* a required ECM does not come: nothing is sent */
	SCS_EXPOSED,	/* a required ECM does not come: sent in clear */
	SCS_NOTHING,	/* no CP yet, in this life or an earlier one; never of a CP */
};
enum scs_loss { SCS_HOLD, SCS_MUTE, SCS_EXPOSE };	/* what a service does when a required ECM does not come for long */

struct scs_schedule_conf {
	int64_t period_us;		/* nominal CP duration */
	int64_t phase_us;		/* starts lie on phase modulo period, so that services spread; 0 with align */
	bool align;			/* after an extension, too, and however long that makes it */
	int64_t extension_alarm_us;	/* past the planned start: alarm */
	int64_t optional_wait_us;	/* how long past the latest commit an optional stream is waited for */
	bool needs_mux;			/* ECMs go to our mux: no release without it */
	enum scs_loss on_loss; int64_t on_loss_us;	/* after so much of extension */
	bool clear;			/* by the latest command, or by `start` of the configuration */
	size_t nstreams;
	const bool *required;		/* per stream; lent for the call */
};

/* A committed crypto-period as the timetable sees it; the record of design.md 2 is this plus key and ECMs. */
struct scs_cp {
	int64_t cp, start_us, duration_us;	/* duration: the plan */
	int64_t lead_us;	/* how long before its start its first ECM goes on air, and the guard */
	bool first;		/* the first after silence or clear: transition delays */
	bool released;		/* its key may be, or is, in a scrambler */
	bool on_air;		/* its ECMs go on air in their time; else the muxes hold them */
	enum scs_mode mode;
	uint64_t with;		/* bit i: stream i has an ECM for it */
	uint64_t changed;	/* bit i: the first one with other access criteria of stream i: AC delays */
};

enum scs_action_kind {
	SCS_DRAW,	/* cp..last: draw what does not exist, store it, then scs_schedule_drawn() or _draw_failed() */
	SCS_PROVISION,	/* ask `stream` for the ECM of cp; duration_us: of this CP. Then _ecm(), _refused() or _stream_down() */
	SCS_COMMIT,	/* store the record of cp; then _stored() */
	SCS_AMEND,	/* store cp again with its later start; then _stored() */
	SCS_AIR,	/* its ECMs to every mux, to be held; then _aired() once all connected ones have acknowledged */
	SCS_INSTALL,	/* every mux lets its ECMs go on air; its key, or its mode, to every scrambler */
	SCS_TRIM,	/* nothing below cp is needed any more */
	SCS_EXTENDED,	/* the running CP is being prolonged (said once per CP) */
	SCS_ALARM,	/* ... for longer than extension_alarm */
	SCS_RESUMED,	/* rotation goes on after an extension of duration_us */
};
struct scs_action { enum scs_action_kind kind; int64_t cp, last; size_t stream; int64_t start_us, duration_us; enum scs_mode mode; };

enum { SCS_STREAMS = 64 };	/* of one unit: bits of `with` */
struct scs_schedule;
/* NULL: out of memory, no or too many streams. */
struct scs_schedule *scs_schedule_new(const struct scs_schedule_conf *);
void scs_schedule_free(struct scs_schedule *);

/*
 * Another configuration of the same streams: from the CP on that is not yet asked for; what was promised stands. `clear` is not looked
 * at: that is the command's.
 */
void scs_schedule_reconf(struct scs_schedule *, const struct scs_schedule_conf *, int64_t now_us);
/* In clear from the end of the running CP on, or scrambled again. When that will be; 0: it is so already. Stored by the caller before. */
int64_t scs_schedule_command(struct scs_schedule *, bool clear, int64_t now_us);
/* A stream has other access criteria: the first CP that gets them. */
int64_t scs_schedule_criteria(struct scs_schedule *, size_t stream, int64_t now_us);

/*
 * At most once, before anything else: the last committed records of an earlier life, ascending, the newest 1 or 2. A clear one is taken
 * up only while the command that made it still stands, one that a loss made never: no scrambler is told of it otherwise.
 */
void scs_schedule_adopt(struct scs_schedule *, const struct scs_cp *, size_t n, int64_t now_us);
void scs_schedule_stream_up(struct scs_schedule *, size_t stream, const struct scs_terms *, int64_t now_us);
void scs_schedule_stream_down(struct scs_schedule *, size_t stream, int64_t now_us);
void scs_schedule_drawn(struct scs_schedule *, int64_t last, int64_t now_us);
void scs_schedule_draw_failed(struct scs_schedule *, int64_t now_us);	/* asks again after a second */
void scs_schedule_ecm(struct scs_schedule *, size_t stream, int64_t cp, int64_t now_us);
void scs_schedule_refused(struct scs_schedule *, size_t stream, int64_t cp, int64_t now_us);	/* asked again after a second */
/* ok false: not stored, try again after a second. start_us: of the record as stored (an earlier life's stands). */
void scs_schedule_stored(struct scs_schedule *, int64_t cp, bool ok, int64_t start_us, int64_t now_us);
void scs_schedule_muxes(struct scs_schedule *, size_t connected, int64_t now_us);
void scs_schedule_aired(struct scs_schedule *, int64_t cp, int64_t now_us);
void scs_schedule_not_aired(struct scs_schedule *, int64_t cp, int64_t now_us);	/* a mux refused it: sent again after a second */
/* A scrambler says that it holds this CP: it was released, whatever the store could tell. */
void scs_schedule_held(struct scs_schedule *, int64_t cp, int64_t now_us);
/* UTC jumped by jump_us against the monotonic clock: the plan moves with it, so that no CP shrinks. */
void scs_schedule_jump(struct scs_schedule *, int64_t jump_us, int64_t now_us);

void scs_schedule_tick(struct scs_schedule *, int64_t now_us);
int64_t scs_schedule_next(const struct scs_schedule *);	/* when it next wants the time; INT64_MAX: only events matter */
bool scs_schedule_take(struct scs_schedule *, struct scs_action *);	/* in order; false: none */

/*
 * The CPs that followers need now, ascending: the running one, two committed ahead of their start, and one not released yet. After a start of
 * ours the running one may be one that only the muxes need, until it is known whether the next one had been released.
 */
enum { SCS_LIVE = 4 };
size_t scs_schedule_live(const struct scs_schedule *, int64_t now_us, const struct scs_cp *live[SCS_LIVE]);
const struct scs_cp *scs_schedule_find(const struct scs_schedule *, int64_t cp);	/* NULL: not live */
/* The delay with which ECM(cp) of a stream starts, and with which the one before it stops (2.6 of the timeline): ms. */
void scs_schedule_delays(const struct scs_schedule *, size_t stream, const struct scs_cp *, int16_t *start, int16_t *previous_stop);
/* The first CP of a CW window: lowest CP whose CW any stream's message for cp may need. */
int64_t scs_schedule_oldest_key(const struct scs_schedule *);
/* For the status page. */
const char *scs_schedule_phase(const struct scs_schedule *);	/* "asking" … */
const char *scs_schedule_asked(const struct scs_schedule *, size_t stream);	/* "idle", "asked", "answered": the CP in preparation */
bool scs_schedule_up(const struct scs_schedule *, size_t stream);
bool scs_schedule_extended(const struct scs_schedule *);	/* the running CP is being prolonged */
bool scs_schedule_in_alarm(const struct scs_schedule *);
const struct scs_cp *scs_schedule_preparing(const struct scs_schedule *);
enum scs_mode scs_schedule_mode(const struct scs_schedule *);	/* of the newest CP released */
const char *scs_mode_name(enum scs_mode);	/* "scrambled" … */
bool scs_schedule_commanded(const struct scs_schedule *);	/* clear is what is wanted */
size_t scs_schedule_print_modes(char *out, size_t cap);	/* the table of modes as text, for its golden page */
int64_t scs_schedule_released(const struct scs_schedule *);	/* the newest; -1: none */
int64_t scs_schedule_running(const struct scs_schedule *, int64_t now_us);	/* -1: none yet */
int64_t scs_schedule_period(const struct scs_schedule *);	/* in force: at least every min_CP_duration */
int64_t scs_schedule_least(const struct scs_schedule *);	/* every min_CP_duration: shorter no CP may be, though it begins late; 0: none is known */
#endif
