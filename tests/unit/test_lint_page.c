/*
 * tests/unit/test_lint_page.c: the page of simulgate lint: sums behind its pictures, what is thinned out and left out, and that nothing which a
 * capture says becomes mark-up. The page is read as XML, strictly.
 */
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <math.h>
#include <stdio.h>
#include "tests/suite.h"
#include "tests/unit/lint_report.h"
#include "tools/lint_page.h"
#include "tools/lint_pic.h"

enum { CHUNK = 1 << 15 };

/* ---- axes ---- */

START_TEST(places_on_axes)
{
	const struct pic_axis linear = { 10, 20, false }, decades = { 1, 1000, true };

	ck_assert_double_eq(pic_at(&linear, 10), 0);
	ck_assert_double_eq(pic_at(&linear, 12.5), 25);
	ck_assert_double_eq(pic_at(&linear, 99), 100);
	ck_assert_double_eq(pic_at(&linear, -1e300), 0);
	ck_assert_double_eq(pic_at(&linear, NAN), 0);
	ck_assert_double_eq_tol(pic_at(&decades, 10), 100 / 3.0, 1e-9);
	ck_assert_double_eq(pic_at(&decades, 0), 0);
	ck_assert_double_eq(pic_at(&decades, -5), 0);
	ck_assert_double_eq(pic_at(&decades, 1e12), 100);
}
END_TEST

START_TEST(log_axes_hold_what_they_are_for)
{
	for (double lo = 1; lo < 1e18; lo *= 1.37)
		for (double hi = lo; hi < 9.3e18; hi *= 3.1) {
			struct pic_axis a = pic_log_axis(lo, hi);
			double at[PIC_TICKS];
			size_t n = pic_ticks(&a, at);

			ck_assert_msg(a.lo <= lo * (1 + 1e-8) && a.hi >= hi * (1 - 1e-8) && a.hi >= 9.99 * a.lo, "%g..%g: %g..%g", lo, hi, a.lo, a.hi);
			ck_assert_msg(a.lo * 21 > lo && a.hi < hi * 21, "%g..%g: %g..%g is too wide", lo, hi, a.lo, a.hi);
			ck_assert_msg(n >= 2, "%zu ticks", n);
			for (size_t i = 0; i < n; i++)
				ck_assert_msg(at[i] >= a.lo * (1 - 1e-8) && at[i] <= a.hi * (1 + 1e-8) && (i == 0 || at[i] > 1.5 * at[i - 1]), "tick %g", at[i]);
		}
	ck_assert(pic_log_axis(0, 0).lo > 0);
	ck_assert(pic_log_axis(-3, -5).hi > pic_log_axis(-3, -5).lo);
}
END_TEST

START_TEST(linear_ticks)
{
	double at[PIC_TICKS];

	ck_assert_uint_eq(pic_ticks(&(struct pic_axis){ 0, 10, false }, at), 6);
	ck_assert_double_eq_tol(at[5], 10, 1e-9);
	ck_assert_uint_eq(pic_ticks(&(struct pic_axis){ 0.3, 1.9, false }, at), 3);
	ck_assert_double_eq_tol(at[0], 0.5, 1e-9);
}
END_TEST

