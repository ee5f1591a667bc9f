/* lib/mux_channel.c: the connection of an EMMG or PDG. Clauses are those of TS 103 197, codes those of 6.2.6 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/mux_format.h"
#include "lib/mux_stream.h"
#include "proto/ts.h"

enum {
	CLOSE_GRACE_US = 1000000,	/* after channel_close: the EMMG closes, too */
	TELL_US = 1000000,		/* what has no message to answer is said once in so long for a stream */
	ALONE_US = 30000000,		/* a stream of UDP alone that is silent so long gives its share back */
	WHY = 240, WIRE = 512,
};
enum { DRM_PROFILE = 0x0001, SMARTCARD_PROFILE = 0x0002 };	/* upper half of client_id, OMA BCAST */

const char *const mux_udp_drops[MUX_UDP_DROPS] = { "malformed", "not_data_provision", "unknown_stream", "refused", "over_rate" };

/* What a lenient mux lets pass, and names once for each connection. */
enum deviation { UNKNOWN_MESSAGE, UNKNOWN_PARAM, NO_DATA_ID, DATA_ID_IN_1, NO_STREAM_ID, FLAG_2, UDP_PARAM };
static const char *const deviations[] = {
	[UNKNOWN_MESSAGE] = "it sends messages of a type unknown here: they are ignored (4.4.1)",
	[UNKNOWN_PARAM] = "it sends parameters that these messages do not list: they are ignored (4.4.1)",
	[NO_DATA_ID] = "it leaves data_id out, which is mandatory from protocol_version 2 on: data_stream_id is taken for it",
	[DATA_ID_IN_1] = "it sends data_id, which protocol_version 1 does not have, as TSDuck does: it counts",
	[NO_STREAM_ID] = "its data_provision lacks data_channel_id or data_stream_id, which are mandatory on TCP: client_id and data_id tell the stream",
	[FLAG_2] = "it uses section_TSpkt_flag 2 with a protocol_version below 5",
	[UDP_PARAM] = "its data_provision by UDP holds more than client_id, data_id and datagrams, as TSDuck's does: the rest is ignored",
};

struct input { const uint8_t *msg; size_t len; const struct sim_msg *m; };

/* ---- streams by number */

static struct mux_stream *
find(const struct mux_channel *c, int64_t id)
{
	return id >= 0 && c->pages[id >> 8] ? c->pages[id >> 8][id & 0xff] : NULL;
}

static void
drop(struct mux_channel *c, struct mux_stream *s)
{
	c->pages[s->id >> 8][s->id & 0xff] = NULL;
	c->nstreams--;
	mux_stream_end(c->e, s);
}

static void
drop_all(struct mux_channel *c)
{
	for (size_t p = 0; p < 256; p++) {
		for (size_t k = 0; c->pages[p] && k < 256; k++)
			if (c->pages[p][k])
				drop(c, c->pages[p][k]);
		free(c->pages[p]);
		c->pages[p] = NULL;
	}
}

/* ---- what goes out */

static void
note(struct mux_channel *c, struct mux_note n)
{
	c->e->door->note(c->self, &n);
}

static void
note_channel(struct mux_channel *c, enum gw_level level, const char *event, const char *why)
{
	note(c, (struct mux_note){ .level = level, .event = event, .client_id = c->client_id, .channel = c->id, .stream = -1, .why = why });
}

static void
tolerate(struct mux_channel *c, enum deviation d)
{
	if (c->tolerated & 1u << d)
		return;
	c->tolerated |= 1u << d;
	note(c, (struct mux_note){ .level = GW_NOTICE, .event = "tolerated", .message = c->e->in.def ? c->e->in.def->name : NULL,
	    .client_id = sim_int(&c->e->in, EMMG_CLIENT_ID, -1), .channel = (int)sim_int(&c->e->in, EMMG_CHANNEL_ID, -1), .stream = -1,
	    .why = deviations[d] });
}

static void
begin(const struct mux_channel *c, struct sim_writer *w, uint8_t *buf, uint16_t message, uint32_t client_id, uint16_t channel, int stream)
{
	sim_begin(w, &emmg_mux, c->version, message, buf, WIRE);
	sim_put_int(w, EMMG_CLIENT_ID, client_id);
	sim_put_int(w, EMMG_CHANNEL_ID, channel);
	if (stream >= 0)
		sim_put_int(w, EMMG_STREAM_ID, stream);
}

static void
finish(struct mux_channel *c, struct sim_writer *w)
{
	const size_t n = sim_end(w, NULL);

	if (n == 0)
		return;
	w->buf[0] = c->version;
	c->e->door->send(c->self, w->buf, n);
}

static void
put_channel(struct mux_channel *c, uint16_t message)
{
	uint8_t buf[WIRE];
	struct sim_writer w;

	begin(c, &w, buf, message, c->client_id, c->id, -1);
	if (message == EMMG_CHANNEL_STATUS)
		sim_put_int(&w, EMMG_SECTION_TSPKT, c->flag);
	finish(c, &w);
}

