/* tools/replay.c: the engine */
#include "tools/replay.h"
#include <stdlib.h>
#include <string.h>
#include "proto/be.h"
#include "proto/ecmg_scs.h"
#include "proto/emmg_mux.h"

/* KEPT: messages of a live connection that are remembered; while the oldest have no answer, KEPT_OPEN; STATUSES: of it, STATUS: octets of one. */
enum { TLV = 4, KEPT = 8192, KEPT_OPEN = 1 << 17, KEPT_OCTETS = 16 << 20, STATUSES = 8192, STATUS = 1024 };
#define LONGEST_NS 4e18	/* as far as a capture's times may be apart */
#define REFUSED_NS INT64_C(500000000)	/* between rounds in which the peer says nothing */
#define SETTLE_NS INT64_C(100000000)	/* played without waiting, TCP and UDP of one stream must not overtake each other by more than was captured */

enum state { WAITING, OPENING, UP, ENDED, FREE };
enum { TO_DO, DONE, LEFT_OUT };	/* of a message of the script */
struct later { int64_t at_ns; size_t script, asked; };	/* an answer of ours; asked: index + 1 of the live request */
struct status { uint16_t type; int64_t stream; uint8_t *p; size_t len; };	/* what a channel_status or stream_status said last, whoever said it */
struct link {
	enum state state;
	bool full;			/* what was sent has not gone yet */
	bool closing;			/* what carried it is not down yet: its place is not free */
	const struct talk_conn *script;	/* NULL: the peer has not said yet who it is */
	uint8_t *did;			/* of each message of the script */
	int64_t *asked_ns;		/* of those of ours that have been sent: when */
	size_t at, low;			/* where the script is; the first message of the peer that may be to do */
	size_t last;			/* index + 1 of the last one of the script that was exchanged */
	size_t from, until;		/* until: index of the last one to play */
	bool anchored;
	int64_t anchor_ns, anchor_captured_ns;	/* when what was captured then is due */
	int64_t waits_ns;		/* since when all that is left is the peer's; INT64_MIN: there is more */
	int64_t sent_ns;
	struct talk_conn live; size_t octets;
	size_t *twin, twins;		/* of each live message: index + 1 in the script; 0: none */
	struct alike_map names;
	struct later *later; size_t nlater, later_room;
	struct status *status; size_t nstatus, status_room;
	size_t turn;			/* for what goes beyond the script */
};
struct replay {
	struct replay_conf conf;
	struct replay_user user;
	const struct talk *talk;
	struct link *link; size_t nlinks;
	uint8_t *used;			/* by connection of the capture, in this round */
	size_t finished;		/* connections that were played to an end */
	unsigned round;
	uint64_t heard;			/* messages received before this round */
	int64_t start_ns, next_ns;
	bool stopped;
	struct replay_counts counts;
	uint8_t out[SIM_MAX];
};

/* Set-ups stay when a replay begins in the middle, as long as what they set up is in use; and what streams lack on a lower version. */
static const struct set_up { const struct sim_iface *iface; uint16_t message; bool stream; } set_ups[] = {
	{ &ecmg_scs, ECMG_CHANNEL_SETUP, false }, { &ecmg_scs, ECMG_STREAM_SETUP, true },
	{ &emmg_mux, EMMG_CHANNEL_SETUP, false }, { &emmg_mux, EMMG_STREAM_SETUP, true }, { &emmg_mux, EMMG_STREAM_BW_REQUEST, true },
};
static const struct { const struct sim_iface *iface; uint16_t message; } statuses[] = {
	{ &ecmg_scs, ECMG_CHANNEL_STATUS }, { &ecmg_scs, ECMG_STREAM_STATUS }, { &emmg_mux, EMMG_CHANNEL_STATUS }, { &emmg_mux, EMMG_STREAM_STATUS },
};
static const struct { const struct sim_iface *iface; uint16_t message; } closes[] = {
	{ &ecmg_scs, ECMG_STREAM_CLOSE_REQUEST }, { &emmg_mux, EMMG_STREAM_CLOSE_REQUEST },
};
/* More of these than were captured are no surprise: data without end, an allocation that changes, the end of a session that was captured in part. */
static const struct { const struct sim_iface *iface; uint16_t message; } more[] = {
	{ &ecmg_scs, ECMG_CHANNEL_CLOSE }, { &emmg_mux, EMMG_CHANNEL_CLOSE }, { &emmg_mux, EMMG_DATA_PROVISION }, { &emmg_mux, EMMG_STREAM_BW_ALLOCATION },
};
static const struct { const struct sim_iface *iface; uint16_t param, like; } instead_of[] = {
	{ &ecmg_scs, ECMG_ECM_ID, ECMG_STREAM_ID }, { &emmg_mux, EMMG_DATA_ID, EMMG_STREAM_ID },
};
/* What tells clients apart, with its weight. */
static const struct { const struct sim_iface *iface; uint16_t param; int weight; } marks[] = {
	{ &ecmg_scs, ECMG_SUPER_CAS_ID, 8 }, { &ecmg_scs, ECMG_CHANNEL_ID, 1 },
	{ &emmg_mux, EMMG_CLIENT_ID, 8 }, { &emmg_mux, EMMG_CHANNEL_ID, 1 }, { &emmg_mux, EMMG_SECTION_TSPKT, 2 },
};
enum { VERSION_WEIGHT = 4 };
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
put_number(uint8_t *p, size_t len, uint32_t v)
{
	for (; len > 0; v >>= 8)
		p[--len] = (uint8_t)v;
}

static bool
is_test(const struct sim_iface *iface, const struct talk_msg *m)
{
	char room[24];
	const char *name = talk_name(iface, talk_type(m), room);
	size_t n = strlen(name);

	return n > 5 && strcmp(name + n - 5, "_test") == 0;
}

static bool
may_be_more(const struct sim_iface *iface, const struct talk_msg *m)
{
	for (size_t k = 0; k < COUNT(more); k++)
		if (more[k].iface == iface && more[k].message == talk_type(m))
			return true;
	return false;
}

static bool
ours(const struct replay *r, const struct talk_msg *m)
{
	return m->side == r->conf.side;
}

/* ---- what is found ---- */

static void
found(struct replay *r, const struct finding *f)
{
	r->counts.found[f->what]++;
	r->user.found(r->user.self, f);
}

