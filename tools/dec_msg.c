/* tools/dec_msg.c: recognition, framing, and which request an answer belongs to */
#include "tools/dec_msg.h"
#include <stdlib.h>
#include <string.h>
#include "proto/be.h"
#include "proto/cpsig_psig.h"
#include "proto/ecmg_scs.h"
#include "proto/eis_scs.h"
#include "proto/emmg_mux.h"
#include "proto/ifaces.h"
#include "proto/playout.h"
#include "proto/psig_mux.h"
#include "proto/sim_shape.h"
#include "tools/dec_ask.h"

enum {
	TLV = 4,
	ERROR_STATUS = 0x7000,		/* on all interfaces that refuse anything */
	STRANGE_OCTETS = 1 << 18,	/* of a direction without a message: then it is none of ours */
	STRANGE_DATAGRAMS = 16,		/* of a sender, likewise */
};
enum state { AT_START, LOCKED, HUNTING };
struct dec_half_msg {
	enum state state;
	uint8_t version;	/* of the last message */
	uint8_t *p; size_t len, cap;	/* octets of a message that is not whole */
	size_t look_at;		/* hunting: octets there must be before the first of them is looked at again */
	uint64_t passed;	/* octets that were no message, since the last one */
	unsigned strange;	/* datagrams that were none */
};
/* What the tables say of a type of message of a version, looked up once. */
struct known {
	const struct sim_iface *iface; uint16_t type; uint8_t version; bool of_client, of_server, has_format, refuses;
	uint16_t stream;			/* the parameter that names it */
	const struct dec_pair *asks, *answers;	/* NULL: it does not */
	struct sim_shape shape;
};
enum { KNOWN_TYPES = 256 };
struct dec_msg {
	struct known known[KNOWN_TYPES];
	struct dec_msg_conf conf;
	struct dec_msg_user user;
	struct sim_msg msg;
	struct dec_message out;
	uint64_t frame; int64_t at_ns;
	const uint8_t *end; uint32_t end_seq;	/* of the octets that are being looked at */
	unsigned sessions;
};

/* ---- requests and their answers ---- */

