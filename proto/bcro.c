/* proto/bcro.c: see bcro.h. One cursor serves both directions: what is read and what is written cannot differ. */
#include "proto/bcro.h"
#include <string.h>
#include "proto/cursor.h"
#include "proto/say.h"
#include "proto/stkm.h"

enum { VERSION = 0, TIME = 5, BLOCK = 16, END = 0 };

#define BCRO_X(id, name, text) { name, text },
static const struct { const char *name, *text; } reasons[] = { BCRO_REASONS(BCRO_X) };
#undef BCRO_X

const char *
bcro_reason_name(enum bcro_reason r)
{
	return (unsigned)r < BCRO_NREASONS ? reasons[r].name : "unknown";
}

const char *
bcro_reason_text(enum bcro_reason r)
{
	return (unsigned)r < BCRO_NREASONS ? reasons[r].text : "unknown reason";
}

static int
refuse(enum bcro_reason *why, enum bcro_reason r)
{
	if (why)
		*why = r;
	return -1;
}

static bool
time_ok(uint64_t mjdutc)
{
	int64_t s;

	return stkm_unix(mjdutc, &s) == 0;
}

static uint64_t
mjdutc(struct cursor *c, uint64_t value)
{
	value = number(c, value, TIME);
	if (c->fault == BCRO_OK && !time_ok(value))
		fail(c, BCRO_TIME);
	return value;
}

/* --- BCRO ------------------------------------------------------------------------------------------------------------- */

int
bcro_peek(const void *buf, size_t len, struct bcro_head *h, enum bcro_reason *why)
{
	const uint8_t *p = buf;

	if (len == 0)
		return refuse(why, BCRO_TRUNCATED);
	if (p[0] != BCRO_TAG_BCRO)
		return refuse(why, BCRO_TAG);
	if (len < BCRO_HEAD)
		return refuse(why, BCRO_TRUNCATED);
	if (p[1] >> 4 != VERSION)
		return refuse(why, BCRO_VERSION);
	size_t says = BCRO_HEAD + ((size_t)(p[1] & 0xf) << 8 | p[2]);
	if (len < says || len < BCRO_LEAST)
		return refuse(why, BCRO_TRUNCATED);
	if (len > says)
		return refuse(why, BCRO_LENGTH);
	h->mode = p[3] >> 5;
	h->address = p + 4;
	h->MAC_at = len - BCRO_MAC;
	return h->mode > BCRO_UNIQUE ? refuse(why, BCRO_MODE) : 0;
}

static void
flags(struct cursor *c, struct bcro *b)
{
	if (c->out && (b->mode > BCRO_UNIQUE || b->reserved > 3))
		fail(c, BCRO_MODE);
	uint64_t w = number(c, (uint64_t)b->mode << 5 | (uint64_t)b->has_issuer << 4 | (uint64_t)b->has_timestamp << 3 |
	    (uint64_t)b->has_refresh << 2 | b->reserved, 1);
	b->mode = (uint8_t)(w >> 5);
	b->has_issuer = w >> 4 & 1;
	b->has_timestamp = w >> 3 & 1;
	b->has_refresh = w >> 2 & 1;
	b->reserved = w & 3;
}

static void
asset(struct cursor *c, struct bcro_asset *a)
{
	a->type = (uint8_t)number(c, a->type, 1);
	if (c->fault == BCRO_OK && a->type > BCRO_PROGRAM)
		fail(c, BCRO_ASSET_TYPE);
	octets(c, a->BCI, BCRO_BCI);
	a->valid_from = mjdutc(c, a->valid_from);
	a->valid_to = mjdutc(c, a->valid_to);
	if (number(c, BCRO_WRAPPED, 1) != BCRO_WRAPPED)
		fail(c, BCRO_LENGTH);
	octets(c, a->wrapped, BCRO_WRAPPED);
}

