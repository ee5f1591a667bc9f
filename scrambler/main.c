/* scrambler/main.c: simulgate-scrambler: clear media in, scrambled media out */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/log.h"
#include "scrambler/scrambler.h"

enum {
	SECRET_KIB = 1024, UNIT_KIB = 4,	/* locked memory: the least; of each unit, whose keys are some 1 KiB each, ready for use */
	CLOCK_TOLERANCE_US = 100000,
};

static const struct gw_program program = {
	.name = "simulgate-scrambler", .usage = "[--config FILE]",
	.summary = "Scrambles the media of a head-end by SRTP, IPsec, ISMACryp or DVB-CISSA, with the keys the SCS commits.",
};

static struct headend *
load(const struct scrambler *app, struct gw_err *err)
{
	struct headend *he = headend_load(app->args.config, err);

	if (he && scr_conf_check(he, err) < 0) {
		headend_free(he);
		return NULL;
	}
	return he;
}

/* The unit of that name, at need a new one, with the media of the configuration staged. */
static struct scr_unit *
stage(struct scrambler *app, const struct he_unit *conf, struct gw_err *err)
{
	struct scr_unit *u = scr_unit_find(app, conf->id, strlen(conf->id));
	bool fresh = !u;

	if (u && !scr_unit_same(u, conf))
		return gw_fail(err, GW_ECONF, "service %s: scrambling, authentication, rcc and sources of a running service change with a restart only",
		    conf->id), NULL;
	if (fresh && !(u = scr_unit_open(app, conf, err)))
		return NULL;
	if (scr_unit_stage(u, conf, err) == 0)
		return u;
	scr_unit_revert(u);
	if (fresh)
		scr_unit_close(u);
	return NULL;
}

/*
 * The units of a configuration, in place of those there are: everything new is opened first, so that a file that fails leaves
 * everything as it was. Units and media that stay keep their keys and sockets.
 */
static int
take_units(struct scrambler *app, const struct headend *he, struct gw_err *err)
{
	size_t want, n = 0;
	const struct he_unit **conf = scr_conf_units(he, &want);
	struct scr_unit **units = calloc(want + 1, sizeof(*units));
	bool taken = conf && units;

	if (!taken)
		gw_fail(err, GW_ESYS, "no memory");
	for (; taken && n < want; n += taken)
		taken = (units[n] = stage(app, conf[n], err)) != NULL;
	free(conf);
	for (size_t i = 0; i < n; i++) {
		(taken ? scr_unit_commit : scr_unit_revert)(units[i]);
		units[i]->kept = taken;
	}
	for (size_t i = 0; !taken && i < app->nunits; i++)
		app->units[i]->kept = true;
	/* of the two lists one stays; what is in the other only goes */
	struct scr_unit **keep = taken ? units : app->units, **drop = taken ? app->units : units;
	size_t nkeep = taken ? n : app->nunits, ndrop = taken ? app->nunits : n;
	for (size_t i = 0; i < ndrop; i++)
		if (!drop[i]->kept)
			scr_unit_close(drop[i]);
	free(drop);
	app->units = keep;
	app->nunits = nkeep;
	gw_index_clear(&app->by_id);
	for (size_t i = 0; i < nkeep; i++) {
		keep[i]->kept = false;
		if (gw_index_put(&app->by_id, keep[i]->id, keep[i]) < 0)
			gw_log(GW_ERR, "no_memory", "a service will get no keys", "service=%s", keep[i]->id);
	}
	return taken ? 0 : -1;
}

static void
on_second(uv_timer_t *t)
{
	struct scrambler *app = t->data;
	int64_t jump = gw_clock_jump(&app->watch, gw_utc_us(), gw_mono_us(), CLOCK_TOLERANCE_US);

	if (jump)
		gw_log(GW_WARNING, "clock_jump", "crypto-periods follow absolute time", "jump_us=%lld", (long long)jump);
	if (jump)
		scr_work_replan(app);
	for (size_t i = 0; i < app->nunits; i++)
		scr_unit_second(app->units[i]);
	scr_work_second(app);
	scr_follow_second(app);
}

