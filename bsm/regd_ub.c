/*
 * bsm/regd_ub.c: Ub: the built-in BSF (bcast-smartcard-profile 3.1; TS 24.109, RFC 3310)
 *
 * No challenge is remembered. What an answer quotes, RAND and AUTN, is ours if AUTN is what MILENAGE makes of RAND, its SQN and the
 * subscriber's key; RAND holds the time that it was drawn at, hidden; and the B-TID that it gives is there once it has been answered. So
 * strangers who ask for challenges fill nothing and push nobody out, and an answer is good after a restart, too.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include "bsm/regd_int.h"

enum { RAND = 16, AUTN = 16, NONCE = RAND + AUTN, NONCE_TEXT = 45, AUTS = 14, RAND_TIME = 12, SQN = 6, RES = 8 };

static const char decoy_sqn_note[] = "regd.decoy.sqn";
static const char refused_text[] = "not authenticated\n";

bool
regd_is_ub(const struct regd *r, const struct door_request *q)
{
	return strcmp(q->method, "GET") == 0 && strcmp(q->path, r->conf.bsf_path) == 0;
}

/* Exactly len octets of base64. */
static bool
unbase64(const char *text, uint8_t *out, size_t len)
{
	size_t chars = strlen(text), pad = (3 - len % 3) % 3;
	uint8_t all[48];

	if (chars != (len + 2) / 3 * 4 || chars > 64 || strcspn(text, "=") != chars - pad ||
	    EVP_DecodeBlock(all, (const unsigned char *)text, (int)chars) != (int)(len + pad))
		return false;
	memcpy(out, all, len);
	return true;
}

/* ---- RAND: 12 random octets, then the second that it was drawn in, under what HMAC makes of them: unpredictable as a whole ---- */

static bool
rand_mask(const struct regd *r, const uint8_t rand[RAND], uint8_t mask[4])
{
	uint8_t mac[CRYPT_SHA1];

	if (crypt_mac(r->rand_mac, rand, RAND_TIME, mac) < 0)
		return false;
	memcpy(mask, mac, 4);
	return true;
}

static bool
rand_draw(const struct regd *r, int64_t now_us, uint8_t rand[RAND])
{
	uint32_t second = (uint32_t)(now_us / 1000000);
	uint8_t mask[4];

	gw_random(rand, RAND_TIME);
	if (!rand_mask(r, rand, mask))
		return false;
	for (unsigned i = 0; i < 4; i++)
		rand[RAND_TIME + i] = mask[i] ^ (uint8_t)(second >> (24 - 8 * i));
	return true;
}

/* Not one of ours has some age, too. */
static bool
rand_fresh(const struct regd *r, int64_t now_us, const uint8_t rand[RAND])
{
	uint32_t second = 0, now = (uint32_t)(now_us / 1000000);
	uint8_t mask[4];

	if (!rand_mask(r, rand, mask))
		return false;
	for (unsigned i = 0; i < 4; i++)
		second = second << 8 | (rand[RAND_TIME + i] ^ mask[i]);
	return (int64_t)(uint32_t)(now - second) * 1000000 <= r->conf.challenge_us;
}

/* ---- SQN: 48 bits ---- */

static uint64_t
sqn_of(const uint8_t sqn[SQN])
{
	uint64_t n = 0;

	for (unsigned i = 0; i < SQN; i++)
		n = n << 8 | sqn[i];
	return n;
}

static void
sqn_put(uint64_t n, uint8_t sqn[SQN])
{
	for (unsigned i = 0; i < SQN; i++)
		sqn[i] = (uint8_t)(n >> (8 * (SQN - 1 - i)));
}

/* ---- the subscriber, or a decoy: who is not known gets challenges that look like others', and cost as much ---- */

static bool
decoy(struct regd *r, const char *impi, struct kms_subscriber *s)
{
	uint8_t mac[2 * CRYPT_SHA1];

	memset(s, 0, sizeof(*s));	/* SQN is hidden by AK: any will do */
	if (crypt_mac(r->decoy_mac, impi, strlen(impi), mac) < 0 || crypt_mac(r->decoy_mac, mac, CRYPT_SHA1, mac + CRYPT_SHA1) < 0)
		return false;
	snprintf(s->impi, sizeof(s->impi), "%s", impi);
	memcpy(s->k, mac, sizeof(s->k));
	memcpy(s->opc, mac + CRYPT_SHA1, sizeof(s->opc));
	memcpy(s->amf, r->decoy_amf, sizeof(s->amf));
	gw_cleanse(mac, sizeof(mac));
	return true;
}

