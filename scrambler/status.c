/* scrambler/status.c: what operators see. A unit's numbers are copied while its worker rests, and told afterwards. */
#include <stdlib.h>
#include <string.h>
#include "scrambler/scrambler.h"

enum { SOURCES = 32 };		/* listed of a unit */
static const char *const engine_names[] = { [GW_ENGINE_AUTO] = "batch", [GW_ENGINE_LIBSRTP2] = "libsrtp2", [GW_ENGINE_BATCH] = "batch" };

/* Of a stream of packets, at one moment. */
struct counts { uint64_t received, sent, sent_clear, dropped[SCR_REASONS], kernel; };
struct unit_view {
	enum scr_mode mode;
	uint64_t switches, cp, next_cp, previous_cp;
	bool now, next;
	char key[17], previous[17];
	struct gw_source sources[SOURCES]; size_t nsources;	/* those there are; listed: at most SOURCES */
};

static struct counts
counts_of(const struct scr_path *p)
{
	struct counts c = { .received = p->flow.received, .sent = p->flow.sent, .sent_clear = p->flow.sent_clear };

	memcpy(c.dropped, p->flow.dropped, sizeof(c.dropped));
	c.kernel = scr_tap_kernel_drops(&p->tap);
	return c;
}

/* Under the lock */
static struct unit_view
view_of(const struct scr_unit *u)
{
	const struct scr_keys *k = &u->line.keys;
	struct unit_view v = { .mode = k->now.mode, .switches = u->line.switches, .cp = k->now.cp, .now = k->now.mode != SCR_NONE,
		.next = k->n > 0, .next_cp = k->n ? k->coming[0].cp : 0, .previous_cp = u->line.previous.cp };

	if (k->now.key.p)
		memcpy(v.key, k->now.fingerprint, sizeof(v.key));
	memcpy(v.previous, u->line.previous.fingerprint, sizeof(v.previous));
	if (u->line.row->sources)
		v.nsources = u->line.row->sources(u->line.tx, v.sources, SOURCES);
	return v;
}

static uint32_t
highest_roc(const struct unit_view *v)
{
	uint32_t roc = 0;

	for (size_t i = 0; i < v->nsources && i < SOURCES; i++)
		roc = v->sources[i].roc > roc ? v->sources[i].roc : roc;
	return roc;
}

static void
put_counts(json_t *j, const struct counts *c)
{
	json_t *dropped = json_object();

	json_object_set_new(j, "packets_in", json_integer((json_int_t)c->received));
	json_object_set_new(j, "packets_out", json_integer((json_int_t)c->sent));
	json_object_set_new(j, "packets_clear", json_integer((json_int_t)c->sent_clear));
	for (int r = 1; r < SCR_REASONS; r++)
		if (c->dropped[r])
			json_object_set_new(dropped, scr_reason(r), json_integer((json_int_t)c->dropped[r]));
	if (c->kernel)
		json_object_set_new(dropped, "kernel", json_integer((json_int_t)c->kernel));
	json_object_set_new(j, "dropped", dropped);
}

static json_t *
medium_status(const struct scr_medium *m)
{
	char in[GW_ADDR_TEXT], out[GW_ADDR_TEXT], ssrc[16];
	struct scr_worker *w = m->unit->worker;
	struct counts media, rtcp;
	struct unit_view v;
	json_t *j, *list = json_array();

	scr_worker_lock(w);
	v = view_of(m->unit);
	media = counts_of(&m->media);
	rtcp = counts_of(&m->rtcp);
	scr_worker_unlock(w);
	j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "service", m->unit->id, "medium", m->name, "protection", m->unit->line.row->name,
	    "in", gw_addr_text(&m->in, in, sizeof(in)), "out", gw_addr_text(&m->out, out, sizeof(out)),
	    "mode", scr_mode_name(v.mode), "worker", (int)scr_worker_number(w));
	put_counts(j, &media);
	for (size_t i = 0; i < v.nsources && i < SOURCES; i++) {
		snprintf(ssrc, sizeof(ssrc), "%08x", v.sources[i].ssrc);
		json_array_append_new(list, json_pack("{s:s, s:I}", "ssrc", ssrc, "roc", (json_int_t)v.sources[i].roc));
	}
	json_object_set_new(j, "sources", json_integer((json_int_t)v.nsources));
	json_object_set_new(j, "roc", json_integer(highest_roc(&v)));
	json_object_set_new(j, "ssrcs", list);
	if (m->has_rtcp) {
		json_t *r = json_object();
		put_counts(r, &rtcp);
		json_object_set_new(j, "rtcp", r);
	}
	if (v.now)
		json_object_set_new(j, "cp", json_integer((json_int_t)v.cp));
	if (v.key[0])
		json_object_set_new(j, "key", json_string(v.key));
	if (v.previous[0]) {
		json_object_set_new(j, "previous_cp", json_integer((json_int_t)v.previous_cp));
		json_object_set_new(j, "previous_key", json_string(v.previous));
	}
	if (v.next)
		json_object_set_new(j, "next_cp", json_integer((json_int_t)v.next_cp));
	return j;
}

/* A worker's numbers */
struct worker_view { struct scr_batch_counts counts; size_t sockets; uint64_t strays; };

static struct worker_view
worker_view(struct scr_worker *w)
{
	struct worker_view v;

	scr_worker_lock(w);
	v = (struct worker_view){ *scr_batch_counts(scr_worker_batch(w)), scr_inputs_sockets(scr_worker_inputs(w)),
		scr_inputs_strays(scr_worker_inputs(w)) };
	scr_worker_unlock(w);
	return v;
}