static void
put_stream(struct mux_channel *c, const struct mux_stream *s, uint16_t message)
{
	uint8_t buf[WIRE];
	const uint8_t version = c->version;
	struct sim_writer w;

	/* TSDuck has one grammar for all versions and refuses a stream_status without data_id: who sends it in version 1 gets it back. */
	if (version == 1 && s->numbered)
		c->version = 2;
	begin(c, &w, buf, message, c->client_id, c->id, s->id);
	if (message == EMMG_STREAM_STATUS && c->version >= 2)
		sim_put_int(&w, EMMG_DATA_ID, s->route.data_id);
	c->version = version;
	if (message == EMMG_STREAM_STATUS)
		sim_put_int(&w, EMMG_DATA_TYPE, s->data_type);
	if (message == EMMG_STREAM_BW_ALLOCATION)	/* always there: TSDuck takes its absence for 0 kbit/s */
		sim_put_int(&w, EMMG_BANDWIDTH, s->told_kbps);
	finish(c, &w);
}

void
mux_channel_tell(struct mux_stream *s)
{
	if (!s->channel || s->channel->state.state != MUX_OPEN)
		return;
	s->told_kbps = mux_stream_kbps(s);
	put_stream(s->channel, s, EMMG_STREAM_BW_ALLOCATION);
}

/* ---- refusals */

/* n.channel, n.stream: as the peer named them; stream < 0: a channel_error. */
static void
send_error(struct mux_channel *c, struct mux_note n, uint16_t param, const char *why)
{
	const struct sim_status *status = sim_status_find(&emmg_mux, n.status);
	uint8_t buf[WIRE];
	struct sim_writer w;

	begin(c, &w, buf, n.stream >= 0 ? EMMG_STREAM_ERROR : EMMG_CHANNEL_ERROR, n.client_id >= 0 ? (uint32_t)n.client_id : 0,
	    n.channel >= 0 ? (uint16_t)n.channel : 0, n.stream);
	sim_put_int(&w, EMMG_ERROR_STATUS, n.status);
	/* TSDuck, which speaks version 2, takes error_information of two octets or none; a reason in words is for the others. */
	if (param)
		sim_put_bytes(&w, EMMG_ERROR_INFORMATION, (const uint8_t[]){ (uint8_t)(param >> 8), (uint8_t)param }, 2);
	else if (why && c->version >= 4)
		sim_put_text(&w, EMMG_ERROR_INFORMATION, why);
	finish(c, &w);
	n.level = GW_WARNING;
	n.event = "refused";
	n.why = why ? why : status ? status->name : NULL;
	note(c, n);
}

/* The parameter that an error_status is about. */
static const struct { uint16_t status, param; } about[] = {
	{ EMMG_E_CLIENT_ID, EMMG_CLIENT_ID }, { EMMG_E_CLIENT_ID_IN_USE, EMMG_CLIENT_ID }, { EMMG_E_CHANNEL_ID, EMMG_CHANNEL_ID },
	{ EMMG_E_CHANNEL_ID_IN_USE, EMMG_CHANNEL_ID }, { EMMG_E_STREAM_ID, EMMG_STREAM_ID }, { EMMG_E_STREAM_ID_IN_USE, EMMG_STREAM_ID },
	{ EMMG_E_DATA_ID, EMMG_DATA_ID }, { EMMG_E_DATA_ID_IN_USE, EMMG_DATA_ID },
};

/* param: goes out as error_information; at: where the fault is; why: what there is to say beyond the status. */
struct refusal { uint16_t status, param; size_t at; const char *why; };

static size_t
offset_of(const struct input *in, uint16_t type)
{
	const struct sim_value *v = sim_value(in->m, type, 0);

	return v ? (size_t)(v->p - in->msg) - 4 : in->len;
}

/* A fault of a stream message whose stream could be read is a stream_error, every other one a channel_error. */
static void
refuse(struct mux_channel *c, const struct input *in, struct refusal r)
{
	const struct sim_msg *m = in->m;
	const bool stream_level = m->type >= EMMG_STREAM_SETUP && r.status != EMMG_E_VERSION && r.status != EMMG_E_MESSAGE_TYPE;
	uint16_t blamed = r.param;

	for (size_t k = 0; !blamed && k < sizeof(about) / sizeof(about[0]); k++)
		if (about[k].status == r.status)
			blamed = about[k].param;
	if (c->state.state == MUX_NO_CHANNEL)	/* a version we speak, the peer's own if that is one */
		c->version = m->version < emmg_mux.oldest ? emmg_mux.oldest : m->version > emmg_mux.newest ? emmg_mux.newest : m->version;
	send_error(c, (struct mux_note){ .message = m->def ? m->def->name : "unknown", .client_id = sim_int(m, EMMG_CLIENT_ID, -1),
		.channel = (int)sim_int(m, EMMG_CHANNEL_ID, -1), .stream = stream_level ? (int)sim_int(m, EMMG_STREAM_ID, -1) : -1,
		.status = r.status, .param = blamed, .offset = r.at || !blamed ? r.at : offset_of(in, blamed) }, r.param, r.why);
}

/* What has no message to answer: data by UDP, the map, the rate. */
static void
complain(struct mux_stream *s, uint16_t status, const char *why)
{
	struct mux_channel *c = s->channel;

	if (c && c->state.state == MUX_OPEN)
		send_error(c, (struct mux_note){ .message = "data_provision", .client_id = c->client_id, .channel = c->id, .stream = s->id,
		    .status = status }, 0, why);
}

