/* tests/unit/test_kms_plugin_drm.c: the plugin as the ECMG calls it, its STKMs as a receiver opens them */
#include "tests/unit/kms_host.h"
#include "kms/keys.h"
#include "lib/clock.h"

static const struct kms_plugin *p;
static uint8_t tek[2][30];	/* SRTP: key and salt */
static struct kms_cw cws[2];
static struct kms_request ask;
static uint8_t ecm[KMS_ECM_MAX];
static char why[400];

static void *
ready(const char *path, const char *more)
{
	p = load("drm");
	for (size_t k = 0; k < sizeof(tek); k++)
		tek[k / 30][k % 30] = (uint8_t)(k + 1);
	for (uint16_t k = 0; k < 2; k++)
		cws[k] = (struct kms_cw){ .cp_number = (uint16_t)(100 + k), .cw = tek[k], .cw_len = 30 };
	ask = (struct kms_request){ .size = sizeof(ask), .super_cas_id = 0x00010001, .ecm_id = 1, .cp_number = 100, .cp_duration_100ms = 100,
		.has_protection = 1, .protection = 1, .authenticated = 1, .cws = cws, .ncws = 2 };
	return open_keyed(p, path, more);
}

static int
go(void *state)
{
	return p->ecm(state, &ask, ecm, sizeof(ecm), why, sizeof(why));
}

static enum rx_result
receive(struct drm_rx *rx, int n, struct rx_keys *got)
{
	return drm_receive(rx, ecm, (size_t)n, gw_utc_us() / 1000000, got);
}

START_TEST(channel_is_as_designed)
{
	struct kms_channel c = { 0 };
	void *s = ready(private_example("drm.yaml"), "max_streams=7\ndelay_start=-1500\n");

	ck_assert_uint_eq(p->calling, KMS_INLINE);
	ck_assert_int_eq(p->channel(s, 0x00010001, &c, why, sizeof(why)), 0);
	ck_assert_uint_eq(c.section_TSpkt_flag, 2);
	ck_assert_uint_eq(c.lead_CW, 1);
	ck_assert_uint_eq(c.CW_per_msg, 2);
	ck_assert_int_eq(c.delay_start, -1500);
	ck_assert_int_eq(c.delay_stop, -2000);
	ck_assert_uint_eq(c.ECM_rep_period, 500);
	ck_assert_uint_eq(c.max_comp_time, 500);
	ck_assert_uint_eq(c.min_CP_duration, 10);
	ck_assert_uint_eq(c.max_streams, 7);
	ck_assert_int_eq(p->channel(s, 0x00020001, &c, why, sizeof(why)), -0x0005);
	ck_assert_int_eq(p->stream(s, 0x00010001, 1, why, sizeof(why)), 0);
	ck_assert_int_eq(p->stream(s, 0x00010001, 2, why, sizeof(why)), -0x0012);
	p->close(s);
}
END_TEST

START_TEST(a_receiver_with_the_handset_keys_opens_it)
{
	void *s = ready(private_example("drm.yaml"), "");
	const char *path = private_example("handset-drm.yaml");
	struct rx_keys got;
	struct keys_drm d;

	ck_assert_int_eq(keys_drm_load(path, &d, NULL), 0);
	unlink(path);
	struct drm_rx rx = { .keys = d.all, .nkeys = d.nall };
	int n = go(s);
	ck_assert_msg(n > 0, "%s", why);
	ck_assert_int_eq(receive(&rx, n, &got), RX_NEW);
	ck_assert_uint_eq(got.n, 2);
	ck_assert_uint_eq(got.lifetime_s, 16);	/* 10 s and the overlap */
	ck_assert_uint_eq(got.protection_after_reception, 3);
	for (size_t k = 0; k < 2; k++) {
		ck_assert_uint_eq(got.key[k].id_len, 2);	/* none sent: MKI is the CP */
		ck_assert_uint_eq(got.key[k].id[1], 100 + k);
		ck_assert_mem_eq(got.key[k].tkm.cw, tek[k], 30);
	}
	keys_drm_free(&d);
	p->close(s);
}
END_TEST

