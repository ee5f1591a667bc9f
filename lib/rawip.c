/* lib/rawip.c: see rawip.h */
#include "lib/rawip.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/udp_int.h"
#include "proto/ip.h"

/* ---- sockets ----------------------------------------------------------------------------------------------------------------- */

static void
set_port(struct sockaddr_storage *ss, uint16_t port)
{
	if (ss->ss_family == AF_INET6)
		((struct sockaddr_in6 *)ss)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)ss)->sin_port = htons(port);
}

static int
sender(const struct gw_addr *given, enum ip_kind kind, const char *source, struct sockaddr_storage *from, struct gw_err *err)
{
	socklen_t n = sizeof(*from);
	struct gw_addr a = *given;
	int fd;

	if (source)
		snprintf(a.source, sizeof(a.source), "%s", source);
	if ((fd = ip_sender(&a, kind, err)) < 0)
		return -1;
	memset(from, 0, sizeof(*from));
	if (getsockname(fd, (struct sockaddr *)from, &n) < 0) {
		gw_fail(err, GW_ESYS, "getsockname: %s", strerror(errno));
		close(fd);
		return -1;
	}
	set_port(from, a.port);
	return fd;
}

int
gw_rawip_sender(const struct gw_addr *a, const char *source, struct sockaddr_storage *from, struct gw_err *err)
{
	return sender(a, IP_ESP, source, from, err);
}

int
gw_rawip_source(const struct gw_addr *a, const char *source, struct sockaddr_storage *from, struct gw_err *err)
{
	int fd = sender(a, IP_UDP, source, from, err);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

int
gw_rawip_receiver(const struct gw_addr *a, struct gw_err *err)
{
	return ip_receiver(a, IP_ESP, err);
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
gw_rawip_recv(int fd, int family, struct gw_packet *pk, struct sockaddr_storage *from, size_t n, size_t cap)
{
	int got = gw_udp_recv_from(fd, pk, from, n, cap);

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
