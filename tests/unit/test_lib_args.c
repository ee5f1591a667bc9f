/* tests/unit/test_lib_args.c */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/args.h"
#include "tests/suite.h"

struct app { char heard[256]; };

static int
take_id(void *self, const char *value, struct gw_err *err)
{
	struct app *a = self;

	if (strcmp(value, "bad") == 0)
		return gw_fail(err, GW_EUSAGE, "bad is no number");
	snprintf(a->heard + strlen(a->heard), sizeof(a->heard) - strlen(a->heard), "id=%s ", value);
	return 0;
}
static int
take_loop(void *self, const char *value, struct gw_err *err)
{
	(void)err;
	ck_assert_ptr_null(value);
	strcat(((struct app *)self)->heard, "loop ");
	return 0;
}
static const struct gw_option options[] = {
	{ "super-cas-id", "ID", "whose requests are served", take_id },
	{ "loop", NULL, "begin again at the end", take_loop },
};
static const struct gw_program program = {
	"simulgate-test", "[--loop] FILE…", "Tests the command line.", options, 2, 0, 2,
};

static struct app app;
static struct gw_args args;
static char out[4096], said[1024];

static void
slurp_fd(int fd, char *to, size_t cap)
{
	ssize_t n = pread(fd, to, cap - 1, 0);

	to[n < 0 ? 0 : n] = '\0';
	close(fd);
}

/* Words parted by blanks; what stands on stdout and stderr is in out and said. */
static int
run(const char *words)
{
	static char line[512];
	static char *argv[32];
	char o[] = "/tmp/gw-out-XXXXXX", e[] = "/tmp/gw-err-XXXXXX";
	int argc = 0, fo = mkstemp(o), fe = mkstemp(e), so = dup(1), se = dup(2), status;

	snprintf(line, sizeof(line), "prog %s", words);
	for (char *w = strtok(line, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	argv[argc] = NULL;
	app = (struct app){ .heard = "" };
	fflush(stdout);
	dup2(fo, 1);
	dup2(fe, 2);
	status = gw_args(&program, &args, &app, argc, argv);
	fflush(stdout);
	dup2(so, 1);
	dup2(se, 2);
	close(so);
	close(se);
	slurp_fd(fo, out, sizeof(out));
	slurp_fd(fe, said, sizeof(said));
	unlink(o);
	unlink(e);
	return status;
}

START_TEST(rows_take_their_values)
{
	ck_assert_int_eq(run("--super-cas-id 1 one --super-cas-id=2 --loop --config a.yaml --log-level=debug "
	    "--status tcp://127.0.0.1:0 --check-config -- --two"), -1);
	ck_assert_str_eq(app.heard, "id=1 id=2 loop ");
	ck_assert_str_eq(args.config, "a.yaml");
	ck_assert(args.check_config);
	ck_assert_int_eq(args.log_level, GW_DEBUG);
	ck_assert_int_eq(args.status.scheme, GW_TCP);
	ck_assert_int_eq(args.nrest, 2);
	ck_assert_str_eq(args.rest[0], "one");
	ck_assert_str_eq(args.rest[1], "--two");
	ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(nothing_given_is_the_defaults)
{
	ck_assert_int_eq(run(""), -1);
	ck_assert_ptr_null(args.config);
	ck_assert(!args.check_config);
	ck_assert_int_eq(args.log_level, GW_INFO);
	ck_assert_int_eq(args.status.scheme, 0);
	ck_assert_int_eq(args.nrest, 0);
}
END_TEST

START_TEST(help_and_version_are_said_on_stdout)
{
	ck_assert_int_eq(run("--version"), 0);
	ck_assert_str_eq(out, "simulgate-test 0.1.0\n");
	ck_assert_int_eq(run("--loop -h --nonsense"), 0);
	ck_assert_str_eq(out,
	    "usage: simulgate-test [--loop] FILE…\n"
	    "Tests the command line.\n"
	    "\n"
	    "  --super-cas-id ID  whose requests are served\n"
	    "  --loop             begin again at the end\n"
	    "  --config FILE      the head-end's configuration, simulgate.yaml(5)\n"
	    "  --check-config     check the configuration, say what would run, start nothing\n"
	    "  --log-level LEVEL  err, warning, notice, info (default) or debug\n"
	    "  --status ADDR      serve /status and /metrics here: tcp://127.0.0.1:PORT or unix:///PATH\n"
	    "  --help             this text\n"
	    "  --version          name and version\n");
	ck_assert_str_eq(said, "");
}
END_TEST

static const struct { const char *words, *said; } misuses[] = {
	{ "--nonsense", "simulgate-test: --nonsense: unknown option; see --help\n" },
	{ "--nonsense=3", "simulgate-test: --nonsense: unknown option; see --help\n" },
	{ "--loo", "simulgate-test: --loo: unknown option; see --help\n" },
	{ "-x", "simulgate-test: -x: unknown option; see --help\n" },
	{ "--loop=yes", "simulgate-test: --loop: this option takes no value; see --help\n" },
	{ "--super-cas-id", "simulgate-test: --super-cas-id: the value is missing; see --help\n" },
	{ "--super-cas-id bad", "simulgate-test: --super-cas-id: bad is no number; see --help\n" },
	{ "--config a --config b", "simulgate-test: --config: there is one configuration file only; see --help\n" },
	{ "--log-level loud", "simulgate-test: --log-level: loud is not a level: err, warning, notice, info or debug; see --help\n" },
	{ "--status udp://127.0.0.1:1", "simulgate-test: --status: udp://127.0.0.1:1 is not an address: it begins with tcp:// or "
	    "unix:// here; see --help\n" },
	{ "a b c", "simulgate-test: c: one word too many; see --help\n" },
};
enum { NMISUSES = sizeof(misuses) / sizeof(misuses[0]) };

START_TEST(misuse_is_one_line_and_64)
{
	ck_assert_int_eq(run(misuses[_i].words), 64);
	ck_assert_str_eq(said, misuses[_i].said);
	ck_assert_str_eq(out, "");
}
END_TEST

SUITE("lib_args", tcase_add_test(t, rows_take_their_values); tcase_add_test(t, nothing_given_is_the_defaults);
      tcase_add_test(t, help_and_version_are_said_on_stdout); tcase_add_loop_test(t, misuse_is_one_line_and_64, 0, NMISUSES))
