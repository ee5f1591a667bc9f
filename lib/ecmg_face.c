/* lib/ecmg_face.c */
#include "lib/ecmg_face.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/secret.h"

enum { TICK_MS = 250, GOODBYE_MS = 300, LOG_BURST = 10, LOG_PER_MS = 1000 };

/* ---- the door of a channel */

/* Messages as lines, keys left out. */
static void
trace(const struct ecmg_conn *k, const char *way, const uint8_t *msg, size_t len)
{
	static struct sim_msg m;
	char text[512];

	if (!gw_log_on(GW_DEBUG))
		return;
	sim_decode(&ecmg_scs, msg, len, &m, NULL);
	sim_print(&m, text, sizeof(text));
	gw_log(GW_DEBUG, "message", text, "%s peer=%s way=%s version=%u", k->face->label, gw_link_peer(k->link), way, m.version);
}

void
ecmg_conn_put(struct ecmg_conn *k, const uint8_t *bytes, size_t len)
{
	if (gw_link_send(k->link, bytes, len) == 1)
		gw_link_read(k->link, false);	/* what it does not take in it shall not ask for */
}

int64_t
ecmg_face_now_us(const struct ecmg_face *f)
{
	return (int64_t)uv_now(f->loop) * 1000;
}

static void
door_send(void *self, const uint8_t *msg, size_t len)
{
	struct ecmg_conn *k = self;

	trace(k, "out", msg, len);
	(k->face->maker->send ? k->face->maker->send : ecmg_conn_put)(k, msg, len);
}

static int
door_channel(void *self, uint32_t super_cas_id, struct ecmg_says *says, char *why, size_t cap)
{
	struct ecmg_conn *k = self;

	return k->face->maker->channel(k, super_cas_id, says, why, cap);
}

static int
door_stream(void *self, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t cap)
{
	struct ecmg_conn *k = self;

	return k->face->maker->stream(k, super_cas_id, ecm_id, why, cap);
}

static int
door_ecm(void *self, const struct ecmg_request *request, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	struct ecmg_conn *k = self;

	return k->face->maker->ecm(k, request, out, cap, why, why_cap);
}

void
ecmg_conn_leave(struct ecmg_conn *k)
{
	if (k->leaving)
		return;
	k->leaving = true;
	gw_link_close(k->link, GOODBYE_MS);
}

static void
door_close(void *self)
{
	ecmg_conn_leave(self);
}

static void
number(char out[16], int n)
{
	snprintf(out, 16, n < 0 ? "-" : "%d", n);
}

static const char *
param_name(char out[16], uint16_t type)
{
	const struct sim_param *param = sim_param_find(&ecmg_scs, type);

	if (param)
		return param->name;
	snprintf(out, 16, type ? "0x%04x" : "-", type);
	return out;
}

static void
door_note(void *self, const struct ecmg_note *n)
{
	struct ecmg_conn *k = self;
	struct ecmg_face *f = k->face;
	const struct sim_status *words = sim_status_words(&ecmg_scs, n->status);
	char channel[16], stream[16], param[16];

	number(channel, n->channel);
	number(stream, n->stream);
	if (strcmp(n->event, "refused") == 0)
		gw_refusals_add(&f->refused, gw_link_peer(k->link), n->message, n->status, n->why);
	if (n->message && n->status)	/* its meaning, where the engine knows no better reason */
		gw_log_limited(&k->rate, n->level, n->event, n->why && strcmp(n->why, words->name) != 0 ? n->why : words->meaning,
		    "%s peer=%s channel=%s stream=%s message=%s error=0x%04x param=%s offset=%zu name=%s next=%s", f->label,
		    gw_link_peer(k->link), channel, stream, n->message, n->status, param_name(param, n->param), n->offset, words->name,
		    words->next);
	else if (n->message)
		gw_log_limited(&k->rate, n->level, n->event, n->why, "%s peer=%s channel=%s stream=%s message=%s error=- param=%s offset=%zu",
		    f->label, gw_link_peer(k->link), channel, stream, n->message, param_name(param, n->param), n->offset);
	else
		gw_log_limited(&k->rate, n->level, n->event, n->why, "%s peer=%s channel=%s stream=%s", f->label,
		    gw_link_peer(k->link), channel, stream);
}

static int64_t
door_clock(void *self)
{
	(void)self;
	return gw_mono_tick_us();
}

static const struct ecmg_door door = { door_send, door_channel, door_stream, door_ecm, door_close, door_note, door_clock };

/* ---- connections */

