/* kms/store_sub.c: subscribers, their GBA contexts and registrations */
#include <netinet/in.h>
#include <string.h>
#include "kms/store_int.h"
#include "lib/secret.h"

/* ---- subscribers ---- */

static const size_t card_len = 16 + 16 + 2;	/* k, opc, amf */

static int64_t
sqn_int(const uint8_t sqn[6])
{
	int64_t v = 0;

	for (int i = 0; i < 6; i++)
		v = v << 8 | sqn[i];
	return v;
}

static int
read_sub(struct kms_store *s, enum kms_query q, bool keys, struct kms_subscriber *r)
{
	uint8_t card[16 + 16 + 2];
	int64_t sqn = gw_db_int(s->db, q, 6);

	*r = (struct kms_subscriber){ .id = gw_db_int(s->db, q, 0), .provision = (enum kms_provision)gw_db_int(s->db, q, 4),
		.gba_me = gw_db_int(s->db, q, 5) != 0 };
	gw_db_text(s->db, q, 1, r->name, sizeof(r->name));
	gw_db_text(s->db, q, 2, r->impi, sizeof(r->impi));
	gw_db_text(s->db, q, 3, r->msisdn, sizeof(r->msisdn));
	for (int i = 5; i >= 0; i--, sqn >>= 8)
		r->sqn[i] = (uint8_t)sqn;
	if (!keys || r->provision != KMS_MILENAGE)
		return 0;
	if (kms_store_unseal(s, q, 7, card, card_len) < 0)
		return -1;
	memcpy(r->k, card, 16);
	memcpy(r->opc, card + 16, 16);
	memcpy(r->amf, card + 32, 2);
	gw_cleanse(card, sizeof(card));
	return 0;
}

/* The card's keys; 0: none are known. */
static int
seal_card(struct kms_store *s, const struct kms_subscriber *r, uint8_t sealed[KMS_SECRET + GW_WRAP_OVERHEAD])
{
	uint8_t card[16 + 16 + 2];
	int n;

	if (r->provision != KMS_MILENAGE)
		return 0;
	memcpy(card, r->k, 16);
	memcpy(card + 16, r->opc, 16);
	memcpy(card + 32, r->amf, 2);
	n = kms_store_seal(s, card, card_len, sealed);
	gw_cleanse(card, sizeof(card));
	return n;
}

enum gw_outcome
kms_subscriber_change(struct kms_store *s, const struct kms_subscriber *r)
{
	uint8_t sealed[KMS_SECRET + GW_WRAP_OVERHEAD];
	int n;

	if (!gw_db_enter(s->db))
		return GW_UNAVAILABLE;
	n = seal_card(s, r, sealed);
	return gw_db_leave(s->db, n < 0 ? GW_UNAVAILABLE : gw_db_outcome(s->db, SUB_CHANGE, gw_db_step(s->db, SUB_CHANGE, "issib", r->id, r->impi,
	    r->msisdn, (int64_t)r->gba_me, n ? sealed : NULL, (size_t)n), GW_EXISTS));
}

enum gw_outcome
kms_subscriber_put(struct kms_store *s, const struct kms_subscriber *r, int64_t *id)
{
	uint8_t sealed[KMS_SECRET + GW_WRAP_OVERHEAD];
	enum gw_outcome o = GW_UNAVAILABLE;
	int n;

	if (!gw_db_enter(s->db))
		return GW_UNAVAILABLE;
	n = seal_card(s, r, sealed);
	if (n >= 0)
		o = gw_db_outcome(s->db, SUB_PUT, gw_db_step(s->db, SUB_PUT, "tssiiib", r->name, r->impi, r->msisdn, (int64_t)r->provision,
		    (int64_t)r->gba_me, sqn_int(r->sqn), n ? sealed : NULL, (size_t)n), GW_UNAVAILABLE);
	if (o == GW_WON && id)
		*id = gw_db_id(s->db);
	return gw_db_leave(s->db, o);
}

