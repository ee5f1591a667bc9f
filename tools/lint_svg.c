/*
 * tools/lint_svg.c: the pictures of a report. They have no width of their own: places across are percentages and texts keep their size, so that one
 * picture is right on a wide screen, a telephone and paper. What a mark says stands in its title, and all of it in the tables, too.
 */
#include "tools/lint_page.h"
#include <stdlib.h>
#include <string.h>
#include "tools/lint_pic.h"

enum { DETAIL = 80, STRETCH = 14, STRETCHES = 3, NUMBERS = 20, NARROW = 4, APART = 3, MARKS = 16, LANES = 40, TICKS = 8 };
enum { ANSWER_TOP = 8, ANSWER_FOOT = 66, CP_TOP = 76, CP_HIGH = 18, ECM_TOP = 100, ECM_HIGH = 9 };	/* places down a lane */

/* A stretch of time that lanes below each other share. */
struct view {
	struct page *page; const struct lint_session *session;
	int64_t from, to, step; struct pic_axis time;
	const struct lint_finding **by_frame; size_t nfindings;	/* of the session, by frame */
	const struct lint_finding *late, *refused, *silent;	/* what stands for further ones of the kind */
	size_t close_ups;		/* drawn */
};

static const char *const mark_ids[LINT_SEVERITIES] = { [LINT_NOTICE] = "mn", [LINT_WARNING] = "mw", [LINT_ERROR] = "me" };

/* A mark is 14 wide around its place. */
void
lint_svg_shapes(struct page *p)
{
	page_put(p, "<svg width=\"0\" height=\"0\" style=\"position:absolute\" aria-hidden=\"true\"><defs>"
	    "<g id=\"me\"><path class=\"me\" d=\"M-3-7H3L7-3V3L3 7H-3L-7 3V-3Z\"/><path class=\"mx\" d=\"M-2.6-2.6L2.6 2.6M2.6-2.6L-2.6 2.6\"/></g>"
	    "<g id=\"mw\"><path class=\"mw\" d=\"M0-7L7.5 6H-7.5Z\"/><path class=\"mi\" d=\"M-.9-3H.9L.6 2H-.6ZM-.9 3H.9V4.6H-.9Z\"/></g>"
	    "<g id=\"mn\"><circle class=\"mn\" r=\"5\"/></g>"
	    "<g id=\"mo\"><path class=\"mo\" d=\"M0-5.5L5.5 0L0 5.5L-5.5 0Z\"/></g>"
	    "<g id=\"mk\"><circle class=\"mk\" r=\"7\"/><path class=\"mx\" style=\"fill:none\" d=\"M-3.2.3L-.9 2.8L3.4-2.4\"/></g>"
	    "</defs></svg>\n");
}

/* ---- places ---- */

static double
across(const struct view *v, int64_t at_ns)
{
	return 1 + 0.98 * pic_at(&v->time, (double)at_ns);
}

static void
view_range(struct view *v, int64_t from, int64_t to)
{
	v->from = from;
	v->to = to;
	if (page_since(to, from) < 1000000) {	/* less than a ms is a moment */
		v->from = from < INT64_MAX - 1000000 ? from : INT64_MAX - 1000000;
		v->to = v->from + 1000000;
	}
	v->time = (struct pic_axis){ (double)v->from, (double)v->to, false };
	v->step = pic_time_step(page_since(v->to, v->from), TICKS);
}

/* From the beginning of the capture on, which is how all places in time are written. */
static void
put_clock(struct view *v, int64_t at_ns)
{
	char text[PIC_TEXT];

	page_put(v->page, "%s", pic_clock(page_since(at_ns, v->page->report->first_ns), v->step, text));
}

static void
put_exact(struct page *p, int64_t at_ns)
{
	int64_t ns = page_since(at_ns, p->report->first_ns);

	page_put(p, "%+.6f s", (double)ns / 1e9);
}

/* Calls for every tick within the view. */
static void
each_tick(struct view *v, void (*show)(struct view *, int64_t at_ns, unsigned n, int height), int height)
{
	int64_t origin = v->page->report->first_ns, k = page_since(v->from, origin) / v->step;
	unsigned n = 0;

	for (k -= 1; n <= TICKS + 2; k++) {
		int64_t at;

		if (__builtin_mul_overflow(k, v->step, &at) || __builtin_add_overflow(at, origin, &at) || at > v->to)
			return;
		if (at >= v->from)
			show(v, at, n++, height);
	}
}

static void
grid_line(struct view *v, int64_t at_ns, unsigned n, int height)
{
	double x = across(v, at_ns);

	(void)n;
	page_put(v->page, "<line class=\"grid\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"0\" y2=\"%d\"/>", x, x, height);
}

static void
grid_text(struct view *v, int64_t at_ns, unsigned n, int height)
{
	page_put(v->page, "<text%s x=\"%.2f%%\" y=\"%d\" text-anchor=\"%s\">", n % 2 ? " class=\"wide\"" : "", across(v, at_ns), height - 5,
	    across(v, at_ns) > 97 ? "end" : "middle");
	put_clock(v, at_ns);
	page_put(v->page, "</text>");
}

static void
grid(struct view *v, int height)
{
	each_tick(v, grid_line, height);
}

