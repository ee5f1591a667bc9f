/* tools/find.c: where our other programs are */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/tools.h"

static bool __attribute__((format(printf, 2, 3)))
there(char out[TOOL_PATH], const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out, TOOL_PATH, fmt, ap);
	va_end(ap);
	return n < TOOL_PATH && access(out, X_OK) == 0;
}

static bool
on_path(const char *name, char out[TOOL_PATH])
{
	const char *p = getenv("PATH");

	while (p && *p) {
		size_t n = strcspn(p, ":");

		if (n && there(out, "%.*s/simulgate-%s", (int)n, p, name))
			return true;
		p += n + (p[n] == ':');
	}
	return false;
}

int
tool_find(const char *name, char out[TOOL_PATH], struct gw_err *err)
{
	const char *tree = getenv("SIMULGATE_LIBEXEC");
	char self[TOOL_PATH - 128], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n < 0 ? 0 : n] = '\0';
	if ((slash = strrchr(self, '/')) != NULL)
		*slash = '\0';
	if (slash && (there(out, "%s/simulgate-%s", self, name) || there(out, "%s/../sbin/simulgate-%s", self, name)))
		return 0;
	if (tree && (there(out, "%s/%s/simulgate-%s", tree, name, name) || there(out, "%s/tools/simulgate-%s", tree, name) ||
	    there(out, "%s/bsm/simulgate-%s", tree, name) || there(out, "%s/bridge/simulgate-%s", tree, name)))
		return 0;
	if (on_path(name, out))
		return 0;
	return gw_fail(err, GW_EUNAVAIL, "simulgate-%s is not installed", name);
}
