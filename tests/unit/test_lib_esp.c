/* tests/unit/test_lib_esp.c: ESP: vectors, both modes and families, damage, replay, restarts, and that no sequence number is used twice */
#include "lib/esp.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "proto/esp.h"
#include "proto/ip.h"
#include "tests/suite.h"

enum { ROOM = 70000, PORT = 5004 };
static const struct gw_transform *const esp = &gw_transform_esp;
static _Alignas(8) uint8_t marks[1024];
static _Alignas(8) uint8_t room[GW_XF_HEAD + ROOM + GW_XF_TAIL];
static struct gw_pk pk;
static struct gw_tx *tx;
static struct gw_tx_medium *medium;
static struct gw_rx *rx;
static struct gw_burst *burst;
static struct gw_rx_got got;

static struct sockaddr_storage
address(bool v6, const char *text, uint16_t port)
{
	struct sockaddr_storage ss = { .ss_family = v6 ? AF_INET6 : AF_INET };

	if (v6) {
		struct sockaddr_in6 *a = (struct sockaddr_in6 *)&ss;
		ck_assert_int_eq(inet_pton(AF_INET6, text, &a->sin6_addr), 1);
		a->sin6_port = htons(port);
	} else {
		struct sockaddr_in *a = (struct sockaddr_in *)&ss;
		ck_assert_int_eq(inet_pton(AF_INET, text, &a->sin_addr), 1);
		a->sin_port = htons(port);
	}
	return ss;
}

static void
down(void)
{
	esp->medium_free(medium);
	esp->tx_free(tx);
	esp->rx_free(rx);
	gw_burst_free(burst);
	tx = NULL;
	rx = NULL;
	medium = NULL;
	burst = NULL;
}

static void
up(bool v6, bool tunnel)
{
	struct gw_tx_conf t = { .tunnel = tunnel, .marks = marks };
	struct gw_rx_conf r = { .tunnel = tunnel, .port = PORT };
	struct gw_tx_medium_conf m = { .from = address(v6, v6 ? "2001:db8::1" : "192.0.2.10", PORT),
		.to = address(v6, v6 ? "ff0e::42" : "233.252.0.10", PORT) };

	ck_assert_uint_le(esp->marks_len(&t), sizeof(marks));
	ck_assert_ptr_nonnull(burst = gw_burst_new(GW_BURST_AUTO, NULL));
	ck_assert_ptr_nonnull(tx = esp->tx_new(&t, NULL));
	ck_assert_ptr_nonnull(rx = esp->rx_new(&r, NULL));
	ck_assert_ptr_nonnull(medium = esp->medium_new(tx, &m, NULL));
	gw_esp_rx_between(rx, &m.from, &m.to);
}

static struct gw_material
material(uint16_t cp, bool authenticated)
{
	static uint8_t tek[16][16], tak[16][20];
	static unsigned turn;
	unsigned i = turn++ % 16;

	memset(tek[i], 0x11, 16);
	memset(tak[i], 0x22, 20);
	tek[i][0] = tak[i][0] = (uint8_t)(cp >> 8);
	tek[i][1] = tak[i][1] = (uint8_t)cp;
	return (struct gw_material){ .id = { 0x80, 1, (uint8_t)(cp >> 8), (uint8_t)cp }, .id_len = 4, .tek = tek[i], .tak = tak[i],
		.authenticated = authenticated };
}

static void
tx_key(uint16_t cp, bool authenticated)
{
	struct gw_material m = material(cp, authenticated);
	struct gw_xkey *k = esp->key_new(tx, &m, NULL);

	ck_assert_ptr_nonnull(k);
	esp->key_free(esp->use(tx, k));
}

static void
both_keys(uint16_t cp, bool authenticated)
{
	struct gw_material m = material(cp, authenticated);

	tx_key(cp, authenticated);
	ck_assert_int_eq(esp->rx_key(rx, &m, NULL), 0);
}

