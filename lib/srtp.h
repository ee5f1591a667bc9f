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

#endif