/* About data, which may come by UDP and from anybody: as many complaints as datagrams would fill the connection. */
static bool
may_complain(struct mux_stream *s, int64_t now_us)
{
	if (s->told_us && now_us - s->told_us < TELL_US)
		return false;
	s->told_us = now_us;
	return true;
}

/* ---- the channel */

enum event {
	SETUP, TEST, CLOSE, STATUS, ERROR, STREAM_SETUP, STREAM_TEST, STREAM_CLOSE, STREAM_STATUS, STREAM_ERROR, BW_REQUEST, DATA,
	WRONG_WAY, ACCEPTED, QUIET, DEAF, GRACE_OVER, EVENTS
};

/* The other channel may be that of a connection that died unnoticed: it has to show that it lives. */
static void
doubt(struct mux_channel *other)
{
	if (!other->probed_us && other->e->silence_ms)
		other->heard_us = INT64_MIN / 2;
}

static struct refusal
admission(struct mux_channel *c, uint32_t client_id, uint16_t id, uint8_t flag, uint8_t version)
{
	const struct he_mux *most = &c->e->limits;
	struct mux_channel *o;
	unsigned n = 0;

	if (client_id >> 16 == SMARTCARD_PROFILE)
		return (struct refusal){ .status = EMMG_E_CLIENT_ID, .why = "long-term keys of the Smartcard Profile never go this way" };
	if (!mux_map_knows(c->e->map, client_id))
		return (struct refusal){ .status = EMMG_E_CLIENT_ID };
	if ((client_id >> 16 == DRM_PROFILE && flag != 2) || (most->strict && flag == 2 && version < 5))
		return (struct refusal){ EMMG_E_VALUE, EMMG_SECTION_TSPKT, 0, NULL };
	TAILQ_FOREACH(o, &c->e->channels, all) {
		if (o->client_id != client_id)
			continue;
		n++;
		if (o->id == id) {
			doubt(o);
			return (struct refusal){ .status = EMMG_E_CHANNEL_ID_IN_USE };
		}
		if (most->max_channels_per_client == 1) {
			doubt(o);
			return (struct refusal){ .status = EMMG_E_CLIENT_ID_IN_USE };
		}
	}
	if (c->e->nchannels >= most->max_channels || n >= most->max_channels_per_client)
		return (struct refusal){ .status = EMMG_E_TOO_MANY_CHANNELS };
	return (struct refusal){ 0 };
}

static void
set_up(void *self, const void *arg)
{
	struct mux_channel *c = self;
	const struct input *in = arg;
	const struct refusal r = admission(c, (uint32_t)sim_int(in->m, EMMG_CLIENT_ID, 0), (uint16_t)sim_int(in->m, EMMG_CHANNEL_ID, 0),
	    (uint8_t)sim_int(in->m, EMMG_SECTION_TSPKT, 0), in->m->version);

	if (r.status) {
		refuse(c, in, r);
		return;
	}
	c->client_id = (uint32_t)sim_int(in->m, EMMG_CLIENT_ID, 0);
	c->id = (uint16_t)sim_int(in->m, EMMG_CHANNEL_ID, 0);
	c->flag = (uint8_t)sim_int(in->m, EMMG_SECTION_TSPKT, 0);
	c->version = in->m->version;
	if (c->flag == 2 && c->version < 5)
		tolerate(c, FLAG_2);
	gw_fsm_post(&c->state, ACCEPTED);
}

static void
open_channel(void *self, const void *arg)
{
	struct mux_channel *c = self;

	(void)arg;
	c->closes_us = 0;
	c->e->nchannels++;
	TAILQ_INSERT_TAIL(&c->e->channels, c, all);
	put_channel(c, EMMG_CHANNEL_STATUS);
	note_channel(c, GW_NOTICE, "channel_open", NULL);
}

static void
send_status(void *self, const void *arg)
{
	(void)arg;
	put_channel(self, EMMG_CHANNEL_STATUS);
}

static void
already_open(void *self, const void *arg)
{
	refuse(self, arg, (struct refusal){ .status = EMMG_E_CHANNEL_ID_IN_USE, .why = "a connection carries one channel, and this one has it" });
}

static void
no_channel(void *self, const void *arg)
{
	refuse(self, arg, (struct refusal){ .status = EMMG_E_CHANNEL_ID, .why = "no channel is open on this connection" });
}

static void
leave_list(struct mux_channel *c)
{
	TAILQ_REMOVE(&c->e->channels, c, all);
	c->e->nchannels--;
	drop_all(c);
}

static void
close_channel(void *self, const void *arg)
{
	struct mux_channel *c = self;

	(void)arg;
	note_channel(c, GW_NOTICE, "channel_close", NULL);
	leave_list(c);
	c->closes_us = c->now_us + CLOSE_GRACE_US;	/* there is no answer to channel_close */
}

