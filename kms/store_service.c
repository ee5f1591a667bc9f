/* kms/store_service.c: services, the streams that carry them, and who has bought them */
#include <string.h>
#include "kms/store_int.h"

/* ---- services ---- */

void
kms_store_service_row(struct kms_store *s, enum kms_query q, struct kms_service *r)
{
	*r = (struct kms_service){ .id = gw_db_int(s->db, q, 0), .crypto_period_ms = (uint32_t)gw_db_int(s->db, q, 7),
		.group = { [KMS_SEK] = (uint16_t)gw_db_int(s->db, q, 4), [KMS_PEK] = (uint16_t)gw_db_int(s->db, q, 5) } };
	gw_db_text(s->db, q, 1, r->name, sizeof(r->name));
	gw_db_text(s->db, q, 2, r->item, sizeof(r->item));
	gw_db_text(s->db, q, 3, r->reference, sizeof(r->reference));
	gw_db_octets(s->db, q, 6, r->domain, sizeof(r->domain));
}

static enum gw_outcome
one_service(struct kms_store *s, enum kms_query q, int stepped, struct kms_service *r)
{
	if (stepped == 1)
		kms_store_service_row(s, q, r);
	gw_db_done(s->db, q);
	return stepped < 0 ? GW_UNAVAILABLE : stepped ? GW_WON : GW_EXISTS;
}

/* The next Key Group of the domain, SEKs and PEKs alike; 0 is reserved (1.2). */
static enum gw_outcome
draw_group(struct kms_store *s, const uint8_t domain[3], uint16_t *group)
{
	int64_t next = 0;
	enum gw_outcome o = kms_store_number(s, SERVICE_NEXT_GROUP,
	    gw_db_step(s->db, SERVICE_NEXT_GROUP, "b", domain, (size_t)3), 0, &next);

	if (o == GW_WON && next > UINT16_MAX)
		o = GW_EXISTS;
	*group = (uint16_t)next;
	return o;
}

enum gw_outcome
kms_store_pek_group(struct kms_store *s, int64_t id)
{
	struct kms_service r;
	uint16_t group;
	enum gw_outcome o = one_service(s, SERVICE_GET, gw_db_step(s->db, SERVICE_GET, "i", id), &r);

	if (o != GW_WON || r.group[KMS_PEK])
		return o;
	o = draw_group(s, r.domain, &group);
	return o == GW_WON ? gw_db_outcome(s->db, SERVICE_PEK, gw_db_step(s->db, SERVICE_PEK, "ii", id, (int64_t)group), GW_UNAVAILABLE) : o;
}

static enum gw_outcome
insert_service(struct kms_store *s, const struct kms_service *r)
{
	uint16_t sek;
	enum gw_outcome o = draw_group(s, r->domain, &sek);

	return o != GW_WON ? o : gw_db_outcome(s->db, SERVICE_PUT, gw_db_step(s->db, SERVICE_PUT, "tttbii", r->name, r->item, r->reference,
	    r->domain, sizeof(r->domain), (int64_t)sek, (int64_t)r->crypto_period_ms), GW_UNAVAILABLE);
}

/* Another Key Domain has other groups; not while keys are in use that cards know by the old one. */
static enum gw_outcome
change_service(struct kms_store *s, const struct kms_service *was, const struct kms_service *r)
{
	uint16_t sek = was->group[KMS_SEK];
	enum gw_outcome o = GW_WON;
	int keys = 0;

	if (memcmp(was->domain, r->domain, sizeof(r->domain)) != 0) {
		keys = gw_db_step(s->db, SERVICE_HAS_KEYS, "i", was->id);
		gw_db_done(s->db, SERVICE_HAS_KEYS);
		o = keys < 0 ? GW_UNAVAILABLE : keys ? GW_EXISTS : draw_group(s, r->domain, &sek);
	}
	return o != GW_WON ? o : gw_db_outcome(s->db, SERVICE_CHANGE, gw_db_step(s->db, SERVICE_CHANGE, "tttbii", r->name, r->item, r->reference,
	    r->domain, sizeof(r->domain), (int64_t)sek, (int64_t)r->crypto_period_ms), GW_UNAVAILABLE);
}

static enum gw_outcome
put_service(struct kms_store *s, struct kms_service *r)
{
	bool peks = r->group[KMS_PEK] != 0;
	struct kms_service was;
	enum gw_outcome o = one_service(s, SERVICE_FIND, gw_db_step(s->db, SERVICE_FIND, "t", r->name), &was);

	if (o == GW_UNAVAILABLE)
		return o;
	o = o == GW_WON ? change_service(s, &was, r) : insert_service(s, r);
	if (o == GW_WON)
		o = one_service(s, SERVICE_FIND, gw_db_step(s->db, SERVICE_FIND, "t", r->name), r);
	if (o == GW_WON && peks && (o = kms_store_pek_group(s, r->id)) == GW_WON)
		o = one_service(s, SERVICE_FIND, gw_db_step(s->db, SERVICE_FIND, "t", r->name), r);
	return o;
}

