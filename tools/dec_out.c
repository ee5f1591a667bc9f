/* tools/dec_out.c */
#include "tools/dec_out.h"
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/hex.h"
#include "proto/be.h"
#include "tools/dec_words.h"

enum { ROOM = 1 << 16, KINDS = 128, GUESSES = 64, SHORT = 8, ENDS = 64, TLV = 4, FIELDS_WIDTH = 80, WORD = 40, LADDER = 26, ARROW = LADDER + 6 };

struct kind {			/* what is counted of one message of one interface */
	const struct sim_iface *iface; uint16_t type; const char *name;
	uint64_t n, errors, faults, answers; int64_t sum_ns, max_ns, min_ns;
};
struct dec_out {
	struct dec_out_conf conf;
	int64_t first_ns, last_ns; bool begun;
	uint64_t air, messages, unwanted, faults, errors, gaps, lost, passed, truncated;
	unsigned sessions;
	struct kind kind[KINDS]; size_t nkinds;
	uint8_t guess[GUESSES];		/* where the kind of a type was found last */
	size_t len, line;		/* line: where the present one begins */
	char text[ROOM];
};

/* ---- text ---- */

static void
flush(struct dec_out *o)
{
	if (o->len > 0)
		o->conf.write(o->conf.self, o->text, o->len);
	o->len = o->line = 0;
}

void
dec_out_flush(struct dec_out *o)
{
	flush(o);
}

static void
put(struct dec_out *o, const char *s, size_t n)
{
	while (n > 0) {
		size_t k = n < ROOM - o->len ? n : ROOM - o->len;

		memcpy(o->text + o->len, s, k);
		o->len += k;
		s += k;
		n -= k;
		if (o->len == ROOM)
			flush(o);
	}
}

static void
puts_(struct dec_out *o, const char *s)
{
	put(o, s, strlen(s));
}

static void __attribute__((format(printf, 2, 3)))
putf(struct dec_out *o, const char *fmt, ...)
{
	char s[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s, sizeof(s), fmt, ap);
	va_end(ap);
	if (n > 0)
		put(o, s, (size_t)n < sizeof(s) ? (size_t)n : sizeof(s) - 1);
}

/* Most of what is printed: not worth a format. */
static void
put_u(struct dec_out *o, uint64_t v, unsigned digits)
{
	char s[24];
	size_t at = sizeof(s);

	do {
		s[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v || sizeof(s) - at < digits);
	put(o, s + at, sizeof(s) - at);
}

static void
put_i(struct dec_out *o, int64_t v)
{
	if (v < 0)
		put(o, "-", 1);
	put_u(o, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 1);
}

static void
put_hex(struct dec_out *o, const uint8_t *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char s[256];

	while (len > 0) {
		size_t n = len < sizeof(s) / 2 ? len : sizeof(s) / 2;

		for (size_t k = 0; k < n; k++) {
			s[2 * k] = digits[p[k] >> 4];
			s[2 * k + 1] = digits[p[k] & 15];
		}
		put(o, s, 2 * n);
		p += n;
		len -= n;
	}
}

enum colour { DIM, BOLD, RED, GREEN, YELLOW, PLAIN };
static void
colour(struct dec_out *o, enum colour c)
{
	static const char *const codes[] = { "\033[2m", "\033[1m", "\033[31m", "\033[32m", "\033[33m", "\033[0m" };

	if (o->conf.colour)
		puts_(o, codes[c]);
}

/* Columns of text[from, len): escape sequences and the further octets of a character have none. *cut: the octet where the width is used up. */
static size_t
columns(const char *p, size_t len, size_t width, size_t *cut)
{
	size_t n = 0;

	*cut = len;
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\033') {
			while (i < len && p[i] != 'm')
				i++;
		} else if ((p[i] & 0xc0) != 0x80 && ++n == width) {
			*cut = i;
		}
	}
	return n;
}

/* A number that is cut is another number: back to the last space, if that is near. */
static size_t
whole_words(const char *p, size_t cut)
{
	for (size_t i = cut; i > 0 && cut - i < WORD; i--)
		if (p[i - 1] == ' ')
			return i;
	return cut;
}

/* Ends the line; what the terminal has no room for is left out. A line that was flushed in parts stays as it is. */
static void
newline(struct dec_out *o)
{
	size_t cut;

	if (o->conf.width && o->conf.mode != DEC_JSON && o->len > o->line &&
	    columns(o->text + o->line, o->len - o->line, o->conf.width, &cut) > o->conf.width) {
		o->len = o->line + whole_words(o->text + o->line, cut);
		puts_(o, "\u2026");
		colour(o, PLAIN);
	}
	put(o, "\n", 1);
	o->line = o->len;
	if (o->len > ROOM / 2)
		flush(o);
}