START_TEST(identifiers_protection_and_criteria_are_the_peers)
{
	static const uint8_t spi[2][4] = { { 0x80, 9, 0, 5 }, { 0x80, 9, 0, 6 } }, criteria[] = { 1, 2, 0, 0x0f };
	void *s = ready(private_example("drm.yaml"), "protection_after_reception=2\n");
	struct stkm m;

	for (size_t k = 0; k < 2; k++) {
		cws[k].key_id = spi[k];
		cws[k].key_id_len = 4;
		cws[k].cw_len = 16;
	}
	ask.protection = 0;
	ask.authenticated = 0;
	ask.access_criteria = criteria;
	ask.access_criteria_len = sizeof(criteria);
	int n = go(s);
	ck_assert_msg(n > 0, "%s", why);
	ck_assert_int_eq(stkm_decode(ecm, (size_t)n, &m, NULL), 0);
	ck_assert_uint_eq(m.protocol, STKM_IPSEC);
	ck_assert(!m.authenticated && m.has_timestamp && m.service && !m.program);
	ck_assert_mem_eq(m.id, spi[0], 4);
	ck_assert_mem_eq(m.next_id, spi[1], 4);
	ck_assert_mem_eq(m.criteria, criteria, m.criteria_len);
	ck_assert_uint_eq(m.protection_after_reception, 2);
	p->close(s);
}
END_TEST

START_TEST(without_parameters_the_configuration_says)
{
	void *s = ready(private_example("drm.yaml"), "protection=ipsec\nauthenticated=1\n");
	uint8_t cw[32] = { 1 };
	struct stkm m;

	cws[0].cw = cws[1].cw = cw;
	cws[0].cw_len = cws[1].cw_len = 32;
	ask.has_protection = 0;
	int n = go(s);
	ck_assert_msg(n > 0, "%s", why);
	ck_assert_int_eq(stkm_decode(ecm, (size_t)n, &m, NULL), 0);
	ck_assert(m.authenticated);
	ck_assert_mem_eq(m.id, "\x80\x01\x00\x64", 4);	/* ECM_id 1, CP 100 */
	p->close(s);
}
END_TEST

START_TEST(a_repeat_has_the_same_octets_however_late)
{
	void *s = ready(private_example("drm.yaml"), "");
	uint8_t first[512];
	struct stkm m;
	int n = go(s);

	ck_assert_int_gt(n, 0);
	memcpy(first, ecm, (size_t)n);
	usleep(1100000);	/* the time stamp counts seconds */
	ck_assert_int_eq(go(s), n);
	ck_assert_mem_eq(ecm, first, (size_t)n);
	ck_assert_int_eq(stkm_decode(first, (size_t)n, &m, NULL), 0);
	uint64_t stamp = m.timestamp;
	tek[0][0] ^= 1;		/* another TEK is another answer, made now */
	ck_assert_int_eq(go(s), n);
	ck_assert_int_eq(stkm_decode(ecm, (size_t)n, &m, NULL), 0);
	ck_assert_uint_gt(m.timestamp, stamp);
	ck_assert_int_eq(p->ecm(s, &ask, ecm, (size_t)n - 1, why, sizeof(why)), -0x8014);
	p->close(s);
}
END_TEST

