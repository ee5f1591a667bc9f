/* lib/rawip.c: see rawip.h */
#include "lib/rawip.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/ip.h"

enum { RCVBUF = 8 << 20, SNDBUF = 4 << 20 };

static int
set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

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
	bool raw = (errno == EPERM || errno == EACCES) && strcmp(what, "raw socket") == 0;

	gw_fail(err, GW_EUNAVAIL, "%s: %s: %s%s", gw_addr_text(a, text, sizeof(text)), what, strerror(errno),
	    raw ? ": ESP as an IP protocol of its own needs CAP_NET_RAW; or say ipsec: { output: udp }" : "");
	if (fd >= 0)
		close(fd);
	return -1;
}

static void
set_port(struct sockaddr_storage *ss, uint16_t port)
{
	if (ss->ss_family == AF_INET6)
		((struct sockaddr_in6 *)ss)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)ss)->sin_port = htons(port);
}

/* A resolved copy, the interface's index, and a socket of the right family. */
static int
open_socket(const struct gw_addr *given, int type, int protocol, struct gw_addr *a, unsigned *ifindex, struct gw_err *err)
{
	int fd;

	*a = *given;
	*ifindex = 0;
	if (gw_addr_resolve(a, err) < 0)
		return -1;
	if (a->interface[0] && (*ifindex = if_nametoindex(a->interface)) == 0)
		return fail(-1, a, a->interface, err);
	if (a->ss.ss_family == AF_INET6 && *ifindex)
		((struct sockaddr_in6 *)&a->ss)->sin6_scope_id = *ifindex;
	if (type == SOCK_RAW)
		set_port(&a->ss, 0);	/* a raw IPv6 socket would take it for a protocol */
	fd = socket(a->ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	return fd < 0 ? fail(fd, a, type == SOCK_RAW ? "raw socket" : "socket", err) : fd;
}

/* ---- senders ----------------------------------------------------------------------------------------------------------------- */

static int
aim(int fd, const struct gw_addr *a, unsigned ifindex)
{
	if (a->ss.ss_family == AF_INET6)
		return (ifindex && set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)ifindex) < 0) ||
		    set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, a->ttl) < 0 || set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1) < 0 ? -1 : 0;
	struct ip_mreqn m = { .imr_ifindex = (int)ifindex };
	return (ifindex && setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof(m)) < 0) ||
	    set(fd, IPPROTO_IP, IP_MULTICAST_TTL, a->ttl) < 0 || set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 1) < 0 ? -1 : 0;
}

static int
bind_source(int fd, const char *source, const struct gw_addr *a)
{
	struct sockaddr_storage ss = { .ss_family = a->ss.ss_family };
	void *where = a->ss.ss_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)&ss)->sin6_addr :
	    (void *)&((struct sockaddr_in *)&ss)->sin_addr;

	if (inet_pton(a->ss.ss_family, source, where) != 1) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	return bind(fd, (struct sockaddr *)&ss, a->sslen);
}

static int
connected(const struct gw_addr *given, int type, int protocol, const char *source, struct sockaddr_storage *from, struct gw_err *err)
{
	socklen_t n = sizeof(*from);
	struct gw_addr a;
	unsigned ifindex;
	int fd = open_socket(given, type, protocol, &a, &ifindex, err);

	if (fd < 0)
		return -1;
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, SNDBUF);
	if (gw_addr_multicast(&a) && aim(fd, &a, ifindex) < 0)
		return fail(fd, &a, "multicast", err);
	if (source && bind_source(fd, source, &a) < 0)
		return fail(fd, &a, source, err);
	if (connect(fd, (struct sockaddr *)&a.ss, a.sslen) < 0)
		return fail(fd, &a, errno == ENETUNREACH && gw_addr_multicast(&a) && !ifindex ?
		    "connect (say ?interface=NAME)" : "connect", err);
	memset(from, 0, sizeof(*from));
	if (getsockname(fd, (struct sockaddr *)from, &n) < 0)
		return fail(fd, &a, "getsockname", err);
	set_port(from, given->port);
	return fd;
}

int
gw_rawip_sender(const struct gw_addr *a, const char *source, struct sockaddr_storage *from, struct gw_err *err)
{
	return connected(a, SOCK_RAW, IPPROTO_ESP, source, from, err);
}

int
gw_rawip_source(const struct gw_addr *a, const char *source, struct sockaddr_storage *from, struct gw_err *err)
{
	int fd = connected(a, SOCK_DGRAM, 0, source, from, err);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

/* ---- receivers --------------------------------------------------------------------------------------------------------------- */

static int
join(int fd, const struct gw_addr *a, unsigned ifindex)
{
	if (a->ss.ss_family == AF_INET6) {
		struct ipv6_mreq m = { .ipv6mr_multiaddr = ((const struct sockaddr_in6 *)&a->ss)->sin6_addr, .ipv6mr_interface = ifindex };
		set(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
		return setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m));
	}
	struct ip_mreqn m = { .imr_multiaddr = ((const struct sockaddr_in *)&a->ss)->sin_addr, .imr_ifindex = (int)ifindex };
	set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m));
}

