/* tests/unit/test_bcro.c: BCRO, device_registration_response and key set: the vectors there and back, cut and refused */
#include <string.h>
#include "proto/bcro.h"
#include "tests/suite.h"

enum { BCROS = 5, REGISTRATIONS = 2 };
static uint8_t in[BCRO_REGISTRATION_MAX], again[BCRO_REGISTRATION_MAX];
static struct bcro b;

static const char *
text(const json_t *o, const char *key)
{
	const char *t = json_string_value(json_object_get(o, key));

	ck_assert_msg(t != NULL, "the vector has no %s", key);
	return t;
}

/* Octets of member `key` of vector k in list `list`. */
static size_t
vector(const char *list, size_t k, const char *key, uint8_t *out, size_t cap)
{
	json_t *j = vec_json("bcast/bcro-vectors.json");
	size_t n = unhex(text(json_array_get(json_object_get(j, list), k), key), out, cap);

	json_decref(j);
	return n;
}

static void
same_time(const json_t *v, const char *key, bool has, uint64_t got)
{
	const json_t *t = json_object_get(v, key);
	uint8_t want[8] = { 0 };
	uint64_t value = 0;

	ck_assert_int_eq(t != NULL, has);
	if (!t)
		return;
	ck_assert_uint_eq(unhex(text(t, "mjdutc"), want, sizeof(want)), 5);
	for (int i = 0; i < 5; i++)
		value = value << 8 | want[i];
	ck_assert_uint_eq(got, value);
}

static void
same_octets(const json_t *v, const char *key, const uint8_t *got, size_t n)
{
	uint8_t want[64];

	ck_assert_uint_eq(unhex(text(v, key), want, sizeof(want)), n);
	ck_assert_mem_eq(got, want, n);
}

START_TEST(bcro_has_the_fields_of_its_vector)
{
	json_t *j = vec_json("bcast/bcro-vectors.json"), *v = json_array_get(json_object_get(j, "bcro"), (size_t)_i), *a;
	size_t n = unhex(text(v, "bcro"), in, sizeof(in)), k;

	ck_assert_int_eq(bcro_decode(in, n, &b, NULL), 0);
	ck_assert_int_eq((json_int_t)b.mode, json_integer_value(json_object_get(v, "address_mode")));
	same_octets(v, "address", b.address, sizeof(b.address));
	ck_assert_int_eq(json_object_get(v, "rights_issuer_id") != NULL, b.has_issuer);
	if (b.has_issuer)
		same_octets(v, "rights_issuer_id", b.issuer, sizeof(b.issuer));
	same_time(v, "timestamp", b.has_timestamp, b.timestamp);
	same_time(v, "refresh_time", b.has_refresh, b.refresh);
	ck_assert_uint_eq(b.nassets, json_array_size(json_object_get(v, "assets")));
	json_array_foreach(json_object_get(v, "assets"), k, a) {
		ck_assert_int_eq((json_int_t)b.asset[k].type, json_integer_value(json_object_get(a, "asset_type")));
		same_octets(a, "BCI", b.asset[k].BCI, BCRO_BCI);
		same_octets(a, "wrapped_key", b.asset[k].wrapped, BCRO_WRAPPED);
		same_time(a, "valid_from", true, b.asset[k].valid_from);
		same_time(a, "valid_to", true, b.asset[k].valid_to);
	}
	ck_assert_uint_eq(b.npermissions, json_array_size(json_object_get(v, "permissions")));
	ck_assert_int_eq((json_int_t)b.MAC_at, json_integer_value(json_object_get(v, "octets_under_mac")));
	same_octets(v, "mac", b.MAC, BCRO_MAC);
	json_decref(j);
}
END_TEST

START_TEST(bcro_encodes_back)
{
	size_t n = vector("bcro", (size_t)_i, "bcro", in, sizeof(in));
	enum bcro_reason why = BCRO_OK;

	ck_assert_int_eq(bcro_decode(in, n, &b, NULL), 0);
	ck_assert_uint_eq(bcro_encode(&b, again, sizeof(again), NULL), n);
	ck_assert_mem_eq(again, in, n);
	for (size_t cap = 0; cap < n; cap += cap < 128 || n < 512 ? 1 : 61) {
		ck_assert_uint_eq(bcro_encode(&b, again, cap, &why), 0);
		ck_assert_int_eq(why, BCRO_TOO_LONG);
	}
}
END_TEST

