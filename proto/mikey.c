/* proto/mikey.c: see mikey.h */
#include "proto/mikey.h"
#include <string.h>
#include "proto/be.h"
#include "proto/say.h"
#include "proto/stkm.h"

enum { VERSION = 1, CS_ENTRY = 9, KEMAC_FIXED = 4 };	/* encryption, length, MAC alg */

static int
no(enum mikey_fault *why, enum mikey_fault f)
{
	if (why)
		*why = f;
	return -1;
}

/* --- payloads: a row knows its length from its first octets, and what it means ------------------------------------------ */

/* Each gets the octets after "next payload", as many as the message has left. The length of the body, or 0 with *f. */
static size_t
t_len(const uint8_t *p, size_t left, enum mikey_fault *f)
{
	if (left >= 1 && p[0] > MIKEY_TS_COUNTER)
		*f = MIKEY_BAD_TS;
	return left < 1 ? 1 : p[0] == MIKEY_TS_COUNTER ? 5 : 9;
}

static size_t
rand_len(const uint8_t *p, size_t left, enum mikey_fault *f)
{
	(void)f;
	return left < 1 ? 1 : 1u + p[0];
}

static size_t
id_len(const uint8_t *p, size_t left, enum mikey_fault *f)
{
	if (left >= 1 && p[0] > 1)
		*f = MIKEY_BAD_ID;
	return left < 3 ? 3 : 3u + be16(p + 1);
}

static size_t
ext_len(const uint8_t *p, size_t left, enum mikey_fault *f)
{
	(void)f;
	return left < 3 ? 3 : 3u + be16(p + 1);
}

static size_t
sp_len(const uint8_t *p, size_t left, enum mikey_fault *f)
{
	(void)f;
	return left < 4 ? 4 : 4u + be16(p + 2);
}

static size_t
kemac_len(const uint8_t *p, size_t left, enum mikey_fault *f)
{
	size_t at;

	if (left < 3)
		return 3;
	at = 3u + be16(p + 1);
	if (left <= at)
		return at + 1;
	if (p[at] > MIKEY_MAC_SHA1)
		*f = MIKEY_BAD_MAC_ALG;
	return at + 1 + (p[at] == MIKEY_MAC_SHA1 ? MIKEY_MAC : 0);
}

static size_t
v_len(const uint8_t *p, size_t left, enum mikey_fault *f)
{
	if (left >= 1 && p[0] > MIKEY_MAC_SHA1)
		*f = MIKEY_BAD_MAC_ALG;
	return left < 1 ? 1 : 1 + (p[0] == MIKEY_MAC_SHA1 ? MIKEY_MAC : 0u);
}

static size_t
err_len(const uint8_t *p, size_t left, enum mikey_fault *f)
{
	(void)p;
	(void)left;
	(void)f;
	return 3;
}

static int
take_t(struct mikey *m, struct mikey_view b)
{
	m->has_t = true;
	m->ts_type = b.p[0];
	m->ts = be_uint(b.p + 1, b.len - 1);
	return 0;
}

static int
take_rand(struct mikey *m, struct mikey_view b)
{
	m->rand = (struct mikey_view){ b.p + 1, b.len - 1 };
	return 0;
}

/* The first of two IDs is the initiator's; one alone (verification, report) is the responder's. */
static int
take_id(struct mikey *m, struct mikey_view b)
{
	if (m->idi.p)
		return MIKEY_REPEATED;
	m->idi = m->idr;
	m->id_type[0] = m->id_type[1];
	m->idr = (struct mikey_view){ b.p + 3, b.len - 3 };
	m->id_type[1] = b.p[0];
	return 0;
}

