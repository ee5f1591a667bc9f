/* emmg/conf.c: see conf.h */
#include "emmg/conf.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/ops.h"
#include "lib/settings.h"
#include "lib/takes.h"
#include "proto/sim.h"

/* UDP: the path MTU of Ethernet without IP and UDP headers, by address family; IPv6 for a name that is not resolved yet. */
enum { UDP4_BYTES = 1472, UDP6_BYTES = 1452, BANDWIDTH = 100000, VERSION = 3 };

static const char *const formats[] = { "section", "tspkt", "bcast" };

/* ---- options ---- */

static const struct gw_conf_word format_words[] = { { "section", EMMG_SECTION }, { "tspkt", EMMG_TSPKT }, { "bcast", EMMG_BCAST } };
#define ARG(m) GW_CONF_AT(emmg_args, m)
#define STREAM(m) GW_CONF_AT(emmg_stream, m)
static const struct gw_conf_row client_row = { .type = GW_CONF_UINT, ARG(one.c.client_id) };
static const struct gw_conf_row data_id_row = { .type = GW_CONF_UINT, STREAM(s.data_id) };
static const struct gw_conf_row data_type_row = { .type = GW_CONF_UINT, STREAM(s.data_type), .max = 1 };
static const struct gw_conf_row bandwidth_row = { .type = GW_CONF_RATE, STREAM(s.bandwidth_bps), .min = 1000, .max = UINT32_MAX };

GW_TAKE(channel, GW_CONF_UINT, emmg_args, one.c.channel_id, .min = 0)
GW_TAKE(version, GW_CONF_UINT, emmg_args, version, .min = 1, .max = 5)
GW_TAKE(format, GW_CONF_ENUM, emmg_args, format, .words = format_words, .nwords = 3)
GW_TAKE(seconds, GW_CONF_UINT, emmg_args, seconds, .min = 1, .max = 4000000)
GW_TAKE(datagrams, GW_CONF_UINT, emmg_args, datagrams, .min = 1, .max = EMMG_BATCH)
GW_TAKE(bytes, GW_CONF_UINT, emmg_args, bytes, .min = 64, .max = SIM_MAX)
GW_TAKE_ADDR(to, emmg_args, one.to, GW_TCP)
GW_TAKE_ADDR(udp, emmg_args, one.udp, GW_UDP)
GW_TAKE_FLAG(loop, emmg_args, loop)
GW_TAKE_FLAG(strict, emmg_args, one.c.strict)

static int
take_client(void *self, const char *value, struct gw_err *err)
{
	((struct emmg_args *)self)->given_client_id = true;
	return gw_conf_value(&client_row, self, value, err);
}

/* One more stream, with its predecessor's type and bandwidth. */
static struct emmg_stream *
new_stream(struct emmg_args *a, struct gw_err *err)
{
	struct emmg_stream *more = realloc(a->one.streams, (a->one.n + 1) * sizeof(*more)), *t;

	if (!more) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	a->one.streams = more;
	t = &more[a->one.n];
	*t = a->one.n ? more[a->one.n - 1] : (struct emmg_stream){ .s.bandwidth_bps = BANDWIDTH };
	t->source = NULL;
	a->one.n++;
	return t;
}

/* The stream that is being described; what stands before the first --data-id is for the first. */
static struct emmg_stream *
stream(struct emmg_args *a, struct gw_err *err)
{
	return a->one.n ? &a->one.streams[a->one.n - 1] : new_stream(a, err);
}

static int
take_data_id(void *self, const char *value, struct gw_err *err)
{
	struct emmg_args *a = self;
	struct emmg_stream *t = a->given_data_id ? new_stream(a, err) : stream(a, err);

	a->given_data_id = true;
	return t ? gw_conf_value(&data_id_row, t, value, err) : -1;
}

static int
take_data_type(void *self, const char *value, struct gw_err *err)
{
	struct emmg_stream *t = stream(self, err);

	return t ? gw_conf_value(&data_type_row, t, value, err) : -1;
}

static int
take_bandwidth(void *self, const char *value, struct gw_err *err)
{
	struct emmg_stream *t = stream(self, err);

	return t ? gw_conf_value(&bandwidth_row, t, value, err) : -1;
}

static int
take_source(void *self, const char *value, struct gw_err *err)
{
	struct emmg_stream *t = stream(self, err);

	return t ? gw_word(&t->source, value, err) : -1;
}

static int
take_plugin(void *self, const char *value, struct gw_err *err)
{
	return gw_word(&((struct emmg_args *)self)->plugin, value, err);
}

