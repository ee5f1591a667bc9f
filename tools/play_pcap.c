/* tools/play_pcap.c: UDP payloads at the pace of their capture */
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/play.h"

struct capture {
	struct play_source source;
	pcap_t *pcap;
	char *path;
	bool loop;
	uint16_t port;
	int link;
	int64_t first_ns, last_ns;	/* capture times of this pass */
	int64_t pass_ns;		/* when this pass began */
	uint64_t n;			/* datagrams of this pass */
};

struct view { const uint8_t *p; size_t len; };

static unsigned
be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static bool
skip(struct view *v, size_t n)
{
	if (v->len < n)
		return false;
	v->p += n;
	v->len -= n;
	return true;
}

/* ---- from the frame to the payload; what is no whole UDP datagram is passed over ---- */

/* Link layers: where the 16-bit protocol type stands (-1: none, the IP version tells) and where the network layer begins. */
static const struct { int link, type_at; size_t header; } links[] = {
	{ DLT_EN10MB, 12, 14 }, { DLT_LINUX_SLL, 14, 16 }, { DLT_LINUX_SLL2, 0, 20 },
	{ DLT_RAW, -1, 0 }, { DLT_IPV4, -1, 0 }, { DLT_IPV6, -1, 0 }, { DLT_NULL, -1, 4 }, { DLT_LOOP, -1, 4 },
};
enum { NLINKS = sizeof(links) / sizeof(links[0]) };

static bool
to_network(int link, struct view *v)
{
	for (size_t i = 0; i < NLINKS; i++) {
		unsigned type;

		if (links[i].link != link)
			continue;
		if (v->len < links[i].header)
			return false;
		type = links[i].type_at < 0 ? 0 : be16(v->p + links[i].type_at);
		skip(v, links[i].header);
		while ((type == 0x8100 || type == 0x88a8) && v->len >= 4) {	/* VLAN tags */
			type = be16(v->p + 2);
			skip(v, 4);
		}
		return links[i].type_at < 0 || type == 0x0800 || type == 0x86dd;
	}
	return false;
}

static bool
to_udp(struct view *v)
{
	size_t header, total;

	if (v->len >= 20 && v->p[0] >> 4 == 4) {
		header = (v->p[0] & 15u) * 4u;
		total = be16(v->p + 2);
		if (header < 20 || v->p[9] != 17 || (be16(v->p + 6) & 0x3fff))	/* no options short; UDP; no fragment */
			return false;
	} else if (v->len >= 40 && v->p[0] >> 4 == 6) {
		header = 40;
		total = 40 + be16(v->p + 4);
		if (v->p[6] != 17)
			return false;
	} else {
		return false;
	}
	if (total < header || total > v->len)
		return false;
	v->len = total;	/* without the padding of short frames */
	return skip(v, header);
}

static bool
to_payload(uint16_t port, struct view *v)
{
	size_t total = v->len < 8 ? 0 : be16(v->p + 4);

	if (total < 8 || total > v->len || (port && be16(v->p + 2) != port))
		return false;
	v->len = total;
	return skip(v, 8);
}

/* ---- playing ---- */

static int
rewind_to_start(struct capture *c, struct gw_err *err)
{
	char why[PCAP_ERRBUF_SIZE] = "";

	if (c->pcap)
		pcap_close(c->pcap);
	c->pcap = pcap_open_offline_with_tstamp_precision(c->path, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!c->pcap)
		return gw_fail(err, GW_ECONF, "%s", why);
	c->link = pcap_datalink(c->pcap);
	c->n = 0;
	for (size_t i = 0; i < NLINKS; i++)
		if (links[i].link == c->link)
			return 0;
	return gw_fail(err, GW_ECONF, "its link layer %s (%d) is not known here", pcap_datalink_val_to_name(c->link), c->link);
}

/* 1: a datagram with its capture time; 0: the file ends; -1. */
static int
read_one(struct capture *c, struct view *v, int64_t *at_ns, struct gw_err *err)
{
	struct pcap_pkthdr *h;
	const u_char *data;
	int rc;

	while ((rc = pcap_next_ex(c->pcap, &h, &data)) == 1) {
		*v = (struct view){ data, h->caplen };
		*at_ns = (int64_t)h->ts.tv_sec * 1000000000 + h->ts.tv_usec;	/* nanoseconds, by the precision asked for */
		if (to_network(c->link, v) && to_udp(v) && to_payload(c->port, v))
			return 1;
	}
	return rc == PCAP_ERROR_BREAK ? 0 : gw_fail(err, GW_ECONF, "%s", pcap_geterr(c->pcap));
}

static int
next(struct play_source *source, struct play_datagram *d, struct gw_err *err)
{
	struct capture *c = (struct capture *)source;
	struct view v;
	int64_t at = 0;
	int rc = read_one(c, &v, &at, err);

	if (rc == 0 && c->loop && c->n > 0) {
		int64_t length = c->last_ns - c->first_ns;

		/* a capture of one moment would otherwise be sent without end in one moment */
		c->pass_ns += length + (length > 0 ? length / (int64_t)(c->n - 1) : 1000000000);
		if (rewind_to_start(c, err) < 0)
			return -1;
		rc = read_one(c, &v, &at, err);
	}
	if (rc < 1)
		return rc;
	if (c->n++ == 0)
		c->first_ns = c->last_ns = at;
	if (at > c->last_ns)	/* captures of several queues are out of order at times */
		c->last_ns = at;
	*d = (struct play_datagram){ .due_ns = c->pass_ns + c->last_ns - c->first_ns, .p = v.p, .len = v.len };
	return 1;
}

static void
capture_free(struct play_source *source)
{
	struct capture *c = (struct capture *)source;

	if (c->pcap)
		pcap_close(c->pcap);
	free(c->path);
	free(c);
}

struct play_source *
play_pcap(const char *path, bool loop, uint16_t port, struct gw_err *err)
{
	struct capture *c = calloc(1, sizeof(*c));
	struct view v;
	int64_t at;
	int rc;

	if (!c || !(c->path = strdup(path))) {
		free(c);
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	c->source = (struct play_source){ next, capture_free };
	c->loop = loop;
	c->port = port;
	rc = rewind_to_start(c, err) < 0 ? -1 : read_one(c, &v, &at, err);
	if (rc == 0 && port)
		gw_fail(err, GW_ECONF, "has no whole UDP datagram to port %u", port);
	else if (rc == 0)
		gw_fail(err, GW_ECONF, "has no whole UDP datagram");
	if (rc < 1 || rewind_to_start(c, err) < 0) {
		capture_free(&c->source);
		return NULL;
	}
	return &c->source;
}
