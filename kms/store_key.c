/* kms/store_key.c: SEKs and PEKs, spent TEK IDs, rolls */
#include <string.h>
#include "kms/store_int.h"
#include "lib/secret.h"

enum { TEKS_KEPT = 256 };

/* ---- keys ---- */

static int
read_key(struct kms_store *s, enum kms_query q, struct kms_key *r)
{
	*r = (struct kms_key){ .id = gw_db_int(s->db, q, 0), .service = gw_db_int(s->db, q, 1), .kind = (enum kms_kind)gw_db_int(s->db, q, 2),
		.group = (uint16_t)gw_db_int(s->db, q, 4), .number = (uint16_t)gw_db_int(s->db, q, 5),
		.lower = (uint16_t)gw_db_int(s->db, q, 8), .upper = (uint16_t)gw_db_int(s->db, q, 9), .first_cp = (int32_t)gw_db_int(s->db, q, 10),
		.valid_from_us = gw_db_int(s->db, q, 11), .valid_until_us = gw_db_int(s->db, q, 12),
		.state = (enum kms_key_state)gw_db_int(s->db, q, 14) };
	gw_db_text(s->db, q, 13, r->programme, sizeof(r->programme));
	if (gw_db_octets(s->db, q, 3, r->domain, sizeof(r->domain)) < 0 || gw_db_octets(s->db, q, 7, r->rand, sizeof(r->rand)) < 0)
		return -1;
	return kms_store_unseal(s, q, 6, r->key, sizeof(r->key));
}

static enum gw_outcome
one_key(struct kms_store *s, enum kms_query q, int stepped, struct kms_key *r)
{
	int n = stepped == 1 ? read_key(s, q, r) : stepped < 0 ? -1 : 0;

	gw_db_done(s->db, q);
	return n < 0 ? GW_UNAVAILABLE : stepped == 1 ? GW_WON : GW_EXISTS;
}

/* The group of its service and kind: PEKs draw theirs with the first of them. */
static enum gw_outcome
group_of(struct kms_store *s, struct kms_key *r)
{
	enum gw_outcome o = r->kind == KMS_PEK ? kms_store_pek_group(s, r->service) : GW_WON;
	struct kms_service service;

	if (o == GW_WON)
		o = kms_service_get(s, r->service, &service);
	if (o == GW_WON) {
		r->group = service.group[r->kind];
		memcpy(r->domain, service.domain, sizeof(r->domain));
	}
	return o;
}

/* A SEK of that group that nobody has used yet: GW_EXISTS, filled in. */
static enum gw_outcome
unused(struct kms_store *s, struct kms_key *r)
{
	int n = gw_db_step(s->db, KEY_NEW, "bi", r->domain, sizeof(r->domain), (int64_t)r->group);

	if (n == 1) {
		r->id = gw_db_int(s->db, KEY_NEW, 0);
		r->number = (uint16_t)gw_db_int(s->db, KEY_NEW, 1);
	}
	gw_db_done(s->db, KEY_NEW);
	return n < 0 ? GW_UNAVAILABLE : n ? GW_EXISTS : GW_WON;
}

static enum gw_outcome
put_key(struct kms_store *s, struct kms_key *r)
{
	uint8_t sealed[KMS_SECRET + GW_WRAP_OVERHEAD];
	int64_t last = 0;
	enum gw_outcome o = group_of(s, r);
	int n;

	if (o == GW_WON && r->kind == KMS_SEK)
		o = unused(s, r);
	if (o == GW_WON && kms_store_number(s, KEY_LAST, gw_db_step(s->db, KEY_LAST, "bi", r->domain, sizeof(r->domain), (int64_t)r->group), 0,
	    &last) == GW_UNAVAILABLE)
		o = GW_UNAVAILABLE;
	if (o != GW_WON)
		return o;
	r->number = last >= UINT16_MAX ? 1 : (uint16_t)(last + 1);
	n = kms_store_seal(s, r->key, sizeof(r->key), sealed);
	if (n < 0)
		return GW_UNAVAILABLE;
	o = gw_db_outcome(s->db, KEY_PUT, gw_db_step(s->db, KEY_PUT, "iibiibbiiiiiti", r->service, (int64_t)r->kind, r->domain,
	    sizeof(r->domain), (int64_t)r->group, (int64_t)r->number, sealed, (size_t)n, r->rand, sizeof(r->rand), (int64_t)r->lower,
	    (int64_t)r->upper, (int64_t)r->first_cp, r->valid_from_us, r->valid_until_us, r->programme, (int64_t)r->state), GW_UNAVAILABLE);
	if (o == GW_WON)
		r->id = gw_db_id(s->db);
	return o;
}

enum gw_outcome
kms_key_put(struct kms_store *s, struct kms_key *r)
{
	return gw_db_enter(s->db) ? gw_db_leave(s->db, put_key(s, r)) : GW_UNAVAILABLE;
}

enum gw_outcome
kms_key_get(struct kms_store *s, int64_t id, struct kms_key *r)
{
	return one_key(s, KEY_GET, gw_db_step(s->db, KEY_GET, "i", id), r);
}

