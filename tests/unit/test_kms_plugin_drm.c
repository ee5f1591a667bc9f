/* tests/unit/test_kms_plugin_drm.c: the plugin as the ECMG calls it, its STKMs as a receiver opens them */
#include "tests/unit/kms_host.h"
#include <time.h>
#include "kms/drm_ltkm.h"
#include "kms/keys.h"
#include "kms/seaks.h"
#include "lib/clock.h"
#include "lib/secret.h"
#include "tests/unit/scratch.h"

static const struct kms_plugin *p;
static uint8_t tek[2][30];	/* SRTP: key and salt */
static struct kms_cw cws[2];
static struct kms_request ask;
static uint8_t ecm[KMS_ECM_MAX];
static char why[400];

static void *
ready(const char *path, const char *more)
{
	p = load("drm");
	for (size_t k = 0; k < sizeof(tek); k++)
		tek[k / 30][k % 30] = (uint8_t)(k + 1);
	for (uint16_t k = 0; k < 2; k++)
		cws[k] = (struct kms_cw){ .cp_number = (uint16_t)(100 + k), .cw = tek[k], .cw_len = 30 };
	ask = (struct kms_request){ .size = sizeof(ask), .super_cas_id = 0x00010001, .ecm_id = 1, .cp_number = 100, .cp_duration_100ms = 100,
		.has_protection = 1, .protection = 1, .authenticated = 1, .cws = cws, .ncws = 2 };
	return open_keyed(p, path, more);
}

static int
go(void *state)
{
	return p->ecm(state, &ask, ecm, sizeof(ecm), why, sizeof(why));
}

static enum rx_result
receive(struct drm_rx *rx, int n, struct rx_keys *got)
{
	return drm_receive(rx, ecm, (size_t)n, gw_utc_us() / 1000000, got);
}

START_TEST(channel_is_as_designed)
{
	struct kms_channel c = { 0 };
	void *s = ready(private_example("drm.yaml"), "max_streams=7\ndelay_start=-1500\n");

	ck_assert_uint_eq(p->calling, KMS_INLINE);
	ck_assert_int_eq(p->channel(s, 0x00010001, &c, why, sizeof(why)), 0);
	ck_assert_uint_eq(c.section_TSpkt_flag, 2);
	ck_assert_uint_eq(c.lead_CW, 1);
	ck_assert_uint_eq(c.CW_per_msg, 2);
	ck_assert_int_eq(c.delay_start, -1500);
	ck_assert_int_eq(c.delay_stop, -2000);
	ck_assert_uint_eq(c.ECM_rep_period, 500);
	ck_assert_uint_eq(c.max_comp_time, 500);
	ck_assert_uint_eq(c.min_CP_duration, 10);
	ck_assert_uint_eq(c.max_streams, 7);
	ck_assert_int_eq(p->channel(s, 0x00020001, &c, why, sizeof(why)), -0x0005);
	ck_assert_int_eq(p->stream(s, 0x00010001, 1, why, sizeof(why)), 0);
	ck_assert_int_eq(p->stream(s, 0x00010001, 2, why, sizeof(why)), -0x0012);
	p->close(s);
}
END_TEST

START_TEST(a_receiver_with_the_handset_keys_opens_it)
{
	void *s = ready(private_example("drm.yaml"), "");
	const char *path = private_example("handset-drm.yaml");
	struct rx_keys got;
	struct keys_drm d;

	ck_assert_int_eq(keys_drm_load(path, &d, NULL), 0);
	unlink(path);
	struct drm_rx rx = { .keys = d.all, .nkeys = d.nall };
	int n = go(s);
	ck_assert_msg(n > 0, "%s", why);
	ck_assert_int_eq(receive(&rx, n, &got), RX_NEW);
	ck_assert_uint_eq(got.n, 2);
	ck_assert_uint_eq(got.lifetime_s, 16);	/* 10 s and the overlap */
	ck_assert_uint_eq(got.protection_after_reception, 3);
	for (size_t k = 0; k < 2; k++) {
		ck_assert_uint_eq(got.key[k].id_len, 2);	/* none sent: MKI is the CP */
		ck_assert_uint_eq(got.key[k].id[1], 100 + k);
		ck_assert_mem_eq(got.key[k].tkm.cw, tek[k], 30);
	}
	keys_drm_free(&d);
	p->close(s);
}
END_TEST

