/*
 * tests/unit/test_term_bsm.c: the phone's engine and those of the BSM, face to face on a fake clock, over a real store: registration, pushes,
 * their verification, pulls by both bearers, requests; restarts of either side; each misbehaviour and what becomes of it.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include "bsm/delivery.h"
#include "bsm/regd.h"
#include "kms/keymgr.h"
#include "lib/log.h"
#include "proto/mikey.h"
#include "terminal/memory.h"
#include "terminal/subscriber.h"
#include "tests/suite.h"
#include "tests/unit/scratch.h"

#define S INT64_C(1000000)
#define IMPI "001010123456789@ims.mnc001.mcc001.3gppnetwork.org"
#define NAF "bsm.example.net"
#define BSF "bsf.mnc001.mcc001.pub.3gppnetwork.org"
enum { LATENCY_US = 10000, LIFE_S = 4 * 3600 };	/* of a B-TID */
static const int64_t utc_0 = INT64_C(1795000000) * S;
static const uint8_t domain[3] = { 0x00, 0xf1, 0x10 };

static struct {
	struct kms_store *store;
	struct regd *regd;
	struct delivery *delivery;
	bool there, deaf;		/* deaf: nothing comes to the phone by UDP */
	int64_t tick_us;		/* when delivery wants the time, UTC */
	int64_t sub, service, key;
	uint16_t group;
	unsigned sms;
} bsm;
static struct { unsigned id; char method[8], url[256], authorization[DIGEST_HEADER + 16], type[80], agent[96]; uint8_t body[4096]; size_t len; bool there; int64_t at; } pending;
static struct usim usim;
static struct subscriber *phone;
static struct sub_conf conf;
static uint8_t state[MEMORY_MAX];
static size_t state_len;
static int64_t clock_us;
static int over_calls;

static struct sub_clock
now(void)
{
	return (struct sub_clock){ utc_0 + clock_us, 7 * S + clock_us };
}

/* ---- the BSM ---- */

/* STKMs over the interaction channel: what the door does is test_bsm_stkm_get's; here it answers with what was asked for. */
static unsigned stkm_status = 200;
static struct { unsigned n; char text[2][80]; int64_t at_us[2]; } fetched;

static void
answer_stkm(void *self, int64_t sub, const struct door_request *q, struct door_answer *a)
{
	char text[80];

	(void)self;
	ck_assert_int_eq(sub, bsm.sub);
	snprintf(text, sizeof(text), "%s%s%s", q->path, *q->query ? "?" : "", q->query);
	door_answer_text(a, stkm_status, "application/octet-stream", text);
	if (stkm_status == 503)
		door_answer_header(a, "retry-after: 30");
}

static void
take_stkm(void *self, size_t url, const void *msg, size_t len)
{
	(void)self;
	ck_assert_uint_lt(url, 2);
	fetched.n++;
	snprintf(fetched.text[url], sizeof(fetched.text[url]), "%.*s", (int)len, (const char *)msg);
	fetched.at_us[url] = clock_us;
}

static enum gw_outcome
flush(void)
{
	enum gw_outcome o = kms_store_flush(bsm.store);

	ck_assert_int_eq(o, GW_WON);
	return o;
}

static void
bsm_up(void)
{
	static const struct kms_store_conf c = { NULL, NULL, true };
	struct kms_store_conf at = c;
	const struct delivery_conf d = { .naf = NAF, .domain = { 0x00, 0xf1, 0x10 }, .sms = true, .plan = { .life_us = 86400 * S, .window_us = 600 * S } };
	const struct regd_conf r = { .naf = NAF, .bsf = BSF, .bootstrapping_us = LIFE_S * S };
	static const struct regd_route route = { "GET", "/stkm/", answer_stkm, NULL };
	static struct regd_conf kept;
	static struct bsm_events events;
	struct gw_err err = { 0 };

	kept = r;
	kept.routes = &route;
	kept.nroutes = 1;
	at.path = scratch("store.db");
	ck_assert_msg(kms_store_open(&at, &bsm.store, &err) == 0, "%s", err.text);
	ck_assert_msg(delivery_new(bsm.store, &d, &bsm.delivery, &err) == 0, "%s", err.text);
	events = delivery_events(bsm.delivery);
	ck_assert_msg(regd_new(bsm.store, &kept, &events, &bsm.regd, &err) == 0, "%s", err.text);
	bsm.there = true;
	bsm.tick_us = 0;
}

