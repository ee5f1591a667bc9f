/* scrambler/input.c */
#include "scrambler/input.h"
#include <errno.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "lib/udp.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
	TABLE = 32,		/* slots at first */
	OWN = 20,		/* groups that a socket joins itself when others can do it for it: the kernel looks through them for each datagram */
	SPILL = 65536,		/* behind a slot: the rest of a jumbo frame, or of datagrams that the kernel put together */
	WIDE = 8,		/* messages of a socket at a time whose messages hold many datagrams each */
	SHARED = 16,		/* turns over which a stream's share of an overloaded socket is counted */
	FEW = 64,		/* streams that all count as sending */
	JUDGED = 32,		/* messages between two looks at a buffer: a call each is too much where many sockets have one a turn */
	CONTROL = 128,
};

/* Taps by their groups; chains are of no more than a few. */
struct table { struct scr_tap **slot; size_t n, used; size_t link; };
/* A socket that has joined groups for another one, and receives nothing: it has no port. */
struct scr_holder { int fd; unsigned groups; struct scr_holder *next; };

struct scr_input {
	struct scr_inputs *all;
	int fd;
	bool group, alone, one_source;	/* multicast; bound to one group alone; its memberships name sources */
	unsigned ifindex;
	struct gw_addr at;
	unsigned taps;			/* open ones */
	struct scr_tap *only;		/* unicast: the stream that is attached */
	struct table open, live;	/* all taps; those that are attached */
	struct scr_holder *holders;	/* while there are any it takes what anybody has joined */
	unsigned own;			/* groups that it has joined itself */
	unsigned attached;
	uint64_t window; unsigned seen, active;	/* streams that sent in these SHARED turns of too much; that share them */
	unsigned debt;
	bool overloaded, wide; unsigned unjudged;
	struct scr_input *next;
};
struct message { _Alignas(struct cmsghdr) char control[CONTROL]; struct sockaddr_storage from; struct iovec v[2]; };
struct arrival { uint8_t group[16], source[16]; unsigned ifindex; size_t segment; };
struct scr_inputs {
	int epoll;
	bool only;
	struct scr_input *list; size_t n;
	uint64_t turn, strays;
	struct mmsghdr m[SCR_BATCH];
	struct message more[SCR_BATCH];
	/* of the messages: what the kernel said beside them, where to look for their taps, those */
	struct arrival arrived[SCR_BATCH];
	struct scr_tap **slot[SCR_BATCH], *tap[SCR_BATCH];
	uint8_t *spill;
};

struct scr_inputs *
scr_inputs_new(bool only, struct gw_err *err)
{
	struct scr_inputs *all = calloc(1, sizeof(*all));

	if (all)
		all->only = only;
	if (!all || !(all->spill = malloc((size_t)SCR_BATCH * SPILL)))
		gw_fail(err, GW_ESYS, "no memory");
	else if ((all->epoll = epoll_create1(EPOLL_CLOEXEC)) >= 0)
		return all;
	else
		gw_fail(err, GW_ESYS, "epoll: %s", strerror(errno));
	if (all)
		free(all->spill);
	free(all);
	return NULL;
}

void
scr_inputs_free(struct scr_inputs *all)
{
	if (!all)
		return;
	close(all->epoll);
	free(all->spill);
	free(all);
}

int scr_inputs_fd(const struct scr_inputs *all) { return all->epoll; }
size_t scr_inputs_sockets(const struct scr_inputs *all) { return all->n; }
uint64_t scr_inputs_strays(const struct scr_inputs *all) { return all->strays; }

/* ---- taps by group ---- */

static struct scr_tap **
link_of(const struct table *t, struct scr_tap *tap)
{
	return (struct scr_tap **)((char *)tap + t->link);
}

