/* tools/finding.c */
#include "tools/finding.h"
#include <arpa/inet.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/ecmg_scs.h"
#include "proto/say.h"

enum { LINE = 1024, VALUE = 160, NAME_WIDTH = 30, PAGE = 80 };

static const char *const words[FIND_KINDS] = {
	[FIND_FIELD] = "field", [FIND_INSTEAD] = "instead", [FIND_MISSING] = "missing",
	[FIND_UNEXPECTED] = "unexpected", [FIND_LATE] = "late", [FIND_LOST] = "lost",
};

const char *
find_word(enum find_what what)
{
	return words[what];
}

void
find_time(struct find_times *t, int64_t ns)
{
	t->n++;
	t->sum_ns += (double)ns;
	t->max_ns = ns > t->max_ns ? ns : t->max_ns;
}

enum colour { PLAIN, BOLD, RED, GREEN, YELLOW };

static void
put(struct find_out *o, enum colour c, const char *s)
{
	static const char *const codes[] = { "", "\033[1m", "\033[31m", "\033[32m", "\033[33m" };
	size_t n = strlen(s), columns = 0, width = o->conf.width;

	/* what the page has no room for is left out; the further octets of a character have no column */
	for (size_t i = 0; width && i < n; i++)
		if ((s[i] & 0xc0) != 0x80 && ++columns == width && strlen(s + i) > 1) {
			n = i;
			break;
		}
	if (o->conf.colour && c)
		o->conf.write(o->conf.self, codes[c], strlen(codes[c]));
	o->conf.write(o->conf.self, s, n);
	if (n < strlen(s))
		o->conf.write(o->conf.self, "\u2026", strlen("\u2026"));
	if (o->conf.colour && c)
		o->conf.write(o->conf.self, "\033[0m", 4);
	o->conf.write(o->conf.self, "\n", 1);
}

static void __attribute__((format(printf, 3, 4)))
putf(struct find_out *o, enum colour c, const char *fmt, ...)
{
	char s[LINE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s, sizeof(s), fmt, ap);
	va_end(ap);
	put(o, c, s);
}

void
find_printf(struct find_out *o, const char *fmt, ...)
{
	char s[LINE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s, sizeof(s), fmt, ap);
	va_end(ap);
	put(o, PLAIN, s);
}

void
find_took(struct find_out *o, const char *whose, const struct find_times *t)
{
	if (t->n)
		find_printf(o, "answers took %.3f/%.3f ms (mean/most) %s", t->sum_ns / (double)t->n / 1e6, (double)t->max_ns / 1e6, whose);
}

static void
end_text(const struct ip_ends *e, bool to, struct say *s)
{
	char host[INET6_ADDRSTRLEN];

	inet_ntop(e->v6 ? AF_INET6 : AF_INET, to ? e->to : e->from, host, sizeof(host));
	say(s, e->v6 ? "[%s]:%u" : "%s:%u", host, to ? e->to_port : e->from_port);
}

char *
find_ends(const struct talk_conn *c, char *out, size_t cap)
{
	struct say s = { out, cap, 0 };
	char a[24], b[24];

	out[0] = '\0';
	say(&s, "%s ", talk_role(c->iface, TALK_CLIENT, a));
	end_text(&c->ends, false, &s);
	say(&s, " > %s ", talk_role(c->iface, TALK_SERVER, b));
	end_text(&c->ends, true, &s);
	say(&s, " %s%s", c->udp ? "UDP" : "TCP", c->midway ? ", joined midway" : "");
	return out;
}

/* ---- JSON ---- */

static void
set(json_t *o, const char *key, json_t *v)
{
	json_object_set_new(o, key, v);
}

static json_t *
text_of(const struct find_out *o, const struct talk_conn *c, const struct talk_param *v, uint32_t param)
{
	char text[2 * 65536 + 64];

	if (!v->p)
		return json_null();
	if (param == ALIKE_VERSION)
		return json_sprintf("%u", v->p[0]);
	return json_string(talk_value(c->iface, (uint16_t)param, v->p, v->len, o->conf.secrets, text, sizeof(text)));
}

static void
json_number(json_t *o, const char *key, int64_t v)
{
	if (v >= 0)
		set(o, key, json_integer(v));
}

static void
json_msg(json_t *o, const char *key, const struct talk_conn *c, const struct talk_msg *m)
{
	char name[24];
	json_t *v;

	if (!m) {
		set(o, key, json_null());
		return;
	}
	v = json_pack("{s:s, s:i}", "message", talk_name(c->iface, talk_type(m), name), "type", talk_type(m));
	if (m->frame)
		json_number(v, "frame", (int64_t)m->frame);
	set(o, key, v);
}

