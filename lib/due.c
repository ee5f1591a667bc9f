/* lib/due.c: see due.h */
#include "lib/due.h"
#include <assert.h>
#include <stdlib.h>

int
gw_dues_reserve(struct gw_dues *h, size_t n)
{
	size_t room = h->room ? h->room : 8;
	struct gw_due **v;

	while (room < n)
		room *= 2;
	if (room == h->room)
		return 0;
	if (!(v = realloc(h->v, room * sizeof(struct gw_due *))))
		return -1;
	h->v = v;
	h->room = room;
	return 0;
}

void
gw_dues_free(struct gw_dues *h)
{
	free(h->v);
	*h = (struct gw_dues){ 0 };
}

static void
put(struct gw_dues *h, size_t i, struct gw_due *d)
{
	h->v[i] = d;
	d->place = i + 1;
}

static void
rise(struct gw_dues *h, size_t i, struct gw_due *d)
{
	for (; i > 0 && h->v[(i - 1) / 2]->at_us > d->at_us; i = (i - 1) / 2)
		put(h, i, h->v[(i - 1) / 2]);
	put(h, i, d);
}

static void
sink(struct gw_dues *h, size_t i, struct gw_due *d)
{
	for (size_t k; (k = 2 * i + 1) < h->n; i = k) {
		if (k + 1 < h->n && h->v[k + 1]->at_us < h->v[k]->at_us)
			k++;
		if (h->v[k]->at_us >= d->at_us)
			break;
		put(h, i, h->v[k]);
	}
	put(h, i, d);
}

/* The last entry takes the place of the one that goes. */
static void
take_out(struct gw_dues *h, struct gw_due *d)
{
	size_t i = d->place - 1;
	struct gw_due *last = h->v[--h->n];

	d->place = 0;
	if (last == d)
		return;
	if (last->at_us < d->at_us)
		rise(h, i, last);
	else
		sink(h, i, last);
}

void
gw_due_set(struct gw_dues *h, struct gw_due *d, int64_t at)
{
	int64_t before = d->at_us;

	if (d->place && at == INT64_MAX) {
		take_out(h, d);
		d->at_us = at;
		return;
	}
	d->at_us = at;
	if (at == INT64_MAX)
		return;
	if (!d->place) {
		assert(h->n < h->room);
		rise(h, h->n++, d);
	} else if (at < before) {
		rise(h, d->place - 1, d);
	} else {
		sink(h, d->place - 1, d);
	}
}

struct gw_due *
gw_dues_first(const struct gw_dues *h)
{
	return h->n ? h->v[0] : NULL;
}

int64_t
gw_dues_next(const struct gw_dues *h)
{
	return h->n ? h->v[0]->at_us : INT64_MAX;
}
