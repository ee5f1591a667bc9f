/* tests/unit/test_bridge_seak.c: one SEAK for many BSMs, on a clock of the test's own */
#include "bridge/seak.h"
#include <stdlib.h>
#include <string.h>
#include "bridge/seak_bsm.h"
#include "kms/seaks.h"
#include "lib/secret.h"
#include "tests/suite.h"
#include "tests/unit/scratch.h"

static const int64_t second = 1000000, start_us = INT64_C(1795257000) * 1000000;
static const char urn[] = "urn:simulgate:lab:news";

/* ---- a world of stores, wires and programs ---- */

enum { ROWS = 512, MARKS = 64, WIRE = 4096, BSMS = 10 };
struct kept { bool used; struct seak_row row; struct seak_mark marks[MARKS]; size_t nmarks; };
struct disk { struct kept rows[ROWS]; int64_t last; };	/* outlives its program */
enum what { DELIVERY, CONFIRMATION, REQUEST, RESPONSE };
struct wire { enum what what; int64_t at_us; int from, to, life; struct seak_flight *flight; struct seak_said said; uint8_t key[SEAK_LEN]; unsigned status; bool broken; };
struct call { int from, life; struct seak_flight *flight; bool delivery; };
struct node { struct world *w; int n; struct disk disk; bool down, mute; int life; struct seak_bsm *bsm; bool generate, full; };
struct world {
	int64_t now_us;
	struct seak_sync *hub;
	struct node node[BSMS + 1]; int n;	/* 0: the BSD/A */
	struct wire wire[WIRE]; size_t nwire;
	const char *generator; int64_t wait_us, rtt_us;
	unsigned faults;		/* per thousand messages */
	size_t audits, sent19, late_save;
	unsigned last_status; const char *last_reason; struct seak_row last_row; uint8_t last_key[SEAK_LEN];
	bool fail_save;
};
static const char *const names[BSMS + 1] = { "hub", "bsm1", "bsm2", "bsm3", "bsm4", "bsm5", "bsm6", "bsm7", "bsm8", "bsm9", "bsm10" };

static int
number_of(const char *who)
{
	for (int i = 0; i <= BSMS; i++)
		if (strcmp(names[i], who) == 0)
			return i;
	ck_abort_msg("who is %s?", who);
}

static struct kept *
kept_of(struct disk *d, int64_t id)
{
	for (int i = 0; i < ROWS; i++)
		if (d->rows[i].used && d->rows[i].row.id == id)
			return &d->rows[i];
	ck_abort_msg("no row %lld", (long long)id);
}

static int
op_save(void *self, struct seak_row *row, const uint8_t *key, const struct seak_mark *m, size_t n)
{
	struct node *node = self;
	struct disk *d = &node->disk;
	int i = 0;

	if (node->w->fail_save)
		return -1;
	while (d->rows[i].used)
		ck_assert_int_lt(++i, ROWS);
	row->id = ++d->last;
	d->rows[i] = (struct kept){ .used = true, .row = *row, .nmarks = n };
	memcpy(d->rows[i].row.key, key, SEAK_LEN);
	if (n)
		memcpy(d->rows[i].marks, m, n * sizeof(*m));
	return 0;
}

static void
op_mark(void *self, int64_t id, const struct seak_mark *m)
{
	struct kept *k = kept_of(&((struct node *)self)->disk, id);
	size_t i = 0;

	while (i < k->nmarks && strcmp(k->marks[i].who, m->who) != 0)
		i++;
	k->marks[i] = *m;
	if (i == k->nmarks)
		k->nmarks++;
}

static void
op_gate(void *self, int64_t id, int64_t first_us, int64_t open_us)
{
	struct kept *k = kept_of(&((struct node *)self)->disk, id);

	k->row.first_us = first_us;
	k->row.open_us = open_us;
}

static void
op_drop(void *self, int64_t id)
{
	kept_of(&((struct node *)self)->disk, id)->used = false;
}

static void
op_audit(void *self, const struct seak_audit *a)
{
	ck_assert_ptr_nonnull(strchr(a->what, ' '));
	((struct node *)self)->w->audits++;
}

static void
put(struct world *w, const struct wire *m)
{
	ck_assert_uint_lt(w->nwire, WIRE);
	w->wire[w->nwire] = *m;
	w->wire[w->nwire].at_us = w->now_us + w->rtt_us / 2 + (w->faults ? rand() % 200000 : 0);
	w->nwire++;
}

static void
carry(struct wire *m, const struct seak_row *row, const uint8_t *key)
{
	if (!row)
		return;
	memcpy(m->key, key, SEAK_LEN);
	m->said = (struct seak_said){ true, row->kind, row->cid_extension, row->from_s, row->to_s, NULL, SEAK_LEN };
}

static void
op_deliver(void *self, struct seak_flight *f, const char *who, const struct seak_row *row, const uint8_t *key)
{
	struct node *n = self;
	struct wire m = { .what = DELIVERY, .from = n->n, .to = number_of(who), .flight = f, .life = n->life };

	n->w->sent19++;
	carry(&m, row, key);
	put(n->w, &m);
}

static void
op_request(void *self, struct seak_flight *f, const char *who, const char *of)
{
	struct node *n = self;

	ck_assert_str_eq(of, urn);
	put(n->w, &(struct wire){ .what = REQUEST, .from = n->n, .to = number_of(who), .flight = f, .life = n->life });
}

static void
op_answer(void *self, void *call, unsigned status, const struct seak_row *row, const uint8_t *key, const char *reason)
{
	struct node *n = self;
	struct call *c = call;
	struct wire m = { .what = c->delivery ? CONFIRMATION : RESPONSE, .from = n->n, .to = c->from, .flight = c->flight, .status = status, .life = c->life };

	n->w->last_status = status;
	n->w->last_reason = reason;
	if (row) {
		n->w->last_row = *row;
		memcpy(n->w->last_key, key, SEAK_LEN);
	}
	carry(&m, row, key);
	if (c->flight)
		put(n->w, &m);
	free(c);
}

static const struct seak_ops ops = { op_save, op_mark, op_gate, op_drop, op_audit, op_deliver, op_request, op_answer };

static struct call *
call_of(int from, struct seak_flight *f, int life, bool delivery)
{
	struct call *c = calloc(1, sizeof(*c));

	*c = (struct call){ from, life, f, delivery };
	return c;
}

