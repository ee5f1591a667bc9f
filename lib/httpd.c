/*
 * lib/httpd.c: libwebsockets carries the octets (sockets, TLS, what the kernel does not take at once) as its raw role; the HTTP is ours. Its own HTTP role
 * (4.1) takes no chunked bodies, does not answer Expect, tells nobody what it has refused, closes on garbage without a word and can be talked into
 * WebSocket and HTTP/2.
 */
#include "lib/httpd.h"
#include <libwebsockets.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <time.h>
#include <netinet/tcp.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/httpd_tls.h"
#include "lib/listen.h"
#include "lib/log.h"
#include "proto/http1.h"

enum {
	READ_BYTES = 16384,		/* in one piece */
	IN_BYTES = HTTP1_HEAD + READ_BYTES,	/* come, not yet taken: a head, or what a client sends ahead of its answer */
	SMALL_BYTES = 4096,		/* answers up to here need no allocation */
	BODY_STEP = 16384,		/* a body's first allocation: what is announced is not yet there */
	SPARE_CLIENTS = 64,		/* beyond max_clients, to be told so */
	LINGER_MS = 2000,		/* a client is heard out so long after the last answer, else the kernel's reset would take it away */
	OVER_MS = 1000,
	FRESH_MS = 1000,		/* a client that has just come is about to say something: its place is its own so long */
};

enum state {
	HEAD,		/* between requests, or in a head */
	BODY,
	WAIT,		/* the request is with the program */
	FLUSH,		/* the answer does not fit into the socket yet */
	LINGER,		/* the last answer is out; what still comes is dropped */
	DEAD,		/* to be closed as soon as libwebsockets allows */
};

struct gw_exchange {			/* a connection; the exchange is the one that it is at */
	struct gw_httpd *server;
	struct lws *wsi;
	LIST_ENTRY(gw_exchange) entry;
	struct sockaddr_storage peer;
	enum state state;
	bool over, seated, secure, pumping, last, head_only, deaf, known, told, late;
	uint64_t deadline;		/* of uv_now(); 0: none */
	uint64_t idle_at;		/* of uv_now(); in HEAD: from then on it holds a place and makes no use of it */
	char *in; size_t in_len, in_cap, scanned;
	struct request { struct http1_head head; char *path; char type[128]; char text[]; } *request;
	struct http1_chunks chunks;
	uint8_t *body; size_t body_len, body_cap;
	char *subject; uint8_t *der; size_t der_len;
};

struct gw_httpd {
	uv_loop_t *loop;
	struct gw_httpd_conf conf;
	char *certificate, *private_key, *client_ca;
	struct gw_addr addr;
	struct gw_accept *door;
	struct lws_context *context;
	struct lws_vhost *vhost;
	SSL_CTX *ctx;
	struct lws_protocols protocols[2];
	uv_timer_t tick;
	unsigned tick_ms, n;
	unsigned taken, spare;		/* of those who are not about to go: who have a place; who came when there was none */
	bool closing;
	LIST_HEAD(, gw_exchange) clients;
	struct gw_exchange *adopting;
	time_t date_s; char date[40];
	uint8_t small[LWS_PRE + SMALL_BYTES];
};

static void pump(struct gw_exchange *);
static int context_index = -1;		/* of an SSL_CTX: its server */

static void
refused(struct gw_httpd *s, const struct sockaddr *peer, unsigned status, const char *why)
{
	if (s->conf.refused && !s->closing)
		s->conf.refused(s->conf.self, peer, status, why);
}

/* memory */

static void
wipe(void *p, size_t len)
{
	if (p)
		OPENSSL_cleanse(p, len);
	free(p);
}

/* Room for more octets, without leaving a copy behind as realloc() would: bodies may hold keys. */
static bool
room(void **p, size_t len, size_t *cap, size_t more, size_t first)
{
	size_t want = *cap ? *cap : first;
	void *q;

	while (want < len + more + 1)
		want *= 2;
	if (want == *cap)
		return true;
	q = malloc(want);
	if (!q)
		return false;
	if (len > 0)
		memcpy(q, *p, len);
	wipe(*p, *cap);
	*p = q;
	*cap = want;
	return true;
}

