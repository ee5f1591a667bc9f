/* kms/mikey_ltkm.c: see mikey_ltkm.h */
#include "kms/mikey_ltkm.h"
#include <openssl/crypto.h>
#include <string.h>
#include "kms/mikey_psk.h"
#include "lib/secret.h"

enum { KEY = 16, RAND = 16, PLAIN_MAX = 128, SUBPAYLOADS = 4 };
enum { SENT_AS = MIKEY_TGK };	/* key data type of a SEK or PEK: a reading; every type is taken (2.6) */

/* --- making ----------------------------------------------------------------------------------------------------------- */

/* The key validity is an interval of TEK IDs, two octets each: a reading (2.6). mikey_interval() takes it apart. */
static size_t
kv_pack(const struct ltkm_plan *plan, uint8_t out[PLAIN_MAX])
{
	const uint8_t from[2] = { (uint8_t)(plan->lower >> 8), (uint8_t)plan->lower };
	const uint8_t to[2] = { (uint8_t)(plan->upper >> 8), (uint8_t)plan->upper };
	const struct mikey_key k = { .type = SENT_AS, .kv = MIKEY_KV_INTERVAL, .key = { plan->key, KEY }, .from = { from, 2 }, .to = { to, 2 } };

	return mikey_put_key(&k, out, PLAIN_MAX);
}

/* The payloads in the order of 2.6, a reading, up to KEMAC, whose n octets and MAC are to be filled in. */
static uint8_t *
mikey_build_ltkm(struct mikey_writer *w, const struct ltkm_peer *peer, const struct ltkm_plan *plan, void *out, size_t cap, size_t n,
    size_t *mac_at)
{
	struct mikey head = { .map_type = MIKEY_MAP_EMPTY };
	struct mikey_ids ids = plan->ids;

	if (plan->sp.p && plan->header)
		head = *plan->header;
	head.data_type = MIKEY_PSK;
	head.v = plan->verify && !plan->pull;
	head.prf = 0;
	head.csb_id = 0;
	ids.has_tek = false;
	mikey_begin_map(w, out, cap, &head);
	mikey_put_ids(w, &ids);
	if (plan->management) {
		struct mikey_management m = *plan->management;
		m.subtype = MIKEY_BCAST_LTKM;
		mikey_put_bcast(w, &m);
	}
	mikey_put_counter(w, plan->counter);
	mikey_put_rand(w, plan->rand, sizeof(plan->rand));
	mikey_put_id(w, peer->naf);
	mikey_put_id(w, peer->btid);
	if (plan->sp.p)
		mikey_put(w, MIKEY_SP, plan->sp.p, plan->sp.len);
	return mikey_put_kemac(w, n, mac_at);
}

size_t
ltkm_make(const struct ltkm_peer *peer, const struct ltkm_plan *plan, void *out, size_t cap, struct gw_err *err)
{
	struct mikey_session s = { 0 };
	struct mikey_writer w;
	enum mikey_fault why;
	uint8_t plain[PLAIN_MAX], iv[16], *p = out;
	size_t mac_at = 0, n = plan->pull ? 0 : kv_pack(plan, plain);
	uint8_t *cipher = mikey_build_ltkm(&w, peer, plan, out, cap < LTKM_MAX ? cap : LTKM_MAX, n, &mac_at);
	size_t len = mikey_end(&w, &why);
	int rc = -1;

	if (len && mikey_session_init(&s, peer->smk, MIKEY_SMK, 0, plan->rand, sizeof(plan->rand)) == 0) {
		mikey_iv(&s, plan->counter, iv);
		rc = n ? crypt_aes(s.ctr, iv, plain, n, cipher) : 0;
		if (rc == 0)
			rc = crypt_mac(s.mac, p, mac_at, p + mac_at);
	}
	mikey_session_fini(&s);
	gw_cleanse(plain, sizeof(plain));
	if (rc == 0)
		return len;
	if (len)
		gw_fail(err, GW_ECRYPTO, "an LTKM cannot be protected: no memory for keys, or OpenSSL refuses");
	else
		gw_fail(err, GW_ECONF, "an LTKM of key %02x%02x%02x/%04x%04x cannot be made in %zu octets (a card takes %d): %s",
		    plan->ids.domain[0], plan->ids.domain[1], plan->ids.domain[2], plan->ids.key_group, plan->ids.key_number, cap, LTKM_MAX,
		    mikey_fault_text(why));
	return 0;
}

