/*
 * tests/bench/bench_switch.c: kill -9 of the preferred ECMG while a thousand streams have one request outstanding each: how long
 * after the end of its connection the warm standby has answered all of them, and how many crypto-periods had to be extended. Real
 * processes: one simulgate-scs with a thousand services whose crypto-periods begin together, two simulgate-ecmg with the lab plugin.
 * A stopped ECMG holds the requests; then it is killed. The time is the SCS's own, from its status.
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "lib/ops.h"

enum { SERVICES = 1000, PATIENCE_S = 90 };
static char dir[] = "/tmp/bench_switch.XXXXXX";

static void
die(const char *what)
{
	fprintf(stderr, "bench_switch: %s\n", what);
	exit(1);
}

/* Beside the other programs, or below the root of the build in its room. */
static const char *
program(const char *name, char *path, size_t cap)
{
	const char *root = getenv("SIMULGATE_LIBEXEC");

	snprintf(path, cap, "%s/%s/simulgate-%s", root ? root : ".", name, name);
	if (access(path, X_OK) != 0)
		snprintf(path, cap, "%s/simulgate-%s", root ? root : ".", name);
	return path;
}

static pid_t
start(const char *const argv[])
{
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || !freopen(getenv("LOG") ? getenv("LOG") : "/dev/null", "a", stderr))
		_exit(1);
	execv(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

static unsigned
free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		die("no port");
	close(fd);
	return ntohs(a.sin_port);
}

static void
write_conf(const char *path, const unsigned port[2])
{
	FILE *f = fopen(path, "w");

	if (!f)
		die("the configuration cannot be written");
	/* asked four seconds before they are needed: time enough to see them all outstanding */
	fprintf(f, "state: %s/state\nplayout: unix://%s/run\nkms:\n  k: { super_cas_id: 0x4ae60001, ecmg: [tcp://127.0.0.1:%u, tcp://127.0.0.1:%u], "
	    "override: { max_comp_time: { replace: 4000 } } }\nservices:\n", dir, dir, port[0], port[1]);
	for (int i = 0; i < SERVICES; i++)
		fprintf(f, "  - { id: s%d, scrambling: none, crypto_period: 10s, align: true, stkm: [{ kms: k, ecm_id: %d }] }\n", i, i);
	fclose(f);
}

static json_t *
status(const struct gw_addr *door)
{
	struct gw_err err;
	char *body = NULL;
	json_t *j = gw_ops_get(door, "/status", 5000, &body, &err) == 0 ? json_loads(body, 0, NULL) : NULL;

	free(body);
	return j;
}

static const json_t *
kms(const json_t *s)
{
	return json_array_get(json_object_get(s, "kms"), 0);
}

static long long
number(const json_t *j, const char *key)
{
	return (long long)json_integer_value(json_object_get(j, key));
}

/* What is waited for, seen in the status; the value where there is one. */
static bool
both_well(const json_t *s, long long *v)
{
	const json_t *e = json_object_get(kms(s), "ecmg"), *services = json_object_get(s, "services");
	size_t i;
	json_t *one;

	(void)v;
	json_array_foreach(services, i, one)
		if (number(one, "cp") < 0)
			return false;
	return json_array_size(e) == 2 && number(json_array_get(e, 0), "streams_up") == SERVICES &&
	    number(json_array_get(e, 1), "streams_up") == SERVICES;
}

static bool
settled(const json_t *s, long long *v)
{
	(void)v;
	return number(kms(s), "CW_provision") == number(kms(s), "ECM_response");
}

static bool
outstanding(const json_t *s, long long *v)
{
	(void)v;
	return number(kms(s), "CW_provision") - number(kms(s), "ECM_response") == SERVICES;
}

static bool
taken_over(const json_t *s, long long *us)
{
	const json_t *t = json_object_get(kms(s), "takeover");

	*us = number(t, "us");
	return number(t, "answered") == SERVICES;
}

/* The running crypto-period of all is a later one than that in which the ECMG died. */
static long long died;

static bool
gone_on(const json_t *s, long long *extensions)
{
	const json_t *services = json_object_get(s, "services");
	size_t i;
	json_t *one;

	*extensions = 0;
	json_array_foreach(services, i, one) {
		if (number(one, "cp") <= died)
			return false;
		*extensions += number(one, "extensions");
	}
	return json_array_size(services) == SERVICES;
}

static long long
await(const struct gw_addr *door, const char *what, bool (*seen)(const json_t *, long long *))
{
	struct timespec nap = { .tv_nsec = 20000000 };
	time_t until = time(NULL) + PATIENCE_S;
	long long v = 0;
	bool ok = false;

	while (!ok) {
		json_t *s = status(door);
		ok = s && seen(s, &v);
		if (ok)
			died = number(json_array_get(json_object_get(s, "services"), 0), "cp");
		json_decref(s);
		if (!ok && time(NULL) > until)
			die(what);
		if (!ok)
			nanosleep(&nap, NULL);
	}
	return v;
}

static pid_t
ecmg(unsigned port)
{
	char path[512], listen[64];
	const char *argv[] = { program("ecmg", path, sizeof(path)), "--listen", listen, "--plugin", "lab", "--super-cas-id",
		"0x4ae60001", "--log-level", "err", NULL };

	snprintf(listen, sizeof(listen), "tcp://127.0.0.1:%u", port);
	return start(argv);
}

int
main(void)
{
	unsigned port[2];
	char conf[64], path[512], sock[80], at[80], command[64];
	struct gw_addr door;
	struct gw_err err;
	pid_t primary, spare, scs;
	long long us, extended;

	if (!mkdtemp(dir))
		die("no directory");
	snprintf(conf, sizeof(conf), "%s/headend.yaml", dir);
	snprintf(sock, sizeof(sock), "unix://%s/scs.sock", dir);
	snprintf(at, sizeof(at), "%s", sock);
	port[0] = free_port();
	port[1] = free_port();
	write_conf(conf, port);
	if (gw_addr_parse(at, GW_UNIX, &door, &err) < 0)
		die("no address");
	primary = ecmg(port[0]);
	spare = ecmg(port[1]);
	scs = start((const char *[]){ program("scs", path, sizeof(path)), "--config", conf, "--status", sock, "--log-level", "err", NULL });

	await(&door, "the services do not come up", both_well);
	await(&door, "an answer is missing", settled);
	kill(primary, SIGSTOP);
	await(&door, "the requests do not come", outstanding);
	kill(primary, SIGKILL);
	nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);	/* writing the status of so many services takes as long as what is measured */
	us = await(&door, "not every request was answered", taken_over);
	extended = await(&door, "crypto-periods do not go on", gone_on);
	printf("switch_over_1000 %.1f ms\nswitch_over_extended %lld crypto-periods\n", (double)us / 1000, extended);
	kill(scs, SIGTERM);
	kill(spare, SIGTERM);
	while (wait(NULL) > 0)
		;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) == 0 ? 0 : 1;
}
