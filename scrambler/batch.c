/* scrambler/batch.c */
#include "scrambler/batch.h"
#include <stdlib.h>
#include <string.h>
#include "proto/rtp.h"

enum {
	STRIDE = GW_XF_HEAD + SCR_SLOT + GW_XF_TAIL,
	LARGE_STRIDE = GW_XF_HEAD + SCR_LARGE + GW_XF_TAIL,
	RTCP_FIRST = 72, RTCP_LAST = 76,	/* payload types RTCP would have (RFC 3551 6): not RTP */
};
_Static_assert(STRIDE % 64 == 0 && LARGE_STRIDE % 64 == 0, "slots begin on cache lines");

struct scr_batch {
	struct gw_burst *burst;
	const struct scr_batch_ops *ops; void *self;
	struct gw_dues dues;
	struct scr_line **lines; size_t nlines, room_lines;
	struct scr_packet out[SCR_BATCH]; size_t n;
	/* Packets as they come; those that came in pieces; those that a transform makes. */
	uint8_t *slots, *large, *made; size_t nlarge, nmade;
	struct gw_sink sink;
	struct gw_pk making;		/* handed to a transform; p NULL: none */
	struct scr_flow *flow;		/* in hand */
	struct scr_batch_counts counts;
};

const char *
scr_reason(int reason)
{
	static const char *const own[] = { [SCR_SEND - GW_XF_VERDICTS] = "send_error",
		[SCR_OVERLOAD - GW_XF_VERDICTS] = "overload" };

	return reason < GW_XF_VERDICTS || reason >= SCR_REASONS ? gw_verdict_name(reason) : own[reason - GW_XF_VERDICTS];
}

const struct scr_batch_counts *scr_batch_counts(const struct scr_batch *b) { return &b->counts; }
const char *scr_batch_engine(const struct scr_batch *b) { return gw_burst_name(b->burst); }

static struct gw_pk *slot_made(void *);

struct scr_batch *
scr_batch_new(enum gw_burst_by by, const struct scr_batch_ops *ops, void *self, struct gw_err *err)
{
	struct scr_batch *b = calloc(1, sizeof(*b));

	if (!b || !(b->burst = gw_burst_new(by, err))) {
		if (!b)
			gw_fail(err, GW_ESYS, "no memory");
		free(b);
		return NULL;
	}
	b->ops = ops;
	b->self = self;
	b->sink = (struct gw_sink){ b, slot_made };
	/* large and made are touched when they are needed: until then they are address space */
	b->slots = aligned_alloc(64, (size_t)SCR_BATCH * STRIDE);
	b->large = aligned_alloc(64, (size_t)SCR_BATCH * LARGE_STRIDE);
	b->made = aligned_alloc(64, (size_t)SCR_BATCH * LARGE_STRIDE);
	if (!b->slots || !b->large || !b->made) {
		gw_fail(err, GW_ESYS, "no memory");
		scr_batch_free(b);
		return NULL;
	}
	memset(b->slots, 0, (size_t)SCR_BATCH * STRIDE);
	return b;
}

void
scr_batch_free(struct scr_batch *b)
{
	if (!b)
		return;
	gw_burst_free(b->burst);
	gw_dues_free(&b->dues);
	free(b->lines);
	free(b->slots);
	free(b->large);
	free(b->made);
	free(b);
}

/* ---- keys ---- */

void
scr_line_init(struct scr_line *l, const char *id, const struct gw_transform *row, struct gw_tx *tx, const struct scr_form *form)
{
	*l = (struct scr_line){ .id = id, .row = row, .tx = tx };
	scr_keys_init(&l->keys, form);
}

int
scr_batch_join(struct scr_batch *b, struct scr_line *l)
{
	if (b->nlines == b->room_lines) {
		size_t room = b->room_lines ? 2 * b->room_lines : 16;
		struct scr_line **grown = realloc(b->lines, room * sizeof(struct scr_line *));
		if (!grown)
			return -1;
		b->lines = grown;
		b->room_lines = room;
	}
	if (gw_dues_reserve(&b->dues, b->nlines + 1) < 0)
		return -1;
	b->lines[b->nlines++] = l;
	l->batch = b;
	return 0;
}

