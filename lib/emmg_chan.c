/* lib/emmg_chan.c: see emmg_chan.h; the tables are TS 103 197 clause 6 as the EMMG's side reads it */
#include "lib/emmg_chan.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/fsm.h"
#include "lib/log.h"
#include "proto/emmg_mux.h"

enum { MS = 1000, S = 1000 * 1000 };
/*
 * ANSWER: for every answer; SILENCE: then channel_test; AGAIN: between attempts to set a stream up, doubling; GOOD_LIFE: a stream
 * that was up so long begins again at AGAIN_LEAST; FLUSH: what UDP may still carry before a stream ends; EASE: after a complaint of
 * too much data the rate rests, then it rises again.
 */
enum { ANSWER = 5 * S, SILENCE = 10 * S, AGAIN_LEAST = 1 * S, AGAIN_MOST = 30 * S, GOOD_LIFE = 30 * S, FLUSH = 100 * MS,
	CLOSE_WAIT = 1 * S, EASE = 10 * S, COMPLAINT = 1 * S };
enum { USER_DEFINED = 0x8000 };	/* message_types from there on are no inconsistency (4.4.1), not to the strict either */
enum { WHOLE = 256, LEAST = 16 };	/* share of the allocation that is used, in 256ths */

enum { IDLE, CH_SETUP, CH_OPEN, CLOSING };
enum { CONNECTED, STATUS, TEST, ERROR, TIMEOUT, LOST, STOP, STREAMS_GONE };
static const char *const chan_states[] = { "IDLE", "CH_SETUP", "CH_OPEN", "CLOSING" };
static const char *const chan_events[] = { "CONNECTED", "STATUS", "TEST", "ERROR", "TIMEOUT", "LOST", "STOP", "STREAMS_GONE" };

enum { NONE, SETUP, READY, FLUSHING, ENDING };
enum { S_WANTED, S_STATUS, S_TEST, S_ERROR, S_ALLOCATION, S_CLOSED, S_TIMEOUT, S_LOST, S_STOP, S_FORGOT, S_BROKEN };
static const char *const stream_states[] = { "NONE", "SETUP", "READY", "FLUSHING", "ENDING" };
static const char *const stream_events[] = { "WANTED", "STATUS", "TEST", "ERROR", "ALLOCATION", "CLOSED", "TIMEOUT", "LOST", "STOP",
	"FORGOT", "BROKEN" };

/* What a lenient EMMG takes from a MUX that departs from the standard; each is named once per connection. */
enum deviation { D_PARAMETER, D_MESSAGE, D_VERSION, D_DATA_ID, D_FORMAT, D_ERROR_IDS, D_ALLOCATION };
static const char *const deviations[] = {
	[D_PARAMETER] = "a message carries parameters that it does not list: they are dropped (clause 4.4.1)",
	[D_MESSAGE] = "a message of unknown type is ignored (clause 4.4.1)",
	[D_VERSION] = "the mux answers with another protocol_version than ours",
	[D_DATA_ID] = "stream_status carries no data_id",
	[D_FORMAT] = "section_TSpkt_flag 2 is confirmed as 1: the mux takes it for a boolean, as TSDuck does",
	[D_ERROR_IDS] = "an error names other identifiers than this channel's: it is taken for this one (TSDuck says client_id 0)",
	[D_ALLOCATION] = "stream_BW_request is not answered: data goes at the configured rate",
};

struct stream {
	struct emmg_chan *chan;
	size_t number;
	struct emmg_stream_conf conf;
	bool gone;			/* removed: its number is free once it is NONE */
	bool asked;			/* a stream_BW_request waits for its answer */
	bool granted; uint32_t granted_bps;
	unsigned share;
	struct gw_state fsm;
	int64_t deadline_us;		/* of the state; INT64_MAX: none */
	int64_t again_us;		/* wait before the next attempt to set it up */
	int64_t ready_us, eased_us, udp_us;	/* when it came up, when it was told off, when UDP last carried data */
	uint16_t last_error;
	uint64_t setups;
};
struct emmg_chan {
	struct emmg_chan_conf conf;
	const struct emmg_chan_ops *ops;
	void *self;
	struct gw_state fsm;
	uint8_t version;
	char peer[80];
	int64_t now_us, heard_us, deadline_us;
	bool testing;
	unsigned named;			/* deviations, by bit */
	struct stream **streams; size_t n;
	struct emmg_chan_counts counts;
	struct gw_rate rate;
	struct sim_msg msg;
	uint8_t out[SIM_MAX];
};

/* ---- sending ---- */

static void
begin(struct emmg_chan *c, struct sim_writer *w, uint16_t message)
{
	sim_begin(w, &emmg_mux, c->version, message, c->out, sizeof(c->out));
	sim_put_int(w, EMMG_CLIENT_ID, c->conf.client_id);
	sim_put_int(w, EMMG_CHANNEL_ID, c->conf.channel_id);
}

/* Version 1 has no data_id: nothing but data_stream_id can tell the mux which stream this is. */
static uint16_t
stream_id(const struct stream *t)
{
	return t->chan->version >= 2 ? (uint16_t)(t->number + 1) : t->conf.data_id;
}

/* Of two that have the number in version 1, the one that was removed is of no interest once it is closed. */
static struct stream *
find(const struct emmg_chan *c, int64_t id)
{
	struct stream *found = NULL;

	if (c->version >= 2)
		return id >= 1 && (size_t)id <= c->n ? c->streams[id - 1] : NULL;
	for (size_t i = 0; i < c->n; i++)
		if (stream_id(c->streams[i]) == id && (!found || found->fsm.state == NONE))
			found = c->streams[i];
	return found;
}