/* What the SCS sends for each protection: key material without padding, and an identifier where packets carry one. */
static const struct { uint8_t protection, authenticated; size_t cw, id; } protections[] = {
	{ STKM_IPSEC, 0, 16, 4 }, { STKM_IPSEC, 1, 32, 4 }, { STKM_SRTP, 0, 30, 2 }, { STKM_SRTP, 1, 30, 2 },
	{ STKM_ISMACRYP, 0, 24, 1 }, { STKM_ISMACRYP, 1, 40, 1 }, { STKM_TS, 0, 16, 0 },
};

START_TEST(every_protection_arrives)	/* _i: row */
{
	void *s = ready(private_example("drm.yaml"), "");
	const char *path = private_example("handset-drm.yaml");
	uint8_t cw[2][40], id[2][STKM_ID_MAX];
	struct rx_keys got;
	struct keys_drm d;

	ck_assert_int_eq(keys_drm_load(path, &d, NULL), 0);
	unlink(path);
	struct drm_rx rx = { .keys = d.all, .nkeys = d.nall };
	ask.protection = protections[_i].protection;
	ask.authenticated = protections[_i].authenticated;
	for (size_t k = 0; k < 2; k++) {
		memset(cw[k], 7 + (int)k, sizeof(cw[k]));
		stkm_key_id(ask.protection, 5, (uint16_t)(100 + k), id[k]);
		cws[k] = (struct kms_cw){ .cp_number = (uint16_t)(100 + k), .cw = cw[k], .cw_len = protections[_i].cw,
			.key_id = protections[_i].id ? id[k] : NULL, .key_id_len = protections[_i].id };
	}
	int n = go(s);
	ck_assert_msg(n > 0, "%s", why);
	ck_assert_int_eq(receive(&rx, n, &got), RX_NEW);
	ck_assert_uint_eq(got.n, 2);
	for (size_t k = 0; k < 2; k++) {
		ck_assert_uint_eq(got.key[k].id_len, protections[_i].id ? protections[_i].id : 1);	/* of TS: the parity */
		ck_assert_mem_eq(got.key[k].id, id[k], got.key[k].id_len);
		ck_assert_uint_eq(got.key[k].tkm.layout->protocol, ask.protection);
		ck_assert_uint_eq(got.key[k].tkm.layout->authenticated, ask.authenticated);
		ck_assert_uint_eq(tkm_len(&got.key[k].tkm), protections[_i].cw);
		ck_assert_mem_eq(got.key[k].tkm.cw, cw[k], protections[_i].cw);
	}
	keys_drm_free(&d);
	p->close(s);
}
END_TEST

START_TEST(identifiers_protection_and_criteria_are_the_peers)
{
	static const uint8_t spi[2][4] = { { 0x80, 9, 0, 5 }, { 0x80, 9, 0, 6 } }, criteria[] = { 1, 2, 0, 0x0f };
	void *s = ready(private_example("drm.yaml"), "protection_after_reception=2\n");
	struct stkm m;

	for (size_t k = 0; k < 2; k++) {
		cws[k].key_id = spi[k];
		cws[k].key_id_len = 4;
		cws[k].cw_len = 16;
	}
	ask.protection = 0;
	ask.authenticated = 0;
	ask.access_criteria = criteria;
	ask.access_criteria_len = sizeof(criteria);
	int n = go(s);
	ck_assert_msg(n > 0, "%s", why);
	ck_assert_int_eq(stkm_decode(ecm, (size_t)n, &m, NULL), 0);
	ck_assert_uint_eq(m.protocol, STKM_IPSEC);
	ck_assert(!m.authenticated && m.has_timestamp && m.service && !m.program);
	ck_assert_mem_eq(m.id, spi[0], 4);
	ck_assert_mem_eq(m.next_id, spi[1], 4);
	ck_assert_mem_eq(m.criteria, criteria, m.criteria_len);
	ck_assert_uint_eq(m.protection_after_reception, 2);
	p->close(s);
}
END_TEST

