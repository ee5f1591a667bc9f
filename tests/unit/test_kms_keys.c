/* tests/unit/test_kms_keys.c */
#include "tests/unit/kms_host.h"
#include "kms/keys.h"

#define SEAK "{ service_CID_extension: 7, SEK: 0x00112233445566778899aabbccddeeff, SAS: 0x0f1e2d3c4b5a69788796a5b4c3d2e1f0"
#define SEK "{ id: 0x00010001, key: 0x5e4b0000000000000000000000000001, RAND: 0xa0a1a2a3a4a5a6a7a8a9aaabacadaeaf"

#define SERVICES "services:\n  a: { seak: [ " SEAK " } ] }\n"
#define DEVICE "profile: drm\nbase_cid: x\ndevice: { unique_device_number: \"00490123456789012345\", private_key: /dev/null, rights_issuer: /dev/null }\n"
#define ISSUER "rights_issuer: { private_key: /dev/null, RIAK: 0x00112233445566778899aabbccddeeff }\n"
#define MEMBER "{ unique_device_number: \"00490123456789012345\", public_key: /dev/null, UDK: 0x00112233445566778899aabbccddeeff, UDF: 0x4780000345 }"

START_TEST(example_files_load)
{
	struct gw_err err = { 0 };
	struct keys_drm d;
	struct keys_card c;
	uint16_t tek_id;

	for (int k = 0; k < 2; k++) {
		const char *path = private_example(k ? "handset-drm.yaml" : "drm.yaml");
		ck_assert_msg(keys_drm_load(path, &d, &err) == 0, "%s", err.text);
		unlink(path);
		ck_assert_uint_eq(d.nall, 1);
		ck_assert_ptr_eq(keys_drm_service(&d, 1), d.services);
		ck_assert_ptr_eq(keys_drm_service(&d, 2), k ? d.services : NULL);
		ck_assert_ptr_eq(keys_valid(d.services->seak, d.services->nseak, 1795257000), d.all[0]);
		ck_assert_ptr_null(keys_valid(d.services->seak, d.services->nseak, 1));
		ck_assert_ptr_null(d.services->seak[0].key.p);
		keys_drm_free(&d);
	}
	for (int k = 0; k < 2; k++) {
		const char *path = private_example(k ? "handset-smartcard.yaml" : "smartcard.yaml");
		ck_assert_msg(keys_card_load(path, &c, &err) == 0, "%s", err.text);
		unlink(path);
		ck_assert_uint_eq(c.nall, 1);
		ck_assert_ptr_eq(keys_card_service(&c, 2), c.services);
		ck_assert_ptr_eq(keys_sek_at(c.services, 41, &tek_id), c.all[0]);
		ck_assert_uint_eq(tek_id, 42);
		keys_card_free(&c);
	}
}
END_TEST

START_TEST(example_files_of_the_broadcast_channel_load)
{
	struct gw_err err = { 0 };
	struct keys_drm d;
	char path[64];
	const char *at = broadcast_keys();

	snprintf(path, sizeof(path), "%s/drm-broadcast.yaml", at);
	ck_assert_msg(keys_drm_load(path, &d, &err) == 0, "%s", err.text);
	ck_assert(d.issuer.given && !d.device.given);
	ck_assert_uint_eq(d.issuer.lead_ms, 86400000);
	ck_assert_uint_eq(d.ngroups, 1);
	ck_assert_ptr_eq(d.groups[0].rights[0].service, d.services);
	ck_assert_uint_eq(d.ndevices, 1);
	ck_assert_ptr_eq(d.devices[0].group, d.groups);
	ck_assert_uint_eq(d.devices[0].position, 42);
	ck_assert_ptr_nonnull(d.services->seak[0].key.p);	/* it is still to be wrapped */
	ck_assert_ptr_eq(keys_drm_service(&d, 1), d.services);
	keys_drm_free(&d);
	snprintf(path, sizeof(path), "%s/handset-broadcast.yaml", at);
	ck_assert_msg(keys_drm_load(path, &d, &err) == 0, "%s", err.text);
	ck_assert(d.device.given && !d.issuer.given);
	ck_assert_str_eq(d.device.number, "00490123456789012345");
	ck_assert_uint_eq(d.nall, 0);
	keys_drm_free(&d);
	remove_keys(at);
}
END_TEST