static void
end_request(struct gw_exchange *c)
{
	if (c->request)
		free(c->request->path);
	free(c->request);
	c->request = NULL;
	wipe(c->body, c->body_len);	/* the rest of its room was never written */
	c->body = NULL;
	c->body_len = c->body_cap = 0;
	c->chunks = (struct http1_chunks){ 0 };
}

/* Its place is free, though libwebsockets may need another turn of the loop to close it. */
static void
leave_place(struct gw_exchange *c)
{
	if (!c->seated)
		return;
	c->seated = false;
	*(c->over ? &c->server->spare : &c->server->taken) -= 1;
}

static void
release(struct gw_exchange *c)
{
	struct gw_httpd *s = c->server;

	leave_place(c);
	if (s->adopting == c)
		s->adopting = NULL;
	LIST_REMOVE(c, entry);
	s->n--;
	if (s->n == 0 && !s->closing)
		uv_timer_stop(&s->tick);
	end_request(c);
	wipe(c->in, c->in_cap);
	free(c->subject);
	OPENSSL_free(c->der);
	free(c);
}

static void
take_in(struct gw_exchange *c, size_t n)
{
	c->in_len -= n;
	memmove(c->in, c->in + n, c->in_len);
	OPENSSL_cleanse(c->in + c->in_len, n);
	c->scanned = 0;
	if (c->in_len == 0) {
		free(c->in);
		c->in = NULL;
		c->in_cap = 0;
	}
}

/* sending */

static void
deadline(struct gw_exchange *c, unsigned ms)
{
	c->deadline = uv_now(c->server->loop) + (ms ? ms : 1);
}

/* Within libwebsockets' callbacks the return value closes; from outside it is asked to. */
static void
kill_connection(struct gw_exchange *c)
{
	if (c->state == DEAD)
		return;
	c->state = DEAD;
	leave_place(c);
	if (c->pumping || !c->wsi)
		return;
	lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
	lws_cancel_service(c->server->context);		/* on a libuv loop it looks at its timers after events only: this is one */
}

static void
listen_to(struct gw_exchange *c, bool on)
{
	if (c->deaf == on && c->state != DEAD)
		lws_rx_flow_control(c->wsi, on);
	c->deaf = !on;
}

/* The answer is out as far as the kernel is concerned: on to the next request, or to the end. */
static void
sent(struct gw_exchange *c)
{
	c->head_only = false;
	if (!c->last) {
		c->state = HEAD;
		c->idle_at = uv_now(c->server->loop);
		deadline(c, c->in_len > 0 ? c->server->conf.request_ms : c->server->conf.idle_ms);
		return;
	}
	if (c->late) {		/* it sends too little to be heard out, and had its time */
		kill_connection(c);
		return;
	}
	c->state = LINGER;
	deadline(c, LINGER_MS);
	if (c->secure)
		SSL_shutdown(lws_get_ssl(c->wsi));
	shutdown(lws_get_socket_fd(c->wsi), SHUT_WR);
}

static void
transmit(struct gw_exchange *c, uint8_t *p, size_t len)
{
	if (lws_write(c->wsi, p, len, LWS_WRITE_RAW) < 0) {
		kill_connection(c);
		return;
	}
	if (lws_partial_buffered(c->wsi)) {
		c->state = FLUSH;
		deadline(c, c->server->conf.request_ms);
		lws_callback_on_writable(c->wsi);
	} else {
		sent(c);
	}
}

