/* ecmg/conf.h: what an ECMG serves, from the command line alone or from its KMS's entry in the head-end's file */
#ifndef ECMG_CONF_H
#define ECMG_CONF_H
#include <stdbool.h>
#include <stdint.h>
#include "ecmg/misbehave.h"
#include "kms/kms-plugin.h"
#include "lib/addr.h"
#include "lib/args.h"
#include "lib/ecmg_face.h"
#include "lib/headend.h"

struct ecmg_listens { struct gw_addr addr[ECMG_LISTENS]; size_t n; };

struct ecmg_conf {
	char kms[128];			/* its name in logs and metrics: the file's, or the plugin's */
	struct ecmg_listens listen;
	char *plugin;			/* name or path */
	char *lines;			/* "KEY=VALUE\n" for the plugin */
	bool one_super_cas_id;		/* only this one is served */
	uint32_t super_cas_id;
	bool strict;
	unsigned workers, silence_ms, ecm_limit_ms, max_channels, max_streams;
	/* instead of what the plugin announces */
	struct he_opt lead_CW, CW_per_msg, delay_start, delay_stop, ECM_rep_period, max_comp_time, min_CP_duration, max_streams_channel;
	struct gw_addr status;		/* scheme 0: none */
	struct ecmg_misbehave misbehave;
};
struct ecmg_args {
	struct gw_args common;
	char *kms;			/* --kms */
	struct ecmg_conf own;		/* what the command line says */
};

/* As gw_args(). */
int ecmg_args(struct ecmg_args *, int argc, char **argv);
void ecmg_args_free(struct ecmg_args *);
/* From the command line and, with --config, the file: may be called again for a reload. */
int ecmg_conf_load(struct ecmg_conf *, const struct ecmg_args *, struct gw_err *);
void ecmg_conf_free(struct ecmg_conf *);
void ecmg_conf_print(const struct ecmg_conf *);	/* --check-config: what would run, on stdout */
/* The overrides. */
void ecmg_conf_apply(const struct ecmg_conf *, struct kms_channel *);
#endif
