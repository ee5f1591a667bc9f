/*
 * proto/au.h: access units in RTP: the AU header section of RFC 3640 3.2.1 with the fields that ISMACryp 1.1 adds, and H.264 packets
 * of RFC 6184 to and from samples of ISO/IEC 14496-15 (each NAL unit behind its length in four octets). Pure; total on any octets.
 */
#ifndef PROTO_AU_H
#define PROTO_AU_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the fmtp of a stream says. With the ISMACryp part 0 it is plain RFC 3640. Lengths beyond the bounds are refused by every call.
 * A delta IV counts from the octet behind the access unit before.
 */
struct au_params {
	uint8_t size_length, index_length, index_delta_length, cts_delta_length, dts_delta_length, stream_state;	/* bits, 0..32 */
	bool random_access;			/* randomAccessIndication */
	bool selective;				/* ISMACrypSelectiveEncryption: a flag octet */
	uint8_t iv_length, delta_iv_length;	/* octets, 0..8 and 0..2 */
	uint8_t key_length;			/* ISMACrypKeyIndicatorLength: octets, 0..8 */
	bool key_per_au;			/* ISMACrypKeyIndicatorPerAU */
};
/* The modes in use (sizeLength 13, 3, 3; DTSDeltaLength 22, randomAccessIndication 1), plain. */
extern const struct au_params au_aac_hbr, au_avc_video;
/* The same mode with the ISMACryp fields of this project: IV of 4 octets, a key indicator of key_length octets in the first header. */
struct au_params au_ismacryp(const struct au_params *mode, uint8_t key_length);

enum { AU_KEY = 8, AU_SECTION = 2 + 8192 };	/* most octets of a section: its length is 16 bits, in bits */
struct au {
	bool encrypted;				/* true where there is no flag octet */
	uint64_t iv;				/* byte stream offset of its first octet here; 0 without IVs */
	uint8_t key[AU_KEY];			/* key indicator; of the first header where it stands there only */
	uint32_t size;				/* of the whole access unit, as stated; 0 where sizeLength is 0 */
	uint32_t index;				/* AU-Index or AU-Index-delta */
	bool has_cts, has_dts, rap;
	uint32_t cts_delta, dts_delta, stream_state;	/* as they stand: two's complement in their length */
	const uint8_t *p; size_t len;		/* its octets in this packet, lent; fewer than size in a fragment */
};
struct au_reader {
	const struct au_params *params;
	const uint8_t *p;			/* the payload */
	size_t bit, end;			/* within it: the header that is next, where headers end */
	size_t data, len;			/* octets: where data begin or go on, where they end */
	size_t start;				/* where they began */
	size_t n;				/* headers read */
	uint64_t iv; uint8_t key[AU_KEY];	/* for the next, if its header does not say */
};
/* A payload of at most UINT32_MAX octets, lent. 0; -1: it is shorter than its section, has no header, or params are out of bounds. */
int au_read(struct au_reader *, const struct au_params *, const void *payload, size_t len);
/*
 * The next access unit: 1; 0: there is none and the data are used up; -1: a header goes on behind the section, a size does not fit (a lone
 * access unit may state more than is there: a fragment), or octets are left over.
 */
int au_next(struct au_reader *, struct au *);
/* Writes a section of n headers (1 or more). Octets written; 0: no room, or a value does not fit its length. The p and len of an au are not used. */
size_t au_write(const struct au_params *, const struct au *, size_t n, uint8_t *out, size_t cap);
/*
 * The same checks for a plain section of AAC-hbr, whose headers are two octets each: how many there are, in 2 + 2 * n octets of section. 0: what
 * au_read or au_next would refuse. *size is that of the first access unit, more than is there if it is a fragment.
 */
size_t au_hbr(const void *payload, size_t len, uint32_t *size);
/* Octets of a section with one header without CTS and DTS. */
size_t au_section_len(const struct au_params *);

/* ---- H.264 ---- */
enum { H264_LENGTH = 4 };	/* octets before each NAL unit */
enum h264_verdict { H264_OK, H264_MALFORMED, H264_TOO_LONG };
/* An access unit that grows in the caller's buffer. */
struct h264_au {
	uint8_t *p; size_t len, cap;
	size_t nal;			/* where the NAL unit that is not complete began; only with open */
	bool open;			/* its fragments are still to come */
	bool idr;			/* has a slice of an IDR picture */
};
void h264_au_reset(struct h264_au *);	/* empties it */
/*
 * Appends the NAL units of one packet: a single one, a STAP-A or an FU-A (non-interleaved mode). The others, sizes that do not
 * fit, and fragments that do not belong to the one that is open are malformed. After a fault the access unit is of no use.
 */
enum h264_verdict h264_add(struct h264_au *, const void *payload, size_t len);
/* Whole: at least one NAL unit, none of them open. */
bool h264_complete(const struct h264_au *);
/* May a packet with this payload be the first of an access unit (H.264 7.4.1.2.3, 7.4.1.2.4)? For streams joined in the middle. */
bool h264_may_begin(const void *payload, size_t len);

/* Packets of an access unit, one by one. */
struct h264_split { const uint8_t *p; size_t len, at, rest; uint8_t header; };	/* rest: octets to come of a NAL unit in fragments */
/* 0; -1 when it is not made of NAL units of types 1 to 23 with their lengths: nothing may then be sent of it. */
int h264_split(struct h264_split *, const void *au, size_t len);
/* One payload of at most cap octets (3 or more). Its octets; 0 at the end. */
size_t h264_next(struct h264_split *, uint8_t *out, size_t cap);
bool h264_ended(const struct h264_split *);	/* that was the last */
#endif
