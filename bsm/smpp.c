/* bsm/smpp.c: see smpp.h */
#include "bsm/smpp.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "lib/due.h"
#include "lib/log.h"
#include "lib/secret.h"
#include "proto/smpp.h"

enum { OUT = 4096, IN = 2 * SMPP_MAX, PDU = 512, CATCH_UP_US = 10000 };	/* PDU: what one of ours has room for; CATCH_UP: the loop's timers are that coarse */
enum event { E_TIME, E_UP, E_BOUND, E_REFUSED, E_UNBIND, E_UNBOUND, E_FAULT, E_LOST, E_STOP, EVENTS };

struct job {
	struct gw_due due;		/* first: when its next part may leave */
	struct sms_message m;
	uint8_t parts, sent, flying;	/* how many; bits of those that were taken, that are in flight */
	bool refused;
	int64_t since_us, wait_us;
	struct job *next_free;
};
struct flight { struct job *job; uint8_t part; uint32_t sequence; int64_t at_us; };

struct smsc {
	struct smsc_conf conf;
	char system_id[SMSC_SYSTEM_ID + 1], source[SMSC_ADDRESS + 1];
	struct gw_secret password;
	struct gw_state fsm;
	int64_t now_us;
	bool linked;			/* the shell has a connection, or is on its way to one */
	int64_t deadline_us, wait_us;	/* of the state; the wait before the last attempt */
	int64_t heard_us, asked_us;	/* asked: enquire_link sent, not answered; 0: none */
	int64_t pause_us, pause_wait_us;	/* throttled: nothing leaves before */
	int64_t next_us, order_us;	/* the rate; the last message's turn: what came first leaves first */
	uint32_t sequence;
	struct gw_dues dues;
	struct job job[SMS_QUEUE], *free; size_t njobs;
	struct flight flight[SMSC_WINDOW]; size_t nflights;
	uint8_t in[IN]; size_t nin;
	struct gw_secret out; size_t nout;
	struct gw_rate rate;
};

/* What a status means for the message that it answers; those that are not here refuse it for good. */
enum verdict { TAKEN, LATER, SLOWER, AGAIN, REFUSED };
static const struct { uint32_t status; enum verdict v; } verdicts[] = {
	{ SMPP_OK, TAKEN }, { SMPP_QUEUE_FULL, LATER }, { SMPP_SYSTEM_ERROR, LATER }, { SMPP_LATER, LATER }, { SMPP_THROTTLED, SLOWER },
	{ SMPP_BAD_STATE, AGAIN },	/* it does not know that we are bound: bind anew */
};

static enum verdict
verdict_of(uint32_t status)
{
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (verdicts[i].status == status)
			return verdicts[i].v;
	return REFUSED;
}

static int64_t
longer(int64_t wait_us)
{
	if (wait_us == 0)
		return SMSC_LEAST_US;
	return wait_us * 2 < SMSC_MOST_US ? wait_us * 2 : SMSC_MOST_US;
}

static void feed(struct smsc *, enum event, const char *why);

/* ---- PDUs out ---- */

static bool
send_pdu(struct smsc *s, struct smpp *p)
{
	size_t n = smpp_encode(p, s->out.p + s->nout, s->out.len - s->nout);

	s->nout += n;
	return n > 0;
}

static uint32_t
next_sequence(struct smsc *s)
{
	s->sequence = s->sequence % 0x7fffffff + 1;
	return s->sequence;
}

static void
ask(struct smsc *s, uint32_t id)
{
	send_pdu(s, &(struct smpp){ .id = id, .sequence = next_sequence(s) });
}

static void
answer(struct smsc *s, uint32_t id, uint32_t status, uint32_t sequence)
{
	send_pdu(s, &(struct smpp){ .id = id, .status = status, .sequence = sequence });
}

