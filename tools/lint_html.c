/*
 * tools/lint_html.c: a report as one page that needs nothing else: no script, no other file, no host. Its mark-up is XML as well, so that every
 * parser reads it the same way; a policy in it forbids whatever could be fetched or run, should anything ever get past page_text.
 */
#include "config.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tools/lint_page.h"
#include "tools/lint_pic.h"

enum { ROWS = 64, FEW = 8 };

/* ---- writing ---- */

void
page_put(struct page *p, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (p->failed)
		return;
	va_start(ap, fmt);
	n = vfprintf(p->file, fmt, ap);
	va_end(ap);
	if (n < 0)
		p->failed = true;
	else
		p->octets += (uint64_t)n;
}

static void
put_octets(struct page *p, const char *s, size_t n)
{
	if (!p->failed && fwrite(s, 1, n, p->file) != n)
		p->failed = true;
	p->octets += n;
}

/* What stands for a character in the page. */
static const char *
escaped(const char *c, size_t *len)
{
	static const struct { char is; const char *entity; } marked[] = { { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" }, { '\'', "&#39;" } };

	for (size_t i = 0; *len == 1 && i < sizeof(marked) / sizeof(marked[0]); i++)
		if (*c == marked[i].is)
			return *len = strlen(marked[i].entity), marked[i].entity;
	return c;
}

void
page_text(struct page *p, const char *s)
{
	char out[PAGE_TEXT * 6];	/* &quot; */
	size_t used = 0, len, n;

	for (n = 0; *s && n < PAGE_TEXT; n++, s += len) {
		const char *c = pic_character(s, &len);
		size_t size = c == s ? len : strlen(c);

		c = escaped(c, &size);
		memcpy(out + used, c, size);
		used += size;
	}
	put_octets(p, out, used);
	if (*s)
		page_put(p, "\u2026");
}

void
page_number(struct page *p, uint64_t n)
{
	char s[24];
	int len = snprintf(s, sizeof(s), "%" PRIu64, n);

	for (int i = 0; i < len; i++)
		page_put(p, "%s%c", i && len > 4 && (len - i) % 3 == 0 ? "\u202f" : "", s[i]);
}

void
page_count(struct page *p, uint64_t n, const char *one, const char *many)
{
	page_number(p, n);
	page_put(p, " %s", n == 1 ? one : many);
}

int64_t
page_since(int64_t a, int64_t b)
{
	int64_t d;

	return __builtin_sub_overflow(a, b, &d) ? (a < b ? INT64_MIN : INT64_MAX) : d;
}

void
page_mark(struct page *p, enum lint_severity s)
{
	static const char *const ids[LINT_SEVERITIES] = { [LINT_NOTICE] = "mn", [LINT_WARNING] = "mw", [LINT_ERROR] = "me" };

	page_put(p, "<svg viewBox=\"-8 -8 16 16\" aria-hidden=\"true\"><use href=\"#%s\"/></svg>", ids[s]);
}

static void
severity(struct page *p, enum lint_severity s)
{
	page_put(p, "<span class=\"sev s%d\">", (int)s);
	page_mark(p, s);
	page_put(p, "%s</span>", lint_severity_word(s));
}

/* "2026-03-01 12:00:00.250 UTC". */
static void
put_date(struct page *p, int64_t at_ns)
{
	time_t t = (time_t)(at_ns / 1000000000 - (at_ns % 1000000000 < 0));
	struct tm tm;
	char s[64];

	if (!gmtime_r(&t, &tm) || strftime(s, sizeof(s), "%Y-%m-%d %H:%M:%S", &tm) == 0)
		return;
	page_put(p, "%s.%03d UTC", s, (int)((at_ns % 1000000000 + 1000000000) % 1000000000 / 1000000));
}

static void
fact(struct page *p, const char *name)
{
	page_put(p, "<div><dt>%s</dt><dd>", name);
}

static void
end_fact(struct page *p)
{
	page_put(p, "</dd></div>");
}

static void
fact_number(struct page *p, const char *name, int64_t v, const char *unit)
{
	if (v < 0)
		return;
	fact(p, name);
	page_number(p, (uint64_t)v);
	page_put(p, "%s", unit);
	end_fact(p);
}

static void
head_cells(struct page *p, const char *const *names, size_t n)
{
	page_put(p, "<thead><tr>");
	for (size_t i = 0; i < n; i++)
		page_put(p, "<th scope=\"col\"%s>%s</th>", names[i][0] == '#' ? " class=\"n\"" : "", names[i] + (names[i][0] == '#'));
	page_put(p, "</tr></thead><tbody>\n");
}
#define HEAD(p, ...) head_cells((p), (const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

/* What there is of a session in pages and rows. */
static size_t
number_of(const struct page *p, const struct lint_finding *f)
{
	return (size_t)(f - p->report->findings) + 1;
}

static void
put_side(struct page *p, const struct lint_session *s, enum lint_side side)
{
	if (side == LINT_EITHER || !s)
		return;
	page_text(p, lint_side_word(s->iface, side));
}

/* "ECMG<=>SCS", as the standard prints it. */
static void
put_interface(struct page *p, const char *name)
{
	const char *mid = strstr(name, "<=>");

	if (mid)
		page_put(p, "%.*s\u21d4%s", (int)(mid - name), name, mid + 3);
	else
		page_text(p, name);
}

/* ---- the verdict ---- */

/* Whoever broke the standard: its address if it was one in one session, its role if all of one role did. */
static void
culprit(struct page *p)
{
	const struct lint_finding *first = NULL;
	const struct lint_report *r = p->report;
	const struct lint_session *s = NULL;
	bool one = true;

	for (size_t i = 0; i < r->nfindings; i++) {
		const struct lint_finding *f = &r->findings[i];
		const struct lint_session *of = f->rule->severity == LINT_ERROR ? lint_session(r, f->session) : NULL;

		if (f->rule->severity != LINT_ERROR)
			continue;
		if (!of || f->side == LINT_EITHER || (first && (of->iface != s->iface || f->side != first->side)))
			return;
		one = one && (!first || of == s);
		first = first ? first : f;
		s = s ? s : of;
	}
	if (!first || r->more_findings)
		return;
	page_put(p, " by the ");
	page_text(p, lint_side_word(s->iface, first->side));
	if (!one)
		return;
	page_put(p, " ");
	page_text(p, first->side == LINT_CLIENT ? s->client : s->server);
}

static void
verdict(struct page *p)
{
	static const char *const says[LINT_SEVERITIES] = { "Nobody broke the standard; there is something to know", "Nobody broke the standard for sure; look at the warnings", "The standard is broken" };
	static const char *const words[LINT_SEVERITIES][2] = { { "notice", "notices" }, { "warning", "warnings" }, { "error", "errors" } };
	const struct lint_report *r = p->report;
	int worst = LINT_ERROR;
	const char *comma = "";

	while (worst >= 0 && r->found[worst] == 0)
		worst--;
	page_put(p, "<div class=\"verdict%s%c\">", worst < 0 ? "" : " v", worst < 0 ? ' ' : '0' + worst);
	if (worst < 0 && r->messages == 0)
		page_put(p, "<div><strong>Nothing to judge: no SimulCrypt message in it</strong>");
	else if (worst < 0)
		page_put(p, "<svg viewBox=\"-8 -8 16 16\" aria-hidden=\"true\"><use href=\"#mk\"/></svg><div><strong>No finding: what was seen keeps to the standard</strong>");
	else {
		page_mark(p, (enum lint_severity)worst);
		page_put(p, "<div><strong>%s", says[worst]);
		if (worst == LINT_ERROR)
			culprit(p);
		page_put(p, "</strong>");
	}
	page_put(p, "<p>");
	for (int s = LINT_ERROR; s >= 0; s--) {
		if (r->found[s] == 0)
			continue;
		page_put(p, "%s", comma);
		page_count(p, r->found[s], words[s][0], words[s][1]);
		comma = ", ";
	}
	page_put(p, "%s", worst < 0 ? "" : " in ");
	page_count(p, r->messages, "message", "messages");
	page_put(p, " of ");
	page_count(p, r->nsessions + r->more_sessions, "session", "sessions");
	page_put(p, ".</p>");
	if (r->broken[0]) {
		page_put(p, "<p>The capture could not be read to its end: ");
		page_text(p, r->broken);
		page_put(p, ".</p>");
	} else if (!r->whole) {
		page_put(p, "<p>It was stopped before the end of the capture.</p>");
	}
	page_put(p, "</div></div>\n");
}

static void
facts(struct page *p)
{
	const struct lint_report *r = p->report;
	char text[PIC_TEXT];

	page_put(p, "<dl>");
	if (r->counts.frames) {
		page_put(p, "<div class=\"two\"><dt>Begins</dt><dd>");
		put_date(p, r->first_ns);
		end_fact(p);
		fact(p, "Lasts");
		page_put(p, "%s", pic_span(page_since(r->last_ns, r->first_ns), text));
		end_fact(p);
	}
	fact(p, "Frames");
	page_number(p, r->counts.frames);
	page_put(p, " <span class=\"soft small\">(");
	page_number(p, r->counts.tcp);
	page_put(p, " TCP, ");
	page_number(p, r->counts.udp);
	page_put(p, " UDP)</span>");
	end_fact(p);
	fact_number(p, "Messages", (int64_t)r->messages, "");
	fact_number(p, "Broken frames", r->counts.broken ? (int64_t)r->counts.broken : -1, "");
	fact_number(p, "Frames cut by the capture", r->counts.cut ? (int64_t)r->counts.cut : -1, "");
	page_put(p, "</dl>\n");
}

/* ---- what was found, by rule ---- */

struct broken { const struct lint_rule *rule; uint64_t n; const struct lint_finding *first; };

static int
gravest_first(const void *a, const void *b)
{
	const struct broken *x = a, *y = b;

	if (x->rule->severity != y->rule->severity)
		return x->rule->severity > y->rule->severity ? -1 : 1;
	return x->n != y->n ? (x->n > y->n ? -1 : 1) : strcmp(x->rule->id, y->rule->id);
}

static const struct lint_finding *
first_of(const struct page *p, const struct lint_rule *rule)
{
	const struct lint_report *r = p->report;

	for (size_t i = 0; i < r->nfindings; i++)
		if (r->findings[i].rule == rule)
			return &r->findings[i];
	return NULL;
}

static void
rule_row(struct page *p, const struct broken *b)
{
	page_put(p, "<tr><td data-l=\"Severity\">");
	severity(p, b->rule->severity);
	page_put(p, "</td><th scope=\"row\" data-l=\"Rule\"><code>");
	page_text(p, b->rule->id);
	page_put(p, "</code><span class=\"says\">");
	page_text(p, b->rule->says);
	page_put(p, ".</span></th><td class=\"nw\" data-l=\"Who\">");
	if (b->first)
		put_side(p, lint_session(p->report, b->first->session), b->first->side);
	page_put(p, "</td><td class=\"n\" data-l=\"Times\">");
	page_number(p, b->n);
	page_put(p, "</td><td data-l=\"First\">");
	if (b->first && p->kept[b->first - p->report->findings])
		page_put(p, "<a href=\"#f%zu\">F%zu</a>", number_of(p, b->first), number_of(p, b->first));
	page_put(p, "</td><td data-l=\"Clause\">");
	if (b->first)
		page_text(p, b->first->clause);
	page_put(p, "</td></tr>\n");
}

static void
by_rule(struct page *p)
{
	const struct lint_report *r = p->report;
	struct broken b[sizeof(r->of_rule) / sizeof(r->of_rule[0])];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(r->of_rule) / sizeof(r->of_rule[0]) && lint_rule(i); i++)
		if (r->of_rule[i])
			b[n++] = (struct broken){ lint_rule(i), r->of_rule[i], first_of(p, lint_rule(i)) };
	if (n == 0)
		return;
	qsort(b, n, sizeof(b[0]), gravest_first);
	page_put(p, "<h2 id=\"rules\">Rules that were broken</h2>\n<table class=\"rows\">");
	HEAD(p, "Severity", "Rule", "Who", "#Times", "First", "Clause");
	for (size_t i = 0; i < n; i++)
		rule_row(p, &b[i]);
	page_put(p, "</tbody></table>\n");
}

/* ---- all sessions ---- */

/* Findings of one side of a session, by severity. */
static void
found_by(const struct lint_report *r, unsigned session, enum lint_side side, uint64_t n[LINT_SEVERITIES])
{
	memset(n, 0, LINT_SEVERITIES * sizeof(n[0]));
	for (size_t i = 0; i < r->nfindings; i++)
		if (r->findings[i].session == session && r->findings[i].side == side)
			n[r->findings[i].rule->severity] += r->findings[i].count;
}

static void
blame(struct page *p, const uint64_t n[LINT_SEVERITIES])
{
	for (int s = LINT_ERROR; s >= 0; s--) {
		if (n[s] == 0)
			continue;
		page_put(p, " <span class=\"sev s%d\">", s);
		page_mark(p, (enum lint_severity)s);
		page_count(p, n[s], lint_severity_word((enum lint_severity)s), lint_severity_word((enum lint_severity)s));
		page_put(p, "%s</span>", n[s] == 1 ? "" : "s");
	}
}

static void
end_cell(struct page *p, const struct lint_session *s, enum lint_side side)
{
	uint64_t n[LINT_SEVERITIES];

	page_put(p, "<td data-l=\"%s\">", side == LINT_CLIENT ? "Client" : "Server");
	page_text(p, lint_side_word(s->iface, side));
	page_put(p, " <span class=\"mono\">");
	page_text(p, side == LINT_CLIENT ? s->client : s->server);
	page_put(p, "</span>");
	found_by(p->report, s->number, side, n);
	blame(p, n);
	page_put(p, "</td>");
}

static uint64_t
periods_of(const struct lint_session *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->nstreams; i++)
		n += s->streams[i].nperiods + s->streams[i].more_periods;
	return n;
}

