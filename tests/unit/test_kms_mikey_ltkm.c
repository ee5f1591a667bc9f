/* tests/unit/test_kms_mikey_ltkm.c: LTKMs, pulls and verifications of the Smartcard profile */
#include <string.h>
#include "kms/mikey_ltkm.h"
#include "tests/unit/mikey_vectors.h"

static const char naf[] = "bsm.example.net", btid[] = "I1U8vpY3qJ0hiuZNrke/NQ==@bsf.mnc001.mcc001.pub.3gppnetwork.org";
static uint8_t smk[MIKEY_SMK];

static struct ltkm_peer
peer(void)
{
	ck_assert_uint_eq(hex_of(vector("V06_mikey_psk_keys"), "SMK", smk, sizeof(smk)), sizeof(smk));
	return (struct ltkm_peer){ smk, naf, btid };
}

/* What makes each vector, beside RAND and counter. */
static const struct made { const char *name, *key; uint16_t group, number, lower, upper; bool verify, pull, ext, full, sp; } made[] = {
	{ "V07_ltkm_plain",                  "5e4b0000000000000000000000000001", 1, 1, 0, 1000, true,  false, false, false, false },
	{ "V09_ltkm_ext_bcast_min",          "5e4b0000000000000000000000000001", 1, 1, 0, 1000, false, false, true,  false, false },
	{ "V10_ltkm_pek_ext_bcast_full",     "9e4b00000000000000000000000000aa", 2, 1, 0x0100, 0x01ff, true, false, true, true, false },
	{ "V11_ltkm_srtp_map_sp",            "5e4b0000000000000000000000000001", 1, 1, 0, 1000, true,  false, false, false, true },
	{ "V17_solicited_pull_group1",       NULL,                               1, 0, 0, 0,    false, true,  false, false, false },
	{ "V18_solicited_pull_register_all", NULL,                               0, 0, 0, 0,    false, true,  false, false, false },
	{ "V27_ltkm_invalidate",             "5e4b0000000000000000000000000001", 1, 1, 1, 0,    true,  false, false, false, false },
};
enum { MADE = sizeof(made) / sizeof(made[0]) };

struct message { uint8_t p[512]; size_t len; };

static struct message
message(const char *name)
{
	struct message m;

	m.len = hex_of(vector(name), "message", m.p, sizeof(m.p));
	return m;
}