/* A status is what a test of ours got; an error is the peer's to solve, and errors are never answered with errors. */
static void
take_note(void *self, const void *arg)
{
	struct mux_channel *c = self;
	const struct sim_msg *m = ((const struct input *)arg)->m;
	const uint16_t code = (uint16_t)sim_int(m, EMMG_ERROR_STATUS, 0);
	const struct sim_status *status = sim_status_find(&emmg_mux, code);

	if (sim_count(m, EMMG_ERROR_STATUS) > 0)
		note(c, (struct mux_note){ .level = GW_WARNING, .event = "peer_error", .message = m->def ? m->def->name : NULL,
		    .client_id = sim_int(m, EMMG_CLIENT_ID, -1), .channel = (int)sim_int(m, EMMG_CHANNEL_ID, -1),
		    .stream = (int)sim_int(m, EMMG_STREAM_ID, -1), .status = code, .why = status ? status->name : "a code of the peer's own" });
}

static void
wrong_way(void *self, const void *arg)
{
	refuse(self, arg, (struct refusal){ .status = EMMG_E_INVALID_MESSAGE, .why = "this message goes from MUX to EMMG only" });
}

static void
probe(void *self, const void *arg)
{
	struct mux_channel *c = self;

	(void)arg;
	c->probed_us = c->now_us;
	put_channel(c, EMMG_CHANNEL_TEST);
}

static void
part(void *self, const void *arg)
{
	struct mux_channel *c = self;

	(void)arg;
	c->closes_us = INT64_MAX;	/* once */
	c->e->door->close(c->self);
}

static void
give_up(void *self, const void *arg)
{
	struct mux_channel *c = self;

	note(c, (struct mux_note){ .level = GW_WARNING, .event = "peer_silent", .client_id = -1, .channel = -1, .stream = -1,
	    .why = "connected, but no channel was set up" });
	part(self, arg);
}

/* Its identifiers are free before its connection has ended: whoever comes back has seen that end first. */
static void
give_up_channel(void *self, const void *arg)
{
	note_channel(self, GW_WARNING, "peer_silent", "no answer to channel_test");
	leave_list(self);
	part(self, arg);
}

/* ---- streams */

static struct mux_stream *
named(struct mux_channel *c, const struct input *in)
{
	struct mux_stream *s = find(c, sim_int(in->m, EMMG_STREAM_ID, -1));

	if (!s)
		refuse(c, in, (struct refusal){ .status = EMMG_E_STREAM_ID, .why = "this stream is not open" });
	return s;
}

/* data_id of a message; version 1 has none, and some peers leave it out. */
static uint16_t
data_id_of(struct mux_channel *c, const struct sim_msg *m)
{
	if ((sim_value(m, EMMG_DATA_ID, 0) != NULL) != (c->version >= 2))
		tolerate(c, c->version >= 2 ? NO_DATA_ID : DATA_ID_IN_1);
	return (uint16_t)sim_int(m, EMMG_DATA_ID, sim_int(m, EMMG_STREAM_ID, 0));
}

static struct refusal
stream_admission(struct mux_channel *c, const struct sim_msg *m, uint16_t id, uint16_t data_id, const struct mux_route **route)
{
	const struct he_mux *most = &c->e->limits;
	struct mux_stream *other = mux_stream_find(c->e, c->client_id, data_id);

	if (find(c, id))
		return (struct refusal){ .status = EMMG_E_STREAM_ID_IN_USE };
	*route = mux_map_find(c->e->map, (int)sim_int(m, EMMG_DATA_TYPE, 0), c->client_id, data_id);
	if (!*route)
		return (struct refusal){ .status = EMMG_E_DATA_ID };
	if (other && other->channel) {
		doubt(other->channel);
		return (struct refusal){ .status = EMMG_E_DATA_ID_IN_USE };
	}
	if (c->nstreams >= most->max_streams_per_channel)
		return (struct refusal){ .status = EMMG_E_TOO_MANY_STREAMS_CHANNEL };
	if (!other && c->e->nstreams >= most->max_streams)
		return (struct refusal){ .status = EMMG_E_TOO_MANY_STREAMS_MUX };
	if (other)	/* it was fed by UDP alone: now it has a channel */
		mux_stream_end(c->e, other);
	return (struct refusal){ 0 };
}

static void
open_stream(void *self, const void *arg)
{
	struct mux_channel *c = self;
	const struct input *in = arg;
	const uint16_t id = (uint16_t)sim_int(in->m, EMMG_STREAM_ID, 0), data_id = data_id_of(c, in->m);
	const struct mux_route *route = NULL;
	const struct refusal r = stream_admission(c, in->m, id, data_id, &route);
	struct mux_stream ***page = &c->pages[id >> 8], *s;
	char where[GW_ADDR_TEXT], why[WHY];
	struct gw_err err = { 0 };

	if (r.status) {
		refuse(c, in, r);
		return;
	}
	if (!*page && !(*page = calloc(256, sizeof(**page)))) {
		refuse(c, in, (struct refusal){ .status = EMMG_E_UNKNOWN, .why = "out of memory" });
		return;
	}
	s = mux_stream_new(c->e, c, route, (uint8_t)sim_int(in->m, EMMG_DATA_TYPE, 0), c->flag, c->now_us, &err);
	if (!s) {
		refuse(c, in, (struct refusal){ .status = err.code == GW_ECONF ? EMMG_E_VALUE : EMMG_E_UNKNOWN, .why = err.text });
		return;
	}
	s->id = id;
	s->numbered = sim_value(in->m, EMMG_DATA_ID, 0) != NULL;
	(*page)[id & 0xff] = s;
	c->nstreams++;
	put_stream(c, s, EMMG_STREAM_STATUS);
	snprintf(why, sizeof(why), "data_id %u goes to %s", data_id, route->out.scheme ? gw_addr_text(&route->out, where, sizeof(where)) : "XML");
	note(c, (struct mux_note){ .level = GW_INFO, .event = "stream_open", .client_id = c->client_id, .channel = c->id, .stream = id, .why = why });
}