static void
axis(struct view *v)
{
	page_put(v->page, "<div class=\"lane\"><svg height=\"18\" aria-hidden=\"true\"><text x=\"0\" y=\"13\">time</text></svg><svg height=\"18\" aria-hidden=\"true\">"
	    "<line class=\"base\" x1=\"0\" x2=\"100%%\" y1=\".5\" y2=\".5\"/>");
	each_tick(v, grid_text, 18);
	page_put(v->page, "</svg></div>\n");
}

/* The picture's name, read aloud; what it shows goes behind this. */
static void
picture(struct page *p, int height)
{
	unsigned id = ++p->serial;

	page_put(p, "<svg height=\"%d\" role=\"group\" aria-labelledby=\"p%u\"><title id=\"p%u\">", height, id, id);
}

/* ---- findings ---- */

static bool
has_row(const struct page *p, const struct lint_finding *f)
{
	return f && p->kept && p->kept[f - p->report->findings];
}

static bool
link_to(struct page *p, const struct lint_finding *f)
{
	if (!has_row(p, f))
		return false;
	page_put(p, "<a href=\"#f%zu\">", (size_t)(f - p->report->findings) + 1);
	return true;
}

static int
by_frame(const void *a, const void *b)
{
	const struct lint_finding *x = *(const struct lint_finding *const *)a, *y = *(const struct lint_finding *const *)b;

	return x->frame != y->frame ? (x->frame < y->frame ? -1 : 1) : x->rule->severity != y->rule->severity ? (x->rule->severity > y->rule->severity ? -1 : 1) : 0;
}

/* The gravest finding at a frame about a stream: a frame may have messages of many. */
static const struct lint_finding *
finding_at(const struct view *v, const struct lint_stream *s, uint64_t frame)
{
	size_t lo = 0, hi = v->nfindings;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v->by_frame[mid]->frame < frame)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; frame && lo < v->nfindings && v->by_frame[lo]->frame == frame; lo++)
		if (v->by_frame[lo]->stream == s->id)
			return v->by_frame[lo];
	return NULL;
}

static const struct lint_finding *
finding_of(const struct view *v, const struct lint_stream *s, const struct lint_period *p)
{
	const struct lint_finding *f = finding_at(v, s, p->answered_frame);

	if (!f)
		f = finding_at(v, s, p->asked_frame);
	if (f)
		return f;
	return p->late ? v->late : p->refused ? v->refused : pic_period_silent(p) ? v->silent : NULL;
}

/* Equal findings are one: the first late answer that has one stands for the later ones, and so on. */
static void
know_kinds(struct view *v)
{
	for (size_t i = 0; i < v->session->nstreams; i++)
		for (size_t k = 0; k < v->session->streams[i].nperiods; k++) {
			const struct lint_stream *s = &v->session->streams[i];
			const struct lint_period *p = &s->periods[k];
			const struct lint_finding **of = p->late ? &v->late : p->refused ? &v->refused : pic_period_silent(p) ? &v->silent : NULL;

			if (of && !*of && !(*of = finding_at(v, s, p->answered_frame)))
				*of = finding_at(v, s, p->asked_frame);
		}
}

/* Findings and gaps of a session along the time, those close to each other under one mark. */
struct cluster { const struct lint_finding *first; enum lint_severity gravest; size_t n; bool used; };
static void
cluster(struct cluster *c, const struct view *v, unsigned session)
{
	const struct lint_report *r = v->page->report;

	for (size_t i = 0; i < r->nfindings; i++) {
		const struct lint_finding *f = &r->findings[i];
		size_t at = (size_t)(pic_at(&v->time, (double)f->at_ns) / 100 * MARKS);

		if (f->session != session || f->at_ns < v->from || f->at_ns > v->to)
			continue;
		at = at < MARKS ? at : MARKS - 1;
		if (c[at].n++ == 0 || f->rule->severity > c[at].gravest) {
			c[at].first = f;
			c[at].gravest = f->rule->severity;
		}
	}
}

static void
put_cluster(struct view *v, const struct cluster *c, int y, bool labelled)
{
	const struct lint_finding *f = c->first;
	struct page *p = v->page;
	double x;
	bool linked;

	if (!f)
		return;
	x = across(v, f->at_ns);
	linked = link_to(p, f);
	page_put(p, "<use href=\"#%s\" x=\"%.2f%%\" y=\"%d\"><title>F%zu, %s, ", mark_ids[c->gravest], x, y, (size_t)(f - p->report->findings) + 1,
	    lint_severity_word(c->gravest));
	put_exact(p, f->at_ns);
	page_put(p, ": ");
	page_text(p, f->text);
	if (c->n > 1)
		page_put(p, " (and %zu more hereabouts)", c->n - 1);
	page_put(p, "</title></use>");
	if (labelled) {
		page_put(p, "<text class=\"wide\" x=\"%.2f%%\" dx=\"%d\" y=\"%d\" text-anchor=\"%s\">F%zu", x, x > 92 ? -11 : 11, y + 4, x > 92 ? "end" : "start",
		    (size_t)(f - p->report->findings) + 1);
		if (c->n > 1)
			page_put(p, " +%zu", c->n - 1);
		page_put(p, "</text>");
	}
	if (linked)
		page_put(p, "</a>");
}