/* An RTP packet of that sequence number and length in all. */
static void
clear(uint32_t ssrc, uint16_t seq, size_t len)
{
	pk = (struct gw_pk){ room + GW_XF_HEAD, len };
	for (size_t i = 0; i < len; i++)
		pk.p[i] = (uint8_t)(seq + i);
	if (len < 12)
		return;
	memset(pk.p, 0, 12);
	pk.p[0] = 0x80;
	pk.p[2] = (uint8_t)(seq >> 8);
	pk.p[3] = (uint8_t)seq;
	pk.p[11] = (uint8_t)ssrc;
}

static int
emit(uint32_t ssrc, uint16_t seq, size_t len)
{
	int v;

	clear(ssrc, seq, len);
	v = esp->protect(tx, medium, &pk, burst, NULL);
	gw_burst_run(burst);
	return v;
}

static int
receive(void)
{
	return esp->unprotect(rx, &pk, &got, NULL);
}

static uint32_t
number(void)
{
	struct esp e;

	ck_assert_int_eq(esp_parse(pk.p, pk.len, true, &e), 0);
	return e.seq;
}

START_TEST(public_vectors_hold)
{
	struct gw_err err = { 0 };

	ck_assert_msg(esp->self_test(&err) == 0, "%s", err.text);
	ck_assert_ptr_eq(gw_transform_of(0), esp);
}
END_TEST

/* The self-test has copies: these are the files themselves. */
START_TEST(files_of_vectors_hold)	/* _i: 0 RFC 3602 case 5, 1 the worked example */
{
	json_t *file = vec_json(_i ? "bcast/stkm-examples.json" : "bcast/crypto-vectors.json"), *v = NULL, *e;
	uint8_t tek[16], tak[20], iv[16], want[256], plain[128], next;
	size_t n, at;

	if (_i) {
		v = json_array_get(json_object_get(file, "examples"), 0);
	} else {
		json_array_foreach(json_object_get(file, "vectors"), at, e)
			if (strstr(json_string_value(json_object_get(e, "name")), "Case 5 (ESP"))
				v = e;
	}
	ck_assert_ptr_nonnull(v);
	json_t *p = _i ? json_object_get(v, "esp") : v;
#define FIELD(o, name, out) unhex(json_string_value(json_object_get(o, name)), out, sizeof(out))
	struct gw_material m = { .id_len = 4, .tek = tek, .tak = tak, .authenticated = _i };
	FIELD(v, "spi", m.id);
	FIELD(v, _i ? "TEK" : "key", tek);
	if (_i)
		FIELD(v, "TAK", tak);
	FIELD(p, "iv", iv);
	up(false, false);
	struct gw_xkey *k = esp->key_new(tx, &m, NULL);
	ck_assert_ptr_null(esp->use(tx, k));
	ck_assert_int_eq(esp->rx_key(rx, &m, NULL), 0);
	pk = (struct gw_pk){ room + GW_XF_HEAD, 0 };
	pk.len = FIELD(p, _i ? "inner_udp_datagram" : "payload", plain);
	memcpy(pk.p, plain, pk.len);
	ck_assert_int_eq(gw_esp_protect_payload(tx, &pk, _i ? 17 : 1, iv, burst), GW_XF_OK);
	gw_burst_run(burst);
	n = FIELD(p, _i ? "esp_packet" : "expected", want);
	ck_assert_uint_eq(pk.len, _i ? n : n + ESP_BEFORE);
	ck_assert_mem_eq(_i ? pk.p : pk.p + ESP_BEFORE, want, n);
	ck_assert_uint_eq(esp_spi(pk.p), _i ? 0x80010005 : 0x4321);
	ck_assert_int_eq(gw_esp_open(rx, &pk, &next, &got), GW_XF_OK);
	ck_assert_uint_eq(next, _i ? 17 : 1);
	ck_assert_mem_eq(pk.p, plain, pk.len);
	json_decref(file);
	down();
}
END_TEST

