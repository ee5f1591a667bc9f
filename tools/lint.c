/* tools/lint.c: sessions as simulgate lint follows them, and what is kept of them for the report. The rules are in lint_rules.c. */
#include "tools/lint.h"
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "proto/cpsig_psig.h"
#include "proto/ecmg_scs.h"
#include "proto/eis_scs.h"
#include "proto/emmg_mux.h"
#include "proto/psig_mux.h"
#include "tools/dec_words.h"
#include "tools/lint_state.h"

#define SILENCE_NS (10 * LINT_SECOND)	/* a request without an answer: peers give up after 5 s */
#define NETWORK_NS (500 * LINT_MS)	/* beyond max_comp_time, before an answer is thought lost */
#define LEAST_WAIT_NS LINT_SECOND
#define UNKNOWN_LIMIT_NS (60 * LINT_SECOND)	/* CW_provision where channel_status was not captured */
enum { FIRST_THOUGHT = 0x0319 };	/* C(P)SIG <=> (P)SIG: requests from here on take what max_comp_time says, in seconds, or the next event */
enum { FIRST_ROOM = 8, FOLLOWED_STREAMS = 1 << 15, HELD_WAITS = 1 << 16, REPORTED_STREAMS = 1 << 16, BUCKETS = 1 << 14, SECTION_START = 183, TS_PACKET = 188, RTP_HEADER = 12,
	CALM = 64 };		/* messages, and as long as a request waits, after which what went before a gap no longer matters */

struct ecm { uint64_t digest; struct lint_session *rep; size_t stream, period; };
struct lint {
	struct lint_conf conf;
	bool ignored[128];
	struct lint_report report;
	size_t session_room, finding_room;
	struct lint_live *lives;
	uint64_t key[2];
	int64_t now_ns, first_ns;
	size_t nperiods, nstreams, nhists, nfollowed, nwaits;	/* nfollowed, nwaits: what there is room for, of the sessions that go on */
	uint32_t bucket[BUCKETS];		/* findings by what makes them equal: place + 1 */
	uint32_t *chain;
	struct ecm *ecms; bool any_ecm;
	struct sim_msg strict;			/* the message as a strict receiver reads it */
};

/* ---- words ---- */

const char *
lint_severity_word(enum lint_severity s)
{
	static const char *const words[] = { "notice", "warning", "error" };

	return s < LINT_SEVERITIES ? words[s] : "?";
}

const char *
lint_side_word(const struct sim_iface *iface, enum lint_side side)
{
	static const struct { const struct sim_iface *iface; const char *client, *server; } names[] = {
		{ &ecmg_scs, "SCS", "ECMG" }, { &emmg_mux, "EMMG", "MUX" }, { &eis_scs, "EIS", "SCS" }, { &psig_mux, "(P)SIG", "MUX" },
	};	/* C(P)SIG <=> (P)SIG: which of them connects is in no source at hand */

	if (side == LINT_EITHER)
		return "either";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].iface == iface)
			return side == LINT_CLIENT ? names[i].client : names[i].server;
	return side == LINT_CLIENT ? "client" : "server";
}

const struct lint_rule *
lint_rule(size_t n)
{
	return n < lint_nchecks() ? &lint_checks[n].rule : NULL;
}

const struct lint_rule *
lint_rule_find(const char *id)
{
	const struct lint_rule *r;

	for (size_t n = 0; (r = lint_rule(n)) != NULL; n++)
		if (strcmp(r->id, id) == 0)
			return r;
	return NULL;
}

enum lint_side
lint_whose(const struct lint_live *l, int side)
{
	return side < 0 || !l->s->client_known ? LINT_EITHER : side == l->s->client ? LINT_CLIENT : LINT_SERVER;
}

const char *
lint_who(const struct lint_live *l, int side)
{
	return lint_side_word(l->s->iface, lint_whose(l, side));
}

static void
end_name(const struct ip_ends *e, int side, char out[LINT_ENDS])
{
	char host[INET6_ADDRSTRLEN];

	inet_ntop(e->v6 ? AF_INET6 : AF_INET, side ? e->to : e->from, host, sizeof(host));
	snprintf(out, LINT_ENDS, e->v6 ? "[%s]:%u" : "%s:%u", host, side ? e->to_port : e->from_port);
}

/* ---- kinds of messages ---- */

static const struct lint_kind kinds[] = {
	{ &ecmg_scs, ECMG_CHANNEL_SETUP, CHANNEL_SETUP, LINT_CLIENT }, { &ecmg_scs, ECMG_CHANNEL_TEST, CHANNEL_TEST, LINT_EITHER },
	{ &ecmg_scs, ECMG_CHANNEL_STATUS, CHANNEL_STATUS, LINT_EITHER }, { &ecmg_scs, ECMG_CHANNEL_CLOSE, CHANNEL_CLOSE, LINT_CLIENT },
	{ &ecmg_scs, ECMG_CHANNEL_ERROR, CHANNEL_ERROR, LINT_EITHER }, { &ecmg_scs, ECMG_STREAM_SETUP, STREAM_SETUP, LINT_CLIENT },
	{ &ecmg_scs, ECMG_STREAM_TEST, STREAM_TEST, LINT_EITHER }, { &ecmg_scs, ECMG_STREAM_STATUS, STREAM_STATUS, LINT_EITHER },
	{ &ecmg_scs, ECMG_STREAM_CLOSE_REQUEST, STREAM_CLOSE_REQUEST, LINT_CLIENT },
	{ &ecmg_scs, ECMG_STREAM_CLOSE_RESPONSE, STREAM_CLOSE_RESPONSE, LINT_SERVER }, { &ecmg_scs, ECMG_STREAM_ERROR, STREAM_ERROR, LINT_EITHER },
	{ &ecmg_scs, ECMG_CW_PROVISION, STREAM_ASK, LINT_CLIENT }, { &ecmg_scs, ECMG_ECM_RESPONSE, STREAM_REPLY, LINT_SERVER },
	{ &emmg_mux, EMMG_CHANNEL_SETUP, CHANNEL_SETUP, LINT_CLIENT }, { &emmg_mux, EMMG_CHANNEL_TEST, CHANNEL_TEST, LINT_EITHER },
	{ &emmg_mux, EMMG_CHANNEL_STATUS, CHANNEL_STATUS, LINT_EITHER }, { &emmg_mux, EMMG_CHANNEL_CLOSE, CHANNEL_CLOSE, LINT_CLIENT },
	{ &emmg_mux, EMMG_CHANNEL_ERROR, CHANNEL_ERROR, LINT_EITHER }, { &emmg_mux, EMMG_STREAM_SETUP, STREAM_SETUP, LINT_CLIENT },
	{ &emmg_mux, EMMG_STREAM_TEST, STREAM_TEST, LINT_EITHER }, { &emmg_mux, EMMG_STREAM_STATUS, STREAM_STATUS, LINT_EITHER },
	{ &emmg_mux, EMMG_STREAM_CLOSE_REQUEST, STREAM_CLOSE_REQUEST, LINT_CLIENT },
	{ &emmg_mux, EMMG_STREAM_CLOSE_RESPONSE, STREAM_CLOSE_RESPONSE, LINT_SERVER }, { &emmg_mux, EMMG_STREAM_ERROR, STREAM_ERROR, LINT_EITHER },
	{ &emmg_mux, EMMG_STREAM_BW_REQUEST, STREAM_ASK, LINT_CLIENT }, { &emmg_mux, EMMG_STREAM_BW_ALLOCATION, STREAM_REPLY, LINT_SERVER },
	{ &emmg_mux, EMMG_DATA_PROVISION, STREAM_DATA, LINT_CLIENT },
	{ &eis_scs, EIS_CHANNEL_SETUP, CHANNEL_SETUP, LINT_CLIENT }, { &eis_scs, EIS_CHANNEL_TEST, CHANNEL_TEST, LINT_EITHER },
	{ &eis_scs, EIS_CHANNEL_STATUS, CHANNEL_STATUS, LINT_EITHER }, { &eis_scs, EIS_CHANNEL_CLOSE, CHANNEL_CLOSE, LINT_CLIENT },
	{ &eis_scs, EIS_CHANNEL_ERROR, CHANNEL_ERROR, LINT_EITHER }, { &eis_scs, EIS_SCG_PROVISION, STREAM_SETUP, LINT_CLIENT },
	{ &eis_scs, EIS_SCG_TEST, STREAM_TEST, LINT_CLIENT }, { &eis_scs, EIS_SCG_STATUS, STREAM_STATUS, LINT_SERVER },
	{ &eis_scs, EIS_SCG_ERROR, STREAM_ERROR, LINT_SERVER }, { &eis_scs, EIS_CHANNEL_RESET, CLASS_OTHER, LINT_CLIENT },
	{ &eis_scs, EIS_SCG_LIST_REQUEST, CLASS_OTHER, LINT_CLIENT }, { &eis_scs, EIS_SCG_LIST_RESPONSE, CLASS_OTHER, LINT_SERVER },
	{ &psig_mux, 0x0411, CHANNEL_SETUP, LINT_CLIENT }, { &psig_mux, 0x0412, CHANNEL_TEST, LINT_EITHER }, { &psig_mux, 0x0413, CHANNEL_STATUS, LINT_EITHER },
	{ &psig_mux, 0x0414, CHANNEL_CLOSE, LINT_CLIENT }, { &psig_mux, 0x0415, CHANNEL_ERROR, LINT_EITHER }, { &psig_mux, 0x0421, STREAM_SETUP, LINT_CLIENT },
	{ &psig_mux, 0x0422, STREAM_TEST, LINT_EITHER }, { &psig_mux, 0x0423, STREAM_STATUS, LINT_EITHER },
	{ &psig_mux, 0x0424, STREAM_CLOSE_REQUEST, LINT_CLIENT }, { &psig_mux, 0x0425, STREAM_CLOSE_RESPONSE, LINT_SERVER },
	{ &psig_mux, 0x0426, STREAM_ERROR, LINT_EITHER }, { &psig_mux, 0x0431, STREAM_DATA, LINT_CLIENT },
	{ &cpsig_psig, 0x0305, CHANNEL_ERROR, LINT_EITHER }, { &cpsig_psig, 0x0317, STREAM_ERROR, LINT_EITHER },
	{ &psig_mux, 0x0441, STREAM_ASK, LINT_CLIENT }, { &psig_mux, 0x0442, STREAM_REPLY, LINT_SERVER }, { &psig_mux, 0x0443, STREAM_DATA, LINT_CLIENT },
};

