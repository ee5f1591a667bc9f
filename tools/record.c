/* tools/record.c: pcapng (draft-ietf-opsawg-pcapng): section, interface, enhanced packets; times in nanoseconds */
#include "tools/record.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ETHERNET = 14, TCP_HEADER = 20, NEXT_TCP = 6, SEGMENT = 1440, WINDOW = 64000, TTL = 64,
	FIN = 1, SYN = 2, PUSH = 8, ACK = 16,
	BLOCK_SECTION = 0x0a0d0d0a, BLOCK_INTERFACE = 1, BLOCK_PACKET = 6, LINK_ETHERNET = 1,
	OPTION_USERAPPL = 4, OPTION_TSRESOL = 9, NANOSECONDS = 9,
};
struct record {
	FILE *f;
	char *path;
	uint64_t frames;
	uint16_t id;		/* of fragments */
	int error;
};

static void
be(uint8_t *p, size_t n, uint32_t v)
{
	for (; n > 0; v >>= 8)
		p[--n] = (uint8_t)v;
}

/* ---- the file: in the byte order of this machine, as pcapng wants it ---- */

static void
octets(struct record *r, const void *p, size_t len)
{
	static const uint8_t zero[4];

	if (r->error || len == 0)
		return;
	if (fwrite(p, 1, len, r->f) != len || (len % 4 && fwrite(zero, 1, 4 - len % 4, r->f) != 4 - len % 4))
		r->error = errno ? errno : EIO;
}

static void
word(struct record *r, uint32_t v)
{
	octets(r, &v, sizeof(v));
}

static void
option(struct record *r, uint16_t code, const void *p, uint16_t len)
{
	uint16_t head[2] = { code, len };

	octets(r, head, sizeof(head));
	octets(r, p, len);
}

static size_t
padded(size_t n)
{
	return (n + 3) / 4 * 4;
}

static void
head(struct record *r, const char *program)
{
	static const uint8_t resolution = NANOSECONDS;
	static const uint16_t version[2] = { 1, 0 }, link[2] = { LINK_ETHERNET, 0 };
	uint32_t n = (uint32_t)(28 + 4 + padded(strlen(program)) + 4);

	word(r, BLOCK_SECTION);
	word(r, n);
	word(r, 0x1a2b3c4d);
	octets(r, version, sizeof(version));
	word(r, UINT32_MAX);	/* length of the section: not known */
	word(r, UINT32_MAX);
	option(r, OPTION_USERAPPL, program, (uint16_t)strlen(program));
	option(r, 0, NULL, 0);
	word(r, n);
	n = 20 + 8 + 4;
	word(r, BLOCK_INTERFACE);
	word(r, n);
	octets(r, link, sizeof(link));
	word(r, 0);		/* no limit to frames */
	option(r, OPTION_TSRESOL, &resolution, 1);
	option(r, 0, NULL, 0);
	word(r, n);
}

static void
frame(struct record *r, const uint8_t *p, size_t len, int64_t at_ns)
{
	uint32_t n = (uint32_t)(32 + padded(len));

	word(r, BLOCK_PACKET);
	word(r, n);
	word(r, 0);
	word(r, (uint32_t)((uint64_t)at_ns >> 32));
	word(r, (uint32_t)at_ns);
	word(r, (uint32_t)len);
	word(r, (uint32_t)len);
	octets(r, p, len);
	word(r, n);
	r->frames++;
}

