/* tests/unit/test_bridge_xs_ecmg.c: tag 5 answered by SimulCrypt ECMGs, on a fake clock: order, waiting, keys, errors, fail-over */
#include <stdlib.h>
#include <string.h>
#include "bridge/errors.h"
#include "bridge/xs_ecmg.h"
#include "lib/log.h"
#include "proto/ecmg_scs.h"
#include "tests/suite.h"

#define MS INT64_C(1000)
#define S INT64_C(1000000)

/* Fake ECMGs: they answer when the test lets them, so that what is outstanding is seen. */
enum { ECMGS = 2 };
static struct fake {
	bool off, mute;
	uint16_t refuses, refuses_stream, refuses_channel;
	int lead_CW, CW_per_msg;
	struct scs_line *line; bool up, dropped;
	int64_t again_us;		/* when it is dialled next */
	uint8_t out[65536]; size_t len;
	int provisions, outstanding, most;
	char last[512];			/* the latest CW_provision: CP_number, CP_CW_combinations … */
} fakes[ECMGS];
static struct scs_kms *kms;
static struct xs_stream *stream;
static int64_t now;
static int woken, made;
static bool fail_make;
static struct { unsigned status; char reason[256], ecm[16]; int cp, n; uint16_t repetition, comp_time; } got[32];	/* by call */

static void *
dial(void *self, struct scs_line *line, size_t ecmg)
{
	(void)self;
	fakes[ecmg].line = line;
	return &fakes[ecmg];
}

static void
hang_up(void *conn)
{
	((struct fake *)conn)->line = NULL;
}

static void
say(struct fake *f, uint16_t type, const struct sim_msg *m, uint16_t error)
{
	struct sim_writer w;

	sim_begin(&w, &ecmg_scs, 5, type, f->out + f->len, sizeof(f->out) - f->len);
	sim_put_int(&w, ECMG_CHANNEL_ID, sim_int(m, ECMG_CHANNEL_ID, 0));
	if (type >= ECMG_STREAM_SETUP)
		sim_put_int(&w, ECMG_STREAM_ID, sim_int(m, ECMG_STREAM_ID, 0));
	if (type == ECMG_CHANNEL_STATUS) {
		sim_put_int(&w, ECMG_SECTION_TSPKT, 2);
		sim_put_int(&w, ECMG_DELAY_START, -200);
		sim_put_int(&w, ECMG_DELAY_STOP, 0);
		sim_put_int(&w, ECMG_REP_PERIOD, 123);
		sim_put_int(&w, ECMG_MAX_STREAMS, 0);
		sim_put_int(&w, ECMG_MIN_CP_DURATION, 10);
		sim_put_int(&w, ECMG_LEAD_CW, f->lead_CW);
		sim_put_int(&w, ECMG_CW_PER_MSG, f->CW_per_msg);
		sim_put_int(&w, ECMG_MAX_COMP_TIME, 200);
	} else if (type == ECMG_STREAM_STATUS) {
		sim_put_int(&w, ECMG_ECM_ID, 1);
		sim_put_int(&w, ECMG_AC_TRANSFER_MODE, 0);
	} else if (type == ECMG_ECM_RESPONSE) {
		sim_put_int(&w, ECMG_CP_NUMBER, sim_int(m, ECMG_CP_NUMBER, 0));
		sim_put_bytes(&w, ECMG_ECM_DATAGRAM, "STKM", 4);
	} else if (error) {
		sim_put_int(&w, ECMG_ERROR_STATUS, error);
		if (error == 0x8005)
			sim_put_bytes(&w, ECMG_ERROR_INFORMATION, "not entitled, says the KMS", 26);
	}
	f->len += sim_end(&w, NULL);
}

static void
note_provision(struct fake *f, const struct sim_msg *m)
{
	static const uint16_t types[] = { ECMG_CP_NUMBER, ECMG_CP_CW, ECMG_KEY_IDENTIFIER, ECMG_CP_DURATION, ECMG_ACCESS_CRITERIA,
		ECMG_TRAFFIC_PROTECTION, ECMG_CW_ENCRYPTION };
	char *at = f->last, *end = f->last + sizeof(f->last);

	for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++)
		for (size_t i = 0; i < m->n; i++) {
			if (m->v[i].type != types[k])
				continue;
			at += snprintf(at, (size_t)(end - at), "%04x=", types[k]);
			for (size_t b = 0; b < m->v[i].len && b < 8; b++)
				at += snprintf(at, (size_t)(end - at), "%02x", m->v[i].p[b]);
			at += snprintf(at, (size_t)(end - at), " ");
		}
}

