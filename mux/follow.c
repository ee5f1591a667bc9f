/* mux/follow.c */
#include "mux/follow.h"
#include <stdlib.h>
#include <string.h>
#include "lib/clock.h"
#include "lib/fsm.h"
#include "lib/link.h"
#include "lib/log.h"
#include "proto/playout.h"

enum {
	MAX_BACKOFF_MS = 500,
	SETUP_MS = 3000,	/* follower_status is due */
	QUIET_MS = 5000,
	TEST_MS = 2000,		/* an SCS that is tested has so long to answer */
	WIRE = 512 + 128,	/* our longest message */
};

struct mux_follow {
	struct gw_dialer *dialer;
	struct gw_link *link;
	uv_timer_t timer;
	struct gw_state state;
	struct mux_follow_conf conf;
	struct gw_rate rate;
	char head_end[65];
	int64_t since_us;
	uint64_t records, refused, losses;
	unsigned handles;
	bool closing;
	struct sim_msg msg;		/* 16 KiB: not for the stack */
};

enum { CLOSED, SETTING_UP, FOLLOWING, TESTING };
enum { CONNECTED, STATUS, RECORD, END, TEST, TESTED, REFUSED, SILENCE, LOST };
static const char *const states[] = { "CLOSED", "SETTING_UP", "FOLLOWING", "TESTING" };
static const char *const events[] = { "CONNECTED", "STATUS", "RECORD", "END", "TEST", "TESTED", "REFUSED", "SILENCE", "LOST" };

static void send_setup(void *, const void *);
static void follow(void *, const void *);
static void take_record(void *, const void *);
static void take_end(void *, const void *);
static void answer_test(void *, const void *);
static void send_test(void *, const void *);
static void refused(void *, const void *);
static void give_up(void *, const void *);
static void note_loss(void *, const void *);
static void stray(void *, int, int, const void *);

static const struct gw_edge edges[] = {
	/* in state      on event   go to       then do     */
	{ CLOSED,      CONNECTED, SETTING_UP, send_setup  },
	{ SETTING_UP,  STATUS,    FOLLOWING,  follow      },
	{ SETTING_UP,  SILENCE,   GW_SAME,    give_up     },
	{ FOLLOWING,   RECORD,    GW_SAME,    take_record },
	{ FOLLOWING,   END,       GW_SAME,    take_end    },
	{ FOLLOWING,   SILENCE,   TESTING,    send_test   },
	{ TESTING,     RECORD,    FOLLOWING,  take_record },
	{ TESTING,     END,       FOLLOWING,  take_end    },
	{ TESTING,     SILENCE,   GW_SAME,    give_up     },
	{ TESTING,     TESTED,    FOLLOWING,  NULL        },
	{ FOLLOWING,   TESTED,    GW_SAME,    NULL        },
	{ GW_ANY,      TEST,      GW_SAME,    answer_test },
	{ GW_ANY,      REFUSED,   GW_SAME,    refused     },
	{ GW_ANY,      LOST,      CLOSED,     note_loss   },
};
const struct gw_fsm mux_follow_fsm = { "follower", TABLE(edges), TABLE(states), TABLE(events), stray };

/* What arrives, as an event. */
static const struct { uint16_t type; int event; } heard[] = {
	{ PLAYOUT_FOLLOWER_STATUS, STATUS }, { PLAYOUT_FOLLOWER_ERROR, REFUSED }, { PLAYOUT_LINK_TEST, TEST },
	{ PLAYOUT_LINK_STATUS, TESTED }, { PLAYOUT_ECM_RECORD, RECORD }, { PLAYOUT_SERVICE_END, END },
};

/* messages out */

static void
begin(struct sim_writer *w, uint16_t type, uint8_t *buf)
{
	sim_begin(w, &playout, PLAYOUT_VERSION, type, buf, WIRE);
}

static void
post(struct mux_follow *f, struct sim_writer *w)
{
	size_t len = sim_end(w, NULL);

	if (len > 0 && f->link)
		gw_link_send(f->link, w->buf, len);
}

static void
send_bare(struct mux_follow *f, uint16_t type)
{
	uint8_t buf[WIRE];
	struct sim_writer w;

	begin(&w, type, buf);
	post(f, &w);
}

