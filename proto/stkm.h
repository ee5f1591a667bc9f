/*
 * proto/stkm.h: the short term key message of the DRM profile and what both profiles share: protections, key material, key
 * identifiers, access criteria. Pure: nothing is decrypted or verified here. bcast-drm-profile 3.
 */
#ifndef PROTO_STKM_H
#define PROTO_STKM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stkm_protocol { STKM_IPSEC = 0, STKM_SRTP = 1, STKM_ISMACRYP = 2, STKM_DCF = 3, STKM_TS = 7 };	/* traffic_protection_protocol */
enum stkm_cipher { STKM_CSA2 = 0, STKM_CISSA = 1 };	/* cipher_mode of STKM_TS */
enum {
	STKM_ID_MAX = 8,	/* octets of a key identifier */
	STKM_MATERIAL_MAX = 48,	/* octets of padded key material */
	STKM_MAC = 12, STKM_PEK = 16,
	STKM_MAX = 2 + 1 + 2 * STKM_ID_MAX + 1 + 2 * STKM_MATERIAL_MAX + 1 + 5 + 1 + 1 + 255 * 257 + STKM_PEK + 2 * (4 + STKM_MAC)
};
enum stkm_fault { STKM_OK, STKM_TRUNCATED, STKM_VERSION, STKM_NO_LAYER, STKM_BAD_PROTOCOL, STKM_BAD_ID, STKM_BAD_CIPHER,
	STKM_BAD_MATERIAL, STKM_BAD_TIME, STKM_BAD_CRITERIA, STKM_TRAILING, STKM_TOO_LONG };

/* Octets of one traffic key as the message carries it: TEK, salt, pad (zeros), TAS in this order; without the pad it is a CW. */
struct stkm_layout { uint8_t protocol, authenticated, cipher, tek, salt, pad, tas; };

struct stkm {
	uint8_t version, protection_after_reception, protocol;
	bool authenticated, has_next, has_timestamp, has_permissions, has_criteria, program, service;
	uint8_t id_len, id[STKM_ID_MAX], next_id[STKM_ID_MAX];	/* SPI, MKI, key indicator, DCF key identifier; none for TS */
	uint8_t odd, cipher;		/* TS: parity of the current key; the next one has the other */
	uint8_t material_len, material[STKM_MATERIAL_MAX], next_material[STKM_MATERIAL_MAX];	/* encrypted */
	uint8_t lifetime;		/* n: 2^n s */
	uint64_t timestamp;		/* mjdutc, 40 bits */
	uint8_t permissions_category;
	const uint8_t *criteria; size_t criteria_len;	/* the descriptor loop; lent by the message or the caller */
	uint8_t encrypted_PEK[STKM_PEK];		/* both layers only */
	uint32_t program_CID_extension, service_CID_extension;
	uint8_t program_MAC[STKM_MAC], service_MAC[STKM_MAC];
	size_t program_MAC_at, service_MAC_at;		/* a MAC covers all octets before it; set by decode and encode */
	uint8_t reserved[3];	/* reserved bits as received, in order; a sender leaves 0 */
};

/* The whole message. 0, or -1 with the reason in *why (may be NULL). */
int stkm_decode(const void *buf, size_t len, struct stkm *, enum stkm_fault *why);
/* Octets written, MACs as they stand in the struct; 0 with *why when a field is out of range or cap too small. */
size_t stkm_encode(struct stkm *, void *out, size_t cap, enum stkm_fault *why);
/* One line, as snprintf; no octet of the key material. */
size_t stkm_print(const struct stkm *, char *out, size_t cap);
const char *stkm_fault_text(enum stkm_fault);
const char *stkm_protocol_name(uint8_t protocol);	/* "srtp"; NULL: unknown */
int stkm_protocol_find(const char *name);		/* -1: none of them */

/*
 * What a receiver may know before the MAC has been verified: the layers, their extensions and where the MACs stand. The MACs
 * are at the end, so nothing else has to be parsed. 0, or -1: too short, another version, no layer.
 */
struct stkm_tail { bool program, service; uint32_t program_CID_extension, service_CID_extension; size_t program_MAC_at, service_MAC_at; };
int stkm_peek(const void *buf, size_t len, struct stkm_tail *, enum stkm_fault *why);

/* cipher matters for STKM_TS only. NULL: no such protection. */
const struct stkm_layout *stkm_layout(uint8_t protocol, bool authenticated, uint8_t cipher);
/* Descriptors in a loop of (tag, length, value): 0..255, or -1 when they do not fill it exactly or are too many. */
int stkm_criteria_count(const void *loop, size_t len);
/* The key identifier of a CP (bcast-scrambling-and-sdp 1.1); octets written, 0: no such protocol. TS: one octet, the parity. */
size_t stkm_key_id(uint8_t protocol, uint16_t stream_index, uint16_t cp, uint8_t out[STKM_ID_MAX]);
/* Smallest n, 0..15, with 2^n s >= the crypto-period and the overlap. */
uint8_t stkm_lifetime(uint32_t cp_ms, uint32_t overlap_ms);

/* UTC as mjdutc, EN 300 468 annex C. -1: before 1858-11-17 or after 2038-04-22, the last day of the 16-bit MJD. */
int stkm_mjdutc(int64_t unix_s, uint64_t *out);
/* -1: not BCD, or no time of day. Two well-formed values also compare as integers. */
int stkm_unix(uint64_t mjdutc, int64_t *unix_s);
#endif
