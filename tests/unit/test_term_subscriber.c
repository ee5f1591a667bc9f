/* tests/unit/test_term_subscriber.c: the phone's engine against a BSF and a BSM that do everything right, and everything wrong, for hours of fake time */
#include "terminal/subscriber.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include "kms/mbms_xml.h"
#include "kms/mikey_ltkm.h"
#include "lib/log.h"
#include "lib/secret.h"
#include "terminal/memory.h"
#include "tests/suite.h"

#define S INT64_C(1000000)
#define BSM "http://127.0.0.1:8080/keymanagement"
#define BSF "http://127.0.0.1:8080/"
#define NAF "bsm.example.net"
#define BSF_NAME "bsf.mnc001.mcc001.pub.3gppnetwork.org"
#define IMPI "001010123456789@ims.mnc001.mcc001.3gppnetwork.org"
static const int64_t utc_0 = INT64_C(1795000000) * S;
enum { LIFE_S = 86400, LATENCY_US = 20000, MAX = 4096 };

/* What the servers do with a request. */
enum way { RIGHT, SILENT, BUSY, BUSY_LONG, BROKEN, NO_PROOF, WRONG_PROOF, OTHER_REALM, NO_INT, STALE_FOR_EVER, NOT_KNOWN, NOTHING, GARBAGE,
	REFUSING, LATER, NO_WORD, REFUSED_TCP, WAYS };
static struct server {
	enum way bsf, bsm;
	uint8_t sqn[6], rand[16];
	bool wrong_autn, other_btid, forgot;	/* forgot: the B-TIDs of before */
	struct gba_vector vector; bool vector_good;
	char btid[MEMORY_NAME]; uint8_t smk[32], srk[32];
	int64_t life_us;
	unsigned nonce; char given[DIGEST_TEXT];	/* the newest nonce */
	unsigned key_code;
	unsigned requests, bootstrapped, registered, deregistered, msk;	/* requests: all */
	struct mikey_ids asked; size_t nasked;
	bool no_next_nonce;
	uint32_t counter;	/* of LTKMs */
} server;
static struct { unsigned id; char method[8], url[256], authorization[DIGEST_HEADER + 16], type[80], agent[80], body[MAX]; size_t len; bool there; int64_t at; } pending;
static struct usim usim;
static struct subscriber *phone;
static struct sub_conf conf;
static int64_t clock_us;		/* since the start */
static int over_calls, saves;
static bool disk_full, refuse_requests;
static uint8_t state[MEMORY_MAX], answer[SUB_ANSWER];
static size_t state_len;

static struct sub_clock
at(int64_t us)
{
	return (struct sub_clock){ utc_0 + us, 1000 * S + us };
}

static int
take_request(void *self, const struct sub_request *r)
{
	(void)self;
	server.requests++;
	if (refuse_requests)
		return -1;
	memset(&pending, 0, sizeof(pending));
	pending.id = r->id;
	pending.there = true;
	pending.at = clock_us + LATENCY_US;
	snprintf(pending.method, sizeof(pending.method), "%s", r->method);
	snprintf(pending.url, sizeof(pending.url), "%s", r->url);
	ck_assert_uint_lt(r->len, sizeof(pending.body));
	memcpy(pending.body, r->body, r->len);
	pending.len = r->len;
	for (size_t i = 0; r->headers[i]; i++) {
		ck_assert_ptr_null(strpbrk(r->headers[i], "\r\n"));
		sscanf(r->headers[i], "Content-Type: %79s", pending.type);
		sscanf(r->headers[i], "User-Agent: %79[^\n]", pending.agent);
		if (strncmp(r->headers[i], "Authorization: ", 15) == 0)
			snprintf(pending.authorization, sizeof(pending.authorization), "%s", r->headers[i] + 15);
	}
	return 0;
}

static int
keep(void *self, const void *octets, size_t len, bool lasting)
{
	(void)self, (void)lasting;
	if (disk_full)
		return -1;
	ck_assert_uint_le(len, sizeof(state));
	memcpy(state, octets, len);
	state_len = len;
	saves++;
	return 0;
}

static void
done(void *self)
{
	(void)self;
	over_calls++;
}

static const struct sub_ops ops = { take_request, keep, done, NULL };

/* ---- the servers ---- */

static const char *
uri(void)
{
	return strchr(strstr(pending.url, "://") + 3, '/');
}

static void
reply(unsigned status, const char *challenge, const char *info, const char *retry, const char *body)
{
	const struct exchange_reply r = { .status = status, .error = "connection refused", .challenge = challenge, .info = info, .retry_after = retry,
		.body = body, .len = strlen(body) };

	subscriber_reply(phone, pending.id, &r, at(clock_us));
}

static void
challenge(const char *realm, enum digest_algorithm algorithm, const char *nonce, bool stale, bool with_int)
{
	struct digest_challenge c = { .auth = !with_int, .auth_int = with_int, .algorithm = algorithm, .stale = stale };
	char text[DIGEST_HEADER];

	snprintf(c.realm, sizeof(c.realm), "%s", realm);
	snprintf(c.nonce, sizeof(c.nonce), "%s", nonce);
	snprintf(c.opaque, sizeof(c.opaque), "5ccc\"069c");
	ck_assert_uint_gt(digest_challenge_print(&c, text, sizeof(text)), 0);
	reply(401, text, NULL, NULL, "");
}

static void
aka_challenge(void)
{
	uint8_t raw[32];
	char nonce[64];

	for (int k = 5; k >= 0 && ++server.sqn[k] == 0; k--)
		;
	gw_random(server.rand, sizeof(server.rand));
	ck_assert_int_eq(gba_vector(usim.k.p, usim.opc.p, server.sqn, usim.amf, server.rand, usim.mac_star, &server.vector), 0);
	memcpy(raw, server.rand, 16);
	memcpy(raw + 16, server.vector.autn, 16);
	raw[31] ^= server.wrong_autn;
	EVP_EncodeBlock((unsigned char *)nonce, raw, 32);
	server.vector_good = true;
	challenge(server.bsf == OTHER_REALM ? "elsewhere" : BSF_NAME, DIGEST_AKA, nonce, false, server.bsf != NO_INT);
}

