/* emmg/emmg.h: the program: a connection for each channel, a feed for each stream, the plugin, and the operator's door */
#ifndef EMMG_EMMG_H
#define EMMG_EMMG_H
#include <uv.h>
#include "emmg/conf.h"
#include "lib/link.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/ops.h"

struct emmg_peer;
struct emmg_feeder {		/* a stream at work */
	struct emmg_peer *peer;
	struct emmg_stream conf;	/* with a source text of its own */
	size_t number;			/* the channel's */
	struct emmg_source *source;
	struct emmg_feed feed;
	int64_t next_us;		/* when it wants the time */
	bool done;			/* sent to its end, closed */
};
struct emmg_peer {		/* a channel at work */
	struct emmg *app;
	struct emmg_channel conf;	/* without its streams */
	struct emmg_chan *chan;
	struct gw_dialer *dialer;
	struct gw_link *link;		/* NULL: down */
	int udp;			/* socket; -1: none */
	uv_timer_t timer;
	struct emmg_feeder **feeders; size_t n;	/* by the channel's numbers; NULL: free */
	bool full;			/* the link's queue: nothing more until it has drained */
	bool closing;
	uint64_t losses, udp_errors;
	struct emmg_peer *next;
};
struct emmg {
	uv_loop_t loop;
	struct gw_life life;
	struct emmg_args args;
	struct emmg_conf conf;
	struct emmg_plugin *plugin;	/* NULL: only sources */
	struct emmg_peer *peers;
	struct gw_ops *ops;
	uv_timer_t end;			/* --seconds */
	struct gw_rate rate;
	bool timing, stopping, worked;	/* worked: a channel was open once */
};

/* emmg/peer.c */
struct emmg_peer *emmg_peer_open(struct emmg *, const struct emmg_channel *, struct gw_err *);
/* Makes its streams those of the configuration, whose sources it takes: some stay, with the fresh source; others go or come. */
int emmg_peer_streams(struct emmg_peer *, struct emmg_channel *, struct gw_err *);
bool emmg_peer_is(const struct emmg_peer *, const struct emmg_channel *);
/* Streams and channel are closed in order, then it frees itself and calls emmg_peer_gone(). */
void emmg_peer_close(struct emmg_peer *);

/* emmg/main.c */
void emmg_peer_gone(struct emmg_peer *);

/* emmg/show.c */
json_t *emmg_status(void *self);
void emmg_collect(void *self, struct gw_samples *);
#endif
