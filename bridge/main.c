/* bridge/main.c: simulgate-bridge: XML over HTTPS on one side, SimulCrypt on the other */
#include "bridge/bridge.h"
#include "lib/secret.h"
#include "lib/xml.h"

enum { SECRET_KIB = 2048 };

static void
stop(void *self)
{
	struct bridge *app = self;

	if (app->stopping)
		return;
	app->stopping = true;
	gw_log(GW_NOTICE, "stop", NULL, "bridge=%s", app->conf.b->name);
	bridge_close(app);
	gw_life_close(&app->life);
}

/* A file that fails, or that asks for what takes a restart, leaves everything as it was. */
static void
reload(void *self)
{
	struct bridge *app = self;
	struct bridge_conf fresh;
	struct gw_err err = { 0 };

	if (app->stopping)
		return;
	if (bridge_conf_load(&fresh, &app->args, &err) < 0) {
		gw_log(GW_ERR, "reload_refused", err.text, "bridge=%s", app->conf.b->name);
	} else if (bridge_reload(app, &fresh, &err) < 0) {
		gw_log(GW_ERR, "reload_refused", err.text, "bridge=%s", app->conf.b->name);
	} else {
		gw_log(GW_NOTICE, "reload", NULL, "bridge=%s peers=%zu", app->conf.b->name, app->conf.b->npeers);
	}
}

static int
run(struct bridge *app, struct gw_err *err)
{
	char at[GW_ADDR_TEXT] = "-";
	int status = 0;

	gw_raise_nofile();
	if (gw_secrets_init(SECRET_KIB, false, err) < 0)	/* locked memory precedes keys */
		return gw_die(err);
	uv_loop_init(&app->loop);
	if (bridge_open(app, err) < 0 || gw_life_open(&app->life, &app->loop, stop, reload, app, err) < 0) {
		status = gw_die(err);
		stop(app);
	} else {
		if (ex_addr(app->ex))
			gw_addr_text(ex_addr(app->ex), at, sizeof(at));
		gw_log(GW_NOTICE, "ready", NULL, "bridge=%s id=%s listen=%s peers=%zu", app->conf.b->name, app->conf.b->id, at, app->conf.b->npeers);
		gw_life_ready(&app->life, "serving");
	}
	gw_loop_fini(&app->loop);
	gw_secrets_fini();
	return status;
}

static int
serve(struct bridge *app, struct gw_err *err)
{
	const struct gw_args *common = &app->args.common;

	if (common->check_config && !app->args.name)
		return headend_check(common->config, err);	/* without --bridge the whole file is what there is to check */
	if (bridge_conf_load(&app->conf, &app->args, err) < 0)
		return gw_die(err);
	if (!common->check_config)
		return run(app, err);
	bridge_conf_print(&app->conf);
	return 0;
}

int
main(int argc, char **argv)
{
	static struct bridge app;
	struct gw_err err = { 0 };
	int status = bridge_args(&app.args, argc, argv);

	if (status < 0) {
		gw_log_init("bridge", app.args.common.log_level);
		if (gw_xml_cleanse() < 0)	/* before libxml2 has memory of its own */
			gw_log(GW_WARNING, "xml_memory", "libxml2 is in use already: what it frees is not cleansed", "");
		status = serve(&app, &err);
	}
	bridge_let_go(&app);
	bridge_conf_free(&app.conf);
	bridge_args_free(&app.args);
	return status;
}
