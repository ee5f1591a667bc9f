/* tools/load.c: simulgate-load: the command line, the life, the report */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/args.h"
#include "lib/conf.h"
#include "lib/hex.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "tools/load.h"

enum { PROGRESS_MS = 500, EVERY = 100, SPARE_FILES = 64 };

struct app {
	struct load_conf conf;
	const char *misdeed;
	unsigned rate;
	uint64_t ramp_ms, duration_ms, timeout_ms, cp_ms;
	bool json, histogram, progress;
	uv_loop_t loop;
	struct gw_life life;
	uv_timer_t tick;
	bool ticking;
	struct load_client *client;
	struct load_serve *serve;
	struct load_report report;
	int64_t start, told_at; uint64_t told;
};

/* ---- options ---- */

#define NUMBER(name, kind, member, least, most) \
	static int take_##name(void *self, const char *value, struct gw_err *err) { \
		static const struct gw_conf_row row = { .key = #name, .type = kind, GW_CONF_AT(app, member), .min = least, .max = most }; \
		return gw_conf_value(&row, self, value, err); }
#define FLAG(name, member) \
	static int take_##name(void *self, const char *value, struct gw_err *err) { \
		(void)value, (void)err; ((struct app *)self)->member = true; return 0; }

NUMBER(connections, GW_CONF_UINT, conf.connections, 1, LOAD_CONNECTIONS)
NUMBER(streams, GW_CONF_UINT, conf.streams, 1, LOAD_STREAMS)
NUMBER(window, GW_CONF_UINT, conf.window, 1, LOAD_STREAMS)
NUMBER(rate, GW_CONF_UINT, rate, 1, 10000000)
NUMBER(ramp, GW_CONF_DURATION, ramp_ms, 0, 86400000)
NUMBER(duration, GW_CONF_DURATION, duration_ms, 100, INT64_C(31) * 86400000)
NUMBER(timeout, GW_CONF_DURATION, timeout_ms, 10, 600000)
NUMBER(super_cas_id, GW_CONF_UINT, conf.super_cas_id, 0, UINT32_MAX)
NUMBER(client_id, GW_CONF_UINT, conf.client_id, 0, UINT32_MAX)
NUMBER(data_id, GW_CONF_UINT, conf.data_id, 0, UINT16_MAX)
NUMBER(version, GW_CONF_UINT, conf.version, 1, 5)
NUMBER(cw_length, GW_CONF_UINT, conf.cw_len, 8, 64)
NUMBER(cp, GW_CONF_DURATION, cp_ms, 100, 6553500)
NUMBER(size, GW_CONF_UINT, conf.size, 3, LOAD_DATAGRAM)
NUMBER(lead, GW_CONF_UINT, conf.lead, 0, 7)
NUMBER(cw_per_msg, GW_CONF_UINT, conf.cw_per_msg, 1, 8)
NUMBER(delay, GW_CONF_DURATION, conf.delay_ms, 0, 60000)
NUMBER(every, GW_CONF_UINT, conf.every, 1, UINT32_MAX)
FLAG(bcast, conf.bcast)
FLAG(json, json)
FLAG(histogram, histogram)

static int
take_ac(void *self, const char *value, struct gw_err *err)
{
	struct load_conf *c = &((struct app *)self)->conf;
	int n = gw_unhex(strncmp(value, "0x", 2) == 0 ? value + 2 : value, c->ac, sizeof(c->ac));

	if (n < 1)
		return gw_fail(err, GW_EUSAGE, "%s: not 1 to %zu octets in hexadecimal digits", value, sizeof(c->ac));
	c->ac_len = (size_t)n;
	return 0;
}

static int
take_misbehave(void *self, const char *value, struct gw_err *err)
{
	((struct app *)self)->misdeed = value;
	for (const struct load_misdeed *d = load_misdeeds; d->name; d++)
		if (strcmp(d->name, value) == 0)
			return 0;
	return gw_fail(err, GW_EUSAGE, "nobody misbehaves by %s; see simulgate-load(1)", value);
}

