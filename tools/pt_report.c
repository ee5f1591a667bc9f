/* tools/pt_report.c: the report, as text or as JSON */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/pt.h"
#include "tools/term.h"

enum { PAGE = 80, LEFT = 12 };

static const char *const words[] = { "note", "warning", "error" };
static const char *const colours[] = { "\033[36m", "\033[33m", "\033[31;1m" };
static json_t *tests;
static bool colour, progress;

static const char *
paint(const char *code)
{
	return colour ? code : "";
}

/* Words up to the edge of the page, further lines indented. */
static void
fill(const char *text, size_t column)
{
	const unsigned width = term_width();
	const size_t edge = width ? width : PAGE;
	bool begun = false;
	size_t at = column;

	while (*text) {
		size_t n = strcspn(text, " ");
		if (begun && at + 1 + n > edge) {
			printf("\n%*s", LEFT, "");
			at = LEFT;
			begun = false;
		}
		printf("%s%.*s", begun ? " " : "", (int)n, text);
		at += n + begun;
		begun = true;
		text += n;
		text += strspn(text, " ");
	}
	putchar('\n');
}

void
pt_report_begin(void)
{
	tests = json_array();
	colour = !pt->opt.json && term_colour();
	progress = !pt->opt.json && isatty(STDERR_FILENO);
	if (!pt->opt.json)
		printf("%s\n\n", pt->opt.plugin);
}

void
pt_report_progress(bool end)
{
	static bool shown;

	if (!progress || (end && !shown))
		return;
	if (end)
		fprintf(stderr, "\r\033[K");
	else
		fprintf(stderr, "\r\033[K  %-9s %s%s%llu", pt_tests[pt->test].name, pt->year_done ? "crypto-periods: " : pt->call,
		    pt->year_done ? "" : " ", (unsigned long long)pt->year_done);
	shown = !end;
	fflush(stderr);
}

/* The rule has been told of another test. */
static bool
told(const struct pt_finding *f)
{
	for (unsigned k = 0; k < pt->nfindings && &pt->finding[k] != f; k++)
		if (pt->finding[k].rule == f->rule)
			return true;
	return false;
}

static void
tell_finding(const struct pt_finding *f)
{
	const struct pt_rule *r = &pt_rules[f->rule];
	char text[PT_TEXT + PT_CALL + 200];

	printf("  %s%s%s: %s\n%*s", paint(colours[r->gravity]), words[r->gravity], paint("\033[0m"), r->id, LEFT, "");
	fill(f->what, LEFT);
	if (f->times > 1)
		printf("%*s%u times\n", LEFT, "", f->times);
	if (told(f))
		return;
	if (*f->call) {
		snprintf(text, sizeof(text), "at %s", f->call);
		printf("%*s", LEFT, "");
		fill(text, LEFT);
	}
	snprintf(text, sizeof(text), "rule: %s; simulgate-kms-plugin(3), %s", r->rule, r->section);
	printf("%*s%s", LEFT, "", paint("\033[2m"));
	fill(text, LEFT);
	printf("%s", paint("\033[0m"));
}

static const char *
verdict(unsigned test, enum pt_gravity *worst)
{
	static const char *const verdicts[] = { "ok", "warning", "FAILED" };
	bool any = false;

	*worst = PT_G_NOTE;
	for (unsigned k = 0; k < pt->nfindings; k++)
		if (pt->finding[k].test == test) {
			any = true;
			if (pt_rules[pt->finding[k].rule].gravity > *worst)
				*worst = pt_rules[pt->finding[k].rule].gravity;
		}
	if (pt->skipped && !any)
		return "-";
	return verdicts[*worst];
}