static int
take_kms(void *self, const char *value, struct gw_err *err)
{
	return gw_word(&((struct emmg_args *)self)->kms, value, err);
}

static int
take_set(void *self, const char *value, struct gw_err *err)
{
	return gw_setting(&((struct emmg_args *)self)->lines, value, err);
}

static const struct gw_option options[] = {
	{ "to", "ADDR", "the mux: tcp://HOST:PORT", take_to },
	{ "udp", "ADDR", "data by UDP, to udp://HOST:PORT; control stays on TCP", take_udp },
	{ "client-id", "ID", "client_id (0x4AE60001)", take_client },
	{ "channel-id", "N", "data_channel_id (1): each EMMG of one client_id needs its own", take_channel },
	{ "protocol-version", "N", "1 to 5 (3; 5 with --format bcast)", take_version },
	{ "format", "FORMAT", "of all datagrams: section (default), tspkt or bcast", take_format },
	{ "data-id", "N", "data_id of a stream; the next three are for it; may be repeated, a stream each", take_data_id },
	{ "data-type", "N", "0: EMM or LTKM (default), 1: private data", take_data_type },
	{ "bandwidth", "RATE", "what the stream asks for (100kbit/s)", take_bandwidth },
	{ "source", "FILE", "its sections, TS packets or message; with --format bcast also a directory of messages", take_source },
	{ "plugin", "NAME|FILE", "a KMS plugin makes the messages of streams without a source", take_plugin },
	{ "set", "KEY=VALUE", "a setting of the plugin; may be repeated", take_set },
	{ "loop", NULL, "send each source again and again; else its stream is closed at the end", take_loop },
	{ "datagrams-per-message", "N", "at most (1)", take_datagrams },
	{ "bytes-per-message", "N", "at most, header included (65540; by UDP 1472, by IPv6 1452, or less); a longer datagram travels alone", take_bytes },
	{ "seconds", "N", "end after N seconds", take_seconds },
	{ "strict", NULL, "tolerate no deviation from the standard", take_strict },
	{ "kms", "NAME", "send the ltkm entries of this KMS of the configuration", take_kms },
};
static const struct gw_program program = {
	.name = "simulgate-emmg", .usage = "--to ADDR --client-id ID --data-id N --source FILE [...] | [--config FILE] --kms NAME",
	.summary = "An EMMG, PDG or LTKMG: sends EMMs, private data or long-term key messages to a MUX over DVB SimulCrypt (TS 103 197).",
	.options = options, .noptions = sizeof(options) / sizeof(options[0]),
};

int
emmg_args(struct emmg_args *a, int argc, char **argv)
{
	*a = (struct emmg_args){ .datagrams = 1, .bytes = SIM_MAX, .one.c.channel_id = 1 };
	return gw_args(&program, &a->common, a, argc, argv);
}

static void
free_streams(struct emmg_channel *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->streams[i].source);
	free(c->streams);
	c->streams = NULL;
	c->n = 0;
}

void
emmg_args_free(struct emmg_args *a)
{
	free_streams(&a->one);
	free(a->kms);
	free(a->plugin);
	free(a->lines);
}

void
emmg_conf_free(struct emmg_conf *c)
{
	for (size_t i = 0; i < c->n; i++)
		free_streams(&c->channels[i]);
	free(c->channels);
	free(c->plugin);
	free(c->lines);
	c->channels = NULL;
	c->plugin = c->lines = NULL;
	c->n = 0;
}

/* ---- channels ---- */

static size_t
udp_bytes(const struct gw_addr *a, size_t bytes)
{
	size_t most = a->numeric && a->ss.ss_family == AF_INET ? UDP4_BYTES : UDP6_BYTES;

	return bytes < most ? bytes : most;
}

/* A copy of t behind the channel's streams. */
static int
add_stream(struct emmg_channel *c, const struct emmg_stream *t, struct gw_err *err)
{
	struct emmg_stream *more = realloc(c->streams, (c->n + 1) * sizeof(*more));
	char *source = t->source ? strdup(t->source) : NULL;

	if (more)
		c->streams = more;
	if (!more || (t->source && !source)) {
		free(source);
		return gw_fail(err, GW_ESYS, "out of memory");
	}
	more[c->n] = *t;
	more[c->n].source = source;
	more[c->n++].feed.udp_bytes = udp_bytes(&c->udp, t->feed.bytes);
	return 0;
}

