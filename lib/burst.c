/* lib/burst.c: bursts of cryptography, and OpenSSL's way of doing them */
#define OPENSSL_SUPPRESS_DEPRECATED	/* SHA1_*: the one interface that starts from a stored state */
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "lib/burst_int.h"

/*
 * OpenSSL's contexts with a key set live in its ordinary heap, which is not locked; they are cleansed when they are freed. That is
 * so wherever EVP is used.
 */

/* ---- ciphers of OpenSSL ------------------------------------------------------------------------------------------------------ */

static const struct { const EVP_CIPHER *(*cipher)(void); int encrypts; } kinds[OSSL_KINDS] = {
	[OSSL_CTR] = { EVP_aes_128_ctr, 1 }, [OSSL_CBC] = { EVP_aes_128_cbc, 1 },
	[OSSL_CBC_OPEN] = { EVP_aes_128_cbc, 0 }, [OSSL_ECB] = { EVP_aes_128_ecb, 1 },
};

/* What fails here is OpenSSL's own memory or its build: there is no packet without it, and none may go in clear. */
static void
must(int ok)
{
	if (ok != 1)
		abort();
}

static int
slot_open(struct slot *s, enum ossl_kind kind)
{
	s->ctx = EVP_CIPHER_CTX_new();
	return s->ctx && EVP_CipherInit_ex(s->ctx, kinds[kind].cipher(), NULL, NULL, NULL, kinds[kind].encrypts) == 1 &&
	    EVP_CIPHER_CTX_set_padding(s->ctx, 0) == 1;
}

static void
ossl_fini(struct ossl *o)
{
	for (int kind = 0; kind < OSSL_KINDS; kind++)
		for (int i = 0; i < SLOTS; i++)
			EVP_CIPHER_CTX_free(o->slots[kind][i].ctx);
	OPENSSL_cleanse(o, sizeof(*o));
}

