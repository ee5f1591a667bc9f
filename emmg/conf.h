/* emmg/conf.h: what an EMMG sends, from the command line alone or from the ltkm entries of a KMS in the head-end's file */
#ifndef EMMG_CONF_H
#define EMMG_CONF_H
#include <stdbool.h>
#include <stdint.h>
#include "lib/emmg_chan.h"
#include "emmg/feed.h"
#include "lib/addr.h"
#include "lib/args.h"
#include "lib/headend.h"

struct emmg_stream {
	struct emmg_stream_conf s;
	struct emmg_feed_conf feed;
	char *source;			/* NULL: the plugin */
	bool loop;			/* with a source: again and again; else the stream is closed at its end */
	struct emmg_source *from;	/* what the program has opened; NULL once it is in use */
};
struct emmg_channel {			/* one TCP connection */
	struct gw_addr to, udp;		/* udp: scheme 0: data by TCP */
	struct emmg_chan_conf c;	/* c.name: of struct emmg_conf */
	struct emmg_stream *streams; size_t n;
};
struct emmg_conf {
	char name[128];			/* in logs and metrics: the KMS's, or "emmg" */
	char *plugin, *lines;		/* NULL: only sources; "KEY=VALUE\n" for the plugin */
	struct emmg_channel *channels; size_t n;
	struct gw_addr status;		/* scheme 0: none */
};
struct emmg_args {
	struct gw_args common;
	char *kms;			/* --kms */
	char *plugin, *lines;
	unsigned seconds;		/* 0: to the end of the sources, or for ever */
	struct emmg_channel one;	/* what the command line says */
	bool given_client_id, given_data_id, loop;
	unsigned datagrams, bytes;
	uint8_t format, version;	/* version 0: not given */
};

/* As gw_args(). */
int emmg_args(struct emmg_args *, int argc, char **argv);
void emmg_args_free(struct emmg_args *);
/* From the command line and, with --config, the file: may be called again for a reload. */
int emmg_conf_load(struct emmg_conf *, const struct emmg_args *, struct gw_err *);
void emmg_conf_free(struct emmg_conf *);
void emmg_conf_print(const struct emmg_conf *);	/* --check-config: what would run, on stdout */
#endif
