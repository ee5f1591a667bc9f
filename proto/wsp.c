/* proto/wsp.c */
#include "proto/wsp.h"
#include <string.h>
#include "proto/cursor.h"

enum { PUSH = 0x06, APPLICATION_ID = 0x2f, PAGE = 0x7f, TEXT = 0x20, LONG_LENGTH = 0x1f, SHORT = 0x80 };
static const char type_name[] = "application/mikey", app_name[] = "x-oma-application:bcast.ua", app_header[] = "X-Wap-Application-Id";

#define FAULTS(X) \
	X(WSP_OK, "well-formed") X(WSP_TRUNCATED, "it ends too early") X(WSP_NOT_PUSH, "not a connectionless push") \
	X(WSP_BAD_LENGTH, "a length that cannot be") X(WSP_BAD_TYPE, "a content type that cannot be") X(WSP_BAD_HEADER, "a header that cannot be")
#define X(code, text) [code] = text,
static const char *const fault_texts[] = { FAULTS(X) };
#undef X

const char *
wsp_fault_text(enum wsp_fault f)
{
	return fault_texts[f];
}

/* ---- WSP ---- */

/* 7 bits an octet, at most 32 in all (WAP-230 8.1.2). */
static uint32_t
uintvar(struct cursor *c)
{
	uint64_t v = 0;
	uint8_t b = 0x80;

	for (size_t n = 0; b & 0x80; n++) {
		if (n == 5)
			fail(c, WSP_BAD_LENGTH);
		b = (uint8_t)number(c, 0, 1);
		if (c->fault)
			return 0;
		v = v << 7 | (b & 0x7f);
	}
	if (v > UINT32_MAX)
		fail(c, WSP_BAD_LENGTH);
	return (uint32_t)v;
}

static struct mikey_view
octets_of(struct cursor *c, size_t n)
{
	struct mikey_view v = { NULL, 0 };

	if (!room(c, n))
		return v;
	v = (struct mikey_view){ c->in + c->at, n };
	c->at += n;
	return v;
}

/* To a NUL, which is not part of it. A leading quote only says that it is text. */
static struct mikey_view
text_of(struct cursor *c)
{
	const uint8_t *from = c->in + c->at, *nul = c->at < c->len ? memchr(from, 0, c->len - c->at) : NULL;
	struct mikey_view v = { NULL, 0 };

	if (!nul) {
		fail(c, WSP_TRUNCATED);
		return v;
	}
	v = octets_of(c, (size_t)(nul - from));
	c->at++;
	if (v.len > 1 && v.p[0] == 0x7f && v.p[1] >= 0x80)
		v = (struct mikey_view){ v.p + 1, v.len - 1 };
	return v;
}

/* An Integer-value that fills the view: short, or long with its length in front (8.4.2.3); -1: it is none. */
static int
integer(struct mikey_view v)
{
	if (v.len == 1 && v.p[0] & SHORT)
		return v.p[0] & 0x7f;
	if (v.len < 2 || v.p[0] != v.len - 1 || v.p[0] > 3)
		return -1;
	int n = 0;
	for (size_t i = 1; i < v.len; i++)
		n = n << 8 | v.p[i];
	return n;
}

/* Value-length (8.4.2.2). */
static size_t
value_length(struct cursor *c, uint8_t first)
{
	return first == LONG_LENGTH ? uintvar(c) : first;
}

/* An assigned number or a text in front of whatever parameters there are. */
static void
media_type(struct cursor *c, struct wsp_push *p)
{
	uint8_t first = (uint8_t)number(c, 0, 1);

	if (c->fault)
		return;
	if (first & SHORT) {
		p->type = first & 0x7f;
	} else if (first >= TEXT) {
		c->at--;
		p->type_text = text_of(c);
	} else if (first > 0 && first < LONG_LENGTH) {
		c->at--;
		p->type = integer(octets_of(c, 1 + (size_t)first));
	} else {
		fail(c, WSP_BAD_TYPE);
	}
	if (!c->fault && p->type < 0 && !p->type_text.len)
		fail(c, WSP_BAD_TYPE);
}

/* Content-type-value: bare, or within a length (8.4.2.24). */
static void
content_type(struct cursor *c, struct wsp_push *p)
{
	uint8_t first = room(c, 1) ? c->in[c->at] : 0;

	if (c->fault || first >= TEXT) {
		media_type(c, p);
		return;
	}
	c->at++;
	struct mikey_view v = octets_of(c, value_length(c, first));
	if (c->fault)
		return;
	struct cursor within = { .in = v.p, .len = v.len, .beyond = WSP_BAD_TYPE };
	media_type(&within, p);
	if (within.fault)
		fail(c, within.fault);
}