static int
take_mbms(struct mikey *m, const uint8_t *p, size_t len)
{
	static const uint8_t size[] = { 3, 4, 2 };	/* Key Domain ID, SEK/PEK ID, TEK ID */
	struct mikey_ids *ids = &m->ids;

	if (m->has_ids)
		return MIKEY_REPEATED;
	m->has_ids = true;
	for (size_t at = 0; at < len; at += 2u + p[at + 1]) {
		const uint8_t *k = p + at;
		if (len - at < 2 || len - at - 2 < k[1] || (k[0] < 3 && k[1] != size[k[0]]))
			return MIKEY_BAD_KEY_ID;
		bool *has = k[0] == 0 ? &ids->has_domain : k[0] == 1 ? &ids->has_key : &ids->has_tek;
		if (k[0] > 2)
			continue;	/* unknown: skipped by its length */
		if (*has)
			return MIKEY_REPEATED;
		*has = true;
		if (k[0] == 0)
			memcpy(ids->domain, k + 2, 3);
		else if (k[0] == 1) {
			ids->key_group = be16(k + 2);
			ids->key_number = be16(k + 4);
		} else
			ids->tek_id = be16(k + 2);
	}
	return 0;
}

static int
take_ext(struct mikey *m, struct mikey_view b)
{
	if (b.p[0] == MIKEY_EXT_MBMS)
		return take_mbms(m, b.p + 3, b.len - 3);
	if (b.p[0] == MIKEY_EXT_BCAST && !m->bcast.p)
		m->bcast = (struct mikey_view){ b.p + 3, b.len - 3 };
	return 0;
}

static int
take_sp(struct mikey *m, struct mikey_view b)
{
	if (m->map_type == MIKEY_MAP_EMPTY)
		return MIKEY_BAD_MAP;	/* RFC 4563 section 5 */
	m->sp = b;
	return 0;
}

static int
take_kemac(struct mikey *m, struct mikey_view b)
{
	size_t n = be16(b.p + 1);

	m->has_kemac = true;
	m->encr_alg = b.p[0];
	m->encr = (struct mikey_view){ b.p + 3, n };
	m->mac_alg = b.p[3 + n];
	m->mac = (struct mikey_view){ b.p + KEMAC_FIXED + n, b.len - KEMAC_FIXED - n };
	return 0;
}

static int
take_v(struct mikey *m, struct mikey_view b)
{
	m->has_v = true;
	m->mac_alg = b.p[0];
	m->mac = (struct mikey_view){ b.p + 1, b.len - 1 };
	return 0;
}

static int
take_err(struct mikey *m, struct mikey_view b)
{
	m->has_err = true;
	m->err = b.p[0];
	return 0;
}

static const struct row {
	uint8_t type;
	const char *name;
	size_t (*len)(const uint8_t *, size_t, enum mikey_fault *);
	int (*take)(struct mikey *, struct mikey_view);
	bool many, last;	/* may stand more than once; nothing may follow */
} rows[] = {
	{ MIKEY_KEMAC, "KEMAC", kemac_len, take_kemac, false, true },
	{ MIKEY_T,     "T",     t_len,     take_t,     false, false },
	{ MIKEY_ID,    "ID",    id_len,    take_id,    true,  false },
	{ MIKEY_V,     "V",     v_len,     take_v,     false, true },
	{ MIKEY_SP,    "SP",    sp_len,    take_sp,    false, false },
	{ MIKEY_RAND,  "RAND",  rand_len,  take_rand,  false, false },
	{ MIKEY_ERR,   "ERR",   err_len,   take_err,   false, false },
	{ MIKEY_EXT,   "EXT",   ext_len,   take_ext,   true,  false },
};

static const struct row *
row_of(uint8_t type)
{
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
		if (rows[k].type == type)
			return &rows[k];
	return NULL;
}