START_TEST(steps_of_time)
{
	static const struct { int64_t span; unsigned most; int64_t step; } t[] = {
		{ 1, 8, 1 }, { 8 * MS, 8, MS }, { 9 * MS, 8, 2 * MS }, { 8 * SECOND, 8, SECOND }, { 60 * SECOND, 8, 10 * SECOND }, { 61 * SECOND, 4, 30 * SECOND },
		{ 3600 * SECOND, 8, 600 * SECOND }, { 8 * 3600 * SECOND, 8, 3600 * SECOND }, { 86400 * SECOND, 8, 10800 * SECOND }, { 9 * 86400 * SECOND, 8, 2 * 86400 * SECOND },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		ck_assert_int_eq(pic_time_step(t[i].span, t[i].most), t[i].step);
	for (int64_t span = 1; span < INT64_MAX / 3; span *= 3) {
		int64_t step = pic_time_step(span, 8);

		ck_assert_msg(step > 0 && span / step <= 8, "%lld in steps of %lld", (long long)span, (long long)step);
	}
	ck_assert_int_gt(pic_time_step(INT64_MAX, 8), 0);
}
END_TEST

START_TEST(words_for_times)
{
	static const struct { int64_t ns; const char *says; } spans[] = {
		{ 0, "0 ns" }, { 999, "999 ns" }, { 1000, "1 µs" }, { 1234, "1.23 µs" }, { 340000, "340 µs" }, { 999499, "999 µs" }, { 999600, "1 ms" }, { 1250000, "1.25 ms" },
		{ 12 * MS, "12 ms" }, { 12340000, "12.3 ms" }, { 500 * MS, "500 ms" }, { 999600000, "1 s" }, { 10 * SECOND, "10 s" }, { 1500 * MS, "1.5 s" },
		{ 60 * SECOND, "1 min" }, { 125 * SECOND, "2 min 5 s" }, { 3600 * SECOND, "1 h" }, { 7500 * SECOND, "2 h 5 min" }, { 90000 * SECOND, "1 d 1 h" }, { -12 * MS, "-12 ms" },
		{ INT64_MAX, "106751 d 23 h" }, { INT64_MIN, "-106751 d 23 h" },
	};
	static const struct { int64_t ns, step; const char *says; } clocks[] = {
		{ 0, SECOND, "0 s" }, { 12500 * MS, 500 * MS, "12.5 s" }, { 2 * MS, MS, "0.002 s" }, { 200 * SECOND, SECOND, "3:20" }, { 7500 * SECOND, 60 * SECOND, "2:05:00" },
		{ 90000 * SECOND, 3600 * SECOND, "1 d 1:00:00" }, { 2 * 86400 * SECOND, 86400 * SECOND, "2 d" }, { -5 * SECOND, SECOND, "-5 s" },
		{ 70200 * MS, 100 * MS, "1:10.2" }, { 7500250 * MS, 50 * MS, "2:05:00.25" }, { 90000500 * MS, 500 * MS, "1 d 1:00:00.5" }, { 60 * SECOND, 500 * MS, "1:00.0" },
	};
	char text[PIC_TEXT];

	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		ck_assert_str_eq(pic_span(spans[i].ns, text), spans[i].says);
	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++)
		ck_assert_str_eq(pic_clock(clocks[i].ns, clocks[i].step, text), clocks[i].says);
	ck_assert_uint_lt(strlen(pic_clock(INT64_MIN, 1, text)), PIC_TEXT);
}
END_TEST

/* ---- crypto-periods ---- */

START_TEST(columns_hold_every_period_once)
{
	static struct lint_period p[5000];
	static struct pic_column c[PIC_COLUMNS];
	uint32_t state = 3;
	size_t n = 0;
	uint64_t late = 0, want = 0;

	for (size_t i = 0; i < 5000; i++) {
		p[i].asked_ns = i % 500 == 0 ? (i % 1000 ? INT64_MAX : INT64_MIN) : EPOCH + (int64_t)(noise(&state) % 3600) * SECOND;
		p[i].latency_ns = (int64_t)(i % 100) * MS;
		p[i].late = i % 97 == 0;
		want += p[i].late;
	}
	pic_columns(p, 5000, EPOCH, EPOCH + 3600 * SECOND, c, PIC_COLUMNS);
	for (size_t i = 0; i < PIC_COLUMNS; i++) {
		n += c[i].n;
		late += c[i].late;
		ck_assert(c[i].n == 0 || (c[i].fastest_ns >= 0 && c[i].slowest_ns <= 99 * MS && c[i].fastest_ns <= c[i].slowest_ns));
	}
	ck_assert_uint_eq(n, 5000);
	ck_assert_uint_eq(late, want);
	p[0].latency_ns = -1;
	pic_columns(p, 1, EPOCH, EPOCH + SECOND, c, 1);
	ck_assert_int_eq(c[0].fastest_ns, -1);
	ck_assert_uint_eq(c[0].silent, 1);
}
END_TEST

