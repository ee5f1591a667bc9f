/* lib/scs_kms.c: see scs_kms.h */
#include "lib/scs_kms.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "lib/due.h"
#include "lib/fsm.h"
#include "lib/log.h"

enum { MS = 1000, S = 1000 * 1000 };
/*
 * PATIENCE: for an ECMG to be well before it counts as dead; SILENT: requests in a row that timed out at an ECMG, after which another
 * is preferred; CALM: who was preferred for so long has no relapse when it fails; DOUBLINGS of the wait after relapses.
 */
enum { PATIENCE = 3 * S, SILENT = 3, CALM = 600 * S, DOUBLINGS = 6 };
enum { MOST = UINT16_MAX };		/* streams of a channel that states no max_streams */
#define NO_CP INT64_MIN
#define NOBODY SIZE_MAX

enum { IDLE, TRYING, WELL, DEAD };
enum { WANTED, UNWANTED, UP, DOWN, TIMEOUT };
static const char *const states[] = { "IDLE", "TRYING", "WELL", "DEAD" };
static const char *const events[] = { "WANTED", "UNWANTED", "UP", "DOWN", "TIMEOUT" };

struct ecmg {
	struct gw_due due;		/* first: the end of patience; or when it may be gone back to */
	struct scs_kms *kms;
	size_t index;
	struct gw_state fsm;
	struct scs_line **lines; size_t n, open, room;
	size_t roomy;			/* no line before this one has room */
	size_t up;			/* streams */
	bool was_well, alarm, returned;	/* was_well: since it was wanted; returned: preferred because it was gone back to */
	int64_t well_us, preferred_us;	/* since when */
	unsigned relapses, silent;
};

struct scs_line {
	struct gw_due due;		/* first: the channel's */
	struct ecmg *ecmg;		/* NULL: being closed */
	struct scs_kms *kms;
	size_t place;			/* among its ECMG's lines */
	void *conn;
	struct scs_chan *chan;
	uint16_t id;
	bool open, connected, fixed_id;
	struct scs_terms terms;
	struct scs_kms_stream **streams; size_t n, placed;	/* by number in the channel; NULL: gone */
	size_t limit, learned;		/* streams it takes; learned from an error: 0 is not known */
};

struct seat { struct scs_line *line; size_t number; bool up, failed; };
struct scs_kms_stream {
	struct gw_due due;		/* first: the hedge */
	struct scs_kms *kms;
	void *owner;
	struct scs_chan_stream conf;
	size_t place;
	size_t active;			/* the ECMG that is asked first; NOBODY: the owner was told that it is down */
	struct scs_terms told;
	int64_t cp, duration_us;	/* outstanding; NO_CP: nothing is */
	int64_t done, counted;		/* CP answered last; CP counted as provisioned last */
	uint32_t tried, pending;	/* bits of ECMGs: asked for this CP; and without an answer yet */
	uint32_t move;			/* bits of ECMGs where it needs a channel with room */
	struct scs_kms_stream *next_move;
	bool taken_over;
	struct scs_trouble trouble;
	uint64_t provisioned, answered;
	struct seat seats[];
};

struct scs_kms {
	struct scs_kms_conf conf;
	char name[65];
	const struct scs_kms_ops *ops;
	void *self;
	int64_t now_us;
	struct scs_kms_stream **streams; size_t n, room;
	struct scs_kms_stream *move, **move_end;
	size_t preferred, nlines;	/* nlines: those being closed, too */
	bool changed, moved, stopping;	/* changed: something at an ECMG did; moved: its state did, or who is preferred */
	struct gw_dues lines, hedges, ecmgs;
	struct scs_chan_counts past;	/* of lines that are over */
	uint64_t switches, hedged, late;
	struct { uint64_t n, asked, answered; int64_t since_us, us; } takeover;
	struct gw_rate rate;
	struct scs_trouble trouble;	/* of the latest connection that a channel could not live on */
	struct ecmg ecmg[];
};

static const struct scs_chan_ops chan_ops;

static uint32_t
bit(size_t ecmg)
{
	return UINT32_C(1) << ecmg;
}

static void
replan(struct scs_line *l)
{
	gw_due_set(&l->kms->lines, &l->due, scs_chan_next(l->chan));
}

static const char *
role(const struct ecmg *g)
{
	return g->index == g->kms->preferred ? "preferred" : "standby";
}

/* ---- lines ---- */

/* Some vendors fix ECM_channel_id: the lowest number from there on that no other channel to this ECMG has. */
static uint16_t
fixed_id(const struct ecmg *g)
{
	uint16_t id = g->kms->conf.chan.manners.channel_id.v;

	for (size_t i = 0; i < g->n; i++)
		if (g->lines[i]->id == id) {
			id++;
			i = SIZE_MAX;	/* from the beginning */
		}
	return id;
}

