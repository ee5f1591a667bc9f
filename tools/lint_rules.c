/* tools/lint_rules.c: the rules of simulgate lint: one table, and the checks that its rows name */
#include <stdlib.h>
#include <string.h>
#include "proto/be.h"
#include "proto/cpsig_psig.h"
#include "proto/ecmg_scs.h"
#include "proto/eis_scs.h"
#include "proto/emmg_mux.h"
#include "proto/psig_mux.h"
#include "tools/dec_words.h"
#include "tools/lint_state.h"

enum { TLV = 4, USER_DEFINED = 0x8000, USES = 64, TS_PACKET = 188, TS_SYNC = 0x47, STATUS = 0x7000, INFORMATION = 0x7001, UNRECOVERABLE = 0x7001,
	BCAST_DRM = 0x0001, BCAST_SMARTCARD = 0x0002, BCAST_VERSION = 5, DELAYS = 3,
	SHORTEST_COMP_MS = 100 };	/* where channel_status was not captured: an SCS may have given up after as little */

static int64_t
value(const struct lint_seen *x, uint16_t param)
{
	return sim_int(x->g->msg, param, -1);
}

static double
ms(int64_t ns)
{
	return (double)ns / (double)LINT_MS;
}

/* ---- every message: its parameters by the tables ---- */

/* The parameters of a message, or of a group in it, each with its row of the table. */
struct walk {
	const struct lint_seen *x;
	const struct sim_message *rules;	/* NULL: none known */
	const uint8_t *p; size_t at, end;
	uint16_t seen[USES];
	/* the present one */
	uint16_t type, len; const uint8_t *v;
	const struct sim_param *param; const struct sim_use *use, *other;	/* of its version; of another one */
};

static const struct sim_message *
rules_of(const struct lint_seen *x)
{
	if (x->live->rep->udp && x->iface == &emmg_mux)
		return sim_message_find(&emmg_mux_udp, x->g->msg->type);
	return x->g->msg->def;
}

static bool
in_version(const struct sim_use *u, uint8_t version)
{
	return (u->from == 0 || version >= u->from) && (u->to == 0 || version <= u->to);
}

static bool
next(struct walk *w)
{
	uint8_t version = w->x->g->msg->version;

	if (w->at + TLV > w->end || be16(w->p + w->at + 2) > w->end - w->at - TLV)
		return false;
	w->type = (uint16_t)be16(w->p + w->at);
	w->len = (uint16_t)be16(w->p + w->at + 2);
	w->v = w->p + w->at + TLV;
	w->at += TLV + (size_t)w->len;
	w->param = sim_param_find(w->x->iface, w->type);
	w->use = w->other = NULL;
	for (size_t i = 0; w->rules && i < w->rules->n && i < USES; i++)
		if (w->rules->uses[i].type == w->type) {
			if (!in_version(&w->rules->uses[i], version) || (w->rules->uses[i].spare && w->rules->uses[i].least == 0)) {
				w->other = &w->rules->uses[i];
			} else {
				w->use = &w->rules->uses[i];
				w->seen[i]++;
			}
		}
	return true;
}

/* Walks groups, too: a call for each parameter, and one behind the last of each list. */
static void
each(struct walk *w, void (*one)(struct lint_seen *, struct walk *), void (*last)(struct lint_seen *, struct walk *), struct lint_seen *x)
{
	while (next(w)) {
		if (one)
			one(x, w);
		for (size_t i = 0; w->use && i < x->iface->ngroups; i++)
			if (x->iface->groups[i].type == w->type) {
				struct walk in = { .x = x, .rules = &x->iface->groups[i], .p = w->v, .at = 0, .end = w->len };

				each(&in, one, last, x);
			}
	}
	if (last)
		last(x, w);
}

/* All of a message. */
static void
over(struct lint_seen *x, void (*one)(struct lint_seen *, struct walk *), void (*last)(struct lint_seen *, struct walk *))
{
	struct walk w = { .x = x, .rules = rules_of(x), .p = x->g->p, .at = SIM_HEADER, .end = x->g->len };

	each(&w, one, last, x);
}

static void
whole_parameters(struct lint_seen *x, struct walk *w)
{
	if (w->at != w->end)
		lint_found(x, x->side, LINT_NO_PARAM, "its parameters do not fill it: %zu octets are left at offset %zu", w->end - w->at,
		    (size_t)(w->p + w->at - x->g->p));
}

static void
check_malformed(struct lint_seen *x)
{
	over(x, NULL, whole_parameters);
}

static void
one_unknown(struct lint_seen *x, struct walk *w)
{
	if (!w->param && w->type < USER_DEFINED)
		lint_found(x, x->side, w->type, "parameter 0x%04x has no meaning on %s", w->type, x->iface->name);
}

static void
check_unknown(struct lint_seen *x)
{
	over(x, one_unknown, NULL);
}

static void
one_unlisted(struct lint_seen *x, struct walk *w)
{
	if (!w->param || w->use || !w->rules || w->type >= USER_DEFINED || x->live->rep->udp)
		return;
	if (w->other)
		lint_found(x, x->side, w->type, "%s is not a parameter of %s in protocol_version %u", w->param->name, x->message, x->g->msg->version);
	else
		lint_found(x, x->side, w->type, "%s is not a parameter of %s", w->param->name, x->message);
}

static void
one_by_udp(struct lint_seen *x, struct walk *w)
{
	if (w->param && !w->use && !w->other && w->rules && w->type < USER_DEFINED)
		lint_found(x, x->side, w->type, "%s is not a parameter of %s by UDP", w->param->name, x->message);
}

static void
check_by_udp(struct lint_seen *x)
{
	if (x->live->rep->udp)
		over(x, one_by_udp, NULL);
}

static void
check_unlisted(struct lint_seen *x)
{
	over(x, one_unlisted, NULL);
}

static void
one_length(struct lint_seen *x, struct walk *w)
{
	uint16_t want = w->use && w->use->len ? w->use->len : 0;

	if (!w->param || (w->type >= USER_DEFINED))
		return;
	if (w->len < w->param->min || w->len > w->param->max || (want && w->len != want))
		lint_found(x, x->side, w->type, "%s has %u octets; it is to have %u%s", w->param->name, w->len, want ? want : w->param->min,
		    want || w->param->min == w->param->max ? "" : " at least");
}

static void
check_length(struct lint_seen *x)
{
	over(x, one_length, NULL);
}

static void
last_repeated(struct lint_seen *x, struct walk *w)
{
	for (size_t i = 0; w->rules && i < w->rules->n && i < USES; i++)
		if (w->seen[i] > w->rules->uses[i].most)
			lint_found(x, x->side, w->rules->uses[i].type, "it is there %u times; %u is the most", w->seen[i], w->rules->uses[i].most);
}

static void
check_repeated(struct lint_seen *x)
{
	over(x, NULL, last_repeated);
}

/* Clause 10 was not at hand: what only other sources call mandatory there is a rule of its own. */
static void
missing(struct lint_seen *x, struct walk *w, bool certain)
{
	for (size_t i = 0; w->rules && i < w->rules->n && i < USES; i++) {
		const struct sim_use *u = &w->rules->uses[i];

		if (w->seen[i] < u->least && in_version(u, x->g->msg->version) && (x->iface != &eis_scs || !u->spare) == certain)
			lint_found(x, x->side, u->type, certain ? "it is missing: %s of protocol_version %u must have it" : "it is missing: others put it into %s of protocol_version %u",
			    w->rules->name, x->g->msg->version);
	}
}

static void
last_missing(struct lint_seen *x, struct walk *w)
{
	missing(x, w, true);
}

static void
last_wanted(struct lint_seen *x, struct walk *w)
{
	missing(x, w, false);
}

static void
check_missing(struct lint_seen *x)
{
	over(x, NULL, last_missing);
}

static void
check_wanted(struct lint_seen *x)
{
	if (x->iface == &eis_scs)
		over(x, NULL, last_wanted);
}

static void
one_value(struct lint_seen *x, struct walk *w)
{
	uint64_t v = w->use && w->use->top && w->len <= 8 ? be_uint(w->v, w->len) : 0;

	if (v > 0 && v > w->use->top)
		lint_found(x, x->side, w->type, "%llu is reserved: with version %u it goes up to %u", (unsigned long long)v, x->g->msg->version, w->use->top);
}

static void
check_value(struct lint_seen *x)
{
	over(x, one_value, NULL);
}