START_TEST(without_parameters_the_configuration_says)
{
	void *s = ready(private_example("drm.yaml"), "protection=ipsec\nauthenticated=1\n");
	uint8_t cw[32] = { 1 };
	struct stkm m;

	cws[0].cw = cws[1].cw = cw;
	cws[0].cw_len = cws[1].cw_len = 32;
	ask.has_protection = 0;
	int n = go(s);
	ck_assert_msg(n > 0, "%s", why);
	ck_assert_int_eq(stkm_decode(ecm, (size_t)n, &m, NULL), 0);
	ck_assert(m.authenticated);
	ck_assert_mem_eq(m.id, "\x80\x01\x00\x64", 4);	/* ECM_id 1, CP 100 */
	p->close(s);
}
END_TEST

START_TEST(a_repeat_has_the_same_octets_however_late)
{
	void *s = ready(private_example("drm.yaml"), "");
	uint8_t first[512];
	struct stkm m;
	int n = go(s);

	ck_assert_int_gt(n, 0);
	memcpy(first, ecm, (size_t)n);
	usleep(1100000);	/* the time stamp counts seconds */
	ck_assert_int_eq(go(s), n);
	ck_assert_mem_eq(ecm, first, (size_t)n);
	ck_assert_int_eq(stkm_decode(first, (size_t)n, &m, NULL), 0);
	uint64_t stamp = m.timestamp;
	tek[0][0] ^= 1;		/* another TEK is another answer, made now */
	ck_assert_int_eq(go(s), n);
	ck_assert_int_eq(stkm_decode(ecm, (size_t)n, &m, NULL), 0);
	ck_assert_uint_gt(m.timestamp, stamp);
	ck_assert_int_eq(p->ecm(s, &ask, ecm, (size_t)n - 1, why, sizeof(why)), -0x8014);
	p->close(s);
}
END_TEST

START_TEST(a_programme_key_adds_its_layer)
{
	static const char keys[] = "profile: drm\nbase_cid: x\nservices:\n  news:\n"
		"    seak: [ { service_CID_extension: 7, SEK: 0x00112233445566778899aabbccddeeff, SAS: 0x0f1e2d3c4b5a69788796a5b4c3d2e1f0 } ]\n"
		"    peak: [ { program_CID_extension: 42, PEK: 0xa0a1a2a3a4a5a6a7a8a9aaabacadaeaf, PAS: 0xb0b1b2b3b4b5b6b7b8b9babbbcbdbebf } ]\n";
	void *s = ready(private_file(keys, 0600), "");
	const char *path = private_file(keys, 0600);
	struct rx_keys got;
	struct keys_drm d;

	ck_assert_int_eq(keys_drm_load(path, &d, NULL), 0);
	unlink(path);
	int n = go(s);
	ck_assert_msg(n > 0, "%s", why);
	for (size_t k = 0; k < 2; k++) {	/* with the SEAK alone, with the PEAK alone */
		struct drm_rx rx = { .keys = d.all + k, .nkeys = 1 };
		ck_assert_int_eq(receive(&rx, n, &got), RX_NEW);
		ck_assert_mem_eq(got.key[1].tkm.cw, tek[1], 30);
	}
	keys_drm_free(&d);
	p->close(s);
}
END_TEST

