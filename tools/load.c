/* tools/load.c: simulgate-load: the command line, the life, the report */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/args.h"
#include "lib/hex.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/secret.h"
#include "lib/takes.h"
#include "tools/load.h"

enum { PROGRESS_MS = 500, EVERY = 100, SECRET_KIB = 32768 };

struct app {
	struct load_conf conf;
	const char *misdeed;
	unsigned rate;
	uint64_t ramp_ms, duration_ms, timeout_ms, cp_ms;
	const char *naf, *bsf;
	bool json, histogram, progress, print_subscribers;
	uv_loop_t loop;
	struct gw_life life;
	uv_timer_t tick;
	bool ticking;
	struct load_client *client;
	struct load_serve *serve;
	struct load_bsm *bsm;
	struct load_report report;
	int64_t start, told_at; uint64_t told;
};

/* ---- options ---- */

#define NUMBER(name, kind, member, least, most) GW_TAKE(name, kind, app, member, .min = least, .max = most)
NUMBER(connections, GW_CONF_UINT, conf.connections, 1, LOAD_CONNECTIONS)
NUMBER(streams, GW_CONF_UINT, conf.streams, 1, LOAD_STREAMS)
NUMBER(window, GW_CONF_UINT, conf.window, 1, LOAD_CONNECTIONS)
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
GW_TAKE_ADDR(udp, app, conf.udp, GW_UDP)
GW_TAKE_FLAG(bcast, app, conf.bcast)
GW_TAKE_FLAG(json, app, json)
GW_TAKE_FLAG(histogram, app, histogram)
GW_TAKE_TEXT(subscribers, app, conf.bsm.subscribers)
GW_TAKE_TEXT(bsf_url, app, conf.bsm.bsf_url)
GW_TAKE_TEXT(naf, app, naf)
GW_TAKE_TEXT(bsf, app, bsf)
GW_TAKE_TEXT(service, app, conf.bsm.service)
GW_TAKE_TEXT(ca, app, conf.bsm.ca)
GW_TAKE_ADDR(ltkm, app, conf.bsm.ltkm, GW_UDP)
GW_TAKE_FLAG(mac_star, app, conf.bsm.mac_star)
GW_TAKE_FLAG(print_subscribers, app, print_subscribers)

/* FROM-UPTO */
static int
take_range(void *self, const char *value, struct gw_err *err)
{
	struct load_bsm_conf *c = &((struct app *)self)->conf.bsm;
	int end = 0;

	if (sscanf(value, "%9u-%9u%n", &c->from, &c->upto, &end) < 2 || value[end] || c->from == 0 || c->upto < c->from ||
	    c->upto - c->from >= LOAD_CONNECTIONS)
		return gw_fail(err, GW_EUSAGE, "%s is no range of at most %d numbers, such as 1-1000", value, LOAD_CONNECTIONS);
	return 0;
}

