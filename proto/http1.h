/* proto/http1.h: the framing of HTTP/1.1 requests (RFC 9110, 9112), strict: what two readers could take in two ways is refused. Pure, bounded. */
#ifndef PROTO_HTTP1_H
#define PROTO_HTTP1_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP1_HEAD = 16384, HTTP1_TARGET = 4096, HTTP1_HEADERS = 64 };	/* octets of a head, of its target; fields */

/*
 * Looks for the end of a head in the octets that have come so far. *at: where the last call stopped, 0 at first. Octets of the head with its empty
 * line; 0: not yet; else minus the status of the answer (400 for what no head can hold, 414, 431), as soon as it is plain.
 */
int http1_head_end(const char *buf, size_t len, size_t *at);

struct http1_head {			/* points into the parsed buffer, all NUL-terminated */
	char *method, *uri;
	const char *path; size_t path_len;	/* in uri, without an absolute target's authority; not terminated */
	const char *query;			/* after '?', "" */
	size_t n; struct { char *name, *value; } header[HTTP1_HEADERS];	/* names in lower case */
	unsigned minor;				/* HTTP/1.minor */
	bool keep_alive, chunked, expects;	/* expects: 100-continue */
	uint64_t length;			/* of the body, when not chunked */
};
/* A whole head, changed in place. 0, or the status of the answer (400, 414, 417, 431, 501, 505) with *why. */
int http1_head_parse(char *buf, size_t len, struct http1_head *, const char **why);
const char *http1_header(const struct http1_head *, const char *name);	/* lower case; the first of that name, NULL */

/* A chunked body, piece by piece. Zeroed at first. */
struct http1_chunks { uint64_t left; unsigned state, digits, overhead; };
enum http1_chunk_event { HTTP1_MORE, HTTP1_DATA, HTTP1_END, HTTP1_BAD };
/*
 * Takes octets from buf (*used of them) until there is data (a view into buf), the end, or nothing left. Extensions and trailer fields are skipped;
 * more than 4 KiB of them, or sizes beyond 2^32, are HTTP1_BAD.
 */
enum http1_chunk_event http1_chunk(struct http1_chunks *, const uint8_t *buf, size_t len, size_t *used, const uint8_t **data, size_t *n);

const char *http1_reason(unsigned status);	/* "Not Found"; the class in words for others; never NULL */
#endif
