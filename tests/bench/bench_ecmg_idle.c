/*
 * tests/bench/bench_ecmg_idle.c: what a channel and a stream that nobody uses cost simulgate-ecmg, and whether it holds 15,000
 * connections at once. Memory is the process's resident set, as it grows; the ceilings are what a channel and a stream may take.
 * Every channel answers channel_test at the end, when all are open.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "proto/ecmg_scs.h"

enum { CONNECTIONS = 15000, FIRST = 500, BUSY = 1000, STREAMS = 10, CHANNEL_MAY = 8192, STREAM_MAY = 1024, PATIENCE_S = 20 };

static pid_t server;
static int port;
static int fds[CONNECTIONS];

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* Ends with us; what it says goes to the log. */
static void
become_server(void)
{
	const char *ecmg = getenv("ECMG"), *log = getenv("LOG");
	char listen[64];
	int fd = log ? open(log, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0 || !ecmg)
		die("bench_ecmg_idle: ECMG and LOG in the environment, as tests/bench/run.sh sets them");
	dup2(fd, 1);
	dup2(fd, 2);
	snprintf(listen, sizeof(listen), "tcp://127.0.0.1:%d", port);
	execl(ecmg, ecmg, "--listen", listen, "--plugin", "lab", "--silence", "0", "--log-level", "err", (char *)NULL);
	die(ecmg);
}

static struct sockaddr_in
here(int p)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)p), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int
free_port(void)
{
	struct sockaddr_in a = here(0);
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		die("a free port");
	close(fd);
	return ntohs(a.sin_port);
}

/* A blocking connection; -1: nobody listens. */
static int
dial(void)
{
	struct sockaddr_in a = here(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	struct timeval limit = { .tv_sec = PATIENCE_S };

	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
start_server(void)
{
	int fd = -1;

	port = free_port();
	server = fork();
	if (server == 0)
		become_server();
	for (int i = 0; i < 2000 && (fd = dial()) < 0; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	if (server < 0 || fd < 0)
		die("simulgate-ecmg");
	close(fd);
}

/* One question and its answer, which has to be of this type. */
static void
ask(int fd, struct sim_writer *w, uint16_t want)
{
	static struct sim_msg m;
	uint8_t in[512];
	size_t have = 0, len = SIM_HEADER, n = sim_end(w, NULL);
	ssize_t got;

	if (n == 0 || send(fd, w->buf, n, MSG_NOSIGNAL) != (ssize_t)n)
		die("send");
	for (; have < len; have += (size_t)got) {
		got = recv(fd, in + have, len - have, 0);
		if (got <= 0)
			die("recv");
		if (have + (size_t)got == SIM_HEADER && (len = sim_frame_length(in, SIM_HEADER)) > sizeof(in))
			die("a long answer");
	}
	if (sim_decode(&ecmg_scs, in, len, &m, NULL) < 0 || m.type != want) {
		char text[512];
		sim_print(&m, text, sizeof(text));
		die(text);
	}
}

static void
ask_channel(int fd, uint16_t message, unsigned channel)
{
	uint8_t buf[64];
	struct sim_writer w;

	sim_begin(&w, &ecmg_scs, 3, message, buf, sizeof(buf));
	sim_put_int(&w, ECMG_CHANNEL_ID, channel);
	if (message == ECMG_CHANNEL_SETUP)
		sim_put_int(&w, ECMG_SUPER_CAS_ID, 0x4AE60001);
	ask(fd, &w, ECMG_CHANNEL_STATUS);
}

static void
open_stream(int fd, unsigned channel, unsigned stream)
{
	uint8_t buf[64];
	struct sim_writer w;

	sim_begin(&w, &ecmg_scs, 3, ECMG_STREAM_SETUP, buf, sizeof(buf));
	sim_put_int(&w, ECMG_CHANNEL_ID, channel);
	sim_put_int(&w, ECMG_STREAM_ID, stream);
	sim_put_int(&w, ECMG_ECM_ID, channel * STREAMS + stream);
	sim_put_int(&w, ECMG_NOMINAL_CP_DURATION, 100);
	ask(fd, &w, ECMG_STREAM_STATUS);
}

static double
resident(void)
{
	char path[64];
	unsigned long pages = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/statm", (long)server);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%*u %lu", &pages) != 1)
		die(path);
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void
open_channels(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		fds[i] = dial();
		if (fds[i] < 0)
			die("connect");
		ask_channel(fds[i], ECMG_CHANNEL_SETUP, i);
	}
}

int
main(void)
{
	struct rlimit files;
	double before, channels, streams;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || (files.rlim_cur = files.rlim_max) < CONNECTIONS + 16 || setrlimit(RLIMIT_NOFILE, &files) < 0)
		die("bench_ecmg_idle: RLIMIT_NOFILE is too small for 15,000 connections");
	start_server();
	open_channels(0, FIRST);	/* what is grown once is grown */
	before = resident();
	open_channels(FIRST, CONNECTIONS);
	channels = (resident() - before) / (CONNECTIONS - FIRST);
	before = resident();
	for (unsigned i = 0; i < BUSY; i++)
		for (unsigned k = 0; k < STREAMS; k++)
			open_stream(fds[i], i, k);
	streams = (resident() - before) / (BUSY * STREAMS);
	for (unsigned i = 0; i < CONNECTIONS; i++)
		ask_channel(fds[i], ECMG_CHANNEL_TEST, i);
	printf("ecmg_connections %d open 1.00 of %d\n", CONNECTIONS, CONNECTIONS);
	printf("ecmg_channel_memory %.0f bytes %.2f of %d\n", channels, channels / CHANNEL_MAY, CHANNEL_MAY);
	printf("ecmg_stream_memory %.0f bytes %.2f of %d\n", streams, streams / STREAM_MAY, STREAM_MAY);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return 0;
}
