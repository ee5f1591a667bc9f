/* ecmg/conf.c */
#include "ecmg/conf.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/ops.h"
#include "lib/settings.h"

enum { WORKERS = 4, SILENCE_S = 30, ECM_LIMIT_MS = 10000 };

static int
take_number(const char *value, unsigned least, unsigned most, unsigned *out, struct gw_err *err)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(value, &end, 0);
	if (*value == '-' || end == value || *end || errno || v < least || v > most)
		return gw_fail(err, GW_EUSAGE, "%s is no number from %u to %u", value, least, most);
	*out = (unsigned)v;
	return 0;
}

static int
take_listen(void *self, const char *value, struct gw_err *err)
{
	struct ecmg_listens *l = &((struct ecmg_args *)self)->own.listen;

	if (l->n == ECMG_LISTENS)
		return gw_fail(err, GW_EUSAGE, "more than %d addresses", ECMG_LISTENS);
	return gw_addr_parse(value, GW_TCP | GW_UNIX, &l->addr[l->n++], err);
}

static int
take_plugin(void *self, const char *value, struct gw_err *err)
{
	return gw_word(&((struct ecmg_args *)self)->own.plugin, value, err);
}

static int
take_kms(void *self, const char *value, struct gw_err *err)
{
	return gw_word(&((struct ecmg_args *)self)->kms, value, err);
}

static int
take_set(void *self, const char *value, struct gw_err *err)
{
	return gw_setting(&((struct ecmg_args *)self)->own.lines, value, err);
}

static int
take_super_cas_id(void *self, const char *value, struct gw_err *err)
{
	struct ecmg_conf *c = &((struct ecmg_args *)self)->own;

	c->one_super_cas_id = true;
	return take_number(value, 0, UINT32_MAX, &c->super_cas_id, err);
}

static int
take_strict(void *self, const char *value, struct gw_err *err)
{
	(void)value;
	(void)err;
	((struct ecmg_args *)self)->own.strict = true;
	return 0;
}

static int
take_workers(void *self, const char *value, struct gw_err *err)
{
	return take_number(value, 1, 256, &((struct ecmg_args *)self)->own.workers, err);
}

static int
take_silence(void *self, const char *value, struct gw_err *err)
{
	unsigned s;

	if (take_number(value, 0, 86400, &s, err) < 0)
		return -1;
	((struct ecmg_args *)self)->own.silence_ms = s * 1000;
	return 0;
}

static int
take_limit(void *self, const char *value, struct gw_err *err)
{
	return take_number(value, 0, 3600000, &((struct ecmg_args *)self)->own.ecm_limit_ms, err);
}

static int
take_max_channels(void *self, const char *value, struct gw_err *err)
{
	return take_number(value, 0, UINT16_MAX, &((struct ecmg_args *)self)->own.max_channels, err);
}

static int
take_max_streams(void *self, const char *value, struct gw_err *err)
{
	return take_number(value, 0, INT32_MAX, &((struct ecmg_args *)self)->own.max_streams, err);
}

static int
take_misbehave(void *self, const char *value, struct gw_err *err)
{
	return ecmg_misbehave_parse(&((struct ecmg_args *)self)->own.misbehave, value, err);
}

static char misbehaviours[4096] = "break the protocol on purpose, to try an SCS; P is a probability, 1 unless given:";

static const struct gw_option options[] = {
	{ "listen", "ADDR", "tcp://HOST:PORT or unix:///PATH; port 0: the kernel picks; may be repeated", take_listen },
	{ "plugin", "NAME|FILE", "the KMS: lab, drm, smartcard, or a plugin's file", take_plugin },
	{ "super-cas-id", "ID", "serve this Super_CAS_id only (0x4AE60001); default: any that the plugin takes", take_super_cas_id },
	{ "set", "KEY=VALUE", "a setting of the plugin; may be repeated", take_set },
	{ "kms", "NAME", "serve this KMS of the configuration, at those of its addresses that are local or at --listen", take_kms },
	{ "strict", NULL, "answer unknown messages and parameters with errors, tolerate no deviation", take_strict },
	{ "workers", "N", "threads for a plugin that may block (4)", take_workers },
	{ "silence", "SECONDS", "probe a peer that is silent so long with channel_test (30); 0: never", take_silence },
	{ "ecm-limit", "MS", "give up an ECM that takes the plugin longer (10000); 0: never", take_limit },
	{ "misbehave", "LIST", misbehaviours, take_misbehave },
	{ "max-channels", "N", "channels of this ECMG; 0: no limit (default)", take_max_channels },
	{ "max-streams", "N", "streams of this ECMG; 0: no limit (default)", take_max_streams },
};
static const struct gw_program program = {
	.name = "simulgate-ecmg", .usage = "--listen ADDR --plugin NAME [--set KEY=VALUE ...] | [--config FILE] --kms NAME",
	.summary = "An ECMG (STKMG): control words in, ECMs of a KMS plugin out, over DVB SimulCrypt (TS 103 197).",
	.options = options, .noptions = sizeof(options) / sizeof(options[0]),
};

