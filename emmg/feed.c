/* emmg/feed.c: see feed.h */
#include "emmg/feed.h"
#include <stdlib.h>
#include "proto/sim.h"

/* TURN: messages in one call, so that a fast stream lets the others in. RETRY: a full UDP socket is tried again. */
enum { TURN = 64, RETRY_US = 1000, TLV = 4 };

int
emmg_feed_init(struct emmg_feed *f, struct emmg_chan *chan, size_t stream, struct emmg_source *source, const struct emmg_feed_conf *conf)
{
	*f = (struct emmg_feed){ .chan = chan, .stream = stream, .source = source, .conf = *conf, .room = malloc(SIM_MAX) };
	return f->room ? 0 : -1;
}

void
emmg_feed_fini(struct emmg_feed *f)
{
	free(f->room);
	f->room = NULL;
}

static size_t
length(const struct emmg_feed *f, bool udp)
{
	return emmg_chan_overhead(f->chan, udp) + TLV * f->n + f->held_bytes;
}

/* Takes datagrams while they fit: by number, by octets, and, once the first is one for UDP, by what UDP carries. */
static void
fill(struct emmg_feed *f, int64_t now)
{
	const bool udp = emmg_chan_udp(f->chan);
	size_t bytes = udp && f->conf.udp_bytes < f->conf.bytes ? f->conf.udp_bytes : f->conf.bytes, len;

	while (f->n < f->conf.datagrams && (len = emmg_source_peek(f->source, now)) > 0) {
		size_t whole = length(f, udp) + TLV + len;

		if (f->n > 0 && whole > bytes)
			break;
		emmg_source_take(f->source, f->room + f->held_bytes);
		f->held[f->n++] = (struct emmg_datagram){ f->room + f->held_bytes, len };
		f->held_bytes += len;
		f->held_bits += emmg_pace_bits(f->conf.format, len);
	}
}

static void
spent(struct emmg_feed *f, bool udp, int64_t now)
{
	emmg_pace_spend(&f->pace, f->held_bits, now);
	f->messages++;
	f->udp_messages += udp;
	f->datagrams += f->n;
	f->bytes += f->held_bytes;
	f->n = f->held_bytes = 0;
	f->held_bits = 0;
}

int64_t
emmg_feed_run(struct emmg_feed *f, bool tcp, int64_t now)
{
	for (int i = 0; i < TURN; i++) {
		bool udp;
		int rc;

		if (!emmg_pace_due(&f->pace, now))
			return emmg_pace_next(&f->pace);
		fill(f, now);
		if (f->n == 0) {
			f->ended = emmg_source_ended(f->source);
			return emmg_source_next(f->source);
		}
		udp = emmg_chan_udp(f->chan) && length(f, true) <= f->conf.udp_bytes;
		if (!udp && !tcp)
			return INT64_MAX;	/* the link says when it has drained */
		rc = emmg_chan_data(f->chan, f->stream, f->held, f->n, udp, now);
		if (udp && rc == 1)
			return now + RETRY_US;
		f->lost += rc < 0 ? f->n : 0;
		spent(f, udp, now);
		tcp = tcp && rc == 0;
	}
	return now;
}

void
emmg_feed_rate(struct emmg_feed *f, uint32_t bps, int64_t now)
{
	emmg_pace_rate(&f->pace, bps, now);
}
