/* tools/dec_ask.c */
#include "tools/dec_ask.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 4, NONE = UINT16_MAX };

/* In the order in which they came; those of a bucket are a list in that order. What was taken out leaves a hole until there is no room. */
struct slot { struct dec_request r; uint16_t next; bool taken; };
struct bucket { uint16_t first, last; };
struct dec_ask { size_t cap, n, waiting; struct bucket *bucket; struct slot slot[]; };

static struct bucket *
bucket_of(struct dec_ask *a, int64_t stream)
{
	return &a->bucket[(uint64_t)stream & (a->cap - 1)];
}

static void
append(struct dec_ask *a, const struct dec_request *r)
{
	struct bucket *b = bucket_of(a, r->stream);
	uint16_t k = (uint16_t)a->n++;

	a->slot[k] = (struct slot){ .r = *r, .next = NONE };
	if (b->first == NONE)
		b->first = k;
	else
		a->slot[b->last].next = k;
	b->last = k;
	a->waiting++;
}

static size_t
octets(size_t cap)
{
	return sizeof(struct dec_ask) + cap * (sizeof(struct slot) + sizeof(struct bucket));
}

static struct dec_ask *
new(size_t cap)
{
	struct dec_ask *a = malloc(octets(cap));

	if (!a)
		return NULL;
	a->cap = cap;
	a->n = a->waiting = 0;
	a->bucket = (struct bucket *)(void *)&a->slot[cap];
	memset(a->bucket, 0xff, cap * sizeof(*a->bucket));	/* NONE */
	return a;
}

/* Without holes, in twice the room if more than half of it was needed; without the older half where that may not be. */
static int
make_room(struct dec_ask **at)
{
	struct dec_ask *old = *at, *a;
	bool tight = old && old->waiting > old->cap / 2;
	size_t cap = old ? tight && old->cap < DEC_ASKED ? old->cap * 2 : old->cap : FIRST;
	size_t forget = old && tight && cap == old->cap ? old->waiting - cap / 2 : 0;

	if (!(a = new(cap)))
		return -1;
	for (size_t k = 0; old && k < old->n; k++)
		if (!old->slot[k].taken && forget > 0)
			forget--;
		else if (!old->slot[k].taken)
			append(a, &old->slot[k].r);
	free(old);
	*at = a;
	return 0;
}

size_t
dec_ask_add(struct dec_ask **at, const struct dec_request *r)
{
	size_t before = *at ? octets((*at)->cap) : 0;

	if ((!*at || (*at)->n == (*at)->cap) && make_room(at) < 0)
		return 0;
	append(*at, r);
	return octets((*at)->cap) - before;
}

int
dec_ask_take(struct dec_ask *a, int side, int64_t stream, uint16_t answer, int64_t key, struct dec_request *out)
{
	struct bucket *b;
	uint16_t before = NONE;

	if (!a || a->waiting == 0)
		return 0;
	b = bucket_of(a, stream);
	for (uint16_t k = b->first; k != NONE; before = k, k = a->slot[k].next) {
		struct slot *s = &a->slot[k];

		if (s->r.side != side || s->r.stream != stream || (answer && (s->r.answer != answer || (s->r.key >= 0 && s->r.key != key))))
			continue;
		*out = s->r;
		s->taken = true;
		*(before == NONE ? &b->first : &a->slot[before].next) = s->next;
		if (b->last == k)
			b->last = before;
		if (--a->waiting == 0) {	/* as new */
			a->n = 0;
			b->first = b->last = NONE;
		}
		return 1;
	}
	return 0;
}

void
dec_ask_free(struct dec_ask *a)
{
	free(a);
}