static void
session_row(struct page *p, const struct lint_session *s, bool detailed)
{
	page_put(p, "<tr><th scope=\"row\" data-l=\"Session\">");
	if (detailed)
		page_put(p, "<a href=\"#s%u\">#%u</a>", s->number, s->number);
	else
		page_put(p, "#%u", s->number);
	page_put(p, "</th>");
	end_cell(p, s, LINT_CLIENT);
	end_cell(p, s, LINT_SERVER);
	page_put(p, "<td data-l=\"Over\">%s, v%u</td><td class=\"n\" data-l=\"Messages\">", s->udp ? "UDP" : "TCP", s->version);
	page_number(p, s->messages);
	page_put(p, "</td><td class=\"n\" data-l=\"CPs\">");
	page_number(p, periods_of(s));
	page_put(p, "</td></tr>\n");
}

static void
sessions(struct page *p, const bool *detailed)
{
	const struct lint_report *r = p->report;
	size_t n = r->nsessions < PAGE_SESSIONS ? r->nsessions : PAGE_SESSIONS;

	if (n == 0)
		return;
	page_put(p, "<h2 id=\"sessions\">Sessions</h2>\n");
	if (r->nsessions > 1)
		lint_svg_sessions(p);
	page_put(p, "<table class=\"rows\">");
	HEAD(p, "Session", "Client", "Server", "Over", "#Messages", "#CPs");
	for (size_t i = 0; i < n; i++)
		session_row(p, r->sessions[i], detailed[i]);
	page_put(p, "</tbody></table>\n");
	if (n < r->nsessions + r->more_sessions) {
		page_put(p, "<p class=\"soft\">");
		page_count(p, r->nsessions + r->more_sessions - n, "further session is", "further sessions are");
		page_put(p, " left out here, to keep the page short; simulgate lint --json has all that were kept.</p>\n");
	}
}

