/* bridge/exchange.c: opens, reads anew and closes what exchanges need; and what operators see of them */
#include "bridge/exchange.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/ex_int.h"
#include "lib/clock.h"
#include "lib/httpd_tls.h"
#include "lib/ops.h"
#include "lib/secret.h"
#include "lib/text.h"
#include "lib/xml.h"

enum { TRIM_MS = 60000, EXPIRE_MS = 1000 };

/* ---- small things ---- */

char *
ex_keep(const char *text)
{
	return text ? strdup(text) : NULL;
}

void
ex_wipe(char *p, size_t len)
{
	if (p)
		gw_cleanse(p, len);
	free(p);
}

size_t
ex_encode(struct ex *ex, const struct sp4_msg *m, struct sp4_fault *fault)
{
	return sp4_encode(m, ex->buffer, SP4_DOCUMENT + 1, fault);
}

struct ex_peer *
ex_peer(const struct ex *ex, const struct he_sp4_peer *conf)
{
	struct ex_peer *p;

	LIST_FOREACH(p, &ex->peers, entry)
		if (p->conf == conf || strcmp(p->name, conf->name) == 0)
			return p;
	return NULL;
}

void
ex_watch(struct ex *ex, ex_told *told, void *self)
{
	ex->watcher.told = told;
	ex->watcher.self = self;
}

bool
ex_silent(const struct ex *ex, const struct he_sp4_peer *conf)
{
	const struct ex_peer *p = ex_peer(ex, conf);

	return p && p->silent;
}

void
ex_set_silent(struct ex *ex, struct ex_peer *p, bool silent)
{
	if (p->silent == silent)
		return;
	p->silent = silent;
	if (ex->watcher.told && !ex->closing)
		ex->watcher.told(ex->watcher.self, p->conf, silent);
}

void
ex_refused(struct ex *ex, struct ex_peer *p, const char *who, unsigned http, const char *why)
{
	char status[16] = "-", text[sizeof(ex->last->text)];

	if (p)
		p->counts.refused++;
	if (http)
		snprintf(status, sizeof(status), "%u", http);
	snprintf(text, sizeof(text), "%.80s: %s%s%s", who, http && http != 200 ? status : "", http && http != 200 ? " " : "", why);
	gw_text(ex->last[ex->nlast % EX_LAST].text, sizeof(ex->last->text), text);
	ex->last[ex->nlast++ % EX_LAST].utc_us = gw_utc_us();
	gw_log_limited(p ? &p->rate : &ex->rate, GW_NOTICE, "refused", why, "peer=%s http=%s", who, status);
}

/* ---- peers ---- */

static void
peer_free(struct ex_peer *p)
{
	LIST_REMOVE(p, entry);
	free(p->der);
	free(p->name);
	free(p);
}

static struct ex_peer *
peer_new(struct ex *ex, const struct he_sp4_peer *conf)
{
	struct ex_peer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	LIST_INSERT_HEAD(&ex->peers, p, entry);
	TAILQ_INIT(&p->ready);
	p->rate = (struct gw_rate){ .burst = 5, .per_ms = 10000 };
	p->conf = conf;
	p->name = ex_keep(conf->name);
	if (p->name)
		return p;
	peer_free(p);
	return NULL;
}

/* ---- opening and closing ---- */

static void
on_timer_closed(uv_handle_t *h)
{
	struct ex *ex = h->data;
	struct ex_peer *p;

	if (--ex->handles > 0)
		return;
	ex_drop_calls(ex);
	while ((p = LIST_FIRST(&ex->peers)) != NULL)
		peer_free(p);
	gw_dues_free(&ex->dues);
	ex_store_close(ex->store);
	gw_xml_schema_free(ex->schema);
	ex_wipe(ex->buffer, ex->buffer ? SP4_DOCUMENT + 1 : 0);
	free(ex->id);
	free(ex);
}

void
ex_trim(struct ex *ex)
{
	ex->trimmed_ms = uv_now(ex->loop);
	ex_store_trim(ex->store, gw_utc_us());
}

static void
on_trim(uv_timer_t *t)
{
	struct ex *ex = t->data;
	uint64_t now = uv_now(ex->loop);

	ex_expire(ex, now);
	if (now - ex->trimmed_ms >= TRIM_MS)
		ex_trim(ex);
}

static void
on_check(uv_check_t *c)
{
	struct ex *ex = c->data;

	if (ex->closing)
		return;
	ex_flush(ex);
	if (LIST_EMPTY(&ex->answered))
		uv_idle_stop(&ex->idle);
}

