/* emmg/peer.c: a channel's connection to its mux; between them the engines of lib/emmg_chan.h and feed.h */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "emmg/emmg.h"
#include "lib/clock.h"
#include "lib/udp.h"

enum { GRACE_MS = 300 };

static void on_timer(uv_timer_t *);

static void
plan(struct emmg_peer *p)
{
	int64_t at = emmg_chan_next(p->chan), now = gw_mono_us();

	for (size_t i = 0; i < p->n; i++)
		if (p->feeders[i] && p->feeders[i]->next_us < at)
			at = p->feeders[i]->next_us;
	if (at == INT64_MAX)
		uv_timer_stop(&p->timer);
	else	/* rounded up: a timer that fires a little early would fire twice */
		uv_timer_start(&p->timer, on_timer, at > now ? (uint64_t)(at - now + 999) / 1000 : 0, 0);
}

/* ---- the channel's calls ---- */

static int
send_it(void *self, const void *msg, size_t len)
{
	struct emmg_peer *p = self;
	int rc = p->link ? gw_link_send(p->link, msg, len) : -1;

	p->full = p->full || rc == 1;
	return rc;
}

static int
send_udp(void *self, const void *msg, size_t len)
{
	struct emmg_peer *p = self;
	struct gw_packet pk = { (uint8_t *)(uintptr_t)msg, len };	/* sent, not written to */
	int n = gw_udp_send(p->udp, &pk, 1);

	if (n >= 0)
		return n == 0;
	p->udp_errors++;
	gw_log_limited(&p->app->rate, GW_WARNING, "udp_failed", strerror(errno), "kms=%s channel=%u bytes=%zu", p->app->conf.name,
	    p->conf.c.channel_id, len);
	return -1;
}

static void
drop(void *self, const char *why)
{
	struct emmg_peer *p = self;

	if (!p->link)
		return;
	if (!why) {
		gw_link_close(p->link, GRACE_MS);
		return;
	}
	gw_dialer_failed(p->dialer);
	gw_link_abort(p->link, GW_EPEER, why);
}

static void
rate(void *self, size_t stream, uint32_t bps)
{
	struct emmg_peer *p = self;
	struct emmg_feeder *f = stream < p->n ? p->feeders[stream] : NULL;

	p->app->worked = p->app->worked || bps > 0;
	if (!f || f->done)
		return;
	emmg_feed_rate(&f->feed, bps, gw_mono_us());
	f->next_us = emmg_pace_next(&f->feed.pace);
}

static const struct emmg_chan_ops chan_ops = { .send = send_it, .send_udp = send_udp, .drop = drop, .rate = rate };

/* ---- data ---- */

static void
run_feeds(struct emmg_peer *p, int64_t now)
{
	for (size_t i = 0; i < p->n; i++) {
		struct emmg_feeder *f = p->feeders[i];

		if (!f || f->done || now < f->next_us)
			continue;
		f->next_us = emmg_feed_run(&f->feed, !p->full, now);
		if (!f->feed.ended)
			continue;
		f->done = true;
		f->next_us = INT64_MAX;
		gw_log(GW_NOTICE, "source_ended", NULL, "kms=%s channel=%u data_id=%u datagrams=%llu bytes=%llu", p->app->conf.name,
		    p->conf.c.channel_id, f->conf.s.data_id, (unsigned long long)f->feed.datagrams, (unsigned long long)f->feed.bytes);
		emmg_chan_remove(p->chan, f->number, now);
	}
}

/* After time and messages: all streams may have come to their ends. */
static void
settle(struct emmg_peer *p)
{
	if (!p->closing && p->n && emmg_chan_idle(p->chan))
		emmg_peer_close(p);
	plan(p);
}

static void
on_ready(void *self)
{
	struct emmg_feeder *f = self;

	if (f->done)
		return;		/* the answer to a question of its lifetime */
	f->next_us = emmg_pace_next(&f->feed.pace);
	plan(f->peer);
}

