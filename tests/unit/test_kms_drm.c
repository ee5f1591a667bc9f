/* tests/unit/test_kms_drm.c: sealing and opening the STKM of the DRM profile */
#include <string.h>
#include "kms/drm_stkm.h"
#include "tests/suite.h"

enum { NOW = 1795257000 };	/* 2026-11-21T10:30:00Z, the examples' time stamp */

static json_t *examples, *common;

static json_t *
example(int k)
{
	if (!examples) {
		examples = vec_json("bcast/stkm-examples.json");
		common = json_object_get(examples, "common");
	}
	return json_array_get(json_object_get(examples, "examples"), (size_t)k);
}

static size_t
hex_of(json_t *v, const char *name, uint8_t *out, size_t cap)
{
	const char *text = json_string_value(json_object_get(v, name));

	ck_assert_msg(text != NULL, "no member %s", name);
	return unhex(text, out, cap);
}

static struct drm_key *
new_key(enum drm_layer layer, uint32_t extension)
{
	uint8_t key[16], seed[16];
	struct drm_key *k;

	example(0);
	hex_of(common, layer == DRM_SERVICE ? "SEK" : "PEK", key, 16);
	hex_of(common, layer == DRM_SERVICE ? "SAS" : "PAS", seed, 16);
	ck_assert_ptr_nonnull(k = drm_key_new(layer, extension, key, seed, NULL));
	return k;
}

/* The CWs of an example: what each example calls the parts of its key material, in order. */
static const struct { uint8_t protocol; bool auth; const char *now[3], *next[3]; } parts[] = {
	{ STKM_IPSEC, true, { "TEK", "TAS" }, { NULL } },
	{ STKM_SRTP, true, { "master_key", "master_salt" }, { "next_master_key", "next_master_salt" } },
	{ STKM_ISMACRYP, false, { "TEK", "salt" }, { NULL } },
	{ STKM_TS, false, { "key_even" }, { "key_odd" } },
};

static struct tkm
cw_of(int k, const char *const names[3])
{
	struct tkm t;
	uint8_t cw[48];
	size_t n = 0;

	for (int i = 0; i < 3 && names[i]; i++)
		n += hex_of(example(k), names[i], cw + n, sizeof(cw) - n);
	ck_assert_int_eq(tkm_of_cw(&t, parts[k].protocol, parts[k].auth, cw, n), 0);
	return t;
}

/* The fields an example leaves to its maker, copied from its own octets; keys and MACs wiped. */
static struct stkm
plan_of(const uint8_t *msg, size_t n)
{
	struct stkm m;

	ck_assert_int_eq(stkm_decode(msg, n, &m, NULL), 0);
	memset(m.material, 0, sizeof(m.material));
	memset(m.next_material, 0, sizeof(m.next_material));
	memset(m.encrypted_PEK, 0, sizeof(m.encrypted_PEK));
	memset(m.service_MAC, 0, sizeof(m.service_MAC));
	memset(m.program_MAC, 0, sizeof(m.program_MAC));
	return m;
}

START_TEST(examples_are_sealed_bit_for_bit)
{
	uint8_t want[256], got[256];
	size_t n = hex_of(example(_i), "stkm", want, sizeof(want));
	struct stkm m = plan_of(want, n);
	struct drm_key *s = new_key(DRM_SERVICE, 7), *p = m.program ? new_key(DRM_PROGRAM, 0x2a) : NULL;
	struct tkm now = cw_of(_i, parts[_i].now), next;
	struct gw_err err;

	if (parts[_i].next[0])
		next = cw_of(_i, parts[_i].next);
	for (int twice = 0; twice < 2; twice++) {
		ck_assert_msg(drm_seal(s, p, &m, &now, parts[_i].next[0] ? &next : NULL, got, sizeof(got), &err) == n, "%s", err.text);
		ck_assert_mem_eq(got, want, n);
	}
	ck_assert_uint_eq(drm_seal(s, p, &m, &now, parts[_i].next[0] ? &next : NULL, got, n - 1, NULL), 0);
	drm_key_free(s);
	drm_key_free(p);
}
END_TEST

