/* scs/chan.c: see chan.h; the tables are TS 103 197 clause 5 as simulcrypt's SCS side reads it */
#include "scs/chan.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/clock.h"
#include "lib/fsm.h"
#include "lib/log.h"
#include "lib/secret.h"
#include "proto/ecmg_scs.h"

enum { MS = 1000, S = 1000 * 1000 };
/*
 * ANSWER: for every answer but an ECM; NETWORK: on top of max_comp_time, at least LEAST in all; SILENCE: then channel_test;
 * FAILURES in a row on one stream: the peer is tried anew (and the next address of the KMS with it).
 */
enum { ANSWER = 5 * S, NETWORK = 500 * MS, LEAST = 1 * S, SILENCE = 10 * S, AGAIN_LEAST = 1 * S, AGAIN_MOST = 60 * S,
	CLOSE_WAIT = 500 * MS, FAILURES = 3 };

enum { CLOSED, SETTING_UP, OPEN, CLOSING };
enum { CONNECTED, STATUS, TEST, ERROR, TIMEOUT, LOST, STOP, STREAMS_GONE };
static const char *const chan_states[] = { "CLOSED", "SETTING_UP", "OPEN", "CLOSING" };
static const char *const chan_events[] = { "CONNECTED", "STATUS", "TEST", "ERROR", "TIMEOUT", "LOST", "STOP", "STREAMS_GONE" };

enum { NONE, SETUP, READY, PENDING, ENDING };
enum { S_WANTED, S_STATUS, S_TEST, S_ERROR, S_PROVISION, S_ECM, S_TIMEOUT, S_LOST, S_STOP, S_CLOSED, S_FORGOT,
	S_BROKEN };
static const char *const stream_states[] = { "NONE", "SETUP", "READY", "PENDING", "ENDING" };
static const char *const stream_events[] = { "WANTED", "STATUS", "TEST", "ERROR", "PROVISION", "ECM", "TIMEOUT", "LOST", "STOP", "CLOSED", "FORGOT",
	"BROKEN" };

struct stream {
	struct scs_chan *chan;
	size_t number;
	struct scs_chan_stream conf;	/* with copies of what it points at */
	bool gone;			/* removed: its number is free once it is NONE */
	struct gw_state fsm;
	int64_t deadline_us;		/* of the state; INT64_MAX: none */
	int64_t again_us;		/* wait before the next attempt to set it up */
	int64_t want, asked, last;	/* CP wanted by the owner; CP of the outstanding message; the one before it on this set-up */
	int64_t duration_us;		/* of `want` */
	int64_t sent_us, latency_us;
	uint16_t nominal;
	unsigned failures;
	bool criteria_each, criteria_sent;
};
#define NO_CP INT64_MIN		/* priming goes below the first CP: -1 is one */
struct scs_chan {
	struct scs_chan_conf conf;
	char kms[65];
	const struct scs_chan_ops *ops;
	void *self;
	struct gw_state fsm;
	char peer[80];
	int64_t now_us, heard_us, deadline_us;
	bool testing;
	struct scs_terms terms;
	struct stream **streams; size_t n;
	struct scs_chan_counts counts;
	uint16_t last_error;
	struct gw_rate rate;
	struct sim_msg msg;
	uint8_t out[SIM_MAX];
};

/* ---- sending ---- */

static void
begin(struct scs_chan *c, struct sim_writer *w, uint16_t message)
{
	sim_begin(w, &ecmg_scs, c->conf.version, message, c->out, sizeof(c->out));
	sim_put_int(w, ECMG_CHANNEL_ID, c->conf.channel_id);
}

static uint16_t
stream_id(const struct stream *t)
{
	return (uint16_t)(t->number + 1);
}

static void
begin_stream(struct stream *t, struct sim_writer *w, uint16_t message)
{
	begin(t->chan, w, message);
	sim_put_int(w, ECMG_STREAM_ID, stream_id(t));
}

/* Every message, its secrets masked: what a laboratory wants to see first. */
static void
trace(const struct scs_chan *c, const char *event, const struct sim_msg *m)
{
	char text[1024];

	if (!gw_log_on(GW_DEBUG))
		return;
	sim_print(m, text, sizeof(text));
	gw_log(GW_DEBUG, event, NULL, "kms=%s peer=%s message=%s", c->conf.kms, c->peer, text);
}

static void
trace_sent(struct scs_chan *c, size_t len)
{
	static struct sim_msg m;

	if (gw_log_on(GW_DEBUG) && sim_decode(&ecmg_scs, c->out, len, &m, NULL) == 0)
		trace(c, "sent", &m);
}

static bool
finish(struct scs_chan *c, struct sim_writer *w)
{
	struct sim_fault why;
	size_t len = sim_end(w, &why);

	if (len) {
		trace_sent(c, len);
		c->ops->send(c->self, c->out, len);
	} else {
		gw_log(GW_ERR, "message_unsendable", sim_verdict_text(why.verdict), "kms=%s peer=%s param=0x%04x", c->conf.kms,
		    c->peer, why.param);
	}
	gw_cleanse(c->out, w->len);
	return len != 0;
}

static void
send_plain(struct scs_chan *c, uint16_t message)
{
	struct sim_writer w;

	begin(c, &w, message);
	finish(c, &w);
}

static void
send_stream_plain(struct stream *t, uint16_t message)
{
	struct sim_writer w;

	begin_stream(t, &w, message);
	finish(t->chan, &w);
}

/* ---- the channel's actions ---- */

static void
send_channel_setup(void *self, const void *arg)
{
	struct scs_chan *c = self;
	struct sim_writer w;

	(void)arg;
	begin(c, &w, ECMG_CHANNEL_SETUP);
	sim_put_int(&w, ECMG_SUPER_CAS_ID, c->conf.super_cas_id);
	finish(c, &w);
	c->deadline_us = c->now_us + ANSWER;
}

