/* tests/bench/ceiling.c: bare loops around intel-ipsec-mb and OpenSSL */
#define NO_COMPAT_IMB_API_053
#define OPENSSL_SUPPRESS_DEPRECATED
#include "config.h"
#include "tests/bench/ceiling.h"
#ifdef HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const struct ceiling_layout ceiling_layouts[CEILING_SHAPES] = {
	[CEILING_SRTP] = { "srtp", LAYOUT_CTR, 12, 1316, 1332, 10 },
	[CEILING_ESP] = { "esp", LAYOUT_CBC, 24, 1344, 1368, 12 },
	[CEILING_CTR] = { "ctr", LAYOUT_CTR, 12, 1316, 0, 0 },
	[CEILING_CBC] = { "cbc", LAYOUT_CBC, 24, 1344, 0, 0 },
	[CEILING_MAC] = { "mac", LAYOUT_NONE, 0, 0, 1332, 10 },
	[CEILING_TS] = { "ts", LAYOUT_CBC, 4, 176, 0, 0 },
};

struct ceiling {
	_Alignas(64) uint8_t packet[CEILING_PACKETS][CEILING_ROOM];
	_Alignas(16) uint8_t iv[CEILING_PACKETS][16];
	uint64_t count;
	EVP_CIPHER_CTX *evp[LAYOUT_CBC + 1];
	SHA_CTX inner, outer;		/* after the pads */
#ifdef HAVE_IPSEC_MB
	_Alignas(16) uint8_t enc[176], dec[176];
	IMB_MGR *mgr;
	IMB_JOB cipher[CEILING_PACKETS], hash[CEILING_PACKETS];
	uint32_t in_h[5], out_h[5];
#endif
};

static void
need(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "ceiling: %s\n", what);
	exit(1);
}

void
bench_pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)sysconf(_SC_NPROCESSORS_ONLN) - 1, &set);
	sched_setaffinity(0, sizeof(set), &set);	/* refused: the numbers are less quiet, no more */
}

double
bench_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double
bench_median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), ascending);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

uint8_t *
ceiling_packet(struct ceiling *c, unsigned i)
{
	return c->packet[i];
}

const uint8_t *
ceiling_key(void)
{
	static const uint8_t key[20] = "ceiling of the test";

	return key;
}

static void
pads(struct ceiling *c)
{
	uint8_t block[64];

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)((i < 20 ? ceiling_key()[i] : 0) ^ 0x36);
	SHA1_Init(&c->inner);
	SHA1_Update(&c->inner, block, sizeof(block));
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] ^= 0x36 ^ 0x5c;
	SHA1_Init(&c->outer);
	SHA1_Update(&c->outer, block, sizeof(block));
}

static EVP_CIPHER_CTX *
evp_new(const EVP_CIPHER *cipher)
{
	EVP_CIPHER_CTX *e = EVP_CIPHER_CTX_new();

	need(e && EVP_EncryptInit_ex(e, cipher, NULL, ceiling_key(), NULL) == 1, "OpenSSL has no AES");
	EVP_CIPHER_CTX_set_padding(e, 0);
	return e;
}

/* A counter or an IV that was not there before. */
static void
fresh(struct ceiling *c, unsigned i)
{
	uint64_t n = ++c->count;

	memcpy(c->iv[i], &n, sizeof(n));
}

#ifdef HAVE_IPSEC_MB
static void
mb_init(struct ceiling *c)
{
	c->mgr = alloc_mb_mgr(0);
	need(c->mgr != NULL, "no memory");
	init_mb_mgr_auto(c->mgr, NULL);
	need(imb_get_errno(c->mgr) == 0, "intel-ipsec-mb does not run here");
	IMB_AES_KEYEXP_128(c->mgr, ceiling_key(), c->enc, c->dec);
	memcpy(c->in_h, (uint32_t[]){ c->inner.h0, c->inner.h1, c->inner.h2, c->inner.h3, c->inner.h4 }, 20);
	memcpy(c->out_h, (uint32_t[]){ c->outer.h0, c->outer.h1, c->outer.h2, c->outer.h3, c->outer.h4 }, 20);
}