/* All between BCRO_length and the MAC. */
static void
body(struct cursor *c, struct bcro *b)
{
	flags(c, b);
	octets(c, b->address, BCRO_ADDRESS_LEN);
	if (b->has_issuer)
		octets(c, b->issuer, BCRO_ISSUER_LEN);
	if (b->has_timestamp)
		b->timestamp = mjdutc(c, b->timestamp);
	if (b->has_refresh)
		b->refresh = mjdutc(c, b->refresh);
	b->rights_object_id = number(c, b->rights_object_id, 8);
	b->nassets = (size_t)number(c, b->nassets, 1);
	if (c->fault == BCRO_OK && (b->nassets == 0 || b->nassets > BCRO_ASSETS))
		fail(c, b->nassets ? BCRO_LENGTH : BCRO_ASSET_COUNT);
	for (size_t k = 0; c->fault == BCRO_OK && k < b->nassets; k++)
		asset(c, &b->asset[k]);
	if (c->out && b->npermissions > BCRO_PERMISSIONS)
		fail(c, BCRO_TOO_LONG);
	b->npermissions = (size_t)number(c, b->npermissions, 1);
	for (size_t k = 0; c->fault == BCRO_OK && k < b->npermissions; k++) {
		b->permission[k].category = (uint8_t)number(c, b->permission[k].category, 1);
		b->permission[k].actions = (uint8_t)number(c, b->permission[k].actions, 1);
	}
}

int
bcro_decode(const void *buf, size_t len, struct bcro *b, enum bcro_reason *why)
{
	struct bcro_head h;

	if (bcro_peek(buf, len, &h, why) < 0)
		return -1;
	memset(b, 0, sizeof(*b));
	/* The fixed head is there: what is cut further in does not agree with the length, which is no truncation. */
	struct cursor c = { .in = buf, .at = BCRO_HEAD, .len = h.MAC_at, .beyond = BCRO_LENGTH };
	body(&c, b);
	if (c.at != c.len)
		fail(&c, BCRO_LENGTH);
	if (c.fault != BCRO_OK)
		return refuse(why, c.fault);
	b->MAC_at = h.MAC_at;
	memcpy(b->MAC, (const uint8_t *)buf + h.MAC_at, BCRO_MAC);
	return 0;
}

size_t
bcro_encode(struct bcro *b, void *out, size_t cap, enum bcro_reason *why)
{
	struct cursor c = { .out = out, .at = BCRO_HEAD, .len = cap < BCRO_MAX ? cap : BCRO_MAX, .beyond = BCRO_TOO_LONG };

	if (cap < BCRO_LEAST)
		fail(&c, BCRO_TOO_LONG);
	body(&c, b);
	b->MAC_at = c.at;
	octets(&c, b->MAC, BCRO_MAC);
	if (c.fault != BCRO_OK) {
		refuse(why, c.fault);
		return 0;
	}
	size_t n = c.at;
	c.at = 0;
	number(&c, BCRO_TAG_BCRO, 1);
	number(&c, (uint64_t)VERSION << 12 | (n - BCRO_HEAD), 2);
	return n;
}

/* --- device_registration_response ------------------------------------------------------------------------------------- */

/* A length of two octets and what it counts. */
static void
block(struct cursor *c, const uint8_t **p, size_t *len)
{
	if (c->out && *len > UINT16_MAX)
		fail(c, BCRO_TOO_LONG);
	*len = (size_t)number(c, *len, 2);
	if (!room(c, *len))
		return;
	if (!c->out)
		*p = c->in + c->at;
	else if (*len)
		memcpy(c->out + c->at, *p, *len);
	c->at += *len;
}

static void
registration(struct cursor *c, struct bcro_registration *r)
{
	octets(c, r->device, BCRO_DEVICE_LEN);
	r->status = (uint8_t)number(c, r->status, 1);
	octets(c, r->issuer, BCRO_ISSUER_LEN);
	r->timestamp = number(c, r->timestamp, TIME);
	block(c, &r->session_key, &r->session_key_len);
	block(c, &r->keyset, &r->keyset_len);
	if (c->fault == BCRO_OK && r->keyset_len % BLOCK != 0)
		fail(c, BCRO_LENGTH);
	r->signed_len = c->at;
	block(c, &r->signature, &r->signature_len);
}

