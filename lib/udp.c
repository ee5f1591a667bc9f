/* lib/udp.c */
#include "lib/udp_int.h"
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { RCVBUF = 8 << 20, SNDBUF = 4 << 20 };

static int
set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

/* Larger than net.core.*_max where we may; else what the kernel grants. */
static void
set_buffer(int fd, int force, int plain, int bytes)
{
	if (set(fd, SOL_SOCKET, force, bytes) < 0)
		set(fd, SOL_SOCKET, plain, bytes);
}

static int
fail(int fd, const struct gw_addr *a, const char *what, struct gw_err *err)
{
	char text[GW_ADDR_TEXT];

	gw_fail(err, GW_EUNAVAIL, "%s: %s: %s", gw_addr_text(a, text, sizeof(text)), what, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* ESP has no ports, and IPv6 takes the one of a raw socket's address for a protocol. */
static void
no_port(struct sockaddr_storage *ss)
{
	if (ss->ss_family == AF_INET6)
		((struct sockaddr_in6 *)ss)->sin6_port = 0;
	else
		((struct sockaddr_in *)ss)->sin_port = 0;
}

static int
no_socket(const struct gw_addr *a, enum ip_kind kind, struct gw_err *err)
{
	bool forbidden = kind == IP_ESP && (errno == EPERM || errno == EACCES);

	return fail(-1, a, forbidden ? "a socket for ESP as an IP protocol of its own needs CAP_NET_RAW (ipsec: { output: udp } does not)" :
	    "socket", err);
}

/* A resolved copy, the interface's index, and a socket of the right family. */
static int
open_socket(const struct gw_addr *given, enum ip_kind kind, struct gw_addr *a, unsigned *ifindex, struct gw_err *err)
{
	int fd;

	*a = *given;
	*ifindex = 0;
	if (a->scheme != GW_UDP) {
		char text[GW_ADDR_TEXT];
		return gw_fail(err, GW_ECONF, "%s: not udp://", gw_addr_text(a, text, sizeof(text)));
	}
	if (gw_addr_resolve(a, err) < 0)
		return -1;
	if (a->interface[0] && (*ifindex = if_nametoindex(a->interface)) == 0)
		return fail(-1, a, a->interface, err);
	if (a->ss.ss_family == AF_INET6 && *ifindex)
		((struct sockaddr_in6 *)&a->ss)->sin6_scope_id = *ifindex;
	if (kind == IP_ESP)
		no_port(&a->ss);
	fd = socket(a->ss.ss_family, (kind == IP_ESP ? SOCK_RAW : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, kind == IP_ESP ? IPPROTO_ESP : 0);
	return fd < 0 ? no_socket(a, kind, err) : fd;
}

/* Protocol independent (RFC 3678): one shape for both families, with and without a source. */
static int
member(int fd, const struct gw_addr *a, int any_source, int one_source)
{
	int level = a->ss.ss_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
	unsigned ifindex = a->interface[0] ? if_nametoindex(a->interface) : 0;
	struct group_source_req s = { .gsr_interface = ifindex };
	struct group_req g = { .gr_interface = ifindex };

	if (a->interface[0] && !ifindex)
		return -1;
	g.gr_group = s.gsr_group = a->ss;
	if (gw_addr_source(a, &s.gsr_source) == 0)
		return setsockopt(fd, level, any_source, &g, sizeof(g));
	return setsockopt(fd, level, one_source, &s, sizeof(s));
}

int
gw_udp_join(int fd, const struct gw_addr *a)
{
	return member(fd, a, MCAST_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP);
}

int
gw_udp_leave(int fd, const struct gw_addr *a)
{
	return member(fd, a, MCAST_LEAVE_GROUP, MCAST_LEAVE_SOURCE_GROUP);
}

int
gw_udp_all_groups(int fd, const struct gw_addr *a, bool all)
{
	bool v6 = a->ss.ss_family == AF_INET6;

	return set(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MULTICAST_ALL : IP_MULTICAST_ALL, all);
}

/* What every receiver is. */
static void
set_receiver(int fd, const struct gw_addr *a)
{
	if (a->ss.ss_family == AF_INET6)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	gw_udp_all_groups(fd, a, false);	/* only what this socket joined, not the whole host */
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, RCVBUF);
}

int
ip_receiver(const struct gw_addr *given, enum ip_kind kind, struct gw_err *err)
{
	struct gw_addr a;
	unsigned ifindex;
	int fd = open_socket(given, kind, &a, &ifindex, err);

	if (fd < 0)
		return -1;
	/* several receivers of one group are normal; two of one unicast port would rob each other */
	if (gw_addr_multicast(&a))
		set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set_receiver(fd, &a);
	/* bound to the group itself: datagrams of other groups on this port stay away */
	if (bind(fd, (struct sockaddr *)&a.ss, a.sslen) < 0)
		return fail(fd, &a, "bind", err);
	if (gw_addr_multicast(&a) && gw_udp_join(fd, &a) < 0)
		return fail(fd, &a, "join", err);
	return fd;
}

int
gw_udp_receiver(const struct gw_addr *a, struct gw_err *err)
{
	return ip_receiver(a, IP_UDP, err);
}

/* The wildcard address instead of the group. */
static void
any_address(struct sockaddr_storage *ss)
{
	if (ss->ss_family == AF_INET6)
		((struct sockaddr_in6 *)ss)->sin6_addr = in6addr_any;
	else
		((struct sockaddr_in *)ss)->sin_addr.s_addr = htonl(INADDR_ANY);
}

int
gw_udp_port(const struct gw_addr *given, struct gw_err *err)
{
	struct gw_addr a, named;
	unsigned ifindex;
	int fd = open_socket(given, IP_UDP, &a, &ifindex, err);
	bool group = fd >= 0 && gw_addr_multicast(&a);

	if (fd < 0)
		return -1;
	named = a;
	/*
	 * Receivers of groups share their port with each other and with those of unicast addresses. Of the latter there is one an address:
	 * once bound, it shares no more.
	 */
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set_receiver(fd, &a);
	if (group)
		any_address(&a.ss);
	if (bind(fd, (struct sockaddr *)&a.ss, a.sslen) < 0) {
		/* somebody's unicast socket that does not share: then the group alone */
		if (!group || errno != EADDRINUSE || bind(fd, (struct sockaddr *)&named.ss, named.sslen) < 0)
			return fail(fd, given, "bind", err);
	}
	if (!group)
		set(fd, SOL_SOCKET, SO_REUSEADDR, 0);
	else if (set(fd, a.ss.ss_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP, a.ss.ss_family == AF_INET6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1) < 0)
		return fail(fd, given, "IP_PKTINFO", err);
	return fd;
}

static int
aim(int fd, const struct gw_addr *a, unsigned ifindex)
{
	if (a->ss.ss_family == AF_INET6)
		return (ifindex && set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)ifindex) < 0) ||
		    set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, a->ttl) < 0 ||
		    set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1) < 0 ? -1 : 0;
	struct ip_mreqn m = { .imr_ifindex = (int)ifindex };
	return (ifindex && setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof(m)) < 0) ||
	    set(fd, IPPROTO_IP, IP_MULTICAST_TTL, a->ttl) < 0 ||
	    set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 1) < 0 ? -1 : 0;
}

