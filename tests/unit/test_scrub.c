/* tests/unit/test_scrub.c: pseudonyms, what they stand for in messages and payloads, and how they come into frames */
#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "proto/bcro.h"
#include "proto/be.h"
#include "proto/cpsig_psig.h"
#include "proto/ecmg_scs.h"
#include "proto/eis_scs.h"
#include "proto/emmg_mux.h"
#include "proto/ip.h"
#include "proto/mikey.h"
#include "proto/playout.h"
#include "proto/psig_mux.h"
#include "proto/stkm.h"
#include "proto/ts.h"
#include "tests/suite.h"
#include "tools/dec_words.h"
#include "tools/scrub.h"
#include "tools/scrub_net.h"

static const uint8_t key[SCRUB_KEY] = "pseudonyms for a test", other_key[SCRUB_KEY] = "and for another";
static struct scrub_pen pen;
static uint64_t seed;

static unsigned
draw(unsigned n)	/* 0..n-1: the same for the same test */
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static void
fill(uint8_t *p, size_t n)
{
	for (size_t k = 0; k < n; k++)
		p[k] = (uint8_t)draw(256);
}

static void
begin(void)
{
	memset(&pen, 0, sizeof(pen));
	pen.names = scrub_names_new(key);
	ck_assert_ptr_nonnull(pen.names);
	seed = 1;
}

static void
end(void)
{
	scrub_names_free(pen.names);
}

/* ---- pseudonyms ---- */

START_TEST(ids_stay_different)
{
	static uint8_t seen[65536];
	unsigned same = 0;

	begin();
	for (unsigned v = 0; v < 65536; v++) {
		uint8_t p[2];

		put16(p, v);
		scrub_id(pen.names, SCRUB_D_CHANNEL, p, 2);
		ck_assert_uint_eq(seen[be16(p)]++, 0);
		same += be16(p) == v;
	}
	ck_assert_uint_lt(same, 10);
	memset(seen, 0, sizeof(seen));
	for (unsigned v = 0; v < 65536; v++) {
		uint8_t p[2];

		put16(p, v);
		scrub_id(pen.names, SCRUB_D_PID, p, 2);
		ck_assert_uint_eq(seen[be16(p)]++, 0);
		if (v < 0x20 || v == 0x1fff)
			ck_assert_uint_eq(be16(p), v);
		ck_assert_int_eq(v > 0x1fff, be16(p) > 0x1fff);
	}
	end();
}
END_TEST

START_TEST(values_have_one_pseudonym)
{
	struct scrub_names *other = scrub_names_new(other_key), *again = scrub_names_new(key);

	begin();
	for (size_t n = 8; n <= 5000; n = n * 3 / 2) {
		static uint8_t was[5000], a[5000], b[5000];

		fill(was, n);
		memcpy(a, was, n);
		memcpy(b, was, n);
		scrub_octets(pen.names, SCRUB_D_KEY, 0, a, n);
		ck_assert_mem_ne(a, was, n);
		scrub_octets(again, SCRUB_D_KEY, 0, b, n);
		ck_assert_mem_eq(a, b, n);
		memcpy(b, was, n);
		scrub_octets(other, SCRUB_D_KEY, 0, b, n);
		ck_assert_mem_ne(a, b, n);
		memcpy(b, was, n);
		scrub_octets(pen.names, SCRUB_D_AC, 0, b, n);
		ck_assert_mem_ne(a, b, n);
		memcpy(b, was, n);
		scrub_octets(pen.names, SCRUB_D_KEY, 1, b, n);
		ck_assert_mem_ne(a, b, n);
		scrub_text(pen.names, b, n);
		for (size_t k = 0; k < n; k++)
			ck_assert(b[k] >= 'a' && b[k] <= 'z');
	}
	scrub_names_free(other);
	scrub_names_free(again);
	end();
}
END_TEST

static int
by_octets(const void *a, const void *b)
{
	return memcmp(a, b, 4);
}

