/* scrambler/worker.c */
#include "scrambler/worker.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "lib/clock.h"

enum {
	TURNS = 16,		/* before the timer is looked at */
	YIELDS = 20, WAIT_NS = 20000, WAITS = 100,	/* how a busy worker lets the main thread in */
	SLICE_MS = 10000,	/* UTC may be set while it waits */
};

struct scr_worker {
	struct scr_worker_conf conf;
	uv_thread_t thread;
	uv_loop_t loop;
	uv_poll_t poll;
	uv_async_t wake;
	uv_timer_t timer;
	pthread_mutex_t lock;
	atomic_uint wanted;		/* somebody waits for the lock */
	atomic_bool stop;
	/* under the lock */
	struct scr_batch *batch;
	struct scr_note *notes; size_t first, n; uint64_t lost; bool fresh;
	int64_t armed_us;		/* what the timer is set to */
	/* its thread's own */
	int64_t next_us;		/* when a key is due next */
	/* beside it */
	struct scr_inputs *inputs;
	struct scr_outs *outs;
};

struct scr_batch *scr_worker_batch(struct scr_worker *w) { return w->batch; }
struct scr_inputs *scr_worker_inputs(struct scr_worker *w) { return w->inputs; }
struct scr_outs *scr_worker_outs(struct scr_worker *w) { return w->outs; }
unsigned scr_worker_number(const struct scr_worker *w) { return w->conf.number; }

/* ---- of the batch ---- */

static void
on_send(void *self, const struct scr_packet *pk, size_t n)
{
	struct scr_worker *w = self;

	scr_outs_send(w->outs, pk, n);
}

static void
on_changed(void *self, struct scr_line *l, enum scr_step step)
{
	const struct scr_key *k = &l->keys.now;
	struct scr_worker *w = self;
	struct scr_note *note = &w->notes[(w->first + w->n) % SCR_NOTES];

	w->fresh = true;
	if (w->n == SCR_NOTES) {
		w->lost++;
		return;
	}
	w->n++;
	*note = (struct scr_note){ .line = l, .step = step, .mode = k->mode, .cp = k->cp, .start_us = k->start_us,
		.starved = scr_keys_starved(&l->keys) };
	memcpy(note->fingerprint, k->fingerprint, sizeof(note->fingerprint));
}

static const struct scr_batch_ops ops = { .send = on_send, .changed = on_changed };

bool
scr_worker_note(struct scr_worker *w, struct scr_note *note, uint64_t *lost)
{
	*lost = w->lost;
	w->lost = 0;
	if (w->n == 0)
		return false;
	*note = w->notes[w->first];
	w->first = (w->first + 1) % SCR_NOTES;
	w->n--;
	return true;
}

void
scr_worker_forget(struct scr_worker *w, const struct scr_line *l)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->notes[(w->first + i) % SCR_NOTES].line == l)
			w->notes[(w->first + i) % SCR_NOTES].line = NULL;
}

/* ---- the lock ---- */

void
scr_worker_lock(struct scr_worker *w)
{
	atomic_fetch_add(&w->wanted, 1);
	pthread_mutex_lock(&w->lock);
	atomic_fetch_sub(&w->wanted, 1);
}

void
scr_worker_unlock(struct scr_worker *w)
{
	bool fresh = w->fresh, sooner = scr_batch_next(w->batch) != w->armed_us;

	w->fresh = false;
	pthread_mutex_unlock(&w->lock);
	if (fresh)
		uv_async_send(w->conf.notes);
	if (sooner)
		uv_async_send(&w->wake);
}

/* A mutex is not fair: who unlocks it and locks it again would have it again. */
static void
let_in(struct scr_worker *w)
{
	const struct timespec pause = { .tv_nsec = WAIT_NS };

	for (int i = 0; i < YIELDS + WAITS && atomic_load(&w->wanted); i++)
		if (i < YIELDS)
			sched_yield();
		else
			nanosleep(&pause, NULL);
}

/* ---- its thread ---- */

