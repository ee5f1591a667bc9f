/* lib/ecmg_channel.c: one connection of an SCS. Clauses are those of TS 103 197 */
#include "lib/ecmg_channel.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include "lib/secret.h"

enum {
	STREAM_QUEUE = 16,		/* CW_provisions that wait on one stream; the standard allows one outstanding (5.5.7) */
	CLOSE_GRACE_US = 1000000,	/* after channel_close: the SCS closes, too */
	WHY = 240,
};

/* A CW_provision behind another one of its stream, whole, as it came. It holds CWs: locked memory. */
struct waiting { STAILQ_ENTRY(waiting) next; struct gw_secret msg; };

struct ecmg_stream {
	LIST_ENTRY(ecmg_stream) same_list;
	uint16_t id, ecm_id, nominal_100ms;
	bool busy;			/* the plugin has a request of it: */
	uint32_t serial;
	uint16_t cp_number;
	int64_t asked_us;
	bool has_criteria;		/* access_criteria in force */
	uint8_t *criteria;
	size_t criteria_len;
	STAILQ_HEAD(, waiting) queue;
	unsigned nqueued;
};

struct input { const uint8_t *msg; size_t len; const struct sim_msg *m; };

/* ---- streams by number */

static struct ecmg_stream *
find(const struct ecmg_channel *c, int64_t id)
{
	return id >= 0 && c->pages[id >> 8] ? c->pages[id >> 8][id & 0xff] : NULL;
}

static struct ecmg_stream *
add(struct ecmg_channel *c, uint16_t id, uint16_t ecm_id)
{
	struct ecmg_stream ***page = &c->pages[id >> 8], *s;

	if (!*page && !(*page = calloc(256, sizeof(**page))))
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->id = id;
	s->ecm_id = ecm_id;
	LIST_INSERT_HEAD(&c->ecm_ids[ecm_id % ECMG_ECM_ID_LISTS], s, same_list);
	STAILQ_INIT(&s->queue);
	(*page)[id & 0xff] = s;
	c->nstreams++;
	c->e->streams++;
	return s;
}

static void
pop(struct ecmg_channel *c, struct ecmg_stream *s)
{
	struct waiting *w = STAILQ_FIRST(&s->queue);

	STAILQ_REMOVE_HEAD(&s->queue, next);
	s->nqueued--;
	c->pending--;
	gw_secret_free(&w->msg);
	free(w);
}

static void
drop(struct ecmg_channel *c, struct ecmg_stream *s)
{
	while (!STAILQ_EMPTY(&s->queue))
		pop(c, s);
	if (s->busy)
		c->pending--;
	LIST_REMOVE(s, same_list);
	c->pages[s->id >> 8][s->id & 0xff] = NULL;
	c->nstreams--;
	c->e->streams--;
	free(s->criteria);
	free(s);
}

static void
each_stream(struct ecmg_channel *c, void (*act)(struct ecmg_channel *, struct ecmg_stream *))
{
	for (size_t p = 0; p < 256; p++)
		for (size_t k = 0; c->pages[p] && k < 256; k++)
			if (c->pages[p][k])
				act(c, c->pages[p][k]);
}

/* ---- what goes out */

static void
note(struct ecmg_channel *c, struct ecmg_note n)
{
	c->e->door->note(c->self, &n);
}

static void
begin(struct ecmg_channel *c, struct sim_writer *w, uint16_t message, uint16_t channel, int stream)
{
	sim_begin(w, &ecmg_scs, c->version, message, c->e->out, sizeof(c->e->out));
	sim_put_int(w, ECMG_CHANNEL_ID, channel);
	if (stream >= 0)
		sim_put_int(w, ECMG_STREAM_ID, stream);
}

/* 0, or -1 when our own tables refuse it. */
static int
finish(struct ecmg_channel *c, struct sim_writer *w)
{
	size_t n = sim_end(w, NULL);

	if (n == 0)
		return -1;
	c->e->door->send(c->self, c->e->out, n);
	return 0;
}

/* A refusal, and the log line that goes with it. n.channel, n.stream: as the peer named them; stream < 0: a channel_error. */
static void
send_error(struct ecmg_channel *c, struct ecmg_note n, uint16_t param, const char *why)
{
	const struct sim_status *status = sim_status_find(&ecmg_scs, n.status);
	struct sim_writer w;

	begin(c, &w, n.stream >= 0 ? ECMG_STREAM_ERROR : ECMG_CHANNEL_ERROR, n.channel >= 0 ? (uint16_t)n.channel : 0, n.stream);
	sim_put_int(&w, ECMG_ERROR_STATUS, n.status);
	/* TSDuck, which speaks versions 2 and 3, takes error_information of two octets or none; a reason in words is for the others. */
	if (param)
		sim_put_bytes(&w, ECMG_ERROR_INFORMATION, (const uint8_t[]){ (uint8_t)(param >> 8), (uint8_t)param }, 2);
	else if (why && c->version >= 4)
		sim_put_text(&w, ECMG_ERROR_INFORMATION, why);
	finish(c, &w);
	n.level = GW_WARNING;
	n.event = "refused";
	n.why = why ? why : status ? status->name : NULL;
	note(c, n);
}