static int
take_id(struct scs_line *l)
{
	struct scs_kms *k = l->kms;
	int id;

	l->fixed_id = k->conf.chan.manners.channel_id.set;
	id = k->ops->take_id(k->self, l->fixed_id ? fixed_id(l->ecmg) : -1);
	if (id < 0)
		gw_log_limited(&k->rate, GW_ERR, "channel_ids_used_up", "no ECM_channel_id of the range is free", "kms=%s", k->name);
	else
		l->id = (uint16_t)id;
	return id < 0 ? -1 : 0;
}

static void
give_id_back(struct scs_line *l)
{
	l->kms->ops->free_id(l->kms->self, l->id);
}

static struct scs_line *
new_line(struct ecmg *g)
{
	struct scs_kms *k = g->kms;
	struct scs_chan_conf conf = k->conf.chan;
	struct scs_line *l;

	if (g->n == g->room) {
		size_t room = g->room ? 2 * g->room : 2;
		struct scs_line **grown = realloc(g->lines, room * sizeof(struct scs_line *));
		if (!grown)
			return NULL;
		g->lines = grown;
		g->room = room;
	}
	if (gw_dues_reserve(&k->lines, k->nlines + 1) < 0 || !(l = calloc(1, sizeof(*l))))
		return NULL;
	*l = (struct scs_line){ .ecmg = g, .kms = k, .place = g->n, .limit = MOST, .due = { .at_us = INT64_MAX } };
	if (take_id(l) < 0) {
		free(l);
		return NULL;
	}
	conf.channel_id = l->id;
	if (!(l->chan = scs_chan_new(&conf, &chan_ops, l)) || !(l->conn = k->ops->dial(k->self, l, g->index))) {
		scs_chan_free(l->chan);
		give_id_back(l);
		free(l);
		return NULL;
	}
	g->lines[g->n++] = l;
	k->nlines++;
	return l;
}

static void
add_counts(struct scs_chan_counts *sum, const struct scs_chan_counts *c)
{
	sum->cw_provision += c->cw_provision;
	sum->ecm_response += c->ecm_response;
	sum->stream_error += c->stream_error;
	sum->channel_error += c->channel_error;
	sum->timeouts += c->timeouts;
	sum->ignored += c->ignored;
	sum->tolerated += c->tolerated;
}

/* The connection is over, and the line with it. */
static void
bury(struct scs_line *l)
{
	struct scs_kms *k = l->kms;
	struct scs_chan_view v;

	scs_chan_view(l->chan, &v);
	add_counts(&k->past, &v.counts);
	gw_due_set(&k->lines, &l->due, INT64_MAX);
	k->ops->hang_up(l->conn);
	give_id_back(l);
	scs_chan_free(l->chan);
	free(l->streams);
	free(l);
	if (--k->nlines == 0 && k->stopping)
		k->ops->stopped(k->self);
}

/* Streams first, then the channel, then the connection. */
static void
close_line(struct scs_line *l)
{
	struct ecmg *g = l->ecmg;

	g->open -= l->open;
	g->lines[l->place] = g->lines[--g->n];
	g->lines[l->place]->place = l->place;
	g->roomy = 0;
	l->ecmg = NULL;
	scs_chan_stop(l->chan, l->kms->now_us);
	if (l->connected)
		replan(l);
	else
		bury(l);
}

static struct scs_line *
line_with_room(struct ecmg *g)
{
	for (; g->roomy < g->n; g->roomy++)
		if (g->lines[g->roomy]->placed < g->lines[g->roomy]->limit)
			return g->lines[g->roomy];
	return new_line(g);
}

/* ---- a stream's place at an ECMG ---- */

static void
place(struct scs_kms_stream *t, struct ecmg *g)
{
	struct scs_kms *k = g->kms;
	struct scs_line *l = line_with_room(g);
	int number = l ? scs_chan_add(l->chan, &t->conf, k->now_us) : -1;

	if (number >= 0 && (size_t)number >= l->n) {
		size_t n = (size_t)number + 1 > 2 * l->n ? (size_t)number + 1 : 2 * l->n;
		struct scs_kms_stream **grown = realloc(l->streams, n * sizeof(struct scs_kms_stream *));
		if (!grown) {
			scs_chan_remove(l->chan, (size_t)number, k->now_us);
			number = -1;
		} else {
			memset(grown + l->n, 0, (n - l->n) * sizeof(*grown));
			l->streams = grown;
			l->n = n;
		}
	}
	if (number < 0) {
		gw_log_limited(&k->rate, GW_ERR, "stream_without_channel", "no channel to this ECMG could be had for it",
		    "kms=%s ecmg=%zu service=%s", k->name, g->index, t->conf.unit);
		t->seats[g->index] = (struct seat){ .failed = true };
		return;
	}
	l->streams[number] = t;
	l->placed++;
	t->seats[g->index] = (struct seat){ .line = l, .number = (size_t)number };
	replan(l);
}

