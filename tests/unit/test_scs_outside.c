/*
 * tests/unit/test_scs_outside.c: keys that a BSM makes. A unit as it is in the SCS, with its schedule and its store on disk; what is around it
 * (ECMG, scramblers, bridge, BSM, clock) is played here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/playout.h"
#include "scs/scs.h"
#include "tests/suite.h"
#include "tests/unit/scratch.h"

enum { TEK = 32, NEVER = -1 };
#define S INT64_C(1000000)
static const int64_t T0 = INT64_C(1795257000) * S;

static char bridge[] = "b1", other_bridge[] = "b2", news[] = "news", sport[] = "sport", bsm[] = "bsm";
static struct he_kms kms = { .name = bsm, .super_cas_id = 0x00010001 };
static struct he_stkm stkm = { .kms = &kms, .ecm_id = 1, .required = true };
static struct he_service services[2];
static struct he_unit units[2];
static struct headend he = { .services = services, .nservices = 2 };
static struct scs_peer peer = { .kms = &kms }, *peers[] = { &peer };
static struct scs app;
static struct scs_unit *u;
static int64_t now;

/* What the doubles saw, and how they behave. */
static struct {
	int64_t asked_from, asked_last; unsigned requests;	/* of the key source */
	int64_t acked; unsigned acks;
	bool up, ecmg_up;
	int64_t ecm_cp;			/* the ECMG was asked */
	int64_t installed; unsigned installs;
} saw;

int64_t scs_now(struct scs *a) { (void)a; return now; }
int scs_peer_join(struct scs_peer *p, struct scs_unit_stream *t, struct gw_err *err) { (void)err; t->peer = p; return 0; }
void scs_peer_leave(struct scs_peer *p, struct scs_unit_stream *t) { (void)p, (void)t; }
void scs_follow_air(struct scs_unit *unit, const struct scs_cp *cp) { (void)unit, (void)cp; }
void scs_follow_end(struct scs_unit *unit) { (void)unit; }
void scs_follow_count(struct scs_unit *unit) { (void)unit; }

void
scs_peer_ask(struct scs_peer *p, const struct scs_unit_stream *t, int64_t cp, int64_t duration_us)
{
	(void)p, (void)duration_us;
	for (int64_t k = cp; k <= cp + t->terms.lead_CW; k++)	/* what CW_provision carries is stored by then */
		ck_assert_msg(scs_unit_key(t->unit, k) && scs_unit_key(t->unit, k)->durable, "CP %d", (int)k);
	saw.ecm_cp = cp;
}

void
scs_follow_request(struct scs_unit *unit)
{
	unit->outside.up = saw.up;
	if (!saw.up || !unit->outside.wanted)
		return;
	saw.asked_from = unit->outside.from;
	saw.asked_last = unit->outside.last;
	saw.requests++;
}

void
scs_follow_supplied(struct scs_unit *unit, const struct scs_key_entry *k)
{
	ck_assert(unit && k->durable);
	saw.acked = k->cp;
	saw.acks++;
}

/* The one BSM's key of a CP. */
static void
key_of(int64_t cp, uint8_t key[TEK])
{
	for (int i = 0; i < TEK; i++)
		key[i] = (uint8_t)(cp * 131 + i * 7 + (cp >> 8));
}

void
scs_follow_install(struct scs_unit *unit, const struct scs_cp *cp)
{
	const struct scs_key_entry *k = scs_unit_key(unit, cp->cp);
	uint8_t key[TEK];

	key_of(cp->cp, key);
	ck_assert_msg(cp->mode == SCS_SCRAMBLED && k && k->durable && gw_secret_equal(&k->material, key, TEK), "CP %d", (int)cp->cp);
	ck_assert_int_gt(cp->cp, saw.installed);
	saw.installed = cp->cp;
	saw.installs++;
}

static void
open_unit(void)
{
	struct gw_err err = { 0 };

	u = scs_unit_open(&app, &units[0], &err);
	ck_assert_msg(u != NULL, "%s", err.text);
	saw.ecmg_up = false;
	saw.ecm_cp = NEVER;
}

