/* tests/unit/test_scs_record.c: a committed CP as bytes: round trip, restart in place, and nothing that is not whole */
#include <stdlib.h>
#include <string.h>
#include "proto/playout.h"
#include "scs/scs.h"
#include "tests/suite.h"

static const int64_t start = INT64_C(1795257000000000);
static const struct scs_terms terms = { .lead_CW = 1, .CW_per_msg = 2, .section_TSpkt_flag = 1, .delay_start = -2000, .delay_stop = -1500,
	.transition_delay_start = -3000, .ECM_rep_period = 400, .max_comp_time = 500, .min_CP_duration = 10 };
static char drm[] = "drm", card[] = "card", news[] = "news";
static struct he_kms kms[] = { { .name = drm, .super_cas_id = 0x00010001 }, { .name = card, .super_cas_id = 0x00020001 } };
static struct he_service service = { .scrambling = HE_SRTP };
static struct he_stkm stkm[] = { { .kms = &kms[0], .ecm_id = 1, .required = true }, { .kms = &kms[1], .ecm_id = 2 },
	{ .kms = &kms[1], .ecm_id = 3 } };
static const struct he_unit conf = { .id = news, .service = &service, .stkm = stkm, .nstkm = 3 };
static const bool required[] = { true, false, false };
static struct scs_unit_stream streams[3];
static struct scs_unit unit = { .conf = &conf, .streams = streams, .n = 3, .with_out = 3, .epoch = 9 };
static uint8_t packet[188] = { 0x47, 0x1f };

/* Stream 0 has an ECM, the optional stream 1 was left out, stream 2 goes to somebody else's mux. */
static struct scs_cp
prepare(struct scs_frames *f)
{
	struct scs_schedule_conf c = { .period_us = 10000000, .nstreams = 3, .required = required, .needs_mux = true };
	struct scs_cp cp = { .cp = 65537, .start_us = start, .duration_us = 12000000, .lead_us = 3100000, .first = true, .with = 5 };

	unit.schedule = scs_schedule_new(&c);
	ck_assert_int_eq(gw_addr_parse("udp://239.255.1.1:5010", GW_UDP, &stkm[0].out, NULL), 0);
	stkm[1].out = stkm[0].out;
	for (size_t i = 0; i < 3; i++)
		streams[i] = (struct scs_unit_stream){ .unit = &unit, .conf = &stkm[i], .terms = terms, .ecm = { .cp = -1 } };
	scs_schedule_stream_up(unit.schedule, 0, &terms, start);
	streams[0].ecm = (struct scs_ecm){ .cp = 65537, .p = packet, .len = sizeof(packet), .terms = terms };
	streams[1].ecm = (struct scs_ecm){ .cp = 65536, .p = packet, .len = sizeof(packet), .terms = terms };	/* of the CP before */
	streams[0].terms.section_TSpkt_flag = 2;	/* another ECMG since then */
	ck_assert_int_eq(scs_record_frames(&unit, &cp, f), 0);
	scs_schedule_free(unit.schedule);
	return cp;
}

static struct sim_msg
message(const struct scs_frames *f, size_t i)
{
	const uint8_t *p = NULL;
	struct sim_msg m;
	size_t at = 0, len = 0;

	for (size_t k = 0; k <= i; k++)
		ck_assert(scs_record_next(f, &at, &p, &len));
	ck_assert_int_eq(sim_decode(&playout, p, len, &m, NULL), 0);
	ck_assert_uint_eq(m.def->type, PLAYOUT_ECM_RECORD);
	return m;
}

START_TEST(what_the_mux_gets)
{
	struct scs_frames f;
	struct sim_msg m;

	prepare(&f);
	ck_assert_uint_eq(scs_record_count(&f), 2);
	m = message(&f, 0);
	ck_assert_int_eq(sim_int(&m, PLAYOUT_CP, 0), 65537);
	ck_assert_int_eq(sim_int(&m, PLAYOUT_START, 0), start);
	ck_assert_int_eq(sim_int(&m, PLAYOUT_EPOCH, 0), 9);
	ck_assert_int_eq(sim_int(&m, PLAYOUT_DELAY_START, 0), -3000);		/* the first after clear */
	ck_assert_int_eq(sim_int(&m, PLAYOUT_PREVIOUS_DELAY_STOP, 0), -1500);
	ck_assert_int_eq(sim_int(&m, PLAYOUT_ECM_REP_PERIOD, 0), 400);
	ck_assert_int_eq(sim_int(&m, PLAYOUT_SECTION_TSPKT, -1), 1);		/* as its ECMG had announced when it made it */
	ck_assert_uint_eq(sim_value(&m, PLAYOUT_ECM_DATAGRAM, 0)->len, sizeof(packet));
	m = message(&f, 1);	/* the left-out stream's last ECM is taken off the air, in a shape that any mux takes */
	ck_assert_uint_eq(sim_value(&m, PLAYOUT_ECM_DATAGRAM, 0)->len, 0);
	ck_assert_int_eq(sim_int(&m, PLAYOUT_SECTION_TSPKT, -1), 2);
	for (int hold = 1; hold >= 0; hold--) {	/* committed, and then released */
		ck_assert_int_eq(sim_int(&m, PLAYOUT_HOLD, -1), hold);
		scs_record_hold(&f, hold);
		m = message(&f, 0);
		ck_assert_int_eq(sim_int(&m, PLAYOUT_HOLD, -1), hold);
		scs_record_hold(&f, false);
		m = message(&f, 1);
	}
	ck_assert_int_eq(scs_record_place(&f, 0x00010001, 1), 0);
	ck_assert_int_eq(scs_record_place(&f, 0x00020001, 2), 1);
	ck_assert_int_eq(scs_record_place(&f, 0x00020001, 3), -1);
	free(f.p);
}
END_TEST

