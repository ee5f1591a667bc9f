/* bridge/ex_server.c: exchanges that peers begin: who may, what was answered already, and what is answered now */
#include "bridge/ex_int.h"
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "bridge/errors.h"
#include "lib/clock.h"
#include "lib/secret.h"
#include "lib/text.h"
#include "lib/tls_name.h"

enum { CLIENTS = 1024, IDLE_MS = 120000, REQUEST_MS = 10000, AGAIN_MS = 1000 };
enum { FAILED = 1 };	/* what a peer in basic mode is told of every failure (9) */
enum { BCAST_VERSION = 1, REASON = 400 };

/* ---- HTTP ---- */

static void
answer_http(struct ex *ex, struct gw_exchange *x, unsigned status, const char *const *headers, const char *text)
{
	char body[300];
	int n = snprintf(body, sizeof(body), "%s\n", text);

	ex->http[status / 100]++;
	gw_exchange_answer(x, &(struct gw_answer){ .status = status, .content_type = "text/plain; charset=utf-8", .body = body,
	    .len = n < (int)sizeof(body) ? (size_t)n : sizeof(body) - 1, .headers = headers });
}

static void
answer_xml(struct ex *ex, struct gw_exchange *x, const void *document, size_t len)
{
	ex->http[2]++;
	gw_exchange_answer(x, &(struct gw_answer){ .status = 200, .content_type = "application/xml; charset=utf-8", .body = document, .len = len });
}

static const char *
who(const struct gw_httpd_request *r, char *out, size_t cap)
{
	return gw_sockaddr_text(r->peer, out, cap);
}

/* Why not; not even looked into. */
static void
refuse(struct ex *ex, struct gw_exchange *x, const struct gw_httpd_request *r, struct ex_peer *p, unsigned status, const char *const *headers,
    const char *why)
{
	char at[80];

	ex_refused(ex, p, p ? p->name : who(r, at, sizeof(at)), status, why);
	answer_http(ex, x, status, headers, why);
}

static void
busy(struct ex *ex, struct gw_exchange *x, const struct gw_httpd_request *r, struct ex_peer *p, const char *why)
{
	static const char *const later[] = { "Retry-After: 1", NULL };

	refuse(ex, x, r, p, 503, later, why);
}

/* ---- whose certificate ---- */

static bool
carries(struct ex_peer *p, const uint8_t *der, size_t len)
{
	uint8_t *copy;

	if (p->der && p->der_len == len && memcmp(p->der, der, len) == 0)
		return true;
	if (!gw_tls_names_der(der, len, p->conf->identity))
		return false;
	copy = malloc(len);
	if (!copy)
		return true;
	memcpy(copy, der, len);
	free(p->der);
	p->der = copy;
	p->der_len = len;
	return true;
}

/* Is it any peer's? Without TLS everybody is, on this machine. */
static bool
somebody(struct ex *ex, struct gw_exchange *x)
{
	const uint8_t *der;
	size_t len = gw_exchange_certificate(x, &der);
	struct ex_peer *p;

	if (ex->conf->listen.scheme != GW_TLS)
		return true;
	LIST_FOREACH(p, &ex->peers, entry)
		if (carries(p, der, len))
			return true;
	return false;
}

static struct ex_peer *
called(struct ex *ex, const char *id)
{
	struct ex_peer *p;

	LIST_FOREACH(p, &ex->peers, entry)
		if (id && strcmp(p->conf->id, id) == 0)
			return p;
	return NULL;
}

/* ---- calls ---- */

static void
call_free(struct ex_call *c)
{
	struct ex_waiter *w;

	while ((w = SLIST_FIRST(&c->waiters)) != NULL) {
		SLIST_REMOVE_HEAD(&c->waiters, entry);
		free(w);
	}
	LIST_REMOVE(c, entry);
	if (c->peer) {
		c->peer->calls--;
		c->peer->unkept -= c->len;
	}
	c->ex->ncalls--;
	ex_wipe(c->octets, c->len);
	free(c->source);
	free(c->message_id);
	free(c->service);
	free(c->content);
	free(c->schedule);
	free(c);
}

void
ex_drop_calls(struct ex *ex)
{
	struct ex_call *c;

	while ((c = LIST_FIRST(&ex->calls)) != NULL || (c = LIST_FIRST(&ex->answered)) != NULL || (c = LIST_FIRST(&ex->late)) != NULL)
		call_free(c);
}

