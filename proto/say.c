/* proto/say.c */
#include "proto/say.h"
#include <stdarg.h>
#include <stdio.h>

void
say(struct say *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s->len < s->cap ? s->out + s->len : NULL, s->len < s->cap ? s->cap - s->len : 0, fmt, ap);
	va_end(ap);
	s->len += n > 0 ? (size_t)n : 0;
}
