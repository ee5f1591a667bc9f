/* mux/conf.c */
#include "mux/conf.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/conf.h"
#include "lib/ops.h"

enum { SILENCE_S = 30 };

/* ---- the command line */

static int
take_listen(void *self, const char *value, struct gw_err *err)
{
	return gw_addr_parse(value, GW_TCP, &((struct mux_args *)self)->listen, err);
}

static int
take_udp(void *self, const char *value, struct gw_err *err)
{
	return gw_addr_parse(value, GW_UDP, &((struct mux_args *)self)->udp, err);
}

static int
take_map(void *self, const char *value, struct gw_err *err)
{
	return mux_map_add(&((struct mux_args *)self)->map, value, err);
}

struct rate { uint64_t bps; };
static const struct gw_conf_row rate_rows[] = {
	{ "total", GW_CONF_RATE, GW_CONF_AT(rate, bps), .flags = GW_CONF_NEED, .min = 1000, .max = INT64_C(10000000000) },
};
static const struct gw_conf_schema rate_schema = { rate_rows, 1, sizeof(struct rate), "rate", .check = NULL };

/* Read as the file's reader reads one. */
static int
take_total(void *self, const char *value, struct gw_err *err)
{
	struct rate r = { 0 };
	char text[64];
	const int n = snprintf(text, sizeof(text), "total: %s\n", value);

	if (n >= (int)sizeof(text) || strpbrk(value, "\n#{[\"'") || gw_conf_load_text(&rate_schema, "--total", text, (size_t)n, &r, NULL, NULL) < 0)
		return gw_fail(err, GW_EUSAGE, "%s is no bit rate as 1Mbit/s, from 1kbit/s to 10Gbit/s", value);
	((struct mux_args *)self)->total_bps = r.bps;
	return 0;
}

static int
take_silence(void *self, const char *value, struct gw_err *err)
{
	char *end;
	unsigned long s;

	errno = 0;
	s = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || s > 86400)
		return gw_fail(err, GW_EUSAGE, "%s is no number of seconds up to 86400", value);
	((struct mux_args *)self)->silence_ms = (unsigned)s * 1000;
	return 0;
}

static int
take_strict(void *self, const char *value, struct gw_err *err)
{
	(void)value;
	(void)err;
	((struct mux_args *)self)->strict = true;
	return 0;
}

static const struct gw_option options[] = {
	{ "listen", "ADDR", "tcp://HOST:PORT for EMMGs and PDGs; port 0: the kernel picks", take_listen },
	{ "udp", "ADDR", "udp://HOST:PORT for their data_provision by UDP", take_udp },
	{ "map", "MAP", "[DATA_TYPE/]CLIENT_ID/DATA_ID=udp://HOST:PORT[?pid=0x1f0]: where a stream goes; may be repeated", take_map },
	{ "total", "RATE", "what all streams may use together (1Mbit/s)", take_total },
	{ "strict", NULL, "answer unknown messages and parameters with errors, tolerate no deviation", take_strict },
	{ "silence", "SECONDS", "probe a peer that is silent so long with channel_test (30); 0: never", take_silence },
};
static const struct gw_program program = {
	.name = "simulgate-mux",
	.usage = "[--config FILE] | --listen ADDR [--udp ADDR] --map MAP ...",
	.summary = "A MUX: keeps the ECMs and STKMs of committed crypto-periods on air, and what EMMGs and PDGs send (TS 103 197).",
	.options = options, .noptions = sizeof(options) / sizeof(options[0]),
};

int
mux_args(struct mux_args *a, int argc, char **argv)
{
	*a = (struct mux_args){ .silence_ms = SILENCE_S * 1000 };
	return gw_args(&program, &a->common, a, argc, argv);
}

void
mux_args_free(struct mux_args *a)
{
	mux_map_free(&a->map);
}

/* ---- what is in force */

static int
from_file(struct mux_conf *c, const struct mux_args *a, struct gw_err *err)
{
	char text[GW_ADDR_TEXT];

	if (a->map.n > 0 || a->total_bps)
		return gw_fail(err, GW_EUSAGE, "--map and --total are for a mux without a file");
	c->file = headend_load(a->common.config, err);
	if (!c->file)
		return -1;
	c->rules = c->file->mux;
	c->rules.strict = c->rules.strict || a->strict;
	snprintf(text, sizeof(text), "unix://%s/scs.sock", c->file->playout);
	if (gw_addr_parse(text, GW_UNIX, &c->scs, err) < 0)
		return -1;
	if (!c->status.scheme && gw_ops_default_addr(c->file->playout, "mux", "", &c->status, err) < 0)
		return -1;
	return mux_map_take(&c->map, c->file, err);
}

/* The defaults are those of an empty file. */
static int
from_words(struct mux_conf *c, const struct mux_args *a, struct gw_err *err)
{
	char none[] = "head_end: none\n";
	struct headend *defaults;

	if (!a->listen.scheme || a->map.n == 0)
		return gw_fail(err, GW_EUSAGE, "a mux without a file needs --listen and --map; see --help");
	defaults = headend_load_text("defaults", none, strlen(none), err);
	if (!defaults)
		return -1;
	c->rules = defaults->mux;
	headend_free(defaults);
	c->rules.emmg = a->listen;
	c->rules.emmg_udp = a->udp;
	c->rules.strict = a->strict;
	c->rules.total_bandwidth_bps = a->total_bps ? a->total_bps : c->rules.total_bandwidth_bps;
	c->map.v = calloc(a->map.n, sizeof(*c->map.v));
	if (!c->map.v)
		return gw_fail(err, GW_ESYS, "out of memory");
	memcpy(c->map.v, a->map.v, a->map.n * sizeof(*c->map.v));
	c->map.n = a->map.n;
	return 0;
}

int
mux_conf_load(struct mux_conf *c, const struct mux_args *a, struct gw_err *err)
{
	const bool words = !a->common.config && a->listen.scheme;

	*c = (struct mux_conf){ .status = a->common.status, .silence_ms = a->silence_ms };
	if ((words ? from_words(c, a, err) : from_file(c, a, err)) < 0) {
		mux_conf_free(c);
		return -1;
	}
	if (a->listen.scheme)
		c->rules.emmg = a->listen;
	if (a->udp.scheme)
		c->rules.emmg_udp = a->udp;
	return 0;
}

void
mux_conf_print(const struct mux_conf *c)
{
	char text[GW_ADDR_TEXT];

	if (c->file) {
		headend_print(c->file);
		return;
	}
	printf("listen=%s\n", gw_addr_text(&c->rules.emmg, text, sizeof(text)));
	if (c->rules.emmg_udp.scheme)
		printf("udp=%s\n", gw_addr_text(&c->rules.emmg_udp, text, sizeof(text)));
	for (size_t i = 0; i < c->map.n; i++) {
		const struct mux_route *r = &c->map.v[i];
		if (r->data_type == MUX_ANY_TYPE)
			printf("map=0x%08" PRIx32 "/%u=%s\n", r->client_id, r->data_id, gw_addr_text(&r->out, text, sizeof(text)));
		else
			printf("map=%d/0x%08" PRIx32 "/%u=%s\n", r->data_type, r->client_id, r->data_id, gw_addr_text(&r->out, text, sizeof(text)));
	}
	printf("total=%" PRIu64 "bit/s\nstrict=%s\nsilence=%us\n", c->rules.total_bandwidth_bps, c->rules.strict ? "true" : "false",
	    c->silence_ms / 1000);
}

void
mux_conf_free(struct mux_conf *c)
{
	headend_free(c->file);
	c->file = NULL;
	mux_map_free(&c->map);
}
