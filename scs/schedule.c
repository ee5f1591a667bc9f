/* scs/schedule.c: see schedule.h */
#include "scs/schedule.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* LISTENING: an old record is known; a scrambler that holds its key has it back, or the timetable begins anew. */
enum phase { WAIT, DRAWING, ASKING, COMMITTING, AIRING, AMENDING, LISTENING };
static const char *const phase_names[] = { "waiting", "drawing", "asking", "committing", "airing", "amending", "listening" };

enum { MS = 1000, RETRY = 1000 * 1000 };
/*
 * GUARD: from the decision until the record is with mux and scrambler, over a local or a wide link. MARGIN: network and scheduling
 * on top of max_comp_time, design.md 4. STALE: an older record than this is history, not the running CP. HEARING: how long a
 * restarted SCS waits for the scramblers to say what they hold; they come back within half a second. LEAST: of a CP without a key.
 */
enum { GUARD = 100 * MS, MARGIN = 500 * MS, STALE = 60 * 1000 * MS, HEARING = 1500 * MS, LEAST = 1000 * MS };

/*
 * What the next CP is to be, by what the newest one is and why. REST: none, it goes on as it is. Back from clear or mute leads only a
 * CP with all its required ECMs; and a service that never sent anything is not made clear by a loss.
 */
enum cause { RUN, COMMANDED, LOST_HOLD, LOST_MUTE, LOST_EXPOSE, CAUSES };
#define REST SCS_NOTHING
static const enum scs_mode modes[][CAUSES] = {
	/* newest          RUN            COMMANDED  LOST_HOLD      LOST_MUTE      LOST_EXPOSE */
	[SCS_SCRAMBLED] = { SCS_SCRAMBLED, SCS_CLEAR, SCS_SCRAMBLED, SCS_MUTED,     SCS_EXPOSED   },
	[SCS_CLEAR] =     { SCS_SCRAMBLED, REST,      SCS_SCRAMBLED, SCS_MUTED,     SCS_SCRAMBLED },
	[SCS_MUTED] =     { SCS_SCRAMBLED, SCS_CLEAR, SCS_SCRAMBLED, SCS_SCRAMBLED, SCS_EXPOSED   },
	[SCS_EXPOSED] =   { SCS_SCRAMBLED, SCS_CLEAR, SCS_MUTED,     SCS_MUTED,     SCS_SCRAMBLED },
	[SCS_NOTHING] =   { SCS_SCRAMBLED, SCS_CLEAR, SCS_SCRAMBLED, SCS_SCRAMBLED, SCS_SCRAMBLED },
};
static const char *const mode_names[] = { "scrambled", "clear", "muted", "exposed", "nothing" };

enum asked { IDLE, ASKED, ANSWERED };
struct stream {
	bool required, up, known;	/* known: its terms were announced at least once */
	struct scs_terms terms;
	enum asked asked;		/* for the CP in preparation */
	int64_t retry_us;		/* IDLE: not before */
	int64_t changed_cp;		/* the first with its present access criteria; -1: they never changed */
};
struct scs_schedule {
	struct scs_schedule_conf conf;
	enum phase phase;
	struct scs_cp live[SCS_LIVE]; size_t nlive;	/* released ones, ascending; the newest is the last */
	struct scs_cp before;		/* on_air: of an earlier life; its ECMs stay on air while nobody knows whether `next` had been released */
	struct scs_cp next;		/* in preparation */
	enum scs_mode mode;		/* of the newest released */
	bool clear;			/* is what was commanded */
	uint64_t answered;		/* bit i: stream i's ECM for `next` is there */
	int64_t base_us;		/* start of the newest released CP, moved by clock jumps: what the plan counts from */
	int64_t span_us;		/* its duration as it was promised */
	int64_t born_us;		/* when this life began: a loss counts from then */
	int64_t plan_us;		/* planned start of `next`; INT64_MIN: at once */
	int64_t now_us;			/* of the latest step: whatever was due then is done */
	int64_t hear_us;		/* AIRING what an earlier life committed: until when a scrambler may say that it holds it */
	bool aired;			/* meanwhile every mux acknowledged */
	int64_t asked_us;		/* when ASKING began */
	int64_t drawn_to;		/* keys exist up to here */
	int64_t retry_us;		/* DRAWING, COMMITTING, AMENDING, AIRING after a failure */
	bool pending;			/* the action of the phase was given out and not answered yet */
	bool extended, alarm;
	size_t muxes;
	struct scs_action *queue; size_t room, head, len;	/* behind the streams */
	size_t nstreams;
	struct stream streams[];
};

static void step(struct scs_schedule *, int64_t now);
static bool resting(const struct scs_schedule *);

static void
act(struct scs_schedule *s, struct scs_action a)
{
	/* A stream is asked once a set-up, a phase says one thing, and the owner takes all of it each turn: the queue cannot overflow. */
	assert(s->len < s->room);
	if (s->len < s->room)
		s->queue[(s->head + s->len++) % s->room] = a;
}