static void
begin_stream(struct stream *t, struct sim_writer *w, uint16_t message)
{
	begin(t->chan, w, message);
	sim_put_int(w, EMMG_STREAM_ID, stream_id(t));
}

static void
trace(const struct emmg_chan *c, const char *event, const struct sim_msg *m)
{
	char text[1024];

	sim_print(m, text, sizeof(text));
	gw_log(GW_DEBUG, event, NULL, "kms=%s peer=%s version=%u message=%s", c->conf.name, c->peer, m->version, text);
}

/* Length of the finished message, 0 if it cannot be (said in the log: it would be our own mistake). */
static size_t
finish(struct emmg_chan *c, struct sim_writer *w)
{
	static struct sim_msg m;
	struct sim_fault why;
	size_t len = sim_end(w, &why);

	if (!len)
		gw_log_limited(&c->rate, GW_ERR, "message_unsendable", sim_verdict_text(why.verdict), "kms=%s peer=%s param=0x%04x",
		    c->conf.name, c->peer, why.param);
	else if (gw_log_on(GW_DEBUG) && sim_decode(w->iface, c->out, len, &m, NULL) == 0)
		trace(c, "sent", &m);
	return len;
}

static int
send_it(struct emmg_chan *c, struct sim_writer *w)
{
	size_t len = finish(c, w);

	c->counts.sent += len > 0;
	return len ? c->ops->send(c->self, c->out, len) : -1;
}

static void
send_plain(struct emmg_chan *c, uint16_t message)
{
	struct sim_writer w;

	begin(c, &w, message);
	send_it(c, &w);
}

static void
send_stream_plain(struct stream *t, uint16_t message)
{
	struct sim_writer w;

	begin_stream(t, &w, message);
	send_it(t->chan, &w);
}

/* stream -1: channel_error. No error_information: TSDuck takes 2 octets or none. */
static void
send_error(struct emmg_chan *c, int64_t stream, uint16_t status)
{
	struct sim_writer w;

	begin(c, &w, stream >= 0 ? EMMG_STREAM_ERROR : EMMG_CHANNEL_ERROR);
	if (stream >= 0)
		sim_put_int(&w, EMMG_STREAM_ID, stream);
	sim_put_int(&w, EMMG_ERROR_STATUS, status);
	c->counts.refused++;
	send_it(c, &w);
}

/* Whether it is tolerated; then it is named, once per connection. */
static bool
tolerate(struct emmg_chan *c, enum deviation d)
{
	if (c->conf.strict)
		return false;
	if (!(c->named & 1u << d))
		gw_log(GW_NOTICE, "tolerated", deviations[d], "kms=%s peer=%s channel=%u message=%s", c->conf.name, c->peer,
		    c->conf.channel_id, c->msg.def ? c->msg.def->name : "-");
	c->named |= 1u << d;
	return true;
}

/* ---- errors we get ---- */

static uint64_t *
error_count(struct emmg_chan_counts *k, uint16_t status)
{
	for (size_t i = 0; i < k->nerrors; i++)
		if (k->errors[i].status == status)
			return &k->errors[i].n;
	return NULL;
}

/* A peer that invents codes without end gets one place for what is beyond the table. */
static void
count_error(struct emmg_chan_counts *k, uint16_t status)
{
	uint64_t *n = error_count(k, status);

	if (!n && k->nerrors >= EMMG_ERRORS - 1)
		n = error_count(k, status = EMMG_E_UNKNOWN);
	if (!n) {
		k->errors[k->nerrors].status = status;
		n = &k->errors[k->nerrors++].n;
	}
	++*n;
}

/* stream NULL: of the channel. The first error_status is the one that counts. */
static uint16_t
log_error(struct emmg_chan *c, const struct sim_msg *m, struct stream *t)
{
	uint16_t status = (uint16_t)sim_int(m, EMMG_ERROR_STATUS, EMMG_E_UNKNOWN);
	const struct sim_status *s = sim_status_words(&emmg_mux, status);
	char text[512];

	count_error(&c->counts, status);
	if (t)
		t->last_error = status;
	sim_print(m, text, sizeof(text));
	gw_log_limited(&c->rate, GW_WARNING, "mux_error", s->meaning,
	    "kms=%s peer=%s channel=%u stream=%d error=0x%04x name=%s next=%s message=%s", c->conf.name, c->peer, c->conf.channel_id,
	    t ? stream_id(t) : -1, status, s->name, s->next, text);
	return status;
}

/* ---- the channel's actions ---- */

static void
send_channel_setup(void *self, const void *arg)
{
	struct emmg_chan *c = self;
	struct sim_writer w;

	(void)arg;
	begin(c, &w, EMMG_CHANNEL_SETUP);
	sim_put_int(&w, EMMG_SECTION_TSPKT, c->conf.format);
	send_it(c, &w);
	c->deadline_us = c->now_us + ANSWER;
}

/* channel_status repeats the flag of channel_setup (6.2.3.3). */
static bool
same_format(struct emmg_chan *c, const struct sim_msg *m)
{
	int64_t flag = sim_int(m, EMMG_SECTION_TSPKT, -1);

	return flag == c->conf.format || (c->conf.format == EMMG_BCAST && flag == EMMG_TSPKT && tolerate(c, D_FORMAT));
}

static void
channel_open(void *self, const void *arg)
{
	struct emmg_chan *c = self;

	if (!same_format(c, arg)) {
		send_error(c, -1, EMMG_E_VALUE);
		c->ops->drop(c->self, "channel_status confirms another section_TSpkt_flag than channel_setup asked for");
		return;
	}
	c->counts.channels++;
	c->deadline_us = INT64_MAX;
	gw_log(GW_NOTICE, "channel_open", NULL, "kms=%s peer=%s channel=%u version=%u client_id=0x%08x section_TSpkt_flag=%u",
	    c->conf.name, c->peer, c->conf.channel_id, c->version, c->conf.client_id, c->conf.format);
	for (size_t i = 0; i < c->n; i++) {
		struct stream *t = c->streams[i];
		t->again_us = 0;
		if (!t->gone)
			gw_fsm_feed(&t->fsm, t, S_WANTED, NULL);
	}
}