const struct lint_kind *
lint_kind(const struct sim_iface *iface, uint16_t type)
{
	static const struct lint_kind other = { NULL, 0, CLASS_OTHER, LINT_EITHER };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].type == type && kinds[i].iface == iface)
			return &kinds[i];
	return &other;
}

/* ---- findings ---- */

/* No control word or key is kept, nor anything that it could be had from without this key, which is not kept either. */
uint64_t
lint_digest(const struct lint *t, const void *p, size_t len)
{
	const uint8_t *b = p;
	uint64_t h = t->key[0] ^ len;

	for (size_t i = 0; i < len; i++) {
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
		h = (h << 23 | h >> 41) + t->key[1];
		h ^= h >> 31;
	}
	return h * UINT64_C(0x9e3779b97f4a7c15) ^ h >> 29;
}

static bool
more_room(void **p, size_t *room, size_t n, size_t one)
{
	size_t more = *room ? *room * 2 : FIRST_ROOM;
	void *q;

	if (n < *room)
		return true;
	if (!(q = realloc(*p, more * one)))
		return false;
	*p = q;
	*room = more;
	return true;
}

static const char *
param_name(const struct sim_iface *iface, uint32_t param, char out[LINT_NAME])
{
	const struct sim_param *p = param <= UINT16_MAX ? sim_param_find(iface, (uint16_t)param) : NULL;

	if (p)
		return p->name;
	if (param > UINT16_MAX)
		return "";
	snprintf(out, LINT_NAME, "0x%04x", (unsigned)param);
	return out;
}

static void
clause_of(const struct lint_seen *x, uint32_t param, char out[LINT_CLAUSE])
{
	if (x->row->rule.clause)
		snprintf(out, LINT_CLAUSE, "%s", x->row->rule.clause);
	else if (x->row->of_param && param <= UINT16_MAX)
		snprintf(out, LINT_CLAUSE, "%s", dec_clause_param(x->iface, (uint16_t)param));
	else
		dec_clause_message(x->iface, x->g ? x->g->msg->type : x->wait ? x->wait->pair->request : 0, out, LINT_CLAUSE);
}

/* The one like it that is there already. NULL: this is the first; *place: where it belongs. */
static struct lint_finding *
same_finding(struct lint *t, const struct lint_finding *f, uint32_t **place)
{
	struct { const void *rule; unsigned session, side; char message[LINT_NAME], param[LINT_NAME]; } what;
	uint32_t at;

	memset(&what, 0, sizeof(what));
	what.rule = f->rule;
	what.session = f->session;
	what.side = f->side;
	memcpy(what.message, f->message, LINT_NAME);
	memcpy(what.param, f->param, LINT_NAME);
	*place = &t->bucket[lint_digest(t, &what, sizeof(what)) % BUCKETS];
	for (at = **place; at; at = t->chain[at - 1]) {
		struct lint_finding *o = &t->report.findings[at - 1];

		if (o->rule == f->rule && o->session == f->session && o->side == f->side && strcmp(o->message, f->message) == 0 && strcmp(o->param, f->param) == 0)
			return o;
	}
	return NULL;
}

static void
keep_finding(struct lint *t, const struct lint_finding *f)
{
	uint32_t *place;
	struct lint_finding *o = same_finding(t, f, &place);
	size_t room = t->finding_room;

	if (o) {
		o->count++;
		o->last_frame = f->frame;
		o->last_ns = f->at_ns;
		return;
	}
	if (t->report.nfindings == LINT_FINDINGS || !more_room((void **)&t->report.findings, &t->finding_room, t->report.nfindings, sizeof(*f)) ||
	    (room != t->finding_room && !more_room((void **)&t->chain, &room, t->report.nfindings, sizeof(*t->chain)))) {
		t->report.more_findings++;
		return;
	}
	t->chain[t->report.nfindings] = *place;
	*place = (uint32_t)t->report.nfindings + 1;
	t->report.findings[t->report.nfindings++] = *f;
}

void
lint_found(struct lint_seen *x, int side, uint32_t param, const char *fmt, ...)
{
	struct lint_finding f = { .rule = &x->row->rule, .session = x->rep->number, .stream = x->stream_rep ? x->stream_rep->id : x->st ? x->st->id : x->stream, .frame = x->frame, .at_ns = x->at_ns, .last_frame = x->frame, .last_ns = x->at_ns, .count = 1 };
	char number[LINT_NAME];
	va_list ap;

	f.side = x->live ? lint_whose(x->live, side) : side < 0 ? LINT_EITHER : (enum lint_side)side;
	snprintf(f.message, sizeof(f.message), "%s", x->message ? x->message : "");
	snprintf(f.param, sizeof(f.param), "%s", param_name(x->iface, param, number));
	clause_of(x, param, f.clause);
	va_start(ap, fmt);
	vsnprintf(f.text, sizeof(f.text), fmt, ap);
	va_end(ap);
	x->rep->found[f.rule->severity]++;
	x->lint->report.found[f.rule->severity]++;
	x->lint->report.of_rule[x->row - lint_checks]++;
	keep_finding(x->lint, &f);
}