/* Where a parameter stands in the message; its end if it is not there. */
static size_t
offset_of(const struct input *in, uint16_t type)
{
	const struct sim_value *v = sim_value(in->m, type, 0);

	return v ? (size_t)(v->p - in->msg) - 4 : in->len;
}

/* The parameter that an error_status is about. */
static const struct { uint16_t status, param; } about[] = {
	{ ECMG_E_SUPER_CAS_ID, ECMG_SUPER_CAS_ID }, { ECMG_E_CHANNEL_ID, ECMG_CHANNEL_ID }, { ECMG_E_CHANNEL_ID_IN_USE, ECMG_CHANNEL_ID },
	{ ECMG_E_STREAM_ID, ECMG_STREAM_ID }, { ECMG_E_STREAM_ID_IN_USE, ECMG_STREAM_ID }, { ECMG_E_ECM_ID, ECMG_ECM_ID },
	{ ECMG_E_ECM_ID_IN_USE, ECMG_ECM_ID }, { ECMG_E_NOT_ENOUGH_CW, ECMG_CP_CW },
};

/* param: goes out as error_information; at: where the decoder found the fault; why: what there is to say beyond the status. */
struct refusal { uint16_t status, param; size_t at; const char *why; };

/* 2.8: a fault of a stream message whose stream could be read is a stream_error, every other one a channel_error. */
static void
refuse(struct ecmg_channel *c, const struct input *in, struct refusal r)
{
	const struct sim_msg *m = in->m;
	const bool stream_level = m->type >= ECMG_STREAM_SETUP && r.status != ECMG_E_VERSION && r.status != ECMG_E_MESSAGE_TYPE;
	uint16_t blamed = r.param;

	for (size_t k = 0; !blamed && k < sizeof(about) / sizeof(about[0]); k++)
		if (about[k].status == r.status)
			blamed = about[k].param;
	if (c->state.state == ECMG_NO_CHANNEL)	/* a version we speak, the peer's own if that is one */
		c->version = m->version < ecmg_scs.oldest ? ecmg_scs.oldest : m->version > ecmg_scs.newest ? ecmg_scs.newest : m->version;
	send_error(c, (struct ecmg_note){
		.message = m->def ? m->def->name : "unknown", .channel = (int)sim_int(m, ECMG_CHANNEL_ID, -1),
		.stream = stream_level ? (int)sim_int(m, ECMG_STREAM_ID, -1) : -1, .status = r.status,
		.param = blamed, .offset = r.at || !blamed ? r.at : offset_of(in, blamed) }, r.param, r.why);
}

/* What is tolerated, by the first message that did it; the rest of the connection is not worth a line. */
static const char *const deviations[ECMG_DEVIATIONS] = {
	[ECMG_UNKNOWN_MESSAGE] = "unknown message_type, ignored",
	[ECMG_UNKNOWN_PARAMETER] = "parameter that this message does not have, skipped",
	[ECMG_STRANGE_LENGTH] = "user-defined parameter of a length that is not ours, skipped",
	[ECMG_LEFT_OUT] = "mandatory parameter left out, ECM_stream_id taken for it",
	[ECMG_MORE_CWS] = "control words beyond those that lead_CW and CW_per_msg ask for",
	[ECMG_SHARED_ECM_ID] = "ECM_id of another stream of the channel",
};

const char *
ecmg_deviation_name(enum ecmg_deviation d)
{
	return deviations[d];
}

static void
tolerate(struct ecmg_channel *c, const struct input *in, enum ecmg_deviation d, uint16_t param, size_t at)
{
	char unknown[32];

	if (c->tolerated & 1u << d)
		return;
	c->tolerated |= (uint8_t)(1u << d);
	snprintf(unknown, sizeof(unknown), "message_0x%04x", in->m->type);
	note(c, (struct ecmg_note){ .level = GW_NOTICE, .event = "tolerated", .message = in->m->def ? in->m->def->name : unknown,
	    .channel = (int)sim_int(in->m, ECMG_CHANNEL_ID, -1), .stream = (int)sim_int(in->m, ECMG_STREAM_ID, -1), .param = param,
	    .offset = at ? at : offset_of(in, param), .why = deviations[d] });
}

/* -error_status of the plugin, as the wire has it. */
static uint16_t
plugin_status(int rc)
{
	return rc < 0 && rc >= -UINT16_MAX ? (uint16_t)-rc : ECMG_E_UNKNOWN;
}