static void
on_timer(uv_timer_t *t)
{
	struct emmg_peer *p = t->data;
	int64_t now = gw_mono_us();

	emmg_chan_tick(p->chan, now);
	run_feeds(p, now);
	settle(p);
}

/* ---- the link's calls ---- */

static void
link_up(void *self, struct gw_link *link)
{
	struct emmg_peer *p = self;

	p->link = link;
	p->full = false;
	emmg_chan_connected(p->chan, gw_link_peer(link), gw_mono_us());
	plan(p);
}

static void
link_frame(void *self, struct gw_link *link, const uint8_t *msg, size_t len)
{
	struct emmg_peer *p = self;

	(void)link;
	emmg_chan_frame(p->chan, msg, len, gw_mono_us());
	settle(p);
}

static void
link_drained(void *self, struct gw_link *link)
{
	struct emmg_peer *p = self;

	(void)link;
	p->full = false;
	for (size_t i = 0; i < p->n; i++)
		if (p->feeders[i] && !p->feeders[i]->done)
			p->feeders[i]->next_us = emmg_pace_next(&p->feeders[i]->feed.pace);
	plan(p);
}

static void dialer_closed(void *);

static void
link_down(void *self, struct gw_link *link, const struct gw_err *why)
{
	struct emmg_peer *p = self;

	if (!p->closing) {
		p->losses++;
		gw_log_limited(&p->app->rate, GW_WARNING, "mux_lost", why ? why->text : "closed", "kms=%s peer=%s channel=%u",
		    p->app->conf.name, gw_link_peer(link), p->conf.c.channel_id);
	}
	p->link = NULL;
	emmg_chan_lost(p->chan, gw_mono_us());
	settle(p);
	if (p->closing)
		gw_dialer_close(p->dialer, dialer_closed);
}

static const struct gw_link_ops link_ops = { .up = link_up, .frame = link_frame, .down = link_down, .drained = link_drained };

/* ---- streams ---- */

static void
free_feeder(struct emmg_feeder *f)
{
	if (!f)
		return;
	emmg_feed_fini(&f->feed);
	emmg_source_free(f->source);
	free(f->conf.source);
	free(f);
}

static bool
same_stream(const struct emmg_feeder *f, const struct emmg_stream *t)
{
	const char *a = f->conf.source, *b = t->source;

	return !f->done && f->conf.s.data_id == t->s.data_id && f->conf.s.data_type == t->s.data_type && !a == !b &&
	    (!a || strcmp(a, b) == 0);
}

static int
add_feeder(struct emmg_peer *p, struct emmg_stream *t, int64_t now, struct gw_err *err)
{
	struct emmg_feeder *f = calloc(1, sizeof(*f)), **grown = NULL;
	int number = f ? emmg_chan_add(p->chan, &t->s, now) : -1;

	if (number >= 0 && (size_t)number < p->n)
		free_feeder(p->feeders[number]);	/* of a stream that is gone */
	else if (number >= 0 && (grown = realloc(p->feeders, (p->n + 1) * sizeof(*grown))) != NULL)
		p->feeders = grown, p->n++;
	if (number >= 0 && (size_t)number < p->n)
		p->feeders[number] = f;
	if (number < 0 || (size_t)number >= p->n || (t->source && !(f->conf.source = strdup(t->source)))) {
		if (number < 0 || (size_t)number >= p->n)
			free(f);
		return gw_fail(err, GW_ESYS, "out of memory");
	}
	char *own = f->conf.source;
	f->conf = *t;
	f->conf.source = own;
	f->peer = p;
	f->number = (size_t)number;
	f->source = t->from;
	t->from = NULL;
	f->next_us = INT64_MAX;
	emmg_source_listen(f->source, on_ready, f);
	return emmg_feed_init(&f->feed, p->chan, f->number, f->source, &t->feed) < 0 ? gw_fail(err, GW_ESYS, "out of memory") : 0;
}

