/* tests/suite.c */
#include "tests/suite.h"
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

int
suite_run(const char *name, void (*body)(TCase *))
{
	Suite *s = suite_create(name);
	TCase *t = tcase_create(name);
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	body(t);
	r = srunner_create(s);
	srunner_set_tap(r, "-");
	srunner_run_all(r, CK_SILENT);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}

const char *
vec_path(const char *rel)
{
	static char path[4][4096];
	static unsigned turn;
	const char *src = getenv("top_srcdir");
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/tests/data/%s", src ? src : ".", rel);
	return p;
}

static char *
slurp(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text = NULL;
	size_t len = 0, n;

	if (!f)
		return NULL;
	do {
		text = realloc(text, len + 65536 + 1);
		ck_assert_ptr_nonnull(text);
		n = fread(text + len, 1, 65536, f);
		len += n;
	} while (n > 0);
	fclose(f);
	text[len] = '\0';
	return text;
}

const char *
vec_text(const char *rel)
{
	char *text = slurp(vec_path(rel));

	ck_assert_msg(text != NULL, "cannot read tests/data/%s", rel);
	return text;
}

void
vec_golden(const char *rel, const char *text)
{
	const char *mode = getenv("GW_GOLDEN");

	if (mode && strcmp(mode, "write") == 0) {
		FILE *f = fopen(vec_path(rel), "wb");
		ck_assert_msg(f != NULL, "cannot write tests/data/%s", rel);
		fputs(text, f);
		fclose(f);
		return;
	}
	char *want = slurp(vec_path(rel));
	ck_assert_msg(want != NULL, "no golden file tests/data/%s (GW_GOLDEN=write makes it)", rel);
	ck_assert_str_eq(text, want);
	free(want);
}

static int
digit(int c)
{
	return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

size_t
unhex(const char *hex, uint8_t *out, size_t cap)
{
	size_t n = 0;

	while (*hex) {
		if (isspace((unsigned char)*hex)) {
			hex++;
			continue;
		}
		if (*hex == '#') {
			hex += strcspn(hex, "\n");
			continue;
		}
		int hi = digit((unsigned char)hex[0]), lo = hi < 0 ? -1 : digit((unsigned char)hex[1]);
		ck_assert_msg(hi >= 0 && lo >= 0, "not hexadecimal: %.8s", hex);
		ck_assert_uint_lt(n, cap);
		out[n++] = (uint8_t)(hi << 4 | lo);
		hex += 2;
	}
	return n;
}

size_t
vec_hex(const char *rel, uint8_t *out, size_t cap)
{
	char *text = slurp(vec_path(rel));
	size_t n;

	ck_assert_msg(text != NULL, "cannot read tests/data/%s", rel);
	n = unhex(text, out, cap);
	free(text);
	return n;
}

json_t *
vec_json(const char *rel)
{
	json_error_t e;
	json_t *j = json_load_file(vec_path(rel), 0, &e);

	ck_assert_msg(j != NULL, "tests/data/%s:%d: %s", rel, e.line, e.text);
	return j;
}

void
put_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	ck_assert_msg(f != NULL, "%s", path);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

uint16_t
port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	return ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port : ((struct sockaddr_in *)&ss)->sin_port);
}
