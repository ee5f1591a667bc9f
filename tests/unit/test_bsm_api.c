/* tests/unit/test_bsm_api.c: the purchase API on a store in a file */
#include <jansson.h>
#include <sys/stat.h>
#include "bsm/api.h"
#include "tests/suite.h"
#include "tests/unit/bsm_client.h"
#include "tests/unit/scratch.h"

static const char token[] = "a-token-of-the-web-shop";
static struct kms_store *store;
static struct bsm_api *api;
static struct kms_service sports, news;
static int64_t alice;
static struct door_answer answer;
static char idempotency[80], authorization[80];

static void
set_up(void)
{
	struct gw_err err = { 0 };

	store = bsm_store(scratch("kms.db"));
	alice = bsm_subscriber(store, "alice", IMPI);
	bsm_subscriber(store, "bob", "bob@example.net");
	sports = bsm_service(store, "sports");
	news = bsm_service(store, "news");
	put_file(scratch("token"), "a-token-of-the-web-shop\n", 0600);
	ck_assert_msg(bsm_api_new(store, scratch("token"), &bsm_listener, &api, &err) == 0, "%s", err.text);
	snprintf(authorization, sizeof(authorization), "Bearer %s", token);
	idempotency[0] = '\0';
	door_answer_init(&answer);
}

static void
tear_down(void)
{
	door_answer_free(&answer);
	bsm_api_free(api);
	kms_store_close(store);
}

/* One request in a group of its own; its status, the answer stays in `answer`. */
static unsigned
ask(const char *method, const char *uri, const char *body)
{
	struct door_request q = bsm_ask(method, uri, body != NULL ? "application/json" : NULL, body, NOW);
	enum gw_outcome o;

	door_answer_free(&answer);
	q.authorization = authorization;
	q.idempotency_key = idempotency[0] != '\0' ? idempotency : NULL;
	kms_store_begin(store);
	o = bsm_api_request(api, &q, &answer);
	ck_assert_int_eq(kms_store_flush(store), GW_WON);
	ck_assert_int_eq(o, GW_WON);
	ck_assert_str_eq(answer.type, "application/json");
	return answer.status;
}

/* A value of the answer by its name, as text; "-": none. */
static const char *
value(const char *name)
{
	static char text[4][256];
	static unsigned turn;
	char *p = text[turn++ % 4];
	json_t *j = json_loadb(answer.body, answer.len, 0, NULL), *v = json_object_get(j, name);

	ck_assert_ptr_nonnull(j);
	if (json_is_string(v))
		snprintf(p, sizeof(text[0]), "%s", json_string_value(v));
	else if (json_is_integer(v))
		snprintf(p, sizeof(text[0]), "%lld", (long long)json_integer_value(v));
	else
		snprintf(p, sizeof(text[0]), "%s", json_is_null(v) ? "null" : v != NULL ? "{}" : "-");
	json_decref(j);
	return p;
}

/* "status error field" */
static const char *
refused(const char *method, const char *uri, const char *body)
{
	static char text[4][256];
	static unsigned turn;
	char *p = text[turn++ % 4];
	unsigned status = ask(method, uri, body);

	ck_assert_str_ne(value("message"), "-");
	snprintf(p, sizeof(text[0]), "%u %s %s", status, value("error"), value("field"));
	return p;
}

#define BUY "/api/v1/subscriptions"

