/* tools/play_pcap.c: UDP payloads at the pace of their capture */
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/dec_net.h"
#include "tools/play.h"

struct capture {
	struct play_source source;
	pcap_t *pcap;
	struct dec_net *net;
	char *path;
	bool loop;
	uint16_t port;
	int link;
	int64_t first_ns, last_ns;	/* capture times of this pass */
	int64_t pass_ns;		/* when this pass began */
	uint64_t n;			/* datagrams of this pass */
};

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
	if (dec_net_knows(c->link))
		return 0;
	return gw_fail(err, GW_ECONF, "its link layer %s (%d) is not known here", pcap_datalink_val_to_name(c->link), c->link);
}

/* 1: a datagram with its capture time, that of its last fragment; 0: the file ends; -1. What is no whole UDP datagram is passed over. */
static int
read_one(struct capture *c, struct dec_segment *s, int64_t *at_ns, struct gw_err *err)
{
	struct pcap_pkthdr *h;
	const u_char *data;
	int rc;

	while ((rc = pcap_next_ex(c->pcap, &h, &data)) == 1) {
		*at_ns = (int64_t)h->ts.tv_sec * 1000000000 + h->ts.tv_usec;	/* nanoseconds, by the precision asked for */
		if (dec_net_read(c->net, c->link, data, h->caplen, h->len, s) == DEC_UDP && s->cut == 0 && (!c->port || s->ends.to_port == c->port))
			return 1;
	}
	return rc == PCAP_ERROR_BREAK ? 0 : gw_fail(err, GW_ECONF, "%s", pcap_geterr(c->pcap));
}

static int
next(struct play_source *source, struct play_datagram *d, struct gw_err *err)
{
	struct capture *c = (struct capture *)source;
	struct dec_segment s;
	int64_t at = 0;
	int rc = read_one(c, &s, &at, err);

	if (rc == 0 && c->loop && c->n > 0) {
		int64_t length = c->last_ns - c->first_ns;

		/* a capture of one moment would otherwise be sent without end in one moment */
		c->pass_ns += length + (length > 0 ? length / (int64_t)(c->n - 1) : 1000000000);
		if (rewind_to_start(c, err) < 0)
			return -1;
		rc = read_one(c, &s, &at, err);
	}
	if (rc < 1)
		return rc;
	if (c->n++ == 0)
		c->first_ns = c->last_ns = at;
	if (at > c->last_ns)	/* captures of several queues are out of order at times */
		c->last_ns = at;
	*d = (struct play_datagram){ .due_ns = c->pass_ns + c->last_ns - c->first_ns, .p = s.p, .len = s.len };
	return 1;
}

static void
capture_free(struct play_source *source)
{
	struct capture *c = (struct capture *)source;

	if (c->pcap)
		pcap_close(c->pcap);
	dec_net_free(c->net);
	free(c->path);
	free(c);
}

struct play_source *
play_pcap(const char *path, bool loop, uint16_t port, struct gw_err *err)
{
	struct capture *c = calloc(1, sizeof(*c));
	struct dec_segment s;
	int64_t at;
	int rc;

	if (!c || !(c->path = strdup(path)) || !(c->net = dec_net_new())) {
		if (c)
			capture_free(&c->source);
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	c->source = (struct play_source){ next, capture_free };
	c->loop = loop;
	c->port = port;
	rc = rewind_to_start(c, err) < 0 ? -1 : read_one(c, &s, &at, err);
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
