/* tools/scrub_net.c: what is not copied on purpose stays zero */
#include "tools/scrub_net.h"
#include <pcap/dlt.h>
#include <string.h>
#include "proto/be.h"

enum { TCP = 6, TCP_HEADER = 20, TCP_SUM = 16, UDP_SUM = 6, IP_SUM = 10, UNIT = 8, EXTENSIONS = 8, V6_HOP = 0, V6_ROUTE = 43, V6_FRAGMENT = 44,
	V6_OPTIONS = 60, MAC = 6, WRONG = 0x5555 };

static uint16_t
fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* ---- addresses ---- */

static void
mac(struct scrub_pen *pen, uint8_t *p)
{
	uint8_t was[MAC];

	if (!scrub_wants(pen, SCRUB_ADDRESSES))
		return;
	memcpy(was, p, MAC);
	scrub_mac(pen->names, p);
	if (memcmp(was, p, MAC) == 0)
		return;
	scrub_counted(pen, SCRUB_ADDRESSES, "MAC");
	if (pen->note)
		pen->note(pen->self, SCRUB_ADDRESSES, "MAC", was, p, MAC);
}

static void
address(struct scrub_pen *pen, bool v6, uint8_t *p)
{
	size_t n = v6 ? 16 : 4;
	uint8_t was[16];

	if (!scrub_wants(pen, SCRUB_ADDRESSES))
		return;
	memcpy(was, p, n);
	v6 ? scrub_v6(pen->names, p) : scrub_v4(pen->names, p);
	if (memcmp(was, p, n) == 0)
		return;
	scrub_counted(pen, SCRUB_ADDRESSES, v6 ? "IPv6" : "IPv4");
	if (pen->note)
		pen->note(pen->self, SCRUB_ADDRESSES, v6 ? "IPv6" : "IPv4", was, p, n);
}

static void
port(struct scrub_pen *pen, uint8_t *p)
{
	uint8_t was[2] = { p[0], p[1] };

	if (!scrub_wants(pen, SCRUB_PORTS))
		return;
	scrub_id(pen->names, SCRUB_D_PORT, p, 2);
	scrub_counted(pen, SCRUB_PORTS, "port");
	if (pen->note)
		pen->note(pen->self, SCRUB_PORTS, "port", was, p, 2);
}

/* ---- TCP and UDP ---- */

/* Options that say nothing of whoever sends them: MSS, window scale, SACK, timestamps. With another length it is not they that are in there. */
static bool
plain_option(uint8_t kind, size_t len)
{
	static const uint8_t lens[] = { [2] = 4, [3] = 3, [4] = 2, [8] = 10 };

	return kind == 5 ? len > 2 && len % 8 == 2 : kind < sizeof(lens) && len == lens[kind];
}

/* Of those that do not stay type and length do. */
static void
tcp_options(const uint8_t *in, uint8_t *out, size_t n)
{
	for (size_t at = 0; at < n; ) {
		size_t len;

		out[at] = in[at];
		if (in[at] <= 1) {
			at++;
			continue;
		}
		if (at + 1 == n || in[at + 1] < 2 || in[at + 1] > n - at)
			return;
		len = in[at + 1];
		out[at + 1] = (uint8_t)len;
		if (plain_option(in[at], len))
			memcpy(out + at + 2, in + at + 2, len - 2);
		at += len;
	}
}

static uint32_t
pseudo(const struct ip_ends *e, uint8_t proto, size_t len)
{
	size_t n = e->v6 ? 16 : 4;

	return ip_sum(ip_sum(0, e->from, n), e->to, n) + proto + (uint32_t)(len >> 16) + (uint32_t)(len & 0xffff);
}

static enum scrub_sum
judge(uint8_t proto, const struct dec_segment *s, size_t header, unsigned field)
{
	uint32_t sum = pseudo(&s->ends, proto, header + s->len + s->cut);

	if (field == 0)
		return SCRUB_NONE;
	if (s->cut)	/* nobody can tell, here or there */
		return SCRUB_RIGHT;
	if (field == fold(sum))
		return SCRUB_OFFLOAD;
	return fold(ip_sum(ip_sum(sum, s->header, header), s->p, s->len)) == 0xffff ? SCRUB_RIGHT : SCRUB_WRONG;
}