static void
bootstrap_info(const struct digest_credentials *c)
{
	char info[DIGEST_HEADER], *xml;
	int64_t expires = at(clock_us).utc_us + server.life_us;

	ck_assert_uint_gt(gba_btid(server.rand, BSF_NAME, server.btid, sizeof(server.btid)), 0);
	if (server.other_btid)
		server.btid[0] ^= 1;
	ck_assert_int_eq(gba_naf_keys(server.vector.ks, server.rand, IMPI, NAF, usim.gba_me, server.smk, server.srk), 0);
	server.counter = 0;
	server.forgot = false;
	xml = mbms_bootstrapping_print(server.btid, expires);
	ck_assert_uint_gt(digest_info_print(c, server.vector.res, 8, xml, strlen(xml), NULL, info, sizeof(info)), 0);
	if (server.bsf == WRONG_PROOF)
		strstr(info, "rspauth=\"")[9] ^= 1;
	server.bootstrapped++;
	reply(200, NULL, server.bsf == NO_PROOF ? NULL : info, NULL, xml);
	free(xml);
}

static void
serve_bsf(void)
{
	struct digest_credentials c;

	ck_assert_str_eq(pending.method, "GET");
	ck_assert_ptr_nonnull(strstr(pending.agent, usim.gba_me ? " 3gpp-gba" : " 3gpp-gba-uicc"));
	ck_assert_int_eq(digest_credentials_parse(pending.authorization, &c), 0);
	ck_assert_str_eq(c.username, IMPI);
	ck_assert_str_eq(c.realm, BSF_NAME);
	ck_assert_str_eq(c.uri, "/");
	if (c.auts[0]) {
		uint8_t auts[16];
		ck_assert_int_eq(EVP_DecodeBlock(auts, (const unsigned char *)c.auts, (int)strlen(c.auts)), 15);
		ck_assert(digest_right(&c, DIGEST_AUTH_INT, "", 0, "GET", "", 0));
		ck_assert_int_eq(gba_resync(usim.k.p, usim.opc.p, server.rand, auts, server.sqn), 0);
		if (server.bsf == STALE_FOR_EVER)
			memset(server.sqn, 0, 6);
		aka_challenge();
	} else if (!c.response[0] || !server.vector_good || server.bsf == STALE_FOR_EVER) {
		aka_challenge();
	} else {
		ck_assert(digest_right(&c, DIGEST_AUTH_INT, server.vector.res, 8, "GET", "", 0));
		server.vector_good = false;
		bootstrap_info(&c);
	}
}

static void
fresh_challenge(bool stale)
{
	snprintf(server.given, sizeof(server.given), "nonce-%u", ++server.nonce);
	challenge(server.bsm == OTHER_REALM ? "3GPP-bootstrapping@elsewhere" : "3GPP-bootstrapping@" NAF, DIGEST_MD5, server.given, stale,
	    server.bsm != NO_INT);
}

static char *
respond(void)
{
	const bool msk = strcmp(pending.type, "application/mbms-msk+xml") == 0, leave = strcmp(pending.type, "application/mbms-deregister+xml") == 0;
	const enum mbms_procedure p = msk ? MBMS_MSK : leave ? MBMS_DEREGISTER : MBMS_REGISTER;
	struct mbms_list asked, told = { calloc(MBMS_ITEMS, sizeof(struct mbms_item)), 0 };
	char *text;

	ck_assert_str_eq(pending.type, mbms_media_type(p, false));
	ck_assert_str_eq(strchr(uri(), '=') + 1, mbms_request_type(p));
	ck_assert_int_eq(mbms_request_parse(p, pending.body, pending.len, &asked, NULL), 0);
	told.n = asked.n;
	memcpy(told.items, asked.items, asked.n * sizeof(asked.items[0]));
	for (size_t i = 0; i < told.n; i++)
		told.items[i].code = msk ? server.key_code : server.bsm == REFUSING ? 403 : server.bsm == LATER ? 503 : 200;
	if (msk) {
		server.msk++;
		server.asked = asked.items[0].key;
		server.nasked = asked.n;
	} else {
		ck_assert_uint_eq(asked.n, 1);
		ck_assert_str_eq(asked.items[0].service, "urn:allServices");
		*(leave ? &server.deregistered : &server.registered) += 1;
		told.items[1].code = 200;
		snprintf(told.items[1].service, sizeof(told.items[1].service), "urn:example:pi:sportsurn:example:pd:monthly");
		told.n = 2;
		if (server.bsm == NO_WORD)
			told.items[0] = told.items[1];
	}
	text = mbms_response_print(p, &told);
	mbms_list_free(&asked);
	free(told.items);
	return text;
}

static void
serve_bsm(void)
{
	struct digest_credentials c;
	char password[45], info[DIGEST_HEADER], next[DIGEST_TEXT], *text;

	ck_assert_str_eq(pending.method, "POST");
	if (!pending.authorization[0]) {
		fresh_challenge(false);
		return;
	}
	ck_assert_int_eq(digest_credentials_parse(pending.authorization, &c), 0);
	ck_assert_str_eq(c.uri, uri());
	ck_assert_uint_eq(c.nc, 1);
	if (server.forgot || server.bsm == NOT_KNOWN || strcmp(c.username, server.btid) != 0) {
		fresh_challenge(false);
		return;
	}
	digest_srk_password(server.srk, password);
	ck_assert(digest_right(&c, DIGEST_AUTH_INT, password, 44, "POST", pending.body, pending.len));
	if (strcmp(c.nonce, server.given) != 0 || server.bsm == STALE_FOR_EVER) {
		fresh_challenge(true);
		return;
	}
	text = server.bsm == GARBAGE ? strdup("<a><b></a>") : respond();
	snprintf(next, sizeof(next), "next-%u", ++server.nonce);
	if (!server.no_next_nonce)
		memcpy(server.given, next, sizeof(next));
	ck_assert_uint_gt(digest_info_print(&c, password, 44, text, strlen(text), server.no_next_nonce ? NULL : next, info, sizeof(info)), 0);
	if (server.bsm == WRONG_PROOF)
		strstr(info, "rspauth=\"")[9] ^= 1;
	reply(200, NULL, server.bsm == NO_PROOF ? NULL : info, NULL, text);
	free(text);
}

static void
serve(void)
{
	const bool bsf = strcmp(pending.url, BSF) == 0;
	const enum way way = bsf ? server.bsf : server.bsm;

	pending.there = false;
	switch (way) {
	case SILENT:
		return;
	case REFUSED_TCP:
		reply(0, NULL, NULL, NULL, "");
		return;
	case BUSY:
		reply(503, NULL, NULL, NULL, "");
		return;
	case BUSY_LONG:
		reply(503, NULL, NULL, "600", "");
		return;
	case BROKEN:
		reply(500, NULL, NULL, NULL, "");
		return;
	case NOTHING:	/* 200, and it never asked who that is */
		reply(200, NULL, NULL, NULL, "");
		return;
	default:
		if (bsf)
			serve_bsf();
		else
			serve_bsm();
	}
}

/* ---- time ---- */

