/* bridge/xs_out.c: see xs_out.h */
#include "bridge/xs_out.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/link.h"
#include "lib/log.h"
#include "lib/udp.h"

/* ETHERNET: what an IPv6 packet of the usual MTU has room for after its own header and UDP's; what is longer goes by TCP. */
enum { GRACE_MS = 300, ETHERNET = 1500 - 40 - 8, VERSION = 5, TLV = 4 };

struct xs_out {
	char stream[320];
	struct gw_addr to, to_udp;
	uint32_t client_id;
	uint16_t data_id, channel_id;
	struct gw_objects *store;
	struct xs_carousel *carousel;
	struct emmg_chan *chan;
	int number;
	struct gw_dialer *dialer;
	struct gw_link *link;		/* NULL: down */
	char peer[80];
	int udp;			/* socket; -1: none */
	uv_timer_t timer;
	bool closing;
	void (*closed)(void *self);
	void *self;
	uint64_t losses, udp_errors;
	struct gw_rate rate;
};

static void on_timer(uv_timer_t *);

static void
plan(struct xs_out *o)
{
	int64_t at = emmg_chan_next(o->chan), data = o->closing ? INT64_MAX : xs_carousel_next(o->carousel), now = gw_mono_us();

	if (uv_is_closing((uv_handle_t *)&o->timer))
		return;
	at = data < at ? data : at;
	if (at == INT64_MAX)
		uv_timer_stop(&o->timer);
	else
		uv_timer_start(&o->timer, on_timer, at > now ? (uint64_t)(at - now + 999) / 1000 : 0, 0);
}

/* ---- the channel's calls ---- */

static int
send_it(void *self, const void *msg, size_t len)
{
	struct xs_out *o = self;

	return o->link ? gw_link_send(o->link, msg, len) : -1;
}

static int
send_udp(void *self, const void *msg, size_t len)
{
	struct xs_out *o = self;
	struct gw_packet pk = { (uint8_t *)(uintptr_t)msg, len };	/* sent, not written to */
	int n = gw_udp_send(o->udp, &pk, 1);

	if (n >= 0)
		return n == 0;
	o->udp_errors++;
	gw_log_limited(&o->rate, GW_WARNING, "udp_failed", strerror(errno), "stream=%s bytes=%zu", o->stream, len);
	return -1;
}

static void
drop(void *self, const char *why)
{
	struct xs_out *o = self;

	if (!o->link)
		return;
	if (!why) {
		gw_link_close(o->link, GRACE_MS);
		return;
	}
	gw_dialer_failed(o->dialer);
	gw_link_abort(o->link, GW_EPEER, why);
}

static void
on_rate(void *self, size_t stream, uint32_t bps)
{
	struct xs_out *o = self;

	(void)stream;
	xs_carousel_rate(o->carousel, bps, gw_mono_us());
}

static const struct emmg_chan_ops chan_ops = { .send = send_it, .send_udp = send_udp, .drop = drop, .rate = on_rate };

/* ---- the carousel's calls ---- */

static bool
keep(void *self, const struct gw_object *const *v, size_t n)
{
	struct xs_out *o = self;

	return gw_objects_put(o->store, o->stream, v, n) == GW_WON;
}

static void
forget(void *self, int64_t now_s)
{
	struct xs_out *o = self;

	gw_objects_trim(o->store, now_s + 1);	/* of all streams; else they are forgotten when they are read again */
}

static int
send_object(void *self, const uint8_t *p, size_t len)
{
	struct xs_out *o = self;
	const struct emmg_datagram d = { p, len };
	bool udp = emmg_chan_udp(o->chan) && emmg_chan_overhead(o->chan, true) + TLV + len <= ETHERNET;
	int rc = emmg_chan_data(o->chan, (size_t)o->number, &d, 1, udp, gw_mono_us());

	return udp && rc == 1 ? -1 : rc;	/* a socket that is full drained before anybody could say so: its turn comes again */
}