static enum gw_outcome
one_sub(struct kms_store *s, enum kms_query q, int stepped, struct kms_subscriber *r)
{
	int n = stepped == 1 ? read_sub(s, q, true, r) : stepped < 0 ? -1 : 0;

	gw_db_done(s->db, q);
	return n < 0 ? GW_UNAVAILABLE : stepped == 1 ? GW_WON : GW_EXISTS;
}

enum gw_outcome
kms_subscriber_get(struct kms_store *s, int64_t id, struct kms_subscriber *r)
{
	return one_sub(s, SUB_GET, gw_db_step(s->db, SUB_GET, "i", id), r);
}

enum gw_outcome
kms_subscriber_find(struct kms_store *s, const char *who, struct kms_subscriber *r)
{
	static const enum kms_query by[] = { SUB_BY_NAME, SUB_BY_IMPI, SUB_BY_MSISDN };
	enum gw_outcome o = GW_EXISTS;

	for (size_t i = 0; i < sizeof(by) / sizeof(by[0]) && o == GW_EXISTS; i++) {
		const char *key = by[i] == SUB_BY_MSISDN && *who == '+' ? who + 1 : who;

		o = one_sub(s, by[i], gw_db_step(s->db, by[i], "s", key), r);
	}
	return o;
}

enum gw_outcome
kms_subscriber_sqn(struct kms_store *s, int64_t id, const uint8_t sqn[6])
{
	return gw_db_write(s->db, SUB_SQN, GW_EXISTS, "ii", id, sqn_int(sqn));
}

enum gw_outcome
kms_subscriber_end(struct kms_store *s, int64_t id)
{
	return gw_db_write(s->db, SUB_END, GW_EXISTS, "i", id);
}

enum gw_outcome
kms_subscribers(struct kms_store *s, int64_t after, size_t max, kms_subscriber_each *each, void *self)
{
	int n = gw_db_step(s->db, SUBS, "ii", after, (int64_t)max);

	while (n == 1) {
		struct kms_subscriber r;

		read_sub(s, SUBS, false, &r);
		if (each(self, &r) != 0)
			break;
		n = gw_db_step(s->db, SUBS, NULL);
	}
	return kms_store_listed(s, SUBS, n);
}

/* ---- GBA contexts ---- */

enum { GBA_KEYS = 96 };	/* ks, smk, srk */

static int
read_gba(struct kms_store *s, enum kms_query q, struct kms_gba *r)
{
	uint8_t keys[GBA_KEYS];

	*r = (struct kms_gba){ .sub = gw_db_int(s->db, q, 1), .since_us = gw_db_int(s->db, q, 4), .expires_us = gw_db_int(s->db, q, 5),
		.ltkm_counter = (uint32_t)gw_db_int(s->db, q, 6), .live = gw_db_int(s->db, q, 7) != 0 };
	gw_db_text(s->db, q, 0, r->btid, sizeof(r->btid));
	if (gw_db_octets(s->db, q, 2, r->rand, sizeof(r->rand)) < 0 || kms_store_unseal(s, q, 3, keys, sizeof(keys)) < 0)
		return -1;
	memcpy(r->ks, keys, 32);
	memcpy(r->smk, keys + 32, 32);
	memcpy(r->srk, keys + 64, 32);
	gw_cleanse(keys, sizeof(keys));
	return 0;
}

static int
seal_gba(struct kms_store *s, const struct kms_gba *r, uint8_t sealed[KMS_SECRET + GW_WRAP_OVERHEAD])
{
	uint8_t keys[GBA_KEYS];
	int n;

	memcpy(keys, r->ks, 32);
	memcpy(keys + 32, r->smk, 32);
	memcpy(keys + 64, r->srk, 32);
	n = kms_store_seal(s, keys, sizeof(keys), sealed);
	gw_cleanse(keys, sizeof(keys));
	return n;
}

static enum gw_outcome
renew_gba(struct kms_store *s, const struct kms_gba *r)
{
	uint8_t sealed[KMS_SECRET + GW_WRAP_OVERHEAD];
	int n = seal_gba(s, r, sealed);

	if (n < 0 || gw_db_step(s->db, GBA_OVER, "ii", r->sub, r->since_us > 0 ? r->since_us : 1) < 0)
		return GW_UNAVAILABLE;
	return gw_db_outcome(s->db, GBA_RENEW, gw_db_step(s->db, GBA_RENEW, "tibbii", r->btid, r->sub, r->rand, sizeof(r->rand), sealed, (size_t)n,
	    r->since_us, r->expires_us), GW_EXISTS);
}

