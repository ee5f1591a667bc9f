/* tools/lint_out.c: the report of simulgate lint as text and as JSON */
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tools/lint.h"

enum { PAGE = 80, INDENT = 4, NAME = 4096 };

static double
seconds(int64_t ns)
{
	return (double)ns / 1e9;
}

/* ---- text ---- */

struct text { FILE *out; const struct lint_text_conf *conf; unsigned width; const struct lint_report *r; };

/* Words, folded at the width, behind an indentation of so many columns. */
static void
fold(const struct text *t, unsigned indent, const char *s)
{
	unsigned column = 0;

	while (*s) {
		size_t n = strcspn(s, " ");

		if (column && column + 1 + n > t->width) {
			fputc('\n', t->out);
			column = 0;
		}
		if (!column)
			column = (unsigned)fprintf(t->out, "%*s", (int)indent, "");
		else
			column += (unsigned)(fputc(' ', t->out) != EOF);
		column += (unsigned)fwrite(s, 1, n, t->out);
		s += n + strspn(s + n, " ");
	}
	fputc('\n', t->out);
}

static void __attribute__((format(printf, 3, 4)))
foldf(const struct text *t, unsigned indent, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fold(t, indent, line);
}

static const char *
colour(const struct text *t, const char *code)
{
	return t->conf->colour ? code : "";
}

static void
session_line(const struct text *t, const struct lint_session *s)
{
	fprintf(t->out, "%s#%u %s%s\n", colour(t, "\033[1m"), s->number, s->iface->name, colour(t, "\033[0m"));
	foldf(t, 2, "%s %s > %s %s %s, version %u, %llu messages from %.6f s to %.6f s%s%s", lint_side_word(s->iface, LINT_CLIENT), s->client,
	    lint_side_word(s->iface, LINT_SERVER), s->server, s->udp ? "UDP" : "TCP", s->version, (unsigned long long)s->messages,
	    seconds(s->first_ns - t->r->first_ns), seconds(s->last_ns - t->r->first_ns), s->from_start ? "" : ", its beginning not captured",
	    s->ngaps ? ", with gaps" : "");
}

static void
finding_lines(const struct text *t, const struct lint_session *s, const struct lint_finding *f)
{
	static const char *const codes[] = { "\033[36m", "\033[33m", "\033[31m" };
	bool nobody = f->side == LINT_EITHER;

	fprintf(t->out, "  %s%s%s  frame %llu, %.6f s%s%s%s%s%s%s\n", colour(t, codes[f->rule->severity]), lint_severity_word(f->rule->severity), colour(t, "\033[0m"),
	    (unsigned long long)f->frame, seconds(f->at_ns - t->r->first_ns), nobody ? "" : ", ", nobody ? "" : lint_side_word(s->iface, f->side),
	    *f->message ? ": " : "", f->message, *f->param ? " " : "", f->param);
	fold(t, INDENT, f->text);
	fprintf(t->out, "%*s%s%s, %s%s\n", INDENT, "", colour(t, "\033[2m"), f->rule->id, f->clause, colour(t, "\033[0m"));
	if (f->count > 1)
		fprintf(t->out, "%*sand %llu more, the last in frame %llu\n", INDENT, "", (unsigned long long)f->count - 1, (unsigned long long)f->last_frame);
}

static void
latency_lines(const struct text *t, const struct lint_session *s)
{
	for (size_t i = 0; i < s->nlatencies; i++) {
		const struct lint_latency *n = &s->latency[i];
		char limit[48] = "", unanswered[48] = "";

		if (n->limit_ns)
			snprintf(limit, sizeof(limit), "; max_comp_time is %.0f ms", (double)n->limit_ns / 1e6);
		if (n->unanswered)
			snprintf(unanswered, sizeof(unanswered), "%s%llu not answered", n->n ? ", " : "", (unsigned long long)n->unanswered);
		if (n->n)
			foldf(t, 2, "%s: %llu answered after %.3f ms on average, %.3f ms at most%s%s", n->request, (unsigned long long)n->n, n->sum_ns / (double)n->n / 1e6,
			    (double)n->max_ns / 1e6, limit, unanswered);
		else if (n->unanswered)
			foldf(t, 2, "%s: %s", n->request, unanswered);
	}
}

static uint64_t
all_found(const uint64_t found[LINT_SEVERITIES])
{
	return found[LINT_NOTICE] + found[LINT_WARNING] + found[LINT_ERROR];
}

const struct lint_session *
lint_session(const struct lint_report *r, unsigned number)
{
	for (size_t i = 0; i < r->nsessions; i++)
		if (r->sessions[i]->number == number)
			return r->sessions[i];
	return NULL;
}