/* --- names ------------------------------------------------------------------------------------------------------------ */

/* A name as text: it must fit and have no NUL, or two names would be one. */
static bool
name_of(const struct mikey_view *v, char *out, size_t cap)
{
	if (!v->p || v->len == 0 || v->len >= cap || memchr(v->p, 0, v->len))
		return false;
	memcpy(out, v->p, v->len);
	out[v->len] = '\0';
	return true;
}

static bool
is_name(const struct mikey_view *v, const char *name)
{
	return v->p && strlen(name) == v->len && memcmp(v->p, name, v->len) == 0;
}

/* What an LTKM or a pull has and an STKM has not (2.2, 2.6). */
static bool
is_ltkm(const struct mikey *m)
{
	return m->data_type == MIKEY_PSK && m->has_t && m->has_kemac && m->ids.has_domain && m->ids.has_key && !m->ids.has_tek &&
	    m->rand.p && m->idi.p && m->idr.p;
}

bool
ltkm_names(const struct mikey *m, char *naf, size_t naf_cap, char *btid, size_t btid_cap)
{
	return is_ltkm(m) && name_of(&m->idi, naf, naf_cap) && name_of(&m->idr, btid, btid_cap);
}

/* --- taking ----------------------------------------------------------------------------------------------------------- */

/* Words that a log may be searched for; V26 has a case of each of the middle ones. */
static const char *const words[] = { [LTKM_KEY] = "key", [LTKM_PULL] = "pull", [LTKM_STALE] = "replayed", [LTKM_BAD_MAC] = "bad_mac",
	[LTKM_UNKNOWN_SMK] = "unknown_smk", [LTKM_MALFORMED] = "malformed", [LTKM_UNSUPPORTED] = "unsupported",
	[LTKM_TRUNCATED] = "truncated", [LTKM_FAILED] = "failed" };

const char *
ltkm_result_text(enum ltkm_result r)
{
	return (unsigned)r < sizeof(words) / sizeof(words[0]) ? words[r] : "unknown";
}

static enum ltkm_result
say(enum ltkm_result r, uint8_t number, uint8_t *err_no)
{
	*err_no = number;
	return r;
}

/* Structure and algorithms, before any key is touched (2.6 step 2, 2.8). LTKM_KEY: go on. */
static enum ltkm_result
decode(const void *msg, size_t len, struct mikey *m, uint8_t *err_no)
{
	enum mikey_fault why;

	if (mikey_decode(msg, len, m, &why) < 0)
		return say(why == MIKEY_TRUNCATED ? LTKM_TRUNCATED : LTKM_MALFORMED, mikey_err_of(why), err_no);
	if (m->data_type != MIKEY_PSK)
		return say(LTKM_UNSUPPORTED, 11, err_no);
	if (!is_ltkm(m))
		return say(LTKM_MALFORMED, 12, err_no);
	if (m->ts_type != MIKEY_TS_COUNTER)
		return say(LTKM_UNSUPPORTED, 1, err_no);
	if (m->prf != 0)
		return say(LTKM_UNSUPPORTED, 2, err_no);
	if (m->mac_alg != MIKEY_MAC_SHA1)
		return say(LTKM_UNSUPPORTED, 3, err_no);
	if (m->encr.len && m->encr_alg != MIKEY_ENCR_AES_CM)
		return say(LTKM_UNSUPPORTED, 4, err_no);
	if (m->rand.len != RAND)
		return say(LTKM_UNSUPPORTED, 12, err_no);	/* the key's RAND is 16 octets everywhere (2.2) */
	if (m->sp.p && m->sp.len >= 2 && m->sp.p[1] != 0)
		return say(LTKM_UNSUPPORTED, 9, err_no);	/* not SRTP */
	return LTKM_KEY;
}