/* Family, mode, authentication by the bits of _i; every length up to some blocks, and long ones; keys change between. */
START_TEST(what_is_sent_arrives)
{
	bool v6 = _i & 1, tunnel = _i & 2, auth = _i & 4;
	uint8_t copy[2048], ivs[200][16];
	size_t len, n = 0;

	up(v6, tunnel);
	for (len = 12; len < 1400; len += len < 90 ? 1 : 97) {
		if (len % 20 == 12)
			both_keys((uint16_t)(len / 20), auth);
		ck_assert_int_eq(emit(7, (uint16_t)(65500 + n), len), GW_XF_OK);
		ck_assert(pk.p >= room && pk.len <= len + esp->overhead);
		ck_assert_uint_eq(pk.len, ESP_BEFORE + (auth ? 12u : 0u) + esp_sealed_len((tunnel ? v6 ? 40u : 20u : 0u) + 8 + len));
		memcpy(ivs[n], pk.p + ESP_HEADER, 16);
		for (size_t i = 0; i < n; i++)
			ck_assert(memcmp(ivs[i], ivs[n], 16) != 0);
		ck_assert_int_eq(receive(), GW_XF_OK);
		ck_assert_uint_eq(pk.len, len);
		memcpy(copy, pk.p, len);
		clear(7, (uint16_t)(65500 + n), len);
		ck_assert_mem_eq(copy, pk.p, len);
		ck_assert(got.id_len == 4 && got.source == 7 && got.index == 65500 + n);
		n++;
	}
	ck_assert_uint_gt(n, 64);	/* more than IVs are made at a time, and over the wrap of the sequence number */
	down();
}
END_TEST

START_TEST(the_inner_packet_is_as_a_host_would_send_it)	/* _i: IPv6 */
{
	struct ip ip;
	uint8_t next;

	up(_i, true);
	both_keys(1, true);
	ck_assert_int_eq(emit(7, 1, 100), GW_XF_OK);
	ck_assert_int_eq(gw_esp_open(rx, &pk, &next, &got), GW_XF_OK);
	ck_assert_uint_eq(next, _i ? 41 : 4);
	ck_assert_int_eq(ip_parse(pk.p, pk.len, &ip), 0);
	ck_assert(ip.ttl == 64 && ip.next == 17 && ip.len == pk.len);
	ck_assert_uint_eq(_i ? pk.p[1] : pk.p[1] | (pk.p[6] ^ 0x40), 0);	/* DSCP 0, DF */
	down();
}
END_TEST

START_TEST(payloads_of_any_kind)
{
	uint8_t next;

	up(false, false);
	both_keys(1, true);
	for (size_t len = 0; len < 40; len++) {
		clear(1, 1, len);
		ck_assert_int_eq(gw_esp_protect_payload(tx, &pk, 132, NULL, burst), GW_XF_OK);
		gw_burst_run(burst);
		ck_assert_int_eq(gw_esp_open(rx, &pk, &next, &got), GW_XF_OK);
		ck_assert(next == 132 && pk.len == len);
	}
	clear(1, 1, 40);
	ck_assert_int_eq(gw_esp_protect_payload(tx, &pk, 132, NULL, burst), GW_XF_OK);
	gw_burst_run(burst);
	ck_assert_int_eq(receive(), GW_XF_MALFORMED);	/* not what a medium is */
	down();
}
END_TEST

START_TEST(rtcp_goes_between_the_next_ports)
{
	up(false, false);
	both_keys(1, true);
	clear(7, 1, 28);
	ck_assert_int_eq(esp->protect_rtcp(tx, medium, &pk, burst), GW_XF_OK);
	gw_burst_run(burst);
	ck_assert_int_eq(esp->unprotect_rtcp(rx, &pk, &got), GW_XF_OK);
	ck_assert_uint_eq(pk.len, 28);
	clear(7, 1, 28);
	ck_assert_int_eq(esp->protect_rtcp(tx, medium, &pk, burst), GW_XF_OK);
	gw_burst_run(burst);
	ck_assert_int_eq(receive(), GW_XF_HELD);
	ck_assert_int_eq(emit(7, 1, 28), GW_XF_OK);
	ck_assert_int_eq(esp->unprotect_rtcp(rx, &pk, &got), GW_XF_MALFORMED);
	down();
}
END_TEST