/* A record_error when the message names its record, else a follower_error. */
static void
send_error(struct mux_follow *f, const struct sim_msg *m, uint16_t status, const char *why)
{
	const struct sim_value *service = sim_value(m, PLAYOUT_SERVICE, 0), *cp = sim_value(m, PLAYOUT_CP, 0);
	bool record = m->def && m->def->type == PLAYOUT_ECM_RECORD && service && cp;
	uint8_t buf[WIRE];
	struct sim_writer w;

	f->refused++;
	gw_log_limited(&f->rate, GW_WARNING, "record_refused", why, "peer=scs message=%s service=%.*s cp=%lld status=0x%04x",
	    m->def ? m->def->name : "?", service ? (int)service->len : 0, service ? (const char *)service->p : "",
	    (long long)sim_int(m, PLAYOUT_CP, -1), (unsigned)status);
	begin(&w, record ? PLAYOUT_RECORD_ERROR : PLAYOUT_FOLLOWER_ERROR, buf);
	if (record) {
		sim_put_bytes(&w, PLAYOUT_SERVICE, service->p, service->len);
		sim_put_int(&w, PLAYOUT_CP, sim_int(m, PLAYOUT_CP, 0));
		if (sim_value(m, PLAYOUT_SUPER_CAS_ID, 0) && sim_value(m, PLAYOUT_ECM_ID, 0)) {	/* the SCS may do without this one */
			sim_put_int(&w, PLAYOUT_SUPER_CAS_ID, sim_int(m, PLAYOUT_SUPER_CAS_ID, 0));
			sim_put_int(&w, PLAYOUT_ECM_ID, sim_int(m, PLAYOUT_ECM_ID, 0));
		}
	}
	sim_put_int(&w, PLAYOUT_ERROR_STATUS, status);
	sim_put_text(&w, PLAYOUT_ERROR_INFORMATION, why);
	post(f, &w);
}

static void
send_held(void *self, const char *service, uint64_t cp)
{
	uint8_t buf[WIRE];
	struct sim_writer w;

	begin(&w, PLAYOUT_FOLLOWER_HELD, buf);
	sim_put_text(&w, PLAYOUT_SERVICE, service);
	sim_put_int(&w, PLAYOUT_CP, (int64_t)cp);
	post(self, &w);
}

static void
on_silence(uv_timer_t *t)
{
	struct mux_follow *f = t->data;

	gw_fsm_feed(&f->state, f, SILENCE, NULL);
}

static void
wait_for(struct mux_follow *f, unsigned ms)
{
	uv_timer_start(&f->timer, on_silence, ms, 0);
}

static void
send_setup(void *self, const void *arg)
{
	struct mux_follow *f = self;
	uint8_t buf[WIRE];
	struct sim_writer w;

	(void)arg;
	mux_carousel_held(f->conf.carousel, send_held, f);
	begin(&w, PLAYOUT_FOLLOWER_SETUP, buf);	/* no service named: every one */
	sim_put_int(&w, PLAYOUT_FOLLOWER_ROLE, PLAYOUT_MUX);
	sim_put_text(&w, PLAYOUT_FOLLOWER_NAME, f->conf.name);
	post(f, &w);
	wait_for(f, SETUP_MS);
}

static void
answer_test(void *self, const void *arg)
{
	(void)arg;
	send_bare(self, PLAYOUT_LINK_STATUS);
}

static void
send_test(void *self, const void *arg)
{
	(void)arg;
	send_bare(self, PLAYOUT_LINK_TEST);
	wait_for(self, TEST_MS);
}

/* the life of the link */

static void
text_of(const struct sim_msg *m, uint16_t type, char *out, size_t cap)
{
	const struct sim_value *v = sim_value(m, type, 0);
	size_t len = v ? v->len : 0;

	len = len < cap ? len : cap - 1;
	if (len > 0)
		memcpy(out, v->p, len);
	out[len] = '\0';
}

static void
follow(void *self, const void *arg)
{
	struct mux_follow *f = self;

	text_of(arg, PLAYOUT_HEAD_END, f->head_end, sizeof(f->head_end));
	f->since_us = gw_utc_us();
	gw_log(GW_NOTICE, "scs_up", NULL, "peer=scs head_end=%s", f->head_end);
}

static void
refused(void *self, const void *arg)
{
	struct mux_follow *f = self;
	char why[256];

	text_of(arg, PLAYOUT_ERROR_INFORMATION, why, sizeof(why));
	gw_log_limited(&f->rate, GW_WARNING, "scs_refused", why, "peer=scs status=0x%04x",
	    (unsigned)sim_int(arg, PLAYOUT_ERROR_STATUS, 0));
	if (f->state.state == SETTING_UP) {
		gw_dialer_failed(f->dialer);
		gw_link_close(f->link, 0);
	}
}