static void
unplace(struct scs_kms_stream *t, struct ecmg *g)
{
	struct seat seat = t->seats[g->index];
	struct scs_line *l = seat.line;

	t->seats[g->index] = (struct seat){ .line = NULL };
	if (!l)
		return;
	g->up -= seat.up;
	scs_chan_remove(l->chan, seat.number, g->kms->now_us);
	l->streams[seat.number] = NULL;
	l->placed--;
	if (l->place < g->roomy)
		g->roomy = l->place;
	replan(l);
}

/* Further channels are closed with their last stream (2.7: no stream needed any more); the first one stays open. */
static void
close_if_empty(struct scs_line *l)
{
	if (l && l->ecmg && l->placed == 0 && l->ecmg->n > 1)
		close_line(l);
}

/* ---- which ECMG ---- */

/* Nothing is to be expected of it for the present. */
static bool
abandoned(const struct ecmg *g)
{
	return g->fsm.state == IDLE || g->silent >= SILENT || (g->open == 0 && (g->fsm.state == DEAD || g->was_well));
}

/* The ECMG that a stream is asked at first: the preferred one as long as there is hope, then by order. */
static size_t
best(const struct scs_kms_stream *t)
{
	const struct scs_kms *k = t->kms;
	const struct ecmg *p = &k->ecmg[k->preferred];
	const struct seat *seat = &t->seats[k->preferred];

	if (seat->up && !(p->silent >= SILENT))
		return k->preferred;
	if (!seat->up && !seat->failed && !abandoned(p) && seat->line && (seat->line->open || !p->was_well))
		return NOBODY;	/* it is being set up there */
	for (size_t i = 0; i < k->conf.necmg; i++)
		if (t->seats[i].up && k->ecmg[i].silent < SILENT)
			return i;
	return seat->up ? k->preferred : NOBODY;
}

static bool
same_terms(const struct scs_terms *a, const struct scs_terms *b)
{
	for (int i = 0; i < HE_ANNOUNCED; i++)
		if (scs_terms_value(a, i) != scs_terms_value(b, i))
			return false;
	return a->section_TSpkt_flag == b->section_TSpkt_flag;
}

/* How many CWs before its own a message carries: y - x - 1 of 2.5. */
static int
behind(const struct scs_terms *t)
{
	return t->CW_per_msg - t->lead_CW - 1;
}

/* CWs are drawn as far ahead, and kept as long, as any of its ECMGs looks, so that a spare can be asked at any time. */
static struct scs_terms
terms_for(const struct scs_kms_stream *t, size_t ecmg)
{
	struct scs_terms terms = t->seats[ecmg].line->terms;
	int back = behind(&terms);

	for (size_t i = 0; i < t->kms->conf.necmg; i++) {
		const struct scs_terms *other = t->seats[i].up ? &t->seats[i].line->terms : &terms;
		terms.lead_CW = other->lead_CW > terms.lead_CW ? other->lead_CW : terms.lead_CW;
		back = other != &terms && behind(other) > back ? behind(other) : back;
	}
	if (behind(&terms) < back)
		terms.CW_per_msg = (uint8_t)(terms.lead_CW + 1 + back < UINT8_MAX ? terms.lead_CW + 1 + back : UINT8_MAX);
	return terms;
}

static void
activate(struct scs_kms_stream *t)
{
	size_t b = best(t), before = t->active;
	struct scs_terms terms;

	if (!t->owner)
		return;
	/* while the preferred one is being set up, the one that was asked up to now is as good */
	if (b == NOBODY && before != NOBODY && t->seats[before].up)
		b = before;
	t->active = b;
	if (b == NOBODY) {
		if (before != NOBODY)
			t->kms->ops->stream_down(t->owner);
		return;
	}
	terms = terms_for(t, b);
	if (before != NOBODY && same_terms(&terms, &t->told))
		return;
	t->told = terms;
	t->kms->ops->stream_up(t->owner, &terms);
}

/* An ECMG at which it is up, and that was not asked for this CP: the one to be asked first, else by order. */
static size_t
candidate(const struct scs_kms_stream *t)
{
	if (t->active != NOBODY && t->seats[t->active].up && !(t->tried & bit(t->active)))
		return t->active;
	for (size_t i = 0; i < t->kms->conf.necmg; i++)
		if (t->seats[i].up && !(t->tried & bit(i)))
			return i;
	return NOBODY;
}

static bool
ask_next(struct scs_kms_stream *t)
{
	struct scs_kms *k = t->kms;
	size_t i = candidate(t);
	struct scs_line *l = i == NOBODY ? NULL : t->seats[i].line;

	gw_due_set(&k->hedges, &t->due, INT64_MAX);
	if (!l)
		return false;
	t->tried |= bit(i);
	t->pending |= bit(i);
	if (k->conf.hedge_us && candidate(t) != NOBODY)
		gw_due_set(&k->hedges, &t->due, k->now_us + k->conf.hedge_us);
	scs_chan_provision(l->chan, t->seats[i].number, t->cp, t->duration_us, k->now_us);
	replan(l);
	return true;
}

