/* tests/unit/test_kms_plugin_lab.c */
#include "tests/unit/kms_host.h"
#include <time.h>

static const uint8_t cw[2][8] = { { 0x11, 0x22, 0x33, 0x66, 0x44, 0x55, 0x66, 0xff }, { 0xa1, 0xa2, 0xa3, 0xe6, 0xa4, 0xa5, 0xa6, 0xef } };
static const struct kms_cw cws[2] = { { 101, cw[0], 8, NULL, 0 }, { 102, cw[1], 8, NULL, 0 } };
static struct kms_request ask = { .size = sizeof(ask), .handle = 5, .super_cas_id = 0x4ae60001, .ecm_id = 7, .cp_number = 101, .cws = cws, .ncws = 2 };
static const struct kms_plugin *p;
static uint8_t ecm[KMS_ECM_MAX];
static char why[400];

START_TEST(it_says_that_it_protects_nothing)
{
	struct kms_channel c = { 0 };
	void *s = open_plugin(p = load("lab"), "section_TSpkt_flag=1\nCW_per_msg=3\nlead_CW=2\ndelay_start=300\n");

	ck_assert_int_eq(logged[KMS_LOG_ERR], 1);
	ck_assert_int_eq(p->channel(s, 0x12345678, &c, why, sizeof(why)), 0);
	ck_assert_uint_eq(c.section_TSpkt_flag, 1);
	ck_assert_uint_eq(c.CW_per_msg, 3);
	ck_assert_uint_eq(c.lead_CW, 2);
	ck_assert_int_eq(c.delay_start, 300);
	p->close(s);
}
END_TEST

START_TEST(sections_name_the_cws_without_showing_them)
{
	static const uint8_t head[] = { 0x81, 0x70, 17 - 3 + 2 * 11, 'L', 'A', 'B', '1', 0x4a, 0xe6, 0, 1, 0, 7, 0, 101, 0, 2, 0, 101, 8 };
	void *s = open_plugin(p = load("lab"), "");
	uint8_t again[64];
	int n = p->ecm(s, &ask, ecm, sizeof(ecm), why, sizeof(why));

	ck_assert_int_eq(n, 17 + 2 * 11);
	ck_assert_mem_eq(ecm, head, sizeof(head));
	ck_assert_ptr_null(memmem(ecm, (size_t)n, cw[0], 4));
	ck_assert_ptr_null(memmem(ecm, (size_t)n, cw[1], 4));
	ck_assert_mem_ne(ecm + 20, ecm + 31, 8);
	memcpy(again, ecm, (size_t)n);
	ck_assert_int_eq(p->ecm(s, &ask, ecm, sizeof(ecm), why, sizeof(why)), n);
	ck_assert_mem_eq(ecm, again, (size_t)n);
	ck_assert_int_eq(p->ecm(s, &ask, ecm, (size_t)n - 1, why, sizeof(why)), -0x000d);
	p->close(s);
}
END_TEST

/* The values are those of `openssl enc -aes-128-ecb`, chained by a script. */
START_TEST(a_print_is_made_as_described)
{
	static const uint8_t of_8[] = { 0x8a, 0x02, 0xc8, 0x72, 0x11, 0x23, 0x74, 0x39 }, of_30[] = { 0x3b, 0x45, 0x18, 0x71, 0x2a, 0x9e, 0x04, 0xbe };
	void *s = open_plugin(p = load("lab"), "");
	uint8_t word[30];
	struct kms_cw words[2] = { { 101, cw[0], 8, NULL, 0 }, { 102, word, sizeof(word), NULL, 0 } };
	struct kms_request both = ask;

	for (size_t k = 0; k < sizeof(word); k++)
		word[k] = (uint8_t)k;
	both.cws = words;
	ck_assert_int_eq(p->ecm(s, &both, ecm, sizeof(ecm), why, sizeof(why)), 17 + 2 * 11);
	ck_assert_mem_eq(ecm + 20, of_8, 8);
	ck_assert_mem_eq(ecm + 31, of_30, 8);
	p->close(s);
}
END_TEST

START_TEST(they_show_them_when_told)
{
	void *s = open_plugin(p = load("lab"), "clear_cw=1\n");
	int n = p->ecm(s, &ask, ecm, sizeof(ecm), why, sizeof(why));

	ck_assert_int_eq(n, 17 + 2 * 11);
	ck_assert_uint_eq(ecm[15], 1);
	ck_assert_mem_eq(ecm + 20, cw[0], 8);
	ck_assert_mem_eq(ecm + 31, cw[1], 8);
	p->close(s);
}
END_TEST