static void
read_terms(const struct sim_msg *m, struct scs_terms *t)
{
	int64_t start = sim_int(m, ECMG_DELAY_START, 0), stop = sim_int(m, ECMG_DELAY_STOP, 0);

	*t = (struct scs_terms){
		.section_TSpkt_flag = (uint8_t)sim_int(m, ECMG_SECTION_TSPKT, 0),
		.lead_CW = (uint8_t)sim_int(m, ECMG_LEAD_CW, 0), .CW_per_msg = (uint8_t)sim_int(m, ECMG_CW_PER_MSG, 0),
		.delay_start = (int16_t)start, .delay_stop = (int16_t)stop,
		.transition_delay_start = (int16_t)sim_int(m, ECMG_TRANS_START, start),
		.transition_delay_stop = (int16_t)sim_int(m, ECMG_TRANS_STOP, stop),
		.AC_delay_start = (int16_t)sim_int(m, ECMG_AC_DELAY_START, start),
		.AC_delay_stop = (int16_t)sim_int(m, ECMG_AC_DELAY_STOP, stop),
		.ECM_rep_period = (uint16_t)sim_int(m, ECMG_REP_PERIOD, 0),
		.max_streams = (uint16_t)sim_int(m, ECMG_MAX_STREAMS, 0),
		.min_CP_duration = (uint16_t)sim_int(m, ECMG_MIN_CP_DURATION, 0),
		.max_comp_time = (uint16_t)sim_int(m, ECMG_MAX_COMP_TIME, 0),
	};
}

static bool
has_room(const struct stream *t)
{
	const struct scs_chan *c = t->chan;

	if (!c->terms.max_streams || t->number < c->terms.max_streams)
		return true;
	gw_log(GW_ERR, "max_streams", "the ECMG takes no more streams on a channel: this service gets no ECM from it",
	    "kms=%s peer=%s service=%s max_streams=%u", c->conf.kms, c->peer, t->conf.unit, c->terms.max_streams);
	return false;
}

static void
adopt_status(void *self, const void *arg)
{
	struct scs_chan *c = self;

	read_terms(arg, &c->terms);
	if (c->terms.CW_per_msg == 0 || c->terms.section_TSpkt_flag > 2) {
		gw_log(GW_ERR, "channel_status_invalid", "the ECMG announces no CW per message, or an unknown datagram format",
		    "kms=%s peer=%s CW_per_msg=%u section_TSpkt_flag=%u", c->conf.kms, c->peer, c->terms.CW_per_msg,
		    c->terms.section_TSpkt_flag);
		c->ops->drop(c->self, "channel_status cannot be used");
		return;
	}
	if (c->terms.lead_CW == 0 && c->terms.delay_start >= 0)
		gw_log(GW_WARNING, "delay_start_late", "with lead_CW 0 and this delay_start the beginning of each CP cannot be decoded",
		    "kms=%s peer=%s delay_start=%d", c->conf.kms, c->peer, c->terms.delay_start);
	gw_log(GW_NOTICE, "channel_open", NULL, "kms=%s peer=%s channel=%u version=%u lead_CW=%u CW_per_msg=%u delay_start=%d "
	    "delay_stop=%d max_comp_time=%u min_CP_duration=%u max_streams=%u", c->conf.kms, c->peer, c->conf.channel_id,
	    c->conf.version, c->terms.lead_CW, c->terms.CW_per_msg, c->terms.delay_start, c->terms.delay_stop,
	    c->terms.max_comp_time, c->terms.min_CP_duration, c->terms.max_streams);
	c->deadline_us = INT64_MAX;
	for (size_t i = 0; i < c->n; i++) {
		struct stream *t = c->streams[i];
		t->again_us = 0;
		t->failures = 0;
		if (!t->gone && has_room(t))
			gw_fsm_feed(&t->fsm, t, S_WANTED, NULL);
	}
}

static bool
same_terms(const struct scs_terms *a, const struct scs_terms *b)
{
	return a->lead_CW == b->lead_CW && a->CW_per_msg == b->CW_per_msg && a->section_TSpkt_flag == b->section_TSpkt_flag &&
	    a->delay_start == b->delay_start && a->delay_stop == b->delay_stop &&
	    a->transition_delay_start == b->transition_delay_start && a->transition_delay_stop == b->transition_delay_stop &&
	    a->AC_delay_start == b->AC_delay_start && a->AC_delay_stop == b->AC_delay_stop && a->ECM_rep_period == b->ECM_rep_period &&
	    a->max_comp_time == b->max_comp_time && a->min_CP_duration == b->min_CP_duration && a->max_streams == b->max_streams;
}

/* Values are fixed for the life of a channel: a change that matters means a new channel. */
static void
check_status(void *self, const void *arg)
{
	struct scs_chan *c = self;
	struct scs_terms t;

	read_terms(arg, &t);
	c->testing = false;
	if (!same_terms(&t, &c->terms))
		c->ops->drop(c->self, "the ECMG changed its channel_status; a new channel adopts it");
}