/* Words of a sentence within the page, behind so many spaces. */
static void
paragraph(struct dec_out *o, unsigned indent, const char *text)
{
	size_t width = (o->conf.width && o->conf.width < FIELDS_WIDTH ? o->conf.width : FIELDS_WIDTH), room = width > indent + 20 ? width - indent : 20;

	while (*text) {
		size_t n = strlen(text), k;

		if (n > room) {
			for (k = room; k > 0 && text[k] != ' '; k--)
				;
			for (size_t in = k; in > 0 && text[in] != ']'; in--)	/* a clause stays in one piece */
				if (text[in] == '[' && in > 1) {
					k = in - 1;
					break;
				}
			n = k ? k : room;
		}
		putf(o, "%*s", (int)indent, "");
		put(o, text, n);
		newline(o);
		text += n + (text[n] == ' ');
	}
}

/* ---- names ---- */

static size_t
end_text(const struct ip_ends *e, int side, char out[ENDS])
{
	const uint8_t *a = side ? e->to : e->from;
	char host[INET6_ADDRSTRLEN];
	size_t n;

	inet_ntop(e->v6 ? AF_INET6 : AF_INET, a, host, sizeof(host));
	n = (size_t)snprintf(out, ENDS, e->v6 ? "[%s]:%u" : "%s:%u", host, side ? e->to_port : e->from_port);
	return n;
}

static const char *
name_of(const struct dec_message *g, char out[24])
{
	if (g->msg->def)
		return g->msg->def->name;
	snprintf(out, 24, "message_0x%04x", g->msg->type);
	return out;
}

/* "SCS" and "ECMG" of "ECMG<=>SCS": tables name the server first, but for those of (P)SIGs. */
static void
roles(const struct sim_iface *iface, const char **client, size_t *client_len, const char **server, size_t *server_len)
{
	const char *name = iface->name, *mid = strstr(name, "<=>");
	bool swap = strcmp(name, "ECMG<=>SCS") == 0;

	*client = *server = name;
	*client_len = *server_len = strlen(name);
	if (!mid)
		return;
	*(swap ? server_len : client_len) = (size_t)(mid - name);
	*(swap ? client : server) = mid + 3;
	*(swap ? client_len : server_len) = strlen(mid + 3);
}

/* ---- values ---- */

static bool
plain_text(const uint8_t *p, size_t len)
{
	for (size_t k = 0; k < len; k++)
		if (p[k] < 0x20 || p[k] > 0x7e || p[k] == '"' || p[k] == '\\')
			return false;
	return true;
}

/* Of a message that no table knows, as where --as says the wrong thing, the names of parameters may be wrong, too. */
static const struct sim_message unknown;

static const struct sim_message *
rules_of(const struct dec_message *g)
{
	return g->msg->def ? g->msg->def : &unknown;
}

static bool
has_secrets(const struct sim_iface *iface, const struct sim_message *def)
{
	for (size_t k = 0; k < def->n; k++) {
		const struct sim_param *param = sim_param_find(iface, def->uses[k].type);
		if (param && param->flags & SIM_SECRET)
			return true;
	}
	return false;
}

/* Keys are masked, and what may be one: all that is unknown in a message that carries keys or in a compound (def NULL), what is long in one that is unknown. */
static bool
may_be_secret(const struct sim_iface *iface, const struct sim_message *def, const struct sim_param *param, size_t len)
{
	if (param && param->flags & SIM_SECRET)
		return true;
	return def == &unknown ? !param || len > SHORT : !param && (!def || has_secrets(iface, def));
}

/* A field as it is shown. */
struct field { const struct sim_iface *iface; const struct sim_param *param; uint16_t type; const uint8_t *p; size_t len; bool masked, cp; enum sim_kind kind; };

static struct field
field_of(const struct dec_out *o, const struct sim_iface *iface, const struct sim_message *def, const uint8_t *p)
{
	struct field f = { .iface = iface, .type = (uint16_t)be16(p), .p = p + TLV, .len = be16(p + 2) };

	f.param = sim_param_find(iface, f.type);
	f.kind = f.param ? f.param->kind : SIM_BYTES;
	f.masked = !o->conf.secrets && may_be_secret(iface, def, f.param, f.len);
	f.cp = f.param && f.param->flags & SIM_CP && f.len >= 2;
	if (f.kind == SIM_TEXT ? !plain_text(f.p, f.len) : f.kind <= SIM_HEX ? f.len == 0 || f.len > 8 : f.kind == SIM_TIME && f.len != 8)
		f.kind = SIM_BYTES;
	return f;
}

static void
put_time(struct dec_out *o, const uint8_t *p)
{
	if (p[2] >= 1 && p[2] <= 12 && p[3] >= 1 && p[3] <= 31 && p[4] < 24 && p[5] < 60 && p[6] <= 60 && p[7] < 100)
		putf(o, "%04u-%02u-%02uT%02u:%02u:%02u.%02u", be16(p), p[2], p[3], p[4], p[5], p[6], p[7]);
	else
		put_hex(o, p, 8);
}

