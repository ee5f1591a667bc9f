/*
 * proto/smpp.h: the PDUs of SMPP 3.4 that hand over short messages (bcast-smartcard-profile 4.3), both ways. Pure; a decoded PDU borrows its buffer.
 *
 * Debian's libsmpp34 is not used: it keeps all fields of every PDU as text in static memory, the password of a bind with them; it refuses a response
 * to bind without a body, which is what a refusal looks like, and responses with optional parameters; and for each of those it allocates 1 KiB.
 */
#ifndef PROTO_SMPP_H
#define PROTO_SMPP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/mikey.h"	/* struct mikey_view */

enum { SMPP_HEADER = 16, SMPP_MAX = 4096, SMPP_VERSION = 0x34, SMPP_MESSAGE = 254 };	/* octets of a header, of a PDU; interface_version; short_message */
#define SMPP_RESP 0x80000000u
enum smpp_id { SMPP_BIND_TRANSMITTER = 0x02, SMPP_SUBMIT_SM = 0x04, SMPP_DELIVER_SM = 0x05, SMPP_UNBIND = 0x06, SMPP_ENQUIRE_LINK = 0x15, SMPP_DATA_SM = 0x103 };
#define SMPP_NACK SMPP_RESP
enum smpp_status { SMPP_OK = 0, SMPP_BAD_LENGTH = 0x02, SMPP_BAD_COMMAND = 0x03, SMPP_BAD_STATE = 0x04, SMPP_SYSTEM_ERROR = 0x08, SMPP_BIND_FAILED = 0x0d,
	SMPP_QUEUE_FULL = 0x14, SMPP_THROTTLED = 0x58, SMPP_LATER = 0x64 };
enum { SMPP_UDHI = 0x40, SMPP_BINARY = 0x04, SMPP_ISDN = 1 };	/* esm_class; data_coding; TON international, NPI E.164 */
enum smpp_fault { SMPP_FINE, SMPP_TRUNCATED, SMPP_UNKNOWN, SMPP_LENGTH, SMPP_TEXT, SMPP_TLV, SMPP_TRAILING };

struct smpp {
	uint32_t id, status, sequence;
	/* texts, without NUL */
	struct mikey_view system_id, password, system_type, address_range, service_type, source, destination, schedule, validity, message_id;
	uint8_t interface_version, ton, npi, source_ton, source_npi, dest_ton, dest_npi, esm_class, protocol_id, priority, registered, replace,
		data_coding, default_message;
	struct mikey_view message;			/* short_message, sm_length octets */
	/* optional parameters; others are stepped over */
	bool has_ports; uint16_t source_port, destination_port;
	struct mikey_view payload;			/* message_payload; p NULL: none */
};
/* Octets of the PDU at the start of the buffer; 0: more are needed to tell, or to have it; -1: no PDU can have that length. */
int smpp_frame(const void *buf, size_t len);
/* One whole PDU. 0, or -1 with the reason; id, status and sequence are filled in whenever there is a header. */
int smpp_decode(const void *buf, size_t len, struct smpp *, enum smpp_fault *why);
/* Octets; 0: a field is too long, the command unknown, or no room. */
size_t smpp_encode(const struct smpp *, void *out, size_t cap);
const char *smpp_fault_text(enum smpp_fault);
const char *smpp_status_text(uint32_t status);		/* "message queue full"; "" for those without a name here */
const char *smpp_name(uint32_t id);			/* "submit_sm_resp"; NULL: unknown */
static inline struct mikey_view smpp_text(const char *s) { size_t n = 0; while (s && s[n]) n++; return (struct mikey_view){ (const uint8_t *)s, n }; }
#endif
