/* scrambler/status.c: what operators see */
#include <stdlib.h>
#include "scrambler/scrambler.h"

static json_t *
medium_status(const struct scr_medium *m)
{
	const struct scr_keys *k = &m->unit->keys;
	json_t *dropped = json_object(), *j;
	char in[GW_ADDR_TEXT], out[GW_ADDR_TEXT];
	uint32_t roc;
	size_t sources = gw_srtp_tx_sources(m->unit->tx, &roc);

	for (int r = 1; r < SCR_REASONS; r++)
		if (m->dropped[r])
			json_object_set_new(dropped, scr_reason(r), json_integer((json_int_t)m->dropped[r]));
	j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o}", "service", m->unit->id, "medium", m->name,
	    "in", gw_addr_text(&m->in, in, sizeof(in)), "out", gw_addr_text(&m->out, out, sizeof(out)),
	    "mode", scr_mode_name(k->now.mode),
	    "packets_in", (json_int_t)m->received, "packets_out", (json_int_t)m->sent, "packets_clear", (json_int_t)m->sent_clear,
	    "sources", (json_int_t)sources, "roc", (json_int_t)roc, "dropped", dropped);
	if (j && k->now.mode)
		json_object_set_new(j, "cp", json_integer((json_int_t)k->now.cp));
	if (j && k->now.key.p)
		json_object_set_new(j, "key", json_string(k->now.fingerprint));
	if (j && k->n)
		json_object_set_new(j, "next_cp", json_integer((json_int_t)k->coming[0].cp));
	return j;
}

json_t *
scr_status(void *self)
{
	const struct scrambler *app = self;
	json_t *media = json_array();

	for (size_t u = 0; u < app->nunits; u++)
		for (size_t m = 0; m < app->units[u]->nmedia; m++)
			json_array_append_new(media, medium_status(app->units[u]->media[m]));
	return json_pack("{s:s, s:b, s:o}", "head_end", app->head_end, "scs", app->welcome, "media", media);
}

static const struct gw_metric
	link_up = { "simulgate_scrambler_scs_up", "1 while the SCS is followed", GW_GAUGE },
	records = { "simulgate_scrambler_key_records_total", "key records received", GW_COUNTER },
	refused = { "simulgate_scrambler_key_records_refused_total", "key records answered by record_error", GW_COUNTER },
	switches = { "simulgate_scrambler_key_switches_total", "keys put in force", GW_COUNTER },
	period = { "simulgate_scrambler_crypto_period", "crypto-period in force; absent without a key", GW_GAUGE },
	packets_in = { "simulgate_scrambler_packets_in_total", "packets received", GW_COUNTER },
	packets_out = { "simulgate_scrambler_packets_out_total", "packets sent, scrambled", GW_COUNTER },
	packets_clear = { "simulgate_scrambler_packets_clear_total", "packets sent as they came, by a committed record", GW_COUNTER },
	clear = { "simulgate_scrambler_clear", "1 while a committed record has the service in clear", GW_GAUGE },
	packets_dropped = { "simulgate_scrambler_packets_dropped_total", "packets not sent, by reason", GW_COUNTER },
	roc = { "simulgate_scrambler_roc", "SRTP roll-over counter, the highest of the service's sources", GW_GAUGE };

static void
collect_medium(struct gw_samples *s, const struct scr_medium *m)
{
	char labels[512] = "", with[600];

	gw_label(gw_label(labels, sizeof(labels), "service", m->unit->id), sizeof(labels), "medium", m->name);
	gw_sample(s, &packets_in, labels, (double)m->received);
	gw_sample(s, &packets_out, labels, (double)m->sent);
	gw_sample(s, &packets_clear, labels, (double)m->sent_clear);
	for (int i = 1; i < SCR_REASONS; i++) {
		snprintf(with, sizeof(with), "%s", labels);
		gw_sample(s, &packets_dropped, gw_label(with, sizeof(with), "reason", scr_reason(i)), (double)m->dropped[i]);
	}
}

void
scr_collect(void *self, struct gw_samples *s)
{
	const struct scrambler *app = self;

	gw_sample(s, &link_up, "", app->welcome);
	gw_sample(s, &records, "", (double)app->records);
	gw_sample(s, &refused, "", (double)app->refused);
	for (size_t i = 0; i < app->nunits; i++) {
		const struct scr_unit *u = app->units[i];
		char labels[300] = "";
		uint32_t r;
		gw_label(labels, sizeof(labels), "service", u->id);
		gw_sample(s, &switches, labels, (double)u->switches);
		gw_sample(s, &clear, labels, u->clear);
		if (u->keys.now.mode)
			gw_sample(s, &period, labels, (double)u->keys.now.cp);
		if (gw_srtp_tx_sources(u->tx, &r) > 0)
			gw_sample(s, &roc, labels, r);
		for (size_t m = 0; m < u->nmedia; m++)
			collect_medium(s, u->media[m]);
	}
}