static void
test_stream(void *self, const void *arg)
{
	struct mux_stream *s = named(self, arg);

	if (s)
		put_stream(self, s, EMMG_STREAM_STATUS);
}

static void
close_stream(void *self, const void *arg)
{
	struct mux_channel *c = self;
	struct mux_stream *s = named(c, arg);

	if (!s)
		return;
	put_stream(c, s, EMMG_STREAM_CLOSE_RESPONSE);
	note(c, (struct mux_note){ .level = GW_INFO, .event = "stream_close", .client_id = c->client_id, .channel = c->id, .stream = s->id });
	drop(c, s);
}

static void
allocate(void *self, const void *arg)
{
	struct mux_channel *c = self;
	const struct input *in = arg;
	struct mux_stream *s = named(c, in);
	const int64_t kbps = sim_int(in->m, EMMG_BANDWIDTH, -1);

	if (!s)
		return;
	if (kbps >= 0)
		mux_stream_ask(c->e, s, (uint16_t)kbps);
	s->told_kbps = mux_stream_kbps(s);
	put_stream(c, s, EMMG_STREAM_BW_ALLOCATION);
}

/* ---- data */

/* The status of a datagram's fault, as 3.6 numbers it. */
static uint16_t
fault_of(const struct mux_stream *s, size_t len)
{
	return s->flag == 1 && len > 0 && len % TS_PACKET == 0 ? EMMG_E_VALUE : EMMG_E_LENGTH;
}

/* All datagrams of a message, or none: 0 and *lost, or the status of the first fault, with where and why. */
static uint16_t
take_datagrams(struct mux_intake *e, struct mux_stream *s, const struct input *in, int64_t now_us, size_t *lost, struct gw_err *err, size_t *at)
{
	const struct sim_msg *m = in->m;
	const size_t n = sim_count(m, EMMG_DATAGRAM);

	*lost = 0;
	if (n > e->limits.max_datagrams) {
		gw_fail(err, GW_EPEER, "%zu datagrams in a message, at most %u are taken", n, (unsigned)e->limits.max_datagrams);
		return EMMG_E_TOO_LONG;
	}
	for (size_t k = 0; k < m->n; k++)
		if (m->v[k].type == EMMG_DATAGRAM && (mux_format_fits((enum mux_format)s->flag, m->v[k].p, m->v[k].len, err) < 0 ||
		    (m->v[k].len == 0 && s->flag != 2))) {
			if (m->v[k].len == 0)
				gw_fail(err, GW_EPEER, "an empty datagram");
			*at = (size_t)(m->v[k].p - in->msg) - 4;
			return fault_of(s, m->v[k].len);
		}
	if (e->door->provide) {
		*lost = mux_stream_pass(e, s, m, now_us) ? 0 : n;
		return 0;
	}
	for (size_t k = 0; k < m->n; k++)
		if (m->v[k].type == EMMG_DATAGRAM && m->v[k].len > 0)
			*lost += !mux_stream_offer(e, s, m->v[k].p, m->v[k].len, now_us);
	return 0;
}

static void
say_over_rate(struct mux_stream *s, int64_t now_us)
{
	char why[WHY];

	if (!may_complain(s, now_us))
		return;
	snprintf(why, sizeof(why), "more than %u kbit/s: %llu of %llu datagrams were dropped so far", (unsigned)mux_stream_kbps(s),
	    (unsigned long long)s->dropped, (unsigned long long)s->in);
	complain(s, EMMG_E_BANDWIDTH, why);
}

static struct mux_stream *
stream_of_data(struct mux_channel *c, const struct input *in)
{
	const struct sim_msg *m = in->m;
	const bool numbered = sim_value(m, EMMG_STREAM_ID, 0) != NULL;
	struct mux_stream *s;

	if (!numbered || !sim_value(m, EMMG_CHANNEL_ID, 0))
		tolerate(c, NO_STREAM_ID);
	if (numbered)
		return named(c, in);
	if (!sim_value(m, EMMG_DATA_ID, 0)) {
		refuse(c, in, (struct refusal){ EMMG_E_MISSING, EMMG_STREAM_ID, 0, NULL });
		return NULL;
	}
	s = mux_stream_find(c->e, c->client_id, (uint16_t)sim_int(m, EMMG_DATA_ID, 0));
	if (s && s->channel == c)
		return s;
	refuse(c, in, (struct refusal){ .status = EMMG_E_DATA_ID, .why = "no stream of this channel has this data_id" });
	return NULL;
}

