/* scrambler/follow.c: the playout link: asks the SCS for keys, follows committed records, goes on without it */
#include <stdio.h>
#include <string.h>
#include "lib/hex.h"
#include "lib/log.h"
#include "proto/playout.h"
#include "scrambler/scrambler.h"

enum {
	BACKOFF_MS = 500, TEST_US = 3000000, SILENCE_US = 10000000,
	OVERDUE_US = 6000000,	/* an answer to a test would have come long since */
	LOOK_US = 2000000,	/* within this we look again, though we may be kept waiting */
};

static void
finish(struct gw_link *link, struct sim_writer *w)
{
	size_t n = sim_end(w, NULL);

	if (n > 0)
		gw_link_send(link, w->buf, n);
}

static void
send_bare(struct gw_link *link, uint16_t message)
{
	uint8_t buf[SIM_HEADER];
	struct sim_writer w;

	sim_begin(&w, &playout, PLAYOUT_VERSION, message, buf, sizeof(buf));
	finish(link, &w);
}

static void
send_error(struct gw_link *link, uint16_t status, const char *text)
{
	uint8_t buf[512];
	struct sim_writer w;

	sim_begin(&w, &playout, PLAYOUT_VERSION, PLAYOUT_FOLLOWER_ERROR, buf, sizeof(buf));
	sim_put_int(&w, PLAYOUT_ERROR_STATUS, status);
	sim_put_text(&w, PLAYOUT_ERROR_INFORMATION, text);
	finish(link, &w);
}

/* A returning SCS must know whether the key it committed last has reached us. */
static void
send_held(struct gw_link *link, const struct scr_unit *u)
{
	const struct scr_keys *k = &u->line.keys;
	uint8_t buf[256];
	struct sim_writer w;
	uint64_t cp;
	bool any;

	scr_worker_lock(u->worker);
	any = k->n || k->now.mode;
	cp = k->n ? k->coming[k->n - 1].cp : k->now.cp;
	scr_worker_unlock(u->worker);
	if (!any)
		return;
	sim_begin(&w, &playout, PLAYOUT_VERSION, PLAYOUT_FOLLOWER_HELD, buf, sizeof(buf));
	sim_put_text(&w, PLAYOUT_SERVICE, u->id);
	sim_put_int(&w, PLAYOUT_CP, (int64_t)cp);
	finish(link, &w);
}

/* Do their names fit a message? */
static bool
nameable(const struct scrambler *app)
{
	enum { HEADER = 4, OTHERS = 2, ROOM = 64 };	/* of a parameter; parameters beside the services, octets for them */
	size_t len = 0;

	for (size_t i = 0; i < app->nunits; i++)
		len += HEADER + strlen(app->units[i]->id);
	return app->nunits <= SIM_VALUES - OTHERS && len <= SIM_MAX - SIM_HEADER - ROOM;
}

/* What we follow by name, or every one: of those that are not ours we say so. */
static void
send_setup(struct scrambler *app, struct gw_link *link)
{
	static uint8_t buf[SIM_MAX];
	struct sim_writer w;

	sim_begin(&w, &playout, PLAYOUT_VERSION, PLAYOUT_FOLLOWER_SETUP, buf, sizeof(buf));
	sim_put_int(&w, PLAYOUT_FOLLOWER_ROLE, PLAYOUT_SCRAMBLER);
	sim_put_text(&w, PLAYOUT_FOLLOWER_NAME, "scrambler");
	for (size_t i = 0, n = nameable(app) ? app->nunits : 0; i < n; i++)
		sim_put_text(&w, PLAYOUT_SERVICE, app->units[i]->id);
	finish(link, &w);
}

/* key_ack, with the name of the key that is held (NULL: none is), or record_error with status and why. */
static void
answer(struct gw_link *link, const struct sim_msg *m, const char *fingerprint, int status, const char *why)
{
	const struct sim_value *service = sim_value(m, PLAYOUT_SERVICE, 0), *cp = sim_value(m, PLAYOUT_CP, 0);
	uint8_t buf[1024], name[8];
	struct sim_writer w;

	sim_begin(&w, &playout, PLAYOUT_VERSION, status ? PLAYOUT_RECORD_ERROR : PLAYOUT_KEY_ACK, buf, sizeof(buf));
	sim_put_bytes(&w, PLAYOUT_SERVICE, service->p, service->len);
	sim_put_bytes(&w, PLAYOUT_CP, cp->p, cp->len);
	if (status) {
		sim_put_int(&w, PLAYOUT_ERROR_STATUS, status);
		sim_put_text(&w, PLAYOUT_ERROR_INFORMATION, why);
	} else if (fingerprint && gw_unhex(fingerprint, name, sizeof(name)) == (int)sizeof(name)) {
		sim_put_bytes(&w, PLAYOUT_FINGERPRINT, name, sizeof(name));
	}
	finish(link, &w);
}

