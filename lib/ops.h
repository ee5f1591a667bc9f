/* lib/ops.h: the operator's door of every process: GET /status (JSON) and /metrics (Prometheus) on a Unix socket or loopback port. */
#ifndef GW_OPS_H
#define GW_OPS_H
#include <jansson.h>
#include <stdint.h>
#include <uv.h>
#include "lib/addr.h"
#include "lib/err.h"

/* Metrics: one static table per program; a value is a plain number in the program's own memory. */
enum gw_metric_kind { GW_COUNTER, GW_GAUGE };
struct gw_metric {
	const char *name;	/* "simulgate_ecmg_ecm_total" */
	const char *help;
	enum gw_metric_kind kind;
};
/* Collects one sample: labels is "kms=\"drm\",peer=\"…\"" or "". Called from a program's collect(). Label values: gw_label(). */
struct gw_samples;
void gw_sample(struct gw_samples *, const struct gw_metric *, const char *labels, double value);
/* Appends key="value", escaped for Prometheus, to a label string of cap bytes (comma in between). Returns buf. */
char *gw_label(char *buf, size_t cap, const char *key, const char *value);

struct gw_ops_conf {
	const char *program;	/* "ecmg" */
	const char *instance;	/* "drm-7001"; "" if there is just one; copied */
	json_t *(*status)(void *self);	/* an object, the caller's reference; the server adds program, instance, version, pid, up_seconds */
	void (*collect)(void *self, struct gw_samples *);
	void *self;
};
struct gw_ops;
/* listen: unix, or tcp on loopback (anything else is refused). Unknown path 404, other method 405, one GET per connection is enough. */
struct gw_ops *gw_ops_open(uv_loop_t *, const struct gw_addr *listen, const struct gw_ops_conf *, struct gw_err *);
const struct gw_addr *gw_ops_addr(const struct gw_ops *);	/* with the port the kernel picked */
void gw_ops_close(struct gw_ops *);	/* frees itself when its handles have closed; quiet on NULL */
/* DIR/PROGRAM[-INSTANCE].status.sock: where a process of that head-end listens unless told otherwise. */
int gw_ops_default_addr(const char *run_dir, const char *program, const char *instance, struct gw_addr *, struct gw_err *);
/* Blocking GET for tools; body is heap, the caller frees. */
int gw_ops_get(const struct gw_addr *, const char *path, unsigned timeout_ms, char **body, struct gw_err *);
#endif
