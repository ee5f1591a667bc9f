/* tools/dec_net.c: from the frame to the segment */
#include "tools/dec_net.h"
#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>
#include "proto/be.h"

enum { WHOLE = 65536, UNIT = 8, EXTENSIONS = 8, TCP = 6, V6_HOP = 0, V6_ROUTE = 43, V6_FRAGMENT = 44, V6_OPTIONS = 60, V4_MORE = 0x2000 };

/* A datagram of which fragments have come. Which octets are there is kept in units of eight, as fragments count. */
struct partial {
	struct ip_ends ends;
	uint32_t id;
	uint8_t proto;
	uint64_t born;			/* 0: free */
	size_t end, have;		/* end: of the whole, 0 as long as it is not known; have: octets */
	uint8_t *p;			/* WHOLE octets, from the first use on */
	uint8_t map[WHOLE / UNIT / 8];
};
struct dec_net { struct partial partial[DEC_FRAGMENTED]; uint64_t clock, gave_way; };
struct view { const uint8_t *p; size_t len, cut; };

static bool
skip(struct view *v, size_t n)
{
	if (v->len < n)
		return false;
	v->p += n;
	v->len -= n;
	return true;
}

/* Link layers: where the 16-bit protocol type stands (-1: none, the IP version tells) and where the network layer begins. */
static const struct { int link, type_at; size_t header; } links[] = {
	{ DLT_EN10MB, 12, 14 }, { DLT_LINUX_SLL, 14, 16 }, { DLT_LINUX_SLL2, 0, 20 },
	{ DLT_RAW, -1, 0 }, { DLT_IPV4, -1, 0 }, { DLT_IPV6, -1, 0 }, { DLT_NULL, -1, 4 }, { DLT_LOOP, -1, 4 },
};
enum { NLINKS = sizeof(links) / sizeof(links[0]) };

bool
dec_net_knows(int link)
{
	for (size_t i = 0; i < NLINKS; i++)
		if (links[i].link == link)
			return true;
	return false;
}

