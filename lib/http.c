/* lib/http.c: libcurl's multi interface; its sockets are polls and its one time-out a timer of the loop */
#include "lib/http.h"
#include <curl/curl.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/secret.h"
#include "lib/tls_name.h"

enum { FIRST_BYTES = 1024, HEAD_BYTES = 65536, IDLE = 64, KEPT = 128, URLS = 4 };

/*
 * A socket of libcurl's, from its first transfer until it is closed: between two of them libcurl lets go of it, but a poll that is ended and begun anew
 * costs six system calls. idle: nothing is expected of it. lasting: a connection's, which is closed by on_close(); libcurl's own, for names, are not.
 */
struct watch { LIST_ENTRY(watch) entry; uv_poll_t poll; struct gw_http *http; curl_socket_t fd; int events; bool idle, lasting; };

struct call {
	LIST_ENTRY(call) entry;
	struct gw_http *http;
	CURL *easy;
	struct curl_slist *headers;
	uint8_t *sent; size_t sent_len;
	uint8_t *body; size_t len, cap;
	size_t head_len;
	const char *fault;		/* ours, that libcurl only knows as a refusal */
	char error[CURL_ERROR_SIZE];
	gw_http_done *done;
	void *self;
};

struct gw_http {
	uv_loop_t *loop;
	struct gw_http_conf conf;
	char *certificate, *private_key, *ca, *local, *identity;
	CURLM *multi;
	CURL *idle[IDLE]; unsigned nidle;	/* easy handles with all set that does not change: a new one costs more than a small request */
	struct { char *text; CURLU *parts; } urls[URLS];	/* the first few, which for most clients are all: libcurl would take one apart for each request */
	uv_timer_t timer;
	unsigned handles, depth;	/* depth: within calls into libcurl and to the program */
	bool closing;
	LIST_HEAD(, call) calls;
	LIST_HEAD(, watch) watches;
};

/* What pointed into the call is gone with it. */
static void
put_away(struct gw_http *h, CURL *e)
{
	if (!e || h->closing || h->nidle == IDLE) {
		curl_easy_cleanup(e);
		return;
	}
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, NULL);
	curl_easy_setopt(e, CURLOPT_POSTFIELDS, NULL);
	curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(e, CURLOPT_CURLU, NULL);
	h->idle[h->nidle++] = e;
}

static void
drop_call(struct call *c)
{
	LIST_REMOVE(c, entry);
	put_away(c->http, c->easy);
	curl_slist_free_all(c->headers);
	if (c->sent)
		gw_cleanse(c->sent, c->sent_len);
	free(c->sent);
	if (c->body)
		gw_cleanse(c->body, c->cap);
	free(c->body);
	free(c);
}

/* an answer */

static const char *
media_type(CURL *easy, char *out, size_t cap)
{
	const char *type = NULL;
	size_t n;

	curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
	n = type ? strcspn(type, "; \t") : 0;
	if (n >= cap)
		n = cap - 1;
	for (size_t i = 0; i < n; i++)
		out[i] = (char)(type[i] >= 'A' && type[i] <= 'Z' ? type[i] + 'a' - 'A' : type[i]);
	out[n] = '\0';
	return out;
}

static void
finish(struct call *c, CURLcode rc)
{
	struct gw_http *h = c->http;
	char type[128];
	long status = 0;
	struct gw_reply r = { .content_type = "", .body = (const unsigned char *)"", .error = "", .from = c->easy };

	curl_multi_remove_handle(h->multi, c->easy);
	if (rc == CURLE_OK) {
		curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
		r.status = (unsigned)status;
		r.content_type = media_type(c->easy, type, sizeof(type));
		if (c->body) {
			r.body = c->body;
			r.len = c->len;
		}
	} else {
		r.error = c->fault ? c->fault : c->error[0] ? c->error : curl_easy_strerror(rc);
	}
	if (!h->closing)
		c->done(c->self, &r);
	drop_call(c);
}

