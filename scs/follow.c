/* scs/follow.c: the playout link's server side: muxes and scramblers connect, say what they hold, and get committed records */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/hex.h"
#include "proto/playout.h"
#include "scs/scs.h"

enum { TEST_US = 3000000, SILENCE_US = 10000000, GRACE_MS = 200 };

/* ---- sending ---- */

static void
finish(struct scs_follower *f, struct sim_writer *w)
{
	size_t len = sim_end(w, NULL);

	if (len)
		gw_link_send(f->link, w->buf, len);
	gw_cleanse(w->buf, w->len);	/* a key may have been in it */
}

static void
send_bare(struct scs_follower *f, uint16_t message)
{
	uint8_t buf[SIM_HEADER];
	struct sim_writer w;

	sim_begin(&w, &playout, PLAYOUT_VERSION, message, buf, sizeof(buf));
	finish(f, &w);
}

static void
refuse(struct scs_follower *f, uint16_t status, const char *why)
{
	uint8_t buf[512];
	struct sim_writer w;

	f->errors++;
	gw_log_limited(&f->app->rate, GW_WARNING, "follower_refused", why, "peer=%s role=%d error=0x%04x", f->name[0] ? f->name : "-", f->role,
	    status);
	sim_begin(&w, &playout, PLAYOUT_VERSION, PLAYOUT_FOLLOWER_ERROR, buf, sizeof(buf));
	sim_put_int(&w, PLAYOUT_ERROR_STATUS, status);
	sim_put_text(&w, PLAYOUT_ERROR_INFORMATION, why);
	finish(f, &w);
}

static bool
follows(const struct scs_follower *f, int role, const struct scs_unit *u)
{
	if (f->role != role)
		return false;
	return f->n == 0 || gw_index_get(&f->following, u->conf->id, strlen(u->conf->id));
}

static void
send_ecms(struct scs_follower *f, struct scs_unit *u, const struct scs_cp *cp)
{
	struct scs_frames *frames = scs_unit_frames(u, cp->cp);
	const uint8_t *msg;
	size_t at = 0, len;

	if (frames)
		scs_record_hold(frames, !cp->on_air);
	while (frames && scs_record_next(frames, &at, &msg, &len)) {
		gw_link_send(f->link, msg, len);
		f->sent++;
	}
}

static void
send_key(struct scs_follower *f, const struct scs_unit *u, const struct scs_cp *cp)
{
	const struct scs_key_entry *k = scs_unit_key(u, cp->cp);
	const struct he_service *s = u->conf->service;
	int64_t least = scs_schedule_least(u->schedule);	/* not the period: a follower that begins one late would never be in time again */
	uint8_t buf[1024], id[8];
	struct sim_writer w;
	size_t n;

	if (!k)
		return;
	/* a period that was made longer is not this one's */
	least = least < cp->duration_us ? least : cp->duration_us;
	sim_begin(&w, &playout, PLAYOUT_VERSION, PLAYOUT_KEY_RECORD, buf, sizeof(buf));
	sim_put_text(&w, PLAYOUT_SERVICE, u->conf->id);
	sim_put_int(&w, PLAYOUT_CP, cp->cp);
	sim_put_int(&w, PLAYOUT_START, cp->start_us);
	sim_put_int(&w, PLAYOUT_DURATION, cp->duration_us / 1000);
	sim_put_int(&w, PLAYOUT_MIN_DURATION, least / 1000);
	sim_put_int(&w, PLAYOUT_EPOCH, u->epoch);
	sim_put_int(&w, PLAYOUT_PROTECTION, s->scrambling);
	sim_put_int(&w, PLAYOUT_AUTHENTICATED, s->authentication);
	if ((n = scs_unit_key_id(u, cp->cp, id)) > 0)
		sim_put_bytes(&w, PLAYOUT_KEY_IDENTIFIER, id, n);
	sim_put_bytes(&w, PLAYOUT_KEY_MATERIAL, k->material.p, k->material.len);
	finish(f, &w);
	f->sent++;
}

