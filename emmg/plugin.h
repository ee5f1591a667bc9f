/* emmg/plugin.h: the KMS plugin as the EMMG hosts it: ltkm() alone, one call at a time, on a worker thread if it may block */
#ifndef EMMG_PLUGIN_H
#define EMMG_PLUGIN_H
#include <stdint.h>
#include <uv.h>
#include "kms/kms-plugin.h"
#include "lib/err.h"

struct emmg_plugin;
/* plugin: a name or a path; lines: its "KEY=VALUE\n". One without ltkm() is refused. NULL, with the reason in a sentence. */
struct emmg_plugin *emmg_plugin_open(uv_loop_t *, const char *plugin, const char *lines, struct gw_err *);
const char *emmg_plugin_name(const struct emmg_plugin *);
const char *emmg_plugin_path(const struct emmg_plugin *);
/* Closes it when a call that runs has ended, and frees itself. Quiet on NULL. Nobody asks any more. */
void emmg_plugin_close(struct emmg_plugin *);

/* The answer to one question: octets of out, 0: no such number, or -error_status with why. All lent for the call. */
typedef void emmg_plugin_answer(void *self, int rc, const uint8_t *out, const char *why);
struct emmg_ask;
/*
 * Asks for datagram `index`. The answer comes within the call, unless the plugin needs a thread: then later, and what is returned can
 * be given to emmg_plugin_forget() until then. NULL: it has come.
 */
struct emmg_ask *emmg_plugin_ask(struct emmg_plugin *, const struct kms_ltkm *, uint32_t index, emmg_plugin_answer *, void *self);
void emmg_plugin_forget(struct emmg_ask *);	/* its answer is not wanted any more */
#endif
