/* lib/http.h: an HTTP(S) client on the libuv loop (libcurl multi): keep-alive, time-outs, mutual TLS, bounded answers. */
#ifndef GW_HTTP_H
#define GW_HTTP_H
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>
#include "lib/err.h"

struct gw_http_conf {
	const char *certificate, *private_key, *ca;	/* PEM; NULL: none, the system's */
	const char *local;			/* numeric address or interface to call from; NULL */
	size_t max_answer;			/* octets of a body */
	unsigned connect_ms, total_ms;
	bool plain_ok;				/* http:// too */
	const char *identity;			/* DNS name or URI that every server's certificate carries (lib/tls_name.h); NULL: the host of the URL */
};
struct gw_http;
struct gw_http *gw_http_open(uv_loop_t *, const struct gw_http_conf *, struct gw_err *);
void gw_http_close(struct gw_http *);		/* no callback after it; frees itself; quiet on NULL */

struct gw_reply {
	unsigned status;			/* 0: none came; `error` says why */
	const char *content_type;		/* without parameters, "" */
	const unsigned char *body; size_t len;	/* NUL-terminated */
	const char *error;
	const void *from;			/* for gw_reply_header */
};
const char *gw_reply_header(const struct gw_reply *, const char *name);	/* the last of that name; NULL */
typedef void gw_http_done(void *self, const struct gw_reply *);
/* headers: "name: value", …, NULL. Body and headers are copied. 0, or -1: done is not called. */
int gw_http_send(struct gw_http *, const char *method, const char *url, const char *const *headers, const void *body, size_t len,
    gw_http_done *, void *self, struct gw_err *);
/* The same with a time of its own in place of total_ms; 0: total_ms. */
int gw_http_send_within(struct gw_http *, unsigned ms, const char *method, const char *url, const char *const *headers, const void *body, size_t len,
    gw_http_done *done, void *self, struct gw_err *err);
#endif
