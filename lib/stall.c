/* lib/stall.c */
#include "lib/stall.h"

enum { LOOK_MS = 100 };

static void on_look(uv_timer_t *);

static void
arm(struct gw_stall *s)
{
	s->due_ms = uv_now(s->timer.loop) + LOOK_MS;
	uv_timer_start(&s->timer, on_look, LOOK_MS, 0);
}

/* The loop's own time stands still during a turn: what it says now, a long turn has not spoiled. */
static void
on_look(uv_timer_t *t)
{
	struct gw_stall *s = t->data;
	const uint64_t now = uv_hrtime() / 1000000, late = now > s->due_ms ? now - s->due_ms : 0;

	if (late >= GW_STALL_MS) {
		s->count++;
		s->total_ms += late;
		if (late > s->longest_ms)
			s->longest_ms = late;
		gw_log_limited(&s->rate, GW_NOTICE, "stalled", "nothing was done for so long: the processor was somebody else's, or the disk was slow", "ms=%llu",
		    (unsigned long long)late);
	}
	arm(s);
}

void
gw_stall_open(struct gw_stall *s, uv_loop_t *loop)
{
	uv_timer_init(loop, &s->timer);
	uv_unref((uv_handle_t *)&s->timer);
	s->timer.data = s;
	s->rate = (struct gw_rate){ .burst = 5, .per_ms = 60000 };
	s->due_ms = UINT64_MAX;		/* what goes before the first turn is none */
	uv_timer_start(&s->timer, on_look, 0, 0);
}

void
gw_stall_close(struct gw_stall *s, uv_close_cb done)
{
	uv_close((uv_handle_t *)&s->timer, done);
}