/* One turn; false: there was nothing to do. */
static bool
turn(struct scr_worker *w)
{
	bool some, fresh;

	let_in(w);
	pthread_mutex_lock(&w->lock);
	scr_batch_begin(w->batch, gw_utc_us(), gw_mono_us());
	some = scr_inputs_turn(w->inputs, w->batch);
	w->next_us = scr_batch_next(w->batch);
	fresh = w->fresh;
	w->fresh = false;
	pthread_mutex_unlock(&w->lock);
	if (fresh)
		uv_async_send(w->conf.notes);
	return some;
}

static void on_timer(uv_timer_t *);

static void
arm(struct scr_worker *w)
{
	int64_t next, wait;

	pthread_mutex_lock(&w->lock);
	next = w->next_us = w->armed_us = scr_batch_next(w->batch);
	pthread_mutex_unlock(&w->lock);
	wait = next == INT64_MAX ? INT64_MAX : next - gw_utc_us();
	wait = wait < 0 ? 0 : wait / 1000 < SLICE_MS ? (wait + 999) / 1000 : SLICE_MS;
	if (next == INT64_MAX)
		uv_timer_stop(&w->timer);
	else
		uv_timer_start(&w->timer, on_timer, (uint64_t)wait, 0);
}

static void
on_timer(uv_timer_t *t)
{
	struct scr_worker *w = t->data;

	turn(w);
	arm(w);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct scr_worker *w = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < TURNS && turn(w); i++)
		;
	if (w->next_us != w->armed_us)
		arm(w);
}

static void
on_wake(uv_async_t *a)
{
	struct scr_worker *w = a->data;

	if (!atomic_load(&w->stop)) {
		arm(w);
		return;
	}
	uv_close((uv_handle_t *)&w->poll, NULL);
	uv_close((uv_handle_t *)&w->timer, NULL);
	uv_close((uv_handle_t *)&w->wake, NULL);
}

static void
run(void *self)
{
	struct scr_worker *w = self;

	uv_run(&w->loop, UV_RUN_DEFAULT);
}

static int
start(struct scr_worker *w, struct gw_err *err)
{
	sigset_t all, before;
	int rc;

	uv_poll_init(&w->loop, &w->poll, scr_inputs_fd(w->inputs));
	uv_async_init(&w->loop, &w->wake, on_wake);
	uv_timer_init(&w->loop, &w->timer);
	w->poll.data = w->wake.data = w->timer.data = w;
	uv_poll_start(&w->poll, UV_READABLE, on_readable);
	/* signals are the main thread's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = uv_thread_create(&w->thread, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0)
		return 0;
	atomic_store(&w->stop, true);
	on_wake(&w->wake);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	return gw_fail(err, GW_ESYS, "thread: %s", uv_strerror(rc));
}

static void
release(struct scr_worker *w)
{
	scr_batch_free(w->batch);
	scr_inputs_free(w->inputs);
	scr_outs_free(w->outs);
	pthread_mutex_destroy(&w->lock);
	free(w->notes);
	free(w);
}

struct scr_worker *
scr_worker_open(const struct scr_worker_conf *conf, struct gw_err *err)
{
	struct scr_worker *w = calloc(1, sizeof(*w));

	if (!w) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	w->conf = *conf;
	w->next_us = w->armed_us = INT64_MAX;
	pthread_mutex_init(&w->lock, NULL);
	if ((w->batch = scr_batch_new(GW_BURST_AUTO, &ops, w, err)) && (w->inputs = scr_inputs_new(conf->only, err))) {
		if (!(w->outs = scr_outs_new(conf->gso)) || !(w->notes = calloc(SCR_NOTES, sizeof(*w->notes))))
			gw_fail(err, GW_ESYS, "no memory");
		else if (uv_loop_init(&w->loop) == 0) {
			if (start(w, err) == 0)
				return w;
			uv_loop_close(&w->loop);
		} else
			gw_fail(err, GW_ESYS, "no loop");
	}
	release(w);
	return NULL;
}

void
scr_worker_close(struct scr_worker *w)
{
	if (!w)
		return;
	atomic_store(&w->stop, true);
	uv_async_send(&w->wake);
	uv_thread_join(&w->thread);
	uv_loop_close(&w->loop);
	release(w);
}
