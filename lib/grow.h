/* lib/grow.h: room in an array that grows */
#ifndef GW_GROW_H
#define GW_GROW_H
#include <stdlib.h>

/* The array with room for one more than the n that are in it, *cap places of size octets by now; NULL: no memory, and it is as it was. */
static inline void *
gw_grow(void *array, size_t n, size_t *cap, size_t size)
{
	size_t room = *cap ? 2 * *cap : 16;
	void *grown;

	if (n < *cap)
		return array;
	if ((grown = reallocarray(array, room, size)))
		*cap = room;
	return grown;
}
#endif