START_TEST(addresses)
{
	static const struct { uint8_t p[4], stays; } v4[] = { { { 0, 0, 0, 0 }, 4 }, { { 255, 255, 255, 255 }, 4 }, { { 224, 0, 0, 251 }, 4 }, { { 127, 0, 0, 1 }, 1 } };
	enum { HOSTS = 20000 };
	static uint8_t all[HOSTS][4];
	uint8_t a[16], b[16], m[6] = { 0x01, 0x00, 0x5e, 1, 2, 3 };

	begin();
	for (size_t i = 0; i < sizeof(v4) / sizeof(v4[0]); i++) {
		memcpy(a, v4[i].p, 4);
		scrub_v4(pen.names, a);
		ck_assert_mem_eq(a, v4[i].p, v4[i].stays);
		ck_assert_int_eq(memcmp(a, v4[i].p, 4) == 0, v4[i].stays == 4);
	}
	memcpy(a, (uint8_t[]){ 198, 51, 100, 7 }, 4);
	memcpy(b, (uint8_t[]){ 198, 51, 100, 8 }, 4);
	scrub_v4(pen.names, a);
	scrub_v4(pen.names, b);
	ck_assert_uint_eq(a[0], 10);
	ck_assert_mem_eq(a, b, 3);
	ck_assert_mem_ne(a, b, 4);
	memcpy(a, (uint8_t[]){ 232, 1, 2, 3 }, 4);
	scrub_v4(pen.names, a);
	ck_assert_uint_eq(a[0], 239);
	for (unsigned i = 0; i < HOSTS; i++) {	/* of as many networks: some fall on one */
		all[i][0] = (uint8_t)(11 + i / 200);
		all[i][1] = (uint8_t)(i % 200);
		all[i][2] = (uint8_t)draw(256);
		all[i][3] = (uint8_t)draw(256);
		scrub_v4(pen.names, all[i]);
	}
	qsort(all, HOSTS, 4, by_octets);
	for (unsigned i = 1; i < HOSTS; i++)
		ck_assert_mem_ne(all[i - 1], all[i], 4);
	memcpy(a, (uint8_t[]){ 0x2a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 }, 16);
	memcpy(b, a, 16);
	b[15] = 99;
	scrub_v6(pen.names, a);
	scrub_v6(pen.names, b);
	ck_assert_mem_eq(a, ((uint8_t[]){ 0x20, 0x01, 0x0d, 0xb8 }), 4);
	ck_assert_mem_eq(a, b, 8);
	ck_assert_mem_ne(a + 8, b + 8, 8);
	memcpy(a, (uint8_t[]){ 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16 }, 16);
	memcpy(b, a, 16);
	scrub_v6(pen.names, b);
	ck_assert_mem_eq(a, b, 16);
	scrub_mac(pen.names, m);
	ck_assert_uint_eq(m[0], 3);
	end();
}
END_TEST

START_TEST(checksums_follow)	/* what is changed at any place, at once or in parts */
{
	for (int round = 0; round < 2000; round++) {
		uint8_t p[64], q[64];
		size_t n = 2 + draw(62), at = draw((unsigned)n), len = 1 + draw((unsigned)(n - at));
		uint32_t sum;
		uint16_t field;

		fill(p, n);
		p[0] |= 1;
		memcpy(q, p, n);
		fill(q + at, len);
		for (sum = ip_sum(0, p, n); sum >> 16; )
			sum = (sum & 0xffff) + (sum >> 16);
		field = scrub_sum_changed((uint16_t)~sum, at & 1, p + at, q + at, len, false);
		for (sum = ip_sum(field, q, n); sum >> 16; )
			sum = (sum & 0xffff) + (sum >> 16);
		ck_assert_uint_eq(sum, 0xffff);
	}
}
END_TEST

/* ---- messages ---- */

/* A message of one parameter, through scrub_message: its value afterwards, in place. */
static void
through(const struct sim_iface *iface, uint16_t type, uint8_t *value, size_t n)
{
	static uint8_t m[70000];

	m[0] = 3;
	put16(m + 1, iface->messages[0].type);
	put16(m + 3, (unsigned)(4 + n));
	put16(m + 5, type);
	put16(m + 7, (unsigned)n);
	memcpy(m + 9, value, n);
	scrub_message(&pen, iface, -1, m, 9 + n);
	ck_assert_uint_eq(m[0], 3);
	ck_assert_uint_eq(be16(m + 1), iface->messages[0].type);
	ck_assert_uint_eq(be16(m + 3), 4 + n);
	ck_assert_uint_eq(be16(m + 5), type);
	ck_assert_uint_eq(be16(m + 7), n);
	memcpy(value, m + 9, n);
}

