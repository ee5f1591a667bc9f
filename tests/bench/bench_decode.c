/*
 * tests/bench/bench_decode.c: frames a second through simulgate-decode, beside tshark on the same capture (both are processes of their own, whose CPU time
 * counts), and beside what reading it with libpcap and reassembly take by themselves (in this process, in turns). The capture is one of other
 * people's equipment, repeated with other addresses: its connections begin and end as they did.
 */
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/bench/ceiling.h"
#include "tools/dec_net.h"
#include "tools/dec_out.h"

enum { REPEATS = 400, ROUNDS = 5, FRAMES = 1024, FRAME = 2048 };

static struct { struct pcap_pkthdr head; uint8_t p[FRAME]; } frame[FRAMES];
static size_t nframes;
static double total;		/* frames of the large capture */
static char large[512];

static void
die(const char *what)
{
	fprintf(stderr, "bench_decode: %s\n", what);
	if (*large)
		unlink(large);
	exit(1);
}

static void
load(const char *name)
{
	const char *root = getenv("top_srcdir");
	char path[1024], why[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *h;
	const u_char *p;
	pcap_t *pcap;

	snprintf(path, sizeof(path), "%s/tests/data/captures/third-party-%s.pcap", root ? root : ".", name);
	if (!(pcap = pcap_open_offline(path, why)))
		die(why);
	while (nframes < FRAMES && pcap_next_ex(pcap, &h, &p) == 1) {
		if (h->caplen > FRAME)
			die("a frame is longer than was thought");
		frame[nframes].head = *h;
		memcpy(frame[nframes++].p, p, h->caplen);
	}
	pcap_close(pcap);
}

/* Every repetition has addresses of its own and is a minute later. */
static void
repeat(void)
{
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, 65535);
	pcap_dumper_t *out;

	snprintf(large, sizeof(large), "%s/bench_decode.%ld.pcap", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (long)getpid());
	if (!(out = pcap_dump_open(dead, large)))
		die("cannot write the large capture");
	for (unsigned r = 0; r < REPEATS; r++)
		for (size_t i = 0; i < nframes; i++) {
			struct pcap_pkthdr h = frame[i].head;
			uint8_t p[FRAME];

			memcpy(p, frame[i].p, h.caplen);
			p[26] = p[30] = 10;
			p[27] = p[31] = (uint8_t)(r >> 8);
			p[28] = p[32] = (uint8_t)r;
			h.ts.tv_sec += (time_t)r * 60;
			pcap_dump((u_char *)out, &h, p);
		}
	pcap_dump_close(out);
	pcap_close(dead);
	total = (double)nframes * REPEATS;
}

/* ---- in this process ---- */

static uint64_t octets, messages;

static void taken(void *self, struct dec_conn *c, int side, const uint8_t *p, size_t len) { (void)self; (void)c; (void)side; (void)p; octets += len; }
static void gap(void *self, struct dec_conn *c, int side, uint32_t lost) { (void)self; (void)c; (void)side; (void)lost; }
static void ended(void *self, struct dec_conn *c) { (void)self; (void)c; }
static void nowhere(void *self, const char *p, size_t len) { (void)self; (void)p; octets += len; }

enum depth { READ, REASSEMBLE, SUMMARY, LINES, DEPTHS };

static double
pass(enum depth depth)
{
	struct dec_out_conf conf = { .mode = depth == LINES ? DEC_LINES : DEC_SUMMARY, .filter = { .channel = -1, .stream = -1 }, .write = nowhere };
	struct dec_msg_conf any = { 0 };
	struct dec_out *o = dec_out_new(&conf);
	struct dec_msg_user sink = dec_out_sink(o);
	struct dec_msg *d = dec_msg_new(&any, &sink);
	struct dec_tcp_user user = depth == REASSEMBLE ? (struct dec_tcp_user){ .data = taken, .gap = gap, .end = ended } : dec_msg_sink(d);
	struct dec_tcp *t = dec_tcp_new(&user);
	struct dec_net *net = dec_net_new();
	char why[PCAP_ERRBUF_SIZE];
	double start = bench_cpu_ns();
	pcap_t *pcap = pcap_open_offline_with_tstamp_precision(large, PCAP_TSTAMP_PRECISION_NANO, why);
	struct pcap_pkthdr *h;
	const u_char *p;
	uint64_t n = 0;

	if (!pcap)
		die(why);
	while (pcap_next_ex(pcap, &h, &p) == 1) {
		int64_t at = (int64_t)h->ts.tv_sec * 1000000000 + h->ts.tv_usec;
		struct dec_segment s;
		enum dec_frame kind;

		n++;
		if (depth == READ)
			continue;
		kind = dec_net_read(net, DLT_EN10MB, p, h->caplen, h->len, &s);
		if (n == 1)
			dec_out_begin(o, at);
		dec_msg_now(d, n, at);
		if (kind == DEC_TCP)
			dec_tcp_segment(t, &s, at);
		else if (kind == DEC_UDP)
			dec_tcp_datagram(t, &s, at);
	}
	dec_tcp_flush(t);
	dec_out_flush(o);
	pcap_close(pcap);
	start = bench_cpu_ns() - start;
	messages = dec_out_messages(o);
	dec_tcp_free(t);
	dec_msg_free(d);
	dec_out_free(o);
	dec_net_free(net);
	if (n != (uint64_t)total)
		die("frames got lost");
	return start / 1e9;
}

