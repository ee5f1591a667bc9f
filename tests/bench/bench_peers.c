/*
 * tests/bench/bench_peers.c: RTP in, SRTP out, by simulgate-scrambler and by what people use else, each as a process of its own.
 *
 * Method. Packets of 1328 octets come from this program on CPU 0, paced, in bursts of 8 (UDP_SEGMENT); the forwarder has CPU 1; its output comes
 * back here and is counted. What is looked for is the highest rate at which less than one packet in a thousand is lost: doubled until
 * it fails, then halved in between, half a second each; three times in turns, the median counts. What fails is tried again. The rate is what was
 * really sent: the generator ends at some 700 kpps on the machine of this writing, so results near it are the least the forwarder can do, and the
 * ratios, too. What the sockets' buffers hold at the end counts as forwarded, with all of them. All processes have a raised priority where that
 * is allowed; on a machine that has other work the figures mean little without a real-time one (chrt --rr 5).
 *
 * simulgate-scrambler gets its keys over its playout socket, another each second, from this program in the place of the SCS; MKI of 2 octets,
 * HMAC-SHA1-80, one thread, as in the field. GStreamer: udpsrc ! srtpenc ! udpsink, one key, no MKI (gst-launch cannot set it). ffmpeg:
 * datagrams copied (-f data) to srtp://, one key, no MKI. Peers that are not installed have no lines.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "proto/playout.h"
#include "tests/bench/ceiling.h"
#include "tests/bench/loopback.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { PACKET = 1328, BURST = 8, TRY_MS = 500, SETTLE_MS = 150, ROUNDS = 3, HALVINGS = 5, GENERATOR_CPU = 0, FORWARDER_CPU = 1 };

static char dir[64];
static pid_t children[3];
static atomic_bool ends;

static int64_t
now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
clean_up(void)
{
	char cmd[96];

	for (int i = 0; i < 3; i++)
		if (children[i] > 0) {
			kill(children[i], SIGKILL);	/* ffmpeg hears nothing else while it reads */
			waitpid(children[i], NULL, 0);
		}
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (*dir && system(cmd) != 0)
		fprintf(stderr, "bench_peers: %s stays\n", dir);
}

static void
need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_peers: %s: %s\n", what, strerror(errno));
	clean_up();
	exit(1);
}

static void
on_cpu(size_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* ---- forwarders ---- */

struct forwarder {
	const char *name, *tool;	/* tool: what must be installed; NULL: ours */
	uint16_t in; int sink;
	uint16_t out;
	uint32_t count;			/* of packets: each has a sequence of its own, without a gap */
	double rate[ROUNDS];		/* kpps */
};
static struct forwarder forwarders[3] = {
	{ .name = "scrambler" },
	{ .name = "gstreamer", .tool = "gst-launch-1.0" },
	{ .name = "ffmpeg", .tool = "ffmpeg" },
};

static bool
installed(const char *tool)
{
	char cmd[96];

	snprintf(cmd, sizeof(cmd), "command -v %s >/dev/null 2>&1", tool);
	return system(cmd) == 0;
}

static pid_t
spawn(const char *cmd)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	on_cpu(FORWARDER_CPU);
	execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
	_exit(127);
}

static void
start_peer(int i)
{
	const struct forwarder *f = &forwarders[i];
	char cmd[1024];

	if (i == 1)
		snprintf(cmd, sizeof(cmd), "exec gst-launch-1.0 -q udpsrc address=127.0.0.1 port=%u buffer-size=8388608 "
		    "caps='application/x-rtp,media=(string)video,payload=(int)33,clock-rate=(int)90000,encoding-name=(string)MP2T' ! srtpenc "
		    "key=012345678901234567890123456789012345678901234567890123456789 ! udpsink host=127.0.0.1 port=%u sync=false async=false "
		    "buffer-size=8388608 >%s/gstreamer.log 2>&1", f->in, f->out, dir);
	else
		snprintf(cmd, sizeof(cmd), "exec ffmpeg -loglevel error -nostdin -raw_packet_size 1500 -f data "
		    "-i 'udp://127.0.0.1:%u?pkt_size=1500&buffer_size=8388608&overrun_nonfatal=1' -map 0 -c copy -f data "
		    "-srtp_out_suite AES_CM_128_HMAC_SHA1_80 -srtp_out_params MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5 "
		    "'srtp://127.0.0.1:%u?pkt_size=1500' >%s/ffmpeg.log 2>&1", f->in, f->out, dir);
	children[i] = spawn(cmd);
}

