/*
 * tools/pace.h: when the next request of simulgate load is due, on which slot, and how long each has taken. Sans-I/O: times go in (nanoseconds
 * of any clock that does not step), requests to be made come out; no allocation but in pace_open(). For one thread.
 *
 * A slot has one request outstanding at a time: a SimulCrypt stream, a terminal. Slots come in groups: the streams of a connection. With a rate
 * the timetable waits for nobody: a request whose slot is busy, or away, stays due and leaves as soon as the slot is free; its time from when it
 * was due has that wait in it (coordinated omission). With a window a group has so many requests outstanding, and one leaves when one was answered:
 * it is due when it leaves.
 */
#ifndef TOOLS_PACE_H
#define TOOLS_PACE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tools/hist.h"

struct pace_conf {
	unsigned groups, slots;		/* slots: of each group; all are numbered group * slots + slot */
	double rate;			/* requests a second, of all groups together; 0: by window */
	unsigned window;		/* outstanding in a group, 1..slots */
	int64_t start, ramp, duration, timeout;	/* groups are opened one after the other within ramp; a request without an answer for timeout has none */
};
struct pace_report {
	uint64_t sent, unanswered, unsent;	/* unsent: due, but the slot was never free */
	struct hist due, sent_ns;		/* from when it was due, which is what a service notices; from when it left: uncorrected */
	struct hist behind;			/* how late we were ourselves: from when it was due to when it left, on a slot that was free */
};
struct pace_slot { uint8_t state; uint32_t behind; int64_t due, sent, behind_due; };
struct pace_group { unsigned asked, next; bool known; };
struct pace {
	struct pace_conf conf;
	struct pace_report *report;
	struct pace_slot *slot;
	struct pace_group *group;
	unsigned known, asked, turn;	/* known: groups of which a slot was up once: they have requests due */
	int64_t due, period, end;	/* of the next request; between two of one slot; of it all */
	bool over;
};
/* A request to be made, now. The caller makes it and says so by pace_sent(), or takes the slot down. */
struct pace_ask { unsigned slot; int64_t due; };

/* 0, or -1: no memory. The report is lent until pace_close(), and added to. */
int pace_open(struct pace *, const struct pace_conf *, struct pace_report *);
void pace_close(struct pace *);		/* quiet on a zeroed one */

/* How many of n (groups, or slots) are to have been opened by now, as the ramp has it: 1..n. */
unsigned pace_opened(const struct pace *, unsigned n, int64_t now);
/* All that follows returns true with a request to be made. */
bool pace_up(struct pace *, unsigned slot, int64_t now, struct pace_ask *);	/* the slot can be asked */
bool pace_answered(struct pace *, unsigned slot, int64_t now, struct pace_ask *);	/* its request has its answer */
/* With a rate: what the timetable says; again until false. Time has to be told at pace_next() or sooner. */
bool pace_tick(struct pace *, int64_t now, struct pace_ask *);
/* Its request is out for longer than the time-out, and counts as unanswered: *late; the slot may be asked again. */
bool pace_overdue(struct pace *, unsigned slot, int64_t now, bool *late, struct pace_ask *);
void pace_sent(struct pace *, const struct pace_ask *, int64_t now);
void pace_down(struct pace *, unsigned slot, int64_t now);	/* cannot be asked; what was out is unanswered */
int64_t pace_next(const struct pace *);	/* INT64_MAX: nothing is due by itself */
bool pace_out(const struct pace *, unsigned slot);	/* a request of it is out */
bool pace_ready(const struct pace *, unsigned slot);	/* it is up */
/* Its time is over, or it is stopped: nothing more is asked; what was due and never left is counted with the time that it has waited. */
void pace_finish(struct pace *, int64_t now);
#endif