static void
configure(struct scs_schedule *s, const struct scs_schedule_conf *conf)
{
	s->conf = *conf;
	s->conf.required = NULL;	/* was lent */
	for (size_t i = 0; i < s->nstreams; i++)
		s->streams[i].required = conf->required[i];
}

struct scs_schedule *
scs_schedule_new(const struct scs_schedule_conf *conf)
{
	size_t room = 2 * conf->nstreams + 16;
	struct scs_schedule *s;

	if (conf->nstreams == 0 || conf->nstreams > SCS_STREAMS || conf->period_us <= 0)
		return NULL;
	s = calloc(1, sizeof(*s) + conf->nstreams * sizeof(s->streams[0]) + room * sizeof(s->queue[0]));
	if (!s)
		return NULL;
	s->nstreams = conf->nstreams;
	s->queue = (void *)&s->streams[s->nstreams];
	s->room = room;
	configure(s, conf);
	for (size_t i = 0; i < s->nstreams; i++)
		s->streams[i].changed_cp = -1;
	s->clear = conf->clear;
	s->mode = SCS_NOTHING;
	s->plan_us = s->born_us = INT64_MIN;
	s->drawn_to = -1;
	s->next = (struct scs_cp){ .cp = 0, .first = true };
	return s;
}

void
scs_schedule_free(struct scs_schedule *s)
{
	free(s);
}

/* What the streams ask for, over those whose terms are known. */
int64_t
scs_schedule_least(const struct scs_schedule *s)
{
	int64_t d = 0;

	for (size_t i = 0; i < s->nstreams; i++)
		if (s->streams[i].known && s->streams[i].terms.min_CP_duration * 100LL * MS > d)
			d = s->streams[i].terms.min_CP_duration * 100LL * MS;
	return d;
}

static int64_t
period(const struct scs_schedule *s)
{
	int64_t least = scs_schedule_least(s);

	return least > s->conf.period_us ? least : s->conf.period_us;
}

int64_t
scs_schedule_period(const struct scs_schedule *s)
{
	return period(s);
}

/* 2.6: a transition wins over a change of access criteria. Without scrambling there is no ECM to begin. */
void
scs_schedule_delays(const struct scs_schedule *s, size_t i, const struct scs_cp *cp, int16_t *start, int16_t *previous_stop)
{
	const struct scs_terms *t = &s->streams[i].terms;
	bool changed = cp->changed >> i & 1;

	*start = t->delay_start;
	*previous_stop = t->delay_stop;
	if (cp->mode != SCS_SCRAMBLED)
		*start = 0, *previous_stop = t->transition_delay_stop;
	else if (cp->first)
		*start = t->transition_delay_start;
	else if (changed)
		*start = t->AC_delay_start, *previous_stop = t->AC_delay_stop;
}

/*
 * How long before its start a CP must be committed: until its earliest ECM is on air, the one before it must be off, and never less
 * than the guard. us.
 */
static int64_t
lead(const struct scs_schedule *s, const struct scs_cp *cp)
{
	int64_t most = 0;
	int16_t start, stop;

	for (size_t i = 0; i < s->nstreams; i++) {
		scs_schedule_delays(s, i, cp, &start, &stop);
		if (cp->mode != SCS_SCRAMBLED)
			start = stop;
		if (s->streams[i].known && -start * (int64_t)MS > most)
			most = -start * (int64_t)MS;
	}
	return most + GUARD;
}

static int64_t
comp_time(const struct scs_schedule *s)
{
	int64_t most = 0;

	for (size_t i = 0; i < s->nstreams; i++)
		if (s->streams[i].known && s->streams[i].terms.max_comp_time * (int64_t)MS > most)
			most = s->streams[i].terms.max_comp_time * (int64_t)MS;
	return most;
}

static int
max_lead_CW(const struct scs_schedule *s)
{
	int x = 0;

	for (size_t i = 0; i < s->nstreams; i++)
		if (s->streams[i].known && s->streams[i].terms.lead_CW > x)
			x = s->streams[i].terms.lead_CW;
	return x;
}

/* How many CWs before its own a message may carry: y - x - 1 of 2.5. */
static int
max_behind(const struct scs_schedule *s)
{
	int b = 0;

	for (size_t i = 0; i < s->nstreams; i++) {
		const struct scs_terms *t = &s->streams[i].terms;
		if (s->streams[i].known && t->CW_per_msg - t->lead_CW - 1 > b)
			b = t->CW_per_msg - t->lead_CW - 1;
	}
	return b;
}

int64_t
scs_schedule_oldest_key(const struct scs_schedule *s)
{
	int64_t running = s->nlive ? s->live[0].cp : s->next.cp;

	return running - max_behind(s);
}

/* The first allowed start at or after t. */
static int64_t
slot(const struct scs_schedule *s, int64_t t)
{
	int64_t d = period(s), off;

	off = (t - s->conf.phase_us) % d;
	if (off < 0)
		off += d;
	return off ? t + d - off : t;
}

