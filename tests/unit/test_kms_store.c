/* tests/unit/test_kms_store.c: what the KMS of the Smartcard profile must not forget */
#include "kms/store.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "kms/purchase.h"
#include "kms/store_int.h"
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

START_TEST(keys_that_come_back_go_on_counting)
{
	struct kms_store *s = fresh();
	struct kms_subscriber card = { .name = "fritz", .provision = KMS_KEYS };
	struct kms_gba g;
	int64_t sub;
	uint32_t n = 0;

	WON(kms_subscriber_put(s, &card, &sub));
	g = context(sub, "b", second);
	WON(kms_gba_put(s, &g));
	WON(kms_gba_spend(s, "b", &n));
	WON(kms_gba_spend(s, "b", &n));
	WON(kms_subscriber_end(s, sub));
	WON(kms_subscriber_put(s, &card, &sub));
	g.sub = sub;
	WON(kms_gba_put(s, &g));
	WON(kms_gba_spend(s, "b", &n));
	ck_assert_uint_eq(n, 3);	/* 1 and 2 were messages under these keys */
	WON(kms_store_trim(s, g.expires_us + 1000 * day));
	WON(kms_gba_get(s, "b", &g));	/* nobody brings it back but the operator */
	struct kms_gba next = context(sub, "c", second);
	WON(kms_gba_put(s, &next));
	WON(kms_store_trim(s, g.expires_us + 2 * day));
	EXISTS(kms_gba_get(s, "b", &g));
	WON(kms_gba_skip(s, 16));	/* those that are away, too */
	g = context(sub, "b", second);
	WON(kms_gba_put(s, &g));
	WON(kms_gba_spend(s, "b", &n));
	ck_assert_uint_eq(n, 20);
	kms_store_close(s);
}
END_TEST

static int
roll_id(void *self, const struct kms_roll *r)
{
	char *list = self;

	sprintf(list + strlen(list), "%lld:%llu ", (long long)r->id, (unsigned long long)r->out[KMS_OUT_DUE]);
	return 0;
}

START_TEST(a_subscriber_and_their_keys_change)
{
	struct kms_store *s = fresh();
	int64_t anna = subscriber(s, "anna"), bert;
	struct kms_subscriber card = { .name = "bert", .impi = "bert@ims", .msisdn = "4911", .provision = KMS_KEYS }, got;
	struct kms_gba g, was;
	uint32_t n;

	WON(kms_subscriber_put(s, &card, &bert));
	WON(kms_subscriber_get(s, anna, &got));
	strcpy(got.msisdn, "4911");
	EXISTS(kms_subscriber_change(s, &got));
	strcpy(got.msisdn, "4912");
	got.k[0] ^= 1;
	WON(kms_subscriber_change(s, &got));
	WON(kms_subscriber_find(s, "4912", &card));
	ck_assert(card.id == anna && memcmp(card.k, got.k, 16) == 0 && memcmp(card.sqn, got.sqn, 6) == 0);
	got.id = 99;
	EXISTS(kms_subscriber_change(s, &got));

	g = context(bert, "b", second);
	EXISTS(kms_gba_renew(s, &g));
	WON(kms_gba_put(s, &g));
	WON(kms_gba_spend(s, "b", &n));
	struct kms_gba other = context(bert, "c", second);
	WON(kms_gba_put(s, &other));	/* b is the old one, and comes back */
	g.expires_us += 500 * day;
	g.smk[0] ^= 1;
	WON(kms_gba_renew(s, &g));
	WON(kms_gba_live(s, bert, &was));
	ck_assert_str_eq(was.btid, "b");
	ck_assert(was.expires_us == g.expires_us && was.smk[0] == g.smk[0] && was.ltkm_counter == 1);
	g.sub = anna;
	EXISTS(kms_gba_renew(s, &g));
	WON(kms_gba_live(s, bert, &was));	/* untouched */
	kms_store_close(s);
}
END_TEST

START_TEST(a_service_ends_and_comes_back)
{
	struct kms_store *s = fresh();
	struct kms_service news = service(s, "news"), other = { .name = "other", .item = "urn:item:news", .domain = { 0x00, 0xf1, 0x10 } }, got;
	struct kms_key sek = key(s, &news, KMS_SEK), found;
	struct kms_subscription sale = { .sub = subscriber(s, "anna"), .service = news.id, .from_us = 1, .until_us = 5000, .source = "test" }, sold;
	struct kms_roll r = { .new_key = sek.id, .from_us = 1, .switch_us = 2 };
	struct kms_out o = { .sub = sale.sub, .key = sek.id };
	uint64_t ltkm[KMS_OUT_STATES], pull[KMS_OUT_STATES];
	char list[100] = "";
	enum kms_kind kind;

	EXISTS(kms_stream_of(s, news.id, KMS_SEK));
	WON(kms_stream_put(s, 7, news.id, KMS_SEK));
	WON(kms_stream_of(s, news.id, KMS_SEK));
	EXISTS(kms_stream_of(s, news.id, KMS_PEK));
	WON(kms_subscription_put(s, &sale, &sale.id));
	WON(kms_roll_put(s, &r, NULL));
	WON(kms_out_put(s, &o, NULL));
	EXISTS(kms_service_put(s, &other));
	EXISTS(kms_service_end(s, 99, 1000));
	WON(kms_service_end(s, news.id, 1000));
	s = again(s);
	WON(kms_subscription_get(s, sale.id, &sold));
	ck_assert(sold.state == KMS_ENDED && sold.until_us == 1000 && sold.sold_until_us == 5000);
	WON(kms_service_get(s, news.id, &got));
	ck_assert(kms_service_is_ended(&got) && !kms_service_is_ended(&news));
	EXISTS(kms_key_find(s, news.domain, news.group[KMS_SEK], 0, &found));
	EXISTS(kms_stream_get(s, 7, &got, &kind));
	WON(kms_rolls(s, false, roll_id, list));
	ck_assert_str_eq(list, "");
	WON(kms_out_counts(s, ltkm, pull));
	ck_assert(ltkm[KMS_OUT_DUE] == 0 && ltkm[KMS_OUT_VOID] == 1);
	WON(kms_service_put(s, &other));	/* its URI is free */
	EXISTS(kms_service_rename(s, other.id, "news"));
	WON(kms_service_rename(s, other.id, "sport"));
	WON(kms_service_find(s, "sport", &got));
	ck_assert_int_eq(got.id, other.id);
	got = news;
	strcpy(got.item, "urn:item:news again");
	WON(kms_service_put(s, &got));
	ck_assert(got.id == news.id && got.group[KMS_SEK] == news.group[KMS_SEK]);
	found = key(s, &got, KMS_SEK);
	ck_assert_uint_eq(found.number, 2);	/* the first one's number may be on cards */
	kms_store_close(s);
}
END_TEST

