/* scrambler/work.c: the workers, as the main thread sees them: who has which unit, what they have to say */
#include <stdlib.h>
#include "lib/log.h"
#include "scrambler/scrambler.h"

static void
on_notes(uv_async_t *a)
{
	scr_work_notes(a->data);
}

int
scr_work_open(struct scrambler *app, const struct headend *he, struct gw_err *err)
{
	size_t n = he->scrambler.threads;

	app->engine = scr_conf_engine(he);
	app->workers = calloc(n, sizeof(struct scr_worker *));
	app->load = calloc(n, sizeof(*app->load));
	if (!app->workers || !app->load)
		return gw_fail(err, GW_ESYS, "no memory");
	uv_async_init(&app->loop, &app->notes, on_notes);
	app->notes.data = app;
	app->noting = true;
	for (; app->nworkers < n; app->nworkers++) {
		struct scr_worker_conf conf = { .number = (unsigned)app->nworkers, .only = n == 1, .gso = !he->scrambler.no_gso,
			.notes = &app->notes };
		if (!(app->workers[app->nworkers] = scr_worker_open(&conf, err)))
			return -1;
	}
	return 0;
}

void
scr_work_close(struct scrambler *app)
{
	for (size_t i = 0; i < app->nworkers; i++)
		scr_worker_close(app->workers[i]);
	free(app->workers);
	free(app->load);
	app->workers = NULL;
	app->load = NULL;
	app->nworkers = 0;
	if (app->noting)
		uv_close((uv_handle_t *)&app->notes, NULL);
	app->noting = false;
}

struct scr_worker *
scr_work_least(struct scrambler *app)
{
	size_t least = 0;

	for (size_t i = 1; i < app->nworkers; i++)
		if (app->load[i] < app->load[least])
			least = i;
	app->load[least]++;
	return app->workers[least];
}

void
scr_work_less(struct scrambler *app, const struct scr_worker *w)
{
	app->load[scr_worker_number(w)]--;
}

static void
say(const struct scr_note *n)
{
	char start[32];

	if (n->step == SCR_END)
		gw_log(GW_NOTICE, "service_end", "nothing is sent until there is a new key", "service=%s", n->line->id);
	else if (n->starved)
		gw_log(GW_ERR, "key_starvation", "the SCS has committed nothing for longer than on_loss_after", "service=%s cp=%llu mode=%s", n->line->id,
		    (unsigned long long)n->cp, scr_mode_name(n->mode));
	if (n->step != SCR_END)
		gw_log(n->mode == SCR_SCRAMBLED ? GW_INFO : GW_WARNING, n->mode == SCR_SCRAMBLED ? "key_switch" : "not_scrambled",
		    n->mode == SCR_CLEAR ? "the media are sent in clear" : n->mode == SCR_MUTED ? "nothing is sent" : NULL,
		    "service=%s cp=%llu mode=%s key=%s start=%s", n->line->id, (unsigned long long)n->cp, scr_mode_name(n->mode), n->fingerprint,
		    gw_utc_text(n->start_us, start));
}

static struct scr_unit *
unit_of(struct scr_line *l)
{
	return (struct scr_unit *)(void *)((char *)l - offsetof(struct scr_unit, line));
}

void
scr_work_notes(struct scrambler *app)
{
	enum { AT_ONCE = 64 };
	struct scr_note notes[AT_ONCE];

	for (size_t i = 0; i < app->nworkers; i++) {
		uint64_t lost, sum = 0;
		size_t n;
		do {
			scr_worker_lock(app->workers[i]);
			for (n = 0; n < AT_ONCE && scr_worker_note(app->workers[i], &notes[n], &lost); n++)
				sum += lost;
			scr_worker_unlock(app->workers[i]);
			for (size_t k = 0; k < n; k++)
				if (notes[k].line) {
					say(&notes[k]);
					scr_unit_free_keys(unit_of(notes[k].line));
				}
		} while (n == AT_ONCE);
		if (sum)
			gw_log(GW_WARNING, "switches_not_logged", "more keys changed at once than are noted", "worker=%zu n=%llu", i, (unsigned long long)sum);
	}
}

void
scr_work_second(struct scrambler *app)
{
	const int64_t now = gw_utc_us();

	for (size_t i = 0; i < app->nworkers; i++) {
		scr_worker_lock(app->workers[i]);
		for (size_t k = 0; k < app->nunits; k++)
			if (app->units[k]->worker == app->workers[i] && app->units[k]->line.keys.now.key.p)
				scr_marks_until(&app->units[k]->marks, now);
		scr_worker_unlock(app->workers[i]);
	}
}

void
scr_work_heard(struct scrambler *app, int64_t heard_us)
{
	for (size_t i = 0; i < app->nworkers; i++) {
		scr_worker_lock(app->workers[i]);
		scr_batch_heard(scr_worker_batch(app->workers[i]), heard_us, gw_utc_us(), gw_mono_us());
		scr_worker_unlock(app->workers[i]);
	}
}

void
scr_work_replan(struct scrambler *app)
{
	for (size_t i = 0; i < app->nworkers; i++) {
		scr_worker_lock(app->workers[i]);
		scr_batch_replan(scr_worker_batch(app->workers[i]), gw_utc_us(), gw_mono_us());
		scr_worker_unlock(app->workers[i]);
	}
}
