/* tests/unit/test_scr_input.c: the scrambler's receiving sockets on loopback: what shares them, whose a datagram is, and what a flood may take */
#include "scrambler/input.h"
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/udp.h"
#include "tests/suite.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { STREAMS = 256, BIG = 1400, WAIT_US = 20000000, SHARED = 16 /* as scrambler/input.c has it */ };
static const struct gw_transform row = { .name = "fake", .protection = 7 };	/* whose packets go in clear, as they came */
static const struct scr_form form = { "fake", 7, 16, 1, 1 };
static struct scr_line line;
static struct scr_batch *b;
static struct scr_inputs *all;
static struct stream { struct scr_tap tap; struct scr_flow flow; int to; } s[STREAMS];
static size_t n;
static uint16_t port;
static unsigned net;

static void
on_send(void *self, const struct scr_packet *pk, size_t count)
{
	(void)self;
	for (size_t i = 0; i < count; i++) {	/* each begins with the number of its stream */
		ck_assert_ptr_eq(pk[i].flow, &s[pk[i].pk.p[0]].flow);
		pk[i].flow->sent++;
	}
}
static const struct scr_batch_ops ops = { .send = on_send };

static struct gw_addr
address(const char *text)
{
	struct gw_addr a;
	struct gw_err err = { 0 };

	ck_assert_msg(gw_addr_parse(text, GW_UDP, &a, &err) == 0, "%s: %s", text, err.text);
	return a;
}

static void
up(void)
{
	struct gw_addr any = address("udp://127.0.0.1:0");
	int fd = gw_udp_receiver(&any, NULL);

	port = port_of(fd);
	close(fd);
	net = 1 + (unsigned)getpid() % 250;
	memset(s, 0, sizeof(s));
	n = 0;
	ck_assert_ptr_nonnull(b = scr_batch_new(GW_BURST_OPENSSL, &ops, NULL, NULL));
	ck_assert_ptr_nonnull(all = scr_inputs_new(true, NULL));
	scr_line_init(&line, "unit", &row, NULL, &form);
	line.mode = SCR_CLEAR;
}

static void
forget(struct stream *t)
{
	scr_tap_detach(&t->tap);
	scr_tap_close(&t->tap);
	if (t->to > 0)
		close(t->to);
	t->to = 0;
}

static void
down(void)
{
	for (size_t i = 0; i < n; i++)
		forget(&s[i]);
	ck_assert_uint_eq(scr_inputs_sockets(all), 0);
	scr_inputs_free(all);
	scr_keys_fini(&line.keys);
	scr_batch_free(b);
}

/* A stream at that address, its source sending from its `source`; the number of it. */
static size_t
add(const char *text, bool attached)
{
	struct gw_addr a = address(text);
	struct gw_err err = { 0 };
	struct stream *t = &s[n];

	ck_assert_uint_lt(n, STREAMS);
	t->flow.line = &line;
	ck_assert_msg(scr_tap_open(all, &t->tap, &a, &err) == 0, "%s", err.text);
	if (attached)
		ck_assert_msg(scr_tap_attach(&t->tap, &t->flow, &err) == 0, "%s", err.text);
	ck_assert_msg((t->to = gw_udp_sender(&a, &err)) > 0, "%s", err.text);
	return n++;
}

static const char *
group(unsigned host, const char *more)
{
	static char text[128];

	snprintf(text, sizeof(text), "udp://239.255.%u.%u:%u?interface=lo%s", net, host, port, more);
	return text;
}

static void
send_to(size_t i, size_t count, size_t len)
{
	uint8_t p[BIG] = { (uint8_t)i };

	for (size_t k = 0; k < count; k++)
		ck_assert_int_eq(send(s[i].to, p, len, 0), (ssize_t)len);
}

#define UNTIL(condition) do {							\
	int64_t end = gw_mono_us() + WAIT_US;					\
	while (!(condition) && gw_mono_us() < end) {				\
		poll(&(struct pollfd){ .fd = scr_inputs_fd(all), .events = POLLIN }, 1, 10);	\
		scr_inputs_turn(all, b);					\
	}									\
	ck_assert_msg(condition, "waited in vain for: " #condition);		\
} while (0)

START_TEST(groups_of_a_port_share_a_socket)
{
	char text[64];

	for (unsigned i = 1; i <= 8; i++)
		add(group(i, ""), true);
	ck_assert_uint_eq(scr_inputs_sockets(all), 1);
	snprintf(text, sizeof(text), "udp://127.0.0.1:%u", port);
	add(text, true);
	ck_assert_uint_eq(scr_inputs_sockets(all), 2);
	port ^= 1;
	add(group(1, ""), true);
	port ^= 1;
	ck_assert_uint_eq(scr_inputs_sockets(all), 3);
	for (size_t i = 0; i < n; i++)
		send_to(i, i + 1, 100);
	for (size_t i = 0; i < n; i++)
		UNTIL(s[i].flow.sent == i + 1);
	ck_assert_uint_eq(scr_inputs_strays(all), 0);
	add(group(99, ""), false);	/* joined, and nobody's yet */
	send_to(n - 1, 3, 100);
	UNTIL(scr_inputs_strays(all) == 3);
	ck_assert_int_eq(scr_tap_attach(&s[n - 1].tap, &s[n - 1].flow, NULL), 0);
	send_to(n - 1, 2, 100);
	UNTIL(s[n - 1].flow.sent == 2);
}
END_TEST

