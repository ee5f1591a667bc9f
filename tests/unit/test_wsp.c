/* tests/unit/test_wsp.c: WSP pushes and the short messages that carry them: V20, V21, and what else a phone may be sent */
#include <string.h>
#include "proto/wsp.h"
#include "tests/unit/mikey_vectors.h"

enum { S = 1000000 };
static uint8_t pull[400], push[400], seg[3][200];
static size_t pull_len, push_len, seg_len[3];

static void
load(void)
{
	json_t *segments = json_object_get(vector("V21_sms_segments"), "segments");

	pull_len = hex_of(vector("V18_solicited_pull_register_all"), "message", pull, sizeof(pull));
	push_len = hex_of(vector("V20_wsp_push"), "pdu", push, sizeof(push));
	ck_assert_uint_eq(json_array_size(segments), 2);
	for (size_t i = 0; i < 2; i++)
		seg_len[i] = unhex(json_string_value(json_array_get(segments, i)), seg[i], sizeof(seg[i]));
}

START_TEST(a_push_is_made_as_the_vector)
{
	uint8_t out[400];

	load();
	ck_assert_uint_eq(wsp_push_encode(0x25, pull, pull_len, out, sizeof(out)), push_len);
	ck_assert_mem_eq(out, push, push_len);
	ck_assert_uint_eq(wsp_push_encode(0x25, pull, pull_len, out, push_len - 1), 0);
}
END_TEST

START_TEST(the_vector_is_taken_apart)
{
	enum wsp_fault why;
	struct wsp_push p;

	load();
	ck_assert_int_eq(wsp_push_decode(push, push_len, &p, &why), 0);
	ck_assert_uint_eq(p.tid, 0x25);
	ck_assert_int_eq(p.type, WSP_MIKEY);
	ck_assert_int_eq(p.app, WSP_BCAST);
	ck_assert(wsp_push_is_mikey(&p));
	ck_assert_uint_eq(p.body.len, pull_len);
	ck_assert_mem_eq(p.body.p, pull, pull_len);
}
END_TEST

/* the other forms of 4.1: what they are, whether they are for us, and where the body begins: it is "abc" */
static const struct form { const char *hex, *what; bool ours; } forms[] = {
	{ "01 06 03 d2 af93 616263", "as we make it", true },
	{ "01 06 04 01d2 af93 616263", "the content type within a length", true },
	{ "01 06 06 03d2 8181 af93 616263", "… with a parameter behind it", true },
	{ "01 06 05 1f01d2 af93 616263", "… and the length as uintvar", true },
	{ "01 06 05 020152 af93 616263", "… and the number as long integer", true },
	{ "01 06 14 6170706c69636174696f6e2f6d696b657900 af93 616263", "the content type as text", true },
	{ "01 06 14 6170706C69636174696F6E2F4D494B455900 af93 616263", "… in other letters", true },
	{ "01 06 15 126170706c69636174696f6e2f6d696b657900 af93 616263", "the text within a length", true },
	{ "01 06 1d d2 af 782d6f6d612d6170706c69636174696f6e3a62636173742e756100 616263", "the application id as text", true },
	{ "01 06 17 d2 582d5761702d4170706c69636174696f6e2d496400 93 616263", "the header's name as text", true },
	{ "01 06 04 d2 af0113 616263", "the application id as long integer", true },
	{ "01 06 05 d2 8d83 af93 616263", "a header before", true },
	{ "01 06 08 d2 af93 b4 0301 0203 616263", "a header with a length behind", true },
	{ "01 06 0a d2 582d4100 7a7a00 af93 616263", "a header of somebody's own before", true },
	{ "01 06 03 d2 af84 616263", "another application", false },
	{ "01 06 03 ae af93 616263", "another content type", false },
	{ "01 06 01 d2 616263", "no application", false },
	{ "01 06 05 d2 7f02 af93 616263", "a number of another page", false },
	{ "01 06 04 d2 02 af93 616263", "… and by the short cut", false },
	{ "01 06 07 d2 7f02 7f01 af93 616263", "back on the first page", true },
	{ "01 06 05 d2 af84 af93 616263", "two applications: the first counts", false },
};

START_TEST(all_forms_are_read)	/* _i: of the table */
{
	uint8_t in[200];
	struct wsp_push p;
	enum wsp_fault why;

	size_t n = unhex(forms[_i].hex, in, sizeof(in));
	ck_assert_msg(wsp_push_decode(in, n, &p, &why) == 0, "%s: %s", forms[_i].what, wsp_fault_text(why));
	ck_assert_msg(wsp_push_is_mikey(&p) == forms[_i].ours, "%s", forms[_i].what);
	ck_assert_uint_eq(p.body.len, 3);
	ck_assert_mem_eq(p.body.p, "abc", 3);
}
END_TEST