static void
setup(void)
{
	struct gw_err err = { 0 };

	gw_log_init("test", GW_ERR);
	now = T0;
	saw.installed = saw.acked = saw.ecm_cp = NEVER;
	saw.up = true;
	services[0] = (struct he_service){ .id = news, .scrambling = HE_IPSEC, .authentication = true, .crypto_period_ms = 10000, .outside_keys = bridge,
		.extension_alarm_ms = 30000, .units = &units[0], .nunits = 1 };
	services[1] = (struct he_service){ .id = sport, .scrambling = HE_IPSEC, .units = &units[1], .nunits = 1 };
	units[0] = (struct he_unit){ .id = news, .service = &services[0], .stkm = &stkm, .nstkm = 1, .index = 1 };
	units[1] = (struct he_unit){ .id = sport, .service = &services[1], .index = 2 };
	app = (struct scs){ .he = &he, .peers = peers, .npeers = 1, .rate = { .burst = 5, .per_ms = 10000 } };
	uv_loop_init(&app.loop);
	ck_assert_int_eq(gw_secrets_init(1024, true, &err), 0);
	ck_assert_msg(gw_store_open(scratch("scs.db"), &app.store, &err) == 0 && gw_wrap_open(scratch("scs.key"), app.store, &app.wrap, &err) == 0,
	    "%s", err.text);
	open_unit();
}

static void
close_unit(void)
{
	scs_unit_close(u, false);
	while (uv_run(&app.loop, UV_RUN_NOWAIT))
		;
}

static void
teardown(void)
{
	close_unit();
	uv_loop_close(&app.loop);
	gw_wrap_close(app.wrap);
	gw_store_close(app.store);
	gw_secrets_fini();
}

/* As a DRM-profile STKMG: the current key and the next. */
static void
ecmg_comes(void)
{
	static const struct scs_terms terms = { .lead_CW = 1, .CW_per_msg = 2, .section_TSpkt_flag = 2, .delay_start = -2000, .delay_stop = -2000,
		.transition_delay_start = -2000, .max_comp_time = 500, .min_CP_duration = 10 };

	saw.ecmg_up = true;
	u->streams[0].terms = terms;
	scs_schedule_stream_up(u->schedule, 0, &terms, now);
	scs_touch(u);
}

static void
ecmg_answers(void)
{
	int64_t cp = saw.ecm_cp;

	if (!saw.ecmg_up || cp < 0)
		return;
	saw.ecm_cp = NEVER;
	free(u->streams[0].ecm.p);
	u->streams[0].ecm = (struct scs_ecm){ .cp = cp, .p = calloc(1, 8), .len = 8, .terms = u->streams[0].terms };
	scs_schedule_ecm(u->schedule, 0, cp, now);
	scs_touch(u);
}

/* A turn of the loop, at a time. */
static void
turn(int64_t at)
{
	now = at;
	scs_schedule_tick(u->schedule, now);
	scs_touch(u);
	scs_work(&app);
	ecmg_answers();
	scs_work(&app);
}

static int
supply_as(struct scs_supply s)
{
	const char *why = NULL;
	int status = scs_outside_take(u, &s, &why);

	ck_assert((status > 0) == (why != NULL));
	return status;
}

static struct scs_supply
good(int64_t cp, uint8_t key[TEK])
{
	key_of(cp, key);
	return (struct scs_supply){ .source = bridge, .cp = cp, .protection = HE_IPSEC, .authenticated = true, .material = key, .len = TEK };
}

static int
supply(int64_t cp)
{
	uint8_t key[TEK];

	return supply_as(good(cp, key));
}

START_TEST(keys_are_asked_for_stored_and_used)
{
	char says[200];

	turn(T0);
	ck_assert_uint_eq(saw.requests, 0);	/* before any stream says how far it looks */
	ecmg_comes();
	turn(T0 + S);
	ck_assert(saw.asked_from == 0 && saw.asked_last == 1 && saw.ecm_cp == NEVER);
	ck_assert_str_eq(scs_outside_says(u, says, sizeof(says)), "no key of crypto-period 0 yet: asked for");
	ck_assert_int_eq(supply(0), SCS_KEY_TAKEN);
	turn(T0 + S);
	ck_assert(saw.acked == 0 && saw.acks == 1 && saw.ecm_cp == NEVER);	/* one of two */
	ck_assert_int_eq(supply(1), SCS_KEY_TAKEN);
	turn(T0 + S);	/* no second goes by */
	ck_assert(saw.acks == 2 && saw.installed == 0);
	ck_assert(!u->outside.wanted || u->outside.from == 2);
	ck_assert(saw.asked_from == 2 && saw.asked_last == 2);	/* in good time, for the next one */
	ck_assert_str_eq(scs_outside_says(u, says, sizeof(says)), "");
	ck_assert_int_eq(supply(2), SCS_KEY_TAKEN);
	for (int64_t t = T0 + S; saw.installed < 1 && t < T0 + 30 * S; t += S)
		turn(t);
	ck_assert_int_eq(saw.installed, 1);
	ck_assert_uint_eq(u->generated, 3);
}
END_TEST

