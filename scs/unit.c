/* scs/unit.c: a protected unit: what its schedule asks for is done here, with keys, store, peers and followers */
#include <stdlib.h>
#include <string.h>
#include "proto/playout.h"
#include "scs/scs.h"

/* ---- access criteria ---- */

size_t
scs_unit_criteria(const struct scs_unit_stream *t, int64_t cp, const uint8_t **p)
{
	for (const struct scs_criteria *c = t->criteria; c; c = c->older)
		if (cp >= c->from) {
			*p = c->p;
			return c->len;
		}
	return 0;
}

static int
add_criteria(struct scs_unit_stream *t, int64_t from)
{
	struct scs_criteria *c = malloc(sizeof(*c) + t->conf->access_criteria_len), *unused;

	if (!c)
		return -1;
	while ((unused = t->criteria) && unused->from >= from) {	/* no CP got them: the file was changed twice */
		t->criteria = unused->older;
		free(unused);
	}
	c->from = from;
	c->len = t->conf->access_criteria_len;
	if (c->len)
		memcpy(c->p, t->conf->access_criteria, c->len);
	c->older = t->criteria;
	t->criteria = c;
	return 0;
}

/* Keeps what is in force from a CP on. */
static void
drop_criteria(struct scs_unit_stream *t, int64_t cp)
{
	struct scs_criteria **at = &t->criteria, *c;

	while (*at && (*at)->from > cp)
		at = &(*at)->older;
	if (*at)
		at = &(*at)->older;
	while ((c = *at)) {
		*at = c->older;
		free(c);
	}
}

static void
fence(struct scs_unit *u)
{
	if (u->fenced)
		return;
	u->fenced = true;
	gw_log(GW_ERR, "fenced", "another SCS has taken this service over; this one stops", "service=%s epoch=%lld", u->conf->id,
	    (long long)u->epoch);
	u->app->status = gw_exit_status(GW_ETEMP);
	u->app->fenced = true;
}

/* ---- committed CPs ---- */

struct scs_frames *
scs_unit_frames(struct scs_unit *u, int64_t cp)
{
	for (size_t i = 0; i < SCS_LIVE; i++)
		if (u->frames[i].p && u->frames[i].cp == cp)
			return &u->frames[i];
	return NULL;
}

static void
keep_frames(struct scs_unit *u, struct scs_frames f)
{
	struct scs_frames *at = scs_unit_frames(u, f.cp);

	for (size_t i = 0; !at && i < SCS_LIVE; i++)
		if (!u->frames[i].p)
			at = &u->frames[i];
	for (size_t i = 0; !at && i < SCS_LIVE; i++)	/* the oldest makes room */
		if (i == 0 || u->frames[i].cp < at->cp)
			at = &u->frames[i];
	free(at->p);
	*at = f;
}

static bool
commit(struct scs_unit *u, const struct scs_action *a)
{
	const struct scs_cp *cp = scs_schedule_find(u->schedule, a->cp);
	struct scs_frames *have = scs_unit_frames(u, a->cp), f = { 0 };
	struct gw_blob b = { 0 }, found = { 0 };
	enum gw_outcome outcome = GW_UNAVAILABLE;

	if (a->kind == SCS_AMEND ? !have || scs_record_restart(have, a->start_us) < 0 : scs_record_frames(u, cp, &f) < 0) {
		gw_log_limited(&u->app->rate, GW_ERR, "record_impossible", "out of memory, or an ECM is too long: tried again",
		    "service=%s cp=%lld", u->conf->id, (long long)a->cp);
		return false;
	}
	if (f.p)
		keep_frames(u, f);
	have = scs_unit_frames(u, a->cp);
	if (scs_record_pack(cp, have, &b) == 0)
		outcome = a->kind == SCS_AMEND ?
		    gw_store_amend(u->app->store, u->conf->id, u->epoch, GW_RECORD_CP, a->cp, b.p, b.len) :
		    gw_store_put(u->app->store, u->conf->id, u->epoch, GW_RECORD_CP, a->cp, b.p, b.len, &found);
	free(b.p);
	u->asked.start_us = a->start_us;
	if (outcome == GW_EXISTS && found.p) {	/* an earlier life of ours committed it: that one stands */
		struct scs_cp other;
		if (scs_record_unpack(found.p, found.len, &other, &f) == 0) {
			if (other.mode != cp->mode) {	/* nor can it be forgotten: the epoch keeps others out */
				free(f.p);
				gw_store_free(&found);
				return false;
			}
			keep_frames(u, f);
			u->asked.start_us = other.start_us;
			outcome = GW_WON;
		}
	}
	gw_store_free(&found);
	if (outcome == GW_FENCED)
		fence(u);
	return outcome == GW_WON;
}