static void put_fields(struct dec_out *, const struct sim_iface *, const struct sim_message *, const uint8_t *, size_t at, size_t end, bool brief);

static void
put_octets(struct dec_out *o, const uint8_t *p, size_t len, bool brief)
{
	if (brief && len > SHORT) {
		put(o, "(", 1);
		put_u(o, len, 1);
		puts_(o, " bytes)");
	} else {
		put_hex(o, p, len);
	}
}

static void
put_value(struct dec_out *o, const struct field *f, bool brief)
{
	const uint8_t *p = f->p;
	size_t len = f->len;

	if (f->cp) {
		put_u(o, be16(p), 1);
		put(o, ":", 1);
		p += 2;
		len -= 2;
	}
	if (f->masked) {
		put(o, "(", 1);
		put_u(o, len, 1);
		puts_(o, " bytes)");
		return;
	}
	switch (f->kind) {
	case SIM_UINT: put_u(o, be_uint(p, len), 1); break;
	case SIM_INT: put_i(o, be_int(p, len)); break;
	case SIM_HEX: put(o, "0x", 2); put_hex(o, p, len); break;
	case SIM_TEXT: put(o, "\"", 1); put(o, (const char *)p, len); put(o, "\"", 1); break;
	case SIM_TIME: put_time(o, p); break;
	case SIM_BYTES: put_octets(o, p, len, brief); break;
	case SIM_GROUP:
		put(o, "{", 1);
		put_fields(o, f->iface, NULL, p, 0, len, brief);
		put(o, "}", 1);
		break;
	}
}

/* "ms", "x100ms". */
static void
put_unit(struct dec_out *o, const struct field *f)
{
	for (const char *u = f->param && !f->masked ? f->param->unit : NULL; u && *u; u++)
		if (*u != ' ')
			put(o, u, 1);
}

/* Parameters of [at, end) as far as they are whole: " name=value …"; in groups without the first space. */
static void
put_fields(struct dec_out *o, const struct sim_iface *iface, const struct sim_message *def, const uint8_t *p, size_t at, size_t end, bool brief)
{
	for (bool first = def == NULL; at + TLV <= end && be16(p + at + 2) <= end - at - TLV; at += TLV + be16(p + at + 2)) {
		struct field f = field_of(o, iface, def, p + at);

		if (!first)
			put(o, " ", 1);
		first = false;
		if (f.param)
			puts_(o, f.param->name);
		else
			putf(o, "0x%04x", f.type);
		put(o, "=", 1);
		put_value(o, &f, brief);
		put_unit(o, &f);
	}
}

/* ---- JSON ---- */

static void
json_text(struct dec_out *o, const char *s, size_t n)
{
	put(o, "\"", 1);
	for (size_t k = 0; k < n; k++) {
		if (s[k] == '"' || s[k] == '\\')
			put(o, "\\", 1);
		if ((unsigned char)s[k] < 0x20)
			putf(o, "\\u%04x", (unsigned)(unsigned char)s[k]);
		else
			put(o, s + k, 1);
	}
	put(o, "\"", 1);
}

static void
json_payload(struct dec_out *o, int flag, const struct field *f)
{
	char text[1024];
	const char *name = dec_payload(flag, f->p, f->len, text, sizeof(text));

	if (!name)
		return;
	putf(o, ",\"payload\":{\"kind\":\"%s\",\"text\":", name);
	json_text(o, text, strlen(text));
	put(o, "}", 1);
}

static void json_fields(struct dec_out *, const struct dec_message *, const struct sim_message *, const uint8_t *, size_t at, size_t end);

static void
json_value(struct dec_out *o, const struct dec_message *g, const struct field *f)
{
	const uint8_t *p = f->p + (f->cp ? 2 : 0);
	size_t len = f->len - (f->cp ? 2 : 0);

	if (f->cp)
		putf(o, ",\"cp\":%u", be16(f->p));
	if (f->masked) {
		puts_(o, ",\"value\":null,\"masked\":true");
		return;
	}
	puts_(o, ",\"value\":");
	switch (f->kind) {
	case SIM_UINT: case SIM_HEX: put_u(o, be_uint(p, len), 1); break;
	case SIM_INT: put_i(o, be_int(p, len)); break;
	case SIM_TEXT: json_text(o, (const char *)p, len); break;
	case SIM_TIME: put(o, "\"", 1); put_time(o, p); put(o, "\"", 1); break;
	case SIM_BYTES: put(o, "\"", 1); put_hex(o, p, len); put(o, "\"", 1); break;
	case SIM_GROUP:
		json_fields(o, g, NULL, p, 0, len);
		break;
	}
}

