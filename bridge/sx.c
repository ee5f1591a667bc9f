/* bridge/sx.c: the engines of S->X between connections (lib/ecmg_face.h, lib/mux_face.h), exchanges and the clock */
#include "bridge/sx.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/errors.h"
#include "bridge/sx_ecmg.h"
#include "bridge/sx_emmg.h"
#include "lib/clock.h"
#include "lib/ecmg_face.h"
#include "lib/mux_face.h"

enum { SILENCE_MS = 30000, PATIENCE_MS = 10000, LOG_BURST = 10, LOG_PER_MS = 1000 };

/* The rows that share an address to listen at. */
struct door { struct gw_addr listen, listen_udp; struct mux_map map; struct mux_face face; };
struct sx {
	uv_loop_t *loop;
	struct ex *ex;
	const struct he_bridge *bridge;
	char label[160];
	struct ecmg_face face;
	struct sx_ecmg ecmg;
	struct sx_emmg emmg;
	struct door **doors; size_t ndoors;
	uv_timer_t timer;
	int64_t wakes_us;		/* INT64_MAX: it does not */
	struct gw_rate rate;
	sx_may_air *may_air; const void *gate;	/* NULL: all may */
	unsigned open;			/* what is to be closed: the timer, the face, its clock, the doors */
	bool closing;
};

static int64_t
now_us(const struct sx *s)
{
	return (int64_t)uv_now(s->loop) * 1000;
}

/* ---- the clock of the engines ---- */

static void on_timer(uv_timer_t *);

static void
wake(struct sx *s)
{
	const int64_t ecmg = sx_ecmg_next(&s->ecmg), emmg = sx_emmg_next(&s->emmg), next = ecmg < emmg ? ecmg : emmg;
	const int64_t wait = (next - now_us(s) + 999) / 1000;

	if (s->closing || next >= s->wakes_us)	/* too early a turn is a cheap one */
		return;
	s->wakes_us = next;
	uv_timer_start(&s->timer, on_timer, wait > 0 ? (uint64_t)wait : 0, 0);
}

static void
on_timer(uv_timer_t *t)
{
	struct sx *s = t->data;

	s->wakes_us = INT64_MAX;
	sx_ecmg_time(&s->ecmg, now_us(s));
	sx_emmg_time(&s->emmg, now_us(s), gw_utc_us());
	wake(s);
}

/* ---- STKMs ---- */

static int
make_channel(struct ecmg_conn *k, uint32_t super_cas_id, struct ecmg_says *says, char *why, size_t cap)
{
	return sx_ecmg_channel(&((struct sx *)k->face->owner)->ecmg, super_cas_id, says, why, cap);
}

static int
make_stream(struct ecmg_conn *k, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t cap)
{
	return sx_ecmg_stream(&((struct sx *)k->face->owner)->ecmg, super_cas_id, ecm_id, why, cap);
}

static int
make_ecm(struct ecmg_conn *k, const struct ecmg_request *q, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	struct sx *s = k->face->owner;
	const int rc = sx_ecmg_ecm(&s->ecmg, q, now_us(s), out, cap, why, why_cap);

	if (rc == ECMG_LATER)
		wake(s);
	return rc;
}

static void
on_stkm(void *self, const struct ex_result *r)
{
	struct sx_ask *a = self;
	struct sx *s = sx_ask_engine(a)->self;

	sx_ecmg_done(&s->ecmg, a, r, now_us(s));
	wake(s);
}

static int
send_ask(void *self, const struct he_sp4_peer *peer, struct sp4_msg *m, unsigned attempt_ms, int64_t give_up_us, struct sx_ask *a, struct gw_err *err)
{
	return ex_send(((struct sx *)self)->ex, peer, m, attempt_ms, give_up_us, on_stkm, a, err);
}

static void
give(void *self, uint64_t handle, int rc, const uint8_t *stkm, const char *why)
{
	ecmg_face_answer(&((struct sx *)self)->face, handle, rc, stkm, why);
}

static bool
may_air(void *self, const char *urn, const void *stkm, size_t len, unsigned *status, const char **reason)
{
	const struct sx *s = self;

	return !s->may_air || s->may_air(s->gate, urn, stkm, len, status, reason);
}

void
sx_gate(struct sx *s, sx_may_air *ask, const void *gate)
{
	s->may_air = ask;
	s->gate = gate;
}