/* ---- actions ---- */

static void
say(const struct scs_unit *u, const struct scs_action *a)
{
	char at[32], missing[200];

	gw_utc_text(a->start_us, at);
	switch (a->kind) {
	case SCS_EXTENDED:
		gw_log(GW_WARNING, "cp_extended", scs_outside_says(u, missing, sizeof(missing))[0] ? missing :
		    scs_schedule_mode(u->schedule) == SCS_CLEAR ?
		    "not every required ECM is there: the service stays in clear until then" :
		    "not every required ECM is there: the crypto-period goes on with its key",
		    "service=%s cp=%lld planned_end=%s", u->conf->id, (long long)a->cp, at);
		break;
	case SCS_ALARM:
		gw_log(GW_ERR, "cp_extension_alarm", u->outside.wanted ?
		    "the crypto-period is being extended for too long: look at the bridge that its keys come through, and at the BSM behind it" :
		    "the crypto-period is being extended for too long: look at the ECMGs",
		    "service=%s cp=%lld planned_end=%s seconds=%lld", u->conf->id, (long long)a->cp, at,
		    (long long)(a->duration_us / 1000000));
		break;
	default:
		gw_log(GW_NOTICE, "rotation_resumed", NULL, "service=%s cp=%lld start=%s extended_ms=%lld", u->conf->id,
		    (long long)a->cp, at, (long long)(a->duration_us / 1000));
	}
}

static void
trim(struct scs_unit *u, int64_t below)
{
	scs_keys_drop(u, below);
	for (size_t i = 0; i < u->n; i++)
		drop_criteria(&u->streams[i], below);
	for (size_t i = 0; i < SCS_LIVE; i++)
		if (u->frames[i].p && u->frames[i].cp < below) {
			free(u->frames[i].p);
			u->frames[i] = (struct scs_frames){ 0 };
		}
	/* One crypto-period in sixteen: what is past costs little room, and each DELETE a transaction. */
	if (below % 16 == 0 && gw_store_trim(u->app->store, u->conf->id, u->epoch, below) == GW_FENCED)
		fence(u);
}

/* A service that leaves its scrambling, or comes back to it. */
static void
say_mode(struct scs_unit *u, const struct scs_action *a)
{
	static const struct { enum gw_level level; const char *event, *text; } said[] = {
		[SCS_SCRAMBLED] = { GW_NOTICE, "service_scrambled", NULL },
		[SCS_CLEAR] = { GW_NOTICE, "service_clear", "in clear by command" },
		[SCS_MUTED] = { GW_ERR, "service_muted", "a required ECM does not come: nothing is sent until it does; look at the ECMGs" },
		[SCS_EXPOSED] = { GW_ERR, "service_exposed", "a required ECM does not come: sent in clear until it does; look at the ECMGs" },
	};
	char at[32];

	if (a->mode != u->mode && (a->mode != SCS_SCRAMBLED || u->mode != SCS_NOTHING))
		gw_log(said[a->mode].level, said[a->mode].event, said[a->mode].text, "service=%s cp=%lld start=%s", u->conf->id,
		    (long long)a->cp, gw_utc_text(a->start_us, at));
	u->mode = a->mode;
}

static void
install(struct scs_unit *u, const struct scs_action *a)
{
	const struct scs_cp *cp = scs_schedule_find(u->schedule, a->cp);
	const struct scs_key_entry *k = scs_unit_key(u, a->cp);
	char at[32];

	u->committed++;
	for (size_t i = 0; i < u->n; i++)
		u->streams[i].committed += cp && cp->with >> i & 1;
	say_mode(u, a);
	gw_log(GW_INFO, "cp_released", NULL, "service=%s cp=%lld start=%s duration_ms=%lld key=%s", u->conf->id, (long long)a->cp,
	    gw_utc_text(a->start_us, at), (long long)(a->duration_us / 1000), k && a->mode == SCS_SCRAMBLED ? k->fingerprint : "-");
	if (cp)
		scs_follow_install(u, cp);
}

