/* tests/unit/capture.c */
#include "tests/unit/capture.h"
#include <pcap/pcap.h>
#include <string.h>
#include "proto/be.h"
#include "proto/sim.h"
#include "tests/suite.h"

enum { ETHERNET = 14, IPV4 = 20, TCP_LEAST = 20, UDP_HEADER = 8, FIN = 1, SYN = 2, ACK = 16, IP_TCP = 6, IP_UDP = 17, HALF = 1 << 15 };

static uint8_t room[CAP_FLOWS][2][HALF];

static struct cap_flow *
flow_of(struct capture *c, uint16_t client, uint16_t server, bool udp)
{
	for (size_t i = c->nflows; i-- > 0; )	/* the youngest first: a port may serve twice */
		if (c->flow[i].client == client && c->flow[i].server == server && c->flow[i].udp == udp)
			return &c->flow[i];
	return NULL;
}

static struct cap_flow *
new_flow(struct capture *c, uint16_t client, uint16_t server, bool udp)
{
	size_t i = c->nflows++;

	ck_assert_uint_lt(i, CAP_FLOWS);
	c->flow[i] = (struct cap_flow){ .client = client, .server = server, .udp = udp, .half = { { .p = room[i][0] }, { .p = room[i][1] } } };
	return &c->flow[i];
}

static void
append(struct cap_half *h, const uint8_t *p, size_t len)
{
	ck_assert_uint_le(h->len + len, HALF);
	memcpy(h->p + h->len, p, len);
	h->len += len;
}

/* Whole messages that have come together. */
static void
take_messages(struct capture *c, struct cap_flow *f, bool from_server)
{
	struct cap_half *h = &f->half[from_server];
	size_t frame;

	while ((frame = sim_frame_length(h->p + h->taken, h->len - h->taken)) > 0 && frame <= h->len - h->taken) {
		ck_assert_uint_lt(c->nmessages, CAP_MESSAGES);
		c->message[c->nmessages++] = (struct cap_message){ (size_t)(f - c->flow), from_server, f->udp, h->p + h->taken, frame };
		h->taken += frame;
	}
}

static void
tcp_segment(struct capture *c, const uint8_t *p, size_t len)
{
	uint16_t from = (uint16_t)be16(p), to = (uint16_t)be16(p + 2);
	uint32_t seq = (uint32_t)be16(p + 4) << 16 | be16(p + 6);
	size_t header = (size_t)(p[12] >> 4) * 4;
	uint8_t flags = p[13];
	struct cap_flow *f;
	struct cap_half *h;
	bool from_server;

	ck_assert(header >= TCP_LEAST && header <= len);
	f = (flags & (SYN | ACK)) == SYN ? new_flow(c, from, to, false) : flow_of(c, from, to, false);
	from_server = !f;
	if (!f)
		f = flow_of(c, to, from, false);
	ck_assert_msg(f != NULL, "a segment %u > %u before its connection", from, to);
	h = &f->half[from_server];
	p += header;
	len -= header;
	if (flags & SYN)
		h->open = true, h->next = seq + 1;
	else if (len > 0 && (int32_t)(seq - h->next) < 0)
		ck_assert_msg((int32_t)(seq + len - h->next) <= 0, "a segment %u > %u that is sent again in part", from, to);
	else if (len > 0) {
		ck_assert_msg(h->open && seq == h->next && !h->fin, "a gap in %u > %u", from, to);
		append(h, p, len);
		h->next += (uint32_t)len;
		take_messages(c, f, from_server);
	}
	h->fin |= (flags & FIN) != 0;
}

static void
udp_datagram(struct capture *c, const uint8_t *p, size_t len)
{
	uint16_t from = (uint16_t)be16(p), to = (uint16_t)be16(p + 2);
	struct cap_flow *f = flow_of(c, from, to, true);

	ck_assert_uint_eq(be16(p + 4), len);
	if (!f)
		f = new_flow(c, from, to, true);
	append(&f->half[0], p + UDP_HEADER, len - UDP_HEADER);
	take_messages(c, f, false);
	ck_assert_uint_eq(f->half[0].taken, f->half[0].len);	/* a datagram is one message */
}

static void
frame(struct capture *c, const uint8_t *p, size_t len)
{
	const uint8_t *ip = p + ETHERNET;
	size_t total;

	ck_assert(len >= ETHERNET + IPV4 && be16(p + 12) == 0x0800 && ip[0] == 0x45);
	total = be16(ip + 2);
	ck_assert(total <= len - ETHERNET && (be16(ip + 6) & 0x3fff) == 0);	/* whole, no fragment */
	if (ip[9] == IP_TCP && total >= IPV4 + TCP_LEAST)
		tcp_segment(c, ip + IPV4, total - IPV4);
	else if (ip[9] == IP_UDP && total >= IPV4 + UDP_HEADER)
		udp_datagram(c, ip + IPV4, total - IPV4);
}

const struct capture *
capture_read(const char *rel)
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline(vec_path(rel), why);
	static struct capture here;
	struct capture *c = &here;
	struct pcap_pkthdr *head;
	const u_char *p;
	int rc;

	ck_assert_msg(pcap != NULL, "%s", why);
	ck_assert_int_eq(pcap_datalink(pcap), DLT_EN10MB);
	c->nflows = c->nmessages = 0;
	while ((rc = pcap_next_ex(pcap, &head, &p)) == 1)
		frame(c, p, head->caplen);
	ck_assert_int_eq(rc, PCAP_ERROR_BREAK);	/* the end of the file */
	pcap_close(pcap);
	for (size_t i = 0; i < c->nflows; i++)
		for (int k = 0; k < 2; k++) {
			ck_assert_uint_eq(c->flow[i].half[k].taken, c->flow[i].half[k].len);
			ck_assert(c->flow[i].udp || c->flow[i].half[k].fin);
		}
	return c;
}

const struct cap_message *
capture_next(const struct capture *c, size_t flow, size_t *at)
{
	while (*at < c->nmessages) {
		const struct cap_message *g = &c->message[(*at)++];

		if (g->flow == flow || (g->udp && c->flow[g->flow].server == c->flow[flow].server))
			return g;
	}
	return NULL;
}