static void
start_hub(struct world *w)
{
	struct seak_member members[BSMS];
	struct seak_rule rule = { .service = "news", .urn = urn, .generator = w->generator, .members = members, .nmembers = (size_t)w->n, .wait_us = w->wait_us };

	for (int i = 0; i < w->n; i++)
		members[i] = (struct seak_member){ names[i + 1], !w->node[i + 1].mute };
	w->hub = seak_new(&rule, 1, &ops, &w->node[0]);
	ck_assert_ptr_nonnull(w->hub);
	for (int i = 0; i < ROWS; i++) {
		struct kept *k = &w->node[0].disk.rows[i];

		if (k->used)
			ck_assert_int_eq(seak_restore(w->hub, &k->row, k->marks, k->nmarks, w->now_us), 0);
	}
}

static void
start_bsm(struct world *w, int n, int64_t life_s, int64_t ahead_s)
{
	struct node *b = &w->node[n];
	struct seak_bsm_rule rule = { "news", urn, "hub", true, b->generate, life_s, ahead_s };

	b->full = true;
	b->bsm = seak_bsm_new(names[n], &rule, 1, &ops, b);
	ck_assert_ptr_nonnull(b->bsm);
	for (int i = 0; i < ROWS; i++)
		if (b->disk.rows[i].used)
			ck_assert_int_eq(seak_bsm_restore(b->bsm, &b->disk.rows[i].row, w->now_us), 0);
	seak_bsm_tick(b->bsm, w->now_us);
}

static struct world *
world(int n, const char *generator)
{
	struct world *w = calloc(1, sizeof(*w));

	ck_assert_int_eq(gw_secrets_init(1024, true, NULL), 0);
	w->now_us = start_us;
	w->n = n;
	w->generator = generator;
	w->wait_us = 30 * second;
	w->rtt_us = second / 10;
	for (int i = 0; i <= n; i++) {
		w->node[i].w = w;
		w->node[i].n = i;
	}
	return w;
}

/* Flights of programs that ended belong to nobody. */
static void
home(struct world *w, struct wire *m, enum seak_end end)
{
	struct node *n = &w->node[m->what == DELIVERY || m->what == REQUEST ? m->from : m->to];
	bool delivery = m->what == DELIVERY || m->what == CONFIRMATION, alive = m->life == n->life;

	m->said.key = m->key;
	if (n->n == 0)
		(void)(delivery ? (seak_delivered(alive ? w->hub : NULL, m->flight, end, m->status, "why", w->now_us), 0) :
		    (seak_responded(alive ? w->hub : NULL, m->flight, end, m->status, "why", &m->said, w->now_us), 0));
	else if (n->full)
		(void)(delivery ? (seak_bsm_delivered(alive ? n->bsm : NULL, m->flight, end, m->status, "why", w->now_us), 0) :
		    (seak_bsm_responded(alive ? n->bsm : NULL, m->flight, end, m->status, "why", &m->said, w->now_us), 0));
}

static void
arrive(struct world *w, struct wire *m)
{
	struct node *to = &w->node[m->to], *from = &w->node[m->from];
	bool lost = to->down || from->down || (w->faults && (unsigned)(rand() % 1000) < w->faults);

	m->said.key = m->key;
	if (m->what == CONFIRMATION || m->what == RESPONSE) {
		home(w, m, lost ? SEAK_SILENT : SEAK_ANSWERED);
	} else if (lost) {
		home(w, m, SEAK_SILENT);
	} else if (to->n == 0) {
		seak_heard(w->hub, names[m->from], w->now_us);
		if (m->what == DELIVERY)
			seak_offered(w->hub, call_of(m->from, m->flight, m->life, true), names[m->from], urn, &m->said, w->now_us);
		else
			seak_asked(w->hub, call_of(m->from, m->flight, m->life, false), names[m->from], urn, w->now_us);
	} else if (to->full) {
		if (m->what == DELIVERY)
			seak_bsm_offered(to->bsm, call_of(m->from, m->flight, m->life, true), names[m->from], urn, &m->said, w->now_us);
		else
			seak_bsm_asked(to->bsm, call_of(m->from, m->flight, m->life, false), names[m->from], urn, w->now_us);
	} else {	/* a BSM that the test plays: confirms all */
		m->what = m->what == DELIVERY ? CONFIRMATION : RESPONSE;
		m->status = m->what == RESPONSE ? BR_NOT_GENERATED : to->generate ? BR_CONFLICT : BR_OK;
		m->to = m->from;
		m->from = to->n;
		put(w, m);
	}
}

static int64_t
next_event(const struct world *w)
{
	int64_t t = seak_next(w->hub);

	for (int i = 1; i <= w->n; i++)
		if (w->node[i].full && !w->node[i].down && seak_bsm_next(w->node[i].bsm) < t)
			t = seak_bsm_next(w->node[i].bsm);
	for (size_t i = 0; i < w->nwire; i++)
		if (w->wire[i].at_us < t)
			t = w->wire[i].at_us;
	return t;
}

static void
run_until(struct world *w, int64_t until_us)
{
	int64_t t;

	for (size_t steps = 0; (t = next_event(w)) <= until_us; steps++) {
		ck_assert_msg(steps < 2000000, "the engines spin");
		w->now_us = t > w->now_us ? t : w->now_us;
		for (size_t i = 0; i < w->nwire;) {
			struct wire m = w->wire[i];

			if (m.at_us > w->now_us) {
				i++;
				continue;
			}
			w->wire[i] = w->wire[--w->nwire];
			arrive(w, &m);
		}
		seak_tick(w->hub, w->now_us);
		for (int i = 1; i <= w->n; i++)
			if (w->node[i].full && !w->node[i].down)
				seak_bsm_tick(w->node[i].bsm, w->now_us);
	}
	w->now_us = until_us;
	seak_tick(w->hub, w->now_us);
}

static void
run(struct world *w, int64_t seconds)
{
	run_until(w, w->now_us + seconds * second);
}

static void
restart_hub(struct world *w)
{
	seak_free(w->hub);
	w->node[0].life++;
	start_hub(w);
}

static void
end(struct world *w)
{
	seak_free(w->hub);
	w->node[0].life++;
	for (int i = 1; i <= w->n; i++) {
		seak_bsm_free(w->node[i].bsm);
		w->node[i].bsm = NULL;
		w->node[i].life++;
	}
	for (size_t i = 0; i < w->nwire; i++)
		home(w, &w->wire[i], SEAK_SILENT);
	free(w);
}

/* ---- what the test's own hands send ---- */