int
bcro_registration_decode(const void *buf, size_t len, struct bcro_registration *r, enum bcro_reason *why)
{
	const uint8_t *p = buf;

	if (len == 0)
		return refuse(why, BCRO_TRUNCATED);
	if (p[0] != BCRO_TAG_REGISTRATION)
		return refuse(why, BCRO_TAG);
	if (len < 4)
		return refuse(why, BCRO_TRUNCATED);
	if (p[1] >> 4 != VERSION)
		return refuse(why, BCRO_VERSION);
	size_t says = 4 + ((size_t)p[2] << 8 | p[3]);
	if (len < says || len < BCRO_REGISTRATION_LEAST)
		return refuse(why, BCRO_TRUNCATED);
	if (len > says)
		return refuse(why, BCRO_LENGTH);
	struct cursor c = { .in = buf, .at = 4, .len = len, .beyond = BCRO_LENGTH };
	memset(r, 0, sizeof(*r));
	r->reserved = p[1] & 0xf;
	registration(&c, r);
	if (c.at != c.len)
		fail(&c, BCRO_LENGTH);
	return c.fault == BCRO_OK ? 0 : refuse(why, c.fault);
}

size_t
bcro_registration_encode(struct bcro_registration *r, void *out, size_t cap, enum bcro_reason *why)
{
	struct cursor c = { .out = out, .at = 4, .len = cap < BCRO_REGISTRATION_MAX ? cap : BCRO_REGISTRATION_MAX,
		.beyond = BCRO_TOO_LONG };

	if (cap < BCRO_REGISTRATION_LEAST)
		fail(&c, BCRO_TOO_LONG);
	if (r->reserved > 15)
		fail(&c, BCRO_VERSION);
	registration(&c, r);
	if (c.fault != BCRO_OK) {
		refuse(why, c.fault);
		return 0;
	}
	size_t n = c.at;
	c.at = 0;
	number(&c, (uint64_t)BCRO_TAG_REGISTRATION << 8 | (uint64_t)VERSION << 4 | r->reserved, 2);
	number(&c, n - 4, 2);
	return n;
}

int
bcro_device(const char *digits, uint8_t out[BCRO_DEVICE_LEN])
{
	if (strlen(digits) != 2 * BCRO_DEVICE_LEN || strspn(digits, "0123456789") != 2 * BCRO_DEVICE_LEN)
		return -1;
	for (size_t k = 0; k < BCRO_DEVICE_LEN; k++)
		out[k] = (uint8_t)((digits[2 * k] - '0') << 4 | (digits[2 * k + 1] - '0'));
	return 0;
}

/* --- key set ---------------------------------------------------------------------------------------------------------- */

/* SGK and valid_to are no plain octets and stand below. */
#define ENTRY(name, member) [name] = { offsetof(struct bcro_keyset, member), sizeof(((struct bcro_keyset *)0)->member) }
static const struct { size_t offset, len; } entries[] = {
	ENTRY(BCRO_UGK, UGK), ENTRY(BCRO_UDK, UDK), ENTRY(BCRO_UDF, UDF), ENTRY(BCRO_GROUP_ADDRESS, group_address),
	ENTRY(BCRO_POSITION, position), ENTRY(BCRO_RIAK, RIAK), ENTRY(BCRO_TDK, TDK), ENTRY(BCRO_BDK, BDK),
	[BCRO_SGK] = { 0, 1 + BCRO_KEY }, [BCRO_VALID_TO] = { 0, TIME },
};
enum { TYPES = sizeof(entries) / sizeof(entries[0]) };

static void
entry(struct cursor *c, struct bcro_keyset *k, size_t type, size_t which)
{
	if (type == BCRO_SGK) {
		k->SGK[which].index = (uint8_t)number(c, k->SGK[which].index, 1);
		octets(c, k->SGK[which].key, BCRO_KEY);
	} else if (type == BCRO_VALID_TO) {
		k->valid_to = mjdutc(c, k->valid_to);
	} else {
		octets(c, (uint8_t *)k + entries[type].offset, entries[type].len);
	}
}

static void
read_entry(struct cursor *c, struct bcro_keyset *k, size_t type)
{
	size_t len = (size_t)number(c, 0, 1), at = c->at;

	if (!room(c, len))
		return;
	if (type < TYPES) {
		if (len != entries[type].len || (k->has >> type & 1 && type != BCRO_SGK))
			fail(c, BCRO_KEYSET);
		else if (type != BCRO_SGK || k->nSGK < BCRO_SGKS)
			entry(c, k, type, type == BCRO_SGK ? k->nSGK++ : 0);
		k->has |= UINT32_C(1) << type;
	}
	if (c->fault == BCRO_OK)
		c->at = at + len;
}

