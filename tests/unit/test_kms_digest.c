/* tests/unit/test_kms_digest.c: HTTP Digest, both sides */
#include <string.h>
#include "kms/digest.h"
#include "tests/unit/mikey_vectors.h"

static const char rfc2617[] = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "
	"uri=\"/dir/index.html\", qop=auth, nc=00000001, cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", "
	"opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";

START_TEST(rfc2617_3_5_holds)
{
	struct digest_credentials c;
	char pass[] = "Circle Of Life";

	ck_assert_int_eq(digest_credentials_parse(rfc2617, &c), 0);
	ck_assert_str_eq(c.username, "Mufasa");
	ck_assert_str_eq(c.opaque, "5ccc069c403ebaf9f0171e9517f40e41");
	ck_assert_uint_eq(c.nc, 1);
	ck_assert_int_eq(c.qop, DIGEST_AUTH);
	ck_assert_int_eq(c.algorithm, DIGEST_MD5);
	ck_assert(digest_right(&c, DIGEST_AUTH, pass, strlen(pass), "GET", NULL, 0));
	ck_assert(digest_right(&c, DIGEST_NONE, pass, strlen(pass), "GET", NULL, 0));
	ck_assert(!digest_right(&c, DIGEST_AUTH_INT, pass, strlen(pass), "GET", NULL, 0));
	ck_assert(!digest_right(&c, DIGEST_AUTH, pass, strlen(pass), "POST", NULL, 0));
	ck_assert(!digest_right(&c, DIGEST_AUTH, pass, strlen(pass) - 1, "GET", NULL, 0));
	/* without qop, as in RFC 2069 */
	ck_assert_int_eq(digest_credentials_parse("Digest username=\"Mufasa\",realm=\"testrealm@host.com\",nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\","
	    "uri=\"/dir/index.html\",response=\"670fd8c2df070c60b045671b8b24ff02\"", &c), 0);
	ck_assert(digest_right(&c, DIGEST_NONE, pass, strlen(pass), "GET", NULL, 0));
	ck_assert(!digest_right(&c, DIGEST_AUTH, pass, strlen(pass), "GET", NULL, 0));
}
END_TEST

/* The credentials of V24 as the client makes them. */
static struct digest_credentials
v24(enum digest_qop qop, const char *response)
{
	json_t *v = vector("V24_digest_registration");
	struct digest_challenge ch = { .auth = qop == DIGEST_AUTH, .auth_int = qop == DIGEST_AUTH_INT };
	struct digest_credentials c;

	snprintf(ch.realm, sizeof(ch.realm), "%s", text_of(v, "realm"));
	snprintf(ch.nonce, sizeof(ch.nonce), "%s", text_of(v, "nonce"));
	snprintf(ch.opaque, sizeof(ch.opaque), "%s", text_of(v, "opaque"));
	digest_begin(&c, &ch);
	snprintf(c.username, sizeof(c.username), "%s", text_of(v, "username"));
	snprintf(c.uri, sizeof(c.uri), "%s", text_of(v, "uri"));
	snprintf(c.cnonce, sizeof(c.cnonce), "%s", text_of(v, "cnonce"));
	c.nc = 1;
	ck_assert_int_eq(c.qop, qop);
	const char *pass = text_of(v, "password"), *body = text_of(v, "body");
	ck_assert_int_eq(digest_response(&c, pass, strlen(pass), text_of(v, "method"), body, strlen(body), c.response), 0);
	ck_assert_str_eq(c.response, text_of(v, response));
	return c;
}

