/* tests/unit/test_lib_udp.c: datagrams over lo, unicast and multicast, IPv4 and IPv6 */
#include "lib/udp.h"
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/suite.h"

static struct gw_addr
addr(const char *text)
{
	struct gw_addr a;
	struct gw_err err = { 0 };

	ck_assert_msg(gw_addr_parse(text, GW_UDP, &a, &err) == 0, "%s", err.text);
	return a;
}

static const struct place { const char *host, *options; } places[] = { { "127.0.0.1", "" }, { "[::1]", "" },
	{ "239.255.77.1", "?interface=lo" } };

static void
open_pair(const struct place *at, int *in, int *out)
{
	char text[64];
	struct gw_err err = { 0 };

	snprintf(text, sizeof(text), "udp://%s:0%s", at->host, at->options);
	struct gw_addr a = addr(text);
	*in = gw_udp_receiver(&a, &err);
	ck_assert_msg(*in >= 0, "%s", err.text);
	snprintf(text, sizeof(text), "udp://%s:%u%s", at->host, port_of(*in), at->options);
	a = addr(text);
	*out = gw_udp_sender(&a, &err);
	ck_assert_msg(*out >= 0, "%s", err.text);
}

static void
wait_for(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	ck_assert_int_eq(poll(&p, 1, 5000), 1);
}

START_TEST(a_batch_arrives_whole_and_in_order)
{
	static uint8_t out[100][1400], in[GW_UDP_BATCH][1500];
	struct gw_packet po[100], pi[GW_UDP_BATCH];
	int rx, tx, got = 0;

	open_pair(&places[_i], &rx, &tx);
	for (int i = 0; i < 100; i++) {
		memset(out[i], i, sizeof(out[i]));
		po[i] = (struct gw_packet){ out[i], 1 + (size_t)i * 13 };
	}
	for (int i = 0; i < GW_UDP_BATCH; i++)
		pi[i].p = in[i];
	ck_assert_int_eq(gw_udp_recv(rx, pi, GW_UDP_BATCH, sizeof(in[0])), 0);
	ck_assert_int_eq(gw_udp_send(tx, po, 100), 100);
	while (got < 100) {
		wait_for(rx);
		int n = gw_udp_recv(rx, pi, GW_UDP_BATCH, sizeof(in[0]));
		ck_assert_int_gt(n, 0);
		for (int i = 0; i < n; i++, got++) {
			ck_assert_uint_eq(pi[i].len, po[got].len);
			ck_assert_mem_eq(pi[i].p, out[got], po[got].len);
		}
	}
	close(rx);
	close(tx);
}
END_TEST

/* Linux has no IPv6 multicast route on lo: the first interface that has one, if any; else the refusal must say what is missing. */
START_TEST(an_ipv6_group_is_joined_where_the_host_has_a_route)
{
	struct if_nameindex *all = if_nameindex(), *i;
	uint8_t out[10] = { 9 }, in[100];
	struct gw_packet po = { out, sizeof(out) }, pi = { in, 0 };
	struct gw_err err = { 0 };
	struct gw_addr a;
	char text[96];
	int rx, tx = -1;

	for (i = all; i->if_index && tx < 0; i++) {
		snprintf(text, sizeof(text), "udp://[ff02::4d:1]:0?interface=%s", i->if_name);
		a = addr(text);
		rx = gw_udp_receiver(&a, &err);
		ck_assert_msg(rx >= 0, "%s", err.text);
		a.port = port_of(rx);
		((struct sockaddr_in6 *)&a.ss)->sin6_port = htons(a.port);
		tx = gw_udp_sender(&a, &err);
		if (tx >= 0) {
			ck_assert_int_eq(gw_udp_send(tx, &po, 1), 1);
			wait_for(rx);
			ck_assert_int_eq(gw_udp_recv(rx, &pi, 1, sizeof(in)), 1);
			ck_assert_uint_eq(pi.len, sizeof(out));
			close(tx);
		} else {
			ck_assert_msg(strstr(err.text, "unreachable") || strstr(err.text, "assign"), "%s", err.text);
		}
		close(rx);
	}
	if_freenameindex(all);
}
END_TEST

START_TEST(a_cut_datagram_says_so)
{
	uint8_t out[300] = { 1 }, in[100];
	struct gw_packet po = { out, sizeof(out) }, pi = { in, 7 };
	int rx, tx;

	open_pair(&places[0], &rx, &tx);
	ck_assert_int_eq(gw_udp_send(tx, &po, 1), 1);
	wait_for(rx);
	ck_assert_int_eq(gw_udp_recv(rx, &pi, 1, sizeof(in)), 1);
	ck_assert_uint_eq(pi.len, 0);
	close(rx);
	close(tx);
}
END_TEST