/* Drawn here, or asked for. */
static bool
have_keys(struct scs_unit *u, int64_t cp, int64_t last)
{
	bool outside = u->conf->service->outside_keys;
	enum gw_outcome outcome = GW_WON;

	for (; cp <= last && outcome == GW_WON; cp++) {
		if (outside && !scs_unit_key(u, cp)) {
			scs_outside_want(u, cp, last);
			return false;
		}
		outcome = outside ? GW_WON : scs_keys_draw(u, cp);
	}
	if (outcome == GW_FENCED)
		fence(u);
	return outcome == GW_WON;
}

static void
act(struct scs_unit *u, const struct scs_action *a)
{
	switch (a->kind) {
	case SCS_DRAW:
		u->asked.draw = true;
		u->asked.last = a->last;
		u->ahead = a->last - a->cp + 1;
		u->asked.drawn = have_keys(u, a->cp, a->last);
		break;
	case SCS_COMMIT:
	case SCS_AMEND:
		u->asked.commit = true;
		u->asked.cp = a->cp;
		u->asked.ok = commit(u, a);
		/* What the next CP will want, in this transaction: its CW_provision need not wait for one of its own. */
		if (a->kind == SCS_COMMIT && u->asked.ok && a->mode == SCS_SCRAMBLED)
			have_keys(u, a->cp + u->ahead, a->cp + u->ahead);
		break;
	case SCS_PROVISION:
		scs_peer_ask(u->streams[a->stream].peer, &u->streams[a->stream], a->cp, a->duration_us);
		break;
	case SCS_AIR:
		scs_follow_air(u, scs_schedule_find(u->schedule, a->cp));
		break;
	case SCS_INSTALL:
		install(u, a);
		break;
	case SCS_TRIM:
		trim(u, a->cp);
		break;
	case SCS_EXTENDED:
		u->extensions++;
		say(u, a);
		break;
	case SCS_ALARM:
	case SCS_RESUMED:
		say(u, a);
	}
}

/* What the store was asked has happened, or not: stored says. */
static void
answer(struct scs_unit *u, bool stored)
{
	int64_t now = scs_now(u->app);

	if (u->asked.draw || u->asked.commit || u->asked.supply)
		scs_keys_settle(u, stored);
	if (u->asked.supply)
		scs_outside_stored(u, now);
	if (u->asked.draw) {
		if (stored && u->asked.drawn)
			scs_schedule_drawn(u->schedule, u->asked.last, now);
		else
			scs_schedule_draw_failed(u->schedule, now);
	}
	if (u->asked.commit)
		scs_schedule_stored(u->schedule, u->asked.cp, stored && u->asked.ok, u->asked.start_us, now);
	memset(&u->asked, 0, sizeof(u->asked));
}

/* What came from outside in this turn is there for the actions of the turn, in their transaction. */
static void
supply(struct scs_unit *u)
{
	if (!u->conf->service->outside_keys)
		return;
	u->asked.supply = true;
	if (scs_keys_store_supplied(u) == GW_FENCED)
		fence(u);
}

void
scs_touch(struct scs_unit *u)
{
	if (u->dirty || !u->schedule)
		return;
	u->dirty = true;
	u->next_dirty = u->app->dirty;
	u->app->dirty = u;
}

/* One round: every touched unit's actions in one transaction, then the store's answer to each. */
static void
round_of(struct scs *app)
{
	struct scs_unit *list = app->dirty, *u;
	struct scs_action a;
	bool stored;

	app->dirty = NULL;
	gw_store_begin(app->store);
	for (u = list; u; u = u->next_dirty)
		supply(u);
	for (u = list; u; u = u->next_dirty)
		while (!u->fenced && !(u->asked.draw || u->asked.commit) && scs_schedule_take(u->schedule, &a))
			act(u, &a);
	stored = gw_store_flush(app->store) == GW_WON;
	if (!stored)
		gw_log_limited(&app->rate, GW_ERR, "store_unavailable", "nothing could be stored; running crypto-periods are extended", "");
	while ((u = list)) {
		list = u->next_dirty;
		u->dirty = false;
		if (u->fenced)
			continue;
		answer(u, stored);
		if (scs_schedule_next(u->schedule) == INT64_MIN)
			scs_touch(u);
		else
			gw_timer_at(&u->timer, scs_schedule_next(u->schedule));
	}
}