/* ---- the SCS ---- */

static int listener;

static void
send_bare(int fd, uint16_t message, const char *head_end)
{
	uint8_t buf[128];
	struct sim_writer w;
	size_t n;

	sim_begin(&w, &playout, PLAYOUT_VERSION, message, buf, sizeof(buf));
	if (head_end)
		sim_put_text(&w, PLAYOUT_HEAD_END, head_end);
	n = sim_end(&w, NULL);
	need(write(fd, buf, n) == (ssize_t)n, "playout");
}

/* Key cp, in force from at_us on. */
static void
send_key(int fd, uint64_t cp, int64_t at_us)
{
	uint8_t buf[512], key[30] = { (uint8_t)cp, (uint8_t)(cp >> 8), 7 }, id[2] = { (uint8_t)(cp >> 8), (uint8_t)cp };
	struct sim_writer w;
	size_t n;

	sim_begin(&w, &playout, PLAYOUT_VERSION, PLAYOUT_KEY_RECORD, buf, sizeof(buf));
	sim_put_text(&w, PLAYOUT_SERVICE, "bench");
	sim_put_int(&w, PLAYOUT_CP, (int64_t)cp);
	sim_put_int(&w, PLAYOUT_START, at_us);
	sim_put_int(&w, PLAYOUT_DURATION, 1000);
	sim_put_int(&w, PLAYOUT_MIN_DURATION, 0);
	sim_put_int(&w, PLAYOUT_EPOCH, 1);
	sim_put_int(&w, PLAYOUT_PROTECTION, 1);
	sim_put_int(&w, PLAYOUT_AUTHENTICATED, 1);
	sim_put_bytes(&w, PLAYOUT_KEY_IDENTIFIER, id, sizeof(id));
	sim_put_bytes(&w, PLAYOUT_KEY_MATERIAL, key, sizeof(key));
	n = sim_end(&w, NULL);
	need(n > 0 && write(fd, buf, n) == (ssize_t)n, "playout");
}

/* Welcomes the scrambler, answers its tests, and gives it a key a second, two seconds ahead. */
static void *
scs(void *self)
{
	static uint8_t buf[65536];
	size_t have = 0;
	uint64_t cp = 1;
	int64_t next_us = 0;
	int fd;

	(void)self;
	on_cpu(GENERATOR_CPU);
	if ((fd = accept(listener, NULL, NULL)) < 0)
		return NULL;
	while (!atomic_load(&ends)) {
		int64_t now_us = now_ns(CLOCK_REALTIME) / 1000;
		for (; next_us && next_us < now_us + 2000000; next_us += 1000000)
			send_key(fd, cp++, next_us);
		struct pollfd p = { fd, POLLIN, 0 };
		if (poll(&p, 1, 100) <= 0)
			continue;
		ssize_t n = read(fd, buf + have, sizeof(buf) - have);
		if (n <= 0)
			break;
		have += (size_t)n;
		while (have >= SIM_HEADER && have >= SIM_HEADER + ((size_t)buf[3] << 8 | buf[4])) {
			size_t len = SIM_HEADER + ((size_t)buf[3] << 8 | buf[4]);
			uint16_t message = (uint16_t)(buf[1] << 8 | buf[2]);
			if (message == PLAYOUT_FOLLOWER_SETUP) {
				send_bare(fd, PLAYOUT_FOLLOWER_STATUS, "bench");
				next_us = now_us;
			} else if (message == PLAYOUT_LINK_TEST) {
				send_bare(fd, PLAYOUT_LINK_STATUS, NULL);
			}
			have -= len;
			memmove(buf, buf + len, have);
		}
	}
	close(fd);
	return NULL;
}

