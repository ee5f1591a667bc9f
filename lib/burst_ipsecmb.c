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
	/*
	 * Fewer than these are faster by OpenSSL (tests/bench/bench_crypto --lanes): lanes cost the same when they are empty. Counters
	 * need no lanes: one packet's CTR takes half of OpenSSL's time.
	 */
	CBC_LEAST = 2, MAC_LEAST = 5,
};

struct side { uint8_t *p; size_t skip, len; };	/* of packets that begin within a block */
struct mb {
	IMB_MGR *mgr;
	void *mem;		/* where it lies: its lanes had key schedules */
	size_t nctr, ncbc, nmac, nsides;
	IMB_JOB ctr[BATCH], cbc[BATCH], mac[BATCH];	/* filled in as they are noted */
	_Alignas(16) uint8_t ctr_iv[BATCH][GW_AES_BLOCK], cbc_iv[BATCH][GW_AES_BLOCK];
	_Alignas(16) uint8_t block[BATCH][GW_AES_BLOCK];	/* sides' first block */
	struct side sides[BATCH];
	struct mac_job whose[BATCH];
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
cipher_job(IMB_JOB *j, const struct gw_aes *key, uint8_t *p, size_t len)
{
	j->src = j->dst = p;
	j->msg_len_to_cipher_in_bytes = len;
	j->enc_keys = key->enc;
}

/* It counts the last 32 bits of a counter block only: these may not carry. */
bool
mb_can_ctr(const uint8_t *iv, size_t len)
{
	uint32_t low = (uint32_t)iv[12] << 24 | (uint32_t)iv[13] << 16 | (uint32_t)iv[14] << 8 | iv[15];

	return (len + GW_AES_BLOCK - 1) / GW_AES_BLOCK <= UINT32_MAX - low;
}

static void
run_ctr(struct mb *mb)
{
	size_t n = mb->nctr;

	if (n == 0)
		return;
	must(IMB_SUBMIT_CIPHER_BURST_NOCHECK(mb->mgr, mb->ctr, (uint32_t)n, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES) == n);
	for (size_t i = 0; i < mb->nsides; i++)
		memcpy(mb->sides[i].p, mb->block[i] + mb->sides[i].skip, mb->sides[i].len);
	mb->nctr = mb->nsides = 0;
}

static void
put_ctr(struct mb *mb, const struct gw_aes *key, const uint8_t *iv, uint8_t *p, size_t len)
{
	size_t i = mb->nctr++;

	memcpy(mb->ctr_iv[i], iv, GW_AES_BLOCK);
	cipher_job(&mb->ctr[i], key, p, len);
}

/* The octets up to the next block go by a block of their own, which begins where the key stream does; then the rest. */
static void
put_ctr_within(struct mb *mb, const struct gw_aes *key, const uint8_t *iv, unsigned skip, uint8_t *p, size_t len)
{
	size_t room = GW_AES_BLOCK - skip, first = len < room ? len : room, i = mb->nsides++;
	uint8_t next[GW_AES_BLOCK];

	mb->sides[i] = (struct side){ p, skip, first };
	memcpy(mb->block[i] + skip, p, first);
	put_ctr(mb, key, iv, mb->block[i], skip + first);
	if (len == first)
		return;
	memcpy(next, iv, GW_AES_BLOCK);
	for (int k = GW_AES_BLOCK - 1; ++next[k] == 0; k--)	/* ends: it does not carry out of 32 bits */
		;
	put_ctr(mb, key, next, p + first, len - first);
}

void
mb_ctr(struct gw_burst *b, const struct gw_aes *key, const uint8_t *iv, unsigned skip, uint8_t *p, size_t len)
{
	struct mb *mb = b->mb;

	if (mb->nctr + 2 > BATCH)
		run_ctr(mb);
	if (skip)
		put_ctr_within(mb, key, iv, skip, p, len);
	else
		put_ctr(mb, key, iv, p, len);
}

static void
run_cbc(struct gw_burst *b)
{
	struct mb *mb = b->mb;
	size_t n = mb->ncbc;

	if (n >= CBC_LEAST)
		must(IMB_SUBMIT_CIPHER_BURST_NOCHECK(mb->mgr, mb->cbc, (uint32_t)n, IMB_CIPHER_CBC, IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES) == n);
	else
		for (size_t i = 0; i < n; i++) {
			const IMB_JOB *j = &mb->cbc[i];
			struct cbc_job c = { .key = j->enc_keys, .p = j->dst, .len = j->msg_len_to_cipher_in_bytes };	/* enc is its first member */

			memcpy(c.iv, mb->cbc_iv[i], GW_AES_BLOCK);
			ossl_cbc(b, &c, 1);
		}
	mb->ncbc = 0;
}

void
mb_cbc(struct gw_burst *b, const struct gw_aes *key, const uint8_t *iv, uint8_t *p, size_t len)
{
	struct mb *mb = b->mb;
	size_t i = mb->ncbc++;

	memcpy(mb->cbc_iv[i], iv, GW_AES_BLOCK);
	cipher_job(&mb->cbc[i], key, p, len);
	if (i == BATCH - 1)
		run_cbc(b);
}

void
mb_run_ciphers(struct gw_burst *b)
{
	run_ctr(b->mb);
	run_cbc(b);
}

/* ---- MACs -------------------------------------------------------------------------------------------------------------------- */

void
mb_run_macs(struct gw_burst *b)
{
	struct mb *mb = b->mb;
	size_t n = mb->nmac;

	if (n < MAC_LEAST)
		ossl_mac(b, mb->whose, n);
	else {
		must(IMB_SUBMIT_HASH_BURST_NOCHECK(mb->mgr, mb->mac, (uint32_t)n, IMB_AUTH_HMAC_SHA_1) == n);
		for (size_t i = 0; i < n; i++)
			mac_deliver(&mb->whose[i], mb->tags[i]);
	}
	mb->nmac = 0;
}

struct mac_job *
mb_mac(struct gw_burst *b, const struct gw_hmac *key, const uint8_t *p, size_t len)
{
	struct mb *mb = b->mb;
	IMB_JOB *j;

	if (mb->nmac == BATCH)
		gw_burst_run(b);	/* what they cover is to be enciphered before */
	j = &mb->mac[mb->nmac];
	j->src = p;
	j->msg_len_to_hash_in_bytes = len;
	j->u.HMAC._hashed_auth_key_xor_ipad = (const uint8_t *)key->inner;
	j->u.HMAC._hashed_auth_key_xor_opad = (const uint8_t *)key->outer;
	return &mb->whose[mb->nmac++];
}

/* ---- its memory --------------------------------------------------------------------------------------------------------------- */

static void
jobs_init(struct mb *mb)
{
	for (size_t i = 0; i < BATCH; i++) {
		mb->ctr[i].cipher_mode = IMB_CIPHER_CNTR;
		mb->cbc[i].cipher_mode = IMB_CIPHER_CBC;
		mb->ctr[i].cipher_direction = mb->cbc[i].cipher_direction = IMB_DIR_ENCRYPT;
		mb->ctr[i].key_len_in_bytes = mb->cbc[i].key_len_in_bytes = IMB_KEY_128_BYTES;
		mb->ctr[i].iv_len_in_bytes = mb->cbc[i].iv_len_in_bytes = GW_AES_BLOCK;
		mb->ctr[i].iv = mb->ctr_iv[i];
		mb->cbc[i].iv = mb->cbc_iv[i];
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