START_TEST(of_valid_seaks_the_newest_is_used)
{
	static const char text[] = "profile: drm\nbase_cid: x\nservices:\n  a:\n    seak:\n"
		"      - " SEAK ", valid_to: 2026-03-01T00:00:00Z }\n"
		"      - { service_CID_extension: 9, SEK: 0x00112233445566778899aabbccddeeff, SAS: 0x0f1e2d3c4b5a69788796a5b4c3d2e1f0, "
		"valid_from: 2026-02-01T00:00:00Z, valid_to: 2026-02-15T00:00:00Z }\n"
		"      - { service_CID_extension: 8, SEK: 0x00112233445566778899aabbccddeeff, SAS: 0x0f1e2d3c4b5a69788796a5b4c3d2e1f0, "
		"valid_from: 2026-01-01T00:00:00Z, valid_to: 2026-02-10T00:00:00Z }\n";
	static const struct { int64_t now; int key; } rows[] = { { 1767225599, 0 }, { 1767225600, 2 }, { 1769904000, 1 }, { 1771113600, 0 }, { 1772323200, -1 } };
	struct keys_drm d;
	const char *path = private_file(text, 0600);

	ck_assert_int_eq(keys_drm_load(path, &d, NULL), 0);
	unlink(path);
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
		ck_assert_ptr_eq(keys_valid(d.services->seak, d.services->nseak, rows[k].now), rows[k].key < 0 ? NULL : d.services->seak[rows[k].key].made);
	keys_drm_free(&d);
}
END_TEST

START_TEST(files_that_others_can_read_are_refused)
{
	struct gw_err err = { 0 };
	struct keys_drm d;
	const char *path = private_file("profile: drm\n", 0640);

	ck_assert_int_eq(keys_drm_load(path, &d, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "0640"));
	unlink(path);
	ck_assert_int_eq(keys_drm_load("/nonexistent/keys.yaml", &d, &err), -1);
}
END_TEST

/* What is wrong, where it is said to be, and a word of the sentence. */
static const struct { bool card; const char *text, *place, *word; } wrong[] = {
	{ false, "profile: drm\nbase_cid: x\nservices:\n  a: { seak: [ " SEAK " } ] }\ncolour: red\n", ":5:1:", "colour" },
	{ false, "profile: smartcard\nbase_cid: x\nservices:\n  a: { seak: [ " SEAK " } ] }\n", ":1:10:", "profile" },
	{ false, "profile: drm\nbase_cid: x\nservices:\n  a: {}\n", ":4:", "SEAK" },
	{ false, "profile: drm\nbase_cid: x\nservices:\n  a:\n    seak:\n      - { service_CID_extension: 7, SEK: 0x0011, SAS: 0x0f1e2d3c4b5a69788796a5b4c3d2e1f0 }\n",
		":6:", "SEK" },
	{ false, "profile: drm\nbase_cid: x\nservices:\n  a: { seak: [ " SEAK ", valid_from: tomorrow } ] }\n", ":4:", "valid_from" },
	{ false, "profile: drm\nbase_cid: x\nservices:\n  a: { seak: [ " SEAK ", valid_from: 2026-02-01T00:00:00Z, valid_to: 2026-01-01T00:00:00Z } ] }\n",
		":4:", "valid_to" },
	{ false, "profile: drm\nbase_cid: x\nservices:\n  a: { seak: [ " SEAK " } ] }\n  b: { seak: [ " SEAK " } ] }\n", ":5:", "0x00000007" },
	{ false, "profile: drm\nbase_cid: x\nservices:\n  a: { seak: [ " SEAK " } ] }\nstreams:\n  - { ecm_id: 1, service: b }\n", ":6:", "b" },
	{ false, "profile: drm\nbase_cid: x\nservices:\n  a: { seak: [ " SEAK " } ] }\nstreams:\n  - { ecm_id: 1, service: a }\n  - { ecm_id: 1, service: a }\n",
		":7:", "ECM_id 1" },
	{ false, "profile: drm\nbase_cid: x\nservices:\n  a: { seak: [ " SEAK ", valid_to: 2026-02-31T00:00:00Z } ] }\n", ":4:", "valid_to" },
	{ false, "profile: drm\nbase_cid: x\n", ":1:", "services" },
	{ false, DEVICE SERVICES, ":3:9:", "services" },
	{ false, "profile: drm\nbase_cid: x\ndevice: { unique_device_number: 1234, private_key: /dev/null, rights_issuer: /dev/null }\n", ":3:33:", "20 digits" },
	{ false, "profile: drm\nbase_cid: x\n" SERVICES "devices: [ " MEMBER " ]\n", ":5:10:", "rights_issuer" },
	{ false, "profile: drm\nbase_cid: x\n" SERVICES "groups: { g: { address: 0x47000000, UGK: 0x00112233445566778899aabbccddeeff } }\n", ":5:", "address" },
	{ false, "profile: drm\nbase_cid: x\n" SERVICES ISSUER "devices:\n  - " MEMBER "\n  - " MEMBER "\n", ":8:", "unique_device_number 0049" },
	{ false, "profile: drm\nbase_cid: x\n" SERVICES ISSUER "devices:\n  - " MEMBER "\n  - " MEMBER "\n", ":8:", "UDF 0x4780000345" },
	{ false, "profile: drm\nbase_cid: x\n" SERVICES ISSUER "devices:\n  - { position_in_group: 3 }\n", ":7:26:", "no group" },
	{ false, "profile: drm\nbase_cid: x\n" SERVICES ISSUER "groups: { g: { address: 0x4700000012, UGK: 0x00112233445566778899aabbccddeeff, "
		"rights: [ { service: b } ] } }\n", ":6:", "b" },
	{ true, "profile: smartcard\nkey_domain: 0x00f110\nservices:\n  a: { sek: [ " SEK ", lower: 5, upper: 5 } ] }\n", ":4:", "upper" },
	{ true, "profile: smartcard\nkey_domain: 0x00f110\nservices:\n  a:\n    sek:\n"
		"      - { id: 0x00000001, key: 0x5e4b0000000000000000000000000001, RAND: 0xa0a1a2a3a4a5a6a7a8a9aaabacadaeaf }\n", ":6:", "reserved" },
	{ true, "profile: smartcard\nkey_domain: 0x00f1\nservices:\n  a: { sek: [ " SEK " } ] }\n", ":2:13:", "key_domain" },
	{ true, "profile: smartcard\nkey_domain: 0x00f110\nservices:\n  a: { sek: [ " SEK ", upper: 65536 } ] }\n", ":4:", "upper" },
	{ true, "profile: smartcard\nkey_domain: 0x00f110\nservices:\n  a: { sek: [ " SEK " } ] }\n  b: { sek: [ " SEK " } ] }\n", ":5:", "0x00010001" },
};

