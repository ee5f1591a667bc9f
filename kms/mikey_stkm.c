/* kms/mikey_stkm.c: see mikey_stkm.h */
#include "kms/mikey_stkm.h"
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include "kms/crypt.h"
#include "lib/secret.h"

enum { PLAIN_MAX = 128 };

/* What the TEK of a TEK ID was: MARK octets of its ciphertext, which is on air anyway. A second TEK would reuse the keystream. */
enum { SEALED_PAGE = 256, MARK = 8, MARK_AT = 4 };	/* the TEK follows next payload, type, length */
struct sealed { bool used[SEALED_PAGE]; uint8_t mark[SEALED_PAGE][MARK]; };

struct msk {
	struct mikey_ids ids;
	struct gw_secret key;
	uint8_t rand[MIKEY_RAND_MAX]; size_t rand_len;
	uint16_t lower, upper;
	struct mikey_session session;	/* CSB ID 0, the RAND above: what we send and what everybody sends */
	struct sealed *sealed[65536 / SEALED_PAGE];	/* of a sender: every TEK ID that was used, made page by page */
	/* of a receiver (2.5) */
	bool used;			/* a message was accepted: counter is its */
	uint32_t counter; uint16_t seqs;
};

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
	struct msk *k = rand_len <= MIKEY_RAND_MAX ? calloc(1, sizeof(*k)) : NULL;

	if (k && gw_secret_set(&k->key, key, 16) == 0 && mikey_session_init(&k->session, k->key.p, k->key.len, 0, rand, rand_len) == 0) {
		k->ids = (struct mikey_ids){ .has_domain = true, .has_key = true, .has_tek = true,
			.key_group = ids->key_group, .key_number = ids->key_number };
		memcpy(k->ids.domain, ids->domain, sizeof(k->ids.domain));
		memcpy(k->rand, rand, rand_len);
		k->rand_len = rand_len;
		k->lower = k->seqs = lower;	/* the lower limit itself is not usable: SEQs begins there */
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
	mikey_session_fini(&k->session);
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

void
msk_interval(struct msk *k, uint16_t lower, uint16_t upper)
{
	k->lower = lower;
	k->upper = upper;
	if (k->seqs < lower)
		k->seqs = lower;
}

uint32_t
msk_counter(const struct msk *k, uint16_t *seqs)
{
	*seqs = k->seqs;
	return k->used ? k->counter : 0;
}

void
msk_resume(struct msk *k, uint32_t counter, uint16_t seqs)
{
	k->used = counter > 0;	/* none is accepted with 0 */
	k->counter = counter;
	k->seqs = seqs;
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
		if (plan->spent || check_unused(k, plan->tek_id, cipher, err) == 0)
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

/* Counters (2.5). */
static enum rx_reason
check_order(const struct msk *k, const struct mikey *m, bool *again)
{
	uint32_t counter = (uint32_t)m->ts;

	if (k->lower > k->upper)
		return RX_NOT_VALID;	/* an empty interval makes the key unusable, for what is repeated, too */
	if (m->ids.tek_id > k->upper)
		return RX_ABOVE;
	*again = k->used && counter == k->counter && m->ids.tek_id == k->seqs;
	return *again || (m->ids.tek_id > k->seqs && (k->used ? counter > k->counter : counter > 0)) ? RX_FINE : RX_STALE;
}

static enum rx_reason
open_key(const struct msk_rx *rx, const struct mikey_session *s, const struct mikey *m, struct rx_keys *out)
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

/*
 * An STKM carries no RAND: that of the LTKM which brought the key is meant, and so every subscriber's LTKM has the same one (2.3: a reading).
 * A sender that does send its own, or has a CSB ID, is taken at its word; those keys are made in *own, for this message only. NULL: they
 * cannot be made.
 */
static const struct mikey_session *
mikey_stkm_keys(const struct msk *k, const struct mikey *m, struct mikey_session *own)
{
	const struct mikey_view rand = m->rand.p ? m->rand : (struct mikey_view){ k->rand, k->rand_len };

	if (m->csb_id == 0 && !m->rand.p)
		return &k->session;
	return mikey_session_init(own, k->key.p, k->key.len, m->csb_id, rand.p, rand.len) == 0 ? own : NULL;
}

enum rx_result
msk_receive(struct msk_rx *rx, const void *stkm, size_t len, struct rx_keys *out)
{
	enum rx_reason why;
	struct mikey_session other = { 0 };
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
	const struct mikey_session *s = mikey_stkm_keys(k, &m, &other);
	if (!s)
		return rx_refuse(out, RX_FAILED);
	why = mikey_mac_right(s, stkm, m.mac_at, m.mac.p) ? RX_FINE : RX_BAD_MAC;
	if (why == RX_FINE)
		why = check_order(k, &m, &again);
	if (why == RX_FINE)
		why = open_key(rx, s, &m, out);
	mikey_session_fini(&other);
	if (why != RX_FINE)
		return rx_refuse(out, why);
	k->used = true;
	k->counter = (uint32_t)m.ts;
	k->seqs = m.ids.tek_id;
	return again ? RX_REPEAT : RX_NEW;
}
