/*
 * tests/bench/bench_transform.c: whole transforms (lib/transform.h), from the clear packet to the protected one, in memory, on one core.
 *
 * Method. A section is a transform with a packet that it takes: 1328 octets, 12 of RTP and 7 of TS. n of them are given to protect(), then
 * the burst runs; before each, the packet's own header is written anew (sequence number, SSRC), as its arrival would. They lie in a ring
 * of 64 places, as those of the ceiling do (tests/bench/ceiling.h), which does the bare cryptography of as many octets with all of its
 * jobs filled in before. Each round measures all lines in turns, about 1 ms of CPU each; a result is the median of the rounds, a ratio that
 * of the rounds' ratios. Sources and units come round robin, which is the worst for every cache.
 *
 * What ESP lacks to 1.00: the UDP checksum, which reads each packet once (50 to 100 ns of 1000 on an EPYC without AVX-512, since 64 packets do
 * not stay in the first-level cache); the burst's own part (bench_crypto); some 25 ns for headers, IV and sequence number.
 *
 * ISMACryp on AAC is one access unit a packet, held against the cipher alone. On H.264 eight packets are one access unit, put together and
 * taken apart again; its ceiling is the cipher and the two copies that this needs.
 *
 * key_new is what the planner does beside the packets, use what a packet thread does at the change of key; both over 1000 units.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/secret.h"
#include "lib/transform.h"
#include "tests/bench/ceiling.h"
#include "tests/bench/rounds.h"

enum { PACKET = 1328, UNITS = 1000, SOURCES = 1000, BY_MB = 4480, BY_OSSL = 1000 };

static void
be(uint8_t *p, uint32_t v, int octets)
{
	while (octets-- > 0) {
		p[octets] = (uint8_t)v;
		v >>= 8;
	}
}

enum { AU_PACKETS = 8, FRAGMENT = PACKET - 14 };	/* of an H.264 access unit; octets of it in each */

/* Behind the RTP header: AU-size; or the head of an FU-A, whose last one has the marker. */
static void
arrive_aac(uint8_t *p, uint32_t n)
{
	(void)n;
	p[12] = 0;
	p[13] = 16;
	p[14] = (PACKET - 16) >> 5;
	p[15] = (uint8_t)((PACKET - 16) << 3);
}

static void
arrive_h264(uint8_t *p, uint32_t n)
{
	uint32_t i = n % AU_PACKETS;

	p[1] |= i == AU_PACKETS - 1 ? 0x80 : 0;
	be(p + 4, n / AU_PACKETS, 4);
	p[12] = 0x7c;
	p[13] = (uint8_t)((i == 0 ? 0x80 : i == AU_PACKETS - 1 ? 0x40 : 0) | 5);
	p[14] = 0x88;
}

/* What is protected, and how. Another transform is another row here and its lines below. */
static const struct section {
	int protection;
	enum ceiling_shape shape;
	uint8_t id_len, payload_type, out_payload_type;
	bool authenticated;
	enum gw_media_type type;
	size_t mtu;
	void (*arrive)(uint8_t *packet, uint32_t n);	/* may be NULL */
} sections[] = {
	{ 1, CEILING_SRTP, 2, 33, 33, true, GW_MEDIA_TS, 1500, NULL },
	{ 0, CEILING_ESP, 4, 33, 33, true, GW_MEDIA_TS, 1500, NULL },
	{ 2, CEILING_CTR, 1, 99, 97, false, GW_MEDIA_AAC, 1500, arrive_aac },
	{ 2, CEILING_CTR, 1, 98, 96, false, GW_MEDIA_H264, 1340, arrive_h264 },
};
enum { SRTP, ESP, AAC, H264, SECTIONS };

struct unit { struct gw_tx *tx; struct gw_tx_medium *medium; struct gw_tx_conf conf; };
struct work {
	_Alignas(64) uint8_t packet[CEILING_PACKETS][CEILING_ROOM];
	_Alignas(64) uint8_t made[CEILING_PACKETS][CEILING_ROOM];	/* by the transform itself */
	uint8_t au[AU_PACKETS * FRAGMENT];
	struct gw_pk slot; uint32_t slots;
	struct gw_burst *burst;
	struct ceiling *ceiling;
	struct unit unit[SECTIONS][UNITS];
	uint32_t count[SECTIONS][3];
};