/* ---- registrations ---- */

static int
count_registration(void *self, const struct kms_registration *r)
{
	int64_t *sum = self;

	*sum += r->sub;
	return 0;
}

START_TEST(registrations_are_replaced_paged_and_forgotten)
{
	struct kms_store *s = fresh();
	int64_t a = subscriber(s, "a"), b = subscriber(s, "b"), now = 100 * day, sum = 0;
	struct kms_registration r = { .sub = a, .btid = "a@bsf", .since_us = now, .expires_us = now + day, .reachable = true, .services = "*" }, got;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&r.at;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&r.at;

	v4->sin_family = AF_INET;
	inet_pton(AF_INET, "192.0.2.7", &v4->sin_addr);
	WON(kms_registration_put(s, &r));
	WON(kms_registration_get(s, a, &got));
	ck_assert_int_eq(got.at.ss_family, AF_INET);
	ck_assert_mem_eq(&((struct sockaddr_in *)&got.at)->sin_addr, &v4->sin_addr, 4);
	ck_assert(got.reachable && strcmp(got.services, "*") == 0 && strcmp(got.btid, "a@bsf") == 0 && got.expires_us == now + day);
	memset(&r.at, 0, sizeof(r.at));
	v6->sin6_family = AF_INET6;
	inet_pton(AF_INET6, "fe80::7", &v6->sin6_addr);
	v6->sin6_scope_id = 3;
	WON(kms_registration_put(s, &r));	/* again, from elsewhere */
	WON(kms_registration_get(s, a, &got));
	ck_assert_int_eq(got.at.ss_family, AF_INET6);
	ck_assert_mem_eq(&((struct sockaddr_in6 *)&got.at)->sin6_addr, &v6->sin6_addr, 16);
	ck_assert_uint_eq(((struct sockaddr_in6 *)&got.at)->sin6_scope_id, 3);
	WON(kms_registration_unreachable(s, a));
	WON(kms_registration_get(s, a, &got));
	ck_assert(!got.reachable);
	EXISTS(kms_registration_get(s, b, &got));
	EXISTS(kms_registration_unreachable(s, b));
	r.sub = b, r.expires_us = now + 2 * day;
	WON(kms_registration_put(s, &r));
	WON(kms_registrations(s, now, 0, 10, count_registration, &sum));
	ck_assert_int_eq(sum, a + b);
	WON(kms_registrations(s, now + day, 0, 10, count_registration, &sum));
	ck_assert_int_eq(sum, a + 2 * b);
	WON(kms_registrations(s, now, a, 10, count_registration, &sum));
	ck_assert_int_eq(sum, a + 3 * b);
	WON(kms_store_trim(s, now + day + second));
	WON(kms_registration_get(s, a, &got));	/* over, but not for long */
	WON(kms_store_trim(s, now + 2 * day + second));
	EXISTS(kms_registration_get(s, a, &got));
	WON(kms_registration_end(s, b));
	EXISTS(kms_registration_end(s, b));
	kms_store_close(s);
}
END_TEST

/* ---- services and streams ---- */

static int
first_service(void *self, const struct kms_service *r)
{
	*(struct kms_service *)self = *r;
	return 1;
}

START_TEST(services_have_groups_of_their_own)
{
	struct kms_store *s = fresh();
	struct kms_service news = service(s, "news"), sport = service(s, "sport"), got;
	enum kms_kind kind;

	ck_assert_uint_eq(news.group[KMS_SEK], 1);
	ck_assert_uint_eq(news.group[KMS_PEK], 0);
	ck_assert_uint_eq(sport.group[KMS_SEK], 2);
	strcpy(news.reference, "monthly");
	news.crypto_period_ms = 20000;
	WON(kms_service_put(s, &news));		/* changed: the group stays */
	ck_assert_uint_eq(news.group[KMS_SEK], 1);
	s = again(s);
	WON(kms_service_find(s, "urn:item:newsmonthly", &got));
	ck_assert_int_eq(got.id, news.id);
	ck_assert_uint_eq(got.crypto_period_ms, 20000);
	EXISTS(kms_service_find(s, "urn:item:news", &got));
	WON(kms_stream_put(s, 7, news.id, KMS_SEK));
	WON(kms_stream_put(s, 8, news.id, KMS_PEK));	/* draws the group */
	WON(kms_stream_get(s, 8, &got, &kind));
	ck_assert_uint_eq(got.group[KMS_PEK], 3);
	ck_assert_int_eq(kind, KMS_PEK);
	WON(kms_stream_get(s, 7, &got, &kind));
	ck_assert_int_eq(kind, KMS_SEK);
	WON(kms_stream_put(s, 7, sport.id, KMS_SEK));
	WON(kms_stream_get(s, 7, &got, &kind));
	ck_assert_str_eq(got.name, "sport");
	EXISTS(kms_stream_get(s, 9, &got, &kind));
	EXISTS(kms_stream_put(s, 9, 99, KMS_SEK));
	WON(kms_service_group(s, news.domain, 3, &got, &kind));
	ck_assert_str_eq(got.name, "news");
	ck_assert_int_eq(kind, KMS_PEK);
	WON(kms_service_group(s, news.domain, 2, &got, &kind));
	ck_assert_str_eq(got.name, "sport");
	ck_assert_int_eq(kind, KMS_SEK);
	EXISTS(kms_service_group(s, news.domain, 4, &got, &kind));
	EXISTS(kms_service_group(s, (const uint8_t[3]){ 0x62, 0xf2, 0x24 }, 2, &got, &kind));
	WON(kms_services(s, first_service, &got));
	ck_assert_str_eq(got.name, "news");
	/* two URIs that are the same when they are written together */
	struct kms_service other = { .name = "other", .item = "urn:item:", .reference = "newsmonthly", .domain = { 0, 0xf1, 0x10 } };
	EXISTS(kms_service_put(s, &other));
	kms_store_close(s);
}
END_TEST

START_TEST(a_key_domain_changes_only_without_keys)
{
	struct kms_store *s = fresh();
	struct kms_service news = service(s, "news"), sport = service(s, "sport");

	sport.domain[0] = 0x62;
	WON(kms_service_put(s, &sport));
	ck_assert_uint_eq(sport.group[KMS_SEK], 1);	/* the first of its new domain */
	key(s, &news, KMS_SEK);
	news.domain[0] = 0x62;
	EXISTS(kms_service_put(s, &news));
	WON(kms_service_find(s, "news", &news));
	ck_assert_uint_eq(news.domain[0], 0);
	kms_store_close(s);
}
END_TEST