static void
judge(struct lint_seen *x, enum lint_on on)
{
	size_t n = lint_nchecks();

	for (size_t i = 0; i < n; i++) {
		const struct lint_check *c = &lint_checks[i];

		if (c->on != on || (c->rule.iface && c->rule.iface != x->iface) || (c->type && (!x->g || c->type != x->g->msg->type)) || x->lint->ignored[i])
			continue;
		x->row = c;
		c->check(x);
	}
}

/* ---- sessions ---- */

static void
free_session(struct lint_session *r)
{
	for (size_t i = 0; r && i < r->nstreams; i++)
		free(r->streams[i].periods);
	for (size_t i = 0; r && i < r->nlatencies; i++)
		free(r->latency[i].hist);
	if (r)
		free(r->streams);
	free(r);
}

static const struct lint_channel nothing_known = { .id = -1, .super_cas_id = -1, .section_TSpkt_flag = -1, .max_streams = -1, .min_CP_duration = -1,
	.lead_CW = -1, .CW_per_msg = -1, .max_comp_time = -1, .ECM_rep_period = -1, .delay_start = INT32_MIN, .delay_stop = INT32_MIN,
	.transition_delay_start = INT32_MIN, .transition_delay_stop = INT32_MIN, .AC_delay_start = INT32_MIN, .AC_delay_stop = INT32_MIN };

static struct lint_live *
begin(struct lint *t, struct dec_session *s, uint64_t frame, int64_t at_ns)
{
	struct lint_live *l = calloc(1, sizeof(*l));
	struct lint_session *r = calloc(1, sizeof(*r));
	struct lint_report *report = &t->report;

	if (!l || !r) {
		free(l);
		free(r);
		return NULL;
	}
	*r = (struct lint_session){ .number = s->number, .iface = s->iface, .udp = s->conn->udp, .first_ns = at_ns, .first_frame = frame, .channel = nothing_known };
	r->from_start = s->conn->udp || s->conn->half[0].from_start || s->conn->half[1].from_start;
	end_name(&s->conn->ends, s->client, r->client);
	end_name(&s->conn->ends, 1 - s->client, r->server);
	*l = (struct lint_live){ .lint = t, .s = s, .rep = r, .next = t->lives, .last_side = -1, .service_flag = -1, .component_flag = -1, .max_scg = -1 };
	l->channel = r->from_start && !r->udp ? CHANNEL_NONE : CHANNEL_UNKNOWN;
	l->streams_known = r->from_start && !r->udp;
	l->lost_ns = at_ns;
	for (int k = 0; k < 2 && !r->udp; k++)
		l->lost[k] = !r->from_start;
	if (t->lives)
		t->lives->prev = l;
	t->lives = l;
	if (report->nsessions < LINT_SESSIONS && more_room((void **)&report->sessions, &t->session_room, report->nsessions, sizeof(r))) {
		report->sessions[report->nsessions++] = r;
		l->listed = true;
	} else {
		report->more_sessions++;
	}
	s->user = l;
	return l;
}

struct lint_live *
lint_lives(struct lint *t)
{
	return t->lives;
}

int64_t
lint_now_ns(const struct lint *t)
{
	return t->now_ns;
}

static struct lint_seen
seen_of(struct lint_live *l)
{
	return (struct lint_seen){ .lint = l->lint, .live = l, .rep = l->rep, .iface = l->s->iface, .side = -1, .channel = -1, .stream = -1, .control = l,
		.kind = lint_kind(NULL, 0), .frame = l->rep->last_frame, .at_ns = l->rep->last_ns };
}

/* ---- streams ---- */

struct lint_st *
lint_stream_of(struct lint_live *l, int64_t id)
{
	for (size_t i = l->nst; i-- > 0; )
		if (l->st[i].id == id)
			return &l->st[i];
	return NULL;
}

static size_t
reported_stream(struct lint_live *l, int64_t id)
{
	struct lint_session *r = l->rep;

	if (!l->listed || l->lint->nstreams == REPORTED_STREAMS || !more_room((void **)&r->streams, &r->stream_room, r->nstreams, sizeof(*r->streams))) {
		r->more_streams++;
		return SIZE_MAX;
	}
	l->lint->nstreams++;
	r->streams[r->nstreams] = (struct lint_stream){ .channel = r->channel.id, .id = id, .ecm_id = -1, .bandwidth_kbit = -1 };
	return r->nstreams++;
}

static struct lint_stream *
rep_stream(const struct lint_live *l, const struct lint_st *st)
{
	return st && st->rep != SIZE_MAX ? &l->rep->streams[st->rep] : NULL;
}

static void
forget_stream(struct lint_st *st)
{
	*st = (struct lint_st){ .id = st->id, .ecm_id = -1, .data_type = -1, .ac_mode = -1, .table_id = -1, .rep = st->rep };
}

static struct lint_st *
add_stream(struct lint_live *l, int64_t id)
{
	struct lint_st *st = lint_stream_of(l, id);

	if (st)
		return st;
	if (l->nst == LINT_STREAMS || (l->nst == l->nst_most && l->lint->nfollowed == FOLLOWED_STREAMS) ||
	    !more_room((void **)&l->st, &l->st_room, l->nst, sizeof(*l->st))) {
		l->streams_known = false;
		return NULL;
	}
	st = &l->st[l->nst++];
	if (l->nst > l->nst_most) {
		l->nst_most = l->nst;
		l->lint->nfollowed++;
	}
	*st = (struct lint_st){ .id = id, .rep = reported_stream(l, id) };
	forget_stream(st);
	return st;
}

/* ---- requests and answers ---- */

static int64_t
limit_of(const struct lint_live *l, const struct dec_pair *p)
{
	int64_t limit;

	if (p->iface == &cpsig_psig && p->request >= FIRST_THOUGHT)
		return INT64_MAX;
	if (p->iface != &ecmg_scs || p->request != ECMG_CW_PROVISION)
		return SILENCE_NS;
	if (l->rep->channel.max_comp_time < 0)
		return UNKNOWN_LIMIT_NS;
	limit = l->rep->channel.max_comp_time * LINT_MS + NETWORK_NS;
	return limit > LEAST_WAIT_NS ? limit : LEAST_WAIT_NS;
}

static struct lint_latency *
latency_of(struct lint_live *l, const struct dec_pair *p)
{
	struct lint_session *r = l->rep;
	struct lint_latency *n;
	const struct sim_message *m;

	for (size_t i = 0; i < r->nlatencies; i++)
		if (r->latency[i].request_type == p->request)
			return &r->latency[i];
	if (r->nlatencies == LINT_LATENCIES)
		return NULL;
	n = &r->latency[r->nlatencies++];
	*n = (struct lint_latency){ .request_type = p->request };
	m = sim_message_find(p->iface, p->request);
	snprintf(n->request, sizeof(n->request), "%s", m ? m->name : "?");
	m = sim_message_find(p->iface, p->answer);
	snprintf(n->answer, sizeof(n->answer), "%s", m ? m->name : "?");
	if (l->listed && l->lint->nhists < LINT_HISTS && (n->hist = calloc(1, sizeof(*n->hist))) != NULL)
		l->lint->nhists++;
	return n;
}

static bool
asks_for_ecm(const struct lint_wait *w)
{
	return w->pair->iface == &ecmg_scs && w->pair->request == ECMG_CW_PROVISION;
}