static void
send_it(void *conn, const void *msg, size_t len)
{
	static struct sim_msg m;
	struct fake *f = conn;

	ck_assert_int_eq(sim_decode_as(&ecmg_scs, SIM_STRICT, msg, len, &m, NULL), 0);
	switch (m.def->type) {
	case ECMG_CHANNEL_SETUP:
		say(f, f->refuses_channel ? ECMG_CHANNEL_ERROR : ECMG_CHANNEL_STATUS, &m, f->refuses_channel);
		break;
	case ECMG_STREAM_SETUP:
		say(f, f->refuses_stream ? ECMG_STREAM_ERROR : ECMG_STREAM_STATUS, &m, f->refuses_stream);
		break;
	case ECMG_CHANNEL_TEST:
		say(f, ECMG_CHANNEL_STATUS, &m, 0);
		break;
	case ECMG_STREAM_TEST:
		say(f, ECMG_STREAM_STATUS, &m, 0);
		break;
	case ECMG_CW_PROVISION:
		f->provisions++;
		f->outstanding++;
		f->most = f->outstanding > f->most ? f->outstanding : f->most;
		note_provision(f, &m);
		if (!f->mute)
			say(f, f->refuses ? ECMG_STREAM_ERROR : ECMG_ECM_RESPONSE, &m, f->refuses);
		break;
	default:
		break;
	}
}

static void
drop(void *conn, const char *why, bool at_once)
{
	(void)why;
	(void)at_once;
	((struct fake *)conn)->dropped = true;
}

static int
take_id(void *self, int fixed)
{
	static int id;

	(void)self;
	return fixed >= 0 ? fixed : ++id;
}

static void
free_id(void *self, uint16_t id)
{
	(void)self;
	(void)id;
}

static void
stopped(void *self)
{
	(void)self;
}

static void
on_answer(void *self, void *call, const struct xs_answer *a)
{
	size_t i = (size_t)(uintptr_t)call;

	(void)self;
	got[i].n++;
	got[i].status = a->status;
	got[i].cp = a->cp;
	got[i].repetition = a->repetition_ms;
	ck_assert_int_eq(a->status == 0, a->reason == NULL);
	snprintf(got[i].reason, sizeof(got[i].reason), "%s", a->reason ? a->reason : "");
	snprintf(got[i].ecm, sizeof(got[i].ecm), "%.*s", (int)a->len, (const char *)a->ecm);
}

static int
on_make(void *self, const char *unit, uint16_t cp, struct scs_key *k, struct gw_err *err)
{
	static uint8_t material[30];

	(void)self;
	ck_assert_str_eq(unit, "news");
	if (fail_make)
		return gw_fail(err, GW_ESTORE, "nothing could be stored");
	made++;
	memset(material, 0xa0 + cp, sizeof(material));
	*k = (struct scs_key){ .material = material, .len = sizeof(material), .id = { 0, (uint8_t)cp }, .id_len = 2 };
	return 0;
}

static void
on_asked(void *self, void *call, uint16_t max_comp_time_ms)
{
	(void)self;
	got[(size_t)(uintptr_t)call].comp_time = max_comp_time_ms;
}

static void
on_wake(void *self)
{
	(void)self;
	woken++;
}

static const struct xs_stream_ops ops = { .answer = on_answer, .make = on_make, .asked = on_asked, .wake = on_wake };

