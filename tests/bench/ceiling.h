/*
 * tests/bench/ceiling.h: what the cryptographic libraries give by themselves, in bare loops: the ceilings that transforms and bursts are held
 * against, measured in turns with them in one process.
 *
 * A ceiling works in place on 64 packets, one after another, with one key and a fresh counter or IV for each. What it need not do for
 * each packet it has done before: its jobs differ in their counters only. Tags go straight behind the packets, with the two octets
 * that ipsec-mb writes too many of a tag of 10.
 */
#ifndef TESTS_BENCH_CEILING_H
#define TESTS_BENCH_CEILING_H
#include <stddef.h>
#include <stdint.h>

/* 132 KiB: they stay in the second-level cache. Not a power of two, or the lanes of a burst would lie in the same places of the first. */
enum { CEILING_PACKETS = 64, CEILING_ROOM = 2112 };

/* What is done to a packet of 1328 octets, 12 of RTP and 7 of TS. */
enum ceiling_shape {
	CEILING_SRTP,	/* CTR of 1316; HMAC-SHA1-80 of 1332: the packet and the ROC */
	CEILING_ESP,	/* CBC of 1344: with UDP header, padding and trailer; HMAC-SHA1-96 of 1368: with SPI, sequence number and IV */
	CEILING_CTR,	/* the cipher of SRTP alone */
	CEILING_CBC,	/* that of ESP */
	CEILING_MAC,	/* the MAC of SRTP */
	CEILING_TS,	/* CISSA: CBC of 176, one TS packet */
	CEILING_SHAPES
};
struct ceiling_layout { const char *name; enum { LAYOUT_NONE, LAYOUT_CTR, LAYOUT_CBC } cipher; size_t at, len, mac_len, tag_len; };
extern const struct ceiling_layout ceiling_layouts[CEILING_SHAPES];	/* at, len: of what is enciphered; mac_len: from 0 on; 0: none */

struct ceiling;
struct ceiling *ceiling_new(void);	/* exits when there is no memory */
void ceiling_free(struct ceiling *);
const uint8_t *ceiling_key(void);	/* 16 octets for AES, 20 for the MAC */

/* Nanoseconds of CPU per packet of one run of `packets`, n at a time (1..64), by synchronous bursts of intel-ipsec-mb. 0: it is not built in. */
double ceiling_mb(struct ceiling *, enum ceiling_shape, unsigned n, unsigned packets);
/* One at a time by OpenSSL: an EVP cipher that keeps its key, and SHA-1 from stored pads. */
double ceiling_ossl(struct ceiling *, enum ceiling_shape, unsigned packets);

/*
 * For loops that get their packets from elsewhere: where packet i lies, and one burst over the first n of them, by intel-ipsec-mb or (where
 * it is not built in) by OpenSSL. ceiling_prepare comes first.
 */
uint8_t *ceiling_packet(struct ceiling *, unsigned i);
void ceiling_prepare(struct ceiling *, enum ceiling_shape);
void ceiling_burst(struct ceiling *, enum ceiling_shape, unsigned n);

/* For every bench: this thread on the highest CPU; its time on a CPU, so that what else runs there is not counted; the middle one of n (sorts them). */
void bench_pin(void);
double bench_cpu_ns(void);
double bench_median(double *, size_t n);
#endif
