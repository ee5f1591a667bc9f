/* scs/main.c: simulgate-scs: the synchroniser */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "scs/scs.h"

enum { SECRET_KIB = 4096, CLOCK_TOLERANCE_US = 100000 };
static const char default_config[] = SYSCONFDIR "/simulgate/headend.yaml";

static int
take_seed(void *self, const char *value, struct gw_err *err)
{
	(void)err;
	((struct scs *)self)->test_seed = value;
	return 0;
}

static const struct gw_option options[] = {
	{ "test-seed", "TEXT", "for tests only: keys are computed from TEXT, and so known to everybody", take_seed },
};
static const struct gw_program program = {
	.name = "simulgate-scs", .usage = "--config FILE",
	.summary = "Draws the keys of every service, has all KMSs make ECMs of them, and keeps scrambler and mux in step.",
	.options = options, .noptions = sizeof(options) / sizeof(options[0]),
};

/* The units of a file by name: each of thousands is looked for, several times. */
static int
index_units(const struct headend *he, struct gw_index *file, struct gw_err *err)
{
	for (size_t i = 0; i < he->nservices; i++)
		for (size_t k = 0; k < he->services[i].nunits; k++)
			if (he->services[i].units[k].nstkm && gw_index_put(file, he->services[i].units[k].id, &he->services[i].units[k]) < 0)
				return gw_fail(err, GW_ESYS, "out of memory");
	return 0;
}

static const struct he_unit *
unit_named(const struct gw_index *file, const char *id)
{
	return gw_index_get(file, id, strlen(id));
}

static size_t
count_units(const struct headend *he)
{
	size_t n = 0;

	for (size_t i = 0; i < he->nservices; i++)
		n += he->services[i].nunits;
	return n;
}

static bool
used(const struct headend *he, const struct he_kms *kms)
{
	for (size_t i = 0; i < he->nservices; i++)
		for (size_t k = 0; k < he->services[i].nunits; k++)
			for (size_t s = 0; s < he->services[i].units[k].nstkm; s++)
				if (he->services[i].units[k].stkm[s].kms == kms)
					return true;
	return false;
}

static bool
has_peer(const struct scs *app, const char *name)
{
	for (size_t i = 0; i < app->npeers; i++)
		if (strcmp(app->peers[i]->kms->name, name) == 0)
			return true;
	return false;
}

static bool
unit_stays(const struct scs_unit *u, const struct gw_index *file)
{
	const struct he_unit *conf = unit_named(file, u->conf->id);

	if (!conf || !scs_unit_same(u->conf, conf))
		return false;
	for (size_t i = 0; i < u->n; i++)	/* a KMS that is another one now takes its streams along */
		if (!scs_wire_same(u->conf->stkm[i].kms, conf->stkm[i].kms))
			return false;
	return true;
}

/* The units by name, whose names are those of the configuration. */
static int
reindex(struct scs *app, struct gw_err *err)
{
	gw_index_clear(&app->index);
	for (size_t i = 0; i < app->nunits; i++)
		if (gw_index_put(&app->index, app->units[i]->conf->id, app->units[i]) < 0)
			return gw_fail(err, GW_ESYS, "out of memory");
	return 0;
}

/* What is no more, or means something else now, goes; what stays is bound to the new file. */
static void
let_go(struct scs *app, const struct headend *he, const struct gw_index *file)
{
	size_t n = 0;

	for (size_t i = 0; i < app->nunits; i++) {
		struct scs_unit *u = app->units[i];
		if (unit_stays(u, file)) {
			app->units[n++] = u;
			continue;
		}
		bool end = !unit_named(file, u->conf->id);
		scs_unit_close(u, end);
		if (!end) {	/* its storage lives until the loop turns */
			u->next_dirty = app->replaced;
			app->replaced = u;
		}
	}
	app->nunits = n;
	n = 0;
	for (size_t i = 0; i < app->npeers; i++) {
		struct scs_peer *p = app->peers[i];
		const struct he_kms *kms = headend_kms(he, p->kms->name);
		if (kms && used(he, kms) && scs_wire_same(p->kms, kms)) {
			p->kms = kms;
			app->peers[n++] = p;
		} else {
			scs_peer_close(p);
		}
	}
	app->npeers = n;
	for (size_t i = 0; i < app->nunits; i++)
		scs_unit_rebind(app->units[i], unit_named(file, app->units[i]->conf->id));
}

static struct scs_peer *
open_peer(struct scs *app, const struct he_kms *kms, struct gw_err *err)
{
	struct scs_peer *p = scs_peer_open(app, kms, err);

	if (p)
		app->peers[app->npeers++] = p;
	return p;
}

