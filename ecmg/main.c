/* ecmg/main.c: simulgate-ecmg: control words in, ECMs out */
#include <unistd.h>
#include "ecmg/server.h"
#include "lib/log.h"
#include "lib/secret.h"

enum { SECRET_KIB = 4096 };	/* two SEKs with their contexts of each of 5000 streams */

static int
run(struct ecmg_server *s, struct gw_err *err)
{
	int status = 0;

	gw_raise_nofile();
	/* locked memory precedes keys */
	if (gw_secrets_init(SECRET_KIB, false, err) < 0)
		return gw_die(err);
	uv_loop_init(&s->loop);
	if (ecmg_server_start(s, err) < 0) {
		status = gw_die(err);
		ecmg_server_stop(s);
	}
	gw_loop_fini(&s->loop);
	if (s->abandoned)
		_exit(status);	/* exit() would take OpenSSL away from a plugin that still runs */
	gw_secrets_fini();
	return status;
}

static int
serve(struct ecmg_server *s, struct gw_err *err)
{
	const struct gw_args *common = &s->args.common;

	if (common->check_config && common->config && !s->args.kms)
		return headend_check(common->config, err);	/* without --kms the whole file is what there is to check */
	if (ecmg_conf_load(&s->conf, &s->args, err) < 0)
		return gw_die(err);
	if (!common->check_config)
		return run(s, err);
	ecmg_conf_print(&s->conf);
	return 0;
}

int
main(int argc, char **argv)
{
	static struct ecmg_server server;
	struct gw_err err = { 0 };
	int status = ecmg_args(&server.args, argc, argv);

	if (status < 0) {
		gw_log_init("ecmg", server.args.common.log_level);
		status = serve(&server, &err);
	}
	ecmg_server_fini(&server);
	return status;
}
