/* emmg/main.c: simulgate-emmg: EMMs, LTKMs and private data toward a mux */
#include <stdlib.h>
#include <string.h>
#include "emmg/emmg.h"
#include "lib/secret.h"

enum { SECRET_KIB = 1024 };

/* Every source of the configuration, and the plugin if one of them is its; what was opened is in *c and *plugin even on failure. */
static int
open_sources(uv_loop_t *loop, struct emmg_conf *c, struct emmg_plugin **plugin, struct gw_err *err)
{
	if (c->plugin && !(*plugin = emmg_plugin_open(loop, c->plugin, c->lines, err)))
		return -1;
	for (size_t i = 0; i < c->n; i++)
		for (size_t k = 0; k < c->channels[i].n; k++) {
			struct emmg_stream *t = &c->channels[i].streams[k];
			const struct kms_ltkm what = { .client_id = c->channels[i].c.client_id, .data_id = t->s.data_id,
				.data_type = t->s.data_type, .section_TSpkt_flag = c->channels[i].c.format };

			t->from = t->source ? emmg_source_file(t->source, what.section_TSpkt_flag, t->loop, err) :
			    emmg_source_plugin(*plugin, &what, err);
			if (!t->from)
				return -1;
		}
	return 0;
}

static void
close_sources(struct emmg_conf *c)
{
	for (size_t i = 0; i < c->n; i++)
		for (size_t k = 0; k < c->channels[i].n; k++) {
			emmg_source_free(c->channels[i].streams[k].from);
			c->channels[i].streams[k].from = NULL;
		}
}

/* Channels that are in the configuration no more end; those that are new begin; the others get their streams. */
static int
apply(struct emmg *app, struct emmg_conf *c, struct gw_err *err)
{
	for (struct emmg_peer *p = app->peers, *next; p; p = next) {
		size_t i = 0;

		next = p->next;
		while (i < c->n && !emmg_peer_is(p, &c->channels[i]))
			i++;
		if (i == c->n)
			emmg_peer_close(p);
	}
	for (size_t i = 0; i < c->n; i++) {
		struct emmg_peer *p = app->peers;

		while (p && !emmg_peer_is(p, &c->channels[i]))
			p = p->next;
		if ((!p && !(p = emmg_peer_open(app, &c->channels[i], err))) || emmg_peer_streams(p, &c->channels[i], err) < 0)
			return -1;
	}
	return 0;
}

static void
finish(struct emmg *app)
{
	emmg_plugin_close(app->plugin);
	app->plugin = NULL;
	gw_ops_close(app->ops);
	app->ops = NULL;
	if (app->timing)
		uv_close((uv_handle_t *)&app->end, NULL);
	app->timing = false;
	gw_life_close(&app->life);
}

static void
stop(void *self)
{
	struct emmg *app = self;

	if (!app->stopping)
		gw_log(GW_NOTICE, "stop", NULL, "kms=%s", app->conf.name);
	app->stopping = true;
	for (struct emmg_peer *p = app->peers; p; p = p->next)
		emmg_peer_close(p);
	if (!app->peers)
		finish(app);
}

/* Without a channel there is nothing to do: asked to stop, or every source has been sent to its end. */
void
emmg_peer_gone(struct emmg_peer *gone)
{
	struct emmg_peer **p = &gone->app->peers;

	while (*p != gone)
		p = &(*p)->next;
	*p = gone->next;
	if (!gone->app->peers)
		finish(gone->app);
}