static const struct gw_option options[] = {
	{ "connections", "N", "so many, a channel each; default 1", take_connections },
	{ "streams", "N", "of each channel; default 1", take_streams },
	{ "rate", "N", "requests a second, of all streams together", take_rate },
	{ "window", "N", "instead: requests outstanding on a connection; default: one a stream", take_window },
	{ "ramp", "TIME", "connections are opened over that time; default: at once", take_ramp },
	{ "duration", "TIME", "of all, the ramp included; default 10s; scs: until stopped", take_duration },
	{ "timeout", "TIME", "what has no answer by then gets none; default 5s", take_timeout },
	{ "super-cas-id", "ID", "ecmg: default 0x4ae60001", take_super_cas_id },
	{ "cw-length", "N", "ecmg: octets of a control word; default 8, of protocol_version 2 and later 16", take_cw_length },
	{ "cp-duration", "TIME", "ecmg: nominal_CP_duration; default 10s", take_cp },
	{ "access-criteria", "HEX", "ecmg: of each request; default: none", take_ac },
	{ "bcast", NULL, "ecmg, scs: as for OMA BCAST: protection, key identifiers, STKMs", take_bcast },
	{ "client-id", "ID", "mux: default 0x4ae60001", take_client_id },
	{ "data-id", "N", "mux: of the first stream; others follow; default 1", take_data_id },
	{ "size", "N", "mux: octets of a datagram; default 184. scs: of an ECM", take_size },
	{ "lead-cw", "N", "scs: lead_CW of channel_status; default 0", take_lead },
	{ "cw-per-msg", "N", "scs: CW_per_msg; default 1", take_cw_per_msg },
	{ "delay", "TIME", "scs: an answer takes so long; default 0", take_delay },
	{ "protocol-version", "N", "1 to 5; default 3", take_version },
	{ "misbehave", "KIND", "does what a peer should not do; simulgate-load(1) lists what", take_misbehave },
	{ "every", "N", "that with every so many-th request; default 100", take_every },
	{ "histogram", NULL, "the whole distribution, too", take_histogram },
	{ "json", NULL, "the report as an object", take_json },
};
static const struct gw_program program = { "simulgate-load", "ecmg|mux|scs tcp://HOST:PORT [--connections N] [--rate N | --window N] …",
	"Loads an ECMG, a MUX, or (as the ECMG that they connect to) SCSs with many channels, and measures their answers.",
	options, sizeof(options) / sizeof(options[0]), 2, 2 };

static int
check_misdeed(struct app *a, struct gw_err *err)
{
	for (const struct load_misdeed *d = load_misdeeds; a->misdeed && d->name; d++)
		if (strcmp(d->name, a->misdeed) == 0 && d->scs == (a->conf.side == LOAD_SCS)) {
			a->conf.misdeed = d;
			return 0;
		}
	return a->misdeed ? gw_fail(err, GW_EUSAGE, "--misbehave %s is for the other side", a->misdeed) : 0;
}

static int
check_usage(struct app *a, char **rest, struct gw_err *err)
{
	static const char *const sides[] = { [LOAD_ECMG] = "ecmg", [LOAD_MUX] = "mux", [LOAD_SCS] = "scs" };
	struct load_conf *c = &a->conf;
	unsigned side = 0;

	while (side <= LOAD_SCS && strcmp(sides[side], rest[0]) != 0)
		side++;
	if (side > LOAD_SCS)
		return gw_fail(err, GW_EUSAGE, "%s: who is loaded is ecmg, mux or scs", rest[0]);
	c->side = (enum load_side)side;
	if (gw_addr_parse(rest[1], GW_TCP, &c->at, err) < 0 || check_misdeed(a, err) < 0)
		return -1;
	if (a->rate && c->window)
		return gw_fail(err, GW_EUSAGE, "--rate and --window: one of the two");
	if (c->window > c->streams)
		return gw_fail(err, GW_EUSAGE, "--window %u with --streams %u: a stream has one request outstanding at a time", c->window, c->streams);
	if (!c->cw_len)
		c->cw_len = c->version == 1 ? 8 : 16;
	if (c->version == 1 && c->cw_len != 8)
		return gw_fail(err, GW_EUSAGE, "--cw-length: control words of protocol_version 1 have 8 octets");
	if (side == LOAD_SCS && c->size > LOAD_ECM)
		return gw_fail(err, GW_EUSAGE, "--size %u: ECMs have at most %d octets here", c->size, LOAD_ECM);
	c->rate = a->rate;
	c->window = c->window ? c->window : c->streams;
	c->ramp_ns = (int64_t)a->ramp_ms * 1000000;
	c->duration_ns = (int64_t)a->duration_ms * 1000000;
	c->timeout_ns = (int64_t)a->timeout_ms * 1000000;
	c->cp_100ms = (unsigned)(a->cp_ms / 100);
	if (!a->duration_ms && side != LOAD_SCS)
		c->duration_ns = INT64_C(10000000000);
	if (side != LOAD_SCS && c->ramp_ns >= c->duration_ns)
		return gw_fail(err, GW_EUSAGE, "--ramp is as long as --duration, or longer");
	return 0;
}

