/* tests/unit/transcript.h: what an engine under test does is said in words, line by line, and compared with what it should have done */
#ifndef TESTS_UNIT_TRANSCRIPT_H
#define TESTS_UNIT_TRANSCRIPT_H
#include <check.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static char transcript[65536];
static size_t transcript_len;

static inline void __attribute__((format(printf, 1, 2)))
say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	transcript_len += (size_t)vsnprintf(transcript + transcript_len, sizeof(transcript) - transcript_len, fmt, ap);
	va_end(ap);
	ck_assert_uint_lt(transcript_len, sizeof(transcript));
}

static inline void
say_hex(const char *name, const uint8_t *p, size_t len)
{
	if (!p)
		return;
	say(" %s=", name);
	for (size_t i = 0; i < len; i++)
		say("%02x", p[i]);
}

static inline void
say_no_more(void)	/* of what was said: it is forgotten */
{
	transcript[transcript_len = 0] = '\0';
}

/* This, since the last time; and it is forgotten. */
static inline void
said(const char *want)
{
	ck_assert_str_eq(transcript, want);
	say_no_more();
}

static inline void
said_among(const char *some)
{
	ck_assert_msg(strstr(transcript, some) != NULL, "not said: %s; but: %s", some, transcript);
}
#endif
