/* bsm/events.h: what the doors of the BSM (HTTP, purchase API, commands on the store) tell the delivery of LTKMs. Called within a group of the store. */
#ifndef BSM_EVENTS_H
#define BSM_EVENTS_H
#include "kms/store.h"

struct bsm_events {
	void *self;
	/* A terminal has registered, its registration is put: the LTKMs of all that it has bought are due (3.4). */
	void (*registered)(void *self, int64_t sub, int64_t now_us);
	void (*deregistered)(void *self, int64_t sub, int64_t now_us);
	/* An LTKM Request was answered with 200 for that key (3.5). */
	void (*wanted)(void *self, int64_t sub, int64_t key, int64_t now_us);
	/* A subscription was put, ended or cut (7.2). */
	void (*subscription)(void *self, const struct kms_subscription *, int64_t now_us);
};
#endif
