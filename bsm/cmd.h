/* bsm/cmd.h: what simulgate-kms and simulgate-subscribe share: where the store is, times, answers as text or JSON */
#ifndef BSM_CMD_H
#define BSM_CMD_H
#include <jansson.h>
#include <stdbool.h>
#include "kms/store.h"
#include "lib/args.h"
#include "lib/headend.h"

struct cmd {			/* the first member of a program's own */
	const char *kms, *path, *master;
	bool json;
	int64_t now_us;
	struct headend *he;	/* NULL with --store */
	const struct he_kms *k;
	const struct he_bsm *bsm;	/* of that KMS; NULL: there is none */
	struct kms_store_conf conf;
	struct kms_store *store;
};
int cmd_take_kms(void *self, const char *value, struct gw_err *);
int cmd_take_path(void *self, const char *value, struct gw_err *);
int cmd_take_master(void *self, const char *value, struct gw_err *);
int cmd_take_json(void *self, const char *value, struct gw_err *);
#define CMD_OPTIONS \
	{ "kms", "NAME", "the KMS of the configuration; not needed when one has a store", cmd_take_kms }, \
	{ "store", "PATH", "the store itself, without a configuration", cmd_take_path }, \
	{ "master", "PATH", "its master key; default PATH.master", cmd_take_master }, \
	{ "json", NULL, "answer in JSON", cmd_take_json }

/* A word of the command line and what it does: 0, or -1 with why. needs: words after it, at least; takes: at most. */
struct cmd_action {
	const char *name;	/* "key list" */
	int (*run)(void *self, char **rest, int nrest, struct gw_err *);
	enum { CMD_NO_STORE, CMD_OPEN, CMD_CREATE } store;
	int needs, takes;
};
/* The whole program but its options: finds the action, opens the store, runs it. The exit status. */
int cmd_main(const struct gw_program *, const struct cmd_action *, size_t n, struct cmd *self, int argc, char **argv);

/* 2026-12-01, 2026-12-01T10:00:00Z or +30d (from now on). 0, or -1 with why. */
int cmd_time(const struct cmd *, const char *text, int64_t *utc_us, struct gw_err *);
/* 10min, in us. */
int cmd_duration(const char *text, int64_t *us, struct gw_err *);
/* A time, or null for 0. */
json_t *cmd_when(int64_t utc_us);
/* "": null */
json_t *cmd_text(const char *);
/* Prints and frees: an array of objects as a table, an object line by line, or JSON. 0, or -1: no memory. */
int cmd_say(const struct cmd *, json_t *, struct gw_err *);
/* GW_UNAVAILABLE in words; -1. */
int cmd_busy(struct gw_err *);
/* what() in a group of the store, again while the store is busy, for some seconds. GW_EXISTS and GW_UNAVAILABLE: nothing of it has happened. */
enum gw_outcome cmd_group(struct cmd *, enum gw_outcome (*what)(void *arg), void *arg);
/* A service by --service. */
int cmd_service(struct cmd *, const char *name, struct kms_service *, struct gw_err *);
/* Who ran it, for the audit: "operator NAME" by the user that is logged in. */
const char *cmd_who(void);
#endif