/* A question of a lost connection that will not be answered any more. */
static void
give_up_takeover(struct scs_kms_stream *t)
{
	t->kms->takeover.asked -= t->taken_over;
	t->taken_over = false;
}

/* An ECMG will not answer: is there another? */
static void
no_answer_from(struct scs_kms_stream *t, size_t ecmg)
{
	int64_t cp = t->cp;

	t->pending &= ~bit(ecmg);
	if (ask_next(t) || t->pending || t->cp != cp)
		return;
	t->cp = NO_CP;
	give_up_takeover(t);
	if (t->owner && t->active != NOBODY)	/* else it knows from stream_down */
		t->kms->ops->refused(t->owner, cp);
}

static void
settle_question(struct scs_kms_stream *t, int64_t cp)
{
	struct scs_kms *k = t->kms;

	gw_due_set(&k->hedges, &t->due, INT64_MAX);
	t->cp = NO_CP;
	t->pending = 0;
	t->done = cp;
	t->answered++;
	if (!t->taken_over)
		return;
	t->taken_over = false;
	k->takeover.us = k->now_us - k->takeover.since_us;
	if (++k->takeover.answered == k->takeover.asked)
		gw_log(GW_NOTICE, "takeover", "every question that the lost connection left open has been answered by another ECMG",
		    "kms=%s asked=%llu answered_us=%lld", k->name, (unsigned long long)k->takeover.asked, (long long)k->takeover.us);
}

/* ---- the channels' calls ---- */

static struct scs_kms_stream *
stream(const struct scs_line *l, size_t number)
{
	return l->ecmg && number < l->n ? l->streams[number] : NULL;
}

static void
on_send(void *self, const void *msg, size_t len)
{
	struct scs_line *l = self;

	l->kms->ops->send(l->conn, msg, len);
}

static void
on_drop(void *self, const char *why, bool at_once)
{
	struct scs_line *l = self;

	if (why && l->ecmg)
		l->kms->trouble = *scs_chan_trouble(l->chan);
	if (l->connected)
		l->kms->ops->drop(l->conn, why, at_once);
}

static uint16_t
another_id(void *self, uint16_t taken)
{
	struct scs_line *l = self;
	int id = l->fixed_id ? -1 : l->kms->ops->take_id(l->kms->self, -1);

	if (id < 0)
		return taken;
	give_id_back(l);
	return l->id = (uint16_t)id;
}

static void
on_opened(void *self, const struct scs_terms *terms)
{
	struct scs_line *l = self;

	l->terms = *terms;
	l->limit = terms->max_streams ? terms->max_streams : l->learned ? l->learned : MOST;
	if (!l->ecmg || l->open)
		return;
	l->open = true;
	l->kms->trouble = (struct scs_trouble){ 0 };
	l->ecmg->roomy = 0;
	l->ecmg->open++;
	l->ecmg->silent = 0;
	l->kms->changed = true;
}

static void
on_stream_up(void *self, size_t number, const struct scs_terms *terms)
{
	struct scs_line *l = self;
	struct scs_kms_stream *t = stream(l, number);

	(void)terms;
	if (!t)
		return;
	t->trouble = (struct scs_trouble){ 0 };
	t->seats[l->ecmg->index].up = true;
	t->seats[l->ecmg->index].failed = false;
	l->ecmg->up++;
	activate(t);
}

static void
on_stream_down(void *self, size_t number)
{
	struct scs_line *l = self;
	struct scs_kms_stream *t = stream(l, number);
	size_t i;

	if (!t || !t->seats[l->ecmg->index].up)
		return;
	i = l->ecmg->index;
	t->trouble = *scs_chan_trouble(l->chan);
	t->seats[i].up = false;
	l->ecmg->up--;
	if (t->active == i)
		activate(t);
	if (t->cp == NO_CP || !(t->pending & bit(i)))
		return;
	if (candidate(t) != NOBODY && !t->taken_over) {
		t->taken_over = true;
		l->kms->takeover.asked++;
	}
	no_answer_from(t, i);
}

static void
on_setup_failed(void *self, size_t number, bool full)
{
	struct scs_line *l = self;
	struct scs_kms_stream *t = stream(l, number);
	struct scs_chan_view v;

	if (!t)
		return;
	t->trouble = *scs_chan_trouble(l->chan);
	t->seats[l->ecmg->index].failed = true;
	scs_chan_view(l->chan, &v);
	/* an ECMG without room for a single one is not asked for channels without end */
	if (full && l->placed > 1 && (l->terms.max_streams || v.streams_up)) {
		if (!l->terms.max_streams)
			l->limit = l->learned = v.streams_up;
		if (!t->move) {
			t->next_move = NULL;
			*l->kms->move_end = t;
			l->kms->move_end = &t->next_move;
		}
		t->move |= bit(l->ecmg->index);
	}
	if (t->active == NOBODY)
		activate(t);
}

