/* kms/drm_ltkm.c: see drm_ltkm.h */
#include "kms/drm_ltkm.h"
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include "kms/fauth.h"
#include "lib/secret.h"

enum { KEY = 16, PAIR = 2 * KEY, SHA1 = 20, SHA256 = 32, BASE = 8 };

static const uint8_t zero_iv[16];	/* the session key serves one message */

static int
bci_base(const char *base_cid, enum drm_layer layer, uint8_t out[BASE])
{
	const char *const tail = layer == DRM_SERVICE ? "#S" : "#P";
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t whole[EVP_MAX_MD_SIZE];
	int rc = -1;

	if (c && EVP_DigestInit_ex(c, EVP_sha1(), NULL) == 1 && EVP_DigestUpdate(c, "cid:", 4) == 1 &&
	    EVP_DigestUpdate(c, base_cid, strlen(base_cid)) == 1 && EVP_DigestUpdate(c, tail, 2) == 1 &&
	    EVP_DigestFinal_ex(c, whole, NULL) == 1) {
		memcpy(out, whole, BASE);
		rc = 0;
	}
	EVP_MD_CTX_free(c);
	return rc;
}

int
drm_bci(const char *base_cid, enum drm_layer layer, uint32_t extension, uint8_t out[BCRO_BCI])
{
	for (size_t k = 0; k < 4; k++)
		out[BASE + k] = (uint8_t)(extension >> 8 * (3 - k));
	return bci_base(base_cid, layer, out);
}

struct crypt_mac *
drm_bak(const uint8_t RIAK[KEY])
{
	uint8_t bak[FAUTH_KEY];
	struct crypt_mac *m = fauth(RIAK, FAUTH_BAK, bak) == 0 ? crypt_mac_new(bak, sizeof(bak)) : NULL;

	gw_cleanse(bak, sizeof(bak));
	return m;
}

