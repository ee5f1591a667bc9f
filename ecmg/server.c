/* ecmg/server.c */
#include "ecmg/server.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/clock.h"
#include "lib/secret.h"

enum { TICK_MS = 250, PATIENCE_MS = 10000, DRAIN_MS = 1200, GOODBYE_MS = 300, LOG_BURST = 10, LOG_PER_MS = 1000 };

static void end_if_done(struct ecmg_server *);

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
	gw_log(GW_DEBUG, "message", text, "kms=%s peer=%s way=%s version=%u", k->server->conf.kms, gw_link_peer(k->link), way, m.version);
}

static void
put_out(void *self, const uint8_t *bytes, size_t len)
{
	struct ecmg_conn *k = self;

	if (gw_link_send(k->link, bytes, len) == 1)
		gw_link_read(k->link, false);	/* what it does not take in it shall not ask for */
}

static int64_t
now_us(const struct ecmg_server *s)
{
	return (int64_t)uv_now(&s->loop) * 1000;
}

static void wake_edges(struct ecmg_server *);

static void
door_send(void *self, const uint8_t *msg, size_t len)
{
	struct ecmg_conn *k = self;

	trace(k, "out", msg, len);
	if (!k->edge) {
		put_out(k, msg, len);
		return;
	}
	ecmg_edge_send(k->edge, msg, len, now_us(k->server));
	wake_edges(k->server);
}

static int
door_channel(void *self, uint32_t super_cas_id, struct kms_channel *channel, char *why, size_t cap)
{
	struct ecmg_server *s = ((struct ecmg_conn *)self)->server;
	int rc;

	if (s->conf.one_super_cas_id && super_cas_id != s->conf.super_cas_id) {
		snprintf(why, cap, "this ECMG serves Super_CAS_id 0x%08x only", s->conf.super_cas_id);
		return -ECMG_E_SUPER_CAS_ID;
	}
	rc = ecmg_host_channel(s->host, super_cas_id, channel, why, cap);
	if (rc >= 0)
		ecmg_conf_apply(&s->conf, channel);
	return rc;
}

static int
door_stream(void *self, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t cap)
{
	return ecmg_host_stream(((struct ecmg_conn *)self)->server->host, super_cas_id, ecm_id, why, cap);
}

static int
door_ecm(void *self, const struct kms_request *request, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	return ecmg_host_ecm(((struct ecmg_conn *)self)->server->host, request, out, cap, why, why_cap);
}

static void
leave(struct ecmg_conn *k)
{
	if (k->leaving)
		return;
	k->leaving = true;
	gw_link_close(k->link, GOODBYE_MS);
}

static void
door_close(void *self)
{
	leave(self);
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
	struct ecmg_server *s = k->server;
	const struct sim_status *words = sim_status_words(&ecmg_scs, n->status);
	char channel[16], stream[16], param[16];

	number(channel, n->channel);
	number(stream, n->stream);
	if (strcmp(n->event, "refused") == 0)
		gw_refusals_add(&s->refused, gw_link_peer(k->link), n->message, n->status, n->why);
	if (n->message && n->status)	/* its meaning, where the engine knows no better reason */
		gw_log_limited(&k->rate, n->level, n->event, n->why && strcmp(n->why, words->name) != 0 ? n->why : words->meaning,
		    "kms=%s peer=%s channel=%s stream=%s message=%s error=0x%04x param=%s offset=%zu name=%s next=%s", s->conf.kms,
		    gw_link_peer(k->link), channel, stream, n->message, n->status, param_name(param, n->param), n->offset, words->name,
		    words->next);
	else if (n->message)
		gw_log_limited(&k->rate, n->level, n->event, n->why, "kms=%s peer=%s channel=%s stream=%s message=%s error=- param=%s offset=%zu",
		    s->conf.kms, gw_link_peer(k->link), channel, stream, n->message, param_name(param, n->param), n->offset);
	else
		gw_log_limited(&k->rate, n->level, n->event, n->why, "kms=%s peer=%s channel=%s stream=%s", s->conf.kms,
		    gw_link_peer(k->link), channel, stream);
}

static int64_t
door_clock(void *self)
{
	(void)self;
	return gw_mono_tick_us();
}

/* ---- faults on purpose */

static void
edge_close(void *self)
{
	gw_link_close(((struct ecmg_conn *)self)->link, 0);
}

static void
edge_struck(void *self, const char *fault, const char *message)
{
	struct ecmg_conn *k = self;

	gw_log_limited(&k->rate, GW_NOTICE, "misbehaved", NULL, "kms=%s peer=%s fault=%s message=%s", k->server->conf.kms,
	    gw_link_peer(k->link), fault, message);
}

