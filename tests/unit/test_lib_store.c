/* tests/unit/test_lib_store.c: the SQLite back end */
#include "lib/store.h"
#include <sqlite3.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "tests/unit/scratch.h"
#include "tests/unit/store_suite.h"

static const char *
path(void)
{
	return scratch("state/scs/store.db");
}

static void
reset(void)
{
	unlink(path());
}

static struct gw_store *
connect_sqlite(void)
{
	struct gw_store *s = NULL;
	struct gw_err err = { 0 };

	ck_assert_msg(gw_store_open(path(), &s, &err) == 0, "%s", err.text);
	return s;
}

static const struct store_backend store_backend = { reset, connect_sqlite };

/* The sentence with which it is refused. */
static const char *
refused(void)
{
	static struct gw_err err;
	struct gw_store *s = NULL;

	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(gw_store_open(path(), &s, &err), -1);
	ck_assert_ptr_null(s);
	return err.text;
}

static void
by_hand(const char *statements)
{
	sqlite3 *db;
	char *why = NULL;

	ck_assert_int_eq(sqlite3_open(path(), &db), SQLITE_OK);
	ck_assert_msg(sqlite3_exec(db, statements, NULL, NULL, &why) == SQLITE_OK, "%s", why);
	sqlite3_close(db);
}

/* A closed store of some pages. */
static void
fill(void)
{
	struct gw_store *s = fresh_store();
	int64_t e = own(s, "news");
	char value[512];

	memset(value, 'v', sizeof(value));
	gw_store_begin(s);
	for (int64_t cp = 0; cp < 200; cp++)
		ck_assert_int_eq(gw_store_put(s, "news", e, CP, cp, value, sizeof(value), NULL), GW_WON);
	ck_assert_int_eq(gw_store_flush(s), GW_WON);
	gw_store_close(s);
}

static void
overwrite(long at, const char *bytes, size_t len)
{
	FILE *f = fopen(path(), "r+b");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, at, SEEK_SET), 0);
	ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
	fclose(f);
}

START_TEST(files_and_directories_are_ours_alone)
{
	static const struct { const char *name; mode_t mode; } want[] = {
		{ "state", 0700 }, { "state/scs", 0700 }, { "state/scs/store.db", 0600 }, { "state/scs/store.db-wal", 0600 },
	};
	struct gw_store *s;
	struct stat st;

	umask(0);
	s = connect_sqlite();
	own(s, "news");
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(stat(scratch(want[i].name), &st), 0);
		ck_assert_uint_eq(st.st_mode & 0777, want[i].mode);
	}
	gw_store_close(s);
	chmod(path(), 0644);
	ck_assert_ptr_nonnull(strstr(refused(), "0644"));
}
END_TEST

START_TEST(a_file_that_is_no_database_is_refused)
{
	fill();
	overwrite(0, "Dear diary, ....", 16);
	ck_assert_ptr_nonnull(strstr(refused(), "file is not a database"));
	ck_assert_ptr_nonnull(strstr(refused(), path()));
}
END_TEST

START_TEST(a_corrupt_page_is_refused)	/* found on opening, not in the middle of a broadcast */
{
	static const char noise[64] = "noise where a b-tree page has its cell pointers";

	fill();
	overwrite(4096 * 5, noise, sizeof(noise));
	const char *why = refused();
	ck_assert_msg(strstr(why, "corrupt") || strstr(why, "malformed"), "%s", why);
}
END_TEST

START_TEST(a_cut_file_is_refused)
{
	struct stat st;

	fill();
	ck_assert_int_eq(stat(path(), &st), 0);
	ck_assert_int_eq(truncate(path(), st.st_size / 2 / 4096 * 4096), 0);
	const char *why = refused();
	ck_assert_msg(strstr(why, "corrupt") || strstr(why, "malformed"), "%s", why);
}
END_TEST

START_TEST(a_newer_schema_is_refused)
{
	fill();
	by_hand("PRAGMA user_version = 99");
	ck_assert_ptr_nonnull(strstr(refused(), "schema 99"));
}
END_TEST

START_TEST(somebody_elses_database_is_refused)
{
	struct gw_store *s = fresh_store();

	gw_store_close(s);
	unlink(path());
	by_hand("CREATE TABLE bookmarks (url TEXT)");
	chmod(path(), 0600);
	ck_assert_ptr_nonnull(strstr(refused(), "not a store of ours"));
}
END_TEST

START_TEST(an_older_schema_is_brought_forward)	/* 0, an empty file, as left by a crash before the first table, is the oldest */
{
	struct gw_store *s = fresh_store();

	gw_store_close(s);
	unlink(path());
	fclose(fopen(path(), "wb"));
	chmod(path(), 0600);
	s = connect_sqlite();
	own(s, "news");
	gw_store_close(s);
}
END_TEST

