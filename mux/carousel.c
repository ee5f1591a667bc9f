/* mux/carousel.c: streams in a hash table by (service, KMS, ECM_id) and in a heap by the time they want next */
#include "mux/carousel.h"
#include <stdlib.h>
#include <string.h>
#include "lib/clock.h"

enum {
	RECORDS = 64,			/* held for one stream; the SCS commits a few periods ahead */
	LOOK_US = 60 * 1000000,		/* UTC may be slewed while we wait: look again at least so often */
	JUMP_US = 100000,		/* more than that is a jump, not slewing */
};

/* A record never goes back by itself: that is what keeps the carousel alive when UTC is set back. A held one ends nothing and begins nothing. */
enum state { HELD, PENDING, ON, OFF };

struct rec {
	enum state state;
	uint64_t cp;
	int64_t start_us, from_us, stop_prev_us;	/* on air from; its predecessor until */
	int64_t period_us;
	int64_t since_us;				/* UTC, when it went on air */
	int64_t due_us;					/* monotonic: next transmission */
	uint8_t *datagram; size_t len;
	void *out;
};

struct stream {
	struct stream *chain;	/* in its bucket */
	size_t place;		/* in the heap */
	int64_t next_us;	/* monotonic: when it wants to be looked at */
	int64_t end_us;		/* UTC: service_end; INT64_MAX: none */
	uint64_t hash, sent, aired;
	uint32_t super_cas_id;
	uint16_t ecm_id;
	struct rec *recs;	/* ascending by cp */
	size_t n;
	char *kms;
	char service[];
};

struct mux_carousel {
	struct stream **buckets; size_t nbuckets;	/* a power of two */
	struct stream **heap; size_t n, cap;
	int64_t period_us;
	struct gw_clock_watch watch;
	void (*drop)(void *, void *);
	void *self;
};

/* the heap */

static void
heap_set(struct mux_carousel *c, size_t i, struct stream *s)
{
	c->heap[i] = s;
	s->place = i;
}

