/* bridge/sp4_table.c: the messages of bcast-backend-xml as tables, and the rules of their values */
#include <libxml/uri.h>
#include <libxml/xmlstring.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/sp4_int.h"

const char sp4_space[] = "urn:oma:xml:bcast:spcp:backend:1.0";
const char sp4_ext_space[] = "urn:bcast-headend:xml:sp4ext:1.0";

#define TABLE(a) (a), sizeof(a) / sizeof((a)[0])
#define BYTE "unsignedByte", .hi = UINT8_MAX, .absent = SP4_ABSENT
#define SHORT "unsignedShort", .hi = UINT16_MAX, .absent = SP4_ABSENT
#define LONG32 "unsignedInt", .hi = UINT32_MAX, .absent = SP4_ABSENT
#define LONG64 "unsignedLong", .hi = INT64_MAX, .absent = SP4_ABSENT	/* beyond: refused, though the schema takes it */

/* ---- extension elements (7.3) ---- */

static const char *const protections[] = { "ipsec", "srtp", "ismacryp", "dcf", "csa2", "cissa" };
static const char *const profiles[] = { "drm", "smartcard" };
static const char *const kinds[] = { "service", "program" };

#define EXT "7.3"
#define AN(name, n, member, type) { name, SP4_ATTRIBUTE, SP4_INT, .least = n, .most = 1, .at = offsetof(HERE, member), .clause = EXT, .kind = type }
#define AT_TIME(name, member) { name, SP4_ATTRIBUTE, SP4_INT, .most = 1, .flags = SP4_NTP, .at = offsetof(HERE, member), .clause = EXT, .kind = LONG32 }
#define A_WORD(name, n, member, list, def) { name, SP4_ATTRIBUTE, SP4_WORD, "token", n, 1, .at = offsetof(HERE, member), .absent = def, \
	.words = list, .nwords = sizeof(list) / sizeof((list)[0]), .clause = EXT }
#define A_BOOL(name, member, def) { name, SP4_ATTRIBUTE, SP4_BOOL, "boolean", 0, 1, .at = offsetof(HERE, member), .hi = 1, .absent = def, .clause = EXT }
#define A_TEXT(name, member) { name, SP4_ATTRIBUTE, SP4_STRING, "string", 0, 1, .at = offsetof(HERE, member), .clause = EXT }
#define OCTETS(name, member, flag, ...) { name, SP4_CHILD, SP4_HEX, "hexBinary", 0, 1, flag, offsetof(HERE, member), .hi = SP4_DATA_OCTETS, \
	.clause = EXT, __VA_ARGS__ }

#define HERE struct sp4_key_context
static const struct sp4_row key_context[] = {
	AN("cp", 1, cp, SHORT),
	A_WORD("protection", 1, protection, protections, SP4_ABSENT),
	A_BOOL("authenticated", authenticated, 0),
	AN("activationMs", 0, activation_ms, LONG64),
	AN("durationDs", 0, duration_ds, SHORT),
	OCTETS("KeyId", key_id, SP4_FILLED, .tags = 0),
	OCTETS("KeyMaterial", material, SP4_FILLED | SP4_SECRET, .tags = SP4_BIT(5)),
	OCTETS("CWEncryption", cw_encryption, 0, .tags = 0),
};
#undef HERE
#define HERE struct sp4_stkm_context
static const struct sp4_row stkm_context[] = {
	AN("cp", 1, cp, SHORT),
	AN("stkmStream", 0, stream, SHORT),
	A_WORD("profile", 0, profile, profiles, SP4_DRM),
	AN("repetitionMs", 0, repetition_ms, SHORT),
	OCTETS("AccessCriteria", access_criteria, 0, .tags = 0),
};
#undef HERE
#define HERE struct sp4_seak_context
static const struct sp4_row seak_context[] = {
	A_WORD("kind", 1, kind, kinds, SP4_ABSENT),
	AN("cidExtension", 1, cid_extension, LONG32),
	AT_TIME("validFrom", valid_from),
	AT_TIME("validTo", valid_to),
	A_TEXT("generator", generator),
};
#undef HERE
#define HERE struct sp4_distribution_context
static const struct sp4_row distribution_context[] = {
	AN("dataId", 0, data_id, SHORT),
	AN("repetitionMs", 0, repetition_ms, LONG32),
	AN("bandwidthKbps", 0, bandwidth_kbps, SHORT),
};
#undef HERE

