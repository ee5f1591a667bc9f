/* lib/scs_chan.c: see scs_chan.h; the tables are TS 103 197 clause 5 as simulcrypt's SCS side reads it */
#include "lib/scs_chan.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/clock.h"
#include "lib/due.h"
#include "lib/fsm.h"
#include "lib/log.h"
#include "lib/secret.h"
#include "proto/ecmg_scs.h"

enum { MS = 1000, S = 1000 * 1000 };
/*
 * ANSWER: for every answer but an ECM; LEAST: for an ECM, also if max_comp_time is less; SILENCE: then channel_test;
 * FAILURES in a row on one stream: the connection is tried anew; ROUND: in this time every stream of an idle channel is tested once.
 */
enum { ANSWER = 5 * S, LEAST = 1 * S, SILENCE = 10 * S, AGAIN_LEAST = 1 * S, AGAIN_MOST = 60 * S,
	CLOSE_WAIT = 500 * MS, FAILURES = 3, ROUND = 600 * S };
enum { IDS = 65536, PAGE = 256, NAMED = 16, USER_DEFINED = 0x8000 };

enum { CLOSED, SETTING_UP, OPEN, CLOSING };
enum { CONNECTED, STATUS, TEST, ERROR, TIMEOUT, LOST, STOP, STREAMS_GONE };
static const char *const chan_states[] = { "CLOSED", "SETTING_UP", "OPEN", "CLOSING" };
static const char *const chan_events[] = { "CONNECTED", "STATUS", "TEST", "ERROR", "TIMEOUT", "LOST", "STOP", "STREAMS_GONE" };

enum { NONE, SETUP, READY, PENDING, ENDING };
enum { S_WANTED, S_STATUS, S_TEST, S_ERROR, S_PROVISION, S_ECM, S_TIMEOUT, S_LOST, S_STOP, S_CLOSED, S_FORGOT,
	S_BROKEN, S_UNSENT };
static const char *const stream_states[] = { "NONE", "SETUP", "READY", "PENDING", "ENDING" };
static const char *const stream_events[] = { "WANTED", "STATUS", "TEST", "ERROR", "PROVISION", "ECM", "TIMEOUT", "LOST", "STOP", "CLOSED", "FORGOT",
	"BROKEN", "UNSENT" };

struct stream {
	struct gw_due due;		/* first: of the state */
	struct scs_chan *chan;
	size_t number;
	uint16_t id;			/* ECM_stream_id */
	struct stream *same_id;		/* an earlier one, being closed: with ECM_ids for ids they meet */
	struct stream *next_free;
	struct scs_chan_stream conf;	/* with a copy of the name */
	bool gone, spare;		/* removed: its number is free once it is NONE; it is */
	bool testing;			/* stream_test sent */
	struct gw_state fsm;
	int64_t again_us;		/* wait before the next attempt to set it up */
	int64_t want, asked, last;	/* CP wanted by the owner; CP of the outstanding message; the one before it on this set-up */
	int64_t duration_us;		/* of `want` */
	int64_t sent_us, latency_us;
	uint16_t nominal;
	unsigned failures;
	bool criteria_each;		/* access_criteria_transfer_mode 1 */
	struct { bool sent; uint8_t *p; size_t len; } criteria;	/* what the ECMG has now */
};
#define NO_CP INT64_MIN		/* priming goes below the first CP: -1 is one */
/* A deviation from the standard that was tolerated, and named, on this connection. */
struct deviation { uint16_t message, param; enum sim_verdict verdict; };
struct scs_chan {
	struct scs_chan_conf conf;
	char kms[65];
	const struct scs_chan_ops *ops;
	void *self;
	struct gw_state fsm;
	char peer[80];
	int64_t now_us, heard_us, deadline_us;
	bool dropped;			/* its end was asked for */
	bool testing, stream_tests;	/* stream_tests: it has not failed to answer one on this connection */
	unsigned versions;		/* bits of protocol_versions that were refused */
	uint8_t first_version;		/* as configured */
	struct scs_terms announced, terms;
	struct stream **streams; size_t n, room;
	struct stream **pages[IDS / PAGE];	/* by ECM_stream_id; pages are made as they are needed */
	struct stream *free;		/* gone and NONE: their numbers may be given out */
	size_t busy, up, next_test;	/* streams that are not NONE; READY or PENDING; the number whose turn it is */
	struct gw_dues dues;
	struct scs_chan_counts counts;
	uint16_t last_error;
	struct scs_trouble trouble;
	struct deviation named[NAMED]; size_t nnamed;
	struct gw_rate rate;
};

/* Of all channels: one message is read or made at a time. */
static struct sim_msg in;
static uint8_t out[SIM_MAX];

static void
due(struct stream *t, int64_t at_us)
{
	gw_due_set(&t->chan->dues, &t->due, at_us);
}

/* ---- sending ---- */

static void
begin(struct scs_chan *c, struct sim_writer *w, uint16_t message)
{
	sim_begin(w, &ecmg_scs, c->conf.version, message, out, sizeof(out));
	sim_put_int(w, ECMG_CHANNEL_ID, c->conf.channel_id);
}

static void
begin_stream(struct stream *t, struct sim_writer *w, uint16_t message)
{
	begin(t->chan, w, message);
	sim_put_int(w, ECMG_STREAM_ID, t->id);
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

	if (gw_log_on(GW_DEBUG) && sim_decode(&ecmg_scs, out, len, &m, NULL) == 0)
		trace(c, "sent", &m);
}