void
ex_forget_peer(struct ex *ex, struct ex_peer *p)
{
	struct ex_call *c;

	LIST_FOREACH(c, &ex->calls, entry)
		c->peer = c->peer == p ? NULL : c->peer;
	LIST_FOREACH(c, &ex->answered, entry)
		c->peer = c->peer == p ? NULL : c->peer;
	LIST_FOREACH(c, &ex->late, entry)
		c->peer = c->peer == p ? NULL : c->peer;
}

void
ex_wait(struct ex_call *c, unsigned ms)
{
	const uint64_t until_ms = uv_now(c->ex->loop) + ms;

	if (until_ms > c->until_ms)
		c->until_ms = until_ms;
}

static bool
wait_for(struct ex_call *c, struct gw_exchange *x)
{
	struct ex_waiter *w = malloc(sizeof(*w));

	if (!w)
		return false;
	w->to = x;
	SLIST_INSERT_HEAD(&c->waiters, w, entry);
	return true;
}

static struct ex_call *
new_call(struct ex *ex, struct ex_peer *p, struct gw_exchange *x, const struct sp4_msg *m, const uint8_t hash[EX_HASH])
{
	struct ex_call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	SLIST_INIT(&c->waiters);
	c->ex = ex;
	c->peer = p;
	c->tag = (int)m->tag;
	c->until_ms = uv_now(ex->loop) + EX_ANSWER_MS;
	p->calls++;
	ex->ncalls++;
	LIST_INSERT_HEAD(&ex->calls, c, entry);
	memcpy(c->hash, hash, EX_HASH);
	c->source = ex_keep(m->source);
	c->message_id = ex_keep(m->message_id);
	c->service = ex_keep(m->service);
	c->content = ex_keep(m->content);
	c->schedule = ex_keep(m->schedule);
	if (c->source && c->message_id && (c->service || !m->service) && (c->content || !m->content) && (c->schedule || !m->schedule) && wait_for(c, x))
		return c;
	call_free(c);
	return NULL;
}

/* One that is being answered, or whose answer is on its way to the store. */
static struct ex_call *
in_hand(struct ex *ex, const struct sp4_msg *m)
{
	struct ex_call *c;

	LIST_FOREACH(c, &ex->calls, entry)
		if (strcmp(c->message_id, m->message_id) == 0 && strcmp(c->source, m->source) == 0)
			return c;
	LIST_FOREACH(c, &ex->answered, entry)
		if (strcmp(c->message_id, m->message_id) == 0 && strcmp(c->source, m->source) == 0)
			return c;
	return NULL;
}

/* ---- answers ---- */

static unsigned
told(const struct ex_peer *p, unsigned status)
{
	return status && p && p->conf->basic ? FAILED : status;
}

/* m: status, data and extensions; the rest is filled in. Octets in ex->buffer; 0 with *fault. */
static size_t
compose(struct ex *ex, const struct ex_peer *p, const struct sp4_msg *to, struct sp4_msg *m, struct sp4_fault *fault)
{
	size_t len;

	m->tag = to->tag + 1;
	m->message_id = to->message_id;
	m->short_form = p && p->conf->short_form;
	m->status = told(p, (unsigned)m->status);
	m->version = m->time = SP4_ABSENT;
	m->source = m->destination = m->service = m->content = m->schedule = NULL;
	if (!m->short_form) {
		m->version = BCAST_VERSION;
		m->time = sp4_ntp((int64_t)time(NULL));
		m->source = ex->id;
		m->destination = to->source;
		m->service = to->service;
		m->content = to->content;
		m->schedule = to->schedule;
	}
	len = ex_encode(ex, m, fault);
	if (len > 0 || m->short_form)
		return len;
	/* What was asked lacks what the full form has, as its target. */
	m->short_form = true;
	m->version = m->time = SP4_ABSENT;
	m->source = m->destination = m->service = m->content = m->schedule = NULL;
	return ex_encode(ex, m, fault);
}

static size_t
compose_status(struct ex *ex, const struct ex_peer *p, const struct sp4_msg *to, unsigned status, const char *reason)
{
	struct sp4_msg *m = malloc(sizeof(*m));
	struct sp4_fault fault;
	size_t len = 0;

	if (!m)
		return 0;
	sp4_init(m, (int)to->tag + 1);
	m->status = status;
	m->reason = reason && *reason ? reason : NULL;
	len = compose(ex, p, to, m, &fault);
	if (len == 0 && m->reason) {
		m->reason = NULL;
		len = compose(ex, p, to, m, &fault);
	}
	free(m);
	return len;
}