static const struct ecmg_edge_door edge_door = { put_out, edge_close, edge_struck };

static void
on_edges(uv_timer_t *t)
{
	struct ecmg_server *s = t->data;

	for (size_t i = 0; i < s->nslots; i++)
		if (s->conns[i] && !s->conns[i]->leaving)
			ecmg_edge_time(s->conns[i]->edge, now_us(s));
	wake_edges(s);
}

static void
wake_edges(struct ecmg_server *s)
{
	int64_t due = INT64_MAX, wait;

	for (size_t i = 0; i < s->nslots; i++)
		if (s->conns[i] && !s->conns[i]->leaving && ecmg_edge_due(s->conns[i]->edge) < due)
			due = ecmg_edge_due(s->conns[i]->edge);
	wait = (due - now_us(s) + 999) / 1000;
	if (due != INT64_MAX && !s->stopping)
		uv_timer_start(&s->edges, on_edges, wait > 0 ? (uint64_t)wait : 0, 0);
}

static int
misbehave(struct ecmg_server *s, struct gw_err *err)
{
	if (!s->conf.misbehave.on)
		return 0;
	s->faults = calloc(1, sizeof(*s->faults));
	if (!s->faults)
		return gw_fail(err, GW_ESYS, "out of memory");
	ecmg_faults_init(s->faults, &s->conf.misbehave, &edge_door);
	gw_log(GW_ERR, "misbehaving", "this ECMG breaks the protocol on purpose: it is for tests, never for a service", "kms=%s faults=%s",
	    s->conf.kms, s->conf.misbehave.list);
	return 0;
}

static const struct ecmg_door door = { door_send, door_channel, door_stream, door_ecm, door_close, door_note, door_clock };

/* ---- connections */

/* A free slot, or nslots when all 65,536 are taken. */
static size_t
free_slot(struct ecmg_server *s)
{
	struct ecmg_conn **more;
	size_t n;

	for (; s->hint < s->nslots; s->hint++)
		if (!s->conns[s->hint])
			return s->hint;
	n = s->nslots ? s->nslots * 2 : 64;
	if (n > UINT16_MAX + 1 || !(more = realloc(s->conns, n * sizeof(*more))))
		return s->nslots;
	memset(more + s->nslots, 0, (n - s->nslots) * sizeof(*more));
	s->conns = more;
	s->nslots = n;
	return s->hint;
}

static void *
on_accept(void *owner, struct gw_link *link)
{
	struct ecmg_server *s = owner;
	const size_t slot = free_slot(s);
	struct ecmg_conn *k = slot < s->nslots && !s->stopping ? calloc(1, sizeof(*k)) : NULL;

	if (k && s->faults && !(k->edge = ecmg_edge_new(s->faults, k))) {
		free(k);
		k = NULL;
	}
	if (!k)
		return NULL;
	k->server = s;
	k->link = link;
	k->rate = (struct gw_rate){ .burst = LOG_BURST, .per_ms = LOG_PER_MS };
	ecmg_channel_init(&k->channel, &s->engine, k, (uint16_t)slot, now_us(s));
	s->conns[slot] = k;
	s->nconns++;
	return k;
}

/* No descriptor or no slot for it: 0x0008 sends an SCS to another ECMG, and everybody else stays. */
static void
on_refuse(void *owner, struct gw_link *link, const uint8_t *msg, size_t len)
{
	struct ecmg_server *s = owner;
	struct ecmg_conn k = { .server = s, .link = link, .rate = s->full };

	if (msg)
		trace(&k, "in", msg, len);
	ecmg_channel_turn_away(&s->engine, &k, msg, len);
	s->full = k.rate;
}

static void
on_up(void *self, struct gw_link *link)
{
	const struct ecmg_conn *k = self;

	gw_log(GW_INFO, "connected", NULL, "kms=%s peer=%s", k->server->conf.kms, gw_link_peer(link));
}

static void
on_frame(void *self, struct gw_link *link, const uint8_t *msg, size_t len)
{
	struct ecmg_conn *k = self;

	(void)link;
	if (k->leaving)
		return;
	trace(k, "in", msg, len);
	ecmg_channel_feed(&k->channel, msg, len, now_us(k->server));
}

static void
on_drained(void *self, struct gw_link *link)
{
	struct ecmg_conn *k = self;

	if (!k->leaving && !k->server->stopping)
		gw_link_read(link, true);
}

