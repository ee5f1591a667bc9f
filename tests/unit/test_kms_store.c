/* tests/unit/test_kms_store.c: what the KMS of the Smartcard profile must not forget */
#include "kms/store.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "tests/suite.h"
#include "tests/unit/scratch.h"

static const int64_t second = 1000000, day = INT64_C(86400) * 1000000;

static const char *
path(void)
{
	return scratch("kms/store.db");
}

static struct kms_store *
opened(bool create)
{
	const struct kms_store_conf conf = { .path = path(), .create = create };
	struct kms_store *s = NULL;
	struct gw_err err = { 0 };

	ck_assert_msg(kms_store_open(&conf, &s, &err) == 0, "%s", err.text);
	return s;
}

static struct kms_store *
fresh(void)
{
	return opened(true);
}

static struct kms_store *
again(struct kms_store *s)
{
	kms_store_close(s);
	return opened(false);
}

static void
refused(const struct kms_store_conf *conf, const char *why)
{
	struct kms_store *s = NULL;
	struct gw_err err = { 0 };

	ck_assert_int_eq(kms_store_open(conf, &s, &err), -1);
	ck_assert_ptr_null(s);
	ck_assert_msg(strstr(err.text, why) != NULL, "%s", err.text);
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

/* The file and its log, searched for octets. */
static bool
in_files(const void *what, size_t len)
{
	static const char *const suffix[] = { "", "-wal" };
	static uint8_t all[8 << 20];
	char name[200];

	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "%s%s", path(), suffix[i]);
		FILE *f = fopen(name, "rb");
		size_t n = f ? fread(all, 1, sizeof(all), f) : 0;
		if (f)
			fclose(f);
		if (n && memmem(all, n, what, len))
			return true;
	}
	return false;
}

#define WON(call) ck_assert_int_eq(call, GW_WON)
#define EXISTS(call) ck_assert_int_eq(call, GW_EXISTS)

static int64_t
subscriber(struct kms_store *s, const char *name)
{
	struct kms_subscriber r = { .provision = KMS_MILENAGE, .k = "the card's key K", .opc = "an operator's OP", .amf = { 0x80, 0 },
		.sqn = { 0, 0, 0, 0, 1, 0x20 } };
	int64_t id = 0;

	snprintf(r.name, sizeof(r.name), "%s", name);
	snprintf(r.impi, sizeof(r.impi), "%s@ims.example.net", name);
	WON(kms_subscriber_put(s, &r, &id));
	ck_assert_int_gt(id, 0);
	return id;
}

static struct kms_gba
context(int64_t sub, const char *btid, int64_t since_us)
{
	struct kms_gba g = { .sub = sub, .since_us = since_us, .expires_us = since_us + 7 * day };

	snprintf(g.btid, sizeof(g.btid), "%s", btid);
	memset(g.rand, 0x11, sizeof(g.rand));
	memset(g.ks, 0x22, sizeof(g.ks));
	memset(g.smk, 0x33, sizeof(g.smk));
	memset(g.srk, 0x44, sizeof(g.srk));
	return g;
}

static struct kms_service
service(struct kms_store *s, const char *name)
{
	struct kms_service r = { .domain = { 0x00, 0xf1, 0x10 }, .crypto_period_ms = 10000 };

	snprintf(r.name, sizeof(r.name), "%s", name);
	snprintf(r.item, sizeof(r.item), "urn:item:%s", name);
	WON(kms_service_put(s, &r));
	return r;
}

static struct kms_key
key(struct kms_store *s, const struct kms_service *of, enum kms_kind kind)
{
	struct kms_key k = { .service = of->id, .kind = kind, .upper = 1000, .first_cp = -1, .valid_until_us = 30 * day };

	memcpy(k.domain, of->domain, 3);
	memset(k.key, 0x5e, sizeof(k.key));
	memset(k.rand, 0xa0, sizeof(k.rand));
	WON(kms_key_put(s, &k));
	return k;
}

/* ---- opening ---- */