static bool
submit(struct smsc *s, const struct job *j, uint8_t part, uint32_t sequence)
{
	uint8_t block[WDP_BLOCK];
	struct smpp p = { .id = s->conf.data_sm ? SMPP_DATA_SM : SMPP_SUBMIT_SM, .sequence = sequence, .source_ton = SMPP_ISDN, .source_npi = SMPP_ISDN,
		.source = smpp_text(s->source), .dest_ton = SMPP_ISDN, .dest_npi = SMPP_ISDN, .destination = smpp_text(j->m.msisdn),
		.data_coding = SMPP_BINARY };

	if (s->conf.data_sm) {
		p.has_ports = true;
		p.source_port = WDP_FROM_PORT;
		p.destination_port = WDP_PUSH_PORT;
		p.payload = (struct mikey_view){ j->m.pdu, j->m.len };
	} else {
		p.esm_class = SMPP_UDHI;
		p.message = (struct mikey_view){ block, wdp_part(j->m.pdu, j->m.len, j->m.ref, part, block) };
	}
	return send_pdu(s, &p);
}

/* ---- messages ---- */

static void
set_due(struct smsc *s, struct job *j, int64_t at_us)
{
	gw_due_set(&s->dues, &j->due, at_us);
}

static bool
unsent(const struct job *j, uint8_t *part)
{
	for (*part = 0; *part < j->parts; ++*part)
		if (!((j->sent | j->flying) >> *part & 1))
			return true;
	return false;
}

static void
finish(struct smsc *s, struct job *j, bool sent)
{
	int64_t id = j->m.id;

	set_due(s, j, INT64_MAX);
	j->parts = 0;
	j->refused = false;
	j->next_free = s->free;
	s->free = j;
	s->njobs--;
	s->conf.done(s->conf.self, id, sent);
}

static bool
may_send(const struct smsc *s)
{
	return s->fsm.state == SMSC_BOUND && s->nflights < SMSC_WINDOW && s->out.len - s->nout >= PDU && s->now_us >= s->pause_us && s->now_us >= s->next_us &&
	    gw_dues_next(&s->dues) <= s->now_us;
}

static void
pump(struct smsc *s)
{
	while (may_send(s)) {
		struct job *j = (struct job *)gw_dues_first(&s->dues);
		uint8_t part;

		if (!unsent(j, &part)) {
			set_due(s, j, INT64_MAX);
			continue;
		}
		uint32_t sequence = next_sequence(s);
		if (!submit(s, j, part, sequence))
			return;
		s->flight[s->nflights++] = (struct flight){ j, part, sequence, s->now_us };
		j->flying |= (uint8_t)(1u << part);
		if (!unsent(j, &part))
			set_due(s, j, INT64_MAX);
		if (s->conf.per_second)
			s->next_us = (s->next_us > s->now_us - CATCH_UP_US ? s->next_us : s->now_us - CATCH_UP_US) + 1000000 / s->conf.per_second;
	}
}

/* Put off: until then no part of it leaves. */
static void
put_off(struct smsc *s, struct job *j)
{
	if (s->now_us - j->since_us >= SMSC_LIFE_US) {
		j->refused = true;
		return;
	}
	j->wait_us = longer(j->wait_us);
	set_due(s, j, s->now_us + j->wait_us);
}

static void
take_verdict(struct smsc *s, struct flight f, uint32_t status)
{
	struct job *j = f.job;

	j->flying &= (uint8_t)~(1u << f.part);
	switch (verdict_of(status)) {
	case TAKEN:
		s->conf.counts->parts++;
		s->pause_wait_us = 0;
		j->sent |= (uint8_t)(1u << f.part);
		break;
	case LATER:
		s->conf.counts->retries++;
		put_off(s, j);
		break;
	case SLOWER:
		s->conf.counts->retries++;
		if (s->now_us >= s->pause_us) {	/* the others in flight that are told the same are no further offence */
			s->pause_wait_us = longer(s->pause_wait_us);
			s->pause_us = s->now_us + s->pause_wait_us;
		}
		set_due(s, j, s->now_us);
		break;
	case AGAIN:
		s->conf.counts->retries++;
		set_due(s, j, s->now_us);
		feed(s, E_FAULT, "the SMSC says that we are not bound");
		return;
	case REFUSED:
		j->refused = true;
		gw_log_limited(&s->rate, GW_WARNING, "sms_refused", smpp_status_text(status), "id=%" PRId64 " status=0x%08" PRIx32, j->m.id, status);
		break;
	}
	if (j->refused)
		set_due(s, j, INT64_MAX);
	if (j->flying == 0 && (j->refused || j->sent == (1u << j->parts) - 1))
		finish(s, j, !j->refused);
}

/* ---- the state machine ---- */

