/* lib/mux_stream.c */
#include "lib/mux_stream.h"
#include <stdlib.h>
#include <string.h>

enum { DEPTH_US = 100000, DEPTH_LEAST = 12000 };	/* a bucket holds 100 ms, one full Ethernet frame at least */
enum { PASSED_US = 60000000 };				/* what longer waits give is more than any debt: no overflow */

struct mux_unit {
	STAILQ_ENTRY(mux_unit) next;
	int64_t due_us;
	unsigned left;		/* transmissions */
	size_t len;
	uint8_t p[];
};

/* ---- shares */

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
wanted(const struct mux_intake *e, const struct mux_stream *s)
{
	const uint64_t most = least(s->route.most_bps, e->total_bps);

	return s->asked ? least(most, (uint64_t)s->asked_kbps * 1000 * s->route.repeat) : most;
}

uint16_t
mux_stream_kbps(const struct mux_stream *s)
{
	return (uint16_t)least(s->grant_bps / s->route.repeat / 1000, UINT16_MAX);
}

static void
grant(struct mux_stream *s, uint64_t bps)
{
	s->grant_bps = bps;
	if (s->asked && !s->silent && mux_stream_kbps(s) != s->told_kbps)
		mux_channel_tell(s);
}

static int
by_want(const void *a, const void *b)
{
	const uint64_t x = (*(struct mux_stream *const *)a)->want_bps, y = (*(struct mux_stream *const *)b)->want_bps;

	return (x > y) - (x < y);
}

void
mux_stream_share(struct mux_intake *e)
{
	struct mux_stream **v, *s;
	uint64_t left = e->total_bps;
	size_t n = 0;

	e->want_bps = 0;
	TAILQ_FOREACH(s, &e->streams, all) {
		s->want_bps = wanted(e, s);
		e->want_bps += s->want_bps;
		n++;
	}
	e->tight = e->want_bps > e->total_bps;
	v = e->tight ? malloc(n * sizeof(struct mux_stream *)) : NULL;
	if (!v) {	/* enough for all; or no memory to be finer than equal parts */
		TAILQ_FOREACH(s, &e->streams, all)
			grant(s, e->tight ? least(s->want_bps, e->total_bps / n) : s->want_bps);
		return;
	}
	n = 0;
	TAILQ_FOREACH(s, &e->streams, all)
		v[n++] = s;
	qsort(v, n, sizeof(struct mux_stream *), by_want);
	for (size_t i = 0; i < n; i++) {
		const uint64_t part = least(v[i]->want_bps, left / (n - i));
		left -= part;
		grant(v[i], part);
	}
	free(v);
}

/* The want of one stream has changed: while there is enough for all, nobody else's share does. */
static void
share_one(struct mux_intake *e, struct mux_stream *s, uint64_t want)
{
	e->want_bps = e->want_bps - s->want_bps + want;
	s->want_bps = want;
	if (e->tight || e->want_bps > e->total_bps)
		mux_stream_share(e);
	else
		grant(s, want);
}

void
mux_stream_ask(struct mux_intake *e, struct mux_stream *s, uint16_t kbps)
{
	s->asked = true;
	s->asked_kbps = kbps;
	s->silent = true;	/* the answer will say it */
	share_one(e, s, wanted(e, s));
	s->silent = false;
}

/* ---- on air */

/*
 * Packetised bits. A section is taken to fill packets of 184 octets but for a pointer_field each, as TSDuck's EMMG reckons: several
 * share a packet, and an EMMG that keeps to its allocation shall not be told otherwise for the size of its sections.
 */
static uint64_t
cost(const struct mux_stream *s, size_t len)
{
	return s->flag == 0 ? (len * 8 * 188 + 182) / 183 : len * 8;
}