/* Into s->now.sub; *known false: a decoy. */
static enum gw_outcome
subscriber(struct regd *r, const char *impi, bool *known)
{
	struct kms_subscriber *s = &r->s->now.sub;
	enum gw_outcome o = kms_subscriber_find(r->store, impi, s);

	if (o == GW_UNAVAILABLE)
		return o;
	/* It is found by its name or number, too, and those without K have keys from elsewhere: neither is for this door. */
	*known = o == GW_WON && impi[0] != '\0' && s->provision == KMS_MILENAGE && strcmp(s->impi, impi) == 0;
	if (!*known)
		return decoy(r, impi, s) ? regd_look_up(r, regd_decoy_card) : GW_UNAVAILABLE;
	memcpy(r->decoy_amf, s->amf, sizeof(s->amf));
	o = regd_look_up(r, regd_nobody);	/* one for the decoy's card, one for the MSISDN that is tried last */
	return o == GW_WON ? regd_look_up(r, regd_nobody) : o;
}

static enum gw_outcome
keep_sqn(struct regd *r, bool known)
{
	const struct kms_subscriber *s = &r->s->now.sub;

	return known ? kms_subscriber_sqn(r->store, s->id, s->sqn) : kms_note_put(r->store, decoy_sqn_note, s->sqn, sizeof(s->sqn), false);
}

static bool
starred(const struct regd *r, const struct door_request *q)
{
	return r->conf.mac_star && !r->s->now.sub.gba_me && q->user_agent != NULL && strstr(q->user_agent, "3gpp-gba-uicc") != NULL;
}

/* ---- the two steps ---- */

/* A vector whose SQN is in the store before the vector leaves. */
static enum gw_outcome
challenge(struct regd *r, const struct door_request *q, bool known, bool stale, struct door_answer *a)
{
	struct digest_challenge c = { .auth = r->conf.auth_ok, .auth_int = true, .algorithm = DIGEST_AKA, .stale = stale };
	struct kms_subscriber *s = &r->s->now.sub;
	struct gba_vector *v = &r->s->now.vector;
	uint8_t rand[RAND], nonce[NONCE];
	char text[DIGEST_HEADER];
	enum gw_outcome o;

	sqn_put(sqn_of(s->sqn) + 1, s->sqn);
	if ((o = keep_sqn(r, known)) != GW_WON)
		return GW_UNAVAILABLE;
	if (!rand_draw(r, q->now_us, rand) || gba_vector(s->k, s->opc, s->sqn, s->amf, rand, starred(r, q), v) < 0)
		return door_answer_text(a, 500, "text/plain", "no vector\n"), GW_WON;
	memcpy(nonce, v->rand, RAND);
	memcpy(nonce + RAND, v->autn, AUTN);
	EVP_EncodeBlock((unsigned char *)c.nonce, nonce, NONCE);
	snprintf(c.realm, sizeof(c.realm), "%s", r->conf.bsf);
	if (digest_challenge_print(&c, text, sizeof(text)) == 0)
		return door_answer_text(a, 500, "text/plain", "no challenge\n"), GW_WON;
	r->counts[REGD_CHALLENGES]++;
	door_answer_text(a, 401, "text/plain", refused_text);
	door_answer_header(a, "www-authenticate: %s", text);
	return o;
}

/* Makes the vector of a challenge again, from what was quoted of it. */
static bool
vector_again(struct regd *r, const struct door_request *q, const uint8_t nonce[NONCE])
{
	const struct kms_subscriber *s = &r->s->now.sub;
	struct gba_vector *v = &r->s->now.vector;
	uint8_t sqn[SQN];

	if (milenage(s->k, s->opc, nonce, s->sqn, s->amf, &r->s->now.milenage) < 0)	/* AK is of RAND alone */
		return false;
	for (unsigned i = 0; i < SQN; i++)
		sqn[i] = nonce[RAND + i] ^ r->s->now.milenage.ak[i];
	return gba_vector(s->k, s->opc, sqn, s->amf, nonce, starred(r, q), v) == 0 && CRYPTO_memcmp(v->autn, nonce + RAND, AUTN) == 0;
}

/*
 * The card's SQN comes from ahead of ours (or ours is so far ahead that the card takes it for no successor, TS 33.102 C.2.1): it is gone on
 * from. An AUTS of a challenge that has expired is an old one.
 */
static void
resynchronise(struct regd *r, const struct door_request *q, bool known)
{
	static const uint64_t far_ahead = UINT64_C(1) << 33;
	struct kms_subscriber *s = &r->s->now.sub;
	uint8_t nonce[NONCE], auts[AUTS], sqn[SQN];
	bool well_formed = unbase64(r->c.nonce, nonce, NONCE) && unbase64(r->c.auts, auts, AUTS);
	uint64_t ours = sqn_of(s->sqn), cards;

	if (!well_formed) {
		regd_note(r, REGD_BAD_CREDENTIALS, q, r->c.username, "malformed AUTS or nonce");
		return;
	}
	if (gba_resync(s->k, s->opc, nonce, auts, sqn) < 0 || !known || !rand_fresh(r, q->now_us, nonce)) {
		regd_note(r, REGD_WRONG, q, r->c.username, "AUTS of another card, or of an old challenge");
		return;
	}
	cards = sqn_of(sqn);
	r->counts[REGD_RESYNCS]++;
	if (cards >= ours || ours - cards > far_ahead)
		memcpy(s->sqn, sqn, sizeof(s->sqn));
}

