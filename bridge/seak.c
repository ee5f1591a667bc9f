/* bridge/seak.c: see seak.h */
#include "bridge/seak.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/seak_row.h"
#include "lib/due.h"
#include "lib/grow.h"
#include "lib/secret.h"
#include "lib/text.h"

static const int64_t second = 1000000, grace_us = SEAK_GRACE_MS * INT64_C(1000), kept_us = INT64_C(86400) * 1000000;	/* kept: how long after its end a SEAK is remembered */

struct seak_flight { struct delivery *delivery; struct service *service; };	/* both NULL: nobody waits for it any more */
struct peer { char *id; bool called; int64_t lost_us; unsigned busy; struct delivery *first, *last; };	/* lost_us: since when it does not answer; 0: it does */

struct look { struct gw_due due; bool at_gate; };	/* of the heap: a delivery's next attempt, or an item's gate and end; first in either */

/* One SEAK on its way to one BSM. The generator has one, too, and is delivered from the beginning. */
struct delivery {
	struct look look;
	struct item *item; struct peer *peer;
	struct seak_flight *flight;
	bool queued; struct delivery *next;	/* of the peer: due, and the peer is busy */
	enum seak_state state; int64_t at_us;
	bool tried, silent;		/* an attempt has ended; the latest one without an answer */
	unsigned delay_s, status; uint64_t attempts;
	int64_t pulled_us, told_us, conflict_us;	/* the latter: when the audit got a line of it the last time */
	char why[120];
};
struct gate { struct look look; struct item *item; };
struct item {
	struct seak_row row; struct gw_secret key;
	struct service *service;
	struct gate gate;		/* its next look at the clock: the gate, the end of validity */
	struct delivery *deliveries;	/* one per member, in their order */
	struct item *next;
};
struct service {
	char *name, *urn, *generator;
	struct peer **members; size_t n;
	int64_t wait_us;
	struct item *items; size_t nitems[2];	/* by kind */
	struct seak_flight *pull; void *waiters[SEAK_WAITERS]; struct peer *waiting[SEAK_WAITERS]; size_t nwaiters;
};
struct seak_sync {
	struct service *services; size_t nservices;
	struct peer **peers; size_t npeers, rpeers;
	struct gw_dues dues; size_t reserved;
	struct seak_ops ops; void *self;
	struct seak_counts counts;
	int64_t now_us;			/* the latest time that was heard */
};

/* ---- names ---- */

static struct service *
service_of(const struct seak_sync *s, const char *urn)
{
	for (size_t i = 0; urn && i < s->nservices; i++)
		if (strcmp(s->services[i].urn, urn) == 0)
			return &s->services[i];
	return NULL;
}

static struct peer *
member_of(const struct service *v, const char *who)
{
	for (size_t i = 0; who && i < v->n; i++)
		if (strcmp(v->members[i]->id, who) == 0)
			return v->members[i];
	return NULL;
}

static struct delivery *
delivery_to(struct item *i, const struct peer *p)
{
	for (size_t k = 0; k < i->service->n; k++)
		if (i->deliveries[k].peer == p)
			return &i->deliveries[k];
	return NULL;
}

static struct item *
find_item(const struct service *v, enum seak_kind kind, uint32_t ext)
{
	struct item *i = v->items;

	while (i && (i->row.kind != kind || i->row.cid_extension != ext))
		i = i->next;
	return i;
}

static int64_t
end_us(const struct item *i)
{
	return i->row.to_s >= INT64_MAX / second ? INT64_MAX : i->row.to_s * second;
}

static void
audit(struct seak_sync *s, const struct item *i, const char *who, int64_t now_us, const char *what)
{
	seak_note(&s->ops, s->self, &i->row, who, now_us, what);
}

/* ---- the gate ---- */

static void
open_gate(struct seak_sync *s, struct item *i, int64_t now_us, bool all, const char *why)
{
	i->row.open_us = now_us;
	s->ops.gate(s->self, i->row.id, i->row.first_us, now_us);
	*(all ? &s->counts.opened_all : &s->counts.opened_wait) += 1;
	audit(s, i, "", now_us, why);
}

static bool
out_of_reach(const struct peer *p, int64_t now_us)
{
	return p->lost_us && now_us >= p->lost_us + grace_us;
}

/* When the first of those that are still waited for, and do not answer, is not waited for any more. */
static int64_t
patience_ends(const struct item *i, int64_t now_us)
{
	int64_t at = INT64_MAX;

	for (size_t k = 0; k < i->service->n; k++) {
		const struct delivery *d = &i->deliveries[k];

		if (d->state != SEAK_DELIVERED && !d->silent && d->peer->lost_us && !out_of_reach(d->peer, now_us) && d->peer->lost_us + grace_us < at)
			at = d->peer->lost_us + grace_us;
	}
	return at;
}

