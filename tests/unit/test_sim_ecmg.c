/* tests/unit/test_sim_ecmg.c: the TLV engine on ECMG <=> SCS, against simulcrypt-vectors.json and hand-written messages */
#include "proto/ecmg_scs.h"
#include "tests/unit/sim_vectors.h"

static const struct vec_side side = { "ECMG-SCS", "TCP", &ecmg_scs };

START_TEST(every_vector_there_and_back)
{
	ck_assert_uint_eq(vectors_there_and_back(&side), 29);
}
END_TEST

START_TEST(every_vector_prints_as_golden)
{
	static char text[65536];
	uint8_t in[4096];
	size_t n, at = vectors_print(&side, text, sizeof(text));

	n = vec_hex("sim/cw_provision_bcast.hex", in, sizeof(in));
	ck_assert_int_eq(sim_decode_as(&ecmg_scs, SIM_STRICT, in, n, &m, NULL), 0);
	at += (size_t)snprintf(text + at, sizeof(text) - at, "cw_provision_bcast: ");
	at += sim_print(&m, text + at, sizeof(text) - at);
	snprintf(text + at, sizeof(text) - at, "\n");
	vec_golden("sim/ecmg.txt", text);
	ck_assert_ptr_null(strstr(text, "112233"));	/* no CW in it */
}
END_TEST

START_TEST(print_is_cut_like_snprintf)
{
	uint8_t in[64];
	char whole[256], cut[16];
	size_t n = vec_hex("sim/channel_setup.hex", in, sizeof(in));

	ck_assert_int_eq(sim_decode(&ecmg_scs, in, n, &m, NULL), 0);
	n = sim_print(&m, whole, sizeof(whole));
	ck_assert_str_eq(whole, "channel_setup ECM_channel_id=7 Super_CAS_id=0x4a750001");
	ck_assert_uint_eq(n, strlen(whole));
	ck_assert_uint_eq(sim_print(&m, cut, sizeof(cut)), n);
	ck_assert_str_eq(cut, "channel_setup E");
	ck_assert_uint_eq(sim_print(&m, NULL, 0), n);
}
END_TEST

START_TEST(setup_is_bit_exact)
{
	uint8_t want[64], got[64];
	size_t n = vec_hex("sim/channel_setup.hex", want, sizeof(want));
	struct sim_writer w;

	sim_begin(&w, &ecmg_scs, 3, ECMG_CHANNEL_SETUP, got, sizeof(got));
	sim_put_int(&w, ECMG_CHANNEL_ID, 7);
	sim_put_int(&w, ECMG_SUPER_CAS_ID, 0x4a750001);
	ck_assert_uint_eq(sim_end(&w, NULL), n);
	ck_assert_mem_eq(got, want, n);
}
END_TEST

/* What the decoder itself must refuse; the other negatives are the engine's business and decode. */
static const struct { const char *name; enum sim_verdict verdict; } refused[] = {
	{ "neg_ecmg_setup_without_channel_id",   SIM_MISSING },
	{ "neg_ecmg_setup_short_super_cas_id",   SIM_BAD_LENGTH },
	{ "neg_ecmg_param_overruns_message",     SIM_MALFORMED },
	{ "neg_ecmg_trailing_bytes",             SIM_MALFORMED },
	{ "neg_ecmg_version_0",                  SIM_VERSION },
	{ "neg_ecmg_version_6",                  SIM_VERSION },
	{ "neg_ecmg_unknown_message_type",       SIM_NO_MESSAGE },
	{ "neg_ecmg_user_message_type",          SIM_NO_MESSAGE },
	{ "neg_ecmg_duplicate_channel_id_param", SIM_REPEATED },
};