static const struct dec_pair pairs[] = {
	{ &ecmg_scs, ECMG_CW_PROVISION, ECMG_ECM_RESPONSE, ECMG_CP_NUMBER },
	{ &ecmg_scs, ECMG_CHANNEL_SETUP, ECMG_CHANNEL_STATUS, 0 }, { &ecmg_scs, ECMG_CHANNEL_TEST, ECMG_CHANNEL_STATUS, 0 },
	{ &ecmg_scs, ECMG_STREAM_SETUP, ECMG_STREAM_STATUS, 0 }, { &ecmg_scs, ECMG_STREAM_TEST, ECMG_STREAM_STATUS, 0 },
	{ &ecmg_scs, ECMG_STREAM_CLOSE_REQUEST, ECMG_STREAM_CLOSE_RESPONSE, 0 },
	{ &emmg_mux, EMMG_CHANNEL_SETUP, EMMG_CHANNEL_STATUS, 0 }, { &emmg_mux, EMMG_CHANNEL_TEST, EMMG_CHANNEL_STATUS, 0 },
	{ &emmg_mux, EMMG_STREAM_SETUP, EMMG_STREAM_STATUS, 0 }, { &emmg_mux, EMMG_STREAM_TEST, EMMG_STREAM_STATUS, 0 },
	{ &emmg_mux, EMMG_STREAM_CLOSE_REQUEST, EMMG_STREAM_CLOSE_RESPONSE, 0 },
	{ &emmg_mux, EMMG_STREAM_BW_REQUEST, EMMG_STREAM_BW_ALLOCATION, 0 },
	{ &eis_scs, EIS_CHANNEL_SETUP, EIS_CHANNEL_STATUS, 0 }, { &eis_scs, EIS_CHANNEL_TEST, EIS_CHANNEL_STATUS, 0 },
	{ &eis_scs, EIS_SCG_PROVISION, EIS_SCG_STATUS, 0 }, { &eis_scs, EIS_SCG_TEST, EIS_SCG_STATUS, 0 },
	{ &eis_scs, EIS_SCG_LIST_REQUEST, EIS_SCG_LIST_RESPONSE, 0 },
	{ &psig_mux, 0x0411, 0x0413, 0 }, { &psig_mux, 0x0412, 0x0413, 0 }, { &psig_mux, 0x0421, 0x0423, 0 }, { &psig_mux, 0x0422, 0x0423, 0 },
	{ &psig_mux, 0x0424, 0x0425, 0 }, { &psig_mux, 0x0441, 0x0442, 0 },
	{ &cpsig_psig, 0x0301, 0x0302, 0 }, { &cpsig_psig, 0x0303, 0x0302, 0 }, { &cpsig_psig, 0x0311, 0x0312, 0 },
	{ &cpsig_psig, 0x0313, 0x0312, 0 }, { &cpsig_psig, 0x0315, 0x0316, 0 }, { &cpsig_psig, 0x0319, 0x031a, 0 },
	{ &cpsig_psig, 0x031c, 0x031d, 0 }, { &cpsig_psig, 0x031e, 0x031f, 0 }, { &cpsig_psig, 0x0320, 0x0321, 0 },
	{ &playout, PLAYOUT_FOLLOWER_SETUP, PLAYOUT_FOLLOWER_STATUS, 0 }, { &playout, PLAYOUT_LINK_TEST, PLAYOUT_LINK_STATUS, 0 },
	{ &playout, PLAYOUT_ECM_RECORD, PLAYOUT_ECM_ACK, PLAYOUT_CP }, { &playout, PLAYOUT_KEY_RECORD, PLAYOUT_KEY_ACK, PLAYOUT_CP },
	{ &playout, PLAYOUT_SERVICE_COMMAND, PLAYOUT_SERVICE_ANSWER, 0 },
	{ &playout, PLAYOUT_KEY_SUPPLY, PLAYOUT_KEY_SUPPLY_ACK, PLAYOUT_CP },
};
enum { NPAIRS = sizeof(pairs) / sizeof(pairs[0]) };

/* Per interface: what names channel and stream, and messages that only one side sends, to tell who is who in a connection joined midway. */
enum { KNOWN = 5 };
static const struct role { const struct sim_iface *iface; uint16_t channel, stream, of_client[KNOWN], of_server[KNOWN]; } roles[] = {
	{ &ecmg_scs, ECMG_CHANNEL_ID, ECMG_STREAM_ID, { ECMG_CHANNEL_SETUP, ECMG_STREAM_SETUP, ECMG_CW_PROVISION, ECMG_STREAM_CLOSE_REQUEST, ECMG_CHANNEL_CLOSE },
	    { ECMG_ECM_RESPONSE, ECMG_STREAM_CLOSE_RESPONSE } },
	{ &emmg_mux, EMMG_CHANNEL_ID, EMMG_STREAM_ID, { EMMG_CHANNEL_SETUP, EMMG_STREAM_SETUP, EMMG_DATA_PROVISION, EMMG_STREAM_CLOSE_REQUEST, EMMG_STREAM_BW_REQUEST },
	    { EMMG_STREAM_BW_ALLOCATION, EMMG_STREAM_CLOSE_RESPONSE } },
	{ &eis_scs, EIS_CHANNEL_ID, EIS_SCG_ID, { EIS_CHANNEL_SETUP, EIS_SCG_PROVISION, EIS_SCG_TEST }, { EIS_CHANNEL_STATUS, EIS_SCG_STATUS } },
	{ &psig_mux, 0x0002, 0x0003, { 0x0411, 0x0421, 0x0431 }, { 0x0442, 0x0425 } },
	{ &cpsig_psig, 0x0103, 0x0104, { 0x0301, 0x0311, 0x031e }, { 0x031f, 0x031d, 0x0321 } },
	{ &playout, 0, 0, { PLAYOUT_FOLLOWER_SETUP, PLAYOUT_ECM_ACK, PLAYOUT_KEY_ACK }, { PLAYOUT_ECM_RECORD, PLAYOUT_KEY_RECORD, PLAYOUT_FOLLOWER_STATUS } },
};
enum { NROLES = sizeof(roles) / sizeof(roles[0]) };