START_TEST(a_purchase)
{
	struct kms_subscription s;
	char uri[64];
	json_t *j, *again;

	set_up();
	ck_assert_uint_eq(ask("POST", BUY, "{\"subscriber\": \"alice\", \"service\": \"sports\", \"from\": \"2026-11-22T00:00:00Z\","
	    " \"until\": \"2026-12-22T00:00:00.5Z\", \"source\": \"shop\"}"), 201);
	ck_assert_int_eq(kms_subscription_get(store, atoll(value("id")), &s), GW_WON);
	ck_assert_int_eq(s.sub, alice);
	ck_assert_int_eq(s.service, sports.id);
	ck_assert_int_eq(s.kind, KMS_SEK);
	ck_assert_int_eq(s.from_us, INT64_C(1795305600000000));
	ck_assert_int_eq(s.until_us, INT64_C(1797897600500000));
	ck_assert_str_eq(s.source, "shop");
	ck_assert_str_eq(s.order, "");
	ck_assert_int_eq(s.state, KMS_NEW);
	snprintf(uri, sizeof(uri), BUY "/%lld", (long long)s.id);
	ck_assert_str_eq(bsm_header(&answer, "location"), uri);
	snprintf(uri, sizeof(uri), "subscription %lld 0; ", (long long)s.id);
	ck_assert_str_eq(bsm_told, uri);

	ck_assert_str_eq(value("subscriber"), "alice");
	ck_assert_str_eq(value("service"), "sports");
	ck_assert_str_eq(value("kind"), "sek");
	ck_assert_str_eq(value("programme"), "null");
	ck_assert_str_eq(value("from"), "2026-11-22T00:00:00.000000Z");
	ck_assert_str_eq(value("until"), "2026-12-22T00:00:00.500000Z");
	ck_assert_str_eq(value("idempotency_key"), "null");
	ck_assert_str_eq(value("state"), "new");
	j = json_loads(answer.body, 0, NULL);
	snprintf(uri, sizeof(uri), BUY "/%lld", (long long)s.id);
	ck_assert_uint_eq(ask("GET", uri, NULL), 200);
	again = json_loads(answer.body, 0, NULL);
	ck_assert(json_equal(j, again));
	json_decref(again);
	json_decref(j);
	tear_down();
}
END_TEST

static int
audit_text(void *self, int64_t id, int64_t at_us, const char *who, const char *what)
{
	(void)id, (void)at_us;
	snprintf((char *)self + strlen(self), 400 - strlen(self), "%s: %s\n", who, what);
	return 0;
}

START_TEST(names_and_defaults)
{
	char audit[400] = "";

	set_up();	/* by IMPI and by the MBMS User Service ID; from now on, for good */
	ck_assert_uint_eq(ask("POST", BUY, "{\"subscriber\": \"" IMPI "\", \"service\": \"urn:example:pi:newsurn:example:pd:monthly\", \"until\": null}"), 201);
	ck_assert_str_eq(value("subscriber"), "alice");
	ck_assert_str_eq(value("service"), "news");
	ck_assert_str_eq(value("from"), "2026-11-21T22:26:40.000000Z");
	ck_assert_str_eq(value("until"), "null");
	ck_assert_str_eq(value("source"), "portal");
	ck_assert_int_eq(kms_audits(store, 0, 10, audit_text, audit), GW_WON);
	ck_assert_ptr_nonnull(strstr(audit, "portal: "));
	tear_down();
}
END_TEST

START_TEST(a_programme)
{
	struct kms_service movies = { .name = "movies", .item = "urn:example:pi:movies", .crypto_period_ms = 10000 };
	struct kms_key k = { .kind = KMS_PEK, .upper = 1000, .first_cp = -1, .programme = "urn:example:pi:film-7" };
	struct kms_subscription s;

	set_up();
	memcpy(movies.domain, bsm_domain, 3);
	movies.group[KMS_PEK] = 1;	/* any but 0: programmes are sold */
	ck_assert_int_eq(kms_service_put(store, &movies), GW_WON);
	k.service = movies.id;
	k.group = movies.group[KMS_PEK];
	memcpy(k.domain, bsm_domain, 3);
	ck_assert_int_eq(kms_key_put(store, &k), GW_WON);
	ck_assert_str_eq(refused("POST", BUY, "{\"subscriber\": \"bob\", \"service\": \"movies\", \"programme\": \"urn:example:pi:film-8\"}"),
	    "422 unknown_name programme");
	ck_assert_uint_eq(ask("POST", BUY, "{\"subscriber\": \"bob\", \"service\": \"movies\", \"programme\": \"urn:example:pi:film-7\"}"), 201);
	ck_assert_str_eq(value("kind"), "pek");
	ck_assert_str_eq(value("programme"), "urn:example:pi:film-7");
	ck_assert_int_eq(kms_subscription_get(store, atoll(value("id")), &s), GW_WON);
	ck_assert_int_eq(s.key, k.id);
	tear_down();
}
END_TEST

