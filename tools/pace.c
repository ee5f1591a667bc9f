/* tools/pace.c: see pace.h */
#include "tools/pace.h"
#include <stdlib.h>
#include <string.h>

enum { DOWN, IDLE, ASKED };

static bool
by_rate(const struct pace *p)
{
	return p->conf.rate > 0;
}

static struct pace_group *
group_of(const struct pace *p, unsigned slot)
{
	return &p->group[slot / p->conf.slots];
}

int
pace_open(struct pace *p, const struct pace_conf *conf, struct pace_report *report)
{
	size_t n = (size_t)conf->groups * conf->slots;

	*p = (struct pace){ .conf = *conf, .report = report, .end = conf->start + conf->duration };
	p->period = by_rate(p) ? (int64_t)(1e9 / conf->rate * (double)n) : 0;
	p->slot = calloc(n, sizeof(*p->slot));
	p->group = calloc(conf->groups, sizeof(*p->group));
	if (p->slot && p->group)
		return 0;
	pace_close(p);
	return -1;
}

void
pace_close(struct pace *p)
{
	free(p->slot);
	free(p->group);
	p->slot = NULL;
	p->group = NULL;
}

unsigned
pace_opened(const struct pace *p, unsigned n, int64_t now)
{
	int64_t apart = p->conf.ramp / n, due = apart > 0 ? (now - p->conf.start) / apart + 1 : n;

	return due < 1 ? 1 : due < n ? (unsigned)due : n;
}

/* What was due on the slot while it was busy or away. */
static bool
catch_up(struct pace *p, unsigned slot, struct pace_ask *ask)
{
	struct pace_slot *s = &p->slot[slot];

	if (p->over || s->behind == 0)
		return false;
	*ask = (struct pace_ask){ slot, s->behind_due };
	s->behind--;
	s->behind_due += p->period;
	return true;
}

static bool
ask_now(struct pace *p, struct pace_group *g, unsigned slot, int64_t now, struct pace_ask *ask)
{
	*ask = (struct pace_ask){ slot, now };
	g->next = (slot + 1) % p->conf.slots;
	return true;
}

/* A group's window has room: the next of its slots that is free, in turn. */
static bool
fill_window(struct pace *p, struct pace_group *g, int64_t now, struct pace_ask *ask)
{
	unsigned first = (unsigned)(g - p->group) * p->conf.slots;

	if (p->over || g->asked >= p->conf.window)
		return false;
	for (unsigned i = 0, s = g->next; i < p->conf.slots; i++, s = s + 1 == p->conf.slots ? 0 : s + 1)
		if (p->slot[first + s].state == IDLE) {
			*ask = (struct pace_ask){ first + s, now };
			g->next = s + 1 == p->conf.slots ? 0 : s + 1;
			return true;
		}
	return false;
}

bool
pace_up(struct pace *p, unsigned slot, int64_t now, struct pace_ask *ask)
{
	struct pace_group *g = group_of(p, slot);

	if (!g->known) {
		g->known = true;
		p->known++;
		if (p->due > now)	/* the rate is that of one group more, from now on */
			p->due = now + (int64_t)((double)(p->due - now) * (p->known - 1) / p->known);
	}
	p->slot[slot].state = IDLE;
	if (by_rate(p))
		return catch_up(p, slot, ask);
	return !p->over && g->asked < p->conf.window && ask_now(p, g, slot, now, ask);
}

void
pace_sent(struct pace *p, const struct pace_ask *ask, int64_t now)
{
	struct pace_slot *s = &p->slot[ask->slot];

	s->state = ASKED;
	s->sent = now;
	s->due = by_rate(p) ? ask->due : now;
	group_of(p, ask->slot)->asked++;
	p->asked++;
	p->report->sent++;
}

static void
take_back(struct pace *p, unsigned slot, int64_t now)
{
	struct pace_slot *s = &p->slot[slot];

	s->state = IDLE;
	group_of(p, slot)->asked--;
	p->asked--;
	hist_add(&p->report->due, now - s->due);
	hist_add(&p->report->sent_ns, now - s->sent);
}

bool
pace_answered(struct pace *p, unsigned slot, int64_t now, struct pace_ask *ask)
{
	take_back(p, slot, now);
	return by_rate(p) ? catch_up(p, slot, ask) : fill_window(p, group_of(p, slot), now, ask);
}

bool
pace_overdue(struct pace *p, unsigned slot, int64_t now, bool *late, struct pace_ask *ask)
{
	*late = p->slot[slot].state == ASKED && now - p->slot[slot].sent >= p->conf.timeout;
	if (!*late)
		return false;
	p->report->unanswered++;
	return pace_answered(p, slot, now, ask);
}

void
pace_down(struct pace *p, unsigned slot, int64_t now)
{
	if (p->slot[slot].state == ASKED) {
		p->report->unanswered++;
		take_back(p, slot, now);
	}
	p->slot[slot].state = DOWN;
}

bool
pace_out(const struct pace *p, unsigned slot)
{
	return p->slot[slot].state == ASKED;
}

bool
pace_ready(const struct pace *p, unsigned slot)
{
	return p->slot[slot].state != DOWN;
}

/* One request is due: to the next slot of the groups that have been up, though it be busy or away. */
static bool
one_due(struct pace *p, int64_t now, struct pace_ask *ask)
{
	const struct pace_conf *c = &p->conf;
	unsigned all = c->groups * c->slots, g;
	struct pace_slot *s;

	do
		p->turn = p->turn + 1 == all ? 0 : p->turn + 1;
	while (!p->group[g = p->turn % c->groups].known);	/* groups in turn, then their slots */
	s = &p->slot[g * c->slots + p->turn / c->groups];
	if (s->state == IDLE) {
		*ask = (struct pace_ask){ (unsigned)(s - p->slot), p->due };
		hist_add(&p->report->behind, now - p->due);
		return true;
	}
	if (s->behind++ == 0)
		s->behind_due = p->due;
	return false;
}

bool
pace_tick(struct pace *p, int64_t now, struct pace_ask *ask)
{
	bool found = false;

	if (p->over || p->known == 0 || !by_rate(p))
		return false;
	if (p->due == 0)
		p->due = now;
	while (!found && p->due <= now && p->due < p->end) {
		found = one_due(p, now, ask);
		/* while groups are still being opened, the rate is that of those that are */
		p->due += (int64_t)(1e9 / p->conf.rate * p->conf.groups / p->known);
	}
	return found;
}

int64_t
pace_next(const struct pace *p)
{
	return p->over || p->known == 0 || !by_rate(p) || p->due >= p->end ? INT64_MAX : p->due;
}

void
pace_finish(struct pace *p, int64_t now)
{
	if (p->over)
		return;
	p->over = true;
	for (size_t i = 0; by_rate(p) && i < (size_t)p->conf.groups * p->conf.slots; i++)
		for (struct pace_slot *s = &p->slot[i]; s->behind > 0; s->behind--, s->behind_due += p->period) {
			p->report->unsent++;
			hist_add(&p->report->due, now - s->behind_due);	/* it would have taken that long at least */
		}
}
