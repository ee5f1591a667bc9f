/* bridge/sx_emmg.c */
#include "bridge/sx_emmg.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/errors.h"
#include "proto/emmg_mux.h"

enum { WINDOW_MS = 30000, PAUSE_MOST_US = 60000000 };
enum { ANSWER_OCTETS = 400 * 1024 };	/* of objects in one answer: a document has 1 MiB, and two digits for each */

struct sx_parcel {
	STAILQ_ENTRY(sx_parcel) next;
	int64_t until_us, start_s, end_s;	/* when it is out of date; its window, UTC */
	size_t octets, n;
	struct sp4_octets data[SP4_DATA];	/* behind it */
	uint8_t bytes[];
};

/* ---- rows ---- */

static void
drop_first(struct sx_flow *f)
{
	struct sx_parcel *p = STAILQ_FIRST(&f->queue);

	STAILQ_REMOVE_HEAD(&f->queue, next);
	f->nqueue--;
	f->octets -= p->octets;
	f->tries = 0;
	f->again_us = 0;
	free(p);
}

static void
free_flow(struct sx_flow *f)
{
	while (!STAILQ_EMPTY(&f->queue))
		drop_first(f);
	free(f->last);
	free(f);
}

struct sx_flow *
sx_emmg_flow(const struct sx_emmg *e, uint32_t client_id, uint16_t data_id)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->v[i]->row->client_id == client_id && e->v[i]->row->data_id == data_id)
			return e->v[i];
	return NULL;
}

/* What is under way of a flow that is gone has to come back first. */
static void
let_go(struct sx_emmg *e, struct sx_flow *f)
{
	f->row = NULL;
	if (f->under_way)
		e->gone[e->ngone++] = f;
	else
		free_flow(f);
}

static struct sx_flow *
new_flow(struct sx_emmg *e)
{
	struct sx_flow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->engine = e;
	STAILQ_INIT(&f->queue);
	return f;
}

int
sx_emmg_conf(struct sx_emmg *e, const struct he_bridge *b, struct gw_err *err)
{
	struct sx_flow **v = calloc(b->nemmg + 1, sizeof(struct sx_flow *));
	struct sx_flow **gone = realloc(e->gone, (e->ngone + e->n + 1) * sizeof(struct sx_flow *));
	bool memory = v && gone;

	e->gone = gone ? gone : e->gone;
	e->md = e->md ? e->md : EVP_MD_fetch(NULL, "SHA256", NULL);
	for (size_t i = 0; memory && i < b->nemmg; i++)
		if (!sx_emmg_flow(e, b->emmg[i].client_id, b->emmg[i].data_id))
			memory = (v[i] = new_flow(e)) != NULL;
	if (!memory || !e->md) {
		for (size_t i = 0; v && i < b->nemmg; i++)
			free(v[i]);
		free(v);
		return gw_fail(err, GW_ESYS, "out of memory");
	}
	for (size_t i = 0; i < b->nemmg; i++)	/* all are found before one is another's */
		if (!v[i])
			v[i] = sx_emmg_flow(e, b->emmg[i].client_id, b->emmg[i].data_id);
	for (size_t i = 0; i < e->n; i++)
		e->v[i]->row = NULL;
	for (size_t i = 0; i < b->nemmg; i++)
		v[i]->row = &b->emmg[i];
	for (size_t i = 0; i < e->n; i++)
		if (!e->v[i]->row)
			let_go(e, e->v[i]);
	free(e->v);
	e->v = v;
	e->n = b->nemmg;
	return 0;
}

void
sx_emmg_fini(struct sx_emmg *e)
{
	for (size_t i = 0; i < e->n; i++)
		free_flow(e->v[i]);
	for (size_t i = 0; i < e->ngone; i++)
		free_flow(e->gone[i]);
	free(e->v);
	free(e->gone);
	EVP_MD_free(e->md);
	*e = (struct sx_emmg){ .door = e->door, .self = e->self };
}

