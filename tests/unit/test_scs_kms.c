/* tests/unit/test_scs_kms.c: one KMS with several ECMGs, on a fake clock: who is asked, who takes over, who is gone back to */
#include <stdlib.h>
#include <string.h>
#include "lib/log.h"
#include "proto/ecmg_scs.h"
#include "lib/scs_kms.h"
#include "tests/suite.h"

#define MS INT64_C(1000)
#define S INT64_C(1000000)

/* A fake ECMG: answers what it is sent at once, unless it is told otherwise. */
enum { ECMGS = 3, LINES = 64, STREAMS = 64 };
static struct fake {
	bool off, mute, frozen;		/* refuses connections; answers no CW_provision; answers nothing at all */
	int max_streams, delay_start, lead_CW, CW_per_msg, max_comp_time;
	int most;			/* streams a channel takes although it does not say so; 0: any; -1: none */
	int most_in_all;
	uint16_t refuses;		/* error_status for CW_provisions */
	int provisions, tests, stream_tests, setups, channels, closed;
} fakes[ECMGS];
static struct conn {
	struct scs_line *line;
	size_t ecmg;
	bool up, dropped, orderly;
	uint16_t channel;
	int streams;
	uint8_t out[65536]; size_t len;	/* what it will say */
} conns[LINES];
static size_t nconns, stopped;
static uint8_t ids[65536];
static int64_t now;
static struct scs_kms *kms;
static struct { bool up; int downs, ups; int64_t cp, ecm, refused; int delay, lead, per_msg; struct scs_kms_stream *t; } owners[STREAMS];

static void *
dial(void *self, struct scs_line *line, size_t ecmg)
{
	struct conn *c = &conns[nconns++];

	(void)self;
	ck_assert_uint_le(nconns, LINES);
	memset(c, 0, sizeof(*c));
	c->line = line;
	c->ecmg = ecmg;
	return c;
}

static void
hang_up(void *conn)
{
	((struct conn *)conn)->line = NULL;
}

static void
answer(struct conn *c, uint16_t type, const struct sim_msg *m, uint16_t error)
{
	const struct fake *f = &fakes[c->ecmg];
	struct sim_writer w;

	sim_begin(&w, &ecmg_scs, 3, type, c->out + c->len, sizeof(c->out) - c->len);
	sim_put_int(&w, ECMG_CHANNEL_ID, sim_int(m, ECMG_CHANNEL_ID, 0));
	if (type >= ECMG_STREAM_SETUP)
		sim_put_int(&w, ECMG_STREAM_ID, sim_int(m, ECMG_STREAM_ID, 0));
	switch (type) {
	case ECMG_CHANNEL_STATUS:
		sim_put_int(&w, ECMG_SECTION_TSPKT, 0);
		sim_put_int(&w, ECMG_DELAY_START, f->delay_start);
		sim_put_int(&w, ECMG_DELAY_STOP, 0);
		sim_put_int(&w, ECMG_REP_PERIOD, 100);
		sim_put_int(&w, ECMG_MAX_STREAMS, f->max_streams);
		sim_put_int(&w, ECMG_MIN_CP_DURATION, 10);
		sim_put_int(&w, ECMG_LEAD_CW, f->lead_CW);
		sim_put_int(&w, ECMG_CW_PER_MSG, f->CW_per_msg);
		sim_put_int(&w, ECMG_MAX_COMP_TIME, f->max_comp_time);
		break;
	case ECMG_STREAM_STATUS:
		sim_put_int(&w, ECMG_ECM_ID, 1);
		sim_put_int(&w, ECMG_AC_TRANSFER_MODE, 0);
		break;
	case ECMG_ECM_RESPONSE:
		sim_put_int(&w, ECMG_CP_NUMBER, sim_int(m, ECMG_CP_NUMBER, 0));
		sim_put_bytes(&w, ECMG_ECM_DATAGRAM, "\x80\x70\x01", 3);
		break;
	case ECMG_STREAM_ERROR:
	case ECMG_CHANNEL_ERROR:
		sim_put_int(&w, ECMG_ERROR_STATUS, error);
		break;
	default:
		break;
	}
	c->len += sim_end(&w, NULL);
}

