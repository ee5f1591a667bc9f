/* tools/load_out.c: what simulgate load has measured, as text and as JSON */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include "tools/load.h"

const char *const load_sides[] = { [LOAD_ECMG] = "ecmg", [LOAD_MUX] = "mux", [LOAD_SCS] = "scs", [LOAD_BSM] = "bsm" };

static double
ms(int64_t ns)
{
	return (double)ns / 1e6;
}

static void
line(const char *name, const struct hist *h)
{
	if (h->n)
		printf("%-16s %10.3f %10.3f %10.3f %10.3f %10.3f\n", name, ms(hist_quantile(h, 0.5)), ms(hist_quantile(h, 0.99)),
		    ms(hist_quantile(h, 0.999)), ms(h->max), hist_mean(h) / 1e6);
}

static void
distribution(const struct hist *h)
{
	struct hist_bucket b;
	uint64_t sum = 0;
	unsigned at = 0;

	printf("\n%14s %14s %12s %9s\n", "from, ms", "to, ms", "requests", "share");
	while (hist_next(h, &at, &b)) {
		sum += b.n;
		printf("%14.6f %14.6f %12" PRIu64 " %8.4f%%\n", ms(b.low), ms(b.high), b.n, 100 * (double)sum / (double)h->n);
	}
}

const struct hist *
load_times(const struct load_conf *c, const struct load_report *r)
{
	return c->side == LOAD_SCS ? &r->interval : &r->pace.due;
}

static double
per_second(const struct load_report *r, uint64_t n)
{
	return r->ran_ns ? (double)n * 1e9 / (double)r->ran_ns : 0;
}

