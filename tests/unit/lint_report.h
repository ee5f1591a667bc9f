/*
 * tests/unit/lint_report.h: a report of simulgate lint made by hand, and the few words of its table that the page asks for. An SCS that is slow to
 * send, an ECMG that is slow to answer, an EMMG; what they say is as hostile as the caller likes.
 */
#ifndef TESTS_LINT_REPORT_H
#define TESTS_LINT_REPORT_H
#include <stdlib.h>
#include <string.h>
#include "tools/lint.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define EPOCH (INT64_C(1772366400) * SECOND)	/* 2026-03-01 12:00:00 */

static const struct sim_iface ecmg_iface = { .name = "ECMG<=>SCS" }, emmg_iface = { .name = "EMMG<=>MUX" };
static const struct lint_rule rules[] = {
	{ "answer-late", &ecmg_iface, "TS 103 197, 5.4.2", LINT_WARNING, LINT_SERVER, "ECM_response comes within max_comp_time" },
	{ "cw-outstanding", &ecmg_iface, "TS 103 197, 5.5.7", LINT_ERROR, LINT_CLIENT, "one CW_provision of a stream is answered before the next is sent" },
	{ "joined-midway", NULL, NULL, LINT_NOTICE, LINT_EITHER, "a session is judged from its beginning on" },
};
enum { RULES = sizeof(rules) / sizeof(rules[0]) };

const char *lint_severity_word(enum lint_severity s) { static const char *const w[] = { "notice", "warning", "error" }; return w[s]; }
const struct lint_rule *lint_rule(size_t n) { return n < RULES ? &rules[n] : NULL; }
const char *
lint_side_word(const struct sim_iface *iface, enum lint_side side)
{
	if (side == LINT_EITHER)
		return "either";
	return iface == &ecmg_iface ? (side == LINT_CLIENT ? "SCS" : "ECMG") : side == LINT_CLIENT ? "EMMG" : "MUX";
}

static void *
room(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		abort();
	return p;
}