static int64_t
planned(const struct scs_schedule *s, int64_t now)
{
	if (s->plan_us == INT64_MIN)	/* the first CP does not wait for a slot: viewers do */
		return now + lead(s, &s->next);
	return s->plan_us;
}

/* Start for a commit made now: as planned, or as soon as its ECMs can be on air long enough. */
static int64_t
start_now(const struct scs_schedule *s, int64_t now)
{
	int64_t plan = planned(s, now), soonest = now + s->next.lead_us;

	if (plan >= soonest)
		return plan;
	return s->conf.align && !s->next.first ? slot(s, soonest) : soonest;
}

static bool
terms_known(const struct scs_schedule *s)
{
	for (size_t i = 0; i < s->nstreams; i++)
		if (s->streams[i].required && !s->streams[i].known)
			return false;
	return true;
}

static void
plan_next(struct scs_schedule *s, int64_t cp, bool first)
{
	s->next = (struct scs_cp){ .cp = cp, .first = first };
	s->answered = 0;
	s->plan_us = first ? INT64_MIN : slot(s, s->base_us + s->span_us);
	s->phase = WAIT;
	s->pending = s->extended = s->alarm = s->aired = false;
	s->retry_us = s->hear_us = INT64_MIN;
	for (size_t i = 0; i < s->nstreams; i++) {
		s->streams[i].asked = IDLE;
		s->streams[i].retry_us = INT64_MIN;
		if (s->streams[i].changed_cp == cp)
			s->next.changed |= 1ULL << i;
	}
}

/* The newest CP has no key: the next one as soon as can be. While a loss lasts its extension was said long ago. */
static void
plan_after(struct scs_schedule *s, int64_t cp)
{
	plan_next(s, cp, true);
	s->plan_us = s->base_us + LEAST;
	s->extended = s->alarm = s->mode != SCS_CLEAR;
}

/* Start of what an earlier life committed, for the plan. UTC may have been set back meanwhile: nobody waits for that start. */
static int64_t
adopted_start(const struct scs_cp *cp, int64_t now)
{
	bool ahead = cp->start_us > now + 2 * (cp->duration_us + cp->lead_us);

	return ahead ? now + cp->lead_us : cp->start_us;
}

void
scs_schedule_adopt(struct scs_schedule *s, const struct scs_cp *cps, size_t n, int64_t now)
{
	if (n == 0)
		return;
	if (n > 2) {
		cps += n - 2;
		n = 2;
	}
	const struct scs_cp *last = &cps[n - 1];
	bool stale = last->mode == SCS_SCRAMBLED && last->start_us + 2 * last->duration_us + STALE < now;
	s->born_us = now;
	s->span_us = last->duration_us;
	s->base_us = adopted_start(last, now);
	if (stale) {	/* from another time: its number and no more, unless a scrambler still holds its key */
		plan_next(s, last->cp, last->first);
		s->next = *last;
		s->plan_us = INT64_MIN;
		s->phase = LISTENING;
		s->hear_us = now + HEARING;
		return;
	}
	/*
	 * Clear that is wanted no more, or was because of a loss: whoever sends so goes on until it has the next CP, but nobody is told to
	 * begin. The record may be from long ago, or from a backup: a loss has to show in this life.
	 */
	if ((last->mode == SCS_CLEAR && !s->clear) || last->mode == SCS_EXPOSED) {
		s->mode = last->mode;
		if (s->base_us < now)	/* else a scrambler may be waiting for its start: nothing comes before that */
			s->base_us = now;
		plan_after(s, last->cp + 1);
		return;
	}
	/* The one before was released, since this one was prepared; it is over when this one has begun, if it has. */
	if (n == 2 && last->start_us > now)
		s->live[s->nlive++] = cps[0];
	else if (n == 2)
		s->before = cps[0], s->before.released = false, s->before.on_air = true;
	if (!s->conf.needs_mux)
		s->live[s->nlive++] = *last;
	for (size_t i = 0; i < s->nlive; i++)
		s->live[i].released = s->live[i].on_air = true, s->mode = s->live[i].mode;
	if (!s->conf.needs_mux) {
		last->mode == SCS_SCRAMBLED ? plan_next(s, last->cp + 1, false) : plan_after(s, last->cp + 1);
		return;
	}
	/* Committed, and nobody can tell whether a scrambler got it: on the air with it again, then release or amend. */
	plan_next(s, last->cp, last->first);
	s->next = *last;
	s->plan_us = s->base_us;
	s->base_us -= s->span_us;
	s->phase = AIRING;
	s->pending = true;
	s->hear_us = now + HEARING;
	act(s, (struct scs_action){ .kind = SCS_AIR, .cp = s->next.cp, .start_us = s->next.start_us, .duration_us = s->next.duration_us });
}

/* A longer period than before: the running CP may not end before that. A shorter one is for those that come. */
static void
stretch(struct scs_schedule *s, int64_t least_us)
{
	if (s->plan_us != INT64_MIN && s->phase <= ASKING && !s->next.first && s->plan_us < s->base_us + least_us) {
		s->plan_us = slot(s, s->base_us + least_us);
		s->span_us = s->plan_us - s->base_us;
	}
}