/* An answer that nobody has to remember: the same question would get it again. */
static void
answer_now(struct ex *ex, struct gw_exchange *x, const struct gw_httpd_request *r, struct ex_peer *p, const struct sp4_msg *to, unsigned status,
    const char *reason)
{
	size_t len = compose_status(ex, p, to, status, reason);
	char at[80], text[240];

	snprintf(text, sizeof(text), "status %u: %s", status, reason);
	ex_refused(ex, p, p ? p->name : who(r, at, sizeof(at)), 200, text);
	if (len > 0)
		answer_xml(ex, x, ex->buffer, len);
	else
		answer_http(ex, x, 400, NULL, reason);
}

static void on_idle(uv_idle_t *t) { (void)t; }	/* the loop does not wait: ex_flush() follows in this turn of it */

static void
wake(struct ex *ex)
{
	if (!uv_is_active((uv_handle_t *)&ex->idle))
		uv_idle_start(&ex->idle, on_idle);
}

/* From here on the answer is what it is: kept, then sent. */
static void
settle(struct ex_call *c, size_t len)
{
	struct ex *ex = c->ex;

	c->octets = malloc(len ? len : 1);
	if (c->octets) {
		memcpy(c->octets, ex->buffer, len);
		c->len = len;
		if (c->peer)
			c->peer->unkept += len;
	}
	gw_cleanse(ex->buffer, len);
	LIST_REMOVE(c, entry);
	LIST_INSERT_HEAD(&ex->answered, c, entry);
	c->answered = true;
	wake(ex);
}

void
ex_answer(struct ex_call *c, struct sp4_msg *m)
{
	struct sp4_msg *to = calloc(1, sizeof(*to));
	struct sp4_fault fault = { .verdict = SP4_NO_MEMORY };
	struct gw_err err = { 0 };
	unsigned status = (unsigned)m->status;
	const char *reason = m->reason;
	size_t len = 0;

	if (c->answered || !to) {
		free(to);
		return;
	}
	if (c->ex->closing || c->late) {	/* nobody hears it any more */
		free(to);
		call_free(c);
		return;
	}
	*to = (struct sp4_msg){ .tag = c->tag, .message_id = c->message_id, .source = c->source, .service = c->service, .content = c->content,
		.schedule = c->schedule };
	len = compose(c->ex, c->peer, to, m, &fault);
	if (len == 0) {
		sp4_fail(&err, &fault);
		gw_log(GW_ERR, "answer_wrong", err.text, "peer=%s tag=%d message=%s", c->source, c->tag, c->message_id);
		status = BR_SERVER_ERROR;
		len = compose_status(c->ex, c->peer, to, BR_SERVER_ERROR, "the answer broke a rule");
	}
	if (status && c->peer) {
		char text[240];

		snprintf(text, sizeof(text), "status %u%s%.200s", status, reason ? ": " : "", reason ? reason : "");
		ex_refused(c->ex, c->peer, c->peer->name, 200, text);
	}
	m->message_id = m->source = m->destination = m->service = m->content = m->schedule = NULL;	/* they were lent */
	free(to);
	settle(c, len);
}

void
ex_status(struct ex_call *c, unsigned status, const char *reason)
{
	struct sp4_msg *m = malloc(sizeof(*m));
	char text[REASON];

	if (!m)		/* the peer asks again */
		return;
	gw_text(text, sizeof(text), reason);	/* an ECMG's words may be of any octets */
	sp4_init(m, c->tag + 1);
	m->status = status;
	m->reason = *text ? text : NULL;
	ex_answer(c, m);
	free(m);
}

/* Its peer is answered by a copy of it; the call itself stays for whoever has it, and counts, so that there are never too many of them. */
static void
expire(struct ex_call *c)
{
	struct ex_call *copy = malloc(sizeof(*copy));

	if (!copy)	/* the next time */
		return;
	*copy = *c;
	LIST_REMOVE(c, entry);
	LIST_INSERT_HEAD(&c->ex->late, c, entry);
	LIST_INSERT_HEAD(&copy->ex->calls, copy, entry);
	copy->ex->ncalls++;
	if (copy->peer)
		copy->peer->calls++;
	c->late = true;
	c->source = c->message_id = c->service = c->content = c->schedule = NULL;
	SLIST_INIT(&c->waiters);
	ex_status(copy, BR_DELAYED, "there was no answer in time");
}

