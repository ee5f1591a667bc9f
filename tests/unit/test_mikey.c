/* tests/unit/test_mikey.c: structure only; tests/unit/test_mikey_stkm.c has the keys */
#include <string.h>
#include "proto/mikey.h"
#include "proto/stkm.h"
#include "tests/suite.h"

static const char *const whole[] = {
	"V07_ltkm_plain", "V08_ltkm_verification", "V09_ltkm_ext_bcast_min", "V10_ltkm_pek_ext_bcast_full", "V11_ltkm_srtp_map_sp",
	"V12_stkm_srtp", "V13_stkm_srtp_ext_bcast", "V14_stkm_ipsec", "V15_stkm_ipsec_auth_explicit_spi", "V16_stkm_ismacryp",
	"V17_solicited_pull_group1", "V18_solicited_pull_register_all", "V19_mikey_error", "V27_ltkm_invalidate",
};
enum { WHOLE = sizeof(whole) / sizeof(whole[0]) };

static json_t *
vector(const char *name)
{
	static json_t *all;

	if (!all)
		all = vec_json("bcast/mikey-vectors.json");
	json_t *v = json_object_get(json_object_get(all, "vectors"), name);
	ck_assert_msg(v != NULL, "no vector %s", name);
	return v;
}

static size_t
hex_of(json_t *v, const char *member, uint8_t *out, size_t cap)
{
	const char *text = json_string_value(json_object_get(v, member));

	ck_assert_msg(text != NULL, "no member %s", member);
	return unhex(text, out, cap);
}

/* Writes a decoded message anew, payload by payload. */
static size_t
rewrite(const struct mikey *m, uint8_t *out, size_t cap)
{
	struct mikey_writer w;

	mikey_begin_map(&w, out, cap, m);
	for (size_t k = 0; k < m->n; k++)
		mikey_put(&w, m->payload[k].type, m->payload[k].body.p, m->payload[k].body.len);
	return mikey_end(&w, NULL);
}

START_TEST(message_decodes_and_writes_back)
{
	uint8_t in[512], again[512];
	size_t n = hex_of(vector(whole[_i]), "message", in, sizeof(in));
	struct mikey m;

	ck_assert_int_eq(mikey_decode(in, n, &m, NULL), 0);
	ck_assert_uint_eq(rewrite(&m, again, sizeof(again)), n);
	ck_assert_mem_eq(again, in, n);
	for (size_t cap = 0; cap < n; cap++)
		ck_assert_uint_eq(rewrite(&m, again, cap), 0);
}
END_TEST

START_TEST(every_truncation_and_any_addition_is_refused)
{
	uint8_t in[513];
	size_t n = hex_of(vector(whole[_i]), "message", in, sizeof(in) - 1);
	enum mikey_fault why;
	struct mikey m;

	for (size_t k = 0; k < n; k++) {
		ck_assert_int_eq(mikey_decode(in, k, &m, &why), -1);
		ck_assert_int_eq(why, MIKEY_TRUNCATED);
	}
	in[n] = 0;
	ck_assert_int_eq(mikey_decode(in, n + 1, &m, &why), -1);
	ck_assert_int_eq(why, MIKEY_TRAILING);
}
END_TEST

START_TEST(messages_print_as_golden)
{
	static char text[8192];
	char one[1024];
	uint8_t in[512];
	struct mikey m;

	for (int k = 0; k < WHOLE; k++) {
		size_t n = hex_of(vector(whole[k]), "message", in, sizeof(in));
		ck_assert_int_eq(mikey_decode(in, n, &m, NULL), 0);
		ck_assert_uint_eq(mikey_print(&m, one, sizeof(one)), strlen(one));
		strcat(strcat(strcat(strcat(text, whole[k]), ": "), one), "\n");
	}
	vec_golden("bcast/mikey.txt", text);
}
END_TEST