struct record *
record_open(const char *path, const char *program, struct gw_err *err)
{
	struct record *r = calloc(1, sizeof(*r));
	int fd;

	if (!r || !(r->path = strdup(path))) {
		free(r);
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	/* control words may be in it: for one's own eyes */
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || !(r->f = fdopen(fd, "wb"))) {
		gw_fail(err, GW_ESYS, "cannot write %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		free(r->path);
		free(r);
		return NULL;
	}
	head(r, program);
	return r;
}

int
record_close(struct record *r, struct gw_err *err)
{
	int rc = 0;

	if (!r)
		return 0;
	if (fclose(r->f) != 0 && !r->error)
		r->error = errno;
	if (r->error)
		rc = gw_fail(err, GW_ESYS, "cannot write %s: %s", r->path, strerror(r->error));
	free(r->path);
	free(r);
	return rc;
}

uint64_t
record_frames(const struct record *r)
{
	return r->frames;
}

/* ---- frames ---- */

static struct ip_ends
from_side(const struct ip_ends *e, int side)
{
	struct ip_ends out = *e;

	if (side) {
		memcpy(out.from, e->to, sizeof(out.from));
		memcpy(out.to, e->from, sizeof(out.to));
		out.from_port = e->to_port;
		out.to_port = e->from_port;
	}
	return out;
}

/* Locally administered addresses, one for each IP address. */
static size_t
ethernet(uint8_t *out, const struct ip_ends *e)
{
	const uint8_t *ends[2] = { e->to, e->from };

	for (int k = 0; k < 2; k++) {
		out[6 * k] = 0x02;
		out[6 * k + 1] = 0;
		memcpy(out + 6 * k + 2, ends[k] + (e->v6 ? 12 : 0), 4);
	}
	be(out + 12, 2, e->v6 ? 0x86dd : 0x0800);
	return ETHERNET;
}

static uint16_t
tcp_sum(const struct ip_ends *e, const uint8_t *segment, size_t len)
{
	size_t n = e->v6 ? 16 : 4;
	uint32_t sum = ip_sum(ip_sum(0, e->from, n), e->to, n) + NEXT_TCP + (uint32_t)len;

	sum = ip_sum(sum, segment, len);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void
segment(struct record *r, struct record_conn *c, int side, unsigned flags, const void *p, size_t len, int64_t at_ns)
{
	uint8_t out[ETHERNET + IP_V6_HEADER + TCP_HEADER + SEGMENT] = { 0 }, *t;
	struct ip_ends e = from_side(&c->ends, side);
	size_t n = ethernet(out, &e);

	n += ip_put(out + n, &e, NEXT_TCP, TTL, TCP_HEADER + len);
	t = out + n;
	be(t, 2, e.from_port);
	be(t + 2, 2, e.to_port);
	be(t + 4, 4, c->seq[side]);
	be(t + 8, 4, flags & ACK ? c->seq[1 - side] : 0);
	t[12] = TCP_HEADER / 4 << 4;
	t[13] = (uint8_t)flags;
	be(t + 14, 2, WINDOW);
	if (len > 0)
		memcpy(t + TCP_HEADER, p, len);
	be(t + 16, 2, tcp_sum(&e, t, TCP_HEADER + len));
	frame(r, out, n + TCP_HEADER + len, at_ns);
	c->seq[side] += (uint32_t)len + (flags & (SYN | FIN) ? 1 : 0);
}

void
record_begin(struct record *r, struct record_conn *c, const struct ip_ends *ends, int64_t at_ns)
{
	*c = (struct record_conn){ *ends, { (uint32_t)at_ns, (uint32_t)(at_ns >> 10) ^ 0x5a5a5a5a } };
	segment(r, c, 0, SYN, NULL, 0, at_ns);
	segment(r, c, 1, SYN | ACK, NULL, 0, at_ns);
	segment(r, c, 0, ACK, NULL, 0, at_ns);
}

void
record_octets(struct record *r, struct record_conn *c, int side, const void *data, size_t len, int64_t at_ns)
{
	const uint8_t *p = data;

	while (len > 0) {
		size_t n = len < SEGMENT ? len : SEGMENT;

		segment(r, c, side, ACK | (n == len ? PUSH : 0), p, n, at_ns);
		segment(r, c, 1 - side, ACK, NULL, 0, at_ns);
		p += n;
		len -= n;
	}
}

void
record_end(struct record *r, struct record_conn *c, int side, int64_t at_ns)
{
	segment(r, c, side, FIN | ACK, NULL, 0, at_ns);
	segment(r, c, 1 - side, FIN | ACK, NULL, 0, at_ns);
	segment(r, c, side, ACK, NULL, 0, at_ns);
}

enum { UNIT = 8, MTU = 1480, V6_FRAGMENT = 44, V6_FRAGMENT_HEADER = 8, V4_FRAGMENT_AT = 6, V4_ID_AT = 4, V4_SUM_AT = 10, MORE = 0x2000 };

static void
v4_fragment(uint8_t *ip, uint16_t id, size_t at, bool more)
{
	uint32_t sum;

	be(ip + V4_ID_AT, 2, id);
	be(ip + V4_FRAGMENT_AT, 2, (uint32_t)(at / UNIT) | (more ? MORE : 0));
	be(ip + V4_SUM_AT, 2, 0);
	for (sum = ip_sum(0, ip, IP_V4_HEADER); sum >> 16; )
		sum = (sum & 0xffff) + (sum >> 16);
	be(ip + V4_SUM_AT, 2, ~sum & 0xffff);
}

void
record_datagram(struct record *r, const struct ip_ends *ends, const void *data, size_t len, int64_t at_ns)
{
	size_t total = IP_UDP_HEADER + len, at = 0;
	uint8_t *whole;

	if (total > IP_MAX - IP_V4_HEADER || !(whole = malloc(total)))
		return;
	memcpy(whole + IP_UDP_HEADER, data, len);
	ip_udp_put(whole, ends, ip_udp_sum(ends), len);
	r->id++;
	while (at < total) {
		uint8_t out[ETHERNET + IP_V6_HEADER + V6_FRAGMENT_HEADER + MTU], *ip = out + ethernet(out, ends);
		size_t n = total - at < MTU ? total - at : MTU / UNIT * UNIT;
		bool more = at + n < total, parts = at > 0 || more;

		if (ends->v6 && parts) {
			uint8_t *f = ip + ip_put(ip, ends, V6_FRAGMENT, TTL, V6_FRAGMENT_HEADER + n);

			memset(f, 0, V6_FRAGMENT_HEADER);
			f[0] = IP_NEXT_UDP;
			be(f + 2, 2, (uint32_t)at | more);
			be(f + 4, 4, r->id);
			memcpy(f + V6_FRAGMENT_HEADER, whole + at, n);
			frame(r, out, (size_t)(f - out) + V6_FRAGMENT_HEADER + n, at_ns);
		} else {
			uint8_t *p = ip + ip_put(ip, ends, IP_NEXT_UDP, TTL, n);

			if (parts)
				v4_fragment(ip, r->id, at, more);
			memcpy(p, whole + at, n);
			frame(r, out, (size_t)(p - out) + n, at_ns);
		}
		at += n;
	}
	free(whole);
}
