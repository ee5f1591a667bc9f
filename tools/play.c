/*
 * tools/play.c: simulgate-play sends a file as UDP at its own pace. Each datagram has its time on CLOCK_MONOTONIC from the start
 * on, so that being late once delays nothing later and nothing drifts.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "lib/args.h"
#include "lib/secret.h"
#include "lib/udp.h"
#include "tools/play.h"

static const int64_t NS = 1000000000;
/* Later than this (a stopped process, a sleeping machine) the rest is put off; a burst would only overrun the receivers. */
static const int64_t LATEST_NS = 1000000000;

struct play {
	struct gw_addr to;
	struct gw_addr es[PLAY_STREAMS];	/* where elementary streams go, instead */
	uint8_t payload_type[PLAY_STREAMS];
	bool rtp, loop;
	uint16_t port;
	int64_t end_ns;		/* 0: the file's */
	const uint8_t *bytes; size_t len;	/* the mapped file */
	struct play_source *source;
	int fd[PLAY_STREAMS];	/* the one of a datagram's stream */
	sigset_t stop;
	int64_t start_ns, late_max_ns;
	uint64_t packets, octets, unsent;
};

/* ---- options ---- */

static int
take_to(void *self, const char *value, struct gw_err *err)
{
	return gw_addr_parse(value, GW_UDP, &((struct play *)self)->to, err);
}

static int
take_h264(void *self, const char *value, struct gw_err *err)
{
	return gw_addr_parse(value, GW_UDP, &((struct play *)self)->es[PLAY_H264], err);
}

static int
take_aac(void *self, const char *value, struct gw_err *err)
{
	return gw_addr_parse(value, GW_UDP, &((struct play *)self)->es[PLAY_AAC], err);
}

static int
take_type(struct play *play, enum play_stream which, const char *value, struct gw_err *err)
{
	char *end;
	long type = strtol(value, &end, 10);

	if (end == value || *end || type < 0 || type > 127)
		return gw_fail(err, GW_EUSAGE, "%s is not a payload type: 0 to 127", value);
	play->payload_type[which] = (uint8_t)type;
	return 0;
}

static int
take_h264_type(void *self, const char *value, struct gw_err *err)
{
	return take_type(self, PLAY_H264, value, err);
}

static int
take_aac_type(void *self, const char *value, struct gw_err *err)
{
	return take_type(self, PLAY_AAC, value, err);
}

static int
take_rtp(void *self, const char *value, struct gw_err *err)
{
	(void)value, (void)err;
	((struct play *)self)->rtp = true;
	return 0;
}

static int
take_loop(void *self, const char *value, struct gw_err *err)
{
	(void)value, (void)err;
	((struct play *)self)->loop = true;
	return 0;
}

static int
take_port(void *self, const char *value, struct gw_err *err)
{
	char *end;
	long port = strtol(value, &end, 10);

	if (end == value || *end || port < 1 || port > 65535)
		return gw_fail(err, GW_EUSAGE, "%s is not a port: 1 to 65535", value);
	((struct play *)self)->port = (uint16_t)port;
	return 0;
}

static int
take_seconds(void *self, const char *value, struct gw_err *err)
{
	char *end;
	double seconds = strtod(value, &end);

	if (end == value || *end || !(seconds > 0 && seconds < 1e9))
		return gw_fail(err, GW_EUSAGE, "%s is not a number of seconds above 0", value);
	((struct play *)self)->end_ns = (int64_t)(seconds * (double)NS);
	return 0;
}

static const struct gw_option options[] = {
	{ "to", "ADDR", "where it goes: udp://HOST:PORT[?interface=NAME&ttl=N]", take_to },
	{ "rtp", NULL, "a transport stream in RTP (payload type 33); without, as bare UDP", take_rtp },
	{ "h264", "ADDR", "of a transport stream the H.264, in RTP of RFC 6184, instead of --to", take_h264 },
	{ "aac", "ADDR", "of a transport stream the AAC, in RTP of RFC 3640, instead of --to", take_aac },
	{ "h264-payload-type", "N", "RTP payload type of the one; 96", take_h264_type },
	{ "aac-payload-type", "N", "of the other; 97", take_aac_type },
	{ "loop", NULL, "begin again at the end, without a gap", take_loop },
	{ "seconds", "N", "end after N seconds", take_seconds },
	{ "port", "N", "of a capture: only what went to this UDP port", take_port },
};
static const struct gw_program program = {
	"simulgate-play", "--to ADDR [--rtp] | --h264 ADDR --aac ADDR [--loop] [--seconds N] [--port N] FILE",
	"Sends a transport stream (FILE.ts), or the H.264 and AAC in it, or the UDP payloads of a capture (FILE.pcap) at its own pace.",
	options, sizeof(options) / sizeof(options[0]), 1, 1,
};