static void
set_gate(struct seak_sync *s, struct item *i)
{
	int64_t at = seak_over(&i->row, s->now_us) || i->row.open_us || !i->row.first_us ? INT64_MAX : i->row.first_us + i->service->wait_us;
	int64_t end = end_us(i), gone = end == INT64_MAX ? end : end + kept_us;
	int64_t patience = seak_over(&i->row, s->now_us) || i->row.open_us ? INT64_MAX : patience_ends(i, s->now_us);

	if (patience < at)
		at = patience;

	if (end > s->now_us && end < at)
		at = end;
	gw_due_set(&s->dues, &i->gate.look.due, at < gone ? at : gone);
}

/*
 * Rule 6. Its clock runs from the first BSM's confirmation, or, when none of them confirms, from when each has been tried: so that BSMs that answer
 * with refusals do not hold a service on its old SEAK for ever. One that does not answer at all is not waited for.
 */
static void
look_at_gate(struct seak_sync *s, struct item *i, int64_t now_us)
{
	size_t missing = 0, confirmed = 0, untried = 0;

	if (i->row.open_us || seak_over(&i->row, now_us))
		return;
	for (size_t k = 0; k < i->service->n; k++) {
		const struct delivery *d = &i->deliveries[k];

		if (d->state == SEAK_DELIVERED) {
			confirmed += strcmp(d->peer->id, i->row.generator) != 0;
			continue;
		}
		if (out_of_reach(d->peer, now_us))
			continue;
		missing += !d->silent;
		untried += !d->tried && d->peer->called;
	}
	if (missing == 0) {
		open_gate(s, i, now_us, true, confirmed ? "gate open: all BSMs in reach have confirmed" : "gate open: no other BSM is in reach");
	} else if (!i->row.first_us && (confirmed || !untried)) {
		i->row.first_us = now_us;
		s->ops.gate(s->self, i->row.id, now_us, 0);
	}
	if (!i->row.open_us && i->row.first_us && now_us >= i->row.first_us + i->service->wait_us)
		open_gate(s, i, now_us, false, "gate open: the wait is over, not all BSMs in reach have confirmed");
	set_gate(s, i);
}

/* The clock was set back: nothing waits for the old time. */
static void
set_back(struct seak_sync *s, int64_t now_us)
{
	for (size_t k = 0; k < s->npeers; k++)
		if (s->peers[k]->lost_us > now_us)
			s->peers[k]->lost_us = now_us;
	for (size_t v = 0; v < s->nservices; v++)
		for (struct item *i = s->services[v].items; i; i = i->next) {
			for (size_t k = 0; k < s->services[v].n; k++)
				if (i->deliveries[k].look.due.place)
					gw_due_set(&s->dues, &i->deliveries[k].look.due, now_us);
			if (i->row.first_us > now_us)
				i->row.first_us = now_us;
			set_gate(s, i);
		}
}

/* Whoever comes first after the clock was set back notices: what tells the time makes it known before it does anything else. */
static void
clock_is(struct seak_sync *s, int64_t now_us)
{
	bool back = now_us < s->now_us - 5 * second;

	s->now_us = now_us;
	if (back)
		set_back(s, now_us);
}

bool
seak_may_air(const struct seak_sync *s, const char *urn, enum seak_kind kind, uint32_t ext, int64_t now_us)
{
	const struct service *v = service_of(s, urn);
	const struct item *i = v ? find_item(v, kind, ext) : NULL;

	if (!v)
		return true;
	return i && (i->row.open_us || (i->row.first_us && now_us >= i->row.first_us + v->wait_us));
}

/* ---- deliveries ---- */

static void
enqueue(struct delivery *d)
{
	struct peer *p = d->peer;

	d->queued = true;
	d->next = NULL;
	if (p->last)
		p->last->next = d;
	else
		p->first = d;
	p->last = d;
}

static void
unqueue(struct delivery *d)
{
	struct peer *p = d->peer;
	struct delivery **at = &p->first, *before = NULL;

	if (!d->queued)
		return;
	while (*at != d) {
		before = *at;
		at = &before->next;
	}
	*at = d->next;
	if (p->last == d)
		p->last = before;
	d->queued = false;
}