static const struct role *
role_of(const struct sim_iface *iface)
{
	size_t i = 0;

	while (i + 1 < NROLES && roles[i].iface != iface)
		i++;
	return &roles[i];
}

uint16_t
dec_channel_param(const struct sim_iface *iface)
{
	return role_of(iface)->channel;
}

uint16_t
dec_stream_param(const struct sim_iface *iface)
{
	return role_of(iface)->stream;
}

const struct dec_pair *
dec_pair_of(const struct sim_iface *iface, uint16_t request)
{
	for (size_t i = 0; i < NPAIRS; i++)
		if (pairs[i].request == request && pairs[i].iface == iface)
			return &pairs[i];
	return NULL;
}

/* A pair that this answers: they all have the same key. */
static const struct dec_pair *
answered_by(const struct sim_iface *iface, uint16_t answer)
{
	for (size_t i = 0; i < NPAIRS; i++)
		if (pairs[i].answer == answer && pairs[i].iface == iface)
			return &pairs[i];
	return NULL;
}

static bool
one_of(uint16_t type, const uint16_t *list)
{
	for (size_t k = 0; k < KNOWN && list[k]; k++)
		if (list[k] == type)
			return true;
	return false;
}

static bool
carries(const struct sim_message *def, uint16_t param)
{
	for (size_t k = 0; def && k < def->n; k++)
		if (def->uses[k].type == param)
			return true;
	return false;
}

static struct known *
known_of(struct dec_msg *d, const struct sim_iface *iface, const uint8_t *p)
{
	uint16_t type = (uint16_t)be16(p + 1);
	struct known *k = &d->known[(type ^ type >> 4 ^ type >> 2 ^ p[0] << 5 ^ (iface == &emmg_mux_udp)) % KNOWN_TYPES];
	const struct role *r;

	if (k->iface == iface && k->type == type && k->version == p[0])
		return k;
	r = role_of(iface);
	/* section_TSpkt_flag has the same number on both interfaces that have one */
	*k = (struct known){ .iface = iface, .type = type, .version = p[0], .stream = r->stream, .refuses = carries(sim_message_find(iface, type), ERROR_STATUS), .of_client = one_of(type, r->of_client),
		.of_server = one_of(type, r->of_server), .asks = dec_pair_of(iface, type), .answers = answered_by(iface, type),
		.has_format = type == ECMG_CHANNEL_STATUS || type == EMMG_CHANNEL_SETUP || type == EMMG_CHANNEL_STATUS };
	return k;
}

static int64_t
key_of(const struct dec_message *g, const struct dec_pair *pair)
{
	return pair && pair->key ? sim_int(g->msg, pair->key, -1) : -1;
}

/* The oldest request of the other side that this may answer; an error answers whatever was asked of its stream. */
static void
follow(struct dec_conn *c, struct dec_session *s, struct dec_message *g, const struct known *k)
{
	bool answers = s->asked && (k->answers || g->error), asks = k->asks && !c->udp && !g->error;
	struct dec_request r;
	int64_t stream;

	if (!answers && !asks)
		return;
	stream = k->stream ? sim_int(g->msg, k->stream, -1) : -1;
	if (answers && dec_ask_take(s->asked, 1 - g->side, stream, g->error ? 0 : g->msg->type, key_of(g, k->answers), &r)) {
		g->asked_frame = r.frame;
		g->asked_ns = r.at_ns;
	} else if (asks) {
		r = (struct dec_request){ g->frame, g->at_ns, stream, key_of(g, k->asks), k->asks->answer, (uint8_t)g->side };
		c->user_held += dec_ask_add(&s->asked, &r);
	}
}

/* ---- plausibility ---- */