struct comparing { struct replay *r; struct finding f; };

static void
on_field(void *self, const struct alike_field *field)
{
	struct comparing *c = self;

	c->f.field = field;
	found(c->r, &c->f);
}

/* ---- the script of a link ---- */

static bool
marked(const struct replay_mark *mark, const struct talk_conn *c, size_t i, size_t *seen)
{
	char room[24];

	if (mark->frame)
		return c->m[i].frame >= mark->frame;
	return strcmp(talk_name(c->iface, talk_type(&c->m[i]), room), mark->name) == 0 && (*seen)++ == mark->nth;
}

/* Index of the marked message; c->n: there is none. */
static size_t
find_mark(const struct replay_mark *mark, const struct talk_conn *c)
{
	size_t i, seen = 0;

	for (i = 0; i < c->n && !marked(mark, c, i, &seen); i++)
		;
	return i;
}

static bool
is_set(const struct replay_mark *mark)
{
	return mark->name[0] || mark->frame;
}

/* Whether the message i of before the beginning is needed for what follows it. */
static bool
sets_up(const struct link *l, size_t i)
{
	const struct talk_conn *c = l->script;
	const struct talk_msg *m = &c->m[c->m[i].request ? c->m[i].request - 1 : i];
	const struct set_up *s = NULL;

	for (size_t k = 0; k < COUNT(set_ups); k++)
		if (set_ups[k].iface == c->iface && set_ups[k].message == talk_type(m))
			s = &set_ups[k];
	if (!s)
		return false;
	for (size_t k = i + 1; s->stream && k < l->from; k++)
		for (size_t j = 0; j < COUNT(closes); j++)
			if (closes[j].iface == c->iface && closes[j].message == talk_type(&c->m[k]) &&
			    talk_int(&c->m[k], dec_stream_param(c->iface)) == talk_int(m, dec_stream_param(c->iface)))
				return false;
	return true;
}

/* An answer whose request the capture lacks: nobody will ask for it, and unasked it says nothing. */
static bool
is_stray(const struct talk_conn *c, const struct talk_msg *m)
{
	return (c->lost || c->midway) && !m->udp && m->request == 0 && !m->error && !may_be_more(c->iface, m) && !dec_pair_of(c->iface, talk_type(m));
}

/* Whether there is anything to play; l->did says what. */
static bool
choose(const struct replay *r, struct link *l)
{
	const struct talk_conn *c = l->script;

	l->from = is_set(&r->conf.from) ? find_mark(&r->conf.from, c) : 0;
	l->until = is_set(&r->conf.until) ? find_mark(&r->conf.until, c) : c->n;
	if (r->conf.until.frame && l->until < c->n && c->m[l->until].frame > r->conf.until.frame) {
		if (l->until == 0)
			return false;
		l->until--;	/* no message ends in that frame */
	}
	for (size_t i = 0; i < c->n; i++) {
		size_t first = c->m[i].request ? c->m[i].request - 1 : i;	/* of the exchange */
		bool within = first >= l->from || sets_up(l, first);

		if (!within || is_stray(c, &c->m[i]) || (i > l->until && (c->m[i].request == 0 || c->m[i].request - 1 > l->until)))
			l->did[i] = LEFT_OUT;
	}
	return l->from < c->n;
}

/* -1: no memory. */
static int
bind_script(struct replay *r, struct link *l, const struct talk_conn *c)
{
	l->script = c;
	l->did = calloc(c->n ? c->n : 1, 1);
	l->asked_ns = calloc(c->n ? c->n : 1, sizeof(*l->asked_ns));
	l->live.iface = c->iface;
	l->live.number = c->number;
	l->waits_ns = INT64_MIN;
	if (!l->did || !l->asked_ns)
		return -1;
	if (!choose(r, l))
		memset(l->did, LEFT_OUT, c->n);
	return 0;
}

static void
fini(struct link *l)
{
	free(l->did);
	free(l->asked_ns);
	free(l->twin);
	free(l->later);
	for (size_t i = 0; i < l->nstatus; i++)
		free(l->status[i].p);
	free(l->status);
	alike_map_fini(&l->names);
	talk_conn_fini(&l->live);
	*l = (struct link){ .state = FREE };
}

/* ---- sending ---- */

/* What the configuration calls it. false: it says nothing. */
static bool
renamed(const struct replay *r, uint16_t param, uint32_t a, uint32_t *b)
{
	for (size_t i = 0; i < r->conf.nmaps; i++) {
		const struct replay_map *m = &r->conf.map[i];

		if (m->param == param && !m->add && (m->old < 0 || (uint32_t)m->old == a)) {
			*b = m->now;
			return true;
		}
	}
	return false;
}

static uint16_t
renumbered(const struct replay *r, uint16_t param)
{
	for (size_t i = 0; i < r->conf.nmaps; i++)
		if (r->conf.map[i].add && r->conf.map[i].param == param)
			return (uint16_t)r->conf.map[i].now;
	return 0;
}

/* An identifier as the peer knows it: from what it asked, else by what was learnt, else as configured, else as captured. */
static void
put_id(struct replay *r, struct link *l, const struct talk_msg *captured, const struct talk_msg *asked, const struct talk_param *v, uint8_t *out)
{
	struct talk_param theirs;
	uint32_t a, b;

	memcpy(out, v->p, v->len);
	if (v->len > 4)
		return;
	a = (uint32_t)be_uint(v->p, v->len);
	if (asked && talk_find(asked, v->type, 0, &theirs) && theirs.len == v->len) {
		memcpy(out, theirs.p, v->len);
		return;
	}
	if (!alike_to_b(&l->names, v->type, a, &b)) {
		if (!renamed(r, v->type, a, &b))
			b = a;
		alike_learn(&l->names, v->type, a, b, talk_int(captured, dec_stream_param(l->script->iface)));
	}
	put_number(out, v->len, b);
}

static void
put_cp(struct replay *r, struct link *l, const struct talk_msg *captured, const struct talk_msg *asked, const struct talk_param *v, uint8_t *out)
{
	int64_t stream = talk_int(captured, dec_stream_param(l->script->iface));
	uint16_t distance = 0;
	struct talk_param theirs;

	memcpy(out, v->p, v->len);
	if (v->len < 2)
		return;
	if (asked && talk_find(asked, v->type, 0, &theirs) && theirs.len >= 2) {
		memcpy(out, theirs.p, 2);
		return;
	}
	if (!alike_distance(&l->names, stream, &distance)) {
		distance = renumbered(r, ECMG_CP_NUMBER);
		alike_learn_distance(&l->names, stream, distance);
	}
	put16(out, be16(v->p) + distance);
}