static struct scr_tap **
slot_of(const struct table *t, const uint8_t group[16])
{
	uint64_t h[2];

	memcpy(h, group, sizeof(h));
	h[0] = (h[0] ^ h[1] * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
	return &t->slot[h[0] >> 40 & (t->n - 1)];	/* the upper bits hang on all of them */
}

static void
table_put(struct table *t, struct scr_tap *tap)
{
	struct scr_tap **slot = slot_of(t, tap->group);

	*link_of(t, tap) = *slot;
	*slot = tap;
	t->used++;
}

/* Room for one more; what cannot grow gets longer chains. -1: there is nothing yet, and no memory. */
static int
table_grow(struct table *t)
{
	struct table old = *t;
	size_t n = t->n ? 2 * t->n : TABLE;
	struct scr_tap **slot, *tap;

	if (t->used < t->n)
		return 0;
	if (!(slot = calloc(n, sizeof(struct scr_tap *))))
		return t->n ? 0 : -1;
	*t = (struct table){ .slot = slot, .n = n, .link = old.link };
	for (size_t i = 0; i < old.n; i++)
		while ((tap = old.slot[i])) {
			old.slot[i] = *link_of(t, tap);
			table_put(t, tap);
		}
	free(old.slot);
	return 0;
}

static void
table_remove(struct table *t, struct scr_tap *tap)
{
	struct scr_tap **at = slot_of(t, tap->group);

	while (*at != tap)
		at = link_of(t, *at);
	*at = *link_of(t, tap);
	*link_of(t, tap) = NULL;
	t->used--;
}

/* ---- sockets ---- */

static void
input_close(struct scr_input *in)
{
	struct scr_input **at = &in->all->list;

	while (*at != in)
		at = &(*at)->next;
	*at = in->next;
	in->all->n--;
	close(in->fd);
	free(in->open.slot);
	free(in->live.slot);
	free(in);
}

static struct scr_input *
input_open(struct scr_inputs *all, const struct gw_addr *a, unsigned ifindex, struct gw_err *err)
{
	struct gw_addr bound = { .scheme = GW_UDP };
	struct scr_input *in = calloc(1, sizeof(*in));
	socklen_t len = sizeof(bound.ss);
	int on = 1;

	if (!in) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	*in = (struct scr_input){ .all = all, .fd = gw_udp_port(a, err), .group = gw_addr_multicast(a), .one_source = a->source[0] != '\0',
		.ifindex = ifindex, .at = *a, .window = UINT64_MAX, .open = { .link = offsetof(struct scr_tap, beside) },
		.live = { .link = offsetof(struct scr_tap, next) } };
	if (in->fd < 0) {
		free(in);
		return NULL;
	}
	getsockname(in->fd, (struct sockaddr *)&bound.ss, &len);
	in->alone = gw_addr_multicast(&bound);
	in->at.port = ntohs(((struct sockaddr_in *)&bound.ss)->sin_port);	/* at the same place for IPv6 */
	setsockopt(in->fd, SOL_UDP, UDP_GRO, &on, sizeof(on));	/* where there is none they come one by one */
	in->next = all->list;
	all->list = in;
	all->n++;
	return in;
}

/* A socket that takes any group of this port has room for this one, too? */
static bool
fits(const struct scr_input *in, const struct gw_addr *a, unsigned ifindex)
{
	return in->group && !in->alone && in->at.port == a->port && in->at.ss.ss_family == a->ss.ss_family && in->ifindex == ifindex &&
	    in->one_source == (a->source[0] != '\0');
}

static bool
full(int error)
{
	/* the last two: this very group, or group and sender, for another stream */
	return error == ENOBUFS || error == ENOMEM || error == EADDRINUSE || error == EADDRNOTAVAIL;
}

/* Another stream of this socket has the group: what comes once is for one of them. */
static bool
has_group(const struct scr_input *in, const struct scr_tap *t)
{
	for (struct scr_tap *o = in->open.n ? *slot_of(&in->open, t->group) : NULL; o; o = o->beside)
		if (memcmp(o->group, t->group, 16) == 0)
			return true;
	return false;
}

/* Others may join for this socket? Who has not named an interface would hear others' groups on all of them. */
static bool
may_be_helped(const struct scr_input *in)
{
	return in->all->only && !in->one_source && !in->alone && in->ifindex;
}

static void
holder_leave(struct scr_input *in, struct scr_holder *h)
{
	struct scr_holder **at = &in->holders;

	if (--h->groups > 0)
		return;
	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	in->all->n--;
	close(h->fd);
	free(h);
	if (!in->holders)
		gw_udp_all_groups(in->fd, &in->at, false);
}

/* By a socket that joins for this one. 0, or -1 with errno. */
static int
join_by_holder(struct scr_input *in, struct scr_tap *t, const struct gw_addr *a)
{
	struct scr_holder *h;

	for (h = in->holders; h; h = h->next) {
		if (gw_udp_join(h->fd, a) == 0)
			break;
		if (!full(errno))
			return -1;
	}
	if (!h) {
		if (!(h = malloc(sizeof(*h))))
			return -1;
		*h = (struct scr_holder){ .fd = socket(a->ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), .next = in->holders };
		if (h->fd < 0 || gw_udp_join(h->fd, a) < 0 || (!in->holders && gw_udp_all_groups(in->fd, a, true) < 0)) {
			if (h->fd >= 0)
				close(h->fd);
			free(h);
			return -1;
		}
		in->holders = h;
		in->all->n++;
	}
	h->groups++;
	t->holder = h;
	return 0;
}

/* 0, or -1 with errno: full() when another socket might. */
static int
join(struct scr_input *in, struct scr_tap *t, const struct gw_addr *a)
{
	if (!may_be_helped(in))
		return gw_udp_join(in->fd, a);
	if (has_group(in, t)) {
		errno = EADDRINUSE;
		return -1;
	}
	if (in->own < OWN && gw_udp_join(in->fd, a) == 0) {
		in->own++;
		return 0;
	}
	return in->own < OWN && !full(errno) ? -1 : join_by_holder(in, t, a);
}

static int
tap_group(struct scr_inputs *all, struct scr_tap *t, const struct gw_addr *a, struct gw_err *err)
{
	char text[GW_ADDR_TEXT];
	struct scr_input *in;
	bool fresh;

	for (in = all->list; in; in = in->next)
		if (fits(in, a, t->ifindex)) {
			if (join(in, t, a) == 0)
				break;
			if (!full(errno))
				return gw_fail(err, GW_EUNAVAIL, "%s: join: %s", gw_addr_text(a, text, sizeof(text)), strerror(errno));
		}
	if ((fresh = !in) && !(in = input_open(all, a, t->ifindex, err)))
		return -1;
	if (table_grow(&in->open) < 0 || (fresh && join(in, t, a) < 0)) {
		gw_fail(err, GW_EUNAVAIL, "%s: join: %s", gw_addr_text(a, text, sizeof(text)), strerror(errno));
		if (fresh)
			input_close(in);
		return -1;
	}
	t->in = in;
	table_put(&in->open, t);
	in->taps++;
	return 0;
}

static void
bytes_of(const struct sockaddr_storage *ss, uint8_t out[16])
{
	memset(out, 0, 16);
	if (ss->ss_family == AF_INET6)
		memcpy(out, &((const struct sockaddr_in6 *)ss)->sin6_addr, 16);
	else
		memcpy(out, &((const struct sockaddr_in *)ss)->sin_addr, 4);
}

int
scr_tap_open(struct scr_inputs *all, struct scr_tap *t, const struct gw_addr *given, struct gw_err *err)
{
	struct sockaddr_storage source;
	struct gw_addr a = *given;

	*t = (struct scr_tap){ .at = *given };
	if (gw_addr_resolve(&a, err) < 0)
		return -1;
	t->any_source = gw_addr_source(&a, &source) == 0;
	if (!t->any_source)
		bytes_of(&source, t->source);
	bytes_of(&a.ss, t->group);
	t->ifindex = a.interface[0] ? if_nametoindex(a.interface) : 0;
	if (a.interface[0] && !t->ifindex)
		return gw_fail(err, GW_EUNAVAIL, "%s: %s", a.interface, strerror(errno));
	if (gw_addr_multicast(&a))
		return tap_group(all, t, &a, err);
	if (!(t->in = input_open(all, &a, t->ifindex, err)))
		return -1;
	t->in->taps = 1;
	return 0;
}

void
scr_tap_close(struct scr_tap *t)
{
	struct scr_input *in = t->in;
	struct gw_addr a = t->at;

	if (!in)
		return;
	if (in->group) {
		bool left = gw_addr_resolve(&a, NULL) == 0 && gw_udp_leave(t->holder ? t->holder->fd : in->fd, &a) == 0;

		table_remove(&in->open, t);
		if (t->holder)
			holder_leave(in, t->holder);
		else if (left && may_be_helped(in))
			in->own--;
	}
	t->in = NULL;
	t->holder = NULL;
	if (--in->taps == 0)
		input_close(in);
}

uint16_t
scr_tap_port(const struct scr_tap *t)
{
	return t->in->at.port;
}

uint64_t
scr_tap_kernel_drops(const struct scr_tap *t)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	/* the count that SO_RXQ_OVFL would put beside each datagram */
	return t->in && getsockopt(t->in->fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0 ? info[SK_MEMINFO_DROPS] : 0;
}

int
scr_tap_attach(struct scr_tap *t, struct scr_flow *flow, struct gw_err *err)
{
	struct scr_input *in = t->in;
	struct epoll_event ev = { .events = EPOLLIN, .data = { .ptr = in } };

	if (!t->flow) {
		if (in->group && table_grow(&in->live) < 0)
			return gw_fail(err, GW_ESYS, "no memory");
		if (in->attached == 0 && epoll_ctl(in->all->epoll, EPOLL_CTL_ADD, in->fd, &ev) < 0)
			return gw_fail(err, GW_ESYS, "epoll: %s", strerror(errno));
		in->attached++;
		if (in->group)
			table_put(&in->live, t);
		else
			in->only = t;
	}
	t->flow = flow;
	return 0;
}

void
scr_tap_detach(struct scr_tap *t)
{
	struct scr_input *in = t->in;

	if (!in || !t->flow)
		return;
	t->flow = NULL;
	if (in->group)
		table_remove(&in->live, t);
	else
		in->only = NULL;
	if (--in->attached == 0)
		epoll_ctl(in->all->epoll, EPOLL_CTL_DEL, in->fd, NULL);
}

/* ---- packets ---- */

static bool
is(const struct scr_tap *t, const struct arrival *a)
{
	return memcmp(t->group, a->group, 16) == 0 && (t->any_source || memcmp(t->source, a->source, 16) == 0) &&
	    (!t->ifindex || t->ifindex == a->ifindex);
}

static bool
same(const struct arrival *a, const struct arrival *b)
{
	return memcmp(a->group, b->group, 16) == 0 && a->ifindex == b->ifindex && memcmp(a->source, b->source, 16) == 0;
}

/*
 * The taps of messages from..to-1. With thousands of streams neither their slots nor their taps are in the first caches: all slots are
 * asked for first, then what they hold, then it is looked at. Messages of one stream that follow one another are looked up once.
 */
static void
find(struct scr_inputs *all, struct scr_input *in, size_t from, size_t to)
{
	struct scr_tap *t;

	for (size_t i = from; i < to; i++) {
		all->tap[i] = in->only;
		all->slot[i] = in->live.n == 0 || (i > from && same(&all->arrived[i], &all->arrived[i - 1])) ? NULL :
		    slot_of(&in->live, all->arrived[i].group);
		__builtin_prefetch(all->slot[i]);
	}
	if (!in->live.n)
		return;
	for (size_t i = from; i < to; i++)
		if (all->slot[i])
			__builtin_prefetch(*all->slot[i]);
	for (size_t i = from; i < to; i++) {
		if (all->slot[i])
			for (t = *all->slot[i]; t && !is(t, &all->arrived[i]);)
				t = t->next;
		else
			t = all->tap[i - 1];
		all->tap[i] = t;
	}
}

/* What the kernel says beside the datagram. */
static void
read_control(const struct scr_input *in, struct msghdr *h, struct arrival *a)
{
	union { struct in_pktinfo v4; struct in6_pktinfo v6; int size; } u;

	*a = (struct arrival){ .segment = 0 };
	if (in->one_source)
		bytes_of(h->msg_name, a->source);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		size_t len = c->cmsg_len - CMSG_LEN(0);
		if (len > sizeof(u))
			continue;
		memcpy(&u, CMSG_DATA(c), len);
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(a->group, &u.v4.ipi_addr, 4);
			a->ifindex = (unsigned)u.v4.ipi_ifindex;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(a->group, &u.v6.ipi6_addr, 16);
			a->ifindex = u.v6.ipi6_ifindex;
		} else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			a->segment = u.size > 0 ? (size_t)u.size : 0;
		}
	}
}

