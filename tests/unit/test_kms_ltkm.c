/* tests/unit/test_kms_ltkm.c: rights on the broadcast channel: every vector, positive and negative, as a device takes it and as its issuer makes it */
#include "tests/unit/kms_host.h"
#include "kms/drm_ltkm.h"
#include "kms/fauth.h"
#include "lib/secret.h"

static json_t *all;
static struct drm_device *device;
static uint8_t msg[BCRO_REGISTRATION_MAX], made[BCRO_REGISTRATION_MAX];

static const char *
text(const json_t *o, const char *key)
{
	const char *t = json_string_value(json_object_get(o, key));

	ck_assert_msg(t != NULL, "the vector has no %s", key);
	return t;
}

static json_t *list(const char *name) { return json_object_get(all, name); }

static json_t *
named(const char *kind, const char *name)
{
	json_t *v;
	size_t k;

	json_array_foreach(list(kind), k, v)
		if (strcmp(text(v, "name"), name) == 0)
			return v;
	ck_abort_msg("no vector %s", name);
	return NULL;
}

static void
octets(const json_t *v, const char *key, uint8_t *out, size_t n)
{
	ck_assert_uint_eq(unhex(text(v, key), out, n), n);
}

static int64_t
time_of(const json_t *v, const char *key)
{
	uint8_t t[5];
	uint64_t mjd = 0;
	int64_t s;

	octets(json_object_get(v, key), "mjdutc", t, 5);
	for (int k = 0; k < 5; k++)
		mjd = mjd << 8 | t[k];
	ck_assert_int_eq(stkm_unix(mjd, &s), 0);
	return s;
}

/* rsa_public() and rsa_private() read files. */
static EVP_PKEY *
key(const char *which, bool private)
{
	struct gw_err err = { 0 };
	const char *path = private_file(text(list("rsa_test_keys"), which), 0600);
	EVP_PKEY *k = private ? rsa_private(path, &err) : rsa_public(path, &err);

	unlink(path);
	ck_assert_msg(k != NULL, "%s", err.text);
	return k;
}

static void
up(void)
{
	const json_t *r;
	struct gw_err err = { 0 };

	all = vec_json("bcast/bcro-vectors.json");
	r = list("receiver");
	device = drm_device_new(text(r, "base_cid"), text(r, "unique_device_number"), key("device_private_key_TEST", true),
	    key("rights_issuer_public_key_TEST", false), &err);
	ck_assert_msg(device != NULL, "%s", err.text);
}

static void
down(void)
{
	drm_device_free(device);
	json_decref(all);
}

static enum rx_result
hear(const char *hex, int64_t now_s, enum bcro_reason *why)
{
	size_t n = unhex(hex, msg, sizeof(msg));

	return drm_device_receive(device, msg, n, now_s, why);
}

static void
registered(const char *name)
{
	const json_t *r = named("device_registration_response", name);
	enum bcro_reason why;

	ck_assert_msg(hear(text(r, "message"), time_of(r, "timestamp"), &why) == RX_NEW, "%s", bcro_reason_text(why));
	ck_assert(drm_device_registered(device));
}

static size_t
rights(void)
{
	size_t n;

	drm_device_keys(device, &n);
	return n;
}

START_TEST(every_bcro_is_accepted_once)
{
	json_t *v;
	enum bcro_reason why;
	size_t k;

	registered("R2");
	json_array_foreach(list("bcro"), k, v) {
		int64_t now = 1795257000;	/* 2026-11-21T10:30:00Z */
		enum rx_result first = hear(text(v, "bcro"), now, &why);
		ck_assert_msg(first == RX_NEW || (first == RX_REPEAT && rights() > 0), "%s: %s", text(v, "name"), bcro_reason_text(why));
		ck_assert_int_eq(hear(text(v, "bcro"), now, &why), RX_REPEAT);
	}
	ck_assert_uint_gt(rights(), 63);
}
END_TEST