/* The i-th vector as its plan; views into static storage. */
static struct ltkm_plan
plan_of(int i, uint8_t key[16])
{
	static const uint8_t criteria[] = { 1, 2, 0, 9 };
	static const uint8_t binding[] = { 0, 0, 0, 7, 14, 'r', 'i', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e', '.', 'n', 'e', 't' };
	static struct mikey_management m;
	static struct message v11;
	static struct mikey header;
	struct ltkm_plan p = { .ids = { .domain = { 0, 0xf1, 0x10 }, .key_group = made[i].group, .key_number = made[i].number },
		.verify = made[i].verify, .pull = made[i].pull, .key = made[i].pull ? NULL : key, .lower = made[i].lower, .upper = made[i].upper };
	json_t *v = vector(made[i].name);

	p.counter = (uint32_t)json_integer_value(json_object_get(v, "ts_counter"));
	ck_assert_uint_eq(hex_of(v, "rand", p.rand, 16), 16);
	if (made[i].key)
		ck_assert_uint_eq(unhex(made[i].key, key, 16), 16);
	m = (struct mikey_management){ 0 };
	if (made[i].full) {
		m.criteria = (struct mikey_view){ criteria, sizeof(criteria) };
		m.binding = (struct mikey_view){ binding, sizeof(binding) };
	}
	p.management = made[i].ext ? &m : NULL;
	if (made[i].sp) {
		v11 = message(made[i].name);
		ck_assert_int_eq(mikey_decode(v11.p, v11.len, &header, NULL), 0);
		p.header = &header;
		p.sp = header.sp;
	}
	return p;
}

START_TEST(vectors_are_made_bit_for_bit)
{
	struct message want = message(made[_i].name);
	struct ltkm_peer who = peer();
	uint8_t key[16], got[512];
	struct ltkm_plan p = plan_of(_i, key);
	struct gw_err err;

	for (int twice = 0; twice < 2; twice++) {
		ck_assert_uint_eq(ltkm_make(&who, &p, got, sizeof(got), &err), want.len);
		ck_assert_mem_eq(got, want.p, want.len);
	}
	for (size_t cap = 0; cap < want.len; cap++)
		ck_assert_uint_eq(ltkm_make(&who, &p, got, cap, &err), 0);
}
END_TEST

START_TEST(vectors_are_taken)
{
	struct message in = message(made[_i].name);
	struct ltkm_peer who = peer();
	char n[256], b[256];
	uint8_t key[16], err_no;
	struct ltkm_plan p = plan_of(_i, key);
	struct mikey m;
	struct ltkm got;

	ck_assert_int_eq(mikey_decode(in.p, in.len, &m, NULL), 0);
	ck_assert(ltkm_names(&m, n, sizeof(n), b, sizeof(b)));
	ck_assert_str_eq(n, naf);
	ck_assert_str_eq(b, btid);
	ck_assert(!ltkm_names(&m, n, sizeof(naf) - 1, b, sizeof(b)));
	ck_assert(!ltkm_names(&m, n, sizeof(n), b, sizeof(btid) - 1));
	ck_assert_int_eq(ltkm_take(&who, p.counter - 1, in.p, in.len, &got, &err_no), p.pull ? LTKM_PULL : LTKM_KEY);
	ck_assert_uint_eq(err_no, LTKM_NO_ERR);
	ck_assert_uint_eq(got.counter, p.counter);
	ck_assert_uint_eq(got.ids.key_group, p.ids.key_group);
	ck_assert_uint_eq(got.ids.key_number, p.ids.key_number);
	ck_assert_mem_eq(got.ids.domain, p.ids.domain, 3);
	ck_assert(got.verify == p.verify);
	ck_assert_mem_eq(got.rand, p.rand, 16);
	ck_assert(got.has_management == made[_i].ext);
	ck_assert_uint_eq(got.management.binding.len, made[_i].full ? 19 : 0);
	if (!p.pull) {
		ck_assert_mem_eq(got.key, key, 16);
		ck_assert_uint_eq(got.lower, p.lower);
		ck_assert_uint_eq(got.upper, p.upper);
	}
	ck_assert_int_eq(ltkm_take(&who, p.counter, in.p, in.len, &got, &err_no), LTKM_STALE);
	ck_assert_int_eq(ltkm_take(&who, UINT32_MAX, in.p, in.len, &got, &err_no), LTKM_STALE);
}
END_TEST

START_TEST(no_bit_may_flip)
{
	struct message in = message(made[_i].name);
	struct ltkm_peer who = peer();
	struct ltkm got;
	uint8_t err_no;

	for (size_t bit = 0; bit < 8 * in.len; bit++) {
		in.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_msg(ltkm_take(&who, 0, in.p, in.len, &got, &err_no) > LTKM_PULL, "bit %zu", bit);
		in.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < in.len; cut++)
		ck_assert_int_eq(ltkm_take(&who, 0, in.p, cut, &got, &err_no), LTKM_TRUNCATED);
	ck_assert_int_le(ltkm_take(&who, 0, in.p, in.len, &got, &err_no), LTKM_PULL);
}
END_TEST

/* V26: V07 was accepted before. */
START_TEST(negative_vectors_are_refused_for_their_reason)
{
	static const struct { const char *name, *word; uint32_t counter; uint8_t err_no; } want[] = {
		{ "ltkm_bad_mac", "bad_mac", 0, 0 }, { "ltkm_replayed", "replayed", 1, LTKM_NO_ERR }, { "ltkm_truncated", "truncated", 1, 12 },
	};
	json_t *c = json_array_get(json_object_get(vector("V26_negative"), "cases"), (size_t)_i);
	struct ltkm_peer who = peer();
	uint8_t in[512], err_no;
	size_t n = hex_of(c, "message", in, sizeof(in));
	struct ltkm got;

	ck_assert_str_eq(text_of(c, "name"), want[_i].name);
	ck_assert_str_eq(ltkm_result_text(ltkm_take(&who, want[_i].counter, in, n, &got, &err_no)), want[_i].word);
	ck_assert_uint_eq(err_no, want[_i].err_no);
}
END_TEST

START_TEST(only_its_own_smk_takes_it)
{
	struct message in = message("V07_ltkm_plain");
	struct ltkm_peer who = peer();
	struct ltkm got;
	uint8_t other[MIKEY_SMK] = { 1 }, err_no;
	const struct { struct ltkm_peer who; enum ltkm_result r; } cases[] = {
		{ { who.smk, "bsm.example.ne", btid }, LTKM_UNKNOWN_SMK }, { { who.smk, "bsm.example.net.", btid }, LTKM_UNKNOWN_SMK },
		{ { who.smk, naf, naf }, LTKM_UNKNOWN_SMK }, { { who.smk, btid, naf }, LTKM_UNKNOWN_SMK }, { { other, naf, btid }, LTKM_BAD_MAC },
	};

	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++)
		ck_assert_int_eq(ltkm_take(&cases[k].who, 0, in.p, in.len, &got, &err_no), cases[k].r);
	in = message("V12_stkm_srtp");	/* no RAND, no names, and a TEK ID */
	ck_assert_int_eq(ltkm_take(&who, 0, in.p, in.len, &got, &err_no), LTKM_MALFORMED);
	in = message("V08_ltkm_verification");
	ck_assert_int_eq(ltkm_take(&who, 0, in.p, in.len, &got, &err_no), LTKM_UNSUPPORTED);
	ck_assert_uint_eq(err_no, 11);
}
END_TEST