enum gw_outcome
kms_gba_renew(struct kms_store *s, const struct kms_gba *r)
{
	struct kms_gba was;
	enum gw_outcome o;

	if (!gw_db_enter(s->db))
		return GW_UNAVAILABLE;
	o = kms_gba_get(s, r->btid, &was);	/* before another one's is touched */
	if (o == GW_WON)
		o = was.sub == r->sub ? renew_gba(s, r) : GW_EXISTS;
	gw_cleanse(&was, sizeof(was));
	return gw_db_leave(s->db, o);
}

static enum gw_outcome
put_gba(struct kms_store *s, const struct kms_gba *r)
{
	uint8_t sealed[KMS_SECRET + GW_WRAP_OVERHEAD];
	int n = gw_db_step(s->db, GBA_TAKEN, "t", r->btid);

	gw_db_done(s->db, GBA_TAKEN);
	if (n != 0)
		return n < 0 ? GW_UNAVAILABLE : GW_EXISTS;
	n = seal_gba(s, r, sealed);
	if (n < 0 || gw_db_step(s->db, GBA_OVER, "ii", r->sub, r->since_us > 0 ? r->since_us : 1) < 0)
		return GW_UNAVAILABLE;
	return gw_db_outcome(s->db, GBA_PUT, gw_db_step(s->db, GBA_PUT, "tibbiii", r->btid, r->sub, r->rand, sizeof(r->rand), sealed, (size_t)n,
	    r->since_us, r->expires_us, (int64_t)r->ltkm_counter), GW_UNAVAILABLE);
}

enum gw_outcome
kms_gba_put(struct kms_store *s, const struct kms_gba *r)
{
	return gw_db_enter(s->db) ? gw_db_leave(s->db, put_gba(s, r)) : GW_UNAVAILABLE;
}

static enum gw_outcome
one_gba(struct kms_store *s, enum kms_query q, int stepped, struct kms_gba *r)
{
	int n = stepped == 1 ? read_gba(s, q, r) : stepped < 0 ? -1 : 0;

	gw_db_done(s->db, q);
	return n < 0 ? GW_UNAVAILABLE : stepped == 1 ? GW_WON : GW_EXISTS;
}

enum gw_outcome
kms_gba_get(struct kms_store *s, const char *btid, struct kms_gba *r)
{
	return one_gba(s, GBA_GET, gw_db_step(s->db, GBA_GET, "t", btid), r);
}

enum gw_outcome
kms_gba_live(struct kms_store *s, int64_t sub, struct kms_gba *r)
{
	return one_gba(s, GBA_LIVE, gw_db_step(s->db, GBA_LIVE, "i", sub), r);
}

enum gw_outcome
kms_gba_spend(struct kms_store *s, const char *btid, uint32_t *counter)
{
	int64_t spent = 0;
	enum gw_outcome o;

	if (!gw_db_enter(s->db))
		return GW_UNAVAILABLE;
	o = kms_store_number(s, GBA_SPEND, gw_db_step(s->db, GBA_SPEND, "t", btid), 0, &spent);
	if (o == GW_WON)
		*counter = (uint32_t)spent;
	return gw_db_leave(s->db, o);
}

enum gw_outcome
kms_gba_skip(struct kms_store *s, uint32_t n)
{
	enum gw_outcome o;

	if (!gw_db_enter(s->db))
		return GW_UNAVAILABLE;
	o = gw_db_outcome(s->db, GBA_SKIP, gw_db_step(s->db, GBA_SKIP, "i", (int64_t)n), GW_WON);
	if (o == GW_WON)	/* of those that are gone, too: they may come back */
		o = gw_db_outcome(s->db, SPENT_SKIP, gw_db_step(s->db, SPENT_SKIP, "i", (int64_t)n), GW_WON);
	return gw_db_leave(s->db, o);
}

