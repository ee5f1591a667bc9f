/*
 * bridge/sp4.h: the messages of SP-4 (tags 5 to 20) and of CP-3 (tags 1 to 4) as XML (bcast-backend-xml 2, 3 and 7). Each message is a table of
 * its attributes and elements (sp4_table.c); what reads, writes, checks and prints walks the tables.
 */
#ifndef BRIDGE_SP4_H
#define BRIDGE_SP4_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "lib/err.h"

enum sp4_kind { SP4_REQUEST, SP4_RESPONSE, SP4_DELIVERY, SP4_CONFIRMATION };	/* (tag - 1) % 4 */
enum sp4_object { SP4_TEK, SP4_STKM, SP4_LTKM, SP4_REG, SP4_SEAK };		/* (tag - 1) / 4 */
#define sp4_kind_of(tag) ((enum sp4_kind)(((tag) - 1) % 4))
#define sp4_object_of(tag) ((enum sp4_object)(((tag) - 1) / 4))
enum { SP4_TAGS = 20, SP4_DOCUMENT = 1 << 20, SP4_DATA = 64, SP4_DATA_OCTETS = 1 << 16, SP4_KEYS = SP4_DATA, SP4_MODE_C_KEYS = 2 };
#define SP4_ABSENT INT64_C(-1)		/* of every number */

enum sp4_protection { SP4_IPSEC, SP4_SRTP, SP4_ISMACRYP, SP4_DCF, SP4_CSA2, SP4_CISSA };
enum sp4_profile { SP4_DRM, SP4_SMARTCARD };
enum sp4_seak { SP4_SERVICE_KEY, SP4_PROGRAM_KEY };

struct sp4_octets { const uint8_t *p; size_t len; };	/* NULL: not there */
/* The extension elements (7.3). Numbers are SP4_ABSENT, octets and texts NULL when they are not there; what has a default has it. */
struct sp4_key_context {
	int64_t cp, protection, authenticated, activation_ms, duration_ds;	/* UTC since 1970 */
	struct sp4_octets key_id, material, cw_encryption;			/* material: tag 5, a key in clear unless there is cw_encryption */
};
struct sp4_stkm_context { int64_t cp, stream, profile, repetition_ms; struct sp4_octets access_criteria; };
struct sp4_seak_context { int64_t kind, cid_extension, valid_from, valid_to; const char *generator; };	/* NTP seconds */
struct sp4_distribution_context { int64_t data_id, repetition_ms, bandwidth_kbps; };

/*
 * One message. Decoded: texts and octets are its own, until sp4_fini; keys among them in locked memory. To be encoded: they are lent.
 * n_stkm, n_seak and n_distribution are 0 or 1.
 */
struct sp4_msg {
	int64_t tag, version, status, time;	/* NTP seconds, 32 bits: see sp4_unix */
	const char *message_id, *destination, *source;
	const char *service, *content, *schedule;	/* GlobalServiceID, GlobalContentID, ScheduleID */
	bool short_form;		/* responses and confirmations: neither ends nor target nor time */
	struct sp4_octets data[SP4_DATA]; size_t n_data;
	int64_t distribution_start, distribution_end;	/* NTP seconds */
	struct sp4_key_context keys[SP4_KEYS]; size_t n_keys;
	struct sp4_stkm_context stkm; size_t n_stkm;
	struct sp4_seak_context seak; size_t n_seak;
	struct sp4_distribution_context distribution; size_t n_distribution;
	const char *reason;
	size_t ignored;			/* extension elements that this message has no use for */
	struct sp4_memory *memory;	/* what a decoded message owns */
};

/* Why not, and what the peer is told (section 8). */
enum sp4_verdict {
	SP4_OK,
	SP4_NOT_XML,	/* not well-formed, a DTD, not UTF-8: HTTP 400 */
	SP4_TOO_LONG,	/* HTTP 413 */
	SP4_INVALID,	/* against the schema: HTTP 400 */
	SP4_SEMANTIC,	/* the schema takes it, its meaning is wrong: status 8 */
	SP4_NO_MEMORY,	/* HTTP 503 */
};
/* Where and which rule: "line 4: KeyContext/KeyId: an odd number of hexadecimal digits (bcast-backend-xml 7.3)". No value of the message is in it. */
struct sp4_fault { enum sp4_verdict verdict; long line; const char *clause; char element[96], rule[160]; };
/* The fault as that sentence, GW_EPEER. */
int sp4_fail(struct gw_err *, const struct sp4_fault *);

/* The schema, compiled: once per process. dir holds sp4-backend.xsd and sp4-ext.xsd. NULL with *err. Any thread may use it. */
struct gw_xml_schema;
struct gw_xml_schema *sp4_schema(const char *dir, struct gw_err *);

/* All absent, defaults set. */
void sp4_init(struct sp4_msg *, int tag);
/*
 * One document of len octets, by our tables, and by the schema what they do not account for: extension elements that the message has no use for, and
 * what breaks a rule of meaning. What the tables alone take is valid against the schema: tests/fuzz/fuzz_sp4.c holds them to that, so that nothing is
 * lost by not asking it, and a third of the time is won. 0; or -1 with *fault, and then, when the verdict is SP4_SEMANTIC, the message is there all
 * the same, so that it can be answered. sp4_fini in any case. The schema may be NULL: by our tables alone.
 */
int sp4_decode(const struct gw_xml_schema *, const void *text, size_t len, struct sp4_msg *, struct sp4_fault *);
/* The same by our tables and, whatever they say of a document that they take, by the schema: for documents that are to be judged, not acted on. */
int sp4_validate(const struct gw_xml_schema *, const void *text, size_t len, struct sp4_msg *, struct sp4_fault *);
/* Frees what a decoded message owns and cleanses the message; quiet on an empty one. */
void sp4_fini(struct sp4_msg *);
/*
 * The document, NUL-terminated: its octets without the NUL, or 0 with *fault (line 0) when the message breaks a rule or is longer than cap - 1
 * octets (SP4_DOCUMENT + 1 is enough for any). It holds keys when the message does: cleanse it.
 */
size_t sp4_encode(const struct sp4_msg *, char *out, size_t cap, struct sp4_fault *);

/* The root element of a tag: "STKMRequest"; NULL: no such tag. */
const char *sp4_root(int tag);
/* Every field, in the order of the tables. Keys are shown by length and fingerprint unless secrets. NULL: no memory. */
json_t *sp4_json(const struct sp4_msg *, bool secrets);
void sp4_print(const struct sp4_msg *, bool secrets, FILE *);

/* NTP seconds of 32 bits as Unix seconds: values below 2^31 are of the era that begins in 2036 (7.2); and back. */
int64_t sp4_unix(int64_t ntp);
int64_t sp4_ntp(int64_t unix_s);
#endif