static const char *
date(struct gw_httpd *s)
{
	time_t now = (time_t)(gw_utc_tick_us() / 1000000);
	struct tm tm;

	if (now != s->date_s) {
		s->date_s = now;
		gmtime_r(&now, &tm);
		strftime(s->date, sizeof(s->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	return s->date;
}

/* As snprintf, of a head's next piece. */
static size_t
head_line(char *out, size_t cap, size_t at, const char *name, const char *value)
{
	if (strpbrk(name, "\r\n") || strpbrk(value, "\r\n"))	/* whatever it says, it would be another field */
		return at;
	return at + (size_t)snprintf(at < cap ? out + at : NULL, at < cap ? cap - at : 0, "%s%s\r\n", name, value);
}

static size_t
write_head(struct gw_exchange *c, const struct gw_answer *a, char *out, size_t cap)
{
	bool bare = a->status == 204 || a->status == 304;
	char length[24];
	size_t at = (size_t)snprintf(out, cap, "HTTP/1.1 %u %s\r\nDate: %s\r\n", a->status, http1_reason(a->status), date(c->server));

	snprintf(length, sizeof(length), "%zu", a->content_type ? a->len : 0);
	if (!bare)
		at = head_line(out, cap, at, "Content-Length: ", length);
	if (a->content_type)
		at = head_line(out, cap, at, "Content-Type: ", a->content_type);
	if (c->last)
		at = head_line(out, cap, at, "Connection: ", "close");
	else if (c->request && c->request->head.minor == 0)
		at = head_line(out, cap, at, "Connection: ", "keep-alive");
	for (const char *const *h = a->headers; h && *h; h++)
		at = head_line(out, cap, at, "", *h);
	return head_line(out, cap, at, "", "");
}

static void
put_answer(struct gw_exchange *c, const struct gw_answer *a)
{
	bool bodiless = c->head_only || !a->content_type || a->status == 204 || a->status == 304;
	size_t head, len = bodiless ? 0 : a->len;
	uint8_t *p = c->server->small;
	void *big = NULL;

	head = write_head(c, a, NULL, 0);
	if (head + len + 1 > SMALL_BYTES) {
		p = big = malloc(LWS_PRE + head + len + 1);
		if (!p) {
			kill_connection(c);
			return;
		}
	}
	write_head(c, a, (char *)p + LWS_PRE, head + 1);
	if (len > 0)
		memcpy(p + LWS_PRE + head, a->body, len);
	end_request(c);
	transmit(c, p + LWS_PRE, head + len);
	OPENSSL_cleanse(p, LWS_PRE + head + len);
	free(big);
}

void
gw_exchange_answer(struct gw_exchange *c, const struct gw_answer *a)
{
	if (c->state != WAIT || c->server->closing)
		return;
	if (a->close)
		c->last = true;
	put_answer(c, a);
	if (!c->pumping && c->state == HEAD && c->in_len > 0)
		lws_callback_on_writable(c->wsi);	/* the next request has come already; not from within the program's call */
	if (c->state != FLUSH)
		listen_to(c, true);
}

const char *
gw_exchange_header(struct gw_exchange *c, const char *name)
{
	return c->request ? http1_header(&c->request->head, name) : NULL;
}

size_t
gw_exchange_certificate(struct gw_exchange *c, const uint8_t **der)
{
	*der = c->der;
	return c->der_len;
}

/* What the program never sees: answered in a sentence, and the end. */
static void
refuse(struct gw_exchange *c, unsigned status, const char *why)
{
	static const char *const later[] = { "Retry-After: 1", NULL };
	char text[160];
	struct gw_answer a = { .status = status, .content_type = "text/plain; charset=utf-8", .body = text, .headers = status == 503 ? later : NULL,
		.close = true };

	a.len = (size_t)snprintf(text, sizeof(text), "%s\n", why);
	refused(c->server, (struct sockaddr *)&c->peer, status, why);
	c->last = true;
	put_answer(c, &a);
}

/* receiving */

static void
note_certificate(struct gw_exchange *c)
{
	X509 *x = SSL_get1_peer_certificate(lws_get_ssl(c->wsi));
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	long n;
	int len;

	c->known = true;
	if (x && b && (len = i2d_X509(x, &c->der)) > 0) {
		c->der_len = (size_t)len;
		X509_NAME_print_ex(b, X509_get_subject_name(x), 0, XN_FLAG_ONELINE);
		n = BIO_get_mem_data(b, &text);
		c->subject = strndup(n > 0 ? text : "", (size_t)n);
	}
	BIO_free(b);
	X509_free(x);
}

static void
media_type(const char *value, char *out, size_t cap)
{
	size_t n = value ? strcspn(value, "; \t") : 0, i;

	for (i = 0; i < n && i + 1 < cap; i++)
		out[i] = (char)(value[i] >= 'A' && value[i] <= 'Z' ? value[i] + 'a' - 'A' : value[i]);
	out[i] = '\0';
}

static void
dispatch(struct gw_exchange *c)
{
	struct gw_httpd *s = c->server;
	const struct http1_head *h = &c->request->head;
	struct gw_httpd_request r = { .method = h->method, .path = c->request->path, .query = h->query, .uri = h->uri, .content_type = c->request->type,
		.body = c->body ? c->body : (const uint8_t *)"", .body_len = c->body_len, .peer = (struct sockaddr *)&c->peer, .subject = c->subject };

	if (c->body)
		c->body[c->body_len] = '\0';
	c->state = WAIT;
	c->deadline = 0;
	s->conf.request(s->conf.self, c, &r);
}

static bool
add_body(struct gw_exchange *c, const uint8_t *p, size_t n)
{
	if (c->body_len + n > c->server->conf.max_body) {
		refuse(c, 413, "the body is too long");
		return false;
	}
	if (!room((void **)&c->body, c->body_len, &c->body_cap, n, BODY_STEP)) {
		refuse(c, 503, "out of memory");
		return false;
	}
	memcpy(c->body + c->body_len, p, n);
	c->body_len += n;
	return true;
}

/* All pumps: false: nothing more to do with what is there. */
static bool
pump_chunks(struct gw_exchange *c)
{
	enum http1_chunk_event e = HTTP1_DATA;
	const uint8_t *data;
	size_t at = 0, used, n;

	while (e == HTTP1_DATA) {
		e = http1_chunk(&c->chunks, (uint8_t *)c->in + at, c->in_len - at, &used, &data, &n);
		at += used;
		if (e == HTTP1_DATA && !add_body(c, data, n))
			return false;
	}
	if (at > 0)
		take_in(c, at);
	if (e == HTTP1_BAD)
		refuse(c, 400, "the chunks of the body are malformed");
	else if (e == HTTP1_END)
		dispatch(c);
	return e == HTTP1_END;
}

static bool
pump_body(struct gw_exchange *c)
{
	size_t left, n;

	if (c->request->head.chunked)
		return pump_chunks(c);
	left = (size_t)c->request->head.length - c->body_len;
	n = c->in_len < left ? c->in_len : left;
	if (n > 0) {
		if (!add_body(c, (uint8_t *)c->in, n))
			return false;
		take_in(c, n);
	}
	if (n < left)
		return false;
	dispatch(c);
	return true;
}

static bool
keep_request(struct gw_exchange *c, size_t len)
{
	struct request *q = malloc(sizeof(*q) + len + 1);
	const char *why = "";
	int status;

	if (!q) {
		refuse(c, 503, "out of memory");
		return false;
	}
	c->request = q;
	memcpy(q->text, c->in, len);
	q->text[len] = '\0';
	q->path = NULL;
	take_in(c, len);
	status = http1_head_parse(q->text, len, &q->head, &why);
	if (status) {
		refuse(c, (unsigned)status, why);
		return false;
	}
	q->path = strndup(q->head.path, q->head.path_len);
	media_type(http1_header(&q->head, "content-type"), q->type, sizeof(q->type));
	c->head_only = strcmp(q->head.method, "HEAD") == 0;
	c->last = !q->head.keep_alive;
	if (!q->path)
		refuse(c, 503, "out of memory");
	return q->path != NULL;
}

static bool
start_body(struct gw_exchange *c)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	const struct http1_head *h = &c->request->head;
	uint8_t *p = c->server->small + LWS_PRE;

	if (h->length > c->server->conf.max_body) {
		refuse(c, 413, "the body is too long");
		return false;
	}
	c->state = BODY;
	if (h->expects && c->in_len == 0 && (h->length > 0 || h->chunked)) {
		memcpy(p, go_on, sizeof(go_on) - 1);
		if (lws_write(c->wsi, p, sizeof(go_on) - 1, LWS_WRITE_RAW) < 0)
			kill_connection(c);
	}
	return c->state == BODY;
}

static bool
pump_head(struct gw_exchange *c)
{
	int n;

	while (c->in_len >= 2 && memcmp(c->in, "\r\n", 2) == 0)
		take_in(c, 2);	/* RFC 9112 2.2: some clients end their bodies so */
	if (c->in_len == 0)
		return false;
	n = http1_head_end(c->in, c->in_len, &c->scanned);
	if (n < 0)
		refuse(c, (unsigned)-n, n == -400 ? "it is no HTTP/1.1" : "the head of the request is too long");
	if (n <= 0)
		return false;
	if (c->secure && !c->known)
		note_certificate(c);
	return keep_request(c, (size_t)n) && start_body(c);
}

static void
pump(struct gw_exchange *c)
{
	bool more = true;

	c->pumping = true;
	while (more && (c->state == HEAD || c->state == BODY))
		more = c->state == HEAD ? pump_head(c) : pump_body(c);
	c->pumping = false;
}

static int
on_input(struct gw_exchange *c, const void *p, size_t len)
{
	bool idle = c->state == HEAD && c->in_len == 0;

	if (c->state == LINGER)
		return 0;
	if (c->in_len + len > IN_BYTES || !room((void **)&c->in, c->in_len, &c->in_cap, len, 1024))
		return -1;
	memcpy(c->in + c->in_len, p, len);
	c->in_len += len;
	if (idle) {
		lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0);	/* its own, of the handshake; from here on the deadlines are ours */
		deadline(c, c->server->conf.request_ms);
	}
	if (c->over && c->state == HEAD) {
		c->pumping = true;
		refuse(c, 503, "too many clients");
		c->pumping = false;
	}
	pump(c);
	if ((c->state == WAIT || c->state == FLUSH) && c->in_len >= HTTP1_HEAD)
		listen_to(c, false);
	return c->state == DEAD ? -1 : 0;
}

static int
on_writable(struct gw_exchange *c)
{
	if (c->state == FLUSH && !lws_partial_buffered(c->wsi)) {
		sent(c);
		listen_to(c, true);
	} else if (c->state == FLUSH) {
		lws_callback_on_writable(c->wsi);
	}
	pump(c);
	return c->state == DEAD ? -1 : 0;
}

/* No alert has said why: a port scan, or a client that did not read all before it closed, whose alert the kernel's reset overtakes. */
static bool
in_handshake(struct gw_exchange *c)
{
	SSL *ssl = c->secure && !c->told ? lws_get_ssl(c->wsi) : NULL;

	return ssl && !SSL_is_init_finished(ssl);
}

static void
on_end(struct gw_exchange *c)
{
	struct gw_httpd *s = c->server;

	if (s->closing)
		return;
	if (in_handshake(c))
		refused(s, (struct sockaddr *)&c->peer, 0, "TLS: the handshake did not end");
	if (c->state == WAIT && s->conf.gone)
		s->conf.gone(s->conf.self, c);
	else if (c->state == BODY || (c->state == HEAD && c->in_len > 0))
		refused(s, (struct sockaddr *)&c->peer, 0, "the client left in the middle of its request");
	c->state = DEAD;
	leave_place(c);
}

static int
on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct gw_exchange *c = NULL;

	(void)user;
	if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS) {
		((struct gw_httpd *)lws_context_user(lws_get_context(wsi)))->ctx = user;
		return 0;
	}
	if (reason == LWS_CALLBACK_RAW_ADOPT || reason == LWS_CALLBACK_RAW_RX || reason == LWS_CALLBACK_RAW_WRITEABLE ||
	    reason == LWS_CALLBACK_RAW_CLOSE || reason == LWS_CALLBACK_WSI_DESTROY)
		c = lws_get_opaque_user_data(wsi);
	if (!c)
		return 0;
	c->wsi = wsi;	/* the first event is RAW_ADOPT, or the end of a handshake that fails in its first octets */
	if (reason == LWS_CALLBACK_RAW_CLOSE)
		on_end(c);
	else if (reason == LWS_CALLBACK_WSI_DESTROY) {
		lws_set_opaque_user_data(wsi, NULL);
		release(c);
	} else if (c->server->closing || c->state == DEAD)
		return -1;
	else if (reason == LWS_CALLBACK_RAW_RX)
		return on_input(c, in, len);
	else if (reason == LWS_CALLBACK_RAW_WRITEABLE)
		return on_writable(c);
	return 0;
}

