/* mux/main.c: simulgate-mux: follows the SCS's committed records and keeps their ECMs and STKMs on air */
#include <stdlib.h>
#include "lib/clock.h"
#include "lib/log.h"
#include "mux/mux.h"

enum { LOOK_MS = 250 };	/* so often the clock is watched for jumps */

static const struct gw_program program = {
	.name = "simulgate-mux",
	.usage = "[--config FILE]",
	.summary = "Keeps the ECMs and STKMs of committed crypto-periods on air.",
};

static void
on_tick(uv_timer_t *t)
{
	struct mux *m = t->data;
	int64_t now = gw_mono_us(), next;

	mux_carousel_run(m->carousel, gw_utc_us(), now, mux_output_send, &m->outputs);
	mux_outputs_flush(&m->outputs);
	next = mux_carousel_next(m->carousel);
	/* rounded up: a timer that fires a little early would fire twice */
	uv_timer_start(t, on_tick, next > now + LOOK_MS * 1000 ? LOOK_MS : (uint64_t)(next > now ? (next - now + 999) / 1000 : 0), 0);
}

static void
soon(void *self)
{
	struct mux *m = self;

	uv_timer_start(&m->tick, on_tick, 0, 0);
}

static void
drop(void *self, void *out)
{
	mux_output_unref(&((struct mux *)self)->outputs, out);
}

static void
stop(void *self)
{
	struct mux *m = self;

	gw_log(GW_NOTICE, "stop", NULL, "on_air=%zu", mux_carousel_counts(m->carousel).on_air);
	mux_follow_close(m->scs);
	gw_ops_close(m->ops);
	if (m->ticking)
		uv_close((uv_handle_t *)&m->tick, NULL);
	m->ticking = false;
	gw_life_close(&m->life);
}

/* Only the repetition period may change; a file that fails leaves everything as it was. */
static void
reload(void *self)
{
	struct mux *m = self;
	struct gw_err err = { 0 };
	struct mux_conf fresh;

	if (mux_conf_load(&fresh, m->args.config, &m->args.status, &err) < 0) {
		gw_log(GW_ERR, "reload_refused", err.text, "file=%s", m->conf.file->file);
		return;
	}
	mux_carousel_set_period(m->carousel, fresh.rep_ms);
	mux_conf_free(&m->conf);
	m->conf = fresh;
	gw_log(GW_NOTICE, "reload", NULL, "file=%s", m->conf.file->file);
}

static int
start(struct mux *m, struct gw_err *err)
{
	struct mux_follow_conf follow = { .name = "mux", .carousel = m->carousel, .outputs = &m->outputs, .changed = soon, .self = m };
	struct gw_ops_conf ops = { .program = "mux", .instance = "", .status = mux_status, .collect = mux_collect, .self = m };

	uv_timer_init(&m->loop, &m->tick);
	m->tick.data = m;
	m->ticking = true;
	soon(m);
	m->scs = mux_follow_open(&m->loop, &m->conf.scs, &follow);
	if (!m->scs)
		return gw_fail(err, GW_ESYS, "out of memory");
	m->ops = gw_ops_open(&m->loop, &m->conf.status, &ops, err);
	return m->ops ? gw_life_open(&m->life, &m->loop, stop, reload, m, err) : -1;
}

int
main(int argc, char **argv)
{
	struct mux m = { .outputs = { .rate = { .burst = 5, .per_ms = 10000 } } };
	struct gw_err err = { 0 };
	int status = gw_args(&program, &m.args, &m, argc, argv);

	if (status >= 0)
		return status;
	gw_log_init("mux", m.args.log_level);
	if (mux_conf_load(&m.conf, m.args.config, &m.args.status, &err) < 0)
		return gw_die(&err);
	if (m.args.check_config) {
		headend_print(m.conf.file);
		mux_conf_free(&m.conf);
		return 0;
	}
	gw_raise_nofile();	/* a socket per output */
	m.carousel = mux_carousel_new(m.conf.rep_ms, drop, &m);
	if (!m.carousel || uv_loop_init(&m.loop) < 0) {
		gw_fail(&err, GW_ESYS, "out of memory");
		return gw_die(&err);
	}
	if (start(&m, &err) < 0) {
		status = gw_die(&err);
		stop(&m);
	} else {
		status = 0;
		gw_life_ready(&m.life, "following the SCS");
	}
	gw_loop_fini(&m.loop);
	mux_carousel_free(m.carousel);
	mux_outputs_fini(&m.outputs);
	mux_conf_free(&m.conf);
	return status;
}