static void
to_wait(struct smsc *s, int64_t at_us)
{
	s->deadline_us = at_us;
	s->asked_us = 0;
	s->nin = 0;
}

/* Nothing is in flight any more: all of it is to be sent again. */
static void
give_back(struct smsc *s)
{
	for (size_t i = 0; i < s->nflights; i++) {
		struct job *j = s->flight[i].job;
		j->flying &= (uint8_t)~(1u << s->flight[i].part);
		if (!j->refused)
			set_due(s, j, s->now_us);
	}
	s->nflights = 0;
	for (size_t i = 0; i < SMS_QUEUE; i++)	/* those that only waited for the other parts' answers */
		if (s->job[i].refused && s->job[i].flying == 0)
			finish(s, &s->job[i], false);
}

static void
connect_now(void *self, const void *arg)
{
	struct smsc *s = self;

	(void)arg;
	s->deadline_us = s->now_us + SMSC_CONNECT_US;
}

static void
bind_now(void *self, const void *arg)
{
	struct smsc *s = self;
	struct smpp p = { .id = SMPP_BIND_TRANSMITTER, .sequence = next_sequence(s), .system_id = smpp_text(s->system_id),
		.password = { s->password.p, s->password.len }, .interface_version = SMPP_VERSION };

	(void)arg;
	s->nin = s->nout = 0;
	s->heard_us = s->now_us;
	s->deadline_us = s->now_us + SMSC_ANSWER_US;
	send_pdu(s, &p);
}

static void
bound(void *self, const void *arg)
{
	struct smsc *s = self;

	(void)arg;
	s->deadline_us = INT64_MAX;
	s->wait_us = 0;
	s->conf.counts->links++;
	gw_log(GW_NOTICE, "smsc_bound", NULL, "system_id=%s", s->system_id);
}

static void
back_off(void *self, const void *arg)
{
	struct smsc *s = self;

	s->wait_us = longer(s->wait_us);
	s->conf.counts->link_failures++;
	gw_log_limited(&s->rate, GW_WARNING, "smsc_lost", arg ? arg : "no answer", "system_id=%s again_s=%" PRId64, s->system_id, s->wait_us / 1000000);
	to_wait(s, s->now_us + s->wait_us);
	give_back(s);
}

/* A person is needed: its name or password is wrong, or the SMSC does not want it. */
static void
refused(void *self, const void *arg)
{
	struct smsc *s = self;

	s->wait_us = longer(s->wait_us);
	s->conf.counts->link_failures++;
	gw_log_limited(&s->rate, GW_ERR, "smsc_refused", arg, "system_id=%s again_s=%" PRId64, s->system_id, s->wait_us / 1000000);
	to_wait(s, s->now_us + s->wait_us);
}

static void
unbind_now(void *self, const void *arg)
{
	struct smsc *s = self;

	(void)arg;
	s->deadline_us = s->now_us + SMSC_UNBIND_US;
	ask(s, SMPP_UNBIND);
}

static void
over(void *self, const void *arg)
{
	struct smsc *s = self;

	(void)arg;
	s->deadline_us = INT64_MAX;
}