static void
answer_test(void *self, const void *arg)
{
	struct scs_chan *c = self;
	const struct scs_terms *t = &c->terms;
	struct sim_writer w;

	(void)arg;
	begin(c, &w, ECMG_CHANNEL_STATUS);
	sim_put_int(&w, ECMG_SECTION_TSPKT, t->section_TSpkt_flag);
	sim_put_int(&w, ECMG_DELAY_START, t->delay_start);
	sim_put_int(&w, ECMG_DELAY_STOP, t->delay_stop);
	sim_put_int(&w, ECMG_REP_PERIOD, t->ECM_rep_period);
	sim_put_int(&w, ECMG_MAX_STREAMS, t->max_streams);
	sim_put_int(&w, ECMG_MIN_CP_DURATION, t->min_CP_duration);
	sim_put_int(&w, ECMG_LEAD_CW, t->lead_CW);
	sim_put_int(&w, ECMG_CW_PER_MSG, t->CW_per_msg);
	sim_put_int(&w, ECMG_MAX_COMP_TIME, t->max_comp_time);
	finish(c, &w);
}

static uint16_t
log_error(struct scs_chan *c, const struct sim_msg *m, const char *unit)
{
	uint16_t status = (uint16_t)sim_int(m, ECMG_ERROR_STATUS, ECMG_E_UNKNOWN);
	const struct sim_status *s = sim_status_find(&ecmg_scs, status);
	char text[512];

	c->last_error = status;
	sim_print(m, text, sizeof(text));
	gw_log_limited(&c->rate, GW_WARNING, "ecmg_error", s ? s->meaning : NULL,
	    "kms=%s peer=%s service=%s error=0x%04x name=%s next=%s message=%s", c->conf.kms, c->peer, unit ? unit : "-", status,
	    s ? s->name : "unknown", s ? s->next : "-", text);
	return status;
}

/* A refused channel: the version the ECMG answers with may be the one to speak (1.5); then the connection is useless. */
static void
channel_refused(void *self, const void *arg)
{
	struct scs_chan *c = self;
	const struct sim_msg *m = arg;
	uint16_t status = log_error(c, m, NULL);

	c->counts.channel_error++;
	if (status == ECMG_E_VERSION && m->version != c->conf.version) {
		gw_log(GW_NOTICE, "version_changed", "trying the ECMG's own protocol_version", "kms=%s peer=%s from=%u to=%u",
		    c->conf.kms, c->peer, c->conf.version, m->version);
		c->conf.version = m->version;
	}
	c->ops->drop(c->self, "the ECMG refused the channel");
}

/* 2.7: codes about the message are noted; those about the channel or its capacity end it. */
static void
channel_error(void *self, const void *arg)
{
	struct scs_chan *c = self;
	uint16_t status = log_error(c, arg, NULL);

	c->counts.channel_error++;
	if ((status >= ECMG_E_SUPER_CAS_ID && status <= ECMG_E_TOO_MANY_STREAMS_ECMG) || status == ECMG_E_CHANNEL_ID_IN_USE ||
	    status == ECMG_E_UNRECOVERABLE)
		c->ops->drop(c->self, "the ECMG reported an error of the channel");
}

static void
no_answer(void *self, const void *arg)
{
	struct scs_chan *c = self;

	(void)arg;
	c->counts.timeouts++;
	c->ops->drop(c->self, "no answer to channel_setup");
}

static void
probe(void *self, const void *arg)
{
	struct scs_chan *c = self;

	(void)arg;
	if (c->testing) {
		c->counts.timeouts++;
		c->ops->drop(c->self, "no answer to channel_test");
		return;
	}
	c->testing = true;
	c->heard_us = c->now_us;	/* the answer's time counts from the question, however late that was */
	send_plain(c, ECMG_CHANNEL_TEST);
}

static void
all_streams(struct scs_chan *c, int event)
{
	for (size_t i = 0; i < c->n; i++)
		gw_fsm_feed(&c->streams[i]->fsm, c->streams[i], event, NULL);
}

static void
lost(void *self, const void *arg)
{
	struct scs_chan *c = self;

	(void)arg;
	c->deadline_us = INT64_MAX;
	c->testing = false;
	all_streams(c, S_LOST);
}

static void
stop_streams(void *self, const void *arg)
{
	struct scs_chan *c = self;

	(void)arg;
	c->deadline_us = c->now_us + CLOSE_WAIT;
	all_streams(c, S_STOP);
	for (size_t i = 0; i < c->n; i++)
		if (c->streams[i]->fsm.state != NONE)
			return;
	gw_fsm_post(&c->fsm, STREAMS_GONE);
}

static void
close_channel(void *self, const void *arg)
{
	struct scs_chan *c = self;

	(void)arg;
	c->deadline_us = INT64_MAX;
	send_plain(c, ECMG_CHANNEL_CLOSE);
	c->ops->drop(c->self, NULL);
}

static void
drop_quietly(void *self, const void *arg)
{
	struct scs_chan *c = self;

	(void)arg;
	c->ops->drop(c->self, NULL);
}

static const struct gw_edge chan_edges[] = {
	/* in state     on event      go to       then do            */
	{ CLOSED,     CONNECTED,    SETTING_UP, send_channel_setup },
	{ CLOSED,     LOST,         CLOSED,     NULL               },
	{ CLOSED,     STOP,         CLOSED,     drop_quietly       },
	{ SETTING_UP, STATUS,       OPEN,       adopt_status       },
	{ SETTING_UP, ERROR,        SETTING_UP, channel_refused    },
	{ SETTING_UP, TIMEOUT,      SETTING_UP, no_answer          },
	{ SETTING_UP, STOP,         CLOSING,    close_channel      },
	{ OPEN,       STATUS,       OPEN,       check_status       },
	{ OPEN,       TEST,         OPEN,       answer_test        },
	{ OPEN,       ERROR,        OPEN,       channel_error      },
	{ OPEN,       TIMEOUT,      OPEN,       probe              },
	{ OPEN,       STOP,         CLOSING,    stop_streams       },
	{ CLOSING,    STREAMS_GONE, CLOSING,    close_channel      },
	{ CLOSING,    TIMEOUT,      CLOSING,    close_channel      },
	{ CLOSING,    STATUS,       CLOSING,    NULL               },
	{ CLOSING,    TEST,         CLOSING,    NULL               },
	{ CLOSING,    ERROR,        CLOSING,    NULL               },
	{ CLOSING,    STOP,         CLOSING,    NULL               },
	{ GW_ANY,     LOST,         CLOSED,     lost               },
};