static void
note_stkm(void *self, const struct sx_note *n)
{
	struct sx *s = self;

	gw_log_limited(&s->rate, n->level, n->event, n->why, "%s kms=%s service=%s stream=%u cp=%d", s->label, n->kms->name, n->service->id, n->ecm_id,
	    n->cp);
}

static bool
on_delivery(void *self, struct ex_call *call, const struct he_sp4_peer *from, const struct sp4_msg *m)
{
	struct sx *s = self;
	const char *reason;
	unsigned status;

	if (s->closing || s->bridge->necmg == 0)
		return false;
	status = sx_ecmg_delivery(&s->ecmg, from, m, now_us(s), &reason);
	ex_status(call, status, reason);
	return true;
}

/* ---- LTKMs and registration objects ---- */

static void *
open_flow(void *owner, const struct mux_route *r, uint8_t flag, struct gw_err *err)
{
	struct sx_flow *f = sx_emmg_flow(&((struct sx *)owner)->emmg, r->client_id, r->data_id);

	if (flag != 2)
		gw_fail(err, GW_ECONF, "LTKMs go by section_TSpkt_flag 2");
	else if (!f)
		gw_fail(err, GW_ECONF, "no stream of the file");
	return flag == 2 ? f : NULL;
}

static void
shut_flow(void *owner, void *out)
{
	(void)owner;
	(void)out;	/* what it was given is still to be sent */
}

static bool
take_data(void *owner, void *out, const struct sim_msg *m)
{
	struct sx *s = owner;
	const bool taken = sx_emmg_provide(&s->emmg, out, m, now_us(s), gw_utc_us());

	wake(s);
	return taken;
}

static void
on_confirmation(void *self, const struct ex_result *r)
{
	struct sx_flow *f = self;
	struct sx *s = f->engine->self;

	sx_emmg_done(&s->emmg, f, r, now_us(s), gw_utc_us());
	wake(s);
}

static int
send_parcel(void *self, const struct he_sp4_peer *peer, struct sp4_msg *m, int64_t give_up_us, struct sx_flow *f, struct gw_err *err)
{
	return ex_send(((struct sx *)self)->ex, peer, m, 0, give_up_us, on_confirmation, f, err);
}

static void
complain(void *self, const struct he_bridge_emmg *row, uint16_t status, const char *why)
{
	struct sx *s = self;

	for (size_t i = 0; i < s->ndoors; i++)
		mux_intake_complain(&s->doors[i]->face.intake, row->client_id, row->data_id, status, why);
}

static void
note_ltkm(void *self, enum gw_level level, const char *event, const struct he_bridge_emmg *row, const char *why)
{
	struct sx *s = self;

	gw_log_limited(&s->rate, level, event, why, "%s peer=%s service=%s client=0x%08x data_id=%u", s->label, row->peer->name, row->service->id,
	    (unsigned)row->client_id, row->data_id);
}

static bool
on_request(void *self, struct ex_call *call, const struct he_sp4_peer *from, const struct sp4_msg *m)
{
	struct sx *s = self;
	struct sp4_msg answer;
	const char *reason;
	int status;

	if (s->closing)
		return false;
	status = sx_emmg_request(&s->emmg, from, m, gw_utc_us(), &answer, &reason);
	if (status < 0)
		return false;
	if (status)
		ex_status(call, (unsigned)status, reason);
	else
		ex_answer(call, &answer);
	return true;
}

static const struct sx_ecmg_door ecmg_door = { send_ask, give, may_air, note_stkm };
static const struct sx_emmg_door emmg_door = { send_parcel, complain, note_ltkm };

/* ---- rows ---- */

static bool
same_addr(const struct gw_addr *a, const struct gw_addr *b)
{
	char x[GW_ADDR_TEXT], y[GW_ADDR_TEXT];

	return a->scheme == b->scheme && (!a->scheme || strcmp(gw_addr_text(a, x, sizeof(x)), gw_addr_text(b, y, sizeof(y))) == 0);
}

