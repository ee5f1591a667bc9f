/* tests/unit/test_bsm_regd.c: the registration server on a store in a file (bcast-smartcard-profile 3.1 to 3.5) */
#include <openssl/evp.h>
#include "bsm/regd.h"
#include "kms/mbms_xml.h"
#include "tests/suite.h"
#include "tests/unit/bsm_client.h"
#include "tests/unit/scratch.h"

static struct kms_store *store;
static struct regd *regd;
static int64_t sub;
static struct kms_service sports, news;
static char password[45];

static const char vectors[] = "bcast/mikey-vectors.json", v24[] = "V24_digest_registration";

static const char *
vector(const char *name, const char *field)
{
	static json_t *all;

	all = all != NULL ? all : vec_json(vectors);
	return json_string_value(json_object_get(json_object_get(json_object_get(all, "vectors"), name), field));
}

static void
serve(const struct regd_conf *more)
{
	struct regd_conf conf = more != NULL ? *more : (struct regd_conf){ 0 };
	struct gw_err err = { 0 };

	conf.naf = NAF;
	conf.bsf = BSF;
	ck_assert_msg(regd_new(store, &conf, &bsm_listener, &regd, &err) == 0, "%s", err.text);
}

/* A subscriber that is bootstrapped and has sports; news is there, too. */
static void
set_up(const struct regd_conf *conf)
{
	store = bsm_store(scratch("kms.db"));
	sub = bsm_subscriber(store, "alice", IMPI);
	bsm_context(store, sub, BTID, NOW + 3600 * SECOND);
	sports = bsm_service(store, "sports");
	news = bsm_service(store, "news");
	bsm_buy(store, sub, sports.id, 0);
	digest_srk_password(bsm_srk, password);
	serve(conf);
	bsm_told[0] = '\0';
}

static void
tear_down(void)
{
	regd_free(regd);
	kms_store_close(store);
}

static uint64_t
count(enum regd_count c)
{
	return regd_counts(regd)[c];
}

/* A terminal that has been challenged once. */
static void
challenged(struct bsm_client *t, const char *username, int64_t now_us)
{
	struct door_request q = bsm_ask("POST", REGISTER_URI, mbms_media_type(MBMS_REGISTER, false), "", now_us);
	struct digest_challenge d;
	struct door_answer a;

	bsm_client(t, username, password, 44);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert(bsm_challenged(t, &a, &d));
	door_answer_free(&a);
}

static char *
document(enum mbms_procedure p, const char *const *uris)
{
	static char text[4096];
	size_t n = (size_t)snprintf(text, sizeof(text), "<mbmsSecurity%s>", p == MBMS_REGISTER ? "Register" : "Deregister");

	for (; *uris != NULL; uris++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "<serviceID>%s</serviceID>", *uris);
	snprintf(text + n, sizeof(text) - n, "</mbmsSecurity%s>", p == MBMS_REGISTER ? "Register" : "Deregister");
	return text;
}
#define URIS(...) (const char *const[]){ __VA_ARGS__, NULL }
#define SPORTS "urn:example:pi:sportsurn:example:pd:monthly"
#define NEWS "urn:example:pi:newsurn:example:pd:monthly"

/* Signs and sends it; the status. */
static unsigned
post(struct bsm_client *t, enum mbms_procedure p, const char *body, int64_t now_us, struct door_answer *a)
{
	struct door_request q = bsm_ask("POST", REGISTER_URI, mbms_media_type(p, false), body, now_us);

	bsm_sign(t, &q);
	ck_assert_int_eq(bsm_do(regd, store, &q, a), GW_WON);
	return a->status;
}

/* "URI code; …" or "group/number code; …" of an answer's document. */
static const char *
codes(enum mbms_procedure p, struct door_answer *a)
{
	static char text[4096];
	struct mbms_list l = { NULL, 0 };
	struct gw_err err = { 0 };
	size_t n = 0;

	ck_assert_uint_eq(a->status, 200);
	ck_assert_str_eq(a->type, mbms_media_type(p, true));
	ck_assert_msg(mbms_response_parse(p, a->body, a->len, &l, &err) == 0, "%s", err.text);
	text[0] = '\0';
	for (size_t i = 0; i < l.n; i++)
		n += (size_t)(p == MBMS_MSK ?
		    snprintf(text + n, sizeof(text) - n, "%u/%u %u; ", l.items[i].key.key_group, l.items[i].key.key_number, l.items[i].code) :
		    snprintf(text + n, sizeof(text) - n, "%s %u; ", l.items[i].service, l.items[i].code));
	mbms_list_free(&l);
	door_answer_free(a);
	return text;
}

static const char *
do_services(struct bsm_client *t, enum mbms_procedure p, const char *const *uris, int64_t now_us)
{
	struct door_answer a;

	post(t, p, document(p, uris), now_us, &a);
	return codes(p, &a);
}

static struct kms_registration
registration(void)
{
	struct kms_registration g;

	if (kms_registration_get(store, sub, &g) != GW_WON)
		memset(&g, 0, sizeof(g));
	return g;
}

/* ---- registration ---- */

START_TEST(registration_is_v24)
{
	struct door_request q = bsm_ask("POST", REGISTER_URI, "application/mbms-register+xml", vector(v24, "body"), NOW);
	struct digest_challenge d;
	struct kms_registration g;
	struct bsm_client t;
	struct door_answer a;
	char next[DIGEST_TEXT] = "", told[64];

	set_up(NULL);
	bsm_client(&t, vector(v24, "username"), vector(v24, "password"), 44);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert(bsm_challenged(&t, &a, &d));
	ck_assert_str_eq(d.realm, vector(v24, "realm"));
	ck_assert(d.auth_int && !d.auth && !d.stale && d.algorithm == DIGEST_MD5);
	ck_assert_uint_ge(strlen(d.nonce), 22);	/* 128 bits at least */
	door_answer_free(&a);

	bsm_sign(&t, &q);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert_uint_eq(a.status, 200);
	ck_assert_str_eq(a.type, "application/mbms-register-response+xml");
	ck_assert_str_eq(a.body, vector(v24, "response_body"));
	ck_assert(digest_info_right(bsm_header(&a, "authentication-info"), &t.c, t.password, t.len, a.body, a.len, next));
	ck_assert_str_ne(next, "");
	door_answer_free(&a);

	g = registration();
	ck_assert_int_eq(g.sub, sub);
	ck_assert_str_eq(g.btid, BTID);
	ck_assert_str_eq(g.services, "*");
	ck_assert(g.reachable);
	ck_assert_int_eq(g.since_us, NOW);
	ck_assert_int_eq(g.expires_us, NOW + 3600 * SECOND);
	ck_assert_int_eq(g.at.ss_family, AF_INET);
	ck_assert_uint_eq(ntohl(((struct sockaddr_in *)&g.at)->sin_addr.s_addr), 0xc0000207);
	snprintf(told, sizeof(told), "registered %lld 0; ", (long long)sub);
	ck_assert_str_eq(bsm_told, told);

	bsm_nc(&t, 0);	/* the next nonce is good, too */
	snprintf(t.c.nonce, sizeof(t.c.nonce), "%s", next);
	ck_assert_str_eq(do_services(&t, MBMS_REGISTER, URIS(SPORTS), NOW), SPORTS " 200; ");
	tear_down();
}
END_TEST