START_TEST(one_group_of_two_senders)
{
	add(group(1, "&source=127.0.0.2"), true);
	add(group(1, "&source=127.0.0.3"), true);
	add(group(2, "&source=127.0.0.2"), true);
	ck_assert_uint_eq(scr_inputs_sockets(all), 1);
	for (size_t i = 0; i < n; i++)
		send_to(i, 4 + i, 100);
	for (size_t i = 0; i < n; i++)
		UNTIL(s[i].flow.sent == 4 + i);
	ck_assert_uint_eq(scr_inputs_strays(all), 0);
}
END_TEST

START_TEST(more_groups_than_a_socket_may_join)
{
	FILE *f = fopen("/proc/sys/net/ipv4/igmp_max_memberships", "r");
	unsigned most = 0;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%u", &most), 1);
	fclose(f);
	if (most == 0 || most > 100)	/* the administrator has made room: there are not so many streams here */
		return;
	for (unsigned i = 1; i <= 2 * most + 1; i++)
		add(group(i, ""), true);
	ck_assert_uint_eq(scr_inputs_sockets(all), 3);
	for (size_t i = 0; i < n; i++)
		send_to(i, 2, 100);
	for (size_t i = 0; i < n; i++)
		UNTIL(s[i].flow.sent == 2);
	ck_assert_uint_eq(scr_inputs_strays(all), 0);	/* none came to two sockets */
	forget(&s[n - 1]);
	ck_assert_uint_eq(scr_inputs_sockets(all), 2);
	forget(&s[3]);			/* its place is free again */
	add(group(200, ""), true);
	ck_assert_uint_eq(scr_inputs_sockets(all), 2);
	send_to(n - 1, 2, 100);
	UNTIL(s[n - 1].flow.sent == 2);
}
END_TEST

START_TEST(several_workers_do_not_hear_each_other)
{
	struct scr_inputs *other;
	struct gw_addr a;
	struct scr_tap tap[30];

	/* a socket that hears every group of the host is for one who is alone: two of them would get each packet of the other */
	scr_inputs_free(all);
	ck_assert_ptr_nonnull(all = scr_inputs_new(false, NULL));
	ck_assert_ptr_nonnull(other = scr_inputs_new(false, NULL));
	for (unsigned i = 0; i < 30; i++) {
		add(group(1 + i, ""), true);
		a = address(group(101 + i, ""));
		ck_assert_int_eq(scr_tap_open(other, &tap[i], &a, NULL), 0);
	}
	for (size_t i = 0; i < n; i++)
		send_to(i, 2, 100);
	for (size_t i = 0; i < n; i++)
		UNTIL(s[i].flow.sent == 2);
	ck_assert(!scr_inputs_turn(other, b));
	for (unsigned i = 0; i < 30; i++)
		scr_tap_close(&tap[i]);
	scr_inputs_free(other);
	ck_assert_uint_eq(scr_inputs_strays(all), 0);
}
END_TEST

START_TEST(what_others_have_joined_is_stray)
{
	struct gw_addr foreign;
	struct gw_packet pk;
	uint8_t p[100] = { 0 };
	int fd, to;

	for (unsigned i = 1; i <= 30; i++)
		add(group(i, ""), true);
	foreign = address(group(99, ""));
	ck_assert_int_ge(fd = gw_udp_receiver(&foreign, NULL), 0);
	ck_assert_int_ge(to = gw_udp_sender(&foreign, NULL), 0);
	ck_assert_int_eq(send(to, p, sizeof(p), 0), sizeof(p));
	send_to(7, 1, 100);
	UNTIL(s[7].flow.sent == 1);
	ck_assert_uint_eq(scr_inputs_strays(all), 1);
	pk = (struct gw_packet){ p, 0 };
	ck_assert_int_eq(gw_udp_recv(fd, &pk, 1, sizeof(p)), 1);	/* and theirs all the same */
	for (size_t i = 20; i < 30; i++)
		forget(&s[i]);
	ck_assert_uint_eq(scr_inputs_sockets(all), 1);	/* its own groups alone again */
	ck_assert_int_eq(send(to, p, sizeof(p), 0), sizeof(p));
	send_to(7, 1, 100);
	UNTIL(s[7].flow.sent == 2);
	ck_assert_uint_eq(scr_inputs_strays(all), 1);
	close(fd);
	close(to);
}
END_TEST

