/* proto/sim.c: the one walker of every SimulCrypt table */
#include "proto/sim.h"
#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "proto/be.h"

enum { TLV_HEADER = 4, USES_MAX = 64 /* as bits of a word */, USER_DEFINED = 0x8000 };

const struct sim_param *
sim_param_find(const struct sim_iface *iface, uint16_t type)
{
	size_t guess = (size_t)type - 1;	/* the standard numbers its parameters from 1 on, and so do our tables */

	if (guess < iface->nparams && iface->params[guess].type == type)
		return &iface->params[guess];
	for (size_t k = iface->nparams; k-- > 0; )	/* user-defined ones stand at the end */
		if (iface->params[k].type == type)
			return &iface->params[k];
	return NULL;
}

const struct sim_message *
sim_message_find(const struct sim_iface *iface, uint16_t type)
{
	for (size_t k = iface->nmessages; k-- > 0; )	/* those of the daily round stand behind those that set it up */
		if (iface->messages[k].type == type)
			return &iface->messages[k];
	return NULL;
}

/* What a compound parameter holds. */
static const struct sim_message *
group_find(const struct sim_iface *iface, uint16_t type)
{
	for (size_t k = 0; k < iface->ngroups; k++)
		if (iface->groups[k].type == type)
			return &iface->groups[k];
	return NULL;
}

const struct sim_status *
sim_status_find(const struct sim_iface *iface, uint16_t status)
{
	for (size_t k = 0; k < iface->nstatuses; k++)
		if (iface->statuses[k].status == status)
			return &iface->statuses[k];
	return NULL;
}

static const struct sim_status *
range_of(uint16_t status)
{
	static const struct sim_status ranges[] = {	/* by their first number */
		{ 0x0000, "no error", "0 is reserved; a peer that sends it as an error_status did not fill it in",
		    "look at error_information and at the peer's log, and report it to the peer's vendor" },
		{ 0x0001, "reserved by DVB", "the number has no meaning on this interface in any edition of the standard that is known here",
		    "look the number up in the peer's manual; check that the peer speaks this interface: the same number means different things on each" },
		{ 0x8000, "user defined", "the number is the peer's vendor's own",
		    "look it up in the vendor's manual; error_information may say more" },
	};
	size_t k = sizeof(ranges) / sizeof(ranges[0]);

	while (ranges[--k].status > status)
		;
	return &ranges[k];
}

const struct sim_status *
sim_status_words(const struct sim_iface *iface, uint16_t status)
{
	const struct sim_status *s = sim_status_find(iface, status);

	return s ? s : range_of(status);
}

uint16_t
sim_status_of(const struct sim_iface *iface, enum sim_verdict verdict)
{
	for (size_t k = 0; k < iface->nerrors; k++)
		if (iface->errors[k].verdict == verdict)
			return iface->errors[k].status;
	return verdict == SIM_OK ? 0 : 0x7000;	/* unknown error, the same number on every interface */
}

const char *
sim_verdict_text(enum sim_verdict verdict)
{
	static const char *const text[] = {
		[SIM_OK] = "well-formed",
		[SIM_MALFORMED] = "malformed message",
		[SIM_VERSION] = "unsupported protocol version",
		[SIM_TOO_LONG] = "message too long",
		[SIM_NO_MESSAGE] = "unknown message type",
		[SIM_NO_PARAM] = "unknown parameter type",
		[SIM_BAD_LENGTH] = "inconsistent parameter length",
		[SIM_BAD_VALUE] = "invalid parameter value",
		[SIM_MISSING] = "missing mandatory parameter",
		[SIM_REPEATED] = "repeated parameter",
	};
	return (size_t)verdict < sizeof(text) / sizeof(text[0]) ? text[verdict] : "unknown verdict";
}

size_t
sim_frame_length(const void *buf, size_t len)
{
	return len < SIM_HEADER ? 0 : SIM_HEADER + (size_t)be16((const uint8_t *)buf + 3);
}

/* Value of an integer of 1..8 bytes; sign by kind. */
static int64_t
integer(const struct sim_param *param, const uint8_t *p, size_t len)
{
	uint64_t v = param->kind == SIM_INT && (p[0] & 0x80) ? UINT64_MAX : 0;

	for (size_t k = 0; k < len; k++)
		v = v << 8 | p[k];
	return (int64_t)v;
}