/* ---- a data_provision ---- */

/* Of its datagrams; each with its length, in their order. */
static void
digest_of(const struct sx_emmg *e, const struct sim_msg *m, uint8_t out[32])
{
	EVP_MD_CTX *x = EVP_MD_CTX_new();

	memset(out, 0, 32);
	if (!x)
		return;
	EVP_DigestInit_ex2(x, e->md, NULL);
	for (size_t k = 0; k < m->n; k++)
		if (m->v[k].type == EMMG_DATAGRAM) {
			EVP_DigestUpdate(x, &m->v[k].len, sizeof(m->v[k].len));
			EVP_DigestUpdate(x, m->v[k].p, m->v[k].len);
		}
	EVP_DigestFinal_ex(x, out, NULL);
	EVP_MD_CTX_free(x);
}

/* Noted as seen, if it was not. */
static bool
seen(struct sx_flow *f, const uint8_t digest[32], int64_t now_us)
{
	for (unsigned i = 0; i < SX_SEEN; i++)
		if (f->seen[i].until_us > now_us && memcmp(f->seen[i].digest, digest, 32) == 0)
			return true;
	f->next_seen = (f->next_seen + 1) % SX_SEEN;
	memcpy(f->seen[f->next_seen].digest, digest, 32);
	f->seen[f->next_seen].until_us = now_us + (int64_t)f->row->repetition_ms * 1000;
	return false;
}

/* Three repetitions, half a minute at least: an EMMG that goes on sending it renews it before. */
static int64_t
window_ms(const struct he_bridge_emmg *row)
{
	const int64_t three = INT64_C(3) * row->repetition_ms;

	return three > WINDOW_MS ? three : WINDOW_MS;
}

/* Datagrams from *at on, as many as one message takes. */
static struct sx_parcel *
pack(const struct sx_flow *f, const struct sim_msg *m, size_t *at, int64_t now_us, int64_t utc_us)
{
	size_t end = *at, n = 0, octets = 0, fill = 0;
	struct sx_parcel *p;

	for (; end < m->n && n < SP4_DATA; end++)
		if (m->v[end].type == EMMG_DATAGRAM && m->v[end].len > 0) {
			n++;
			octets += m->v[end].len;
		}
	p = calloc(1, sizeof(*p) + octets);
	if (!p)
		return NULL;
	p->octets = octets;
	p->until_us = now_us + window_ms(f->row) * 1000;
	p->start_s = utc_us / 1000000;
	p->end_s = p->start_s + window_ms(f->row) / 1000;
	for (; *at < end; ++*at)
		if (m->v[*at].type == EMMG_DATAGRAM && m->v[*at].len > 0) {
			memcpy(p->bytes + fill, m->v[*at].p, m->v[*at].len);
			p->data[p->n++] = (struct sp4_octets){ p->bytes + fill, m->v[*at].len };
			fill += m->v[*at].len;
		}
	return p;
}

static struct sx_parcel *
copy_of(const struct sx_parcel *p)
{
	struct sx_parcel *c = malloc(sizeof(*c) + p->octets);

	if (!c)
		return NULL;
	memcpy(c, p, sizeof(*p) + p->octets);
	for (size_t k = 0; k < c->n; k++)
		c->data[k].p = c->bytes + (p->data[k].p - p->bytes);
	return c;
}

static void
describe(const struct he_bridge_emmg *row, const struct sx_parcel *p, struct sp4_msg *m)
{
	m->service = row->service->global_service_id;
	m->n_data = p->n;
	memcpy(m->data, p->data, p->n * sizeof(p->data[0]));
	m->distribution_start = sp4_ntp(p->start_s);
	m->distribution_end = sp4_ntp(p->end_s);
	m->n_distribution = 1;
	m->distribution = (struct sp4_distribution_context){ .data_id = row->data_id, .repetition_ms = row->repetition_ms,
		.bandwidth_kbps = row->bandwidth_bps / 1000 > UINT16_MAX ? UINT16_MAX : row->bandwidth_bps / 1000 };
}