/* What of the rows comes in at a door, and what it may use together. */
static int
routes_of(const struct he_bridge *b, const struct door *d, struct mux_map *map, uint64_t *bps, struct gw_err *err)
{
	*bps = 0;
	for (size_t i = 0; i < b->nemmg; i++) {
		const struct he_bridge_emmg *r = &b->emmg[i];
		const struct mux_route route = { .client_id = r->client_id, .data_id = r->data_id, .data_type = 0, .most_bps = r->bandwidth_bps,
			.repeat = 1, .repeat_ms = 1000 };
		if (!same_addr(&r->listen, &d->listen))
			continue;
		*bps += r->bandwidth_bps;
		if (mux_map_put(map, &route, err) < 0)
			return -1;
	}
	return 0;
}

static struct mux_face_conf
rules_of(const struct headend *h, const struct door *d, uint64_t bps)
{
	struct mux_face_conf c = { .map = &d->map, .rules = h->mux, .silence_ms = SILENCE_MS };

	c.rules.emmg = d->listen;
	c.rules.emmg_udp = d->listen_udp;
	c.rules.total_bandwidth_bps = bps;
	return c;
}

static void on_parted(void *);

static const struct mux_maker mux_maker = { open_flow, shut_flow, NULL, take_data, on_parted };
static const struct ecmg_maker ecmg_maker = { make_channel, make_stream, make_ecm, NULL, NULL, NULL, on_parted };

static struct door *
door_at(const struct sx *s, const struct gw_addr *a)
{
	for (size_t i = 0; i < s->ndoors; i++)
		if (same_addr(&s->doors[i]->listen, a))
			return s->doors[i];
	return NULL;
}

static int
open_door(struct sx *s, const struct headend *h, const struct he_bridge *b, const struct he_bridge_emmg *row, struct gw_err *err)
{
	struct door *d = calloc(1, sizeof(*d));
	struct mux_face_conf c;
	uint64_t bps;

	if (!d)
		return gw_fail(err, GW_ESYS, "out of memory");
	d->listen = row->listen;
	for (size_t i = 0; i < b->nemmg; i++)
		if (same_addr(&b->emmg[i].listen, &row->listen) && b->emmg[i].listen_udp.scheme)
			d->listen_udp = b->emmg[i].listen_udp;
	s->doors[s->ndoors++] = d;
	if (routes_of(b, d, &d->map, &bps, err) < 0)
		return -1;
	c = rules_of(h, d, bps);
	s->open++;
	return mux_face_open(&d->face, s->loop, &mux_maker, s, &c, err);
}

static int
open_doors(struct sx *s, const struct headend *h, const struct he_bridge *b, struct gw_err *err)
{
	s->doors = calloc(b->nemmg + 1, sizeof(struct door *));
	if (!s->doors)
		return gw_fail(err, GW_ESYS, "out of memory");
	for (size_t i = 0; i < b->nemmg; i++)
		if (!door_at(s, &b->emmg[i].listen) && open_door(s, h, b, &b->emmg[i], err) < 0)
			return -1;
	return 0;
}

static bool
listens_at(const struct sx *s, const struct gw_addr *a)
{
	for (size_t i = 0; i < s->face.nlisteners; i++)
		if (same_addr(gw_listener_addr(s->face.listeners[i]), a))
			return true;
	return false;
}

static int
listen_all(struct sx *s, const struct he_bridge *b, struct gw_err *err)
{
	for (size_t i = 0; i < b->necmg; i++)
		for (size_t k = 0; k < b->ecmg[i].nlisten; k++)
			if (!listens_at(s, &b->ecmg[i].listen[k]) && ecmg_face_listen(&s->face, &b->ecmg[i].listen[k], err) < 0)
				return -1;
	return 0;
}

static void
take_rules(struct sx *s, const struct he_bridge *b)
{
	s->bridge = b;
	s->face.engine.strict = false;
	for (size_t i = 0; i < b->necmg; i++)
		s->face.engine.strict = s->face.engine.strict || b->ecmg[i].kms->strict;
}

/* ---- up and down ---- */