static bool
in_version(const struct sim_use *use, uint8_t version)
{
	return (use->from == 0 || version >= use->from) && (use->to == 0 || version <= use->to);
}

/*
 * Of the rows of one type only one is of a version. Most peers keep the rows' order: the one behind the last (*from) is looked at first, then
 * the last one, which may be repeated, then all.
 */
static inline const struct sim_use *
find_use(const struct sim_message *def, uint16_t type, uint8_t version, size_t *from)
{
	size_t k = *from + 1 < def->n ? *from + 1 : 0;

	if (def->n > 0 && def->uses[*from].type == type && def->uses[k].type != type)
		k = *from;
	for (size_t left = def->n; left > 0; left--) {
		if (def->uses[k].type == type && in_version(&def->uses[k], version)) {
			*from = k;
			return &def->uses[k];
		}
		if (++k == def->n)
			k = 0;
	}
	return NULL;
}

static bool
length_fits(const struct sim_param *param, const struct sim_use *use, size_t len)
{
	return len >= param->min && len <= param->max && (!use || use->len == 0 || len == use->len);
}

/* The first fault found is the one reported. */
static void
blame(struct sim_fault *f, enum sim_verdict verdict, uint16_t param, size_t offset)
{
	if (f->verdict == SIM_OK)
		*f = (struct sim_fault){ verdict, param, offset };
}

/* Version, frame length, message type, in this order. */
static void
read_header(const uint8_t *p, size_t len, struct sim_msg *m, struct sim_fault *f)
{
	if (len > 0) {
		m->version = p[0];
		if (p[0] < m->iface->oldest || p[0] > m->iface->newest)
			blame(f, SIM_VERSION, 0, 0);
	}
	if (len < SIM_HEADER || sim_frame_length(p, len) != len)
		blame(f, SIM_MALFORMED, 0, len < SIM_HEADER ? len : 3);
	if (len < SIM_HEADER)
		return;
	m->type = be16(p + 1);
	m->def = sim_message_find(m->iface, m->type);
	if (!m->def)
		blame(f, SIM_NO_MESSAGE, 0, 1);
}

static bool
whole_tlv(const uint8_t *p, size_t at, size_t end)
{
	return end - at >= TLV_HEADER && end - at - TLV_HEADER >= be16(p + at + 2);
}

static struct sim_fault
torn(const uint8_t *p, size_t at, size_t end)
{
	return (struct sim_fault){ SIM_MALFORMED, end - at < TLV_HEADER ? 0 : be16(p + at), at };
}

/* The end of the last whole TLV in [at, end); the TLVs of a well-formed message or group fill it exactly. */
static size_t
tlv_end(const uint8_t *p, size_t at, size_t end, struct sim_fault *f)
{
	for (; at < end; at += TLV_HEADER + (size_t)be16(p + at + 2))
		if (!whole_tlv(p, at, end)) {
			struct sim_fault why = torn(p, at, end);

			blame(f, why.verdict, why.param, why.offset);
			return at;
		}
	return at;
}

static struct sim_value
tlv(const uint8_t *p)
{
	return (struct sim_value){ be16(p), be16(p + 2), p + TLV_HEADER };
}

struct checks {		/* what the rows of one message, or of a group in it, say about what was read */
	const struct sim_message *rules;	/* NULL: the header was refused, values are only collected */
	bool strict;
	struct sim_fault count, value;		/* judged after structure and lengths */
	size_t row;				/* that of the last parameter */
	uint64_t seen;				/* a bit a row: none is wanted, or allowed, but once or any number of times */
};

/* Whether the value is one of the message's; else it is dropped or at fault. */
static bool
admit(struct sim_msg *m, struct checks *c, const struct sim_value *v, size_t at, struct sim_fault *f)
{
	const struct sim_param *param = sim_param_find(m->iface, v->type);
	const struct sim_use *use = c->rules && param ? find_use(c->rules, v->type, m->version, &c->row) : NULL;

	if (use && c->strict && use->spare && use->least == 0)
		use = NULL;
	if (!param || (c->rules && !use)) {
		m->ignored++;
		if (c->strict)
			blame(f, SIM_NO_PARAM, v->type, at);
		return false;
	}
	if (!length_fits(param, use, v->len)) {
		if (v->type >= USER_DEFINED && !c->strict)	/* another vendor's meaning of the same number */
			m->ignored++;
		else
			blame(f, SIM_BAD_LENGTH, v->type, at);
		return false;
	}
	if (use) {
		if (c->seen >> c->row & 1 && use->most == 1)
			blame(&c->count, SIM_REPEATED, v->type, at);
		c->seen |= UINT64_C(1) << c->row;
	}
	if (use && use->top && integer(param, v->p, v->len) > use->top)
		blame(&c->value, SIM_BAD_VALUE, v->type, at);
	return true;
}