START_TEST(refusals_have_the_standards_numbers)
{
	static const uint8_t bad[] = { 1, 9, 0 };
	void *s = ready(private_example("drm.yaml"), "");

	ask.access_criteria = bad;
	ask.access_criteria_len = sizeof(bad);
	ck_assert_int_eq(go(s), -0x0011);
	ask.access_criteria_len = 0;
	cws[0].cw_len = 16;			/* SRTP without salt */
	ck_assert_int_eq(go(s), -0x0011);
	cws[0].cw_len = 30;
	ask.protection = 5;
	ck_assert_int_eq(go(s), -0x0011);
	ask.protection = 1;
	cws[1].key_id = bad;
	cws[1].key_id_len = 3;			/* the identifiers of one stream have one length */
	ck_assert_int_eq(go(s), -0x0011);
	cws[1].key_id_len = 0;
	ask.cp_number = 98;
	ck_assert_int_eq(go(s), -0x000b);
	ask.cp_number = 100;
	ask.ecm_id = 9;
	ck_assert_int_eq(go(s), -0x0012);
	ask.ecm_id = 1;
	ask.ncws = 1;				/* without a next key it is still an STKM */
	ck_assert_int_gt(go(s), 0);
	p->close(s);
}
END_TEST

START_TEST(a_key_out_of_its_time_is_not_used)
{
	void *s = ready(private_file("profile: drm\nbase_cid: x\nservices:\n  news:\n    seak:\n      - { service_CID_extension: 7, "
		"SEK: 0x00112233445566778899aabbccddeeff, SAS: 0x0f1e2d3c4b5a69788796a5b4c3d2e1f0, valid_to: 2001-01-01T00:00:00Z }\n", 0600), "");

	ck_assert_int_eq(go(s), -0x8014);
	ck_assert_ptr_nonnull(strstr(why, "news"));
	p->close(s);
}
END_TEST

/* --- SEAKs that many BSMs share --- */

/* Puts one into the store; its id. */
static int64_t
store_seak(struct seaks *store, uint32_t ext, uint8_t fill, int from, int64_t open_us)
{
	static int64_t now_s;
	int64_t id = 0;
	if (!now_s)
		now_s = gw_utc_us() / 1000000;
	struct seak_row row = { .service = "news", .urn = "urn:x", .cid_extension = ext, .from_s = now_s + from, .to_s = now_s + 3600, .generator = "bsm1",
		.open_us = open_us };

	memset(row.key, fill, SEAK_LEN);
	ck_assert_int_eq(seaks_put(store, &row, &id), GW_WON);
	return id;
}

/* What an STKM says that is made now, or within some seconds. */
static uint32_t
extension_within(void *s, uint32_t want)
{
	struct stkm_tail tail;
	uint32_t got = 0;

	for (int tries = 0; got != want && tries < 150; tries++) {
		ask.cp_number++;
		cws[0].cp_number++;
		cws[1].cp_number++;
		int n = go(s);
		got = n > 0 && stkm_peek(ecm, (size_t)n, &tail, NULL) == 0 ? tail.service_CID_extension : 0;
		usleep(got == want ? 0 : 100000);
	}
	return got;
}