static void
gaps(struct view *v, const struct lint_session *s, int height)
{
	for (size_t i = 0; i < s->ngaps; i++) {
		double x = across(v, s->gap[i].at_ns);

		if (s->gap[i].at_ns < v->from || s->gap[i].at_ns > v->to)
			continue;
		page_put(v->page, "<line class=\"gap\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"0\" y2=\"%d\"><title>%llu octets are not in the capture, about frame %llu</title></line>",
		    x, x, height, (unsigned long long)s->gap[i].octets, (unsigned long long)s->gap[i].frame);
	}
}

static void
findings_lane(struct view *v)
{
	struct cluster c[MARKS];
	size_t any = 0;

	memset(c, 0, sizeof(c));
	cluster(c, v, v->session->number);
	for (size_t i = 0; i < MARKS; i++)
		any += c[i].n;
	if (!any && !v->session->ngaps)
		return;
	page_put(v->page, "<div class=\"lane\"><svg height=\"26\" aria-hidden=\"true\"><text x=\"0\" y=\"17\">findings</text></svg>");
	picture(v->page, 26);
	page_put(v->page, "When findings were made</title>");
	grid(v, 26);
	gaps(v, v->session, 26);
	for (size_t i = 0; i < MARKS; i++)
		put_cluster(v, &c[i], 13, true);
	page_put(v->page, "</svg></div>\n");
}

/* ---- crypto-periods ---- */

static double
down(const struct pic_axis *a, int64_t ns)
{
	return ANSWER_FOOT - (ANSWER_FOOT - ANSWER_TOP) * pic_at(a, (double)ns) / 100;
}

static void
put_mark(struct view *v, const struct lint_finding *f, const char *otherwise, double x, double y)
{
	page_put(v->page, "<use href=\"#%s\" x=\"%.2f%%\" y=\"%.1f\"/>", f ? mark_ids[f->rule->severity] : otherwise, x, y);
}

static void
period_title(struct view *v, const struct lint_period *p)
{
	char text[PIC_TEXT];

	page_put(v->page, "<title>CP %u: CW_provision ", p->cp);
	put_exact(v->page, p->asked_ns);
	page_put(v->page, ", frame %llu; ", (unsigned long long)p->asked_frame);
	if (p->refused)
		page_put(v->page, "refused, frame %llu", (unsigned long long)p->answered_frame);
	else if (p->latency_ns < 0)
		page_put(v->page, p->unwatched ? "not followed: too many requests at a time" : "no answer");
	else
		page_put(v->page, "ECM_response after %s%s, frame %llu", pic_span(p->latency_ns, text), p->late ? ", late" : "", (unsigned long long)p->answered_frame);
	page_put(v->page, "</title>");
}

static void
one_answer(struct view *v, const struct pic_axis *answers, const struct lint_stream *s, const struct lint_period *p)
{
	const struct lint_finding *f = finding_of(v, s, p);
	double x = across(v, p->asked_ns), y = p->latency_ns < 0 ? ANSWER_TOP : down(answers, p->latency_ns);
	bool bad = pic_period_bad(p), linked = link_to(v->page, f);

	page_put(v->page, "<g>");
	period_title(v, p);
	if (p->latency_ns >= 0)
		page_put(v->page, "<line class=\"stem\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%d\" y2=\"%.1f\"/>", x, x, ANSWER_FOOT, y);
	if (bad || f)
		put_mark(v, f, p->late ? "mw" : "mo", x, y);
	else if (!p->unwatched)
		page_put(v->page, "<circle class=\"dot\" cx=\"%.2f%%\" cy=\"%.1f\" r=\"3\"/>", x, y);
	page_put(v->page, "</g>%s", linked ? "</a>" : "");
}

/* Many answers in one place: from the fastest to the slowest, and what was wrong with any on top of it. */
static void
some_answers(struct view *v, const struct pic_axis *answers, const struct lint_stream *s, const struct pic_column *c, double x)
{
	char fast[PIC_TEXT], slow[PIC_TEXT];
	const struct lint_finding *f = c->late ? v->late : c->refused ? v->refused : c->silent ? v->silent : NULL;
	bool bad = c->late || c->refused || c->silent, linked = bad && link_to(v->page, f);

	page_put(v->page, "<g><title>%zu crypto-periods from CP %u on", c->n, s->periods[c->first].cp);
	if (c->fastest_ns >= 0)
		page_put(v->page, ": %s to %s", pic_span(c->fastest_ns, fast), pic_span(c->slowest_ns, slow));
	if (bad)
		page_put(v->page, "; %llu late, %llu refused, %llu without an answer", (unsigned long long)c->late, (unsigned long long)c->refused, (unsigned long long)c->silent);
	page_put(v->page, "</title>");
	if (c->fastest_ns >= 0)
		page_put(v->page, "<line class=\"range\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%.1f\" y2=\"%.1f\"/>", x, x, down(answers, c->fastest_ns) + 0.1, down(answers, c->slowest_ns));
	if (bad)
		put_mark(v, f, c->late ? "mw" : "mo", x, c->late ? down(answers, c->slowest_ns) : ANSWER_TOP);
	page_put(v->page, "</g>%s", linked ? "</a>" : "");
}