static void
send_mode(struct scs_follower *f, const struct scs_unit *u, const struct scs_cp *cp)
{
	uint8_t buf[512];
	struct sim_writer w;

	sim_begin(&w, &playout, PLAYOUT_VERSION, PLAYOUT_MODE_RECORD, buf, sizeof(buf));
	sim_put_text(&w, PLAYOUT_SERVICE, u->conf->id);
	sim_put_int(&w, PLAYOUT_CP, cp->cp);
	sim_put_int(&w, PLAYOUT_START, cp->start_us);
	sim_put_int(&w, PLAYOUT_EPOCH, u->epoch);
	sim_put_int(&w, PLAYOUT_MODE, cp->mode == SCS_MUTED ? PLAYOUT_MUTED : PLAYOUT_CLEAR);
	finish(f, &w);
	f->sent++;
}

/* What a scrambler gets of a released CP. One that is not ours gets nothing. */
static void
send_release(struct scs_follower *f, const struct scs_unit *u, const struct scs_cp *cp)
{
	if (u->conf->service->scrambling != HE_NONE)
		(cp->mode == SCS_SCRAMBLED ? send_key : send_mode)(f, u, cp);
}

/* ---- keys from outside ---- */

static bool
brings_keys(const struct scs_follower *f, const struct scs_unit *u)
{
	const char *source = u->conf->service->outside_keys;

	return f->role == PLAYOUT_KEY_SOURCE && source && strcmp(f->name, source) == 0;
}

static void
send_request(struct scs_follower *f, const struct scs_unit *u)
{
	const struct he_service *s = u->conf->service;
	uint8_t buf[512];
	struct sim_writer w;

	sim_begin(&w, &playout, PLAYOUT_VERSION, PLAYOUT_KEY_REQUEST, buf, sizeof(buf));
	sim_put_text(&w, PLAYOUT_SERVICE, u->conf->id);
	sim_put_int(&w, PLAYOUT_CP, u->outside.from);
	sim_put_int(&w, PLAYOUT_LAST_CP, u->outside.last);
	sim_put_int(&w, PLAYOUT_DURATION, scs_schedule_period(u->schedule) / 1000);
	sim_put_int(&w, PLAYOUT_PROTECTION, s->scrambling);
	sim_put_int(&w, PLAYOUT_AUTHENTICATED, s->authentication);
	sim_put_int(&w, PLAYOUT_KEY_LENGTH, (int64_t)scs_keys_length(u));
	finish(f, &w);
	f->sent++;
}

void
scs_follow_request(struct scs_unit *u)
{
	u->outside.up = false;
	for (struct scs_follower *f = u->app->followers; f; f = f->next) {
		if (!brings_keys(f, u))
			continue;
		u->outside.up = true;
		if (u->outside.wanted)
			send_request(f, u);
	}
}

/* status 0: it is stored, under this fingerprint. */
static void
answer_supply(struct scs_follower *f, const char *service, size_t len, int64_t cp, const char *fingerprint, int status, const char *why)
{
	uint8_t buf[512], print[8];
	struct sim_writer w;

	sim_begin(&w, &playout, PLAYOUT_VERSION, PLAYOUT_KEY_SUPPLY_ACK, buf, sizeof(buf));
	sim_put_bytes(&w, PLAYOUT_SERVICE, service, len);
	sim_put_int(&w, PLAYOUT_CP, cp);
	if (fingerprint && gw_unhex(fingerprint, print, sizeof(print)) == (int)sizeof(print))
		sim_put_bytes(&w, PLAYOUT_FINGERPRINT, print, sizeof(print));
	if (status) {
		sim_put_int(&w, PLAYOUT_ERROR_STATUS, status);
		sim_put_text(&w, PLAYOUT_ERROR_INFORMATION, why);
	}
	finish(f, &w);
}

void
scs_follow_supplied(struct scs_unit *u, const struct scs_key_entry *k)
{
	gw_log(GW_INFO, "key_supplied", NULL, "service=%s cp=%lld key=%s bridge=%s", u->conf->id, (long long)k->cp, k->fingerprint,
	    u->conf->service->outside_keys);
	for (struct scs_follower *f = u->app->followers; f; f = f->next)
		if (brings_keys(f, u)) {
			f->acked++;
			answer_supply(f, u->conf->id, strlen(u->conf->id), k->cp, k->fingerprint, 0, NULL);
		}
}