/* ---- subscriptions ---- */

static int
id_of(void *self, const struct kms_subscription *r)
{
	char *list = self;

	sprintf(list + strlen(list), "%lld:%d ", (long long)r->id, (int)r->state);
	return 0;
}

START_TEST(an_order_is_taken_once)
{
	struct kms_store *s = fresh();
	struct kms_service news = service(s, "news");
	struct kms_subscription r = { .sub = subscriber(s, "anna"), .service = news.id, .from_us = 5, .until_us = 9, .source = "portal",
		.order = "shop-4711" }, got;
	int64_t id, twice;

	WON(kms_subscription_put(s, &r, &id));
	EXISTS(kms_subscription_put(s, &r, &twice));
	ck_assert_int_eq(id, twice);
	strcpy(r.order, "");
	WON(kms_subscription_put(s, &r, &twice));
	WON(kms_subscription_put(s, &r, &twice));	/* no order, no memory of it */
	s = again(s);
	WON(kms_subscription_get(s, id, &got));
	ck_assert_str_eq(got.order, "shop-4711");
	ck_assert_str_eq(got.source, "portal");
	ck_assert(got.from_us == 5 && got.until_us == 9 && got.service == news.id && got.state == KMS_NEW);
	EXISTS(kms_subscription_get(s, 99, &got));
	kms_store_close(s);
}
END_TEST

START_TEST(rights_have_an_interval_and_a_state)
{
	struct kms_store *s = fresh();
	struct kms_service news = service(s, "news"), sport = service(s, "sport");
	int64_t anna = subscriber(s, "anna"), bert = subscriber(s, "bert"), id;
	struct kms_key pek = key(s, &news, KMS_PEK);
	struct kms_subscription r = { .sub = anna, .service = news.id, .from_us = 100, .until_us = 200 };
	char list[100] = "";

	WON(kms_subscription_put(s, &r, &id));
	EXISTS(kms_entitled(s, anna, news.id, KMS_SEK, 0, 99));
	WON(kms_entitled(s, anna, news.id, KMS_SEK, 0, 100));
	WON(kms_entitled(s, anna, news.id, KMS_SEK, 0, 199));
	EXISTS(kms_entitled(s, anna, news.id, KMS_SEK, 0, 200));
	WON(kms_entitled(s, anna, news.id, KMS_PEK, pek.id, 150));	/* who has the service has its programmes */
	EXISTS(kms_entitled(s, anna, sport.id, KMS_SEK, 0, 150));
	EXISTS(kms_entitled(s, bert, news.id, KMS_SEK, 0, 150));
	WON(kms_subscription_until(s, id, 0, KMS_TOLD));
	WON(kms_entitled(s, anna, news.id, KMS_SEK, 0, INT64_MAX));
	WON(kms_subscription_mark(s, id, KMS_CUT));
	EXISTS(kms_entitled(s, anna, news.id, KMS_SEK, 0, 150));
	r = (struct kms_subscription){ .sub = bert, .service = news.id, .kind = KMS_PEK, .key = pek.id, .from_us = 1 };
	WON(kms_subscription_put(s, &r, &id));
	WON(kms_entitled(s, bert, news.id, KMS_PEK, pek.id, 150));
	EXISTS(kms_entitled(s, bert, news.id, KMS_PEK, pek.id + 1, 150));
	EXISTS(kms_entitled(s, bert, news.id, KMS_SEK, 0, 150));
	WON(kms_subscriptions_of(s, anna, id_of, list));
	WON(kms_subscriptions_in(s, KMS_NEW, 0, 10, id_of, list));
	WON(kms_subscriptions_in(s, KMS_NEW, id, 10, id_of, list));
	WON(kms_subscriptions_in(s, KMS_ENDED, 0, 10, id_of, list));
	ck_assert_str_eq(list, "1:2 2:0 ");
	EXISTS(kms_subscription_mark(s, 99, KMS_CUT));
	EXISTS(kms_subscription_until(s, 99, 1, KMS_CUT));
	kms_store_close(s);
}
END_TEST

/* ---- keys ---- */

static int
number_of(void *self, const struct kms_key *k)
{
	char *list = self;

	sprintf(list + strlen(list), "%u:%d:%02x ", k->number, (int)k->state, k->key[0]);
	return 0;
}

START_TEST(keys_follow_one_another)
{
	struct kms_store *s = fresh();
	struct kms_service news = service(s, "news");
	struct kms_key a = key(s, &news, KMS_SEK), b = { .service = news.id, .kind = KMS_SEK, .first_cp = -1 }, got;
	char list[100] = "";
	uint16_t cp = 0;

	ck_assert_uint_eq(a.number, 1);
	ck_assert_uint_eq(a.group, news.group[KMS_SEK]);
	EXISTS(kms_key_put(s, &b));	/* one unused SEK at a time */
	ck_assert_int_eq(b.id, a.id);
	EXISTS(kms_key_find(s, news.domain, 99, 0, &got));
	WON(kms_key_find(s, news.domain, a.group, 0, &got));	/* not used yet, and the only one */
	ck_assert_int_eq(got.id, a.id);
	WON(kms_key_use(s, a.id, 40000, &cp));
	ck_assert_uint_eq(cp, 40000);
	EXISTS(kms_key_use(s, a.id, 41000, &cp));
	ck_assert_uint_eq(cp, 40000);
	EXISTS(kms_key_use(s, 99, 41000, &cp));
	WON(kms_key_put(s, &b));
	ck_assert_uint_eq(b.number, 2);
	WON(kms_key_find(s, news.domain, a.group, 0, &got));
	ck_assert_int_eq(got.id, a.id);
	WON(kms_key_use(s, b.id, 5, &cp));	/* the CP_number has wrapped */
	s = again(s);
	WON(kms_key_find(s, news.domain, a.group, 0, &got));
	ck_assert_int_eq(got.id, b.id);
	ck_assert_int_eq(got.first_cp, 5);
	WON(kms_key_find(s, news.domain, a.group, 1, &got));
	ck_assert_int_eq(got.state, KMS_KEY_OLD);
	ck_assert_mem_eq(got.key, a.key, 16);
	ck_assert_mem_eq(got.rand, a.rand, 16);
	ck_assert(got.first_cp == 40000 && got.lower == 0 && got.upper == 1000 && got.valid_until_us == 30 * day);
	WON(kms_keys(s, news.id, KMS_SEK, number_of, list));
	WON(kms_key_state(s, a.id, KMS_KEY_DEAD));
	WON(kms_keys(s, news.id, KMS_SEK, number_of, list));
	ck_assert_str_eq(list, "1:2:5e 2:1:00 2:1:00 ");
	EXISTS(kms_key_find(s, news.domain, a.group, 1, &got));
	WON(kms_key_validity(s, b.id, 77));
	WON(kms_key_get(s, b.id, &got));
	ck_assert_int_eq(got.valid_until_us, 77);
	EXISTS(kms_key_get(s, 99, &got));
	EXISTS(kms_key_state(s, 99, KMS_KEY_DEAD));
	EXISTS(kms_key_validity(s, 99, 1));
	ck_assert(!in_files(a.key, 16));
	kms_store_close(s);
}
END_TEST