START_TEST(registration_is_v24)
{
	enum digest_qop qop = _i ? DIGEST_AUTH : DIGEST_AUTH_INT;
	json_t *v = vector("V24_digest_registration");
	struct digest_credentials c = v24(qop, _i ? "response_auth" : "response_auth_int"), got;
	const char *body = text_of(v, "body"), *reply = text_of(v, "response_body");
	char header[DIGEST_HEADER], pass[45], info[DIGEST_HEADER], next[DIGEST_TEXT];
	uint8_t srk[32];
	size_t n;

	hex_of(vector("V03_gba_kdf"), "SRK", srk, sizeof(srk));
	ck_assert_uint_eq(digest_srk_password(srk, pass), 44);
	ck_assert_str_eq(pass, text_of(v, "password"));
	ck_assert_uint_gt(n = digest_credentials_print(&c, header, sizeof(header)), 0);
	ck_assert_uint_eq(strlen(header), n);
	for (size_t cap = 0; cap <= n; cap++)
		ck_assert_uint_eq(digest_credentials_print(&c, info, cap), 0);
	ck_assert_int_eq(digest_credentials_parse(header, &got), 0);
	ck_assert(digest_right(&got, qop, pass, 44, "POST", body, strlen(body)));
	ck_assert(digest_right(&got, qop, pass, 44, "POST", body, strlen(body) - 1) == (qop == DIGEST_AUTH));
	ck_assert(!digest_right(&got, qop, pass, 43, "POST", body, strlen(body)));
	got.response[0] = '\0';
	ck_assert(!digest_right(&got, qop, pass, 44, "POST", body, strlen(body)));

	ck_assert_uint_gt(digest_info_print(&got, pass, 44, reply, strlen(reply), "fresh", info, sizeof(info)), 0);
	if (qop == DIGEST_AUTH_INT)
		ck_assert_ptr_nonnull(strstr(info, text_of(v, "rspauth_auth_int")));
	ck_assert(digest_info_right(info, &c, pass, 44, reply, strlen(reply), next));
	ck_assert_str_eq(next, "fresh");
	ck_assert(!digest_info_right(info, &c, pass, 43, reply, strlen(reply), next));
	ck_assert_str_eq(next, "");
	ck_assert(digest_info_right(info, &c, pass, 44, reply, strlen(reply) - 1, next) == (qop == DIGEST_AUTH));
	c.nc = 2;
	ck_assert(!digest_info_right(info, &c, pass, 44, reply, strlen(reply), next));
	ck_assert_uint_gt(digest_info_print(&got, pass, 44, reply, strlen(reply), NULL, info, sizeof(info)), 0);
	ck_assert_ptr_null(strstr(info, "nextnonce"));
}
END_TEST

START_TEST(bootstrapping_is_v04)
{
	json_t *v = vector("V04_ub_digest_akav1");
	struct digest_challenge ch = { .auth_int = true, .algorithm = DIGEST_AKA }, seen;
	struct digest_credentials c;
	char header[DIGEST_HEADER];
	uint8_t res[8];

	hex_of(v, "password_hex", res, sizeof(res));
	snprintf(ch.realm, sizeof(ch.realm), "%s", text_of(v, "realm"));
	snprintf(ch.nonce, sizeof(ch.nonce), "%s", text_of(v, "nonce"));
	ck_assert_uint_gt(digest_challenge_print(&ch, header, sizeof(header)), 0);
	ck_assert_str_eq(header, "Digest realm=\"bsf.mnc001.mcc001.pub.3gppnetwork.org\", nonce=\"I1U8vpY3qJ0hiuZNrke/NVXzKLQ1d7m5Sp/6w1Tfr7M=\", "
	    "algorithm=AKAv1-MD5, qop=\"auth-int\"");
	ck_assert_int_eq(digest_challenge_parse(header, &seen), 0);
	digest_begin(&c, &seen);
	ck_assert_int_eq(c.algorithm, DIGEST_AKA);
	snprintf(c.username, sizeof(c.username), "%s", text_of(v, "username"));
	snprintf(c.uri, sizeof(c.uri), "%s", text_of(v, "uri"));
	snprintf(c.cnonce, sizeof(c.cnonce), "%s", text_of(v, "cnonce"));
	c.nc = 1;
	ck_assert_int_eq(digest_response(&c, res, sizeof(res), text_of(v, "method"), NULL, 0, c.response), 0);
	ck_assert_str_eq(c.response, text_of(v, "response"));
	snprintf(c.auts, sizeof(c.auts), "AAAA=");
	ck_assert_uint_gt(digest_credentials_print(&c, header, sizeof(header)), 0);
	ck_assert_int_eq(digest_credentials_parse(header, &c), 0);
	ck_assert_str_eq(c.auts, "AAAA=");
	ck_assert(digest_right(&c, DIGEST_AUTH_INT, res, sizeof(res), "GET", NULL, 0));
	/* the first request on Ub has no response */
	ck_assert_int_eq(digest_credentials_parse("Digest username=\"i@x\", realm=\"bsf\", nonce=\"\", uri=\"/\", response=\"\"", &c), 0);
	ck_assert_str_eq(c.username, "i@x");
	ck_assert_str_eq(c.response, "");
}
END_TEST