size_t
scrub_transport(struct scrub_pen *pen, uint8_t proto, const struct dec_segment *s, uint8_t out[SCRUB_TRANSPORT], enum scrub_sum *kind, size_t *sum_at)
{
	size_t header = proto == TCP ? (size_t)(s->header[12] >> 4) * 4 : IP_UDP_HEADER;
	struct ip_ends ends = s->ends;
	unsigned field;
	uint32_t sum;

	*sum_at = proto == TCP ? TCP_SUM : UDP_SUM;
	memset(out, 0, SCRUB_TRANSPORT);
	memcpy(out, s->header, proto == TCP ? TCP_HEADER : IP_UDP_HEADER);
	if (proto == TCP && header > TCP_HEADER)
		tcp_options(s->header + TCP_HEADER, out + TCP_HEADER, header - TCP_HEADER);
	port(pen, out);
	port(pen, out + 2);
	field = be16(out + *sum_at);
	*kind = judge(proto, s, header, field);
	if (scrub_wants(pen, SCRUB_ADDRESSES)) {
		ends.v6 ? scrub_v6(pen->names, ends.from) : scrub_v4(pen->names, ends.from);
		ends.v6 ? scrub_v6(pen->names, ends.to) : scrub_v4(pen->names, ends.to);
	}
	sum = pseudo(&ends, proto, header + s->len + s->cut);
	put16(out + *sum_at, 0);
	if (*kind == SCRUB_OFFLOAD)
		field = fold(sum);
	else if (*kind != SCRUB_NONE)	/* the error is another than it was: it would tell of what was there */
		field = (uint16_t)~fold(ip_sum(sum, out, header)) ^ (*kind == SCRUB_WRONG ? WRONG : 0);
	if (*kind != SCRUB_NONE && proto != TCP && field == 0)
		field = 0xffff;
	put16(out + *sum_at, field);
	return header;
}

uint16_t
scrub_sum_changed(uint16_t field, bool odd, const uint8_t *from, const uint8_t *to, size_t n, bool udp)
{
	uint16_t before = fold(ip_sum(0, from, n)), after = fold(ip_sum(0, to, n));
	uint32_t sum;

	if (odd) {	/* RFC 1071, 2 (B) */
		before = (uint16_t)(before << 8 | before >> 8);
		after = (uint16_t)(after << 8 | after >> 8);
	}
	sum = (uint16_t)~field + (uint32_t)(uint16_t)~before + after;	/* RFC 1624, 3 */
	field = (uint16_t)~fold(sum);
	return udp && field == 0 ? 0xffff : field;
}

/* ---- network layer ---- */

struct walk { struct scrub_pen *pen; const uint8_t *in; uint8_t *out; size_t at, len, cut; };	/* octets [at, len) are left; cut: not in the capture */

static bool
take(struct walk *w, size_t n)
{
	if (w->len - w->at < n)
		return false;
	w->at += n;
	return true;
}

static bool
clip(struct walk *w, size_t total)
{
	size_t there = w->len - w->at;

	if (total > there + w->cut)
		return false;
	w->cut = total > there ? total - there : 0;
	if (there > total)
		w->len = w->at + total;
	return true;
}

static void
ipv4_sum(const uint8_t *in, uint8_t *out, size_t header)
{
	unsigned field = be16(in + IP_SUM);
	bool right = fold(ip_sum(0, in, header)) == 0xffff;

	put16(out + IP_SUM, 0);
	if (field)
		put16(out + IP_SUM, (uint16_t)~fold(ip_sum(0, out, header)) ^ (right ? 0 : WRONG));
}