void
scs_work(struct scs *app)
{
	while (app->dirty && !app->fenced)
		round_of(app);
	if (app->fenced)
		app->life.stop(app);
}

static void
on_timer(void *self)
{
	struct scs_unit *u = self;

	scs_schedule_tick(u->schedule, scs_now(u->app));
	scs_touch(u);
}

/* ---- life ---- */

struct scs_unit *
scs_unit_find(const struct scs *app, const char *id, size_t len)
{
	return gw_index_get(&app->index, id, len);
}

/* A number that differs from service to service and is always the same for one: FNV-1a. */
static uint64_t
spread(const char *id)
{
	uint64_t h = 14695981039346656037ULL;

	while (*id)
		h = (h ^ (uint8_t)*id++) * 1099511628211ULL;
	return h;
}

struct earlier { struct scs_unit *u; struct scs_cp cps[2]; size_t n; bool bad; };

static int
take_record(void *self, int64_t cp, const void *value, size_t len)
{
	struct earlier *e = self;
	struct scs_frames f;
	struct scs_cp c;

	if (scs_record_unpack(value, len, &c, &f) < 0 || c.cp != cp) {
		e->bad = true;
		return 1;
	}
	if (e->n == 2)
		e->cps[0] = e->cps[1], e->n = 1;
	e->cps[e->n++] = c;
	keep_frames(e->u, f);
	return 0;
}

static int
any_record(void *self, int64_t cp, const void *value, size_t len)
{
	(void)cp;
	(void)value;
	(void)len;
	return ++((struct earlier *)self)->n > 0;
}

static int
take_key(void *self, int64_t cp, const void *value, size_t len)
{
	struct earlier *e = self;

	e->bad = scs_keys_load(e->u, cp, value, len) < 0;
	return e->bad;
}

/* Within a reload nobody has to ask the scramblers what they hold: the unit that this one replaces knew. */
static void
take_over(struct scs_unit *u)
{
	for (const struct scs_unit *old = u->app->replaced; old; old = old->next_dirty)
		if (strcmp(old->conf->id, u->conf->id) == 0)
			scs_schedule_held(u->schedule, old->held, scs_now(u->app));
}

/* Records and keys of an earlier life. Which CPs those are is the store's to say: it keeps the newest two committed and all after. */
static int
take_up(struct scs_unit *u, struct gw_err *err)
{
	struct earlier e = { .u = u };
	enum gw_outcome o = gw_store_each(u->app->store, u->conf->id, GW_RECORD_CP, 0, take_record, &e);

	if (o == GW_WON && !e.bad && e.n)
		o = gw_store_each(u->app->store, u->conf->id, GW_RECORD_KEY, e.cps[0].cp - SCS_STREAMS, take_key, &e);
	else if (o == GW_WON && !e.bad)
		o = gw_store_each(u->app->store, u->conf->id, GW_RECORD_KEY, 0, take_key, &e);
	if (e.bad)
		return gw_fail(err, GW_ESTORE, "service %s: a stored record or key cannot be read: another master key, or the service's "
		    "scrambling, or where its keys come from, was changed; restore the store from a backup, or give the service another id",
		    u->conf->id);
	if (o != GW_WON)
		return gw_fail(err, GW_ESTORE, "service %s: the store cannot be read", u->conf->id);
	if (e.n) {
		for (size_t i = 0; i < e.n; i++)
			if (e.cps[i].mode == SCS_SCRAMBLED && !scs_unit_key(u, e.cps[i].cp))
				return gw_fail(err, GW_ESTORE, "service %s: the key of committed crypto-period %lld is missing from the store",
				    u->conf->id, (long long)e.cps[i].cp);
		scs_schedule_adopt(u->schedule, e.cps, e.n, scs_now(u->app));
		take_over(u);
		gw_log(GW_NOTICE, "cp_adopted", NULL, "service=%s cp=%lld epoch=%lld", u->conf->id, (long long)e.cps[e.n - 1].cp,
		    (long long)u->epoch);
	}
	return 0;
}