static void
start_scrambler(pthread_t *thread)
{
	const char *libexec = getenv("SIMULGATE_LIBEXEC");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const struct forwarder *f = &forwarders[0];
	char path[96], program[512], cmd[1024];
	FILE *conf;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/run", dir);
	need(mkdir(a.sun_path, 0700) == 0, a.sun_path);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/run/scs.sock", dir);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	need(listener >= 0 && bind(listener, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(listener, 1) == 0, a.sun_path);
	need(pthread_create(thread, NULL, scs, NULL) == 0, "thread");
	snprintf(path, sizeof(path), "%s/headend.yaml", dir);
	need((conf = fopen(path, "we")) != NULL, path);
	fprintf(conf, "head_end: bench\nstate: state\nplayout: unix://%s/run\nkms:\n  drm: { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:1 }\n"
	    "services:\n  - id: bench\n    scrambling: srtp\n    crypto_period: 1s\n    media: [ { name: av, in: \"udp://127.0.0.1:%u\", out: "
	    "\"udp://127.0.0.1:%u\" } ]\n    stkm: [ { kms: drm, ecm_id: 1, out: \"udp://127.0.0.1:1\" } ]\n", dir, f->in, f->out);
	fclose(conf);
	snprintf(program, sizeof(program), "%s/scrambler/simulgate-scrambler", libexec ? libexec : ".");
	if (access(program, X_OK) != 0)
		snprintf(program, sizeof(program), "%s/simulgate-scrambler", libexec ? libexec : ".");
	snprintf(cmd, sizeof(cmd), "exec %s --config %s >%s/scrambler.log 2>&1", program, path, dir);
	children[0] = spawn(cmd);
}

/* ---- pacing ---- */

#define ALLOWED 0.001	/* of what was sent may be lost */

static void
burst(int fd, uint32_t *count)
{
	static uint8_t packet[BURST][PACKET];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = { 0 };
	struct iovec v = { packet, sizeof(packet) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	uint16_t size = PACKET;

	for (int i = 0; i < BURST; i++, ++*count) {
		uint8_t *p = packet[i];
		p[0] = 0x80, p[1] = 33, p[2] = (uint8_t)(*count >> 8), p[3] = (uint8_t)*count, p[11] = 1;
	}
	h->cmsg_len = CMSG_LEN(sizeof(size));
	h->cmsg_level = SOL_UDP;
	h->cmsg_type = UDP_SEGMENT;
	memcpy(CMSG_DATA(h), &size, sizeof(size));
	while (sendmsg(fd, &m, 0) < 0)
		need(errno == ECONNREFUSED || errno == EINTR || errno == ENOBUFS, "send");
}

/* At pps for a time: what share was lost; *pps becomes what was really sent. */
static double
try(struct forwarder *f, int fd, double *pps)
{
	int64_t begin = now_ns(CLOCK_MONOTONIC), end = begin + TRY_MS * 1000000ll, now;
	uint64_t sent = 0, seen = 0;

	lo_drain(f->sink, NULL, NULL);
	while ((now = now_ns(CLOCK_MONOTONIC)) < end) {
		if ((double)sent > (double)(now - begin) * *pps / 1e9) {
			seen += lo_drain(f->sink, NULL, NULL);
			continue;
		}
		burst(fd, &f->count);
		sent += BURST;
	}
	*pps = (double)sent * 1e9 / (double)(now - begin);
	for (end = now + SETTLE_MS * 1000000ll; seen < sent && now_ns(CLOCK_MONOTONIC) < end;)
		seen += lo_drain(f->sink, NULL, NULL);
	return 1 - (double)seen / (double)sent;
}

/* The highest rate that holds, from a first guess on. */
static double
search(struct forwarder *f, double low)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(f->in), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = lo_feeder();
	double best = 0, high = 0;	/* high: 0: nothing has failed yet */

	need(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0, "connect");
	for (int halvings = 0; halvings < HALVINGS;) {
		double want = high > 0 ? (low + high) / 2 : low, pps = want;
		bool held = try(f, fd, &pps) < ALLOWED;
		if (!held) {		/* once may be an accident of the machine */
			pps = want;
			held = try(f, fd, &pps) < ALLOWED;
		}
		if (held && pps > best)
			best = pps;
		if (held && pps < 0.95 * want)	/* more cannot be offered */
			break;
		if (high <= 0 && held) {
			low *= 2;
			continue;
		}
		if (high <= 0) {
			high = low;
			low /= 2;
		} else {
			*(held ? &low : &high) = want;
		}
		halvings++;
	}
	close(fd);
	return best;
}