static bool
same_way(const struct emmg_channel *a, const struct emmg_channel *b)
{
	return memcmp(&a->to, &b->to, sizeof(a->to)) == 0 && memcmp(&a->udp, &b->udp, sizeof(a->udp)) == 0 &&
	    a->c.client_id == b->c.client_id && a->c.format == b->c.format && a->c.version == b->c.version && a->c.strict == b->c.strict;
}

static struct emmg_channel
channel_of(const struct he_ltkm *l)
{
	struct emmg_channel c = { .to = l->to, .c = { .client_id = l->client_id, .version = l->protocol_version, .format = l->format,
		.strict = l->strict, .udp = l->udp } };

	if (l->udp)
		c.udp = l->to_udp;
	return c;
}

/* The entry that opens the channel of entry i: the first of its KMS that goes the same way. */
static size_t
opener(const struct headend *he, size_t i)
{
	const struct emmg_channel c = channel_of(&he->ltkm[i]);
	size_t k = 0;

	for (; k < i; k++) {
		const struct emmg_channel other = channel_of(&he->ltkm[k]);
		if (he_ltkm_ours(&he->ltkm[k]) && he->ltkm[k].kms == he->ltkm[i].kms && same_way(&other, &c))
			break;
	}
	return k;
}

/* data_channel_id: unique within client_id, whatever KMS sends it: the place of the channel among those of the file with this client_id. */
static uint16_t
channel_id(const struct headend *he, size_t of)
{
	uint16_t id = 0;

	for (size_t i = 0; i <= of; i++)
		id = (uint16_t)(id + (he_ltkm_ours(&he->ltkm[i]) && he->ltkm[i].client_id == he->ltkm[of].client_id && opener(he, i) == i));
	return id;
}

static int
add_entry(struct emmg_conf *c, const struct headend *he, const struct he_ltkm *l, struct gw_err *err)
{
	struct emmg_channel k = channel_of(l), *more;
	struct emmg_stream t = { .s = { l->data_id, l->data_type, l->bandwidth_bps }, .source = l->source, .loop = true,
		.feed = { .format = l->format, .datagrams = l->datagrams_per_message, .bytes = l->bytes_per_message } };
	size_t i = 0;

	if (!l->to.scheme)
		return gw_fail(err, GW_ECONF, "%s:%d:%d: nobody takes this stream: the mux has no emmg, and there is no to", he->file, l->at.line,
		    l->at.column);
	while (i < c->n && !same_way(&c->channels[i], &k))
		i++;
	if (i == c->n) {
		more = realloc(c->channels, (c->n + 1) * sizeof(*more));
		if (!more)
			return gw_fail(err, GW_ESYS, "out of memory");
		c->channels = more;
		k.c.channel_id = channel_id(he, (size_t)(l - he->ltkm));	/* its opener: entries come in order */
		more[c->n++] = k;
	}
	return add_stream(&c->channels[i], &t, err);
}

static int
take_entries(struct emmg_conf *c, const struct headend *he, const struct he_kms *k, struct gw_err *err)
{
	bool plugin = false;

	for (size_t i = 0; i < he->nltkm; i++) {
		const struct he_ltkm *l = &he->ltkm[i];

		if (l->kms != k || !he_ltkm_ours(l))
			continue;
		if (add_entry(c, he, l, err) < 0)
			return -1;
		plugin = plugin || !l->source;
	}
	if (c->n == 0)
		return gw_fail(err, GW_ECONF, "%s:%d:%d: kms %s has no ltkm entry that we send: none has a source, and it has no plugin", he->file,
		    k->at.line, k->at.column, k->name);
	return plugin && (gw_word(&c->plugin, k->plugin, err) < 0 || gw_settings_of(&c->lines, k, err) < 0) ? -1 : 0;
}

static int
from_file(struct emmg_conf *c, const struct emmg_args *a, struct gw_err *err)
{
	const struct he_kms *k;
	struct headend *he;
	int rc;

	if (!a->kms)
		return gw_fail(err, GW_EUSAGE, "--config needs --kms NAME: which KMS's messages to send");
	if (a->one.n || a->one.to.scheme || a->one.udp.scheme || a->given_client_id || a->plugin || a->lines)
		return gw_fail(err, GW_EUSAGE, "mux, client_id, streams and plugin come from the file with --kms");
	he = headend_load(a->common.config, err);
	if (!he)
		return -1;
	k = headend_kms(he, a->kms);
	rc = k ? take_entries(c, he, k, err) : gw_fail(err, GW_ECONF, "%s: no kms of the name %s", he->file, a->kms);
	snprintf(c->name, sizeof(c->name), "%s", a->kms);
	if (rc == 0 && !c->status.scheme)
		rc = gw_ops_default_addr(he->playout, "emmg", a->kms, &c->status, err);
	headend_free(he);
	return rc;
}

