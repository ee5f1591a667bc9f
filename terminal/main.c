/* terminal/main.c: simulgate-terminal: does what a handset and its card do, to prove the air side */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "lib/secret.h"
#include "lib/transform.h"
#include "terminal/terminal.h"

enum { SECRET_KIB = 1024 };

static int
take_name(void *self, const char *value, struct gw_err *err)
{
	(void)err;
	((struct terminal *)self)->name = value;
	return 0;
}

static int
take_seconds(void *self, const char *value, struct gw_err *err)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (errno || *end || end == value || value[0] == '-' || n < 1 || n > UINT_MAX / 1000)
		return gw_fail(err, GW_EUSAGE, "--seconds %s: a number of seconds", value);
	((struct terminal *)self)->seconds = (unsigned)n;
	return 0;
}

static int
take_to(void *self, const char *value, struct gw_err *err)
{
	return gw_addr_parse(value, GW_UDP, &((struct terminal *)self)->to, err);
}

static int
take_write(void *self, const char *value, struct gw_err *err)
{
	(void)err;
	((struct terminal *)self)->write = value;
	return 0;
}

static int
take_misbehave(void *self, const char *value, struct gw_err *err)
{
	return term_misbehave_parse(&((struct terminal *)self)->misbehave, value, err);
}

static char misbehaviours[1024] = "a phone's faults on purpose, parted by commas:";
static const struct gw_option options[] = {
	{ "terminal", "NAME", "which of the file's terminals this is", take_name },
	{ "to", "ADDR", "send the clear media there, not to its out", take_to },
	{ "write", "FILE", "write the clear media there, not to its file; -: stdout", take_write },
	{ "seconds", "N", "end after N seconds", take_seconds },
	{ "misbehave", "LIST", misbehaviours, take_misbehave },
};
static const struct gw_program program = {
	.name = "simulgate-terminal", .usage = "[--config FILE] --terminal NAME [--to ADDR] [--write FILE] [--seconds N] [--misbehave LIST]",
	.summary = "Receives a service of a head-end: opens its STKMs, descrambles its media, counts what goes wrong.",
	.options = options, .noptions = sizeof(options) / sizeof(options[0]),
};

/* --help has the table of misbehave.c behind its own words. */
static void
tell_misbehaviours(void)
{
	char form[48];
	const char *meaning;
	size_t n = strlen(misbehaviours);

	for (size_t k = 0; (meaning = term_misbehave_row(k, form)) != NULL && n < sizeof(misbehaviours); k++)
		n += (size_t)snprintf(misbehaviours + n, sizeof(misbehaviours) - n, "\n      %-22s %s", form, meaning);
}

static void
on_second(uv_timer_t *t)
{
	term_units_second(t->data);
}

static void
finish(struct terminal *app)
{
	term_units_close(app);
	gw_ops_close(app->ops);
	app->ops = NULL;
	if (app->ticking) {
		uv_close((uv_handle_t *)&app->second, NULL);
		uv_close((uv_handle_t *)&app->end, NULL);
	}
	app->ticking = false;
	gw_life_close(&app->life);
}

/* A phone takes its leave of the BSM first. */
static void
stop(void *self)
{
	struct terminal *app = self;

	if (app->stopping)
		return;
	app->stopping = true;
	if (app->ticking && app->phone)
		term_phone_stop(app->phone, finish);
	else
		finish(app);
}

static void
on_end(uv_timer_t *t)
{
	stop(t->data);
}

static int
start(struct terminal *app, const struct headend *he, const struct he_terminal *t, struct gw_err *err)
{
	struct gw_ops_conf ops = { .program = "terminal", .instance = app->name, .status = term_status, .collect = term_collect, .self = app };

	if (!app->args.status.scheme && gw_ops_default_addr(he->playout, ops.program, ops.instance, &app->args.status, err) < 0)
		return -1;
	/* the status address first: whoever has it writes the files that the media's open empties */
	if (gw_life_open(&app->life, &app->loop, stop, NULL, app, err) < 0 ||
	    !(app->ops = gw_ops_open(&app->loop, &app->args.status, &ops, err)) || term_units_open(app, he, t, err) < 0)
		return -1;
	uv_timer_init(&app->loop, &app->second);
	uv_timer_init(&app->loop, &app->end);
	app->second.data = app->end.data = app;
	app->ticking = true;
	uv_timer_start(&app->second, on_second, 1000, 1000);
	if (app->seconds)
		uv_timer_start(&app->end, on_end, app->seconds * UINT64_C(1000), 0);
	return 0;
}

static int
run(struct terminal *app, const struct headend *he, const struct he_terminal *t, struct gw_err *err)
{
	int status = 0;

	/* locked memory precedes keys */
	if (gw_secrets_init(SECRET_KIB, false, err) < 0)
		return gw_die(err);
	if (gw_transforms_self_test(err) < 0) {
		gw_secrets_fini();
		return gw_die(err);
	}
	uv_loop_init(&app->loop);
	if (start(app, he, t, err) < 0) {
		status = gw_die(err);
		stop(app);
	} else {
		gw_life_ready(&app->life, "waits for keys");
		gw_log(GW_NOTICE, "ready", NULL, "terminal=%s service=%s", app->name, t->service->id);
	}
	gw_loop_fini(&app->loop);
	if (status == 0)
		term_summary(app, term_to_stdout(app) ? stderr : stdout);
	term_units_free(app);
	gw_secrets_fini();
	return status;
}

int
main(int argc, char **argv)
{
	static struct terminal app = { .rate = { .burst = 10, .per_ms = 10000 } };
	const struct he_terminal *t;
	struct gw_err err = { 0 };
	struct headend *he;
	int status;

	tell_misbehaviours();
	status = gw_args(&program, &app.args, &app, argc, argv);
	if (status >= 0)
		return status;
	gw_log_init("terminal", app.args.log_level);
	if (!app.name) {
		gw_fail(&err, GW_EUSAGE, "--terminal NAME is missing");
		return gw_die(&err);
	}
	if (!(he = headend_load(app.args.config, &err)))
		return gw_die(&err);
	if (!(t = term_conf(he, app.name, &err)) || term_conf_out(he, t, &app, &err) < 0 || term_conf_phone(t, &app, &err) < 0) {
		status = gw_die(&err);
	} else if (app.args.check_config) {
		headend_print(he);
		status = 0;
	} else {
		status = run(&app, he, t, &err);
	}
	headend_free(he);
	return status;
}