#define MIN "username=\"u\", realm=\"r\", nonce=\"n\", uri=\"/\", "
#define HEX32 "6629fae49393a05397450978507c4ef1"
static const struct { const char *text; int result; } headers[] = {
	{ "Digest " MIN "response=\"" HEX32 "\"", 0 },
	{ "  dIgEsT\t" MIN "response = " HEX32 "  ,, qop= \"auth-int\" ,nc=0000000A,cnonce=\"x\",future=\"a, b\\\"c\"", 0 },
	{ "Digest " MIN "response=\"\", algorithm=md5", 0 },
	{ "Digest " MIN "response=\"\", algorithm=\"AKAv1-MD5\"", 0 },
	{ "Digest " MIN "response=\"\",", 0 },
	{ "Digest", -1 }, { "Digest ", -1 }, { "", -1 }, { "Basic dTpw", -1 }, { "Digestusername=\"u\"", -1 },
	{ "Digest realm=\"r\", nonce=\"n\", uri=\"/\", response=\"\"", -1 },		/* no username */
	{ "Digest username=\"u\", realm=\"r\", nonce=\"n\", response=\"\"", -1 },	/* no uri */
	{ "Digest " MIN "", -1 },							/* no response */
	{ "Digest " MIN "response=\"\", username=\"v\"", -1 },			/* twice */
	{ "Digest " MIN "response=\"\", USERNAME=\"u\"", -1 },
	{ "Digest " MIN "response=\"" HEX32 "0\"", -1 }, { "Digest " MIN "response=\"6629fae4\"", -1 },
	{ "Digest " MIN "response=\"x629fae49393a05397450978507c4ef1\"", -1 },
	{ "Digest " MIN "response=\"" HEX32 "\", qop=auth", -1 },			/* neither nc nor cnonce */
	{ "Digest " MIN "response=\"" HEX32 "\", qop=auth, nc=00000001", -1 },
	{ "Digest " MIN "response=\"" HEX32 "\", qop=auth, cnonce=\"x\"", -1 },
	{ "Digest " MIN "response=\"" HEX32 "\", qop=auth, nc=1, cnonce=\"x\"", -1 },
	{ "Digest " MIN "response=\"" HEX32 "\", qop=auth, nc=+0000001, cnonce=\"x\"", -1 },
	{ "Digest " MIN "response=\"" HEX32 "\", qop=auth, nc=000000001, cnonce=\"x\"", -1 },
	{ "Digest " MIN "response=\"" HEX32 "\", qop=token, nc=00000001, cnonce=\"x\"", -1 },
	{ "Digest " MIN "response=\"" HEX32 "\", qop=\"\", nc=00000001, cnonce=\"x\"", -1 },
	{ "Digest " MIN "response=\"" HEX32 "\", qop=\"auth,auth-int\", nc=00000001, cnonce=\"x\"", -1 },
	{ "Digest " MIN "response=\"\", algorithm=SHA-256", -1 }, { "Digest " MIN "response=\"\", algorithm=MD5-sess", -1 },
	{ "Digest " MIN "response=\"\" opaque=\"x\"", -1 },				/* no comma */
	{ "Digest " MIN "response=\"", -1 }, { "Digest " MIN "response=\"\\", -1 }, { "Digest " MIN "response=", -1 },
	{ "Digest " MIN "response=\"\", =x", -1 }, { "Digest " MIN "response=\"\", x", -1 }, { "Digest " MIN "response=\"\", opaque=\"a\nb\"", -1 },
	{ "Digest " MIN "response=\"\", opaque=a\rb", -1 }, { "Digest " MIN "response=\"\", opaque=a\"b\"", -1 },
};
enum { HEADERS = sizeof(headers) / sizeof(headers[0]) };

START_TEST(headers_are_taken_or_refused)
{
	struct digest_credentials c;

	ck_assert_msg(digest_credentials_parse(headers[_i].text, &c) == headers[_i].result, "%s", headers[_i].text);
}
END_TEST

START_TEST(values_are_bounded_and_unquoted)
{
	struct digest_credentials c;
	char text[4096], name[2 * DIGEST_TEXT];

	for (size_t len = DIGEST_TEXT - 2; len <= DIGEST_TEXT; len++) {
		memset(name, 'x', sizeof(name));
		name[len] = '\0';
		snprintf(text, sizeof(text), "Digest username=\"%s\", realm=\"r\", nonce=\"n\", uri=\"/\", response=\"\"", name);
		ck_assert_int_eq(digest_credentials_parse(text, &c), len < DIGEST_TEXT ? 0 : -1);
	}
	ck_assert_int_eq(digest_credentials_parse("Digest username=\"a\\\"b\\\\c, d=\\e\", realm=\"\", nonce=\"n\", uri=\"/?a=b&c\", response=\"\"", &c), 0);
	ck_assert_str_eq(c.username, "a\"b\\c, d=e");
	ck_assert_str_eq(c.uri, "/?a=b&c");
	ck_assert_uint_gt(digest_credentials_print(&c, text, sizeof(text)), 0);
	ck_assert_int_eq(digest_credentials_parse(text, &c), 0);
	ck_assert_str_eq(c.username, "a\"b\\c, d=e");
	snprintf(c.username, sizeof(c.username), "a\r\nSet-Cookie: b");	/* no header of ours is two */
	ck_assert_uint_eq(digest_credentials_print(&c, text, sizeof(text)), 0);
}
END_TEST

