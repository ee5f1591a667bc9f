/* tools/check.c: simulgate check-config: finds every error, starts nothing */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/args.h"
#include "tools/tools.h"

static int
take_probe(void *self, const char *value, struct gw_err *err)
{
	(void)value;
	(void)err;
	*(bool *)self = true;
	return 0;
}

static const struct gw_option options[] = {
	{ "probe", NULL, "ask the ECMGs, the mux by TCP and UDP, and the BSMs whether they are there; 69 if one is not", take_probe },
};
static const struct gw_program program = {
	"simulgate check-config", "FILE [--probe]", "Finds every error of a head-end's configuration, starts nothing.", options, 1, 0, 1,
};

static void
say(void *self, const char *line)
{
	(void)self;
	fprintf(stderr, "%s\n", line);
}

struct headend *
tool_load(const char *path, int *status)
{
	struct gw_err err = { 0 };
	struct headend *h = headend_load_all(path, say, NULL, &err);

	if (!h)
		*status = gw_exit_status(err.code);
	return h;
}

/* Runs it with stdout thrown away: the configuration as each program understands it is not wanted here. */
static int
spawn_quietly(char *const argv[])
{
	int null, st;
	pid_t pid = fork();

	if (pid < 0) {
		fprintf(stderr, "fork: %s\n", strerror(errno));
		return gw_exit_status(GW_ESYS);
	}
	if (pid == 0) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null >= 0 && dup2(null, STDOUT_FILENO) >= 0 && dup2(null, STDIN_FILENO) >= 0)
			execv(argv[0], argv);
		fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
		_exit(gw_exit_status(GW_ESYS));
	}
	while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(st))
		return WEXITSTATUS(st);
	fprintf(stderr, "%s was ended by signal %d\n", argv[0], WTERMSIG(st));
	return gw_exit_status(GW_ESYS);
}

/* One program with --check-config, and --which NAME if there are several. One that is not installed says nothing of its part. */
static int
check_program(const char *program_name, const char *path, const char *which, const char *name)
{
	char found[TOOL_PATH], file[TOOL_PATH], option[32], value[80];
	char config[] = "--config", check[] = "--check-config";
	char *argv[] = { found, config, file, check, name ? option : NULL, value, NULL };

	snprintf(file, sizeof(file), "%s", path);
	snprintf(option, sizeof(option), "--%s", which ? which : "");
	snprintf(value, sizeof(value), "%s", name ? name : "");
	if (tool_find(program_name, found, NULL) < 0) {
		fprintf(stderr, "%s: simulgate-%s is not installed: its part was not looked at\n", path, program_name);
		return 0;
	}
	return spawn_quietly(argv);
}

static void
worst(int *status, int one)
{
	if (one > *status)
		*status = one;
}

/* Without streams there is nothing for an SCS: services are there for a bridge. */
bool
tool_has_streams(const struct headend *h)
{
	for (size_t i = 0; i < h->nservices; i++)
		for (size_t k = 0; k < h->services[i].nunits; k++)
			if (h->services[i].units[k].nstkm)
				return true;
	return false;
}

int
tool_check_programs(const struct headend *h, const char *path)
{
	int status = 0;

	for (size_t i = 0; i < h->nbsm; i++)
		worst(&status, check_program("bsm", path, "bsm", h->bsm[i].name));
	for (size_t i = 0; i < h->nkms; i++)
		if (h->kms[i].plugin)
			worst(&status, check_program("ecmg", path, "kms", h->kms[i].name));
	for (size_t i = 0; i < h->nbridge; i++)
		worst(&status, check_program("bridge", path, "bridge", h->bridge[i].name));
	if (tool_has_streams(h)) {
		worst(&status, check_program("scs", path, NULL, NULL));
		worst(&status, check_program("mux", path, NULL, NULL));
		worst(&status, check_program("scrambler", path, NULL, NULL));
	}
	for (size_t i = 0; i < h->nkms; i++)
		for (size_t j = 0; j < h->nltkm; j++)
			if (h->ltkm[j].kms == &h->kms[i] && he_ltkm_ours(&h->ltkm[j])) {
				worst(&status, check_program("emmg", path, "kms", h->kms[i].name));
				break;
			}
	for (size_t i = 0; i < h->nterminals; i++)
		worst(&status, check_program("terminal", path, "terminal", h->terminals[i].name));
	return status;
}

int
tool_check_config(int argc, char **argv)
{
	bool probing = false;
	struct gw_args args;
	struct headend *h;
	const char *path;
	size_t streams = 0;
	int status = gw_args(&program, &args, &probing, argc, argv);

	if (status >= 0)
		return status;
	path = args.nrest ? args.rest[0] : args.config;
	if (!path || (args.nrest && args.config)) {
		fprintf(stderr, "simulgate check-config: which file? see --help\n");
		return gw_exit_status(GW_EUSAGE);
	}
	if (!(h = tool_load(path, &status)))
		return status;
	status = tool_check_programs(h, path);
	for (size_t i = 0; i < h->nservices; i++)
		for (size_t j = 0; j < h->services[i].nunits; j++)
			streams += h->services[i].units[j].nstkm;
	if (status == 0)
		printf("%s: valid; head-end %s, KMSs: %zu, services: %zu, ECM streams: %zu, terminals: %zu\n", path, h->head_end, h->nkms,
		    h->nservices, streams, h->nterminals);
	fflush(stdout);
	if (status == 0 && probing)
		status = tool_probe(h);
	headend_free(h);
	return status;
}