#define AT(m) offsetof(struct sp4_msg, m)
enum {
	RESPONSES = SP4_BIT(2) | SP4_BIT(6) | SP4_BIT(10) | SP4_BIT(14) | SP4_BIT(18),
	CONFIRMATIONS = SP4_BIT(4) | SP4_BIT(8) | SP4_BIT(12) | SP4_BIT(16) | SP4_BIT(20),
	TEKS = SP4_BIT(2) | SP4_BIT(3),
};
/* In any order, at the end of any message; in one that has no use for them they are checked and ignored. */
const struct sp4_row sp4_extensions[] = {
	{ "StkmContext", SP4_EXTENSION, SP4_NEST, NULL, 0, 1, .at = AT(stkm), .count = AT(n_stkm), .rows = TABLE(stkm_context),
	  .tags = SP4_BIT(5) | SP4_BIT(6) | SP4_BIT(7), .clause = EXT },
	{ "KeyContext", SP4_EXTENSION, SP4_NEST, NULL, 0, SP4_KEYS, .at = AT(keys), .count = AT(n_keys), .stride = sizeof(struct sp4_key_context),
	  .rows = TABLE(key_context), .tags = SP4_BIT(1) | TEKS | SP4_BIT(5), .clause = EXT },
	{ "SeakContext", SP4_EXTENSION, SP4_NEST, NULL, 0, 1, .at = AT(seak), .count = AT(n_seak), .rows = TABLE(seak_context),
	  .tags = SP4_BIT(18) | SP4_BIT(19), .clause = EXT },
	{ "DistributionContext", SP4_EXTENSION, SP4_NEST, NULL, 0, 1, .at = AT(distribution), .count = AT(n_distribution),
	  .rows = TABLE(distribution_context), .tags = SP4_BIT(10) | SP4_BIT(11) | SP4_BIT(14) | SP4_BIT(15), .clause = EXT },
	{ "Reason", SP4_EXTENSION, SP4_STRING, "string", 0, 1, .at = AT(reason), .tags = RESPONSES | CONFIRMATIONS, .clause = EXT },
};
const size_t sp4_nextensions = sizeof(sp4_extensions) / sizeof(sp4_extensions[0]);

/* ---- messages (3, 7.2) ---- */

#define NUMBER(name, n, member, flag, type) { name, SP4_ATTRIBUTE, SP4_INT, .least = n, .most = 1, .flags = flag, .at = AT(member), .clause = "3", .kind = type }
#define END_(name, member, n) { name, SP4_ATTRIBUTE, SP4_STRING, "string", n, 1, SP4_FULL | SP4_FULL_ONE | SP4_FILLED, AT(member), .clause = "3" }
#define ID { "messageID", SP4_ATTRIBUTE, SP4_STRING, "MessageIDType", 1, 1, .at = AT(message_id), .lo = 1, .hi = 128, .clause = "3" }
#define NAME(name, member, n, flag, lacks) { name, SP4_CHILD, SP4_URI, "anyURI", n, 1, SP4_FULL | (flag), AT(member), .needs = lacks, .clause = "7.2" }
#define WHEN(name, member, flag) { name, SP4_CHILD, SP4_INT, .most = 1, .flags = SP4_FULL | SP4_NTP | (flag), .at = AT(distribution_ ## member), \
	.clause = "7.1", .kind = LONG32 }

#define INITIATOR NUMBER("tag", 1, tag, 0, BYTE), NUMBER("version", 0, version, 0, LONG32), ID, END_("destination", destination, 1), \
	END_("source", source, 1), NUMBER("time", 0, time, SP4_NTP, LONG32)
#define RESPONDER NUMBER("tag", 1, tag, 0, BYTE), NUMBER("version", 0, version, SP4_FULL, LONG32), ID, END_("destination", destination, 0), \
	END_("source", source, 0), NUMBER("status", 1, status, 0, BYTE), NUMBER("time", 0, time, SP4_FULL | SP4_NTP, LONG32)
/* n: the target is required; of its further parts none stands without the first. */
#define SERVICE(n) NAME("GlobalServiceID", service, n, SP4_FULL_ONE | SP4_FILLED, 0), NAME("GlobalContentID", content, 0, 0, AT(service) + 1), \
	NAME("ScheduleID", schedule, 0, 0, AT(service) + 1)
#define CONTENT(n) NAME("GlobalContentID", content, n, SP4_FULL_ONE | SP4_FILLED, 0), NAME("GlobalServiceID", service, 0, 0, AT(content) + 1)
#define DATA(n, flag) { "Data", SP4_CHILD, SP4_HEX, "hexBinary", n, SP4_DATA, SP4_FILLED | (flag), AT(data), AT(n_data), sizeof(struct sp4_octets), \
	.hi = SP4_DATA_OCTETS, .clause = "7.2" }
