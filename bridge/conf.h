/* bridge/conf.h: one bridge of the head-end's file */
#ifndef BRIDGE_CONF_H
#define BRIDGE_CONF_H
#include "lib/addr.h"
#include "lib/args.h"
#include "lib/headend.h"

struct bridge_args {
	struct gw_args common;
	char *name;			/* --bridge; NULL: the file's only one */
	const char *schemas;		/* directory of sp4-backend.xsd */
};
struct bridge_conf {
	struct headend *he;
	const struct he_bridge *b;	/* of it */
	struct gw_addr status;
};

/* As gw_args(). */
int bridge_args(struct bridge_args *, int argc, char **argv);
void bridge_args_free(struct bridge_args *);
int bridge_conf_load(struct bridge_conf *, const struct bridge_args *, struct gw_err *);	/* again for a reload */
void bridge_conf_free(struct bridge_conf *);
void bridge_conf_print(const struct bridge_conf *);	/* --check-config: what would run, on stdout */
#endif