/* What the ECMGs have said until now is heard; their losses, too. */
static void
hear(void)
{
	int rounds = 0;

	for (bool more = true; more;) {
		more = false;
		ck_assert_int_lt(rounds++, 1000);
		for (size_t i = 0; i < ECMGS; i++) {
			struct fake *f = &fakes[i];
			if (f->line && f->up && (f->dropped || f->off)) {
				f->again_us = now + (f->dropped ? 100 * MS : 0);
				f->up = f->dropped = false;
				f->len = 0;
				scs_line_lost(f->line, now);
				more = true;
			}
			if (f->line && !f->up && !f->off && now >= f->again_us) {
				f->up = more = true;
				scs_line_connected(f->line, "fake", now);
			}
			while (f->len && f->line && f->up) {
				static uint8_t frame[65540];
				size_t n = 5 + (size_t)(f->out[3] << 8 | f->out[4]);
				memcpy(frame, f->out, n);
				memmove(f->out, f->out + n, f->len -= n);
				f->outstanding -= frame[1] == 0x02 || (frame[1] == 0x01 && frame[2] == 0x06);
				scs_line_frame(f->line, frame, n, now);
				more = true;
			}
		}
		if (scs_kms_next(kms) <= now) {
			scs_kms_tick(kms, now);
			more = true;
		}
		if (woken) {
			woken = 0;
			xs_stream_tick(stream, now);
			more = true;
		}
	}
}

static void
until(int64_t end)
{
	hear();
	for (;;) {
		int64_t at = scs_kms_next(kms), mine = xs_stream_next(stream);
		at = mine < at ? mine : at;
		for (size_t i = 0; i < ECMGS; i++)
			if (fakes[i].line && !fakes[i].up && !fakes[i].off && fakes[i].again_us < at)
				at = fakes[i].again_us;
		if (at > end)
			break;
		now = at > now ? at : now;
		scs_kms_tick(kms, now);
		xs_stream_tick(stream, now);
		hear();
	}
	now = end;
}

static void
begin(size_t necmg, bool mode_a)
{
	struct scs_kms_conf c = { .necmg = necmg, .return_us = 10 * S,
		.chan = { .kms = "k", .super_cas_id = 0x00010001, .version = 5, .bcast_parameters = true, .manners = { .stream_ids = HE_FROM_1 } } };
	struct xs_stream_conf s = { .unit = "news", .ecm_id = 1, .super_cas_id = 0x00010001, .protection = HE_SRTP, .authenticated = true,
		.nominal_100ms = 100, .mode_a = mode_a };
	static struct scs_kms_ops all;

	gw_log_init("test", GW_ERR);
	all = xs_kms_ops;
	all.dial = dial, all.hang_up = hang_up, all.send = send_it, all.drop = drop, all.take_id = take_id, all.free_id = free_id, all.stopped = stopped;
	memset(got, 0, sizeof(got));
	memset(fakes, 0, sizeof(fakes));
	made = woken = 0;
	fail_make = false;
	for (size_t i = 0; i < ECMGS; i++)
		fakes[i].CW_per_msg = 1;
	now = 1000 * S;
	kms = scs_kms_new(&c, &all, NULL);
	scs_kms_start(kms, now);
	stream = xs_stream_new(kms, &s, &ops, NULL, now);
	ck_assert_ptr_nonnull(stream);
}

static void
end(void)
{
	xs_stream_free(stream, now);
	stream = NULL;
	scs_kms_stop(kms, now);
	for (size_t i = 0; i < ECMGS; i++)
		if (fakes[i].line)
			scs_line_lost(fakes[i].line, now + S);
	scs_kms_free(kms);
}

/* Tag 5 for a crypto-period with the keys of it and of n - 1 after it: their material is their number all over. */
static struct sp4_msg
request(int64_t cp, size_t n)
{
	static uint8_t material[2][256], id[2][2];
	struct sp4_msg m;

	sp4_init(&m, 5);
	m.n_stkm = 1;
	m.stkm = (struct sp4_stkm_context){ .cp = cp, .stream = 1, .profile = SP4_DRM, .repetition_ms = SP4_ABSENT };
	m.n_keys = n;
	for (size_t i = 0; i < n; i++) {
		memset(material[i], (int)(cp + (int64_t)i), sizeof(material[i]));
		id[i][1] = (uint8_t)(cp + (int64_t)i);
		m.keys[i] = (struct sp4_key_context){ .cp = (cp + (int64_t)i) & 0xffff, .protection = SP4_SRTP, .authenticated = 1, .activation_ms = SP4_ABSENT,
			.duration_ds = 50, .key_id = { id[i], 2 }, .material = { material[i], 30 } };
	}
	return m;
}

