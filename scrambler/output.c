/* scrambler/output.c */
#include "scrambler/output.h"
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* A socket: of one destination, or of all that are sent to in one way. */
struct pipe {
	int fd;
	bool connected, gso, whole;	/* whole: none of its datagrams is to be fragmented */
	unsigned users;
	struct gw_addr way;		/* host and port mean nothing where it is shared */
	struct pipe *next;
};
struct scr_out {
	/* what packets need: a cache line, with an address of IPv4 or IPv6 */
	_Alignas(64) struct pipe *pipe;
	struct gw_pcap *pcap;		/* instead of a socket */
	uint64_t batch;			/* that it was last in… */
	int16_t last;			/* …and its last packet there */
	socklen_t to_len;
	struct sockaddr_storage to;
	struct scr_outs *all;
	struct sockaddr_storage from;
	uint8_t ttl;
};
struct control { _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(uint16_t))]; };
struct scr_outs {
	bool gso;
	unsigned connected;
	struct pipe *shared;
	uint64_t batch;
	/* a batch, parted by destination: next[i] is the packet behind i to the same one */
	const struct scr_packet *pk;
	int16_t next[SCR_BATCH];
	/* messages for one socket */
	struct mmsghdr m[SCR_BATCH];
	struct iovec v[SCR_BATCH];
	int16_t packet[SCR_BATCH];	/* whose v it is */
	struct control c[SCR_BATCH];
	size_t nm, nv;
};

struct scr_outs *
scr_outs_new(bool gso)
{
	struct scr_outs *o = calloc(1, sizeof(*o));

	if (o)
		o->gso = gso;
	return o;
}

void
scr_outs_free(struct scr_outs *o)
{
	free(o);
}

static bool
same_way(const struct pipe *p, const struct gw_addr *a)
{
	return p->way.ss.ss_family == a->ss.ss_family && p->way.ttl == a->ttl && p->way.dscp == a->dscp &&
	    strcmp(p->way.interface, a->interface) == 0 && strcmp(p->way.source, a->source) == 0 &&
	    gw_addr_multicast(&p->way) == gw_addr_multicast(a);
}