START_TEST(numbers_go_around_past_those_in_use)
{
	struct kms_store *s = fresh();
	struct kms_service news = service(s, "news");
	struct kms_key k = { .service = news.id, .kind = KMS_PEK, .first_cp = -1, .programme = "urn:programme" }, got;

	WON(kms_key_put(s, &k));
	ck_assert_uint_eq(k.number, 1);
	kms_store_close(s);
	by_hand("UPDATE keys SET number = 65535");
	s = opened(false);
	WON(kms_key_put(s, &k));
	ck_assert_uint_eq(k.number, 1);
	WON(kms_key_get(s, k.id, &got));
	ck_assert_str_eq(got.programme, "urn:programme");
	kms_store_close(s);
	by_hand("UPDATE keys SET number = number + 1 WHERE number < 65535; INSERT INTO keys SELECT 77, service, kind, domain, grp, 1, secret, rand, lower, upper,"
	    " first_cp, since, until, programme, 2 FROM keys WHERE number = 2");
	s = opened(false);
	WON(kms_key_find(s, news.domain, k.group, 2, &got));
	EXISTS(kms_key_put(s, &k));	/* number 2 may still be on a card */
	WON(kms_key_state(s, got.id, KMS_KEY_DEAD));
	WON(kms_key_put(s, &k));
	ck_assert_uint_eq(k.number, 2);
	kms_store_close(s);
}
END_TEST

START_TEST(a_tek_id_is_spent_for_one_tek)
{
	struct kms_store *s = fresh(), *other = opened(false);
	struct kms_service news = service(s, "news");
	struct kms_key k = key(s, &news, KMS_SEK);
	uint8_t a[32] = "one", b[32] = "two";
	bool same;

	WON(kms_tek_spend(s, k.id, 5, a, &same));
	EXISTS(kms_tek_spend(other, k.id, 5, a, &same));	/* a stand-by that answers the same */
	ck_assert(same);
	EXISTS(kms_tek_spend(other, k.id, 5, b, &same));
	ck_assert(!same);
	WON(kms_tek_spend(s, k.id, 4, b, &same));	/* out of order */
	for (uint16_t i = 6; i < 500; i++)
		WON(kms_tek_spend(s, k.id, i, a, &same));
	EXISTS(kms_tek_spend(s, k.id, 499 - 255, a, &same));
	ck_assert(same);
	EXISTS(kms_tek_spend(s, k.id, 499 - 256, a, &same));	/* forgotten, and not to be spent again */
	ck_assert(!same);
	EXISTS(kms_tek_spend(s, k.id, 1, a, &same));
	WON(kms_tek_spend(s, k.id + 1, 1, a, &same));
	kms_store_close(s);
	kms_store_close(other);
}
END_TEST

/* ---- messages on their way ---- */

static int
out_id(void *self, const struct kms_out *r)
{
	char *list = self;

	sprintf(list + strlen(list), "%lld:%d ", (long long)r->id, (int)r->state);
	return 0;
}

START_TEST(messages_are_due_in_order_and_counted)
{
	struct kms_store *s = fresh();
	int64_t sub = subscriber(s, "anna"), roll, due, id;
	struct kms_service news = service(s, "news");
	struct kms_key k = key(s, &news, KMS_SEK);
	struct kms_roll r = { .old_key = 0, .new_key = k.id, .from_us = 10, .switch_us = 20 }, rolled;
	struct kms_out o = { .sub = sub, .key = k.id, .due_us = 30 }, got;
	uint64_t ltkm[KMS_OUT_STATES], pull[KMS_OUT_STATES];
	char list[200] = "";

	EXISTS(kms_out_next(s, &due));
	WON(kms_roll_put(s, &r, &roll));
	EXISTS(kms_roll_put(s, &r, &roll));
	o.roll = roll = 1;
	WON(kms_out_put(s, &o, &id));
	o.due_us = 10, o.roll = 0;
	WON(kms_out_put(s, &o, NULL));
	o = (struct kms_out){ .sub = sub, .pull = true, .group = 9, .due_us = 20, .sms = true };
	WON(kms_out_put(s, &o, NULL));
	WON(kms_out_next(s, &due));
	ck_assert_int_eq(due, 10);
	WON(kms_out_due(s, 20, 10, out_id, list));
	WON(kms_out_due(s, 99, 1, out_id, list));
	ck_assert_str_eq(list, "2:0 3:0 2:0 ");
	/* built and sent, then verified */
	o = (struct kms_out){ .id = 1, .sub = sub, .btid = "b@bsf", .counter = 7, .octets = { 1, 2, 3 }, .len = 3, .due_us = 40, .tries = 1,
		.state = KMS_OUT_SENT };
	WON(kms_out_change(s, &o));
	s = again(s);
	WON(kms_out_find(s, "b@bsf", 7, &got));
	ck_assert(got.id == 1 && got.len == 3 && got.octets[2] == 3 && got.roll == roll && got.key == k.id && got.tries == 1 && got.due_us == 40);
	EXISTS(kms_out_find(s, "b@bsf", 8, &got));
	o.id = 2;
	EXISTS(kms_out_change(s, &o));	/* a counter is spent once */
	o.id = 99;
	EXISTS(kms_out_change(s, &o));
	WON(kms_roll_get(s, k.id, &rolled));
	ck_assert_uint_eq(rolled.out[KMS_OUT_SENT], 1);
	ck_assert_uint_eq(rolled.out[KMS_OUT_DUE], 0);
	got.id = 1, got.state = KMS_OUT_ACKED;
	WON(kms_out_find(s, "b@bsf", 7, &got));
	got.state = KMS_OUT_ACKED;
	WON(kms_out_change(s, &got));
	WON(kms_out_change(s, &got));	/* and counted once */
	WON(kms_roll_get(s, k.id, &rolled));
	ck_assert_uint_eq(rolled.out[KMS_OUT_ACKED], 1);
	ck_assert_uint_eq(rolled.out[KMS_OUT_SENT], 0);
	WON(kms_out_counts(s, ltkm, pull));
	ck_assert(ltkm[KMS_OUT_DUE] == 1 && ltkm[KMS_OUT_ACKED] == 1 && ltkm[KMS_OUT_SENT] == 0 && pull[KMS_OUT_DUE] == 1);
	list[0] = '\0';
	WON(kms_outs_of(s, sub, out_id, list));
	ck_assert_str_eq(list, "1:2 2:0 3:0 ");
	WON(kms_out_trim(s, 40));
	WON(kms_out_find(s, "b@bsf", 7, &got));
	WON(kms_out_trim(s, 41));
	EXISTS(kms_out_find(s, "b@bsf", 7, &got));
	WON(kms_out_counts(s, ltkm, pull));
	ck_assert_uint_eq(ltkm[KMS_OUT_ACKED], 1);	/* the counts stay */
	kms_store_close(s);
}
END_TEST

