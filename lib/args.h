/* lib/args.h: the command line that every program shares, as a table: --help, --version, --config, --check-config, --log-level, --status, and its own rows. */
#ifndef GW_ARGS_H
#define GW_ARGS_H
#include <stdbool.h>
#include <stddef.h>
#include "lib/addr.h"
#include "lib/err.h"
#include "lib/log.h"

struct gw_option {
	const char *name;	/* "super-cas-id": --super-cas-id VALUE or --super-cas-id=VALUE */
	const char *arg;	/* "ID"; NULL: a flag, value is then NULL */
	const char *help;
	int (*take)(void *self, const char *value, struct gw_err *);	/* 0, or -1 with why; called once per occurrence */
};
struct gw_program {
	const char *name;	/* "simulgate-ecmg" */
	const char *usage;	/* "[--listen ADDR --plugin NAME … | --config FILE --kms NAME]" */
	const char *summary;	/* one sentence */
	const struct gw_option *options; size_t noptions;
	int min_rest, max_rest;	/* other words allowed (files); most programs 0, 0 */
};
struct gw_args {
	const char *config;	/* NULL if not given */
	bool check_config;
	enum gw_level log_level;	/* default GW_INFO */
	struct gw_addr status;	/* --status; scheme 0: not given */
	char **rest; int nrest;
};
/* -1: go on. Else the exit status: help and version printed on stdout (0), misuse said on stderr (64). */
int gw_args(const struct gw_program *, struct gw_args *, void *self, int argc, char **argv);
#endif