struct sx *
sx_open(uv_loop_t *loop, const struct headend *h, const struct he_bridge *b, struct ex *ex, struct gw_err *err)
{
	struct sx *s = calloc(1, sizeof(*s));

	if (!s) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	s->loop = loop;
	s->ex = ex;
	s->wakes_us = INT64_MAX;
	s->rate = (struct gw_rate){ .burst = LOG_BURST, .per_ms = LOG_PER_MS };
	snprintf(s->label, sizeof(s->label), "bridge=%.140s", b->name);
	s->ecmg.door = &ecmg_door;
	s->emmg.door = &emmg_door;
	s->ecmg.self = s->emmg.self = s;
	s->face.loop = loop;
	s->face.owner = s;
	s->face.maker = &ecmg_maker;
	s->face.label = s->label;
	s->face.engine.encrypted = true;
	s->face.engine.silence_ms = SILENCE_MS;
	s->face.engine.patience_ms = PATIENCE_MS;
	take_rules(s, b);
	ecmg_face_open(&s->face);
	uv_timer_init(loop, &s->timer);
	s->timer.data = s;
	s->open = 2;
	if (sx_ecmg_conf(&s->ecmg, h, b, err) < 0 || sx_emmg_conf(&s->emmg, b, err) < 0 || listen_all(s, b, err) < 0 || open_doors(s, h, b, err) < 0) {
		sx_close(s);
		return NULL;
	}
	ex_handle(ex, 7, on_delivery, s);
	ex_handle(ex, 9, on_request, s);
	ex_handle(ex, 13, on_request, s);
	return s;
}

static void
revise_door(struct sx *s, const struct headend *h, const struct he_bridge *b, struct door *d)
{
	struct mux_map old = d->map;
	struct mux_face_conf c;
	uint64_t bps;

	d->map = (struct mux_map){ 0 };
	if (routes_of(b, d, &d->map, &bps, NULL) < 0) {
		mux_map_free(&d->map);
		d->map = old;
		return;
	}
	c = rules_of(h, d, bps);
	mux_face_reload(&d->face, &c);	/* streams without a row any more end, before their flows do */
	mux_map_free(&old);
	(void)s;
}

static bool
moved(const struct sx *s, const struct he_bridge *b)
{
	for (size_t i = 0; i < b->necmg; i++)
		for (size_t k = 0; k < b->ecmg[i].nlisten; k++)
			if (!listens_at(s, &b->ecmg[i].listen[k]))
				return true;
	for (size_t i = 0; i < b->nemmg; i++)
		if (!door_at(s, &b->emmg[i].listen))
			return true;
	return false;
}

int
sx_reconf(struct sx *s, const struct headend *h, const struct he_bridge *b, struct gw_err *err)
{
	if (sx_ecmg_conf(&s->ecmg, h, b, err) < 0)
		return -1;
	for (size_t i = 0; i < s->ndoors; i++)
		revise_door(s, h, b, s->doors[i]);
	if (sx_emmg_conf(&s->emmg, b, err) < 0)
		return -1;
	if (moved(s, b))
		gw_log(GW_WARNING, "reload_partly", "addresses change with a restart only", "%s", s->label);
	take_rules(s, b);
	ecmg_face_revise(&s->face);
	return 0;
}

static void
free_sx(struct sx *s)
{
	for (size_t i = 0; i < s->ndoors; i++) {
		mux_face_fini(&s->doors[i]->face);
		mux_map_free(&s->doors[i]->map);
		free(s->doors[i]);
	}
	free(s->doors);
	ecmg_face_fini(&s->face);
	sx_ecmg_fini(&s->ecmg);
	sx_emmg_fini(&s->emmg);
	free(s);
}

static void
closed_one(struct sx *s)
{
	if (--s->open == 0)
		free_sx(s);
}

static void
on_timer_closed(uv_handle_t *h)
{
	closed_one(h->data);
}

static void
on_unclocked(void *owner)
{
	closed_one(owner);
}

/* A face has nobody left: the ECMG's then gives up its clock, a door has given up everything. */
static void
on_parted(void *owner)
{
	struct sx *s = owner;

	if (s->face.ticking && s->face.nconns == 0)
		ecmg_face_unclock(&s->face, on_unclocked);
	else
		closed_one(s);
}