START_TEST(ltkm_names_its_parts)
{
	uint8_t in[512], want[64];
	json_t *v = vector("V07_ltkm_plain");
	size_t n = hex_of(v, "message", in, sizeof(in));
	struct mikey m;

	ck_assert_int_eq(mikey_decode(in, n, &m, NULL), 0);
	ck_assert_uint_eq(m.v, 1);
	ck_assert(m.has_ids && m.ids.has_domain && m.ids.has_key && !m.ids.has_tek);
	ck_assert_mem_eq(m.ids.domain, "\x00\xf1\x10", 3);
	ck_assert_uint_eq(m.ids.key_group, 1);
	ck_assert_uint_eq(m.ids.key_number, 1);
	ck_assert_uint_eq(m.ts_type, MIKEY_TS_COUNTER);
	ck_assert_uint_eq(m.ts, 1);
	ck_assert_mem_eq(m.rand.p, want, hex_of(v, "rand", want, sizeof(want)));
	ck_assert_mem_eq(m.idi.p, "bsm.example.net", m.idi.len);
	ck_assert_uint_eq(m.idr.len, strlen(json_string_value(json_object_get(v, "idr"))));
	ck_assert_mem_eq(m.encr.p, want, hex_of(v, "key_data_cipher", want, sizeof(want)));
	ck_assert_mem_eq(m.mac.p, want, hex_of(v, "mac", want, sizeof(want)));
	ck_assert_uint_eq(m.mac_at, n - MIKEY_MAC);
}
END_TEST

START_TEST(verification_has_the_responder_alone)
{
	uint8_t in[512];
	size_t n = hex_of(vector("V08_ltkm_verification"), "message", in, sizeof(in));
	struct mikey m;

	ck_assert_int_eq(mikey_decode(in, n, &m, NULL), 0);
	ck_assert(m.has_v && !m.idi.p && m.idr.p);
	ck_assert_uint_eq(m.mac_at, n - MIKEY_MAC);
}
END_TEST

START_TEST(stkm_is_written_as_its_vector)
{
	uint8_t want[256], got[256], cipher[64], mac[MIKEY_MAC];
	json_t *v = vector("V13_stkm_srtp_ext_bcast");
	size_t n = hex_of(v, "message", want, sizeof(want)), mac_at, c = hex_of(v, "key_data_cipher", cipher, sizeof(cipher));
	struct mikey_management d = { .subtype = MIKEY_BCAST_STKM, .protection_after_reception = 3, .protocol = STKM_SRTP,
		.authenticated = true, .lifetime = 5 };
	struct mikey_ids ids = { .domain = { 0, 0xf1, 0x10 }, .key_group = 1, .key_number = 1, .has_tek = true, .tek_id = 2 };
	struct mikey_writer w;

	hex_of(v, "mac", mac, sizeof(mac));
	mikey_begin(&w, got, sizeof(got), MIKEY_PSK, 0, 0);
	mikey_put_ids(&w, &ids);
	mikey_put_bcast(&w, &d);
	mikey_put_counter(&w, 2);
	memcpy(mikey_put_kemac(&w, c, &mac_at), cipher, c);
	memcpy(got + mac_at, mac, sizeof(mac));
	ck_assert_uint_eq(mikey_end(&w, NULL), n);
	ck_assert_mem_eq(got, want, n);
}
END_TEST

START_TEST(ltkm_is_written_as_its_vector)
{
	uint8_t want[256], got[256], b[64];
	json_t *v = vector("V07_ltkm_plain");
	size_t n = hex_of(v, "message", want, sizeof(want)), mac_at;
	struct mikey_ids ids = { .domain = { 0, 0xf1, 0x10 }, .key_group = 1, .key_number = 1 };
	struct mikey_writer w;

	mikey_begin(&w, got, sizeof(got), MIKEY_PSK, 1, 0);
	mikey_put_ids(&w, &ids);
	mikey_put_counter(&w, 1);
	mikey_put_rand(&w, b, hex_of(v, "rand", b, sizeof(b)));
	mikey_put_id(&w, json_string_value(json_object_get(v, "idi")));
	mikey_put_id(&w, json_string_value(json_object_get(v, "idr")));
	size_t c = hex_of(v, "key_data_cipher", b, sizeof(b));
	memcpy(mikey_put_kemac(&w, c, &mac_at), b, c);
	memcpy(got + mac_at, b, hex_of(v, "mac", b, sizeof(b)));
	ck_assert_uint_eq(mikey_end(&w, NULL), n);
	ck_assert_mem_eq(got, want, n);
}
END_TEST