static void
one_boolean(struct lint_seen *x, struct walk *w)
{
	static const struct { const struct sim_iface *iface; uint16_t type; } flags[] = {
		{ &ecmg_scs, ECMG_AC_TRANSFER_MODE }, { &eis_scs, EIS_SERVICE_FLAG }, { &eis_scs, EIS_COMPONENT_FLAG }, { &eis_scs, EIS_ACTIVATION_PENDING_FLAG },
		{ &eis_scs, EIS_AC_CHANGED_FLAG }, { &eis_scs, EIS_CP_DURATION_FLAG },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (w->param && flags[i].iface == x->iface && flags[i].type == w->type && w->len == 1 && w->v[0] > 1)
			lint_found(x, x->side, w->type, "a boolean of %u: 1 is true, 0 false", w->v[0]);
}

static void
check_boolean(struct lint_seen *x)
{
	if (x->iface == &eis_scs || x->kind->class == STREAM_STATUS)
		over(x, one_boolean, NULL);
}

static void
one_time(struct lint_seen *x, struct walk *w)
{
	if (!w->param || w->param->kind != SIM_TIME || w->len != 8)
		return;
	if (w->v[2] < 1 || w->v[2] > 12 || w->v[3] < 1 || w->v[3] > 31 || w->v[4] > 23 || w->v[5] > 59 || w->v[6] > 60 || w->v[7] > 99)
		lint_found(x, x->side, w->type, "%u-%02u-%02u %02u:%02u:%02u.%02u is no time%s", be16(w->v), w->v[2], w->v[3], w->v[4], w->v[5], w->v[6], w->v[7],
		    w->v[0] == 0x20 ? "; it looks like BCD, and is to be binary" : "");
}

static void
check_time(struct lint_seen *x)
{
	if (x->iface->ngroups)	/* the interfaces that have times have groups */
		over(x, one_time, NULL);
}

/* ---- versions, types, directions ---- */

static void
check_version(struct lint_seen *x)
{
	uint8_t v = x->g->msg->version;

	if (v < x->iface->oldest || v > x->iface->newest)
		lint_found(x, x->side, LINT_NO_PARAM, "protocol_version %u; %s has %u to %u", v, x->iface->name, x->iface->oldest, x->iface->newest);
}

static void
check_version_unusual(struct lint_seen *x)
{
	if (x->g->msg->version == 4 && (x->iface == &ecmg_scs || x->iface == &emmg_mux))
		lint_found(x, x->side, LINT_NO_PARAM, "no edition gives protocol_version 4 to %s", x->iface->name);
}

bool
lint_refuses_version(const struct lint_seen *x)
{
	return x->g->error && sim_int(x->g->msg, STATUS, -1) == 2;	/* unsupported protocol version, on every interface */
}

static void
check_version_change(struct lint_seen *x)
{
	uint8_t before = x->live->version[x->side];

	if (before && before != x->g->msg->version && !lint_refuses_version(x) && x->kind->class != CHANNEL_SETUP)
		lint_found(x, x->side, LINT_NO_PARAM, "protocol_version %u after %u on the same connection", x->g->msg->version, before);
}

static void
check_version_mirror(struct lint_seen *x)
{
	uint8_t other = x->live->version[1 - x->side];

	if (lint_whose(x->live, x->side) == LINT_SERVER && other && other != x->g->msg->version && !lint_refuses_version(x) && !x->live->rep->udp)
		lint_found(x, x->side, LINT_NO_PARAM, "protocol_version %u in answer to %u", x->g->msg->version, other);
}

static void
check_message(struct lint_seen *x)
{
	if (!x->g->msg->def && x->g->msg->type < USER_DEFINED)
		lint_found(x, x->side, LINT_NO_PARAM, "message_type 0x%04x has no meaning on %s", x->g->msg->type, x->iface->name);
}

static void
check_udp_message(struct lint_seen *x)
{
	if (x->live->rep->udp && x->g->msg->def && x->g->msg->type != EMMG_DATA_PROVISION)
		lint_found(x, x->side, LINT_NO_PARAM, "%s by UDP", x->message);
}

static void
check_udp_version(struct lint_seen *x)
{
	if (x->live->rep->udp && x->g->msg->version < 2)
		lint_found(x, x->side, LINT_NO_PARAM, "data by UDP with protocol_version %u", x->g->msg->version);
}

static void
check_direction(struct lint_seen *x)
{
	enum lint_side by = lint_whose(x->live, x->side);

	if (x->kind->by != LINT_EITHER && by != LINT_EITHER && by != x->kind->by)
		lint_found(x, x->side, LINT_NO_PARAM, "%s is sent by the %s, not by the %s", x->message, lint_side_word(x->iface, x->kind->by), lint_who(x->live, x->side));
}

/* ---- errors ---- */

static void
check_error_number(struct lint_seen *x)
{
	const struct sim_value *v;

	for (size_t i = 0; (v = sim_value(x->g->msg, STATUS, i)) != NULL; i++) {
		unsigned status = be16(v->p);

		if (status < USER_DEFINED && !sim_status_find(x->iface, (uint16_t)status) && (x->iface != &cpsig_psig || status == 0 || status > UNRECOVERABLE))
			lint_found(x, x->side, STATUS, "0x%04x is no error of %s", status, x->iface->name);
	}
}

/* Errors that are said of a channel, and of a stream. */
static void
check_error_level(struct lint_seen *x)
{
	static const struct { const struct sim_iface *iface; uint16_t channel[8], stream[8]; } levels[] = {
		{ &ecmg_scs, { ECMG_E_SUPER_CAS_ID, ECMG_E_TOO_MANY_CHANNELS, ECMG_E_CHANNEL_ID_IN_USE }, { ECMG_E_STREAM_ID, ECMG_E_TOO_MANY_STREAMS_CHANNEL,
		    ECMG_E_TOO_MANY_STREAMS_ECMG, ECMG_E_NOT_ENOUGH_CW, ECMG_E_ECM_ID, ECMG_E_STREAM_ID_IN_USE, ECMG_E_ECM_ID_IN_USE } },
		{ &emmg_mux, { EMMG_E_TOO_MANY_CHANNELS, EMMG_E_CHANNEL_ID_IN_USE, EMMG_E_CLIENT_ID_IN_USE }, { EMMG_E_STREAM_ID, EMMG_E_TOO_MANY_STREAMS_CHANNEL,
		    EMMG_E_TOO_MANY_STREAMS_MUX, EMMG_E_BANDWIDTH, EMMG_E_DATA_ID, EMMG_E_STREAM_ID_IN_USE, EMMG_E_DATA_ID_IN_USE } },
		{ &eis_scs, { EIS_E_CHANNEL_ID_IN_USE }, { EIS_E_SCG_ID, EIS_E_MAX_SCG, EIS_E_SERVICE_LEVEL, EIS_E_COMPONENT_LEVEL, EIS_E_TOO_SOON, EIS_E_SPANS_TS,
		    EIS_E_NO_ECM_GROUP, EIS_E_NO_CONTENT } },
	};
	const struct sim_value *v;

	if (x->kind->class != CHANNEL_ERROR && x->kind->class != STREAM_ERROR)
		return;
	for (size_t k = 0; k < sizeof(levels) / sizeof(levels[0]); k++)
		for (size_t i = 0; levels[k].iface == x->iface && (v = sim_value(x->g->msg, STATUS, i)) != NULL; i++) {
			bool of_channel = x->kind->class == CHANNEL_ERROR;
			const uint16_t *wrong = of_channel ? levels[k].stream : levels[k].channel;

			for (size_t n = 0; n < 8 && wrong[n]; n++)
				if (wrong[n] == be16(v->p))
					lint_found(x, x->side, STATUS, "0x%04x, %s, is said of a %s", wrong[n], sim_status_words(x->iface, wrong[n])->name, of_channel ? "stream" : "channel");
		}
}

static void
check_error_for_error(struct lint_seen *x)
{
	if (x->g->error && x->live->last_error && x->live->last_side == 1 - x->side && !x->wait && !x->live->lost[1 - x->side])
		lint_found(x, x->side, LINT_NO_PARAM, "an error message in answer to one");
}

/* A second ago: what was on its way then has come. */
static bool
told(int64_t since_ns, const struct lint_seen *x)
{
	return since_ns != 0 && x->at_ns - since_ns > LINT_SECOND;
}

static void
check_dead(struct lint_seen *x)
{
	if (lint_whose(x->live, x->side) != LINT_CLIENT || x->live->rep->udp || x->kind->class == CLASS_OTHER)
		return;
	if (told(x->live->dead_ns, x) && x->kind->class != CHANNEL_CLOSE && x->kind->class != STREAM_CLOSE_REQUEST && x->kind->class != CHANNEL_SETUP)
		lint_found(x, x->side, LINT_NO_PARAM, "%s after an unrecoverable error (0x7001) of the channel, which is to be closed", x->message);
	else if (x->st && told(x->st->dead_ns, x) && x->st->state != STREAM_CLOSED && (x->kind->class == STREAM_ASK || x->kind->class == STREAM_DATA || x->kind->class == STREAM_TEST))
		lint_found(x, x->side, LINT_NO_PARAM, "%s after an unrecoverable error (0x7001) of stream %lld, which is to be closed", x->message, (long long)x->stream);
}

/* ---- requests and answers ---- */

static void
check_silence(struct lint_seen *x)
{
	lint_found(x, x->side, LINT_NO_PARAM, "no answer within %.0f ms", ms(x->wait->limit_ns));
}

static void
check_dropped(struct lint_seen *x)
{
	struct lint_live *l = x->live;

	if (l->rep->udp || !l->rep->to_end || l->s->conn->half[0].first || l->s->conn->half[1].first)
		return;
	for (size_t i = 0; i < l->nwaits; i++) {
		const struct lint_wait *w = &l->wait[i];
		const struct sim_message *m = sim_message_find(w->pair->iface, w->pair->request);

		if (w->overdue || w->moot || lint_whose(l, w->side) != LINT_CLIENT || l->lost[0] || l->lost[1] || l->s->conn->half[w->side].fin || !l->s->conn->half[1 - w->side].fin ||
		    w->at_ns >= l->s->conn->half[1 - w->side].fin_ns)
			continue;
		x->frame = w->frame;
		x->at_ns = w->at_ns;
		x->message = m ? m->name : NULL;
		x->wait = w;
		lint_found(x, 1 - w->side, LINT_NO_PARAM, "the %s ended the connection instead of answering", lint_who(l, 1 - w->side));
	}
}

static void
check_unasked(struct lint_seen *x)
{
	if (x->wait || x->live->rep->udp || x->live->unwatched || x->live->lost[0] || x->live->lost[1])
		return;
	if (x->kind->class == STREAM_CLOSE_RESPONSE || (x->kind->class == STREAM_REPLY && x->iface == &psig_mux))
		lint_found(x, x->side, LINT_NO_PARAM, "nobody asked for it on stream %lld", (long long)x->stream);
	else if (x->kind->class == STREAM_REPLY && x->iface == &ecmg_scs)
		lint_found(x, x->side, ECMG_CP_NUMBER, "no CW_provision for CP_number %lld is open on stream %lld", (long long)value(x, ECMG_CP_NUMBER), (long long)x->stream);
}

/* ---- channels and streams ---- */

static void
check_channel_open(struct lint_seen *x)
{
	static const char *const why[] = { [CHANNEL_NONE] = "no channel was set up", [CHANNEL_ASKED] = "channel_status has not come",
		[CHANNEL_REFUSED] = "the channel was refused", [CHANNEL_CLOSED] = "the channel was closed" };
	enum lint_channel_state s = x->live->channel;

	if (x->live->rep->udp || lint_whose(x->live, x->side) == LINT_SERVER || x->kind->class == CLASS_OTHER || x->kind->class == CHANNEL_SETUP || x->g->error)
		return;
	if (s == CHANNEL_REFUSED && x->kind->class == CHANNEL_CLOSE)
		return;
	if (s != CHANNEL_OPEN && s != CHANNEL_UNKNOWN)
		lint_found(x, x->side, LINT_NO_PARAM, "%s", why[s]);
}

static void
check_channel_twice(struct lint_seen *x)
{
	if (x->kind->class == CHANNEL_SETUP && (x->live->channel == CHANNEL_OPEN || x->live->channel == CHANNEL_ASKED) && !x->live->lost[0] && !x->live->lost[1])
		lint_found(x, x->side, LINT_NO_PARAM, "channel %lld is open on this connection already", (long long)x->live->rep->channel.id);
}

static void
check_channel_id(struct lint_seen *x)
{
	int64_t open = x->live->rep->channel.id;
	enum lint_channel_state s = x->live->channel;

	if (x->live->rep->udp || x->channel < 0 || open < 0 || x->channel == open || x->kind->class == CHANNEL_SETUP || (s != CHANNEL_OPEN && s != CHANNEL_ASKED))
		return;
	if (x->g->error && (x->channel == 0 || x->wait))	/* 0: the channel could not be read; an error echoes what it is about */
		return;
	lint_found(x, x->side, dec_channel_param(x->iface), "channel %lld; that of this connection is %lld", (long long)x->channel, (long long)open);
}

static bool
goes_on(const struct lint_live *l)
{
	const struct dec_conn *c = l->s->conn;

	return !c->closed && !c->half[0].fin && !c->half[1].fin && (l->channel == CHANNEL_OPEN || l->channel == CHANNEL_ASKED);
}

static bool
same_end(const struct lint_live *a, int side_a, const struct lint_live *b, int side_b, bool port)
{
	const struct ip_ends *x = &a->s->conn->ends, *y = &b->s->conn->ends;

	return x->v6 == y->v6 && memcmp(side_a ? x->to : x->from, side_b ? y->to : y->from, x->v6 ? 16 : 4) == 0 &&
	    (!port || (side_a ? x->to_port : x->from_port) == (side_b ? y->to_port : y->from_port));
}

/* Two connections of one SCS to ECMGs, or of a client to a MUX, that use one name at the same time: as far as addresses tell, and unless one of them is dead. */
static void
check_channel_shared(struct lint_seen *x)
{
	int64_t name = x->iface == &emmg_mux ? value(x, EMMG_CLIENT_ID) : -1;

	if (x->kind->class != CHANNEL_SETUP || (x->iface != &ecmg_scs && x->iface != &emmg_mux && x->iface != &eis_scs))
		return;
	for (const struct lint_live *o = lint_lives(x->lint); o; o = o->next) {
		if (o == x->live || o->rep->udp || o->s->iface != x->iface || !goes_on(o) || o->rep->channel.id != x->channel ||
		    !same_end(o, 1 - o->s->client, x->live, 1 - x->live->s->client, true) || (name >= 0 && o->rep->channel.super_cas_id != name))
			continue;
		if (x->iface == &ecmg_scs && !same_end(o, o->s->client, x->live, x->live->s->client, false))
			continue;	/* two SCSs may each have a channel 1 */
		lint_found(x, x->side, dec_channel_param(x->iface), "session %u of the same peers has channel %lld open", o->s->number, (long long)x->channel);
		return;
	}
}

static void
check_stream_open(struct lint_seen *x)
{
	const struct lint_st *st = x->st;
	bool needs = x->kind->class == STREAM_ASK || x->kind->class == STREAM_DATA || x->kind->class == STREAM_TEST || x->kind->class == STREAM_CLOSE_REQUEST;

	if (x->live->rep->udp || !needs || lint_whose(x->live, x->side) == LINT_SERVER || x->live->channel != CHANNEL_OPEN || x->stream < 0)
		return;
	if (!st && x->live->streams_known)
		lint_found(x, x->side, dec_stream_param(x->iface), "stream %lld was not set up", (long long)x->stream);
	else if (st && st->state == STREAM_CLOSED && x->live->streams_known)
		lint_found(x, x->side, dec_stream_param(x->iface), "stream %lld was closed", (long long)x->stream);
	else if (st && st->state == STREAM_CLOSING && x->kind->class != STREAM_TEST)
		lint_found(x, x->side, dec_stream_param(x->iface), "stream %lld is being closed", (long long)x->stream);
	else if (st && st->state == STREAM_ASKED && x->kind->class != STREAM_CLOSE_REQUEST && x->iface != &eis_scs)
		lint_found(x, x->side, dec_stream_param(x->iface), "stream_status of stream %lld has not come", (long long)x->stream);
}

static void
check_stream_twice(struct lint_seen *x)
{
	if (x->kind->class == STREAM_SETUP && x->iface != &eis_scs && x->st && (x->st->state == STREAM_OPEN || x->st->state == STREAM_ASKED))
		lint_found(x, x->side, dec_stream_param(x->iface), "stream %lld was set up in frame %llu and is open", (long long)x->stream,
		    (unsigned long long)x->st->opened_frame);
}

static void
check_max_streams(struct lint_seen *x)
{
	int most = x->iface == &eis_scs ? x->live->max_scg : x->live->rep->channel.max_streams;
	int open = 0;

	if (x->kind->class != STREAM_SETUP || most <= 0)
		return;
	for (size_t i = 0; i < x->live->nst; i++)
		open += x->live->st[i].id != x->stream && !x->live->st[i].empty && x->live->st[i].state != STREAM_CLOSED && x->live->st[i].state != STREAM_UNKNOWN;
	if (open >= most)
		lint_found(x, x->side, dec_stream_param(x->iface), "%d streams are open, and the channel may have %d", open, most);
}

/* ECM_id is one at its Super_CAS_id, data_id one of its client: on the same connection, or on another one to the same server, whose client may be gone. */
static void
find_id(struct lint_seen *x, bool elsewhere)
{
	uint16_t param = x->iface == &ecmg_scs ? ECMG_ECM_ID : x->iface == &emmg_mux ? EMMG_DATA_ID : 0;
	int64_t id = param ? value(x, param) : -1, type = x->iface == &emmg_mux ? value(x, EMMG_DATA_TYPE) : -1;

	if (x->kind->class != STREAM_SETUP || id < 0)
		return;
	for (const struct lint_live *o = lint_lives(x->lint); o; o = o->next) {
		if ((o != x->live) != elsewhere || o->rep->udp || o->s->iface != x->iface || !goes_on(o) || o->rep->channel.super_cas_id != x->live->rep->channel.super_cas_id ||
		    !same_end(o, 1 - o->s->client, x->live, 1 - x->live->s->client, true))
			continue;
		for (size_t i = 0; i < o->nst; i++)
			if (o->st[i].ecm_id == id && (o->st[i].state == STREAM_OPEN || o->st[i].state == STREAM_ASKED) && !(o == x->live && o->st[i].id == x->stream) &&
			    (x->iface != &emmg_mux || o->st[i].data_type == type)) {
				lint_found(x, x->side, param, "%lld is that of stream %lld of session %u, which is open", (long long)id, (long long)o->st[i].id, o->s->number);
				return;
			}
	}
}

static void
check_id_twice(struct lint_seen *x)
{
	find_id(x, false);
}

static void
check_id_shared(struct lint_seen *x)
{
	find_id(x, true);
}

static void
check_status_same(struct lint_seen *x)
{
	const struct lint_channel *c = &x->live->rep->channel;
	static const uint16_t params[] = { ECMG_SECTION_TSPKT, ECMG_MAX_STREAMS, ECMG_MIN_CP_DURATION, ECMG_LEAD_CW, ECMG_CW_PER_MSG, ECMG_MAX_COMP_TIME, ECMG_REP_PERIOD,
		ECMG_DELAY_START, ECMG_DELAY_STOP, ECMG_TRANS_START, ECMG_TRANS_STOP, ECMG_AC_DELAY_START, ECMG_AC_DELAY_STOP };
	const int64_t was[] = { c->section_TSpkt_flag, c->max_streams, c->min_CP_duration, c->lead_CW, c->CW_per_msg, c->max_comp_time, c->ECM_rep_period,
		c->delay_start, c->delay_stop, c->transition_delay_start, c->transition_delay_stop, c->AC_delay_start, c->AC_delay_stop };

	if (!x->live->limits || x->live->channel != CHANNEL_OPEN)
		return;
	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		int64_t now = sim_int(x->g->msg, params[i], 0);

		if (!sim_count(x->g->msg, params[i]) || now == was[i])
			continue;
		if (was[i] == INT32_MIN)
			lint_found(x, x->side, params[i], "%lld; the channel was opened without", (long long)now);
		else
			lint_found(x, x->side, params[i], "%lld; the channel was opened with %lld", (long long)now, (long long)was[i]);
	}
}