/* One line of results. ratio: to the line of that name. */
enum by { BARE_MB, BARE_OSSL, BARE_COPIES, ONE, MANY_SOURCES, MANY_UNITS, KEY_NEW, USE };
static const struct line { struct round_line row; enum by by; int section; unsigned n; } lines[] = {
	{ { "srtp_32_ceiling", NULL, false }, BARE_MB, SRTP, 32 },
	{ { "srtp_32", "srtp_32_ceiling", false }, ONE, SRTP, 32 },
	{ { "srtp_64_ceiling", NULL, false }, BARE_MB, SRTP, 64 },
	{ { "srtp_64", "srtp_64_ceiling", false }, ONE, SRTP, 64 },
	{ { "srtp_1_ceiling", NULL, false }, BARE_OSSL, SRTP, 1 },
	{ { "srtp_1", "srtp_1_ceiling", false }, ONE, SRTP, 1 },
	{ { "srtp_64_1000_sources", "srtp_64", false }, MANY_SOURCES, SRTP, 64 },
	{ { "srtp_64_1000_units", "srtp_64", false }, MANY_UNITS, SRTP, 64 },
	{ { "ismacryp_aac_64_ceiling", NULL, false }, BARE_MB, AAC, 64 },
	{ { "ismacryp_aac_64", "ismacryp_aac_64_ceiling", false }, ONE, AAC, 64 },
	{ { "ismacryp_h264_64_ceiling", NULL, false }, BARE_COPIES, H264, 64 },
	{ { "ismacryp_h264_64", "ismacryp_h264_64_ceiling", false }, ONE, H264, 64 },
	{ { "ismacryp_use", NULL, true }, USE, AAC, UNITS },
	{ { "srtp_key_new", NULL, true }, KEY_NEW, SRTP, UNITS },
	{ { "srtp_use", NULL, true }, USE, SRTP, UNITS },
	{ { "esp_32_ceiling", NULL, false }, BARE_MB, ESP, 32 },
	{ { "esp_32", "esp_32_ceiling", false }, ONE, ESP, 32 },
	{ { "esp_64_ceiling", NULL, false }, BARE_MB, ESP, 64 },
	{ { "esp_64", "esp_64_ceiling", false }, ONE, ESP, 64 },
	{ { "esp_1_ceiling", NULL, false }, BARE_OSSL, ESP, 1 },
	{ { "esp_1", "esp_1_ceiling", false }, ONE, ESP, 1 },
	{ { "esp_64_1000_units", "esp_64", false }, MANY_UNITS, ESP, 64 },
	{ { "esp_key_new", NULL, true }, KEY_NEW, ESP, UNITS },
	{ { "esp_use", NULL, true }, USE, ESP, UNITS },
};
enum { LINES = sizeof(lines) / sizeof(lines[0]) };

static void
need(bool ok, const char *what, const struct gw_err *err)
{
	if (ok)
		return;
	fprintf(stderr, "bench_transform: %s: %s\n", what, err ? err->text : "");
	exit(1);
}

/* ---- packets ---- */

static struct gw_pk *
slot(void *self)
{
	struct work *w = self;

	w->slot.p = w->made[w->slots++ % CEILING_PACKETS] + GW_XF_HEAD;
	return &w->slot;
}

/* The bare cipher, and each packet's octets once into an access unit and once out of it. */
static double
copies(struct work *w, const struct line *l, unsigned packets)
{
	double cipher = ceiling_mb(w->ceiling, sections[l->section].shape, l->n, packets), begin = bench_cpu_ns();

	for (unsigned k = 0; k < packets / AU_PACKETS; k++) {
		for (unsigned i = 0; i < AU_PACKETS; i++)
			memcpy(w->au + i * FRAGMENT, w->packet[(k * AU_PACKETS + i) % CEILING_PACKETS] + GW_XF_HEAD + 14, FRAGMENT);
		__asm__ volatile("" ::: "memory");
		for (unsigned i = 0; i < AU_PACKETS; i++)
			memcpy(w->made[(k * AU_PACKETS + i) % CEILING_PACKETS] + GW_XF_HEAD + 20, w->au + i * FRAGMENT, FRAGMENT);
		__asm__ volatile("" ::: "memory");
	}
	return cipher > 0 ? cipher + (bench_cpu_ns() - begin) / packets : 0;
}

static struct gw_xkey *
key(const struct section *s, const struct unit *u, uint32_t cp)
{
	static uint8_t tek[16], salt[14], tak[20];
	struct gw_material m = { .id_len = s->id_len, .tek = tek, .salt = salt, .tak = s->authenticated ? tak : NULL,
		.authenticated = s->authenticated };
	struct gw_err err = { 0 };
	struct gw_xkey *k;

	memcpy(tek, &cp, sizeof(cp));
	be(m.id, 256 + cp, s->id_len);	/* SPIs begin there */
	k = gw_transform_of(s->protection)->key_new(u->tx, &m, &err);
	need(k != NULL, "key_new", &err);
	return k;
}