START_TEST(error_and_verification_are_written_as_their_vectors)
{
	uint8_t want[256], got[256], mac[MIKEY_MAC];
	size_t n = hex_of(vector("V19_mikey_error"), "message", want, sizeof(want)), mac_at;
	struct mikey_writer w;

	mikey_begin(&w, got, sizeof(got), MIKEY_ERROR, 0, 0);
	mikey_put_counter(&w, 1);
	mikey_put_err(&w, 0);
	ck_assert_uint_eq(mikey_end(&w, NULL), n);
	ck_assert_mem_eq(got, want, n);

	json_t *v = vector("V08_ltkm_verification");
	n = hex_of(v, "message", want, sizeof(want));
	hex_of(v, "mac", mac, sizeof(mac));
	mikey_begin(&w, got, sizeof(got), MIKEY_PSK_VERIFY, 0, 0);
	mikey_put_counter(&w, 1);
	mikey_put_id(&w, json_string_value(json_object_get(vector("V07_ltkm_plain"), "idr")));
	memcpy(mikey_put_v(&w, &mac_at), mac, sizeof(mac));
	ck_assert_uint_eq(mikey_end(&w, NULL), n);
	ck_assert_mem_eq(got, want, n);
}
END_TEST

/* V29: the key data of other vectors, in clear, in messages that another implementation parses. */
START_TEST(clear_key_data_is_read)
{
	json_t *c = json_array_get(json_object_get(vector("V29_structure_null_kemac"), "cases"), (size_t)_i);
	json_t *of = vector(json_string_value(json_object_get(c, "key_data_of")));
	uint8_t in[512], plain[128], again[128], b[64];
	size_t n = hex_of(c, "message", in, sizeof(in)), p = hex_of(of, "key_data_plain", plain, sizeof(plain));
	struct mikey_key k[2];
	uint16_t lower, upper;
	struct mikey m;

	ck_assert_int_eq(mikey_decode(in, n, &m, NULL), 0);
	ck_assert_uint_eq(m.encr_alg, MIKEY_ENCR_NULL);
	ck_assert_uint_eq(m.mac.len, 0);
	ck_assert_uint_eq(m.ncs, 1);
	ck_assert_uint_eq(m.encr.len, p);
	ck_assert_mem_eq(m.encr.p, plain, p);
	ck_assert_int_eq(mikey_keys(m.encr.p, m.encr.len, k, 2, NULL), 1);
	ck_assert_uint_eq(k[0].key.len, 16);
	ck_assert_uint_eq(mikey_put_key(&k[0], again, sizeof(again)), p);
	ck_assert_mem_eq(again, plain, p);
	ck_assert_uint_eq(mikey_put_key(&k[0], again, p - 1), 0);
	for (size_t cut = 1; cut < p; cut++)
		ck_assert_int_eq(mikey_keys(plain, cut, k, 2, NULL), -1);
	ck_assert_int_eq(mikey_keys(plain, p, k, 2, NULL), 1);
	if (json_object_get(of, "tek"))
		ck_assert_mem_eq(k[0].key.p, b, hex_of(of, "tek", b, sizeof(b)));
	if (json_object_get(of, "salt"))
		ck_assert_mem_eq(k[0].salt.p, b, hex_of(of, "salt", b, sizeof(b)));
	if (json_object_get(of, "spi_explicit"))
		ck_assert_mem_eq(k[0].from.p, b, hex_of(of, "spi_explicit", b, sizeof(b)));
	if (json_object_get(of, "kv_upper")) {
		ck_assert_int_eq(mikey_interval(&k[0], &lower, &upper), 0);
		ck_assert_uint_eq(lower, 0);
		ck_assert_uint_eq(upper, 1000);
	} else
		ck_assert_int_eq(mikey_interval(&k[0], &lower, &upper), -1);
}
END_TEST