/* When a period lasts, as far as known; else from when its control words came until those of the next. */
static bool
lasts(const struct lint_stream *s, size_t k, int64_t *from, int64_t *to)
{
	const struct lint_period *p = &s->periods[k];
	int64_t duration = (int64_t)p->duration_100ms * 100000000;

	*from = p->start_ns ? p->start_ns : p->asked_ns;
	*to = p->start_ns && p->end_ns ? p->end_ns : 0;
	if (!*to && k + 1 < s->nperiods) {
		int64_t next = p->start_ns ? s->periods[k + 1].start_ns : s->periods[k + 1].asked_ns;

		*to = next > *from && (!duration || page_since(next, *from) < 3 * duration) ? next : 0;
	}
	if (!*to)
		*to = *from < INT64_MAX - duration ? *from + duration : *from;
	return p->start_ns != 0;
}

static void
box(struct view *v, const char *class, int64_t from, int64_t to, int y, int height)
{
	double x = across(v, from);

	if (to < v->from || from > v->to || to < from)
		return;
	page_put(v->page, "<rect class=\"%s\" x=\"%.2f%%\" width=\"%.2f%%\" y=\"%d\" height=\"%d\"/>", class, x, across(v, to) - x, y, height);
}

static void
one_period(struct view *v, const struct lint_stream *s, size_t k)
{
	int64_t from, to;
	bool known = lasts(s, k, &from, &to);

	page_put(v->page, "<g>");
	period_title(v, &s->periods[k]);
	box(v, known ? (k % 2 ? "cp2" : "cp1") : "guess", from, to, CP_TOP, CP_HIGH);
	page_put(v->page, "</g>");
}

/* Where it stands; nowhere, if that is too near to the last one, at `after`, or beyond the picture. */
static double
one_number(struct view *v, const struct lint_stream *s, size_t k, bool always, double after)
{
	int64_t from, to;
	double x;

	lasts(s, k, &from, &to);
	x = across(v, from);
	if (from < v->from || from >= v->to || (x >= after && x < after + APART))
		return after;
	page_put(v->page, "<text class=\"in%s\" x=\"%.2f%%\" dx=\"4\" y=\"%d\">%u</text>", always ? "" : " wide", x, CP_TOP + 13, s->periods[k].cp);
	return x;
}

static void
one_ecm(struct view *v, const struct lint_stream *s, size_t k)
{
	const struct lint_period *p = &s->periods[k];
	const struct lint_channel *c = &v->session->channel;
	int64_t from, to;

	if (lasts(s, k, &from, &to) && c->delay_start != INT32_MIN && c->delay_stop != INT32_MIN &&
	    !__builtin_add_overflow(from, (int64_t)c->delay_start * 1000000, &from) && !__builtin_add_overflow(to, (int64_t)c->delay_stop * 1000000, &to))
		box(v, "win", from, to, ECM_TOP, ECM_HIGH);
	if (p->air_first_ns && p->air_last_ns >= v->from && p->air_first_ns <= v->to)
		page_put(v->page, "<line class=\"air\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%d\" y2=\"%d\"><title>ECM of CP %u seen on air %llu times</title></line>",
		    across(v, p->air_first_ns), across(v, p->air_last_ns) + 0.15, ECM_TOP + 4 + (int)(k % 2), ECM_TOP + 4 + (int)(k % 2), p->cp,
		    (unsigned long long)p->air_repeats);
}

static void
all_periods(struct view *v, const struct lint_stream *s, size_t first, size_t n, const struct pic_axis *answers, bool ecm)
{
	size_t each = 1 + (n - 1) / NUMBERS;
	double x = -APART;

	for (size_t k = first; k < first + n; k++)
		one_period(v, s, k);
	for (size_t k = first; k < first + n; k += each)
		x = one_number(v, s, k, (k - first) % (each * NARROW) == 0, x);
	for (size_t k = first; ecm && k < first + n; k++)
		one_ecm(v, s, k);
	for (size_t k = first; k < first + n; k++)
		if (!pic_period_bad(&s->periods[k]))
			one_answer(v, answers, s, &s->periods[k]);
	for (size_t k = first; k < first + n; k++)	/* marks are not hidden by dots */
		if (pic_period_bad(&s->periods[k]))
			one_answer(v, answers, s, &s->periods[k]);
}

static double
column(size_t i)
{
	return 1 + 98 * (double)i / PIC_COLUMNS;
}

/* Thinned out: a column is the periods that began there; it is filled when they did at all. */
static void
some_periods(struct view *v, const struct lint_stream *s, const struct pic_column *c)
{
	enum { TENTH = PIC_COLUMNS / 10 };

	for (size_t i = 0; i < PIC_COLUMNS; i++)
		if (c[i].n)
			page_put(v->page, "<rect class=\"cp%zu\" x=\"%.2f%%\" width=\"%.2f%%\" y=\"%d\" height=\"%d\"/>", 1 + i / TENTH % 2, column(i), 98.2 / PIC_COLUMNS, CP_TOP, CP_HIGH);
	for (size_t i = 0; i < PIC_COLUMNS; i += TENTH)
		if (c[i].n)
			page_put(v->page, "<text class=\"in%s\" x=\"%.2f%%\" dx=\"3\" y=\"%d\">%u</text>", i / TENTH % 2 ? " wide" : "", column(i), CP_TOP + 13, s->periods[c[i].first].cp);
}

