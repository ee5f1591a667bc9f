/*
 * lib/emmg_pace.h: when a stream may send again. Rates are those of stream_BW_allocation: of packetised bits, what a datagram takes in a
 * transport stream (3.3), so that a MUX which counts less never finds too much.
 */
#ifndef GW_EMMG_PACE_H
#define GW_EMMG_PACE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct emmg_pace { uint32_t bps; int64_t next_us; };	/* zeroed: nothing may be sent */

/* Bits of a datagram of a format (enum emmg_format): a section in TS packets of its own, with its pointer_field; others as they are. */
uint64_t emmg_pace_bits(uint8_t format, size_t len);
/* Another rate from now on; what was spent already is waited for at the new one. */
void emmg_pace_rate(struct emmg_pace *, uint32_t bps, int64_t now_us);
bool emmg_pace_due(const struct emmg_pace *, int64_t now_us);
void emmg_pace_spend(struct emmg_pace *, uint64_t bits, int64_t now_us);
int64_t emmg_pace_next(const struct emmg_pace *);	/* INT64_MAX: not at this rate */
#endif