START_TEST(synchronised_seaks_come_from_the_store)
{
	static const char keys[] = "profile: drm\nbase_cid: x\nservices:\n  news: { synchronised: true }\n";
	const char *path = scratch("hub.seaks");
	struct seaks *store = NULL;
	struct gw_err err = { 0 };
	char more[256];
	struct rx_keys got;
	uint8_t key[16];

	ck_assert_int_eq(gw_secrets_init(256, true, NULL), 0);
	void *other = ready(private_example("drm.yaml"), "");	/* for what to ask */
	p->close(other);
	put_file(scratch("drm.yaml"), keys, 0600);	/* looked at again with the store */
	snprintf(more, sizeof(more), "keys=%s\nstore=%s\n", scratch("drm.yaml"), path);
	void *s = open_plugin(p, more);			/* before the bridge has made it */
	ck_assert_int_eq(go(s), -0x8014);
	ck_assert_msg(seaks_open(path, NULL, true, &store, &err) == 0, "%s", err.text);
	store_seak(store, 7, 0x77, -10, 1);
	int64_t next = store_seak(store, 8, 0x88, -5, 0);	/* its gate is shut */
	store_seak(store, 9, 0x99, 1800, 1);			/* not valid yet */
	uint32_t first = extension_within(s, 7);
	ck_assert_msg(first == 7, "%u: %s", first, why);
	ck_assert_int_eq(seaks_gate(store, next, 1, 2), GW_WON);
	ck_assert_uint_eq(extension_within(s, 8), 8);
	memset(key, 0x88, sizeof(key));
	struct drm_key *held = drm_key_new(DRM_SERVICE, 8, key, key, NULL);
	struct drm_rx rx = { .keys = &held, .nkeys = 1 };
	ask.cp_number++;
	cws[0].cp_number++;
	cws[1].cp_number++;
	ck_assert_int_eq(receive(&rx, go(s), &got), RX_NEW);
	store_seak(store, 6, 0x66, -5, 1);	/* as old as 8: all BSMs take the greater one */
	usleep(1200000);
	ck_assert_uint_eq(extension_within(s, 8), 8);
	drm_key_free(held);
	p->close(s);
	seaks_close(store);
}
END_TEST

START_TEST(synchronised_services_need_the_store)
{
	char conf[256];
	void *state;

	p = load("drm");
	snprintf(conf, sizeof(conf), "keys=%s\n", private_file("profile: drm\nbase_cid: x\nservices:\n  news: { synchronised: true }\n", 0600));
	ck_assert_int_eq(p->open(&host, conf, &state, why, sizeof(why)), -1);
	ck_assert_msg(strstr(why, "store") != NULL, "%s", why);
}
END_TEST

START_TEST(bad_settings_are_refused)
{
	static const char *const conf[] = { "", "keys=\n", "keys=/nonexistent\n", "colour=red\n", "keys\n", "protection=rot13\n",
		"protection_after_reception=4\n", "authenticated=maybe\n", "max_comp_time=0\n", "delay_start=40000\n", "max_streams=-1\n" };
	void *state;

	p = load("drm");
	for (size_t k = 0; k < sizeof(conf) / sizeof(conf[0]); k++) {
		why[0] = '\0';
		ck_assert_int_eq(p->open(&host, conf[k], &state, why, sizeof(why)), -1);
		ck_assert_str_ne(why, "");
	}
}
END_TEST

/* --- rights on the broadcast channel --- */

static const char *keys_at;
static char keys_path[128];

static const char *
utc(int64_t s, char out[32])
{
	time_t t = (time_t)s;
	struct tm tm;

	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
	return out;
}

/* A key file with SEAKs 7, 8, … that become valid `from` seconds from now, which is returned. It comes into place whole. */
static int64_t
write_keys(const int *from, size_t n, const char *lead)
{
	int64_t now_s = gw_utc_us() / 1000000;
	char text[4096], next[160], t[32];
	size_t at = (size_t)snprintf(text, sizeof(text), "profile: drm\nbase_cid: news@head-end.example\nservices:\n  news:\n    seak:\n");

	for (size_t k = 0; k < n; k++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "      - { service_CID_extension: %zu, SEK: 0x7e570000000000000000000000000a%02zx, "
		    "SAS: 0x7e570000000000000000000000000b%02zx, valid_from: %s }\n", 7 + k, k, k, utc(now_s + from[k], t));
	snprintf(text + at, sizeof(text) - at, "rights_issuer: { private_key: rights-issuer-private.pem, RIAK: 0x7e57000000000000000000000000d503, lead: %s }\n"
	    "groups: { home: { address: 0x4700000012, UGK: 0x7e57000000000000000000000000d504, rights: [ { service: news } ] } }\n"
	    "devices:\n"
	    "  - { unique_device_number: \"00490123456789012345\", public_key: handset-public.pem, UDK: 0x7e57000000000000000000000000d505,\n"
	    "      UDF: 0x4780000345, group: home }\n"
	    "  - { unique_device_number: \"00490123456789012346\", public_key: rights-issuer-public.pem, UDK: 0x7e57000000000000000000000000d506,\n"
	    "      UDF: 0x4780000346, rights: [ { service: news } ] }\n", lead);
	snprintf(next, sizeof(next), "%s.next", keys_path);
	put_file(next, text, 0600);
	ck_assert_int_eq(rename(next, keys_path), 0);
	return now_s;
}