/* Always the same noise. */
static uint32_t
noise(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Crypto-periods of 10 s; every `bad`th is late, one refused, one unanswered; on_air: when they begin is known. 0: none is bad. */
static void
make_stream(struct lint_session *s, struct lint_stream *st, size_t periods, size_t bad, bool on_air)
{
	uint32_t state = 7;

	*st = (struct lint_stream){ .channel = 1, .id = (int64_t)(st - s->streams) + 1, .ecm_id = 4096 + (st - s->streams), .nominal_100ms = 100, .bandwidth_kbit = -1,
		.opened_ns = s->first_ns + 40 * MS, .nperiods = periods, .periods = room(periods, sizeof(*st->periods)) };
	for (size_t k = 0; k < periods; k++) {
		struct lint_period *p = &st->periods[k];
		int64_t took = (8 + noise(&state) % 40 + (noise(&state) % 10 == 0 ? 90 : 0)) * MS;

		p->cp = (uint16_t)(65500 + k);
		p->duration_100ms = 100;
		p->asked_ns = s->first_ns + SECOND + (int64_t)k * 10 * SECOND;
		p->asked_frame = 10 + 4 * k;
		p->late = bad && k % bad == bad / 2;
		took = p->late ? 620 * MS : took;
		p->refused = bad && k == bad + 1;
		p->latency_ns = p->refused || (bad && k == bad + 3) ? -1 : took;
		p->answered_frame = p->latency_ns >= 0 || p->refused ? p->asked_frame + 2 : 0;
		p->answered_ns = p->latency_ns >= 0 ? p->asked_ns + took : 0;
		if (on_air) {
			p->start_ns = p->asked_ns + 3 * SECOND;
			p->end_ns = p->start_ns + 10 * SECOND;
			p->air_first_ns = p->start_ns - 2 * SECOND;
			p->air_last_ns = p->end_ns - 2 * SECOND - 300 * MS;
			p->air_repeats = 20;
		}
	}
}

static void
make_latency(struct lint_session *s)
{
	struct lint_latency *l = &s->latency[s->nlatencies++];

	*l = (struct lint_latency){ .request_type = 0x201, .request = "CW_provision", .answer = "ECM_response", .limit_ns = 500 * MS, .hist = room(1, sizeof(struct hist)) };
	for (size_t i = 0; i < s->nstreams; i++)
		for (size_t k = 0; k < s->streams[i].nperiods; k++) {
			int64_t took = s->streams[i].periods[k].latency_ns;

			l->unanswered += took < 0;
			l->late += s->streams[i].periods[k].late;
			if (took < 0)
				continue;
			hist_add(l->hist, took);
			l->sum_ns += (double)took;
			l->n++;
		}
	l->min_ns = l->hist->min;
	l->max_ns = l->hist->max;
}

static struct lint_session *
make_session(struct lint_report *r, size_t streams, size_t periods, size_t bad, bool on_air)
{
	struct lint_session *s = room(1, sizeof(*s));

	*s = (struct lint_session){ .number = (unsigned)r->nsessions + 1, .iface = &ecmg_iface, .client = "10.0.0.5:43122", .server = "10.0.0.7:2000", .from_start = true,
		.to_end = true, .version = 3, .first_ns = EPOCH + 250 * MS, .last_ns = EPOCH + (int64_t)periods * 10 * SECOND + 2 * SECOND, .first_frame = 1,
		.last_frame = 12 + 4 * periods, .messages = 4 + 2 * streams * periods, .nstreams = streams };
	s->channel = (struct lint_channel){ 1, 0x4ae60001, 0, 0, 20, 1, 2, 500, 500, -200, -200, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN };
	s->streams = room(streams, sizeof(*s->streams));
	for (size_t i = 0; i < streams; i++)
		make_stream(s, &s->streams[i], periods, bad, on_air);
	make_latency(s);
	s->count[s->ncounts++] = (struct lint_count){ 1, "channel_setup", 1, 0 };
	s->count[s->ncounts++] = (struct lint_count){ 3, "channel_status", 0, 1 };
	s->count[s->ncounts++] = (struct lint_count){ 0x201, "CW_provision", streams * periods, 0 };
	s->count[s->ncounts++] = (struct lint_count){ 0x202, "ECM_response", 0, s->latency[0].n };
	r->sessions[r->nsessions++] = s;
	r->messages += s->messages;
	r->last_ns = s->last_ns > r->last_ns ? s->last_ns : r->last_ns;
	return s;
}

static struct lint_session *
make_data_session(struct lint_report *r)
{
	struct lint_session *s = room(1, sizeof(*s));

	*s = (struct lint_session){ .number = (unsigned)r->nsessions + 1, .iface = &emmg_iface, .client = "10.0.0.8:51002", .server = "10.0.0.9:3000", .to_end = true,
		.version = 2, .first_ns = EPOCH + 4 * SECOND, .last_ns = EPOCH + 90 * SECOND, .first_frame = 3, .last_frame = 700, .messages = 640, .nstreams = 1 };
	s->channel = (struct lint_channel){ 2, 0x00010001, 1, -1, -1, -1, -1, -1, -1, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN };
	s->streams = room(1, sizeof(*s->streams));
	s->streams[0] = (struct lint_stream){ .channel = 2, .id = 1, .ecm_id = 9, .bandwidth_kbit = 100, .opened_ns = s->first_ns + SECOND, .data_bytes = 940000, .data_messages = 630 };
	s->gap[s->ngaps++] = (struct lint_gap){ 0, 300, EPOCH + 50 * SECOND, 1460, DEC_GAP };
	r->sessions[r->nsessions++] = s;
	r->messages += s->messages;
	return s;
}

static struct lint_finding *
make_finding(struct lint_report *r, size_t rule, struct lint_session *s, uint64_t frame, int64_t at_ns, const char *text)
{
	struct lint_finding *f = &r->findings[r->nfindings++];

	*f = (struct lint_finding){ .rule = &rules[rule], .session = s->number, .stream = 1, .side = rules[rule].side, .frame = frame, .at_ns = at_ns, .last_frame = frame, .last_ns = at_ns, .count = 1 };
	snprintf(f->clause, sizeof(f->clause), "%s", rules[rule].clause ? rules[rule].clause : "TS 103 197, 4.4");
	snprintf(f->message, sizeof(f->message), "%s", rule == 0 ? "ECM_response" : "CW_provision");
	snprintf(f->text, sizeof(f->text), "%s", text);
	r->found[rules[rule].severity]++;
	s->found[rules[rule].severity]++;
	r->of_rule[rule]++;
	return f;
}

static struct lint_report *
make_report(size_t sessions, size_t findings, const char *name)
{
	struct lint_report *r = room(1, sizeof(*r));

	*r = (struct lint_report){ .name = name, .first_ns = EPOCH, .last_ns = EPOCH + SECOND, .whole = true };
	r->counts.frames = 1234;
	r->counts.tcp = 1230;
	r->counts.udp = 4;
	r->sessions = room(sessions, sizeof(*r->sessions));
	r->findings = room(findings, sizeof(*r->findings));
	return r;
}

static void
free_report(struct lint_report *r)
{
	for (size_t i = 0; i < r->nsessions; i++) {
		struct lint_session *s = r->sessions[i];

		for (size_t k = 0; k < s->nstreams; k++)
			free(s->streams[k].periods);
		for (size_t k = 0; k < s->nlatencies; k++)
			free(s->latency[k].hist);
		free(s->streams);
		free(s);
	}
	free(r->sessions);
	free(r->findings);
	free(r);
}
#endif
