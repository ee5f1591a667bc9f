/*
 * proto/bcro.h: the long-term key messages of the DRM profile on the broadcast channel: BCRO (bcast-drm-profile 8) and
 * device_registration_response with its key set (9). Pure: nothing is decrypted or verified here.
 */
#ifndef PROTO_BCRO_H
#define PROTO_BCRO_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a receiver refuses one: number, the name that vectors, status pages and logs use, a sentence. */
#define BCRO_REASONS(X) \
	X(BCRO_OK,            "ok",            "accepted") \
	X(BCRO_TRUNCATED,     "truncated",     "fewer octets than the length says, or than the fixed head needs") \
	X(BCRO_LENGTH,        "length",        "more octets than the length says, or inner lengths and counts that do not fill it") \
	X(BCRO_TAG,           "tag",           "the message tag is another") \
	X(BCRO_VERSION,       "version",       "the protocol version is another than 0") \
	X(BCRO_MODE,          "mode",          "the address mode is reserved") \
	X(BCRO_ADDRESS,       "address",       "for another group or device") \
	X(BCRO_BAD_MAC,       "mac",           "the MAC is wrong") \
	X(BCRO_ISSUER,        "issuer",        "the rights issuer is not the one this device knows") \
	X(BCRO_ASSET_COUNT,   "asset_count",   "there is no asset") \
	X(BCRO_ASSET_TYPE,    "asset_type",    "an asset is neither a service's nor a programme's") \
	X(BCRO_TIME,          "time",          "a time is not BCD, or no time of day") \
	X(BCRO_UNWRAP,        "unwrap",        "a wrapped key fails its integrity check") \
	X(BCRO_EXPIRED,       "expired",       "its validity is over") \
	X(BCRO_DEVICE,        "device",        "for another unique device number") \
	X(BCRO_STATUS,        "status",        "the rights issuer refused the registration") \
	X(BCRO_SIGNATURE,     "signature",     "the signature is wrong") \
	X(BCRO_SESSION_KEY,   "session_key",   "the session key cannot be decrypted, or has not 16 octets") \
	X(BCRO_KEYSET,        "keyset",        "an entry of the key set is bad, repeated or cut, or its end is missing") \
	X(BCRO_OLD,           "old",           "its time stamp is before that of the registration in force") \
	X(BCRO_UNREGISTERED,  "unregistered",  "this device has no registration yet") \
	X(BCRO_TOO_LONG,      "too_long",      "it does not fit into the octets there are") \
	X(BCRO_FAILED,        "failed",        "no memory for keys, or a cryptographic operation failed")
#define BCRO_X(id, name, text) id,
enum bcro_reason { BCRO_REASONS(BCRO_X) BCRO_NREASONS };
#undef BCRO_X
const char *bcro_reason_name(enum bcro_reason);
const char *bcro_reason_text(enum bcro_reason);

enum bcro_tag { BCRO_TAG_REGISTRATION = 0x01, BCRO_TAG_BCRO = 0x02 };
enum bcro_mode { BCRO_GROUP = 0, BCRO_UNIQUE = 1 };	/* mode 2, a subset of a group, has no key rule yet: refused */
enum bcro_asset_type { BCRO_SERVICE = 0, BCRO_PROGRAM = 1 };
enum { BCRO_ACCESS = 1, BCRO_RECORD = 2, BCRO_PLAY = 4, BCRO_EXPORT = 8 };	/* actions of a permission */
enum {
	BCRO_ADDRESS_LEN = 5, BCRO_ISSUER_LEN = 20, BCRO_BCI = 12, BCRO_WRAPPED = 40, BCRO_MAC = 12,
	BCRO_ASSETS = 63, BCRO_PERMISSIONS = 255,
	BCRO_HEAD = 3, BCRO_LEAST = BCRO_HEAD + 28, BCRO_MAX = BCRO_HEAD + 4095,
};

