/* tests/unit/test_bsm_stkm_get.c: STKMs over the interaction channel, through the registration server's Digest; and from a multicast group */
#include <unistd.h>
#include "bsm/stkm_get.h"
#include "kms/mikey_stkm.h"
#include "lib/udp.h"
#include "tests/suite.h"
#include "tests/unit/bsm_client.h"
#include "tests/unit/scratch.h"

static struct kms_store *store;
static struct stkm_get *get;
static struct regd *regd;
static struct kms_service sports, news;
static struct kms_key sek;
static int64_t sub;
static char password[45];
static int heard;	/* the stream of sports */

static void
set_up(void)
{
	static struct regd_route route;
	struct gw_err err = { 0 };

	store = bsm_store(scratch("kms.db"));
	sub = bsm_subscriber(store, "alice", IMPI);
	bsm_context(store, sub, BTID, NOW + 3600 * SECOND);
	sports = bsm_service(store, "sports");
	news = bsm_service(store, "news");
	sek = bsm_key(store, &sports, true);
	ck_assert_int_eq(stkm_get_new(store, 0, &get, &err), 0);
	route = stkm_get_route(get, NULL);
	struct regd_conf conf = { .naf = NAF, .bsf = BSF, .routes = &route, .nroutes = 1 };
	ck_assert_msg(regd_new(store, &conf, &bsm_listener, &regd, &err) == 0, "%s", err.text);
	digest_srk_password(bsm_srk, password);
	heard = stkm_get_stream(get, 2, "sports", KMS_SEK);
	ck_assert_int_ge(heard, 0);
}

static void
tear_down(void)
{
	regd_free(regd);
	stkm_get_free(get);
	kms_store_close(store);
}

static void
enrol(int64_t expires_us)
{
	struct kms_registration r = { .sub = sub, .btid = BTID, .since_us = NOW, .expires_us = expires_us, .reachable = true, .services = "*" };

	bsm_must(kms_registration_put(store, &r) == GW_WON);
}

/* The STKM of that TEK ID under a key; octets. */
static size_t
stkm(const struct kms_key *k, uint16_t tek_id, uint8_t *out)
{
	const struct mikey_ids ids = { .has_domain = true, .has_key = true, .domain = { 0, 0xf1, 0x10 }, .key_group = k->group, .key_number = k->number };
	struct msk *m = msk_new(&ids, k->key, k->rand, sizeof(k->rand), k->lower, k->upper, NULL);
	struct msk_plan plan = { .tek_id = tek_id };
	uint8_t cw[30];
	struct tkm t;

	memset(cw, tek_id, sizeof(cw));
	ck_assert_int_eq(tkm_of_cw(&t, STKM_SRTP, true, cw, sizeof(cw)), 0);
	size_t n = msk_seal(m, &plan, &t, out, STKM_GET_MAX, NULL);
	ck_assert_uint_gt(n, 0);
	msk_free(m);
	return n;
}

static void
hear(uint16_t tek_id, int64_t at)
{
	uint8_t msg[STKM_GET_MAX];

	ck_assert(stkm_get_heard(get, heard, msg, stkm(&sek, tek_id, msg), at));
}

/* A whole exchange, 401 first; the last answer is the caller's. */
static void
ask(const char *uri, int64_t at, struct door_answer *a)
{
	struct door_request q = bsm_ask("GET", uri, NULL, NULL, at);
	struct digest_challenge d;
	struct bsm_client t;

	bsm_client(&t, BTID, password, 44);
	ck_assert_int_eq(bsm_do(regd, store, &q, a), GW_WON);
	ck_assert(bsm_challenged(&t, a, &d));
	door_answer_free(a);
	bsm_sign(&t, &q);
	ck_assert_int_eq(bsm_do(regd, store, &q, a), GW_WON);
}

static void
expect(const char *uri, int64_t at, unsigned status)
{
	struct door_answer a;

	ask(uri, at, &a);
	ck_assert_msg(a.status == status, "%s: %u", uri, a.status);
	ck_assert(status != 503 || bsm_header(&a, "retry-after"));
	door_answer_free(&a);
}

