/* lib/fsm.c: state machines as tables */
#include "lib/fsm.h"
#include <assert.h>
#include <stdio.h>

static const struct gw_edge *
row(const struct gw_fsm *m, int state, int event)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->edges[i].on == event && (m->edges[i].from == state || m->edges[i].from == GW_ANY))
			return &m->edges[i];
	return NULL;
}

void
gw_fsm_init(struct gw_state *s, const struct gw_fsm *m, int state)
{
	*s = (struct gw_state){ .fsm = m, .state = state };
}

static void
step(struct gw_state *s, void *self, int event, const void *arg)
{
	const struct gw_edge *e = row(s->fsm, s->state, event);

	if (!e) {
		if (s->fsm->stray)
			s->fsm->stray(self, s->state, event, arg);
		return;
	}
	if (e->to != GW_SAME)
		s->state = e->to;
	if (e->act)
		e->act(self, arg);
}

void
gw_fsm_feed(struct gw_state *s, void *self, int event, const void *arg)
{
	assert(!s->running);	/* an action posts; feeding from inside would run the inner row first */
	s->running = true;
	step(s, self, event, arg);
	for (size_t i = 0; i < s->nposted; i++)	/* the queue grows while it is run */
		step(s, self, s->posted[i].event, NULL);
	s->nposted = 0;
	s->running = false;
}

void
gw_fsm_post(struct gw_state *s, int event)
{
	assert(s->running && s->nposted < GW_FSM_POSTED);	/* a machine that posts without end is ours to mend */
	if (s->nposted < GW_FSM_POSTED)
		s->posted[s->nposted++].event = event;
}

static const char *
name(const char *const *names, size_t n, int i)
{
	return i >= 0 && (size_t)i < n ? names[i] : "?";
}

const char *
gw_fsm_name(const struct gw_state *s)
{
	return name(s->fsm->states, s->fsm->nstates, s->state);
}

size_t
gw_fsm_print(const struct gw_fsm *m, char *out, size_t cap)
{
	size_t len = 0;

	for (int s = 0; s < (int)m->nstates; s++)
		for (int e = 0; e < (int)m->nevents; e++) {
			const struct gw_edge *r = row(m, s, e);
			char *at = len < cap ? out + len : NULL;
			size_t room = len < cap ? cap - len : 0;

			if (r)
				len += (size_t)snprintf(at, room, "%s + %s -> %s\n", m->states[s], m->events[e],
				    m->states[r->to == GW_SAME ? s : r->to]);
			else
				len += (size_t)snprintf(at, room, "%s + %s stray\n", m->states[s], m->events[e]);
		}
	return len;
}