static void
check_status(void *self, const void *arg)
{
	struct emmg_chan *c = self;

	if (!same_format(c, arg)) {
		send_error(c, -1, EMMG_E_VALUE);
		c->ops->drop(c->self, "the mux changed the channel's section_TSpkt_flag");
	}
}

static void
answer_test(void *self, const void *arg)
{
	struct emmg_chan *c = self;
	struct sim_writer w;

	(void)arg;
	begin(c, &w, EMMG_CHANNEL_STATUS);
	sim_put_int(&w, EMMG_SECTION_TSPKT, c->conf.format);
	send_it(c, &w);
}

static void
deny_test(void *self, const void *arg)
{
	(void)arg;
	send_error(self, -1, EMMG_E_CHANNEL_ID);
}

/* The MUX's own version, if it can carry our format: flag 2 and its values above 1 came with 3 (proto/emmg_mux.c). */
static bool
can_speak(const struct emmg_chan *c, uint8_t version)
{
	return version >= emmg_mux.oldest && version <= emmg_mux.newest && (version >= 3 || c->conf.format != EMMG_BCAST);
}

/* A refused channel ends the connection; the next one is the dialer's. 1.5: after 0x0002 the version of the refusal is tried, once. */
static void
channel_refused(void *self, const void *arg)
{
	struct emmg_chan *c = self;
	const struct sim_msg *m = arg;
	uint16_t status = log_error(c, m, NULL);
	uint8_t before = c->version;

	if (status == EMMG_E_VERSION)
		c->version = before == c->conf.version && can_speak(c, m->version) ? m->version : c->conf.version;
	if (c->version != before)
		gw_log(GW_NOTICE, "version_changed", c->version == c->conf.version ? "back to the configured protocol_version" :
		    "trying the mux's own protocol_version", "kms=%s peer=%s from=%u to=%u", c->conf.name, c->peer, before, c->version);
	c->ops->drop(c->self, "the mux refused the channel");
}

/* Codes about a message are noted; those about the channel or its place in the mux end it. */
static void
channel_error(void *self, const void *arg)
{
	static const uint16_t ends[] = { EMMG_E_VERSION, EMMG_E_CHANNEL_ID, EMMG_E_TOO_MANY_CHANNELS, EMMG_E_CLIENT_ID,
		EMMG_E_CHANNEL_ID_IN_USE, EMMG_E_CLIENT_ID_IN_USE, EMMG_E_UNRECOVERABLE };
	struct emmg_chan *c = self;
	uint16_t status = log_error(c, arg, NULL);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (ends[i] == status)
			c->ops->drop(c->self, "the mux reported an error of the channel");
}

static void
no_answer(void *self, const void *arg)
{
	struct emmg_chan *c = self;

	(void)arg;
	c->counts.timeouts++;
	c->ops->drop(c->self, "no answer to channel_setup");
}

static void
probe(void *self, const void *arg)
{
	struct emmg_chan *c = self;

	(void)arg;
	c->heard_us = c->now_us;	/* the answer's time counts from the question, however late that was */
	if (c->testing) {
		c->counts.timeouts++;
		c->ops->drop(c->self, "no answer to channel_test");
		return;
	}
	c->testing = true;
	send_plain(c, EMMG_CHANNEL_TEST);
}

static void
all_streams(struct emmg_chan *c, int event)
{
	for (size_t i = 0; i < c->n; i++)
		gw_fsm_feed(&c->streams[i]->fsm, c->streams[i], event, NULL);
}

static void
lost(void *self, const void *arg)
{
	struct emmg_chan *c = self;

	(void)arg;
	c->deadline_us = INT64_MAX;
	c->testing = false;
	all_streams(c, S_LOST);
}

static bool
all_none(const struct emmg_chan *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->streams[i]->fsm.state != NONE)
			return false;
	return true;
}

static void
stop_streams(void *self, const void *arg)
{
	struct emmg_chan *c = self;

	(void)arg;
	c->deadline_us = c->now_us + CLOSE_WAIT;
	all_streams(c, S_STOP);
	if (all_none(c))
		gw_fsm_post(&c->fsm, STREAMS_GONE);
}

/* channel_close has no answer: both ends close TCP. */
static void
close_channel(void *self, const void *arg)
{
	struct emmg_chan *c = self;

	(void)arg;
	c->deadline_us = INT64_MAX;
	send_plain(c, EMMG_CHANNEL_CLOSE);
	c->ops->drop(c->self, NULL);
}

static void
drop_quietly(void *self, const void *arg)
{
	struct emmg_chan *c = self;

	(void)arg;
	c->ops->drop(c->self, NULL);
}