static void
run_until(int64_t end)
{
	for (;;) {
		int64_t next = subscriber_next(phone), due = next == INT64_MAX ? INT64_MAX : next - 1000 * S;

		if (pending.there && pending.at < due)
			due = pending.at;
		if (due > end)
			break;
		clock_us = due > clock_us ? due : clock_us;
		if (pending.there && pending.at <= clock_us)
			serve();
		else
			subscriber_time(phone, at(clock_us));
	}
	clock_us = end;
}

static void
run_for(int64_t us)
{
	run_until(clock_us + us);
}

static void
set_secret(struct gw_secret *s, const char *hex)
{
	uint8_t raw[32];
	size_t n = unhex(hex, raw, sizeof(raw));

	ck_assert_int_eq(gw_secret_set(s, raw, n), 0);
}

static void
power_up(void)
{
	struct gw_err err = { 0 };

	conf.state = state;
	conf.state_len = state_len;
	phone = subscriber_new(&conf, &ops, NULL, &err);
	ck_assert_msg(phone != NULL, "%s", err.text);
	subscriber_start(phone, at(clock_us));
}

static void
power_off(void)
{
	subscriber_free(phone);
	phone = NULL;
	pending.there = false;
}

static void
restart(void)
{
	power_off();
	power_up();
}

static void
setup(void)
{
	static char impi[] = IMPI, naf[] = NAF, bsf[] = BSF_NAME;
	static uint8_t amf[2] = { 0xb9, 0xb9 }, sqn[6];

	gw_log_init("test", GW_ERR);
	memset(&server, 0, sizeof(server));
	server.life_us = LIFE_S * S;
	server.key_code = 200;
	usim = (struct usim){ .provision = USIM_MILENAGE, .impi = impi, .naf = naf, .bsf = bsf, .sqn = sqn,
		.sqn_len = 6, .amf = amf, .amf_len = 2, .registration_ms = 3600000, .request_delay_ms = 10000, .repeat_verifications = true };
	set_secret(&usim.k, "465b5ce8b199b49faa5f0a2ee238a6bc");
	set_secret(&usim.opc, "cd63cb71954a9f4e48a5994e37a02baf");
	conf = (struct sub_conf){ .name = "phone", .usim = &usim, .bsm_url = BSM, .bsf_url = BSF };
	pending.there = false;
	clock_us = 0;
	over_calls = saves = 0;
	disk_full = refuse_requests = false;
	state_len = 0;
}

static void
teardown(void)
{
	power_off();
	gw_secret_free(&usim.k);
	gw_secret_free(&usim.opc);
	gw_secret_free(&usim.ks);
	gw_secret_free(&usim.smk);
	gw_secret_free(&usim.srk);
}

