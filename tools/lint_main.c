/* tools/lint_main.c: simulgate-lint: what is wrong with the SimulCrypt sessions of a capture, by clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/args.h"
#include "proto/playout.h"
#include "tools/dec_args.h"
#include "tools/lint.h"
#include "tools/term.h"

enum { FILES = 1024, PROGRESS = 1 << 17 };
static struct app {
	struct lint_conf conf;
	struct dec_msg_conf msg;
	enum lint_severity fail_on;
	const char *interface, *page;
	FILE *html;
	bool json, rules, brief, progress, made;	/* made: the page was not there before */
} app = { .fail_on = LINT_ERROR };
static volatile sig_atomic_t stop;

static void
on_signal(int n)
{
	stop = n;
}

/* ---- options ---- */

static int
take_ignore(void *self, const char *value, struct gw_err *err)
{
	(void)self;
	if (!lint_rule_find(value))
		return gw_fail(err, GW_EUSAGE, "%s is no rule; --rules lists them", value);
	if (app.conf.nignored == sizeof(app.conf.ignored) / sizeof(app.conf.ignored[0]))
		return gw_fail(err, GW_EUSAGE, "more than %zu of them", app.conf.nignored);
	app.conf.ignored[app.conf.nignored++] = value;
	return 0;
}

static int
take_fail_on(void *self, const char *value, struct gw_err *err)
{
	(void)self;
	for (int s = 0; s < LINT_SEVERITIES; s++)
		if (strcmp(value, lint_severity_word((enum lint_severity)s)) == 0) {
			app.fail_on = (enum lint_severity)s;
			return 0;
		}
	return gw_fail(err, GW_EUSAGE, "%s is none of notice, warning and error", value);
}

static int
take_as(void *self, const char *value, struct gw_err *err)
{
	(void)self;
	if (dec_take_iface(value, &app.msg.as, err) < 0)
		return -1;
	return app.msg.as == &playout ? gw_fail(err, GW_EUSAGE, "the playout link is our own: there is no standard to judge it by") : 0;
}

static int
take_port(void *self, const char *value, struct gw_err *err)
{
	(void)self;
	return dec_take_port(value, &app.msg, err);
}

static int
take_live(void *self, const char *value, struct gw_err *err)
{
	(void)self;
	(void)err;
	app.interface = value;
	return 0;
}

static int
take_html(void *self, const char *value, struct gw_err *err)
{
	(void)self;
	(void)err;
	app.page = value;
	return 0;
}

#define FLAG(name, what) static int name(void *self, const char *value, struct gw_err *err) { (void)self; (void)value; (void)err; what = true; return 0; }
FLAG(take_json, app.json)
FLAG(take_rules, app.rules)
FLAG(take_brief, app.brief)
#undef FLAG

static const struct gw_option options[] = {
	{ "fail-on", "LEVEL", "exit with 1 for findings from here on: notice, warning or error (default)", take_fail_on },
	{ "ignore", "RULE", "do not look at this rule; more than once", take_ignore },
	{ "rules", NULL, "list the rules", take_rules },
	{ "brief", NULL, "only the counts", take_brief },
	{ "json", NULL, "the report as JSON, an object a capture", take_json },
	{ "html", "PAGE", "write the report as a page with pictures, too; -: to standard output instead of the text", take_html },
	{ "live", "IFACE", "live traffic of a network interface, until it is interrupted", take_live },
	{ "as", "NAME", "the interface, instead of finding out: ecmg, mux, eis, psig or cpsig", take_as },
	{ "port", "N", "only connections with this port, which are SimulCrypt however they look", take_port },
};
static const struct gw_program program = {
	"simulgate-lint", "[--json] [--html PAGE] FILE … | --live IFACE", "Reports what is wrong with SimulCrypt sessions, naming the clause of the standard.", options,
	sizeof(options) / sizeof(options[0]), 0, FILES,
};

static int
list_rules(void)
{
	const struct lint_rule *r;

	for (size_t n = 0; (r = lint_rule(n)) != NULL; n++)
		printf("%-20s %-8s %-12s %s\n%20s %s (%s)\n", r->id, lint_severity_word(r->severity), r->iface ? r->iface->name : "all", r->side == LINT_EITHER ? "either side" :
		    r->iface ? lint_side_word(r->iface, r->side) : r->side == LINT_CLIENT ? "client" : "server", "", r->says, r->clause ? r->clause : "the message's clause");
	return fflush(stdout) != 0 ? gw_exit_status(GW_ESYS) : 0;
}

/* ---- reading ---- */

static void
on_frame(void *self, const struct dec_counts *counts)
{
	lint_now(self, counts->last_ns);
	if (app.progress && counts->frames % PROGRESS == 0)
		fprintf(stderr, "\r%llu frames", (unsigned long long)counts->frames);
}

