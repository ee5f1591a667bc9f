/* tests/unit/test_sim_emmg.c: EMMG/PDG <=> MUX on TCP and UDP, against simulcrypt-vectors.json and hand-written messages */
#include "proto/emmg_mux.h"
#include "tests/unit/sim_vectors.h"

static const struct vec_side tcp = { "EMMG-MUX", "TCP", &emmg_mux }, udp = { "EMMG-MUX", "UDP", &emmg_mux_udp };

START_TEST(every_vector_there_and_back)
{
	ck_assert_uint_eq(vectors_there_and_back(&tcp), 22);
	ck_assert_uint_eq(vectors_there_and_back(&udp), 2);
}
END_TEST

START_TEST(every_vector_prints_as_golden)
{
	static char text[16384];
	size_t n = vectors_print(&tcp, text, sizeof(text));

	vectors_print(&udp, text + n, sizeof(text) - n);
	vec_golden("sim/emmg.txt", text);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	vectors_truncated(&tcp);
	vectors_truncated(&udp);
}
END_TEST

/* What the decoder says of each; where it says nothing, the mux finds the fault. */
static const struct { const char *name; enum sim_verdict strict, lenient; } negatives[] = {
	{ "neg_emmg_bad_section_tspkt_flag",  SIM_BAD_VALUE,  SIM_BAD_VALUE },
	{ "neg_emmg_setup_without_client_id", SIM_MISSING,    SIM_MISSING },
	{ "neg_emmg_stream_before_channel",   SIM_OK,         SIM_OK },
	{ "neg_emmg_bad_data_type",           SIM_BAD_VALUE,  SIM_BAD_VALUE },
	{ "neg_emmg_data_tcp_without_ids",    SIM_MISSING,    SIM_OK },
	{ "neg_emmg_data_wrong_client",       SIM_OK,         SIM_OK },
	{ "neg_emmg_udp_other_message",       SIM_NO_MESSAGE, SIM_NO_MESSAGE },
	{ "neg_emmg_udp_truncated",           SIM_MALFORMED,  SIM_MALFORMED },
};
enum { NNEGATIVES = sizeof(negatives) / sizeof(negatives[0]) };

static void
judge(const json_t *v, enum sim_verdict strict, enum sim_verdict lenient)
{
	const struct vec_side *side = is_of(v, &udp) ? &udp : &tcp;
	struct sim_fault why;
	uint8_t in[256];
	size_t n = unhex(str(v, "hex"), in, sizeof(in));

	ck_assert_int_eq(sim_decode(side->iface, in, n, &m, &why), lenient == SIM_OK ? 0 : -1);
	ck_assert_msg(why.verdict == lenient, "%s: %s", str(v, "name"), sim_verdict_text(why.verdict));
	ck_assert_int_eq(sim_decode_as(side->iface, SIM_STRICT, in, n, &m, &why), strict == SIM_OK ? 0 : -1);
	ck_assert_msg(why.verdict == strict, "%s: %s", str(v, "name"), sim_verdict_text(why.verdict));
	if (strict == SIM_OK)
		return;
	if (side == &udp)	/* dropped silently */
		ck_assert(json_is_null(json_object_get(v, "error_status")));
	else
		ck_assert_uint_eq(sim_status_of(side->iface, strict), strtoul(str(v, "error_status"), NULL, 16));
}

START_TEST(every_negative_vector_gets_its_status)
{
	json_t *all = vec_json("sim/simulcrypt-vectors.json"), *v;
	size_t k, there = 0;

	for (size_t i = 0; i < NNEGATIVES; i++)
		judge(vector(all, "negative", negatives[i].name), negatives[i].strict, negatives[i].lenient);
	json_array_foreach(json_object_get(all, "negative"), k, v)
		there += is_of(v, &tcp) || is_of(v, &udp);
	ck_assert_uint_eq(there, NNEGATIVES);
	json_decref(all);
}
END_TEST

