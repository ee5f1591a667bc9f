/*
 * tests/bench/bench_crypto.c: bursts of cryptography (lib/burst.h) beside the bare libraries, in memory, on one core.
 *
 * Method. What SRTP and ESP do to 1328 octets (tests/bench/ceiling.h), 32 and 64 at a time by intel-ipsec-mb, one at a time by OpenSSL, and
 * CISSA to the TS packets of 8 datagrams; each round measures all of them in turns, burst and ceiling alike, about 1 ms of CPU each; a
 * result is the median of the rounds, a ratio that of the rounds' ratios. The burst is given every packet anew by gw_burst_ctr(),
 * gw_burst_cbc() and gw_burst_mac(), with counters that differ; the ceiling has its jobs filled in before. With one packet in hand the
 * burst works by OpenSSL alone, or as it chooses.
 *
 * Remaining distance (Xeon with AVX-512): 4 to 5 % in bursts of SRTP and ESP, 12 % in those of TS packets, which take 40 ns each: that is
 * the 5 ns in which a job is noted, and the copy of its tag. 2 to 4 % with one packet by OpenSSL: its key is compared with
 * the context's. With one packet that is authenticated the burst beats the ceiling by ipsec-mb's CTR.
 *
 * --lanes prints instead what n = 1..16 jobs of one kind cost by either library: whence the smallest numbers in lib/burst_ipsecmb.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/burst.h"
#include "tests/bench/ceiling.h"
#include "tests/bench/rounds.h"

struct work {
	_Alignas(64) uint8_t packet[CEILING_PACKETS][CEILING_ROOM];
	_Alignas(16) uint8_t iv[CEILING_PACKETS][GW_AES_BLOCK];
	struct gw_aes aes;
	struct gw_hmac hmac;
	struct ceiling *ceiling;
	struct gw_burst *burst[GW_BURST_IPSEC_MB + 1];
	uint64_t count;
};

/* One line of results: n packets at a time by the burst, or a ceiling (by the library that is named). */
enum by { BARE_MB, BARE_OSSL, BURST_AUTO, BURST_OSSL };
static const struct line { struct round_line row; enum by by; enum ceiling_shape shape; unsigned n; } lines[] = {
	{ { "srtp_32_ceiling", NULL, false }, BARE_MB, CEILING_SRTP, 32 },
	{ { "srtp_32", "srtp_32_ceiling", false }, BURST_AUTO, CEILING_SRTP, 32 },
	{ { "srtp_64_ceiling", NULL, false }, BARE_MB, CEILING_SRTP, 64 },
	{ { "srtp_64", "srtp_64_ceiling", false }, BURST_AUTO, CEILING_SRTP, 64 },
	{ { "esp_32_ceiling", NULL, false }, BARE_MB, CEILING_ESP, 32 },
	{ { "esp_32", "esp_32_ceiling", false }, BURST_AUTO, CEILING_ESP, 32 },
	{ { "esp_64_ceiling", NULL, false }, BARE_MB, CEILING_ESP, 64 },
	{ { "esp_64", "esp_64_ceiling", false }, BURST_AUTO, CEILING_ESP, 64 },
	{ { "ts_56_ceiling", NULL, false }, BARE_MB, CEILING_TS, 56 },
	{ { "ts_56", "ts_56_ceiling", false }, BURST_AUTO, CEILING_TS, 56 },
	{ { "srtp_1_openssl_ceiling", NULL, false }, BARE_OSSL, CEILING_SRTP, 1 },
	{ { "srtp_1_openssl", "srtp_1_openssl_ceiling", false }, BURST_OSSL, CEILING_SRTP, 1 },
	{ { "srtp_1", "srtp_1_openssl_ceiling", false }, BURST_AUTO, CEILING_SRTP, 1 },
	{ { "esp_1_openssl_ceiling", NULL, false }, BARE_OSSL, CEILING_ESP, 1 },
	{ { "esp_1_openssl", "esp_1_openssl_ceiling", false }, BURST_OSSL, CEILING_ESP, 1 },
	{ { "esp_1", "esp_1_openssl_ceiling", false }, BURST_AUTO, CEILING_ESP, 1 },
};
enum { LINES = sizeof(lines) / sizeof(lines[0]), BY_MB = 4480, BY_OSSL = 1000 };	/* packets of a round */