static int
put_channel_status(struct ecmg_channel *c, uint16_t id, bool send)
{
	const struct ecmg_says *s = &c->says;
	struct sim_writer w;

	begin(c, &w, ECMG_CHANNEL_STATUS, id, -1);
	sim_put_int(&w, ECMG_SECTION_TSPKT, s->section_TSpkt_flag);
	if (s->has_AC) {
		sim_put_int(&w, ECMG_AC_DELAY_START, s->AC_delay_start);
		sim_put_int(&w, ECMG_AC_DELAY_STOP, s->AC_delay_stop);
	}
	sim_put_int(&w, ECMG_DELAY_START, s->delay_start);
	sim_put_int(&w, ECMG_DELAY_STOP, s->delay_stop);
	if (s->has_transition) {
		sim_put_int(&w, ECMG_TRANS_START, s->transition_delay_start);
		sim_put_int(&w, ECMG_TRANS_STOP, s->transition_delay_stop);
	}
	sim_put_int(&w, ECMG_REP_PERIOD, s->ECM_rep_period);
	sim_put_int(&w, ECMG_MAX_STREAMS, s->max_streams);
	sim_put_int(&w, ECMG_MIN_CP_DURATION, s->min_CP_duration);
	sim_put_int(&w, ECMG_LEAD_CW, s->lead_CW);
	sim_put_int(&w, ECMG_CW_PER_MSG, s->CW_per_msg);
	sim_put_int(&w, ECMG_MAX_COMP_TIME, s->max_comp_time);
	if (send)
		return finish(c, &w);
	return sim_end(&w, NULL) ? 0 : -1;
}

static void
put_stream_status(struct ecmg_channel *c, const struct ecmg_stream *s)
{
	struct sim_writer w;

	begin(c, &w, ECMG_STREAM_STATUS, c->id, s->id);
	if (c->version >= 2)
		sim_put_int(&w, ECMG_ECM_ID, s->ecm_id);
	sim_put_int(&w, ECMG_AC_TRANSFER_MODE, c->says.access_criteria_transfer_mode ? 1 : 0);
	finish(c, &w);
}

/* ---- the channel */

enum event {
	SETUP, TEST, CLOSE, STATUS, ERROR, STREAM_SETUP, STREAM_TEST, STREAM_CLOSE, STREAM_STATUS, STREAM_ERROR, CW_PROVISION,
	WRONG_WAY, ACCEPTED, QUIET, DEAF, GRACE_OVER, EVENTS
};

static void
set_up(void *self, const void *arg)
{
	struct ecmg_channel *c = self;
	const struct input *in = arg;
	char why[WHY] = "";
	int rc;

	c->id = (uint16_t)sim_int(in->m, ECMG_CHANNEL_ID, 0);
	c->version = in->m->version;
	c->super_cas_id = (uint32_t)sim_int(in->m, ECMG_SUPER_CAS_ID, 0);
	c->says = (struct ecmg_says){ 0 };
	if (c->e->max_channels && c->e->channels >= c->e->max_channels) {
		refuse(c, in, (struct refusal){ .status = ECMG_E_TOO_MANY_CHANNELS });
		return;
	}
	rc = c->e->door->channel(c->self, c->super_cas_id, &c->says, why, sizeof(why));
	if (rc < 0) {
		refuse(c, in, (struct refusal){ plugin_status(rc), 0, 0, *why ? why : NULL });
		return;
	}
	if (c->says.section_TSpkt_flag == 2 && c->version < 3) {
		refuse(c, in, (struct refusal){ .status = ECMG_E_VERSION, .why = "section_TSpkt_flag 2 needs protocol_version 3 or later" });
		return;
	}
	if (c->says.CW_per_msg == 0 || put_channel_status(c, c->id, false) < 0) {
		refuse(c, in, (struct refusal){ .status = ECMG_E_UNKNOWN, .why = "the plugin announces an impossible channel_status" });
		return;
	}
	gw_fsm_post(&c->state, ACCEPTED);
}

static void
open_channel(void *self, const void *arg)
{
	struct ecmg_channel *c = self;

	(void)arg;
	c->closes_us = 0;
	c->e->channels++;
	put_channel_status(c, c->id, true);
	note(c, (struct ecmg_note){ .level = GW_NOTICE, .event = "channel_open", .channel = c->id, .stream = -1 });
}

static void
send_status(void *self, const void *arg)
{
	struct ecmg_channel *c = self;

	(void)arg;
	put_channel_status(c, c->id, true);
}

static void
already_open(void *self, const void *arg)
{
	struct ecmg_channel *c = self;
	const struct input *in = arg;
	const bool same = sim_int(in->m, ECMG_CHANNEL_ID, 0) == c->id;

	refuse(c, in, (struct refusal){ .status = same ? ECMG_E_CHANNEL_ID_IN_USE : ECMG_E_CHANNEL_ID,
	    .why = "a connection carries one channel, and this one has it" });
}

static void
no_channel(void *self, const void *arg)
{
	const struct input *in = arg;

	refuse(self, in, (struct refusal){ .status = ECMG_E_CHANNEL_ID, .why = "no channel is open on this connection" });
}

static void
drop_streams(struct ecmg_channel *c)
{
	each_stream(c, drop);
	for (size_t p = 0; p < 256; p++) {
		free(c->pages[p]);
		c->pages[p] = NULL;
	}
}

static void
close_channel(void *self, const void *arg)
{
	struct ecmg_channel *c = self;

	(void)arg;
	note(c, (struct ecmg_note){ .level = GW_NOTICE, .event = "channel_close", .channel = c->id, .stream = -1 });
	drop_streams(c);
	c->e->channels--;
	c->closes_us = c->now_us + CLOSE_GRACE_US;	/* there is no answer to channel_close */
}

