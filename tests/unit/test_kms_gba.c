/* tests/unit/test_kms_gba.c: MILENAGE, bootstrapping and the keys of a NAF */
#include <string.h>
#include "kms/gba.h"
#include "tests/unit/mikey_vectors.h"

struct card { uint8_t k[16], op[16], opc[16], rand[16], sqn[6], amf[2]; };

static struct card
card(void)
{
	json_t *v = vector("V01_milenage_ts35208_set1");
	struct card c;

	hex_of(v, "K", c.k, 16);
	hex_of(v, "OP", c.op, 16);
	hex_of(v, "OPc", c.opc, 16);
	hex_of(v, "RAND", c.rand, 16);
	hex_of(v, "SQN", c.sqn, 6);
	hex_of(v, "AMF", c.amf, 2);
	return c;
}

static void
is(json_t *v, const char *name, const uint8_t *got, size_t len)
{
	uint8_t want[64];

	ck_assert_uint_eq(hex_of(v, name, want, sizeof(want)), len);
	ck_assert_msg(memcmp(got, want, len) == 0, "%s", name);
}

START_TEST(milenage_is_v01)
{
	json_t *v = vector("V01_milenage_ts35208_set1");
	struct card c = card();
	struct milenage m;
	uint8_t opc[16];

	ck_assert_int_eq(milenage_opc(c.k, c.op, opc), 0);
	is(v, "OPc", opc, 16);
	ck_assert_int_eq(milenage(c.k, c.opc, c.rand, c.sqn, c.amf, &m), 0);
	is(v, "f1_MAC_A", m.mac_a, 8);
	is(v, "f1star_MAC_S", m.mac_s, 8);
	is(v, "f2_RES", m.res, 8);
	is(v, "f3_CK", m.ck, 16);
	is(v, "f4_IK", m.ik, 16);
	is(v, "f5_AK", m.ak, 6);
	is(v, "f5star_AK", m.ak_s, 6);
}
END_TEST

START_TEST(vectors_are_v01_and_v02)
{
	json_t *v = vector("V02_gba_bootstrap");
	struct card c = card();
	struct gba_vector g;
	char btid[128];
	size_t n = strlen(text_of(v, "B_TID"));

	ck_assert_int_eq(gba_vector(c.k, c.opc, c.sqn, c.amf, c.rand, false, &g), 0);
	is(vector("V01_milenage_ts35208_set1"), "AUTN", g.autn, 16);
	is(vector("V01_milenage_ts35208_set1"), "f2_RES", g.res, 8);
	is(v, "Ks", g.ks, 32);
	ck_assert_mem_eq(g.rand, c.rand, 16);
	ck_assert_int_eq(gba_vector(c.k, c.opc, c.sqn, c.amf, c.rand, true, &g), 0);
	is(v, "AUTN_star_gba_u", g.autn, 16);
	ck_assert_uint_eq(gba_btid(c.rand, text_of(v, "bsf_fqdn"), btid, sizeof(btid)), n);
	ck_assert_str_eq(btid, text_of(v, "B_TID"));
	ck_assert_uint_eq(gba_btid(c.rand, text_of(v, "bsf_fqdn"), btid, n + 1), n);
	for (size_t cap = 0; cap <= n; cap++)
		ck_assert_uint_eq(gba_btid(c.rand, text_of(v, "bsf_fqdn"), btid, cap), 0);
}
END_TEST

START_TEST(naf_keys_are_v03)
{
	json_t *v = vector("V03_gba_kdf");
	const char *impi = text_of(vector("V02_gba_bootstrap"), "IMPI"), *naf = text_of(v, "naf_fqdn");
	struct card c = card();
	uint8_t ks[32], smk[32], srk[32];
	char longer[2000];

	hex_of(v, "Ks", ks, 32);
	ck_assert_int_eq(gba_naf_keys(ks, c.rand, impi, naf, false, smk, srk), 0);
	is(v, "SMK", smk, 32);
	is(v, "SRK", srk, 32);
	ck_assert_int_eq(gba_naf_keys(ks, c.rand, impi, naf, true, smk, srk), 0);
	is(v, "Ks_ext_NAF", smk, 32);
	is(json_object_get(v, "gba_me_variant"), "MRK_gba_me", srk, 32);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_int_eq(gba_naf_keys(ks, c.rand, longer, naf, false, smk, srk), -1);
	ck_assert_int_eq(gba_naf_keys(ks, c.rand, impi, longer, false, smk, srk), -1);
	ck_assert_int_eq(gba_naf_keys(ks, c.rand, impi, "", false, smk, srk), -1);
}
END_TEST

/* Both sides, with and without MAC*: the card takes what is new, refuses what is not, and says where it is. */
START_TEST(card_and_network_agree)
{
	bool star = _i;
	struct card c = card();
	struct gba_vector g, got;
	uint8_t sqn[6] = { 0xff, 0x9b, 0xb4, 0xd0, 0xb6, 0x06 }, auts[14], at[6];

	ck_assert_int_eq(gba_vector(c.k, c.opc, c.sqn, c.amf, c.rand, star, &g), 0);
	ck_assert_int_eq(gba_answer(c.k, c.opc, c.amf, c.rand, g.autn, !star, sqn, &got, auts), GBA_BAD_MAC);
	ck_assert_int_eq(gba_answer(c.k, c.opc, c.amf, c.rand, g.autn, star, sqn, &got, auts), GBA_OK);
	ck_assert_mem_eq(got.res, g.res, 8);
	ck_assert_mem_eq(got.ks, g.ks, 32);
	ck_assert_mem_eq(sqn, c.sqn, 6);
	/* the same again: the card is there already */
	ck_assert_int_eq(gba_answer(c.k, c.opc, c.amf, c.rand, g.autn, star, sqn, &got, auts), GBA_SYNC);
	memset(at, 0, sizeof(at));
	ck_assert_int_eq(gba_resync(c.k, c.opc, c.rand, auts, at), 0);
	ck_assert_mem_eq(at, sqn, 6);
	for (size_t k = 0; k < sizeof(auts); k++) {
		auts[k] ^= 1;
		ck_assert_int_eq(gba_resync(c.k, c.opc, c.rand, auts, at), -1);
		auts[k] ^= 1;
	}
	for (size_t k = 0; k < 16; k++) {
		g.autn[k] ^= 1;
		ck_assert_int_eq(gba_answer(c.k, c.opc, c.amf, c.rand, g.autn, star, sqn, &got, auts), GBA_BAD_MAC);
		g.autn[k] ^= 1;
	}
}
END_TEST

SUITE("kms_gba", tcase_add_test(t, milenage_is_v01); tcase_add_test(t, vectors_are_v01_and_v02); tcase_add_test(t, naf_keys_are_v03);
      tcase_add_loop_test(t, card_and_network_agree, 0, 2))
