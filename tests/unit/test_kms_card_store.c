/* tests/unit/test_kms_card_store.c: the Smartcard plugin on a store, as the ECMG calls it; what a restart, a stand-by and a lock change */
#include <pthread.h>
#include <time.h>
#include "tests/unit/kms_host.h"
#include "tests/unit/scratch.h"
#include "kms/keymgr.h"
#include "kms/mikey_stkm.h"

enum { NEWS = 10, NEWS_PPV = 11, SPORT = 20, CROWD = 1000 };

static const struct kms_plugin *p;
static struct kms_store *store;
static struct kms_service news;
static char path[128], why[400];

/* ---- answers, by handle */

static struct { int n, error; size_t len; uint8_t ecm[512]; char why[240]; } answers[CROWD];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static int answered_in_all;

static void
take_answer(void *ctx, uint64_t handle, const uint8_t *ecm, size_t len, int error, const char *text)
{
	(void)ctx;
	pthread_mutex_lock(&lock);
	answers[handle].n++;
	answers[handle].error = error;
	answers[handle].len = len;
	if (len && len <= sizeof(answers[handle].ecm))
		memcpy(answers[handle].ecm, ecm, len);
	snprintf(answers[handle].why, sizeof(answers[handle].why), "%s", text ? text : "");
	answered_in_all++;
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
}

static void
await(int n)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	pthread_mutex_lock(&lock);
	while (answered_in_all < n)
		ck_assert_msg(pthread_cond_timedwait(&wake, &lock, &until) == 0, "%d of %d answers", answered_in_all, n);
	pthread_mutex_unlock(&lock);
}

static void *
open_card(void)
{
	static const struct kms_host with_answers = { .size = sizeof(with_answers), .log = host_log, .answer = take_answer };
	char conf[sizeof(path) * 2 + 40];
	void *state = NULL;

	snprintf(conf, sizeof(conf), "store=%s\nmaster=%s.master\n", path, path);
	ck_assert_msg(p->open(&with_answers, conf, &state, why, sizeof(why)) == 0, "%s", why);
	return state;
}

static void *
ready(void)
{
	struct gw_err err = { 0 };
	struct kms_service sport = { .name = "sport", .item = "urn:sport", .crypto_period_ms = 10000 };

	p = load("smartcard");
	snprintf(path, sizeof(path), "%s", scratch("kms.db"));
	ck_assert_msg(kms_store_open(&(struct kms_store_conf){ .path = path, .create = true }, &store, &err) == 0, "%s", err.text);
	news = (struct kms_service){ .name = "news", .item = "urn:news", .domain = { 0x00, 0xf1, 0x10 }, .crypto_period_ms = 10000 };
	kms_store_begin(store);
	ck_assert_int_eq(kms_service_put(store, &news), GW_WON);
	ck_assert_int_eq(kms_service_put(store, &sport), GW_WON);
	ck_assert_int_eq(kms_stream_put(store, NEWS, news.id, KMS_SEK), GW_WON);
	ck_assert_int_eq(kms_stream_put(store, NEWS_PPV, news.id, KMS_PEK), GW_WON);
	for (uint16_t k = 0; k < 20; k++)
		ck_assert_int_eq(kms_stream_put(store, SPORT + k, sport.id, KMS_SEK), GW_WON);
	ck_assert_int_eq(kms_store_flush(store), GW_WON);
	return open_card();
}

/* TEK and salt of a CP: `tek` in every octet. */
static int
send_to(void *state, uint64_t handle, uint16_t ecm_id, uint16_t cp, uint8_t tek)
{
	uint8_t cw[30], id[2] = { (uint8_t)(cp >> 8), (uint8_t)cp }, out[KMS_ECM_MAX];
	const struct kms_cw cws = { .cp_number = cp, .cw = cw, .cw_len = sizeof(cw), .key_id = id, .key_id_len = sizeof(id) };
	const struct kms_request r = { .size = sizeof(r), .handle = handle, .super_cas_id = 0x00020001, .ecm_id = ecm_id, .cp_number = cp,
		.cp_duration_100ms = 100, .has_protection = 1, .protection = 1, .authenticated = 1, .cws = &cws, .ncws = 1 };

	memset(cw, tek, sizeof(cw));
	int rc = p->ecm(state, &r, out, sizeof(out), why, sizeof(why));
	memset(cw, 0xee, sizeof(cw));	/* what was lent is gone */
	return rc;
}

/* One request and its answer: octets in answers[handle], or -error_status. */
static int
ask(void *state, uint64_t handle, uint16_t ecm_id, uint16_t cp, uint8_t tek)
{
	int n = answered_in_all;
	ck_assert_int_eq(send_to(state, handle, ecm_id, cp, tek), KMS_LATER);
	await(n + 1);
	return answers[handle].error ? answers[handle].error : (int)answers[handle].len;
}

static void
opens_with(uint64_t handle, enum kms_kind kind, uint16_t tek_id, uint8_t tek)
{
	struct kms_service v;
	struct kms_key k;
	struct rx_keys got;
	struct mikey m;

	ck_assert_int_eq(kms_service_get(store, news.id, &v), GW_WON);
	ck_assert_int_eq(kms_key_find(store, v.domain, v.group[kind], 0, &k), GW_WON);
	const struct mikey_ids ids = { .has_domain = true, .has_key = true, .domain = { 0x00, 0xf1, 0x10 }, .key_group = k.group, .key_number = k.number };
	struct msk *sek = msk_new(&ids, k.key, k.rand, sizeof(k.rand), k.lower, k.upper, NULL);
	struct msk_rx rx = { .keys = &sek, .nkeys = 1, .protocol = STKM_SRTP, .authenticated = true };
	ck_assert_int_eq(mikey_decode(answers[handle].ecm, answers[handle].len, &m, NULL), 0);
	ck_assert_uint_eq(m.ids.tek_id, tek_id);
	ck_assert_int_eq(msk_receive(&rx, answers[handle].ecm, answers[handle].len, &got), RX_NEW);
	for (int i = 0; i < 30; i++)
		ck_assert_uint_eq(got.key[0].tkm.cw[i], tek);
	msk_free(sek);
}