#define DISTRIBUTION(flag) WHEN("DistributionStart", start, flag), WHEN("DistributionEnd", end, flag)

static const struct sp4_row tek_request[] = { INITIATOR, CONTENT(1) };
static const struct sp4_row tek_response[] = { RESPONDER, CONTENT(0), DATA(0, SP4_SECRET) };
static const struct sp4_row tek_delivery[] = { INITIATOR, CONTENT(1), DATA(1, SP4_SECRET) };
static const struct sp4_row tek_confirmation[] = { RESPONDER, CONTENT(0) };

static const struct sp4_row stkm_request[] = { INITIATOR, SERVICE(1) };
static const struct sp4_row stkm_response[] = { RESPONDER, SERVICE(0), DATA(0, 0) };
static const struct sp4_row stkm_delivery[] = { INITIATOR, SERVICE(1), DATA(1, 0) };
static const struct sp4_row stkm_confirmation[] = { RESPONDER, SERVICE(0) };

static const struct sp4_row ltkm_request[] = { INITIATOR, SERVICE(1), DISTRIBUTION(SP4_SEND) };
static const struct sp4_row ltkm_response[] = { RESPONDER, SERVICE(0), DATA(0, 0), DISTRIBUTION(0) };
static const struct sp4_row ltkm_delivery[] = { INITIATOR, SERVICE(1), DATA(1, 0), DISTRIBUTION(SP4_SEND) };
static const struct sp4_row ltkm_confirmation[] = { RESPONDER, SERVICE(0) };

static const struct sp4_row seak_request[] = { INITIATOR, SERVICE(1) };
static const struct sp4_row seak_response[] = { RESPONDER, SERVICE(0), DATA(0, SP4_SECRET) };
static const struct sp4_row seak_delivery[] = { INITIATOR, SERVICE(1), DATA(1, SP4_SECRET) };
static const struct sp4_row seak_confirmation[] = { RESPONDER, SERVICE(0) };

const struct sp4_message sp4_messages[] = {
	{ "TEKRequest",                    SP4_BIT(1),                SP4_REQUEST,      TABLE(tek_request) },
	{ "TEKRequestResponse",            SP4_BIT(2),                SP4_RESPONSE,     TABLE(tek_response) },
	{ "TEKDelivery",                   SP4_BIT(3),                SP4_DELIVERY,     TABLE(tek_delivery) },
	{ "TEKDeliveryConfirmation",       SP4_BIT(4),                SP4_CONFIRMATION, TABLE(tek_confirmation) },
	{ "STKMRequest",                   SP4_BIT(5),                SP4_REQUEST,      TABLE(stkm_request) },
	{ "STKMRequestResponse",           SP4_BIT(6),                SP4_RESPONSE,     TABLE(stkm_response) },
	{ "STKMDelivery",                  SP4_BIT(7),                SP4_DELIVERY,     TABLE(stkm_delivery) },
	{ "STKMDeliveryConfirmation",      SP4_BIT(8),                SP4_CONFIRMATION, TABLE(stkm_confirmation) },
	{ "LTKMorRegRequest",              SP4_BIT(9) | SP4_BIT(13),  SP4_REQUEST,      TABLE(ltkm_request) },
	{ "LTKMorRegRequestResponse",      SP4_BIT(10) | SP4_BIT(14), SP4_RESPONSE,     TABLE(ltkm_response) },
	{ "LTKMorRegDelivery",             SP4_BIT(11) | SP4_BIT(15), SP4_DELIVERY,     TABLE(ltkm_delivery) },
	{ "LTKMorRegDeliveryConfirmation", SP4_BIT(12) | SP4_BIT(16), SP4_CONFIRMATION, TABLE(ltkm_confirmation) },
	{ "SEAKRequest",                   SP4_BIT(17),               SP4_REQUEST,      TABLE(seak_request) },
	{ "SEAKRequestResponse",           SP4_BIT(18),               SP4_RESPONSE,     TABLE(seak_response) },
	{ "SEAKDelivery",                  SP4_BIT(19),               SP4_DELIVERY,     TABLE(seak_delivery) },
	{ "SEAKDeliveryConfirmation",      SP4_BIT(20),               SP4_CONFIRMATION, TABLE(seak_confirmation) },
};
const size_t sp4_nmessages = sizeof(sp4_messages) / sizeof(sp4_messages[0]);

/* ---- rules between rows ---- */

static const char *
key_per_data(const struct sp4_msg *m)
{
	return m->n_keys == 0 || m->n_keys == m->n_data ? NULL : "there are not as many as Data";
}