START_TEST(missing_keys_prolong_and_say_why)
{
	char says[200];

	ecmg_comes();
	supply(0), supply(1);
	turn(T0);
	ck_assert_int_eq(saw.installed, 0);
	saw.up = false;
	for (int64_t t = T0; t < T0 + 60 * S; t += S / 2)
		turn(t);
	ck_assert_int_eq(saw.installed, 0);
	ck_assert(scs_schedule_in_alarm(u->schedule) && scs_schedule_mode(u->schedule) == SCS_SCRAMBLED && u->extensions == 1);
	ck_assert_str_eq(scs_outside_says(u, says, sizeof(says)), "no key of crypto-period 2 yet: the bridge is not connected");
	saw.up = true;
	saw.requests = 0;
	scs_outside_failed(u, "the BSM is away, and more", 15);
	ck_assert_str_eq(scs_outside_says(u, says, sizeof(says)), "no key of crypto-period 2 yet: the bridge is not connected");
	scs_follow_request(u);	/* it connects */
	ck_assert_str_eq(scs_outside_says(u, says, sizeof(says)), "no key of crypto-period 2 yet: the BSM is away");
	ck_assert(saw.requests == 1 && saw.asked_from == 2 && saw.asked_last == 2);
	supply(2);
	turn(T0 + 60 * S);
	turn(T0 + 61 * S);
	ck_assert_int_eq(saw.installed, 1);
	ck_assert(!scs_schedule_in_alarm(u->schedule));
}
END_TEST

START_TEST(what_is_refused)
{
	static const struct { struct scs_supply s; int status; } rows[] = {
		/* of CP 0 there is a key already, of 1 none */
		{ { .cp = 0 }, SCS_KEY_HELD },
		{ { .cp = 0, .id = (const uint8_t *)"\x80\x01\x00\x00", .id_len = 4 }, SCS_KEY_HELD },	/* which is its name by our rule */
		{ { .cp = 0, .id = (const uint8_t *)"\x90\x00\x00\x00", .id_len = 4 }, PLAYOUT_E_CONFLICT },
		{ { .cp = 0, .material = (const uint8_t *)"another key of thirty-two octets" }, PLAYOUT_E_CONFLICT },
		{ { .cp = 1, .source = other_bridge }, PLAYOUT_E_ROLE },
		{ { .cp = 1, .protection = HE_SRTP + 1 }, PLAYOUT_E_PROTECTION },
		{ { .cp = 1, .len = 16 }, PLAYOUT_E_LENGTH },
		{ { .cp = 1, .len = 33 }, PLAYOUT_E_LENGTH },
		{ { .cp = 65 }, PLAYOUT_E_OVER },	/* too far ahead */
		{ { .cp = 1, .id = (const uint8_t *)"\x01", .id_len = 1 }, PLAYOUT_E_IDENTIFIER },
		{ { .cp = 1, .id = (const uint8_t *)"\0\0\0\xff", .id_len = 4 }, PLAYOUT_E_IDENTIFIER },	/* reserved */
		{ { .cp = 1, .id = (const uint8_t *)"\x80\x02\0\1", .id_len = 4 }, PLAYOUT_E_IDENTIFIER },	/* of sport */
		{ { .cp = 1, .id = (const uint8_t *)"\x80\x01\0\0", .id_len = 4 }, PLAYOUT_E_IDENTIFIER },	/* of CP 0 */
		{ { .cp = 64 }, SCS_KEY_TAKEN },
		{ { .cp = 1, .id = (const uint8_t *)"\0\0\1\0", .id_len = 4 }, SCS_KEY_TAKEN },
	};
	uint64_t refused = 0;
	uint8_t key[TEK], id[8];

	supply(0);
	turn(T0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scs_supply s = good(rows[i].s.cp, key);
		if (rows[i].s.source)
			s.source = rows[i].s.source;
		if (rows[i].s.material)
			s.material = rows[i].s.material;
		if (rows[i].s.len)
			s.len = rows[i].s.len;
		if (rows[i].s.protection)
			s.protection = HE_SRTP;
		s.id = rows[i].s.id, s.id_len = rows[i].s.id_len;
		int status = supply_as(s);
		ck_assert_msg(status == rows[i].status, "row %zu: %d, not %d", i, status, rows[i].status);
		refused += status > 0;
	}
	ck_assert_uint_eq(u->outside.refused, refused);
	struct scs_supply twice = good(0, key);
	twice.cp = 2;
	ck_assert_int_eq(supply_as(twice), PLAYOUT_E_CONFLICT);	/* the key of CP 0 once more */
	twice = good(2, key);
	twice.authenticated = false;
	ck_assert_int_eq(supply_as(twice), PLAYOUT_E_PROTECTION);
	turn(T0);
	ck_assert_uint_eq(scs_unit_key_id(u, 1, id), 4);	/* the BSM's name for it is kept */
	ck_assert_mem_eq(id, "\0\0\1\0", 4);
	close_unit();
	open_unit();
	ck_assert_uint_eq(scs_unit_key_id(u, 1, id), 4);	/* on disk, too */
	ck_assert_mem_eq(id, "\0\0\1\0", 4);
	ck_assert(gw_secret_equal(&scs_unit_key(u, 64)->material, (key_of(64, key), key), TEK));
	ck_assert_uint_eq(scs_unit_key_id(u, 64, id), 4);
	ck_assert_mem_eq(id, "\x80\x01\0\x40", 4);
	ck_assert_int_eq(supply(64), SCS_KEY_HELD);
}
END_TEST

