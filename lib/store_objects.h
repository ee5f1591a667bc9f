/*
 * lib/store_objects.h: what a bridge was given to distribute (bcast-backend-xml 11.5: "store, confirm once stored"): LTKMs and registration objects of each
 * stream, with the windows in which they are repeated. One SQLite file; an object is one by its content.
 */
#ifndef GW_STORE_OBJECTS_H
#define GW_STORE_OBJECTS_H
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/store.h"

enum { GW_OBJECT_DIGEST = 32 };
struct gw_object {
	uint8_t digest[GW_OBJECT_DIGEST];	/* SHA-256 of its octets */
	int64_t start_s, end_s;			/* UTC since 1970: repeated from start on, before end */
	uint32_t repetition_ms;
	uint32_t bandwidth_kbps;		/* of those who gave it; 0: they did not say */
	const uint8_t *p; size_t len;
};
struct gw_objects;
/* Opens or creates the file (0600, its directory 0700 if created). */
int gw_objects_open(const char *path, struct gw_objects **, struct gw_err *);
void gw_objects_close(struct gw_objects *);	/* quiet on NULL */
/* n objects of a stream (any name) become durable together; one that is there already gets the new window. GW_WON or GW_UNAVAILABLE. */
enum gw_outcome gw_objects_put(struct gw_objects *, const char *stream, const struct gw_object *const *, size_t n);
/* Every object of a stream, in the order they came; each() borrows, and calls no function of the store. */
enum gw_outcome gw_objects_each(struct gw_objects *, const char *stream, void (*each)(void *self, const struct gw_object *), void *self);
/* Forgets all, of whatever stream, whose end is before that. */
enum gw_outcome gw_objects_trim(struct gw_objects *, int64_t before_s);
#endif