static const char *
two_periods(const struct sp4_msg *m)
{
	return m->n_keys <= SP4_MODE_C_KEYS ? NULL : "there are more than the current period's and the next one's";
}

static const char *
material_in_data(const struct sp4_msg *m)
{
	for (size_t i = 0; i < m->n_keys; i++)
		if (m->keys[i].material.p)
			return "it belongs into STKMRequest only";
	return NULL;
}

static const char *
start_then_end(const struct sp4_msg *m)
{
	if (m->distribution_start == SP4_ABSENT || m->distribution_end == SP4_ABSENT)
		return NULL;
	return sp4_unix(m->distribution_end) >= sp4_unix(m->distribution_start) ? NULL : "it is before DistributionStart";
}

static const char *
from_then_to(const struct sp4_msg *m)
{
	if (!m->n_seak || m->seak.valid_from == SP4_ABSENT || m->seak.valid_to == SP4_ABSENT)
		return NULL;
	return sp4_unix(m->seak.valid_to) >= sp4_unix(m->seak.valid_from) ? NULL : "it is before validFrom";
}

const struct sp4_check sp4_checks[] = {
	{ TEKS, key_per_data, "KeyContext", "7.2" },
	{ SP4_BIT(5), two_periods, "KeyContext", "7.3" },
	{ SP4_BIT(1) | TEKS, material_in_data, "KeyContext/KeyMaterial", "7.3" },
	{ UINT32_MAX, start_then_end, "DistributionEnd", "7.2" },
	{ UINT32_MAX, from_then_to, "SeakContext/@validTo", "7.3" },
};
const size_t sp4_nchecks = sizeof(sp4_checks) / sizeof(sp4_checks[0]);

static const char *
wrong_form(const struct sp4_message *d, const struct sp4_msg *m, const char **element)
{
	const struct sp4_row *there = NULL, *lacks = NULL;

	for (size_t i = 0; i < d->nrows; i++) {
		const struct sp4_row *r = &d->rows[i];
		bool is = sp4_count(r, m) > 0;

		if (is && (r->flags & SP4_FULL) && !there)
			there = r;
		if (!is && (r->flags & SP4_FULL_ONE) && !lacks)
			lacks = r;
	}
	*element = m->short_form && there ? there->name : lacks ? lacks->name : "";
	if (m->short_form)
		return there ? "it has no place in the short form" : NULL;
	return lacks ? "it is missing in the full form, and for the short form there is too much" : NULL;
}

const char *
sp4_wrong_whole(const struct sp4_message *d, const struct sp4_msg *m, const char **element, const char **clause)
{
	const char *wrong = wrong_form(d, m, element);

	*clause = "7.2";
	for (size_t i = 0; i < sp4_nchecks && !wrong; i++) {
		if (!(sp4_checks[i].tags & SP4_BIT(m->tag)))
			continue;
		wrong = sp4_checks[i].wrong(m);
		*element = sp4_checks[i].element;
		*clause = sp4_checks[i].clause;
	}
	return wrong;
}

/* ---- values ---- */

const struct sp4_message *
sp4_message_of(int64_t tag)
{
	for (size_t i = 0; i < sp4_nmessages; i++)
		if (tag > 0 && tag <= SP4_TAGS && (sp4_messages[i].tags & SP4_BIT(tag)))
			return &sp4_messages[i];
	return NULL;
}

const char *
sp4_root(int tag)
{
	const struct sp4_message *d = sp4_message_of(tag);

	return d ? d->root : NULL;
}

bool
sp4_text_there(const void *base, size_t offset)
{
	return *(const char *const *)((const char *)base + offset) != NULL;
}

size_t
sp4_count(const struct sp4_row *r, const void *base)
{
	const char *at = (const char *)base + r->at;

	if (r->count)
		return *(const size_t *)((const char *)base + r->count);
	switch (r->type) {
	case SP4_STRING: case SP4_URI: return sp4_text_there(base, r->at);
	case SP4_HEX: return ((const struct sp4_octets *)at)->p != NULL;
	default: return *(const int64_t *)at != SP4_ABSENT;
	}
}

static void
set_absent(const struct sp4_row *rows, size_t n, char *base)
{
	for (size_t i = 0; i < n; i++) {
		const struct sp4_row *r = &rows[i];

		if (r->type == SP4_NEST) {	/* one, and the others like it: 2, 4, 8 … at a time */
			set_absent(r->rows, r->nrows, base + r->at);
			for (size_t k = 1; k < r->most; k *= 2)
				memcpy(base + r->at + k * r->stride, base + r->at, (k < r->most - k ? k : r->most - k) * r->stride);
		} else if (r->type == SP4_INT || r->type == SP4_WORD || r->type == SP4_BOOL)
			*(int64_t *)(base + r->at) = r->absent;
	}
}