static void
take_data(void *self, const void *arg)
{
	struct mux_channel *c = self;
	const struct input *in = arg;
	struct mux_stream *s = stream_of_data(c, in);
	struct gw_err err = { 0 };
	uint16_t status, data_id;
	size_t lost, at = 0;

	if (!s)
		return;
	data_id = data_id_of(c, in->m);
	if (sim_value(in->m, EMMG_STREAM_ID, 0) && sim_value(in->m, EMMG_DATA_ID, 0) && data_id != s->route.data_id) {
		refuse(c, in, (struct refusal){ .status = EMMG_E_DATA_ID, .why = "the stream was set up with another data_id" });
		return;
	}
	status = take_datagrams(c->e, s, in, c->now_us, &lost, &err, &at);
	if (status)
		refuse(c, in, (struct refusal){ .status = status, .at = at, .why = err.text });
	else if (lost > 0)
		say_over_rate(s, c->now_us);
}

/* ---- the machine */

static const struct gw_edge edges[] = {
	/* in state         on event       go to           then do */
	{ MUX_OPEN,       DATA,          GW_SAME,        take_data     },
	{ MUX_NO_CHANNEL, SETUP,         GW_SAME,        set_up        },
	{ MUX_NO_CHANNEL, ACCEPTED,      MUX_OPEN,       open_channel  },
	{ MUX_OPEN,       SETUP,         GW_SAME,        already_open  },
	{ MUX_OPEN,       TEST,          GW_SAME,        send_status   },
	{ MUX_OPEN,       CLOSE,         MUX_NO_CHANNEL, close_channel },
	{ MUX_OPEN,       STREAM_SETUP,  GW_SAME,        open_stream   },
	{ MUX_OPEN,       STREAM_TEST,   GW_SAME,        test_stream   },
	{ MUX_OPEN,       STREAM_CLOSE,  GW_SAME,        close_stream  },
	{ MUX_OPEN,       BW_REQUEST,    GW_SAME,        allocate      },
	{ MUX_NO_CHANNEL, TEST,          GW_SAME,        no_channel    },
	{ MUX_NO_CHANNEL, CLOSE,         GW_SAME,        no_channel    },
	{ MUX_NO_CHANNEL, STREAM_SETUP,  GW_SAME,        no_channel    },
	{ MUX_NO_CHANNEL, STREAM_TEST,   GW_SAME,        no_channel    },
	{ MUX_NO_CHANNEL, STREAM_CLOSE,  GW_SAME,        no_channel    },
	{ MUX_NO_CHANNEL, BW_REQUEST,    GW_SAME,        no_channel    },
	{ MUX_NO_CHANNEL, DATA,          GW_SAME,        no_channel    },
	{ GW_ANY,         STATUS,        GW_SAME,        take_note     },
	{ GW_ANY,         ERROR,         GW_SAME,        take_note     },
	{ GW_ANY,         STREAM_STATUS, GW_SAME,        take_note     },
	{ GW_ANY,         STREAM_ERROR,  GW_SAME,        take_note     },
	{ GW_ANY,         WRONG_WAY,     GW_SAME,        wrong_way     },
	{ MUX_OPEN,       QUIET,         GW_SAME,        probe         },
	{ MUX_OPEN,       DEAF,          MUX_NO_CHANNEL, give_up_channel },
	{ MUX_NO_CHANNEL, DEAF,          GW_SAME,        give_up       },
	{ MUX_NO_CHANNEL, GRACE_OVER,    GW_SAME,        part          },
};
static const char *const states[] = { "NO_CHANNEL", "OPEN" };
static const char *const events[EVENTS] = {
	[SETUP] = "channel_setup", [TEST] = "channel_test", [CLOSE] = "channel_close", [STATUS] = "channel_status",
	[ERROR] = "channel_error", [STREAM_SETUP] = "stream_setup", [STREAM_TEST] = "stream_test",
	[STREAM_CLOSE] = "stream_close_request", [STREAM_STATUS] = "stream_status", [STREAM_ERROR] = "stream_error",
	[BW_REQUEST] = "stream_BW_request", [DATA] = "data_provision", [WRONG_WAY] = "(wrong direction)", [ACCEPTED] = "(accepted)",
	[QUIET] = "(quiet)", [DEAF] = "(deaf)", [GRACE_OVER] = "(grace over)",
};
const struct gw_fsm mux_channel_fsm = { "emmg-channel", TABLE(edges), TABLE(states), TABLE(events), NULL };

