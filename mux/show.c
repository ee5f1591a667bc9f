/* mux/show.c: what operators see */
#include <stdio.h>
#include "lib/clock.h"
#include "mux/mux.h"
#include "lib/mux_stream.h"

enum {
	DATAGRAMS, BYTES, ERRORS, ON_AIR, STREAMS, RECORDS, TAKEN, REFUSED, UP, LOSSES, SENT,
	CONNECTIONS, CHANNELS, DATA_STREAMS, TOTAL, ALLOCATED, ALLOCATION, RATE, DATA_IN, DATA_SENT, DATA_DROPPED, QUEUED, EMMG_REFUSED,
	TOLERATED, UDP_IN, UDP_DROPPED
};
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
	[CONNECTIONS] = { "simulgate_mux_emmg_connections", "TCP connections of EMMGs", GW_GAUGE },
	[CHANNELS] = { "simulgate_mux_emmg_channels", "Open data channels", GW_GAUGE },
	[DATA_STREAMS] = { "simulgate_mux_emmg_streams", "Open data streams", GW_GAUGE },
	[TOTAL] = { "simulgate_mux_emmg_total_bps", "What all data streams may use together", GW_GAUGE },
	[ALLOCATED] = { "simulgate_mux_emmg_allocated_bps", "What is allocated of it", GW_GAUGE },
	[ALLOCATION] = { "simulgate_mux_emmg_stream_allocation_bps", "What a data stream may use on air", GW_GAUGE },
	[RATE] = { "simulgate_mux_emmg_stream_rate_bps", "What it used in the last second", GW_GAUGE },
	[DATA_IN] = { "simulgate_mux_emmg_stream_datagrams_total", "Datagrams that came", GW_COUNTER },
	[DATA_SENT] = { "simulgate_mux_emmg_stream_sent_total", "Transmissions, repetitions included", GW_COUNTER },
	[DATA_DROPPED] = { "simulgate_mux_emmg_stream_dropped_total", "Datagrams beyond the allocation that were dropped", GW_COUNTER },
	[QUEUED] = { "simulgate_mux_emmg_stream_queued_bytes", "Octets that wait for their turn", GW_GAUGE },
	[EMMG_REFUSED] = { "simulgate_mux_emmg_refused_total", "Errors sent, by error_status", GW_COUNTER },
	[TOLERATED] = { "simulgate_mux_emmg_tolerated_total", "Deviations let pass, one of a kind for each connection", GW_COUNTER },
	[UDP_IN] = { "simulgate_mux_emmg_udp_total", "UDP datagrams that came", GW_COUNTER },
	[UDP_DROPPED] = { "simulgate_mux_emmg_udp_dropped_total", "UDP datagrams dropped, by reason", GW_COUNTER },
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
	json_object_set_new(j, "aired", json_integer((json_int_t)v->aired));
	json_object_set_new(j, "sent", json_integer((json_int_t)v->sent));
	json_object_set_new(j, "next_cp", v->pending ? json_integer((json_int_t)v->next_cp) : json_null());
	json_object_set_new(j, "next_held", json_boolean(v->pending && v->next_held));
	json_object_set_new(j, "next", v->pending ? json_string(gw_utc_text(v->next_us, next)) : json_null());
	json_array_append_new(self, j);
}

static const char *
hex32(char out[11], uint32_t v)
{
	snprintf(out, 11, "0x%08x", (unsigned)v);
	return out;
}

static const char *const formats[] = { "section", "tspkt", "bcast" };

static json_t *
data_stream(const struct mux_stream *s)
{
	char client[11];
	json_t *j = json_pack("{s:s, s:i, s:i, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "client_id", hex32(client, s->route.client_id),
	    "data_id", s->route.data_id, "data_type", s->data_type, "format", formats[s->flag], "out", mux_output_text(s->out),
	    "allocation_bps", (json_int_t)s->grant_bps, "rate_bps", (json_int_t)s->rate_bps, "datagrams", (json_int_t)s->in,
	    "sent", (json_int_t)s->sent, "dropped", (json_int_t)s->dropped, "queued", (json_int_t)s->nwaiting);

	if (s->channel)
		json_object_set_new(j, "data_stream_id", json_integer(s->id));
	return j;
}

static json_t *
data_channel(const struct mux_face *e, const struct mux_conn *k)
{
	const struct mux_channel *c = &k->channel;
	json_t *j = json_pack("{s:s, s:s}", "peer", gw_link_peer(k->link), "state", gw_fsm_name(&c->state)), *list;
	const struct mux_stream *s;
	char client[11];

	if (c->state.state != MUX_OPEN)
		return j;
	json_object_set_new(j, "client_id", json_string(hex32(client, c->client_id)));
	json_object_set_new(j, "data_channel_id", json_integer(c->id));
	json_object_set_new(j, "protocol_version", json_integer(c->version));
	json_object_set_new(j, "format", json_string(formats[c->flag]));
	json_object_set_new(j, "streams", list = json_array());
	TAILQ_FOREACH(s, &e->intake.streams, all)
		if (s->channel == c)
			json_array_append_new(list, data_stream(s));
	return j;
}

static uint64_t
allocated(const struct mux_face *e)
{
	const struct mux_stream *s;
	uint64_t sum = 0;

	TAILQ_FOREACH(s, &e->intake.streams, all)
		sum += s->grant_bps;
	return sum;
}