static const struct gw_edge edges[] = {
	/* in state          on event    go to            then do     */
	{ SMSC_WAITING,    E_TIME,    SMSC_CONNECTING, connect_now },
	{ SMSC_CONNECTING, E_UP,      SMSC_BINDING,    bind_now },
	{ SMSC_CONNECTING, E_TIME,    SMSC_WAITING,    back_off },
	{ SMSC_CONNECTING, E_LOST,    SMSC_WAITING,    back_off },
	{ SMSC_BINDING,    E_BOUND,   SMSC_BOUND,      bound },
	{ SMSC_BINDING,    E_REFUSED, SMSC_WAITING,    refused },
	{ SMSC_BINDING,    E_TIME,    SMSC_WAITING,    back_off },
	{ SMSC_BINDING,    E_UNBIND,  SMSC_WAITING,    back_off },
	{ SMSC_BINDING,    E_FAULT,   SMSC_WAITING,    back_off },
	{ SMSC_BINDING,    E_LOST,    SMSC_WAITING,    back_off },
	{ SMSC_BOUND,      E_TIME,    SMSC_WAITING,    back_off },
	{ SMSC_BOUND,      E_UNBIND,  SMSC_WAITING,    back_off },
	{ SMSC_BOUND,      E_FAULT,   SMSC_WAITING,    back_off },
	{ SMSC_BOUND,      E_LOST,    SMSC_WAITING,    back_off },
	{ SMSC_BOUND,      E_STOP,    SMSC_UNBINDING,  unbind_now },
	{ SMSC_UNBINDING,  E_STOP,    SMSC_UNBINDING,  NULL },
	{ SMSC_UNBINDING,  E_UNBOUND, SMSC_OVER,       over },
	{ SMSC_UNBINDING,  E_UNBIND,  SMSC_OVER,       over },
	{ SMSC_UNBINDING,  E_TIME,    SMSC_OVER,       over },
	{ SMSC_UNBINDING,  E_FAULT,   SMSC_OVER,       over },
	{ SMSC_UNBINDING,  E_LOST,    SMSC_OVER,       over },
	{ SMSC_OVER,       E_LOST,    SMSC_OVER,       NULL },
	{ GW_ANY,          E_STOP,    SMSC_OVER,       over },
};
static const char *const states[] = { "WAITING", "CONNECTING", "BINDING", "BOUND", "UNBINDING", "OVER" };
static const char *const events[] = { "TIME", "UP", "BOUND", "REFUSED", "UNBIND", "UNBOUND", "FAULT", "LOST", "STOP" };

/* What the SMSC sends out of place is counted, no more. */
static void
stray(void *self, int state, int event, const void *arg)
{
	struct smsc *s = self;

	(void)state, (void)event, (void)arg;
	s->conf.counts->malformed++;
}

const struct gw_fsm smsc_fsm = { "smsc", edges, sizeof(edges) / sizeof(edges[0]), states, SMSC_STATES, events, EVENTS, stray };

static void
feed(struct smsc *s, enum event e, const char *why)
{
	gw_fsm_feed(&s->fsm, s, (int)e, why);
}

/* ---- PDUs in ---- */

static void
on_submitted(struct smsc *s, const struct smpp *p)
{
	for (size_t i = 0; i < s->nflights; i++)
		if (s->flight[i].sequence == p->sequence) {
			struct flight f = s->flight[i];
			s->flight[i] = s->flight[--s->nflights];
			take_verdict(s, f, p->id == SMPP_NACK && p->status == SMPP_OK ? 0xff : p->status);
			return;
		}
	s->conf.counts->malformed++;
}

static void
on_bind_resp(struct smsc *s, const struct smpp *p)
{
	if (p->status == SMPP_OK)
		feed(s, E_BOUND, NULL);
	else
		feed(s, E_REFUSED, smpp_status_text(p->status));
}

static void
on_nack(struct smsc *s, const struct smpp *p)
{
	if (s->fsm.state == SMSC_BINDING)
		feed(s, E_REFUSED, smpp_status_text(p->status));
	else
		on_submitted(s, p);
}

static void
on_enquire(struct smsc *s, const struct smpp *p)
{
	answer(s, SMPP_ENQUIRE_LINK | SMPP_RESP, SMPP_OK, p->sequence);
}

static void
on_alive(struct smsc *s, const struct smpp *p)
{
	(void)p;
	s->asked_us = 0;
}

static void
on_unbind(struct smsc *s, const struct smpp *p)
{
	answer(s, SMPP_UNBIND | SMPP_RESP, SMPP_OK, p->sequence);
	feed(s, E_UNBIND, "the SMSC has unbound us");
}

static void
on_unbind_resp(struct smsc *s, const struct smpp *p)
{
	(void)p;
	feed(s, E_UNBOUND, NULL);
}

static void
on_deliver(struct smsc *s, const struct smpp *p)
{
	answer(s, p->id | SMPP_RESP, SMPP_BAD_STATE, p->sequence);	/* not to a transmitter */
	s->conf.counts->malformed++;
}

static const struct { uint32_t id; void (*on)(struct smsc *, const struct smpp *); } handlers[] = {
	{ SMPP_BIND_TRANSMITTER | SMPP_RESP, on_bind_resp }, { SMPP_SUBMIT_SM | SMPP_RESP, on_submitted }, { SMPP_DATA_SM | SMPP_RESP, on_submitted },
	{ SMPP_NACK, on_nack }, { SMPP_ENQUIRE_LINK, on_enquire }, { SMPP_ENQUIRE_LINK | SMPP_RESP, on_alive }, { SMPP_UNBIND, on_unbind },
	{ SMPP_UNBIND | SMPP_RESP, on_unbind_resp }, { SMPP_DELIVER_SM, on_deliver }, { SMPP_DATA_SM, on_deliver },
};

