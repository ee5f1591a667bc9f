/*
 * terminal/es.h: clear RTP packets as a file that players open: a transport stream bare, H.264 (RFC 6184) as an Annex B stream, AAC
 * (RFC 3640, mode AAC-hbr) as an ADTS stream. Pure; whatever does not parse becomes no octets.
 */
#ifndef TERM_ES_H
#define TERM_ES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/transform.h"

enum { ES_FRAME_MAX = 8191 - 7 };	/* octets of an AAC frame: ADTS has 13 bits for it and its header */
struct es {
	enum gw_media_type type;
	bool open; uint16_t next;	/* H.264: within a fragmented NAL unit, whose next packet has this number */
	uint8_t profile, rate, channels;	/* AAC: as ADTS has them */
	size_t want, have; uint8_t frame[ES_FRAME_MAX];	/* AAC: a frame that comes in fragments */
};
/*
 * config: of AAC only, the AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1) in hexadecimal digits, as fmtp has it; what follows them is
 * ignored. 0, or -1: ADTS cannot say it.
 */
int es_init(struct es *, enum gw_media_type, const char *config);
/* The config parameter within the text of an fmtp; NULL: none. */
const char *es_config(const char *fmtp);
/* Octets that a packet of so many becomes, at most. */
#define ES_ROOM(packet) (8 * (packet) + ES_FRAME_MAX + 16)
size_t es_take(struct es *, const uint8_t *packet, size_t len, uint8_t *out);
#endif