/*
 * Too much comes: a stream has its share of SHARED turns, what is more is dropped, the newest first. That is said of a socket of several
 * streams whose buffer is more than half full, and until it is less than a quarter; a burst alone drops nothing.
 */
static void
judge(struct scr_input *in, unsigned got, bool more)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	in->unjudged += got;
	if (!more) {
		in->overloaded = false;
		in->unjudged = 0;
	} else if (in->attached > 1 && in->unjudged >= JUDGED && getsockopt(in->fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0) {
		uint32_t used = info[SK_MEMINFO_RMEM_ALLOC], room = info[SK_MEMINFO_RCVBUF];
		in->overloaded = in->overloaded ? used > room / 4 : used > room / 2;
		in->unjudged = 0;
	}
}

/*
 * May the stream have another datagram? Counted over several turns, for sources send in bursts: what waits is not mixed evenly. And a
 * stream may well be larger than others that share its socket: its share is up to three times an even one among those that send, of few
 * streams somewhat less. What a flood is has more.
 */
static bool
admit(struct scr_input *in, struct scr_tap *t)
{
	uint64_t now = in->all->turn / SHARED;

	if (in->window != now) {
		in->active = in->attached < FEW ? in->attached : FEW;
		if (in->window + 1 == now && in->active < in->seen)
			in->active = in->seen;
		in->window = now;
		in->seen = 0;
	}
	if (t->turn != now) {
		t->turn = now;
		t->used = 0;
		in->seen++;
	}
	return t->used++ < SHARED * SCR_BATCH * 3 / (in->active + 2) || t->used == 1;
}