START_TEST(sent_twice_is_bought_once)
{
	static const char body[] = "{\"subscriber\": \"alice\", \"service\": \"sports\"}";
	char first[32], told[sizeof(bsm_told)];

	set_up();
	snprintf(idempotency, sizeof(idempotency), "order-4711");
	ck_assert_uint_eq(ask("POST", BUY, body), 201);
	ck_assert_str_eq(value("idempotency_key"), "order-4711");
	snprintf(first, sizeof(first), "%s", value("id"));
	snprintf(told, sizeof(told), "%s", bsm_told);
	ck_assert_uint_eq(ask("POST", BUY, body), 200);
	ck_assert_str_eq(value("id"), first);
	ck_assert_str_eq(bsm_told, told);	/* nobody is told again */
	ck_assert_str_eq(refused("POST", BUY, "{\"subscriber\": \"bob\", \"service\": \"sports\"}"), "409 conflict idempotency-key");
	ck_assert_str_eq(refused("POST", BUY, "{\"subscriber\": \"alice\", \"service\": \"news\"}"), "409 conflict idempotency-key");
	idempotency[0] = '\0';
	ck_assert_uint_eq(ask("POST", BUY, body), 201);
	ck_assert_str_ne(value("id"), first);
	memset(idempotency, 'k', 65);
	idempotency[65] = '\0';
	ck_assert_str_eq(refused("POST", BUY, body), "400 invalid_field idempotency-key");
	tear_down();
}
END_TEST

START_TEST(an_end)
{
	char uri[64], told[64];
	struct kms_subscription s;
	int64_t id;

	set_up();
	id = bsm_buy(store, alice, sports.id, 0);
	snprintf(uri, sizeof(uri), BUY "/%lld", (long long)id);
	ck_assert_uint_eq(ask("DELETE", uri, NULL), 200);
	ck_assert_str_eq(value("until"), "2026-11-21T22:26:40.000000Z");
	ck_assert_int_eq(kms_subscription_get(store, id, &s), GW_WON);
	ck_assert_int_eq(s.until_us, NOW);
	ck_assert_str_ne(bsm_told, "");
	bsm_told[0] = '\0';
	ck_assert_uint_eq(ask("DELETE", uri, NULL), 200);	/* again: as it is */
	ck_assert_str_eq(bsm_told, "");

	id = bsm_buy(store, alice, news.id, NOW + 60 * SECOND);
	snprintf(uri, sizeof(uri), BUY "/%lld?now=true", (long long)id);
	ck_assert_uint_eq(ask("DELETE", uri, NULL), 200);
	ck_assert_str_eq(value("state"), "cut");
	ck_assert_int_eq(kms_subscription_get(store, id, &s), GW_WON);
	ck_assert_int_eq(s.state, KMS_CUT);
	ck_assert_int_eq(s.until_us, NOW);
	snprintf(told, sizeof(told), "subscription %lld %d; ", (long long)id, KMS_CUT);
	ck_assert_str_eq(bsm_told, told);
	ck_assert_str_eq(refused("DELETE", BUY "/999", NULL), "404 not_found null");
	ck_assert_str_eq(refused("DELETE", BUY "/1?now=perhaps", NULL), "400 invalid_field now");
	tear_down();
}
END_TEST

