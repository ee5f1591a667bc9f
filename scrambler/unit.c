/* scrambler/unit.c: a protected unit: its sender and keys, its media. What its worker sees of it changes while the worker rests. */
#include <stdlib.h>
#include <string.h>
#include "kms/tkm.h"
#include "lib/log.h"
#include "proto/playout.h"
#include "scrambler/scrambler.h"

/* ---- keys ---- */

void
scr_unit_free_keys(struct scr_unit *u)
{
	struct scr_key gone[SCR_COMING + 1];
	size_t n = 0;

	scr_worker_lock(u->worker);
	while (n < SCR_COMING + 1 && scr_keys_gone(&u->line.keys, &gone[n]))
		n++;
	scr_worker_unlock(u->worker);
	while (n > 0) {
		u->line.row->key_free(gone[--n].ready);
		scr_key_free(&gone[n]);
	}
}

/* The row's key, made beside the packets. NULL: with *err. */
static struct gw_xkey *
make_ready(const struct scr_unit *u, const struct scr_record *r, struct gw_err *err)
{
	struct gw_material m = { .authenticated = r->authenticated, .id_len = r->key_id_len };
	struct gw_xkey *ready = NULL;
	uint8_t tak[20];
	struct tkm t;

	memcpy(m.id, r->key_id, r->key_id_len);
	if (tkm_of_cw(&t, (uint8_t)u->setup.scrambling, r->authenticated, r->key, r->key_len) == 0) {
		m.tek = tkm_tek(&t);
		m.salt = tkm_salt(&t);
		if (r->authenticated && tkm_tak(&t, tak) == 0)
			m.tak = tak;
		ready = u->line.row->key_new(u->line.tx, &m, err);
		gw_cleanse(tak, sizeof(tak));
	} else {
		gw_fail(err, GW_ECRYPTO, "key material of another length than this protection has");
	}
	gw_cleanse(&t, sizeof(t));
	return ready;
}

/* Has it a key that is not held yet, and of the right form? */
static bool
wanted(const struct scr_unit *u, const struct scr_record *r)
{
	const struct scr_form *f = &u->line.keys.form;

	return r->mode == SCR_SCRAMBLED && r->protection == f->protection && r->key_len == f->key_len && r->key_id_len >= f->id_min &&
	    r->key_id_len <= f->id_max;
}

int
scr_unit_take(struct scr_unit *u, struct scr_record *r, char fingerprint[17], const char **why, struct gw_err *err)
{
	uint8_t parity = (uint8_t)(r->cp & 1);
	struct gw_xkey *ready = NULL;
	struct scr_key *coming;
	const char *name;
	int status;

	if (r->mode == SCR_SCRAMBLED && r->key_id_len == 0 && u->setup.scrambling == HE_CISSA) {
		r->key_id = &parity;	/* the packets' own identifier */
		r->key_id_len = 1;
	}
	scr_unit_free_keys(u);
	if (wanted(u, r) && !(ready = make_ready(u, r, err)))
		return *why = err->text, PLAYOUT_E_RESOURCES;
	scr_worker_lock(u->worker);
	status = scr_keys_take(&u->line.keys, r, why);
	if (status == 0) {
		name = scr_keys_fingerprint(&u->line.keys, r->cp);
		memcpy(fingerprint, name ? name : "", name ? 17 : 1);
		scr_marks_until(&u->marks, r->start_us + (int64_t)r->duration_ms * 1000);
		if (ready && (coming = scr_keys_coming(&u->line.keys, r->cp)) && !coming->ready) {
			coming->ready = ready;
			ready = NULL;
		}
		scr_line_plan(&u->line, gw_utc_us(), gw_mono_us());
	}
	scr_worker_unlock(u->worker);
	u->line.row->key_free(ready);	/* it was there before */
	return status;
}

void
scr_unit_end(struct scr_unit *u, int64_t start_us)
{
	scr_worker_lock(u->worker);
	scr_keys_end(&u->line.keys, start_us);
	scr_line_plan(&u->line, gw_utc_us(), gw_mono_us());
	scr_worker_unlock(u->worker);
}