START_TEST(who_has_bought_gets_the_newest)
{
	uint8_t want[STKM_GET_MAX];
	struct door_answer a;

	enrol(NOW + 3600 * SECOND);
	bsm_buy(store, sub, sports.id, 0);
	hear(5, NOW);
	hear(6, NOW + SECOND);
	ask("/stkm/sports", NOW + 2 * SECOND, &a);
	ck_assert_uint_eq(a.status, 200);
	ck_assert_str_eq(a.type, "application/vnd.oma.bcast.stkm");
	ck_assert_uint_eq(a.len, stkm(&sek, 6, want));
	ck_assert_mem_eq(a.body, want, a.len);
	ck_assert_ptr_nonnull(bsm_header(&a, "authentication-info"));
	ck_assert_str_eq(bsm_header(&a, "cache-control"), "no-store");
	door_answer_free(&a);
	expect("/stkm/urn%3Aexample:pi:sportsurn:example:pd:monthly", NOW + 2 * SECOND, 200);
	expect("/stkm/sports?stkmstream=2", NOW + 2 * SECOND, 200);
	ck_assert_uint_eq(stkm_get_counts(get)->given, 3);
	ck_assert_uint_eq(stkm_get_counts(get)->kept, 2);
}
END_TEST

START_TEST(nobody_else_does)
{
	uint8_t msg[STKM_GET_MAX];
	struct door_request q = bsm_ask("GET", "/stkm/sports", NULL, NULL, NOW);
	struct door_answer a;

	hear(5, NOW);
	ck_assert_int_eq(bsm_do(regd, store, &q, &a), GW_WON);
	ck_assert_uint_eq(a.status, 401);
	door_answer_free(&a);
	bsm_buy(store, sub, sports.id, NOW + 60 * SECOND);
	expect("/stkm/sports", NOW, 403);	/* not registered */
	enrol(NOW + 100 * SECOND);
	ck_assert_int_ge(stkm_get_stream(get, 3, "news", KMS_SEK), 0);
	expect("/stkm/news", NOW, 403);
	expect("/stkm/sports", NOW, 200);
	ck_assert(stkm_get_heard(get, heard, msg, stkm(&sek, 5, msg), NOW + 61 * SECOND));
	expect("/stkm/sports", NOW + 61 * SECOND, 403);	/* no more */
	ck_assert(stkm_get_heard(get, heard, msg, stkm(&sek, 5, msg), NOW + 101 * SECOND));
	expect("/stkm/sports", NOW + 101 * SECOND, 403);
	ck_assert_uint_eq(stkm_get_counts(get)->denied, 4);
}
END_TEST

START_TEST(what_is_not_there)
{
	enrol(NOW + 3600 * SECOND);
	bsm_buy(store, sub, sports.id, 0);
	expect("/stkm/sports", NOW, 503);	/* nothing was heard yet */
	hear(5, NOW);
	expect("/stkm/sports", NOW + 10 * SECOND, 200);
	expect("/stkm/sports", NOW + 11 * SECOND, 503);	/* nothing of late */
	expect("/stkm/cooking", NOW, 404);
	expect("/stkm/news", NOW, 404);		/* it has no stream */
	expect("/stkm/sports?stkmstream=3", NOW, 404);
	expect("/stkm/sports?stkmstream=x", NOW, 400);
	expect("/stkm/sports?stkmstream=65538", NOW, 400);
	expect("/stkm/", NOW, 400);
	expect("/stkm/%0", NOW, 400);
	expect("/stkm/a%00b", NOW, 400);
	stkm_get_end(get, heard);
	expect("/stkm/sports", NOW, 404);
}
END_TEST

/* Anybody may send to a group. */
START_TEST(only_stkms_of_the_stream_are_kept)
{
	uint8_t msg[STKM_GET_MAX + 1] = { 0 }, old[STKM_GET_MAX];
	struct kms_key other = bsm_key(store, &news, true), unknown = sek;
	size_t n;

	ck_assert(!stkm_get_heard(get, heard, "junk", 4, NOW));
	ck_assert(!stkm_get_heard(get, heard, msg, 0, NOW));
	ck_assert(!stkm_get_heard(get, heard, msg, sizeof(msg), NOW));
	ck_assert(!stkm_get_heard(get, 17, "junk", 4, NOW));
	ck_assert(!stkm_get_heard(get, -1, "junk", 4, NOW));
	n = stkm(&other, 1, msg);
	ck_assert(!stkm_get_heard(get, heard, msg, n, NOW));	/* of another service */
	unknown.number = 9;
	n = stkm(&unknown, 1, msg);
	ck_assert(!stkm_get_heard(get, heard, msg, n, NOW));	/* under a key that nobody made */
	n = stkm(&sek, 5, msg);
	for (size_t i = 0; i < n; i += 11) {
		msg[i] ^= 0x10;
		ck_assert(!stkm_get_heard(get, heard, msg, n, NOW + (int64_t)i * SECOND));
		msg[i] ^= 0x10;
	}
	int64_t later = NOW + 1000 * SECOND;
	ck_assert(stkm_get_heard(get, heard, msg, n, later));
	n = stkm(&sek, 4, old);
	ck_assert(!stkm_get_heard(get, heard, old, n, later + SECOND));	/* of an earlier crypto-period */
	ck_assert(stkm_get_heard(get, heard, old, n, later + 60 * SECOND));	/* the stream began anew */
}
END_TEST

