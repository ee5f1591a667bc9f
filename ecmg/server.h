/* ecmg/server.h: joins listeners, channels and the plugin on the loop */
#ifndef ECMG_SERVER_H
#define ECMG_SERVER_H
#include "ecmg/conf.h"
#include "ecmg/host.h"
#include "ecmg/misbehave.h"
#include "lib/ecmg_face.h"
#include "lib/loop.h"
#include "lib/ops.h"

enum { ECMG_HOSTS = 8 };

struct ecmg_server {
	uv_loop_t loop;
	struct gw_life life;
	struct ecmg_args args;
	struct ecmg_conf conf;
	struct ecmg_face face;			/* extra of a connection: its struct ecmg_edge; NULL: it behaves */
	char label[160];
	struct ecmg_faults *faults;		/* NULL: it behaves */
	uv_timer_t edges;			/* what faults hold back */
	struct ecmg_host *host;			/* the plugin in force */
	struct ecmg_host *hosts[ECMG_HOSTS];	/* and those that a reload replaced, until their last answer has come */
	size_t nhosts;
	struct gw_ops *ops;
	uv_timer_t deadline;
	bool timers, stopping, ended, abandoned;	/* abandoned: a plugin still runs, so the process must end without exit() */
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