static void
complain_if_often(struct sx_emmg *e, struct sx_flow *f, uint16_t status, const char *why)
{
	if (f->failures < SX_FAILURES || !f->row)
		return;
	f->failures = 0;
	e->door->complain(e->self, f->row, status, why);
}

/* After 1, 2, 4 … 60 s. */
static void
put_off(struct sx_flow *f, int64_t now_us)
{
	const int64_t pause = f->tries < 7 ? INT64_C(1000000) << (f->tries ? f->tries - 1 : 0) : PAUSE_MOST_US;

	f->again_us = now_us + (pause < PAUSE_MOST_US ? pause : PAUSE_MOST_US);
}

/* What is to go now goes. */
static void
serve(struct sx_emmg *e, struct sx_flow *f, int64_t now_us)
{
	struct gw_err err = { 0 };
	struct sx_parcel *p;
	struct sp4_msg m;

	while (!f->under_way && f->row && (p = STAILQ_FIRST(&f->queue)) != NULL) {
		if (p->until_us <= now_us) {	/* it has failed so long, or waited behind one that did */
			f->dropped++;
			drop_first(f);
			continue;
		}
		if (f->again_us > now_us)
			return;
		sp4_init(&m, f->row->registration ? 15 : 11);
		describe(f->row, p, &m);
		if (e->door->send(e->self, f->row->peer, &m, p->until_us, f, &err) == 0) {
			f->under_way = true;
			e->nbusy++;
			return;
		}
		e->door->note(e->self, GW_ERR, "ltkm_not_sent", f->row, err.text);
		f->failed++;
		drop_first(f);
	}
}

bool
sx_emmg_provide(struct sx_emmg *e, struct sx_flow *f, const struct sim_msg *m, int64_t now_us, int64_t utc_us)
{
	uint8_t digest[32];
	struct sx_parcel *p;

	f->provisions++;
	if (f->nqueue >= SX_QUEUE || f->octets >= SX_QUEUE_OCTETS) {
		f->dropped++;
		return false;
	}
	digest_of(e, m, digest);
	if (seen(f, digest, now_us)) {
		f->repeated++;
		return true;
	}
	for (size_t at = 0; at < m->n; ) {
		p = pack(f, m, &at, now_us, utc_us);
		if (!p)
			return false;
		if (p->n == 0) {	/* parameters behind the last datagram, empty datagrams */
			free(p);
			continue;
		}
		STAILQ_INSERT_TAIL(&f->queue, p, next);
		f->nqueue++;
		f->octets += p->octets;
		free(f->last);
		f->last = copy_of(p);
	}
	serve(e, f, now_us);
	return true;
}

static void
forget(struct sx_emmg *e, struct sx_flow *f)
{
	for (size_t i = 0; i < e->ngone; i++)
		if (e->gone[i] == f)
			e->gone[i] = e->gone[--e->ngone];
	free_flow(f);
}

/* What the same again would end in again: nothing but time is lost by trying, and what waits behind it is more useful. */
static bool
for_good(const struct ex_result *r)
{
	if (r->end != EX_ANSWERED)
		return r->end == EX_REFUSED && r->http < 500;
	return r->answer->status != BR_SERVER_ERROR && r->answer->status != BR_DELAYED && r->answer->status != 1;	/* basic: whatever it is */
}