START_TEST(packets_carry_the_section)
{
	static uint8_t big[3][255], got[600];
	const struct kms_cw three[3] = { { 1, big[0], 255, NULL, 0 }, { 2, big[1], 255, NULL, 0 }, { 3, big[2], 255, NULL, 0 } };
	void *s = open_plugin(p = load("lab"), "section_TSpkt_flag=1\nclear_cw=1\n");
	size_t at = 0;

	for (size_t k = 0; k < sizeof(big); k++)
		big[k / 255][k % 255] = (uint8_t)(k * 7);
	ask.cws = three;
	ask.ncws = 2;
	ask.cp_number = 2;
	size_t section = 17 + 2 * 258;
	ck_assert_int_eq(p->ecm(s, &ask, ecm, sizeof(ecm), why, sizeof(why)), 3 * 188);
	for (unsigned k = 0; k < 3; k++) {
		const uint8_t *t = ecm + k * 188;
		size_t head = k == 0 ? 5 : 4, n = 188 - head;
		ck_assert_uint_eq(t[0], 0x47);
		ck_assert_uint_eq(t[1], k == 0 ? 0x5f : 0x1f);
		ck_assert_uint_eq(t[2], 0xff);
		ck_assert_uint_eq(t[3], 0x10 | k);
		if (k == 0)
			ck_assert_uint_eq(t[4], 0);
		memcpy(got + at, t + head, n);
		at += n;
	}
	ck_assert_uint_eq(got[0], 0x80);
	ck_assert_uint_eq((size_t)(got[1] & 15) << 8 | got[2], section - 3);
	ck_assert_mem_eq(got + 20, big[0], 255);
	for (; section < at; section++)
		ck_assert_uint_eq(got[section], 0xff);
	ck_assert_int_eq(p->ecm(s, &ask, ecm, 3 * 188 - 1, why, sizeof(why)), -0x000d);
	p->close(s);
}
END_TEST

START_TEST(late_answers_come_late_and_in_order)
{
	void *s = open_plugin(p = load("lab"), "ecm_delay=50\n");
	struct timespec from, now, nap = { 0, 1000000 };

	ck_assert_uint_eq(p->calling, KMS_ASYNC);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (uint64_t h = 1; h <= 3; h++) {
		ask.handle = h;
		ck_assert_int_eq(p->ecm(s, &ask, ecm, sizeof(ecm), why, sizeof(why)), KMS_LATER);
	}
	for (uint64_t seen = 0; seen < 3;) {
		uint64_t h = __atomic_load_n(&answered, __ATOMIC_ACQUIRE);
		ck_assert_uint_ge(h, seen);
		seen = h;
		nanosleep(&nap, NULL);
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	ck_assert_int_ge((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000, 50);
	ck_assert_uint_eq(late_len, 17 + 2 * 11);
	ck_assert_uint_eq(late[0], 0x81);
	p->close(s);
}
END_TEST

START_TEST(closing_drops_what_still_waits)
{
	void *s = open_plugin(p = load("lab"), "ecm_delay=3600000\n");

	ck_assert_int_eq(p->ecm(s, &ask, ecm, sizeof(ecm), why, sizeof(why)), KMS_LATER);
	p->close(s);
	ck_assert_uint_eq(answered, 0);
}
END_TEST

START_TEST(bad_settings_are_refused)
{
	static const char *const conf[] = { "section_TSpkt_flag=2\n", "CW_per_msg=0\n", "lead_CW=256\n", "keys=/etc/x\n", "ecm_delay=soon\n" };
	void *state;

	p = load("lab");
	for (size_t k = 0; k < sizeof(conf) / sizeof(conf[0]); k++)
		ck_assert_int_eq(p->open(&host, conf[k], &state, why, sizeof(why)), -1);
	ck_assert_int_eq(logged[KMS_LOG_ERR], 0);
}
END_TEST

SUITE("kms_plugin_lab", tcase_add_test(t, it_says_that_it_protects_nothing);
      tcase_add_test(t, a_print_is_made_as_described);
      tcase_add_test(t, sections_name_the_cws_without_showing_them); tcase_add_test(t, they_show_them_when_told);
      tcase_add_test(t, packets_carry_the_section); tcase_add_test(t, late_answers_come_late_and_in_order);
      tcase_add_test(t, closing_drops_what_still_waits); tcase_add_test(t, bad_settings_are_refused))