/* Files and configuration are read again; whatever fails leaves everything as it was. */
static void
reload(void *self)
{
	struct emmg *app = self;
	struct emmg_plugin *plugin = NULL;
	struct emmg_conf fresh;
	struct gw_err err = { 0 };

	if (app->stopping)
		return;
	if (emmg_conf_load(&fresh, &app->args, &err) < 0) {
		gw_log(GW_ERR, "reload_refused", err.text, "kms=%s", app->conf.name);
		return;
	}
	if (open_sources(&app->loop, &fresh, &plugin, &err) < 0) {
		gw_log(GW_ERR, "reload_refused", err.text, "kms=%s", app->conf.name);
		close_sources(&fresh);
		emmg_plugin_close(plugin);
		emmg_conf_free(&fresh);
		return;
	}
	if (apply(app, &fresh, &err) < 0)
		gw_log(GW_ERR, "reload_incomplete", err.text, "kms=%s", app->conf.name);
	close_sources(&fresh);
	emmg_plugin_close(app->plugin);
	app->plugin = plugin;
	emmg_conf_free(&app->conf);
	app->conf = fresh;
	gw_log(GW_NOTICE, "reload", NULL, "kms=%s channels=%zu", app->conf.name, app->conf.n);
}

static void
on_end(uv_timer_t *t)
{
	stop(t->data);
}

static int
start(struct emmg *app, struct gw_err *err)
{
	struct gw_ops_conf ops = { .program = "emmg", .instance = app->args.kms ? app->args.kms : "", .status = emmg_status,
		.collect = emmg_collect, .self = app };
	int rc = open_sources(&app->loop, &app->conf, &app->plugin, err) < 0 || apply(app, &app->conf, err) < 0 ? -1 : 0;

	close_sources(&app->conf);
	if (rc < 0)
		return -1;
	if (app->conf.status.scheme && !(app->ops = gw_ops_open(&app->loop, &app->conf.status, &ops, err)))
		return -1;
	uv_timer_init(&app->loop, &app->end);
	app->end.data = app;
	app->timing = true;
	if (app->args.seconds)
		uv_timer_start(&app->end, on_end, (uint64_t)app->args.seconds * 1000, 0);
	return gw_life_open(&app->life, &app->loop, stop, reload, app, err);
}

static int
run(struct emmg *app, struct gw_err *err)
{
	int status = 0;

	gw_raise_nofile();
	/* locked memory precedes keys, which a plugin may have, now or after a reload */
	if (gw_secrets_init(SECRET_KIB, false, err) < 0)
		return gw_die(err);
	uv_loop_init(&app->loop);
	if (start(app, err) < 0) {
		status = gw_die(err);
		stop(app);
	} else {
		gw_life_ready(&app->life, "sending");
	}
	gw_loop_fini(&app->loop);
	gw_secrets_fini();
	if (status == 0 && app->args.seconds && !app->worked) {
		gw_fail(err, GW_EUNAVAIL, "no stream was ever set up in %u s", app->args.seconds);
		return gw_die(err);
	}
	return status;
}

/* What a start would read of them; a plugin is not loaded, for that is a start. */
static int
check_sources(const struct emmg_conf *c, struct gw_err *err)
{
	for (size_t i = 0; i < c->n; i++)
		for (size_t k = 0; k < c->channels[i].n; k++) {
			const struct emmg_stream *t = &c->channels[i].streams[k];
			struct emmg_source *s = t->source ? emmg_source_file(t->source, c->channels[i].c.format, t->loop, err) : NULL;

			if (t->source && !s)
				return -1;
			emmg_source_free(s);
		}
	return 0;
}

static int
serve(struct emmg *app, struct gw_err *err)
{
	const struct gw_args *common = &app->args.common;

	if (common->check_config && common->config && !app->args.kms)
		return headend_check(common->config, err);	/* without --kms the whole file is what there is to check */
	if (emmg_conf_load(&app->conf, &app->args, err) < 0)
		return gw_die(err);
	if (!common->check_config)
		return run(app, err);
	if (check_sources(&app->conf, err) < 0)
		return gw_die(err);
	emmg_conf_print(&app->conf);
	return 0;
}

int
main(int argc, char **argv)
{
	static struct emmg app = { .rate = { .burst = 10, .per_ms = 10000 } };
	struct gw_err err = { 0 };
	int status = emmg_args(&app.args, argc, argv);

	if (status < 0) {
		gw_log_init("emmg", app.args.common.log_level);
		status = serve(&app, &err);
	}
	emmg_conf_free(&app.conf);
	emmg_args_free(&app.args);
	return status;
}
