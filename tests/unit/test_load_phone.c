/* tests/unit/test_load_phone.c: a terminal of simulgate load bsm: what it asks, what it makes of answers, and its card */
#include "tools/load_phone.h"
#include <stdio.h>
#include <string.h>
#include "lib/secret.h"
#include "tests/suite.h"

#define NAF "bsm.example.net"
#define BTID "dora@bsf.example.net"
#define URL "http://127.0.0.1:8080/keymanagement"

static char naf[] = NAF;
static const struct phone_net net = { URL, "http://127.0.0.1:8080/", NULL, naf, naf, false };
static const uint8_t key[16] = "sixteen octets.";
static struct provision subscriber;
static struct phone p;
static struct gw_err err;

static void
switch_on(bool keys)
{
	gw_secrets_init(64, true, &err);
	memset(&subscriber, 0, sizeof(subscriber));
	subscriber.sub.provision = keys ? KMS_KEYS : KMS_MILENAGE;
	snprintf(subscriber.sub.impi, sizeof(subscriber.sub.impi), "dora@ims.example.net");
	if (keys)
		snprintf(subscriber.gba.btid, sizeof(subscriber.gba.btid), BTID);
	memset(subscriber.gba.smk, 0x5a, sizeof(subscriber.gba.smk));
	ck_assert_int_eq(phone_init(&p, &net, &subscriber, &err), 0);
	ck_assert(phone_bootstrapped(&p) == keys);
}

static enum phone_verdict
reply(unsigned status, const char *challenge, const char *body, unsigned *told)
{
	const struct exchange_reply r = { .status = status, .error = "none", .challenge = challenge, .body = body, .len = body ? strlen(body) : 0 };

	return phone_reply(&p, &r, told);
}

START_TEST(asks)
{
	unsigned told;

	switch_on(true);
	ck_assert_int_eq(phone_begin(&p, PHONE_REGISTER), 0);
	ck_assert_str_eq(p.x.method, "POST");
	ck_assert_str_eq(p.x.url, URL "?requesttype=register");
	ck_assert_ptr_nonnull(strstr(p.x.body, "urn:allServices"));
	ck_assert_int_eq(reply(401, "Digest realm=\"3GPP-bootstrapping@" NAF "\", nonce=\"bm9uY2U=\", algorithm=MD5, qop=\"auth-int\"", NULL, &told), PHONE_SEND);
	ck_assert_ptr_nonnull(strstr(p.x.header, "username=\"" BTID "\""));
	ck_assert_int_eq(reply(401, "Digest realm=\"3GPP-bootstrapping@" NAF "\", nonce=\"bm9uY2V4\", algorithm=MD5, qop=\"auth-int\"", NULL, &told), PHONE_UNKNOWN);
	ck_assert_int_eq(phone_begin(&p, PHONE_DEREGISTER), 0);
	ck_assert_int_eq(reply(503, NULL, NULL, &told), PHONE_REFUSED);
	ck_assert_uint_eq(told, 503);
	ck_assert_int_eq(phone_begin(&p, PHONE_REGISTER), 0);
	ck_assert_int_eq(reply(0, NULL, NULL, &told), PHONE_REFUSED);
	ck_assert_uint_eq(told, 0);
	ck_assert_int_eq(phone_begin(&p, PHONE_REGISTER), 0);
	ck_assert_int_eq(reply(200, NULL, "<x/>", &told), PHONE_REFUSED);	/* of somebody who has not proven that they know the key */
	ck_assert_uint_eq(told, 200);
	ck_assert_int_eq(phone_begin(&p, PHONE_LTKM), -1);	/* which key? */
	ck_assert_int_eq(phone_begin(&p, PHONE_STKM), -1);	/* of which service? */
	phone_fini(&p);
	switch_on(false);
	ck_assert_int_eq(phone_begin(&p, PHONE_BOOTSTRAP), 0);
	ck_assert_str_eq(p.x.method, "GET");
	phone_fini(&p);
}
END_TEST

static size_t
ltkm(uint32_t counter, uint8_t *out, size_t cap)
{
	const struct ltkm_peer peer = { subscriber.gba.smk, NAF, BTID };
	struct ltkm_plan plan = { .counter = counter, .verify = true, .key = key, .lower = 1, .upper = 9 };
	size_t n;

	plan.ids = (struct mikey_ids){ .has_domain = true, .domain = { 0, 0xf1, 0x10 }, .has_key = true, .key_group = 7, .key_number = 1 };
	n = ltkm_make(&peer, &plan, out, cap, &err);
	ck_assert_msg(n > 0, "%s", err.text);
	return n;
}

START_TEST(a_card)
{
	const struct ltkm_peer peer = { subscriber.gba.smk, NAF, BTID };
	uint8_t first[LTKM_MAX], second[LTKM_MAX], answer[PHONE_ANSWER];
	enum ltkm_result result;
	size_t n1, n2, n;
	bool again;

	switch_on(true);
	n1 = ltkm(1, first, sizeof(first));
	n2 = ltkm(2, second, sizeof(second));
	n = phone_message(&p, first, n1, answer, &result, &again);
	ck_assert_int_eq(result, LTKM_KEY);
	ck_assert(!again);
	ck_assert(ltkm_verified(&peer, first, n1, answer, n));
	n = phone_message(&p, first, n1, answer, &result, &again);	/* the verification was lost */
	ck_assert(again);
	ck_assert(ltkm_verified(&peer, first, n1, answer, n));
	ck_assert_uint_gt(phone_message(&p, second, n2, answer, &result, &again), 0);
	ck_assert(!again);
	ck_assert_uint_eq(phone_message(&p, first, n1, answer, &result, &again), 0);	/* overtaken */
	ck_assert_int_eq(result, LTKM_STALE);
	ck_assert(!again);
	second[n2 - 1] ^= 1;
	p.counter = 1;
	ck_assert_uint_eq(phone_message(&p, second, n2, answer, &result, &again), 0);
	ck_assert_int_eq(result, LTKM_BAD_MAC);
	ck_assert_uint_eq(p.counter, 1);
	ck_assert_int_eq(phone_begin(&p, PHONE_LTKM), 0);	/* it knows now which key to ask for */
	ck_assert_str_eq(p.x.url, URL "?requesttype=msk-request");
	phone_fini(&p);
}
END_TEST

SUITE("load_phone", tcase_add_test(t, asks); tcase_add_test(t, a_card))