static void
check_stream_status_same(struct lint_seen *x)
{
	uint16_t param = x->iface == &ecmg_scs ? ECMG_ECM_ID : x->iface == &emmg_mux ? EMMG_DATA_ID : 0;
	int64_t id = param ? value(x, param) : -1, type = x->iface == &emmg_mux ? value(x, EMMG_DATA_TYPE) : -1;

	if (x->kind->class != STREAM_STATUS || !x->st || x->st->state == STREAM_UNKNOWN)
		return;
	if (id >= 0 && x->st->ecm_id >= 0 && id != x->st->ecm_id)
		lint_found(x, x->side, param, "%lld; the stream was set up with %lld", (long long)id, (long long)x->st->ecm_id);
	if (type >= 0 && x->st->data_type >= 0 && type != x->st->data_type)
		lint_found(x, x->side, EMMG_DATA_TYPE, "%lld; the stream was set up with %lld", (long long)type, (long long)x->st->data_type);
}

static void
check_close_order(struct lint_seen *x)
{
	unsigned open = 0;

	if (x->kind->class != CHANNEL_CLOSE || x->iface == &eis_scs)
		return;
	for (size_t i = 0; i < x->live->nst; i++)
		open += x->live->st[i].state == STREAM_OPEN || x->live->st[i].state == STREAM_CLOSING;
	if (open)
		lint_found(x, x->side, LINT_NO_PARAM, "%u stream%s still open", open, open == 1 ? " is" : "s are");
}