/* How long an ECM took the server, which makes those of a stream one by one; the network's time is that of the quickest answer. */
static void
time_answer(struct lint_seen *x)
{
	int64_t since = x->st && x->st->replied_ns > x->wait->at_ns ? x->st->replied_ns : x->wait->at_ns;
	int64_t way = x->live->trip_ns < NETWORK_NS ? x->live->trip_ns : NETWORK_NS, limit = x->live->rep->channel.max_comp_time;

	x->took_ns = x->at_ns > since ? x->at_ns - since : 0;
	x->late = asks_for_ecm(x->wait) && limit >= 0 && x->took_ns > limit * LINT_MS + way;
	if (!asks_for_ecm(x->wait) && lint_whose(x->live, x->side) == LINT_SERVER && (x->live->trip_ns == 0 || x->took_ns < x->live->trip_ns))
		x->live->trip_ns = x->took_ns;
}

static void
count_answer(struct lint_live *l, const struct lint_seen *x)
{
	const struct lint_wait *w = x->wait;
	struct lint_latency *n = latency_of(l, w->pair);
	int64_t took = x->at_ns > w->at_ns ? x->at_ns - w->at_ns : 0;

	if (!n)
		return;
	if (asks_for_ecm(w) && l->rep->channel.max_comp_time >= 0) {
		n->limit_ns = l->rep->channel.max_comp_time * LINT_MS;
		n->late += x->late;
	}
	if (w->overdue && n->unanswered)
		n->unanswered--;
	if (n->n++ == 0 || took < n->min_ns)
		n->min_ns = took;
	n->max_ns = took > n->max_ns ? took : n->max_ns;
	n->sum_ns += (double)took;
	if (n->hist)
		hist_add(n->hist, took);
}

static void
drop_wait(struct lint_live *l, size_t i)
{
	memmove(&l->wait[i], &l->wait[i + 1], (--l->nwaits - i) * sizeof(l->wait[0]));
}

/* What was asked of a stream that is closed, or (-1) of a whole channel, need not be answered any more: TS 103 197, 5.5.5 and 6.2.5.5. */
static void
nothing_due(struct lint_live *l, int64_t stream)
{
	for (size_t i = 0; i < l->nwaits; i++)
		l->wait[i].moot = l->wait[i].moot || stream < 0 || l->wait[i].stream == stream;
}

/* The other side has confirmed octets of this one that the capture has not, or not yet. */
static bool
unseen(const struct lint_live *l, int side)
{
	const struct dec_half *h = &l->s->conn->half[side];

	return h->known && h->acked_known && (int32_t)(h->acked - h->next) > (h->fin ? 1 : 0);
}

/* What this one said comes only after its confirmation: the capture has frames in another order than they went. */
static bool
belated(const struct lint_live *l, int side)
{
	const struct dec_half *h = &l->s->conn->half[side];

	return h->known && h->acked_known && (int32_t)(h->acked - h->next) >= 0;
}

/* Something of this side is not known: what it asked and answered, opened and closed. */
static void
forget(struct lint_live *l, int side)
{
	l->nwaits = 0;
	l->lost[side] = true;
	l->calm = 0;
	l->lost_ns = l->lint->now_ns;
	l->streams_known = false;
	l->channel = CHANNEL_UNKNOWN;
	for (size_t i = 0; i < l->nst; i++) {
		l->st[i].cp_known = false;
		l->st[i].npace = 0;
		l->st[i].ncps = 0;
		l->st[i].state = STREAM_UNKNOWN;
		l->st[i].allocated = false;
		l->st[i].table_id = -1;
		memset(l->st[i].cw, 0, sizeof(l->st[i].cw));
	}
}

static void
overdue(struct lint_live *l, int64_t now_ns)
{
	for (size_t i = 0; i < l->nwaits; i++) {
		struct lint_wait w = l->wait[i];
		const struct sim_message *m;
		struct lint_seen x;
		struct lint_latency *n;

		if (w.overdue || w.moot || now_ns - w.at_ns <= w.limit_ns)
			continue;
		l->wait[i].overdue = true;
		if (unseen(l, 1 - w.side) || l->lost[1 - w.side])
			continue;
		m = sim_message_find(w.pair->iface, w.pair->request);
		x = seen_of(l);
		x.wait = &w;
		x.stream = w.stream;
		x.side = 1 - w.side;
		x.frame = w.frame;
		x.at_ns = w.at_ns;
		x.message = m ? m->name : NULL;
		if ((n = latency_of(l, w.pair)) != NULL)
			n->unanswered++;
		judge(&x, ON_OVERDUE);
	}
}

static bool
channel_level(enum lint_class c)
{
	return c >= CHANNEL_SETUP && c <= CHANNEL_ERROR;
}

/* The oldest request of the other side that this answers, one that waits yet if there is any; an error answers whatever was asked of its stream, or channel. */
static size_t
answered(const struct lint_live *l, const struct lint_seen *x)
{
	const struct sim_msg *m = x->g->msg;

	for (int strict = 1; strict >= 0; strict--)
		for (size_t i = 0; i < l->nwaits; i++) {
			const struct lint_wait *w = &l->wait[i];
			bool error = x->kind->class == CHANNEL_ERROR || x->kind->class == STREAM_ERROR;

			if (w->side == x->side || (error ? w->moot : w->moot == strict))
				continue;
			if (!error && (w->pair->answer != m->type || w->stream != x->stream || (w->pair->key && w->key != sim_int(m, w->pair->key, -1))))
				continue;
			if (error && strict && (x->kind->class == CHANNEL_ERROR) != channel_level(w->class))
				continue;
			if (error && x->kind->class == STREAM_ERROR && w->stream != x->stream)
				continue;
			return i;
		}
	return SIZE_MAX;
}

/* ---- what a message changes ---- */

static void
learn_channel(struct lint_live *l, const struct lint_seen *x)
{
	static const struct { uint16_t param; size_t at; } numbers[] = {
		{ ECMG_SECTION_TSPKT, offsetof(struct lint_channel, section_TSpkt_flag) }, { ECMG_MAX_STREAMS, offsetof(struct lint_channel, max_streams) },
		{ ECMG_MIN_CP_DURATION, offsetof(struct lint_channel, min_CP_duration) }, { ECMG_LEAD_CW, offsetof(struct lint_channel, lead_CW) },
		{ ECMG_CW_PER_MSG, offsetof(struct lint_channel, CW_per_msg) }, { ECMG_MAX_COMP_TIME, offsetof(struct lint_channel, max_comp_time) },
		{ ECMG_REP_PERIOD, offsetof(struct lint_channel, ECM_rep_period) },
	};
	static const struct { uint16_t param; size_t at; } delays[] = {
		{ ECMG_DELAY_START, offsetof(struct lint_channel, delay_start) }, { ECMG_DELAY_STOP, offsetof(struct lint_channel, delay_stop) },
		{ ECMG_TRANS_START, offsetof(struct lint_channel, transition_delay_start) }, { ECMG_TRANS_STOP, offsetof(struct lint_channel, transition_delay_stop) },
		{ ECMG_AC_DELAY_START, offsetof(struct lint_channel, AC_delay_start) }, { ECMG_AC_DELAY_STOP, offsetof(struct lint_channel, AC_delay_stop) },
	};
	struct lint_channel *c = &l->rep->channel;
	const struct sim_msg *m = x->g->msg;

	if (x->iface == &ecmg_scs) {
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
			*(int *)((char *)c + numbers[i].at) = (int)sim_int(m, numbers[i].param, -1);
		for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++)
			*(int32_t *)((char *)c + delays[i].at) = (int32_t)sim_int(m, delays[i].param, INT32_MIN);
	} else if (x->iface == &emmg_mux) {
		c->section_TSpkt_flag = (int)sim_int(m, EMMG_SECTION_TSPKT, c->section_TSpkt_flag);
	} else if (x->iface == &eis_scs) {
		l->service_flag = (int)sim_int(m, EIS_SERVICE_FLAG, -1);
		l->component_flag = (int)sim_int(m, EIS_COMPONENT_FLAG, -1);
		l->max_scg = (int)sim_int(m, EIS_MAX_SCG, -1);
	}
	l->limits = true;
}

