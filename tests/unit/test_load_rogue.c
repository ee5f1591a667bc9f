/*
 * tests/unit/test_load_rogue.c: simulgate load bsm --misbehave against a BSM that is right, and against such that are wrong about one thing: what is
 * told of the misdeeds, and that the requests beside them are answered and counted by themselves
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "kms/mbms_xml.h"
#include "lib/clock.h"
#include "lib/httpd.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/secret.h"
#include "proto/http1.h"
#include "tests/suite.h"
#include "tools/load_rogue.h"

#define NAF "bsm.example.net"
#define BTID "dora@bsf.example.net"
#define REALM "3GPP-bootstrapping@" NAF
enum { SRK = 32, USED = 65536, MAX_BODY = 65536, BUSY = 503, IMPATIENT_MS = 1000, PATIENT_MS = 20000 };
static const uint8_t srk[SRK] = "thirty-two octets of a key, 1234", nonces[32] = "of this server";

/* What it is wrong about, of misdeeds alone. */
enum fault { RIGHT, TRUSTING, UNREADING, FORGETFUL, STALE, MUTE_401, REFUSING, IMPATIENT };

static struct { enum fault fault; char used[USED][DIGEST_NONCE + 9]; unsigned n, refused; } bsm;
static uv_loop_t loop;

/* ---- the BSM ---- */

static bool
is_misdeed(const struct gw_httpd_request *q)
{
	return !memmem(q->body, q->body_len, "urn:allServices", 15);
}

static void
say(struct gw_exchange *x, unsigned status, const char *type, const char *text, const char *header)
{
	const char *const headers[] = { header, NULL };

	gw_exchange_answer(x, &(struct gw_answer){ .status = status, .content_type = type, .body = text, .len = strlen(text), .headers = headers });
}

static void
challenge(struct gw_exchange *x, bool bad, bool stale)
{
	struct digest_challenge c = { .realm = REALM, .auth_int = true, .algorithm = DIGEST_MD5, .stale = stale };
	char text[DIGEST_HEADER], header[DIGEST_HEADER + 32];

	ck_assert_uint_gt(digest_nonce_make(nonces, gw_utc_us(), "", 0, c.nonce, sizeof(c.nonce)), 0);
	ck_assert_uint_gt(digest_challenge_print(&c, text, sizeof(text)), 0);
	snprintf(header, sizeof(header), "WWW-Authenticate: %s", text);
	say(x, 401, "text/plain", "no\n", bad && bsm.fault == MUTE_401 ? NULL : header);
}

static bool
used_before(const struct digest_credentials *c)
{
	char name[DIGEST_NONCE + 9];

	snprintf(name, sizeof(name), "%.56s%s", c->nonce, c->nc_text);
	for (unsigned i = 0; i < bsm.n; i++)
		if (strcmp(bsm.used[i], name) == 0)
			return true;
	ck_assert_uint_lt(bsm.n, USED);
	memcpy(bsm.used[bsm.n++], name, sizeof(name));
	return false;
}

static void
grant(struct gw_exchange *x, const struct digest_credentials *c, const char *password)
{
	struct mbms_item item = { .code = 200 };
	const struct mbms_list list = { &item, 1 };
	char info[DIGEST_HEADER], header[DIGEST_HEADER + 32], *text;

	snprintf(item.service, sizeof(item.service), "%s", mbms_all_services);
	text = mbms_response_print(MBMS_REGISTER, &list);
	ck_assert_uint_gt(digest_info_print(c, password, 44, text, strlen(text), NULL, info, sizeof(info)), 0);
	snprintf(header, sizeof(header), "Authentication-Info: %s", info);
	say(x, 200, mbms_media_type(MBMS_REGISTER, true), text, header);
	free(text);
}