void
scr_batch_leave(struct scr_line *l)
{
	struct scr_batch *b = l->batch;
	size_t i = 0;

	if (!b)
		return;
	gw_due_set(&b->dues, &l->due, INT64_MAX);
	while (b->lines[i] != l)
		i++;
	b->lines[i] = b->lines[--b->nlines];
	l->batch = NULL;
}

static void
changed(struct scr_line *l, enum scr_step step)
{
	const struct scr_key *k = &l->keys.now;

	/* should the key not do, nothing is sent, not everything */
	l->mode = step == SCR_END || (k->mode == SCR_SCRAMBLED && !k->ready) ? SCR_NONE : k->mode;
	l->row->use(l->tx, l->mode == SCR_SCRAMBLED ? k->ready : NULL);
	l->switches += step == SCR_SWITCH;
	if (l->batch->ops->changed)
		l->batch->ops->changed(l->batch->self, l, step);
}

static void
look(struct scr_line *l, int64_t utc_us, int64_t mono_us)
{
	enum scr_step step;

	do {
		const struct scr_key *now = &l->keys.now;
		uint64_t cp = now->cp;
		char fingerprint[17];
		memcpy(fingerprint, now->fingerprint, sizeof(fingerprint));
		if ((step = scr_keys_step(&l->keys, utc_us, mono_us)) == SCR_GO_ON)
			break;
		if (fingerprint[0] && now->cp != cp) {
			l->previous.cp = cp;
			memcpy(l->previous.fingerprint, fingerprint, sizeof(fingerprint));
		}
		changed(l, step);
	} while (true);
}

void
scr_line_plan(struct scr_line *l, int64_t utc_us, int64_t mono_us)
{
	int64_t wait;

	look(l, utc_us, mono_us);
	wait = scr_keys_wait(&l->keys, utc_us, mono_us);
	/* never now: what could be done now has been */
	gw_due_set(&l->batch->dues, &l->due, wait == INT64_MAX ? INT64_MAX : utc_us + (wait > 0 ? wait : 1));
}

int64_t
scr_batch_next(const struct scr_batch *b)
{
	return gw_dues_next(&b->dues);
}

void
scr_batch_replan(struct scr_batch *b, int64_t utc_us, int64_t mono_us)
{
	for (size_t i = 0; i < b->nlines; i++)
		scr_line_plan(b->lines[i], utc_us, mono_us);
}

void
scr_batch_heard(struct scr_batch *b, int64_t heard_us, int64_t utc_us, int64_t mono_us)
{
	for (size_t i = 0; i < b->nlines; i++) {
		bool earlier = heard_us < b->lines[i]->keys.heard_us;
		scr_keys_heard(&b->lines[i]->keys, heard_us);
		if (earlier || scr_keys_starved(&b->lines[i]->keys))
			scr_line_plan(b->lines[i], utc_us, mono_us);
	}
}

void
scr_batch_begin(struct scr_batch *b, int64_t utc_us, int64_t mono_us)
{
	struct gw_due *d;

	while ((d = gw_dues_first(&b->dues)) && d->at_us <= utc_us)
		scr_line_plan((struct scr_line *)(void *)((char *)d - offsetof(struct scr_line, due)), utc_us, mono_us);
}

/* ---- packets ---- */

struct gw_pk
scr_batch_slot(struct scr_batch *b, size_t i)
{
	return (struct gw_pk){ b->slots + i * STRIDE + GW_XF_HEAD, 0 };
}

struct gw_pk
scr_batch_large(struct scr_batch *b)
{
	if (b->nlarge == SCR_BATCH || b->n == SCR_BATCH)
		scr_batch_flush(b);
	return (struct gw_pk){ b->large + b->nlarge++ * LARGE_STRIDE + GW_XF_HEAD, 0 };
}