static void
stray(void *self, int state, int event, const void *arg)
{
	struct scs_chan *c = self;

	(void)arg;
	c->counts.ignored++;
	gw_log_limited(&c->rate, GW_NOTICE, "message_out_of_state", "ignored: it means nothing in this state",
	    "kms=%s peer=%s state=%s on=%s", c->conf.kms, c->peer, chan_states[state], chan_events[event]);
}

static const struct gw_fsm chan_fsm = { "ecm-channel", chan_edges, sizeof(chan_edges) / sizeof(chan_edges[0]),
	chan_states, sizeof(chan_states) / sizeof(chan_states[0]), chan_events, sizeof(chan_events) / sizeof(chan_events[0]), stray };

/* ---- a stream's actions ---- */

static void
send_stream_setup(void *self, const void *arg)
{
	struct stream *t = self;
	struct scs_chan *c = t->chan;
	struct sim_writer w;

	(void)arg;
	t->nominal = c->ops->nominal(c->self, t->number, &c->terms);
	begin_stream(t, &w, ECMG_STREAM_SETUP);
	if (c->conf.version >= 2)
		sim_put_int(&w, ECMG_ECM_ID, t->conf.ecm_id);
	sim_put_int(&w, ECMG_NOMINAL_CP_DURATION, t->nominal);
	finish(c, &w);
	t->deadline_us = c->now_us + ANSWER;
	t->want = t->asked = t->last = NO_CP;
	t->criteria_sent = false;
}

static void
stream_ready(void *self, const void *arg)
{
	struct stream *t = self;
	struct scs_chan *c = t->chan;

	t->criteria_each = sim_int(arg, ECMG_AC_TRANSFER_MODE, 0) != 0;
	t->deadline_us = INT64_MAX;
	gw_log(GW_INFO, "stream_open", NULL, "kms=%s peer=%s service=%s channel=%u stream=%u ECM_id=%u", c->conf.kms, c->peer,
	    t->conf.unit, c->conf.channel_id, stream_id(t), t->conf.ecm_id);
	c->ops->stream_up(c->self, t->number, &c->terms);
}

static void
set_up_later(struct stream *t)
{
	t->again_us = t->again_us ? 2 * t->again_us : AGAIN_LEAST;
	if (t->again_us > AGAIN_MOST)
		t->again_us = AGAIN_MOST;
	t->deadline_us = t->chan->now_us + t->again_us;
}

static void
stream_refused(void *self, const void *arg)
{
	struct stream *t = self;

	/* What it says is open is of an earlier life of the stream: it is closed first, then the identifier is free. */
	if (arg && log_error(t->chan, arg, t->conf.unit) == ECMG_E_STREAM_ID_IN_USE)
		send_stream_plain(t, ECMG_STREAM_CLOSE_REQUEST);
	t->chan->counts.stream_error++;
	set_up_later(t);
}

/* CWs of the window of `cp`: n + 1 + x - y .. n + x (2.5). A CP before the first never existed: it repeats the first one's CW. */
static bool
put_window(struct stream *t, struct sim_writer *w, int64_t cp)
{
	const struct scs_terms *terms = &t->chan->terms;
	int64_t from = cp + 1 + terms->lead_CW - terms->CW_per_msg, to = cp + terms->lead_CW;
	uint8_t pair[2 + 256], id[2 + 8];
	struct scs_key k;

	for (int64_t i = from; i <= to; i++) {
		int64_t have = i;
		while (have <= to && !t->chan->ops->key(t->chan->self, t->number, have, &k))
			have++;
		if (have > to || k.len > sizeof(pair) - 2) {
			gw_cleanse(pair, sizeof(pair));
			return false;
		}
		pair[0] = (uint8_t)(i >> 8), pair[1] = (uint8_t)i;
		memcpy(pair + 2, k.material, k.len);
		sim_put_bytes(w, ECMG_CP_CW, pair, 2 + k.len);
	}
	gw_cleanse(pair, sizeof(pair));
	for (int64_t i = from; t->chan->conf.bcast_parameters && i <= to; i++) {
		int64_t have = i;
		while (have <= to && !t->chan->ops->key(t->chan->self, t->number, have, &k))
			have++;
		id[0] = (uint8_t)(i >> 8), id[1] = (uint8_t)i;
		memcpy(id + 2, k.id, k.id_len);
		if (k.id_len)
			sim_put_bytes(w, ECMG_KEY_IDENTIFIER, id, 2 + k.id_len);
	}
	return true;
}

static void
send_provision(struct stream *t, int64_t cp)
{
	struct scs_chan *c = t->chan;
	uint8_t protection[2] = { t->conf.protection, t->conf.authenticated };
	uint16_t duration = (uint16_t)(t->duration_us / (100 * MS));
	struct sim_writer w;

	begin_stream(t, &w, ECMG_CW_PROVISION);
	sim_put_int(&w, ECMG_CP_NUMBER, cp & 0xffff);
	if (!put_window(t, &w, cp)) {
		gw_log(GW_ERR, "cw_window_missing", "a CW of the window does not exist", "kms=%s service=%s cp=%lld", c->conf.kms,
		    t->conf.unit, (long long)cp);
		gw_cleanse(c->out, w.len);
	} else {
		if (cp == t->want && duration != t->nominal && t->duration_us < 65536LL * 100 * MS)
			sim_put_int(&w, ECMG_CP_DURATION, duration);
		if (t->conf.access_criteria_len && (t->criteria_each || !t->criteria_sent))
			sim_put_bytes(&w, ECMG_ACCESS_CRITERIA, t->conf.access_criteria, t->conf.access_criteria_len);
		if (c->conf.bcast_parameters && t->conf.protection <= 7)
			sim_put_bytes(&w, ECMG_TRAFFIC_PROTECTION, protection, sizeof(protection));
		if (finish(c, &w))
			t->criteria_sent = true;
	}
	c->counts.cw_provision++;
	t->asked = cp;
	t->sent_us = c->now_us;
	t->deadline_us = c->now_us + c->terms.max_comp_time * (int64_t)MS + NETWORK;
	if (t->deadline_us < c->now_us + LEAST)
		t->deadline_us = c->now_us + LEAST;
}