static void
one_session(const struct text *t, const struct lint_session *s)
{
	session_line(t, s);
	latency_lines(t, s);
	for (size_t k = 0; k < s->ngaps; k++)
		if (s->gap[k].what == DEC_GAP)
			fprintf(t->out, "  %llu octets of the %s are not in the capture, after frame %llu\n", (unsigned long long)s->gap[k].octets,
			    lint_side_word(s->iface, s->gap[k].side ? LINT_SERVER : LINT_CLIENT), (unsigned long long)s->gap[k].frame);
	for (size_t k = 0; k < t->r->nfindings; k++)
		if (t->r->findings[k].session == s->number)
			finding_lines(t, s, &t->r->findings[k]);
	fputc('\n', t->out);
}

static void
counted(const struct text *t, uint64_t n, const char *what, const char *comma)
{
	fprintf(t->out, "%llu %s%s%s", (unsigned long long)n, what, n == 1 ? "" : "s", comma);
}

int
lint_text(FILE *out, const struct lint_report *r, const struct lint_text_conf *conf)
{
	struct text t = { out, conf, conf->width ? conf->width : PAGE, r };
	uint64_t clean = 0;

	for (size_t i = 0; i < r->nsessions; i++)
		if (all_found(r->sessions[i]->found) == 0 && r->sessions[i]->ngaps == 0)
			clean++;
		else if (!conf->brief)
			one_session(&t, r->sessions[i]);
	for (size_t k = 0; k < r->nfindings && !conf->brief; k++)
		if (!lint_session(r, r->findings[k].session))
			foldf(&t, 2, "%s  #%u, frame %llu: %s (%s, %s)", lint_severity_word(r->findings[k].rule->severity), r->findings[k].session,
			    (unsigned long long)r->findings[k].frame, r->findings[k].text, r->findings[k].rule->id, r->findings[k].clause);
	counted(&t, r->nsessions + r->more_sessions, "session", "");
	if (clean)
		fprintf(out, " (%llu without a finding)", (unsigned long long)clean);
	fputs(", ", out);
	counted(&t, r->messages, "message", ", ");
	counted(&t, r->counts.frames, "frame", "\n");
	fputs(all_found(r->found) && conf->colour ? "\033[1m" : "", out);
	counted(&t, r->found[LINT_ERROR], "error", ", ");
	counted(&t, r->found[LINT_WARNING], "warning", ", ");
	counted(&t, r->found[LINT_NOTICE], "notice", "");
	fputs(all_found(r->found) && conf->colour ? "\033[0m\n" : "\n", out);
	if (r->more_findings)
		fprintf(out, "%llu findings more than are shown\n", (unsigned long long)r->more_findings);
	if (!r->whole)
		fputs("the capture was not read to its end\n", out);
	return ferror(out) || fflush(out) != 0 ? -1 : 0;
}

/* ---- JSON ---- */

static json_t *
number(int64_t n)
{
	return json_integer(n);
}

/* A time of the capture, ISO 8601 with nanoseconds; null: not known. */
static json_t *
when(int64_t ns)
{
	time_t s = (time_t)(ns / 1000000000);
	struct tm tm;
	char text[64];
	size_t n;

	if (ns == 0 || !gmtime_r(&s, &tm))
		return json_null();
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof(text) - n, ".%09lldZ", (long long)(ns % 1000000000));
	return json_string(text);
}

static json_t *
known(int64_t n, int64_t not_known)
{
	return n == not_known ? json_null() : json_integer(n);
}

static void
set(json_t *o, const char *key, json_t *v)
{
	json_object_set_new(o, key, v);
}

static json_t *
found_json(const uint64_t found[LINT_SEVERITIES])
{
	return json_pack("{s:I, s:I, s:I}", "error", (json_int_t)found[LINT_ERROR], "warning", (json_int_t)found[LINT_WARNING], "notice", (json_int_t)found[LINT_NOTICE]);
}

static json_t *
period_json(const struct lint_period *p)
{
	json_t *o = json_object();

	set(o, "CP_number", number(p->cp));
	set(o, "duration_ms", p->duration_100ms ? number(p->duration_100ms * 100) : json_null());
	set(o, "asked", when(p->asked_ns));
	set(o, "asked_frame", number((int64_t)p->asked_frame));
	set(o, "answered", when(p->answered_ns));
	set(o, "answered_frame", known((int64_t)p->answered_frame, 0));
	set(o, "latency_ms", p->latency_ns < 0 ? json_null() : json_real((double)p->latency_ns / 1e6));
	set(o, "late", json_boolean(p->late));
	set(o, "refused", json_boolean(p->refused));
	if (p->unwatched)
		set(o, "unwatched", json_true());
	if (p->start_ns || p->end_ns) {
		set(o, "start", when(p->start_ns));
		set(o, "end", when(p->end_ns));
	}
	if (p->air_repeats) {
		set(o, "on_air_first", when(p->air_first_ns));
		set(o, "on_air_last", when(p->air_last_ns));
		set(o, "on_air_times", number((int64_t)p->air_repeats));
	}
	return o;
}

