/* tests/unit/test_sdp.c: session descriptions as they are written and read */
#include <stdlib.h>
#include <string.h>
#include "proto/sdp.h"
#include "tests/suite.h"

static struct sdp s;

static int
parse(const char *text, struct sdp_fault *why)
{
	return sdp_parse(text, strlen(text), &s, why);
}

static const char *
text_of(struct sdp_text t)
{
	static char out[4][512];
	static int turn;
	char *o = out[turn = (turn + 1) & 3];

	ck_assert_uint_lt(t.len, sizeof(out[0]));
	memcpy(o, t.p, t.len);
	o[t.len] = '\0';
	return o;
}

#define HEAD "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=x\r\n"
#define WHOLE HEAD "c=IN IP4 233.252.0.1/16\r\nt=0 0\r\n"

START_TEST(lines_are_written)
{
	char out[128];
	struct sdp_writer w;

	sdp_begin(&w, out, sizeof(out));
	sdp_put(&w, 'v', "%d", 0);
	sdp_put(&w, 's', "%s", "Ün");	/* UTF-8 passes */
	ck_assert_uint_eq(sdp_end(&w), 12);
	ck_assert_str_eq(out, "v=0\r\ns=Ün\r\n");
}
END_TEST

START_TEST(what_does_not_fit_or_breaks_a_line_is_no_description)
{
	char out[12];
	struct sdp_writer w;

	sdp_begin(&w, out, 6);
	sdp_put(&w, 'v', "0");
	ck_assert_uint_eq(sdp_end(&w), 5);
	sdp_put(&w, 's', "%s", "");
	ck_assert_uint_eq(sdp_end(&w), 0);
	sdp_begin(&w, out, 5);	/* no room for the '\0' */
	sdp_put(&w, 'v', "0");
	ck_assert_uint_eq(sdp_end(&w), 0);
	sdp_begin(&w, out, sizeof(out));
	sdp_put(&w, 's', "%s", "a\nb");
	ck_assert_uint_eq(sdp_end(&w), 0);
	sdp_put(&w, 's', "a");	/* it stays one */
	ck_assert_uint_eq(sdp_end(&w), 0);
	sdp_begin(&w, NULL, 0);
	sdp_put(&w, 'v', "0");
	ck_assert_uint_eq(sdp_end(&w), 0);
}
END_TEST

START_TEST(identifiers_are_escaped)
{
	char out[32];

	ck_assert_uint_eq(sdp_escape("tv1@operator.example", out, sizeof(out)), 22);
	ck_assert_str_eq(out, "tv1%40operator.example");
	ck_assert_uint_eq(sdp_escape("a;b=\n\xff", out, sizeof(out)), 14);
	ck_assert_str_eq(out, "a%3Bb%3D%0A%FF");
	ck_assert_uint_eq(sdp_escape("abc", out, 3), 3);
	ck_assert_str_eq(out, "ab");
}
END_TEST

START_TEST(the_reference_examples_read)
{
	static const struct { const char *file; unsigned media; const char *proto, *kmstype; } want[] = {
		{ "sdp/ipsec.sdp", 3, "RTP/AVP", "oma-bcast-drm-pki" }, { "sdp/srtp.sdp", 3, "RTP/SAVP", "oma-bcast-drm-pki" },
		{ "sdp/ismacryp.sdp", 4, "RTP/AVP", "oma-bcast-drm-pki" }, { "sdp/cissa.sdp", 2, "RTP/AVP", "oma-bcast-drm-pki" },
	};
	struct sdp_fault why = { SDP_OK, 0 };
	struct sdp_connection c;
	struct sdp_text v, p;
	const char *text = vec_text(want[_i].file);
	size_t at = 0, keys = 0;

	ck_assert_msg(parse(text, &why) == 0, "line %zu %s", why.line, sdp_verdict_name(why.verdict));
	ck_assert_uint_eq(s.nmedia, want[_i].media);
	ck_assert_str_eq(text_of(s.media[0].proto), want[_i].proto);
	ck_assert(sdp_next_attribute(&s, SDP_SESSION, "bcastversion", &at, &v) && sdp_is(v, "1.0"));
	for (unsigned m = 0; m < s.nmedia; m++) {
		ck_assert(sdp_connection_of(&s, (int)m, &c));
		ck_assert(!c.v6 && c.ttl == 16);
		at = 0;
		if (!sdp_is(s.media[m].formats, "vnd.oma.bcast.stkm"))
			continue;
		ck_assert(sdp_next_attribute(&s, (int)m, "fmtp", &at, &v));
		ck_assert(sdp_parameter(v, "kmstype", &p) && (keys++ || sdp_is(p, want[_i].kmstype)));
		ck_assert(!sdp_parameter(v, "kmstyp", &p));
	}
	ck_assert_uint_ge(keys, 1);
}
END_TEST