static void
heap_fix(struct mux_carousel *c, size_t i)
{
	struct stream *s = c->heap[i];

	while (i > 0 && c->heap[(i - 1) / 2]->next_us > s->next_us) {
		heap_set(c, i, c->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	for (size_t k; (k = 2 * i + 1) < c->n; i = k) {
		if (k + 1 < c->n && c->heap[k + 1]->next_us < c->heap[k]->next_us)
			k++;
		if (c->heap[k]->next_us >= s->next_us)
			break;
		heap_set(c, i, c->heap[k]);
	}
	heap_set(c, i, s);
}

static void
want(struct mux_carousel *c, struct stream *s, int64_t mono_us)
{
	s->next_us = mono_us;
	heap_fix(c, s->place);
}

/* streams */

static uint64_t
hash_of(const char *service, uint32_t super_cas_id, uint16_t ecm_id)
{
	uint64_t h = 0xcbf29ce484222325;	/* FNV-1a */

	for (const char *p = service; *p; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3;
	for (int i = 0; i < 4; i++)
		h = (h ^ (super_cas_id >> 8 * i & 0xff)) * 0x100000001b3;
	for (int i = 0; i < 2; i++)
		h = (h ^ ((uint32_t)ecm_id >> 8 * i & 0xff)) * 0x100000001b3;
	return h ^ h >> 32;
}

static int
grow(struct mux_carousel *c)
{
	size_t cap = c->cap ? 2 * c->cap : 64, nb = 2 * cap;
	struct stream **heap = realloc(c->heap, cap * sizeof(struct stream *)), **buckets;

	if (!heap)
		return -1;
	c->heap = heap;
	buckets = calloc(nb, sizeof(struct stream *));
	if (!buckets)
		return -1;
	for (size_t i = 0; i < c->n; i++) {
		struct stream *s = heap[i];
		s->chain = buckets[s->hash & (nb - 1)];
		buckets[s->hash & (nb - 1)] = s;
	}
	free(c->buckets);
	c->buckets = buckets;
	c->nbuckets = nb;
	c->cap = cap;
	return 0;
}

static struct stream *
find(const struct mux_carousel *c, const struct mux_record *r, uint64_t hash)
{
	struct stream *s = c->nbuckets ? c->buckets[hash & (c->nbuckets - 1)] : NULL;

	while (s && (s->hash != hash || s->super_cas_id != r->super_cas_id || s->ecm_id != r->ecm_id ||
	    strcmp(s->service, r->service) != 0))
		s = s->chain;
	return s;
}

static struct stream *
add(struct mux_carousel *c, const struct mux_record *r, uint64_t hash)
{
	size_t len = strlen(r->service) + 1;
	struct stream *s = calloc(1, sizeof(*s) + len);

	if (!s || !(s->kms = strdup(r->kms)) || (c->n == c->cap && grow(c) < 0)) {
		if (s)
			free(s->kms);
		free(s);
		return NULL;
	}
	memcpy(s->service, r->service, len);
	s->super_cas_id = r->super_cas_id;
	s->ecm_id = r->ecm_id;
	s->hash = hash;
	s->end_us = INT64_MAX;
	s->chain = c->buckets[hash & (c->nbuckets - 1)];
	c->buckets[hash & (c->nbuckets - 1)] = s;
	heap_set(c, c->n++, s);
	want(c, s, INT64_MIN);
	return s;
}

static void
drop_rec(struct mux_carousel *c, struct stream *s, size_t i)
{
	c->drop(c->self, s->recs[i].out);
	free(s->recs[i].datagram);
	memmove(&s->recs[i], &s->recs[i + 1], (--s->n - i) * sizeof(s->recs[0]));
}

static void
free_stream(struct mux_carousel *c, struct stream *s)
{
	while (s->n > 0)
		drop_rec(c, s, s->n - 1);
	free(s->recs);
	free(s->kms);
	free(s);
}

static void
forget(struct mux_carousel *c, struct stream *s)
{
	struct stream **p = &c->buckets[s->hash & (c->nbuckets - 1)], *last = c->heap[--c->n];
	size_t hole = s->place;

	while (*p != s)
		p = &(*p)->chain;
	*p = s->chain;
	if (last != s) {
		heap_set(c, hole, last);
		heap_fix(c, hole);
	}
	free_stream(c, s);
}

struct mux_carousel *
mux_carousel_new(unsigned rep_ms, void (*drop)(void *, void *), void *self)
{
	struct mux_carousel *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	mux_carousel_set_period(c, rep_ms);
	c->drop = drop;
	c->self = self;
	return c;
}

void
mux_carousel_set_period(struct mux_carousel *c, unsigned rep_ms)
{
	c->period_us = (rep_ms ? rep_ms : 1) * (int64_t)1000;
}

void
mux_carousel_free(struct mux_carousel *c)
{
	if (!c)
		return;
	while (c->n > 0)
		free_stream(c, c->heap[--c->n]);
	free(c->heap);
	free(c->buckets);
	free(c);
}

/* records */

static bool
same(const struct rec *a, const struct rec *b)
{
	return a->cp == b->cp && a->start_us == b->start_us && a->from_us == b->from_us && a->stop_prev_us == b->stop_prev_us &&
	    a->period_us == b->period_us && a->out == b->out && a->len == b->len &&
	    (a->len == 0 || memcmp(a->datagram, b->datagram, a->len) == 0);
}

static int
make(const struct mux_carousel *c, const struct mux_record *r, struct rec *x)
{
	*x = (struct rec){ .state = r->hold ? HELD : PENDING, .cp = r->cp, .start_us = r->start_us,
		.from_us = r->start_us + r->delay_start_ms * (int64_t)1000,
		.stop_prev_us = r->start_us + r->previous_delay_stop_ms * (int64_t)1000,
		.period_us = r->rep_ms ? r->rep_ms * (int64_t)1000 : c->period_us, .out = r->out, .len = r->len };
	if (r->len > 0) {
		x->datagram = malloc(r->len);
		if (!x->datagram)
			return -1;
		memcpy(x->datagram, r->datagram, r->len);
	}
	return 0;
}

/* A held record changes. Its own window is judged anew, and so is its predecessor's, whose end it decides. */
static void
replace(struct mux_carousel *c, struct stream *s, size_t i, const struct rec *x)
{
	struct rec *old = &s->recs[i];
	bool stays = old->state > PENDING && x->state != HELD && x->from_us <= old->from_us;
	struct rec now = *x;

	if (stays) {	/* on air: new bytes or a new period, or its window begins even earlier */
		now.state = old->state;
		now.since_us = old->since_us;
		now.due_us = INT64_MIN;
	}
	c->drop(c->self, old->out);
	free(old->datagram);
	*old = now;
	if (i > 0 && s->recs[i - 1].state == OFF) {
		s->recs[i - 1].state = PENDING;
		s->recs[i - 1].due_us = INT64_MIN;
	}
}

static int
insert(struct stream *s, size_t i, const struct rec *x)
{
	struct rec *recs = realloc(s->recs, (s->n + 1) * sizeof(*recs));

	if (!recs)
		return -1;
	s->recs = recs;
	memmove(&recs[i + 1], &recs[i], (s->n - i) * sizeof(*recs));
	recs[i] = *x;
	s->n++;
	return 0;
}

static const struct rec *
newest_seen(const struct stream *s)
{
	for (size_t i = s->n; i-- > 0; )
		if (s->recs[i].state > PENDING)
			return &s->recs[i];
	return NULL;
}

static enum mux_put
place(struct mux_carousel *c, struct stream *s, const struct rec *x)
{
	const struct rec *seen = newest_seen(s);
	size_t i = 0;

	while (i < s->n && s->recs[i].cp < x->cp)
		i++;
	if (i < s->n && s->recs[i].cp == x->cp) {
		if (same(&s->recs[i], x)) {	/* what was let go once is not held again */
			if (s->recs[i].state == HELD)
				s->recs[i].state = x->state;
			return MUX_SAME;
		}
		replace(c, s, i, x);
		return MUX_REPLACED;
	}
	/*
	 * A crypto-period older than one that was on air has passed. Unless it starts later: then the numbers begin anew (an SCS that
	 * lost its store), and what is held belongs to a life that is over.
	 */
	if (seen && x->cp < seen->cp) {
		if (x->start_us <= seen->start_us || x->state == HELD)
			return MUX_OLD;
		while (s->n > 0)
			drop_rec(c, s, s->n - 1);
		i = 0;
	}
	return s->n < RECORDS && insert(s, i, x) == 0 ? MUX_NEW : MUX_FULL;
}

enum mux_put
mux_carousel_put(struct mux_carousel *c, const struct mux_record *r)
{
	uint64_t hash = hash_of(r->service, r->super_cas_id, r->ecm_id);
	struct stream *s = find(c, r, hash);
	enum mux_put verdict = MUX_FULL;
	struct rec x;

	if ((s || (s = add(c, r, hash))) && make(c, r, &x) == 0) {
		verdict = place(c, s, &x);
		if (verdict != MUX_NEW && verdict != MUX_REPLACED)
			free(x.datagram);
	}
	if (verdict != MUX_NEW && verdict != MUX_REPLACED)
		c->drop(c->self, r->out);
	if (s && s->n == 0) {
		forget(c, s);	/* a first record that could not be taken */
	} else if (s) {
		s->end_us = INT64_MAX;
		want(c, s, INT64_MIN);
	}
	return verdict;
}

void
mux_carousel_end(struct mux_carousel *c, const char *service, int64_t start_us)
{
	for (size_t b = 0; b < c->nbuckets; b++)	/* by bucket: the heap moves */
		for (struct stream *s = c->buckets[b]; s; s = s->chain)
			if (strcmp(s->service, service) == 0) {
				s->end_us = start_us;
				want(c, s, INT64_MIN);
			}
}

/* time */

static int64_t
until(const struct stream *s, size_t i)
{
	while (++i < s->n && s->recs[i].state == HELD)
		;
	return i < s->n ? s->recs[i].stop_prev_us : INT64_MAX;
}

/*
 * The next transmission after one at mono_us: on a grid of the period, at the stream's own phase, so that streams that went on air
 * together part at once. Two records of a stream that overlap take turns.
 */
static int64_t
next_due(const struct stream *s, const struct rec *x, int64_t mono_us)
{
	int64_t phase = (int64_t)((s->hash + (x->cp & 1) * (uint64_t)x->period_us / 2) % (uint64_t)x->period_us);
	int64_t over = (mono_us - phase) % x->period_us;

	return mono_us - (over < 0 ? over + x->period_us : over) + x->period_us;
}

static void
step(struct stream *s, size_t i, int64_t utc_us, int64_t mono_us)
{
	struct rec *x = &s->recs[i];

	if (x->state == PENDING && utc_us >= x->from_us) {
		x->state = ON;
		x->since_us = utc_us;
		x->due_us = mono_us;
		s->aired += x->len > 0;
	}
	if (x->state == ON && utc_us >= until(s, i))
		x->state = OFF;
}

static int64_t
sooner(int64_t at, int64_t candidate)
{
	return candidate < at ? candidate : at;
}

/* When the record next changes or is sent; monotonic. */
static int64_t
event_of(const struct stream *s, size_t i, int64_t utc_us, int64_t mono_us)
{
	const struct rec *x = &s->recs[i];
	int64_t end = until(s, i), at = mono_us + LOOK_US;

	if (x->state == PENDING)
		at = sooner(at, mono_us + (x->from_us - utc_us));
	if (x->state == ON && x->len > 0)
		at = sooner(at, x->due_us);
	if (x->state == ON && end - utc_us < LOOK_US)	/* no overflow: end may be INT64_MAX, utc_us is positive */
		at = sooner(at, mono_us + (end - utc_us));
	return at;
}

/* A number that was given up while its record was held. */
static void
drop_overtaken(struct mux_carousel *c, struct stream *s)
{
	const struct rec *seen = newest_seen(s);
	uint64_t cp = seen ? seen->cp : 0;

	for (size_t i = s->n; i-- > 0; )
		if (s->recs[i].state == HELD && s->recs[i].cp < cp)
			drop_rec(c, s, i);
}

/* Looks at one stream: what goes on and off the air, what is sent, and when to look again. */
static void
look(struct mux_carousel *c, struct stream *s, int64_t utc_us, int64_t mono_us, mux_send *send, void *self)
{
	int64_t next = mono_us + LOOK_US;
	size_t off = 0;

	if (utc_us >= s->end_us) {
		forget(c, s);
		return;
	}
	for (size_t i = 0; i < s->n; i++)
		step(s, i, utc_us, mono_us);
	drop_overtaken(c, s);
	for (size_t i = 0; i < s->n; i++)
		off += s->recs[i].state == OFF;
	/* The newest that is off is kept: when its successor is put off it must come back. */
	for (; off > 1; off--)
		for (size_t i = 0; i < s->n; i++)
			if (s->recs[i].state == OFF) {
				drop_rec(c, s, i);
				break;
			}
	for (size_t i = 0; i < s->n; i++) {
		struct rec *x = &s->recs[i];
		if (x->state == ON && x->len > 0 && mono_us >= x->due_us) {
			send(self, x->out, x->datagram, x->len);
			s->sent++;
			x->due_us = next_due(s, x, mono_us);
		}
		next = sooner(next, event_of(s, i, utc_us, mono_us));
	}
	if (s->end_us - utc_us < LOOK_US)
		next = sooner(next, mono_us + (s->end_us - utc_us));
	want(c, s, next);
}

/* UTC was set. Every stream is looked at; where it was set back into a gap between two ECMs, the last one returns for the while. */
static void
on_jump(struct mux_carousel *c, int64_t jump_us)
{
	for (size_t k = 0; k < c->n; k++) {
		struct stream *s = c->heap[k];
		struct rec *last = NULL;
		bool on = false;
		for (size_t i = 0; i < s->n; i++) {
			on |= s->recs[i].state == ON;
			if (s->recs[i].state == OFF)
				last = &s->recs[i];
		}
		if (jump_us < 0 && !on && last) {
			last->state = ON;
			last->due_us = INT64_MIN;
		}
		s->next_us = INT64_MIN;	/* all alike: any order is a heap */
	}
}

void
mux_carousel_run(struct mux_carousel *c, int64_t utc_us, int64_t mono_us, mux_send *send, void *self)
{
	int64_t jump = gw_clock_jump(&c->watch, utc_us, mono_us, JUMP_US);

	if (jump)
		on_jump(c, jump);
	while (c->n > 0 && c->heap[0]->next_us <= mono_us)
		look(c, c->heap[0], utc_us, mono_us, send, self);
}

int64_t
mux_carousel_next(const struct mux_carousel *c)
{
	return c->n > 0 ? c->heap[0]->next_us : INT64_MAX;
}

/* views */

void
mux_carousel_each(const struct mux_carousel *c, void (*each)(void *, const struct mux_stream_view *), void *self)
{
	for (size_t k = 0; k < c->n; k++) {
		const struct stream *s = c->heap[k];
		struct mux_stream_view v = { .service = s->service, .kms = s->kms, .super_cas_id = s->super_cas_id,
			.ecm_id = s->ecm_id, .sent = s->sent, .aired = s->aired };
		for (size_t i = 0; i < s->n; i++) {
			const struct rec *x = &s->recs[i];
			if (x->state == ON) {
				v.on_air = true;
				v.cp = x->cp;
				v.since_us = x->since_us;
				v.out = x->out;
			} else if (x->state <= PENDING && !v.pending) {
				v.pending = true;
				v.next_held = x->state == HELD;
				v.next_cp = x->cp;
				v.next_us = x->from_us;
				v.out = v.on_air ? v.out : x->out;
			}
		}
		each(self, &v);
	}
}

struct mux_counts
mux_carousel_counts(const struct mux_carousel *c)
{
	struct mux_counts n = { .streams = c->n };

	for (size_t k = 0; k < c->n; k++) {
		const struct stream *s = c->heap[k];
		bool on = false;
		for (size_t i = 0; i < s->n; i++)
			on |= s->recs[i].state == ON && s->recs[i].len > 0;
		n.on_air += on;
		n.records += s->n;
	}
	return n;
}

static int
by_service(const void *a, const void *b)
{
	return strcmp((*(struct stream *const *)a)->service, (*(struct stream *const *)b)->service);
}

void
mux_carousel_held(const struct mux_carousel *c, void (*each)(void *, const char *, uint64_t), void *self)
{
	struct stream **v = malloc((c->n + 1) * sizeof(struct stream *));

	if (!v)
		return;
	for (size_t i = 0; i < c->n; i++)
		v[i] = c->heap[i];
	qsort(v, c->n, sizeof(struct stream *), by_service);
	for (size_t i = 0, k; i < c->n; i = k) {
		uint64_t cp = UINT64_MAX;
		for (k = i; k < c->n && strcmp(v[k]->service, v[i]->service) == 0; k++)
			if (v[k]->recs[v[k]->n - 1].cp < cp)
				cp = v[k]->recs[v[k]->n - 1].cp;
		each(self, v[i]->service, cp);
	}
	free(v);
}