static void
json_fields(struct dec_out *o, const struct dec_message *g, const struct sim_message *def, const uint8_t *p, size_t at, size_t end)
{
	const struct sim_iface *iface = g->session->iface;
	const char *comma = "", *words;

	put(o, "[", 1);
	for (; at + TLV <= end && be16(p + at + 2) <= end - at - TLV; at += TLV + be16(p + at + 2)) {
		struct field f = field_of(o, iface, def, p + at);

		putf(o, "%s{\"type\":%u,\"name\":", comma, f.type);
		if (f.param)
			json_text(o, f.param->name, strlen(f.param->name));
		else
			puts_(o, "null");
		putf(o, ",\"length\":%zu", f.len);
		json_value(o, g, &f);
		if (f.param && f.param->unit)
			putf(o, ",\"unit\":\"%s\"", f.param->unit);
		if (!f.masked && f.kind <= SIM_HEX && (words = dec_value_words(iface, f.type, (int64_t)be_uint(f.p, f.len)))) {
			puts_(o, ",\"words\":");
			json_text(o, words, strlen(words));
		}
		if (dec_is_datagram(iface, f.type))
			json_payload(o, g->session->section_TSpkt, &f);
		put(o, "}", 1);
		comma = ",";
	}
	put(o, "]", 1);
}

static void
json_head(struct dec_out *o, const char *event, const struct dec_session *s, int side)
{
	char from[ENDS], to[ENDS];

	end_text(&s->conn->ends, side, from);
	end_text(&s->conn->ends, 1 - side, to);
	putf(o, "{\"event\":\"%s\",\"session\":%u,\"interface\":\"%s\",\"transport\":\"%s\",\"from\":\"%s\",\"to\":\"%s\",\"sender\":\"%s\"", event,
	    s->number, s->iface->name, s->conn->udp ? "udp" : "tcp", from, to, side == s->client ? "client" : "server");
}

static void
json_message(struct dec_out *o, const struct dec_message *g)
{
	char name[24];

	json_head(o, "message", g->session, g->side);
	putf(o, ",\"frame\":%llu,\"time\":%lld.%09lld,\"version\":%u,\"type\":%u,\"message\":\"%s\",\"length\":%zu", (unsigned long long)g->frame,
	    (long long)(g->at_ns / 1000000000), (long long)(g->at_ns % 1000000000), g->p[0], g->msg->type, name_of(g, name), g->len);
	if (g->asked_frame)
		putf(o, ",\"answers\":%llu,\"latency_us\":%.3f", (unsigned long long)g->asked_frame, (double)(g->at_ns - g->asked_ns) / 1e3);
	puts_(o, ",\"fault\":");
	if (g->why.verdict == SIM_OK)
		puts_(o, "null");
	else
		putf(o, "{\"text\":\"%s\",\"parameter\":%u,\"offset\":%zu}", sim_verdict_text(g->why.verdict), g->why.param, g->why.offset);
	puts_(o, ",\"fields\":");
	json_fields(o, g, rules_of(g), g->p, SIM_HEADER, g->len);
	puts_(o, "}");
	newline(o);
}

/* ---- lines ---- */

static void
put_clock(struct dec_out *o, int64_t at_ns)
{
	int64_t us = (at_ns - o->first_ns) / 1000;
	char s[24];
	int n = 0;

	if (us < 0) {	/* captures of several queues are out of order at times */
		us = -us;
		s[n++] = '-';
	}
	for (int64_t least = 100000; least > us / 1000000 + (us < 1000000) && least > 1; least /= 10)
		s[n++] = ' ';
	colour(o, DIM);
	put(o, s, (size_t)n);
	put_u(o, (uint64_t)us / 1000000, 1);
	put(o, ".", 1);
	put_u(o, (uint64_t)us % 1000000, 6);
	colour(o, PLAIN);
}

static void
show_session(struct dec_out *o, struct dec_session *s)
{
	const char *client, *server;
	char a[ENDS], b[ENDS];
	size_t n, m;

	if (s->shown)
		return;
	s->shown = true;
	roles(s->iface, &client, &n, &server, &m);
	end_text(&s->conn->ends, s->client, a);
	end_text(&s->conn->ends, 1 - s->client, b);
	colour(o, BOLD);
	putf(o, "#%u %.*s %s > %.*s %s %s", s->number, (int)n, client, a, (int)m, server, b, s->conn->udp ? "UDP" : "TCP");
	if (!s->conn->udp && s->conn->opener < 0)
		puts_(o, ", joined midway");
	colour(o, PLAIN);
	newline(o);
}

static void
put_fault(struct dec_out *o, const struct dec_message *g)
{
	const struct sim_param *param = g->why.param ? sim_param_find(g->session->iface, g->why.param) : NULL;

	if (g->why.verdict == SIM_OK)
		return;
	colour(o, RED);
	putf(o, "  !! %s", sim_verdict_text(g->why.verdict));
	if (param)
		putf(o, " %s", param->name);
	else if (g->why.param)
		putf(o, " 0x%04x", g->why.param);
	putf(o, " at octet %zu", g->why.offset);
	colour(o, PLAIN);
}