/* ---- commands ---- */

/* Its first command is what the file has for its start, should this service never have run before. */
static int
take_command(struct scs_unit *u, bool *clear, struct gw_err *err)
{
	struct gw_blob b = { 0 };
	uint8_t first = u->conf->service->start_clear;
	struct earlier e = { .u = u };
	enum gw_outcome o = gw_store_get(u->app->store, u->conf->id, GW_RECORD_MODE, 0, &b);

	*clear = o == GW_WON && b.len == 1 && b.p[0] == 1;
	gw_store_free(&b);
	if (o == GW_EXISTS && (o = gw_store_each(u->app->store, u->conf->id, GW_RECORD_CP, 0, any_record, &e)) == GW_WON) {
		first = first && e.n == 0;
		*clear = first;
		o = gw_store_put(u->app->store, u->conf->id, u->epoch, GW_RECORD_MODE, 0, &first, 1, NULL);
	}
	return o == GW_WON ? 0 : gw_fail(err, GW_ESTORE, "service %s: the store cannot be read", u->conf->id);
}

static bool
commanded(const struct scs_unit *u, const char *name, size_t len)
{
	const char *id = u->conf->id, *service = u->conf->service->id;

	return (strlen(id) == len && memcmp(id, name, len) == 0) || (strlen(service) == len && memcmp(service, name, len) == 0);
}

int64_t
scs_unit_command(struct scs *app, const char *name, size_t len, bool clear, int *status, const char **why)
{
	const uint8_t value = clear;
	enum gw_outcome outcome;
	int64_t latest = 0;
	size_t n = 0;

	gw_store_begin(app->store);	/* all units of the service, or none */
	for (size_t i = 0; i < app->nunits; i++) {
		struct scs_unit *u = app->units[i];
		if (!commanded(u, name, len))
			continue;
		n++;
		if (clear && u->conf->service->scrambling == HE_NONE) {
			gw_store_drop(app->store);
			return *status = PLAYOUT_E_PROTECTION, *why = "its scrambler is not ours: it cannot be told to be clear", -1;
		}
		outcome = gw_store_amend(app->store, u->conf->id, u->epoch, GW_RECORD_MODE, 0, &value, 1);
		if (outcome == GW_FENCED || outcome == GW_EXISTS) {	/* flush does not tell */
			gw_store_drop(app->store);
			if (outcome == GW_FENCED)
				fence(u);
			return *status = PLAYOUT_E_STORE, *why = outcome == GW_FENCED ? "another SCS has taken this service over: command that one" :
			    "its record is missing from the store, and so it is not obeyed", -1;
		}
	}
	if (gw_store_flush(app->store) != GW_WON)
		return *status = PLAYOUT_E_STORE, *why = "it could not be stored, and so it is not obeyed", -1;
	if (n == 0)
		return *status = PLAYOUT_E_UNKNOWN, *why = "the SCS has no such service", -1;
	for (size_t i = 0; i < app->nunits; i++) {
		struct scs_unit *u = app->units[i];
		int64_t at = commanded(u, name, len) ? scs_schedule_command(u->schedule, clear, scs_now(app)) : 0;
		latest = at > latest ? at : latest;
		scs_touch(u);
	}
	gw_log(GW_NOTICE, "service_command", NULL, "service=%.*s mode=%s", (int)len, name, clear ? "clear" : "scrambled");
	return latest;
}

/* Clear is no more what was commanded, nor in the store. */
static bool
take_back(struct scs_unit *u)
{
	const uint8_t scrambled = 0;

	return gw_store_amend(u->app->store, u->conf->id, u->epoch, GW_RECORD_MODE, 0, &scrambled, 1) == GW_WON;
}

/* The command ends with the service: should the file name it again some day, nobody would expect it in clear. */
static void
end_command(struct scs_unit *u)
{
	if (u->schedule && scs_schedule_commanded(u->schedule) && !take_back(u))
		gw_log(GW_ERR, "command_kept", "the store is away: a service of this name will begin in clear, as it was commanded",
		    "service=%s", u->conf->id);
}