static bool
vlan(unsigned type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

static enum dec_frame
to_network(int link, struct view *v)
{
	for (size_t i = 0; i < NLINKS; i++) {
		unsigned type;

		if (links[i].link != link)
			continue;
		if (v->len < links[i].header)
			return DEC_BROKEN;
		type = links[i].type_at < 0 ? 0x0800 : be16(v->p + links[i].type_at);
		skip(v, links[i].header);
		while (vlan(type)) {
			if (v->len < 4)
				return DEC_BROKEN;
			type = be16(v->p + 2);
			skip(v, 4);
		}
		return type == 0x0800 || type == 0x86dd ? DEC_TCP : DEC_OTHER;
	}
	return DEC_OTHER;
}

struct dec_net *
dec_net_new(void)
{
	return calloc(1, sizeof(struct dec_net));
}

void
dec_net_free(struct dec_net *net)
{
	for (size_t i = 0; net && i < DEC_FRAGMENTED; i++)
		free(net->partial[i].p);
	free(net);
}

uint64_t
dec_net_torn(const struct dec_net *net)
{
	uint64_t n = net->gave_way;

	for (size_t i = 0; i < DEC_FRAGMENTED; i++)
		n += net->partial[i].born > 0;
	return n;
}

/* The datagram that a fragment belongs to; a new one takes a free place, or that of the oldest. NULL: no memory. */
static struct partial *
partial_of(struct dec_net *net, const struct ip_ends *ends, uint8_t proto, uint32_t id)
{
	struct partial *oldest = &net->partial[0];
	uint8_t *p;

	for (size_t i = 0; i < DEC_FRAGMENTED; i++) {
		struct partial *f = &net->partial[i];

		if (f->born && f->id == id && f->proto == proto && memcmp(&f->ends, ends, sizeof(*ends)) == 0)
			return f;
		if (f->born < oldest->born)
			oldest = f;
	}
	if (!oldest->p && !(oldest->p = calloc(1, WHOLE)))
		return NULL;
	net->gave_way += oldest->born > 0;
	p = oldest->p;
	memset(oldest, 0, sizeof(*oldest));
	oldest->p = p;
	oldest->ends = *ends;
	oldest->proto = proto;
	oldest->id = id;
	oldest->born = ++net->clock;
	return oldest;
}

/* Puts a fragment to its place; what is there already stays (RFC 815 leaves it open). DEC_TCP: the datagram is whole, and *v is it. */
static enum dec_frame
defragment(struct dec_net *net, const struct ip_ends *ends, uint8_t proto, uint32_t id, size_t at, bool more, struct view *v)
{
	struct partial *f;

	if (v->cut || v->len == 0 || at + v->len > WHOLE || (more && v->len % UNIT))
		return DEC_BROKEN;
	if (!(f = partial_of(net, ends, proto, id)))
		return DEC_BROKEN;
	for (size_t k = 0; k < v->len; k += UNIT) {
		size_t unit = (at + k) / UNIT, n = v->len - k < UNIT ? v->len - k : UNIT;

		if (f->map[unit / 8] & 1u << unit % 8)
			continue;
		f->map[unit / 8] |= (uint8_t)(1u << unit % 8);
		memcpy(f->p + at + k, v->p + k, n);
		f->have += n;
	}
	if (!more && !f->end)
		f->end = at + v->len;
	if (!f->end || f->have < f->end)
		return DEC_FRAGMENT;
	f->born = 0;
	if (f->have != f->end)
		return DEC_BROKEN;	/* fragments that contradict one another */
	*v = (struct view){ f->p, f->end, 0 };
	return DEC_TCP;
}

/* The length that the header states ends the packet: without the padding of short frames, with what the capture has cut. */
static bool
clip(struct view *v, size_t total)
{
	size_t there = v->len + v->cut;

	if (total > there)
		return false;
	v->cut = total > v->len ? total - v->len : 0;
	if (v->len > total)
		v->len = total;
	return true;
}

static enum dec_frame
ipv4(struct dec_net *net, struct view *v, struct ip_ends *ends, uint8_t *proto)
{
	const uint8_t *h = v->p;
	size_t header, total;
	unsigned fragment;

	if (v->len < IP_V4_HEADER)
		return DEC_BROKEN;
	header = (h[0] & 15u) * 4u;
	total = be16(h + 2);
	if (total == 0)		/* the kernel has not cut it into packets yet */
		total = v->len + v->cut;
	if (header < IP_V4_HEADER || total < header || !clip(v, total) || !skip(v, header))
		return DEC_BROKEN;
	memcpy(ends->from, h + 12, 4);
	memcpy(ends->to, h + 16, 4);
	*proto = h[9];
	fragment = be16(h + 6);
	if (fragment & 0x3fff)
		return defragment(net, ends, *proto, be16(h + 4), (fragment & 0x1fff) * (size_t)UNIT, (fragment & V4_MORE) != 0, v);
	return DEC_TCP;
}

static enum dec_frame
ipv6(struct dec_net *net, struct view *v, struct ip_ends *ends, uint8_t *proto)
{
	const uint8_t *h = v->p;
	size_t payload;

	if (v->len < IP_V6_HEADER)
		return DEC_BROKEN;
	payload = be16(h + 4);
	if (payload == 0)
		payload = v->len + v->cut - IP_V6_HEADER;
	if (!clip(v, IP_V6_HEADER + payload) || !skip(v, IP_V6_HEADER))
		return DEC_BROKEN;
	ends->v6 = true;
	memcpy(ends->from, h + 8, 16);
	memcpy(ends->to, h + 24, 16);
	*proto = h[6];
	for (int k = 0; k < EXTENSIONS; k++) {
		const uint8_t *x = v->p;

		if (*proto == V6_FRAGMENT) {
			unsigned at;
			enum dec_frame kind;

			if (!skip(v, 8))
				return DEC_BROKEN;
			*proto = x[0];
			at = be16(x + 2);
			if (at & 0xfff9) {	/* else: alone, RFC 6946 */
				kind = defragment(net, ends, *proto, be32(x + 4), at & 0xfff8, at & 1, v);
				if (kind != DEC_TCP)
					return kind;
			}
		} else if (*proto == V6_HOP || *proto == V6_ROUTE || *proto == V6_OPTIONS) {
			if (v->len < 8 || !skip(v, 8 + (size_t)x[1] * 8))
				return DEC_BROKEN;
			*proto = x[0];
		} else {
			return DEC_TCP;
		}
	}
	return DEC_OTHER;
}

static enum dec_frame
tcp(struct view *v, struct dec_segment *s)
{
	const uint8_t *h = v->p;
	size_t header;

	if (v->len < 20 || (header = (size_t)(h[12] >> 4) * 4) < 20 || !skip(v, header))
		return DEC_BROKEN;
	s->seq = be32(h + 4);
	s->ack = be32(h + 8);
	s->flags = h[13];
	return DEC_TCP;
}

static enum dec_frame
udp(struct view *v)
{
	size_t total = v->len < IP_UDP_HEADER ? 0 : be16(v->p + 4);

	if (total < IP_UDP_HEADER || !clip(v, total))
		return DEC_BROKEN;
	skip(v, IP_UDP_HEADER);
	return DEC_UDP;
}

enum dec_frame
dec_net_read(struct dec_net *net, int link, const void *frame, size_t caplen, size_t wire_len, struct dec_segment *s)
{
	struct view v = { frame, caplen, wire_len > caplen ? wire_len - caplen : 0 };
	enum dec_frame kind = to_network(link, &v);
	uint8_t proto = 0;

	memset(s, 0, sizeof(*s));
	if (kind != DEC_TCP)
		return kind;
	if (v.len == 0)
		return DEC_BROKEN;
	if (v.p[0] >> 4 == 4)
		kind = ipv4(net, &v, &s->ends, &proto);
	else if (v.p[0] >> 4 == 6)
		kind = ipv6(net, &v, &s->ends, &proto);
	else
		return DEC_OTHER;
	if (kind != DEC_TCP)
		return kind;
	if (proto != TCP && proto != IP_NEXT_UDP)
		return DEC_OTHER;
	if (v.len >= 4) {
		s->ends.from_port = (uint16_t)be16(v.p);
		s->ends.to_port = (uint16_t)be16(v.p + 2);
	}
	s->header = v.p;
	kind = proto == TCP ? tcp(&v, s) : udp(&v);
	s->p = v.p;
	s->len = v.len;
	s->cut = v.cut;
	return kind;
}