START_TEST(every_cut_is_truncated)
{
	size_t n = vector("bcro", 1, "bcro", in, sizeof(in)), r = vector("device_registration_response", 0, "message", again, sizeof(again));
	struct bcro_registration reg;

	for (size_t len = 0; len < n; len++) {
		enum bcro_reason why = BCRO_OK;
		ck_assert_int_eq(bcro_decode(in, len, &b, &why), -1);
		ck_assert_int_eq(why, BCRO_TRUNCATED);
	}
	for (size_t len = 0; len < r; len++) {
		enum bcro_reason why = BCRO_OK;
		ck_assert_int_eq(bcro_registration_decode(again, len, &reg, &why), -1);
		ck_assert_int_eq(why, BCRO_TRUNCATED);
	}
}
END_TEST

START_TEST(what_cannot_be_sent_is_refused)
{
	enum bcro_reason why = BCRO_OK;
	size_t n = vector("bcro", 2, "bcro", in, sizeof(in));	/* the longest */

	ck_assert_int_eq(bcro_decode(in, n, &b, NULL), 0);
	ck_assert_uint_eq(n, BCRO_MAX);
	b.npermissions++;
	ck_assert_uint_eq(bcro_encode(&b, again, sizeof(again), &why), 0);
	ck_assert_int_eq(why, BCRO_TOO_LONG);
	b.npermissions = 0;
	b.nassets = 0;
	ck_assert_uint_eq(bcro_encode(&b, again, sizeof(again), &why), 0);
	ck_assert_int_eq(why, BCRO_ASSET_COUNT);
	b.nassets = 1;
	b.mode = 2;
	ck_assert_uint_eq(bcro_encode(&b, again, sizeof(again), &why), 0);
	ck_assert_int_eq(why, BCRO_MODE);
	b.mode = 1;
	b.asset[0].valid_to = 0xefb5240000;
	ck_assert_uint_eq(bcro_encode(&b, again, sizeof(again), &why), 0);
	ck_assert_int_eq(why, BCRO_TIME);
}
END_TEST

START_TEST(registration_and_key_set_there_and_back)
{
	json_t *j = vec_json("bcast/bcro-vectors.json"), *v = json_array_get(json_object_get(j, "device_registration_response"), (size_t)_i), *e;
	size_t n = unhex(text(v, "message"), in, sizeof(in)), k, entries = 0;
	struct bcro_registration r;
	struct bcro_keyset s;
	uint8_t set[256], want[256];

	ck_assert_int_eq(bcro_registration_decode(in, n, &r, NULL), 0);
	same_octets(v, "unique_device_number", r.device, sizeof(r.device));
	same_octets(v, "rights_issuer_id", r.issuer, sizeof(r.issuer));
	same_time(v, "timestamp", true, r.timestamp);
	ck_assert_int_eq((json_int_t)r.signed_len, json_integer_value(json_object_get(v, "octets_under_signature")));
	ck_assert_uint_eq(bcro_registration_encode(&r, again, sizeof(again), NULL), n);
	ck_assert_mem_eq(again, in, n);

	n = unhex(text(v, "keyset_padded"), want, sizeof(want));
	ck_assert_int_eq(bcro_keyset_decode(want, n, &s, NULL), 0);
	ck_assert_uint_eq(bcro_keyset_encode(&s, set, sizeof(set), NULL), n);
	ck_assert_mem_eq(set, want, n);
	json_array_foreach(json_object_get(v, "keyset"), k, e) {
		unsigned type = (unsigned)json_integer_value(json_object_get(e, "type"));
		ck_assert_msg(s.has >> type & 1, "entry %u is there", type);
		entries++;
	}
	ck_assert_uint_ge(entries, 7);
	for (size_t cap = 0; cap < n; cap++)
		ck_assert_uint_eq(bcro_keyset_encode(&s, set, cap, NULL), 0);
	json_decref(j);
}
END_TEST