/* ---- one session ---- */

static void
fact_delay(struct page *p, const char *name, int32_t v)
{
	if (v == INT32_MIN)
		return;
	fact(p, name);
	page_put(p, "%d ms", v);
	end_fact(p);
}

static void
channel_facts(struct page *p, const struct lint_session *s)
{
	const struct lint_channel *c = &s->channel;
	bool data = strncmp(s->iface->name, "EMMG", 4) == 0;
	char text[PIC_TEXT];

	fact_number(p, data ? "data_channel_id" : "channel_id", c->id, "");
	if (c->super_cas_id >= 0) {
		fact(p, data ? "client_id" : "Super_CAS_id");
		page_put(p, "<span class=\"mono\">0x%08" PRIx64 "</span>", (uint64_t)c->super_cas_id);
		end_fact(p);
	}
	fact_number(p, "section_TSpkt_flag", c->section_TSpkt_flag, "");
	fact_number(p, "lead_CW", c->lead_CW, "");
	fact_number(p, "CW_per_msg", c->CW_per_msg, "");
	fact_number(p, "max_comp_time", c->max_comp_time, " ms");
	if (c->min_CP_duration >= 0) {
		fact(p, "min_CP_duration");
		page_put(p, "%s", pic_span((int64_t)c->min_CP_duration * 100000000, text));
		end_fact(p);
	}
	fact_number(p, "ECM_rep_period", c->ECM_rep_period, " ms");
	fact_number(p, "max_streams", c->max_streams, "");
	fact_delay(p, "delay_start", c->delay_start);
	fact_delay(p, "delay_stop", c->delay_stop);
	fact_delay(p, "transition_delay_start", c->transition_delay_start);
	fact_delay(p, "transition_delay_stop", c->transition_delay_stop);
	fact_delay(p, "AC_delay_start", c->AC_delay_start);
	fact_delay(p, "AC_delay_stop", c->AC_delay_stop);
}

