/* tests/unit/test_esp.c: ESP packets' layout, padding, and the IP and UDP headers within them */
#include "proto/esp.h"
#include <string.h>
#include "proto/ip.h"
#include "tests/suite.h"

static const struct ip_ends v4 = { false, { 192, 0, 2, 10 }, { 233, 252, 0, 10 }, 5000, 5004 };
static const struct ip_ends v6 = { true, { 0x20, 1, 0xd, 0xb8, [15] = 1 }, { 0xff, 0x0e, [15] = 0x42 }, 5000, 5004 };

START_TEST(padding_counts_from_one)
{
	uint8_t p[64], next;
	size_t n, len;

	for (len = 0; len <= 40; len++) {
		memset(p, 0xee, sizeof(p));
		n = esp_put_trailer(p, len, 17);
		ck_assert_uint_eq(n, esp_sealed_len(len));
		ck_assert(n % 16 == 0 && n >= len + 2 && n < len + 18);
		ck_assert_uint_eq(p[n], 0xee);
		for (size_t i = len; i < n - 2; i++)
			ck_assert_uint_eq(p[i], i - len + 1);
		size_t back;
		ck_assert_int_eq(esp_trailer(p, n, &back, &next), 0);
		ck_assert(back == len && next == 17);
		if (p[n - 2]) {
			p[len]++;
			ck_assert_int_eq(esp_trailer(p, n, &back, &next), -1);
		}
		p[n - 2] = (uint8_t)(n - 1);	/* more than there is */
		ck_assert_int_eq(esp_trailer(p, n, &back, &next), -1);
	}
	ck_assert_int_eq(esp_trailer(p, 1, &len, &next), -1);
}
END_TEST

START_TEST(packets_are_measured)
{
	uint8_t p[96] = { 0x80, 1, 0, 5, 0, 0, 0, 9 };
	struct esp e;

	for (size_t n = 0; n <= sizeof(p); n++) {
		ck_assert_int_eq(esp_parse(p, n, false, &e), n == 40 || n == 56 || n == 72 || n == 88 ? 0 : -1);
		ck_assert_int_eq(esp_parse(p, n, true, &e), n == 52 || n == 68 || n == 84 ? 0 : -1);
	}
	ck_assert_int_eq(esp_parse(p, 68, true, &e), 0);
	ck_assert(e.spi == 0x80010005 && e.seq == 9 && e.sealed_len == 32);
	ck_assert_uint_eq(esp_spi(p), 0x80010005);
	esp_put_header(p, 255, 9);
	ck_assert_int_eq(esp_parse(p, 68, true, &e), -1);
	esp_put_header(p, 256, 0);
	ck_assert_int_eq(esp_parse(p, 68, true, &e), -1);
	esp_put_header(p, 256, 0xffffffff);
	ck_assert_int_eq(esp_parse(p, 68, true, &e), 0);
}
END_TEST

START_TEST(udp_carries_esp_keepalives_and_others)
{
	ck_assert_int_eq(esp_in_udp("\xff", 1), ESP_NAT_KEEPALIVE);
	ck_assert_int_eq(esp_in_udp("\xfe", 1), ESP_TOO_SHORT);
	ck_assert_int_eq(esp_in_udp("", 0), ESP_TOO_SHORT);
	ck_assert_int_eq(esp_in_udp("\0\0\0\0IKE.", 8), ESP_NOT_ESP);
	ck_assert_int_eq(esp_in_udp("\0\0\1\0\0\0\0\1", 8), ESP_IN_UDP);
}
END_TEST

/* RFC 1071 3, and lengths that are odd. */
START_TEST(sums_are_those_of_the_rfc)
{
	uint8_t p[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 }, q[67];

	ck_assert_uint_eq(ip_sum(0, p, sizeof(p)), 0xddf2);
	ck_assert_uint_eq(ip_sum(0, p, 3), 0x01 + 0xf200);
	for (size_t i = 0; i < sizeof(q); i++)
		q[i] = (uint8_t)(i * 37 + 200);
	for (size_t n = 0; n <= sizeof(q); n++) {
		uint32_t slow = 0x1234;
		for (size_t i = 0; i < n; i++)
			slow += i % 2 ? q[i] : (uint32_t)q[i] << 8;
		while (slow >> 16)
			slow = (slow & 0xffff) + (slow >> 16);
		ck_assert_uint_eq(ip_sum(0x1234, q, n), slow);
	}
}
END_TEST