static void
send_it(void *conn, const void *msg, size_t len)
{
	static struct sim_msg m;
	struct conn *c = conn;
	struct fake *f = &fakes[c->ecmg];
	int in_all = 0;

	ck_assert(c->up);
	ck_assert_int_eq(sim_decode_as(&ecmg_scs, SIM_STRICT, msg, len, &m, NULL), 0);
	if (f->frozen)
		return;
	for (size_t i = 0; i < nconns; i++)
		in_all += conns[i].up && conns[i].ecmg == c->ecmg ? conns[i].streams : 0;
	switch (m.def->type) {
	case ECMG_CHANNEL_SETUP:
		c->channel = (uint16_t)sim_int(&m, ECMG_CHANNEL_ID, 0);
		f->channels++;
		answer(c, ECMG_CHANNEL_STATUS, &m, 0);
		break;
	case ECMG_CHANNEL_TEST:
		f->tests++;
		answer(c, ECMG_CHANNEL_STATUS, &m, 0);
		break;
	case ECMG_CHANNEL_CLOSE:
		f->closed++;
		break;
	case ECMG_STREAM_SETUP:
		f->setups++;
		if (f->most && c->streams >= f->most)
			answer(c, ECMG_STREAM_ERROR, &m, ECMG_E_TOO_MANY_STREAMS_CHANNEL);
		else if (f->most_in_all && in_all >= f->most_in_all)
			answer(c, ECMG_STREAM_ERROR, &m, ECMG_E_TOO_MANY_STREAMS_ECMG);
		else
			answer(c, ECMG_STREAM_STATUS, &m, 0);
		c->streams += !(f->most && c->streams >= f->most) && !(f->most_in_all && in_all >= f->most_in_all);
		ck_assert(!f->max_streams || c->streams <= f->max_streams);
		break;
	case ECMG_STREAM_TEST:
		f->stream_tests++;
		answer(c, ECMG_STREAM_STATUS, &m, 0);
		break;
	case ECMG_STREAM_CLOSE_REQUEST:
		c->streams--;
		answer(c, ECMG_STREAM_CLOSE_RESPONSE, &m, 0);
		break;
	case ECMG_CW_PROVISION:
		f->provisions++;
		if (f->refuses)
			answer(c, ECMG_STREAM_ERROR, &m, f->refuses);
		else if (!f->mute)
			answer(c, ECMG_ECM_RESPONSE, &m, 0);
		break;
	default:
		ck_abort_msg("%s", m.def->name);
	}
}

static void
drop(void *conn, const char *why, bool at_once)
{
	struct conn *c = conn;

	(void)at_once;
	c->dropped = true;
	c->orderly = !why;
}

static int
take_id(void *self, int fixed)
{
	int id = fixed >= 0 ? fixed : 1;

	(void)self;
	while (fixed < 0 && ids[id])
		id++;
	ids[id]++;
	return id;
}

static void
free_id(void *self, uint16_t id)
{
	(void)self;
	ck_assert_uint_gt(ids[id], 0);
	ids[id]--;
}

static void
on_stopped(void *self)
{
	(void)self;
	stopped++;
}

static size_t
number(const void *owner)
{
	return (size_t)((const char *)owner - (const char *)owners) / sizeof(owners[0]);
}

static void
stream_up(void *owner, const struct scs_terms *terms)
{
	size_t i = number(owner);

	owners[i].up = true;
	owners[i].ups++;
	owners[i].delay = terms->delay_start;
	owners[i].lead = terms->lead_CW;
	owners[i].per_msg = terms->CW_per_msg;
}

static void
stream_down(void *owner)
{
	size_t i = number(owner);

	ck_assert(owners[i].up);
	owners[i].up = false;
	owners[i].downs++;
}

static void
on_ecm(void *owner, int64_t cp, const uint8_t *p, size_t len, const struct scs_terms *terms)
{
	size_t i = number(owner);

	(void)p;
	(void)len;
	ck_assert_int_ne(owners[i].ecm, cp);	/* never twice */
	owners[i].ecm = cp;
	owners[i].delay = terms->delay_start;
}

