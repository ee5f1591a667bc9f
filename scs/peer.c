/* scs/peer.c: a KMS's connections on the loop: dialers, links, a timer; between them and the units the engine of kms.h */
#include <stdlib.h>
#include <string.h>
#include "proto/ecmg_scs.h"
#include "scs/scs.h"

/* ECM_MOST: what fits into one message of the playout link. BACKOFF: a crypto-period is being extended meanwhile. */
enum { GRACE_MS = 200, ECM_MOST = 64000, BACKOFF_MS = 4000 };

/* One connection, kept up by its dialer. */
struct conn {
	struct scs_peer *peer;
	struct scs_line *line;		/* NULL: hung up */
	struct gw_dialer *dialer;
	struct gw_link *link;
	size_t ecmg;
};

static void on_timer(uv_timer_t *);

/* Channels live on the monotonic clock: their time-outs are the network's, not the programme's. */
static void
plan(struct scs_peer *p)
{
	int64_t at = scs_kms_next(p->engine), now = gw_mono_us();

	if (uv_is_closing((uv_handle_t *)&p->timer))
		return;
	if (at == INT64_MAX)
		uv_timer_stop(&p->timer);
	else
		uv_timer_start(&p->timer, on_timer, at > now ? (uint64_t)(at - now + 999) / 1000 : 0, 0);
}

static void
on_timer(uv_timer_t *t)
{
	struct scs_peer *p = t->data;

	scs_kms_tick(p->engine, gw_mono_us());
	plan(p);
}

/* ---- the links' calls ---- */

static void
link_up(void *self, struct gw_link *link)
{
	struct conn *c = self;

	c->link = link;
	if (!c->line)
		return;
	scs_line_connected(c->line, gw_link_peer(link), gw_mono_us());
	plan(c->peer);
}

static void
link_frame(void *self, struct gw_link *link, const uint8_t *msg, size_t len)
{
	struct conn *c = self;

	(void)link;
	if (!c->line)
		return;
	scs_line_frame(c->line, msg, len, gw_mono_us());
	plan(c->peer);
}

static void
link_down(void *self, struct gw_link *link, const struct gw_err *why)
{
	struct conn *c = self;
	struct scs_peer *p = c->peer;

	if (!p->closing && why)
		gw_log_limited(&p->app->rate, GW_WARNING, "ecmg_lost", why->text, "kms=%s ecmg=%zu peer=%s", p->kms->name, c->ecmg,
		    gw_link_peer(link));
	c->link = NULL;
	if (!c->line)
		return;
	scs_line_lost(c->line, gw_mono_us());
	plan(p);
}

static const struct gw_link_ops link_ops = { .up = link_up, .frame = link_frame, .down = link_down };

/* ---- the engine's calls: connections ---- */

static void *
dial(void *self, struct scs_line *line, size_t ecmg)
{
	struct scs_peer *p = self;
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct conn){ .peer = p, .line = line, .ecmg = ecmg };
	c->dialer = gw_dial(&p->app->loop, &p->kms->ecmg[ecmg], 1, &link_ops, NULL, c);
	if (!c->dialer) {
		free(c);
		return NULL;
	}
	gw_dialer_max_backoff(c->dialer, BACKOFF_MS);
	p->conns++;
	return c;
}

static void
free_peer(uv_handle_t *h)
{
	struct scs_peer *p = h->data;

	scs_kms_free(p->engine);
	free(p);
}

static void
end_if_done(struct scs_peer *p)
{
	if (p->stopped && p->conns == 0 && !uv_is_closing((uv_handle_t *)&p->timer))
		uv_close((uv_handle_t *)&p->timer, free_peer);
}

static void
dialer_closed(void *self)
{
	struct conn *c = self;
	struct scs_peer *p = c->peer;

	free(c);
	p->conns--;
	end_if_done(p);
}

static void
hang_up(void *conn)
{
	struct conn *c = conn;

	c->line = NULL;
	gw_dialer_close(c->dialer, dialer_closed);
}

static void
stopped(void *self)
{
	struct scs_peer *p = self;

	p->stopped = true;
	end_if_done(p);
}

static void
send_it(void *conn, const void *msg, size_t len)
{
	struct conn *c = conn;

	if (c->link)
		gw_link_send(c->link, msg, len);
}

static void
drop(void *conn, const char *why, bool at_once)
{
	struct conn *c = conn;

	if (!c->link)
		return;
	if (!why) {
		gw_link_close(c->link, GRACE_MS);
		return;
	}
	if (!at_once)
		gw_dialer_failed(c->dialer);
	gw_link_abort(c->link, GW_EPEER, why);
}