START_TEST(challenges_are_read_as_written)
{
	struct digest_challenge c = { .realm = "a \"b\"", .nonce = "n", .opaque = "o", .auth = true, .auth_int = true, .stale = true }, got;
	char text[DIGEST_HEADER];
	size_t n = digest_challenge_print(&c, text, sizeof(text));

	ck_assert_str_eq(text, "Digest realm=\"a \\\"b\\\"\", nonce=\"n\", opaque=\"o\", stale=true, algorithm=MD5, qop=\"auth,auth-int\"");
	ck_assert_uint_eq(digest_challenge_print(&c, text, n), 0);
	ck_assert_uint_eq(digest_challenge_print(&c, text, n + 1), n);
	ck_assert_int_eq(digest_challenge_parse(text, &got), 0);
	ck_assert_mem_eq(&got, &c, sizeof(c));
	ck_assert_int_eq(digest_challenge_parse("Digest realm=\"x\", nonce=\"y\", qop=\"other, auth-int\", domain=\"/a /b\"", &got), 0);
	ck_assert(got.auth_int && !got.auth && !got.stale);
	ck_assert_int_eq(digest_challenge_parse("Digest realm=\"x\", qop=\"auth\"", &got), -1);
	ck_assert_int_eq(digest_challenge_parse("Digest realm=\"x\", nonce=\"y\", algorithm=SHA-256", &got), -1);
	ck_assert_int_eq(digest_challenge_parse("Basic realm=\"x\"", &got), -1);
}
END_TEST

START_TEST(nonces_are_ours_fresh_and_bound)
{
	static const uint8_t key[32] = { 1 }, other[32] = { 2 };
	const int64_t now = 1800000000000000;
	char a[DIGEST_NONCE], b[DIGEST_NONCE], c[DIGEST_NONCE + 1];

	ck_assert_uint_eq(digest_nonce_make(key, now, "realm", 5, a, sizeof(a)), DIGEST_NONCE - 1);
	ck_assert_uint_eq(digest_nonce_make(key, now, "realm", 5, b, sizeof(b)), DIGEST_NONCE - 1);
	ck_assert_str_ne(a, b);
	ck_assert_uint_eq(digest_nonce_make(key, now, "realm", 5, b, DIGEST_NONCE - 1), 0);
	ck_assert_int_eq(digest_nonce_age(key, now + 17, a, "realm", 5), 17);
	ck_assert_int_eq(digest_nonce_age(key, now - 5, a, "realm", 5), 0);
	ck_assert_int_eq(digest_nonce_age(other, now, a, "realm", 5), -1);
	ck_assert_int_eq(digest_nonce_age(key, now, a, "realn", 5), -1);
	ck_assert_int_eq(digest_nonce_age(key, now, a, "realm", 4), -1);
	ck_assert_int_eq(digest_nonce_age(key, now, "", "realm", 5), -1);
	for (size_t k = 0; k < DIGEST_NONCE - 1; k++) {
		memcpy(c, a, sizeof(a));
		c[k] = c[k] == 'A' ? 'B' : 'A';
		ck_assert_int_eq(digest_nonce_age(key, now, c, "realm", 5), -1);
		c[k] = ' ';
		ck_assert_int_eq(digest_nonce_age(key, now, c, "realm", 5), -1);
		c[k] = '\0';
		ck_assert_int_eq(digest_nonce_age(key, now, c, "realm", 5), -1);
	}
	snprintf(c, sizeof(c), "%s ", a);
	ck_assert_int_eq(digest_nonce_age(key, now, c, "realm", 5), -1);
}
END_TEST

SUITE("kms_digest", tcase_add_test(t, rfc2617_3_5_holds); tcase_add_loop_test(t, registration_is_v24, 0, 2);
      tcase_add_test(t, bootstrapping_is_v04); tcase_add_loop_test(t, headers_are_taken_or_refused, 0, HEADERS);
      tcase_add_test(t, values_are_bounded_and_unquoted); tcase_add_test(t, challenges_are_read_as_written);
      tcase_add_test(t, nonces_are_ours_fresh_and_bound))
