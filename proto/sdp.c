/* proto/sdp.c: session descriptions, RFC 4566 */
#include "proto/sdp.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- writing ---- */

void
sdp_begin(struct sdp_writer *w, char *out, size_t cap)
{
	*w = (struct sdp_writer){ .out = out, .cap = cap, .fault = cap == 0 };
}

/* RFC 4566 byte-string: any octet but NUL, CR, LF; other controls have no business in what people configure. */
static bool
is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

void
sdp_put(struct sdp_writer *w, char type, const char *fmt, ...)
{
	size_t room = w->cap - w->len;
	va_list ap;
	int n = -1;

	if (w->fault)
		return;
	if (room > 2) {
		va_start(ap, fmt);
		n = vsnprintf(w->out + w->len + 2, room - 2, fmt, ap);
		va_end(ap);
	}
	if (n < 0 || (size_t)n + 5 > room) {	/* X = CR LF and the '\0' */
		w->fault = true;
		return;
	}
	for (size_t i = 0; i < (size_t)n; i++)
		w->fault = w->fault || is_control(w->out[w->len + 2 + i]);
	w->out[w->len] = type;
	w->out[w->len + 1] = '=';
	memcpy(w->out + w->len + 2 + n, "\r\n", 3);
	w->len += (size_t)n + 4;
}

size_t
sdp_end(const struct sdp_writer *w)
{
	return w->fault ? 0 : w->len;
}

size_t
sdp_escape(const char *text, char *out, size_t cap)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", digits[] = "0123456789ABCDEF";
	size_t n = 0;

	for (; *text; text++) {
		bool keep = strchr(plain, *text) != NULL;
		const char as[3] = { keep ? *text : '%', digits[(unsigned char)*text >> 4], digits[(unsigned char)*text & 15] };

		for (size_t i = 0; i < (keep ? 1u : 3u); i++, n++)
			if (n + 1 < cap)
				out[n] = as[i];
	}
	if (cap)
		out[n < cap ? n : cap - 1] = '\0';
	return n;
}

/* ---- words ---- */

bool
sdp_is(struct sdp_text t, const char *word)
{
	return t.len == strlen(word) && memcmp(t.p, word, t.len) == 0;
}