/* false: there is nothing further to be had. */
static bool
ipv4(struct walk *w, struct scrub_frame *f)
{
	const uint8_t *h = w->in + w->at;
	uint8_t *o = w->out + w->at;
	size_t header, total, there = w->len - w->at;
	unsigned fragment;

	o[0] = h[0] & 0xf0;
	if (there < IP_V4_HEADER)
		return false;
	memcpy(o, h, IP_V4_HEADER);
	address(w->pen, false, o + 12);
	address(w->pen, false, o + 16);
	header = (h[0] & 15u) * 4u;
	if (header <= there && header >= IP_V4_HEADER)
		ipv4_sum(h, o, header);
	else
		put16(o + IP_SUM, 0);
	total = be16(h + 2);
	if (total == 0)
		total = there + w->cut;
	if (header < IP_V4_HEADER || total < header || !clip(w, total) || !take(w, header))
		return false;
	memcpy(f->ends.from, h + 12, 4);
	memcpy(f->ends.to, h + 16, 4);
	f->proto = h[9];
	fragment = be16(h + 6);
	f->fragment = (fragment & 0x3fff) != 0;
	f->at = (fragment & 0x1fff) * (size_t)UNIT;
	f->more = (fragment & 0x2000) != 0;
	f->id = be16(h + 4);
	return true;
}

static bool
ipv6(struct walk *w, struct scrub_frame *f)
{
	const uint8_t *h = w->in + w->at;
	uint8_t *o = w->out + w->at;
	size_t payload, there = w->len - w->at;

	o[0] = h[0] & 0xf0;
	if (there < IP_V6_HEADER)
		return false;
	memcpy(o, h, IP_V6_HEADER);
	o[1] &= 0xf0;	/* of the flow label nothing is left: it may come of a secret of the sender's, and of ports */
	o[2] = o[3] = 0;
	address(w->pen, true, o + 8);
	address(w->pen, true, o + 24);
	payload = be16(h + 4);
	if (payload == 0)
		payload = there + w->cut - IP_V6_HEADER;
	if (!clip(w, IP_V6_HEADER + payload) || !take(w, IP_V6_HEADER))
		return false;
	f->ends.v6 = true;
	memcpy(f->ends.from, h + 8, 16);
	memcpy(f->ends.to, h + 24, 16);
	f->proto = h[6];
	for (int k = 0; k < EXTENSIONS; k++) {
		const uint8_t *x = w->in + w->at;
		uint8_t *y = w->out + w->at;

		if (f->proto == V6_FRAGMENT) {
			if (!take(w, 8))
				return false;
			memcpy(y, x, 8);
			f->proto = x[0];
			f->fragment = (be16(x + 2) & 0xfff9) != 0;
			f->at = be16(x + 2) & 0xfff8;
			f->more = x[3] & 1;
			f->id = (uint32_t)be16(x + 4) << 16 | be16(x + 6);
			if (f->fragment)
				return true;
		} else if (f->proto == V6_HOP || f->proto == V6_ROUTE || f->proto == V6_OPTIONS) {
			if (w->len - w->at < 8)
				return false;
			memcpy(y, x, 2);	/* its options become padding */
			f->proto = x[0];
			if (!take(w, 8 + (size_t)x[1] * 8))
				return false;
		} else {
			return true;
		}
	}
	return false;
}

/* ---- link layer ---- */

/* Where the protocol type stands (-1: none), where the header ends, MAC addresses of six octets, the octets that say nothing of anybody. */
static const struct link { int link, type_at; uint8_t header, mac[2], macs, plain[2]; } links[] = {
	{ DLT_EN10MB, 12, 14, { 0, 6 }, 2, { 12, 14 } }, { DLT_LINUX_SLL, 14, 16, { 6 }, 1, { 0, 6 } }, { DLT_LINUX_SLL2, 0, 20, { 12 }, 1, { 0, 12 } },
	{ DLT_RAW, -1, 0, { 0 }, 0, { 0, 0 } }, { DLT_IPV4, -1, 0, { 0 }, 0, { 0, 0 } }, { DLT_IPV6, -1, 0, { 0 }, 0, { 0, 0 } },
	{ DLT_NULL, -1, 4, { 0 }, 0, { 0, 4 } }, { DLT_LOOP, -1, 4, { 0 }, 0, { 0, 4 } },
};