void
sp4_init(struct sp4_msg *m, int tag)
{
	*m = (struct sp4_msg){ .tag = tag, .version = SP4_ABSENT, .status = SP4_ABSENT, .time = SP4_ABSENT, .distribution_start = SP4_ABSENT,
		.distribution_end = SP4_ABSENT };
	set_absent(sp4_extensions, sp4_nextensions, (char *)m);
}

/* Of XML 1.0, in UTF-8; the characters in *n. */
static bool
is_text(const char *s, int64_t *n)
{
	for (*n = 0; s[*n] >= ' ' && s[*n] <= '~'; )
		++*n;
	if (!s[*n])	/* as nearly all are */
		return true;
	if (!xmlCheckUTF8((const xmlChar *)s))
		return false;
	for (*n = 0; *s; s++) {
		const unsigned char c = (unsigned char)*s, next = (unsigned char)s[1];

		if ((c < ' ' && c != '\t' && c != '\n' && c != '\r') || (c == 0xed && next >= 0xa0) ||
		    (c == 0xef && next == 0xbf && (unsigned char)s[2] >= 0xbe))	/* surrogates, U+FFFE, U+FFFF */
			return false;
		*n += (c & 0xc0) != 0x80;
	}
	return true;
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Letters, a colon, and then what stands for itself anywhere (RFC 3986: scheme, path-rootless): most are so, and need not be taken apart to know it. */
static bool
is_plain_uri(const char *s)
{
	const char *first = s;

	while (is_letter(*s))
		s++;
	if (s == first || *s++ != ':' || !*s)
		return false;
	while (is_letter(*s) || (*s >= '0' && *s <= '9') || *s == '-' || *s == '_' || *s == '.' || *s == ':')
		s++;
	return !*s;
}

/* anyURI: what a URI can't have is taken as if it were escaped; the rest must be RFC 2396. */
static bool
is_uri(const char *s)
{
	char *copy = strdup(s);
	xmlURI *uri;

	if (!copy)
		return false;
	for (char *c = copy; *c; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 127 || strchr("<>\"{}|\\^`", *c))
			*c = '_';
	uri = xmlParseURI(copy);
	free(copy);
	xmlFreeURI(uri);
	return uri != NULL;
}

static const char *
wrong_text(const struct sp4_row *r, const char *s, bool *semantic)
{
	int64_t n;

	if (!is_text(s, &n))
		return "it has a character that XML does not have";
	if (n < r->lo)
		return "it is empty";
	if (r->hi && n > r->hi)
		return "it is too long";
	if (n && r->type == SP4_URI && !is_plain_uri(s) && !is_uri(s))
		return "it is no URI";
	*semantic = true;
	return n == 0 && (r->flags & SP4_FILLED) ? "it is empty" : NULL;
}

const char *
sp4_wrong(const struct sp4_row *r, const void *value, bool *semantic)
{
	const struct sp4_octets *o = value;

	*semantic = false;
	switch (r->type) {
	case SP4_STRING: case SP4_URI:
		return wrong_text(r, *(const char *const *)value, semantic);
	case SP4_HEX:
		if (o->len > (size_t)r->hi)
			return "it is longer than 65536 octets";
		*semantic = true;
		return o->len == 0 && (r->flags & SP4_FILLED) ? "it is empty" : NULL;
	case SP4_WORD:
		return *(const int64_t *)value >= 0 && *(const int64_t *)value < (int64_t)r->nwords ? NULL : "it is none of the words";
	default:
		return *(const int64_t *)value >= r->lo && *(const int64_t *)value <= r->hi ? NULL : "it is out of range";
	}
}

/* ---- faults and times ---- */

int
sp4_fail(struct gw_err *err, const struct sp4_fault *f)
{
	return gw_fail(err, GW_EPEER, "line %ld: %s%s%s (bcast-backend-xml %s)", f->line, f->element, *f->element ? ": " : "", f->rule, f->clause ? f->clause : "7.2");
}

static const int64_t ntp_1970 = INT64_C(2208988800);	/* seconds from 1900 to 1970 */

int64_t
sp4_unix(int64_t ntp)
{
	return ntp - ntp_1970 + (ntp < INT64_C(1) << 31 ? INT64_C(1) << 32 : 0);
}

int64_t
sp4_ntp(int64_t unix_s)
{
	return (unix_s + ntp_1970) & UINT32_MAX;
}
