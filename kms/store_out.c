/* kms/store_out.c: LTKMs and pulls on their way. Their counts by state are kept by triggers (store_schema.c). */
#include <string.h>
#include "kms/store_int.h"

static void
read_out(struct kms_store *s, enum kms_query q, struct kms_out *r)
{
	size_t len;
	const void *octets = gw_db_blob(s->db, q, 10, &len);

	*r = (struct kms_out){ .id = gw_db_int(s->db, q, 0), .sub = gw_db_int(s->db, q, 1), .pull = gw_db_int(s->db, q, 2) != 0,
		.group = (uint16_t)gw_db_int(s->db, q, 3), .key = gw_db_int(s->db, q, 4), .roll = gw_db_int(s->db, q, 5),
		.cut = gw_db_int(s->db, q, 6) != 0, .sms = gw_db_int(s->db, q, 7) != 0, .counter = (uint32_t)gw_db_int(s->db, q, 9),
		.due_us = gw_db_int(s->db, q, 11), .tries = (unsigned)gw_db_int(s->db, q, 12),
		.state = (enum kms_out_state)gw_db_int(s->db, q, 13) };
	gw_db_text(s->db, q, 8, r->btid, sizeof(r->btid));
	r->len = len <= sizeof(r->octets) ? len : 0;
	if (r->len)
		memcpy(r->octets, octets, r->len);
}

enum gw_outcome
kms_out_put(struct kms_store *s, const struct kms_out *r, int64_t *id)
{
	enum gw_outcome o = gw_db_write(s->db, OUT_PUT, GW_UNAVAILABLE, "iiiiiiisibiii", r->sub, (int64_t)r->pull, (int64_t)r->group, r->key, r->roll,
	    (int64_t)r->cut, (int64_t)r->sms, r->btid, (int64_t)r->counter, r->octets, r->len, r->due_us, (int64_t)r->tries, (int64_t)r->state);

	if (o == GW_WON && id)
		*id = gw_db_id(s->db);
	return o;
}

enum gw_outcome
kms_out_change(struct kms_store *s, const struct kms_out *r)
{
	return gw_db_write(s->db, OUT_CHANGE, GW_EXISTS, "iiiisibiii", r->id, (int64_t)r->pull, (int64_t)r->cut, (int64_t)r->sms, r->btid,
	    (int64_t)r->counter, r->octets, r->len, r->due_us, (int64_t)r->tries, (int64_t)r->state);
}

enum gw_outcome
kms_out_find(struct kms_store *s, const char *btid, uint32_t counter, struct kms_out *r)
{
	int n = gw_db_step(s->db, OUT_FIND, "ti", btid, (int64_t)counter);

	if (n == 1)
		read_out(s, OUT_FIND, r);
	gw_db_done(s->db, OUT_FIND);
	return n < 0 ? GW_UNAVAILABLE : n ? GW_WON : GW_EXISTS;
}

static enum gw_outcome
list(struct kms_store *s, enum kms_query q, int n, kms_out_each *each, void *self)
{
	while (n == 1) {
		struct kms_out r;

		read_out(s, q, &r);
		if (each(self, &r) != 0)
			break;
		n = gw_db_step(s->db, q, NULL);
	}
	return kms_store_listed(s, q, n);
}

enum gw_outcome
kms_out_due(struct kms_store *s, int64_t now_us, size_t max, kms_out_each *each, void *self)
{
	return list(s, OUT_DUE, gw_db_step(s->db, OUT_DUE, "ii", now_us, (int64_t)max), each, self);
}

enum gw_outcome
kms_outs_of(struct kms_store *s, int64_t sub, kms_out_each *each, void *self)
{
	return list(s, OUTS_OF, gw_db_step(s->db, OUTS_OF, "i", sub), each, self);
}

enum gw_outcome
kms_out_next(struct kms_store *s, int64_t *due_us)
{
	return kms_store_number(s, OUT_NEXT, gw_db_step(s->db, OUT_NEXT, ""), 0, due_us);
}

enum gw_outcome
kms_out_back(struct kms_store *s, int64_t after_us, int64_t by_us, int64_t now_us)
{
	return gw_db_write(s->db, OUT_BACK, GW_WON, "iii", after_us, by_us, now_us);
}

enum gw_outcome
kms_out_counts(struct kms_store *s, uint64_t ltkm[KMS_OUT_STATES], uint64_t pull[KMS_OUT_STATES])
{
	int n = gw_db_step(s->db, TALLY, "i", (int64_t)-1);

	memset(ltkm, 0, KMS_OUT_STATES * sizeof(*ltkm));
	memset(pull, 0, KMS_OUT_STATES * sizeof(*pull));
	for (; n == 1; n = gw_db_step(s->db, TALLY, NULL)) {
		int64_t state = gw_db_int(s->db, TALLY, 1);

		if (state >= 0 && state < KMS_OUT_STATES)
			(gw_db_int(s->db, TALLY, 0) ? pull : ltkm)[state] = (uint64_t)gw_db_int(s->db, TALLY, 2);
	}
	return kms_store_listed(s, TALLY, n);
}

enum gw_outcome
kms_out_trim(struct kms_store *s, int64_t before_us)
{
	return gw_db_write(s->db, OUT_TRIM, GW_WON, "i", before_us);
}
