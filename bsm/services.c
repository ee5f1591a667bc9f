/* bsm/services.c */
#include "bsm/services.h"
#include <stdio.h>
#include <string.h>

struct keymgr_plan
bsm_plan(const struct he_bsm *b)
{
	return (struct keymgr_plan){ .life_us = (int64_t)b->sek_life_ms * 1000, .window_us = (int64_t)b->roll_window_ms * 1000 };
}

static void
describe(struct kms_service *s, const struct he_unit *u, const struct he_bsm *b)
{
	const struct he_service *of = u->service;
	const char *medium = strchr(u->id, '/');

	*s = (struct kms_service){ .crypto_period_ms = of->crypto_period_ms };
	snprintf(s->name, sizeof(s->name), "%s", u->id);
	snprintf(s->item, sizeof(s->item), "%s", of->purchase_item);
	snprintf(s->reference, sizeof(s->reference), "%s%s", of->purchase_data, medium ? medium : "");
	memcpy(s->domain, b->key_domain, sizeof(s->domain));
}

/* The store does not take it: cards know its keys by another Key Domain, or it is sold as what another service is sold as. */
static void
refused(struct kms_store *store, const struct kms_service *s, struct gw_err *err)
{
	struct kms_service was;

	if (kms_service_find(store, s->name, &was) == GW_WON && strcmp(was.name, s->name) == 0 && memcmp(was.domain, s->domain, sizeof(s->domain)) != 0)
		gw_fail(err, GW_ECONF, "service %s: its keys in the store are of Key Domain 0x%02x%02x%02x, and cards know them by it: "
		    "it cannot become 0x%02x%02x%02x", s->name, was.domain[0], was.domain[1], was.domain[2], s->domain[0], s->domain[1], s->domain[2]);
	else
		gw_fail(err, GW_ECONF, "service %s: another service of the store is sold as %.100s%.100s: give it another purchase_item or "
		    "purchase_data", s->name, s->item, s->reference);
}

/* GW_EXISTS: with the reason. */
static enum gw_outcome
put_unit(struct kms_store *store, const struct he_unit *u, const struct he_bsm *b, const struct keymgr_plan *plan, int64_t now_us, size_t *n,
    struct gw_err *err)
{
	struct kms_service s;
	enum gw_outcome o = GW_WON;
	size_t mine = 0;

	for (size_t i = 0; i < u->nstkm; i++)
		mine += u->stkm[i].kms == b->kms;
	if (!mine)
		return GW_WON;
	describe(&s, u, b);
	if ((o = kms_service_put(store, &s)) == GW_EXISTS)
		refused(store, &s, err);
	if (o == GW_WON)	/* those that the file has no more */
		o = kms_streams_end(store, s.id);
	for (size_t i = 0; o == GW_WON && i < u->nstkm; i++)
		if (u->stkm[i].kms == b->kms)
			o = kms_stream_put(store, u->stkm[i].ecm_id, s.id, u->stkm[i].pek ? KMS_PEK : KMS_SEK);
	if (o == GW_WON)
		o = keymgr_first(store, &s, plan, now_us);
	++*n;
	return o;
}

int
bsm_services_put(struct kms_store *store, const struct headend *he, const struct he_bsm *b, int64_t now_us, size_t *n, struct gw_err *err)
{
	const struct keymgr_plan plan = bsm_plan(b);
	enum gw_outcome o = GW_WON;

	*n = 0;
	kms_store_begin(store);
	for (size_t i = 0; o == GW_WON && i < he->nservices; i++)
		for (size_t j = 0; o == GW_WON && j < he->services[i].nunits; j++)
			o = put_unit(store, &he->services[i].units[j], b, &plan, now_us, n, err);
	if (o != GW_WON)
		kms_store_drop(store);
	else
		o = kms_store_flush(store);
	if (o == GW_EXISTS)
		return gw_wrap(err, "%s", b->kms->store);
	return o == GW_WON ? 0 : gw_fail(err, GW_ETEMP, "%s: the store is not available: the services could not be put into it", b->kms->store);
}