/* One timer for all: a deadline is kept to a quarter of the shorter wait. */
static void
on_tick(uv_timer_t *t)
{
	struct gw_httpd *s = t->data;
	struct gw_exchange *c, *next;
	uint64_t now = uv_now(s->loop);

	for (c = LIST_FIRST(&s->clients); c && !s->closing; c = next) {
		next = LIST_NEXT(c, entry);
		if (c->deadline == 0 || c->deadline > now || !c->wsi)
			continue;
		c->deadline = 0;
		if (c->state == BODY || (c->state == HEAD && c->in_len > 0)) {
			c->late = true;
			refuse(c, 408, "the request took too long");
			continue;
		}
		if (c->state == FLUSH)
			refused(s, (struct sockaddr *)&c->peer, 408, "the answer is not read");
		kill_connection(c);
	}
}

/* A handshake that ends in an alert, ours or the client's: the one sign that there is of it. */
static void
on_tls(const SSL *ssl, int where, int value)
{
	struct gw_httpd *s = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_index);
	struct gw_exchange *c;
	char why[120];
	int fd = SSL_get_fd(ssl);

	if (!(where & SSL_CB_ALERT) || value >> 8 != SSL3_AL_FATAL || !s || s->closing)
		return;
	LIST_FOREACH(c, &s->clients, entry)
		if (c->wsi && lws_get_socket_fd(c->wsi) == fd)
			break;
	snprintf(why, sizeof(why), "TLS: %s: %s", where & SSL_CB_READ ? "the client says" : "refused", SSL_alert_desc_string_long(value));
	if (!c)
		c = s->adopting;
	if (!c)
		return;
	c->told = true;
	refused(s, (struct sockaddr *)&c->peer, 0, why);
}

