/* proto/stkm.c: see stkm.h. One cursor serves both directions: what is read and what is written cannot differ. */
#include "proto/stkm.h"
#include <string.h>
#include "proto/cursor.h"
#include "proto/say.h"

enum { VERSION = 0, SPI_LOWEST = 0x100 };	/* SPI 0..255: RFC 4303 2.1 */

static const struct stkm_layout layouts[] = {	/* 3.2 */
	/* protocol     auth cipher      TEK salt pad TAS */
	{ STKM_IPSEC,    0, 0,           16,  0, 0,  0 },
	{ STKM_IPSEC,    1, 0,           16,  0, 0, 16 },
	{ STKM_SRTP,     0, 0,           16, 14, 2,  0 },	/* the tag's key is derived by SRTP: no TAS */
	{ STKM_SRTP,     1, 0,           16, 14, 2,  0 },
	{ STKM_ISMACRYP, 0, 0,           16,  8, 8,  0 },
	{ STKM_ISMACRYP, 1, 0,           16,  8, 8, 16 },
	{ STKM_DCF,      0, 0,           16,  0, 0,  0 },
	{ STKM_DCF,      1, 0,           16,  0, 0,  0 },
	{ STKM_TS,       0, STKM_CSA2,    8,  0, 8,  0 },
	{ STKM_TS,       1, STKM_CSA2,    8,  0, 8,  0 },
	{ STKM_TS,       0, STKM_CISSA,  16,  0, 0,  0 },
	{ STKM_TS,       1, STKM_CISSA,  16,  0, 0,  0 },
};
static const struct { uint8_t protocol; const char *name; } names[] = {
	{ STKM_IPSEC, "ipsec" }, { STKM_SRTP, "srtp" }, { STKM_ISMACRYP, "ismacryp" }, { STKM_DCF, "dcf" }, { STKM_TS, "ts" },
};

const struct stkm_layout *
stkm_layout(uint8_t protocol, bool authenticated, uint8_t cipher)
{
	for (size_t k = 0; k < sizeof(layouts) / sizeof(layouts[0]); k++)
		if (layouts[k].protocol == protocol && layouts[k].authenticated == authenticated &&
		    (protocol != STKM_TS || layouts[k].cipher == cipher))
			return &layouts[k];
	return NULL;
}

const char *
stkm_protocol_name(uint8_t protocol)
{
	for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
		if (names[k].protocol == protocol)
			return names[k].name;
	return NULL;
}

int
stkm_protocol_find(const char *name)
{
	for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
		if (strcmp(names[k].name, name) == 0)
			return names[k].protocol;
	return -1;
}

/* --- fields ----------------------------------------------------------------------------------------------------------- */

/* selectors_and_flags: the one place that knows the widths and their order. */
static void
flags(struct cursor *c, struct stkm *m)
{
	uint64_t w = (uint64_t)m->version << 12 | (uint64_t)m->protection_after_reception << 10 | (uint64_t)m->reserved[0] << 9 |
		(uint64_t)m->has_criteria << 8 | (uint64_t)m->protocol << 5 | (uint64_t)m->authenticated << 4 |
		(uint64_t)m->has_next << 3 | (uint64_t)m->has_timestamp << 2 | (uint64_t)m->program << 1 | (uint64_t)m->service;

	if (c->out && (m->version > 15 || m->protection_after_reception > 3 || m->reserved[0] > 1 || m->protocol > 7))
		fail(c, m->protocol > 7 ? STKM_BAD_PROTOCOL : STKM_VERSION);
	w = number(c, w, 2);
	m->version = (uint8_t)(w >> 12);
	m->protection_after_reception = w >> 10 & 3;
	m->reserved[0] = w >> 9 & 1;
	m->has_criteria = w >> 8 & 1;
	m->protocol = w >> 5 & 7;
	m->authenticated = w >> 4 & 1;
	m->has_next = w >> 3 & 1;
	m->has_timestamp = w >> 2 & 1;
	m->program = w >> 1 & 1;
	m->service = w & 1;
	if (c->fault != STKM_OK)
		return;
	if (m->version != VERSION)
		fail(c, STKM_VERSION);
	else if (!m->program && !m->service)
		fail(c, STKM_NO_LAYER);
	else if (!stkm_protocol_name(m->protocol))
		fail(c, STKM_BAD_PROTOCOL);
}