START_TEST(lists)
{
	json_t *j;

	set_up();
	bsm_buy(store, alice, sports.id, 0);
	bsm_buy(store, alice, news.id, 0);
	bsm_buy(store, alice, news.id, 0);
	ck_assert_uint_eq(ask("GET", BUY "?subscriber=alice", NULL), 200);
	j = json_loads(answer.body, 0, NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(j, "subscriptions")), 3);
	ck_assert(json_is_null(json_object_get(j, "next")));
	json_decref(j);
	ck_assert_uint_eq(ask("GET", BUY "?limit=2&subscriber=%61lice", NULL), 200);
	j = json_loads(answer.body, 0, NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(j, "subscriptions")), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(j, "next")), 2);
	json_decref(j);
	ck_assert_uint_eq(ask("GET", BUY "?subscriber=alice&after=2", NULL), 200);
	j = json_loads(answer.body, 0, NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(j, "subscriptions")), 1);
	json_decref(j);
	ck_assert_uint_eq(ask("GET", BUY "?subscriber=bob", NULL), 200);
	ck_assert_str_eq(refused("GET", BUY, NULL), "400 invalid_field subscriber");
	ck_assert_str_eq(refused("GET", BUY "?subscriber=%zz", NULL), "400 invalid_field subscriber");
	ck_assert_str_eq(refused("GET", BUY "?subscriber=carol", NULL), "422 unknown_name subscriber");
	ck_assert_str_eq(refused("GET", BUY "?subscriber=bob&limit=0", NULL), "400 invalid_field limit");
	ck_assert_str_eq(refused("GET", BUY "?subscriber=bob&limit=1001", NULL), "400 invalid_field limit");
	ck_assert_str_eq(refused("GET", BUY "?subscriber=bob&after=-1", NULL), "400 invalid_field after");
	tear_down();
}
END_TEST

START_TEST(subscribers)
{
	struct kms_registration g = { .btid = BTID, .since_us = NOW, .expires_us = NOW + SECOND, .reachable = true, .services = "*" };
	json_t *j, *r;

	set_up();
	ck_assert_uint_eq(ask("GET", "/api/v1/subscribers/alice", NULL), 200);
	ck_assert_str_eq(value("impi"), IMPI);
	ck_assert_str_eq(value("provision"), "milenage");
	ck_assert_str_eq(value("registration"), "null");
	ck_assert_str_eq(value("bootstrapped_until"), "null");
	ck_assert_ptr_null(strstr(answer.body, "465b5c"));
	bsm_context(store, alice, BTID, NOW + 60 * SECOND);
	g.sub = alice;
	((struct sockaddr_in *)&g.at)->sin_family = AF_INET;
	ck_assert_int_eq(kms_registration_put(store, &g), GW_WON);
	ck_assert_uint_eq(ask("GET", "/api/v1/subscribers/001010123456789%40ims.mnc001.mcc001.3gppnetwork.org", NULL), 200);
	ck_assert_str_eq(value("bootstrapped_until"), "2026-11-21T22:27:40.000000Z");
	j = json_loads(answer.body, 0, NULL);
	r = json_object_get(j, "registration");
	ck_assert(json_is_true(json_object_get(r, "reachable")));
	json_decref(j);
	ck_assert_uint_eq(ask("GET", "/api/v1/subscribers?limit=1", NULL), 200);
	j = json_loads(answer.body, 0, NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(j, "subscribers")), 1);
	ck_assert(json_is_integer(json_object_get(j, "next")));
	json_decref(j);
	ck_assert_str_eq(refused("GET", "/api/v1/subscribers/carol", NULL), "404 not_found null");
	tear_down();
}
END_TEST

