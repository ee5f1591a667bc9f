/* ecmg/server.h: joins listeners, channels and the plugin on the loop */
#ifndef ECMG_SERVER_H
#define ECMG_SERVER_H
#include "ecmg/channel.h"
#include "ecmg/conf.h"
#include "ecmg/host.h"
#include "ecmg/misbehave.h"
#include "lib/link.h"
#include "lib/loop.h"
#include "lib/ops.h"
#include "lib/refusals.h"

enum { ECMG_HOSTS = 8 };

struct ecmg_conn {
	struct ecmg_server *server;
	struct gw_link *link;
	struct ecmg_edge *edge;		/* NULL: it behaves */
	struct ecmg_channel channel;
	struct gw_rate rate;
	bool leaving;			/* told to close */
};
struct ecmg_server {
	uv_loop_t loop;
	struct gw_life life;
	struct ecmg_args args;
	struct ecmg_conf conf;
	struct ecmg_engine engine;
	struct ecmg_faults *faults;		/* NULL: it behaves */
	uv_timer_t edges;			/* what faults hold back */
	struct ecmg_host *host;			/* the plugin in force */
	struct ecmg_host *hosts[ECMG_HOSTS];	/* and those that a reload replaced, until their last answer has come */
	size_t nhosts;
	struct gw_listener *listeners[ECMG_LISTENS];
	size_t nlisteners;
	struct gw_ops *ops;
	uv_timer_t tick, deadline;
	bool timers, stopping, ended, abandoned;	/* abandoned: a plugin still runs, so the process must end without exit() */
	struct ecmg_conn **conns;		/* by slot */
	size_t nslots, nconns, hint;
	struct gw_refusals refused;
	uint64_t unwanted;			/* answers nobody waited for any more */
	struct gw_rate full;			/* refusals for want of room */
};

/* args and conf are loaded. After a failure ecmg_server_stop() closes what was opened. */
int ecmg_server_start(struct ecmg_server *, struct gw_err *);
void ecmg_server_stop(void *server);
void ecmg_server_reload(void *server);
void ecmg_server_fini(struct ecmg_server *);	/* the loop has ended */
/* ecmg/status.c */
json_t *ecmg_status(void *server);
void ecmg_collect(void *server, struct gw_samples *);
#endif