void
scs_schedule_reconf(struct scs_schedule *s, const struct scs_schedule_conf *conf, int64_t now)
{
	assert(conf->nstreams == s->nstreams && conf->needs_mux == s->conf.needs_mux);
	configure(s, conf);
	step(s, now);
}

int64_t
scs_schedule_criteria(struct scs_schedule *s, size_t i, int64_t now)
{
	struct stream *t = &s->streams[i];
	bool open = s->phase <= ASKING && t->asked == IDLE;

	t->changed_cp = s->next.cp + !open;
	if (open)
		s->next.changed |= 1ULL << i;
	step(s, now);
	return t->changed_cp;
}

/* A clear CP that is committed, and that no mux has: its number is given up. An earlier life may have released it. */
static void
give_up(struct scs_schedule *s, int64_t now)
{
	int64_t after = s->next.cp + 1;

	if (s->nlive == 0) {
		s->mode = SCS_CLEAR;
		s->base_us = now;
	}
	s->mode == SCS_SCRAMBLED ? plan_next(s, after, false) : plan_after(s, after);
}

int64_t
scs_schedule_command(struct scs_schedule *s, bool clear, int64_t now)
{
	bool open, ending;

	if (s->clear && !clear && resting(s)) {	/* it is to begin as soon as its ECMs can be there; past that, it is late */
		const struct scs_cp first = { .first = true };
		s->plan_us = now + lead(s, &first) + comp_time(s) + MARGIN;
		s->plan_us = s->plan_us > s->base_us + LEAST ? s->plan_us : s->base_us + LEAST;
		s->extended = s->alarm = false;
	}
	s->clear = clear;
	if (!clear && s->next.mode == SCS_CLEAR && (s->phase == AIRING || s->phase == AMENDING) && s->muxes == 0)
		give_up(s, now);
	step(s, now);
	open = s->phase <= ASKING;
	if (open)
		s->next.lead_us = lead(s, &s->next);
	ending = !open && s->phase != LISTENING && (s->next.mode == SCS_CLEAR) != clear;	/* too late for this one */
	if (open && (clear ? s->mode == SCS_CLEAR : s->mode == SCS_SCRAMBLED))
		return 0;
	if (ending)
		return s->next.start_us + s->next.duration_us;
	return open ? start_now(s, now) : s->next.start_us;
}

/* Delays beyond a whole CP would keep more than two CPs alive: cut. */
static int16_t
within(int16_t delay, int64_t period_us)
{
	int64_t most = period_us / MS;

	return delay > most ? (int16_t)most : delay < -most ? (int16_t)-most : delay;
}

void
scs_schedule_stream_up(struct scs_schedule *s, size_t i, const struct scs_terms *terms, int64_t now)
{
	struct stream *t = &s->streams[i];
	int64_t d;

	t->up = t->known = true;
	t->terms = *terms;
	d = period(s);
	t->terms.delay_start = within(terms->delay_start, d);
	t->terms.delay_stop = within(terms->delay_stop, d);
	t->terms.transition_delay_start = within(terms->transition_delay_start, d);
	t->terms.transition_delay_stop = within(terms->transition_delay_stop, d);
	t->terms.AC_delay_start = within(terms->AC_delay_start, d);
	t->terms.AC_delay_stop = within(terms->AC_delay_stop, d);
	if (t->asked == ASKED)
		t->asked = IDLE;
	t->retry_us = INT64_MIN;
	stretch(s, t->terms.min_CP_duration * 100LL * MS);
	step(s, now);
}

void
scs_schedule_stream_down(struct scs_schedule *s, size_t i, int64_t now)
{
	s->streams[i].up = false;
	if (s->streams[i].asked == ASKED)
		s->streams[i].asked = IDLE;
	step(s, now);
}

void
scs_schedule_drawn(struct scs_schedule *s, int64_t last, int64_t now)
{
	if (last > s->drawn_to)
		s->drawn_to = last;
	if (s->phase == DRAWING)
		s->pending = false;
	step(s, now);
}

void
scs_schedule_draw_failed(struct scs_schedule *s, int64_t now)
{
	if (s->phase == DRAWING) {
		s->pending = false;
		s->retry_us = now + RETRY;
	}
	step(s, now);
}

/* Back in DRAWING for a stream that looks further ahead, or in WAIT because of a command, the questions that were asked stand. */
static bool
collecting(const struct scs_schedule *s, size_t i, int64_t cp)
{
	return cp == s->next.cp && (s->phase == ASKING || s->phase == DRAWING || (s->phase == WAIT && s->streams[i].asked == ASKED));
}

void
scs_schedule_ecm(struct scs_schedule *s, size_t i, int64_t cp, int64_t now)
{
	if (collecting(s, i, cp)) {
		s->streams[i].asked = ANSWERED;
		s->answered |= 1ULL << i;
	}
	step(s, now);
}

void
scs_schedule_refused(struct scs_schedule *s, size_t i, int64_t cp, int64_t now)
{
	struct stream *t = &s->streams[i];

	if (collecting(s, i, cp) && t->asked == ASKED) {
		t->asked = IDLE;
		t->retry_us = now + RETRY;
	}
	step(s, now);
}

