/* tests/bench/loopback.c */
#include "tests/bench/loopback.h"
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { BUFFER = 16 << 20, SEGMENTS = 32, JOINED = 20, CONTROL = 64 };
enum { ESP_AT = 0x7f320001, MANY_AT = 0x7f330001 };	/* 127.50.0.1, 127.51.0.1: of nobody else */
static const uint32_t GROUP_AT = 0xefc10001;		/* 239.193.0.1 */

static void
need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "loopback: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
buffers(int fd)
{
	int bytes = BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static int
udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	need(fd >= 0, "socket");
	buffers(fd);
	return fd;
}

int
lo_feeder(void)
{
	struct ip_mreqn m = { .imr_ifindex = (int)if_nametoindex("lo") };
	int fd = udp();

	setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof(m));
	return fd;
}

int
lo_sink(uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = udp();

	need(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && getsockname(fd, (struct sockaddr *)&a, &len) == 0, "bind");
	*port = ntohs(a.sin_port);
	return fd;
}

int
lo_esp_sink(uint32_t at)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(at) };
	int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ESP);

	if (fd < 0)
		return -1;
	buffers(fd);
	need(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "bind");
	return fd;
}

void
lo_fill(int feeder, struct lo_packet *pk, size_t n)
{
	struct mmsghdr m[LO_BATCH];
	struct iovec v[LO_BATCH];

	for (size_t at = 0; at < n;) {
		size_t k = n - at < LO_BATCH ? n - at : LO_BATCH;
		for (size_t i = 0; i < k; i++) {
			struct lo_packet *p = &pk[at + i];
			v[i] = (struct iovec){ p->p, p->len };
			m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1, .msg_name = &p->to, .msg_namelen = sizeof(p->to) };
		}
		int rc = sendmmsg(feeder, m, (unsigned)k, 0);
		need(rc > 0, "fill");
		at += (size_t)rc;
	}
}

size_t
lo_drain(int sink, void (*each)(void *self, uint8_t *p, size_t len), void *self)
{
	static uint8_t room[LO_BATCH][LO_ROOM];
	struct mmsghdr m[LO_BATCH];
	struct iovec v[LO_BATCH];
	size_t sum = 0;
	int rc;

	for (size_t i = 0; i < LO_BATCH; i++) {
		v[i] = (struct iovec){ room[i], each ? LO_ROOM : 64 };	/* the rest need not be copied where nobody looks */
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1 };
	}
	while ((rc = recvmmsg(sink, m, LO_BATCH, MSG_DONTWAIT, NULL)) > 0) {
		sum += (size_t)rc;
		for (int i = 0; each && i < rc; i++)
			each(self, room[i], m[i].msg_len);
	}
	return sum;
}

/* ---- bare loops ---- */

/* Addresses of LO_STREAMS streams, from this one on (host order), 250 to an octet. */
static struct sockaddr_in
address(uint32_t base, unsigned i, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(base + (i / 250 << 8) + i % 250) };
}

struct sockaddr_in
lo_bare_feed(struct lo_bare *b)
{
	if (b->out == LO_GROUPS || b->out == LO_MANY)
		return address(GROUP_AT, b->out == LO_MANY ? b->fed++ % LO_STREAMS : 0, b->port);
	return address(INADDR_LOOPBACK, 0, b->port);
}

/* The socket takes all groups that are joined on its port; those that join are others, since each may join few. They stay open. */
static void
join(int in, unsigned groups)
{
	struct ip_mreqn m = { .imr_ifindex = (int)if_nametoindex("lo") };
	int on = 1, fd = -1;

	need(setsockopt(in, IPPROTO_IP, IP_MULTICAST_ALL, &on, sizeof(on)) == 0 && setsockopt(in, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) == 0, "options");
	for (unsigned i = 0; i < groups; i++) {
		if (i % JOINED == 0)
			fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		m.imr_multiaddr = address(GROUP_AT, i, 0).sin_addr;
		need(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)) == 0, "join");
	}
}