START_TEST(a_fault_leaves_what_an_answer_needs)
{
	json_t *all = vec_json("sim/simulcrypt-vectors.json");
	struct sim_fault why;
	uint8_t in[256];

	sim_decode(&emmg_mux, in, unhex(str(vector(all, "negative", "neg_emmg_setup_without_client_id"), "hex"), in, sizeof(in)), &m, &why);
	ck_assert_uint_eq(why.param, EMMG_CLIENT_ID);
	ck_assert_int_eq(sim_int(&m, EMMG_CLIENT_ID, 0), 0);
	ck_assert_int_eq(sim_int(&m, EMMG_CHANNEL_ID, -1), 1);
	sim_decode(&emmg_mux, in, unhex(str(vector(all, "negative", "neg_emmg_bad_data_type"), "hex"), in, sizeof(in)), &m, &why);
	ck_assert_uint_eq(why.param, EMMG_DATA_TYPE);
	ck_assert_uint_eq(why.offset, 31);
	ck_assert_int_eq(sim_int(&m, EMMG_CLIENT_ID, 0), 0x4ae60001);
	ck_assert_int_eq(sim_int(&m, EMMG_STREAM_ID, -1), 3);
	json_decref(all);
}
END_TEST

/* The recorded stream, received byte by byte and in two pieces of every size: always the same messages. */
START_TEST(a_stream_gives_its_messages_however_it_is_cut)
{
	json_t *all = vec_json("sim/simulcrypt-vectors.json"), *s = vector(all, "streams", "stream_emmg_long_then_short"), *chunk;
	json_t *expect = json_object_get(s, "expect");
	uint8_t whole[1024], buf[1024];
	size_t total = 0, i;

	json_array_foreach(json_object_get(s, "chunks"), i, chunk)
		total += unhex(json_string_value(chunk), whole + total, sizeof(whole) - total);
	for (size_t first = 0; first <= total; first++) {	/* 0: byte by byte */
		size_t at = 0, len = 0, frame, found = 0;
		while (at < total) {
			size_t piece = first == 0 ? 1 : at == 0 ? first : total - at;
			memcpy(buf + len, whole + at, piece);
			at += piece;
			len += piece;
			while ((frame = sim_frame_length(buf, len)) > 0 && frame <= len) {
				ck_assert_int_eq(sim_decode_as(&emmg_mux, SIM_STRICT, buf, frame, &m, NULL), 0);
				same_fields(vector(all, "vectors", json_string_value(json_array_get(expect, found++))));
				memmove(buf, buf + frame, len -= frame);
			}
		}
		ck_assert_uint_eq(len, 0);
		ck_assert_uint_eq(found, json_array_size(expect));
	}
	json_decref(all);
}
END_TEST