static void
give_up(void *self, const void *arg)
{
	struct mux_follow *f = self;

	(void)arg;
	gw_dialer_failed(f->dialer);
	gw_link_abort(f->link, GW_EPEER, "the SCS does not answer");
}

static void
note_loss(void *self, const void *arg)
{
	struct mux_follow *f = self;
	const struct gw_err *why = arg;

	uv_timer_stop(&f->timer);
	f->link = NULL;
	f->losses++;
	f->since_us = gw_utc_us();
	if (!f->closing)
		gw_log_limited(&f->rate, GW_WARNING, "scs_down", why ? why->text : "closed",
		    "peer=scs on_air=%zu", mux_carousel_counts(f->conf.carousel).on_air);
}

static void
stray(void *self, int state, int event, const void *arg)
{
	struct mux_follow *f = self;
	char why[96];

	if (!arg)
		return;
	snprintf(why, sizeof(why), "%s is out of place in state %s", events[event], states[state]);
	send_error(f, arg, PLAYOUT_E_STATE, why);
}

/* records */

/* A text of the wire as a string; NULL if it holds a NUL. */
static const char *
string(const struct sim_msg *m, uint16_t type, char *out, size_t cap)
{
	const struct sim_value *v = sim_value(m, type, 0);

	text_of(m, type, out, cap);
	return v && strlen(out) == v->len ? out : NULL;
}

static enum mux_put
store(struct mux_follow *f, const struct sim_msg *m, const char *service, const char *kms, struct mux_output *out)
{
	const struct sim_value *datagram = sim_value(m, PLAYOUT_ECM_DATAGRAM, 0);
	struct mux_record r = { .service = service, .kms = kms, .super_cas_id = (uint32_t)sim_int(m, PLAYOUT_SUPER_CAS_ID, 0),
		.ecm_id = (uint16_t)sim_int(m, PLAYOUT_ECM_ID, 0), .cp = (uint64_t)sim_int(m, PLAYOUT_CP, 0),
		.start_us = sim_int(m, PLAYOUT_START, 0), .delay_start_ms = (int16_t)sim_int(m, PLAYOUT_DELAY_START, 0),
		.previous_delay_stop_ms = (int16_t)sim_int(m, PLAYOUT_PREVIOUS_DELAY_STOP, 0),
		.rep_ms = (uint16_t)sim_int(m, PLAYOUT_ECM_REP_PERIOD, 0), .datagram = datagram->p, .len = datagram->len, .out = out,
		.hold = sim_int(m, PLAYOUT_HOLD, 0) != 0 };

	return mux_carousel_put(f->conf.carousel, &r);
}

static void
acknowledge(struct mux_follow *f, const struct sim_msg *m, const char *service)
{
	uint8_t buf[WIRE];
	struct sim_writer w;

	begin(&w, PLAYOUT_ECM_ACK, buf);
	sim_put_text(&w, PLAYOUT_SERVICE, service);
	sim_put_int(&w, PLAYOUT_CP, sim_int(m, PLAYOUT_CP, 0));
	sim_put_int(&w, PLAYOUT_SUPER_CAS_ID, sim_int(m, PLAYOUT_SUPER_CAS_ID, 0));
	sim_put_int(&w, PLAYOUT_ECM_ID, sim_int(m, PLAYOUT_ECM_ID, 0));
	post(f, &w);
}

/* Acknowledged only when it lies in the carousel and its socket is open: the SCS then lets it and the key go. */
static void
take_record(void *self, const void *arg)
{
	struct mux_follow *f = self;
	const struct sim_msg *m = arg;
	const struct sim_value *datagram = sim_value(m, PLAYOUT_ECM_DATAGRAM, 0);
	enum mux_format format = (enum mux_format)sim_int(m, PLAYOUT_SECTION_TSPKT, 0);
	int64_t start = sim_int(m, PLAYOUT_START, 0);
	char service[129], kms[65], out[321];
	struct gw_err err = { 0 };
	struct mux_output *o;
	struct gw_addr addr;

	if (!string(m, PLAYOUT_SERVICE, service, sizeof(service)) || !string(m, PLAYOUT_KMS, kms, sizeof(kms)) ||
	    !string(m, PLAYOUT_OUT, out, sizeof(out)) || start <= 0 || start > INT64_MAX / 4) {
		send_error(f, m, PLAYOUT_E_INVALID, "a text holds a NUL, or start is no time");
		return;
	}
	if (mux_format_fits(format, datagram->p, datagram->len, &err) < 0 || gw_addr_parse(out, GW_UDP | GW_PID, &addr, &err) < 0 ||
	    !(o = mux_output_ref(f->conf.outputs, &addr, format, &err))) {
		send_error(f, m, PLAYOUT_E_OUT, err.text);
		return;
	}
	f->records++;
	if (store(f, m, service, kms, o) == MUX_FULL) {
		send_error(f, m, PLAYOUT_E_RESOURCES, "too many crypto-periods wait for this stream, or out of memory");
		return;
	}
	acknowledge(f, m, service);
	f->conf.changed(f->conf.self);
}