static void
check_no_close(struct lint_seen *x)
{
	struct lint_live *l = x->live;
	const struct dec_half *client = &l->s->conn->half[l->s->client], *server = &l->s->conn->half[1 - l->s->client];

	if (l->rep->udp || l->channel != CHANNEL_OPEN || l->lost[0] || l->lost[1] || l->dead_ns || !client->fin || (server->fin && server->fin_ns < client->fin_ns))
		return;
	lint_found(x, l->s->client, LINT_NO_PARAM, "the connection ended without channel_close for channel %lld", (long long)l->rep->channel.id);
}

/* ---- ECMG <=> SCS ---- */

static bool
is_bcast(int64_t id)
{
	return id >= 0 && (id >> 16 == BCAST_DRM || id >> 16 == BCAST_SMARTCARD);
}

static void
check_bcast_flag(struct lint_seen *x)
{
	int64_t flag = value(x, ECMG_SECTION_TSPKT), id = x->iface == &emmg_mux ? value(x, EMMG_CLIENT_ID) : x->live->rep->channel.super_cas_id;

	if ((x->kind->class == CHANNEL_STATUS || x->kind->class == CHANNEL_SETUP) && (x->iface == &ecmg_scs || x->iface == &emmg_mux) &&
	    sim_count(x->g->msg, ECMG_SECTION_TSPKT) && x->g->msg->version >= BCAST_VERSION && is_bcast(id) && flag != 2)
		lint_found(x, x->side, ECMG_SECTION_TSPKT, "%lld with 0x%08llx, whose messages are OMA BCAST's: only 2 is allowed", (long long)flag, (unsigned long long)id);
}

static void
check_flag_version(struct lint_seen *x)
{
	if ((x->kind->class == CHANNEL_STATUS || x->kind->class == CHANNEL_SETUP) && (x->iface == &ecmg_scs || x->iface == &emmg_mux) &&
	    value(x, ECMG_SECTION_TSPKT) == 2 && (x->g->msg->version == 3 || x->g->msg->version == 4))
		lint_found(x, x->side, ECMG_SECTION_TSPKT, "2 came with protocol_version 5; this is %u", x->g->msg->version);
}

static void
check_cw_per_msg(struct lint_seen *x)
{
	if (sim_count(x->g->msg, ECMG_CW_PER_MSG) && value(x, ECMG_CW_PER_MSG) == 0)
		lint_found(x, x->side, ECMG_CW_PER_MSG, "0: no ECM can be made of no control word");
}

static void
check_comp_time(struct lint_seen *x)
{
	int64_t comp = value(x, ECMG_MAX_COMP_TIME), least = value(x, ECMG_MIN_CP_DURATION) * 100;

	if (comp >= 0 && least > 0 && comp >= least)
		lint_found(x, x->side, ECMG_MAX_COMP_TIME, "%lld ms; it is to be less than min_CP_duration, %lld ms", (long long)comp, (long long)least);
}

static void
check_delay_late(struct lint_seen *x)
{
	int64_t delay = sim_int(x->g->msg, ECMG_DELAY_START, 0);

	if (value(x, ECMG_LEAD_CW) == 0 && delay >= 0 && sim_count(x->g->msg, ECMG_DELAY_START))
		lint_found(x, x->side, ECMG_DELAY_START, "%lld ms with lead_CW 0: the start of a crypto-period cannot be descrambled before its ECM is on air", (long long)delay);
}

static void
check_delay_gap(struct lint_seen *x)
{
	int64_t gap = sim_int(x->g->msg, ECMG_DELAY_START, 0) - sim_int(x->g->msg, ECMG_DELAY_STOP, 0);

	if (gap > 0)
		lint_found(x, x->side, ECMG_DELAY_STOP, "with delay_start %lld ms no ECM is on air for %lld ms between two crypto-periods", (long long)sim_int(x->g->msg, ECMG_DELAY_START, 0),
		    (long long)gap);
}

static void
check_nominal(struct lint_seen *x)
{
	const struct lint_channel *c = &x->live->rep->channel;
	int64_t nominal = value(x, ECMG_NOMINAL_CP_DURATION);

	if (nominal >= 0 && c->min_CP_duration >= 0 && nominal < c->min_CP_duration)
		lint_found(x, x->side, ECMG_NOMINAL_CP_DURATION, "%lld ms; min_CP_duration is %d ms", (long long)nominal * 100, c->min_CP_duration * 100);
}

static void
check_nominal_comp(struct lint_seen *x)
{
	const struct lint_channel *c = &x->live->rep->channel;
	int64_t nominal = value(x, ECMG_NOMINAL_CP_DURATION);

	if (nominal >= 0 && c->max_comp_time >= 0 && nominal * 100 < c->max_comp_time)
		lint_found(x, x->side, ECMG_NOMINAL_CP_DURATION, "%lld ms; an ECM may take max_comp_time, %d ms", (long long)nominal * 100, c->max_comp_time);
}

static void
check_delay_large(struct lint_seen *x)
{
	const struct lint_channel *c = &x->live->rep->channel;
	int64_t nominal = value(x, ECMG_NOMINAL_CP_DURATION) * 100;

	if (nominal > 0 && c->delay_start != INT32_MIN && llabs(c->delay_start) > nominal)
		lint_found(x, 1 - x->side, ECMG_DELAY_START, "%d ms; the crypto-periods of stream %lld last %lld ms", (int)c->delay_start, (long long)x->stream, (long long)nominal);
	if (nominal > 0 && c->delay_stop != INT32_MIN && llabs(c->delay_stop) > nominal)
		lint_found(x, 1 - x->side, ECMG_DELAY_STOP, "%d ms; the crypto-periods of stream %lld last %lld ms", (int)c->delay_stop, (long long)x->stream, (long long)nominal);
}

static void
check_outstanding(struct lint_seen *x)
{
	const struct lint_live *l = x->live;
	int64_t limit = (l->rep->channel.max_comp_time >= 0 ? l->rep->channel.max_comp_time : SHORTEST_COMP_MS) * LINT_MS;

	for (size_t i = 0; i < l->nwaits; i++)
		if (l->wait[i].pair->request == ECMG_CW_PROVISION && !l->wait[i].moot && l->wait[i].stream == x->stream && l->wait[i].side == x->side && x->at_ns - l->wait[i].at_ns <= limit &&
		    !l->lost[1 - x->side]) {
			lint_found(x, x->side, ECMG_CP_NUMBER, "CP %lld is asked for while CP %lld (frame %llu) has no answer", (long long)value(x, ECMG_CP_NUMBER), (long long)l->wait[i].key,
			    (unsigned long long)l->wait[i].frame);
			return;
		}
}

/* What lead_CW and CW_per_msg ask for in this CW_provision. false: not known. */
static bool
window(const struct lint_seen *x, uint16_t *first, int *n)
{
	const struct lint_channel *c = &x->live->rep->channel;

	if (c->lead_CW < 0 || c->CW_per_msg < 1 || value(x, ECMG_CP_NUMBER) < 0)
		return false;
	*first = (uint16_t)(value(x, ECMG_CP_NUMBER) + 1 + c->lead_CW - c->CW_per_msg);
	*n = c->CW_per_msg;
	return true;
}

static void
check_cw_count(struct lint_seen *x)
{
	uint16_t first;
	int n;

	if (window(x, &first, &n) && sim_count(x->g->msg, ECMG_CP_CW) != (size_t)n)
		lint_found(x, x->side, ECMG_CP_CW, "%zu control words; CW_per_msg is %d", sim_count(x->g->msg, ECMG_CP_CW), n);
}

/* The lead of a CP over the first that is asked for; -1: it is none of them. */
static int
in_window(uint16_t cp, uint16_t first, int n)
{
	uint16_t d = (uint16_t)(cp - first);

	return d < n ? d : -1;
}

static void
check_cw_window(struct lint_seen *x)
{
	const struct sim_value *v;
	uint16_t first;
	int n;

	if (!window(x, &first, &n))
		return;
	for (size_t i = 0; (v = sim_value(x->g->msg, ECMG_CP_CW, i)) != NULL; i++)
		if (in_window((uint16_t)be16(v->p), first, n) < 0) {
			lint_found(x, x->side, ECMG_CP_CW, "a control word of CP %u with CP_number %lld; lead_CW and CW_per_msg ask for CP %u to %u", be16(v->p),
			    (long long)value(x, ECMG_CP_NUMBER), first, (unsigned)(uint16_t)(first + n - 1));
			return;
		}
}

static void
check_cw_twice(struct lint_seen *x)
{
	const struct sim_value *a, *b;

	for (size_t i = 0; (a = sim_value(x->g->msg, ECMG_CP_CW, i)) != NULL; i++)
		for (size_t k = 0; k < i; k++)
			if ((b = sim_value(x->g->msg, ECMG_CP_CW, k)) != NULL && be16(a->p) == be16(b->p)) {
				lint_found(x, x->side, ECMG_CP_CW, "two control words of CP %u", be16(a->p));
				return;
			}
}

static void
check_cw_changed(struct lint_seen *x)
{
	const struct sim_value *v;

	if (!x->st || sim_count(x->g->msg, ECMG_CW_ENCRYPTION))
		return;
	for (size_t i = 0; (v = sim_value(x->g->msg, ECMG_CP_CW, i)) != NULL; i++) {
		unsigned cp = be16(v->p);

		if (x->st->cw[cp % LINT_CWS].known && x->st->cw[cp % LINT_CWS].cp == cp &&
		    x->st->cw[cp % LINT_CWS].digest != lint_digest(x->lint, v->p + 2, v->len - 2u))
			lint_found(x, x->side, ECMG_CP_CW, "the control word of CP %u is not the one that was sent before", cp);
	}
}

