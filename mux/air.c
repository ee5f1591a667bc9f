/* mux/air.c */
#include "mux/air.h"

static void
on_settle(uv_timer_t *t)
{
	struct mux_air *a = t->data;

	mux_outputs_settle(a->outputs);
}

static void
on_check(uv_check_t *c)
{
	struct mux_air *a = c->data;

	if (!a->touched)
		return;
	a->touched = false;
	uv_idle_stop(&a->idle);
	mux_outputs_flush(a->outputs);
	if (mux_outputs_wait(a->outputs) && !uv_is_active((uv_handle_t *)&a->settle))
		uv_timer_start(&a->settle, on_settle, MUX_SETTLE_MS, 0);
}

/* There for its being: who sends from a timer or before the loop sleeps is not to wait for the next event. */
static void
on_idle(uv_idle_t *i)
{
	(void)i;
}

void
mux_air_open(struct mux_air *a, uv_loop_t *loop, struct mux_outputs *outputs)
{
	a->outputs = outputs;
	uv_check_init(loop, &a->check);
	uv_idle_init(loop, &a->idle);
	uv_timer_init(loop, &a->settle);
	a->check.data = a->settle.data = a;
	uv_check_start(&a->check, on_check);
	uv_unref((uv_handle_t *)&a->check);
	a->open = true;
}

void
mux_air_touch(struct mux_air *a)
{
	if (a->touched || !a->open)
		return;
	a->touched = true;
	uv_idle_start(&a->idle, on_idle);
}

void
mux_air_close(struct mux_air *a)
{
	if (!a->open)
		return;
	a->open = false;
	mux_outputs_settle(a->outputs);
	uv_close((uv_handle_t *)&a->check, NULL);
	uv_close((uv_handle_t *)&a->idle, NULL);
	uv_close((uv_handle_t *)&a->settle, NULL);
}