static void
fill(struct mux_stream *s, int64_t now_us)
{
	const int64_t passed = now_us - s->filled_us, bps = (int64_t)s->grant_bps;
	const int64_t depth = bps > DEPTH_LEAST * 10 ? bps * DEPTH_US : bps > 0 ? DEPTH_LEAST * INT64_C(1000000) : 0;

	s->filled_us = now_us;
	s->tokens += bps * (passed < 0 ? 0 : passed < PASSED_US ? passed : PASSED_US);
	if (s->tokens > depth)
		s->tokens = depth;
}

/* A datagram goes when there is any token, and may leave a debt: one of 64 KiB must pass a bucket of 1 KiB. */
static void
transmit(struct mux_intake *e, struct mux_stream *s, const uint8_t *p, size_t len)
{
	const uint64_t bits = cost(s, len);

	e->door->air(e->owner, s->out, p, len);
	s->tokens -= (int64_t)bits * 1000000;
	s->bits += bits;
	s->sent++;
}

static void
be_busy(struct mux_intake *e, struct mux_stream *s)
{
	if (s->is_busy)
		return;
	s->is_busy = true;
	TAILQ_INSERT_TAIL(&e->busy, s, busy);
}

static struct mux_unit *
unit(const uint8_t *p, size_t len, unsigned left)
{
	struct mux_unit *u = malloc(sizeof(*u) + len);

	if (u) {
		u->left = left;
		u->len = len;
		memcpy(u->p, p, len);
	}
	return u;
}

/* It was sent: there is a next time, or it has been on air often enough. All of a stream wait equally long, so the list is in order. */
static void
hold(struct mux_intake *e, struct mux_stream *s, struct mux_unit *u, int64_t now_us)
{
	if (u->left == 0 || s->nheld + u->len > MUX_HELD_BYTES) {
		free(u);
		return;
	}
	u->due_us = now_us + (int64_t)s->route.repeat_ms * 1000;
	STAILQ_INSERT_TAIL(&s->held, u, next);
	s->nheld += u->len;
	be_busy(e, s);
}

bool
mux_stream_offer(struct mux_intake *e, struct mux_stream *s, const uint8_t *p, size_t len, int64_t now_us)
{
	struct mux_unit *u;

	s->in++;
	s->heard_us = now_us;
	if (STAILQ_EMPTY(&s->waiting)) {
		fill(s, now_us);
		if (s->tokens > 0) {
			transmit(e, s, p, len);
			if (s->route.repeat > 1 && (u = unit(p, len, s->route.repeat - 1)) != NULL)
				hold(e, s, u, now_us);
			return true;
		}
	}
	u = s->nwaiting + len <= MUX_QUEUE_BYTES ? unit(p, len, s->route.repeat) : NULL;
	if (!u) {
		s->dropped++;
		return false;
	}
	STAILQ_INSERT_TAIL(&s->waiting, u, next);
	s->nwaiting += len;
	be_busy(e, s);
	return true;
}

bool
mux_stream_pass(struct mux_intake *e, struct mux_stream *s, const struct sim_msg *m, int64_t now_us)
{
	const bool taken = e->door->provide(e->owner, s->out, m);
	size_t n = 0;

	s->heard_us = now_us;
	for (size_t k = 0; k < m->n; k++)
		if (m->v[k].type == EMMG_DATAGRAM) {
			n++;
			s->bits += taken ? cost(s, m->v[k].len) : 0;
		}
	s->in += n;
	*(taken ? &s->sent : &s->dropped) += n;
	return taken;
}

/* Repetitions queue behind what is new; where the queue is full they are left out. */
static void
recall(struct mux_stream *s, int64_t now_us)
{
	struct mux_unit *u;

	while ((u = STAILQ_FIRST(&s->held)) != NULL && u->due_us <= now_us) {
		STAILQ_REMOVE_HEAD(&s->held, next);
		s->nheld -= u->len;
		if (s->nwaiting + u->len > MUX_QUEUE_BYTES) {
			free(u);
			continue;
		}
		STAILQ_INSERT_TAIL(&s->waiting, u, next);
		s->nwaiting += u->len;
	}
}

