/*
 * lib/srtp.h: SRTP and SRTCP (RFC 3711) with MKI: AES-CM-128, HMAC-SHA1-80 or no tag (SRTCP: always one); RFC 4771 RCCm2.
 *
 * A packet is RTP header | cipher text | MKI | tag. Indices: lib/srtp_index.h. With a rate of R a packet whose sequence number R
 * divides has ROC (4 octets) and MAC (6) as its tag.
 */
#ifndef GW_SRTP_H
#define GW_SRTP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/srtp_index.h"

/* marks_len and marks hold for both engines. RTCP: protect_rtcp, unprotect_rtcp; it grows by 22 octets at most. */
extern const struct gw_transform gw_transform_srtp;	/* of lib/transform.h */

/* libsrtp2 is started by the first that needs it; a program may do it before, to be told early. Any thread. */
int gw_srtp_init(struct gw_err *);
void gw_srtp_fini(void);	/* when nothing of it is left */

/* RTCP, or SRTCP, by its first two octets and its length: types 200..204 where RTP has marker and payload type (RFC 5761 4). */
bool gw_srtp_is_rtcp(const uint8_t *p, size_t len);

/* ---- as it was before there were rows: on top of the row's engine libsrtp2 ---- */

enum {
	GW_SRTP_KEY = 16, GW_SRTP_SALT = 14, GW_SRTP_MKI = 8,	/* bytes; GW_SRTP_MKI: the longest identifier */
	GW_SRTP_TAIL = 144,	/* room that must follow a packet to be protected (libsrtp2 asks for it); most that it grows is 18 */
	GW_SRTP_SOURCES = 64,	/* SSRCs a receiver follows at a time */
	GW_SRTP_KEYS = 8,	/* keys a receiver holds at a time */
};

enum gw_srtp_verdict {		/* lib/transform.h has the meanings */
	GW_SRTP_OK, GW_SRTP_NOT_RTP, GW_SRTP_NO_KEY, GW_SRTP_REPEAT, GW_SRTP_OLD, GW_SRTP_FULL, GW_SRTP_TAKEN, GW_SRTP_FORGED,
	GW_SRTP_FAILED, GW_SRTP_VERDICTS
};
const char *gw_srtp_verdict_name(int);	/* "ok", "not_rtp", … */

struct gw_srtp_key {
	uint8_t mki[GW_SRTP_MKI]; size_t mki_len;	/* 1..8 */
	const uint8_t *key, *salt;			/* GW_SRTP_KEY and GW_SRTP_SALT bytes, lent */
	bool authenticated;				/* HMAC-SHA1-80; else no tag */
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
