/* bsm/trigger.c */
#include "bsm/trigger.h"
#include "lib/secret.h"

/* Is there a phone, and an SMK to protect the pull with? */
static enum gw_outcome
may_reach(struct kms_store *store, int64_t sub, int64_t now_us)
{
	struct kms_subscriber s = { 0 };
	struct kms_gba g = { 0 };
	enum gw_outcome o = kms_subscriber_get(store, sub, &s);

	if (o == GW_WON && !s.msisdn[0])
		o = GW_EXISTS;
	if (o == GW_WON)
		o = kms_gba_live(store, sub, &g);
	if (o == GW_WON && g.expires_us <= now_us)
		o = GW_EXISTS;
	gw_cleanse(&s, sizeof(s));
	gw_cleanse(&g, sizeof(g));
	return o;
}

enum gw_outcome
trigger_put(struct kms_store *store, int64_t sub, int64_t now_us, int64_t *out)
{
	const struct kms_out row = { .sub = sub, .pull = true, .group = 0, .sms = true, .due_us = now_us, .state = KMS_OUT_DUE };
	enum gw_outcome o = may_reach(store, sub, now_us);
	int64_t id;

	return o == GW_WON ? kms_out_put(store, &row, out ? out : &id) : o;
}

enum gw_outcome
pull_put(struct kms_store *store, int64_t sub, uint16_t group, int64_t now_us, bool *sms, int64_t *out)
{
	struct kms_registration r;
	struct kms_out row = { .sub = sub, .pull = true, .group = group, .due_us = now_us, .state = KMS_OUT_DUE };
	enum gw_outcome o = kms_registration_get(store, sub, &r);

	*sms = row.sms = o != GW_WON || !r.reachable || r.expires_us <= now_us;
	if (o != GW_UNAVAILABLE && row.sms)
		o = may_reach(store, sub, now_us);
	return o == GW_WON ? kms_out_put(store, &row, out) : o;
}