void
sx_emmg_done(struct sx_emmg *e, struct sx_flow *f, const struct ex_result *r, int64_t now_us, int64_t utc_us)
{
	const bool taken = r->end == EX_ANSWERED && r->answer->status == 0;
	uint16_t status;

	(void)utc_us;
	f->under_way = false;
	e->nbusy--;
	if (!f->row) {
		forget(e, f);
		return;
	}
	if (r->end == EX_CANCELLED)
		return;
	if (taken) {
		f->sent++;
		f->failures = 0;
		drop_first(f);
	} else {
		const char *why = r->end == EX_ANSWERED && r->answer->reason ? r->answer->reason : r->reason ? r->reason : "";
		f->failed++;
		f->tries++;
		f->failures += r->attempts ? r->attempts : 1;
		status = r->end == EX_ANSWERED ? br_error_of_status((unsigned)r->answer->status) : br_error_of_http(BR_MUX, r->end == EX_REFUSED ? r->http : 0);
		e->door->note(e->self, GW_WARNING, "ltkm_refused", f->row, why);
		if (for_good(r))
			drop_first(f);
		else
			put_off(f, now_us);
		complain_if_often(e, f, r->end == EX_WRONG ? EMMG_E_UNKNOWN : status, why);
	}
	serve(e, f, now_us);
}

void
sx_emmg_time(struct sx_emmg *e, int64_t now_us, int64_t utc_us)
{
	(void)utc_us;
	for (size_t i = 0; i < e->n; i++)
		serve(e, e->v[i], now_us);
}

int64_t
sx_emmg_next(const struct sx_emmg *e)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < e->n; i++)
		if (!e->v[i]->under_way && !STAILQ_EMPTY(&e->v[i]->queue) && e->v[i]->again_us < next)
			next = e->v[i]->again_us;
	return next;
}

/* ---- requests ---- */

int
sx_emmg_request(struct sx_emmg *e, const struct he_sp4_peer *from, const struct sp4_msg *q, int64_t utc_us, struct sp4_msg *answer, const char **reason)
{
	const bool registration = sp4_object_of(q->tag) == SP4_REG;
	bool known = false;
	size_t octets = 0;

	*reason = NULL;
	sp4_init(answer, (int)q->tag + 1);
	for (size_t i = 0; i < e->n; i++) {
		const struct sx_flow *f = e->v[i];
		if (f->row->peer != from || f->row->registration != registration || !q->service || strcmp(f->row->service->global_service_id, q->service) != 0)
			continue;
		known = true;
		if (!f->last || f->last->end_s * 1000000 < utc_us || answer->n_data + f->last->n > SP4_DATA ||
		    octets + f->last->octets > ANSWER_OCTETS)
			continue;
		octets += f->last->octets;
		for (size_t k = 0; k < f->last->n; k++)
			answer->data[answer->n_data++] = f->last->data[k];
		if (answer->n_distribution)
			continue;
		answer->n_distribution = 1;
		answer->distribution = (struct sp4_distribution_context){ .data_id = f->row->data_id, .repetition_ms = f->row->repetition_ms,
			.bandwidth_kbps = f->row->bandwidth_bps / 1000 > UINT16_MAX ? UINT16_MAX : f->row->bandwidth_bps / 1000 };
		answer->distribution_start = sp4_ntp(f->last->start_s);
		answer->distribution_end = sp4_ntp(f->last->end_s);
	}
	if (!known)
		return -1;
	if (answer->n_data == 0) {
		*reason = "its EMMG has sent nothing that is still good";
		return BR_DELAYED;
	}
	answer->status = BR_OK;
	return BR_OK;
}

/* ---- what operators see ---- */

json_t *
sx_emmg_status(const struct sx_emmg *e)
{
	json_t *list = json_array();

	for (size_t i = 0; i < e->n; i++) {
		const struct sx_flow *f = e->v[i];
		json_array_append_new(list, json_pack("{s:I, s:i, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:i}", "client_id", (json_int_t)f->row->client_id,
		    "data_id", f->row->data_id, "peer", f->row->peer->name, "service", f->row->service->id, "provisions", (json_int_t)f->provisions,
		    "repeated", (json_int_t)f->repeated, "sent", (json_int_t)f->sent, "failed", (json_int_t)f->failed, "dropped", (json_int_t)f->dropped,
		    "waiting", (int)f->nqueue));
	}
	return list;
}