void
pt_report_test(unsigned test, double seconds)
{
	const struct pt_test *t = &pt_tests[test];
	enum pt_gravity worst;
	const char *v = verdict(test, &worst);
	const char *said = *v != 'F' && worst != PT_G_ERROR && *pt->said ? pt->said : t->title;

	pt_report_progress(true);
	json_array_append_new(tests, json_pack("{ssss ss ss sf}", "name", t->name, "title", t->title, "result",
	    *v == '-' ? "skipped" : *v == 'F' ? "failed" : v, "said", pt->said, "seconds", seconds));
	if (pt->opt.json)
		return;
	printf("%s%-7s%s %-9s ", paint(*v == '-' ? "\033[2m" : worst == PT_G_NOTE ? "\033[32m" : colours[worst]), v, paint("\033[0m"), t->name);
	fill(said, 18);
	for (unsigned k = 0; k < pt->nfindings; k++)
		if (pt->finding[k].test == test)
			tell_finding(&pt->finding[k]);
	fflush(stdout);
}

static json_t *
findings(void)
{
	json_t *list = json_array();

	for (unsigned k = 0; k < pt->nfindings; k++) {
		const struct pt_finding *f = &pt->finding[k];
		const struct pt_rule *r = &pt_rules[f->rule];
		json_array_append_new(list, json_pack("{ss ss ss ss ss ss* ss* si}", "id", r->id, "severity", words[r->gravity], "section", r->section,
		    "rule", r->rule, "test", pt_tests[f->test].name, "what", f->what, "call", *f->call ? f->call : NULL, "times", (int)f->times));
	}
	return list;
}

static json_t *
times(void)
{
	const struct hist *h = &pt->took_ns;

	return json_pack("{sI sI sf sb sf sf sf sf sI sI}", "requests", (json_int_t)pt->year_done, "refused", (json_int_t)pt->year_refused,
	    "seconds", pt->year_s, "whole_year", pt->year_done == 365 * 8640, "p50_ms", (double)hist_quantile(h, .5) / 1e6,
	    "p99_ms", (double)hist_quantile(h, .99) / 1e6, "max_ms", (double)h->max / 1e6, "mean_ms", hist_mean(h) / 1e6,
	    "max_comp_time_ms", (json_int_t)pt->channel.max_comp_time, "grown_octets", (json_int_t)pt->grown_bytes);
}

static void
count(unsigned n[PT_GRAVITIES])
{
	memset(n, 0, PT_GRAVITIES * sizeof(*n));
	for (unsigned k = 0; k < pt->nfindings; k++)
		n[pt_rules[pt->finding[k].rule].gravity]++;
}

static void
tell_times(void)
{
	const struct hist *h = &pt->took_ns;

	if (h->n)
		printf("\nanswers took %.3f ms (half), %.3f ms (99 of 100), %.3f ms (longest);\nmax_comp_time is %u ms\n",
		    (double)hist_quantile(h, .5) / 1e6, (double)hist_quantile(h, .99) / 1e6, (double)h->max / 1e6, pt->channel.max_comp_time);
}

int
pt_report_end(double seconds)
{
	static const char *const calling[] = { "KMS_INLINE", "KMS_WORKER", "KMS_ASYNC" };
	unsigned n[PT_GRAVITIES];

	count(n);
	const bool good = n[PT_G_ERROR] == 0 && pt->lost == 0;
	if (pt->opt.json) {
		json_t *all = json_pack("{ss sb s{ss ss ss si sb} so so so sf}", "file", pt->opt.plugin, "conforming", good,
		    "plugin", "name", pt->name, "version", pt->version, "calling", pt->loaded ? calling[pt->calling] : "", "abi", (int)pt->abi,
		    "ltkm", pt->has_ltkm, "tests", json_incref(tests), "findings", findings(), "times", times(), "seconds", seconds);
		json_dumpf(all, stdout, JSON_INDENT(1));
		putchar('\n');
		json_decref(all);
	} else {
		tell_times();
		printf("\n%s%s%s: %u error%s, %u warning%s, %u note%s in %.1f s\n", paint(good ? "\033[32;1m" : "\033[31;1m"), good ? "conforming" :
		    "NOT conforming", paint("\033[0m"), n[PT_G_ERROR], n[PT_G_ERROR] == 1 ? "" : "s", n[PT_G_WARNING], n[PT_G_WARNING] == 1 ? "" : "s",
		    n[PT_G_NOTE], n[PT_G_NOTE] == 1 ? "" : "s", seconds);
	}
	json_decref(tests);
	return good ? 0 : 1;
}
