/* tests/unit/test_sim_other.c: the interfaces that are decoded only: EIS <=> SCS against its vectors, (P)SIG <=> MUX and C(P)SIG <=> (P)SIG */
#include "proto/cpsig_psig.h"
#include "proto/ecmg_scs.h"
#include "proto/eis_scs.h"
#include "proto/emmg_mux.h"
#include "proto/ifaces.h"
#include "proto/playout.h"
#include "proto/psig_mux.h"
#include "tests/unit/sim_vectors.h"

static const struct vec_side eis = { "EIS-SCS", "TCP", &eis_scs };
static const struct sim_iface *const all_ifaces[] = { &ecmg_scs, &emmg_mux, &emmg_mux_udp, &playout, &eis_scs, &psig_mux, &cpsig_psig };
enum { NIFACES = sizeof(all_ifaces) / sizeof(all_ifaces[0]) };

START_TEST(every_vector_there_and_back)
{
	ck_assert_uint_eq(vectors_there_and_back(&eis), 12);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	vectors_truncated(&eis);
}
END_TEST

/* Parameters written by hand from clauses 8, 9 and 10, as neither vectors nor captures are at hand. */
static const struct { uint8_t version; uint16_t type; const char *params; } by_hand[] = {
	{ 4, 0x0411, "0001 0001 03  0002 0002 0001  0004 0002 0401  0008 0002 0010" },
	{ 4, 0x0415, "0002 0002 0001  7000 0002 0007  7001 0003 6f6e65" },
	{ 4, 0x0431, "0002 0002 0001  0003 0002 0002  0009 001b 000a 0003 42f000  000b 0004 000001f4  000c 0008 07ea0b1412000000" },
	{ 4, 0x0443, "0002 0002 0001  0003 0002 0002  000d 0003 474000  000e 0002 0064" },
	{ 3, 0x0301, "0103 0002 0001  0102 0004 4ae60001  0117 0002 0005" },
	{ 3, 0x0319, "0103 0002 0001  0104 0002 0002  0126 0002 0007  0129 0004 00000003" },
	{ 3, 0x031e, "0103 0002 0001  0113 0002 ff38  0105 0006 09044ae6e000" },
	{ 3, 0x0408, "0001 0002 0005  0006 0002 000c  000b 0008 2026112018000000  0005 000e 0009 0002 0001 0008 0004 4ae60001" },	/* its time in BCD */
};
enum { NBY_HAND = sizeof(by_hand) / sizeof(by_hand[0]) };

static size_t
message(uint8_t version, uint16_t type, const char *params, uint8_t *out, size_t cap)
{
	size_t n = unhex(params, out + SIM_HEADER, cap - SIM_HEADER);

	out[0] = version;
	out[1] = (uint8_t)(type >> 8);
	out[2] = (uint8_t)type;
	out[3] = (uint8_t)(n >> 8);
	out[4] = (uint8_t)n;
	return SIM_HEADER + n;
}

START_TEST(all_print_as_golden)
{
	static char text[16384];
	size_t at = vectors_print(&eis, text, sizeof(text));
	uint8_t in[256];

	for (size_t k = 0; k < NBY_HAND; k++) {
		size_t n = message(by_hand[k].version, by_hand[k].type, by_hand[k].params, in, sizeof(in));
		const struct sim_iface *iface = sim_iface_of(by_hand[k].type);

		ck_assert_msg(sim_decode(iface, in, n, &m, NULL) == 0, "row %zu", k);
		ck_assert_uint_eq(m.ignored, 0);
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s: ", iface->name);
		at += sim_print(&m, text + at, sizeof(text) - at);
		at += (size_t)snprintf(text + at, sizeof(text) - at, "\n");
		if (by_hand[k].type != EIS_SCG_PROVISION)	/* that one is tolerated, we would not write it */
			same_bytes(iface->name, in, n);
		every_cut_is_refused(iface, in, n);
	}
	vec_golden("sim/other.txt", text);
}
END_TEST