static void
on_request(void *self, struct gw_exchange *x, const struct gw_httpd_request *q)
{
	const char *authorization = gw_exchange_header(x, "authorization");
	bool bad = is_misdeed(q), trusting = bad && bsm.fault == TRUSTING;
	static struct digest_credentials c;
	struct mbms_list list = { 0 };
	char password[45];

	(void)self;
	digest_srk_password(srk, password);
	if (!authorization) {
		challenge(x, bad && bsm.fault == MUTE_401, false);
		return;
	}
	ck_assert_int_eq(digest_credentials_parse(authorization, &c), 0);
	if (bad && bsm.fault == REFUSING)
		say(x, BUSY, "text/plain", "later\n", NULL);
	else if (!trusting && (strcmp(c.username, BTID) != 0 || strcmp(c.uri, q->uri) != 0 ||
	    !digest_right(&c, DIGEST_AUTH_INT, password, 44, q->method, q->body, q->body_len) ||
	    (used_before(&c) && !(bad && bsm.fault == FORGETFUL))))
		challenge(x, bad, bad && bsm.fault == STALE);
	else if (!(bad && bsm.fault == UNREADING) && !trusting && mbms_request_parse(MBMS_REGISTER, q->body, q->body_len, &list, NULL) < 0)
		say(x, 400, "text/plain", "no document\n", NULL);
	else
		grant(x, &c, password);
	mbms_list_free(&list);
}

static void
on_gone(void *self, struct gw_exchange *x)
{
	(void)self;
	(void)x;
}

static void
on_refused(void *self, const struct sockaddr *peer, unsigned status, const char *why)
{
	(void)self;
	(void)peer;
	(void)status;
	(void)why;
	bsm.refused++;
}

static struct gw_httpd *
serve(enum fault fault)
{
	struct gw_httpd_conf conf = { .max_body = fault == UNREADING ? 2 << 20 : MAX_BODY, .max_clients = 100, .idle_ms = 20000,
		.request_ms = fault == IMPATIENT ? IMPATIENT_MS : PATIENT_MS, .request = on_request, .gone = on_gone, .refused = on_refused };
	struct gw_err err = { 0 };
	struct gw_httpd *s;

	memset(&bsm, 0, sizeof(bsm));
	bsm.fault = fault;
	ck_assert_int_eq(gw_addr_parse("tcp://127.0.0.1:0", GW_TCP, &conf.listen, &err), 0);
	s = gw_httpd_open(&loop, &conf, &err);
	ck_assert_msg(s != NULL, "%s", err.text);
	return s;
}

/* ---- the terminals ---- */

static const char *
subscribers(void)
{
	static char path[64];
	char text[512], *p = text;

	snprintf(path, sizeof(path), "test_load_rogue.%ld.yaml", (long)getpid());
	p += sprintf(p, "subscribers:\n  dora:\n    provision: keys\n    btid: " BTID "\n    smk: 0x");
	for (int i = 0; i < SRK; i++)
		p += sprintf(p, "%02x", i);
	p += sprintf(p, "\n    srk: 0x");
	for (int i = 0; i < SRK; i++)
		p += sprintf(p, "%02x", srk[i]);
	strcpy(p, "\n");
	put_file(path, text, 0600);
	return path;
}

static void
on_ended(void *self)
{
	*(bool *)self = true;
}

static const struct load_misdeed *
misdeed(const char *name)
{
	const struct load_misdeed *d = load_misdeeds;

	while (d->name && (strcmp(d->name, name) != 0 || !(d->sides & 1u << LOAD_BSM)))
		d++;
	ck_assert_ptr_nonnull(d->name);
	return d;
}

static void
run(struct load_conf *c, struct load_report *r, enum fault fault)
{
	struct gw_httpd *s;
	struct load_bsm *b;
	struct gw_err err = { 0 };
	char url[64];
	bool ended = false;

	uv_loop_init(&loop);
	s = serve(fault);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", gw_httpd_addr(s)->port);
	c->bsm.url = url;
	c->bsm.subscribers = subscribers();
	b = load_bsm_open(&loop, c, r, on_ended, &ended, &err);
	unlink(c->bsm.subscribers);
	ck_assert_msg(b != NULL, "%s", err.text);
	while (!ended)
		uv_run(&loop, UV_RUN_ONCE);
	gw_httpd_close(s);
	gw_loop_fini(&loop);
	load_bsm_free(b);
}

