/* tools/plugin_test.c: simulgate-plugin-test: a child for each test, watched */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/args.h"
#include "lib/hex.h"
#include "lib/settings.h"
#include "tools/pt.h"

enum { LOOK_MS = 100, SOON_US = 1000 };

static struct { struct pt_options opt; char *settings; bool list; } app;
static volatile sig_atomic_t stopped;

/* ---- options ---- */

static int
number(const char *value, unsigned long most, unsigned long *out, struct gw_err *err)
{
	char *end;

	errno = 0;
	*out = strtoul(value, &end, 0);
	return *value != '-' && end != value && !*end && !errno && *out <= most ? 0 : gw_fail(err, GW_EUSAGE, "%s is no number up to %lu", value, most);
}

static int
seconds(const char *value, double least, double *out, struct gw_err *err)
{
	char *end;

	*out = strtod(value, &end);
	return end != value && !*end && *out >= least && *out <= 86400 ? 0 :
	    gw_fail(err, GW_EUSAGE, "%s is no number of seconds from %g to 86400", value, least);
}

static int
take_set(void *self, const char *value, struct gw_err *err)
{
	(void)self;
	return gw_setting(&app.settings, value, err);
}

static int
take_cas(void *self, const char *value, struct gw_err *err)
{
	unsigned long v;

	(void)self;
	if (app.opt.ncas == PT_IDS)
		return gw_fail(err, GW_EUSAGE, "more than %d of them", PT_IDS);
	if (number(value, UINT32_MAX, &v, err) < 0)
		return -1;
	app.opt.cas[app.opt.ncas++] = (uint32_t)v;
	return 0;
}

static int
take_ecm_id(void *self, const char *value, struct gw_err *err)
{
	unsigned long v;

	(void)self;
	if (app.opt.necm == PT_IDS)
		return gw_fail(err, GW_EUSAGE, "more than %d of them", PT_IDS);
	if (number(value, UINT16_MAX, &v, err) < 0)
		return -1;
	app.opt.ecm[app.opt.necm++] = (uint16_t)v;
	return 0;
}

static int
take_ac(void *self, const char *value, struct gw_err *err)
{
	const char *digits = strncmp(value, "0x", 2) == 0 ? value + 2 : value;
	const size_t n = strlen(digits) / 2;

	(void)self;
	free(app.opt.criteria);
	app.opt.criteria = malloc(n ? n : 1);
	app.opt.criteria_len = n;
	if (!app.opt.criteria)
		return gw_fail(err, GW_ESYS, "out of memory");
	return n <= 60000 && strlen(digits) == 2 * n && gw_unhex(digits, app.opt.criteria, n) == (int)n ? 0 : gw_fail(err, GW_EUSAGE, "%s: hexadecimal digits, two an octet", value);
}

static int
take_seconds(void *self, const char *value, struct gw_err *err)
{
	(void)self;
	return seconds(value, 0.01, &app.opt.seconds, err);
}

static int
take_patience(void *self, const char *value, struct gw_err *err)
{
	(void)self;
	return seconds(value, 0.1, &app.opt.patience, err);
}

static int
take_json(void *self, const char *value, struct gw_err *err)
{
	(void)self, (void)value, (void)err;
	app.opt.json = true;
	return 0;
}

static int
take_rules(void *self, const char *value, struct gw_err *err)
{
	(void)self, (void)value, (void)err;
	app.list = true;
	return 0;
}

static const struct gw_option options[] = {
	{ "set", "KEY=VALUE", "a setting of the plugin; may be repeated", take_set },
	{ "super-cas-id", "ID", "a Super_CAS_id that it serves; may be repeated; default: some are tried", take_cas },
	{ "ecm-id", "N", "an ECM_id that is welcome; may be repeated; default: some are tried", take_ecm_id },
	{ "ac", "HEX", "the access criteria of a good request; default: none", take_ac },
	{ "seconds", "N", "how long the year of crypto-periods may take (10)", take_seconds },
	{ "patience", "N", "seconds that a call or a later answer may take before it counts as hanging (10)", take_patience },
	{ "json", NULL, "the report as JSON", take_json },
	{ "rules", NULL, "lists the rules, tests nothing", take_rules },
};
static const struct gw_program program = {
	.name = "simulgate-plugin-test", .usage = "PLUGIN.so [--set KEY=VALUE ...] [--super-cas-id ID ...] [--ecm-id N ...] [--ac HEX] [--json]",
	.summary = "The conformance of a KMS plugin to simulgate-kms-plugin(3), with a report.",
	.options = options, .noptions = sizeof(options) / sizeof(options[0]), .min_rest = 0, .max_rest = 1,
};

