/*
 * tools/lint_pic.h: the sums behind the pictures of a report: axes, ticks, what is drawn of more crypto-periods than a line has dots, which of
 * them deserve a picture of their own. Pure.
 */
#ifndef TOOLS_LINT_PIC_H
#define TOOLS_LINT_PIC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tools/hist.h"
#include "tools/lint.h"

enum { PIC_TICKS = 16, PIC_COLUMNS = 200, PIC_BARS = 60, PIC_TEXT = 32 };

/* From lo to hi, hi > lo; logarithmic: lo > 0. */
struct pic_axis { double lo, hi; bool log; };
/* The share of the axis, 0..100, at which v stands; what is beyond an end stands at that end. */
double pic_at(const struct pic_axis *, double v);
/* The narrowest logarithmic axis of 1-2-5 steps around lo..hi; of a factor ten at least. What is not positive counts as 1. */
struct pic_axis pic_log_axis(double lo, double hi);
/* Ascending marks of an axis, PIC_TICKS at most: 1-2-5 steps; decades only, when a logarithmic one is long. The count. */
size_t pic_ticks(const struct pic_axis *, double out[PIC_TICKS]);
/* The least step of 1, 2, 5 of milliseconds and less, of seconds, minutes, hours and days as clocks have them, that cuts span_ns (> 0) into at most so many (>= 1) pieces. */
int64_t pic_time_step(int64_t span_ns, unsigned most);
/* "340 µs", "1.25 ms", "12 s", "2 h 5 min": at most three digits that count. Returns out. */
const char *pic_span(int64_t ns, char out[PIC_TEXT]);
/* A place of a time axis whose marks are step_ns apart: "12.5 s", "3:20", "3:20.25", "2:05:00", "1 d 2:00:00". */
const char *pic_clock(int64_t ns, int64_t step_ns, char out[PIC_TEXT]);

/* Some crypto-periods that one column of a picture stands for. */
struct pic_column {
	size_t n, first;		/* how many, the first one's index */
	int64_t fastest_ns, slowest_ns;	/* answers; -1: none */
	uint64_t late, refused, silent;
};
/* Sorts n periods by asked_ns into columns of equal width from from_ns to to_ns (> from_ns); asked outside of it: the outermost column. cols: 1..PIC_COLUMNS. */
void pic_columns(const struct lint_period *, size_t n, int64_t from_ns, int64_t to_ns, struct pic_column *, size_t cols);
/* Without an answer, as far as is known. */
bool pic_period_silent(const struct lint_period *);
/* Late, refused or unanswered. */
bool pic_period_bad(const struct lint_period *);
/* Where to look closely: up to cap stretches of `wide` periods, each around the first bad one that the stretches before do not show. The count. */
struct pic_stretch { size_t first, n; };
size_t pic_stretches(const struct lint_period *, size_t n, size_t wide, struct pic_stretch *out, size_t cap);

/* Counts of a histogram in bars of equal width on a logarithmic axis. Returns the highest bar. */
uint64_t pic_bars(const struct hist *, const struct pic_axis *, uint64_t bars[PIC_BARS]);

/*
 * One character of UTF-8 text, as a page may show it: octets in *len, the text itself or U+FFFD for what is no character, may not stand in XML or
 * turns the direction of writing. 0 in *len: the end of the text.
 */
const char *pic_character(const char *s, size_t *len);
#endif