/* ---- the report ---- */

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

static const struct hist *
main_hist(const struct app *a)
{
	return a->conf.side == LOAD_SCS ? &a->report.interval : &a->report.pace.due;
}

static double
per_second(const struct app *a, uint64_t n)
{
	return a->report.ran_ns ? (double)n * 1e9 / (double)a->report.ran_ns : 0;
}

static void
print_counts(const struct app *a)
{
	const struct load_report *r = &a->report;
	bool scs = a->conf.side == LOAD_SCS;
	const struct { const char *name; uint64_t n; } rows[] = {
		{ scs ? "asked while unanswered" : "answers to another question", r->wrong },
		{ "answers unasked, or after the time-out", r->late }, { "without an answer", r->pace.unanswered }, { "not sent: the stream was never free", r->pace.unsent },
		{ "messages that do not decode", r->bad }, { "errors", r->errors },
		{ "connections refused", r->refused }, { "connections lost", r->lost },
	};

	printf("%" PRIu64 " requests, %" PRIu64 " answers, %.1f/s", r->pace.sent, r->answered, per_second(a, r->answered));
	if (a->conf.rate > 0)
		printf(" (asked for: %.0f/s)", a->conf.rate);
	printf("; %.1f s, %u of %u connections were up", ms(r->ran_ns) / 1e3, r->up, scs ? r->up : a->conf.connections);
	if (scs)
		printf(", %u streams", r->streams);
	printf("\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].n)
			printf("  %-36s %10" PRIu64 "\n", rows[i].name, rows[i].n);
	for (unsigned i = 0; i < r->nerrors; i++)
		printf("    0x%04x %-58s %10" PRIu64 "\n", r->error[i].status, sim_status_words(load_iface(a->conf.side), r->error[i].status)->name,
		    r->error[i].n);
	if (a->conf.misdeed)
		printf("  %-36s %10" PRIu64 "\n", a->misdeed, r->misdeeds);
	if (r->why.code)
		printf("  first failure: %s\n", r->why.text);
}

static void
print_text(const struct app *a)
{
	const struct load_report *r = &a->report;
	bool rate = a->conf.rate > 0;

	print_counts(a);
	if (r->pace.sent_ns.n || r->ready.n)
		printf("\n%-16s %10s %10s %10s %10s %10s\n", "ms", "p50", "p99", "p99.9", "max", "mean");
	if (rate)
		line("from when due", &r->pace.due);
	line(a->conf.side == LOAD_SCS ? "our answers" : rate ? "from when sent" : "answers", &r->pace.sent_ns);
	line("set-up", &r->ready);
	line("between requests", &r->interval);
	if (rate && hist_quantile(&r->pace.behind, 0.99) > 1000000)
		printf("the generator itself was late by %.3f ms (p99): this machine is busy, or too slow\n", ms(hist_quantile(&r->pace.behind, 0.99)));
	if (a->histogram)
		distribution(main_hist(a));
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

static void
print_json(const struct app *a)
{
	const struct load_report *r = &a->report;
	static const char *const sides[] = { "ecmg", "mux", "scs" };
	char at[GW_ADDR_TEXT], code[8];
	json_t *errors = json_object(), *j;

	for (unsigned i = 0; i < r->nerrors; i++) {
		snprintf(code, sizeof(code), "0x%04x", r->error[i].status);
		json_object_set_new(errors, code, json_integer((json_int_t)r->error[i].n));
	}
	j = json_pack("{s:s,s:s,s:f,s:{s:I,s:I,s:I,s:I},s:{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I},s:f,s:f,s:o}",
	    "loaded", sides[a->conf.side], "at", gw_addr_text(&a->conf.at, at, sizeof(at)), "seconds", (double)r->ran_ns / 1e9,
	    "connections", "asked", (json_int_t)a->conf.connections, "up", (json_int_t)r->up, "refused", (json_int_t)r->refused, "lost", (json_int_t)r->lost,
	    "requests", "sent", (json_int_t)r->pace.sent, "answered", (json_int_t)r->answered, "errors", (json_int_t)r->errors, "wrong", (json_int_t)r->wrong,
	    "late", (json_int_t)r->late, "unanswered", (json_int_t)r->pace.unanswered, "unsent", (json_int_t)r->pace.unsent, "undecodable", (json_int_t)r->bad,
	    "misdeeds", (json_int_t)r->misdeeds, "rate_asked", a->conf.rate, "rate", per_second(a, r->answered), "errors", errors);
	if (!j)
		return;
	if (a->conf.side == LOAD_SCS)
		json_object_set_new(j, "interval_ms", json_hist(&r->interval, a->histogram));
	else {
		json_object_set_new(j, "from_due_ms", json_hist(&r->pace.due, a->histogram));
		json_object_set_new(j, "set_up_ms", json_hist(&r->ready, false));
	}
	json_object_set_new(j, "from_sent_ms", json_hist(&r->pace.sent_ns, a->histogram && a->conf.side != LOAD_SCS));
	json_dumpf(j, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
	putchar('\n');
	json_decref(j);
}

/* 0: all was as it should be; what is provoked is no fault. */
static int
verdict(const struct app *a)
{
	const struct load_report *r = &a->report;

	if (r->up == 0)
		return gw_exit_status(GW_EUNAVAIL);
	if (a->conf.misdeed)
		return a->conf.side != LOAD_SCS && (r->wrong || r->answered == 0);
	return r->wrong || r->late || r->pace.unanswered || r->pace.unsent || r->bad || r->errors || r->refused || r->lost;
}

/* ---- its life ---- */

static void
on_stop(void *self)
{
	struct app *a = self;

	if (a->client)
		load_client_stop(a->client);
	else if (a->serve)
		load_serve_stop(a->serve);
}

static void
on_reload(void *self)
{
	(void)self;
}

static void
on_ended(void *self)
{
	struct app *a = self;

	gw_life_close(&a->life);
	if (a->ticking)
		uv_close((uv_handle_t *)&a->tick, NULL);
	a->ticking = false;
}

static void
on_tick(uv_timer_t *t)
{
	struct app *a = t->data;
	struct load_live l = a->client ? load_client_live(a->client) : load_serve_live(a->serve);
	int64_t now = (int64_t)uv_hrtime();

	fprintf(stderr, "\r\033[K%.0f s: %u up, %.0f/s, %" PRIu64 " answers, %" PRIu64 " outstanding, %" PRIu64 " errors, p99 %.3f ms%s",
	    (double)(now - a->start) / 1e9, l.up, (double)(l.answered - a->told) * 1e9 / (double)(now - a->told_at), l.answered, l.outstanding, l.errors,
	    ms(hist_quantile(main_hist(a), 0.99)), l.over ? ", ending" : "");
	a->told = l.answered;
	a->told_at = now;
}

static int
start(struct app *a, struct gw_err *err)
{
	char text[GW_ADDR_TEXT];

	if (gw_life_open(&a->life, &a->loop, on_stop, on_reload, a, err) < 0)
		return -1;
	a->start = a->told_at = (int64_t)uv_hrtime();
	if (a->conf.side == LOAD_SCS) {
		if (!(a->serve = load_serve_open(&a->loop, &a->conf, &a->report, on_ended, a, err)))
			return -1;
		a->conf.at = *load_serve_addr(a->serve);
		fprintf(stderr, "simulgate-load: an ECMG at %s\n", gw_addr_text(&a->conf.at, text, sizeof(text)));
	} else if (!(a->client = load_client_open(&a->loop, &a->conf, &a->report, on_ended, a, err))) {
		return -1;
	}
	if (a->progress) {
		uv_timer_init(&a->loop, &a->tick);
		a->tick.data = a;
		a->ticking = true;
		uv_timer_start(&a->tick, on_tick, PROGRESS_MS, PROGRESS_MS);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	static struct app app = { .timeout_ms = 5000, .cp_ms = 10000, .conf = { .connections = 1, .streams = 1, .super_cas_id = 0x4ae60001,
		.client_id = 0x4ae60001, .data_id = 1, .version = 3, .size = 184, .cw_per_msg = 1, .every = EVERY } };
	struct gw_args args;
	struct gw_err err = { 0 };
	int status = gw_args(&program, &args, &app, argc, argv);

	if (status >= 0)
		return status;
	gw_log_init("load", args.log_level);
	if (check_usage(&app, args.rest, &err) < 0) {
		fprintf(stderr, "simulgate-load: %s\n", err.text);
		return gw_exit_status(GW_EUSAGE);
	}
	gw_raise_nofile();
	app.progress = isatty(STDERR_FILENO);
	uv_loop_init(&app.loop);
	if (start(&app, &err) < 0) {
		fprintf(stderr, "simulgate-load: %s\n", err.text);
		status = gw_exit_status(err.code);
		gw_life_close(&app.life);
	}
	gw_loop_fini(&app.loop);
	if (app.progress)
		fprintf(stderr, "\r\033[K");
	if (status < 0) {
		(app.json ? print_json : print_text)(&app);
		status = verdict(&app);
	}
	load_client_free(app.client);
	load_serve_free(app.serve);
	return status;
}