static void
on_ecm(void *self, size_t number, int64_t cp, const uint8_t *p, size_t len)
{
	struct scs_line *l = self;
	struct scs_kms_stream *t = stream(l, number);

	if (!t || !t->owner)
		return;
	l->ecmg->silent = 0;
	if (cp <= t->done) {
		l->kms->late++;		/* another one was faster, with this CP or already with the next */
		return;
	}
	if (t->cp != NO_CP && cp != t->cp)
		return;			/* of a CP that nobody waits for any more */
	settle_question(t, cp);
	l->kms->ops->ecm(t->owner, cp, p, len, &l->terms);
}

static void
on_refused(void *self, size_t number, int64_t cp, bool timed_out)
{
	struct scs_line *l = self;
	struct scs_kms_stream *t = stream(l, number);

	if (!t)
		return;
	t->trouble = *scs_chan_trouble(l->chan);
	if (timed_out && ++l->ecmg->silent == SILENT && l->kms->conf.necmg > 1)
		l->kms->changed = true;
	if (cp == t->cp)
		no_answer_from(t, l->ecmg->index);
}

static bool
on_key(void *self, size_t number, int64_t cp, struct scs_key *key)
{
	struct scs_line *l = self;
	struct scs_kms_stream *t = stream(l, number);

	return t && t->owner && l->kms->ops->key(t->owner, cp, key);
}

static uint16_t
on_nominal(void *self, size_t number, const struct scs_terms *terms)
{
	struct scs_line *l = self;
	struct scs_kms_stream *t = stream(l, number);

	return t && t->owner ? l->kms->ops->nominal(t->owner, terms) : terms->min_CP_duration;
}

static size_t
on_criteria(void *self, size_t number, int64_t cp, const uint8_t **p)
{
	struct scs_line *l = self;
	struct scs_kms_stream *t = stream(l, number);

	return t && t->owner ? l->kms->ops->criteria(t->owner, cp, p) : 0;
}

static const struct scs_chan_ops chan_ops = { .send = on_send, .drop = on_drop, .another_id = another_id, .opened = on_opened,
	.stream_up = on_stream_up, .stream_down = on_stream_down, .setup_failed = on_setup_failed, .ecm = on_ecm,
	.refused = on_refused, .key = on_key, .nominal = on_nominal, .criteria = on_criteria };

/* ---- an ECMG's machine ---- */

static void
connect_it(void *self, const void *arg)
{
	struct ecmg *g = self;
	struct scs_kms *k = g->kms;

	(void)arg;
	g->was_well = false;
	g->silent = 0;
	gw_due_set(&k->ecmgs, &g->due, k->now_us + PATIENCE);
	if (!line_with_room(g))		/* one channel at least: a spare is tested before it has streams */
		gw_log_limited(&k->rate, GW_ERR, "ecmg_not_dialled", "out of memory or of ECM_channel_ids", "kms=%s ecmg=%zu", k->name, g->index);
	for (size_t i = 0; i < k->n; i++)
		place(k->streams[i], g);
}

static void
disconnect_it(void *self, const void *arg)
{
	struct ecmg *g = self;

	(void)arg;
	gw_due_set(&g->kms->ecmgs, &g->due, INT64_MAX);
	g->alarm = false;
	for (size_t i = 0; i < g->kms->n; i++)
		unplace(g->kms->streams[i], g);
	while (g->n)
		close_line(g->lines[g->n - 1]);
}

static void
note_well(void *self, const void *arg)
{
	struct ecmg *g = self;

	(void)arg;
	g->was_well = true;
	g->well_us = g->kms->now_us;
	gw_due_set(&g->kms->ecmgs, &g->due, INT64_MAX);
	if (g->alarm)
		gw_log(GW_NOTICE, "ecmg_well", "its channels are open again", "kms=%s ecmg=%zu role=%s peer=%s channels=%zu", g->kms->name,
		    g->index, role(g), scs_chan_peer(g->lines[0]->chan), g->n);
	g->alarm = false;
}

static void
be_patient(void *self, const void *arg)
{
	struct ecmg *g = self;

	(void)arg;
	gw_due_set(&g->kms->ecmgs, &g->due, g->kms->now_us + PATIENCE);
}

static void
raise_alarm(void *self, const void *arg)
{
	struct ecmg *g = self;

	(void)arg;
	g->alarm = true;
	gw_log(GW_ERR, "ecmg_dead", g->open ? "not all of its channels are open" : g->index == g->kms->preferred ?
	    "the ECMG in use has no open channel" : "the standby could not take over now", "kms=%s ecmg=%zu role=%s channels=%zu open=%zu",
	    g->kms->name, g->index, role(g), g->n, g->open);
}