/* The one that has made no use of its place for the longest time; NULL: all do. */
static struct gw_exchange *
longest_idle(const struct gw_httpd *s)
{
	struct gw_exchange *c, *best = NULL;

	LIST_FOREACH(c, &s->clients, entry)
		if (c->state == HEAD && c->in_len == 0 && c->seated && !c->over && c->wsi && (!best || c->idle_at <= best->idle_at))
			best = c;
	return best && best->idle_at < uv_now(s->loop) ? best : NULL;
}

/* Its next request may be here already: then it is no longer idle. */
static bool
unread(const struct gw_exchange *c)
{
	int n = 0;

	return ioctl(lws_get_socket_fd(c->wsi), FIONREAD, &n) < 0 || n > 0 || (c->secure && SSL_pending(lws_get_ssl(c->wsi)) > 0);
}

/* A client that keeps its connection for later makes room for one that has something to say now; it comes again when it has (RFC 9112 9.5). */
static bool
make_room(struct gw_httpd *s)
{
	struct gw_exchange *c;

	while ((c = longest_idle(s)) != NULL) {
		if (!unread(c)) {
			c->told = true;
			kill_connection(c);
			refused(s, (struct sockaddr *)&c->peer, 0, "idle, and its place was needed");
			return true;
		}
		c->idle_at = uv_now(s->loop);
	}
	return false;
}