static void
put_json(struct find_out *o, const struct finding *f)
{
	const struct talk_conn *c = f->conn;
	const struct talk_msg *m = f->a ? f->a : f->b;
	const struct sim_param *param;
	json_t *j = json_pack("{s:s, s:s, s:i, s:s}", "event", "difference", "kind", find_word(f->what), "session", (int)c->number, "interface", c->iface->name);
	char *text;

	if (f->other)
		set(j, "other_session", json_integer(f->other->number));
	if (m) {
		set(j, "sender", json_string(m->side == TALK_CLIENT ? "client" : "server"));
		json_number(j, "channel", talk_int(m, dec_channel_param(c->iface)));
		json_number(j, "stream", talk_int(m, dec_stream_param(c->iface)));
		if (c->iface == &ecmg_scs)
			json_number(j, "cp", talk_int(m, ECMG_CP_NUMBER));
		json_msg(j, o->conf.a, c, f->a);
		json_msg(j, o->conf.b, c, f->b);
	}
	if (f->field) {
		param = f->field->param == ALIKE_VERSION ? NULL : sim_param_find(c->iface, (uint16_t)f->field->param);
		set(j, "parameter", f->field->param == ALIKE_VERSION ? json_null() : json_integer(f->field->param));
		set(j, "name", f->field->param == ALIKE_VERSION ? json_string("protocol_version") : param ? json_string(param->name) : json_null());
		set(j, "values", json_pack("[o, o]", text_of(o, c, &f->field->a, f->field->param), text_of(o, c, &f->field->b, f->field->param)));
	}
	if (f->what == FIND_LATE)
		set(j, "latency_us", json_real((double)f->took_ns / 1e3));
	if (f->what == FIND_LOST)
		json_number(j, "left", (int64_t)f->left);
	if ((text = json_dumps(j, JSON_COMPACT)) != NULL) {
		o->conf.write(o->conf.self, text, strlen(text));
		o->conf.write(o->conf.self, "\n", 1);
	}
	free(text);
	json_decref(j);
}

/* ---- lines ---- */

/* "stream_error error_status=0x000b …": without what names channel and stream, which stands above. */
static void
summary(struct find_out *o, enum colour colour, char sign, const struct talk_conn *c, const struct talk_msg *m)
{
	char line[LINE], name[24], value[VALUE];
	struct say s = { line, sizeof(line), 0 };
	struct talk_param v;

	say(&s, "    %c v%u %s", sign, m->p[0], talk_name(c->iface, talk_type(m), name));
	for (size_t at = 0; talk_next(m, &at, &v) && s.len < sizeof(line) / 2; ) {
		const struct sim_param *param = sim_param_find(c->iface, v.type);

		if (v.type == dec_channel_param(c->iface) || v.type == dec_stream_param(c->iface))
			continue;
		if (param)
			say(&s, " %s=", param->name);
		else
			say(&s, " 0x%04x=", v.type);
		if (v.len > 8 && (!param || param->kind == SIM_BYTES || param->kind == SIM_GROUP) && !(param && param->flags & SIM_CP))
			say(&s, "(%u bytes)", v.len);
		else
			say(&s, "%s", talk_value(c->iface, v.type, v.p, v.len, o->conf.secrets, value, sizeof(value)));
	}
	put(o, colour, line);
}

static void
heading(struct find_out *o, const struct finding *f)
{
	const struct talk_conn *c = f->conn;
	const struct talk_msg *m = f->a ? f->a : f->b;
	char line[LINE], name[24];
	struct say s = { line, sizeof(line), 0 };
	int64_t n;

	if (o->conn != c) {
		char ends[LINE / 2];

		if (f->other && f->other->number != c->number)
			putf(o, BOLD, "#%u %s (#%u of %s)", c->number, find_ends(c, ends, sizeof(ends)), f->other->number, o->conf.b);
		else
			putf(o, BOLD, "#%u %s", c->number, find_ends(c, ends, sizeof(ends)));
	} else if (o->a == f->a && o->b == f->b) {
		return;
	}
	o->conn = c;
	o->a = f->a;
	o->b = f->b;
	if (!m)
		return;
	say(&s, "  %s %s", m->side == TALK_CLIENT ? ">" : "<", talk_name(c->iface, talk_type(m), name));
	if ((n = talk_int(m, dec_channel_param(c->iface))) >= 0)
		say(&s, ", channel %lld", (long long)n);
	if ((n = talk_int(m, dec_stream_param(c->iface))) >= 0)
		say(&s, ", stream %lld", (long long)n);
	if (c->iface == &ecmg_scs && (n = talk_int(m, ECMG_CP_NUMBER)) >= 0)
		say(&s, ", CP %lld", (long long)n);
	if (m->frame)
		say(&s, "  (%.6f s, frame %llu", (double)(m->at_ns - (f->a ? o->conf.first_ns : o->conf.b_first_ns)) / 1e9, (unsigned long long)m->frame);
	if (m->frame && f->a && f->b && f->b->frame)
		say(&s, " | %llu", (unsigned long long)f->b->frame);
	if (m->frame)
		say(&s, ")");
	put(o, PLAIN, line);
}