/* A status is what a test of ours got; an error is the peer's to solve, and errors are never answered with errors. */
static void
take_note(void *self, const void *arg)
{
	struct ecmg_channel *c = self;
	const struct sim_msg *m = ((const struct input *)arg)->m;
	const uint16_t code = (uint16_t)sim_int(m, ECMG_ERROR_STATUS, 0);
	const struct sim_status *status = sim_status_find(&ecmg_scs, code);

	if (sim_count(m, ECMG_ERROR_STATUS) > 0)
		note(c, (struct ecmg_note){ .level = GW_WARNING, .event = "peer_error", .message = m->def ? m->def->name : NULL,
		    .channel = (int)sim_int(m, ECMG_CHANNEL_ID, -1), .stream = (int)sim_int(m, ECMG_STREAM_ID, -1),
		    .status = code, .why = status ? status->name : "a code of the peer's own" });
}

static void
wrong_way(void *self, const void *arg)
{
	const struct input *in = arg;

	refuse(self, in, (struct refusal){ .status = ECMG_E_INVALID_MESSAGE, .why = "this message goes from ECMG to SCS only" });
}

static void
probe(void *self, const void *arg)
{
	struct ecmg_channel *c = self;
	struct sim_writer w;

	(void)arg;
	c->probed_us = c->now_us;
	begin(c, &w, ECMG_CHANNEL_TEST, c->id, -1);
	finish(c, &w);
}

static void
give_up(void *self, const void *arg)
{
	struct ecmg_channel *c = self;
	const bool open = c->state.state == ECMG_OPEN;

	(void)arg;
	note(c, (struct ecmg_note){ .level = GW_WARNING, .event = "peer_silent", .channel = open ? c->id : -1, .stream = -1,
	    .why = open ? "no answer to channel_test" : "connected, but no channel was set up" });
	c->closes_us = INT64_MAX;	/* once */
	c->e->door->close(c->self);
}

static void
part(void *self, const void *arg)
{
	struct ecmg_channel *c = self;

	(void)arg;
	c->closes_us = INT64_MAX;
	c->e->door->close(c->self);
}

/* ---- streams */

static struct ecmg_stream *
named(struct ecmg_channel *c, const struct input *in)
{
	struct ecmg_stream *s = find(c, sim_int(in->m, ECMG_STREAM_ID, -1));

	if (!s)
		refuse(c, in, (struct refusal){ .status = ECMG_E_STREAM_ID, .why = "this stream is not open" });
	return s;
}

static bool
ecm_id_taken(const struct ecmg_channel *c, uint16_t ecm_id)
{
	const struct ecmg_stream *s;

	LIST_FOREACH(s, &c->ecm_ids[ecm_id % ECMG_ECM_ID_LISTS], same_list)
		if (s->ecm_id == ecm_id)
			return true;
	return false;
}

/* 0, or why a stream cannot be opened. */
static struct refusal
admit(struct ecmg_channel *c, uint16_t id, uint16_t ecm_id, uint16_t nominal, bool *shared, char why[WHY])
{
	int rc;

	if (find(c, id))
		return (struct refusal){ .status = ECMG_E_STREAM_ID_IN_USE };
	if (c->says.max_streams && c->nstreams >= c->says.max_streams)
		return (struct refusal){ .status = ECMG_E_TOO_MANY_STREAMS_CHANNEL };
	if (c->e->max_streams && c->e->streams >= c->e->max_streams)
		return (struct refusal){ .status = ECMG_E_TOO_MANY_STREAMS_ECMG };
	/* Elsewhere another connection, a stale one perhaps, may hold the same number. Some SCSs give every stream the same. */
	*shared = ecm_id_taken(c, ecm_id);
	if (c->e->strict && *shared)
		return (struct refusal){ .status = ECMG_E_ECM_ID_IN_USE };
	rc = c->e->door->stream(c->self, c->super_cas_id, ecm_id, why, WHY);
	if (rc < 0)
		return (struct refusal){ plugin_status(rc), 0, 0, *why ? why : NULL };
	if (nominal < c->says.min_CP_duration) {
		snprintf(why, WHY, "nominal_CP_duration %u is below min_CP_duration %u", nominal, c->says.min_CP_duration);
		return (struct refusal){ ECMG_E_VALUE, ECMG_NOMINAL_CP_DURATION, 0, why };
	}
	return (struct refusal){ 0 };
}

static void
open_stream(void *self, const void *arg)
{
	struct ecmg_channel *c = self;
	const struct input *in = arg;
	const uint16_t id = (uint16_t)sim_int(in->m, ECMG_STREAM_ID, 0), nominal = (uint16_t)sim_int(in->m, ECMG_NOMINAL_CP_DURATION, 0);
	const uint16_t ecm_id = (uint16_t)sim_int(in->m, ECMG_ECM_ID, id);	/* version 1, and peers that never send it */
	char why[WHY] = "";
	bool shared = false;
	struct refusal r = admit(c, id, ecm_id, nominal, &shared, why);
	struct ecmg_stream *s = r.status ? NULL : add(c, id, ecm_id);

	if (!r.status && !s)
		r.status = ECMG_E_STORAGE;
	if (r.status) {
		refuse(c, in, r);
		return;
	}
	if (shared)
		tolerate(c, in, ECMG_SHARED_ECM_ID, ECMG_ECM_ID, 0);
	s->nominal_100ms = nominal;
	put_stream_status(c, s);
	note(c, (struct ecmg_note){ .level = GW_INFO, .event = "stream_open", .channel = c->id, .stream = id });
}