static void
few_columns(struct view *v, const struct lint_stream *s, const struct pic_axis *answers)
{
	struct pic_column c[PIC_COLUMNS];

	pic_columns(s->periods, s->nperiods, v->from, v->to, c, PIC_COLUMNS);
	some_periods(v, s, c);
	for (int bad = 0; bad < 2; bad++)	/* marks are not hidden by what is right */
		for (size_t i = 0; i < PIC_COLUMNS; i++)
			if (c[i].n && bad == (c[i].late || c[i].refused || c[i].silent))
				some_answers(v, answers, s, &c[i], (column(i) + column(i + 1)) / 2);
}

static struct pic_axis
answer_axis(const struct view *v, const struct lint_stream *s)
{
	double limit = v->session->channel.max_comp_time > 0 ? (double)v->session->channel.max_comp_time * 1e6 : 0, lo = limit, hi = limit;

	for (size_t k = 0; k < s->nperiods; k++) {
		double took = (double)s->periods[k].latency_ns;

		if (took > 0 && (lo == 0 || took < lo))
			lo = took;
		if (took > hi)
			hi = took;
	}
	return pic_log_axis(lo > 1000 ? lo : 1000, hi > 1000 ? hi : 1e6);	/* less than a µs is not measured */
}

static void
lane_gutter(struct view *v, const struct pic_axis *a, int height, bool ecm)
{
	char hi[PIC_TEXT], lo[PIC_TEXT];

	page_put(v->page, "<svg height=\"%d\" aria-hidden=\"true\"><text x=\"0\" y=\"%d\">%s</text><text class=\"in\" x=\"0\" y=\"%d\">answer</text><text x=\"0\" y=\"%d\">%s</text>"
	    "<text class=\"in\" x=\"0\" y=\"%d\">CP</text>", height, ANSWER_TOP + 4, pic_span((int64_t)(a->hi + 0.5), hi), (ANSWER_TOP + ANSWER_FOOT) / 2 + 4, ANSWER_FOOT,
	    pic_span((int64_t)(a->lo + 0.5), lo), CP_TOP + 13);
	if (ecm)
		page_put(v->page, "<text class=\"in\" x=\"0\" y=\"%d\">ECM</text>", ECM_TOP + 9);
	page_put(v->page, "</svg>");
}

static void
limit_line(struct view *v, const struct pic_axis *a)
{
	int limit = v->session->channel.max_comp_time;
	double y = down(a, (int64_t)limit * 1000000);

	if (limit > 0)
		page_put(v->page, "<line class=\"limit\" x1=\"0\" x2=\"100%%\" y1=\"%.1f\" y2=\"%.1f\"><title>max_comp_time %d ms</title></line>", y, y, limit);
}

static void
limit_text(struct view *v, const struct pic_axis *a)
{
	int limit = v->session->channel.max_comp_time;
	double y = down(a, (int64_t)limit * 1000000);

	if (limit > 0)
		page_put(v->page, "<text class=\"limitt wide\" x=\"100%%\" y=\"%.1f\" text-anchor=\"end\">max_comp_time %d ms</text>", y < 20 ? y + 12 : y - 4, limit);
}

static void
put_stream(struct page *p, const struct lint_stream *s)
{
	if (s->id >= 0)
		page_put(p, "Stream %lld", (long long)s->id);
	else
		page_put(p, "Stream");
	if (s->ecm_id >= 0)
		page_put(p, ", ECM_id %lld", (long long)s->ecm_id);
}

/* first, n: the periods to show, when they are few enough to be shown each. */
static void
stream_lane(struct view *v, const struct lint_stream *s, size_t first, size_t n, bool thin)
{
	struct pic_axis answers = answer_axis(v, s);
	struct page *p = v->page;
	bool ecm = false;
	uint64_t bad = 0;
	int height;

	for (size_t k = first; k < first + n; k++) {
		ecm = ecm || (!thin && (s->periods[k].air_first_ns || (s->periods[k].start_ns && v->session->channel.delay_start != INT32_MIN)));
		bad += pic_period_bad(&s->periods[k]);
	}
	height = ecm ? ECM_TOP + ECM_HIGH + 3 : CP_TOP + CP_HIGH + 3;
	lane_gutter(v, &answers, height, ecm);
	picture(p, height);
	put_stream(p, s);
	page_put(p, ": %zu crypto-periods, %llu of them late, refused or unanswered</title>", n, (unsigned long long)bad);
	grid(v, height);
	gaps(v, v->session, height);
	page_put(p, "<line class=\"base\" x1=\"0\" x2=\"100%%\" y1=\"%d.5\" y2=\"%d.5\"/>", ANSWER_FOOT, ANSWER_FOOT);
	limit_line(v, &answers);
	if (thin)
		few_columns(v, s, &answers);
	else
		all_periods(v, s, first, n, &answers, ecm);
	limit_text(v, &answers);
	page_put(p, "</svg>");
}

static void
stream_heading(struct page *p, const struct lint_stream *s)
{
	char text[PIC_TEXT];

	page_put(p, "<h4>");
	put_stream(p, s);
	page_put(p, " <span>");
	if (s->nominal_100ms)
		page_put(p, "nominal_CP_duration %s, ", pic_span((int64_t)s->nominal_100ms * 100000000, text));
	page_count(p, s->nperiods + s->more_periods, "crypto-period", "crypto-periods");
	if (s->more_periods) {
		page_put(p, ", the first ");
		page_number(p, s->nperiods);
		page_put(p, " of them here");
	}
	page_put(p, "</span></h4>");
}