/* What V07 would be with other algorithms: told before the MAC is, with the number of 2.8. */
START_TEST(algorithms_are_refused_by_number)
{
	static const struct { const char *from, *to; enum ltkm_result r; uint8_t err_no; } cases[] = {
		{ "01001580", "01001581", LTKM_UNSUPPORTED, 2 },		/* PRF */
		{ "0001001a2037", "0002001a2037", LTKM_UNSUPPORTED, 4 },	/* encryption */
		{ "d420011af9", "d420021af9", LTKM_MALFORMED, 3 },		/* MAC: its length is unknowable */
		{ "0600000f", "0602000f", LTKM_MALFORMED, 7 },			/* ID type */
		{ "0b0200000001", "0b0300000001", LTKM_MALFORMED, 1 },		/* TS type */
	};
	char text[1024];
	uint8_t in[512], err_no;
	struct ltkm_peer who = peer();
	struct ltkm got;

	snprintf(text, sizeof(text), "%s", text_of(vector("V07_ltkm_plain"), "message"));
	char *at = strstr(text, cases[_i].from);
	ck_assert_ptr_nonnull(at);
	memcpy(at, cases[_i].to, strlen(cases[_i].to));
	ck_assert_int_eq(ltkm_take(&who, 0, in, unhex(text, in, sizeof(in)), &got, &err_no), cases[_i].r);
	ck_assert_uint_eq(err_no, cases[_i].err_no);
}
END_TEST

START_TEST(what_cannot_be_made_is_refused)
{
	char longer[300];
	uint8_t key[16], got[512];
	struct ltkm_plan p = plan_of(0, key);
	struct ltkm_peer who = peer();
	struct gw_err err = { 0 };
	size_t n = ltkm_make(&who, &p, got, sizeof(got), &err), fits = strlen(btid) + LTKM_MAX - n;

	memset(longer, 'x', sizeof(longer));
	longer[fits] = '\0';
	who.btid = longer;
	ck_assert_uint_eq(ltkm_make(&who, &p, got, sizeof(got), &err), LTKM_MAX);
	memset(longer, 'x', sizeof(longer));
	longer[fits + 1] = '\0';
	ck_assert_uint_eq(ltkm_make(&who, &p, got, sizeof(got), &err), 0);
	ck_assert_int_eq(err.code, GW_ECONF);
	ck_assert_ptr_nonnull(strstr(err.text, "00f110/00010001"));
}
END_TEST