static int
check_words(const struct emmg_args *a, uint8_t version, struct gw_err *err)
{
	if (!a->one.to.scheme || !a->given_client_id || !a->given_data_id)
		return gw_fail(err, GW_EUSAGE, "--to, --client-id and --data-id are needed, or --kms; see --help");
	if (a->format == EMMG_BCAST && version < 3)
		return gw_fail(err, GW_EUSAGE, "--format bcast came with protocol_version 3");
	if (a->one.udp.scheme && version < 2)
		return gw_fail(err, GW_EUSAGE, "data by UDP came with protocol_version 2");
	for (size_t i = 0; i < a->one.n; i++) {
		if (!a->one.streams[i].source && !a->plugin)
			return gw_fail(err, GW_EUSAGE, "data_id %u has neither --source nor --plugin", a->one.streams[i].s.data_id);
		for (size_t k = 0; k < i; k++)
			if (a->one.streams[k].s.data_id == a->one.streams[i].s.data_id)
				return gw_fail(err, GW_EUSAGE, "two streams have data_id %u", a->one.streams[i].s.data_id);
	}
	return 0;
}

static int
from_words(struct emmg_conf *c, const struct emmg_args *a, struct gw_err *err)
{
	uint8_t version = a->version ? a->version : a->format == EMMG_BCAST ? 5 : VERSION;
	struct emmg_channel *k;

	if (check_words(a, version, err) < 0)
		return -1;
	snprintf(c->name, sizeof(c->name), "emmg");
	c->channels = k = malloc(sizeof(*k));
	if (!k || (a->plugin && gw_word(&c->plugin, a->plugin, err) < 0) || (a->lines && gw_word(&c->lines, a->lines, err) < 0))
		return gw_fail(err, GW_ESYS, "out of memory");
	c->n = 1;
	*k = a->one;
	k->streams = NULL;
	k->n = 0;
	k->c.version = version;
	k->c.format = a->format;
	k->c.udp = k->udp.scheme != 0;
	for (size_t i = 0; i < a->one.n; i++) {
		struct emmg_stream t = a->one.streams[i];

		t.loop = a->loop;
		t.feed = (struct emmg_feed_conf){ .format = a->format, .datagrams = a->datagrams, .bytes = a->bytes };
		if (add_stream(k, &t, err) < 0)
			return -1;
	}
	return 0;
}

int
emmg_conf_load(struct emmg_conf *c, const struct emmg_args *a, struct gw_err *err)
{
	*c = (struct emmg_conf){ .status = a->common.status };
	if ((a->common.config || a->kms ? from_file(c, a, err) : from_words(c, a, err)) < 0 ||
	    (!c->lines && gw_word(&c->lines, "", err) < 0)) {
		emmg_conf_free(c);
		return -1;
	}
	return 0;
}

void
emmg_conf_print(const struct emmg_conf *c)
{
	char text[GW_ADDR_TEXT];

	printf("name=%s\n", c->name);
	if (c->plugin)
		printf("plugin=%s\n", c->plugin);
	if (c->status.scheme)
		printf("status=%s\n", gw_addr_text(&c->status, text, sizeof(text)));
	for (size_t i = 0; i < c->n; i++) {
		const struct emmg_channel *k = &c->channels[i];

		printf("channel to=%s client_id=0x%08x data_channel_id=%u protocol_version=%u format=%s strict=%s\n",
		    gw_addr_text(&k->to, text, sizeof(text)), k->c.client_id, k->c.channel_id, k->c.version, formats[k->c.format],
		    k->c.strict ? "true" : "false");
		if (k->udp.scheme)
			printf("  udp=%s\n", gw_addr_text(&k->udp, text, sizeof(text)));
		for (size_t j = 0; j < k->n; j++)
			printf("  stream data_id=%u data_type=%u bandwidth=%ubit/s datagrams_per_message=%u bytes_per_message=%zu source=%s\n",
			    k->streams[j].s.data_id, k->streams[j].s.data_type, k->streams[j].s.bandwidth_bps, k->streams[j].feed.datagrams,
			    k->streams[j].feed.bytes, k->streams[j].source ? k->streams[j].source : "plugin");
	}
	for (const char *p = c->lines; *p; p += strcspn(p, "\n") + 1)
		printf("set %.*s\n", (int)strcspn(p, "\n"), p);
}