static uint16_t
name_param(const struct sim_iface *iface)
{
	return iface == &ecmg_scs ? ECMG_SUPER_CAS_ID : iface == &emmg_mux ? EMMG_CLIENT_ID : 0;
}

static void
set_up_channel(struct lint_live *l, const struct lint_seen *x)
{
	uint16_t name = name_param(x->iface);

	l->was_open = l->channel == CHANNEL_OPEN;
	l->rep->channel = nothing_known;
	l->rep->channel.id = x->channel;
	if (name)
		l->rep->channel.super_cas_id = sim_int(x->g->msg, name, -1);
	if (x->iface == &emmg_mux)
		learn_channel(l, x);
	l->limits = false;
	l->channel = CHANNEL_ASKED;
	l->streams_known = x->iface != &eis_scs;	/* groups outlive the connection over which they were defined */
	l->dead_ns = 0;
	l->nst = 0;
}

static void
set_up_stream(struct lint_live *l, const struct lint_seen *x)
{
	struct lint_st *st = add_stream(l, x->stream);
	struct lint_stream *r;
	const struct sim_msg *m = x->g->msg;
	bool open;

	if (!st)
		return;
	open = st->state == STREAM_OPEN;
	if (st->state != STREAM_UNKNOWN && x->iface != &eis_scs) {
		forget_stream(st);
		st->rep = reported_stream(l, x->stream);
	}
	st->was_open = open;
	st->empty = x->iface == &eis_scs && !sim_count(m, EIS_SERVICE_ID) && !sim_count(m, EIS_COMPONENT_ID) && !sim_count(m, EIS_ECM_GROUP);
	st->state = STREAM_ASKED;
	st->opened_frame = x->frame;
	if (x->iface == &ecmg_scs) {
		st->ecm_id = sim_int(m, ECMG_ECM_ID, -1);
		st->nominal = (uint16_t)sim_int(m, ECMG_NOMINAL_CP_DURATION, 0);
	} else if (x->iface == &emmg_mux) {
		st->ecm_id = sim_int(m, EMMG_DATA_ID, -1);
		st->data_type = sim_int(m, EMMG_DATA_TYPE, -1);
	}
	if ((r = rep_stream(l, st)) != NULL) {
		r->ecm_id = st->ecm_id;
		r->nominal_100ms = st->nominal;
	}
}

static void
open_stream(struct lint_live *l, const struct lint_seen *x)
{
	struct lint_st *st = add_stream(l, x->stream);
	struct lint_stream *r = rep_stream(l, st);

	if (!st || (st->state != STREAM_ASKED && st->state != STREAM_UNKNOWN))
		return;
	st->state = STREAM_OPEN;
	if (x->iface == &ecmg_scs)
		st->ac_mode = (int)sim_int(x->g->msg, ECMG_AC_TRANSFER_MODE, -1);
	if (r && !r->opened_ns)
		r->opened_ns = x->at_ns;
}

static void
close_stream(struct lint_live *l, struct lint_st *st, int64_t at_ns)
{
	struct lint_stream *r = rep_stream(l, st);

	if (!st)
		return;
	st->state = STREAM_CLOSED;
	if (r)
		r->closed_ns = at_ns;
}

/* What is open stays so when it is set up again in vain; what it was set up with is not known any more. */
static void
refuse_channel(struct lint_live *l)
{
	l->channel = l->was_open ? CHANNEL_UNKNOWN : CHANNEL_REFUSED;
	l->streams_known = l->streams_known && !l->was_open;
}

static void
refuse_stream(struct lint_live *l, struct lint_st *st, int64_t at_ns)
{
	if (!st->was_open) {
		close_stream(l, st, at_ns);
		return;
	}
	st->state = STREAM_OPEN;
	st->ecm_id = st->data_type = -1;
	st->nominal = 0;
}

/* What an error takes away. */
static void
take_error(struct lint_live *l, const struct lint_seen *x)
{
	int64_t status = sim_int(x->g->msg, 0x7000, -1);
	bool of_server = lint_whose(l, x->side) != LINT_CLIENT;
	bool forgot = x->iface == &ecmg_scs ? status == ECMG_E_CHANNEL_ID || status == ECMG_E_STREAM_ID :
	    x->iface == &emmg_mux ? status == EMMG_E_CHANNEL_ID || status == EMMG_E_STREAM_ID : false;

	if (!of_server)
		return;
	if (x->kind->class == CHANNEL_ERROR) {
		if (x->wait && x->wait->class == CHANNEL_SETUP && l->channel == CHANNEL_ASKED)
			refuse_channel(l);
		if (status == 0x7001 && !l->dead_ns)
			l->dead_ns = x->at_ns;
		return;
	}
	if (!x->st)
		return;
	x->st->repeat = true;
	if (status == 0x7001 && !x->st->dead_ns)
		x->st->dead_ns = x->at_ns;
	if (x->wait && x->wait->class == STREAM_SETUP && x->st->state == STREAM_ASKED)
		refuse_stream(l, x->st, x->at_ns);
	else if (forgot)
		x->st->state = STREAM_UNKNOWN;
}

static void
keep_cws(struct lint_st *st, const struct lint_seen *x)
{
	const struct sim_msg *m = x->g->msg;
	const struct sim_value *v;

	if (sim_count(m, ECMG_CW_ENCRYPTION))	/* the same word may look otherwise the next time */
		return;
	for (size_t i = 0; (v = sim_value(m, ECMG_CP_CW, i)) != NULL; i++) {
		uint16_t cp = (uint16_t)(v->p[0] << 8 | v->p[1]);

		st->cw[cp % LINT_CWS].known = true;
		st->cw[cp % LINT_CWS].cp = cp;
		st->cw[cp % LINT_CWS].len = (uint16_t)(v->len - 2);
		st->cw[cp % LINT_CWS].digest = lint_digest(x->lint, v->p + 2, v->len - 2u);
	}
}

/* A CW_provision: its crypto-period in the report. Its place, or SIZE_MAX. */
static size_t
add_period(struct lint_live *l, struct lint_st *st, const struct lint_seen *x)
{
	struct lint_stream *r = rep_stream(l, st);
	struct lint_period *p;

	if (!r)
		return SIZE_MAX;
	if (r->nperiods > 0 && r->periods[r->nperiods - 1].cp == st->cp && r->periods[r->nperiods - 1].answered_ns == 0)
		return r->nperiods - 1;		/* asked again */
	if (r->nperiods == LINT_PERIODS_STREAM || l->lint->nperiods == LINT_PERIODS ||
	    !more_room((void **)&r->periods, &r->period_room, r->nperiods, sizeof(*p))) {
		r->more_periods++;
		return SIZE_MAX;
	}
	l->lint->nperiods++;
	p = &r->periods[r->nperiods];
	*p = (struct lint_period){ .cp = st->cp, .asked_ns = x->at_ns, .asked_frame = x->frame, .latency_ns = -1 };
	p->duration_100ms = (uint16_t)sim_int(x->g->msg, ECMG_CP_DURATION, st->nominal);
	return r->nperiods++;
}

