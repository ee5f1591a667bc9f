/* bridge/seak_run.c: see seak_run.h */
#include "bridge/seak_run.h"
#include <stdlib.h>
#include <string.h>
#include "bridge/seak_load.h"
#include "kms/seaks.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/secret.h"
#include "proto/stkm.h"

enum { ATTEMPT_MS = 10000 };
static const int64_t day_us = INT64_C(86400) * 1000000, audits_us = 400 * day_us;

/* One message of ours on its way. */
struct trip { struct seak_run *run; struct seak_flight *flight; bool delivery, bsm; char why[480]; struct trip *next; };
struct side { struct seak_run *run; bool bsm; };	/* what an engine knows as its owner */

struct seak_run {
	uv_loop_t *loop;
	const struct headend *he; const struct he_bridge *conf;
	struct ex *ex;
	struct seaks *store;
	struct seak_sync *sync; struct seak_bsm *bsm;	/* the two roles; NULL: no entry for it */
	struct side sides[2];
	struct gw_timer timer;
	uv_timer_t flush; bool grouped;		/* marks and audit of one turn become durable together */
	struct trip *failed;			/* those that never left: they end from the loop */
	int64_t trimmed_us;
	int handles; bool closing;
};

/* ---- the store ---- */

static void
flush(struct seak_run *r)
{
	if (r->grouped && seaks_flush(r->store) != GW_WON)
		gw_log(GW_ERR, "seak_store_failed", "what happened to SEAKs could not be stored; it is sent again after a restart", "path=%s", r->conf->seaks);
	r->grouped = false;
}

static void
on_flush(uv_timer_t *t)
{
	flush(t->data);
}

/* What need not be durable before it is told to anybody. */
static void
group(struct seak_run *r)
{
	if (r->grouped || r->closing)
		return;
	seaks_begin(r->store);
	r->grouped = true;
	uv_timer_start(&r->flush, on_flush, 0, 0);
}

static int
op_save(void *self, struct seak_row *row, const uint8_t *key, const struct seak_mark *m, size_t n)
{
	struct seak_run *r = ((struct side *)self)->run;
	struct seak_row full = *row;
	enum gw_outcome o;

	flush(r);
	memcpy(full.key, key, SEAK_LEN);
	seaks_begin(r->store);
	o = seaks_put(r->store, &full, &row->id);
	for (size_t k = 0; k < n && o == GW_WON; k++)
		o = seaks_mark(r->store, row->id, &m[k]);
	gw_cleanse(&full, sizeof(full));
	if (seaks_flush(r->store) != GW_WON || o != GW_WON) {
		gw_log(GW_ERR, "seak_store_failed", "a SEAK could not be stored", "service=%s path=%s", row->service, r->conf->seaks);
		return -1;
	}
	return 0;
}

static void
op_mark(void *self, int64_t id, const struct seak_mark *m)
{
	struct seak_run *r = ((struct side *)self)->run;

	group(r);
	seaks_mark(r->store, id, m);
}

static void
op_gate(void *self, int64_t id, int64_t first_us, int64_t open_us)
{
	struct seak_run *r = ((struct side *)self)->run;

	group(r);
	seaks_gate(r->store, id, first_us, open_us);
}

static void
op_drop(void *self, int64_t id)
{
	struct seak_run *r = ((struct side *)self)->run;

	group(r);
	seaks_drop(r->store, id);
}

static void
op_audit(void *self, const struct seak_audit *a)
{
	struct seak_run *r = ((struct side *)self)->run;

	gw_log(GW_NOTICE, "seak", a->what, "service=%s kind=%s cid_extension=%u peer=%s", a->urn, a->kind ? "program" : "service", (unsigned)a->cid_extension,
	    *a->who ? a->who : "-");
	group(r);
	seaks_audit(r->store, a);
}

/* ---- messages ---- */

