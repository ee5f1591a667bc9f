/* scs/peer.c: the ECMG of a KMS: its addresses, its connection, its channel; between them the engine of chan.h */
#include <stdlib.h>
#include <string.h>
#include "proto/ecmg_scs.h"
#include "scs/scs.h"

/* ECM_MOST: what fits into one message of the playout link. BACKOFF: a crypto-period is being extended meanwhile. */
enum { GRACE_MS = 200, ECM_MOST = 64000, BACKOFF_MS = 4000 };

static void on_timer(uv_timer_t *);

/* The channel lives on the monotonic clock: its time-outs are the network's, not the programme's. */
static void
plan(struct scs_peer *p)
{
	int64_t at = scs_chan_next(p->chan), now = gw_mono_us();

	if (at == INT64_MAX)
		uv_timer_stop(&p->timer);
	else
		uv_timer_start(&p->timer, on_timer, at > now ? (uint64_t)(at - now + 999) / 1000 : 0, 0);
}

/* ---- the channel's calls ---- */

static void
send_it(void *self, const void *msg, size_t len)
{
	struct scs_peer *p = self;

	if (p->link)
		gw_link_send(p->link, msg, len);
}

static void
drop(void *self, const char *why)
{
	struct scs_peer *p = self;

	if (!p->link)
		return;
	if (!why) {
		gw_link_close(p->link, GRACE_MS);
		return;
	}
	gw_dialer_failed(p->dialer);
	gw_link_abort(p->link, GW_EPEER, why);
}

static struct scs_unit_stream *
stream(struct scs_peer *p, size_t number)
{
	return number < p->n ? p->streams[number] : NULL;
}

static size_t
place(const struct scs_unit_stream *t)
{
	return (size_t)(t - t->unit->streams);
}

static void
stream_up(void *self, size_t number, const struct scs_terms *terms)
{
	struct scs_unit_stream *t = stream(self, number);

	if (!t)
		return;
	t->terms = *terms;
	t->known = true;
	scs_schedule_stream_up(t->unit->schedule, place(t), terms, scs_now(t->unit->app));
	scs_touch(t->unit);
}

static void
stream_down(void *self, size_t number)
{
	struct scs_unit_stream *t = stream(self, number);

	if (!t)
		return;
	scs_schedule_stream_down(t->unit->schedule, place(t), scs_now(t->unit->app));
	scs_touch(t->unit);
}

static void
refused(void *self, size_t number, int64_t cp)
{
	struct scs_unit_stream *t = stream(self, number);

	if (!t)
		return;
	scs_schedule_refused(t->unit->schedule, place(t), cp, scs_now(t->unit->app));
	scs_touch(t->unit);
}

/* 2.4: what section_TSpkt_flag promises, and what our mux can put on air; empty: nothing on air for this CP. */
static const char *
misfit(const struct scs_unit_stream *t, const uint8_t *p, size_t len)
{
	uint8_t flag = t->terms.section_TSpkt_flag;

	if (len > ECM_MOST)
		return "ECM_datagram is too long for a UDP datagram";
	if (len == 0 || flag == 2)
		return NULL;
	if (flag == 0 && t->conf->out.scheme)
		return "sections need a transport stream to go into, and the mux makes none: let the ECMG give TS packets or datagrams";
	if (flag == 0)
		return len >= 3 && (size_t)((p[1] & 0x0f) << 8 | p[2]) + 3 == len ? NULL : "ECM_datagram is no whole section";
	for (size_t i = 0; i < len; i += 188)
		if (len % 188 || p[i] != 0x47)
			return "ECM_datagram is no run of TS packets";
	return NULL;
}