void
sx_close(struct sx *s)
{
	if (!s || s->closing)
		return;
	s->closing = true;
	ecmg_face_close(&s->face);
	ecmg_face_leave(&s->face);	/* who still waits gets no answer here */
	if (s->face.nconns == 0)
		ecmg_face_unclock(&s->face, on_unclocked);
	for (size_t i = 0; i < s->ndoors; i++)
		mux_face_close(&s->doors[i]->face);
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

/* ---- what operators see ---- */

json_t *
sx_status(const struct sx *s)
{
	return json_pack("{s:{s:o, s:o, s:o, s:i, s:o, s:o}, s:o}", "ecmg", "listening", ecmg_face_listening(&s->face),
	    "channels", ecmg_face_channels(&s->face), "stkms", sx_ecmg_status(&s->ecmg), "open_streams", (int)s->face.engine.streams,
	    "refused", gw_refusals_counts(&s->face.refused, &ecmg_scs), "last_errors", gw_refusals_last(&s->face.refused),
	    "emmg", sx_emmg_status(&s->emmg));
}

enum metric { CHANNELS, STREAMS, ASKED, ANSWERED, REFUSED_STKM, LATE, SILENT, UNASKED, REFUSED, PROVISIONS, SENT, FAILED, REPEATED, METRICS };
static const struct gw_metric metrics[METRICS] = {
	[CHANNELS] = { "simulgate_bridge_ecmg_channels", "ECM channels that SCSs have open", GW_GAUGE },
	[STREAMS] = { "simulgate_bridge_ecmg_streams", "ECM streams that SCSs have open", GW_GAUGE },
	[ASKED] = { "simulgate_bridge_stkm_asked_total", "STKMs asked of XML BSMs", GW_COUNTER },
	[ANSWERED] = { "simulgate_bridge_stkm_answered_total", "STKMs they answered with", GW_COUNTER },
	[REFUSED_STKM] = { "simulgate_bridge_stkm_refused_total", "requests that they refused or never answered", GW_COUNTER },
	[LATE] = { "simulgate_bridge_stkm_late_total", "STKMs that came when no SCS waited any more", GW_COUNTER },
	[SILENT] = { "simulgate_bridge_stkm_not_in_time_total", "requests not answered within max_comp_time", GW_COUNTER },
	[UNASKED] = { "simulgate_bridge_stkm_unasked_total", "STKMs that came by tag 7", GW_COUNTER },
	[REFUSED] = { "simulgate_bridge_ecmg_refused_total", "errors sent to SCSs, by error_status", GW_COUNTER },
	[PROVISIONS] = { "simulgate_bridge_emmg_provisions_total", "data_provisions of EMMGs", GW_COUNTER },
	[SENT] = { "simulgate_bridge_emmg_sent_total", "those that an XML BSD/A has", GW_COUNTER },
	[FAILED] = { "simulgate_bridge_emmg_failed_total", "deliveries that failed", GW_COUNTER },
	[REPEATED] = { "simulgate_bridge_emmg_repeated_total", "data_provisions that were nothing new", GW_COUNTER },
};

static void
collect_flow(const struct sx_flow *f, const char *bridge, struct gw_samples *out)
{
	const struct { enum metric m; uint64_t n; } values[] = { { PROVISIONS, f->provisions }, { SENT, f->sent }, { FAILED, f->failed },
		{ REPEATED, f->repeated } };
	char labels[400], text[32];

	snprintf(labels, sizeof(labels), "%s", bridge);
	snprintf(text, sizeof(text), "0x%08x", (unsigned)f->row->client_id);
	gw_label(labels, sizeof(labels), "client_id", text);
	snprintf(text, sizeof(text), "%u", f->row->data_id);
	gw_label(labels, sizeof(labels), "data_id", text);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		gw_sample(out, &metrics[values[i].m], labels, (double)values[i].n);
}

void
sx_collect(const struct sx *s, struct gw_samples *out)
{
	const struct sx_ecmg_counts *c = &s->ecmg.counts;
	const struct { enum metric m; uint64_t n; } values[] = { { CHANNELS, s->face.engine.channels }, { STREAMS, s->face.engine.streams },
		{ ASKED, c->asked }, { ANSWERED, c->answered }, { REFUSED_STKM, c->refused }, { LATE, c->late }, { SILENT, c->silent },
		{ UNASKED, c->unasked } };
	char labels[200] = "";

	gw_label(labels, sizeof(labels), "bridge", s->bridge->name);
	for (size_t i = 0; s->bridge->necmg && i < sizeof(values) / sizeof(values[0]); i++)
		gw_sample(out, &metrics[values[i].m], labels, (double)values[i].n);
	if (s->bridge->necmg)
		gw_refusals_collect(&s->face.refused, &ecmg_scs, &metrics[REFUSED], labels, out);
	for (size_t i = 0; i < s->emmg.n; i++)
		collect_flow(s->emmg.v[i], labels, out);
}