static void
open_handles(struct ex *ex)
{
	uv_handle_t *each[] = { (uv_handle_t *)&ex->timer, (uv_handle_t *)&ex->trim, (uv_handle_t *)&ex->check, (uv_handle_t *)&ex->idle };

	uv_timer_init(ex->loop, &ex->timer);
	uv_timer_init(ex->loop, &ex->trim);
	uv_check_init(ex->loop, &ex->check);
	uv_idle_init(ex->loop, &ex->idle);
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++)
		each[i]->data = ex;
	ex->handles = sizeof(each) / sizeof(each[0]);
}

/* Calls show the same as the server does; a bridge that only calls would learn of a fault when it is needed. */
static int
credentials_fit(const struct he_bridge *b, struct gw_err *err)
{
	return b->certificate && b->private_key ? gw_tls_check(b->certificate, b->private_key, b->ca, err) : 0;
}

static int
begin(struct ex *ex, const char *dir, struct gw_err *err)
{
	const struct he_bridge *b = ex->conf;

	ex->buffer = malloc(SP4_DOCUMENT + 1);
	ex->id = ex_keep(b->id);
	if (!ex->buffer || !ex->id)
		return gw_fail(err, GW_ESYS, "out of memory");
	ex->schema = sp4_schema(dir, err);
	if (!ex->schema || credentials_fit(b, err) < 0 || ex_store_open(b->store, b->master, &ex->store, err) < 0)
		return -1;
	for (size_t i = 0; i < b->npeers; i++) {
		struct ex_peer *p = peer_new(ex, &b->peers[i]);

		if (!p)
			return gw_fail(err, GW_ESYS, "out of memory");
		if (ex_line_open(ex, p, err) < 0)
			return gw_wrap(err, "peer %s", p->name);
	}
	ex_trim(ex);
	uv_timer_start(&ex->trim, on_trim, EXPIRE_MS, EXPIRE_MS);
	uv_check_start(&ex->check, on_check);
	return ex_serve(ex, err) < 0 ? gw_wrap(err, "bridge %s", b->name) : 0;
}

struct ex *
ex_open(uv_loop_t *loop, const struct headend *he, const struct he_bridge *b, const char *dir, struct gw_err *err)
{
	struct ex *ex = calloc(1, sizeof(*ex));

	if (!ex) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	ex->loop = loop;
	ex->he = he;
	ex->conf = b;
	ex->rate = (struct gw_rate){ .burst = 5, .per_ms = 10000 };
	LIST_INIT(&ex->peers);
	LIST_INIT(&ex->lines);
	LIST_INIT(&ex->calls);
	LIST_INIT(&ex->answered);
	LIST_INIT(&ex->late);
	LIST_INIT(&ex->flights);
	open_handles(ex);
	if (begin(ex, dir, err) == 0)
		return ex;
	ex_close(ex);
	return NULL;
}

void
ex_close(struct ex *ex)
{
	if (!ex || ex->closing)
		return;
	if (ex->store)
		ex_flush(ex);
	ex->closing = true;
	ex_serve_close(ex);
	ex_end_flights(ex, NULL, EX_CANCELLED, "the bridge is closing");
	uv_close((uv_handle_t *)&ex->timer, on_timer_closed);
	uv_close((uv_handle_t *)&ex->trim, on_timer_closed);
	uv_close((uv_handle_t *)&ex->check, on_timer_closed);
	uv_close((uv_handle_t *)&ex->idle, on_timer_closed);
}

/* ---- another reading of the file ---- */

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static int
fixed(const struct headend *he, const struct he_bridge *a, const struct he_bridge *b, struct gw_err *err)
{
	char x[GW_ADDR_TEXT] = "", y[GW_ADDR_TEXT] = "";
	const struct { const char *key; bool same; } all[] = {
		{ "id", same_text(a->id, b->id) },
		{ "listen", a->listen.scheme == b->listen.scheme && (!a->listen.scheme ||
		    strcmp(gw_addr_text(&a->listen, x, sizeof(x)), gw_addr_text(&b->listen, y, sizeof(y))) == 0) },
		{ "plain", a->plain == b->plain },
		{ "certificate", same_text(a->certificate, b->certificate) },
		{ "private_key", same_text(a->private_key, b->private_key) },
		{ "ca", same_text(a->ca, b->ca) },
		{ "store", same_text(a->store, b->store) && same_text(a->master, b->master) },
		{ "seaks", same_text(a->seaks, b->seaks) && same_text(a->seaks_master, b->seaks_master) },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!all[i].same)
			return gw_fail(err, GW_ECONF, "%s:%d:%d: %s of bridge %s has changed: that takes a restart", he->file, b->at.line, b->at.column,
			    all[i].key, b->name);
	return 0;
}