static const struct gw_edge chan_edges[] = {
	/* in state   on event      go to     then do            */
	{ IDLE,     CONNECTED,    CH_SETUP, send_channel_setup },
	{ IDLE,     STOP,         IDLE,     drop_quietly       },
	{ IDLE,     LOST,         IDLE,     NULL               },
	{ CH_SETUP, STATUS,       CH_OPEN,  channel_open       },
	{ CH_SETUP, ERROR,        CH_SETUP, channel_refused    },
	{ CH_SETUP, TIMEOUT,      CH_SETUP, no_answer          },
	{ CH_SETUP, TEST,         CH_SETUP, deny_test          },
	{ CH_SETUP, STOP,         CLOSING,  close_channel      },
	{ CH_OPEN,  STATUS,       CH_OPEN,  check_status       },
	{ CH_OPEN,  TEST,         CH_OPEN,  answer_test        },
	{ CH_OPEN,  ERROR,        CH_OPEN,  channel_error      },
	{ CH_OPEN,  TIMEOUT,      CH_OPEN,  probe              },
	{ CH_OPEN,  STOP,         CLOSING,  stop_streams       },
	{ CLOSING,  STREAMS_GONE, CLOSING,  close_channel      },
	{ CLOSING,  TIMEOUT,      CLOSING,  close_channel      },
	{ CLOSING,  TEST,         CLOSING,  answer_test        },
	{ CLOSING,  STATUS,       CLOSING,  NULL               },
	{ CLOSING,  ERROR,        CLOSING,  NULL               },
	{ CLOSING,  STOP,         CLOSING,  NULL               },
	{ GW_ANY,   LOST,         IDLE,     lost               },
};

/* Answers and errors that mean nothing here are noted; what asks for an answer has rows of its own. */
static void
stray(void *self, int state, int event, const void *arg)
{
	struct emmg_chan *c = self;

	(void)arg;
	c->counts.ignored++;
	gw_log_limited(&c->rate, GW_NOTICE, "message_out_of_state", "ignored: it means nothing in this state",
	    "kms=%s peer=%s state=%s on=%s", c->conf.name, c->peer, chan_states[state], chan_events[event]);
}

static const struct gw_fsm chan_fsm = { "data-channel", chan_edges, sizeof(chan_edges) / sizeof(chan_edges[0]),
	chan_states, sizeof(chan_states) / sizeof(chan_states[0]), chan_events, sizeof(chan_events) / sizeof(chan_events[0]), stray };

/* ---- a stream's actions ---- */

static uint32_t
rate_of(const struct stream *t)
{
	uint64_t bps = t->conf.bandwidth_bps;

	if (t->granted && t->granted_bps < bps)
		bps = t->granted_bps;
	return (uint32_t)(bps * t->share / WHOLE);
}

static void
tell_rate(struct stream *t)
{
	t->chan->ops->rate(t->chan->self, t->number, rate_of(t));
}

/* with: so much, please; else: what do I have? */
static void
ask_bandwidth(struct stream *t, bool with)
{
	uint64_t kbps = ((uint64_t)t->conf.bandwidth_bps + 999) / 1000;
	struct sim_writer w;

	begin_stream(t, &w, EMMG_STREAM_BW_REQUEST);
	if (with)
		sim_put_int(&w, EMMG_BANDWIDTH, kbps < UINT16_MAX ? (int64_t)kbps : UINT16_MAX);
	send_it(t->chan, &w);
	t->asked = true;
	t->deadline_us = t->chan->now_us + ANSWER;
}

static void
put_names(struct stream *t, struct sim_writer *w)
{
	if (t->chan->version >= 2)
		sim_put_int(w, EMMG_DATA_ID, t->conf.data_id);
	sim_put_int(w, EMMG_DATA_TYPE, t->conf.data_type);
}

static void
send_stream_setup(void *self, const void *arg)
{
	struct stream *t = self;
	struct sim_writer w;

	(void)arg;
	begin_stream(t, &w, EMMG_STREAM_SETUP);
	put_names(t, &w);
	send_it(t->chan, &w);
	t->deadline_us = t->chan->now_us + ANSWER;
}

static void
set_up_later(struct stream *t)
{
	if (t->ready_us && t->chan->now_us - t->ready_us >= GOOD_LIFE)
		t->again_us = 0;
	t->ready_us = 0;
	t->again_us = t->again_us ? 2 * t->again_us : AGAIN_LEAST;
	if (t->again_us > AGAIN_MOST)
		t->again_us = AGAIN_MOST;
	t->deadline_us = t->gone ? INT64_MAX : t->chan->now_us + t->again_us;
}

static void
stream_refused(void *self, const void *arg)
{
	struct stream *t = self;

	/* What it says is open is of an earlier life of the stream: it is closed first, then the identifier is free. */
	if (arg && log_error(t->chan, arg, t) == EMMG_E_STREAM_ID_IN_USE)
		send_stream_plain(t, EMMG_STREAM_CLOSE_REQUEST);
	t->chan->counts.timeouts += arg == NULL;
	set_up_later(t);
}

/* Another stream than the one asked for: 0, or the error_status to say so. */
static uint16_t
misnamed(struct stream *t, const struct sim_msg *m)
{
	int64_t data_id = sim_int(m, EMMG_DATA_ID, -1);

	if (t->chan->version >= 2 && data_id < 0)
		tolerate(t->chan, D_DATA_ID);	/* a strict decoder has refused it before */
	else if (t->chan->version >= 2 && data_id != t->conf.data_id)
		return EMMG_E_DATA_ID;
	return sim_int(m, EMMG_DATA_TYPE, -1) == t->conf.data_type ? 0 : EMMG_E_VALUE;
}

static void
stream_ready(void *self, const void *arg)
{
	struct stream *t = self;
	struct emmg_chan *c = t->chan;
	uint16_t wrong = misnamed(t, arg);

	t->deadline_us = INT64_MAX;
	if (wrong) {
		gw_log_limited(&c->rate, GW_WARNING, "stream_misnamed", "stream_status names another data_id or data_type than stream_setup",
		    "kms=%s peer=%s channel=%u stream=%u", c->conf.name, c->peer, c->conf.channel_id, stream_id(t));
		send_error(c, stream_id(t), wrong);
		gw_fsm_post(&t->fsm, S_BROKEN);
		return;
	}
	t->setups++;
	t->ready_us = c->now_us;
	t->granted = false;
	t->share = WHOLE;
	t->last_error = 0;
	gw_log(GW_INFO, "stream_open", NULL, "kms=%s peer=%s channel=%u stream=%u data_id=%u data_type=%u", c->conf.name, c->peer,
	    c->conf.channel_id, stream_id(t), t->conf.data_id, t->conf.data_type);
	ask_bandwidth(t, true);
	tell_rate(t);	/* data flows meanwhile at the configured rate */
}

