/* tools/scrub_cap.c: pcap (libpcap 2.4, microseconds or nanoseconds) and pcapng (draft-ietf-opsawg-pcapng), of either byte order, record by record */
#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>
#include "tools/dec_net.h"
#include "tools/scrub.h"

enum {
	PCAP_HEAD = 24, PCAP_RECORD = 16, BLOCK_HEAD = 8, BLOCK_LEAST = 12, BLOCK_MOST = 16 << 20, INTERFACES = 4096, PROGRESS = 1 << 17,
	LINKTYPE_RAW_ = 101,
	SECTION = 0x0a0d0d0a, INTERFACE = 1, OLD_PACKET = 2, SIMPLE_PACKET = 3, STATISTICS = 5, PACKET = 6,
	ORDER = 0x1a2b3c4d, OPTIONS_MOST = 256,
};
#define MICROSECONDS 0xa1b2c3d4u
#define NANOSECONDS 0xa1b23c4du
#define SECOND_NS INT64_C(1000000000)
#define LATEST_S INT64_C(4000000000)

struct iface { int link; uint32_t snaplen; uint64_t units; int64_t offset_s; };	/* units: of a second */
struct capture {
	struct scrub *scrub;
	struct scrub_out *out;
	const struct scrub_source *source;
	const char *name;
	const volatile sig_atomic_t *stop;
	void (*progress)(uint64_t frames);
	struct gw_err *err;
	bool swapped;
	struct iface *iface; size_t nifaces;
	uint8_t *buf; size_t room;
};

static uint16_t
get16(const struct capture *c, const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return c->swapped ? __builtin_bswap16(v) : v;
}

static uint32_t
get32(const struct capture *c, const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return c->swapped ? __builtin_bswap32(v) : v;
}

static void
put32(const struct capture *c, uint8_t *p, uint32_t v)
{
	v = c->swapped ? __builtin_bswap32(v) : v;
	memcpy(p, &v, 4);
}

static int
link_of(uint32_t type)
{
	int link = type == LINKTYPE_RAW_ ? DLT_RAW : (int)(type & 0xffff);

	return dec_net_knows(link) ? link : -1;
}

static int
breaks_off(struct capture *c, const char *why)
{
	gw_fail(c->err, GW_ECONF, "%s: breaks off after %llu frames: %s", c->name, (unsigned long long)scrub_count(c->scrub)->frames, why);
	return 1;
}

static bool
stopped(const struct capture *c)
{
	uint64_t n = scrub_count(c->scrub)->frames;

	if (c->progress && n > 0 && n % PROGRESS == 0)
		c->progress(n);
	return c->stop && *c->stop;
}

static size_t
more(struct capture *c, void *p, size_t n)
{
	return c->source->read(c->source->self, p, n);
}

static bool
room(struct capture *c, size_t n)
{
	uint8_t *p = c->buf;

	if (n <= c->room)
		return true;
	if (!(p = realloc(p, n)))
		return false;
	c->buf = p;
	c->room = n;
	return true;
}

/* ---- pcap ---- */

static int
pcap(struct capture *c, uint8_t head[PCAP_HEAD], bool nanoseconds)
{
	uint32_t snaplen = get32(c, head + 16), network = get32(c, head + 20);
	int link = link_of(network & 0x03ffffff);

	if (get16(c, head + 4) != 2 || get16(c, head + 6) < 3)
		return gw_fail(c->err, GW_ECONF, "%s: its version %u.%u of pcap is not known here", c->name, get16(c, head + 4), get16(c, head + 6));
	if (link < 0)
		return gw_fail(c->err, GW_ECONF, "%s: its link layer %u is not known here", c->name, (unsigned)(network & 0x03ffffff));
	if (snaplen == 0 || snaplen > SCRUB_FRAME)
		snaplen = SCRUB_FRAME;
	scrub_out_put(c->out, head, PCAP_HEAD);
	while (!stopped(c)) {
		uint8_t record[PCAP_RECORD];
		struct scrub_record r = { record, sizeof(record), NULL, 0, 0 };
		size_t n = more(c, record, sizeof(record));
		uint32_t s, fraction, wire;

		if (n == 0)
			return 0;
		if (n < sizeof(record))
			return breaks_off(c, "it ends within the head of a frame");
		r.caplen = get32(c, record + 8);
		wire = get32(c, record + 12);
		if (r.caplen > SCRUB_FRAME)
			return breaks_off(c, "a frame is longer than any can be");
		if (!room(c, r.caplen + 1) || more(c, c->buf, r.caplen) < r.caplen)
			return breaks_off(c, "it ends within a frame");
		s = get32(c, record);
		fraction = get32(c, record + 4);
		fraction = fraction < (nanoseconds ? SECOND_NS : SECOND_NS / 1000) ? fraction : 0;
		/* what is beyond the snap length libpcap does not show */
		scrub_record(c->scrub, &r, link, c->buf, r.caplen < snaplen ? r.caplen : snaplen, wire,
		    (s < LATEST_S ? s : LATEST_S) * SECOND_NS + (nanoseconds ? fraction : fraction * INT64_C(1000)));
	}
	return 0;
}