/* A free slot, or nslots when all 65,536 are taken. */
static size_t
free_slot(struct ecmg_face *f)
{
	struct ecmg_conn **more;
	size_t n;

	for (; f->hint < f->nslots; f->hint++)
		if (!f->conns[f->hint])
			return f->hint;
	n = f->nslots ? f->nslots * 2 : 64;
	if (n > UINT16_MAX + 1 || !(more = realloc(f->conns, n * sizeof(*more))))
		return f->nslots;
	memset(more + f->nslots, 0, (n - f->nslots) * sizeof(*more));
	f->conns = more;
	f->nslots = n;
	return f->hint;
}

static void *
on_accept(void *owner, struct gw_link *link)
{
	struct ecmg_face *f = owner;
	const size_t slot = free_slot(f);
	struct ecmg_conn *k = slot < f->nslots && !f->stopping ? calloc(1, sizeof(*k)) : NULL;

	if (!k)
		return NULL;
	k->face = f;
	k->link = link;
	k->rate = (struct gw_rate){ .burst = LOG_BURST, .per_ms = LOG_PER_MS };
	if (f->maker->opened && f->maker->opened(k) < 0) {
		free(k);
		return NULL;
	}
	ecmg_channel_init(&k->channel, &f->engine, k, (uint16_t)slot, ecmg_face_now_us(f));
	f->conns[slot] = k;
	f->nconns++;
	return k;
}

/* No descriptor or no slot for it: 0x0008 sends an SCS to another ECMG, and everybody else stays. */
static void
on_refuse(void *owner, struct gw_link *link, const uint8_t *msg, size_t len)
{
	struct ecmg_face *f = owner;
	struct ecmg_conn k = { .face = f, .link = link, .rate = f->full };

	if (msg)
		trace(&k, "in", msg, len);
	ecmg_channel_turn_away(&f->engine, &k, msg, len);
	f->full = k.rate;
}

static void
on_up(void *self, struct gw_link *link)
{
	const struct ecmg_conn *k = self;

	gw_log(GW_INFO, "connected", NULL, "%s peer=%s", k->face->label, gw_link_peer(link));
}

static void
on_frame(void *self, struct gw_link *link, const uint8_t *msg, size_t len)
{
	struct ecmg_conn *k = self;

	(void)link;
	if (k->leaving)
		return;
	trace(k, "in", msg, len);
	ecmg_channel_feed(&k->channel, msg, len, ecmg_face_now_us(k->face));
}

static void
on_drained(void *self, struct gw_link *link)
{
	struct ecmg_conn *k = self;

	if (!k->leaving && !k->face->stopping)
		gw_link_read(link, true);
}

static void
on_down(void *self, struct gw_link *link, const struct gw_err *why)
{
	struct ecmg_conn *k = self;
	struct ecmg_face *f = k->face;

	gw_log(GW_INFO, "disconnected", why ? why->text : NULL, "%s peer=%s", f->label, gw_link_peer(link));
	ecmg_channel_fini(&k->channel);
	f->conns[k->channel.slot] = NULL;
	if (k->channel.slot < f->hint)
		f->hint = k->channel.slot;
	f->nconns--;
	if (f->maker->closed)
		f->maker->closed(k);
	free(k);
	if (f->stopping && f->nconns == 0 && f->maker->parted)
		f->maker->parted(f->owner);
}

static const struct gw_link_ops link_ops = { on_up, on_frame, on_down, on_drained };

static void
each(struct ecmg_face *f, void (*act)(struct ecmg_conn *))
{
	for (size_t i = 0; i < f->nslots; i++)
		if (f->conns[i] && !f->conns[i]->leaving)
			act(f->conns[i]);
}

static void
tell_time(struct ecmg_conn *k)
{
	ecmg_channel_time(&k->channel, ecmg_face_now_us(k->face));
}

static void
on_tick(uv_timer_t *t)
{
	each(t->data, tell_time);
}

void
ecmg_face_answer(struct ecmg_face *f, uint64_t handle, int rc, const uint8_t *ecm, const char *why)
{
	const uint16_t slot = ecmg_handle_slot(handle);
	struct ecmg_conn *k = slot < f->nslots ? f->conns[slot] : NULL;

	if (!k || ecmg_channel_answer(&k->channel, handle, rc, ecm, why) < 0)
		f->unwanted++;
	else if (f->stopping && k->channel.pending == 0)
		ecmg_conn_leave(k);
}