static int
open_sender(const struct gw_addr *given, enum ip_kind kind, struct sockaddr_storage *to, socklen_t *to_len, struct gw_err *err)
{
	struct sockaddr_storage from;
	struct gw_addr a;
	unsigned ifindex;
	int fd = open_socket(given, kind, &a, &ifindex, err);
	bool v6 = fd >= 0 && a.ss.ss_family == AF_INET6;
	socklen_t from_len = gw_addr_source(given, &from);

	if (fd < 0)
		return -1;
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, SNDBUF);
	if (a.dscp && set(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, a.dscp << 2) < 0)
		return fail(fd, &a, "dscp", err);
	if (v6 && from_len)
		((struct sockaddr_in6 *)&from)->sin6_scope_id = ifindex;
	if (from_len && bind(fd, (struct sockaddr *)&from, from_len) < 0)
		return fail(fd, &a, "source", err);
	if (gw_addr_multicast(&a) && aim(fd, &a, ifindex) < 0)
		return fail(fd, &a, "multicast", err);
	*to = a.ss;
	*to_len = a.sslen;
	return fd;
}

int
gw_udp_open_sender(const struct gw_addr *a, struct sockaddr_storage *to, socklen_t *to_len, struct gw_err *err)
{
	return open_sender(a, IP_UDP, to, to_len, err);
}