/* One message, strict and lenient: the verdict of each, and what the lenient one dropped. */
#define IDS "0001 0004 4ae60001 0003 0002 0001 "
static const struct { const struct sim_iface *iface; const char *hex; enum sim_verdict strict, lenient; size_t ignored; } rules[] = {
	/* data_id: not in version 1, mandatory from 2 on, but some peers never send it */
	{ &emmg_mux, "01 0111 0019" IDS "0004 0002 0003 0007 0001 00",                       SIM_OK,         SIM_OK,         0 },
	{ &emmg_mux, "01 0111 001f" IDS "0004 0002 0003 0008 0002 0020 0007 0001 00",        SIM_NO_PARAM,   SIM_OK,         0 },
	{ &emmg_mux, "02 0111 0019" IDS "0004 0002 0003 0007 0001 00",                       SIM_MISSING,    SIM_OK,         0 },
	{ &emmg_mux, "04 0113 0019" IDS "0004 0002 0003 0007 0001 00",                       SIM_MISSING,    SIM_OK,         0 },
	{ &emmg_mux, "05 0111 001a" IDS "0004 0002 0003 0008 0002 0020",                     SIM_MISSING,    SIM_MISSING,    0 },
	{ &emmg_mux, "03 0211 0019" IDS "0004 0002 0003 0005 0001 82",                       SIM_MISSING,    SIM_OK,         0 },
	/* data on TCP: version 1 has nothing but channel and stream to go by */
	{ &emmg_mux, "01 0211 0019" IDS "0004 0002 0003 0005 0001 82",                       SIM_OK,         SIM_OK,         0 },
	{ &emmg_mux, "01 0211 0013" IDS "0005 0001 82",                                      SIM_MISSING,    SIM_MISSING,    0 },
	{ &emmg_mux, "02 0211 0019" IDS "0008 0002 0020 0005 0001 82",                       SIM_MISSING,    SIM_OK,         0 },
	{ &emmg_mux, "02 0211 0019 0003 0002 0001 0004 0002 0003 0008 0002 0020 0005 0003 827000", SIM_MISSING, SIM_MISSING, 0 },	/* no client_id */
	{ &emmg_mux, "03 0211 001a" IDS "0004 0002 0003 0008 0002 0020",                     SIM_MISSING,    SIM_MISSING,    0 },	/* no datagram */
	{ &emmg_mux, "03 0211 001e" IDS "0004 0002 0003 0008 0002 0020 0005 0000",           SIM_OK,         SIM_OK,         0 },
	/* any order, as TSDuck's */
	{ &emmg_mux, "02 0112 0014 0003 0002 0001 0004 0002 0003 0001 0004 4ae60001",        SIM_OK,         SIM_OK,         0 },
	/* data on UDP: from version 2 on, by client_id and data_id; other identifiers are tolerated, of whatever length */
	{ &emmg_mux_udp, "02 0211 0013 0001 0004 4ae60001 0008 0002 0020 0005 0001 82",      SIM_OK,         SIM_OK,         0 },
	{ &emmg_mux_udp, "02 0211 001f" IDS "0004 0002 0003 0008 0002 0020 0005 0001 82",    SIM_NO_PARAM,   SIM_OK,         2 },
	{ &emmg_mux_udp, "02 0211 001d 0001 0004 4ae60001 0003 0001 01 0004 0001 03 0008 0002 0020 0005 0001 82", SIM_NO_PARAM, SIM_OK, 2 },
	{ &emmg_mux_udp, "02 0211 0019" IDS "0004 0002 0003 0005 0001 82",                   SIM_NO_PARAM,   SIM_MISSING,    2 },
	{ &emmg_mux_udp, "01 0211 0019" IDS "0004 0002 0003 0005 0001 82",                   SIM_NO_PARAM,   SIM_MISSING,    2 },
	{ &emmg_mux_udp, "01 0211 001f" IDS "0004 0002 0003 0008 0002 0020 0005 0001 82",    SIM_NO_PARAM,   SIM_OK,         2 },
	{ &emmg_mux_udp, "01 0211 0013 0001 0004 4ae60001 0008 0002 0020 0005 0001 82",      SIM_NO_PARAM,   SIM_OK,         0 },
	{ &emmg_mux_udp, "00 0211 0013 0001 0004 4ae60001 0008 0002 0020 0005 0001 82",      SIM_VERSION,    SIM_VERSION,    0 },
	{ &emmg_mux_udp, "03 0012 000e" IDS,                                                 SIM_NO_MESSAGE, SIM_NO_MESSAGE, 0 },
	/* section_TSpkt_flag: a boolean in 1 and 2; BCAST peers send 2 with version 3 */
	{ &emmg_mux, "05 0011 0013" IDS "0002 0001 02",                                      SIM_OK,         SIM_OK,         0 },
	{ &emmg_mux, "03 0013 0013" IDS "0002 0001 02",                                      SIM_OK,         SIM_OK,         0 },
	{ &emmg_mux, "02 0011 0013" IDS "0002 0001 02",                                      SIM_BAD_VALUE,  SIM_BAD_VALUE,  0 },
	{ &emmg_mux, "05 0011 0013" IDS "0002 0001 03",                                      SIM_BAD_VALUE,  SIM_BAD_VALUE,  0 },
	/* data_type: EMM or private data, the others are reserved */
	{ &emmg_mux, "03 0111 001f" IDS "0004 0002 0003 0008 0002 0020 0007 0001 01",        SIM_OK,         SIM_OK,         0 },
	{ &emmg_mux, "03 0111 001f" IDS "0004 0002 0003 0008 0002 0020 0007 0001 02",        SIM_BAD_VALUE,  SIM_BAD_VALUE,  0 },
	/* bandwidth once at most; errors several times; unknown parameters */
	{ &emmg_mux, "03 0118 0020" IDS "0004 0002 0003 0006 0002 00c8 0006 0002 00c8",      SIM_REPEATED,   SIM_REPEATED,   0 },
	{ &emmg_mux, "03 0117 0019" IDS "0004 0002 0003 0006 0001 c8",                       SIM_BAD_LENGTH, SIM_BAD_LENGTH, 0 },
	{ &emmg_mux, "03 0015 0020" IDS "7000 0002 0014 7000 0002 0011 7001 0002 0001",      SIM_OK,         SIM_OK,         0 },
	{ &emmg_mux, "03 0116 0014" IDS "0004 0002 0003",                                    SIM_MISSING,    SIM_MISSING,    0 },
	{ &emmg_mux, "03 0014 0013" IDS "8001 0001 00",                                      SIM_NO_PARAM,   SIM_OK,         1 },
	/* version, message */
	{ &emmg_mux, "00 0014 000e" IDS,                                                     SIM_VERSION,    SIM_VERSION,    0 },
	{ &emmg_mux, "06 0014 000e" IDS,                                                     SIM_VERSION,    SIM_VERSION,    0 },
	{ &emmg_mux, "03 0016 000e" IDS,                                                     SIM_NO_MESSAGE, SIM_NO_MESSAGE, 0 },
	{ &emmg_mux, "03 0001 000e" IDS,                                                     SIM_NO_MESSAGE, SIM_NO_MESSAGE, 0 },	/* an SCS at the wrong door */
};