START_TEST(every_negative_has_its_reason)
{
	json_t *v;
	size_t k, n = 0;

	json_array_foreach(list("negative"), k, v) {
		bool bcro = strcmp(text(v, "format"), "bcro") == 0;
		enum bcro_reason why;
		down();
		up();
		v = json_array_get(list("negative"), k);
		if (bcro)
			registered("R2");
		ck_assert_msg(hear(text(v, "message"), time_of(v, "now"), &why) == RX_REFUSED, "%s: %s", text(v, "name"), text(v, "what"));
		ck_assert_msg(strcmp(bcro_reason_name(why), text(v, "expected_reason")) == 0, "%s: %s: %s", text(v, "name"), text(v, "what"), bcro_reason_name(why));
		ck_assert_uint_eq(rights(), 0);
		ck_assert_int_eq(drm_device_registered(device), bcro);
		n++;
		if (json_object_get(v, "accepted_at"))
			ck_assert_int_eq(hear(text(v, "message"), time_of(v, "accepted_at"), &why), RX_NEW);
	}
	ck_assert_uint_ge(n, 36);
}
END_TEST

START_TEST(bad_times_of_the_list_are_refused)
{
	json_t *v;
	size_t k;
	int64_t s;

	json_array_foreach(list("mjdutc_malformed"), k, v) {
		uint8_t t[5];
		uint64_t mjd = 0;
		octets(v, "mjdutc", t, 5);
		for (int i = 0; i < 5; i++)
			mjd = mjd << 8 | t[i];
		ck_assert_int_eq(stkm_unix(mjd, &s), -1);
	}
	json_array_foreach(list("mjdutc"), k, v) {
		uint8_t t[5];
		uint64_t mjd = 0, back;
		octets(v, "mjdutc", t, 5);
		for (int i = 0; i < 5; i++)
			mjd = mjd << 8 | t[i];
		ck_assert_int_eq(stkm_unix(mjd, &s), 0);
		ck_assert_int_eq(s, json_integer_value(json_object_get(v, "unix_seconds")));
		ck_assert_int_eq(stkm_mjdutc(s, &back), 0);
		ck_assert_uint_eq(back, mjd);
	}
}
END_TEST

START_TEST(derivations_and_identifiers)
{
	static const struct { const char *name; enum fauth_label label; } labels[] = { { "BAK", FAUTH_BAK }, { "SAK", FAUTH_SAK },
		{ "PAK", FAUTH_PAK }, { "TAK of STKM example A", FAUTH_TAK } };
	uint8_t seed[16], got[FAUTH_KEY], want[FAUTH_KEY], bci[BCRO_BCI];
	json_t *v;
	size_t k;

	for (k = 0; k < 4; k++) {
		v = named("derivation", labels[k].name);
		octets(v, "seed", seed, sizeof(seed));
		octets(v, "expected", want, sizeof(want));
		ck_assert_int_eq(fauth(seed, labels[k].label, got), 0);
		ck_assert_mem_eq(got, want, sizeof(got));
	}
	json_array_foreach(list("cid_and_bci"), k, v) {
		octets(v, "BCI", want, BCRO_BCI);
		uint32_t ext = (uint32_t)strtoul(text(v, "extension"), NULL, 16);
		ck_assert_int_eq(drm_bci(text(v, "base_cid"), strcmp(text(v, "kind"), "service") ? DRM_PROGRAM : DRM_SERVICE, ext, bci), 0);
		ck_assert_mem_eq(bci, want, BCRO_BCI);
	}
	EVP_PKEY *issuer = key("rights_issuer_private_key_TEST", true);
	octets(list("rsa_test_keys"), "rights_issuer_id", want, 20);
	ck_assert_int_eq(rsa_id(issuer, got), 0);
	ck_assert_mem_eq(got, want, 20);
	EVP_PKEY_free(issuer);
}
END_TEST