void
scs_unit_behind(struct scs_unit *u, int64_t cp)
{
	bool clear = scs_schedule_commanded(u->schedule);

	gw_log(GW_ERR, "store_behind", "a scrambler holds a later crypto-period than the store: was it restored from a backup? keys are "
	    "refused until the numbers are past it, or the scrambler is restarted; clear has to be commanded again",
	    "service=%s cp=%lld held=%lld", u->conf->id, (long long)scs_schedule_preparing(u->schedule)->cp, (long long)cp);
	if (clear && take_back(u))
		scs_schedule_command(u->schedule, false, scs_now(u->app));
}

_Static_assert((int)HE_HOLD == SCS_HOLD && (int)HE_MUTE == SCS_MUTE && (int)HE_EXPOSE == SCS_EXPOSE, "the file's policy is the schedule's");

static struct scs_schedule_conf
schedule_conf(const struct scs_unit *u)
{
	const struct he_service *s = u->conf->service;
	int64_t period = s->crypto_period_ms * INT64_C(1000);

	return (struct scs_schedule_conf){ .period_us = period, .align = s->align,
		.phase_us = s->align ? 0 : (int64_t)(spread(u->conf->id) % (uint64_t)period),
		.extension_alarm_us = s->extension_alarm_ms * INT64_C(1000), .optional_wait_us = s->optional_wait_ms * INT64_C(1000),
		.on_loss = (enum scs_loss)s->on_loss, .on_loss_us = s->on_loss_after_ms * INT64_C(1000),
		.needs_mux = u->with_out != 0, .nstreams = u->n, .required = u->required };
}

static int
make_schedule(struct scs_unit *u, struct gw_err *err)
{
	const struct he_service *s = u->conf->service;
	struct scs_schedule_conf c = schedule_conf(u);

	if (take_command(u, &c.clear, err) < 0)
		return -1;
	if (u->n == 0 || u->n > SCS_STREAMS)
		return gw_fail(err, GW_ECONF, "%s:%d:%d: service %s: from 1 to %d stkm streams", u->app->he->file, s->at.line, s->at.column,
		    u->conf->id, SCS_STREAMS);
	u->schedule = scs_schedule_new(&c);
	return u->schedule ? 0 : gw_fail(err, GW_ESYS, "out of memory");
}

static struct scs_peer *
peer_of(const struct scs *app, const struct he_kms *kms)
{
	for (size_t i = 0; i < app->npeers; i++)
		if (strcmp(app->peers[i]->kms->name, kms->name) == 0)
			return app->peers[i];
	return NULL;
}

static int
join(struct scs_unit *u, struct gw_err *err)
{
	for (size_t i = 0; i < u->n; i++) {
		u->streams[i].peer = peer_of(u->app, u->streams[i].conf->kms);
		if (scs_peer_join(u->streams[i].peer, &u->streams[i], err) < 0)
			return -1;
	}
	return 0;
}

static void
free_unit(uv_handle_t *h)
{
	struct scs_unit *u = ((struct gw_timer *)(void *)h)->self;

	free(u);
}

struct scs_unit *
scs_unit_open(struct scs *app, const struct he_unit *conf, struct gw_err *err)
{
	struct scs_unit *u = calloc(1, sizeof(*u));
	enum gw_outcome o;

	if (!u)
		goto fail;
	u->app = app;
	u->conf = conf;
	u->air_cp = -1;
	u->mode = SCS_NOTHING;
	u->n = conf->nstkm;
	gw_timer_init(&u->timer, &app->loop, on_timer, u);
	u->streams = calloc(u->n ? u->n : 1, sizeof(*u->streams));
	u->required = calloc(u->n ? u->n : 1, sizeof(*u->required));
	if (!u->streams || !u->required)
		goto fail;
	for (size_t i = 0; i < u->n; i++) {
		u->streams[i] = (struct scs_unit_stream){ .unit = u, .conf = &conf->stkm[i], .ecm.cp = -1 };
		u->required[i] = conf->stkm[i].required;
		if (add_criteria(&u->streams[i], INT64_MIN) < 0)
			goto fail;
		if (conf->stkm[i].out.scheme && i < SCS_STREAMS)
			u->with_out |= UINT64_C(1) << i;
	}
	if ((o = gw_store_own(app->store, conf->id, &u->epoch)) != GW_WON) {
		gw_fail(err, GW_ESTORE, "service %s: the store does not let this SCS own it", conf->id);
		goto undo;
	}
	if (make_schedule(u, err) == 0 && take_up(u, err) == 0 && join(u, err) == 0) {
		scs_follow_count(u);
		scs_touch(u);
		return u;
	}
undo:
	scs_unit_close(u, false);
	return NULL;
fail:
	gw_fail(err, GW_ESYS, "out of memory");
	if (u)
		scs_unit_close(u, false);
	return NULL;
}

