/*
 * bridge/xs_mux.h: X->S, the LTKM side (bcast-backend-xml 11.5): what tags 11 and 15 bring for one stream is kept, and repeated toward a MUX within its window
 * and the bandwidth that the MUX allocated. Sans-I/O: deliveries and time go in; what is to be stored and sent comes out by the owner's calls.
 *
 * An object is one by its content: delivered again it has its new window. Nothing is confirmed before it is stored; after a restart the store's objects are
 * put back by xs_carousel_restore(), since a peer that has its confirmation does not deliver again.
 */
#ifndef BRIDGE_XS_MUX_H
#define BRIDGE_XS_MUX_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bridge/sp4.h"
#include "lib/store_objects.h"

enum { XS_OBJECTS = 4096, XS_OCTETS = 8 << 20 };	/* of one stream; more are refused with status 19 */
enum { XS_REPETITION_LEAST_MS = 100 };

struct xs_carousel_conf {
	const char *name;		/* for the log; copied */
	uint16_t data_id;
	uint32_t repetition_ms;		/* of objects that come without */
	uint32_t bandwidth_bps;		/* asked of the MUX at most */
};
/* None of these may call back into the carousel. */
struct xs_carousel_ops {
	bool (*store)(void *self, const struct gw_object *const *, size_t n);	/* all or none, durable */
	void (*forget)(void *self, int64_t now_s);	/* those whose windows are over by then, UTC: once for all that end together */
	int (*send)(void *self, const uint8_t *datagram, size_t len);	/* 0; 1: and no more for now, until xs_carousel_go_on(); -1: it is lost */
	void (*want)(void *self, uint32_t bps);	/* another wish for bandwidth */
};

struct xs_carousel;
struct xs_carousel *xs_carousel_new(const struct xs_carousel_conf *, const struct xs_carousel_ops *, void *self);	/* NULL: out of memory */
void xs_carousel_free(struct xs_carousel *);	/* of memory, not of the store */
/* Another configuration of the same stream. */
void xs_carousel_reconf(struct xs_carousel *, const struct xs_carousel_conf *);

/* Tag 11 or 15: its status for tag 12 or 16; *reason is set when that is not 0 (static text). utc_us: for windows; mono_us: for repetition. */
unsigned xs_carousel_deliver(struct xs_carousel *, const struct sp4_msg *, int64_t mono_us, int64_t utc_us, const char **reason);
int xs_carousel_restore(struct xs_carousel *, const struct gw_object *, int64_t mono_us);	/* -1: no memory, or more than fits */
/* What the MUX lets the stream send, bit/s; 0: nothing. */
void xs_carousel_rate(struct xs_carousel *, uint32_t bps, int64_t mono_us);
void xs_carousel_go_on(struct xs_carousel *);	/* the connection takes data again */
/* Sends what is due. */
void xs_carousel_tick(struct xs_carousel *, int64_t mono_us, int64_t utc_us);
int64_t xs_carousel_next(const struct xs_carousel *);	/* monotonic; INT64_MAX: not by time */

struct xs_carousel_view { size_t objects, octets; uint32_t rate_bps, wanted_bps; uint64_t delivered, refused, sent, octets_sent, lost, expired, late; };
/* late: repetitions that came a whole repetition or more behind, for want of bandwidth. */
void xs_carousel_view(const struct xs_carousel *, struct xs_carousel_view *);
#endif
