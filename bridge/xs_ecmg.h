/*
 * bridge/xs_ecmg.h: X->S, the STKM side (bcast-backend-xml 11.5): the ECMGs of a KMS look like one XML BSM. Sans-I/O: tag 5 and time go in; the engine of
 * lib/scs_kms.h asks the ECMGs; each question ends in one answer for tag 6.
 *
 * One CW_provision of a stream is outstanding. Further questions wait, for a second at most: then status 19, or what its error_status means by 11.4 if an
 * ECMG refused the channel or the stream. A silent or absent ECMG is status 19 for three crypto-periods in a row, and from then on 7.
 */
#ifndef BRIDGE_XS_ECMG_H
#define BRIDGE_XS_ECMG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bridge/sp4.h"
#include "lib/scs_kms.h"

enum { XS_QUEUE = 8 };			/* questions of one stream that wait; one more is answered with status 19 at once */

struct xs_stream_conf {			/* copied */
	const char *unit;		/* for the log, and of the keys that are made here: "news" */
	uint16_t ecm_id;
	uint32_t super_cas_id;
	int protection;			/* enum he_scrambling */
	bool authenticated;
	uint8_t cw_length;		/* of protection none */
	uint16_t nominal_100ms;		/* the crypto-period, when a question states none */
	bool mode_a;			/* questions may come without keys: they are made here */
};
/* How a question ended. status 0: ecm is there; else why, in words. Lent for the call. */
struct xs_answer {
	unsigned status;
	const char *reason;		/* NULL with status 0 */
	const uint8_t *ecm; size_t len;
	uint16_t cp, repetition_ms;	/* ECM_rep_period */
};
/* None of these may call back into the stream. */
struct xs_stream_ops {
	void (*answer)(void *self, void *call, const struct xs_answer *);
	/* Mode A: the key of a crypto-period, the same whenever it is asked for; lent until the next call. -1 with *err. */
	int (*make)(void *self, const char *unit, uint16_t cp, struct scs_key *, struct gw_err *);
	/* The question is with an ECMG, which has so long for its answer. */
	void (*asked)(void *self, void *call, uint16_t max_comp_time_ms);
	/* xs_stream_next() has changed, within a call of the engine: what waits can go on, by xs_stream_tick(), once that has returned. */
	void (*wake)(void *self);
};

struct xs_stream;
/* The engine's calls to its streams: what its kms must be given, beside those of connections. */
extern const struct scs_kms_ops xs_kms_ops;
/* Joins; set up at once, and for as long as it lives. NULL: out of memory. */
struct xs_stream *xs_stream_new(struct scs_kms *, const struct xs_stream_conf *, const struct xs_stream_ops *, void *self, int64_t now_us);
/* What waits is answered with status 19. */
void xs_stream_free(struct xs_stream *, int64_t now_us);
/* A tag 5 for this stream. Ends in answer() with `call`, perhaps before this returns. */
void xs_stream_ask(struct xs_stream *, const struct sp4_msg *, void *call, int64_t now_us);
void xs_stream_tick(struct xs_stream *, int64_t now_us);
int64_t xs_stream_next(const struct xs_stream *);	/* INT64_MAX: not by time */

struct xs_stream_counts { uint64_t asked, answered, failed; };
struct xs_stream_view { bool up; size_t waiting; int64_t cp; unsigned last_status; struct xs_stream_counts counts; };	/* cp -1: none yet */
void xs_stream_view(const struct xs_stream *, struct xs_stream_view *);
const struct scs_kms_stream *xs_stream_line(const struct xs_stream *);
#endif