void
ex_expire(struct ex *ex, uint64_t now_ms)
{
	struct ex_call *c, *next;

	for (c = LIST_FIRST(&ex->calls); c; c = next) {
		next = LIST_NEXT(c, entry);
		if (now_ms >= c->until_ms)
			expire(c);
	}
}

/* ---- the end of a turn: what was answered is made durable at once, and then leaves ---- */

static void
deliver(struct ex_call *c)
{
	struct ex *ex = c->ex;
	struct ex_waiter *w;

	SLIST_FOREACH(w, &c->waiters, entry) {
		if (c->octets && c->len)
			answer_xml(ex, w->to, c->octets, c->len);
		else
			answer_http(ex, w->to, 503, (const char *const[]){ "Retry-After: 1", NULL }, "out of memory");
	}
}

void
ex_flush(struct ex *ex)
{
	struct ex_call *c;
	int64_t now = gw_utc_us();
	bool kept;

	if (LIST_EMPTY(&ex->answered))
		return;
	ex_store_begin(ex->store);
	LIST_FOREACH(c, &ex->answered, entry)
		if (c->octets && c->len)
			ex_store_keep(ex->store, c->source, c->message_id, c->hash, now, sp4_object_of(c->tag) == SP4_TEK ||
			    sp4_object_of(c->tag) == SP4_SEAK, c->octets, c->len);
	kept = ex_store_flush(ex->store) == GW_WON;
	if (!kept) {	/* a key on air is worth more than the memory of it: what is asked again is done again */
		ex->unkept++;
		gw_log_limited(&ex->rate, GW_ERR, "answers_not_kept", "the store does not take them: a repeat after a restart will be new", "bridge=%s",
		    ex->conf->name);
	}
	while ((c = LIST_FIRST(&ex->answered)) != NULL) {
		deliver(c);
		call_free(c);
	}
}

/* ---- a document ---- */

/* Who may send what to whom (section 4). */
static const struct { uint32_t from, to, from2, to2; } ways[SP4_TAGS + 1] = {
	[1] = { HE_ROLE_BSA, HE_ROLE_BSM, 0, 0 }, [3] = { HE_ROLE_BSM, HE_ROLE_BSA, 0, 0 },
	[5] = { HE_ROLE_BSDA, HE_ROLE_BSM, 0, 0 }, [7] = { HE_ROLE_BSM, HE_ROLE_BSDA, 0, 0 },
	[9] = { HE_ROLE_BSDA, HE_ROLE_BSM, 0, 0 }, [11] = { HE_ROLE_BSM, HE_ROLE_BSDA, 0, 0 },
	[13] = { HE_ROLE_BSDA, HE_ROLE_BSM, 0, 0 }, [15] = { HE_ROLE_BSM, HE_ROLE_BSDA, 0, 0 },
	[17] = { HE_ROLE_BSDA, HE_ROLE_BSM, HE_ROLE_BSM, HE_ROLE_BSDA }, [19] = { HE_ROLE_BSM, HE_ROLE_BSDA, HE_ROLE_BSDA, HE_ROLE_BSM },
};

static bool
permitted(const struct ex *ex, const struct ex_peer *p, int64_t tag)
{
	unsigned theirs = p->conf->roles, ours = ex->conf->roles;

	return ((theirs & ways[tag].from) && (ours & ways[tag].to)) || ((theirs & ways[tag].from2) && (ours & ways[tag].to2));
}

static bool
handled(struct ex *ex, struct ex_call *c, const struct he_sp4_peer *from, const struct sp4_msg *m)
{
	for (size_t k = 0; k < EX_HANDLERS && ex->handlers[m->tag][k].handle; k++)
		if (ex->handlers[m->tag][k].handle(ex->handlers[m->tag][k].self, c, from, m))
			return true;
	return false;
}

/* For the answer to another message, which is kept for ten minutes. At the bound what is over goes at once, not only with the minute. */
static bool
room(struct ex *ex, const struct ex_peer *p)
{
	const struct he_bridge *b = ex->conf;

	if (ex_store_room(ex->store, p->conf->id, p->unkept, b->store_limit, b->npeers))
		return true;
	if (uv_now(ex->loop) - ex->trimmed_ms < AGAIN_MS)
		return false;
	ex_trim(ex);
	return ex_store_room(ex->store, p->conf->id, p->unkept, b->store_limit, b->npeers);
}