static const struct row { const char *kind; enum fault fault; unsigned outcome; bool well; } rows[] = {
	{ "anonymous", RIGHT, 401, true }, { "anonymous", MUTE_401, LOAD_BARE + 401, false },
	{ "key", RIGHT, 401, true }, { "key", TRUSTING, 200, false }, { "key", STALE, LOAD_STALE + 401, false },
	{ "stranger", RIGHT, 401, true }, { "stranger", TRUSTING, 200, false }, { "stranger", STALE, LOAD_STALE + 401, false },
	{ "replay", RIGHT, 401, true }, { "replay", STALE, LOAD_STALE + 401, true }, { "replay", FORGETFUL, 200, false },
	{ "replay", REFUSING, LOAD_UNTRIED, false },
	{ "tampered", RIGHT, 401, true }, { "tampered", TRUSTING, 200, false },
	{ "elsewhere", RIGHT, 401, true }, { "elsewhere", TRUSTING, 200, false },
	{ "nonsense", RIGHT, 400, true }, { "nonsense", UNREADING, 200, false },
	{ "entities", RIGHT, 400, true }, { "entities", UNREADING, 200, false },
	{ "oversized", RIGHT, 413, true }, { "oversized", UNREADING, 200, false },
	{ "garbage", RIGHT, 400, true }, { "lengths", RIGHT, 400, true }, { "header", RIGHT, 431, true },
	{ "stall", IMPATIENT, 408, true }, { "stall", RIGHT, LOAD_SILENCE, false }, { "stall", MUTE_401, LOAD_BARE + 401, false },
	{ "leave", RIGHT, LOAD_LEFT, true }, { "leave", MUTE_401, LOAD_BARE + 401, false },
	{ "vanish", RIGHT, 200, true }, { "vanish", REFUSING, BUSY, false },
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

START_TEST(earns)	/* _i: row */
{
	static char naf[] = NAF, bsf[] = NAF;
	static struct load_report r;
	const struct row *row = &rows[_i];
	struct load_conf c = { .side = LOAD_BSM, .connections = LOAD_CONNECTIONS, .streams = 1, .rate = 40, .duration_ns = 200000000,
		.timeout_ns = row->outcome == LOAD_SILENCE ? INT64_C(4000000000) : INT64_C(15000000000), .misdeed = misdeed(row->kind), .every = 1,
		.bsm = { .naf = naf, .bsf = bsf, .asks = { PHONE_REGISTER }, .nasks = 1 } };
	char text[LOAD_WORDS];

	gw_log_init("test", GW_WARNING);
	gw_secrets_init(256, true, NULL);
	memset(&r, 0, sizeof(r));
	run(&c, &r, row->fault);
	ck_assert_uint_gt(r.misdeeds, 0);
	ck_assert_msg(r.nerrors == 1 && r.error[0].status == row->outcome && r.error[0].n == r.misdeeds, "%s: %u outcomes, the first %u: %s", row->kind,
	    r.nerrors, r.error[0].status, load_outcome_text(r.error[0].status, text, sizeof(text)));
	ck_assert_msg(load_judge(&c, &r, text) == row->well, "%s: %s", row->kind, text);
	/* the others: all are answered, and they alone are counted */
	ck_assert_uint_gt(r.answered, 0);
	ck_assert_uint_eq(r.answered, r.pace.sent);
	ck_assert_uint_eq(r.pace.sent_ns.n, r.pace.sent);
	ck_assert_uint_eq(r.bsm.kind[PHONE_REGISTER].ns.n, r.pace.sent);
	ck_assert_uint_le(r.bsm.exchange.n, 2 * r.pace.sent);
	ck_assert_uint_eq(r.errors, 0);
}
END_TEST

/* ---- octets ---- */

static char naf_name[] = NAF;
static const struct phone_net net = { "http://127.0.0.1:8080/keymanagement", "http://127.0.0.1:8080/", NULL, naf_name, naf_name, false };
static struct phone phone;

static char *
octets_of(const char *kind, size_t *len)
{
	struct provision dora = { .sub = { .provision = KMS_KEYS }, .gba = { .btid = BTID } };
	const struct exchange_reply first = { .status = 401, .challenge = "Digest realm=\"" REALM "\", nonce=\"bm9uY2U=\", algorithm=MD5, qop=\"auth-int\"" };
	enum rogue_verdict v;
	unsigned outcome;
	struct rogue r;
	char *text;

	gw_secrets_init(256, true, NULL);
	memcpy(dora.gba.srk, srk, SRK);
	ck_assert_int_eq(phone_init(&phone, &net, &dora, NULL), 0);
	v = rogue_begin(&r, misdeed(kind)->id, &phone);
	if (v == ROGUE_SEND)
		v = rogue_reply(&r, &first, &outcome);
	ck_assert_int_eq(v, ROGUE_BARE);
	text = rogue_octets(&r, len);
	ck_assert_ptr_nonnull(text);
	rogue_fini(&r);
	phone_fini(&phone);
	return text;
}

/* The status that a strict reader has for the head; 0: none, and h is it. */
static int
read_head(const char *kind, struct http1_head *h, size_t *head, size_t *body)
{
	static char *text;	/* h points into it */
	const char *why;
	size_t len, at = 0;
	int n;

	free(text);
	text = octets_of(kind, &len);
	n = http1_head_end(text, len, &at);
	if (n <= 0)
		return -n;
	*head = (size_t)n;
	*body = len - (size_t)n;
	return http1_head_parse(text, (size_t)n, h, &why);
}

START_TEST(octets)
{
	struct http1_head h;
	size_t head, body;

	ck_assert_int_eq(read_head("garbage", &h, &head, &body), 400);
	ck_assert_int_eq(read_head("lengths", &h, &head, &body), 400);
	ck_assert_int_eq(read_head("header", &h, &head, &body), 431);
	ck_assert_int_eq(read_head("vanish", &h, &head, &body), 0);
	ck_assert_uint_eq(h.length, body);
	ck_assert_str_eq(h.method, "POST");
	ck_assert_str_eq(http1_header(&h, "host"), "127.0.0.1:8080");
	ck_assert_ptr_nonnull(strstr(http1_header(&h, "authorization"), "username=\"" BTID "\""));
	ck_assert_int_eq(read_head("leave", &h, &head, &body), 0);
	ck_assert_uint_eq(h.length, body);
	ck_assert_int_eq(read_head("stall", &h, &head, &body), 0);
	ck_assert_uint_eq(h.length / 2, body);
	ck_assert_ptr_nonnull(http1_header(&h, "authorization"));
}
END_TEST

/* Each kind toward a BSM is one that the engine knows, and says in words. */
START_TEST(kinds)
{
	struct load_conf c = { .side = LOAD_BSM };
	static struct load_report r;
	char text[LOAD_WORDS];
	unsigned n = 0;

	for (const struct load_misdeed *d = load_misdeeds; d->name; d++) {
		unsigned row = 0;
		if (!(d->sides & 1u << LOAD_BSM))
			continue;
		ck_assert_uint_eq(d->sides, 1u << LOAD_BSM);
		ck_assert_int_eq(d->duty, LOAD_EARNS);
		c.misdeed = d;
		load_judge(&c, &r, text);
		ck_assert_uint_lt(strlen(text), LOAD_WORDS - 1);	/* nothing was cut */
		while (row < ROWS && strcmp(rows[row].kind, d->name) != 0)
			row++;
		ck_assert_msg(row < ROWS, "%s is not tried", d->name);
		n++;
	}
	ck_assert_uint_eq(n, 15);
}
END_TEST

SUITE("load_rogue", tcase_add_loop_test(t, earns, 0, ROWS); tcase_add_test(t, octets); tcase_add_test(t, kinds))