START_TEST(close_ups_show_the_first_bad_ones)
{
	static struct lint_period p[100];
	struct pic_stretch at[3];

	ck_assert_uint_eq(pic_stretches(p, 100, 12, at, 3), 0);
	p[1].late = p[50].refused = p[55].late = p[99].late = true;
	p[70].latency_ns = -1;
	ck_assert_uint_eq(pic_stretches(p, 100, 12, at, 3), 3);
	ck_assert_uint_eq(at[0].first, 0);
	ck_assert_uint_eq(at[0].n, 12);
	ck_assert_uint_eq(at[1].first, 46);	/* holds 55, too */
	ck_assert_uint_eq(at[2].first, 66);
	ck_assert_uint_eq(pic_stretches(p, 100, 12, at, 0), 0);
	p[50].refused = p[55].late = p[1].late = false;
	p[70].latency_ns = 0;
	ck_assert_uint_eq(pic_stretches(p, 100, 12, at, 3), 1);
	ck_assert_uint_eq(at[0].first, 88);
	ck_assert_uint_eq(at[0].n, 12);
	ck_assert_uint_eq(pic_stretches(p + 97, 3, 12, at, 3), 1);
	ck_assert_uint_eq(at[0].n, 3);
}
END_TEST

START_TEST(bars_hold_every_answer)
{
	static struct hist h;
	struct pic_axis a;
	uint64_t bars[PIC_BARS], n = 0, most;
	uint32_t state = 5;

	for (int i = 0; i < 10000; i++)
		hist_add(&h, (int64_t)(noise(&state) % 1000) * MS);
	hist_add(&h, INT64_MAX);
	a = pic_log_axis(MS, 2e9);
	most = pic_bars(&h, &a, bars);
	for (size_t i = 0; i < PIC_BARS; i++) {
		n += bars[i];
		ck_assert_uint_le(bars[i], most);
	}
	ck_assert_uint_eq(n, 10001);
}
END_TEST

/* ---- text ---- */

START_TEST(characters_are_text_or_replaced)
{
	static const struct { const char *s; size_t len; bool kept; } t[] = {
		{ "a", 1, true }, { "\n", 1, true }, { "\x01", 1, false }, { "\x7f", 1, false }, { "\xc3\xa4", 2, true }, { "\xe2\x82\xac", 3, true }, { "\xf0\x9f\x98\x80", 4, true },
		{ "\xff", 1, false }, { "\x80", 1, false }, { "\xc0\xaf", 1, false }, { "\xe0\x80\xaf", 3, false }, { "\xc3", 1, false }, { "\xe2\x82", 2, false }, { "\xf0\x9f", 2, false },
		{ "\xed\xa0\x80", 3, false }, { "\xef\xbf\xbf", 3, false }, { "\xe2\x80\xae", 3, false }, { "\xe2\x81\xa7", 3, false }, { "\xf4\x90\x80\x80", 4, false }, { "\xc2\x85", 2, false },
		{ "\xc3<", 1, false }, { "", 0, true },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		size_t len;
		const char *c = pic_character(t[i].s, &len);

		ck_assert_msg(len == t[i].len && (c == t[i].s) == t[i].kept, "%zu: %zu octets, %s", i, len, c == t[i].s ? "kept" : "replaced");
	}
}
END_TEST

/* ---- the page ---- */

static char *
page_of(const struct lint_report *r, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	ck_assert_int_eq(lint_html(f, r), 0);
	fclose(f);
	return text;
}

/* Elements, attributes and links that a page may have; counts its elements. */
static size_t
walk(const xmlNode *n)
{
	static const char *const forbidden[] = { "script", "iframe", "object", "embed", "img", "image", "form", "link", "base", "foreignObject" };
	size_t count = 0;

	for (; n; n = n->next) {
		if (n->type != XML_ELEMENT_NODE)
			continue;
		count += 1 + walk(n->children);
		for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
			ck_assert_msg(strcmp((const char *)n->name, forbidden[i]) != 0, "element %s", forbidden[i]);
		for (const xmlAttr *a = n->properties; a; a = a->next) {
			const char *name = (const char *)a->name, *value = a->children && a->children->content ? (const char *)a->children->content : "";

			ck_assert_msg(strncmp(name, "on", 2) != 0 && strcmp(name, "src") != 0 && strcmp(name, "srcset") != 0, "attribute %s", name);
			ck_assert_msg(strcmp(name, "href") != 0 || value[0] == '#', "href=%s", value);
		}
	}
	return count;
}

