/* bridge/ex_client.c: exchanges that we begin: attempts, their time-outs, and what an answer has to be */
#include "bridge/ex_int.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "lib/clock.h"
#include "lib/secret.h"

enum { CONNECT_MS = 2000, FAST_MS = 2000, SLOW_MS = 10000, NAME = 80 };
static const int64_t second_us = 1000000, longest_us = 60 * INT64_C(1000000);

int64_t
ex_retry_us(unsigned attempts)
{
	static const int64_t first[] = { 200000, 500000, 1000000 };

	if (attempts <= 3)
		return first[attempts ? attempts - 1 : 0];
	return attempts < 9 ? second_us << (attempts - 3) : longest_us;
}

/* ---- the connections of a peer ---- */

int
ex_line_open(struct ex *ex, struct ex_peer *p, struct gw_err *err)
{
	const struct he_bridge *b = ex->conf;
	struct ex_line *l;
	bool tls;

	p->line = NULL;
	if (!p->conf->url)
		return 0;
	tls = strncmp(p->conf->url, "https://", 8) == 0;
	l = calloc(1, sizeof(*l));
	if (!l)
		return gw_fail(err, GW_ESYS, "out of memory");
	l->http = gw_http_open(ex->loop, &(struct gw_http_conf){ .certificate = tls ? b->certificate : NULL, .private_key = tls ? b->private_key : NULL,
		.ca = tls ? b->ca : NULL, .identity = tls ? p->conf->identity : NULL, .max_answer = SP4_DOCUMENT, .connect_ms = CONNECT_MS,
		.total_ms = SLOW_MS, .plain_ok = b->plain }, err);
	if (!l->http) {
		free(l);
		return -1;
	}
	l->peer = p;
	LIST_INSERT_HEAD(&ex->lines, l, entry);
	p->line = l;
	return 0;
}

static void
line_free(struct ex_line *l)
{
	LIST_REMOVE(l, entry);
	gw_http_close(l->http);
	free(l);
}

void
ex_line_retire(struct ex_line *l)
{
	if (!l)
		return;
	l->retired = true;
	if (l->flights == 0)
		line_free(l);
}

/* ---- one exchange ---- */

static void
unlist(struct ex_flight *f)
{
	gw_due_set(&f->ex->dues, &f->due, INT64_MAX);
	if (f->queued)
		TAILQ_REMOVE(&f->peer->ready, f, queue);
	LIST_REMOVE(f, entry);
	f->ex->nflights--;
}

static void
flight_free(struct ex_flight *f)
{
	ex_wipe(f->octets, f->len);
	free(f->message_id);
	free(f->service);
	free(f->content);
	free(f->schedule);
	free(f);
}

static void
end(struct ex_flight *f, enum ex_end how, const struct sp4_msg *answer, const char *reason)
{
	struct ex_result r = { .end = how, .answer = answer, .http = f->http, .reason = reason, .attempts = f->attempts,
		.took_us = gw_mono_us() - f->began_us };
	struct ex_counts *n = &f->peer->counts;

	if (how == EX_ANSWERED) {
		n->answered++;
	} else if (how != EX_CANCELLED) {
		n->failed++;
		n->last_failed_us = gw_utc_us();
		gw_log_limited(&f->peer->rate, GW_WARNING, "exchange_failed", reason, "peer=%s tag=%d message=%s attempts=%u http=%u", f->peer->name, f->tag,
		    f->message_id, f->attempts, f->http);
	}
	unlist(f);
	f->done(f->self, &r);
	flight_free(f);		/* an answer in the short form was filled up from it */
}

static void pump(struct ex_peer *);

/* What came with 200: the answer to this very message, from whom it was sent to, to us. NULL, or why not. */
static const char *
wrong(const struct ex_flight *f, const struct sp4_msg *m)
{
	if (m->tag != f->tag + 1)
		return "the answer has another tag";
	if (!m->message_id || strcmp(m->message_id, f->message_id) != 0)
		return "the answer has another messageID";
	if (m->source && strcmp(m->source, f->peer->conf->id) != 0)
		return "the answer is not from whom was asked";
	if (m->destination && strcmp(m->destination, f->ex->id) != 0)
		return "the answer is for somebody else";
	if (m->service && f->service && strcmp(m->service, f->service) != 0)
		return "the answer is for another service";
	if (m->content && f->content && strcmp(m->content, f->content) != 0)
		return "the answer is for another content";
	return NULL;
}

/* The short form leaves out what the request has said. */
static void
fill_up(const struct ex_flight *f, struct sp4_msg *m)
{
	m->source = m->source ? m->source : f->peer->conf->id;
	m->destination = m->destination ? m->destination : f->ex->id;
	m->service = m->service ? m->service : f->service;
	m->content = m->content ? m->content : f->content;
	m->schedule = m->schedule ? m->schedule : f->schedule;
}

