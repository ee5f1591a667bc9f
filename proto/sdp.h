/*
 * proto/sdp.h: session descriptions, RFC 4566, with what RFC 5159 and the key streams of OMA BCAST add. Pure; what is read borrows
 * the text.
 */
#ifndef PROTO_SDP_H
#define PROTO_SDP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lines are put one after the other, in the order that RFC 4566 clause 5 wants; CR LF follows each. */
struct sdp_writer { char *out; size_t cap, len; bool fault; };
void sdp_begin(struct sdp_writer *, char *out, size_t cap);
/* A line of a type, 'a' to 'z'. A value with a control character, or one that does not fit, is a fault; it is sticky. */
void sdp_put(struct sdp_writer *, char type, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
size_t sdp_end(const struct sdp_writer *);	/* octets, a '\0' behind them; 0 after a fault */
/* Percent-escaped as in URIs (RFC 3986: all but the unreserved): octets without the '\0', or as many as it would need. As snprintf. */
size_t sdp_escape(const char *text, char *out, size_t cap);

struct sdp_text { const char *p; size_t len; };		/* p NULL: there is none */
struct sdp_line { char type; struct sdp_text value; };
enum { SDP_LINES = 1024, SDP_MEDIA = 64 };
struct sdp_media {
	struct sdp_text kind, proto, formats;	/* "video", "RTP/SAVP", "96 97" */
	uint16_t port;
	size_t from, upto;			/* its lines, after the m= */
};
struct sdp {
	size_t n; struct sdp_line line[SDP_LINES];
	size_t nmedia; struct sdp_media media[SDP_MEDIA];
	size_t session_upto;			/* lines of the session level */
};
enum sdp_verdict { SDP_OK, SDP_NO_LINE, SDP_CONTROL, SDP_ORDER, SDP_VERSION, SDP_VALUE, SDP_MISSING, SDP_TOO_MANY };
struct sdp_fault { enum sdp_verdict verdict; size_t line; };	/* from 1 */
const char *sdp_verdict_name(enum sdp_verdict);
/*
 * Lines end in CR LF or LF. Checked: form and order of the lines; v=0; the fields of o=, c=, t= and m=; that s= and t= are there and
 * every medium has a c= or the session has. 0, or -1 with what is wrong and where in *why (may be NULL).
 */
int sdp_parse(const char *text, size_t len, struct sdp *, struct sdp_fault *why);

enum { SDP_SESSION = -1 };
/* The value of the next line of that type of a medium, or of the session (SDP_SESSION), from *at on (0 at first); *at moves behind it. */
bool sdp_next(const struct sdp *, int medium, char type, size_t *at, struct sdp_text *value);
/* The same of attributes a=NAME:VALUE, and a=NAME, whose value is empty. */
bool sdp_next_attribute(const struct sdp *, int medium, const char *name, size_t *at, struct sdp_text *value);
/* A parameter of an a=fmtp value, "FORMAT name=value; name=value". */
bool sdp_parameter(struct sdp_text fmtp, const char *name, struct sdp_text *value);
bool sdp_is(struct sdp_text, const char *word);
/* A decimal number and nothing else. */
bool sdp_number(struct sdp_text, uint64_t max, uint64_t *out);
/* The c= that holds for a medium: address without TTL; ttl -1 when none is given. */
struct sdp_connection { bool v6; struct sdp_text host; int ttl; };
bool sdp_connection_of(const struct sdp *, int medium, struct sdp_connection *);
#endif
