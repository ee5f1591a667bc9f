/*
 * tests/bench/bench_scs.c: what one simulgate-scs needs for 5,000 services of 2 KMSs each at a crypto-period of 10 s, their starts
 * spread: its share of a core, its memory a service, and how long after the planned CW_provision a committed record's last ECM is at the
 * mux. The ECMGs are two simulgate-ecmg with the lab plugin; the mux is this program, which acknowledges and does nothing else.
 *
 * scs_commit_p99 is from the planned send time of CW_provision to the arrival of the record: it has the ECMG's answer, the store's
 * fsync and the way to the mux in it, so that it is more than the SCS's own delay, never less. disk_fsync_p99 says how much of it the
 * disk has; TMPDIR=/dev/shm takes it out.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
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

enum { SERVICES = 5000, FEW = 10, KMSS = 2, PERIOD_S = 10, UP_S = 150, SAMPLES = 1 << 20, ROOM = 1 << 20 };
/* As the file below has it and scs/schedule.c computes with: delay_start, its guard, max_comp_time and its margin. */
enum { AHEAD_US = 300000 + 100000 + 300000 + 500000 };

static char dir[64], conf[96];
static pid_t children[KMSS + 1];
static int64_t delays[SAMPLES];
static size_t ndelays;
static bool rotates[SERVICES];
static int rotating;
static uint8_t in[ROOM], out[ROOM];
static size_t have, nout;

static void
clean_up(void)
{
	char cmd[96];

	for (size_t i = 0; i < KMSS + 1; i++)
		if (children[i] > 0)
			kill(children[i], SIGKILL), waitpid(children[i], NULL, 0), children[i] = 0;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (system(cmd) != 0)
		fprintf(stderr, "bench_scs: %s stays\n", dir);
}

static void
die(const char *what)
{
	fprintf(stderr, "bench_scs: %s\n", what);
	clean_up();
	exit(1);
}

static int64_t
now_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static void
write_conf(int services)
{
	char next[sizeof(conf) + 4];
	FILE *f;

	snprintf(next, sizeof(next), "%s.new", conf);
	if (!(f = fopen(next, "w")))
		die("cannot write the configuration");
	fprintf(f, "state: state\nplayout: unix://%s/run\nkms:\n", dir);
	for (int k = 0; k < KMSS; k++)
		fprintf(f, "  k%d: { super_cas_id: 0x4ae6000%d, ecmg: unix://%s/k%d.sock, plugin: lab, set: { section_TSpkt_flag: 1 }, "
		    "delay_start: -300, delay_stop: -300, max_comp_time: 300 }\n", k, k + 1, dir, k);
	fprintf(f, "services:\n");
	for (int i = 0; i < services; i++) {
		fprintf(f, "  - id: s%d\n    scrambling: none\n    crypto_period: %ds\n    stkm:\n", i, PERIOD_S);
		for (int k = 0; k < KMSS; k++)
			fprintf(f, "      - { kms: k%d, ecm_id: %d, out: \"udp://239.%d.%d.%d:5000\" }\n", k, i + 1, 10 + k, i / 250, i % 250 + 1);
	}
	if (fclose(f) != 0 || rename(next, conf) < 0)	/* an ECMG that is still starting reads the one or the other */
		die("cannot write the configuration");
}

static pid_t
spawn(const char *program, const char *kms)
{
	const char *root = getenv("SIMULGATE_LIBEXEC"), *log = getenv("LOG");
	char path[4096];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s/simulgate-%s", root ? root : ".", program, program);
	if (access(path, X_OK) < 0)
		snprintf(path, sizeof(path), "%s/simulgate-%s", root ? root : ".", program);
	if ((pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!freopen(log ? log : "/dev/null", "a", stderr))
			_exit(126);
		if (kms)
			execl(path, path, "--config", conf, "--kms", kms, "--log-level", "warning", (char *)NULL);
		execl(path, path, "--config", conf, "--log-level", "warning", (char *)NULL);
		_exit(127);
	}
	return pid;
}

static long
rss_kib(pid_t pid)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (!(f = fopen(path, "r")))
		die("the SCS has gone; look at its log");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	fclose(f);
	return kib;
}