static void
check_cw_length(struct lint_seen *x)
{
	const struct sim_value *v;

	if (!x->st || sim_count(x->g->msg, ECMG_CW_ENCRYPTION))
		return;
	for (size_t i = 0; (v = sim_value(x->g->msg, ECMG_CP_CW, i)) != NULL; i++) {
		unsigned before = be16(v->p) - 1u;

		if (x->st->cw[before % LINT_CWS].known && x->st->cw[before % LINT_CWS].cp == (uint16_t)before && x->st->cw[before % LINT_CWS].len != v->len - 2u)
			lint_found(x, x->side, ECMG_CP_CW, "a control word of %u octets; that of the crypto-period before had %u", v->len - 2u, x->st->cw[before % LINT_CWS].len);
	}
}

static void
check_cw_same(struct lint_seen *x)
{
	const struct sim_value *v;

	if (!x->st || x->st->ncps == 0 || sim_count(x->g->msg, ECMG_CW_ENCRYPTION))	/* periods before the first may have any word */
		return;
	for (size_t i = 0; (v = sim_value(x->g->msg, ECMG_CP_CW, i)) != NULL; i++) {
		uint16_t cp = (uint16_t)be16(v->p), before = (uint16_t)(cp - 1);
		uint64_t digest = lint_digest(x->lint, v->p + 2, v->len - 2u);

		if (x->st->cw[before % LINT_CWS].known && x->st->cw[before % LINT_CWS].cp == before && x->st->cw[before % LINT_CWS].digest == digest &&
		    !(x->st->cw[cp % LINT_CWS].known && x->st->cw[cp % LINT_CWS].cp == cp))
			lint_found(x, x->side, ECMG_CP_CW, "the control word of CP %u is that of CP %u again", cp, before);
	}
}

/* So many crypto-periods may have gone by since the last CW_provision of the stream. */
static bool
passed(const struct lint_seen *x, uint16_t periods)
{
	int64_t least = x->st->nominal ? x->st->nominal : x->live->rep->channel.min_CP_duration, since = x->at_ns - x->st->pace[(x->st->npace - 1) % LINT_PACE];

	return least > 0 && x->st->npace > 0 && periods < 0x8000 && since >= (2 * periods - 1) * least * 50 * LINT_MS;
}

static void
check_cp_sequence(struct lint_seen *x)
{
	uint16_t cp = (uint16_t)value(x, ECMG_CP_NUMBER), due;

	if (!x->st || !x->st->cp_known || value(x, ECMG_CP_NUMBER) < 0 || x->live->lost[x->side])
		return;
	due = (uint16_t)(x->st->cp + 1);
	/* what was refused, or not answered, may be asked for again; another ECMG of this KMS may have been asked meanwhile */
	if (cp != due && cp != x->st->cp && !passed(x, (uint16_t)(cp - x->st->cp)))
		lint_found(x, x->side, ECMG_CP_NUMBER, "CP %u after CP %u of stream %lld", cp, x->st->cp, (long long)x->stream);
}

static void
check_access_criteria(struct lint_seen *x)
{
	if (x->st && x->st->ac_mode > 0 && !sim_count(x->g->msg, ECMG_ACCESS_CRITERIA))
		lint_found(x, x->side, ECMG_ACCESS_CRITERIA, "access_criteria_transfer_mode is 1: they are needed in every CW_provision");
}

static void
check_cp_duration(struct lint_seen *x)
{
	int64_t d = value(x, ECMG_CP_DURATION);
	const struct lint_channel *c = &x->live->rep->channel;

	if (d >= 0 && c->min_CP_duration >= 0 && d < c->min_CP_duration)
		lint_found(x, x->side, ECMG_CP_DURATION, "CP %lld is to last %lld ms; min_CP_duration is %d ms", (long long)value(x, ECMG_CP_NUMBER), (long long)d * 100, c->min_CP_duration * 100);
}

static void
check_cp_nominal(struct lint_seen *x)
{
	int64_t d = value(x, ECMG_CP_DURATION);

	if (d >= 0 && x->st && x->st->nominal && d < x->st->nominal)
		lint_found(x, x->side, ECMG_CP_DURATION, "CP %lld is to last %lld ms; nominal_CP_duration is %d ms, and none lasts less", (long long)value(x, ECMG_CP_NUMBER), (long long)d * 100,
		    x->st->nominal * 100);
}

/* Over LINT_PACE periods: a few may be asked for ahead, at the start or after a fault. */
static void
check_cp_pace(struct lint_seen *x)
{
	const struct lint_channel *c = &x->live->rep->channel;
	int64_t took;

	if (!x->st || c->min_CP_duration <= 0 || x->st->npace < 2 * LINT_PACE || value(x, ECMG_CP_NUMBER) == x->st->cp)
		return;
	took = x->at_ns - x->st->pace[x->st->npace % LINT_PACE];
	if (took < LINT_PACE * c->min_CP_duration * 75 * LINT_MS)	/* one may have come late */
		lint_found(x, x->side, ECMG_CP_NUMBER, "%d crypto-periods within %.0f ms; min_CP_duration is %d ms", LINT_PACE, ms(took), c->min_CP_duration * 100);
}

static void
check_late(struct lint_seen *x)
{
	if (x->late)
		lint_found(x, x->side, ECMG_MAX_COMP_TIME, "the ECM of CP %lld took %.1f ms; max_comp_time is %d ms", (long long)x->wait->key, ms(x->took_ns),
		    x->live->rep->channel.max_comp_time);
}

static void
check_cw_refused(struct lint_seen *x)
{
	if (x->iface == &ecmg_scs && x->wait && x->wait->pair->request == ECMG_CW_PROVISION && x->wait->cws_right && value(x, STATUS) == ECMG_E_NOT_ENOUGH_CW)
		lint_found(x, x->side, STATUS, "0x000b for CP %lld, whose CW_provision had the control words that lead_CW and CW_per_msg ask for", (long long)x->wait->key);
}

bool
lint_window_right(const struct lint_seen *x)
{
	const struct sim_value *v;
	uint16_t first;
	int n;

	/* with fewer words than an ECM needs the first ones only prime the ECMG, which may say so */
	if (x->iface != &ecmg_scs || !window(x, &first, &n) || sim_count(x->g->msg, ECMG_CP_CW) != (size_t)n || n <= x->live->rep->channel.lead_CW)
		return false;
	for (size_t i = 0; (v = sim_value(x->g->msg, ECMG_CP_CW, i)) != NULL; i++)
		if (in_window((uint16_t)be16(v->p), first, n) < 0)
			return false;
	return true;
}

/* ---- datagrams ---- */

/* What is wrong with a section of table_id first..last; NULL: nothing. */
static const char *
section_fault(const uint8_t *p, size_t len, unsigned first, unsigned last, char out[LINT_TEXT])
{
	size_t n;

	if (len < 3) {
		snprintf(out, LINT_TEXT, "%zu octets are no section", len);
		return out;
	}
	n = 3u + ((p[1] & 15u) << 8 | p[2]);
	if (n < len && first != 0 && len - n >= 3 && p[n] >= 0x80 && p[n] <= 0x8f)
		snprintf(out, LINT_TEXT, "several sections in one datagram: the first ends after %zu of %zu octets", n, len);
	else if (n != len)
		snprintf(out, LINT_TEXT, "section_length says %zu octets, the parameter has %zu", n, len);
	else if (p[0] < first || p[0] > last)
		snprintf(out, LINT_TEXT, "table_id 0x%02x; it is to be 0x%02x to 0x%02x", p[0], first, last);
	else
		return NULL;
	return out;
}

static const char *
packets_fault(const uint8_t *p, size_t len, char out[LINT_TEXT])
{
	if (len == 0 || len % TS_PACKET) {
		snprintf(out, LINT_TEXT, "%zu octets are no whole TS packets of 188", len);
		return out;
	}
	for (size_t at = 0; at < len; at += TS_PACKET)
		if (p[at] != TS_SYNC) {
			snprintf(out, LINT_TEXT, "packet %zu begins with 0x%02x; it is to be 0x47", at / TS_PACKET, p[at]);
			return out;
		}
	return NULL;
}

static void
check_ecm_format(struct lint_seen *x)
{
	const struct sim_value *v = sim_value(x->g->msg, ECMG_ECM_DATAGRAM, 0);
	int flag = x->live->rep->channel.section_TSpkt_flag;
	char why[LINT_TEXT];
	const char *fault = NULL;

	if (!v || v->len == 0)	/* empty: no ECM on air */
		return;
	if (flag == 0)
		fault = section_fault(v->p, v->len, 0x80, 0x81, why);
	else if (flag == 1)
		fault = packets_fault(v->p, v->len, why);
	if (fault)
		lint_found(x, x->side, ECMG_ECM_DATAGRAM, "section_TSpkt_flag %d: %s", flag, fault);
}

static void
check_table_id(struct lint_seen *x)
{
	const struct sim_value *v = sim_value(x->g->msg, ECMG_ECM_DATAGRAM, 0);

	/* between others another ECMG may have made some */
	if (v && v->len && x->st && (uint16_t)(x->st->table_cp + 1) == value(x, ECMG_CP_NUMBER) && x->live->rep->channel.section_TSpkt_flag == 0 && x->st->table_id == v->p[0] && (v->p[0] & 0xfe) == 0x80 &&
	    x->st->ecm_digest != lint_digest(x->lint, v->p, v->len))
		lint_found(x, x->side, ECMG_ECM_DATAGRAM, "table_id 0x%02x again, with another ECM: receivers may not see the change", v->p[0]);
}

static void
check_data_format(struct lint_seen *x)
{
	int flag = x->control ? x->control->rep->channel.section_TSpkt_flag : -1;
	bool emm = x->st && x->st->data_type == 0;
	const struct sim_value *v;
	char why[LINT_TEXT];

	for (size_t i = 0; (v = sim_value(x->g->msg, EMMG_DATAGRAM, i)) != NULL; i++) {
		const char *fault = flag == 0 ? section_fault(v->p, v->len, emm ? 0x82 : 0x00, emm ? 0x8f : 0xff, why) : flag == 1 ? packets_fault(v->p, v->len, why) : NULL;

		if (fault)
			lint_found(x, x->side, EMMG_DATAGRAM, "section_TSpkt_flag %d: %s", flag, fault);
	}
}