START_TEST(two_keys_are_read_as_two)
{
	uint8_t b[64];
	size_t n = unhex("14 20 0002 aaaa  00 31 0001 bb 0001 cc 01 dd", b, sizeof(b));
	struct mikey_key k[2];
	enum mikey_fault why;

	ck_assert_int_eq(mikey_keys(b, n, k, 2, NULL), 2);
	ck_assert_uint_eq(k[1].from.p[0], 0xdd);
	ck_assert_int_eq(mikey_keys(b, n, k, 1, &why), -1);
	ck_assert_int_eq(why, MIKEY_TOO_LONG);
	ck_assert_int_eq(mikey_keys(b, 0, k, 1, &why), 0);
	b[0] = 5;
	ck_assert_int_eq(mikey_keys(b, n, k, 2, &why), -1);
	ck_assert_int_eq(why, MIKEY_BAD_PAYLOAD);
}
END_TEST

static const struct { const char *ext; uint8_t subtype, protocol, authenticated, lifetime; size_t criteria, binding, policy; } managed[] = {
	{ "02 0c35", 2, STKM_SRTP, 1, 5, 0, 0, 0 },
	{ "02 0846", 2, STKM_ISMACRYP, 0, 6, 0, 0, 0 },
	{ "02 0f35 0002 01020009 8000 00000007 03 616263", 2, STKM_SRTP, 1, 5, 6, 8, 0 },
	{ "01 00", 1, 0, 0, 0, 0, 0, 0 },
	{ "01 03 0001 01020009 00000007 0e 72692e6578616d706c652e6e6574", 1, 0, 0, 0, 4, 19, 0 },
	{ "01 0e 02 ffff 0001 0300", 1, 0, 0, 0, 2, 0, 2 },
};

START_TEST(management_data_goes_there_and_back)
{
	uint8_t in[64], again[64];
	size_t n = unhex(managed[_i].ext, in, sizeof(in));
	struct mikey_view v = { in, n };
	struct mikey_management d;

	ck_assert_int_eq(mikey_management(&v, &d, NULL), 0);
	ck_assert_uint_eq(d.subtype, managed[_i].subtype);
	ck_assert_uint_eq(d.protocol, managed[_i].protocol);
	ck_assert_uint_eq(d.authenticated, managed[_i].authenticated);
	ck_assert_uint_eq(d.lifetime, managed[_i].lifetime);
	ck_assert_uint_eq(d.criteria.len, managed[_i].criteria);
	ck_assert_uint_eq(d.binding.len, managed[_i].binding);
	ck_assert_uint_eq(d.policy.len, managed[_i].policy);
	ck_assert_uint_eq(mikey_put_management(&d, again, sizeof(again)), n);
	ck_assert_mem_eq(again, in, n);
	for (v.len = 0; v.len < n; v.len++) {
		ck_assert_int_eq(mikey_management(&v, &d, NULL), -1);
	}
	in[n] = 0;
	v.len = n + 1;
	ck_assert_int_eq(mikey_management(&v, &d, NULL), -1);
}
END_TEST