static void
on_pdu(struct smsc *s, const uint8_t *in, size_t len)
{
	enum smpp_fault why;
	struct smpp p;
	int r = smpp_decode(in, len, &p, &why);

	s->heard_us = s->now_us;
	if (r < 0) {
		s->conf.counts->malformed++;
		gw_log_limited(&s->rate, GW_WARNING, "smpp_malformed", smpp_fault_text(why), "command_id=0x%08" PRIx32, p.id);
		if (!(p.id & SMPP_RESP)) {	/* a response that is malformed still has its status: that counts */
			answer(s, SMPP_NACK, why == SMPP_UNKNOWN ? SMPP_BAD_COMMAND : SMPP_BAD_LENGTH, p.sequence);
			return;
		}
	}
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
		if (handlers[i].id == p.id) {
			handlers[i].on(s, &p);
			return;
		}
	if (r == 0)
		s->conf.counts->malformed++;
}

static bool
open_link(const struct smsc *s)
{
	return s->fsm.state == SMSC_BINDING || s->fsm.state == SMSC_BOUND || s->fsm.state == SMSC_UNBINDING;
}

/* Whole PDUs at the front of what has come. */
static void
take_pdus(struct smsc *s)
{
	size_t at = 0;

	while (open_link(s)) {
		int n = s->out.len - s->nout < PDU ? 0 : smpp_frame(s->in + at, s->nin - at);	/* who asks without reading answers waits */
		if (n == 0)
			break;
		if (n < 0) {
			answer(s, SMPP_NACK, SMPP_BAD_LENGTH, 0);
			s->conf.counts->malformed++;
			feed(s, E_FAULT, "a command_length that no PDU has");
			break;
		}
		on_pdu(s, s->in + at, (size_t)n);
		at += (size_t)n;
	}
	if (!open_link(s))
		s->nin = 0;
	else if (at)
		memmove(s->in, s->in + at, s->nin -= at);
}

void
smsc_heard(struct smsc *s, const void *octets, size_t len, int64_t now_us)
{
	const uint8_t *p = octets;

	s->now_us = now_us;
	while (len && open_link(s)) {
		size_t n = len < sizeof(s->in) - s->nin ? len : sizeof(s->in) - s->nin;

		if (n == 0) {	/* a peer that floods us with requests, and reads no answer */
			feed(s, E_FAULT, "the SMSC reads nothing");
			break;
		}
		memcpy(s->in + s->nin, p, n);
		s->nin += n;
		p += n;
		len -= n;
		take_pdus(s);
	}
	pump(s);
}

/* ---- the shell's side ---- */

enum smsc_want
smsc_want(struct smsc *s)
{
	bool wanted = s->fsm.state != SMSC_WAITING && s->fsm.state != SMSC_OVER;

	if (wanted == s->linked)
		return SMSC_NOTHING;
	s->linked = wanted;
	return wanted ? SMSC_CONNECT : SMSC_CLOSE;
}

void
smsc_up(struct smsc *s, int64_t now_us)
{
	s->now_us = now_us;
	feed(s, E_UP, NULL);
}

void
smsc_lost(struct smsc *s, const char *why, int64_t now_us)
{
	s->now_us = now_us;
	s->linked = false;
	if (s->fsm.state != SMSC_WAITING)
		feed(s, E_LOST, why);
	gw_cleanse(s->out.p, s->nout);
	s->nout = 0;
}

const uint8_t *
smsc_out(const struct smsc *s, size_t *len)
{
	*len = s->nout;
	return s->out.p;
}

void
smsc_written(struct smsc *s, size_t len)
{
	if (len > s->nout)	/* a link that was lost has taken it away */
		len = s->nout;
	memmove(s->out.p, s->out.p + len, s->nout - len);
	gw_cleanse(s->out.p + s->nout - len, len);
	s->nout -= len;
}

