/* bridge/shell.c: opens the parts in order, closes them, gives them another reading of the file; and what operators see */
#include <stdlib.h>
#include <string.h>
#include "bridge/bridge.h"

static json_t *
status(void *self)
{
	const struct bridge *app = self;
	json_t *o = json_pack("{s:s, s:o}", "bridge", app->conf.b->name, "exchanges", ex_report(app->ex));

	for (size_t i = 0; i < bridge_nparts; i++)
		if (app->part[i])
			json_object_set_new(o, bridge_parts[i].name, bridge_parts[i].status(app->part[i]));
	return o;
}

static void
collect(void *self, struct gw_samples *out)
{
	const struct bridge *app = self;

	ex_collect(app->ex, out);
	for (size_t i = 0; i < bridge_nparts; i++)
		if (app->part[i] && bridge_parts[i].collect)
			bridge_parts[i].collect(app->part[i], out);
}

int
bridge_open(struct bridge *app, struct gw_err *err)
{
	struct gw_ops_conf ops = { .program = "bridge", .instance = app->conf.b->name, .status = status, .collect = collect, .self = app };

	app->ex = ex_open(&app->loop, app->conf.he, app->conf.b, app->args.schemas, err);
	if (!app->ex)
		return -1;
	for (size_t i = 0; i < bridge_nparts; i++) {
		app->part[i] = bridge_parts[i].open(app, err);
		if (!app->part[i])
			return gw_wrap(err, "%s", bridge_parts[i].name);
	}
	app->ops = gw_ops_open(&app->loop, &app->conf.status, &ops, err);
	return app->ops ? 0 : -1;
}

static void
close_parts(struct bridge *app, bool first)
{
	for (size_t i = bridge_nparts; i-- > 0; ) {
		if (!app->part[i] || bridge_parts[i].first != first)
			continue;
		bridge_parts[i].close(app->part[i]);
		app->part[i] = NULL;
	}
}

void
bridge_close(struct bridge *app)
{
	gw_ops_close(app->ops);
	app->ops = NULL;
	close_parts(app, true);
	ex_close(app->ex);
	close_parts(app, false);
}

static bool
is_open(const struct bridge *app, size_t i)
{
	return app->part[i] && bridge_parts[i].reconf;
}

void
bridge_let_go(struct bridge *app)
{
	while (app->kept) {
		struct bridge_kept *k = app->kept;

		app->kept = k->next;
		bridge_conf_free(&k->conf);
		free(k);
	}
}

/* A part that could not go back has pointers into the reading that it was given: that one stays until another has been taken by all. */
static void
keep(struct bridge *app, const struct bridge_conf *refused)
{
	struct bridge_kept *k = malloc(sizeof(*k));

	if (k) {
		*k = (struct bridge_kept){ *refused, app->kept };
		app->kept = k;
	}
	gw_log(GW_ERR, "reload_half", "not everything could go back to the old file: reload a good one, or restart", "bridge=%s", app->conf.b->name);
}

int
bridge_reload(struct bridge *app, struct bridge_conf *fresh, struct gw_err *err)
{
	struct bridge_conf old = app->conf;
	bool back = true;
	size_t n = 0;
	int rc;

	if (ex_check(app->ex, fresh->he, fresh->b, err) < 0) {
		bridge_conf_free(fresh);
		return -1;
	}
	ex_take(app->ex, fresh->he, fresh->b);
	rc = 0;
	while (n < bridge_nparts && (!is_open(app, n) || (rc = bridge_parts[n].reconf(app->part[n], fresh->he, fresh->b, err)) == 0))
		n++;
	if (rc == 0) {
		app->conf = *fresh;
		bridge_conf_free(&old);
		bridge_let_go(app);
		return 0;
	}
	ex_take(app->ex, old.he, old.b);
	for (n++; n-- > 0; )	/* with the one that refused */
		if (is_open(app, n) && bridge_parts[n].reconf(app->part[n], old.he, old.b, NULL) < 0)
			back = false;
	if (back)
		bridge_conf_free(fresh);
	else
		keep(app, fresh);
	return -1;
}
