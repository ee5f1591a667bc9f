/* tests/unit/test_lib_wrap.c: keys at rest */
#include <string.h>
#include <sys/stat.h>
#include "lib/store.h"
#include "tests/suite.h"
#include "tests/unit/scratch.h"

static struct gw_store *
store(void)
{
	struct gw_store *s = NULL;
	struct gw_err err = { 0 };

	ck_assert_msg(gw_store_open(scratch("store.db"), &s, &err) == 0, "%s", err.text);
	return s;
}

static const char *
master(void)
{
	return scratch("master.key");
}

static struct gw_wrap *
opened(struct gw_store *s)
{
	struct gw_wrap *w = NULL;
	struct gw_err err = { 0 };

	ck_assert_msg(gw_wrap_open(master(), s, &w, &err) == 0, "%s", err.text);
	return w;
}

static void
refused(struct gw_store *s, const char *why)
{
	struct gw_wrap *w = NULL;
	struct gw_err err = { 0 };

	ck_assert_int_eq(gw_wrap_open(master(), s, &w, &err), -1);
	ck_assert_msg(strstr(err.text, why) != NULL, "%s", err.text);
	ck_assert_ptr_nonnull(strstr(err.text, master()));
	ck_assert_ptr_null(w);
}

static void
write_master(const char *name, const void *key, size_t len)
{
	FILE *f;

	umask(077);
	f = fopen(scratch(name), "wb");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(key, 1, len, f), len);
	fclose(f);
}

START_TEST(a_key_survives_wrapping_and_restart)	/* _i: its length */
{
	struct gw_store *s = store();
	struct gw_wrap *w = opened(s);
	uint8_t key[64], wrapped[64 + GW_WRAP_OVERHEAD], again[64], other[64 + GW_WRAP_OVERHEAD];
	size_t len = (size_t)_i;
	int n;

	for (size_t i = 0; i < len; i++)
		key[i] = (uint8_t)(i * 37 + 1);
	n = gw_wrap_seal(w, key, len, wrapped, sizeof(wrapped));
	ck_assert_int_eq(n, (int)((len + 7) / 8 * 8 + 8));
	ck_assert_int_le(n, (int)len + GW_WRAP_OVERHEAD);
	ck_assert_int_eq(gw_wrap_seal(w, key, len, other, (size_t)n - 1), -1);
	ck_assert_int_eq(gw_wrap_seal(w, key, len, other, (size_t)n), n);
	ck_assert_mem_eq(wrapped, other, (size_t)n);
	gw_wrap_close(w);
	gw_store_close(s);
	s = store();
	w = opened(s);
	ck_assert_int_eq(gw_wrap_open_key(w, wrapped, (size_t)n, again, len), (int)len);
	ck_assert_mem_eq(again, key, len);
	if (len > 1)
		ck_assert_int_eq(gw_wrap_open_key(w, wrapped, (size_t)n, again, len - 1), -1);
	gw_wrap_close(w);
	gw_store_close(s);
}
END_TEST

