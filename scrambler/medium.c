/* scrambler/medium.c: a medium's sockets and its part in the unit's sender. All here is the main thread's; its flows are the worker's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "scrambler/scrambler.h"

enum { MTU = 1500, UDP = 8, IPV4 = 20, IPV6 = 40 };	/* of Ethernet, and what headers need of it */

#define SWAP(type, a, b) do { type swap_ = (a); (a) = (b); (b) = swap_; } while (0)

static bool
same_addr(const struct gw_addr *a, const struct gw_addr *b)
{
	char x[GW_ADDR_TEXT], y[GW_ADDR_TEXT];

	return strcmp(gw_addr_text(a, x, sizeof(x)), gw_addr_text(b, y, sizeof(y))) == 0;
}

bool
scr_medium_same_in(const struct scr_medium *m, const struct he_medium *conf)
{
	return same_addr(&m->in, &conf->in) && m->has_rtcp == conf->rtcp;
}

/* RFC 3550 11: RTCP goes to the next port. */
static struct gw_addr
above(const struct gw_addr *a)
{
	struct gw_addr next = *a;

	next.port++;
	if (next.ss.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&next.ss)->sin6_port = htons(next.port);
	else if (next.ss.ss_family == AF_INET)
		((struct sockaddr_in *)&next.ss)->sin_port = htons(next.port);
	return next;
}

static void
part_free(const struct scr_unit *u, struct scr_part *part)
{
	u->line.row->medium_free(part->tx);
	free(part->pids);
	*part = (struct scr_part){ 0 };
}

static bool
same_conf(const struct gw_tx_medium_conf *a, const struct gw_tx_medium_conf *b)
{
	return a->type == b->type && a->payload_type == b->payload_type && a->mtu == b->mtu && memcmp(&a->from, &b->from, sizeof(a->from)) == 0 &&
	    memcmp(&a->to, &b->to, sizeof(a->to)) == 0 && a->npids == b->npids &&
	    (a->npids == 0 || memcmp(a->pids, b->pids, a->npids * sizeof(*a->pids)) == 0);
}

/* Without a difference the one in force stays, with the access unit that it has begun and the tables that it knows: *part has no tx. */
static int
part_new(const struct scr_medium *m, const struct he_medium *conf, struct scr_part *part, struct gw_err *err)
{
	const struct he_ipsec *esp = &m->unit->setup.esp;
	struct gw_addr to = conf->out;
	struct gw_tx_medium_conf *c = &part->conf;

	*c = (struct gw_tx_medium_conf){ .index = m->index, .type = (enum gw_media_type)conf->type, .payload_type = conf->payload_type,
		.pids = conf->pids, .npids = conf->npids };
	if (gw_addr_resolve(&to, err) < 0 || (esp->set && gw_rawip_source(&to, esp->source, &c->from, err) < 0))
		return -1;
	if (esp->set)	/* only ESP has the addresses in its packets */
		c->to = to.ss;
	c->mtu = MTU - UDP - (to.ss.ss_family == AF_INET6 ? IPV6 : IPV4);
	if (m->part.tx && same_conf(c, &m->part.conf))
		return 0;
	if (c->npids && !(part->pids = calloc(c->npids, sizeof(*part->pids))))
		return gw_fail(err, GW_ESYS, "no memory");
	if (c->npids)
		memcpy(part->pids, conf->pids, c->npids * sizeof(*part->pids));
	c->pids = part->pids;
	return (part->tx = m->unit->line.row->medium_new(m->unit->line.tx, c, err)) ? 0 : -1;
}

static void
ways_close(struct scr_ways *w)
{
	if (w->clear != w->out)
		scr_out_close(w->clear);
	scr_out_close(w->out);
	*w = (struct scr_ways){ NULL, NULL };
}

/* ESP: by a raw socket, in UDP (RFC 3948), or into a file; clear packets by UDP. */
static struct scr_out *
esp_out(const struct scr_unit *u, const struct gw_addr *to, struct gw_err *err)
{
	struct scr_outs *outs = scr_worker_outs(u->worker);
	const struct he_ipsec *esp = &u->setup.esp;
	struct sockaddr_storage from;
	struct gw_addr a = *to;

	if (esp->output == HE_ESP_RAW)
		return scr_out_open_raw(outs, to, esp->source, err);
	if (esp->output == HE_ESP_PCAP)
		return gw_rawip_source(to, esp->source, &from, err) < 0 ? NULL : scr_out_open_pcap(outs, to, &from, u->pcap, err);
	a.port = esp->port;
	((struct sockaddr_in *)&a.ss)->sin_port = htons(a.port);	/* at the same place for IPv6; unused while a name is not resolved */
	if (esp->source)
		snprintf(a.source, sizeof(a.source), "%s", esp->source);
	return scr_out_open(outs, &a, err);
}