static void
session_facts(struct page *p, const struct lint_session *s)
{
	char text[PIC_TEXT];

	page_put(p, "<dl>");
	fact(p, "protocol_version");
	page_put(p, "%u", s->version);
	end_fact(p);
	fact(p, "Lasts");
	page_put(p, "%s", pic_span(page_since(s->last_ns, s->first_ns), text));
	end_fact(p);
	fact(p, "Frames");
	page_number(p, s->first_frame);
	page_put(p, " to ");
	page_number(p, s->last_frame);
	end_fact(p);
	fact_number(p, "Messages", (int64_t)s->messages, "");
	channel_facts(p, s);
	page_put(p, "</dl>\n");
	if (!s->udp && (!s->from_start || !s->to_end))
		page_put(p, "<p class=\"soft small\">%s not in the capture: what was said there is not judged.</p>\n",
		    !s->from_start && !s->to_end ? "Its beginning and its end are" : s->from_start ? "Its end is" : "Its beginning is");
	if (s->ngaps) {
		page_put(p, "<p class=\"soft small\">");
		page_count(p, s->ngaps + s->more_gaps, "gap", "gaps");
		page_put(p, " in the capture of this session; what may lie in them is not counted as missing.</p>\n");
	}
}

static void
session_heading(struct page *p, const struct lint_session *s)
{
	static const char *const links[] = { "from", "to" };

	page_put(p, "<section class=\"session\" id=\"s%u\" aria-labelledby=\"h%u\"><h2 id=\"h%u\">#%u ", s->number, s->number, s->number, s->number);
	put_interface(p, s->iface->name);
	page_put(p, "</h2>\n<p class=\"ends\">");
	for (int side = LINT_CLIENT; side <= LINT_SERVER; side++) {
		uint64_t n[LINT_SEVERITIES];

		found_by(p->report, s->number, (enum lint_side)side, n);
		page_put(p, "<span>%s ", links[side]);
		page_text(p, lint_side_word(s->iface, (enum lint_side)side));
		page_put(p, " <span class=\"mono\">");
		page_text(p, side == LINT_CLIENT ? s->client : s->server);
		page_put(p, "</span>");
		blame(p, n);
		page_put(p, "</span>");
	}
	page_put(p, "<span>over %s</span></p>\n", s->udp ? "UDP" : "TCP");
}