START_TEST(a_programme_key_adds_its_layer)
{
	static const char keys[] = "profile: drm\nbase_cid: x\nservices:\n  news:\n"
		"    seak: [ { service_CID_extension: 7, SEK: 0x00112233445566778899aabbccddeeff, SAS: 0x0f1e2d3c4b5a69788796a5b4c3d2e1f0 } ]\n"
		"    peak: [ { program_CID_extension: 42, PEK: 0xa0a1a2a3a4a5a6a7a8a9aaabacadaeaf, PAS: 0xb0b1b2b3b4b5b6b7b8b9babbbcbdbebf } ]\n";
	void *s = ready(private_file(keys, 0600), "");
	const char *path = private_file(keys, 0600);
	struct rx_keys got;
	struct keys_drm d;

	ck_assert_int_eq(keys_drm_load(path, &d, NULL), 0);
	unlink(path);
	int n = go(s);
	ck_assert_msg(n > 0, "%s", why);
	for (size_t k = 0; k < 2; k++) {	/* with the SEAK alone, with the PEAK alone */
		struct drm_rx rx = { .keys = d.all + k, .nkeys = 1 };
		ck_assert_int_eq(receive(&rx, n, &got), RX_NEW);
		ck_assert_mem_eq(got.key[1].tkm.cw, tek[1], 30);
	}
	keys_drm_free(&d);
	p->close(s);
}
END_TEST

START_TEST(refusals_have_the_standards_numbers)
{
	static const uint8_t bad[] = { 1, 9, 0 };
	void *s = ready(private_example("drm.yaml"), "");

	ask.access_criteria = bad;
	ask.access_criteria_len = sizeof(bad);
	ck_assert_int_eq(go(s), -0x0011);
	ask.access_criteria_len = 0;
	cws[0].cw_len = 16;			/* SRTP without salt */
	ck_assert_int_eq(go(s), -0x0011);
	cws[0].cw_len = 30;
	ask.protection = 5;
	ck_assert_int_eq(go(s), -0x0011);
	ask.protection = 1;
	cws[1].key_id = bad;
	cws[1].key_id_len = 3;			/* the identifiers of one stream have one length */
	ck_assert_int_eq(go(s), -0x0011);
	cws[1].key_id_len = 0;
	ask.cp_number = 98;
	ck_assert_int_eq(go(s), -0x000b);
	ask.cp_number = 100;
	ask.ecm_id = 9;
	ck_assert_int_eq(go(s), -0x0012);
	ask.ecm_id = 1;
	ask.ncws = 1;				/* without a next key it is still an STKM */
	ck_assert_int_gt(go(s), 0);
	p->close(s);
}
END_TEST

START_TEST(a_key_out_of_its_time_is_not_used)
{
	void *s = ready(private_file("profile: drm\nbase_cid: x\nservices:\n  news:\n    seak:\n      - { service_CID_extension: 7, "
		"SEK: 0x00112233445566778899aabbccddeeff, SAS: 0x0f1e2d3c4b5a69788796a5b4c3d2e1f0, valid_to: 2001-01-01T00:00:00Z }\n", 0600), "");

	ck_assert_int_eq(go(s), -0x8014);
	ck_assert_ptr_nonnull(strstr(why, "news"));
	p->close(s);
}
END_TEST

START_TEST(bad_settings_are_refused)
{
	static const char *const conf[] = { "", "keys=\n", "keys=/nonexistent\n", "colour=red\n", "keys\n", "protection=rot13\n",
		"protection_after_reception=4\n", "authenticated=maybe\n", "max_comp_time=0\n", "delay_start=40000\n", "max_streams=-1\n" };
	void *state;

	p = load("drm");
	for (size_t k = 0; k < sizeof(conf) / sizeof(conf[0]); k++) {
		why[0] = '\0';
		ck_assert_int_eq(p->open(&host, conf[k], &state, why, sizeof(why)), -1);
		ck_assert_str_ne(why, "");
	}
}
END_TEST

SUITE("kms_plugin_drm", tcase_add_test(t, channel_is_as_designed); tcase_add_test(t, a_receiver_with_the_handset_keys_opens_it);
      tcase_add_test(t, identifiers_protection_and_criteria_are_the_peers); tcase_add_test(t, without_parameters_the_configuration_says);
      tcase_add_test(t, a_repeat_has_the_same_octets_however_late); tcase_add_test(t, a_programme_key_adds_its_layer);
      tcase_add_test(t, refusals_have_the_standards_numbers); tcase_add_test(t, a_key_out_of_its_time_is_not_used);
      tcase_add_test(t, bad_settings_are_refused))