static void
put_refusal(struct dec_out *o, const struct dec_message *g)
{
	const struct sim_value *v;

	colour(o, RED);
	for (size_t k = 0; (v = sim_value(g->msg, 0x7000, k)) != NULL; k++)
		if (v->len == 2)
			putf(o, "  !! %s", sim_status_words(g->session->iface, (uint16_t)be16(v->p))->name);
	colour(o, PLAIN);
}

static void
put_latency(struct dec_out *o, const struct dec_message *g)
{
	if (!g->asked_frame)
		return;
	colour(o, YELLOW);
	putf(o, "  +%.3f ms", (double)(g->at_ns - g->asked_ns) / 1e6);
	colour(o, PLAIN);
}

static void
put_payload_names(struct dec_out *o, const struct dec_message *g)
{
	char text[8];

	for (size_t k = 0; k < g->msg->n; k++) {
		const struct sim_value *v = &g->msg->v[k];
		const char *name;

		if (v->len == 0 || !dec_is_datagram(g->session->iface, v->type) || g->session->section_TSpkt == 0 || g->session->section_TSpkt == 1)
			continue;
		name = dec_payload(g->session->section_TSpkt, v->p, v->len, text, sizeof(text));
		if (name && strcmp(name, "TS") != 0 && strcmp(name, "section") != 0) {
			colour(o, GREEN);
			putf(o, " [%s]", name);
			colour(o, PLAIN);
		}
	}
}

static void
line_message(struct dec_out *o, const struct dec_message *g)
{
	struct dec_session *s = g->session;
	char name[24];
	const char *called = name_of(g, name);

	show_session(o, s);
	put_clock(o, g->at_ns);
	put(o, " #", 2);
	put_u(o, s->number, 1);
	put(o, g->side == s->client ? " > v" : " < v", 4);
	put_u(o, g->p[0], 1);
	put(o, " ", 1);
	puts_(o, called);
	if (g->why.verdict != SIM_OK)
		put_fault(o, g);
	if (g->error)
		put_refusal(o, g);
	put_payload_names(o, g);
	put_fields(o, s->iface, rules_of(g), g->p, SIM_HEADER, g->len, true);
	newline(o);
}

/* Two columns of names and an arrow between them; identifiers, then how long the answer took. */
static void
ladder_message(struct dec_out *o, const struct dec_message *g)
{
	struct dec_session *s = g->session;
	const char *client, *server, *called;
	bool asks = g->side == s->client;
	uint16_t keys[3] = { dec_channel_param(s->iface), dec_stream_param(s->iface), 0 };
	char name[24];
	size_t n, m, w;

	if (!s->shown) {
		show_session(o, s);
		roles(s->iface, &client, &n, &server, &m);
		putf(o, "                 %.*s %*s %.*s", (int)n, client, (int)(ARROW - n), "", (int)m, server);
		newline(o);
	}
	put_clock(o, g->at_ns);
	putf(o, " #%-2u ", s->number);
	called = name_of(g, name);
	w = strlen(called);
	colour(o, g->error || g->why.verdict != SIM_OK ? RED : asks ? PLAIN : GREEN);
	puts_(o, asks ? "|--" : "|<-");
	for (size_t k = w; k < LADDER; k += 2)
		put(o, "-", 1);
	putf(o, " %s ", called);
	for (size_t k = w + 1; k < LADDER; k += 2)
		put(o, "-", 1);
	puts_(o, asks ? "->|" : "--|");
	colour(o, PLAIN);
	put_latency(o, g);
	put_fault(o, g);
	if (g->error)
		put_refusal(o, g);
	for (size_t k = 0; k < 2; k++)
		if (keys[k] && sim_count(g->msg, keys[k]))
			putf(o, "%s%lld", k ? "/" : " ch ", (long long)sim_int(g->msg, keys[k], 0));
	if (strncmp(s->iface->name, "ECMG", 4) == 0 && sim_count(g->msg, 0x0012))
		putf(o, " CP %lld", (long long)sim_int(g->msg, 0x0012, 0));
	newline(o);
}

/* " ms"; units of tenths of a second in seconds, too. */
static void
say_unit(struct dec_out *o, const struct field *f)
{
	if (!f->param || !f->param->unit || f->masked)
		return;
	putf(o, " %s", f->param->unit);
	if (strcmp(f->param->unit, "x100 ms") == 0 && f->len && f->len <= 4)
		putf(o, " (%.1f s)", (double)be_uint(f->p, f->len) / 10);
}