static void
latency_row(struct page *p, const struct lint_latency *l)
{
	static const double shares[] = { 0.5, 0.99, 0.999 };
	char text[PIC_TEXT];

	page_put(p, "<tr><th scope=\"row\">");
	page_text(p, l->request);
	page_put(p, "</th><td class=\"n\" data-l=\"Answers\">");
	page_number(p, l->n);
	page_put(p, "</td><td class=\"n\" data-l=\"None\">");
	page_number(p, l->unanswered);
	page_put(p, "</td><td class=\"n\" data-l=\"Late\">");
	page_number(p, l->late);
	page_put(p, "</td><td class=\"n\" data-l=\"Least\">%s</td>", l->n ? pic_span(l->min_ns, text) : "");
	page_put(p, "<td class=\"n\" data-l=\"Mean\">%s</td>", l->n ? pic_span((int64_t)(l->sum_ns / (double)l->n), text) : "");
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		page_put(p, "<td class=\"n\" data-l=\"p%g\">%s</td>", 100 * shares[i], l->n && l->hist ? pic_span(hist_quantile(l->hist, shares[i]), text) : "");
	page_put(p, "<td class=\"n\" data-l=\"Most\">%s</td>", l->n ? pic_span(l->max_ns, text) : "");
	page_put(p, "<td class=\"n\" data-l=\"Limit\">%s</td></tr>\n", l->limit_ns ? pic_span(l->limit_ns, text) : "");
}

