/*
 * lib/burst_ipsecmb.c: bursts by intel-ipsec-mb: ciphers and MACs in synchronous bursts, which leave nothing in its lanes. What its lanes
 * are not for goes to OpenSSL: the last few of a burst, and what is too long or too odd for it.
 */
#define NO_COMPAT_IMB_API_053	/* its old names collide with OpenSSL's */
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "lib/burst_int.h"

enum {
	BATCH = 64,		/* jobs handed over at a time: fills all lanes, fits the cache; IMB_MAX_BURST_SIZE is the most */
	LEN_MAX = 65472,	/* lanes count lengths in 16 bits */
	/* Fewer than these are faster by OpenSSL (tests/bench/bench_crypto). Counters need no lanes. */
	CBC_LEAST = 2, MAC_LEAST = 4,
};

struct side { uint8_t *p; size_t skip, len; };	/* of packets that begin within a block */
struct mb {
	IMB_MGR *mgr;
	void *mem;		/* where it lies: its lanes had key schedules */
	IMB_JOB ctr[BATCH], cbc[BATCH], mac[BATCH];
	_Alignas(16) uint8_t block[BATCH][GW_AES_BLOCK], next[BATCH][GW_AES_BLOCK];	/* their first block; the counter after it */
	struct side sides[BATCH];
	uint8_t tags[BATCH][32];	/* tags are written in full, or to the next 4 octets: not into packets */
};

/* What was not done would go out in clear. */
static void
must(bool ok)
{
	if (!ok)
		abort();
}

/* ---- managers ---------------------------------------------------------------------------------------------------------------- */

static size_t
whole_lines(size_t len)
{
	return (len + 63) / 64 * 64;
}

static void
mgr_free(void *mem)
{
	if (mem)
		OPENSSL_cleanse(mem, imb_get_mb_mgr_size());
	free(mem);
}

/* In memory of our own, *mem, for mgr_free. NULL: the CPU lacks what it needs, or there is no memory. */
static IMB_MGR *
mgr_new(void **mem)
{
	IMB_MGR *m;

	*mem = aligned_alloc(64, whole_lines(imb_get_mb_mgr_size()));
	m = *mem ? imb_set_pointers_mb_mgr(*mem, 0, 1) : NULL;
	if (m) {
		init_mb_mgr_auto(m, NULL);
		if (imb_get_errno(m) == 0 && (m->features & IMB_FEATURE_AESNI))
			return m;
	}
	mgr_free(*mem);
	*mem = NULL;
	return NULL;
}

/* Of all threads: its key expansion has no state. NULL: the CPU lacks what it needs. */
static IMB_MGR *expander;
static void *expander_mem;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
make_expander(void)
{
	expander = mgr_new(&expander_mem);
}

void
mb_expand(const uint8_t key[GW_AES_KEY], uint8_t enc[11 * GW_AES_BLOCK])
{
	_Alignas(16) uint8_t dec[11 * GW_AES_BLOCK];

	pthread_once(&once, make_expander);
	if (!expander)
		return;
	IMB_AES_KEYEXP_128(expander, key, enc, dec);
	OPENSSL_cleanse(dec, sizeof(dec));
}

/* ---- ciphers ----------------------------------------------------------------------------------------------------------------- */

static void
cipher_job(IMB_JOB *j, const struct gw_aes *key, const uint8_t *iv, uint8_t *p, size_t len)
{
	j->src = j->dst = p;
	j->msg_len_to_cipher_in_bytes = len;
	j->enc_keys = key->enc;
	j->iv = iv;
}

/* Would the counter carry out of its last 32 bits, which are all that ipsec-mb counts? */
static bool
carries(const struct ctr_job *j)
{
	uint32_t low = (uint32_t)j->iv[12] << 24 | (uint32_t)j->iv[13] << 16 | (uint32_t)j->iv[14] << 8 | j->iv[15];

	return (j->skip + j->len + GW_AES_BLOCK - 1) / GW_AES_BLOCK > UINT32_MAX - low;
}

static void
ctr_submit(struct mb *mb, size_t jobs, size_t sides)
{
	must(IMB_SUBMIT_CIPHER_BURST_NOCHECK(mb->mgr, mb->ctr, (uint32_t)jobs, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES) == jobs);
	for (size_t i = 0; i < sides; i++)
		memcpy(mb->sides[i].p, mb->block[i] + mb->sides[i].skip, mb->sides[i].len);
}

/* The octets up to the next block go by a block of their own, which begins where the key stream does. Octets that were taken. */
static size_t
ctr_side(struct mb *mb, IMB_JOB *j, size_t i, const struct ctr_job *c)
{
	size_t room = GW_AES_BLOCK - c->skip, len = c->len < room ? c->len : room;
	uint8_t *next = mb->next[i];

	mb->sides[i] = (struct side){ c->p, c->skip, len };
	memcpy(mb->block[i] + c->skip, c->p, len);
	cipher_job(j, c->key, c->iv, mb->block[i], c->skip + len);
	memcpy(next, c->iv, GW_AES_BLOCK);
	for (int k = GW_AES_BLOCK - 1; ++next[k] == 0; k--)	/* ends: it does not carry out of 32 bits */
		;
	return len;
}

