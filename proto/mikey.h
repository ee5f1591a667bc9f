/*
 * proto/mikey.h: MIKEY (RFC 3830) as the Smartcard profile uses it: STKM, LTKM, pull, verification, error, reporting.
 * Pure: structure only, nothing is derived, decrypted or verified. A decoded message borrows its buffer. bcast-smartcard-profile 2.
 */
#ifndef PROTO_MIKEY_H
#define PROTO_MIKEY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mikey_data_type { MIKEY_PSK = 0, MIKEY_PSK_VERIFY = 1, MIKEY_ERROR = 6 };
enum mikey_payload_type { MIKEY_LAST = 0, MIKEY_KEMAC = 1, MIKEY_T = 5, MIKEY_ID = 6, MIKEY_V = 9, MIKEY_SP = 10, MIKEY_RAND = 11,
	MIKEY_ERR = 12, MIKEY_KEY_DATA = 20, MIKEY_EXT = 21 };
enum { MIKEY_MAP_SRTP = 0, MIKEY_MAP_EMPTY = 1 };
enum { MIKEY_TS_UTC = 0, MIKEY_TS_NTP = 1, MIKEY_TS_COUNTER = 2 };
enum { MIKEY_ENCR_NULL = 0, MIKEY_ENCR_AES_CM = 1, MIKEY_ENCR_AES_KW = 2 };
enum { MIKEY_MAC_NULL = 0, MIKEY_MAC_SHA1 = 1 };
enum { MIKEY_TGK = 0, MIKEY_TGK_SALT = 1, MIKEY_TEK = 2, MIKEY_TEK_SALT = 3 };
enum { MIKEY_KV_NULL = 0, MIKEY_KV_SPI = 1, MIKEY_KV_INTERVAL = 2 };
enum { MIKEY_EXT_MBMS = 3, MIKEY_EXT_BCAST = 5 };
enum { MIKEY_BCAST_LTKM = 1, MIKEY_BCAST_STKM = 2, MIKEY_BCAST_REPORT = 3, MIKEY_BCAST_PARENTAL = 4 };
enum { MIKEY_MAC = 20, MIKEY_PAYLOADS = 16, MIKEY_HEADER = 10 };

enum mikey_fault { MIKEY_OK, MIKEY_TRUNCATED, MIKEY_BAD_VERSION, MIKEY_BAD_DATA_TYPE, MIKEY_BAD_MAP, MIKEY_BAD_PAYLOAD, MIKEY_ORDER,
	MIKEY_REPEATED, MIKEY_BAD_TS, MIKEY_BAD_ID, MIKEY_BAD_MAC_ALG, MIKEY_BAD_KEY_ID, MIKEY_BAD_MANAGEMENT, MIKEY_BAD_KEY_DATA,
	MIKEY_TRAILING, MIKEY_TOO_LONG };

struct mikey_view { const uint8_t *p; size_t len; };	/* p NULL: absent */
/* EXT MBMS: which key a message carries or is protected with. */
struct mikey_ids { bool has_domain, has_key, has_tek; uint8_t domain[3]; uint16_t key_group, key_number, tek_id; };

struct mikey {
	uint8_t data_type, v, prf, map_type, ncs;
	uint32_t csb_id;
	struct mikey_view map;		/* SRTP-ID entries, 9 octets each */
	size_t n; struct { uint8_t type; struct mikey_view body; } payload[MIKEY_PAYLOADS];	/* in order; body: after "next payload" */
	/* views into the payloads */
	bool has_t; uint8_t ts_type; uint64_t ts;
	bool has_ids; struct mikey_ids ids;
	struct mikey_view rand, idi, idr, sp, bcast;	/* bcast: the first EXT BCAST, subtype included; an ID that stands alone is idr */
	uint8_t id_type[2];
	bool has_kemac; uint8_t encr_alg, mac_alg; struct mikey_view encr;
	bool has_v, has_err; uint8_t err;
	struct mikey_view mac; size_t mac_at;	/* of KEMAC or V: it covers all octets before it */
};

/* The whole message. 0, or -1 with the reason in *why (may be NULL). */
int mikey_decode(const void *buf, size_t len, struct mikey *, enum mikey_fault *why);
/* One line, as snprintf: identifiers and sizes, no key, not even an encrypted one. */
size_t mikey_print(const struct mikey *, char *out, size_t cap);
const char *mikey_fault_text(enum mikey_fault);
/* The number of the ERR payload that tells the peer of a fault (2.8). */
uint8_t mikey_err_of(enum mikey_fault);

/* The key data inside a KEMAC, in clear: at most max sub-payloads. The count, or -1. */
struct mikey_key { uint8_t type, kv; struct mikey_view key, salt, from, to; };	/* KV 1: from is the SPI or MKI; KV 2: interval */
int mikey_keys(const void *plain, size_t len, struct mikey_key *, size_t max, enum mikey_fault *why);
/* KV interval of TEK IDs: two octets each. -1: another kind. */
int mikey_interval(const struct mikey_key *, uint16_t *lower, uint16_t *upper);
/* Octets of one sub-payload that is the last; 0: does not fit. */
size_t mikey_put_key(const struct mikey_key *, void *out, size_t cap);

/* EXT BCAST of subtype 1 or 2 (2.7). */
struct mikey_management {
	uint8_t subtype, version;
	uint8_t protection_after_reception, protocol, lifetime; bool authenticated;	/* STKM */
	bool consumption_reporting; struct mikey_view policy;				/* LTKM */
	struct mikey_view criteria;	/* the descriptor loop, without reserved and count */
	struct mikey_view binding;	/* terminalBindingKeyID, URI length, URI */
};
int mikey_management(const struct mikey_view *ext, struct mikey_management *, enum mikey_fault *why);
/* Octets, subtype first; 0: a field out of range or no room. */
size_t mikey_put_management(const struct mikey_management *, void *out, size_t cap);

/* Writing: a begin, the payloads in order, an end. The first mistake is kept; later puts do nothing. */
struct mikey_writer { uint8_t *buf; size_t cap, len, next_at; enum mikey_fault fault; };
void mikey_begin(struct mikey_writer *, void *buf, size_t cap, uint8_t data_type, uint8_t v, uint32_t csb_id);	/* empty map */
void mikey_begin_map(struct mikey_writer *, void *buf, size_t cap, const struct mikey *like);	/* a decoded message's header */
void mikey_put(struct mikey_writer *, uint8_t type, const void *body, size_t len);
void mikey_put_ids(struct mikey_writer *, const struct mikey_ids *);
void mikey_put_ext(struct mikey_writer *, uint8_t ext_type, const void *data, size_t len);
void mikey_put_bcast(struct mikey_writer *, const struct mikey_management *);	/* EXT BCAST */
void mikey_put_counter(struct mikey_writer *, uint32_t counter);
void mikey_put_rand(struct mikey_writer *, const void *rand, size_t len);
void mikey_put_id(struct mikey_writer *, const char *name);	/* NAI */
void mikey_put_err(struct mikey_writer *, uint8_t number);
/* AES-CM-128 and HMAC-SHA-1-160; where the n octets of ciphertext and the MAC go; they are zeroed. NULL after a fault. */
uint8_t *mikey_put_kemac(struct mikey_writer *, size_t n, size_t *mac_at);
uint8_t *mikey_put_v(struct mikey_writer *, size_t *mac_at);
/* Octets of the message; 0 after a fault. */
size_t mikey_end(struct mikey_writer *, enum mikey_fault *why);
#endif
