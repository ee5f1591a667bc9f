/* tests/unit/test_lib_session.c: session descriptions of a head-end's services */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "lib/session.h"
#include "proto/sdp.h"
#include "tests/suite.h"

static const struct { const char *service; uint64_t version; } services[] = {
	{ "ipsec", 1 }, { "srtp", 2 }, { "ismacryp", 3 }, { "cissa", 4 }, { "six", 5 },
};
static char out[GW_SESSION_MAX];

static struct headend *
load(const char *rel)
{
	struct gw_err err = { 0 };
	struct headend *h = headend_load(vec_path(rel), &err);

	ck_assert_msg(h != NULL, "%s", err.text);
	return h;
}

static size_t
describe(const struct headend *h, const char *service, const struct gw_session_more *more, size_t cap, struct gw_err *err)
{
	return gw_session_write(h, headend_service(h, service), more, out, cap, err);
}

/* Lines end in CR LF on the wire, in LF in the golden file. */
static char *
plain(void)
{
	static char text[sizeof(out)];
	char *t = text;

	for (const char *p = out; *p; p++) {
		ck_assert(*p != '\r' || p[1] == '\n');
		ck_assert(*p != '\n' || p[-1] == '\r');
		if (*p != '\r')
			*t++ = *p;
	}
	*t = '\0';
	return text;
}

START_TEST(services_are_described_as_the_reference_has_it)
{
	struct headend *h = load("sdp/headend.yaml");
	static struct sdp sdp;
	struct sdp_fault why = { SDP_OK, 0 };
	char name[64];
	size_t n;

	n = describe(h, services[_i].service, &(struct gw_session_more){ .version = services[_i].version }, sizeof(out), NULL);
	ck_assert_uint_eq(n, strlen(out));
	snprintf(name, sizeof(name), "sdp/%s.sdp", services[_i].service);
	vec_golden(name, plain());
	ck_assert_msg(sdp_parse(out, n, &sdp, &why) == 0, "line %zu %s", why.line, sdp_verdict_name(why.verdict));
	headend_free(h);
}
END_TEST

static size_t
sources(void *self, size_t medium, const struct gw_session_source **list)
{
	static const struct gw_session_source two[] = { { 0x12345678, 3 }, { 7, 0 } };

	ck_assert_ptr_eq(self, &services);
	*list = two;
	return medium == 0 ? 2 : 0;
}

START_TEST(sources_are_said_to_those_who_join_late)
{
	struct headend *h = load("sdp/headend.yaml");
	struct gw_session_more more = { .version = 9, .sources = sources, .self = (void *)(uintptr_t)&services };

	ck_assert_uint_gt(describe(h, "srtp", &more, sizeof(out), NULL), 0);
	ck_assert_ptr_nonnull(strstr(out, "a=SRTPROCTxRate:50\r\na=X-simulgate-roc:305419896 3\r\na=X-simulgate-roc:7 0\r\nm=application"));
	headend_free(h);
}
END_TEST

START_TEST(what_cannot_be_described_is_said)
{
	struct headend *h = load("sdp/headend.yaml");
	const struct gw_session_more more = { .version = 1 };
	struct gw_err err = { 0 };
	size_t n;

	ck_assert_uint_eq(describe(h, "none", &more, sizeof(out), &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "headend.yaml:73:5: service none sends no media"));
	n = describe(h, "srtp", &more, sizeof(out), NULL);
	ck_assert_uint_eq(describe(h, "srtp", &more, n + 1, NULL), n);
	for (size_t cap = 0; cap <= n; cap++)
		ck_assert_uint_eq(describe(h, "srtp", &more, cap, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "does not fit"));
	headend_free(h);
}
END_TEST

/* The number before the version, of the o= line. */
static unsigned long long
id_of(const char *text)
{
	return strtoull(strchr(strstr(text, "\no=") + 3, ' '), NULL, 10);
}

START_TEST(session_ids_hang_on_names_alone)
{
	struct headend *h = load("sdp/headend.yaml");
	const struct gw_session_more more = { .version = 1 };
	unsigned long long six;

	ck_assert_uint_gt(describe(h, "six", &more, sizeof(out), NULL), 0);
	six = id_of(out);
	ck_assert_uint_ne(six, 0);
	ck_assert_uint_lt(six, UINT64_C(1) << 63);
	h->head_end[0] = 'B';
	ck_assert_uint_gt(describe(h, "six", &more, sizeof(out), NULL), 0);
	ck_assert_uint_ne(id_of(out), six);
	h->head_end[0] = 'b';
	headend_service(h, "six")->id[2] = 's';
	ck_assert_uint_gt(describe(h, "sis", &more, sizeof(out), NULL), 0);
	ck_assert_uint_ne(id_of(out), six);
	headend_free(h);
}
END_TEST

START_TEST(the_version_is_the_time_of_the_file)
{
	char path[] = "/tmp/gw-session-XXXXXX";
	struct headend h = { .file = path };
	const struct timespec at[2] = { { 1795257000, 5 }, { 1795257000, 5 } };
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(futimens(fd, at), 0);
	ck_assert_uint_eq(gw_session_version(&h), UINT64_C(4004245800));
	remove(path);
	ck_assert_uint_eq(gw_session_version(&h), 1);
}
END_TEST

SUITE("lib_session", tcase_add_loop_test(t, services_are_described_as_the_reference_has_it, 0, sizeof(services) / sizeof(services[0]));
    tcase_add_test(t, sources_are_said_to_those_who_join_late); tcase_add_test(t, what_cannot_be_described_is_said);
    tcase_add_test(t, session_ids_hang_on_names_alone); tcase_add_test(t, the_version_is_the_time_of_the_file))
