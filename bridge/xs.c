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
/* A stream at work; rows `stkm` of several peers may be for one. */
struct line {
	struct gw_due due;		/* first */
	struct xs *app;
	const struct he_bridge_stkm *conf;	/* one of them */
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
	struct line **lines; size_t nlines;
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
replan(struct line *l)
{
	gw_due_set(&l->app->dues, &l->due, xs_stream_next(l->stream));
	scs_wire_plan(l->kms->wire);
}

static void
on_timer(uv_timer_t *t)
{
	struct xs *app = t->data;
	int64_t now = gw_mono_us();
	struct gw_due *d;

	while ((d = gw_dues_first(&app->dues)) && d->at_us <= now) {
		struct line *l = (struct line *)d;
		xs_stream_tick(l->stream, now);
		replan(l);
	}
	plan(app);
}

/* ---- tag 5 ---- */

static void
on_answer(void *self, void *call, const struct xs_answer *a)
{
	const struct line *l = self;
	uint32_t profile = l->kms->conf->super_cas_id >> 16;
	struct sp4_msg m;

	if (a->status) {
		ex_status(call, a->status, a->reason);
		return;
	}
	sp4_init(&m, 6);
	m.status = BR_OK;
	m.data[m.n_data++] = (struct sp4_octets){ a->ecm, a->len };
	m.n_stkm = 1;
	m.stkm = (struct sp4_stkm_context){ .cp = a->cp, .stream = l->conf->ecm_id, .repetition_ms = a->repetition_ms ? a->repetition_ms : SP4_ABSENT,
		.profile = profile == 1 ? SP4_DRM : profile == 2 ? SP4_SMARTCARD : SP4_ABSENT };
	ex_answer(call, &m);
}

static int
on_make(void *self, const char *unit, uint16_t cp, struct scs_key *key, struct gw_err *err)
{
	const struct line *l = self;

	return l->app->make ? l->app->make(l->app->maker, unit, cp, key, err) : gw_fail(err, GW_ECONF, "this bridge makes no keys");
}

/* Each of the ECMGs may have its time, one after the other. */
static void
on_asked(void *self, void *call, uint16_t max_comp_time_ms)
{
	const struct line *l = self;

	ex_wait(call, (unsigned)l->kms->conf->necmg * (max_comp_time_ms + SCS_NETWORK_MS));
}

static void
on_wake(void *self)
{
	struct line *l = self;

	gw_due_set(&l->app->dues, &l->due, 0);
	plan(l->app);
}

static const struct xs_stream_ops stream_ops = { .answer = on_answer, .make = on_make, .asked = on_asked, .wake = on_wake };

static struct line *
find_line(const struct xs *app, const struct he_bridge_stkm *s)
{
	for (size_t i = 0; i < app->nlines; i++)
		if (strcmp(app->lines[i]->conf->kms->name, s->kms->name) == 0 && app->lines[i]->conf->ecm_id == s->ecm_id)
			return app->lines[i];
	return NULL;
}

/* The stream that a request is for, by the rows of the file. NULL with why not. */
static struct line *
find_row(const struct xs *app, const struct he_sp4_peer *from, const struct sp4_msg *m, unsigned *status, const char **why)
{
	int64_t id = m->n_stkm ? m->stkm.stream : SP4_ABSENT;
	size_t services = 0, entitled = 0, found = 0, at = 0;

	for (size_t i = 0; i < app->b->nstkm; i++) {
		const struct he_bridge_stkm *s = &app->b->stkm[i];
		bool of_service = strcmp(s->service->global_service_id, m->service) == 0, of_peer = of_service && strcmp(s->peer->name, from->name) == 0;

		services += of_service;
		entitled += of_peer;
		if (!of_peer || (id != SP4_ABSENT && id != s->ecm_id))
			continue;
		at = i;
		found++;
	}
	if (found == 1) {
		*status = BR_DELAYED, *why = "this STKM stream is being opened";	/* a row without a line: between two files */
		return find_line(app, &app->b->stkm[at]);
	}
	*status = found ? BR_MISSING : services && !entitled ? BR_NOT_ENTITLED : BR_NO_SERVICE;
	*why = !services ? "no stkm entry is for this GlobalServiceID" : !entitled ? "the stkm entries of this service are not for this peer" :
	    found ? "the service has several STKM streams: which @stkmStream?" : "the service has no such @stkmStream";
	return NULL;
}

static bool
on_stkm(void *self, struct ex_call *call, const struct he_sp4_peer *from, const struct sp4_msg *m)
{
	struct xs *app = self;
	unsigned status;
	const char *why;
	struct line *l;

	if (app->nlines == 0 || app->closing)
		return false;
	if (!(l = find_row(app, from, m, &status, &why))) {
		ex_status(call, status, why);
		return true;
	}
	xs_stream_ask(l->stream, m, call, gw_mono_us());
	replan(l);
	plan(app);
	return true;
}

/* ---- tags 11 and 15 ---- */

static bool
registers(const struct sp4_msg *m)
{
	return sp4_object_of((int)m->tag) == SP4_REG;
}

static bool
is_for(const struct out *o, const struct sp4_msg *m)
{
	return strcmp(o->conf->service->global_service_id, m->service) == 0 && o->conf->registration == registers(m);
}

/* A @dataId that no row has leads to the first one, which says so. *known: whether any peer's stream is for it. */
static struct out *
find_out(const struct xs *app, const struct he_sp4_peer *from, const struct sp4_msg *m, bool *known)
{
	int64_t id = m->n_distribution ? m->distribution.data_id : SP4_ABSENT;
	struct out *found = NULL;

	*known = false;
	for (size_t i = 0; i < app->nouts; i++) {
		struct out *o = &app->outs[i];
		if (!is_for(o, m))
			continue;
		*known = true;
		if (strcmp(o->conf->peer->name, from->name) != 0)
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

/* Is the service of this URN one that the file has for the peer? As who is given its LTKMs, asks for its STKMs, or is sent its SEAKs. */
static bool
entitled(const struct he_bridge *b, const struct he_sp4_peer *p, const char *urn)
{
#define NAMES(row, of_peer) ((of_peer) && strcmp((of_peer)->name, p->name) == 0 && strcmp((row)->service->global_service_id, urn) == 0)
	for (size_t i = 0; i < b->nemmg; i++)
		if (NAMES(&b->emmg[i], b->emmg[i].peer))
			return true;
	for (size_t i = 0; i < b->nstkm; i++)
		if (NAMES(&b->stkm[i], b->stkm[i].peer))
			return true;
	for (size_t i = 0; i < b->nseak; i++)
		if (NAMES(&b->seak[i], b->seak[i].bsda))
			return true;
#undef NAMES
	return false;
}

static bool
of_emmg(const struct he_bridge *b, const struct sp4_msg *m)
{
	for (size_t i = 0; i < b->nemmg; i++)
		if (b->emmg[i].registration == registers(m) && strcmp(b->emmg[i].service->global_service_id, m->service) == 0)
			return true;
	return false;
}

static struct sp4_distribution_context
context_of(const struct he_bridge_mux *row)
{
	const uint32_t kbps = row->bandwidth_bps / 1000;

	return (struct sp4_distribution_context){ .data_id = row->data_id, .repetition_ms = row->repetition_ms,
		.bandwidth_kbps = kbps == 0 ? SP4_ABSENT : kbps > UINT16_MAX ? UINT16_MAX : kbps };
}

/*
 * The answer of what is stored for a service and overlaps the window that was asked for, of all its streams: a request cannot name one. Its context is that of
 * the first that has something.
 */
static void
give(struct xs *app, struct ex_call *call, const struct sp4_msg *m)
{
	struct gathering g = { .from_s = gw_utc_us() / 1000000, .to_s = INT64_MAX };
	bool read = true;

	if (m->distribution_start != SP4_ABSENT && sp4_unix(m->distribution_start) > g.from_s)
		g.from_s = sp4_unix(m->distribution_start);
	if (m->distribution_end != SP4_ABSENT)
		g.to_s = sp4_unix(m->distribution_end);
	sp4_init(&g.answer, (int)m->tag + 1);
	g.answer.status = BR_OK;
	g.octets = malloc(ANSWER_OCTETS);
	for (size_t i = 0; g.octets && i < app->nouts && read; i++) {
		const struct out *o = &app->outs[i];

		if (!is_for(o, m))
			continue;
		read = gw_objects_each(app->store, xs_out_stream(o->out), gather, &g) == GW_WON;
		if (g.answer.n_data && !g.answer.n_distribution) {
			g.answer.n_distribution = 1;
			g.answer.distribution = context_of(o->conf);
		}
	}
	if (!g.octets || !read)
		ex_status(call, BR_DELAYED, "the store cannot be read");
	else if (g.answer.n_data == 0)
		ex_status(call, BR_DELAYED, "nothing is there for that time");
	else
		ex_answer(call, &g.answer);
	free(g.octets);
}

/* The rows emmg were asked before (bridge/sx.c), and have nothing for this peer. */
static bool
on_request(void *self, struct ex_call *call, const struct he_sp4_peer *from, const struct sp4_msg *m)
{
	struct xs *app = self;
	bool known;

	if (app->closing || !(app->b->roles & HE_ROLE_BSM) || !(from->roles & HE_ROLE_BSDA) || app->b->nemmg + app->nouts == 0)
		return false;
	find_out(app, from, m, &known);
	if (!known && !of_emmg(app->b, m))
		ex_status(call, BR_NO_SERVICE, "no entry is for this GlobalServiceID and kind of object");
	else if (!known || !entitled(app->b, from, m->service))
		ex_status(call, BR_NOT_ENTITLED, "no entry has this service for this peer");
	else
		give(app, call, m);
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

static struct line *
open_line(struct xs *app, const struct he_bridge_stkm *s)
{
	struct xs_stream_conf c = { .unit = unit_of(s), .ecm_id = s->ecm_id, .super_cas_id = s->kms->super_cas_id, .protection = s->service->scrambling,
		.authenticated = s->service->authentication, .cw_length = s->service->cw_length,
		.nominal_100ms = (uint16_t)(s->service->crypto_period_ms / 100), .mode_a = s->mode == HE_MODE_A };
	struct line *l = calloc(1, sizeof(*l));

	if (!l || gw_dues_reserve(&app->dues, app->nlines + 1) < 0 || !(l->kms = open_kms(app, s->kms))) {
		free(l);
		return NULL;
	}
	l->app = app;
	l->conf = s;
	if (!(l->stream = xs_stream_new(scs_wire_kms(l->kms->wire), &c, &stream_ops, l, gw_mono_us()))) {
		free(l);
		return NULL;
	}
	replan(l);
	return l;
}

static void
close_line(struct line *l)
{
	gw_due_set(&l->app->dues, &l->due, INT64_MAX);
	xs_stream_free(l->stream, gw_mono_us());
	scs_wire_plan(l->kms->wire);
	free(l);
}

static bool
same_line(const struct he_bridge_stkm *a, const struct he_bridge_stkm *b)
{
	const struct he_service *s = a->service, *t = b->service;

	return strcmp(a->kms->name, b->kms->name) == 0 && scs_wire_same(a->kms, b->kms) && strcmp(unit_of(a), unit_of(b)) == 0 &&
	    a->ecm_id == b->ecm_id && a->mode == b->mode && s->scrambling == t->scrambling && s->authentication == t->authentication &&
	    s->cw_length == t->cw_length && s->crypto_period_ms == t->crypto_period_ms;
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

/* Streams that are as they were in another reading go on, the others end. */
static void
keep_lines(struct xs *app, const struct he_bridge *b)
{
	size_t n = 0;

	for (size_t i = 0; i < app->nlines; i++) {
		struct line *l = app->lines[i];
		size_t k = 0;

		while (k < b->nstkm && !same_line(l->conf, &b->stkm[k]))
			k++;
		if (k == b->nstkm) {
			close_line(l);
			continue;
		}
		l->conf = &b->stkm[k];
		app->lines[n++] = l;
	}
	app->nlines = n;
}

/* A KMS that is spoken to in another way now, or that no row has any more, ends. Streams that stay have one that stays. */
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
	struct line **grown = realloc(app->lines, (app->nlines + b->nstkm + 1) * sizeof(*grown));

	if (!grown)
		return gw_fail(err, GW_ESYS, "out of memory");
	app->lines = grown;
	keep_lines(app, b);
	keep_kms(app, b);
	for (size_t i = 0; i < b->nstkm; i++) {
		if (find_line(app, &b->stkm[i]))
			continue;
		if (!(grown[app->nlines] = open_line(app, &b->stkm[i])))
			return gw_fail(err, GW_ESYS, "out of memory");
		app->nlines++;
	}
	return 0;
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
	free(app->lines);
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
	for (size_t i = 0; i < app->nlines; i++)
		close_line(app->lines[i]);
	for (size_t i = 0; i < app->nouts; i++)
		xs_out_close(app->outs[i].out, one_closed, app);
	for (size_t i = 0; i < app->nkms; i++) {
		scs_wire_close(app->kms[i]->wire);
		free(app->kms[i]);
	}
	app->nlines = app->nouts = app->nkms = 0;
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
line_status(const struct line *l)
{
	struct xs_stream_view v;
	struct scs_stream_view s;

	xs_stream_view(l->stream, &v);
	scs_kms_stream_view(xs_stream_line(l->stream), &s);
	return json_pack("{s:s, s:s, s:s, s:i, s:b, s:I, s:I, s:I, s:I, s:I, s:i, s:I}", "service", l->conf->service->id,
	    "global_service_id", l->conf->service->global_service_id, "kms", l->kms->conf->name, "ecm_id", l->conf->ecm_id,
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
	for (size_t i = 0; i < app->nlines; i++)
		json_array_append_new(rows, line_status(app->lines[i]));
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

	for (size_t i = 0; i < app->nlines; i++) {
		const struct line *l = app->lines[i];
		struct xs_stream_view v;
		char id[16];

		snprintf(id, sizeof(id), "%u", l->conf->ecm_id);
		labels[0] = '\0';
		gw_label(labels, sizeof(labels), "service", l->conf->service->id);
		gw_label(labels, sizeof(labels), "kms", l->kms->conf->name);
		gw_label(labels, sizeof(labels), "ecm_id", id);
		xs_stream_view(l->stream, &v);
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