static bool
must_have(const struct sim_iface *iface, uint16_t message, uint8_t version, uint16_t param)
{
	const struct sim_message *def = sim_message_find(iface, message);

	for (size_t k = 0; def && k < def->n; k++) {
		const struct sim_use *u = &def->uses[k];

		if (u->type == param && u->least > 0 && (u->from == 0 || version >= u->from) && (u->to == 0 || version <= u->to))
			return true;
	}
	return false;
}

/* The message of the script as the peer gets it. Octets in r->out. */
static size_t
build(struct replay *r, struct link *l, const struct talk_msg *captured, const struct talk_msg *asked)
{
	const struct sim_iface *iface = l->script->iface;
	uint16_t type = talk_type(captured);
	uint8_t version = captured->p[0];
	uint32_t known;
	size_t n = SIM_HEADER, rest = 0;
	struct talk_param v, theirs;

	if (asked)
		version = asked->p[0];
	else if (alike_to_b(&l->names, 0, version, &known))
		version = (uint8_t)known;
	r->out[0] = version;
	put16(r->out + 1, type);
	for (size_t at = 0; talk_next(captured, &at, &v); rest = at) {
		uint8_t *out = r->out + n + TLV;

		if (version != captured->p[0] && !alike_of_version(iface, type, version, v.type) && alike_of_version(iface, type, captured->p[0], v.type))
			continue;
		put16(r->out + n, v.type);
		put16(r->out + n + 2, v.len);
		switch (alike_rule(iface, v.type)) {
		case ALIKE_ID: put_id(r, l, captured, asked, &v, out); break;
		case ALIKE_CP: case ALIKE_CP_MADE: put_cp(r, l, captured, asked, &v, out); break;
		default:
			memcpy(out, v.p, v.len);
			if (v.len <= 4 && renamed(r, v.type, (uint32_t)be_uint(v.p, v.len), &known))
				put_number(out, v.len, known);
		}
		n += TLV + (size_t)v.len;
	}
	for (size_t k = 0; version != captured->p[0] && k < COUNT(instead_of); k++)
		if (instead_of[k].iface == iface && n + TLV + 2 <= SIM_MAX && must_have(iface, type, version, instead_of[k].param) &&
		    !talk_find(captured, instead_of[k].param, 0, &v) && talk_find(captured, instead_of[k].like, 0, &v) && v.len == 2) {
			put16(r->out + n, instead_of[k].param);
			put16(r->out + n + 2, 2);
			if (asked && talk_find(asked, instead_of[k].param, 0, &theirs) && theirs.len == 2)
				memcpy(r->out + n + TLV, theirs.p, 2);
			else
				put_id(r, l, captured, NULL, &v, r->out + n + TLV);
			n += TLV + 2;
		}
	/* a message whose parameters do not fill it goes as it was */
	rest = rest ? rest : SIM_HEADER;
	if (rest < captured->len && n + captured->len - rest <= SIM_MAX) {
		memcpy(r->out + n, captured->p + rest, captured->len - rest);
		n += captured->len - rest;
	}
	put16(r->out + 3, (unsigned)(n - SIM_HEADER));
	return n;
}

static struct status *
status_of(const struct link *l, uint16_t type, int64_t stream)
{
	for (size_t i = 0; i < l->nstatus; i++)
		if (l->status[i].type == type && l->status[i].stream == stream)
			return &l->status[i];
	return NULL;
}

/* Keeps a status for whoever tests later on; for want of room, not. */
static void
keep_status(struct link *l, const struct talk_msg *m)
{
	int64_t stream = talk_int(m, dec_stream_param(l->live.iface));
	struct status *s;
	uint8_t *p;
	bool is = false;

	for (size_t k = 0; k < COUNT(statuses); k++)
		is |= statuses[k].iface == l->live.iface && statuses[k].message == talk_type(m);
	if (!is || m->len > STATUS)
		return;
	if (!(s = status_of(l, talk_type(m), stream))) {
		size_t room = l->status_room ? l->status_room * 2 : 4;

		if (l->nstatus == l->status_room) {
			if (room > STATUSES || !(s = realloc(l->status, room * sizeof(*s))))
				return;
			l->status = s;
			l->status_room = room;
		}
		s = &l->status[l->nstatus++];
		*s = (struct status){ talk_type(m), stream, NULL, 0 };
	}
	if (!(p = realloc(s->p, m->len)))
		return;
	memcpy(p, m->p, m->len);
	s->p = p;
	s->len = m->len;
}

/* Remembers a live message. NULL: no memory. */
static struct talk_msg *
remember(struct link *l, enum talk_side side, bool udp, const uint8_t *p, size_t len, int64_t now_ns)
{
	size_t gone = l->live.n / 2;
	struct talk_msg *m;

	if (l->octets > KEPT_OCTETS || l->live.n >= (l->live.nopen > 0 && l->live.open[0].at < gone ? KEPT_OPEN : KEPT)) {
		for (size_t i = 0; i < gone; i++)
			l->octets -= l->live.m[i].len;
		talk_forget(&l->live, gone);
		memmove(l->twin, l->twin + gone, (l->twins - gone) * sizeof(*l->twin));
		for (size_t i = 0; i < l->nlater; i++)
			l->later[i].asked = l->later[i].asked > gone ? l->later[i].asked - gone : 0;
		l->twins -= gone;
	}
	if (l->live.n >= l->twins) {
		size_t room = l->twins ? l->twins * 2 : 64, *twin = realloc(l->twin, room * sizeof(*twin));

		if (!twin)
			return NULL;
		memset(twin + l->twins, 0, (room - l->twins) * sizeof(*twin));
		l->twin = twin;
		l->twins = room;
	}
	m = talk_add(&l->live, side, udp, p, len, now_ns, 0);
	if (m) {
		l->octets += len;
		l->twin[m - l->live.m] = 0;
		keep_status(l, m);
	}
	return m;
}

