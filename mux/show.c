/* mux/show.c: what operators see */
#include <stdio.h>
#include "lib/clock.h"
#include "mux/mux.h"

enum { DATAGRAMS, BYTES, ERRORS, ON_AIR, STREAMS, RECORDS, TAKEN, REFUSED, UP, LOSSES, SENT };
static const struct gw_metric metrics[] = {
	[DATAGRAMS] = { "simulgate_mux_datagrams_total", "Datagrams sent", GW_COUNTER },
	[BYTES] = { "simulgate_mux_bytes_total", "Bytes sent, without UDP and IP headers", GW_COUNTER },
	[ERRORS] = { "simulgate_mux_send_errors_total", "Datagrams that the kernel did not take", GW_COUNTER },
	[ON_AIR] = { "simulgate_mux_streams_on_air", "Streams with an ECM or STKM on air", GW_GAUGE },
	[STREAMS] = { "simulgate_mux_streams", "Streams known", GW_GAUGE },
	[RECORDS] = { "simulgate_mux_records", "Records held", GW_GAUGE },
	[TAKEN] = { "simulgate_mux_records_total", "Records taken from the SCS", GW_COUNTER },
	[REFUSED] = { "simulgate_mux_refused_total", "Messages of the SCS that were refused", GW_COUNTER },
	[UP] = { "simulgate_mux_scs_up", "The link to the SCS is up", GW_GAUGE },
	[LOSSES] = { "simulgate_mux_scs_losses_total", "Losses of the link to the SCS", GW_COUNTER },
	[SENT] = { "simulgate_mux_stream_sent_total", "Transmissions of a stream's ECMs or STKMs", GW_COUNTER },
};

static void
show_stream(void *self, const struct mux_stream_view *v)
{
	char since[32], next[32], cas[11];
	json_t *j = json_object();

	snprintf(cas, sizeof(cas), "0x%08x", (unsigned)v->super_cas_id);
	json_object_set_new(j, "service", json_string(v->service));
	json_object_set_new(j, "kms", json_string(v->kms));
	json_object_set_new(j, "Super_CAS_id", json_string(cas));
	json_object_set_new(j, "ECM_id", json_integer(v->ecm_id));
	json_object_set_new(j, "out", v->out ? json_string(mux_output_text(v->out)) : json_null());
	json_object_set_new(j, "cp", v->on_air ? json_integer((json_int_t)v->cp) : json_null());
	json_object_set_new(j, "since", v->on_air ? json_string(gw_utc_text(v->since_us, since)) : json_null());
	json_object_set_new(j, "sent", json_integer((json_int_t)v->sent));
	json_object_set_new(j, "next_cp", v->pending ? json_integer((json_int_t)v->next_cp) : json_null());
	json_object_set_new(j, "next", v->pending ? json_string(gw_utc_text(v->next_us, next)) : json_null());
	json_array_append_new(self, j);
}

json_t *
mux_status(void *self)
{
	struct mux *m = self;
	json_t *streams = json_array();
	struct mux_follow_view v;
	char since[32];

	mux_follow_look(m->scs, &v);
	mux_carousel_each(m->carousel, show_stream, streams);
	return json_pack("{s:{s:b, s:s, s:s, s:s, s:I}, s:i, s:o}",
	    "scs", "up", v.up, "state", v.state, "head_end", v.head_end, "since", gw_utc_text(v.since_us, since),
	    "losses", (json_int_t)v.losses, "on_air", (int)mux_carousel_counts(m->carousel).on_air, "streams", streams);
}

static void
sample_stream(void *self, const struct mux_stream_view *v)
{
	char labels[512] = "", id[8];

	snprintf(id, sizeof(id), "%u", v->ecm_id);
	gw_label(labels, sizeof(labels), "service", v->service);
	gw_label(labels, sizeof(labels), "kms", v->kms);
	gw_label(labels, sizeof(labels), "ecm_id", id);
	gw_sample(self, &metrics[SENT], labels, (double)v->sent);
}

void
mux_collect(void *self, struct gw_samples *s)
{
	struct mux *m = self;
	struct mux_counts n = mux_carousel_counts(m->carousel);
	struct mux_follow_view v;

	mux_follow_look(m->scs, &v);
	const struct { int metric; double value; } all[] = {
		{ DATAGRAMS, (double)m->outputs.datagrams }, { BYTES, (double)m->outputs.bytes }, { ERRORS, (double)m->outputs.errors },
		{ ON_AIR, (double)n.on_air }, { STREAMS, (double)n.streams }, { RECORDS, (double)n.records },
		{ TAKEN, (double)v.records }, { REFUSED, (double)v.refused }, { UP, v.up }, { LOSSES, (double)v.losses },
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		gw_sample(s, &metrics[all[i].metric], "", all[i].value);
	mux_carousel_each(m->carousel, sample_stream, s);
}
