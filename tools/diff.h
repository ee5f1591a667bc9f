/*
 * tools/diff.h: two conversations by meaning. Connections are paired by who talks about what, and within them, stream by stream,
 * exchanges (a request and its answer, or a message that has none): times, segments, the order of streams and names do not count. Pure.
 */
#ifndef TOOLS_DIFF_H
#define TOOLS_DIFF_H
#include <stdbool.h>
#include <stdint.h>
#include "tools/finding.h"

struct diff_counts {
	uint64_t connections;		/* pairs */
	uint64_t compared, messages;	/* of A, with one of B; that differ, or that only one has */
	uint64_t found[FIND_KINDS];
	struct find_times a, b;		/* answers that both have */
};
struct diff_user {
	void *self;
	void (*found)(void *self, const struct finding *);
	/* A pair has been compared: what A's names are in B. May be NULL. */
	void (*names)(void *self, const struct talk_conn *a, const struct alike_map *);
};
/* 0; -1: no memory. */
int diff(const struct alike_conf *, const struct talk *a, const struct talk *b, const struct diff_user *, struct diff_counts *);
bool diff_same(const struct diff_counts *);
#endif