static void
send(struct seak_sync *s, struct delivery *d)
{
	struct seak_flight *f = calloc(1, sizeof(*f));

	if (!f) {	/* later */
		gw_due_set(&s->dues, &d->look.due, s->now_us + second);
		return;
	}
	gw_due_set(&s->dues, &d->look.due, INT64_MAX);
	f->delivery = d;
	d->flight = f;
	d->peer->busy++;
	d->attempts++;
	s->counts.deliveries++;
	s->ops.deliver(s->self, f, d->peer->id, &d->item->row, d->item->key.p);
}

static void
start(struct seak_sync *s, struct delivery *d)
{
	if (d->flight || d->queued || d->state == SEAK_DELIVERED || !d->peer->called || seak_over(&d->item->row, s->now_us))
		return;
	if (d->peer->busy < SEAK_PEER_WINDOW)
		send(s, d);
	else {
		gw_due_set(&s->dues, &d->look.due, INT64_MAX);
		enqueue(d);
	}
}

static void
next_of(struct seak_sync *s, struct peer *p)
{
	while (p->first && p->busy < SEAK_PEER_WINDOW) {
		struct delivery *d = p->first;

		unqueue(d);
		start(s, d);
	}
}

static void
set_state(struct seak_sync *s, struct delivery *d, enum seak_state state, int64_t now_us)
{
	struct seak_mark m = { .state = state, .at_us = now_us };

	if (d->state == state)
		return;
	d->state = state;
	d->at_us = now_us;
	snprintf(m.who, sizeof(m.who), "%s", d->peer->id);
	s->ops.mark(s->self, d->item->row.id, &m);
}

static void
note_failure(struct seak_sync *s, struct delivery *d, enum seak_end end, unsigned status, const char *reason, int64_t now_us)
{
	char what[SEAK_TEXT];
	bool news = d->state != SEAK_FAILED || d->status != status || d->silent != (end == SEAK_SILENT);

	d->silent = end == SEAK_SILENT;
	d->status = status;
	gw_text(d->why, sizeof(d->why), reason);
	set_state(s, d, SEAK_FAILED, now_us);
	s->counts.failed++;
	d->delay_s = seak_delay_s(d->delay_s);
	gw_due_set(&s->dues, &d->look.due, now_us + d->delay_s * second);
	if (!news)
		return;
	if (end == SEAK_ANSWERED)
		snprintf(what, sizeof(what), "did not take it: status %u%s%s", status, *d->why ? ": " : "", d->why);
	else
		snprintf(what, sizeof(what), "%s%s%s", end == SEAK_SILENT ? "is out of reach" : "did not take it", *d->why ? ": " : "", d->why);
	audit(s, d->item, d->peer->id, now_us, what);
}

/* Flights of freed deliveries end here as well. */
static struct delivery *
land(struct seak_flight *f)
{
	struct delivery *d = f->delivery;

	if (d) {
		d->flight = NULL;
		d->peer->busy--;
	}
	free(f);
	return d;
}

void
seak_delivered(struct seak_sync *s, struct seak_flight *f, enum seak_end end, unsigned status, const char *reason, int64_t now_us)
{
	struct delivery *d = land(f);

	if (!s || !d)
		return;
	clock_is(s, now_us);
	d->tried = true;
	if (end == SEAK_ANSWERED && status == BR_OK) {
		d->silent = false;
		d->delay_s = d->status = 0;
		d->why[0] = '\0';
		set_state(s, d, SEAK_DELIVERED, now_us);
		s->counts.confirmed++;
		audit(s, d->item, d->peer->id, now_us, "has confirmed it");
	} else
		note_failure(s, d, end, status, reason, now_us);
	look_at_gate(s, d->item, now_us);
	next_of(s, d->peer);
}

static struct peer *
peer_called(const struct seak_sync *s, const char *who)
{
	for (size_t k = 0; k < s->npeers; k++)
		if (strcmp(s->peers[k]->id, who) == 0)
			return s->peers[k];
	return NULL;
}

void
seak_lost(struct seak_sync *s, const char *who, int64_t now_us)
{
	struct peer *p = peer_called(s, who);

	clock_is(s, now_us);
	if (!p || p->lost_us)
		return;
	p->lost_us = now_us;
	for (size_t v = 0; v < s->nservices; v++)
		for (struct item *i = s->services[v].items; i; i = i->next)
			if (delivery_to(i, p))
				set_gate(s, i);
}

void
seak_heard(struct seak_sync *s, const char *who, int64_t now_us)
{
	struct peer *p = peer_called(s, who);

	clock_is(s, now_us);
	if (!p)
		return;
	p->lost_us = 0;
	for (size_t v = 0; v < s->nservices; v++)
		for (struct item *i = s->services[v].items; i; i = i->next)
			for (size_t k = 0; k < s->services[v].n; k++) {
				struct delivery *d = &i->deliveries[k];

				if (d->silent && strcmp(d->peer->id, who) == 0) {
					d->delay_s = 0;
					start(s, d);
				}
			}
}