static void
mb_ctr(struct gw_burst *b, const struct ctr_job *c, size_t n)
{
	struct mb *mb = b->mb;
	size_t jobs = 0, sides = 0;

	for (; n > 0; n--, c++) {
		if (carries(c)) {
			ossl_ctr(b, c, 1);
			continue;
		}
		if (jobs + 2 > BATCH) {
			ctr_submit(mb, jobs, sides);
			jobs = sides = 0;
		}
		if (c->skip) {
			size_t done = ctr_side(mb, &mb->ctr[jobs++], sides, c);

			if (c->len > done)
				cipher_job(&mb->ctr[jobs++], c->key, mb->next[sides], c->p + done, c->len - done);
			sides++;
		} else
			cipher_job(&mb->ctr[jobs++], c->key, c->iv, c->p, c->len);
	}
	if (jobs)
		ctr_submit(mb, jobs, sides);
}

static void
cbc_submit(struct gw_burst *b, const struct cbc_job *c, size_t n)
{
	struct mb *mb = b->mb;

	if (n < CBC_LEAST) {
		ossl_cbc(b, c, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		cipher_job(&mb->cbc[i], c[i].key, c[i].iv, c[i].p, c[i].len);
	must(IMB_SUBMIT_CIPHER_BURST_NOCHECK(mb->mgr, mb->cbc, (uint32_t)n, IMB_CIPHER_CBC, IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES) == n);
}

static void
mb_cbc(struct gw_burst *b, const struct cbc_job *c, size_t n)
{
	while (n > 0) {
		size_t k = 0;

		while (k < n && k < BATCH && c[k].len <= LEN_MAX)
			k++;
		if (k)
			cbc_submit(b, c, k);
		else
			ossl_cbc(b, c, k = 1);
		c += k, n -= k;
	}
}

/* ---- MACs -------------------------------------------------------------------------------------------------------------------- */

static void
mac_submit(struct gw_burst *b, const struct mac_job *m, size_t n)
{
	struct mb *mb = b->mb;

	if (n < MAC_LEAST) {
		ossl_mac(b, m, n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		IMB_JOB *j = &mb->mac[i];

		j->src = m[i].p;
		j->msg_len_to_hash_in_bytes = m[i].len;
		j->u.HMAC._hashed_auth_key_xor_ipad = (const uint8_t *)m[i].key->inner;
		j->u.HMAC._hashed_auth_key_xor_opad = (const uint8_t *)m[i].key->outer;
	}
	must(IMB_SUBMIT_HASH_BURST_NOCHECK(mb->mgr, mb->mac, (uint32_t)n, IMB_AUTH_HMAC_SHA_1) == n);
	for (size_t i = 0; i < n; i++)
		mac_deliver(&m[i], mb->tags[i]);
}

static void
mb_mac(struct gw_burst *b, const struct mac_job *m, size_t n)
{
	while (n > 0) {
		size_t k = 0;

		while (k < n && k < BATCH && m[k].len > 0 && m[k].len <= LEN_MAX)
			k++;
		if (k)
			mac_submit(b, m, k);
		else
			ossl_mac(b, m, k = 1);
		m += k, n -= k;
	}
}

/* ---- the means --------------------------------------------------------------------------------------------------------------- */

const struct means by_mb = { "ipsec-mb", mb_ctr, mb_cbc, mb_mac };

static void
jobs_init(struct mb *mb)
{
	for (size_t i = 0; i < BATCH; i++) {
		mb->ctr[i].cipher_mode = IMB_CIPHER_CNTR;
		mb->cbc[i].cipher_mode = IMB_CIPHER_CBC;
		mb->ctr[i].cipher_direction = mb->cbc[i].cipher_direction = IMB_DIR_ENCRYPT;
		mb->ctr[i].key_len_in_bytes = mb->cbc[i].key_len_in_bytes = IMB_KEY_128_BYTES;
		mb->ctr[i].iv_len_in_bytes = mb->cbc[i].iv_len_in_bytes = GW_AES_BLOCK;
		mb->ctr[i].hash_alg = mb->cbc[i].hash_alg = IMB_AUTH_NULL;
		mb->mac[i].cipher_mode = IMB_CIPHER_NULL;
		mb->mac[i].hash_alg = IMB_AUTH_HMAC_SHA_1;
		mb->mac[i].auth_tag_output = mb->tags[i];
		mb->mac[i].auth_tag_output_len_in_bytes = GW_SHA1;
	}
}

struct mb *
mb_new(void)
{
	struct mb *mb = aligned_alloc(64, whole_lines(sizeof(*mb)));

	if (!mb)
		return NULL;
	memset(mb, 0, sizeof(*mb));
	mb->mgr = mgr_new(&mb->mem);
	if (!mb->mgr) {
		free(mb);
		return NULL;
	}
	jobs_init(mb);
	return mb;
}

void
mb_free(struct mb *mb)
{
	if (!mb)
		return;
	mgr_free(mb->mem);
	OPENSSL_cleanse(mb, sizeof(*mb));
	free(mb);
}