static void
test_stream(void *self, const void *arg)
{
	struct ecmg_channel *c = self;
	struct ecmg_stream *s = named(c, arg);

	if (s)
		put_stream_status(c, s);
}

/* What is pending is dropped: the SCS asked for the end of the stream, and may be gone before a response arrives. */
static void
close_stream(void *self, const void *arg)
{
	struct ecmg_channel *c = self;
	struct ecmg_stream *s = named(c, arg);
	struct sim_writer w;

	if (!s)
		return;
	begin(c, &w, ECMG_STREAM_CLOSE_RESPONSE, c->id, s->id);
	note(c, (struct ecmg_note){ .level = GW_INFO, .event = "stream_close", .channel = c->id, .stream = s->id });
	drop(c, s);
	finish(c, &w);
}

/* ---- control words */

/* The criteria in force (2.3): mode 1, in every message; mode 0, those of the stream until others come. */
static int
take_criteria(struct ecmg_stream *s, const struct sim_value *v)
{
	uint8_t *copy;

	if (s->has_criteria && s->criteria_len == v->len && (v->len == 0 || memcmp(s->criteria, v->p, v->len) == 0))
		return 0;
	copy = malloc(v->len ? v->len : 1);
	if (!copy)
		return -1;
	memcpy(copy, v->p, v->len);
	free(s->criteria);
	s->criteria = copy;
	s->criteria_len = v->len;
	s->has_criteria = true;
	return 0;
}

static const struct sim_value *
of_cp(const struct sim_msg *m, uint16_t type, uint16_t cp)
{
	for (size_t k = 0; k < m->n; k++)
		if (m->v[k].type == type && m->v[k].p[0] == cp >> 8 && m->v[k].p[1] == (cp & 0xff))
			return &m->v[k];
	return NULL;
}

/*
 * The window of clause 2.5: CPs n + 1 + lead_CW - CW_per_msg .. n + lead_CW, modulo 65536, in this order in e->cws. -1: not all of
 * them are there. TSDuck always sends n and n + 1: a lenient receiver takes what it needs from more.
 */
static int
take_window(struct ecmg_channel *c, const struct input *in, uint16_t n)
{
	const struct sim_msg *m = in->m;
	const unsigned y = c->says.CW_per_msg;
	const uint16_t first = (uint16_t)(n + 1u + c->says.lead_CW - y);
	const bool more = sim_count(m, ECMG_CP_CW) > y;

	if (c->e->strict && more)
		return -1;
	for (unsigned k = 0; k < y; k++) {
		const uint16_t cp = (uint16_t)(first + k);
		const struct sim_value *cw = of_cp(m, ECMG_CP_CW, cp), *id = of_cp(m, ECMG_KEY_IDENTIFIER, cp);

		if (!cw)
			return -1;
		c->e->cws[k] = (struct ecmg_cw){ cp, cw->p + 2, cw->len - 2u, id ? id->p + 2 : NULL, id ? id->len - 2u : 0 };
	}
	if (more)
		tolerate(c, in, ECMG_MORE_CWS, ECMG_CP_CW, 0);
	return 0;
}

/* Whether the plugin keeps what it announced (2.4); an empty datagram says that none shall be broadcast. */
static bool
datagram_fits(uint8_t flag, const uint8_t *p, size_t len)
{
	if (len == 0)
		return true;
	if (flag == 0)
		return len >= 3 && (size_t)((p[1] & 0x0f) << 8 | p[2]) + 3 == len;
	if (flag == 1)
		for (size_t at = 0; at < len; at += 188)
			if (len - at < 188 || p[at] != 0x47)
				return false;
	return true;
}

static void
respond(struct ecmg_channel *c, struct ecmg_stream *s, int rc, const uint8_t *ecm, const char *why)
{
	const int64_t took_us = c->e->door->clock_us(c->self) - s->asked_us;
	struct sim_writer w;

	if (rc >= 0 && ((size_t)rc > ECMG_ECM_MAX || !datagram_fits(c->says.section_TSpkt_flag, ecm, (size_t)rc))) {
		rc = -ECMG_E_UNKNOWN;
		why = "the plugin's ECM is not what section_TSpkt_flag says";
	}
	if (rc < 0) {
		send_error(c, (struct ecmg_note){ .message = "CW_provision", .channel = c->id, .stream = s->id, .status = plugin_status(rc) }, 0,
		    why && *why ? why : "the plugin could not make the ECM");
		return;
	}
	begin(c, &w, ECMG_ECM_RESPONSE, c->id, s->id);
	sim_put_int(&w, ECMG_CP_NUMBER, s->cp_number);
	sim_put_bytes(&w, ECMG_ECM_DATAGRAM, ecm, (size_t)rc);
	finish(c, &w);
	c->e->ecm_total++;
	c->e->ecm_us += (uint64_t)took_us;
	if (c->says.max_comp_time && took_us > c->says.max_comp_time * 1000)
		note(c, (struct ecmg_note){ .level = GW_INFO, .event = "ecm_late", .channel = c->id, .stream = s->id,
		    .why = "it took longer than max_comp_time" });
}