static void
on_refused(void *owner, int64_t cp)
{
	owners[number(owner)].refused = cp;
}

static bool
key(void *owner, int64_t cp, struct scs_key *k)
{
	static uint8_t cw[8];

	(void)owner;
	(void)cp;
	*k = (struct scs_key){ .material = cw, .len = sizeof(cw) };
	return true;
}

static uint16_t
nominal(void *owner, const struct scs_terms *terms)
{
	(void)owner;
	(void)terms;
	return 100;
}

static size_t
criteria(void *owner, int64_t cp, const uint8_t **p)
{
	(void)owner;
	(void)cp;
	(void)p;
	return 0;
}

static const struct scs_kms_ops ops = { dial, hang_up, send_it, drop, take_id, free_id, on_stopped, stream_up, stream_down, on_ecm,
	on_refused, key, nominal, criteria };

/* The network: connections are made, what the fakes said arrives, what was dropped is lost; until nothing happens any more. */
static void
network(void)
{
	static uint8_t buf[65536];
	bool moved = true;

	while (moved) {
		moved = false;
		for (size_t i = 0; i < nconns; i++) {
			struct conn *c = &conns[i];
			if (!c->line)
				continue;
			if (c->up && (c->dropped || fakes[c->ecmg].off)) {
				c->up = c->dropped = false;
				c->len = 0;
				c->streams = 0;
				scs_line_lost(c->line, now);
				moved = true;
			} else if (!c->up && !fakes[c->ecmg].off) {
				c->up = true;
				scs_line_connected(c->line, "fake", now);
				moved = true;
			} else if (c->up && c->len) {
				size_t n = c->len, at = 0;
				memcpy(buf, c->out, n);
				c->len = 0;
				for (size_t len; c->line && at < n && !c->dropped; at += len) {
					len = sim_frame_length(buf + at, n - at);
					scs_line_frame(c->line, buf + at, len, now);
				}
				moved = true;
			}
		}
	}
}

/* Time passes, deadline by deadline. */
static void
pass(int64_t us)
{
	int64_t until = now + us;

	network();
	while (scs_kms_next(kms) <= until) {
		if (scs_kms_next(kms) > now)
			now = scs_kms_next(kms);
		scs_kms_tick(kms, now);
		network();
	}
	now = until;
}

static struct scs_kms_conf
conf(size_t necmg)
{
	return (struct scs_kms_conf){ .necmg = necmg, .return_us = 10 * S, .chan = { .kms = "k", .super_cas_id = 0x4ae60001, .version = 3,
		.manners = { .stream_ids = HE_FROM_1 } } };
}

static void
join(size_t i)
{
	struct scs_chan_stream t = { .unit = "news", .ecm_id = (uint16_t)i, .protection = 255 };

	memset(&owners[i], 0, sizeof(owners[i]));
	owners[i].ecm = owners[i].refused = -1;
	owners[i].t = scs_kms_join(kms, &t, &owners[i], now);
	ck_assert_ptr_nonnull(owners[i].t);
}

static void
ready(void)
{
	gw_log_init("test", GW_ERR);
	now = 1000 * S;
	nconns = stopped = 0;
	memset(ids, 0, sizeof(ids));
	for (size_t i = 0; i < ECMGS; i++)
		fakes[i] = (struct fake){ .delay_start = -200, .lead_CW = 1, .CW_per_msg = 2, .max_comp_time = 2000 };
}

static void
begin(struct scs_kms_conf c, size_t streams)
{
	kms = scs_kms_new(&c, &ops, NULL);
	ck_assert_ptr_nonnull(kms);
	scs_kms_start(kms, now);
	for (size_t i = 0; i < streams; i++)
		join(i);
	network();
}

static void
end(void)
{
	scs_kms_stop(kms, now);
	pass(10 * S);
	ck_assert_uint_eq(stopped, 1);
	for (size_t i = 0; i < sizeof(ids); i++)
		ck_assert_uint_eq(ids[i], 0);
	scs_kms_free(kms);
}

static void
ask(size_t i, int64_t cp)
{
	scs_kms_ask(owners[i].t, cp, 10 * S, now);
}

static struct scs_kms_view
view(void)
{
	struct scs_kms_view v;

	scs_kms_view(kms, &v);
	return v;
}

