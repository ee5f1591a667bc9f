/* tests/unit/test_hist.c: the histogram of times against sorted values: quantiles within 1 %, nothing lost, no value without a bucket */
#include <stdlib.h>
#include "tests/suite.h"
#include "tools/hist.h"

enum { VALUES = 20000 };
static struct hist h, other;
static int64_t values[VALUES];

static void
near(int64_t got, int64_t want)
{
	int64_t off = got > want ? got - want : want - got;

	ck_assert_msg(off <= want / 100, "%lld, where it is %lld", (long long)got, (long long)want);
}

static int
ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* From nanoseconds to days, as many of each size. */
START_TEST(quantiles_of_all_sizes)
{
	static const double shares[] = { 0.01, 0.1, 0.5, 0.9, 0.99, 0.999 };
	uint64_t seed = 88172645463325252u + (uint64_t)_i, n = 0;
	double sum = 0;
	struct hist_bucket b;
	unsigned at = 0;

	for (int i = 0; i < VALUES; i++) {
		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		values[i] = (int64_t)(seed >> 16 >> i % 40);
		sum += (double)values[i];
		hist_add(i % 2 ? &h : &other, values[i]);
	}
	hist_merge(&h, &other);
	qsort(values, VALUES, sizeof(values[0]), ascending);
	ck_assert_uint_eq(h.n, VALUES);
	ck_assert_int_eq(h.min, values[0]);
	ck_assert_int_eq(h.max, values[VALUES - 1]);
	ck_assert_double_eq_tol(hist_mean(&h), sum / VALUES, sum / VALUES / 1e9);
	for (size_t k = 0; k < sizeof(shares) / sizeof(shares[0]); k++)
		near(hist_quantile(&h, shares[k]), values[(int)(shares[k] * VALUES + 0.5) - 1]);
	ck_assert_int_eq(hist_quantile(&h, 1), h.max);
	for (int64_t last = -1; hist_next(&h, &at, &b); last = b.high) {
		ck_assert_int_gt(b.low, last);
		ck_assert_int_ge(b.high, b.low);
		ck_assert_int_le(b.high - b.low, b.low / 100);
		n += b.n;
	}
	ck_assert_uint_eq(n, VALUES);
}
END_TEST

START_TEST(edges)
{
	struct hist_bucket b;
	unsigned at = 0;

	ck_assert_int_eq(hist_quantile(&h, 0.5), 0);
	ck_assert(hist_mean(&h) == 0);
	ck_assert_int_eq(hist_next(&h, &at, &b), 0);
	hist_merge(&h, &other);
	ck_assert_uint_eq(h.n, 0);
	hist_add(&h, 127);
	ck_assert_int_eq(hist_quantile(&h, 0.5), 127);	/* small ones are exact */
	hist_add(&h, -5);
	ck_assert_int_eq(h.min, 0);
	hist_add(&h, INT64_MAX);
	ck_assert_int_eq(hist_quantile(&h, 1), INT64_MAX);
	for (int bit = 0; bit < 63; bit++)
		for (int64_t v = (INT64_C(1) << bit) - 1; v <= INT64_C(1) << bit; v++) {
			struct hist one = { 0 };
			hist_add(&one, v);
			at = 0;
			ck_assert_int_eq(hist_next(&one, &at, &b), 1);
			ck_assert_int_le(b.low, v);
			ck_assert_int_ge(b.high, v);
		}
}
END_TEST

SUITE("hist", tcase_add_loop_test(t, quantiles_of_all_sizes, 0, 5); tcase_add_test(t, edges))