static const struct he_sp4_peer *
peer_of(const struct seak_run *r, const char *id)
{
	for (size_t i = 0; i < r->conf->npeers; i++)
		if (strcmp(r->conf->peers[i].id, id) == 0)
			return &r->conf->peers[i];
	return NULL;
}

static void
put_seak(struct sp4_msg *m, const struct seak_row *row, const uint8_t *key)
{
	m->data[0] = (struct sp4_octets){ key, SEAK_LEN };
	m->n_data = m->n_seak = 1;
	m->seak = (struct sp4_seak_context){ .kind = row->kind == SEAK_SERVICE ? SP4_SERVICE_KEY : SP4_PROGRAM_KEY, .cid_extension = row->cid_extension,
		.valid_from = row->from_s == INT64_MIN ? SP4_ABSENT : sp4_ntp(row->from_s), .valid_to = row->to_s == INT64_MAX ? SP4_ABSENT : sp4_ntp(row->to_s),
		.generator = row->generator };
}

static struct seak_said
said_of(const struct sp4_msg *m)
{
	struct seak_said s = { .from_s = INT64_MIN, .to_s = INT64_MAX };

	if (m->n_data == 1) {
		s.key = m->data[0].p;
		s.len = m->data[0].len;
	}
	if (!m->n_seak || m->seak.cid_extension == SP4_ABSENT)
		return s;
	s.context = true;
	s.kind = m->seak.kind == SP4_PROGRAM_KEY ? SEAK_PROGRAM : SEAK_SERVICE;
	s.cid_extension = (uint32_t)m->seak.cid_extension;
	if (m->seak.valid_from != SP4_ABSENT)
		s.from_s = sp4_unix(m->seak.valid_from);
	if (m->seak.valid_to != SP4_ABSENT)
		s.to_s = sp4_unix(m->seak.valid_to);
	return s;
}

static void
op_answer(void *self, void *call, unsigned status, const struct seak_row *row, const uint8_t *key, const char *reason)
{
	struct sp4_msg m;

	(void)self;
	if (!row) {
		ex_status(call, status, reason);
		return;
	}
	sp4_init(&m, 18);
	m.status = status;
	put_seak(&m, row, key);
	ex_answer(call, &m);
}

static void wake(struct seak_run *);

static void
ended(struct trip *t, bool cancelled, enum seak_end end, unsigned status, const char *reason, const struct sp4_msg *answer)
{
	struct seak_run *r = t->run;
	struct seak_sync *sync = cancelled ? NULL : r->sync;	/* a bridge that stops says nothing of its peers */
	struct seak_bsm *bsm = cancelled ? NULL : r->bsm;
	int64_t now = gw_utc_us();
	struct seak_said said = { 0 };

	if (answer)
		said = said_of(answer);
	if (t->bsm && t->delivery)
		seak_bsm_delivered(bsm, t->flight, end, status, reason, now);
	else if (t->bsm)
		seak_bsm_responded(bsm, t->flight, end, status, reason, &said, now);
	else if (t->delivery)
		seak_delivered(sync, t->flight, end, status, reason, now);
	else
		seak_responded(sync, t->flight, end, status, reason, &said, now);
	free(t);
	wake(r);
}

static void
on_end(void *self, const struct ex_result *x)
{
	bool answered = x->end == EX_ANSWERED;
	/* 503 and its like: it has enough to do; what refuses with 4xx is there. */
	enum seak_end end = answered ? SEAK_ANSWERED : x->end == EX_WRONG || (x->end == EX_REFUSED && x->http < 500) ? SEAK_REFUSED : SEAK_SILENT;

	ended(self, x->end == EX_CANCELLED, end, answered ? (unsigned)x->answer->status : 0, answered ? x->answer->reason : x->reason, answered ? x->answer : NULL);
}