/* 0xFFFF and 0 are neighbours on the wire, and no neighbours here. Of a transport stream the name of a key is its parity. */
START_TEST(identifiers_of_transport_streams)
{
	uint8_t key[TEK], id[8];
	struct scs_supply s = good(1, key);

	services[0].scrambling = s.protection = HE_CISSA;
	services[0].authentication = s.authenticated = false;
	s.len = 16;
	s.id = (const uint8_t *)"\0", s.id_len = 1;
	ck_assert_int_eq(supply_as(s), PLAYOUT_E_IDENTIFIER);	/* CP 1 is odd */
	s.id = (const uint8_t *)"\1";
	ck_assert_int_eq(supply_as(s), SCS_KEY_TAKEN);
	ck_assert_uint_eq(scs_unit_key_id(u, 1, id), 0);
	s = good(2, key);
	s.protection = HE_CISSA, s.authenticated = false, s.len = 16;
	ck_assert_int_eq(supply_as(s), SCS_KEY_TAKEN);
	scs_work(&app);
}
END_TEST

/* What was made here is never taken for what a BSM made, nor the other way round. */
START_TEST(origin_does_not_change)
{
	struct gw_err err = { 0 };

	supply(0);
	turn(T0);
	close_unit();
	services[0].outside_keys = NULL;
	ck_assert_ptr_null(scs_unit_open(&app, &units[0], &err));
	ck_assert_ptr_nonnull(strstr(err.text, "where its keys come from"));
	services[0].outside_keys = bridge;
	open_unit();
}
END_TEST

/* What is brought for one is not the other's, nor in its way. */
START_TEST(services_apart)
{
	struct he_stkm other = stkm;
	struct gw_err err = { 0 };
	struct scs_unit *v;
	uint8_t key[TEK];
	struct scs_supply s = good(0, key);
	const char *why;

	services[1] = services[0];
	services[1].id = sport;
	other.ecm_id = 2;
	units[1].stkm = &other;
	units[1].nstkm = 1;
	ck_assert_ptr_nonnull(v = scs_unit_open(&app, &units[1], &err));
	supply(0), supply(1);
	turn(T0);
	ck_assert(scs_unit_key(u, 0) && scs_unit_key(u, 1) && !scs_unit_key(v, 0));
	ck_assert_int_eq(scs_outside_take(v, (key[0] ^= 1, &s), &why), SCS_KEY_TAKEN);
	scs_work(&app);
	ck_assert(scs_unit_key(v, 0)->durable && !gw_secret_equal(&scs_unit_key(u, 0)->material, key, TEK));
	ck_assert(u->outside.refused == 0 && v->outside.refused == 0 && v->outside.taken == 1 && u->outside.taken == 2);
	scs_unit_close(v, false);
}
END_TEST