static void
say_field(struct dec_out *o, const struct dec_message *g, const struct field *f, unsigned indent)
{
	const char *words = NULL, *meaning = dec_meaning(g->session->iface, f->type);
	char text[1024];

	putf(o, "%*s", (int)indent, "");
	colour(o, BOLD);
	if (f->param)
		puts_(o, f->param->name);
	else
		puts_(o, "unknown parameter");
	colour(o, PLAIN);
	putf(o, " (0x%04x) = ", f->type);
	if (f->kind != SIM_GROUP || f->masked)
		put_value(o, f, f->len > 20);
	say_unit(o, f);
	if (!f->masked && f->kind <= SIM_HEX)
		words = dec_value_words(g->session->iface, f->type, (int64_t)be_uint(f->p, f->len));
	if (words)
		putf(o, " (%s)", words);
	newline(o);
	if (f->kind == SIM_BYTES && !f->masked && f->len > 20) {	/* thirty octets a line */
		size_t from = f->cp ? 2 : 0;

		for (size_t at = from; at < f->len; at += 30) {
			putf(o, "%*s", (int)indent + 4, "");
			put_hex(o, f->p + at, f->len - at < 30 ? f->len - at : 30);
			newline(o);
		}
	}
	if (dec_is_datagram(g->session->iface, f->type) && f->len > 0 && dec_payload(g->session->section_TSpkt, f->p, f->len, text, sizeof(text)))
		paragraph(o, indent + 4, text);
	snprintf(text, sizeof(text), "%s%s[%s]", meaning ? meaning : "", meaning ? " " : "", dec_clause_param(g->session->iface, f->type));
	colour(o, DIM);
	paragraph(o, indent + 4, text);
	colour(o, PLAIN);
}

static void
say_fields(struct dec_out *o, const struct dec_message *g, const struct sim_message *def, const uint8_t *p, size_t at, size_t end, unsigned indent)
{
	for (; at + TLV <= end && be16(p + at + 2) <= end - at - TLV; at += TLV + be16(p + at + 2)) {
		struct field f = field_of(o, g->session->iface, def, p + at);

		say_field(o, g, &f, indent);
		if (f.kind == SIM_GROUP && !f.masked)
			say_fields(o, g, NULL, f.p, 0, f.len, indent + 4);
	}
	if (at < end) {
		putf(o, "%*s%zu octets that are no parameter", (int)indent, "", end - at);
		newline(o);
	}
}

static void
fields_message(struct dec_out *o, const struct dec_message *g)
{
	struct dec_session *s = g->session;
	char name[24], clause[48];

	show_session(o, s);
	put_clock(o, g->at_ns);
	putf(o, " #%u %s ", s->number, g->side == s->client ? ">" : "<");
	colour(o, BOLD);
	puts_(o, name_of(g, name));
	colour(o, PLAIN);
	put_latency(o, g);
	newline(o);
	putf(o, "   message_type 0x%04x, version %u, %zu octets, frame %llu [%s]", g->msg->type, g->p[0], g->len, (unsigned long long)g->frame,
	    dec_clause_message(s->iface, g->msg->type, clause, sizeof(clause)));
	newline(o);
	if (g->why.verdict != SIM_OK || g->error) {
		put(o, " ", 1);
		put_fault(o, g);
		put_refusal(o, g);
		newline(o);
	}
	say_fields(o, g, rules_of(g), g->p, SIM_HEADER, g->len, 3);
}

/* ---- filters and counts ---- */

static bool
peer_is(const struct ip_ends *e, int side, const char *want)
{
	char text[ENDS], *colon;

	if (want[0] == ':')
		return strtoul(want + 1, NULL, 10) == (side ? e->to_port : e->from_port);
	end_text(e, side, text);
	if (strcmp(text, want) == 0)
		return true;
	if ((colon = strrchr(text, ':')) != NULL)
		*colon = '\0';
	if (strcmp(text, want) == 0)
		return true;
	return text[0] == '[' && (text[strlen(text) - 1] = '\0', strcmp(text + 1, want) == 0);
}

static bool
of_peer(const struct dec_out *o, const struct ip_ends *e)
{
	const char *peer = o->conf.filter.peer;

	return !peer || peer_is(e, 0, peer) || peer_is(e, 1, peer);
}

static bool
has(const struct dec_message *g, uint16_t param, int64_t want)
{
	return want < 0 || (param && sim_count(g->msg, param) && sim_int(g->msg, param, -1) == want);
}

static bool
wanted(const struct dec_out *o, const struct dec_message *g)
{
	const struct dec_filter *f = &o->conf.filter;
	const struct sim_iface *iface = g->session->iface;
	char name[24];

	if (f->errors && !g->error && g->why.verdict == SIM_OK)
		return false;
	if (f->message && strcmp(f->message, name_of(g, name)) != 0)
		return false;
	return (f->channel < 0 || has(g, dec_channel_param(iface), f->channel)) && (f->stream < 0 || has(g, dec_stream_param(iface), f->stream)) &&
	    of_peer(o, &g->session->conn->ends);
}

