/*
 * lib/srtp.h: SRTP (RFC 3711) with MKI: AES-CM-128, HMAC-SHA1-80 or no tag; the transform is libsrtp2's, packet indices are ours.
 *
 * A packet is RTP header | cipher text | MKI | tag. The 48-bit index of a packet (ROC and sequence number, per SSRC) does not
 * start again with a new master key (3.3.1). RTCP is not carried.
 *
 * Sender: an index is used at most once, whatever the source does, so that no key stream is ever used twice:
 *   - a repeated sequence number, or one more than 63 behind the highest, is dropped;
 *   - two packets in a row that follow one another but lie outside that window are a restarted source (RFC 3550 A.1): the
 *     ROC rises until the index lies ahead of all used ones. The first of the two is lost; a receiver finds the new ROC by
 *     authentication (gw_srtp_unprotect does).
 */
#ifndef GW_SRTP_H
#define GW_SRTP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"

enum {
	GW_SRTP_KEY = 16, GW_SRTP_SALT = 14, GW_SRTP_MKI = 8,	/* bytes; GW_SRTP_MKI: the longest identifier */
	GW_SRTP_TAIL = 144,	/* room that must follow a packet to be protected (libsrtp2 asks for it); most that it grows is 18 */
	GW_SRTP_SOURCES = 64,	/* SSRCs a receiver follows at a time */
	GW_SRTP_KEYS = 8,	/* keys a receiver holds at a time */
};

enum gw_srtp_verdict {
	GW_SRTP_OK,
	GW_SRTP_NOT_RTP,	/* no RTP version 2 header, or too short for what it announces */
	GW_SRTP_NO_KEY,		/* sender: no key yet; receiver: no key has this MKI */
	GW_SRTP_REPEAT,		/* this index was seen */
	GW_SRTP_OLD,		/* outside the window: late, or the first packet of a restarted source */
	GW_SRTP_FULL,		/* more sources under one key than the table holds */
	GW_SRTP_TAKEN,		/* sender: another input has used this SSRC under this key: two packets could share a key stream */
	GW_SRTP_FORGED,		/* receiver: authentication failed with the key its MKI names */
	GW_SRTP_FAILED,		/* libsrtp2 refused */
	GW_SRTP_VERDICTS
};
const char *gw_srtp_verdict_name(int);	/* "ok", "not_rtp", … */

struct gw_srtp_key {
	uint8_t mki[GW_SRTP_MKI]; size_t mki_len;	/* 1..8 */
	const uint8_t *key, *salt;			/* GW_SRTP_KEY and GW_SRTP_SALT bytes, lent */
	bool authenticated;				/* HMAC-SHA1-80; else no tag */
};

int gw_srtp_init(struct gw_err *);	/* once per process, before the rest */
void gw_srtp_fini(void);

/*
 * What a sender must not forget while a key is in use: which indices of an SSRC are spent. Plain data without pointers, so that
 * it may lie in a mapped file and outlive the process.
 */
struct gw_srtp_mark {
	uint32_t ssrc, used;		/* used: 0 free */
	uint64_t highest, window;	/* bit n of window: highest - n is spent */
	uint8_t key[8];			/* names the key last used, without showing it */
};

struct gw_srtp_tx;
/* marks: n of them, lent until gw_srtp_tx_free; zeroed at first, or as an earlier process left them. NULL: no memory. */
struct gw_srtp_tx *gw_srtp_tx_new(struct gw_srtp_mark *marks, size_t n);
void gw_srtp_tx_free(struct gw_srtp_tx *);
/* Makes a key ready for every source that is sending; replaces one made ready before. The key in force goes on. */
int gw_srtp_tx_prepare(struct gw_srtp_tx *, const struct gw_srtp_key *, struct gw_err *);
/* The prepared key is in force from the next packet on: swaps pointers. Nothing prepared: nothing happens. */
void gw_srtp_tx_switch(struct gw_srtp_tx *);
/* No key, nothing prepared: every packet is GW_SRTP_NO_KEY. */
void gw_srtp_tx_forget(struct gw_srtp_tx *);
/*
 * In place; p on a 4-byte boundary with GW_SRTP_TAIL bytes of room after *len. Allocates only for a source's first packet.
 * input: where it comes from, among all that are scrambled with these keys.
 */
int gw_srtp_protect(struct gw_srtp_tx *, uint32_t input, uint8_t *p, size_t *len);
/* Sources that sent under the key in force, and the highest ROC of any of them: an operator tells it to receivers. */
size_t gw_srtp_tx_sources(const struct gw_srtp_tx *, uint32_t *roc);

struct gw_srtp_rx;
struct gw_srtp_rx *gw_srtp_rx_new(void);	/* NULL: no memory */
void gw_srtp_rx_free(struct gw_srtp_rx *);
/* Adds a key. The same MKI again: the same key changes nothing, another replaces it. A full table drops the one longest there. */
int gw_srtp_rx_key(struct gw_srtp_rx *, const struct gw_srtp_key *, struct gw_err *);
void gw_srtp_rx_drop(struct gw_srtp_rx *, const uint8_t *mki, size_t mki_len);
/*
 * In place, with the key whose MKI is in the packet and no other; p on a 4-byte boundary. On GW_SRTP_OK *index is the packet's
 * 48-bit index. Who joins late starts with ROC 0 and looks for the ROC under which the packet is authentic, some with each
 * packet; without authentication there is nothing to tell a right ROC by, and 0 is taken.
 */
int gw_srtp_unprotect(struct gw_srtp_rx *, uint8_t *p, size_t *len, uint64_t *index);
/* The MKI of a protected packet, by the keys held; NULL: none of them. */
const uint8_t *gw_srtp_rx_mki(const struct gw_srtp_rx *, const uint8_t *p, size_t len, size_t *mki_len);
#endif