/* In answer to a request, or because the mux changed it; without bandwidth: not known, the configured rate stands. */
static void
take_allocation(void *self, const void *arg)
{
	struct stream *t = self;
	int64_t kbps = sim_int(arg, EMMG_BANDWIDTH, -1);
	bool same = t->granted == (kbps >= 0) && (kbps < 0 || t->granted_bps == kbps * 1000);

	if (t->asked)
		t->deadline_us = t->share < WHOLE ? t->chan->now_us + EASE : INT64_MAX;
	t->asked = false;
	if (same)
		return;
	t->granted = kbps >= 0;
	t->granted_bps = kbps >= 0 ? (uint32_t)kbps * 1000 : 0;
	t->share = WHOLE;
	gw_log(GW_INFO, "bandwidth_allocated", kbps == 0 ? "the mux allocates nothing: the stream waits" : NULL,
	    "kms=%s peer=%s channel=%u stream=%u kbps=%lld wanted_kbps=%u", t->chan->conf.name, t->chan->peer, t->chan->conf.channel_id,
	    stream_id(t), (long long)kbps, (t->conf.bandwidth_bps + 999) / 1000);
	tell_rate(t);
}

/* Clause 6.2.6, 0x000F: the rate is reduced, at most once a second (a burst of complaints is one), and the mux is asked what it allows. */
static void
slow_down(struct stream *t)
{
	if (t->eased_us && t->chan->now_us - t->eased_us < COMPLAINT)
		return;
	t->eased_us = t->chan->now_us;
	t->share = t->share * 3 / 4 > LEAST ? t->share * 3 / 4 : LEAST;
	ask_bandwidth(t, false);
	tell_rate(t);
}

/* No answer to stream_BW_request, or time to try a little more after a complaint. */
static void
ready_timer(void *self, const void *arg)
{
	struct stream *t = self;

	(void)arg;
	if (t->asked) {
		t->chan->counts.timeouts++;
		if (!tolerate(t->chan, D_ALLOCATION)) {
			t->asked = false;
			t->chan->ops->drop(t->chan->self, "no answer to stream_BW_request");
			return;
		}
	} else if (t->share < WHOLE) {
		t->share = t->share + WHOLE / 8 < WHOLE ? t->share + WHOLE / 8 : WHOLE;
		tell_rate(t);
	}
	t->asked = false;
	if (t->share < WHOLE)
		t->deadline_us = t->chan->now_us + EASE;
}

/* What a stream that is up does on an error; all others are noted. Only 0x7001 ends it. */
static void
take_error(void *self, const void *arg)
{
	struct stream *t = self;

	switch (log_error(t->chan, arg, t)) {
	case EMMG_E_BANDWIDTH:
		slow_down(t);
		break;
	case EMMG_E_STREAM_ID:
		gw_fsm_post(&t->fsm, S_FORGOT);
		break;
	case EMMG_E_CHANNEL_ID:
		t->chan->ops->drop(t->chan->self, "the mux has forgotten the channel; a new connection sets it up");
		break;
	case EMMG_E_UNRECOVERABLE:
		gw_fsm_post(&t->fsm, S_BROKEN);
		break;
	default:
		break;
	}
}

static void
note_error(void *self, const void *arg)
{
	struct stream *t = self;

	log_error(t->chan, arg, t);
}

static void
answer_stream_test(void *self, const void *arg)
{
	struct stream *t = self;
	struct sim_writer w;

	(void)arg;
	begin_stream(t, &w, EMMG_STREAM_STATUS);
	put_names(t, &w);
	send_it(t->chan, &w);
}

static void
deny_stream_test(void *self, const void *arg)
{
	struct stream *t = self;

	(void)arg;
	send_error(t->chan, stream_id(t), EMMG_E_STREAM_ID);
}

static void
forget(void *self, const void *arg)
{
	struct stream *t = self;

	(void)arg;
	t->deadline_us = INT64_MAX;
	t->asked = false;
}

static void
stream_down(void *self, const void *arg)
{
	struct stream *t = self;

	forget(self, arg);
	t->eased_us = t->udp_us = 0;
	if (!t->gone)
		t->chan->ops->rate(t->chan->self, t->number, 0);
}

/* Never at once: a mux that breaks every stream it sets up would be asked without end. */
static void
begin_again(void *self, const void *arg)
{
	stream_down(self, arg);
	set_up_later(self);
}

/* UDP and TCP race: the last datagrams get their time before the stream ends (3.4; TSDuck waits 100 ms). */
static void
flush(void *self, const void *arg)
{
	struct stream *t = self;
	int64_t until = t->udp_us ? t->udp_us + FLUSH : 0;

	stream_down(self, arg);
	t->deadline_us = until > t->chan->now_us ? until : t->chan->now_us;
}

static void
send_close(void *self, const void *arg)
{
	struct stream *t = self;

	(void)arg;
	send_stream_plain(t, EMMG_STREAM_CLOSE_REQUEST);
	t->deadline_us = t->chan->now_us + CLOSE_WAIT;
}

static void
close_broken(void *self, const void *arg)
{
	stream_down(self, arg);
	send_close(self, arg);
}

static void
stream_closed(void *self, const void *arg)
{
	struct stream *t = self;
	struct emmg_chan *c = t->chan;

	(void)arg;
	t->deadline_us = INT64_MAX;
	if (c->fsm.state == CH_OPEN)
		set_up_later(t);
	else if (c->fsm.state == CLOSING && all_none(c))
		gw_fsm_feed(&c->fsm, c, STREAMS_GONE, NULL);
}