void
scr_unit_second(struct scr_unit *u)
{
	if (!u->pcap)
		return;
	scr_worker_lock(u->worker);
	(void)gw_pcap_flush(u->pcap);	/* packets that could not be written are counted when the buffer is full */
	scr_worker_unlock(u->worker);
}

/* ---- itself ---- */

struct scr_unit *
scr_unit_find(const struct scrambler *app, const char *id, size_t len)
{
	return gw_index_get(&app->by_id, id, len);
}

static struct scr_setup
setup_of(const struct scrambler *app, const struct he_unit *conf)
{
	const struct he_service *s = conf->service;

	return (struct scr_setup){ .scrambling = s->scrambling, .authenticated = s->authentication, .rcc = s->rcc, .sources = s->sources,
		.engine = app->engine, .esp = s->ipsec };
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool
scr_unit_same(const struct scr_unit *u, const struct he_unit *conf)
{
	struct scr_setup s = setup_of(u->app, conf);

	return s.scrambling == u->setup.scrambling && s.authenticated == u->setup.authenticated && s.rcc == u->setup.rcc &&
	    s.sources == u->setup.sources && s.esp.tunnel == u->setup.esp.tunnel && s.esp.output == u->setup.esp.output &&
	    s.esp.port == u->setup.esp.port && same_text(s.esp.file, u->setup.esp.file) && same_text(s.esp.source, u->setup.esp.source);
}

void
scr_unit_close(struct scr_unit *u)
{
	scr_unit_revert(u);
	if (u->worker) {
		scr_worker_lock(u->worker);
		for (size_t i = 0; i < u->nmedia; i++)
			scr_medium_stop(u->media[i]);
		scr_batch_leave(&u->line);
		if (u->line.tx)
			u->line.row->use(u->line.tx, NULL);
		scr_keys_forget(&u->line.keys);
		scr_worker_forget(u->worker, &u->line);
		scr_worker_unlock(u->worker);
		scr_unit_free_keys(u);
		scr_work_less(u->app, u->worker);
	}
	for (size_t i = 0; i < u->nmedia; i++)
		scr_medium_close(u->media[i]);
	if (u->line.tx)
		u->line.row->tx_free(u->line.tx);
	scr_keys_fini(&u->line.keys);
	scr_marks_close(&u->marks);
	if (u->pcap)
		gw_pcap_free(u->pcap);
	free(u->setup.esp.file);
	free(u->setup.esp.source);
	free(u->media);
	free(u->id);
	free(u);
}

/* Its sender, and its place in a worker. */
static int
open_line(struct scr_unit *u, struct gw_err *err)
{
	struct gw_tx_conf c = { .engine = u->setup.engine, .authenticated = u->setup.authenticated, .sources = u->setup.sources,
		.rcc_rate = u->setup.rcc, .tunnel = u->setup.esp.tunnel };
	const struct gw_transform *row = gw_transform_of((int)u->setup.scrambling);
	struct scr_form form = scr_form_of(&u->setup);
	struct gw_tx *tx;
	int rc;

	if (scr_marks_open(&u->marks, u->app->state, u->id, u->setup.scrambling, row->marks_len(&c), err) < 0)
		return -1;
	c.marks = u->marks.marks;
	if (!(tx = row->tx_new(&c, err)))
		return -1;
	scr_line_init(&u->line, u->id, row, tx, &form);
	u->worker = scr_work_least(u->app);
	scr_worker_lock(u->worker);
	rc = scr_batch_join(scr_worker_batch(u->worker), &u->line);
	scr_worker_unlock(u->worker);
	return rc < 0 ? gw_fail(err, GW_ESYS, "no memory") : 0;
}

/* The configuration is freed: what the unit goes by is its own. */
static int
own_setup(struct scr_unit *u, const struct he_unit *conf, struct gw_err *err)
{
	const struct he_ipsec *esp = &conf->service->ipsec;

	u->setup = setup_of(u->app, conf);
	u->setup.esp.file = u->setup.esp.source = NULL;
	if ((esp->file && !(u->setup.esp.file = strdup(esp->file))) || (esp->source && !(u->setup.esp.source = strdup(esp->source))))
		return gw_fail(err, GW_ESYS, "no memory");
	if (esp->set && esp->output == HE_ESP_PCAP && !(u->pcap = gw_pcap_new(esp->file, err)))
		return -1;
	return 0;
}

struct scr_unit *
scr_unit_open(struct scrambler *app, const struct he_unit *conf, struct gw_err *err)
{
	struct scr_unit *u = calloc(1, sizeof(*u));

	if (!u || !(u->id = strdup(conf->id))) {
		free(u);
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	u->app = app;
	u->marks.fd = -1;
	if (own_setup(u, conf, err) == 0 && open_line(u, err) == 0)
		return u;
	gw_wrap(err, "service %s: ", conf->id);
	scr_unit_close(u);
	return NULL;
}

/* ---- its media ---- */

static struct scr_medium *
medium_of(struct scr_unit *u, const struct he_medium *conf)
{
	for (size_t i = 0; i < u->nmedia; i++)
		if (scr_medium_same_in(u->media[i], conf))
			return u->media[i];
	return NULL;
}

/* The medium of that name which comes in elsewhere now: the encoder has moved, and sends on under its SSRC. NULL: none. */
static const struct scr_medium *
moved(const struct scr_unit *u, const struct he_unit *conf, const char *name)
{
	for (size_t i = 0, k; i < u->nmedia; i++) {
		if (strcmp(u->media[i]->name, name) != 0)
			continue;
		for (k = 0; k < conf->nmedia && !scr_medium_same_in(u->media[i], conf->media[k]);)
			k++;
		return k == conf->nmedia ? u->media[i] : NULL;
	}
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
scr_unit_stage(struct scr_unit *u, const struct he_unit *conf, struct gw_err *err)
{
	struct scr_medium *m;

	if (!(u->staged = calloc(conf->nmedia + 1, sizeof(struct scr_medium *))))
		return gw_fail(err, GW_ESYS, "no memory");
	u->staged_loss = modes[conf->service->on_loss];
	u->staged_loss_ms = conf->service->on_loss_after_ms;
	for (size_t i = 0; i < conf->nmedia; i++) {
		if ((m = medium_of(u, conf->media[i]))) {
			u->staged[u->nstaged++] = m;
			if (scr_medium_stage(m, conf->media[i], err) < 0)
				return gw_wrap(err, "service %s: ", u->id);
		} else if ((m = scr_medium_open(u, conf->media[i], moved(u, conf, conf->media[i]->name), err))) {
			u->staged[u->nstaged++] = m;
		} else {
			return gw_wrap(err, "service %s: ", u->id);
		}
	}
	return 0;
}

void
scr_unit_commit(struct scr_unit *u)
{
	struct scr_medium **old = u->media;
	struct gw_err err = { 0 };
	size_t nold = u->nmedia;
	bool ok = true;

	scr_worker_lock(u->worker);
	for (size_t i = 0; i < nold; i++)
		if (!has(u->staged, u->nstaged, old[i]))
			scr_medium_stop(old[i]);
	for (size_t i = 0; i < u->nstaged; i++)
		ok = scr_medium_take(u->staged[i], &err) == 0 && ok;
	u->media = u->staged;
	u->nmedia = u->nstaged;
	scr_keys_policy(&u->line.keys, u->staged_loss, u->staged_loss_ms);
	scr_line_plan(&u->line, gw_utc_us(), gw_mono_us());
	scr_worker_unlock(u->worker);
	if (!ok)
		gw_log(GW_ERR, "medium_not_received", err.text, "service=%s", u->id);
	u->staged = NULL;
	u->nstaged = 0;
	for (size_t i = 0; i < nold; i++)
		if (!has(u->media, u->nmedia, old[i]))
			scr_medium_close(old[i]);
	for (size_t i = 0; i < u->nmedia; i++)
		scr_medium_revert(u->media[i]);	/* what was in force before */
	free(old);
}

void
scr_unit_revert(struct scr_unit *u)
{
	for (size_t i = 0; i < u->nmedia; i++)
		scr_medium_revert(u->media[i]);
	for (size_t i = 0; i < u->nstaged; i++)
		if (!has(u->media, u->nmedia, u->staged[i]))
			scr_medium_close(u->staged[i]);
	free(u->staged);
	u->staged = NULL;
	u->nstaged = 0;
}
