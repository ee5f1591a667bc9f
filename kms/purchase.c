/* kms/purchase.c */
#include "kms/purchase.h"
#include <stdio.h>
#include <string.h>
#include "lib/secret.h"

const struct kms_order_text kms_order_texts[KMS_ORDER_NFAULTS] = {
#define X(name, field, text) [KMS_ORDER_##name] = { field, text },
	KMS_ORDER_FAULTS(X)
#undef X
};

static const char *
given(const char *text)
{
	return text ? text : "";
}

struct wanted { const char *programme; int64_t key; };

static int
is_it(void *self, const struct kms_key *k)
{
	struct wanted *w = self;

	if (strcmp(k->programme, w->programme) == 0)
		w->key = k->id;
	return w->key != 0;
}

/* Names become ids. */
static enum gw_outcome
resolve(struct kms_store *s, const struct kms_order *o, struct kms_subscription *row, enum kms_order_fault *fault)
{
	struct wanted w = { given(o->programme), 0 };
	struct kms_subscriber sub;
	struct kms_service service;
	enum gw_outcome done;

	*fault = KMS_ORDER_NO_SUBSCRIBER;
	done = kms_subscriber_find(s, given(o->subscriber), &sub);
	gw_cleanse(&sub.k, sizeof(sub.k) + sizeof(sub.opc));
	if (done == GW_WON) {
		*fault = KMS_ORDER_NO_SERVICE;
		done = kms_service_find(s, given(o->service), &service);
		if (done == GW_WON && kms_service_is_ended(&service))
			done = GW_EXISTS;
	}
	if (done == GW_WON && *w.programme) {
		*fault = KMS_ORDER_NO_PROGRAMME;
		done = kms_keys(s, service.id, KMS_PEK, is_it, &w);
		if (done == GW_WON && !w.key)
			done = GW_EXISTS;
	}
	if (done != GW_WON)
		return done;
	*fault = KMS_ORDER_GOOD;
	row->sub = sub.id;
	row->service = service.id;
	row->kind = *w.programme ? KMS_PEK : KMS_SEK;
	row->key = w.key;
	return GW_WON;
}

static enum kms_order_fault
lengths(const struct kms_order *o)
{
	if (strlen(given(o->source)) >= KMS_NAME)
		return KMS_ORDER_SOURCE;
	return strlen(given(o->order)) >= KMS_NAME ? KMS_ORDER_ORDER : KMS_ORDER_GOOD;
}

/* Until the same time, or as long from when it was sent: "+30d" is said again later. */
static bool
same_end(const struct kms_subscription *a, const struct kms_subscription *b, const struct kms_order *o)
{
	return a->sold_until_us < 0 || a->sold_until_us == b->until_us ||
	    (o->from_us == 0 && a->sold_until_us && b->until_us && a->sold_until_us - a->from_us == b->until_us - b->from_us);
}

/* A time that was not said then is not said now. */
static bool
same(const struct kms_subscription *a, const struct kms_subscription *b, const struct kms_order *o)
{
	return a->sub == b->sub && a->service == b->service && a->kind == b->kind && a->key == b->key &&
	    (o->from_us == 0 || a->from_us == b->from_us) && same_end(a, b, o);
}

static enum gw_outcome
put(struct kms_store *s, const struct kms_order *o, int64_t now_us, struct kms_subscription *row, enum kms_order_fault *fault)
{
	struct kms_subscription before;
	char what[KMS_TEXT];
	enum gw_outcome done = kms_subscription_put(s, row, &row->id);

	if (done == GW_EXISTS) {
		done = kms_subscription_get(s, row->id, &before);
		if (done == GW_UNAVAILABLE)
			return done;
		if (done != GW_WON || !same(&before, row, o))
			*fault = KMS_ORDER_CONFLICT;
		else
			*row = before;
		return GW_EXISTS;
	}
	if (done != GW_WON)
		return done;
	snprintf(what, sizeof(what), "subscription %lld: %.64s gets %.128s%s%.128s", (long long)row->id, o->subscriber, o->service,
	    row->kind == KMS_PEK ? " " : "", given(o->programme));
	return kms_audit(s, now_us, row->source, what);
}

enum gw_outcome
kms_buy(struct kms_store *s, const struct kms_order *o, int64_t now_us, struct kms_subscription *row, enum kms_order_fault *fault)
{
	enum gw_outcome done;

	*row = (struct kms_subscription){ .from_us = o->from_us ? o->from_us : now_us, .until_us = o->until_us, .state = KMS_NEW,
		.sold_until_us = o->until_us };
	if ((*fault = lengths(o)) != KMS_ORDER_GOOD)
		return GW_EXISTS;
	snprintf(row->source, sizeof(row->source), "%s", given(o->source));
	snprintf(row->order, sizeof(row->order), "%s", given(o->order));
	done = resolve(s, o, row, fault);
	if (done != GW_WON)
		return done;
	/* An order that is sent again after it is over is still that order. */
	if (o->until_us && (o->until_us <= row->from_us || (o->until_us <= now_us && !*row->order))) {
		*fault = KMS_ORDER_UNTIL;
		return GW_EXISTS;
	}
	return put(s, o, now_us, row, fault);
}

enum gw_outcome
kms_end(struct kms_store *s, struct kms_subscription *row, enum kms_ending how, int64_t until_us, const char *who, int64_t now_us)
{
	bool now = how == KMS_END_NOW, later = !now && until_us > now_us;
	int64_t until = later ? until_us : now_us;
	char what[KMS_TEXT];
	enum gw_outcome o;

	if (row->state == KMS_CUT || (row->state == KMS_ENDED && !now) || (!now && !later && row->until_us && row->until_us <= now_us))
		return GW_EXISTS;
	if (row->until_us == 0 || row->until_us > until || later)
		row->until_us = until;
	if (!later)
		row->state = now ? KMS_CUT : KMS_ENDED;
	snprintf(what, sizeof(what), "subscription %lld: ended%s", (long long)row->id, now ? " at once" : later ? " as of a later time" : "");
	o = kms_subscription_until(s, row->id, row->until_us, row->state);
	return o == GW_WON ? kms_audit(s, now_us, who, what) : o;
}