START_TEST(faults_have_place_and_reason)
{
	struct gw_err err = { 0 };
	struct keys_drm d;
	struct keys_card c;
	char where[64];
	const char *path = private_file(wrong[_i].text, 0600);

	snprintf(where, sizeof(where), "%s%s", path, wrong[_i].place);
	ck_assert_int_eq(wrong[_i].card ? keys_card_load(path, &c, &err) : keys_drm_load(path, &d, &err), -1);
	ck_assert_msg(strstr(err.text, where) != NULL, "%s: not at %s", err.text, where);
	ck_assert_msg(strstr(err.text, wrong[_i].word) != NULL, "%s: nothing of %s", err.text, wrong[_i].word);
	ck_assert_msg(strstr(err.text, "aabbccddeeff") == NULL && strstr(err.text, "5e4b") == NULL, "a key is shown: %s", err.text);
	unlink(path);
}
END_TEST

START_TEST(the_newest_sek_that_reaches_the_period_is_used)
{
	static const char text[] = "profile: smartcard\nkey_domain: 0x00f110\nservices:\n  a:\n    sek:\n"
		"      - " SEK ", upper: 1000, first_cp: 65000 }\n"
		"      - { id: 0x00010002, key: 0x5e4b0000000000000000000000000002, RAND: 0xa0a1a2a3a4a5a6a7a8a9aaabacadaeaf, upper: 100, first_cp: 10 }\n";
	static const struct { uint16_t cp; int key; uint16_t tek_id; } rows[] = {
		{ 64999, -1, 0 }, { 65000, 0, 1 }, { 65535, 0, 536 }, { 0, 0, 537 }, { 9, 0, 546 }, { 10, 1, 1 }, { 109, 1, 100 }, { 110, 0, 647 },
		{ 463, 0, 1000 }, { 464, -1, 0 },
	};
	struct keys_card c;
	uint16_t tek_id;
	const char *path = private_file(text, 0600);

	ck_assert_int_eq(keys_card_load(path, &c, NULL), 0);
	unlink(path);
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		struct msk *m = keys_sek_at(c.services, rows[k].cp, &tek_id);
		ck_assert_ptr_eq(m, rows[k].key < 0 ? NULL : c.services->sek[rows[k].key].made);
		if (m)
			ck_assert_uint_eq(tek_id, rows[k].tek_id);
	}
	keys_card_free(&c);
}
END_TEST

SUITE("kms_keys", tcase_add_test(t, example_files_load); tcase_add_test(t, example_files_of_the_broadcast_channel_load);
      tcase_add_test(t, of_valid_seaks_the_newest_is_used); tcase_add_test(t, files_that_others_can_read_are_refused);
      tcase_add_loop_test(t, faults_have_place_and_reason, 0, sizeof(wrong) / sizeof(wrong[0]));
      tcase_add_test(t, the_newest_sek_that_reaches_the_period_is_used))