/* ---- SEAKs ---- */

static void
free_item(struct seak_sync *s, struct item *i)
{
	gw_due_set(&s->dues, &i->gate.look.due, INT64_MAX);
	for (size_t k = 0; i->deliveries && k < i->service->n; k++) {
		struct delivery *d = &i->deliveries[k];

		gw_due_set(&s->dues, &d->look.due, INT64_MAX);
		unqueue(d);
		if (d->flight) {
			d->flight->delivery = NULL;
			d->peer->busy--;
		}
	}
	s->reserved -= i->service->n + 1;
	gw_secret_free(&i->key);
	free(i->deliveries);
	free(i);
}

static void
forget(struct seak_sync *s, struct item *i)
{
	struct service *v = i->service;
	struct item **at = &v->items;

	while (*at != i)
		at = &(*at)->next;
	*at = i->next;
	v->nitems[i->row.kind]--;
	s->ops.drop(s->self, i->row.id);
	free_item(s, i);
}

static struct item *
new_item(struct seak_sync *s, struct service *v, const struct seak_row *row, const uint8_t *key)
{
	struct item *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->service = v;
	i->row = *row;
	memset(i->row.key, 0, sizeof(i->row.key));
	i->gate = (struct gate){ .look.at_gate = true, .item = i };
	i->deliveries = calloc(v->n, sizeof(*i->deliveries));
	s->reserved += v->n + 1;
	if (!i->deliveries || gw_dues_reserve(&s->dues, s->reserved) < 0 || gw_secret_set(&i->key, key, SEAK_LEN) < 0) {
		free_item(s, i);
		return NULL;
	}
	for (size_t k = 0; k < v->n; k++)
		i->deliveries[k] = (struct delivery){ .item = i, .peer = v->members[k], .at_us = row->since_us,
			.state = strcmp(v->members[k]->id, row->generator) == 0 ? SEAK_DELIVERED : SEAK_PENDING };
	return i;
}

static void
add_item(struct item *i)
{
	struct service *v = i->service;

	i->next = v->items;
	v->items = i;
	v->nitems[i->row.kind]++;
}

static void
fan_out(struct seak_sync *s, struct item *i, int64_t now_us)
{
	for (size_t k = 0; k < i->service->n; k++)
		start(s, &i->deliveries[k]);
	look_at_gate(s, i, now_us);
	set_gate(s, i);
}

/* The oldest of its generator's SEAKs without an end, when nothing but such a one can make room; NULL: there is none. Nobody's SEAKs supersede another's. */
static struct item *
superseded(const struct service *v, const char *who, enum seak_kind kind)
{
	struct item *oldest = NULL;
	size_t n = 0;

	for (struct item *i = v->items; i; i = i->next)
		if (i->row.kind == kind && seak_goes_before(&i->row, oldest ? &oldest->row : NULL, who, &n))
			oldest = i;
	return n >= SEAK_ENDLESS ? oldest : NULL;
}

/* After one that was accepted is kept. */
static void
supersede(struct seak_sync *s, struct service *v, const char *who, enum seak_kind kind, int64_t now_us)
{
	struct item *i = v->nitems[kind] > SEAK_MOST ? superseded(v, who, kind) : NULL;

	if (!i)
		return;
	audit(s, i, who, now_us, "forgotten: it has no end, and newer ones of its generator need its place");
	forget(s, i);
}

/* Rules 1 to 3, without a change of anything. *known: the instance that is there. */
static unsigned
judge(const struct seak_sync *s, const char *who, const char *urn, const struct seak_said *said, int64_t now_us, struct item **known, const char **reason)
{
	struct service *v = service_of(s, urn);

#define NO(code, text) do { *reason = (text); return (code); } while (0)
	*known = NULL;
	*reason = NULL;
	if (!v)
		NO(BR_NO_SERVICE, "no SEAKs of this service are synchronised here");
	if (!member_of(v, who))
		NO(BR_NOT_ENTITLED, "the sender is not a BSM of this service");
	if (!said->context)
		NO(BR_MISSING, "SeakContext with cidExtension is missing");
	if (!said->key || said->len != SEAK_LEN)
		NO(BR_INVALID, "a SEAK is one Data of 32 octets");
	*known = find_item(v, said->kind, said->cid_extension);
	if (*known && gw_secret_equal(&(*known)->key, said->key, said->len))
		return BR_OK;
	if (*known)
		NO(BR_CONFLICT, "another SEAK has this cidExtension");
	if (said->to_s <= said->from_s || said->to_s <= now_us / second)
		NO(BR_INVALID, "its validity is over, or empty");
	if (v->generator && strcmp(v->generator, who) != 0)
		NO(BR_NOT_PERMITTED, "another BSM generates the SEAKs of this service");
	if (v->nitems[said->kind] >= SEAK_MOST && !superseded(v, who, said->kind))
		NO(BR_DELAYED, "too many SEAKs of this service are valid");
	return BR_OK;
#undef NO
}