static void
transmit(struct replay *r, struct link *l, bool udp, size_t len, size_t script, int64_t now_ns)
{
	struct talk_msg *m = remember(l, r->conf.side, udp, r->out, len, now_ns);

	if (m)
		l->twin[m - l->live.m] = script;
	l->sent_ns = now_ns;
	r->counts.sent++;
	l->full = !r->user.send(r->user.self, (unsigned)(l - r->link), udp, r->out, len) || l->full;
}

static void
send_script(struct replay *r, struct link *l, size_t i, const struct talk_msg *asked, int64_t now_ns)
{
	const struct talk_msg *m = &l->script->m[i];
	size_t len = build(r, l, m, asked);

	l->did[i] = DONE;
	l->asked_ns[i] = now_ns;
	l->last = i + 1 > l->last ? i + 1 : l->last;
	transmit(r, l, m->udp, len, i + 1, now_ns);
}

static int64_t
scaled(const struct replay *r, int64_t ns)
{
	double t = r->conf.speed > 0 ? (double)ns / r->conf.speed : 0;

	return t > LONGEST_NS ? (int64_t)LONGEST_NS : t < -LONGEST_NS ? -(int64_t)LONGEST_NS : (int64_t)t;
}

/* ---- the end of a link ---- */

static void
end(struct replay *r, struct link *l)
{
	l->closing = l->state == UP && !(l->script && l->script->udp);
	if (l->state == UP || l->state == OPENING)
		r->user.close(r->user.self, (unsigned)(l - r->link));
	l->state = ENDED;
	l->nlater = 0;
	r->finished++;
}

/* What the peer should have said; of what lies behind the last exchange, only how much it is. */
static void
report_rest(struct replay *r, struct link *l)
{
	struct finding f = { .conn = l->script };
	size_t left = 0;

	for (size_t i = 0; l->script && i < l->script->n; i++) {
		const struct talk_msg *m = &l->script->m[i];

		if (l->did[i] != TO_DO || (!ours(r, m) && alike_ignored_message(&r->conf.alike, l->script->iface, m)) || is_test(l->script->iface, m) || (m->request && is_test(l->script->iface, &l->script->m[m->request - 1])))
			continue;
		if (ours(r, m) || i >= l->last) {
			left += !(ours(r, m) && m->request);	/* answers of ours stand for their requests */
			continue;
		}
		f.what = FIND_MISSING;
		f.a = m;
		r->counts.messages++;
		found(r, &f);
	}
	if (left > 0) {
		f.what = FIND_LOST;
		f.a = NULL;
		f.left = left;
		found(r, &f);
	}
}

/* ---- following the script ---- */

/* Whether the message at l->at, of the peer, is one to wait for: an answer to what was sent, or, as the server, whatever the client begins. */
static bool
awaited(const struct replay *r, const struct link *l, const struct talk_msg *m)
{
	if (is_test(l->script->iface, m))
		return false;
	if (m->request)
		return l->did[m->request - 1] == DONE && ours(r, &l->script->m[m->request - 1]);
	return r->conf.side == TALK_SERVER;
}

static int64_t
due(const struct replay *r, struct link *l, const struct talk_msg *m, int64_t now_ns)
{
	size_t i = (size_t)(m - l->script->m);

	if (i < l->from)
		return now_ns;
	if (!l->anchored) {
		l->anchored = true;
		if (l->from > 0 || r->conf.side == TALK_SERVER || r->conf.speed <= 0) {
			l->anchor_ns = now_ns;
			l->anchor_captured_ns = m->at_ns;
		} else {
			l->anchor_ns = r->start_ns;
			l->anchor_captured_ns = r->talk->first_ns;
		}
	}
	if (r->conf.speed <= 0) {
		int64_t gap = i > 0 ? m->at_ns - l->script->m[i - 1].at_ns : 0;

		if (i == 0 || l->script->m[i - 1].udp == m->udp || l->script->udp)
			return now_ns;
		return l->sent_ns + (gap < 0 ? 0 : gap < SETTLE_NS ? gap : SETTLE_NS);
	}
	return l->anchor_ns + scaled(r, m->at_ns - l->anchor_captured_ns);
}

/* When the message at l->at of the peer is given up; INT64_MAX: it is waited for as long as the peer is there. */
static int64_t
deadline(const struct replay *r, const struct link *l, const struct talk_msg *m)
{
	return m->request ? l->asked_ns[m->request - 1] + r->conf.timeout_ns : INT64_MAX;
}

static void
give_up(struct replay *r, struct link *l, size_t i)
{
	struct finding f = { .what = FIND_MISSING, .conn = l->script, .a = &l->script->m[i] };

	l->did[i] = LEFT_OUT;
	r->counts.messages++;
	found(r, &f);
}

/* What the peer has yet to begin by itself, such as a stream_error: nothing of ours has waited for it. */
static bool
unasked(const struct replay *r, const struct link *l, size_t i)
{
	const struct talk_msg *m = &l->script->m[i];

	return l->did[i] == TO_DO && !ours(r, m) && !m->request && !is_test(l->script->iface, m) && !alike_ignored_message(&r->conf.alike, l->script->iface, m);
}

/* When all else is done: until when that is waited for. What has not come by then is missing. */
static int64_t
linger(struct replay *r, struct link *l, int64_t now_ns)
{
	size_t n = l->script->n, last = n;
	int64_t when;

	for (size_t i = 0; i < n; i++)
		last = unasked(r, l, i) ? i : last;
	if (last == n)
		return now_ns;
	if (l->waits_ns == INT64_MIN)
		l->waits_ns = now_ns;
	when = r->conf.speed > 0 ? due(r, l, &l->script->m[last], now_ns) : l->waits_ns;
	when = (when > l->waits_ns ? when : l->waits_ns) + r->conf.timeout_ns;
	for (size_t i = 0; i < n && when <= now_ns; i++)
		if (unasked(r, l, i))
			give_up(r, l, i);
	return when;
}

