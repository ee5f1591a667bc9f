/* kms/drm_stkm.c: see drm_stkm.h */
#include "kms/drm_stkm.h"
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include "kms/crypt.h"
#include "kms/fauth.h"
#include "lib/secret.h"

enum { WINDOW_S = 60 };

struct drm_key {
	enum drm_layer layer;
	uint32_t extension;
	int64_t from, to;
	struct gw_secret pek;	/* of a PEAK: it travels in the message */
	struct crypt_mac *mac;	/* under SAK or PAK */
	EVP_CIPHER_CTX *seal, *open;
};

static const uint8_t zero_iv[16];	/* a TEK is random and no state is kept between messages (3.2) */

struct drm_key *
drm_key_new(enum drm_layer layer, uint32_t extension, const uint8_t key[16], const uint8_t seed[16], struct gw_err *err)
{
	struct drm_key *k = calloc(1, sizeof(*k));
	uint8_t ak[FAUTH_KEY];

	if (k && gw_secret_set(&k->pek, key, layer == DRM_PROGRAM ? STKM_PEK : 0) == 0 &&
	    fauth(seed, layer == DRM_SERVICE ? FAUTH_SAK : FAUTH_PAK, ak) == 0) {
		k->layer = layer;
		k->extension = extension;
		k->from = INT64_MIN;
		k->to = INT64_MAX;
		k->mac = crypt_mac_new(ak, sizeof(ak));
		k->seal = crypt_aes_new(CRYPT_ECB, key);
		k->open = crypt_aes_new(CRYPT_CBC_OPEN, key);
	}
	gw_cleanse(ak, sizeof(ak));
	if (k && k->mac && k->seal && k->open)
		return k;
	drm_key_free(k);
	gw_fail(err, GW_ECRYPTO, "a service or programme key cannot be set up: no memory for keys, or OpenSSL refuses");
	return NULL;
}

void
drm_key_free(struct drm_key *k)
{
	if (!k)
		return;
	gw_secret_free(&k->pek);
	crypt_mac_free(k->mac);
	EVP_CIPHER_CTX_free(k->seal);
	EVP_CIPHER_CTX_free(k->open);
	free(k);
}

void
drm_key_validity(struct drm_key *k, int64_t from, int64_t to)
{
	k->from = from;
	k->to = to;
}

bool
drm_key_valid(const struct drm_key *k, int64_t now_s)
{
	return now_s >= k->from && now_s < k->to;
}

bool
drm_key_same(const struct drm_key *a, const struct drm_key *b)
{
	return a->layer == b->layer && a->extension == b->extension;
}

/* program_MAC and service_MAC: HMAC-SHA1-96 over all octets before it (3.3). */
static int
mac96(struct drm_key *k, const uint8_t *msg, size_t covered, uint8_t out[STKM_MAC])
{
	uint8_t whole[CRYPT_SHA1];

	if (crypt_mac(k->mac, msg, covered, whole) < 0)
		return -1;
	memcpy(out, whole, STKM_MAC);
	return 0;
}

static int
seal_key(struct drm_key *k, const struct tkm *t, uint8_t out[STKM_MATERIAL_MAX])
{
	return crypt_cbc_seal(k->seal, zero_iv, out, tkm_material(t, out), out);
}

static void
plan_layers(const struct drm_key *service, const struct drm_key *program, struct stkm *m)
{
	m->service = service != NULL;
	m->program = program != NULL;
	m->service_CID_extension = service ? service->extension : 0;
	m->program_CID_extension = program ? program->extension : 0;
}

size_t
drm_seal(struct drm_key *service, struct drm_key *program, struct stkm *m, const struct tkm *current, const struct tkm *next,
	void *out, size_t cap, struct gw_err *err)
{
	struct drm_key *with = program ? program : service;
	const struct stkm_layout *l = current->layout;
	enum stkm_fault why;
	uint8_t *p = out;
	size_t n;

	if (!with || (next && next->layout != l)) {
		gw_fail(err, GW_ECRYPTO, "%s", with ? "the two keys are for different protections" : "no key to seal with");
		return 0;
	}
	plan_layers(service, program, m);
	m->protocol = l->protocol;
	m->authenticated = l->authenticated;
	m->cipher = l->cipher;
	m->has_next = next != NULL;
	m->material_len = (uint8_t)(l->tek + l->salt + l->pad + l->tas);
	if (seal_key(with, current, m->material) < 0 || (next && seal_key(with, next, m->next_material) < 0) ||
	    (service && program && crypt_cbc_seal(service->seal, zero_iv, program->pek.p, STKM_PEK, m->encrypted_PEK) < 0)) {
		gw_cleanse(m->material, sizeof(m->material));	/* may still be in clear */
		gw_cleanse(m->next_material, sizeof(m->next_material));
		gw_fail(err, GW_ECRYPTO, "the traffic key cannot be encrypted");
		return 0;
	}
	n = stkm_encode(m, out, cap, &why);
	if (n == 0) {
		gw_fail(err, GW_ECRYPTO, "%s", stkm_fault_text(why));
		return 0;
	}
	if ((program && mac96(program, p, m->program_MAC_at, p + m->program_MAC_at) < 0) ||
	    (service && mac96(service, p, m->service_MAC_at, p + m->service_MAC_at) < 0)) {
		gw_fail(err, GW_ECRYPTO, "the message cannot be signed");
		return 0;
	}
	return n;
}