/* Octets at `from` of what lies in a slot and behind it. */
static void
gather(uint8_t *to, const struct message *msg, size_t from, size_t len)
{
	size_t first = from < SCR_SLOT ? SCR_SLOT - from : 0;

	first = first < len ? first : len;
	if (first)
		memcpy(to, (const uint8_t *)msg->v[0].iov_base + from, first);
	if (len > first)
		memcpy(to + first, (const uint8_t *)msg->v[1].iov_base + (from + first - SCR_SLOT), len - first);
}

/* One message: a datagram, or several of `segment` octets each, the last perhaps shorter. How many were worked on. */
static unsigned
deliver(struct scr_input *in, struct scr_batch *b, struct scr_tap *t, struct message *msg, size_t len, size_t segment)
{
	struct gw_pk pk = { msg->v[0].iov_base, len };
	unsigned n = 0;
	size_t at = 0;

	if (segment == 0 || segment >= len)
		segment = len;
	if (segment == len && len <= SCR_SLOT && !in->overloaded) {	/* nearly all of them */
		scr_batch_take(b, t->flow, &pk);
		return 1;
	}
	do {
		size_t part = len - at < segment ? len - at : segment;
		if (part > SCR_LARGE || (in->overloaded && !admit(in, t))) {
			t->flow->received++;
			t->flow->dropped[part > SCR_LARGE ? (int)GW_XF_TOO_LONG : (int)SCR_OVERLOAD]++;
		} else if (segment == len && len <= SCR_SLOT) {
			scr_batch_take(b, t->flow, &pk);
			n++;
		} else {
			struct gw_pk large = scr_batch_large(b);
			large.len = part;
			gather(large.p, msg, at, part);
			scr_batch_take(b, t->flow, &large);
			n++;
		}
		at += segment;
	} while (at < len);
	return n;
}

