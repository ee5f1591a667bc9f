/* proto/say.h: printing into a buffer, as snprintf() counts */
#ifndef PROTO_SAY_H
#define PROTO_SAY_H
#include <stddef.h>

struct say { char *out; size_t cap, len; };	/* len: of the whole text, also where it did not fit */
void say(struct say *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#endif