/* --help has the table of misbehave.c behind its own words. */
static void
tell_misbehaviours(void)
{
	char form[48];
	const char *meaning;
	size_t n = strlen(misbehaviours);

	for (size_t k = 0; (meaning = ecmg_misbehave_row(k, form)) != NULL && n < sizeof(misbehaviours); k++)
		n += (size_t)snprintf(misbehaviours + n, sizeof(misbehaviours) - n, "\n      %-22s %s", form, meaning);
}

int
ecmg_args(struct ecmg_args *a, int argc, char **argv)
{
	if (!strchr(misbehaviours, '\n'))
		tell_misbehaviours();
	*a = (struct ecmg_args){ .own = { .workers = WORKERS, .silence_ms = SILENCE_S * 1000, .ecm_limit_ms = ECM_LIMIT_MS } };
	return gw_args(&program, &a->common, a, argc, argv);
}

void
ecmg_conf_free(struct ecmg_conf *c)
{
	free(c->plugin);
	free(c->lines);
	c->plugin = c->lines = NULL;
}

void
ecmg_args_free(struct ecmg_args *a)
{
	free(a->kms);
	a->kms = NULL;
	ecmg_conf_free(&a->own);
}

static int
take_entry(struct ecmg_conf *c, const struct headend *he, const struct he_kms *k, const struct ecmg_args *a, struct gw_err *err)
{
	if (!k)
		return gw_fail(err, GW_ECONF, "%s: no kms of the name %s", he->file, a->kms);
	if (!k->plugin)
		return gw_fail(err, GW_ECONF, "%s:%d:%d: kms %s has no plugin: its ECMG is somebody else's", he->file, k->at.line, k->at.column, k->name);
	snprintf(c->kms, sizeof(c->kms), "%s", k->name);
	for (size_t i = 0; a->own.listen.n == 0 && i < k->necmg && c->listen.n < ECMG_LISTENS; i++)
		if (gw_addr_local(&k->ecmg[i]))
			c->listen.addr[c->listen.n++] = k->ecmg[i];
	if (c->listen.n == 0)
		return gw_fail(err, GW_ECONF, "%s:%d:%d: none of kms %s's ecmg addresses is this host's; see --listen", he->file, k->at.line,
		    k->at.column, k->name);
	if (gw_word(&c->plugin, k->plugin, err) < 0 || gw_settings_of(&c->lines, k, err) < 0)
		return -1;
	c->one_super_cas_id = true;
	c->super_cas_id = k->super_cas_id;
	c->strict = k->strict || a->own.strict;
	c->lead_CW = k->lead_CW;
	c->CW_per_msg = k->CW_per_msg;
	c->delay_start = k->delay_start;
	c->delay_stop = k->delay_stop;
	c->ECM_rep_period = k->ECM_rep_period;
	c->max_comp_time = k->max_comp_time;
	c->min_CP_duration = k->min_CP_duration;
	c->max_streams_channel = k->max_streams;
	return 0;
}

/* DIR/ecmg-KMS-PORT.status.sock: two ECMGs of one KMS may run on one host. */
static int
take_status(struct ecmg_conf *c, const struct headend *he, const struct ecmg_args *a, struct gw_err *err)
{
	char instance[160];

	if (a->common.status.scheme)
		return 0;
	if (c->listen.addr[0].scheme == GW_TCP)
		snprintf(instance, sizeof(instance), "%s-%u", c->kms, c->listen.addr[0].port);
	else
		snprintf(instance, sizeof(instance), "%s", c->kms);
	return gw_ops_default_addr(he->playout, "ecmg", instance, &c->status, err);
}