START_TEST(every_negative_vector_gets_its_status)
{
	json_t *all = vec_json("sim/simulcrypt-vectors.json"), *v;
	struct sim_fault why;
	uint8_t in[4096];
	size_t k, n, met = 0;

	json_array_foreach(json_object_get(all, "negative"), k, v) {
		enum sim_verdict want = SIM_OK;
		if (!is_of(v, &side))
			continue;
		for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
			if (strcmp(refused[i].name, str(v, "name")) == 0) {
				want = refused[i].verdict;
				met++;
			}
		n = unhex(str(v, "hex"), in, sizeof(in));
		ck_assert_int_eq(sim_decode(&ecmg_scs, in, n, &m, &why), want == SIM_OK ? 0 : -1);
		ck_assert_msg(why.verdict == want, "%s: %s", str(v, "name"), sim_verdict_text(why.verdict));
		if (want != SIM_OK && !json_is_null(json_object_get(v, "error_status")))
			ck_assert_uint_eq(sim_status_of(&ecmg_scs, want), strtoul(str(v, "error_status"), NULL, 16));
	}
	ck_assert_uint_eq(met, sizeof(refused) / sizeof(refused[0]));
	json_decref(all);
}
END_TEST

START_TEST(a_fault_says_what_and_where)
{
	json_t *all = vec_json("sim/simulcrypt-vectors.json");
	static const struct { const char *name; uint16_t param; size_t offset; int channel; } want[] = {
		{ "neg_ecmg_setup_without_channel_id",   ECMG_CHANNEL_ID,   13, -1 },
		{ "neg_ecmg_setup_short_super_cas_id",   ECMG_SUPER_CAS_ID, 11, 1 },
		{ "neg_ecmg_param_overruns_message",     ECMG_SUPER_CAS_ID, 11, 1 },
		{ "neg_ecmg_trailing_bytes",             0,                 19, 1 },
		{ "neg_ecmg_version_6",                  0,                 0,  1 },
		{ "neg_ecmg_unknown_message_type",       0,                 1,  1 },
		{ "neg_ecmg_duplicate_channel_id_param", ECMG_CHANNEL_ID,   11, 1 },
	};
	struct sim_fault why;
	uint8_t in[4096];

	for (size_t k = 0; k < sizeof(want) / sizeof(want[0]); k++) {
		size_t n = unhex(str(vector(all, "negative", want[k].name), "hex"), in, sizeof(in));
		sim_decode(&ecmg_scs, in, n, &m, &why);
		ck_assert_uint_eq(why.param, want[k].param);
		ck_assert_uint_eq(why.offset, want[k].offset);
		ck_assert_int_eq(sim_int(&m, ECMG_CHANNEL_ID, -1), want[k].channel);	/* for the error's answer */
	}
	json_decref(all);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	vectors_truncated(&side);
}
END_TEST

START_TEST(streams_split_at_message_ends)
{
	json_t *all = vec_json("sim/simulcrypt-vectors.json"), *s, *chunk;
	size_t k, i, streams = 0;

	json_array_foreach(json_object_get(all, "streams"), k, s) {
		uint8_t buf[4096], want[4096];
		size_t len = 0, found = 0, whole;
		json_array_foreach(json_object_get(s, "chunks"), i, chunk) {
			len += unhex(json_string_value(chunk), buf + len, sizeof(buf) - len);
			while ((whole = sim_frame_length(buf, len)) > 0 && whole <= len) {
				const char *name = json_string_value(json_array_get(json_object_get(s, "expect"), found++));
				size_t n = unhex(str(vector(all, "vectors", name), "hex"), want, sizeof(want));
				ck_assert_uint_eq(whole, n);
				ck_assert_mem_eq(buf, want, n);
				memmove(buf, buf + whole, len -= whole);
			}
		}
		ck_assert_uint_eq(len, 0);
		ck_assert_uint_eq(found, json_array_size(json_object_get(s, "expect")));
		streams++;
	}
	ck_assert_uint_eq(streams, 3);
	json_decref(all);
}
END_TEST

