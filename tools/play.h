/* tools/play.h: what simulgate-play plays: datagrams, each with its time since the beginning. Sources do no I/O but reading. */
#ifndef TOOLS_PLAY_H
#define TOOLS_PLAY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"

struct play_datagram {
	int64_t due_ns;		/* since the first one; never falls */
	const uint8_t *p;	/* the source's, until the next call */
	size_t len;
	unsigned stream;	/* which of several; 0 */
};
struct play_source {
	/* 1: a datagram; 0: the end (never of a loop); -1 with why. */
	int (*next)(struct play_source *, struct play_datagram *, struct gw_err *);
	void (*free)(struct play_source *);
};

struct play_rtp { bool on; uint32_t ssrc, timestamp; uint16_t sequence; uint8_t payload_type; };	/* where it starts */

/*
 * An MPEG-2 transport stream (packets of 188 octets) in memory that outlives the source. The pace is that of the first PID with
 * a PCR. Seven packets a datagram, with rtp.on behind an RTP header (payload type 33 whatever rtp says, 90 kHz, RFC 2250). Refused with the
 * reason: lost packet borders, no two PCRs to take a pace from.
 *
 * From pass to pass of a loop the octets stay as they are but for two things: continuity_counters go on, so that no receiver
 * sees a loss, and the first PCR of a PID and pass has its discontinuity_indicator set, since clock and time stamps begin anew.
 */
struct play_source *play_ts(const uint8_t *bytes, size_t len, bool loop, const struct play_rtp *, struct gw_err *);

/* Whether n packets begin with a sync octet each; 0, or -1 with why. */
int play_ts_check(const uint8_t *bytes, size_t n, struct gw_err *);

/*
 * The first program's H.264 and AAC (ADTS), those of them that are on, as RTP: RFC 6184 (packetization-mode 1: NAL units alone, or in FU-A)
 * and RFC 3640 (AAC-hbr, a frame a packet). Each access unit is due at its decoding time. The octets need not outlive the source, which
 * keeps the access units. Refused: what play_ts refuses but for PCRs; a stream that is on and not there.
 *
 * From pass to pass of a loop sequence numbers and time stamps go on. A pass lasts until the longer of both streams has ended, whichever
 * are on, so that two players of one file stay together.
 */
enum play_stream { PLAY_H264, PLAY_AAC, PLAY_STREAMS };
struct play_source *play_es(const uint8_t *bytes, size_t len, bool loop, const struct play_rtp rtp[PLAY_STREAMS], struct gw_err *err);
/* What the fmtp of its session description must say of the encoder. False: it has no such stream, or no parameter sets at its beginning. */
enum { PLAY_FMTP = 1024 };
bool play_es_fmtp(const struct play_source *, enum play_stream, char out[PLAY_FMTP]);

/*
 * A capture, pcap or pcapng: the UDP payloads, as they are, at the pace of the capture. port: destination port, 0 is any.
 * Refused with the reason: not a capture, a link layer unknown here, no such datagram in it. A pass of a loop follows the one
 * before it after the mean distance of its datagrams.
 */
struct play_source *play_pcap(const char *path, bool loop, uint16_t port, struct gw_err *);
#endif