static const struct { uint16_t type; enum event event; } meaning[] = {
	{ EMMG_DATA_PROVISION, DATA },
	{ EMMG_CHANNEL_SETUP, SETUP }, { EMMG_CHANNEL_TEST, TEST }, { EMMG_CHANNEL_STATUS, STATUS }, { EMMG_CHANNEL_CLOSE, CLOSE },
	{ EMMG_CHANNEL_ERROR, ERROR }, { EMMG_STREAM_SETUP, STREAM_SETUP }, { EMMG_STREAM_TEST, STREAM_TEST },
	{ EMMG_STREAM_STATUS, STREAM_STATUS }, { EMMG_STREAM_CLOSE_REQUEST, STREAM_CLOSE }, { EMMG_STREAM_CLOSE_RESPONSE, WRONG_WAY },
	{ EMMG_STREAM_ERROR, STREAM_ERROR }, { EMMG_STREAM_BW_REQUEST, BW_REQUEST }, { EMMG_STREAM_BW_ALLOCATION, WRONG_WAY },
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
unknown_message(struct mux_channel *c, const struct input *in)
{
	char why[WHY];

	snprintf(why, sizeof(why), "unknown message_type 0x%04x", in->m->type);
	if (c->e->limits.strict && in->m->type < 0x8000)
		refuse(c, in, (struct refusal){ EMMG_E_MESSAGE_TYPE, 0, 1, why });
	else	/* 4.4.1 */
		tolerate(c, UNKNOWN_MESSAGE);
}

/* The identifiers of an open channel's message against those of channel_setup: the status of what differs, or 0. */
static uint16_t
mistaken(const struct mux_channel *c, const struct sim_msg *m, enum event event)
{
	if (event == SETUP || event == ERROR || event == STREAM_ERROR)
		return 0;
	if ((uint32_t)sim_int(m, EMMG_CLIENT_ID, c->client_id) != c->client_id)
		return EMMG_E_CLIENT_ID;
	return sim_int(m, EMMG_CHANNEL_ID, c->id) != c->id ? EMMG_E_CHANNEL_ID : 0;
}

/* The checks in their order (1.3): version, length, message type, structure and parameters, channel; streams and values are the actions'. */
static void
take(struct mux_channel *c, const uint8_t *msg, size_t len)
{
	struct sim_msg *m = &c->e->in;
	const struct input in = { msg, len, m };
	struct sim_fault why;
	const int rc = sim_decode_as(&emmg_mux, c->e->limits.strict ? SIM_STRICT : SIM_LENIENT, msg, len, m, &why);
	const enum event event = event_of(m->type);
	const bool open = c->state.state == MUX_OPEN, own = !open || m->version == c->version;
	uint16_t status;

	if (rc < 0 && (event == ERROR || event == STREAM_ERROR))
		take_note(c, &in);
	else if (why.verdict == SIM_VERSION || !own)
		refuse(c, &in, (struct refusal){ EMMG_E_VERSION, 0, 0, own ? NULL : "protocol_version changed within the connection" });
	else if (len > c->e->limits.max_message)
		refuse(c, &in, (struct refusal){ EMMG_E_TOO_LONG, 0, 3, "longer than max_message" });
	else if (why.verdict == SIM_NO_MESSAGE)
		unknown_message(c, &in);
	else if (rc < 0)
		refuse(c, &in, (struct refusal){ sim_status_of(&emmg_mux, why.verdict), why.param, why.offset, NULL });
	else if (open && (status = mistaken(c, m, event)) != 0)
		refuse(c, &in, (struct refusal){ .status = status });
	else {
		if (m->ignored > 0)
			tolerate(c, UNKNOWN_PARAM);
		gw_fsm_feed(&c->state, c, (int)event, &in);
	}
}

void
mux_channel_init(struct mux_channel *c, struct mux_intake *e, void *self, int64_t now_us)
{
	*c = (struct mux_channel){ .e = e, .self = self, .version = emmg_mux.newest, .now_us = now_us, .heard_us = now_us };
	gw_fsm_init(&c->state, &mux_channel_fsm, MUX_NO_CHANNEL);
}

void
mux_channel_turn_away(struct mux_intake *e, void *self, const uint8_t *msg, size_t len)
{
	static const uint8_t nothing[SIM_HEADER] = { 3 };	/* the version that most equipment speaks */
	const struct input in = { msg ? msg : nothing, msg ? len : sizeof(nothing), &e->in };
	struct mux_channel c;

	mux_channel_init(&c, e, self, 0);
	sim_decode(&emmg_mux, in.msg, in.len, &e->in, NULL);
	if (event_of(e->in.type) != ERROR && event_of(e->in.type) != STREAM_ERROR)
		refuse(&c, &in, (struct refusal){ EMMG_E_TOO_MANY_CHANNELS, 0, 0, "no room for another connection" });
}

void
mux_channel_fini(struct mux_channel *c)
{
	const bool open = c->state.state == MUX_OPEN;

	c->state.state = MUX_NO_CHANNEL;	/* nothing is told to it any more */
	if (open)
		leave_list(c);
}

void
mux_channel_feed(struct mux_channel *c, const uint8_t *msg, size_t len, int64_t now_us)
{
	c->now_us = c->heard_us = now_us;
	c->probed_us = 0;
	take(c, msg, len);
}

void
mux_channel_time(struct mux_channel *c, int64_t now_us)
{
	const bool open = c->state.state == MUX_OPEN;
	const int64_t silent = now_us - c->heard_us, patience = (int64_t)c->e->patience_ms * 1000;

	c->now_us = now_us;
	if (c->closes_us) {
		if (now_us >= c->closes_us)
			gw_fsm_feed(&c->state, c, GRACE_OVER, NULL);
	} else if (patience && ((open && c->probed_us && now_us - c->probed_us >= patience) || (!open && silent >= patience))) {
		gw_fsm_feed(&c->state, c, DEAF, NULL);
	} else if (open && !c->probed_us && c->e->silence_ms && silent >= (int64_t)c->e->silence_ms * 1000) {
		gw_fsm_feed(&c->state, c, QUIET, NULL);
	}
}

/* ---- the intake */

void
mux_intake_init(struct mux_intake *e)
{
	TAILQ_INIT(&e->channels);
	TAILQ_INIT(&e->streams);
	TAILQ_INIT(&e->busy);
}

void
mux_intake_fini(struct mux_intake *e)
{
	struct mux_stream *s;

	while ((s = TAILQ_FIRST(&e->streams)) != NULL)
		mux_stream_end(e, s);
}

/* The stream open over TCP, or that of the configuration: its form is that of the first datagram, where the address leaves a choice. */
static struct mux_stream *
stream_of_udp(struct mux_intake *e, const struct sim_msg *m, int64_t now_us)
{
	const uint32_t client_id = (uint32_t)sim_int(m, EMMG_CLIENT_ID, 0);
	const uint16_t data_id = (uint16_t)sim_int(m, EMMG_DATA_ID, 0);
	struct mux_stream *s = mux_stream_find(e, client_id, data_id);
	const struct mux_route *r = s ? NULL : mux_map_find(e->map, MUX_ANY_TYPE, client_id, data_id);
	const struct sim_value *first = sim_value(m, EMMG_DATAGRAM, 0);
	uint8_t flag = 2;

	if (s || !r || !r->udp_alone || e->nstreams >= e->limits.max_streams || client_id >> 16 == SMARTCARD_PROFILE)
		return s;
	if (r->out.pid)
		flag = first->len > 0 && mux_format_fits(MUX_TS, first->p, first->len, NULL) == 0 ? 1 : 0;
	return mux_stream_new(e, NULL, r, r->data_type == 1, flag, now_us, NULL);
}

void
mux_intake_udp(struct mux_intake *e, const uint8_t *msg, size_t len, int64_t now_us)
{
	const struct input in = { msg, len, &e->in };
	struct sim_fault fault;
	struct gw_err err = { 0 };
	struct mux_stream *s;
	size_t lost, at;
	uint16_t status;

	e->udp_messages++;
	if (sim_decode_as(&emmg_mux_udp, e->limits.strict ? SIM_STRICT : SIM_LENIENT, msg, len, &e->in, &fault) < 0 || len > e->limits.max_message) {
		e->udp_drops[fault.verdict == SIM_NO_MESSAGE ? MUX_UDP_NOT_DATA : MUX_UDP_MALFORMED]++;
		return;
	}
	s = stream_of_udp(e, &e->in, now_us);
	if (!s) {
		e->udp_drops[MUX_UDP_UNKNOWN]++;
		return;
	}
	if (e->in.ignored > 0 && s->channel)
		tolerate(s->channel, UDP_PARAM);
	status = take_datagrams(e, s, &in, now_us, &lost, &err, &at);
	if (status) {
		e->udp_drops[MUX_UDP_REFUSED]++;
		if (may_complain(s, now_us))
			complain(s, status, err.text);
	} else if (lost > 0) {
		e->udp_drops[MUX_UDP_OVER_RATE] += lost;
		say_over_rate(s, now_us);
	}
}

void
mux_intake_complain(struct mux_intake *e, uint32_t client_id, uint16_t data_id, uint16_t status, const char *why)
{
	struct mux_stream *s = mux_stream_find(e, client_id, data_id);

	if (s)
		complain(s, status, why);
}

/* Closing is the EMMG's initiative; the mux can demand it. Its stream is gone all the same. */
static void
end_stream(struct mux_intake *e, struct mux_stream *s, const char *why)
{
	complain(s, EMMG_E_UNRECOVERABLE, why);
	if (s->channel)
		drop(s->channel, s);
	else
		mux_stream_end(e, s);
}

void
mux_intake_revise(struct mux_intake *e, int64_t now_us)
{
	struct mux_stream *s, *after;
	struct gw_err err = { 0 };

	(void)now_us;
	for (s = TAILQ_FIRST(&e->streams); s; s = after) {
		const struct mux_route *r = mux_map_find(e->map, s->data_type, s->route.client_id, s->route.data_id);
		after = TAILQ_NEXT(s, all);
		if (!r || (!s->channel && !r->udp_alone))
			end_stream(e, s, "the mux has no place for this stream any more");
		else if (mux_stream_reroute(e, s, r, &err) < 0)
			end_stream(e, s, err.text);
	}
	mux_stream_share(e);
}

void
mux_intake_time(struct mux_intake *e, int64_t now_us)
{
	struct mux_stream *s, *after;

	for (s = TAILQ_FIRST(&e->streams); s; s = after) {
		const int64_t passed = now_us - s->rate_us;
		after = TAILQ_NEXT(s, all);
		if (passed >= 1000000) {
			s->rate_bps = (s->bits - s->rate_bits) * 1000000 / (uint64_t)passed;
			s->rate_bits = s->bits;
			s->rate_us = now_us;
		}
		if (!s->channel && now_us - s->heard_us >= ALONE_US)
			mux_stream_end(e, s);
	}
}
