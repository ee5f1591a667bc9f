/* scrambler/unit.c: a protected unit: its key engine on the clock, its media */
#include "lib/log.h"
#include <stdlib.h>
#include <string.h>
#include "scrambler/scrambler.h"

/* Makes a key ready in the sender, if it is not yet. */
static void
ready(struct scr_unit *u, const struct scr_key *k)
{
	struct gw_srtp_key key = { .mki_len = k->key_id_len, .key = k->key.p, .salt = k->key.p + GW_SRTP_KEY,
		.authenticated = k->authenticated };
	struct gw_err err = { 0 };

	if (k->mode != SCR_SCRAMBLED || (u->ready && u->ready_cp == k->cp))
		return;
	memcpy(key.mki, k->key_id, k->key_id_len);
	u->ready = gw_srtp_tx_prepare(u->tx, &key, &err) == 0;
	u->ready_cp = k->cp;
	if (!u->ready)
		gw_log(GW_ERR, "key_not_installed", err.text, "service=%s cp=%llu", u->id, (unsigned long long)k->cp);
}

static void
forget(struct scr_unit *u)
{
	gw_srtp_tx_forget(u->tx);
	u->ready = u->clear = false;
}

static void
switched(struct scr_unit *u)
{
	const struct scr_key *k = &u->keys.now;
	char start[32];

	if (scr_keys_starved(&u->keys))
		gw_log(GW_ERR, "key_starvation", "the SCS has committed nothing for longer than on_loss_after", "service=%s cp=%llu mode=%s", u->id,
		    (unsigned long long)k->cp, scr_mode_name(k->mode));
	u->clear = false;	/* should the key not do, nothing is sent, not everything */
	if (k->mode == SCR_SCRAMBLED) {
		ready(u, k);
		if (!u->ready)
			return;
		gw_srtp_tx_switch(u->tx);
		u->ready = false;
	} else {
		forget(u);
		u->clear = k->mode == SCR_CLEAR;
	}
	u->switches++;
	gw_log(k->mode == SCR_SCRAMBLED ? GW_INFO : GW_WARNING, k->mode == SCR_SCRAMBLED ? "key_switch" : "not_scrambled",
	    k->mode == SCR_CLEAR ? "the media are sent in clear" : k->mode == SCR_MUTED ? "nothing is sent" : NULL,
	    "service=%s cp=%llu mode=%s key=%s start=%s", u->id, (unsigned long long)k->cp, scr_mode_name(k->mode), k->fingerprint,
	    gw_utc_text(k->start_us, start));
}

static void
ended(struct scr_unit *u)
{
	forget(u);
	gw_log(GW_NOTICE, "service_end", "nothing is sent until there is a new key", "service=%s", u->id);
}

void
scr_unit_tick(struct scr_unit *u)
{
	int64_t utc = gw_utc_us(), mono = gw_mono_us(), wait = scr_keys_wait(&u->keys, utc, mono);
	enum scr_step step;

	if (wait > 0)
		return;
	while ((step = scr_keys_step(&u->keys, utc, mono)) != SCR_GO_ON)
		(step == SCR_SWITCH ? switched : ended)(u);
	scr_unit_plan(u);
}

void
scr_unit_plan(struct scr_unit *u)
{
	int64_t utc = gw_utc_us(), wait = scr_keys_wait(&u->keys, utc, gw_mono_us());

	if (u->keys.n)
		ready(u, scr_keys_next(&u->keys));
	gw_timer_at(&u->timer, wait == INT64_MAX ? INT64_MAX : utc + wait);
}

static void
on_timer(void *self)
{
	scr_unit_tick(self);
	scr_unit_plan(self);	/* the timer looks at UTC, which may have been set back */
}

struct scr_unit *
scr_unit_find(const struct scrambler *app, const char *id, size_t len)
{
	for (size_t i = 0; i < app->nunits; i++)
		if (strlen(app->units[i]->id) == len && memcmp(app->units[i]->id, id, len) == 0)
			return app->units[i];
	return NULL;
}