struct bcro_asset {
	uint8_t type, BCI[BCRO_BCI];	/* BCI: 8 octets for the BaseCID, then the CID extension */
	uint64_t valid_from, valid_to;	/* mjdutc: first second of validity, first second after it */
	uint8_t wrapped[BCRO_WRAPPED];	/* AES key wrap of SEK, SAS or PEK, PAS */
};
struct bcro {
	uint8_t mode, reserved;
	bool has_issuer, has_timestamp, has_refresh;
	uint8_t address[BCRO_ADDRESS_LEN], issuer[BCRO_ISSUER_LEN];
	uint64_t timestamp, refresh;	/* mjdutc */
	uint64_t rights_object_id;
	size_t nassets; struct bcro_asset asset[BCRO_ASSETS];
	size_t npermissions; struct { uint8_t category, actions; } permission[BCRO_PERMISSIONS];
	uint8_t MAC[BCRO_MAC];
	size_t MAC_at;			/* it covers all octets before; set by decode and encode */
};

/* What stands before the MAC may be looked at (steps 1 and 2 of a receiver): tag, version, length, mode. 0, or -1 with the reason. */
struct bcro_head { uint8_t mode; const uint8_t *address; size_t MAC_at; };
int bcro_peek(const void *buf, size_t len, struct bcro_head *, enum bcro_reason *why);
/* The whole object. 0, or -1 with the reason in *why (may be NULL). */
int bcro_decode(const void *buf, size_t len, struct bcro *, enum bcro_reason *why);
/* Octets written, the MAC as it stands in the struct; 0 with *why. */
size_t bcro_encode(struct bcro *, void *out, size_t cap, enum bcro_reason *why);
size_t bcro_print(const struct bcro *, char *out, size_t cap);	/* one line, as snprintf */

/* --- device_registration_response ------------------------------------------------------------------------------------ */

enum { BCRO_DEVICE_LEN = 10, BCRO_SESSION_KEY_LEN = 16, BCRO_REGISTRATION_LEAST = 46, BCRO_REGISTRATION_MAX = 4 + 65535 };
struct bcro_registration {
	uint8_t reserved;
	uint8_t device[BCRO_DEVICE_LEN];	/* 20 BCD digits */
	uint8_t status;				/* 0: success */
	uint8_t issuer[BCRO_ISSUER_LEN];
	uint64_t timestamp;			/* mjdutc, as received: its form is looked at once the signature is verified */
	const uint8_t *session_key, *keyset, *signature;	/* lent by the message or the caller; encrypted */
	size_t session_key_len, keyset_len, signature_len;
	size_t signed_len;			/* the signature covers the octets before signature_length; set by decode and encode */
};
int bcro_registration_decode(const void *buf, size_t len, struct bcro_registration *, enum bcro_reason *why);
size_t bcro_registration_encode(struct bcro_registration *, void *out, size_t cap, enum bcro_reason *why);
size_t bcro_registration_print(const struct bcro_registration *, char *out, size_t cap);
/* 20 decimal digits to BCD. -1: something else. */
int bcro_device(const char *digits, uint8_t out[BCRO_DEVICE_LEN]);

/* Decrypted. A receiver keeps it where keys live; there is no printer. */
enum bcro_key { BCRO_UGK = 1, BCRO_UDK, BCRO_UDF, BCRO_GROUP_ADDRESS, BCRO_POSITION, BCRO_RIAK, BCRO_TDK, BCRO_BDK, BCRO_SGK,
	BCRO_VALID_TO };
enum { BCRO_KEY = 16, BCRO_SGKS = 16, BCRO_KEYSET_MAX = 6 * 18 + 2 * 7 + 3 + 7 + BCRO_SGKS * 19 + 16 };
struct bcro_keyset {
	uint32_t has;			/* bit n: an entry of type n */
	uint8_t UGK[BCRO_KEY], UDK[BCRO_KEY], UDF[BCRO_ADDRESS_LEN], group_address[BCRO_ADDRESS_LEN], position;
	uint8_t RIAK[BCRO_KEY], TDK[BCRO_KEY], BDK[BCRO_KEY];
	size_t nSGK; struct { uint8_t index, key[BCRO_KEY]; } SGK[BCRO_SGKS];	/* further ones are passed over */
	uint64_t valid_to;
};
int bcro_keyset_decode(const void *clear, size_t len, struct bcro_keyset *, enum bcro_reason *why);
/* Entries by type, the terminating 0, zeros up to whole blocks of 16. */
size_t bcro_keyset_encode(struct bcro_keyset *, void *out, size_t cap, enum bcro_reason *why);
#endif
