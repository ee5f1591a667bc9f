/* bsm/main.c: simulgate-bsm: the subscribers' side of a KMS of the Smartcard profile */
#include "bsm/bsm.h"
#include "lib/secret.h"

enum { SECRET_KIB = 1024 };

static void
stop(void *self)
{
	struct bsm *app = self;

	if (app->stopping)
		return;
	app->stopping = true;
	gw_log(GW_NOTICE, "stop", NULL, "bsm=%s", app->conf.b->name);
	bsm_shell_close(app);
	gw_life_close(&app->life);
}

/* A file that fails, or that asks for what takes a restart, leaves everything as it was. */
static void
reload(void *self)
{
	struct bsm *app = self;
	struct bsm_conf fresh;
	struct gw_err err = { 0 };

	if (app->stopping)
		return;
	if (bsm_conf_load(&fresh, &app->args, &err) < 0) {
		gw_log(GW_ERR, "reload_refused", err.text, "bsm=%s", app->conf.b->name);
	} else if (bsm_shell_reload(app, &fresh, &err) < 0) {
		gw_log(GW_ERR, "reload_refused", err.text, "bsm=%s", app->conf.b->name);
		bsm_conf_free(&fresh);
	} else {
		gw_log(GW_NOTICE, "reload", NULL, "bsm=%s services=%zu", app->conf.b->name, app->services);
	}
}

static int
run(struct bsm *app, struct gw_err *err)
{
	char at[GW_ADDR_TEXT];
	int status = 0;

	gw_raise_nofile();
	if (gw_secrets_init(SECRET_KIB, false, err) < 0)	/* locked memory precedes keys */
		return gw_die(err);
	uv_loop_init(&app->loop);
	if (bsm_shell_open(app, err) < 0 || gw_life_open(&app->life, &app->loop, stop, reload, app, err) < 0) {
		status = gw_die(err);
		stop(app);
	} else {
		gw_log(GW_NOTICE, "ready", NULL, "bsm=%s kms=%s store=%s services=%zu listen=%s", app->conf.b->name, app->conf.b->kms->name,
		    app->conf.b->kms->store, app->services, gw_addr_text(gw_httpd_addr(app->terminals.httpd), at, sizeof(at)));
		gw_life_ready(&app->life, "serving");
	}
	gw_loop_fini(&app->loop);
	gw_secrets_fini();
	return status;
}

static int
serve(struct bsm *app, struct gw_err *err)
{
	const struct gw_args *common = &app->args.common;

	if (common->check_config && !app->args.name)
		return headend_check(common->config, err);	/* without --bsm the whole file is what there is to check */
	if (bsm_conf_load(&app->conf, &app->args, err) < 0)
		return gw_die(err);
	if (!common->check_config)
		return run(app, err);
	bsm_conf_print(&app->conf);
	return 0;
}

int
main(int argc, char **argv)
{
	static struct bsm app;
	struct gw_err err = { 0 };
	int status = bsm_args(&app.args, argc, argv);

	if (status < 0) {
		gw_log_init("bsm", app.args.common.log_level);
		delivery_keep_memory();
		status = serve(&app, &err);
	}
	bsm_conf_free(&app.conf);
	bsm_args_free(&app.args);
	return status;
}