START_TEST(every_service_has_its_code)
{
	struct bsm_client t;

	set_up(NULL);
	challenged(&t, BTID, NOW);
	ck_assert_str_eq(do_services(&t, MBMS_REGISTER, URIS(NEWS, "urn:none"), NOW), NEWS " 403; urn:none 404; ");
	ck_assert_str_eq(registration().btid, "");	/* nothing of it is theirs */
	ck_assert_str_eq(bsm_told, "");
	ck_assert_str_eq(do_services(&t, MBMS_REGISTER, URIS("urn:none", SPORTS, NEWS), NOW), "urn:none 404; " SPORTS " 200; " NEWS " 403; ");
	ck_assert_str_eq(registration().services, SPORTS);
	ck_assert_str_ne(bsm_told, "");
	ck_assert_str_eq(do_services(&t, MBMS_REGISTER, URIS("sports"), NOW), "sports 404; ");	/* the head-end's name of it is not asked for */
	ck_assert_str_eq(registration().services, SPORTS);

	bsm_buy(store, sub, news.id, NOW + 9 * SECOND);
	ck_assert_str_eq(do_services(&t, MBMS_REGISTER, URIS(NEWS), NOW), NEWS " 200; ");
	ck_assert_str_eq(registration().services, SPORTS " " NEWS);
	ck_assert_str_eq(do_services(&t, MBMS_REGISTER, URIS(NEWS), NOW + 9 * SECOND), NEWS " 403; ");	/* it is over */
	ck_assert_str_eq(do_services(&t, MBMS_REGISTER, URIS("urn:allServices", "urn:allServices"), NOW), "urn:allServices 200; " SPORTS " 200; " NEWS " 200; ");
	tear_down();
}
END_TEST

START_TEST(registration_ends_with_its_b_tid)
{
	struct bsm_client t;

	set_up(&(struct regd_conf){ .registration_us = 7200 * SECOND });
	challenged(&t, BTID, NOW);
	do_services(&t, MBMS_REGISTER, URIS("urn:allServices"), NOW);
	ck_assert_int_eq(registration().expires_us, NOW + 3600 * SECOND);	/* the context's end */
	tear_down();
}
END_TEST

START_TEST(deregistration)
{
	struct bsm_client t;

	set_up(NULL);
	bsm_buy(store, sub, news.id, 0);
	challenged(&t, BTID, NOW);
	ck_assert_str_eq(do_services(&t, MBMS_DEREGISTER, URIS("urn:allServices"), NOW), "urn:allServices 200; ");	/* there was none */
	ck_assert_str_eq(bsm_told, "");
	do_services(&t, MBMS_REGISTER, URIS("urn:allServices"), NOW);
	ck_assert_str_eq(do_services(&t, MBMS_DEREGISTER, URIS(SPORTS, "urn:none"), NOW), SPORTS " 200; urn:none 404; ");
	ck_assert_str_eq(registration().services, NEWS);
	bsm_told[0] = '\0';
	ck_assert_str_eq(do_services(&t, MBMS_DEREGISTER, URIS(NEWS), NOW), NEWS " 200; ");
	ck_assert_str_eq(registration().btid, "");
	ck_assert(strstr(bsm_told, "deregistered") == bsm_told);
	do_services(&t, MBMS_REGISTER, URIS("urn:allServices"), NOW);
	ck_assert_str_eq(do_services(&t, MBMS_DEREGISTER, URIS("urn:none"), NOW), "urn:none 404; ");
	ck_assert_str_eq(registration().services, "*");
	do_services(&t, MBMS_DEREGISTER, URIS("urn:allServices"), NOW);
	ck_assert_str_eq(registration().btid, "");
	tear_down();
}
END_TEST

/* So many services that their URIs do not fit where a registration keeps them: it is one for all then. */
START_TEST(a_long_list_is_all)
{
	static char uris[30][100];
	const char *list[31] = { NULL };
	struct bsm_client t;
	char name[32];

	set_up(NULL);
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "channel%d", i);
		bsm_buy(store, sub, bsm_service(store, name).id, 0);
		snprintf(uris[i], sizeof(uris[i]), "urn:example:pi:%surn:example:pd:monthly", name);
		list[i] = uris[i];
	}
	challenged(&t, BTID, NOW);
	do_services(&t, MBMS_REGISTER, list, NOW);
	ck_assert_str_eq(registration().services, "*");
	tear_down();
}
END_TEST

/* A document has 256 services, and what is asked for by name comes before what is told. */
START_TEST(an_answer_is_no_longer_than_a_document)
{
	static char uris[200][24], text[8192];
	struct bsm_client t;
	struct door_answer a;
	struct mbms_list l = { NULL, 0 };
	size_t n = (size_t)snprintf(text, sizeof(text), "<mbmsSecurityRegister><serviceID>urn:allServices</serviceID>");
	char name[32];

	set_up(NULL);
	kms_store_begin(store);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "channel%d", i);
		bsm_buy(store, sub, bsm_service(store, name).id, 0);
	}
	ck_assert_int_eq(kms_store_flush(store), GW_WON);
	for (int i = 0; i < 200; i++) {
		snprintf(uris[i], sizeof(uris[i]), "urn:none:%d", i);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "<serviceID>%s</serviceID>", uris[i]);
	}
	snprintf(text + n, sizeof(text) - n, "</mbmsSecurityRegister>");
	challenged(&t, BTID, NOW);
	ck_assert_uint_eq(post(&t, MBMS_REGISTER, text, NOW, &a), 200);
	ck_assert_int_eq(mbms_response_parse(MBMS_REGISTER, a.body, a.len, &l, NULL), 0);
	ck_assert_uint_eq(l.n, MBMS_ITEMS);
	ck_assert_str_eq(l.items[MBMS_ITEMS - 1].service, "urn:none:199");
	mbms_list_free(&l);
	door_answer_free(&a);
	tear_down();
}
END_TEST