static struct kind *
kind_of(struct dec_out *o, const struct dec_message *g)
{
	uint8_t *guess = &o->guess[g->msg->type % GUESSES];

	if (*guess < o->nkinds && o->kind[*guess].type == g->msg->type && o->kind[*guess].iface == g->session->iface)
		return &o->kind[*guess];
	for (size_t i = 0; i < o->nkinds; i++)
		if (o->kind[i].type == g->msg->type && o->kind[i].iface == g->session->iface) {
			*guess = (uint8_t)i;
			return &o->kind[i];
		}
	if (o->nkinds == KINDS)
		return NULL;
	o->kind[o->nkinds] = (struct kind){ .iface = g->session->iface, .type = g->msg->type, .name = g->msg->def ? g->msg->def->name : "unknown" };
	return &o->kind[o->nkinds++];
}

static void
count(struct dec_out *o, const struct dec_message *g)
{
	struct kind *k = kind_of(o, g);
	int64_t took = g->at_ns - g->asked_ns;

	o->messages++;
	o->faults += g->why.verdict != SIM_OK;
	o->errors += g->error;
	o->sessions += !g->session->user;	/* the first of it that is wanted */
	g->session->user = o;
	if (!k)
		return;
	k->n++;
	k->faults += g->why.verdict != SIM_OK;
	k->errors += g->error;
	if (g->asked_frame) {
		k->min_ns = k->answers == 0 || took < k->min_ns ? took : k->min_ns;
		k->max_ns = k->answers == 0 || took > k->max_ns ? took : k->max_ns;
		k->sum_ns += took;
		k->answers++;
	}
}

static void
message(void *self, const struct dec_message *g)
{
	static void (*const shows[])(struct dec_out *, const struct dec_message *) = {
		[DEC_LINES] = line_message, [DEC_FIELDS] = fields_message, [DEC_JSON] = json_message, [DEC_LADDER] = ladder_message,
	};
	struct dec_out *o = self;

	if (!wanted(o, g)) {
		o->unwanted++;
		return;
	}
	o->last_ns = g->at_ns;
	count(o, g);
	if (o->conf.mode != DEC_SUMMARY)
		shows[o->conf.mode](o, g);
}

static void
trouble(void *self, struct dec_session *s, int side, enum dec_trouble what, uint64_t octets)
{
	static const struct { const char *event, *text; } words[] = {
		[DEC_GAP] = { "gap", "octets are missing in the capture" },
		[DEC_PASSED_OVER] = { "passed_over", "octets are no whole message" },
		[DEC_TRUNCATED] = { "truncated", "octets of a message whose end is missing" },
	};
	struct dec_out *o = self;

	if (!of_peer(o, &s->conn->ends))
		return;
	o->gaps += what == DEC_GAP;
	o->lost += what == DEC_GAP ? octets : 0;
	o->passed += what == DEC_PASSED_OVER ? octets : 0;
	o->truncated += what == DEC_TRUNCATED;
	if (o->conf.mode == DEC_SUMMARY)
		return;
	if (o->conf.mode == DEC_JSON) {
		json_head(o, words[what].event, s, side);
		putf(o, ",\"octets\":%llu}", (unsigned long long)octets);
		newline(o);
		return;
	}
	show_session(o, s);
	put_clock(o, o->last_ns);
	colour(o, RED);
	putf(o, " #%u %s !! %llu %s", s->number, side == s->client ? ">" : "<", (unsigned long long)octets, words[what].text);
	colour(o, PLAIN);
	newline(o);
}

static void
json_air(struct dec_out *o, const struct dec_segment *s, const char *name, const char *text, uint64_t frame, int64_t at_ns)
{
	char from[ENDS], to[ENDS];

	end_text(&s->ends, 0, from);
	end_text(&s->ends, 1, to);
	putf(o, "{\"event\":\"air\",\"transport\":\"udp\",\"from\":\"%s\",\"to\":\"%s\",\"frame\":%llu,\"time\":%lld.%09lld,\"length\":%zu,", from, to,
	    (unsigned long long)frame, (long long)(at_ns / 1000000000), (long long)(at_ns % 1000000000), s->len);
	putf(o, "\"payload\":{\"kind\":\"%s\",\"text\":", name);
	json_text(o, text, strlen(text));
	puts_(o, "}}");
	newline(o);
}

static void
line_air(struct dec_out *o, const struct dec_segment *s, const char *name, const char *text, int64_t at_ns)
{
	char to[ENDS];

	end_text(&s->ends, 1, to);
	put_clock(o, at_ns);
	putf(o, " on air %s ", to);
	colour(o, GREEN);
	puts_(o, name);
	colour(o, PLAIN);
	if (o->conf.mode == DEC_FIELDS) {
		newline(o);
		paragraph(o, 3, text);
	} else {
		size_t n = strlen(name);

		putf(o, "%s%s", strncmp(text, name, n) == 0 ? "" : " ", strncmp(text, name, n) == 0 ? text + n : text);
		newline(o);
	}
}

