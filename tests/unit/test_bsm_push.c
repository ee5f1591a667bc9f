/* tests/unit/test_bsm_push.c: the UDP socket of LTKM delivery, on loopback */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "bsm/push.h"
#include "lib/udp.h"
#include "tests/suite.h"

struct seen { size_t n, batches, room; uint8_t last[64]; size_t len; struct sockaddr_storage from; uv_loop_t *loop; size_t want; };

static void
on_heard(void *self, const struct sockaddr *from, const void *msg, size_t len)
{
	struct seen *s = self;

	s->n++;
	s->len = len < sizeof(s->last) ? len : sizeof(s->last);
	memcpy(s->last, msg, s->len);
	memcpy(&s->from, from, from->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
}

static void
on_batch(void *self)
{
	struct seen *s = self;

	s->batches++;
	if (s->n >= s->want)
		uv_stop(s->loop);
}

static void on_room(void *self) { ((struct seen *)self)->room++; }

static struct push *
opened(uv_loop_t *loop, const char *at, struct seen *s)
{
	struct push_conf c = { .heard = on_heard, .batch = on_batch, .room = on_room, .self = s };
	struct gw_err err = { 0 };
	struct push *p;

	uv_loop_init(loop);
	s->loop = loop;
	ck_assert_int_eq(gw_addr_parse(at, GW_UDP, &c.listen, &err), 0);
	p = push_open(loop, &c, &err);
	ck_assert_msg(p != NULL, "%s", err.text);
	ck_assert_uint_ne(push_addr(p)->port, 0);
	return p;
}

static void
closed(uv_loop_t *loop, struct push *p)
{
	push_close(p);
	uv_run(loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(loop), 0);
}

static int
card(const char *at, struct sockaddr_storage *where)
{
	struct gw_addr a;
	struct gw_err err = { 0 };
	socklen_t len = sizeof(*where);
	int fd;

	ck_assert_int_eq(gw_addr_parse(at, GW_UDP, &a, &err), 0);
	fd = gw_udp_receiver(&a, &err);
	ck_assert_msg(fd >= 0, "%s", err.text);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)where, &len), 0);
	return fd;
}

static void
fill(struct delivery_action *a, const struct sockaddr_storage *to, uint8_t octet)
{
	*a = (struct delivery_action){ .kind = DELIVERY_UDP, .to = *to, .len = 185 };
	memset(a->octets, octet, a->len);
}

/* An LTKM leaves from the bound port, whichever family; what the card answers to its source comes back. */
static void
there_and_back(const char *listen, const char *at)
{
	static struct delivery_action a[3];
	struct sockaddr_storage to, from;
	struct seen s = { .want = 1 };
	uint8_t in[300];
	struct gw_packet pk = { in, 0 };
	uv_loop_t loop;
	struct push *p = opened(&loop, listen, &s);
	int fd = card(at, &to);
	socklen_t len = to.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

	for (size_t i = 0; i < 3; i++)
		fill(&a[i], &to, (uint8_t)(i + 1));
	ck_assert_uint_eq(push_send(p, a, 3), 3);
	for (unsigned i = 1; i <= 3; i++) {
		ck_assert_int_eq(gw_udp_recv_from(fd, &pk, &from, 1, sizeof(in)), 1);
		ck_assert_uint_eq(pk.len, 185);
		ck_assert_uint_eq(in[0], i);
	}
	ck_assert_uint_eq(ntohs(from.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&from)->sin6_port : ((struct sockaddr_in *)&from)->sin_port),
	    push_addr(p)->port);
	ck_assert_int_eq(sendto(fd, "verified", 8, 0, (struct sockaddr *)&from, len), 8);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_uint_eq(s.n, 1);
	ck_assert_mem_eq(s.last, "verified", 8);
	ck_assert_uint_eq(push_counts(p)->sent, 3);
	close(fd);
	closed(&loop, p);
}

START_TEST(ipv4) { there_and_back("udp://127.0.0.1:0", "udp://127.0.0.1:0"); } END_TEST
START_TEST(ipv6) { there_and_back("udp://[::1]:0", "udp://[::1]:0"); } END_TEST
START_TEST(ipv4_from_the_wildcard_of_ipv6) { there_and_back("udp://[::]:0", "udp://127.0.0.1:0"); } END_TEST

START_TEST(what_no_socket_takes_is_left_and_counted)
{
	static struct delivery_action a[3];
	struct sockaddr_storage v4, v6;
	struct seen s = { 0 };
	uv_loop_t loop;
	struct push *p = opened(&loop, "udp://127.0.0.1:0", &s);
	int one = card("udp://127.0.0.1:0", &v4), other = card("udp://[::1]:0", &v6);

	fill(&a[0], &v4, 1);
	fill(&a[1], &v6, 2);	/* an IPv4 socket */
	fill(&a[2], &v4, 3);
	ck_assert_uint_eq(push_send(p, a, 3), 3);
	ck_assert_uint_eq(push_counts(p)->sent, 2);
	ck_assert_uint_eq(push_counts(p)->unsent, 1);
	a[1].kind = DELIVERY_SMS;	/* somebody else's */
	ck_assert_uint_eq(push_send(p, a, 3), 1);
	close(one);
	close(other);
	closed(&loop, p);
}
END_TEST

START_TEST(too_long_is_not_heard)
{
	static uint8_t big[2000];
	struct seen s = { .want = 1 };
	struct sockaddr_storage at;
	uv_loop_t loop;
	struct push *p = opened(&loop, "udp://127.0.0.1:0", &s);
	int fd = card("udp://127.0.0.1:0", &at);

	((struct sockaddr_in *)&at)->sin_port = htons(push_addr(p)->port);
	ck_assert_int_eq(sendto(fd, big, sizeof(big), 0, (struct sockaddr *)&at, sizeof(struct sockaddr_in)), (ssize_t)sizeof(big));
	ck_assert_int_eq(sendto(fd, big, 20, 0, (struct sockaddr *)&at, sizeof(struct sockaddr_in)), 20);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_uint_eq(s.n, 1);
	ck_assert_uint_eq(s.len, 20);
	ck_assert_uint_eq(push_counts(p)->cut, 1);
	close(fd);
	closed(&loop, p);
}
END_TEST

START_TEST(a_taken_port_is_refused_in_words)
{
	struct seen s = { 0 };
	uv_loop_t loop;
	struct push *p = opened(&loop, "udp://127.0.0.1:0", &s);
	struct push_conf c = { .listen = *push_addr(p) };
	struct gw_err err = { 0 };

	ck_assert_ptr_null(push_open(&loop, &c, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "bind"));
	closed(&loop, p);
}
END_TEST

SUITE("bsm_push",
	tcase_add_test(t, ipv4); tcase_add_test(t, ipv6); tcase_add_test(t, ipv4_from_the_wildcard_of_ipv6);
	tcase_add_test(t, what_no_socket_takes_is_left_and_counted); tcase_add_test(t, too_long_is_not_heard);
	tcase_add_test(t, a_taken_port_is_refused_in_words))