START_TEST(addresses)
{
	struct door_request q = bsm_ask("POST", REGISTER_URI, "application/mbms-register+xml", document(MBMS_REGISTER, URIS("urn:allServices")), NOW);
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(4711) };
	struct sockaddr_storage at;
	struct door_answer a;
	struct bsm_client t;

	set_up(NULL);
	challenged(&t, BTID, NOW);
	q.registered_address = "198.51.100.9";	/* not believed unless told so */
	bsm_sign(&t, &q);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	door_answer_free(&a);
	at = registration().at;
	ck_assert_uint_eq(ntohl(((struct sockaddr_in *)&at)->sin_addr.s_addr), 0xc0000207);

	inet_pton(AF_INET6, "::ffff:203.0.113.5", &six.sin6_addr);	/* a listener for both kinds */
	q.peer = (struct sockaddr *)&six;
	bsm_sign(&t, &q);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	door_answer_free(&a);
	at = registration().at;
	ck_assert_int_eq(at.ss_family, AF_INET);
	ck_assert_uint_eq(ntohl(((struct sockaddr_in *)&at)->sin_addr.s_addr), 0xcb007105);

	inet_pton(AF_INET6, "2001:db8::7", &six.sin6_addr);
	bsm_sign(&t, &q);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	door_answer_free(&a);
	at = registration().at;
	ck_assert_int_eq(at.ss_family, AF_INET6);
	ck_assert_mem_eq(&((struct sockaddr_in6 *)&at)->sin6_addr, &six.sin6_addr, 16);
	regd_free(regd);

	serve(&(struct regd_conf){ .registered_address = true });
	bsm_sign(&t, &q);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	door_answer_free(&a);
	at = registration().at;
	ck_assert_uint_eq(ntohl(((struct sockaddr_in *)&at)->sin_addr.s_addr), 0xc6336409);
	q.registered_address = "host.example";
	bsm_sign(&t, &q);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert_uint_eq(a.status, 400);
	door_answer_free(&a);
	tear_down();
}
END_TEST

/* ---- Digest ---- */

/* What an answer would tell a stranger: its status, text and challenge, but for the nonce. */
static const char *
looks(struct door_answer *a)
{
	static char text[4][1024];
	static unsigned turn;
	char *p = text[turn++ % 4];
	const char *h = bsm_header(a, "www-authenticate");
	const char *nonce = h != NULL ? strstr(h, "nonce=\"") : NULL;

	ck_assert_ptr_nonnull(nonce);
	snprintf(p, sizeof(text[0]), "%u %s %s %.*s%s", a->status, a->type, a->body, (int)(nonce - h), h, strchr(nonce + 7, '"'));
	door_answer_free(a);
	return p;
}

START_TEST(unknown_names_look_like_wrong_passwords)
{
	const char *body = document(MBMS_REGISTER, URIS("urn:allServices"));
	const char *wrong, *unknown, *expired, *superseded, *none;
	struct bsm_client t, old, ended;
	struct door_answer a;
	int64_t other;

	set_up(NULL);
	other = bsm_subscriber(store, "bob", "bob@example.net");
	bsm_context(store, other, "b2xk@" BSF, NOW + 3600 * SECOND);
	bsm_context(store, other, "bmV3@" BSF, NOW - SECOND);	/* a newer one, and over */

	challenged(&t, BTID, NOW);
	memset(t.password, 'x', 44);
	ck_assert_uint_eq(post(&t, MBMS_REGISTER, body, NOW, &a), 401);
	wrong = looks(&a);
	ck_assert_ptr_null(strstr(wrong, "stale=true"));
	challenged(&old, "bm9ib2R5@" BSF, NOW);
	ck_assert_uint_eq(post(&old, MBMS_REGISTER, body, NOW, &a), 401);
	unknown = looks(&a);
	ck_assert_str_eq(wrong, unknown);
	challenged(&old, "b2xk@" BSF, NOW);
	ck_assert_uint_eq(post(&old, MBMS_REGISTER, body, NOW, &a), 401);
	superseded = looks(&a);
	ck_assert_str_eq(wrong, superseded);
	challenged(&ended, "bmV3@" BSF, NOW);
	ck_assert_uint_eq(post(&ended, MBMS_REGISTER, body, NOW, &a), 401);
	expired = looks(&a);
	ck_assert_str_eq(wrong, expired);
	ck_assert_uint_eq(count(REGD_WRONG), 4);
	{
		struct door_request q = bsm_ask("POST", REGISTER_URI, "application/mbms-register+xml", body, NOW);

		ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
		none = looks(&a);
		ck_assert_str_eq(wrong, none);
	}
	ck_assert_str_eq(bsm_told, "");
	tear_down();
}
END_TEST

START_TEST(nonces_expire_and_are_used_once)
{
	const char *body = document(MBMS_REGISTER, URIS("urn:allServices"));
	struct door_request q = bsm_ask("POST", REGISTER_URI, "application/mbms-register+xml", body, NOW);
	struct digest_challenge d;
	struct bsm_client t;
	struct door_answer a;

	set_up(NULL);
	challenged(&t, BTID, NOW);
	ck_assert_uint_eq(post(&t, MBMS_REGISTER, body, NOW, &a), 200);
	door_answer_free(&a);
	bsm_sign_again(&t, &q);	/* the same nc */
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert_uint_eq(a.status, 401);
	ck_assert_ptr_null(strstr(bsm_header(&a, "www-authenticate"), "stale=true"));
	door_answer_free(&a);
	bsm_nc(&t, 9);
	bsm_sign_again(&t, &q);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert_uint_eq(a.status, 200);
	door_answer_free(&a);
	bsm_nc(&t, 5);	/* back */
	bsm_sign_again(&t, &q);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert_uint_eq(a.status, 401);
	door_answer_free(&a);
	ck_assert_uint_eq(count(REGD_REPLAYED), 2);

	bsm_nc(&t, 9);
	ck_assert_uint_eq(post(&t, MBMS_REGISTER, body, NOW + 300 * SECOND, &a), 200);
	door_answer_free(&a);
	ck_assert_uint_eq(post(&t, MBMS_REGISTER, body, NOW + 301 * SECOND, &a), 401);
	ck_assert(bsm_challenged(&t, &a, &d));
	ck_assert(d.stale);
	door_answer_free(&a);
	ck_assert_uint_eq(post(&t, MBMS_REGISTER, body, NOW + 301 * SECOND, &a), 200);
	door_answer_free(&a);

	memset(t.password, 'x', 44);	/* stale is for those alone who know the password */
	ck_assert_uint_eq(post(&t, MBMS_REGISTER, body, NOW + 900 * SECOND, &a), 401);
	ck_assert(bsm_challenged(&t, &a, &d));
	ck_assert(!d.stale);
	door_answer_free(&a);
	memcpy(t.password, password, 44);
	snprintf(t.c.nonce, sizeof(t.c.nonce), "6629fae49393a05397450978507c4ef1");	/* one of nobody's */
	ck_assert_uint_eq(post(&t, MBMS_REGISTER, body, NOW + 900 * SECOND, &a), 401);
	ck_assert(bsm_challenged(&t, &a, &d));
	ck_assert(!d.stale);
	door_answer_free(&a);
	tear_down();
}
END_TEST