const char *
gw_reply_header(const struct gw_reply *r, const char *name)
{
	struct curl_header *h;
	size_t n;

	if (curl_easy_header((CURL *)(uintptr_t)r->from, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
		return NULL;
	n = h->amount;
	return n < 2 || curl_easy_header((CURL *)(uintptr_t)r->from, name, n - 1, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : NULL;
}

static void
take_finished(struct gw_http *h)
{
	CURLMsg *m;
	int left;

	while (!h->closing && (m = curl_multi_info_read(h->multi, &left)) != NULL) {
		struct call *c = NULL;
		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&c);
		finish(c, m->data.result);
	}
}

/* the loop */

static void end(struct gw_http *);

static void
act(struct gw_http *h, curl_socket_t fd, int events)
{
	int running;

	h->depth++;
	curl_multi_socket_action(h->multi, fd, events, &running);
	take_finished(h);
	h->depth--;
	if (h->closing && h->depth == 0)
		end(h);
}

static void
on_timer(uv_timer_t *t)
{
	act(t->data, CURL_SOCKET_TIMEOUT, 0);
}

static int
on_timeout(CURLM *multi, long ms, void *self)
{
	struct gw_http *h = self;

	(void)multi;
	if (ms < 0 || h->closing)
		uv_timer_stop(&h->timer);
	else
		uv_timer_start(&h->timer, on_timer, (uint64_t)ms, 0);
	return 0;
}

static void on_poll(uv_poll_t *, int status, int events);

static void
watch_for(struct watch *w, int events)
{
	if (events != w->events)
		events ? uv_poll_start(&w->poll, events, on_poll) : uv_poll_stop(&w->poll);
	w->events = events;
}

static void
on_poll(uv_poll_t *p, int status, int events)
{
	struct watch *w = p->data;

	if (w->idle)	/* its end, most likely: libcurl will see when it wants to use it again */
		watch_for(w, 0);
	else
		act(w->http, w->fd, status < 0 ? CURL_CSELECT_ERR : (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0));
}

static void
handle_closed(struct gw_http *h)
{
	if (--h->handles > 0)
		return;
	free(h->certificate);
	free(h->private_key);
	free(h->ca);
	free(h->local);
	free(h->identity);
	free(h);
}

static void
on_watch_closed(uv_handle_t *p)
{
	struct watch *w = p->data;
	struct gw_http *h = w->http;

	free(w);
	handle_closed(h);
}

static void
on_timer_closed(uv_handle_t *t)
{
	handle_closed(t->data);
}

static struct watch *
watch_of(struct gw_http *h, curl_socket_t fd)
{
	struct watch *w;

	LIST_FOREACH(w, &h->watches, entry)
		if (w->fd == fd)
			return w;
	return NULL;
}

static struct watch *
new_watch(struct gw_http *h, curl_socket_t fd)
{
	struct watch *w = calloc(1, sizeof(*w));
	socklen_t len = sizeof(int);
	int domain;

	if (!w || uv_poll_init_socket(h->loop, &w->poll, fd) != 0) {
		free(w);
		return NULL;
	}
	w->http = h;
	w->fd = fd;
	w->lasting = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain != AF_UNIX;
	w->poll.data = w;
	LIST_INSERT_HEAD(&h->watches, w, entry);
	h->handles++;
	return w;
}

static void
end_watch(struct watch *w)
{
	LIST_REMOVE(w, entry);
	uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *self, void *of_socket)
{
	const int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
	struct gw_http *h = self;
	struct watch *w = of_socket ? of_socket : watch_of(h, fd);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w && !w->lasting) {
			end_watch(w);
		} else if (w) {
			watch_for(w, w->events & UV_READABLE);
			w->idle = true;
		}
		return 0;
	}
	if (!w)
		w = new_watch(h, fd);
	if (!w)
		return -1;
	w->idle = false;
	curl_multi_assign(h->multi, fd, w);
	watch_for(w, events);
	return 0;
}

static int
on_close(void *self, curl_socket_t fd)
{
	struct watch *w = watch_of(self, fd);

	if (w)
		end_watch(w);
	return close(fd);
}

/* a request */

static size_t
on_body(char *p, size_t one, size_t n, void *arg)
{
	struct call *c = arg;
	size_t want = c->cap ? c->cap : FIRST_BYTES;
	uint8_t *q;

	n *= one;
	if (c->len + n > c->http->conf.max_answer) {
		c->fault = "the answer is too long";
		return 0;
	}
	while (want < c->len + n + 1)
		want *= 2;
	if (want != c->cap) {
		q = malloc(want);
		if (!q)
			return 0;
		if (c->len > 0)
			memcpy(q, c->body, c->len);
		if (c->body)
			gw_cleanse(c->body, c->cap);
		free(c->body);
		c->body = q;
		c->cap = want;
	}
	memcpy(c->body + c->len, p, n);
	c->len += n;
	c->body[c->len] = '\0';
	return n;
}