static void *
ready_to_air(const int *from, size_t n, const char *lead)
{
	char conf[256];

	void *other = ready(private_example("drm.yaml"), "");	/* for what to ask */

	p->close(other);
	keys_at = broadcast_keys();
	snprintf(keys_path, sizeof(keys_path), "%s/drm-broadcast.yaml", keys_at);
	write_keys(from, n, lead);
	snprintf(conf, sizeof(conf), "keys=%s\n", keys_path);
	return open_plugin(p, conf);
}

static struct drm_device *
handset(const char *number, const char *private_key)
{
	char own[160], issuer[160];

	snprintf(own, sizeof(own), "%s/%s", keys_at, private_key);
	snprintf(issuer, sizeof(issuer), "%s/rights-issuer-public.pem", keys_at);
	return drm_device_new("news@head-end.example", number, rsa_private(own, NULL), rsa_public(issuer, NULL), NULL);
}

static const struct kms_ltkm air = { .size = sizeof(air), .client_id = 0x00010001, .data_id = 1, .section_TSpkt_flag = 2 };

static int
ltkm(void *s, uint32_t index, int later_s)
{
	struct kms_ltkm now = air;

	now.utc_s = gw_utc_us() / 1000000 + later_s;
	return p->ltkm(s, &now, index, ecm, sizeof(ecm), why, sizeof(why));
}

/* One round; what each message is, a letter each: R registration, G BCRO to a group, D to a device. */
static const char *
round_of(void *s, int later_s, struct drm_device *device, int *taken)
{
	static char kinds[64];
	enum bcro_reason reason;
	uint32_t k = 0;
	int n;

	for (*taken = 0; (n = ltkm(s, k, later_s)) > 0; k++) {
		ck_assert_uint_lt(k, sizeof(kinds) - 1);
		ck_assert_int_le(n, 1400);	/* one datagram without fragments (8) */
		kinds[k] = ecm[0] == BCRO_TAG_REGISTRATION ? 'R' : ecm[3] >> 5 ? 'D' : 'G';
		*taken += drm_device_receive(device, ecm, (size_t)n, gw_utc_us() / 1000000 + later_s, &reason) == RX_NEW;
	}
	ck_assert_msg(n == 0, "%s", why);
	kinds[k] = '\0';
	return kinds;
}

START_TEST(the_carousel_has_what_should_be_on_air)
{
	static const int from[] = { -3600, 3600 };
	void *s = ready_to_air(from, 2, "10min");
	struct drm_device *one = handset("00490123456789012345", "handset-private.pem"), *two = handset("00490123456789012346", "rights-issuer-private.pem");
	uint8_t first[2048];
	int taken;

	ck_assert_str_eq(round_of(s, 0, one, &taken), "RRGD");
	ck_assert_int_eq(taken, 2);		/* its registration, the group's right */
	ck_assert_str_eq(round_of(s, 0, two, &taken), "RRGD");
	ck_assert_int_eq(taken, 2);		/* its registration, its own right */
	int n = ltkm(s, 0, 0);
	memcpy(first, ecm, (size_t)n);
	ck_assert_str_eq(round_of(s, 1, one, &taken), "RRGD");
	ck_assert_int_eq(taken, 0);
	ck_assert_int_eq(ltkm(s, 0, 1), n);	/* the same octets each round */
	ck_assert_mem_eq(ecm, first, (size_t)n);
	ck_assert_str_eq(round_of(s, 3600 - 660, one, &taken), "RRGD");
	ck_assert_str_eq(round_of(s, 3600 - 540, one, &taken), "RRGGDD");	/* ten minutes before the next one begins */
	ck_assert_int_eq(taken, 1);
	drm_device_free(one);
	drm_device_free(two);
	p->close(s);
	remove_keys(keys_at);
}
END_TEST