static size_t
provision(struct lint_live *l, const struct lint_seen *x)
{
	struct lint_st *st = add_stream(l, x->stream);

	if (!st || !sim_count(x->g->msg, ECMG_CP_NUMBER))
		return SIZE_MAX;
	if (st->state == STREAM_UNKNOWN && !l->streams_known)
		st->state = STREAM_OPEN;
	st->cp_known = true;
	st->repeat = false;
	st->cp = (uint16_t)sim_int(x->g->msg, ECMG_CP_NUMBER, 0);
	st->ncps++;
	st->pace[st->npace++ % LINT_PACE] = x->at_ns;
	keep_cws(st, x);
	return add_period(l, st, x);
}

static void
index_ecm(struct lint_live *l, const struct lint_st *st, size_t period, const struct sim_value *v)
{
	struct lint *t = l->lint;
	uint64_t digest;
	size_t n = v->len;
	const uint8_t *p = v->p;

	if (!l->listed || st->rep == SIZE_MAX || v->len == 0 || (!t->ecms && !(t->ecms = calloc(LINT_ECMS, sizeof(*t->ecms)))))
		return;
	if (l->rep->channel.section_TSpkt_flag == 1 && n >= TS_PACKET) {	/* PID and counter are the mux's */
		p += 4;
		n = TS_PACKET - 4;
	} else if (l->rep->channel.section_TSpkt_flag == 0 && n > SECTION_START) {
		n = SECTION_START;
	}
	digest = lint_digest(t, p, n);
	t->ecms[digest % LINT_ECMS] = (struct ecm){ digest, l->rep, st->rep, period };
	t->any_ecm = true;
}

static void
response(struct lint_live *l, const struct lint_seen *x)
{
	const struct sim_value *v = sim_value(x->g->msg, ECMG_ECM_DATAGRAM, 0);
	struct lint_stream *r = rep_stream(l, x->st);
	struct lint_period *p;

	if (x->st)
		x->st->replied_ns = x->at_ns;
	if (x->st && v) {
		x->st->table_id = l->rep->channel.section_TSpkt_flag == 0 && v->len ? v->p[0] : -1;
		x->st->table_cp = (uint16_t)sim_int(x->g->msg, ECMG_CP_NUMBER, 0);
		x->st->ecm_digest = lint_digest(l->lint, v->p, v->len);
	}
	if (!r || !x->wait || x->wait->period >= r->nperiods)
		return;
	p = &r->periods[x->wait->period];
	p->answered_ns = x->at_ns;
	p->answered_frame = x->frame;
	p->latency_ns = x->at_ns - x->wait->at_ns;
	p->late = x->late;
	if (v)
		index_ecm(l, x->st, x->wait->period, v);
}

static void
refused(struct lint_live *l, const struct lint_seen *x)
{
	struct lint_stream *r = rep_stream(l, x->st);

	if (x->st)
		x->st->replied_ns = x->at_ns;
	if (r && x->wait && x->wait->period < r->nperiods) {
		r->periods[x->wait->period].refused = true;
		r->periods[x->wait->period].answered_ns = x->at_ns;
		r->periods[x->wait->period].answered_frame = x->frame;
		r->periods[x->wait->period].latency_ns = x->at_ns - x->wait->at_ns;
	}
}

static void
take_data(const struct lint_seen *x)
{
	struct lint_stream *r = x->control ? rep_stream(x->control, x->st) : NULL;
	const struct sim_value *v;

	if (!r)
		return;
	r->data_messages++;
	for (size_t i = 0; (v = sim_value(x->g->msg, EMMG_DATAGRAM, i)) != NULL; i++)
		r->data_bytes += v->len;
}

static void
allocate(struct lint_live *l, const struct lint_seen *x)
{
	int64_t kbit = sim_int(x->g->msg, EMMG_BANDWIDTH, -1);
	struct lint_st *st = add_stream(l, x->stream);
	struct lint_stream *r = rep_stream(l, st);

	if (!st || kbit < 0)
		return;
	if (kbit == 0 || (st->allocated && kbit < st->extra))
		st->spared_ns = x->at_ns + LINT_SECOND;
	st->allocated = true;
	st->extra = (unsigned)kbit;
	st->credit = (double)kbit * 1000 / 8;
	st->credit_ns = x->at_ns;
	if (r)
		r->bandwidth_kbit = (int32_t)kbit;
}

/* Whatever comes of a stream nobody set up before the capture: it is there. */
static void
take_for_open(struct lint_live *l, const struct lint_seen *x)
{
	struct lint_st *st;

	if (l->channel == CHANNEL_UNKNOWN && !l->rep->udp) {
		l->channel = CHANNEL_OPEN;
		l->rep->channel.id = x->channel;
	}
	if (!l->streams_known && x->stream >= 0 && (st = add_stream(l, x->stream)) != NULL && st->state == STREAM_UNKNOWN)
		st->state = STREAM_OPEN;
}

static size_t
apply(struct lint_live *l, struct lint_seen *x)
{
	bool server = lint_whose(l, x->side) != LINT_CLIENT;
	size_t period = SIZE_MAX;

	switch (x->kind->class) {
	case CLASS_OTHER:
		if (x->iface == &eis_scs && x->g->msg->type == EIS_CHANNEL_RESET) {
			l->nst = 0;
			l->streams_known = true;
		}
		break;
	case CHANNEL_SETUP: set_up_channel(l, x); break;
	case CHANNEL_STATUS:
		if (server && x->g->why.verdict == SIM_OK && x->iface != &emmg_mux)
			learn_channel(l, x);
		if (server && (l->channel == CHANNEL_ASKED || l->channel == CHANNEL_UNKNOWN)) {
			l->channel = CHANNEL_OPEN;
			l->rep->channel.id = x->channel;
			if (x->iface == &emmg_mux && l->rep->channel.section_TSpkt_flag < 0)
				learn_channel(l, x);
		}
		break;
	case CHANNEL_CLOSE:
		l->channel = CHANNEL_CLOSED;
		for (size_t i = 0; i < l->nst; i++)
			if (l->st[i].state != STREAM_CLOSED)
				close_stream(l, &l->st[i], x->at_ns);
		nothing_due(l, -1);
		break;
	case CHANNEL_ERROR:
	case STREAM_ERROR:
		take_error(l, x);
		refused(l, x);
		break;
	case STREAM_SETUP: set_up_stream(l, x); break;
	case STREAM_STATUS:
		if (server)
			open_stream(l, x);
		break;
	case STREAM_CLOSE_REQUEST:
		if (x->st)
			x->st->state = STREAM_CLOSING;
		break;
	case STREAM_CLOSE_RESPONSE:
		close_stream(l, x->st, x->at_ns);
		if (x->stream >= 0)
			nothing_due(l, x->stream);
		break;
	case STREAM_ASK:
		take_for_open(l, x);
		if (x->iface == &ecmg_scs)
			period = provision(l, x);
		break;
	case STREAM_REPLY:
		if (x->iface == &ecmg_scs)
			response(l, x);
		else if (x->iface == &emmg_mux)
			allocate(l, x);
		break;
	case STREAM_DATA:
		take_for_open(l, x);
		if (x->iface == &emmg_mux)
			take_data(x);
		break;
	default: break;
	}
	return period;
}

/* A request that is not followed any more. */
static void
lose(struct lint_live *l, const struct lint_wait *w)
{
	struct lint_stream *r = w->period == SIZE_MAX ? NULL : rep_stream(l, lint_stream_of(l, w->stream));

	l->unwatched = true;
	if (r && w->period < r->nperiods)
		r->periods[w->period].unwatched = true;
}