static void
take_end(void *self, const void *arg)
{
	struct mux_follow *f = self;
	char service[129];

	if (!string(arg, PLAYOUT_SERVICE, service, sizeof(service)))
		return;
	gw_log(GW_INFO, "service_end", NULL, "service=%s", service);
	mux_carousel_end(f->conf.carousel, service, sim_int(arg, PLAYOUT_START, 0));
	f->conf.changed(f->conf.self);
}

/* the link's callbacks */

static void
on_up(void *self, struct gw_link *l)
{
	struct mux_follow *f = self;

	f->link = l;
	gw_fsm_feed(&f->state, f, CONNECTED, NULL);
}

static void
on_frame(void *self, struct gw_link *l, const uint8_t *bytes, size_t len)
{
	struct mux_follow *f = self;
	struct sim_msg *m = &f->msg;
	struct sim_fault why;
	char text[160];

	(void)l;
	if (f->state.state == FOLLOWING || f->state.state == TESTING)
		wait_for(f, f->conf.quiet_ms);
	if (sim_decode(&playout, bytes, len, m, &why) < 0) {
		snprintf(text, sizeof(text), "%s, parameter 0x%04x, offset %zu", sim_verdict_text(why.verdict), why.param, why.offset);
		send_error(f, m, sim_status_of(&playout, why.verdict), text);
		return;
	}
	for (size_t i = 0; i < sizeof(heard) / sizeof(heard[0]); i++)
		if (heard[i].type == m->def->type) {
			gw_fsm_feed(&f->state, f, heard[i].event, m);
			if (f->state.state == FOLLOWING)
				wait_for(f, f->conf.quiet_ms);
			return;
		}
	send_error(f, m, PLAYOUT_E_ROLE, "not a message for a multiplexer");
}

static void
on_down(void *self, struct gw_link *l, const struct gw_err *why)
{
	struct mux_follow *f = self;

	(void)l;
	gw_fsm_feed(&f->state, f, LOST, why);
}

static const struct gw_link_ops link_ops = { on_up, on_frame, on_down, NULL };

struct mux_follow *
mux_follow_open(uv_loop_t *loop, const struct gw_addr *scs, const struct mux_follow_conf *conf)
{
	struct mux_follow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->conf = *conf;
	f->conf.quiet_ms = conf->quiet_ms ? conf->quiet_ms : QUIET_MS;
	f->rate = (struct gw_rate){ .burst = 10, .per_ms = 10000 };
	f->since_us = gw_utc_us();
	gw_fsm_init(&f->state, &mux_follow_fsm, CLOSED);
	f->dialer = gw_dial(loop, scs, 1, &link_ops, NULL, f);
	if (!f->dialer) {
		free(f);
		return NULL;
	}
	gw_dialer_max_backoff(f->dialer, MAX_BACKOFF_MS);
	uv_timer_init(loop, &f->timer);
	f->timer.data = f;
	f->handles = 2;
	return f;
}

static void
part_closed(struct mux_follow *f)
{
	if (--f->handles == 0)
		free(f);
}

static void
on_timer_closed(uv_handle_t *h)
{
	part_closed(h->data);
}

static void
on_dialer_closed(void *self)
{
	struct mux_follow *f = self;

	uv_close((uv_handle_t *)&f->timer, on_timer_closed);	/* after the link: its end stops the timer */
	part_closed(f);
}

void
mux_follow_close(struct mux_follow *f)
{
	if (!f || f->closing)
		return;
	f->closing = true;
	gw_dialer_close(f->dialer, on_dialer_closed);
}

void
mux_follow_look(const struct mux_follow *f, struct mux_follow_view *v)
{
	*v = (struct mux_follow_view){ .up = f->state.state >= FOLLOWING, .state = gw_fsm_name(&f->state), .since_us = f->since_us,
		.records = f->records, .refused = f->refused, .losses = f->losses };
	memcpy(v->head_end, f->head_end, sizeof(v->head_end));
}