/* ---- registrations ---- */

/* 4 octets; 16; or 16 and the number of the interface. */
static size_t
pack_address(const struct sockaddr_storage *at, uint8_t out[20])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)at;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)at;

	if (at->ss_family == AF_INET) {
		memcpy(out, &v4->sin_addr, 4);
		return 4;
	}
	if (at->ss_family != AF_INET6)
		return 0;
	memcpy(out, &v6->sin6_addr, 16);
	memcpy(out + 16, &v6->sin6_scope_id, 4);
	return v6->sin6_scope_id ? 20 : 16;
}

static void
unpack_address(const uint8_t *p, size_t len, struct sockaddr_storage *at)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)at;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)at;

	memset(at, 0, sizeof(*at));
	if (len == 4) {
		v4->sin_family = AF_INET;
		memcpy(&v4->sin_addr, p, 4);
	} else if (len == 16 || len == 20) {
		v6->sin6_family = AF_INET6;
		memcpy(&v6->sin6_addr, p, 16);
		if (len == 20)
			memcpy(&v6->sin6_scope_id, p + 16, 4);
	}
}

static void
read_registration(struct kms_store *s, enum kms_query q, struct kms_registration *r)
{
	size_t len;
	const void *at = gw_db_blob(s->db, q, 2, &len);

	*r = (struct kms_registration){ .sub = gw_db_int(s->db, q, 0), .since_us = gw_db_int(s->db, q, 3), .expires_us = gw_db_int(s->db, q, 4),
		.reachable = gw_db_int(s->db, q, 5) != 0 };
	gw_db_text(s->db, q, 1, r->btid, sizeof(r->btid));
	unpack_address(at, len, &r->at);
	gw_db_text(s->db, q, 6, r->services, sizeof(r->services));
}

enum gw_outcome
kms_registration_put(struct kms_store *s, const struct kms_registration *r)
{
	uint8_t at[20];
	size_t len = pack_address(&r->at, at);

	return gw_db_write(s->db, REG_PUT, GW_UNAVAILABLE, "itbiiit", r->sub, r->btid, at, len, r->since_us, r->expires_us, (int64_t)r->reachable,
	    r->services);
}

enum gw_outcome
kms_registration_get(struct kms_store *s, int64_t sub, struct kms_registration *r)
{
	int n = gw_db_step(s->db, REG_GET, "i", sub);

	if (n == 1)
		read_registration(s, REG_GET, r);
	gw_db_done(s->db, REG_GET);
	return n < 0 ? GW_UNAVAILABLE : n ? GW_WON : GW_EXISTS;
}

enum gw_outcome
kms_registration_unreachable(struct kms_store *s, int64_t sub)
{
	return gw_db_write(s->db, REG_UNREACHABLE, GW_EXISTS, "i", sub);
}

enum gw_outcome
kms_registration_end(struct kms_store *s, int64_t sub)
{
	return gw_db_write(s->db, REG_END, GW_EXISTS, "i", sub);
}

enum gw_outcome
kms_registrations(struct kms_store *s, int64_t at_us, int64_t after_sub, size_t max, kms_registration_each *each, void *self)
{
	int n = gw_db_step(s->db, REGS, "iii", after_sub, at_us, (int64_t)max);

	while (n == 1) {
		struct kms_registration r;

		read_registration(s, REGS, &r);
		if (each(self, &r) != 0)
			break;
		n = gw_db_step(s->db, REGS, NULL);
	}
	return kms_store_listed(s, REGS, n);
}

enum gw_outcome
kms_registration_counts(struct kms_store *s, int64_t at_us, uint64_t *reachable, uint64_t *unreachable)
{
	int n = gw_db_step(s->db, REG_COUNTS, "i", at_us);

	*reachable = *unreachable = 0;
	for (; n == 1; n = gw_db_step(s->db, REG_COUNTS, NULL))
		*(gw_db_int(s->db, REG_COUNTS, 0) ? reachable : unreachable) = (uint64_t)gw_db_int(s->db, REG_COUNTS, 1);
	return kms_store_listed(s, REG_COUNTS, n);
}