static void
print_counts(const struct load_conf *c, const struct load_report *r)
{
	char expected[LOAD_WORDS], text[LOAD_WORDS];
	bool scs = c->side == LOAD_SCS;
	const struct { const char *name; uint64_t n; } rows[] = {
		{ scs ? "asked while unanswered" : "answers to another question", r->wrong },
		{ "answers unasked, or after the time-out", r->late }, { "without an answer", r->pace.unanswered }, { "not sent: the stream was never free", r->pace.unsent },
		{ "messages that do not decode", r->bad }, { "errors", r->errors },
		{ "datagrams by UDP", r->datagrams }, { "datagrams that this machine refused", r->unsendable },
		{ "connections refused", r->refused }, { "connections lost", r->lost },
	};

	printf("%" PRIu64 " requests, %" PRIu64 " answers, %.1f/s", r->pace.sent, r->answered, per_second(r, r->answered));
	if (c->rate > 0)
		printf(" (asked for: %.0f/s)", c->rate);
	printf("\n%.1f s, %u of %u %s were up", ms(r->ran_ns) / 1e3, r->up, scs ? r->up : c->connections, c->side == LOAD_BSM ? "terminals" : "connections");
	if (scs)
		printf(", %u streams", r->streams);
	printf("\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].n)
			printf("  %-36s %10" PRIu64 "\n", rows[i].name, rows[i].n);
	for (unsigned i = 0; c->side != LOAD_BSM && i < r->nerrors; i++)
		printf("    0x%04x %-58s %10" PRIu64 "\n", r->error[i].status, sim_status_words(load_iface(c->side), r->error[i].status)->name,
		    r->error[i].n);
	if (c->misdeed) {
		bool good = load_judge(c, r, expected);

		printf("  %-36s %10" PRIu64 "\n", c->misdeed->name, r->misdeeds);
		for (unsigned i = 0; c->side == LOAD_BSM && i < r->nerrors; i++)
			printf("    %-34s %10" PRIu64 "\n", load_outcome_text(r->error[i].status, text, sizeof(text)), r->error[i].n);
		printf("  as it should be (%s): %s\n", expected, r->misdeeds == 0 ? "never tried" : good ? "yes" : "no");
	}
	if (r->why.code)
		printf("  first failure: %s\n", r->why.text);
}

/* What a terminal was told in place of what it asked for. */
static const char *
code_text(unsigned status, char *out, size_t cap)
{
	if (status == 0)
		return "no answer";
	if (status == 200)
		return "200, that is no answer";
	snprintf(out, cap, status > PHONE_DOCUMENT ? "%u in the document" : "%u", status > PHONE_DOCUMENT ? status - PHONE_DOCUMENT : status);
	return out;
}

static void
print_bsm(const struct load_bsm_report *r)
{
	char text[40];

	for (unsigned i = 0; i < r->ncodes; i++)
		printf("  %-10s %-25s %10" PRIu64 "\n", phone_asks[r->code[i].kind], code_text(r->code[i].status, text, sizeof(text)), r->code[i].n);
	if (r->unknown)
		printf("  %-36s %10" PRIu64 "\n", "B-TIDs not known any more", r->unknown);
	if (r->ltkms || r->pulls || r->again || r->refused || r->strangers)
		printf("%" PRIu64 " LTKMs, %" PRIu64 " pulls, %" PRIu64 " once more, %" PRIu64 " refused by the card, %" PRIu64 " for nobody here\n", r->ltkms, r->pulls, r->again,
		    r->refused, r->strangers);
}

void
load_print_text(const struct load_conf *c, const struct load_report *r, bool whole)
{
	bool rate = c->rate > 0;

	print_counts(c, r);
	print_bsm(&r->bsm);
	if (r->pace.sent_ns.n || r->ready.n)
		printf("\n%-16s %10s %10s %10s %10s %10s\n", "ms", "p50", "p99", "p99.9", "max", "mean");
	if (rate)
		line("from when due", &r->pace.due);
	line(c->side == LOAD_SCS ? "our answers" : rate ? "from when sent" : "answers", &r->pace.sent_ns);
	line("set-up", &r->ready);
	line("between requests", &r->interval);
	for (unsigned i = 0; i < PHONE_ASKS; i++)
		line(phone_asks[i], &r->bsm.kind[i].ns);
	line("each by HTTP", &r->bsm.exchange);
	line("LTKM there after", &r->bsm.push);
	if (rate && hist_quantile(&r->pace.behind, 0.99) > 1000000)
		printf("the generator itself was late by %.3f ms (p99): this machine is busy, or too slow\n", ms(hist_quantile(&r->pace.behind, 0.99)));
	if (whole)
		distribution(load_times(c, r));
}

static json_t *
json_hist(const struct hist *h, bool whole)
{
	json_t *j = json_pack("{s:I,s:f,s:f,s:f,s:f,s:f,s:f}", "n", (json_int_t)h->n, "min", ms(h->min), "p50", ms(hist_quantile(h, 0.5)), "p99",
	    ms(hist_quantile(h, 0.99)), "p99.9", ms(hist_quantile(h, 0.999)), "max", ms(h->max), "mean", hist_mean(h) / 1e6);
	json_t *list = whole ? json_array() : NULL;
	struct hist_bucket b;
	unsigned at = 0;

	while (whole && hist_next(h, &at, &b))
		json_array_append_new(list, json_pack("[f,f,I]", ms(b.low), ms(b.high), (json_int_t)b.n));
	if (whole)
		json_object_set_new(j, "buckets", list);
	return j;
}

/* error_status values; or what misdeeds of terminals have earned. */
static json_t *
json_errors(const struct load_conf *c, const struct load_report *r)
{
	json_t *j = json_object();
	char text[LOAD_WORDS];

	for (unsigned i = 0; i < r->nerrors; i++) {
		if (c->side == LOAD_BSM)
			load_outcome_text(r->error[i].status, text, sizeof(text));
		else
			snprintf(text, sizeof(text), "0x%04x", r->error[i].status);
		json_object_set_new(j, text, json_integer((json_int_t)r->error[i].n));
	}
	return j;
}

static json_t *
json_misbehaviour(const struct load_conf *c, const struct load_report *r)
{
	char expected[LOAD_WORDS];
	bool good = load_judge(c, r, expected);
	json_t *j = json_pack("{s:s,s:I,s:s,s:b}", "kind", c->misdeed->name, "done", (json_int_t)r->misdeeds, "expected", expected, "as_expected",
	    good && r->misdeeds > 0);

	if (c->side == LOAD_BSM)
		json_object_set_new(j, "answers", json_errors(c, r));
	return j;
}

static json_t *
json_bsm(const struct load_bsm_report *r, bool whole)
{
	json_t *kinds = json_object(), *codes = json_object();
	char name[40];

	for (unsigned i = 0; i < PHONE_ASKS; i++) {
		const struct load_kind *k = &r->kind[i];
		if (k->asked)
			json_object_set_new(kinds, phone_asks[i], json_pack("{s:I,s:I,s:I,s:o}", "asked", (json_int_t)k->asked, "done", (json_int_t)k->done,
			    "failed", (json_int_t)k->failed, "ms", json_hist(&k->ns, whole)));
	}
	for (unsigned i = 0; i < r->ncodes; i++) {
		unsigned s = r->code[i].status;
		snprintf(name, sizeof(name), s > PHONE_DOCUMENT ? "%s document %u" : "%s %u", phone_asks[r->code[i].kind], s % PHONE_DOCUMENT);
		json_object_set_new(codes, name, json_integer((json_int_t)r->code[i].n));
	}
	return json_pack("{s:o,s:o,s:I,s:{s:I,s:I,s:I,s:I,s:I},s:o,s:o}", "kinds", kinds, "failures", codes, "unknown_btid", (json_int_t)r->unknown,
	    "ltkm", "keys", (json_int_t)r->ltkms, "pulls", (json_int_t)r->pulls, "again", (json_int_t)r->again, "refused", (json_int_t)r->refused,
	    "strangers", (json_int_t)r->strangers, "http_ms", json_hist(&r->exchange, whole), "ltkm_ms", json_hist(&r->push, whole));
}

void
load_print_json(const struct load_conf *c, const struct load_report *r, bool whole)
{
	char at[GW_ADDR_TEXT];
	json_t *j;

	j = json_pack("{s:s,s:s,s:f,s:{s:I,s:I,s:I,s:I},s:{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I},s:f,s:f,s:o}",
	    "loaded", load_sides[c->side], "at", c->side == LOAD_BSM ? c->bsm.url : gw_addr_text(&c->at, at, sizeof(at)), "seconds", (double)r->ran_ns / 1e9,
	    "connections", "asked", (json_int_t)c->connections, "up", (json_int_t)r->up, "refused", (json_int_t)r->refused, "lost", (json_int_t)r->lost,
	    "requests", "sent", (json_int_t)r->pace.sent, "answered", (json_int_t)r->answered, "errors", (json_int_t)r->errors, "wrong", (json_int_t)r->wrong,
	    "late", (json_int_t)r->late, "unanswered", (json_int_t)r->pace.unanswered, "unsent", (json_int_t)r->pace.unsent, "undecodable", (json_int_t)r->bad,
	    "misdeeds", (json_int_t)r->misdeeds, "datagrams", (json_int_t)r->datagrams, "unsendable", (json_int_t)r->unsendable, "rate_asked", c->rate, "rate", per_second(r, r->answered),
	    "errors", c->side == LOAD_BSM ? json_object() : json_errors(c, r));
	if (!j)
		return;
	if (c->misdeed)
		json_object_set_new(j, "misbehaviour", json_misbehaviour(c, r));
	if (c->side == LOAD_BSM)
		json_object_set_new(j, "bsm", json_bsm(&r->bsm, whole));
	if (c->side == LOAD_SCS)
		json_object_set_new(j, "interval_ms", json_hist(&r->interval, whole));
	else {
		json_object_set_new(j, "from_due_ms", json_hist(&r->pace.due, whole));
		json_object_set_new(j, "set_up_ms", json_hist(&r->ready, false));
	}
	json_object_set_new(j, "from_sent_ms", json_hist(&r->pace.sent_ns, whole && c->side != LOAD_SCS));
	json_dumpf(j, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
	putchar('\n');
	json_decref(j);
}
