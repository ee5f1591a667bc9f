/* bridge/xs.c: see xs.h; the rows stkm and mux at work, and between them and the peers the tags */
#include "bridge/xs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/errors.h"
#include "bridge/xs_ecmg.h"
#include "bridge/xs_out.h"
#include "lib/clock.h"
#include "lib/due.h"
#include "lib/log.h"
#include "lib/scs_wire.h"

enum { ANSWER_OCTETS = 400 * 1024 };	/* of objects in one answer: a document has 1 MiB, and two digits for each */

struct kms {
	const struct he_kms *conf;
	struct scs_wire *wire;
};
/* A row `stkm` at work. */
struct row {
	struct gw_due due;		/* first */
	struct xs *app;
	const struct he_bridge_stkm *conf;
	struct kms *kms;
	struct xs_stream *stream;
};
/* A row `mux`. */
struct out { const struct he_bridge_mux *conf; struct xs_out *out; };

struct xs {
	uv_loop_t *loop;
	const struct headend *he;
	const struct he_bridge *b;
	struct ex *ex;
	struct scs_ids ids;
	struct kms **kms; size_t nkms;
	struct row **rows; size_t nrows;
	struct out *outs; size_t nouts;
	struct gw_objects *store;
	struct gw_dues dues;
	uv_timer_t timer;
	xs_make *make; void *maker;
	size_t open;			/* wires and outs that have not ended */
	bool closing;
};

/* ---- time ---- */

static void on_timer(uv_timer_t *);

static void
plan(struct xs *app)
{
	int64_t at = gw_dues_next(&app->dues), now = gw_mono_us();

	if (uv_is_closing((uv_handle_t *)&app->timer))
		return;
	if (at == INT64_MAX)
		uv_timer_stop(&app->timer);
	else
		uv_timer_start(&app->timer, on_timer, at > now ? (uint64_t)(at - now + 999) / 1000 : 0, 0);
}

static void
replan(struct row *r)
{
	gw_due_set(&r->app->dues, &r->due, xs_stream_next(r->stream));
	scs_wire_plan(r->kms->wire);
}

static void
on_timer(uv_timer_t *t)
{
	struct xs *app = t->data;
	int64_t now = gw_mono_us();
	struct gw_due *d;

	while ((d = gw_dues_first(&app->dues)) && d->at_us <= now) {
		struct row *r = (struct row *)d;
		xs_stream_tick(r->stream, now);
		replan(r);
	}
	plan(app);
}

/* ---- tag 5 ---- */

static void
on_answer(void *self, void *call, const struct xs_answer *a)
{
	const struct row *r = self;
	uint32_t profile = r->kms->conf->super_cas_id >> 16;
	struct sp4_msg m;

	if (a->status) {
		ex_status(call, a->status, a->reason);
		return;
	}
	sp4_init(&m, 6);
	m.status = BR_OK;
	m.data[m.n_data++] = (struct sp4_octets){ a->ecm, a->len };
	m.n_stkm = 1;
	m.stkm = (struct sp4_stkm_context){ .cp = a->cp, .stream = r->conf->ecm_id, .repetition_ms = a->repetition_ms ? a->repetition_ms : SP4_ABSENT,
		.profile = profile == 1 ? SP4_DRM : profile == 2 ? SP4_SMARTCARD : SP4_ABSENT };
	ex_answer(call, &m);
}

static int
on_make(void *self, const char *unit, uint16_t cp, struct scs_key *key, struct gw_err *err)
{
	const struct row *r = self;

	return r->app->make ? r->app->make(r->app->maker, unit, cp, key, err) : gw_fail(err, GW_ECONF, "this bridge makes no keys");
}

static void
on_wake(void *self)
{
	struct row *r = self;

	gw_due_set(&r->app->dues, &r->due, 0);
	plan(r->app);
}

static const struct xs_stream_ops stream_ops = { .answer = on_answer, .make = on_make, .wake = on_wake };