static void
revise(struct ecmg_conn *k)
{
	struct ecmg_says says = { 0 };
	char why[240];

	if (k->channel.state.state != ECMG_OPEN || (door_channel(k, k->channel.super_cas_id, &says, why, sizeof(why)) >= 0 &&
	    memcmp(&says, &k->channel.says, sizeof(says)) == 0))
		return;
	gw_log(GW_NOTICE, "channel_revised", "closed, since channel_status has changed", "%s peer=%s channel=%u", k->face->label,
	    gw_link_peer(k->link), k->channel.id);
	ecmg_conn_leave(k);
}

void
ecmg_face_revise(struct ecmg_face *f)
{
	each(f, revise);
}

/* ---- up and down */

void
ecmg_face_open(struct ecmg_face *f)
{
	f->engine.door = &door;
	f->full = (struct gw_rate){ .burst = LOG_BURST, .per_ms = LOG_PER_MS };
	uv_timer_init(f->loop, &f->tick);
	f->tick.data = f;
	f->ticking = true;
	uv_timer_start(&f->tick, on_tick, TICK_MS, TICK_MS);
}

int
ecmg_face_listen(struct ecmg_face *f, const struct gw_addr *a, struct gw_err *err)
{
	struct gw_listener *l;
	char text[GW_ADDR_TEXT];

	if (f->nlisteners == ECMG_LISTENS)
		return gw_fail(err, GW_ECONF, "more than %d addresses to listen at", ECMG_LISTENS);
	l = gw_listen(f->loop, a, &link_ops, NULL, on_accept, f, err);
	if (!l)
		return -1;
	gw_listener_refuse(l, on_refuse);
	f->listeners[f->nlisteners++] = l;
	gw_log(GW_NOTICE, "listening", NULL, "%s address=%s", f->label, gw_addr_text(gw_listener_addr(l), text, sizeof(text)));
	return 0;
}

static void
stop(struct ecmg_conn *k)
{
	gw_link_read(k->link, false);
	if (k->channel.pending == 0)
		ecmg_conn_leave(k);
}

void
ecmg_face_close(struct ecmg_face *f)
{
	f->stopping = true;
	for (size_t i = 0; i < f->nlisteners; i++)
		gw_listener_close(f->listeners[i], NULL);
	f->nlisteners = 0;
	each(f, stop);
}

void
ecmg_face_leave(struct ecmg_face *f)
{
	each(f, ecmg_conn_leave);
}

static void
unclocked(uv_handle_t *h)
{
	struct ecmg_face *f = h->data;

	if (f->unclocked)
		f->unclocked(f->owner);
}

void
ecmg_face_unclock(struct ecmg_face *f, void (*done)(void *))
{
	f->unclocked = done;
	if (f->ticking)
		uv_close((uv_handle_t *)&f->tick, unclocked);
	else if (done)
		done(f->owner);
	f->ticking = false;
}

void
ecmg_face_fini(struct ecmg_face *f)
{
	free(f->conns);
	f->conns = NULL;
	f->nslots = 0;
	gw_cleanse(&f->engine, sizeof(f->engine));
}

/* ---- what operators see */

static json_t *
tolerated(const struct ecmg_channel *c)
{
	json_t *list = json_array();

	for (int d = 0; d < ECMG_DEVIATIONS; d++)
		if (c->tolerated & 1u << d)
			json_array_append_new(list, json_string(ecmg_deviation_name((enum ecmg_deviation)d)));
	return list;
}

json_t *
ecmg_face_channels(const struct ecmg_face *f)
{
	json_t *list = json_array();
	char cas[16];

	for (size_t i = 0; i < f->nslots; i++) {
		const struct ecmg_conn *k = f->conns[i];
		if (!k)
			continue;
		if (k->channel.state.state != ECMG_OPEN) {
			json_array_append_new(list, json_pack("{s:s, s:s}", "peer", gw_link_peer(k->link), "state", gw_fsm_name(&k->channel.state)));
			continue;
		}
		snprintf(cas, sizeof(cas), "0x%08x", k->channel.super_cas_id);
		json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:s, s:i, s:i, s:i, s:o}", "peer", gw_link_peer(k->link),
		    "state", gw_fsm_name(&k->channel.state), "ECM_channel_id", k->channel.id, "Super_CAS_id", cas,
		    "protocol_version", k->channel.version, "streams", (int)k->channel.nstreams, "pending", (int)k->channel.pending,
		    "tolerated", tolerated(&k->channel)));
	}
	return list;
}

json_t *
ecmg_face_listening(const struct ecmg_face *f)
{
	json_t *list = json_array();
	char text[GW_ADDR_TEXT];

	for (size_t i = 0; i < f->nlisteners; i++)
		json_array_append_new(list, json_string(gw_addr_text(gw_listener_addr(f->listeners[i]), text, sizeof(text))));
	return list;
}