static void
register_it(void)
{
	power_up();
	run_for(1 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
}

static struct sub_counts
counts(void)
{
	struct sub_counts c;

	subscriber_counts(phone, &c);
	return c;
}

/* ---- what the BSM sends ---- */

static uint8_t ltkm[LTKM_MAX];
static size_t ltkm_len;

static void
make(uint16_t group, uint16_t number, bool pull)
{
	static const uint8_t key[16] = { 0x5e }, rand[16] = { 0xa0 };
	const struct ltkm_peer peer = { server.smk, NAF, server.btid };
	const struct ltkm_plan plan = { .ids = { .has_domain = true, .has_key = true, .domain = { 0, 0xf1, 0x10 }, .key_group = group, .key_number = number },
		.counter = ++server.counter, .verify = !pull, .pull = pull, .key = key, .lower = 0, .upper = 1000 };
	struct ltkm_plan p = plan;
	struct gw_err err = { 0 };

	memcpy(p.rand, rand, sizeof(rand));
	ltkm_len = ltkm_make(&peer, &p, ltkm, sizeof(ltkm), &err);
	ck_assert_msg(ltkm_len > 0, "%s", err.text);
}

static size_t
deliver(enum sub_bearer bearer)
{
	return subscriber_message(phone, bearer, ltkm, ltkm_len, answer, sizeof(answer), at(clock_us));
}

static size_t
push(uint16_t group, uint16_t number)
{
	make(group, number, false);
	return deliver(SUB_UDP);
}

static void
pull(uint16_t group, enum sub_bearer bearer)
{
	make(group, 0, true);
	ck_assert_uint_eq(deliver(bearer), 0);
}

static bool
verified(size_t n)
{
	const struct ltkm_peer peer = { server.smk, NAF, server.btid };

	return n && ltkm_verified(&peer, ltkm, ltkm_len, answer, n);
}

static struct mikey_ids
sek(uint16_t group, uint16_t number)
{
	return (struct mikey_ids){ .has_domain = true, .has_key = true, .has_tek = true, .domain = { 0, 0xf1, 0x10 }, .key_group = group,
		.key_number = number, .tek_id = 1 };
}

static void
stkm_without_key(uint16_t group, uint16_t number)
{
	const struct mikey_ids ids = sek(group, number);

	subscriber_wants(phone, &ids, false, at(clock_us));
}

/* ---- bootstrapping and registration ---- */

START_TEST(it_bootstraps_and_registers)
{
	int64_t expires, again;

	power_up();
	ck_assert_int_eq(subscriber_state(phone), SUB_NO_GBA);
	run_for(1 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	ck_assert_str_eq(subscriber_btid(phone), server.btid);
	ck_assert_uint_eq(subscriber_services(phone), 1);
	ck_assert_uint_eq(counts().sent[SUB_BOOTSTRAP], 2);	/* 401 first */
	ck_assert_uint_eq(counts().sent[SUB_REGISTER], 2);
	ck_assert_uint_eq(counts().done[SUB_BOOTSTRAP], 1);
	ck_assert_uint_eq(counts().done[SUB_REGISTER], 1);
	ck_assert_int_gt(saves, 0);
	again = subscriber_again(phone, &expires) - at(clock_us).mono_us;
	ck_assert(again <= 1800 * S && again >= 1618 * S);	/* half of an hour, less up to a tenth */
	ck_assert_int_ge(expires, utc_0 + LIFE_S * S - S);
	ck_assert_str_eq(subscriber_trouble(phone), "");
}
END_TEST

START_TEST(it_registers_again_at_half_of_the_time_with_the_nonce_it_was_given)
{
	register_it();
	run_for(1802 * S);
	ck_assert_uint_eq(server.registered, 2);
	ck_assert_uint_eq(counts().sent[SUB_REGISTER], 3);
	run_for(86400 / 2 * S);
	ck_assert_uint_ge(server.registered, 2 + 24);
	ck_assert_uint_le(server.registered, 2 + 27);
	ck_assert_uint_eq(server.bootstrapped, 1);
	server.no_next_nonce = true;
	run_for(4 * 1802 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	ck_assert_uint_eq(counts().failed[SUB_REGISTER], 0);
}
END_TEST

START_TEST(it_bootstraps_again_when_the_btid_has_expired)
{
	register_it();
	run_until(LIFE_S * S + 2 * S);
	ck_assert_uint_eq(server.bootstrapped, 2);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	ck_assert_str_eq(subscriber_btid(phone), server.btid);
	server.life_us = 100 * S;	/* shorter than a registration: it registers at half of that */
	run_until(2 * LIFE_S * S + 4 * S);
	ck_assert_uint_eq(server.bootstrapped, 3);
	unsigned n = server.registered;
	run_for(52 * S);
	ck_assert_uint_eq(server.registered, n + 1);
	run_for(3600 * S);
	ck_assert_uint_le(server.bootstrapped, 3 + 37);
	ck_assert_uint_ge(server.bootstrapped, 3 + 30);
}
END_TEST

START_TEST(a_btid_that_the_bsm_forgot_is_made_anew)
{
	register_it();
	server.forgot = true;
	run_for(1802 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	ck_assert_uint_eq(server.bootstrapped, 2);
	ck_assert_uint_eq(counts().failed[SUB_REGISTER], 1);
}
END_TEST

START_TEST(a_bsm_that_restarted_and_forgot_its_nonces_keeps_the_btid)
{
	register_it();
	snprintf(server.given, sizeof(server.given), "another");
	run_for(1802 * S);
	ck_assert_uint_eq(server.registered, 2);
	ck_assert_uint_eq(server.bootstrapped, 1);
}
END_TEST

START_TEST(the_sequence_number_is_brought_into_step)
{
	static uint8_t ahead[6] = { 0, 0, 0, 1, 0, 0 };

	usim.sqn = ahead;
	register_it();
	ck_assert_uint_eq(counts().sent[SUB_BOOTSTRAP], 3);
	ck_assert_uint_eq(counts().failed[SUB_BOOTSTRAP], 0);
	ck_assert_int_ge(memcmp(server.sqn, ahead, 6), 0);
}
END_TEST

START_TEST(a_challenge_is_never_answered_twice)	/* SQN is kept, over a restart, too */
{
	uint8_t sqn[6];

	server.bsm = SILENT;
	power_up();
	run_for(1 * S);
	memcpy(sqn, server.sqn, 6);
	restart();
	memset(server.sqn, 0, 6);	/* a BSF that begins anew */
	server.bsm = RIGHT;
	server.forgot = true;
	run_for(600 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	ck_assert_int_gt(memcmp(server.sqn, sqn, 6), 0);
}
END_TEST

START_TEST(mac_star_and_gba_me)
{
	usim.mac_star = true;
	register_it();
	power_off();
	state_len = 0;
	usim.gba_me = true;
	register_it();
	ck_assert(verified(push(1, 1)));
}
END_TEST

/* ---- failures: none is a storm, all are got over ---- */

static const struct { enum way bsf, bsm; unsigned most; const char *trouble; } bad[] = {
	{ SILENT, RIGHT, 30, "no answer" },
	{ REFUSED_TCP, RIGHT, 60, "refused" },
	{ BUSY, RIGHT, 60, "503" },
	{ BUSY_LONG, RIGHT, 7, "503" },
	{ BROKEN, RIGHT, 60, "500" },
	{ NOTHING, RIGHT, 60, "rspauth" },
	{ NO_PROOF, RIGHT, 120, "rspauth" },
	{ WRONG_PROOF, RIGHT, 120, "rspauth" },
	{ OTHER_REALM, RIGHT, 60, "realm" },
	{ NO_INT, RIGHT, 60, "auth-int" },
	{ STALE_FOR_EVER, RIGHT, 120, "BSF" },
	{ RIGHT, SILENT, 32, "no answer" },
	{ RIGHT, REFUSED_TCP, 60, "refused" },
	{ RIGHT, BUSY, 60, "503" },
	{ RIGHT, BUSY_LONG, 9, "503" },
	{ RIGHT, BROKEN, 60, "500" },
	{ RIGHT, NOTHING, 60, "rspauth" },
	{ RIGHT, NO_PROOF, 120, "rspauth" },
	{ RIGHT, WRONG_PROOF, 120, "rspauth" },
	{ RIGHT, OTHER_REALM, 60, "realm" },
	{ RIGHT, NO_INT, 60, "auth-int" },
	{ RIGHT, STALE_FOR_EVER, 180, "again and again" },
	{ RIGHT, NOT_KNOWN, 160, "not known" },
	{ RIGHT, GARBAGE, 120, "line" },
	{ RIGHT, REFUSING, 4, "refuses" },
	{ RIGHT, LATER, 120, "nobody" },
	{ RIGHT, NO_WORD, 120, "urn:allServices" },
};

START_TEST(no_failure_is_a_storm)	/* _i: row; an hour, then two hours in which all is well */
{
	server.bsf = bad[_i].bsf;
	server.bsm = bad[_i].bsm;
	power_up();
	run_for(2 * S);
	ck_assert_uint_le(server.requests, 12);
	run_for(3598 * S);
	ck_assert_uint_le(server.requests, bad[_i].most);
	ck_assert_uint_ge(server.requests, 2);
	ck_assert_int_ne(subscriber_state(phone), SUB_REGISTERED);
	ck_assert_msg(strstr(subscriber_trouble(phone), bad[_i].trouble) != NULL, "%s", subscriber_trouble(phone));
	server.bsf = server.bsm = RIGHT;
	run_for(7200 * S);
	ck_assert_int_eq(subscriber_state(phone), bad[_i].bsm == REFUSING ? SUB_BOOTSTRAPPED : SUB_REGISTERED);
}
END_TEST

START_TEST(tries_are_at_random_times)
{
	int64_t first[8];
	unsigned same = 0;

	for (int k = 0; k < 8; k++) {
		server.bsf = REFUSED_TCP;
		power_up();
		run_for(100000);
		first[k] = subscriber_next(phone);
		for (int j = 0; j < k; j++)
			same += first[j] == first[k];
		power_off();
		state_len = 0;
		clock_us = 0;
	}
	ck_assert_uint_le(same, 1);
}
END_TEST

START_TEST(a_client_that_cannot_send_is_no_loop)
{
	refuse_requests = true;
	power_up();
	run_for(3600 * S);
	ck_assert_uint_le(server.requests, 60);
	refuse_requests = false;
	run_for(301 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
}
END_TEST

START_TEST(a_network_that_does_not_know_the_key_is_not_answered)
{
	server.wrong_autn = true;
	power_up();
	run_for(3600 * S);
	ck_assert_uint_eq(server.bootstrapped, 0);
	ck_assert_ptr_nonnull(strstr(subscriber_trouble(phone), "AUTN"));
	ck_assert_uint_le(server.requests, 60);
}
END_TEST

START_TEST(a_btid_of_another_rand_is_refused)
{
	server.other_btid = true;
	power_up();
	run_for(60 * S);
	ck_assert_str_eq(subscriber_btid(phone), "");
	ck_assert_ptr_nonnull(strstr(subscriber_trouble(phone), "RAND"));
}
END_TEST

START_TEST(replies_that_nobody_waits_for_are_nothing)
{
	const struct exchange_reply r = { .status = 200, .body = "", .challenge = NULL };

	register_it();
	for (unsigned id = 0; id < 20; id++)
		subscriber_reply(phone, id, &r, at(clock_us));
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
}
END_TEST

/* ---- LTKMs ---- */

START_TEST(an_ltkm_is_kept_and_then_verified)
{
	int before;

	register_it();
	before = saves;
	ck_assert(verified(push(1, 1)));
	ck_assert_int_eq(saves, before + 1);
	ck_assert_uint_eq(card_keys(subscriber_card(phone), NULL, 0), 1);
	ck_assert_uint_eq(counts().results[LTKM_KEY], 1);
	ck_assert_uint_eq(counts().verifications, 1);
	disk_full = true;
	ck_assert_uint_eq(push(1, 2), 0);
	ck_assert_uint_eq(counts().unsaved, 1);
}
END_TEST

START_TEST(an_ltkm_that_comes_again_is_verified_again)
{
	uint8_t first[SUB_ANSWER];
	size_t n;

	register_it();
	n = push(1, 1);
	memcpy(first, answer, n);
	ck_assert_uint_eq(deliver(SUB_UDP), n);
	ck_assert_mem_eq(answer, first, n);
	ck_assert_uint_eq(counts().repeated, 1);
	ck_assert_uint_eq(counts().results[LTKM_STALE], 1);
	usim.repeat_verifications = false;
	ck_assert_uint_eq(deliver(SUB_UDP), 0);
	usim.repeat_verifications = true;
	for (uint16_t k = 2; k < 12; k++)	/* not remembered for ever */
		push(k, 1);
	server.counter = 0;
	make(1, 1, false);
	ck_assert_uint_eq(deliver(SUB_UDP), 0);
}
END_TEST

START_TEST(counters_and_keys_survive_a_restart)
{
	register_it();
	push(1, 1);
	make(1, 2, false);
	deliver(SUB_UDP);
	restart();
	ck_assert_uint_eq(card_keys(subscriber_card(phone), NULL, 0), 2);
	ck_assert_uint_eq(deliver(SUB_UDP), 0);	/* stale: it was taken in the life before */
	ck_assert_uint_eq(counts().results[LTKM_STALE], 1);
	run_for(1 * S);
	ck_assert_uint_eq(server.bootstrapped, 1);	/* the B-TID is good still */
	ck_assert_uint_eq(server.registered, 2);
	ck_assert(verified(push(1, 3)));
}
END_TEST

START_TEST(an_expired_btid_is_not_used_after_a_restart)
{
	register_it();
	power_off();
	clock_us += LIFE_S * S;
	power_up();
	run_for(1 * S);
	ck_assert_uint_eq(server.bootstrapped, 2);
	ck_assert_uint_eq(server.registered, 2);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
}
END_TEST

START_TEST(the_state_of_another_card_is_refused)
{
	struct gw_err err = { 0 };

	register_it();
	power_off();
	conf.state = state;
	conf.state_len = state_len;
	char *impi = usim.impi, somebody[] = "somebody@else";
	static char elsewhere[] = "other.example.net";
	usim.impi = somebody;
	ck_assert_ptr_null(subscriber_new(&conf, &ops, NULL, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "somebody@else"));
	usim.impi = impi;
	for (size_t k = 0; k < state_len; k += 7) {
		state[k] ^= 0x10;
		ck_assert_ptr_null(subscriber_new(&conf, &ops, NULL, &err));
		state[k] ^= 0x10;
	}
	usim.naf = elsewhere;	/* its keys are others */
	power_up();
	ck_assert_str_eq(subscriber_btid(phone), "");
}
END_TEST

/* ---- pulls and LTKM Requests ---- */

START_TEST(a_pull_of_group_0_registers_again)	/* _i: bearer */
{
	register_it();
	pull(0, (enum sub_bearer)_i);
	run_for(4 * S);
	ck_assert_uint_eq(server.registered, 2);
	ck_assert_uint_eq(server.msk, 0);
	ck_assert_uint_eq(counts().pulls[_i], 1);
	ck_assert_uint_eq(counts().messages[_i], 1);
	for (int k = 0; k < 100; k++) {		/* a flood of them is one or two registrations */
		pull(0, (enum sub_bearer)_i);
		run_for(10000);
	}
	run_for(10 * S);
	ck_assert_uint_le(server.registered, 4);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
}
END_TEST

START_TEST(a_pull_of_a_group_asks_for_its_current_key)	/* _i: bearer */
{
	register_it();
	pull(7, (enum sub_bearer)_i);
	run_for(11 * S);
	ck_assert_uint_eq(server.msk, 1);
	ck_assert_uint_eq(server.registered, 1);
	ck_assert_uint_eq(server.nasked, 1);
	ck_assert_uint_eq(server.asked.key_group, 7);
	ck_assert_uint_eq(server.asked.key_number, 0);
	ck_assert_uint_eq(server.asked.domain[1], 0xf1);
	run_for(300 * S);
	ck_assert_uint_eq(server.msk, 1);	/* 200: it comes by itself, or another pull */
}
END_TEST

START_TEST(an_unregistered_phone_is_woken_by_a_pull)
{
	server.bsm = REFUSING;
	power_up();
	run_for(60 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_BOOTSTRAPPED);
	server.bsm = RIGHT;	/* somebody has bought something for it */
	pull(0, SUB_SMS);
	run_for(4 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
}
END_TEST

START_TEST(an_unknown_sek_is_asked_for_now_and_then)
{
	register_it();
	for (int k = 0; k < 2 * 29; k++) {
		stkm_without_key(3, 9);
		run_for(S / 2);
	}
	ck_assert_uint_eq(server.msk, 1);
	ck_assert_uint_eq(server.asked.key_group, 3);
	ck_assert_uint_eq(server.asked.key_number, 9);
	for (int k = 0; k < 2 * 600; k++) {	/* no LTKM comes: later and later */
		stkm_without_key(3, 9);
		run_for(S / 2);
	}
	ck_assert_uint_ge(server.msk, 3);
	ck_assert_uint_le(server.msk, 20);
	ck_assert(verified(push(3, 9)));
	run_for(600 * S);
	unsigned n = server.msk;
	run_for(600 * S);
	ck_assert_uint_eq(server.msk, n);
}
END_TEST

START_TEST(one_request_per_group_in_30_s)
{
	int64_t last = 0;
	unsigned n = 0;

	usim.request_delay_ms = 0;
	register_it();
	for (int k = 0; k < 10 * 300; k++) {
		if (k % 400 == 0)
			pull(5, SUB_UDP);	/* each lets it begin anew */
		stkm_without_key(5, 1);
		run_for(S / 10);
		if (server.msk > n) {
			ck_assert(n == 0 || clock_us - last >= 30 * S - S / 5);
			last = clock_us;
			n = server.msk;
		}
	}
	ck_assert_uint_ge(n, 4);
}
END_TEST

START_TEST(many_groups_go_in_one_request_and_are_bounded)
{
	register_it();
	for (uint16_t g = 1; g < 1000; g++)
		stkm_without_key(g, 1);
	run_for(60 * S);
	ck_assert_uint_le(server.msk, 70);
	run_for(600 * S);
	ck_assert_uint_le(server.msk, 70);
	for (uint16_t g = 2000; g < 2010; g++)	/* those of before make room */
		stkm_without_key(g, 1);
	run_for(11 * S);
	ck_assert_uint_ge(server.asked.key_group, 2000);
}
END_TEST

START_TEST(a_request_waits_for_the_registration_and_for_nothing_that_has_come)
{
	server.bsm = BUSY;
	power_up();
	run_for(1 * S);
	stkm_without_key(3, 9);
	run_for(60 * S);
	ck_assert_uint_eq(server.msk, 0);
	server.bsm = RIGHT;
	run_for(60 * S);
	ck_assert_uint_eq(server.msk, 1);
	stkm_without_key(4, 1);
	push(4, 1);		/* came before it was asked for */
	run_for(60 * S);
	ck_assert_uint_eq(server.msk, 1);
}
END_TEST

static const struct { unsigned code, least, most; } answers[] = { { 200, 3, 20 }, { 403, 1, 1 }, { 404, 1, 1 }, { 503, 3, 20 } };

START_TEST(the_code_of_a_key_says_whether_to_ask_again)	/* _i: row */
{
	server.key_code = answers[_i].code;
	register_it();
	for (int k = 0; k < 2 * 600; k++) {
		stkm_without_key(3, 9);
		run_for(S / 2);
	}
	ck_assert_uint_ge(server.msk, answers[_i].least);
	ck_assert_uint_le(server.msk, answers[_i].most);
	unsigned n = server.msk;
	server.key_code = 200;
	pull(3, SUB_UDP);	/* it may be had now */
	run_for(45 * S);
	ck_assert_uint_gt(server.msk, n);
}
END_TEST

START_TEST(requests_that_fail_are_no_storm)
{
	register_it();
	server.bsm = BROKEN;
	for (int k = 0; k < 2 * 1200; k++) {
		stkm_without_key(3, 9);
		run_for(S / 2);
	}
	ck_assert_uint_le(counts().sent[SUB_MSK], 30);
	ck_assert_uint_ge(counts().failed[SUB_MSK], 3);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	server.bsm = NOT_KNOWN;		/* its first word of it is a request: then it bootstraps, and not for ever */
	unsigned boots = server.bootstrapped;
	for (int k = 0; k < 2 * 1200; k++) {
		stkm_without_key(3, 9);
		run_for(S / 2);
	}
	ck_assert_uint_ge(server.bootstrapped, boots + 1);
	ck_assert_uint_le(server.bootstrapped, boots + 15);
}
END_TEST

/* ---- given keys ---- */

static void
give_keys(void)
{
	json_t *all = vec_json("bcast/mikey-vectors.json"), *v = json_object_get(json_object_get(all, "vectors"), "V07_ltkm_plain");
	static char btid[MEMORY_NAME];

	snprintf(btid, sizeof(btid), "%s", json_string_value(json_object_get(v, "idr")));
	usim.provision = USIM_KEYS;
	usim.btid = btid;
	usim.impi = NULL;
	set_secret(&usim.smk, json_string_value(json_object_get(v, "pre_shared_key")));
	set_secret(&usim.srk, json_string_value(json_object_get(v, "pre_shared_key")));
	memcpy(server.srk, usim.srk.p, 32);
	memcpy(server.smk, usim.smk.p, 32);
	snprintf(server.btid, sizeof(server.btid), "%s", usim.btid);
	json_decref(all);
}

static size_t
vector(const char *name, const char *member, uint8_t *out, size_t cap)
{
	json_t *all = vec_json("bcast/mikey-vectors.json");
	size_t n = unhex(json_string_value(json_object_get(json_object_get(json_object_get(all, "vectors"), name), member)), out, cap);

	json_decref(all);
	return n;
}

START_TEST(given_keys_need_no_bsf)
{
	uint8_t want[512];
	size_t n;

	give_keys();
	conf.bsf_url = NULL;
	register_it();
	ck_assert_uint_eq(server.bootstrapped, 0);
	ltkm_len = vector("V07_ltkm_plain", "message", ltkm, sizeof(ltkm));
	n = vector("V08_ltkm_verification", "message", want, sizeof(want));
	ck_assert_uint_eq(deliver(SUB_UDP), n);
	ck_assert_mem_eq(answer, want, n);
	ltkm_len = vector("V17_solicited_pull_group1", "message", ltkm, sizeof(ltkm));
	ck_assert_uint_eq(deliver(SUB_UDP), 0);
	run_for(11 * S);
	ck_assert_uint_eq(server.msk, 1);
	ck_assert_uint_eq(server.asked.key_group, 1);
	ck_assert_ptr_nonnull(strstr(pending.body, "<MSK><keyDomainID>APEQ</keyDomainID><MSKID>AAEAAA==</MSKID></MSK>"));	/* V28, but for blanks */
	ltkm_len = vector("V18_solicited_pull_register_all", "message", ltkm, sizeof(ltkm));
	ck_assert_uint_eq(deliver(SUB_SMS), 0);
	run_for(4 * S);
	ck_assert_uint_eq(server.registered, 2);
	server.forgot = true;	/* there are no others: it asks again, later and later */
	unsigned requests = server.requests;
	run_for(3600 * S);
	ck_assert_uint_le(server.requests, requests + 100);
	server.forgot = false;
	run_for(700 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
}
END_TEST

START_TEST(given_keys_have_one_life)
{
	give_keys();
	usim.lifetime_ms = 100000;
	register_it();
	run_for(60 * S);
	restart();
	run_for(1 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_REGISTERED);
	run_for(60 * S);
	ck_assert_int_eq(subscriber_state(phone), SUB_NO_GBA);
	unsigned n = server.requests;
	restart();
	run_for(3600 * S);
	ck_assert_uint_eq(server.requests, n);
	ck_assert_ptr_nonnull(strstr(subscriber_trouble(phone), "expired"));
}
END_TEST

START_TEST(a_given_ks_registers)
{
	static uint8_t rand[] = { 0x23, 0x55, 0x3c, 0xbe, 0x96, 0x37, 0xa8, 0x9d, 0x21, 0x8a, 0xe6, 0x4d, 0xae, 0x47, 0xbf, 0x35 };
	static char btid[] = "I1U8vpY3qJ0hiuZNrke/NQ==@" BSF_NAME;

	usim.provision = USIM_KS;
	usim.rand = rand;
	usim.btid = btid;
	set_secret(&usim.ks, "b40ba9a3c58b2a05bbf0d987b21bf8cbf769bcd751044604127672711c6d3441");
	snprintf(server.btid, sizeof(server.btid), "%s", usim.btid);
	ck_assert_int_eq(gba_naf_keys(usim.ks.p, usim.rand, IMPI, NAF, false, server.smk, server.srk), 0);
	register_it();
	ck_assert_uint_eq(server.bootstrapped, 0);
	ck_assert(verified(push(1, 1)));
}
END_TEST

/* V26: what must be rejected, and the word that says why. V07 was accepted before. */
START_TEST(rejected_messages_have_their_words)
{
	static const struct { const char *name; enum ltkm_result result; const char *word; } rows[] = {
		{ "ltkm_bad_mac", LTKM_BAD_MAC, "bad_mac" }, { "ltkm_replayed", LTKM_STALE, "stale" }, { "ltkm_truncated", LTKM_TRUNCATED, "truncated" } };
	json_t *all, *cases, *v;
	size_t i;

	give_keys();
	usim.repeat_verifications = false;
	usim.errors = true;
	register_it();
	all = vec_json("bcast/mikey-vectors.json");
	cases = json_object_get(json_object_get(json_object_get(all, "vectors"), "V26_negative"), "cases");
	/* a MAC is looked at before the counter is taken over, and a fresh counter is needed to get there */
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		if (rows[r].result == LTKM_STALE) {
			ltkm_len = vector("V07_ltkm_plain", "message", ltkm, sizeof(ltkm));
			ck_assert_uint_gt(deliver(SUB_UDP), 0);
		}
		json_array_foreach(cases, i, v)
			if (strcmp(json_string_value(json_object_get(v, "name")), rows[r].name) == 0)
				ltkm_len = unhex(json_string_value(json_object_get(v, "message")), ltkm, sizeof(ltkm));
		deliver(SUB_UDP);
		ck_assert_uint_eq(counts().results[rows[r].result], 1);
		ck_assert_str_eq(sub_results[rows[r].result], rows[r].word);
	}
	ck_assert_uint_eq(counts().verifications, 1);
	ck_assert_uint_ge(counts().errors, 1);
	json_decref(all);
}
END_TEST

/* ---- misbehaviour ---- */

static void
misbehave(const char *list)
{
	struct gw_err err = { 0 };

	ck_assert_msg(term_misbehave_parse(&conf.misbehave, list, &err) == 0, "%s", err.text);
}

START_TEST(verifications_are_dropped)
{
	misbehave("drop-verifications=2");
	register_it();
	ck_assert_uint_eq(push(1, 1), 0);
	ck_assert_uint_eq(deliver(SUB_UDP), 0);
	ck_assert(verified(deliver(SUB_UDP)));
	ck_assert_uint_eq(counts().dropped, 2);
	ck_assert_uint_eq(counts().verifications, 1);
}
END_TEST

START_TEST(verifications_are_wrong)
{
	misbehave("wrong-mac=1");
	register_it();
	size_t n = push(1, 1);
	ck_assert_uint_gt(n, 0);
	ck_assert(!verified(n));
	ck_assert(verified(push(1, 2)));
	ck_assert_uint_eq(counts().spoilt, 1);
}
END_TEST

START_TEST(pulls_are_ignored)
{
	misbehave("ignore-pulls");
	register_it();
	pull(0, SUB_UDP);
	pull(3, SUB_SMS);
	run_for(60 * S);
	ck_assert_uint_eq(server.registered, 1);
	ck_assert_uint_eq(server.msk, 0);
	ck_assert_uint_eq(counts().pulls[SUB_UDP], 1);
}
END_TEST

START_TEST(a_stale_counter_is_got_over_by_bootstrapping)
{
	misbehave("stale-counter");
	register_it();
	ck_assert_uint_eq(push(1, 1), 0);
	ck_assert_uint_eq(counts().results[LTKM_STALE], 1);
	server.forgot = true;
	run_for(1900 * S);
	ck_assert_uint_eq(server.bootstrapped, 2);
	ck_assert(verified(push(1, 1)));
}
END_TEST

START_TEST(keys_are_forgotten)
{
	register_it();
	push(1, 1);
	misbehave("forget-keys");
	restart();
	run_for(1 * S);
	ck_assert_uint_eq(card_keys(subscriber_card(phone), NULL, 0), 0);
	ck_assert(verified(push(1, 2)));
	misbehave("forget-keys=5");
	restart();
	run_for(4 * S);
	ck_assert_uint_eq(card_keys(subscriber_card(phone), NULL, 0), 1);
	run_for(2 * S);
	ck_assert_uint_eq(card_keys(subscriber_card(phone), NULL, 0), 0);
}
END_TEST

START_TEST(words_of_misbehaviour)
{
	static const char *const wrong[] = { "", "x", "drop-verifications", "drop-verifications=0", "drop-verifications=x", "ignore-pulls=1",
		"wrong-mac=-1", "forget-keys=99999999", "ignore-pulls,", "stale-counter=" };
	struct term_misbehave m;
	char form[48], *long_list = malloc(1000);
	const char *meaning;
	size_t n = 0;

	for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++)
		ck_assert_msg(term_misbehave_parse(&m, wrong[k], NULL) < 0, "%s", wrong[k]);
	memset(long_list, 'a', 999);
	long_list[999] = '\0';
	ck_assert_int_lt(term_misbehave_parse(&m, long_list, NULL), 0);
	free(long_list);
	ck_assert_int_eq(term_misbehave_parse(&m, "drop-verifications=3,wrong-mac,ignore-pulls,stale-counter=7,forget-keys", NULL), 0);
	ck_assert_uint_eq(m.fault[TERM_DROP_VERIFICATIONS].value, 3);
	ck_assert_uint_eq(m.fault[TERM_WRONG_MAC].value, UINT32_MAX);
	ck_assert_uint_eq(m.fault[TERM_STALE_COUNTER].value, 7);
	while ((meaning = term_misbehave_row(n, form)))
		n++;
	ck_assert_uint_eq(n, TERM_FAULTS);
}
END_TEST

/* ---- the end ---- */

START_TEST(it_deregisters_at_the_end)
{
	register_it();
	subscriber_stop(phone, at(clock_us));
	ck_assert_int_eq(over_calls, 0);
	subscriber_stop(phone, at(clock_us));
	run_for(1 * S);
	ck_assert_uint_eq(server.deregistered, 1);
	ck_assert_int_eq(over_calls, 1);
	ck_assert_int_eq(subscriber_state(phone), SUB_OVER);
	subscriber_stop(phone, at(clock_us));
	run_for(7200 * S);
	ck_assert_int_eq(over_calls, 1);
	ck_assert_int_eq(subscriber_next(phone), INT64_MAX);
	pull(0, SUB_UDP);
	stkm_without_key(1, 1);
	run_for(7200 * S);
	ck_assert_uint_eq(server.deregistered + server.registered, 2);
}
END_TEST

START_TEST(the_end_does_not_wait_for_a_bsm_that_is_not_there)	/* _i: way */
{
	register_it();
	server.bsm = (enum way)_i;
	subscriber_stop(phone, at(clock_us));
	run_for(SUB_STOP_US + 1);
	ck_assert_int_eq(over_calls, 1);
	ck_assert_int_eq(subscriber_state(phone), SUB_OVER);
}
END_TEST

START_TEST(it_ends_from_every_state)	/* _i: tenths of the first latencies */
{
	power_up();
	run_for(_i * LATENCY_US / 3);
	subscriber_stop(phone, at(clock_us));
	run_for(SUB_STOP_US + 1);
	ck_assert_int_eq(over_calls, 1);
	ck_assert_int_eq(subscriber_state(phone), SUB_OVER);
}
END_TEST

START_TEST(the_machine_is_as_on_its_page)
{
	static char page[16384];

	ck_assert_uint_lt(gw_fsm_print(&sub_fsm, page, sizeof(page)), sizeof(page));
	vec_golden("bcast/subscriber.fsm.txt", page);
}
END_TEST

/* ---- what is remembered ---- */

START_TEST(memory_reads_what_it_wrote)
{
	static struct memory m = { .whose = IMPI, .sqn = { 1, 2, 3, 4, 5, 6 }, .btid = "a@b", .srk = { 9 }, .since_us = -1, .expires_us = INT64_MAX,
		.card_len = 3, .card = "abc" }, back;
	uint8_t octets[MEMORY_MAX];
	size_t n = memory_write(&m, octets, sizeof(octets));
	struct gw_err err;

	ck_assert_uint_gt(n, 0);
	ck_assert_int_eq(memory_read(octets, n, &back, &err), 0);
	ck_assert_mem_eq(&m, &back, sizeof(m));
	for (size_t k = 0; k < n; k++)
		ck_assert_int_eq(memory_read(octets, k, &back, &err), -1);
	for (size_t k = 0; k < n; k++)
		ck_assert_uint_eq(memory_write(&m, octets, k), 0);
	memory_write(&m, octets, sizeof(octets));
	octets[8] = 2;
	ck_assert_int_eq(memory_read(octets, n, &back, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "version 2"));
}
END_TEST

SUITE("term_subscriber", tcase_set_timeout(t, 60); tcase_add_checked_fixture(t, setup, teardown);
      tcase_add_test(t, it_bootstraps_and_registers);
      tcase_add_test(t, it_registers_again_at_half_of_the_time_with_the_nonce_it_was_given);
      tcase_add_test(t, it_bootstraps_again_when_the_btid_has_expired); tcase_add_test(t, a_btid_that_the_bsm_forgot_is_made_anew);
      tcase_add_test(t, a_bsm_that_restarted_and_forgot_its_nonces_keeps_the_btid); tcase_add_test(t, the_sequence_number_is_brought_into_step);
      tcase_add_test(t, a_challenge_is_never_answered_twice); tcase_add_test(t, mac_star_and_gba_me);
      tcase_add_loop_test(t, no_failure_is_a_storm, 0, sizeof(bad) / sizeof(bad[0])); tcase_add_test(t, tries_are_at_random_times);
      tcase_add_test(t, a_client_that_cannot_send_is_no_loop); tcase_add_test(t, a_network_that_does_not_know_the_key_is_not_answered);
      tcase_add_test(t, a_btid_of_another_rand_is_refused); tcase_add_test(t, replies_that_nobody_waits_for_are_nothing);
      tcase_add_test(t, an_ltkm_is_kept_and_then_verified); tcase_add_test(t, an_ltkm_that_comes_again_is_verified_again);
      tcase_add_test(t, counters_and_keys_survive_a_restart); tcase_add_test(t, an_expired_btid_is_not_used_after_a_restart);
      tcase_add_test(t, the_state_of_another_card_is_refused);
      tcase_add_loop_test(t, a_pull_of_group_0_registers_again, 0, SUB_BEARERS);
      tcase_add_loop_test(t, a_pull_of_a_group_asks_for_its_current_key, 0, SUB_BEARERS);
      tcase_add_test(t, an_unregistered_phone_is_woken_by_a_pull); tcase_add_test(t, an_unknown_sek_is_asked_for_now_and_then);
      tcase_add_test(t, one_request_per_group_in_30_s); tcase_add_test(t, many_groups_go_in_one_request_and_are_bounded);
      tcase_add_test(t, a_request_waits_for_the_registration_and_for_nothing_that_has_come);
      tcase_add_loop_test(t, the_code_of_a_key_says_whether_to_ask_again, 0, sizeof(answers) / sizeof(answers[0]));
      tcase_add_test(t, requests_that_fail_are_no_storm); tcase_add_test(t, given_keys_need_no_bsf); tcase_add_test(t, given_keys_have_one_life);
      tcase_add_test(t, a_given_ks_registers); tcase_add_test(t, rejected_messages_have_their_words);
      tcase_add_test(t, verifications_are_dropped); tcase_add_test(t, verifications_are_wrong); tcase_add_test(t, pulls_are_ignored);
      tcase_add_test(t, a_stale_counter_is_got_over_by_bootstrapping); tcase_add_test(t, keys_are_forgotten);
      tcase_add_test(t, words_of_misbehaviour); tcase_add_test(t, it_deregisters_at_the_end);
      tcase_add_loop_test(t, the_end_does_not_wait_for_a_bsm_that_is_not_there, RIGHT, WAYS); tcase_add_loop_test(t, it_ends_from_every_state, 0, 20);
      tcase_add_test(t, the_machine_is_as_on_its_page); tcase_add_test(t, memory_reads_what_it_wrote))