static const struct { const char *message; enum mikey_fault why; } broken[] = {
	{ "02 00 00 00 00000000 00 01", MIKEY_BAD_VERSION },
	{ "01 02 00 00 00000000 00 01", MIKEY_BAD_DATA_TYPE },
	{ "01 00 00 00 00000000 00 02", MIKEY_BAD_MAP },
	{ "01 00 00 00 00000000 01 01 000000000000000000", MIKEY_BAD_MAP },
	{ "01 00 00 00 00000000 01 00 0000000000000000", MIKEY_TRUNCATED },
	{ "01 00 02 00 00000000 00 01 00 00", MIKEY_BAD_PAYLOAD },
	{ "01 00 05 00 00000000 00 01 05 02 00000001 00 02 00000001", MIKEY_REPEATED },
	{ "01 00 05 00 00000000 00 01 00 03 00000001", MIKEY_BAD_TS },
	{ "01 00 06 00 00000000 00 01 00 02 0001 61", MIKEY_BAD_ID },
	{ "01 00 06 00 00000000 00 01 06 00 0001 61 06 00 0001 61 00 00 0001 61", MIKEY_REPEATED },
	{ "01 00 0a 00 00000000 00 01 00 00 00 0000", MIKEY_BAD_MAP },
	{ "01 00 01 00 00000000 00 01 05 00 0000 00 00 02 00000001", MIKEY_ORDER },
	{ "01 00 01 00 00000000 00 01 00 00 0000 02", MIKEY_BAD_MAC_ALG },
	{ "01 00 15 00 00000000 00 01 00 03 0004 00 02 aaaa", MIKEY_BAD_KEY_ID },
	{ "01 00 15 00 00000000 00 01 00 03 0004 07 03 aaaa", MIKEY_BAD_KEY_ID },
	{ "01 00 15 00 00000000 00 01 00 03 0008 02 02 aaaa 02 02 bbbb", MIKEY_REPEATED },
	{ "01 00 15 00 00000000 00 01 15 03 0004 02 02 aaaa 00 03 0000", MIKEY_REPEATED },
};

START_TEST(each_fault_has_its_reason)
{
	uint8_t in[128];
	size_t n = unhex(broken[_i].message, in, sizeof(in));
	enum mikey_fault why = MIKEY_OK;
	struct mikey m;

	ck_assert_int_eq(mikey_decode(in, n, &m, &why), -1);
	ck_assert_str_eq(mikey_fault_text(why), mikey_fault_text(broken[_i].why));
}
END_TEST

START_TEST(unknown_extensions_and_key_ids_are_skipped)
{
	uint8_t in[128];
	size_t n = unhex("01 00 15 00 00000000 00 01 15 07 0002 ffff 00 03 0008 09 02 ffff 02 02 0005", in, sizeof(in));
	struct mikey m;

	ck_assert_int_eq(mikey_decode(in, n, &m, NULL), 0);
	ck_assert(m.ids.has_tek && !m.ids.has_key);
	ck_assert_uint_eq(m.ids.tek_id, 5);
}
END_TEST

START_TEST(faults_become_error_numbers)
{
	ck_assert_uint_eq(mikey_err_of(MIKEY_BAD_TS), 1);
	ck_assert_uint_eq(mikey_err_of(MIKEY_BAD_MAC_ALG), 3);
	ck_assert_uint_eq(mikey_err_of(MIKEY_BAD_ID), 7);
	ck_assert_uint_eq(mikey_err_of(MIKEY_BAD_DATA_TYPE), 11);
	ck_assert_uint_eq(mikey_err_of(MIKEY_TRUNCATED), 12);
}
END_TEST

SUITE("mikey", tcase_add_loop_test(t, message_decodes_and_writes_back, 0, WHOLE);
      tcase_add_loop_test(t, every_truncation_and_any_addition_is_refused, 0, WHOLE);
      tcase_add_test(t, messages_print_as_golden); tcase_add_test(t, ltkm_names_its_parts);
      tcase_add_test(t, verification_has_the_responder_alone); tcase_add_test(t, stkm_is_written_as_its_vector);
      tcase_add_test(t, ltkm_is_written_as_its_vector); tcase_add_test(t, error_and_verification_are_written_as_their_vectors);
      tcase_add_loop_test(t, clear_key_data_is_read, 0, 5); tcase_add_test(t, two_keys_are_read_as_two);
      tcase_add_loop_test(t, management_data_goes_there_and_back, 0, sizeof(managed) / sizeof(managed[0]));
      tcase_add_loop_test(t, each_fault_has_its_reason, 0, sizeof(broken) / sizeof(broken[0]));
      tcase_add_test(t, unknown_extensions_and_key_ids_are_skipped); tcase_add_test(t, faults_become_error_numbers))
