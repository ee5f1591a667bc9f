/* tools/simulgate.c: the front command: `simulgate CMD …` is a built-in command, or runs simulgate-CMD */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config.h"
#include "tools/tools.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);	/* NULL: a program of its own, listed when it is installed */
	const char *help;
} commands[] = {
	{ "run", tool_run, "start and watch all processes of one machine" },
	{ "check-config", tool_check_config, "find every error of a configuration, start nothing" },
	{ "status", tool_status, "the state of all local processes" },
	{ "service", tool_service, "puts a service in clear, or scrambles it again" },
	{ "sdp", tool_sdp, "the session description of a service" },
	{ "explain", tool_explain, "an error code in words" },
	{ "play", NULL, "send a transport stream or a capture at its own pace" },
	{ "decode", NULL, "SimulCrypt captures and live traffic as text" },
	{ "replay", NULL, "one side of a captured session, against a live peer" },
	{ "diff", NULL, "two captures, compared by meaning" },
	{ "scrub", NULL, "a capture that can be shared: keys, ids and addresses replaced" },
	{ "lint", NULL, "what a captured peer does against the standard" },
	{ "load", NULL, "many SimulCrypt channels or terminals at once, and how soon they are answered" },
	{ "plugin-test", NULL, "the conformance of a KMS plugin" },
	{ "scs", NULL, "the synchroniser: crypto-periods, control words, ECMs" },
	{ "ecmg", NULL, "the ECM generator that hosts a KMS plugin" },
	{ "emmg", NULL, "the EMM generator" },
	{ "mux", NULL, "repeats ECMs and EMMs on their addresses" },
	{ "scrambler", NULL, "scrambles the media" },
	{ "terminal", NULL, "a lab receiver" },
	{ "bsm", NULL, "the subscriber's side of a KMS" },
	{ "kms", NULL, "the store of a Smartcard KMS: made, backed up, its keys rolled" },
	{ "subscribe", NULL, "subscribers, and what they have bought" },
	{ "sp4", NULL, "documents of SP-4 and CP-3, checked and shown" },
	{ "seak", NULL, "the SEAKs that several BSMs share" },
	{ "bridge", NULL, "SP-4 and CP-3 over HTTPS" },
};
enum { NCOMMANDS = sizeof(commands) / sizeof(commands[0]) };

static int
help(void)
{
	char path[TOOL_PATH];

	printf("usage: simulgate COMMAND [ARGUMENT …]\nA SimulCrypt key head-end for IP broadcast.\n\n");
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (commands[i].run || tool_find(commands[i].name, path, NULL) == 0)
			printf("  %-13s %s\n", commands[i].name, commands[i].help);
	printf("\nsimulgate COMMAND --help says more of each.\n");
	return 0;
}

static bool
plain(const char *name)
{
	return *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

int
main(int argc, char **argv)
{
	char path[TOOL_PATH];

	if (argc < 2) {
		fprintf(stderr, "simulgate: which command? see --help\n");
		return gw_exit_status(GW_EUSAGE);
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
		return help();
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("simulgate %s\n", PACKAGE_VERSION);
		return 0;
	}
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (commands[i].run && strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	if (!plain(argv[1]) || tool_find(argv[1], path, NULL) < 0) {
		fprintf(stderr, "simulgate: there is no command %s; see --help\n", argv[1]);
		return gw_exit_status(GW_EUSAGE);
	}
	argv[1] = path;
	execv(path, argv + 1);
	fprintf(stderr, "simulgate: %s: %s\n", path, strerror(errno));
	return gw_exit_status(GW_ESYS);
}