/* The row that a request is for. NULL with why not. */
static struct row *
find_row(const struct xs *app, const struct he_sp4_peer *from, const struct sp4_msg *m, unsigned *status, const char **why)
{
	int64_t id = m->n_stkm ? m->stkm.stream : SP4_ABSENT;
	struct row *found = NULL;
	size_t services = 0, entitled = 0;

	for (size_t i = 0; i < app->nrows; i++) {
		struct row *r = app->rows[i];
		if (strcmp(r->conf->service->global_service_id, m->service) != 0)
			continue;
		services++;
		if (strcmp(r->conf->peer->name, from->name) != 0)
			continue;
		entitled++;
		if (id == SP4_ABSENT || id == r->conf->ecm_id)
			found = r;
	}
	*status = !services ? BR_NO_SERVICE : !entitled ? BR_NOT_ENTITLED : BR_MISSING;
	*why = !services ? "no stkm entry is for this GlobalServiceID" : !entitled ? "the stkm entries of this service are not for this peer" :
	    "the service has several STKM streams: which @stkmStream?";
	if (entitled && id != SP4_ABSENT && !found) {
		*status = BR_NO_SERVICE;
		*why = "the service has no such @stkmStream";
	}
	return id == SP4_ABSENT && entitled > 1 ? NULL : found;
}

static bool
on_stkm(void *self, struct ex_call *call, const struct he_sp4_peer *from, const struct sp4_msg *m)
{
	struct xs *app = self;
	unsigned status;
	const char *why;
	struct row *r;

	if (app->nrows == 0 || app->closing)
		return false;
	if (!(r = find_row(app, from, m, &status, &why))) {
		ex_status(call, status, why);
		return true;
	}
	xs_stream_ask(r->stream, m, call, gw_mono_us());
	replan(r);
	plan(app);
	return true;
}

/* ---- tags 11 and 15 ---- */

static bool
registers(const struct sp4_msg *m)
{
	return sp4_object_of((int)m->tag) == SP4_REG;
}

/* from NULL: of any peer. A @dataId that no row has leads to the first one, which says so. */
static struct out *
find_out(const struct xs *app, const struct he_sp4_peer *from, const struct sp4_msg *m, bool *known)
{
	int64_t id = m->n_distribution ? m->distribution.data_id : SP4_ABSENT;
	struct out *found = NULL;

	*known = false;
	for (size_t i = 0; i < app->nouts; i++) {
		struct out *o = &app->outs[i];
		if (strcmp(o->conf->service->global_service_id, m->service) != 0 || o->conf->registration != registers(m))
			continue;
		*known = true;
		if (from && strcmp(o->conf->peer->name, from->name) != 0)
			continue;
		if (!found || id == o->conf->data_id)
			found = o;
	}
	return found;
}

static bool
on_delivery(void *self, struct ex_call *call, const struct he_sp4_peer *from, const struct sp4_msg *m)
{
	struct xs *app = self;
	const char *why = NULL;
	unsigned status;
	struct out *o;
	bool known;

	if (app->nouts == 0 || app->closing)
		return false;
	if ((o = find_out(app, from, m, &known))) {
		status = xs_out_deliver(o->out, m, &why);
		ex_status(call, status, why);
	} else {
		ex_status(call, known ? BR_NOT_ENTITLED : BR_NO_SERVICE, known ? "the mux entries of this service are not for this peer" :
		    "no mux entry is for this GlobalServiceID and kind of object");
	}
	return true;
}

/* ---- tags 9 and 13 ---- */

struct gathering { struct sp4_msg answer; int64_t from_s, to_s; uint8_t *octets; size_t len; };

static void
gather(void *self, const struct gw_object *v)
{
	struct gathering *g = self;

	if (v->end_s <= g->from_s || v->start_s >= g->to_s || g->answer.n_data == SP4_DATA || g->len + v->len > ANSWER_OCTETS)
		return;
	g->answer.data[g->answer.n_data++] = (struct sp4_octets){ memcpy(g->octets + g->len, v->p, v->len), v->len };
	g->len += v->len;
}

/* What is stored for a service and overlaps the window that was asked for. Rows of the other direction may know the service, too: they are asked next. */
static bool
on_request(void *self, struct ex_call *call, const struct he_sp4_peer *from, const struct sp4_msg *m)
{
	struct xs *app = self;
	struct gathering g = { .from_s = gw_utc_us() / 1000000, .to_s = INT64_MAX };
	bool known;
	const struct out *o = app->closing || !(app->b->roles & HE_ROLE_BSM) || !(from->roles & HE_ROLE_BSDA) ? NULL : find_out(app, NULL, m, &known);

	if (!o)
		return false;
	if (m->distribution_start != SP4_ABSENT && sp4_unix(m->distribution_start) > g.from_s)
		g.from_s = sp4_unix(m->distribution_start);
	if (m->distribution_end != SP4_ABSENT)
		g.to_s = sp4_unix(m->distribution_end);
	sp4_init(&g.answer, (int)m->tag + 1);
	g.answer.status = BR_OK;
	g.answer.n_distribution = 1;
	g.answer.distribution = (struct sp4_distribution_context){ .data_id = o->conf->data_id, .repetition_ms = o->conf->repetition_ms,
		.bandwidth_kbps = SP4_ABSENT };
	g.octets = malloc(ANSWER_OCTETS);
	if (!g.octets || gw_objects_each(app->store, xs_out_stream(o->out), gather, &g) != GW_WON)
		ex_status(call, BR_DELAYED, "the store cannot be read");
	else if (g.answer.n_data == 0)
		ex_status(call, BR_DELAYED, "nothing is there for that time");
	else
		ex_answer(call, &g.answer);
	free(g.octets);
	return true;
}

