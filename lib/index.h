/* lib/index.h: things by name. Keys and values are the owner's and stay where they are; zeroed at first. */
#ifndef GW_INDEX_H
#define GW_INDEX_H
#include <stddef.h>
#include <stdint.h>

struct gw_index { struct gw_index_slot { uint64_t hash; const char *key; size_t len; void *value; } *slots; size_t n, cap; };
int gw_index_put(struct gw_index *, const char *key, void *value);	/* value not NULL; replaces one of that key. -1: out of memory */
void *gw_index_get(const struct gw_index *, const char *key, size_t len);	/* NULL: none */
void gw_index_clear(struct gw_index *);	/* empty, and without memory */
#endif