static json_t *
stream_json(const struct lint_session *s, const struct lint_stream *st)
{
	json_t *o = json_object(), *periods = json_array();

	set(o, "channel", known(st->channel, -1));
	set(o, "stream", known(st->id, -1));
	set(o, "id", known(st->ecm_id, -1));
	set(o, "nominal_CP_duration_ms", st->nominal_100ms ? number(st->nominal_100ms * 100) : json_null());
	set(o, "bandwidth_kbit_s", known(st->bandwidth_kbit, -1));
	set(o, "opened", when(st->opened_ns));
	set(o, "closed", when(st->closed_ns));
	set(o, "data_octets", number((int64_t)st->data_bytes));
	set(o, "data_messages", number((int64_t)st->data_messages));
	for (size_t i = 0; i < st->nperiods; i++)
		json_array_append_new(periods, period_json(&st->periods[i]));
	set(o, "crypto_periods", periods);
	set(o, "more_crypto_periods", number((int64_t)st->more_periods));
	(void)s;
	return o;
}

static json_t *
channel_json(const struct lint_channel *c)
{
	json_t *o = json_object();

	set(o, "id", known(c->id, -1));
	set(o, "Super_CAS_id", known(c->super_cas_id, -1));
	set(o, "section_TSpkt_flag", known(c->section_TSpkt_flag, -1));
	set(o, "max_streams", known(c->max_streams, -1));
	set(o, "min_CP_duration_ms", c->min_CP_duration < 0 ? json_null() : number(c->min_CP_duration * 100));
	set(o, "lead_CW", known(c->lead_CW, -1));
	set(o, "CW_per_msg", known(c->CW_per_msg, -1));
	set(o, "max_comp_time_ms", known(c->max_comp_time, -1));
	set(o, "ECM_rep_period_ms", known(c->ECM_rep_period, -1));
	set(o, "delay_start_ms", known(c->delay_start, INT32_MIN));
	set(o, "delay_stop_ms", known(c->delay_stop, INT32_MIN));
	return o;
}

static json_t *
latency_json(const struct lint_latency *n)
{
	json_t *o = json_object(), *buckets;
	struct hist_bucket b;
	unsigned at = 0;

	set(o, "request", json_string(n->request));
	set(o, "answer", json_string(n->answer));
	set(o, "answers", number((int64_t)n->n));
	set(o, "unanswered", number((int64_t)n->unanswered));
	set(o, "late", number((int64_t)n->late));
	set(o, "limit_ms", n->limit_ns ? json_real((double)n->limit_ns / 1e6) : json_null());
	set(o, "min_ms", n->n ? json_real((double)n->min_ns / 1e6) : json_null());
	set(o, "mean_ms", n->n ? json_real(n->sum_ns / (double)n->n / 1e6) : json_null());
	set(o, "max_ms", n->n ? json_real((double)n->max_ns / 1e6) : json_null());
	if (n->hist && n->n) {
		set(o, "p50_ms", json_real((double)hist_quantile(n->hist, 0.5) / 1e6));
		set(o, "p99_ms", json_real((double)hist_quantile(n->hist, 0.99) / 1e6));
		buckets = json_array();
		while (hist_next(n->hist, &at, &b))
			json_array_append_new(buckets, json_pack("[f, f, I]", (double)b.low / 1e6, (double)b.high / 1e6, (json_int_t)b.n));
		set(o, "histogram_ms", buckets);
	}
	return o;
}

