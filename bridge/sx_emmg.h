/*
 * bridge/sx_emmg.h: an XML BSD/A as a MUX, sans-I/O (bcast-backend-xml 11): each data_provision of an EMMG becomes one tag 11, or 15 for registration
 * objects, with its datagrams as Data; what is the same within the repetition interval is not sent again. One at a time of a stream is under way; what
 * fails for a while is sent again until it is out of date, and after ten failures the EMMG is told. Tags 9 and 13 get the last data_provision's objects.
 */
#ifndef BRIDGE_SX_EMMG_H
#define BRIDGE_SX_EMMG_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include "bridge/exchange.h"
#include "lib/log.h"
#include "proto/sim.h"

struct sx_flow;		/* a stream of the file */
struct sx_emmg_door {
	/* As ex_send(), whose done is sx_emmg_done(). */
	int (*send)(void *self, const struct he_sp4_peer *, struct sp4_msg *, int64_t give_up_us, struct sx_flow *, struct gw_err *);
	/* stream_error to the EMMG of the flow */
	void (*complain)(void *self, const struct he_bridge_emmg *, uint16_t status, const char *why);
	void (*note)(void *self, enum gw_level, const char *event, const struct he_bridge_emmg *, const char *why);
};

/* SX_SEEN: so many are remembered of a stream; with more within a repetition the oldest is taken for new, and goes once too often. */
enum { SX_QUEUE = 64, SX_QUEUE_OCTETS = 1 << 20, SX_SEEN = 256, SX_FAILURES = 10 };
struct sx_parcel;	/* a data_provision */
STAILQ_HEAD(sx_parcels, sx_parcel);
struct sx_flow {
	struct sx_emmg *engine;
	const struct he_bridge_emmg *row;	/* NULL: not in the file any more */
	struct sx_parcels queue; size_t nqueue, octets;	/* the first may be under way */
	bool under_way;
	int64_t again_us;			/* when the first is to be sent again; 0: at once */
	unsigned tries, failures;		/* of the first; since the last success or complaint */
	struct sx_parcel *last;			/* for tags 9 and 13 */
	struct { uint8_t digest[32]; int64_t until_us; } seen[SX_SEEN]; unsigned next_seen;
	uint64_t provisions, repeated, sent, failed, dropped;
};
struct sx_emmg {
	const struct sx_emmg_door *door;
	void *self;
	struct sx_flow **v; size_t n;
	size_t nbusy;				/* flows with something under way */
	struct sx_flow **gone; size_t ngone;	/* until what is under way is done */
	void *md;
};

/* The file's rows are lent until the next ones, or the end. 0, or -1 with *err: as it was. */
int sx_emmg_conf(struct sx_emmg *, const struct he_bridge *, struct gw_err *);
void sx_emmg_fini(struct sx_emmg *);		/* when nothing is under way */
struct sx_flow *sx_emmg_flow(const struct sx_emmg *, uint32_t client_id, uint16_t data_id);	/* NULL: none */
/* A data_provision: false, it found no room. */
bool sx_emmg_provide(struct sx_emmg *, struct sx_flow *, const struct sim_msg *, int64_t now_us, int64_t utc_us);
void sx_emmg_done(struct sx_emmg *, struct sx_flow *, const struct ex_result *, int64_t now_us, int64_t utc_us);
/*
 * A tag 9 or 13. The status of its answer and *reason, or 0 with the objects in *answer: they are lent until the next data_provision. -1: nothing of the
 * file's rows is for this service and peer; somebody else may know better.
 */
int sx_emmg_request(struct sx_emmg *, const struct he_sp4_peer *from, const struct sp4_msg *, int64_t utc_us, struct sp4_msg *answer, const char **reason);
void sx_emmg_time(struct sx_emmg *, int64_t now_us, int64_t utc_us);
int64_t sx_emmg_next(const struct sx_emmg *);	/* INT64_MAX: it waits for nothing */
json_t *sx_emmg_status(const struct sx_emmg *);
#endif