/* ---- processes ---- */

/* Seconds of CPU; 0: it cannot be run. */
static double
run(char *const argv[])
{
	struct rusage used;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &used) < 0)
		return 0;
	if (status != 0)
		fprintf(stderr, "bench_decode: %s ends with status 0x%x\n", argv[0], (unsigned)status);
	if (status != 0)
		return 0;
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static double
tshark(void)
{
	static char name[] = "tshark", read[] = "-r", decode_as[] = "-d", as[32][40];
	char *argv[64] = { name, read, large };
	static const int ports[] = { 22220, 22221, 22223, 22224, 22225, 33331, 33332, 33333, 33335 };
	int n = 3;

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		snprintf(as[2 * i], sizeof(as[0]), "tcp.port==%d,simulcrypt", ports[i]);
		snprintf(as[2 * i + 1], sizeof(as[0]), "udp.port==%d,simulcrypt", ports[i]);
		for (size_t k = 0; k < 2; k++) {
			argv[n++] = decode_as;
			argv[n++] = as[2 * i + k];
		}
	}
	argv[n] = NULL;
	return run(argv);
}

static double
ours(const char *how)
{
	const char *root = getenv("SIMULGATE_LIBEXEC");
	char path[1024];
	char option[16];
	char *argv[] = { path, large, how ? option : NULL, NULL };

	snprintf(option, sizeof(option), "%s", how ? how : "");
	snprintf(path, sizeof(path), "%s/tools/simulgate-decode", root ? root : ".");
	if (access(path, X_OK) != 0)
		snprintf(path, sizeof(path), "%s/simulgate-decode", root ? root : ".");
	return run(argv);
}

int
main(int argc, char **argv)
{
	static const char *const names[DEPTHS] = { "decode_read", "decode_reassembly", "decode_summary", "decode_lines" };
	double t[DEPTHS][ROUNDS], ratio[DEPTHS][ROUNDS], theirs, lines, summary;

	if (argc != 1 && !(argc == 3 && strcmp(argv[1], "--seconds") == 0))
		die("usage: bench_decode [--seconds N]; it takes as long as tshark does");
	bench_pin();
	load("ecmg-scs");
	load("emmg-mux-tcp");
	load("emmg-mux-udp");
	repeat();
	theirs = tshark();
	lines = ours(NULL);
	summary = ours("--summary");
	if (lines == 0 || summary == 0)
		die("simulgate-decode cannot be run: SIMULGATE_LIBEXEC says where it is");
	if (theirs > 0) {
		printf("decode_tshark %.0f frames/s\n", total / theirs);
		printf("decode_program %.0f frames/s %.2f of decode_tshark\n", total / lines, theirs / lines);
		printf("decode_program_summary %.0f frames/s %.2f of decode_tshark\n", total / summary, theirs / summary);
	} else {
		printf("# tshark is not here\n");
	}
	for (int r = -1; r < ROUNDS; r++)
		for (int k = 0; k < DEPTHS; k++) {
			double s = pass((enum depth)k);

			if (r < 0)
				continue;
			t[k][r] = s;
			ratio[k][r] = t[k >= SUMMARY ? REASSEMBLE : READ][r] / s;
		}
	for (int k = 0; k < DEPTHS; k++) {
		printf("%s %.0f frames/s", names[k], total / bench_median(t[k], ROUNDS));
		if (k)
			printf(" %.3f of %s", bench_median(ratio[k], ROUNDS), names[k >= SUMMARY ? REASSEMBLE : READ]);
		printf("\n");
	}
	printf("# %.0f frames, %llu messages\n", total, (unsigned long long)messages);
	unlink(large);
	return octets == 0;
}