START_TEST(examples_open)
{
	uint8_t in[256], id[8];
	size_t n = hex_of(example(_i), "stkm", in, sizeof(in));
	static const char *const ids[][2] = { { "80010005", NULL }, { "0005", "0006" }, { "05", NULL }, { "00", "01" } };
	struct tkm now = cw_of(_i, parts[_i].now), next;
	struct drm_key *k = new_key(DRM_SERVICE, 7);
	struct drm_rx rx = { .keys = &k, .nkeys = 1 };
	struct rx_keys got;

	ck_assert_int_eq(drm_receive(&rx, in, n, NOW, &got), RX_NEW);
	ck_assert_uint_eq(got.n, ids[_i][1] ? 2 : 1);
	ck_assert_uint_eq(got.lifetime_s, _i == 2 ? 32 : 16);
	ck_assert_uint_eq(got.key[0].id_len, unhex(ids[_i][0], id, sizeof(id)));
	ck_assert_mem_eq(got.key[0].id, id, got.key[0].id_len);
	ck_assert_ptr_eq(got.key[0].tkm.layout, now.layout);
	ck_assert_mem_eq(got.key[0].tkm.cw, now.cw, tkm_len(&now));
	if (got.n == 2) {
		next = cw_of(_i, parts[_i].next);
		ck_assert_uint_eq(got.key[1].id_len, unhex(ids[_i][1], id, sizeof(id)));
		ck_assert_mem_eq(got.key[1].id, id, got.key[1].id_len);
		ck_assert_mem_eq(got.key[1].tkm.cw, next.cw, tkm_len(&next));
	}
	ck_assert_int_eq(drm_receive(&rx, in, n, NOW, &got), RX_REPEAT);
	ck_assert_mem_eq(got.key[0].tkm.cw, now.cw, tkm_len(&now));
	drm_key_free(k);
}
END_TEST