/* One message, strict and lenient: the verdict of each, and what the lenient one dropped. */
static const struct { const char *hex; enum sim_verdict strict, lenient; size_t ignored; } rules[] = {
	/* ECM_id: not in version 1, mandatory from 2 on, but some peers never send it */
	{ "01 0101 0012 000e00020001 000f00020007 001000020064",                SIM_OK,         SIM_OK,         0 },
	{ "01 0101 0018 000e00020001 000f00020007 001900020102 001000020064",   SIM_NO_PARAM,   SIM_OK,         1 },
	{ "02 0101 0012 000e00020001 000f00020007 001000020064",                SIM_MISSING,    SIM_OK,         0 },
	{ "04 0103 0011 000e00020001 000f00020007 0011000100",                  SIM_MISSING,    SIM_OK,         0 },
	{ "05 0101 0012 000e00020001 000f00020007 001900020102",                SIM_MISSING,    SIM_MISSING,    0 },
	/* CW_encryption from version 2 on; a CW of version 1 has 8 octets */
	{ "01 0201 0028 000e00020001 000f00020007 001200020064 0014000a00641122334455667788 0018000401020304", SIM_NO_PARAM, SIM_OK, 1 },
	{ "02 0201 0028 000e00020001 000f00020007 001200020064 0014000a00641122334455667788 0018000401020304", SIM_OK, SIM_OK, 0 },
	{ "01 0201 0028 000e00020001 000f00020007 001200020064 00140012006411223344556677881122334455667788",  SIM_BAD_LENGTH, SIM_BAD_LENGTH, 0 },
	{ "02 0201 0028 000e00020001 000f00020007 001200020064 00140012006411223344556677881122334455667788",  SIM_OK, SIM_OK, 0 },
	{ "03 0201 0018 000e00020001 000f00020007 001200020064 001400020064",   SIM_BAD_LENGTH, SIM_BAD_LENGTH, 0 },	/* no CW */
	{ "03 0201 0012 000e00020001 000f00020007 001200020064",                SIM_MISSING,    SIM_MISSING,    0 },
	/* section_TSpkt_flag: a boolean in 1 and 2; BCAST peers send 2 with version 3 */
	{ "05 0003 0039 000e00020001 0002000102 000300020000 000400020000 000700020064 000800020000 00090002000a 000a000100 000b000101 000c00020064", SIM_OK, SIM_OK, 0 },
	{ "03 0003 0039 000e00020001 0002000102 000300020000 000400020000 000700020064 000800020000 00090002000a 000a000100 000b000101 000c00020064", SIM_OK, SIM_OK, 0 },
	{ "02 0003 0039 000e00020001 0002000102 000300020000 000400020000 000700020064 000800020000 00090002000a 000a000100 000b000101 000c00020064", SIM_BAD_VALUE, SIM_BAD_VALUE, 0 },
	{ "05 0003 0039 000e00020001 0002000103 000300020000 000400020000 000700020064 000800020000 00090002000a 000a000100 000b000101 000c00020064", SIM_BAD_VALUE, SIM_BAD_VALUE, 0 },
	/* unknown, unlisted and user-defined parameters */
	{ "03 0002 000b 000e00020001 0007000100",                               SIM_NO_PARAM,   SIM_OK,         1 },	/* ECM_rep_period: of any length */
	{ "03 0002 000a 000e00020001 12340000",                                 SIM_NO_PARAM,   SIM_OK,         1 },
	{ "03 0201 0025 000e00020001 000f00020007 001200020064 0014000a00641122334455667788 8001000101", SIM_BAD_LENGTH, SIM_OK, 1 },
	/* order of checks: structure before lengths, lengths before presence */
	{ "03 0001 0009 000e000100 00010004",                                   SIM_MALFORMED,  SIM_MALFORMED,  0 },
	{ "03 0001 0005 000e000100",                                            SIM_BAD_LENGTH, SIM_BAD_LENGTH, 0 },
	{ "06 0107 0003 000000",                                                SIM_VERSION,    SIM_VERSION,    0 },
	{ "03 0107 0003 000000",                                                SIM_NO_MESSAGE, SIM_NO_MESSAGE, 0 },
	{ "03 0002 0007 000e00020001",                                          SIM_MALFORMED,  SIM_MALFORMED,  0 },
	/* empty values are legal where the length varies; error_information need not be 2 octets */
	{ "03 0005 001a 000e00020000 700000020001 70010000 70010006 68656c6c6f21", SIM_OK,      SIM_OK,         0 },
	{ "03 0005 0006 000e00020000",                                          SIM_MISSING,    SIM_MISSING,    0 },
};