void
scr_batch_flush(struct scr_batch *b)
{
	size_t size = 0;

	gw_burst_run(b->burst);
	b->nlarge = b->nmade = 0;
	if (b->n == 0)
		return;
	while (size < SCR_SIZES - 1 && b->n >> (size + 1))
		size++;
	b->counts.sizes[size]++;
	b->counts.batches++;
	b->counts.packets += b->n;
	b->ops->send(b->self, b->out, b->n);
	b->n = 0;
}

static void
put(struct scr_batch *b, struct scr_flow *flow, const struct gw_pk *pk, bool clear)
{
	b->out[b->n++] = (struct scr_packet){ *pk, flow, clear };
}

/* What was made last goes with the others. */
static void
made(struct scr_batch *b)
{
	if (b->making.p && b->making.len > 0)
		put(b, b->flow, &b->making, false);
	b->making.p = NULL;
}

static struct gw_pk *
slot_made(void *self)
{
	struct scr_batch *b = self;

	made(b);
	if (b->n == SCR_BATCH || b->nmade == SCR_BATCH)
		scr_batch_flush(b);
	b->making = (struct gw_pk){ b->made + b->nmade++ * LARGE_STRIDE + GW_XF_HEAD, 0 };
	return &b->making;
}

/* Packets that a record has in clear go as they came, if they are what the service sends. */
static int
clear(const struct scr_flow *f, const struct gw_pk *pk)
{
	bool rtp = f->line->row->protection == 1 || f->line->row->protection == 2;
	struct rtp h;

	return rtp && !f->rtcp && rtp_parse(pk->p, pk->len, &h) < 0 ? GW_XF_NOT_RTP : GW_XF_OK;
}

static bool
rtcp_type(const struct scr_flow *f, const struct gw_pk *pk)
{
	bool rtp = f->line->row->protection == 1 || f->line->row->protection == 2;

	return rtp && pk->len > 1 && (pk->p[1] & 0x7f) >= RTCP_FIRST && (pk->p[1] & 0x7f) <= RTCP_LAST;
}

void
scr_flow_warm(const struct scr_flow *f, unsigned step)
{
	const struct scr_line *l;

	if (step == 0) {
		__builtin_prefetch(f, 1);
		__builtin_prefetch(&f->dropped, 1);
		return;
	}
	l = f->line;
	if (step == 1) {
		__builtin_prefetch(&l->row);
		__builtin_prefetch(&l->mode);
		__builtin_prefetch(f->medium);
		__builtin_prefetch(f->out, 1);
	} else if (l->row->warm) {
		l->row->warm(l->tx, step - 2);
	}
}

void
scr_batch_take(struct scr_batch *b, struct scr_flow *f, struct gw_pk *pk)
{
	const struct scr_line *l = f->line;
	bool as_it_is = l->mode == SCR_CLEAR || (f->rtcp && !l->row->protect_rtcp);
	int v;

	f->received++;
	if (b->n == SCR_BATCH)
		scr_batch_flush(b);
	if (l->mode != SCR_SCRAMBLED && l->mode != SCR_CLEAR)
		v = GW_XF_NO_KEY;
	else if (pk->len == 0 || (!f->rtcp && rtcp_type(f, pk)))
		v = GW_XF_NOT_RTP;
	else if (as_it_is)
		v = clear(f, pk);
	else if (f->rtcp)
		v = l->row->protect_rtcp(l->tx, f->medium, pk, b->burst);
	else {
		b->flow = f;
		v = l->row->protect(l->tx, f->medium, pk, b->burst, &b->sink);
		made(b);
	}
	if (v == GW_XF_OK) {
		if (b->n == SCR_BATCH)	/* made packets have filled it; this one waits for the next */
			scr_batch_flush(b);
		put(b, f, pk, as_it_is);
	} else if (v != GW_XF_HELD)
		f->dropped[v]++;
}
