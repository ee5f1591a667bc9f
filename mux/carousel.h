/*
 * mux/carousel.h: what is on air when. A sans-I/O engine: committed records and the time go in, "send this datagram there, now"
 * comes out, and the engine says when it next wants the time. ECM(n) of a stream is on air from start(n) + delay_start(n) until
 * start(n+1) + previous_delay_stop(n+1), first sent at once and then every repetition period; with no successor it stays for ever.
 * Source: TS 103 197 clause 5.1.7 and figures, design.md section 4.
 */
#ifndef MUX_CAROUSEL_H
#define MUX_CAROUSEL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mux_record {
	const char *service, *kms;
	uint32_t super_cas_id;
	uint16_t ecm_id;
	uint64_t cp;
	int64_t start_us;			/* UTC */
	int16_t delay_start_ms, previous_delay_stop_ms;
	uint16_t rep_ms;			/* 0: the carousel's own */
	const uint8_t *datagram; size_t len;	/* empty: nothing on air for this CP */
	void *out;				/* the shell's handle of where it goes */
	bool hold;				/* ready, not more: what is on air stays there until it is put again without */
};
/* SAME: held already, and perhaps let go now. OLD: of a crypto-period that has passed, or of numbers that begin anew and are to be held: nothing
 * to do. FULL: not taken. */
enum mux_put { MUX_NEW, MUX_REPLACED, MUX_SAME, MUX_OLD, MUX_FULL };

struct mux_carousel;
/* drop: gives back a record's `out`, exactly once per record put, whatever the verdict. rep_ms: for records that name none. */
struct mux_carousel *mux_carousel_new(unsigned rep_ms, void (*drop)(void *self, void *out), void *self);
void mux_carousel_set_period(struct mux_carousel *, unsigned rep_ms);	/* for records put from now on */
void mux_carousel_free(struct mux_carousel *);
/* Everything but `out` is copied. Takes effect with the next run, which is due at once. */
enum mux_put mux_carousel_put(struct mux_carousel *, const struct mux_record *);
/* The service's streams leave the air at start_us and are forgotten. A later record of a stream revokes it. */
void mux_carousel_end(struct mux_carousel *, const char *service, int64_t start_us);

/* send: lent until the run returns. Both clocks in us; windows are kept by UTC, repetition by the monotonic clock. */
typedef void mux_send(void *self, void *out, const uint8_t *datagram, size_t len);
void mux_carousel_run(struct mux_carousel *, int64_t utc_us, int64_t mono_us, mux_send *send, void *self);
/* When to run next, monotonic; INT64_MAX: nothing is held. */
int64_t mux_carousel_next(const struct mux_carousel *);

struct mux_stream_view {
	const char *service, *kms;
	uint32_t super_cas_id;
	uint16_t ecm_id;
	bool on_air;
	uint64_t cp;		/* the newest on air */
	int64_t since_us;	/* UTC */
	uint64_t sent;		/* datagrams of the stream, over all CPs */
	uint64_t aired;		/* CPs whose ECM went on air */
	bool pending;
	uint64_t next_cp;	/* the first that waits, and when it goes on air */
	int64_t next_us;
	bool next_held;		/* it is to be put again before */
	void *out;		/* of the newest record on air, else of the first that waits */
};
void mux_carousel_each(const struct mux_carousel *, void (*each)(void *self, const struct mux_stream_view *), void *self);
struct mux_counts { size_t streams, on_air, records; };
struct mux_counts mux_carousel_counts(const struct mux_carousel *);
/* The newest CP that every stream of the service holds, for follower_held; each service once. */
void mux_carousel_held(const struct mux_carousel *, void (*each)(void *self, const char *service, uint64_t cp), void *self);
#endif