START_TEST(rolls_go_on_where_they_were)
{
	struct kms_store *s = fresh();
	struct kms_service news = service(s, "news");
	struct kms_key k = key(s, &news, KMS_SEK);
	struct kms_roll r = { .old_key = 0, .new_key = k.id, .from_us = 10, .switch_us = 20 }, got;
	struct kms_out o = { .sub = subscriber(s, "anna"), .key = k.id, .roll = 1 };
	char list[100] = "";

	EXISTS(kms_roll_get(s, k.id, &got));
	WON(kms_roll_put(s, &r, &r.id));
	WON(kms_out_put(s, &o, NULL));
	r.cursor = 77, r.switch_us = 15, r.state = KMS_ROLL_READY;
	WON(kms_roll_change(s, &r));
	s = again(s);
	WON(kms_roll_get(s, k.id, &got));
	ck_assert(got.cursor == 77 && got.switch_us == 15 && got.state == KMS_ROLL_READY && got.from_us == 10);
	WON(kms_rolls(s, false, roll_id, list));
	r.state = KMS_ROLL_DONE;
	WON(kms_roll_change(s, &r));
	WON(kms_rolls(s, false, roll_id, list));
	WON(kms_rolls(s, true, roll_id, list));
	ck_assert_str_eq(list, "1:1 1:1 ");
	r.id = 99;
	EXISTS(kms_roll_change(s, &r));
	kms_store_close(s);
}
END_TEST

START_TEST(a_key_is_rolled_to_once_and_updated_often)
{
	struct kms_store *s = fresh();
	struct kms_service news = service(s, "news");
	struct kms_key k = key(s, &news, KMS_SEK), got_key;
	struct kms_roll r = { .old_key = k.id, .new_key = k.id, .from_us = 10, .switch_us = 20 }, got;
	struct kms_registration reg = { .expires_us = 1000, .reachable = true, .services = "*" };
	int64_t first, id;
	uint64_t left;
	char list[100] = "";

	WON(kms_key_upper(s, k.id, 77));
	EXISTS(kms_key_upper(s, 99, 77));
	WON(kms_key_get(s, k.id, &got_key));
	ck_assert_uint_eq(got_key.upper, 77);
	ck_assert_uint_eq(got_key.lower, k.lower);
	WON(kms_roll_put(s, &r, &first));
	ck_assert(kms_roll_is_update(&r));
	EXISTS(kms_roll_get(s, k.id, &got));	/* it is none that brings the key */
	WON(kms_roll_put(s, &r, &id));	/* in place of the first */
	s = again(s);
	WON(kms_rolls(s, false, roll_id, list));
	r.old_key = 0;
	WON(kms_roll_put(s, &r, NULL));
	EXISTS(kms_roll_put(s, &r, NULL));
	WON(kms_rolls(s, false, roll_id, list));
	WON(kms_rolls(s, true, roll_id, list));
	ck_assert_str_eq(list, "2:0 2:0 3:0 1:0 2:0 3:0 ");
	WON(kms_roll_get(s, k.id, &got));
	ck_assert_int_eq(got.id, 3);
	for (int i = 0; i < 3; i++) {
		char name[2] = { (char)('a' + i), 0 };
		reg.sub = subscriber(s, name);
		WON(kms_registration_put(s, &reg));
		if (i == 0)
			got.cursor = reg.sub;
	}
	WON(kms_roll_left(s, &got, 500, &left));
	ck_assert_uint_eq(left, 2);
	WON(kms_roll_left(s, &got, 1000, &left));
	ck_assert_uint_eq(left, 0);
	got.state = KMS_ROLL_READY;
	WON(kms_roll_left(s, &got, 500, &left));
	ck_assert_uint_eq(left, 0);
	kms_store_close(s);
}
END_TEST

static int
line(void *self, int64_t id, int64_t at_us, const char *who, const char *what)
{
	char *list = self;

	sprintf(list + strlen(list), "%lld %lld %s %s\n", (long long)id, (long long)at_us, who, what);
	return 0;
}

/* ---- purchases ---- */

static enum gw_outcome
buy(struct kms_store *s, const struct kms_order *o, struct kms_subscription *row, enum kms_order_fault *fault)
{
	enum gw_outcome done;

	kms_store_begin(s);
	done = kms_buy(s, o, 1000, row, fault);
	WON(kms_store_flush(s));
	return done;
}

START_TEST(a_purchase_is_a_row_and_a_line)
{
	struct kms_store *s = fresh();
	struct kms_service news = service(s, "news");
	struct kms_key pek = { .service = news.id, .kind = KMS_PEK, .first_cp = -1, .programme = "urn:final" };
	int64_t anna = subscriber(s, "anna");
	struct kms_order o = { .subscriber = "anna", .service = "urn:item:news", .until_us = 5000, .source = "portal", .order = "4711" };
	struct kms_subscription row, first;
	enum kms_order_fault fault;
	char list[400] = "";

	WON(kms_key_put(s, &pek));
	WON(buy(s, &o, &first, &fault));
	ck_assert(fault == KMS_ORDER_GOOD && first.sub == anna && first.service == news.id && first.from_us == 1000 && first.until_us == 5000);
	EXISTS(buy(s, &o, &row, &fault));
	ck_assert(fault == KMS_ORDER_GOOD && row.id == first.id && row.from_us == 1000);
	o.programme = "urn:final";
	EXISTS(buy(s, &o, &row, &fault));
	ck_assert_int_eq(fault, KMS_ORDER_CONFLICT);
	o.order = NULL;
	WON(buy(s, &o, &row, &fault));
	ck_assert(row.kind == KMS_PEK && row.key == pek.id);
	WON(kms_audits(s, 0, 10, line, list));
	ck_assert_str_eq(list, "1 1000 portal subscription 1: anna gets urn:item:news\n2 1000 portal subscription 2: anna gets urn:item:news urn:final\n");
	kms_store_close(s);
}
END_TEST