static void
on_newcomer(void *owner, int fd, const struct sockaddr *from)
{
	struct gw_httpd *s = owner;
	struct gw_exchange *c;
	struct lws_adopt_desc d = { .vh = s->vhost, .type = LWS_ADOPT_SOCKET | (s->ctx ? LWS_ADOPT_ALLOW_SSL : 0), .fd.sockfd = fd,
		.vh_prot_name = s->protocols[0].name };
	bool place = s->taken < s->conf.max_clients || make_room(s);
	int on = 1;

	c = place || s->spare < SPARE_CLIENTS ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		refused(s, from, 503, "too many clients");
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->server = s;
	c->secure = s->ctx != NULL;
	c->over = !place;
	c->seated = true;
	*(place ? &s->taken : &s->spare) += 1;
	c->idle_at = uv_now(s->loop) + FRESH_MS;
	memcpy(&c->peer, from, from->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
	deadline(c, c->over ? OVER_MS : s->conf.idle_ms < s->conf.request_ms ? s->conf.idle_ms : s->conf.request_ms);
	LIST_INSERT_HEAD(&s->clients, c, entry);
	if (s->n++ == 0)
		uv_timer_start(&s->tick, on_tick, s->tick_ms, s->tick_ms);
	d.opaque = c;
	s->adopting = c;
	if (!lws_adopt_descriptor_vhost_via_info(&d) && s->adopting && c->state != DEAD) {
		refused(s, from, 503, "libwebsockets takes no more connections");
		release(c);
	}	/* else, if it failed: a client that has left within its handshake; WSI_DESTROY comes, or came */
	s->adopting = NULL;
}

/* opening, closing */

static void
emit(int level, const char *line)
{
	char text[240];

	snprintf(text, sizeof(text), "%.*s", (int)strcspn(line, "\n"), line);
	gw_log(level == LLL_ERR ? GW_NOTICE : GW_DEBUG, "libwebsockets", text, "");
}

static int
open_context(struct gw_httpd *s, struct gw_err *err)
{
	void *loops[] = { s->loop };
	unsigned wait_s = (s->conf.request_ms + 999) / 1000;
	struct lws_context_creation_info i = {
		.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_UV_NO_SIGSEGV_SIGFPE_SPIN |
		    LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME | LWS_SERVER_OPTION_NO_LWS_SYSTEM_STATES,
		.foreign_loops = loops, .port = CONTEXT_PORT_NO_LISTEN_SERVER, .protocols = s->protocols, .gid = -1, .uid = -1, .user = s,
		.vhost_name = "simulgate", .alpn = "http/1.1", .pt_serv_buf_size = READ_BYTES, .timeout_secs = wait_s ? wait_s : 1,
		.external_baggage_free_on_destroy = s };

	s->protocols[0] = (struct lws_protocols){ .name = "http", .callback = on_event, .rx_buffer_size = READ_BYTES, .tx_packet_size = 1 << 20 };
	lws_set_log_level(LLL_ERR | LLL_WARN, emit);
	if (s->certificate) {
		i.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
		i.ssl_cert_filepath = s->certificate;
		i.ssl_private_key_filepath = s->private_key;
	}
	s->context = lws_create_context(&i);
	if (!s->context)
		return gw_fail(err, GW_ESYS, "libwebsockets: no context (its libuv plugin is the package libwebsockets-evlib-uv)");
	s->vhost = lws_create_vhost(s->context, &i);
	if (!s->vhost || !s->certificate != !s->ctx)
		return gw_fail(err, GW_ESYS, "libwebsockets: no virtual host");
	if (!s->ctx)
		return 0;
	if (context_index < 0)
		context_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	SSL_CTX_set_ex_data(s->ctx, context_index, s);
	SSL_CTX_set_info_callback(s->ctx, on_tls);
	return gw_tls_credentials(s->ctx, s->certificate, s->private_key, s->client_ca, err);
}

static char *
keep(const char *text)
{
	return text ? strdup(text) : NULL;
}

static void
drop_conf(struct gw_httpd *s)
{
	free(s->certificate);
	free(s->private_key);
	free(s->client_ca);
}

static int
prepare(struct gw_httpd *s, const struct gw_httpd_conf *conf, struct gw_err *err)
{
	unsigned wait = conf->idle_ms < conf->request_ms ? conf->idle_ms : conf->request_ms;

	s->conf = *conf;
	s->tick_ms = wait < 200 ? 50 : wait > 4000 ? 1000 : wait / 4;
	if (conf->listen.scheme != GW_TLS)
		return 0;
	s->certificate = keep(conf->certificate);
	s->private_key = keep(conf->private_key);
	s->client_ca = keep(conf->client_ca);
	return gw_tls_check(s->certificate, s->private_key, s->client_ca, err);
}

struct gw_httpd *
gw_httpd_open(uv_loop_t *loop, const struct gw_httpd_conf *conf, struct gw_err *err)
{
	struct gw_httpd *s = calloc(1, sizeof(*s));
	struct gw_addr plain = conf->listen;

	if (!s) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	s->loop = loop;
	LIST_INIT(&s->clients);
	if (prepare(s, conf, err) < 0) {
		drop_conf(s);
		free(s);
		return NULL;
	}
	uv_timer_init(loop, &s->tick);
	s->tick.data = s;
	plain.scheme = GW_TCP;
	s->door = gw_accept_open(loop, &plain, on_newcomer, s, err);
	if (!s->door || open_context(s, err) < 0) {
		gw_httpd_close(s);
		return NULL;
	}
	s->addr = *gw_accept_addr(s->door);
	s->addr.scheme = conf->listen.scheme;
	return s;
}

const struct gw_addr *
gw_httpd_addr(const struct gw_httpd *s)
{
	return &s->addr;
}

int
gw_httpd_reload(struct gw_httpd *s, struct gw_err *err)
{
	return s->ctx ? gw_tls_credentials(s->ctx, s->certificate, s->private_key, s->client_ca, err) : 0;
}

/* The last step: libwebsockets frees the server, too. */
static void
on_tick_closed(uv_handle_t *h)
{
	struct gw_httpd *s = h->data;

	drop_conf(s);
	if (s->context)
		lws_context_destroy(s->context);
	else
		free(s);
}

struct rest { const void *context; unsigned n; };

static void
count_rest(uv_handle_t *h, void *arg)
{
	struct rest *r = arg;

	if (h->data == r->context)
		r->n++;
}

/*
 * On a loop of somebody else's lws_context_destroy() begins the closing of its handles and does not say when they have closed; only then it can be called
 * again, for the rest. Its handles that are not a connection's point to the context.
 */
static void
on_rest(uv_timer_t *t)
{
	struct gw_httpd *s = t->data;
	struct rest r = { .context = s->context };

	uv_walk(s->loop, count_rest, &r);
	if (r.n == 0 && s->n == 0)
		uv_close((uv_handle_t *)t, on_tick_closed);
}

static void
on_door_closed(void *owner)
{
	struct gw_httpd *s = owner;

	if (!s->context) {
		uv_close((uv_handle_t *)&s->tick, on_tick_closed);
		return;
	}
	lws_context_destroy(s->context);
	uv_timer_start(&s->tick, on_rest, 1, 1);
}

void
gw_httpd_close(struct gw_httpd *s)
{
	if (!s || s->closing)
		return;
	s->closing = true;
	uv_timer_stop(&s->tick);
	if (s->door)
		gw_accept_close(s->door, on_door_closed);
	else
		on_door_closed(s);
}
