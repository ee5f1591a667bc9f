/* tests/unit/test_sim_playout.c: the playout link's tables */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "proto/playout.h"
#include "tests/suite.h"

static const char *const files[] = { "follower_setup", "key_record", "ecm_record", "key_request", "key_supply" };
static struct sim_msg m;

static size_t
load(const char *name, uint8_t *in, size_t cap)
{
	char rel[64];

	snprintf(rel, sizeof(rel), "sim/playout_%s.hex", name);
	return vec_hex(rel, in, cap);
}

START_TEST(hand_written_messages_print_as_golden)
{
	static char text[4096];
	uint8_t in[256];
	size_t at = 0;

	for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); k++) {
		size_t n = load(files[k], in, sizeof(in));
		ck_assert_int_eq(sim_decode_as(&playout, SIM_STRICT, in, n, &m, NULL), 0);
		at += sim_print(&m, text + at, sizeof(text) - at);
		at += (size_t)snprintf(text + at, sizeof(text) - at, "\n");
	}
	vec_golden("sim/playout.txt", text);
	ck_assert_ptr_null(strstr(text, "0001020304"));	/* no key in it */
}
END_TEST

START_TEST(key_record_is_bit_exact)
{
	uint8_t want[256], got[256], key[18];
	size_t n = load("key_record", want, sizeof(want));
	struct sim_writer w;

	for (size_t k = 0; k < sizeof(key); k++)
		key[k] = (uint8_t)k;
	sim_begin(&w, &playout, PLAYOUT_VERSION, PLAYOUT_KEY_RECORD, got, sizeof(got));
	sim_put_text(&w, PLAYOUT_SERVICE, "news");
	sim_put_int(&w, PLAYOUT_CP, 65636);
	sim_put_int(&w, PLAYOUT_START, 1767225600000000);
	sim_put_int(&w, PLAYOUT_DURATION, 10000);
	sim_put_int(&w, PLAYOUT_MIN_DURATION, 1000);
	sim_put_int(&w, PLAYOUT_EPOCH, 3);
	sim_put_int(&w, PLAYOUT_PROTECTION, 1);
	sim_put_int(&w, PLAYOUT_AUTHENTICATED, 1);
	sim_put_bytes(&w, PLAYOUT_KEY_IDENTIFIER, "\x00\x64", 2);
	sim_put_bytes(&w, PLAYOUT_KEY_MATERIAL, key, sizeof(key));
	ck_assert_uint_eq(sim_end(&w, NULL), n);
	ck_assert_mem_eq(got, want, n);
}
END_TEST

START_TEST(times_before_1970_keep_their_sign)
{
	uint8_t in[256];
	size_t n = load("ecm_record", in, sizeof(in));

	ck_assert_int_eq(sim_decode(&playout, in, n, &m, NULL), 0);
	ck_assert_int_eq(sim_int(&m, PLAYOUT_START, 0), -1000);
	ck_assert_int_eq(sim_int(&m, PLAYOUT_DELAY_START, 0), -2000);
	ck_assert_int_eq(sim_int(&m, PLAYOUT_CP, 0), 65636);
}
END_TEST

/* Every mandatory parameter is missed when it is left out, and none may stand twice. */
START_TEST(each_parameter_is_needed_once)
{
	uint8_t in[256], out[512];
	size_t n = load(files[_i], in, sizeof(in));

	ck_assert_int_eq(sim_decode(&playout, in, n, &m, NULL), 0);
	for (size_t changed = 0; changed < m.n; changed++)
		for (int times = 0; times <= 2; times += 2) {
			struct sim_writer w;
			struct sim_fault why;
			const uint16_t type = m.v[changed].type;
			const bool optional = type == PLAYOUT_KEY_IDENTIFIER || type == PLAYOUT_HOLD, many = m.type == PLAYOUT_FOLLOWER_SETUP && type == PLAYOUT_SERVICE;
			sim_begin(&w, &playout, PLAYOUT_VERSION, m.type, out, sizeof(out));
			for (size_t k = 0; k < m.n; k++)
				for (int i = 0; i < (k == changed ? times : 1); i++)
					sim_put_bytes(&w, m.v[k].type, m.v[k].p, m.v[k].len);
			if (many || (times == 0 && optional)) {
				ck_assert_uint_gt(sim_end(&w, &why), 0);
				continue;
			}
			ck_assert_uint_eq(sim_end(&w, &why), 0);
			ck_assert_int_eq(why.verdict, times == 0 ? SIM_MISSING : SIM_REPEATED);
			ck_assert_uint_eq(why.param, type);
			ck_assert_uint_eq(sim_status_of(&playout, why.verdict), PLAYOUT_E_INVALID);
		}
}
END_TEST

START_TEST(empty_messages)
{
	static const uint16_t types[] = { PLAYOUT_LINK_TEST, PLAYOUT_LINK_STATUS };
	uint8_t out[16];
	struct sim_writer w;

	for (size_t k = 0; k < 2; k++) {
		sim_begin(&w, &playout, PLAYOUT_VERSION, types[k], out, sizeof(out));
		ck_assert_uint_eq(sim_end(&w, NULL), SIM_HEADER);
		ck_assert_uint_eq(sim_frame_length(out, SIM_HEADER), SIM_HEADER);
	}
}
END_TEST

SUITE("sim_playout", tcase_add_test(t, hand_written_messages_print_as_golden); tcase_add_test(t, key_record_is_bit_exact);
    tcase_add_test(t, times_before_1970_keep_their_sign);
    tcase_add_loop_test(t, each_parameter_is_needed_once, 0, sizeof(files) / sizeof(files[0])); tcase_add_test(t, empty_messages))
