/* kms/mikey_psk.c: see mikey_psk.h */
#include "kms/mikey_psk.h"
#include <openssl/crypto.h>
#include <string.h>
#include "lib/secret.h"

enum { LABEL_MAX = 9 + MIKEY_RAND_MAX, PRF_BLOCK = 32 };

/* P(s, label, m) XORed into out. */
static int
prf_block(const uint8_t *s, size_t len, const uint8_t *label, size_t label_len, uint8_t *out, size_t out_len)
{
	uint8_t a[CRYPT_SHA1 + LABEL_MAX], b[CRYPT_SHA1];	/* A[i] || label */
	struct crypt_mac *mac = crypt_mac_new(s, len);
	int rc = mac ? crypt_mac(mac, label, label_len, b) : -1;

	memcpy(a + CRYPT_SHA1, label, label_len);
	for (size_t at = 0; rc == 0 && at < out_len; at += CRYPT_SHA1) {
		size_t n = out_len - at < CRYPT_SHA1 ? out_len - at : CRYPT_SHA1;

		memcpy(a, b, CRYPT_SHA1);
		rc = crypt_mac(mac, a, CRYPT_SHA1 + label_len, b);
		for (size_t k = 0; k < n; k++)
			out[at + k] ^= b[k];
		rc = rc == 0 ? crypt_mac(mac, a, CRYPT_SHA1, b) : rc;
	}
	crypt_mac_free(mac);
	gw_cleanse(a, sizeof(a));
	gw_cleanse(b, sizeof(b));
	return rc;
}

int
mikey_prf(const void *inkey, size_t len, const void *label, size_t label_len, uint8_t *out, size_t out_len)
{
	const uint8_t *s = inkey;
	int rc = label_len > LABEL_MAX || len == 0 ? -1 : 0;

	memset(out, 0, out_len);
	for (size_t at = 0; rc == 0 && at < len; at += PRF_BLOCK)
		rc = prf_block(s + at, len - at < PRF_BLOCK ? len - at : PRF_BLOCK, label, label_len, out, out_len);
	return rc;
}

int
mikey_psk_keys(const void *psk, size_t len, uint32_t csb_id, const void *rand, size_t rand_len, struct mikey_psk *k)
{
	const struct { uint8_t constant[4], *out; size_t n; } rows[] = {
		{ { 0x15, 0x05, 0x33, 0xe1 }, k->encr, sizeof(k->encr) },
		{ { 0x2d, 0x22, 0xac, 0x75 }, k->auth, sizeof(k->auth) },
		{ { 0x29, 0xb8, 0x89, 0x16 }, k->salt, sizeof(k->salt) },
	};
	uint8_t label[LABEL_MAX] = { 0, 0, 0, 0, 0xff,	/* FF where the CS ID would be */
		(uint8_t)(csb_id >> 24), (uint8_t)(csb_id >> 16), (uint8_t)(csb_id >> 8), (uint8_t)csb_id };
	int rc = rand_len > MIKEY_RAND_MAX ? -1 : 0;

	if (rc == 0 && rand_len)
		memcpy(label + 9, rand, rand_len);
	for (size_t r = 0; rc == 0 && r < 3; r++) {
		memcpy(label, rows[r].constant, 4);
		rc = mikey_prf(psk, len, label, 9 + rand_len, rows[r].out, rows[r].n);
	}
	return rc;
}

void
mikey_session_fini(struct mikey_session *s)
{
	crypt_mac_free(s->mac);
	EVP_CIPHER_CTX_free(s->ctr);
	gw_cleanse(s, sizeof(*s));
}

int
mikey_session_init(struct mikey_session *s, const void *psk, size_t len, uint32_t csb_id, const void *rand, size_t rand_len)
{
	struct mikey_psk k;

	memset(s, 0, sizeof(*s));
	if (mikey_psk_keys(psk, len, csb_id, rand, rand_len, &k) == 0) {
		s->mac = crypt_mac_new(k.auth, sizeof(k.auth));
		s->ctr = crypt_aes_new(CRYPT_CTR, k.encr);
		memcpy(s->salt, k.salt, sizeof(k.salt));
		s->csb_id = csb_id;
	}
	gw_cleanse(&k, sizeof(k));
	if (s->mac && s->ctr)
		return 0;
	mikey_session_fini(s);
	return -1;
}

/* (salt XOR (0^2 || CSB ID || counter as 64 bits)) || 0^2: 2.4; that a COUNTER is zero-extended is a reading. */
void
mikey_iv(const struct mikey_session *s, uint32_t counter, uint8_t iv[16])
{
	memcpy(iv, s->salt, 14);
	iv[14] = iv[15] = 0;
	for (int k = 0; k < 4; k++) {
		iv[2 + k] ^= (uint8_t)(s->csb_id >> (24 - 8 * k));
		iv[10 + k] ^= (uint8_t)(counter >> (24 - 8 * k));
	}
}

bool
mikey_mac_right(const struct mikey_session *s, const void *msg, size_t mac_at, const uint8_t mac[CRYPT_SHA1])
{
	uint8_t want[CRYPT_SHA1];

	return crypt_mac(s->mac, msg, mac_at, want) == 0 && CRYPTO_memcmp(want, mac, sizeof(want)) == 0;
}