/*
 * An ECMG that gets fewer CWs a message than its ECM needs keeps those of the messages before: after a set-up, or a gap, it is told
 * them first, one message outstanding at a time (priming, 2.5).
 */
static void
provision(void *self, const void *arg)
{
	struct stream *t = self;
	const struct scs_terms *terms = &t->chan->terms;
	int64_t behind = terms->lead_CW + 1 - terms->CW_per_msg, cp = behind > 0 ? t->want - behind : t->want;

	(void)arg;
	if (t->last >= cp && t->last < t->want)
		cp = t->last + 1;
	send_provision(t, t->last == t->want ? t->want : cp);
}

static void
answered(void *self, const void *arg)
{
	struct stream *t = self;
	const struct sim_value *ecm = sim_value(arg, ECMG_ECM_DATAGRAM, 0);
	int64_t cp = t->asked;

	t->latency_us = t->chan->now_us - t->sent_us;
	t->failures = 0;
	t->last = cp;
	t->deadline_us = INT64_MAX;
	t->asked = NO_CP;
	t->chan->counts.ecm_response++;
	if (cp != t->want) {
		gw_fsm_post(&t->fsm, S_PROVISION);	/* that was priming; on to the next */
		return;
	}
	t->again_us = 0;
	t->want = NO_CP;
	t->chan->ops->ecm(t->chan->self, t->number, cp, ecm->p, ecm->len);
}

/* What a stream_error to a CW_provision means for the stream (2.7, 2.8); any other: the request was refused, the stream stays. */
static const struct { uint16_t status; int event; bool leave; } remedies[] = {
	/*                            then       leave this ECMG */
	{ ECMG_E_CHANNEL_ID,          S_FORGOT,  true  },
	{ ECMG_E_STREAM_ID,           S_FORGOT,  false },	/* it does not know the stream: set up again */
	{ ECMG_E_UNRECOVERABLE,       S_BROKEN,  false },	/* to be closed, and set up again */
};
enum { NREMEDIES = sizeof(remedies) / sizeof(remedies[0]) };

static size_t
remedy_of(uint16_t status)
{
	size_t i = 0;

	while (i < NREMEDIES && remedies[i].status != status)
		i++;
	return i;
}

static void
request_failed(struct stream *t, size_t remedy)
{
	struct scs_chan *c = t->chan;
	int64_t cp = t->asked;

	t->deadline_us = INT64_MAX;
	if ((remedy < NREMEDIES && remedies[remedy].leave) || ++t->failures >= FAILURES) {
		c->ops->drop(c->self, "the ECMG does not answer as it should; a new connection is tried");
		return;
	}
	if (remedy < NREMEDIES) {
		gw_fsm_post(&t->fsm, remedies[remedy].event);
		return;
	}
	t->last = t->asked;
	t->asked = NO_CP;
	if (cp != t->want) {
		gw_fsm_post(&t->fsm, S_PROVISION);	/* refused priming is as good as answered */
		t->failures--;
		return;
	}
	t->want = NO_CP;
	c->ops->refused(c->self, t->number, cp);
}

static void
provision_refused(void *self, const void *arg)
{
	struct stream *t = self;
	size_t remedy = remedy_of((uint16_t)sim_int(arg, ECMG_ERROR_STATUS, ECMG_E_UNKNOWN));

	t->chan->counts.stream_error++;
	if (t->asked == t->want || remedy < NREMEDIES)	/* that an ECMG refuses priming is no news */
		log_error(t->chan, arg, t->conf.unit);
	request_failed(t, remedy);
}

static void
provision_timed_out(void *self, const void *arg)
{
	struct stream *t = self;

	(void)arg;
	t->chan->counts.timeouts++;
	gw_log_limited(&t->chan->rate, GW_WARNING, "ecm_late", "no ECM_response within max_comp_time and the network's allowance",
	    "kms=%s peer=%s service=%s stream=%u cp=%lld max_comp_time=%u", t->chan->conf.kms, t->chan->peer, t->conf.unit,
	    stream_id(t), (long long)t->asked, t->chan->terms.max_comp_time);
	request_failed(t, NREMEDIES);
}

static void
note_error(void *self, const void *arg)
{
	struct stream *t = self;
	size_t remedy = remedy_of(log_error(t->chan, arg, t->conf.unit));

	t->chan->counts.stream_error++;
	if (remedy < NREMEDIES && !remedies[remedy].leave)
		gw_fsm_post(&t->fsm, remedies[remedy].event);
}

static void
answer_stream_test(void *self, const void *arg)
{
	struct stream *t = self;
	struct sim_writer w;

	(void)arg;
	begin_stream(t, &w, ECMG_STREAM_STATUS);
	if (t->chan->conf.version >= 2)
		sim_put_int(&w, ECMG_ECM_ID, t->conf.ecm_id);
	sim_put_int(&w, ECMG_AC_TRANSFER_MODE, t->criteria_each);
	finish(t->chan, &w);
}