/* The server and its store are closed and opened again, as after kill -9. */
static void
restart(void)
{
	regd_free(regd);
	kms_store_close(store);
	store = bsm_store(scratch("kms.db"));
	serve(NULL);
}

START_TEST(nonces_outlive_a_restart)
{
	const char *body = document(MBMS_REGISTER, URIS("urn:allServices"));
	struct door_request q = bsm_ask("POST", REGISTER_URI, "application/mbms-register+xml", body, NOW);
	struct bsm_client t;
	struct door_answer a;

	set_up(NULL);
	challenged(&t, BTID, NOW);
	restart();	/* between challenge and answer */
	ck_assert_uint_eq(post(&t, MBMS_REGISTER, body, NOW, &a), 200);
	door_answer_free(&a);
	restart();
	bsm_sign_again(&t, &q);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert_uint_eq(a.status, 401);
	door_answer_free(&a);
	ck_assert_uint_eq(post(&t, MBMS_REGISTER, body, NOW, &a), 200);	/* nc 2 */
	door_answer_free(&a);
	tear_down();
}
END_TEST

START_TEST(what_was_not_kept_did_not_happen)
{
	const char *body = document(MBMS_REGISTER, URIS("urn:allServices"));
	struct door_request q = bsm_ask("POST", REGISTER_URI, "application/mbms-register+xml", body, NOW);
	struct bsm_client t;
	struct door_answer a;

	set_up(NULL);
	challenged(&t, BTID, NOW);
	bsm_sign(&t, &q);
	kms_store_begin(store);
	ck_assert_int_eq(regd_request(regd, &q, &a), GW_WON);
	ck_assert_uint_eq(a.status, 200);
	kms_store_drop(store);	/* as of a crash before the commit */
	door_unavailable(&a);	/* which is what the shell says then */
	ck_assert_uint_eq(a.status, 503);
	ck_assert_str_eq(bsm_header(&a, "retry-after"), "5");
	door_answer_free(&a);
	ck_assert_str_eq(registration().btid, "");
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);	/* the same again: it is no replay */
	ck_assert_uint_eq(a.status, 200);
	door_answer_free(&a);
	tear_down();
}
END_TEST

START_TEST(a_store_that_is_busy)
{
	const char *body = document(MBMS_REGISTER, URIS("urn:allServices"));
	struct door_request q = bsm_ask("POST", REGISTER_URI, "application/mbms-register+xml", body, NOW);
	struct kms_store *other;
	struct bsm_client t;
	struct door_answer a;

	set_up(NULL);
	challenged(&t, BTID, NOW);
	bsm_sign(&t, &q);
	other = bsm_store(scratch("kms.db"));
	kms_store_begin(other);
	ck_assert_int_eq(kms_note_put(other, "x", "x", 1, false), GW_WON);	/* and there it stays */
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_UNAVAILABLE);
	ck_assert_uint_eq(a.status, 503);
	ck_assert_ptr_nonnull(bsm_header(&a, "retry-after"));
	ck_assert_ptr_null(bsm_header(&a, "authentication-info"));
	ck_assert_uint_eq(count(REGD_UNAVAILABLE), 1);
	ck_assert_str_eq(bsm_told, "");
	door_answer_free(&a);
	kms_store_drop(other);
	kms_store_close(other);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert_uint_eq(a.status, 200);
	door_answer_free(&a);
	tear_down();
}
END_TEST

START_TEST(auth_is_accepted_if_configured)
{
	const char *body = document(MBMS_REGISTER, URIS("urn:allServices"));
	struct digest_challenge d;
	struct bsm_client t;
	struct door_answer a;

	set_up(NULL);
	challenged(&t, BTID, NOW);
	t.c.qop = DIGEST_AUTH;
	ck_assert_uint_eq(post(&t, MBMS_REGISTER, body, NOW, &a), 401);
	door_answer_free(&a);
	regd_free(regd);
	serve(&(struct regd_conf){ .auth_ok = true });
	ck_assert_uint_eq(post(&t, MBMS_REGISTER, body, NOW, &a), 200);
	ck_assert(digest_info_right(bsm_header(&a, "authentication-info"), &t.c, t.password, t.len, a.body, a.len, d.nonce));
	door_answer_free(&a);
	tear_down();
}
END_TEST