/* The key and its interval out of the KEMAC. */
static bool
open_key(const struct mikey_session *s, const struct mikey *m, struct ltkm *out)
{
	uint8_t plain[PLAIN_MAX], iv[16];
	struct mikey_key k[SUBPAYLOADS];
	bool right = false;

	if (m->encr.len > sizeof(plain))
		return false;
	mikey_iv(s, (uint32_t)m->ts, iv);
	if (crypt_aes(s->ctr, iv, m->encr.p, m->encr.len, plain) == 0 && mikey_keys(plain, m->encr.len, k, SUBPAYLOADS, NULL) == 1 &&
	    k[0].key.len == KEY && mikey_interval(&k[0], &out->lower, &out->upper) == 0) {
		memcpy(out->key, k[0].key.p, KEY);
		right = true;
	}
	gw_cleanse(plain, sizeof(plain));
	return right;
}

static enum ltkm_result
accept(const struct mikey_session *s, const struct mikey *m, struct ltkm *out, uint8_t *err_no)
{
	if (m->encr.len == 0) {
		/* A pull names no key of the group; an LTKM without a key is neither (2.9). */
		return m->ids.key_number == 0 ? LTKM_PULL : say(LTKM_MALFORMED, 12, err_no);
	}
	if (m->ids.key_group == 0 || m->ids.key_number == 0)
		return say(LTKM_MALFORMED, 12, err_no);	/* reserved (1.2): no key can have that name */
	if (m->bcast.p && m->bcast.len && m->bcast.p[0] == MIKEY_BCAST_LTKM) {
		if (mikey_management(&m->bcast, &out->management, NULL) < 0)
			return say(LTKM_MALFORMED, 12, err_no);
		out->has_management = true;
	}
	return open_key(s, m, out) ? LTKM_KEY : say(LTKM_MALFORMED, 12, err_no);
}

enum ltkm_result
ltkm_take(const struct ltkm_peer *peer, uint32_t counter, const void *msg, size_t len, struct ltkm *out, uint8_t *err_no)
{
	struct mikey_session s = { 0 };
	struct mikey m;

	memset(out, 0, sizeof(*out));
	*err_no = LTKM_NO_ERR;
	enum ltkm_result r = decode(msg, len, &m, err_no);
	if (r != LTKM_KEY)
		return r;
	if (!is_name(&m.idi, peer->naf) || !is_name(&m.idr, peer->btid))
		return LTKM_UNKNOWN_SMK;
	if (m.ts <= counter)
		return LTKM_STALE;
	if (mikey_session_init(&s, peer->smk, MIKEY_SMK, m.csb_id, m.rand.p, m.rand.len) < 0)
		return LTKM_FAILED;
	r = mikey_mac_right(&s, msg, m.mac_at, m.mac.p) ? accept(&s, &m, out, err_no) : say(LTKM_BAD_MAC, 0, err_no);
	mikey_session_fini(&s);
	if (r != LTKM_KEY && r != LTKM_PULL) {
		gw_cleanse(out, sizeof(*out));
		return r;
	}
	out->ids = m.ids;
	out->counter = (uint32_t)m.ts;
	out->csb_id = m.csb_id;
	out->verify = m.v && r == LTKM_KEY;
	memcpy(out->rand, m.rand.p, RAND);
	return r;
}

/* --- verification ----------------------------------------------------------------------------------------------------- */

/*
 * The V payload's MAC: over the verification without it, then both names and the T value of the LTKM (RFC 3830 5.2). That the T value is
 * the four octets of the COUNTER is a reading.
 */
static int
mikey_vmac(const struct mikey_session *s, const void *msg, size_t mac_at, const struct ltkm_peer *peer, uint32_t counter, uint8_t mac[CRYPT_SHA1])
{
	const uint8_t t[4] = { (uint8_t)(counter >> 24), (uint8_t)(counter >> 16), (uint8_t)(counter >> 8), (uint8_t)counter };
	const struct { const void *p; size_t len; } parts[] = { { msg, mac_at }, { peer->naf, strlen(peer->naf) },
		{ peer->btid, strlen(peer->btid) }, { t, sizeof(t) } };
	uint8_t in[1024];
	size_t n = 0;

	for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); n += parts[k++].len) {
		if (parts[k].len > sizeof(in) - n)
			return -1;
		memcpy(in + n, parts[k].p, parts[k].len);
	}
	return crypt_mac(s->mac, in, n, mac);
}