START_TEST(a_locked_store_is_unavailable_and_comes_back)
{
	struct gw_store *s = fresh_store(), *other = connect_sqlite();
	int64_t e = own(s, "news"), f = own(other, "sport"), later = 0;

	gw_store_begin(other);
	ck_assert_int_eq(put(other, "sport", f, KEY, 1, "s1"), GW_WON);
	ck_assert_int_eq(put(s, "news", e, KEY, 1, "k1"), GW_UNAVAILABLE);
	ck_assert_int_eq(gw_store_own(s, "news", &later), GW_UNAVAILABLE);
	ck_assert_str_eq(text(s, "news", KEY, 1), "-");	/* reading is never locked out */
	gw_store_begin(s);
	for (int64_t cp = 0; cp < 5000; cp++)	/* one wait for the whole group: 5000 of them would be 20 minutes */
		ck_assert_int_eq(put(s, "news", e, KEY, cp, "k"), GW_UNAVAILABLE);
	ck_assert_int_eq(gw_store_flush(s), GW_UNAVAILABLE);
	ck_assert_int_eq(gw_store_flush(other), GW_WON);
	ck_assert_int_eq(put(s, "news", e, KEY, 1, "k1"), GW_WON);
	gw_store_begin(s);
	ck_assert_int_eq(put(s, "news", e, KEY, 2, "k2"), GW_WON);
	ck_assert_int_eq(gw_store_flush(s), GW_WON);
	gw_store_close(s);
	gw_store_close(other);
}
END_TEST

START_TEST(a_full_disk_undoes_the_group_and_comes_back)
{
	struct gw_store *s = fresh_store();
	int64_t e = own(s, "news");
	struct rlimit room;
	static char big[200000];
	rlim_t was;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(put(s, "news", e, KEY, 1, "k1"), GW_WON);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &room), 0);
	was = room.rlim_cur;
	room.rlim_cur = 100000;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &room), 0);
	ck_assert_int_eq(gw_store_put(s, "news", e, KEY, 2, big, sizeof(big), NULL), GW_UNAVAILABLE);
	gw_store_begin(s);
	ck_assert_int_eq(put(s, "news", e, KEY, 3, "k3"), GW_WON);
	gw_store_put(s, "news", e, KEY, 4, big, sizeof(big), NULL);	/* may be found out only by the flush */
	ck_assert_int_eq(gw_store_flush(s), GW_UNAVAILABLE);
	room.rlim_cur = was;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &room), 0);
	ck_assert_str_eq(list(s, "news", KEY, 0), "1=k1 ");
	ck_assert_int_eq(gw_store_put(s, "news", e, KEY, 2, big, sizeof(big), NULL), GW_WON);
	gw_store_close(s);
	s = connect_sqlite();
	ck_assert_int_eq(gw_store_put(s, "news", e, KEY, 2, big, sizeof(big), NULL), GW_EXISTS);
	gw_store_close(s);
}
END_TEST

/* Without it the log of an SCS grows by gigabytes a day until the SCS ends. */
START_TEST(what_is_in_the_log_gets_into_the_file)
{
	struct gw_store *s = fresh_store();
	int64_t e = own(s, "news");
	static char big[100000];
	struct stat file;
	int64_t cp = 0;

	do {
		ck_assert_int_lt(cp, 2000);
		ck_assert_int_eq(gw_store_put(s, "news", e, KEY, cp, big, sizeof(big), NULL), GW_WON);
		ck_assert_int_eq(gw_store_trim(s, "news", e, ++cp), GW_WON);
		usleep(1000);
		ck_assert_int_eq(stat(path(), &file), 0);
	} while (file.st_size < (off_t)sizeof(big));
	gw_store_close(s);
}
END_TEST

SUITE("lib_store", STORE_CONFORMANCE(t); tcase_add_test(t, files_and_directories_are_ours_alone);
    tcase_add_test(t, a_file_that_is_no_database_is_refused); tcase_add_test(t, a_corrupt_page_is_refused);
    tcase_add_test(t, a_cut_file_is_refused); tcase_add_test(t, a_newer_schema_is_refused);
    tcase_add_test(t, somebody_elses_database_is_refused); tcase_add_test(t, an_older_schema_is_brought_forward);
    tcase_add_test(t, a_locked_store_is_unavailable_and_comes_back);
    tcase_add_test(t, a_full_disk_undoes_the_group_and_comes_back);
    tcase_add_test(t, what_is_in_the_log_gets_into_the_file))