START_TEST(the_preferred_one_is_asked_the_spare_kept_open_and_tested)
{
	ready();
	begin(conf(2), 3);
	for (int64_t cp = 0; cp < 6; cp++) {
		for (size_t i = 0; i < 3; i++)
			ask(i, cp);
		pass(10 * S);
		for (size_t i = 0; i < 3; i++)
			ck_assert_int_eq(owners[i].ecm, cp);
	}
	ck_assert_int_eq(fakes[0].provisions, 18);
	ck_assert_int_eq(fakes[1].provisions, 0);
	ck_assert_int_eq(fakes[1].setups, 3);
	ck_assert_int_ge(fakes[1].tests, 5);
	ck_assert_int_ge(fakes[1].stream_tests, 5);
	ck_assert_int_eq(owners[0].ups, 1);
	ck_assert_uint_ne(conns[0].channel, conns[1].channel);	/* unique over all of them */
	end();
	ck_assert_int_eq(fakes[0].closed + fakes[1].closed, 2);
}
END_TEST

START_TEST(a_lost_connection_leaves_no_question_open)
{
	ready();
	fakes[1].delay_start = -700;
	fakes[1].lead_CW = 2;
	fakes[1].CW_per_msg = 3;
	begin(conf(2), 20);
	ck_assert_int_eq(owners[0].delay, -200);
	ck_assert_int_eq(owners[0].lead, 2);	/* CWs are drawn as far ahead as the spare looks */
	fakes[0].mute = true;
	for (size_t i = 0; i < 20; i++)
		ask(i, 7);
	pass(100 * MS);
	fakes[0].off = true;
	network();
	for (size_t i = 0; i < 20; i++) {
		ck_assert_int_eq(owners[i].ecm, 7);
		ck_assert_int_eq(owners[i].delay, -700);	/* the terms of the one that answered */
		ck_assert_int_eq(owners[i].downs, 0);
	}
	ck_assert_uint_eq(view().takeover.asked, 20);
	ck_assert_uint_eq(view().takeover.answered, 20);
	ck_assert_uint_eq(view().takeover.n, 1);
	ck_assert_uint_eq(view().preferred, 1);
	end();
}
END_TEST

START_TEST(an_alarm_says_that_a_standby_is_dead_and_when_it_is_well)
{
	ready();
	fakes[1].off = true;
	begin(conf(2), 1);
	ck_assert(owners[0].up);
	pass(2 * S);
	ck_assert_uint_eq(view().dead, 0);
	pass(2 * S);
	ck_assert_uint_eq(view().dead, 1);
	fakes[1].off = false;
	network();
	ck_assert_uint_eq(view().dead, 0);
	fakes[1].frozen = true;		/* its host is gone without a word: the tests find that out */
	pass(25 * S);
	ck_assert_uint_eq(view().dead, 1);
	ck_assert_uint_eq(view().preferred, 0);
	fakes[1].frozen = false;
	pass(10 * S);
	ck_assert_uint_eq(view().dead, 0);
	end();
}
END_TEST

START_TEST(the_preferred_one_is_gone_back_to_when_it_is_well)
{
	ready();
	begin(conf(2), 2);
	fakes[0].off = true;
	network();
	ck_assert_uint_eq(view().preferred, 1);
	ck_assert_int_eq(owners[0].downs, 0);
	fakes[0].off = false;
	pass(9 * S);
	ck_assert_uint_eq(view().preferred, 1);
	pass(2 * S);
	ck_assert_uint_eq(view().preferred, 0);
	/* a relapse doubles the wait */
	fakes[0].off = true;
	network();
	fakes[0].off = false;
	pass(19 * S);
	ck_assert_uint_eq(view().preferred, 1);
	pass(2 * S);
	ck_assert_uint_eq(view().preferred, 0);
	ck_assert_uint_eq(view().switches, 4);
	end();

	struct scs_kms_conf c = conf(2);
	ready();
	c.stay = true;
	begin(c, 2);
	fakes[0].off = true;
	network();
	fakes[0].off = false;
	pass(1000 * S);
	ck_assert_uint_eq(view().preferred, 1);
	ask(0, 1);
	network();
	ck_assert_int_eq(fakes[1].provisions, 1);
	fakes[1].off = true;		/* but it is not married to it */
	network();
	ck_assert_uint_eq(view().preferred, 0);
	end();
}
END_TEST