static const struct he_sp4_peer *
named(const struct he_bridge *b, const char *name)
{
	for (size_t i = 0; i < b->npeers; i++)
		if (strcmp(b->peers[i].name, name) == 0)
			return &b->peers[i];
	return NULL;
}

/* What goes is told; what stays gets new connections, for certificates may have changed. The old ones live until their last exchange has ended. */
static int
take_peer(struct ex *ex, const struct he_sp4_peer *conf, struct gw_err *err)
{
	struct ex_peer *p = ex_peer(ex, conf);
	struct ex_line *old = p ? p->line : NULL;

	if (!p && !(p = peer_new(ex, conf)))
		return gw_fail(err, GW_ESYS, "out of memory");
	p->conf = conf;
	free(p->der);
	p->der = NULL;
	p->der_len = 0;
	if (ex_line_open(ex, p, err) < 0) {	/* nothing but memory can be lacking: what was there goes on */
		p->line = old;
		return -1;
	}
	ex_line_retire(old);
	return 0;
}

int
ex_check(struct ex *ex, const struct headend *he, const struct he_bridge *b, struct gw_err *err)
{
	return fixed(he, ex->conf, b, err) < 0 || credentials_fit(b, err) < 0 ? -1 : 0;
}

int
ex_reconf(struct ex *ex, const struct headend *he, const struct he_bridge *b, struct gw_err *err)
{
	if (ex_check(ex, he, b, err) < 0)
		return -1;
	ex_take(ex, he, b);
	return 0;
}

void
ex_take(struct ex *ex, const struct headend *he, const struct he_bridge *b)
{
	struct ex_peer *p, *next;
	struct gw_err why = { 0 };

	if (ex->httpd && gw_httpd_reload(ex->httpd, &why) < 0)
		gw_log(GW_ERR, "certificate_not_taken", why.text, "bridge=%s", b->name);
	ex->he = he;
	ex->conf = b;
	for (p = LIST_FIRST(&ex->peers); p; p = next) {
		next = LIST_NEXT(p, entry);
		if (named(b, p->name))
			continue;
		ex_end_flights(ex, p, EX_SILENT, "the peer has gone from the file");
		ex_forget_peer(ex, p);
		peer_free(p);
	}
	for (size_t i = 0; i < b->npeers; i++)
		if (take_peer(ex, &b->peers[i], &why) < 0)
			gw_log(GW_ERR, "peer_not_taken", why.text, "peer=%s", b->peers[i].name);
	ex_tick(ex);
}

void
ex_handle(struct ex *ex, int tag, ex_handler *handler, void *self)
{
	size_t k = 0;

	if (tag < 1 || tag > SP4_TAGS || tag % 2 == 0)
		return;
	while (k < EX_HANDLERS && ex->handlers[tag][k].handle)
		k++;
	assert(k < EX_HANDLERS);
	ex->handlers[tag][k].handle = handler;
	ex->handlers[tag][k].self = self;
}

/* ---- what operators see ---- */

void
ex_counted(const struct ex *ex, const struct he_sp4_peer *conf, struct ex_counts *out)
{
	const struct ex_peer *p = ex_peer(ex, conf);

	*out = p ? p->counts : (struct ex_counts){ 0 };
}

const struct gw_addr *
ex_addr(const struct ex *ex)
{
	return ex->httpd ? gw_httpd_addr(ex->httpd) : NULL;
}

static json_t *
when(int64_t utc_us)
{
	char text[32];

	return utc_us ? json_string(gw_utc_text(utc_us, text)) : json_null();
}

static json_t *
peer_report(const struct ex *ex, const struct ex_peer *p)
{
	const struct ex_counts *n = &p->counts;
	struct ex_kept kept;

	ex_store_kept(ex->store, p->conf->id, &kept);
	return json_pack("{s:s, s:s, s:s*, s:b, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "name", p->name, "id", p->conf->id, "url", p->conf->url,
	    "silent", p->silent, "under_way", (int)p->under_way, "sent", (json_int_t)n->sent, "answered", (json_int_t)n->answered,
	    "failed", (json_int_t)n->failed, "retried", (json_int_t)n->retried, "received", (json_int_t)n->received,
	    "repeated", (json_int_t)n->repeated, "refused", (json_int_t)n->refused, "kept_answers", (json_int_t)kept.answers,
	    "kept_octets", (json_int_t)kept.octets, "no_room", (json_int_t)n->no_room, "heard", when(n->last_heard_us), "last_failure", when(n->last_failed_us));
}

static json_t *
last_refused(const struct ex *ex)
{
	json_t *all = json_array();
	size_t n = ex->nlast < EX_LAST ? ex->nlast : EX_LAST;

	for (size_t i = 1; i <= n; i++) {
		size_t at = (ex->nlast - i) % EX_LAST;

		json_array_append_new(all, json_pack("{s:o, s:s}", "at", when(ex->last[at].utc_us), "error", ex->last[at].text));
	}
	return all;
}