static double
cpu_s(pid_t pid)
{
	unsigned long user = 0, sys = 0;
	char path[64], text[1024], *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f || !fgets(text, sizeof(text), f) || !(p = strrchr(text, ')')) ||
	    sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2)
		die("no CPU time of the SCS");
	fclose(f);
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

/* ---- the mux ---- */

static void
put(struct sim_writer *w)
{
	nout += sim_end(w, NULL);
	if (nout > ROOM - 4096)
		die("the SCS does not read");
}

static void
begin(struct sim_writer *w, uint16_t message)
{
	sim_begin(w, &playout, PLAYOUT_VERSION, message, out + nout, sizeof(out) - nout);
}

static int
follow(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int64_t until = now_us(CLOCK_MONOTONIC) + UP_S * INT64_C(1000000);
	struct sim_writer w;
	int fd;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/run/scs.sock", dir);
	while ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		if (now_us(CLOCK_MONOTONIC) > until || waitpid(children[KMSS], NULL, WNOHANG) != 0)
			die("the SCS does not come up; look at its log");
		usleep(20000);
	}
	have = nout = 0;
	begin(&w, PLAYOUT_FOLLOWER_SETUP);
	sim_put_int(&w, PLAYOUT_FOLLOWER_ROLE, PLAYOUT_MUX);
	sim_put_text(&w, PLAYOUT_FOLLOWER_NAME, "bench");
	put(&w);
	return fd;
}

/* The last record of a CP is what makes it whole at the mux; each one counts, which is no better. */
static void
take(const uint8_t *p, size_t len, bool counts)
{
	static struct sim_msg m;
	const struct sim_value *service;
	struct sim_writer w;

	if (sim_decode(&playout, p, len, &m, NULL) < 0)
		die("a message that does not decode");
	if (m.def->type == PLAYOUT_LINK_TEST) {
		begin(&w, PLAYOUT_LINK_STATUS);
		put(&w);
	}
	if (m.def->type != PLAYOUT_ECM_RECORD)
		return;
	/* the first crypto-periods begin at once, all of them: they have no planned time */
	service = sim_value(&m, PLAYOUT_SERVICE, 0);
	int i = atoi((const char *)service->p + 1);	/* "s17": what follows it is no digit but a header */
	if (i < SERVICES && sim_int(&m, PLAYOUT_CP, 0) == 2 && !rotates[i])
		rotates[i] = true, rotating++;
	if (counts && ndelays < SAMPLES && sim_int(&m, PLAYOUT_CP, 0) > 1 && sim_int(&m, PLAYOUT_HOLD, 0))	/* it comes again when it is let go */
		delays[ndelays++] = now_us(CLOCK_REALTIME) - (sim_int(&m, PLAYOUT_START, 0) - AHEAD_US);
	begin(&w, PLAYOUT_ECM_ACK);
	sim_put_bytes(&w, PLAYOUT_SERVICE, service->p, service->len);
	sim_put_int(&w, PLAYOUT_CP, sim_int(&m, PLAYOUT_CP, 0));
	sim_put_int(&w, PLAYOUT_SUPER_CAS_ID, sim_int(&m, PLAYOUT_SUPER_CAS_ID, 0));
	sim_put_int(&w, PLAYOUT_ECM_ID, sim_int(&m, PLAYOUT_ECM_ID, 0));
	put(&w);
}

