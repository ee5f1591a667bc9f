/* tests/unit/test_stkm.c */
#include <string.h>
#include "proto/stkm.h"
#include "tests/suite.h"

static const struct { uint8_t par, protocol, auth, next, time, prog, id_len, material, lifetime; const char *id; } wants[] = {
	{ 3, STKM_IPSEC,    1, 0, 1, 0, 4, 32, 4, "80010005" },
	{ 0, STKM_SRTP,     1, 1, 1, 1, 2, 32, 4, "0005" },
	{ 3, STKM_ISMACRYP, 0, 0, 1, 0, 1, 32, 5, "05" },
	{ 3, STKM_TS,       0, 1, 0, 0, 0, 16, 4, "" },
};

static size_t
example(int k, uint8_t *out, size_t cap)
{
	json_t *j = vec_json("bcast/stkm-examples.json");
	size_t n = unhex(json_string_value(json_object_get(json_array_get(json_object_get(j, "examples"), (size_t)k), "stkm")), out, cap);

	json_decref(j);
	return n;
}

START_TEST(example_decodes_and_encodes_back)
{
	uint8_t in[256], again[256], id[8];
	size_t n = example(_i, in, sizeof(in));
	struct stkm m;

	ck_assert_int_eq(stkm_decode(in, n, &m, NULL), 0);
	ck_assert_uint_eq(m.protection_after_reception, wants[_i].par);
	ck_assert_uint_eq(m.protocol, wants[_i].protocol);
	ck_assert_uint_eq(m.authenticated, wants[_i].auth);
	ck_assert_uint_eq(m.has_next, wants[_i].next);
	ck_assert_uint_eq(m.has_timestamp, wants[_i].time);
	ck_assert_uint_eq(m.program, wants[_i].prog);
	ck_assert_uint_eq(m.id_len, wants[_i].id_len);
	ck_assert_uint_eq(m.material_len, wants[_i].material);
	ck_assert_uint_eq(m.lifetime, wants[_i].lifetime);
	ck_assert_uint_eq(m.service_CID_extension, 7);
	ck_assert_mem_eq(m.id, id, unhex(wants[_i].id, id, sizeof(id)));
	ck_assert_uint_eq(m.service_MAC_at, n - STKM_MAC);
	ck_assert_uint_eq(stkm_encode(&m, again, sizeof(again), NULL), n);
	ck_assert_mem_eq(again, in, n);
	for (size_t cap = 0; cap < n; cap++) {
		enum stkm_fault why = STKM_OK;
		ck_assert_uint_eq(stkm_encode(&m, again, cap, &why), 0);
		ck_assert_int_eq(why, STKM_TOO_LONG);
	}
}
END_TEST

START_TEST(peek_finds_what_decode_finds)
{
	uint8_t in[256];
	size_t n = example(_i, in, sizeof(in));
	struct stkm_tail t;
	struct stkm m;

	ck_assert_int_eq(stkm_decode(in, n, &m, NULL), 0);
	ck_assert_int_eq(stkm_peek(in, n, &t, NULL), 0);
	ck_assert_uint_eq(t.program, m.program);
	ck_assert_uint_eq(t.service, m.service);
	ck_assert_uint_eq(t.program_CID_extension, m.program_CID_extension);
	ck_assert_uint_eq(t.service_CID_extension, m.service_CID_extension);
	ck_assert_uint_eq(t.program_MAC_at, m.program_MAC_at);
	ck_assert_uint_eq(t.service_MAC_at, m.service_MAC_at);
}
END_TEST

START_TEST(every_truncation_and_any_addition_is_refused)
{
	uint8_t in[257];
	size_t n = example(_i, in, sizeof(in));
	enum stkm_fault why;
	struct stkm m;

	for (size_t k = 0; k < n; k++) {
		ck_assert_int_eq(stkm_decode(in, k, &m, &why), -1);
		ck_assert_int_eq(why, STKM_TRUNCATED);
	}
	in[n] = 0;
	ck_assert_int_eq(stkm_decode(in, n + 1, &m, &why), -1);
	ck_assert_int_eq(why, STKM_TRAILING);
}
END_TEST