static void
on_down(void *self, struct gw_link *link, const struct gw_err *why)
{
	struct ecmg_conn *k = self;
	struct ecmg_server *s = k->server;

	gw_log(GW_INFO, "disconnected", why ? why->text : NULL, "kms=%s peer=%s", s->conf.kms, gw_link_peer(link));
	ecmg_channel_fini(&k->channel);
	s->conns[k->channel.slot] = NULL;
	if (k->channel.slot < s->hint)
		s->hint = k->channel.slot;
	s->nconns--;
	ecmg_edge_free(k->edge);
	free(k);
	end_if_done(s);
}

static const struct gw_link_ops link_ops = { on_up, on_frame, on_down, on_drained };

/* An answer from a worker or another thread of the plugin. */
static void
on_answer(void *owner, uint64_t handle, int rc, const uint8_t *ecm, const char *why)
{
	struct ecmg_server *s = owner;
	const uint16_t slot = ecmg_handle_slot(handle);
	struct ecmg_conn *k = slot < s->nslots ? s->conns[slot] : NULL;

	if (!k || ecmg_channel_answer(&k->channel, handle, rc, ecm, why) < 0) {
		s->unwanted++;
		return;
	}
	if (s->stopping && k->channel.pending == 0)
		leave(k);
}

static void
on_tick(uv_timer_t *t)
{
	struct ecmg_server *s = t->data;
	const int64_t now = now_us(s);

	for (size_t i = 0; i < s->nslots; i++)
		if (s->conns[i] && !s->conns[i]->leaving)
			ecmg_channel_time(&s->conns[i]->channel, now);
}

/* ---- the plugin */

static struct ecmg_host *
open_host(struct ecmg_server *s, const struct ecmg_conf *c, struct gw_err *err)
{
	struct ecmg_host *h;

	if (s->nhosts == ECMG_HOSTS) {
		gw_fail(err, GW_ETEMP, "earlier plugins still owe answers; try again later");
		return NULL;
	}
	h = ecmg_host_open(&s->loop, c->plugin, c->lines, c->workers, on_answer, s, err);
	if (!h)
		return NULL;
	s->hosts[s->nhosts++] = h;
	gw_log(GW_NOTICE, "plugin_loaded", NULL, "kms=%s plugin=%s version=%s file=%s", c->kms, ecmg_host_plugin(h)->name,
	    ecmg_host_plugin(h)->version, ecmg_host_path(h));
	return h;
}

static void
on_host_closed(void *owner, struct ecmg_host *h)
{
	struct ecmg_server *s = owner;

	for (size_t i = 0; i < s->nhosts; i++)
		if (s->hosts[i] == h)
			s->hosts[i--] = s->hosts[--s->nhosts];
	end_if_done(s);
}

static void
take_rules(struct ecmg_server *s)
{
	s->engine.strict = s->conf.strict;
	s->engine.max_channels = s->conf.max_channels;
	s->engine.max_streams = s->conf.max_streams;
	s->engine.silence_ms = s->conf.silence_ms;
	s->engine.patience_ms = PATIENCE_MS;
	s->engine.ecm_limit_ms = s->conf.ecm_limit_ms;
}

/* What channel_status said holds for the life of a channel: where it would say something else now, the SCS has to come again. */
static void
revise(struct ecmg_server *s)
{
	char why[240];

	for (size_t i = 0; i < s->nslots; i++) {
		struct ecmg_conn *k = s->conns[i];
		struct kms_channel says = { 0 };
		if (!k || k->channel.state.state != ECMG_OPEN)
			continue;
		if (door_channel(k, k->channel.super_cas_id, &says, why, sizeof(why)) >= 0 && memcmp(&says, &k->channel.says, sizeof(says)) == 0)
			continue;
		gw_log(GW_NOTICE, "channel_revised", "closed, since channel_status has changed", "kms=%s peer=%s channel=%u", s->conf.kms,
		    gw_link_peer(k->link), k->channel.id);
		leave(k);
	}
}

/* The file again, and the plugin with its keys. */
void
ecmg_server_reload(void *self)
{
	struct ecmg_server *s = self;
	struct ecmg_conf fresh;
	struct ecmg_host *h = NULL;
	struct gw_err err = { 0 };

	if (ecmg_conf_load(&fresh, &s->args, &err) < 0 || !(h = open_host(s, &fresh, &err))) {
		gw_log(GW_ERR, "reload_refused", err.text, "kms=%s", s->conf.kms);
		ecmg_conf_free(&fresh);
		return;
	}
	if (memcmp(&fresh.listen, &s->conf.listen, sizeof(fresh.listen)) != 0)
		gw_log(GW_WARNING, "reload_partly", "addresses change with a restart only", "kms=%s", s->conf.kms);
	ecmg_host_close(s->host, on_host_closed);
	s->host = h;
	fresh.listen = s->conf.listen;
	ecmg_conf_free(&s->conf);
	s->conf = fresh;
	take_rules(s);
	revise(s);
	gw_log(GW_NOTICE, "reloaded", NULL, "kms=%s", s->conf.kms);
}