START_TEST(the_token)
{
	static const char *const wrong[] = { "", "Bearer", "Bearer ", "Bearer a-token-of-the-web-sho", "Bearer a-token-of-the-web-shopp",
		"Basic a-token-of-the-web-shop", "Bearer A-token-of-the-web-shop" };
	static const char *const bad[] = { "", "\n", "short\n", "a token with spaces in it\n" };
	struct door_request q = bsm_ask("GET", "/api/v1/subscribers", NULL, NULL, NOW);
	struct gw_err err = { 0 };

	set_up();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(authorization, sizeof(authorization), "%s", wrong[i]);
		ck_assert_str_eq(refused("GET", "/api/v1/subscribers", NULL), "401 not_authorized null");
		ck_assert_ptr_nonnull(bsm_header(&answer, "www-authenticate"));
	}
	door_answer_free(&answer);
	ck_assert_int_eq(bsm_api_request(api, &q, &answer), GW_WON);	/* no header at all */
	ck_assert_uint_eq(answer.status, 401);
	ck_assert_uint_eq(bsm_api_counts(api)[API_DENIED], sizeof(wrong) / sizeof(wrong[0]) + 1);
	snprintf(authorization, sizeof(authorization), "bearer  %s", token);
	ck_assert_uint_eq(ask("GET", "/api/v1/subscribers", NULL), 200);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_file(scratch("token"), bad[i], 0600);
		ck_assert_int_eq(bsm_api_reload(api, scratch("token"), &err), -1);
	}
	put_file(scratch("token2"), "another-token-of-the-shop", 0644);
	ck_assert_int_eq(bsm_api_reload(api, scratch("token2"), &err), -1);
	ck_assert_uint_eq(ask("GET", "/api/v1/subscribers", NULL), 200);	/* the old one stays */
	ck_assert_int_eq(chmod(scratch("token2"), 0600), 0);
	ck_assert_int_eq(bsm_api_reload(api, scratch("token2"), &err), 0);
	ck_assert_uint_eq(ask("GET", "/api/v1/subscribers", NULL), 401);
	tear_down();
}
END_TEST

START_TEST(what_is_not_valid)
{
	static const struct { const char *body, *want; } rows[] = {
		{ "", "400 malformed null" },
		{ "{", "400 malformed null" },
		{ "[]", "400 malformed null" },
		{ "{} x", "400 malformed null" },
		{ "{\"service\": \"a\", \"service\": \"b\"}", "400 malformed null" },
		{ "{\"service\": \"\xff\"}", "400 malformed null" },
		{ "{}", "400 missing_field subscriber" },
		{ "{\"subscriber\": \"alice\"}", "400 missing_field service" },
		{ "{\"subscriber\": null, \"service\": \"sports\"}", "400 invalid_field subscriber" },
		{ "{\"subscriber\": 7, \"service\": \"sports\"}", "400 invalid_field subscriber" },
		{ "{\"subscriber\": \"\", \"service\": \"sports\"}", "400 invalid_field subscriber" },
		{ "{\"subscriber\": \"a\\nb\", \"service\": \"sports\"}", "400 invalid_field subscriber" },
		{ "{\"subscriber\": \"a\\u0000\", \"service\": \"sports\"}", "400 malformed null" },
		{ "{\"subscriber\": \"alice\", \"service\": \"sports\", \"price\": \"1\"}", "400 unknown_field price" },
		{ "{\"subscriber\": \"carol\", \"service\": \"sports\"}", "422 unknown_name subscriber" },
		{ "{\"subscriber\": \"alice\", \"service\": \"none\"}", "422 unknown_name service" },
		{ "{\"subscriber\": \"alice\", \"service\": \"sports\", \"from\": \"tomorrow\"}", "400 invalid_field from" },
		{ "{\"subscriber\": \"alice\", \"service\": \"sports\", \"from\": \"2027-02-31T00:00:00Z\"}", "400 invalid_field from" },
		{ "{\"subscriber\": \"alice\", \"service\": \"sports\", \"from\": \"2027-02-01T00:00:00\"}", "400 invalid_field from" },
		{ "{\"subscriber\": \"alice\", \"service\": \"sports\", \"from\": \"2027-02-01T00:00:00.Z\"}", "400 invalid_field from" },
		{ "{\"subscriber\": \"alice\", \"service\": \"sports\", \"until\": \"2020-01-01T00:00:00Z\"}", "400 invalid_field until" },
		{ "{\"subscriber\": \"alice\", \"service\": \"sports\", \"from\": \"2028-01-01T00:00:00Z\", \"until\": \"2027-01-01T00:00:00Z\"}",
			"400 invalid_field until" },
	};
	struct door_request q = bsm_ask("POST", BUY, "text/plain", "{}", NOW);
	static char big[API_BODY + 2];

	set_up();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = refused("POST", BUY, rows[i].body);

		ck_assert_msg(strcmp(got, rows[i].want) == 0, "%s: %s", rows[i].body, got);
	}
	ck_assert_uint_eq(bsm_api_counts(api)[API_REFUSED], sizeof(rows) / sizeof(rows[0]));
	ck_assert_uint_eq(bsm_api_counts(api)[API_PURCHASES], 0);
	ck_assert_str_eq(bsm_told, "");
	memset(big, ' ', API_BODY + 1);
	ck_assert_str_eq(refused("POST", BUY, big), "413 too_large null");
	ck_assert_str_eq(refused("GET", "/", NULL), "404 not_found null");
	ck_assert_str_eq(refused("GET", "/api/v1/subscriptions/", NULL), "404 not_found null");
	ck_assert_str_eq(refused("GET", "/api/v1/subscriptions/1x", NULL), "404 not_found null");
	ck_assert_str_eq(refused("GET", "/api/v1/subscriptions/1/2", NULL), "404 not_found null");
	ck_assert_str_eq(refused("PUT", BUY, "{}"), "405 method_not_allowed null");
	ck_assert_str_eq(bsm_header(&answer, "allow"), "POST, GET");
	ck_assert_str_eq(refused("POST", BUY "/1", "{}"), "405 method_not_allowed null");
	ck_assert_str_eq(bsm_header(&answer, "allow"), "GET, DELETE");
	q.authorization = authorization;
	door_answer_free(&answer);
	ck_assert_int_eq(bsm_api_request(api, &q, &answer), GW_WON);
	ck_assert_uint_eq(answer.status, 415);
	tear_down();
}
END_TEST

