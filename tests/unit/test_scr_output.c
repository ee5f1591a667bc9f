/* tests/unit/test_scr_output.c: the scrambler's sending sockets: what is too large for the interface goes in fragments, not into oblivion */
#include "scrambler/output.h"
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "lib/udp.h"
#include "tests/suite.h"

enum { OUTS = SCR_CONNECTED + 2, SMALL = 500, LARGE = 3000, MTU = 1500, WAIT_MS = 15000 };
static uint8_t bytes[LARGE];

/* A network of this process's own, whose one interface is as small as Ethernet. false: that is not allowed here. */
static bool
small_interface(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_mtu = MTU };
	int fd;
	bool ok;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ok = fd >= 0 && ioctl(fd, SIOCSIFMTU, &r) == 0;
	r.ifr_flags = IFF_UP;
	ok = ok && ioctl(fd, SIOCSIFFLAGS, &r) == 0;
	close(fd);
	return ok;
}

static struct gw_addr
address(unsigned i, uint16_t port)
{
	char text[64];
	struct gw_addr a;
	struct gw_err err = { 0 };

	snprintf(text, sizeof(text), "udp://127.1.%u.%u:%u", i / 250, 1 + i % 250, port);
	ck_assert_msg(gw_addr_parse(text, GW_UDP, &a, &err) == 0, "%s", err.text);
	return a;
}

static void
expect(int fd, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	static uint8_t got[2 * LARGE];

	ck_assert_int_eq(poll(&p, 1, WAIT_MS), 1);
	ck_assert_int_eq(recv(fd, got, sizeof(got), 0), (ssize_t)len);
}

/* gso: _i. The last destinations share a socket, which forbids fragments as long as it can. */
START_TEST(what_is_too_large_is_fragmented)
{
	static const size_t len[] = { SMALL, LARGE, LARGE, LARGE, SMALL };
	enum { N = sizeof(len) / sizeof(len[0]) };
	struct scr_packet pk[N];
	struct scr_out *out[OUTS];
	struct scr_flow flow = { .received = N };
	struct gw_addr any, to;
	struct gw_err err = { 0 };
	struct scr_outs *all;
	int fd;

	if (!small_interface()) {
		printf("# no network of its own: not tested\n");
		return;
	}
	ck_assert_int_eq(gw_addr_parse("udp://0.0.0.0:0", GW_UDP, &any, &err), 0);
	ck_assert_int_ge(fd = gw_udp_receiver(&any, &err), 0);
	ck_assert_ptr_nonnull(all = scr_outs_new(_i == 1));
	for (unsigned i = 0; i < OUTS; i++) {
		to = address(i, port_of(fd));
		ck_assert_msg((out[i] = scr_out_open(all, &to, &err)) != NULL, "%s", err.text);
	}
	flow.out = flow.clear = out[OUTS - 1];
	for (size_t i = 0; i < N; i++)
		pk[i] = (struct scr_packet){ { bytes, len[i] }, &flow, false };
	for (int k = 1; k <= 2; k++) {
		scr_outs_send(all, pk, N);
		for (size_t i = 0; i < N; i++)
			expect(fd, len[i]);
		ck_assert_uint_eq(flow.sent, (unsigned)k * N);
	}
	ck_assert_uint_eq(flow.dropped[SCR_SEND], 0);
	for (unsigned i = 0; i < OUTS; i++)
		scr_out_close(out[i]);
	scr_outs_free(all);
	close(fd);
}
END_TEST

SUITE("scr_output", tcase_add_loop_test(t, what_is_too_large_is_fragmented, 0, 2))