static void
ask(size_t call, int64_t cp, size_t n)
{
	struct sp4_msg m = request(cp, n);

	xs_stream_ask(stream, &m, (void *)(uintptr_t)call, now);
}

START_TEST(a_question_and_its_answer)
{
	begin(1, false);
	hear();
	ask(1, 5, 1);
	hear();
	ck_assert_int_eq(got[1].n, 1);
	ck_assert_uint_eq(got[1].status, 0);
	ck_assert_str_eq(got[1].ecm, "STKM");
	ck_assert_int_eq(got[1].cp, 5);
	ck_assert_uint_eq(got[1].repetition, 123);
	ck_assert_uint_eq(got[1].comp_time, 200);
	/* CP_number, CW, key_identifier, CP_duration (not the nominal one), traffic_protection */
	ck_assert_str_eq(fakes[0].last, "0012=0005 0014=0005050505050505 8002=00050005 0013=0032 8001=0101 ");
	end();
}
END_TEST

START_TEST(one_is_outstanding_the_others_wait_in_order)
{
	begin(1, false);
	fakes[0].mute = true;
	hear();
	ask(1, 1, 1);
	ask(2, 2, 1);
	ask(3, 3, 1);
	hear();
	ck_assert_int_eq(fakes[0].provisions, 1);
	fakes[0].mute = false;
	until(now + 5 * S);	/* the first times out after a second, as those that waited for it do */
	ck_assert_uint_eq(got[1].status, BR_DELAYED);
	ck_assert_int_eq(got[1].n + got[2].n + got[3].n, 3);
	ck_assert_uint_eq(got[2].status == 0 || got[2].status == BR_DELAYED, 1);
	ask(4, 4, 1);
	hear();
	ck_assert_uint_eq(got[4].status, 0);
	end();
}
END_TEST

START_TEST(a_full_queue_is_said_at_once)
{
	begin(1, false);
	fakes[0].mute = true;
	hear();
	for (size_t i = 0; i <= XS_QUEUE + 1; i++)
		ask(i, (int64_t)i, 1);
	ck_assert_int_eq(got[XS_QUEUE].n, 0);
	ck_assert_int_eq(got[XS_QUEUE + 1].n, 1);
	ck_assert_uint_eq(got[XS_QUEUE + 1].status, BR_DELAYED);
	until(now + 30 * S);
	for (size_t i = 0; i <= XS_QUEUE + 1; i++)
		ck_assert_int_eq(got[i].n, 1);
	ck_assert_int_le(fakes[0].most, 2);	/* one that timed out, and one */
	end();
}
END_TEST

static const struct { uint16_t error; unsigned status; } table[] = {
	{ 0x0001, 8 }, { 0x0002, 12 }, { 0x0005, 26 }, { 0x0006, 15 }, { 0x0007, 15 }, { 0x0008, 19 }, { 0x000b, 17 }, { 0x000d, 19 }, { 0x000e, 8 }, { 0x0012, 15 },
	{ 0x0014, 27 }, { 0x7000, 7 }, { 0x7001, 7 }, { 0x8005, 5 }, { 0x8014, 20 }, { 0x6000, 18 },
};
START_TEST(a_refused_question_has_the_status_of_the_table)
{
	begin(1, false);
	hear();
	fakes[0].refuses = table[_i].error;
	ask(1, 5, 1);
	hear();
	ck_assert_int_eq(got[1].n, 1);
	ck_assert_uint_eq(got[1].status, table[_i].status);
	if (table[_i].error == 0x8005)
		ck_assert_ptr_nonnull(strstr(got[1].reason, "not entitled, says the KMS"));
	end();
}
END_TEST

START_TEST(a_refused_stream_or_channel_has_it_after_a_second)
{
	begin(1, false);
	if (_i)
		fakes[0].refuses_channel = ECMG_E_SUPER_CAS_ID;
	else
		fakes[0].refuses_stream = 0x0008;
	hear();
	ask(1, 5, 1);
	until(now + 2 * S);
	ck_assert_int_eq(got[1].n, 1);
	ck_assert_uint_eq(got[1].status, _i ? BR_UNKNOWN_SOURCE : BR_DELAYED);
	ck_assert_ptr_nonnull(strstr(got[1].reason, _i ? "0x0005" : "0x0008"));
	end();
}
END_TEST

