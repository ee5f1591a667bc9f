/* tests/unit/test_http1.c: requests as octets; what a server does with them is in test_lib_httpd */
#include "proto/http1.h"
#include <string.h>
#include "tests/suite.h"

static char buf[HTTP1_HEAD + 64];

static int
parse(const char *text, struct http1_head *h)
{
	const char *why = "";
	size_t at = 0;
	int n;

	strcpy(buf, text);
	n = http1_head_end(buf, strlen(text), &at);
	ck_assert_int_gt(n, 0);
	return http1_head_parse(buf, (size_t)n, h, &why);
}

START_TEST(a_request)
{
	struct http1_head h;

	ck_assert_int_eq(parse("PoST http://u@h:1/a%20b?c=d?e#f HTTP/1.1\r\nHOST:  h \t\r\nX-Empty:\r\nx-empty: 2\r\nContent-Length: 007\r\n"
	    "Connection: Upgrade, keep-alive\r\nUpgrade: websocket\r\n\r\nrest", &h), 0);
	ck_assert_str_eq(h.method, "PoST");
	ck_assert_str_eq(h.uri, "http://u@h:1/a%20b?c=d?e#f");
	ck_assert(strncmp(h.path, "/a%20b", h.path_len) == 0 && h.path_len == 6);
	ck_assert_str_eq(h.query, "c=d?e#f");
	ck_assert_str_eq(http1_header(&h, "host"), "h");
	ck_assert_str_eq(http1_header(&h, "x-empty"), "");
	ck_assert_ptr_null(http1_header(&h, "X-Empty"));
	ck_assert_uint_eq(h.length, 7);
	ck_assert(h.keep_alive && !h.chunked && !h.expects);
	ck_assert_uint_eq(h.n, 6);
}
END_TEST

START_TEST(connections)
{
	static const struct { const char *text; bool kept, expects, chunked; } all[] = {
		{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", true, false, false }, { "GET / HTTP/1.0\r\n\r\n", false, false, false },
		{ "GET / HTTP/1.1\r\nHost:\r\nConnection: Closed\r\n\r\n", true, false, false },
		{ "GET / HTTP/1.1\r\nHost:\r\nConnection: a ,\tCLOSE , b\r\n\r\n", false, false, false },
		{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, false, false },
		{ "GET / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", false, false, false },
		{ "OPTIONS * HTTP/1.1\r\nHost:\r\nExpect: 100-CONTINUE\r\nTransfer-Encoding: CHUNKED\r\n\r\n", true, true, true },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct http1_head h;
		ck_assert_int_eq(parse(all[i].text, &h), 0);
		ck_assert_msg(h.keep_alive == all[i].kept && h.expects == all[i].expects && h.chunked == all[i].chunked, "%s", all[i].text);
	}
}
END_TEST

START_TEST(ends)
{
	static const struct { const char *text; int end; } all[] = {
		{ "GET / HTTP/1.1\r\n\r\nrest", 18 }, { "GET / HTTP/1.1\r\n\r", 0 }, { "", 0 }, { "\r\n\r\n", 4 }, { "a\n", -400 }, { "a\rb", -400 },
		{ "a\r\n\n", -400 }, { "a\x7f", -400 }, { "a\x01", -400 }, { "a\tb\x80\r\n\r\n", 8 },
	};
	size_t at = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++, at = 0)
		ck_assert_msg(http1_head_end(all[i].text, strlen(all[i].text), &at) == all[i].end, "%zu", i);
	memset(buf, 'a', sizeof(buf));
	at = 0;
	ck_assert_int_eq(http1_head_end(buf, HTTP1_HEAD - 1, &at), 0);
	ck_assert_int_eq(http1_head_end(buf, sizeof(buf), &at), -414);
	memcpy(buf, "a\r\n", 3);
	at = 0;
	ck_assert_int_eq(http1_head_end(buf, sizeof(buf), &at), -431);
}
END_TEST

START_TEST(chunked)
{
	static const struct { const char *text, *body; enum http1_chunk_event end; } all[] = {
		{ "5\r\nhello\r\n0\r\n\r\nGET", "hello", HTTP1_END }, { "1;a=\"b\"\r\nx\r\n0a \r\n0123456789\r\n00\r\nT: u\r\nV: w\r\n\r\n", "x0123456789", HTTP1_END },
		{ "5\r\nhel", "hel", HTTP1_MORE }, { "0\r\n\r", "", HTTP1_MORE }, { "\r\n", "", HTTP1_BAD }, { "x", "", HTTP1_BAD }, { "5\nhello", "", HTTP1_BAD },
		{ "5\r\nhelloX", "hello", HTTP1_BAD }, { "000000001\r\n", "", HTTP1_BAD }, { "-1\r\n", "", HTTP1_BAD }, { "5;\n", "", HTTP1_BAD },
		{ "0\r\nT\n", "", HTTP1_BAD }, { "0x5\r\n", "", HTTP1_BAD },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct http1_chunks k = { 0 };
		enum http1_chunk_event e;
		const uint8_t *p = (const uint8_t *)all[i].text, *data;
		size_t left = strlen(all[i].text), used, n, len = 0;

		while ((e = http1_chunk(&k, p, left, &used, &data, &n)) == HTTP1_DATA) {
			memcpy(buf + len, data, n);
			len += n;
			p += used;
			left -= used;
		}
		buf[len] = '\0';
		ck_assert_msg(e == all[i].end, "%s", all[i].text);
		ck_assert_str_eq(buf, all[i].body);
		if (e == HTTP1_END && i == 0)
			ck_assert_str_eq((const char *)p + used, "GET");
	}
}
END_TEST

START_TEST(chunks_say_little_else)
{
	struct http1_chunks k = { 0 };
	static uint8_t text[8192];
	const uint8_t *data;
	size_t used, n;

	memset(text, 'x', sizeof(text));
	memcpy(text, "5;", 2);
	ck_assert_int_eq(http1_chunk(&k, text, sizeof(text), &used, &data, &n), HTTP1_BAD);
	ck_assert_uint_lt(used, 4200);
	ck_assert_int_eq(http1_chunk(&k, text, sizeof(text), &used, &data, &n), HTTP1_BAD);
	ck_assert_uint_eq(used, 0);
}
END_TEST

START_TEST(reasons)
{
	ck_assert_str_eq(http1_reason(404), "Not Found");
	ck_assert_str_eq(http1_reason(299), "OK");
	ck_assert_str_eq(http1_reason(499), "Client Error");
	ck_assert_str_eq(http1_reason(599), "Server Error");
}
END_TEST

SUITE("http1", tcase_add_test(t, a_request); tcase_add_test(t, connections); tcase_add_test(t, ends); tcase_add_test(t, chunked);
	tcase_add_test(t, chunks_say_little_else); tcase_add_test(t, reasons);)