START_TEST(a_store_and_its_master_key_are_ours_alone)
{
	struct stat st;

	umask(0);
	kms_store_close(fresh());
	ck_assert_int_eq(stat(path(), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(stat(scratch("kms/store.db.master"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(st.st_size, 32);
	kms_store_close(opened(false));
	kms_store_close(opened(true));	/* one that is there is not made anew */
}
END_TEST

START_TEST(no_store_is_refused)
{
	refused(&(struct kms_store_conf){ .path = path() }, "simulgate kms init");
	ck_assert_int_eq(access(path(), F_OK), -1);
}
END_TEST

START_TEST(a_lost_store_is_refused)
{
	kms_store_close(fresh());
	unlink(path());
	refused(&(struct kms_store_conf){ .path = path(), .create = true }, "put the store back from the backup");
	ck_assert_int_eq(access(path(), F_OK), -1);
}
END_TEST

START_TEST(a_lost_or_wrong_master_key_is_refused)
{
	static const char wrong[] = "thirty-two octets of another key";

	kms_store_close(fresh());
	put_file(scratch("kms/store.db.master"), wrong, 0600);
	refused(&(struct kms_store_conf){ .path = path(), .create = true }, "not the master key of this store");
	unlink(scratch("kms/store.db.master"));
	refused(&(struct kms_store_conf){ .path = path(), .create = true }, "is missing");
	refused(&(struct kms_store_conf){ .path = path() }, "is missing");
	put_file(scratch("elsewhere"), wrong, 0600);
	refused(&(struct kms_store_conf){ .path = path(), .master = scratch("elsewhere") }, "elsewhere");
}
END_TEST

START_TEST(a_newer_schema_is_refused)
{
	kms_store_close(fresh());
	by_hand("PRAGMA user_version = 99");
	refused(&(struct kms_store_conf){ .path = path() }, "schema 99");
}
END_TEST

START_TEST(what_is_not_ours_is_refused)
{
	kms_store_close(fresh());
	by_hand("PRAGMA application_id = 7");
	refused(&(struct kms_store_conf){ .path = path() }, "not a store of ours");
	put_file(path(), "this is a letter to my grandmother, and no database at all", 0600);
	refused(&(struct kms_store_conf){ .path = path() }, path());
	chmod(path(), 0644);
	refused(&(struct kms_store_conf){ .path = path() }, "0644");
}
END_TEST

START_TEST(a_corrupt_file_is_refused)
{
	struct kms_store *s = fresh();
	char name[32];

	kms_store_begin(s);
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "sub%d", i);
		subscriber(s, name);
	}
	WON(kms_store_flush(s));
	kms_store_close(s);
	FILE *f = fopen(path(), "r+b");
	for (long at = 60 * 4096; at < 100 * 4096; at += 4096) {
		fseek(f, at, SEEK_SET);
		fwrite("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1, 12, f);
	}
	fclose(f);
	refused(&(struct kms_store_conf){ .path = path() }, "corrupt");
}
END_TEST

/* ---- subscribers ---- */

START_TEST(a_subscriber_is_found_by_all_its_names)
{
	struct kms_store *s = fresh();
	struct kms_subscriber r = { .name = "anna", .impi = "001010123456789@ims.example.net", .msisdn = "491700000001",
		.provision = KMS_MILENAGE, .gba_me = true, .k = "0123456789abcde", .opc = "ponmlkjihgfedcb", .sqn = { 1, 2, 3, 4, 5, 6 },
		.amf = { 0x80, 0x01 } }, got;
	int64_t id;

	WON(kms_subscriber_put(s, &r, &id));
	s = again(s);
	r.id = id;
	static const char *const names[] = { "anna", "001010123456789@ims.example.net", "491700000001", "+491700000001" };
	for (size_t i = 0; i < 4; i++) {
		memset(&got, 0xee, sizeof(got));
		WON(kms_subscriber_find(s, names[i], &got));
		ck_assert_int_eq(got.id, id);
		ck_assert_str_eq(got.name, r.name);
		ck_assert_str_eq(got.impi, r.impi);
		ck_assert_str_eq(got.msisdn, r.msisdn);
		ck_assert_mem_eq(got.k, r.k, 16);
		ck_assert_mem_eq(got.opc, r.opc, 16);
		ck_assert_mem_eq(got.sqn, r.sqn, 6);
		ck_assert_mem_eq(got.amf, r.amf, 2);
		ck_assert(got.gba_me && got.provision == KMS_MILENAGE);
	}
	EXISTS(kms_subscriber_find(s, "otto", &got));
	EXISTS(kms_subscriber_find(s, "", &got));
	EXISTS(kms_subscriber_get(s, id + 1, &got));
	WON(kms_subscriber_sqn(s, id, (const uint8_t[6]){ 1, 2, 3, 4, 5, 7 }));
	EXISTS(kms_subscriber_sqn(s, id + 1, r.sqn));
	WON(kms_subscriber_get(s, id, &got));
	ck_assert_uint_eq(got.sqn[5], 7);
	ck_assert(!in_files(r.k, 16) && !in_files(r.opc, 16));
	kms_store_close(s);
}
END_TEST

START_TEST(names_are_taken_once)
{
	struct kms_store *s = fresh();
	struct kms_subscriber r = { .name = "anna", .impi = "a@x", .msisdn = "1", .provision = KMS_KS };

	WON(kms_subscriber_put(s, &r, NULL));
	strcpy(r.impi, "b@x"), strcpy(r.msisdn, "2");
	EXISTS(kms_subscriber_put(s, &r, NULL));
	strcpy(r.name, "bert"), strcpy(r.impi, "a@x");
	EXISTS(kms_subscriber_put(s, &r, NULL));
	strcpy(r.impi, "b@x"), strcpy(r.msisdn, "1");
	EXISTS(kms_subscriber_put(s, &r, NULL));
	strcpy(r.msisdn, "");
	WON(kms_subscriber_put(s, &r, NULL));
	r = (struct kms_subscriber){ .name = "cleo", .provision = KMS_KEYS };
	WON(kms_subscriber_put(s, &r, NULL));	/* no IMPI, no MSISDN: any number of them */
	strcpy(r.name, "dora");
	WON(kms_subscriber_put(s, &r, NULL));
	kms_store_close(s);
}
END_TEST

static int
name_it(void *self, const struct kms_subscriber *r)
{
	char *list = self;

	sprintf(list + strlen(list), "%lld=%s ", (long long)r->id, r->name);
	return 0;
}

START_TEST(lists_are_paged)
{
	struct kms_store *s = fresh();
	char list[200] = "";

	subscriber(s, "a"), subscriber(s, "b"), subscriber(s, "c");
	WON(kms_subscriber_end(s, 2));
	subscriber(s, "d");	/* and no id is used twice */
	WON(kms_subscribers(s, 0, 2, name_it, list));
	WON(kms_subscribers(s, 3, 2, name_it, list));
	ck_assert_str_eq(list, "1=a 3=c 4=d ");
	kms_store_close(s);
}
END_TEST

START_TEST(a_subscriber_ends_with_all_that_is_theirs)
{
	struct kms_store *s = fresh();
	int64_t sub = subscriber(s, "anna");
	struct kms_gba g = context(sub, "b1", second);
	struct kms_service sv = service(s, "news");
	struct kms_subscription sale = { .sub = sub, .service = sv.id }, no;
	struct kms_registration reg = { .sub = sub }, noreg;
	struct kms_out o = { .sub = sub, .key = 1 };
	uint64_t ltkm[KMS_OUT_STATES], pull[KMS_OUT_STATES];
	int64_t id;

	WON(kms_gba_put(s, &g));
	WON(kms_subscription_put(s, &sale, &id));
	WON(kms_registration_put(s, &reg));
	WON(kms_out_put(s, &o, NULL));
	WON(kms_audit(s, 1, "operator", "anna was here"));
	WON(kms_subscriber_end(s, sub));
	EXISTS(kms_subscriber_end(s, sub));
	EXISTS(kms_gba_get(s, "b1", &g));
	EXISTS(kms_subscription_get(s, id, &no));
	EXISTS(kms_registration_get(s, sub, &noreg));
	WON(kms_out_counts(s, ltkm, pull));
	ck_assert_uint_eq(ltkm[KMS_OUT_DUE], 0);
	ck_assert_uint_eq(ltkm[KMS_OUT_VOID], 1);
	/* and nothing comes for one who is gone */
	EXISTS(kms_gba_put(s, &(struct kms_gba){ .sub = sub, .btid = "b2" }));
	EXISTS(kms_subscription_put(s, &sale, &id));
	EXISTS(kms_registration_put(s, &reg));
	EXISTS(kms_out_put(s, &o, NULL));
	kms_store_close(s);
}
END_TEST

START_TEST(who_is_registered_is_counted)
{
	struct kms_store *s = fresh();
	uint64_t reachable, unreachable;

	for (int i = 0; i < 3; i++) {
		struct kms_registration reg = { .sub = subscriber(s, (char[]){ (char)('a' + i), '\0' }), .expires_us = 10 + i, .reachable = true };

		WON(kms_registration_put(s, &reg));
		if (i == 2)
			WON(kms_registration_unreachable(s, reg.sub));
	}
	WON(kms_registration_counts(s, 9, &reachable, &unreachable));
	ck_assert_uint_eq(reachable, 2);
	ck_assert_uint_eq(unreachable, 1);
	WON(kms_registration_counts(s, 11, &reachable, &unreachable));
	ck_assert_uint_eq(reachable, 0);
	ck_assert_uint_eq(unreachable, 1);
	WON(kms_registration_counts(s, 12, &reachable, &unreachable));
	ck_assert_uint_eq(unreachable, 0);
	kms_store_close(s);
}
END_TEST

START_TEST(the_newest_context_is_the_live_one)
{
	struct kms_store *s = fresh();
	int64_t sub = subscriber(s, "anna"), now = 100 * day;
	struct kms_gba a = context(sub, "old@bsf", now), b = context(sub, "new@bsf", now + day), got;

	EXISTS(kms_gba_live(s, sub, &got));
	WON(kms_gba_put(s, &a));
	WON(kms_gba_put(s, &b));
	EXISTS(kms_gba_put(s, &a));	/* a B-TID is not put twice: its counter would begin again */
	s = again(s);
	WON(kms_gba_live(s, sub, &got));
	ck_assert_str_eq(got.btid, "new@bsf");
	ck_assert_mem_eq(got.smk, b.smk, 32);
	ck_assert_mem_eq(got.srk, b.srk, 32);
	ck_assert_mem_eq(got.ks, b.ks, 32);
	ck_assert_mem_eq(got.rand, b.rand, 16);
	WON(kms_gba_get(s, "old@bsf", &got));
	ck_assert(!got.live);
	WON(kms_store_trim(s, now + day + day / 2));
	WON(kms_gba_get(s, "old@bsf", &got));
	WON(kms_store_trim(s, now + 2 * day + second));
	EXISTS(kms_gba_get(s, "old@bsf", &got));
	WON(kms_gba_live(s, sub, &got));
	WON(kms_store_trim(s, now + 10 * day));	/* expired, and 24 h over */
	EXISTS(kms_gba_live(s, sub, &got));
	ck_assert(!in_files(b.smk, 32));
	kms_store_close(s);
}
END_TEST

START_TEST(counters_are_spent_once)
{
	struct kms_store *s = fresh(), *other = opened(false);
	int64_t sub = subscriber(s, "anna");
	struct kms_gba g = context(sub, "b", second);
	uint32_t n = 0;

	WON(kms_gba_put(s, &g));
	WON(kms_gba_spend(s, "b", &n));
	ck_assert_uint_eq(n, 1);
	WON(kms_gba_spend(other, "b", &n));
	ck_assert_uint_eq(n, 2);
	kms_store_begin(s);
	WON(kms_gba_spend(s, "b", &n));
	ck_assert_uint_eq(n, 3);
	kms_store_drop(s);	/* nothing has left */
	WON(kms_gba_spend(s, "b", &n));
	ck_assert_uint_eq(n, 3);
	WON(kms_gba_skip(s, 16));
	WON(kms_gba_spend(other, "b", &n));
	ck_assert_uint_eq(n, 20);
	EXISTS(kms_gba_spend(s, "unknown", &n));
	WON(kms_gba_skip(s, UINT32_MAX));	/* used up: not begun again */
	EXISTS(kms_gba_spend(s, "b", &n));
	WON(kms_gba_get(s, "b", &g));
	ck_assert_uint_eq(g.ltkm_counter, UINT32_MAX);
	kms_store_close(s);
	kms_store_close(other);
}
END_TEST

SUITE("kms_store", tcase_add_test(t, a_store_and_its_master_key_are_ours_alone); tcase_add_test(t, no_store_is_refused);
    tcase_add_test(t, a_lost_store_is_refused); tcase_add_test(t, a_lost_or_wrong_master_key_is_refused);
    tcase_add_test(t, a_newer_schema_is_refused); tcase_add_test(t, what_is_not_ours_is_refused); tcase_add_test(t, a_corrupt_file_is_refused);
    tcase_add_test(t, a_subscriber_is_found_by_all_its_names); tcase_add_test(t, names_are_taken_once); tcase_add_test(t, lists_are_paged);
    tcase_add_test(t, a_subscriber_ends_with_all_that_is_theirs); tcase_add_test(t, who_is_registered_is_counted); tcase_add_test(t, the_newest_context_is_the_live_one);
    tcase_add_test(t, counters_are_spent_once); (void)key)