static size_t
judge(const char *text, size_t len)
{
	xmlParserCtxt *x = xmlCreatePushParserCtxt(NULL, NULL, NULL, 0, "page");	/* whole, it moves megabytes about at every element */
	size_t n;

	xmlCtxtUseOptions(x, XML_PARSE_NONET | XML_PARSE_HUGE);
	for (size_t at = 0; at < len; at += n) {
		n = len - at < CHUNK ? len - at : CHUNK;
		ck_assert_msg(xmlParseChunk(x, text + at, (int)n, at + n == len) == 0, "not well-formed about octet %zu", at);
	}
	ck_assert(x->wellFormed);
	n = walk(xmlDocGetRootElement(x->myDoc));
	xmlFreeDoc(x->myDoc);
	xmlFreeParserCtxt(x);
	return n;
}

static const char hostile[] = "</title></style>--><script>alert(1)</script><img src=x onerror=\"alert('2')\"> ]]> &lt;&#x3c;%s%n \x01\xff\xe2\x80\xae";

#define EVIL(array) copy_cut(array, sizeof(array))
static void
copy_cut(char *out, size_t cap)
{
	for (size_t i = 0; i + 1 < cap && i < sizeof(hostile); i++)
		out[i] = hostile[i];
	out[cap - 1] = '\0';
}

START_TEST(nothing_of_a_capture_is_mark_up)
{
	struct lint_report *r = make_report(4, 8, hostile);
	struct lint_session *s = make_session(r, 2, 12, 5, true);
	struct lint_finding *f = make_finding(r, 1, s, s->streams[0].periods[6].asked_frame, s->streams[0].periods[6].asked_ns, hostile);
	char *text;
	size_t len;

	make_data_session(r);
	make_finding(r, 0, s, 3, EPOCH, "\xe2\x82");	/* cut within a character */
	EVIL(f->param);
	EVIL(f->message);
	EVIL(f->clause);
	EVIL(s->client);
	EVIL(s->server);
	EVIL(s->latency[0].request);
	EVIL(s->latency[0].answer);
	EVIL(s->count[0].message);
	EVIL(r->broken);
	r->whole = false;
	text = page_of(r, &len);
	ck_assert_uint_gt(judge(text, len), 100);
	ck_assert_ptr_nonnull(strstr(text, "&lt;script&gt;alert(1)&lt;/script&gt;"));
	ck_assert_ptr_null(strstr(text, "<script"));
	ck_assert_ptr_null(strstr(text, "\xe2\x80\xae"));
	ck_assert_ptr_null(strchr(text, '\x01'));
	free(text);
	free_report(r);
}
END_TEST

START_TEST(each_finding_has_its_row)
{
	struct lint_report *r = make_report(2, 40, "many.pcap");
	struct lint_session *s = make_session(r, 1, 2000, 100, false);
	struct lint_finding *f;
	char *text, want[64];
	size_t len;

	for (size_t i = 0; i < 40; i++)
		f = make_finding(r, i % RULES, s, s->streams[0].periods[i * 50].answered_frame, s->streams[0].periods[i * 50].answered_ns, "something is wrong");
	f->count = 413;
	f->session = 77;	/* one that the report has no place for */
	text = page_of(r, &len);
	judge(text, len);
	for (size_t i = 1; i <= 40; i++) {
		snprintf(want, sizeof(want), "<tr id=\"f%zu\">", i);
		ck_assert_ptr_nonnull(strstr(text, want));
	}
	ck_assert_ptr_nonnull(strstr(text, "and 412 more"));
	ck_assert_ptr_nonnull(strstr(text, "Findings in other sessions"));
	ck_assert_ptr_nonnull(strstr(text, "Close-up"));
	ck_assert_ptr_nonnull(strstr(text, "The standard is broken"));
	free(text);
	free_report(r);
}
END_TEST

