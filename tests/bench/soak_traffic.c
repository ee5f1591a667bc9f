/*
 * tests/bench/soak_traffic.c: the traffic of tests/bench/soak: sends to many media at once, at a rate each, and counts what comes out of them.
 *
 * soak_traffic NAME=KIND,INGROUP:PORT,OUTGROUP:PORT …: a stream each, over the loopback interface. KIND: ts, aac, h264 (RTP of 1328 octets, one
 * access unit a packet), or junk and junk264: half of their packets are right, the others are anything.
 * On stdin, a line each:
 *	rate NAME PPS		from now on; bursts of a millisecond, now and then handed to the kernel as one (UDP_SEGMENT)
 *	flood NAME PPS MS	so many more, for a time
 *	report			prints {"NAME": {"sent": n, "seen": n, "missed": n}, …} on stdout; missed: what this program's own sockets dropped
 * Ends with stdin. The sender is one thread, the receiver another.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { STREAMS = 64, BATCH = 64, PACKET = 1328, ROOM = 9216, BUFFER = 16 << 20, SEGMENTS = 32 };

enum kind { TS, AAC, H264, JUNK, JUNK264, KINDS };
static const char *const kinds[KINDS] = { "ts", "aac", "h264", "junk", "junk264" };
struct stream {
	char name[64];
	enum kind kind;
	int to, from;
	_Atomic double rate, flood;
	_Atomic uint64_t flood_ns;	/* until when */
	atomic_ullong sent, seen;
	double credit;
	uint32_t count;
};
static struct stream streams[STREAMS];
static size_t nstreams;
static atomic_bool ends;

static void
need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "soak_traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- packets ---- */

static void
be(uint8_t *p, uint32_t v, int octets)
{
	while (octets-- > 0) {
		p[octets] = (uint8_t)v;
		v >>= 8;
	}
}

static uint32_t
any(void)
{
	static uint64_t x = 88172645463325252u;	/* xorshift64: the same in each run */

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 16);
}

static size_t
right(uint8_t *p, enum kind kind, uint32_t count)
{
	static const uint8_t types[KINDS] = { 33, 99, 98, 33, 98 };

	p[0] = 0x80;
	p[1] = types[kind] | (kind == TS || kind == JUNK ? 0 : 0x80);	/* marker: the access unit ends */
	be(p + 2, count, 2);
	be(p + 4, count * 1920, 4);
	be(p + 8, 1 + (uint32_t)kind, 4);
	if (kind == AAC) {		/* RFC 3640 AAC-hbr: 16 bits of headers, size and index */
		be(p + 12, 16, 2);
		be(p + 14, (PACKET - 16) << 3, 2);
	} else if (kind == H264 || kind == JUNK264) {
		p[12] = 0x65;		/* one NAL unit: a slice */
	} else {
		for (uint32_t i = 0; i < 7; i++)
			be(p + 12 + 188 * i, 0x47010010 | ((count * 7 + i) & 15), 4);
	}
	return PACKET;
}

static size_t
wrong(uint8_t *p, enum kind kind, uint32_t count)
{
	size_t len = right(p, kind, count);

	switch (any() % 10) {
	case 0: len = any() % 64; break;				/* cut */
	case 1: p[0] = (uint8_t)any(); break;				/* version, padding, extension, CSRCs */
	case 2: p[0] = 0xb0; be(p + 14, any(), 2); break;		/* an extension and padding of any length */
	case 3: be(p + 8, any(), 4); break;				/* a source nobody knows */
	case 4: be(p + 2, any(), 2); break;				/* a jump */
	case 5: p[1] = (uint8_t)(72 + any() % 5); break;		/* RTCP at the wrong door */
	case 6: for (size_t i = 12; i < 64; i++) p[i] = (uint8_t)any(); break;
	case 7: for (size_t i = 0; i < len; i++) p[i] = (uint8_t)any(); break;
	case 8: len = 1473 + any() % (ROOM - 1473); break;		/* long, and in fragments */
	default: len = 12 + any() % 8; break;
	}
	return len;
}

static size_t
make(struct stream *s, uint8_t *p)
{
	uint32_t count = s->count++;

	return s->kind >= JUNK && any() % 2 ? wrong(p, s->kind, count) : right(p, s->kind, count);
}

/* ---- sending ---- */

/* Up to a batch. One message in the kernel's eyes where all are of one length. */
static void
send_some(struct stream *s, unsigned n)
{
	static uint8_t room[BATCH][ROOM];
	struct mmsghdr m[BATCH];
	struct iovec v[BATCH];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = { 0 };
	bool one = s->kind < JUNK && n > 1 && n <= SEGMENTS && any() % 2;
	unsigned messages = one ? 1 : n;

	for (unsigned i = 0; i < n; i++) {
		v[i] = (struct iovec){ room[i], make(s, room[i]) };
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = one ? n : 1 };
	}
	if (one) {
		uint16_t size = PACKET;
		m[0].msg_hdr.msg_control = control;
		m[0].msg_hdr.msg_controllen = sizeof(control);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m[0].msg_hdr);
		c->cmsg_len = CMSG_LEN(sizeof(size));
		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		memcpy(CMSG_DATA(c), &size, sizeof(size));
	}
	for (unsigned done = 0; done < messages;) {
		int rc = sendmmsg(s->to, m + done, messages - done, 0);
		need(rc > 0 || errno == EINTR || errno == ECONNREFUSED, "send");
		done += rc > 0 ? (unsigned)rc : 0;
	}
	atomic_fetch_add(&s->sent, n);
}