static void
hand_over(struct ex *ex, struct gw_exchange *x, const struct gw_httpd_request *r, struct ex_peer *p, const struct sp4_msg *m,
    const uint8_t hash[EX_HASH])
{
	struct ex_call *c;

	if (ex->ncalls >= EX_CALLS || p->calls >= EX_PEER_CALLS) {
		busy(ex, x, r, p, "too much at once");
		return;
	}
	if (!room(ex, p)) {
		p->counts.no_room++;
		busy(ex, x, r, p, "too much was answered within ten minutes (store_limit)");
		return;
	}
	c = new_call(ex, p, x, m, hash);
	if (!c) {
		busy(ex, x, r, p, "out of memory");
		return;
	}
	p->counts.received++;
	if (!handled(ex, c, p->conf, m))
		ex_status(c, BR_NOT_PERMITTED, "this is not served here");
}

/* Known already? Then it is answered as it was. */
static bool
repeated(struct ex *ex, struct gw_exchange *x, const struct gw_httpd_request *r, struct ex_peer *p, const struct sp4_msg *m,
    const uint8_t hash[EX_HASH])
{
	struct ex_call *c = in_hand(ex, m);
	struct gw_blob answer = { NULL, 0 };
	enum gw_outcome o = GW_EXISTS;
	bool same = c && memcmp(c->hash, hash, EX_HASH) == 0;

	if (!c)
		o = ex_store_find(ex->store, m->source, m->message_id, hash, gw_utc_us(), &same, &answer);
	if (!c && o != GW_WON) {
		if (o == GW_UNAVAILABLE)
			busy(ex, x, r, p, "the store is busy");
		return o == GW_UNAVAILABLE;
	}
	p->counts.repeated++;
	if (!same)
		answer_now(ex, x, r, p, m, BR_PROCESSED, "this messageID was another message's");
	else if (c && !wait_for(c, x))
		busy(ex, x, r, p, "out of memory");
	else if (!c)
		answer_xml(ex, x, answer.p, answer.len);
	gw_store_free(&answer);
	return true;
}

/* What a decoded message may be refused for before anybody looks at what it wants. */
static void
take_message(struct ex *ex, struct gw_exchange *x, const struct gw_httpd_request *r, const struct sp4_msg *m, const struct sp4_fault *fault)
{
	struct ex_peer *p = called(ex, m->source);
	uint8_t hash[EX_HASH];
	const uint8_t *der;
	size_t len = gw_exchange_certificate(x, &der);
	bool cp3 = sp4_object_of(m->tag) == SP4_TEK;

	if (!p) {
		ex->unknown++;
		answer_now(ex, x, r, NULL, m, BR_UNKNOWN_SOURCE, "this source is not known here");
		return;
	}
	if (ex->conf->listen.scheme == GW_TLS && !carries(p, der, len)) {
		refuse(ex, x, r, p, 403, NULL, "the certificate is not the source's");
		return;
	}
	p->counts.last_heard_us = gw_utc_us();
	EVP_Digest(r->body, r->body_len, hash, NULL, EVP_sha256(), NULL);
	if (strcmp(m->destination, ex->id) != 0)
		answer_now(ex, x, r, p, m, BR_WRONG_DESTINATION, "this is for somebody else");
	else if (m->version != SP4_ABSENT && m->version != BCAST_VERSION)
		answer_now(ex, x, r, p, m, BR_VERSION, "version 1 is spoken here");
	else if (fault->verdict == SP4_SEMANTIC)
		answer_now(ex, x, r, p, m, BR_SEMANTIC, fault->rule);
	else if (cp3 != (strcmp(r->path, "/bcast/cp3") == 0))
		answer_now(ex, x, r, p, m, BR_NOT_PERMITTED, cp3 ? "tags 1 to 4 go to /bcast/cp3" : "tags 5 to 20 go to /bcast/sp4");
	else if (!permitted(ex, p, m->tag))
		answer_now(ex, x, r, p, m, BR_NOT_PERMITTED, "the roles of both ends do not allow this");
	else if (!repeated(ex, x, r, p, m, hash))
		hand_over(ex, x, r, p, m, hash);
}