static void
stream_lost(void *self, const void *arg)
{
	struct stream *t = self;

	(void)arg;
	t->deadline_us = INT64_MAX;
	t->want = t->asked = t->last = NO_CP;
	t->chan->ops->stream_down(t->chan->self, t->number);
}

/* Never at once: an ECMG that breaks every stream it sets up would be asked without end. */
static void
begin_again(void *self, const void *arg)
{
	stream_lost(self, arg);
	set_up_later(self);
}

static void
forget(void *self, const void *arg)
{
	struct stream *t = self;

	(void)arg;
	t->deadline_us = INT64_MAX;
}

static void
send_close(void *self, const void *arg)
{
	struct stream *t = self;

	(void)arg;
	t->deadline_us = INT64_MAX;	/* the channel's own closing deadline covers it */
	send_stream_plain(t, ECMG_STREAM_CLOSE_REQUEST);
}

static void
close_broken(void *self, const void *arg)
{
	struct stream *t = self;

	stream_lost(self, arg);
	send_stream_plain(t, ECMG_STREAM_CLOSE_REQUEST);
	t->deadline_us = t->chan->now_us + CLOSE_WAIT;
}

static void
stream_closed(void *self, const void *arg)
{
	struct stream *t = self;
	struct scs_chan *c = t->chan;

	(void)arg;
	t->deadline_us = INT64_MAX;
	if (!t->gone && c->fsm.state == OPEN)
		set_up_later(t);
	for (size_t i = 0; i < c->n; i++)
		if (c->streams[i]->fsm.state != NONE)
			return;
	if (c->fsm.state == CLOSING)
		gw_fsm_feed(&c->fsm, c, STREAMS_GONE, NULL);
}

static const struct gw_edge stream_edges[] = {
	/* in state  on event     go to    then do             */
	{ NONE,    S_WANTED,    SETUP,   send_stream_setup   },
	{ NONE,    S_TIMEOUT,   SETUP,   send_stream_setup   },
	{ NONE,    S_LOST,      NONE,    forget              },
	{ NONE,    S_STOP,      NONE,    forget              },
	{ NONE,    S_CLOSED,    NONE,    NULL                },
	{ SETUP,   S_STATUS,    READY,   stream_ready        },
	{ SETUP,   S_ERROR,     NONE,    stream_refused      },
	{ SETUP,   S_TIMEOUT,   NONE,    stream_refused      },
	{ SETUP,   S_LOST,      NONE,    forget              },
	{ SETUP,   S_STOP,      ENDING,  send_close          },
	{ READY,   S_PROVISION, PENDING, provision           },
	{ PENDING, S_ECM,       READY,   answered            },
	{ PENDING, S_ERROR,     READY,   provision_refused   },
	{ PENDING, S_TIMEOUT,   READY,   provision_timed_out },
	{ READY,   S_ERROR,     READY,   note_error          },
	{ READY,   S_TEST,      READY,   answer_stream_test  },
	{ PENDING, S_TEST,      PENDING, answer_stream_test  },
	{ READY,   S_STATUS,    READY,   NULL                },
	{ PENDING, S_STATUS,    PENDING, NULL                },
	{ READY,   S_FORGOT,    NONE,    begin_again         },
	{ READY,   S_BROKEN,    ENDING,  close_broken        },
	{ READY,   S_STOP,      ENDING,  send_close          },
	{ PENDING, S_STOP,      ENDING,  send_close          },
	{ ENDING,  S_STATUS,    ENDING,  NULL                },
	{ ENDING,  S_ECM,       ENDING,  NULL                },
	{ ENDING,  S_CLOSED,    NONE,    stream_closed       },
	{ ENDING,  S_ERROR,     NONE,    stream_closed       },
	{ ENDING,  S_TIMEOUT,   NONE,    stream_closed       },
	{ ENDING,  S_LOST,      NONE,    forget              },
	{ ENDING,  S_STOP,      ENDING,  NULL                },
	{ ENDING,  S_TEST,      ENDING,  NULL                },
	{ GW_ANY,  S_LOST,      NONE,    stream_lost         },
};

static void
stream_stray(void *self, int state, int event, const void *arg)
{
	struct stream *t = self;

	(void)arg;
	t->chan->counts.ignored++;
	gw_log_limited(&t->chan->rate, GW_NOTICE, "message_out_of_state", "ignored: it means nothing in this state",
	    "kms=%s peer=%s service=%s stream=%u state=%s on=%s", t->chan->conf.kms, t->chan->peer, t->conf.unit, stream_id(t),
	    stream_states[state], stream_events[event]);
}

static const struct gw_fsm stream_fsm = { "ecm-stream", stream_edges, sizeof(stream_edges) / sizeof(stream_edges[0]),
	stream_states, sizeof(stream_states) / sizeof(stream_states[0]), stream_events,
	sizeof(stream_events) / sizeof(stream_events[0]), stream_stray };

/* ---- the owner's side ---- */

struct scs_chan *
scs_chan_new(const struct scs_chan_conf *conf, const struct scs_chan_ops *ops, void *self)
{
	struct scs_chan *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->conf = *conf;
	snprintf(c->kms, sizeof(c->kms), "%s", conf->kms);
	c->conf.kms = c->kms;	/* the caller's goes with its configuration */
	c->ops = ops;
	c->self = self;
	c->deadline_us = INT64_MAX;
	c->rate = (struct gw_rate){ .burst = 20, .per_ms = 10000 };
	gw_fsm_init(&c->fsm, &chan_fsm, CLOSED);
	return c;
}

void
scs_chan_free(struct scs_chan *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		free(c->streams[i]);
	free(c->streams);
	gw_cleanse(c->out, sizeof(c->out));
	free(c);
}

