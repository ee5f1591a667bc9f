/* lib/scs_wire.c: see scs_wire.h */
#include "lib/scs_wire.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/clock.h"
#include "lib/link.h"
#include "lib/log.h"

/* BACKOFF: a crypto-period is being extended meanwhile. */
enum { GRACE_MS = 200, BACKOFF_MS = 4000 };

struct scs_wire {
	uv_loop_t *loop;
	uv_timer_t timer;
	struct scs_kms *engine;
	struct scs_kms_ops ops;
	struct scs_ids *ids;
	char name[65];
	struct gw_addr *ecmg;
	size_t conns;			/* connections, and attempts at one */
	bool closing, stopped;
	void (*closed)(void *self);
	void *self;
	struct gw_rate rate;
};
/* One connection, kept up by its dialer. */
struct conn {
	struct scs_wire *wire;
	struct scs_line *line;		/* NULL: hung up */
	struct gw_dialer *dialer;
	struct gw_link *link;
	size_t ecmg;
};

static void on_timer(uv_timer_t *);

/* Channels live on the monotonic clock: their time-outs are the network's, not the programme's. */
void
scs_wire_plan(struct scs_wire *w)
{
	int64_t at = scs_kms_next(w->engine), now = gw_mono_us();

	if (uv_is_closing((uv_handle_t *)&w->timer))
		return;
	if (at == INT64_MAX)
		uv_timer_stop(&w->timer);
	else
		uv_timer_start(&w->timer, on_timer, at > now ? (uint64_t)(at - now + 999) / 1000 : 0, 0);
}

static void
on_timer(uv_timer_t *t)
{
	struct scs_wire *w = t->data;

	scs_kms_tick(w->engine, gw_mono_us());
	scs_wire_plan(w);
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
	scs_wire_plan(c->wire);
}

static void
link_frame(void *self, struct gw_link *link, const uint8_t *msg, size_t len)
{
	struct conn *c = self;

	(void)link;
	if (!c->line)
		return;
	scs_line_frame(c->line, msg, len, gw_mono_us());
	scs_wire_plan(c->wire);
}

static void
link_down(void *self, struct gw_link *link, const struct gw_err *why)
{
	struct conn *c = self;
	struct scs_wire *w = c->wire;

	if (!w->closing && why)
		gw_log_limited(&w->rate, GW_WARNING, "ecmg_lost", why->text, "kms=%s ecmg=%zu peer=%s", w->name, c->ecmg, gw_link_peer(link));
	c->link = NULL;
	if (!c->line)
		return;
	scs_line_lost(c->line, gw_mono_us());
	scs_wire_plan(w);
}

static const struct gw_link_ops link_ops = { .up = link_up, .frame = link_frame, .down = link_down };

/* ---- the engine's calls ---- */

static void *
dial(void *self, struct scs_line *line, size_t ecmg)
{
	struct scs_wire *w = self;
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct conn){ .wire = w, .line = line, .ecmg = ecmg };
	c->dialer = gw_dial(w->loop, &w->ecmg[ecmg], 1, &link_ops, NULL, c);
	if (!c->dialer) {
		free(c);
		return NULL;
	}
	gw_dialer_max_backoff(c->dialer, BACKOFF_MS);
	w->conns++;
	return c;
}

static void
free_wire(uv_handle_t *h)
{
	struct scs_wire *w = h->data;

	if (w->closed)
		w->closed(w->self);
	scs_kms_free(w->engine);
	free(w->ecmg);
	free(w);
}

static void
end_if_done(struct scs_wire *w)
{
	if (w->stopped && w->conns == 0 && !uv_is_closing((uv_handle_t *)&w->timer))
		uv_close((uv_handle_t *)&w->timer, free_wire);
}