START_TEST(silence_is_delay_for_three_periods_then_an_error)
{
	begin(1, false);
	if (_i)
		fakes[0].off = true;
	else
		fakes[0].mute = true;
	hear();
	for (size_t cp = 1; cp <= 5; cp++) {
		for (size_t again = 0; again < 2; again++) {
			ask(2 * cp + again, (int64_t)cp, 1);
			until(now + 4 * S);
			ck_assert_int_eq(got[2 * cp + again].n, 1);
			ck_assert_uint_eq(got[2 * cp + again].status, cp <= 3 ? BR_DELAYED : BR_SERVER_ERROR);
		}
	}
	fakes[0].off = fakes[0].mute = false;
	hear();
	until(now + 10 * S);
	ask(20, 6, 1);
	hear();
	ck_assert_uint_eq(got[20].status, 0);
	fakes[0].mute = true;
	ask(21, 7, 1);
	until(now + 4 * S);
	ck_assert_uint_eq(got[21].status, BR_DELAYED);	/* counted from the beginning */
	end();
}
END_TEST

START_TEST(an_ecmg_that_comes_in_time_is_waited_for)
{
	begin(1, false);
	fakes[0].off = true;
	hear();
	ask(1, 5, 1);
	until(now + 900 * MS);
	ck_assert_int_eq(got[1].n, 0);
	fakes[0].off = false;
	hear();
	until(now + 50 * MS);
	ck_assert_int_eq(got[1].n, 1);
	ck_assert_uint_eq(got[1].status, 0);
	end();
}
END_TEST

START_TEST(another_ecmg_takes_over)
{
	begin(2, false);
	hear();
	fakes[0].mute = true;
	ask(1, 5, 1);
	hear();
	ck_assert_int_eq(got[1].n, 0);
	fakes[0].off = true;		/* dies with the question */
	hear();
	ck_assert_int_eq(got[1].n, 1);
	ck_assert_uint_eq(got[1].status, 0);
	ck_assert_int_eq(fakes[1].provisions, 1);
	ask(2, 6, 1);
	hear();
	ck_assert_uint_eq(got[2].status, 0);
	ck_assert_str_eq(fakes[1].last, "0012=0006 0014=0006060606060606 8002=00060006 0013=0032 8001=0101 ");
	end();
}
END_TEST

START_TEST(the_only_ecmg_dies_with_the_question_and_returns)
{
	begin(1, false);
	hear();
	fakes[0].mute = true;
	ask(1, 5, 1);
	hear();
	fakes[0].off = true;
	hear();
	ck_assert_int_eq(got[1].n, 0);
	fakes[0].off = fakes[0].mute = false;
	until(now + 900 * MS);
	ck_assert_int_eq(got[1].n, 1);
	ck_assert_uint_eq(got[1].status, 0);
	end();
}
END_TEST

START_TEST(current_and_next_key)
{
	begin(1, false);
	fakes[0].lead_CW = 1;
	fakes[0].CW_per_msg = 2;
	hear();
	ask(1, 5, 1);
	hear();
	ck_assert_uint_eq(got[1].status, BR_MISSING);
	ck_assert_ptr_nonnull(strstr(got[1].reason, "CP_number 6"));
	ask(2, 5, 2);
	hear();
	ck_assert_uint_eq(got[2].status, 0);
	ck_assert_str_eq(fakes[0].last, "0012=0005 0014=0005050505050505 0014=0006060606060606 8002=00050005 8002=00060006 0013=0032 8001=0101 ");
	end();
}
END_TEST

START_TEST(the_key_before_is_remembered)
{
	begin(1, false);
	fakes[0].CW_per_msg = 2;	/* lead_CW 0: the window is n - 1, n */
	hear();
	ask(1, 0xffff, 1);
	hear();
	ask(2, 0, 1);
	hear();
	ck_assert_uint_eq(got[2].status, 0);
	ck_assert_int_eq(got[2].cp, 0);
	ck_assert_str_eq(fakes[0].last, "0012=0000 0014=ffffffffffffffff 0014=0000000000000000 8002=ffff00ff 8002=00000000 0013=0032 8001=0101 ");
	end();
}
END_TEST