START_TEST(damage_is_told)	/* _i: octet of a packet of 100 */
{
	up(false, false);
	both_keys(1, true);
	ck_assert_int_eq(emit(7, 1, 40), GW_XF_OK);
	ck_assert_uint_eq(pk.len, 24 + 64 + 12);
	pk.p[_i] ^= 0x10;
	ck_assert_int_eq(receive(), _i < 4 ? GW_XF_NO_KEY : GW_XF_FORGED);
	ck_assert_uint_eq(got.id_len, 4);
	down();
}
END_TEST

START_TEST(truncation_is_told)
{
	uint8_t whole[100];

	up(false, false);
	both_keys(1, true);
	ck_assert_int_eq(emit(7, 1, 40), GW_XF_OK);
	memcpy(whole, pk.p, sizeof(whole));
	for (size_t n = 0; n < sizeof(whole); n++) {
		uint8_t *exact = malloc(n ? n : 1);
		memcpy(exact, whole, n);
		pk = (struct gw_pk){ exact, n };
		int v = receive();
		ck_assert(v == GW_XF_MALFORMED || (v == GW_XF_FORGED && n % 16 == 4));
		free(exact);
	}
	down();
}
END_TEST

/* Without authentication: a wrong key or a changed packet is found by padding, lengths, port or checksum, in the long run always. */
START_TEST(damage_without_authentication)
{
	int passed = 0;

	up(false, false);
	both_keys(1, false);
	for (int i = 0; i < 400; i++) {
		ck_assert_int_eq(emit(7, (uint16_t)i, 40 + (size_t)i % 16), GW_XF_OK);
		pk.p[24 + i % 64] ^= (uint8_t)(1 + i % 255);
		passed += receive() == GW_XF_OK;
	}
	ck_assert_int_le(passed, 1);
	down();
}
END_TEST

START_TEST(keys_have_their_place)
{
	struct gw_material m = material(1, true);
	uint8_t first[256];
	size_t len;

	up(false, false);
	ck_assert_int_eq(emit(7, 1, 40), GW_XF_NO_KEY);
	m.id_len = 2;
	ck_assert_ptr_null(esp->key_new(tx, &m, NULL));
	m.id_len = 4;
	memset(m.id, 0, 4);
	m.id[3] = 255;
	ck_assert_ptr_null(esp->key_new(tx, &m, NULL));
	ck_assert_int_eq(esp->rx_key(rx, &m, NULL), -1);
	m = material(1, true);
	m.tak = NULL;
	ck_assert_ptr_null(esp->key_new(tx, &m, NULL));

	tx_key(1, true);
	ck_assert_int_eq(emit(7, 1, 40), GW_XF_OK);
	memcpy(first, pk.p, len = pk.len);
	ck_assert_int_eq(receive(), GW_XF_NO_KEY);
	ck_assert_mem_eq(got.id, "\x80\x01\x00\x01", 4);
	for (uint16_t cp = 1; cp <= GW_ESP_KEYS + 1; cp++) {	/* the ninth drives the first out */
		m = material(cp, true);
		ck_assert_int_eq(esp->rx_key(rx, &m, NULL), 0);
		ck_assert_int_eq(esp->rx_key(rx, &m, NULL), 0);
		memcpy(pk.p = room + GW_XF_HEAD, first, pk.len = len);
		ck_assert_int_eq(receive(), cp <= GW_ESP_KEYS ? GW_XF_OK : GW_XF_NO_KEY);
	}
	m = material(1, true);
	ck_assert_int_eq(esp->rx_key(rx, &m, NULL), 0);
	memcpy(pk.p = room + GW_XF_HEAD, first, pk.len = len);
	ck_assert_int_eq(receive(), GW_XF_OK);
	esp->rx_drop(rx, m.id, 4);
	esp->rx_drop(rx, m.id, 4);
	memcpy(pk.p = room + GW_XF_HEAD, first, pk.len = len);
	ck_assert_int_eq(receive(), GW_XF_NO_KEY);
	struct gw_material other = material(2, true);	/* another key under the first one's SPI */
	memcpy(other.id, m.id, 4);
	ck_assert_int_eq(esp->rx_key(rx, &m, NULL), 0);
	ck_assert_int_eq(esp->rx_key(rx, &other, NULL), 0);
	memcpy(pk.p = room + GW_XF_HEAD, first, pk.len = len);
	ck_assert_int_eq(receive(), GW_XF_FORGED);
	esp->key_free(esp->use(tx, NULL));
	ck_assert_int_eq(emit(7, 1, 40), GW_XF_NO_KEY);
	down();
}
END_TEST