START_TEST(credentials_are_for_this_request)
{
	const char *body = document(MBMS_REGISTER, URIS("urn:allServices"));
	struct door_request q = bsm_ask("POST", REGISTER_URI, "application/mbms-register+xml", body, NOW);
	static const char *const malformed[] = { "", "Digest", "Basic YWxpY2U6eA==", "Digest username=", "Digest username=\"x", "Digest nc=1, nc=1" };
	struct bsm_client t;
	struct door_answer a;

	set_up(NULL);
	challenged(&t, BTID, NOW);
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		q.authorization = malformed[i];
		ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
		ck_assert_uint_eq(a.status, 401);
		door_answer_free(&a);
	}
	bsm_sign(&t, &q);
	q.uri = "/keymanagement?requesttype=deregister";	/* signed for another place */
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert_uint_eq(a.status, 401);
	door_answer_free(&a);
	q.uri = REGISTER_URI;
	q.body = (const uint8_t *)"<mbmsSecurityRegister><serviceID>urn:none</serviceID></mbmsSecurityRegister>";	/* with another body */
	q.body_len = strlen((const char *)q.body);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert_uint_eq(a.status, 401);
	door_answer_free(&a);
	snprintf(t.c.realm, sizeof(t.c.realm), "3GPP-bootstrapping@elsewhere.example");
	ck_assert_uint_eq(post(&t, MBMS_REGISTER, body, NOW, &a), 401);
	door_answer_free(&a);
	ck_assert_uint_eq(count(REGD_BAD_CREDENTIALS), sizeof(malformed) / sizeof(malformed[0]) + 2);
	ck_assert_uint_eq(count(REGD_WRONG), 1);

	snprintf(t.c.realm, sizeof(t.c.realm), "%s", REALM);	/* an absolute uri is the same place */
	q = bsm_ask("POST", REGISTER_URI, "application/mbms-register+xml", body, NOW);
	q.uri = "http://" NAF REGISTER_URI;
	bsm_sign(&t, &q);
	q.uri = REGISTER_URI;
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert_uint_eq(a.status, 200);
	door_answer_free(&a);
	tear_down();
}
END_TEST

/* ---- what is what ---- */

START_TEST(the_content_type_says_what_it_is)
{
	static const struct { const char *method, *uri, *type; unsigned status; } rows[] = {
		{ "POST", "/elsewhere", "application/mbms-register+xml", 401 },
		{ "POST", "/keymanagement?requesttype=register", "", 401 },
		{ "POST", "/keymanagement?requesttype=msk-request", "text/xml", 401 },
		{ "POST", "/keymanagement", "", 415 },
		{ "POST", "/keymanagement", "text/xml", 415 },
		{ "POST", "/elsewhere?requesttype=register", "text/xml", 415 },
		{ "POST", "/elsewhere?requesttype=register", "", 404 },
		{ "GET", "/keymanagement?requesttype=register", "", 405 },
		{ "PUT", "/elsewhere", "application/mbms-msk+xml", 405 },
		{ "GET", "/elsewhere", "", 404 },
		{ "POST", "/", "", 404 },
	};
	struct door_request q;
	struct door_answer a;

	set_up(NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		q = bsm_ask(rows[i].method, rows[i].uri, rows[i].type, "", NOW);
		ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
		ck_assert_msg(a.status == rows[i].status, "%s %s: %u", rows[i].method, rows[i].uri, a.status);
		door_answer_free(&a);
	}
	ck_assert_uint_eq(count(REGD_UNKNOWN), 8);
	ck_assert_uint_eq(count(REGD_UNAUTHENTICATED), 3);
	tear_down();
}
END_TEST

START_TEST(malformed_documents)
{
	static const char *const bad[] = { "", "<", "<mbmsSecurityRegister>", "<mbmsSecurityRegister/>", "<other/>", "\xff\xfe" };
	struct bsm_client t;
	struct door_answer a;

	set_up(NULL);
	challenged(&t, BTID, NOW);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(post(&t, MBMS_REGISTER, bad[i], NOW, &a) == 400, "%s: %u", bad[i], a.status);
		ck_assert_ptr_nonnull(bsm_header(&a, "authentication-info"));
		door_answer_free(&a);
	}
	ck_assert_uint_eq(count(REGD_MALFORMED), sizeof(bad) / sizeof(bad[0]));
	ck_assert_str_eq(registration().btid, "");
	ck_assert_uint_eq(post(&t, MBMS_REGISTER,
	    "<x:mbmsSecurityRegister xmlns:x='urn:other'><y/><x:serviceID> urn:allServices </x:serviceID><z>1</z></x:mbmsSecurityRegister>", NOW, &a), 200);
	door_answer_free(&a);
	tear_down();
}
END_TEST

static void
stkm(void *self, int64_t who, const struct door_request *q, struct door_answer *a)
{
	snprintf(self, 64, "%lld %s", (long long)who, q->path);
	door_answer_text(a, 200, "application/vnd.oma.bcast.stkm", "stkm");
}

START_TEST(further_routes_are_for_proven_subscribers)
{
	char seen[64] = "", want[64];
	const struct regd_route routes[] = { { "GET", "/stkm/", stkm, seen } };
	struct door_request q = bsm_ask("GET", "/stkm/12", NULL, NULL, NOW);
	struct digest_challenge d;
	struct bsm_client t;
	struct door_answer a;

	set_up(&(struct regd_conf){ .routes = routes, .nroutes = 1 });
	bsm_client(&t, BTID, password, 44);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert(bsm_challenged(&t, &a, &d));
	door_answer_free(&a);
	ck_assert_str_eq(seen, "");
	bsm_sign(&t, &q);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert_uint_eq(a.status, 200);
	ck_assert(digest_info_right(bsm_header(&a, "authentication-info"), &t.c, t.password, t.len, a.body, a.len, d.nonce));
	snprintf(want, sizeof(want), "%lld /stkm/12", (long long)sub);
	ck_assert_str_eq(seen, want);
	door_answer_free(&a);
	tear_down();
}
END_TEST

/* ---- LTKM Request ---- */

static const char *
ask_keys(struct bsm_client *t, const struct mbms_item *items, size_t n, int64_t now_us)
{
	struct mbms_item copy[8];
	struct mbms_list l = { copy, n };
	struct door_answer a;
	char *text;

	memcpy(copy, items, n * sizeof(copy[0]));
	text = mbms_request_print(MBMS_MSK, &l);
	ck_assert_ptr_nonnull(text);
	post(t, MBMS_MSK, text, now_us, &a);
	free(text);
	return codes(MBMS_MSK, &a);
}

static struct mbms_item
key_id(uint16_t group, uint16_t number)
{
	return (struct mbms_item){ .key = { .has_domain = true, .has_key = true, .domain = { 0x00, 0xf1, 0x10 }, .key_group = group, .key_number = number } };
}

START_TEST(msk_request_is_v28)
{
	const char *body = vector("V28_msk_request_body", "body");
	struct bsm_client t;
	struct door_answer a;
	struct kms_key k;
	char want[64];

	set_up(NULL);
	ck_assert_uint_eq(sports.group[KMS_SEK], 1);
	k = bsm_key(store, &sports, true);
	challenged(&t, BTID, NOW);
	ck_assert_uint_eq(post(&t, MBMS_MSK, body, NOW, &a), 200);
	ck_assert_str_eq(codes(MBMS_MSK, &a), "1/0 200; ");
	snprintf(want, sizeof(want), "wanted %lld %lld; ", (long long)sub, (long long)k.id);
	ck_assert_str_eq(bsm_told, want);
	ck_assert_str_eq(registration().btid, BTID);	/* where it asked from is where it is */
	tear_down();
}
END_TEST