static struct seak_said
seak(uint32_t ext, uint8_t fill, uint8_t key[SEAK_LEN])
{
	memset(key, fill, SEAK_LEN);
	return (struct seak_said){ true, SEAK_SERVICE, ext, start_us / second, start_us / second + 86400, key, SEAK_LEN };
}

static unsigned
offer(struct world *w, int from, uint32_t ext, uint8_t fill)
{
	uint8_t key[SEAK_LEN];
	struct seak_said said = seak(ext, fill, key);

	seak_offered(w->hub, call_of(from, NULL, 0, true), names[from], urn, &said, w->now_us);
	return w->last_status;
}

static unsigned
ask(struct world *w, int from)
{
	seak_asked(w->hub, call_of(from, NULL, 0, false), names[from], urn, w->now_us);
	return w->last_status;
}

static enum seak_state
state_of(struct world *w, uint32_t ext, int who)
{
	for (int i = 0; i < ROWS; i++) {
		struct kept *k = &w->node[0].disk.rows[i];

		if (k->used && k->row.cid_extension == ext)
			for (size_t m = 0; m < k->nmarks; m++)
				if (strcmp(k->marks[m].who, names[who]) == 0)
					return k->marks[m].state;
	}
	ck_abort_msg("no mark");
}

static bool
air(struct world *w, uint32_t ext)
{
	return seak_may_air(w->hub, urn, SEAK_SERVICE, ext, w->now_us);
}

/* ---- rules ---- */

START_TEST(one_delivery_reaches_all_in_one_round_trip)
{
	struct world *w = world(8, "bsm1");

	start_hub(w);
	ck_assert(!air(w, 7));
	ck_assert_uint_eq(offer(w, 1, 7, 0xaa), BR_OK);
	ck_assert_uint_eq(w->nwire, 7);
	ck_assert(!air(w, 7));
	run_until(w, w->now_us + w->rtt_us + 1000);
	for (int i = 1; i <= 8; i++)
		ck_assert_int_eq(state_of(w, 7, i), SEAK_DELIVERED);
	ck_assert(air(w, 7));
	ck_assert_uint_eq(w->sent19, 7);
	end(w);
}
END_TEST

START_TEST(second_delivery_is_idempotent_or_a_conflict)
{
	struct world *w = world(3, NULL);

	start_hub(w);
	ck_assert_uint_eq(offer(w, 1, 7, 0xaa), BR_OK);
	run(w, 5);
	ck_assert_uint_eq(offer(w, 1, 7, 0xaa), BR_OK);
	ck_assert_uint_eq(offer(w, 2, 7, 0xaa), BR_OK);
	ck_assert_uint_eq(w->nwire, 0);
	ck_assert_uint_eq(offer(w, 2, 7, 0xbb), BR_CONFLICT);
	ck_assert_uint_eq(w->nwire, 1);		/* ours, to it */
	ck_assert_int_eq(w->wire[0].to, 2);
	ck_assert_int_eq(w->wire[0].key[0], 0xaa);
	run(w, 5);
	ck_assert_uint_eq(offer(w, 1, 7, 0xcc), BR_CONFLICT);	/* the generator itself, too */
	ck_assert_int_eq(w->wire[0].to, 1);
	end(w);
}
END_TEST

START_TEST(statuses)
{
	struct world *w = world(3, "bsm1");
	uint8_t key[SEAK_LEN];
	struct seak_said good = seak(9, 1, key), s;
	const struct { unsigned want; int from; const char *of; bool context; size_t len; int64_t to_s; } rows[] = {
		{ BR_NO_SERVICE, 1, "urn:other", true, SEAK_LEN, good.to_s },
		{ BR_NOT_ENTITLED, 4, urn, true, SEAK_LEN, good.to_s },
		{ BR_MISSING, 1, urn, false, SEAK_LEN, good.to_s },
		{ BR_INVALID, 1, urn, true, 16, good.to_s },
		{ BR_INVALID, 1, urn, true, SEAK_LEN, good.from_s },
		{ BR_NOT_PERMITTED, 2, urn, true, SEAK_LEN, good.to_s },
		{ BR_OK, 1, urn, true, SEAK_LEN, good.to_s },
	};

	start_hub(w);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *reason;
		size_t before = w->nwire;

		s = good;
		s.context = rows[i].context;
		s.len = rows[i].len;
		s.to_s = rows[i].to_s;
		ck_assert_uint_eq(seak_would(w->hub, names[rows[i].from], rows[i].of, &s, w->now_us, &reason, NULL, NULL), rows[i].want);
		seak_offered(w->hub, call_of(rows[i].from, NULL, 0, true), names[rows[i].from], rows[i].of, &s, w->now_us);
		ck_assert_msg(w->last_status == rows[i].want, "row %zu: %u", i, w->last_status);
		ck_assert_uint_eq(w->nwire > before, rows[i].want == BR_OK);
	}
	seak_asked(w->hub, call_of(4, NULL, 0, false), names[4], urn, w->now_us);
	ck_assert_uint_eq(w->last_status, BR_NOT_ENTITLED);
	seak_asked(w->hub, call_of(2, NULL, 0, false), names[2], "urn:other", w->now_us);
	ck_assert_uint_eq(w->last_status, BR_NO_SERVICE);
	end(w);
}
END_TEST

START_TEST(what_cannot_be_stored_is_not_confirmed)
{
	struct world *w = world(3, "bsm1");

	start_hub(w);
	w->fail_save = true;
	ck_assert_uint_eq(offer(w, 1, 7, 1), BR_SERVER_ERROR);
	ck_assert_uint_eq(w->nwire, 0);
	w->fail_save = false;
	ck_assert_uint_eq(offer(w, 1, 7, 2), BR_OK);
	end(w);
}
END_TEST

START_TEST(instances_are_bounded)
{
	struct world *w = world(2, NULL);

	start_hub(w);
	for (uint32_t k = 0; k < SEAK_MOST; k++) {
		ck_assert_uint_eq(offer(w, 1, k + 1, 1), BR_OK);
		run(w, 1);
	}
	ck_assert_uint_eq(offer(w, 1, 999, 1), BR_DELAYED);
	run(w, 86400);	/* those are over, though they are still known */
	uint8_t key[SEAK_LEN];
	struct seak_said s = seak(999, 1, key);
	s.to_s += 100 * 86400;
	seak_offered(w->hub, call_of(1, NULL, 0, true), names[1], urn, &s, w->now_us);
	ck_assert_uint_eq(w->last_status, BR_OK);
	end(w);
}
END_TEST

/* ---- who is away ---- */