static void
ecm(void *self, size_t number, int64_t cp, const uint8_t *datagram, size_t len)
{
	struct scs_unit_stream *t = stream(self, number);
	struct scs_peer *p = self;
	const char *why;
	uint8_t *copy;

	if (!t || cp != scs_schedule_preparing(t->unit->schedule)->cp)
		return;		/* late, for a CP that went on without it */
	why = misfit(t, datagram, len);
	copy = why ? NULL : malloc(len ? len : 1);
	if (!copy) {
		gw_log_limited(&p->app->rate, GW_WARNING, "ecm_refused", why ? why : "out of memory",
		    "kms=%s peer=%s service=%s cp=%lld bytes=%zu", p->kms->name, scs_chan_peer(p->chan), t->unit->conf->id,
		    (long long)cp, len);
		refused(self, number, cp);
		return;
	}
	memcpy(copy, datagram, len);
	free(t->ecm.p);
	t->ecm = (struct scs_ecm){ .cp = cp, .p = copy, .len = len, .terms = t->terms };
	scs_schedule_ecm(t->unit->schedule, place(t), cp, scs_now(t->unit->app));
	scs_touch(t->unit);
}

static bool
key(void *self, size_t number, int64_t cp, struct scs_key *out)
{
	struct scs_unit_stream *t = stream(self, number);
	const struct scs_key_entry *k = t ? scs_unit_key(t->unit, cp) : NULL;

	if (!k)
		return false;
	*out = (struct scs_key){ .material = k->material.p, .len = k->material.len };
	out->id_len = scs_unit_key_id(t->unit, cp, out->id);
	return true;
}

/* The channel's terms are known before the stream's set-up, and min_CP_duration may stretch the period. */
static uint16_t
nominal(void *self, size_t number, const struct scs_terms *terms)
{
	struct scs_unit_stream *t = stream(self, number);
	int64_t period = t ? scs_schedule_period(t->unit->schedule) / 100000 : 0;

	return (uint16_t)(terms->min_CP_duration > period ? terms->min_CP_duration : period);
}

static const struct scs_chan_ops chan_ops = { .send = send_it, .drop = drop, .stream_up = stream_up, .stream_down = stream_down,
	.ecm = ecm, .refused = refused, .key = key, .nominal = nominal };

/* ---- the link's calls ---- */

static void
link_up(void *self, struct gw_link *link)
{
	struct scs_peer *p = self;

	p->link = link;
	scs_chan_connected(p->chan, gw_link_peer(link), gw_mono_us());
	plan(p);
}

static void
link_frame(void *self, struct gw_link *link, const uint8_t *msg, size_t len)
{
	struct scs_peer *p = self;

	(void)link;
	scs_chan_frame(p->chan, msg, len, gw_mono_us());
	plan(p);
}

static void dialer_closed(void *);

static void
link_down(void *self, struct gw_link *link, const struct gw_err *why)
{
	struct scs_peer *p = self;

	if (!p->closing)
		gw_log_limited(&p->app->rate, GW_WARNING, "ecmg_lost", why ? why->text : "closed", "kms=%s peer=%s", p->kms->name,
		    gw_link_peer(link));
	p->link = NULL;
	scs_chan_lost(p->chan, gw_mono_us());
	plan(p);
	if (p->closing)
		gw_dialer_close(p->dialer, dialer_closed);
}

static const struct gw_link_ops link_ops = { .up = link_up, .frame = link_frame, .down = link_down };

static void
on_timer(uv_timer_t *t)
{
	struct scs_peer *p = t->data;

	scs_chan_tick(p->chan, gw_mono_us());
	plan(p);
}

/* ---- life ---- */

/* ECM_channel_id: unique among the channels of this SCS; one that is just being closed may still be open at its ECMG. */
static uint16_t
channel_id(struct scs *app)
{
	size_t i;

	do {
		app->channel_ids++;
		for (i = 0; i < app->npeers && scs_chan_id(app->peers[i]->chan) != app->channel_ids; i++)
			;
	} while (i < app->npeers || app->channel_ids == 0);
	return app->channel_ids;
}