static enum mikey_fault
header(const uint8_t *p, size_t len, struct mikey *m, size_t *at)
{
	if (len < MIKEY_HEADER)
		return MIKEY_TRUNCATED;
	if (p[0] != VERSION)
		return MIKEY_BAD_VERSION;
	m->data_type = p[1];
	m->v = p[3] >> 7;
	m->prf = p[3] & 0x7f;
	m->csb_id = (uint32_t)be_uint(p + 4, 4);
	m->ncs = p[8];
	m->map_type = p[9];
	if (m->data_type != MIKEY_PSK && m->data_type != MIKEY_PSK_VERIFY && m->data_type != MIKEY_ERROR)
		return MIKEY_BAD_DATA_TYPE;
	if (m->map_type > MIKEY_MAP_EMPTY || (m->map_type == MIKEY_MAP_EMPTY && m->ncs != 0))
		return MIKEY_BAD_MAP;
	if (len - MIKEY_HEADER < (size_t)m->ncs * CS_ENTRY)
		return MIKEY_TRUNCATED;
	m->map = (struct mikey_view){ p + MIKEY_HEADER, (size_t)m->ncs * CS_ENTRY };
	*at = MIKEY_HEADER + m->map.len;
	return MIKEY_OK;
}

static enum mikey_fault
chain(const uint8_t *p, size_t len, struct mikey *m, size_t at)
{
	for (uint8_t type = p[2], next; type != MIKEY_LAST; type = next) {
		const struct row *row = row_of(type);
		enum mikey_fault f = MIKEY_OK;

		if (!row)
			return MIKEY_BAD_PAYLOAD;	/* its length is unknowable */
		if (m->n == MIKEY_PAYLOADS)
			return MIKEY_TOO_LONG;
		if (at == len)
			return MIKEY_TRUNCATED;
		next = p[at++];
		size_t body = row->len(p + at, len - at, &f);
		if (f != MIKEY_OK)
			return f;
		if (body > len - at)
			return MIKEY_TRUNCATED;
		if (row->last && next != MIKEY_LAST)
			return MIKEY_ORDER;
		for (size_t k = 0; !row->many && k < m->n; k++)
			if (m->payload[k].type == type)
				return MIKEY_REPEATED;
		m->payload[m->n].type = type;
		m->payload[m->n].body = (struct mikey_view){ p + at, body };
		f = (enum mikey_fault)row->take(m, m->payload[m->n++].body);
		if (f != MIKEY_OK)
			return f;
		at += body;
	}
	m->mac_at = m->mac.p ? (size_t)(m->mac.p - p) : 0;
	return at == len ? MIKEY_OK : MIKEY_TRAILING;
}

int
mikey_decode(const void *buf, size_t len, struct mikey *m, enum mikey_fault *why)
{
	size_t at = 0;

	memset(m, 0, sizeof(*m));
	enum mikey_fault f = header(buf, len, m, &at);
	if (f == MIKEY_OK)
		f = chain(buf, len, m, at);
	if (why)
		*why = f;
	return f == MIKEY_OK ? 0 : -1;
}

/* --- key data --------------------------------------------------------------------------------------------------------- */

static bool
cut(const uint8_t **p, const uint8_t *end, size_t width, struct mikey_view *v)
{
	if ((size_t)(end - *p) < width || (size_t)(end - *p) - width < be_uint(*p, width))
		return false;
	v->len = (size_t)be_uint(*p, width);
	v->p = *p + width;
	*p = v->p + v->len;
	return true;
}

int
mikey_keys(const void *plain, size_t len, struct mikey_key *keys, size_t max, enum mikey_fault *why)
{
	const uint8_t *p = plain, *end = p + len;
	uint8_t next = len ? MIKEY_KEY_DATA : MIKEY_LAST;
	size_t n = 0;

	for (; next != MIKEY_LAST; n++) {
		struct mikey_key k = { 0 };
		if (next != MIKEY_KEY_DATA || end - p < 2)
			return no(why, next != MIKEY_KEY_DATA ? MIKEY_BAD_PAYLOAD : MIKEY_BAD_KEY_DATA);
		if (n == max)
			return no(why, MIKEY_TOO_LONG);
		next = p[0];
		k.type = p[1] >> 4;
		k.kv = p[1] & 15;
		p += 2;
		if (k.type > MIKEY_TEK_SALT || k.kv > MIKEY_KV_INTERVAL || !cut(&p, end, 2, &k.key) ||
		    ((k.type & 1) && !cut(&p, end, 2, &k.salt)) || (k.kv != MIKEY_KV_NULL && !cut(&p, end, 1, &k.from)) ||
		    (k.kv == MIKEY_KV_INTERVAL && !cut(&p, end, 1, &k.to)))
			return no(why, MIKEY_BAD_KEY_DATA);
		keys[n] = k;
	}
	if (p != end)
		return no(why, MIKEY_TRAILING);
	return (int)n;
}

