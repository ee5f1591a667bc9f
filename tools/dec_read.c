/* tools/dec_read.c */
#include "tools/dec_read.h"
#include <pcap/pcap.h>
#include <string.h>
#include "tools/dec_net.h"
#include "tools/dec_tcp.h"

enum { SNAPLEN = 262144 };
#define SECOND_NS INT64_C(1000000000)
#define LATEST_S INT64_C(4000000000)
struct reading {
	struct dec_read *conf;
	pcap_t *pcap;
	int link;
	struct dec_net *net;
	struct dec_tcp *tcp;
	struct dec_msg *msg;
};

/* Nanoseconds, by the precision asked for. Times may be anything in a capture: within a century from 1970 on they can be subtracted. */
static int64_t
time_of(const struct pcap_pkthdr *h)
{
	int64_t s = h->ts.tv_sec < 0 ? 0 : h->ts.tv_sec > LATEST_S ? LATEST_S : h->ts.tv_sec;
	int64_t ns = h->ts.tv_usec < 0 || h->ts.tv_usec >= SECOND_NS ? 0 : h->ts.tv_usec;

	return s * SECOND_NS + ns;
}

static void
frame(struct reading *r, const struct pcap_pkthdr *h, const uint8_t *p)
{
	struct dec_counts *n = &r->conf->counts;
	struct dec_segment s;
	int64_t at_ns = time_of(h);
	enum dec_frame kind = dec_net_read(r->net, r->link, p, h->caplen, h->len, &s);

	if (n->frames++ == 0 && r->conf->first)
		r->conf->first(r->conf->user.self, at_ns);
	n->cut += s.cut > 0;
	n->last_ns = at_ns > n->last_ns ? at_ns : n->last_ns;
	dec_msg_now(r->msg, n->frames, at_ns);
	switch (kind) {
	case DEC_TCP:
		n->tcp++;
		dec_tcp_segment(r->tcp, &s, at_ns);
		break;
	case DEC_UDP:
		n->udp++;
		if (!s.cut)
			dec_tcp_datagram(r->tcp, &s, at_ns);
		if (!s.cut && r->conf->datagram)
			r->conf->datagram(r->conf->user.self, &s, n->frames, at_ns);
		break;
	case DEC_FRAGMENT: n->fragments++; break;
	case DEC_BROKEN: n->broken++; break;
	case DEC_OTHER: n->other++; break;
	}
}

static int
read_all(struct reading *r, const char *name, struct gw_err *err)
{
	const volatile sig_atomic_t *stop = r->conf->stop;
	struct pcap_pkthdr *h;
	const u_char *p;
	int rc = 0;

	while (!(stop && *stop) && (rc = pcap_next_ex(r->pcap, &h, &p)) >= 0) {
		if (rc == 1)
			frame(r, h, p);
		if (r->conf->frame)
			r->conf->frame(r->conf->user.self, &r->conf->counts);
	}
	if ((stop && *stop) || rc == PCAP_ERROR_BREAK)
		return 0;
	gw_fail(err, GW_ECONF, "%s: breaks off after %llu frames: %s", name, (unsigned long long)r->conf->counts.frames, pcap_geterr(r->pcap));
	return 1;
}

static int
open_live(struct reading *r, const char *name, struct gw_err *err)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	int rc;

	r->pcap = pcap_create(name, why);
	if (!r->pcap)
		return gw_fail(err, GW_ESYS, "%s: %s", name, why);
	pcap_set_snaplen(r->pcap, SNAPLEN);
	pcap_set_timeout(r->pcap, 100);
	pcap_set_promisc(r->pcap, 0);
	pcap_set_buffer_size(r->pcap, 16 << 20);
	pcap_set_tstamp_precision(r->pcap, PCAP_TSTAMP_PRECISION_NANO);
	if ((rc = pcap_activate(r->pcap)) < 0)
		return gw_fail(err, rc == PCAP_ERROR_NO_SUCH_DEVICE ? GW_EUNAVAIL : GW_ESYS, "%s: %s", name,
		    *pcap_geterr(r->pcap) ? pcap_geterr(r->pcap) : pcap_statustostr(rc));
	if (pcap_get_tstamp_precision(r->pcap) != PCAP_TSTAMP_PRECISION_NANO)
		return gw_fail(err, GW_ESYS, "%s: no time stamps in nanoseconds", name);
	return 0;
}

static int
open_file(struct reading *r, const char *name, struct gw_err *err)
{
	char why[PCAP_ERRBUF_SIZE] = "";

	r->pcap = pcap_open_offline_with_tstamp_precision(name, PCAP_TSTAMP_PRECISION_NANO, why);
	if (r->pcap)
		return 0;
	if (strcmp(name, "-") != 0 && strstr(why, name))
		return gw_fail(err, GW_ECONF, "%s", why);
	return gw_fail(err, GW_ECONF, "%s: %s", name, why);
}

static int
engines(struct reading *r, struct gw_err *err)
{
	struct dec_tcp_user sink;

	r->msg = dec_msg_new(&r->conf->msg, &r->conf->user);
	sink = dec_msg_sink(r->msg);
	r->tcp = dec_tcp_new(&sink);
	r->net = dec_net_new();
	if (!r->msg || !r->tcp || !r->net)
		return gw_fail(err, GW_ESYS, "no memory");
	return 0;
}

int
dec_read(struct dec_read *conf, const char *name, struct gw_err *err)
{
	struct reading r = { .conf = conf };
	int rc = conf->live ? open_live(&r, name, err) : open_file(&r, name, err);

	conf->counts = (struct dec_counts){ 0 };
	if (rc == 0) {
		r.link = pcap_datalink(r.pcap);
		if (!dec_net_knows(r.link))
			rc = gw_fail(err, GW_ECONF, "%s: its link layer %s (%d) is not known here", name, pcap_datalink_val_to_name(r.link), r.link);
	}
	if (rc == 0 && (rc = engines(&r, err)) == 0) {
		rc = read_all(&r, name, err);
		dec_tcp_flush(r.tcp);
		conf->counts.evicted = dec_tcp_evicted(r.tcp);
		conf->counts.torn = dec_net_torn(r.net);
	}
	dec_tcp_free(r.tcp);
	dec_msg_free(r.msg);
	dec_net_free(r.net);
	if (r.pcap)
		pcap_close(r.pcap);
	return rc;
}