START_TEST(a_flood_is_not_looked_into)
{
	uint8_t msg[STKM_GET_MAX];
	size_t n = stkm(&sek, 5, msg);

	for (int i = 0; i < 100; i++)
		ck_assert(!stkm_get_heard(get, heard, "junk", 4, NOW));
	ck_assert(!stkm_get_heard(get, heard, msg, n, NOW));
	ck_assert(stkm_get_heard(get, heard, msg, n, NOW + SECOND));
}
END_TEST

/* ---- the sockets ---- */

static struct headend *
headend(const char *out)
{
	struct gw_err err = { 0 };
	char text[2000];

	snprintf(text, sizeof(text), "head_end: lab\nstate: %s\nplayout: unix://%s\n"
	    "kms:\n  card: { super_cas_id: 0x00020001, ecmg: tcp://127.0.0.1:7002, plugin: smartcard }\n"
	    "services:\n  - id: sports\n    scrambling: srtp\n    crypto_period: 10s\n"
	    "    media: [ { name: av, in: udp://239.255.0.1:5004, out: udp://239.255.1.1:5004 } ]\n"
	    "    stkm: [ { kms: card, ecm_id: 2, out: \"%s\" } ]\n"
	    "bsm:\n  lab: { kms: card, naf: bsm.example.net, key_domain: 0x00f110, listen: tcp://127.0.0.1:7080, ltkm: udp://127.0.0.1:7081 }\n",
	    scratch("state"), scratch("run"), out);
	put_file(scratch("he.yaml"), text, 0600);
	struct headend *he = headend_load(scratch("he.yaml"), &err);
	ck_assert_msg(he != NULL, "%s", err.text);
	return he;
}

static void
send_to(const char *out, uint16_t tek_id)
{
	uint8_t msg[STKM_GET_MAX];
	struct gw_packet pk = { msg, stkm(&sek, tek_id, msg) };
	struct gw_err err = { 0 };
	struct gw_addr to;

	ck_assert_int_eq(gw_addr_parse(out, GW_UDP, &to, &err), 0);
	int fd = gw_udp_sender(&to, &err);
	ck_assert_msg(fd >= 0, "%s", err.text);
	ck_assert_int_eq(gw_udp_send(fd, &pk, 1), 1);
	close(fd);
}

START_TEST(groups_are_joined_and_left)
{
	char here[64], there[64];
	const unsigned pid = (unsigned)getpid();	/* another run's groups are others */

	snprintf(here, sizeof(here), "udp://239.254.%u.%u:5612?interface=lo", pid >> 8 & 0xff, pid & 0xff);
	snprintf(there, sizeof(there), "udp://239.253.%u.%u:5612?interface=lo", pid >> 8 & 0xff, pid & 0xff);
	struct headend *first = headend(here), *second = headend(there), *third = headend("udp://127.0.0.1:5612");
	struct gw_err err = { 0 };
	uv_loop_t loop;

	uv_loop_init(&loop);
	struct stkm_hear *h = stkm_hear_open(&loop, get, first, &first->kms[0], &err);
	ck_assert_msg(h != NULL, "%s", err.text);
	send_to(here, 5);
	for (int i = 0; i < 1000 && stkm_get_counts(get)->kept < 1; i++, usleep(1000))
		uv_run(&loop, UV_RUN_NOWAIT);
	ck_assert_uint_eq(stkm_get_counts(get)->kept, 1);
	ck_assert_int_eq(stkm_hear_reload(h, second, &second->kms[0], &err), 0);
	send_to(here, 6);
	send_to(there, 7);
	for (int i = 0; i < 1000 && stkm_get_counts(get)->kept < 2; i++, usleep(1000))
		uv_run(&loop, UV_RUN_NOWAIT);
	ck_assert_uint_eq(stkm_get_counts(get)->kept, 2);
	ck_assert_uint_eq(stkm_get_counts(get)->heard, 2);
	ck_assert_int_eq(stkm_hear_reload(h, third, &third->kms[0], &err), 0);	/* to one receiver: its datagrams are left to it */
	stkm_hear_close(h);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	headend_free(first);
	headend_free(second);
	headend_free(third);
}
END_TEST

SUITE("bsm_stkm_get", tcase_add_checked_fixture(t, set_up, tear_down); tcase_add_test(t, who_has_bought_gets_the_newest);
      tcase_add_test(t, nobody_else_does); tcase_add_test(t, what_is_not_there); tcase_add_test(t, only_stkms_of_the_stream_are_kept);
      tcase_add_test(t, a_flood_is_not_looked_into); tcase_add_test(t, groups_are_joined_and_left))