static struct refusal
prepare(struct ecmg_channel *c, struct ecmg_stream *s, const struct input *in)
{
	const struct sim_msg *m = in->m;
	const struct sim_value *criteria = sim_value(m, ECMG_ACCESS_CRITERIA, 0);

	s->cp_number = (uint16_t)sim_int(m, ECMG_CP_NUMBER, 0);
	if (!c->e->encrypted && sim_value(m, ECMG_CW_ENCRYPTION, 0))	/* ciphertext must not be taken for a CW */
		return (struct refusal){ ECMG_E_VALUE, ECMG_CW_ENCRYPTION, 0, "encrypted CWs are not supported; use TLS" };
	if (!criteria && c->says.access_criteria_transfer_mode)
		return (struct refusal){ ECMG_E_MISSING, ECMG_ACCESS_CRITERIA, 0, NULL };
	if (take_window(c, in, s->cp_number) < 0)
		return (struct refusal){ .status = ECMG_E_NOT_ENOUGH_CW };
	if (criteria && take_criteria(s, criteria) < 0)	/* last: what is refused changes nothing */
		return (struct refusal){ .status = ECMG_E_STORAGE };
	return (struct refusal){ 0 };
}

static void
ask(struct ecmg_channel *c, struct ecmg_stream *s, const struct input *in)
{
	const int64_t protection = sim_int(in->m, ECMG_TRAFFIC_PROTECTION, -1);
	const struct sim_value *encryption = sim_value(in->m, ECMG_CW_ENCRYPTION, 0);
	const struct refusal r = prepare(c, s, in);
	char why[WHY];
	int rc;

	if (r.status) {
		refuse(c, in, r);
		return;
	}
	s->serial = ++c->e->serial;
	s->asked_us = c->e->door->clock_us(c->self);
	why[0] = '\0';
	rc = c->e->door->ecm(c->self, &(struct ecmg_request){
		.handle = (uint64_t)c->slot << 48 | (uint64_t)s->id << 32 | s->serial,
		.super_cas_id = c->super_cas_id, .ecm_id = s->ecm_id, .cp_number = s->cp_number,
		.cp_duration_100ms = (uint16_t)sim_int(in->m, ECMG_CP_DURATION, s->nominal_100ms),
		.has_protection = protection >= 0, .protection = protection >= 0 ? (uint8_t)(protection >> 8) : 0,
		.authenticated = protection >= 0 ? protection & 1 : 0, .cws = c->e->cws, .ncws = c->says.CW_per_msg,
		.access_criteria = s->has_criteria ? s->criteria : NULL, .access_criteria_len = s->criteria_len,
		.cw_encryption = encryption ? encryption->p : NULL, .cw_encryption_len = encryption ? encryption->len : 0,
	    }, c->e->ecm, sizeof(c->e->ecm), why, sizeof(why));
	if (rc == ECMG_LATER) {
		s->busy = true;
		c->pending++;
	} else {
		respond(c, s, rc, c->e->ecm, why);
	}
}

static void
provide(void *self, const void *arg)
{
	struct ecmg_stream *s = named(self, arg);

	if (s)
		ask(self, s, arg);
}

/* The stream's plugin is at work: the message waits its turn, faults included, for stream_error names no CP. */
static void
wait_turn(struct ecmg_channel *c, struct ecmg_stream *s, const struct input *in)
{
	struct waiting *w = s->nqueued < STREAM_QUEUE ? calloc(1, sizeof(*w)) : NULL;

	if (!w || gw_secret_set(&w->msg, in->msg, in->len) < 0) {
		free(w);
		refuse(c, in, (struct refusal){ .status = ECMG_E_COMPUTATION, .why = "too many CW_provisions wait on this stream" });
		return;
	}
	STAILQ_INSERT_TAIL(&s->queue, w, next);
	s->nqueued++;
	c->pending++;
}

/* ---- the machine */