START_TEST(the_second_example_has_every_field)
{
	uint8_t in[256], criteria[] = { 1, 2, 0, 0x0f };
	size_t n = example(1, in, sizeof(in));
	struct stkm m;
	int64_t t;

	ck_assert_int_eq(stkm_decode(in, n, &m, NULL), 0);
	ck_assert_mem_eq(m.next_id, "\0\6", 2);
	ck_assert(m.has_permissions);
	ck_assert_uint_eq(m.permissions_category, 1);
	ck_assert_uint_eq(m.program_CID_extension, 0x2a);
	ck_assert_uint_eq(m.criteria_len, 4);
	ck_assert_mem_eq(m.criteria, criteria, 4);
	ck_assert_int_eq(stkm_unix(m.timestamp, &t), 0);
	ck_assert_int_eq(t, 1795257000);	/* 2026-11-21T10:30:00Z */
}
END_TEST

START_TEST(examples_print_as_golden)
{
	char text[2048] = "", one[512], cut[20];
	struct stkm m;
	uint8_t in[256];

	for (int k = 0; k < 4; k++) {
		size_t n = example(k, in, sizeof(in));
		ck_assert_int_eq(stkm_decode(in, n, &m, NULL), 0);
		size_t len = stkm_print(&m, one, sizeof(one));
		ck_assert_uint_eq(len, strlen(one));
		ck_assert_uint_eq(stkm_print(&m, cut, sizeof(cut)), len);
		ck_assert_uint_eq(strlen(cut), sizeof(cut) - 1);
		strcat(strcat(text, one), "\n");
	}
	vec_golden("bcast/stkm.txt", text);
}
END_TEST

/* One octet of an example changed: what the decoder says. */
static const struct { int example; size_t at; uint8_t value; enum stkm_fault why; } broken[] = {
	{ 0, 0, 0x1c, STKM_VERSION },		/* protocol_version 1 */
	{ 0, 1, 0x14, STKM_NO_LAYER },
	{ 0, 1, 0x95, STKM_BAD_PROTOCOL },	/* protocol 4 */
	{ 0, 6, 0x10, STKM_BAD_MATERIAL },	/* 16 octets for an authenticated IPsec key */
	{ 0, 6, 0x00, STKM_BAD_MATERIAL },
	{ 0, 42, 0xa0, STKM_BAD_TIME },		/* hour A0 */
	{ 0, 42, 0x24, STKM_BAD_TIME },
	{ 0, 43, 0x60, STKM_BAD_TIME },
	{ 0, 44, 0x0a, STKM_BAD_TIME },
	{ 1, 2, 0, STKM_BAD_ID },
	{ 1, 2, 9, STKM_BAD_ID },
	{ 3, 2, 2, STKM_BAD_CIPHER },
};

START_TEST(each_bad_field_has_its_reason)
{
	uint8_t in[256];
	size_t n = example(broken[_i].example, in, sizeof(in));
	enum stkm_fault why = STKM_OK;
	struct stkm m;

	in[broken[_i].at] = broken[_i].value;
	ck_assert_int_eq(stkm_decode(in, n, &m, &why), -1);
	ck_assert_str_eq(stkm_fault_text(why), stkm_fault_text(broken[_i].why));
}
END_TEST

START_TEST(reserved_spi_and_empty_criteria_are_refused)
{
	uint8_t in[256], out[256];
	enum stkm_fault why = STKM_OK;
	struct stkm m;
	size_t n = example(0, in, sizeof(in));

	memset(in + 2, 0, 3);
	ck_assert_int_eq(stkm_decode(in, n, &m, &why), -1);
	ck_assert_int_eq(why, STKM_BAD_ID);
	n = example(1, in, sizeof(in));
	ck_assert_int_eq(stkm_decode(in, n, &m, NULL), 0);
	m.criteria_len = 0;
	ck_assert_uint_eq(stkm_encode(&m, out, sizeof(out), &why), 0);
	ck_assert_int_eq(why, STKM_BAD_CRITERIA);
}
END_TEST

START_TEST(reserved_bits_are_ignored_and_kept)
{
	uint8_t in[256], out[256];
	size_t n = example(3, in, sizeof(in));
	struct stkm m;

	in[0] |= 0x02;
	in[2] |= 0xf0;
	ck_assert_int_eq(stkm_decode(in, n, &m, NULL), 0);
	ck_assert_uint_eq(stkm_encode(&m, out, sizeof(out), NULL), n);
	ck_assert_mem_eq(in, out, n);
}
END_TEST

