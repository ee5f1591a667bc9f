/* lib/index.c: open addressing, at most half full; nothing is ever taken out but everything */
#include "lib/index.h"
#include <stdlib.h>
#include <string.h>

static uint64_t
hash_of(const char *key, size_t len)
{
	uint64_t h = 14695981039346656037ULL;	/* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)key[i]) * 1099511628211ULL;
	return h ^ h >> 32;
}

/* Its slot, or the free one where it belongs. */
static struct gw_index_slot *
slot_of(struct gw_index_slot *slots, size_t cap, uint64_t hash, const char *key, size_t len)
{
	size_t at = hash & (cap - 1);

	while (slots[at].value && (slots[at].hash != hash || slots[at].len != len || memcmp(slots[at].key, key, len) != 0))
		at = (at + 1) & (cap - 1);
	return &slots[at];
}

static int
grow(struct gw_index *x)
{
	size_t cap = x->cap ? 2 * x->cap : 16;
	struct gw_index_slot *slots = calloc(cap, sizeof(*slots));

	if (!slots)
		return -1;
	for (size_t i = 0; i < x->cap; i++)
		if (x->slots[i].value)
			*slot_of(slots, cap, x->slots[i].hash, x->slots[i].key, x->slots[i].len) = x->slots[i];
	free(x->slots);
	x->slots = slots;
	x->cap = cap;
	return 0;
}

int
gw_index_put(struct gw_index *x, const char *key, void *value)
{
	size_t len = strlen(key);
	struct gw_index_slot *s;

	if (2 * x->n >= x->cap && grow(x) < 0)
		return -1;
	s = slot_of(x->slots, x->cap, hash_of(key, len), key, len);
	x->n += !s->value;
	*s = (struct gw_index_slot){ .hash = hash_of(key, len), .key = key, .len = len, .value = value };
	return 0;
}

void *
gw_index_get(const struct gw_index *x, const char *key, size_t len)
{
	return x->cap ? slot_of(x->slots, x->cap, hash_of(key, len), key, len)->value : NULL;
}

void
gw_index_clear(struct gw_index *x)
{
	free(x->slots);
	*x = (struct gw_index){ 0 };
}