/* New, durable, and ours: NULL: it could not be kept. */
static struct item *
keep(struct seak_sync *s, struct service *v, const char *who, const struct seak_said *said, int64_t now_us)
{
	struct seak_row row = { .kind = said->kind, .cid_extension = said->cid_extension, .from_s = said->from_s, .to_s = said->to_s, .since_us = now_us };
	struct seak_mark *marks = calloc(v->n, sizeof(*marks));
	struct item *i;
	char what[SEAK_TEXT];

	snprintf(row.service, sizeof(row.service), "%s", v->name);
	snprintf(row.urn, sizeof(row.urn), "%s", v->urn);
	snprintf(row.generator, sizeof(row.generator), "%s", who);
	i = marks ? new_item(s, v, &row, said->key) : NULL;
	for (size_t k = 0; i && k < v->n; k++) {
		marks[k] = (struct seak_mark){ .state = i->deliveries[k].state, .at_us = now_us };
		snprintf(marks[k].who, sizeof(marks[k].who), "%s", v->members[k]->id);
	}
	if (i && s->ops.save(s->self, &i->row, i->key.p, marks, v->n) < 0) {
		free_item(s, i);
		i = NULL;
	}
	free(marks);
	if (!i)
		return NULL;
	add_item(i);
	s->counts.stored++;
	snprintf(what, sizeof(what), "generated it; %zu others are to have it", v->n - 1);
	audit(s, i, who, now_us, what);
	supersede(s, v, who, said->kind, now_us);
	return i;
}

/* Rule 3: who has another value gets ours. */
static void
send_ours(struct seak_sync *s, struct item *i, const char *who, int64_t now_us)
{
	struct delivery *d = delivery_to(i, member_of(i->service, who));

	s->counts.conflicts++;
	if (!d)
		return;
	if (seak_worth_a_line(&d->conflict_us, now_us))
		audit(s, i, who, now_us, "has delivered another value for it: refused");
	set_state(s, d, SEAK_PENDING, now_us);
	d->delay_s = 0;
	start(s, d);
}

/* Makes room: what is over goes before its time. */
static void
make_room(struct seak_sync *s, struct service *v, enum seak_kind kind, int64_t now_us)
{
	for (struct item *i = v->items, *next; i && v->nitems[kind] >= SEAK_MOST; i = next) {
		next = i->next;
		if (i->row.kind == kind && seak_over(&i->row, now_us))
			forget(s, i);
	}
}

void
seak_offered(struct seak_sync *s, void *call, const char *who, const char *urn, const struct seak_said *said, int64_t now_us)
{
	struct service *v = service_of(s, urn);
	struct item *i;
	const char *reason;
	unsigned status;

	clock_is(s, now_us);
	if (v && said->context)
		make_room(s, v, said->kind, now_us);
	status = judge(s, who, urn, said, now_us, &i, &reason);
	bool fresh = status == BR_OK && !i;
	if (fresh && !(i = keep(s, v, who, said, now_us))) {
		status = BR_SERVER_ERROR;
		reason = "the SEAK could not be stored";
	}
	s->counts.repeated += status == BR_OK && !fresh;
	s->counts.refused += status != BR_OK;
	s->ops.answer(s->self, call, status, NULL, NULL, reason);
	if (status == BR_OK && fresh)
		fan_out(s, i, now_us);
	else if (status == BR_OK) {	/* who delivers it has it */
		struct delivery *d = delivery_to(i, member_of(v, who));
		set_state(s, d, SEAK_DELIVERED, now_us);
		look_at_gate(s, i, now_us);
	} else if (status == BR_CONFLICT)
		send_ours(s, i, who, now_us);
}

