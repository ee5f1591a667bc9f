/* tools/hist.c */
#include "tools/hist.h"

/*
 * Below HIST_LINEAR each value has its bucket. Above, the upper eight bits of a value name it: the highest, and seven that follow.
 */
static unsigned
bucket_of(uint64_t v)
{
	unsigned shift;

	if (v < HIST_LINEAR)
		return (unsigned)v;
	shift = 63 - 7 - (unsigned)__builtin_clzll(v);
	return (shift + 1) * HIST_LINEAR + (unsigned)(v >> shift) - HIST_LINEAR;
}

static int64_t
low_of(unsigned b)
{
	return b < HIST_LINEAR ? (int64_t)b : (int64_t)((uint64_t)(HIST_LINEAR + b % HIST_LINEAR) << (b / HIST_LINEAR - 1));
}

static int64_t
high_of(unsigned b)
{
	return b < HIST_LINEAR ? (int64_t)b : low_of(b) + ((INT64_C(1) << (b / HIST_LINEAR - 1)) - 1);
}

void
hist_add(struct hist *h, int64_t value)
{
	if (value < 0)
		value = 0;
	if (h->n == 0 || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->n++;
	h->sum += (double)value;
	h->count[bucket_of((uint64_t)value)]++;
}

void
hist_merge(struct hist *into, const struct hist *h)
{
	if (h->n == 0)
		return;
	if (into->n == 0 || h->min < into->min)
		into->min = h->min;
	if (h->max > into->max)
		into->max = h->max;
	into->n += h->n;
	into->sum += h->sum;
	for (unsigned b = 0; b < HIST_BUCKETS; b++)
		into->count[b] += h->count[b];
}

int64_t
hist_quantile(const struct hist *h, double share)
{
	double want = share * (double)h->n;
	uint64_t below = 0;
	int64_t v = h->max;

	for (unsigned b = 0; want < (double)h->n && b < HIST_BUCKETS; b++) {
		below += h->count[b];
		if (h->count[b] == 0 || (double)below < want)
			continue;
		v = low_of(b) + (high_of(b) - low_of(b)) / 2;
		break;
	}
	return v < h->min ? h->min : v > h->max ? h->max : v;
}

double
hist_mean(const struct hist *h)
{
	return h->n ? h->sum / (double)h->n : 0;
}

int
hist_next(const struct hist *h, unsigned *at, struct hist_bucket *out)
{
	while (*at < HIST_BUCKETS && h->count[*at] == 0)
		++*at;
	if (*at == HIST_BUCKETS)
		return 0;
	*out = (struct hist_bucket){ low_of(*at), high_of(*at), h->count[*at] };
	++*at;
	return 1;
}