static const struct bad { const char *hex; enum wsp_fault why; } bad[] = {
	{ "", WSP_TRUNCATED }, { "01", WSP_TRUNCATED }, { "01 06", WSP_TRUNCATED }, { "01 06 03 d2 af", WSP_TRUNCATED },
	{ "01 04 03 d2 af93", WSP_NOT_PUSH }, { "01 06 8080808003 d2af93", 0 }, { "01 06 808080808003 d2af93", WSP_BAD_LENGTH },
	{ "01 06 ffffffff7f d2af93", WSP_BAD_LENGTH }, { "01 06 00", WSP_BAD_LENGTH }, { "01 06 01 00", WSP_BAD_TYPE },
	{ "01 06 02 01 1f", WSP_BAD_TYPE }, { "01 06 02 02 d2", WSP_BAD_LENGTH }, { "01 06 04 d2 af 0213", WSP_BAD_LENGTH },
	{ "01 06 02 d2 00", WSP_BAD_HEADER }, { "01 06 05 d2 af 616263 00", WSP_TRUNCATED }, { "01 06 02 d2 af", WSP_BAD_LENGTH },
	{ "01 06 03 6d6d6d 00", WSP_TRUNCATED },
};

START_TEST(what_cannot_be_is_refused)	/* _i: of the table */
{
	uint8_t in[100];
	struct wsp_push p;
	enum wsp_fault why;
	size_t n = bad[_i].hex[0] ? unhex(bad[_i].hex, in, sizeof(in)) : 0;

	ck_assert_int_eq(wsp_push_decode(in, n, &p, &why), bad[_i].why ? -1 : 0);
	ck_assert_msg(why == bad[_i].why, "%s: %s", bad[_i].hex, wsp_fault_text(why));
}
END_TEST

START_TEST(parts_are_made_as_the_vector)
{
	uint8_t out[WDP_BLOCK];

	load();
	ck_assert_uint_eq(wdp_parts(push_len), 2);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(wdp_part(push, push_len, 0x5a, i, out), seg_len[i]);
		ck_assert_mem_eq(out, seg[i], seg_len[i]);
	}
	ck_assert_uint_eq(wdp_part(push, push_len, 0x5a, 2, out), 0);
}
END_TEST

START_TEST(one_message_holds_133_octets)
{
	uint8_t pdu[134] = { 1, 6, 3 }, out[WDP_BLOCK];
	const uint8_t header[7] = { 6, 5, 4, 0x0b, 0x84, 0x23, 0xf0 };

	ck_assert_uint_eq(wdp_parts(0), 0);
	ck_assert_uint_eq(wdp_parts(133), 1);
	ck_assert_uint_eq(wdp_parts(134), 2);
	ck_assert_uint_eq(wdp_parts(256), 2);
	ck_assert_uint_eq(wdp_parts(257), 3);
	ck_assert_uint_eq(wdp_parts(255 * 128), 255);
	ck_assert_uint_eq(wdp_parts(255 * 128 + 1), 0);
	ck_assert_uint_eq(wdp_part(pdu, 133, 9, 0, out), WDP_BLOCK);
	ck_assert_mem_eq(out, header, sizeof(header));
	ck_assert_mem_eq(out + sizeof(header), pdu, 133);
	ck_assert_uint_eq(wdp_part(pdu, 134, 9, 1, out), 12 + 6);
}
END_TEST

static struct wdp_join join;

static enum wdp_result
take(uint64_t sender, const uint8_t *block, size_t len, int64_t at, struct mikey_view *pdu)
{
	return wdp_take(&join, sender, block, len, at, pdu);
}

START_TEST(parts_are_joined_in_any_order)	/* _i: which comes first */
{
	struct mikey_view pdu;
	size_t first = (size_t)_i, second = 1 - first;

	load();
	memset(&join, 0, sizeof(join));
	ck_assert_int_eq(take(1, seg[first], seg_len[first], 0, &pdu), WDP_MORE);
	ck_assert_int_eq(take(1, seg[first], seg_len[first], 0, &pdu), WDP_AGAIN);
	ck_assert_int_eq(take(2, seg[second], seg_len[second], 0, &pdu), WDP_MORE);	/* another sender's */
	ck_assert_int_eq(take(1, seg[second], seg_len[second], 1, &pdu), WDP_WHOLE);
	ck_assert_uint_eq(pdu.len, push_len);
	ck_assert_mem_eq(pdu.p, push, push_len);
	ck_assert_int_eq(take(1, seg[first], seg_len[first], 2, &pdu), WDP_MORE);	/* a message of its own */
	ck_assert_uint_eq(join.given_up, 0);
}
END_TEST

START_TEST(references_are_kept_apart)
{
	uint8_t pdu[8][300], out[WDP_BLOCK];
	struct mikey_view got;

	memset(&join, 0, sizeof(join));
	for (size_t i = 0; i < 8; i++)
		memset(pdu[i], (int)i, sizeof(pdu[i]));
	for (size_t part = 3; part-- > 0;)
		for (size_t i = 0; i < 8; i++) {
			size_t n = wdp_part(pdu[i], sizeof(pdu[i]), (uint8_t)(200 + i), part, out);
			ck_assert_int_eq(take(0, out, n, 0, &got), part ? WDP_MORE : WDP_WHOLE);
			if (!part) {
				ck_assert_uint_eq(got.len, sizeof(pdu[i]));
				ck_assert_mem_eq(got.p, pdu[i], sizeof(pdu[i]));
			}
		}
	ck_assert_uint_eq(join.given_up, 0);
}
END_TEST