static void
check_presence(const struct checks *c, uint8_t version, size_t len, struct sim_fault *f)
{
	for (size_t k = 0; c->rules && k < c->rules->n; k++) {
		const struct sim_use *use = &c->rules->uses[k];

		if (use->least && !(c->seen >> k & 1) && in_version(use, version) && !(use->spare && !c->strict))
			blame(f, SIM_MISSING, use->type, len);
	}
}

/* The parameters in [at, end) of the message are one compound value; a group in it would have no row, so this ends. */
static void
check_group(struct sim_msg *m, struct checks *outer, const struct sim_message *rules, const uint8_t *p, size_t at, size_t end,
    struct sim_fault *f)
{
	struct checks c = { .rules = rules, .strict = outer->strict };

	assert(rules->n <= USES_MAX);
	end = tlv_end(p, at, end, f);
	for (; at < end; at += TLV_HEADER + (size_t)be16(p + at + 2)) {
		struct sim_value v = tlv(p + at);
		admit(m, &c, &v, at, f);
	}
	check_presence(&c, m->version, end, &c.count);
	blame(&outer->count, c.count.verdict, c.count.param, c.count.offset);
	blame(&outer->value, c.value.verdict, c.value.param, c.value.offset);
}

static void
take_value(struct sim_msg *m, struct checks *c, const uint8_t *p, size_t at, struct sim_fault *f)
{
	struct sim_value v = tlv(p + at);
	const struct sim_message *group;

	if (!admit(m, c, &v, at, f))
		return;
	if (m->n == SIM_VALUES) {
		blame(f, SIM_TOO_LONG, v.type, at);
		return;
	}
	m->v[m->n++] = v;
	if (c->rules && m->iface->ngroups && (group = group_find(m->iface, v.type)) != NULL)
		check_group(m, c, group, p, at + TLV_HEADER, at + TLV_HEADER + v.len, f);
}

int
sim_decode_as(const struct sim_iface *iface, int strictness, const void *buf, size_t len, struct sim_msg *m,
    struct sim_fault *why)
{
	const uint8_t *p = buf;
	struct sim_fault f = { SIM_OK, 0, 0 };
	struct checks c = { .strict = strictness == SIM_STRICT };
	enum sim_verdict header;

	m->iface = iface;	/* v[] stays as it is: n says how much of it counts */
	m->def = NULL;
	m->version = 0;
	m->type = 0;
	m->n = 0;
	m->ignored = 0;
	read_header(p, len, m, &f);
	c.rules = f.verdict == SIM_OK ? m->def : NULL;
	assert(!c.rules || c.rules->n <= USES_MAX);
	header = f.verdict;
	for (size_t at = SIM_HEADER; at < len; at += TLV_HEADER + (size_t)be16(p + at + 2)) {
		if (!whole_tlv(p, at, len)) {	/* comes before what is wrong with values */
			if (header == SIM_OK)
				f = torn(p, at, len);
			break;
		}
		take_value(m, &c, p, at, &f);
	}
	check_presence(&c, m->version, len, &c.count);
	blame(&f, c.count.verdict, c.count.param, c.count.offset);
	blame(&f, c.value.verdict, c.value.param, c.value.offset);
	if (why)
		*why = f;
	return f.verdict == SIM_OK ? 0 : -1;
}

int
sim_decode(const struct sim_iface *iface, const void *buf, size_t len, struct sim_msg *m, struct sim_fault *why)
{
	return sim_decode_as(iface, SIM_LENIENT, buf, len, m, why);
}

const struct sim_value *
sim_value(const struct sim_msg *m, uint16_t type, size_t nth)
{
	for (size_t k = 0; k < m->n; k++)
		if (m->v[k].type == type && nth-- == 0)
			return &m->v[k];
	return NULL;
}

size_t
sim_count(const struct sim_msg *m, uint16_t type)
{
	size_t n = 0;

	for (size_t k = 0; k < m->n; k++)
		n += m->v[k].type == type;
	return n;
}