unsigned
seak_would(const struct seak_sync *s, const char *who, const char *urn, const struct seak_said *said, int64_t now_us, const char **reason,
    void (*who_gets)(void *, const char *, bool), void *self)
{
	struct item *i;
	unsigned status = judge(s, who, urn, said, now_us, &i, reason);
	const struct service *v = service_of(s, urn);

	if (status == BR_OK && !i)
		for (size_t k = 0; who_gets && k < v->n; k++)
			if (strcmp(v->members[k]->id, who) != 0)
				who_gets(self, v->members[k]->id, v->members[k]->called);
	if (status == BR_CONFLICT && who_gets)
		who_gets(self, who, member_of(v, who)->called);
	return status;
}

/* ---- pulls ---- */

/*
 * A request names no SEAK (SeakContext belongs to tags 18 and 19): the answer is one that the asker has not confirmed, the earliest first; who asks again
 * gets the others in turn.
 */
static struct item *
pick(struct service *v, const struct peer *p, int64_t now_us)
{
	struct item *best = NULL;
	const struct delivery *of_best = NULL;

	for (struct item *i = v->items; i; i = i->next) {
		const struct delivery *d = delivery_to(i, p);

		if (!d || seak_over(&i->row, now_us))
			continue;
		bool has = d->state == SEAK_DELIVERED, best_has = best && of_best->state == SEAK_DELIVERED;
		if (!best || (has != best_has ? !has : d->pulled_us != of_best->pulled_us ? d->pulled_us < of_best->pulled_us :
		    i->row.from_s < best->row.from_s)) {
			best = i;
			of_best = d;
		}
	}
	return best;
}

static void
hand_over(struct seak_sync *s, void *call, struct item *i, struct peer *p, int64_t now_us)
{
	struct delivery *d = delivery_to(i, p);

	d->pulled_us = now_us;
	if (seak_worth_a_line(&d->told_us, now_us))
		audit(s, i, p->id, now_us, "has asked for it and got it");
	if (!p->called)		/* it cannot be sent to, so it cannot confirm: this is all there will be */
		set_state(s, d, SEAK_DELIVERED, now_us);
	s->ops.answer(s->self, call, BR_OK, &i->row, i->key.p, NULL);
	look_at_gate(s, i, now_us);
}

/* Whom to ask for a service's SEAK: as configured, or who made the latest. */
static struct peer *
generator_of(const struct service *v)
{
	const struct item *latest = NULL;

	if (v->generator)
		return member_of(v, v->generator);
	for (const struct item *i = v->items; i; i = i->next)
		if (!latest || i->row.since_us > latest->row.since_us)
			latest = i;
	return latest ? member_of(v, latest->row.generator) : NULL;
}

void
seak_asked(struct seak_sync *s, void *call, const char *who, const char *urn, int64_t now_us)
{
	struct service *v = service_of(s, urn);
	struct peer *p = v ? member_of(v, who) : NULL, *g;
	struct item *i;
	size_t of_peer = 0;

	clock_is(s, now_us);
	s->counts.pulls++;
#define NO(code, text) do { s->counts.refused++; s->ops.answer(s->self, call, (code), NULL, NULL, (text)); return; } while (0)
	if (!v)
		NO(BR_NO_SERVICE, "no SEAKs of this service are synchronised here");
	if (!p)
		NO(BR_NOT_ENTITLED, "the sender is not a BSM of this service");
	if ((i = pick(v, p, now_us)) != NULL) {
		hand_over(s, call, i, p, now_us);
		return;
	}
	g = generator_of(v);
	if (!g || g == p || !g->called)
		NO(BR_NOT_GENERATED, !g ? "there is no SEAK yet, and nobody to ask for one" : g == p ? "there is no SEAK yet: the sender is to deliver it" :
		    "there is no SEAK yet, and its generator cannot be asked");
	for (size_t k = 0; k < v->nwaiters; k++)
		of_peer += v->waiting[k] == p;
	if (v->nwaiters == SEAK_WAITERS || of_peer == SEAK_PEER_WAITERS)
		NO(BR_DELAYED, "too many wait for this SEAK");
	if (!v->pull && !(v->pull = calloc(1, sizeof(*v->pull))))
		NO(BR_SERVER_ERROR, "no memory");
#undef NO
	v->waiters[v->nwaiters] = call;
	v->waiting[v->nwaiters++] = p;
	if (v->nwaiters > 1)
		return;
	v->pull->service = v;
	s->ops.request(s->self, v->pull, g->id, v->urn);
}

static void
answer_waiters(struct seak_sync *s, struct service *v, unsigned status, const char *reason, int64_t now_us)
{
	size_t n = v->nwaiters;

	v->nwaiters = 0;
	for (size_t k = 0; k < n; k++) {
		struct item *i = status == BR_OK ? pick(v, v->waiting[k], now_us) : NULL;

		if (i)
			hand_over(s, v->waiters[k], i, v->waiting[k], now_us);
		else
			s->ops.answer(s->self, v->waiters[k], status == BR_OK ? BR_NOT_GENERATED : status, NULL, NULL, reason);
	}
}