/* ---- what a unit wants of its followers ---- */

/* Once every mux has every ECM of the CP, its key may go out. Which ECMs those are its record says, not the configuration of today. */
static void
settle_air(struct scs_unit *u)
{
	const struct scs_frames *f = u->air_cp >= 0 ? scs_unit_frames(u, u->air_cp) : NULL;
	size_t n = f ? scs_record_count(f) : 0;
	uint64_t whole = n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;

	if (!f || !u->air[0].mux)
		return;
	for (size_t k = 0; k < SCS_MUXES && u->air[k].mux; k++)
		if ((u->air[k].acked & whole) != whole)
			return;
	scs_schedule_aired(u->schedule, u->air_cp, scs_now(u->app));
	scs_touch(u);
}

/*
 * The unit's muxes in u->air, and their number into the schedule. A mux beyond SCS_MUXES plays along, but nobody waits for it.
 * What those that stay have acknowledged stands; and one that has gone is waited for no more.
 */
void
scs_follow_count(struct scs_unit *u)
{
	struct scs_air before[SCS_MUXES];
	size_t n = 0;

	memcpy(before, u->air, sizeof(before));
	memset(u->air, 0, sizeof(u->air));
	for (struct scs_follower *f = u->app->followers; f && n < SCS_MUXES; f = f->next) {
		if (!follows(f, PLAYOUT_MUX, u))
			continue;
		u->air[n].mux = f;
		for (size_t k = 0; k < SCS_MUXES; k++)
			if (before[k].mux == f)
				u->air[n].acked = before[k].acked;
		n++;
	}
	scs_schedule_muxes(u->schedule, n, scs_now(u->app));
	settle_air(u);
	scs_touch(u);
}

void
scs_follow_air(struct scs_unit *u, const struct scs_cp *cp)
{
	u->air_cp = cp->cp;
	for (size_t i = 0; i < SCS_MUXES; i++)
		u->air[i].acked = 0;
	for (struct scs_follower *f = u->app->followers; f; f = f->next)
		if (follows(f, PLAYOUT_MUX, u))
			send_ecms(f, u, cp);
	settle_air(u);
}

void
scs_follow_install(struct scs_unit *u, const struct scs_cp *cp)
{
	u->air_cp = -1;
	for (struct scs_follower *f = u->app->followers; f; f = f->next)	/* should we end in between, receivers have the ECM before the key */
		if (follows(f, PLAYOUT_MUX, u))
			send_ecms(f, u, cp);
	for (struct scs_follower *f = u->app->followers; f; f = f->next)
		if (follows(f, PLAYOUT_SCRAMBLER, u))
			send_release(f, u, cp);
}

void
scs_follow_end(struct scs_unit *u)
{
	uint8_t buf[256];
	struct sim_writer w;

	for (struct scs_follower *f = u->app->followers; f; f = f->next) {
		if (!f->role || (f->role == PLAYOUT_KEY_SOURCE ? !brings_keys(f, u) : !follows(f, f->role, u)))
			continue;
		sim_begin(&w, &playout, PLAYOUT_VERSION, PLAYOUT_SERVICE_END, buf, sizeof(buf));
		sim_put_text(&w, PLAYOUT_SERVICE, u->conf->id);
		sim_put_int(&w, PLAYOUT_START, gw_utc_us());
		finish(f, &w);
	}
}

/* Everything that is live, to a follower that has just come. */
static void
bring_up_to_date(struct scs_follower *f, struct scs_unit *u)
{
	const struct scs_cp *live[SCS_LIVE];
	size_t n = scs_schedule_live(u->schedule, scs_now(u->app), live);

	for (size_t i = 0; i < n; i++) {
		if (f->role == PLAYOUT_MUX)
			send_ecms(f, u, live[i]);
		else if (live[i]->released)
			send_release(f, u, live[i]);
	}
}

/* ---- messages ---- */