void
scs_schedule_stored(struct scs_schedule *s, int64_t cp, bool ok, int64_t start_us, int64_t now)
{
	if (cp != s->next.cp || (s->phase != COMMITTING && s->phase != AMENDING))
		return;
	s->pending = false;
	if (ok) {
		s->next.start_us = start_us;
		s->phase = AIRING;
		s->retry_us = INT64_MIN;
	} else {
		s->retry_us = now + RETRY;
	}
	step(s, now);
}

void
scs_schedule_muxes(struct scs_schedule *s, size_t connected, int64_t now)
{
	s->muxes = connected;
	if (connected == 0)
		s->aired = false;	/* what they had is not on the air; the next one to come acknowledges it anew */
	step(s, now);
}

/* The CP in preparation becomes the newest released one; those before the one that is running now are over. */
static void
release(struct scs_schedule *s, int64_t now)
{
	bool late = s->next.mode == SCS_SCRAMBLED && s->plan_us != INT64_MIN && s->next.start_us > s->plan_us;

	s->next.released = s->next.on_air = true;
	s->mode = s->next.mode;
	if (late && !s->extended)
		act(s, (struct scs_action){ .kind = SCS_EXTENDED, .cp = s->next.cp - 1, .start_us = s->plan_us });
	if (late)
		act(s, (struct scs_action){ .kind = SCS_RESUMED, .cp = s->next.cp, .start_us = s->next.start_us,
		    .duration_us = s->next.start_us - s->plan_us });
	act(s, (struct scs_action){ .kind = SCS_INSTALL, .cp = s->next.cp, .start_us = s->next.start_us,
	    .duration_us = s->next.duration_us, .mode = s->next.mode });
	while (s->nlive == SCS_LIVE - 1 || (s->nlive > 1 && s->live[1].start_us <= now))
		memmove(&s->live[0], &s->live[1], --s->nlive * sizeof(s->live[0]));
	s->live[s->nlive++] = s->next;
	s->base_us = s->next.start_us;
	s->span_us = s->next.duration_us;
	s->mode == SCS_SCRAMBLED ? plan_next(s, s->next.cp + 1, false) : plan_after(s, s->next.cp + 1);
	act(s, (struct scs_action){ .kind = SCS_TRIM, .cp = scs_schedule_oldest_key(s) - 1 });
}

/* Its ECMs come on the air in time for its start, and UTC was not set since that was decided. */
static bool
in_time(const struct scs_schedule *s, int64_t now)
{
	return s->next.start_us - s->next.lead_us + 2 * GUARD >= now && s->next.start_us >= s->plan_us &&
	    s->next.start_us <= start_now(s, now);
}

/*
 * When it is decided about a CP whose ECMs every mux has. Its key waits for their turn on the air to come near: should the last mux go before,
 * then the one on air is prolonged, and no receiver is without an ECM however long that takes. One that is late waits to be heard of.
 */
static int64_t
decided_at(const struct scs_schedule *s, int64_t now)
{
	if (!in_time(s, now))
		return s->hear_us;
	return s->conf.needs_mux ? s->next.start_us - s->next.lead_us - MARGIN / 2 : INT64_MIN;
}

void
scs_schedule_not_aired(struct scs_schedule *s, int64_t cp, int64_t now)
{
	if (s->phase == AIRING && cp == s->next.cp && s->pending && !s->aired) {
		s->pending = false;
		s->retry_us = now + RETRY;
	}
	step(s, now);
}

void
scs_schedule_aired(struct scs_schedule *s, int64_t cp, int64_t now)
{
	if (s->phase != AIRING || cp != s->next.cp || !s->pending)
		return;
	s->now_us = now;
	s->aired = true;
	if (now < decided_at(s, now))
		return;
	/* The key follows; or it starts at another time: receivers must have the ECM before the key. */
	if (in_time(s, now)) {
		release(s, now);
	} else {
		s->phase = AMENDING;
		s->pending = false;
		s->retry_us = INT64_MIN;
	}
	step(s, now);
}

void
scs_schedule_held(struct scs_schedule *s, int64_t cp, int64_t now)
{
	if (cp == s->next.cp && s->phase == LISTENING) {	/* its ECMs come back, with the key that is in force all the time */
		s->plan_us = s->next.start_us;
		s->phase = AIRING;
		act(s, (struct scs_action){ .kind = SCS_AIR, .cp = cp, .start_us = s->next.start_us, .duration_us = s->next.duration_us });
		release(s, now);
	}
	/* One whose start lies behind a clock that was set back has to be given another first. */
	if (cp == s->next.cp && (s->phase == AIRING || s->phase == AMENDING) && s->next.start_us <= start_now(s, now)) {
		s->phase = AIRING;
		release(s, now);
	}
	step(s, now);
}

static void
shift(int64_t *at, int64_t jump)
{
	if (*at != INT64_MIN)
		*at += jump;
}