/* The stream goes on with a fresh source; what was packed already still goes out. */
static void
refresh(struct emmg_feeder *f, struct emmg_stream *t, int64_t now)
{
	emmg_source_free(f->source);
	f->source = f->feed.source = t->from;
	t->from = NULL;
	emmg_source_listen(f->source, on_ready, f);
	f->feed.conf = t->feed;
	f->conf.feed = t->feed;
	f->conf.s = t->s;
	emmg_chan_bandwidth(f->peer->chan, f->number, t->s.bandwidth_bps, now);
	f->next_us = emmg_pace_next(&f->feed.pace);
}

int
emmg_peer_streams(struct emmg_peer *p, struct emmg_channel *c, struct gw_err *err)
{
	int64_t now = gw_mono_us();
	size_t before = p->n;
	int rc = 0;

	for (size_t i = 0; i < before; i++) {
		struct emmg_feeder *f = p->feeders[i];
		size_t k = 0;

		while (f && k < c->n && !(c->streams[k].from && same_stream(f, &c->streams[k])))
			k++;
		if (f && k < c->n) {
			refresh(f, &c->streams[k], now);
		} else if (f && !f->done) {
			f->done = true;
			f->next_us = INT64_MAX;
			emmg_chan_remove(p->chan, i, now);
		}
	}
	for (size_t k = 0; k < c->n && rc == 0; k++)
		if (c->streams[k].from)
			rc = add_feeder(p, &c->streams[k], now, err);
	plan(p);
	return rc;
}

/* ---- life ---- */

bool
emmg_peer_is(const struct emmg_peer *p, const struct emmg_channel *c)
{
	return !p->closing && memcmp(&p->conf.to, &c->to, sizeof(c->to)) == 0 && memcmp(&p->conf.udp, &c->udp, sizeof(c->udp)) == 0 &&
	    p->conf.c.client_id == c->c.client_id && p->conf.c.channel_id == c->c.channel_id && p->conf.c.version == c->c.version &&
	    p->conf.c.format == c->c.format && p->conf.c.strict == c->c.strict;
}

struct emmg_peer *
emmg_peer_open(struct emmg *app, const struct emmg_channel *c, struct gw_err *err)
{
	struct emmg_peer *p = calloc(1, sizeof(*p));
	int udp = c->udp.scheme ? gw_udp_sender(&c->udp, err) : -1;

	if (!p || (c->udp.scheme && udp < 0)) {
		if (!p)
			gw_fail(err, GW_ESYS, "out of memory");
		free(p);
		return NULL;
	}
	p->app = app;
	p->udp = udp;
	p->conf = *c;
	p->conf.streams = NULL;
	p->conf.n = 0;
	p->conf.c.name = app->conf.name;
	uv_timer_init(&app->loop, &p->timer);
	p->timer.data = p;
	p->next = app->peers;
	app->peers = p;
	p->chan = emmg_chan_new(&p->conf.c, &chan_ops, p);
	p->dialer = p->chan ? gw_dial(&app->loop, &c->to, 1, &link_ops, NULL, p) : NULL;
	if (p->dialer)
		return p;
	gw_fail(err, GW_ESYS, "out of memory");
	emmg_peer_close(p);
	return NULL;
}

static void
free_peer(uv_handle_t *h)
{
	struct emmg_peer *p = h->data;

	for (size_t i = 0; i < p->n; i++)
		free_feeder(p->feeders[i]);
	free(p->feeders);
	emmg_chan_free(p->chan);
	if (p->udp >= 0)
		close(p->udp);
	emmg_peer_gone(p);
	free(p);
}

static void
dialer_closed(void *self)
{
	struct emmg_peer *p = self;

	uv_close((uv_handle_t *)&p->timer, free_peer);
}

void
emmg_peer_close(struct emmg_peer *p)
{
	if (p->closing)
		return;
	p->closing = true;
	if (!p->dialer) {
		dialer_closed(p);
	} else if (!p->link) {
		gw_dialer_close(p->dialer, dialer_closed);
	} else {	/* stream_close_requests, their answers for a moment, channel_close; then the link ends and the rest with it */
		emmg_chan_stop(p->chan, gw_mono_us());
		plan(p);
	}
}