/* An ECM_response that an ECMG makes when nobody expects it any more. */
static void
say_ecm(size_t i, int64_t cp)
{
	struct sim_writer w;
	uint8_t buf[64];

	sim_begin(&w, &ecmg_scs, 3, ECMG_ECM_RESPONSE, buf, sizeof(buf));
	sim_put_int(&w, ECMG_CHANNEL_ID, conns[i].channel);
	sim_put_int(&w, ECMG_STREAM_ID, 1);
	sim_put_int(&w, ECMG_CP_NUMBER, cp);
	sim_put_bytes(&w, ECMG_ECM_DATAGRAM, "\x80\x70\x01", 3);
	scs_line_frame(conns[i].line, buf, sim_end(&w, NULL), now);
}

START_TEST(a_hedge_asks_the_spare_and_the_first_answer_counts)
{
	struct scs_kms_conf c = conf(2);

	ready();
	c.hedge_us = 300 * MS;
	begin(c, 1);
	ask(0, 1);
	pass(S);
	ck_assert_int_eq(fakes[1].provisions, 0);	/* in time */
	fakes[0].mute = true;
	ask(0, 2);
	pass(299 * MS);
	ck_assert_int_eq(owners[0].ecm, 1);
	pass(2 * MS);
	ck_assert_int_eq(owners[0].ecm, 2);
	ck_assert_int_eq(fakes[0].provisions, 2);
	ck_assert_int_eq(fakes[1].provisions, 1);
	ck_assert_uint_eq(view().hedged, 1);
	/* the loser's answer comes after all, and is dropped */
	say_ecm(0, 2);
	ck_assert_uint_eq(view().late, 1);
	fakes[0].mute = false;
	ask(0, 3);
	network();
	ck_assert_int_eq(owners[0].ecm, 3);
	ck_assert_int_eq(fakes[1].provisions, 1);
	end();
}
END_TEST

/* A slow ECMG answers what had timed out, and then what another has answered meanwhile: the first answer stays the one. */
START_TEST(an_old_answer_opens_no_door_to_a_second_one)
{
	struct scs_kms_conf c = conf(2);

	ready();
	c.hedge_us = 300 * MS;
	begin(c, 1);
	fakes[0].mute = true;
	ask(0, 1);
	pass(5 * S);		/* timed out there */
	ask(0, 2);
	pass(S);
	ck_assert_int_eq(owners[0].ecm, 2);
	say_ecm(0, 1);
	ck_assert_int_eq(owners[0].ecm, 2);
	say_ecm(0, 2);		/* checked by on_ecm: never twice */
	ck_assert_uint_eq(view().late, 2);
	end();
}
END_TEST

/* Whoever takes over finds every CW its window has, also the past ones. */
START_TEST(keys_are_kept_for_the_longest_window)
{
	ready();
	fakes[0].lead_CW = 0, fakes[0].CW_per_msg = 4;		/* three before */
	fakes[1].lead_CW = 3, fakes[1].CW_per_msg = 1;		/* three ahead */
	begin(conf(2), 1);
	ck_assert_int_eq(owners[0].lead, 3);
	ck_assert_int_eq(owners[0].per_msg, 7);
	fakes[0].off = true;
	network();
	ck_assert_int_eq(owners[0].per_msg, 1);		/* nobody looks back any more */
	end();
}
END_TEST