static void *
sender(void *self)
{
	uint64_t before = now_ns();

	(void)self;
	while (!atomic_load(&ends)) {
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		uint64_t now = now_ns();
		double dt = (double)(now - before) / 1e9;
		before = now;
		dt = dt > 0.05 ? 0.05 : dt;	/* this machine slept: what was missed is not made good in one burst */
		for (size_t i = 0; i < nstreams; i++) {
			struct stream *s = &streams[i];
			s->credit += dt * (atomic_load(&s->rate) + (now < atomic_load(&s->flood_ns) ? atomic_load(&s->flood) : 0));
			for (unsigned n; (n = (unsigned)s->credit) > 0; s->credit -= n) {
				n = n < BATCH ? n : BATCH;
				send_some(s, n);
			}
		}
	}
	return NULL;
}

/* ---- receiving ---- */

static void *
receiver(void *self)
{
	static uint8_t room[64];	/* nobody looks at them */
	struct pollfd fds[STREAMS];
	struct mmsghdr m[BATCH];
	struct iovec v = { room, sizeof(room) };

	(void)self;
	for (size_t i = 0; i < BATCH; i++)
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &v, .msg_iovlen = 1 };
	for (size_t i = 0; i < nstreams; i++)
		fds[i] = (struct pollfd){ .fd = streams[i].from, .events = POLLIN };
	while (!atomic_load(&ends)) {
		poll(fds, nstreams, 100);
		for (size_t i = 0; i < nstreams; i++)
			for (int rc; fds[i].revents && (rc = recvmmsg(streams[i].from, m, BATCH, MSG_DONTWAIT, NULL)) > 0;) {
				atomic_fetch_add(&streams[i].seen, (unsigned long long)rc);
				if (rc < BATCH)
					break;
			}
	}
	return NULL;
}

static unsigned
missed(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0 ? info[SK_MEMINFO_DROPS] : 0;
}

/* ---- what is wanted ---- */

static struct stream *
find(const char *name)
{
	for (size_t i = 0; i < nstreams; i++)
		if (strcmp(streams[i].name, name) == 0)
			return &streams[i];
	fprintf(stderr, "soak_traffic: no stream %s\n", name);
	exit(64);
}

static void
report(void)
{
	for (size_t i = 0; i < nstreams; i++) {
		struct stream *s = &streams[i];
		printf("%s\"%s\": {\"sent\": %llu, \"seen\": %llu, \"missed\": %u}", i ? ", " : "{", s->name, atomic_load(&s->sent),
		    atomic_load(&s->seen), missed(s->from));
	}
	printf("}\n");
	fflush(stdout);
}

static void
obey(void)
{
	char line[256], name[64];
	double rate;
	unsigned ms;

	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "rate %63s %lf", name, &rate) == 2) {
			atomic_store(&find(name)->rate, rate);
		} else if (sscanf(line, "flood %63s %lf %u", name, &rate, &ms) == 3) {
			atomic_store(&find(name)->flood, rate);
			atomic_store(&find(name)->flood_ns, now_ns() + ms * 1000000ull);
		} else if (strcmp(line, "report\n") == 0) {
			report();
		} else {
			fprintf(stderr, "soak_traffic: %s", line);
			exit(64);
		}
	}
}

static struct sockaddr_in
address(const char *host, unsigned port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	errno = EINVAL;
	need(inet_pton(AF_INET, host, &a.sin_addr) == 1, host);
	return a;
}

static void
buffer(int fd, int force, int plain)
{
	int bytes = BUFFER;

	if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof(bytes));
}

static void
add(const char *text)
{
	char kind[16], in[32], out[32];
	unsigned in_port, out_port;
	struct stream *s = &streams[nstreams++];
	struct ip_mreqn lo = { .imr_ifindex = (int)if_nametoindex("lo") };
	int on = 1, off = 0;

	errno = EINVAL;
	need(nstreams <= STREAMS && sscanf(text, "%63[^=]=%15[^,],%31[^:]:%u,%31[^:]:%u", s->name, kind, in, &in_port, out, &out_port) == 6, text);
	while (s->kind < KINDS && strcmp(kinds[s->kind], kind) != 0)
		s->kind++;
	need(s->kind < KINDS, text);
	struct sockaddr_in to = address(in, in_port), from = address(out, out_port);
	s->to = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	s->from = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	need(s->to >= 0 && s->from >= 0, "socket");
	buffer(s->to, SO_SNDBUFFORCE, SO_SNDBUF);
	buffer(s->from, SO_RCVBUFFORCE, SO_RCVBUF);
	setsockopt(s->to, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof(lo));
	need(connect(s->to, (struct sockaddr *)&to, sizeof(to)) == 0, text);
	setsockopt(s->from, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(s->from, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off));
	need(bind(s->from, (struct sockaddr *)&from, sizeof(from)) == 0, text);
	lo.imr_multiaddr = from.sin_addr;
	need(setsockopt(s->from, IPPROTO_IP, IP_ADD_MEMBERSHIP, &lo, sizeof(lo)) == 0, text);
}

int
main(int argc, char **argv)
{
	pthread_t threads[2];

	for (int i = 1; i < argc; i++)
		add(argv[i]);
	need(pthread_create(&threads[0], NULL, sender, NULL) == 0 && pthread_create(&threads[1], NULL, receiver, NULL) == 0, "thread");
	obey();
	atomic_store(&ends, true);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	return 0;
}