static void
take(struct scrambler *app, struct gw_link *link, const struct sim_msg *m, struct scr_record *r)
{
	const struct sim_value *service = sim_value(m, PLAYOUT_SERVICE, 0);
	struct scr_unit *u = scr_unit_find(app, (const char *)service->p, service->len);
	const char *why = "this scrambler has no such service";
	int status = PLAYOUT_E_UNKNOWN;
	struct gw_err err = { 0 };
	char fingerprint[17] = "";

	app->records++;
	if (u && (status = scr_unit_take(u, r, fingerprint, &why, &err)) == 0) {
		answer(link, m, fingerprint, 0, NULL);
		return;
	}
	app->refused++;
	gw_log_limited(&app->rate, GW_WARNING, "record_refused", why, "message=%s service=%.*s cp=%llu status=%#06x", m->def->name,
	    (int)service->len, (const char *)service->p, (unsigned long long)r->cp, (unsigned)status);
	answer(link, m, NULL, status, why);
}

static void
on_key(struct scrambler *app, struct gw_link *link, const struct sim_msg *m)
{
	static const struct sim_value none = { 0 };
	const struct sim_value *key = sim_value(m, PLAYOUT_KEY_MATERIAL, 0), *id = sim_value(m, PLAYOUT_KEY_IDENTIFIER, 0);

	id = id ? id : &none;
	take(app, link, m, &(struct scr_record){ .mode = SCR_SCRAMBLED,
		.cp = (uint64_t)sim_int(m, PLAYOUT_CP, 0), .start_us = sim_int(m, PLAYOUT_START, 0),
		.duration_ms = (uint32_t)sim_int(m, PLAYOUT_DURATION, 0), .min_duration_ms = (uint32_t)sim_int(m, PLAYOUT_MIN_DURATION, 0),
		.protection = (uint8_t)sim_int(m, PLAYOUT_PROTECTION, 0), .authenticated = sim_int(m, PLAYOUT_AUTHENTICATED, 0) != 0,
		.key_id = id->p, .key_id_len = id->len, .key = key->p, .key_len = key->len });
}

/* What is neither of the two is refused: a mode that a newer SCS may know is not clear. */
static void
on_mode(struct scrambler *app, struct gw_link *link, const struct sim_msg *m)
{
	int64_t mode = sim_int(m, PLAYOUT_MODE, -1);

	take(app, link, m, &(struct scr_record){ .cp = (uint64_t)sim_int(m, PLAYOUT_CP, 0), .start_us = sim_int(m, PLAYOUT_START, 0),
		.mode = mode == PLAYOUT_CLEAR ? SCR_CLEAR : mode == PLAYOUT_MUTED ? SCR_MUTED : SCR_NONE });
}

static void
on_end(struct scrambler *app, struct gw_link *link, const struct sim_msg *m)
{
	const struct sim_value *service = sim_value(m, PLAYOUT_SERVICE, 0);
	struct scr_unit *u = scr_unit_find(app, (const char *)service->p, service->len);

	(void)link;
	if (!u)
		return;
	scr_unit_end(u, sim_int(m, PLAYOUT_START, 0));
}

static void
on_refusal(struct scrambler *app, struct gw_link *link, const struct sim_msg *m)
{
	uint16_t status = (uint16_t)sim_int(m, PLAYOUT_ERROR_STATUS, 0);
	const struct sim_status *s = sim_status_words(&playout, status);

	gw_log_limited(&app->rate, GW_WARNING, "scs_refused", s->meaning, "status=%#06x name=%s next=%s peer=%s", (unsigned)status, s->name, s->next,
	    gw_link_peer(link));
	if (!app->welcome) {	/* a link without welcome is of no use */
		gw_dialer_failed(app->dialer);
		gw_link_abort(link, GW_EPEER, "the SCS refused this scrambler");
	}
}

static void
on_welcome(struct scrambler *app, struct gw_link *link, const struct sim_msg *m)
{
	(void)m;
	app->welcome = true;
	gw_log(GW_INFO, "scs_follow", NULL, "peer=%s services=%zu", gw_link_peer(link), app->nunits);
}

static void
on_test(struct scrambler *app, struct gw_link *link, const struct sim_msg *m)
{
	(void)app;
	(void)m;
	send_bare(link, PLAYOUT_LINK_STATUS);
}

static void
on_ecm(struct scrambler *app, struct gw_link *link, const struct sim_msg *m)
{
	(void)app;
	(void)m;
	send_error(link, PLAYOUT_E_ROLE, "a scrambler takes no ECM");
}