START_TEST(every_key_has_its_code)
{
	const uint16_t group = 1;
	struct kms_key k, later;
	struct bsm_client t;
	char want[256];

	set_up(NULL);
	challenged(&t, BTID, NOW);
	ck_assert_str_eq(ask_keys(&t, (struct mbms_item[]){ key_id(group, 0), key_id(group, 7) }, 2, NOW), "1/0 503; 1/7 404; ");	/* none is made yet */
	ck_assert_str_eq(bsm_told, "");
	k = bsm_key(store, &sports, true);
	later = bsm_key(store, &news, true);
	snprintf(want, sizeof(want), "1/0 200; 1/%u 200; %u/0 403; %u/9 404; 77/0 404; 0/0 404; ", k.number, later.group, later.group);
	ck_assert_str_eq(ask_keys(&t, (struct mbms_item[]){ key_id(group, 0), key_id(group, k.number), key_id(later.group, 0), key_id(later.group, 9),
	    key_id(77, 0), key_id(0, 0) }, 6, NOW), want);
	snprintf(want, sizeof(want), "wanted %lld %lld; ", (long long)sub, (long long)k.id);
	ck_assert_str_eq(bsm_told, want);	/* asked twice in one request, wanted once */
	tear_down();
}
END_TEST

/* The next key is for those who will have it when it goes into use. */
START_TEST(the_next_key_is_for_those_who_stay)
{
	struct kms_key k, next = { .kind = KMS_SEK, .upper = 65535, .first_cp = -1, .valid_from_us = NOW + 60 * SECOND };
	struct bsm_client t;
	char want[64];

	set_up(NULL);
	bsm_buy(store, sub, news.id, NOW + 30 * SECOND);
	k = bsm_key(store, &news, true);
	next.service = news.id;
	next.group = k.group;
	memcpy(next.domain, bsm_domain, 3);
	ck_assert_int_eq(kms_key_put(store, &next), GW_WON);
	challenged(&t, BTID, NOW);
	snprintf(want, sizeof(want), "%u/%u 200; %u/%u 403; ", k.group, k.number, next.group, next.number);
	ck_assert_str_eq(ask_keys(&t, (struct mbms_item[]){ key_id(k.group, k.number), key_id(next.group, next.number) }, 2, NOW), want);
	tear_down();
}
END_TEST

START_TEST(requests_are_limited_per_key_group)
{
	struct bsm_client t;

	set_up(&(struct regd_conf){ .requests = 2 });
	bsm_buy(store, sub, news.id, 0);
	bsm_key(store, &sports, true);
	bsm_key(store, &news, true);
	challenged(&t, BTID, NOW);
	ck_assert_str_eq(ask_keys(&t, (struct mbms_item[]){ key_id(1, 0) }, 1, NOW), "1/0 200; ");
	ck_assert_str_eq(ask_keys(&t, (struct mbms_item[]){ key_id(1, 0) }, 1, NOW + SECOND), "1/0 200; ");
	bsm_told[0] = '\0';
	ck_assert_str_eq(ask_keys(&t, (struct mbms_item[]){ key_id(1, 0) }, 1, NOW + 2 * SECOND), "1/0 503; ");
	ck_assert_str_eq(bsm_told, "");
	ck_assert_uint_eq(count(REGD_LIMITED), 1);
	ck_assert_str_eq(ask_keys(&t, (struct mbms_item[]){ key_id(2, 0) }, 1, NOW + 2 * SECOND), "2/0 200; ");	/* another group */
	ck_assert_str_eq(ask_keys(&t, (struct mbms_item[]){ key_id(1, 0) }, 1, NOW + 30 * SECOND), "1/0 200; ");
	tear_down();
}
END_TEST

START_TEST(a_request_renews_a_registration_that_went_stale)
{
	struct bsm_client t;

	set_up(NULL);
	bsm_key(store, &sports, true);
	challenged(&t, BTID, NOW);
	do_services(&t, MBMS_REGISTER, URIS(SPORTS), NOW);
	ck_assert_str_eq(ask_keys(&t, (struct mbms_item[]){ key_id(1, 0) }, 1, NOW + SECOND), "1/0 200; ");
	ck_assert_int_eq(registration().since_us, NOW);	/* it stands: nothing to do */
	ck_assert_str_eq(registration().services, SPORTS);
	ck_assert_int_eq(kms_registration_unreachable(store, sub), GW_WON);
	ck_assert_str_eq(ask_keys(&t, (struct mbms_item[]){ key_id(1, 0) }, 1, NOW + 2 * SECOND), "1/0 200; ");
	ck_assert(registration().reachable);
	ck_assert_int_eq(registration().since_us, NOW + 2 * SECOND);
	ck_assert_ptr_null(strstr(strstr(bsm_told, "wanted"), "registered"));	/* what it has bought is not pushed for that */
	tear_down();
}
END_TEST

/* ---- Ub ---- */

struct card { uint8_t sqn[6]; uint8_t auts[14]; struct gba_vector v; };

/* What a card makes of the challenge. */
static enum gba_auth
card_answer(struct card *c, const struct digest_challenge *d, bool mac_star)
{
	uint8_t nonce[48], amf[2] = { 0xb9, 0xb9 };

	ck_assert_int_eq(EVP_DecodeBlock(nonce, (const unsigned char *)d->nonce, (int)strlen(d->nonce)), 33);
	return gba_answer(bsm_k, bsm_opc, amf, nonce, nonce + 16, mac_star, c->sqn, &c->v, c->auts);
}

static struct door_request
ub_first(const char *impi, char *header, size_t cap, int64_t now_us)
{
	struct door_request q = bsm_ask("GET", "/", NULL, NULL, now_us);

	snprintf(header, cap, "Digest username=\"%s\", realm=\"" BSF "\", nonce=\"\", uri=\"/\", response=\"\"", impi);
	q.authorization = header;
	q.user_agent = "lab 3gpp-gba";
	return q;
}