static void
dialer_closed(void *self)
{
	struct conn *c = self;
	struct scs_wire *w = c->wire;

	free(c);
	w->conns--;
	end_if_done(w);
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
	struct scs_wire *w = self;

	w->stopped = true;
	end_if_done(w);
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
	struct scs_ids *ids = ((struct scs_wire *)self)->ids;
	unsigned low = ids->he->scs.channel_id_min, high = ids->he->scs.channel_id_max;

	if (fixed >= 0 && ids->used[fixed] < UINT16_MAX) {
		ids->used[fixed]++;
		return fixed;
	}
	for (unsigned n = low; fixed < 0 && n <= high; n++) {
		unsigned id = ids->next < low || ids->next > high ? low : ids->next;
		ids->next = id + 1;
		if (ids->used[id] || fixed_somewhere(ids->he, id))
			continue;
		ids->used[id]++;
		return (int)id;
	}
	return -1;
}

static void
free_id(void *self, uint16_t id)
{
	((struct scs_wire *)self)->ids->used[id]--;
}

/* ---- life ---- */

static struct scs_kms_ops
whole(const struct scs_kms_ops *streams)
{
	struct scs_kms_ops ops = *streams;

	ops.dial = dial;
	ops.hang_up = hang_up;
	ops.send = send_it;
	ops.drop = drop;
	ops.take_id = take_id;
	ops.free_id = free_id;
	ops.stopped = stopped;
	return ops;
}

struct scs_wire *
scs_wire_open(uv_loop_t *loop, const struct he_kms *kms, struct scs_ids *ids, const struct scs_kms_ops *streams, void (*closed)(void *self), void *self)
{
	struct scs_kms_conf conf = { .necmg = kms->necmg, .cold = kms->standby_cold, .stay = kms->return_never,
		.hedge_us = kms->hedge_ms * INT64_C(1000), .return_us = kms->return_after_ms * INT64_C(1000),
		.chan = { .kms = kms->name, .super_cas_id = kms->super_cas_id, .version = kms->protocol_version,
		    .bcast_parameters = kms->bcast_parameters, .strict = kms->strict, .manners = kms->manners,
		    .test_us = kms->test_interval_ms * INT64_C(1000) } };
	struct scs_wire *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct scs_wire){ .loop = loop, .ids = ids, .ops = whole(streams), .closed = closed, .self = self };
	snprintf(w->name, sizeof(w->name), "%s", kms->name);
	w->ecmg = calloc(kms->necmg, sizeof(*w->ecmg));
	w->engine = w->ecmg ? scs_kms_new(&conf, &w->ops, w) : NULL;
	if (!w->engine) {
		free(w->ecmg);
		free(w);
		return NULL;
	}
	memcpy(w->ecmg, kms->ecmg, kms->necmg * sizeof(*w->ecmg));
	w->rate = (struct gw_rate){ .burst = 20, .per_ms = 10000 };
	uv_timer_init(loop, &w->timer);
	w->timer.data = w;
	scs_kms_start(w->engine, gw_mono_us());
	scs_wire_plan(w);
	return w;
}

struct scs_kms *
scs_wire_kms(const struct scs_wire *w)
{
	return w->engine;
}

void
scs_wire_close(struct scs_wire *w)
{
	w->closing = true;
	scs_kms_stop(w->engine, gw_mono_us());
	scs_wire_plan(w);
}

bool
scs_wire_same(const struct he_kms *a, const struct he_kms *b)
{
	return a->super_cas_id == b->super_cas_id && a->protocol_version == b->protocol_version &&
	    a->bcast_parameters == b->bcast_parameters && a->strict == b->strict && a->necmg == b->necmg &&
	    a->standby_cold == b->standby_cold && a->return_never == b->return_never && a->return_after_ms == b->return_after_ms &&
	    a->hedge_ms == b->hedge_ms && a->test_interval_ms == b->test_interval_ms && he_same_manners(&a->manners, &b->manners) &&
	    memcmp(a->ecmg, b->ecmg, a->necmg * sizeof(*a->ecmg)) == 0;
}
