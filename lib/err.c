/* lib/err.c: what failed, in a sentence */
#include "lib/err.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "lib/log.h"

static const struct { int status; const char *name, *text; } codes[] = {
	[GW_OK] = { 0, "GW_OK", "no error" },
#define GW_X(code, status, text) [code] = { status, #code, text },
	GW_ERRORS(GW_X)
#undef GW_X
};

int
gw_fail(struct gw_err *err, enum gw_code code, const char *fmt, ...)
{
	int sys = errno;
	va_list ap;

	if (!err)
		return -1;
	err->code = code;
	err->sys = sys;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	errno = sys;
	return -1;
}

int
gw_wrap(struct gw_err *err, const char *fmt, ...)
{
	char was[sizeof(err->text)];
	va_list ap;
	size_t n;

	if (!err)
		return -1;
	memcpy(was, err->text, sizeof(was));
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	n = strlen(err->text);
	/* the colon is ours; a caller that wrote it all the same gets one only */
	if (n >= 2 && strcmp(err->text + n - 2, ": ") == 0)
		n -= 2;
	snprintf(err->text + n, sizeof(err->text) - n, ": %s", was);
	return -1;
}

int
gw_die(const struct gw_err *err)
{
	char line[sizeof(err->text)];
	const char *p = err->text;

	/* A configuration's errors are a line each: they stay lines of their own in the log. */
	do {
		size_t n = strcspn(p, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)n, *err->text ? p : codes[err->code].text);
		gw_log(GW_ERR, "fatal", *err->text ? line : codes[err->code].text, "error=%s status=%d",
		    codes[err->code].name, codes[err->code].status);
		p += n + (p[n] == '\n');
	} while (*p);
	return gw_exit_status(err->code);
}

int
gw_exit_status(enum gw_code code)
{
	/* GW_OK where something failed is our own mistake, but never a success for the caller's shell */
	return code == GW_OK ? 1 : codes[code].status;
}