int64_t
sim_int(const struct sim_msg *m, uint16_t type, int64_t absent)
{
	const struct sim_value *v = sim_value(m, type, 0);

	if (!v || v->len == 0 || v->len > 8)
		return absent;
	return integer(sim_param_find(m->iface, type), v->p, v->len);
}

/* Text that is counted on past the end of its buffer, as snprintf does. */
struct text { char *p; size_t cap, len; };

static void
put(struct text *t, const char *s, size_t n)
{
	for (size_t k = 0; k < n; k++, t->len++)
		if (t->len + 1 < t->cap)
			t->p[t->len] = s[k];
}

static void __attribute__((format(printf, 2, 3)))
putf(struct text *t, const char *fmt, ...)
{
	char s[96];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s, sizeof(s), fmt, ap);
	va_end(ap);
	assert(n >= 0 && (size_t)n < sizeof(s));	/* numbers and names of the tables only */
	put(t, s, (size_t)n);
}

static void
put_hex(struct text *t, const uint8_t *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t k = 0; k < len; k++)
		put(t, (const char[]){ digits[p[k] >> 4], digits[p[k] & 15] }, 2);
}

static bool
is_text(const uint8_t *p, size_t len)
{
	for (size_t k = 0; k < len; k++)
		if (p[k] < 0x20 || p[k] > 0x7e || p[k] == '"' || p[k] == '\\')
			return false;
	return true;
}

/* In hexadecimal unless it is a date: some peers write their digits as BCD. */
static void
put_time(struct text *t, const uint8_t *p, size_t len)
{
	if (len == 8 && p[2] >= 1 && p[2] <= 12 && p[3] >= 1 && p[3] <= 31 && p[4] < 24 && p[5] < 60 && p[6] <= 60 && p[7] < 100)
		putf(t, "%04u-%02u-%02uT%02u:%02u:%02u.%02u", be16(p), p[2], p[3], p[4], p[5], p[6], p[7]);
	else
		put_hex(t, p, len);
}

static void put_value(struct text *, const struct sim_iface *, const struct sim_param *, const uint8_t *, size_t);

/* "{ECM_ID=258,AC_changed_flag=1}"; what has no row in the group's table was dropped; one that is torn is not shown, whatever it holds. */
static void
put_group(struct text *t, const struct sim_iface *iface, const struct sim_message *rules, const uint8_t *p, size_t len)
{
	struct sim_fault torn = { SIM_OK, 0, 0 };
	const char *comma = "";

	tlv_end(p, 0, len, &torn);
	if (!rules || torn.verdict != SIM_OK) {
		putf(t, "(%zu bytes)", len);
		return;
	}
	put(t, "{", 1);
	for (size_t at = 0; at < len; at += TLV_HEADER + (size_t)be16(p + at + 2)) {
		const struct sim_value v = tlv(p + at);
		const struct sim_param *param = sim_param_find(iface, v.type);
		bool listed = false;

		for (size_t k = 0; k < rules->n; k++)
			listed |= rules->uses[k].type == v.type;
		if (!param || !listed)
			continue;
		putf(t, "%s%s=", comma, param->name);
		put_value(t, iface, param, v.p, v.len);
		comma = ",";
	}
	put(t, "}", 1);
}

static void
put_value(struct text *t, const struct sim_iface *iface, const struct sim_param *param, const uint8_t *p, size_t len)
{
	enum sim_kind kind = param->kind;

	if (param->flags & SIM_CP && len >= 2) {
		putf(t, "%u:", be16(p));
		p += 2;
		len -= 2;
	}
	if (param->flags & SIM_SECRET) {
		putf(t, "(%zu bytes)", len);
		return;
	}
	if (kind == SIM_TEXT ? !is_text(p, len) : kind <= SIM_HEX && (len == 0 || len > 8))
		kind = SIM_BYTES;
	switch (kind) {
	case SIM_UINT:
		putf(t, "%llu", (unsigned long long)integer(param, p, len));
		break;
	case SIM_INT:
		putf(t, "%lld", (long long)integer(param, p, len));
		break;
	case SIM_HEX:
		put(t, "0x", 2);
		put_hex(t, p, len);
		break;
	case SIM_TEXT:
		put(t, "\"", 1);
		put(t, (const char *)p, len);
		put(t, "\"", 1);
		break;
	case SIM_BYTES:
		put_hex(t, p, len);
		break;
	case SIM_TIME:
		put_time(t, p, len);
		break;
	case SIM_GROUP:
		put_group(t, iface, group_find(iface, param->type), p, len);
		break;
	}
	for (const char *u = param->unit; u && *u; u++)	/* "50x100ms": one word, so that a line splits at spaces */
		if (*u != ' ')
			put(t, u, 1);
}