/* ---- one test ---- */

static const char *const faults[] = { [SIGSEGV] = "SIGSEGV", [SIGBUS] = "SIGBUS", [SIGFPE] = "SIGFPE", [SIGILL] = "SIGILL",
	[SIGABRT] = "SIGABRT", [SIGTRAP] = "SIGTRAP", [SIGSYS] = "SIGSYS" };

/* The line with which a sanitizer ended it, if that is what happened. */
static bool
sanitizer_said(int out, char *line, size_t cap)
{
	static char text[65536];
	ssize_t n = pread(out, text, sizeof(text) - 1, 0);
	char *at;

	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "Sanitizer: ");
	if (!at && !(at = strstr(text, "runtime error: ")))
		return false;
	while (at > text && at[-1] != '\n')
		at--;
	snprintf(line, cap, "%.*s", (int)strcspn(at, "\n"), at);
	return true;
}

static void
tell_fault(void)
{
	const uintptr_t base = (uintptr_t)pt->fault.base, pc = (uintptr_t)pt->fault.pc;
	const int sig = pt->fault.sig;
	char where[64] = "";

	if (pc && base && pc >= base && pc - base < (uintptr_t)1 << 31)
		snprintf(where, sizeof(where), ", in the plugin at 0x%zx (addr2line -e)", (size_t)(pc - base));
	if (*pt->fault.text)
		pt_find(pt->fault.rule, "%s%s", pt->fault.text, where);
	else if (sig == SIGSEGV || sig == SIGBUS)
		pt_find(PT_R_CRASH, "%s at address %p%s", faults[sig], (void *)(uintptr_t)pt->fault.address, where);
	else
		pt_find(PT_R_CRASH, "%s%s", faults[sig], where);
}

