/* tools/talk.c */
#include "tools/talk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/be.h"
#include "proto/emmg_mux.h"
#include "proto/say.h"
#include "tools/dec_read.h"

enum { TLV = 4, OPEN = 1 << 16, EARLY = 16 };	/* OPEN: requests without an answer that are remembered of a connection; EARLY: places an answer may stand before its request */
#define EARLY_NS INT64_C(200000000)

/* ---- messages ---- */

uint16_t
talk_type(const struct talk_msg *m)
{
	return (uint16_t)(m->len < SIM_HEADER ? 0 : be16(m->p + 1));
}

const char *
talk_name(const struct sim_iface *iface, uint16_t type, char out[24])
{
	const struct sim_message *def = sim_message_find(iface, type);

	if (def)
		return def->name;
	snprintf(out, 24, "message_0x%04x", type);
	return out;
}

bool
talk_next(const struct talk_msg *m, size_t *at, struct talk_param *v)
{
	if (*at == 0)
		*at = SIM_HEADER;
	if (*at + TLV > m->len || be16(m->p + *at + 2) > m->len - *at - TLV)
		return false;
	*v = (struct talk_param){ (uint16_t)be16(m->p + *at), (uint16_t)be16(m->p + *at + 2), m->p + *at + TLV };
	*at += TLV + (size_t)v->len;
	return true;
}

bool
talk_find(const struct talk_msg *m, uint16_t type, size_t nth, struct talk_param *v)
{
	for (size_t at = 0; talk_next(m, &at, v); )
		if (v->type == type && nth-- == 0)
			return true;
	return false;
}

int64_t
talk_int(const struct talk_msg *m, uint16_t type)
{
	struct talk_param v;
	int64_t n = 0;

	if (type == 0 || !talk_find(m, type, 0, &v) || v.len > 4)
		return -1;
	for (size_t k = 0; k < v.len; k++)
		n = n << 8 | v.p[k];
	return n;
}

/* ---- words ---- */

const char *
talk_role(const struct sim_iface *iface, enum talk_side side, char out[24])
{
	const char *mid = strstr(iface->name, "<=>");
	bool second = side == TALK_SERVER;

	if (!mid)
		return side == TALK_CLIENT ? "client" : "server";
	if (strcmp(iface->name, "ECMG<=>SCS") == 0)	/* the tables name the side that is asked first there */
		second = !second;
	if (second)
		return mid + 3;
	snprintf(out, 24, "%.*s", (int)(mid - iface->name), iface->name);
	return out;
}

static void
hex(struct say *s, const uint8_t *p, size_t len)
{
	for (size_t k = 0; k < len; k++)
		say(s, "%02x", p[k]);
}

static bool
printable(const uint8_t *p, size_t len)
{
	for (size_t k = 0; k < len; k++)
		if (p[k] < 0x20 || p[k] > 0x7e || p[k] == '"' || p[k] == '\\')
			return false;
	return true;
}

/* Octets as far as there is room for, and how many they are when not all are shown. */
static void
octets(struct say *s, const uint8_t *p, size_t len)
{
	size_t room = s->cap > s->len ? (s->cap - s->len) / 2 : 0, shown = len;

	if (len + 1 > room) {
		shown = room > 12 ? room - 12 : 0;
		hex(s, p, shown);
		say(s, "\u2026 (%zu bytes)", len);
		return;
	}
	hex(s, p, len);
	if (len == 0)
		say(s, "(empty)");
}

char *
talk_value(const struct sim_iface *iface, uint16_t type, const uint8_t *p, size_t len, bool secrets, char *out, size_t cap)
{
	const struct sim_param *param = sim_param_find(iface, type);
	enum sim_kind kind = param ? param->kind : SIM_BYTES;
	struct say s = { out, cap, 0 };

	out[0] = '\0';
	if (param && param->flags & SIM_CP && len >= 2) {
		say(&s, "%u:", be16(p));
		p += 2;
		len -= 2;
	}
	if (!secrets && (!param || param->flags & SIM_SECRET)) {	/* what no table knows may be a key */
		say(&s, "(%zu bytes)", len);
		return out;
	}
	if (kind == SIM_TEXT ? !printable(p, len) : kind <= SIM_HEX ? len == 0 || len > 8 : true)
		kind = SIM_BYTES;
	switch (kind) {
	case SIM_UINT: case SIM_INT: say(&s, "%lld", (long long)(kind == SIM_INT ? be_int(p, len) : (int64_t)be_uint(p, len))); break;
	case SIM_HEX: say(&s, "0x"); hex(&s, p, len); break;
	case SIM_TEXT: say(&s, "\"%.*s\"", (int)len, (const char *)p); break;
	default: octets(&s, p, len); break;
	}
	for (const char *u = param ? param->unit : NULL; u && *u; u++)
		if (*u != ' ')
			say(&s, "%c", *u);
	return out;
}