/* ---- EMMG <=> MUX ---- */

static void
check_flag_repeated(struct lint_seen *x)
{
	int was = x->live->rep->channel.section_TSpkt_flag;

	if (was >= 0 && sim_count(x->g->msg, EMMG_SECTION_TSPKT) && value(x, EMMG_SECTION_TSPKT) != was)
		lint_found(x, x->side, EMMG_SECTION_TSPKT, "%lld; channel_setup said %d, which holds for the channel", (long long)value(x, EMMG_SECTION_TSPKT), was);
}

static void
check_client(struct lint_seen *x)
{
	int64_t id = value(x, EMMG_CLIENT_ID), open = x->live->rep->channel.super_cas_id;

	if (!x->live->rep->udp && id >= 0 && open >= 0 && id != open && x->live->channel == CHANNEL_OPEN && x->kind->class != CHANNEL_SETUP && !x->g->error)
		lint_found(x, x->side, EMMG_CLIENT_ID, "0x%08llx; the channel is that of 0x%08llx", (unsigned long long)id, (unsigned long long)open);
}

static void
check_data_id(struct lint_seen *x)
{
	int64_t id = value(x, EMMG_DATA_ID);

	if (!x->live->rep->udp && x->st && x->st->state == STREAM_OPEN && id >= 0 && x->st->ecm_id >= 0 && id != x->st->ecm_id)
		lint_found(x, x->side, EMMG_DATA_ID, "%lld; stream %lld was set up with %lld", (long long)id, (long long)x->stream, (long long)x->st->ecm_id);
}

static void
check_udp_stream(struct lint_seen *x)
{
	/* two connections, whose frames may have changed places: what TCP said last is a second old */
	if (x->live->rep->udp && x->control && x->control->streams_known && x->control->channel == CHANNEL_OPEN && x->at_ns - x->control->rep->last_ns > LINT_SECOND && (!x->st || x->st->state == STREAM_CLOSED || x->st->state == STREAM_ASKED))
		lint_found(x, x->side, EMMG_DATA_ID, "client_id 0x%08llx has no stream with data_id %lld open on its TCP connection, session %u", (unsigned long long)value(x, EMMG_CLIENT_ID),
		    (long long)value(x, EMMG_DATA_ID), x->control->s->number);
}

/* Kilobits of datagrams, headers not counted, over what was allocated, of which a second's worth may come at once, and a message more. */
static void
check_bandwidth(struct lint_seen *x)
{
	struct lint_st *st = x->st;
	double rate, most, bytes = 0;
	const struct sim_value *v;

	if (!st || !st->allocated || x->at_ns < st->spared_ns)
		return;
	rate = st->extra * 1000.0 / 8;
	most = rate > 0 ? rate : 0;
	st->credit += (double)(x->at_ns - st->credit_ns) / (double)LINT_SECOND * rate * 1.05;
	st->credit = st->credit > most ? most : st->credit;
	st->credit_ns = x->at_ns;
	for (size_t i = 0; (v = sim_value(x->g->msg, EMMG_DATAGRAM, i)) != NULL; i++)
		bytes += v->len;
	if (st->credit <= 0 && bytes > 0)
		lint_found(x, x->side, EMMG_BANDWIDTH, "stream %lld sends more than %u kbit/s, even with a second's worth at once", (long long)st->id, st->extra);
	else
		st->credit -= bytes;
}

static void
check_bandwidth_absent(struct lint_seen *x)
{
	if (x->wait && !sim_count(x->g->msg, EMMG_BANDWIDTH) && x->st && x->st->ncps)
		lint_found(x, x->side, EMMG_BANDWIDTH, "the EMMG asked for a bandwidth, and the answer has none");
}

static void
note_bandwidth_asked(struct lint_seen *x)
{
	struct lint_st *st = x->st;

	if (st)		/* of an EMMG's stream no crypto-periods are counted */
		st->ncps = sim_count(x->g->msg, EMMG_BANDWIDTH) > 0;
}

/* ---- EIS <=> SCS ---- */

static void
check_scg_content(struct lint_seen *x)
{
	bool content = sim_count(x->g->msg, EIS_SERVICE_ID) || sim_count(x->g->msg, EIS_COMPONENT_ID), groups = sim_count(x->g->msg, EIS_ECM_GROUP) > 0;

	if (content && !groups)
		lint_found(x, x->side, EIS_ECM_GROUP, "content entries without an ECM_Group");
	else if (!content && groups)
		lint_found(x, x->side, EIS_SERVICE_ID, "an ECM_Group without content entries");
}

static void
check_scg_level(struct lint_seen *x)
{
	if (x->live->service_flag == 0 && sim_count(x->g->msg, EIS_SERVICE_ID))
		lint_found(x, x->side, EIS_SERVICE_ID, "channel_status said that groups of services are not supported");
	if (x->live->component_flag == 0 && sim_count(x->g->msg, EIS_COMPONENT_ID))
		lint_found(x, x->side, EIS_COMPONENT_ID, "channel_status said that groups of elementary streams are not supported");
}

static const uint8_t *
in_group(const struct sim_value *g, uint16_t type, unsigned len)
{
	for (size_t at = 0; at + TLV <= g->len && be16(g->p + at + 2) <= g->len - at - TLV; at += TLV + be16(g->p + at + 2))
		if (be16(g->p + at) == type && be16(g->p + at + 2) == len)
			return g->p + at + TLV;
	return NULL;
}

static void
check_group_twice(struct lint_seen *x)
{
	const struct sim_value *a, *b;

	for (size_t i = 0; i < 64 && (a = sim_value(x->g->msg, EIS_ECM_GROUP, i)) != NULL; i++)
		for (size_t k = 0; k < i && (b = sim_value(x->g->msg, EIS_ECM_GROUP, k)) != NULL; k++) {
			const uint8_t *id = in_group(a, EIS_ECM_ID, 2), *cas = in_group(a, EIS_SUPER_CAS_ID, 4), *id2 = in_group(b, EIS_ECM_ID, 2), *cas2 = in_group(b, EIS_SUPER_CAS_ID, 4);

			if (id && cas && id2 && cas2 && memcmp(id, id2, 2) == 0 && memcmp(cas, cas2, 4) == 0)
				lint_found(x, x->side, EIS_ECM_ID, "ECM_ID %u of Super_CAS_ID 0x%04x%04x stands in two ECM_Groups", be16(id), be16(cas), be16(cas + 2));
		}
}

static void
check_group_known(struct lint_seen *x)
{
	if (!x->st && x->live->streams_known && x->live->channel == CHANNEL_OPEN)
		lint_found(x, x->side, EIS_SCG_ID, "SCG %lld was not defined", (long long)x->stream);
}

/* ---- TCP, and what is no message ---- */

static void
check_reset(struct lint_seen *x)
{
	if (x->event == DEC_TCP_RESET && (x->live->channel == CHANNEL_OPEN || x->live->channel == CHANNEL_ASKED))
		lint_found(x, x->side, LINT_NO_PARAM, "the %s reset the connection while its channel was open", lint_who(x->live, x->side));
}

static void
check_behind_fin(struct lint_seen *x)
{
	if (x->event == DEC_TCP_BEHIND_FIN)
		lint_found(x, x->side, LINT_NO_PARAM, "octets behind the end of what the %s said to be all", lint_who(x->live, x->side));
}

static void
check_strange(struct lint_seen *x)
{
	if (x->trouble == DEC_PASSED_OVER && !x->live->lost[x->side])
		lint_found(x, x->side, LINT_NO_PARAM, "%llu octets are no message", (unsigned long long)x->octets);
}

static void
check_truncated(struct lint_seen *x)
{
	if (x->trouble == DEC_TRUNCATED && x->live->s->conn->half[x->side].fin)
		lint_found(x, x->side, LINT_NO_PARAM, "the connection ended within a message, after %llu octets of it", (unsigned long long)x->octets);
}

/* ---- on air ---- */

static const struct lint_period *
newer_on_air(const struct lint_seen *x)
{
	const struct lint_stream *r = x->stream_rep;

	return x->period + 1 < r->nperiods && r->periods[x->period + 1].air_repeats ? &r->periods[x->period + 1] : NULL;
}

static int64_t
tolerance(const struct lint_seen *x)
{
	int rep = x->rep->channel.ECM_rep_period;

	return (rep > 0 ? rep : 500) * LINT_MS + 200 * LINT_MS;
}

/* The widest that two of the delays that are there lie apart: a transition, or other access criteria, have delays of their own. */
static int64_t
apart(const int32_t *late, const int32_t *early)
{
	int64_t most = INT64_MIN;

	for (int i = 0; i < DELAYS; i++)
		for (int k = 0; k < DELAYS; k++)
			if (late[i] != INT32_MIN && early[k] != INT32_MIN && (int64_t)late[i] - early[k] > most)
				most = (int64_t)late[i] - early[k];
	return most * LINT_MS;
}

static void
check_air_window(struct lint_seen *x)
{
	const struct lint_channel *c = &x->rep->channel;
	const struct lint_period *p = &x->stream_rep->periods[x->period], *newer = newer_on_air(x);
	int64_t over, most;

	if (!newer || c->delay_start == INT32_MIN || c->delay_stop == INT32_MIN)
		return;
	/* ECM(n) leaves at T(n+1) + delay_stop, ECM(n+1) came at T(n+1) + delay_start */
	over = x->at_ns - newer->air_first_ns;
	most = apart((const int32_t[DELAYS]){ c->delay_stop, c->transition_delay_stop, c->AC_delay_stop },
	    (const int32_t[DELAYS]){ c->delay_start, c->transition_delay_start, c->AC_delay_start });
	if (over > (most > 0 ? most : 0) + tolerance(x))
		lint_found(x, -1, ECMG_DELAY_STOP, "the ECM of CP %u is on air at %s %.0f ms after that of CP %u came", p->cp, x->where, ms(over), newer->cp);
}