/* Kinds of requests worth a picture: those with a limit, and the most frequent one, if it is frequent. */
static bool
pictured(const struct lint_session *s, const struct lint_latency *l)
{
	uint64_t most = 0;

	for (size_t i = 0; i < s->nlatencies; i++)
		most = s->latency[i].n > most ? s->latency[i].n : most;
	return l->hist && l->n > 0 && (l->limit_ns > 0 || (l->n == most && l->n >= FEW));
}

static void
latencies(struct page *p, const struct lint_session *s)
{
	unsigned drawn = 0;

	for (size_t i = 0; i < s->nlatencies && p->octets < PAGE_PICTURES && drawn < 2; i++)
		if (pictured(s, &s->latency[i])) {
			lint_svg_latency(p, s, &s->latency[i]);
			drawn++;
		}
}

static void
latency_table(struct page *p, const struct lint_session *s)
{
	if (s->nlatencies == 0)
		return;
	page_put(p, "<h3>How long answers took</h3><table class=\"rows\">");
	HEAD(p, "Request", "#Answers", "#None", "#Late", "#Least", "#Mean", "#p50", "#p99", "#p99.9", "#Most", "#Limit");
	for (size_t i = 0; i < s->nlatencies; i++)
		latency_row(p, &s->latency[i]);
	page_put(p, "</tbody></table>\n");
}

static void
message_table(struct page *p, const struct lint_session *s)
{
	if (s->ncounts == 0)
		return;
	page_put(p, "<div><h3>Messages</h3><table><thead><tr><th scope=\"col\">Message</th><th scope=\"col\" class=\"n\">");
	page_text(p, lint_side_word(s->iface, LINT_CLIENT));
	page_put(p, "</th><th scope=\"col\" class=\"n\">");
	page_text(p, lint_side_word(s->iface, LINT_SERVER));
	page_put(p, "</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < s->ncounts; i++) {
		page_put(p, "<tr><th scope=\"row\">");
		page_text(p, s->count[i].message);
		page_put(p, "</th>");
		for (int side = 0; side < 2; side++) {
			uint64_t n = side ? s->count[i].of_server : s->count[i].of_client;

			page_put(p, "<td class=\"n\">");
			if (n)
				page_number(p, n);
			page_put(p, "</td>");
		}
		page_put(p, "</tr>\n");
	}
	page_put(p, "</tbody></table></div>\n");
}

/* ---- streams ---- */

static void
period_cells(struct page *p, const struct lint_stream *s)
{
	uint64_t late = 0, refused = 0, silent = 0;
	const uint64_t *const cells[] = { &late, &refused, &silent };

	for (size_t k = 0; k < s->nperiods; k++) {
		late += s->periods[k].late;
		refused += s->periods[k].refused;
		silent += pic_period_silent(&s->periods[k]);
	}
	page_put(p, "<td class=\"n\" data-l=\"CPs\">");
	page_number(p, s->nperiods + s->more_periods);
	page_put(p, "</td>");
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = { "Late", "Refused", "No answer" };

		page_put(p, "<td class=\"n\" data-l=\"%s\">", names[i]);
		page_number(p, *cells[i]);
		page_put(p, "</td>");
	}
}

static void
data_cells(struct page *p, const struct lint_session *session, const struct lint_stream *s)
{
	int64_t from = s->opened_ns ? s->opened_ns : session->first_ns, to = s->closed_ns ? s->closed_ns : session->last_ns, span = page_since(to, from);

	page_put(p, "<td class=\"n\" data-l=\"Messages\">");
	page_number(p, s->data_messages);
	page_put(p, "</td><td class=\"n\" data-l=\"Octets\">");
	page_number(p, s->data_bytes);
	page_put(p, "</td><td class=\"n\" data-l=\"Rate\">");
	if (span > 0 && s->data_bytes)
		page_put(p, "%.1f kbit/s", (double)s->data_bytes * 8e6 / (double)span);
	page_put(p, "</td><td class=\"n\" data-l=\"Allocated\">");
	if (s->bandwidth_kbit >= 0)
		page_put(p, "%d kbit/s", s->bandwidth_kbit);
	page_put(p, "</td>");
}