static void
take_answer(struct ex_flight *f, const struct gw_reply *r)
{
	struct sp4_msg msg, *const m = &msg;		/* of several KiB, which sp4_decode sets */
	struct sp4_fault fault = { .verdict = SP4_NO_MEMORY };
	struct gw_err err = { 0 };
	const char *why;

	m->memory = NULL;
	if (strcmp(r->content_type, "application/xml") != 0 && strcmp(r->content_type, "text/xml") != 0) {
		end(f, EX_WRONG, NULL, "the answer is not XML by its content type");
	} else if (sp4_decode(f->ex->schema, r->body, r->len, m, &fault) < 0) {
		sp4_fail(&err, &fault);
		end(f, EX_WRONG, NULL, err.text);
	} else if ((why = wrong(f, m)) != NULL) {
		end(f, EX_WRONG, NULL, why);
	} else {
		fill_up(f, m);
		end(f, EX_ANSWERED, m, m->reason ? m->reason : "");
	}
	sp4_fini(m);
}

/* Again later, or not any more. */
static void
again(struct ex_flight *f, int64_t wait_us, const char *reason)
{
	int64_t at = gw_mono_us() + wait_us;
	bool over = at >= f->give_up_us;

	if (!over || !f->cut_short) {
		if (!f->peer->silent)	/* once, until it answers again */
			gw_log(GW_WARNING, "peer_silent", reason, "peer=%s url=%s", f->peer->name, f->peer->conf->url ? f->peer->conf->url : "");
		ex_set_silent(f->ex, f->peer, true);
	}
	if (over) {
		end(f, EX_SILENT, NULL, reason);
		return;
	}
	gw_due_set(&f->ex->dues, &f->due, at);
	ex_tick(f->ex);
}

/* Seconds only: a date would need our clocks to agree. */
static int64_t
retry_after(const struct gw_reply *r)
{
	const char *text = gw_reply_header(r, "retry-after");
	long s = text ? strtol(text, NULL, 10) : 0;

	return s <= 0 ? 0 : s > 60 ? longest_us : s * second_us;
}

static void
take_failure(struct ex_flight *f, const struct gw_reply *r, bool later)
{
	const int64_t wait = ex_retry_us(f->attempts), asked = r->status ? retry_after(r) : 0;
	char text[200];

	if (r->status)
		snprintf(text, sizeof(text), "HTTP %u", r->status);
	else
		snprintf(text, sizeof(text), "%s", r->error);
	if (later)
		again(f, asked > wait ? asked : wait, text);
	else
		end(f, EX_REFUSED, NULL, text);
}

static void
on_reply(void *self, const struct gw_reply *r)
{
	struct ex_flight *f = self;
	struct ex_peer *p = f->peer;
	struct ex_line *l = f->line;
	/* busy, or a proxy whose server is: the same as nobody there */
	bool later = r->status == 0 || r->status == 408 || r->status == 429 || (r->status >= 502 && r->status <= 504);

	f->line = NULL;
	l->flights--;
	p->under_way--;
	f->http = r->status;
	if (r->status)
		p->counts.last_heard_us = gw_utc_us();
	if (!later && p->silent)
		gw_log(GW_NOTICE, "peer_back", NULL, "peer=%s", p->name);
	ex_set_silent(f->ex, p, p->silent && later);
	if (r->status == 200)
		take_answer(f, r);
	else
		take_failure(f, r, later);
	if (l->retired && l->flights == 0)
		line_free(l);
	pump(p);
}

static void
attempt(struct ex_flight *f)
{
	static const char *const headers[] = { "Content-Type: application/xml; charset=utf-8", "Accept: application/xml, text/xml", NULL };
	struct ex_peer *p = f->peer;
	int64_t left_ms = (f->give_up_us - gw_mono_us()) / 1000;
	struct gw_err err = { 0 };
	char url[400];

	if (left_ms < 1) {
		end(f, EX_SILENT, NULL, "there was no connection free in time");
		return;
	}
	f->attempts++;
	f->cut_short = left_ms < f->attempt_ms / 2;
	if (f->attempts == 1)
		p->counts.sent++;
	else
		p->counts.retried++;
	snprintf(url, sizeof(url), "%s%s", p->conf->url, sp4_object_of(f->tag) == SP4_TEK ? "/bcast/cp3" : "/bcast/sp4");
	f->line = p->line;
	f->line->flights++;
	p->under_way++;
	if (gw_http_send_within(p->line->http, left_ms < f->attempt_ms ? (unsigned)left_ms : f->attempt_ms, "POST", url, headers, f->octets, f->len, on_reply,
	    f, &err) == 0)
		return;
	f->line->flights--;
	f->line = NULL;
	p->under_way--;
	again(f, ex_retry_us(f->attempts), err.text);
}

static void
pump(struct ex_peer *p)
{
	struct ex_flight *f;

	while (p->line && p->under_way < p->conf->connections && (f = TAILQ_FIRST(&p->ready)) != NULL) {
		TAILQ_REMOVE(&p->ready, f, queue);
		f->queued = false;
		gw_due_set(&f->ex->dues, &f->due, INT64_MAX);
		attempt(f);
	}
}

static void
on_timer(uv_timer_t *t)
{
	ex_tick(t->data);
}