START_TEST(two_receivers_of_a_group_both_hear_it_and_no_other_group)
{
	uint8_t out[10] = { 9 }, in[100];
	struct gw_packet po = { out, sizeof(out) }, pi = { in, 0 };
	struct gw_err err = { 0 };
	char text[64];
	int rx, tx;

	open_pair(&places[2], &rx, &tx);
	snprintf(text, sizeof(text), "udp://239.255.77.1:%u?interface=lo", port_of(rx));
	struct gw_addr same = addr(text);
	snprintf(text, sizeof(text), "udp://239.255.77.2:%u?interface=lo", port_of(rx));
	struct gw_addr other = addr(text);
	int twin = gw_udp_receiver(&same, &err), stranger = gw_udp_receiver(&other, &err);
	ck_assert_int_ge(twin, 0);
	ck_assert_int_ge(stranger, 0);
	ck_assert_int_eq(gw_udp_send(tx, &po, 1), 1);
	wait_for(rx);
	wait_for(twin);
	ck_assert_int_eq(gw_udp_recv(rx, &pi, 1, sizeof(in)), 1);
	ck_assert_int_eq(gw_udp_recv(twin, &pi, 1, sizeof(in)), 1);
	ck_assert_int_eq(gw_udp_recv(stranger, &pi, 1, sizeof(in)), 0);
	close(rx);
	close(twin);
	close(stranger);
	close(tx);
}
END_TEST

/* An ICMP "port unreachable" for an earlier datagram must not cost a later one. */
START_TEST(an_absent_receiver_costs_nothing_later)
{
	uint8_t out[10] = { 9 }, in[100];
	struct gw_packet po = { out, sizeof(out) }, pi = { in, 0 };
	struct gw_err err = { 0 };
	char text[64];
	int rx, tx;

	open_pair(&places[0], &rx, &tx);
	snprintf(text, sizeof(text), "udp://127.0.0.1:%u", port_of(rx));
	close(rx);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(gw_udp_send(tx, &po, 1), 1);
	struct gw_addr a = addr(text);
	rx = gw_udp_receiver(&a, &err);
	ck_assert_msg(rx >= 0, "%s", err.text);
	ck_assert_int_eq(gw_udp_send(tx, &po, 1), 1);
	wait_for(rx);
	ck_assert_int_eq(gw_udp_recv(rx, &pi, 1, sizeof(in)), 1);
	close(rx);
	close(tx);
}
END_TEST

START_TEST(the_sender_sets_ttl_and_loop)
{
	struct gw_addr a = addr("udp://239.255.77.1:5004?interface=lo&ttl=7");
	struct gw_err err = { 0 };
	int fd = gw_udp_sender(&a, &err), v = 0;
	socklen_t len = sizeof(v);

	ck_assert_msg(fd >= 0, "%s", err.text);
	ck_assert_int_eq(getsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &v, &len), 0);
	ck_assert_int_eq(v, 7);
	len = sizeof(v);
	ck_assert_int_eq(getsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &v, &len), 0);
	ck_assert_int_eq(v, 1);
	close(fd);
}
END_TEST

START_TEST(what_cannot_be_opened_is_named)
{
	struct gw_addr a = addr("udp://239.255.77.1:5004?interface=nosuch0");
	struct gw_err err = { 0 };

	ck_assert_int_eq(gw_udp_receiver(&a, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "nosuch0"));
	ck_assert_int_eq(gw_udp_sender(&a, &err), -1);
	a = addr("udp://192.0.2.1:5004");	/* not an address of this host */
	ck_assert_int_eq(gw_udp_receiver(&a, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "bind"));
}
END_TEST

SUITE("lib_udp", tcase_add_loop_test(t, a_batch_arrives_whole_and_in_order, 0, 3);
      tcase_add_test(t, an_ipv6_group_is_joined_where_the_host_has_a_route);
      tcase_add_test(t, a_cut_datagram_says_so);
      tcase_add_test(t, two_receivers_of_a_group_both_hear_it_and_no_other_group);
      tcase_add_test(t, an_absent_receiver_costs_nothing_later);
      tcase_add_test(t, the_sender_sets_ttl_and_loop);
      tcase_add_test(t, what_cannot_be_opened_is_named))