START_TEST(store_that_is_away)
{
	int64_t epoch;

	ecmg_comes();
	supply(0), supply(1);
	turn(T0);
	ck_assert_int_eq(saw.installed, 0);
	gw_store_begin(app.store);
	supply(2);
	scs_keys_store_supplied(u);
	gw_store_drop(app.store);
	scs_keys_settle(u, false);	/* the disk was full */
	ck_assert(!scs_unit_key(u, 2) && saw.acks == 2);
	ck_assert_int_eq(supply(2), SCS_KEY_TAKEN);
	ck_assert_int_eq(supply(2), SCS_KEY_TAKEN);	/* the same, before it is stored */
	turn(T0 + S);
	ck_assert(saw.acked == 2 && saw.acks == 3 && !app.fenced);
	ck_assert(gw_store_own(app.store, news, &epoch) == GW_WON);	/* another SCS */
	supply(3);
	scs_touch(u);
	app.dirty = u;
	gw_store_begin(app.store);
	ck_assert_int_eq(scs_keys_store_supplied(u), GW_FENCED);
	gw_store_drop(app.store);
	app.dirty = NULL;
	u->dirty = false;
}
END_TEST

/*
 * Hours of faults: bridge and BSM away for up to ten minutes, keys lost on the way, doubled, in any order, of another BSM, with wrong lengths; an SCS that is killed
 * at any time. Every CP has the one BSM's key (scs_follow_install), whatever happens; nothing is ever clear; and all goes on when it can.
 */
static unsigned
dice(unsigned n)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	return (unsigned)(x % n);
}

static void
bring(int64_t cp)
{
	uint8_t key[TEK];
	struct scs_supply s = good(cp, key);
	const unsigned what = dice(20);

	if (what == 0)
		return;		/* lost */
	if (what == 1)
		s.len = dice(TEK);
	if (what == 2)
		s.source = other_bridge;
	if (what == 3 && scs_unit_key(u, cp))	/* a second BSM; the first was first */
		key[dice(TEK)] ^= 1;
	if (what == 4)
		s.cp -= 3;	/* a BSM that counts otherwise: the key of the wrong CP */
	if (what == 4 && (s.cp < 0 || !scs_unit_key(u, s.cp)))
		return;
	int status = supply_as(s);
	ck_assert(what != 1 || status > 0);
	ck_assert(what != 2 || status == PLAYOUT_E_ROLE);
	ck_assert(what != 3 || status == SCS_KEY_TAKEN || status == PLAYOUT_E_CONFLICT || status == PLAYOUT_E_OVER);
	ck_assert(what != 4 || status > 0);
}

START_TEST(hours_of_faults)
{
	int64_t end = T0 + 3 * 3600 * S, away = 0, killed = 0, last = now;
	unsigned installs = 0, restarts = 0;

	ecmg_comes();
	for (int64_t t = T0; t < end; t += (100 + dice(2000)) * 1000) {
		if (dice(1000) == 0)
			away = t + dice(600) * S;
		saw.up = t >= away;
		if (dice(1500) == 0) {
			close_unit();
			open_unit();
			restarts++;
			killed = t + dice(20) * S;
		}
		if (!saw.ecmg_up && t >= killed)
			ecmg_comes();
		turn(t);
		if (saw.up && saw.asked_last >= 0 && u->outside.wanted)
			for (int64_t cp = saw.asked_from + dice(2); cp <= saw.asked_last; cp++)
				bring(cp);
		turn(t);
		if (saw.installs != installs || t < away || !saw.ecmg_up)
			installs = saw.installs, last = t;
		ck_assert_msg(t - last < 60 * S, "stuck at CP %d: %s", (int)saw.installed, scs_schedule_phase(u->schedule));
	}
	printf("# installs=%u restarts=%u requests=%u acks=%u refused=%u\n", saw.installs, restarts, saw.requests, saw.acks,
	    (unsigned)u->outside.refused);
	ck_assert_uint_gt(saw.installs, 400);
	ck_assert_uint_gt(restarts, 1);
}
END_TEST

SUITE("scs_outside", tcase_add_checked_fixture(t, setup, teardown); tcase_set_timeout(t, 120); tcase_add_test(t, keys_are_asked_for_stored_and_used);
    tcase_add_test(t, missing_keys_prolong_and_say_why); tcase_add_test(t, what_is_refused); tcase_add_test(t, identifiers_of_transport_streams);
    tcase_add_test(t, origin_does_not_change); tcase_add_test(t, services_apart); tcase_add_test(t, store_that_is_away); tcase_add_test(t, hours_of_faults))