bool
sdp_number(struct sdp_text t, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	for (size_t i = 0; i < t.len; i++) {
		unsigned digit = (unsigned char)t.p[i] - (unsigned)'0';

		if (digit > 9 || n > max / 10 || n * 10 > max - digit)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return t.len > 0;
}

/* The first word of *rest, and one separator behind it, taken away. */
static struct sdp_text
word(struct sdp_text *rest, char separator)
{
	const char *end = rest->len ? memchr(rest->p, separator, rest->len) : NULL;
	struct sdp_text w = { rest->p, end ? (size_t)(end - rest->p) : rest->len };
	size_t skip = w.len + (end != NULL);

	*rest = (struct sdp_text){ rest->p + skip, rest->len - skip };
	return w;
}

static struct sdp_text
trim(struct sdp_text t)
{
	while (t.len && t.p[0] == ' ')
		t = (struct sdp_text){ t.p + 1, t.len - 1 };
	while (t.len && t.p[t.len - 1] == ' ')
		t.len--;
	return t;
}

/* ---- fields of lines ---- */

static bool
is_address(struct sdp_text net, struct sdp_text type)
{
	return sdp_is(net, "IN") && (sdp_is(type, "IP4") || sdp_is(type, "IP6"));
}

static bool
good_version(struct sdp_text v)
{
	return sdp_is(v, "0");
}

/* o=USER ID VERSION IN IP4 HOST */
static bool
good_origin(struct sdp_text v)
{
	struct sdp_text f[6];
	uint64_t n;

	for (size_t i = 0; i < 6; i++)
		f[i] = word(&v, ' ');
	return v.len == 0 && f[0].len && sdp_number(f[1], UINT64_MAX, &n) && sdp_number(f[2], UINT64_MAX, &n) && is_address(f[3], f[4]) &&
	    f[5].len;
}

/* IN IP4 HOST[/TTL[/COUNT]], IN IP6 HOST[/COUNT] */
static bool
read_connection(struct sdp_text v, struct sdp_connection *c)
{
	struct sdp_text net = word(&v, ' '), type = word(&v, ' ');
	uint64_t ttl;

	c->v6 = sdp_is(type, "IP6");
	c->host = word(&v, '/');
	c->ttl = -1;
	if (!is_address(net, type) || !c->host.len || memchr(c->host.p, ' ', c->host.len))
		return false;
	if (v.len && !c->v6) {
		if (!sdp_number(word(&v, '/'), 255, &ttl))
			return false;
		c->ttl = (int)ttl;
	}
	return v.len == 0 || sdp_number(v, 65535, &ttl);
}

static bool
good_connection(struct sdp_text v)
{
	return read_connection(v, &(struct sdp_connection){ .ttl = -1 });
}

static bool
good_time(struct sdp_text v)
{
	uint64_t n;
	struct sdp_text start = word(&v, ' ');

	return sdp_number(start, UINT64_MAX, &n) && sdp_number(v, UINT64_MAX, &n);
}

/* KIND PORT[/COUNT] PROTO FORMAT … */
static bool
read_media(struct sdp_text v, struct sdp_media *m)
{
	struct sdp_text port;
	uint64_t n;

	m->kind = word(&v, ' ');
	port = word(&v, ' ');
	m->proto = word(&v, ' ');
	m->formats = v;
	if (!m->kind.len || !m->proto.len || !trim(v).len || !sdp_number(word(&port, '/'), 65535, &n))
		return false;
	m->port = (uint16_t)n;
	return port.len == 0 || sdp_number(port, 65535, &n);
}

/* ---- reading ---- */

/* RFC 4566 clause 5. Those of a level come in this order; t and r may be repeated together. Of a medium: i, c, b, k, a. */
static const struct kind { char type; bool many, media; bool (*good)(struct sdp_text); } kinds[] = {
	{ 'v', false, false, good_version }, { 'o', false, false, good_origin }, { 's', false, false, NULL }, { 'i', false, true, NULL },
	{ 'u', false, false, NULL }, { 'e', true, false, NULL }, { 'p', true, false, NULL }, { 'c', true, true, good_connection },
	{ 'b', true, true, NULL }, { 't', true, false, good_time }, { 'r', true, false, NULL }, { 'z', false, false, NULL },
	{ 'k', false, true, NULL }, { 'a', true, true, NULL }, { 'm', false, true, NULL },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static int
rank_of(char type)
{
	for (int i = 0; i < KINDS; i++)
		if (kinds[i].type == type)
			return i;
	return -1;
}

static int
refuse(struct sdp_fault *why, enum sdp_verdict verdict, size_t line)
{
	if (why)
		*why = (struct sdp_fault){ verdict, line };
	return -1;
}

/* "X=value": 1, 0 at the end, -1 when it is not that. */
static int
split_line(struct sdp_text *rest, struct sdp_line *l)
{
	struct sdp_text t;

	if (!rest->len)
		return 0;
	t = word(rest, '\n');
	if (t.len && t.p[t.len - 1] == '\r')
		t.len--;
	if (t.len < 2 || t.p[1] != '=')
		return -1;
	*l = (struct sdp_line){ t.p[0], { t.p + 2, t.len - 2 } };
	return 1;
}

static bool
has_control(struct sdp_text t)
{
	for (size_t i = 0; i < t.len; i++)
		if (t.p[i] == '\r' || t.p[i] == '\0')
			return true;
	return false;
}

/* rank: that of the line before on this level. */
static enum sdp_verdict
take_line(struct sdp *s, const struct sdp_line *l, int *rank)
{
	int r = rank_of(l->type), before = *rank;
	bool repeat = r >= 0 && l->type == 't' && before > r && kinds[before].type == 'r';

	if (has_control(l->value))
		return SDP_CONTROL;
	if (r < 0 || (s->nmedia && !kinds[r].media))
		return SDP_ORDER;
	if (l->type == 'm') {
		if (s->nmedia == SDP_MEDIA)
			return SDP_TOO_MANY;
		if (!s->nmedia)
			s->session_upto = s->n;
		if (!read_media(l->value, &s->media[s->nmedia]))
			return SDP_VALUE;
		s->media[s->nmedia++].from = s->n + 1;
		*rank = -1;
	} else if (r < before && !repeat) {
		return SDP_ORDER;
	} else if (r == before && !kinds[r].many) {
		return SDP_ORDER;
	} else {
		*rank = r;
	}
	if (kinds[r].good && !kinds[r].good(l->value))
		return l->type == 'v' ? SDP_VERSION : SDP_VALUE;
	s->line[s->n++] = *l;
	if (s->nmedia)
		s->media[s->nmedia - 1].upto = s->n;
	else
		s->session_upto = s->n;
	return SDP_OK;
}

static bool
complete(const struct sdp *s)
{
	static const char need[] = "vost";
	struct sdp_connection c;

	for (size_t i = 0; i < sizeof(need) - 1; i++) {
		size_t at = 0;
		if (!sdp_next(s, SDP_SESSION, need[i], &at, &c.host))
			return false;
	}
	for (size_t i = 0; i < s->nmedia; i++)
		if (!sdp_connection_of(s, (int)i, &c))
			return false;
	return true;
}

int
sdp_parse(const char *text, size_t len, struct sdp *s, struct sdp_fault *why)
{
	struct sdp_text rest = { text, len };
	struct sdp_line l;
	int more, rank = -1;

	s->n = s->nmedia = s->session_upto = 0;
	while ((more = split_line(&rest, &l)) == 1) {
		enum sdp_verdict v = s->n == SDP_LINES ? SDP_TOO_MANY : take_line(s, &l, &rank);
		if (v)
			return refuse(why, v, s->n + 1);
	}
	if (more < 0)
		return refuse(why, SDP_NO_LINE, s->n + 1);
	return complete(s) ? 0 : refuse(why, SDP_MISSING, s->n + 1);
}

const char *
sdp_verdict_name(enum sdp_verdict v)
{
	static const char *const names[] = {
		[SDP_OK] = "is well", [SDP_NO_LINE] = "is no line TYPE=VALUE", [SDP_CONTROL] = "has a control character",
		[SDP_ORDER] = "is not allowed here", [SDP_VERSION] = "is not of version 0", [SDP_VALUE] = "is not what such a line holds",
		[SDP_MISSING] = "ends without a line it must have", [SDP_TOO_MANY] = "is one more than is read here",
	};

	return names[v];
}

bool
sdp_next(const struct sdp *s, int medium, char type, size_t *at, struct sdp_text *value)
{
	bool session = medium == SDP_SESSION || (size_t)medium >= s->nmedia;
	size_t from = session ? 0 : s->media[medium].from, upto = session ? s->session_upto : s->media[medium].upto;

	for (size_t i = *at > from ? *at : from; i < upto; i++)
		if (s->line[i].type == type) {
			*value = s->line[i].value;
			*at = i + 1;
			return true;
		}
	return false;
}

bool
sdp_next_attribute(const struct sdp *s, int medium, const char *name, size_t *at, struct sdp_text *value)
{
	while (sdp_next(s, medium, 'a', at, value))
		if (sdp_is(word(value, ':'), name))
			return true;
	return false;
}

bool
sdp_parameter(struct sdp_text fmtp, const char *name, struct sdp_text *value)
{
	word(&fmtp, ' ');
	while (fmtp.len) {
		struct sdp_text p = trim(word(&fmtp, ';'));

		if (sdp_is(trim(word(&p, '=')), name)) {
			*value = p;
			return true;
		}
	}
	return false;
}

bool
sdp_connection_of(const struct sdp *s, int medium, struct sdp_connection *c)
{
	struct sdp_text v;
	size_t at = 0, session = 0;

	return (sdp_next(s, medium, 'c', &at, &v) || sdp_next(s, SDP_SESSION, 'c', &session, &v)) && read_connection(v, c);
}