enum gw_outcome
kms_key_find(struct kms_store *s, const uint8_t domain[3], uint16_t group, uint16_t number, struct kms_key *r)
{
	if (number)
		return one_key(s, KEY_NUMBER, gw_db_step(s->db, KEY_NUMBER, "bii", domain, (size_t)3, (int64_t)group, (int64_t)number), r);
	return one_key(s, KEY_CURRENT, gw_db_step(s->db, KEY_CURRENT, "bi", domain, (size_t)3, (int64_t)group), r);
}

static enum gw_outcome
use_key(struct kms_store *s, int64_t id, uint16_t cp, uint16_t *first_cp)
{
	struct kms_key k;
	enum gw_outcome o = kms_key_get(s, id, &k);

	gw_cleanse(k.key, sizeof(k.key));
	if (o != GW_WON)
		return o;
	if (k.first_cp >= 0) {
		*first_cp = (uint16_t)k.first_cp;
		return GW_EXISTS;
	}
	if (gw_db_step(s->db, KEY_RETIRE, "bi", k.domain, sizeof(k.domain), (int64_t)k.group) < 0)
		return GW_UNAVAILABLE;
	o = gw_db_outcome(s->db, KEY_USE, gw_db_step(s->db, KEY_USE, "ii", id, (int64_t)cp), GW_UNAVAILABLE);
	if (o == GW_WON)
		*first_cp = cp;
	return o;
}

enum gw_outcome
kms_key_use(struct kms_store *s, int64_t id, uint16_t cp, uint16_t *first_cp)
{
	return gw_db_enter(s->db) ? gw_db_leave(s->db, use_key(s, id, cp, first_cp)) : GW_UNAVAILABLE;
}

enum gw_outcome
kms_key_state(struct kms_store *s, int64_t id, enum kms_key_state state)
{
	enum gw_outcome o;

	if (!gw_db_enter(s->db))
		return GW_UNAVAILABLE;
	o = gw_db_outcome(s->db, KEY_STATE, gw_db_step(s->db, KEY_STATE, "ii", id, (int64_t)state), GW_EXISTS);
	if (o == GW_WON && state == KMS_KEY_DEAD)
		o = gw_db_outcome(s->db, TEK_FORGET, gw_db_step(s->db, TEK_FORGET, "i", id), GW_WON);
	return gw_db_leave(s->db, o);
}

enum gw_outcome
kms_key_validity(struct kms_store *s, int64_t id, int64_t valid_until_us)
{
	return gw_db_write(s->db, KEY_VALIDITY, GW_EXISTS, "ii", id, valid_until_us);
}

enum gw_outcome
kms_key_upper(struct kms_store *s, int64_t id, uint16_t upper)
{
	return gw_db_write(s->db, KEY_UPPER, GW_EXISTS, "ii", id, (int64_t)upper);
}

enum gw_outcome
kms_keys(struct kms_store *s, int64_t service, enum kms_kind kind, kms_key_each *each, void *self)
{
	int n = gw_db_step(s->db, KEYS, "ii", service, (int64_t)kind);

	while (n == 1) {
		struct kms_key r;
		int end = read_key(s, KEYS, &r) < 0 ? -1 : each(self, &r) != 0;

		gw_cleanse(r.key, sizeof(r.key));
		if (end) {
			n = end < 0 ? -1 : 1;
			break;
		}
		n = gw_db_step(s->db, KEYS, NULL);
	}
	return kms_store_listed(s, KEYS, n);
}

/* ---- spent TEK IDs: never two TEKs under one (2.5) ---- */

static enum gw_outcome
spend(struct kms_store *s, int64_t key, uint16_t tek_id, const uint8_t hash[32], bool *same)
{
	uint8_t stored[32];
	int64_t last = -1;
	int n = gw_db_step(s->db, TEK_GET, "ii", key, (int64_t)tek_id);

	if (n == 1)
		*same = gw_db_octets(s->db, TEK_GET, 0, stored, sizeof(stored)) == 0 && memcmp(stored, hash, sizeof(stored)) == 0;
	gw_db_done(s->db, TEK_GET);
	if (n != 0)
		return n < 0 ? GW_UNAVAILABLE : GW_EXISTS;
	if (kms_store_number(s, TEK_LAST, gw_db_step(s->db, TEK_LAST, "i", key), -1, &last) == GW_UNAVAILABLE)
		return GW_UNAVAILABLE;
	if (last >= TEKS_KEPT && tek_id <= last - TEKS_KEPT)
		return GW_EXISTS;	/* forgotten: it may have been spent */
	if (tek_id > last && tek_id >= TEKS_KEPT && gw_db_step(s->db, TEK_TRIM, "ii", key, (int64_t)tek_id - TEKS_KEPT) < 0)
		return GW_UNAVAILABLE;
	return gw_db_outcome(s->db, TEK_PUT, gw_db_step(s->db, TEK_PUT, "iib", key, (int64_t)tek_id, hash, (size_t)32), GW_UNAVAILABLE);
}