size_t
ltkm_verification(const struct ltkm_peer *peer, const void *ltkm, size_t len, void *out, size_t cap, struct gw_err *err)
{
	struct mikey_session s = { 0 };
	struct mikey_writer w;
	struct mikey m;
	uint8_t *p = out;
	size_t mac_at = 0, n = 0;

	if (mikey_decode(ltkm, len, &m, NULL) < 0 || !is_ltkm(&m) || m.ts_type != MIKEY_TS_COUNTER) {
		gw_fail(err, GW_EPEER, "what is to be verified is no LTKM");
		return 0;
	}
	mikey_begin(&w, out, cap, MIKEY_PSK_VERIFY, 0, m.csb_id);
	mikey_put_counter(&w, (uint32_t)m.ts);
	mikey_put_id(&w, peer->btid);
	mikey_put_v(&w, &mac_at);
	n = mikey_end(&w, NULL);
	if (n && (mikey_session_init(&s, peer->smk, MIKEY_SMK, m.csb_id, m.rand.p, m.rand.len) < 0 ||
	    mikey_vmac(&s, out, mac_at, peer, (uint32_t)m.ts, p + mac_at) < 0))
		n = 0;
	mikey_session_fini(&s);
	if (!n)
		gw_fail(err, GW_ECRYPTO, "a verification message cannot be made: no room, no memory for keys, or OpenSSL refuses");
	return n;
}

static bool
is_verification(const struct mikey *m)
{
	return m->data_type == MIKEY_PSK_VERIFY && m->has_t && m->ts_type == MIKEY_TS_COUNTER && m->has_v && m->mac_alg == MIKEY_MAC_SHA1 &&
	    m->idr.p && !m->idi.p;
}

bool
ltkm_verification_names(const struct mikey *m, uint32_t *counter, char *btid, size_t cap)
{
	if (!is_verification(m) || !name_of(&m->idr, btid, cap))
		return false;
	*counter = (uint32_t)m->ts;
	return true;
}

bool
ltkm_verified(const struct ltkm_peer *peer, const void *ltkm, size_t ltkm_len, const void *msg, size_t len)
{
	struct mikey_session s = { 0 };
	uint8_t mac[CRYPT_SHA1];
	struct mikey l, v;
	bool right;

	if (mikey_decode(msg, len, &v, NULL) < 0 || !is_verification(&v) || !is_name(&v.idr, peer->btid) ||
	    mikey_decode(ltkm, ltkm_len, &l, NULL) < 0 || !is_ltkm(&l) || l.ts != v.ts || l.csb_id != v.csb_id)
		return false;
	right = mikey_session_init(&s, peer->smk, MIKEY_SMK, l.csb_id, l.rand.p, l.rand.len) == 0 &&
	    mikey_vmac(&s, msg, v.mac_at, peer, (uint32_t)l.ts, mac) == 0 && CRYPTO_memcmp(mac, v.mac.p, sizeof(mac)) == 0;
	mikey_session_fini(&s);
	return right;
}

size_t
ltkm_error(const void *ltkm, size_t len, uint8_t err_no, void *out, size_t cap)
{
	struct mikey_writer w;
	struct mikey m;
	enum mikey_fault why;

	/* Even of a message that ends too soon the T is copied, if it stands before the end; one without cannot be answered. */
	mikey_decode(ltkm, len, &m, &why);
	if (m.data_type != MIKEY_PSK || !m.has_t || m.ts_type != MIKEY_TS_COUNTER)
		return 0;
	mikey_begin(&w, out, cap, MIKEY_ERROR, 0, m.csb_id);
	mikey_put_counter(&w, (uint32_t)m.ts);
	mikey_put_err(&w, err_no);
	return mikey_end(&w, NULL);
}
