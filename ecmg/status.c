/* ecmg/status.c: what operators see */
#include <stdio.h>
#include "ecmg/server.h"
#include "lib/clock.h"

enum metric { CONNECTIONS, CHANNELS, STREAMS, ECM, SECONDS, PENDING, REFUSED, IGNORED, UNWANTED, MISBEHAVED, METRICS };
static const struct gw_metric metrics[METRICS] = {
	[CONNECTIONS] = { "simulgate_ecmg_connections", "TCP connections of SCSs", GW_GAUGE },
	[CHANNELS] = { "simulgate_ecmg_channels", "open ECM channels", GW_GAUGE },
	[STREAMS] = { "simulgate_ecmg_streams", "open ECM streams", GW_GAUGE },
	[ECM] = { "simulgate_ecmg_ecm_total", "ECMs sent", GW_COUNTER },
	[SECONDS] = { "simulgate_ecmg_ecm_seconds_total", "time the plugin took for them", GW_COUNTER },
	[PENDING] = { "simulgate_ecmg_pending", "ECMs the plugin is working on", GW_GAUGE },
	[REFUSED] = { "simulgate_ecmg_refused_total", "errors sent, by error_status", GW_COUNTER },
	[IGNORED] = { "simulgate_ecmg_ignored_total", "messages of unknown type", GW_COUNTER },
	[MISBEHAVED] = { "simulgate_ecmg_misbehaved_total", "messages spoilt on purpose", GW_COUNTER },
	[UNWANTED] = { "simulgate_ecmg_unwanted_total", "ECMs that came when nobody waited any more", GW_COUNTER },
};

static size_t
pending(const struct ecmg_server *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->nhosts; i++)
		n += ecmg_host_pending(s->hosts[i]);
	return n;
}

void
ecmg_collect(void *self, struct gw_samples *out)
{
	const struct ecmg_server *s = self;
	char kms[200] = "";

	gw_label(kms, sizeof(kms), "kms", s->conf.kms);
	gw_sample(out, &metrics[CONNECTIONS], kms, (double)s->nconns);
	gw_sample(out, &metrics[CHANNELS], kms, s->engine.channels);
	gw_sample(out, &metrics[STREAMS], kms, s->engine.streams);
	gw_sample(out, &metrics[ECM], kms, (double)s->engine.ecm_total);
	gw_sample(out, &metrics[SECONDS], kms, (double)s->engine.ecm_us / 1e6);
	gw_sample(out, &metrics[PENDING], kms, (double)pending(s));
	gw_refusals_collect(&s->refused, &ecmg_scs, &metrics[REFUSED], kms, out);
	gw_sample(out, &metrics[IGNORED], kms, (double)s->engine.ignored);
	gw_sample(out, &metrics[UNWANTED], kms, (double)s->unwanted);
	if (s->faults)
		gw_sample(out, &metrics[MISBEHAVED], kms, (double)s->faults->struck);
}

static json_t *
tolerated(const struct ecmg_channel *c)
{
	json_t *list = json_array();

	for (int d = 0; d < ECMG_DEVIATIONS; d++)
		if (c->tolerated & 1u << d)
			json_array_append_new(list, json_string(ecmg_deviation_name((enum ecmg_deviation)d)));
	return list;
}

static json_t *
channels(const struct ecmg_server *s)
{
	json_t *list = json_array();
	char cas[16];

	for (size_t i = 0; i < s->nslots; i++) {
		const struct ecmg_conn *k = s->conns[i];
		if (!k)
			continue;
		if (k->channel.state.state != ECMG_OPEN) {
			json_array_append_new(list, json_pack("{s:s, s:s}", "peer", gw_link_peer(k->link), "state", gw_fsm_name(&k->channel.state)));
			continue;
		}
		snprintf(cas, sizeof(cas), "0x%08x", k->channel.super_cas_id);
		json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:s, s:i, s:i, s:i, s:o}", "peer", gw_link_peer(k->link),
		    "state", gw_fsm_name(&k->channel.state), "ECM_channel_id", k->channel.id, "Super_CAS_id", cas,
		    "protocol_version", k->channel.version, "streams", (int)k->channel.nstreams, "pending", (int)k->channel.pending,
		    "tolerated", tolerated(&k->channel)));
	}
	return list;
}

static json_t *
listening(const struct ecmg_server *s)
{
	json_t *list = json_array();
	char text[GW_ADDR_TEXT];

	for (size_t i = 0; i < s->nlisteners; i++)
		json_array_append_new(list, json_string(gw_addr_text(gw_listener_addr(s->listeners[i]), text, sizeof(text))));
	return list;
}

json_t *
ecmg_status(void *self)
{
	const struct ecmg_server *s = self;
	const struct kms_plugin *p = ecmg_host_plugin(s->host);

	return json_pack("{s:s, s:{s:s, s:s, s:s}, s:o, s:o, s:i, s:i, s:I, s:I, s:o, s:I, s:I, s:o}", "kms", s->conf.kms,
	    "plugin", "name", p->name, "version", p->version, "file", ecmg_host_path(s->host),
	    "listening", listening(s), "channels", channels(s), "streams", (int)s->engine.streams, "connections", (int)s->nconns,
	    "ecm_total", (json_int_t)s->engine.ecm_total, "pending", (json_int_t)pending(s), "refused", gw_refusals_counts(&s->refused, &ecmg_scs),
	    "ignored", (json_int_t)s->engine.ignored, "misbehaved", (json_int_t)(s->faults ? s->faults->struck : 0), "last_errors",
	    gw_refusals_last(&s->refused));
}