static void
close_ups(struct view *whole, const struct lint_stream *s)
{
	struct pic_stretch at[STRETCHES];
	size_t n = pic_stretches(s->periods, s->nperiods, STRETCH, at, STRETCHES - whole->close_ups);
	struct page *p = whole->page;

	for (size_t i = 0; i < n; i++) {
		struct view v = *whole;
		int64_t from, to, begin, end;

		lasts(s, at[i].first, &from, &to);
		begin = s->periods[at[i].first].asked_ns < from ? s->periods[at[i].first].asked_ns : from;
		lasts(s, at[i].first + at[i].n - 1, &from, &end);
		view_range(&v, begin, end);
		page_put(p, "<div class=\"lane\"><h4>Close-up <span>CP %u to %u of stream %lld</span></h4>", s->periods[at[i].first].cp, s->periods[at[i].first + at[i].n - 1].cp,
		    (long long)s->id);
		whole->close_ups++;
		stream_lane(&v, s, at[i].first, at[i].n, false);
		page_put(p, "</div>\n");
		axis(&v);
	}
}

/* ---- streams of data ---- */

static void
life_lane(struct view *v, const struct lint_stream *s)
{
	int64_t from = s->opened_ns ? s->opened_ns : v->session->first_ns, to = s->closed_ns ? s->closed_ns : v->session->last_ns;
	struct page *p = v->page;

	page_put(p, "<svg height=\"20\" aria-hidden=\"true\"><text class=\"in\" x=\"0\" y=\"14\">open</text></svg>");
	picture(p, 20);
	page_put(p, "When the stream was open</title>");
	grid(v, 20);
	box(v, "life", from, to, 3, 14);
	page_put(p, "</svg>");
}

static void
data_heading(struct page *p, const struct lint_stream *s)
{
	page_put(p, "<h4>");
	if (s->id >= 0)
		page_put(p, "Stream %lld", (long long)s->id);
	else
		page_put(p, "Data over UDP");
	if (s->ecm_id >= 0)
		page_put(p, ", data_id %lld", (long long)s->ecm_id);
	page_put(p, " <span>");
	if (s->data_messages) {
		page_count(p, s->data_messages, "data_provision", "data_provisions");
		page_put(p, ", ");
		page_count(p, s->data_bytes, "octet", "octets");
	}
	page_put(p, "</span></h4>");
}

/* ---- a session ---- */

static uint64_t
bad_periods(const struct lint_stream *s)
{
	uint64_t bad = 0;

	for (size_t k = 0; k < s->nperiods; k++)
		bad += pic_period_bad(&s->periods[k]);
	return bad;
}

/* The streams that are drawn: as they come, and where there are more than that, those with something to see first. */
static size_t
choose(const struct lint_session *s, size_t out[PAGE_STREAMS])
{
	size_t n = 0;

	for (int bad = 1; bad >= 0; bad--)
		for (size_t i = 0; i < s->nstreams && n < PAGE_STREAMS; i++)
			if (s->nstreams <= PAGE_STREAMS ? bad : bad == (bad_periods(&s->streams[i]) > 0))
				out[n++] = i;
	return n;
}

static void
session_range(struct view *v)
{
	const struct lint_session *s = v->session;
	int64_t from = s->first_ns, to = s->last_ns, span = page_since(to, from);

	/* Periods reach beyond the connection, but not so far that it would not be seen. */
	for (size_t i = 0; i < s->nstreams; i++) {
		const struct lint_stream *st = &s->streams[i];
		int64_t begin, end;

		if (st->nperiods == 0)
			continue;
		lasts(st, st->nperiods - 1, &begin, &end);
		if (end > to && page_since(end, s->last_ns) < span / 2)
			to = end;
		lasts(st, 0, &begin, &end);
		if (begin < from && page_since(s->first_ns, begin) < span / 2)
			from = begin;
	}
	view_range(v, from, to);
}

