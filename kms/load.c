/* kms/load.c: see load.h */
#include "kms/load.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/log.h"
#include "lib/secret.h"

enum { WHY = 240, LEAST = offsetof(struct kms_plugin, ltkm) };	/* LEAST: ABI 1 as it began; what follows was appended */

static char *
path_of(const char *plugin)
{
	const char *dir = getenv("SIMULGATE_PLUGIN_DIR");
	const size_t n = strlen(plugin);
	const bool file = strchr(plugin, '/') || (n > 3 && strcmp(plugin + n - 3, ".so") == 0);
	char path[4096];

	if (file)	/* a bare "x.so" is a file, too: without a slash dlopen() would search the library path */
		snprintf(path, sizeof(path), "%s%s", strchr(plugin, '/') ? "" : "./", plugin);
	else
		snprintf(path, sizeof(path), "%s/%s.so", dir && *dir ? dir : PLUGINDIR, plugin);
	return strdup(path);
}

/* Nothing of the plugin is touched before abi and size say that it is there. */
static int
check(const struct kms_module *m, struct gw_err *err)
{
	const struct kms_plugin *p = m->plugin;

	if (!p)
		return gw_fail(err, GW_EPLUGIN, "%s: kms_plugin_entry() gives nothing", m->path);
	if (p->abi != KMS_PLUGIN_ABI)
		return gw_fail(err, GW_EPLUGIN, "%s was built for plugin ABI %u, this program has %u: rebuild it against the installed kms-plugin.h",
		    m->path, p->abi, KMS_PLUGIN_ABI);
	if (p->size < LEAST)
		return gw_fail(err, GW_EPLUGIN, "%s: its struct kms_plugin has %u bytes, ABI %u needs %d: rebuild it against the installed kms-plugin.h",
		    m->path, p->size, KMS_PLUGIN_ABI, LEAST);
	if (!p->name || !p->version || !p->open || !p->channel || !p->ecm || !p->close)
		return gw_fail(err, GW_EPLUGIN, "%s: name, version, open, channel, ecm and close must be there", m->path);
	if (p->calling > KMS_ASYNC)
		return gw_fail(err, GW_EPLUGIN, "%s: calling %u is none of enum kms_calling", m->path, p->calling);
	return 0;
}

int
kms_load(struct kms_module *m, const char *plugin, struct gw_err *err)
{
	const struct kms_plugin *(*entry)(void);
	void *symbol;

	m->path = path_of(plugin);
	if (!m->path)
		return gw_fail(err, GW_ESYS, "out of memory");
	m->dl = dlopen(m->path, RTLD_NOW | RTLD_LOCAL);
	if (!m->dl)
		return gw_fail(err, GW_EPLUGIN, "%s", dlerror());
	symbol = dlsym(m->dl, "kms_plugin_entry");
	if (!symbol)
		return gw_fail(err, GW_EPLUGIN, "%s exports no kms_plugin_entry: it is no KMS plugin", m->path);
	memcpy(&entry, &symbol, sizeof(entry));	/* POSIX's way from object to function pointer, without ISO C's complaint */
	m->plugin = entry();
	return check(m, err);
}

void
kms_unload(struct kms_module *m)
{
	if (m->dl)
		dlclose(m->dl);
	free(m->path);
	*m = (struct kms_module){ NULL, NULL, NULL };
}

int
kms_open(const struct kms_module *m, const struct kms_host *face, const char *conf, void **state, struct gw_err *err)
{
	char why[WHY] = "";

	if (m->plugin->open(face, conf, state, why, sizeof(why)) < 0)
		return gw_fail(err, GW_EPLUGIN, "plugin %s: %s", m->plugin->name, *why ? why : "open() failed without a reason");
	return 0;
}

bool
kms_makes_ltkm(const struct kms_module *m)
{
	return m->plugin->size >= offsetof(struct kms_plugin, ltkm) + sizeof(m->plugin->ltkm) && m->plugin->ltkm;
}

void
kms_module_log(const struct kms_module *m, int level, const char *text)
{
	if (level < KMS_LOG_ERR || level > KMS_LOG_DEBUG)
		level = KMS_LOG_NOTICE;
	gw_log((enum gw_level)level, "plugin", text, "plugin=%s", m->plugin->name);
}

int
kms_random(void *ctx, uint8_t *out, size_t len)
{
	(void)ctx;
	gw_random(out, len);
	return 0;
}