static void
bsm_down(void)
{
	if (!bsm.there)
		return;
	regd_free(bsm.regd);
	delivery_free(bsm.delivery);
	kms_store_close(bsm.store);
	bsm.there = false;
}

static void
buy(void)
{
	const struct kms_subscription s = { .sub = bsm.sub, .service = bsm.service, .kind = KMS_SEK, .from_us = utc_0 - S, .source = "test" };
	struct bsm_events e = delivery_events(bsm.delivery);
	struct kms_subscription put = s;

	kms_store_begin(bsm.store);
	ck_assert_int_eq(kms_subscription_put(bsm.store, &put, &put.id), GW_WON);
	e.subscription(e.self, &put, now().utc_us);
	delivery_flushed(bsm.delivery, flush());
	bsm.tick_us = 0;
}

static void
provision(void)
{
	struct kms_subscriber sub = { .name = "anna", .impi = IMPI, .msisdn = "491700000001", .provision = KMS_MILENAGE };
	struct kms_service service = { .name = "news", .item = "urn:example:news", .crypto_period_ms = 2000 };
	const struct keymgr_plan plan = { .life_us = 86400 * S, .window_us = 600 * S };
	struct kms_key key;

	memcpy(sub.k, usim.k.p, 16);
	memcpy(sub.opc, usim.opc.p, 16);
	memcpy(sub.amf, usim.amf, 2);
	memcpy(service.domain, domain, 3);
	kms_store_begin(bsm.store);
	ck_assert_int_eq(kms_subscriber_put(bsm.store, &sub, &bsm.sub), GW_WON);
	ck_assert_int_eq(kms_service_put(bsm.store, &service), GW_WON);
	ck_assert_int_eq(keymgr_first(bsm.store, &service, &plan, now().utc_us), GW_WON);
	ck_assert_int_eq(kms_key_find(bsm.store, domain, service.group[KMS_SEK], 0, &key), GW_WON);
	flush();
	bsm.service = service.id;
	bsm.group = service.group[KMS_SEK];
	bsm.key = key.id;
}

static void
serve(void)
{
	struct sockaddr_in peer = { .sin_family = AF_INET };
	struct door_answer a;
	struct exchange_reply r = { .status = 0, .error = "connection refused" };
	const char *uri = strchr(strstr(pending.url, "://") + 3, '/'), *query = strchr(uri, '?');
	char path[256];

	pending.there = false;
	if (!bsm.there) {
		subscriber_reply(phone, pending.id, &r, now());
		return;
	}
	peer.sin_addr.s_addr = htonl(0x7f000005);
	snprintf(path, sizeof(path), "%.*s", (int)strcspn(uri, "?"), uri);
	const struct door_request q = { .method = pending.method, .path = path, .query = query ? query + 1 : "", .uri = uri, .content_type = pending.type,
		.authorization = pending.authorization[0] ? pending.authorization : NULL, .user_agent = pending.agent, .body = pending.body, .body_len = pending.len,
		.peer = (const struct sockaddr *)&peer, .now_us = now().utc_us };
	kms_store_begin(bsm.store);
	door_answer_init(&a);
	ck_assert_int_eq(regd_request(bsm.regd, &q, &a), GW_WON);
	delivery_flushed(bsm.delivery, flush());
	bsm.tick_us = 0;
	r = (struct exchange_reply){ .status = a.status, .body = a.body ? a.body : "", .len = a.len };
	for (size_t i = 0; a.headers[i]; i++) {
		if (strncasecmp(a.headers[i], "WWW-Authenticate: ", 18) == 0)
			r.challenge = a.headers[i] + 18;
		if (strncasecmp(a.headers[i], "Authentication-Info: ", 21) == 0)
			r.info = a.headers[i] + 21;
		if (strncasecmp(a.headers[i], "Retry-After: ", 13) == 0)
			r.retry_after = a.headers[i] + 13;
	}
	subscriber_reply(phone, pending.id, &r, now());
	door_answer_free(&a);
}