static void
post(struct side *side, struct seak_flight *f, const char *who, struct sp4_msg *m)
{
	struct seak_run *r = side->run;
	const struct he_sp4_peer *to = peer_of(r, who);
	struct trip *t = calloc(1, sizeof(*t));
	struct gw_err err = { 0 };

	if (!t)
		abort();	/* the flight could not end: as every allocation of a few octets that must not fail */
	*t = (struct trip){ .run = r, .flight = f, .delivery = m->tag == 19, .bsm = side->bsm };
	if (to && ex_send(r->ex, to, m, 0, gw_mono_us() + (to->timeout_ms ? to->timeout_ms : ATTEMPT_MS) * INT64_C(1000), on_end, t, &err) == 0)
		return;
	snprintf(t->why, sizeof(t->why), "%s", to ? err.text : "it is not a peer any more");
	t->next = r->failed;
	r->failed = t;
	gw_timer_at(&r->timer, 0);
}

static void
op_deliver(void *self, struct seak_flight *f, const char *who, const struct seak_row *row, const uint8_t *key)
{
	struct sp4_msg m;

	sp4_init(&m, 19);
	m.service = row->urn;
	put_seak(&m, row, key);
	post(self, f, who, &m);
}

static void
op_request(void *self, struct seak_flight *f, const char *who, const char *urn)
{
	struct sp4_msg m;

	sp4_init(&m, 17);
	m.service = urn;
	post(self, f, who, &m);
}

static const struct seak_ops ops = { op_save, op_mark, op_gate, op_drop, op_audit, op_deliver, op_request, op_answer };

/* Which role a service is of; without an entry that of the bridge. */
static bool
is_bsm(const struct seak_run *r, const char *urn)
{
	for (size_t i = 0; i < r->conf->nseak; i++)
		if (urn && strcmp(r->conf->seak[i].service->global_service_id, urn) == 0)
			return r->conf->seak[i].bsda != NULL;
	return !r->sync;
}

/* One that calls, and did not answer: it is tried at once, and waited for meanwhile. */
static void
heard(struct seak_run *r, const struct he_sp4_peer *from, int64_t now_us)
{
	seak_heard(r->sync, from->id, now_us);
	if (ex_silent(r->ex, from))
		seak_lost(r->sync, from->id, now_us);
}

static bool
on_asked(void *self, struct ex_call *call, const struct he_sp4_peer *from, const struct sp4_msg *m)
{
	struct seak_run *r = self;
	int64_t now = gw_utc_us();

	if (r->closing || (!r->sync && !r->bsm))
		return false;
	if (is_bsm(r, m->service))
		seak_bsm_asked(r->bsm, call, from->id, m->service, now);
	else {
		seak_asked(r->sync, call, from->id, m->service, now);
		heard(r, from, now);
	}
	wake(r);
	return true;
}

static bool
on_offered(void *self, struct ex_call *call, const struct he_sp4_peer *from, const struct sp4_msg *m)
{
	struct seak_run *r = self;
	struct seak_said said = said_of(m);
	int64_t now = gw_utc_us();

	if (r->closing || (!r->sync && !r->bsm))
		return false;
	if (is_bsm(r, m->service))
		seak_bsm_offered(r->bsm, call, from->id, m->service, &said, now);
	else {
		seak_offered(r->sync, call, from->id, m->service, &said, now);
		heard(r, from, now);
	}
	wake(r);
	return true;
}

/* What the gate waits for is who answers. */
static void
on_told(void *self, const struct he_sp4_peer *peer, bool silent)
{
	struct seak_run *r = self;
	int64_t now = gw_utc_us();

	if (r->closing || !r->sync)
		return;
	if (silent)
		seak_lost(r->sync, peer->id, now);
	else
		seak_heard(r->sync, peer->id, now);
	wake(r);
}

/* A new engine is told of those who do not answer already. */
static void
tell_all(struct seak_run *r)
{
	for (size_t i = 0; r->sync && i < r->conf->npeers; i++)
		if (ex_silent(r->ex, &r->conf->peers[i]))
			seak_lost(r->sync, r->conf->peers[i].id, gw_utc_us());
}

/* ---- time ---- */

