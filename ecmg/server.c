/* ecmg/server.c */
#include "ecmg/server.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 10000, DRAIN_MS = 1200 };

static void end_if_done(struct ecmg_server *);

/* ---- the plugin's part of a channel */

static struct ecmg_server *
server_of(const struct ecmg_conn *k)
{
	return k->face->owner;
}

/* Member by member: what lies between them stays as it is, for channels are compared with memcmp(). */
static void
announce(struct ecmg_says *to, const struct kms_channel *from)
{
	to->section_TSpkt_flag = from->section_TSpkt_flag;
	to->lead_CW = from->lead_CW;
	to->CW_per_msg = from->CW_per_msg;
	to->access_criteria_transfer_mode = from->access_criteria_transfer_mode;
	to->delay_start = from->delay_start;
	to->delay_stop = from->delay_stop;
	to->transition_delay_start = from->transition_delay_start;
	to->transition_delay_stop = from->transition_delay_stop;
	to->AC_delay_start = from->AC_delay_start;
	to->AC_delay_stop = from->AC_delay_stop;
	to->has_transition = from->has_transition;
	to->has_AC = from->has_AC;
	to->ECM_rep_period = from->ECM_rep_period;
	to->max_streams = from->max_streams;
	to->min_CP_duration = from->min_CP_duration;
	to->max_comp_time = from->max_comp_time;
}

static int
make_channel(struct ecmg_conn *k, uint32_t super_cas_id, struct ecmg_says *says, char *why, size_t cap)
{
	struct ecmg_server *s = server_of(k);
	struct kms_channel channel = { 0 };
	int rc;

	if (s->conf.one_super_cas_id && super_cas_id != s->conf.super_cas_id) {
		snprintf(why, cap, "this ECMG serves Super_CAS_id 0x%08x only", s->conf.super_cas_id);
		return -ECMG_E_SUPER_CAS_ID;
	}
	rc = ecmg_host_channel(s->host, super_cas_id, &channel, why, cap);
	if (rc < 0)
		return rc;
	ecmg_conf_apply(&s->conf, &channel);
	announce(says, &channel);
	return rc;
}

static int
make_stream(struct ecmg_conn *k, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t cap)
{
	return ecmg_host_stream(server_of(k)->host, super_cas_id, ecm_id, why, cap);
}

/* The same by the names of the plugin's contract. */
static int
make_ecm(struct ecmg_conn *k, const struct ecmg_request *q, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	struct kms_cw cws[UINT8_MAX];
	int rc;

	for (size_t i = 0; i < q->ncws; i++)
		cws[i] = (struct kms_cw){ q->cws[i].cp_number, q->cws[i].cw, q->cws[i].cw_len, q->cws[i].key_id, q->cws[i].key_id_len };
	rc = ecmg_host_ecm(server_of(k)->host, &(struct kms_request){
		.size = sizeof(struct kms_request), .handle = q->handle, .super_cas_id = q->super_cas_id, .ecm_id = q->ecm_id,
		.cp_number = q->cp_number, .cp_duration_100ms = q->cp_duration_100ms, .has_protection = q->has_protection,
		.protection = q->protection, .authenticated = q->authenticated, .cws = cws, .ncws = q->ncws,
		.access_criteria = q->access_criteria, .access_criteria_len = q->access_criteria_len,
	    }, out, cap, why, why_cap);
	return rc == KMS_LATER ? ECMG_LATER : rc;
}

/* ---- faults on purpose */

static void
edge_send(void *self, const uint8_t *bytes, size_t len)
{
	ecmg_conn_put(self, bytes, len);
}

static void
edge_close(void *self)
{
	gw_link_close(((struct ecmg_conn *)self)->link, 0);
}

static void
edge_struck(void *self, const char *fault, const char *message)
{
	struct ecmg_conn *k = self;

	gw_log_limited(&k->rate, GW_NOTICE, "misbehaved", NULL, "kms=%s peer=%s fault=%s message=%s", server_of(k)->conf.kms,
	    gw_link_peer(k->link), fault, message);
}

static const struct ecmg_edge_door edge_door = { edge_send, edge_close, edge_struck };

static void wake_edges(struct ecmg_server *);

static void
on_edges(uv_timer_t *t)
{
	struct ecmg_server *s = t->data;
	const struct ecmg_face *f = &s->face;

	for (size_t i = 0; i < f->nslots; i++)
		if (f->conns[i] && !f->conns[i]->leaving)
			ecmg_edge_time(f->conns[i]->extra, ecmg_face_now_us(f));
	wake_edges(s);
}

static void
wake_edges(struct ecmg_server *s)
{
	const struct ecmg_face *f = &s->face;
	int64_t due = INT64_MAX, wait;

	for (size_t i = 0; i < f->nslots; i++)
		if (f->conns[i] && !f->conns[i]->leaving && ecmg_edge_due(f->conns[i]->extra) < due)
			due = ecmg_edge_due(f->conns[i]->extra);
	wait = (due - ecmg_face_now_us(f) + 999) / 1000;
	if (due != INT64_MAX && !s->stopping)
		uv_timer_start(&s->edges, on_edges, wait > 0 ? (uint64_t)wait : 0, 0);
}