/* Wrapping keys, MAC and encoding of ours give the vector's octets. */
START_TEST(an_issuer_makes_every_bcro)
{
	json_t *v = json_array_get(list("bcro"), (size_t)_i), *a;
	size_t n = unhex(text(v, "bcro"), msg, sizeof(msg)), k;
	uint8_t IEK[16], RIAK[16], one[16], two[16];
	struct bcro b;

	ck_assert_int_eq(bcro_decode(msg, n, &b, NULL), 0);
	octets(v, "IEK", IEK, 16);
	octets(v, "RIAK", RIAK, 16);
	struct crypt_mac *bak = drm_bak(RIAK);
	memset(b.MAC, 0, sizeof(b.MAC));
	json_array_foreach(json_object_get(v, "assets"), k, a) {
		bool service = json_object_get(a, "SEK") != NULL;
		octets(a, service ? "SEK" : "PEK", one, 16);
		octets(a, service ? "SAS" : "PAS", two, 16);
		memset(b.asset[k].wrapped, 0, BCRO_WRAPPED);
		ck_assert_int_eq(drm_asset_seal(&b.asset[k], IEK, one, two, NULL), 0);
	}
	ck_assert_uint_eq(drm_bcro_seal(&b, bak, made, sizeof(made), NULL), n);
	ck_assert_mem_eq(made, msg, n);
	crypt_mac_free(bak);
}
END_TEST

/* OAEP's seed, the session key and the salt of PSS are drawn: what is made is read by the device, and twice is never the same. */
START_TEST(an_issuer_makes_registrations)
{
	const json_t *v = named("device_registration_response", "R2");
	EVP_PKEY *issuer = key("rights_issuer_private_key_TEST", true), *to = key("device_public_key_TEST", false);
	struct bcro_registration r;
	struct bcro_keyset set;
	struct gw_err err = { 0 };
	enum bcro_reason why;
	uint8_t padded[256];
	int64_t now = time_of(v, "timestamp");

	size_t n = unhex(text(v, "message"), msg, sizeof(msg));
	ck_assert_int_eq(bcro_registration_decode(msg, n, &r, NULL), 0);
	ck_assert_int_eq(bcro_keyset_decode(padded, unhex(text(v, "keyset_padded"), padded, sizeof(padded)), &set, NULL), 0);
	memset(r.issuer, 0, sizeof(r.issuer));
	ck_assert_msg(drm_registration_seal(&r, &set, to, issuer, made, sizeof(made), &err) == n, "%s", err.text);
	ck_assert_mem_ne(made, msg, n);
	ck_assert_mem_eq(made, msg, 41);	/* all that is not drawn */
	ck_assert_msg(drm_device_receive(device, made, n, now, &why) == RX_NEW, "%s", bcro_reason_text(why));
	ck_assert_int_eq(hear(text(named("bcro", "U1"), "bcro"), now, &why), RX_NEW);
	ck_assert_uint_eq(drm_registration_seal(&r, &set, to, issuer, made, n - 1, &err), 0);
	EVP_PKEY_free(issuer);
	EVP_PKEY_free(to);
}
END_TEST

START_TEST(chain_from_registration_to_traffic_key)
{
	json_t *c;
	size_t k, n;

	json_array_foreach(list("chains"), k, c) {
		enum bcro_reason why;
		struct drm_rx rx = { 0 };
		struct rx_keys got;
		uint8_t stkm[512], tek[16];
		if (!json_object_get(c, "TEK"))
			continue;
		down();
		up();
		c = json_array_get(list("chains"), k);
		registered(text(c, "device_registration_response"));
		const json_t *r = named("device_registration_response", text(c, "device_registration_response"));
		ck_assert_int_eq(hear(text(named("bcro", text(c, "bcro")), "bcro"), time_of(r, "timestamp"), &why), RX_NEW);
		rx.keys = drm_device_keys(device, &rx.nkeys);
		n = unhex(text(c, "stkm"), stkm, sizeof(stkm));
		ck_assert_int_eq(drm_receive(&rx, stkm, n, time_of(r, "timestamp"), &got), RX_NEW);
		octets(c, "TEK", tek, sizeof(tek));
		ck_assert_mem_eq(tkm_tek(&got.key[0].tkm), tek, sizeof(tek));
		rx_wipe(&got);
	}
}
END_TEST