const char *
scs_role_name(int role)
{
	static const char *const names[] = { "-", [PLAYOUT_MUX] = "mux", [PLAYOUT_SCRAMBLER] = "scrambler", [PLAYOUT_OPERATOR] = "operator",
		[PLAYOUT_KEY_SOURCE] = "key-source" };

	return names[role];
}

static char *
text(const struct sim_value *v)
{
	return strndup((const char *)v->p, v->len);
}

static void
on_held(struct scs_follower *f, const struct sim_msg *m)
{
	void *grown = realloc(f->held, (f->nheld + 1) * sizeof(*f->held));
	char *service = grown ? text(sim_value(m, PLAYOUT_SERVICE, 0)) : NULL;

	if (grown)
		f->held = grown;
	if (f->role || !service || f->nheld >= UINT16_MAX) {
		free(service);
		refuse(f, f->role ? PLAYOUT_E_STATE : PLAYOUT_E_RESOURCES, "follower_held belongs before follower_setup, once a service");
		return;
	}
	f->held[f->nheld].service = service;
	f->held[f->nheld++].cp = sim_int(m, PLAYOUT_CP, -1);
}

/* A scrambler that holds the last committed CP got its key from an earlier life of ours: released it is. */
static void
believe_held(struct scs_follower *f)
{
	for (size_t i = 0; i < f->nheld; i++) {
		struct scs_unit *u = scs_unit_find(f->app, f->held[i].service, strlen(f->held[i].service));
		if (u && f->role == PLAYOUT_SCRAMBLER) {
			if (f->held[i].cp > scs_schedule_preparing(u->schedule)->cp)
				scs_unit_behind(u, f->held[i].cp);
			scs_schedule_held(u->schedule, f->held[i].cp, scs_now(f->app));
			scs_touch(u);
		}
		free(f->held[i].service);
	}
	free(f->held);
	f->held = NULL;
	f->nheld = 0;
}

static int
take_services(struct scs_follower *f, const struct sim_msg *m)
{
	size_t n = sim_count(m, PLAYOUT_SERVICE);

	f->services = calloc(n ? n : 1, sizeof(*f->services));
	for (size_t i = 0; f->services && i < n; i++)
		if ((f->services[f->n] = text(sim_value(m, PLAYOUT_SERVICE, i))) != NULL &&
		    gw_index_put(&f->following, f->services[f->n++], f) < 0)
			return -1;
	return f->services && f->n == n ? 0 : -1;
}

static void
on_setup(struct scs_follower *f, const struct sim_msg *m)
{
	const struct sim_value *name = sim_value(m, PLAYOUT_FOLLOWER_NAME, 0);
	int role = (int)sim_int(m, PLAYOUT_FOLLOWER_ROLE, 0);
	uint8_t buf[256];
	struct sim_writer w;

	if (f->role || role < PLAYOUT_MUX || role > PLAYOUT_KEY_SOURCE) {
		refuse(f, f->role ? PLAYOUT_E_STATE : PLAYOUT_E_ROLE, "follower_setup comes once, with role 1 (mux), 2 (scrambler), 3 (operator) "
		    "or 4 (key source)");
		return;
	}
	if (take_services(f, m) < 0) {
		refuse(f, PLAYOUT_E_RESOURCES, "out of memory");
		gw_link_close(f->link, GRACE_MS);
		return;
	}
	f->role = role;
	snprintf(f->name, sizeof(f->name), "%.*s", (int)name->len, (const char *)name->p);
	sim_begin(&w, &playout, PLAYOUT_VERSION, PLAYOUT_FOLLOWER_STATUS, buf, sizeof(buf));
	sim_put_text(&w, PLAYOUT_HEAD_END, f->app->he->head_end);
	finish(f, &w);
	gw_log(role == PLAYOUT_OPERATOR ? GW_INFO : GW_NOTICE, "follower_up", NULL, "peer=%s role=%s services=%zu held=%zu", f->name,
	    scs_role_name(role), f->n, f->nheld);
	believe_held(f);
	for (size_t i = 0; i < f->app->nunits; i++)
		if (brings_keys(f, f->app->units[i]))
			scs_follow_request(f->app->units[i]);
	for (size_t i = 0; (role == PLAYOUT_MUX || role == PLAYOUT_SCRAMBLER) && i < f->app->nunits; i++)
		if (follows(f, role, f->app->units[i])) {
			bring_up_to_date(f, f->app->units[i]);
			scs_follow_count(f->app->units[i]);
		}
}