static size_t
times(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)) != NULL; text += strlen(what))
		n++;
	return n;
}

/* Streams that ask in the same frames, and a connection that ends long before the last period begins. */
START_TEST(marks_stand_at_their_own_stream)
{
	struct lint_report *r = make_report(1, 2, "marks.pcap");
	struct lint_session *s = make_session(r, 5, 30, 0, true);
	char *text;
	size_t len;

	make_finding(r, 1, s, s->streams[0].periods[6].asked_frame, s->streams[0].periods[6].asked_ns, "two at a time")->stream = 3;
	make_finding(r, 2, s, s->streams[0].periods[8].asked_frame, s->streams[0].periods[8].asked_ns, "of the connection")->stream = -1;
	for (size_t k = 0; k < 30; k++)
		for (size_t i = 0; i < 5; i++)
			s->streams[i].periods[k].asked_ns = s->first_ns + (int64_t)k * MS;
	s->last_ns = s->first_ns + SECOND;
	text = page_of(r, &len);
	judge(text, len);
	ck_assert_uint_eq(times(text, "<a href=\"#f1\"><g><title>CP 65506:"), 1);
	ck_assert_uint_eq(times(text, "<a href=\"#f2\"><g><title>CP"), 0);
	ck_assert_uint_eq(times(text, "x=\"99.00%\" dx=\"4\""), 0);	/* no numbers on top of each other */
	free(text);
	free_report(r);
}
END_TEST

START_TEST(what_is_not_followed_is_not_told_as_unanswered)
{
	struct lint_report *r = make_report(1, 1, "unwatched.pcap");
	struct lint_session *s = make_session(r, 2, 20, 0, false);
	char *text;
	size_t len;

	for (size_t k = 0; k < 20; k++) {
		s->streams[0].periods[k].latency_ns = -1;
		s->streams[0].periods[k].unwatched = true;
	}
	text = page_of(r, &len);
	judge(text, len);
	ck_assert_ptr_null(strstr(text, "no answer"));
	ck_assert_ptr_null(strstr(text, "<use href=\"#mo\""));
	ck_assert_ptr_null(strstr(text, "data-l=\"No answer\">20"));
	ck_assert_ptr_nonnull(strstr(text, "not followed: too many requests"));
	free(text);
	free_report(r);
}
END_TEST

START_TEST(numbers_do_not_hide_each_other)
{
	struct lint_report *r = make_report(1, 1, "numbers.pcap");
	struct lint_session *s = make_session(r, 1, 20, 0, false);
	char *text;
	size_t len;

	s->streams[0].periods[1].asked_ns = s->streams[0].periods[0].asked_ns + MS;	/* the first two are asked for at once */
	text = page_of(r, &len);
	ck_assert_uint_eq(times(text, "dx=\"4\" y=\"89\""), 19);
	free(text);
	free_report(r);
}
END_TEST

START_TEST(nothing_to_find)
{
	struct lint_report *r = make_report(1, 1, "clean.pcap");
	char *text;
	size_t len;

	text = page_of(r, &len);
	judge(text, len);
	ck_assert_ptr_nonnull(strstr(text, "no SimulCrypt message"));
	free(text);
	make_session(r, 1, 4, 0, true);
	text = page_of(r, &len);
	judge(text, len);
	ck_assert_ptr_nonnull(strstr(text, "No finding"));
	ck_assert_ptr_nonnull(strstr(text, "p99.9"));
	free(text);
	free_report(r);
}
END_TEST