int
mikey_interval(const struct mikey_key *k, uint16_t *lower, uint16_t *upper)
{
	if (k->kv != MIKEY_KV_INTERVAL || k->from.len != 2 || k->to.len != 2)
		return -1;
	*lower = be16(k->from.p);
	*upper = be16(k->to.p);
	return 0;
}

struct out { uint8_t *p; size_t cap, len; bool full; };

static void
add(struct out *o, const void *bytes, size_t n)
{
	if (o->full || n > o->cap - o->len) {
		o->full = true;
		return;
	}
	if (n)
		memcpy(o->p + o->len, bytes, n);
	o->len += n;
}

/* A length of width octets, then the octets. */
static void
add_counted(struct out *o, size_t width, const struct mikey_view *v)
{
	uint8_t b[2] = { (uint8_t)(v->len >> 8), (uint8_t)v->len };

	if (v->len >> 8 * width)
		o->full = true;
	add(o, b + 2 - width, width);
	add(o, v->p, v->len);
}

size_t
mikey_put_key(const struct mikey_key *k, void *buf, size_t cap)
{
	struct out o = { buf, cap, 0, k->type > MIKEY_TEK_SALT || k->kv > MIKEY_KV_INTERVAL };
	uint8_t head[2] = { MIKEY_LAST, (uint8_t)(k->type << 4 | k->kv) };

	add(&o, head, 2);
	add_counted(&o, 2, &k->key);
	if (k->type & 1)
		add_counted(&o, 2, &k->salt);
	if (k->kv != MIKEY_KV_NULL)
		add_counted(&o, 1, &k->from);
	if (k->kv == MIKEY_KV_INTERVAL)
		add_counted(&o, 1, &k->to);
	return o.full ? 0 : o.len;
}

/* --- EXT BCAST -------------------------------------------------------------------------------------------------------- */

/* The management data's bits, most significant first (2.7): the one table that knows them. */
enum { F_VERSION, F_AFTER, F_BINDING, F_CRITERIA, F_PROTOCOL, F_AUTH, F_LIFETIME, F_POLICY, F_REPORT, F_COUNT };
struct bits { uint8_t field, width; };
static const struct bits stkm_bits[] = { { F_VERSION, 4 }, { F_AFTER, 2 }, { F_BINDING, 1 }, { F_CRITERIA, 1 },
	{ F_PROTOCOL, 3 }, { F_AUTH, 1 }, { F_LIFETIME, 4 } };
static const struct bits ltkm_bits[] = { { F_VERSION, 4 }, { F_POLICY, 1 }, { F_REPORT, 1 }, { F_CRITERIA, 1 }, { F_BINDING, 1 } };
static const struct { uint8_t subtype; size_t octets, n; const struct bits *bits; } forms[] = {
	{ MIKEY_BCAST_LTKM, 1, sizeof(ltkm_bits) / sizeof(ltkm_bits[0]), ltkm_bits },
	{ MIKEY_BCAST_STKM, 2, sizeof(stkm_bits) / sizeof(stkm_bits[0]), stkm_bits },
};