static void
stream_table(struct page *p, const struct lint_session *s)
{
	size_t n = s->nstreams < ROWS ? s->nstreams : ROWS;
	bool data = strncmp(s->iface->name, "EMMG", 4) == 0;

	if (n == 0 || (n == 1 && !data))
		return;
	page_put(p, "<h3>Streams</h3><table class=\"rows\">");
	if (data)
		HEAD(p, "Stream", "#data_id", "#Messages", "#Octets", "#Rate", "#Allocated");
	else
		HEAD(p, "Stream", "#ECM_id", "#CPs", "#Late", "#Refused", "#No answer");
	for (size_t i = 0; i < n; i++) {
		const struct lint_stream *st = &s->streams[i];

		page_put(p, "<tr><th scope=\"row\" data-l=\"Stream\">");
		if (st->id >= 0)
			page_put(p, "%" PRId64, st->id);
		page_put(p, "</th><td class=\"n\" data-l=\"%s\">", data ? "data_id" : "ECM_id");
		if (st->ecm_id >= 0)
			page_put(p, "%" PRId64, st->ecm_id);
		page_put(p, "</td>");
		if (data)
			data_cells(p, s, st);
		else
			period_cells(p, st);
		page_put(p, "</tr>\n");
	}
	page_put(p, "</tbody></table>\n");
	if (s->nstreams + s->more_streams > n) {
		page_put(p, "<p class=\"soft\">");
		page_count(p, s->nstreams + s->more_streams - n, "further stream", "further streams");
		page_put(p, " left out here.</p>\n");
	}
}

/* ---- findings ---- */

static void
finding_row(struct page *p, const struct lint_session *s, const struct lint_finding *f)
{
	size_t n = number_of(p, f);

	page_put(p, "<tr id=\"f%zu\"><th scope=\"row\" data-l=\"Finding\">F%zu</th><td data-l=\"Severity\">", n, n);
	severity(p, f->rule->severity);
	page_put(p, "</td><td class=\"n\" data-l=\"Frame\">%" PRIu64 "</td><td class=\"n\" data-l=\"Time\">%+.6f s</td><td class=\"nw\" data-l=\"Who\">", f->frame,
	    (double)page_since(f->at_ns, p->report->first_ns) / 1e9);
	put_side(p, s, f->side);
	page_put(p, "</td><td data-l=\"Message\">");
	page_text(p, f->message);
	if (f->param[0]) {
		page_put(p, " <span class=\"soft\">");
		page_text(p, f->param);
		page_put(p, "</span>");
	}
	page_put(p, "</td><td>");
	page_text(p, f->text);
	page_put(p, "<span class=\"says\">");
	page_text(p, f->clause);
	page_put(p, " \u00b7 <code>");
	page_text(p, f->rule->id);
	page_put(p, "</code>");
	if (f->count > 1) {
		page_put(p, " \u00b7 and ");
		page_number(p, f->count - 1);
		page_put(p, " more, the last in frame %" PRIu64, f->last_frame);
	}
	page_put(p, "</span></td></tr>\n");
}

/* Those of one session; s NULL: of sessions that the report has no place for. */
static void
findings(struct page *p, const struct lint_session *s)
{
	const struct lint_report *r = p->report;
	bool any = false;

	for (size_t i = 0; i < r->nfindings; i++) {
		if (!p->kept[i] || (s ? r->findings[i].session != s->number : lint_session(r, r->findings[i].session) != NULL))
			continue;
		if (!any) {
			page_put(p, s ? "<h3>Findings</h3>" : "<h2>Findings in other sessions</h2>");
			page_put(p, "<table class=\"rows\">");
			HEAD(p, "Finding", "Severity", "#Frame", "#Time", "Who", "Message", "What");
			any = true;
		}
		finding_row(p, s, &r->findings[i]);
	}
	if (any)
		page_put(p, "</tbody></table>\n");
	else if (s)
		page_put(p, "<p class=\"soft\">No finding in this session.</p>\n");
}

static void
session(struct page *p, const struct lint_session *s, bool detailed)
{
	session_heading(p, s);
	session_facts(p, s);
	if (detailed)
		lint_svg_session(p, s);
	findings(p, s);
	if (detailed) {
		page_put(p, "<div class=\"pictures\"><div>");
		latencies(p, s);
		page_put(p, "</div>\n");
		message_table(p, s);
		page_put(p, "</div>\n");
		latency_table(p, s);
		stream_table(p, s);
	}
	page_put(p, "</section>\n");
}

/* ---- the page ---- */

