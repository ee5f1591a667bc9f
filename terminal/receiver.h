/*
 * terminal/receiver.h: a handset's view of one protected unit: STKMs in, keys kept as long as they must be; packets in, clear
 * packets and counts out. Profile-independent, no I/O, no clock.
 */
#ifndef TERM_RECEIVER_H
#define TERM_RECEIVER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kms/rx.h"
#include "lib/err.h"

enum { RECEIVER_REASONS = RX_FAILED + 1 };

struct receiver_counts {
	uint64_t packets;	/* descrambled right */
	uint64_t clear;		/* came in clear: transport stream packets, whole, under no key */
	uint64_t lost;		/* missing between the first and the newest of them, arrived undecryptable or not at all */
	uint64_t undecryptable;	/* no key for it, not authentic, or not what its payload type promises */
	uint64_t waiting;	/* came before this terminal could have a key: see receiver_packet */
	uint64_t repeated;	/* came again, or far too late */
	uint64_t crypto_periods;	/* distinct key identifiers among the packets descrambled */
	uint64_t stkm, accepted, repeats, refused[RECEIVER_REASONS];	/* STKM datagrams: all; new; the same again; by reason */
};

/* Opens an STKM: drm_receive or msk_receive with the terminal's keys. */
typedef enum rx_result receiver_open(void *self, const void *stkm, size_t len, int64_t utc_s, struct rx_keys *);

struct receiver;
struct receiver *receiver_new(size_t nmedia, receiver_open *, void *self);	/* NULL: no memory */
void receiver_free(struct receiver *);
/*
 * One STKM. Its keys are held until their lifetime has passed since the last STKM that named them, repeats included; without a
 * lifetime until two further identifiers were seen (bcast-scrambling-and-sdp 1.1) and packets come under another one.
 */
enum rx_result receiver_stkm(struct receiver *, const void *stkm, size_t len, int64_t utc_s, int64_t mono_us, enum rx_reason *why);
/*
 * One packet of a medium, opened in place (p on a 4-byte boundary). true: it is clear RTP now. Before the first STKM a terminal
 * waits; it also waits, at most RECEIVER_TUNE_IN_US, when that STKM was of the crypto-period to come and what is on air is
 * scrambled with a key that is no longer broadcast.
 */
enum { RECEIVER_TUNE_IN_US = 10 * 1000 * 1000 };
bool receiver_packet(struct receiver *, size_t medium, uint8_t *p, size_t *len, int64_t mono_us);
/* Drops keys whose lifetime has passed; receiver_stkm does it, too. */
void receiver_tick(struct receiver *, int64_t mono_us);
void receiver_counts(const struct receiver *, struct receiver_counts *);
size_t receiver_keys(const struct receiver *);	/* held now */
#endif
