/* scs/peer.c: a KMS as the units see it: between them and its connections (lib/scs_wire.h) the engine of lib/scs_kms.h */
#include <stdlib.h>
#include <string.h>
#include "proto/ecmg_scs.h"
#include "scs/scs.h"

enum { ECM_MOST = 64000 };	/* what fits into one message of the playout link */

/* ---- the engine's calls ---- */

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

static const struct scs_kms_ops ops = { .stream_up = stream_up, .stream_down = stream_down, .ecm = ecm, .refused = refused,
	.key = key, .nominal = nominal, .criteria = criteria };

/* ---- life ---- */

struct scs_peer *
scs_peer_open(struct scs *app, const struct he_kms *kms, struct gw_err *err)
{
	struct scs_peer *p = calloc(1, sizeof(*p));

	app->ids.he = app->he;
	if (!p || !(p->wire = scs_wire_open(&app->loop, kms, &app->ids, &ops, free, p))) {
		free(p);
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	p->app = app;
	p->kms = kms;
	p->engine = scs_wire_kms(p->wire);
	return p;
}

void
scs_peer_close(struct scs_peer *p)
{
	p->kms = NULL;	/* its configuration may go before the connections do */
	scs_wire_close(p->wire);
}

int
scs_peer_join(struct scs_peer *p, struct scs_unit_stream *t, struct gw_err *err)
{
	const struct he_service *s = t->unit->conf->service;
	struct scs_chan_stream c = { .unit = t->unit->conf->id, .ecm_id = t->conf->ecm_id, .protection = (uint8_t)s->scrambling,
		.authenticated = s->authentication };

	t->line = scs_kms_join(p->engine, &c, t, gw_mono_us());
	scs_wire_plan(p->wire);
	return t->line ? 0 : gw_fail(err, GW_ESYS, "kms %s: out of memory", p->kms->name);
}

void
scs_peer_leave(struct scs_peer *p, struct scs_unit_stream *t)
{
	if (!t->line)
		return;
	scs_kms_leave(t->line, gw_mono_us());
	t->line = NULL;
	scs_wire_plan(p->wire);
}

void
scs_peer_ask(struct scs_peer *p, const struct scs_unit_stream *t, int64_t cp, int64_t duration_us)
{
	scs_kms_ask(t->line, cp, duration_us, gw_mono_us());
	scs_wire_plan(p->wire);
}