static void
closed(uv_handle_t *t)
{
	struct scr_unit *u = ((struct gw_timer *)t)->self;

	free(u->media);
	free(u->id);
	free(u);
}

void
scr_unit_close(struct scr_unit *u)
{
	for (size_t i = 0; i < u->nmedia; i++)
		scr_medium_close(u->media[i]);
	gw_srtp_tx_free(u->tx);
	scr_marks_close(&u->marks);
	scr_keys_fini(&u->keys);
	gw_timer_close(&u->timer, closed);
}

struct scr_unit *
scr_unit_open(struct scrambler *app, const char *id, struct gw_err *err)
{
	struct scr_unit *u = calloc(1, sizeof(*u));

	if (!u || !(u->id = strdup(id))) {
		free(u);
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	scr_keys_init(&u->keys);
	gw_timer_init(&u->timer, &app->loop, on_timer, u);
	u->marks.fd = -1;
	if (scr_marks_open(&u->marks, app->state, u->id, err) == 0) {
		if ((u->tx = gw_srtp_tx_new(u->marks.marks, SCR_SOURCES)))
			return u;
		gw_fail(err, GW_ESYS, "no memory");
	}
	gw_wrap(err, "service %s: ", id);
	scr_unit_close(u);
	return NULL;
}

static struct scr_medium *
medium_of(struct scr_unit *u, const struct he_medium *conf)
{
	for (size_t i = 0; i < u->nmedia; i++)
		if (scr_medium_same_in(u->media[i], conf))
			return u->media[i];
	return NULL;
}

static bool
has(struct scr_medium *const *list, size_t n, const struct scr_medium *m)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == m)
			return true;
	return false;
}

static const enum scr_mode modes[] = { [HE_HOLD] = SCR_SCRAMBLED, [HE_MUTE] = SCR_MUTED, [HE_EXPOSE] = SCR_CLEAR };

int
scr_unit_stage(struct scrambler *app, struct scr_unit *u, const struct he_unit *conf, struct gw_err *err)
{
	struct scr_medium *m;

	if (!(u->staged = calloc(conf->nmedia + 1, sizeof(struct scr_medium *))))
		return gw_fail(err, GW_ESYS, "no memory");
	u->staged_loss = modes[conf->service->on_loss];
	u->staged_loss_ms = conf->service->on_loss_after_ms;
	for (size_t i = 0; i < conf->nmedia; i++) {
		if ((m = medium_of(u, conf->media[i])) ? scr_medium_change(m, conf->media[i], err) < 0 :
		    !(m = scr_medium_open(app, u, conf->media[i], err)))
			return gw_wrap(err, "service %s: ", u->id);
		u->staged[u->nstaged++] = m;
	}
	return 0;
}

/* Closes what is in one list and not in the other. */
static void
close_rest(struct scr_medium **list, size_t n, struct scr_medium *const *keep, size_t nkeep)
{
	for (size_t i = 0; i < n; i++)
		if (!has(keep, nkeep, list[i]))
			scr_medium_close(list[i]);
	free(list);
}

void
scr_unit_commit(struct scr_unit *u)
{
	for (size_t i = 0; i < u->nstaged; i++)
		scr_medium_commit(u->staged[i]);
	close_rest(u->media, u->nmedia, u->staged, u->nstaged);
	scr_keys_policy(&u->keys, u->staged_loss, u->staged_loss_ms);
	scr_unit_plan(u);
	u->media = u->staged;
	u->nmedia = u->nstaged;
	u->staged = NULL;
	u->nstaged = 0;
}

void
scr_unit_revert(struct scr_unit *u)
{
	for (size_t i = 0; i < u->nmedia; i++)
		scr_medium_revert(u->media[i]);
	close_rest(u->staged, u->nstaged, u->media, u->nmedia);
	u->staged = NULL;
	u->nstaged = 0;
}