static bool
same_key(const uint8_t a[GW_AES_KEY], const uint8_t b[GW_AES_KEY])
{
	uint64_t x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

/* A context with that key and iv, at the beginning. */
static EVP_CIPHER_CTX *
ossl_at(struct ossl *o, enum ossl_kind kind, const struct gw_aes *key, const uint8_t *iv)
{
	struct slot *s = &o->slots[kind][((uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15u) >> 60];
	_Static_assert(SLOTS == 16, "four bits choose one");

	if (!s->ctx)
		must(slot_open(s, kind));
	if (s->keyed && same_key(s->key, key->key)) {
		if (iv)
			must(EVP_CipherInit_ex(s->ctx, NULL, NULL, NULL, iv, -1));
		return s->ctx;
	}
	must(EVP_CipherInit_ex(s->ctx, NULL, NULL, key->key, iv, -1));
	memcpy(s->key, key->key, GW_AES_KEY);
	s->keyed = true;
	return s->ctx;
}

static void
ossl_update(EVP_CIPHER_CTX *ctx, const uint8_t *in, uint8_t *out, size_t len)
{
	int n = 0;

	must(EVP_CipherUpdate(ctx, out, &n, in, (int)len));
}

static void
ctr_one(struct ossl *o, const struct gw_aes *key, const uint8_t *iv, unsigned skip, uint8_t *p, size_t len)
{
	EVP_CIPHER_CTX *ctx = ossl_at(o, OSSL_CTR, key, iv);
	uint8_t skipped[GW_AES_BLOCK] = { 0 };

	if (skip)
		ossl_update(ctx, skipped, skipped, skip);
	ossl_update(ctx, p, p, len);
	if (skip)
		OPENSSL_cleanse(skipped, sizeof(skipped));
}

static void
ossl_ctr(struct gw_burst *b, const struct ctr_job *j, size_t n)
{
	for (; n > 0; n--, j++)
		ctr_one(&b->ossl, j->key, j->iv, j->skip, j->p, j->len);
}

void
ossl_cbc(struct gw_burst *b, const struct cbc_job *j, size_t n)
{
	for (; n > 0; n--, j++)
		ossl_update(ossl_at(&b->ossl, OSSL_CBC, j->key, j->iv), j->p, j->p, j->len);
}

/* ---- HMAC-SHA1 by OpenSSL's SHA-1: from states after the pads, which EVP cannot be given ------------------------------------------ */

static void
sha1_state(SHA_CTX *c, const uint32_t h[5])
{
	c->h0 = h[0], c->h1 = h[1], c->h2 = h[2], c->h3 = h[3], c->h4 = h[4];
	c->Nl = SHA_CBLOCK * 8;
	c->Nh = 0;
	c->num = 0;
}

void
gw_hmac_once(const struct gw_hmac *key, const void *p, size_t len, uint8_t out[GW_SHA1])
{
	SHA_CTX c;

	sha1_state(&c, key->inner);
	SHA1_Update(&c, p, len);
	SHA1_Final(out, &c);
	sha1_state(&c, key->outer);
	SHA1_Update(&c, out, GW_SHA1);
	SHA1_Final(out, &c);
}

static void
padded(const uint8_t block[SHA_CBLOCK], uint8_t with, uint32_t h[5])
{
	uint8_t pad[SHA_CBLOCK];
	SHA_CTX c;

	for (int i = 0; i < SHA_CBLOCK; i++)
		pad[i] = block[i] ^ with;
	SHA1_Init(&c);
	SHA1_Update(&c, pad, sizeof(pad));
	h[0] = c.h0, h[1] = c.h1, h[2] = c.h2, h[3] = c.h3, h[4] = c.h4;
	OPENSSL_cleanse(pad, sizeof(pad));
	OPENSSL_cleanse(&c, sizeof(c));
}

void
gw_hmac_init(struct gw_hmac *h, const void *key, size_t len)
{
	uint8_t block[SHA_CBLOCK] = { 0 };

	if (len > sizeof(block))
		SHA1(key, len, block);
	else if (len > 0)
		memcpy(block, key, len);
	padded(block, 0x36, h->inner);
	padded(block, 0x5c, h->outer);
	OPENSSL_cleanse(block, sizeof(block));
}

void
mac_deliver(const struct mac_job *j, const uint8_t mac[GW_SHA1])
{
	memcpy(j->tag, mac, j->tag_len);
	if (j->patch_len)
		memcpy(j->patch_at, j->patch, j->patch_len);
}

void
ossl_mac(struct gw_burst *b, const struct mac_job *j, size_t n)
{
	uint8_t mac[GW_SHA1];

	(void)b;
	for (; n > 0; n--, j++) {
		gw_hmac_once(j->key, j->p, j->len, mac);
		mac_deliver(j, mac);
	}
}

/* ---- bursts ------------------------------------------------------------------------------------------------------------------ */

void
gw_aes_init(struct gw_aes *a, const uint8_t key[GW_AES_KEY])
{
	memcpy(a->key, key, GW_AES_KEY);
	mb_expand(key, a->enc);
}

/* intel-ipsec-mb, if it is asked for and there. */
static int
set_mb(struct gw_burst *b, enum gw_burst_by by, struct gw_err *err)
{
	if (by == GW_BURST_OPENSSL)
		return 0;
	b->mb = mb_new();
	if (b->mb || by == GW_BURST_AUTO)
		return 0;
	return gw_fail(err, GW_EUNAVAIL, "intel-ipsec-mb is not built in, or this CPU lacks what it needs");
}

struct gw_burst *
gw_burst_new(enum gw_burst_by by, struct gw_err *err)
{
	struct gw_burst *b = aligned_alloc(64, (sizeof(*b) + 63) / 64 * 64);

	if (!b) {
		gw_fail(err, GW_ESYS, "no memory for a burst");
		return NULL;
	}
	memset(b, 0, sizeof(*b));
	if (set_mb(b, by, err) < 0) {
		gw_burst_free(b);
		return NULL;
	}
	for (int i = 0; i < SLOTS; i++)
		if (!slot_open(&b->ossl.slots[OSSL_CTR][i], OSSL_CTR) || !slot_open(&b->ossl.slots[OSSL_CBC][i], OSSL_CBC)) {
			gw_fail(err, GW_ECRYPTO, "OpenSSL has no AES-128-CTR or AES-128-CBC");
			gw_burst_free(b);
			return NULL;
		}
	return b;
}

void
gw_burst_free(struct gw_burst *b)
{
	if (!b)
		return;
	mb_free(b->mb);
	ossl_fini(&b->ossl);
	free(b);
}

const char *
gw_burst_name(const struct gw_burst *b)
{
	return b->mb ? "ipsec-mb" : "openssl";
}

static void
note_ctr(struct gw_burst *b, const struct gw_aes *key, const uint8_t *iv, unsigned skip, uint8_t *p, size_t len)
{
	struct ctr_job *j;

	if (b->nctr == CTR_JOBS)
		gw_burst_run(b);
	j = &b->ctr[b->nctr++];
	memcpy(j->iv, iv, GW_AES_BLOCK);
	j->key = key, j->p = p, j->len = len, j->skip = skip;
}

void
gw_burst_ctr(struct gw_burst *b, const struct gw_aes *key, const uint8_t iv[GW_AES_BLOCK], unsigned skip, uint8_t *p, size_t len)
{
	if (len == 0)
		return;
	if (b->mb && mb_can_ctr(iv, skip + len))
		mb_ctr(b, key, iv, skip, p, len);
	else
		note_ctr(b, key, iv, skip, p, len);
}

static void
note_cbc(struct gw_burst *b, const struct gw_aes *key, const uint8_t *iv, uint8_t *p, size_t len)
{
	struct cbc_job *j;

	if (b->ncbc == CBC_JOBS)
		gw_burst_run(b);
	j = &b->cbc[b->ncbc++];
	memcpy(j->iv, iv, GW_AES_BLOCK);
	j->key = key, j->p = p, j->len = len;
}

void
gw_burst_cbc(struct gw_burst *b, const struct gw_aes *key, const uint8_t iv[GW_AES_BLOCK], uint8_t *p, size_t len)
{
	if (b->mb && len - 1 < LANE_MAX)
		mb_cbc(b, key, iv, p, len);
	else if (len > 0)
		note_cbc(b, key, iv, p, len);
}

void
gw_burst_mac(struct gw_burst *b, const struct gw_hmac *key, const uint8_t *p, size_t len, uint8_t *tag, size_t tag_len,
    uint8_t *patch_at, const uint8_t *patch, size_t patch_len)
{
	struct mac_job *j;

	if (b->mb && len - 1 < LANE_MAX)
		j = mb_mac(b, key, p, len);
	else {
		if (b->nmac == MAC_JOBS)
			gw_burst_run(b);
		j = &b->mac[b->nmac++];
	}
	j->key = key, j->p = p, j->len = len, j->tag = tag, j->patch_at = patch_at;
	j->tag_len = (uint8_t)tag_len, j->patch_len = (uint8_t)patch_len;
	if (patch_len)
		memcpy(j->patch, patch, patch_len);
}

void
gw_burst_run(struct gw_burst *b)
{
	if (b->mb)
		mb_run_ciphers(b);
	ossl_ctr(b, b->ctr, b->nctr);
	ossl_cbc(b, b->cbc, b->ncbc);
	if (b->mb)
		mb_run_macs(b);
	ossl_mac(b, b->mac, b->nmac);
	b->nctr = b->ncbc = b->nmac = 0;
}

/* ---- one packet in hand: contexts are the thread's ------------------------------------------------------------------------------- */

static _Thread_local struct ossl *mine;
static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
end_thread(void *o)
{
	ossl_fini(o);
	free(o);
	mine = NULL;
}

static void
make_key(void)
{
	must(pthread_key_create(&at_thread_end, end_thread) == 0);
}

static struct ossl *
thread_ossl(void)
{
	if (!mine) {
		pthread_once(&once, make_key);
		mine = calloc(1, sizeof(*mine));
		must(mine && pthread_setspecific(at_thread_end, mine) == 0);
	}
	return mine;
}

void
gw_aes_block(const struct gw_aes *key, const uint8_t in[GW_AES_BLOCK], uint8_t out[GW_AES_BLOCK])
{
	ossl_update(ossl_at(thread_ossl(), OSSL_ECB, key, NULL), in, out, GW_AES_BLOCK);
}

void
gw_ctr_once(const struct gw_aes *key, const uint8_t iv[GW_AES_BLOCK], unsigned skip, uint8_t *p, size_t len)
{
	if (len > 0)
		ctr_one(thread_ossl(), key, iv, skip, p, len);
}

void
gw_cbc_open(const struct gw_aes *key, const uint8_t iv[GW_AES_BLOCK], uint8_t *p, size_t len)
{
	if (len > 0)
		ossl_update(ossl_at(thread_ossl(), OSSL_CBC_OPEN, key, iv), p, p, len);
}
