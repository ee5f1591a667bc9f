/* tools/scrub_name.c: HMAC-SHA-256 and AES-CTR for octets; a Feistel network over AES for what must stay different */
#include "tools/scrub_name.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include "lib/secret.h"

enum { ROUNDS = 12, BLOCK = 16, TAG = 32, CACHE = 4096, CACHED = 8, HOSTS_TABLE = 2 * SCRUB_HOSTS };

struct cached { bool used; uint8_t domain, n, from[CACHED], to[CACHED]; };
struct host { bool used; uint32_t from, to; };
struct scrub_names {
	EVP_MAC *hmac;
	EVP_MAC_CTX *mac;
	EVP_CIPHER *ecb, *ctr;
	EVP_CIPHER_CTX *round, *stream;
	struct cached cache[CACHE];
	struct host from[HOSTS_TABLE];	/* by address */
	uint32_t to[HOSTS_TABLE];	/* pseudonyms that are in use; 0: free */
	size_t nhosts;
};

/* OpenSSL's parts do not fail once they work; pseudonyms that are none must not be written. */
static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
tag(struct scrub_names *s, const uint8_t *head, size_t nhead, const uint8_t *p, size_t n, uint8_t out[TAG])
{
	size_t len;

	must(EVP_MAC_init(s->mac, NULL, 0, NULL) && EVP_MAC_update(s->mac, head, nhead) && (n == 0 || EVP_MAC_update(s->mac, p, n)) &&
	    EVP_MAC_final(s->mac, out, &len, TAG));
}

static void
encrypt(EVP_CIPHER_CTX *ctx, const uint8_t *in, size_t n, uint8_t *out)
{
	int len;

	must(EVP_EncryptUpdate(ctx, out, &len, in, (int)n) && (size_t)len == n);
}

static bool
ready(struct scrub_names *s, const uint8_t *key)
{
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){ "SHA256" }, 0), OSSL_PARAM_construct_end() };
	uint8_t second[TAG];

	s->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	s->ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
	s->ctr = EVP_CIPHER_fetch(NULL, "AES-256-CTR", NULL);
	s->mac = s->hmac ? EVP_MAC_CTX_new(s->hmac) : NULL;
	s->round = EVP_CIPHER_CTX_new();
	s->stream = EVP_CIPHER_CTX_new();
	if (!s->ecb || !s->ctr || !s->mac || !s->round || !s->stream || !EVP_MAC_init(s->mac, key, SCRUB_KEY, params))
		return false;
	tag(s, (const uint8_t *)"rounds", 6, NULL, 0, second);
	must(EVP_EncryptInit_ex2(s->round, s->ecb, second, NULL, NULL) && EVP_CIPHER_CTX_set_padding(s->round, 0));
	OPENSSL_cleanse(second, sizeof(second));
	return true;
}

struct scrub_names *
scrub_names_new(const uint8_t *key)
{
	struct scrub_names *s = calloc(1, sizeof(*s));

	if (s && !ready(s, key)) {
		scrub_names_free(s);
		return NULL;
	}
	return s;
}

void
scrub_names_free(struct scrub_names *s)
{
	if (!s)
		return;
	EVP_MAC_CTX_free(s->mac);
	EVP_MAC_free(s->hmac);
	EVP_CIPHER_CTX_free(s->round);
	EVP_CIPHER_CTX_free(s->stream);
	EVP_CIPHER_free(s->ecb);
	EVP_CIPHER_free(s->ctr);
	gw_cleanse(s, sizeof(*s));
	free(s);
}

void
scrub_octets(struct scrub_names *s, enum scrub_domain domain, unsigned tweak, uint8_t *p, size_t n)
{
	uint8_t head[4] = { (uint8_t)domain, (uint8_t)tweak, (uint8_t)(n >> 8), (uint8_t)n }, out[TAG];
	static const uint8_t iv[BLOCK];

	if (n == 0)
		return;
	tag(s, head, sizeof(head), p, n, out);
	if (n <= TAG) {
		memcpy(p, out, n);
	} else {
		memset(p, 0, n);
		must(EVP_EncryptInit_ex2(s->stream, s->ctr, out, iv, NULL));
		encrypt(s->stream, p, n, p);
	}
	OPENSSL_cleanse(out, sizeof(out));
}

void
scrub_text(struct scrub_names *s, uint8_t *p, size_t n)
{
	scrub_octets(s, SCRUB_D_TEXT, 0, p, n);
	for (size_t k = 0; k < n; k++)
		p[k] = (uint8_t)('a' + p[k] % 26);
}

/* ---- permutations ---- */

static void
feistel(struct scrub_names *s, enum scrub_domain domain, uint8_t *p, size_t n)
{
	size_t half = n / 2;

	for (uint8_t k = 0; k < ROUNDS; k++) {
		uint8_t *to = k & 1 ? p + half : p, block[BLOCK] = { (uint8_t)domain, (uint8_t)n, k };
		const uint8_t *from = k & 1 ? p : p + half;
		size_t nto = k & 1 ? n - half : half;

		memcpy(block + 3, from, n - nto);
		encrypt(s->round, block, BLOCK, block);
		for (size_t i = 0; i < nto; i++)
			to[i] ^= block[i];
	}
}

/* Values among which a permutation keeps; 0: the value stays. */
static int
kind_of(enum scrub_domain domain, const uint8_t *p, size_t n)
{
	unsigned v = n == 2 ? (unsigned)p[0] << 8 | p[1] : 0;

	if (domain == SCRUB_D_PID && n == 2)
		return v <= 0x1f || v == 0x1fff ? 0 : v < 0x1fff ? 1 : 2;
	return domain == SCRUB_D_PORT && v == 0 ? 0 : 1;
}