static unsigned
offer_endless(struct world *w, int from, uint32_t ext)
{
	uint8_t key[SEAK_LEN];
	struct seak_said s = seak(ext, (uint8_t)ext, key);

	s.from_s = INT64_MIN;
	s.to_s = INT64_MAX;
	seak_offered(w->hub, call_of(from, NULL, 0, true), names[from], urn, &s, w->now_us);
	run(w, 1);
	return w->last_status;
}

/* What has no end makes room for what comes after it, the oldest first; nobody's for another's. */
START_TEST(seaks_without_an_end_make_room)
{
	struct world *w = world(2, NULL);
	size_t audits;

	start_hub(w);
	ck_assert_uint_eq(offer_endless(w, 2, 1000), BR_OK);
	for (uint32_t k = 1; k < SEAK_MOST; k++)
		ck_assert_uint_eq(offer_endless(w, 1, k), BR_OK);
	ck_assert(air(w, 1) && air(w, 2) && air(w, 1000));
	ck_assert_uint_eq(offer_endless(w, 2, 1001), BR_DELAYED);	/* it has one itself */
	audits = w->audits;
	ck_assert_uint_eq(offer_endless(w, 1, 64), BR_OK);
	ck_assert_uint_gt(w->audits, audits + 2);	/* generated, confirmed, open; forgotten */
	ck_assert(!air(w, 1) && air(w, 2) && air(w, 64) && air(w, 1000));
	for (uint32_t k = 65; k < 200; k++)
		ck_assert_uint_eq(offer_endless(w, 1, k), BR_OK);
	ck_assert(!air(w, 136) && air(w, 137) && air(w, 199) && air(w, 1000));
	restart_hub(w);
	ck_assert(air(w, 199) && air(w, 1000) && !air(w, 1));
	end(w);
}
END_TEST