static struct scs_unit *
unit_of(const struct scs_follower *f, const struct sim_msg *m)
{
	const struct sim_value *id = sim_value(m, PLAYOUT_SERVICE, 0);

	return scs_unit_find(f->app, (const char *)id->p, id->len);
}

static void
ecm_taken(struct scs_follower *f, struct scs_unit *u, int place)
{
	for (size_t k = 0; k < SCS_MUXES; k++)
		if (u->air[k].mux == f)
			u->air[k].acked |= UINT64_C(1) << place;
	settle_air(u);
}

static void
on_ecm_ack(struct scs_follower *f, const struct sim_msg *m)
{
	struct scs_unit *u = unit_of(f, m);
	const struct scs_frames *frames = u ? scs_unit_frames(u, sim_int(m, PLAYOUT_CP, -1)) : NULL;
	int place = frames && frames->cp == u->air_cp ?
	    scs_record_place(frames, sim_int(m, PLAYOUT_SUPER_CAS_ID, -1), sim_int(m, PLAYOUT_ECM_ID, -1)) : -1;

	f->acked++;
	if (place >= 0 && place < 64)
		ecm_taken(f, u, place);
}

/*
 * Every scrambler of a service is compared with the record, and so with the others: with two keys for one crypto-period no receiver could
 * follow both of them.
 */
static void
compare_keys(struct scs_follower *f, struct scs_unit *u, const struct sim_msg *m)
{
	const struct sim_value *theirs = sim_value(m, PLAYOUT_FINGERPRINT, 0);
	int64_t cp = sim_int(m, PLAYOUT_CP, -1);
	const struct scs_key_entry *k = theirs ? scs_unit_key(u, cp) : NULL;
	char text[17];

	if (!k)
		return;
	if (strcmp(gw_hex(theirs->p, theirs->len, text, sizeof(text)), k->fingerprint) != 0) {
		u->differs.by = f;
		u->differs.cp = cp;
		u->differs.times++;
		gw_log_limited(&f->app->rate, GW_ERR, "fingerprint_differs", "the scrambler has another key than the one committed: its packets "
		    "cannot be opened", "peer=%s service=%s cp=%lld key=%s theirs=%s", f->name, u->conf->id, (long long)cp, k->fingerprint, text);
	} else if (u->differs.by == f && cp >= u->differs.cp) {
		u->differs.by = NULL;
		gw_log(GW_NOTICE, "fingerprint_agrees", "the scrambler has the committed key again", "peer=%s service=%s cp=%lld", f->name,
		    u->conf->id, (long long)cp);
	}
}

static void
on_key_ack(struct scs_follower *f, const struct sim_msg *m)
{
	struct scs_unit *u = unit_of(f, m);

	f->acked++;
	if (u)
		compare_keys(f, u, m);
	if (!u || u->refused.by != f || sim_int(m, PLAYOUT_CP, -1) < u->refused.cp)
		return;
	u->refused.by = NULL;
	gw_log(GW_NOTICE, "record_taken", "the scrambler is in step again", "peer=%s service=%s cp=%lld", f->name, u->conf->id,
	    (long long)sim_int(m, PLAYOUT_CP, -1));
}

/* Which stream a mux speaks of; NULL: none, or it does not say. */
static struct scs_unit_stream *
stream_of(struct scs_unit *u, const struct sim_msg *m)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->streams[i].conf->kms->super_cas_id == sim_int(m, PLAYOUT_SUPER_CAS_ID, -1) &&
		    u->streams[i].conf->ecm_id == sim_int(m, PLAYOUT_ECM_ID, -1))
			return &u->streams[i];
	return NULL;
}

/*
 * A mux has no place for an ECM. Of an optional KMS: its receivers go without, as if it had not answered. Of a required one: what is
 * in its way may go away.
 */