static const struct sim_iface *
iface_of(const struct dec_msg *d, const struct dec_session *s, uint16_t type)
{
	const struct sim_iface *iface = s ? s->iface : d->conf.as ? d->conf.as : sim_iface_of(type);

	return iface && sim_message_find(iface, type) ? iface : NULL;
}

/*
 * Whether octets p[0..len) can begin a message: assigned type, and as far as they go parameters of its interface, of lengths that
 * they have there, filling the message. NULL, or its interface. *whole: octets of the message.
 */
static const struct sim_iface *
plausible(const struct dec_msg *d, const struct dec_session *s, const uint8_t *p, size_t len, bool any_version, size_t *whole)
{
	const struct sim_iface *iface;
	size_t at = SIM_HEADER, end, n = 0;

	if (len < SIM_HEADER || !(iface = iface_of(d, s, (uint16_t)be16(p + 1))) || (!any_version && (p[0] == 0 || p[0] > 5)))
		return NULL;
	*whole = end = sim_frame_length(p, len);
	if (end < SIM_HEADER + TLV)
		return NULL;
	for (int k = 0; at < end; k++) {
		const struct sim_param *param;

		if (at + TLV > end || k == SIM_VALUES)
			return NULL;
		if (at + TLV > len)
			break;
		n = be16(p + at + 2);
		param = sim_param_find(iface, (uint16_t)be16(p + at));
		if (n > end - at - TLV || (!param && be16(p + at) < 0x8000) || (param && be16(p + at) < 0x8000 && (n < param->min || n > param->max)))
			return NULL;
		at += TLV + n;
	}
	return iface;
}

/* ---- messages ---- */

static struct dec_session *
session_of(struct dec_msg *d, struct dec_conn *c, const struct sim_iface *iface)
{
	struct dec_session *s = c->user;

	if (s->iface)
		return s;
	s->iface = iface;
	s->number = ++d->sessions;
	s->conn = c;
	s->client = c->opener >= 0 ? c->opener : iface == &playout ? 1 : 0;
	s->client_known = c->opener >= 0 || c->udp;
	s->section_TSpkt = -1;
	return s;
}

static void
learn(struct dec_session *s, const struct dec_message *g, const struct known *k)
{
	if (!s->client_known && (k->of_client || k->of_server)) {
		s->client = k->of_client ? g->side : 1 - g->side;
		s->client_known = true;
	}
	if (k->has_format && g->msg->def && sim_count(g->msg, ECMG_SECTION_TSPKT))
		s->section_TSpkt = (int)sim_int(g->msg, ECMG_SECTION_TSPKT, -1);
}

/* A datagram to a mux may lack what its TCP form must have: read it with the names of both, judge it by its own. */
static void
judge(struct dec_msg *d, const struct dec_session *s, struct known *k, const uint8_t *p, size_t len, struct sim_fault *why)
{
	if (s->conn->udp && s->iface == &emmg_mux && k->type == EMMG_DATA_PROVISION) {
		sim_decode_alike(&emmg_mux_udp, &known_of(d, &emmg_mux_udp, p)->shape, p, len, &d->msg, why);
		sim_decode_alike(&emmg_mux, &k->shape, p, len, &d->msg, NULL);
	} else {
		sim_decode_alike(s->iface, &k->shape, p, len, &d->msg, why);
	}
}

/* *g is the engine's, and member after member is told: clearing it cost as much as all the rest. */
static void
emit(struct dec_msg *d, struct dec_conn *c, int side, const uint8_t *p, size_t len)
{
	struct dec_session *s = c->user;
	struct dec_message *g = &d->out;
	struct known *k = known_of(d, s->iface, p);

	g->session = s;
	g->side = side;
	g->at_ns = d->at_ns;
	g->frame = d->frame;
	g->p = p;
	g->len = len;
	g->seq = d->end_seq - (uint32_t)(d->end - p);
	g->msg = &d->msg;
	g->asked_frame = 0;
	g->asked_ns = 0;
	judge(d, s, k, p, len, &g->why);
	g->error = k->refuses && d->msg.def && sim_value(&d->msg, ERROR_STATUS, 0);
	learn(s, g, k);
	follow(c, s, g, k);
	s->half[side]->version = p[0];
	d->user.message(d->user.self, g);
}