START_TEST(a_purchase_is_refused_with_its_field)
{
	static const struct { struct kms_order o; const char *field; } bad[] = {
		{ { .subscriber = "otto", .service = "news" }, "subscriber" },
		{ { .service = "news" }, "subscriber" },
		{ { .subscriber = "anna", .service = "sport" }, "service" },
		{ { .subscriber = "anna", .service = "news", .programme = "x" }, "programme" },
		{ { .subscriber = "anna", .service = "news", .until_us = 1000 }, "until" },
		{ { .subscriber = "anna", .service = "news", .from_us = 3000, .until_us = 3000 }, "until" },
		{ { .subscriber = "anna", .service = "news", .order = "1234567890123456789012345678901234567890123456789012345678901234567890" }, "order" },
	};
	struct kms_store *s = fresh();
	struct kms_subscription row;
	enum kms_order_fault fault;
	char list[100] = "";

	subscriber(s, "anna");
	service(s, "news");
	EXISTS(buy(s, &bad[_i].o, &row, &fault));
	ck_assert_int_ne(fault, KMS_ORDER_GOOD);
	ck_assert_str_eq(kms_order_texts[fault].field, bad[_i].field);
	WON(kms_audits(s, 0, 10, line, list));
	ck_assert_str_eq(list, "");
	kms_store_close(s);
}
END_TEST

START_TEST(what_was_bought_ends_once)
{
	struct kms_store *s = fresh();
	struct kms_order o = { .subscriber = "anna", .service = "news" };
	struct kms_subscription row;
	enum kms_order_fault fault;

	subscriber(s, "anna");
	service(s, "news");
	WON(buy(s, &o, &row, &fault));
	WON(kms_end(s, &row, KMS_END_PLAIN, 9000, "operator", 2000));	/* later */
	ck_assert(row.until_us == 9000 && row.state == KMS_NEW);
	WON(kms_end(s, &row, KMS_END_PLAIN, 0, "operator", 3000));
	ck_assert(row.until_us == 3000 && row.state == KMS_ENDED);
	EXISTS(kms_end(s, &row, KMS_END_PLAIN, 0, "operator", 4000));
	WON(kms_end(s, &row, KMS_END_NOW, 0, "operator", 4000));	/* its key is still on the card */
	ck_assert(row.until_us == 3000 && row.state == KMS_CUT);
	EXISTS(kms_end(s, &row, KMS_END_NOW, 0, "operator", 5000));
	WON(kms_subscription_get(s, row.id, &row));
	ck_assert_int_eq(row.state, KMS_CUT);
	kms_store_close(s);
}
END_TEST

/* ---- the rest ---- */

START_TEST(nonces_notes_and_audit)
{
	struct kms_store *s = fresh();
	char value[64], list[200] = "";
	size_t len = sizeof(value);

	WON(kms_nonce_use(s, "n1", 1, 100));
	EXISTS(kms_nonce_use(s, "n1", 1, 100));
	WON(kms_nonce_use(s, "n1", 5, 100));
	EXISTS(kms_nonce_use(s, "n1", 4, 100));
	WON(kms_store_trim(s, 101));
	WON(kms_nonce_use(s, "n1", 1, 100));
	EXISTS(kms_note_get(s, "x", value, &len, false));
	WON(kms_note_put(s, "x", "plain", 5, false));
	WON(kms_note_put(s, "x", "a secret of the house", 21, true));
	s = again(s);
	len = sizeof(value);
	WON(kms_note_get(s, "x", value, &len, false));
	ck_assert(len == 5 && memcmp(value, "plain", 5) == 0);
	len = sizeof(value);
	WON(kms_note_get(s, "x", value, &len, true));
	ck_assert(len == 21 && memcmp(value, "a secret", 8) == 0);
	WON(kms_note_put(s, "x", "another", 7, true));
	len = sizeof(value);
	WON(kms_note_get(s, "x", value, &len, true));
	ck_assert_uint_eq(len, 7);
	len = 3;
	ck_assert_int_eq(kms_note_get(s, "x", value, &len, false), GW_UNAVAILABLE);
	ck_assert(!in_files("a secret of", 11));
	WON(kms_audit(s, 5, "operator", "one"));
	WON(kms_audit(s, 6, "portal", "two"));
	WON(kms_audits(s, 0, 10, line, list));
	WON(kms_audits(s, 1, 10, line, list));
	ck_assert_str_eq(list, "1 5 operator one\n2 6 portal two\n2 6 portal two\n");
	kms_store_close(s);
}
END_TEST

START_TEST(another_handle_s_commits_are_noticed)
{
	struct kms_store *s = fresh(), *other = opened(false);

	kms_store_changed(s);
	ck_assert(!kms_store_changed(s));
	subscriber(s, "mine");
	ck_assert(!kms_store_changed(s));
	subscriber(other, "theirs");
	ck_assert(kms_store_changed(s));
	ck_assert(!kms_store_changed(s));
	kms_store_close(s);
	kms_store_close(other);
}
END_TEST

START_TEST(a_group_is_one)
{
	struct kms_store *s = fresh(), *other = opened(false);
	struct kms_subscriber r;

	kms_store_begin(s);
	subscriber(s, "a");
	EXISTS(kms_subscriber_put(s, &(struct kms_subscriber){ .name = "a", .provision = KMS_KEYS }, NULL));	/* its own affair */
	subscriber(s, "b");
	EXISTS(kms_subscriber_find(other, "a", &r));
	WON(kms_store_flush(s));
	WON(kms_subscriber_find(other, "a", &r));
	WON(kms_subscriber_find(other, "b", &r));
	kms_store_begin(s);
	subscriber(s, "c");
	kms_store_begin(other);
	ck_assert_int_eq(kms_subscriber_end(other, 1), GW_UNAVAILABLE);	/* it waited, and gave up */
	ck_assert_int_eq(kms_subscriber_end(other, 1), GW_UNAVAILABLE);
	ck_assert_int_eq(kms_store_flush(other), GW_UNAVAILABLE);
	kms_store_drop(s);
	EXISTS(kms_subscriber_find(s, "c", &r));
	WON(kms_subscriber_end(other, 1));
	kms_store_close(s);
	kms_store_close(other);
}
END_TEST