static bool
id_ok(const struct stkm *m, const uint8_t *id)
{
	uint32_t spi = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];

	return m->protocol != STKM_IPSEC || spi >= SPI_LOWEST;
}

static void
identifiers(struct cursor *c, struct stkm *m)
{
	if (m->protocol == STKM_TS) {
		uint64_t b = number(c, (uint64_t)m->reserved[1] << 4 | (uint64_t)(m->odd & 1) << 3 | (m->cipher & 7), 1);

		m->reserved[1] = (uint8_t)(b >> 4);
		m->odd = b >> 3 & 1;
		m->cipher = b & 7;
		m->id_len = 0;
		if (c->fault == STKM_OK && !stkm_layout(STKM_TS, m->authenticated, m->cipher))
			fail(c, STKM_BAD_CIPHER);
		return;
	}
	if (m->protocol == STKM_IPSEC)
		m->id_len = c->out ? m->id_len : 4;
	else
		m->id_len = (uint8_t)number(c, m->id_len, 1);
	if (m->id_len < 1 || m->id_len > STKM_ID_MAX || (m->protocol == STKM_IPSEC && m->id_len != 4))
		fail(c, STKM_BAD_ID);
	octets(c, m->id, m->id_len);
	if (m->has_next)
		octets(c, m->next_id, m->id_len);
	if (c->fault == STKM_OK && (!id_ok(m, m->id) || (m->has_next && !id_ok(m, m->next_id))))
		fail(c, STKM_BAD_ID);
}

static void
material(struct cursor *c, struct stkm *m)
{
	const struct stkm_layout *l = stkm_layout(m->protocol, m->authenticated, m->cipher);

	m->material_len = (uint8_t)number(c, m->material_len, 1);
	if (c->fault == STKM_OK && (!l || m->material_len != l->tek + l->salt + l->pad + l->tas))
		fail(c, STKM_BAD_MATERIAL);
	octets(c, m->material, m->material_len);
	if (m->has_next)
		octets(c, m->next_material, m->material_len);
}

static void
criteria(struct cursor *c, struct stkm *m)
{
	int n = c->out ? stkm_criteria_count(m->criteria, m->criteria_len) : 0;

	if (n < 0) {
		fail(c, STKM_BAD_CRITERIA);
		return;
	}
	n = (int)number(c, (uint64_t)n, 1);
	if (c->fault == STKM_OK && n == 0)
		fail(c, STKM_BAD_CRITERIA);
	if (c->out) {
		if (room(c, m->criteria_len)) {
			memcpy(c->out + c->at, m->criteria, m->criteria_len);
			c->at += m->criteria_len;
		}
		return;
	}
	size_t from = c->at;
	for (; n > 0 && room(c, 2); n--) {
		size_t whole = 2u + c->in[c->at + 1];
		if (room(c, whole))
			c->at += whole;
	}
	m->criteria = c->in + from;
	m->criteria_len = c->at - from;
}

static void
lifetime_to_criteria(struct cursor *c, struct stkm *m)
{
	int64_t t;
	uint64_t b = number(c, (uint64_t)(m->reserved[2] & 7) << 5 | (uint64_t)m->has_permissions << 4 | (m->lifetime & 15), 1);

	m->reserved[2] = (uint8_t)(b >> 5);
	m->has_permissions = b >> 4 & 1;
	m->lifetime = b & 15;
	if (m->has_timestamp) {
		m->timestamp = number(c, m->timestamp, 5);
		if (c->fault == STKM_OK && stkm_unix(m->timestamp, &t) < 0)
			fail(c, STKM_BAD_TIME);
	}
	if (m->has_permissions)
		m->permissions_category = (uint8_t)number(c, m->permissions_category, 1);
	if (m->has_criteria)
		criteria(c, m);
}

static void
layers(struct cursor *c, struct stkm *m)
{
	if (m->program) {
		if (m->service)
			octets(c, m->encrypted_PEK, STKM_PEK);
		m->program_CID_extension = (uint32_t)number(c, m->program_CID_extension, 4);
		m->program_MAC_at = c->at;
		octets(c, m->program_MAC, STKM_MAC);
	}
	if (m->service) {
		m->service_CID_extension = (uint32_t)number(c, m->service_CID_extension, 4);
		m->service_MAC_at = c->at;
		octets(c, m->service_MAC, STKM_MAC);
	}
}

