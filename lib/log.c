/* lib/log.c: logfmt lines on stderr, one write(2) each */
#include "lib/log.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "lib/clock.h"

enum {
	LINE = 4096,	/* PIPE_BUF: lines of several processes on one pipe do not mix */
	FIELDS = 3072,	/* of which the fields leave room for the sentence */
};

static const char *const levels[] = { "err", "warning", "notice", "info", "debug" };
static const char *program = "simulgate";
static enum gw_level highest = GW_INFO;

struct line { char text[LINE]; size_t n, cap; bool full; };

void
gw_log_init(const char *name, enum gw_level max)
{
	program = name;
	highest = max;
}

int
gw_log_level(const char *name)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcmp(name, levels[i]) == 0)
			return (int)i;
	return -1;
}

bool
gw_log_on(enum gw_level level)
{
	return level <= highest;
}

/* Whole or not at all; what does not fit ends the line. */
static void
put(struct line *l, const char *s, size_t n)
{
	if (l->full || l->n + n > l->cap) {
		l->full = true;
		return;
	}
	memcpy(l->text + l->n, s, n);
	l->n += n;
}

static void
put_text(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

static bool
bare(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] <= ' ' || s[i] == '=' || s[i] == '"' || s[i] == '\\' || s[i] == 0x7f)
			return false;
	return n > 0;
}

static void
put_quoted(struct line *l, const char *s, size_t n)
{
	if (l->full || l->n + 2 > l->cap)
		return;
	l->text[l->n++] = '"';
	l->cap--;	/* of the closing quote, which a cut value has, too */
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		char esc[8];

		if (c == '"' || c == '\\')
			put(l, (char[]){ '\\', (char)c }, 2);
		else if (c == '\n')
			put(l, "\\n", 2);
		else if (c == '\t')
			put(l, "\\t", 2);
		else if (c < ' ' || c == 0x7f)
			put(l, esc, (size_t)snprintf(esc, sizeof(esc), "\\u%04x", c));
		else
			put(l, (char *)&c, 1);
	}
	l->cap++;
	l->text[l->n++] = '"';
}

static void
put_pair(struct line *l, const char *pair, size_t n)
{
	const char *eq = memchr(pair, '=', n);
	size_t key = eq ? (size_t)(eq - pair) + 1 : 0;

	put(l, " ", 1);
	put(l, pair, key);
	if (bare(pair + key, n - key))
		put(l, pair + key, n - key);
	else
		put_quoted(l, pair + key, n - key);
}

/*
 * Formats ever longer beginnings of the format, cut at its spaces: what a conversion wrote is then known by its place, and a
 * value that holds spaces or "key=" cannot pass for another field.
 */
static void
put_fields(struct line *l, const char *fields, va_list ap)
{
	char fmt[512], text[LINE];
	size_t done = 0, len = strlen(fields);

	if (len >= sizeof(fmt))
		len = sizeof(fmt) - 1;
	for (size_t at = 0; at < len; at++) {
		size_t end = at + strcspn(fields + at, " ");
		va_list again;
		int n;

		if (end > len)
			end = len;
		memcpy(fmt, fields, end);
		fmt[end] = '\0';
		va_copy(again, ap);
/* a beginning of a format that the compiler has checked at the caller */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		n = vsnprintf(text, sizeof(text), fmt, again);
#pragma GCC diagnostic pop
		va_end(again);
		if (n < 0 || (size_t)n <= done)
			return;
		size_t upto = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
		if (upto > done)
			put_pair(l, text + done, upto - done);
		done = upto + 1;	/* the space */
		at = end;
	}
}

static void
log_line(enum gw_level level, const char *event, const char *msg, uint32_t suppressed, const char *fields, va_list ap)
{
	struct line l = { .cap = FIELDS };
	char ts[32], head[160];
	int sys = errno;

	gw_utc_text(gw_utc_us(), ts);
	if (strlen(ts) == 27)
		memcpy(ts + 23, "Z", 2);	/* milliseconds are enough here */
	snprintf(head, sizeof(head), "ts=%s level=%s prog=%s event=%s", ts, levels[level], program, event);
	put_text(&l, head);
	put_fields(&l, fields, ap);
	l.cap = LINE - 1;
	l.full = false;
	if (suppressed) {
		snprintf(head, sizeof(head), " suppressed=%u", suppressed);
		put_text(&l, head);
	}
	if (msg) {
		put(&l, " msg=", 5);
		put_quoted(&l, msg, strlen(msg));
	}
	l.text[l.n++] = '\n';
	while (write(STDERR_FILENO, l.text, l.n) < 0 && errno == EINTR)
		;
	errno = sys;
}

void
gw_log(enum gw_level level, const char *event, const char *msg, const char *fields, ...)
{
	va_list ap;

	if (!gw_log_on(level))
		return;
	va_start(ap, fields);
	log_line(level, event, msg, 0, fields, ap);
	va_end(ap);
}

void
gw_log_limited(struct gw_rate *r, enum gw_level level, const char *event, const char *msg, const char *fields, ...)
{
	int64_t now = gw_mono_us();
	va_list ap;

	if (!gw_log_on(level))
		return;
	if (r->since_us == 0 || now - r->since_us >= (int64_t)r->per_ms * 1000) {
		r->since_us = now;
		r->n = 0;
	}
	if (r->n >= r->burst) {
		r->suppressed++;
		return;
	}
	r->n++;
	va_start(ap, fields);
	log_line(level, event, msg, r->suppressed, fields, ap);
	va_end(ap);
	r->suppressed = 0;
}
