/* tests/unit/test_cwg.c */
#include "cwg/cwg.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/headend.h"
#include "tests/suite.h"

START_TEST(lengths_are_those_of_the_traffic_key_material)
{
	static const struct { int protection; bool auth; uint8_t cw_length; size_t want; } rows[] = {
		{ HE_IPSEC, false, 0, 16 }, { HE_IPSEC, true, 0, 32 }, { HE_SRTP, false, 0, 30 }, { HE_SRTP, true, 0, 30 },
		{ HE_ISMACRYP, false, 0, 24 }, { HE_ISMACRYP, true, 0, 40 }, { HE_CISSA, false, 0, 16 },
		{ HE_NONE, false, 8, 8 }, { HE_NONE, false, 16, 16 }, { HE_NONE, false, 0, 0 }, { HE_NONE, false, 9, 0 },
		{ 3, false, 8, 0 }, { 6, true, 8, 0 }, { -1, false, 8, 0 },
	};
	struct cwg *c = cwg_new(NULL, NULL);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t out[CWG_MATERIAL_MAX + 1];
		size_t len = cwg_length(rows[i].protection, rows[i].auth, rows[i].cw_length);

		ck_assert_uint_eq(len, rows[i].want);
		memset(out, 0xaa, sizeof(out));
		ck_assert_int_eq(cwg_draw(c, rows[i].protection, rows[i].auth, "news", 1, out, len), len ? 0 : -1);
		ck_assert_uint_eq(out[len], 0xaa);
		ck_assert_int_eq(cwg_draw(c, rows[i].protection, rows[i].auth, "news", 1, out, len + 1), -1);
	}
	cwg_free(c);
}
END_TEST

static int
by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, 30);
}

START_TEST(no_two_draws_are_equal)
{
	enum { N = 100000 };
	uint8_t (*m)[30] = malloc(N * sizeof(*m));
	struct cwg *c = cwg_new(NULL, NULL);

	for (size_t i = 0; i < N; i++)	/* of one service and CP: nothing but chance tells them apart */
		ck_assert_int_eq(cwg_draw(c, HE_SRTP, true, "news", 7, m[i], 30), 0);
	qsort(m, N, sizeof(*m), by_bytes);
	for (size_t i = 1; i < N; i++)
		ck_assert_mem_ne(m[i - 1], m[i], 30);
	free(m);
	cwg_free(c);
}
END_TEST

START_TEST(no_two_processes_draw_the_same)	/* also not after fork */
{
	struct cwg *c = cwg_new(NULL, NULL);
	uint8_t a[30], b[30];
	int p[2];

	ck_assert_int_eq(cwg_draw(c, HE_SRTP, true, "news", 7, a, 30), 0);
	ck_assert_int_eq(pipe(p), 0);
	if (fork() == 0) {
		_exit(cwg_draw(c, HE_SRTP, true, "news", 8, b, 30) == 0 && write(p[1], b, 30) == 30 ? 0 : 1);
	}
	ck_assert_int_eq(cwg_draw(c, HE_SRTP, true, "news", 8, a, 30), 0);
	ck_assert_int_eq(read(p[0], b, 30), 30);
	ck_assert_mem_ne(a, b, 30);
	cwg_free(c);
}
END_TEST

START_TEST(csa_words_have_their_checksums)
{
	struct cwg *c = cwg_new(NULL, NULL), *seeded = cwg_new("seed", NULL);
	uint8_t cw[16];
	int sums = 0;

	for (uint64_t cp = 0; cp < 1000; cp++) {
		ck_assert_int_eq(cwg_draw(cp % 2 ? c : seeded, HE_NONE, false, "ts", cp, cw, 8), 0);
		ck_assert_uint_eq(cw[3], (cw[0] + cw[1] + cw[2]) & 0xff);
		ck_assert_uint_eq(cw[7], (cw[4] + cw[5] + cw[6]) & 0xff);
		ck_assert_int_eq(cwg_draw(c, HE_NONE, false, "ts", cp, cw, 16), 0);	/* CISSA, AES: no checksums */
		sums += cw[3] == ((cw[0] + cw[1] + cw[2]) & 0xff);
	}
	ck_assert_int_lt(sums, 50);
	cwg_free(c);
	cwg_free(seeded);
}
END_TEST

/* Computed with Python: hmac.new(b"seed\0", bytes([block]) + (5).to_bytes(8, "big") + b"news", "sha256") */
START_TEST(a_seed_foretells)
{
	struct cwg *c = cwg_new("seed", NULL), *d = cwg_new("seed", NULL), *e = cwg_new("seee", NULL);
	uint8_t want[40], a[40], b[40];

	ck_assert_uint_eq(unhex("778d1cd885613dcdaa16fcdc2e51c18cb3d66fb3d3d9d5339ba2d9ff328433defdfb76b52d927242", want, sizeof(want)), 40);
	ck_assert_int_eq(cwg_draw(c, HE_ISMACRYP, true, "news", 5, a, 40), 0);
	ck_assert_mem_eq(a, want, 40);
	ck_assert_int_eq(cwg_draw(d, HE_ISMACRYP, true, "news", 5, b, 40), 0);
	ck_assert_mem_eq(a, b, 40);
	ck_assert_int_eq(cwg_draw(d, HE_ISMACRYP, true, "news", 6, b, 40), 0);
	ck_assert_mem_ne(a, b, 16);
	ck_assert_int_eq(cwg_draw(d, HE_ISMACRYP, true, "sport", 5, b, 40), 0);
	ck_assert_mem_ne(a, b, 16);
	ck_assert_int_eq(cwg_draw(e, HE_ISMACRYP, true, "news", 5, b, 40), 0);
	ck_assert_mem_ne(a, b, 16);
	cwg_free(c);
	cwg_free(d);
	cwg_free(e);
}
END_TEST

START_TEST(a_seed_is_shouted_about)	/* at err, which no log level hides */
{
	char line[1024];
	int p[2];
	ssize_t n;

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_ge(dup2(p[1], STDERR_FILENO), 0);
	cwg_free(cwg_new("hunter2", NULL));
	n = read(p[0], line, sizeof(line) - 1);
	ck_assert_int_gt(n, 0);
	line[n] = '\0';
	ck_assert_ptr_nonnull(strstr(line, "level=err"));
	ck_assert_ptr_nonnull(strstr(line, "nothing is protected"));
	ck_assert_ptr_null(strstr(line, "hunter2"));
}
END_TEST

SUITE("cwg", tcase_add_test(t, lengths_are_those_of_the_traffic_key_material); tcase_add_test(t, no_two_draws_are_equal);
    tcase_add_test(t, no_two_processes_draw_the_same); tcase_add_test(t, csa_words_have_their_checksums);
    tcase_add_test(t, a_seed_foretells); tcase_add_test(t, a_seed_is_shouted_about))
