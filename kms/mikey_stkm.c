/* kms/mikey_stkm.c: see mikey_stkm.h */
#include "kms/mikey_stkm.h"
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include "kms/crypt.h"
#include "lib/secret.h"

enum { RAND_MAX_LEN = 255, LABEL_MAX = 9 + RAND_MAX_LEN, PLAIN_MAX = 128, PRF_BLOCK = 32 };

/* Message keys with their contexts, for one (pre-shared key, CSB ID, RAND). */
struct session { struct crypt_mac *mac; EVP_CIPHER_CTX *ctr; uint8_t salt[14]; uint32_t csb_id; };

/* What the TEK of a TEK ID was: MARK octets of its ciphertext, which is on air anyway. A second TEK would reuse the keystream. */
enum { SEALED_PAGE = 256, MARK = 8, MARK_AT = 4 };	/* the TEK follows next payload, type, length */
struct sealed { bool used[SEALED_PAGE]; uint8_t mark[SEALED_PAGE][MARK]; };

struct msk {
	struct mikey_ids ids;
	struct gw_secret key;
	uint8_t rand[RAND_MAX_LEN]; size_t rand_len;
	uint16_t lower, upper;
	struct session session;		/* CSB ID 0, the RAND above: what we send and what everybody sends */
	struct sealed *sealed[65536 / SEALED_PAGE];	/* of a sender: every TEK ID that was used, made page by page */
	/* of a receiver (2.5) */
	bool used;			/* a message was accepted: counter and seqs are its */
	uint32_t counter; uint16_t seqs;
};

/* --- RFC 3830 --------------------------------------------------------------------------------------------------------- */

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
	int rc = rand_len > RAND_MAX_LEN ? -1 : 0;

	if (rc == 0 && rand_len)
		memcpy(label + 9, rand, rand_len);
	for (size_t r = 0; rc == 0 && r < 3; r++) {
		memcpy(label, rows[r].constant, 4);
		rc = mikey_prf(psk, len, label, 9 + rand_len, rows[r].out, rows[r].n);
	}
	return rc;
}

static void
session_fini(struct session *s)
{
	crypt_mac_free(s->mac);
	EVP_CIPHER_CTX_free(s->ctr);
	gw_cleanse(s, sizeof(*s));
}

static int
session_init(struct session *s, const struct gw_secret *key, uint32_t csb_id, const void *rand, size_t rand_len)
{
	struct mikey_psk k;

	memset(s, 0, sizeof(*s));
	if (mikey_psk_keys(key->p, key->len, csb_id, rand, rand_len, &k) == 0) {
		s->mac = crypt_mac_new(k.auth, sizeof(k.auth));
		s->ctr = crypt_aes_new(CRYPT_CTR, k.encr);
		memcpy(s->salt, k.salt, sizeof(k.salt));
		s->csb_id = csb_id;
	}
	gw_cleanse(&k, sizeof(k));
	if (s->mac && s->ctr)
		return 0;
	session_fini(s);
	return -1;
}

/* (salt XOR (0^2 || CSB ID || counter as 64 bits)) || 0^2: 2.4; that a COUNTER is zero-extended is a reading. */
static void
mikey_iv(const struct session *s, uint32_t counter, uint8_t iv[16])
{
	memcpy(iv, s->salt, 14);
	iv[14] = iv[15] = 0;
	for (int k = 0; k < 4; k++) {
		iv[2 + k] ^= (uint8_t)(s->csb_id >> (24 - 8 * k));
		iv[10 + k] ^= (uint8_t)(counter >> (24 - 8 * k));
	}
}

/* The counter of an STKM is a pure function of the crypto-period: redundant generators make the same octets (2.5). */
static uint32_t
stkm_counter(uint16_t tek_id)
{
	return tek_id;
}

/* --- keys ------------------------------------------------------------------------------------------------------------- */

struct msk *
msk_new(const struct mikey_ids *ids, const uint8_t key[16], const void *rand, size_t rand_len, uint16_t lower, uint16_t upper,
    struct gw_err *err)
{
	struct msk *k = rand_len <= RAND_MAX_LEN ? calloc(1, sizeof(*k)) : NULL;