START_TEST(round_trip)
{
	struct scs_frames f, g;
	struct scs_cp cp = prepare(&f), back;
	struct gw_blob b = { 0 };

	ck_assert_int_eq(scs_record_pack(&cp, &f, &b), 0);
	ck_assert_int_eq(scs_record_unpack(b.p, b.len, &back, &g), 0);
	ck_assert(back.cp == cp.cp && back.start_us == cp.start_us && back.duration_us == cp.duration_us && back.lead_us == cp.lead_us);
	ck_assert(back.first && back.with == 5 && !back.released);
	ck_assert_int_eq(g.cp, cp.cp);
	ck_assert_uint_eq(g.len, f.len);
	ck_assert_mem_eq(g.p, f.p, f.len);
	free(g.p);
	free(b.p);
	free(f.p);
}
END_TEST

START_TEST(only_whole_messages_of_this_cp)
{
	struct scs_frames f, g;
	struct scs_cp cp = prepare(&f), back;
	struct gw_blob b = { 0 };
	size_t head, refused = 0;

	ck_assert_int_eq(scs_record_pack(&cp, &f, &b), 0);
	head = b.len - f.len;
	for (size_t n = 0; n < b.len; n++) {
		if (scs_record_unpack(b.p, n, &back, &g) < 0)
			refused++;
		else
			free(g.p);
	}
	ck_assert_uint_eq(refused, b.len - 2);		/* but for cuts between two messages */
	static const size_t bad[] = { 0, 1, 17, 25, 33 };	/* format, cp, duration, lead, first: the high octet */
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		b.p[bad[i]] ^= 0x80;
		ck_assert_int_eq(scs_record_unpack(b.p, b.len, &back, &g), -1);
		b.p[bad[i]] ^= 0x80;
	}
	b.p[8] ^= 1;					/* the record of another CP */
	ck_assert_int_eq(scs_record_unpack(b.p, b.len, &back, &g), -1);
	b.p[8] ^= 1;
	b.p[head + 2] ^= 1;				/* no ecm_record */
	ck_assert_int_eq(scs_record_unpack(b.p, b.len, &back, &g), -1);
	free(b.p);
	free(f.p);
}
END_TEST

START_TEST(restart_in_place)
{
	struct scs_frames f, g;
	size_t at = 0, len;
	const uint8_t *p;

	prepare(&f);
	prepare(&g);
	ck_assert_int_eq(scs_record_restart(&f, start + 4100000), 0);
	ck_assert_uint_eq(f.len, g.len);
	for (size_t i = 0; i < 2; i++) {
		struct sim_msg m = message(&f, i);
		ck_assert_int_eq(sim_int(&m, PLAYOUT_START, 0), start + 4100000);
	}
	ck_assert_int_eq(scs_record_restart(&f, start), 0);
	ck_assert_mem_eq(f.p, g.p, g.len);		/* nothing else has changed */
	f.p[0] = 77;					/* no message of ours any more */
	ck_assert_int_eq(scs_record_restart(&f, start), -1);
	while (scs_record_next(&g, &at, &p, &len))
		;
	ck_assert_uint_eq(at, g.len);
	free(f.p);
	free(g.p);
}
END_TEST

START_TEST(a_unit_without_a_mux_has_a_record_too)
{
	struct scs_frames f, g;
	struct scs_cp cp, back;
	struct gw_blob b = { 0 };

	unit.with_out = 0;
	cp = prepare(&f);
	unit.with_out = 3;
	ck_assert_ptr_nonnull(f.p);
	ck_assert_uint_eq(scs_record_count(&f), 0);
	ck_assert_int_eq(scs_record_restart(&f, start + 1), 0);
	ck_assert_int_eq(scs_record_pack(&cp, &f, &b), 0);
	ck_assert_int_eq(scs_record_unpack(b.p, b.len, &back, &g), 0);
	ck_assert_int_eq(back.cp, 65537);
	free(f.p);
	free(g.p);
	free(b.p);
}
END_TEST

SUITE("scs_record", tcase_add_test(t, what_the_mux_gets); tcase_add_test(t, round_trip); tcase_add_test(t, only_whole_messages_of_this_cp);
      tcase_add_test(t, restart_in_place); tcase_add_test(t, a_unit_without_a_mux_has_a_record_too))
