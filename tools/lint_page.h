/*
 * tools/lint_page.h: what lint_html.c (tables) and lint_svg.c (pictures) share: writing to the page. Whatever comes out of a capture goes through
 * page_text, which lets nothing be markup; page_put is for our own words and numbers.
 */
#ifndef TOOLS_LINT_PAGE_H
#define TOOLS_LINT_PAGE_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "tools/lint.h"

struct page {
	FILE *file; const struct lint_report *report;
	uint64_t octets;		/* written so far */
	bool failed;			/* could not write: all that follows is quiet */
	unsigned serial;		/* of ids of pictures */
	const bool *kept;		/* of each finding of the report: it has a row */
};
enum { PAGE_PICTURES = 5 << 20, PAGE_FINDINGS = 2000, PAGE_SESSIONS = 500, PAGE_DETAILS = 64, PAGE_STREAMS = 16, PAGE_TEXT = 240 };
/* The page is never longer than this: pictures end at PAGE_PICTURES, rows have their bounds. */
enum { PAGE_MOST = 16 << 20 };

void page_put(struct page *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Text of whatever origin, in an element or a quoted attribute: PAGE_TEXT characters of it at most. */
void page_text(struct page *, const char *);
/* "1 finding", "12 345 findings": the number, with thin spaces, before the word in the form that it asks for. */
void page_count(struct page *, uint64_t n, const char *one, const char *many);
void page_number(struct page *, uint64_t n);
/* a - b; where that does not fit, the end of the range. */
int64_t page_since(int64_t a, int64_t b);

extern const char *const lint_css[];	/* in pieces; NULL ends them */

/* Mark of a severity with its word for those who do not see it: shape and colour. */
void page_mark(struct page *, enum lint_severity);

/* Pictures. All sessions on one time line; crypto-periods and findings of one; how long answers took. */
void lint_svg_shapes(struct page *);
void lint_svg_sessions(struct page *);
void lint_svg_session(struct page *, const struct lint_session *);
void lint_svg_latency(struct page *, const struct lint_session *, const struct lint_latency *);
#endif