int
ip_sender(const struct gw_addr *a, enum ip_kind kind, struct gw_err *err)
{
	struct sockaddr_storage to;
	socklen_t to_len;
	int fd = open_sender(a, kind, &to, &to_len, err);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, to_len) < 0)
		return fail(fd, a, errno == ENETUNREACH && gw_addr_multicast(a) && !a->interface[0] ?
		    "connect (say ?interface=NAME)" : "connect", err);
	return fd;
}

int
gw_udp_sender(const struct gw_addr *a, struct gw_err *err)
{
	return ip_sender(a, IP_UDP, err);
}

int
gw_udp_recv(int fd, struct gw_packet *pk, size_t n, size_t cap)
{
	return gw_udp_recv_from(fd, pk, NULL, n, cap);
}

int
gw_udp_recv_from(int fd, struct gw_packet *pk, struct sockaddr_storage *from, size_t n, size_t cap)
{
	struct mmsghdr m[GW_UDP_BATCH];
	struct iovec v[GW_UDP_BATCH];
	int got;

	n = n < GW_UDP_BATCH ? n : GW_UDP_BATCH;
	for (size_t i = 0; i < n; i++) {
		v[i] = (struct iovec){ .iov_base = pk[i].p, .iov_len = cap };
		m[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &v[i], .msg_iovlen = 1, .msg_name = from ? &from[i] : NULL,
			.msg_namelen = from ? sizeof(from[i]) : 0 } };
	}
	do
		got = recvmmsg(fd, m, (unsigned)n, MSG_DONTWAIT, NULL);
	while (got < 0 && (errno == EINTR || errno == ECONNREFUSED));
	if (got < 0)
		return errno == EAGAIN ? 0 : -1;
	for (int i = 0; i < got; i++)
		pk[i].len = m[i].msg_hdr.msg_flags & MSG_TRUNC ? 0 : m[i].msg_len;
	return got;
}

int
gw_udp_send(int fd, const struct gw_packet *pk, size_t n)
{
	struct mmsghdr m[GW_UDP_BATCH];
	struct iovec v[GW_UDP_BATCH];
	size_t done = 0;
	bool again = true;
	int rc;

	while (done < n) {
		size_t k = n - done < GW_UDP_BATCH ? n - done : GW_UDP_BATCH;
		for (size_t i = 0; i < k; i++) {
			v[i] = (struct iovec){ .iov_base = pk[done + i].p, .iov_len = pk[done + i].len };
			m[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &v[i], .msg_iovlen = 1 } };
		}
		rc = sendmmsg(fd, m, (unsigned)k, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (rc > 0) {
			done += (size_t)rc;
			again = true;
		} else if (rc < 0 && (errno == EINTR || (errno == ECONNREFUSED && again))) {
			again = errno == EINTR;	/* the answer to an earlier datagram: nobody listened then; this one is still ours to send */
		} else {
			return done > 0 || errno == EAGAIN ? (int)done : -1;
		}
	}
	return (int)done;
}
