/*
 * ecmg/host.h: the plugin and its life: loading, states, worker threads, answers that come later. Everything is called on the loop;
 * later answers reach the loop through `answer`.
 */
#ifndef ECMG_HOST_H
#define ECMG_HOST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include "kms/kms-plugin.h"
#include "lib/err.h"

struct ecmg_host;
/* rc: octets of ecm, or -error_status with why. ecm and why are lent for the call. */
typedef void ecmg_host_answer(void *owner, uint64_t handle, int rc, const uint8_t *ecm, const char *why);

/*
 * plugin: a name (looked up in SIMULGATE_PLUGIN_DIR if set, else in the installed directory) or a path. conf: "KEY=VALUE\n" lines.
 * workers: threads of a KMS_WORKER plugin, each with a state of its own. NULL, with the reason in a sentence.
 */
struct ecmg_host *ecmg_host_open(uv_loop_t *, const char *plugin, const char *conf, unsigned workers, ecmg_host_answer *answer,
    void *owner, struct gw_err *);
const struct kms_plugin *ecmg_host_plugin(const struct ecmg_host *);
const char *ecmg_host_path(const struct ecmg_host *);
int ecmg_host_channel(struct ecmg_host *, uint32_t super_cas_id, struct kms_channel *, char *why, size_t cap);
int ecmg_host_stream(struct ecmg_host *, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t cap);
/* As kms_plugin.ecm(); KMS_LATER: `answer` will be called, in whatever order the plugin is ready. */
int ecmg_host_ecm(struct ecmg_host *, const struct kms_request *, uint8_t *out, size_t cap, char *why, size_t why_cap);
size_t ecmg_host_pending(const struct ecmg_host *);	/* answers that are still to come */
/* Closes the plugin when its last answer has come, frees itself and says so. Nothing may be asked any more. */
void ecmg_host_close(struct ecmg_host *, void (*closed)(void *owner, struct ecmg_host *));
/* For a plugin that hangs while the process ends, after close(): lets go of the loop; threads and states stay to the end of the process. */
void ecmg_host_abandon(struct ecmg_host *);
#endif