/* Does what can be done now. When there is more to do, by itself; INT64_MAX: when the peer has spoken. */
static int64_t
advance(struct replay *r, struct link *l, int64_t now_ns)
{
	const struct talk_conn *c = l->script;

	for (; l->at < c->n; l->at++) {
		const struct talk_msg *m = &c->m[l->at];
		int64_t when;

		if (l->did[l->at] != TO_DO)
			continue;
		if (ours(r, m)) {
			if (m->request && !ours(r, &c->m[m->request - 1]))
				continue;	/* goes out when it is asked for */
			if ((when = due(r, l, m, now_ns)) > now_ns || l->full)
				return l->full ? INT64_MAX : when;
			send_script(r, l, l->at, NULL, now_ns);
			if (l->state != UP)
				return INT64_MAX;
		} else if (awaited(r, l, m)) {
			if ((when = deadline(r, l, m)) > now_ns)
				return when;
			give_up(r, l, l->at);
		}
	}
	if (l->nlater > 0)
		return INT64_MAX;
	if (r->conf.side == TALK_CLIENT) {
		int64_t when = linger(r, l, now_ns);

		if (when > now_ns)
			return when;
	}
	if (r->conf.side == TALK_CLIENT || l->until < c->n) {
		report_rest(r, l);
		end(r, l);
	}
	return INT64_MAX;
}

/* Answers that are due. When the next one is. */
static int64_t
answer_due(struct replay *r, struct link *l, int64_t now_ns)
{
	int64_t next = INT64_MAX;
	size_t kept = 0;

	for (size_t i = 0; i < l->nlater; i++) {
		struct later a = l->later[i];

		if (a.at_ns > now_ns) {
			next = a.at_ns < next ? a.at_ns : next;
			l->later[kept++] = a;
			continue;
		}
		/* sending moves live messages, but not those that it needs */
		send_script(r, l, a.script, a.asked && a.asked <= l->live.n ? &l->live.m[a.asked - 1] : NULL, now_ns);
	}
	l->nlater = kept;
	return next;
}

/* ---- what the peer says ---- */

/* The last that the peer says of a stream: as the client, it asks; as the server, it answers. */
static bool
ends_stream(const struct replay *r, const struct sim_iface *iface, const struct talk_msg *m)
{
	for (size_t k = 0; k < COUNT(closes); k++)
		if (closes[k].iface == iface && talk_type(m) == (r->conf.side == TALK_SERVER ? closes[k].message : dec_pair_of(iface, closes[k].message)->answer))
			return true;
	return false;
}

static void
compare(struct replay *r, struct link *l, size_t script, size_t live, int64_t took_ns)
{
	const struct talk_msg *captured = &l->script->m[script], *m = &l->live.m[live];
	struct comparing c = { r, { .conn = l->script, .a = captured, .b = m, .took_ns = took_ns,
		.asked = m->request ? &l->live.m[m->request - 1] : NULL } };
	bool differs = false;

	l->did[script] = DONE;
	l->last = script + 1 > l->last ? script + 1 : l->last;
	l->twin[live] = script + 1;
	if (alike_ignored_message(&r->conf.alike, l->script->iface, captured))
		return;
	r->counts.compared++;
	if (talk_type(captured) != talk_type(m)) {
		c.f.what = FIND_INSTEAD;
		found(r, &c.f);
		differs = true;
	} else {
		c.f.what = FIND_FIELD;
		differs = alike(&r->conf.alike, &l->names, l->script->iface, captured, m, on_field, &c) > 0;
		if (ends_stream(r, l->script->iface, captured))
			alike_forget(&l->names, talk_int(captured, dec_stream_param(l->script->iface)));
	}
	c.f.field = NULL;
	if (took_ns >= 0) {
		find_time(&r->counts.live, took_ns);
		find_time(&r->counts.captured, captured->at_ns - l->script->m[captured->request - 1].at_ns);
		if (r->conf.latest_ns && took_ns > r->conf.latest_ns) {
			c.f.what = FIND_LATE;
			found(r, &c.f);
			differs = true;
		}
	}
	r->counts.messages += differs;
}

static void
unexpected(struct replay *r, struct link *l, size_t live)
{
	const struct talk_msg *m = &l->live.m[live];
	struct finding f = { .what = FIND_UNEXPECTED, .conn = l->script, .b = m, .asked = m->request ? &l->live.m[m->request - 1] : NULL };

	r->counts.messages++;
	found(r, &f);
}

/* An answer to what we have asked. */
static void
answered(struct replay *r, struct link *l, size_t live, int64_t now_ns)
{
	size_t asked = l->live.m[live].request - 1, twin = l->twin[asked], expected;

	if (twin == 0)
		return;
	expected = l->script->m[twin - 1].answer;
	if (expected == 0 && l->script->lost)
		r->counts.beyond++;	/* nobody knows what it was */
	else if (expected == 0)
		unexpected(r, l, live);
	else if (l->did[expected - 1] == TO_DO)
		compare(r, l, expected - 1, live, now_ns - l->live.m[asked].at_ns);
}

/* Whether what both messages name can be the same things: exact, by what is known and equal; else, what is new may be called anything. */
static bool
same_names(const struct link *l, const struct talk_msg *captured, const struct talk_msg *live, bool exact)
{
	const struct sim_iface *iface = l->script->iface;
	struct talk_param a, b;

	for (size_t at = 0, k = 0; k < SIM_VALUES && talk_next(captured, &at, &a); k++) {
		uint32_t va, vb, known;

		if (alike_rule(iface, a.type) != ALIKE_ID || a.len > 4 || !talk_find(live, a.type, 0, &b) || b.len != a.len)
			continue;
		va = (uint32_t)be_uint(a.p, a.len);
		vb = (uint32_t)be_uint(b.p, b.len);
		if (alike_to_b(&l->names, a.type, va, &known)) {
			if (known != vb)
				return false;
		} else if (alike_to_a(&l->names, a.type, vb, &known) || (exact && va != vb)) {
			return false;
		}
	}
	return true;
}

static bool
alike_kind(const struct replay *r, const struct talk_msg *captured, const struct talk_msg *live)
{
	return !ours(r, captured) && captured->udp == live->udp && talk_type(captured) == talk_type(live) && captured->request == 0;
}

/* The captured message that the live one is; l->script->n: there is none any more. */
static size_t
find_twin(const struct replay *r, struct link *l, const struct talk_msg *live)
{
	const struct talk_conn *c = l->script;

	while (l->low < c->n && (l->did[l->low] != TO_DO || ours(r, &c->m[l->low])))
		l->low++;
	for (int exact = 1; exact >= 0; exact--)
		for (size_t i = l->low; i < c->n; i++)
			if (l->did[i] == TO_DO && alike_kind(r, &c->m[i], live) && same_names(l, &c->m[i], live, exact))
				return i;
	return c->n;
}

