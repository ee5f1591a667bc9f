/*
 * tests/unit/store_suite.h: what every back end of lib/store.h must do. A test program defines store_backend and adds
 * STORE_CONFORMANCE(t) to its SUITE. Each test runs in a process of its own and begins with reset().
 */
#ifndef TESTS_UNIT_STORE_SUITE_H
#define TESTS_UNIT_STORE_SUITE_H
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/store.h"
#include "tests/suite.h"

struct store_backend {
	void (*reset)(void);			/* no data */
	struct gw_store *(*connect)(void);	/* one more connection to the same data; fails the test when it cannot */
};
static const struct store_backend store_backend;

static const enum gw_record_kind KEY = GW_RECORD_KEY, CP = GW_RECORD_CP;

static struct gw_store *
fresh_store(void)
{
	store_backend.reset();
	return store_backend.connect();
}

static int64_t
own(struct gw_store *s, const char *service)
{
	int64_t epoch = -1;

	ck_assert_int_eq(gw_store_own(s, service, &epoch), GW_WON);
	return epoch;
}

static enum gw_outcome
put(struct gw_store *s, const char *service, int64_t epoch, enum gw_record_kind kind, int64_t cp, const char *value)
{
	return gw_store_put(s, service, epoch, kind, cp, value, strlen(value), NULL);
}

/* The stored text, "-" for no record, "?" when it cannot be had. */
static const char *
text(struct gw_store *s, const char *service, enum gw_record_kind kind, int64_t cp)
{
	static char t[64];
	struct gw_blob b;
	enum gw_outcome o = gw_store_get(s, service, kind, cp, &b);

	if (o != GW_WON)
		return o == GW_EXISTS ? "-" : "?";
	ck_assert_uint_lt(b.len, sizeof(t));
	memcpy(t, b.p, b.len);
	t[b.len] = '\0';
	gw_store_free(&b);
	ck_assert_ptr_null(b.p);
	return t;
}

static int
collect(void *self, int64_t cp, const void *value, size_t len)
{
	char *list = self;

	sprintf(list + strlen(list), "%lld=%.*s ", (long long)cp, (int)len, (const char *)value);
	return strlen(list) > 40;
}

static const char *
list(struct gw_store *s, const char *service, enum gw_record_kind kind, int64_t from)
{
	static char l[128];

	l[0] = '\0';
	ck_assert_int_eq(gw_store_each(s, service, kind, from, collect, l), GW_WON);
	return l;
}

START_TEST(conf_a_record_is_put_once)
{
	struct gw_store *s = fresh_store();
	int64_t e = own(s, "news");
	struct gw_blob found = { NULL, 0 };

	ck_assert_int_eq(gw_store_put(s, "news", e, KEY, 7, "first", 5, &found), GW_WON);
	ck_assert_ptr_null(found.p);
	ck_assert_int_eq(gw_store_put(s, "news", e, KEY, 7, "second", 6, &found), GW_EXISTS);
	ck_assert_uint_eq(found.len, 5);
	ck_assert_mem_eq(found.p, "first", 5);
	gw_store_free(&found);
	ck_assert_int_eq(put(s, "news", e, KEY, 7, "third"), GW_EXISTS);
	ck_assert_str_eq(text(s, "news", KEY, 7), "first");
	gw_store_close(s);
}
END_TEST

START_TEST(conf_kinds_services_and_cps_are_apart)
{
	struct gw_store *s = fresh_store();
	int64_t e = own(s, "news"), f = own(s, "news/audio");

	ck_assert_int_eq(put(s, "news", e, KEY, 1, "k1"), GW_WON);
	ck_assert_int_eq(put(s, "news", e, CP, 1, "c1"), GW_WON);
	ck_assert_int_eq(put(s, "news/audio", f, KEY, 1, "a1"), GW_WON);
	ck_assert_str_eq(text(s, "news", KEY, 1), "k1");
	ck_assert_str_eq(text(s, "news", CP, 1), "c1");
	ck_assert_str_eq(text(s, "news/audio", KEY, 1), "a1");
	ck_assert_str_eq(text(s, "news/audio", CP, 1), "-");
	ck_assert_str_eq(text(s, "news", KEY, 2), "-");
	ck_assert_str_eq(text(s, "sport", KEY, 1), "-");
	gw_store_close(s);
}
END_TEST

START_TEST(conf_any_octets_and_any_cp)
{
	struct gw_store *s = fresh_store();
	int64_t e = own(s, "x");
	uint8_t v[300];
	struct gw_blob b;

	for (size_t i = 0; i < sizeof(v); i++)
		v[i] = (uint8_t)i;
	ck_assert_int_eq(gw_store_put(s, "x", e, CP, INT64_MAX, v, sizeof(v), NULL), GW_WON);
	ck_assert_int_eq(gw_store_put(s, "x", e, CP, 0, NULL, 0, NULL), GW_WON);
	ck_assert_int_eq(gw_store_get(s, "x", CP, INT64_MAX, &b), GW_WON);
	ck_assert_uint_eq(b.len, sizeof(v));
	ck_assert_mem_eq(b.p, v, sizeof(v));
	gw_store_free(&b);
	ck_assert_int_eq(gw_store_get(s, "x", CP, 0, &b), GW_WON);
	ck_assert_uint_eq(b.len, 0);
	gw_store_free(&b);
	gw_store_close(s);
}
END_TEST