	if (k && gw_secret_set(&k->key, key, 16) == 0 && session_init(&k->session, &k->key, 0, rand, rand_len) == 0) {
		k->ids = (struct mikey_ids){ .has_domain = true, .has_key = true, .has_tek = true,
			.key_group = ids->key_group, .key_number = ids->key_number };
		memcpy(k->ids.domain, ids->domain, sizeof(k->ids.domain));
		memcpy(k->rand, rand, rand_len);
		k->rand_len = rand_len;
		k->lower = lower;
		k->upper = upper;
		return k;
	}
	msk_free(k);
	gw_fail(err, GW_ECRYPTO, "a service key cannot be set up: no memory for keys, or OpenSSL refuses");
	return NULL;
}

void
msk_free(struct msk *k)
{
	if (!k)
		return;
	for (size_t p = 0; p < 65536 / SEALED_PAGE; p++)
		free(k->sealed[p]);
	session_fini(&k->session);
	gw_secret_free(&k->key);
	free(k);
}

int
msk_tek_id(const struct msk *k, uint16_t first_cp, uint16_t cp, uint16_t *tek_id)
{
	uint32_t id = (uint32_t)k->lower + 1 + (uint16_t)(cp - first_cp);

	if (id > k->upper)
		return -1;
	*tek_id = (uint16_t)id;
	return 0;
}

uint16_t
msk_upper(const struct msk *k)
{
	return k->upper;
}

size_t
msk_traffic_id(uint8_t protocol, const struct mikey_ids *i, uint16_t tek_id, size_t ki_len, uint8_t out[STKM_ID_MAX])
{
	const uint8_t all[6] = { (uint8_t)(i->key_group >> 8), (uint8_t)i->key_group,
		(uint8_t)(i->key_number >> 8), (uint8_t)i->key_number, (uint8_t)(tek_id >> 8), (uint8_t)tek_id };
	size_t n = 0;

	if (protocol == STKM_SRTP || protocol == STKM_IPSEC)
		n = protocol == STKM_SRTP ? 6 : 4;
	else if (protocol == STKM_ISMACRYP)
		n = ki_len ? ki_len : 1;

	if (n > sizeof(all))
		return 0;
	memcpy(out, all + sizeof(all) - n, n);
	return n;
}

/* --- sealing ---------------------------------------------------------------------------------------------------------- */

/* Key data of an STKM: the TEK, and salt and TAS together in the salt field (2.6). */
static size_t
key_data(const struct tkm *t, const uint8_t *id, size_t id_len, uint8_t out[PLAIN_MAX])
{
	size_t salt = tkm_len(t) - t->layout->tek;
	struct mikey_key k = {
		.type = salt ? MIKEY_TEK_SALT : MIKEY_TEK, .kv = id_len ? MIKEY_KV_SPI : MIKEY_KV_NULL,
		.key = { tkm_tek(t), t->layout->tek }, .salt = { tkm_salt(t), salt }, .from = { id, id_len },
	};

	return mikey_put_key(&k, out, PLAIN_MAX);
}

static int
check_unused(struct msk *k, uint16_t tek_id, const uint8_t *cipher, struct gw_err *err)
{
	struct sealed **page = &k->sealed[tek_id / SEALED_PAGE];
	size_t at = tek_id % SEALED_PAGE;

	if (!*page)
		*page = calloc(1, sizeof(**page));
	if (!*page)
		return gw_fail(err, GW_ESYS, "no memory to remember TEK IDs");
	if ((*page)->used[at] && memcmp((*page)->mark[at], cipher + MARK_AT, MARK) != 0)
		return gw_fail(err, GW_EPEER, "TEK ID %u of SEK %04x%04x was used for another TEK", tek_id, k->ids.key_group,
		    k->ids.key_number);
	(*page)->used[at] = true;
	memcpy((*page)->mark[at], cipher + MARK_AT, MARK);
	return 0;
}