START_TEST(stkms_open_with_the_stored_key)
{
	void *s = ready();

	ck_assert_int_eq(p->stream(s, 0x00020001, NEWS, why, sizeof(why)), 0);
	for (uint16_t k = 0; k < 5; k++) {
		ck_assert_int_gt(ask(s, k, NEWS, (uint16_t)(65533 + k), (uint8_t)(k + 1)), 0);
		opens_with(k, KMS_SEK, k + 1, (uint8_t)(k + 1));
	}
	p->close(s);
}
END_TEST

START_TEST(a_second_tek_is_refused_across_a_restart_and_a_stand_by)
{
	void *s = ready(), *spare = open_card();
	int n = ask(s, 0, NEWS, 7, 1);

	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(ask(spare, 1, NEWS, 7, 2), -0x0011);
	ck_assert_ptr_nonnull(strstr(answers[1].why, "another TEK"));
	ck_assert_int_eq(ask(spare, 2, NEWS, 7, 1), n);
	ck_assert_mem_eq(answers[0].ecm, answers[2].ecm, (size_t)n);
	p->close(s);
	p->close(spare);
	s = open_card();
	ck_assert_int_eq(ask(s, 3, NEWS, 7, 3), -0x0011);
	ck_assert_int_eq(ask(s, 4, NEWS, 7, 1), n);
	ck_assert_mem_eq(answers[0].ecm, answers[4].ecm, (size_t)n);
	ck_assert_int_gt(ask(s, 5, NEWS, 8, 2), 0);
	p->close(s);
}
END_TEST

START_TEST(a_programme_s_stream_has_the_same_tek_under_its_own_key)
{
	struct timespec t;
	struct kms_key k;
	void *s = ready();

	ck_assert_int_gt(ask(s, 0, NEWS, 7, 9), 0);
	ck_assert_int_eq(ask(s, 1, NEWS_PPV, 7, 9), 0);	/* nothing is sold: broadcast no STKM */
	clock_gettime(CLOCK_REALTIME, &t);
	kms_store_begin(store);
	ck_assert_int_eq(keymgr_programme(store, &news, "match", (t.tv_sec - 10) * INT64_C(1000000), (t.tv_sec + 3600) * INT64_C(1000000), &k), GW_WON);
	ck_assert_int_eq(kms_store_flush(store), GW_WON);
	ck_assert_int_gt(ask(s, 2, NEWS, 8, 9), 0);
	ck_assert_int_gt(ask(s, 3, NEWS_PPV, 8, 9), 0);
	opens_with(2, KMS_SEK, 2, 9);
	opens_with(3, KMS_PEK, 1, 9);
	p->close(s);
}
END_TEST

START_TEST(who_is_refused_is_told_why)
{
	void *s = ready();

	ck_assert_int_eq(p->stream(s, 0x00020001, 77, why, sizeof(why)), -0x0012);
	ck_assert_int_eq(ask(s, 0, 77, 7, 1), -0x0012);
	ck_assert_int_gt(ask(s, 1, NEWS, 5000, 1), 0);
	ck_assert_int_eq(ask(s, 2, NEWS, 4000, 1), -0x8014);
	ck_assert_ptr_nonnull(strstr(answers[2].why, "CP_number 4000"));
	ck_assert_int_eq(send_to(s, 3, NEWS, 5001, 1), KMS_LATER);
	await(4);
	p->close(s);
}
END_TEST

START_TEST(a_store_that_is_held_is_tried_again)
{
	void *s = ready();

	kms_store_begin(store);
	ck_assert_int_eq(kms_audit(store, 1, "test", "holds the store"), GW_WON);
	ck_assert_int_eq(ask(s, 0, NEWS, 7, 1), -0x000d);
	ck_assert_int_eq(kms_store_flush(store), GW_WON);
	ck_assert_int_gt(ask(s, 1, NEWS, 7, 2), 0);	/* what was not answered is not spent, whatever the TEK */
	p->close(s);
}
END_TEST

START_TEST(a_crowd_shares_commits)
{
	void *s = ready();

	for (uint64_t k = 0; k < CROWD; k++)	/* 20 streams of one service, the same TEK of each CP */
		ck_assert_int_eq(send_to(s, k, (uint16_t)(SPORT + k % 20), (uint16_t)(k / 20), (uint8_t)(k / 20)), KMS_LATER);
	await(CROWD);
	for (int k = 0; k < CROWD; k++) {
		ck_assert_int_eq(answers[k].n, 1);
		ck_assert_msg(answers[k].error == 0 && answers[k].len > 0, "%s", answers[k].why);
		if (k % 20)
			ck_assert_mem_eq(answers[k].ecm, answers[k - 1].ecm, 60);	/* ids, counter: one TEK ID */
	}
	p->close(s);
}
END_TEST

SUITE("kms_card_store", tcase_add_test(t, stkms_open_with_the_stored_key);
      tcase_add_test(t, a_second_tek_is_refused_across_a_restart_and_a_stand_by);
      tcase_add_test(t, a_programme_s_stream_has_the_same_tek_under_its_own_key); tcase_add_test(t, who_is_refused_is_told_why);
      tcase_add_test(t, a_store_that_is_held_is_tried_again); tcase_add_test(t, a_crowd_shares_commits))