/* A header that others wrote. */
START_TEST(a_known_header_is_right)
{
	uint8_t p[64];
	struct ip ip;
	size_t n = unhex("4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7", p, sizeof(p));

	memset(p + n, 0, sizeof(p) - n);
	ck_assert_int_eq(ip_parse(p, sizeof(p), &ip), -1);	/* shorter than it says */
	uint8_t whole[0x73] = { 0 };
	memcpy(whole, p, n);
	ck_assert_int_eq(ip_parse(whole, sizeof(whole), &ip), 0);
	ck_assert(ip.next == 17 && ip.ttl == 64 && ip.header_len == 20 && ip.len == 0x73 && !ip.ends.v6);
	uint8_t mine[20];
	ck_assert_uint_eq(ip_put(mine, &ip.ends, 17, 64, 0x73 - 20), 20);
	ck_assert_mem_eq(mine, whole, 20);
}
END_TEST

START_TEST(datagrams_come_back)	/* _i: IPv6 */
{
	const struct ip_ends *e = _i ? &v6 : &v4;
	size_t h = ip_header_len(_i), got;
	uint8_t p[256];
	struct ip ip;

	for (size_t len = 0; len <= 100; len++) {
		memset(p, (int)len, sizeof(p));
		ck_assert_uint_eq(ip_put(p, e, IP_NEXT_UDP, 64, 8 + len), h);
		uint32_t sum = ip_udp_sum(e);
		ip_udp_put(p + h, e, sum, len);
		ck_assert_int_eq(ip_parse(p, sizeof(p), &ip), 0);
		ck_assert_uint_eq(ip.len, h + 8 + len);
		ck_assert_mem_eq(ip.ends.to, e->to, _i ? 16 : 4);
		ck_assert_int_eq(ip_udp_parse(p + h, ip.len - h, &sum, _i, &ip.ends, &got), 0);
		ck_assert(got == len && ip.ends.from_port == 5000 && ip.ends.to_port == 5004);
		for (size_t i = 0; i < h + 8 + len; i++)
			ck_assert_int_eq(ip_parse(p, i, &ip), -1);
		p[h + 8 + len / 2] ^= 0x40;
		if (len) {
			ck_assert_int_eq(ip_udp_parse(p + h, 8 + len, &sum, _i, &ip.ends, &got), -1);
			ck_assert_int_eq(ip_udp_parse(p + h, 8 + len, NULL, _i, &ip.ends, &got), 0);
		}
		p[h + 6] = p[h + 7] = 0;	/* no checksum: IPv4 only */
		ck_assert_int_eq(ip_udp_parse(p + h, 8 + len, &sum, _i, &ip.ends, &got), _i ? -1 : 0);
		ck_assert_int_eq(ip_udp_parse(p + h, 7 + len, &sum, _i, &ip.ends, &got), -1);
		p[h + 4] = 0;
		p[h + 5] = 7;
		ck_assert_int_eq(ip_udp_parse(p + h, 8 + len, NULL, _i, &ip.ends, &got), -1);
	}
}
END_TEST

START_TEST(fragments_and_damage_are_refused)
{
	uint8_t p[28];
	struct ip ip;

	ip_put(p, &v4, IP_NEXT_UDP, 64, 8);
	p[8]--;		/* TTL: the checksum is wrong */
	ck_assert_int_eq(ip_parse(p, sizeof(p), &ip), -1);
	ip_put(p, &v4, IP_NEXT_UDP, 64, 8);
	p[6] = 0x20;	/* more fragments, with a right checksum: DF 0x4000 became 0x2000 */
	uint16_t c = (uint16_t)((p[10] << 8 | p[11]) + 0x2000);
	p[10] = (uint8_t)(c >> 8);
	p[11] = (uint8_t)c;
	ck_assert_uint_eq(ip_sum(0, p, 20), 0xffff);
	ck_assert_int_eq(ip_parse(p, sizeof(p), &ip), -1);
	p[0] = 0x55;
	ck_assert_int_eq(ip_parse(p, sizeof(p), &ip), -1);
}
END_TEST

SUITE("esp", tcase_add_test(t, padding_counts_from_one); tcase_add_test(t, packets_are_measured);
      tcase_add_test(t, udp_carries_esp_keepalives_and_others); tcase_add_test(t, sums_are_those_of_the_rfc);
      tcase_add_test(t, a_known_header_is_right); tcase_add_loop_test(t, datagrams_come_back, 0, 2);
      tcase_add_test(t, fragments_and_damage_are_refused))