/* Those whose time has come: to be tried again, or, when they still wait for a connection, given up. */
void
ex_tick(struct ex *ex)
{
	int64_t now = gw_mono_us(), next;
	struct gw_due *d;

	while (!ex->closing && (d = gw_dues_first(&ex->dues)) != NULL && d->at_us <= now) {
		struct ex_flight *f = (struct ex_flight *)(void *)d;

		gw_due_set(&ex->dues, d, INT64_MAX);
		if (now >= f->give_up_us) {
			end(f, EX_SILENT, NULL, f->queued ? "there was no connection free in time" : "there was no answer in time");
			continue;
		}
		if (!f->queued) {
			f->queued = true;
			TAILQ_INSERT_TAIL(&f->peer->ready, f, queue);
			gw_due_set(&ex->dues, d, f->give_up_us);
		}
		pump(f->peer);
	}
	next = gw_dues_next(&ex->dues);
	if (ex->closing || next == INT64_MAX)
		uv_timer_stop(&ex->timer);
	else
		uv_timer_start(&ex->timer, on_timer, next <= now ? 1 : (uint64_t)((next - now) / 1000 + 1), 0);
}

void
ex_end_flights(struct ex *ex, struct ex_peer *p, enum ex_end how, const char *reason)
{
	struct ex_flight *f, *after;
	struct ex_line *l, *next;

	for (l = LIST_FIRST(&ex->lines); l; l = next) {	/* no answer is heard from now on */
		next = LIST_NEXT(l, entry);
		if (p && l->peer != p)
			continue;
		l->peer->line = NULL;
		line_free(l);
	}
	for (f = LIST_FIRST(&ex->flights); f; f = after) {
		after = LIST_NEXT(f, entry);
		if (!p || f->peer == p)
			end(f, how, NULL, reason);
	}
}

/* ---- what is sent ---- */

static int
keep_texts(struct ex_flight *f, const struct sp4_msg *m)
{
	f->message_id = ex_keep(m->message_id);
	f->service = ex_keep(m->service);
	f->content = ex_keep(m->content);
	f->schedule = ex_keep(m->schedule);
	return f->message_id && (f->service || !m->service) && (f->content || !m->content) && (f->schedule || !m->schedule) ? 0 : -1;
}

static struct ex_flight *
new_flight(struct ex *ex, struct ex_peer *p, const struct sp4_msg *m, size_t len)
{
	struct ex_flight *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->ex = ex;
	f->peer = p;
	f->tag = (int)m->tag;
	LIST_INSERT_HEAD(&ex->flights, f, entry);
	ex->nflights++;
	f->octets = malloc(len);
	f->len = f->octets ? len : 0;
	if (!f->octets || keep_texts(f, m) < 0 || gw_dues_reserve(&ex->dues, ex->nflights) < 0) {
		unlist(f);
		flight_free(f);
		return NULL;
	}
	memcpy(f->octets, ex->buffer, len);
	return f;
}

static unsigned
wait_ms(const struct he_sp4_peer *p, int64_t tag, unsigned attempt_ms)
{
	if (attempt_ms)
		return attempt_ms;
	if (p->timeout_ms)
		return p->timeout_ms;
	return tag <= 7 ? FAST_MS : SLOW_MS;
}

int
ex_send(struct ex *ex, const struct he_sp4_peer *to, struct sp4_msg *m, unsigned attempt_ms, int64_t give_up_us, ex_done *done, void *self,
    struct gw_err *err)
{
	struct ex_peer *p = ex_peer(ex, to);
	struct sp4_fault fault = { .verdict = SP4_OK };
	struct ex_flight *f;
	char id[NAME + 48];
	size_t len;

	if (ex->closing || !p || !p->line || m->tag % 2 == 0)
		return gw_fail(err, GW_ECONF, "peer %s: %s", to->name, !p ? "it is not in the file any more" : !p->line ? "it has no url" :
		    ex->closing ? "the bridge is closing" : "not a request or delivery");
	if (ex->nflights >= EX_FLIGHTS)
		return gw_fail(err, GW_ESYS, "more than %d exchanges under way", EX_FLIGHTS);
	snprintf(id, sizeof(id), "%.*s-%" PRId64 "-%" PRIu64, NAME, ex->id, ex_store_boot(ex->store), ++ex->sequence);
	m->message_id = id;
	m->source = ex->id;
	m->destination = p->conf->id;
	m->version = 1;
	m->time = sp4_ntp((int64_t)time(NULL));
	m->short_form = false;
	len = ex_encode(ex, m, &fault);
	if (len == 0)
		return sp4_fail(err, &fault);
	f = new_flight(ex, p, m, len);
	gw_cleanse(ex->buffer, len);
	m->message_id = NULL;	/* it was lent */
	if (!f)
		return gw_fail(err, GW_ESYS, "out of memory");
	f->attempt_ms = wait_ms(p->conf, m->tag, attempt_ms);
	f->began_us = gw_mono_us();
	f->give_up_us = give_up_us;
	f->done = done;
	f->self = self;
	gw_due_set(&ex->dues, &f->due, f->began_us);	/* from the loop: done is never called from here */
	uv_timer_start(&ex->timer, on_timer, 0, 0);
	return 0;
}