static const struct gw_edge stream_edges[] = {
	/* in state   on event      go to     then do             */
	{ NONE,     S_WANTED,     SETUP,    send_stream_setup   },
	{ NONE,     S_TIMEOUT,    SETUP,    send_stream_setup   },
	{ NONE,     S_STATUS,     NONE,     NULL                },
	{ NONE,     S_TEST,       NONE,     deny_stream_test    },
	{ NONE,     S_ERROR,      NONE,     note_error          },
	{ NONE,     S_ALLOCATION, NONE,     NULL                },
	{ NONE,     S_CLOSED,     NONE,     NULL                },
	{ NONE,     S_LOST,       NONE,     forget              },
	{ NONE,     S_STOP,       NONE,     forget              },
	{ SETUP,    S_STATUS,     READY,    stream_ready        },
	{ SETUP,    S_TEST,       SETUP,    deny_stream_test    },
	{ SETUP,    S_ERROR,      NONE,     stream_refused      },
	{ SETUP,    S_TIMEOUT,    NONE,     stream_refused      },
	{ SETUP,    S_ALLOCATION, SETUP,    NULL                },
	{ SETUP,    S_LOST,       NONE,     forget              },
	{ SETUP,    S_STOP,       ENDING,   send_close          },
	{ READY,    S_ALLOCATION, READY,    take_allocation     },
	{ READY,    S_ERROR,      READY,    take_error          },
	{ READY,    S_TEST,       READY,    answer_stream_test  },
	{ READY,    S_STATUS,     READY,    NULL                },
	{ READY,    S_TIMEOUT,    READY,    ready_timer         },
	{ READY,    S_FORGOT,     NONE,     begin_again         },
	{ READY,    S_BROKEN,     ENDING,   close_broken        },
	{ READY,    S_STOP,       FLUSHING, flush               },
	{ FLUSHING, S_TIMEOUT,    ENDING,   send_close          },
	{ FLUSHING, S_TEST,       FLUSHING, answer_stream_test  },
	{ FLUSHING, S_ERROR,      FLUSHING, note_error          },
	{ FLUSHING, S_STATUS,     FLUSHING, NULL                },
	{ FLUSHING, S_ALLOCATION, FLUSHING, NULL                },
	{ FLUSHING, S_STOP,       FLUSHING, NULL                },
	{ ENDING,   S_CLOSED,     NONE,     stream_closed       },
	{ ENDING,   S_ERROR,      NONE,     stream_closed       },
	{ ENDING,   S_TIMEOUT,    NONE,     stream_closed       },
	{ ENDING,   S_TEST,       ENDING,   deny_stream_test    },
	{ ENDING,   S_STATUS,     ENDING,   NULL                },
	{ ENDING,   S_ALLOCATION, ENDING,   NULL                },
	{ ENDING,   S_LOST,       NONE,     forget              },
	{ ENDING,   S_STOP,       ENDING,   NULL                },
	{ GW_ANY,   S_LOST,       NONE,     stream_down         },
};

static void
stream_stray(void *self, int state, int event, const void *arg)
{
	struct stream *t = self;

	(void)arg;
	t->chan->counts.ignored++;
	gw_log_limited(&t->chan->rate, GW_NOTICE, "message_out_of_state", "ignored: it means nothing in this state",
	    "kms=%s peer=%s stream=%u state=%s on=%s", t->chan->conf.name, t->chan->peer, stream_id(t), stream_states[state],
	    stream_events[event]);
}

static const struct gw_fsm stream_fsm = { "data-stream", stream_edges, sizeof(stream_edges) / sizeof(stream_edges[0]),
	stream_states, sizeof(stream_states) / sizeof(stream_states[0]), stream_events,
	sizeof(stream_events) / sizeof(stream_events[0]), stream_stray };

/* ---- messages ---- */

/* Which event of which machine a message is. */
static const struct { uint16_t message; bool stream; int event; } meanings[] = {
	{ EMMG_CHANNEL_STATUS,        false, STATUS   }, { EMMG_CHANNEL_TEST,         false, TEST         },
	{ EMMG_CHANNEL_ERROR,         false, ERROR    }, { EMMG_STREAM_STATUS,        true,  S_STATUS     },
	{ EMMG_STREAM_TEST,           true,  S_TEST   }, { EMMG_STREAM_ERROR,         true,  S_ERROR      },
	{ EMMG_STREAM_CLOSE_RESPONSE, true,  S_CLOSED }, { EMMG_STREAM_BW_ALLOCATION, true,  S_ALLOCATION },
};

static bool
is_error(const struct emmg_chan *c)
{
	return c->msg.type == EMMG_CHANNEL_ERROR || c->msg.type == EMMG_STREAM_ERROR;
}

/* The answer to a message we cannot take; none to an error message (no ping-pong). */
static void
refuse(struct emmg_chan *c, uint16_t status, const struct sim_fault *why)
{
	int64_t stream = c->msg.type >= EMMG_STREAM_SETUP ? sim_int(&c->msg, EMMG_STREAM_ID, -1) : -1;

	gw_log_limited(&c->rate, GW_WARNING, "message_refused", sim_verdict_text(why->verdict),
	    "kms=%s peer=%s channel=%u message=%s param=0x%04x offset=%zu error=0x%04x", c->conf.name, c->peer, c->conf.channel_id,
	    c->msg.def ? c->msg.def->name : "-", why->param, why->offset, status);
	if (is_error(c))
		c->counts.ignored++;
	else
		send_error(c, stream, status);
}