START_TEST(unknown_entries_are_skipped_and_bad_ones_named)
{
	static const struct { const char *hex; enum bcro_reason why; } sets[] = {
		{ "0501 2a 00", BCRO_OK }, { "f003010203 05012a 00", BCRO_OK }, { "00", BCRO_OK }, { "", BCRO_KEYSET },
		{ "0501 2a", BCRO_KEYSET }, { "0502 2a2b 00", BCRO_KEYSET }, { "05012a 05012a 00", BCRO_KEYSET }, { "f0ff00", BCRO_KEYSET },
		{ "0a05 efb5240000 00", BCRO_TIME }, { "05", BCRO_KEYSET },
	};
	struct bcro_keyset s;
	char hex[64];
	uint8_t set[64];

	for (size_t k = 0; k < sizeof(sets) / sizeof(sets[0]); k++) {
		enum bcro_reason why = BCRO_OK;
		size_t n = 0;
		for (const char *p = sets[k].hex; *p; p++)
			if (*p != ' ')
				hex[n++] = *p;
		hex[n] = '\0';
		n = unhex(hex, set, sizeof(set));
		ck_assert_int_eq(bcro_keyset_decode(set, n, &s, &why), sets[k].why == BCRO_OK ? 0 : -1);
		ck_assert_msg(why == sets[k].why, "%s: %s", sets[k].hex, bcro_reason_name(why));
	}
}
END_TEST

START_TEST(more_group_keys_than_are_kept_are_passed_over)
{
	uint8_t set[(BCRO_SGKS + 5) * 19 + 1];
	struct bcro_keyset s;

	memset(set, 0x77, sizeof(set));
	for (size_t k = 0; k < BCRO_SGKS + 5; k++) {
		set[k * 19] = BCRO_SGK;
		set[k * 19 + 1] = 17;
		set[k * 19 + 2] = (uint8_t)k;
	}
	set[sizeof(set) - 1] = 0;
	ck_assert_int_eq(bcro_keyset_decode(set, sizeof(set), &s, NULL), 0);
	ck_assert_uint_eq(s.nSGK, BCRO_SGKS);
	ck_assert_uint_eq(s.SGK[BCRO_SGKS - 1].index, BCRO_SGKS - 1);
}
END_TEST

START_TEST(device_numbers_are_twenty_digits)
{
	uint8_t bcd[BCRO_DEVICE_LEN];

	ck_assert_int_eq(bcro_device("00490123456789012345", bcd), 0);
	ck_assert_mem_eq(bcd, "\x00\x49\x01\x23\x45\x67\x89\x01\x23\x45", 10);
	ck_assert_int_eq(bcro_device("0049012345678901234", bcd), -1);
	ck_assert_int_eq(bcro_device("004901234567890123456", bcd), -1);
	ck_assert_int_eq(bcro_device("0049012345678901234x", bcd), -1);
}
END_TEST

START_TEST(prints_as_golden)
{
	static char out[8192];
	struct bcro_registration r;
	size_t at = 0;

	for (size_t k = 0; k < BCROS; k++) {
		if (k == 2 || k == 3)	/* 63 assets each */
			continue;
		ck_assert_int_eq(bcro_decode(in, vector("bcro", k, "bcro", in, sizeof(in)), &b, NULL), 0);
		at += bcro_print(&b, out + at, sizeof(out) - at);
		out[at++] = '\n';
	}
	ck_assert_int_eq(bcro_registration_decode(in, vector("device_registration_response", 0, "message", in, sizeof(in)), &r, NULL), 0);
	at += bcro_registration_print(&r, out + at, sizeof(out) - at);
	out[at++] = '\n';
	for (int r2 = 0; r2 < BCRO_NREASONS; r2++)
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s: %s\n", bcro_reason_name((enum bcro_reason)r2), bcro_reason_text((enum bcro_reason)r2));
	vec_golden("bcast/bcro.txt", out);
}
END_TEST

SUITE("bcro", tcase_add_loop_test(t, bcro_has_the_fields_of_its_vector, 0, BCROS); tcase_add_loop_test(t, bcro_encodes_back, 0, BCROS);
      tcase_add_test(t, every_cut_is_truncated); tcase_add_test(t, what_cannot_be_sent_is_refused);
      tcase_add_loop_test(t, registration_and_key_set_there_and_back, 0, REGISTRATIONS);
      tcase_add_test(t, unknown_entries_are_skipped_and_bad_ones_named); tcase_add_test(t, more_group_keys_than_are_kept_are_passed_over);
      tcase_add_test(t, device_numbers_are_twenty_digits); tcase_add_test(t, prints_as_golden))
