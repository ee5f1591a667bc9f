/*
 * kms/load.h: a KMS plugin from its file, for the programs that host one: found, opened, checked before any member is touched.
 * A library of its own: plugins, which link the rest of this room, carry none of it.
 */
#ifndef KMS_LOAD_H
#define KMS_LOAD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kms/kms-plugin.h"
#include "lib/err.h"

struct kms_module { void *dl; char *path; const struct kms_plugin *plugin; };	/* zeroed at first */

/*
 * plugin: a name (looked up in SIMULGATE_PLUGIN_DIR if set, else in the installed directory) or a path. 0, or -1 with the reason in
 * a sentence; what was begun is undone by kms_unload() in either case. module->path is set even then, but for lack of memory.
 */
int kms_load(struct kms_module *, const char *plugin, struct gw_err *);
void kms_unload(struct kms_module *);	/* every state must be closed; quiet on a zeroed one */
/* A state, with "KEY=VALUE\n" lines; 0, or -1 with the plugin's reason. */
int kms_open(const struct kms_module *, const struct kms_host *, const char *conf, void **state, struct gw_err *);
/* It makes EMMs or LTKMs: its struct reaches as far as ltkm(), and that is there. */
bool kms_makes_ltkm(const struct kms_module *);
/* For kms_host.log and .random of any host. */
void kms_module_log(const struct kms_module *, int level, const char *text);
int kms_random(void *ctx, uint8_t *out, size_t len);
#endif