json_t *
ex_report(const struct ex *ex)
{
	json_t *peers = json_array();
	const struct ex_peer *p;
	char at[GW_ADDR_TEXT] = "";
	struct ex_kept kept;

	LIST_FOREACH(p, &ex->peers, entry)
		json_array_insert_new(peers, 0, peer_report(ex, p));
	ex_store_kept(ex->store, NULL, &kept);
	if (ex->httpd)
		gw_addr_text(gw_httpd_addr(ex->httpd), at, sizeof(at));
	return json_pack("{s:s, s:s, s:I, s:i, s:i, s:I, s:I, s:I, s:I, s:o, s:o}", "id", ex->id, "listen", at, "boot", (json_int_t)ex_store_boot(ex->store),
	    "under_way", (int)ex->nflights, "to_answer", (int)ex->ncalls, "not_kept", (json_int_t)ex->unkept,
	    "kept_octets", (json_int_t)kept.octets, "store_limit", (json_int_t)ex->conf->store_limit, "unknown_sources", (json_int_t)ex->unknown, "peers", peers, "last_refused", last_refused(ex));
}

static const struct gw_metric peer_metrics[] = {
	{ "simulgate_bridge_sent_total", "Exchanges that were begun with a peer.", GW_COUNTER },
	{ "simulgate_bridge_answered_total", "Exchanges that a peer answered.", GW_COUNTER },
	{ "simulgate_bridge_failed_total", "Exchanges that no good answer came to.", GW_COUNTER },
	{ "simulgate_bridge_retries_total", "Attempts after the first.", GW_COUNTER },
	{ "simulgate_bridge_received_total", "Exchanges that a peer began.", GW_COUNTER },
	{ "simulgate_bridge_repeats_total", "Messages that came again.", GW_COUNTER },
	{ "simulgate_bridge_refused_total", "What a peer was refused, by HTTP or by status.", GW_COUNTER },
	{ "simulgate_bridge_peer_silent", "1: a peer did not answer when it was called last.", GW_GAUGE },
	{ "simulgate_bridge_kept_answers", "Answers to a peer that are kept for their ten minutes.", GW_GAUGE },
	{ "simulgate_bridge_kept_octets", "What they take of the store.", GW_GAUGE },
	{ "simulgate_bridge_no_room_total", "Messages of a peer that were told 503, for its answers had filled its part of the store.", GW_COUNTER },
};
static const struct gw_metric http_metric = { "simulgate_bridge_http_answers_total", "HTTP answers by the first digit of their status.", GW_COUNTER };
static const struct gw_metric closed_metric = { "simulgate_bridge_http_closed_total", "Connections that ended without an answer.", GW_COUNTER };
static const struct gw_metric unknown_metric = { "simulgate_bridge_unknown_sources_total", "Messages of a source that is no peer.", GW_COUNTER };
static const struct gw_metric limit_metric = { "simulgate_bridge_store_limit_octets", "What the answers of all peers may take of the store.", GW_GAUGE };
static const struct gw_metric unkept_metric = { "simulgate_bridge_answers_not_kept_total", "Groups of answers that the store did not take.", GW_COUNTER };

void
ex_collect(const struct ex *ex, struct gw_samples *out)
{
	const struct ex_peer *p;
	char labels[200], digit[8];

	for (size_t i = 0; i < sizeof(peer_metrics) / sizeof(peer_metrics[0]); i++)
		LIST_FOREACH(p, &ex->peers, entry) {
			const struct ex_counts *n = &p->counts;
			struct ex_kept kept;

			ex_store_kept(ex->store, p->conf->id, &kept);
			const uint64_t values[] = { n->sent, n->answered, n->failed, n->retried, n->received, n->repeated, n->refused, p->silent,
				(uint64_t)kept.answers, (uint64_t)kept.octets, n->no_room };

			labels[0] = '\0';
			gw_sample(out, &peer_metrics[i], gw_label(labels, sizeof(labels), "peer", p->name), (double)values[i]);
		}
	for (unsigned i = 2; i < 6; i++) {
		labels[0] = '\0';
		snprintf(digit, sizeof(digit), "%uxx", i);
		gw_sample(out, &http_metric, gw_label(labels, sizeof(labels), "status", digit), (double)ex->http[i]);
	}
	gw_sample(out, &closed_metric, "", (double)ex->http[0]);
	gw_sample(out, &unknown_metric, "", (double)ex->unknown);
	gw_sample(out, &unkept_metric, "", (double)ex->unkept);
	gw_sample(out, &limit_metric, "", (double)ex->conf->store_limit);
}
