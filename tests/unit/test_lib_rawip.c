/* tests/unit/test_lib_rawip.c: ESP over raw sockets on lo, captures, and what is said without the right to it */
#include "lib/rawip.h"
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/ip.h"
#include "tests/suite.h"

static struct gw_addr
addr(const char *text)
{
	struct gw_addr a;
	struct gw_err err = { 0 };

	ck_assert_msg(gw_addr_parse(text, GW_UDP, &a, &err) == 0, "%s", err.text);
	return a;
}

static const struct place { const char *to, *source; } places[] = { { "udp://127.0.0.1:5004", NULL }, { "udp://127.0.0.1:5004", "127.0.0.77" },
	{ "udp://[::1]:5004", NULL }, { "udp://239.255.77.9:5004?interface=lo", "127.0.0.1" } };

START_TEST(packets_arrive_without_their_headers)
{
	static uint8_t out[10][300], in[GW_UDP_BATCH][400];
	struct gw_addr a = addr(places[_i].to);
	struct gw_packet po[10], pi[GW_UDP_BATCH];
	struct sockaddr_storage from, source[GW_UDP_BATCH];
	struct gw_err err = { 0 };
	int got = 0, rx = gw_rawip_receiver(&a, &err), tx;

	if (rx < 0 && geteuid() != 0) {
		ck_assert_msg(strstr(err.text, "CAP_NET_RAW") != NULL, "%s", err.text);
		return;
	}
	ck_assert_msg(rx >= 0, "%s", err.text);
	ck_assert_msg((tx = gw_rawip_sender(&a, places[_i].source, &from, &err)) >= 0, "%s", err.text);
	ck_assert_int_eq(from.ss_family, a.ss.ss_family);
	if (from.ss_family == AF_INET) {
		const struct sockaddr_in *s = (const struct sockaddr_in *)&from;
		ck_assert_uint_eq(s->sin_port, htons(5004));
		ck_assert_uint_eq(ntohl(s->sin_addr.s_addr), _i == 1 ? 0x7f00004d : 0x7f000001);
	}
	for (size_t i = 0; i < 10; i++) {
		memset(out[i], (int)i + 0x40, sizeof(out[i]));
		memcpy(out[i], &(uint32_t){ (uint32_t)getpid() }, 4);	/* others may use lo, too */
		po[i] = (struct gw_packet){ out[i], 60 + i * 20 };
	}
	ck_assert_int_eq(gw_udp_send(tx, po, 10), 10);
	while (got < 10) {
		struct pollfd p = { .fd = rx, .events = POLLIN };
		ck_assert_int_eq(poll(&p, 1, 5000), 1);
		for (int i = 0; i < GW_UDP_BATCH; i++)
			pi[i] = (struct gw_packet){ in[i], 0 };
		int n = gw_rawip_recv(rx, a.ss.ss_family, pi, source, GW_UDP_BATCH, sizeof(in[0]));
		for (int i = 0; i < n; i++) {
			if (pi[i].len < 60 || memcmp(pi[i].p, out[0], 4) != 0)
				continue;
			ck_assert_uint_eq(pi[i].len, po[got].len);
			ck_assert_mem_eq(pi[i].p, po[got].p, po[got].len);
			ck_assert_int_eq(source[i].ss_family, from.ss_family);
			if (from.ss_family == AF_INET)
				ck_assert_uint_eq(((struct sockaddr_in *)&source[i])->sin_addr.s_addr, ((struct sockaddr_in *)&from)->sin_addr.s_addr);
			got++;
		}
	}
	close(tx);
	close(rx);
}
END_TEST

/* In a process that is nobody. */
static int
refused(void)
{
	struct gw_addr a = addr("udp://127.0.0.1:5004");
	struct sockaddr_storage from;
	struct gw_err err = { 0 };

	if (geteuid() == 0 && setuid(65534) < 0)
		return 1;
	if (gw_rawip_sender(&a, NULL, &from, &err) >= 0 || !strstr(err.text, "CAP_NET_RAW"))
		return 2;
	if (gw_rawip_receiver(&a, &err) >= 0 || !strstr(err.text, "CAP_NET_RAW"))
		return 3;
	return gw_rawip_source(&a, NULL, &from, &err) < 0 || from.ss_family != AF_INET;	/* needs no right */
}

START_TEST(without_the_right_it_is_said_which_is_missing)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(refused());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(sources_that_cannot_be)
{
	struct gw_addr a = addr("udp://127.0.0.1:5004");
	struct sockaddr_storage from;
	struct gw_err err = { 0 };

	ck_assert_int_eq(gw_rawip_source(&a, "::1", &from, &err), -1);
	ck_assert_int_eq(gw_rawip_source(&a, "192.0.2.1", &from, &err), -1);	/* not of this machine */
	ck_assert_msg(strstr(err.text, "192.0.2.1") != NULL, "%s", err.text);
}
END_TEST

START_TEST(captures_are_whole)	/* _i: IPv6 */
{
	char path[] = "/tmp/gw-rawip-XXXXXX";
	struct gw_addr to = addr(_i ? "udp://[ff0e::9]:5004" : "udp://239.255.77.9:5004"), from = addr(_i ? "udp://[::1]:1" : "udp://127.0.0.1:1");
	static uint8_t p[65515], all[1 << 20];
	size_t at = 24, h = ip_header_len(_i);
	struct gw_pcap *c;
	struct ip ip;
	FILE *f;

	close(mkstemp(path));
	ck_assert_ptr_null(gw_pcap_new("/nonexistent/x", NULL));
	ck_assert_ptr_nonnull(c = gw_pcap_new(path, NULL));
	for (size_t i = 0; i < 9; i++) {	/* more than the buffer */
		memset(p, (int)i, sizeof(p));
		ck_assert_int_eq(gw_pcap_esp(c, &from.ss, &to.ss, 3, 1000000 * (int64_t)i + 7, p, sizeof(p) - i), 0);
	}
	ck_assert_int_eq(gw_pcap_esp(c, &from.ss, &to.ss, 3, 0, p, sizeof(p) + 1), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	gw_pcap_free(c);
	ck_assert_ptr_nonnull(f = fopen(path, "rb"));
	size_t n = fread(all, 1, sizeof(all), f);
	fclose(f);
	ck_assert_uint_eq(((uint32_t *)(void *)all)[0], 0xa1b2c3d4);
	ck_assert_uint_eq(((uint32_t *)(void *)all)[5], 101);
	for (size_t i = 0; i < 9; i++) {
		uint32_t r[4];
		memcpy(r, all + at, sizeof(r));
		ck_assert(r[0] == i && r[1] == 7 && r[2] == r[3] && r[2] == h + sizeof(p) - i);
		ck_assert_int_eq(ip_parse(all + at + 16, r[2], &ip), 0);
		ck_assert(ip.next == 50 && ip.ttl == 3 && ip.len == r[2] && all[at + 16 + r[2] - 1] == i);
		at += 16 + r[2];
	}
	ck_assert_uint_eq(at, n);
	unlink(path);
}
END_TEST

SUITE("lib_rawip", tcase_add_loop_test(t, packets_arrive_without_their_headers, 0, 4);
      tcase_add_test(t, without_the_right_it_is_said_which_is_missing); tcase_add_test(t, sources_that_cannot_be);
      tcase_add_loop_test(t, captures_are_whole, 0, 2))
