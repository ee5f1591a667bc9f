/* tests/unit/test_tools_run.c: the supervisor with processes that are not the real ones */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/clock.h"
#include "tests/suite.h"

static char dir[] = "/tmp/gw-run-XXXXXX";

static const char *
at(const char *file)
{
	static char path[4][256];
	static unsigned turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, file);
	return p;
}

static void
put(const char *file, const char *text)
{
	int fd = open(at(file), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* What stands in a file; the caller's until the next call. */
static const char *
get(const char *file)
{
	static char text[65536];
	int fd = open(at(file), O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static const char head_end[] =
    "state: state\nplayout: unix:run\n"
    "kms:\n"
    "  drm: { super_cas_id: 0x00010001, ecmg: [tcp://127.0.0.1:7001, tcp://192.0.2.1:7001], plugin: drm }\n"
    "  theirs: { super_cas_id: 0x4AE60001, ecmg: tcp://127.0.0.1:2000 }\n"
    "services:\n"
    "  - id: news\n    scrambling: srtp\n"
    "    media: [{ name: av, in: udp://239.255.0.1:5004, out: udp://239.255.1.1:5004 }]\n"
    "    stkm: [{ kms: drm, ecm_id: 1, out: udp://239.255.1.1:5010 }, { kms: theirs, ecm_id: 1 }]\n"
    "ltkm: [{ kms: drm, data_id: 1, out: udp://239.255.1.1:5020 }, { kms: theirs, data_id: 1, out: udp://239.255.1.1:5020 }]\n"
    "mux: { emmg: tcp://127.0.0.1:7020 }\n"
    "terminals: [{ name: handset, profile: drm, service: news, keys: key.yaml }]\n"
    "play: [{ file: clip.ts, to: udp://239.255.0.1:5004 }]\n";
static const char right[] = "print terminal handset: packets=100 lost=0 undecryptable=0 crypto_periods=3 repeated=7\n";

/* A directory with simulgate itself and with fakes beside it. */
static void
build(void)
{
	static const char *const names[] = { "bsm", "ecmg", "scs", "mux", "emmg", "scrambler", "terminal", "play" };
	const char *top = getenv("top_builddir");
	char command[1024], from[512], to[512], *real = realpath(top ? top : ".", NULL);

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(mkdir(at("bin"), 0700), 0);
	snprintf(command, sizeof(command), "cp %s/tools/simulgate %s/bin/", real, dir);
	ck_assert_int_eq(system(command), 0);
	snprintf(from, sizeof(from), "%s/tests/unit/fake_process", real);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(to, sizeof(to), "%s/bin/simulgate-%s", dir, names[i]);
		ck_assert_int_eq(symlink(from, to), 0);
	}
	free(real);
	setenv("FAKE_DIR", dir, 1);
	put("he.yaml", head_end);
	put("key.yaml", "");
	put("clip.ts", "");
	put("terminal-handset.do", right);
}

static void
remove_all(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static pid_t
start(const char *option, const char *value)
{
	pid_t pid = fork();

	if (pid == 0) {
		int out = open(at("out"), O_WRONLY | O_CREAT | O_TRUNC, 0600), said = open(at("err"), O_WRONLY | O_CREAT | O_APPEND, 0600);

		dup2(out, 1);
		dup2(said, 2);
		execl(at("bin/simulgate"), "simulgate", "run", at("he.yaml"), option, value, (char *)NULL);
		_exit(127);
	}
	return pid;
}

/* Waits until the file has the text. */
static void
await(const char *file, const char *text)
{
	for (int i = 0; i < 1000; i++) {
		if (strstr(get(file), text))
			return;
		usleep(10000);
	}
	ck_abort_msg("no \"%s\" in %s:\n%s\n%s", text, file, get(file), get("err"));
}

static int
end(pid_t pid, int signum)
{
	int st;

	if (signum)
		kill(pid, signum);
	ck_assert_int_eq(waitpid(pid, &st, 0), pid);
	ck_assert_msg(WIFEXITED(st), "signal %d", WTERMSIG(st));
	return WEXITSTATUS(st);
}

/* Where "event name " stands in the log, which has it once. */
static const char *
when(const char *event)
{
	const char *p = strstr(get("log"), event);

	ck_assert_msg(p != NULL, "no \"%s\" in\n%s", event, get("log"));
	ck_assert_msg(strstr(p + 1, event) == NULL, "\"%s\" twice in\n%s", event, get("log"));
	return p;
}

START_TEST(all_start_and_stop_in_order)
{
	static const char *const stops[] = { "term play ", "end play ", "term terminal-handset ", "end terminal-handset ",
		"term scrambler ", "end scrambler ", "term emmg-drm ", "end emmg-drm ", "term mux ", "end mux ", "term scs ", "end scs ", "term ecmg-drm ", "end ecmg-drm " };
	static const char *const ready[] = { "ready ecmg-drm ", "ready scs ", "ready mux ", "ready emmg-drm ", "ready scrambler ", "ready terminal-handset " };
	pid_t pid;

	build();
	pid = start(NULL, NULL);
	await("err", "ready\n");
	await("log", "start play ");
	ck_assert_int_eq(end(pid, SIGTERM), 0);
	for (size_t i = 0; i < 5; i++)
		ck_assert(when(ready[i]) < when("start play "));
	for (size_t i = 1; i < 12; i++)
		ck_assert_msg(when(stops[i - 1]) < when(stops[i]), "%s", get("log"));
	ck_assert_str_eq(get("out"), right + strlen("print "));
	ck_assert_ptr_nonnull(strstr(get("err"), "  ecmg       drm          listens on tcp://127.0.0.1:7001\n"));
	ck_assert_ptr_nonnull(strstr(get("err"), "  scrambler               news/av: udp://239.255.0.1:5004 to udp://239.255.1.1:5004\n"));
	ck_assert_ptr_nonnull(strstr(get("err"), "  terminal   handset      receives news, DRM profile\n"));
	ck_assert_ptr_null(strstr(get("err"), "theirs"));
	ck_assert_ptr_null(strstr(get("err"), "192.0.2.1"));
	remove_all();
}
END_TEST

static const struct { const char *todo; int want; } summaries[] = {
	{ "print terminal handset: packets=1 lost=0 undecryptable=0 crypto_periods=1\n", 0 },
	{ "print terminal handset: packets=0 lost=0 undecryptable=0 crypto_periods=0\n", 1 },
	{ "print terminal handset: packets=9 lost=1 undecryptable=0 crypto_periods=1\n", 1 },
	{ "print terminal handset: packets=9 lost=0 undecryptable=1 crypto_periods=1\n", 1 },
	{ "print terminal handset: packets=9 lost=0 undecryptable=0 crypto_periods=1\nstatus 3\n", 1 },
	{ "print something else\n", 1 },
	{ "", 1 },
};
enum { NSUMMARIES = sizeof(summaries) / sizeof(summaries[0]) };

START_TEST(receivers_decide)
{
	pid_t pid;

	build();
	put("terminal-handset.do", summaries[_i].todo);
	pid = start(NULL, NULL);
	await("log", "start play ");
	ck_assert_int_eq(end(pid, SIGINT), summaries[_i].want);
	ck_assert_int_eq(strncmp(get("out"), "terminal handset: ", 18), 0);
	remove_all();
}
END_TEST

START_TEST(who_dies_is_started_again)
{
	pid_t pid;

	build();
	put("mux.do", "die 100 3 2\n");
	pid = start(NULL, NULL);
	await("log", "start play ");
	for (int i = 0; i < 1000; i++) {	/* three lives of the mux */
		const char *p = strstr(get("log"), "die mux ");

		p = p ? strstr(p + 1, "die mux ") : NULL;
		if (p && strstr(p, "ready mux "))
			break;
		usleep(10000);
	}
	ck_assert_int_eq(end(pid, SIGTERM), 0);
	ck_assert_ptr_nonnull(strstr(get("err"), "level=warning prog=run event=process_died program=mux instance=\"\" status=3 wait_ms=200 "));
	ck_assert_ptr_nonnull(strstr(get("err"), "program=mux instance=\"\" status=3 wait_ms=400 "));
	when("start scs ");
	when("end mux ");
	remove_all();
}
END_TEST

START_TEST(a_receiver_that_died_was_not_content)
{
	pid_t pid;

	build();
	put("terminal-handset.do", "die 50 0 1\nprint terminal handset: packets=9 lost=0 undecryptable=0 crypto_periods=1\n");
	pid = start(NULL, NULL);
	await("log", "die terminal-handset ");
	await("log", "start play ");
	ck_assert_int_eq(end(pid, SIGTERM), 1);
	remove_all();
}
END_TEST

START_TEST(who_refuses_its_configuration_stops_all)
{
	build();
	put("scs.do", "unready\ndie 50 78 99\n");
	ck_assert_int_eq(end(start(NULL, NULL), 0), 78);
	ck_assert_ptr_nonnull(strstr(get("err"), "event=process_hopeless program=scs instance=\"\" status=78"));
	when("end ecmg-drm ");
	when("start scs ");
	ck_assert_ptr_null(strstr(get("log"), "play"));
	remove_all();
}
END_TEST

START_TEST(who_does_not_listen_is_killed)
{
	int64_t began;
	pid_t pid;

	build();
	put("scrambler.do", "deaf\n");
	pid = start(NULL, NULL);
	await("log", "start play ");
	began = gw_mono_us();
	ck_assert_int_eq(end(pid, SIGTERM), 1);
	ck_assert_int_ge(gw_mono_us() - began, 2900000);
	ck_assert_ptr_nonnull(strstr(get("err"), "event=process_killed program=scrambler"));
	ck_assert(when("deaf scrambler ") < when("term mux "));
	remove_all();
}
END_TEST

START_TEST(seconds_end_it_and_players_may_end_before)
{
	build();
	put("play.do", "die 50 0 9\n");
	ck_assert_int_eq(end(start("--seconds", "4"), 0), 0);
	when("die play ");
	when("start play ");
	remove_all();
}
END_TEST

START_TEST(nobody_outlives_the_supervisor)
{
	int other = 0, st;
	pid_t pid;

	build();
	pid = start(NULL, NULL);
	await("log", "start play ");
	ck_assert_int_eq(sscanf(when("start mux "), "start mux %d", &other), 1);
	ck_assert_int_eq(kill(other, 0), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &st, 0);
	for (int i = 0; i < 500 && kill(other, 0) == 0; i++) {
		char state[64] = "", stat[64];
		FILE *f;

		snprintf(stat, sizeof(stat), "/proc/%d/stat", other);
		f = fopen(stat, "r");
		if (!f || fscanf(f, "%*d %*s %63s", state) != 1 || state[0] == 'Z')
			other = 0;	/* gone, or waiting for whoever adopted it */
		if (f)
			fclose(f);
		if (!other)
			break;
		usleep(10000);
	}
	ck_assert(other == 0 || kill(other, 0) < 0);
	ck_assert_ptr_null(strstr(get("log"), "\nterm "));
	remove_all();
}
END_TEST

START_TEST(one_supervisor_a_head_end)
{
	pid_t pid;

	build();
	pid = start(NULL, NULL);
	await("err", "ready\n");
	ck_assert_int_eq(end(start(NULL, NULL), 0), 75);
	ck_assert_ptr_nonnull(strstr(get("err"), "another simulgate run has"));
	await("log", "start play ");
	ck_assert_int_eq(end(pid, SIGTERM), 0);
	remove_all();
}
END_TEST

/* It makes the store that the ECMG opens. */
START_TEST(a_bsm_is_ready_before_others_start_and_ends_last)
{
	const char *theirs = strstr(head_end, "  theirs:");
	char more[sizeof(head_end) + 400];
	pid_t pid;

	build();
	snprintf(more, sizeof(more), "%.*s  card: { super_cas_id: 0x00020001, ecmg: tcp://127.0.0.1:7002, plugin: smartcard }\n%s"
	    "bsm: { main: { kms: card, naf: n, key_domain: 0x00f110, listen: tcp://127.0.0.1:8080, ltkm: udp://127.0.0.1:4359 } }\n",
	    (int)(theirs - head_end), head_end, theirs);
	put("he.yaml", more);
	pid = start(NULL, NULL);
	await("log", "start play ");
	ck_assert_int_eq(end(pid, SIGTERM), 0);
	ck_assert(when("ready bsm-main ") < when("start ecmg-card "));
	ck_assert(when("ready bsm-main ") < when("start terminal-handset "));
	ck_assert(when("end ecmg-card ") < when("term bsm-main "));
	ck_assert_ptr_nonnull(strstr(get("err"), "  bsm        main         subscribers of card register at tcp://127.0.0.1:8080\n"));
	remove_all();
}
END_TEST

START_TEST(a_missing_program_is_named)
{
	build();
	ck_assert_int_eq(unlink(at("bin/simulgate-scrambler")), 0);
	setenv("PATH", "/usr/bin:/bin", 1);
	unsetenv("SIMULGATE_LIBEXEC");
	ck_assert_int_eq(end(start(NULL, NULL), 0), 69);
	ck_assert_ptr_nonnull(strstr(get("err"), "simulgate-scrambler is not installed"));
	ck_assert_str_eq(get("log"), "");
	remove_all();
}
END_TEST

SUITE("tools_run", tcase_add_test(t, all_start_and_stop_in_order); tcase_add_loop_test(t, receivers_decide, 0, NSUMMARIES);
      tcase_add_test(t, who_dies_is_started_again); tcase_add_test(t, a_receiver_that_died_was_not_content);
      tcase_add_test(t, who_refuses_its_configuration_stops_all); tcase_add_test(t, who_does_not_listen_is_killed);
      tcase_add_test(t, seconds_end_it_and_players_may_end_before); tcase_add_test(t, nobody_outlives_the_supervisor);
      tcase_add_test(t, one_supervisor_a_head_end);
      tcase_add_test(t, a_bsm_is_ready_before_others_start_and_ends_last); tcase_add_test(t, a_missing_program_is_named))
