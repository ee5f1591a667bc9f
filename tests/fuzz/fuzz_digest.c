/*
 * tests/fuzz/fuzz_digest.c: the first octet says whose header the rest is: a client's, a server's challenge, or its Authentication-Info. What
 * parses must print, unless it is too long, and then parse to the same again.
 */
#include <stdlib.h>
#include <string.h>
#include "kms/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char pass[] = "tbmXD86T6VvM30k/fRjcdV7bocFbvbpgTlrkE6AAbjE=";

static void
must(int right)
{
	if (!right)
		abort();
}

static void
credentials(const char *text)
{
	static char header[16384], info[16384];
	static struct digest_credentials c, d;
	char want[DIGEST_HEX], again[DIGEST_HEX], next[DIGEST_TEXT];

	if (digest_credentials_parse(text, &c) < 0)
		return;
	must(digest_response(&c, pass, strlen(pass), "POST", "body", 4, want) == 0);
	must(digest_right(&c, DIGEST_NONE, pass, strlen(pass), "POST", "body", 4) == (strcmp(want, c.response) == 0));
	must(digest_credentials_print(&c, header, sizeof(header)) > 0);
	must(digest_credentials_parse(header, &d) == 0 && d.qop == c.qop && d.algorithm == c.algorithm);
	must(digest_response(&d, pass, strlen(pass), "POST", "body", 4, again) == 0 && strcmp(want, again) == 0);
	must(digest_info_print(&c, pass, strlen(pass), "reply", 5, c.nonce, info, sizeof(info)) > 0);
	must(digest_info_right(info, &c, pass, strlen(pass), "reply", 5, next) && strcmp(next, c.nonce) == 0);
}

static void
challenge(const char *text)
{
	static char header[16384];
	struct digest_challenge c, d;

	if (digest_challenge_parse(text, &c) < 0)
		return;
	must(digest_challenge_print(&c, header, sizeof(header)) > 0 && digest_challenge_parse(header, &d) == 0);
	must(strcmp(c.realm, d.realm) == 0 && strcmp(c.nonce, d.nonce) == 0 && strcmp(c.opaque, d.opaque) == 0);
	must(c.auth == d.auth && c.auth_int == d.auth_int && c.algorithm == d.algorithm && c.stale == d.stale);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct digest_credentials c = { .username = "u", .realm = "r", .nonce = "n", .uri = "/", .cnonce = "c", .nc = 1, .qop = DIGEST_AUTH_INT };
	char next[DIGEST_TEXT], *text = size ? malloc(size) : NULL;

	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);	/* exact, so that a sanitizer sees the first octet read past the end */
	text[size - 1] = '\0';
	switch (data[0]) {
	case 'C':
		credentials(text);
		break;
	case 'W':
		challenge(text);
		break;
	default:
		digest_info_right(text, &c, pass, strlen(pass), "reply", 5, next);
		must(digest_nonce_age((const uint8_t *)"0123456789abcdef0123456789abcdef", 0, text, NULL, 0) < 0);
	}
	free(text);
	return 0;
}
