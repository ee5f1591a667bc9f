/*
 * lib/session.h: the session description of a service, RFC 4566 with the attributes of RFC 5159 and a media description for each key
 * stream: all a receiver must know but the keys, which come in the key streams and are never here.
 */
#ifndef GW_SESSION_H
#define GW_SESSION_H
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/headend.h"

enum { GW_SESSION_MAX = 32768 };

/* For late joiners of SRTP without RFC 4771: a source's roll-over counter as it was when the description was made. */
struct gw_session_source { uint32_t ssrc, roc; };
struct gw_session_more {
	uint64_t version;		/* of the o= line: higher whenever something has changed */
	/* of the medium with that index: n sources, lent until the description is written; NULL: none */
	size_t (*sources)(void *self, size_t medium, const struct gw_session_source **);
	void *self;
};

/* When the configuration was last written, in seconds as NTP counts them: the version of what is made of it. 1 when that is not known. */
uint64_t gw_session_version(const struct headend *);
/*
 * Into out (cap octets, GW_SESSION_MAX are usually enough) with a '\0'. Its length, or 0 with *err: the service has no media of ours
 * (GW_ECONF), or it does not fit. The session id hangs on the names of head-end and service alone, unless the file says one.
 */
size_t gw_session_write(const struct headend *, const struct he_service *, const struct gw_session_more *, char *out, size_t cap, struct gw_err *);
#endif