START_TEST(many_periods_across_the_wrap)
{
	begin(1, false);
	fakes[0].lead_CW = 1;
	fakes[0].CW_per_msg = 2;
	hear();
	for (int64_t cp = 0xff00; cp < 0x10100; cp++) {
		ask(1, cp & 0xffff, 2);
		hear();
		ck_assert_uint_eq(got[1].status, 0);
		ck_assert_int_eq(got[1].cp, (int)(cp & 0xffff));
		now += 5 * S;
	}
	ck_assert_int_eq(fakes[0].provisions, 0x200);
	end();
}
END_TEST

/* What a request may have wrong, and what it is told. */
static void no_context(struct sp4_msg *m) { m->n_stkm = 0; }
static void no_cp(struct sp4_msg *m) { m->stkm.cp = SP4_ABSENT; }
static void no_keys(struct sp4_msg *m) { m->n_keys = 0; }
static void short_key(struct sp4_msg *m) { m->keys[0].material.len = 16; }
static void no_material(struct sp4_msg *m) { m->keys[0].material.len = 0; }
static void other_cp(struct sp4_msg *m) { m->keys[0].cp = 7; }
static void other_next(struct sp4_msg *m) { m->keys[1].cp = 9; }
static void other_protection(struct sp4_msg *m) { m->keys[0].protection = SP4_ISMACRYP; }
static void not_authenticated(struct sp4_msg *m) { m->keys[0].authenticated = 0; }
static void other_profile(struct sp4_msg *m) { m->stkm.profile = SP4_SMARTCARD; }
static void long_id(struct sp4_msg *m) { m->keys[0].key_id.len = 9; }
static void long_duration(struct sp4_msg *m) { m->keys[0].duration_ds = 65536; }
static const struct { void (*spoil)(struct sp4_msg *); unsigned status; const char *named; } faults[] = {
	{ no_context,       BR_MISSING, "StkmContext is missing" }, { no_cp,             BR_MISSING, "@cp" },
	{ no_keys,          BR_MISSING, "KeyContext" },             { no_material,       BR_MISSING, "KeyMaterial" },
	{ short_key,        BR_INVALID, "KeyMaterial" },            { other_cp,          BR_INVALID, "@cp" },
	{ other_next,       BR_INVALID, "@cp" },                    { other_protection,  BR_INVALID, "@protection" },
	{ other_profile,    BR_INVALID, "@profile" },               { not_authenticated, BR_INVALID, "@authenticated" },
	{ long_id,          BR_INVALID, "KeyId" },                  { long_duration,     BR_INVALID, "@durationDs" },
};
START_TEST(a_faulty_request_is_answered_without_the_ecmg)
{
	struct sp4_msg m = request(5, 2);

	begin(1, false);
	hear();
	faults[_i].spoil(&m);
	xs_stream_ask(stream, &m, (void *)1, now);
	ck_assert_int_eq(got[1].n, 1);
	ck_assert_uint_eq(got[1].status, faults[_i].status);
	ck_assert_ptr_nonnull(strstr(got[1].reason, faults[_i].named));
	ck_assert_int_eq(fakes[0].provisions, 0);
	ask(2, 6, 1);
	hear();
	ck_assert_uint_eq(got[2].status, 0);
	end();
}
END_TEST

START_TEST(criteria_and_encrypted_keys_pass_through)
{
	struct sp4_msg m = request(5, 1);
	static const uint8_t criteria[] = { 1, 2, 3 }, encryption[] = { 9, 8 };

	begin(1, false);
	hear();
	m.stkm.access_criteria = (struct sp4_octets){ criteria, 3 };
	m.keys[0].cw_encryption = (struct sp4_octets){ encryption, 2 };
	m.keys[0].material.len = 40;	/* of what length, only the KMS knows */
	m.keys[0].duration_ds = SP4_ABSENT;
	xs_stream_ask(stream, &m, (void *)1, now);
	hear();
	ck_assert_uint_eq(got[1].status, 0);
	ck_assert_str_eq(fakes[0].last, "0012=0005 0014=0005050505050505 8002=00050005 000d=010203 8001=0101 0018=0908 ");
	end();
}
END_TEST