static double
burst_once(struct work *w, struct gw_burst *b, enum ceiling_shape shape, unsigned n, unsigned packets)
{
	const struct ceiling_layout *l = &ceiling_layouts[shape];
	unsigned bursts = packets / n, at = 0;
	double begin = bench_cpu_ns();

	for (unsigned k = 0; k < bursts; k++, at = at + 2 * n > CEILING_PACKETS ? 0 : at + n) {
		for (unsigned i = at; i < at + n; i++) {
			w->count++;
			memcpy(w->iv[i], &w->count, sizeof(w->count));
		}
		for (unsigned i = at; i < at + n; i++) {
			uint8_t *p = w->packet[i];

			if (l->cipher == LAYOUT_CTR)
				gw_burst_ctr(b, &w->aes, w->iv[i], 0, p + l->at, l->len);
			else if (l->cipher == LAYOUT_CBC)
				gw_burst_cbc(b, &w->aes, w->iv[i], p + l->at, l->len);
			if (l->mac_len)
				gw_burst_mac(b, &w->hmac, p, l->mac_len, p + l->mac_len, l->tag_len, NULL, NULL, 0);
		}
		gw_burst_run(b);
	}
	return (bench_cpu_ns() - begin) / (bursts * n);
}

static double
measure(void *self, size_t i)
{
	const struct line *l = &lines[i];
	struct work *w = self;
	/* As much time for each. */
	unsigned packets = (l->n > 1 ? (unsigned)BY_MB : (unsigned)BY_OSSL) * (l->shape == CEILING_TS ? 4u : 1u);

	switch (l->by) {
	case BARE_MB: return ceiling_mb(w->ceiling, l->shape, l->n, packets);
	case BARE_OSSL: return ceiling_ossl(w->ceiling, l->shape, packets);
	case BURST_AUTO: return burst_once(w, w->burst[GW_BURST_AUTO], l->shape, l->n, packets);
	case BURST_OSSL: return burst_once(w, w->burst[GW_BURST_OPENSSL], l->shape, l->n, packets);
	}
	return 0;
}

static void
lanes(struct work *w)
{
	static const enum ceiling_shape shapes[] = { CEILING_CTR, CEILING_CBC, CEILING_MAC, CEILING_TS };

	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
		for (unsigned n = 1; n <= 16; n += n < 8 ? 1 : 8) {
			double mb[9], ossl[9];

			for (size_t k = 0; k < 9; k++) {
				mb[k] = ceiling_mb(w->ceiling, shapes[s], n, BY_OSSL);
				ossl[k] = ceiling_ossl(w->ceiling, shapes[s], BY_OSSL);
			}
			printf("%s n=%u: ipsec-mb %.0f ns, OpenSSL %.0f ns\n", ceiling_layouts[shapes[s]].name, n, bench_median(mb, 9),
			    bench_median(ossl, 9));
		}
}

static void
work_init(struct work *w)
{
	struct gw_err err = { 0 };

	memset(w, 0, sizeof(*w));
	w->ceiling = ceiling_new();
	gw_aes_init(&w->aes, ceiling_key());
	gw_hmac_init(&w->hmac, ceiling_key(), 20);
	w->burst[GW_BURST_AUTO] = gw_burst_new(GW_BURST_AUTO, &err);
	w->burst[GW_BURST_OPENSSL] = gw_burst_new(GW_BURST_OPENSSL, &err);
	if (w->burst[GW_BURST_AUTO] && w->burst[GW_BURST_OPENSSL])
		return;
	fprintf(stderr, "bench_crypto: %s\n", err.text);
	exit(1);
}

int
main(int argc, char **argv)
{
	static struct work w;
	double seconds = 5;

	if (argc == 3 && strcmp(argv[1], "--seconds") == 0)
		seconds = atof(argv[2]);
	bench_pin();
	work_init(&w);
	if (argc == 2 && strcmp(argv[1], "--lanes") == 0)
		lanes(&w);
	else
		rounds_run(&(struct rounds){ "crypto_", lines, LINES, sizeof(lines[0]), measure, &w, NULL, 0 }, seconds);
	gw_burst_free(w.burst[GW_BURST_AUTO]);
	gw_burst_free(w.burst[GW_BURST_OPENSSL]);
	ceiling_free(w.ceiling);
	return 0;
}