/* _i: after how many calls the process dies */
START_TEST(a_crash_leaves_whole_groups)
{
	struct kms_store *s = fresh();
	int64_t sub = subscriber(s, "anna");
	struct kms_gba g = context(sub, "b", second), got;
	struct kms_out o = { .sub = sub, .btid = "b", .counter = 1, .octets = { 1 }, .len = 1, .state = KMS_OUT_SENT }, out;
	int status;

	WON(kms_gba_put(s, &g));
	kms_store_close(s);
	pid_t child = fork();
	if (child == 0) {
		int steps = _i;
		uint32_t n;

		s = opened(false);
		kms_store_begin(s);
		if (steps-- == 0 || kms_gba_spend(s, "b", &n) != GW_WON)
			_exit(7);
		if (steps-- == 0 || kms_out_put(s, &o, NULL) != GW_WON)
			_exit(7);
		if (steps-- == 0 || kms_audit(s, 1, "x", "sent") != GW_WON)
			_exit(7);
		if (steps-- == 0 || kms_store_flush(s) != GW_WON)
			_exit(7);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	s = opened(false);
	WON(kms_gba_get(s, "b", &got));
	ck_assert_uint_eq(got.ltkm_counter, _i > 3 ? 1 : 0);
	ck_assert_int_eq(kms_out_find(s, "b", 1, &out), _i > 3 ? GW_WON : GW_EXISTS);
	kms_store_close(s);
}
END_TEST

/* ---- copies and rotations ---- */

static struct kms_store *
filled(void)
{
	struct kms_store *s = fresh();
	int64_t sub = subscriber(s, "anna");
	struct kms_gba g = context(sub, "b@bsf", second);
	struct kms_service news = service(s, "news");

	WON(kms_gba_put(s, &g));
	key(s, &news, KMS_SEK);
	WON(kms_note_put(s, "x", "wrapped", 7, true));
	return s;
}

/* All that is wrapped is what it was. */
static void
is_filled(struct kms_store *s)
{
	struct kms_subscriber r;
	struct kms_gba g;
	struct kms_key k;
	char note[16];
	size_t len = sizeof(note);

	WON(kms_subscriber_find(s, "anna", &r));
	ck_assert_mem_eq(r.k, "the card's key K", 16);
	WON(kms_gba_live(s, r.id, &g));
	ck_assert_uint_eq(g.smk[31], 0x33);
	WON(kms_key_get(s, 1, &k));
	ck_assert_uint_eq(k.key[15], 0x5e);
	WON(kms_note_get(s, "x", note, &len, true));
	ck_assert(len == 7 && memcmp(note, "wrapped", 7) == 0);
}

static void
master(uint8_t out[32], const char *name)
{
	FILE *f = fopen(scratch(name), "rb");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fread(out, 1, 32, f), 32);
	fclose(f);
}