void
scs_schedule_jump(struct scs_schedule *s, int64_t jump, int64_t now)
{
	s->base_us += jump;
	if (s->plan_us != INT64_MIN)
		s->plan_us = s->next.first ? s->plan_us + jump : slot(s, s->base_us + s->span_us);
	shift(&s->born_us, jump);
	shift(&s->retry_us, jump);
	shift(&s->hear_us, jump);
	shift(&s->asked_us, jump);
	for (size_t i = 0; i < s->nstreams; i++)
		shift(&s->streams[i].retry_us, jump);
	if (s->phase == COMMITTING || s->phase == AMENDING)	/* with a start of the old clock: decided again */
		s->pending = false;
	step(s, now);
}

/* Until when an optional stream is waited for: as long as the plan holds, or, without a plan, its time-out. */
static int64_t
optional_until(const struct scs_schedule *s)
{
	int64_t latest = s->plan_us == INT64_MIN ? s->asked_us + comp_time(s) + MARGIN : s->plan_us - lead(s, &s->next);

	return latest + s->conf.optional_wait_us;
}

static bool
all_settled(const struct scs_schedule *s, int64_t now)
{
	bool optional = true;

	for (size_t i = 0; i < s->nstreams; i++) {
		const struct stream *t = &s->streams[i];
		if (t->asked == ANSWERED)
			continue;
		if (t->required)
			return false;
		if (t->up)
			optional = false;
	}
	return optional || now >= optional_until(s);
}

static void
ask(struct scs_schedule *s, int64_t now)
{
	int64_t start, end;

	s->next.lead_us = lead(s, &s->next);
	start = start_now(s, now);
	end = slot(s, start + period(s));

	for (size_t i = 0; i < s->nstreams; i++) {
		struct stream *t = &s->streams[i];
		if (!t->up || t->asked != IDLE || t->retry_us > now)
			continue;
		t->asked = ASKED;
		act(s, (struct scs_action){ .kind = SCS_PROVISION, .cp = s->next.cp, .stream = i, .start_us = start,
		    .duration_us = end - start });
	}
}

/* ---- what the next CP is to be ---- */

/* Nobody counts as lost who was never asked, or who has his time still. */
static bool
ecm_lost(const struct scs_schedule *s, int64_t now)
{
	bool overdue = s->phase == ASKING && now >= s->asked_us + comp_time(s) + MARGIN;

	for (size_t i = 0; i < s->nstreams; i++)
		if (s->streams[i].required && s->streams[i].asked != ANSWERED && (!s->streams[i].up || overdue))
			return true;
	return false;
}

/* Exposed by an earlier life; should the loss last, it is by this one, too. */
static bool
hearsay(const struct scs_schedule *s)
{
	return s->mode == SCS_EXPOSED && s->nlive == 0 && s->conf.on_loss == SCS_EXPOSE;
}

/* When the plan was missed, as far as this life can know: after a start of ours everybody is away at first. */
static int64_t
missed_at(const struct scs_schedule *s)
{
	return s->plan_us > s->born_us ? s->plan_us : s->born_us;
}

/* When the policy for a loss takes effect. */
static int64_t
loss_at(const struct scs_schedule *s)
{
	if (s->mode == SCS_EXPOSED && !hearsay(s))	/* whether it may stay so is for the policy of today */
		return INT64_MIN;
	return s->plan_us == INT64_MIN ? INT64_MAX : missed_at(s) + s->conf.on_loss_us;
}

static enum scs_mode
wanted(const struct scs_schedule *s, int64_t now)
{
	enum cause cause = RUN;

	if (s->clear)
		cause = COMMANDED;
	else if (now >= loss_at(s) && ecm_lost(s, now))
		cause = LOST_HOLD + (enum cause)s->conf.on_loss;
	return cause == LOST_EXPOSE && hearsay(s) ? SCS_EXPOSED : modes[s->mode][cause];
}

static bool
resting(const struct scs_schedule *s)
{
	return s->clear && s->mode == SCS_CLEAR && s->phase <= ASKING;
}

/*
 * As long as nothing is stored everything may still change. What was asked and answered meanwhile is kept: should the CP become a
 * scrambled one again, its number has the same key as before.
 */
static void
decide(struct scs_schedule *s, int64_t now)
{
	bool stuck = s->phase == COMMITTING && !s->pending && s->next.mode != SCS_SCRAMBLED;
	enum scs_mode mode;

	if (s->phase > ASKING && !stuck)
		return;
	mode = wanted(s, now);
	if (mode == REST)
		mode = SCS_CLEAR;
	if (mode == s->next.mode)
		return;
	s->next.mode = mode;
	s->phase = WAIT;
}

static void
notice_extension(struct scs_schedule *s, int64_t now)
{
	if (s->plan_us == INT64_MIN || (s->phase == AIRING && now < s->hear_us) || resting(s))
		return;
	if (!s->extended && now >= s->plan_us) {
		s->extended = true;
		act(s, (struct scs_action){ .kind = SCS_EXTENDED, .cp = s->next.cp - 1, .start_us = s->plan_us });
	}
	if (!s->alarm && now >= missed_at(s) + s->conf.extension_alarm_us) {
		s->alarm = true;
		act(s, (struct scs_action){ .kind = SCS_ALARM, .cp = s->next.cp - 1, .start_us = s->plan_us,
		    .duration_us = now - s->plan_us });
	}
}