static size_t
on_header(char *p, size_t one, size_t n, void *arg)
{
	struct call *c = arg;

	(void)p;
	c->head_len += one * n;
	if (c->head_len <= HEAD_BYTES)
		return one * n;
	c->fault = "the head of the answer is too long";
	return 0;
}

static bool
add_headers(struct call *c, const char *const *headers)
{
	struct curl_slist *s = curl_slist_append(NULL, "Expect:");	/* what is sent is small: no waiting for leave */

	for (const char *const *h = headers; s && h && *h; h++) {
		c->headers = s;
		s = curl_slist_append(s, *h);
	}
	if (!s)
		return false;
	c->headers = s;
	return true;
}

static void
set_method(struct call *c, const char *method)
{
	const bool posts = c->sent_len > 0 || strcmp(method, "POST") == 0;

	if (strcmp(method, "HEAD") == 0) {
		curl_easy_setopt(c->easy, CURLOPT_NOBODY, 1L);
		return;
	}
	if (posts) {
		curl_easy_setopt(c->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->sent);
		curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->sent_len);
	}
	if (strcmp(method, posts ? "POST" : "GET") != 0)
		curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, method);
}

/* NULL leaves libcurl's default. */
static bool
set_text(CURL *easy, CURLoption option, const char *text)
{
	return !text || curl_easy_setopt(easy, option, text) == CURLE_OK;
}

/* After the chain: whose certificate it is. */
static int
judge(X509_STORE_CTX *x, void *self)
{
	struct gw_http *h = self;

	if (X509_verify_cert(x) != 1)
		return 0;
	if (gw_tls_names(X509_STORE_CTX_get0_cert(x), h->identity))
		return 1;
	X509_STORE_CTX_set_error(x, X509_V_ERR_HOSTNAME_MISMATCH);
	return 0;
}

static CURLcode
on_context(CURL *easy, void *context, void *self)
{
	(void)easy;
	SSL_CTX_set_cert_verify_callback(context, judge, self);
	return CURLE_OK;
}

static void
set_identity(CURL *e, struct gw_http *h)
{
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);	/* judge() asks for more: the name that was configured, whatever the URL says */
	curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, on_context);
	curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, h);
}

/* What is the same for all requests of a client. */
static bool
set_once(CURL *e, struct gw_http *h)
{
	bool ok = set_text(e, CURLOPT_SSLCERT, h->certificate) && set_text(e, CURLOPT_SSLKEY, h->private_key) &&
	    set_text(e, CURLOPT_CAINFO, h->ca) && set_text(e, CURLOPT_INTERFACE, h->local) && set_text(e, CURLOPT_PROXY, "") && set_text(e, CURLOPT_NOPROXY, "*") &&
	    set_text(e, CURLOPT_PROTOCOLS_STR, h->conf.plain_ok ? "http,https" : "https");

	if (h->ca)
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);	/* of that file, and nobody else */
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, h);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)h->conf.connect_ms);
	curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	if (h->identity)
		set_identity(e, h);
	return ok;
}

/* Its parts, lent until the client ends; NULL: it has too many URLs, or this is none, as libcurl will say. */
static CURLU *
parts_of(struct gw_http *h, const char *url)
{
	unsigned i = 0;

	while (i < URLS && h->urls[i].text && strcmp(h->urls[i].text, url) != 0)
		i++;
	if (i == URLS || h->urls[i].text)
		return i < URLS ? h->urls[i].parts : NULL;
	h->urls[i].parts = curl_url();
	h->urls[i].text = strdup(url);
	if (h->urls[i].parts && h->urls[i].text && curl_url_set(h->urls[i].parts, CURLUPART_URL, url, 0) == CURLUE_OK)
		return h->urls[i].parts;
	curl_url_cleanup(h->urls[i].parts);
	free(h->urls[i].text);
	h->urls[i].parts = NULL;
	h->urls[i].text = NULL;
	return NULL;
}