size_t
sim_print(const struct sim_msg *m, char *out, size_t cap)
{
	struct text t = { out, cap, 0 };

	if (m->def)
		putf(&t, "%s", m->def->name);
	else
		putf(&t, "message_0x%04x", m->type);
	for (size_t k = 0; k < m->n; k++) {
		const struct sim_param *param = sim_param_find(m->iface, m->v[k].type);
		putf(&t, " %s=", param->name);
		put_value(&t, m->iface, param, m->v[k].p, m->v[k].len);
	}
	if (m->ignored)
		putf(&t, " ignored=%zu", m->ignored);
	if (cap > 0)
		out[t.len < cap ? t.len : cap - 1] = '\0';
	return t.len;
}

void
sim_begin(struct sim_writer *w, const struct sim_iface *iface, uint8_t version, uint16_t message, void *buf, size_t cap)
{
	*w = (struct sim_writer){ .iface = iface, .buf = buf, .cap = cap };
	if (cap < SIM_HEADER) {
		w->verdict = SIM_TOO_LONG;
		return;
	}
	w->buf[0] = version;
	w->buf[1] = (uint8_t)(message >> 8);
	w->buf[2] = (uint8_t)message;
	w->len = SIM_HEADER;
}

static void
refuse(struct sim_writer *w, enum sim_verdict verdict)
{
	if (w->verdict == SIM_OK)
		w->verdict = verdict;
}

/* The place of a value of len bytes, its TLV header written; NULL if it has none. */
static uint8_t *
reserve(struct sim_writer *w, const struct sim_param *param, size_t len)
{
	uint8_t *p;

	if (!param)
		refuse(w, SIM_NO_PARAM);
	else if (!length_fits(param, NULL, len))
		refuse(w, SIM_BAD_LENGTH);
	else if (len + TLV_HEADER > w->cap - w->len)
		refuse(w, SIM_TOO_LONG);
	if (w->verdict != SIM_OK)
		return NULL;
	p = w->buf + w->len;
	p[0] = (uint8_t)(param->type >> 8);
	p[1] = (uint8_t)param->type;
	p[2] = (uint8_t)(len >> 8);
	p[3] = (uint8_t)len;
	w->len += TLV_HEADER + len;
	return p + TLV_HEADER;
}

void
sim_put_int(struct sim_writer *w, uint16_t type, int64_t value)
{
	const struct sim_param *param = sim_param_find(w->iface, type);
	size_t len = param ? param->min : 0;
	uint8_t *p;

	if (param && (len == 0 || len > 8 || param->kind > SIM_HEX)) {
		refuse(w, SIM_BAD_VALUE);	/* no integer */
		return;
	}
	p = reserve(w, param, len);
	if (!p)
		return;
	for (size_t k = 0; k < len; k++)
		p[k] = (uint8_t)((uint64_t)value >> 8 * (len - 1 - k));
	if (integer(param, p, len) != value)
		refuse(w, SIM_BAD_VALUE);
}

void
sim_put_bytes(struct sim_writer *w, uint16_t type, const void *bytes, size_t len)
{
	uint8_t *p = reserve(w, sim_param_find(w->iface, type), len);

	if (p && len > 0)
		memcpy(p, bytes, len);
}

void
sim_put_text(struct sim_writer *w, uint16_t type, const char *text)
{
	sim_put_bytes(w, type, text, strlen(text));
}

size_t
sim_end_as(struct sim_writer *w, int strictness, struct sim_fault *why)
{
	struct sim_msg own;
	size_t body = w->len - SIM_HEADER;

	if (w->verdict == SIM_OK && body > UINT16_MAX)
		w->verdict = SIM_TOO_LONG;
	if (w->verdict != SIM_OK) {
		if (why)
			*why = (struct sim_fault){ w->verdict, 0, w->len };
		return 0;
	}
	w->buf[3] = (uint8_t)(body >> 8);
	w->buf[4] = (uint8_t)body;
	if (sim_decode_as(w->iface, strictness, w->buf, w->len, &own, why) < 0)
		return 0;
	return w->len;
}

size_t
sim_end(struct sim_writer *w, struct sim_fault *why)
{
	return sim_end_as(w, SIM_STRICT, why);
}
