/* lib/settings.c */
#include "lib/settings.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/headend.h"

int
gw_word(char **where, const char *value, struct gw_err *err)
{
	free(*where);
	*where = strdup(value);
	return *where ? 0 : gw_fail(err, GW_ESYS, "out of memory");
}

static int
add_line(char **lines, const char *text, size_t len, struct gw_err *err)
{
	const size_t have = *lines ? strlen(*lines) : 0;
	char *p = realloc(*lines, have + len + 2);

	if (!p)
		return gw_fail(err, GW_ESYS, "out of memory");
	memcpy(p + have, text, len);
	memcpy(p + have + len, "\n", 2);
	*lines = p;
	return 0;
}

int
gw_setting(char **lines, const char *value, struct gw_err *err)
{
	if (!strchr(value, '=') || value[0] == '=' || strchr(value, '\n'))
		return gw_fail(err, GW_EUSAGE, "%s is not KEY=VALUE", value);
	return add_line(lines, value, strlen(value), err);
}

int
gw_settings_of(char **lines, const struct he_kms *k, struct gw_err *err)
{
	const struct { const char *key, *path; } paths[] = { { "keys", k->keys }, { "store", k->store }, { "master", k->master } };
	char line[4096 + sizeof("master=")];
	size_t n = k->set ? strlen(k->set) : 0;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (!paths[i].path)
			continue;
		snprintf(line, sizeof(line), "%s=%s", paths[i].key, paths[i].path);
		if (add_line(lines, line, strlen(line), err) < 0)
			return -1;
	}
	if (n && k->set[n - 1] == '\n')
		n--;
	return n ? add_line(lines, k->set, n, err) : 0;
}