int
gw_rawip_receiver(const struct gw_addr *given, struct gw_err *err)
{
	struct gw_addr a;
	unsigned ifindex;
	int fd = open_socket(given, SOCK_RAW, IPPROTO_ESP, &a, &ifindex, err);

	if (fd < 0)
		return -1;
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, RCVBUF);
	/* bound to the group itself: what goes to others stays away */
	if (bind(fd, (struct sockaddr *)&a.ss, a.sslen) < 0)
		return fail(fd, &a, "bind", err);
	if (gw_addr_multicast(&a) && join(fd, &a, ifindex) < 0)
		return fail(fd, &a, "join", err);
	return fd;
}

/* IPv4 gives the header, too; IPv6 does not (raw(7), RFC 3542 3). */
static void
strip(struct gw_packet *pk)
{
	size_t h = pk->len ? 4u * (pk->p[0] & 15) : 0;

	if (h < IP_V4_HEADER || h > pk->len)
		h = pk->len;
	pk->p += h;
	pk->len -= h;
}

int
gw_rawip_recv(int fd, int family, struct gw_packet *pk, size_t n, size_t cap)
{
	int got = gw_udp_recv(fd, pk, n, cap);

	for (int i = 0; family == AF_INET && i < got; i++)
		strip(&pk[i]);
	return got;
}

/* ---- captures ---------------------------------------------------------------------------------------------------------------- */

enum { DLT_RAW = 101, SNAP = 262144, BUFFER = 1 << 18, RECORD = 16 };

struct gw_pcap { int fd; size_t len; uint8_t buf[BUFFER]; };
struct file_header { uint32_t magic; uint16_t major, minor; uint32_t zone, accuracy, snap, link; };	/* in this machine's order */
struct record { uint32_t s, us, there, was; };
_Static_assert(sizeof(struct file_header) == 24 && sizeof(struct record) == RECORD, "libpcap's format");

struct gw_pcap *
gw_pcap_new(const char *path, struct gw_err *err)
{
	const struct file_header h = { 0xa1b2c3d4, 2, 4, 0, 0, SNAP, DLT_RAW };
	struct gw_pcap *p = malloc(sizeof(*p));

	if (!p) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	p->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (p->fd < 0) {
		gw_fail(err, GW_EUNAVAIL, "%s: %s", path, strerror(errno));
		free(p);
		return NULL;
	}
	memcpy(p->buf, &h, p->len = sizeof(h));
	return p;
}

int
gw_pcap_flush(struct gw_pcap *p)
{
	size_t done = 0;
	ssize_t n;

	while (done < p->len) {
		n = write(p->fd, p->buf + done, p->len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			p->len = 0;
			return -1;
		}
		done += (size_t)n;
	}
	p->len = 0;
	return 0;
}

void
gw_pcap_free(struct gw_pcap *p)
{
	if (!p)
		return;
	gw_pcap_flush(p);
	close(p->fd);
	free(p);
}

static void
ends_of(struct ip_ends *e, const struct sockaddr_storage *from, const struct sockaddr_storage *to)
{
	*e = (struct ip_ends){ .v6 = to->ss_family == AF_INET6 };
	if (e->v6) {
		memcpy(e->from, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
		memcpy(e->to, &((const struct sockaddr_in6 *)to)->sin6_addr, 16);
	} else {
		memcpy(e->from, &((const struct sockaddr_in *)from)->sin_addr, 4);
		memcpy(e->to, &((const struct sockaddr_in *)to)->sin_addr, 4);
	}
}

int
gw_pcap_esp(struct gw_pcap *p, const struct sockaddr_storage *from, const struct sockaddr_storage *to, uint8_t ttl, int64_t utc_us,
    const void *esp, size_t len)
{
	struct record r = { (uint32_t)(utc_us / 1000000), (uint32_t)(utc_us % 1000000), 0, 0 };
	struct ip_ends e;
	int rc = 0;

	if (len > IP_MAX - IP_V4_HEADER) {
		errno = EMSGSIZE;
		return -1;
	}
	ends_of(&e, from, to);
	if (p->len + RECORD + IP_V6_HEADER + len > sizeof(p->buf))
		rc = gw_pcap_flush(p);
	r.there = r.was = (uint32_t)(ip_header_len(e.v6) + len);
	memcpy(p->buf + p->len, &r, RECORD);
	p->len += RECORD;
	p->len += ip_put(p->buf + p->len, &e, IP_NEXT_ESP, ttl, len);
	memcpy(p->buf + p->len, esp, len);
	p->len += len;
	return rc;
}