START_TEST(verification_is_v08)
{
	struct message ltkm = message("V07_ltkm_plain"), want = message("V08_ltkm_verification"), other = message("V11_ltkm_srtp_map_sp");
	struct ltkm_peer who = peer();
	uint8_t got[512], wrong[MIKEY_SMK] = { 1 };
	char b[256];
	uint32_t counter;
	struct mikey m;

	ck_assert_uint_eq(ltkm_verification(&who, ltkm.p, ltkm.len, got, sizeof(got), NULL), want.len);
	ck_assert_mem_eq(got, want.p, want.len);
	for (size_t cap = 0; cap < want.len; cap++)
		ck_assert_uint_eq(ltkm_verification(&who, ltkm.p, ltkm.len, got, cap, NULL), 0);
	ck_assert_int_eq(mikey_decode(want.p, want.len, &m, NULL), 0);
	ck_assert(ltkm_verification_names(&m, &counter, b, sizeof(b)));
	ck_assert_uint_eq(counter, 1);
	ck_assert_str_eq(b, btid);
	ck_assert(ltkm_verified(&who, ltkm.p, ltkm.len, want.p, want.len));
	ck_assert(!ltkm_verified(&who, other.p, other.len, want.p, want.len));	/* of another counter */
	ck_assert(!ltkm_verified(&who, ltkm.p, ltkm.len, ltkm.p, ltkm.len));
	ck_assert(!ltkm_verified(&who, want.p, want.len, want.p, want.len));
	ck_assert(!ltkm_verified(&(struct ltkm_peer){ wrong, naf, btid }, ltkm.p, ltkm.len, want.p, want.len));
	ck_assert(!ltkm_verified(&(struct ltkm_peer){ smk, "x", btid }, ltkm.p, ltkm.len, want.p, want.len));
	for (size_t bit = 0; bit < 8 * want.len; bit++) {
		want.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_msg(!ltkm_verified(&who, ltkm.p, ltkm.len, want.p, want.len), "bit %zu", bit);
		want.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ck_assert_uint_eq(ltkm_verification(&who, want.p, want.len, got, sizeof(got), NULL), 0);
}
END_TEST

START_TEST(error_is_v19)
{
	struct message ltkm = message("V07_ltkm_plain"), want = message("V19_mikey_error");
	uint8_t got[64];

	ck_assert_uint_eq(ltkm_error(ltkm.p, ltkm.len, 0, got, sizeof(got)), want.len);
	ck_assert_mem_eq(got, want.p, want.len);
	ck_assert_uint_eq(ltkm_error(ltkm.p, ltkm.len - 1, 0, got, sizeof(got)), want.len);	/* cut short, after its T */
	ck_assert_uint_eq(ltkm_error(ltkm.p, 12, 0, got, sizeof(got)), 0);
	ck_assert_uint_eq(ltkm_error(want.p, want.len, 0, got, sizeof(got)), 0);	/* no error answers an error */
	ck_assert_uint_eq(ltkm_error(ltkm.p, ltkm.len, 0, got, want.len - 1), 0);
}
END_TEST

SUITE("kms_mikey_ltkm", tcase_add_loop_test(t, vectors_are_made_bit_for_bit, 0, MADE); tcase_add_loop_test(t, vectors_are_taken, 0, MADE);
      tcase_add_loop_test(t, no_bit_may_flip, 0, MADE); tcase_add_loop_test(t, negative_vectors_are_refused_for_their_reason, 0, 3);
      tcase_add_test(t, only_its_own_smk_takes_it); tcase_add_loop_test(t, algorithms_are_refused_by_number, 0, 5);
      tcase_add_test(t, what_cannot_be_made_is_refused); tcase_add_test(t, verification_is_v08); tcase_add_test(t, error_is_v19))