static void
wake(struct seak_run *r)
{
	int64_t at = r->trimmed_us + day_us;

	if (r->closing)
		return;
	if (r->sync && seak_next(r->sync) < at)
		at = seak_next(r->sync);
	if (r->bsm && seak_bsm_next(r->bsm) < at)
		at = seak_bsm_next(r->bsm);
	gw_timer_at(&r->timer, r->failed ? 0 : at);
}

static void
on_timer(void *self)
{
	struct seak_run *r = self;
	int64_t now = gw_utc_us();

	while (r->failed) {
		struct trip *t = r->failed;

		r->failed = t->next;
		ended(t, r->closing, SEAK_SILENT, 0, t->why, NULL);
	}
	if (r->sync)
		seak_tick(r->sync, now);
	if (r->bsm)
		seak_bsm_tick(r->bsm, now);
	if (now >= r->trimmed_us + day_us || now < r->trimmed_us - day_us) {
		group(r);
		seaks_trim(r->store, now - audits_us);
		r->trimmed_us = now;
	}
	wake(r);
}

/* ---- engines from the file and the store ---- */

static int
engines(struct seak_run *r, const struct he_bridge *conf, struct seak_engines *e, struct gw_err *err)
{
	flush(r);
	if (seak_engines_load(conf, r->store, &ops, (void *[2]){ &r->sides[0], &r->sides[1] }, gw_utc_us(), e, err) < 0)
		return -1;
	for (size_t k = 0; k < e->ngone; k++) {
		group(r);
		seaks_drop(r->store, e->gone[k]);
	}
	free(e->gone);
	return 0;
}

/* ---- the gate ---- */

bool
seak_run_may_air(const struct seak_run *r, const char *urn, const void *stkm, size_t len, unsigned *status, const char **reason)
{
	struct stkm_tail m;
	enum stkm_fault why;
	int64_t now = gw_utc_us();

	if (!r || !r->sync || stkm_peek(stkm, len, &m, &why) < 0)
		return true;
	if ((!m.service || seak_may_air(r->sync, urn, SEAK_SERVICE, m.service_CID_extension, now)) &&
	    (!m.program || seak_may_air(r->sync, urn, SEAK_PROGRAM, m.program_CID_extension, now)))
		return true;
	*status = BR_DELAYED;
	*reason = "its SEAK has not reached all BSMs of the service yet";
	return false;
}

/* ---- coming and going ---- */

struct seak_run *
seak_run_open(uv_loop_t *loop, const struct headend *he, const struct he_bridge *conf, struct ex *ex, struct gw_err *err)
{
	struct seak_run *r = calloc(1, sizeof(*r));
	struct seak_engines e = { 0 };

	if (!r) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	r->loop = loop;
	r->he = he;
	r->conf = conf;
	r->ex = ex;
	r->sides[0] = (struct side){ r, false };
	r->sides[1] = (struct side){ r, true };
	gw_timer_init(&r->timer, loop, on_timer, r);
	uv_timer_init(loop, &r->flush);
	r->flush.data = r;
	if (conf->nseak && (seaks_open(conf->seaks, conf->seaks_master, true, &r->store, err) < 0 || engines(r, conf, &e, err) < 0)) {
		seak_free(e.sync);
		seak_bsm_free(e.bsm);
		seak_run_close(r);
		return NULL;
	}
	r->sync = e.sync;
	r->bsm = e.bsm;
	ex_handle(ex, 17, on_asked, r);
	ex_handle(ex, 19, on_offered, r);
	ex_watch(ex, on_told, r);
	if (conf->nseak)
		gw_timer_at(&r->timer, 0);
	return r;
}