static bool
vlan(unsigned type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

/* false: no IP, or not even a header. */
static bool
link_layer(struct walk *w, int link)
{
	const struct link *l = links;
	unsigned type;

	while (l < links + sizeof(links) / sizeof(links[0]) && l->link != link)
		l++;
	if (l == links + sizeof(links) / sizeof(links[0]) || w->len < l->header)
		return false;
	memcpy(w->out + l->plain[0], w->in + l->plain[0], l->plain[1] - l->plain[0]);
	for (size_t k = 0; k < l->macs; k++) {
		memcpy(w->out + l->mac[k], w->in + l->mac[k], MAC);
		mac(w->pen, w->out + l->mac[k]);
	}
	w->at = l->header;
	if (l->type_at < 0)
		return w->len > w->at;
	type = be16(w->in + l->type_at);
	memcpy(w->out + l->type_at, w->in + l->type_at, 2);
	for (; vlan(type); w->at += 4) {
		if (w->len - w->at < 4)
			return false;
		memcpy(w->out + w->at, w->in + w->at, 4);
		type = be16(w->in + w->at + 2);
	}
	return (type == 0x0800 || type == 0x86dd) && w->len > w->at;
}

/* 01:00:5e and 23 bits of the group (RFC 1112): those of the group that it is now. */
static void
group_mac(int link, const uint8_t *in, uint8_t *out, const uint8_t *to)
{
	if (link != DLT_EN10MB || in[0] != 1 || in[1] != 0 || in[2] != 0x5e)
		return;
	memcpy(out, in, 3);
	out[3] = to[1] & 0x7f;
	out[4] = to[2];
	out[5] = to[3];
}

void
scrub_frame(struct scrub_pen *pen, int link, const uint8_t *in, size_t caplen, size_t wire_len, enum dec_frame kind, const struct dec_segment *s,
    uint8_t *out, struct scrub_frame *f)
{
	struct walk w = { pen, in, out, 0, caplen, wire_len > caplen ? wire_len - caplen : 0 };
	uint8_t header[SCRUB_TRANSPORT];
	enum scrub_sum sum;
	size_t n, sum_at, ip;
	bool ok, whole;

	memset(f, 0, sizeof(*f));
	memset(out, 0, caplen);
	if (!link_layer(&w, link))
		return;
	ip = w.at;
	if (in[ip] >> 4 == 4)
		ok = ipv4(&w, f);
	else
		ok = in[ip] >> 4 == 6 && ipv6(&w, f);
	if (in[ip] >> 4 == 4 && caplen - ip >= IP_V4_HEADER && scrub_wants(pen, SCRUB_ADDRESSES))
		group_mac(link, in, out, out + ip + 16);
	if (!ok) {
		f->fragment = false;
		return;
	}
	f->ip_payload_at = w.at;
	f->ip_payload_len = w.len - w.at;
	whole = !f->fragment;
	if (w.cut || w.at == w.len || f->at + f->ip_payload_len > 65536 || (f->more && f->ip_payload_len % UNIT))
		f->fragment = false;	/* of no use for putting together */
	if ((kind == DEC_TCP || kind == DEC_UDP) && s->header == in + w.at) {
		n = scrub_transport(pen, f->proto, s, header, &sum, &sum_at);
		memcpy(out + w.at, header, n);
		f->follows = sum == SCRUB_RIGHT || sum == SCRUB_WRONG;
		f->sum_at = w.at + sum_at;
	} else if (kind == DEC_BROKEN && whole && f->proto == IP_NEXT_UDP && f->ip_payload_len >= IP_UDP_HEADER) {
		memcpy(out + w.at, in + w.at, 6);	/* its length is what is wrong */
		port(pen, out + w.at);
		port(pen, out + w.at + 2);
	} else if (kind == DEC_BROKEN && whole && f->proto == TCP && f->ip_payload_len >= TCP_HEADER) {
		memcpy(out + w.at, in + w.at, TCP_SUM);
		port(pen, out + w.at);
		port(pen, out + w.at + 2);
	}
}