static void
ecm_refused(struct scs_follower *f, struct scs_unit *u, const struct sim_msg *m)
{
	const struct scs_unit_stream *t = stream_of(u, m);
	const struct scs_frames *frames = scs_unit_frames(u, u->air_cp);
	int place = t && !t->conf->required && frames ?
	    scs_record_place(frames, t->conf->kms->super_cas_id, t->conf->ecm_id) : -1;

	if (place >= 0 && place < 64) {
		ecm_taken(f, u, place);
		return;
	}
	scs_schedule_not_aired(u->schedule, u->air_cp, scs_now(u->app));
	scs_touch(u);
}

static void
on_record_error(struct scs_follower *f, const struct sim_msg *m)
{
	const struct sim_value *id = sim_value(m, PLAYOUT_SERVICE, 0), *why = sim_value(m, PLAYOUT_ERROR_INFORMATION, 0);
	struct scs_unit *u = unit_of(f, m);
	int64_t cp = sim_int(m, PLAYOUT_CP, -1);

	if (f->role == PLAYOUT_KEY_SOURCE) {
		if (u && why && brings_keys(f, u))
			scs_outside_failed(u, (const char *)why->p, why->len);
		return;
	}
	f->errors++;
	const struct scs_unit_stream *t = u ? stream_of(u, m) : NULL;
	gw_log_limited(&f->app->rate, GW_ERR, "record_refused", f->role == PLAYOUT_SCRAMBLER ?
	    "the scrambler goes on with what it has; the record is sent again every second" : t && !t->conf->required ?
	    "the mux has no place for an ECM that is not required: it is left out" :
	    "the mux cannot do as committed: the crypto-period before goes on",
	    "peer=%s service=%.*s kms=%s cp=%lld error=0x%04x reason=%.*s", f->name, (int)id->len, (const char *)id->p,
	    t ? t->conf->kms->name : "-", (long long)cp, (unsigned)sim_int(m, PLAYOUT_ERROR_STATUS, 0), why ? (int)why->len : 0,
	    why ? (const char *)why->p : "");
	if (u && f->role == PLAYOUT_MUX && cp == u->air_cp)
		ecm_refused(f, u, m);
	if (u && f->role == PLAYOUT_SCRAMBLER) {
		u->refused.by = f;
		u->refused.cp = cp;
		u->refused.status = (unsigned)sim_int(m, PLAYOUT_ERROR_STATUS, 0);
	}
}

/* service_answer: the parameters that name the service and the mode are those of the command. */
static void
on_command(struct scs_follower *f, const struct sim_msg *m)
{
	const struct sim_value *id = sim_value(m, PLAYOUT_SERVICE, 0);
	int64_t mode = sim_int(m, PLAYOUT_MODE, -1), at = -1;
	const char *why = "mode 0 is scrambled, 1 is clear";
	int status = PLAYOUT_E_INVALID;
	uint8_t buf[512];
	struct sim_writer w;

	if (f->role != PLAYOUT_OPERATOR) {
		refuse(f, PLAYOUT_E_ROLE, "only an operator commands");
		return;
	}
	if (mode == PLAYOUT_SCRAMBLED || mode == PLAYOUT_CLEAR)
		at = scs_unit_command(f->app, (const char *)id->p, id->len, mode == PLAYOUT_CLEAR, &status, &why);
	sim_begin(&w, &playout, PLAYOUT_VERSION, PLAYOUT_SERVICE_ANSWER, buf, sizeof(buf));
	sim_put_bytes(&w, PLAYOUT_SERVICE, id->p, id->len);
	sim_put_int(&w, PLAYOUT_MODE, mode);
	if (at > 0)
		sim_put_int(&w, PLAYOUT_START, at);
	if (at < 0) {
		sim_put_int(&w, PLAYOUT_ERROR_STATUS, status);
		sim_put_text(&w, PLAYOUT_ERROR_INFORMATION, why);
	}
	finish(f, &w);
}