static enum gw_outcome
bootstrapped(struct regd *r, const struct door_request *q, struct door_answer *a)
{
	const struct kms_subscriber *s = &r->s->now.sub;
	const struct gba_vector *v = &r->s->now.vector;
	struct kms_gba *g = &r->s->now.gba;
	char info[DIGEST_HEADER];
	enum gw_outcome o;

	memset(g, 0, sizeof(*g));
	g->sub = s->id;
	memcpy(g->rand, v->rand, sizeof(g->rand));
	memcpy(g->ks, v->ks, sizeof(g->ks));
	g->since_us = q->now_us;
	g->expires_us = q->now_us + r->conf.bootstrapping_us;
	g->live = true;
	if (gba_btid(v->rand, r->conf.bsf, g->btid, sizeof(g->btid)) == 0 ||
	    gba_naf_keys(v->ks, v->rand, s->impi, r->conf.naf, s->gba_me, g->smk, g->srk) < 0)
		return door_answer_text(a, 500, "text/plain", "no keys\n"), GW_WON;
	if ((o = kms_gba_put(r->store, g)) != GW_WON)
		return o;
	r->counts[REGD_BOOTSTRAPPED]++;
	door_answer_take(a, 200, mbms_bootstrapping_type, mbms_bootstrapping_print(g->btid, g->expires_us));
	if (digest_info_print(&r->c, v->res, RES, a->body, a->len, NULL, info, sizeof(info)) == 0 ||
	    !door_answer_header(a, "authentication-info: %s", info))
		door_answer_text(a, 500, "text/plain", "no Authentication-Info\n");
	return GW_WON;
}

/* Was this very challenge answered before? A second time would begin its LTKM counter anew under the same keys. */
static enum gw_outcome
answered_before(struct regd *r, bool *yes)
{
	struct regd_passing *p = &r->s->now;
	char btid[KMS_BTID];
	enum gw_outcome o;

	if (gba_btid(p->vector.rand, r->conf.bsf, btid, sizeof(btid)) == 0)
		return GW_UNAVAILABLE;
	o = kms_gba_get(r->store, btid, &p->gba);
	*yes = o == GW_WON;
	return o == GW_EXISTS ? GW_WON : o;
}

static enum gw_outcome
answer(struct regd *r, const struct door_request *q, bool known, struct door_answer *a)
{
	const enum digest_qop least = r->conf.auth_ok ? DIGEST_AUTH : DIGEST_AUTH_INT;
	uint8_t nonce[NONCE];
	bool right, fresh, before = false;
	enum gw_outcome o;

	if (!unbase64(r->c.nonce, nonce, NONCE)) {
		regd_note(r, REGD_BAD_CREDENTIALS, q, r->c.username, "a nonce that is no challenge");
		return challenge(r, q, known, false, a);
	}
	right = vector_again(r, q, nonce);
	/* In any case: what is wrong is not to be told from the time. */
	right &= digest_right(&r->c, least, r->s->now.vector.res, RES, q->method, q->body, q->body_len);
	if (!right || !known || strcmp(r->c.realm, r->conf.bsf) != 0) {
		regd_note(r, REGD_WRONG, q, r->c.username, known ? "wrong response" : "unknown IMPI");
		return challenge(r, q, known, false, a);
	}
	fresh = rand_fresh(r, q->now_us, nonce);
	if (fresh && (o = answered_before(r, &before)) != GW_WON)
		return o;
	if (fresh && !before)
		return bootstrapped(r, q, a);
	regd_note(r, before ? REGD_REPLAYED : REGD_STALE, q, r->c.username, before ? "challenge was answered before" : "expired challenge");
	return challenge(r, q, known, !before, a);
}

enum gw_outcome
regd_ub(struct regd *r, const struct door_request *q, struct door_answer *a)
{
	enum gw_outcome o;
	bool known;

	if (q->authorization == NULL || digest_credentials_parse(q->authorization, &r->c) < 0) {
		regd_note(r, REGD_BAD_CREDENTIALS, q, "-", "bootstrapping without an IMPI");
		door_answer_text(a, 400, "text/plain", "bootstrapping begins with an Authorization header that names the IMPI\n");
		return GW_WON;
	}
	if ((o = subscriber(r, r->c.username, &known)) != GW_WON)
		return o;
	if (r->c.auts[0] != '\0')
		resynchronise(r, q, known);
	else if (r->c.response[0] != '\0')
		return answer(r, q, known, a);
	return challenge(r, q, known, false, a);
}