static bool
stays(const char *name)
{
	static const char *const names[] = { "error_status", "traffic_protection", "duration", "start_time", "stream_change_timestamp", "trigger_list", "trigger_type" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool
is_id(const char *name)
{
	size_t n = strlen(name);

	return n > 3 && (strcmp(name + n - 3, "_id") == 0 || strcmp(name + n - 3, "_ID") == 0 || strcmp(name + n - 3, "PID") == 0) && strcmp(name, "location_id") != 0 && strcmp(name, "table_id") != 0 &&
	    strcmp(name, "transaction_id") != 0 && strcmp(name, "trigger_id") != 0;
}

START_TEST(each_parameter_is_decided)
{
	static const struct sim_iface *const all[] = { &ecmg_scs, &emmg_mux, &eis_scs, &psig_mux, &cpsig_psig, &playout };

	begin();
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (size_t k = 0; k < all[i]->nparams; k++) {
			const struct sim_param *q = &all[i]->params[k];
			size_t n = q->min > 9 ? q->min : q->max < 9 ? q->max : 9;
			bool hidden = (q->kind == SIM_HEX || q->kind == SIM_BYTES || q->kind == SIM_TEXT || q->flags & SIM_SECRET || is_id(q->name)) && !stays(q->name);
			uint8_t p[64], was[64];

			if (q->kind == SIM_GROUP)
				continue;
			fill(p, n);
			if (strstr(q->name, "acket_ID") || strstr(q->name, "PID"))	/* one that is free */
				p[0] &= 0x0f;
			memcpy(was, p, n);
			through(all[i], q->type, p, n);
			ck_assert_msg((memcmp(p, was, n) != 0) == hidden, "%s: %s", all[i]->name, q->name);
			if (q->flags & SIM_CP)
				ck_assert_mem_eq(p, was, 2);
			if (hidden && n >= 9)	/* and not in part */
				ck_assert_msg(memcmp(p + n - 4, was + n - 4, 4) != 0, "%s: %s", all[i]->name, q->name);
		}
	end();
}
END_TEST

START_TEST(what_is_kept_is_kept_but_keys)
{
	uint8_t ac[12], cas[4], cw[18], was[18];

	begin();
	pen.keep = 1u << SCRUB_AC | 1u << SCRUB_IDS;
	fill(ac, sizeof(ac));
	memcpy(was, ac, sizeof(ac));
	through(&ecmg_scs, ECMG_ACCESS_CRITERIA, ac, sizeof(ac));
	ck_assert_mem_eq(ac, was, sizeof(ac));
	memcpy(cas, was, 4);
	through(&emmg_mux, EMMG_CLIENT_ID, cas, 4);
	ck_assert_mem_eq(cas, was, 4);
	fill(cw, sizeof(cw));
	memcpy(was, cw, sizeof(cw));
	through(&ecmg_scs, ECMG_CP_CW, cw, sizeof(cw));
	ck_assert_mem_eq(cw, was, 2);
	ck_assert_mem_ne(cw + 2, was + 2, 16);
	end();
}
END_TEST

START_TEST(a_body_without_parameters)	/* of a message that somebody made: its first octets look like a type and a length */
{
	uint8_t m[SIM_HEADER + 16] = { 3, 0x81, 0x23, 0, 16, 0xc0, 0xde, 0xc0, 0xde, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
	struct sim_msg read;

	begin();
	scrub_message(&pen, &ecmg_scs, -1, m, sizeof(m));
	ck_assert_mem_eq(m, "\3\x81\x23\0\x10\xff\xff\xff\xff", 9);
	ck_assert_int_eq(sim_decode(&ecmg_scs, m, sizeof(m), &read, NULL), -1);
	end();
}
END_TEST

/* MSS, SACK permitted, timestamps, window scale; one of MSS that is too long, and a cookie of TCP Fast Open. */
START_TEST(options_of_tcp)
{
	static const uint8_t known[] = { 2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7 }, strange[] = { 2, 8, 1, 2, 3, 4, 5, 6, 34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1 };
	uint8_t head[40] = { [12] = 0xa0 }, out[SCRUB_TRANSPORT];
	struct dec_segment s = { .header = head, .p = head + sizeof(head) };
	enum scrub_sum sum;
	size_t at;

	begin();
	memcpy(head + 20, known, sizeof(known));
	ck_assert_uint_eq(scrub_transport(&pen, 6, &s, out, &sum, &at), sizeof(head));
	ck_assert_mem_eq(out + 20, known, sizeof(known));
	memcpy(head + 20, strange, sizeof(strange));
	ck_assert_uint_eq(scrub_transport(&pen, 6, &s, out, &sum, &at), sizeof(head));
	ck_assert_mem_eq(out + 20, "\2\x08\0\0\0\0\0\0\x22\x0a\0\0\0\0\0\0\0\0\1\1", sizeof(strange));
	end();
}
END_TEST

START_TEST(control_words_keep_their_check_octets)
{
	uint8_t p[10] = { 0, 7, 1, 2, 3, 6, 10, 20, 30, 60 }, q[10] = { 0, 7, 1, 2, 3, 7, 10, 20, 30, 60 };

	begin();
	through(&ecmg_scs, ECMG_CP_CW, p, sizeof(p));
	ck_assert_uint_eq(p[5], (uint8_t)(p[2] + p[3] + p[4]));
	ck_assert_uint_eq(p[9], (uint8_t)(p[6] + p[7] + p[8]));
	through(&ecmg_scs, ECMG_CP_CW, q, sizeof(q));
	ck_assert(q[5] != (uint8_t)(q[2] + q[3] + q[4]) || q[9] != (uint8_t)(q[6] + q[7] + q[8]));
	end();
}
END_TEST

START_TEST(the_same_id_on_other_interfaces)
{
	uint8_t cas[4] = { 0x4a, 0xdc, 0, 1 }, client[4] = { 0x4a, 0xdc, 0, 1 }, eis[4] = { 0x4a, 0xdc, 0, 1 };

	begin();
	through(&ecmg_scs, ECMG_SUPER_CAS_ID, cas, 4);
	through(&emmg_mux, EMMG_CLIENT_ID, client, 4);
	through(&eis_scs, EIS_SUPER_CAS_ID, eis, 4);
	ck_assert_mem_eq(cas, client, 4);
	ck_assert_mem_eq(cas, eis, 4);
	end();
}
END_TEST

/* ---- payloads ---- */

static const char *
kind_of(int flag, const uint8_t *p, size_t n)
{
	static char text[2048];

	return dec_payload(flag, p, n, text, sizeof(text));
}

static bool
holds(const uint8_t *p, size_t n, const uint8_t *q, size_t len)
{
	for (size_t at = 0; at + len <= n; at++)
		if (memcmp(p + at, q, len) == 0)
			return true;
	return false;
}

static void
changed(const uint8_t *after, size_t n, const uint8_t *q, size_t len)
{
	for (size_t at = 0; len >= 4 && at + 4 <= len; at++)
		ck_assert(!holds(after, n, q + at, 4));
}

START_TEST(stkm_keeps_its_form)
{
	json_t *j = vec_json("bcast/stkm-examples.json"), *e;
	size_t i;

	begin();
	json_array_foreach(json_object_get(j, "examples"), i, e) {
		static uint8_t p[STKM_MAX], was[STKM_MAX];
		size_t n = unhex(json_string_value(json_object_get(e, "stkm")), was, sizeof(was));
		struct stkm a, b;
		uint8_t id[2 + STKM_ID_MAX] = { 0, 9 };

		memcpy(p, was, n);
		scrub_payload(&pen, 2, p, n);
		ck_assert_str_eq(kind_of(2, p, n), "STKM");
		ck_assert_int_eq(stkm_decode(was, n, &a, NULL), 0);
		ck_assert_int_eq(stkm_decode(p, n, &b, NULL), 0);
		ck_assert_uint_eq(a.protocol, b.protocol);
		ck_assert_uint_eq(a.timestamp, b.timestamp);
		ck_assert_uint_eq(a.lifetime, b.lifetime);
		ck_assert_uint_eq(a.criteria_len, b.criteria_len);
		ck_assert_int_eq(stkm_criteria_count(a.criteria, a.criteria_len), stkm_criteria_count(b.criteria, b.criteria_len));
		changed(p, n, a.material, a.material_len);
		if (a.service)
			changed(p, n, a.service_MAC, STKM_MAC);
		if (a.id_len < 2)
			continue;
		/* the same key has the same name in key_identifier */
		memcpy(id + 2, a.id, a.id_len);
		through(&ecmg_scs, ECMG_KEY_IDENTIFIER, id, 2u + a.id_len);
		ck_assert_mem_eq(id + 2, b.id, a.id_len);
		ck_assert_uint_eq(be16(id), 9);
	}
	json_decref(j);
	end();
}
END_TEST

START_TEST(mikey_keeps_its_form)
{
	json_t *j = vec_json("bcast/mikey-vectors.json"), *e;
	const char *name;
	unsigned n_read = 0;

	begin();
	json_object_foreach(json_object_get(j, "vectors"), name, e) {
		static uint8_t p[6000], was[6000];
		const char *hex = json_string_value(json_object_get(e, "message"));
		size_t n;
		struct mikey a, b;
		uint8_t key_group[2], domain[3];

		if (!hex || !*hex)
			continue;
		n = unhex(hex, was, sizeof(was));
		memcpy(p, was, n);
		if (mikey_decode(was, n, &a, NULL) < 0)
			continue;
		n_read++;
		scrub_payload(&pen, 2, p, n);
		ck_assert_msg(mikey_decode(p, n, &b, NULL) == 0, "%s", name);
		ck_assert_str_eq(kind_of(2, was, n), kind_of(2, p, n));
		ck_assert_uint_eq(a.n, b.n);
		ck_assert_uint_eq(a.ts, b.ts);
		ck_assert_uint_eq(a.encr.len, b.encr.len);
		ck_assert_uint_eq(a.ids.key_number, b.ids.key_number);
		ck_assert_uint_eq(a.ids.tek_id, b.ids.tek_id);
		changed(p, n, a.encr.p, a.encr.len);
		changed(p, n, a.mac.p, a.mac.len);
		changed(p, n, a.rand.p, a.rand.len);
		if (a.idr.p)
			changed(p, n, a.idr.p, a.idr.len);
		/* in STKM and LTKM alike */
		put16(key_group, a.ids.key_group);
		scrub_id(pen.names, SCRUB_D_KEY_ID, key_group, 2);
		memcpy(domain, a.ids.domain, 3);
		scrub_id(pen.names, SCRUB_D_DEVICE, domain, 3);
		if (a.ids.has_key)
			ck_assert_uint_eq(b.ids.key_group, be16(key_group));
		if (a.ids.has_domain)
			ck_assert_mem_eq(b.ids.domain, domain, 3);
	}
	ck_assert_uint_gt(n_read, 5);
	json_decref(j);
	end();
}
END_TEST

START_TEST(bcro_keeps_its_form)
{
	json_t *j = vec_json("bcast/bcro-vectors.json"), *e;
	size_t i;

	begin();
	json_array_foreach(json_object_get(j, "bcro"), i, e) {
		static uint8_t p[BCRO_MAX], was[BCRO_MAX];
		static struct bcro a, b;
		size_t n = unhex(json_string_value(json_object_get(e, "bcro")), was, sizeof(was));

		memcpy(p, was, n);
		scrub_payload(&pen, 2, p, n);
		ck_assert_str_eq(kind_of(2, p, n), "BCRO");
		ck_assert_int_eq(bcro_decode(was, n, &a, NULL), 0);
		ck_assert_int_eq(bcro_decode(p, n, &b, NULL), 0);
		ck_assert_uint_eq(a.nassets, b.nassets);
		ck_assert_uint_eq(a.npermissions, b.npermissions);
		for (size_t k = 0; k < a.nassets; k++) {
			ck_assert_uint_eq(a.asset[k].valid_to, b.asset[k].valid_to);
			changed(p, n, a.asset[k].wrapped, BCRO_WRAPPED);
			ck_assert_mem_ne(a.asset[k].BCI, b.asset[k].BCI, BCRO_BCI - 4);
			ck_assert_mem_ne(a.asset[k].BCI + BCRO_BCI - 4, b.asset[k].BCI + BCRO_BCI - 4, 4);
		}
		changed(p, n, a.MAC, BCRO_MAC);
		ck_assert_mem_ne(a.address, b.address, BCRO_ADDRESS_LEN);
	}
	json_decref(j);
	end();
}
END_TEST

START_TEST(sections_and_packets)
{
	uint8_t p[188 * 2], was[sizeof(p)], pmt[40] = { 0x02, 0xb0, 37, 0x12, 0x34, 0xc1, 0, 0 };

	begin();
	/* a private section within two packets, behind the end of another, then stuffing */
	fill(p, sizeof(p));
	memcpy(p, (uint8_t[]){ 0x47, 0x41, 0x23, 0x15, 4, 1, 2, 3, 4, 0x82, 0x70, 250 }, 12);
	memcpy(p + 188, (uint8_t[]){ 0x47, 0x01, 0x23, 0x16 }, 4);
	memset(p + 188 + 4 + 70, 0xff, 188 - 74);
	p[188 + 4 + 69] = 0x11;
	memcpy(was, p, sizeof(p));
	ck_assert_str_eq(kind_of(1, p, sizeof(p)), "TS");
	scrub_payload(&pen, 1, p, sizeof(p));
	ck_assert_str_eq(kind_of(1, p, sizeof(p)), "TS");
	for (size_t k = 0; k < 2; k++) {
		ck_assert_uint_eq(p[188 * k], 0x47);
		ck_assert_uint_eq(p[188 * k + 3], was[188 * k + 3]);
		ck_assert_uint_eq(p[188 * k + 1] & 0xe0, was[188 * k + 1] & 0xe0);
	}
	ck_assert_uint_ne(ts_pid(p), 0x123);
	ck_assert_uint_eq(ts_pid(p), ts_pid(p + 188));
	ck_assert_uint_eq(p[4], 4);
	ck_assert_mem_eq(p + 9, was + 9, 3);
	ck_assert_mem_eq(p + 188 + 74, was + 188 + 74, 188 - 74);
	changed(p, sizeof(p), was + 12, 188 - 12);
	changed(p, sizeof(p), was + 188 + 4, 70);
	/* a PMT, whose CRC_32 is right before and after */
	fill(pmt + 8, 28);
	for (uint32_t v = ts_crc(pmt, 36), k = 0; k < 4; k++)
		pmt[36 + k] = (uint8_t)(v >> (24 - 8 * k));
	ck_assert_uint_eq(ts_crc(pmt, sizeof(pmt)), 0);
	memcpy(was, pmt, sizeof(pmt));
	scrub_payload(&pen, 0, pmt, sizeof(pmt));
	ck_assert_uint_eq(ts_crc(pmt, sizeof(pmt)), 0);
	ck_assert_mem_eq(pmt, was, 3);
	ck_assert_mem_eq(pmt + 5, was + 5, 3);
	changed(pmt, sizeof(pmt), was + 8, 28);
	end();
}
END_TEST

START_TEST(payloads_look_as_before)	/* whatever octets: what decode takes them for does not change */
{
	begin();
	for (int round = 0; round < 3000; round++) {
		uint8_t p[200];
		size_t n = draw(sizeof(p));
		int flag = (int)draw(4) - 1;
		const char *kind;

		fill(p, n);
		if (n > 2 && draw(2))
			memcpy(p, draw(2) ? (uint8_t[]){ 0x82, 0x70, (uint8_t)(n - 3) } : (uint8_t[]){ 0x10, 0, 0 }, 3);
		kind = kind_of(flag, p, n);
		scrub_payload(&pen, flag, p, n);
		ck_assert_pstr_eq(kind_of(flag, p, n), kind);
	}
	end();
}
END_TEST

/* ---- frames ---- */

enum { STREAM = 40000, FRAMES = 4000 };
static uint8_t stream[STREAM], wanted[STREAM];

/* Messages, one behind the other; `wanted`: as they ought to be. */
static size_t
messages(void)
{
	size_t n = 0;

	for (unsigned cp = 0; n + 600 < STREAM; cp++) {
		struct sim_writer w;
		uint8_t cw[18], ac[500];
		size_t len;

		fill(cw, sizeof(cw));
		fill(ac, sizeof(ac));
		put16(cw, cp);
		sim_begin(&w, &ecmg_scs, 3, ECMG_CW_PROVISION, stream + n, STREAM - n);
		sim_put_int(&w, ECMG_CHANNEL_ID, 7);
		sim_put_int(&w, ECMG_STREAM_ID, 8);
		sim_put_int(&w, ECMG_CP_NUMBER, cp);
		sim_put_bytes(&w, ECMG_CP_CW, cw, sizeof(cw));
		sim_put_bytes(&w, ECMG_ACCESS_CRITERIA, ac, draw(sizeof(ac)));
		len = sim_end(&w, NULL);
		ck_assert_uint_gt(len, 0);
		memcpy(wanted + n, stream + n, len);
		scrub_message(&pen, &ecmg_scs, -1, wanted + n, len);
		n += len;
	}
	return n;
}

/* An IPv4 packet with octets [at, at + len) of the stream; its length. */
static size_t
packet(uint8_t *out, const uint8_t *p, size_t at, size_t len, bool syn)
{
	struct ip_ends e = { .from = { 192, 0, 2, 1 }, .to = { 198, 51, 100, 1 }, .from_port = 5000, .to_port = 2000 };
	uint8_t *t = out + ip_put(out, &e, 6, 64, 20 + len);
	uint32_t seq = (uint32_t)(0xffff0000u + at + !syn), sum;

	memset(t, 0, 20);
	put16(t, e.from_port);
	put16(t + 2, e.to_port);
	put16(t + 4, seq >> 16);
	put16(t + 6, seq & 0xffff);
	t[12] = 0x50;
	t[13] = syn ? 2 : 16;
	if (len > 0)
		memcpy(t + 20, p + at, len);
	for (sum = ip_sum(ip_sum(ip_sum(6 + 20 + (uint32_t)len, e.from, 4), e.to, 4), t, 20 + len); sum >> 16; )
		sum = (sum & 0xffff) + (sum >> 16);
	put16(t + 16, ~sum & 0xffff);
	return IP_V4_HEADER + 20 + len;
}

static bool
right(const uint8_t *ip, size_t n)
{
	uint32_t sum = ip_sum(6 + (uint32_t)(n - IP_V4_HEADER), ip + 12, n - 12), head = ip_sum(0, ip, IP_V4_HEADER);

	while (sum >> 16 || head >> 16) {
		sum = (sum & 0xffff) + (sum >> 16);
		head = (head & 0xffff) + (head >> 16);
	}
	return sum == 0xffff && head == 0xffff;
}

static struct sent { size_t at, len; uint64_t in_file; } sent[FRAMES];

START_TEST(each_copy_of_an_octet_gets_the_same)	/* _i: another order, with overlaps and repetitions */
{
	int fd = memfd_create("out", 0);
	struct scrub_out *out = scrub_out_new(fd);
	struct dec_msg_conf any = { 0 };
	uint8_t p[IP_V4_HEADER + 20 + 1500], q[sizeof(p)];
	size_t total, n = 0, at = 0, whole;
	struct scrub *s;

	begin();
	seed = (uint64_t)_i + 7;
	total = messages();
	while (at < total) {
		size_t len = 1 + draw(draw(4) ? 300 : 1400), back = draw(5) ? 0 : draw(900);

		back = back < at ? back : at;
		len = len < total - at ? len : total - at;
		ck_assert_uint_lt(n, FRAMES);
		sent[n++] = (struct sent){ at - back, len + back > 1500 ? 1500 : len + back, 0 };
		at = sent[n - 1].at + sent[n - 1].len > at ? sent[n - 1].at + sent[n - 1].len : at;
		if (n > 3 && draw(4) == 0) {	/* changes place with a near one */
			size_t k = n - 2 - draw(2);
			struct sent w = sent[k];

			sent[k] = sent[n - 1];
			sent[n - 1] = w;
		}
		if (draw(6) == 0 && n < FRAMES) {
			sent[n] = sent[n - 1 - draw(n > 20 ? 20 : (unsigned)n)];
			n++;
		}
	}
	s = scrub_new(&pen, out, &any, NULL, NULL);
	for (size_t i = 0; i <= n; i++) {
		struct scrub_record r = { "head", 4, "tail!", 5, 0 };

		r.caplen = i ? packet(p, stream, sent[i - 1].at, sent[i - 1].len, false) : packet(p, stream, 0, 0, true);
		if (i)
			sent[i - 1].in_file = scrub_out_at(out) + 4;
		scrub_record(s, &r, DLT_RAW, p, r.caplen, r.caplen, (int64_t)i * 1000);
	}
	scrub_flush(s);
	ck_assert_uint_eq(scrub_count(s)->frames, n + 1);
	ck_assert_uint_eq(scrub_count(s)->payload, scrub_count(s)->filled);
	scrub_free(s);
	ck_assert_int_eq(scrub_out_end(out, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		whole = packet(p, wanted, sent[i].at, sent[i].len, false);
		ck_assert_int_eq(pread(fd, q, whole, (off_t)sent[i].in_file), (ssize_t)whole);
		ck_assert_mem_eq(q + IP_V4_HEADER + 20, p + IP_V4_HEADER + 20, sent[i].len);
		ck_assert_uint_eq(q[12], 10);
		ck_assert(right(q, whole));
	}
	scrub_out_free(out);
	close(fd);
	end();
}
END_TEST

START_TEST(what_is_no_message_is_blank)
{
	int fd = memfd_create("out", 0);
	struct scrub_out *out = scrub_out_new(fd);
	struct dec_msg_conf any = { 0 };
	uint8_t p[2000], q[2000];
	struct scrub_record r = { NULL, 0, NULL, 0, 0 };
	struct scrub *s;

	begin();
	fill(stream, 1000);
	stream[0] = 'G';
	s = scrub_new(&pen, out, &any, NULL, NULL);
	r.caplen = packet(p, stream, 0, 1000, false);
	p[40] ^= 1;	/* its checksum is wrong, and stays so */
	scrub_record(s, &r, DLT_RAW, p, r.caplen, r.caplen, 0);
	scrub_record(s, &r, -1, p, r.caplen, r.caplen, 0);
	scrub_free(s);
	ck_assert_int_eq(scrub_out_end(out, NULL), 0);
	ck_assert_int_eq(pread(fd, q, r.caplen, 0), (ssize_t)r.caplen);
	for (size_t k = 40; k < r.caplen; k++)
		ck_assert_uint_eq(q[k], 0);
	ck_assert(!right(q, r.caplen));
	ck_assert_int_eq(pread(fd, q, r.caplen, (off_t)r.caplen), (ssize_t)r.caplen);
	for (size_t k = 0; k < r.caplen; k++)
		ck_assert_uint_eq(q[k], 0);
	scrub_out_free(out);
	close(fd);
	end();
}
END_TEST

START_TEST(a_file_is_written_again_behind_its_end)
{
	enum { WHOLE = 20 << 20, STEP = 1 << 16 };
	int fd = memfd_create("out", 0);
	struct scrub_out *out = scrub_out_new(fd);
	static uint8_t run[STEP], got[STEP];

	seed = 3;
	fill(run, sizeof(run));
	for (size_t at = 0; at < WHOLE; at += STEP)
		scrub_out_put(out, run, STEP);
	for (int k = 0; k < 500; k++) {	/* over the border of what is in memory, too */
		uint64_t at = k % 2 ? draw(WHOLE - STEP) : (12 << 20) - draw(STEP);
		size_t n = 1 + draw(STEP);

		fill(run, n);
		scrub_out_write(out, at, run, n);
		scrub_out_read(out, at, got, n);
		ck_assert_mem_eq(got, run, n);
	}
	ck_assert_int_eq(scrub_out_end(out, NULL), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), WHOLE);
	scrub_out_free(out);
	close(fd);
}
END_TEST

SUITE("scrub", tcase_set_timeout(t, 60); tcase_add_test(t, ids_stay_different); tcase_add_test(t, values_have_one_pseudonym); tcase_add_test(t, addresses);
      tcase_add_test(t, checksums_follow); tcase_add_test(t, each_parameter_is_decided); tcase_add_test(t, what_is_kept_is_kept_but_keys);
      tcase_add_test(t, a_body_without_parameters); tcase_add_test(t, options_of_tcp); tcase_add_test(t, control_words_keep_their_check_octets); tcase_add_test(t, the_same_id_on_other_interfaces); tcase_add_test(t, stkm_keeps_its_form);
      tcase_add_test(t, mikey_keeps_its_form); tcase_add_test(t, bcro_keeps_its_form); tcase_add_test(t, sections_and_packets);
      tcase_add_test(t, payloads_look_as_before); tcase_add_loop_test(t, each_copy_of_an_octet_gets_the_same, 0, 12);
      tcase_add_test(t, what_is_no_message_is_blank); tcase_add_test(t, a_file_is_written_again_behind_its_end))