/* What terminals ask, a list of words. */
static int
take_ask(void *self, const char *value, struct gw_err *err)
{
	struct load_bsm_conf *c = &((struct app *)self)->conf.bsm;
	size_t len;

	c->nasks = 0;
	for (const char *p = value;; p += len + 1) {
		unsigned what = PHONE_REGISTER;	/* bootstrapping is where each begins */

		len = strcspn(p, ",");
		while (what < PHONE_ASKS && (strlen(phone_asks[what]) != len || strncmp(phone_asks[what], p, len) != 0))
			what++;
		if (what == PHONE_ASKS || c->nasks == LOAD_ASKS)
			return gw_fail(err, GW_EUSAGE, "%s is no list of at most %d of register, ltkm, stkm and deregister", value, LOAD_ASKS);
		c->asks[c->nasks++] = (uint8_t)what;
		if (!p[len])
			return 0;
	}
}

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
	{ "connections", "N", "so many, a channel each; default 1. bsm: terminals; default: all subscribers", take_connections },
	{ "streams", "N", "of each channel; default 1", take_streams },
	{ "rate", "N", "requests a second, of all streams together", take_rate },
	{ "window", "N", "instead: requests outstanding on a connection; default: one a stream. bsm: of all; default: one a terminal", take_window },
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
	{ "udp", "ADDR", "mux: data go to udp://HOST:PORT; control stays on TCP", take_udp },
	{ "size", "N", "mux: octets of a datagram; default 184. scs: of an ECM", take_size },
	{ "lead-cw", "N", "scs: lead_CW of channel_status; default 0", take_lead },
	{ "cw-per-msg", "N", "scs: CW_per_msg; default 1", take_cw_per_msg },
	{ "delay", "TIME", "scs: an answer takes so long; default 0", take_delay },
	{ "protocol-version", "N", "1 to 5; default 3", take_version },
	{ "misbehave", "KIND", "does what a peer, or bsm: a terminal, should not do; simulgate-load(1) lists what", take_misbehave },
	{ "every", "N", "that with every so many-th request; default 100", take_every },
	{ "subscribers", "FILE", "bsm: a file as simulgate subscribe takes it, .csv or YAML", take_subscribers },
	{ "range", "N-N", "bsm: instead: subscribers that are made", take_range },
	{ "print-subscribers", NULL, "bsm: those, for simulgate subscribe subscriber import; and no more", take_print_subscribers },
	{ "ask", "LIST", "bsm: register, ltkm, stkm, deregister in turn; default register", take_ask },
	{ "service", "NAME", "bsm: whose STKMs are asked for", take_service },
	{ "ltkm", "ADDR", "bsm: where LTKMs come to: udp://HOST:PORT; HOST is where requests come from, too", take_ltkm },
	{ "naf", "NAME", "bsm: its FQDN, as in the realm", take_naf },
	{ "bsf", "NAME", "bsm: of the BSF; default: as --naf", take_bsf },
	{ "bsf-url", "URL", "bsm: where terminals bootstrap; default: the root of the BSM", take_bsf_url },
	{ "ca", "FILE", "bsm: who vouches for its certificate; default: the system's", take_ca },
	{ "gba-u-mac-star", NULL, "bsm: as its own gba_u_mac_star", take_mac_star },
	{ "histogram", NULL, "the whole distribution, too", take_histogram },
	{ "json", NULL, "the report as an object", take_json },
};
static const struct gw_program program = { "simulgate-load", "ecmg|mux|scs|bsm ADDR [--connections N] [--rate N | --window N] …",
	"Loads an ECMG, a MUX, (as the ECMG that they connect to) SCSs, or a BSM with many channels or terminals, and measures their answers.",
	options, sizeof(options) / sizeof(options[0]), 1, 2 };

static int
check_misdeed(struct app *a, struct gw_err *err)
{
	for (const struct load_misdeed *d = load_misdeeds; a->misdeed && d->name; d++)
		if (strcmp(d->name, a->misdeed) == 0 && d->sides & 1u << a->conf.side) {
			a->conf.misdeed = d;
			return 0;
		}
	return a->misdeed ? gw_fail(err, GW_EUSAGE, "--misbehave %s is not for %s", a->misdeed, load_sides[a->conf.side]) : 0;
}

static int
check_bsm(struct app *a, char *url, struct gw_err *err)
{
	struct load_bsm_conf *c = &a->conf.bsm;

	if (!c->subscribers && c->upto == 0)
		return gw_fail(err, GW_EUSAGE, "whose terminals? --subscribers FILE, or --range");
	if (a->print_subscribers)
		return 0;
	if (!url || !a->naf)
		return gw_fail(err, GW_EUSAGE, "a BSM has a URL and a name: bsm http://HOST:PORT --naf NAME");
	for (unsigned i = 0; i < c->nasks; i++)
		if (c->asks[i] == PHONE_STKM && !c->service)
			return gw_fail(err, GW_EUSAGE, "--ask stkm: of which --service?");
	if (c->nasks == 0)
		c->asks[c->nasks++] = PHONE_REGISTER;
	c->url = url;
	c->naf = strdup(a->naf);
	c->bsf = strdup(a->bsf ? a->bsf : a->naf);
	if (!c->naf || !c->bsf)
		return gw_fail(err, GW_ESYS, "no memory");
	return gw_secrets_init(SECRET_KIB, true, err);
}

static int
check_peer(struct app *a, char **rest, int nrest, struct gw_err *err)
{
	struct load_conf *c = &a->conf;

	if (nrest < 2)
		return gw_fail(err, GW_EUSAGE, "%s where? tcp://HOST:PORT", rest[0]);
	if (!c->connections)
		c->connections = 1;
	return gw_addr_parse(rest[1], GW_TCP, &c->at, err);
}