START_TEST(taken_out_while_packets_wait)
{
	add(group(1, ""), true);
	add(group(2, ""), true);
	send_to(0, 1, 100);
	UNTIL(s[0].flow.sent == 1);	/* the one seen last */
	send_to(0, 10, 100);
	send_to(1, 10, 100);
	scr_tap_detach(&s[0].tap);
	UNTIL(s[1].flow.sent == 10 && scr_inputs_strays(all) == 10);
	scr_tap_close(&s[0].tap);	/* leaves the group */
	send_to(0, 10, 100);
	send_to(1, 1, 100);
	UNTIL(s[1].flow.sent == 11);
	ck_assert_uint_eq(scr_inputs_strays(all), 10);
	ck_assert_uint_eq(s[0].flow.received, 1);
	scr_tap_detach(&s[1].tap);	/* the worker rests: what comes waits in the socket */
	send_to(1, 5, 100);
	ck_assert(!scr_inputs_turn(all, b));
	ck_assert_int_eq(scr_tap_attach(&s[1].tap, &s[1].flow, NULL), 0);
	UNTIL(s[1].flow.sent == 16);
	send_to(1, 5, 100);
	forget(&s[1]);			/* the socket goes with what is in it */
	ck_assert_uint_eq(scr_inputs_sockets(all), 0);
	ck_assert(!scr_inputs_turn(all, b));
}
END_TEST

START_TEST(each_socket_has_its_share_of_a_turn)
{
	char text[64];

	add(group(1, ""), true);
	snprintf(text, sizeof(text), "udp://127.0.0.1:%u", port);
	add(text, true);
	send_to(0, 500, 100);
	send_to(1, 5, 100);
	ck_assert(scr_inputs_turn(all, b));
	ck_assert_uint_eq(s[1].flow.sent, 5);
	ck_assert_uint_ge(s[0].flow.sent, SCR_BATCH / 2);
	ck_assert_uint_le(s[0].flow.sent, SCR_BATCH);
	UNTIL(s[0].flow.sent == 500);	/* a burst alone drops nothing */
	ck_assert_uint_eq(s[0].flow.dropped[SCR_OVERLOAD], 0);
}
END_TEST

START_TEST(a_flood_takes_nothing_from_its_neighbour)
{
	uint64_t before, filled = 0, turns = 0;

	add(group(1, ""), true);
	add(group(2, ""), true);
	for (; filled < 200000 && scr_tap_kernel_drops(&s[0].tap) == 0; filled += 16)
		send_to(0, 16, BIG);
	ck_assert_uint_gt(scr_tap_kernel_drops(&s[0].tap), 0);
	while (s[0].flow.received < filled * 2 / 5) {	/* the kernel gives room back by quarters */
		ck_assert(scr_inputs_turn(all, b));
		turns++;
	}
	/* the first turn finds out; then of two streams at a socket neither has more than three quarters of sixteen turns */
	ck_assert_uint_le(s[0].flow.sent, SCR_BATCH + (turns / SHARED + 1) * SHARED * SCR_BATCH * 3 / 4);
	if (turns > SHARED)		/* else a small buffer: somebody without rights, under a small rmem_max */
		ck_assert_uint_ge(s[0].flow.dropped[SCR_OVERLOAD], (SHARED / 4 - 2) * SCR_BATCH);
	send_to(1, 20, 100);
	UNTIL(s[1].flow.sent == 20);
	ck_assert_uint_eq(s[1].flow.dropped[SCR_OVERLOAD], 0);
	while (scr_inputs_turn(all, b))
		;
	ck_assert_uint_eq(s[0].flow.received, s[0].flow.sent + s[0].flow.dropped[SCR_OVERLOAD]);
	before = s[0].flow.dropped[SCR_OVERLOAD];
	send_to(0, 4 * SCR_BATCH, BIG);		/* it is over: more than a share is no fault */
	UNTIL(s[0].flow.received == s[0].flow.sent + before);
	while (scr_inputs_turn(all, b))
		;
	ck_assert_uint_eq(s[0].flow.dropped[SCR_OVERLOAD], before);
}
END_TEST

START_TEST(datagrams_that_the_kernel_put_together)
{
	uint8_t p[10 * 100] = { 0 };
	char text[64];
	int each = 100;

	snprintf(text, sizeof(text), "udp://127.0.0.1:%u", port);
	add(text, true);
	if (setsockopt(s[0].to, SOL_UDP, UDP_SEGMENT, &each, sizeof(each)) < 0)
		return;		/* an old kernel */
	ck_assert_int_eq(send(s[0].to, p, sizeof(p) - 30, 0), (ssize_t)sizeof(p) - 30);
	UNTIL(s[0].flow.sent == 10);
	ck_assert_uint_eq(s[0].flow.received, 10);
}
END_TEST

SUITE("scr_input", tcase_add_checked_fixture(t, up, down); tcase_set_timeout(t, 60); tcase_add_test(t, groups_of_a_port_share_a_socket);
      tcase_add_test(t, one_group_of_two_senders); tcase_add_test(t, more_groups_than_a_socket_may_join);
      tcase_add_test(t, several_workers_do_not_hear_each_other);
	tcase_add_test(t, what_others_have_joined_is_stray);
	tcase_add_test(t, taken_out_while_packets_wait); tcase_add_test(t, each_socket_has_its_share_of_a_turn);
      tcase_add_test(t, a_flood_takes_nothing_from_its_neighbour); tcase_add_test(t, datagrams_that_the_kernel_put_together))