static json_t *
worker_status(const struct scrambler *app, size_t i)
{
	struct worker_view v = worker_view(app->workers[i]);
	json_t *sizes = json_object();
	char name[16];

	for (unsigned k = 0; k < SCR_SIZES; k++) {
		snprintf(name, sizeof(name), "%u", 1u << k);
		json_object_set_new(sizes, name, json_integer((json_int_t)v.counts.sizes[k]));
	}
	return json_pack("{s:i, s:i, s:i, s:I, s:I, s:I, s:o}", "worker", (int)i, "services", (int)app->load[i], "sockets", (int)v.sockets,
	    "batches", (json_int_t)v.counts.batches, "packets", (json_int_t)v.counts.packets, "strays", (json_int_t)v.strays, "batch_sizes", sizes);
}

json_t *
scr_status(void *self)
{
	const struct scrambler *app = self;
	json_t *media = json_array(), *workers = json_array();
	const char *by = app->nworkers ? scr_batch_engine(scr_worker_batch(app->workers[0])) : "";

	for (size_t u = 0; u < app->nunits; u++)
		for (size_t m = 0; m < app->units[u]->nmedia; m++)
			json_array_append_new(media, medium_status(app->units[u]->media[m]));
	for (size_t i = 0; i < app->nworkers; i++)
		json_array_append_new(workers, worker_status(app, i));
	return json_pack("{s:s, s:b, s:s, s:s, s:o, s:o}", "head_end", app->head_end, "scs", app->welcome, "engine", engine_names[app->engine],
	    "cryptography", by, "workers", workers, "media", media);
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
	kernel = { "simulgate_scrambler_kernel_dropped_total", "datagrams dropped by the kernel, the socket's buffer being full", GW_COUNTER },
	roc = { "simulgate_scrambler_roc", "SRTP roll-over counter, the highest of the service's sources", GW_GAUGE },
	batches = { "simulgate_scrambler_batches_total", "bursts of packets, by their size from `size` up to the next", GW_COUNTER },
	sockets = { "simulgate_scrambler_sockets", "receiving sockets of a worker", GW_GAUGE },
	strays = { "simulgate_scrambler_strays_total", "datagrams that belong to no medium", GW_COUNTER };

static void
collect_path(struct gw_samples *s, const struct scr_medium *m, const struct counts *c, const char *stream)
{
	char labels[512] = "", with[600];

	gw_label(gw_label(labels, sizeof(labels), "service", m->unit->id), sizeof(labels), "medium", m->name);
	if (stream)
		gw_label(labels, sizeof(labels), "stream", stream);
	gw_sample(s, &packets_in, labels, (double)c->received);
	gw_sample(s, &packets_out, labels, (double)c->sent);
	gw_sample(s, &packets_clear, labels, (double)c->sent_clear);
	gw_sample(s, &kernel, labels, (double)c->kernel);
	for (int i = 1; i < SCR_REASONS; i++) {
		if (i == GW_XF_HELD)
			continue;
		snprintf(with, sizeof(with), "%s", labels);
		gw_sample(s, &packets_dropped, gw_label(with, sizeof(with), "reason", scr_reason(i)), (double)c->dropped[i]);
	}
}

static void
collect_unit(struct gw_samples *s, const struct scr_unit *u)
{
	char labels[300] = "";
	struct unit_view v;

	scr_worker_lock(u->worker);
	v = view_of(u);
	scr_worker_unlock(u->worker);
	gw_label(labels, sizeof(labels), "service", u->id);
	gw_sample(s, &switches, labels, (double)v.switches);
	gw_sample(s, &clear, labels, v.mode == SCR_CLEAR);
	if (v.now)
		gw_sample(s, &period, labels, (double)v.cp);
	if (v.nsources > 0)
		gw_sample(s, &roc, labels, highest_roc(&v));
	for (size_t i = 0; i < u->nmedia; i++) {
		struct counts media, rtcp;
		scr_worker_lock(u->worker);
		media = counts_of(&u->media[i]->media);
		rtcp = counts_of(&u->media[i]->rtcp);
		scr_worker_unlock(u->worker);
		collect_path(s, u->media[i], &media, NULL);
		if (u->media[i]->has_rtcp)
			collect_path(s, u->media[i], &rtcp, "rtcp");
	}
}

static void
collect_worker(struct gw_samples *s, const struct scrambler *app, size_t i)
{
	struct worker_view v = worker_view(app->workers[i]);
	char number[16], labels[64] = "", with[100], size[16];

	snprintf(number, sizeof(number), "%zu", i);
	gw_label(labels, sizeof(labels), "worker", number);
	gw_sample(s, &sockets, labels, (double)v.sockets);
	gw_sample(s, &strays, labels, (double)v.strays);
	for (unsigned k = 0; k < SCR_SIZES; k++) {
		snprintf(size, sizeof(size), "%u", 1u << k);
		snprintf(with, sizeof(with), "%s", labels);
		gw_sample(s, &batches, gw_label(with, sizeof(with), "size", size), (double)v.counts.sizes[k]);
	}
}

void
scr_collect(void *self, struct gw_samples *s)
{
	const struct scrambler *app = self;

	gw_sample(s, &link_up, "", app->welcome);
	gw_sample(s, &records, "", (double)app->records);
	gw_sample(s, &refused, "", (double)app->refused);
	for (size_t i = 0; i < app->nunits; i++)
		collect_unit(s, app->units[i]);
	for (size_t i = 0; i < app->nworkers; i++)
		collect_worker(s, app, i);
}
