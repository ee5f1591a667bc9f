/* terminal/es.c */
#include "terminal/es.h"
#include <string.h>
#include <strings.h>
#include "proto/rtp.h"

enum { TS_PACKET = 188, TS_SYNC = 0x47, STAP_A = 24, FU_A = 28, NAL_LAST = 23, FU_START = 0x80, FU_END = 0x40,
	AU_HEADER = 2, ADTS_HEADER = 7, SBR = 5, PS = 29, RATE_EXPLICIT = 15 };

/* ---- set-up ---- */

const char *
es_config(const char *fmtp)
{
	for (const char *p = fmtp; p && *p; p++)
		if ((p == fmtp || p[-1] == ';' || p[-1] == ' ') && strncasecmp(p, "config=", 7) == 0)
			return p + 7;
	return NULL;
}

static unsigned
bits(uint64_t *word, unsigned n)
{
	unsigned v = n ? (unsigned)(*word >> (64 - n)) : 0;

	*word <<= n;
	return v;
}

static uint64_t
hex_word(const char *p)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	uint64_t word = 0;
	const char *d;
	int shift = 60;

	for (; p && *p && shift >= 0 && (d = strchr(digits, *p)); p++, shift -= 4)
		word |= (uint64_t)((d - digits) % 16) << shift;
	return word;
}

int
es_init(struct es *e, enum gw_media_type type, const char *config)
{
	uint64_t word = hex_word(config);
	unsigned object = bits(&word, 5), rate = bits(&word, 4), channels = bits(&word, 4);

	*e = (struct es){ .type = type };
	if (type != GW_MEDIA_AAC)
		return 0;
	if (object == SBR || object == PS) {	/* ADTS names the core; decoders find the extension by themselves */
		bits(&word, bits(&word, 4) == RATE_EXPLICIT ? 24 : 0);
		object = bits(&word, 5);
	}
	if (object < 1 || object > 4 || rate >= 13 || channels < 1 || channels > 7)
		return -1;
	e->profile = (uint8_t)(object - 1);
	e->rate = (uint8_t)rate;
	e->channels = (uint8_t)channels;
	return 0;
}

/* ---- H.264 ---- */

static size_t
put_nal(uint8_t *out, const uint8_t *nal, size_t len)
{
	static const uint8_t start[] = { 0, 0, 0, 1 };

	memcpy(out, start, sizeof(start));
	memcpy(out + sizeof(start), nal, len);
	return sizeof(start) + len;
}

static size_t
put_stap(uint8_t *out, const uint8_t *p, size_t len)
{
	size_t n = 0, at = 1;

	while (len - at > 2) {
		size_t nal = (size_t)(p[at] << 8 | p[at + 1]);
		if (nal == 0 || nal > len - at - 2)
			break;
		n += put_nal(out + n, p + at + 2, nal);
		at += 2 + nal;
	}
	return n;
}

/* Without its start a NAL unit is of no use; one that lacks a fragment ends where it is. */
static size_t
put_fragment(struct es *e, uint8_t *out, const uint8_t *p, size_t len, uint16_t seq)
{
	uint8_t header;
	size_t n = 0;

	if (len < 2)
		return 0;
	header = (uint8_t)((p[0] & 0xe0) | (p[1] & 0x1f));
	e->open = (p[1] & FU_START) || (e->open && seq == e->next);
	if (!e->open)
		return 0;
	if (p[1] & FU_START)
		n = put_nal(out, &header, 1);
	memcpy(out + n, p + 2, len - 2);
	e->open = !(p[1] & FU_END);
	e->next = (uint16_t)(seq + 1);
	return n + len - 2;
}

static size_t
take_h264(struct es *e, const uint8_t *p, size_t len, const struct rtp *rtp, uint8_t *out)
{
	unsigned type = len ? p[0] & 0x1f : 0;

	if (type == FU_A)
		return put_fragment(e, out, p, len, rtp->seq);
	e->open = false;
	if (type == STAP_A)
		return put_stap(out, p, len);
	return type >= 1 && type <= NAL_LAST ? put_nal(out, p, len) : 0;
}

/* ---- AAC ---- */

static size_t
put_frame(const struct es *e, uint8_t *out, const uint8_t *frame, size_t len)
{
	size_t n = ADTS_HEADER + len;

	out[0] = 0xff;		/* sync, MPEG-4, no CRC */
	out[1] = 0xf1;
	out[2] = (uint8_t)(e->profile << 6 | e->rate << 2 | e->channels >> 2);
	out[3] = (uint8_t)((e->channels & 3) << 6 | n >> 11);
	out[4] = (uint8_t)(n >> 3);
	out[5] = (uint8_t)((n & 7) << 5 | 0x1f);
	out[6] = 0xfc;
	memcpy(out + ADTS_HEADER, frame, len);
	return n;
}

/* A frame larger than a packet: each of its packets states the size of the whole (RFC 3640 3.2.3). */
static size_t
collect(struct es *e, uint8_t *out, const uint8_t *p, size_t len, size_t size, uint16_t seq)
{
	if (e->have == 0 || size != e->want || seq != e->next)
		e->have = 0;
	e->want = size;
	e->next = (uint16_t)(seq + 1);
	len = len < size - e->have ? len : size - e->have;
	memcpy(e->frame + e->have, p, len);
	e->have += len;
	if (e->have < size)
		return 0;
	e->have = 0;
	return put_frame(e, out, e->frame, size);
}

static size_t
take_aac(struct es *e, const uint8_t *p, size_t len, const struct rtp *rtp, uint8_t *out)
{
	size_t n = 0, headers = len >= 2 ? (size_t)(p[0] << 8 | p[1]) / 8 / AU_HEADER : 0, at = 2 + AU_HEADER * headers;

	if (at > len)
		return 0;
	for (size_t k = 0; k < headers; k++) {
		size_t size = (size_t)(p[2 + 2 * k] << 8 | p[3 + 2 * k]) >> 3;
		if (size == 0 || size > ES_FRAME_MAX)
			break;
		if (headers == 1 && size > len - at)
			return collect(e, out, p + at, len - at, size, rtp->seq);
		if (size > len - at)
			break;
		e->have = 0;	/* a whole one: what was begun stays without end */
		n += put_frame(e, out + n, p + at, size);
		at += size;
	}
	return n;
}

/* ---- transport streams ---- */

static size_t
take_ts(const uint8_t *p, size_t len, uint8_t *out)
{
	size_t n = 0;

	for (; len - n >= TS_PACKET && p[n] == TS_SYNC; n += TS_PACKET)
		memcpy(out + n, p + n, TS_PACKET);
	return n;
}

size_t
es_take(struct es *e, const uint8_t *packet, size_t len, uint8_t *out)
{
	const uint8_t *p = packet;
	struct rtp rtp;

	if (e->type == GW_MEDIA_TS && len && packet[0] == TS_SYNC)	/* without RTP, whose first two bits are 10 */
		return take_ts(packet, len, out);
	if (rtp_parse(packet, len, &rtp) < 0)
		return 0;
	p += rtp.header_len;
	switch (e->type) {
	case GW_MEDIA_TS: return take_ts(p, rtp.payload_len, out);
	case GW_MEDIA_H264: return take_h264(e, p, rtp.payload_len, &rtp, out);
	case GW_MEDIA_AAC: return take_aac(e, p, rtp.payload_len, &rtp, out);
	}
	return 0;
}