START_TEST(keys_made_here)
{
	struct sp4_msg nothing_said = request(7, 0);

	begin(1, true);
	fakes[0].lead_CW = 1;
	fakes[0].CW_per_msg = 2;
	hear();
	ask(1, 5, 0);
	hear();
	ck_assert_uint_eq(got[1].status, 0);
	ck_assert_int_eq(made, 2);
	ck_assert_str_eq(fakes[0].last, "0012=0005 0014=0005a5a5a5a5a5a5 0014=0006a6a6a6a6a6a6 8002=00050005 8002=00060006 8001=0101 ");
	ask(2, 6, 0);
	hear();
	ck_assert_int_eq(made, 3);
	fail_make = true;
	ask(3, 7, 0);
	hear();
	ck_assert_uint_eq(got[3].status, BR_NOT_GENERATED);
	ck_assert_str_eq(got[3].reason, "nothing could be stored");
	ask(4, 7, 2);			/* with keys, as in mode C */
	hear();
	ck_assert_uint_eq(got[4].status, 0);
	nothing_said.n_stkm = 0;	/* which crypto-period no one can guess */
	xs_stream_ask(stream, &nothing_said, (void *)5, now);
	ck_assert_uint_eq(got[5].status, BR_MISSING);
	ck_assert_ptr_nonnull(strstr(got[5].reason, "StkmContext is missing"));
	end();
}
END_TEST

START_TEST(what_waits_at_the_end_is_answered)
{
	begin(1, false);
	fakes[0].mute = true;
	hear();
	ask(1, 5, 1);
	ask(2, 6, 1);
	end();
	ck_assert_int_eq(got[1].n + got[2].n, 2);
	ck_assert_uint_eq(got[1].status, BR_DELAYED);
	ck_assert_uint_eq(got[2].status, BR_DELAYED);
}
END_TEST

/* Whatever an ECMG does, each question ends in one answer within seconds, and one CW_provision is outstanding at most. */
START_TEST(a_thousand_periods_with_faults)
{
	unsigned seed = 12345;
	size_t answered = 0;

	begin(2, false);
	hear();
	for (int64_t cp = 0; cp < 1000; cp++) {
		for (size_t i = 0; i < ECMGS; i++) {
			seed = seed * 1103515245 + 12345;
			fakes[i].off = (seed >> 16) % 13 == 0;
			fakes[i].mute = (seed >> 20) % 11 == 0;
			fakes[i].refuses = (seed >> 24) % 17 == 0 ? 0x7000 : 0;
		}
		hear();
		got[1].n = 0;
		ask(1, cp & 0xffff, 1);
		until(now + 5 * S);
		ck_assert_int_eq(got[1].n, 1);
		answered += got[1].status == 0;
		if (!fakes[0].off && !fakes[0].mute && !fakes[0].refuses && got[1].status)
			ck_assert_uint_ne(got[1].status, BR_SERVER_ERROR);
	}
	ck_assert_uint_gt(answered, 800);
	end();
}
END_TEST

SUITE("bridge_xs_ecmg", tcase_add_test(t, a_question_and_its_answer); tcase_add_test(t, one_is_outstanding_the_others_wait_in_order);
    tcase_add_test(t, a_full_queue_is_said_at_once);
    tcase_add_loop_test(t, a_refused_question_has_the_status_of_the_table, 0, sizeof(table) / sizeof(table[0]));
    tcase_add_loop_test(t, a_refused_stream_or_channel_has_it_after_a_second, 0, 2);
    tcase_add_loop_test(t, silence_is_delay_for_three_periods_then_an_error, 0, 2); tcase_add_test(t, an_ecmg_that_comes_in_time_is_waited_for);
    tcase_add_test(t, another_ecmg_takes_over); tcase_add_test(t, the_only_ecmg_dies_with_the_question_and_returns);
    tcase_add_test(t, current_and_next_key); tcase_add_test(t, the_key_before_is_remembered); tcase_add_test(t, many_periods_across_the_wrap);
    tcase_add_loop_test(t, a_faulty_request_is_answered_without_the_ecmg, 0, sizeof(faults) / sizeof(faults[0]));
    tcase_add_test(t, criteria_and_encrypted_keys_pass_through); tcase_add_test(t, keys_made_here);
    tcase_add_test(t, what_waits_at_the_end_is_answered); tcase_add_test(t, a_thousand_periods_with_faults))