static void
carry_out(const struct delivery_action *a)
{
	const struct sockaddr_in *to = (const struct sockaddr_in *)(const void *)&a->to;
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(4359) };
	uint8_t answer[SUB_ANSWER];
	size_t n;

	if (a->kind == DELIVERY_SMS) {
		ck_assert_str_eq(a->msisdn, "491700000001");
		bsm.sms++;
		if (phone)
			subscriber_message(phone, SUB_SMS, a->octets, a->len, answer, sizeof(answer), now());
		delivery_sms_done(bsm.delivery, a->out, true);
		return;
	}
	ck_assert_uint_eq(ntohl(to->sin_addr.s_addr), 0x7f000005);
	ck_assert_uint_eq(ntohs(to->sin_port), 4359);
	if (!phone || bsm.deaf)
		return;
	n = subscriber_message(phone, SUB_UDP, a->octets, a->len, answer, sizeof(answer), now());
	if (n)
		ck_assert(delivery_heard(bsm.delivery, (const struct sockaddr *)&from, answer, n));
}

static void
turn(void)
{
	const struct delivery_action *a;
	size_t n;

	kms_store_begin(bsm.store);
	bsm.tick_us = delivery_tick(bsm.delivery, now().utc_us);
	delivery_flushed(bsm.delivery, flush());
	a = delivery_actions(bsm.delivery, &n);
	for (size_t i = 0; i < n; i++)
		carry_out(&a[i]);
	delivery_taken(bsm.delivery, n);
	if (n)
		bsm.tick_us = 0;
}

/* ---- the phone ---- */

static int
take_request(void *self, const struct sub_request *r)
{
	(void)self;
	memset(&pending, 0, sizeof(pending));
	pending.id = r->id;
	pending.there = true;
	pending.at = clock_us + LATENCY_US;
	snprintf(pending.method, sizeof(pending.method), "%s", r->method);
	snprintf(pending.url, sizeof(pending.url), "%s", r->url);
	memcpy(pending.body, r->body, r->len);
	pending.len = r->len;
	for (size_t i = 0; r->headers[i]; i++) {
		sscanf(r->headers[i], "Content-Type: %79s", pending.type);
		sscanf(r->headers[i], "User-Agent: %95[^\n]", pending.agent);
		if (strncmp(r->headers[i], "Authorization: ", 15) == 0)
			snprintf(pending.authorization, sizeof(pending.authorization), "%s", r->headers[i] + 15);
	}
	return 0;
}

static int
keep(void *self, const void *octets, size_t len, bool lasting)
{
	(void)self, (void)lasting;
	memcpy(state, octets, len);
	state_len = len;
	return 0;
}

static void
done(void *self)
{
	(void)self;
	over_calls++;
}

static const struct sub_ops ops = { take_request, keep, done, take_stkm };
static const char *const stkm_urls[] = { "http://127.0.0.1:8080/stkm/news", "http://127.0.0.1:8080/stkm/news%2Faudio?stkmstream=7" };
static bool polls;

static void
power_up(const char *misbehaviour)
{
	struct gw_err err = { 0 };

	conf = (struct sub_conf){ .name = "phone", .usim = &usim, .bsm_url = "http://127.0.0.1:8080/keymanagement", .bsf_url = "http://127.0.0.1:8080/",
		.state = state, .state_len = state_len };
	if (polls) {
		conf.stkm_urls = stkm_urls;
		conf.nstkm_urls = 2;
		conf.stkm_poll_us = 2 * S;
	}
	if (misbehaviour)
		ck_assert_int_eq(term_misbehave_parse(&conf.misbehave, misbehaviour, NULL), 0);
	phone = subscriber_new(&conf, &ops, NULL, &err);
	ck_assert_msg(phone != NULL, "%s", err.text);
	subscriber_start(phone, now());
}

static void
power_off(void)
{
	subscriber_free(phone);
	phone = NULL;
	pending.there = false;
}

static struct sub_counts
counts(void)
{
	struct sub_counts c;

	subscriber_counts(phone, &c);
	return c;
}

/* ---- time ---- */

