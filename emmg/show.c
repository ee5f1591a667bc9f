/* emmg/show.c: what operators see */
#include <stdio.h>
#include <string.h>
#include "emmg/emmg.h"
#include "proto/emmg_mux.h"

enum metric { UP, LOSSES, ERRORS, REFUSED, TIMEOUTS, RATE, MESSAGES, DATAGRAMS, BYTES, SKIPPED, LOST, METRICS };
static const struct gw_metric metrics[METRICS] = {
	[UP] = { "simulgate_emmg_stream_up", "the stream is set up", GW_GAUGE },
	[LOSSES] = { "simulgate_emmg_connection_losses_total", "connections to the mux that were lost", GW_COUNTER },
	[ERRORS] = { "simulgate_emmg_errors_total", "errors from the mux, by error_status", GW_COUNTER },
	[REFUSED] = { "simulgate_emmg_refused_total", "errors sent to the mux", GW_COUNTER },
	[TIMEOUTS] = { "simulgate_emmg_timeouts_total", "answers that did not come", GW_COUNTER },
	[RATE] = { "simulgate_emmg_stream_rate_bps", "what the stream may send now, bit/s", GW_GAUGE },
	[MESSAGES] = { "simulgate_emmg_messages_total", "data_provisions sent", GW_COUNTER },
	[DATAGRAMS] = { "simulgate_emmg_datagrams_total", "datagrams sent", GW_COUNTER },
	[BYTES] = { "simulgate_emmg_bytes_total", "octets of datagrams sent", GW_COUNTER },
	[SKIPPED] = { "simulgate_emmg_skipped_total", "datagrams of the plugin that could not be sent", GW_COUNTER },
	[LOST] = { "simulgate_emmg_lost_total", "datagrams that a socket did not take", GW_COUNTER },
};

static const char *
error_name(uint16_t status)
{
	return sim_status_words(&emmg_mux, status)->name;
}

static json_t *
errors(const struct emmg_chan_counts *k)
{
	json_t *o = json_object();
	char code[8];

	for (size_t i = 0; i < k->nerrors; i++) {
		snprintf(code, sizeof(code), "0x%04x", k->errors[i].status);
		json_object_set_new(o, code, json_pack("{s:s, s:I}", "name", error_name(k->errors[i].status), "count",
		    (json_int_t)k->errors[i].n));
	}
	return o;
}

static json_t *
stream(const struct emmg_feeder *f)
{
	struct emmg_stream_view v;
	json_t *o;

	emmg_chan_stream(f->peer->chan, f->number, &v);
	o = json_pack("{s:i, s:i, s:i, s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "data_id", f->conf.s.data_id, "data_type",
	    f->conf.s.data_type, "data_stream_id", v.stream_id, "state", v.state, "bandwidth", (json_int_t)f->conf.s.bandwidth_bps,
	    "rate", (json_int_t)v.rate_bps, "source", f->conf.source ? f->conf.source : "plugin",
	    "messages", (json_int_t)f->feed.messages, "messages_udp", (json_int_t)f->feed.udp_messages,
	    "datagrams", (json_int_t)f->feed.datagrams, "bytes", (json_int_t)f->feed.bytes,
	    "rounds", (json_int_t)emmg_source_rounds(f->source), "skipped", (json_int_t)emmg_source_skipped(f->source),
	    "lost", (json_int_t)f->feed.lost, "setups", (json_int_t)v.setups);
	json_object_set_new(o, "allocated", v.granted ? json_integer(v.granted_bps) : json_null());
	json_object_set_new(o, "last_error", v.last_error ? json_string(error_name(v.last_error)) : json_null());
	return o;
}