static const struct gw_edge edges[] = {
	/* in state          on event       go to            then do */
	{ ECMG_OPEN,       CW_PROVISION,  GW_SAME,         provide       },
	{ ECMG_NO_CHANNEL, SETUP,         GW_SAME,         set_up        },
	{ ECMG_NO_CHANNEL, ACCEPTED,      ECMG_OPEN,       open_channel  },
	{ ECMG_OPEN,       SETUP,         GW_SAME,         already_open  },
	{ ECMG_OPEN,       TEST,          GW_SAME,         send_status   },
	{ ECMG_OPEN,       CLOSE,         ECMG_NO_CHANNEL, close_channel },
	{ ECMG_OPEN,       STREAM_SETUP,  GW_SAME,         open_stream   },
	{ ECMG_OPEN,       STREAM_TEST,   GW_SAME,         test_stream   },
	{ ECMG_OPEN,       STREAM_CLOSE,  GW_SAME,         close_stream  },
	{ ECMG_NO_CHANNEL, TEST,          GW_SAME,         no_channel    },
	{ ECMG_NO_CHANNEL, CLOSE,         GW_SAME,         no_channel    },
	{ ECMG_NO_CHANNEL, STREAM_SETUP,  GW_SAME,         no_channel    },
	{ ECMG_NO_CHANNEL, STREAM_TEST,   GW_SAME,         no_channel    },
	{ ECMG_NO_CHANNEL, STREAM_CLOSE,  GW_SAME,         no_channel    },
	{ ECMG_NO_CHANNEL, CW_PROVISION,  GW_SAME,         no_channel    },
	{ GW_ANY,          STATUS,        GW_SAME,         take_note     },
	{ GW_ANY,          ERROR,         GW_SAME,         take_note     },
	{ GW_ANY,          STREAM_STATUS, GW_SAME,         take_note     },
	{ GW_ANY,          STREAM_ERROR,  GW_SAME,         take_note     },
	{ GW_ANY,          WRONG_WAY,     GW_SAME,         wrong_way     },
	{ ECMG_OPEN,       QUIET,         GW_SAME,         probe         },
	{ GW_ANY,          DEAF,          GW_SAME,         give_up       },
	{ ECMG_NO_CHANNEL, GRACE_OVER,    GW_SAME,         part          },
};
static const char *const states[] = { "NO_CHANNEL", "OPEN" };
static const char *const events[EVENTS] = {
	[SETUP] = "channel_setup", [TEST] = "channel_test", [CLOSE] = "channel_close", [STATUS] = "channel_status",
	[ERROR] = "channel_error", [STREAM_SETUP] = "stream_setup", [STREAM_TEST] = "stream_test",
	[STREAM_CLOSE] = "stream_close_request", [STREAM_STATUS] = "stream_status", [STREAM_ERROR] = "stream_error",
	[CW_PROVISION] = "CW_provision", [WRONG_WAY] = "(wrong direction)", [ACCEPTED] = "(accepted)", [QUIET] = "(quiet)",
	[DEAF] = "(deaf)", [GRACE_OVER] = "(grace over)",
};
const struct gw_fsm ecmg_channel_fsm = { "ecmg-channel", TABLE(edges), TABLE(states), TABLE(events), NULL };

static const struct { uint16_t type; enum event event; } meaning[] = {
	{ ECMG_CW_PROVISION, CW_PROVISION },
	{ ECMG_CHANNEL_SETUP, SETUP }, { ECMG_CHANNEL_TEST, TEST }, { ECMG_CHANNEL_STATUS, STATUS },
	{ ECMG_CHANNEL_CLOSE, CLOSE }, { ECMG_CHANNEL_ERROR, ERROR }, { ECMG_STREAM_SETUP, STREAM_SETUP },
	{ ECMG_STREAM_TEST, STREAM_TEST }, { ECMG_STREAM_STATUS, STREAM_STATUS }, { ECMG_STREAM_CLOSE_REQUEST, STREAM_CLOSE },
	{ ECMG_STREAM_CLOSE_RESPONSE, WRONG_WAY }, { ECMG_STREAM_ERROR, STREAM_ERROR }, { ECMG_ECM_RESPONSE, WRONG_WAY },
};

static enum event
event_of(uint16_t type)
{
	for (size_t k = 0; k < sizeof(meaning) / sizeof(meaning[0]); k++)
		if (meaning[k].type == type)
			return meaning[k].event;
	return EVENTS;
}

/* ---- what comes in */

static void
unknown_message(struct ecmg_channel *c, const struct input *in)
{
	const struct sim_msg *m = in->m;
	char why[WHY];

	if (c->e->strict && m->type < 0x8000) {
		snprintf(why, sizeof(why), "unknown message_type 0x%04x", m->type);
		refuse(c, in, (struct refusal){ ECMG_E_MESSAGE_TYPE, 0, 1, why });
		return;
	}
	c->e->ignored++;	/* clause 4.4.1 */
	tolerate(c, in, ECMG_UNKNOWN_MESSAGE, 0, 1);
}

static enum ecmg_deviation
deviation_of(enum sim_verdict verdict)
{
	return verdict == SIM_MISSING ? ECMG_LEFT_OUT : verdict == SIM_BAD_LENGTH ? ECMG_STRANGE_LENGTH : ECMG_UNKNOWN_PARAMETER;
}

/* A message that the letter of the standard forbids is read once more, with the lenient eye: a clean one costs no second look. */
static int
decode(struct ecmg_channel *c, const struct input *in, struct sim_fault *why)
{
	struct sim_fault deviation;
	int rc = sim_decode_as(&ecmg_scs, SIM_STRICT, in->msg, in->len, &c->e->in, why);

	if (rc == 0 || c->e->strict)
		return rc;
	deviation = *why;
	rc = sim_decode_as(&ecmg_scs, SIM_LENIENT, in->msg, in->len, &c->e->in, why);
	if (rc == 0)
		tolerate(c, in, deviation_of(deviation.verdict), deviation.param, deviation.offset);
	return rc;
}