START_TEST(no_bit_may_flip)
{
	uint8_t in[256];
	size_t n = hex_of(example(_i), "stkm", in, sizeof(in));
	struct drm_key *k = new_key(DRM_SERVICE, 7);
	struct drm_rx rx = { .keys = &k, .nkeys = 1 };
	struct rx_keys got;

	for (size_t bit = 0; bit < 8 * n; bit++) {
		in[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(drm_receive(&rx, in, n, NOW, &got), RX_REFUSED);
		ck_assert_uint_eq(got.n, 0);
		in[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < n; cut++)
		ck_assert_int_eq(drm_receive(&rx, in, cut, NOW, &got), RX_REFUSED);
	ck_assert_int_eq(drm_receive(&rx, in, n, NOW, &got), RX_NEW);
	drm_key_free(k);
}
END_TEST

START_TEST(a_programme_key_alone_opens_too)
{
	uint8_t in[256];
	size_t n = hex_of(example(1), "stkm", in, sizeof(in));
	struct tkm now = cw_of(1, parts[1].now);
	struct drm_key *k = new_key(DRM_PROGRAM, 0x2a);
	struct drm_rx rx = { .keys = &k, .nkeys = 1 };
	struct rx_keys got;

	ck_assert_int_eq(drm_receive(&rx, in, n, NOW, &got), RX_NEW);
	ck_assert_mem_eq(got.key[0].tkm.cw, now.cw, tkm_len(&now));
	in[20] ^= 1;
	ck_assert_int_eq(drm_receive(&rx, in, n, NOW, &got), RX_REFUSED);
	ck_assert_int_eq(got.reason, RX_BAD_MAC);
	drm_key_free(k);
}
END_TEST

START_TEST(a_programme_message_alone_is_made_and_opened)
{
	struct tkm now = cw_of(1, parts[1].now);
	struct drm_key *k = new_key(DRM_PROGRAM, 9);
	struct drm_rx rx = { .keys = &k, .nkeys = 1 };
	struct stkm m = { .id_len = 2, .id = { 0, 1 }, .lifetime = 3 };
	struct rx_keys got;
	uint8_t msg[256];
	size_t n = drm_seal(NULL, k, &m, &now, NULL, msg, sizeof(msg), NULL);

	ck_assert_uint_gt(n, 0);
	ck_assert_int_eq(drm_receive(&rx, msg, n, NOW, &got), RX_NEW);
	ck_assert_mem_eq(got.key[0].tkm.cw, now.cw, tkm_len(&now));
	ck_assert_uint_eq(got.lifetime_s, 8);
	ck_assert_uint_eq(drm_seal(NULL, NULL, &m, &now, NULL, msg, sizeof(msg), NULL), 0);
	drm_key_free(k);
}
END_TEST

static size_t
stamped(struct drm_key *k, int64_t when, uint8_t *out, size_t cap)
{
	struct tkm now = cw_of(1, parts[1].now);
	struct stkm m = { .id_len = 2, .id = { 0, 1 }, .has_timestamp = true };

	ck_assert_int_eq(stkm_mjdutc(when, &m.timestamp), 0);
	return drm_seal(k, NULL, &m, &now, NULL, out, cap, NULL);
}

START_TEST(time_stamps_have_a_window)
{
	static const struct { int64_t made; int result; } steps[] = {
		{ NOW, RX_NEW }, { NOW - 60, RX_NEW }, { NOW - 61, RX_REFUSED }, { NOW + 100, RX_NEW }, { NOW, RX_REFUSED },
		{ NOW + 40, RX_NEW }, { NOW + 40, RX_REPEAT },
	};
	struct drm_key *k = new_key(DRM_SERVICE, 7);
	struct drm_rx rx = { .keys = &k, .nkeys = 1 };
	struct rx_keys got;
	uint8_t msg[256];

	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		size_t n = stamped(k, steps[s].made, msg, sizeof(msg));
		ck_assert_int_eq(drm_receive(&rx, msg, n, NOW, &got), steps[s].result);
		if (steps[s].result == RX_REFUSED)
			ck_assert_int_eq(got.reason, RX_OLD);
	}
	drm_key_free(k);
}
END_TEST

START_TEST(keys_must_be_known_and_valid)
{
	struct drm_key *k = new_key(DRM_SERVICE, 8);
	struct drm_rx rx = { .keys = &k, .nkeys = 1 };
	struct rx_keys got;
	uint8_t msg[256];
	size_t n = hex_of(example(0), "stkm", msg, sizeof(msg));

	ck_assert_int_eq(drm_receive(&rx, msg, n, NOW, &got), RX_REFUSED);
	ck_assert_int_eq(got.reason, RX_NO_KEY);
	drm_key_free(k);
	k = new_key(DRM_SERVICE, 7);
	drm_key_validity(k, NOW, NOW + 10);
	ck_assert_int_eq(drm_receive(&rx, msg, n, NOW - 1, &got), RX_REFUSED);
	ck_assert_int_eq(got.reason, RX_NOT_VALID);
	ck_assert_int_eq(drm_receive(&rx, msg, n, NOW + 10, &got), RX_REFUSED);
	ck_assert_int_eq(drm_receive(&rx, msg, n, NOW, &got), RX_NEW);
	drm_key_free(k);
}
END_TEST

START_TEST(material_is_split_and_padded_by_protection)
{
	static const struct { uint8_t protocol; bool auth; size_t cw, material, tas; } rows[] = {
		{ STKM_IPSEC, false, 16, 16, 0 }, { STKM_IPSEC, true, 32, 32, 16 }, { STKM_SRTP, false, 30, 32, 0 }, { STKM_SRTP, true, 30, 32, 0 },
		{ STKM_ISMACRYP, false, 24, 32, 0 }, { STKM_ISMACRYP, true, 40, 48, 16 }, { STKM_TS, false, 8, 16, 0 },
		{ STKM_TS, false, 16, 16, 0 }, { STKM_DCF, false, 16, 16, 0 },
	};
	uint8_t cw[49], out[STKM_MATERIAL_MAX], tak[20];
	struct tkm t, back;

	for (size_t k = 0; k < sizeof(cw); k++)
		cw[k] = (uint8_t)(k + 1);
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		ck_assert_int_eq(tkm_of_cw(&t, rows[r].protocol, rows[r].auth, cw, rows[r].cw), 0);
		ck_assert_uint_eq(tkm_material(&t, out), rows[r].material);
		ck_assert_uint_eq(t.layout->tas, rows[r].tas);
		ck_assert_int_eq(tkm_tak(&t, tak), rows[r].tas ? 0 : -1);
		ck_assert_int_eq(tkm_of_material(&back, rows[r].protocol, rows[r].auth, t.layout->cipher, out, rows[r].material), 0);
		ck_assert_mem_eq(back.cw, cw, rows[r].cw);
		ck_assert_int_eq(tkm_of_cw(&t, rows[r].protocol, rows[r].auth, cw, rows[r].cw + 1), -1);
		ck_assert_int_eq(tkm_of_material(&back, rows[r].protocol, rows[r].auth, 0, out, 15), -1);
	}
	ck_assert_int_eq(tkm_of_cw(&t, STKM_SRTP, true, cw, 16), -1);	/* no salt */
	ck_assert_int_eq(tkm_of_cw(&t, 5, false, cw, 16), -1);
	memset(out, 1, sizeof(out));
	ck_assert_int_eq(tkm_of_material(&back, STKM_SRTP, true, 0, out, 32), -1);	/* pad not zero */
}
END_TEST

SUITE("kms_drm", tcase_add_loop_test(t, examples_are_sealed_bit_for_bit, 0, 4); tcase_add_loop_test(t, examples_open, 0, 4);
      tcase_add_loop_test(t, no_bit_may_flip, 0, 4); tcase_add_test(t, a_programme_key_alone_opens_too);
      tcase_add_test(t, a_programme_message_alone_is_made_and_opened); tcase_add_test(t, time_stamps_have_a_window);
      tcase_add_test(t, keys_must_be_known_and_valid); tcase_add_test(t, material_is_split_and_padded_by_protection))