/* First message; the challenge comes into t. */
static struct digest_challenge
ub_challenged(struct bsm_client *t, const char *impi, int64_t now_us)
{
	char header[1024];
	struct door_request q = ub_first(impi, header, sizeof(header), now_us);
	struct digest_challenge d;
	struct door_answer a;

	bsm_client(t, impi, "", 0);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert(bsm_challenged(t, &a, &d));
	ck_assert_str_eq(d.realm, BSF);
	ck_assert(d.algorithm == DIGEST_AKA && d.auth_int && !d.stale);
	door_answer_free(&a);
	return d;
}

static unsigned
ub_answered(struct bsm_client *t, const uint8_t res[8], int64_t now_us, struct door_answer *a)
{
	struct door_request q = bsm_ask("GET", "/", NULL, NULL, now_us);

	q.user_agent = "lab 3gpp-gba";
	memcpy(t->password, res, 8);
	t->len = 8;
	bsm_sign(t, &q);
	ck_assert_int_eq(bsm_do(regd, store, &q, a), GW_WON);
	return a->status;
}

static uint64_t
sqn(void)
{
	struct kms_subscriber s;
	uint64_t n = 0;

	ck_assert_int_eq(kms_subscriber_get(store, sub, &s), GW_WON);
	for (int i = 0; i < 6; i++)
		n = n << 8 | s.sqn[i];
	return n;
}

START_TEST(bootstrapping)
{
	struct card card = { { 0 }, { 0 }, { { 0 }, { 0 }, { 0 }, { 0 } } };
	uint8_t smk[32], srk[32];
	struct digest_challenge d;
	struct bsm_client t;
	struct door_answer a;
	struct gw_err err = { 0 };
	struct kms_gba g;
	char btid[KMS_BTID];
	int64_t until;

	set_up(NULL);
	d = ub_challenged(&t, IMPI, NOW);
	ck_assert_uint_eq(sqn(), 0x101);	/* it is spent */
	ck_assert_int_eq(card_answer(&card, &d, false), GBA_OK);
	ck_assert_uint_eq(ub_answered(&t, card.v.res, NOW + SECOND, &a), 200);
	ck_assert_str_eq(a.type, mbms_bootstrapping_type);
	ck_assert(digest_info_right(bsm_header(&a, "authentication-info"), &t.c, card.v.res, 8, a.body, a.len, d.nonce));
	ck_assert_msg(mbms_bootstrapping_parse(a.body, a.len, btid, sizeof(btid), &until, &err) == 0, "%s", err.text);
	door_answer_free(&a);
	ck_assert_int_eq(until, NOW + 86401 * SECOND);

	ck_assert_int_eq(kms_gba_live(store, sub, &g), GW_WON);
	ck_assert_str_eq(g.btid, btid);
	ck_assert_int_eq(g.expires_us, until);
	ck_assert_uint_eq(g.ltkm_counter, 0);
	ck_assert_mem_eq(g.ks, card.v.ks, 32);
	ck_assert_int_eq(gba_naf_keys(card.v.ks, card.v.rand, IMPI, NAF, false, smk, srk), 0);
	ck_assert_mem_eq(g.smk, smk, 32);
	ck_assert_mem_eq(g.srk, srk, 32);

	digest_srk_password(srk, password);	/* and with that it registers */
	challenged(&t, btid, NOW + SECOND);
	ck_assert_str_eq(do_services(&t, MBMS_REGISTER, URIS("urn:allServices"), NOW + SECOND), "urn:allServices 200; " SPORTS " 200; ");
	challenged(&t, BTID, NOW + SECOND);	/* the B-TID before is no more */
	ck_assert_uint_eq(post(&t, MBMS_REGISTER, "", NOW + SECOND, &a), 401);
	door_answer_free(&a);
	tear_down();
}
END_TEST

START_TEST(a_challenge_is_answered_once_and_in_time)
{
	struct card card = { { 0 }, { 0 }, { { 0 }, { 0 }, { 0 }, { 0 } } };
	struct digest_challenge d;
	struct bsm_client t;
	struct door_answer a;

	set_up(NULL);
	d = ub_challenged(&t, IMPI, NOW);
	ck_assert_int_eq(card_answer(&card, &d, false), GBA_OK);
	restart();	/* no challenge is remembered, so none is forgotten */
	ck_assert_uint_eq(ub_answered(&t, card.v.res, NOW + 60 * SECOND, &a), 200);
	door_answer_free(&a);
	restart();
	ck_assert_uint_eq(ub_answered(&t, card.v.res, NOW + 60 * SECOND, &a), 401);
	ck_assert(bsm_challenged(&t, &a, &d));
	ck_assert(!d.stale);
	ck_assert_uint_eq(count(REGD_REPLAYED), 1);
	door_answer_free(&a);

	ck_assert_int_eq(card_answer(&card, &d, false), GBA_OK);
	ck_assert_uint_eq(ub_answered(&t, card.v.res, NOW + 122 * SECOND, &a), 401);
	ck_assert(bsm_challenged(&t, &a, &d));
	ck_assert(d.stale);
	ck_assert_uint_eq(count(REGD_STALE), 1);
	door_answer_free(&a);
	ck_assert_int_eq(card_answer(&card, &d, false), GBA_OK);
	ck_assert_uint_eq(ub_answered(&t, card.v.res, NOW + 122 * SECOND, &a), 200);
	door_answer_free(&a);
	tear_down();
}
END_TEST

/* Neither who is unknown nor who has no K of ours is told from a subscriber with a wrong card. */
START_TEST(strangers_get_challenges_too)
{
	static const char *const names[] = { IMPI, "nobody@example.net", "alice", "keys@example.net" };
	struct kms_subscriber given = { .name = "keys", .impi = "keys@example.net", .provision = KMS_KEYS };
	struct card card;
	struct digest_challenge d;
	struct bsm_client t;
	struct door_answer a;
	const char *first = NULL, *text;
	int64_t id;

	set_up(NULL);
	ck_assert_int_eq(kms_subscriber_put(store, &given, &id), GW_WON);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint8_t nonce[48];

		memset(&card, 0, sizeof(card));
		d = ub_challenged(&t, names[i], NOW);
		ck_assert_int_eq(EVP_DecodeBlock(nonce, (const unsigned char *)d.nonce, (int)strlen(d.nonce)), 33);
		ck_assert_uint_eq(nonce[16 + 6], 0xb9);	/* the AMF is in clear: a decoy has that of others */
		ck_assert_int_eq(card_answer(&card, &d, false), i == 0 ? GBA_OK : GBA_BAD_MAC);
		ck_assert_uint_eq(ub_answered(&t, (const uint8_t *)"wrongRES", NOW, &a), 401);
		text = looks(&a);
		first = first != NULL ? first : text;
		ck_assert_str_eq(text, first);
		ck_assert_str_eq(bsm_told, "");
	}
	ck_assert_uint_eq(count(REGD_WRONG), 4);
	tear_down();
}
END_TEST

