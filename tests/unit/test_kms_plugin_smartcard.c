/* tests/unit/test_kms_plugin_smartcard.c: the plugin as the ECMG calls it, its STKMs as a card opens them */
#include "tests/unit/kms_host.h"
#include "kms/keys.h"

static const char keys[] = "profile: smartcard\nkey_domain: 0x00f110\nservices:\n  news:\n    sek:\n"
	"      - { id: 0x00010001, key: 0x5e4b0000000000000000000000000001, RAND: 0xa0a1a2a3a4a5a6a7a8a9aaabacadaeaf, lower: 0, upper: 1000, first_cp: 1 }\n";

static const struct kms_plugin *p;
static json_t *vectors;
static uint8_t cw[48], id[8];
static struct kms_cw cws[2];
static struct kms_request ask;
static uint8_t ecm[KMS_ECM_MAX];
static char why[400];

/* The request of V30. */
static void *
ready(const char *more)
{
	vectors = vec_json("bcast/mikey-vectors.json");
	json_t *v = json_object_get(json_object_get(vectors, "vectors"), "V30_stkmg_mapping");

	p = load("smartcard");
	cws[0] = (struct kms_cw){ .cp_number = 2, .cw = cw, .cw_len = unhex(json_string_value(json_object_get(v, "cw")), cw, sizeof(cw)),
		.key_id = id, .key_id_len = unhex("0002", id, sizeof(id)) };
	ask = (struct kms_request){ .size = sizeof(ask), .super_cas_id = 0x00020001, .ecm_id = 2, .cp_number = 2, .cp_duration_100ms = 200,
		.has_protection = 1, .protection = 1, .authenticated = 1, .cws = cws, .ncws = 1 };
	return open_keyed(p, private_file(keys, 0600), more);
}

static int
go(void *state)
{
	return p->ecm(state, &ask, ecm, sizeof(ecm), why, sizeof(why));
}

static enum rx_result
receive(int n, struct rx_keys *got)
{
	const char *path = private_file(keys, 0600);
	struct keys_card c;

	ck_assert_int_eq(keys_card_load(path, &c, NULL), 0);
	unlink(path);
	struct msk_rx rx = { .keys = c.all, .nkeys = c.nall, .protocol = STKM_SRTP, .authenticated = true };
	enum rx_result r = msk_receive(&rx, ecm, (size_t)n, got);
	keys_card_free(&c);
	return r;
}

START_TEST(v30_gives_v13)
{
	void *s = ready("ext_bcast=min\n");
	json_t *v = json_object_get(json_object_get(vectors, "vectors"), "V30_stkmg_mapping");
	uint8_t want[256];
	size_t n = unhex(json_string_value(json_object_get(v, "ecm_datagram")), want, sizeof(want));

	for (int twice = 0; twice < 2; twice++) {
		ck_assert_msg(go(s) == (int)n, "%s", why);
		ck_assert_mem_eq(ecm, want, n);
	}
	p->close(s);
}
END_TEST

START_TEST(channel_is_as_designed)
{
	struct kms_channel c = { 0 };
	void *s = ready("");

	ck_assert_uint_eq(p->calling, KMS_ASYNC);	/* with a store; a key file answers at once */
	ck_assert_int_eq(p->channel(s, 0x00020001, &c, why, sizeof(why)), 0);
	ck_assert_uint_eq(c.section_TSpkt_flag, 2);
	ck_assert_uint_eq(c.lead_CW, 0);
	ck_assert_uint_eq(c.CW_per_msg, 1);
	ck_assert_int_eq(c.delay_start, -2000);
	ck_assert_int_eq(c.delay_stop, -2000);
	ck_assert_int_eq(p->channel(s, 0x00010001, &c, why, sizeof(why)), -0x0005);
	ck_assert_int_eq(p->stream(s, 0x00020001, 77, why, sizeof(why)), 0);	/* one service: every ECM_id is its */
	p->close(s);
}
END_TEST