static void
answer_later(struct link *l, size_t script, size_t asked, int64_t at_ns)
{
	if (l->nlater == l->later_room) {
		size_t room = l->later_room ? l->later_room * 2 : 16;
		struct later *v = realloc(l->later, room * sizeof(*v));

		if (!v)
			return;
		l->later = v;
		l->later_room = room;
	}
	l->later[l->nlater++] = (struct later){ at_ns, script, asked };
}

/* In turn, the captured requests of that kind that have an answer: those that the names fit, else any. l->script->n: there are none. */
static size_t
find_like(const struct replay *r, struct link *l, const struct talk_msg *live)
{
	const struct talk_conn *c = l->script;

	for (int round = 0; round < 3; round++) {
		size_t n = 0, pick;

		for (int pass = 0; pass < 2; pass++) {
			pick = n ? l->turn % n : 0;
			n = 0;
			for (size_t i = 0; i < c->n; i++) {
				if (!alike_kind(r, &c->m[i], live) || c->m[i].answer == 0 || (round < 2 && c->m[c->m[i].answer - 1].error) ||
				    (round == 0 && !same_names(l, &c->m[i], live, false)))
					continue;
				if (pass == 1 && n == pick)
					return i;
				n++;
			}
			if (n == 0)
				break;
		}
	}
	return c->n;
}

/* channel_test and stream_test without one in the capture: the status that was said last, by whoever said it (TS 103 197 5.2: the parameters do not change). */
static bool
echo_status(struct replay *r, struct link *l, size_t live, int64_t now_ns)
{
	const struct talk_msg *test = &l->live.m[live];
	const struct dec_pair *pair = dec_pair_of(l->script->iface, talk_type(test));
	const struct status *s = is_test(l->script->iface, test) ? status_of(l, pair->answer, talk_int(test, dec_stream_param(l->script->iface))) : NULL;

	if (!s || !s->p)
		return false;
	memcpy(r->out, s->p, s->len);
	r->counts.beyond++;
	transmit(r, l, false, s->len, 0, now_ns);
	return true;
}

/* A stream that is closed after the capture has ended: the answer repeats the names of the request. */
static bool
echo_close(struct replay *r, struct link *l, size_t live, int64_t now_ns)
{
	const struct talk_msg *m = &l->live.m[live];
	bool is = false;

	for (size_t k = 0; k < COUNT(closes); k++)
		is |= closes[k].iface == l->script->iface && closes[k].message == talk_type(m);
	if (!is || m->len > STATUS)
		return false;
	memcpy(r->out, m->p, m->len);
	put16(r->out + 1, dec_pair_of(l->script->iface, talk_type(m))->answer);
	r->counts.beyond++;
	transmit(r, l, false, m->len, 0, now_ns);
	return true;
}

/* What the peer begins. */
static void
begun(struct replay *r, struct link *l, size_t live, int64_t now_ns)
{
	const struct talk_conn *c = l->script;
	size_t i = find_twin(r, l, &l->live.m[live]), answer;
	bool beyond = i == c->n;

	if (!beyond) {
		compare(r, l, i, live, -1);
		l->anchored = r->conf.side == TALK_SERVER ? true : l->anchored;
		if (r->conf.side == TALK_SERVER) {
			l->anchor_ns = now_ns;
			l->anchor_captured_ns = c->m[i].at_ns;
		}
	} else if (dec_pair_of(c->iface, talk_type(&l->live.m[live])) == NULL) {
		if (r->conf.alike.strict || !may_be_more(c->iface, &l->live.m[live]))
			unexpected(r, l, live);
		else
			r->counts.beyond++;
		return;
	} else if (is_test(c->iface, &l->live.m[live]) && echo_status(r, l, live, now_ns)) {
		return;
	} else if ((i = find_like(r, l, &l->live.m[live])) < c->n) {
		r->counts.beyond++;
		l->turn++;
	} else if (echo_close(r, l, live, now_ns)) {
		return;
	} else {
		r->counts.unanswered++;
		unexpected(r, l, live);
		return;
	}
	answer = c->m[i].answer;
	if (answer == 0 && is_test(c->iface, &l->live.m[live]))
		echo_status(r, l, live, now_ns);
	else if (answer)
		answer_later(l, answer - 1, live + 1, now_ns + scaled(r, c->m[answer - 1].at_ns - c->m[i].at_ns));
}

/* ---- links ---- */

static int
fit_of(const struct talk_conn *c, const uint8_t *p, size_t len)
{
	struct talk_msg first = { .p = (uint8_t *)(uintptr_t)p, .len = len };
	int fit = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (c->m[i].side != TALK_CLIENT)
			continue;
		fit += c->m[i].p[0] == p[0] ? VERSION_WEIGHT : 0;
		for (size_t k = 0; k < COUNT(marks); k++)
			if (marks[k].iface == c->iface && talk_int(&c->m[i], marks[k].param) >= 0 &&
			    talk_int(&c->m[i], marks[k].param) == talk_int(&first, marks[k].param))
				fit += marks[k].weight;
		break;
	}
	return fit;
}

/* Which captured connection a client repeats: of those that are left, the one whose first message is most like its own. */
static const struct talk_conn *
script_for(struct replay *r, const uint8_t *p, size_t len)
{
	const struct talk_conn *best = NULL;

	for (int round = 0; !best && round < 2; round++) {
		int most = -1;

		for (size_t i = 0; i < r->talk->n; i++) {
			const struct talk_conn *c = &r->talk->c[i];
			int fit = c->udp || (round == 0 && r->used[i]) ? -1 : fit_of(c, p, len);

			if (fit > most) {
				most = fit;
				best = c;
			}
		}
		if (!best)
			memset(r->used, 0, r->talk->n);	/* all have been played: once more */
	}
	if (best)
		r->used[best - r->talk->c] = 1;
	return best;
}

/* Captured connections that ended before this one began have been played. */
static bool
its_turn(const struct replay *r, const struct link *l)
{
	for (size_t i = 0; i < r->nlinks; i++) {
		const struct link *o = &r->link[i];

		if (o != l && o->state != ENDED && o->state != FREE && o->script->m[o->script->n - 1].at_ns < l->script->m[0].at_ns)
			return false;
	}
	return true;
}