size_t
msk_seal(struct msk *k, const struct msk_plan *plan, const struct tkm *t, void *out, size_t cap, struct gw_err *err)
{
	struct mikey_ids ids = k->ids;
	struct mikey_management m;
	struct mikey_writer w;
	enum mikey_fault why;
	uint8_t plain[PLAIN_MAX], iv[16], *cipher, *p = out;
	size_t mac_at, n = key_data(t, plan->id, plan->id_len, plain);

	ids.tek_id = plan->tek_id;
	mikey_begin(&w, out, cap, MIKEY_PSK, 0, k->session.csb_id);
	mikey_put_ids(&w, &ids);
	if (plan->management) {
		m = *plan->management;
		m.subtype = MIKEY_BCAST_STKM;
		m.protocol = t->layout->protocol;
		m.authenticated = t->layout->authenticated;
		mikey_put_bcast(&w, &m);
	}
	mikey_put_counter(&w, stkm_counter(plan->tek_id));
	cipher = mikey_put_kemac(&w, n, &mac_at);
	mikey_iv(&k->session, stkm_counter(plan->tek_id), iv);
	int rc = n && cipher ? crypt_aes(k->session.ctr, iv, plain, n, cipher) : -1;
	gw_cleanse(plain, sizeof(plain));
	if (rc == 0)
		rc = crypt_mac(k->session.mac, p, mac_at, p + mac_at);
	n = mikey_end(&w, &why);
	if (rc == 0 && n) {
		if (check_unused(k, plan->tek_id, cipher, err) == 0)
			return n;
		gw_cleanse(out, n);	/* must not leave */
		return 0;
	}
	gw_fail(err, GW_ECRYPTO, "%s", why == MIKEY_OK ? "the traffic key cannot be encrypted" : mikey_fault_text(why));
	return 0;
}

/* --- receiving -------------------------------------------------------------------------------------------------------- */

static struct msk *
find(const struct msk_rx *rx, const struct mikey_ids *i)
{
	for (size_t k = 0; k < rx->nkeys; k++) {
		const struct mikey_ids *have = &rx->keys[k]->ids;
		if (memcmp(have->domain, i->domain, sizeof(i->domain)) == 0 && have->key_group == i->key_group &&
		    have->key_number == i->key_number)
			return rx->keys[k];
	}
	return NULL;
}

/* What an STKM must have and what we can do (2.6, 2.8). */
static enum rx_reason
usable(const struct mikey *m)
{
	if (m->data_type != MIKEY_PSK || !m->has_t || !m->has_kemac || !m->ids.has_domain || !m->ids.has_key || !m->ids.has_tek)
		return RX_MALFORMED;
	if (m->prf != 0 || m->ts_type != MIKEY_TS_COUNTER || m->encr_alg != MIKEY_ENCR_AES_CM || m->mac_alg != MIKEY_MAC_SHA1)
		return RX_UNSUPPORTED;
	return RX_FINE;
}

static enum rx_reason
check_mac(const struct session *s, const uint8_t *msg, const struct mikey *m)
{
	uint8_t mac[CRYPT_SHA1];

	if (crypt_mac(s->mac, msg, m->mac_at, mac) < 0)
		return RX_FAILED;
	return CRYPTO_memcmp(mac, m->mac.p, sizeof(mac)) == 0 ? RX_FINE : RX_BAD_MAC;
}

/* Counters (2.5). The lower limit itself is not usable: SEQs begins there. */
static enum rx_reason
check_order(const struct msk *k, const struct mikey *m, bool *again)
{
	uint32_t counter = (uint32_t)m->ts;
	uint16_t seqs = k->used ? k->seqs : k->lower;

	*again = k->used && counter == k->counter && m->ids.tek_id == k->seqs;
	if (*again)
		return RX_FINE;
	if (k->lower > k->upper)
		return RX_NOT_VALID;	/* an empty interval makes the key unusable */
	if (m->ids.tek_id > k->upper)
		return RX_ABOVE;
	return m->ids.tek_id > seqs && (k->used ? counter > k->counter : counter > 0) ? RX_FINE : RX_STALE;
}

