/*
 * terminal/receiver.h: a handset's view of one protected unit: STKMs in, keys kept as long as they must be; packets in, clear
 * packets and counts out. The same for all profiles and all protections (rows of lib/transform.h); no I/O, no clock.
 */
#ifndef TERM_RECEIVER_H
#define TERM_RECEIVER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kms/rx.h"
#include "lib/err.h"
#include "lib/transform.h"

enum { RECEIVER_REASONS = RX_FAILED + 1 };

struct receiver_counts {
	uint64_t packets;	/* descrambled right */
	uint64_t clear;		/* came in clear: what no key was needed for, although it is to be protected */
	uint64_t lost;		/* missing between the first and the newest of them, arrived undecryptable or not at all */
	uint64_t reordered;	/* of the right ones: came after one that follows them */
	uint64_t undecryptable;	/* unknown_key, bad_tag, and those that are not what their protection or payload type promises */
	uint64_t unknown_key;	/* no key has the identifier that it names */
	uint64_t bad_tag;	/* not authentic under the key that it names */
	uint64_t waiting;	/* came before this terminal could have a key: see receiver_packet */
	uint64_t repeated;	/* came again, or far too late */
	uint64_t rtcp, rtcp_bad;	/* RTCP, which is in none of those above: descrambled right; not, or came again */
	uint64_t crypto_periods;	/* distinct keys that packets were descrambled with */
	uint64_t stkm, accepted, repeats, refused[RECEIVER_REASONS];	/* STKM datagrams: all; new; the same again; by reason */
};

/* Opens an STKM: drm_receive or msk_receive with the terminal's keys. */
typedef enum rx_result receiver_open(void *self, const void *stkm, size_t len, int64_t utc_s, struct rx_keys *);

struct receiver;
/* media: one conf for each of nmedia. NULL: with *err. */
struct receiver *receiver_new(const struct gw_transform *, const struct gw_rx_conf *media, size_t nmedia, receiver_open *, void *self,
    struct gw_err *err);
void receiver_free(struct receiver *);
/*
 * One STKM; refused when its keys are of another protection. They are held until their lifetime has passed since the last STKM
 * that named them, repeats included; without a lifetime until two further identifiers were seen (bcast-scrambling-and-sdp 1.1) and
 * packets come under another one. In a transport stream a key is named by its parity only: the next key of an STKM is taken once
 * packets come under the current one, since until then its name is that of the key before.
 */
enum rx_result receiver_stkm(struct receiver *, const void *stkm, size_t len, int64_t utc_s, int64_t mono_us, enum rx_reason *why);
/*
 * One packet of a medium, opened in place (p on a 4-byte boundary). True: pk is clear now. False: nothing to be sent on but what the
 * protection made of it, which is with the sink. Before the first STKM a terminal waits; it also waits, at most
 * RECEIVER_TUNE_IN_US, when that STKM was of the crypto-period to come and what is on air is scrambled with a key that is no longer
 * broadcast.
 */
enum { RECEIVER_TUNE_IN_US = 10 * 1000 * 1000 };
bool receiver_packet(struct receiver *, size_t medium, struct gw_pk *, struct gw_sink *, int64_t mono_us);
/*
 * The same where one of n media (ESP: their port is within) must be its own; *which: the one that it was counted for. A copy is made
 * for each but the last, of RECEIVER_COPY octets at most.
 */
enum { RECEIVER_COPY = 65536 };
bool receiver_among(struct receiver *, const size_t *media, size_t n, size_t *which, struct gw_pk *, struct gw_sink *, int64_t mono_us);
/*
 * One RTCP packet of a medium, opened in place; for protections that have unprotect_rtcp. True: pk is clear now. Counted apart, but for
 * one that came before this terminal could have its key, or in clear. RTCP within ESP comes among the packets and is counted, too.
 */
bool receiver_rtcp(struct receiver *, size_t medium, struct gw_pk *, int64_t mono_us);
/* The same for one that came where only clear ones come (ESP: by UDP). */
void receiver_clear(struct receiver *, size_t medium, struct gw_pk *);
/*
 * The addresses that the packets of a medium come between from now on: ESP in transport mode then verifies the checksums of the datagrams
 * within, which other protections do not have. Without, its authentication is what vouches for them.
 */
void receiver_between(struct receiver *, size_t medium, const struct sockaddr_storage *from, const struct sockaddr_storage *to);
/* Drops keys whose lifetime has passed; receiver_stkm does it, too. */
void receiver_tick(struct receiver *, int64_t mono_us);
void receiver_counts(const struct receiver *, struct receiver_counts *);
void receiver_add(struct receiver_counts *sum, const struct receiver_counts *);
size_t receiver_keys(const struct receiver *);	/* held now */
#endif