START_TEST(ltkms_are_refused_by_the_muxs_numbers)
{
	static const int from[] = { 0 };
	void *s = ready_to_air(from, 1, "10min");
	struct kms_ltkm l = air;

	l.client_id = 0x00020001;
	ck_assert_int_eq(p->ltkm(s, &l, 0, ecm, sizeof(ecm), why, sizeof(why)), -0x000e);
	l = air;
	l.section_TSpkt_flag = 0;
	ck_assert_int_eq(p->ltkm(s, &l, 0, ecm, sizeof(ecm), why, sizeof(why)), -0x000d);
	l = air;
	l.data_type = 1;
	ck_assert_int_eq(p->ltkm(s, &l, 0, ecm, sizeof(ecm), why, sizeof(why)), -0x000d);
	ck_assert_int_eq(p->ltkm(s, &air, 0, ecm, 100, why, sizeof(why)), -0x7000);
	p->close(s);
	remove_keys(keys_at);
	s = ready(private_example("drm.yaml"), "");	/* no rights_issuer */
	ck_assert_int_eq(p->ltkm(s, &air, 0, ecm, sizeof(ecm), why, sizeof(why)), -0x7000);
	ck_assert_ptr_nonnull(strstr(why, "rights_issuer"));
	p->close(s);
}
END_TEST

static uint32_t
extension(void *s)
{
	struct stkm m;
	int n = go(s);

	ck_assert_msg(n > 0, "%s", why);
	ck_assert_int_eq(stkm_decode(ecm, (size_t)n, &m, NULL), 0);
	return m.service_CID_extension;
}

#define WITHIN_15_S(condition) do {						\
	for (int64_t end = gw_mono_us() + 15000000; !(condition) && gw_mono_us() < end;)	\
		usleep(20000);							\
	ck_assert_msg(condition, "waited in vain for: " #condition);		\
} while (0)

/* ECMG and EMMG are two states of the plugin: both notice the new file; the carousel has the key before, the STKMs at valid_from. */
START_TEST(a_changed_key_file_is_taken_over)
{
	static const int one_seak[] = { -60 }, two_seaks[] = { -60, 7 };
	void *ecmg = ready_to_air(one_seak, 1, "1min"), *emmg;
	char conf[256];
	uint8_t before[512];
	int taken, n;

	snprintf(conf, sizeof(conf), "keys=%s\n", keys_path);
	emmg = open_plugin(p, conf);
	struct drm_device *device = handset("00490123456789012345", "handset-private.pem");
	ck_assert_str_eq(round_of(emmg, 0, device, &taken), "RRGD");
	ck_assert_uint_eq(extension(ecmg), 7);
	n = go(ecmg);
	memcpy(before, ecm, (size_t)n);
	int64_t valid_us = (write_keys(two_seaks, 2, "1min") + two_seaks[1]) * 1000000;
	WITHIN_15_S(strcmp(round_of(emmg, 0, device, &taken), "RRGGDD") == 0);
	ck_assert_int_lt(gw_utc_us(), valid_us);
	WITHIN_15_S((go(ecmg), logged[KMS_LOG_NOTICE] == 2));
	ck_assert_int_eq(go(ecmg), n);		/* the same request, the same octets */
	ck_assert_mem_eq(ecm, before, (size_t)n);
	for (uint16_t cp = 100; extension(ecmg) != 8; cp++) {
		int64_t asked = gw_utc_us();
		ck_assert_msg(asked < valid_us + 10000000, "no new SEAK at its valid_from");
		usleep(20000);
		ask.cp_number = cws[0].cp_number = cp;
		cws[1].cp_number = (uint16_t)(cp + 1);
		if (extension(ecmg) == 8)
			ck_assert_int_ge(gw_utc_us(), valid_us);
	}
	ck_assert_int_eq(logged[KMS_LOG_WARNING], 0);
	drm_device_free(device);
	p->close(ecmg);
	p->close(emmg);
	remove_keys(keys_at);
}
END_TEST