/* The checks in their order (1.3): version, message type, structure and parameters, channel; streams and values are the actions'. */
static void
take(struct ecmg_channel *c, const uint8_t *msg, size_t len)
{
	struct sim_msg *m = &c->e->in;
	const struct input in = { msg, len, m };
	struct sim_fault why;
	const int rc = decode(c, &in, &why);
	const enum event event = event_of(m->type);
	const bool open = c->state.state == ECMG_OPEN, own = !open || m->version == c->version;
	struct ecmg_stream *busy = event == CW_PROVISION && open && own ? find(c, sim_int(m, ECMG_STREAM_ID, -1)) : NULL;

	if (rc < 0 && (event == ERROR || event == STREAM_ERROR))
		take_note(c, &in);
	else if (why.verdict == SIM_VERSION || !own)
		refuse(c, &in, (struct refusal){ ECMG_E_VERSION, 0, 0, own ? NULL : "protocol_version changed within the connection" });
	else if (why.verdict == SIM_NO_MESSAGE)
		unknown_message(c, &in);
	else if (busy && busy->busy)
		wait_turn(c, busy, &in);
	else if (rc < 0)
		refuse(c, &in, (struct refusal){ sim_status_of(&ecmg_scs, why.verdict), why.param, why.offset, NULL });
	else if (open && sim_int(m, ECMG_CHANNEL_ID, -1) != c->id && event != SETUP && event != ERROR && event != STREAM_ERROR)
		refuse(c, &in, (struct refusal){ .status = ECMG_E_CHANNEL_ID });
	else
		gw_fsm_feed(&c->state, c, (int)event, &in);
}

void
ecmg_channel_init(struct ecmg_channel *c, struct ecmg_engine *e, void *self, uint16_t slot, int64_t now_us)
{
	*c = (struct ecmg_channel){ .e = e, .self = self, .slot = slot, .version = ecmg_scs.newest, .now_us = now_us, .heard_us = now_us };
	gw_fsm_init(&c->state, &ecmg_channel_fsm, ECMG_NO_CHANNEL);
}

void
ecmg_channel_turn_away(struct ecmg_engine *e, void *self, const uint8_t *msg, size_t len)
{
	static const uint8_t nothing[SIM_HEADER] = { 3 };	/* the version that most equipment speaks */
	const struct input in = { msg ? msg : nothing, msg ? len : sizeof(nothing), &e->in };
	struct ecmg_channel c;

	ecmg_channel_init(&c, e, self, 0, 0);
	sim_decode(&ecmg_scs, in.msg, in.len, &e->in, NULL);
	if (event_of(e->in.type) != ERROR && event_of(e->in.type) != STREAM_ERROR)
		refuse(&c, &in, (struct refusal){ ECMG_E_TOO_MANY_CHANNELS, 0, 0, "no room for another connection" });
}

void
ecmg_channel_fini(struct ecmg_channel *c)
{
	drop_streams(c);
	if (c->state.state == ECMG_OPEN)
		c->e->channels--;
	c->state.state = ECMG_NO_CHANNEL;
}

void
ecmg_channel_feed(struct ecmg_channel *c, const uint8_t *msg, size_t len, int64_t now_us)
{
	c->now_us = c->heard_us = now_us;
	c->probed_us = 0;
	take(c, msg, len);
}

static void
run_queue(struct ecmg_channel *c, struct ecmg_stream *s)
{
	while (!s->busy && !STAILQ_EMPTY(&s->queue)) {
		struct gw_secret msg = STAILQ_FIRST(&s->queue)->msg;

		STAILQ_FIRST(&s->queue)->msg = (struct gw_secret){ 0 };
		pop(c, s);
		take(c, msg.p, msg.len);
		gw_secret_free(&msg);
	}
}

static void
conclude(struct ecmg_channel *c, struct ecmg_stream *s, int rc, const uint8_t *ecm, const char *why)
{
	s->busy = false;
	c->pending--;
	respond(c, s, rc, ecm, why);
	run_queue(c, s);
}

int
ecmg_channel_answer(struct ecmg_channel *c, uint64_t handle, int rc, const uint8_t *ecm, const char *why)
{
	struct ecmg_stream *s = find(c, (int64_t)(handle >> 32 & 0xffff));

	if (ecmg_handle_slot(handle) != c->slot || !s || !s->busy || s->serial != (uint32_t)handle)
		return -1;
	conclude(c, s, rc, ecm, why);
	return 0;
}

static void
check_limit(struct ecmg_channel *c, struct ecmg_stream *s)
{
	if (s->busy && c->e->door->clock_us(c->self) - s->asked_us >= (int64_t)c->e->ecm_limit_ms * 1000)
		conclude(c, s, -ECMG_E_COMPUTATION, NULL, "the plugin does not answer");
}

void
ecmg_channel_time(struct ecmg_channel *c, int64_t now_us)
{
	const bool open = c->state.state == ECMG_OPEN;
	const int64_t silent = now_us - c->heard_us, patience = (int64_t)c->e->patience_ms * 1000;

	c->now_us = now_us;
	if (c->pending && c->e->ecm_limit_ms)
		each_stream(c, check_limit);
	if (c->closes_us) {
		if (now_us >= c->closes_us)
			gw_fsm_feed(&c->state, c, GRACE_OVER, NULL);
	} else if (patience && ((open && c->probed_us && now_us - c->probed_us >= patience) || (!open && silent >= patience))) {
		gw_fsm_feed(&c->state, c, DEAF, NULL);
	} else if (open && !c->probed_us && c->e->silence_ms && silent >= (int64_t)c->e->silence_ms * 1000) {
		gw_fsm_feed(&c->state, c, QUIET, NULL);
	}
}