/* One message, strict and lenient: the verdict of each, its place, and what the lenient one dropped. */
#define IDS "0001 0002 0005  0006 0002 000c "
#define ECM "0009 0002 0102  0008 0004 4ae60001  000a 0001 aa  0010 0001 01"
static const struct { uint8_t version; uint16_t type; const char *params; enum sim_verdict strict, lenient; uint16_t param; size_t offset, ignored; } rules[] = {
	/* what is wanted and spared; original_network_ID from version 3 on */
	{ 4, EIS_SCG_PROVISION, IDS,                                                    SIM_MISSING,    SIM_OK,         0x000f, 17, 0 },
	{ 4, EIS_SCG_PROVISION, "0001 0002 0005",                                       SIM_MISSING,    SIM_MISSING,    0x0006, 11, 0 },
	{ 2, EIS_SCG_PROVISION, IDS "0016 0002 233a",                                   SIM_NO_PARAM,   SIM_OK,         0x0016, 17, 1 },
	{ 3, EIS_SCG_STATUS, IDS "0011 0004 00010000  000c 0001 00  0015 0002 0064",    SIM_OK,         SIM_OK,         0,      0,  0 },
	{ 1, EIS_CHANNEL_TEST, "0001 0002 0005",                                        SIM_VERSION,    SIM_VERSION,    0,      0,  0 },
	{ 4, 0x0407, "0001 0002 0005",                                                  SIM_NO_MESSAGE, SIM_NO_MESSAGE, 0,      1,  0 },
	/* a group: no more, no less than its own parameters, filled exactly */
	{ 4, EIS_SCG_PROVISION, IDS "0005 0000",                                        SIM_MISSING,    SIM_MISSING,    0x0009, 21, 0 },
	{ 4, EIS_SCG_PROVISION, IDS "0005 0019" ECM "00",                               SIM_MALFORMED,  SIM_MALFORMED,  0,      45, 0 },
	{ 4, EIS_SCG_PROVISION, IDS "0005 0007 0009 0004 0102 00",                      SIM_MALFORMED,  SIM_MALFORMED,  0x0009, 21, 0 },
	{ 4, EIS_SCG_PROVISION, IDS "0005 0007 0009 0003 010200",                       SIM_BAD_LENGTH, SIM_BAD_LENGTH, 0x0009, 21, 0 },
	{ 4, EIS_SCG_PROVISION, IDS "0005 001e" ECM "0009 0002 0103",                   SIM_REPEATED,   SIM_REPEATED,   0x0009, 45, 0 },
	{ 4, EIS_SCG_PROVISION, IDS "0005 001e" ECM "0001 0002 0005",                   SIM_NO_PARAM,   SIM_OK,         0x0001, 45, 1 },
	{ 4, EIS_SCG_PROVISION, IDS "0005 001c" ECM "0005 0000",                        SIM_NO_PARAM,   SIM_OK,         0x0005, 45, 1 },
};
enum { NRULES = sizeof(rules) / sizeof(rules[0]) };

START_TEST(versions_groups_and_leniency)
{
	uint8_t in[256];
	struct sim_fault why;
	size_t n = message(rules[_i].version, rules[_i].type, rules[_i].params, in, sizeof(in));

	sim_decode_as(&eis_scs, SIM_STRICT, in, n, &m, &why);
	ck_assert_str_eq(sim_verdict_text(why.verdict), sim_verdict_text(rules[_i].strict));
	ck_assert_uint_eq(why.param, rules[_i].param);
	if (rules[_i].strict != SIM_MISSING)
		ck_assert_uint_eq(why.offset, rules[_i].offset);
	sim_decode(&eis_scs, in, n, &m, &why);
	ck_assert_str_eq(sim_verdict_text(why.verdict), sim_verdict_text(rules[_i].lenient));
	ck_assert_uint_eq(m.ignored, rules[_i].ignored);
}
END_TEST