static int
walk(struct cursor *c, struct stkm *m, enum stkm_fault *why)
{
	flags(c, m);
	if (c->fault == STKM_OK)
		identifiers(c, m);
	if (c->fault == STKM_OK)
		material(c, m);
	if (c->fault == STKM_OK)
		lifetime_to_criteria(c, m);
	if (c->fault == STKM_OK)
		layers(c, m);
	if (!c->out && c->fault == STKM_OK && c->at != c->len)
		fail(c, STKM_TRAILING);
	if (why)
		*why = c->fault;
	return c->fault == STKM_OK ? 0 : -1;
}

int
stkm_decode(const void *buf, size_t len, struct stkm *m, enum stkm_fault *why)
{
	struct cursor c = { .in = buf, .len = len, .beyond = STKM_TRUNCATED };

	memset(m, 0, sizeof(*m));
	return walk(&c, m, why);
}

size_t
stkm_encode(struct stkm *m, void *out, size_t cap, enum stkm_fault *why)
{
	struct cursor c = { .out = out, .len = cap, .beyond = STKM_TOO_LONG };

	return walk(&c, m, why) < 0 ? 0 : c.at;
}

int
stkm_peek(const void *buf, size_t len, struct stkm_tail *t, enum stkm_fault *why)
{
	struct cursor c = { .in = buf, .len = len, .beyond = STKM_TRUNCATED };
	struct stkm m = { 0 };
	size_t tail;

	memset(t, 0, sizeof(*t));
	flags(&c, &m);
	tail = (m.program ? 4u + STKM_MAC : 0) + (m.service ? 4u + STKM_MAC : 0) + (m.program && m.service ? STKM_PEK : 0u);
	if (c.fault == STKM_OK && len - c.at < tail)
		fail(&c, STKM_TRUNCATED);
	if (why)
		*why = c.fault;
	if (c.fault != STKM_OK)
		return -1;
	t->program = m.program;
	t->service = m.service;
	c.at = len - tail;
	layers(&c, &m);
	t->program_CID_extension = m.program_CID_extension;
	t->service_CID_extension = m.service_CID_extension;
	t->program_MAC_at = m.program_MAC_at;
	t->service_MAC_at = m.service_MAC_at;
	return 0;
}

/* --- shared by both profiles ------------------------------------------------------------------------------------------ */

int
stkm_criteria_count(const void *loop, size_t len)
{
	const uint8_t *p = loop;
	int n = 0;

	for (size_t at = 0; at < len; n++) {
		if (len - at < 2 || len - at - 2 < p[at + 1])
			return -1;
		at += 2u + p[at + 1];
	}
	return n > 255 ? -1 : n;
}

size_t
stkm_key_id(uint8_t protocol, uint16_t stream_index, uint16_t cp, uint8_t out[STKM_ID_MAX])
{
	uint32_t spi = 0x80000000u | (uint32_t)(stream_index & 0x7fff) << 16 | cp;

	switch (protocol) {
	case STKM_IPSEC:
		for (int k = 0; k < 4; k++)
			out[k] = (uint8_t)(spi >> (24 - 8 * k));
		return 4;
	case STKM_SRTP:
		out[0] = (uint8_t)(cp >> 8);
		out[1] = (uint8_t)cp;
		return 2;
	case STKM_ISMACRYP:
		out[0] = (uint8_t)cp;
		return 1;
	case STKM_TS:
		out[0] = cp & 1;
		return 1;
	}
	return 0;
}

uint8_t
stkm_lifetime(uint32_t cp_ms, uint32_t overlap_ms)
{
	uint64_t need = (uint64_t)cp_ms + overlap_ms;
	uint8_t n = 0;

	while (n < 15 && UINT64_C(1000) << n < need)
		n++;
	return n;
}

enum { DAY = 86400, MJD_OF_1970 = 40587 };