START_TEST(versions_and_leniency)
{
	uint8_t in[256];
	struct sim_fault why;
	size_t n = unhex(rules[_i].hex, in, sizeof(in));

	sim_decode_as(rules[_i].iface, SIM_STRICT, in, n, &m, &why);
	ck_assert_str_eq(sim_verdict_text(why.verdict), sim_verdict_text(rules[_i].strict));
	sim_decode(rules[_i].iface, in, n, &m, &why);
	ck_assert_str_eq(sim_verdict_text(why.verdict), sim_verdict_text(rules[_i].lenient));
	ck_assert_uint_eq(m.ignored, rules[_i].ignored);
}
END_TEST

START_TEST(numbers_are_this_interface_s_own)
{
	static const struct { enum sim_verdict verdict; uint16_t status; } want[] = {
		{ SIM_MALFORMED, 0x0001 }, { SIM_VERSION, 0x0002 }, { SIM_NO_MESSAGE, 0x0003 }, { SIM_TOO_LONG, 0x0004 },
		{ SIM_NO_PARAM, 0x000a }, { SIM_BAD_LENGTH, 0x000b }, { SIM_MISSING, 0x000c }, { SIM_BAD_VALUE, 0x000d },
		{ SIM_REPEATED, 0x0001 },
	};

	for (size_t k = 0; k < sizeof(want) / sizeof(want[0]); k++)
		ck_assert_uint_eq(sim_status_of(&emmg_mux, want[k].verdict), want[k].status);
	statuses_are_told(&emmg_mux, EMMG_E_INVALID_MESSAGE, EMMG_E_CLIENT_ID_IN_USE, true);
	ck_assert_str_eq(sim_status_find(&emmg_mux, 0x0005)->name, "unknown data_stream_id value");
	ck_assert_str_eq(sim_status_find(&emmg_mux, 0x000f)->name, "exceeded bandwidth");
}
END_TEST

START_TEST(a_parameter_has_one_row_for_a_version)
{
	one_row_for_a_version(&emmg_mux);
	one_row_for_a_version(&emmg_mux_udp);
}
END_TEST

/* Seven TS packets with their TLVs still go into one UDP datagram of an Ethernet. */
START_TEST(seven_packets_fit_a_datagram)
{
	uint8_t packets[7 * 188], out[1472];
	struct sim_writer w;

	memset(packets, 0x47, sizeof(packets));
	sim_begin(&w, &emmg_mux_udp, 3, EMMG_DATA_PROVISION, out, sizeof(out));
	sim_put_int(&w, EMMG_CLIENT_ID, 0x4ae60001);
	sim_put_int(&w, EMMG_DATA_ID, 32);
	sim_put_bytes(&w, EMMG_DATAGRAM, packets, sizeof(packets));
	ck_assert_uint_eq(sim_end(&w, NULL), 23 + sizeof(packets));
	sim_put_int(&w, EMMG_STREAM_ID, 3);	/* we do not send what we tolerate */
	ck_assert_uint_eq(sim_end(&w, NULL), 0);
}
END_TEST

SUITE("sim_emmg", tcase_add_test(t, every_vector_there_and_back); tcase_add_test(t, every_vector_prints_as_golden);
    tcase_add_test(t, every_truncation_is_refused); tcase_add_test(t, every_negative_vector_gets_its_status);
    tcase_add_test(t, a_fault_leaves_what_an_answer_needs); tcase_add_test(t, a_stream_gives_its_messages_however_it_is_cut);
    tcase_add_loop_test(t, versions_and_leniency, 0, sizeof(rules) / sizeof(rules[0]));
    tcase_add_test(t, numbers_are_this_interface_s_own); tcase_add_test(t, a_parameter_has_one_row_for_a_version);
    tcase_add_test(t, seven_packets_fit_a_datagram))