/* ---- pcapng: options ---- */

/* Options of a block that say nothing of people, machines or what was left out: code and length (0: any up to 8). */
struct option_row { uint32_t block; uint16_t code, len; };
static const struct option_row kept[] = {
	{ INTERFACE, 8, 8 }, { INTERFACE, 9, 1 }, { INTERFACE, 13, 1 }, { INTERFACE, 14, 8 },	/* speed, tsresol, fcslen, tsoffset */
	{ PACKET, 2, 4 }, { PACKET, 4, 8 }, { OLD_PACKET, 2, 4 },	/* flags, drops */
	{ STATISTICS, 2, 8 }, { STATISTICS, 3, 8 }, { STATISTICS, 4, 8 }, { STATISTICS, 5, 8 }, { STATISTICS, 6, 8 }, { STATISTICS, 7, 8 }, { STATISTICS, 8, 8 },
};

static bool
kept_option(uint32_t block, uint16_t code, uint16_t len)
{
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (kept[i].block == block && kept[i].code == code && kept[i].len == len)
			return true;
	return false;
}

/* The options in p[0..n) that stay, and their end, into out (OPTIONS_MOST octets): how many octets. */
static size_t
options(struct capture *c, uint32_t block, const uint8_t *p, size_t n, uint8_t *out)
{
	size_t to = 0;

	while (n >= 4) {
		uint16_t code = get16(c, p), len = get16(c, p + 2);
		size_t whole = 4 + (len + 3u) / 4 * 4;

		if (code == 0 || whole > n)
			break;
		if (kept_option(block, code, len) && to + whole + 4 <= OPTIONS_MOST) {
			memcpy(out + to, p, 4 + (size_t)len);
			memset(out + to + 4 + len, 0, whole - 4 - len);
			to += whole;
		} else {
			scrub_count(c->scrub)->options++;
		}
		p += whole;
		n -= whole;
	}
	if (to > 0) {
		memset(out + to, 0, 4);
		to += 4;
	}
	return to;
}

static void
block(struct capture *c, uint32_t type, const uint8_t *body, size_t n, const uint8_t *opts, size_t nopts)
{
	uint8_t word[BLOCK_HEAD], out[OPTIONS_MOST];
	size_t k = options(c, type, opts, nopts, out);

	put32(c, word, type);
	put32(c, word + 4, (uint32_t)(BLOCK_LEAST + n + k));
	scrub_out_put(c->out, word, BLOCK_HEAD);
	scrub_out_put(c->out, body, n);
	scrub_out_put(c->out, out, k);
	scrub_out_put(c->out, word + 4, 4);
}

/* ---- pcapng: blocks ---- */

static int
section(struct capture *c, const uint8_t *b, size_t n)
{
	uint8_t body[16];

	if (n < sizeof(body))
		return breaks_off(c, "the head of a section is too short");
	if (get16(c, b + 4) != 1)
		return breaks_off(c, "its version of pcapng is not known here");
	memcpy(body, b, 8);
	memset(body + 8, 0xff, 8);	/* the length of the section is another */
	c->nifaces = 0;
	scrub_count(c->scrub)->options += n > sizeof(body) + 4;
	block(c, SECTION, body, sizeof(body), NULL, 0);
	return 0;
}

/* Units of a second, as if_tsresol says; 0: more than can be counted. */
static uint64_t
units(uint8_t resolution)
{
	uint64_t n = 1, base = resolution & 0x80 ? 2 : 10;

	for (unsigned k = resolution & 0x7f; k > 0; k--) {
		if (n > UINT64_MAX / base)
			return 0;
		n *= base;
	}
	return n;
}