START_TEST(retries_double_up_to_a_minute_until_the_end)
{
	static const int64_t gaps[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
	struct world *w = world(2, "bsm1");
	int64_t before;

	w->rtt_us = 0;
	start_hub(w);
	w->node[2].down = true;
	offer(w, 1, 7, 1);
	before = w->now_us;
	for (size_t i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
		size_t sent = w->sent19;

		run_until(w, before + gaps[i] * second - 1);
		ck_assert_uint_eq(w->sent19, sent);
		run_until(w, before + gaps[i] * second);
		ck_assert_uint_eq(w->sent19, sent + 1);
		before = w->now_us;
	}
	ck_assert_int_eq(state_of(w, 7, 2), SEAK_FAILED);
	run(w, 86400);
	size_t sent = w->sent19;
	run(w, 3600);
	ck_assert_uint_eq(w->sent19, sent);
	end(w);
}
END_TEST

START_TEST(who_returns_catches_up_when_it_is_heard)
{
	struct world *w = world(3, "bsm1");

	start_hub(w);
	w->node[3].down = true;
	offer(w, 1, 7, 1);
	run(w, 600);
	ck_assert_int_eq(state_of(w, 7, 3), SEAK_FAILED);
	ck_assert(air(w, 7));	/* it is not in reach */
	w->node[3].down = false;
	seak_heard(w->hub, "bsm3", w->now_us);
	run(w, 1);
	ck_assert_int_eq(state_of(w, 7, 3), SEAK_DELIVERED);
	end(w);
}
END_TEST

START_TEST(a_restart_forgets_nothing)
{
	struct world *w = world(3, "bsm1");

	start_hub(w);
	w->node[3].down = true;
	offer(w, 1, 7, 1);
	run(w, 1);
	restart_hub(w);
	ck_assert(air(w, 7));
	ck_assert_uint_eq(offer(w, 1, 7, 1), BR_OK);
	ck_assert_uint_eq(offer(w, 2, 7, 2), BR_CONFLICT);
	w->node[3].down = false;
	run(w, 5);
	ck_assert_int_eq(state_of(w, 7, 2), SEAK_DELIVERED);
	ck_assert_int_eq(state_of(w, 7, 3), SEAK_DELIVERED);
	end(w);
}
END_TEST

/* ---- the gate ---- */

START_TEST(gate_waits_for_who_refuses_but_not_for_ever)
{
	struct world *w = world(3, "bsm1");

	start_hub(w);
	w->node[3].generate = true;	/* answers 27 */
	offer(w, 1, 7, 1);
	run(w, 20);
	ck_assert(!air(w, 7));
	restart_hub(w);			/* the clock of the gate goes on */
	ck_assert(!air(w, 7));
	run(w, 9);
	ck_assert(!air(w, 7));
	run(w, 2);
	ck_assert(air(w, 7));
	ck_assert(!air(w, 8));		/* of which nobody knows */
	ck_assert(seak_may_air(w->hub, "urn:other", SEAK_SERVICE, 8, w->now_us));
	end(w);
}
END_TEST

START_TEST(gate_waits_for_an_answer)
{
	struct world *w = world(3, "bsm1");

	start_hub(w);
	w->rtt_us = 20 * second;	/* slow, yet alive */
	offer(w, 1, 7, 1);
	run(w, 19);
	ck_assert(!air(w, 7));
	run(w, 2);
	ck_assert(air(w, 7));
	end(w);
}
END_TEST

START_TEST(gate_opens_when_nobody_is_in_reach)
{
	struct world *w = world(3, "bsm1");

	start_hub(w);
	w->node[2].down = w->node[3].down = true;
	offer(w, 1, 7, 1);
	ck_assert(!air(w, 7));
	run(w, 1);
	ck_assert(air(w, 7));
	end(w);
}
END_TEST

START_TEST(gate_does_not_wait_for_who_is_known_to_be_away)
{
	struct world *w = world(3, "bsm1");

	start_hub(w);
	w->node[3].down = true;
	seak_lost(w->hub, "bsm3", w->now_us - 2 * second);
	w->rtt_us = second;
	offer(w, 1, 7, 1);
	w->wire[w->nwire - 1].at_us = w->now_us + 10 * second;
	ck_assert_int_eq(w->wire[w->nwire - 1].to, 3);
	ck_assert(!air(w, 7));
	run(w, 2);
	ck_assert(air(w, 7));		/* the other has confirmed */
	seak_heard(w->hub, "bsm3", w->now_us);
	w->rtt_us = 20 * second;
	w->node[3].down = false;
	offer(w, 1, 8, 2);
	run(w, 19);
	ck_assert(!air(w, 8));		/* it is waited for again */
	seak_lost(w->hub, "bsm2", w->now_us);
	seak_lost(w->hub, "bsm3", w->now_us);
	w->wire[w->nwire - 1].at_us = w->wire[w->nwire - 2].at_us = w->now_us + 10 * second;
	run_until(w, w->now_us + (SEAK_GRACE_MS - 100) * INT64_C(1000));
	ck_assert(!air(w, 8));
	run_until(w, w->now_us + 200 * INT64_C(1000));
	ck_assert(air(w, 8));
	end(w);
}
END_TEST

/* Its first SEAK costs the gate an attempt; then it is known, until it answers again, and gets what it has missed. */
START_TEST(gate_waits_once_for_who_takes_all_and_answers_nothing)
{
	struct world *w = world(3, "bsm1");
	struct seak_counts n;

	start_hub(w);
	w->node[3].down = true;
	offer(w, 1, 7, 1);
	w->wire[w->nwire - 1].at_us = w->now_us + 10 * second;
	ck_assert_int_eq(w->wire[w->nwire - 1].to, 3);
	run(w, 9);
	ck_assert(!air(w, 7));
	run(w, 2);
	ck_assert(air(w, 7));
	seak_lost(w->hub, "bsm3", w->now_us);	/* as exchanges say it of an attempt that nobody answered */
	run(w, 600);
	for (uint32_t ext = 8; ext < 10; ext++) {
		offer(w, 1, ext, (uint8_t)ext);
		w->wire[w->nwire - 1].at_us = w->now_us + 10 * second;
		run(w, 1);
		ck_assert(air(w, ext));
	}
	seak_counts(w->hub, &n);
	ck_assert_uint_eq(n.undelivered, 3);
	run(w, 600);		/* it is tried all the time */
	seak_counts(w->hub, &n);
	ck_assert_uint_ge(n.deliveries, 3 + 3 * 10);
	w->node[3].down = false;
	seak_heard(w->hub, "bsm3", w->now_us);
	run(w, 1);
	seak_counts(w->hub, &n);
	ck_assert_uint_eq(n.undelivered, 0);
	end(w);
}
END_TEST

START_TEST(gate_waits_for_who_can_only_ask)
{
	struct world *w = world(3, "bsm1");

	w->node[3].mute = true;
	start_hub(w);
	offer(w, 1, 7, 1);
	run(w, 5);
	ck_assert(!air(w, 7));
	ck_assert_uint_eq(ask(w, 3), BR_OK);
	ck_assert_uint_eq(w->last_row.cid_extension, 7);
	ck_assert_int_eq(w->last_key[0], 1);
	ck_assert(air(w, 7));
	end(w);
}
END_TEST

START_TEST(a_clock_that_is_set_back_stops_nothing)
{
	struct world *w = world(2, "bsm1");

	start_hub(w);
	w->node[2].down = true;
	offer(w, 1, 7, 1);
	run(w, 300);
	w->node[2].down = false;
	w->now_us -= 200 * second;
	seak_tick(w->hub, w->now_us);
	run(w, 2);
	ck_assert_int_eq(state_of(w, 7, 2), SEAK_DELIVERED);
	end(w);
}
END_TEST

/* Whoever is heard first after that must not hide it from the engine's own clock. */
START_TEST(a_clock_that_is_set_back_shows_in_whatever_comes)
{
	struct world *w = world(3, "bsm1");

	start_hub(w);
	w->node[3].generate = true;	/* refuses: the gate's clock runs */
	offer(w, 1, 7, 1);
	run(w, 5);
	ck_assert(!air(w, 7));
	w->now_us -= 3600 * second;
	ask(w, 2);
	run(w, 32);
	ck_assert(air(w, 7));
	w->node[3].generate = false;
	run(w, 61);
	ck_assert_int_eq(state_of(w, 7, 3), SEAK_DELIVERED);
	end(w);
}
END_TEST

/* So must not a restart. */
START_TEST(a_restart_with_an_earlier_clock_opens_the_gate_in_time)
{
	struct world *w = world(3, "bsm1");

	start_hub(w);
	w->node[3].generate = true;
	offer(w, 1, 7, 1);
	run(w, 5);
	w->now_us -= 3600 * second;
	restart_hub(w);
	run(w, 32);
	ck_assert(air(w, 7));
	end(w);
}
END_TEST

/* The only one that it waited for leaves the file before it has answered. */
START_TEST(a_gate_does_not_wait_for_who_has_gone)
{
	struct world *w = world(2, "bsm1");

	start_hub(w);
	w->rtt_us = 20 * second;
	offer(w, 1, 7, 1);
	run(w, 1);
	ck_assert(!air(w, 7));
	w->n = 1;
	restart_hub(w);
	run(w, 1);
	ck_assert(air(w, 7));
	end(w);
}
END_TEST

/* ---- pulls ---- */

START_TEST(pulls_walk_through_all)
{
	struct world *w = world(2, "bsm1");
	unsigned seen = 0;

	start_hub(w);
	w->node[2].down = true;
	for (uint32_t k = 1; k <= 3; k++)
		offer(w, 1, k, (uint8_t)k);
	for (int k = 0; k < 3; k++) {
		w->now_us += 1;
		ck_assert_uint_eq(ask(w, 2), BR_OK);
		seen |= 1u << w->last_row.cid_extension;
	}
	ck_assert_uint_eq(seen, 0xe);
	end(w);
}
END_TEST

START_TEST(an_unknown_seak_is_asked_of_its_generator)
{
	struct world *w = world(3, "bsm1");

	start_hub(w);
	w->last_status = 999;
	ask(w, 2);
	ask(w, 3);
	ck_assert_uint_eq(w->last_status, 999);
	ck_assert_uint_eq(w->nwire, 1);		/* one question for both */
	ck_assert_int_eq(w->wire[0].what, REQUEST);
	ck_assert_int_eq(w->wire[0].to, 1);
	w->wire[0].what = RESPONSE;
	w->wire[0].from = 1;
	w->wire[0].to = 0;
	uint8_t key[SEAK_LEN];
	w->wire[0].said = seak(7, 5, key);
	memcpy(w->wire[0].key, key, SEAK_LEN);
	run(w, 1);
	ck_assert_uint_eq(w->last_status, BR_OK);
	ck_assert_uint_eq(w->last_row.cid_extension, 7);
	ck_assert_int_eq(state_of(w, 7, 2), SEAK_DELIVERED);
	ck_assert_int_eq(state_of(w, 7, 3), SEAK_DELIVERED);
	ck_assert(air(w, 7));
	end(w);
}
END_TEST

START_TEST(a_generator_out_of_reach_is_status_20)
{
	struct world *w = world(3, "bsm1");

	start_hub(w);
	w->node[1].down = true;
	w->last_status = 999;
	ask(w, 2);
	run(w, 1);
	ck_assert_uint_eq(w->last_status, BR_NOT_GENERATED);
	w->node[1].down = false;	/* answers 20 itself */
	w->last_status = 999;
	ask(w, 2);
	run(w, 1);
	ck_assert_uint_eq(w->last_status, BR_NOT_GENERATED);
	ck_assert_uint_eq(ask(w, 1), BR_NOT_GENERATED);
	end(w);
}
END_TEST

START_TEST(waiting_pulls_are_bounded_and_end_with_the_engine)
{
	struct world *w = world(10, "bsm1");

	start_hub(w);
	for (int k = 0; k < SEAK_WAITERS; k++) {
		w->last_status = 999;
		ask(w, 2 + k / SEAK_PEER_WAITERS);
		ck_assert_uint_eq(w->last_status, 999);
		if (k % SEAK_PEER_WAITERS == SEAK_PEER_WAITERS - 1)	/* one of them leaves the others their places */
			ck_assert_uint_eq(ask(w, 2 + k / SEAK_PEER_WAITERS), BR_DELAYED);
	}
	ck_assert_uint_eq(ask(w, 10), BR_DELAYED);
	restart_hub(w);
	ck_assert_uint_eq(w->last_status, BR_DELAYED);
	end(w);
}
END_TEST

/* A BSM gone wild: the audit is kept for more than a year. */
START_TEST(who_asks_without_end_does_not_fill_the_audit)
{
	struct world *w = world(2, "bsm1");
	size_t before;

	start_hub(w);
	offer(w, 1, 7, 1);
	run(w, 1);
	before = w->audits;
	for (int k = 0; k < 1000; k++) {
		ck_assert_uint_eq(ask(w, 2), BR_OK);
		ck_assert_uint_eq(offer(w, 2, 7, 2), BR_CONFLICT);
	}
	ck_assert_uint_le(w->audits - before, 3);
	run(w, 61);
	before = w->audits;
	ask(w, 2);
	ck_assert_uint_eq(w->audits - before, 1);
	end(w);
}
END_TEST

START_TEST(what_peers_say_is_cut_between_characters)
{
	struct world *w = world(2, "bsm1");
	char why[301], *text;
	json_t *j;

	for (int k = 0; k < 300; k += 3)
		memcpy(why + k, "\xE2\x82\xAC", 3);
	why[300] = '\0';
	start_hub(w);
	offer(w, 1, 7, 1);
	ck_assert_uint_eq(w->nwire, 1);
	w->nwire = 0;
	seak_delivered(w->hub, w->wire[0].flight, SEAK_ANSWERED, 20, why, w->now_us);
	j = seak_status(w->hub, w->now_us);
	text = json_dumps(j, JSON_COMPACT | JSON_ENSURE_ASCII);
	ck_assert_ptr_nonnull(text);
	ck_assert_msg(strstr(text, "\"reason\":\"\\u20AC") != NULL, "%s", text);
	free(text);
	json_decref(j);
	end(w);
}
END_TEST

/* ---- BSMs of ours ---- */

/* Of each instance that is not over: the value that the BSD/A has, in everybody's store, in use. */
static void
all_agree(struct world *w, const char *when)
{
	size_t live = 0;

	for (int i = 0; i < ROWS; i++) {
		const struct kept *k = &w->node[0].disk.rows[i];

		if (!k->used || k->row.to_s <= w->now_us / second)
			continue;
		live++;
		for (int n = 1; n <= w->n; n++) {
			bool found = false;

			for (int j = 0; j < ROWS; j++) {
				const struct kept *m = &w->node[n].disk.rows[j];

				if (!m->used || m->row.cid_extension != k->row.cid_extension)
					continue;
				ck_assert_msg(!found, "%s: two of extension %u at %s", when, k->row.cid_extension, names[n]);
				ck_assert_msg(memcmp(m->row.key, k->row.key, SEAK_LEN) == 0, "%s: another value at %s", when, names[n]);
				ck_assert_msg(m->row.open_us != 0, "%s: not in use at %s", when, names[n]);
				found = true;
			}
			ck_assert_msg(found, "%s: extension %u is not at %s", when, k->row.cid_extension, names[n]);
		}
	}
	ck_assert_msg(live > 0, "%s: no SEAK", when);
}

/* Never: two BSMs that use different values under one name. */
static void
nobody_differs(struct world *w)
{
	for (int a = 1; a <= w->n; a++)
		for (int i = 0; i < ROWS; i++) {
			const struct kept *k = &w->node[a].disk.rows[i];

			for (int b = a + 1; k->used && k->row.open_us && b <= w->n; b++)
				for (int j = 0; j < ROWS; j++) {
					const struct kept *m = &w->node[b].disk.rows[j];

					if (m->used && m->row.open_us && m->row.cid_extension == k->row.cid_extension)
						ck_assert_mem_eq(m->row.key, k->row.key, SEAK_LEN);
				}
		}
}

START_TEST(two_that_make_one_at_once_end_with_one)
{
	struct world *w = world(3, NULL);

	w->node[1].generate = w->node[2].generate = true;
	start_hub(w);
	for (int i = 1; i <= 3; i++)
		start_bsm(w, i, 3600, 600);
	run(w, 30);
	nobody_differs(w);
	all_agree(w, "after half a minute");
	struct seak_counts c;
	seak_counts(w->hub, &c);
	ck_assert_uint_eq(c.instances, 1);
	ck_assert_uint_eq(c.conflicts, 1);
	end(w);
}
END_TEST

START_TEST(a_seak_is_followed_by_the_next_in_time)
{
	struct world *w = world(2, "bsm1");

	w->node[1].generate = true;
	start_hub(w);
	start_bsm(w, 1, 3600, 600);
	start_bsm(w, 2, 3600, 600);
	for (int hour = 0; hour < 24; hour++) {
		size_t valid = 0;

		run(w, 3600);
		for (int j = 0; j < ROWS; j++) {
			const struct seak_row *r = &w->node[2].disk.rows[j].row;
			valid += w->node[2].disk.rows[j].used && r->open_us && r->from_s <= w->now_us / second && r->to_s > w->now_us / second;
		}
		ck_assert_uint_ge(valid, 1);
		ck_assert_uint_le(valid, 2);
	}
	struct seak_counts c;
	seak_counts(w->hub, &c);
	ck_assert_uint_ge(c.stored, 24);
	ck_assert_uint_le(c.stored, 26);
	end(w);
}
END_TEST

/* With SEAKs that live for minutes there are more of one day than are remembered. */
START_TEST(short_lives_do_not_fill_a_generator)
{
	struct world *w = world(1, "bsm1");
	struct seak_counts c;

	w->node[1].generate = true;
	start_hub(w);
	start_bsm(w, 1, 60, 10);
	run(w, 4 * 3600);
	seak_bsm_counts(w->node[1].bsm, &c);
	ck_assert_uint_ge(c.stored, 4 * 60 - 2);
	ck_assert_uint_le(c.instances, 2 * SEAK_MOST);
	end(w);
}
END_TEST

START_TEST(a_store_that_fails_is_not_stormed)
{
	struct world *w = world(1, "bsm1");

	w->node[1].generate = true;
	start_hub(w);
	start_bsm(w, 1, 3600, 600);
	w->fail_save = true;
	for (int k = 0; k < 60; k++) {
		int64_t next;

		run(w, 1);
		seak_bsm_tick(w->node[1].bsm, w->now_us);
		next = seak_bsm_next(w->node[1].bsm);
		ck_assert_int_gt(next, w->now_us);
	}
	w->fail_save = false;
	run(w, 5);
	all_agree(w, "once the store works");
	end(w);
}
END_TEST

/* Extensions name SEAKs to terminals: none is used twice, however long nothing was made. */
START_TEST(extensions_go_on_after_a_long_stop)
{
	struct world *w = world(1, "bsm1");

	w->node[1].generate = true;
	start_hub(w);
	start_bsm(w, 1, 3600, 600);
	run(w, 2 * 3600);
	seak_bsm_free(w->node[1].bsm);
	w->node[1].full = false;
	w->node[1].life++;
	run(w, 3 * 86400);
	start_bsm(w, 1, 3600, 600);
	run(w, 60);
	ck_assert_uint_eq(ask(w, 1), BR_OK);
	ck_assert_uint_gt(w->last_row.cid_extension, 2);
	end(w);
}
END_TEST

/* A BSD/A that brings the last of all numbers does not end the service's SEAKs. */
START_TEST(the_last_extension_is_not_the_end)
{
	struct world *w = world(1, "bsm1");
	uint8_t key[SEAK_LEN];
	struct seak_said said = seak(UINT32_MAX, 9, key);
	struct seak_counts c;

	w->node[1].generate = true;
	start_hub(w);
	start_bsm(w, 1, 3600, 600);
	run(w, 60);
	said.to_s = w->now_us / second + 1800;
	seak_bsm_offered(w->node[1].bsm, call_of(0, NULL, w->node[1].life, true), "hub", urn, &said, w->now_us);
	run(w, 6 * 3600);
	seak_bsm_counts(w->node[1].bsm, &c);
	ck_assert_uint_ge(c.stored, 6);
	ck_assert_uint_eq(ask(w, 1), BR_OK);
	ck_assert(w->last_row.cid_extension > 1 && w->last_row.cid_extension < 20);
	end(w);
}
END_TEST

/* What was to happen an hour from now is not put off by another. */
START_TEST(a_bsm_notices_that_the_clock_was_set_back)
{
	struct world *w = world(1, "bsm1");

	w->node[1].generate = true;
	start_hub(w);
	start_bsm(w, 1, 7200, 600);
	w->node[0].down = true;
	run(w, 30);
	w->now_us -= 3600 * second;
	w->node[0].down = false;
	seak_bsm_tick(w->node[1].bsm, w->now_us);
	run(w, 65);
	all_agree(w, "after the step");
	end(w);
}
END_TEST

/* A generator that lost its store does not begin anew: the BSD/A has what it had. */
START_TEST(a_generator_without_memory_asks)
{
	struct world *w = world(2, "bsm1");

	w->node[1].generate = true;
	start_hub(w);
	start_bsm(w, 1, 3600, 600);
	start_bsm(w, 2, 3600, 600);
	run(w, 60);
	seak_bsm_free(w->node[1].bsm);
	w->node[1].life++;
	memset(&w->node[1].disk, 0, sizeof(w->node[1].disk));
	start_bsm(w, 1, 3600, 600);
	run(w, 60);
	all_agree(w, "after its return");
	struct seak_counts c;
	seak_counts(w->hub, &c);
	ck_assert_uint_eq(c.stored, 1);
	end(w);
}
END_TEST

/* A month with everything that can go wrong; after each bad time five good minutes, and then all agree. */
START_TEST(a_month_of_faults)
{
	struct world *w = world(4, NULL);
	int64_t until = w->now_us + INT64_C(30) * 86400 * second;

	srand((unsigned)_i);
	w->node[1].generate = w->node[2].generate = true;
	start_hub(w);
	for (int i = 1; i <= 4; i++)
		start_bsm(w, i, 6 * 3600, 3600);
	run(w, 300);
	while (w->now_us < until) {
		w->faults = (unsigned)(rand() % 500);
		for (int k = 0; k < 6; k++) {
			int n = rand() % 5;

			w->node[n].down = rand() % 2;
			if (rand() % 3 == 0 && n == 0)
				restart_hub(w);
			else if (rand() % 3 == 0 && n > 0) {
				seak_bsm_free(w->node[n].bsm);
				w->node[n].life++;
				start_bsm(w, n, 6 * 3600, 3600);
			}
			run(w, rand() % 5400);
			nobody_differs(w);
		}
		w->faults = 0;
		for (int i = 0; i <= 4; i++)
			w->node[i].down = false;
		run(w, 300);
		all_agree(w, "after a bad time");
		nobody_differs(w);
	}
	struct seak_counts c;
	seak_counts(w->hub, &c);
	ck_assert_uint_eq(c.undelivered, 0);
	end(w);
}
END_TEST

/* ---- the store ---- */

struct seen { struct seak_row rows[8]; size_t n; struct seak_mark marks[8]; size_t nmarks; char audits[8][900]; size_t naudits; };

static int
see_row(void *self, const struct seak_row *r)
{
	struct seen *s = self;

	s->rows[s->n++] = *r;
	return 0;
}

static int
see_mark(void *self, int64_t id, const struct seak_mark *m)
{
	struct seen *s = self;

	(void)id;
	s->marks[s->nmarks++] = *m;
	return 0;
}

static int
see_audit(void *self, const struct seak_audit *a)
{
	struct seen *s = self;

	snprintf(s->audits[s->naudits++], sizeof(s->audits[0]), "%s %u %s %s", a->urn, a->cid_extension, a->who, a->what);
	return 0;
}

START_TEST(the_store_keeps_and_wraps)
{
	struct seaks *s = NULL;
	struct gw_err err = { 0 };
	struct seak_row row = { .service = "news", .urn = "u", .kind = SEAK_PROGRAM, .cid_extension = 0xfffffff0, .from_s = INT64_MIN, .to_s = INT64_MAX,
		.generator = "bsm1", .since_us = 5 };
	struct seen seen = { 0 };
	int64_t id = 0;
	const char *path = scratch("x/hub.seaks");
	char file[8192];
	size_t n;

	ck_assert_int_eq(gw_secrets_init(64, true, NULL), 0);
	memset(row.key, 0x5e, sizeof(row.key));
	ck_assert_msg(seaks_open(path, NULL, true, &s, &err) == 0, "%s", err.text);
	ck_assert_int_eq(seaks_put(s, &row, &id), GW_WON);
	ck_assert_int_eq(seaks_put(s, &row, &id), GW_EXISTS);
	ck_assert_int_eq(seaks_gate(s, id, 6, 7), GW_WON);
	ck_assert_int_eq(seaks_mark(s, id, &(struct seak_mark){ "bsm2", SEAK_PENDING, 8 }), GW_WON);
	ck_assert_int_eq(seaks_mark(s, id, &(struct seak_mark){ "bsm2", SEAK_DELIVERED, 9 }), GW_WON);
	ck_assert_int_eq(seaks_audit(s, &(struct seak_audit){ .at_us = 10, .urn = "u", .cid_extension = 3, .who = "bsm2", .what = "has confirmed it" }), GW_WON);
	seaks_close(s);
	s = NULL;
	ck_assert_msg(seaks_open(path, NULL, false, &s, &err) == 0, "%s", err.text);
	ck_assert_int_eq(seaks_each(s, see_row, &seen), GW_WON);
	ck_assert_int_eq(seaks_marks(s, see_mark, &seen), GW_WON);
	ck_assert_int_eq(seaks_audits(s, 0, 8, see_audit, &seen), GW_WON);
	ck_assert_uint_eq(seen.n, 1);
	row.id = id;
	row.first_us = 6;
	row.open_us = 7;
	ck_assert_mem_eq(seen.rows[0].key, row.key, SEAK_LEN);
	ck_assert_str_eq(seen.rows[0].generator, "bsm1");
	ck_assert(seen.rows[0].kind == SEAK_PROGRAM && seen.rows[0].cid_extension == 0xfffffff0 && seen.rows[0].from_s == INT64_MIN &&
	    seen.rows[0].to_s == INT64_MAX && seen.rows[0].open_us == 7 && seen.rows[0].first_us == 6);
	ck_assert_uint_eq(seen.nmarks, 1);
	ck_assert_int_eq(seen.marks[0].state, SEAK_DELIVERED);
	ck_assert_str_eq(seen.audits[0], "u 3 bsm2 has confirmed it");
	ck_assert_int_eq(seaks_trim(s, 11), GW_WON);
	ck_assert_int_eq(seaks_audits(s, 0, 8, see_audit, &seen), GW_WON);
	ck_assert_uint_eq(seen.naudits, 1);
	ck_assert_int_eq(seaks_drop(s, id), GW_WON);
	ck_assert_int_eq(seaks_marks(s, see_mark, &seen), GW_WON);
	ck_assert_uint_eq(seen.nmarks, 1);
	seaks_close(s);
	/* No octet of a SEAK in the file or its log. */
	for (int k = 0; k < 2; k++) {
		FILE *f = fopen(k ? scratch("x/hub.seaks-wal") : path, "rb");
		while (f && (n = fread(file, 1, sizeof(file), f)) > 0)
			ck_assert_ptr_null(memmem(file, n, row.key, 8));
		if (f)
			fclose(f);
	}
}
END_TEST

SUITE("bridge_seak", tcase_set_timeout(t, 120); tcase_add_test(t, one_delivery_reaches_all_in_one_round_trip);
    tcase_add_test(t, second_delivery_is_idempotent_or_a_conflict); tcase_add_test(t, statuses);
    tcase_add_test(t, what_cannot_be_stored_is_not_confirmed); tcase_add_test(t, instances_are_bounded); tcase_add_test(t, seaks_without_an_end_make_room);
    tcase_add_test(t, retries_double_up_to_a_minute_until_the_end); tcase_add_test(t, who_returns_catches_up_when_it_is_heard);
    tcase_add_test(t, a_restart_forgets_nothing); tcase_add_test(t, gate_waits_for_who_refuses_but_not_for_ever);
    tcase_add_test(t, gate_waits_for_an_answer); tcase_add_test(t, gate_opens_when_nobody_is_in_reach);
    tcase_add_test(t, gate_does_not_wait_for_who_is_known_to_be_away); tcase_add_test(t, gate_waits_once_for_who_takes_all_and_answers_nothing);
      tcase_add_test(t, gate_waits_for_who_can_only_ask); tcase_add_test(t, a_clock_that_is_set_back_stops_nothing);
    tcase_add_test(t, a_clock_that_is_set_back_shows_in_whatever_comes);
    tcase_add_test(t, a_restart_with_an_earlier_clock_opens_the_gate_in_time); tcase_add_test(t, a_gate_does_not_wait_for_who_has_gone);
    tcase_add_test(t, pulls_walk_through_all); tcase_add_test(t, an_unknown_seak_is_asked_of_its_generator);
    tcase_add_test(t, a_generator_out_of_reach_is_status_20); tcase_add_test(t, waiting_pulls_are_bounded_and_end_with_the_engine);
    tcase_add_test(t, who_asks_without_end_does_not_fill_the_audit);
    tcase_add_test(t, what_peers_say_is_cut_between_characters);
    tcase_add_test(t, two_that_make_one_at_once_end_with_one); tcase_add_test(t, a_seak_is_followed_by_the_next_in_time);
    tcase_add_test(t, short_lives_do_not_fill_a_generator); tcase_add_test(t, a_store_that_fails_is_not_stormed);
    tcase_add_test(t, extensions_go_on_after_a_long_stop); tcase_add_test(t, the_last_extension_is_not_the_end); tcase_add_test(t, a_bsm_notices_that_the_clock_was_set_back);
    tcase_add_test(t, a_generator_without_memory_asks); tcase_add_loop_test(t, a_month_of_faults, 1, 4);
    tcase_add_test(t, the_store_keeps_and_wraps))