/* A field's value: one octet, octets within a length, or text (8.4.1.2). False: text. */
static bool
field_value(struct cursor *c, struct mikey_view *v)
{
	uint8_t first = (uint8_t)number(c, 0, 1);

	*v = (struct mikey_view){ NULL, 0 };
	if (c->fault)
		return true;
	if (first < TEXT && first > 0 && first < LONG_LENGTH) {	/* a long integer, too, has its length in front: that octet is kept */
		*v = octets_of(c, first);
		if (!c->fault)
			*v = (struct mikey_view){ v->p - 1, v->len + 1 };
		return true;
	}
	if (first < TEXT) {
		*v = octets_of(c, value_length(c, first));
		return true;
	}
	c->at--;
	if (first & SHORT) {
		*v = octets_of(c, 1);
		return true;
	}
	*v = text_of(c);
	return false;
}

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* Whatever the letters' case: of media types, header names and the scheme of a URI it says nothing. */
static bool
equals(struct mikey_view v, const char *text, size_t len)
{
	if (v.len != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (lower(v.p[i]) != lower((uint8_t)text[i]))
			return false;
	return true;
}

/* One header, or a shift to another page of assigned numbers. */
static void
header(struct cursor *c, struct wsp_push *p, unsigned *page)
{
	uint8_t first = (uint8_t)number(c, 0, 1);
	struct mikey_view v;
	bool ours;

	if (c->fault)
		return;
	if (first == PAGE || (first > 0 && first < TEXT)) {
		*page = first == PAGE ? (unsigned)number(c, 0, 1) : first;
		return;
	}
	if (first & SHORT) {
		ours = *page == 1 && first == (SHORT | APPLICATION_ID);
	} else if (first >= TEXT) {
		c->at--;
		ours = equals(text_of(c), app_header, sizeof(app_header) - 1);
	} else {
		fail(c, WSP_BAD_HEADER);
		return;
	}
	bool coded = !c->fault && field_value(c, &v);
	if (c->fault || !ours || p->app >= 0 || p->app_text.len)
		return;
	if (coded)
		p->app = integer(v);
	else
		p->app_text = v;
}

int
wsp_push_decode(const void *pdu, size_t len, struct wsp_push *p, enum wsp_fault *why)
{
	struct cursor c = { .in = pdu, .len = len, .beyond = WSP_TRUNCATED };
	unsigned page = 1;

	*p = (struct wsp_push){ .type = -1, .app = -1 };
	p->tid = (uint8_t)number(&c, 0, 1);
	if (number(&c, 0, 1) != PUSH)
		fail(&c, WSP_NOT_PUSH);
	struct mikey_view headers = octets_of(&c, uintvar(&c));
	if (!c.fault) {
		struct cursor h = { .in = headers.p, .len = headers.len, .beyond = WSP_BAD_LENGTH };
		content_type(&h, p);
		while (!h.fault && h.at < h.len)
			header(&h, p, &page);
		if (h.fault)
			fail(&c, h.fault);
		p->body = octets_of(&c, c.len - c.at);
	}
	if (why)
		*why = (enum wsp_fault)c.fault;
	return c.fault ? -1 : 0;
}

size_t
wsp_push_encode(uint8_t tid, const void *mikey, size_t len, void *out, size_t cap)
{
	const uint8_t front[WSP_OVERHEAD] = { tid, PUSH, 3, SHORT | WSP_MIKEY, SHORT | APPLICATION_ID, SHORT | WSP_BCAST };

	if (cap < sizeof(front) || len > cap - sizeof(front))
		return 0;
	memmove((uint8_t *)out + sizeof(front), mikey, len);
	memcpy(out, front, sizeof(front));
	return sizeof(front) + len;
}

bool
wsp_push_is_mikey(const struct wsp_push *p)
{
	return (p->type == WSP_MIKEY || (p->type < 0 && equals(p->type_text, type_name, sizeof(type_name) - 1))) &&
	    (p->app == WSP_BCAST || (p->app < 0 && equals(p->app_text, app_name, sizeof(app_name) - 1)));
}

/* ---- WDP over short messages ---- */

enum { IE_CONCAT8 = 0x00, IE_PORTS8 = 0x04, IE_PORTS16 = 0x05, IE_CONCAT16 = 0x08 };

size_t
wdp_parts(size_t len)
{
	size_t n = len <= WDP_ONE ? len > 0 : (len + WDP_PART - 1) / WDP_PART;

	return n <= UINT8_MAX ? n : 0;
}

size_t
wdp_part(const void *pdu, size_t len, uint8_t ref, size_t part, uint8_t out[WDP_BLOCK])
{
	const size_t parts = wdp_parts(len);
	const uint8_t header[12] = { parts > 1 ? 11 : 6, IE_PORTS16, 4, WDP_PUSH_PORT >> 8, WDP_PUSH_PORT & 0xff, WDP_FROM_PORT >> 8,
		WDP_FROM_PORT & 0xff, IE_CONCAT8, 3, ref, (uint8_t)parts, (uint8_t)(part + 1) };
	const size_t head = 1 + (size_t)header[0], at = part * WDP_PART;

	if (part >= parts)
		return 0;
	size_t n = parts == 1 ? len : len - at < WDP_PART ? len - at : WDP_PART;
	memcpy(out, header, head);
	memcpy(out + head, (const uint8_t *)pdu + at, n);
	return head + n;
}

/* One information element; those unknown, or of another length, are stepped over (TS 23.040 9.2.3.24). */
static void
element(const uint8_t *p, uint8_t iei, uint8_t len, struct wdp_block *b, bool *ports)
{
	if (iei == IE_PORTS16 && len == 4) {
		b->to = (uint16_t)(p[0] << 8 | p[1]);
		b->from = (uint16_t)(p[2] << 8 | p[3]);
		*ports = true;
	} else if (iei == IE_PORTS8 && len == 2) {
		b->to = p[0];
		b->from = p[1];
		*ports = true;
	} else if ((iei == IE_CONCAT8 && len == 3) || (iei == IE_CONCAT16 && len == 4)) {
		b->wide = iei == IE_CONCAT16;
		b->ref = (uint16_t)(b->wide ? p[0] << 8 | p[1] : p[0]);
		b->total = p[len - 2];
		b->number = p[len - 1];
	}
}

int
wdp_decode(const void *block, size_t len, struct wdp_block *b)
{
	const uint8_t *p = block;
	bool ports = false;

	*b = (struct wdp_block){ .total = 1, .number = 1 };
	if (len < 1 || len > WDP_BLOCK || p[0] > len - 1)
		return -1;
	size_t end = 1 + (size_t)p[0], at = 1;
	while (end - at >= 2 && p[at + 1] <= end - at - 2) {
		element(p + at + 2, p[at], p[at + 1], b, &ports);
		at += 2 + (size_t)p[at + 1];
	}
	if (at != end || !ports || b->number == 0 || b->number > b->total)
		return -1;
	b->data = (struct mikey_view){ p + end, len - end };
	return 0;
}

static bool
same(const struct wdp_waiting *w, uint64_t sender, const struct wdp_block *b)
{
	return w->used && w->sender == sender && w->ref == b->ref && w->wide == b->wide && w->total == b->total && w->to == b->to && w->from == b->from;
}

static void
give_up(struct wdp_join *j, struct wdp_waiting *w)
{
	w->used = false;
	j->given_up++;
}

/* Where its other parts are; else a place for it: a free one, or that of the one that has waited longest. */
static struct wdp_waiting *
place_of(struct wdp_join *j, uint64_t sender, const struct wdp_block *b, int64_t now_us)
{
	struct wdp_waiting *best = NULL;

	for (size_t i = 0; i < WDP_WAITING; i++) {
		struct wdp_waiting *w = &j->waiting[i];

		if (w->used && now_us - w->at_us > WDP_WAIT_US)
			give_up(j, w);
		if (same(w, sender, b))
			return w;
		if (!best || (best->used && (!w->used || w->at_us < best->at_us)))
			best = w;
	}
	if (best->used)
		give_up(j, best);
	return best;
}

static void
begin(struct wdp_waiting *w, uint64_t sender, const struct wdp_block *b)
{
	*w = (struct wdp_waiting){ .used = true, .sender = sender, .ref = b->ref, .wide = b->wide, .total = b->total, .to = b->to, .from = b->from };
}

static bool
joined(struct wdp_join *j, struct wdp_waiting *w, struct mikey_view *pdu)
{
	size_t n = 0;

	if (w->seen != (1u << w->total) - 1)
		return false;
	for (size_t i = 0; i < w->total; i++) {
		memcpy(j->whole + n, w->part[i], w->len[i]);
		n += w->len[i];
	}
	w->used = false;
	*pdu = (struct mikey_view){ j->whole, n };
	return true;
}

enum wdp_result
wdp_take(struct wdp_join *j, uint64_t sender, const void *block, size_t len, int64_t now_us, struct mikey_view *pdu)
{
	struct wdp_block b;

	*pdu = (struct mikey_view){ NULL, 0 };
	if (wdp_decode(block, len, &b) < 0)
		return WDP_BAD;
	if (b.to != WDP_PUSH_PORT)
		return WDP_OTHER;
	if (b.total > WDP_TOTAL)
		return WDP_BAD;
	struct wdp_waiting *w = place_of(j, sender, &b, now_us);
	size_t at = b.number - 1u;
	if (w->used && w->seen >> at & 1) {
		if (w->len[at] == b.data.len && memcmp(w->part[at], b.data.p, b.data.len) == 0)
			return WDP_AGAIN;
		give_up(j, w);	/* the sender has come round to this reference: the rest of that message will not come */
	}
	if (!w->used)
		begin(w, sender, &b);
	memcpy(w->part[at], b.data.p, b.data.len);
	w->len[at] = (uint8_t)b.data.len;
	w->seen |= (uint8_t)(1u << at);
	w->at_us = now_us;
	return joined(j, w, pdu) ? WDP_WHOLE : WDP_MORE;
}

const char *
wdp_result_text(enum wdp_result r)
{
	static const char *const texts[] = { [WDP_WHOLE] = "whole", [WDP_MORE] = "others are missing", [WDP_AGAIN] = "it has come before",
		[WDP_OTHER] = "to another port", [WDP_BAD] = "malformed" };

	return texts[r];
}
