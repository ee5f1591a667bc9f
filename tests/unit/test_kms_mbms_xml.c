/* tests/unit/test_kms_mbms_xml.c: the examples of the reference, and what strangers send; xmllint judges what we print */
#include "kms/mbms_xml.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/suite.h"

static const char registration[] = "<mbmsSecurityRegister xmlns=\"urn:3GPP:metadata:2005:MBMS:userServiceRegister\">\n"
	"  <serviceID>urn:allServices</serviceID>            <!-- 1..n, anyURI -->\n</mbmsSecurityRegister>\n";
static const char registered[] = "<mbmsSecurityRegisterResponse xmlns=\"urn:3GPP:metadata:2005:MBMS:userServiceRegisterResponse\">\n"
	"<Response><serviceID>urn:a</serviceID><ResponseCode>200</ResponseCode></Response><other/>\n"
	"<Response><x:more xmlns:x='urn:x'><serviceID>no</serviceID></x:more><ResponseCode> 403\n</ResponseCode><serviceID>urn:b</serviceID></Response>"
	"</mbmsSecurityRegisterResponse>";
static const char asked[] = "<m:mbmsMSKRequest xmlns:m='urn:other'><m:MSK><m:keyDomainID>APEQ</m:keyDomainID><m:MSKID>AAEAAA==</m:MSKID></m:MSK></m:mbmsMSKRequest>";

START_TEST(examples_parse)
{
	struct mbms_list l;
	struct gw_err err = { 0 };

	ck_assert_msg(mbms_request_parse(MBMS_REGISTER, registration, strlen(registration), &l, &err) == 0, "%s", err.text);
	ck_assert_uint_eq(l.n, 1);
	ck_assert_str_eq(l.items[0].service, mbms_all_services);
	mbms_list_free(&l);
	ck_assert_msg(mbms_response_parse(MBMS_DEREGISTER, registered, strlen(registered), &l, &err) == 0, "%s", err.text);
	ck_assert_uint_eq(l.n, 2);
	ck_assert_str_eq(l.items[1].service, "urn:b");
	ck_assert_uint_eq(l.items[1].code, 403);
	mbms_list_free(&l);
	ck_assert_msg(mbms_request_parse(MBMS_MSK, asked, strlen(asked), &l, &err) == 0, "%s", err.text);
	ck_assert_uint_eq(l.n, 1);
	ck_assert(l.items[0].key.has_domain && l.items[0].key.has_key);
	ck_assert_mem_eq(l.items[0].key.domain, "\x00\xf1\x10", 3);
	ck_assert_uint_eq(l.items[0].key.key_group, 1);
	ck_assert_uint_eq(l.items[0].key.key_number, 0);
	mbms_list_free(&l);
	mbms_list_free(&l);
}
END_TEST