/* Opens what is in the configuration and not here yet. One service that cannot be taken up is no reason to leave the others out. */
static int
bring_in(struct scs *app, const struct headend *he, struct gw_err *err)
{
	struct scs_peer **peers = realloc(app->peers, (he->nkms + 1) * sizeof(*peers));
	struct scs_unit **units = peers ? realloc(app->units, (count_units(he) + 1) * sizeof(*units)) : NULL;
	int rc = 0;

	if (peers)
		app->peers = peers;
	if (units)
		app->units = units;
	if (!peers || !units)
		return gw_fail(err, GW_ESYS, "out of memory");
	if (reindex(app, err) < 0)
		return -1;
	for (size_t i = 0; i < he->nkms; i++)
		if (used(he, &he->kms[i]) && !has_peer(app, he->kms[i].name) && !open_peer(app, &he->kms[i], err))
			return -1;
	for (size_t i = 0; i < he->nservices; i++)
		for (size_t k = 0; k < he->services[i].nunits; k++) {
			const struct he_unit *conf = &he->services[i].units[k];
			if (conf->nstkm == 0 || scs_unit_find(app, conf->id, strlen(conf->id)))
				continue;	/* without streams: a bridge knows the service, an SCS elsewhere makes its keys */
			if ((units[app->nunits] = scs_unit_open(app, conf, err)))
				app->nunits++;
			else
				rc = -1;
		}
	return reindex(app, err) < 0 ? -1 : rc;
}

/* What a reload could not take up, the store being away, say: tried again. */
static void
complete(struct scs *app)
{
	struct gw_err err = { 0 };

	app->incomplete = bring_in(app, app->he, &err) < 0;
	if (app->incomplete)
		gw_log_limited(&app->rate, GW_ERR, "reload_partly", err.text, "file=%s", app->he->file);
	else
		gw_log(GW_NOTICE, "reload_complete", NULL, "services=%zu kms=%zu", app->nunits, app->npeers);
}

int64_t
scs_now(struct scs *app)
{
	int64_t mono, utc, jump;
	int tries = 0;

	do {	/* both at the same instant: a process may be suspended between two lines */
		mono = gw_mono_us();
		utc = gw_utc_us();
	} while (gw_mono_us() - mono > CLOCK_TOLERANCE_US / 10 && ++tries < 10);
	if (!(jump = gw_clock_jump(&app->watch, utc, mono, CLOCK_TOLERANCE_US)))
		return utc;
	gw_log(GW_ERR, "clock_jump", "the plan moves with the clock, so that no crypto-period shrinks; look at NTP or PTP", "jump_us=%lld",
	    (long long)jump);
	for (size_t i = 0; i < app->nunits; i++) {
		scs_schedule_jump(app->units[i]->schedule, jump, utc);
		scs_touch(app->units[i]);
	}
	return utc;
}

static void
on_second(uv_timer_t *t)
{
	struct scs *app = t->data;

	scs_now(app);
	if (app->incomplete)
		complete(app);
	scs_follow_second(app);
}

static void
on_turn(uv_prepare_t *p)
{
	scs_work(p->data);
}

/* Their peers are closing by themselves. */
static void
end_units(struct scs *app)
{
	for (size_t i = 0; i < app->nunits; i++) {
		for (size_t k = 0; k < app->units[i]->n; k++)
			app->units[i]->streams[k].peer = NULL;
		scs_unit_close(app->units[i], false);
	}
	app->nunits = 0;
	gw_index_clear(&app->index);
}

static void
stop(void *self)
{
	struct scs *app = self;

	if (app->stopping)
		return;
	app->stopping = true;
	for (size_t i = 0; i < app->npeers; i++)
		scs_peer_close(app->peers[i]);
	app->npeers = 0;
	end_units(app);
	scs_follow_close(app);
	gw_ops_close(app->ops);
	app->ops = NULL;
	if (app->ticking) {
		uv_close((uv_handle_t *)&app->second, NULL);
		uv_close((uv_handle_t *)&app->turn, NULL);
	}
	app->ticking = false;
	gw_life_close(&app->life);
}