/*
 * Early enough for the slowest ECMG. But never before the CP ahead of it goes on air: with a max_comp_time beyond the period, and
 * answers that come at once, the plan would run away from the present.
 */
static int64_t
prepare_at(const struct scs_schedule *s)
{
	const struct scs_cp plain = { 0 };
	int64_t at = s->plan_us, least = s->next.first ? s->base_us : s->base_us - lead(s, &plain);

	if (at == INT64_MIN)
		return at;
	at -= lead(s, &s->next) + MARGIN + (s->next.mode == SCS_SCRAMBLED ? comp_time(s) : 0);
	return at > least ? at : least;
}

/* A CP without a key needs no ECMG: from WAIT to COMMITTING at its time. */
static bool
ready(const struct scs_schedule *s, int64_t now)
{
	if (s->conf.needs_mux && s->muxes == 0)
		return false;
	if (s->next.mode != SCS_SCRAMBLED)
		return s->phase == WAIT && !resting(s) && now >= prepare_at(s);
	return s->phase == ASKING && s->answered && all_settled(s, now);
}

/* Goes as far as it can without a further event. */
static void
step(struct scs_schedule *s, int64_t now)
{
	s->now_us = now;
	if (s->born_us == INT64_MIN)
		s->born_us = now;
	if (s->phase == LISTENING && now >= s->hear_us)
		plan_next(s, s->next.cp + 1, true);
	decide(s, now);
	if (s->phase == WAIT && s->next.mode == SCS_SCRAMBLED && terms_known(s) && now >= prepare_at(s)) {
		s->phase = DRAWING;
		s->pending = false;
	}
	if (s->phase == ASKING && s->drawn_to < s->next.cp + max_lead_CW(s)) {
		s->phase = DRAWING;	/* a stream that looks further ahead has come */
		s->pending = false;
	}
	if (s->phase == DRAWING && s->drawn_to >= s->next.cp + max_lead_CW(s)) {
		s->phase = ASKING;
		s->asked_us = now;
	}
	if (s->phase == DRAWING && !s->pending && now >= s->retry_us) {
		s->pending = true;
		act(s, (struct scs_action){ .kind = SCS_DRAW, .cp = s->next.cp, .last = s->next.cp + max_lead_CW(s) });
	}
	if (s->phase == ASKING)
		ask(s, now);
	if (ready(s, now)) {
		s->next.with = s->next.mode == SCS_SCRAMBLED ? s->answered : 0;
		s->phase = COMMITTING;
		s->pending = false;
		s->retry_us = INT64_MIN;
	}
	if ((s->phase == COMMITTING || s->phase == AMENDING) && !s->pending && now >= s->retry_us) {
		s->pending = true;
		if (s->phase == COMMITTING)
			s->next.lead_us = lead(s, &s->next);
		s->next.start_us = start_now(s, now);
		s->next.duration_us = slot(s, s->next.start_us + period(s)) - s->next.start_us;
		act(s, (struct scs_action){ .kind = s->phase == COMMITTING ? SCS_COMMIT : SCS_AMEND, .cp = s->next.cp,
		    .start_us = s->next.start_us, .duration_us = s->next.duration_us, .mode = s->next.mode });
	}
	if (s->phase == AIRING && !s->pending && now >= s->retry_us) {
		s->pending = true;
		s->aired = false;
		act(s, (struct scs_action){ .kind = SCS_AIR, .cp = s->next.cp, .start_us = s->next.start_us,
		    .duration_us = s->next.duration_us });
		if (!s->conf.needs_mux)
			scs_schedule_aired(s, s->next.cp, now);
	}
	if (s->phase == AIRING && s->pending && s->aired && now >= decided_at(s, now))
		scs_schedule_aired(s, s->next.cp, now);
	notice_extension(s, now);
}

void
scs_schedule_tick(struct scs_schedule *s, int64_t now)
{
	step(s, now);
}

static void
sooner(const struct scs_schedule *s, int64_t *at, int64_t t)
{
	if (t > s->now_us && t < *at)
		*at = t;
}

