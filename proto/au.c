/* proto/au.c: see au.h */
#include "proto/au.h"
#include <string.h>

const struct au_params au_aac_hbr = { .size_length = 13, .index_length = 3, .index_delta_length = 3 };
const struct au_params au_avc_video = { .dts_delta_length = 22, .random_access = true };

struct au_params
au_ismacryp(const struct au_params *mode, uint8_t key_length)
{
	struct au_params p = *mode;

	p.iv_length = 4;
	p.key_length = key_length;
	return p;
}

static bool
sound(const struct au_params *p)
{
	return p->size_length <= 32 && p->index_length <= 32 && p->index_delta_length <= 32 && p->cts_delta_length <= 32 &&
	    p->dts_delta_length <= 32 && p->stream_state <= 32 && p->iv_length <= 8 && p->delta_iv_length <= 2 && p->key_length <= AU_KEY;
}

static size_t
octets(size_t bits)
{
	return (bits + 7) / 8;
}

/* ---- bits ---- */

/* The bits before `at` of in are read; end and limit: where the field's bits end, where the octets end that may be touched. */
struct bits { const uint8_t *in; size_t at, end, limit; bool bad; };

static uint64_t
get(struct bits *b, unsigned n)
{
	uint64_t v = 0;

	if (b->bad || b->end - b->at < n) {
		b->bad = true;
		return 0;
	}
	if (n <= 56 && b->at / 8 + 8 <= b->limit) {	/* nearly always */
		const uint8_t *p = b->in + b->at / 8;
		v = (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32 | (uint64_t)p[4] << 24 |
		    (uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | p[7];
		v = n ? v << b->at % 8 >> (64 - n) : 0;
		b->at += n;
		return v;
	}
	for (unsigned k; n; n -= k, b->at += k) {	/* what is left of an octet at a time */
		unsigned rest = 8 - b->at % 8;
		k = n < rest ? n : rest;
		v = v << k | ((unsigned)b->in[b->at / 8] >> (rest - k) & 0xffu >> (8 - k));
	}
	return v;
}

/* Octets go out as soon as they are full; fewer than 8 bits wait. */
struct writer { uint8_t *out; size_t at, cap; uint64_t bits; unsigned waiting; bool bad; };

static void
put(struct writer *w, uint64_t v, unsigned n)
{
	if (n > 32) {
		put(w, v >> 32, n - 32);
		v &= UINT32_MAX;
		n = 32;
	}
	if (w->bad || v >> n || w->at + (w->waiting + n) / 8 > w->cap) {
		w->bad = true;
		return;
	}
	w->bits = w->bits << n | v;
	for (w->waiting += n; w->waiting >= 8; w->waiting -= 8)
		w->out[w->at++] = (uint8_t)(w->bits >> (w->waiting - 8));
}

/* ---- sections ---- */

int
au_read(struct au_reader *r, const struct au_params *params, const void *payload, size_t len)
{
	const uint8_t *p = payload;
	size_t bits = len < 2 ? 0 : (size_t)p[0] << 8 | p[1];

	if (!sound(params) || len > UINT32_MAX || bits == 0 || len - 2 < octets(bits))
		return -1;
	*r = (struct au_reader){ .params = params, .p = p, .bit = 16, .end = 16 + bits, .data = 2 + octets(bits), .start = 2 + octets(bits),
		.len = len };
	return 0;
}

static void
get_delta(struct bits *b, unsigned length, bool *has, uint32_t *delta)
{
	*has = length && get(b, 1);
	*delta = *has ? (uint32_t)get(b, length) : 0;
}

/* Sign of a delta IV of n octets. */
static uint64_t
extend(uint64_t v, unsigned n)
{
	return n && v >> (8 * n - 1) & 1 ? v | ~UINT64_C(0) << (8 * n) : v;
}

static void
get_ismacryp(struct bits *b, const struct au_params *p, struct au *a, bool first)
{
	uint8_t flags = p->selective ? (uint8_t)get(b, 8) : 0x80;

	a->encrypted = flags & 0x81;	/* implementations differ which end the bit is at */
	if (first)
		a->iv = get(b, 8u * p->iv_length);
	else
		a->iv += extend(get(b, 8u * p->delta_iv_length), p->delta_iv_length);
	for (size_t i = 0; (first || p->key_per_au) && i < p->key_length; i++)
		a->key[i] = (uint8_t)get(b, 8);
}

int
au_next(struct au_reader *r, struct au *a)
{
	const struct au_params *p = r->params;
	struct bits b = { .in = r->p, .at = r->bit, .end = r->end, .limit = r->len };
	bool first = r->n == 0;
	size_t left = r->len - r->data;

	if (!first && r->bit == r->end)
		return left ? -1 : 0;
	a->iv = r->iv;
	memcpy(a->key, r->key, AU_KEY);
	get_ismacryp(&b, p, a, first);
	a->size = (uint32_t)get(&b, p->size_length);
	a->index = (uint32_t)get(&b, first ? p->index_length : p->index_delta_length);
	get_delta(&b, p->cts_delta_length, &a->has_cts, &a->cts_delta);
	get_delta(&b, p->dts_delta_length, &a->has_dts, &a->dts_delta);
	a->rap = p->random_access && get(&b, 1);
	a->stream_state = (uint32_t)get(&b, p->stream_state);
	if (b.bad || b.at == r->bit)
		return -1;
	bool lone = first && b.at == r->end;
	if (p->size_length ? a->size == 0 || (a->size > left && !lone) || left == 0 : !lone || left == 0)
		return -1;
	a->p = r->p + r->data;
	a->len = p->size_length && a->size < left ? a->size : left;
	r->bit = b.at;
	r->data += a->len;
	r->n++;
	r->iv = a->iv + a->len;
	memcpy(r->key, a->key, AU_KEY);
	return 1;
}

size_t
au_hbr(const void *payload, size_t len, uint32_t *size)
{
	const uint8_t *p = payload;
	size_t bits = len < 2 ? 0 : (size_t)p[0] << 8 | p[1], n = bits / 16, sum = 0;

	if (n == 0 || bits % 16 || len - 2 <= 2 * n)
		return 0;
	for (size_t i = n; i > 0; i--) {
		*size = ((uint32_t)p[2 * i] << 8 | p[2 * i + 1]) >> 3;
		if (*size == 0)
			return 0;
		sum += *size;
	}
	len -= 2 + 2 * n;
	return sum == len || (n == 1 && sum > len) ? n : 0;
}

static void
put_delta(struct writer *b, unsigned length, bool has, uint32_t delta)
{
	if (length == 0 && has)
		b->bad = true;
	if (length == 0)
		return;
	put(b, has, 1);
	if (has)
		put(b, delta, length);
}

static void
put_au(struct writer *b, const struct au_params *p, const struct au *a, bool first)
{
	if (p->selective)
		put(b, a->encrypted ? 0x80 : 0, 8);
	if (first && p->iv_length)
		put(b, a->iv, 8u * p->iv_length);
	else if (!first)
		put(b, 0, 8u * p->delta_iv_length);	/* ours follow one another */
	for (size_t i = 0; (first || p->key_per_au) && i < p->key_length; i++)
		put(b, a->key[i], 8);
	if (p->size_length)
		put(b, a->size, p->size_length);
	put(b, a->index, first ? p->index_length : p->index_delta_length);
	put_delta(b, p->cts_delta_length, a->has_cts, a->cts_delta);
	put_delta(b, p->dts_delta_length, a->has_dts, a->dts_delta);
	if (p->random_access)
		put(b, a->rap, 1);
	put(b, a->stream_state, p->stream_state);
}

size_t
au_write(const struct au_params *p, const struct au *a, size_t n, uint8_t *out, size_t cap)
{
	struct writer w = { .out = out, .at = 2, .cap = cap < AU_SECTION ? cap : AU_SECTION };

	if (!sound(p) || n == 0 || cap < 2)
		return 0;
	for (size_t i = 0; i < n && !w.bad; i++)
		put_au(&w, p, &a[i], i == 0);
	size_t bits = 8 * (w.at - 2) + w.waiting;
	if (w.waiting)
		put(&w, 0, 8 - w.waiting);
	if (w.bad || bits == 0 || bits > UINT16_MAX)
		return 0;
	out[0] = (uint8_t)(bits >> 8);
	out[1] = (uint8_t)bits;
	return w.at;
}

size_t
au_section_len(const struct au_params *p)
{
	return 2 + octets(8u * p->selective + 8u * p->iv_length + 8u * p->key_length + p->size_length + p->index_length +
	    (p->cts_delta_length > 0) + (p->dts_delta_length > 0) + p->random_access + p->stream_state);
}

/* ---- H.264 ---- */

enum { STAP_A = 24, FU_A = 28, LAST_NAL = 23, TYPE = 0x1f, SLICE = 1, IDR = 5, SEI = 6, AUD = 9, START = 0x80, END = 0x40 };

static bool
nal_type_ok(uint8_t header)
{
	return (header & 0x80) == 0 && (header & TYPE) >= 1 && (header & TYPE) <= LAST_NAL;
}

void
h264_au_reset(struct h264_au *au)
{
	au->len = au->nal = 0;
	au->open = au->idr = false;
}

static bool
room(const struct h264_au *au, size_t n)
{
	return au->cap - au->len >= n;
}

static void
append(struct h264_au *au, const void *p, size_t len)
{
	memcpy(au->p + au->len, p, len);
	au->len += len;
}

static void
put_length(uint8_t *p, size_t n)
{
	for (int i = 0; i < H264_LENGTH; i++)
		p[i] = (uint8_t)(n >> (24 - 8 * i));
}

static enum h264_verdict
begin_nal(struct h264_au *au, uint8_t header)
{
	if (au->open || !nal_type_ok(header))
		return H264_MALFORMED;
	if (!room(au, H264_LENGTH + 1))
		return H264_TOO_LONG;
	au->nal = au->len;
	au->len += H264_LENGTH;
	append(au, &header, 1);
	au->open = true;
	au->idr |= (header & TYPE) == IDR;
	return H264_OK;
}

static enum h264_verdict
grow_nal(struct h264_au *au, const uint8_t *p, size_t len, bool end)
{
	if (!au->open)
		return H264_MALFORMED;
	if (!room(au, len))
		return H264_TOO_LONG;
	append(au, p, len);
	if (end) {
		put_length(au->p + au->nal, au->len - au->nal - H264_LENGTH);
		au->open = false;
	}
	return H264_OK;
}

static enum h264_verdict
add_whole(struct h264_au *au, const uint8_t *p, size_t len)
{
	enum h264_verdict v = begin_nal(au, p[0]);

	return v == H264_OK ? grow_nal(au, p + 1, len - 1, true) : v;
}

static enum h264_verdict
add_stap(struct h264_au *au, const uint8_t *p, size_t len)
{
	enum h264_verdict v = H264_MALFORMED;	/* of none */

	for (size_t at = 1, n; at < len; at += 2 + n) {
		n = len - at >= 2 ? (size_t)p[at] << 8 | p[at + 1] : 0;
		if (n == 0 || n > len - at - 2)
			return H264_MALFORMED;
		if ((v = add_whole(au, p + at + 2, n)) != H264_OK)
			return v;
	}
	return v;
}

static enum h264_verdict
add_fragment(struct h264_au *au, const uint8_t *p, size_t len)
{
	enum h264_verdict v;
	uint8_t header = (uint8_t)((p[0] & 0xe0) | (len > 1 ? p[1] & TYPE : 0));

	if (len < 3 || (p[1] & (START | END)) == (START | END))
		return H264_MALFORMED;
	if (p[1] & START) {
		if ((v = begin_nal(au, header)) != H264_OK)
			return v;
	} else if (!au->open || (au->p[au->nal + H264_LENGTH] & TYPE) != (header & TYPE)) {
		return H264_MALFORMED;
	}
	return grow_nal(au, p + 2, len - 2, p[1] & END);
}

enum h264_verdict
h264_add(struct h264_au *au, const void *payload, size_t len)
{
	const uint8_t *p = payload;

	if (len == 0 || p[0] & 0x80)
		return H264_MALFORMED;
	switch (p[0] & TYPE) {
	case STAP_A:
		return add_stap(au, p, len);
	case FU_A:
		return add_fragment(au, p, len);
	default:	/* refuses what is no NAL unit */
		return add_whole(au, p, len);
	}
}

bool
h264_complete(const struct h264_au *au)
{
	return au->len > 0 && !au->open;
}

bool
h264_may_begin(const void *payload, size_t len)
{
	const uint8_t *p = payload;
	uint8_t type = len ? p[0] & TYPE : 0;

	if (type == STAP_A && len > 3) {
		type = p[3] & TYPE;
		p += 4;
		len -= 4;
	} else if (type == FU_A && len > 2 && p[1] & START) {
		type = p[1] & TYPE;
		p += 2;
		len -= 2;
	} else if (len) {
		p++;
		len--;
	}
	if (type >= SEI && type <= AUD)
		return true;
	return type >= SLICE && type <= IDR && len && p[0] & 0x80;	/* first_mb_in_slice 0 */
}

static size_t
nal_len(const uint8_t *p)
{
	return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

int
h264_split(struct h264_split *s, const void *au, size_t len)
{
	const uint8_t *p = au;

	for (size_t at = 0, n; at < len; at += H264_LENGTH + n) {
		n = len - at > H264_LENGTH ? nal_len(p + at) : 0;
		if (n == 0 || n > len - at - H264_LENGTH || !nal_type_ok(p[at + H264_LENGTH]))
			return -1;
	}
	*s = (struct h264_split){ .p = p, .len = len };
	return len ? 0 : -1;
}

size_t
h264_next(struct h264_split *s, uint8_t *out, size_t cap)
{
	uint8_t flags = 0;

	if (s->rest == 0) {
		if (h264_ended(s) || cap < 3)
			return 0;
		size_t n = nal_len(s->p + s->at);
		s->at += H264_LENGTH;
		if (n <= cap) {
			memcpy(out, s->p + s->at, n);
			s->at += n;
			return n;
		}
		s->header = s->p[s->at++];
		s->rest = n - 1;
		flags = START;
	}
	size_t n = s->rest < cap - 2 ? s->rest : cap - 2;
	if (n == s->rest)
		flags |= END;
	out[0] = (uint8_t)((s->header & 0x60) | FU_A);
	out[1] = (uint8_t)(flags | (s->header & TYPE));
	memcpy(out + 2, s->p + s->at, n);
	s->at += n;
	s->rest -= n;
	return n + 2;
}

bool
h264_ended(const struct h264_split *s)
{
	return s->rest == 0 && s->at >= s->len;
}