static const struct gw_edge edges[] = {
	/* in state on event   go to   then do       */
	{ IDLE,   WANTED,   TRYING, connect_it    },
	{ IDLE,   UNWANTED, IDLE,   NULL          },
	{ TRYING, UP,       WELL,   note_well     },
	{ TRYING, DOWN,     TRYING, NULL          },
	{ TRYING, TIMEOUT,  DEAD,   raise_alarm   },
	{ DEAD,   UP,       WELL,   note_well     },
	{ DEAD,   DOWN,     DEAD,   NULL          },
	{ WELL,   UP,       WELL,   NULL          },
	{ WELL,   DOWN,     TRYING, be_patient    },
	{ WELL,   TIMEOUT,  WELL,   NULL          },	/* well for long enough: see choose() */
	{ GW_ANY, WANTED,   GW_SAME, NULL         },
	{ GW_ANY, UNWANTED, IDLE,   disconnect_it },
};
static const struct gw_fsm ecmg_fsm = { "ecmg", edges, sizeof(edges) / sizeof(edges[0]), states, sizeof(states) / sizeof(states[0]),
	events, sizeof(events) / sizeof(events[0]), NULL };

static void
feed(struct ecmg *g, int event)
{
	int before = g->fsm.state;

	gw_fsm_feed(&g->fsm, g, event, NULL);
	g->kms->moved |= g->fsm.state != before;
	g->kms->changed |= g->fsm.state != before;
}

/* Warm: all of them. Cold: the preferred one, those before it that may be gone back to, and those after it until one gives hope. */
static bool
wanted(const struct scs_kms *k, size_t i)
{
	if (k->stopping)
		return false;
	if (!k->conf.cold || i == k->preferred || (i < k->preferred && !k->conf.stay))
		return true;
	for (size_t at = k->preferred; at != i; at = (at + 1) % k->conf.necmg)
		if (!abandoned(&k->ecmg[at]) || k->ecmg[at].fsm.state == IDLE)
			return false;
	return true;
}

static int64_t
probation(const struct ecmg *g)
{
	return g->kms->conf.return_us << (g->relapses < DOUBLINGS ? g->relapses : DOUBLINGS);
}

/* Who should be preferred now; sets the alarm clock of those that may be gone back to. */
static size_t
choose(struct scs_kms *k)
{
	struct ecmg *p = &k->ecmg[k->preferred];

	for (size_t i = 0; i < k->conf.necmg && abandoned(p); i++)
		if (k->ecmg[i].fsm.state == WELL && !abandoned(&k->ecmg[i]))
			return i;
	for (size_t i = 0; i < k->preferred && !k->conf.stay; i++) {
		struct ecmg *g = &k->ecmg[i];
		int64_t at = g->well_us + probation(g);
		if (g->fsm.state != WELL || g->silent >= SILENT)
			continue;
		if (k->now_us >= at)
			return i;
		gw_due_set(&k->ecmgs, &g->due, at);
	}
	return k->preferred;
}

static void
prefer(struct scs_kms *k, size_t i)
{
	struct ecmg *from = &k->ecmg[k->preferred], *to = &k->ecmg[i];
	bool back = i < k->preferred && !abandoned(from);

	gw_log(back ? GW_NOTICE : GW_WARNING, "ecmg_switched", back ? "the preferred ECMG has been well for long enough" :
	    from->silent >= SILENT ? "the ECMG in use does not answer in time" : "the ECMG in use is lost",
	    "kms=%s from=%zu to=%zu peer=%s", k->name, from->index, i, scs_chan_peer(to->lines[0]->chan));
	if (!back) {
		if (k->now_us - from->preferred_us >= CALM)
			from->relapses = 0;
		else if (from->returned)
			from->relapses++;
		from->well_us = k->now_us;	/* if it is still well, its probation begins now */
	}
	from->silent = 0;
	to->returned = back;
	to->preferred_us = k->now_us;
	k->preferred = i;
	k->switches++;
}

/* What the calls into the channels left to do: streams that need room, ECMGs that came or went, who is preferred. */
static void
settle(struct scs_kms *k)
{
	struct scs_kms_stream *t;

	while ((t = k->move)) {
		if (!(k->move = t->next_move))
			k->move_end = &k->move;
		for (size_t i = 0; i < k->conf.necmg; i++)
			if (t->move & bit(i)) {
				unplace(t, &k->ecmg[i]);
				place(t, &k->ecmg[i]);
			}
		t->move = 0;
		k->changed = true;
	}
	while (k->changed) {
		size_t i;
		k->changed = false;
		for (i = 0; i < k->conf.necmg; i++) {
			struct ecmg *g = &k->ecmg[i];
			if (g->fsm.state != IDLE)
				feed(g, g->n && g->open == g->n ? UP : DOWN);
			feed(g, wanted(k, i) ? WANTED : UNWANTED);
		}
		if (!k->stopping && (i = choose(k)) != k->preferred) {
			prefer(k, i);
			k->changed = k->moved = true;
		}
	}
	for (size_t i = 0; k->moved && i < k->n; i++)
		activate(k->streams[i]);
	k->moved = false;
}