static int
check_usage(struct app *a, char **rest, int nrest, struct gw_err *err)
{
	struct load_conf *c = &a->conf;
	unsigned side = 0;

	while (side <= LOAD_BSM && strcmp(load_sides[side], rest[0]) != 0)
		side++;
	if (side > LOAD_BSM)
		return gw_fail(err, GW_EUSAGE, "%s: who is loaded is ecmg, mux, scs or bsm", rest[0]);
	c->side = (enum load_side)side;
	if (side == LOAD_BSM && !c->connections)
		c->connections = LOAD_CONNECTIONS;
	if ((side == LOAD_BSM ? check_bsm(a, nrest > 1 ? rest[1] : NULL, err) : check_peer(a, rest, nrest, err)) < 0 || check_misdeed(a, err) < 0)
		return -1;
	if (c->udp.scheme && (side != LOAD_MUX || a->misdeed))
		return gw_fail(err, GW_EUSAGE, "--udp is for data toward a mux, and not with --misbehave");
	if (a->rate && c->window)
		return gw_fail(err, GW_EUSAGE, "--rate and --window: one of the two");
	if (side != LOAD_BSM && c->window > c->streams)
		return gw_fail(err, GW_EUSAGE, "--window %u with --streams %u: a stream has one request outstanding at a time", c->window, c->streams);
	if (!c->cw_len)
		c->cw_len = c->version == 1 ? 8 : 16;
	if (c->version == 1 && c->cw_len != 8)
		return gw_fail(err, GW_EUSAGE, "--cw-length: control words of protocol_version 1 have 8 octets");
	if (side == LOAD_SCS && c->size > LOAD_ECM)
		return gw_fail(err, GW_EUSAGE, "--size %u: ECMs have at most %d octets here", c->size, LOAD_ECM);
	c->rate = a->rate;
	c->window = c->window ? c->window : side == LOAD_BSM ? c->connections : c->streams;
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

/* ---- its end ---- */

/* 0: all was as it should be; what is provoked is no fault. */
static int
verdict(const struct app *a)
{
	const struct load_report *r = &a->report;
	char expected[LOAD_WORDS];

	if (r->up == 0)
		return gw_exit_status(GW_EUNAVAIL);
	if (a->conf.misdeed)
		return !load_judge(&a->conf, r, expected);
	if (a->conf.side == LOAD_BSM)
		return r->pace.unanswered || r->pace.unsent || r->errors || r->refused || r->bsm.unknown || r->bsm.refused;
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
	else if (a->bsm)
		load_bsm_stop(a->bsm);
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
	struct load_live l = a->client ? load_client_live(a->client) : a->bsm ? load_bsm_live(a->bsm) : load_serve_live(a->serve);
	int64_t now = (int64_t)uv_hrtime();

	fprintf(stderr, "\r\033[K%.0f s: %u up, %.0f/s, %" PRIu64 " answers, %" PRIu64 " outstanding, %" PRIu64 " errors, p99 %.3f ms%s",
	    (double)(now - a->start) / 1e9, l.up, (double)(l.answered - a->told) * 1e9 / (double)(now - a->told_at), l.answered, l.outstanding, l.errors,
	    (double)hist_quantile(load_times(&a->conf, &a->report), 0.99) / 1e6, l.over ? ", ending" : "");
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
	} else if (a->conf.side == LOAD_BSM) {
		if (!(a->bsm = load_bsm_open(&a->loop, &a->conf, &a->report, on_ended, a, err)))
			return -1;
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
	static struct app app = { .timeout_ms = 5000, .cp_ms = 10000, .conf = { .streams = 1, .super_cas_id = 0x4ae60001,
		.client_id = 0x4ae60001, .data_id = 1, .version = 3, .size = 184, .cw_per_msg = 1, .every = EVERY } };
	struct gw_args args;
	struct gw_err err = { 0 };
	int status = gw_args(&program, &args, &app, argc, argv);

	if (status >= 0)
		return status;
	gw_log_init("load", args.log_level);
	if (check_usage(&app, args.rest, args.nrest, &err) < 0) {
		fprintf(stderr, "simulgate-load: %s\n", err.text);
		return gw_exit_status(err.code == GW_ESYS ? GW_ESYS : GW_EUSAGE);	/* an address is a part of the command line, too */
	}
	if (app.print_subscribers) {
		load_bsm_print_subscribers(&app.conf.bsm, stdout);
		return 0;
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
		(app.json ? load_print_json : load_print_text)(&app.conf, &app.report, app.histogram);
		status = verdict(&app);
	}
	load_client_free(app.client);
	load_serve_free(app.serve);
	load_bsm_free(app.bsm);
	free(app.conf.bsm.naf);
	free(app.conf.bsm.bsf);
	return status;
}
