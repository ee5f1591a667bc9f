/*
 * lib/scs_wire.h: the connections of a KMS (lib/scs_kms.h) on the loop: dialers, links, the timer; and the ECM_channel_ids of a program that opens
 * channels to ECMGs.
 */
#ifndef GW_SCS_WIRE_H
#define GW_SCS_WIRE_H
#include <stdint.h>
#include <uv.h>
#include "lib/headend.h"
#include "lib/scs_kms.h"

/*
 * ECM_channel_id is unique among the channels of one SCS, but for those that a vendor fixed. Zeroed; he: the range, and what is fixed, lent until it
 * is replaced.
 */
struct scs_ids { const struct headend *he; uint16_t used[65536]; unsigned next; };	/* used: channels that have it */

struct scs_wire;
/*
 * An engine for a KMS of the file, dialling. streams: the engine's calls from stream_up on (the others are the wire's), lent for ever; ids, too. What of kms
 * is needed is copied. closed: once, after scs_wire_close. NULL: out of memory.
 */
struct scs_wire *scs_wire_open(uv_loop_t *, const struct he_kms *, struct scs_ids *, const struct scs_kms_ops *streams, void (*closed)(void *self), void *self);
struct scs_kms *scs_wire_kms(const struct scs_wire *);
/* After every call into the engine that is not the wire's own: when it wants the time. */
void scs_wire_plan(struct scs_wire *);
/* Streams and channels are closed in order; the engine lives until closed() is called, from a callback of the loop. */
void scs_wire_close(struct scs_wire *);
/* The same ECMGs, spoken to in the same way: an engine for the one is as good for the other. */
bool scs_wire_same(const struct he_kms *, const struct he_kms *);
#endif