START_TEST(replay_is_refused_where_it_is_asked_for)
{
	static uint8_t all[201][128];
	size_t len = 0;

	up(false, false);
	both_keys(1, true);
	for (int i = 1; i <= 200; i++) {
		ck_assert_int_eq(emit(7, (uint16_t)i, 40), GW_XF_OK);
		memcpy(all[i], pk.p, len = pk.len);
	}
#define AGAIN(i) (memcpy(pk.p = room + GW_XF_HEAD, all[i], pk.len = len), receive())
	ck_assert_int_eq(AGAIN(5), GW_XF_OK);
	ck_assert_int_eq(AGAIN(5), GW_XF_OK);	/* off at first */
	gw_esp_rx_replay(rx, true);
	ck_assert_int_eq(AGAIN(5), GW_XF_REPEAT);
	ck_assert_int_eq(AGAIN(4), GW_XF_OK);
	ck_assert_int_eq(AGAIN(4), GW_XF_REPEAT);
	ck_assert_int_eq(AGAIN(68), GW_XF_OK);
	ck_assert_int_eq(AGAIN(4), GW_XF_RESTART);
	ck_assert_int_eq(AGAIN(5), GW_XF_REPEAT);
	ck_assert_int_eq(AGAIN(6), GW_XF_OK);
	ck_assert_int_eq(AGAIN(200), GW_XF_OK);
	ck_assert_int_eq(AGAIN(136), GW_XF_RESTART);
	ck_assert_int_eq(AGAIN(137), GW_XF_OK);
	memcpy(pk.p = room + GW_XF_HEAD, all[150], pk.len = len);
	pk.p[60] ^= 1;
	ck_assert_int_eq(receive(), GW_XF_FORGED);
	ck_assert_int_eq(AGAIN(150), GW_XF_OK);	/* a forgery moved nothing */
	down();
}
END_TEST

/* A process that was killed: the page is as it was when it died. */
START_TEST(no_number_is_used_twice)
{
	static _Alignas(8) uint8_t page[sizeof(marks)];
	uint32_t last = 0, killed;

	up(false, false);
	tx_key(1, true);
	for (int i = 0; i < 20000; i++) {
		ck_assert_int_eq(emit(7, (uint16_t)i, 12), GW_XF_OK);
		ck_assert_uint_eq(number(), ++last);
	}
	memcpy(page, marks, sizeof(page));	/* killed here */
	down();
	memcpy(marks, page, sizeof(page));
	up(false, false);
	tx_key(1, true);
	ck_assert_int_eq(emit(7, 0, 12), GW_XF_OK);
	killed = number();
	ck_assert(killed > last && killed < last + 10000);
	tx_key(2, true);	/* another key has its own numbers */
	ck_assert_int_eq(emit(7, 0, 12), GW_XF_OK);
	ck_assert_uint_eq(number(), 1);
	tx_key(1, true);	/* the first comes back, in the same process */
	ck_assert_int_eq(emit(7, 0, 12), GW_XF_OK);
	ck_assert_uint_eq(number(), killed + 1);
	down();
	up(false, false);	/* an orderly end leaves no gap */
	tx_key(1, true);
	ck_assert_int_eq(emit(7, 0, 12), GW_XF_OK);
	ck_assert_uint_eq(number(), killed + 2);
	down();
}
END_TEST