/* ---- a conversation ---- */

static int
more(void *v, size_t *room, size_t n, size_t size)
{
	void *bigger;
	size_t want = *room ? *room * 2 : 16;

	if (n < *room)
		return 0;
	if (!(bigger = realloc(*(void **)v, want * size)))
		return -1;
	*(void **)v = bigger;
	*room = want;
	return 0;
}

/* An error answers whatever was asked of its stream. */
static bool
answers_to(const struct talk_conn *c, const struct dec_pair *pair, const struct talk_msg *q, const struct talk_msg *m)
{
	uint16_t stream = dec_stream_param(c->iface);

	if (q->side == m->side || talk_int(q, stream) != talk_int(m, stream))
		return false;
	return m->error || (pair->answer == talk_type(m) && (!pair->key || talk_int(q, pair->key) == talk_int(m, pair->key)));
}

/* The oldest request of the other side that this may answer. */
static bool
answers(struct talk_conn *c, struct talk_msg *m)
{
	int64_t stream = talk_int(m, dec_stream_param(c->iface));
	uint16_t type = talk_type(m);

	for (size_t i = 0; i < c->nopen; i++) {
		const struct talk_open *o = &c->open[i];
		struct talk_msg *q = &c->m[o->at];

		if (o->side == m->side || o->stream != stream || (o->answer != type && !m->error) || q > m || !answers_to(c, dec_pair_of(c->iface, talk_type(q)), q, m))
			continue;
		m->request = o->at + 1;
		q->answer = (size_t)(m - c->m) + 1;
		memmove(c->open + i, c->open + i + 1, (--c->nopen - i) * sizeof(*c->open));
		return true;
	}
	return false;
}

static int
pair_up(struct talk_conn *c, struct talk_msg *m)
{
	const struct dec_pair *pair = m->udp ? NULL : dec_pair_of(c->iface, talk_type(m));

	if (m->udp)
		return 0;
	if (m->error || !pair) {	/* no request: there may be many to look through */
		answers(c, m);
		return 0;
	}
	if (c->nopen == OPEN) {
		c->nopen -= OPEN / 16;
		memmove(c->open, c->open + OPEN / 16, c->nopen * sizeof(*c->open));
	}
	if (more(&c->open, &c->open_room, c->nopen, sizeof(*c->open)) < 0)
		return -1;
	c->open[c->nopen++] = (struct talk_open){ (size_t)(m - c->m), talk_int(m, dec_stream_param(c->iface)), pair->answer, m->side };
	return 0;
}

/* Not paired yet. */
static struct talk_msg *
append(struct talk_conn *c, enum talk_side side, bool udp, const uint8_t *p, size_t len, int64_t at_ns, uint64_t frame)
{
	struct talk_msg *m;
	uint8_t *copy;

	if (more(&c->m, &c->room, c->n, sizeof(*c->m)) < 0 || !(copy = malloc(len ? len : 1)))
		return NULL;
	memcpy(copy, p, len);
	m = &c->m[c->n++];
	*m = (struct talk_msg){ .p = copy, .len = len, .at_ns = at_ns, .frame = frame, .side = side, .udp = udp };
	return m;
}

static bool
refuses(const struct sim_iface *iface, const struct talk_msg *m)
{
	struct talk_param v;

	return sim_param_find(iface, 0x7000) && talk_find(m, 0x7000, 0, &v);
}

struct talk_msg *
talk_add(struct talk_conn *c, enum talk_side side, bool udp, const uint8_t *p, size_t len, int64_t at_ns, uint64_t frame)
{
	struct talk_msg *m = append(c, side, udp, p, len, at_ns, frame);

	if (!m)
		return NULL;
	m->error = refuses(c->iface, m);
	return pair_up(c, m) < 0 ? NULL : m;
}

void
talk_forget(struct talk_conn *c, size_t n)
{
	size_t open = 0;

	for (size_t i = 0; i < n; i++)
		free(c->m[i].p);
	memmove(c->m, c->m + n, (c->n - n) * sizeof(*c->m));
	c->n -= n;
	for (size_t i = 0; i < c->n; i++) {
		c->m[i].request = c->m[i].request > n ? c->m[i].request - n : 0;
		c->m[i].answer = c->m[i].answer > n ? c->m[i].answer - n : 0;
	}
	for (size_t i = 0; i < c->nopen; i++)
		if (c->open[i].at >= n) {
			c->open[open] = c->open[i];
			c->open[open++].at -= n;
		}
	c->nopen = open;
}

