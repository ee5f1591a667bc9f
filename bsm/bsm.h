/*
 * bsm/bsm.h: the program: doors for terminals and web shops, the delivery of LTKMs, the store that they share. What comes within a turn of the
 * loop is one group of the store; answers and datagrams leave when its flush has said GW_WON.
 */
#ifndef BSM_BSM_H
#define BSM_BSM_H
#include <uv.h>
#include "bsm/api.h"
#include "bsm/conf.h"
#include "bsm/delivery.h"
#include "bsm/push.h"
#include "bsm/regd.h"
#include "bsm/stkm_get.h"
#include "bsm/sms.h"
#include "lib/httpd.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/ops.h"

struct bsm;
struct bsm_door;
struct bsm_pending {		/* an answer that waits for the flush */
	struct gw_exchange *to;	/* NULL: the client has left */
	struct bsm_door *door;
	struct door_answer answer;
	struct bsm_pending *next;
};
struct bsm_door {		/* a port that speaks HTTP */
	struct bsm *app;
	enum gw_outcome (*ask)(struct bsm *, const struct door_request *, struct door_answer *);
	struct gw_httpd *httpd;
	uint64_t requests, unavailable, refused, by_class[6];	/* answers by the first digit of their status */
};
struct bsm {
	uv_loop_t loop;
	struct gw_life life;
	struct bsm_args args;
	struct bsm_conf conf;
	struct kms_store *store;
	struct regd_conf regd_conf;
	struct regd *regd;
	struct bsm_api *api;		/* NULL: no port for it */
	struct delivery *delivery;
	struct stkm_get *stkms;
	struct stkm_hear *hear;
	struct regd_route route;	/* of STKMs */
	struct push *push;
	struct bsm_sms *sms;		/* NULL: no way for short messages */
	struct bsm_door terminals, shops;
	struct gw_ops *ops;
	struct gw_timer due;		/* what delivery wants */
	uv_timer_t poll;		/* other handles' commits, and keys whose time has come; of no clock that can be set */
	uv_check_t check;
	uv_idle_t idle;			/* runs while a turn has work: the loop does not wait then */
	struct bsm_pending *first, **last;
	size_t services;
	int64_t keys_us, hold_us;	/* when the key management wants the time; until then nothing is tried after a flush that failed */
	uint64_t turns, lost, answers;	/* groups that were written; those that the store did not take; answers in them */
	struct gw_rate rate;
	bool turning, running, stopping;
};

/* bsm/shell.c */
int bsm_shell_open(struct bsm *, struct gw_err *);	/* engines, timers, ports; what was opened is closed by bsm_shell_close */
void bsm_shell_close(struct bsm *);
int bsm_shell_reload(struct bsm *, struct bsm_conf *fresh, struct gw_err *);	/* takes the fresh one, or leaves everything as it was */

/* bsm/status.c */
json_t *bsm_status(void *self);
void bsm_collect(void *self, struct gw_samples *);
#endif