static bool
finish(struct scs_chan *c, struct sim_writer *w)
{
	struct sim_fault why;
	/* without the ECM_id, if need be, our own messages hold by lenient rules only */
	size_t len = sim_end_as(w, c->conf.manners.omit_ECM_id ? SIM_LENIENT : SIM_STRICT, &why);

	if (len) {
		trace_sent(c, len);
		c->ops->send(c->self, out, len);
	} else {
		gw_log(GW_ERR, "message_unsendable", sim_verdict_text(why.verdict), "kms=%s peer=%s param=0x%04x", c->conf.kms,
		    c->peer, why.param);
	}
	gw_cleanse(out, w->len);
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
trouble(struct scs_chan *c, uint16_t status, const char *text, size_t len)
{
	len = len < sizeof(c->trouble.text) ? len : sizeof(c->trouble.text) - 1;
	c->trouble.status = status;
	for (size_t i = 0; i < len; i++)
		c->trouble.text[i] = text[i];
	c->trouble.text[len] = '\0';
}

static void
drop(struct scs_chan *c, const char *why, bool at_once)
{
	c->dropped = true;
	c->ops->drop(c->self, why, at_once);
}

static bool
is_up(const struct stream *t)
{
	return t->fsm.state == READY || t->fsm.state == PENDING;
}

/* An event of a stream, and what its change of state means for the channel. */
static void
feed(struct stream *t, int event, const void *arg)
{
	struct scs_chan *c = t->chan;
	bool busy = t->fsm.state != NONE, up = is_up(t);

	gw_fsm_feed(&t->fsm, t, event, arg);
	c->busy += (t->fsm.state != NONE) - (size_t)busy;
	c->up += is_up(t) - (size_t)up;
	if (t->gone && !t->spare && t->fsm.state == NONE) {
		t->spare = true;
		t->next_free = c->free;
		c->free = t;
	}
	if (c->fsm.state == CLOSING && !c->busy && !c->fsm.running)
		gw_fsm_feed(&c->fsm, c, STREAMS_GONE, NULL);
}

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

/* The values of channel_status by enum he_announced. */
#define VALUE(m, sign, low, high) { #m, offsetof(struct scs_terms, m), sizeof(((struct scs_terms *)0)->m), sign, low, high }
static const struct { const char *name; size_t at, size; bool sign; int64_t low, high; } values[HE_ANNOUNCED] = {
	[HE_LEAD_CW] = VALUE(lead_CW, false, 0, 255),
	[HE_CW_PER_MSG] = VALUE(CW_per_msg, false, 0, 255),
	[HE_DELAY_START] = VALUE(delay_start, true, INT16_MIN, INT16_MAX),
	[HE_DELAY_STOP] = VALUE(delay_stop, true, INT16_MIN, INT16_MAX),
	[HE_TRANSITION_DELAY_START] = VALUE(transition_delay_start, true, INT16_MIN, INT16_MAX),
	[HE_TRANSITION_DELAY_STOP] = VALUE(transition_delay_stop, true, INT16_MIN, INT16_MAX),
	[HE_AC_DELAY_START] = VALUE(AC_delay_start, true, INT16_MIN, INT16_MAX),
	[HE_AC_DELAY_STOP] = VALUE(AC_delay_stop, true, INT16_MIN, INT16_MAX),
	[HE_ECM_REP_PERIOD] = VALUE(ECM_rep_period, false, 0, UINT16_MAX),
	[HE_MAX_COMP_TIME] = VALUE(max_comp_time, false, 0, UINT16_MAX),
	[HE_MIN_CP_DURATION] = VALUE(min_CP_duration, false, 0, UINT16_MAX),
	[HE_MAX_STREAMS] = VALUE(max_streams, false, 0, UINT16_MAX),
};

const char *
scs_terms_name(int i)
{
	return values[i].name;
}

int64_t
scs_terms_value(const struct scs_terms *t, int i)
{
	const char *p = (const char *)t + values[i].at;
	uint16_t v;

	if (values[i].size == 1)
		return *(const uint8_t *)p;
	memcpy(&v, p, sizeof(v));
	return values[i].sign ? (int64_t)(int16_t)v : (int64_t)v;
}

static void
set_value(struct scs_terms *t, int i, int64_t v)
{
	uint16_t wide;

	v = v < values[i].low ? values[i].low : v > values[i].high ? values[i].high : v;
	wide = (uint16_t)v;
	if (values[i].size == 1)
		*((uint8_t *)t + values[i].at) = (uint8_t)v;
	else
		memcpy((char *)t + values[i].at, &wide, sizeof(wide));
}

/* What the operator corrects of what the ECMG announced. */
static void
correct(struct scs_chan *c)
{
	c->terms = c->announced;
	for (int i = 0; i < HE_ANNOUNCED; i++) {
		const struct he_limit *l = &c->conf.manners.limits[i];
		int64_t theirs = scs_terms_value(&c->announced, i), v = l->replace.set ? l->replace.v : theirs;

		if (l->min.set && v < l->min.v)
			v = l->min.v;
		if (l->max.set && v > l->max.v)
			v = l->max.v;
		if (v == theirs)
			continue;
		set_value(&c->terms, i, v);
		gw_log(GW_NOTICE, "announced_overridden", "as the configuration of this KMS says",
		    "kms=%s peer=%s channel=%u value=%s announced=%lld in_force=%lld", c->conf.kms, c->peer, c->conf.channel_id,
		    values[i].name, (long long)theirs, (long long)scs_terms_value(&c->terms, i));
	}
}

static bool
has_room(const struct scs_chan *c)
{
	return !c->terms.max_streams || c->busy < c->terms.max_streams;
}

static void
adopt_status(void *self, const void *arg)
{
	static const char full[] = "the channel takes no more streams";
	struct scs_chan *c = self;

	read_terms(arg, &c->announced);
	correct(c);
	c->versions = 0;
	if (c->terms.CW_per_msg == 0 || c->terms.section_TSpkt_flag > 2) {
		gw_log(GW_ERR, "channel_status_invalid", "the ECMG announces no CW per message, or an unknown datagram format",
		    "kms=%s peer=%s CW_per_msg=%u section_TSpkt_flag=%u", c->conf.kms, c->peer, c->terms.CW_per_msg,
		    c->terms.section_TSpkt_flag);
		drop(c, "channel_status cannot be used", false);
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
	c->ops->opened(c->self, &c->terms);
	for (size_t i = 0; i < c->n; i++) {
		struct stream *t = c->streams[i];
		t->again_us = 0;
		t->failures = 0;
		if (t->gone)
			continue;
		if (has_room(c)) {
			feed(t, S_WANTED, NULL);
			continue;
		}
		trouble(c, 0, full, strlen(full));
		c->ops->setup_failed(c->self, i, true);
	}
}

static bool
same_terms(const struct scs_terms *a, const struct scs_terms *b)
{
	for (int i = 0; i < HE_ANNOUNCED; i++)
		if (scs_terms_value(a, i) != scs_terms_value(b, i))
			return false;
	return a->section_TSpkt_flag == b->section_TSpkt_flag;
}

/* Values are fixed for the life of a channel: a change that matters means a new channel. */
static void
check_status(void *self, const void *arg)
{
	struct scs_chan *c = self;
	struct scs_terms t;

	read_terms(arg, &t);
	c->testing = false;
	if (!same_terms(&t, &c->announced))
		drop(c, "the ECMG changed its channel_status; a new channel adopts it", false);
}

static void
put_other(struct sim_writer *w, uint16_t type, int16_t delay, int16_t plain)
{
	if (delay != plain)
		sim_put_int(w, type, delay);
}

static void
answer_test(void *self, const void *arg)
{
	struct scs_chan *c = self;
	const struct scs_terms *t = &c->announced;
	struct sim_writer w;

	(void)arg;
	begin(c, &w, ECMG_CHANNEL_STATUS);
	sim_put_int(&w, ECMG_SECTION_TSPKT, t->section_TSpkt_flag);
	sim_put_int(&w, ECMG_DELAY_START, t->delay_start);
	sim_put_int(&w, ECMG_DELAY_STOP, t->delay_stop);
	/* those that are as the plain ones may have been absent: said or not, they mean the same */
	put_other(&w, ECMG_TRANS_START, t->transition_delay_start, t->delay_start);
	put_other(&w, ECMG_TRANS_STOP, t->transition_delay_stop, t->delay_stop);
	put_other(&w, ECMG_AC_DELAY_START, t->AC_delay_start, t->delay_start);
	put_other(&w, ECMG_AC_DELAY_STOP, t->AC_delay_stop, t->delay_stop);
	sim_put_int(&w, ECMG_REP_PERIOD, t->ECM_rep_period);
	sim_put_int(&w, ECMG_MAX_STREAMS, t->max_streams);
	sim_put_int(&w, ECMG_MIN_CP_DURATION, t->min_CP_duration);
	sim_put_int(&w, ECMG_LEAD_CW, t->lead_CW);
	sim_put_int(&w, ECMG_CW_PER_MSG, t->CW_per_msg);
	sim_put_int(&w, ECMG_MAX_COMP_TIME, t->max_comp_time);
	finish(c, &w);
}

/* error_information may be anything (5.5); TSDuck has two octets there. */
static bool
in_words(const struct sim_value *said)
{
	size_t n = 0;

	while (said && n < said->len && said->p[n] >= 0x20 && said->p[n] < 0x7f)
		n++;
	return said && n > 2 && n == said->len;
}

static void
silent(struct scs_chan *c, const char *what)
{
	c->counts.timeouts++;
	trouble(c, 0, what, strlen(what));
}

static uint16_t
log_error(struct scs_chan *c, const struct sim_msg *m, const char *unit)
{
	uint16_t status = (uint16_t)sim_int(m, ECMG_ERROR_STATUS, ECMG_E_UNKNOWN);
	const struct sim_status *s = sim_status_words(&ecmg_scs, status);
	const struct sim_value *said = sim_value(m, ECMG_ERROR_INFORMATION, 0);
	char text[512];

	c->last_error = status;
	if (in_words(said))
		trouble(c, status, (const char *)said->p, said->len);
	else
		trouble(c, status, s->name, strlen(s->name));
	sim_print(m, text, sizeof(text));
	gw_log_limited(&c->rate, GW_WARNING, "ecmg_error", s->meaning,
	    "kms=%s peer=%s service=%s error=0x%04x name=%s next=%s message=%s", c->conf.kms, c->peer, unit ? unit : "-", status,
	    s->name, s->next, text);
	return status;
}

/*
 * The protocol_version to try after one was refused: the one that the ECMG answered in may be the one to speak (1.5); one that
 * only mirrors ours leaves the lower ones to be tried. 0: all were refused.
 */
static uint8_t
next_version(struct scs_chan *c, uint8_t theirs)
{
	uint8_t v = theirs;

	c->versions |= 1u << c->conf.version;
	if (theirs == c->conf.version)
		for (v = c->conf.version; v > 0 && c->versions & 1u << v; v--)
			;
	return c->versions & 1u << v ? 0 : v;
}

/* A refused channel: the connection is useless. What can be changed is, and then there is no reason to wait. */
static void
channel_refused(void *self, const void *arg)
{
	struct scs_chan *c = self;
	const struct sim_msg *m = arg;
	uint16_t status = log_error(c, m, NULL), id = c->conf.channel_id;
	uint8_t version = status == ECMG_E_VERSION ? next_version(c, m->version) : 0;

	c->counts.channel_error++;
	if (status == ECMG_E_VERSION && !version) {	/* all of them: from the beginning, and not so fast */
		c->versions = 0;
		c->conf.version = c->first_version;
	}
	if (version) {
		gw_log(GW_NOTICE, "version_changed", "trying the ECMG's own protocol_version", "kms=%s peer=%s from=%u to=%u",
		    c->conf.kms, c->peer, c->conf.version, version);
		c->conf.version = version;
	}
	if (status == ECMG_E_CHANNEL_ID_IN_USE)
		c->conf.channel_id = c->ops->another_id(c->self, id);
	drop(c, "the ECMG refused the channel", version || c->conf.channel_id != id);
}

/* 2.7: codes about the message are noted; those about the channel or its capacity end it. */
static void
channel_error(void *self, const void *arg)
{
	struct scs_chan *c = self;
	uint16_t status = log_error(c, arg, NULL);

	c->counts.channel_error++;
	if ((status >= ECMG_E_SUPER_CAS_ID && status <= ECMG_E_TOO_MANY_STREAMS_ECMG) || status == ECMG_E_STORAGE ||
	    status == ECMG_E_COMPUTATION || status == ECMG_E_CHANNEL_ID_IN_USE || status == ECMG_E_UNRECOVERABLE)
		drop(c, "the ECMG reported an error of the channel", false);
}

static void
no_answer(void *self, const void *arg)
{
	struct scs_chan *c = self;

	(void)arg;
	silent(c, "no answer to channel_setup");
	drop(c, "no answer to channel_setup", false);
}

/* Some streams of a channel that had nothing to say, in turn, so that each is tested once a ROUND. */
static void
test_streams(struct scs_chan *c)
{
	size_t some = (size_t)((int64_t)c->up * c->conf.test_us / ROUND) + 1;

	for (size_t seen = 0; c->stream_tests && some && seen < c->n; seen++) {
		struct stream *t = c->streams[c->next_test++ % c->n];
		if (t->fsm.state != READY || t->testing)
			continue;
		t->testing = true;
		due(t, c->now_us + ANSWER);
		send_stream_plain(t, ECMG_STREAM_TEST);
		some--;
	}
}

static void
probe(void *self, const void *arg)
{
	struct scs_chan *c = self;

	(void)arg;
	if (c->testing) {
		silent(c, "no answer to channel_test");
		drop(c, "no answer to channel_test", false);
		return;
	}
	c->testing = true;
	c->heard_us = c->now_us;	/* the answer's time counts from the question, however late that was */
	send_plain(c, ECMG_CHANNEL_TEST);
	test_streams(c);
}

static void
all_streams(struct scs_chan *c, int event)
{
	for (size_t i = 0; i < c->n; i++)
		feed(c->streams[i], event, NULL);
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
	if (!c->busy)
		gw_fsm_post(&c->fsm, STREAMS_GONE);
}

static void
close_channel(void *self, const void *arg)
{
	struct scs_chan *c = self;

	(void)arg;
	c->deadline_us = INT64_MAX;
	send_plain(c, ECMG_CHANNEL_CLOSE);
	drop(c, NULL, false);
}

static void
drop_quietly(void *self, const void *arg)
{
	struct scs_chan *c = self;

	(void)arg;
	drop(c, NULL, false);
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
	if (c->conf.version >= 2 && !c->conf.manners.omit_ECM_id)
		sim_put_int(&w, ECMG_ECM_ID, t->conf.ecm_id);
	sim_put_int(&w, ECMG_NOMINAL_CP_DURATION, t->nominal);
	finish(c, &w);
	due(t, c->now_us + ANSWER);
	t->want = t->asked = t->last = NO_CP;
	t->criteria.sent = t->testing = false;
}

static void
stream_ready(void *self, const void *arg)
{
	struct stream *t = self;
	struct scs_chan *c = t->chan;

	t->criteria_each = sim_int(arg, ECMG_AC_TRANSFER_MODE, 0) != 0;
	due(t, INT64_MAX);
	gw_log(GW_INFO, "stream_open", NULL, "kms=%s peer=%s service=%s channel=%u stream=%u ECM_id=%u", c->conf.kms, c->peer,
	    t->conf.unit, c->conf.channel_id, t->id, t->conf.ecm_id);
	c->ops->stream_up(c->self, t->number, &c->terms);
}

static void
set_up_later(struct stream *t)
{
	t->again_us = t->again_us ? 2 * t->again_us : AGAIN_LEAST;
	if (t->again_us > AGAIN_MOST)
		t->again_us = AGAIN_MOST;
	due(t, t->chan->now_us + t->again_us);
}

static void
stream_refused(void *self, const void *arg)
{
	struct stream *t = self;
	struct scs_chan *c = t->chan;
	uint16_t status = arg ? log_error(c, arg, t->conf.unit) : 0;

	if (!arg)
		trouble(c, 0, "no answer to stream_setup", strlen("no answer to stream_setup"));
	c->counts.stream_error++;
	/* What it says is open is of an earlier life of the stream: it is closed first, then the identifier is free. */
	if (status == ECMG_E_STREAM_ID_IN_USE)
		send_stream_plain(t, ECMG_STREAM_CLOSE_REQUEST);
	set_up_later(t);
	c->ops->setup_failed(c->self, t->number, status == ECMG_E_TOO_MANY_STREAMS_CHANNEL);
}

/* CWs that are not in clear: how, is said once a message (5.5, CW_encryption), and so it is that of the CP's own. */
static void
put_encryption(struct stream *t, struct sim_writer *w, int64_t cp)
{
	struct scs_key k = { 0 };

	if (t->chan->ops->key(t->chan->self, t->number, cp, &k) && k.encryption_len)
		sim_put_bytes(w, ECMG_CW_ENCRYPTION, k.encryption, k.encryption_len);
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

/* In transfer mode 0 when they are others than those it has; none any more is said by a length of 0, since it keeps the last ones. */
static void
put_criteria(struct stream *t, struct sim_writer *w, int64_t cp)
{
	struct scs_chan *c = t->chan;
	const uint8_t *p = NULL;
	size_t len = c->ops->criteria(c->self, t->number, cp, &p), had = t->criteria.sent ? t->criteria.len : 0;
	bool same = len == had && t->criteria.sent && (len == 0 || memcmp(p, t->criteria.p, len) == 0);
	uint8_t *copy;

	if (len + had == 0 || (same && !t->criteria_each && !c->conf.manners.criteria_always))
		return;
	sim_put_bytes(w, ECMG_ACCESS_CRITERIA, p, len);
	if (same)
		return;
	copy = realloc(t->criteria.p, len ? len : 1);
	t->criteria.sent = copy != NULL;	/* else they go with the next message again */
	if (!copy)
		return;
	if (len)
		memcpy(copy, p, len);
	t->criteria.p = copy;
	t->criteria.len = len;
}

static void
send_provision(struct stream *t, int64_t cp)
{
	struct scs_chan *c = t->chan;
	uint8_t protection[2] = { t->conf.protection, t->conf.authenticated };
	uint16_t duration = (uint16_t)(t->duration_us / (100 * MS));
	int64_t wait = (c->terms.max_comp_time + SCS_NETWORK_MS) * (int64_t)MS;
	struct sim_writer w;

	t->asked = cp;
	t->sent_us = c->now_us;
	t->testing = false;
	begin_stream(t, &w, ECMG_CW_PROVISION);
	sim_put_int(&w, ECMG_CP_NUMBER, cp & 0xffff);
	put_encryption(t, &w, cp);
	if (!put_window(t, &w, cp)) {
		gw_log_limited(&c->rate, GW_ERR, "cw_window_missing", "a CW of the window does not exist", "kms=%s service=%s cp=%lld",
		    c->conf.kms, t->conf.unit, (long long)cp);
		gw_cleanse(out, w.len);
		gw_fsm_post(&t->fsm, S_UNSENT);
		return;
	}
	if (cp == t->want && (duration != t->nominal || c->conf.manners.CP_duration_always) && t->duration_us < 65536LL * 100 * MS)
		sim_put_int(&w, ECMG_CP_DURATION, duration);
	put_criteria(t, &w, cp);
	if (c->conf.bcast_parameters && t->conf.protection <= 7)
		sim_put_bytes(&w, ECMG_TRAFFIC_PROTECTION, protection, sizeof(protection));
	if (!finish(c, &w)) {
		gw_fsm_post(&t->fsm, S_UNSENT);
		return;
	}
	c->counts.cw_provision++;
	due(t, c->now_us + (wait > LEAST ? wait : LEAST));
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

static void request_failed(struct stream *, size_t remedy, bool timed_out);

static void
answered(void *self, const void *arg)
{
	struct stream *t = self;
	struct scs_chan *c = t->chan;
	const struct sim_value *ecm = sim_value(arg, ECMG_ECM_DATAGRAM, 0);
	int64_t cp = t->asked;

	t->latency_us = c->now_us - t->sent_us;
	c->counts.ecm_response++;
	if (ecm->len == 0 && cp == t->want && c->conf.manners.refuse_empty_ECM) {
		gw_log_limited(&c->rate, GW_WARNING, "ecm_empty", "an ECM_datagram of length 0 is no answer, says empty_ECM of this KMS",
		    "kms=%s peer=%s service=%s cp=%lld", c->conf.kms, c->peer, t->conf.unit, (long long)cp);
		trouble(c, 0, "the ECM is empty", strlen("the ECM is empty"));
		request_failed(t, SIZE_MAX, false);
		return;
	}
	t->failures = 0;
	t->last = cp;
	due(t, INT64_MAX);
	t->asked = NO_CP;
	if (cp != t->want) {
		gw_fsm_post(&t->fsm, S_PROVISION);	/* that was priming; on to the next */
		return;
	}
	t->again_us = 0;
	t->want = NO_CP;
	c->ops->ecm(c->self, t->number, cp, ecm->p, ecm->len);
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
request_failed(struct stream *t, size_t remedy, bool timed_out)
{
	struct scs_chan *c = t->chan;
	int64_t cp = t->asked;

	due(t, INT64_MAX);
	t->criteria.sent = false;	/* it may not have taken them */
	if ((remedy < NREMEDIES && remedies[remedy].leave) || ++t->failures >= FAILURES) {
		drop(c, "the ECMG does not answer as it should; a new connection is tried", false);
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
	c->ops->refused(c->self, t->number, cp, timed_out);
}

/* Nothing of ours to send: no fault of the ECMG. */
static void
provision_unsent(void *self, const void *arg)
{
	struct stream *t = self;
	int64_t cp = t->want;

	(void)arg;
	due(t, INT64_MAX);
	t->want = t->asked = NO_CP;
	trouble(t->chan, 0, "a CW of the window does not exist", strlen("a CW of the window does not exist"));
	t->chan->ops->refused(t->chan->self, t->number, cp, false);
}

static void
provision_refused(void *self, const void *arg)
{
	struct stream *t = self;
	size_t remedy = remedy_of((uint16_t)sim_int(arg, ECMG_ERROR_STATUS, ECMG_E_UNKNOWN));

	t->chan->counts.stream_error++;
	if (t->asked == t->want || remedy < NREMEDIES)	/* that an ECMG refuses priming is no news */
		log_error(t->chan, arg, t->conf.unit);
	request_failed(t, remedy, false);
}

static void
provision_timed_out(void *self, const void *arg)
{
	struct stream *t = self;

	(void)arg;
	silent(t->chan, "no ECM_response within max_comp_time");
	gw_log_limited(&t->chan->rate, GW_WARNING, "ecm_late", "no ECM_response within max_comp_time and the network's allowance",
	    "kms=%s peer=%s service=%s stream=%u cp=%lld max_comp_time=%u", t->chan->conf.kms, t->chan->peer, t->conf.unit,
	    t->id, (long long)t->asked, t->chan->terms.max_comp_time);
	request_failed(t, NREMEDIES, true);
}

static void
stream_well(void *self, const void *arg)
{
	struct stream *t = self;

	(void)arg;
	if (t->testing)
		due(t, INT64_MAX);
	t->testing = false;
}

static void
note_error(void *self, const void *arg)
{
	struct stream *t = self;
	size_t remedy = remedy_of(log_error(t->chan, arg, t->conf.unit));

	stream_well(self, NULL);	/* an answer to stream_test, too */
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
	if (t->chan->conf.version >= 2 && !t->chan->conf.manners.omit_ECM_id)
		sim_put_int(&w, ECMG_ECM_ID, t->conf.ecm_id);
	sim_put_int(&w, ECMG_AC_TRANSFER_MODE, t->criteria_each);
	finish(t->chan, &w);
}

static void tolerate(struct scs_chan *, uint16_t message, const struct sim_fault *);

/* The channel is alive, or its own test will tell: this ECMG has no answer to stream_test, or lost the stream without a word. */
static void
test_unanswered(void *self, const void *arg)
{
	struct stream *t = self;
	struct sim_fault why = { SIM_MISSING, 0, 0 };

	(void)arg;
	t->testing = false;
	t->chan->counts.timeouts++;
	if (t->chan->conf.strict) {
		gw_log_limited(&t->chan->rate, GW_WARNING, "stream_test_unanswered", "it is closed and set up again",
		    "kms=%s peer=%s service=%s stream=%u", t->chan->conf.kms, t->chan->peer, t->conf.unit, t->id);
		gw_fsm_post(&t->fsm, S_BROKEN);
		return;
	}
	t->chan->stream_tests = false;
	tolerate(t->chan, ECMG_STREAM_TEST, &why);
}

static void
stream_lost(void *self, const void *arg)
{
	struct stream *t = self;

	(void)arg;
	t->testing = false;
	due(t, INT64_MAX);
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
	due(t, INT64_MAX);
}

static void
send_close(void *self, const void *arg)
{
	struct stream *t = self;

	(void)arg;
	due(t, INT64_MAX);	/* the channel's own closing deadline covers it */
	send_stream_plain(t, ECMG_STREAM_CLOSE_REQUEST);
}

static void
close_broken(void *self, const void *arg)
{
	struct stream *t = self;

	stream_lost(self, arg);
	send_stream_plain(t, ECMG_STREAM_CLOSE_REQUEST);
	due(t, t->chan->now_us + CLOSE_WAIT);
}

static void
stream_closed(void *self, const void *arg)
{
	struct stream *t = self;

	(void)arg;
	due(t, INT64_MAX);
	if (!t->gone && t->chan->fsm.state == OPEN)
		set_up_later(t);
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
	{ READY,   S_STATUS,    READY,   stream_well         },
	{ READY,   S_TIMEOUT,   READY,   test_unanswered     },
	{ PENDING, S_UNSENT,    READY,   provision_unsent    },
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
	    "kms=%s peer=%s service=%s stream=%u state=%s on=%s", t->chan->conf.kms, t->chan->peer, t->conf.unit, t->id,
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
	c->first_version = conf->version;
	snprintf(c->kms, sizeof(c->kms), "%s", conf->kms);
	c->conf.kms = c->kms;	/* the caller's goes with its configuration */
	if (c->conf.test_us <= 0)
		c->conf.test_us = SILENCE;
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
	for (size_t i = 0; i < c->n; i++) {
		free(c->streams[i]->criteria.p);
		free(c->streams[i]);
	}
	for (size_t i = 0; i < IDS / PAGE; i++)
		free(c->pages[i]);
	free(c->streams);
	gw_dues_free(&c->dues);
	free(c);
}

/* The stream with room behind it for its name. */
static struct stream *
new_stream(struct scs_chan *c, const struct scs_chan_stream *conf)
{
	size_t name = strlen(conf->unit) + 1;
	struct stream *t = calloc(1, sizeof(*t) + name);

	if (!t)
		return NULL;
	t->chan = c;
	t->conf = *conf;
	t->conf.unit = memcpy(t + 1, conf->unit, name);
	t->due.at_us = INT64_MAX;
	t->want = t->asked = t->last = NO_CP;
	t->latency_us = -1;
	gw_fsm_init(&t->fsm, &stream_fsm, NONE);
	return t;
}

/* Where the stream of an ECM_stream_id is found; make: even if there was never one near it. NULL: there was not, or out of memory. */
static struct stream **
by_id(struct scs_chan *c, uint16_t id, bool make)
{
	struct stream ***page = &c->pages[id / PAGE];

	if (!*page && make)
		*page = calloc(PAGE, sizeof(**page));
	return *page ? &(*page)[id % PAGE] : NULL;
}

static void
forget_id(struct stream *t)
{
	struct stream **at = by_id(t->chan, t->id, false);

	while (at && *at && *at != t)
		at = &(*at)->same_id;
	if (at && *at)
		*at = t->same_id;
}

/* A number that nobody uses: that of a stream that is gone, or a new one at the end. */
static int
free_number(struct scs_chan *c)
{
	struct stream *t = c->free, **grown;

	if (t) {
		size_t i = t->number;
		c->free = t->next_free;
		forget_id(t);
		free(t->criteria.p);
		free(t);
		return (int)i;
	}
	if (c->n == c->room) {
		size_t room = c->room ? 2 * c->room : 4;
		grown = realloc(c->streams, room * sizeof(*grown));
		if (!grown)
			return -1;
		c->streams = grown;
		c->room = room;
	}
	return c->n == UINT16_MAX ? -1 : (int)c->n++;
}

int
scs_chan_add(struct scs_chan *c, const struct scs_chan_stream *conf, int64_t now)
{
	struct stream *t = gw_dues_reserve(&c->dues, c->n + 1) == 0 ? new_stream(c, conf) : NULL, **at = NULL;
	int i = t ? free_number(c) : -1;

	if (i >= 0) {
		c->streams[i] = t;
		t->number = (size_t)i;
		t->id = c->conf.manners.stream_ids == HE_ECM_ID ? conf->ecm_id : (uint16_t)(i + (c->conf.manners.stream_ids == HE_FROM_1));
		at = by_id(c, t->id, true);
	}
	if (i < 0) {
		free(t);
		return -1;
	}
	if (!at) {	/* out of memory: the number stays free */
		t->gone = t->spare = true;
		t->next_free = c->free;
		c->free = t;
		return -1;
	}
	t->same_id = *at;
	*at = t;
	c->now_us = now;
	if (c->fsm.state == OPEN)
		due(t, now);	/* set up by the next tick: the owner has the number by then */
	return i;
}

void
scs_chan_remove(struct scs_chan *c, size_t i, int64_t now)
{
	struct stream *t = c->streams[i];

	c->now_us = now;
	t->gone = true;
	feed(t, S_STOP, NULL);
	if (t->fsm.state == ENDING)
		due(t, now + CLOSE_WAIT);
}

void
scs_chan_connected(struct scs_chan *c, const char *peer, int64_t now)
{
	size_t n = strlen(peer) < sizeof(c->peer) ? strlen(peer) : sizeof(c->peer) - 1;

	memcpy(c->peer, peer, n);
	c->peer[n] = '\0';
	c->now_us = c->heard_us = now;
	c->nnamed = 0;
	c->stream_tests = true;
	c->dropped = false;
	c->trouble = (struct scs_trouble){ 0 };
	gw_fsm_feed(&c->fsm, c, CONNECTED, NULL);
}

void
scs_chan_lost(struct scs_chan *c, int64_t now)
{
	static const char why[] = "the connection to the ECMG is lost";

	c->now_us = now;
	if (!c->dropped)	/* else it is said */
		trouble(c, 0, why, strlen(why));
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
		feed(t, S_PROVISION, NULL);
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
	uint16_t type = in.type;
	int64_t stream = sim_int(&in, ECMG_STREAM_ID, -1);
	struct sim_writer w;

	gw_log_limited(&c->rate, GW_WARNING, "message_refused", sim_verdict_text(why->verdict),
	    "kms=%s peer=%s channel=%u message=%s param=0x%04x offset=%zu error=0x%04x", c->conf.kms, c->peer, c->conf.channel_id,
	    in.def ? in.def->name : "-", why->param, why->offset, status);
	if (type == ECMG_CHANNEL_ERROR || type == ECMG_STREAM_ERROR)
		return;
	begin(c, &w, type >= ECMG_STREAM_SETUP && stream >= 0 ? ECMG_STREAM_ERROR : ECMG_CHANNEL_ERROR);
	if (type >= ECMG_STREAM_SETUP && stream >= 0)
		sim_put_int(&w, ECMG_STREAM_ID, stream);
	sim_put_int(&w, ECMG_ERROR_STATUS, status);
	finish(c, &w);
}

/* What a lenient receiver takes although the standard has it otherwise: named once a connection, counted always. */
static void
tolerate(struct scs_chan *c, uint16_t message, const struct sim_fault *why)
{
	const struct sim_param *param = sim_param_find(&ecmg_scs, why->param);
	const struct sim_message *def = sim_message_find(&ecmg_scs, message);

	c->counts.tolerated++;
	for (size_t i = 0; i < c->nnamed; i++)
		if (c->named[i].message == message && c->named[i].param == why->param && c->named[i].verdict == why->verdict)
			return;
	if (c->nnamed == NAMED)
		return;
	c->named[c->nnamed++] = (struct deviation){ message, why->param, why->verdict };
	gw_log(GW_NOTICE, "tolerated", message == ECMG_STREAM_TEST ? "no answer to stream_test" : sim_verdict_text(why->verdict),
	    "kms=%s peer=%s channel=%u message=%s type=0x%04x param=%s parameter_type=0x%04x offset=%zu", c->conf.kms, c->peer,
	    c->conf.channel_id, def ? def->name : "-", message, param ? param->name : "-", why->param, why->offset);
}

/* An ECM_response that is not the answer to the outstanding message: of a request that had timed out, or nobody's. */
static bool
late_answer(struct stream *t, const struct sim_msg *m)
{
	const struct sim_value *ecm = sim_value(m, ECMG_ECM_DATAGRAM, 0);
	struct scs_chan *c = t->chan;
	uint16_t cp = (uint16_t)sim_int(m, ECMG_CP_NUMBER, 0);

	if (!is_up(t) || (t->fsm.state == PENDING && cp == (uint16_t)t->asked))
		return false;
	if (t->last != NO_CP && cp == (uint16_t)t->last && (ecm->len || !c->conf.manners.refuse_empty_ECM)) {
		t->failures = 0;
		c->ops->ecm(c->self, t->number, t->last, ecm->p, ecm->len);
		return true;
	}
	c->counts.ignored++;
	gw_log_limited(&c->rate, GW_NOTICE, "ecm_unexpected", "dropped: nobody asked for the ECM of this CP_number",
	    "kms=%s peer=%s service=%s CP_number=%u", c->conf.kms, c->peer, t->conf.unit, cp);
	return true;
}

static void
to_stream(struct scs_chan *c, int event)
{
	int64_t id = sim_int(&in, ECMG_STREAM_ID, -1);
	struct sim_fault why = { SIM_BAD_VALUE, ECMG_STREAM_ID, 0 };

	if (c->fsm.state != OPEN && c->fsm.state != CLOSING) {
		c->counts.ignored++;
		return;
	}
	struct stream **at = id >= 0 ? by_id(c, (uint16_t)id, false) : NULL, *t = at ? *at : NULL;
	if (!t || t->spare) {
		refuse(c, ECMG_E_STREAM_ID, &why);
		return;
	}
	while (event == S_CLOSED && t->fsm.state != ENDING && t->same_id)
		t = t->same_id;		/* the answer to its predecessor's end */
	if (event == S_ECM && late_answer(t, &in))
		return;
	feed(t, event, &in);
}

/* Read by the standard; else, if the configuration lets it be, as far as 4.4.1 has a receiver go. */
static bool
understood(struct scs_chan *c, const uint8_t *msg, size_t len, struct sim_fault *why)
{
	struct sim_fault strict;
	bool expected;

	if (sim_decode_as(&ecmg_scs, SIM_STRICT, msg, len, &in, &strict) == 0)
		return true;
	*why = strict;
	expected = c->conf.manners.omit_ECM_id && strict.verdict == SIM_MISSING && strict.param == ECMG_ECM_ID;
	if ((c->conf.strict && !expected) || sim_decode_as(&ecmg_scs, SIM_LENIENT, msg, len, &in, why) < 0)
		return false;
	if (!expected)
		tolerate(c, in.type, &strict);
	return true;
}

void
scs_chan_frame(struct scs_chan *c, const uint8_t *msg, size_t len, int64_t now)
{
	struct sim_fault why;

	c->now_us = c->heard_us = now;
	c->testing = false;
	if (!understood(c, msg, len, &why)) {
		if (why.verdict == SIM_NO_MESSAGE && (!c->conf.strict || in.type >= USER_DEFINED))
			tolerate(c, in.type, &why);
		else
			refuse(c, sim_status_of(&ecmg_scs, why.verdict), &why);
		return;
	}
	trace(c, "received", &in);
	if (in.version != c->conf.version && in.def->type != ECMG_CHANNEL_ERROR) {	/* it mirrors ours, but where it refuses that (1.5) */
		why = (struct sim_fault){ SIM_VERSION, 0, 0 };
		if (c->conf.strict) {
			refuse(c, ECMG_E_VERSION, &why);
			return;
		}
		tolerate(c, in.type, &why);
	}
	if (sim_int(&in, ECMG_CHANNEL_ID, -1) != c->conf.channel_id && in.def->type != ECMG_CHANNEL_ERROR) {
		why = (struct sim_fault){ SIM_BAD_VALUE, ECMG_CHANNEL_ID, 0 };
		refuse(c, ECMG_E_CHANNEL_ID, &why);
		return;
	}
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (meanings[i].message != in.def->type)
			continue;
		if (meanings[i].stream)
			to_stream(c, meanings[i].event);
		else
			gw_fsm_feed(&c->fsm, c, meanings[i].event, &in);
		return;
	}
	why = (struct sim_fault){ SIM_MALFORMED, 0, 1 };	/* a message that only an SCS sends */
	refuse(c, ECMG_E_INVALID_MESSAGE, &why);
}

void
scs_chan_tick(struct scs_chan *c, int64_t now)
{
	struct gw_due *d;

	c->now_us = now;
	while ((d = gw_dues_first(&c->dues)) && d->at_us <= now) {
		struct stream *t = (struct stream *)d;
		due(t, INT64_MAX);
		feed(t, S_TIMEOUT, NULL);
	}
	if (c->deadline_us <= now) {
		c->deadline_us = INT64_MAX;
		gw_fsm_feed(&c->fsm, c, TIMEOUT, NULL);
	} else if (c->fsm.state == OPEN && !c->dropped && now >= c->heard_us + (c->testing ? ANSWER : c->conf.test_us)) {
		gw_fsm_feed(&c->fsm, c, TIMEOUT, NULL);
	}
}

int64_t
scs_chan_next(const struct scs_chan *c)
{
	int64_t at = c->deadline_us, test = c->heard_us + (c->testing ? ANSWER : c->conf.test_us), first = gw_dues_next(&c->dues);

	if (c->fsm.state == OPEN && !c->dropped && test < at)
		at = test;
	return first < at ? first : at;
}

void
scs_chan_view(const struct scs_chan *c, struct scs_chan_view *v)
{
	*v = (struct scs_chan_view){ .state = gw_fsm_name(&c->fsm), .open = c->fsm.state == OPEN, .announced = c->announced,
		.terms = c->terms, .version = c->conf.version, .counts = c->counts, .last_error = c->last_error, .streams = c->busy,
		.streams_up = c->up };
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

uint16_t
scs_chan_stream_id(const struct scs_chan *c, size_t i)
{
	return c->streams[i]->id;
}

const char *
scs_chan_peer(const struct scs_chan *c)
{
	return c->fsm.state == CLOSED ? "" : c->peer;
}

const struct scs_trouble *
scs_chan_trouble(const struct scs_chan *c)
{
	return &c->trouble;
}

size_t
scs_chan_print_machines(char *text, size_t cap)
{
	size_t n = gw_fsm_print(&chan_fsm, text, cap);

	return n + gw_fsm_print(&stream_fsm, n < cap ? text + n : NULL, n < cap ? cap - n : 0);
}