int
bcro_keyset_decode(const void *clear, size_t len, struct bcro_keyset *k, enum bcro_reason *why)
{
	struct cursor c = { .in = clear, .len = len, .beyond = BCRO_LENGTH };
	size_t type;

	memset(k, 0, sizeof(*k));
	while ((type = (size_t)number(&c, 0, 1)) != END && c.fault == BCRO_OK)
		read_entry(&c, k, type);
	if (c.fault == BCRO_LENGTH)	/* beyond the end, or no end */
		c.fault = BCRO_KEYSET;
	return c.fault == BCRO_OK ? 0 : refuse(why, c.fault);
}

size_t
bcro_keyset_encode(struct bcro_keyset *k, void *out, size_t cap, enum bcro_reason *why)
{
	struct cursor c = { .out = out, .len = cap, .beyond = BCRO_TOO_LONG };

	if (k->nSGK > BCRO_SGKS)
		fail(&c, BCRO_KEYSET);
	for (size_t type = 1; c.fault == BCRO_OK && type < TYPES; type++)
		for (size_t n = type == BCRO_SGK ? k->nSGK : k->has >> type & 1, i = 0; i < n; i++) {
			number(&c, type, 1);
			number(&c, entries[type].len, 1);
			entry(&c, k, type, i);
		}
	do
		number(&c, END, 1);
	while (c.fault == BCRO_OK && c.at % BLOCK != 0);
	if (c.fault == BCRO_OK)
		return c.at;
	refuse(why, c.fault);
	return 0;
}

/* --- printing --------------------------------------------------------------------------------------------------------- */

static void
say_hex(struct say *s, const char *name, const uint8_t *p, size_t n)
{
	say(s, " %s=", name);
	for (size_t k = 0; k < n; k++)
		say(s, "%02x", p[k]);
}

static void
say_time(struct say *s, const char *name, uint64_t t)
{
	say(s, " %s=%010llx", name, (unsigned long long)t);
}

size_t
bcro_print(const struct bcro *b, char *out, size_t cap)
{
	static const char *const types[] = { "service", "programme" };
	struct say s = { out, cap, 0 };

	say(&s, "BCRO mode=%u", b->mode);
	say_hex(&s, "address", b->address, BCRO_ADDRESS_LEN);
	if (b->has_issuer)
		say_hex(&s, "rights_issuer_id", b->issuer, BCRO_ISSUER_LEN);
	if (b->has_timestamp)
		say_time(&s, "timestamp", b->timestamp);
	if (b->has_refresh)
		say_time(&s, "refresh_time", b->refresh);
	say(&s, " rights_object_id=%016llx", (unsigned long long)b->rights_object_id);
	for (size_t k = 0; k < b->nassets && k < BCRO_ASSETS; k++) {
		say(&s, " asset=%s", types[b->asset[k].type & 1]);
		say_hex(&s, "BCI", b->asset[k].BCI, BCRO_BCI);
		say_time(&s, "valid_from", b->asset[k].valid_from);
		say_time(&s, "valid_to", b->asset[k].valid_to);
	}
	for (size_t k = 0; k < b->npermissions && k < BCRO_PERMISSIONS; k++)
		say(&s, " permission=%02x:%02x", b->permission[k].category, b->permission[k].actions);
	say_hex(&s, "MAC", b->MAC, BCRO_MAC);
	return s.len;
}

size_t
bcro_registration_print(const struct bcro_registration *r, char *out, size_t cap)
{
	struct say s = { out, cap, 0 };

	say(&s, "device_registration_response");
	say_hex(&s, "unique_device_number", r->device, BCRO_DEVICE_LEN);
	say(&s, " status=%u", r->status);
	say_hex(&s, "rights_issuer_id", r->issuer, BCRO_ISSUER_LEN);
	say_time(&s, "timestamp", r->timestamp);
	say(&s, " session_key_length=%zu keyset_length=%zu signature_length=%zu", r->session_key_len, r->keyset_len, r->signature_len);
	return s.len;
}