static void
say_passed(struct dec_msg *d, struct dec_session *s, int side)
{
	struct dec_half_msg *h = s->half[side];

	if (h->passed && s->iface)
		d->user.trouble(d->user.self, s, side, DEC_PASSED_OVER, h->passed);
	h->passed = 0;
}

/* Found among octets that need not be one: it must be whole and right. 1: a message; 0: more is needed; -1: none begins here. */
static int
hunt_at(struct dec_msg *d, struct dec_session *s, struct dec_half_msg *h, const uint8_t *p, size_t len, size_t *whole)
{
	const struct sim_iface *iface = plausible(d, s->iface ? s : NULL, p, len, false, whole);
	struct sim_fault why;

	if (!iface)
		return -1;
	if (*whole > len) {
		h->look_at = *whole < 2 * len ? *whole : 2 * len;
		return 0;
	}
	return sim_decode(iface, p, *whole, &d->msg, &why) == 0 && d->msg.n > 0 ? 1 : -1;
}

/* Octets used up: the message's, or those that are none; 0: more is needed. */
static size_t
hunt(struct dec_msg *d, struct dec_conn *c, int side, const uint8_t *p, size_t len)
{
	struct dec_session *s = c->user;
	struct dec_half_msg *h = s->half[side];
	size_t at, whole = 0;
	int found = -1;

	if (len < h->look_at)
		return 0;
	h->look_at = 0;
	for (at = 0; at + SIM_HEADER <= len; at++) {
		if (p[at] == 0 || p[at] > 5 || (p[at + 1] > 4 && p[at + 1] != 0x90))
			continue;
		if ((found = hunt_at(d, s, h, p + at, len - at, &whole)) >= 0)
			break;
	}
	h->passed += at;
	if (found != 1)
		return at;
	s = session_of(d, c, iface_of(d, s->iface ? s : NULL, (uint16_t)be16(p + at + 1)));
	say_passed(d, s, side);
	h->state = LOCKED;
	emit(d, c, side, p + at, whole);
	return at + whole;
}

/* The first octets of a connection whose beginning was captured. */
static size_t
start(struct dec_msg *d, struct dec_conn *c, int side, const uint8_t *p, size_t len)
{
	struct dec_session *s = c->user;
	struct dec_half_msg *h = s->half[side];
	const struct sim_iface *iface;
	size_t whole = 0;

	if (len < SIM_HEADER)
		return 0;
	iface = plausible(d, s->iface ? s : NULL, p, len, true, &whole);
	if (!iface && d->conf.forced)
		iface = s->iface ? s->iface : d->conf.as ? d->conf.as : sim_iface_of((uint16_t)be16(p + 1));
	if (!iface) {
		h->state = HUNTING;
		return hunt(d, c, side, p, len);
	}
	whole = sim_frame_length(p, len);
	if (whole > len)
		return 0;
	s = session_of(d, c, iface);
	h->state = LOCKED;
	emit(d, c, side, p, whole);
	return whole;
}

static size_t
locked(struct dec_msg *d, struct dec_conn *c, int side, const uint8_t *p, size_t len)
{
	struct dec_session *s = c->user;
	struct dec_half_msg *h = s->half[side];
	size_t whole = sim_frame_length(p, len);

	if (whole == 0)
		return 0;
	/* one wrong thing in a header is a peer's mistake, two are no header */
	if (p[0] != h->version && !plausible(d, s, p, len, true, &whole)) {
		h->state = HUNTING;
		h->look_at = 0;
		return hunt(d, c, side, p, len);
	}
	if (whole > len)
		return 0;
	emit(d, c, side, p, whole);
	return whole;
}

/* ---- what the reassembly gives ---- */