void
talk_conn_fini(struct talk_conn *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->m[i].p);
	free(c->m);
	free(c->open);
	*c = (struct talk_conn){ 0 };
}

void
talk_free(struct talk *t)
{
	for (size_t i = 0; i < t->n; i++)
		talk_conn_fini(&t->c[i]);
	free(t->c);
	*t = (struct talk){ 0 };
}

/* ---- of a capture ---- */

struct reading {
	struct talk *t;
	const struct talk_conf *conf;
	volatile sig_atomic_t stop;
	enum { FINE, TOO_LONG, NO_MEMORY } why;
	size_t *by_number; size_t room;	/* session number: index in t + 1; 0: unknown yet, SIZE_MAX: not wanted */
	unsigned newest;
};

int
talk_listed(const char *list, unsigned n)
{
	bool found = false;

	do {
		char *end;
		unsigned long from, to;

		if (*list < '0' || *list > '9')
			return -1;
		from = to = strtoul(list, &end, 10);
		if (*end == '-') {
			if (end[1] < '0' || end[1] > '9')
				return -1;
			to = strtoul(end + 1, &end, 10);
		}
		if ((*end && *end != ',') || (*end == ',' && !end[1]) || to < from)
			return -1;
		found |= n >= from && n <= to;
		list = *end ? end + 1 : end;
	} while (*list);
	return found;
}

static void
fail(struct reading *r, int why)
{
	r->why = why;
	r->stop = 1;
}

/* NULL: it is not wanted, or cannot be kept. */
static struct talk_conn *
conn_of(struct reading *r, const struct dec_session *s)
{
	struct talk *t = r->t;
	size_t *at;

	while (r->newest < s->number) {
		if (more(&r->by_number, &r->room, r->newest, sizeof(*r->by_number)) < 0) {
			fail(r, NO_MEMORY);
			return NULL;
		}
		r->by_number[r->newest++] = 0;
	}
	at = &r->by_number[s->number - 1];
	if (*at == SIZE_MAX)
		return NULL;
	if (*at)
		return &t->c[*at - 1];
	if ((r->conf->iface && r->conf->iface != s->iface) || (r->conf->sessions && talk_listed(r->conf->sessions, s->number) != 1)) {
		*at = SIZE_MAX;
		return NULL;
	}
	if (more(&t->c, &t->room, t->n, sizeof(*t->c)) < 0) {
		fail(r, NO_MEMORY);
		return NULL;
	}
	t->c[t->n] = (struct talk_conn){ .number = s->number, .iface = s->iface, .ends = s->conn->ends, .udp = s->conn->udp,
		.midway = !s->conn->udp && s->conn->opener < 0 };
	*at = ++t->n;
	return &t->c[t->n - 1];
}

static struct ip_ends
turned(const struct ip_ends *e)
{
	struct ip_ends out = { .v6 = e->v6, .from_port = e->to_port, .to_port = e->from_port };

	memcpy(out.from, e->to, sizeof(out.from));
	memcpy(out.to, e->from, sizeof(out.to));
	return out;
}

static void
on_message(void *self, const struct dec_message *g)
{
	struct reading *r = self;
	struct talk_conn *c = conn_of(r, g->session);
	struct talk_msg *m;

	if (!c)
		return;
	/* who is who may be learnt only now, when the beginning is missing: sides up to here were a guess */
	if (g->session->client != c->turned) {
		c->ends = turned(&c->ends);
		c->turned = !c->turned;
		for (size_t i = 0; i < c->n; i++)
			c->m[i].side = c->m[i].side == TALK_CLIENT ? TALK_SERVER : TALK_CLIENT;
	}
	m = append(c, g->side == g->session->client ? TALK_CLIENT : TALK_SERVER, c->udp, g->p, g->len, g->at_ns, g->frame);
	if (!m) {
		fail(r, NO_MEMORY);
		return;
	}
	m->error = g->error;
	m->fault = g->why.verdict;
	if (r->t->first_ns == 0 || g->at_ns < r->t->first_ns)
		r->t->first_ns = g->at_ns;
	if (g->at_ns > r->t->last_ns)
		r->t->last_ns = g->at_ns;
	c->last_ns = g->at_ns;
	r->t->octets += g->len + 2 * sizeof(*m);
	if (r->t->octets > TALK_OCTETS)
		fail(r, TOO_LONG);
}