START_TEST(who_refuses_or_is_silent_is_not_the_last_word)
{
	ready();
	begin(conf(3), 1);
	fakes[0].refuses = ECMG_E_COMPUTATION;
	ask(0, 1);
	network();
	ck_assert_int_eq(owners[0].ecm, 1);	/* by the next */
	ck_assert_int_eq(owners[0].refused, -1);
	fakes[1].refuses = ECMG_E_STORAGE;
	ask(0, 2);
	network();
	ck_assert_int_eq(owners[0].ecm, 2);	/* by the third */
	fakes[0].refuses = 0;			/* three times in a row would end the connection */
	ask(0, 20);
	network();
	fakes[0].refuses = fakes[2].refuses = ECMG_E_COMPUTATION;
	ask(0, 3);
	network();
	ck_assert_int_eq(owners[0].refused, 3);	/* now it is */
	fakes[0].refuses = fakes[1].refuses = fakes[2].refuses = 0;
	ask(0, 3);
	network();
	ck_assert_int_eq(owners[0].ecm, 3);
	/* alive, but without answers: after three of them it is not asked first any more */
	fakes[0].mute = true;
	for (int64_t cp = 4; cp < 7; cp++) {
		ask(0, cp);
		pass(2499 * MS);
		ck_assert_int_eq(owners[0].ecm, cp - 1);
		pass(2 * MS);
		ck_assert_int_eq(owners[0].ecm, cp);
	}
	ck_assert_uint_eq(view().preferred, 1);
	ask(0, 7);
	network();
	ck_assert_int_eq(owners[0].ecm, 7);
	end();
}
END_TEST

START_TEST(max_streams_opens_further_channels)
{
	for (int learned = 0; learned < 2; learned++) {
		ready();
		if (learned)
			fakes[0].most = 2;
		else
			fakes[0].max_streams = 2;
		begin(conf(1), 7);
		pass(S);
		for (size_t i = 0; i < 7; i++) {
			ck_assert(owners[i].up);
			ask(i, 1);
		}
		network();
		for (size_t i = 0; i < 7; i++)
			ck_assert_int_eq(owners[i].ecm, 1);
		ck_assert_uint_eq(nconns, 4);
		for (size_t i = 0; i < 4; i++)
			ck_assert_int_eq(conns[i].streams, i < 3 ? 2 : 1);
		/* one more finds room; and an empty channel is closed */
		join(7);
		pass(S);
		ck_assert_uint_eq(nconns, 4);
		scs_kms_leave(owners[6].t, now);
		scs_kms_leave(owners[7].t, now);
		pass(S);
		ck_assert_ptr_null(conns[3].line);
		ck_assert_int_eq(fakes[0].closed, 1);
		end();
	}
}
END_TEST

START_TEST(a_full_ecmg_leaves_the_rest_to_another)
{
	ready();
	fakes[0].most_in_all = 3;
	begin(conf(2), 5);
	pass(4 * S);
	for (size_t i = 0; i < 5; i++) {
		ck_assert(owners[i].up);
		ask(i, 1);
	}
	network();
	for (size_t i = 0; i < 5; i++)
		ck_assert_int_eq(owners[i].ecm, 1);
	ck_assert_int_eq(fakes[0].provisions, 3);
	ck_assert_int_eq(fakes[1].provisions, 2);
	end();
	/* one that takes none at all is not asked for channels without end */
	ready();
	fakes[0].most = -1;
	begin(conf(2), 5);
	pass(100 * S);
	ck_assert_uint_eq(nconns, 2);
	for (size_t i = 0; i < 5; i++)
		ck_assert(owners[i].up);
	end();
}
END_TEST

START_TEST(a_cold_standby_is_dialled_when_it_is_needed)
{
	struct scs_kms_conf c = conf(3);

	ready();
	c.cold = true;
	begin(c, 1);
	pass(60 * S);
	ck_assert_uint_eq(nconns, 1);
	fakes[0].off = true;
	fakes[1].off = true;
	network();
	ck_assert(!owners[0].up);
	pass(4 * S);			/* the second is dead, too */
	ck_assert(owners[0].up);
	ck_assert_uint_eq(view().preferred, 2);
	fakes[0].off = false;
	pass(11 * S);
	ck_assert_uint_eq(view().preferred, 0);
	pass(S);
	ck_assert_int_eq(fakes[2].closed, 1);	/* and let go when it is not */
	ask(0, 1);
	network();
	ck_assert_int_eq(owners[0].ecm, 1);
	end();
}
END_TEST