static void
field(struct find_out *o, const struct talk_conn *c, const struct alike_field *f)
{
	uint16_t type = (uint16_t)f->param;
	const struct sim_param *param = sim_param_find(c->iface, type);
	size_t width = o->conf.width ? o->conf.width : PAGE, room = width > NAME_WIDTH + 14 ? (width - NAME_WIDTH - 14) / 2 : 0;
	const struct talk_param *one = f->a.p ? &f->a : &f->b;
	char name[64], a[VALUE], b[VALUE];

	if (f->param == ALIKE_VERSION)
		snprintf(name, sizeof(name), "protocol_version");
	else if (param)
		snprintf(name, sizeof(name), "%s", param->name);
	else
		snprintf(name, sizeof(name), "0x%04x", type);
	if (f->nth)
		snprintf(name + strlen(name), sizeof(name) - strlen(name), "[%zu]", f->nth + 1);
	if (f->param == ALIKE_VERSION) {
		putf(o, YELLOW, "    ~ %-*s %u -> %u", NAME_WIDTH, name, f->a.p[0], f->b.p[0]);
	} else if (f->a.p && f->b.p) {
		room = room < 16 ? 16 : room < VALUE ? room : VALUE;
		talk_value(c->iface, type, f->a.p, f->a.len, o->conf.secrets, a, room);
		talk_value(c->iface, type, f->b.p, f->b.len, o->conf.secrets, b, room);
		putf(o, YELLOW, "    ~ %-*s %s -> %s", NAME_WIDTH, name, a, b);
	} else {
		talk_value(c->iface, type, one->p, one->len, o->conf.secrets, a, sizeof(a));
		putf(o, one == &f->a ? RED : GREEN, "    %c %-*s %s", one == &f->a ? '-' : '+', NAME_WIDTH, name, a);
	}
}

void
find_out(struct find_out *o, const struct finding *f)
{
	if (o->conf.json) {
		put_json(o, f);
		return;
	}
	heading(o, f);
	switch (f->what) {
	case FIND_FIELD:
		field(o, f->conn, f->field);
		break;
	case FIND_INSTEAD: case FIND_MISSING: case FIND_UNEXPECTED:
		if (f->a)
			summary(o, RED, '-', f->conn, f->a);
		if (f->b)
			summary(o, GREEN, '+', f->conn, f->b);
		if (!f->a && !f->b)
			putf(o, f->what == FIND_MISSING ? RED : GREEN, "    %c the whole connection, %zu messages", f->what == FIND_MISSING ? '-' : '+', f->conn->n);
		break;
	case FIND_LATE:
		putf(o, YELLOW, "    ~ %-*s %.3f ms", NAME_WIDTH, "took", (double)f->took_ns / 1e6);
		break;
	case FIND_LOST:
		putf(o, RED, "    - the peer closed before the end: %zu messages were not exchanged", f->left);
		break;
	case FIND_KINDS:
		break;
	}
}

void
find_names(struct find_out *o, const struct talk_conn *c, const struct alike_map *map)
{
	char line[LINE];
	struct say s = { line, sizeof(line), 0 };

	for (size_t i = 0; i < map->nids && s.len < sizeof(line) - 100; i++) {
		const struct sim_param *param = map->id[i].param ? sim_param_find(c->iface, map->id[i].param) : NULL;
		bool hex = param && param->kind == SIM_HEX;

		if (map->id[i].a == map->id[i].b)
			continue;
		say(&s, "%s %s ", s.len ? "," : "", param ? param->name : "protocol_version");
		say(&s, hex ? "0x%x is 0x%x" : "%u is %u", map->id[i].a, map->id[i].b);
	}
	for (size_t i = 0; i < map->ncps && s.len < sizeof(line) - 100; i++)
		if (map->cp[i].distance)
			say(&s, "%s CP_number of stream %lld is %+d", s.len ? "," : "", (long long)map->cp[i].stream, (int16_t)map->cp[i].distance);
	if (s.len)
		putf(o, PLAIN, "#%u:%s", c->number, line);
}