/* n at a time. Which of the sources and units comes next is in the count of the packets. */
static double
protect(struct work *w, const struct line *l, unsigned packets)
{
	const struct section *s = &sections[l->section];
	const struct gw_transform *row = gw_transform_of(s->protection);
	uint32_t *count = &w->count[l->section][l->by - ONE];
	unsigned bursts = packets / l->n, at = 0;
	struct gw_sink sink = { w, slot };
	struct gw_pk pk;
	double begin;

	if (s->shape == CEILING_CTR)	/* ISMACryp's byte stream has an end; not so that it counts */
		row->key_free(row->use(w->unit[l->section][0].tx, key(s, &w->unit[l->section][0], *count)));
	begin = bench_cpu_ns();
	for (unsigned k = 0; k < bursts; k++, at = at + 2 * l->n > CEILING_PACKETS ? 0 : at + l->n) {
		for (unsigned i = at; i < at + l->n; i++, (*count)++) {
			const struct unit *u = &w->unit[l->section][l->by == MANY_UNITS ? 1 + *count % (UNITS - 1) : 0];
			uint32_t many = l->by == MANY_SOURCES ? SOURCES : l->by == MANY_UNITS ? UNITS - 1 : 1;

			pk = (struct gw_pk){ w->packet[i] + GW_XF_HEAD, PACKET };
			pk.p[0] = 0x80;
			pk.p[1] = s->payload_type;
			be(pk.p + 2, *count / many, 2);
			be(pk.p + 8, l->by == MANY_SOURCES ? 2 + *count % SOURCES : 1, 4);
			if (s->arrive)
				s->arrive(pk.p, *count);
			int v = row->protect(u->tx, u->medium, &pk, w->burst, &sink);
			need(v == GW_XF_OK || v == GW_XF_HELD, l->row.name, NULL);
		}
		gw_burst_run(w->burst);
	}
	return (bench_cpu_ns() - begin) / (bursts * l->n);
}

/* ---- changes of key ---- */

/* All units get a key ready; all put it in force. Nanoseconds of either, per unit. */
static double
change(struct work *w, const struct line *l)
{
	static struct gw_xkey *keys[UNITS];
	static uint32_t cp = 1 << 16;
	const struct section *s = &sections[l->section];
	const struct gw_transform *row = gw_transform_of(s->protection);
	double begin = bench_cpu_ns(), between, end;

	for (int i = 0; i < UNITS; i++)
		keys[i] = key(s, &w->unit[l->section][i], cp++);
	between = bench_cpu_ns();
	for (int i = 0; i < UNITS; i++)
		keys[i] = row->use(w->unit[l->section][i].tx, keys[i]);
	end = bench_cpu_ns();
	for (int i = 0; i < UNITS; i++)
		row->key_free(keys[i]);
	return (l->by == USE ? end - between : between - begin) / UNITS;
}

/* ---- the run ---- */

static void
unit_open(const struct section *s, struct unit *u, unsigned sources)
{
	struct gw_tx_medium_conf mc = { .type = s->type, .payload_type = s->out_payload_type, .mtu = s->mtu };
	struct sockaddr_in *from = (struct sockaddr_in *)&mc.from, *to = (struct sockaddr_in *)&mc.to;
	const struct gw_transform *row = gw_transform_of(s->protection);
	struct gw_err err = { 0 };

	from->sin_family = to->sin_family = AF_INET;
	from->sin_port = to->sin_port = htons(5004);
	from->sin_addr.s_addr = to->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	u->conf = (struct gw_tx_conf){ .engine = GW_ENGINE_BATCH, .authenticated = s->authenticated, .sources = sources };
	u->conf.marks = calloc(1, row->marks_len(&u->conf) + 8);
	need(u->conf.marks && (u->tx = row->tx_new(&u->conf, &err)), row->name, &err);
	need((u->medium = row->medium_new(u->tx, &mc, &err)) != NULL, row->name, &err);
	row->use(u->tx, key(s, u, 1));
}

static void
unit_close(const struct section *s, struct unit *u)
{
	const struct gw_transform *row = gw_transform_of(s->protection);

	row->key_free(row->use(u->tx, NULL));
	row->medium_free(u->medium);
	row->tx_free(u->tx);
	free(u->conf.marks);
}

static double
measure(void *self, size_t i)
{
	const struct line *l = &lines[i];
	struct work *w = self;
	unsigned packets = l->n > 1 ? BY_MB : BY_OSSL;

	switch (l->by) {
	case BARE_MB: return ceiling_mb(w->ceiling, sections[l->section].shape, l->n, packets);
	case BARE_OSSL: return ceiling_ossl(w->ceiling, sections[l->section].shape, packets);
	case BARE_COPIES: return copies(w, l, packets);
	case ONE: case MANY_SOURCES: case MANY_UNITS: return protect(w, l, packets);
	case KEY_NEW: case USE: return change(w, l);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	static struct work w;
	struct gw_err err = { 0 };
	double seconds = 5;

	if (argc == 3 && strcmp(argv[1], "--seconds") == 0)
		seconds = atof(argv[2]);
	bench_pin();
	need(gw_secrets_init(8192, true, &err) == 0, "locked memory", &err);
	w.ceiling = ceiling_new();
	need((w.burst = gw_burst_new(GW_BURST_AUTO, &err)) != NULL, "burst", &err);
	for (int s = 0; s < SECTIONS; s++)
		for (int i = 0; i < UNITS; i++)
			unit_open(&sections[s], &w.unit[s][i], i ? 4 : SOURCES + 1);
	rounds_run(&(struct rounds){ "transform_", lines, LINES, sizeof(lines[0]), measure, &w, NULL, 0 }, seconds);
	for (int s = 0; s < SECTIONS; s++)
		for (int i = 0; i < UNITS; i++)
			unit_close(&sections[s], &w.unit[s][i]);
	gw_burst_free(w.burst);
	ceiling_free(w.ceiling);
	gw_secrets_fini();
	return 0;
}