static json_t *
emmg_status(const struct mux_face *e)
{
	json_t *channels = json_array(), *alone = json_array(), *drops = json_object();
	const struct mux_stream *s;
	const struct mux_conn *k;
	char listen[GW_ADDR_TEXT] = "";

	TAILQ_FOREACH(k, &e->conns, all)
		json_array_append_new(channels, data_channel(e, k));
	TAILQ_FOREACH(s, &e->intake.streams, all)
		if (!s->channel)
			json_array_append_new(alone, data_stream(s));
	for (int i = 0; i < MUX_UDP_DROPS; i++)
		json_object_set_new(drops, mux_udp_drops[i], json_integer((json_int_t)e->intake.udp_drops[i]));
	if (e->listener)
		gw_addr_text(gw_listener_addr(e->listener), listen, sizeof(listen));
	return json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:{s:I, s:o}}", "listening", listen, "total_bps",
	    (json_int_t)e->intake.total_bps, "allocated_bps", (json_int_t)allocated(e), "channels", channels, "udp_streams", alone,
	    "refused", gw_refusals_counts(&e->refused, &emmg_mux), "last_errors", gw_refusals_last(&e->refused), "tolerated",
	    (json_int_t)e->tolerated, "udp", "datagrams", (json_int_t)e->intake.udp_messages, "dropped", drops);
}

json_t *
mux_status(void *self)
{
	struct mux *m = self;
	json_t *streams = json_array();
	struct mux_follow_view v = { .state = "none", .since_us = gw_utc_us() };
	char since[32];

	if (m->scs)
		mux_follow_look(m->scs, &v);
	mux_carousel_each(m->carousel, show_stream, streams);
	return json_pack("{s:{s:b, s:s, s:s, s:s, s:I}, s:i, s:o, s:o}",
	    "scs", "up", v.up, "state", v.state, "head_end", v.head_end, "since", gw_utc_text(v.since_us, since),
	    "losses", (json_int_t)v.losses, "on_air", (int)mux_carousel_counts(m->carousel).on_air, "streams", streams,
	    "emmg", emmg_status(&m->emmg.face));
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

static void
sample_data_stream(struct gw_samples *out, const struct mux_stream *s)
{
	const struct { int metric; double value; } all[] = {
		{ ALLOCATION, (double)s->grant_bps }, { RATE, (double)s->rate_bps }, { DATA_IN, (double)s->in }, { DATA_SENT, (double)s->sent },
		{ DATA_DROPPED, (double)s->dropped }, { QUEUED, (double)s->nwaiting },
	};
	char labels[256] = "", client[11], data[8], type[4];

	snprintf(data, sizeof(data), "%u", s->route.data_id);
	snprintf(type, sizeof(type), "%u", s->data_type);
	gw_label(labels, sizeof(labels), "client_id", hex32(client, s->route.client_id));
	gw_label(labels, sizeof(labels), "data_id", data);
	gw_label(labels, sizeof(labels), "data_type", type);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		gw_sample(out, &metrics[all[i].metric], labels, all[i].value);
}

static void
collect_emmg(const struct mux_face *e, struct gw_samples *out)
{
	const struct { int metric; double value; } all[] = {
		{ CONNECTIONS, (double)e->nconns }, { CHANNELS, e->intake.nchannels }, { DATA_STREAMS, e->intake.nstreams },
		{ TOTAL, (double)e->intake.total_bps }, { ALLOCATED, (double)allocated(e) }, { TOLERATED, (double)e->tolerated },
		{ UDP_IN, (double)e->intake.udp_messages },
	};
	const struct mux_stream *s;
	char labels[128];

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		gw_sample(out, &metrics[all[i].metric], "", all[i].value);
	gw_refusals_collect(&e->refused, &emmg_mux, &metrics[EMMG_REFUSED], "", out);
	for (int i = 0; i < MUX_UDP_DROPS; i++) {
		labels[0] = '\0';
		gw_sample(out, &metrics[UDP_DROPPED], gw_label(labels, sizeof(labels), "reason", mux_udp_drops[i]),
		    (double)e->intake.udp_drops[i]);
	}
	TAILQ_FOREACH(s, &e->intake.streams, all)
		sample_data_stream(out, s);
}

void
mux_collect(void *self, struct gw_samples *s)
{
	struct mux *m = self;
	struct mux_counts n = mux_carousel_counts(m->carousel);
	struct mux_follow_view v = { 0 };

	if (m->scs)
		mux_follow_look(m->scs, &v);
	const struct { int metric; double value; } all[] = {
		{ DATAGRAMS, (double)m->outputs.datagrams }, { BYTES, (double)m->outputs.bytes }, { ERRORS, (double)m->outputs.errors },
		{ ON_AIR, (double)n.on_air }, { STREAMS, (double)n.streams }, { RECORDS, (double)n.records },
		{ TAKEN, (double)v.records }, { REFUSED, (double)v.refused }, { UP, v.up }, { LOSSES, (double)v.losses },
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		gw_sample(s, &metrics[all[i].metric], "", all[i].value);
	mux_carousel_each(m->carousel, sample_stream, s);
	collect_emmg(&m->emmg.face, s);
}