START_TEST(a_store_that_is_busy)
{
	struct door_request q = bsm_ask("DELETE", BUY "/1", NULL, NULL, NOW);
	struct kms_store *other;
	json_t *j;

	set_up();
	bsm_buy(store, alice, sports.id, 0);
	other = bsm_store(scratch("kms.db"));
	kms_store_begin(other);
	ck_assert_int_eq(kms_note_put(other, "x", "x", 1, false), GW_WON);	/* and there it stays */
	q.authorization = authorization;
	kms_store_begin(store);
	ck_assert_int_eq(bsm_api_request(api, &q, &answer), GW_UNAVAILABLE);
	ck_assert_int_eq(kms_store_flush(store), GW_UNAVAILABLE);
	ck_assert_uint_eq(answer.status, 503);
	ck_assert_ptr_nonnull(bsm_header(&answer, "retry-after"));
	j = json_loads(answer.body, 0, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(j, "error")), "unavailable");
	json_decref(j);
	kms_store_drop(other);
	kms_store_close(other);
	ck_assert_uint_eq(ask("DELETE", BUY "/1", NULL), 200);
	door_unavailable(&answer);	/* what the shell says when the flush fails after all */
	ck_assert_str_eq(answer.type, "application/json");
	ck_assert_str_eq(value("error"), "unavailable");
	tear_down();
}
END_TEST

SUITE("bsm_api", tcase_add_test(t, a_purchase); tcase_add_test(t, names_and_defaults); tcase_add_test(t, a_programme);
	tcase_add_test(t, sent_twice_is_bought_once); tcase_add_test(t, an_end); tcase_add_test(t, lists); tcase_add_test(t, subscribers);
	tcase_add_test(t, the_token); tcase_add_test(t, what_is_not_valid);
	tcase_add_test(t, a_store_that_is_busy))