static int
ways_open(const struct scr_unit *u, struct scr_ways *w, const struct gw_addr *to, struct gw_err *err)
{
	if (!(w->clear = scr_out_open(scr_worker_outs(u->worker), to, err)))
		return -1;
	w->out = w->clear;
	if (u->setup.esp.set && !(w->out = esp_out(u, to, err)))
		return -1;
	return 0;
}

int
scr_medium_stage(struct scr_medium *m, const struct he_medium *conf, struct gw_err *err)
{
	struct gw_addr rtcp = above(&conf->out);
	bool moves = !m->media.flow.out || !same_addr(&m->out, &conf->out);

	m->next.staged = true;
	m->next.out = conf->out;
	if (!(m->next.name = strdup(conf->name)))
		return gw_fail(err, GW_ESYS, "no memory");
	if (part_new(m, conf, &m->next.part, err) < 0 || (moves && ways_open(m->unit, &m->next.media, &conf->out, err) < 0) ||
	    (moves && m->has_rtcp && ways_open(m->unit, &m->next.rtcp, &rtcp, err) < 0))
		return gw_wrap(err, "medium %s: ", conf->name);
	return 0;
}

static int
flow(struct scr_path *p, struct scr_ways *ways, struct gw_tx_medium *tx, struct gw_err *err)
{
	if (ways->out) {
		SWAP(struct scr_out *, p->flow.out, ways->out);
		SWAP(struct scr_out *, p->flow.clear, ways->clear);
	}
	p->flow.medium = tx;
	return scr_tap_attach(&p->tap, &p->flow, err);
}

int
scr_medium_take(struct scr_medium *m, struct gw_err *err)
{
	if (!m->next.staged)
		return 0;
	m->next.staged = false;
	SWAP(char *, m->name, m->next.name);
	if (m->next.part.tx)
		SWAP(struct scr_part, m->part, m->next.part);
	m->out = m->next.out;
	return flow(&m->media, &m->next.media, m->part.tx, err) < 0 || (m->has_rtcp && flow(&m->rtcp, &m->next.rtcp, m->part.tx, err) < 0) ? -1 : 0;
}

void
scr_medium_stop(struct scr_medium *m)
{
	scr_tap_detach(&m->media.tap);
	scr_tap_detach(&m->rtcp.tap);
}

void
scr_medium_revert(struct scr_medium *m)
{
	free(m->next.name);
	part_free(m->unit, &m->next.part);
	ways_close(&m->next.media);
	ways_close(&m->next.rtcp);
	memset(&m->next, 0, sizeof(m->next));
}

void
scr_medium_close(struct scr_medium *m)
{
	scr_medium_revert(m);
	scr_tap_close(&m->media.tap);
	scr_tap_close(&m->rtcp.tap);
	ways_close(&(struct scr_ways){ m->media.flow.out, m->media.flow.clear });
	ways_close(&(struct scr_ways){ m->rtcp.flow.out, m->rtcp.flow.clear });
	part_free(m->unit, &m->part);
	free(m->name);
	free(m);
}

struct scr_medium *
scr_medium_open(struct scr_unit *unit, const struct he_medium *conf, const struct scr_medium *instead, struct gw_err *err)
{
	struct scr_inputs *inputs = scr_worker_inputs(unit->worker);
	struct scr_medium *m = calloc(1, sizeof(*m));
	struct gw_addr rtcp = above(&conf->in);

	if (!m) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	m->unit = unit;
	m->in = conf->in;
	m->has_rtcp = conf->rtcp;
	m->index = instead ? instead->index : unit->inputs++;
	m->media.flow.line = m->rtcp.flow.line = &unit->line;
	m->rtcp.flow.rtcp = true;
	if (scr_tap_open(inputs, &m->media.tap, &conf->in, err) < 0 || (conf->rtcp && scr_tap_open(inputs, &m->rtcp.tap, &rtcp, err) < 0))
		gw_wrap(err, "medium %s: ", conf->name);
	else if (scr_medium_stage(m, conf, err) == 0)
		return m;
	scr_medium_close(m);
	return NULL;
}