static void
on_first(void *self, int64_t at_ns)
{
	((struct reading *)self)->t->origin_ns = at_ns;
}

static void
on_trouble(void *self, struct dec_session *s, int side, enum dec_trouble what, uint64_t octets_lost)
{
	struct talk_conn *c = conn_of(self, s);

	(void)side;
	(void)what;
	if (c)
		c->lost += octets_lost;
}

/* Streams of EMMGs, as connections set them up. */
struct opened { int64_t client, data, stream, from_ns, to_ns; size_t conn; };
struct streams { struct opened *v; size_t n, room; };

static void
close_streams(struct streams *s, size_t from, int64_t stream, int64_t at_ns)
{
	for (size_t i = from; i < s->n; i++)
		if ((stream < 0 || s->v[i].stream == stream) && s->v[i].to_ns == INT64_MAX)
			s->v[i].to_ns = at_ns;
}

/* -1: no memory. */
static int
streams_of(const struct talk *t, struct streams *s)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct talk_conn *c = &t->c[i];
		size_t first = s->n;

		for (size_t k = 0; !c->udp && c->iface == &emmg_mux && k < c->n; k++) {
			const struct talk_msg *m = &c->m[k];
			int64_t stream = talk_int(m, EMMG_STREAM_ID), data = talk_int(m, EMMG_DATA_ID);

			if (talk_type(m) == EMMG_STREAM_CLOSE_REQUEST || talk_type(m) == EMMG_CHANNEL_CLOSE)
				close_streams(s, first, stream, m->at_ns);
			if (m->side != TALK_CLIENT || talk_type(m) != EMMG_STREAM_SETUP)
				continue;
			if (more(&s->v, &s->room, s->n, sizeof(*s->v)) < 0)
				return -1;
			s->v[s->n++] = (struct opened){ talk_int(m, EMMG_CLIENT_ID), data >= 0 ? data : stream, stream, m->at_ns, INT64_MAX, i };
		}
	}
	return 0;
}

/* The connection on which the stream of a datagram was set up last, and is open. NULL: none. */
static struct talk_conn *
set_up_on(struct talk *t, const struct streams *s, const struct talk_msg *g)
{
	int64_t client = talk_int(g, EMMG_CLIENT_ID), data = talk_int(g, EMMG_DATA_ID), best = INT64_MIN;
	struct talk_conn *found = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct opened *o = &s->v[i];

		if (o->data == data && o->client == client && o->from_ns >= best && o->from_ns <= g->at_ns && o->to_ns > g->at_ns) {
			best = o->from_ns;
			found = &t->c[o->conn];
		}
	}
	return found;
}

/* Without a set-up, as in a capture that begins later: the connection of that client between the same hosts, at that time or nearest to it. */
static struct talk_conn *
of_client(struct talk *t, const struct talk_conn *u, const struct talk_msg *g)
{
	struct talk_conn *found = NULL;
	int64_t client = talk_int(g, EMMG_CLIENT_ID), best = INT64_MAX;

	for (size_t i = 0; i < t->n; i++) {
		struct talk_conn *c = &t->c[i];
		int64_t from, to, away;

		if (c->udp || c->iface != &emmg_mux || c->n == 0 || memcmp(c->ends.from, u->ends.from, 16) != 0 ||
		    memcmp(c->ends.to, u->ends.to, 16) != 0 || talk_int(&c->m[0], EMMG_CLIENT_ID) != client)
			continue;
		from = c->m[0].at_ns;
		to = c->last_ns;
		away = g->at_ns < from ? from - g->at_ns : g->at_ns > to ? g->at_ns - to : 0;
		if (away < best) {
			best = away;
			found = c;
		}
	}
	return found;
}

/* Gives each datagram to the connection that its stream belongs to. -1: no memory. */
static int
join_datagrams(struct talk *t, const struct streams *s)
{
	for (size_t i = 0; i < t->n; i++) {
		struct talk_conn *u = &t->c[i], *to = NULL;
		int64_t client = -1, data = -1;
		size_t kept = 0;

		for (size_t k = 0; u->udp && k < u->n; k++) {
			struct talk_msg g = u->m[k];

			/* most are of one stream: look again only where the ids change */
			if (!to || talk_int(&g, EMMG_DATA_ID) != data || talk_int(&g, EMMG_CLIENT_ID) != client || to->last_ns < g.at_ns)
				to = (to = set_up_on(t, s, &g)) ? to : of_client(t, u, &g);
			data = talk_int(&g, EMMG_DATA_ID);
			client = talk_int(&g, EMMG_CLIENT_ID);
			if (to && more(&to->m, &to->room, to->n, sizeof(*to->m)) < 0)
				return -1;
			u->m[k].p = NULL;
			*(to ? &to->m[to->n++] : &u->m[kept++]) = g;
		}
		if (u->udp)
			u->n = kept;
	}
	return 0;
}