START_TEST(numbers_end)
{
	up(false, false);
	tx_key(1, true);
	down();
	((uint32_t *)(void *)marks)[5] = UINT32_MAX - 2;	/* what the first mark has reserved */
	up(false, false);
	both_keys(1, true);
	ck_assert_int_eq(emit(7, 0, 12), GW_XF_OK);
	ck_assert_uint_eq(number(), UINT32_MAX - 1);
	ck_assert_int_eq(emit(7, 0, 12), GW_XF_OK);
	ck_assert_int_eq(receive(), GW_XF_OK);
	ck_assert_int_eq(emit(7, 0, 12), GW_XF_EXHAUSTED);
	ck_assert_int_eq(emit(7, 0, 12), GW_XF_EXHAUSTED);
	tx_key(2, true);
	ck_assert_int_eq(emit(7, 0, 12), GW_XF_OK);
	down();
}
END_TEST

START_TEST(what_is_too_long)	/* _i: as in what_is_sent_arrives */
{
	bool v6 = _i & 1, tunnel = _i & 2;
	size_t most = 0;

	up(v6, tunnel);
	both_keys(1, true);
	for (size_t len = 65300; len < 65600; len++)
		if (emit(7, 0, len) == GW_XF_OK) {
			ck_assert_uint_le(pk.len + 20, 65535);
			most = len;
		} else {
			ck_assert_int_eq(emit(7, 0, len), GW_XF_TOO_LONG);
		}
	ck_assert_uint_gt(most, 65380);
	ck_assert_int_eq(emit(7, 0, most), GW_XF_OK);
	ck_assert_int_eq(receive(), GW_XF_OK);
	down();
}
END_TEST

START_TEST(other_ports_and_modes_are_not_taken)
{
	struct gw_rx_conf other = { .port = PORT + 2 }, mode = { .port = PORT, .tunnel = true };
	struct gw_material m = material(1, true);
	struct gw_rx *r;

	up(false, false);
	both_keys(1, true);
	for (int i = 0; i < 2; i++) {
		ck_assert_ptr_nonnull(r = esp->rx_new(i ? &mode : &other, NULL));
		ck_assert_int_eq(esp->rx_key(r, &m, NULL), 0);
		ck_assert_int_eq(emit(7, 0, 40), GW_XF_OK);
		ck_assert_int_eq(esp->unprotect(r, &pk, &got, NULL), GW_XF_MALFORMED);
		esp->rx_free(r);
	}
	struct sockaddr_storage here = address(false, "192.0.2.11", 0), there = address(false, "233.252.0.10", 0);
	gw_esp_rx_between(rx, &here, &there);	/* the checksum is for another sender */
	ck_assert_int_eq(emit(7, 0, 40), GW_XF_OK);
	ck_assert_int_eq(receive(), GW_XF_MALFORMED);
	ck_assert(!esp->in_clear(rx, &pk));
	down();
}
END_TEST

SUITE("lib_esp", tcase_add_test(t, public_vectors_hold); tcase_add_loop_test(t, files_of_vectors_hold, 0, 2);
      tcase_add_loop_test(t, what_is_sent_arrives, 0, 8); tcase_add_loop_test(t, the_inner_packet_is_as_a_host_would_send_it, 0, 2);
      tcase_add_test(t, payloads_of_any_kind); tcase_add_test(t, rtcp_goes_between_the_next_ports);
      tcase_add_loop_test(t, damage_is_told, 0, 100); tcase_add_test(t, truncation_is_told); tcase_add_test(t, damage_without_authentication);
      tcase_add_test(t, keys_have_their_place); tcase_add_test(t, replay_is_refused_where_it_is_asked_for);
      tcase_add_test(t, no_number_is_used_twice); tcase_add_test(t, numbers_end); tcase_add_loop_test(t, what_is_too_long, 0, 4);
      tcase_add_test(t, other_ports_and_modes_are_not_taken))