enum gw_outcome
kms_tek_spend(struct kms_store *s, int64_t key, uint16_t tek_id, const uint8_t hash[32], bool *same)
{
	*same = false;
	return gw_db_enter(s->db) ? gw_db_leave(s->db, spend(s, key, tek_id, hash, same)) : GW_UNAVAILABLE;
}

enum gw_outcome
kms_tek_last(struct kms_store *s, int64_t key, uint16_t *tek_id)
{
	int64_t last;
	enum gw_outcome o = kms_store_number(s, TEK_LAST, gw_db_step(s->db, TEK_LAST, "i", key), 0, &last);

	if (o != GW_WON || last < 1)	/* no TEK has the ID 0: the lower limit is not usable (2.5) */
		return o == GW_UNAVAILABLE ? o : GW_EXISTS;
	*tek_id = (uint16_t)last;
	return GW_WON;
}

/* ---- rolls ---- */

static void
read_roll(struct kms_store *s, enum kms_query q, struct kms_roll *r)
{
	*r = (struct kms_roll){ .id = gw_db_int(s->db, q, 0), .old_key = gw_db_int(s->db, q, 1), .new_key = gw_db_int(s->db, q, 2),
		.from_us = gw_db_int(s->db, q, 3), .switch_us = gw_db_int(s->db, q, 4), .cursor = gw_db_int(s->db, q, 5),
		.state = (enum kms_roll_state)gw_db_int(s->db, q, 6) };
}

/* Its LTKMs by state, as the triggers of the schema count them. */
static int
count(struct kms_store *s, struct kms_roll *r)
{
	int n = gw_db_step(s->db, TALLY, "i", r->id);

	for (; n == 1; n = gw_db_step(s->db, TALLY, NULL)) {
		int64_t state = gw_db_int(s->db, TALLY, 1);

		if (gw_db_int(s->db, TALLY, 0) == 0 && state >= 0 && state < KMS_OUT_STATES)
			r->out[state] = (uint64_t)gw_db_int(s->db, TALLY, 2);
	}
	gw_db_done(s->db, TALLY);
	return n;
}

static enum gw_outcome
put_roll(struct kms_store *s, const struct kms_roll *r, int64_t *id)
{
	enum gw_outcome o;

	if (kms_roll_is_update(r) && gw_db_step(s->db, ROLL_INSTEAD, "i", r->new_key) < 0)
		return GW_UNAVAILABLE;
	o = gw_db_outcome(s->db, ROLL_PUT, gw_db_step(s->db, ROLL_PUT, "iiiiii", r->old_key, r->new_key, r->from_us, r->switch_us, r->cursor,
	    (int64_t)r->state), GW_UNAVAILABLE);
	if (o == GW_WON && id)
		*id = gw_db_id(s->db);
	return o;
}

enum gw_outcome
kms_roll_put(struct kms_store *s, const struct kms_roll *r, int64_t *id)
{
	return gw_db_enter(s->db) ? gw_db_leave(s->db, put_roll(s, r, id)) : GW_UNAVAILABLE;
}

enum gw_outcome
kms_roll_left(struct kms_store *s, const struct kms_roll *r, int64_t at_us, uint64_t *left)
{
	int64_t n;
	enum gw_outcome o;

	*left = 0;
	if (r->state != KMS_ROLL_PUSHING)
		return GW_WON;
	o = kms_store_number(s, ROLL_LEFT, gw_db_step(s->db, ROLL_LEFT, "ii", r->cursor, at_us), 0, &n);
	*left = (uint64_t)n;
	return o;
}

enum gw_outcome
kms_roll_get(struct kms_store *s, int64_t new_key, struct kms_roll *r)
{
	int n = gw_db_step(s->db, ROLL_GET, "i", new_key);

	if (n == 1)
		read_roll(s, ROLL_GET, r);
	gw_db_done(s->db, ROLL_GET);
	if (n < 1)
		return n < 0 ? GW_UNAVAILABLE : GW_EXISTS;
	return count(s, r) < 0 ? GW_UNAVAILABLE : GW_WON;
}

enum gw_outcome
kms_roll_change(struct kms_store *s, const struct kms_roll *r)
{
	return gw_db_write(s->db, ROLL_CHANGE, GW_EXISTS, "iiiii", r->id, r->from_us, r->switch_us, r->cursor, (int64_t)r->state);
}

enum gw_outcome
kms_rolls(struct kms_store *s, bool done_too, kms_roll_each *each, void *self)
{
	int n = gw_db_step(s->db, ROLLS, "i", (int64_t)done_too);

	while (n == 1) {
		struct kms_roll r;

		read_roll(s, ROLLS, &r);
		if (count(s, &r) < 0) {
			n = -1;
			break;
		}
		if (each(self, &r) != 0)
			break;
		n = gw_db_step(s->db, ROLLS, NULL);
	}
	return kms_store_listed(s, ROLLS, n);
}