static json_t *
session_json(const struct lint_session *s)
{
	static const char *const what[] = { [DEC_GAP] = "gap", [DEC_PASSED_OVER] = "no message", [DEC_TRUNCATED] = "cut message" };
	json_t *o = json_object(), *counts = json_array(), *streams = json_array(), *latencies = json_array(), *gaps = json_array();

	set(o, "session", number(s->number));
	set(o, "interface", json_string(s->iface->name));
	set(o, "transport", json_string(s->udp ? "UDP" : "TCP"));
	set(o, "client", json_string(s->client));
	set(o, "client_role", json_string(lint_side_word(s->iface, LINT_CLIENT)));
	set(o, "server", json_string(s->server));
	set(o, "server_role", json_string(lint_side_word(s->iface, LINT_SERVER)));
	set(o, "protocol_version", number(s->version));
	set(o, "from_start", json_boolean(s->from_start));
	set(o, "to_end", json_boolean(s->to_end));
	set(o, "first", when(s->first_ns));
	set(o, "last", when(s->last_ns));
	set(o, "first_frame", number((int64_t)s->first_frame));
	set(o, "last_frame", number((int64_t)s->last_frame));
	set(o, "found", found_json(s->found));
	for (size_t i = 0; i < s->ncounts; i++)
		json_array_append_new(counts, json_pack("{s:s, s:I, s:I}", "message", s->count[i].message, "client", (json_int_t)s->count[i].of_client, "server",
		    (json_int_t)s->count[i].of_server));
	set(o, "messages", counts);
	set(o, "channel", channel_json(&s->channel));
	for (size_t i = 0; i < s->nstreams; i++)
		json_array_append_new(streams, stream_json(s, &s->streams[i]));
	set(o, "streams", streams);
	set(o, "more_streams", number((int64_t)s->more_streams));
	for (size_t i = 0; i < s->nlatencies; i++)
		json_array_append_new(latencies, latency_json(&s->latency[i]));
	set(o, "latencies", latencies);
	for (size_t i = 0; i < s->ngaps; i++)
		json_array_append_new(gaps, json_pack("{s:s, s:s, s:I, s:o, s:I}", "what", what[s->gap[i].what], "side",
		    lint_side_word(s->iface, s->gap[i].side ? LINT_SERVER : LINT_CLIENT), "after_frame", (json_int_t)s->gap[i].frame, "after", when(s->gap[i].at_ns), "octets",
		    (json_int_t)s->gap[i].octets));
	set(o, "gaps", gaps);
	set(o, "more_gaps", number((int64_t)s->more_gaps));
	return o;
}

/* A name of a file need not be UTF-8, which JSON is: what is no ASCII in it comes as a question mark then. */
static json_t *
name_json(const char *s)
{
	json_t *o = json_string(s);
	char text[NAME];
	size_t n = 0;

	if (o)
		return o;
	for (; s[n] && n + 1 < sizeof(text); n++)
		text[n] = (unsigned char)s[n] < 0x80 ? s[n] : '?';
	text[n] = '\0';
	return json_string(text);
}

static json_t *
text_or_null(const char *s)
{
	return *s ? name_json(s) : json_null();
}

static json_t *
finding_json(const struct lint_report *r, const struct lint_finding *f)
{
	const struct lint_session *s = lint_session(r, f->session);
	json_t *o = json_object();

	set(o, "rule", json_string(f->rule->id));
	set(o, "severity", json_string(lint_severity_word(f->rule->severity)));
	set(o, "clause", json_string(f->clause));
	set(o, "session", number(f->session));
	set(o, "side", f->side == LINT_EITHER || !s ? json_null() : json_string(lint_side_word(s->iface, f->side)));
	set(o, "frame", number((int64_t)f->frame));
	set(o, "time", when(f->at_ns));
	set(o, "message", text_or_null(f->message));
	set(o, "parameter", text_or_null(f->param));
	set(o, "text", json_string(f->text));
	set(o, "count", number((int64_t)f->count));
	set(o, "last_frame", number((int64_t)f->last_frame));
	set(o, "last_time", when(f->last_ns));
	return o;
}

int
lint_json(FILE *out, const struct lint_report *r)
{
	json_t *o = json_object(), *sessions = json_array(), *findings = json_array();
	int rc;

	set(o, "schema", json_string("simulgate-lint-1"));
	set(o, "capture", name_json(r->name));
	set(o, "whole", json_boolean(r->whole));
	set(o, "broken", text_or_null(r->broken));
	set(o, "first", when(r->first_ns));
	set(o, "last", when(r->last_ns));
	set(o, "frames", number((int64_t)r->counts.frames));
	set(o, "messages", number((int64_t)r->messages));
	set(o, "found", found_json(r->found));
	for (size_t i = 0; i < r->nfindings; i++)
		json_array_append_new(findings, finding_json(r, &r->findings[i]));
	set(o, "findings", findings);
	set(o, "more_findings", number((int64_t)r->more_findings));
	for (size_t i = 0; i < r->nsessions; i++)
		json_array_append_new(sessions, session_json(r->sessions[i]));
	set(o, "sessions", sessions);
	set(o, "more_sessions", number((int64_t)r->more_sessions));
	rc = json_dumpf(o, out, JSON_COMPACT | JSON_REAL_PRECISION(9));
	json_decref(o);
	return rc < 0 || fputc('\n', out) == EOF || fflush(out) != 0 ? -1 : 0;
}