int
stkm_mjdutc(int64_t unix_s, uint64_t *out)
{
	static const int64_t first = (int64_t)-MJD_OF_1970 * DAY, last = (int64_t)(65536 - MJD_OF_1970) * DAY - 1;
	uint64_t hms[3], bcd = 0;

	if (unix_s < first || unix_s > last)
		return -1;
	uint64_t s = (uint64_t)(unix_s - first), of_day = s % DAY;
	hms[0] = of_day / 3600;
	hms[1] = of_day / 60 % 60;
	hms[2] = of_day % 60;
	for (int k = 0; k < 3; k++)
		bcd = bcd << 8 | hms[k] / 10 << 4 | hms[k] % 10;
	*out = s / DAY << 24 | bcd;
	return 0;
}

int
stkm_unix(uint64_t mjdutc, int64_t *unix_s)
{
	static const unsigned limit[3] = { 23, 59, 59 };
	int64_t of_day = 0;

	if (mjdutc >> 40)
		return -1;
	for (int k = 0; k < 3; k++) {
		unsigned b = mjdutc >> (16 - 8 * k) & 0xff, v = (b >> 4) * 10 + (b & 15);
		if (b >> 4 > 9 || (b & 15) > 9 || v > limit[k])
			return -1;
		of_day = of_day * 60 + v;
	}
	*unix_s = ((int64_t)(mjdutc >> 24) - MJD_OF_1970) * DAY + of_day;
	return 0;
}

/* --- words ------------------------------------------------------------------------------------------------------------ */

const char *
stkm_fault_text(enum stkm_fault f)
{
	static const char *const text[] = {
		[STKM_OK] = "no fault",
		[STKM_TRUNCATED] = "the message ends before its last field",
		[STKM_VERSION] = "protocol_version is not 0 or a flag field is out of range",
		[STKM_NO_LAYER] = "neither program_flag nor service_flag is set",
		[STKM_BAD_PROTOCOL] = "traffic_protection_protocol is reserved",
		[STKM_BAD_ID] = "a key identifier has a wrong length or a reserved value",
		[STKM_BAD_CIPHER] = "cipher_mode is unknown",
		[STKM_BAD_MATERIAL] = "encrypted_traffic_key_material_length does not fit the protection",
		[STKM_BAD_TIME] = "timestamp is not a time of day in BCD",
		[STKM_BAD_CRITERIA] = "access_criteria descriptors do not fill their loop, or there are none or more than 255",
		[STKM_TRAILING] = "octets follow the last MAC",
		[STKM_TOO_LONG] = "the message does not fit the buffer",
	};

	return (unsigned)f < sizeof(text) / sizeof(text[0]) ? text[f] : "unknown fault";
}

static void
say_hex(struct say *l, const char *name, const uint8_t *p, size_t n)
{
	say(l, " %s=", name);
	for (size_t k = 0; k < n; k++)
		say(l, "%02x", p[k]);
}

size_t
stkm_print(const struct stkm *m, char *out, size_t cap)
{
	struct say l = { out, cap, 0 };
	const char *name = stkm_protocol_name(m->protocol);

	if (cap)
		out[0] = '\0';
	say(&l, "STKM protocol=%s authenticated=%d protection_after_reception=%u", name ? name : "reserved", m->authenticated,
	    m->protection_after_reception);
	if (m->protocol == STKM_TS)
		say(&l, " parity=%s cipher=%s", m->odd ? "odd" : "even", m->cipher == STKM_CISSA ? "cissa" : "csa2");
	else
		say_hex(&l, "id", m->id, m->id_len);
	if (m->has_next && m->protocol != STKM_TS)
		say_hex(&l, "next_id", m->next_id, m->id_len);
	say(&l, " keys=%d material=(%u bytes) traffic_key_lifetime=%us", 1 + m->has_next, m->material_len, 1u << (m->lifetime & 15));
	if (m->has_timestamp)
		say(&l, " timestamp=%010llx", (unsigned long long)m->timestamp);
	if (m->has_permissions)
		say(&l, " permissions_category=0x%02x", m->permissions_category);
	if (m->has_criteria)
		say_hex(&l, "access_criteria", m->criteria, m->criteria_len);
	if (m->program)
		say(&l, " program_CID_extension=%08x", (unsigned)m->program_CID_extension);
	if (m->service)
		say(&l, " service_CID_extension=%08x", (unsigned)m->service_CID_extension);
	return l.len;
}