static void
forget_dirty(struct scs_unit *u)
{
	for (struct scs_unit **at = &u->app->dirty; *at; at = &(*at)->next_dirty)
		if (*at == u) {
			*at = u->next_dirty;
			break;
		}
}

void
scs_unit_close(struct scs_unit *u, bool end)
{
	if (end) {
		scs_follow_end(u);
		end_command(u);
	}
	forget_dirty(u);
	for (size_t i = 0; u->streams && i < u->n; i++) {
		if (u->streams[i].peer)
			scs_peer_leave(u->streams[i].peer, &u->streams[i]);
		free(u->streams[i].ecm.p);
		drop_criteria(&u->streams[i], INT64_MIN);
		free(u->streams[i].criteria);
	}
	for (size_t i = 0; i < SCS_LIVE; i++)
		free(u->frames[i].p);
	scs_keys_drop(u, INT64_MAX);
	u->held = u->schedule ? scs_schedule_released(u->schedule) : -1;
	scs_schedule_free(u->schedule);
	u->schedule = NULL;
	free(u->streams);
	free(u->required);
	gw_timer_close(&u->timer, free_unit);
}

static bool
same_stream(const struct he_stkm *a, const struct he_stkm *b)
{
	return strcmp(a->kms->name, b->kms->name) == 0 && a->ecm_id == b->ecm_id && memcmp(&a->out, &b->out, sizeof(a->out)) == 0;
}

bool
scs_unit_same(const struct he_unit *a, const struct he_unit *b)
{
	const struct he_service *s = a->service, *t = b->service;

	if (s->scrambling != t->scrambling || s->authentication != t->authentication || s->cw_length != t->cw_length ||
	    a->index != b->index || a->nstkm != b->nstkm)
		return false;
	for (size_t i = 0; i < a->nstkm; i++)
		if (!same_stream(&a->stkm[i], &b->stkm[i]))
			return false;
	return true;
}

static bool
criteria_differ(const struct scs_unit_stream *t)
{
	const struct scs_criteria *c = t->criteria;

	return c->len != t->conf->access_criteria_len || (c->len && memcmp(c->p, t->conf->access_criteria, c->len) != 0);
}

void
scs_unit_rebind(struct scs_unit *u, const struct he_unit *conf)
{
	struct scs_schedule_conf c;
	int64_t now = scs_now(u->app);

	u->conf = conf;
	for (size_t i = 0; i < u->n; i++) {
		u->streams[i].conf = &conf->stkm[i];
		u->required[i] = conf->stkm[i].required;
	}
	c = schedule_conf(u);
	/* The criteria first: with them begins the CP that is not asked for yet, and the new period may be what has it asked for. */
	for (size_t i = 0; i < u->n; i++) {
		struct scs_unit_stream *t = &u->streams[i];
		if (!criteria_differ(t))
			continue;
		int64_t cp = scs_schedule_criteria(u->schedule, i, now);
		if (add_criteria(t, cp) < 0)
			gw_log(GW_ERR, "access_criteria_kept", "out of memory: the stream keeps what it had", "service=%s kms=%s", conf->id,
			    t->conf->kms->name);
		else
			gw_log(GW_NOTICE, "access_criteria", NULL, "service=%s kms=%s from_cp=%lld", conf->id, t->conf->kms->name, (long long)cp);
	}
	scs_schedule_reconf(u->schedule, &c, now);
	scs_follow_request(u);	/* another bridge, perhaps */
	scs_touch(u);
}