static bool
set_up(struct call *c, const char *method, const char *url, unsigned ms)
{
	CURL *e = c->easy;
	const bool ok = set_text(e, CURLOPT_URL, url);
	CURLU *parts = parts_of(c->http, url);

	if (parts)
		curl_easy_setopt(e, CURLOPT_CURLU, parts);
	curl_easy_setopt(e, CURLOPT_PRIVATE, c);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(ms ? ms : c->http->conf.total_ms));
	curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers);
	set_method(c, method);
	return ok;
}

static CURL *
take_easy(struct gw_http *h)
{
	CURL *e;

	if (h->nidle > 0)
		return h->idle[--h->nidle];
	e = curl_easy_init();
	if (e && !set_once(e, h)) {
		curl_easy_cleanup(e);
		e = NULL;
	}
	return e;
}

static struct call *
new_call(struct gw_http *h, const void *body, size_t len)
{
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->http = h;
	LIST_INSERT_HEAD(&h->calls, c, entry);
	c->easy = take_easy(h);
	c->sent = malloc(len + 1);
	if (!c->easy || !c->sent) {
		drop_call(c);
		return NULL;
	}
	if (len > 0)
		memcpy(c->sent, body, len);
	c->sent_len = len;
	return c;
}

int
gw_http_send(struct gw_http *h, const char *method, const char *url, const char *const *headers, const void *body, size_t len, gw_http_done *done,
    void *self, struct gw_err *err)
{
	return gw_http_send_within(h, 0, method, url, headers, body, len, done, self, err);
}

int
gw_http_send_within(struct gw_http *h, unsigned ms, const char *method, const char *url, const char *const *headers, const void *body, size_t len,
    gw_http_done *done, void *self, struct gw_err *err)
{
	struct call *c = h->closing ? NULL : new_call(h, body, len);
	CURLMcode rc;

	if (!c)
		return gw_fail(err, GW_ESYS, h->closing ? "the client is closing" : "out of memory");
	c->done = done;
	c->self = self;
	if (!add_headers(c, headers) || !set_up(c, method, url, ms)) {
		drop_call(c);
		return gw_fail(err, GW_ECONF, "%s: not a request that can be sent", url);
	}
	rc = curl_multi_add_handle(h->multi, c->easy);
	if (rc == CURLM_OK)
		return 0;
	drop_call(c);
	return gw_fail(err, GW_ESYS, "%s: %s", url, curl_multi_strerror(rc));
}

/* the client */

static char *
keep(const char *text)
{
	return text ? strdup(text) : NULL;
}

struct gw_http *
gw_http_open(uv_loop_t *loop, const struct gw_http_conf *conf, struct gw_err *err)
{
	static bool ready;
	struct gw_http *h = calloc(1, sizeof(*h));

	if (!ready && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		ready = true;
	if (h)
		h->multi = curl_multi_init();
	if (!ready || !h || !h->multi) {
		free(h);
		gw_fail(err, GW_ESYS, "libcurl cannot start");
		return NULL;
	}
	h->loop = loop;
	h->conf = *conf;
	h->certificate = keep(conf->certificate);
	h->private_key = keep(conf->private_key);
	h->ca = keep(conf->ca);
	h->local = keep(conf->local);
	h->identity = keep(conf->identity);
	LIST_INIT(&h->calls);
	LIST_INIT(&h->watches);
	uv_timer_init(loop, &h->timer);
	h->timer.data = h;
	h->handles = 1;
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)KEPT);	/* else four for each request under way, and between two of them none is */
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	return h;
}

/* libcurl closes its sockets and so ends their polls; what it does not tell of has none. */
static void
end(struct gw_http *h)
{
	struct call *c;

	while ((c = LIST_FIRST(&h->calls)) != NULL) {
		curl_multi_remove_handle(h->multi, c->easy);
		drop_call(c);
	}
	while (h->nidle > 0)
		curl_easy_cleanup(h->idle[--h->nidle]);
	curl_multi_cleanup(h->multi);
	for (unsigned i = 0; i < URLS; i++) {
		curl_url_cleanup(h->urls[i].parts);
		free(h->urls[i].text);
	}
	while (!LIST_EMPTY(&h->watches))	/* libcurl's own sockets, which it does not close by us */
		end_watch(LIST_FIRST(&h->watches));
	uv_close((uv_handle_t *)&h->timer, on_timer_closed);
}

void
gw_http_close(struct gw_http *h)
{
	if (!h || h->closing)
		return;
	h->closing = true;
	uv_timer_stop(&h->timer);
	if (h->depth == 0)
		end(h);
}