static const struct { uint16_t message; bool welcome; void (*take)(struct scrambler *, struct gw_link *, const struct sim_msg *); } rows[] = {
	/* message                 after the welcome only */
	{ PLAYOUT_FOLLOWER_STATUS, false, on_welcome },
	{ PLAYOUT_FOLLOWER_ERROR,  false, on_refusal },
	{ PLAYOUT_LINK_TEST,       false, on_test },
	{ PLAYOUT_LINK_STATUS,     false, NULL },	/* heard_us says it all */
	{ PLAYOUT_KEY_RECORD,      true,  on_key },
	{ PLAYOUT_MODE_RECORD,     true,  on_mode },
	{ PLAYOUT_SERVICE_END,     true,  on_end },
	{ PLAYOUT_ECM_RECORD,      false, on_ecm },
};

static void
on_frame(void *self, struct gw_link *link, const uint8_t *msg, size_t len)
{
	struct scrambler *app = self;
	struct sim_fault why;
	struct sim_msg m;

	app->heard_us = gw_mono_us();
	if (sim_decode(&playout, msg, len, &m, &why) < 0) {
		gw_log_limited(&app->rate, GW_WARNING, "playout_malformed", sim_verdict_text(why.verdict), "peer=%s message=%s param=%#06x offset=%zu",
		    gw_link_peer(link), m.def ? m.def->name : "unknown", (unsigned)why.param, why.offset);
		send_error(link, sim_status_of(&playout, why.verdict), sim_verdict_text(why.verdict));
		return;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].message == m.def->type && (app->welcome || !rows[i].welcome)) {
			if (rows[i].take)
				rows[i].take(app, link, &m);
			return;
		}
	gw_log_limited(&app->rate, GW_WARNING, "playout_out_of_state", NULL, "peer=%s message=%s", gw_link_peer(link), m.def->name);
	send_error(link, PLAYOUT_E_STATE, "not in this state");
}

static void
on_up(void *self, struct gw_link *link)
{
	struct scrambler *app = self;

	app->heard_us = app->tested_us = gw_mono_us();
	app->welcome = false;
	for (size_t i = 0; i < app->nunits; i++)
		send_held(link, app->units[i]);
	send_setup(app, link);
}

static void
on_down(void *self, struct gw_link *link, const struct gw_err *why)
{
	struct scrambler *app = self;

	if (app->welcome)
		scr_work_heard(app, app->heard_us);
	if (app->welcome && why)
		gw_log(GW_WARNING, "scs_lost", why->text, "peer=%s", gw_link_peer(link));
	app->welcome = false;
}

static const struct gw_link_ops ops = { .up = on_up, .frame = on_frame, .down = on_down };

/* An SCS with nothing to say is there, not silent: until an answer is overdue, and we look again. */
static int64_t
heard(const struct scrambler *app, int64_t now)
{
	return now - app->heard_us < OVERDUE_US ? now + LOOK_US : app->heard_us;
}

void
scr_follow_second(struct scrambler *app)
{
	struct gw_link *link = app->dialer ? gw_dialer_link(app->dialer) : NULL;
	int64_t now = gw_mono_us();

	if (!link)
		return;
	if (app->welcome)
		scr_work_heard(app, heard(app, now));
	if (now - app->heard_us > SILENCE_US) {
		gw_dialer_failed(app->dialer);
		gw_link_abort(link, GW_EPEER, "the SCS is silent");
	} else if (now - app->heard_us > TEST_US && now - app->tested_us > TEST_US) {
		app->tested_us = now;
		send_bare(link, PLAYOUT_LINK_TEST);
	}
}

void
scr_follow_open(struct scrambler *app)
{
	struct gw_addr scs = { .scheme = GW_UNIX };
	char text[sizeof(scs.path) + 16];

	snprintf(text, sizeof(text), "unix://%s/scs.sock", app->playout);
	struct gw_err err = { 0 };
	if (gw_addr_parse(text, GW_UNIX, &scs, &err) < 0) {
		gw_log(GW_ERR, "playout_address", err.text, "playout=%s", app->playout);
		return;
	}
	app->dialer = gw_dial(&app->loop, &scs, 1, &ops, NULL, app);
	gw_dialer_max_backoff(app->dialer, BACKOFF_MS);
}

void
scr_follow_again(struct scrambler *app)
{
	struct gw_link *link = app->dialer ? gw_dialer_link(app->dialer) : NULL;

	if (link)
		gw_link_close(link, 0);
}

void
scr_follow_close(struct scrambler *app)
{
	if (app->dialer)
		gw_dialer_close(app->dialer, NULL);
	app->dialer = NULL;
}