void
seak_responded(struct seak_sync *s, struct seak_flight *f, enum seak_end end, unsigned status, const char *reason, const struct seak_said *said, int64_t now_us)
{
	struct service *v = f->service;
	struct item *i = NULL;
	struct peer *g = s && v ? generator_of(v) : NULL;
	const char *why = "the generating BSM cannot be reached";

	free(f);
	if (v)
		v->pull = NULL;
	if (!s || !v)
		return;
	clock_is(s, now_us);
	if (end == SEAK_ANSWERED && status == BR_OK && g) {
		make_room(s, v, said->kind, now_us);
		status = judge(s, g->id, v->urn, said, now_us, &i, &why);
		bool fresh = status == BR_OK && !i;
		if (fresh && !(i = keep(s, v, g->id, said, now_us)))
			status = BR_SERVER_ERROR;
		answer_waiters(s, v, status == BR_OK ? BR_OK : BR_NOT_GENERATED, why ? why : "the SEAK could not be stored", now_us);
		if (fresh && i)
			fan_out(s, i, now_us);
		return;
	}
	if (end != SEAK_SILENT)
		why = reason && *reason ? reason : "the generating BSM has none";
	answer_waiters(s, v, BR_NOT_GENERATED, why, now_us);
}

/* ---- time ---- */

static void
look_at_item(struct seak_sync *s, struct item *i, int64_t now_us)
{
	if (end_us(i) != INT64_MAX && now_us >= end_us(i) + kept_us) {
		forget(s, i);
		return;
	}
	look_at_gate(s, i, now_us);
	set_gate(s, i);
}

void
seak_tick(struct seak_sync *s, int64_t now_us)
{
	struct gw_due *due;

	clock_is(s, now_us);
	while ((due = gw_dues_first(&s->dues)) != NULL && due->at_us <= now_us) {
		const bool at_gate = ((struct look *)(void *)due)->at_gate;

		gw_due_set(&s->dues, due, INT64_MAX);
		if (at_gate)
			look_at_item(s, ((struct gate *)(void *)due)->item, now_us);
		else
			start(s, (struct delivery *)(void *)due);
	}
}

int64_t
seak_next(const struct seak_sync *s)
{
	return gw_dues_next(&s->dues);
}

/* ---- coming and going ---- */

static struct peer *
peer_of(struct seak_sync *s, const struct seak_member *m)
{
	struct peer **grown, *p;

	for (size_t i = 0; i < s->npeers; i++)
		if (strcmp(s->peers[i]->id, m->id) == 0)
			return s->peers[i];
	if (!(grown = gw_grow(s->peers, s->npeers, &s->rpeers, sizeof(*grown))))
		return NULL;
	s->peers = grown;
	if (!(p = calloc(1, sizeof(*p))))
		return NULL;
	p->called = m->called;
	if (!(p->id = strdup(m->id))) {
		free(p);
		return NULL;
	}
	return s->peers[s->npeers++] = p;
}

static int
set_rule(struct seak_sync *s, struct service *v, const struct seak_rule *r)
{
	v->name = strdup(r->service);
	v->urn = strdup(r->urn);
	v->generator = r->generator ? strdup(r->generator) : NULL;
	v->members = calloc(r->nmembers + 1, sizeof(struct peer *));
	v->wait_us = r->wait_us;
	if (!v->name || !v->urn || !v->members || (r->generator && !v->generator))
		return -1;
	for (size_t k = 0; k < r->nmembers; k++)
		if (!(v->members[v->n] = peer_of(s, &r->members[k])))
			return -1;
		else
			v->n++;
	return 0;
}

struct seak_sync *
seak_new(const struct seak_rule *r, size_t n, const struct seak_ops *ops, void *self)
{
	struct seak_sync *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ops = *ops;
	s->self = self;
	s->services = calloc(n + 1, sizeof(*s->services));
	for (; s->services && s->nservices < n; s->nservices++)
		if (set_rule(s, &s->services[s->nservices], &r[s->nservices]) < 0) {
			s->nservices++;
			seak_free(s);
			return NULL;
		}
	if (!s->services) {
		free(s);
		return NULL;
	}
	return s;
}

static void
free_service(struct seak_sync *s, struct service *v)
{
	answer_waiters(s, v, BR_DELAYED, "the configuration changes", s->now_us);
	if (v->pull)
		v->pull->service = NULL;
	while (v->items) {
		struct item *next = v->items->next;

		free_item(s, v->items);
		v->items = next;
	}
	free(v->name);
	free(v->urn);
	free(v->generator);
	free(v->members);
}