/* The stream with room behind it for what its configuration points at. */
static struct stream *
new_stream(struct scs_chan *c, const struct scs_chan_stream *conf)
{
	size_t name = strlen(conf->unit) + 1;
	struct stream *t = calloc(1, sizeof(*t) + name + conf->access_criteria_len);
	char *room = (char *)(t + 1);

	if (!t)
		return NULL;
	t->chan = c;
	t->conf = *conf;
	t->conf.unit = memcpy(room, conf->unit, name);
	if (conf->access_criteria_len)
		t->conf.access_criteria = memcpy(room + name, conf->access_criteria, conf->access_criteria_len);
	t->deadline_us = INT64_MAX;
	t->want = t->asked = t->last = NO_CP;
	t->latency_us = -1;
	gw_fsm_init(&t->fsm, &stream_fsm, NONE);
	return t;
}

/* A number that nobody uses: a new one at the end, or that of a stream that is gone. c->n + 1 streams fit on return. */
static int
free_number(struct scs_chan *c)
{
	struct stream **grown;

	for (size_t i = 0; i < c->n; i++)
		if (c->streams[i]->gone && c->streams[i]->fsm.state == NONE) {
			free(c->streams[i]);
			return (int)i;
		}
	grown = realloc(c->streams, (c->n + 1) * sizeof(*grown));
	if (!grown || c->n == UINT16_MAX)
		return -1;
	c->streams = grown;
	return (int)c->n++;
}

int
scs_chan_add(struct scs_chan *c, const struct scs_chan_stream *conf, int64_t now)
{
	struct stream *t = new_stream(c, conf);
	int i = t ? free_number(c) : -1;

	if (i < 0) {
		free(t);
		return -1;
	}
	c->streams[i] = t;
	t->number = (size_t)i;
	c->now_us = now;
	if (c->fsm.state == OPEN && has_room(t))
		t->deadline_us = now;	/* set up by the next tick: the owner has the number by then */
	return i;
}

void
scs_chan_remove(struct scs_chan *c, size_t i, int64_t now)
{
	struct stream *t = c->streams[i];

	c->now_us = now;
	t->gone = true;
	gw_fsm_feed(&t->fsm, t, S_STOP, NULL);
	if (t->fsm.state == ENDING)
		t->deadline_us = now + CLOSE_WAIT;
}

void
scs_chan_connected(struct scs_chan *c, const char *peer, int64_t now)
{
	size_t n = strlen(peer) < sizeof(c->peer) ? strlen(peer) : sizeof(c->peer) - 1;

	memcpy(c->peer, peer, n);
	c->peer[n] = '\0';
	c->now_us = c->heard_us = now;
	gw_fsm_feed(&c->fsm, c, CONNECTED, NULL);
}

void
scs_chan_lost(struct scs_chan *c, int64_t now)
{
	c->now_us = now;
	gw_fsm_feed(&c->fsm, c, LOST, NULL);
}

void
scs_chan_stop(struct scs_chan *c, int64_t now)
{
	c->now_us = now;
	gw_fsm_feed(&c->fsm, c, STOP, NULL);
}

void
scs_chan_provision(struct scs_chan *c, size_t i, int64_t cp, int64_t duration_us, int64_t now)
{
	struct stream *t = c->streams[i];

	c->now_us = now;
	t->want = cp;
	t->duration_us = duration_us;
	if (t->fsm.state == READY)
		gw_fsm_feed(&t->fsm, t, S_PROVISION, NULL);
}

/* Which event of which machine a message is. */
static const struct { uint16_t message; bool stream; int event; } meanings[] = {
	{ ECMG_CHANNEL_STATUS,        false, STATUS   }, { ECMG_CHANNEL_TEST,  false, TEST    },
	{ ECMG_CHANNEL_ERROR,         false, ERROR    }, { ECMG_STREAM_STATUS, true,  S_STATUS },
	{ ECMG_STREAM_TEST,           true,  S_TEST   }, { ECMG_STREAM_ERROR,  true,  S_ERROR },
	{ ECMG_STREAM_CLOSE_RESPONSE, true,  S_CLOSED }, { ECMG_ECM_RESPONSE,  true,  S_ECM   },
};

/* The answer to a message we cannot take: never to an error message (2.7), and none to what is merely unknown (1.3). */
static void
refuse(struct scs_chan *c, uint16_t status, const struct sim_fault *why)
{
	uint16_t type = c->msg.def ? c->msg.def->type : 0;
	int64_t stream = sim_int(&c->msg, ECMG_STREAM_ID, -1);
	struct sim_writer w;

	gw_log_limited(&c->rate, GW_WARNING, "message_refused", sim_verdict_text(why->verdict),
	    "kms=%s peer=%s channel=%u message=%s param=0x%04x offset=%zu error=0x%04x", c->conf.kms, c->peer, c->conf.channel_id,
	    c->msg.def ? c->msg.def->name : "-", why->param, why->offset, status);
	if (type == ECMG_CHANNEL_ERROR || type == ECMG_STREAM_ERROR)
		return;
	begin(c, &w, type >= ECMG_STREAM_SETUP && stream >= 0 ? ECMG_STREAM_ERROR : ECMG_CHANNEL_ERROR);
	if (type >= ECMG_STREAM_SETUP && stream >= 0)
		sim_put_int(&w, ECMG_STREAM_ID, stream);
	sim_put_int(&w, ECMG_ERROR_STATUS, status);
	finish(c, &w);
}

