/* bridge/keys_link.c: the bridge as a key source of the SCS, over the playout link (proto/playout.h) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/keys_int.h"
#include "lib/link.h"

enum { BACKOFF_MS = 500, WIRE = 512 };

struct tek_link {
	struct br_keys *k;
	struct gw_dialer *dialer;
	struct gw_link *link;
	bool up;			/* follower_status has come */
	char where[200];		/* the socket, for the log */
	struct sim_msg msg;		/* 16 KiB: not for the stack */
};

static void
begin(struct sim_writer *w, uint16_t type, uint8_t buf[WIRE])
{
	sim_begin(w, &playout, PLAYOUT_VERSION, type, buf, WIRE);
}

static void
post(struct tek_link *l, struct sim_writer *w)
{
	size_t len = sim_end(w, NULL);

	if (len && l->link)
		gw_link_send(l->link, w->buf, len);
	gw_cleanse(w->buf, WIRE);
}

void
tek_link_supply(struct tek_link *l, const struct tek_unit *u, int64_t cp, const struct tek *t)
{
	uint8_t buf[WIRE];
	struct sim_writer w;

	begin(&w, PLAYOUT_KEY_SUPPLY, buf);
	sim_put_text(&w, PLAYOUT_SERVICE, u->conf->id);
	sim_put_int(&w, PLAYOUT_CP, cp);
	sim_put_int(&w, PLAYOUT_PROTECTION, u->conf->service->scrambling);
	sim_put_int(&w, PLAYOUT_AUTHENTICATED, u->conf->service->authentication);
	if (t->id_len)
		sim_put_bytes(&w, PLAYOUT_KEY_IDENTIFIER, t->id, t->id_len);
	sim_put_bytes(&w, PLAYOUT_KEY_MATERIAL, t->material.p, t->material.len);
	post(l, &w);
}

void
tek_link_fail(struct tek_link *l, const struct tek_unit *u, int64_t cp, const char *why)
{
	uint8_t buf[WIRE];
	struct sim_writer w;

	begin(&w, PLAYOUT_RECORD_ERROR, buf);
	sim_put_text(&w, PLAYOUT_SERVICE, u->conf->id);
	sim_put_int(&w, PLAYOUT_CP, cp);
	sim_put_int(&w, PLAYOUT_ERROR_STATUS, PLAYOUT_E_NO_KEY);
	sim_put_text(&w, PLAYOUT_ERROR_INFORMATION, why);
	post(l, &w);
}

static void
on_status(struct br_keys *k, const struct sim_msg *m)
{
	(void)m;
	k->link->up = true;
	gw_log(GW_NOTICE, "scs_up", "keys are brought to the SCS", "bridge=%s peer=%s", k->b->name, k->link->where);
}

static void
on_error(struct br_keys *k, const struct sim_msg *m)
{
	const struct sim_value *why = sim_value(m, PLAYOUT_ERROR_INFORMATION, 0);

	gw_log_limited(&k->rate, GW_ERR, "scs_error", NULL, "bridge=%s peer=%s interface=playout error=0x%04x reason=%.*s", k->b->name, k->link->where, (unsigned)sim_int(m, PLAYOUT_ERROR_STATUS, 0),
	    why ? (int)why->len : 0, why ? (const char *)why->p : "");
}

static void
on_test(struct br_keys *k, const struct sim_msg *m)
{
	uint8_t buf[WIRE];
	struct sim_writer w;

	(void)m;
	begin(&w, PLAYOUT_LINK_STATUS, buf);
	post(k->link, &w);
}

static const struct { uint16_t type; void (*act)(struct br_keys *, const struct sim_msg *); } heard[] = {
	{ PLAYOUT_FOLLOWER_STATUS, on_status     }, { PLAYOUT_FOLLOWER_ERROR, on_error      }, { PLAYOUT_LINK_TEST,   on_test       },
	{ PLAYOUT_KEY_REQUEST,     tek_bsa_wanted }, { PLAYOUT_KEY_SUPPLY_ACK, tek_bsa_acked }, { PLAYOUT_SERVICE_END, tek_bsa_ended },
};

static void
on_frame(void *self, struct gw_link *link, const uint8_t *bytes, size_t len)
{
	struct tek_link *l = self;
	struct sim_fault why;

	(void)link;
	if (sim_decode(&playout, bytes, len, &l->msg, &why) < 0) {
		gw_log_limited(&l->k->rate, GW_ERR, "message_refused", sim_verdict_text(why.verdict), "bridge=%s peer=%s interface=playout param=0x%04x offset=%zu",
		    l->k->b->name, l->where, why.param, why.offset);
		return;
	}
	for (size_t i = 0; i < sizeof(heard) / sizeof(heard[0]); i++)
		if (heard[i].type == l->msg.def->type)
			heard[i].act(l->k, &l->msg);
}

static void
on_up(void *self, struct gw_link *link)
{
	struct tek_link *l = self;
	uint8_t buf[WIRE];
	struct sim_writer w;

	l->link = link;
	begin(&w, PLAYOUT_FOLLOWER_SETUP, buf);
	sim_put_int(&w, PLAYOUT_FOLLOWER_ROLE, PLAYOUT_KEY_SOURCE);
	sim_put_text(&w, PLAYOUT_FOLLOWER_NAME, l->k->b->name);
	post(l, &w);
}

static void
on_down(void *self, struct gw_link *link, const struct gw_err *why)
{
	struct tek_link *l = self;

	(void)link;
	l->link = NULL;
	if (l->up && !l->k->closing)
		gw_log(GW_WARNING, "scs_down", why ? why->text : "closed", "bridge=%s peer=%s interface=playout", l->k->b->name, l->where);
	l->up = false;
	if (!l->k->closing)
		tek_bsa_lost(l->k);
}

static const struct gw_link_ops ops = { on_up, on_frame, on_down, NULL };

struct tek_link *
tek_link_open(struct br_keys *k, struct gw_err *err)
{
	struct tek_link *l = calloc(1, sizeof(*l));
	char where[sizeof(l->where)];
	struct gw_addr scs = { 0 };

	snprintf(where, sizeof(where), "unix://%s/scs.sock", k->he->playout);
	if (!l || gw_addr_parse(where, GW_UNIX, &scs, err) < 0 || !(l->dialer = gw_dial(k->loop, &scs, 1, &ops, NULL, l))) {
		if (!l || scs.scheme)
			gw_fail(err, GW_ESYS, "out of memory");
		free(l);
		return NULL;
	}
	l->k = k;
	memcpy(l->where, where, sizeof(l->where));
	gw_dialer_max_backoff(l->dialer, BACKOFF_MS);
	k->handles++;
	return l;
}

static void
closed(void *self)
{
	struct tek_link *l = self;

	br_keys_let_go(l->k);
	free(l);
}

void
tek_link_close(struct tek_link *l)
{
	if (l)
		gw_dialer_close(l->dialer, closed);
}

bool
tek_link_up(const struct tek_link *l)
{
	return l && l->up;
}