static void
send_by_edge(struct ecmg_conn *k, const uint8_t *msg, size_t len)
{
	if (!k->extra) {
		ecmg_conn_put(k, msg, len);
		return;
	}
	ecmg_edge_send(k->extra, msg, len, ecmg_face_now_us(k->face));
	wake_edges(server_of(k));
}

static int
opened(struct ecmg_conn *k)
{
	struct ecmg_server *s = server_of(k);

	return s->faults && !(k->extra = ecmg_edge_new(s->faults, k)) ? -1 : 0;
}

static void
closed(struct ecmg_conn *k)
{
	ecmg_edge_free(k->extra);
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

static void
parted(void *owner)
{
	end_if_done(owner);
}

static const struct ecmg_maker maker = { make_channel, make_stream, make_ecm, opened, closed, send_by_edge, parted };

/* ---- the plugin */

/* An answer from a worker or another thread of the plugin. */
static void
on_answer(void *owner, uint64_t handle, int rc, const uint8_t *ecm, const char *why)
{
	ecmg_face_answer(&((struct ecmg_server *)owner)->face, handle, rc, ecm, why);
}

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
	struct ecmg_engine *e = &s->face.engine;

	e->strict = s->conf.strict;
	e->max_channels = s->conf.max_channels;
	e->max_streams = s->conf.max_streams;
	e->silence_ms = s->conf.silence_ms;
	e->patience_ms = PATIENCE_MS;
	e->ecm_limit_ms = s->conf.ecm_limit_ms;
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
	ecmg_face_revise(&s->face);
	gw_log(GW_NOTICE, "reloaded", NULL, "kms=%s", s->conf.kms);
}

/* ---- up and down */

static int
open_listeners(struct ecmg_server *s, struct gw_err *err)
{
	for (size_t i = 0; i < s->conf.listen.n; i++)
		if (ecmg_face_listen(&s->face, &s->conf.listen.addr[i], err) < 0)
			return -1;
	return 0;
}

int
ecmg_server_start(struct ecmg_server *s, struct gw_err *err)
{
	const struct gw_ops_conf ops = { .program = "ecmg", .instance = s->args.kms ? s->conf.kms : "", .status = ecmg_status,
	    .collect = ecmg_collect, .self = s };

	snprintf(s->label, sizeof(s->label), "kms=%s", s->conf.kms);
	s->face.loop = &s->loop;
	s->face.owner = s;
	s->face.maker = &maker;
	s->face.label = s->label;
	take_rules(s);
	ecmg_face_open(&s->face);
	uv_timer_init(&s->loop, &s->deadline);
	uv_timer_init(&s->loop, &s->edges);
	s->deadline.data = s->edges.data = s;
	s->timers = true;
	if (gw_life_open(&s->life, &s->loop, ecmg_server_stop, ecmg_server_reload, s, err) < 0 || !(s->host = open_host(s, &s->conf, err)))
		return -1;
	if (s->conf.status.scheme && !(s->ops = gw_ops_open(&s->loop, &s->conf.status, &ops, err)))
		return -1;
	if (misbehave(s, err) < 0 || open_listeners(s, err) < 0)
		return -1;
	gw_life_ready(&s->life, "serving");
	return 0;
}

/* Once nothing of the outside is left the loop has nothing to wait for. */
static void
end_if_done(struct ecmg_server *s)
{
	if (!s->stopping || s->ended || s->face.nconns > 0 || s->nhosts > 0)
		return;
	s->ended = true;
	gw_ops_close(s->ops);
	s->ops = NULL;
	if (s->timers) {
		ecmg_face_unclock(&s->face, NULL);
		uv_close((uv_handle_t *)&s->deadline, NULL);
		uv_close((uv_handle_t *)&s->edges, NULL);
	}
	gw_life_close(&s->life);
}

static void
on_deadline(uv_timer_t *t)
{
	struct ecmg_server *s = t->data;

	ecmg_face_leave(&s->face);
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
	if (s->face.nlisteners)
		gw_log(GW_NOTICE, "stopping", NULL, "kms=%s connections=%zu", s->conf.kms, s->face.nconns);
	ecmg_face_close(&s->face);
	if (s->host)
		ecmg_host_close(s->host, on_host_closed);
	if (s->timers)
		uv_timer_start(&s->deadline, on_deadline, DRAIN_MS, 0);
	end_if_done(s);
}

void
ecmg_server_fini(struct ecmg_server *s)
{
	ecmg_face_fini(&s->face);
	free(s->faults);
	ecmg_conf_free(&s->conf);
	ecmg_args_free(&s->args);
}