int
seak_run_reconf(struct seak_run *r, const struct headend *he, const struct he_bridge *conf, struct gw_err *err)
{
	struct seak_engines e = { 0 };
	struct seak_sync *sync = r->sync;
	struct seak_bsm *bsm = r->bsm;

	if (!r->store && conf->nseak && seaks_open(conf->seaks, conf->seaks_master, true, &r->store, err) < 0)
		return -1;
	if (r->store && engines(r, conf, &e, err) < 0)
		return -1;
	seak_free(sync);	/* its flights end unheard */
	seak_bsm_free(bsm);
	r->sync = e.sync;
	r->bsm = e.bsm;
	r->he = he;
	r->conf = conf;
	tell_all(r);
	if (r->store)
		gw_timer_at(&r->timer, 0);
	return 0;
}

static void
on_closed(uv_handle_t *h)
{
	struct seak_run *r = h->data;

	if (--r->handles == 0)
		free(r);
}

void
seak_run_close(struct seak_run *r)
{
	if (!r)
		return;
	r->closing = true;
	ex_watch(r->ex, NULL, NULL);
	while (r->failed) {
		struct trip *t = r->failed;

		r->failed = t->next;
		ended(t, r->closing, SEAK_SILENT, 0, t->why, NULL);
	}
	seak_free(r->sync);
	seak_bsm_free(r->bsm);
	r->sync = NULL;
	r->bsm = NULL;
	flush(r);
	seaks_close(r->store);
	r->handles = 2;
	r->timer.t.data = r;
	gw_timer_close(&r->timer, on_closed);
	uv_close((uv_handle_t *)&r->flush, on_closed);
}

/* ---- for operators ---- */

json_t *
seak_run_status(const struct seak_run *r)
{
	int64_t now = gw_utc_us();
	json_t *j = json_object();

	if (r->sync)
		json_object_set_new(j, "bsda", seak_status(r->sync, now));
	if (r->bsm)
		json_object_set_new(j, "bsm", seak_bsm_status(r->bsm, now));
	return j;
}

static const struct gw_metric metrics[] = {
	{ "simulgate_bridge_seak_stored_total", "SEAKs stored.", GW_COUNTER },
	{ "simulgate_bridge_seak_repeated_total", "SEAKs that came again with the same value.", GW_COUNTER },
	{ "simulgate_bridge_seak_conflicts_total", "SEAKs that came with another value: status 27.", GW_COUNTER },
	{ "simulgate_bridge_seak_refused_total", "Requests and deliveries of SEAKs that were refused.", GW_COUNTER },
	{ "simulgate_bridge_seak_pulls_total", "Requests for SEAKs: of BSMs, or ours.", GW_COUNTER },
	{ "simulgate_bridge_seak_deliveries_total", "SEAKs sent.", GW_COUNTER },
	{ "simulgate_bridge_seak_confirmed_total", "SEAKs sent and confirmed.", GW_COUNTER },
	{ "simulgate_bridge_seak_failed_total", "SEAKs sent and not confirmed.", GW_COUNTER },
	{ "simulgate_bridge_seak_instances", "SEAKs known.", GW_GAUGE },
	{ "simulgate_bridge_seak_undelivered", "SEAKs that a BSM is still to have.", GW_GAUGE },
};

static void
collect(const struct seak_counts *c, const char *role, struct gw_samples *s)
{
	const double v[] = { (double)c->stored, (double)c->repeated, (double)c->conflicts, (double)c->refused, (double)c->pulls, (double)c->deliveries,
		(double)c->confirmed, (double)c->failed, (double)c->instances, (double)c->undelivered };
	char labels[32] = "";

	gw_label(labels, sizeof(labels), "role", role);
	for (size_t k = 0; k < sizeof(metrics) / sizeof(metrics[0]); k++)
		gw_sample(s, &metrics[k], labels, v[k]);
}

void
seak_run_collect(const struct seak_run *r, struct gw_samples *s)
{
	struct seak_counts c;

	if (r->sync) {
		seak_counts(r->sync, &c);
		collect(&c, "bsda", s);
	}
	if (r->bsm) {
		seak_bsm_counts(r->bsm, &c);
		collect(&c, "bsm", s);
	}
}
