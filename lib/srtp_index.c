/* lib/srtp_index.c: see srtp_index.h */
#include "lib/srtp_index.h"
#include <stdlib.h>
#include <string.h>
#include "lib/transform.h"

static const uint64_t indices = UINT64_C(1) << 48;

/* ---- one source ---- */

uint64_t
gw_srtp_guess(uint64_t highest, uint16_t seq)
{
	uint64_t index = (highest & ~UINT64_C(0xffff)) | seq;

	if (highest <= GW_SRTP_MEDIAN)
		return seq;
	if (index > highest && index - highest > GW_SRTP_MEDIAN)
		return index - 0x10000;
	if (index < highest && highest - index > GW_SRTP_MEDIAN)
		return index + 0x10000;
	return index;
}

int
gw_srtp_classify(const struct gw_srtp_mark *m, uint64_t index)
{
	if (!m->used || index > m->highest)
		return GW_XF_OK;
	if (m->highest - index >= GW_SRTP_WINDOW)
		return GW_XF_RESTART;
	return m->window >> (m->highest - index) & 1 ? GW_XF_REPEAT : GW_XF_OK;
}

void
gw_srtp_spend(struct gw_srtp_mark *m, uint64_t index)
{
	if (!m->used || index > m->highest) {
		uint64_t shift = m->used ? index - m->highest : GW_SRTP_WINDOW;
		m->window = shift < GW_SRTP_WINDOW ? m->window << shift | 1 : 1;
		m->highest = index;
		m->used = 1;
	} else {
		m->window |= UINT64_C(1) << (m->highest - index);
	}
}

/* What was sent under other keys spends nothing of one that is unused: as a new source begins. */
static int
begin(struct gw_srtp_run *r, struct gw_srtp_mark *m, uint16_t seq, uint64_t *index)
{
	*m = (struct gw_srtp_mark){ .ssrc = m->ssrc };
	*r = (struct gw_srtp_run){ 0 };
	*index = seq;
	return GW_XF_OK;
}

int
gw_srtp_follow(struct gw_srtp_run *r, struct gw_srtp_mark *m, bool unused, uint16_t seq, uint64_t *index)
{
	int v;

	*index = m->used ? gw_srtp_guess(m->highest, seq) : seq;
	v = gw_srtp_classify(m, *index);
	if (v == GW_XF_RESTART) {
		if (r->inherited && unused)	/* the source has most likely begun anew, too: nobody follows the old count */
			return begin(r, m, seq, index);
		if (!r->jumped || r->follows != seq) {
			r->jumped = true;
			r->follows = (uint16_t)(seq + 1);
			return v;
		}
		while (*index <= m->highest + GW_SRTP_MEDIAN)
			*index += 0x10000;
		v = GW_XF_OK;
	}
	r->jumped = false;
	if (*index >= indices)
		return unused ? begin(r, m, seq, index) : GW_XF_EXHAUSTED;
	if (v == GW_XF_OK)
		r->inherited = false;
	return v;
}

/* ---- many ---- */

int
gw_srtp_table_init(struct gw_srtp_table *t, struct gw_srtp_mark *marks, size_t n, uint32_t seed)
{
	unsigned bits = 1;

	while (((size_t)1 << bits) < 2 * n)
		bits++;
	*t = (struct gw_srtp_table){ .marks = marks, .n = n, .shift = 32 - bits, .factor = seed | 1, .last = n };
	t->sources = calloc(n, sizeof(t->sources[0]));
	t->slot = calloc((size_t)1 << bits, sizeof(t->slot[0]));
	if (!t->sources || !t->slot) {
		gw_srtp_table_fini(t);
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		size_t at = marks[i].ssrc * t->factor >> t->shift, mask = ((size_t)1 << bits) - 1;
		if (!marks[i].used)
			continue;
		t->sources[i].run.inherited = t->sources[i].taken = true;
		atomic_init(&t->sources[i].ssrc, marks[i].ssrc);
		while (t->slot[at])
			at = (at + 1) & mask;
		t->slot[at] = (uint16_t)(i + 1);
	}
	return 0;
}

void
gw_srtp_table_fini(struct gw_srtp_table *t)
{
	free(t->sources);
	free(t->slot);
	*t = (struct gw_srtp_table){ 0 };
}

static uint32_t
ssrc_at(const struct gw_srtp_table *t, size_t place)
{
	return atomic_load_explicit(&t->sources[place].ssrc, memory_order_relaxed);
}

static size_t
home(const struct gw_srtp_table *t, uint32_t ssrc)
{
	return (uint32_t)(ssrc * t->factor) >> t->shift;	/* multiply-shift: universal by the factor */
}

static size_t
mask_of(const struct gw_srtp_table *t)
{
	return ((size_t)1 << (32 - t->shift)) - 1;
}

/* Takes a place out; what was pushed on by it moves up, so that no search ends too early. */
static void
unlink_place(struct gw_srtp_table *t, size_t place)
{
	size_t mask = mask_of(t), hole = home(t, ssrc_at(t, place));

	while (t->slot[hole] != place + 1)
		hole = (hole + 1) & mask;
	for (size_t at = (hole + 1) & mask; t->slot[at]; at = (at + 1) & mask) {
		size_t from = home(t, ssrc_at(t, t->slot[at] - 1u));
		if (((at - from) & mask) < ((at - hole) & mask))
			continue;	/* it is not beyond its home by as much */
		t->slot[hole] = t->slot[at];
		hole = at;
	}
	t->slot[hole] = 0;
}

/* A place for one more. The hand goes round twice under a key: first past those that were heard under the one before. */
static size_t
room(struct gw_srtp_table *t, uint64_t key, const uint8_t name[GW_SRTP_NAME])
{
	if (t->key != key) {
		t->before = t->key;
		t->key = key;
		t->hand = 0;
	}
	for (; t->untaken < t->n; t->untaken++)
		if (!t->sources[t->untaken].taken)
			return t->untaken++;
	for (; t->hand < 2 * t->n; t->hand++) {
		size_t i = t->hand % t->n;
		uint64_t heard = atomic_load_explicit(&t->sources[i].key, memory_order_relaxed);
		if (heard == key || memcmp(t->marks[i].key, name, GW_SRTP_NAME) == 0 || (t->hand < t->n && heard && heard == t->before))
			continue;
		t->hand++;
		unlink_place(t, i);
		return i;
	}
	return t->n;
}

size_t
gw_srtp_table_find(struct gw_srtp_table *t, uint64_t key, const uint8_t name[GW_SRTP_NAME], uint32_t ssrc)
{
	size_t at, place, mask;

	if (t->last < t->n && ssrc_at(t, t->last) == ssrc)
		return t->last;
	mask = mask_of(t);
	for (at = home(t, ssrc); t->slot[at]; at = (at + 1) & mask)
		if (ssrc_at(t, t->slot[at] - 1u) == ssrc)
			return t->last = t->slot[at] - 1u;
	if ((place = room(t, key, name)) == t->n)
		return t->n;
	struct gw_srtp_source *s = &t->sources[place];
	s->run = (struct gw_srtp_run){ 0 };
	s->taken = true;
	atomic_store_explicit(&s->key, 0, memory_order_relaxed);
	atomic_store_explicit(&s->ssrc, ssrc, memory_order_relaxed);
	t->marks[place] = (struct gw_srtp_mark){ .ssrc = ssrc };
	for (at = home(t, ssrc); t->slot[at]; at = (at + 1) & mask)	/* the search's end may have moved */
		;
	t->slot[at] = (uint16_t)(place + 1);
	return t->last = place;
}