static void
on_datagram(void *self, const struct dec_segment *s, uint64_t frame, int64_t at_ns)
{
	lint_air(self, s, frame, at_ns);
}

/* ---- the page ---- */

/* A page that is there stays as it is until there is a report to take its place. */
static FILE *
to_page(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	app.made = fd >= 0;
	if (fd < 0 && errno == EEXIST)
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	return fd < 0 ? NULL : fdopen(fd, "w");
}

/* Opened before anything is read: whoever waits for a large capture shall not learn at its end that there is no room for the page. */
static int
open_page(const char *capture, struct gw_err *err)
{
	struct stat page, from;

	if (!app.page)
		return 0;
	if (strcmp(app.page, "-") == 0)
		app.html = stdout;
	else if (capture && stat(app.page, &page) == 0 && stat(capture, &from) == 0 && page.st_dev == from.st_dev && page.st_ino == from.st_ino)
		return gw_fail(err, GW_EUSAGE, "%s is the capture itself", app.page);
	else if (!(app.html = to_page(app.page)))
		return gw_fail(err, GW_ESYS, "%s: %s", app.page, strerror(errno));
	return 0;
}

/* Nothing came of it: what was made for it goes. */
static void
drop_page(void)
{
	if (app.html && app.html != stdout) {
		if (app.made)
			unlink(app.page);
		fclose(app.html);
	}
	app.html = NULL;
}

static int
write_page(const struct lint_report *r)
{
	FILE *f = app.html;
	int rc;

	if (!f)
		return 0;
	if (f != stdout && ftruncate(fileno(f), 0) < 0 && errno != EINVAL)	/* a pipe has nothing to cut */
		return -1;
	rc = lint_html(f, r);
	app.html = NULL;
	return (f != stdout && fclose(f) != 0) || rc < 0 ? -1 : 0;
}

/* The exit status. */
static int
report(struct lint *t, const char *name, const struct dec_counts *counts, const struct gw_err *err)
{
	const struct lint_report *r = lint_report(t, name, counts, !err->code && !stop, err->text);
	struct lint_text_conf text = { .colour = term_colour(), .brief = app.brief, .width = term_width() };

	bool quiet = app.html == stdout;

	if (write_page(r) < 0 || (!quiet && (app.json ? lint_json(stdout, r) : lint_text(stdout, r, &text)) < 0)) {
		fprintf(stderr, "simulgate-lint: cannot write: %s\n", strerror(errno));
		return gw_exit_status(GW_ESYS);
	}
	for (int s = app.fail_on; s < LINT_SEVERITIES; s++)
		if (r->found[s])
			return 1;
	return err->code ? gw_exit_status(err->code) : 0;
}

static int
lint(const char *name)
{
	struct lint *t = lint_new(&app.conf);
	struct dec_read read = { .msg = app.msg, .live = app.interface != NULL, .stop = &stop, .frame = on_frame, .datagram = on_datagram };
	struct gw_err err = { 0 };
	int rc = -1, status;

	if (t) {
		read.user = lint_sink(t);
		rc = dec_read(&read, name, &err);
	} else {
		gw_fail(&err, GW_ESYS, "no memory");
	}
	if (app.progress && read.counts.frames >= PROGRESS)
		fprintf(stderr, "\r%40s\r", "");
	if (err.code)
		fprintf(stderr, "simulgate-lint: %s\n", err.text);
	status = rc < 0 ? gw_exit_status(err.code) : report(t, name, &read.counts, &err);
	drop_page();
	lint_free(t);
	return status;
}

int
main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal };	/* without SA_RESTART: a pipe that is silent must not hold us */
	struct gw_err err = { 0 };
	struct gw_args args;
	int status = gw_args(&program, &args, &app, argc, argv), worst = 0;

	if (status >= 0)
		return status;
	if (app.rules)
		return list_rules();
	if ((app.interface != NULL) == (args.nrest > 0)) {
		fprintf(stderr, "simulgate-lint: files (- is standard input), or --live; see --help\n");
		return gw_exit_status(GW_EUSAGE);
	}
	if (app.page && args.nrest > 1) {
		fprintf(stderr, "simulgate-lint: a page is of one capture\n");
		return gw_exit_status(GW_EUSAGE);
	}
	if (open_page(args.nrest ? args.rest[0] : NULL, &err) < 0) {
		fprintf(stderr, "simulgate-lint: %s\n", err.text);
		return gw_exit_status(err.code);
	}
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	app.progress = isatty(STDERR_FILENO) && !app.interface;
	if (app.interface)
		return lint(app.interface);
	for (int i = 0; i < args.nrest && !stop; i++) {
		if (args.nrest > 1 && !app.json)
			printf("%s== %s ==\n", i ? "\n" : "", args.rest[i]);
		fflush(stdout);
		status = lint(args.rest[i]);
		worst = status > worst ? status : worst;
	}
	return worst;
}
