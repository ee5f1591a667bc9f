/* ecmg/status.c: what operators see */
#include <stdio.h>
#include "ecmg/server.h"

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
	gw_sample(out, &metrics[CONNECTIONS], kms, (double)s->face.nconns);
	gw_sample(out, &metrics[CHANNELS], kms, s->face.engine.channels);
	gw_sample(out, &metrics[STREAMS], kms, s->face.engine.streams);
	gw_sample(out, &metrics[ECM], kms, (double)s->face.engine.ecm_total);
	gw_sample(out, &metrics[SECONDS], kms, (double)s->face.engine.ecm_us / 1e6);
	gw_sample(out, &metrics[PENDING], kms, (double)pending(s));
	gw_refusals_collect(&s->face.refused, &ecmg_scs, &metrics[REFUSED], kms, out);
	gw_sample(out, &metrics[IGNORED], kms, (double)s->face.engine.ignored);
	gw_sample(out, &metrics[UNWANTED], kms, (double)s->face.unwanted);
	if (s->faults)
		gw_sample(out, &metrics[MISBEHAVED], kms, (double)s->faults->struck);
}

json_t *
ecmg_status(void *self)
{
	const struct ecmg_server *s = self;
	const struct kms_plugin *p = ecmg_host_plugin(s->host);

	return json_pack("{s:s, s:{s:s, s:s, s:s}, s:o, s:o, s:i, s:i, s:I, s:I, s:o, s:I, s:I, s:o}", "kms", s->conf.kms,
	    "plugin", "name", p->name, "version", p->version, "file", ecmg_host_path(s->host),
	    "listening", ecmg_face_listening(&s->face), "channels", ecmg_face_channels(&s->face), "streams", (int)s->face.engine.streams, "connections", (int)s->face.nconns,
	    "ecm_total", (json_int_t)s->face.engine.ecm_total, "pending", (json_int_t)pending(s), "refused", gw_refusals_counts(&s->face.refused, &ecmg_scs),
	    "ignored", (json_int_t)s->face.engine.ignored, "misbehaved", (json_int_t)(s->faults ? s->faults->struck : 0), "last_errors",
	    gw_refusals_last(&s->face.refused));
}