int
mikey_management(const struct mikey_view *ext, struct mikey_management *m, enum mikey_fault *why)
{
	const uint8_t *p = ext->p, *end = p ? p + ext->len : NULL;
	unsigned f[F_COUNT] = { 0 };
	size_t form = 0;

	memset(m, 0, sizeof(*m));
	while (p && p != end && form < 2 && forms[form].subtype != p[0])
		form++;
	if (!p || p == end || form == 2 || ext->len < 1 + forms[form].octets)
		return no(why, MIKEY_BAD_MANAGEMENT);
	unsigned word = (unsigned)be_uint(p + 1, forms[form].octets), left = 8 * (unsigned)forms[form].octets;
	for (size_t k = 0; k < forms[form].n; k++) {
		left -= forms[form].bits[k].width;
		f[forms[form].bits[k].field] = word >> left & ((1u << forms[form].bits[k].width) - 1);
	}
	m->subtype = p[0];
	p += 1 + forms[form].octets;
	m->version = (uint8_t)f[F_VERSION];
	m->protection_after_reception = (uint8_t)f[F_AFTER];
	m->protocol = (uint8_t)f[F_PROTOCOL];
	m->authenticated = f[F_AUTH];
	m->lifetime = (uint8_t)f[F_LIFETIME];
	m->consumption_reporting = f[F_REPORT];
	if (m->version != 0 || (f[F_POLICY] && !cut(&p, end, 1, &m->policy)))
		return no(why, MIKEY_BAD_MANAGEMENT);
	if (f[F_CRITERIA]) {
		if (end - p < 2)
			return no(why, MIKEY_BAD_MANAGEMENT);
		size_t count = p[1];
		m->criteria.p = p += 2;
		for (; count > 0; count--) {
			if (end - p < 2 || end - p - 2 < p[1])
				return no(why, MIKEY_BAD_MANAGEMENT);
			p += 2 + p[1];
		}
		m->criteria.len = (size_t)(p - m->criteria.p);
	}
	if (f[F_BINDING]) {
		m->binding.p = p;
		if (end - p < 5 || end - p - 5 < p[4])
			return no(why, MIKEY_BAD_MANAGEMENT);
		p += 5 + p[4];
		m->binding.len = (size_t)(p - m->binding.p);
	}
	return p == end ? 0 : no(why, MIKEY_BAD_MANAGEMENT);
}

size_t
mikey_put_management(const struct mikey_management *m, void *buf, size_t cap)
{
	const unsigned f[F_COUNT] = { [F_VERSION] = m->version, [F_AFTER] = m->protection_after_reception, [F_BINDING] = m->binding.p != NULL,
		[F_CRITERIA] = m->criteria.p != NULL, [F_PROTOCOL] = m->protocol, [F_AUTH] = m->authenticated,
		[F_LIFETIME] = m->lifetime, [F_POLICY] = m->policy.p != NULL, [F_REPORT] = m->consumption_reporting };
	int n = stkm_criteria_count(m->criteria.p, m->criteria.len);
	struct out o = { buf, cap, 0, n < 0 };
	size_t form = 0;
	unsigned word = 0;

	while (form < 2 && forms[form].subtype != m->subtype)
		form++;
	if (form == 2)
		return 0;
	for (size_t k = 0; k < forms[form].n; k++) {
		if (f[forms[form].bits[k].field] >> forms[form].bits[k].width)
			return 0;
		word = word << forms[form].bits[k].width | f[forms[form].bits[k].field];
	}
	uint8_t head[3] = { m->subtype, (uint8_t)(forms[form].octets == 2 ? word >> 8 : word), (uint8_t)word };
	add(&o, head, 1 + forms[form].octets);
	if (m->subtype == MIKEY_BCAST_LTKM && m->policy.p)
		add_counted(&o, 1, &m->policy);
	if (m->criteria.p) {
		add(&o, (const uint8_t[]){ 0, (uint8_t)n }, 2);
		add(&o, m->criteria.p, m->criteria.len);
	}
	if (m->binding.p)
		add(&o, m->binding.p, m->binding.len);
	return o.full ? 0 : o.len;
}

/* --- writing ---------------------------------------------------------------------------------------------------------- */

static uint8_t *
grow(struct mikey_writer *w, size_t n)
{
	if (w->fault == MIKEY_OK && n > w->cap - w->len)
		w->fault = MIKEY_TOO_LONG;
	if (w->fault != MIKEY_OK)
		return NULL;
	w->len += n;
	return memset(w->buf + w->len - n, 0, n);
}