START_TEST(the_oldest_gives_way)
{
	uint8_t out[WDP_BLOCK];
	struct mikey_view got;
	size_t n;

	load();
	memset(&join, 0, sizeof(join));
	for (unsigned i = 0; i < 9; i++) {	/* the first parts of nine messages; there is room for eight */
		n = wdp_part(push, push_len, (uint8_t)i, 0, out);
		ck_assert_int_eq(take(0, out, n, i, &got), WDP_MORE);
	}
	ck_assert_uint_eq(join.given_up, 1);
	n = wdp_part(push, push_len, 1, 1, out);
	ck_assert_int_eq(take(0, out, n, 10, &got), WDP_WHOLE);
	n = wdp_part(push, push_len, 0, 1, out);
	ck_assert_int_eq(take(0, out, n, 10, &got), WDP_MORE);
}
END_TEST

START_TEST(what_never_comes_is_not_waited_for)
{
	struct mikey_view got;

	load();
	memset(&join, 0, sizeof(join));
	ck_assert_int_eq(take(0, seg[0], seg_len[0], 0, &got), WDP_MORE);
	ck_assert_int_eq(take(0, seg[1], seg_len[1], WDP_WAIT_US + 1, &got), WDP_MORE);
	ck_assert_uint_eq(join.given_up, 1);
}
END_TEST

/* A sender's references come round: a part that differs from the one that waits belongs to a new message. */
START_TEST(a_reference_is_used_again)
{
	uint8_t other[400], out[WDP_BLOCK];
	struct mikey_view got;
	size_t n;

	load();
	memset(&join, 0, sizeof(join));
	memcpy(other, push, push_len);
	other[0] ^= 1;
	ck_assert_int_eq(take(0, seg[0], seg_len[0], 0, &got), WDP_MORE);
	n = wdp_part(other, push_len, 0x5a, 0, out);
	ck_assert_int_eq(take(0, out, n, 5 * S, &got), WDP_MORE);
	n = wdp_part(other, push_len, 0x5a, 1, out);
	ck_assert_int_eq(take(0, out, n, 6 * S, &got), WDP_WHOLE);
	ck_assert_mem_eq(got.p, other, push_len);
	ck_assert_uint_eq(join.given_up, 1);
}
END_TEST

static const struct sms { const char *hex; enum wdp_result r; } blocks[] = {
	{ "06 05040b8423f0 0106", WDP_WHOLE },
	{ "0a 7002abcd 05040b8423f0 0106", WDP_WHOLE },			/* an element that nobody knows */
	{ "0c 05040b8423f0 0804 1234 0101 0106", WDP_WHOLE },		/* a 16-bit reference, alone */
	{ "0c 05040b8423f0 0804 1234 0201 0106", WDP_MORE },
	{ "0b 05040b8423f0 0003 12 0902 0106", WDP_BAD },		/* nine parts */
	{ "0b 05040b8423f0 0003 12 0200 0106", WDP_BAD }, { "0b 05040b8423f0 0003 12 0203 0106", WDP_BAD }, { "0b 05040b8423f0 0003 12 0000 01", WDP_BAD },
	{ "06 05040b8523f0 0106", WDP_OTHER }, { "04 0402 8423 0106", WDP_OTHER },
	{ "05 05040b8423", WDP_BAD }, { "06 05050b8423f0 01", WDP_BAD }, { "07 05040b8423f0 00", WDP_BAD }, { "00 0106", WDP_BAD }, { "05 0003120201 0106", WDP_BAD },
};

START_TEST(user_data_headers)	/* _i: of the table */
{
	uint8_t in[WDP_BLOCK + 1] = { 0 };
	struct mikey_view got;
	size_t n = unhex(blocks[_i].hex, in, sizeof(in));

	memset(&join, 0, sizeof(join));
	enum wdp_result r = take(0, in, n, 0, &got);
	ck_assert_msg(r == blocks[_i].r, "%s: %s", blocks[_i].hex, wdp_result_text(r));
	ck_assert_int_eq(take(0, in, 0, 0, &got), WDP_BAD);
	ck_assert_int_eq(take(0, in, sizeof(in), 0, &got), WDP_BAD);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))
SUITE("wsp", tcase_add_test(t, a_push_is_made_as_the_vector); tcase_add_test(t, the_vector_is_taken_apart);
      tcase_add_loop_test(t, all_forms_are_read, 0, COUNT(forms)); tcase_add_loop_test(t, what_cannot_be_is_refused, 0, COUNT(bad));
      tcase_add_test(t, parts_are_made_as_the_vector); tcase_add_test(t, one_message_holds_133_octets);
      tcase_add_loop_test(t, parts_are_joined_in_any_order, 0, 2); tcase_add_test(t, references_are_kept_apart);
      tcase_add_test(t, the_oldest_gives_way); tcase_add_test(t, what_never_comes_is_not_waited_for);
      tcase_add_test(t, a_reference_is_used_again); tcase_add_loop_test(t, user_data_headers, 0, COUNT(blocks)))