/* ---- rows of the file ---- */

static struct kms *
find_kms(const struct xs *app, const char *name)
{
	for (size_t i = 0; i < app->nkms; i++)
		if (strcmp(app->kms[i]->conf->name, name) == 0)
			return app->kms[i];
	return NULL;
}

static void free_app(uv_handle_t *);

static void
one_closed(void *self)
{
	struct xs *app = self;

	app->open--;
	if (app->closing && app->open == 0)
		uv_close((uv_handle_t *)&app->timer, free_app);
}

static struct kms *
open_kms(struct xs *app, const struct he_kms *conf)
{
	struct kms *k = find_kms(app, conf->name), **grown;

	if (k)
		return k;
	if (!(grown = realloc(app->kms, (app->nkms + 1) * sizeof(*grown))))
		return NULL;
	app->kms = grown;
	if (!(k = calloc(1, sizeof(*k))) || !(k->wire = scs_wire_open(app->loop, conf, &app->ids, &xs_kms_ops, one_closed, app))) {
		free(k);
		return NULL;
	}
	k->conf = conf;
	app->open++;
	return app->kms[app->nkms++] = k;
}

/* Which unit of the service has the stream: its keys. A service that says nothing of it has one unit. */
static const char *
unit_of(const struct he_bridge_stkm *s)
{
	for (size_t i = 0; i < s->service->nunits; i++)
		for (size_t k = 0; k < s->service->units[i].nstkm; k++)
			if (s->service->units[i].stkm[k].kms == s->kms && s->service->units[i].stkm[k].ecm_id == s->ecm_id)
				return s->service->units[i].id;
	return s->service->nunits ? s->service->units[0].id : s->service->id;
}

static struct row *
open_row(struct xs *app, const struct he_bridge_stkm *s)
{
	struct xs_stream_conf c = { .unit = unit_of(s), .ecm_id = s->ecm_id, .super_cas_id = s->kms->super_cas_id, .protection = s->service->scrambling,
		.authenticated = s->service->authentication, .cw_length = s->service->cw_length,
		.nominal_100ms = (uint16_t)(s->service->crypto_period_ms / 100), .mode_a = s->mode == HE_MODE_A };
	struct row *r = calloc(1, sizeof(*r));

	if (!r || gw_dues_reserve(&app->dues, app->nrows + 1) < 0 || !(r->kms = open_kms(app, s->kms))) {
		free(r);
		return NULL;
	}
	r->app = app;
	r->conf = s;
	if (!(r->stream = xs_stream_new(scs_wire_kms(r->kms->wire), &c, &stream_ops, r, gw_mono_us()))) {
		free(r);
		return NULL;
	}
	replan(r);
	return r;
}

static void
close_row(struct row *r)
{
	gw_due_set(&r->app->dues, &r->due, INT64_MAX);
	xs_stream_free(r->stream, gw_mono_us());
	if (r->kms->wire)
		scs_wire_plan(r->kms->wire);
	free(r);
}

static bool
same_row(const struct he_bridge_stkm *a, const struct he_bridge_stkm *b)
{
	const struct he_service *s = a->service, *t = b->service;

	return strcmp(a->kms->name, b->kms->name) == 0 && scs_wire_same(a->kms, b->kms) && strcmp(a->peer->name, b->peer->name) == 0 &&
	    strcmp(s->global_service_id, t->global_service_id) == 0 && strcmp(unit_of(a), unit_of(b)) == 0 && a->ecm_id == b->ecm_id && a->mode == b->mode &&
	    s->scrambling == t->scrambling && s->authentication == t->authentication && s->cw_length == t->cw_length &&
	    s->crypto_period_ms == t->crypto_period_ms;
}