/* ---- what to play ---- */

static bool
is_capture(const uint8_t *p, size_t len)
{
	static const uint8_t magic[][4] = {
		{ 0xa1, 0xb2, 0xc3, 0xd4 }, { 0xd4, 0xc3, 0xb2, 0xa1 }, { 0xa1, 0xb2, 0x3c, 0x4d }, { 0x4d, 0x3c, 0xb2, 0xa1 },
		{ 0x0a, 0x0d, 0x0d, 0x0a },	/* pcapng */
	};

	for (size_t i = 0; len >= 4 && i < sizeof(magic) / sizeof(magic[0]); i++)
		if (memcmp(p, magic[i], 4) == 0)
			return true;
	return false;
}

static int
map(struct play *play, const char *path, struct gw_err *err)
{
	struct stat st;
	void *p = MAP_FAILED;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return gw_fail(err, GW_ECONF, "%s", strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
		close(fd);
		return gw_fail(err, GW_ECONF, "is not a regular file with something in it");
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return gw_fail(err, GW_ESYS, "cannot be mapped: %s", strerror(errno));
	play->bytes = p;
	play->len = (size_t)st.st_size;
	return 0;
}

/* A sequence that starts in the lower half cannot wrap before a receiver of SRTP has locked on to it (RFC 3711, 3.3.1). */
static struct play_rtp
begin_rtp(bool on, uint8_t payload_type)
{
	struct play_rtp rtp = { .on = on, .payload_type = payload_type };

	gw_random(&rtp.ssrc, sizeof(rtp.ssrc));
	gw_random(&rtp.timestamp, sizeof(rtp.timestamp));
	gw_random(&rtp.sequence, sizeof(rtp.sequence));
	rtp.sequence &= 0x7fff;
	return rtp;
}

static bool
elementary(const struct play *play)
{
	return play->es[PLAY_H264].scheme || play->es[PLAY_AAC].scheme;
}

static void
say_fmtp(const struct play *play, enum play_stream which, const char *event)
{
	char fmtp[PLAY_FMTP];

	if (play->es[which].scheme && play_es_fmtp(play->source, which, fmtp))
		gw_log(GW_INFO, event, "for fmtp of a session description", "fmtp=%s", fmtp);
}

static int
open_elementary(struct play *play, struct gw_err *err)
{
	struct play_rtp rtp[PLAY_STREAMS];

	for (int i = 0; i < PLAY_STREAMS; i++)
		rtp[i] = begin_rtp(play->es[i].scheme != 0, play->payload_type[i]);
	if (!(play->source = play_es(play->bytes, play->len, play->loop, rtp, err)))
		return -1;
	say_fmtp(play, PLAY_H264, "play_h264");
	say_fmtp(play, PLAY_AAC, "play_aac");
	return 0;
}

static int
open_source(struct play *play, const char *path, struct gw_err *err)
{
	struct play_rtp rtp = begin_rtp(play->rtp, 0);

	if (map(play, path, err) < 0)
		return gw_wrap(err, "%s", path);
	if (is_capture(play->bytes, play->len)) {
		if (elementary(play))
			return gw_fail(err, GW_EUSAGE, "%s: is a capture: there is nothing to take apart", path);
		if (play->rtp)
			return gw_fail(err, GW_EUSAGE, "%s: is a capture, whose datagrams stay as they are; without --rtp", path);
		play->source = play_pcap(path, play->loop, play->port, err);
	} else {
		if (play->port)
			return gw_fail(err, GW_EUSAGE, "%s: is no capture: --port means nothing here", path);
		if (elementary(play))
			return open_elementary(play, err) < 0 ? gw_wrap(err, "%s", path) : 0;
		play->source = play_ts(play->bytes, play->len, play->loop, &rtp, err);
	}
	return play->source ? 0 : gw_wrap(err, "%s", path);
}

/* ---- playing ---- */

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

/* Sleeps until then. True: a signal says stop. The signals are blocked otherwise, so that none slips in before the sleep. */
static bool
stopped_before(struct play *play, int64_t due_ns)
{
	int64_t wait = play->start_ns + due_ns - now_ns();
	struct timespec t = { 0, 0 };

	if (wait > 0)
		t = (struct timespec){ wait / NS, wait % NS };
	while (sigtimedwait(&play->stop, NULL, &t) < 0) {
		if (errno == EAGAIN)
			return false;
		wait = play->start_ns + due_ns - now_ns();	/* EINTR: stopped and continued */
		t = wait > 0 ? (struct timespec){ wait / NS, wait % NS } : (struct timespec){ 0, 0 };
	}
	return true;
}

static void
note_lateness(struct play *play, int64_t due_ns)
{
	int64_t late = now_ns() - play->start_ns - due_ns;

	if (late > LATEST_NS) {
		gw_log(GW_WARNING, "play_late", "the pace was lost; going on from here", "late_ms=%lld", (long long)(late / 1000000));
		play->start_ns += late;
	} else if (late > play->late_max_ns) {
		play->late_max_ns = late;
	}
}

/* A full socket buffer is waited for; a datagram that still cannot be sent is lost, as on any network. */
static int
send_one(struct play *play, const struct play_datagram *d, struct gw_err *err)
{
	union { const uint8_t *in; uint8_t *out; } p = { d->p };	/* sending writes nothing */
	struct gw_packet packet = { p.out, d->len };
	struct pollfd ready = { play->fd[d->stream], POLLOUT, 0 };
	int n = gw_udp_send(play->fd[d->stream], &packet, 1);

	if (n == 0 && poll(&ready, 1, 100) == 1)
		n = gw_udp_send(play->fd[d->stream], &packet, 1);
	if (n < 0 && errno != ECONNREFUSED && errno != ENOBUFS && errno != ENETUNREACH && errno != EHOSTUNREACH)
		return gw_fail(err, GW_ESYS, "cannot send: %s", strerror(errno));
	if (n < 1) {
		play->unsent++;
	} else {
		play->packets++;
		play->octets += d->len;
	}
	return 0;
}

static int
run(struct play *play, struct gw_err *err)
{
	struct play_datagram d;
	int rc;

	play->start_ns = now_ns();
	while ((rc = play->source->next(play->source, &d, err)) == 1) {
		bool end = play->end_ns && d.due_ns >= play->end_ns;

		if (stopped_before(play, end ? play->end_ns : d.due_ns) || end)
			return 0;
		note_lateness(play, d.due_ns);
		if (send_one(play, &d, err) < 0)
			return -1;
	}
	return rc;
}

static int
open_sockets(struct play *play, struct gw_err *err)
{
	for (int i = 0; i < PLAY_STREAMS; i++) {
		const struct gw_addr *to = elementary(play) ? &play->es[i] : i == 0 ? &play->to : NULL;

		if (to && to->scheme && (play->fd[i] = gw_udp_sender(to, err)) < 0)
			return -1;
	}
	return 0;
}

static void
summary(const struct play *play, const char *file)
{
	const struct gw_addr *first = play->to.scheme ? &play->to : play->es[PLAY_H264].scheme ? &play->es[PLAY_H264] : &play->es[PLAY_AAC];
	char to[GW_ADDR_TEXT];

	gw_log(GW_NOTICE, "play_end", NULL, "file=%s to=%s packets=%llu bytes=%llu unsent=%llu seconds=%.3f latest_us=%lld", file,
	    gw_addr_text(first, to, sizeof(to)), (unsigned long long)play->packets, (unsigned long long)play->octets,
	    (unsigned long long)play->unsent, (double)(now_ns() - play->start_ns) / (double)NS,
	    (long long)(play->late_max_ns / 1000));
}

int
main(int argc, char **argv)
{
	struct play play = { .fd = { -1, -1 }, .payload_type = { [PLAY_H264] = 96, [PLAY_AAC] = 97 } };
	struct gw_args args;
	struct gw_err err = { 0 };
	int status = gw_args(&program, &args, &play, argc, argv);

	if (status >= 0)
		return status;
	gw_log_init("play", args.log_level);
	if (!play.to.scheme == !elementary(&play)) {
		gw_fail(&err, GW_EUSAGE, play.to.scheme ? "either --to, or --h264 and --aac" : "--to is missing: where shall it go?");
		return gw_die(&err);
	}
	sigemptyset(&play.stop);
	sigaddset(&play.stop, SIGTERM);
	sigaddset(&play.stop, SIGINT);
	sigprocmask(SIG_BLOCK, &play.stop, NULL);
	if (open_source(&play, args.rest[0], &err) < 0 || open_sockets(&play, &err) < 0) {
		status = gw_die(&err);
	} else {
		status = run(&play, &err) < 0 ? gw_die(&err) : 0;
		summary(&play, args.rest[0]);
	}
	for (int i = 0; i < PLAY_STREAMS; i++)
		if (play.fd[i] >= 0)
			close(play.fd[i]);
	if (play.source)
		play.source->free(play.source);
	if (play.bytes) {
		union { const uint8_t *in; void *out; } p = { play.bytes };
		munmap(p.out, play.len);
	}
	return status;
}