static void
run_for(int64_t us)
{
	const int64_t end = clock_us + us;

	for (;;) {
		int64_t next = INT64_MAX, at;

		if (phone && (at = subscriber_next(phone)) != INT64_MAX)
			next = at - 7 * S;
		if (pending.there && pending.at < next)
			next = pending.at;
		if (bsm.there && bsm.tick_us != INT64_MAX && bsm.tick_us - utc_0 < next)
			next = bsm.tick_us - utc_0;
		if (next > end)
			break;
		clock_us = next > clock_us ? next : clock_us;
		if (bsm.there && bsm.tick_us - utc_0 <= clock_us) {
			turn();
			if (bsm.tick_us - utc_0 <= clock_us && bsm.tick_us != 0)
				bsm.tick_us = utc_0 + clock_us + 1000;
		} else if (pending.there && pending.at <= clock_us) {
			serve();
		} else if (phone) {
			subscriber_time(phone, now());
		}
	}
	clock_us = end;
}

static void
setup(void)
{
	static char impi[] = IMPI, naf[] = NAF, bsf[] = BSF;
	static uint8_t amf[2] = { 0xb9, 0xb9 }, sqn[6];
	uint8_t key[16];

	gw_log_init("test", GW_ERR);
	memset(&bsm, 0, sizeof(bsm));
	usim = (struct usim){ .provision = USIM_MILENAGE, .impi = impi, .naf = naf, .bsf = bsf, .sqn = sqn, .sqn_len = 6, .amf = amf, .amf_len = 2,
		.registration_ms = 3600000, .request_delay_ms = 10000, .repeat_verifications = true };
	unhex("465b5ce8b199b49faa5f0a2ee238a6bc", key, 16);
	ck_assert_int_eq(gw_secret_set(&usim.k, key, 16), 0);
	unhex("cd63cb71954a9f4e48a5994e37a02baf", key, 16);
	ck_assert_int_eq(gw_secret_set(&usim.opc, key, 16), 0);
	pending.there = false;
	clock_us = 0;
	state_len = 0;
	over_calls = 0;
	remove(scratch("store.db"));
	remove(scratch("store.db-wal"));
	remove(scratch("store.db-shm"));
	remove(scratch("store.db.master"));
	bsm_up();
	provision();
}

static void
teardown(void)
{
	power_off();
	bsm_down();
	gw_secret_free(&usim.k);
	gw_secret_free(&usim.opc);
}

static size_t
keys_of_card(void)
{
	return card_keys(subscriber_card(phone), NULL, 0);
}

static bool
reachable(void)
{
	struct kms_registration r;

	return kms_registration_get(bsm.store, bsm.sub, &r) == GW_WON && r.expires_us > now().utc_us && r.reachable;
}

#define VERIFIED (delivery_counts(bsm.delivery)->verified)

/* ---- */