void
seak_free(struct seak_sync *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nservices; i++)
		free_service(s, &s->services[i]);
	for (size_t i = 0; i < s->npeers; i++) {
		free(s->peers[i]->id);
		free(s->peers[i]);
	}
	free(s->peers);
	free(s->services);
	gw_dues_free(&s->dues);
	free(s);
}

int
seak_restore(struct seak_sync *s, const struct seak_row *row, const struct seak_mark *m, size_t n, int64_t now_us)
{
	struct service *v = service_of(s, row->urn);
	struct item *i;

	s->now_us = now_us;
	if (!v || find_item(v, row->kind, row->cid_extension))
		return 0;
	if (!(i = new_item(s, v, row, row->key)))
		return -1;
	for (size_t k = 0; k < n; k++) {
		struct peer *p = member_of(v, m[k].who);
		struct delivery *d = p ? delivery_to(i, p) : NULL;

		if (d) {
			d->state = m[k].state;
			d->at_us = m[k].at_us;
		}
	}
	if (i->row.first_us > now_us)	/* of a future that the clock was in */
		i->row.first_us = now_us;
	add_item(i);
	for (size_t k = 0; k < v->n; k++)
		if (i->deliveries[k].state != SEAK_DELIVERED && !seak_over(&i->row, now_us))
			gw_due_set(&s->dues, &i->deliveries[k].look.due, now_us);
	set_gate(s, i);
	/* Who the gate waited for may have gone from the rules, or it was stored and never looked at. */
	if ((!seak_over(&i->row, now_us) && !i->row.open_us) || (seak_over(&i->row, now_us) && end_us(i) + kept_us <= now_us))
		gw_due_set(&s->dues, &i->gate.look.due, now_us);
	return 0;
}

/* ---- for operators ---- */

static const char *const state_names[] = { "pending", "delivered", "failed" };

static json_t *
delivery_json(const struct delivery *d, const struct item *i)
{
	bool own = strcmp(d->peer->id, i->row.generator) == 0;
	json_t *j = json_pack("{s:s, s:s, s:o, s:I}", "bsm", d->peer->id, "state", own && d->state == SEAK_DELIVERED ? "generator" : state_names[d->state],
	    "since", seak_time_json(d->at_us), "attempts", (json_int_t)d->attempts);

	if (j && d->state != SEAK_DELIVERED) {
		json_object_set_new(j, "reachable", json_boolean(!d->silent));
		json_object_set_new(j, "status", json_integer(d->status));
		json_object_set_new(j, "reason", json_string(d->why));
		json_object_set_new(j, "next_attempt", d->look.due.place ? seak_time_json(d->look.due.at_us) : json_null());
	}
	return j;
}

static json_t *
item_json(const struct item *i, int64_t now_us)
{
	json_t *list = json_array(), *j = seak_row_json(&i->row, &i->key, now_us);

	for (size_t k = 0; k < i->service->n; k++)
		json_array_append_new(list, delivery_json(&i->deliveries[k], i));
	json_object_update_new(j, json_pack("{s:o, s:s, s:o, s:o}", "stored", seak_time_json(i->row.since_us), "gate", i->row.open_us ? "open" : "shut",
	    "opened", seak_time_json(i->row.open_us), "bsms", list));
	return j;
}

json_t *
seak_status(const struct seak_sync *s, int64_t now_us)
{
	json_t *all = json_array();

	for (size_t k = 0; all && k < s->nservices; k++) {
		const struct service *v = &s->services[k];
		json_t *items = json_array();

		for (const struct item *i = v->items; i; i = i->next)
			json_array_append_new(items, item_json(i, now_us));
		json_array_append_new(all, json_pack("{s:s, s:s, s:s?, s:f, s:o}", "service", v->name, "global_service_id", v->urn, "generator", v->generator,
		    "wait_seconds", (double)v->wait_us / 1e6, "instances", items));
	}
	return all;
}

void
seak_counts(const struct seak_sync *s, struct seak_counts *c)
{
	*c = s->counts;
	c->instances = c->undelivered = 0;
	for (size_t v = 0; v < s->nservices; v++)
		for (const struct item *i = s->services[v].items; i; i = i->next) {
			c->instances++;
			for (size_t k = 0; k < s->services[v].n; k++)
				c->undelivered += i->deliveries[k].state != SEAK_DELIVERED && !seak_over(&i->row, s->now_us);
		}
}