enum gw_outcome
kms_service_put(struct kms_store *s, struct kms_service *r)
{
	return gw_db_enter(s->db) ? gw_db_leave(s->db, put_service(s, r)) : GW_UNAVAILABLE;
}

enum gw_outcome
kms_service_get(struct kms_store *s, int64_t id, struct kms_service *r)
{
	return one_service(s, SERVICE_GET, gw_db_step(s->db, SERVICE_GET, "i", id), r);
}

enum gw_outcome
kms_service_find(struct kms_store *s, const char *name_or_uri, struct kms_service *r)
{
	enum gw_outcome o = one_service(s, SERVICE_FIND, gw_db_step(s->db, SERVICE_FIND, "t", name_or_uri), r);

	return o == GW_EXISTS ? one_service(s, SERVICE_URI, gw_db_step(s->db, SERVICE_URI, "t", name_or_uri), r) : o;
}

enum gw_outcome
kms_service_group(struct kms_store *s, const uint8_t domain[3], uint16_t group, struct kms_service *r, enum kms_kind *kind)
{
	enum gw_outcome o = one_service(s, SERVICE_GROUP, gw_db_step(s->db, SERVICE_GROUP, "bi", domain, (size_t)3, (int64_t)group), r);

	if (o == GW_WON)
		*kind = r->group[KMS_SEK] == group ? KMS_SEK : KMS_PEK;
	return o;
}

enum gw_outcome
kms_services(struct kms_store *s, kms_service_each *each, void *self)
{
	int n = gw_db_step(s->db, SERVICES, "");

	while (n == 1) {
		struct kms_service r;

		kms_store_service_row(s, SERVICES, &r);
		if (each(self, &r) != 0)
			break;
		n = gw_db_step(s->db, SERVICES, NULL);
	}
	return kms_store_listed(s, SERVICES, n);
}

enum gw_outcome
kms_stream_put(struct kms_store *s, uint16_t ecm_id, int64_t service, enum kms_kind kind)
{
	enum gw_outcome o;

	if (!gw_db_enter(s->db))
		return GW_UNAVAILABLE;
	o = kind == KMS_PEK ? kms_store_pek_group(s, service) : GW_WON;
	if (o == GW_WON)
		o = gw_db_outcome(s->db, STREAM_PUT, gw_db_step(s->db, STREAM_PUT, "iii", (int64_t)ecm_id, service, (int64_t)kind), GW_UNAVAILABLE);
	return gw_db_leave(s->db, o);
}

enum gw_outcome
kms_streams_end(struct kms_store *s, int64_t service)
{
	return gw_db_write(s->db, STREAMS_END, GW_WON, "i", service);
}

enum gw_outcome
kms_stream_of(struct kms_store *s, int64_t service, enum kms_kind kind)
{
	int n = gw_db_step(s->db, STREAM_OF, "ii", service, (int64_t)kind);

	gw_db_done(s->db, STREAM_OF);
	return n < 0 ? GW_UNAVAILABLE : n ? GW_WON : GW_EXISTS;
}

enum gw_outcome
kms_service_rename(struct kms_store *s, int64_t id, const char *name)
{
	return gw_db_write(s->db, SERVICE_RENAME, GW_EXISTS, "it", id, name);
}

enum gw_outcome
kms_service_end(struct kms_store *s, int64_t id, int64_t now_us)
{
	/* what asks for the keys that are alive goes before they die */
	static const enum kms_query all[] = { OUTS_END, ROLLS_END, TEKS_END, KEYS_END, STREAMS_END };
	enum gw_outcome o;

	if (!gw_db_enter(s->db))
		return GW_UNAVAILABLE;
	o = gw_db_outcome(s->db, SERVICE_FREE, gw_db_step(s->db, SERVICE_FREE, "i", id), GW_EXISTS);
	if (o == GW_WON)
		o = gw_db_outcome(s->db, SALES_END, gw_db_step(s->db, SALES_END, "ii", id, now_us), GW_WON);
	for (size_t i = 0; o == GW_WON && i < sizeof(all) / sizeof(all[0]); i++)
		o = gw_db_outcome(s->db, all[i], gw_db_step(s->db, all[i], "i", id), GW_WON);
	return gw_db_leave(s->db, o);
}