static void
to_stream(struct emmg_chan *c, int event)
{
	struct stream *t = find(c, sim_int(&c->msg, EMMG_STREAM_ID, -1));
	struct sim_fault why = { SIM_BAD_VALUE, EMMG_STREAM_ID, 0 };

	if (c->fsm.state != CH_OPEN && c->fsm.state != CLOSING)
		refuse(c, EMMG_E_CHANNEL_ID, &why);
	else if (!t)
		refuse(c, EMMG_E_STREAM_ID, &why);
	else
		gw_fsm_feed(&t->fsm, t, event, &c->msg);
}

/* The order of checks of 1.3: version, message, then whose channel it is. false: it has been answered. */
static bool
acceptable(struct emmg_chan *c, const uint8_t *msg, size_t len)
{
	struct sim_fault why = { SIM_OK, 0, 0 };
	bool ours, good = sim_decode_as(&emmg_mux, c->conf.strict ? SIM_STRICT : SIM_LENIENT, msg, len, &c->msg, &why) == 0;

	if (!good) {
		if (why.verdict == SIM_NO_MESSAGE && (tolerate(c, D_MESSAGE) || c->msg.type >= USER_DEFINED))
			c->counts.ignored++;
		else
			refuse(c, sim_status_of(&emmg_mux, why.verdict), &why);
		return false;
	}
	if (gw_log_on(GW_DEBUG))
		trace(c, "received", &c->msg);
	if (c->msg.version != c->version && !is_error(c) && !tolerate(c, D_VERSION)) {
		refuse(c, EMMG_E_VERSION, &(struct sim_fault){ SIM_VERSION, 0, 0 });
		return false;
	}
	if (c->msg.ignored)
		tolerate(c, D_PARAMETER);	/* a strict decoder has refused it */
	ours = sim_int(&c->msg, EMMG_CLIENT_ID, -1) == c->conf.client_id;
	if (ours && sim_int(&c->msg, EMMG_CHANNEL_ID, -1) == c->conf.channel_id)
		return true;
	if (is_error(c)) {
		tolerate(c, D_ERROR_IDS);
		return true;
	}
	why = (struct sim_fault){ SIM_BAD_VALUE, ours ? EMMG_CHANNEL_ID : EMMG_CLIENT_ID, 0 };
	refuse(c, ours ? EMMG_E_CHANNEL_ID : EMMG_E_CLIENT_ID, &why);
	return false;
}

void
emmg_chan_frame(struct emmg_chan *c, const uint8_t *msg, size_t len, int64_t now)
{
	struct sim_fault why = { SIM_MALFORMED, 0, 1 };

	c->now_us = c->heard_us = now;
	c->testing = false;
	c->counts.received++;
	if (!acceptable(c, msg, len))
		return;
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (meanings[i].message != c->msg.type)
			continue;
		if (meanings[i].stream)
			to_stream(c, meanings[i].event);
		else
			gw_fsm_feed(&c->fsm, c, meanings[i].event, &c->msg);
		return;
	}
	refuse(c, EMMG_E_INVALID_MESSAGE, &why);	/* one that only an EMMG sends */
}

/* ---- data ---- */

const char *
emmg_datagram_fault(uint8_t format, const uint8_t *p, size_t len)
{
	if (len == 0)
		return "a datagram of no octets";
	if (len > UINT16_MAX)
		return "a datagram is longer than a parameter can be, 65535 octets";
	if (format == EMMG_SECTION) {
		if (len < 3 || p[0] == 0xff || (size_t)((p[1] & 0x0f) << 8 | p[2]) + 3 != len)
			return "no whole section: table_id and section_length do not fit the octets";
		return NULL;
	}
	for (size_t i = 0; format == EMMG_TSPKT && i < len; i += 188)
		if (len % 188 || p[i] != 0x47)
			return "no run of TS packets: 188 octets each, beginning with 0x47";
	return NULL;
}

size_t
emmg_chan_overhead(const struct emmg_chan *c, bool udp)
{
	return SIM_HEADER + 8u + (udp ? 0 : 12u) + (c->version >= 2 ? 6u : 0);
}

bool
emmg_chan_udp(const struct emmg_chan *c)
{
	return c->conf.udp && c->version >= 2;	/* version 1 has no data_id, by which UDP knows a stream; the tables tolerate it */
}

/* 6.2.5.9 and 6.3.1: by TCP with channel and stream, by UDP with client_id and data_id alone. */
int
emmg_chan_data(struct emmg_chan *c, size_t i, const struct emmg_datagram *d, size_t n, bool udp, int64_t now)
{
	struct stream *t = c->streams[i];
	struct sim_writer w;
	size_t len;
	int rc;

	if (t->fsm.state != READY || n == 0)
		return -1;
	c->now_us = now;
	sim_begin(&w, udp ? &emmg_mux_udp : &emmg_mux, c->version, EMMG_DATA_PROVISION, c->out, sizeof(c->out));
	sim_put_int(&w, EMMG_CLIENT_ID, c->conf.client_id);
	if (!udp) {
		sim_put_int(&w, EMMG_CHANNEL_ID, c->conf.channel_id);
		sim_put_int(&w, EMMG_STREAM_ID, stream_id(t));
	}
	if (c->version >= 2)
		sim_put_int(&w, EMMG_DATA_ID, t->conf.data_id);
	for (size_t k = 0; k < n; k++)
		sim_put_bytes(&w, EMMG_DATAGRAM, d[k].p, d[k].len);
	len = finish(c, &w);
	if (!len)
		return -1;
	rc = udp ? c->ops->send_udp(c->self, c->out, len) : c->ops->send(c->self, c->out, len);
	if (udp && rc == 0)
		t->udp_us = now;
	c->counts.sent += rc == 0 || (!udp && rc == 1);
	return rc;
}

/* ---- the owner's side ---- */

