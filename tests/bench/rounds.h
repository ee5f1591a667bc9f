/*
 * tests/bench/rounds.h: results that are measured in turns: each round measures all lines, ceilings among them, so that what the machine does
 * meanwhile is the same for all. A result is the median of the rounds, a ratio that of the rounds' ratios.
 */
#ifndef TESTS_BENCH_ROUNDS_H
#define TESTS_BENCH_ROUNDS_H
#include <stdbool.h>
#include <stddef.h>

/* of: the line that it is held against, whose time is to be the smaller; NULL: none. ns: printed as a time, not as a rate. */
struct round_line { const char *name, *of; bool ns; };
struct rounds {
	const char *prefix;		/* of every name: "transform_" */
	const void *lines;		/* structs that begin with a struct round_line… */
	size_t n, size;			/* …so many, of that size */
	/* Line i once: ns; 0: not on this machine. Lines before it are of the same round. */
	double (*measure)(void *self, size_t i);
	void *self;
	/* of rounds_run */
	double *times; size_t round;
};
/* One turn to warm up, then rounds for so many seconds of this thread's CPU, 7 at least; prints a line each. */
void rounds_run(struct rounds *, double seconds);
/* What a line was in this round. */
double rounds_now(const struct rounds *, const char *name);
#endif