/* What there is; the octets that were used up. */
static size_t
take(struct dec_msg *d, struct dec_conn *c, int side, const uint8_t *p, size_t len)
{
	static size_t (*const steps[])(struct dec_msg *, struct dec_conn *, int, const uint8_t *, size_t) = { start, locked, hunt };
	struct dec_half_msg *h = ((struct dec_session *)c->user)->half[side];
	size_t used = 0, n;

	while (used < len && (n = steps[h->state](d, c, side, p + used, len - used)) > 0)
		used += n;
	return used;
}

static void
ends_at(struct dec_msg *d, const uint8_t *end, uint32_t seq)
{
	d->end = end;
	d->end_seq = seq;
}

static int
keep(struct dec_conn *c, struct dec_half_msg *h, const uint8_t *p, size_t len)
{
	if (h->len + len > h->cap) {
		size_t cap = h->cap ? h->cap : 2048;
		uint8_t *more;

		while (cap < h->len + len)
			cap *= 2;
		if (!(more = realloc(h->p, cap)))
			return -1;
		c->user_held += cap - h->cap;
		h->p = more;
		h->cap = cap;
	}
	if (len > 0)
		memcpy(h->p + h->len, p, len);
	h->len += len;
	return 0;
}

static void
drop(struct dec_conn *c, struct dec_half_msg *h)
{
	c->user_held -= h->cap;
	free(h->p);
	h->p = NULL;
	h->len = h->cap = 0;
}

static bool
wanted(const struct dec_msg *d, const struct dec_conn *c)
{
	return !d->conf.port || c->ends.from_port == d->conf.port || c->ends.to_port == d->conf.port;
}

static struct dec_session *
new_session(struct dec_conn *c)
{
	struct dec_session *s = calloc(1, sizeof(*s) + 2 * sizeof(struct dec_half_msg));

	if (!s)
		return NULL;
	s->half[0] = (struct dec_half_msg *)(s + 1);
	s->half[1] = s->half[0] + 1;
	s->conn = c;
	for (int k = 0; k < 2; k++)
		s->half[k]->state = c->half[k].from_start || c->udp ? AT_START : HUNTING;
	c->user = s;
	return s;
}

/* Datagrams are whole messages, of one interface; others on the way to the same port are none of ours. */
static void
datagram(struct dec_msg *d, struct dec_conn *c, const uint8_t *p, size_t len)
{
	struct dec_session *s = c->user;
	struct dec_half_msg *h = s->half[0];
	size_t whole = 0;

	while (len > 0) {
		const struct sim_iface *iface = plausible(d, s->iface ? s : NULL, p, len, d->conf.forced || s->iface, &whole);

		if (!iface && d->conf.forced && len >= SIM_HEADER) {
			iface = d->conf.as ? d->conf.as : &emmg_mux;
			whole = len;
		}
		if (!iface || whole > len || (!s->iface && !d->conf.forced && (iface != &emmg_mux || be16(p + 1) != EMMG_DATA_PROVISION))) {
			h->strange++;
			if (s->iface)
				d->user.trouble(d->user.self, s, 0, DEC_PASSED_OVER, len);
			else if (h->strange >= STRANGE_DATAGRAMS)
				c->half[0].ignore = true;
			return;
		}
		s = session_of(d, c, iface);
		emit(d, c, 0, p, whole);
		p += whole;
		len -= whole;
	}
}

static void
data(void *self, struct dec_conn *c, int side, const uint8_t *p, size_t len)
{
	struct dec_msg *d = self;
	struct dec_session *s = c->user;
	struct dec_half_msg *h;
	size_t used;

	if (!wanted(d, c) || (!s && !(s = new_session(c)))) {
		c->half[side].ignore = true;
		return;
	}
	ends_at(d, p + len, c->half[side].next);
	if (c->udp) {
		datagram(d, c, p, len);
		return;
	}
	h = s->half[side];
	if (h->len == 0) {	/* most messages lie within one segment */
		used = take(d, c, side, p, len);
		if (used < len && keep(c, h, p + used, len - used) < 0)
			c->half[side].ignore = true;
	} else {
		if (keep(c, h, p, len) < 0) {
			c->half[side].ignore = true;
			return;
		}
		ends_at(d, h->p + h->len, c->half[side].next);
		used = take(d, c, side, h->p, h->len);
		h->len -= used;
		if (h->len == 0)
			drop(c, h);
		else if (used > 0)
			memmove(h->p, h->p + used, h->len);
	}
	if (h->passed > STRANGE_OCTETS && !s->iface) {
		c->half[side].ignore = true;
		drop(c, h);
	}
}