/* Clocks of captures may say anything. */
START_TEST(times_without_sense)
{
	static const int64_t times[] = { INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX };
	enum { TIMES = sizeof(times) / sizeof(times[0]) };
	struct lint_report *r = make_report(3, 8, "odd.pcap");
	struct lint_session *s = make_session(r, 1, 30, 4, true);
	uint32_t state = (uint32_t)_i;
	char *text;
	size_t len;

	s->gap[s->ngaps++] = (struct lint_gap){ 1, 3, times[noise(&state) % TIMES], UINT64_MAX, DEC_GAP };
	for (size_t i = 0; i < 8; i++)
		make_finding(r, i % RULES, s, i, times[noise(&state) % TIMES], "odd");
	for (size_t k = 0; k < 30; k++) {
		struct lint_period *p = &s->streams[0].periods[k];

		p->asked_ns = times[noise(&state) % TIMES];
		p->start_ns = times[noise(&state) % TIMES];
		p->end_ns = times[noise(&state) % TIMES];
		p->air_first_ns = times[noise(&state) % TIMES];
		p->air_last_ns = times[noise(&state) % TIMES];
		p->latency_ns = times[noise(&state) % TIMES];
		p->duration_100ms = (uint16_t)noise(&state);
	}
	s->channel.delay_start = INT32_MAX;
	s->channel.delay_stop = INT32_MIN + 1;
	s->channel.max_comp_time = 65535;
	s->first_ns = times[noise(&state) % TIMES];
	s->last_ns = times[noise(&state) % TIMES];
	r->first_ns = times[noise(&state) % TIMES];
	r->last_ns = times[noise(&state) % TIMES];
	make_data_session(r)->last_ns = times[noise(&state) % TIMES];
	text = page_of(r, &len);
	judge(text, len);
	free(text);
	free_report(r);
}
END_TEST

START_TEST(a_page_has_an_end)
{
	enum { MANY = 700, ROWS = 16384 };
	struct lint_report *r = make_report(MANY, ROWS, "flood.pcap");
	char text[LINT_TEXT], *page;
	size_t len;

	memset(text, '"', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < MANY; i++)
		make_session(r, i < 30 ? 40 : 1, i < 30 ? 200 : 80, 9, i % 2);
	for (size_t i = 0; i < ROWS; i++)
		make_finding(r, i % RULES, r->sessions[i % MANY], i, EPOCH + (int64_t)i * MS, text);
	r->more_findings = 12345678;
	page = page_of(r, &len);
	ck_assert_uint_lt(len, PAGE_MOST);
	judge(page, len);
	ck_assert_ptr_nonnull(strstr(page, "12\u202f360\u202f062 findings have no row here"));	/* and those that were not kept */
	ck_assert_ptr_nonnull(strstr(page, "Not every picture is here"));
	ck_assert_ptr_nonnull(strstr(page, "200 further sessions are left out here"));
	ck_assert_ptr_nonnull(strstr(page, "streams are not drawn"));
	free(page);
	free_report(r);
}
END_TEST

START_TEST(a_full_disk_is_an_error)
{
	struct lint_report *r = make_report(1, 1, "x");
	FILE *f = fopen("/dev/full", "w");

	if (f) {
		ck_assert_int_eq(lint_html(f, r), -1);
		fclose(f);
	}
	free_report(r);
}
END_TEST

SUITE("lint_page", tcase_set_timeout(t, 120); tcase_add_test(t, places_on_axes); tcase_add_test(t, log_axes_hold_what_they_are_for); tcase_add_test(t, linear_ticks);
      tcase_add_test(t, steps_of_time); tcase_add_test(t, words_for_times); tcase_add_test(t, columns_hold_every_period_once);
      tcase_add_test(t, close_ups_show_the_first_bad_ones); tcase_add_test(t, bars_hold_every_answer); tcase_add_test(t, characters_are_text_or_replaced);
      tcase_add_test(t, nothing_of_a_capture_is_mark_up); tcase_add_test(t, each_finding_has_its_row); tcase_add_test(t, marks_stand_at_their_own_stream); tcase_add_test(t, what_is_not_followed_is_not_told_as_unanswered); tcase_add_test(t, numbers_do_not_hide_each_other); tcase_add_test(t, nothing_to_find);
      tcase_add_loop_test(t, times_without_sense, 0, 12); tcase_add_test(t, a_page_has_an_end); tcase_add_test(t, a_full_disk_is_an_error))