static void
check_air_short(struct lint_seen *x)
{
	const struct lint_stream *r = x->stream_rep;
	const struct lint_channel *c = &x->rep->channel;
	const struct lint_period *before = x->period > 0 ? &r->periods[x->period - 1] : NULL;
	const int32_t start[DELAYS] = { c->delay_start, c->transition_delay_start, c->AC_delay_start };
	int64_t took;

	/* the one before was seen from its beginning: it has a predecessor, and delay_start is known */
	if (!before || !before->start_ns || before->cp == r->periods[x->period].cp || r->periods[x->period].air_repeats || c->min_CP_duration <= 0)
		return;
	took = x->at_ns - before->air_first_ns;
	if (took < c->min_CP_duration * 100 * LINT_MS - apart(start, start) - tolerance(x))
		lint_found(x, -1, ECMG_MIN_CP_DURATION, "the ECM of CP %u came %.0f ms after that of CP %u; min_CP_duration is %d ms", r->periods[x->period].cp, ms(took), before->cp,
		    c->min_CP_duration * 100);
}

static void
check_air_late_ecm(struct lint_seen *x)
{
	const struct lint_period *p = &x->stream_rep->periods[x->period];
	int rep = x->rep->channel.ECM_rep_period;
	int64_t pause = p->air_repeats ? x->at_ns - p->air_last_ns : 0;

	if (rep > 0 && !newer_on_air(x) && pause > 2 * rep * LINT_MS + 200 * LINT_MS)
		lint_found(x, -1, ECMG_REP_PERIOD, "the ECM of CP %u was off the air for %.0f ms; ECM_rep_period is %d ms", p->cp, ms(pause), rep);
}

static void
check_air_skipped(struct lint_seen *x)
{
	const struct lint_stream *r = x->stream_rep;

	/* a period that was asked for again has two ECMs, of which one goes on air */
	if (x->period < 2 || r->periods[x->period].cp != (uint16_t)(r->periods[x->period - 2].cp + 2) || r->periods[x->period].air_repeats || r->periods[x->period - 1].air_repeats || !r->periods[x->period - 2].air_repeats ||
	    !r->periods[x->period - 1].answered_ns || r->periods[x->period - 1].refused || r->periods[x->period - 1].late)
		return;
	lint_found(x, -1, ECMG_ECM_DATAGRAM, "the ECM of CP %u was answered in frame %llu and not seen on air, those of CP %u and %u were", r->periods[x->period - 1].cp,
	    (unsigned long long)r->periods[x->period - 1].answered_frame, r->periods[x->period - 2].cp, r->periods[x->period].cp);
}

/* ---- the table ---- */

#define ANY NULL
#define S103197 "TS 103 197, "
#define BCAST_SCP "OMA BCAST SCP, 14.1.1"
#define NOTICE LINT_NOTICE
#define WARNING LINT_WARNING
#define ERROR LINT_ERROR
#define CLIENT LINT_CLIENT
#define SERVER LINT_SERVER
#define EITHER LINT_EITHER