/* AES key wrap of RFC 3394 with its default initial value. */
static EVP_CIPHER_CTX *
wrap_new(const uint8_t key[KEY], int enc)
{
	EVP_CIPHER *aes = EVP_CIPHER_fetch(NULL, "AES-128-WRAP", NULL);
	EVP_CIPHER_CTX *c = aes ? EVP_CIPHER_CTX_new() : NULL;

	if (c)
		EVP_CIPHER_CTX_set_flags(c, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (c && EVP_CipherInit_ex2(c, aes, key, NULL, enc, NULL) != 1) {
		EVP_CIPHER_CTX_free(c);
		c = NULL;
	}
	EVP_CIPHER_free(aes);
	return c;
}

static int
wrap(EVP_CIPHER_CTX *c, const uint8_t *in, size_t len, uint8_t *out, size_t want)
{
	uint8_t room[BCRO_WRAPPED];	/* EVP may write a block more than it says */
	int n = 0, rc = c && EVP_CipherUpdate(c, room, &n, in, (int)len) == 1 && (size_t)n == want ? 0 : -1;

	if (rc == 0)
		memcpy(out, room, want);
	gw_cleanse(room, sizeof(room));
	ERR_clear_error();	/* a wrong key is no news */
	return rc;
}

/* --- the rights issuer ------------------------------------------------------------------------------------------------ */

int
drm_asset_seal(struct bcro_asset *a, const uint8_t IEK[KEY], const uint8_t key[KEY], const uint8_t seed[KEY], struct gw_err *err)
{
	EVP_CIPHER_CTX *c = wrap_new(IEK, 1);
	uint8_t pair[PAIR];

	memcpy(pair, key, KEY);
	memcpy(pair + KEY, seed, KEY);
	int rc = wrap(c, pair, sizeof(pair), a->wrapped, BCRO_WRAPPED);
	gw_cleanse(pair, sizeof(pair));
	EVP_CIPHER_CTX_free(c);
	return rc == 0 ? 0 : gw_fail(err, GW_ECRYPTO, "a service or programme key cannot be wrapped");
}

size_t
drm_bcro_seal(struct bcro *b, const struct crypt_mac *bak, void *out, size_t cap, struct gw_err *err)
{
	uint8_t mac[CRYPT_SHA1], *p = out;
	enum bcro_reason why;
	size_t n = bcro_encode(b, out, cap, &why);

	if (n == 0) {
		gw_fail(err, GW_ECRYPTO, "BCRO: %s", bcro_reason_text(why));
		return 0;
	}
	if (crypt_mac(bak, out, b->MAC_at, mac) < 0) {
		gw_fail(err, GW_ECRYPTO, "BCRO: it cannot be signed");
		return 0;
	}
	memcpy(b->MAC, mac, BCRO_MAC);
	memcpy(p + b->MAC_at, mac, BCRO_MAC);
	return n;
}

/* The key set into `sealed`, its session key into `session`. Octets of the key set, or 0. */
static size_t
seal_keyset(struct bcro_keyset *k, EVP_PKEY *device, uint8_t *sealed, size_t cap, uint8_t *session, size_t *session_len)
{
	uint8_t key[BCRO_SESSION_KEY_LEN];
	EVP_CIPHER_CTX *c;
	size_t n = bcro_keyset_encode(k, sealed, cap, NULL);

	gw_random(key, sizeof(key));
	c = crypt_aes_new(CRYPT_ECB, key);
	*session_len = rsa_oaep_seal(device, key, sizeof(key), session, RSA_OCTETS_MAX);
	gw_cleanse(key, sizeof(key));
	if (!c || *session_len == 0 || crypt_cbc_seal(c, zero_iv, sealed, n, sealed) < 0) {
		gw_cleanse(sealed, cap);	/* may still be in clear */
		n = 0;
	}
	EVP_CIPHER_CTX_free(c);
	return n;
}

size_t
drm_registration_seal(struct bcro_registration *r, struct bcro_keyset *k, EVP_PKEY *device, EVP_PKEY *issuer, void *out, size_t cap,
	struct gw_err *err)
{
	uint8_t keyset[BCRO_KEYSET_MAX], session[RSA_OCTETS_MAX], signature[RSA_OCTETS_MAX] = { 0 };
	enum bcro_reason why;
	size_t n;

	r->keyset_len = seal_keyset(k, device, keyset, sizeof(keyset), session, &r->session_key_len);
	if (r->keyset_len == 0 || rsa_id(issuer, r->issuer) < 0) {
		gw_fail(err, GW_ECRYPTO, "device_registration_response: the key set cannot be encrypted");
		return 0;
	}
	r->keyset = keyset;
	r->session_key = session;
	r->signature = signature;
	r->signature_len = (size_t)EVP_PKEY_get_size(issuer);
	n = bcro_registration_encode(r, out, cap, &why);
	if (n == 0)
		gw_fail(err, GW_ECRYPTO, "device_registration_response: %s", bcro_reason_text(why));
	else if (rsa_pss_sign(issuer, out, r->signed_len, (uint8_t *)out + r->signed_len + 2, r->signature_len) != r->signature_len) {
		gw_fail(err, GW_ECRYPTO, "device_registration_response: it cannot be signed");
		n = 0;
	}
	r->keyset = r->session_key = r->signature = NULL;
	return n;
}

/* --- the device ------------------------------------------------------------------------------------------------------- */

struct right {
	uint8_t type;
	uint32_t extension;
	int64_t from_s, to_s;
	char print[17];			/* of the key: an asset that came twice is told from one that changed */
};
struct drm_device {
	uint8_t number[BCRO_DEVICE_LEN], issuer_id[BCRO_ISSUER_LEN], base[2][BASE];	/* base: of the BCI, by asset type */
	EVP_PKEY *own, *issuer;
	struct gw_secret keyset;	/* struct bcro_keyset; empty: not registered */
	struct crypt_mac *bak;
	uint64_t timestamp;		/* of the registration in force */
	uint8_t accepted[SHA256];	/* its digest */
	size_t n; struct right right[DRM_RIGHTS_MAX]; struct drm_key *key[DRM_RIGHTS_MAX];
};

struct drm_device *
drm_device_new(const char *base_cid, const char *number, EVP_PKEY *own, EVP_PKEY *issuer, struct gw_err *err)
{
	struct drm_device *d = calloc(1, sizeof(*d));

	if (!d) {
		EVP_PKEY_free(own);
		EVP_PKEY_free(issuer);
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	d->own = own;
	d->issuer = issuer;
	if (bcro_device(number, d->number) < 0)
		gw_fail(err, GW_ECONF, "unique_device_number: not 20 digits");
	else if (rsa_id(issuer, d->issuer_id) < 0 || bci_base(base_cid, DRM_SERVICE, d->base[BCRO_SERVICE]) < 0 ||
	    bci_base(base_cid, DRM_PROGRAM, d->base[BCRO_PROGRAM]) < 0)
		gw_fail(err, GW_ECRYPTO, "SHA-1 is not there");
	else
		return d;
	drm_device_free(d);
	return NULL;
}

void
drm_device_free(struct drm_device *d)
{
	if (!d)
		return;
	for (size_t k = 0; k < d->n; k++)
		drm_key_free(d->key[k]);
	crypt_mac_free(d->bak);
	gw_secret_free(&d->keyset);
	EVP_PKEY_free(d->own);
	EVP_PKEY_free(d->issuer);
	free(d);
}

bool
drm_device_registered(const struct drm_device *d)
{
	return d->keyset.p != NULL;
}

struct drm_key *const *
drm_device_keys(const struct drm_device *d, size_t *n)
{
	*n = d->n;
	return d->key;
}

static void
unregister(struct drm_device *d)
{
	gw_secret_free(&d->keyset);
	crypt_mac_free(d->bak);
	d->bak = NULL;
	memset(d->accepted, 0, sizeof(d->accepted));	/* d->timestamp stays: what is older is still a replay */
}

static void
drop(struct drm_device *d, size_t k)
{
	drm_key_free(d->key[k]);
	d->n--;
	d->right[k] = d->right[d->n];
	d->key[k] = d->key[d->n];
}

static const struct bcro_keyset *
keyset(const struct drm_device *d)
{
	return (const struct bcro_keyset *)(const void *)d->keyset.p;
}

static bool
keyset_over(const struct bcro_keyset *k, int64_t now_s)
{
	int64_t end_s;

	return k->has >> BCRO_VALID_TO & 1 && stkm_unix(k->valid_to, &end_s) == 0 && now_s >= end_s;
}

void
drm_device_tick(struct drm_device *d, int64_t now_s)
{
	for (size_t k = d->n; k-- > 0;)
		if (now_s >= d->right[k].to_s)
			drop(d, k);
	if (d->keyset.p && keyset_over(keyset(d), now_s))
		unregister(d);
}

/* --- registration */

static enum bcro_reason
open_keyset(const struct drm_device *d, const struct bcro_registration *r, struct gw_secret *out)
{
	struct gw_secret clear = { 0 };
	uint8_t key[BCRO_SESSION_KEY_LEN];
	enum bcro_reason why = BCRO_FAILED;
	EVP_CIPHER_CTX *c;

	if (rsa_oaep_open(d->own, r->session_key, r->session_key_len, key, sizeof(key)) < 0)
		return BCRO_SESSION_KEY;
	c = crypt_aes_new(CRYPT_CBC_OPEN, key);
	gw_cleanse(key, sizeof(key));
	if (r->keyset_len == 0)
		why = BCRO_KEYSET;
	else if (c && gw_secret_new(&clear, r->keyset_len) == 0 && gw_secret_new(out, sizeof(struct bcro_keyset)) == 0 &&
	    crypt_aes(c, zero_iv, r->keyset, r->keyset_len, clear.p) == 0) {
		why = BCRO_OK;
		(void)bcro_keyset_decode(clear.p, clear.len, (struct bcro_keyset *)(void *)out->p, &why);
	}
	EVP_CIPHER_CTX_free(c);
	gw_secret_free(&clear);
	return why;
}

/* The order of checks is the profile's: lengths, device number, rights issuer, signature, status; only then it decrypts. */
static enum bcro_reason
check_registration(const struct drm_device *d, const uint8_t *msg, const struct bcro_registration *r)
{
	int64_t made_s;

	if (memcmp(r->device, d->number, sizeof(d->number)) != 0)
		return BCRO_DEVICE;
	if (memcmp(r->issuer, d->issuer_id, sizeof(d->issuer_id)) != 0)
		return BCRO_ISSUER;
	if (rsa_pss_verify(d->issuer, msg, r->signed_len, r->signature, r->signature_len) < 0)
		return BCRO_SIGNATURE;
	if (r->status != 0)
		return BCRO_STATUS;
	if (stkm_unix(r->timestamp, &made_s) < 0)
		return BCRO_TIME;
	return r->timestamp < d->timestamp ? BCRO_OLD : BCRO_OK;
}

static enum bcro_reason
adopt(struct drm_device *d, struct gw_secret *set, const struct bcro_registration *r, const uint8_t digest[SHA256])
{
	const struct bcro_keyset *k = (const struct bcro_keyset *)(const void *)set->p;
	struct crypt_mac *bak;

	if (!(k->has >> BCRO_RIAK & 1))	/* no BCRO could ever be verified */
		return BCRO_KEYSET;
	if (!(bak = drm_bak(k->RIAK)))
		return BCRO_FAILED;
	unregister(d);
	d->keyset = *set;
	*set = (struct gw_secret){ NULL, 0 };
	d->bak = bak;
	d->timestamp = r->timestamp;
	memcpy(d->accepted, digest, SHA256);
	return BCRO_OK;
}

static enum rx_result
refuse(enum bcro_reason *why, enum bcro_reason r)
{
	*why = r;
	return r == BCRO_OK ? RX_NEW : RX_REFUSED;
}

static enum rx_result
take_registration(struct drm_device *d, const void *msg, size_t len, int64_t now_s, enum bcro_reason *why)
{
	struct gw_secret set = { 0 };
	struct bcro_registration r;
	uint8_t digest[SHA256];
	enum bcro_reason rc;

	if (bcro_registration_decode(msg, len, &r, why) < 0)
		return RX_REFUSED;
	if (EVP_Q_digest(NULL, "SHA256", NULL, msg, len, digest, NULL) != 1)
		return refuse(why, BCRO_FAILED);
	if (d->keyset.p && memcmp(digest, d->accepted, SHA256) == 0)	/* a carousel repeats: RSA once is enough */
		return RX_REPEAT;
	rc = check_registration(d, msg, &r);
	if (rc == BCRO_OK)
		rc = open_keyset(d, &r, &set);
	if (rc == BCRO_OK && keyset_over((const struct bcro_keyset *)(const void *)set.p, now_s))
		rc = BCRO_EXPIRED;
	if (rc == BCRO_OK)
		rc = adopt(d, &set, &r, digest);
	gw_secret_free(&set);
	return refuse(why, rc);
}

/* --- BCRO */

/* The key that wraps the assets of an object to this device; NULL: it is for somebody else. */
static const uint8_t *
addressed(const struct bcro_keyset *k, const struct bcro_head *h)
{
	const uint32_t group = 1u << BCRO_UGK | 1u << BCRO_GROUP_ADDRESS, unique = 1u << BCRO_UDK | 1u << BCRO_UDF;

	if (h->mode == BCRO_GROUP && (k->has & group) == group && memcmp(h->address, k->group_address, BCRO_ADDRESS_LEN) == 0)
		return k->UGK;
	if (h->mode == BCRO_UNIQUE && (k->has & unique) == unique && memcmp(h->address, k->UDF, BCRO_ADDRESS_LEN) == 0)
		return k->UDK;
	return NULL;
}

static enum bcro_reason
unwrap_all(const struct bcro *b, const uint8_t *IEK, struct gw_secret *out)
{
	EVP_CIPHER_CTX *c = wrap_new(IEK, 0);
	enum bcro_reason why = c && gw_secret_new(out, b->nassets * PAIR) == 0 ? BCRO_OK : BCRO_FAILED;

	for (size_t k = 0; why == BCRO_OK && k < b->nassets; k++)
		if (wrap(c, b->asset[k].wrapped, BCRO_WRAPPED, out->p + k * PAIR, PAIR) < 0)
			why = BCRO_UNWRAP;
	EVP_CIPHER_CTX_free(c);
	return why;
}

/* What may be received now is worth more than what comes later, and what lasts more than what ends. */
static bool
better(const struct right *a, const struct right *b, int64_t now_s)
{
	int64_t from_a = a->from_s > now_s ? a->from_s : now_s, from_b = b->from_s > now_s ? b->from_s : now_s;

	return from_a != from_b ? from_a < from_b : a->to_s > b->to_s;
}

/* Its place: its own, a free one, or that of the worst one. NULL: all are as good. */
static size_t *
place(struct drm_device *d, const struct right *r, int64_t now_s, size_t *at)
{
	size_t worst = 0;

	for (size_t k = 0; k < d->n; k++) {
		if (d->right[k].type == r->type && d->right[k].extension == r->extension) {
			*at = k;
			return at;
		}
		worst = better(&d->right[worst], &d->right[k], now_s) ? k : worst;
	}
	if (d->n == DRM_RIGHTS_MAX) {
		if (!better(r, &d->right[worst], now_s))
			return NULL;
		drop(d, worst);
	}
	*at = d->n;
	return at;
}

static enum rx_result
keep(struct drm_device *d, const struct bcro_asset *a, const uint8_t *pair, int64_t now_s, enum bcro_reason *why)
{
	struct right r = { .type = a->type };
	size_t at;

	for (size_t k = 0; k < 4; k++)
		r.extension = r.extension << 8 | a->BCI[BASE + k];
	if (stkm_unix(a->valid_from, &r.from_s) < 0 || stkm_unix(a->valid_to, &r.to_s) < 0 || now_s >= r.to_s ||
	    memcmp(a->BCI, d->base[a->type], BASE) != 0 || !place(d, &r, now_s, &at))
		return RX_REPEAT;
	gw_fingerprint(pair, PAIR, r.print);
	bool same_key = at < d->n && strcmp(d->right[at].print, r.print) == 0;
	if (same_key && d->right[at].from_s == r.from_s && d->right[at].to_s == r.to_s)
		return RX_REPEAT;
	if (!same_key) {
		struct drm_key *key = drm_key_new(a->type == BCRO_SERVICE ? DRM_SERVICE : DRM_PROGRAM, r.extension, pair, pair + KEY, NULL);
		if (!key)
			return refuse(why, BCRO_FAILED);
		if (at == d->n)
			d->n++;
		else
			drm_key_free(d->key[at]);
		d->key[at] = key;
	}
	d->right[at] = r;
	drm_key_validity(d->key[at], r.from_s, r.to_s);
	return RX_NEW;
}

static bool
all_over(const struct bcro *b, int64_t now_s)
{
	int64_t end_s;

	for (size_t k = 0; k < b->nassets; k++)
		if (stkm_unix(b->asset[k].valid_to, &end_s) == 0 && now_s < end_s)
			return false;
	return true;
}

static enum rx_result
take_assets(struct drm_device *d, const struct bcro *b, const uint8_t *IEK, int64_t now_s, enum bcro_reason *why)
{
	struct gw_secret pairs = { 0 };
	enum rx_result result = RX_REPEAT;

	*why = unwrap_all(b, IEK, &pairs);
	if (*why == BCRO_OK && all_over(b, now_s))
		*why = BCRO_EXPIRED;
	if (*why != BCRO_OK)
		result = RX_REFUSED;
	for (size_t k = 0; result != RX_REFUSED && k < b->nassets; k++) {
		enum rx_result one = keep(d, &b->asset[k], pairs.p + k * PAIR, now_s, why);
		result = one == RX_REPEAT ? result : one;
	}
	gw_secret_free(&pairs);
	return result;
}

static enum rx_result
take_bcro(struct drm_device *d, const void *msg, size_t len, int64_t now_s, enum bcro_reason *why)
{
	uint8_t mac[CRYPT_SHA1];
	const uint8_t *IEK;
	struct bcro_head h;
	struct bcro b;

	if (bcro_peek(msg, len, &h, why) < 0)
		return RX_REFUSED;
	if (!d->keyset.p)
		return refuse(why, BCRO_UNREGISTERED);
	IEK = addressed(keyset(d), &h);
	if (!IEK)
		return refuse(why, BCRO_ADDRESS);
	if (crypt_mac(d->bak, msg, h.MAC_at, mac) < 0)
		return refuse(why, BCRO_FAILED);
	if (CRYPTO_memcmp(mac, (const uint8_t *)msg + h.MAC_at, BCRO_MAC) != 0)
		return refuse(why, BCRO_BAD_MAC);
	if (bcro_decode(msg, len, &b, why) < 0)
		return RX_REFUSED;
	if (b.has_issuer && memcmp(b.issuer, d->issuer_id, BCRO_ISSUER_LEN) != 0)
		return refuse(why, BCRO_ISSUER);
	return take_assets(d, &b, IEK, now_s, why);
}

enum rx_result
drm_device_receive(struct drm_device *d, const void *msg, size_t len, int64_t now_s, enum bcro_reason *why)
{
	*why = BCRO_OK;
	drm_device_tick(d, now_s);
	if (len > 0 && *(const uint8_t *)msg == BCRO_TAG_REGISTRATION)
		return take_registration(d, msg, len, now_s, why);
	return take_bcro(d, msg, len, now_s, why);
}