int
lo_bare_open(struct lo_bare *b, enum lo_out out, enum ceiling_shape shape)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(out == LO_RAW ? (uint32_t)ESP_AT : INADDR_LOOPBACK) };
	int whole = IP_PMTUDISC_DO;

	*b = (struct lo_bare){ .out = out, .shape = shape, .at = out == LO_RAW ? 32 : 0, .len = out == LO_RAW ? 1380 : 1340 };
	b->sink = out == LO_RAW ? lo_esp_sink(ESP_AT) : lo_sink(&b->sink_port);
	if (b->sink < 0)
		return -1;
	b->in = lo_sink(&b->port);
	to.sin_port = htons(b->sink_port);
	b->to = out == LO_RAW ? socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ESP) : udp();
	need(b->to >= 0, "socket");
	buffers(b->to);
	if (out == LO_GROUPS || out == LO_MANY)
		join(b->in, out == LO_MANY ? LO_STREAMS : 1);
	if (out == LO_MANY)
		need(setsockopt(b->to, IPPROTO_IP, IP_MTU_DISCOVER, &whole, sizeof(whole)) == 0, "IP_MTU_DISCOVER");
	else
		need(connect(b->to, (struct sockaddr *)&to, sizeof(to)) == 0, "connect");
	return 0;
}

static void
receive(const struct lo_bare *b, struct ceiling *c, struct mmsghdr *m, struct iovec *v)
{
	static _Alignas(struct cmsghdr) char control[LO_BATCH][CONTROL];
	bool told = b->out == LO_GROUPS || b->out == LO_MANY;

	for (unsigned i = 0; i < LO_BATCH; i++) {
		v[i] = (struct iovec){ ceiling_packet(c, i) + b->at, CEILING_ROOM - b->at };
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1, .msg_control = told ? control[i] : NULL,
			.msg_controllen = told ? CONTROL : 0 };
	}
	need(recvmmsg(b->in, m, LO_BATCH, MSG_DONTWAIT, NULL) == LO_BATCH, "recvmmsg");
}

static void
send_each(struct lo_bare *b, struct mmsghdr *m, struct iovec *v)
{
	struct sockaddr_in to[LO_BATCH];

	for (unsigned i = 0; i < LO_BATCH; i++) {
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1 };
		if (b->out != LO_MANY)
			continue;
		to[i] = address(MANY_AT, b->sent++ % LO_STREAMS, b->sink_port);
		m[i].msg_hdr.msg_name = &to[i];
		m[i].msg_hdr.msg_namelen = sizeof(to[i]);
	}
	for (int rc, done = 0; done < LO_BATCH; done += rc)
		need((rc = sendmmsg(b->to, m + done, (unsigned)(LO_BATCH - done), MSG_DONTWAIT)) > 0, "sendmmsg");
}

static void
send_gso(struct lo_bare *b, struct mmsghdr *m, struct iovec *v)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))];
	uint16_t size = (uint16_t)b->len;

	for (unsigned i = 0; i < LO_BATCH / SEGMENTS; i++) {
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i * SEGMENTS], .msg_iovlen = SEGMENTS, .msg_control = control,
			.msg_controllen = sizeof(control) };
		struct cmsghdr *h = CMSG_FIRSTHDR(&m[i].msg_hdr);
		h->cmsg_len = CMSG_LEN(sizeof(size));
		h->cmsg_level = SOL_UDP;
		h->cmsg_type = UDP_SEGMENT;
		memcpy(CMSG_DATA(h), &size, sizeof(size));
	}
	need(sendmmsg(b->to, m, LO_BATCH / SEGMENTS, MSG_DONTWAIT) == LO_BATCH / SEGMENTS, "UDP_SEGMENT");
}

double
lo_bare_run(struct lo_bare *b, struct ceiling *c, int parts, unsigned packets)
{
	struct mmsghdr m[LO_BATCH];
	struct iovec v[LO_BATCH];
	double begin;

	if (parts & LO_CRYPT)
		ceiling_prepare(c, b->shape);
	begin = bench_cpu_ns();
	for (unsigned k = 0; k < packets / LO_BATCH; k++) {
		if (parts & LO_IN)
			receive(b, c, m, v);
		if (parts & LO_CRYPT)
			ceiling_burst(c, b->shape, LO_BATCH);
		if (!(parts & LO_OUT))
			continue;
		for (unsigned i = 0; i < LO_BATCH; i++)
			v[i] = (struct iovec){ ceiling_packet(c, i), b->len };
		(b->out == LO_GSO ? send_gso : send_each)(b, m, v);
	}
	return bench_cpu_ns() - begin;
}