static bool
nothing_to_do(const struct link *l)
{
	for (size_t i = 0; i < l->script->n; i++)
		if (l->did[i] == TO_DO)
			return false;
	return true;
}

/* As the client: opens what is due. When the next one is. */
static int64_t
open_due(struct replay *r, struct link *l, int64_t now_ns)
{
	int64_t when = r->start_ns + (is_set(&r->conf.from) ? 0 : scaled(r, l->script->m[0].at_ns - r->talk->first_ns));

	if (nothing_to_do(l)) {
		l->state = ENDED;
		r->finished++;
		return INT64_MAX;
	}
	if (!its_turn(r, l))
		return INT64_MAX;
	if (when > now_ns)
		return when;
	l->state = OPENING;
	r->counts.connections++;
	if (l->script->udp)
		replay_up(r, (unsigned)(l - r->link), now_ns);
	else
		r->user.open(r->user.self, (unsigned)(l - r->link));
	return INT64_MAX;
}

/* A round of all captured connections, as the client; as the server, of those without a connection. -1: no memory. */
static int
set_out(struct replay *r, int64_t now_ns)
{
	size_t n = 0;

	for (size_t i = 0; i < r->nlinks && r->conf.side == TALK_CLIENT; i++)
		fini(&r->link[i]);
	r->start_ns = now_ns;
	for (size_t i = 0; i < r->talk->n; i++) {
		struct link *l = &r->link[n];

		if ((r->conf.side == TALK_SERVER && !r->talk->c[i].udp) || n == REPLAY_LINKS)
			continue;
		if (bind_script(r, l, &r->talk->c[i]) < 0)
			return -1;
		l->state = r->conf.side == TALK_CLIENT ? WAITING : UP;
		if (r->conf.version)
			alike_learn(&l->names, 0, l->script->m[0].p[0], r->conf.version, -1);
		n++;
	}
	r->nlinks = n;
	return 0;
}

struct replay *
replay_new(const struct replay_conf *conf, const struct talk *talk, const struct replay_user *user)
{
	struct replay *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->conf = *conf;
	r->user = *user;
	r->talk = talk;
	r->link = calloc(REPLAY_LINKS, sizeof(*r->link));
	r->used = calloc(talk->n ? talk->n : 1, 1);
	for (size_t i = 0; r->link && i < REPLAY_LINKS; i++)
		r->link[i].state = FREE;
	if (!r->link || !r->used) {
		replay_free(r);
		return NULL;
	}
	return r;
}

void
replay_free(struct replay *r)
{
	if (!r)
		return;
	for (size_t i = 0; r->link && i < REPLAY_LINKS; i++)
		fini(&r->link[i]);
	free(r->link);
	free(r->used);
	free(r);
}

void
replay_start(struct replay *r, int64_t now_ns)
{
	if (set_out(r, now_ns) < 0)
		r->stopped = true;
	r->round = 1;
	replay_tick(r, now_ns);
}

int
replay_accept(struct replay *r, int64_t now_ns)
{
	(void)now_ns;
	for (size_t i = 0; i < REPLAY_LINKS; i++) {
		struct link *l = &r->link[i];

		if (l->state != FREE && (l->state != ENDED || l->closing || (l->script && l->script->udp)))
			continue;
		fini(l);
		l->state = UP;
		l->waits_ns = INT64_MIN;
		r->nlinks = i + 1 > r->nlinks ? i + 1 : r->nlinks;
		r->counts.connections++;
		return (int)i;
	}
	return -1;
}

void
replay_up(struct replay *r, unsigned link, int64_t now_ns)
{
	(void)now_ns;
	if (link < r->nlinks && r->link[link].state == OPENING)
		r->link[link].state = UP;
}

void
replay_drained(struct replay *r, unsigned link)
{
	r->link[link].full = false;
}

void
replay_message(struct replay *r, unsigned link, const uint8_t *p, size_t len, int64_t now_ns)
{
	struct link *l = &r->link[link];
	struct talk_msg *m;
	size_t live;

	if (link >= r->nlinks || l->state != UP || sim_frame_length(p, len) != len)
		return;
	if (!l->script) {
		const struct talk_conn *c = script_for(r, p, len);

		if (!c || bind_script(r, l, c) < 0) {
			end(r, l);
			return;
		}
		for (size_t i = 0; i < c->n; i++)	/* the client chooses the version */
			if (c->m[i].side == TALK_CLIENT) {
				alike_learn(&l->names, 0, c->m[i].p[0], p[0], -1);
				break;
			}
	}
	if (!(m = remember(l, r->conf.side == TALK_CLIENT ? TALK_SERVER : TALK_CLIENT, false, p, len, now_ns)))
		return;
	r->counts.received++;
	live = (size_t)(m - l->live.m);
	if (m->request)
		answered(r, l, live, now_ns);
	else
		begun(r, l, live, now_ns);
}

int
replay_datagram(struct replay *r, const uint8_t *p, size_t len, int64_t now_ns)
{
	struct talk_msg m = { .p = (uint8_t *)(uintptr_t)p, .len = len, .udp = true };

	if (sim_frame_length(p, len) != len)
		return -1;
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < r->nlinks; i++) {
			struct link *l = &r->link[i];
			size_t k = 0;

			if (l->state != UP || !l->script)
				continue;
			while (k < l->script->n && !(l->script->m[k].udp && (round == 1 || same_names(l, &l->script->m[k], &m, true))))
				k++;
			if (k == l->script->n || !remember(l, TALK_CLIENT, true, p, len, now_ns))
				continue;
			r->counts.received++;
			begun(r, l, l->live.n - 1, now_ns);
			return (int)i;
		}
	return -1;
}

void
replay_down(struct replay *r, unsigned link, int64_t now_ns)
{
	struct link *l = &r->link[link];

	(void)now_ns;
	if (link >= r->nlinks)
		return;
	l->closing = false;
	if (l->state != UP && l->state != OPENING)
		return;
	l->state = ENDED;
	l->nlater = 0;
	if (l->script) {
		report_rest(r, l);
		r->finished++;
	}
}

static bool
all_ended(const struct replay *r)
{
	for (size_t i = 0; i < r->nlinks; i++)
		if (r->link[i].state != ENDED && r->link[i].state != FREE && !(r->conf.side == TALK_SERVER && r->link[i].script && r->link[i].script->udp))
			return false;
	return true;
}