void
mikey_begin(struct mikey_writer *w, void *buf, size_t cap, uint8_t data_type, uint8_t v, uint32_t csb_id)
{
	const struct mikey like = { .data_type = data_type, .v = v, .csb_id = csb_id, .map_type = MIKEY_MAP_EMPTY };

	mikey_begin_map(w, buf, cap, &like);
}

void
mikey_begin_map(struct mikey_writer *w, void *buf, size_t cap, const struct mikey *m)
{
	*w = (struct mikey_writer){ .buf = buf, .cap = cap, .next_at = 2 };
	uint8_t *p = grow(w, MIKEY_HEADER + m->map.len);
	if (!p)
		return;
	p[0] = VERSION;
	p[1] = m->data_type;
	p[3] = (uint8_t)(m->v << 7 | (m->prf & 0x7f));
	for (int k = 0; k < 4; k++)
		p[4 + k] = (uint8_t)(m->csb_id >> (24 - 8 * k));
	p[8] = m->ncs;
	p[9] = m->map_type;
	if (m->map.len)
		memcpy(p + MIKEY_HEADER, m->map.p, m->map.len);
}

/* Room for a payload's body; the payload before it learns what follows. */
static uint8_t *
open_payload(struct mikey_writer *w, uint8_t type, size_t len)
{
	uint8_t *p = grow(w, 1 + len);

	if (!p)
		return NULL;
	w->buf[w->next_at] = type;
	w->next_at = (size_t)(p - w->buf);
	return p + 1;
}

void
mikey_put(struct mikey_writer *w, uint8_t type, const void *body, size_t len)
{
	uint8_t *p = open_payload(w, type, len);

	if (p && len)
		memcpy(p, body, len);
}

void
mikey_put_ext(struct mikey_writer *w, uint8_t ext_type, const void *data, size_t len)
{
	if (len > UINT16_MAX && w->fault == MIKEY_OK)
		w->fault = MIKEY_TOO_LONG;
	uint8_t *p = open_payload(w, MIKEY_EXT, 3 + len);

	if (!p)
		return;
	p[0] = ext_type;
	p[1] = (uint8_t)(len >> 8);
	p[2] = (uint8_t)len;
	if (len)
		memcpy(p + 3, data, len);
}

void
mikey_put_ids(struct mikey_writer *w, const struct mikey_ids *i)
{
	uint8_t b[15] = { 0, 3, i->domain[0], i->domain[1], i->domain[2], 1, 4, (uint8_t)(i->key_group >> 8), (uint8_t)i->key_group,
		(uint8_t)(i->key_number >> 8), (uint8_t)i->key_number, 2, 2, (uint8_t)(i->tek_id >> 8), (uint8_t)i->tek_id };

	mikey_put_ext(w, MIKEY_EXT_MBMS, b, i->has_tek ? 15 : 11);
}

void
mikey_put_bcast(struct mikey_writer *w, const struct mikey_management *m)
{
	enum { HEAD = 4 };	/* next payload, EXT type, length */
	uint8_t *p = w->buf + w->len;
	size_t n = w->cap - w->len > HEAD ? mikey_put_management(m, p + HEAD, w->cap - w->len - HEAD) : 0;

	if (w->fault == MIKEY_OK && (n == 0 || n > UINT16_MAX))
		w->fault = MIKEY_BAD_MANAGEMENT;
	if (w->fault != MIKEY_OK)
		return;
	w->buf[w->next_at] = MIKEY_EXT;
	w->next_at = w->len;
	p[0] = MIKEY_LAST;
	p[1] = MIKEY_EXT_BCAST;
	p[2] = (uint8_t)(n >> 8);
	p[3] = (uint8_t)n;
	w->len += HEAD + n;
}