static void
on_key_supply(struct scs_follower *f, const struct sim_msg *m)
{
	const struct sim_value *service = sim_value(m, PLAYOUT_SERVICE, 0), *key = sim_value(m, PLAYOUT_KEY_MATERIAL, 0),
		*id = sim_value(m, PLAYOUT_KEY_IDENTIFIER, 0);
	struct scs_unit *u = unit_of(f, m);
	const struct scs_supply supply = { .source = f->name, .cp = sim_int(m, PLAYOUT_CP, -1), .protection = sim_int(m, PLAYOUT_PROTECTION, -1),
		.authenticated = sim_int(m, PLAYOUT_AUTHENTICATED, 0), .material = key->p, .len = key->len, .id = id ? id->p : NULL,
		.id_len = id ? id->len : 0 };
	const char *why = "the SCS has no such service";
	int status = PLAYOUT_E_UNKNOWN;

	if (f->role != PLAYOUT_KEY_SOURCE) {
		refuse(f, PLAYOUT_E_ROLE, "only a key source supplies keys");
		return;
	}
	if (u)
		status = scs_outside_take(u, &supply, &why);
	if (status > 0) {
		f->errors++;
		gw_log_limited(&f->app->rate, GW_ERR, "key_refused", why, "bridge=%s service=%.*s cp=%lld error=0x%04x", f->name,
		    (int)service->len, (const char *)service->p, (long long)supply.cp, (unsigned)status);
	}
	if (status != SCS_KEY_TAKEN)
		answer_supply(f, (const char *)service->p, service->len, supply.cp, status > 0 ? NULL : scs_unit_key(u, supply.cp)->fingerprint,
		    status > 0 ? status : 0, why);
}

static void
on_follower_error(struct scs_follower *f, const struct sim_msg *m)
{
	const struct sim_value *why = sim_value(m, PLAYOUT_ERROR_INFORMATION, 0);

	f->errors++;
	gw_log_limited(&f->app->rate, GW_WARNING, "follower_error", NULL, "peer=%s error=0x%04x reason=%.*s", f->name,
	    (unsigned)sim_int(m, PLAYOUT_ERROR_STATUS, 0), why ? (int)why->len : 0, why ? (const char *)why->p : "");
}

static void
on_test(struct scs_follower *f, const struct sim_msg *m)
{
	(void)m;
	send_bare(f, PLAYOUT_LINK_STATUS);
}

static void
on_link_status(struct scs_follower *f, const struct sim_msg *m)
{
	(void)m;
	f->testing = false;
}

static const struct { uint16_t message; bool known; void (*act)(struct scs_follower *, const struct sim_msg *); } handlers[] = {
	/* message                 after setup  then */
	{ PLAYOUT_FOLLOWER_HELD,   false,       on_held           },
	{ PLAYOUT_FOLLOWER_SETUP,  false,       on_setup          },
	{ PLAYOUT_ECM_ACK,         true,        on_ecm_ack        },
	{ PLAYOUT_KEY_ACK,         true,        on_key_ack        },
	{ PLAYOUT_RECORD_ERROR,    true,        on_record_error   },
	{ PLAYOUT_SERVICE_COMMAND, true,        on_command        },
	{ PLAYOUT_KEY_SUPPLY,      true,        on_key_supply     },
	{ PLAYOUT_FOLLOWER_ERROR,  false,       on_follower_error },
	{ PLAYOUT_LINK_TEST,       false,       on_test           },
	{ PLAYOUT_LINK_STATUS,     false,       on_link_status    },
};

static void
frame(void *self, struct gw_link *link, const uint8_t *msg, size_t len)
{
	static struct sim_msg m;
	struct scs_follower *f = self;
	struct sim_fault why;
	char fault[160];

	(void)link;
	f->heard_us = gw_mono_us();
	f->testing = false;
	if (sim_decode(&playout, msg, len, &m, &why) < 0) {
		snprintf(fault, sizeof(fault), "%s: message %s, parameter 0x%04x, offset %zu", sim_verdict_text(why.verdict),
		    m.def ? m.def->name : "unknown", why.param, why.offset);
		refuse(f, sim_status_of(&playout, why.verdict), fault);
		return;
	}
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
		if (handlers[i].message == m.def->type) {
			if (handlers[i].known && !f->role)
				break;
			handlers[i].act(f, &m);
			return;
		}
	refuse(f, PLAYOUT_E_STATE, "this message has no meaning here and now");
}