/* ECM_channel_id is unique among the channels of this SCS, but for those that a vendor fixed. */
static bool
fixed_somewhere(const struct headend *he, unsigned id)
{
	for (size_t i = 0; i < he->nkms; i++)
		if (he->kms[i].manners.channel_id.set && he->kms[i].manners.channel_id.v == id)
			return true;
	return false;
}

static int
take_id(void *self, int fixed)
{
	struct scs *app = ((struct scs_peer *)self)->app;
	unsigned low = app->he->scs.channel_id_min, high = app->he->scs.channel_id_max;

	if (fixed >= 0 && app->channel_ids[fixed] < UINT16_MAX) {
		app->channel_ids[fixed]++;
		return fixed;
	}
	for (unsigned n = low; fixed < 0 && n <= high; n++) {
		unsigned id = app->next_channel_id < low || app->next_channel_id > high ? low : app->next_channel_id;
		app->next_channel_id = id + 1;
		if (app->channel_ids[id] || fixed_somewhere(app->he, id))
			continue;
		app->channel_ids[id]++;
		return (int)id;
	}
	return -1;
}

static void
free_id(void *self, uint16_t id)
{
	((struct scs_peer *)self)->app->channel_ids[id]--;
}

/* ---- the engine's calls: streams ---- */

static size_t
place(const struct scs_unit_stream *t)
{
	return (size_t)(t - t->unit->streams);
}

static void
stream_up(void *owner, const struct scs_terms *terms)
{
	struct scs_unit_stream *t = owner;

	t->terms = *terms;
	t->known = true;
	scs_schedule_stream_up(t->unit->schedule, place(t), terms, scs_now(t->unit->app));
	scs_touch(t->unit);
}

static void
stream_down(void *owner)
{
	struct scs_unit_stream *t = owner;

	scs_schedule_stream_down(t->unit->schedule, place(t), scs_now(t->unit->app));
	scs_touch(t->unit);
}

static void
refused(void *owner, int64_t cp)
{
	struct scs_unit_stream *t = owner;

	scs_schedule_refused(t->unit->schedule, place(t), cp, scs_now(t->unit->app));
	scs_touch(t->unit);
}

/* 2.4: what section_TSpkt_flag promises, and what our mux can put on air; empty: nothing on air for this CP. */
static const char *
misfit(const struct scs_unit_stream *t, uint8_t flag, const uint8_t *p, size_t len)
{
	if (len > ECM_MOST)
		return "ECM_datagram is too long for a UDP datagram";
	if (len == 0)
		return NULL;
	if (flag == 2)
		return t->conf->out.pid ? "datagrams (section_TSpkt_flag 2) do not fit into a transport stream: let out have no pid" : NULL;
	if (flag == 0 && t->conf->out.scheme && !t->conf->out.pid)
		return "sections need a transport stream to go into: name their PID in out, udp://HOST:PORT?pid=0x1f0";
	if (flag == 0)
		return len >= 3 && (size_t)((p[1] & 0x0f) << 8 | p[2]) + 3 == len ? NULL : "ECM_datagram is no whole section";
	for (size_t i = 0; i < len; i += 188)
		if (len % 188 || p[i] != 0x47)
			return "ECM_datagram is no run of TS packets";
	return NULL;
}

static void
ecm(void *owner, int64_t cp, const uint8_t *datagram, size_t len, const struct scs_terms *terms)
{
	struct scs_unit_stream *t = owner;
	const char *why;
	uint8_t *copy;

	if (cp != scs_schedule_preparing(t->unit->schedule)->cp)
		return;		/* late, for a CP that went on without it */
	why = misfit(t, terms->section_TSpkt_flag, datagram, len);
	copy = why ? NULL : malloc(len ? len : 1);
	if (!copy) {
		gw_log_limited(&t->unit->app->rate, GW_WARNING, "ecm_refused", why ? why : "out of memory",
		    "kms=%s service=%s cp=%lld bytes=%zu", t->conf->kms->name, t->unit->conf->id, (long long)cp, len);
		refused(owner, cp);
		return;
	}
	memcpy(copy, datagram, len);
	free(t->ecm.p);
	t->ecm = (struct scs_ecm){ .cp = cp, .p = copy, .len = len, .terms = *terms };
	scs_schedule_ecm(t->unit->schedule, place(t), cp, scs_now(t->unit->app));
	scs_touch(t->unit);
}

