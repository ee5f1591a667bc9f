/* bsm/push.c: the UDP shell of LTKM delivery */
#include "bsm/push.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/udp.h"

enum { ROUNDS = 8, RCVBUF = 4 << 20, LONGEST = 512 };	/* batches a call, so that the loop's others have their turn; octets of a datagram we look at */

struct push {
	uv_poll_t poll;
	int fd;
	bool v6, full;			/* full: waiting for room */
	struct push_conf conf;
	struct gw_addr at;
	struct push_counts counts;
	uint8_t in[GW_UDP_BATCH][LONGEST];
};

static int
fail(struct push *p, const char *what, struct gw_err *err)
{
	char text[GW_ADDR_TEXT];

	gw_fail(err, GW_EUNAVAIL, "%s: %s: %s", gw_addr_text(&p->at, text, sizeof(text)), what, strerror(errno));
	return -1;
}

/* An IPv6 socket serves IPv4 as well; gw_udp_receiver's do not. */
static int
open_socket(struct push *p, struct gw_err *err)
{
	const int off = 0, bytes = RCVBUF;
	socklen_t len = sizeof(p->at.ss);

	if (gw_addr_resolve(&p->at, err) < 0)
		return -1;
	p->v6 = p->at.ss.ss_family == AF_INET6;
	p->fd = socket(p->at.ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return fail(p, "socket", err);
	if (p->v6 && setsockopt(p->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return fail(p, "IPV6_V6ONLY", err);
	setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (bind(p->fd, (struct sockaddr *)&p->at.ss, p->at.sslen) < 0)
		return fail(p, "bind", err);
	if (getsockname(p->fd, (struct sockaddr *)&p->at.ss, &len) < 0)
		return fail(p, "getsockname", err);
	p->at.port = ntohs(p->v6 ? ((struct sockaddr_in6 *)&p->at.ss)->sin6_port : ((struct sockaddr_in *)&p->at.ss)->sin_port);
	return 0;
}

/* One batch; false: no more came. */
static bool
receive(struct push *p)
{
	struct mmsghdr m[GW_UDP_BATCH];
	struct iovec v[GW_UDP_BATCH];
	struct sockaddr_storage from[GW_UDP_BATCH];
	int n;

	for (size_t i = 0; i < GW_UDP_BATCH; i++) {
		v[i] = (struct iovec){ p->in[i], LONGEST };
		m[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &v[i], .msg_iovlen = 1, .msg_name = &from[i], .msg_namelen = sizeof(from[i]) } };
	}
	n = recvmmsg(p->fd, m, GW_UDP_BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		p->counts.received++;
		if (m[i].msg_hdr.msg_flags & MSG_TRUNC)
			p->counts.cut++;
		else
			p->conf.heard(p->conf.self, (struct sockaddr *)&from[i], p->in[i], m[i].msg_len);
	}
	return n == GW_UDP_BATCH || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK);	/* an ICMP error of an earlier datagram ends a batch, no more */
}

static void on_ready(uv_poll_t *, int, int);

static void
watch(struct push *p)
{
	uv_poll_start(&p->poll, UV_READABLE | (p->full ? UV_WRITABLE : 0), on_ready);
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
	struct push *p = poll->data;

	if (status < 0 || events & UV_READABLE) {
		for (int round = 0; round < ROUNDS && receive(p); round++)
			;
		if (p->conf.batch)
			p->conf.batch(p->conf.self);
	}
	if (p->full && events & UV_WRITABLE) {
		p->full = false;
		watch(p);
		p->conf.room(p->conf.self);
	}
}

static void
on_closed(uv_handle_t *h)
{
	struct push *p = h->data;

	close(p->fd);
	free(p);
}

struct push *
push_open(uv_loop_t *loop, const struct push_conf *conf, struct gw_err *err)
{
	struct push *p = calloc(1, sizeof(*p));

	if (!p) {
		gw_fail(err, GW_ETEMP, "out of memory");
		return NULL;
	}
	p->conf = *conf;
	p->at = conf->listen;
	p->fd = -1;
	if (open_socket(p, err) < 0) {
		if (p->fd >= 0)
			close(p->fd);
		free(p);
		return NULL;
	}
	uv_poll_init(loop, &p->poll, p->fd);
	p->poll.data = p;
	watch(p);
	return p;
}

const struct gw_addr *push_addr(const struct push *p) { return &p->at; }
const struct push_counts *push_counts(const struct push *p) { return &p->counts; }

/* The address in the socket's family: IPv4 within IPv6 (RFC 4291 2.5.5.2), and back. Octets, 0: this socket cannot reach it. */
static socklen_t
address(const struct push *p, const struct sockaddr_storage *to, struct sockaddr_storage *out)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)to;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)to;
	struct sockaddr_in6 *mapped = (struct sockaddr_in6 *)out;

	if (p->v6 && to->ss_family == AF_INET) {
		*mapped = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = v4->sin_port };
		memset(mapped->sin6_addr.s6_addr + 10, 0xff, 2);
		memcpy(mapped->sin6_addr.s6_addr + 12, &v4->sin_addr, 4);
		return sizeof(*mapped);
	}
	if (!p->v6 && to->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		struct sockaddr_in *plain = (struct sockaddr_in *)out;
		*plain = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = v6->sin6_port };
		memcpy(&plain->sin_addr, v6->sin6_addr.s6_addr + 12, 4);
		return sizeof(*plain);
	}
	if (to->ss_family != (p->v6 ? AF_INET6 : AF_INET))
		return 0;
	*out = *to;
	return p->v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

/* A batch's worth; how many are done with. */
static size_t
send_some(struct push *p, const struct delivery_action *a, size_t n)
{
	struct mmsghdr m[GW_UDP_BATCH];
	struct iovec v[GW_UDP_BATCH];
	struct sockaddr_storage to[GW_UDP_BATCH];
	size_t k = 0;
	int sent;

	for (; k < n && k < GW_UDP_BATCH && a[k].kind == DELIVERY_UDP; k++) {
		socklen_t len = address(p, &a[k].to, &to[k]);
		if (len == 0)
			break;
		v[k] = (struct iovec){ (void *)(uintptr_t)a[k].octets, a[k].len };
		m[k] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &v[k], .msg_iovlen = 1, .msg_name = &to[k], .msg_namelen = len } };
	}
	if (k == 0) {	/* of a family that this socket does not speak */
		p->counts.unsent++;
		return 1;
	}
	sent = sendmmsg(p->fd, m, (unsigned)k, MSG_DONTWAIT);
	if (sent > 0) {
		p->counts.sent += (unsigned)sent;
		return (size_t)sent;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
		return 0;
	if (errno != EINTR && errno != ECONNREFUSED) {	/* the latter is of an earlier datagram */
		p->counts.unsent++;
		return 1;
	}
	return send_some(p, a, n);
}

size_t
push_send(struct push *p, const struct delivery_action *a, size_t n)
{
	size_t done = 0, k;

	while (done < n && a[done].kind == DELIVERY_UDP) {
		if ((k = send_some(p, a + done, n - done)) == 0) {
			p->counts.full++;
			p->full = true;
			watch(p);
			break;
		}
		done += k;
	}
	return done;
}

void
push_close(struct push *p)
{
	if (!p)
		return;
	uv_poll_stop(&p->poll);
	uv_close((uv_handle_t *)&p->poll, on_closed);
}