START_TEST(every_changed_bit_is_noticed)
{
	struct gw_store *s = store();
	struct gw_wrap *w = opened(s);
	uint8_t wrapped[30 + GW_WRAP_OVERHEAD], out[64];
	int n = gw_wrap_seal(w, "thirty octets of SRTP material", 30, wrapped, sizeof(wrapped));

	ck_assert_int_eq(n, 40);
	for (int bit = 0; bit < n * 8; bit++) {
		wrapped[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(gw_wrap_open_key(w, wrapped, (size_t)n, out, sizeof(out)), -1);
		wrapped[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (int len = 0; len < n; len++)
		ck_assert_int_eq(gw_wrap_open_key(w, wrapped, (size_t)len, out, sizeof(out)), -1);
	ck_assert_int_eq(gw_wrap_open_key(w, wrapped, (size_t)n, out, sizeof(out)), 30);	/* and a refusal leaves no trace */
	gw_wrap_close(w);
	gw_store_close(s);
}
END_TEST

/* RFC 5649 section 6 has 192-bit vectors only; this one was made with Python's cryptography 48 (aes_key_wrap_with_padding). */
START_TEST(the_algorithm_is_rfc_5649)
{
	static const uint8_t key[32] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
	    24, 25, 26, 27, 28, 29, 30, 31 };
	struct gw_store *s = store();
	struct gw_wrap *w = opened(s);
	uint8_t check[32], want[64], got[64];
	struct gw_blob b;

	gw_wrap_close(w);
	gw_store_close(s);
	unlink(scratch("store.db"));
	write_master("master.key.new", key, sizeof(key));
	unlink(master());
	s = store();	/* a store that belongs to this key */
	ck_assert_uint_eq(unhex("f30b78179ad4ae13d54791c041c862b274ce35f1d64e62e0", check, sizeof(check)), 24);
	ck_assert_int_eq(gw_store_note(s, "master-key-check", check, 24), GW_WON);
	w = opened(s);
	ck_assert_int_eq(gw_store_noted(s, "master-key-check", &b), GW_WON);
	gw_store_free(&b);
	ck_assert_uint_eq(unhex("b1f96300806f85f90ca8649321e5c1ffadcefb156016bccd26d1f61a5ec8567faff95677fab084d8", want, sizeof(want)), 40);
	ck_assert_int_eq(gw_wrap_seal(w, "thirty octets of SRTP material", 30, got, sizeof(got)), 40);
	ck_assert_mem_eq(got, want, 40);
	gw_wrap_close(w);
	gw_store_close(s);
}
END_TEST

START_TEST(the_file_is_ours_alone)
{
	struct gw_store *s = store();
	struct stat st;

	umask(0);
	gw_wrap_close(opened(s));
	ck_assert_int_eq(stat(master(), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(st.st_size, 32);
	ck_assert_int_eq(access(scratch("master.key.new"), F_OK), -1);
	chmod(master(), 0640);
	refused(s, "0640");
	gw_store_close(s);
}
END_TEST

START_TEST(two_stores_have_two_keys)
{
	struct gw_store *s = store();
	uint8_t one[32], two[32];
	FILE *f;

	gw_wrap_close(opened(s));
	gw_store_close(s);
	f = fopen(master(), "rb");
	ck_assert_uint_eq(fread(one, 1, 32, f), 32);
	fclose(f);
	unlink(scratch("store.db"));
	unlink(master());
	s = store();
	gw_wrap_close(opened(s));
	f = fopen(master(), "rb");
	ck_assert_uint_eq(fread(two, 1, 32, f), 32);
	fclose(f);
	ck_assert_mem_ne(one, two, 32);
	gw_store_close(s);
}
END_TEST

START_TEST(a_wrong_or_missing_key_is_refused)
{
	static const uint8_t wrong[33] = "thirty-two octets of another key";
	struct gw_store *s = store();

	gw_wrap_close(opened(s));
	write_master("master.key", wrong, 32);
	refused(s, "not the master key of this store");
	write_master("master.key", wrong, 31);
	refused(s, "exactly 32 bytes");
	write_master("master.key", wrong, 33);
	refused(s, "exactly 32 bytes");
	unlink(master());
	refused(s, "missing");
	ck_assert_int_eq(access(master(), F_OK), -1);	/* and was not made anew */
	gw_store_close(s);
}
END_TEST

START_TEST(a_lost_store_is_refused)
{
	struct gw_store *s = store();

	gw_wrap_close(opened(s));
	gw_store_close(s);
	unlink(scratch("store.db"));
	s = store();
	refused(s, "its store is new");
	gw_store_close(s);
}
END_TEST

START_TEST(records_without_a_check_value_are_refused)
{
	struct gw_store *s = store();
	int64_t e;

	ck_assert_int_eq(gw_store_own(s, "news", &e), GW_WON);
	ck_assert_int_eq(gw_store_put(s, "news", e, GW_RECORD_KEY, 1, "k", 1, NULL), GW_WON);
	refused(s, "holds records");
	gw_store_close(s);
}
END_TEST

START_TEST(a_start_cut_short_is_finished)
{
	struct gw_store *s = store();

	write_master("master.key.new", "half a key", 10);	/* before the check value: begun again */
	gw_wrap_close(opened(s));
	ck_assert_int_eq(rename(master(), scratch("master.key.new")), 0);	/* after it, before the rename */
	gw_wrap_close(opened(s));
	ck_assert_int_eq(access(master(), F_OK), 0);
	gw_store_close(s);
}
END_TEST

START_TEST(a_store_that_is_locked_is_no_reason_for_a_new_key)
{
	struct gw_store *s = store(), *other = store();
	int64_t e;

	gw_store_begin(other);
	ck_assert_int_eq(gw_store_own(other, "news", &e), GW_WON);
	refused(s, "busy");
	ck_assert_int_eq(access(master(), F_OK), -1);
	ck_assert_int_eq(gw_store_flush(other), GW_WON);
	gw_wrap_close(opened(s));
	gw_store_close(s);
	gw_store_close(other);
}
END_TEST

SUITE("lib_wrap", tcase_add_loop_test(t, a_key_survives_wrapping_and_restart, 1, 49);
    tcase_add_test(t, every_changed_bit_is_noticed); tcase_add_test(t, the_algorithm_is_rfc_5649);
    tcase_add_test(t, the_file_is_ours_alone); tcase_add_test(t, two_stores_have_two_keys);
    tcase_add_test(t, a_wrong_or_missing_key_is_refused); tcase_add_test(t, a_lost_store_is_refused);
    tcase_add_test(t, records_without_a_check_value_are_refused); tcase_add_test(t, a_start_cut_short_is_finished);
    tcase_add_test(t, a_store_that_is_locked_is_no_reason_for_a_new_key))