const struct lint_check lint_checks[] = {
	/* id, interface, clause, severity, side, what it says; when, message, clause of the parameter, check */
	{ { "malformed", ANY, S103197 "4.4.1", ERROR, EITHER, "parameters fill a message exactly" }, ON_PARAMS, 0, false, check_malformed },
	{ { "param-missing", ANY, NULL, ERROR, EITHER, "a message carries its mandatory parameters" }, ON_PARAMS, 0, false, check_missing },
	{ { "param-wanted", &eis_scs, NULL, NOTICE, EITHER, "a message carries what others of its kind do" }, ON_PARAMS, 0, false, check_wanted },
	{ { "param-length", ANY, NULL, ERROR, EITHER, "a parameter has the length that its definition gives" }, ON_PARAMS, 0, true, check_length },
	{ { "param-repeated", ANY, NULL, ERROR, EITHER, "a parameter stands as often as the message may have it" }, ON_PARAMS, 0, false, check_repeated },
	{ { "param-unknown", ANY, S103197 "4.4.1", WARNING, EITHER, "parameter_types below 0x8000 are those of the standard" }, ON_PARAMS, 0, false, check_unknown },
	{ { "param-unlisted", ANY, NULL, WARNING, EITHER, "a message has only parameters that are its own, in this version" }, ON_PARAMS, 0, false, check_unlisted },
	{ { "value-reserved", ANY, NULL, ERROR, EITHER, "a value is none that is reserved" }, ON_PARAMS, 0, true, check_value },
	{ { "value-boolean", ANY, S103197 "4.4.1", WARNING, EITHER, "a boolean is 0 or 1" }, ON_OCTETS, 0, false, check_boolean },
	{ { "value-time", ANY, NULL, ERROR, EITHER, "a time is one, in binary" }, ON_OCTETS, 0, true, check_time },
	{ { "version-unknown", ANY, S103197 "4.4.1", ERROR, EITHER, "protocol_version is one that the interface has" }, ON_OCTETS, 0, false, check_version },
	{ { "version-unusual", ANY, S103197 "4.4.1", NOTICE, EITHER, "protocol_version 4 is that of EIS and (P)SIG" }, ON_OCTETS, 0, false, check_version_unusual },
	{ { "version-change", ANY, S103197 "4.4.1", ERROR, EITHER, "protocol_version stays the same on a connection" }, ON_OCTETS, 0, false, check_version_change },
	{ { "version-mirror", ANY, S103197 "4.4.1", WARNING, SERVER, "a server answers with the client's protocol_version" }, ON_OCTETS, 0, false, check_version_mirror },
	{ { "message-unknown", ANY, S103197 "4.4.1", WARNING, EITHER, "message_types below 0x8000 are those of the standard" }, ON_OCTETS, 0, false, check_message },
	{ { "message-direction", ANY, NULL, ERROR, EITHER, "a message comes from the side that may send it" }, ON_OCTETS, 0, false, check_direction },
	{ { "octets-strange", ANY, S103197 "4.4.1", ERROR, EITHER, "a connection carries messages and nothing else" }, ON_TROUBLE, 0, false, check_strange },
	{ { "message-cut", ANY, S103197 "4.4.1", WARNING, EITHER, "a connection does not end within a message" }, ON_TROUBLE, 0, false, check_truncated },
	{ { "error-number", ANY, NULL, ERROR, EITHER, "error_status is a number of this interface" }, ON_MESSAGE, 0, true, check_error_number },
	{ { "error-level", ANY, NULL, WARNING, EITHER, "what is wrong with a stream is said of the stream, and of a channel likewise" }, ON_MESSAGE, 0, true, check_error_level },
	{ { "error-for-error", ANY, NULL, WARNING, EITHER, "an error message is not answered by another" }, ON_MESSAGE, 0, false, check_error_for_error },
	{ { "error-unrecoverable", ANY, NULL, ERROR, CLIENT, "after 0x7001 the channel, or the stream, is closed" }, ON_MESSAGE, 0, false, check_dead },
	{ { "silence", ANY, NULL, ERROR, EITHER, "a request is answered" }, ON_OVERDUE, 0, false, check_silence },
	{ { "dropped", ANY, NULL, WARNING, SERVER, "a request is answered before the connection ends" }, ON_END, 0, false, check_dropped },
	{ { "answer-unasked", ANY, NULL, WARNING, SERVER, "what is answered was asked" }, ON_MESSAGE, 0, false, check_unasked },
	{ { "channel-not-open", ANY, NULL, ERROR, CLIENT, "a channel is set up before it is used, and not used once it is closed" }, ON_MESSAGE, 0, false, check_channel_open },
	{ { "channel-twice", ANY, NULL, ERROR, CLIENT, "a connection has one channel" }, ON_MESSAGE, 0, false, check_channel_twice },
	{ { "channel-id", ANY, NULL, ERROR, EITHER, "a message names the channel of its connection" }, ON_MESSAGE, 0, false, check_channel_id },
	{ { "channel-shared", ANY, NULL, NOTICE, CLIENT, "a channel identifier is one among those of its client" }, ON_MESSAGE, 0, false, check_channel_shared },
	{ { "channel-changed", &ecmg_scs, NULL, WARNING, EITHER, "what channel_status says holds as long as the channel" }, ON_MESSAGE, ECMG_CHANNEL_STATUS, false, check_status_same },
	{ { "close-order", ANY, NULL, NOTICE, CLIENT, "streams are closed before their channel" }, ON_MESSAGE, 0, false, check_close_order },
	{ { "close-missing", ANY, NULL, NOTICE, CLIENT, "a channel is closed before its connection" }, ON_END, 0, false, check_no_close },
	{ { "stream-not-open", ANY, NULL, ERROR, CLIENT, "a stream is set up before it is used, and not used once it is closed" }, ON_MESSAGE, 0, false, check_stream_open },
	{ { "stream-twice", ANY, NULL, ERROR, CLIENT, "a stream identifier is used once at a time" }, ON_MESSAGE, 0, false, check_stream_twice },
	{ { "stream-changed", ANY, NULL, ERROR, SERVER, "stream_status repeats what stream_setup said" }, ON_MESSAGE, 0, false, check_stream_status_same },
	{ { "stream-count", ANY, NULL, ERROR, CLIENT, "a channel has at most max_streams streams, max_SCG groups" }, ON_MESSAGE, 0, true, check_max_streams },
	{ { "id-twice", ANY, NULL, ERROR, CLIENT, "an ECM_id is one at its Super_CAS_id, a data_id one of its client" }, ON_MESSAGE, 0, true, check_id_twice },
	{ { "id-shared", ANY, NULL, NOTICE, CLIENT, "an ECM_id is one at its Super_CAS_id, a data_id one of its client, among connections, too" }, ON_MESSAGE, 0, true, check_id_shared },
	{ { "bcast-flag", ANY, BCAST_SCP, ERROR, EITHER, "of OMA BCAST's messages section_TSpkt_flag is 2" }, ON_MESSAGE, 0, false, check_bcast_flag },
	{ { "flag-version", ANY, NULL, NOTICE, EITHER, "section_TSpkt_flag 2 belongs to protocol_version 5" }, ON_MESSAGE, 0, true, check_flag_version },

	{ { "cw-outstanding", &ecmg_scs, S103197 "5.5.7", ERROR, CLIENT, "a stream has one CW_provision outstanding" }, ON_MESSAGE, ECMG_CW_PROVISION, false, check_outstanding },
	{ { "cw-count", &ecmg_scs, S103197 "5.5.7", ERROR, CLIENT, "CW_provision has CW_per_msg control words" }, ON_MESSAGE, ECMG_CW_PROVISION, false, check_cw_count },
	{ { "cw-window", &ecmg_scs, S103197 "5.5.7", ERROR, CLIENT, "CW_provision has the control words that lead_CW asks for" }, ON_MESSAGE, ECMG_CW_PROVISION, false, check_cw_window },
	{ { "cw-twice", &ecmg_scs, S103197 "5.5.7", ERROR, CLIENT, "CW_provision has one control word of a crypto-period" }, ON_MESSAGE, ECMG_CW_PROVISION, false, check_cw_twice },
	{ { "cw-changed", &ecmg_scs, S103197 "5.3", ERROR, CLIENT, "a crypto-period keeps its control word" }, ON_MESSAGE, ECMG_CW_PROVISION, false, check_cw_changed },
	{ { "cw-same", &ecmg_scs, S103197 "5.3", WARNING, CLIENT, "a crypto-period has a control word of its own" }, ON_MESSAGE, ECMG_CW_PROVISION, false, check_cw_same },
	{ { "cw-length", &ecmg_scs, S103197 "5.3", WARNING, CLIENT, "the control words of a stream are of one length" }, ON_MESSAGE, ECMG_CW_PROVISION, false, check_cw_length },
	{ { "cw-refused", &ecmg_scs, S103197 "5.6", WARNING, SERVER, "0x000b is said where control words are missing" }, ON_MESSAGE, ECMG_STREAM_ERROR, false, check_cw_refused },
	{ { "cp-sequence", &ecmg_scs, S103197 "5.3", WARNING, CLIENT, "CP_number rises by one" }, ON_MESSAGE, ECMG_CW_PROVISION, false, check_cp_sequence },
	{ { "cp-short", &ecmg_scs, S103197 "5.3", ERROR, CLIENT, "no crypto-period is shorter than min_CP_duration" }, ON_MESSAGE, ECMG_CW_PROVISION, false, check_cp_duration },
	{ { "cp-nominal", &ecmg_scs, S103197 "5.3", WARNING, CLIENT, "no crypto-period is shorter than nominal_CP_duration" }, ON_MESSAGE, ECMG_CW_PROVISION, false, check_cp_nominal },
	{ { "cp-pace", &ecmg_scs, S103197 "5.3", WARNING, CLIENT, "crypto-periods are not asked for faster than min_CP_duration" }, ON_MESSAGE, ECMG_CW_PROVISION, false, check_cp_pace },
	{ { "nominal-short", &ecmg_scs, S103197 "5.3", ERROR, CLIENT, "nominal_CP_duration is at least min_CP_duration" }, ON_MESSAGE, ECMG_STREAM_SETUP, false, check_nominal },
	{ { "nominal-comp", &ecmg_scs, S103197 "5.3", WARNING, CLIENT, "nominal_CP_duration is at least max_comp_time" }, ON_MESSAGE, ECMG_STREAM_SETUP, false, check_nominal_comp },
	{ { "ac-missing", &ecmg_scs, S103197 "5.3", ERROR, CLIENT, "access_criteria are sent as access_criteria_transfer_mode asks" }, ON_MESSAGE, ECMG_CW_PROVISION, false, check_access_criteria },
	{ { "ecm-late", &ecmg_scs, S103197 "5.3", WARNING, SERVER, "an ECM is answered within max_comp_time" }, ON_MESSAGE, ECMG_ECM_RESPONSE, false, check_late },
	{ { "ecm-format", &ecmg_scs, S103197 "5.3", ERROR, SERVER, "ECM_datagram is what section_TSpkt_flag says" }, ON_MESSAGE, ECMG_ECM_RESPONSE, false, check_ecm_format },
	{ { "ecm-table-id", &ecmg_scs, S103197 "5.3", NOTICE, SERVER, "table_id changes between 0x80 and 0x81 from ECM to ECM" }, ON_MESSAGE, ECMG_ECM_RESPONSE, false, check_table_id },
	{ { "status-cw", &ecmg_scs, S103197 "5.3", ERROR, SERVER, "CW_per_msg is not 0" }, ON_MESSAGE, ECMG_CHANNEL_STATUS, false, check_cw_per_msg },
	{ { "status-comp", &ecmg_scs, S103197 "5.3", WARNING, SERVER, "max_comp_time is less than min_CP_duration" }, ON_MESSAGE, ECMG_CHANNEL_STATUS, false, check_comp_time },
	{ { "delay-late", &ecmg_scs, S103197 "5.3", WARNING, SERVER, "with lead_CW 0 an ECM is on air before its crypto-period" }, ON_MESSAGE, ECMG_CHANNEL_STATUS, false, check_delay_late },
	{ { "delay-gap", &ecmg_scs, S103197 "5.3", NOTICE, SERVER, "an ECM stays on air until the next one comes" }, ON_MESSAGE, ECMG_CHANNEL_STATUS, false, check_delay_gap },
	{ { "delay-large", &ecmg_scs, S103197 "5.3", WARNING, SERVER, "delays are shorter than the crypto-period" }, ON_MESSAGE, ECMG_STREAM_SETUP, false, check_delay_large },
	{ { "air-window", &ecmg_scs, S103197 "5.3", ERROR, EITHER, "an ECM is on air from delay_start to delay_stop of its crypto-period" }, ON_AIR, 0, false, check_air_window },
	{ { "air-short", &ecmg_scs, S103197 "5.3", ERROR, EITHER, "ECMs on air do not change faster than min_CP_duration" }, ON_AIR, 0, false, check_air_short },
	{ { "air-repetition", &ecmg_scs, S103197 "5.3", WARNING, EITHER, "an ECM is repeated on air every ECM_rep_period" }, ON_AIR, 0, false, check_air_late_ecm },
	{ { "air-skipped", &ecmg_scs, S103197 "5.5.8", NOTICE, EITHER, "an ECM that was made goes on air" }, ON_AIR, 0, false, check_air_skipped },

	{ { "udp-message", &emmg_mux, S103197 "6.3.1", ERROR, CLIENT, "only data_provision goes by UDP" }, ON_OCTETS, 0, false, check_udp_message },
	{ { "udp-version", &emmg_mux, S103197 "6.3.1", WARNING, CLIENT, "data go by UDP from protocol_version 2 on" }, ON_OCTETS, 0, false, check_udp_version },
	{ { "udp-param", &emmg_mux, S103197 "6.3.1", WARNING, CLIENT, "data by UDP do not name channel and stream" }, ON_PARAMS, EMMG_DATA_PROVISION, false, check_by_udp },
	{ { "udp-stream", &emmg_mux, S103197 "6.3.1", WARNING, CLIENT, "a stream that sends by UDP is open by TCP" }, ON_MESSAGE, EMMG_DATA_PROVISION, false, check_udp_stream },
	{ { "flag-changed", &emmg_mux, NULL, ERROR, EITHER, "section_TSpkt_flag holds as long as the channel" }, ON_MESSAGE, EMMG_CHANNEL_STATUS, false, check_flag_repeated },
	{ { "client-changed", &emmg_mux, NULL, ERROR, EITHER, "a message names the client of its channel" }, ON_MESSAGE, 0, false, check_client },
	{ { "data-id", &emmg_mux, NULL, ERROR, CLIENT, "data_provision names the data_id of its stream" }, ON_MESSAGE, EMMG_DATA_PROVISION, false, check_data_id },
	{ { "data-format", &emmg_mux, S103197 "6.2.3", ERROR, CLIENT, "a datagram is what section_TSpkt_flag says" }, ON_MESSAGE, EMMG_DATA_PROVISION, false, check_data_format },
	{ { "bandwidth", &emmg_mux, S103197 "6.2.5.8", ERROR, CLIENT, "data keep to the bandwidth that was allocated" }, ON_MESSAGE, EMMG_DATA_PROVISION, false, check_bandwidth },
	{ { "bandwidth-absent", &emmg_mux, S103197 "6.2.5.8", NOTICE, SERVER, "who asks for a bandwidth is told which one there is" }, ON_MESSAGE, EMMG_STREAM_BW_ALLOCATION, false, check_bandwidth_absent },

	{ { "scg-content", &eis_scs, NULL, ERROR, CLIENT, "a group has content where it has ECMs, and ECMs where it has content" }, ON_MESSAGE, EIS_SCG_PROVISION, false, check_scg_content },
	{ { "scg-level", &eis_scs, NULL, ERROR, CLIENT, "a group is of services or of components, as the SCS supports" }, ON_MESSAGE, EIS_SCG_PROVISION, false, check_scg_level },
	{ { "scg-ecm-twice", &eis_scs, NULL, ERROR, CLIENT, "an ECM stream stands once in a group" }, ON_MESSAGE, EIS_SCG_PROVISION, false, check_group_twice },
	{ { "scg-unknown", &eis_scs, NULL, WARNING, SERVER, "the status of a group is that of one that was defined" }, ON_MESSAGE, EIS_SCG_STATUS, false, check_group_known },

	{ { "tcp-reset", ANY, S103197 "4.4.1", NOTICE, EITHER, "a connection ends by channel_close, not by a reset" }, ON_TCP, 0, false, check_reset },
	{ { "tcp-behind-fin", ANY, S103197 "4.4.1", NOTICE, EITHER, "nothing comes behind the end of a connection" }, ON_TCP, 0, false, check_behind_fin },
};

size_t
lint_nchecks(void)
{
	return sizeof(lint_checks) / sizeof(lint_checks[0]);
}

void
lint_note(struct lint_seen *x)
{
	if (x->iface == &emmg_mux && x->g->msg->type == EMMG_STREAM_BW_REQUEST)
		note_bandwidth_asked(x);
}