/* An ECM_response that is not the answer to the outstanding message: of a request that had timed out, or nobody's. */
static bool
late_answer(struct stream *t, const struct sim_msg *m)
{
	uint16_t cp = (uint16_t)sim_int(m, ECMG_CP_NUMBER, 0);

	if (t->fsm.state == PENDING && cp == (uint16_t)t->asked)
		return false;
	if (t->fsm.state != PENDING && t->fsm.state != READY)
		return false;
	if (t->last != NO_CP && cp == (uint16_t)t->last) {
		const struct sim_value *ecm = sim_value(m, ECMG_ECM_DATAGRAM, 0);
		t->failures = 0;
		t->chan->ops->ecm(t->chan->self, t->number, t->last, ecm->p, ecm->len);
		return true;
	}
	t->chan->counts.ignored++;
	gw_log_limited(&t->chan->rate, GW_NOTICE, "ecm_unexpected", "dropped: nobody asked for the ECM of this CP_number",
	    "kms=%s peer=%s service=%s CP_number=%u", t->chan->conf.kms, t->chan->peer, t->conf.unit, cp);
	return true;
}

static void
to_stream(struct scs_chan *c, int event)
{
	int64_t id = sim_int(&c->msg, ECMG_STREAM_ID, -1);
	struct sim_fault why = { SIM_BAD_VALUE, ECMG_STREAM_ID, 0 };

	if (c->fsm.state != OPEN && c->fsm.state != CLOSING) {
		c->counts.ignored++;
		return;
	}
	if (id < 1 || (size_t)id > c->n) {
		refuse(c, ECMG_E_STREAM_ID, &why);
		return;
	}
	struct stream *t = c->streams[id - 1];
	if (event == S_ECM && late_answer(t, &c->msg))
		return;
	gw_fsm_feed(&t->fsm, t, event, &c->msg);
}

void
scs_chan_frame(struct scs_chan *c, const uint8_t *msg, size_t len, int64_t now)
{
	struct sim_fault why;

	c->now_us = c->heard_us = now;
	c->testing = false;
	if (sim_decode_as(&ecmg_scs, c->conf.strict ? SIM_STRICT : SIM_LENIENT, msg, len, &c->msg, &why) < 0) {
		if (why.verdict == SIM_NO_MESSAGE && !c->conf.strict)
			c->counts.ignored++;
		else
			refuse(c, sim_status_of(&ecmg_scs, why.verdict), &why);
		return;
	}
	trace(c, "received", &c->msg);
	if (sim_int(&c->msg, ECMG_CHANNEL_ID, -1) != c->conf.channel_id && c->msg.def->type != ECMG_CHANNEL_ERROR) {
		why = (struct sim_fault){ SIM_BAD_VALUE, ECMG_CHANNEL_ID, 0 };
		refuse(c, ECMG_E_CHANNEL_ID, &why);
		return;
	}
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (meanings[i].message != c->msg.def->type)
			continue;
		if (meanings[i].stream)
			to_stream(c, meanings[i].event);
		else
			gw_fsm_feed(&c->fsm, c, meanings[i].event, &c->msg);
		return;
	}
	why = (struct sim_fault){ SIM_MALFORMED, 0, 1 };	/* a message that only an SCS sends */
	refuse(c, ECMG_E_INVALID_MESSAGE, &why);
}

void
scs_chan_tick(struct scs_chan *c, int64_t now)
{
	c->now_us = now;
	for (size_t i = 0; i < c->n; i++) {
		struct stream *t = c->streams[i];
		if (t->deadline_us <= now && (c->fsm.state == OPEN || c->fsm.state == CLOSING)) {
			t->deadline_us = INT64_MAX;
			gw_fsm_feed(&t->fsm, t, S_TIMEOUT, NULL);
		}
	}
	if (c->deadline_us <= now) {
		c->deadline_us = INT64_MAX;
		gw_fsm_feed(&c->fsm, c, TIMEOUT, NULL);
	} else if (c->fsm.state == OPEN && now >= c->heard_us + (c->testing ? ANSWER : SILENCE)) {
		gw_fsm_feed(&c->fsm, c, TIMEOUT, NULL);
	}
}

int64_t
scs_chan_next(const struct scs_chan *c)
{
	int64_t at = c->deadline_us;

	if (c->fsm.state == OPEN && c->heard_us + (c->testing ? ANSWER : SILENCE) < at)
		at = c->heard_us + (c->testing ? ANSWER : SILENCE);
	for (size_t i = 0; i < c->n; i++)
		if (c->streams[i]->deadline_us < at)
			at = c->streams[i]->deadline_us;
	return at;
}

void
scs_chan_view(const struct scs_chan *c, struct scs_chan_view *v)
{
	*v = (struct scs_chan_view){ .state = gw_fsm_name(&c->fsm), .open = c->fsm.state == OPEN, .terms = c->terms,
		.version = c->conf.version, .counts = c->counts, .last_error = c->last_error };
	for (size_t i = 0; i < c->n; i++)
		v->streams_up += c->streams[i]->fsm.state == READY || c->streams[i]->fsm.state == PENDING;
}

int64_t
scs_chan_latency(const struct scs_chan *c, size_t i)
{
	return c->streams[i]->latency_us;
}

const char *
scs_chan_stream_state(const struct scs_chan *c, size_t i)
{
	return gw_fsm_name(&c->streams[i]->fsm);
}

uint16_t
scs_chan_id(const struct scs_chan *c)
{
	return c->conf.channel_id;
}

const char *
scs_chan_peer(const struct scs_chan *c)
{
	return c->fsm.state == CLOSED ? "" : c->peer;
}

size_t
scs_chan_print_machines(char *out, size_t cap)
{
	size_t n = gw_fsm_print(&chan_fsm, out, cap);

	return n + gw_fsm_print(&stream_fsm, n < cap ? out + n : NULL, n < cap ? cap - n : 0);
}