static void
run_for(int fd, int seconds, bool counts)
{
	int64_t until = now_us(CLOCK_MONOTONIC) + seconds * INT64_C(1000000), left;

	while ((left = until - now_us(CLOCK_MONOTONIC)) > 0) {
		struct pollfd p = { .fd = fd, .events = (short)(POLLIN | (nout ? POLLOUT : 0)) };
		ssize_t n = poll(&p, 1, (int)(left / 1000) + 1);
		if (n > 0 && p.revents & POLLOUT) {
			if ((n = send(fd, out, nout, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 && errno != EAGAIN)
				die("the SCS closed the playout link");
			if (n > 0)
				memmove(out, out + n, nout -= (size_t)n);
		}
		if (!(p.revents & (POLLIN | POLLHUP)))
			continue;
		if ((n = recv(fd, in + have, sizeof(in) - have, MSG_DONTWAIT)) <= 0 && errno != EAGAIN)
			die("the SCS closed the playout link");
		have += n > 0 ? (size_t)n : 0;
		size_t at = 0, len;
		while ((len = sim_frame_length(in + at, have - at)) != 0 && len <= have - at) {
			take(in + at, len, counts);
			at += len;
		}
		memmove(in, in + at, have -= at);
	}
}

/* ---- results ---- */

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* What the disk below the store takes for one fsync of a page while all that goes on, us: the commit waits for it. */
static int64_t
fsync_us(void)
{
	int64_t took[100], t;
	char path[96], page[4096] = { 0 };
	int fd;

	snprintf(path, sizeof(path), "%s/page", dir);
	if ((fd = open(path, O_WRONLY | O_CREAT, 0600)) < 0)
		die("cannot write");
	for (size_t i = 0; i < 100; i++) {
		t = now_us(CLOCK_MONOTONIC);
		if (write(fd, page, sizeof(page)) != sizeof(page) || fdatasync(fd) < 0)
			die("cannot write");
		took[i] = now_us(CLOCK_MONOTONIC) - t;
		usleep(10000);
	}
	close(fd);
	qsort(took, 100, sizeof(took[0]), by_value);
	return took[98];
}

static int
scs(int services)
{
	char state[96];

	snprintf(state, sizeof(state), "rm -rf %s/state", dir);
	if (system(state) != 0)
		die("the state of an earlier run stays");
	write_conf(services);
	children[KMSS] = spawn("scs", NULL);
	return follow();
}

/* What a process with next to no service has resident. */
static long
base_kib(void)
{
	int fd = scs(FEW);
	long kib;

	run_for(fd, 4, false);
	kib = rss_kib(children[KMSS]);
	close(fd);
	kill(children[KMSS], SIGTERM);
	waitpid(children[KMSS], NULL, 0);
	return kib;
}

int
main(int argc, char **argv)
{
	int seconds = argc == 3 && strcmp(argv[1], "--seconds") == 0 ? atoi(argv[2]) : 20, fd;
	double cpu, wall;
	long base;

	snprintf(dir, sizeof(dir), "%.40s/bench_scs.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(dir))
		die("no directory");
	snprintf(conf, sizeof(conf), "%s/headend.yaml", dir);
	write_conf(FEW);
	for (int k = 0; k < KMSS; k++) {
		char name[8];
		snprintf(name, sizeof(name), "k%d", k);
		children[k] = spawn("ecmg", name);
	}
	base = base_kib();
	fd = scs(SERVICES);
	for (int s = 0; s < UP_S && rotating < SERVICES; s++)
		run_for(fd, 1, false);
	cpu = cpu_s(children[KMSS]);
	wall = (double)now_us(CLOCK_MONOTONIC) / 1e6;
	run_for(fd, seconds, true);
	wall = (double)now_us(CLOCK_MONOTONIC) / 1e6 - wall;
	cpu = cpu_s(children[KMSS]) - cpu;
	/* fewer would be a schedule that does not keep up */
	if ((double)ndelays < 0.9 * SERVICES * KMSS * wall / PERIOD_S) {
		fprintf(stderr, "bench_scs: %zu records in %.1f s, %.1f %% of a core\n", ndelays, wall, 100 * cpu / wall);
		die("too few crypto-periods: the SCS does not keep up");
	}
	qsort(delays, ndelays, sizeof(delays[0]), by_value);
	printf("scs_cpu_5000_services %.1f %%\n", 100 * cpu / wall);
	printf("scs_memory %.1f KiB/service\n", (double)(rss_kib(children[KMSS]) - base) / (SERVICES - FEW));
	printf("scs_crypto_periods %.0f /s\n", (double)ndelays / KMSS / wall);
	printf("scs_commit_p50 %.2f ms\n", (double)delays[ndelays / 2] / 1000);
	printf("scs_commit_p99 %.2f ms\n", (double)delays[ndelays * 99 / 100] / 1000);
	printf("disk_fsync_p99 %.2f ms\n", (double)fsync_us() / 1000);
	clean_up();
	return 0;
}