static struct drm_key *
find(const struct drm_rx *rx, enum drm_layer layer, uint32_t extension)
{
	for (size_t k = 0; k < rx->nkeys; k++)
		if (rx->keys[k]->layer == layer && rx->keys[k]->extension == extension)
			return rx->keys[k];
	return NULL;
}

static int
open_key(EVP_CIPHER_CTX *with, const struct stkm *m, const uint8_t *material, struct tkm *t)
{
	uint8_t clear[STKM_MATERIAL_MAX];
	int rc = crypt_aes(with, zero_iv, material, m->material_len, clear);

	if (rc == 0)
		rc = tkm_of_material(t, m->protocol, m->authenticated, m->cipher, clear, m->material_len);
	gw_cleanse(clear, sizeof(clear));
	return rc;
}

static int
open_keys(struct drm_key *key, const struct stkm *m, struct rx_keys *out)
{
	EVP_CIPHER_CTX *pek = NULL, *with = key->open;
	uint8_t clear[STKM_PEK];
	int rc = 0;

	if (key->layer == DRM_SERVICE && m->program) {	/* SEK opens PEK, PEK opens TEK */
		rc = crypt_aes(key->open, zero_iv, m->encrypted_PEK, STKM_PEK, clear);
		with = pek = rc == 0 ? crypt_aes_new(CRYPT_CBC_OPEN, clear) : NULL;
		gw_cleanse(clear, sizeof(clear));
		rc = pek ? 0 : -1;
	}
	for (size_t k = 0; rc == 0 && k < out->n; k++)
		rc = open_key(with, m, k ? m->next_material : m->material, &out->key[k].tkm);
	EVP_CIPHER_CTX_free(pek);
	return rc;
}

static void
name_keys(const struct stkm *m, struct rx_keys *out)
{
	out->n = m->has_next ? 2 : 1;
	for (size_t k = 0; k < out->n; k++) {
		memcpy(out->key[k].id, k ? m->next_id : m->id, m->id_len);
		out->key[k].id_len = m->id_len;
		if (m->protocol == STKM_TS) {
			out->key[k].id[0] = (uint8_t)(m->odd ^ k);
			out->key[k].id_len = 1;
		}
	}
	out->lifetime_s = 1u << m->lifetime;
	out->protection_after_reception = m->protection_after_reception;
}

enum rx_result
drm_receive(struct drm_rx *rx, const void *stkm, size_t len, int64_t now_s, struct rx_keys *out)
{
	const uint8_t *p = stkm;
	struct stkm_tail tail;
	struct drm_key *key = NULL;
	uint8_t mac[STKM_MAC];
	struct stkm m;
	int64_t made_s = 0;

	memset(out, 0, sizeof(*out));
	if (stkm_peek(stkm, len, &tail, NULL) < 0)
		return rx_refuse(out, RX_MALFORMED);
	if (tail.service)
		key = find(rx, DRM_SERVICE, tail.service_CID_extension);
	if (!key && tail.program)
		key = find(rx, DRM_PROGRAM, tail.program_CID_extension);
	if (!key)
		return rx_refuse(out, RX_NO_KEY);
	size_t at = key->layer == DRM_SERVICE ? tail.service_MAC_at : tail.program_MAC_at;
	if (mac96(key, p, at, mac) < 0)
		return rx_refuse(out, RX_FAILED);
	if (CRYPTO_memcmp(mac, p + at, STKM_MAC) != 0)
		return rx_refuse(out, RX_BAD_MAC);

	if (stkm_decode(stkm, len, &m, NULL) < 0)
		return rx_refuse(out, RX_MALFORMED);
	if (!drm_key_valid(key, now_s))
		return rx_refuse(out, RX_NOT_VALID);
	bool stamped = m.has_timestamp && stkm_unix(m.timestamp, &made_s) == 0;
	if (stamped && rx->has_newest && made_s < rx->newest_s - (rx->window_s ? rx->window_s : WINDOW_S))
		return rx_refuse(out, RX_OLD);
	name_keys(&m, out);
	if (open_keys(key, &m, out) < 0)
		return rx_refuse(out, RX_MALFORMED);
	if (stamped && (!rx->has_newest || made_s > rx->newest_s)) {
		rx->newest_s = made_s;
		rx->has_newest = true;
	}
	/* Equal MACs that both verified are equal messages. */
	bool again = rx->has_last && memcmp(rx->last_MAC, mac, STKM_MAC) == 0;
	memcpy(rx->last_MAC, mac, STKM_MAC);
	rx->has_last = true;
	return again ? RX_REPEAT : RX_NEW;
}