/* The card is ahead: it says where it is, and the server goes on from there. */
START_TEST(synchronisation)
{
	struct card card = { { 0, 0, 0, 1, 0, 0 }, { 0 }, { { 0 }, { 0 }, { 0 }, { 0 } } };
	char header[1024], auts[32], *first;
	struct digest_challenge d;
	struct door_request q;
	struct bsm_client t;
	struct door_answer a;

	set_up(NULL);
	d = ub_challenged(&t, IMPI, NOW);
	ck_assert_int_eq(card_answer(&card, &d, false), GBA_SYNC);
	EVP_EncodeBlock((unsigned char *)auts, card.auts, 14);
	snprintf(header, sizeof(header), "Digest username=\"" IMPI "\", realm=\"" BSF "\", nonce=\"%s\", uri=\"/\", response=\"\", auts=\"%s\"", d.nonce, auts);
	q = ub_first(IMPI, (char[1024]){ 0 }, 1024, NOW);
	q.authorization = header;
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert(bsm_challenged(&t, &a, &d));
	door_answer_free(&a);
	ck_assert_uint_eq(sqn(), 0x10001);
	ck_assert_uint_eq(count(REGD_RESYNCS), 1);
	ck_assert_int_eq(card_answer(&card, &d, false), GBA_OK);
	ck_assert_uint_eq(ub_answered(&t, card.v.res, NOW, &a), 200);
	door_answer_free(&a);

	memset(card.sqn, 0, 6);	/* said again it is heard, but nothing goes back; an old one, and another card's, are not heard */
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	door_answer_free(&a);
	ck_assert_uint_eq(sqn(), 0x10002);
	q.now_us = NOW + 61 * SECOND;
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert_uint_eq(a.status, 401);
	door_answer_free(&a);
	first = strstr(header, "auts=\"") + 6;
	*first = *first == 'A' ? 'B' : 'A';
	q.now_us = NOW;
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert_uint_eq(a.status, 401);
	door_answer_free(&a);
	ck_assert_uint_eq(count(REGD_RESYNCS), 2);
	ck_assert_uint_eq(count(REGD_WRONG), 2);
	tear_down();
}
END_TEST

START_TEST(mac_star_is_for_gba_u_cards)
{
	struct card card = { { 0 }, { 0 }, { { 0 }, { 0 }, { 0 }, { 0 } } };
	char header[1024];
	struct door_request q = ub_first(IMPI, header, sizeof(header), NOW);
	struct digest_challenge d;
	struct bsm_client t;
	struct door_answer a;

	set_up(&(struct regd_conf){ .mac_star = true });
	d = ub_challenged(&t, IMPI, NOW);	/* 3gpp-gba alone */
	ck_assert_int_eq(card_answer(&card, &d, false), GBA_OK);
	q.user_agent = "lab 3gpp-gba-uicc";
	bsm_client(&t, IMPI, "", 0);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert(bsm_challenged(&t, &a, &d));
	door_answer_free(&a);
	ck_assert_int_eq(card_answer(&card, &d, true), GBA_OK);
	q = bsm_ask("GET", "/", NULL, NULL, NOW);
	q.user_agent = "lab 3gpp-gba-uicc";
	memcpy(t.password, card.v.res, 8);
	t.len = 8;
	bsm_sign(&t, &q);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert_uint_eq(a.status, 200);
	door_answer_free(&a);
	tear_down();
}
END_TEST

START_TEST(bootstrapping_begins_with_a_name)
{
	struct door_request q = bsm_ask("GET", "/", NULL, NULL, NOW);
	static const char *const bad[] = { NULL, "", "Digest", "Basic eA==", "Digest username=\"" };
	struct bsm_client t;
	struct door_answer a;

	set_up(NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		q.authorization = bad[i];
		ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
		ck_assert_uint_eq(a.status, 400);
		door_answer_free(&a);
	}
	ub_challenged(&t, IMPI, NOW);
	snprintf(t.c.nonce, sizeof(t.c.nonce), "c2hvcnQ=");
	ck_assert_uint_eq(ub_answered(&t, (const uint8_t *)"wrongRES", NOW, &a), 401);
	door_answer_free(&a);
	ck_assert_uint_eq(count(REGD_BAD_CREDENTIALS), sizeof(bad) / sizeof(bad[0]) + 1);
	tear_down();
}
END_TEST

SUITE("bsm_regd", tcase_add_test(t, registration_is_v24); tcase_add_test(t, every_service_has_its_code);
	tcase_add_test(t, registration_ends_with_its_b_tid); tcase_add_test(t, deregistration); tcase_add_test(t, a_long_list_is_all);
	tcase_add_test(t, an_answer_is_no_longer_than_a_document); tcase_add_test(t, addresses); tcase_add_test(t, unknown_names_look_like_wrong_passwords);
	tcase_add_test(t, nonces_expire_and_are_used_once); tcase_add_test(t, nonces_outlive_a_restart);
	tcase_add_test(t, what_was_not_kept_did_not_happen); tcase_add_test(t, a_store_that_is_busy); tcase_add_test(t, auth_is_accepted_if_configured);
	tcase_add_test(t, credentials_are_for_this_request); tcase_add_test(t, the_content_type_says_what_it_is);
	tcase_add_test(t, malformed_documents); tcase_add_test(t, further_routes_are_for_proven_subscribers);
	tcase_add_test(t, msk_request_is_v28); tcase_add_test(t, every_key_has_its_code); tcase_add_test(t, the_next_key_is_for_those_who_stay);
	tcase_add_test(t, requests_are_limited_per_key_group); tcase_add_test(t, a_request_renews_a_registration_that_went_stale);
	tcase_add_test(t, bootstrapping); tcase_add_test(t, a_challenge_is_answered_once_and_in_time);
	tcase_add_test(t, strangers_get_challenges_too); tcase_add_test(t, synchronisation); tcase_add_test(t, mac_star_is_for_gba_u_cards);
	tcase_add_test(t, bootstrapping_begins_with_a_name))
