/*
 * lib/ecmg_face.h: an ECMG as SCSs see it, on a loop: listeners, connections, a channel (lib/ecmg_channel.h) for each, what is logged and counted of
 * them. Who makes the ECMs is the owner's: a plugin, a BSM behind a bridge.
 */
#ifndef GW_ECMG_FACE_H
#define GW_ECMG_FACE_H
#include <jansson.h>
#include <uv.h>
#include "lib/addr.h"
#include "lib/ecmg_channel.h"
#include "lib/link.h"
#include "lib/refusals.h"

enum { ECMG_LISTENS = 16 };
struct ecmg_face;
struct ecmg_conn {		/* of an SCS */
	struct ecmg_face *face;
	struct gw_link *link;
	struct ecmg_channel channel;
	struct gw_rate rate;
	void *extra;		/* the owner's */
	bool leaving;		/* told to close */
};
/* The owner's part. The first three as of struct ecmg_door. */
struct ecmg_maker {
	int (*channel)(struct ecmg_conn *, uint32_t super_cas_id, struct ecmg_says *, char *why, size_t cap);
	int (*stream)(struct ecmg_conn *, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t cap);
	int (*ecm)(struct ecmg_conn *, const struct ecmg_request *, uint8_t *out, size_t cap, char *why, size_t why_cap);
	/* These may be NULL. A newcomer: 0, or -1 when it cannot be kept. It has gone, ->channel with it. */
	int (*opened)(struct ecmg_conn *);
	void (*closed)(struct ecmg_conn *);
	void (*send)(struct ecmg_conn *, const uint8_t *msg, size_t len);	/* what goes out comes by here, on to ecmg_conn_put(); extra NULL: to one that was not kept */
	void (*parted)(void *owner);	/* after ecmg_face_close(): nobody is connected any more; never from within it */
};
/* Zeroed, then loop, owner, maker, label and the rules of the engine are filled in. */
struct ecmg_face {
	uv_loop_t *loop;
	void *owner;
	const struct ecmg_maker *maker;
	const char *label;		/* the first field of its log lines: "kms=drm"; lent */
	struct ecmg_engine engine;
	struct gw_listener *listeners[ECMG_LISTENS]; size_t nlisteners;
	uv_timer_t tick;
	struct ecmg_conn **conns;	/* by slot */
	size_t nslots, nconns, hint;
	struct gw_refusals refused;
	uint64_t unwanted;		/* answers nobody waited for any more */
	struct gw_rate full;		/* refusals for want of room */
	void (*unclocked)(void *owner);
	bool ticking, stopping;
};

void ecmg_face_open(struct ecmg_face *);	/* its clock */
int ecmg_face_listen(struct ecmg_face *, const struct gw_addr *, struct gw_err *);
/* An answer to an ECMG_LATER, as ecmg_channel_answer(); nobody there: it counts as unwanted. */
void ecmg_face_answer(struct ecmg_face *, uint64_t handle, int rc, const uint8_t *ecm, const char *why);
/*
 * What channel_status said holds for the life of a channel: where it would say something else now, the channel's connection is closed, and the SCS
 * has to come again.
 */
void ecmg_face_revise(struct ecmg_face *);
/* No newcomers; who waits for no answer is sent away at once, the others with their last answer or by ecmg_face_leave(). */
void ecmg_face_close(struct ecmg_face *);
void ecmg_face_leave(struct ecmg_face *);	/* all of them */
void ecmg_face_unclock(struct ecmg_face *, void (*done)(void *owner));	/* closes the clock's handle; done, which may be NULL: it has no handle any more */
void ecmg_face_fini(struct ecmg_face *);	/* after the loop */

void ecmg_conn_put(struct ecmg_conn *, const uint8_t *bytes, size_t len);	/* onto the wire */
void ecmg_conn_leave(struct ecmg_conn *);	/* what was sent goes out first */
int64_t ecmg_face_now_us(const struct ecmg_face *);

json_t *ecmg_face_channels(const struct ecmg_face *);	/* for /status: an object a connection */
json_t *ecmg_face_listening(const struct ecmg_face *);
#endif