/* For one request more; where there is none the oldest of the session gives way. */
static bool
room_to_wait(struct lint_live *l)
{
	if (l->nwaits == LINT_WAITS || (l->nwaits == l->nwaits_most && l->lint->nwaits == HELD_WAITS)) {
		if (l->nwaits == 0)
			return false;
		lose(l, &l->wait[0]);
		drop_wait(l, 0);
	}
	if (!more_room((void **)&l->wait, &l->wait_room, l->nwaits, sizeof(*l->wait)))
		return false;
	if (l->nwaits == l->nwaits_most) {
		l->nwaits_most++;
		l->lint->nwaits++;
	}
	return true;
}

static void
ask(struct lint_live *l, const struct lint_seen *x, size_t period)
{
	const struct dec_pair *p = dec_pair_of(x->iface, x->g->msg->type);
	bool again = false;

	if (!p || l->rep->udp || x->g->error || x->g->why.verdict == SIM_MALFORMED)
		return;
	for (size_t i = l->nwaits; i-- > 0; )	/* what is asked for again is answered once, or twice: more often nobody looks */
		if ((l->wait[i].overdue || l->wait[i].moot) && l->wait[i].pair == p && l->wait[i].side == x->side && l->wait[i].stream == x->stream &&
		    l->wait[i].key == (p->key ? sim_int(x->g->msg, p->key, -1) : -1)) {
			if (again)
				drop_wait(l, i);
			else
				l->wait[i].moot = again = true;
		}
	if (!room_to_wait(l)) {
		lose(l, &(struct lint_wait){ .stream = x->stream, .period = period });
		return;
	}
	l->wait[l->nwaits++] = (struct lint_wait){ .pair = p, .class = x->kind->class, .side = x->side, .channel = x->channel, .stream = x->stream,
		.key = p->key ? sim_int(x->g->msg, p->key, -1) : -1, .at_ns = x->at_ns, .limit_ns = limit_of(l, p), .frame = x->frame, .period = period,
		.cws_right = p->request == ECMG_CW_PROVISION && lint_window_right(x) };
}

static void
count_message(struct lint_live *l, const struct lint_seen *x)
{
	struct lint_session *r = l->rep;
	struct lint_count *n = NULL;

	r->messages++;
	l->lint->report.messages++;
	r->last_frame = x->frame;
	r->last_ns = x->at_ns;
	if (!r->version || (lint_whose(l, x->side) == LINT_CLIENT && !l->version[x->side]))
		r->version = x->g->msg->version;
	for (size_t i = 0; i < r->ncounts && !n; i++)
		if (r->count[i].type == x->g->msg->type)
			n = &r->count[i];
	if (!n) {
		if (r->ncounts == LINT_MESSAGES)
			return;
		n = &r->count[r->ncounts++];
		n->type = x->g->msg->type;
		snprintf(n->message, sizeof(n->message), "%s", x->message);
	}
	if (lint_whose(l, x->side) == LINT_SERVER)
		n->of_server++;
	else
		n->of_client++;
}

/* Data by UDP: who set their stream up by TCP? */
static void
find_control(struct lint_seen *x)
{
	int64_t client = sim_int(x->g->msg, EMMG_CLIENT_ID, -1), data = sim_int(x->g->msg, EMMG_DATA_ID, -1);
	const struct dec_conn *c = x->live->s->conn;

	x->control = NULL;
	x->st = NULL;
	for (struct lint_live *l = x->lint->lives; l; l = l->next) {
		if (l->rep->udp || l->s->iface != &emmg_mux || l->rep->channel.super_cas_id != client || l->s->conn->ends.v6 != c->ends.v6)
			continue;
		if (!x->control)
			x->control = l;
		for (size_t i = 0; i < l->nst; i++)
			if (l->st[i].ecm_id == data && (!x->st || l->st[i].state == STREAM_OPEN)) {
				x->control = l;
				x->st = &l->st[i];
			}
	}
}

/* Most messages are as the tables say: one look tells. */
static bool
strict(struct lint *t, const struct lint_seen *x)
{
	const struct sim_iface *iface = x->live->rep->udp && x->iface == &emmg_mux ? &emmg_mux_udp : x->iface;

	return sim_decode_as(iface, SIM_STRICT, x->g->p, x->g->len, &t->strict, NULL) == 0;
}

static void
message(void *self, const struct dec_message *g)
{
	struct lint *t = self;
	struct lint_live *l = g->session->user;
	struct lint_seen x;
	struct lint_wait wait;
	char name[LINT_NAME];
	size_t at, period;
	bool disorder[2] = { false, false };

	lint_now(t, g->at_ns);
	if (!l && !(l = begin(t, g->session, g->frame, g->at_ns)))
		return;
	x = seen_of(l);
	x.g = g;
	x.kind = lint_kind(x.iface, g->msg->type);
	x.side = g->side;
	x.frame = g->frame;
	x.at_ns = g->at_ns;
	x.channel = dec_channel_param(x.iface) ? sim_int(g->msg, dec_channel_param(x.iface), -1) : -1;
	x.stream = dec_stream_param(x.iface) ? sim_int(g->msg, dec_stream_param(x.iface), -1) : -1;
	if (g->msg->def)
		snprintf(name, sizeof(name), "%s", g->msg->def->name);
	else
		snprintf(name, sizeof(name), "0x%04x", g->msg->type);
	x.message = name;
	if (l->rep->udp)
		find_control(&x);
	else
		x.st = lint_stream_of(l, x.stream);
	for (int k = 0; k < 2 && !l->rep->udp; k++)
		if ((disorder[k] = k == g->side ? belated(l, k) : unseen(l, k)))
			forget(l, k);
	overdue(l, g->at_ns);
	if ((at = answered(l, &x)) != SIZE_MAX) {
		wait = l->wait[at];
		x.wait = &wait;
		time_answer(&x);
	}
	count_message(l, &x);
	if (!strict(t, &x))
		judge(&x, ON_PARAMS);
	judge(&x, ON_OCTETS);
	if (g->why.verdict == SIM_OK)
		judge(&x, ON_MESSAGE);
	if (x.wait) {
		drop_wait(l, at);
		count_answer(l, &x);
	}
	lint_note(&x);
	period = apply(l, &x);
	ask(l, &x, period);
	for (int k = 0; k < 2; k++)
		if (disorder[k])
			forget(l, k);
	if (++l->calm >= CALM && g->at_ns - l->lost_ns > SILENCE_NS)
		l->lost[0] = l->lost[1] = false;
	if (x.kind->class == CHANNEL_SETUP)
		l->version[1 - g->side] = 0;
	if (!lint_refuses_version(&x))
		l->version[g->side] = g->msg->version;
	l->last_side = g->side;
	l->last_error = g->error;
}

/* ---- gaps, and the end ---- */

static void
trouble(void *self, struct dec_session *s, int side, enum dec_trouble what, uint64_t octets)
{
	struct lint *t = self;
	struct lint_live *l = s->user;
	struct lint_seen x;
	struct lint_session *r;

	if (!l && !(l = begin(t, s, 0, t->now_ns)))
		return;
	r = l->rep;
	if (r->ngaps < LINT_GAPS)
		r->gap[r->ngaps++] = (struct lint_gap){ lint_whose(l, side) == LINT_SERVER, r->last_frame, r->last_ns, octets, what };
	else
		r->more_gaps++;
	x = seen_of(l);
	x.side = side;
	x.trouble = what;
	x.octets = octets;
	x.at_ns = t->now_ns;
	judge(&x, ON_TROUBLE);
	if (r->udp)
		return;
	forget(l, side);
}

