/*
 * lib/httpd.h: an HTTP/1.1 server on the libuv loop (libwebsockets): TLS, keep-alive, bounded bodies and clients; a request is handed over whole
 * and answered now or later.
 */
#ifndef GW_HTTPD_H
#define GW_HTTPD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>
#include "lib/addr.h"
#include "lib/err.h"

struct gw_exchange;	/* one request and its answer; good until it is answered or its end was told */
struct gw_httpd_request {
	const char *method, *path, *query;	/* query: after '?', "" if none; path as sent, %-escapes included */
	const char *uri;			/* both, as sent */
	const char *content_type;		/* lower case, without parameters; "" */
	const uint8_t *body; size_t body_len;	/* NUL-terminated for convenience */
	const struct sockaddr *peer;
	const char *subject;			/* of the client's certificate, as OpenSSL prints it; NULL: none was shown */
};
/* A header by its lower-case name, the first of them; NULL: not there. Good until the answer. */
const char *gw_exchange_header(struct gw_exchange *, const char *name);
/* The client's certificate (DER), for identity checks; 0 octets: none. */
size_t gw_exchange_certificate(struct gw_exchange *, const uint8_t **der);

struct gw_answer {
	unsigned status;			/* 200 … 599; the reason phrase is the usual one */
	const char *content_type;		/* NULL: no body */
	const void *body; size_t len;		/* copied */
	const char *const *headers;		/* "name: value", …, NULL */
	bool close;				/* the connection ends with it */
};
void gw_exchange_answer(struct gw_exchange *, const struct gw_answer *);

struct gw_httpd_conf {
	struct gw_addr listen;			/* tcp, tls */
	const char *certificate, *private_key;	/* PEM files; tls */
	const char *client_ca;			/* PEM: clients must show a certificate of one of these; NULL: none is asked for */
	size_t max_body;			/* octets; more: 413 */
	unsigned max_clients;			/* for one more the longest idle connection is closed; when none is idle it is told 503 and closed */
	unsigned idle_ms, request_ms;		/* keep-alive without a request; from a request's first octet to its last (slow ones are closed) */
	const char *const *headers;		/* names of those that are asked for; not needed, all are kept */
	void (*request)(void *self, struct gw_exchange *, const struct gw_httpd_request *);
	void (*gone)(void *self, struct gw_exchange *);	/* unanswered, and the client has left: forget it. May be NULL when all is answered at once */
	/* What request() never saw; status 0: closed without an answer (a failed handshake, a client that left in the middle). May be NULL. */
	void (*refused)(void *self, const struct sockaddr *peer, unsigned status, const char *why);
	void *self;
};
struct gw_httpd;
/*
 * The framing is strict (proto/http1.h). A client that ends its side of the connection has left, also when it waits for an answer. Memory: a head (16 KiB)
 * and a body at most per client. TLS is 1.2 or later.
 */
struct gw_httpd *gw_httpd_open(uv_loop_t *, const struct gw_httpd_conf *, struct gw_err *);
const struct gw_addr *gw_httpd_addr(const struct gw_httpd *);	/* with the port the kernel picked */
/* Certificate, key and CAs are read again; 0, or -1 and the old ones stay. */
int gw_httpd_reload(struct gw_httpd *, struct gw_err *);
void gw_httpd_close(struct gw_httpd *);	/* no callback after it; frees itself; quiet on NULL */
#endif