static void
stop(void *self)
{
	struct scrambler *app = self;

	scr_follow_close(app);
	for (size_t i = 0; i < app->nunits; i++)
		scr_unit_close(app->units[i]);
	free(app->units);
	app->units = NULL;
	app->nunits = 0;
	gw_index_clear(&app->by_id);
	scr_work_close(app);
	gw_ops_close(app->ops);
	app->ops = NULL;
	scr_sap_close(app->sap);
	app->sap = NULL;
	if (app->ticking)
		uv_close((uv_handle_t *)&app->second, NULL);
	app->ticking = false;
	gw_life_close(&app->life);
}

static void
reload(void *self)
{
	struct scrambler *app = self;
	struct gw_err err = { 0 };
	struct headend *he = load(app, &err);

	if (!he || take_units(app, he, &err) < 0) {
		gw_log(GW_ERR, "reload_refused", err.text, "services=%zu", app->nunits);
	} else {
		if (strcmp(he->playout, app->playout) != 0 || strcmp(he->state, app->state) != 0 || he->scrambler.threads != app->nworkers ||
		    scr_conf_engine(he) != app->engine)
			gw_log(GW_WARNING, "reload_partly", "playout, state, engine and threads change with a restart only", "playout=%s state=%s threads=%zu",
			    app->playout, app->state, app->nworkers);
		gw_log(GW_NOTICE, "reloaded", NULL, "services=%zu", app->nunits);
		scr_sap_reload(app->sap, he);
		scr_follow_again(app);	/* the SCS hears the new list and sends what is committed */
	}
	headend_free(he);
}

static int
start(struct scrambler *app, const struct headend *he, struct gw_err *err)
{
	struct gw_ops_conf ops = { .program = "scrambler", .instance = "", .status = scr_status, .collect = scr_collect, .self = app };

	app->head_end = strdup(he->head_end);
	app->playout = strdup(he->playout);
	app->state = strdup(he->state);
	if (!app->head_end || !app->playout || !app->state)
		return gw_fail(err, GW_ESYS, "no memory");
	if (!app->args.status.scheme && gw_ops_default_addr(app->playout, ops.program, ops.instance, &app->args.status, err) < 0)
		return -1;
	if (gw_life_open(&app->life, &app->loop, stop, reload, app, err) < 0 || scr_work_open(app, he, err) < 0 || take_units(app, he, err) < 0 ||
	    !(app->ops = gw_ops_open(&app->loop, &app->args.status, &ops, err)) || !(app->sap = scr_sap_open(&app->loop, he, err)))
		return -1;
	uv_timer_init(&app->loop, &app->second);
	app->second.data = app;
	app->ticking = true;
	uv_timer_start(&app->second, on_second, 1000, 1000);
	scr_follow_open(app);
	return 0;
}

/* A power of two, with room for services that a reload brings. */
static size_t
secret_kib(const struct headend *he)
{
	size_t n, kib = SECRET_KIB;

	free(scr_conf_units(he, &n));
	while (kib < n * UNIT_KIB * 5 / 4)
		kib *= 2;
	return kib;
}

static int
run(struct scrambler *app, struct headend *he, struct gw_err *err)
{
	int status = 0;

	gw_raise_nofile();
	/* locked memory precedes keys */
	if (gw_secrets_init(secret_kib(he), false, err) < 0)
		return gw_die(err);
	if (gw_transforms_self_test(err) < 0) {
		gw_secrets_fini();
		return gw_die(err);
	}
	uv_loop_init(&app->loop);
	if (start(app, he, err) < 0) {
		status = gw_die(err);
		stop(app);
	} else {
		gw_life_ready(&app->life, "waits for keys");
		gw_log(GW_NOTICE, "ready", NULL, "services=%zu", app->nunits);
	}
	gw_loop_fini(&app->loop);
	free(app->head_end);
	free(app->playout);
	free(app->state);
	gw_secrets_fini();
	return status;
}

int
main(int argc, char **argv)
{
	static struct scrambler app = { .rate = { .burst = 10, .per_ms = 10000 } };
	struct gw_err err = { 0 };
	struct headend *he;
	int status = gw_args(&program, &app.args, &app, argc, argv);

	if (status >= 0)
		return status;
	gw_log_init("scrambler", app.args.log_level);
	if (!(he = load(&app, &err)))
		return gw_die(&err);
	if (app.args.check_config)
		headend_print(he);
	status = app.args.check_config ? 0 : run(&app, he, &err);
	headend_free(he);
	return status;
}
