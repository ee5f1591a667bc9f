/* kms/purchase.h: a right is bought and ended: one step for the purchase API, the commands and imports; the row and its line of audit (7.2) */
#ifndef KMS_PURCHASE_H
#define KMS_PURCHASE_H
#include "kms/store.h"

/* As people write it. NULL and "" are the same. */
struct kms_order {
	const char *subscriber;		/* name, IMPI or MSISDN */
	const char *service;		/* name, or item || reference */
	const char *programme;		/* "": the service */
	int64_t from_us, until_us;	/* 0: from now on; for good */
	const char *source, *order;	/* order: idempotency key; "": none */
};
#define KMS_ORDER_FAULTS(X) /* what is wrong, the field that it is in, a sentence */ \
	X(NO_SUBSCRIBER, "subscriber", "there is no such subscriber") \
	X(NO_SERVICE,    "service",    "there is no such service") \
	X(NO_PROGRAMME,  "programme",  "the service has no key for such a programme") \
	X(UNTIL,         "until",      "it would be over before it begins, or is over already") \
	X(SOURCE,        "source",     "it is too long") \
	X(ORDER,         "order",      "it is too long") \
	X(CONFLICT,      "order",      "another purchase has this idempotency key")
#define KMS_X(name, field, text) KMS_ORDER_##name,
enum kms_order_fault { KMS_ORDER_GOOD, KMS_ORDER_FAULTS(KMS_X) KMS_ORDER_NFAULTS };
#undef KMS_X
extern const struct kms_order_text { const char *field, *text; } kms_order_texts[KMS_ORDER_NFAULTS];

/*
 * Bought, within the caller's group. GW_WON: *row was put. GW_EXISTS: nothing was: with a fault it is refused, without one that
 * order was taken before and *row is what it made. GW_UNAVAILABLE: not now.
 */
enum gw_outcome kms_buy(struct kms_store *, const struct kms_order *, int64_t now_us, struct kms_subscription *row, enum kms_order_fault *);

/* At the next roll: what was bought is over, the key stays usable until it is rolled. At once: the key is to be made unusable, and rolled. */
enum kms_ending { KMS_END_PLAIN, KMS_END_NOW };
/* *row is the subscription, and becomes what it is then. Within the caller's group. GW_EXISTS: it was over already. until_us: when (plain only); 0: now. */
enum gw_outcome kms_end(struct kms_store *, struct kms_subscription *row, enum kms_ending, int64_t until_us, const char *who, int64_t now_us);
#endif