int64_t
scs_schedule_next(const struct scs_schedule *s)
{
	int64_t at = INT64_MAX;

	if (s->len)
		return INT64_MIN;
	if (resting(s))
		return at;
	if (s->phase == WAIT && (terms_known(s) || s->next.mode != SCS_SCRAMBLED))
		sooner(s, &at, prepare_at(s));
	if (s->phase <= ASKING && s->conf.on_loss != SCS_HOLD) {
		sooner(s, &at, loss_at(s));
		if (s->phase == ASKING)
			sooner(s, &at, s->asked_us + comp_time(s) + MARGIN);
	}
	if (s->phase != WAIT && s->phase != ASKING && s->phase != LISTENING)
		if (!s->pending)
			sooner(s, &at, s->retry_us);
	if (s->phase == ASKING) {
		bool optional = false;
		for (size_t i = 0; i < s->nstreams; i++) {
			const struct stream *t = &s->streams[i];
			if (t->up && t->asked == IDLE)
				sooner(s, &at, t->retry_us);
			optional |= !t->required && t->asked != ANSWERED;
		}
		if (optional)
			sooner(s, &at, optional_until(s));
	}
	if (s->phase == AIRING || s->phase == LISTENING)
		sooner(s, &at, s->hear_us);
	if (s->phase == AIRING && s->pending && s->aired)
		sooner(s, &at, decided_at(s, s->now_us));
	if (s->plan_us != INT64_MIN) {
		if (!s->extended)
			sooner(s, &at, s->plan_us);
		else if (!s->alarm)
			sooner(s, &at, missed_at(s) + s->conf.extension_alarm_us);
	}
	return at;
}

/* Something happened since it was said: somebody holds the CP that was to be amended, a stream went down, the clock was set. */
static bool
overtaken(const struct scs_schedule *s, const struct scs_action *a)
{
	switch (a->kind) {
	case SCS_COMMIT:
	case SCS_AMEND:
		return a->cp != s->next.cp || s->phase != (a->kind == SCS_COMMIT ? COMMITTING : AMENDING) ||
		    a->start_us != s->next.start_us;
	case SCS_AIR:	/* of one that is released by now the mux has nothing yet */
		return a->cp == s->next.cp ? s->phase != AIRING : !scs_schedule_find(s, a->cp);
	case SCS_PROVISION:
		return a->cp != s->next.cp || s->streams[a->stream].asked != ASKED;
	default:
		return false;
	}
}

bool
scs_schedule_take(struct scs_schedule *s, struct scs_action *a)
{
	while (s->len > 0) {
		*a = s->queue[s->head];
		s->head = (s->head + 1) % s->room;
		s->len--;
		if (!overtaken(s, a))
			return true;
	}
	return false;
}

size_t
scs_schedule_live(const struct scs_schedule *s, int64_t now, const struct scs_cp *live[SCS_LIVE])
{
	size_t n = 0, first = 0;

	while (first + 1 < s->nlive && s->live[first + 1].start_us <= now)
		first++;
	if (s->nlive == 0 && s->before.on_air && (s->phase == AIRING || s->phase == AMENDING))
		live[n++] = &s->before;
	for (size_t i = first; i < s->nlive && n < SCS_LIVE - 1; i++)
		live[n++] = &s->live[i];
	if (s->phase == AIRING || s->phase == AMENDING)
		live[n++] = &s->next;
	return n;
}

const struct scs_cp *
scs_schedule_find(const struct scs_schedule *s, int64_t cp)
{
	for (size_t i = 0; i < s->nlive; i++)
		if (s->live[i].cp == cp)
			return &s->live[i];
	return s->next.cp == cp ? &s->next : NULL;
}

const char *
scs_schedule_phase(const struct scs_schedule *s)
{
	return phase_names[s->phase];
}

bool
scs_schedule_in_alarm(const struct scs_schedule *s)
{
	return s->alarm;
}

const char *
scs_schedule_asked(const struct scs_schedule *s, size_t i)
{
	static const char *const names[] = { "idle", "asked", "answered" };

	return names[s->streams[i].asked];
}

bool
scs_schedule_up(const struct scs_schedule *s, size_t i)
{
	return s->streams[i].up;
}

bool
scs_schedule_extended(const struct scs_schedule *s)
{
	return s->extended;
}

const struct scs_cp *
scs_schedule_preparing(const struct scs_schedule *s)
{
	return &s->next;
}

enum scs_mode
scs_schedule_mode(const struct scs_schedule *s)
{
	return s->mode;
}

const char *
scs_mode_name(enum scs_mode mode)
{
	return mode_names[mode];
}

bool
scs_schedule_commanded(const struct scs_schedule *s)
{
	return s->clear;
}

size_t
scs_schedule_print_modes(char *out, size_t cap)
{
	static const char *const causes[CAUSES] = { "run", "commanded", "lost, hold", "lost, mute", "lost, clear" };
	size_t at = 0;

	for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++)
		for (size_t c = 0; c < CAUSES; c++)
			at += (size_t)snprintf(out + (at < cap ? at : cap), at < cap ? cap - at : 0, "%s + %s -> %s\n", mode_names[m], causes[c],
			    modes[m][c] == REST ? "goes on" : mode_names[modes[m][c]]);
	return at;
}

int64_t
scs_schedule_released(const struct scs_schedule *s)
{
	return s->nlive ? s->live[s->nlive - 1].cp : -1;
}

int64_t
scs_schedule_running(const struct scs_schedule *s, int64_t now)
{
	int64_t cp = -1;

	for (size_t i = 0; i < s->nlive && (s->live[i].start_us <= now || cp < 0); i++)
		cp = s->live[i].cp;
	return cp;
}