enum gw_outcome
kms_stream_get(struct kms_store *s, uint16_t ecm_id, struct kms_service *r, enum kms_kind *kind)
{
	int n = gw_db_step(s->db, STREAM_GET, "i", (int64_t)ecm_id);

	if (n == 1)
		*kind = (enum kms_kind)gw_db_int(s->db, STREAM_GET, 8);
	return one_service(s, STREAM_GET, n, r);
}

/* ---- subscriptions ---- */

static void
read_sale(struct kms_store *s, enum kms_query q, struct kms_subscription *r)
{
	*r = (struct kms_subscription){ .id = gw_db_int(s->db, q, 0), .sub = gw_db_int(s->db, q, 1), .service = gw_db_int(s->db, q, 2),
		.kind = (enum kms_kind)gw_db_int(s->db, q, 3), .key = gw_db_int(s->db, q, 4), .from_us = gw_db_int(s->db, q, 5),
		.until_us = gw_db_int(s->db, q, 6), .state = (enum kms_subscription_state)gw_db_int(s->db, q, 9), .sold_until_us = gw_db_int(s->db, q, 10) };
	gw_db_text(s->db, q, 7, r->source, sizeof(r->source));
	gw_db_text(s->db, q, 8, r->order, sizeof(r->order));
}

enum gw_outcome
kms_subscription_put(struct kms_store *s, const struct kms_subscription *r, int64_t *id)
{
	int64_t earlier = 0;
	enum gw_outcome o;

	if (!gw_db_enter(s->db))
		return GW_UNAVAILABLE;
	o = gw_db_outcome(s->db, SALE_PUT, gw_db_step(s->db, SALE_PUT, "iiiiiitsi", r->sub, r->service, (int64_t)r->kind, r->key, r->from_us,
	    r->until_us, r->source, r->order, (int64_t)r->state), GW_UNAVAILABLE);
	if (o == GW_WON)
		earlier = gw_db_id(s->db);
	else if (o == GW_EXISTS && kms_store_number(s, SALE_ORDER, gw_db_step(s->db, SALE_ORDER, "t", r->order), 0, &earlier) == GW_UNAVAILABLE)
		o = GW_UNAVAILABLE;
	if (id)
		*id = earlier;
	return gw_db_leave(s->db, o);
}

enum gw_outcome
kms_subscription_get(struct kms_store *s, int64_t id, struct kms_subscription *r)
{
	int n = gw_db_step(s->db, SALE_GET, "i", id);

	if (n == 1)
		read_sale(s, SALE_GET, r);
	gw_db_done(s->db, SALE_GET);
	return n < 0 ? GW_UNAVAILABLE : n ? GW_WON : GW_EXISTS;
}

enum gw_outcome
kms_subscription_until(struct kms_store *s, int64_t id, int64_t until_us, enum kms_subscription_state state)
{
	return gw_db_write(s->db, SALE_UNTIL, GW_EXISTS, "iii", id, until_us, (int64_t)state);
}

enum gw_outcome
kms_subscription_mark(struct kms_store *s, int64_t id, enum kms_subscription_state state)
{
	return gw_db_write(s->db, SALE_MARK, GW_EXISTS, "ii", id, (int64_t)state);
}

static enum gw_outcome
list_sales(struct kms_store *s, enum kms_query q, int n, kms_subscription_each *each, void *self)
{
	while (n == 1) {
		struct kms_subscription r;

		read_sale(s, q, &r);
		if (each(self, &r) != 0)
			break;
		n = gw_db_step(s->db, q, NULL);
	}
	return kms_store_listed(s, q, n);
}

enum gw_outcome
kms_subscriptions_of(struct kms_store *s, int64_t sub, kms_subscription_each *each, void *self)
{
	return list_sales(s, SALES_OF, gw_db_step(s->db, SALES_OF, "i", sub), each, self);
}

enum gw_outcome
kms_subscriptions_in(struct kms_store *s, enum kms_subscription_state state, int64_t after, size_t max, kms_subscription_each *each, void *self)
{
	return list_sales(s, SALES_IN, gw_db_step(s->db, SALES_IN, "iii", (int64_t)state, after, (int64_t)max), each, self);
}

enum gw_outcome
kms_entitled(struct kms_store *s, int64_t sub, int64_t service, enum kms_kind kind, int64_t key, int64_t at_us)
{
	int n = gw_db_step(s->db, ENTITLED, "iiiii", sub, service, (int64_t)kind, key, at_us);

	gw_db_done(s->db, ENTITLED);
	return n < 0 ? GW_UNAVAILABLE : n ? GW_WON : GW_EXISTS;
}