START_TEST(channel_ids_can_be_fixed)
{
	struct scs_kms_conf c = conf(2);

	ready();
	c.chan.manners.channel_id.set = true;
	c.chan.manners.channel_id.v = 5;
	c.chan.manners.stream_ids = HE_ECM_ID;
	fakes[0].max_streams = fakes[1].max_streams = 1;
	begin(c, 3);
	pass(S);
	int seen[2][8] = { { 0 } };
	for (size_t i = 0; i < nconns; i++)
		seen[conns[i].ecmg][conns[i].channel]++;
	for (int g = 0; g < 2; g++)
		for (int id = 5; id < 8; id++)
			ck_assert_int_eq(seen[g][id], 1);
	end();
}
END_TEST

/* Weeks of a restless network: whatever happens, each question ends in an answer, a refusal or the stream's end. */
START_TEST(every_question_ends)
{
	uint32_t x = (uint32_t)_i + 1;
	struct scs_kms_conf c = conf(3);

	ready();
	c.hedge_us = _i % 2 ? 300 * MS : 0;
	c.cold = _i % 3 == 2;
	fakes[0].max_streams = _i % 4;
	begin(c, 6);
	for (int64_t cp = 0; cp < 3000; cp++) {
		struct fake *f = &fakes[(x >> 8) % ECMGS];
		x = x * 1664525 + 1013904223;
		switch (x >> 28) {
		case 0: f->off = true; break;
		case 1: f->mute = true; break;
		case 2: f->frozen = true; break;
		case 3: f->refuses = ECMG_E_COMPUTATION; break;
		case 4: case 5: case 6: f->off = f->mute = f->frozen = false; f->refuses = 0; break;
		default: break;
		}
		if (nconns > LINES - 8)	/* numbers of buried connections may be used again */
			for (size_t i = nconns = 0; i < LINES; i++)
				nconns = conns[i].line ? i + 1 : nconns;
		if (nconns > LINES - 8)
			break;
		bool up[6];
		for (size_t i = 0; i < 6; i++) {
			up[i] = owners[i].up;
			owners[i].downs = 0;
			if (up[i])
				ask(i, cp);
		}
		pass(10 * S);
		for (size_t i = 0; i < 6; i++)
			ck_assert(!up[i] || owners[i].ecm == cp || owners[i].refused == cp || owners[i].downs);
	}
	for (size_t i = 0; i < ECMGS; i++)
		fakes[i].off = fakes[i].mute = fakes[i].frozen = false, fakes[i].refuses = 0;
	pass(1000 * S);
	for (size_t i = 0; i < 6; i++) {
		ck_assert(owners[i].up);
		ask(i, 5000);
	}
	pass(10 * S);
	for (size_t i = 0; i < 6; i++)
		ck_assert_int_eq(owners[i].ecm, 5000);
	ck_assert_uint_eq(view().preferred, 0);
	ck_assert_uint_eq(view().dead, 0);
	end();
}
END_TEST

START_TEST(machine_as_a_page)
{
	static char page[8192];

	ck_assert_uint_lt(scs_kms_print_machines(page, sizeof(page)), sizeof(page));
	vec_golden("scs/kms.txt", page);
}
END_TEST

SUITE("scs_kms", tcase_add_test(t, the_preferred_one_is_asked_the_spare_kept_open_and_tested);
      tcase_add_test(t, a_lost_connection_leaves_no_question_open);
      tcase_add_test(t, an_alarm_says_that_a_standby_is_dead_and_when_it_is_well);
      tcase_add_test(t, the_preferred_one_is_gone_back_to_when_it_is_well);
      tcase_add_test(t, a_hedge_asks_the_spare_and_the_first_answer_counts);
      tcase_add_test(t, an_old_answer_opens_no_door_to_a_second_one); tcase_add_test(t, keys_are_kept_for_the_longest_window);
      tcase_add_test(t, who_refuses_or_is_silent_is_not_the_last_word); tcase_add_test(t, max_streams_opens_further_channels);
      tcase_add_test(t, a_full_ecmg_leaves_the_rest_to_another); tcase_add_test(t, a_cold_standby_is_dialled_when_it_is_needed);
      tcase_add_test(t, channel_ids_can_be_fixed); tcase_add_loop_test(t, every_question_ends, 0, 12);
      tcase_add_test(t, machine_as_a_page))