/* What the SCS sends for each protection: key material without padding, and an identifier where packets carry one. */
static const struct { uint8_t protection, authenticated; size_t cw, id; } protections[] = {
	{ STKM_IPSEC, 0, 16, 4 }, { STKM_IPSEC, 1, 32, 4 }, { STKM_SRTP, 0, 30, 2 }, { STKM_SRTP, 1, 30, 2 },
	{ STKM_ISMACRYP, 0, 24, 1 }, { STKM_ISMACRYP, 1, 40, 1 }, { STKM_TS, 0, 16, 0 },
};

START_TEST(every_protection_arrives)	/* _i: row; with EXT BCAST, or known from the service */
{
	size_t row = (size_t)_i / 2;
	void *s = ready(_i % 2 ? "ext_bcast=min\n" : "");
	const char *path = private_file(keys, 0600);
	struct keys_card c;
	struct rx_keys got;

	ck_assert_int_eq(keys_card_load(path, &c, NULL), 0);
	unlink(path);
	struct msk_rx rx = { .keys = c.all, .nkeys = c.nall, .protocol = protections[row].protection, .authenticated = protections[row].authenticated };
	ask.protection = protections[row].protection;
	ask.authenticated = protections[row].authenticated;
	stkm_key_id(ask.protection, 5, 2, id);
	cws[0].cw_len = protections[row].cw;
	cws[0].key_id_len = protections[row].id;
	int n = go(s);
	ck_assert_msg(n > 0, "%s", why);
	ck_assert_int_eq(msk_receive(&rx, ecm, (size_t)n, &got), RX_NEW);
	ck_assert_uint_eq(got.n, 1);
	ck_assert_uint_eq(got.key[0].id_len, protections[row].id ? protections[row].id : 1);	/* of TS: the parity */
	ck_assert_mem_eq(got.key[0].id, id, got.key[0].id_len);
	ck_assert_uint_eq(got.key[0].tkm.layout->protocol, ask.protection);
	ck_assert_uint_eq(tkm_len(&got.key[0].tkm), protections[row].cw);
	ck_assert_mem_eq(got.key[0].tkm.cw, cw, protections[row].cw);
	keys_card_free(&c);
	p->close(s);
}
END_TEST

START_TEST(mbms_mode_sends_no_identifier)
{
	void *s = ready("key_id_mode=mbms\n");
	struct rx_keys got;
	int n = go(s);

	ck_assert_msg(n > 0, "%s", why);
	ck_assert_int_eq(receive(n, &got), RX_NEW);
	ck_assert_uint_eq(got.key[0].id_len, 6);
	ck_assert_mem_eq(got.key[0].id, "\0\1\0\1\0\2", 6);
	ck_assert_uint_eq(got.lifetime_s, 0);	/* no EXT BCAST by default */
	ck_assert_mem_eq(got.key[0].tkm.cw, cw, 30);
	p->close(s);
}
END_TEST

START_TEST(criteria_force_the_extension)
{
	static const uint8_t criteria[] = { 1, 2, 0, 9 };
	void *s = ready("");
	struct mikey_management d;
	struct mikey m;

	ask.access_criteria = criteria;
	ask.access_criteria_len = sizeof(criteria);
	int n = go(s);
	ck_assert_msg(n > 0, "%s", why);
	ck_assert_int_eq(mikey_decode(ecm, (size_t)n, &m, NULL), 0);
	ck_assert_int_eq(mikey_management(&m.bcast, &d, NULL), 0);
	ck_assert_uint_eq(d.criteria.len, sizeof(criteria));
	ck_assert_mem_eq(d.criteria.p, criteria, sizeof(criteria));
	ask.access_criteria_len = 3;
	ck_assert_int_eq(go(s), -0x0011);
	p->close(s);
}
END_TEST