static enum rx_reason
open_key(const struct msk_rx *rx, const struct session *s, const struct mikey *m, struct rx_keys *out)
{
	struct mikey_management d = { .protocol = rx->protocol, .authenticated = rx->authenticated };
	uint8_t plain[PLAIN_MAX], iv[16], cw[sizeof(out->key[0].tkm.cw)];
	enum rx_reason why = RX_MALFORMED;
	struct mikey_key k;

	if (m->bcast.p && m->bcast.len && m->bcast.p[0] == MIKEY_BCAST_STKM) {
		if (mikey_management(&m->bcast, &d, NULL) < 0)
			return RX_MALFORMED;
		out->lifetime_s = 1u << d.lifetime;
		out->protection_after_reception = d.protection_after_reception;
	}
	mikey_iv(s, (uint32_t)m->ts, iv);
	if (m->encr.len > sizeof(plain))
		return RX_MALFORMED;
	if (crypt_aes(s->ctr, iv, m->encr.p, m->encr.len, plain) < 0)
		return RX_FAILED;
	if (mikey_keys(plain, m->encr.len, &k, 1, NULL) == 1 && (k.type & MIKEY_TEK) && k.kv != MIKEY_KV_INTERVAL &&
	    k.key.len + k.salt.len <= sizeof(cw) && k.from.len <= STKM_ID_MAX) {
		memcpy(cw, k.key.p, k.key.len);
		if (k.salt.len)
			memcpy(cw + k.key.len, k.salt.p, k.salt.len);
		if (tkm_of_cw(&out->key[0].tkm, d.protocol, d.authenticated, cw, k.key.len + k.salt.len) == 0 &&
		    k.key.len == out->key[0].tkm.layout->tek)
			why = RX_FINE;
	}
	if (why == RX_FINE && k.from.len) {
		memcpy(out->key[0].id, k.from.p, k.from.len);
		out->key[0].id_len = (uint8_t)k.from.len;
	} else if (why == RX_FINE)
		out->key[0].id_len = (uint8_t)msk_traffic_id(d.protocol, &m->ids, m->ids.tek_id, rx->ki_len, out->key[0].id);
	if (why == RX_FINE && out->key[0].id_len == 0)
		why = RX_UNSUPPORTED;	/* a key that no packet could name */
	out->n = 1;
	gw_cleanse(plain, sizeof(plain));
	gw_cleanse(cw, sizeof(cw));
	return why;
}

enum rx_result
msk_receive(struct msk_rx *rx, const void *stkm, size_t len, struct rx_keys *out)
{
	enum rx_reason why;
	struct session other = { 0 };
	struct mikey m;
	bool again = false;

	memset(out, 0, sizeof(*out));
	if (mikey_decode(stkm, len, &m, NULL) < 0)
		return rx_refuse(out, RX_MALFORMED);
	why = usable(&m);
	if (why != RX_FINE)
		return rx_refuse(out, why);
	struct msk *k = find(rx, &m.ids);
	if (!k)
		return rx_refuse(out, RX_NO_KEY);
	const struct session *s = &k->session;
	if (m.csb_id != 0 || m.rand.p) {	/* nobody of ours: keys for this message only */
		const struct mikey_view rand = m.rand.p ? m.rand : (struct mikey_view){ k->rand, k->rand_len };
		if (session_init(&other, &k->key, m.csb_id, rand.p, rand.len) < 0)
			return rx_refuse(out, RX_FAILED);
		s = &other;
	}
	why = check_mac(s, stkm, &m);
	if (why == RX_FINE)
		why = check_order(k, &m, &again);
	if (why == RX_FINE)
		why = open_key(rx, s, &m, out);
	session_fini(&other);
	if (why != RX_FINE)
		return rx_refuse(out, why);
	k->used = true;
	k->counter = (uint32_t)m.ts;
	k->seqs = m.ids.tek_id;
	return again ? RX_REPEAT : RX_NEW;
}