static void
pipe_close(struct scr_outs *o, struct pipe *p)
{
	struct pipe **at = &o->shared;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

static struct scr_out *
out_new(void)
{
	struct scr_out *out = aligned_alloc(_Alignof(struct scr_out), sizeof(*out));

	if (out)
		memset(out, 0, sizeof(*out));
	return out;
}

/*
 * Where datagrams of many destinations leave by one socket the kernel draws each one's identification from a table of counters, by the
 * destination: a cache miss and a hash that cost as much as the look-up of the route. Datagrams that nobody may fragment need none
 * (RFC 6864). Those that fit the route's MTU go with DF set anyway; one that does not: see fragment().
 */
static void
forbid_fragments(struct pipe *p)
{
	int mode = IP_PMTUDISC_DO;

	p->whole = p->way.ss.ss_family == AF_INET && setsockopt(p->fd, IPPROTO_IP, IP_MTU_DISCOVER, &mode, sizeof(mode)) == 0;
}

/* It was too large to go as a whole: from now on this socket's are fragmented. false: that was not the reason. */
static bool
fragment(struct pipe *p, int error)
{
	int mode = IP_PMTUDISC_WANT;

	if (!p->whole || error != EMSGSIZE)
		return false;
	p->whole = false;
	return setsockopt(p->fd, IPPROTO_IP, IP_MTU_DISCOVER, &mode, sizeof(mode)) == 0;
}

static int
pipe_open(struct scr_outs *all, struct scr_out *out, const struct gw_addr *a, struct gw_err *err)
{
	bool connected = all->connected < SCR_CONNECTED;
	struct pipe *p;

	for (p = connected ? NULL : all->shared; p; p = p->next)
		if (same_way(p, a)) {
			p->users++;
			out->pipe = p;
			out->to = a->ss;
			out->to_len = a->sslen;
			if (a->ss.ss_family == AF_INET6)	/* the interface of link-local addresses is the socket's */
				((struct sockaddr_in6 *)&out->to)->sin6_scope_id = ((struct sockaddr_in6 *)&p->way.ss)->sin6_scope_id;
			return 0;
		}
	if (!(p = calloc(1, sizeof(*p))))
		return gw_fail(err, GW_ESYS, "no memory");
	*p = (struct pipe){ .connected = connected, .gso = all->gso, .users = 1, .way = *a };
	p->fd = connected ? gw_udp_sender(a, err) : gw_udp_open_sender(a, &out->to, &out->to_len, err);
	if (p->fd < 0) {
		free(p);
		return -1;
	}
	if (connected) {
		all->connected++;
	} else {
		p->way.ss = out->to;
		forbid_fragments(p);
		p->next = all->shared;
		all->shared = p;
	}
	out->pipe = p;
	return 0;
}

struct scr_out *
scr_out_open(struct scr_outs *all, const struct gw_addr *given, struct gw_err *err)
{
	struct scr_out *out = out_new();
	struct gw_addr a = *given;

	if (!out)
		gw_fail(err, GW_ESYS, "no memory");
	else if (gw_addr_resolve(&a, err) == 0 && pipe_open(all, out, &a, err) == 0) {
		out->all = all;
		return out;
	}
	free(out);
	return NULL;
}

/* A raw socket has no ports: each destination has one of its own. */
struct scr_out *
scr_out_open_raw(struct scr_outs *all, const struct gw_addr *a, const char *source, struct gw_err *err)
{
	struct scr_out *out = out_new();
	struct pipe *p = calloc(1, sizeof(*p));

	if (!out || !p)
		gw_fail(err, GW_ESYS, "no memory");
	else if ((p->fd = gw_rawip_sender(a, source, &out->from, err)) >= 0) {
		p->connected = true;
		p->users = 1;
		p->way = *a;
		all->connected++;
		out->pipe = p;
		out->all = all;
		return out;
	}
	free(out);
	free(p);
	return NULL;
}

struct scr_out *
scr_out_open_pcap(struct scr_outs *all, const struct gw_addr *given, const struct sockaddr_storage *from, struct gw_pcap *pcap, struct gw_err *err)
{
	struct scr_out *out = out_new();
	struct gw_addr a = *given;

	if (!out)
		gw_fail(err, GW_ESYS, "no memory");
	else if (gw_addr_resolve(&a, err) == 0) {
		*out = (struct scr_out){ .all = all, .to = a.ss, .to_len = a.sslen, .from = *from, .pcap = pcap, .ttl = a.ttl };
		return out;
	}
	free(out);
	return NULL;
}

void
scr_out_close(struct scr_out *out)
{
	if (!out)
		return;
	if (out->pipe) {
		out->all->connected -= out->pipe->connected;
		if (--out->pipe->users == 0)
			pipe_close(out->all, out->pipe);
	}
	free(out);
}

size_t
scr_gso_run(const size_t *len, size_t n)
{
	size_t k = 1, all = len[0];

	while (k < n && k < SCR_SEGMENTS && len[k] <= len[0] && all + len[k] <= SCR_DATAGRAM && len[k - 1] == len[0])
		all += len[k++];
	return k;
}

/* ---- sending ---- */

static void
count_one(const struct scr_packet *pk, bool sent)
{
	if (sent) {
		pk->flow->sent++;
		pk->flow->sent_clear += pk->clear;
	} else {
		pk->flow->dropped[SCR_SEND]++;
	}
}

/* The fate of a message's packets. */
static void
count(const struct scr_outs *o, const struct mmsghdr *m, bool sent)
{
	size_t first = (size_t)(m->msg_hdr.msg_iov - o->v);

	for (size_t i = first; i < first + m->msg_hdr.msg_iovlen; i++)
		count_one(&o->pk[o->packet[i]], sent);
}

static void
capture(struct scr_outs *o, const struct scr_out *out, int16_t i)
{
	int64_t now = gw_utc_us();

	for (; i >= 0; i = o->next[i])
		count_one(&o->pk[i], gw_pcap_esp(out->pcap, &out->from, &out->to, out->ttl, now, o->pk[i].pk.p, o->pk[i].pk.len) == 0);
}

/* The kernel, the interface or the route do not part it: a datagram at a time. */
static void
send_each(struct scr_outs *o, struct pipe *p, const struct mmsghdr *m)
{
	struct mmsghdr one = *m;
	bool sent;

	one.msg_hdr.msg_iovlen = 1;
	one.msg_hdr.msg_control = NULL;
	one.msg_hdr.msg_controllen = 0;
	for (size_t i = 0; i < m->msg_hdr.msg_iovlen; i++, one.msg_hdr.msg_iov++) {
		do
			sent = sendmsg(p->fd, &one.msg_hdr, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
		while (!sent && fragment(p, errno));
		count(o, &one, sent);
	}
}

static bool
not_parted(const struct mmsghdr *m, int error)
{
	return m->msg_hdr.msg_controllen > 0 && (error == EIO || error == EINVAL || error == EOPNOTSUPP || error == EMSGSIZE);
}

/* Hands the messages to their socket. */
static void
push(struct scr_outs *o, struct pipe *p)
{
	bool again = true;
	size_t done = 0;
	int rc;

	while (done < o->nm) {
		rc = sendmmsg(p->fd, o->m + done, (unsigned)(o->nm - done), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (rc > 0) {
			for (int i = 0; i < rc; i++)
				count(o, &o->m[done++], true);
			again = true;
		} else if (errno == EINTR) {
			continue;
		} else if (errno == ECONNREFUSED && again) {
			again = false;	/* the answer to an earlier datagram: nobody listened then; this one is still ours to send */
		} else if (not_parted(&o->m[done], errno)) {
			p->gso = false;
			send_each(o, p, &o->m[done++]);
		} else if (fragment(p, errno)) {
			continue;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			while (done < o->nm)	/* the kernel's buffer is full: media do not wait */
				count(o, &o->m[done++], false);
		} else {
			count(o, &o->m[done++], false);	/* this one cannot go: the next may */
			again = true;
		}
	}
	o->nm = o->nv = 0;
}

/* One message of n packets that follow one another in the chain; the packet behind them. */
static int16_t
add(struct scr_outs *o, struct scr_out *out, int16_t i, size_t n)
{
	struct mmsghdr *m = &o->m[o->nm];

	m->msg_hdr = (struct msghdr){ .msg_iov = &o->v[o->nv], .msg_iovlen = n };
	if (!out->pipe->connected) {
		m->msg_hdr.msg_name = &out->to;
		m->msg_hdr.msg_namelen = out->to_len;
	}
	if (n > 1) {
		uint16_t size = (uint16_t)o->pk[i].pk.len;
		m->msg_hdr.msg_control = o->c[o->nm].room;
		m->msg_hdr.msg_controllen = sizeof(o->c[o->nm].room);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m->msg_hdr);
		c->cmsg_len = CMSG_LEN(sizeof(size));
		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		memcpy(CMSG_DATA(c), &size, sizeof(size));
	}
	for (; n > 0; n--, i = o->next[i]) {
		o->packet[o->nv] = i;
		o->v[o->nv++] = (struct iovec){ .iov_base = o->pk[i].pk.p, .iov_len = o->pk[i].pk.len };
	}
	o->nm++;
	return i;
}

static void
add_all(struct scr_outs *o, struct scr_out *out, int16_t first)
{
	size_t len[SCR_BATCH], n = 0, at = 0;

	for (int16_t i = first; i >= 0; i = o->next[i])
		len[n++] = o->pk[i].pk.len;
	while (first >= 0) {
		size_t run = out->pipe->gso ? scr_gso_run(len + at, n - at) : 1;
		first = add(o, out, first, run);
		at += run;
	}
}

void
scr_outs_send(struct scr_outs *o, const struct scr_packet *pk, size_t n)
{
	int16_t first[SCR_BATCH];
	struct scr_out *outs[SCR_BATCH];
	size_t nouts = 0;

	o->batch++;
	o->pk = pk;
	for (size_t i = 0; i < n; i++) {
		struct scr_out *out = pk[i].clear ? pk[i].flow->clear : pk[i].flow->out;
		o->next[i] = -1;
		if (out->batch != o->batch) {
			out->batch = o->batch;
			first[nouts] = (int16_t)i;
			outs[nouts++] = out;
		} else {
			o->next[out->last] = (int16_t)i;
		}
		out->last = (int16_t)i;
	}
	for (size_t i = 0; i < nouts; i++) {
		if (outs[i]->pcap) {
			capture(o, outs[i], first[i]);
			continue;
		}
		add_all(o, outs[i], first[i]);
		if (i + 1 == nouts || outs[i + 1]->pipe != outs[i]->pipe)
			push(o, outs[i]->pipe);
	}
}