START_TEST(versions_and_leniency)
{
	uint8_t in[256];
	struct sim_fault why;
	size_t n = unhex(rules[_i].hex, in, sizeof(in));

	sim_decode_as(&ecmg_scs, SIM_STRICT, in, n, &m, &why);
	ck_assert_str_eq(sim_verdict_text(why.verdict), sim_verdict_text(rules[_i].strict));
	sim_decode(&ecmg_scs, in, n, &m, &why);
	ck_assert_str_eq(sim_verdict_text(why.verdict), sim_verdict_text(rules[_i].lenient));
	ck_assert_uint_eq(m.ignored, rules[_i].ignored);
}
END_TEST

START_TEST(too_many_parameters_are_too_long)
{
	static uint8_t in[5 + 6 + 1024 * 6];
	struct sim_fault why;
	struct sim_writer w;

	sim_begin(&w, &ecmg_scs, 3, ECMG_CHANNEL_ERROR, in, sizeof(in));
	sim_put_int(&w, ECMG_CHANNEL_ID, 1);
	for (int k = 0; k < SIM_VALUES - 1; k++)
		sim_put_int(&w, ECMG_ERROR_STATUS, ECMG_E_UNKNOWN);
	ck_assert_uint_eq(sim_end(&w, &why), sizeof(in) - 6);
	ck_assert_int_eq(sim_decode(&ecmg_scs, in, sizeof(in) - 6, &m, &why), 0);
	ck_assert_uint_eq(sim_count(&m, ECMG_ERROR_STATUS), SIM_VALUES - 1);

	w.verdict = SIM_OK;
	sim_put_int(&w, ECMG_ERROR_STATUS, ECMG_E_UNKNOWN);
	ck_assert_uint_eq(sim_end(&w, &why), 0);	/* our own output is checked, too */
	ck_assert_int_eq(why.verdict, SIM_TOO_LONG);
	ck_assert_uint_eq(sim_status_of(&ecmg_scs, why.verdict), ECMG_E_TOO_LONG);
}
END_TEST

START_TEST(largest_message)
{
	static uint8_t out[SIM_MAX + 1], ecm[UINT16_MAX];
	enum { ROOM = UINT16_MAX - 6 - 6 - 6 - 4 };
	struct sim_writer w;
	struct sim_fault why;

	memset(ecm, 0xa5, sizeof(ecm));
	for (size_t n = ROOM; n <= ROOM + 1; n++) {
		sim_begin(&w, &ecmg_scs, 3, ECMG_ECM_RESPONSE, out, sizeof(out));
		sim_put_int(&w, ECMG_CHANNEL_ID, 0);
		sim_put_int(&w, ECMG_STREAM_ID, 0);
		sim_put_int(&w, ECMG_CP_NUMBER, 0);
		sim_put_bytes(&w, ECMG_ECM_DATAGRAM, ecm, n);
		ck_assert_uint_eq(sim_end(&w, &why), n == ROOM ? SIM_MAX : 0);
	}
	ck_assert_int_eq(why.verdict, SIM_TOO_LONG);
}
END_TEST

static enum sim_verdict
writes(uint8_t version, uint16_t message, uint16_t type, int64_t value, size_t cap)
{
	uint8_t out[64];
	struct sim_writer w;
	struct sim_fault why;

	sim_begin(&w, &ecmg_scs, version, message, out, cap);
	sim_put_int(&w, type, value);
	sim_put_int(&w, ECMG_CHANNEL_ID, 1);	/* after a mistake nothing more is written */
	return sim_end(&w, &why) ? SIM_OK : why.verdict;
}