static void
prepare(struct scr_inputs *all, const struct scr_input *in, struct scr_batch *b, size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++) {
		struct message *msg = &all->more[i];
		msg->v[0] = (struct iovec){ scr_batch_slot(b, i).p, SCR_SLOT };
		msg->v[1] = (struct iovec){ all->spill + i * SPILL, SPILL };
		all->m[i].msg_hdr = (struct msghdr){ .msg_iov = msg->v, .msg_iovlen = 2, .msg_control = msg->control, .msg_controllen = CONTROL,
			.msg_name = in->one_source ? &msg->from : NULL, .msg_namelen = in->one_source ? sizeof(msg->from) : 0 };
	}
}

/*
 * What the packets of n streams will need: with many streams nothing of it is in the first caches. A step for all before the next one,
 * which follows a pointer that the step before asked for.
 */
static void
warm(struct scr_tap *const *tap, size_t n)
{
	for (unsigned step = 0; step < SCR_WARM_STEPS; step++)
		for (size_t i = 0; i < n; i++)
			if (tap[i] && (i == 0 || tap[i] != tap[i - 1]))
				scr_flow_warm(tap[i]->flow, step);
}

/* Up to n messages of the socket into the slots from *slot on, which moves up; how many datagrams of them were worked on. */
static unsigned
receive(struct scr_input *in, struct scr_batch *b, size_t *slot, size_t n)
{
	struct scr_inputs *all = in->all;
	size_t first = *slot, end;
	unsigned sum = 0;
	int got;

	prepare(all, in, b, *slot, n);
	do
		got = recvmmsg(in->fd, all->m + *slot, (unsigned)n, MSG_DONTWAIT, NULL);
	while (got < 0 && errno == EINTR);
	end = first + (got > 0 ? (size_t)got : 0);
	for (size_t i = first; i < end; i++)
		read_control(in, &all->m[i].msg_hdr, &all->arrived[i]);
	find(all, in, first, end);
	if (got > 1 && in->attached > 1)
		warm(all->tap + first, (size_t)got);
	for (; *slot < end; ++*slot) {
		struct scr_tap *t = all->tap[*slot];
		if (t)
			sum += deliver(in, b, t, &all->more[*slot], all->m[*slot].msg_len, all->arrived[*slot].segment);
		else
			all->strays++, sum++;
	}
	in->wide = got > 0 && sum / (unsigned)got >= WIDE;
	judge(in, got > 0 ? (unsigned)got : 0, got == (int)n);
	return sum;
}

bool
scr_inputs_turn(struct scr_inputs *all, struct scr_batch *b)
{
	struct epoll_event ev[SCR_BATCH];
	unsigned room = SCR_BATCH;
	size_t slot = 0;
	int n;

	do
		n = epoll_wait(all->epoll, ev, SCR_BATCH, 0);
	while (n < 0 && errno == EINTR);
	all->turn++;
	/* The kernel hands them out in turn; what one does not need of its share is for those behind it. */
	for (int i = 0; i < n && slot < SCR_BATCH; i++) {
		struct scr_input *in = ev[i].data.ptr;
		unsigned share = room / (unsigned)(n - i), used;
		share = share ? share : 1;
		if (n > 1 && in->debt > share) {	/* it had more before than its share: datagrams that were put together */
			in->debt -= share;
			continue;
		}
		size_t most = in->wide && !in->overloaded && share > WIDE ? WIDE : share;
		used = receive(in, b, &slot, most < SCR_BATCH - slot ? most : SCR_BATCH - slot);
		in->debt = used > share ? used - share : 0;
		room -= used < room ? used : room;
	}
	scr_batch_flush(b);
	return n > 0;
}