static int
from_file(struct ecmg_conf *c, const struct ecmg_args *a, struct gw_err *err)
{
	struct headend *he;
	int rc;

	if (!a->kms)
		return gw_fail(err, GW_EUSAGE, "--config needs --kms NAME: which of the file's KMSs to serve");
	if (a->own.plugin || a->own.lines || a->own.one_super_cas_id)
		return gw_fail(err, GW_EUSAGE, "plugin, settings and Super_CAS_id come from the file with --kms");
	he = headend_load(a->common.config, err);
	if (!he)
		return -1;
	rc = take_entry(c, he, headend_kms(he, a->kms), a, err);
	if (rc == 0)
		rc = take_status(c, he, a, err);
	headend_free(he);
	return rc;
}

static int
from_words(struct ecmg_conf *c, const struct ecmg_args *a, struct gw_err *err)
{
	const char *slash;

	if (!a->own.plugin || a->own.listen.n == 0)
		return gw_fail(err, GW_EUSAGE, "--listen and --plugin are needed, or --kms; see --help");
	slash = strrchr(a->own.plugin, '/');
	snprintf(c->kms, sizeof(c->kms), "%s", slash ? slash + 1 : a->own.plugin);
	if (gw_word(&c->plugin, a->own.plugin, err) < 0 || (a->own.lines && gw_word(&c->lines, a->own.lines, err) < 0))
		return -1;
	return 0;
}

int
ecmg_conf_load(struct ecmg_conf *c, const struct ecmg_args *a, struct gw_err *err)
{
	*c = a->own;
	c->plugin = c->lines = NULL;
	c->status = a->common.status;
	if ((a->common.config || a->kms ? from_file(c, a, err) : from_words(c, a, err)) < 0 ||
	    (!c->lines && gw_word(&c->lines, "", err) < 0)) {
		ecmg_conf_free(c);
		return -1;
	}
	return 0;
}

static void
override(const char *name, const struct he_opt *o)
{
	if (o->set)
		printf("%s=%lld\n", name, (long long)o->v);
}

void
ecmg_conf_print(const struct ecmg_conf *c)
{
	char text[GW_ADDR_TEXT];

	printf("kms=%s\nplugin=%s\n", c->kms, c->plugin);
	for (size_t i = 0; i < c->listen.n; i++)
		printf("listen=%s\n", gw_addr_text(&c->listen.addr[i], text, sizeof(text)));
	if (c->status.scheme)
		printf("status=%s\n", gw_addr_text(&c->status, text, sizeof(text)));
	if (c->one_super_cas_id)
		printf("super_cas_id=0x%08x\n", c->super_cas_id);
	printf("strict=%s\nworkers=%u\nsilence=%us\necm_limit=%ums\nmax_channels=%u\nmax_streams=%u\n", c->strict ? "true" : "false",
	    c->workers, c->silence_ms / 1000, c->ecm_limit_ms, c->max_channels, c->max_streams);
	if (c->misbehave.on)
		printf("misbehave=%s\n", c->misbehave.list);
	override("lead_CW", &c->lead_CW);
	override("CW_per_msg", &c->CW_per_msg);
	override("delay_start", &c->delay_start);
	override("delay_stop", &c->delay_stop);
	override("ECM_rep_period", &c->ECM_rep_period);
	override("max_comp_time", &c->max_comp_time);
	override("min_CP_duration", &c->min_CP_duration);
	override("max_streams_of_a_channel", &c->max_streams_channel);
	for (const char *p = c->lines; *p; p += strcspn(p, "\n") + 1)
		printf("set %.*s\n", (int)strcspn(p, "\n"), p);
}

void
ecmg_conf_apply(const struct ecmg_conf *c, struct kms_channel *k)
{
	if (c->lead_CW.set)
		k->lead_CW = (uint8_t)c->lead_CW.v;
	if (c->CW_per_msg.set)
		k->CW_per_msg = (uint8_t)c->CW_per_msg.v;
	if (c->delay_start.set)
		k->delay_start = (int16_t)c->delay_start.v;
	if (c->delay_stop.set)
		k->delay_stop = (int16_t)c->delay_stop.v;
	if (c->ECM_rep_period.set)
		k->ECM_rep_period = (uint16_t)c->ECM_rep_period.v;
	if (c->max_comp_time.set)
		k->max_comp_time = (uint16_t)c->max_comp_time.v;
	if (c->min_CP_duration.set)
		k->min_CP_duration = (uint16_t)c->min_CP_duration.v;
	if (c->max_streams_channel.set)
		k->max_streams = (uint16_t)c->max_streams_channel.v;
}