/* The keys that are stored for a unit were drawn for what it is: it cannot become something else under the same name. */
static int
may_replace(const struct scs *app, const struct headend *he, const struct gw_index *file, struct gw_err *err)
{
	for (size_t i = 0; i < app->nunits; i++) {
		const struct he_unit *conf = unit_named(file, app->units[i]->conf->id);
		const struct he_service *a = app->units[i]->conf->service, *b = conf ? conf->service : a;
		if (a->scrambling != b->scrambling || a->authentication != b->authentication || a->cw_length != b->cw_length)
			return gw_fail(err, GW_ECONF, "%s:%d:%d: service %s: its scrambling cannot change; give the service another id",
			    he->file, b->at.line, b->at.column, conf->id);
		if (!a->outside_keys != !b->outside_keys)
			return gw_fail(err, GW_ECONF, "%s:%d:%d: service %s: whether its keys are drawn here or come from a bridge cannot change; "
			    "give the service another id", he->file, b->at.line, b->at.column, conf->id);
	}
	if (strcmp(he->playout, app->he->playout) != 0 || strcmp(he->state, app->he->state) != 0)
		return gw_fail(err, GW_ECONF, "%s: playout and state change with a restart only", he->file);
	return 0;
}

static void
reload(void *self)
{
	struct scs *app = self;
	const char *path = app->args.config ? app->args.config : default_config;
	struct gw_index file = { 0 };
	struct gw_err err = { 0 };
	struct headend *he = headend_load(path, &err), *old = app->he;

	if (!he || index_units(he, &file, &err) < 0 || may_replace(app, he, &file, &err) < 0) {
		gw_log(GW_ERR, "reload_refused", err.text, "file=%s", path);
		gw_index_clear(&file);
		headend_free(he);
		return;
	}
	let_go(app, he, &file);
	gw_index_clear(&file);
	app->he = he;
	app->ids.he = he;
	app->incomplete = bring_in(app, he, &err) < 0;
	if (app->incomplete)	/* the store or memory failed: those that are there go on */
		gw_log(GW_ERR, "reload_partly", err.text, "file=%s", path);
	app->replaced = NULL;
	headend_free(old);
	gw_log(GW_NOTICE, "reloaded", NULL, "services=%zu kms=%zu", app->nunits, app->npeers);
}

static int
open_store(struct scs *app, struct gw_err *err)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/scs.db", app->he->state);
	if (gw_store_open(path, &app->store, err) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/scs.key", app->he->state);
	return gw_wrap_open(path, app->store, &app->wrap, err);
}

static int
start(struct scs *app, struct gw_err *err)
{
	struct gw_ops_conf ops = { .program = "scs", .instance = "", .status = scs_status, .collect = scs_collect, .self = app };

	if (gw_life_open(&app->life, &app->loop, stop, reload, app, err) < 0)
		return -1;
	if (!app->args.status.scheme && gw_ops_default_addr(app->he->playout, ops.program, ops.instance, &app->args.status, err) < 0)
		return -1;
	if (open_store(app, err) < 0 || !(app->cwg = cwg_new(app->test_seed, err)))
		return -1;
	uv_timer_init(&app->loop, &app->second);
	uv_prepare_init(&app->loop, &app->turn);
	app->second.data = app->turn.data = app;
	app->ticking = true;
	uv_timer_start(&app->second, on_second, 1000, 1000);
	uv_prepare_start(&app->turn, on_turn);
	/* The socket first: a second SCS on this playout is refused before it takes a service over. */
	if (scs_follow_open(app, err) < 0 || bring_in(app, app->he, err) < 0)
		return -1;
	app->ops = gw_ops_open(&app->loop, &app->args.status, &ops, err);
	return app->ops ? 0 : -1;
}

static int
run(struct scs *app, struct gw_err *err)
{
	gw_raise_nofile();
	if (gw_secrets_init(SECRET_KIB, false, err) < 0)	/* locked memory precedes keys */
		return gw_die(err);
	uv_loop_init(&app->loop);
	if (start(app, err) < 0) {
		app->status = gw_die(err);
		stop(app);
	} else {
		gw_life_ready(&app->life, "synchronises");
		gw_log(GW_NOTICE, "ready", NULL, "services=%zu kms=%zu", app->nunits, app->npeers);
	}
	gw_loop_fini(&app->loop);
	gw_wrap_close(app->wrap);
	gw_store_close(app->store);
	cwg_free(app->cwg);
	free(app->units);
	free(app->peers);
	gw_secrets_fini();
	return app->status;
}

int
main(int argc, char **argv)
{
	static struct scs app = { .rate = { .burst = 20, .per_ms = 10000 } };
	struct gw_err err = { 0 };
	int status = gw_args(&program, &app.args, &app, argc, argv);

	if (status >= 0)
		return status;
	gw_log_init("scs", app.args.log_level);
	if (!(app.he = headend_load(app.args.config ? app.args.config : default_config, &err)))
		return gw_die(&err);
	if (app.args.check_config)
		headend_print(app.he);
	status = app.args.check_config ? 0 : run(&app, &err);
	headend_free(app.he);
	return status;
}