static void
mb_jobs(struct ceiling *c, const struct ceiling_layout *l)
{
	memset(c->cipher, 0, sizeof(c->cipher));
	memset(c->hash, 0, sizeof(c->hash));
	for (unsigned i = 0; i < CEILING_PACKETS; i++) {
		IMB_JOB *j = &c->cipher[i], *h = &c->hash[i];

		j->cipher_mode = l->cipher == LAYOUT_CTR ? IMB_CIPHER_CNTR : IMB_CIPHER_CBC;
		j->cipher_direction = IMB_DIR_ENCRYPT;
		j->hash_alg = IMB_AUTH_NULL;
		j->enc_keys = c->enc, j->dec_keys = c->dec;
		j->key_len_in_bytes = 16;
		j->iv = c->iv[i], j->iv_len_in_bytes = 16;
		j->src = j->dst = c->packet[i] + l->at;
		j->msg_len_to_cipher_in_bytes = l->len;
		h->cipher_mode = IMB_CIPHER_NULL;
		h->hash_alg = IMB_AUTH_HMAC_SHA_1;
		h->src = c->packet[i];
		h->msg_len_to_hash_in_bytes = l->mac_len;
		h->auth_tag_output = c->packet[i] + l->mac_len, h->auth_tag_output_len_in_bytes = 12;
		h->u.HMAC._hashed_auth_key_xor_ipad = (const uint8_t *)c->in_h;
		h->u.HMAC._hashed_auth_key_xor_opad = (const uint8_t *)c->out_h;
	}
}

static void
mb_burst(struct ceiling *c, const struct ceiling_layout *l, unsigned at, unsigned n)
{
	IMB_CIPHER_MODE mode = l->cipher == LAYOUT_CTR ? IMB_CIPHER_CNTR : IMB_CIPHER_CBC;

	for (unsigned i = at; i < at + n; i++)
		fresh(c, i);
	if (l->len)
		IMB_SUBMIT_CIPHER_BURST_NOCHECK(c->mgr, c->cipher + at, n, mode, IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES);
	if (l->mac_len)
		IMB_SUBMIT_HASH_BURST_NOCHECK(c->mgr, c->hash + at, n, IMB_AUTH_HMAC_SHA_1);
}

double
ceiling_mb(struct ceiling *c, enum ceiling_shape shape, unsigned n, unsigned packets)
{
	const struct ceiling_layout *l = &ceiling_layouts[shape];
	unsigned bursts = packets / n, at = 0;
	double begin;

	mb_jobs(c, l);
	begin = bench_cpu_ns();
	for (unsigned k = 0; k < bursts; k++, at = at + 2 * n > CEILING_PACKETS ? 0 : at + n)
		mb_burst(c, l, at, n);
	return (bench_cpu_ns() - begin) / (bursts * n);
}

void
ceiling_prepare(struct ceiling *c, enum ceiling_shape shape)
{
	mb_jobs(c, &ceiling_layouts[shape]);
}

void
ceiling_burst(struct ceiling *c, enum ceiling_shape shape, unsigned n)
{
	mb_burst(c, &ceiling_layouts[shape], 0, n);
}
#else
static void
mb_init(struct ceiling *c)
{
	(void)c;
}

double
ceiling_mb(struct ceiling *c, enum ceiling_shape shape, unsigned n, unsigned packets)
{
	(void)c, (void)shape, (void)n, (void)packets;
	return 0;
}

void
ceiling_prepare(struct ceiling *c, enum ceiling_shape shape)
{
	(void)c, (void)shape;
}

void
ceiling_burst(struct ceiling *c, enum ceiling_shape shape, unsigned n)
{
	ceiling_ossl(c, shape, n);
}
#endif

double
ceiling_ossl(struct ceiling *c, enum ceiling_shape shape, unsigned packets)
{
	const struct ceiling_layout *l = &ceiling_layouts[shape];
	EVP_CIPHER_CTX *evp = c->evp[l->cipher];
	double begin = bench_cpu_ns();
	int got;

	for (unsigned k = 0; k < packets; k++) {
		unsigned i = k % CEILING_PACKETS;
		uint8_t *p = c->packet[i], mac[20];

		fresh(c, i);
		if (l->len) {
			EVP_EncryptInit_ex(evp, NULL, NULL, NULL, c->iv[i]);
			EVP_EncryptUpdate(evp, p + l->at, &got, p + l->at, (int)l->len);
		}
		if (l->mac_len) {
			SHA_CTX s = c->inner;

			SHA1_Update(&s, p, l->mac_len);
			SHA1_Final(mac, &s);
			s = c->outer;
			SHA1_Update(&s, mac, sizeof(mac));
			SHA1_Final(mac, &s);
			memcpy(p + l->mac_len, mac, l->tag_len);
		}
	}
	return (bench_cpu_ns() - begin) / packets;
}

struct ceiling *
ceiling_new(void)
{
	struct ceiling *c = aligned_alloc(64, (sizeof(*c) + 63) / 64 * 64);

	need(c != NULL, "no memory");
	memset(c, 0, sizeof(*c));
	pads(c);
	c->evp[LAYOUT_CTR] = evp_new(EVP_aes_128_ctr());
	c->evp[LAYOUT_CBC] = evp_new(EVP_aes_128_cbc());
	mb_init(c);
	return c;
}

void
ceiling_free(struct ceiling *c)
{
	for (int i = 0; i <= LAYOUT_CBC; i++)
		EVP_CIPHER_CTX_free(c->evp[i]);
#ifdef HAVE_IPSEC_MB
	free_mb_mgr(c->mgr);
#endif
	free(c);
}
