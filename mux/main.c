/* mux/main.c: simulgate-mux: keeps on air what the SCS has committed, and what EMMGs and PDGs send */
#include <stdlib.h>
#include <string.h>
#include "lib/clock.h"
#include "lib/log.h"
#include "mux/mux.h"

enum { LOOK_MS = 250 };	/* so often the clock is watched for jumps */

static void
on_tick(uv_timer_t *t)
{
	struct mux *m = t->data;
	int64_t now = gw_mono_us(), next;

	mux_carousel_run(m->carousel, gw_utc_us(), now, mux_output_send, &m->outputs);
	mux_air_touch(&m->air);
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

	gw_log(GW_NOTICE, "stop", NULL, "on_air=%zu emmgs=%zu", mux_carousel_counts(m->carousel).on_air, m->emmg.face.nconns);
	mux_face_close(&m->emmg.face);
	mux_follow_close(m->scs);
	gw_ops_close(m->ops);
	mux_air_close(&m->air);
	if (m->ticking)
		uv_close((uv_handle_t *)&m->tick, NULL);
	m->ticking = false;
	gw_life_close(&m->life);
}

static bool
moved(const struct he_mux *a, const struct he_mux *b)
{
	return memcmp(&a->emmg, &b->emmg, sizeof(a->emmg)) != 0 || memcmp(&a->emmg_udp, &b->emmg_udp, sizeof(a->emmg_udp)) != 0;
}

/* Streams whose place has not changed notice nothing; a file that fails leaves everything as it was. */
static void
reload(void *self)
{
	struct mux *m = self;
	struct gw_err err = { 0 };
	struct mux_conf fresh;

	if (!m->conf.file) {
		gw_log(GW_NOTICE, "reload_ignored", "this mux has no file", "");
		return;
	}
	if (mux_conf_load(&fresh, &m->args, &err) < 0) {
		gw_log(GW_ERR, "reload_refused", err.text, "file=%s", m->conf.file->file);
		return;
	}
	if (moved(&fresh.rules, &m->conf.rules))
		gw_log(GW_WARNING, "reload_partly", "addresses change with a restart only", "file=%s", m->conf.file->file);
	mux_carousel_set_period(m->carousel, fresh.rules.repetition_ms);
	mux_conf_free(&m->conf);
	m->conf = fresh;
	mux_emmg_reload(&m->emmg, &m->conf);
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
	mux_air_open(&m->air, &m->loop, &m->outputs);
	soon(m);
	if (m->conf.file && !(m->scs = mux_follow_open(&m->loop, &m->conf.scs, &follow)))
		return gw_fail(err, GW_ESYS, "out of memory");
	if (mux_emmg_open(&m->emmg, &m->loop, &m->conf, &m->outputs, &m->air, err) < 0)
		return -1;
	if (m->conf.status.scheme && !(m->ops = gw_ops_open(&m->loop, &m->conf.status, &ops, err)))
		return -1;
	return gw_life_open(&m->life, &m->loop, stop, reload, m, err);
}

static int
run(struct mux *m, struct gw_err *err)
{
	int status = 0;

	gw_raise_nofile();	/* a socket per output and EMMG */
	m->carousel = mux_carousel_new(m->conf.rules.repetition_ms, drop, m);
	if (!m->carousel || uv_loop_init(&m->loop) < 0) {
		gw_fail(err, GW_ESYS, "out of memory");
		return gw_die(err);
	}
	if (start(m, err) < 0) {
		status = gw_die(err);
		stop(m);
	} else {
		gw_life_ready(&m->life, m->scs ? "following the SCS" : "serving EMMGs");
	}
	gw_loop_fini(&m->loop);
	mux_face_fini(&m->emmg.face);
	mux_carousel_free(m->carousel);
	mux_outputs_fini(&m->outputs);
	return status;
}

int
main(int argc, char **argv)
{
	static struct mux m = { .outputs = { .rate = { .burst = 5, .per_ms = 10000 } } };
	struct gw_err err = { 0 };
	int status = mux_args(&m.args, argc, argv);

	if (status < 0) {
		gw_log_init("mux", m.args.common.log_level);
		if (mux_conf_load(&m.conf, &m.args, &err) < 0) {
			status = gw_die(&err);
		} else if (m.args.common.check_config) {
			mux_conf_print(&m.conf);
			status = 0;
		} else {
			status = run(&m, &err);
		}
		mux_conf_free(&m.conf);
	}
	mux_args_free(&m.args);
	return status;
}