START_TEST(what_is_in_no_table_is_not_shown)
{
	uint8_t in[256];
	char text[512];

	sim_decode(&eis_scs, in, message(4, EIS_SCG_PROVISION, IDS "0005 0020" ECM "8001 0004 deadbeef", in, sizeof(in)), &m, NULL);
	sim_print(&m, text, sizeof(text));
	ck_assert_str_eq(text, "SCG_provision EIS_channel_ID=5 SCG_ID=12 "
	    "ECM_Group={ECM_ID=258,Super_CAS_ID=0x4ae60001,access_criteria=aa,AC_changed_flag=1} ignored=1");
	sim_decode(&eis_scs, in, message(4, EIS_SCG_PROVISION, IDS "0005 0019" ECM "00", in, sizeof(in)), &m, NULL);
	sim_print(&m, text, sizeof(text));
	ck_assert_str_eq(text, "SCG_provision EIS_channel_ID=5 SCG_ID=12 ECM_Group=(25 bytes)");
}
END_TEST

START_TEST(tables_hold_together)	/* _i: which interface */
{
	const struct sim_iface *iface = all_ifaces[_i];

	one_row_for_a_version(iface);
	for (size_t k = 0; k < iface->nmessages + iface->ngroups; k++) {
		const bool group = k >= iface->nmessages;
		const struct sim_message *def = group ? &iface->groups[k - iface->nmessages] : &iface->messages[k];
		for (size_t i = 0; i < def->n; i++) {
			const struct sim_param *param = sim_param_find(iface, def->uses[i].type);
			ck_assert_msg(param != NULL, "%s: 0x%04x", def->name, def->uses[i].type);
			ck_assert_msg(def->uses[i].least <= 1 && (def->uses[i].most == 1 || def->uses[i].most == SIM_ANY), "%s: 0x%04x: how many is not looked at",
			    def->name, def->uses[i].type);
			ck_assert(!group || param->kind != SIM_GROUP);	/* one level, so that the decoder ends */
		}
		ck_assert(!group || sim_param_find(iface, def->type)->kind == SIM_GROUP);
		if (!group && iface != &emmg_mux_udp)
			ck_assert_msg(sim_iface_of(def->type) == iface, "%s", def->name);
	}
	for (size_t k = 0; k < iface->nparams; k++)	/* no number is given twice */
		ck_assert_ptr_eq(sim_param_find(iface, iface->params[k].type), &iface->params[k]);
}
END_TEST

START_TEST(an_interface_has_its_ranges)
{
	static const struct { uint16_t type; const struct sim_iface *iface; } want[] = {
		{ 0x0000, &ecmg_scs }, { 0x0106, &ecmg_scs }, { 0x0118, &emmg_mux }, { 0x0305, &cpsig_psig }, { 0x0321, &cpsig_psig },
		{ 0x0330, NULL }, { 0x0407, &eis_scs }, { 0x0443, &psig_mux }, { 0x0450, NULL }, { 0x0701, NULL }, { 0x8123, NULL },
		{ 0x9012, &playout }, { 0xffff, NULL },
	};

	for (size_t k = 0; k < sizeof(want) / sizeof(want[0]); k++)
		ck_assert_ptr_eq(sim_iface_of(want[k].type), want[k].iface);
}
END_TEST

START_TEST(every_number_has_words)
{
	statuses_are_told(&eis_scs, EIS_E_INVALID_MESSAGE, EIS_E_SUPER_CAS_ID, false);
	statuses_are_told(&psig_mux, 0x0001, 0x0016, false);
	statuses_are_told(&cpsig_psig, 0x0001, 0x0004, false);
	ck_assert_uint_eq(sim_status_of(&eis_scs, SIM_MISSING), EIS_E_MISSING);
	ck_assert_uint_eq(sim_status_of(&psig_mux, SIM_BAD_VALUE), 0x000d);
}
END_TEST

SUITE("sim_other", tcase_add_test(t, every_vector_there_and_back); tcase_add_test(t, every_truncation_is_refused);
    tcase_add_test(t, all_print_as_golden); tcase_add_loop_test(t, versions_groups_and_leniency, 0, NRULES);
    tcase_add_test(t, what_is_in_no_table_is_not_shown); tcase_add_loop_test(t, tables_hold_together, 0, NIFACES);
    tcase_add_test(t, an_interface_has_its_ranges); tcase_add_test(t, every_number_has_words))