START_TEST(an_older_registration_is_a_replay)
{
	enum bcro_reason why;
	const json_t *r1 = named("device_registration_response", "R1"), *r2 = named("device_registration_response", "R2");
	int64_t now = time_of(r2, "timestamp");

	registered("R1");
	ck_assert_int_eq(hear(text(r1, "message"), now, &why), RX_REPEAT);
	registered("R2");	/* half an hour newer */
	ck_assert_int_eq(hear(text(r2, "message"), now, &why), RX_REPEAT);
	ck_assert_int_eq(hear(text(r1, "message"), now, &why), RX_REFUSED);
	ck_assert_int_eq(why, BCRO_OLD);
	ck_assert(drm_device_registered(device));
}
END_TEST

START_TEST(rights_wait_for_a_registration_and_end_with_time)
{
	enum bcro_reason why;
	const char *g1 = text(named("bcro", "G1"), "bcro"), *e1 = text(named("bcro", "E1"), "bcro");
	int64_t now = 1795257000, december = 1796083200, january = 1798761600;
	size_t n;

	ck_assert_int_eq(hear(g1, now, &why), RX_REFUSED);
	ck_assert_int_eq(why, BCRO_UNREGISTERED);
	registered("R2");
	ck_assert_int_eq(hear(g1, now, &why), RX_NEW);
	ck_assert_int_eq(hear(e1, now, &why), RX_NEW);	/* begins in December: kept */
	struct drm_key *const *keys = drm_device_keys(device, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert(drm_key_valid(keys[0], now) && !drm_key_valid(keys[1], now));
	drm_device_tick(device, december);
	keys = drm_device_keys(device, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert(drm_key_valid(keys[0], december));
	drm_device_tick(device, january);
	ck_assert_uint_eq(rights(), 0);
}
END_TEST

/* More rights than are held: those that end first go, whatever order they come in. */
START_TEST(memory_is_bounded)
{
	struct bcro b = { .mode = BCRO_UNIQUE, .nassets = 1, .asset = { { .type = BCRO_SERVICE } } };
	const json_t *r = list("receiver");
	uint8_t UDK[16], RIAK[16], seak[32] = { 0 };
	enum bcro_reason why;
	struct drm_key *first;
	size_t n;

	registered("R2");
	octets(r, "UDK", UDK, 16);
	octets(r, "RIAK", RIAK, 16);
	octets(r, "unique_device_filter", b.address, 5);
	struct crypt_mac *bak = drm_bak(RIAK);
	for (uint32_t k = 0; k < 3 * DRM_RIGHTS_MAX; k++) {
		seak[0] = (uint8_t)k;
		ck_assert_int_eq(drm_bci(text(r, "base_cid"), DRM_SERVICE, k, b.asset[0].BCI), 0);
		ck_assert_int_eq(stkm_mjdutc(1795257000 + 3600 + k, &b.asset[0].valid_to), 0);
		ck_assert_int_eq(drm_asset_seal(&b.asset[0], UDK, seak, seak + 16, NULL), 0);
		n = drm_bcro_seal(&b, bak, made, sizeof(made), NULL);
		ck_assert_int_eq(drm_device_receive(device, made, n, 1795257000, &why), RX_NEW);
		ck_assert_uint_eq(rights(), k < DRM_RIGHTS_MAX ? k + 1 : DRM_RIGHTS_MAX);
	}
	first = drm_device_keys(device, &n)[0];
	ck_assert(drm_key_valid(first, 1795257000 + 3600 + 2 * DRM_RIGHTS_MAX - 1));
	ck_assert_int_eq(stkm_mjdutc(1795257000 + 10, &b.asset[0].valid_to), 0);	/* ends before all of them: not worth a place */
	ck_assert_int_eq(drm_bci(text(r, "base_cid"), DRM_SERVICE, 9999, b.asset[0].BCI), 0);
	n = drm_bcro_seal(&b, bak, made, sizeof(made), NULL);
	ck_assert_int_eq(drm_device_receive(device, made, n, 1795257000, &why), RX_REPEAT);
	ck_assert_uint_eq(rights(), DRM_RIGHTS_MAX);
	/* tomorrow's service keys are on air a day before: today's are not given up for them, though they end sooner */
	ck_assert_int_eq(stkm_mjdutc(1795257000 + 80000, &b.asset[0].valid_from), 0);
	ck_assert_int_eq(stkm_mjdutc(1795257000 + 160000, &b.asset[0].valid_to), 0);
	n = drm_bcro_seal(&b, bak, made, sizeof(made), NULL);
	ck_assert_int_eq(drm_device_receive(device, made, n, 1795257000, &why), RX_REPEAT);
	/* once today's are over, it finds its place */
	ck_assert_int_eq(drm_device_receive(device, made, n, 1795257000 + 3600 + 3 * DRM_RIGHTS_MAX - 1, &why), RX_NEW);
	ck_assert_uint_eq(rights(), 1);
	crypt_mac_free(bak);
}
END_TEST

START_TEST(an_asset_of_another_base_is_passed_over)
{
	struct bcro b = { .mode = BCRO_UNIQUE, .nassets = 1, .asset = { { .valid_to = 0xffff235959 } } };
	const json_t *r = list("receiver");
	uint8_t UDK[16], RIAK[16], seak[32] = { 0 };
	enum bcro_reason why;

	registered("R2");
	octets(r, "UDK", UDK, 16);
	octets(r, "RIAK", RIAK, 16);
	octets(r, "unique_device_filter", b.address, 5);
	struct crypt_mac *bak = drm_bak(RIAK);
	ck_assert_int_eq(drm_bci("tv2@operator.example", DRM_SERVICE, 7, b.asset[0].BCI), 0);
	ck_assert_int_eq(drm_asset_seal(&b.asset[0], UDK, seak, seak + 16, NULL), 0);
	size_t n = drm_bcro_seal(&b, bak, made, sizeof(made), NULL);
	ck_assert_int_eq(drm_device_receive(device, made, n, 1795257000, &why), RX_REPEAT);
	ck_assert_uint_eq(rights(), 0);
	crypt_mac_free(bak);
}
END_TEST

START_TEST(key_files_are_looked_at)
{
	struct gw_err err = { 0 };
	const char *path = private_file(text(list("rsa_test_keys"), "device_private_key_TEST"), 0640);

	ck_assert_ptr_null(rsa_private(path, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "0640"));
	ck_assert_int_eq(chmod(path, 0600), 0);
	ck_assert_ptr_null(rsa_public(path, &err));
	ck_assert_ptr_nonnull(strstr(err.text, path));
	unlink(path);
	path = private_file("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n", 0600);
	ck_assert_ptr_null(rsa_private(path, &err));	/* Ed25519 */
	ck_assert_ptr_nonnull(strstr(err.text, "RSA"));
	unlink(path);
	ck_assert_ptr_null(rsa_private("/nonexistent/key.pem", &err));
}
END_TEST

/* Locked memory is short: a private key takes what it needs of it. */
START_TEST(a_private_key_needs_little_room)
{
	const char *path = private_file(text(list("rsa_test_keys"), "device_private_key_TEST"), 0600);
	struct gw_err err = { 0 };

	ck_assert_int_eq(gw_secrets_init(32, true, &err), 0);
	EVP_PKEY *k = rsa_private(path, &err);
	ck_assert_msg(k != NULL, "%s", err.text);
	EVP_PKEY_free(k);
	unlink(path);
}
END_TEST

SUITE("kms_ltkm", tcase_add_checked_fixture(t, up, down); tcase_set_timeout(t, 120); tcase_add_test(t, every_bcro_is_accepted_once);
      tcase_add_test(t, every_negative_has_its_reason); tcase_add_test(t, bad_times_of_the_list_are_refused); tcase_add_test(t, derivations_and_identifiers);
      tcase_add_loop_test(t, an_issuer_makes_every_bcro, 0, 5); tcase_add_test(t, an_issuer_makes_registrations);
      tcase_add_test(t, chain_from_registration_to_traffic_key); tcase_add_test(t, an_older_registration_is_a_replay);
      tcase_add_test(t, rights_wait_for_a_registration_and_end_with_time); tcase_add_test(t, memory_is_bounded);
      tcase_add_test(t, an_asset_of_another_base_is_passed_over); tcase_add_test(t, key_files_are_looked_at);
      tcase_add_test(t, a_private_key_needs_little_room))