void
mikey_put_counter(struct mikey_writer *w, uint32_t counter)
{
	uint8_t b[5] = { MIKEY_TS_COUNTER, (uint8_t)(counter >> 24), (uint8_t)(counter >> 16), (uint8_t)(counter >> 8), (uint8_t)counter };

	mikey_put(w, MIKEY_T, b, sizeof(b));
}

void
mikey_put_rand(struct mikey_writer *w, const void *rand, size_t len)
{
	if (len > UINT8_MAX && w->fault == MIKEY_OK)
		w->fault = MIKEY_TOO_LONG;
	uint8_t *p = open_payload(w, MIKEY_RAND, 1 + len);

	if (!p)
		return;
	p[0] = (uint8_t)len;
	if (len)
		memcpy(p + 1, rand, len);
}

void
mikey_put_id(struct mikey_writer *w, const char *name)
{
	size_t len = strlen(name);

	if (len > UINT16_MAX && w->fault == MIKEY_OK)
		w->fault = MIKEY_TOO_LONG;
	uint8_t *p = open_payload(w, MIKEY_ID, 3 + len);

	if (!p)
		return;
	p[1] = (uint8_t)(len >> 8);
	p[2] = (uint8_t)len;
	memcpy(p + 3, name, len);
}

void
mikey_put_err(struct mikey_writer *w, uint8_t number)
{
	mikey_put(w, MIKEY_ERR, (const uint8_t[]){ number, 0, 0 }, 3);
}

uint8_t *
mikey_put_kemac(struct mikey_writer *w, size_t n, size_t *mac_at)
{
	if (n > UINT16_MAX && w->fault == MIKEY_OK)
		w->fault = MIKEY_TOO_LONG;
	uint8_t *p = open_payload(w, MIKEY_KEMAC, KEMAC_FIXED + n + MIKEY_MAC);

	if (!p)
		return NULL;
	p[0] = MIKEY_ENCR_AES_CM;
	p[1] = (uint8_t)(n >> 8);
	p[2] = (uint8_t)n;
	p[3 + n] = MIKEY_MAC_SHA1;
	*mac_at = w->len - MIKEY_MAC;
	return p + 3;
}

uint8_t *
mikey_put_v(struct mikey_writer *w, size_t *mac_at)
{
	uint8_t *p = open_payload(w, MIKEY_V, 1 + MIKEY_MAC);

	if (!p)
		return NULL;
	p[0] = MIKEY_MAC_SHA1;
	*mac_at = w->len - MIKEY_MAC;
	return p + 1;
}

size_t
mikey_end(struct mikey_writer *w, enum mikey_fault *why)
{
	if (why)
		*why = w->fault;
	return w->fault == MIKEY_OK ? w->len : 0;
}

/* --- words ------------------------------------------------------------------------------------------------------------ */

static const struct { const char *text; uint8_t err; } faults[] = {	/* 2.8: ERR numbers; 12 unspecified */
	[MIKEY_OK] = { "no fault", 12 },
	[MIKEY_TRUNCATED] = { "a payload runs past the end of the message", 12 },
	[MIKEY_BAD_VERSION] = { "version is not 1", 12 },
	[MIKEY_BAD_DATA_TYPE] = { "data type not supported", 11 },
	[MIKEY_BAD_MAP] = { "CS ID map type not supported, or it does not fit #CS or an SP payload", 12 },
	[MIKEY_BAD_PAYLOAD] = { "unknown payload type", 12 },
	[MIKEY_ORDER] = { "a payload follows KEMAC or V", 12 },
	[MIKEY_REPEATED] = { "a payload or key identifier stands twice", 12 },
	[MIKEY_BAD_TS] = { "TS type not supported", 1 },
	[MIKEY_BAD_ID] = { "ID type not supported", 7 },
	[MIKEY_BAD_MAC_ALG] = { "MAC algorithm not supported", 3 },
	[MIKEY_BAD_KEY_ID] = { "the key identifiers of the MBMS extension are malformed", 12 },
	[MIKEY_BAD_MANAGEMENT] = { "the management data of the BCAST extension is malformed or does not fit", 12 },
	[MIKEY_BAD_KEY_DATA] = { "the key data is malformed", 12 },
	[MIKEY_TRAILING] = { "octets follow the last payload", 12 },
	[MIKEY_TOO_LONG] = { "too many payloads, or the message does not fit the buffer", 12 },
};