/* How long answers could be waited for: until one side ended, or at_ns where none did. */
static int64_t
until(const struct dec_conn *c, int64_t at_ns)
{
	const struct dec_half *a = &c->half[0], *b = &c->half[1];

	if (a->fin && b->fin)
		return a->fin_ns < b->fin_ns ? a->fin_ns : b->fin_ns;
	return a->fin ? a->fin_ns : b->fin ? b->fin_ns : at_ns;
}

static void
event(void *self, struct dec_session *s, int side, enum dec_tcp_event what, uint64_t frame, int64_t at_ns)
{
	struct lint_live *l = s->user;
	struct lint_seen x;

	(void)self;
	if (!l)
		return;
	if (what == DEC_TCP_RESET)
		overdue(l, until(s->conn, at_ns));
	x = seen_of(l);
	x.side = side;
	x.event = what;
	x.frame = frame;
	x.at_ns = at_ns;
	judge(&x, ON_TCP);
}

static void
ended(void *self, struct dec_session *s)
{
	struct lint *t = self;
	struct lint_live *l = s->user;
	struct lint_seen x;

	if (!l)
		return;
	l->rep->to_end = s->conn->closed || s->conn->half[0].fin || s->conn->half[1].fin;
	overdue(l, until(s->conn, l->rep->to_end ? 0 : t->now_ns));
	x = seen_of(l);
	judge(&x, ON_END);
	if (l->prev)
		l->prev->next = l->next;
	else
		t->lives = l->next;
	if (l->next)
		l->next->prev = l->prev;
	if (!l->listed)
		free_session(l->rep);
	t->nfollowed -= l->nst_most;
	t->nwaits -= l->nwaits_most;
	free(l->wait);
	free(l->st);
	free(l);
	s->user = NULL;
}

/* ---- on air ---- */

static struct ecm *
known_ecm(struct lint *t, const uint8_t *p, size_t len)
{
	uint64_t digest = lint_digest(t, p, len);
	struct ecm *e = &t->ecms[digest % LINT_ECMS];

	return e->rep && e->digest == digest ? e : NULL;
}

static void
on_air(struct lint *t, const struct ecm *e, const char *where, uint64_t frame, int64_t at_ns)
{
	struct lint_stream *r = &e->rep->streams[e->stream];
	struct lint_period *p = &r->periods[e->period];
	struct lint_seen x = { .lint = t, .rep = e->rep, .iface = e->rep->iface, .side = -1, .channel = -1, .stream = -1, .frame = frame, .at_ns = at_ns,
		.stream_rep = r, .period = e->period, .where = where, .kind = lint_kind(NULL, 0), .message = "ECM_response" };
	int32_t delay = e->rep->channel.delay_start;

	if (!*r->air)
		snprintf(r->air, sizeof(r->air), "%s", where);
	else if (strcmp(r->air, where) != 0)
		return;
	judge(&x, ON_AIR);
	if (p->air_repeats++ == 0) {
		p->air_first_ns = at_ns;
		/* when its predecessor was there, its first time is the beginning; the delays say of what */
		if (e->period > 0 && r->periods[e->period - 1].air_repeats && delay != INT32_MIN) {
			p->start_ns = at_ns - delay * LINT_MS;
			r->periods[e->period - 1].end_ns = p->start_ns;
		}
	}
	p->air_last_ns = at_ns;
}

static void
air_packets(struct lint *t, const uint8_t *p, size_t len, const char *where, uint64_t frame, int64_t at_ns)
{
	for (; len >= TS_PACKET; p += TS_PACKET, len -= TS_PACKET) {
		const struct ecm *e;
		size_t at = 4, n;

		if (p[0] != 0x47 || !(p[1] & 0x40) || !(p[3] & 0x10) || (p[3] & 0xc0))
			continue;
		if ((e = known_ecm(t, p + 4, TS_PACKET - 4)) != NULL) {
			on_air(t, e, where, frame, at_ns);
			continue;
		}
		if (p[3] & 0x20)
			at += 1u + p[4];
		if (at >= TS_PACKET || (at += 1u + p[at]) + 3 > TS_PACKET || (p[at] & 0xfe) != 0x80)
			continue;
		n = 3u + ((p[at + 1] & 15u) << 8 | p[at + 2]);
		n = n > SECTION_START ? SECTION_START : n;
		if (at + n <= TS_PACKET && (e = known_ecm(t, p + at, n)) != NULL)
			on_air(t, e, where, frame, at_ns);
	}
}

void
lint_air(struct lint *t, const struct dec_segment *s, uint64_t frame, int64_t at_ns)
{
	const uint8_t *p = s->p;
	size_t len = s->len;
	char where[LINT_ENDS];
	const struct ecm *e;

	lint_now(t, at_ns);
	if (!t->any_ecm || len == 0)
		return;
	end_name(&s->ends, 1, where);
	if (len > RTP_HEADER && (p[0] & 0xc0) == 0x80 && p[RTP_HEADER] == 0x47 && (len - RTP_HEADER) % TS_PACKET == 0) {
		p += RTP_HEADER;
		len -= RTP_HEADER;
	}
	if (p[0] == 0x47 && len % TS_PACKET == 0)
		air_packets(t, p, len, where, frame, at_ns);
	else if ((e = known_ecm(t, p, len)) != NULL)
		on_air(t, e, where, frame, at_ns);
}

/* ---- life ---- */

void
lint_now(struct lint *t, int64_t at_ns)
{
	if (!t->first_ns)
		t->first_ns = at_ns;
	t->now_ns = at_ns > t->now_ns ? at_ns : t->now_ns;
}

struct lint *
lint_new(const struct lint_conf *conf)
{
	struct lint *t = calloc(1, sizeof(*t));
	struct timespec now;

	if (!t)
		return NULL;
	t->conf = *conf;
	for (size_t i = 0; i < lint_nchecks() && i < sizeof(t->ignored); i++)
		for (size_t k = 0; k < conf->nignored; k++)
			t->ignored[i] = t->ignored[i] || strcmp(conf->ignored[k], lint_checks[i].rule.id) == 0;
	if (getentropy(t->key, sizeof(t->key)) < 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		t->key[0] = (uint64_t)now.tv_nsec;
	}
	t->key[1] |= 1;
	return t;
}

void
lint_free(struct lint *t)
{
	if (!t)
		return;
	while (t->lives) {
		struct lint_live *l = t->lives;

		t->lives = l->next;
		if (!l->listed)
			free_session(l->rep);
		free(l->wait);
		free(l->st);
		free(l);
	}
	for (size_t i = 0; i < t->report.nsessions; i++)
		free_session(t->report.sessions[i]);
	free(t->report.sessions);
	free(t->report.findings);
	free(t->chain);
	free(t->ecms);
	free(t);
}

struct dec_msg_user
lint_sink(struct lint *t)
{
	return (struct dec_msg_user){ .self = t, .message = message, .trouble = trouble, .event = event, .ended = ended };
}

static int
by_frame(const void *a, const void *b)
{
	const struct lint_finding *x = a, *y = b;

	return x->frame != y->frame ? (x->frame > y->frame) - (x->frame < y->frame) : (x->rule > y->rule) - (x->rule < y->rule);
}

const struct lint_report *
lint_report(struct lint *t, const char *name, const struct dec_counts *counts, bool whole, const char *broken)
{
	struct lint_report *r = &t->report;

	r->name = name;
	r->counts = *counts;
	r->first_ns = t->first_ns;
	r->last_ns = t->now_ns;
	r->whole = whole;
	snprintf(r->broken, sizeof(r->broken), "%s", broken ? broken : "");
	if (r->nfindings)
		qsort(r->findings, r->nfindings, sizeof(r->findings[0]), by_frame);
	memset(t->bucket, 0, sizeof(t->bucket));	/* they lie elsewhere now: nothing more is to be found */
	return r;
}