struct scs_peer *
scs_peer_open(struct scs *app, const struct he_kms *kms, struct gw_err *err)
{
	struct scs_chan_conf c = { .kms = kms->name, .super_cas_id = kms->super_cas_id, .channel_id = channel_id(app),
		.version = kms->protocol_version, .bcast_parameters = kms->bcast_parameters, .strict = kms->strict };
	struct scs_peer *p = calloc(1, sizeof(*p));

	if (!p || !(p->chan = scs_chan_new(&c, &chan_ops, p))) {
		free(p);
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	p->app = app;
	p->kms = kms;
	uv_timer_init(&app->loop, &p->timer);
	p->timer.data = p;
	p->dialer = gw_dial(&app->loop, kms->ecmg, kms->necmg, &link_ops, NULL, p);
	if (!p->dialer) {
		gw_fail(err, GW_ESYS, "out of memory");
		scs_peer_close(p);
		return NULL;
	}
	gw_dialer_max_backoff(p->dialer, BACKOFF_MS);
	return p;
}

static void
free_peer(uv_handle_t *h)
{
	struct scs_peer *p = h->data;

	scs_chan_free(p->chan);
	free(p->streams);
	free(p);
}

static void
dialer_closed(void *self)
{
	struct scs_peer *p = self;

	uv_close((uv_handle_t *)&p->timer, free_peer);
}

void
scs_peer_close(struct scs_peer *p)
{
	p->closing = true;
	p->kms = NULL;	/* its configuration may go before the connection does */
	for (size_t i = 0; i < p->n; i++)
		p->streams[i] = NULL;
	if (!p->dialer) {
		dialer_closed(p);
	} else if (!p->link) {
		gw_dialer_close(p->dialer, dialer_closed);
	} else {	/* stream_close_requests, their answers for a moment, channel_close; then the link ends and the rest with it */
		scs_chan_stop(p->chan, gw_mono_us());
		plan(p);
	}
}

bool
scs_peer_same(const struct he_kms *a, const struct he_kms *b)
{
	if (a->super_cas_id != b->super_cas_id || a->protocol_version != b->protocol_version ||
	    a->bcast_parameters != b->bcast_parameters || a->strict != b->strict || a->necmg != b->necmg)
		return false;
	return memcmp(a->ecmg, b->ecmg, a->necmg * sizeof(*a->ecmg)) == 0;
}

int
scs_peer_join(struct scs_peer *p, struct scs_unit_stream *t, struct gw_err *err)
{
	const struct he_service *s = t->unit->conf->service;
	struct scs_chan_stream c = { .unit = t->unit->conf->id, .ecm_id = t->conf->ecm_id, .protection = (uint8_t)s->scrambling,
		.authenticated = s->authentication, .access_criteria = t->conf->access_criteria,
		.access_criteria_len = t->conf->access_criteria_len };
	int number = scs_chan_add(p->chan, &c, gw_mono_us());
	struct scs_unit_stream **grown;

	if (number < 0)
		return gw_fail(err, GW_ESYS, "kms %s: out of memory", p->kms->name);
	if ((size_t)number >= p->n) {
		grown = realloc(p->streams, ((size_t)number + 1) * sizeof(*grown));
		if (!grown) {
			scs_chan_remove(p->chan, (size_t)number, gw_mono_us());
			return gw_fail(err, GW_ESYS, "kms %s: out of memory", p->kms->name);
		}
		p->streams = grown;
		p->n = (size_t)number + 1;
	}
	p->streams[number] = t;
	t->number = (size_t)number;
	plan(p);
	return 0;
}

void
scs_peer_leave(struct scs_peer *p, struct scs_unit_stream *t)
{
	if (t->number >= p->n || p->streams[t->number] != t)
		return;
	p->streams[t->number] = NULL;
	scs_chan_remove(p->chan, t->number, gw_mono_us());
	plan(p);
}

void
scs_peer_ask(struct scs_peer *p, const struct scs_unit_stream *t, int64_t cp, int64_t duration_us)
{
	scs_chan_provision(p->chan, t->number, cp, duration_us, gw_mono_us());
	plan(p);
}