const char *
mikey_fault_text(enum mikey_fault f)
{
	return (unsigned)f < sizeof(faults) / sizeof(faults[0]) ? faults[f].text : "unknown fault";
}

uint8_t
mikey_err_of(enum mikey_fault f)
{
	return (unsigned)f < sizeof(faults) / sizeof(faults[0]) ? faults[f].err : 12;
}

/* Text from the wire: anything but plain ASCII is escaped. */
static void
say_text(struct say *l, const char *name, struct mikey_view v)
{
	say(l, " %s=\"", name);
	for (size_t k = 0; k < v.len; k++)
		say(l, v.p[k] < 0x20 || v.p[k] > 0x7e || v.p[k] == '"' || v.p[k] == '\\' ? "\\x%02x" : "%c", v.p[k]);
	say(l, "\"");
}

static void
say_management(struct say *l, const struct mikey *m)
{
	struct mikey_management d;

	if (!m->bcast.p)
		return;
	say(l, " BCAST(subtype=%u", m->bcast.len ? m->bcast.p[0] : 0u);
	if (mikey_management(&m->bcast, &d, NULL) < 0)
		say(l, " %zu bytes", m->bcast.len);
	else if (d.subtype == MIKEY_BCAST_STKM)
		say(l, " protocol=%u authenticated=%d protection_after_reception=%u traffic_key_lifetime=%us", d.protocol, d.authenticated,
		    d.protection_after_reception, 1u << d.lifetime);
	if (d.criteria.p)
		say(l, " access_criteria=%zu", d.criteria.len);
	if (d.binding.p)
		say(l, " terminal_binding=%zu", d.binding.len);
	say(l, ")");
}

static const char *
kind(const struct mikey *m)
{
	if (m->data_type != MIKEY_PSK)
		return m->data_type == MIKEY_ERROR ? "error" : "verification";
	return !m->has_kemac ? "pre-shared" : m->ids.has_tek ? "STKM" : m->encr.len ? "LTKM" : "pull";
}

size_t
mikey_print(const struct mikey *m, char *out, size_t cap)
{
	struct say l = { out, cap, 0 };

	if (cap)
		out[0] = '\0';
	say(&l, "MIKEY %s V=%u CSB=%u", kind(m), m->v, (unsigned)m->csb_id);
	if (m->ncs)
		say(&l, " CS=%u", m->ncs);
	if (m->ids.has_domain)
		say(&l, " domain=%02x%02x%02x", m->ids.domain[0], m->ids.domain[1], m->ids.domain[2]);
	if (m->ids.has_key)
		say(&l, " key=%04x%04x", m->ids.key_group, m->ids.key_number);
	if (m->ids.has_tek)
		say(&l, " TEK_ID=%u", m->ids.tek_id);
	if (m->has_t)
		say(&l, " %s=%llu", m->ts_type == MIKEY_TS_COUNTER ? "counter" : "time", (unsigned long long)m->ts);
	if (m->rand.p)
		say(&l, " RAND=(%zu bytes)", m->rand.len);
	if (m->idi.p)
		say_text(&l, "IDi", m->idi);
	if (m->idr.p)
		say_text(&l, "IDr", m->idr);
	say_management(&l, m);
	if (m->sp.p)
		say(&l, " SP=(%zu bytes)", m->sp.len);
	if (m->has_kemac)
		say(&l, " KEMAC=(encryption %u, %zu bytes, MAC %u)", m->encr_alg, m->encr.len, m->mac_alg);
	if (m->has_v)
		say(&l, " V=(MAC %u)", m->mac_alg);
	if (m->has_err)
		say(&l, " ERR=%u", m->err);
	return l.len;
}