/* Connections to the same MUX with the same client_id need channels of their own. */
static uint16_t
free_channel(const struct out *outs, size_t n, const struct he_bridge_mux *m)
{
	uint16_t id = 1;

	for (size_t i = 0; i < n; i++)
		if (outs[i].conf->client_id == m->client_id && xs_out_channel(outs[i].out) == id) {
			id++;
			i = SIZE_MAX;	/* from the beginning */
		}
	return id;
}

/* Rows of another reading that are as they were go on, the others end. */
static void
keep_rows(struct xs *app, const struct he_bridge *b, struct row **rows)
{
	for (size_t i = 0; i < app->nrows; i++) {
		struct row *r = app->rows[i];
		size_t k = 0;

		while (k < b->nstkm && (rows[k] || !same_row(r->conf, &b->stkm[k])))
			k++;
		if (k == b->nstkm) {
			close_row(r);
			continue;
		}
		rows[k] = r;
		r->conf = &b->stkm[k];
	}
}

/* A KMS that is spoken to in another way now, or that no row has any more, ends. Rows that stay have one that stays. */
static void
keep_kms(struct xs *app, const struct he_bridge *b)
{
	for (size_t i = 0; i < app->nkms;) {
		struct kms *k = app->kms[i];
		const struct he_kms *conf = NULL;

		for (size_t s = 0; s < b->nstkm && !conf; s++)
			if (strcmp(b->stkm[s].kms->name, k->conf->name) == 0)
				conf = b->stkm[s].kms;
		if (conf && scs_wire_same(k->conf, conf)) {
			k->conf = conf;
			i++;
			continue;
		}
		scs_wire_close(k->wire);
		free(k);
		app->kms[i] = app->kms[--app->nkms];
	}
}

static int
take_rows(struct xs *app, const struct he_bridge *b, struct gw_err *err)
{
	struct row **rows = calloc(b->nstkm + 1, sizeof(*rows));
	int rc = 0;

	if (!rows)
		return gw_fail(err, GW_ESYS, "out of memory");
	keep_rows(app, b, rows);
	keep_kms(app, b);
	free(app->rows);
	app->rows = rows;
	app->nrows = 0;
	for (size_t i = 0; i < b->nstkm; i++) {
		if (!rows[i] && !(rows[i] = open_row(app, &b->stkm[i])))
			rc = gw_fail(err, GW_ESYS, "out of memory");
		if (rows[i])
			rows[app->nrows++] = rows[i];
	}
	return rc;
}

/* The stream that is at work for a row already; taken from the list. */
static struct xs_out *
kept_out(struct out *outs, size_t n, const struct he_bridge_mux *m)
{
	for (size_t i = 0; i < n; i++) {
		struct xs_out *o = outs[i].out;

		if (!o || !xs_out_same(o, m))
			continue;
		outs[i].out = NULL;
		xs_out_reconf(o, m);
		return o;
	}
	return NULL;
}

static int
take_outs(struct xs *app, const struct he_bridge *b, struct gw_err *err)
{
	struct out *outs = calloc(b->nmux + 1, sizeof(*outs)), *old = app->outs;
	size_t nold = app->nouts, n = 0;

	if (!outs)
		return gw_fail(err, GW_ESYS, "out of memory");
	for (size_t i = 0; i < b->nmux; i++) {	/* first, so that their channels are known */
		struct xs_out *o = kept_out(old, nold, &b->mux[i]);
		if (o)
			outs[n++] = (struct out){ &b->mux[i], o };
	}
	for (size_t i = 0; i < nold; i++)
		if (old[i].out)
			xs_out_close(old[i].out, one_closed, app);
	free(old);
	app->outs = outs;
	app->nouts = n;
	for (size_t i = 0; i < b->nmux; i++) {
		size_t k = 0;

		while (k < app->nouts && app->outs[k].conf != &b->mux[i])
			k++;
		if (k < app->nouts)
			continue;
		outs[k] = (struct out){ &b->mux[i], xs_out_open(app->loop, &b->mux[i], free_channel(outs, k, &b->mux[i]), app->store, err) };
		if (!outs[k].out)
			return -1;
		app->nouts++;
		app->open++;
	}
	return 0;
}

/* ---- life ---- */