START_TEST(the_combination_of_the_period_is_taken)
{
	void *s = ready("");
	uint8_t other[30] = { 9 };
	struct rx_keys got;

	cws[1] = cws[0];
	cws[0] = (struct kms_cw){ .cp_number = 1, .cw = other, .cw_len = 30 };
	ask.ncws = 2;
	int n = go(s);
	ck_assert_msg(n > 0, "%s", why);
	ck_assert_int_eq(receive(n, &got), RX_NEW);
	ck_assert_mem_eq(got.key[0].tkm.cw, cw, 30);
	ask.ncws = 1;
	ck_assert_int_eq(go(s), -0x000b);
	p->close(s);
}
END_TEST

START_TEST(a_second_tek_for_a_period_is_refused)
{
	void *s = ready("");
	uint8_t again[512], other[30] = { 1 };
	int n = go(s);

	ck_assert_int_gt(n, 0);
	memcpy(again, ecm, (size_t)n);
	cws[0].cw = other;
	ck_assert_int_eq(go(s), -0x0011);
	ask.ecm_id = 3;		/* another stream of the same SEK would reuse its keystream, too */
	ck_assert_int_eq(go(s), -0x0011);
	cws[0].cw = cw;
	ck_assert_int_eq(go(s), n);
	ck_assert_mem_eq(ecm, again, (size_t)n);
	p->close(s);
}
END_TEST

START_TEST(beyond_the_interval_there_is_no_stkm)
{
	void *s = ready("");

	ask.cp_number = cws[0].cp_number = 989;
	ck_assert_int_gt(go(s), 0);
	ck_assert_int_eq(logged[KMS_LOG_WARNING], 0);
	ask.cp_number = cws[0].cp_number = 990;
	ck_assert_int_gt(go(s), 0);
	ck_assert_int_eq(logged[KMS_LOG_WARNING], 1);	/* ten are left */
	ask.cp_number = cws[0].cp_number = 1000;
	ck_assert_int_gt(go(s), 0);
	ask.cp_number = cws[0].cp_number = 1001;
	ck_assert_int_eq(go(s), -0x8014);
	ask.cp_number = cws[0].cp_number = 0;	/* before the key came into use */
	ck_assert_int_eq(go(s), -0x8014);
	p->close(s);
}
END_TEST

START_TEST(salt_is_needed)
{
	void *s = ready("");

	cws[0].cw_len = 16;
	ck_assert_int_eq(go(s), -0x0011);
	ck_assert_ptr_nonnull(strstr(why, "CP 2"));
	p->close(s);
}
END_TEST

START_TEST(bad_settings_are_refused)
{
	static const char *const conf[] = { "", "ext_bcast=full\n", "key_id_mode=\n", "keys=/nonexistent\n", "lead_CW=1\n",
		"store=/nonexistent/kms.db\n", "keys=/nonexistent\nstore=/nonexistent\n", "keys=/nonexistent\nmaster=/nonexistent\n" };
	void *state;

	p = load("smartcard");
	for (size_t k = 0; k < sizeof(conf) / sizeof(conf[0]); k++)
		ck_assert_int_eq(p->open(&host, conf[k], &state, why, sizeof(why)), -1);
}
END_TEST

SUITE("kms_plugin_smartcard",
      tcase_add_loop_test(t, every_protection_arrives, 0, 2 * sizeof(protections) / sizeof(protections[0])); tcase_add_test(t, v30_gives_v13); tcase_add_test(t, channel_is_as_designed);
      tcase_add_test(t, mbms_mode_sends_no_identifier); tcase_add_test(t, criteria_force_the_extension);
      tcase_add_test(t, the_combination_of_the_period_is_taken); tcase_add_test(t, a_second_tek_for_a_period_is_refused);
      tcase_add_test(t, beyond_the_interval_there_is_no_stkm); tcase_add_test(t, salt_is_needed); tcase_add_test(t, bad_settings_are_refused))