/* ---- the owner's side ---- */

struct scs_kms *
scs_kms_new(const struct scs_kms_conf *conf, const struct scs_kms_ops *ops, void *self)
{
	struct scs_kms *k = calloc(1, sizeof(*k) + conf->necmg * sizeof(k->ecmg[0]));
	size_t name;

	assert(conf->necmg > 0 && conf->necmg <= HE_ECMGS);
	if (!k || gw_dues_reserve(&k->ecmgs, conf->necmg) < 0) {
		free(k);
		return NULL;
	}
	k->conf = *conf;
	name = strlen(conf->chan.kms);
	memcpy(k->name, conf->chan.kms, name < sizeof(k->name) ? name : sizeof(k->name) - 1);
	k->conf.chan.kms = k->name;
	k->ops = ops;
	k->self = self;
	k->move_end = &k->move;
	k->rate = (struct gw_rate){ .burst = 20, .per_ms = 10000 };
	for (size_t i = 0; i < conf->necmg; i++) {
		k->ecmg[i] = (struct ecmg){ .kms = k, .index = i, .due = { .at_us = INT64_MAX } };
		gw_fsm_init(&k->ecmg[i].fsm, &ecmg_fsm, IDLE);
	}
	return k;
}

void
scs_kms_start(struct scs_kms *k, int64_t now)
{
	k->now_us = now;
	k->changed = true;
	settle(k);
}

void
scs_kms_stop(struct scs_kms *k, int64_t now)
{
	bool idle = k->nlines == 0;

	k->now_us = now;
	k->stopping = k->changed = true;
	for (size_t i = 0; i < k->n; i++)
		k->streams[i]->owner = NULL;
	if (idle)
		k->ops->stopped(k->self);
	else
		settle(k);
}

void
scs_kms_free(struct scs_kms *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->n; i++)
		free(k->streams[i]);
	for (size_t i = 0; i < k->conf.necmg; i++)
		free(k->ecmg[i].lines);
	free(k->streams);
	gw_dues_free(&k->lines);
	gw_dues_free(&k->hedges);
	gw_dues_free(&k->ecmgs);
	free(k);
}

struct scs_kms_stream *
scs_kms_join(struct scs_kms *k, const struct scs_chan_stream *conf, void *owner, int64_t now)
{
	size_t seats = k->conf.necmg * sizeof(struct seat), name = strlen(conf->unit) + 1;
	struct scs_kms_stream *t, **grown;

	if (k->n == k->room) {
		size_t room = k->room ? 2 * k->room : 8;
		if (!(grown = realloc(k->streams, room * sizeof(struct scs_kms_stream *))))
			return NULL;
		k->streams = grown;
		k->room = room;
	}
	if (gw_dues_reserve(&k->hedges, k->n + 1) < 0 || !(t = calloc(1, sizeof(*t) + seats + name)))
		return NULL;
	t->kms = k;
	t->owner = owner;
	t->conf = *conf;
	t->conf.unit = memcpy((char *)t->seats + seats, conf->unit, name);
	t->due.at_us = INT64_MAX;
	t->cp = t->done = t->counted = NO_CP;
	t->active = NOBODY;
	t->place = k->n;
	k->streams[k->n++] = t;
	k->now_us = now;
	for (size_t i = 0; i < k->conf.necmg; i++)
		if (k->ecmg[i].fsm.state != IDLE)
			place(t, &k->ecmg[i]);
	k->changed = true;
	settle(k);
	return t;
}

void
scs_kms_leave(struct scs_kms_stream *t, int64_t now)
{
	struct scs_kms *k = t->kms;

	k->now_us = now;
	t->owner = NULL;
	give_up_takeover(t);
	for (size_t i = 0; i < k->conf.necmg; i++) {
		struct scs_line *l = t->seats[i].line;
		unplace(t, &k->ecmg[i]);
		close_if_empty(l);
	}
	gw_due_set(&k->hedges, &t->due, INT64_MAX);
	k->streams[t->place] = k->streams[--k->n];
	k->streams[t->place]->place = t->place;
	free(t);
	k->changed = true;
	settle(k);
}

void
scs_kms_ask(struct scs_kms_stream *t, int64_t cp, int64_t duration_us, int64_t now)
{
	t->kms->now_us = now;
	t->duration_us = duration_us;
	if (t->cp == cp && t->pending)
		return;		/* told that the terms changed, the owner asks again: the question stands */
	t->cp = cp;
	t->trouble = (struct scs_trouble){ 0 };
	t->tried = t->pending = 0;
	give_up_takeover(t);
	if (cp != t->counted)
		t->provisioned++;
	t->counted = cp;
	if (t->done >= cp)
		t->done = NO_CP;	/* its answer was not taken */
	if (!ask_next(t))
		no_answer_from(t, 0);
	settle(t->kms);
}

