/* tests/bench/rounds.c */
#include "tests/bench/rounds.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/bench/ceiling.h"

enum { ROUNDS_MAX = 4096, ROUNDS_LEAST = 7 };

static const struct round_line *
line(const struct rounds *r, size_t i)
{
	return (const void *)((const char *)r->lines + i * r->size);
}

static const double *
times(const struct rounds *r, size_t i)
{
	return r->times + i * ROUNDS_MAX;
}

/* A name that no line has is a mistake in the table. */
static size_t
find(const struct rounds *r, const char *name)
{
	size_t i = 0;

	while (i < r->n && strcmp(line(r, i)->name, name) != 0)
		i++;
	if (i == r->n) {
		fprintf(stderr, "%s%s: no such line\n", r->prefix, name);
		exit(1);
	}
	return i;
}

double
rounds_now(const struct rounds *r, const char *name)
{
	return times(r, find(r, name))[r->round];
}

static double
median(const double *v, size_t n)
{
	static double sorted[ROUNDS_MAX];

	memcpy(sorted, v, n * sizeof(*v));
	return bench_median(sorted, n);
}

static void
print(const struct rounds *r, size_t i)
{
	static double ratios[ROUNDS_MAX];
	const struct round_line *l = line(r, i);
	const double *own = times(r, i), *of = l->of ? times(r, find(r, l->of)) : NULL;

	if (own[0] <= 0)
		return;
	printf("%s%s %.0f %s", r->prefix, l->name, l->ns ? median(own, r->round) : 1e6 / median(own, r->round), l->ns ? "ns" : "kpps");
	if (of && of[0] > 0) {
		for (size_t k = 0; k < r->round; k++)
			ratios[k] = of[k] / own[k];
		printf(" %.2f of %s%s", median(ratios, r->round), r->prefix, l->of);
	}
	printf("\n");
}

void
rounds_run(struct rounds *r, double seconds)
{
	double end;

	if (!(r->times = calloc(r->n * ROUNDS_MAX, sizeof(double)))) {
		fprintf(stderr, "%sno memory\n", r->prefix);
		exit(1);
	}
	for (size_t i = 0; i < r->n; i++)
		r->times[i * ROUNDS_MAX] = r->measure(r->self, i);
	end = bench_cpu_ns() + 1e9 * seconds;
	for (r->round = 0; r->round < ROUNDS_MAX && (r->round < ROUNDS_LEAST || bench_cpu_ns() < end); r->round++)
		for (size_t i = 0; i < r->n; i++)
			r->times[i * ROUNDS_MAX + r->round] = r->measure(r->self, i);
	for (size_t i = 0; i < r->n; i++)
		print(r, i);
	free(r->times);
	r->times = NULL;
}
