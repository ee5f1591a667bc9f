/*
 * tools/hist.h: a histogram of times with log-linear buckets: 128 to each power of two, so that a value is known to 1/128 of itself and what is
 * read out, the middle of a bucket, to 0.4 %. Counting is two instructions and a memory access, whatever has been counted; histograms can be
 * added up. No allocation, no floating point but in what is read out.
 */
#ifndef TOOLS_HIST_H
#define TOOLS_HIST_H
#include <stdint.h>

enum { HIST_LINEAR = 128, HIST_BUCKETS = (64 - 7) * HIST_LINEAR };
struct hist {
	uint64_t n;
	int64_t min, max;		/* exact; 0 while n is 0 */
	double sum;
	uint64_t count[HIST_BUCKETS];
};	/* zeroed: empty */

/* A value; what is negative counts as 0. */
void hist_add(struct hist *, int64_t value);
void hist_merge(struct hist *into, const struct hist *);
/* The smallest bucket at or below which a share of `share` (0..1) of the values lies: its middle, within min and max; share 1: max. 0 while there are none. */
int64_t hist_quantile(const struct hist *, double share);
double hist_mean(const struct hist *);
/*
 * The buckets that hold anything, in ascending order: *at is 0 at first and then what the call before left there. false: no more. low and
 * high: values low..high fall into it.
 */
struct hist_bucket { int64_t low, high; uint64_t n; };
int hist_next(const struct hist *, unsigned *at, struct hist_bucket *);
#endif