START_TEST(what_holds_where_is_found)
{
	struct sdp_connection c;
	struct sdp_text v, p;
	size_t at = 0;
	uint64_t n;

	ck_assert_int_eq(parse(WHOLE "a=stkmstream:1\r\nm=video 5004 RTP/AVP 96 97\nc=IN IP6 ff15::1/2\na=stkmstream:2\na=recvonly\na=stkmstream:3\n"
	    "m=audio 5006/2 RTP/AVP 98\na=fmtp:98 a=1;b = 2; c\n", NULL), 0);
	ck_assert(sdp_next_attribute(&s, SDP_SESSION, "stkmstream", &at, &v) && sdp_is(v, "1"));
	ck_assert(!sdp_next_attribute(&s, SDP_SESSION, "stkmstream", &at, &v));
	at = 0;
	ck_assert(sdp_next_attribute(&s, 0, "stkmstream", &at, &v) && sdp_number(v, 65535, &n) && n == 2);
	ck_assert(sdp_next_attribute(&s, 0, "stkmstream", &at, &v) && sdp_is(v, "3"));
	ck_assert(!sdp_next_attribute(&s, 0, "stkmstream", &at, &v));
	at = 0;
	ck_assert(sdp_next_attribute(&s, 0, "recvonly", &at, &v) && v.len == 0);
	ck_assert(sdp_connection_of(&s, 0, &c) && c.v6 && c.ttl == -1);
	ck_assert_str_eq(text_of(c.host), "ff15::1");
	ck_assert(sdp_connection_of(&s, 1, &c) && !c.v6 && c.ttl == 16);
	ck_assert_uint_eq(s.media[1].port, 5006);
	ck_assert_str_eq(text_of(s.media[0].formats), "96 97");
	at = 0;
	ck_assert(sdp_next_attribute(&s, 1, "fmtp", &at, &v));
	ck_assert(sdp_parameter(v, "a", &p) && sdp_is(p, "1"));
	ck_assert(sdp_parameter(v, "b", &p));
	ck_assert(sdp_parameter(v, "c", &p) && p.len == 0);
	ck_assert(!sdp_parameter(v, "98", &p));
	ck_assert(!sdp_number((struct sdp_text){ "65536", 5 }, 65535, &n));
	ck_assert(!sdp_number((struct sdp_text){ "18446744073709551616", 20 }, UINT64_MAX, &n));
	ck_assert(sdp_number((struct sdp_text){ "18446744073709551615", 20 }, UINT64_MAX, &n));
	ck_assert(!sdp_number((struct sdp_text){ "", 0 }, 9, &n));
}
END_TEST

static const struct { const char *text; enum sdp_verdict verdict; size_t line; } bad[] = {
	{ "", SDP_MISSING, 1 },
	{ "v=0", SDP_MISSING, 2 },
	{ HEAD, SDP_MISSING, 4 },
	{ HEAD "t=0 0\r\nm=video 1 RTP/AVP 33\r\n", SDP_MISSING, 6 },	/* no c= */
	{ "v=1\r\n", SDP_VERSION, 1 },
	{ "v:0\r\n", SDP_NO_LINE, 1 },
	{ "v=0\r\n\r\no=", SDP_NO_LINE, 2 },
	{ "v=0\r\ns=x\ro=y\r\n", SDP_CONTROL, 2 },
	{ "v=0\r\ns=x\r\no=- 1 1 IN IP4 a\r\n", SDP_ORDER, 3 },
	{ "v=0\r\nv=0\r\n", SDP_ORDER, 2 },
	{ "v=0\r\no=- 1 IN IP4 a\r\n", SDP_VALUE, 2 },
	{ "v=0\r\no=- 1 x IN IP4 a\r\n", SDP_VALUE, 2 },
	{ "v=0\r\no=- 1 1 IN IP4 a b\r\n", SDP_VALUE, 2 },
	{ HEAD "c=IN IP4 1.2.3.4/256\r\n", SDP_VALUE, 4 },
	{ HEAD "c=IN IP5 1.2.3.4\r\n", SDP_VALUE, 4 },
	{ HEAD "t=0\r\n", SDP_VALUE, 4 },
	{ WHOLE "X=1\r\n", SDP_ORDER, 6 },
	{ WHOLE "m=video 65536 RTP/AVP 33\r\n", SDP_VALUE, 6 },
	{ WHOLE "m=video 1 RTP/AVP\r\n", SDP_VALUE, 6 },
	{ WHOLE "m=video 1 RTP/AVP 33\r\nt=0 0\r\n", SDP_ORDER, 7 },
	{ WHOLE "m=video 1 RTP/AVP 33\r\na=x\r\nc=IN IP4 h\r\n", SDP_ORDER, 8 },
};

START_TEST(bad_ones_are_refused_with_the_place)
{
	struct sdp_fault why = { SDP_OK, 0 };

	ck_assert_int_eq(parse(bad[_i].text, &why), -1);
	ck_assert_msg(why.verdict == bad[_i].verdict && why.line == bad[_i].line, "line %zu %s", why.line, sdp_verdict_name(why.verdict));
	ck_assert_int_eq(parse(bad[_i].text, NULL), -1);
}
END_TEST

START_TEST(reading_is_bounded)
{
	size_t room = 1 << 16, n = strlen(WHOLE);
	char *text = malloc(room);
	struct sdp_fault why;

	memcpy(text, WHOLE, n);
	for (int i = 0; i < SDP_LINES; i++, n += 4)
		memcpy(text + n, "a=x\n", 4);
	ck_assert_int_eq(sdp_parse(text, n, &s, &why), -1);
	ck_assert_int_eq(why.verdict, SDP_TOO_MANY);
	n = strlen(WHOLE);
	for (int i = 0; i <= SDP_MEDIA; i++, n += 14)
		memcpy(text + n, "m=a 1 RTP/A 1\n", 14);
	ck_assert_int_eq(sdp_parse(text, n, &s, &why), -1);
	ck_assert_int_eq(why.verdict, SDP_TOO_MANY);
	ck_assert_int_eq(sdp_parse(text, n - 14, &s, &why), 0);
	free(text);
}
END_TEST

SUITE("sdp", tcase_add_test(t, lines_are_written); tcase_add_test(t, what_does_not_fit_or_breaks_a_line_is_no_description);
    tcase_add_test(t, identifiers_are_escaped); tcase_add_loop_test(t, the_reference_examples_read, 0, 4);
    tcase_add_test(t, what_holds_where_is_found);
    tcase_add_loop_test(t, bad_ones_are_refused_with_the_place, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(t, reading_is_bounded))