START_TEST(descriptor_loops_are_counted)
{
	static const uint8_t two[] = { 1, 2, 0, 9, 0x80, 0 }, shorter[] = { 1, 2, 0 }, half[] = { 1 };
	uint8_t many[512] = { 0 };

	ck_assert_int_eq(stkm_criteria_count(two, sizeof(two)), 2);
	ck_assert_int_eq(stkm_criteria_count(NULL, 0), 0);
	ck_assert_int_eq(stkm_criteria_count(shorter, sizeof(shorter)), -1);
	ck_assert_int_eq(stkm_criteria_count(half, sizeof(half)), -1);
	ck_assert_int_eq(stkm_criteria_count(many, 510), 255);
	ck_assert_int_eq(stkm_criteria_count(many, 512), -1);
}
END_TEST

START_TEST(time_goes_there_and_back)
{
	static const int64_t good[] = { -3506716800, 0, 1795257000, 2155593599 }, bad[] = { -3506716801, 2155593600, INT64_MIN, INT64_MAX };
	uint64_t t;
	int64_t back;

	for (size_t k = 0; k < 4; k++) {
		ck_assert_int_eq(stkm_mjdutc(good[k], &t), 0);
		ck_assert_int_eq(stkm_unix(t, &back), 0);
		ck_assert_int_eq(back, good[k]);
		ck_assert_int_eq(stkm_mjdutc(bad[k], &t), -1);
	}
	ck_assert_int_eq(stkm_mjdutc(1795257000, &t), 0);
	ck_assert_uint_eq(t, UINT64_C(0xefb5103000));
	ck_assert_int_eq(stkm_unix(UINT64_C(1) << 40, &back), -1);
}
END_TEST

START_TEST(key_identifiers_follow_the_crypto_period)
{
	uint8_t id[STKM_ID_MAX];

	ck_assert_uint_eq(stkm_key_id(STKM_IPSEC, 1, 5, id), 4);
	ck_assert_mem_eq(id, "\x80\x01\x00\x05", 4);
	ck_assert_uint_eq(stkm_key_id(STKM_IPSEC, 0xffff, 0xffff, id), 4);
	ck_assert_mem_eq(id, "\xff\xff\xff\xff", 4);
	ck_assert_uint_eq(stkm_key_id(STKM_SRTP, 1, 0x1234, id), 2);
	ck_assert_mem_eq(id, "\x12\x34", 2);
	ck_assert_uint_eq(stkm_key_id(STKM_ISMACRYP, 1, 0x1234, id), 1);
	ck_assert_uint_eq(id[0], 0x34);
	ck_assert_uint_eq(stkm_key_id(STKM_TS, 1, 0x1235, id), 1);
	ck_assert_uint_eq(id[0], 1);
	ck_assert_uint_eq(stkm_key_id(STKM_DCF, 1, 1, id), 0);
}
END_TEST

START_TEST(lifetime_is_the_smallest_power)
{
	ck_assert_uint_eq(stkm_lifetime(1000, 0), 0);
	ck_assert_uint_eq(stkm_lifetime(1001, 0), 1);
	ck_assert_uint_eq(stkm_lifetime(10000, 4000), 4);
	ck_assert_uint_eq(stkm_lifetime(16000, 0), 4);
	ck_assert_uint_eq(stkm_lifetime(16000, 1), 5);
	ck_assert_uint_eq(stkm_lifetime(UINT32_MAX, UINT32_MAX), 15);
}
END_TEST

SUITE("stkm", tcase_add_loop_test(t, example_decodes_and_encodes_back, 0, 4);
      tcase_add_loop_test(t, peek_finds_what_decode_finds, 0, 4);
      tcase_add_loop_test(t, every_truncation_and_any_addition_is_refused, 0, 4);
      tcase_add_test(t, the_second_example_has_every_field); tcase_add_test(t, examples_print_as_golden);
      tcase_add_loop_test(t, each_bad_field_has_its_reason, 0, sizeof(broken) / sizeof(broken[0]));
      tcase_add_test(t, reserved_spi_and_empty_criteria_are_refused); tcase_add_test(t, reserved_bits_are_ignored_and_kept);
      tcase_add_test(t, descriptor_loops_are_counted); tcase_add_test(t, time_goes_there_and_back);
      tcase_add_test(t, key_identifiers_follow_the_crypto_period); tcase_add_test(t, lifetime_is_the_smallest_power))