static void
say_partial(struct dec_msg *d, struct dec_session *s, int side)
{
	struct dec_half_msg *h = s->half[side];

	if (d->user.partial && s->iface && h->state == LOCKED && h->len > 0)
		d->user.partial(d->user.self, s, side, d->end_seq - (uint32_t)h->len, h->p, h->len);
}

/* The rest of a message whose beginning cannot be completed, up to the sequence number: is there another within it? */
static void
give_up_message(struct dec_msg *d, struct dec_conn *c, int side, uint32_t end_seq)
{
	struct dec_half_msg *h = ((struct dec_session *)c->user)->half[side];
	size_t at = 0;

	ends_at(d, h->p + h->len, end_seq);
	say_partial(d, c->user, side);
	while (at < h->len) {
		h->state = HUNTING;
		h->look_at = 0;
		h->passed++;
		at++;
		at += hunt(d, c, side, h->p + at, h->len - at);
		if (h->state == LOCKED)
			at += take(d, c, side, h->p + at, h->len - at);
	}
	drop(c, h);
}

static void
gap(void *self, struct dec_conn *c, int side, uint32_t lost)
{
	struct dec_msg *d = self;
	struct dec_session *s = c->user;
	struct dec_half_msg *h;

	if (!s)
		return;
	h = s->half[side];
	if (s->iface)
		d->user.trouble(d->user.self, s, side, DEC_GAP, lost);
	if (h->len > 0)
		give_up_message(d, c, side, c->half[side].next - lost);
	h->state = HUNTING;
	h->look_at = 0;
}

static void
ended(void *self, struct dec_conn *c)
{
	struct dec_msg *d = self;
	struct dec_session *s = c->user;

	if (!s)
		return;
	for (int side = 0; side < 2; side++) {
		struct dec_half_msg *h = s->half[side];

		if (s->iface && h->state == LOCKED && h->len > 0) {
			ends_at(d, h->p + h->len, c->half[side].next);
			say_partial(d, s, side);
			d->user.trouble(d->user.self, s, side, DEC_TRUNCATED, h->len);
		} else if (h->len > 0) {
			give_up_message(d, c, side, c->half[side].next);
			say_passed(d, s, side);
		}
		drop(c, h);
	}
	if (s->iface && d->user.ended)
		d->user.ended(d->user.self, s);
	dec_ask_free(s->asked);
	free(s);
	c->user = NULL;
}

static void
event(void *self, struct dec_conn *c, int side, enum dec_tcp_event what)
{
	struct dec_msg *d = self;
	struct dec_session *s = c->user;

	if (s && s->iface && d->user.event)
		d->user.event(d->user.self, s, side, what, d->frame, d->at_ns);
}

struct dec_msg *
dec_msg_new(const struct dec_msg_conf *conf, const struct dec_msg_user *user)
{
	struct dec_msg *d = calloc(1, sizeof(*d));

	if (d) {
		d->conf = *conf;
		d->user = *user;
	}
	return d;
}

void
dec_msg_free(struct dec_msg *d)
{
	free(d);
}

struct dec_tcp_user
dec_msg_sink(struct dec_msg *d)
{
	return (struct dec_tcp_user){ .self = d, .data = data, .gap = gap, .end = ended, .event = event };
}

void
dec_msg_now(struct dec_msg *d, uint64_t frame, int64_t at_ns)
{
	d->frame = frame;
	d->at_ns = at_ns;
}