/* ---- up and down */

static int
open_listeners(struct ecmg_server *s, struct gw_err *err)
{
	char text[GW_ADDR_TEXT];

	for (size_t i = 0; i < s->conf.listen.n; i++) {
		struct gw_listener *l = gw_listen(&s->loop, &s->conf.listen.addr[i], &link_ops, NULL, on_accept, s, err);
		if (!l)
			return -1;
		gw_listener_refuse(l, on_refuse);
		s->listeners[s->nlisteners++] = l;
		gw_log(GW_NOTICE, "listening", NULL, "kms=%s address=%s", s->conf.kms, gw_addr_text(gw_listener_addr(l), text, sizeof(text)));
	}
	return 0;
}

int
ecmg_server_start(struct ecmg_server *s, struct gw_err *err)
{
	const struct gw_ops_conf ops = { .program = "ecmg", .instance = s->args.kms ? s->conf.kms : "", .status = ecmg_status,
	    .collect = ecmg_collect, .self = s };

	s->engine.door = &door;
	s->full = (struct gw_rate){ .burst = LOG_BURST, .per_ms = LOG_PER_MS };
	take_rules(s);
	uv_timer_init(&s->loop, &s->tick);
	uv_timer_init(&s->loop, &s->deadline);
	uv_timer_init(&s->loop, &s->edges);
	s->tick.data = s->deadline.data = s->edges.data = s;
	s->timers = true;
	if (gw_life_open(&s->life, &s->loop, ecmg_server_stop, ecmg_server_reload, s, err) < 0 || !(s->host = open_host(s, &s->conf, err)))
		return -1;
	if (s->conf.status.scheme && !(s->ops = gw_ops_open(&s->loop, &s->conf.status, &ops, err)))
		return -1;
	if (misbehave(s, err) < 0 || open_listeners(s, err) < 0)
		return -1;
	uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
	gw_life_ready(&s->life, "serving");
	return 0;
}

/* Once nothing of the outside is left the loop has nothing to wait for. */
static void
end_if_done(struct ecmg_server *s)
{
	if (!s->stopping || s->ended || s->nconns > 0 || s->nhosts > 0)
		return;
	s->ended = true;
	gw_ops_close(s->ops);
	s->ops = NULL;
	if (s->timers) {
		uv_close((uv_handle_t *)&s->tick, NULL);
		uv_close((uv_handle_t *)&s->deadline, NULL);
		uv_close((uv_handle_t *)&s->edges, NULL);
	}
	gw_life_close(&s->life);
}

static void
on_deadline(uv_timer_t *t)
{
	struct ecmg_server *s = t->data;

	for (size_t i = 0; i < s->nslots; i++)
		if (s->conns[i] && !s->conns[i]->leaving)
			leave(s->conns[i]);
	for (size_t i = 0; i < s->nhosts; i++) {
		gw_log(GW_ERR, "plugin_hangs", "it still owes answers; left to the end of the process", "plugin=%s answers=%zu",
		    ecmg_host_plugin(s->hosts[i])->name, ecmg_host_pending(s->hosts[i]));
		ecmg_host_abandon(s->hosts[i]);
		s->abandoned = true;
	}
}

void
ecmg_server_stop(void *self)
{
	struct ecmg_server *s = self;

	if (s->stopping)
		return;
	s->stopping = true;
	if (s->nlisteners)
		gw_log(GW_NOTICE, "stopping", NULL, "kms=%s connections=%zu", s->conf.kms, s->nconns);
	for (size_t i = 0; i < s->nlisteners; i++)
		gw_listener_close(s->listeners[i], NULL);
	s->nlisteners = 0;
	for (size_t i = 0; i < s->nslots; i++)
		if (s->conns[i]) {
			gw_link_read(s->conns[i]->link, false);
			if (s->conns[i]->channel.pending == 0)
				leave(s->conns[i]);
		}
	if (s->host)
		ecmg_host_close(s->host, on_host_closed);
	if (s->timers)
		uv_timer_start(&s->deadline, on_deadline, DRAIN_MS, 0);
	end_if_done(s);
}

void
ecmg_server_fini(struct ecmg_server *s)
{
	free(s->conns);
	free(s->faults);
	ecmg_conf_free(&s->conf);
	ecmg_args_free(&s->args);
	gw_cleanse(&s->engine, sizeof(s->engine));
}