static void
want(void *self, uint32_t bps)
{
	struct xs_out *o = self;

	if (o->number >= 0)
		emmg_chan_bandwidth(o->chan, (size_t)o->number, bps, gw_mono_us());
}

static const struct xs_carousel_ops carousel_ops = { .store = keep, .forget = forget, .send = send_object, .want = want };

/* ---- the loop's calls ---- */

static void dialer_closed(void *);

static void
on_timer(uv_timer_t *t)
{
	struct xs_out *o = t->data;

	emmg_chan_tick(o->chan, gw_mono_us());
	if (!o->closing)
		xs_carousel_tick(o->carousel, gw_mono_us(), gw_utc_us());
	plan(o);
}

static void
link_up(void *self, struct gw_link *link)
{
	struct xs_out *o = self;

	o->link = link;
	snprintf(o->peer, sizeof(o->peer), "%s", gw_link_peer(link));
	emmg_chan_connected(o->chan, o->peer, gw_mono_us());
	plan(o);
}

static void
link_frame(void *self, struct gw_link *link, const uint8_t *msg, size_t len)
{
	struct xs_out *o = self;

	(void)link;
	emmg_chan_frame(o->chan, msg, len, gw_mono_us());
	plan(o);
}

static void
link_drained(void *self, struct gw_link *link)
{
	struct xs_out *o = self;

	(void)link;
	xs_carousel_go_on(o->carousel);
	plan(o);
}

static void
link_down(void *self, struct gw_link *link, const struct gw_err *why)
{
	struct xs_out *o = self;

	if (!o->closing) {
		o->losses++;
		gw_log_limited(&o->rate, GW_WARNING, "mux_lost", why ? why->text : "closed", "stream=%s peer=%s channel=%u", o->stream,
		    gw_link_peer(link), o->channel_id);
	}
	o->link = NULL;
	emmg_chan_lost(o->chan, gw_mono_us());
	plan(o);
	if (o->closing)
		gw_dialer_close(o->dialer, dialer_closed);
}

static const struct gw_link_ops link_ops = { .up = link_up, .frame = link_frame, .down = link_down, .drained = link_drained };

/* ---- life ---- */

static void
restore(void *self, const struct gw_object *v)
{
	struct xs_out *o = self;

	if (v->end_s * INT64_C(1000000) > gw_utc_us() && xs_carousel_restore(o->carousel, v, gw_mono_us()) < 0)
		gw_log_limited(&o->rate, GW_ERR, "object_not_restored", "no memory for it", "stream=%s", o->stream);
}

static struct xs_carousel_conf
carousel_conf(const struct xs_out *o, const struct he_bridge_mux *m)
{
	return (struct xs_carousel_conf){ .name = o->stream, .data_id = m->data_id, .repetition_ms = m->repetition_ms, .bandwidth_bps = m->bandwidth_bps };
}

static void
name_stream(char *out, size_t cap, const struct he_bridge_mux *m)
{
	snprintf(out, cap, "%s %08x/%u%s", m->service->global_service_id, m->client_id, m->data_id, m->registration ? " registration" : "");
}

static void
free_out(struct xs_out *o)
{
	emmg_chan_free(o->chan);
	xs_carousel_free(o->carousel);
	if (o->udp >= 0)
		close(o->udp);
	free(o);
}

