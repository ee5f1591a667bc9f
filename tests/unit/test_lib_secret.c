/* tests/unit/test_lib_secret.c */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/secret.h"
#include "tests/suite.h"

START_TEST(init_turns_core_dumps_off_and_locks)
{
	struct gw_err err = { 0 };
	struct gw_secret s;
	struct rlimit core;

	ck_assert_msg(gw_secrets_init(16, true, &err) == 0, "%s", err.text);
	ck_assert_int_eq(getrlimit(RLIMIT_CORE, &core), 0);
	ck_assert_uint_eq(core.rlim_max, 0);
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	ck_assert_int_eq(gw_secret_new(&s, 16), 0);
	ck_assert_int_eq(CRYPTO_secure_allocated(s.p), 1);
	gw_secret_free(&s);
	ck_assert_int_eq(gw_secrets_init(16, true, &err), 0);	/* again: quiet */
	gw_secrets_fini();
}
END_TEST

START_TEST(unlockable_memory_is_refused)
{
	struct rlimit none = { 0, 0 };
	struct gw_err err = { 0 };

	if (geteuid() == 0)	/* root may lock whatever the limit says */
		ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
	ck_assert_int_eq(gw_secrets_init(16, false, &err), -1);
	ck_assert_int_eq(err.code, GW_ESYS);
	ck_assert_ptr_nonnull(strstr(err.text, "cannot be locked"));
	ck_assert_int_eq(gw_secrets_init(16, true, &err), 0);
	gw_secrets_fini();
}
END_TEST

START_TEST(full_heap_says_so)
{
	struct gw_secret s[64];
	int n = 0;

	ck_assert_int_eq(gw_secrets_init(4, true, NULL), 0);
	while (n < 64 && gw_secret_new(&s[n], 1024) == 0)
		n++;
	ck_assert_int_eq(n, 4);
	ck_assert_ptr_null(s[n].p);
	while (n-- > 0)
		gw_secret_free(&s[n]);
	gw_secrets_fini();
}
END_TEST

START_TEST(secrets_are_copies)
{
	struct gw_secret s = { NULL, 0 }, empty;
	char key[] = "0123456789abcdef";

	gw_secret_free(&s);
	ck_assert_int_eq(gw_secret_set(&s, key, 16), 0);
	ck_assert(gw_secret_equal(&s, key, 16));
	ck_assert(!gw_secret_equal(&s, key, 15));
	gw_cleanse(key, 16);
	ck_assert_int_eq(key[3], 0);
	ck_assert(!gw_secret_equal(&s, key, 16));
	gw_secret_free(&s);
	ck_assert_ptr_null(s.p);
	ck_assert_uint_eq(s.len, 0);
	ck_assert_int_eq(gw_secret_set(&empty, NULL, 0), 0);
	ck_assert(gw_secret_equal(&empty, NULL, 0));
	gw_secret_free(&empty);
}
END_TEST

START_TEST(fingerprint_is_hmac_sha256)
{
	char fp[17];

	/* printf fp | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102030405060708090a0b0c0d0e0f, first 8 bytes */
	gw_fingerprint("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", 16, fp);
	ck_assert_str_eq(fp, "28adde074b31c7ba");
	gw_fingerprint(NULL, 0, fp);
	ck_assert_str_eq(fp, "d66853fa132b9b0a");
}
END_TEST

START_TEST(random_bytes_differ)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };

	gw_random(a, sizeof(a));
	gw_random(b, sizeof(b));
	ck_assert_mem_ne(a, b, sizeof(a));
	gw_random(a, 0);
}
END_TEST

START_TEST(key_files_are_private)
{
	static const struct { mode_t mode; int want; } modes[] = { { 0600, 0 }, { 0400, 0 }, { 0640, -1 }, { 0604, -1 }, { 0660, -1 } };
	char path[] = "/tmp/gw-key-XXXXXX";
	int fd = mkstemp(path);
	struct gw_err err = { 0 };

	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		fchmod(fd, modes[i].mode);
		ck_assert_int_eq(gw_secret_file_ok(path, &err), modes[i].want);
	}
	ck_assert_int_eq(err.code, GW_ECONF);
	ck_assert_ptr_nonnull(strstr(err.text, "(mode 0660): chmod 600 it"));
	close(fd);
	unlink(path);
	ck_assert_int_eq(gw_secret_file_ok(path, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "No such file"));
	ck_assert_int_eq(gw_secret_file_ok("/tmp", &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "not a regular file"));
}
END_TEST

SUITE("lib_secret", tcase_add_test(t, init_turns_core_dumps_off_and_locks); tcase_add_test(t, unlockable_memory_is_refused);
      tcase_add_test(t, full_heap_says_so); tcase_add_test(t, secrets_are_copies); tcase_add_test(t, fingerprint_is_hmac_sha256);
      tcase_add_test(t, random_bytes_differ); tcase_add_test(t, key_files_are_private))