START_TEST(writer_refuses_its_own_mistakes)
{
	ck_assert_int_eq(writes(3, ECMG_CHANNEL_SETUP, ECMG_SUPER_CAS_ID, 0xffffffff, 64), SIM_OK);
	ck_assert_int_eq(writes(3, ECMG_CHANNEL_SETUP, ECMG_SUPER_CAS_ID, 0x100000000, 64), SIM_BAD_VALUE);
	ck_assert_int_eq(writes(3, ECMG_CHANNEL_SETUP, ECMG_SUPER_CAS_ID, -1, 64), SIM_BAD_VALUE);
	ck_assert_int_eq(writes(3, ECMG_CHANNEL_STATUS, ECMG_DELAY_START, -32769, 64), SIM_BAD_VALUE);
	ck_assert_int_eq(writes(3, ECMG_CHANNEL_STATUS, ECMG_DELAY_START, 32768, 64), SIM_BAD_VALUE);
	ck_assert_int_eq(writes(3, ECMG_CHANNEL_STATUS, ECMG_DELAY_START, -32768, 64), SIM_MISSING);
	ck_assert_int_eq(writes(3, ECMG_CHANNEL_SETUP, 0x4321, 0, 64), SIM_NO_PARAM);
	ck_assert_int_eq(writes(3, ECMG_CHANNEL_SETUP, ECMG_ACCESS_CRITERIA, 0, 64), SIM_BAD_VALUE);	/* no integer */
	ck_assert_int_eq(writes(3, ECMG_CHANNEL_SETUP, ECMG_SUPER_CAS_ID, 1, 18), SIM_TOO_LONG);
	ck_assert_int_eq(writes(3, ECMG_CHANNEL_SETUP, ECMG_SUPER_CAS_ID, 1, 19), SIM_OK);
	ck_assert_int_eq(writes(3, ECMG_CHANNEL_SETUP, ECMG_SUPER_CAS_ID, 1, 4), SIM_TOO_LONG);
	ck_assert_int_eq(writes(6, ECMG_CHANNEL_SETUP, ECMG_SUPER_CAS_ID, 1, 64), SIM_VERSION);
	ck_assert_int_eq(writes(3, 0x0107, ECMG_SUPER_CAS_ID, 1, 64), SIM_NO_MESSAGE);
	ck_assert_int_eq(writes(3, ECMG_CHANNEL_TEST, ECMG_CHANNEL_ID, 1, 64), SIM_REPEATED);
	ck_assert_int_eq(writes(3, ECMG_CHANNEL_TEST, ECMG_LEAD_CW, 1, 64), SIM_NO_PARAM);	/* not in this message */
}
END_TEST

START_TEST(a_parameter_has_one_row_for_a_version)
{
	one_row_for_a_version(&ecmg_scs);
}
END_TEST

START_TEST(every_status_has_a_next_step)
{
	statuses_are_told(&ecmg_scs, ECMG_E_INVALID_MESSAGE, ECMG_E_ECM_ID_IN_USE, true);
}
END_TEST

SUITE("sim_ecmg", tcase_add_test(t, every_vector_there_and_back);
    tcase_add_test(t, every_vector_prints_as_golden); tcase_add_test(t, print_is_cut_like_snprintf);
    tcase_add_test(t, setup_is_bit_exact); tcase_add_test(t, every_negative_vector_gets_its_status);
    tcase_add_test(t, a_fault_says_what_and_where); tcase_add_test(t, every_truncation_is_refused);
    tcase_add_test(t, streams_split_at_message_ends);
    tcase_add_loop_test(t, versions_and_leniency, 0, sizeof(rules) / sizeof(rules[0]));
    tcase_add_test(t, too_many_parameters_are_too_long); tcase_add_test(t, largest_message);
    tcase_add_test(t, writer_refuses_its_own_mistakes); tcase_add_test(t, every_status_has_a_next_step);
    tcase_add_test(t, a_parameter_has_one_row_for_a_version))