static void
interface_options(struct capture *c, struct iface *i, const uint8_t *p, size_t n)
{
	while (n >= 4) {
		uint16_t code = get16(c, p), len = get16(c, p + 2);
		size_t whole = 4 + (len + 3u) / 4 * 4;

		if (code == 0 || whole > n)
			return;
		if (code == 9 && len == 1)
			i->units = units(p[4]);
		if (code == 14 && len == 8) {
			uint32_t a = get32(c, p + 4), b = get32(c, p + 8);

			i->offset_s = (int64_t)(c->swapped ? (uint64_t)a << 32 | b : (uint64_t)b << 32 | a);
		}
		p += whole;
		n -= whole;
	}
}

static int
interface(struct capture *c, const uint8_t *b, size_t n)
{
	uint8_t body[8];
	struct iface *grown;

	if (n < sizeof(body))
		return breaks_off(c, "an interface is too short");
	if (c->nifaces == INTERFACES || !(grown = realloc(c->iface, (c->nifaces + 1) * sizeof(*grown))))
		return breaks_off(c, "it has too many interfaces");
	c->iface = grown;
	grown[c->nifaces] = (struct iface){ link_of(get16(c, b)), get32(c, b + 4), 1000000, 0 };
	interface_options(c, &grown[c->nifaces++], b + sizeof(body), n - sizeof(body));
	memcpy(body, b, sizeof(body));
	memset(body + 2, 0, 2);
	block(c, INTERFACE, body, sizeof(body), b + sizeof(body), n - sizeof(body));
	return 0;
}

static int64_t
time_of(const struct iface *i, uint32_t high, uint32_t low)
{
	uint64_t t = (uint64_t)high << 32 | low, s = i->units ? t / i->units : 0, rest = i->units ? t % i->units : 0;
	uint64_t ns = i->units == (uint64_t)SECOND_NS ? rest : i->units ? (uint64_t)((double)rest * 1e9 / (double)i->units) : 0;

	if (s > (uint64_t)LATEST_S || i->offset_s > LATEST_S || i->offset_s < -LATEST_S)
		return 0;
	if ((int64_t)s + i->offset_s < 0 || (int64_t)s + i->offset_s > LATEST_S)
		return 0;
	return ((int64_t)s + i->offset_s) * SECOND_NS + (int64_t)ns;
}

/* A block with a frame: fixed octets in front of it; of the frame, as it is in the file and as it was. */
static int
packet(struct capture *c, uint32_t type, const uint8_t *b, size_t n, size_t fixed, const struct iface *i, size_t caplen, size_t wire, int64_t at_ns)
{
	size_t padded = (caplen + 3) / 4 * 4, k;
	uint8_t head[BLOCK_HEAD + 20], tail[3 + OPTIONS_MOST + 4] = { 0 };
	struct scrub_record r = { head, BLOCK_HEAD + fixed, tail, padded - caplen, caplen };

	if (caplen > SCRUB_FRAME || padded > n - fixed)
		return breaks_off(c, "a frame is longer than its block");
	k = options(c, type, b + fixed + padded, n - fixed - padded, tail + r.tail_len);
	put32(c, head, type);
	put32(c, head + 4, (uint32_t)(BLOCK_LEAST + fixed + padded + k));
	memcpy(head + BLOCK_HEAD, b, fixed);
	memcpy(tail + r.tail_len + k, head + 4, 4);
	r.tail_len += k + 4;
	scrub_record(c->scrub, &r, i->link, b + fixed, caplen, wire, at_ns);
	return 0;
}

static int
packet_block(struct capture *c, uint32_t type, const uint8_t *b, size_t n)
{
	static const struct iface none = { .link = -1 };
	const struct iface *i = &none;
	uint32_t number = 0;
	size_t wire;

	if (n < (type == SIMPLE_PACKET ? 4 : 20))
		return breaks_off(c, "a packet is too short");
	if (type != SIMPLE_PACKET)
		number = type == PACKET ? get32(c, b) : get16(c, b);
	if (number >= c->nifaces)
		return breaks_off(c, "a packet is of an interface that is not there");
	i = &c->iface[number];
	if (type != SIMPLE_PACKET)
		return packet(c, type, b, n, 20, i, get32(c, b + 12), get32(c, b + 16), time_of(i, get32(c, b + 4), get32(c, b + 8)));
	wire = get32(c, b);
	return packet(c, type, b, n, 4, i, i->snaplen && i->snaplen < wire ? i->snaplen : wire, wire, 0);
}