/* What the marks mean; those that the session has. */
static void
legend(struct page *p, const struct lint_session *s)
{
	enum { ALWAYS, LATE, BAD, LIMIT, KNOWN, GUESS, ECM, KINDS };
	static const struct { int when; const char *picture, *says; } items[] = {
		{ ALWAYS, "<circle class=\"dot\" cx=\"11\" cy=\"6\" r=\"3\"/>", "answer to CW_provision" },
		{ LATE, "<use href=\"#mw\" transform=\"translate(11 6) scale(.8)\"/>", "late" },
		{ BAD, "<use href=\"#mo\" transform=\"translate(11 6)\"/>", "refused or no answer" },
		{ LIMIT, "<line class=\"limit\" x1=\"0\" x2=\"22\" y1=\"6\" y2=\"6\"/>", "max_comp_time" },
		{ KNOWN, "<rect class=\"cp1\" width=\"11\" height=\"12\"/><rect class=\"cp2\" x=\"11\" width=\"11\" height=\"12\"/>", "crypto-period on air" },
		{ GUESS, "<rect class=\"guess\" x=\"1\" y=\"1\" width=\"20\" height=\"10\"/>", "crypto-period from its CW_provision on: the capture does not say when it was on air" },
		{ ECM, "<rect class=\"win\" width=\"22\" height=\"12\"/><line class=\"air\" x1=\"2\" x2=\"20\" y1=\"6\" y2=\"6\"/>", "ECM: its window, and seen on air" },
	};
	bool has[KINDS] = { [ALWAYS] = true, [LIMIT] = s->channel.max_comp_time > 0 };

	for (size_t i = 0; i < s->nstreams; i++)
		for (size_t k = 0; k < s->streams[i].nperiods; k++) {
			const struct lint_period *c = &s->streams[i].periods[k];

			has[LATE] |= c->late;
			has[BAD] |= c->refused || pic_period_silent(c);
			has[c->start_ns ? KNOWN : GUESS] = true;
			has[ECM] |= c->air_first_ns != 0 || (c->start_ns && s->channel.delay_start != INT32_MIN);
		}
	page_put(p, "<ul class=\"legend\">");
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		if (has[items[i].when])
			page_put(p, "<li><svg aria-hidden=\"true\">%s</svg>%s</li>", items[i].picture, items[i].says);
	page_put(p, "</ul>\n");
}

static bool
data_session(const struct lint_session *s)
{
	return strncmp(s->iface->name, "EMMG", 4) == 0;
}

static void
one_stream(struct view *v, const struct lint_stream *s)
{
	struct page *p = v->page;
	bool data = data_session(v->session);

	page_put(p, "<div class=\"lane\">");
	(data ? data_heading : stream_heading)(p, s);
	if (s->nperiods == 0)
		life_lane(v, s);
	else
		stream_lane(v, s, 0, s->nperiods, s->nperiods > DETAIL);
	page_put(p, "</div>\n");
	if (s->nperiods > DETAIL) {
		axis(v);
		close_ups(v, s);
	}
}

void
lint_svg_session(struct page *p, const struct lint_session *s)
{
	struct view v = { .page = p, .session = s };
	size_t chosen[PAGE_STREAMS], n = choose(s, chosen), drawn = 0;
	const struct lint_report *r = p->report;
	bool periods = false;

	v.by_frame = malloc((r->nfindings ? r->nfindings : 1) * sizeof(const struct lint_finding *));
	if (!v.by_frame)
		return;
	for (size_t i = 0; i < r->nfindings; i++)
		if (r->findings[i].session == s->number)
			v.by_frame[v.nfindings++] = &r->findings[i];
	qsort(v.by_frame, v.nfindings, sizeof(const struct lint_finding *), by_frame);
	know_kinds(&v);
	session_range(&v);
	for (size_t i = 0; i < n; i++)
		periods = periods || s->streams[chosen[i]].nperiods;
	page_put(p, "<figure>");
	if (periods)
		legend(p, s);
	findings_lane(&v);
	for (; drawn < n && p->octets < PAGE_PICTURES; drawn++)
		one_stream(&v, &s->streams[chosen[drawn]]);
	if (drawn == 0 || s->streams[chosen[drawn - 1]].nperiods <= DETAIL)
		axis(&v);
	page_put(p, "<figcaption>Time from the beginning of the capture on.");
	if (s->nstreams + s->more_streams > drawn) {
		page_put(p, " ");
		page_count(p, s->nstreams + s->more_streams - drawn, "further stream is", "further streams are");
		page_put(p, " not drawn.");
	}
	page_put(p, "</figcaption></figure>\n");
	free(v.by_frame);
}

/* ---- all sessions ---- */

void
lint_svg_sessions(struct page *p)
{
	const struct lint_report *r = p->report;
	struct view v = { .page = p };
	size_t n = r->nsessions < LANES ? r->nsessions : LANES;

	view_range(&v, r->first_ns, r->last_ns);
	page_put(p, "<figure>");
	for (size_t i = 0; i < n; i++) {
		const struct lint_session *s = r->sessions[i];
		struct cluster c[MARKS];

		memset(c, 0, sizeof(c));
		cluster(c, &v, s->number);
		page_put(p, "<div class=\"lane\"><svg height=\"20\"><a href=\"#s%u\"><text x=\"0\" y=\"14\">#%u</text></a></svg>", s->number, s->number);
		picture(p, 20);
		page_put(p, "Session %u, ", s->number);
		page_count(p, s->messages, "message", "messages");
		page_put(p, "</title>");
		grid(&v, 20);
		box(&v, "life", s->first_ns, s->last_ns, 5, 10);
		page_put(p, "<line class=\"base\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"5\" y2=\"15\"/>", across(&v, s->first_ns), across(&v, s->first_ns));
		gaps(&v, s, 20);
		for (size_t k = 0; k < MARKS; k++)
			put_cluster(&v, &c[k], 10, false);
		page_put(p, "</svg></div>\n");
	}
	axis(&v);
	page_put(p, "<figcaption>When the sessions were alive, and what was found in them.");
	if (n < r->nsessions + r->more_sessions) {
		page_put(p, " ");
		page_count(p, r->nsessions + r->more_sessions - n, "further session is", "further sessions are");
		page_put(p, " not drawn.");
	}
	page_put(p, "</figcaption></figure>\n");
}