/* Until it forwards: processes need a moment. */
static bool
awaken(struct forwarder *f)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(f->in), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timespec pause = { .tv_nsec = 50000000 };
	int fd = lo_feeder();
	bool awake = false;

	need(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0, "connect");
	for (int i = 0; i < 200 && !awake; i++) {
		burst(fd, &f->count);
		nanosleep(&pause, NULL);
		awake = lo_drain(f->sink, NULL, NULL) > 0;
	}
	close(fd);
	return awake;
}

int
main(void)
{
	pthread_t thread;
	double ours;

	setpriority(PRIO_PROCESS, 0, -15);	/* refused: what else runs here counts for more */
	snprintf(dir, sizeof(dir), "/tmp/simulgate-peers.XXXXXX");
	need(mkdtemp(dir) != NULL, dir);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		printf("# peers: one core for the generator and the forwarder\n");
	for (int i = 0; i < 3; i++) {
		close(lo_sink(&forwarders[i].in));	/* one that is free, most likely */
		forwarders[i].sink = lo_sink(&forwarders[i].out);
	}
	start_scrambler(&thread);
	on_cpu(GENERATOR_CPU);
	for (int i = 1; i < 3; i++)
		if (installed(forwarders[i].tool))
			start_peer(i);
	for (int i = 0; i < 3; i++)
		if (children[i] && !awaken(&forwarders[i])) {
			fprintf(stderr, "bench_peers: %s forwards nothing\n", forwarders[i].name);
			need(i != 0, "it must");
			kill(children[i], SIGKILL);
			waitpid(children[i], NULL, 0);
			children[i] = 0;
		}
	for (int k = 0; k < ROUNDS; k++)
		for (int i = 0; i < 3; i++) {
			struct forwarder *f = &forwarders[i];
			if (children[i])
				f->rate[k] = search(f, k > 0 && f->rate[0] > 20000 ? f->rate[0] / 2 : 10000);
		}
	ours = bench_median(forwarders[0].rate, ROUNDS);
	for (int i = 1; i < 3; i++)
		if (children[i])
			printf("peers_%s %.0f kpps\n", forwarders[i].name, bench_median(forwarders[i].rate, ROUNDS) / 1000);
	printf("peers_scrambler %.0f kpps\n", ours / 1000);
	for (int i = 1; i < 3; i++)
		if (children[i] && forwarders[i].rate[ROUNDS / 2] > 0)
			printf("peers_scrambler_by_%s %.0f kpps %.2f of peers_%s\n", forwarders[i].name, ours / 1000,
			    ours / forwarders[i].rate[ROUNDS / 2], forwarders[i].name);
	atomic_store(&ends, true);
	pthread_join(thread, NULL);
	clean_up();
	return 0;
}