/* What the file has, for the first time or again: what stays the same goes on as it is. */
static int
take_file(struct xs *app, const struct headend *he, const struct he_bridge *b, struct gw_err *err)
{
	char path[4200];

	app->ids.he = he;
	if (b->nmux && !app->store) {
		snprintf(path, sizeof(path), "%s.objects", b->store);
		if (gw_objects_open(path, &app->store, err) < 0)
			return -1;
		gw_objects_trim(app->store, gw_utc_us() / 1000000);
	}
	if (take_rows(app, b, err) < 0 || take_outs(app, b, err) < 0)
		return -1;
	app->he = he;
	app->b = b;
	plan(app);
	return 0;
}

struct xs *
xs_open(uv_loop_t *loop, const struct headend *he, const struct he_bridge *b, struct ex *ex, struct gw_err *err)
{
	struct xs *app = calloc(1, sizeof(*app));

	if (!app) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	*app = (struct xs){ .loop = loop, .he = he, .b = b, .ex = ex };
	uv_timer_init(loop, &app->timer);
	app->timer.data = app;
	if (take_file(app, he, b, err) < 0) {
		xs_close(app);
		return NULL;
	}
	ex_handle(ex, 5, on_stkm, app);
	ex_handle(ex, 9, on_request, app);
	ex_handle(ex, 11, on_delivery, app);
	ex_handle(ex, 13, on_request, app);
	ex_handle(ex, 15, on_delivery, app);
	return app;
}

int
xs_reconf(struct xs *app, const struct headend *he, const struct he_bridge *b, struct gw_err *err)
{
	if (take_file(app, he, b, err) == 0)
		return 0;
	take_file(app, app->he, app->b, NULL);	/* the fresh file goes: nothing may point there */
	return -1;
}

void
xs_keys_from(struct xs *app, xs_make *make, void *self)
{
	app->make = make;
	app->maker = self;
}

static void
free_app(uv_handle_t *h)
{
	struct xs *app = h->data;

	gw_dues_free(&app->dues);
	gw_objects_close(app->store);
	free(app->rows);
	free(app->outs);
	free(app->kms);
	free(app);
}

void
xs_close(struct xs *app)
{
	if (!app)
		return;
	app->closing = true;
	for (size_t i = 0; i < app->nrows; i++)
		close_row(app->rows[i]);
	for (size_t i = 0; i < app->nouts; i++)
		xs_out_close(app->outs[i].out, one_closed, app);
	for (size_t i = 0; i < app->nkms; i++) {
		scs_wire_close(app->kms[i]->wire);
		free(app->kms[i]);
	}
	app->nrows = app->nouts = app->nkms = 0;
	app->open++;		/* none of them ends within its call, but all may be gone already */
	one_closed(app);
}

/* ---- what operators see ---- */

static json_t *
kms_status(const struct kms *k)
{
	const struct scs_kms *engine = scs_wire_kms(k->wire);
	struct scs_kms_view v;
	json_t *ecmgs = json_array();

	scs_kms_view(engine, &v);
	for (size_t i = 0; i < k->conf->necmg; i++) {
		struct scs_ecmg_view e;
		const struct scs_chan *chan = scs_kms_chan(engine, i, 0);

		scs_kms_ecmg_view(engine, i, &e);
		json_array_append_new(ecmgs, json_pack("{s:s, s:s, s:b, s:b, s:I, s:I}", "state", e.state, "peer", chan ? scs_chan_peer(chan) : "",
		    "preferred", e.preferred, "alarm", e.alarm, "channels_open", (json_int_t)e.open, "streams_up", (json_int_t)e.streams_up));
	}
	return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "name", k->conf->name, "ecmgs", ecmgs, "switches", (json_int_t)v.switches,
	    "cw_provision", (json_int_t)v.counts.cw_provision, "ecm_response", (json_int_t)v.counts.ecm_response,
	    "errors", (json_int_t)(v.counts.stream_error + v.counts.channel_error), "timeouts", (json_int_t)v.counts.timeouts);
}

static json_t *
row_status(const struct row *r)
{
	struct xs_stream_view v;
	struct scs_stream_view s;

	xs_stream_view(r->stream, &v);
	scs_kms_stream_view(xs_stream_line(r->stream), &s);
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:b, s:I, s:I, s:I, s:I, s:I, s:i, s:I}", "service", r->conf->service->id,
	    "global_service_id", r->conf->service->global_service_id, "kms", r->kms->conf->name, "peer", r->conf->peer->name, "ecm_id", r->conf->ecm_id,
	    "up", v.up, "waiting", (json_int_t)v.waiting, "cp", (json_int_t)v.cp, "asked", (json_int_t)v.counts.asked, "answered",
	    (json_int_t)v.counts.answered, "failed", (json_int_t)v.counts.failed, "last_status", (int)v.last_status, "latency_us", (json_int_t)s.latency_us);
}