static int
by_time(const void *a, const void *b)
{
	const struct talk_msg *x = a, *y = b;

	return x->at_ns != y->at_ns ? (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns) : (x->request > y->request) - (x->request < y->request);
}

/* Puts the datagrams that were added to a connection to their places. */
static void
sort(struct talk_conn *c)
{
	for (size_t k = 0; k < c->n; k++)	/* nothing is paired yet: the order of what is equal */
		c->m[k].request = k + 1;
	qsort(c->m, c->n, sizeof(*c->m), by_time);
	for (size_t k = 0; k < c->n; k++)
		c->m[k].request = 0;
}

/* Answers first, which say what they answer; then errors, for what has none. */
static int
pair_all(struct talk_conn *c, bool errors)
{
	c->nopen = 0;
	for (size_t k = 0; k < c->n; k++)
		c->m[k].request = c->m[k].answer = 0;
	for (size_t k = 0; k < c->n; k++)
		if (!c->m[k].error && pair_up(c, &c->m[k]) < 0)
			return -1;
	for (size_t k = 0; errors && k < c->n; k++)
		if (c->m[k].error)
			answers(c, &c->m[k]);
	return 0;
}

/*
 * The frames of both directions may have changed places on their way into the capture, so that an answer stands before its request:
 * it goes behind it. What is behind a gap has the time at which nothing could fill that any more, however much later it is. Errors only when they have nothing before them. How many were moved.
 */
static size_t
reorder(struct talk_conn *c, bool errors)
{
	size_t moved = 0;

	for (size_t i = 0; i < c->n; i++) {
		struct talk_msg x = c->m[i];

		if (x.request || x.answer || x.udp || x.error != errors)
			continue;
		for (size_t k = i + 1; k < c->n && k <= i + EARLY && (c->lost || c->m[k].at_ns - x.at_ns < EARLY_NS); k++) {
			const struct talk_msg *q = &c->m[k];
			const struct dec_pair *pair = q->answer ? NULL : dec_pair_of(c->iface, talk_type(q));

			if (!pair || !answers_to(c, pair, q, &x))
				continue;
			memmove(c->m + i, c->m + i + 1, (k - i) * sizeof(x));
			x.at_ns = c->m[k - 1].at_ns;	/* it came no earlier than that */
			c->m[k] = x;
			moved++;
			i--;	/* what stands here now has not been looked at */
			break;
		}
	}
	return moved;
}

static int
pair_in_order(struct talk_conn *c)
{
	for (int errors = 0; errors < 2; errors++)
		if (pair_all(c, errors) < 0 || (reorder(c, errors) > 0 && pair_all(c, errors) < 0))
			return -1;
	return 0;
}

static int
finish(struct talk *t)
{
	struct streams streams = { 0 };
	size_t kept = 0;
	int rc = streams_of(t, &streams) < 0 ? -1 : join_datagrams(t, &streams);

	free(streams.v);
	if (rc < 0)
		return -1;
	for (size_t i = 0; i < t->n; i++) {
		struct talk_conn *c = &t->c[i];
		bool mixed = false;

		for (size_t k = 0; k < c->n; k++)
			mixed |= c->m[k].udp != c->udp;
		if (mixed)
			sort(c);
		if (pair_in_order(c) < 0)
			return -1;
		if (c->n == 0)
			talk_conn_fini(c);
		else
			t->c[kept++] = *c;
	}
	t->n = kept;
	return 0;
}

int
talk_read(struct talk *t, const char *name, const struct talk_conf *conf, struct gw_err *err)
{
	struct reading r = { .t = t, .conf = conf };
	struct dec_read read = { .msg = conf->msg, .user = { &r, on_message, on_trouble }, .stop = &r.stop, .first = on_first };
	int rc;

	*t = (struct talk){ 0 };
	rc = dec_read(&read, name, err);
	if (rc >= 0 && r.why == FINE && finish(t) < 0)
		r.why = NO_MEMORY;
	if (r.why == TOO_LONG)
		rc = gw_fail(err, GW_ECONF, "%s: its messages have more than the %d MiB that are kept: choose sessions, or cut it", name, TALK_OCTETS >> 20);
	else if (r.why == NO_MEMORY)
		rc = gw_fail(err, GW_ESYS, "%s: no memory", name);
	free(r.by_number);
	if (rc < 0)
		talk_free(t);
	return rc;
}
