/* bsm/conf.h: one BSM of the head-end's file */
#ifndef BSM_CONF_H
#define BSM_CONF_H
#include "lib/addr.h"
#include "lib/args.h"
#include "lib/headend.h"

struct bsm_args {
	struct gw_args common;
	char *name;			/* --bsm; NULL: the file's only one */
};
struct bsm_conf {
	struct headend *he;
	const struct he_bsm *b;		/* of it */
	struct gw_addr status;
};

/* As gw_args(). */
int bsm_args(struct bsm_args *, int argc, char **argv);
void bsm_args_free(struct bsm_args *);
int bsm_conf_load(struct bsm_conf *, const struct bsm_args *, struct gw_err *);	/* again for a reload */
void bsm_conf_free(struct bsm_conf *);
void bsm_conf_print(const struct bsm_conf *);	/* --check-config: what would run, on stdout */
/* What cannot change under a running BSM: its places, names and store. 0, or -1 with the first that differs. */
int bsm_conf_same(const struct bsm_conf *, const struct bsm_conf *, struct gw_err *);
#endif