static void
judge_end(int status, bool killed, int out)
{
	char line[300];

	if (pt->done)
		return;
	if (killed)
		pt_find(PT_R_HANG, "it has not returned in %g s", 2 * pt->opt.patience);
	else if (pt->fault.sig)
		tell_fault();
	else if (sanitizer_said(out, line, sizeof(line)))
		pt_find(PT_R_CRASH, "%s", line);
	else if (WIFSIGNALED(status))
		pt_find(PT_R_CRASH, "the process ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		pt_find(PT_R_EXIT, "the process ended with exit status %d", WEXITSTATUS(status));
}

static bool
hangs(void)
{
	const int64_t since = pt->since_ns;

	return since && pt_now_ns() - since > (int64_t)(2e9 * pt->opt.patience);
}

/* Until it has ended: its end of the pipe is closed then, or when it closes what is not its own, and lives. */
static bool
watch(pid_t pid, int pipe_in, int *status)
{
	struct pollfd p = { .fd = pipe_in, .events = POLLIN };
	bool killed = false, over = false;

	for (;;) {
		if (waitpid(pid, status, WNOHANG) == pid)
			return killed;
		if (over)
			usleep(SOON_US);
		else if (!(over = poll(&p, 1, LOOK_MS) > 0 && p.revents))
			pt_report_progress(false);
		if (!killed && (stopped || hangs())) {
			killed = true;
			kill(pid, SIGKILL);
		}
	}
}

static void
run(const struct pt_test *t)
{
	char name[] = "/tmp/simulgate-plugin-test.XXXXXX";
	int ends[2], out = mkstemp(name), status = 0;
	pid_t child;
	bool killed;

	if (out < 0 || pipe(ends) < 0) {
		fprintf(stderr, "simulgate-plugin-test: %s\n", strerror(errno));
		exit(71);
	}
	unlink(name);
	fflush(NULL);
	child = fork();
	if (child == 0) {
		close(ends[0]);
		signal(SIGINT, SIG_IGN);	/* the parent's to take */
		pt_child(t, out);
	}
	close(ends[1]);
	if (child < 0) {
		fprintf(stderr, "simulgate-plugin-test: %s\n", strerror(errno));
		exit(71);
	}
	killed = watch(child, ends[0], &status);
	close(ends[0]);
	if (!stopped)
		judge_end(status, killed, out);
	close(out);
}

static const char *
lacks(const struct pt_test *t)
{
	const struct { unsigned need; bool there; const char *word; } rows[] = {
		{ PT_OPENS, pt->opens, "it does not open" }, { PT_SERVES, pt->has_channel, "no channel can be set up" },
		{ PT_STREAMS, pt->has_stream, "no stream can be set up" },
		{ PT_MAKES, pt->has_ecm, "it makes no ECM" }, { PT_LTKMS, pt->has_ltkm, "it has no ltkm()" },
		{ PT_LATE, pt->calling == KMS_ASYNC, "for KMS_ASYNC" }, { PT_WORKERS, pt->calling == KMS_WORKER, "for KMS_WORKER" },
	};

	if (t->needs & ~(unsigned)PT_LOADED && !pt->loaded)
		return "it is not loaded";
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (t->needs & rows[i].need && !rows[i].there)
			return rows[i].word;
	return NULL;
}

static void
run_all(void)
{
	for (unsigned k = 0; k < pt_ntests && !stopped; k++) {
		const int64_t begin = pt_now_ns();
		const char *why;

		pt->test = k;
		pt->done = pt->skipped = false;
		pt->said[0] = pt->call[0] = '\0';
		pt->since_ns = 0;
		memset(&pt->fault, 0, sizeof(pt->fault));
		why = lacks(&pt_tests[k]);
		if (why)
			pt_skip(why);
		else
			run(&pt_tests[k]);
		pt_report_test(k, (double)(pt_now_ns() - begin) / 1e9);
	}
}

/* ---- */

static void
on_signal(int sig)
{
	stopped = sig;
}

static int
list_rules(void)
{
	static const char *const words[] = { "note", "warning", "error" };

	for (size_t k = 0; k < PT_NRULES; k++)
		printf("%-21s %-8s %s (%s)\n", pt_rules[k].id, words[pt_rules[k].gravity], pt_rules[k].rule, pt_rules[k].section);
	return 0;
}

static int
misuse(const char *text)
{
	fprintf(stderr, "simulgate-plugin-test: %s; see --help\n", text);
	return gw_exit_status(GW_EUSAGE);
}

/* The file as the hosts find it: a name is a plugin of the installed directory. */
static int
set_up(const struct gw_args *common)
{
	static char path[4096];
	const char *name = common->rest[0], *dir = getenv("SIMULGATE_PLUGIN_DIR");
	const size_t n = strlen(name);

	if (strchr(name, '/') || (n > 3 && strcmp(name + n - 3, ".so") == 0))
		snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : "./", name);
	else
		snprintf(path, sizeof(path), "%s/%s.so", dir && *dir ? dir : PLUGINDIR, name);
	app.opt.plugin = path;
	if (access(path, R_OK) < 0) {
		fprintf(stderr, "simulgate-plugin-test: %s: %s\n", path, strerror(errno));
		return 66;
	}
	if (app.settings && strlen(app.settings) >= PT_SETTINGS)
		return misuse("the settings are too long");
	snprintf(app.opt.settings, sizeof(app.opt.settings), "%s", app.settings ? app.settings : "");
	pt = mmap(NULL, sizeof(*pt), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pt == MAP_FAILED) {
		fprintf(stderr, "simulgate-plugin-test: %s\n", strerror(errno));
		return gw_exit_status(GW_ESYS);
	}
	pt->opt = app.opt;
	return 0;
}

/*
 * glibc counts what its caches of each thread hold as allocated: they are turned off, so that memory can be told to the octet. That is
 * read once, when a process begins.
 */
static void
count_exactly(char **argv)
{
	char self[4096];
	const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);	/* not run by that name: valgrind answers this in our stead */

	if (getenv("GLIBC_TUNABLES") || n < 0)
		return;
	self[n] = '\0';
	setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
	execv(self, argv);	/* where that fails, leaks of a few octets may be missed, or seen where there are none */
}

int
main(int argc, char **argv)
{
	struct gw_args common = { 0 };
	int status;

	app.opt.seconds = app.opt.patience = 10;
	status = gw_args(&program, &common, NULL, argc, argv);
	if (status >= 0)
		return status;
	if (app.list)
		return list_rules();
	if (common.nrest != 1)
		return misuse("which plugin?");
	status = set_up(&common);
	if (status)
		return status;
	count_exactly(argv);
	sigaction(SIGINT, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	const int64_t begin = pt_now_ns();
	pt_report_begin();
	run_all();
	status = pt_report_end((double)(pt_now_ns() - begin) / 1e9);
	free(app.settings);
	free(app.opt.criteria);
	return stopped ? 1 : status;
}
