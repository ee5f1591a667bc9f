/*
 * lib/due.h: deadlines of many objects, the earliest at hand: a binary heap whose entries are embedded in their owners, so that
 * setting, moving and taking out one costs log n and no memory.
 */
#ifndef GW_DUE_H
#define GW_DUE_H
#include <stddef.h>
#include <stdint.h>

struct gw_due { int64_t at_us; size_t place; };	/* place: from 1; 0: it is not waiting. Zeroed: never due. */
struct gw_dues { struct gw_due **v; size_t n, room; };

/* Room for n entries at once; -1: out of memory. Without it gw_due_set must not hold more than were reserved. */
int gw_dues_reserve(struct gw_dues *, size_t n);
void gw_dues_free(struct gw_dues *);
void gw_due_set(struct gw_dues *, struct gw_due *, int64_t at_us);	/* INT64_MAX: not any more */
struct gw_due *gw_dues_first(const struct gw_dues *);	/* NULL: none waits */
int64_t gw_dues_next(const struct gw_dues *);		/* when; INT64_MAX: never */
#endif