static json_t *
channel(const struct emmg_peer *p)
{
	const struct emmg_chan_counts *k = emmg_chan_counts(p->chan);
	json_t *streams = json_array(), *o;
	char to[GW_ADDR_TEXT], udp[GW_ADDR_TEXT], client[16];

	snprintf(client, sizeof(client), "0x%08x", p->conf.c.client_id);
	for (size_t i = 0; i < p->n; i++)
		if (p->feeders[i] && !p->feeders[i]->done)
			json_array_append_new(streams, stream(p->feeders[i]));
	o = json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:o, s:o}",
	    "to", gw_addr_text(&p->conf.to, to, sizeof(to)), "state", emmg_chan_state(p->chan), "client_id", client,
	    "data_channel_id", p->conf.c.channel_id, "protocol_version", emmg_chan_version(p->chan), "section_TSpkt_flag", p->conf.c.format,
	    "channels", (json_int_t)k->channels, "losses", (json_int_t)p->losses, "refused", (json_int_t)k->refused,
	    "ignored", (json_int_t)k->ignored, "timeouts", (json_int_t)k->timeouts, "errors", errors(k), "streams", streams);
	json_object_set_new(o, "udp", p->udp >= 0 ? json_string(gw_addr_text(&p->conf.udp, udp, sizeof(udp))) : json_null());
	return o;
}

json_t *
emmg_status(void *self)
{
	const struct emmg *app = self;
	json_t *channels = json_array(), *o;

	for (const struct emmg_peer *p = app->peers; p; p = p->next)
		json_array_insert_new(channels, 0, channel(p));	/* the youngest is first in the list */
	o = json_pack("{s:s, s:o}", "kms", app->conf.name, "channels", channels);
	json_object_set_new(o, "plugin", app->plugin ? json_pack("{s:s, s:s}", "name", emmg_plugin_name(app->plugin), "file",
	    emmg_plugin_path(app->plugin)) : json_null());
	return o;
}

static void
collect_stream(const struct emmg_feeder *f, const char *channel, struct gw_samples *out)
{
	struct emmg_stream_view v;
	char labels[320], id[8];

	emmg_chan_stream(f->peer->chan, f->number, &v);
	snprintf(labels, sizeof(labels), "%s", channel);
	snprintf(id, sizeof(id), "%u", f->conf.s.data_id);
	gw_label(labels, sizeof(labels), "data_id", id);
	const struct { enum metric metric; double value; } all[] = {
		{ UP, v.up }, { RATE, v.rate_bps }, { MESSAGES, (double)f->feed.messages }, { DATAGRAMS, (double)f->feed.datagrams },
		{ BYTES, (double)f->feed.bytes }, { SKIPPED, (double)emmg_source_skipped(f->source) }, { LOST, (double)f->feed.lost },
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		gw_sample(out, &metrics[all[i].metric], labels, all[i].value);
}

void
emmg_collect(void *self, struct gw_samples *out)
{
	const struct emmg *app = self;
	char labels[320], error[320], text[16];

	for (const struct emmg_peer *p = app->peers; p; p = p->next) {
		const struct emmg_chan_counts *k = emmg_chan_counts(p->chan);

		labels[0] = '\0';
		gw_label(labels, sizeof(labels), "kms", app->conf.name);
		snprintf(text, sizeof(text), "0x%08x", p->conf.c.client_id);
		gw_label(labels, sizeof(labels), "client_id", text);
		snprintf(text, sizeof(text), "%u", p->conf.c.channel_id);
		gw_label(labels, sizeof(labels), "channel", text);
		gw_sample(out, &metrics[LOSSES], labels, (double)p->losses);
		gw_sample(out, &metrics[REFUSED], labels, (double)k->refused);
		gw_sample(out, &metrics[TIMEOUTS], labels, (double)k->timeouts);
		for (size_t i = 0; i < k->nerrors; i++) {
			snprintf(error, sizeof(error), "%s", labels);
			snprintf(text, sizeof(text), "0x%04x", k->errors[i].status);
			gw_label(error, sizeof(error), "error", text);
			gw_label(error, sizeof(error), "name", error_name(k->errors[i].status));
			gw_sample(out, &metrics[ERRORS], error, (double)k->errors[i].n);
		}
		for (size_t i = 0; i < p->n; i++)
			if (p->feeders[i] && !p->feeders[i]->done)
				collect_stream(p->feeders[i], labels, out);
	}
}