void
scs_line_connected(struct scs_line *l, const char *peer, int64_t now)
{
	l->kms->now_us = now;
	l->connected = true;
	scs_chan_connected(l->chan, peer, now);
	replan(l);
	settle(l->kms);
}

void
scs_line_frame(struct scs_line *l, const uint8_t *msg, size_t len, int64_t now)
{
	l->kms->now_us = now;
	scs_chan_frame(l->chan, msg, len, now);
	replan(l);
	settle(l->kms);
}

void
scs_line_lost(struct scs_line *l, int64_t now)
{
	struct scs_kms *k = l->kms;
	uint64_t before;

	k->now_us = now;
	l->connected = false;
	if (l->open && l->ecmg) {
		l->open = false;
		l->ecmg->open--;
		k->changed = true;
	}
	if (k->takeover.answered == k->takeover.asked) {	/* else it is part of the one that is going on */
		k->takeover.asked = k->takeover.answered = 0;
		k->takeover.since_us = now;
	}
	before = k->takeover.asked;
	scs_chan_lost(l->chan, now);
	k->trouble = *scs_chan_trouble(l->chan);
	k->takeover.n += k->takeover.asked > before;
	replan(l);
	if (l->ecmg)
		settle(k);
	else
		bury(l);
}

void
scs_kms_tick(struct scs_kms *k, int64_t now)
{
	struct gw_due *d;

	k->now_us = now;
	while ((d = gw_dues_first(&k->lines)) && d->at_us <= now) {
		struct scs_line *l = (struct scs_line *)d;
		scs_chan_tick(l->chan, now);
		replan(l);
	}
	while ((d = gw_dues_first(&k->hedges)) && d->at_us <= now) {
		struct scs_kms_stream *t = (struct scs_kms_stream *)d;
		k->hedged++;
		ask_next(t);
	}
	while ((d = gw_dues_first(&k->ecmgs)) && d->at_us <= now) {
		struct ecmg *g = (struct ecmg *)d;
		gw_due_set(&k->ecmgs, &g->due, INT64_MAX);
		feed(g, TIMEOUT);
		k->changed = true;
	}
	settle(k);
}

int64_t
scs_kms_next(const struct scs_kms *k)
{
	int64_t at = gw_dues_next(&k->lines), hedge = gw_dues_next(&k->hedges), ecmg = gw_dues_next(&k->ecmgs);

	at = hedge < at ? hedge : at;
	return ecmg < at ? ecmg : at;
}

/* ---- what operators see ---- */

void
scs_kms_view(const struct scs_kms *k, struct scs_kms_view *v)
{
	struct scs_chan_view c;

	*v = (struct scs_kms_view){ .preferred = k->preferred, .streams = k->n, .counts = k->past, .switches = k->switches,
		.hedged = k->hedged, .late = k->late };
	v->takeover.n = k->takeover.n;
	v->takeover.asked = k->takeover.asked;
	v->takeover.answered = k->takeover.answered;
	v->takeover.us = k->takeover.us;
	for (size_t i = 0; i < k->conf.necmg; i++) {
		v->dead += k->ecmg[i].alarm;
		for (size_t l = 0; l < k->ecmg[i].n; l++) {
			scs_chan_view(k->ecmg[i].lines[l]->chan, &c);
			add_counts(&v->counts, &c.counts);
		}
	}
}

void
scs_kms_ecmg_view(const struct scs_kms *k, size_t i, struct scs_ecmg_view *v)
{
	const struct ecmg *g = &k->ecmg[i];

	*v = (struct scs_ecmg_view){ .state = gw_fsm_name(&g->fsm), .preferred = i == k->preferred, .alarm = g->alarm, .lines = g->n,
		.open = g->open, .streams_up = g->up };
	for (size_t l = 0; l < g->n; l++)
		v->streams += g->lines[l]->placed;
}

const struct scs_chan *
scs_kms_chan(const struct scs_kms *k, size_t ecmg, size_t i)
{
	return ecmg < k->conf.necmg && i < k->ecmg[ecmg].n ? k->ecmg[ecmg].lines[i]->chan : NULL;
}

void
scs_kms_stream_view(const struct scs_kms_stream *t, struct scs_stream_view *v)
{
	size_t i = t->active != NOBODY ? t->active : t->kms->preferred;
	const struct seat *seat = &t->seats[i];

	*v = (struct scs_stream_view){ .state = seat->line ? scs_chan_stream_state(seat->line->chan, seat->number) : "NONE", .ecmg = i,
		.up = t->active != NOBODY, .latency_us = seat->line ? scs_chan_latency(seat->line->chan, seat->number) : -1,
		.provisioned = t->provisioned, .answered = t->answered };
}

const struct scs_trouble *
scs_kms_trouble(const struct scs_kms_stream *t)
{
	return t->trouble.text[0] ? &t->trouble : &t->kms->trouble;
}

size_t
scs_kms_print_machines(char *out, size_t cap)
{
	return gw_fsm_print(&ecmg_fsm, out, cap);
}