static void
serve(struct mux_intake *e, struct mux_stream *s, int64_t now_us)
{
	struct mux_unit *u;

	recall(s, now_us);
	fill(s, now_us);
	while (s->tokens > 0 && (u = STAILQ_FIRST(&s->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->waiting, next);
		s->nwaiting -= u->len;
		transmit(e, s, u->p, u->len);
		u->left--;
		hold(e, s, u, now_us);
	}
}

int64_t
mux_intake_run(struct mux_intake *e, int64_t now_us)
{
	struct mux_stream *s, *after;
	int64_t next = INT64_MAX;

	for (s = TAILQ_FIRST(&e->busy); s; s = after) {
		after = TAILQ_NEXT(s, busy);
		serve(e, s, now_us);
		if (!STAILQ_EMPTY(&s->waiting)) {
			next = now_us + MUX_TICK_US;
		} else if (!STAILQ_EMPTY(&s->held)) {
			const int64_t due = STAILQ_FIRST(&s->held)->due_us;
			next = due < next ? due : next;
		} else {
			s->is_busy = false;
			TAILQ_REMOVE(&e->busy, s, busy);
		}
	}
	return next;
}

/* ---- streams */

static size_t
bucket(uint32_t client_id, uint16_t data_id)
{
	return ((client_id ^ client_id >> 16) * 31u + data_id) % MUX_STREAM_BUCKETS;
}

struct mux_stream *
mux_stream_find(const struct mux_intake *e, uint32_t client_id, uint16_t data_id)
{
	struct mux_stream *s;

	LIST_FOREACH(s, &e->by_data[bucket(client_id, data_id)], chain)
		if (s->route.client_id == client_id && s->route.data_id == data_id)
			return s;
	return NULL;
}

struct mux_stream *
mux_stream_new(struct mux_intake *e, struct mux_channel *c, const struct mux_route *r, uint8_t data_type, uint8_t flag, int64_t now_us,
    struct gw_err *err)
{
	struct mux_stream *s = calloc(1, sizeof(*s));

	if (!s || !(s->out = e->door->open(e->owner, r, flag, err))) {
		if (!s)
			gw_fail(err, GW_ESYS, "out of memory");
		free(s);
		return NULL;
	}
	s->channel = c;
	s->route = *r;
	s->data_type = data_type;
	s->flag = flag;
	STAILQ_INIT(&s->waiting);
	STAILQ_INIT(&s->held);
	s->heard_us = s->filled_us = s->rate_us = now_us;
	LIST_INSERT_HEAD(&e->by_data[bucket(r->client_id, r->data_id)], s, chain);
	TAILQ_INSERT_TAIL(&e->streams, s, all);
	e->nstreams++;
	share_one(e, s, wanted(e, s));
	s->tokens = INT64_MAX / 2;	/* a full bucket, however deep */
	return s;
}

static void
discard(struct mux_units *list)
{
	struct mux_unit *u;

	while ((u = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, next);
		free(u);
	}
}

void
mux_stream_end(struct mux_intake *e, struct mux_stream *s)
{
	TAILQ_REMOVE(&e->streams, s, all);
	s->silent = true;
	share_one(e, s, 0);
	discard(&s->waiting);
	discard(&s->held);
	if (s->is_busy)
		TAILQ_REMOVE(&e->busy, s, busy);
	LIST_REMOVE(s, chain);
	e->nstreams--;
	e->door->shut(e->owner, s->out);
	free(s);
}

int
mux_stream_reroute(struct mux_intake *e, struct mux_stream *s, const struct mux_route *r, struct gw_err *err)
{
	if (memcmp(&s->route.out, &r->out, sizeof(r->out)) != 0) {
		void *out = e->door->open(e->owner, r, s->flag, err);
		if (!out)
			return -1;
		e->door->shut(e->owner, s->out);
		s->out = out;
	}
	s->route = *r;
	return 0;
}