void
dec_out_air(void *self, const struct dec_segment *s, uint64_t frame, int64_t at_ns)
{
	struct dec_out *o = self;
	const struct dec_filter *f = &o->conf.filter;
	char text[1024];
	const char *name;

	if (s->len == 0 || f->errors || f->channel >= 0 || f->stream >= 0 || !of_peer(o, &s->ends) ||
	    !(name = dec_payload(2, s->p, s->len, text, sizeof(text))) || (f->message && strcmp(f->message, name) != 0))
		return;
	o->air++;
	o->last_ns = at_ns;
	if (o->conf.mode == DEC_JSON)
		json_air(o, s, name, text, frame, at_ns);
	else if (o->conf.mode != DEC_SUMMARY)
		line_air(o, s, name, text, at_ns);
}

struct dec_msg_user
dec_out_sink(struct dec_out *o)
{
	return (struct dec_msg_user){ .self = o, .message = message, .trouble = trouble };
}

struct dec_out *
dec_out_new(const struct dec_out_conf *conf)
{
	struct dec_out *o = calloc(1, sizeof(*o));

	if (o)
		o->conf = *conf;
	return o;
}

void
dec_out_free(struct dec_out *o)
{
	free(o);
}

void
dec_out_begin(struct dec_out *o, int64_t at_ns)
{
	if (!o->begun)
		o->first_ns = o->last_ns = at_ns;
	o->begun = true;
}

uint64_t
dec_out_messages(const struct dec_out *o)
{
	return o->messages;
}

static void
json_summary(struct dec_out *o, const struct dec_counts *c)
{
	putf(o, "{\"event\":\"summary\",\"frames\":%llu,\"tcp\":%llu,\"udp\":%llu,\"other\":%llu,\"broken\":%llu,\"cut\":%llu,\"sessions\":%u,",
	    (unsigned long long)c->frames, (unsigned long long)c->tcp, (unsigned long long)c->udp, (unsigned long long)c->other,
	    (unsigned long long)c->broken, (unsigned long long)c->cut, o->sessions);
	putf(o, "\"messages\":%llu,\"faults\":%llu,\"errors\":%llu,\"gaps\":%llu,\"octets_missing\":%llu,\"octets_passed_over\":%llu,\"evicted\":%llu,\"torn\":%llu,\"air\":%llu}",
	    (unsigned long long)o->messages, (unsigned long long)o->faults, (unsigned long long)o->errors, (unsigned long long)o->gaps,
	    (unsigned long long)o->lost, (unsigned long long)o->passed, (unsigned long long)c->evicted,
	    (unsigned long long)c->torn, (unsigned long long)o->air);
	newline(o);
}

static void
some(struct dec_out *o, uint64_t n, const char *what)
{
	if (n)
		putf(o, ", %llu %s", (unsigned long long)n, what);
}

void
dec_out_summary(struct dec_out *o, const struct dec_counts *c)
{
	if (o->conf.mode == DEC_JSON) {
		json_summary(o, c);
		flush(o);
		return;
	}
	if (o->conf.mode != DEC_SUMMARY && (o->messages || o->air))
		newline(o);
	putf(o, "%llu frames: %llu TCP, %llu UDP", (unsigned long long)c->frames, (unsigned long long)c->tcp, (unsigned long long)c->udp);
	some(o, c->fragments, "fragments");
	some(o, c->other, "others");
	some(o, c->broken, "broken");
	some(o, c->cut, "cut by the capture");
	some(o, c->torn, "datagrams without all their fragments");
	newline(o);
	putf(o, "%llu message%s in %u session%s", (unsigned long long)o->messages, o->messages == 1 ? "" : "s", o->sessions, o->sessions == 1 ? "" : "s");
	some(o, o->unwanted, "others not asked for");
	some(o, o->errors, "refusals");
	some(o, o->faults, "faulty");
	some(o, o->truncated, "cut off");
	some(o, o->air, "datagrams on air");
	newline(o);
	if (o->gaps || o->passed || c->evicted) {
		putf(o, "%llu gaps (%llu octets)", (unsigned long long)o->gaps, (unsigned long long)o->lost);
		some(o, o->passed, "octets passed over");
		some(o, c->evicted, "connections given up for want of room");
		newline(o);
	}
	if (o->nkinds) {
		colour(o, DIM);
		putf(o, "  %-18s %-22s %8s  %s", "interface", "message", "count", "ms: least/mean/most");
		colour(o, PLAIN);
		newline(o);
	}
	for (size_t i = 0; i < o->nkinds; i++) {
		const struct kind *k = &o->kind[i];

		putf(o, "  %-18s %-22s %8llu", k->iface->name, k->name, (unsigned long long)k->n);
		if (k->answers)
			putf(o, "  %.3f/%.3f/%.3f", (double)k->min_ns / 1e6, (double)k->sum_ns / (double)k->answers / 1e6, (double)k->max_ns / 1e6);
		if (k->faults) {
			colour(o, RED);
			putf(o, "  %llu faulty", (unsigned long long)k->faults);
			colour(o, PLAIN);
		}
		newline(o);
	}
	flush(o);
}