/* The findings that get a row: the graver ones when there are too many. The number of those that get none. */
static size_t
keep_findings(const struct lint_report *r, bool *kept)
{
	size_t n = 0;

	for (int s = LINT_ERROR; s >= 0; s--)
		for (size_t i = 0; i < r->nfindings; i++)
			if (n < PAGE_FINDINGS && (int)r->findings[i].rule->severity == s)
				kept[i] = ++n;
	return r->nfindings - n;
}

/* Sessions with pictures: those where something was found before others. Those that have findings at all get a section. */
static void
choose_sessions(const struct lint_report *r, bool *detailed)
{
	size_t n = 0;

	for (int pass = LINT_ERROR; pass >= -1; pass--)
		for (size_t i = 0; i < r->nsessions && n < PAGE_DETAILS; i++) {
			const uint64_t *found = r->sessions[i]->found;
			int worst = found[LINT_ERROR] ? LINT_ERROR : found[LINT_WARNING] ? LINT_WARNING : found[LINT_NOTICE] ? LINT_NOTICE : -1;

			if (worst == pass) {
				detailed[i] = true;
				n++;
			}
		}
}

static bool
has_kept(const struct page *p, const struct lint_session *s)
{
	for (size_t i = 0; i < p->report->nfindings; i++)
		if (p->kept[i] && p->report->findings[i].session == s->number)
			return true;
	return false;
}

static void
head(struct page *p)
{
	const char *slash = strrchr(p->report->name, '/');

	page_put(p, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
	    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\"/>"
	    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/><meta name=\"color-scheme\" content=\"light dark\"/>"
	    "<meta name=\"generator\" content=\"simulgate lint %s\"/><title>", PACKAGE_VERSION);
	page_text(p, p->report->name);
	page_put(p, " \u00b7 simulgate lint</title>\n<style>\n");
	for (size_t i = 0; lint_css[i]; i++)
		page_put(p, "%s", lint_css[i]);
	page_put(p, "</style></head>\n<body><a class=\"skip\" href=\"#main\">To the findings</a>");
	lint_svg_shapes(p);
	page_put(p, "<header><p class=\"brand\"><b>simulgate lint</b> \u00b7 SimulCrypt conformance</p><h1>");
	page_text(p, slash && slash[1] ? slash + 1 : p->report->name);
	page_put(p, "</h1>\n");
}

static void
foot(struct page *p, size_t left_out)
{
	const struct lint_report *r = p->report;

	page_put(p, "</main>\n<footer>");
	if (left_out + r->more_findings) {
		page_put(p, "<p>");
		page_count(p, left_out + r->more_findings, "finding has", "findings have");
		page_put(p, " no row here, to keep the page short; all are in the counts.</p>");
	}
	if (p->octets >= PAGE_PICTURES)
		page_put(p, "<p>Not every picture is here, to keep the page short.</p>");
	page_put(p, "<p>Frame numbers are those of Wireshark (Go to Packet). Times are from the beginning of the capture on; equal findings of a session are one, counted. "
	    "simulgate %s.</p></footer></body></html>\n", PACKAGE_VERSION);
}

static void
body(struct page *p, bool *detailed, size_t left_out)
{
	const struct lint_report *r = p->report;

	head(p);
	verdict(p);
	facts(p);
	page_put(p, "</header>\n<main id=\"main\">\n");
	by_rule(p);
	choose_sessions(r, detailed);
	sessions(p, detailed);
	for (int found = 1; found >= 0; found--)	/* what there is to look at comes first */
		for (size_t i = 0; i < r->nsessions; i++)
			if ((i < PAGE_SESSIONS || detailed[i]) && has_kept(p, r->sessions[i]) == found && (found || detailed[i]))
				session(p, r->sessions[i], detailed[i]);
	findings(p, NULL);
	foot(p, left_out);
}

int
lint_html(FILE *file, const struct lint_report *r)
{
	bool *kept = calloc(r->nfindings + 1, sizeof(*kept)), *detailed = calloc(r->nsessions + 1, sizeof(*detailed));
	struct page p = { .file = file, .report = r, .kept = kept };

	if (kept && detailed)
		body(&p, detailed, keep_findings(r, kept));
	p.failed = p.failed || !kept || !detailed || fflush(file) != 0 || ferror(file);
	free(kept);
	free(detailed);
	return p.failed ? -1 : 0;
}