/* ---- how long answers took ---- */

enum { FLAG = 13, BARS_TOP = 74, BARS_FOOT = 158, HIST_HIGH = 178 };

static void
flag(struct page *p, const struct pic_axis *a, const char *name, int64_t ns, int row, const char *line, const char *text)
{
	double x = 1 + 0.98 * pic_at(a, (double)ns);
	bool left = x > 62;
	char span[PIC_TEXT];

	page_put(p, "<line class=\"%s\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%d\" y2=\"%d\"/>", line, x, x, row * FLAG + 2, BARS_FOOT);
	page_put(p, "<text class=\"%s\" x=\"%.2f%%\" dx=\"%d\" y=\"%d\" text-anchor=\"%s\">%s %s</text>", text, x, left ? -4 : 4, row * FLAG + 11, left ? "end" : "start", name,
	    pic_span(ns, span));
}

static void
hist_axis(struct page *p, const struct pic_axis *a)
{
	double at[PIC_TICKS];
	size_t n = pic_ticks(a, at);

	page_put(p, "<line class=\"base\" x1=\"0\" x2=\"100%%\" y1=\"%d.5\" y2=\"%d.5\"/>", BARS_FOOT, BARS_FOOT);
	for (size_t i = 0; i < n; i++) {
		double x = 1 + 0.98 * pic_at(a, at[i]);
		char text[PIC_TEXT];

		page_put(p, "<line class=\"base\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%d\" y2=\"%d\"/>", x, x, BARS_FOOT, BARS_FOOT + 4);
		if (n <= 10 || i % 2 == 0)
			page_put(p, "<text%s x=\"%.2f%%\" y=\"%d\" text-anchor=\"%s\">%s</text>", n > 5 && i % (n > 10 ? 4 : 2) ? " class=\"wide\"" : "", x, BARS_FOOT + 17,
			    x > 97 ? "end" : "middle", pic_span((int64_t)(at[i] + 0.5), text));
	}
}

void
lint_svg_latency(struct page *p, const struct lint_session *s, const struct lint_latency *l)
{
	static const struct { double share; const char *name; } marks[] = { { 0.5, "p50" }, { 0.99, "p99" }, { 0.999, "p99.9" } };
	enum { MARKED = sizeof(marks) / sizeof(marks[0]) };
	int64_t least = l->limit_ns && l->limit_ns < l->min_ns ? l->limit_ns : l->min_ns;
	double lo = (double)(least > 1000 ? least : 1000), hi = (double)(l->max_ns > l->limit_ns ? l->max_ns : l->limit_ns);
	struct pic_axis a = pic_log_axis(lo, hi);
	uint64_t bars[PIC_BARS], most = pic_bars(l->hist, &a, bars);
	char name[PIC_TEXT];

	page_put(p, "<figure><h3>");
	page_text(p, l->request);
	page_put(p, " to ");
	page_text(p, l->answer);
	page_put(p, "</h3><div class=\"lane\"><svg height=\"%d\" aria-hidden=\"true\"><text x=\"0\" y=\"%d\">", HIST_HIGH, BARS_TOP + 8);
	page_number(p, most);
	page_put(p, "</text><text class=\"in\" x=\"0\" y=\"%d\">answers</text><text x=\"0\" y=\"%d\">0</text></svg>", (BARS_TOP + BARS_FOOT) / 2 + 4, BARS_FOOT);
	picture(p, HIST_HIGH);
	page_put(p, "How long ");
	page_count(p, l->n, "answer", "answers");
	page_put(p, " took in session %u: median %s</title>", s->number, pic_span(hist_quantile(l->hist, 0.5), name));
	for (size_t k = 0; k < PIC_BARS; k++) {
		double high = most ? (double)bars[k] / (double)most * (BARS_FOOT - BARS_TOP) : 0;

		if (bars[k] == 0)
			continue;
		high = high < 2 ? 2 : high;	/* the one slow answer among a million is what is looked for */
		page_put(p, "<rect class=\"bar\" x=\"%.2f%%\" width=\"%.2f%%\" y=\"%.1f\" height=\"%.1f\"><title>%llu</title></rect>", 1 + 98.0 * (double)k / PIC_BARS,
		    98.0 / PIC_BARS - 0.2, BARS_FOOT - high, high, (unsigned long long)bars[k]);
	}
	hist_axis(p, &a);
	for (size_t k = 0; k < MARKED; k++)
		flag(p, &a, marks[k].name, hist_quantile(l->hist, marks[k].share), (int)k, "q", "qt");
	flag(p, &a, "max", l->max_ns, MARKED, "q", "qt");
	if (l->limit_ns)
		flag(p, &a, strcmp(l->request, "CW_provision") == 0 ? "max_comp_time" : "limit", l->limit_ns, MARKED + 1, "limit", "limitt");
	page_put(p, "</svg></div><figcaption>");
	page_count(p, l->n, "answer", "answers");
	if (l->late) {
		page_put(p, ", ");
		page_number(p, l->late);
		page_put(p, " late");
	}
	if (l->unanswered) {
		page_put(p, ", ");
		page_count(p, l->unanswered, "request", "requests");
		page_put(p, " without one");
	}
	page_put(p, ". Time on a logarithmic axis.</figcaption></figure>\n");
}