START_TEST(a_backup_is_a_store)
{
	struct kms_store *s = filled(), *busy = opened(false);
	char to[200];
	struct kms_store_conf there = { .path = to };
	struct gw_err err = { 0 };
	struct kms_gba g;
	struct stat st;
	uint32_t n;

	snprintf(to, sizeof(to), "%s", scratch("restored/store.db"));
	WON(kms_gba_spend(s, "b@bsf", &n));
	kms_store_begin(busy);
	WON(kms_audit(busy, 1, "x", "half of something"));
	ck_assert_msg(kms_store_backup(s, scratch("copy.db"), &err) == 0, "%s", err.text);
	WON(kms_store_flush(busy));
	ck_assert_int_eq(kms_store_backup(s, scratch("copy.db"), &err), -1);
	ck_assert_msg(strstr(err.text, "is there already") != NULL, "%s", err.text);
	ck_assert_int_eq(stat(scratch("copy.db"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(stat(scratch("copy.db.master"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(kms_store_restore(scratch("copy.db"), &(struct kms_store_conf){ .path = path() }, &err), -1);	/* in place of something */
	ck_assert_int_eq(kms_store_restore(scratch("nothing.db"), &there, &err), -1);
	mkdir(scratch("restored"), 0700);
	ck_assert_msg(kms_store_restore(scratch("copy.db"), &there, &err) == 0, "%s", err.text);
	kms_store_close(s);
	kms_store_close(busy);
	ck_assert_int_eq(kms_store_open(&there, &s, &err), 0);
	is_filled(s);
	WON(kms_gba_live(s, 1, &g));
	ck_assert_uint_eq(g.ltkm_counter, 1 + 65536);	/* what was spent since the backup is not spent again */
	kms_store_close(s);
	ck_assert_int_eq(access(scratch("restored/store.db.restoring"), F_OK), -1);
}
END_TEST

START_TEST(a_rotation_wraps_everything_anew)
{
	struct kms_store *s = filled(), *other = opened(false);
	struct gw_err err = { 0 };
	uint8_t before[32], after[32];

	master(before, "kms/store.db.master");
	ck_assert_msg(kms_store_rotate(s, &err) == 0, "%s", err.text);
	master(after, "kms/store.db.master");
	ck_assert_mem_ne(before, after, 32);
	ck_assert_int_eq(access(scratch("kms/store.db.master.new"), F_OK), -1);
	is_filled(s);
	is_filled(other);	/* which notices */
	ck_assert_msg(kms_store_rotate(other, &err) == 0, "%s", err.text);
	subscriber(s, "bert");	/* a write notices, too */
	s = again(s);
	is_filled(s);
	is_filled(other);
	kms_store_close(s);
	kms_store_close(other);
}
END_TEST

START_TEST(a_rotation_cut_short_leaves_a_pair)
{
	struct kms_store *s = filled();
	struct gw_err err = { 0 };
	uint8_t key1[32], key2[32];
	FILE *f;

	master(key1, "kms/store.db.master");
	ck_assert_int_eq(kms_store_rotate(s, &err), 0);
	master(key2, "kms/store.db.master");
	kms_store_close(s);
	/* after its commit, before its rename */
	f = fopen(scratch("kms/store.db.master.new"), "wb");
	fwrite(key2, 1, 32, f), fclose(f);
	chmod(scratch("kms/store.db.master.new"), 0600);
	f = fopen(scratch("kms/store.db.master"), "wb");
	fwrite(key1, 1, 32, f), fclose(f);
	s = opened(false);
	is_filled(s);
	master(key1, "kms/store.db.master");
	ck_assert_mem_eq(key1, key2, 32);
	ck_assert_int_eq(access(scratch("kms/store.db.master.new"), F_OK), -1);
	/* before its commit: the new key is a stray, gone with the next rotation */
	put_file(scratch("kms/store.db.master.new"), "thirty-two octets of another key", 0600);
	s = again(s);
	is_filled(s);
	ck_assert_int_eq(kms_store_rotate(s, &err), 0);
	is_filled(s);
	kms_store_close(s);
}
END_TEST

START_TEST(a_rotation_that_cannot_lock_changes_nothing)
{
	struct kms_store *s = filled(), *other = opened(false);
	struct gw_err err = { 0 };
	uint8_t before[32], after[32];

	master(before, "kms/store.db.master");
	kms_store_begin(other);
	subscriber(other, "bert");
	ck_assert_int_eq(kms_store_rotate(s, &err), -1);
	ck_assert_int_eq(err.code, GW_ETEMP);
	WON(kms_store_flush(other));
	master(after, "kms/store.db.master");
	ck_assert_mem_eq(before, after, 32);
	is_filled(s);
	kms_store_close(s);
	kms_store_close(other);
}
END_TEST

START_TEST(what_was_tampered_with_does_not_open)
{
	struct kms_subscriber r;
	struct kms_gba g;

	kms_store_close(filled());
	by_hand("UPDATE subscriber SET secret = randomblob(length(secret))");
	struct kms_store *s = opened(false);
	ck_assert_int_eq(kms_subscriber_find(s, "anna", &r), GW_UNAVAILABLE);
	WON(kms_gba_live(s, 1, &g));
	kms_store_close(s);
}
END_TEST

/* What is asked for every message, registration or purchase is looked up, not searched for. */
static const enum kms_query asked[] = { OUT_DUE, OUT_NEXT, OUT_FIND, OUTS_OF, OUT_TRIM, REGS, REG_GET, ENTITLED, SALES_IN, SALES_OF, SALE_ORDER, GBA_LIVE,
	GBA_GET, GBA_SPEND, GBA_TRIM, SUB_BY_NAME, SUB_BY_IMPI, SUB_BY_MSISDN, SUBS, KEY_NUMBER, KEY_CURRENT, KEY_LAST, KEYS, SERVICE_URI, SERVICE_GROUP,
	STREAM_GET, STREAM_OF, TEK_GET, TEK_LAST };

START_TEST(what_is_asked_often_has_its_index)
{
	sqlite3 *db;
	sqlite3_stmt *q;
	char explain[800];

	kms_store_close(fresh());
	ck_assert_int_eq(sqlite3_open(path(), &db), SQLITE_OK);
	snprintf(explain, sizeof(explain), "EXPLAIN QUERY PLAN %s", kms_store_kind.sql[asked[_i]]);
	ck_assert_msg(sqlite3_prepare_v2(db, explain, -1, &q, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
	while (sqlite3_step(q) == SQLITE_ROW) {
		const char *plan = (const char *)sqlite3_column_text(q, 3);
		/* out_due is read from its beginning; what is sorted is one subscriber's, one key group's, at most */
		bool looked_up = strncmp(plan, "SEARCH", 6) == 0 || strstr(plan, "INDEX out_due") || strstr(plan, "USE TEMP B-TREE FOR") ||
		    strstr(plan, "COMPOUND") || strstr(plan, "LEFT-MOST") || strstr(plan, "UNION");

		ck_assert_msg(looked_up, "%s: %s", kms_store_kind.sql[asked[_i]], plan);
	}
	sqlite3_finalize(q);
	sqlite3_close(db);
}
END_TEST

enum { ASKED = sizeof(asked) / sizeof(asked[0]) };

SUITE("kms_store", tcase_add_test(t, a_store_and_its_master_key_are_ours_alone); tcase_add_test(t, no_store_is_refused);
    tcase_add_test(t, a_lost_store_is_refused); tcase_add_test(t, a_lost_or_wrong_master_key_is_refused);
    tcase_add_test(t, a_newer_schema_is_refused); tcase_add_test(t, what_is_not_ours_is_refused); tcase_add_test(t, a_corrupt_file_is_refused);
    tcase_add_test(t, a_subscriber_is_found_by_all_its_names); tcase_add_test(t, names_are_taken_once); tcase_add_test(t, lists_are_paged);
    tcase_add_test(t, a_subscriber_ends_with_all_that_is_theirs); tcase_add_test(t, keys_that_come_back_go_on_counting);
    tcase_add_test(t, a_subscriber_and_their_keys_change); tcase_add_test(t, a_service_ends_and_comes_back);
    tcase_add_test(t, who_is_registered_is_counted);
    tcase_add_test(t, the_newest_context_is_the_live_one);
    tcase_add_test(t, counters_are_spent_once);
    tcase_add_test(t, registrations_are_replaced_paged_and_forgotten); tcase_add_test(t, services_have_groups_of_their_own);
    tcase_add_test(t, a_key_domain_changes_only_without_keys); tcase_add_test(t, an_order_is_taken_once);
    tcase_add_test(t, rights_have_an_interval_and_a_state); tcase_add_test(t, keys_follow_one_another);
    tcase_add_test(t, numbers_go_around_past_those_in_use); tcase_add_test(t, a_tek_id_is_spent_for_one_tek);
    tcase_add_test(t, messages_are_due_in_order_and_counted); tcase_add_test(t, rolls_go_on_where_they_were); tcase_add_test(t, a_key_is_rolled_to_once_and_updated_often);
    tcase_add_test(t, nonces_notes_and_audit); tcase_add_test(t, a_purchase_is_a_row_and_a_line);
    tcase_add_loop_test(t, a_purchase_is_refused_with_its_field, 0, 7); tcase_add_test(t, what_was_bought_ends_once); tcase_add_test(t, another_handle_s_commits_are_noticed); tcase_add_test(t, a_group_is_one);
    tcase_add_loop_test(t, a_crash_leaves_whole_groups, 0, 5); tcase_add_test(t, a_backup_is_a_store);
    tcase_add_test(t, a_rotation_wraps_everything_anew); tcase_add_test(t, a_rotation_cut_short_leaves_a_pair);
    tcase_add_test(t, a_rotation_that_cannot_lock_changes_nothing); tcase_add_test(t, what_was_tampered_with_does_not_open);
    tcase_add_loop_test(t, what_is_asked_often_has_its_index, 0, ASKED))