/* ---- life ---- */

static void
up(void *self, struct gw_link *link)
{
	(void)self;
	(void)link;
}

static void
down(void *self, struct gw_link *link, const struct gw_err *why)
{
	struct scs_follower *f = self, **at;
	struct scs *app = f->app;
	bool mux = f->role == PLAYOUT_MUX, source = f->role == PLAYOUT_KEY_SOURCE;

	(void)link;
	if (!app->stopping)
		gw_log(f->role == PLAYOUT_OPERATOR ? GW_INFO : GW_WARNING, "follower_down", why ? why->text : "closed", "peer=%s role=%s",
		    f->name[0] ? f->name : "-", scs_role_name(f->role));
	for (at = &app->followers; *at != f; at = &(*at)->next)
		;
	*at = f->next;
	for (size_t i = 0; mux && !app->stopping && i < app->nunits; i++)
		scs_follow_count(app->units[i]);
	for (size_t i = 0; source && !app->stopping && i < app->nunits; i++)
		scs_follow_request(app->units[i]);
	for (size_t i = 0; i < app->nunits; i++) {
		if (app->units[i]->refused.by == f)
			app->units[i]->refused.by = NULL;
		if (app->units[i]->differs.by == f)
			app->units[i]->differs.by = NULL;
	}
	gw_index_clear(&f->following);
	for (size_t i = 0; i < f->n; i++)
		free(f->services[i]);
	for (size_t i = 0; i < f->nheld; i++)
		free(f->held[i].service);
	free(f->services);
	free(f->held);
	free(f);
}

static const struct gw_link_ops ops = { .up = up, .frame = frame, .down = down };

static void *
accept_one(void *owner, struct gw_link *link)
{
	struct scs *app = owner;
	struct scs_follower *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->app = app;
	f->link = link;
	f->heard_us = gw_mono_us();
	f->next = app->followers;
	app->followers = f;
	return f;
}

int
scs_follow_open(struct scs *app, struct gw_err *err)
{
	/* Records of all services may have to go to a follower that has just come, at once. */
	static const struct gw_link_limits limits = { .queue_bytes = 64 << 20 };
	char where[200];
	struct gw_addr a;

	snprintf(where, sizeof(where), "unix://%s/scs.sock", app->he->playout);
	if (gw_addr_parse(where, GW_UNIX, &a, err) < 0)
		return -1;
	app->listener = gw_listen(&app->loop, &a, &ops, &limits, accept_one, app, err);
	return app->listener ? 0 : -1;
}

void
scs_follow_close(struct scs *app)
{
	if (app->listener)
		gw_listener_close(app->listener, NULL);
	app->listener = NULL;
	for (struct scs_follower *f = app->followers; f; f = f->next)
		gw_link_close(f->link, GRACE_MS);
}

/* A key that was refused is sent again, as long as it is one that is needed. */
static void
send_refused(struct scs *app)
{
	const struct scs_cp *live[SCS_LIVE];

	for (struct scs_follower *f = app->followers; f; f = f->next)
		for (size_t i = 0; f->role == PLAYOUT_SCRAMBLER && i < app->nunits; i++) {
			struct scs_unit *u = app->units[i];
			size_t n = u->refused.by == f ? scs_schedule_live(u->schedule, scs_now(app), live) : 0;
			while (n > 0 && !live[n - 1]->released)
				n--;
			if (n > 0)
				send_release(f, u, live[n - 1]);
		}
}

/* Once a second: a silent follower is tested, a dead one let go, so that nobody waits for its acknowledgements. */
void
scs_follow_second(struct scs *app)
{
	int64_t now = gw_mono_us();

	send_refused(app);
	for (struct scs_follower *f = app->followers; f; f = f->next) {
		if (now - f->heard_us > SILENCE_US) {
			gw_link_abort(f->link, GW_EPEER, "the follower does not answer");
		} else if (!f->testing && now - f->heard_us > TEST_US) {
			f->testing = true;
			send_bare(f, PLAYOUT_LINK_TEST);
		}
	}
}