static json_t *
out_status(const struct out *o)
{
	struct xs_out_view v;

	xs_out_view(o->out, &v);
	return json_pack("{s:s, s:s, s:s, s:i, s:b, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i}", "stream", xs_out_stream(o->out),
	    "service", o->conf->service->id, "from", o->conf->peer->name, "data_id", o->conf->data_id, "up", v.up, "mux", v.peer,
	    "registration", o->conf->registration, "objects", (json_int_t)v.carousel.objects, "octets", (json_int_t)v.carousel.octets,
	    "rate_bps", (json_int_t)v.carousel.rate_bps, "wanted_bps", (json_int_t)v.carousel.wanted_bps, "delivered", (json_int_t)v.carousel.delivered,
	    "refused", (json_int_t)v.carousel.refused, "sent", (json_int_t)v.carousel.sent, "late", (json_int_t)v.carousel.late,
	    "expired", (json_int_t)v.carousel.expired, "last_error", v.last_error);
}

json_t *
xs_status(const struct xs *app)
{
	json_t *kms = json_array(), *rows = json_array(), *outs = json_array();

	for (size_t i = 0; i < app->nkms; i++)
		json_array_append_new(kms, kms_status(app->kms[i]));
	for (size_t i = 0; i < app->nrows; i++)
		json_array_append_new(rows, row_status(app->rows[i]));
	for (size_t i = 0; i < app->nouts; i++)
		json_array_append_new(outs, out_status(&app->outs[i]));
	return json_pack("{s:o, s:o, s:o}", "kms", kms, "stkm", rows, "mux", outs);
}

static const struct gw_metric
	asked = { "simulgate_bridge_stkm_requests_total", "tag 5 of a stream behind which is an ECMG", GW_COUNTER },
	answered = { "simulgate_bridge_stkm_answered_total", "of them, those that got an STKM", GW_COUNTER },
	failed = { "simulgate_bridge_stkm_failed_total", "of them, those that got a status", GW_COUNTER },
	stream_up = { "simulgate_bridge_stkm_up", "1: an ECMG can be asked", GW_GAUGE },
	objects = { "simulgate_bridge_objects", "LTKMs and registration objects that are kept for a MUX", GW_GAUGE },
	sent = { "simulgate_bridge_objects_sent_total", "data_provisions to the MUX", GW_COUNTER },
	late = { "simulgate_bridge_objects_late_total", "repetitions a whole period or more behind, for want of bandwidth", GW_COUNTER },
	out_up = { "simulgate_bridge_mux_up", "1: the stream to the MUX is set up", GW_GAUGE };

void
xs_collect(const struct xs *app, struct gw_samples *s)
{
	char labels[800];

	for (size_t i = 0; i < app->nrows; i++) {
		const struct row *r = app->rows[i];
		struct xs_stream_view v;
		char id[16];

		snprintf(id, sizeof(id), "%u", r->conf->ecm_id);
		labels[0] = '\0';
		gw_label(labels, sizeof(labels), "service", r->conf->service->id);
		gw_label(labels, sizeof(labels), "kms", r->kms->conf->name);
		gw_label(labels, sizeof(labels), "ecm_id", id);
		xs_stream_view(r->stream, &v);
		gw_sample(s, &asked, labels, (double)v.counts.asked);
		gw_sample(s, &answered, labels, (double)v.counts.answered);
		gw_sample(s, &failed, labels, (double)v.counts.failed);
		gw_sample(s, &stream_up, labels, v.up);
	}
	for (size_t i = 0; i < app->nouts; i++) {
		struct xs_out_view v;

		xs_out_view(app->outs[i].out, &v);
		labels[0] = '\0';
		gw_label(labels, sizeof(labels), "stream", xs_out_stream(app->outs[i].out));
		gw_sample(s, &objects, labels, (double)v.carousel.objects);
		gw_sample(s, &sent, labels, (double)v.carousel.sent);
		gw_sample(s, &late, labels, (double)v.carousel.late);
		gw_sample(s, &out_up, labels, v.up);
	}
}