struct xs_out *
xs_out_open(uv_loop_t *loop, const struct he_bridge_mux *m, uint16_t channel_id, struct gw_objects *store, struct gw_err *err)
{
	struct xs_out *o = calloc(1, sizeof(*o));
	struct emmg_chan_conf c = { .client_id = m->client_id, .channel_id = channel_id, .version = VERSION, .format = EMMG_BCAST,
		.udp = m->to_udp.scheme != 0 };
	struct emmg_stream_conf s = { .data_id = m->data_id, .bandwidth_bps = m->bandwidth_bps };
	struct xs_carousel_conf k;

	if (!o) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	*o = (struct xs_out){ .to = m->to, .to_udp = m->to_udp, .client_id = m->client_id, .data_id = m->data_id, .channel_id = channel_id, .store = store,
		.number = -1, .udp = -1, .rate = { .burst = 20, .per_ms = 10000 } };
	name_stream(o->stream, sizeof(o->stream), m);
	k = carousel_conf(o, m);
	c.name = o->stream;
	if (m->to_udp.scheme && (o->udp = gw_udp_sender(&m->to_udp, err)) < 0) {
		free_out(o);
		return NULL;
	}
	o->carousel = xs_carousel_new(&k, &carousel_ops, o);
	o->chan = o->carousel ? emmg_chan_new(&c, &chan_ops, o) : NULL;
	o->number = o->chan ? emmg_chan_add(o->chan, &s, gw_mono_us()) : -1;
	o->dialer = o->number >= 0 ? gw_dial(loop, &o->to, 1, &link_ops, NULL, o) : NULL;
	if (!o->dialer) {
		gw_fail(err, GW_ESYS, "out of memory");
		free_out(o);
		return NULL;
	}
	uv_timer_init(loop, &o->timer);
	o->timer.data = o;
	if (gw_objects_each(store, o->stream, restore, o) != GW_WON)
		gw_log(GW_ERR, "objects_unread", "the store cannot be read: what it has is not on air", "stream=%s", o->stream);
	plan(o);
	return o;
}

bool
xs_out_same(const struct xs_out *o, const struct he_bridge_mux *m)
{
	char stream[sizeof(o->stream)];

	name_stream(stream, sizeof(stream), m);
	return strcmp(stream, o->stream) == 0 && memcmp(&o->to, &m->to, sizeof(o->to)) == 0 && memcmp(&o->to_udp, &m->to_udp, sizeof(o->to_udp)) == 0;
}

void
xs_out_reconf(struct xs_out *o, const struct he_bridge_mux *m)
{
	struct xs_carousel_conf k = carousel_conf(o, m);

	xs_carousel_reconf(o->carousel, &k);
	plan(o);
}

uint16_t
xs_out_channel(const struct xs_out *o)
{
	return o->channel_id;
}

unsigned
xs_out_deliver(struct xs_out *o, const struct sp4_msg *m, const char **reason)
{
	unsigned status = xs_carousel_deliver(o->carousel, m, gw_mono_us(), gw_utc_us(), reason);

	plan(o);
	return status;
}

const char *
xs_out_stream(const struct xs_out *o)
{
	return o->stream;
}

static void
timer_closed(uv_handle_t *h)
{
	struct xs_out *o = h->data;
	void (*closed)(void *) = o->closed;
	void *self = o->self;

	free_out(o);
	closed(self);
}

static void
dialer_closed(void *self)
{
	struct xs_out *o = self;

	uv_close((uv_handle_t *)&o->timer, timer_closed);
}

void
xs_out_close(struct xs_out *o, void (*closed)(void *self), void *self)
{
	o->closing = true;
	o->closed = closed;
	o->self = self;
	if (!o->link) {
		gw_dialer_close(o->dialer, dialer_closed);
	} else {	/* stream_close_request, its answer for a moment, channel_close; then the link ends and the rest with it */
		emmg_chan_stop(o->chan, gw_mono_us());
		plan(o);
	}
}

void
xs_out_view(const struct xs_out *o, struct xs_out_view *v)
{
	struct emmg_stream_view s;

	*v = (struct xs_out_view){ .state = emmg_chan_state(o->chan), .peer = o->link ? o->peer : "", .losses = o->losses, .udp_errors = o->udp_errors };
	emmg_chan_stream(o->chan, (size_t)o->number, &s);
	v->up = s.up;
	v->granted_bps = s.granted ? s.granted_bps : 0;
	v->last_error = s.last_error;
	xs_carousel_view(o->carousel, &v->carousel);
}