static void
take_document(struct ex *ex, struct gw_exchange *x, const struct gw_httpd_request *r)
{
	struct sp4_msg *m = calloc(1, sizeof(*m));
	struct sp4_fault fault = { .verdict = SP4_OK };
	struct gw_err err = { 0 };

	if (!m) {
		busy(ex, x, r, NULL, "out of memory");
		return;
	}
	if (sp4_decode(ex->schema, r->body, r->body_len, m, &fault) < 0 && fault.verdict != SP4_SEMANTIC) {
		sp4_fail(&err, &fault);
		if (fault.verdict == SP4_NO_MEMORY)
			busy(ex, x, r, NULL, "out of memory");
		else
			refuse(ex, x, r, NULL, fault.verdict == SP4_TOO_LONG ? 413 : 400, NULL, err.text);
	} else if (m->tag % 2 == 0 || !m->message_id || !m->source || !m->destination) {
		refuse(ex, x, r, called(ex, m->source), 400, NULL, "an exchange begins with a request or a delivery");
	} else {
		take_message(ex, x, r, m, &fault);
	}
	sp4_fini(m);
	free(m);
}

/* UTF-8, or nothing said. */
static bool
charset_ok(const char *type)
{
	const char *p = type ? strcasestr(type, "charset=") : NULL;

	if (!p)
		return true;
	p += strlen("charset=");
	p += *p == '"';
	return strncasecmp(p, "utf-8", 5) == 0 && strchr("\"; \t", p[5]) != NULL;
}

static void
on_request(void *self, struct gw_exchange *x, const struct gw_httpd_request *r)
{
	static const char *const post[] = { "Allow: POST", NULL }, *const get[] = { "Allow: GET, HEAD", NULL };
	struct ex *ex = self;
	bool health = strcmp(r->path, "/bcast/health") == 0;

	if (health && (strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0))
		answer_http(ex, x, 200, NULL, "ok");
	else if (!health && strcmp(r->path, "/bcast/sp4") != 0 && strcmp(r->path, "/bcast/cp3") != 0)
		refuse(ex, x, r, NULL, 404, NULL, "there is /bcast/sp4, /bcast/cp3 and /bcast/health");
	else if (health || strcmp(r->method, "POST") != 0)
		refuse(ex, x, r, NULL, 405, health ? get : post, "this method has no meaning here");
	else if (!somebody(ex, x))
		refuse(ex, x, r, NULL, 403, NULL, "the certificate is no peer's");
	else if ((strcmp(r->content_type, "application/xml") != 0 && strcmp(r->content_type, "text/xml") != 0) ||
	    !charset_ok(gw_exchange_header(x, "content-type")))
		refuse(ex, x, r, NULL, 415, NULL, "application/xml in UTF-8 is wanted");
	else
		take_document(ex, x, r);
}

static bool
left(struct ex_call *c, const struct gw_exchange *x)
{
	struct ex_waiter *w;

	SLIST_FOREACH(w, &c->waiters, entry)
		if (w->to == x) {
			SLIST_REMOVE(&c->waiters, w, ex_waiter, entry);
			free(w);
			return true;
		}
	return false;
}

/* The client has left; the call goes on: what it asked for is done, and the repeat will find the answer. */
static void
on_gone(void *self, struct gw_exchange *x)
{
	struct ex *ex = self;
	struct ex_call *c;

	LIST_FOREACH(c, &ex->calls, entry)
		if (left(c, x))
			return;
	LIST_FOREACH(c, &ex->answered, entry)
		if (left(c, x))
			return;
}

static void
on_refused(void *self, const struct sockaddr *peer, unsigned status, const char *why)
{
	struct ex *ex = self;
	char at[80];

	ex->http[status / 100]++;
	ex_refused(ex, NULL, gw_sockaddr_text(peer, at, sizeof(at)), status, why);
}

int
ex_serve(struct ex *ex, struct gw_err *err)
{
	const struct he_bridge *b = ex->conf;
	struct gw_httpd_conf conf = { .listen = b->listen, .certificate = b->certificate, .private_key = b->private_key, .client_ca = b->ca,
		.max_body = SP4_DOCUMENT, .max_clients = CLIENTS, .idle_ms = IDLE_MS, .request_ms = REQUEST_MS, .request = on_request, .gone = on_gone,
		.refused = on_refused, .self = ex };

	if (!b->listen.scheme)
		return 0;
	ex->httpd = gw_httpd_open(ex->loop, &conf, err);
	return ex->httpd ? 0 : -1;
}

void
ex_serve_close(struct ex *ex)
{
	struct ex_call *c;
	struct ex_waiter *w;

	LIST_FOREACH(c, &ex->calls, entry)
		while ((w = SLIST_FIRST(&c->waiters)) != NULL) {
			SLIST_REMOVE_HEAD(&c->waiters, entry);
			free(w);
		}
	gw_httpd_close(ex->httpd);
	ex->httpd = NULL;
}