/* Is the SMSC there? It is asked when it has said nothing for a while. */
static void
check_alive(struct smsc *s)
{
	for (size_t i = 0; i < s->nflights; i++)
		if (s->now_us - s->flight[i].at_us >= SMSC_ANSWER_US) {
			feed(s, E_TIME, "it does not answer");
			return;
		}
	if (s->asked_us && s->now_us - s->asked_us >= SMSC_ALIVE_US) {
		feed(s, E_TIME, "it does not answer enquire_link");
	} else if (!s->asked_us && s->now_us - s->heard_us >= SMSC_SILENCE_US) {
		s->asked_us = s->now_us;
		ask(s, SMPP_ENQUIRE_LINK);
	}
}

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int64_t
smsc_tick(struct smsc *s, int64_t now_us)
{
	int64_t next_us;

	s->now_us = now_us;
	if (now_us >= s->deadline_us)
		feed(s, E_TIME, NULL);
	if (s->fsm.state == SMSC_BOUND)
		check_alive(s);
	if (open_link(s))
		take_pdus(s);
	pump(s);
	if (s->fsm.state != SMSC_BOUND)
		return s->deadline_us;
	next_us = s->asked_us ? s->asked_us + SMSC_ALIVE_US : s->heard_us + SMSC_SILENCE_US;
	for (size_t i = 0; i < s->nflights; i++)
		next_us = sooner(next_us, s->flight[i].at_us + SMSC_ANSWER_US);
	if (s->nflights < SMSC_WINDOW && s->out.len - s->nout >= PDU)
		next_us = sooner(next_us, later(gw_dues_next(&s->dues), later(s->pause_us, s->next_us)));
	return next_us;
}

void
smsc_stop(struct smsc *s, int64_t now_us)
{
	s->now_us = now_us;
	feed(s, E_STOP, NULL);
}

bool
smsc_put(struct smsc *s, const struct sms_message *m, int64_t now_us)
{
	struct job *j = s->free;

	if (!j)
		return false;
	s->free = j->next_free;
	*j = (struct job){ .m = *m, .parts = s->conf.data_sm ? 1 : (uint8_t)wdp_parts(m->len), .since_us = now_us };
	s->order_us = s->order_us >= now_us ? s->order_us + 1 : now_us;
	set_due(s, j, s->order_us);
	s->njobs++;
	return true;
}

static void
forget_jobs(struct smsc *s)
{
	for (size_t i = SMS_QUEUE; i-- > 0;) {
		s->job[i].next_free = s->free;
		s->free = &s->job[i];
	}
}

static bool
fits(const char *text, size_t max)
{
	return text && strlen(text) <= max;
}

struct smsc *
smsc_new(const struct smsc_conf *c, struct gw_err *err)
{
	struct smsc *s;

	if (!fits(c->system_id, SMSC_SYSTEM_ID) || !fits(c->password, SMSC_PASSWORD) || !fits(c->source, SMSC_ADDRESS)) {
		gw_fail(err, GW_ECONF, "SMPP has room for %d characters of a system id, %d of a password, %d of an address", SMSC_SYSTEM_ID, SMSC_PASSWORD, SMSC_ADDRESS);
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (!s || gw_secret_new(&s->out, OUT) < 0 || gw_secret_set(&s->password, c->password, strlen(c->password)) < 0 ||
	    gw_dues_reserve(&s->dues, SMS_QUEUE) < 0) {
		gw_fail(err, GW_ESYS, "out of memory");
		smsc_free(s);
		return NULL;
	}
	s->conf = *c;
	s->conf.system_id = strcpy(s->system_id, c->system_id);
	s->conf.source = strcpy(s->source, c->source);
	s->conf.password = NULL;
	s->rate = (struct gw_rate){ .burst = 5, .per_ms = 10000 };
	forget_jobs(s);
	gw_fsm_init(&s->fsm, &smsc_fsm, SMSC_WAITING);
	return s;
}

void
smsc_free(struct smsc *s)
{
	if (!s)
		return;
	gw_dues_free(&s->dues);
	gw_secret_free(&s->out);
	gw_secret_free(&s->password);
	free(s);
}

enum smsc_state smsc_state(const struct smsc *s) { return (enum smsc_state)s->fsm.state; }
size_t smsc_waiting(const struct smsc *s) { return s->njobs; }