START_TEST(conf_the_newest_owner_fences_the_others)
{
	struct gw_store *old = fresh_store(), *s = store_backend.connect();
	int64_t e = own(old, "news"), later;

	ck_assert_int_eq(put(old, "news", e, KEY, 1, "k1"), GW_WON);
	later = own(s, "news");
	ck_assert_int_gt(later, e);
	ck_assert_int_eq(put(old, "news", e, KEY, 2, "late"), GW_FENCED);
	ck_assert_int_eq(put(old, "news", e, KEY, 1, "late"), GW_FENCED);	/* not EXISTS: it must stop */
	ck_assert_int_eq(gw_store_amend(old, "news", e, KEY, 1, "late", 4), GW_FENCED);
	ck_assert_int_eq(gw_store_trim(old, "news", e, 9), GW_FENCED);
	ck_assert_int_eq(put(s, "news", later, KEY, 2, "k2"), GW_WON);
	ck_assert_str_eq(list(s, "news", KEY, 0), "1=k1 2=k2 ");
	ck_assert_int_gt(own(old, "news"), later);	/* taking it over is always possible, and fences again */
	ck_assert_int_eq(put(s, "news", later, KEY, 3, "k3"), GW_FENCED);
	gw_store_close(old);
	gw_store_close(s);
}
END_TEST

START_TEST(conf_nobody_owns_what_was_not_taken)
{
	struct gw_store *s = fresh_store();

	ck_assert_int_eq(put(s, "news", 0, KEY, 1, "k1"), GW_FENCED);
	ck_assert_int_eq(put(s, "news", own(s, "sport") + 1, KEY, 1, "k1"), GW_FENCED);
	ck_assert_str_eq(text(s, "news", KEY, 1), "-");
	gw_store_close(s);
}
END_TEST

START_TEST(conf_epochs_outlive_the_process)
{
	struct gw_store *s = fresh_store();
	int64_t e = own(s, "news");

	gw_store_close(s);
	s = store_backend.connect();
	ck_assert_int_eq(put(s, "news", e, KEY, 1, "k1"), GW_WON);	/* a connection lost and made again is no new owner */
	ck_assert_int_gt(own(s, "news"), e);
	gw_store_close(s);
}
END_TEST

START_TEST(conf_amend_replaces_and_never_makes)
{
	struct gw_store *s = fresh_store();
	int64_t e = own(s, "news");

	ck_assert_int_eq(gw_store_amend(s, "news", e, CP, 5, "new", 3), GW_EXISTS);
	ck_assert_str_eq(text(s, "news", CP, 5), "-");
	ck_assert_int_eq(put(s, "news", e, CP, 5, "planned"), GW_WON);
	ck_assert_int_eq(gw_store_amend(s, "news", e, CP, 5, "later", 5), GW_WON);
	ck_assert_int_eq(gw_store_amend(s, "news", e, CP, 5, "later", 5), GW_WON);
	ck_assert_str_eq(text(s, "news", CP, 5), "later");
	gw_store_close(s);
}
END_TEST

START_TEST(conf_each_ascends_and_stops_when_told)
{
	struct gw_store *s = fresh_store();
	int64_t e = own(s, "news");
	static const int64_t cps[] = { 300, 2, 65536, 40, 9 };

	for (size_t i = 0; i < 5; i++)
		ck_assert_int_eq(put(s, "news", e, CP, cps[i], "v"), GW_WON);
	ck_assert_str_eq(list(s, "news", CP, 0), "2=v 9=v 40=v 300=v 65536=v ");
	ck_assert_str_eq(list(s, "news", CP, 40), "40=v 300=v 65536=v ");
	ck_assert_str_eq(list(s, "news", CP, 65537), "");
	ck_assert_str_eq(list(s, "news", KEY, 0), "");
	for (int64_t cp = 70000; cp < 70009; cp++)
		ck_assert_int_eq(put(s, "news", e, CP, cp, "v"), GW_WON);
	ck_assert_str_eq(list(s, "news", CP, 70000), "70000=v 70001=v 70002=v 70003=v 70004=v 70005=v ");	/* collect() has enough */
	ck_assert_str_eq(list(s, "news", CP, 70008), "70008=v ");
	gw_store_close(s);
}
END_TEST

