/* tools/load_bare.h: a connection that says octets which no HTTP client would, and hears no more than the status of the answer. */
#ifndef TOOLS_LOAD_BARE_H
#define TOOLS_LOAD_BARE_H
#include <uv.h>
#include "tools/load_rogue.h"

struct bare;
/* status: of HTTP, or enum load_outcome; once. bare_close() is the callee's. */
typedef void bare_done(void *self, unsigned status);
/* octets: malloc'd, taken, also by a failure, which is NULL. */
struct bare *bare_open(uv_loop_t *, const struct sockaddr *to, char *octets, size_t len, enum rogue_stay, bare_done *, void *self);
void bare_close(struct bare *);		/* no callback after it; frees itself when the loop turns; quiet on NULL */
#endif