START_TEST(a_key_comes_after_the_registration)
{
	struct kms_key at_bsm;
	struct card_key at_card;
	char mark[17];

	buy();
	power_up(NULL);
	run_for(2 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	ck_assert_uint_eq(subscriber_services(phone), 1);
	ck_assert_uint_eq(VERIFIED, 1);
	ck_assert_uint_eq(card_keys(subscriber_card(phone), &at_card, 1), 1);
	ck_assert_uint_eq(at_card.ids.key_group, bsm.group);
	ck_assert_int_eq(kms_key_get(bsm.store, bsm.key, &at_bsm), GW_WON);
	gw_fingerprint(at_bsm.key, 16, mark);
	ck_assert_str_eq(at_card.fingerprint, mark);
	ck_assert_uint_eq(at_card.upper, at_bsm.upper);
	run_for(3 * 3600 * S);		/* registers over and over, and gets what it has again or not at all */
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	ck_assert_uint_ge(counts().done[SUB_REGISTER], 6);
	ck_assert_uint_eq(counts().failed[SUB_REGISTER], 0);
	ck_assert_uint_eq(counts().done[SUB_BOOTSTRAP], 1);
	ck_assert_uint_eq(delivery_counts(bsm.delivery)->failed, 0);
	ck_assert_uint_eq(counts().results[LTKM_STALE], 0);
}
END_TEST

START_TEST(a_purchase_reaches_a_registered_phone)
{
	power_up(NULL);
	run_for(2 * S);
	ck_assert_uint_eq(keys_of_card(), 0);
	ck_assert_uint_eq(subscriber_services(phone), 0);
	buy();
	run_for(2 * S);
	ck_assert_uint_eq(keys_of_card(), 1);
	ck_assert_uint_eq(VERIFIED, 1);
}
END_TEST

START_TEST(a_btid_ends_and_all_goes_on)
{
	char btid[MEMORY_NAME];

	buy();
	power_up(NULL);
	run_for(2 * S);
	snprintf(btid, sizeof(btid), "%s", subscriber_btid(phone));
	run_for(LIFE_S * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	ck_assert_str_ne(subscriber_btid(phone), btid);
	ck_assert_uint_eq(counts().done[SUB_BOOTSTRAP], 2);
	ck_assert(reachable());
	ck_assert_uint_ge(keys_of_card(), 1);
}
END_TEST

START_TEST(a_bsm_that_restarts_finds_its_phone_again)
{
	buy();
	power_up(NULL);
	run_for(2 * S);
	bsm_down();
	run_for(3600 * S);		/* long enough for failures */
	ck_assert_uint_ge(counts().failed[SUB_REGISTER], 3);
	bsm_up();
	run_for(301 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	ck_assert_uint_eq(counts().done[SUB_BOOTSTRAP], 1);
	ck_assert(reachable());
	bsm_down();			/* it was quick: the phone notices nothing but a nonce that is not good any more */
	bsm_up();
	run_for(1900 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	ck_assert_uint_eq(counts().done[SUB_BOOTSTRAP], 1);
}
END_TEST

START_TEST(a_bsm_that_lost_its_store_is_bootstrapped_with_again)
{
	buy();
	power_up(NULL);
	run_for(2 * S);
	bsm_down();
	remove(scratch("store.db"));
	remove(scratch("store.db-wal"));
	remove(scratch("store.db-shm"));
	remove(scratch("store.db.master"));
	bsm_up();
	provision();
	buy();
	run_for(1900 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	ck_assert_uint_eq(counts().done[SUB_BOOTSTRAP], 2);
	ck_assert_uint_eq(VERIFIED, 1);
}
END_TEST

START_TEST(a_phone_that_restarts_goes_on_with_its_card)
{
	buy();
	power_up(NULL);
	run_for(2 * S);
	power_off();
	run_for(60 * S);
	power_up(NULL);
	ck_assert_uint_eq(keys_of_card(), 1);
	run_for(2 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	ck_assert_uint_eq(counts().sent[SUB_BOOTSTRAP], 0);
	ck_assert_uint_eq(delivery_counts(bsm.delivery)->bad_mac + delivery_counts(bsm.delivery)->unknown, 0);
	run_for(60 * S);
	ck_assert_uint_eq(delivery_counts(bsm.delivery)->failed, 0);
}
END_TEST

START_TEST(a_phone_without_its_state_is_brought_into_step)	/* a new card of the same subscriber: its SQN is behind, no harm */
{
	buy();
	power_up(NULL);
	run_for(2 * S);
	power_off();
	state_len = 0;
	power_up(NULL);
	run_for(4 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	ck_assert_uint_eq(keys_of_card(), 1);
	ck_assert_uint_eq(delivery_counts(bsm.delivery)->bad_mac, 0);
}
END_TEST

START_TEST(a_card_ahead_of_its_bsm_is_brought_into_step)	/* AUTS */
{
	static uint8_t ahead[6] = { 0, 0, 0x10, 0, 0, 0 };

	usim.sqn = ahead;
	power_up(NULL);
	run_for(4 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	ck_assert_uint_eq(regd_counts(bsm.regd)[REGD_RESYNCS], 1);
}
END_TEST

START_TEST(it_deregisters)
{
	power_up(NULL);
	run_for(2 * S);
	ck_assert(reachable());
	subscriber_stop(phone, now());
	run_for(2 * S);
	ck_assert_int_eq(over_calls, 1);
	ck_assert_uint_eq(counts().done[SUB_DEREGISTER], 1);
	ck_assert(!reachable());
}
END_TEST

START_TEST(a_lost_verification_is_sent_again)
{
	buy();
	power_up("drop-verifications=2");
	run_for(2 * S);
	ck_assert_uint_eq(VERIFIED, 0);
	run_for(20 * S);		/* 4 and 8 s */
	ck_assert_uint_eq(VERIFIED, 1);
	ck_assert_uint_eq(counts().dropped, 2);
	ck_assert_uint_eq(counts().repeated, 2);
	ck_assert(reachable());
	ck_assert_uint_eq(bsm.sms, 0);
}
END_TEST

START_TEST(a_card_that_verifies_once_is_reached_by_sms)	/* repeat_verifications: false */
{
	usim.repeat_verifications = false;
	buy();
	power_up("drop-verifications=1");
	run_for(60 * S);
	ck_assert_uint_ge(bsm.sms, 1);
	ck_assert_uint_eq(counts().pulls[SUB_SMS], bsm.sms);
	ck_assert_uint_eq(counts().done[SUB_REGISTER], 2);	/* so it registered again, and was pushed to again */
	ck_assert_uint_eq(VERIFIED, 1);
	ck_assert(reachable());
}
END_TEST

START_TEST(wrong_verifications_are_none)
{
	buy();
	power_up("wrong-mac=4");
	run_for(120 * S);
	ck_assert_uint_eq(delivery_counts(bsm.delivery)->bad_mac, 4);
	ck_assert_uint_ge(bsm.sms, 1);
	ck_assert_uint_eq(VERIFIED, 1);	/* after the pull by SMS it behaves */
	ck_assert_uint_ge(keys_of_card(), 1);
}
END_TEST

START_TEST(pulls_may_be_ignored)
{
	power_up("ignore-pulls");
	run_for(2 * S);
	bsm.deaf = true;
	buy();
	run_for(60 * S);
	ck_assert_uint_ge(bsm.sms, 1);
	ck_assert_uint_ge(counts().pulls[SUB_SMS], 1);
	ck_assert_uint_eq(counts().done[SUB_REGISTER], 1);
	ck_assert(!reachable());
	bsm.deaf = false;
	run_for(1900 * S);		/* it registers by itself */
	ck_assert(reachable());
	ck_assert_uint_eq(VERIFIED, 1);
}
END_TEST

START_TEST(a_stale_card_gets_nothing_until_it_bootstraps)
{
	buy();
	power_up("stale-counter");
	run_for(300 * S);
	ck_assert_uint_ge(counts().results[LTKM_STALE], 4);
	ck_assert_uint_eq(VERIFIED, 0);
	ck_assert_uint_eq(keys_of_card(), 0);
	run_for(LIFE_S * S);
	ck_assert_uint_eq(counts().done[SUB_BOOTSTRAP], 2);
	ck_assert_uint_ge(keys_of_card(), 1);
}
END_TEST

START_TEST(forgotten_keys_are_asked_for)
{
	struct mikey_ids ids = { .has_domain = true, .has_key = true, .has_tek = true, .key_number = 1, .tek_id = 1 };

	buy();
	power_up("forget-keys=30");
	run_for(20 * S);
	ck_assert_uint_eq(keys_of_card(), 1);
	run_for(20 * S);
	ck_assert_uint_eq(keys_of_card(), 0);
	memcpy(ids.domain, domain, 3);
	ids.key_group = bsm.group;
	for (int k = 0; k < 20; k++) {	/* STKMs that cannot be opened */
		subscriber_wants(phone, &ids, false, now());
		run_for(S / 2);
	}
	run_for(2 * S);
	ck_assert_uint_eq(counts().done[SUB_MSK], 1);
	ck_assert_uint_eq(keys_of_card(), 1);
	ck_assert_uint_eq(VERIFIED, 2);
}
END_TEST

START_TEST(what_was_not_bought_is_asked_for_once)
{
	struct mikey_ids ids = { .has_domain = true, .has_key = true, .has_tek = true, .key_number = 1, .tek_id = 1 };

	power_up(NULL);
	run_for(2 * S);
	memcpy(ids.domain, domain, 3);
	ids.key_group = bsm.group;
	for (int k = 0; k < 1200; k++) {
		subscriber_wants(phone, &ids, false, now());
		run_for(S / 2);
	}
	ck_assert_uint_eq(counts().done[SUB_MSK], 1);
	buy();
	run_for(12 * S);
	ck_assert_uint_eq(keys_of_card(), 1);
}
END_TEST

START_TEST(a_phone_that_was_away_is_told_by_sms_and_watches)	/* 7.2 */
{
	power_up(NULL);
	run_for(2 * S);
	subscriber_stop(phone, now());
	run_for(2 * S);
	power_off();
	buy();
	run_for(10 * S);
	ck_assert_uint_ge(bsm.sms, 1);
	power_up(NULL);
	run_for(2 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	ck_assert_uint_eq(keys_of_card(), 1);
}
END_TEST

START_TEST(stkms_are_fetched_while_it_is_registered)
{
	polls = true;
	power_up(NULL);
	run_for(21 * S);
	ck_assert_uint_ge(fetched.n, 18);
	ck_assert_uint_le(fetched.n, 22);
	ck_assert_str_eq(fetched.text[0], "/stkm/news");
	ck_assert_str_eq(fetched.text[1], "/stkm/news%2Faudio?stkmstream=7");
	ck_assert_int_ge(fetched.at_us[1], fetched.at_us[0]);
	ck_assert_int_lt(fetched.at_us[1], fetched.at_us[0] + S / 2);	/* a round goes through at once */
	ck_assert_uint_eq(counts().done[SUB_STKM], fetched.n);
	ck_assert_uint_le(counts().sent[SUB_STKM], fetched.n + 2);	/* each nonce comes with the answer before */
	/* not now: it comes again when it is told to; and stays registered */
	stkm_status = 503;
	unsigned n = fetched.n;
	run_for(5 * S);
	uint64_t sent = counts().sent[SUB_STKM];
	run_for(20 * S);
	ck_assert_uint_le(counts().sent[SUB_STKM], sent + 1);
	ck_assert_uint_eq(fetched.n, n);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	stkm_status = 200;
	run_for(40 * S);
	ck_assert_uint_gt(fetched.n, n);
	ck_assert_str_eq(subscriber_trouble(phone), "");
	/* forbidden ones are asked for again, for they may be bought */
	stkm_status = 403;
	run_for(10 * S);
	ck_assert_uint_ge(counts().failed[SUB_STKM], 5);
	subscriber_stop(phone, now());
	run_for(2 * S);
	ck_assert_int_eq(over_calls, 1);
	sent = counts().sent[SUB_STKM];
	run_for(10 * S);
	ck_assert_uint_eq(counts().sent[SUB_STKM], sent);
}
END_TEST

SUITE("term_bsm", tcase_set_timeout(t, 120); tcase_add_checked_fixture(t, setup, teardown); tcase_add_test(t, a_key_comes_after_the_registration);
      tcase_add_test(t, a_purchase_reaches_a_registered_phone); tcase_add_test(t, a_btid_ends_and_all_goes_on);
      tcase_add_test(t, a_bsm_that_restarts_finds_its_phone_again); tcase_add_test(t, a_bsm_that_lost_its_store_is_bootstrapped_with_again);
      tcase_add_test(t, a_phone_that_restarts_goes_on_with_its_card); tcase_add_test(t, a_phone_without_its_state_is_brought_into_step);
      tcase_add_test(t, a_card_ahead_of_its_bsm_is_brought_into_step); tcase_add_test(t, it_deregisters);
      tcase_add_test(t, a_lost_verification_is_sent_again); tcase_add_test(t, a_card_that_verifies_once_is_reached_by_sms);
      tcase_add_test(t, wrong_verifications_are_none); tcase_add_test(t, pulls_may_be_ignored);
      tcase_add_test(t, a_stale_card_gets_nothing_until_it_bootstraps); tcase_add_test(t, forgotten_keys_are_asked_for);
      tcase_add_test(t, what_was_not_bought_is_asked_for_once); tcase_add_test(t, a_phone_that_was_away_is_told_by_sms_and_watches);
      tcase_add_test(t, stkms_are_fetched_while_it_is_registered))