static int
statistics(struct capture *c, const uint8_t *b, size_t n)
{
	if (n < 12)
		return breaks_off(c, "statistics are too short");
	block(c, STATISTICS, b, 12, b + 12, n - 12);
	return 0;
}

static int
one_block(struct capture *c, uint32_t type, const uint8_t *b, size_t n)
{
	switch (type) {
	case SECTION: return section(c, b, n);
	case INTERFACE: return interface(c, b, n);
	case PACKET: case OLD_PACKET: case SIMPLE_PACKET: return packet_block(c, type, b, n);
	case STATISTICS: return statistics(c, b, n);
	default:	/* names, keys of TLS, journals, whatever else */
		scrub_count(c->scrub)->blocks++;
		return 0;
	}
}

/* The head of a section tells the order of octets of what follows, and of its own length. */
static bool
order(struct capture *c, const uint8_t *magic)
{
	uint32_t v;

	memcpy(&v, magic, 4);
	c->swapped = v == __builtin_bswap32((uint32_t)ORDER);
	return c->swapped || v == ORDER;
}

/* The next block's head, and of a section's its byte order: octets that were read; 0: the end; -1 with *err. */
static int
block_head(struct capture *c, uint8_t head[BLOCK_LEAST])
{
	size_t n = more(c, head, BLOCK_HEAD);

	if (n == 0)
		return 0;
	if (n < BLOCK_HEAD || (get32(c, head) == SECTION && more(c, head + BLOCK_HEAD, 4) < 4)) {
		breaks_off(c, "it ends within the head of a block");
		return -1;
	}
	return get32(c, head) == SECTION ? BLOCK_LEAST : BLOCK_HEAD;
}

/* first: PCAP_HEAD octets, of the first block. */
static int
pcapng(struct capture *c, const uint8_t *first)
{
	uint8_t head[PCAP_HEAD];
	int have = PCAP_HEAD, rc = 0;

	for (memcpy(head, first, PCAP_HEAD); rc == 0 && have > 0; have = rc == 0 && !stopped(c) ? block_head(c, head) : 0) {
		uint32_t len;
		size_t rest;

		if (get32(c, head) == SECTION && !order(c, head + BLOCK_HEAD))
			return breaks_off(c, "the byte order of a section is not to be told");
		len = get32(c, head + 4);
		if (len < BLOCK_LEAST || len < (uint32_t)have || len % 4 || len > BLOCK_MOST)
			return breaks_off(c, "a block has a length that none can have");
		rest = len - (uint32_t)have;
		if (!room(c, len))
			return breaks_off(c, "no memory");
		memcpy(c->buf, head, (size_t)have);
		if (more(c, c->buf + have, rest) < rest)
			return breaks_off(c, "it ends within a block");
		if (get32(c, c->buf + len - 4) != len)
			return breaks_off(c, "a block ends with another length than it began with");
		rc = one_block(c, get32(c, c->buf), c->buf + BLOCK_HEAD, len - BLOCK_LEAST);
	}
	return have < 0 ? 1 : rc;
}

int
scrub_capture(struct scrub *scrub, struct scrub_out *out, const struct scrub_source *source, const char *name, const volatile sig_atomic_t *stop,
    void (*progress)(uint64_t frames), struct gw_err *err)
{
	struct capture c = { .scrub = scrub, .out = out, .source = source, .name = name, .stop = stop, .progress = progress, .err = err };
	uint8_t head[PCAP_HEAD];
	size_t n = more(&c, head, sizeof(head));
	uint32_t magic = n >= 4 ? get32(&c, head) : 0, turned = __builtin_bswap32(magic);
	int rc;

	if (n == sizeof(head) && magic == SECTION) {
		rc = order(&c, head + BLOCK_HEAD) ? pcapng(&c, head) : gw_fail(err, GW_ECONF, "%s: is no pcapng file: its byte order is not to be told", name);
	} else if (n == sizeof(head) && (magic == MICROSECONDS || magic == NANOSECONDS || turned == MICROSECONDS || turned == NANOSECONDS)) {
		c.swapped = magic != MICROSECONDS && magic != NANOSECONDS;
		rc = pcap(&c, head, magic == NANOSECONDS || turned == NANOSECONDS);
	} else {
		rc = gw_fail(err, GW_ECONF, n < sizeof(head) ? "%s: is shorter than any capture" : "%s: is neither pcap nor pcapng", name);
	}
	scrub_flush(scrub);
	free(c.buf);
	free(c.iface);
	return rc;
}