START_TEST(strangers_are_refused)
{
	static const struct { enum mbms_procedure p; bool response; const char *text, *why; } bad[] = {
		{ MBMS_REGISTER, false, "<mbmsSecurityRegister/>", "serviceID is missing" },
		{ MBMS_REGISTER, false, "<mbmsSecurityDeregister><serviceID>a</serviceID></mbmsSecurityDeregister>", "not a mbmsSecurityRegister" },
		{ MBMS_REGISTER, false, "<mbmsSecurityRegister><serviceID> </serviceID></mbmsSecurityRegister>", "serviceID" },
		{ MBMS_REGISTER, false, "<mbmsSecurityRegister><serviceID><b/></serviceID></mbmsSecurityRegister>", "serviceID" },
		{ MBMS_REGISTER, false, "<mbmsSecurityRegister>\n<serviceID>", "line 2" },
		{ MBMS_REGISTER, true, "<mbmsSecurityRegisterResponse><Response><serviceID>a</serviceID></Response></mbmsSecurityRegisterResponse>", "ResponseCode" },
		{ MBMS_REGISTER, true, "<mbmsSecurityRegisterResponse><Response><ResponseCode>200</ResponseCode></Response></mbmsSecurityRegisterResponse>", "serviceID" },
		{ MBMS_REGISTER, true, "<mbmsSecurityRegisterResponse><Response><serviceID>a</serviceID><ResponseCode>2000</ResponseCode></Response>"
		    "</mbmsSecurityRegisterResponse>", "ResponseCode" },
		{ MBMS_MSK, false, "<mbmsMSKRequest><MSK><keyDomainID>APEQAA==</keyDomainID><MSKID>AAEAAA==</MSKID></MSK></mbmsMSKRequest>", "keyDomainID" },
		{ MBMS_MSK, false, "<mbmsMSKRequest><MSK><keyDomainID>APEQ</keyDomainID><MSKID>AAEAAB==</MSKID></MSK></mbmsMSKRequest>", "MSKID" },
		{ MBMS_MSK, false, "<mbmsMSKRequest><MSK><keyDomainID>APEQ</keyDomainID><MSKID>AAEAAAAA</MSKID></MSK></mbmsMSKRequest>", "MSKID" },
		{ MBMS_MSK, false, "<mbmsMSKRequest><MSK><MSKID>AAEAAA==</MSKID></MSK></mbmsMSKRequest>", "keyDomainID" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct gw_err err = { 0 };
		struct mbms_list l;
		int (*parse)(enum mbms_procedure, const void *, size_t, struct mbms_list *, struct gw_err *) = bad[i].response ? mbms_response_parse : mbms_request_parse;

		ck_assert_msg(parse(bad[i].p, bad[i].text, strlen(bad[i].text), &l, &err) == -1, "it parsed: %s", bad[i].text);
		ck_assert_msg(strstr(err.text, bad[i].why) != NULL, "'%s' does not say '%s'", err.text, bad[i].why);
		ck_assert_ptr_null(l.items);
	}
}
END_TEST

START_TEST(too_many)
{
	size_t cap = 100 + (MBMS_ITEMS + 1) * 40, n = 0;
	char *text = malloc(cap);
	struct gw_err err = { 0 };
	struct mbms_list l;

	for (int items = MBMS_ITEMS; items <= MBMS_ITEMS + 1; items++) {
		n = (size_t)snprintf(text, cap, "<mbmsSecurityRegister>");
		for (int i = 0; i < items; i++)
			n += (size_t)snprintf(text + n, cap - n, "<serviceID>urn:%d</serviceID>", i);
		n += (size_t)snprintf(text + n, cap - n, "</mbmsSecurityRegister>");
		ck_assert_int_eq(mbms_request_parse(MBMS_REGISTER, text, n, &l, &err), items == MBMS_ITEMS ? 0 : -1);
		mbms_list_free(&l);
	}
	ck_assert_ptr_nonnull(strstr(err.text, "too often"));
	free(text);
}
END_TEST

/* Our own schemas, and a judge that is not ours. */
static void
judge(const char *text, const char *schema)
{
	const char *src = getenv("top_srcdir"), *judges = getenv("SIMULGATE_JUDGES");
	char path[] = "/tmp/mbms-XXXXXX", command[512];
	int fd = mkstemp(path), rc;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	snprintf(command, sizeof(command), "xmllint --nonet --noout --schema %s/kms/mbms/%s.xsd %s 2>/dev/null", src ? src : ".", schema, path);
	rc = system(command);
	unlink(path);
	if (WIFEXITED(rc) && WEXITSTATUS(rc) == 127 && strcmp(judges ? judges : "", "required") != 0)
		return;		/* no xmllint here */
	ck_assert_msg(rc == 0, "xmllint on %s: %s", schema, text);
}

START_TEST(what_is_printed_parses_and_validates)
{
	static const struct { enum mbms_procedure p; bool response; const char *schema; } all[] = {
		{ MBMS_REGISTER, false, "mbms-register" }, { MBMS_REGISTER, true, "mbms-register-response" }, { MBMS_DEREGISTER, false, "mbms-deregister" },
		{ MBMS_DEREGISTER, true, "mbms-register-response" }, { MBMS_MSK, false, "mbms-msk" }, { MBMS_MSK, true, "mbms-msk-response" },
	};
	struct mbms_item items[2] = {
		{ .service = "urn:allServices", .key = { .has_domain = true, .has_key = true, .domain = { 0, 0xf1, 0x10 }, .key_group = 1 }, .code = 200 },
		{ .service = "cid:a&b<c>'\"", .key = { .has_domain = true, .has_key = true, .domain = { 255, 1, 2 }, .key_group = 65535, .key_number = 258 }, .code = 503 },
	};
	const struct mbms_list l = { items, 2 };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct gw_err err = { 0 };
		struct mbms_list got;
		char *text = all[i].response ? mbms_response_print(all[i].p, &l) : mbms_request_print(all[i].p, &l);

		ck_assert_ptr_nonnull(text);
		ck_assert_msg((all[i].response ? mbms_response_parse : mbms_request_parse)(all[i].p, text, strlen(text), &got, &err) == 0, "%s: %s", err.text, text);
		ck_assert_uint_eq(got.n, 2);
		for (size_t k = 0; k < 2; k++) {
			if (all[i].p == MBMS_MSK) {
				ck_assert_mem_eq(got.items[k].key.domain, items[k].key.domain, 3);
				ck_assert_uint_eq(got.items[k].key.key_group, items[k].key.key_group);
				ck_assert_uint_eq(got.items[k].key.key_number, items[k].key.key_number);
			} else {
				ck_assert_str_eq(got.items[k].service, items[k].service);
			}
			ck_assert_uint_eq(got.items[k].code, all[i].response ? items[k].code : 0);
		}
		judge(text, all[i].schema);
		mbms_list_free(&got);
		free(text);
	}
}
END_TEST