struct emmg_chan *
emmg_chan_new(const struct emmg_chan_conf *conf, const struct emmg_chan_ops *ops, void *self)
{
	struct emmg_chan *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->conf = *conf;
	c->version = conf->version;
	c->ops = ops;
	c->self = self;
	c->deadline_us = INT64_MAX;
	c->rate = (struct gw_rate){ .burst = 20, .per_ms = 10000 };
	gw_fsm_init(&c->fsm, &chan_fsm, IDLE);
	return c;
}

void
emmg_chan_free(struct emmg_chan *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		free(c->streams[i]);
	free(c->streams);
	free(c);
}

/* A number that nobody uses: that of a stream that is gone, or a new one at the end. */
static int
free_number(struct emmg_chan *c)
{
	struct stream **grown;

	for (size_t i = 0; i < c->n; i++)
		if (c->streams[i]->gone && c->streams[i]->fsm.state == NONE) {
			free(c->streams[i]);
			return (int)i;
		}
	if (c->n == UINT16_MAX - 1)
		return -1;
	grown = realloc(c->streams, (c->n + 1) * sizeof(*grown));
	if (!grown)
		return -1;
	c->streams = grown;
	return (int)c->n++;
}

int
emmg_chan_add(struct emmg_chan *c, const struct emmg_stream_conf *conf, int64_t now)
{
	struct stream *t = calloc(1, sizeof(*t));
	int i = t ? free_number(c) : -1;

	if (i < 0) {
		free(t);
		return -1;
	}
	c->streams[i] = t;
	*t = (struct stream){ .chan = c, .number = (size_t)i, .conf = *conf, .share = WHOLE,
		.deadline_us = c->fsm.state == CH_OPEN ? now : INT64_MAX };	/* by the next tick: the owner has the number by then */
	gw_fsm_init(&t->fsm, &stream_fsm, NONE);
	return i;
}

void
emmg_chan_remove(struct emmg_chan *c, size_t i, int64_t now)
{
	struct stream *t = c->streams[i];

	c->now_us = now;
	t->gone = true;
	gw_fsm_feed(&t->fsm, t, S_STOP, NULL);
}

void
emmg_chan_bandwidth(struct emmg_chan *c, size_t i, uint32_t bps, int64_t now)
{
	struct stream *t = c->streams[i];

	c->now_us = now;
	if (t->conf.bandwidth_bps == bps)
		return;
	t->conf.bandwidth_bps = bps;
	if (t->fsm.state != READY)
		return;
	ask_bandwidth(t, true);
	tell_rate(t);
}

bool
emmg_chan_idle(const struct emmg_chan *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!c->streams[i]->gone || c->streams[i]->fsm.state != NONE)
			return false;
	return true;
}

void
emmg_chan_connected(struct emmg_chan *c, const char *peer, int64_t now)
{
	snprintf(c->peer, sizeof(c->peer), "%s", peer);
	c->now_us = c->heard_us = now;
	c->named = 0;
	gw_fsm_feed(&c->fsm, c, CONNECTED, NULL);
}

void
emmg_chan_lost(struct emmg_chan *c, int64_t now)
{
	c->now_us = now;
	gw_fsm_feed(&c->fsm, c, LOST, NULL);
}

void
emmg_chan_stop(struct emmg_chan *c, int64_t now)
{
	c->now_us = now;
	gw_fsm_feed(&c->fsm, c, STOP, NULL);
}

void
emmg_chan_tick(struct emmg_chan *c, int64_t now)
{
	c->now_us = now;
	for (size_t i = 0; i < c->n; i++) {
		struct stream *t = c->streams[i];
		if (t->deadline_us <= now && (c->fsm.state == CH_OPEN || c->fsm.state == CLOSING)) {
			t->deadline_us = INT64_MAX;
			gw_fsm_feed(&t->fsm, t, S_TIMEOUT, NULL);
		}
	}
	if (c->deadline_us <= now) {
		c->deadline_us = INT64_MAX;
		gw_fsm_feed(&c->fsm, c, TIMEOUT, NULL);
	} else if (c->fsm.state == CH_OPEN && now >= c->heard_us + (c->testing ? ANSWER : SILENCE)) {
		gw_fsm_feed(&c->fsm, c, TIMEOUT, NULL);
	}
}

int64_t
emmg_chan_next(const struct emmg_chan *c)
{
	int64_t at = c->deadline_us;

	if (c->fsm.state == CH_OPEN && c->heard_us + (c->testing ? ANSWER : SILENCE) < at)
		at = c->heard_us + (c->testing ? ANSWER : SILENCE);
	for (size_t i = 0; i < c->n; i++)
		if (c->streams[i]->deadline_us < at)
			at = c->streams[i]->deadline_us;
	return at;
}

const struct emmg_chan_counts *
emmg_chan_counts(const struct emmg_chan *c)
{
	return &c->counts;
}

const char *
emmg_chan_state(const struct emmg_chan *c)
{
	return gw_fsm_name(&c->fsm);
}

uint8_t
emmg_chan_version(const struct emmg_chan *c)
{
	return c->version;
}

void
emmg_chan_stream(const struct emmg_chan *c, size_t i, struct emmg_stream_view *v)
{
	const struct stream *t = c->streams[i];

	*v = (struct emmg_stream_view){ .state = gw_fsm_name(&t->fsm), .up = t->fsm.state == READY, .granted = t->granted,
		.stream_id = stream_id(t), .rate_bps = t->fsm.state == READY ? rate_of(t) : 0, .granted_bps = t->granted_bps,
		.last_error = t->last_error, .setups = t->setups };
}

size_t
emmg_chan_print_machines(char *out, size_t cap)
{
	size_t n = gw_fsm_print(&chan_fsm, out, cap);

	return n + gw_fsm_print(&stream_fsm, n < cap ? out + n : NULL, n < cap ? cap - n : 0);
}