void
scrub_id(struct scrub_names *s, enum scrub_domain domain, uint8_t *p, size_t n)
{
	struct cached *c = NULL;
	uint32_t hash = (uint32_t)domain;
	int kind;

	if (n < 2 || n > SCRUB_ID || (kind = kind_of(domain, p, n)) == 0)
		return;
	if (n <= CACHED) {
		for (size_t k = 0; k < n; k++)
			hash = (hash ^ p[k]) * 0x9e3779b1u;
		c = &s->cache[(hash ^ hash >> 15) % CACHE];
		if (c->used && c->domain == domain && c->n == n && memcmp(c->from, p, n) == 0) {
			memcpy(p, c->to, n);
			return;
		}
		c->used = true;
		c->domain = (uint8_t)domain;
		c->n = (uint8_t)n;
		memcpy(c->from, p, n);
	}
	do
		feistel(s, domain, p, n);
	while (kind_of(domain, p, n) != kind);
	if (c)
		memcpy(c->to, p, n);
}

/* ---- addresses ---- */

static bool
all(const uint8_t *p, size_t n, uint8_t v)
{
	for (size_t k = 0; k < n; k++)
		if (p[k] != v)
			return false;
	return true;
}

void
scrub_mac(struct scrub_names *s, uint8_t p[6])
{
	uint8_t group = p[0] & 1;

	if (all(p, 6, 0) || all(p, 6, 0xff))
		return;
	scrub_octets(s, SCRUB_D_MAC, 0, p, 6);
	p[0] = 2 | group;
}

/* out: n octets that depend on p[0..prefix). */
static void
of_prefix(struct scrub_names *s, enum scrub_domain domain, const uint8_t *p, size_t prefix, uint8_t *out, size_t n)
{
	uint8_t block[BLOCK] = { 0 };

	memcpy(block, p, prefix);
	scrub_octets(s, domain, (unsigned)prefix, block, sizeof(block));
	memcpy(out, block, n);
}

static uint32_t
word(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* An octet of an address, permuted among those that share what stands before it. */
static uint8_t
octet_of(struct scrub_names *s, const uint8_t *p, size_t at)
{
	uint8_t halves[2] = { p[at] >> 4, p[at] & 15 };

	for (uint8_t k = 0; k < ROUNDS; k++) {
		uint8_t block[BLOCK] = { SCRUB_D_V4, (uint8_t)at, k, halves[(k + 1) & 1] };

		memcpy(block + 4, p, at);
		encrypt(s->round, block, BLOCK, block);
		halves[k & 1] ^= block[0] & 15;
	}
	return (uint8_t)(halves[0] << 4 | halves[1]);
}

static uint32_t
v4_of(struct scrub_names *s, const uint8_t *p)
{
	uint8_t net;

	if (p[0] == 127 || (p[0] >= 224 && p[0] < 240))
		net = octet_of(s, p, 1);
	else
		of_prefix(s, SCRUB_D_V4, p, 2, &net, 1);
	return (p[0] == 127 ? 127u : p[0] >= 224 && p[0] < 240 ? 239u : 10u) << 24 | (uint32_t)net << 16 | (uint32_t)octet_of(s, p, 2) << 8 | octet_of(s, p, 3);
}

static size_t
slot(uint32_t v)
{
	v *= 0x9e3779b1u;
	return (v ^ v >> 15) % HOSTS_TABLE;
}

static uint32_t
unused(struct scrub_names *s, uint32_t to)
{
	size_t at;

	for (;; to = (to & 0xff000000) | ((to + 1) & 0xffffff)) {	/* two networks fell on one: rare */
		for (at = slot(to); s->to[at] && s->to[at] != to; )
			at = (at + 1) % HOSTS_TABLE;
		if (!s->to[at])
			break;
	}
	s->to[at] = to;
	return to;
}

void
scrub_v4(struct scrub_names *s, uint8_t p[4])
{
	uint32_t from = word(p), to;
	size_t at = slot(from);

	if (from == 0 || from == UINT32_MAX || from >> 8 == 0xe00000)
		return;
	while (s->from[at].used && s->from[at].from != from)
		at = (at + 1) % HOSTS_TABLE;
	if (s->from[at].used) {
		to = s->from[at].to;
	} else {
		to = v4_of(s, p);
		if (s->nhosts < SCRUB_HOSTS) {
			s->nhosts++;
			to = unused(s, to);
			s->from[at] = (struct host){ true, from, to };
		}
	}
	for (int k = 0; k < 4; k++)
		p[k] = (uint8_t)(to >> (24 - 8 * k));
}

void
scrub_v6(struct scrub_names *s, uint8_t p[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint8_t was[16];

	memcpy(was, p, sizeof(was));
	if (all(p, 16, 0))
		return;
	if (memcmp(p, mapped, sizeof(mapped)) == 0) {
		scrub_v4(s, p + 12);
	} else if (p[0] == 0xff) {
		if (!all(p + 2, 12, 0))
			of_prefix(s, SCRUB_D_V6, was, 16, p + 2, 14);
	} else if (p[0] == 0xfe && (p[1] & 0xc0) == 0x80) {
		memset(p + 2, 0, 6);
		of_prefix(s, SCRUB_D_V6, was, 16, p + 8, 8);
	} else {
		memcpy(p, (const uint8_t[]){ 0x20, 0x01, 0x0d, 0xb8 }, 4);
		of_prefix(s, SCRUB_D_V6, was, 6, p + 4, 2);
		of_prefix(s, SCRUB_D_V6, was, 8, p + 6, 2);
		of_prefix(s, SCRUB_D_V6, was, 16, p + 8, 8);
	}
}