static bool
key(void *owner, int64_t cp, struct scs_key *out)
{
	struct scs_unit_stream *t = owner;
	const struct scs_key_entry *k = scs_unit_key(t->unit, cp);

	if (!k)
		return false;
	*out = (struct scs_key){ .material = k->material.p, .len = k->material.len };
	out->id_len = scs_unit_key_id(t->unit, cp, out->id);
	return true;
}

/* The channel's terms are known before the stream's set-up, and min_CP_duration may stretch the period. */
static uint16_t
nominal(void *owner, const struct scs_terms *terms)
{
	struct scs_unit_stream *t = owner;
	int64_t period = scs_schedule_period(t->unit->schedule) / 100000;

	return (uint16_t)(terms->min_CP_duration > period ? terms->min_CP_duration : period);
}

static size_t
criteria(void *owner, int64_t cp, const uint8_t **p)
{
	return scs_unit_criteria(owner, cp, p);
}

static const struct scs_kms_ops ops = { .dial = dial, .hang_up = hang_up, .send = send_it, .drop = drop, .take_id = take_id,
	.free_id = free_id, .stopped = stopped, .stream_up = stream_up, .stream_down = stream_down, .ecm = ecm, .refused = refused,
	.key = key, .nominal = nominal, .criteria = criteria };

/* ---- life ---- */

struct scs_peer *
scs_peer_open(struct scs *app, const struct he_kms *kms, struct gw_err *err)
{
	struct scs_kms_conf c = { .necmg = kms->necmg, .cold = kms->standby_cold, .stay = kms->return_never,
		.hedge_us = kms->hedge_ms * INT64_C(1000), .return_us = kms->return_after_ms * INT64_C(1000),
		.chan = { .kms = kms->name, .super_cas_id = kms->super_cas_id, .version = kms->protocol_version,
		    .bcast_parameters = kms->bcast_parameters, .strict = kms->strict, .manners = kms->manners,
		    .test_us = kms->test_interval_ms * INT64_C(1000) } };
	struct scs_peer *p = calloc(1, sizeof(*p));

	if (!p || !(p->engine = scs_kms_new(&c, &ops, p))) {
		free(p);
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	p->app = app;
	p->kms = kms;
	uv_timer_init(&app->loop, &p->timer);
	p->timer.data = p;
	scs_kms_start(p->engine, gw_mono_us());
	plan(p);
	return p;
}

void
scs_peer_close(struct scs_peer *p)
{
	p->closing = true;
	p->kms = NULL;	/* its configuration may go before the connections do */
	scs_kms_stop(p->engine, gw_mono_us());
	plan(p);
}

bool
scs_peer_same(const struct he_kms *a, const struct he_kms *b)
{
	return a->super_cas_id == b->super_cas_id && a->protocol_version == b->protocol_version &&
	    a->bcast_parameters == b->bcast_parameters && a->strict == b->strict && a->necmg == b->necmg &&
	    a->standby_cold == b->standby_cold && a->return_never == b->return_never && a->return_after_ms == b->return_after_ms &&
	    a->hedge_ms == b->hedge_ms && a->test_interval_ms == b->test_interval_ms && he_same_manners(&a->manners, &b->manners) &&
	    memcmp(a->ecmg, b->ecmg, a->necmg * sizeof(*a->ecmg)) == 0;
}

int
scs_peer_join(struct scs_peer *p, struct scs_unit_stream *t, struct gw_err *err)
{
	const struct he_service *s = t->unit->conf->service;
	struct scs_chan_stream c = { .unit = t->unit->conf->id, .ecm_id = t->conf->ecm_id, .protection = (uint8_t)s->scrambling,
		.authenticated = s->authentication };

	t->line = scs_kms_join(p->engine, &c, t, gw_mono_us());
	plan(p);
	return t->line ? 0 : gw_fail(err, GW_ESYS, "kms %s: out of memory", p->kms->name);
}

void
scs_peer_leave(struct scs_peer *p, struct scs_unit_stream *t)
{
	if (!t->line)
		return;
	scs_kms_leave(t->line, gw_mono_us());
	t->line = NULL;
	plan(p);
}

void
scs_peer_ask(struct scs_peer *p, const struct scs_unit_stream *t, int64_t cp, int64_t duration_us)
{
	scs_kms_ask(t->line, cp, duration_us, gw_mono_us());
	plan(p);
}