START_TEST(conf_trim_forgets_both_kinds_below)
{
	struct gw_store *s = fresh_store();
	int64_t e = own(s, "news"), f = own(s, "sport");

	ck_assert_int_eq(gw_store_any(s), GW_EXISTS);
	for (int64_t cp = 1; cp <= 4; cp++) {
		ck_assert_int_eq(put(s, "news", e, KEY, cp, "k"), GW_WON);
		ck_assert_int_eq(put(s, "news", e, CP, cp, "c"), GW_WON);
	}
	ck_assert_int_eq(put(s, "sport", f, KEY, 1, "s"), GW_WON);
	ck_assert_int_eq(gw_store_trim(s, "news", e, 3), GW_WON);
	ck_assert_str_eq(list(s, "news", KEY, 0), "3=k 4=k ");
	ck_assert_str_eq(list(s, "news", CP, 0), "3=c 4=c ");
	ck_assert_str_eq(list(s, "sport", KEY, 0), "1=s ");
	ck_assert_int_eq(gw_store_any(s), GW_WON);
	gw_store_close(s);
}
END_TEST

START_TEST(conf_notes_are_put_once)
{
	struct gw_store *s = fresh_store();
	struct gw_blob b;

	ck_assert_int_eq(gw_store_noted(s, "check", &b), GW_EXISTS);
	ck_assert_int_eq(gw_store_note(s, "check", "one", 3), GW_WON);
	ck_assert_int_eq(gw_store_note(s, "check", "two", 3), GW_EXISTS);
	gw_store_close(s);
	s = store_backend.connect();
	ck_assert_int_eq(gw_store_noted(s, "check", &b), GW_WON);
	ck_assert_mem_eq(b.p, "one", 3);
	gw_store_free(&b);
	ck_assert_int_eq(gw_store_any(s), GW_EXISTS);	/* a note is no record */
	gw_store_close(s);
}
END_TEST

START_TEST(conf_a_group_happens_at_flush)
{
	struct gw_store *s = fresh_store(), *other = store_backend.connect();
	int64_t e = own(s, "news"), f = own(s, "sport");

	ck_assert_int_eq(gw_store_flush(s), GW_WON);	/* of nothing */
	gw_store_begin(s);
	ck_assert_int_eq(put(s, "news", e, KEY, 1, "k1"), GW_WON);
	ck_assert_int_eq(put(s, "sport", f + 1, KEY, 1, "s1"), GW_FENCED);	/* its own affair */
	ck_assert_int_eq(put(s, "news", e, KEY, 1, "again"), GW_EXISTS);
	ck_assert_int_eq(put(s, "sport", f, KEY, 2, "s2"), GW_WON);
	ck_assert_str_eq(text(s, "news", KEY, 1), "k1");
	ck_assert_str_eq(text(other, "news", KEY, 1), "-");
	ck_assert_int_eq(gw_store_flush(s), GW_WON);
	ck_assert_str_eq(text(other, "news", KEY, 1), "k1");
	ck_assert_str_eq(text(other, "sport", KEY, 2), "s2");
	ck_assert_str_eq(text(other, "sport", KEY, 1), "-");
	gw_store_begin(s);
	ck_assert_int_eq(put(s, "news", e, KEY, 2, "k2"), GW_WON);
	gw_store_drop(s);
	ck_assert_str_eq(text(s, "news", KEY, 2), "-");
	ck_assert_int_eq(put(s, "news", e, KEY, 2, "k2"), GW_WON);	/* and single calls go on as before */
	ck_assert_str_eq(text(other, "news", KEY, 2), "k2");
	gw_store_close(s);
	gw_store_close(other);
}
END_TEST

START_TEST(conf_a_killed_process_loses_the_open_group_only)
{
	struct gw_store *s;
	int status;
	pid_t child;

	gw_store_close(fresh_store());
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		s = store_backend.connect();
		int64_t e = own(s, "news");
		int bad = put(s, "news", e, KEY, 1, "k1") != GW_WON;

		gw_store_begin(s);
		bad |= put(s, "news", e, KEY, 2, "k2") != GW_WON;
		kill(getpid(), bad ? SIGABRT : SIGKILL);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	s = store_backend.connect();
	int64_t e = own(s, "news");
	ck_assert_str_eq(list(s, "news", KEY, 0), "1=k1 ");
	ck_assert_int_eq(put(s, "news", e, KEY, 2, "mine"), GW_WON);
	gw_store_close(s);
}
END_TEST

#define STORE_CONFORMANCE(t)									\
	tcase_add_test(t, conf_a_record_is_put_once); tcase_add_test(t, conf_kinds_services_and_cps_are_apart);	\
	tcase_add_test(t, conf_any_octets_and_any_cp); tcase_add_test(t, conf_the_newest_owner_fences_the_others);	\
	tcase_add_test(t, conf_nobody_owns_what_was_not_taken); tcase_add_test(t, conf_epochs_outlive_the_process);	\
	tcase_add_test(t, conf_amend_replaces_and_never_makes); tcase_add_test(t, conf_each_ascends_and_stops_when_told); \
	tcase_add_test(t, conf_trim_forgets_both_kinds_below); tcase_add_test(t, conf_notes_are_put_once);	\
	tcase_add_test(t, conf_a_group_happens_at_flush);						\
	tcase_add_test(t, conf_a_killed_process_loses_the_open_group_only)
#endif