START_TEST(a_bad_key_file_changes_nothing_and_is_said_once)
{
	static const int from[] = { -60, -30 };
	void *s = ready_to_air(from, 1, "1min");
	struct drm_device *device = handset("00490123456789012345", "handset-private.pem");
	int taken;
	char pem[256];

	ck_assert_str_eq(round_of(s, 0, device, &taken), "RRGD");
	put_file(keys_path, "profile: drm\nbase_cid: x\ncolour: red\nshape: round\n", 0600);
	WITHIN_15_S((round_of(s, 0, device, &taken), logged[KMS_LOG_WARNING] == 1));
	usleep(1200000);	/* looked at again */
	ck_assert_str_eq(round_of(s, 0, device, &taken), "RRGD");
	ck_assert_uint_eq(extension(s), 7);
	ck_assert_int_eq(logged[KMS_LOG_WARNING], 1);
	snprintf(pem, sizeof(pem), "%s/handset-public.pem", keys_at);
	put_file(pem, "no key\n", 0600);
	write_keys(from, 2, "1min");	/* good but for a file that it names */
	WITHIN_15_S((round_of(s, 0, device, &taken), logged[KMS_LOG_WARNING] == 2));
	ck_assert_str_eq(round_of(s, 0, device, &taken), "RRGD");
	unlink(keys_path);
	WITHIN_15_S((round_of(s, 0, device, &taken), logged[KMS_LOG_WARNING] == 3));
	ck_assert_int_eq(logged[KMS_LOG_NOTICE], 0);
	drm_device_free(device);
	p->close(s);
	remove_keys(keys_at);
}
END_TEST

START_TEST(a_receivers_key_file_is_not_the_kmss)
{
	char conf[256];
	void *state;

	p = load("drm");
	keys_at = broadcast_keys();
	snprintf(conf, sizeof(conf), "keys=%s/handset-broadcast.yaml\n", keys_at);
	ck_assert_int_eq(p->open(&host, conf, &state, why, sizeof(why)), -1);
	ck_assert_ptr_nonnull(strstr(why, "receiver"));
	remove_keys(keys_at);
}
END_TEST

SUITE("kms_plugin_drm", tcase_add_test(t, channel_is_as_designed); tcase_add_test(t, a_receiver_with_the_handset_keys_opens_it);
      tcase_add_loop_test(t, every_protection_arrives, 0, sizeof(protections) / sizeof(protections[0]));
      tcase_add_test(t, identifiers_protection_and_criteria_are_the_peers); tcase_add_test(t, without_parameters_the_configuration_says);
      tcase_add_test(t, a_repeat_has_the_same_octets_however_late); tcase_add_test(t, a_programme_key_adds_its_layer);
      tcase_add_test(t, refusals_have_the_standards_numbers); tcase_add_test(t, a_key_out_of_its_time_is_not_used);
      tcase_add_test(t, synchronised_seaks_come_from_the_store); tcase_add_test(t, synchronised_services_need_the_store);
      tcase_add_test(t, bad_settings_are_refused); tcase_set_timeout(t, 120); tcase_add_test(t, the_carousel_has_what_should_be_on_air);
      tcase_add_test(t, ltkms_are_refused_by_the_muxs_numbers); tcase_add_test(t, a_changed_key_file_is_taken_over);
      tcase_add_test(t, a_bad_key_file_changes_nothing_and_is_said_once); tcase_add_test(t, a_receivers_key_file_is_not_the_kmss))