START_TEST(prints_as_the_vectors)
{
	struct mbms_item all = { .service = "urn:allServices" }, key = { .key = { .has_domain = true, .has_key = true, .domain = { 0x00, 0xf1, 0x10 }, .key_group = 1 } };
	struct mbms_item had[] = { { .service = "urn:allServices", .code = 200 }, { .service = "urn:example:pi:sportsurn:example:pd:monthly", .code = 200 } };
	const struct { const char *vector, *field; char *text; } rows[] = {
		{ "V24_digest_registration", "body", mbms_request_print(MBMS_REGISTER, &(struct mbms_list){ &all, 1 }) },
		{ "V24_digest_registration", "response_body", mbms_response_print(MBMS_REGISTER, &(struct mbms_list){ had, 2 }) },
		{ "V28_msk_request_body", "body", mbms_request_print(MBMS_MSK, &(struct mbms_list){ &key, 1 }) },
	};
	json_t *file = vec_json("bcast/mikey-vectors.json"), *vectors = json_object_get(file, "vectors");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_str_eq(rows[i].text, json_string_value(json_object_get(json_object_get(vectors, rows[i].vector), rows[i].field)));
		free(rows[i].text);
	}
	json_decref(file);
}
END_TEST

START_TEST(procedures)
{
	ck_assert_int_eq(mbms_procedure_of("application/mbms-register+xml", "requesttype=msk-request"), MBMS_REGISTER);
	ck_assert_int_eq(mbms_procedure_of("application/mbms-msk+xml", ""), MBMS_MSK);
	ck_assert_int_eq(mbms_procedure_of("text/xml", "requesttype=deregister"), MBMS_DEREGISTER);
	ck_assert_int_eq(mbms_procedure_of("", "x=1&type=register&y"), MBMS_REGISTER);
	ck_assert_int_eq(mbms_procedure_of("", "msk-request"), MBMS_MSK);
	ck_assert_int_eq(mbms_procedure_of("", "requesttype=registers"), -1);
	ck_assert_int_eq(mbms_procedure_of("", ""), -1);
	ck_assert_int_eq(mbms_procedure_of(NULL, NULL), -1);
	for (int p = 0; p < MBMS_PROCEDURES; p++) {
		ck_assert_int_eq(mbms_procedure_of(mbms_media_type(p, false), ""), p);
		ck_assert_int_eq(mbms_procedure_of("", mbms_request_type(p)), p);
	}
	ck_assert_str_eq(mbms_media_type(MBMS_DEREGISTER, true), "application/mbms-register-response+xml");
}
END_TEST

START_TEST(bootstrapping)
{
	static const char btid[] = "I1U8vpY3qJ0hiuZNrke/NQ==@bsf.mnc001.mcc001.pub.3gppnetwork.org";
	char *text = mbms_bootstrapping_print(btid, INT64_C(1798761600999999)), name[128];
	struct gw_err err = { 0 };
	int64_t at = 0;

	ck_assert_ptr_nonnull(strstr(text, "<lifetime>2027-01-01T00:00:00Z</lifetime>"));
	judge(text, "bootstrapping");
	ck_assert_msg(mbms_bootstrapping_parse(text, strlen(text), name, sizeof(name), &at, &err) == 0, "%s", err.text);
	ck_assert_str_eq(name, btid);
	ck_assert_int_eq(at, INT64_C(1798761600000000));
	ck_assert_int_eq(mbms_bootstrapping_parse(text, strlen(text), name, 20, &at, &err), -1);
	free(text);
}
END_TEST

START_TEST(lifetimes)
{
	static const struct { const char *text; int64_t s; } times[] = {
		{ "2027-01-01T00:00:00Z", 1798761600 }, { "2027-01-01T02:00:00+02:00", 1798761600 }, { "2026-12-31T18:30:00.5-05:30", 1798761600 },
		{ "2027-01-01T00:00:00", 1798761600 }, { "2027-13-01T00:00:00Z", -1 }, { "2027-01-01", -1 }, { "tomorrow", -1 }, { "2027-01-01T00:00:00ZZ", -1 },
		{ "2027-01-01T00:00:00+2", -1 }, { "12027-01-01T00:00:00Z", -1 },
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		char text[256], name[32];
		int64_t at = 0;
		int n = snprintf(text, sizeof(text), "<BootstrappingInfo><btid>a@b</btid><lifetime>%s</lifetime></BootstrappingInfo>", times[i].text);
		int rc = mbms_bootstrapping_parse(text, (size_t)n, name, sizeof(name), &at, NULL);

		ck_assert_msg(rc == (times[i].s < 0 ? -1 : 0), "%s", times[i].text);
		if (rc == 0)
			ck_assert_int_eq(at, times[i].s * 1000000);
	}
}
END_TEST

SUITE("kms_mbms_xml", tcase_add_test(t, examples_parse); tcase_add_test(t, strangers_are_refused); tcase_add_test(t, too_many);
	tcase_add_test(t, what_is_printed_parses_and_validates); tcase_add_test(t, prints_as_the_vectors);
	tcase_add_test(t, procedures); tcase_add_test(t, bootstrapping); tcase_add_test(t, lifetimes);)