static bool
any_closing(const struct replay *r)
{
	for (size_t i = 0; i < r->nlinks; i++)
		if (r->link[i].closing)
			return true;
	return false;
}

/* One turn of all links. Whether another one may find more to do. */
static bool
turn(struct replay *r, int64_t now_ns)
{
	size_t finished = r->finished;
	bool opened = false;

	r->next_ns = INT64_MAX;
	for (size_t i = 0; i < r->nlinks && !r->stopped; i++) {
		struct link *l = &r->link[i];
		int64_t when = INT64_MAX;

		if (l->state == WAITING) {
			when = open_due(r, l, now_ns);
			opened |= l->state == UP;
		} else if (l->state == UP && l->script) {
			int64_t answers = answer_due(r, l, now_ns);

			when = l->state == UP ? advance(r, l, now_ns) : INT64_MAX;
			when = answers < when ? answers : when;
		}
		r->next_ns = when < r->next_ns ? when : r->next_ns;
	}
	if (r->conf.side == TALK_CLIENT && !r->stopped && all_ended(r) && !any_closing(r) && (r->conf.loops == 0 || r->round < r->conf.loops)) {
		int64_t pause_ns = r->counts.received == r->heard ? REFUSED_NS : 0;	/* a peer that refuses everybody is not asked all the time */

		if (r->counts.connections == 0 || set_out(r, now_ns + pause_ns) < 0)
			r->stopped = true;	/* nothing is played at all */
		r->heard = r->counts.received;
		r->round++;
		r->next_ns = now_ns;	/* not at once: a peer that refuses everybody must not keep us here */
		return false;
	}
	return opened || finished != r->finished;
}

void
replay_tick(struct replay *r, int64_t now_ns)
{
	while (turn(r, now_ns))
		;
}

int64_t
replay_next(const struct replay *r)
{
	return r->stopped ? INT64_MAX : r->next_ns;
}

bool
replay_done(const struct replay *r)
{
	size_t all = 0;

	if (r->stopped)
		return true;
	if (r->conf.side == TALK_CLIENT)
		return all_ended(r) && r->conf.loops != 0 && r->round >= r->conf.loops;
	for (size_t i = 0; i < r->talk->n; i++)
		all += !r->talk->c[i].udp;
	return all > 0 && r->conf.loops != 0 && r->finished >= all * r->conf.loops && all_ended(r);
}

void
replay_stop(struct replay *r, int64_t now_ns)
{
	(void)now_ns;
	r->stopped = true;
	for (size_t i = 0; i < r->nlinks; i++)
		if (r->link[i].state == UP || r->link[i].state == OPENING)
			end(r, &r->link[i]);
}

const struct replay_counts *
replay_counts(const struct replay *r)
{
	return &r->counts;
}

bool
replay_as_captured(const struct replay *r)
{
	for (size_t i = 0; i < FIND_KINDS; i++)
		if (r->counts.found[i])
			return false;
	return true;
}

const struct alike_map *
replay_names(const struct replay *r, unsigned link)
{
	return &r->link[link].names;
}

size_t
replay_links(const struct replay *r)
{
	return r->nlinks;
}

const struct talk_conn *
replay_script(const struct replay *r, unsigned link)
{
	return r->link[link].script;
}

/* ---- what users write ---- */

int
replay_mark_parse(const char *text, struct replay_mark *mark)
{
	const char *hash = strchr(text, '#');
	size_t n = hash ? (size_t)(hash - text) : strlen(text);
	char *tail;

	*mark = (struct replay_mark){ 0 };
	if (strncmp(text, "frame:", 6) == 0) {
		mark->frame = strtoull(text + 6, &tail, 10);
		return text[6] >= '1' && text[6] <= '9' && !*tail ? 0 : -1;
	}
	if (n == 0 || n >= sizeof(mark->name))
		return -1;
	memcpy(mark->name, text, n);
	if (!hash)
		return 0;
	mark->nth = strtoul(hash + 1, &tail, 10);
	if (hash[1] < '1' || hash[1] > '9' || *tail)
		return -1;
	mark->nth--;
	return 0;
}

bool
replay_has_mark(const struct talk *t, const struct replay_mark *mark)
{
	for (size_t i = 0; i < t->n; i++)
		if (find_mark(mark, &t->c[i]) < t->c[i].n)
			return true;
	return false;
}

static int
parse_number(const char *s, char **end, uint32_t *out)
{
	bool negative = *s == '-';	/* delays */
	unsigned long v;

	s += negative;
	if (*s < '0' || *s > '9')
		return -1;
	v = strtoul(s, end, 0);
	*out = negative ? 0 - (uint32_t)v : (uint32_t)v;
	return v <= UINT32_MAX ? 0 : -1;
}

/* A negative number fills its upper octets with ones. */
static bool
holds(const struct sim_param *param, uint32_t v)
{
	uint32_t most = param->max >= 4 ? UINT32_MAX : (UINT32_C(1) << 8 * param->max) - 1;

	return v <= most || (param->kind == SIM_INT && v >= ~(most >> 1));
}

int
replay_map_parse(const char *text, const struct sim_iface *iface, struct replay_map *map)
{
	const char *equals = strchr(text, '=');
	const struct sim_param *param;
	char *end;

	*map = (struct replay_map){ .old = -1 };
	if (!equals)
		return -1;
	for (size_t i = 0; i < iface->nparams && map->param == 0; i++)
		if (strlen(iface->params[i].name) == (size_t)(equals - text) && strncmp(iface->params[i].name, text, (size_t)(equals - text)) == 0)
			map->param = iface->params[i].type;
	if (map->param == 0 || !(param = sim_param_find(iface, map->param)) || param->kind > SIM_HEX || param->max > 4)
		return -1;
	if (alike_rule(iface, map->param) == ALIKE_CP) {
		map->add = true;
		if (equals[1] != '+' || parse_number(equals + 2, &end, &map->now) < 0)
			return -1;
		return *end ? -1 : 0;
	}
	if (parse_number(equals + 1, &end, &map->now) < 0)
		return -1;
	if (*end == ':') {
		map->old = map->now;
		if (parse_number(end + 1, &end, &map->now) < 0)
			return -1;
	}
	return *end || !holds(param, map->now) || (map->old >= 0 && !holds(param, (uint32_t)map->old)) ? -1 : 0;
}
