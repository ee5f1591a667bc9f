/* bridge/seak_bsm.c: see seak_bsm.h */
#include "bridge/seak_bsm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bridge/seak_row.h"
#include "lib/secret.h"
#include "lib/text.h"

static const int64_t second = 1000000, kept_s = 86400;	/* kept: how long after its end a SEAK is remembered */

/* One way to the BSD/A, and when it is tried next. */
struct attempt { struct seak_flight *flight; int64_t due_us; unsigned delay_s; };
struct seak_flight { struct attempt *attempt; struct own *item; struct ours *service; };	/* attempt NULL: nobody waits for it any more */
struct own { struct seak_row row; struct gw_secret key; struct attempt offer; int64_t told_us, conflict_us; struct own *next; };	/* row.open_us 0: offered, not confirmed */
struct ours {
	char *name, *urn, *bsda; bool called, generate;
	int64_t life_s, ahead_s;
	struct own *items; size_t n;
	int64_t make_us;		/* no SEAK is made before: there was no room or no store the last time */
	struct attempt pull; bool pulled;	/* pulled: an answer, or none, came since the start */
};
struct seak_bsm {
	char *me;
	struct ours *services; size_t nservices;
	struct seak_ops ops; void *self;
	struct seak_counts counts;
	int64_t now_us;			/* the latest time that was heard */
};

static struct ours *
service_of(const struct seak_bsm *b, const char *urn)
{
	for (size_t i = 0; urn && i < b->nservices; i++)
		if (strcmp(b->services[i].urn, urn) == 0)
			return &b->services[i];
	return NULL;
}

static struct own *
find_item(const struct ours *v, enum seak_kind kind, uint32_t ext)
{
	struct own *i = v->items;

	while (i && (i->row.kind != kind || i->row.cid_extension != ext))
		i = i->next;
	return i;
}

static void
audit(struct seak_bsm *b, const struct own *i, const char *who, int64_t now_us, const char *what)
{
	seak_note(&b->ops, b->self, &i->row, who, now_us, what);
}

static void
again(struct attempt *a, int64_t now_us)
{
	a->delay_s = seak_delay_s(a->delay_s);
	a->due_us = now_us + a->delay_s * second;
}

/* ---- SEAKs ---- */

static void
free_item(struct own *i)
{
	if (i->offer.flight)
		i->offer.flight->attempt = NULL;
	gw_secret_free(&i->key);
	free(i);
}

static void
forget(struct seak_bsm *b, struct ours *v, struct own *i)
{
	struct own **at = &v->items;

	while (*at != i)
		at = &(*at)->next;
	*at = i->next;
	v->n--;
	b->ops.drop(b->self, i->row.id);
	free_item(i);
}

static struct own *
new_item(struct ours *v, const struct seak_row *row, const uint8_t *key)
{
	struct own *i = calloc(1, sizeof(*i));

	if (!i || gw_secret_set(&i->key, key, SEAK_LEN) < 0) {
		free(i);
		return NULL;
	}
	i->row = *row;
	memset(i->row.key, 0, sizeof(i->row.key));
	i->offer.due_us = INT64_MAX;
	i->next = v->items;
	v->items = i;
	v->n++;
	return i;
}

/* The newest of our own making: it says what the next one is called, so it is not forgotten before there is a next one. */
static const struct own *
newest(const struct ours *v)
{
	const struct own *best = NULL;

	for (const struct own *i = v->items; v->generate && i; i = i->next)
		if (i->row.kind == SEAK_SERVICE && (!best || i->row.cid_extension > best->row.cid_extension))
			best = i;
	return best;
}

static bool
long_over(const struct own *i, int64_t now_us)
{
	return i->row.to_s < INT64_MAX - kept_s && now_us / second >= i->row.to_s + kept_s;
}

/* The oldest goes of those without an end that the BSD/A has brought. */
static void
supersede(struct seak_bsm *b, struct ours *v, int64_t now_us)
{
	struct own *oldest = NULL;
	size_t n = 0;

	for (struct own *i = v->items; i; i = i->next)
		if (seak_goes_before(&i->row, oldest ? &oldest->row : NULL, v->bsda, &n))
			oldest = i;
	if (n < SEAK_ENDLESS)
		return;
	audit(b, oldest, v->bsda, now_us, "forgotten: it has no end, and newer ones need its place");
	forget(b, v, oldest);
}

/* Makes room: what is over goes before its time. */
static bool
make_room(struct seak_bsm *b, struct ours *v, int64_t now_us)
{
	for (struct own *i = v->items, *next; i && v->n >= 2 * SEAK_MOST; i = next) {
		next = i->next;
		if (seak_over(&i->row, now_us) && i != newest(v))
			forget(b, v, i);
	}
	if (v->n >= 2 * SEAK_MOST)
		supersede(b, v, now_us);
	return v->n < 2 * SEAK_MOST;
}

/* Durable, or NULL. */
static struct own *
keep(struct seak_bsm *b, struct ours *v, const struct seak_row *row, const uint8_t *key)
{
	struct own *i = new_item(v, row, key);

	if (!i || b->ops.save(b->self, &i->row, i->key.p, NULL, 0) == 0)
		return i;
	v->items = i->next;
	v->n--;
	free_item(i);
	return NULL;
}

static struct seak_row
row_of(const struct ours *v, const char *generator, int64_t now_us)
{
	struct seak_row row = { .since_us = now_us };

	snprintf(row.service, sizeof(row.service), "%s", v->name);
	snprintf(row.urn, sizeof(row.urn), "%s", v->urn);
	snprintf(row.generator, sizeof(row.generator), "%s", generator);
	return row;
}

/* Until when the service has SEAKs, by the one that ends last; INT64_MIN: it has none. */
static int64_t
covered_s(const struct ours *v, int64_t now_us)
{
	int64_t last = INT64_MIN;

	for (const struct own *i = v->items; i; i = i->next)
		if (i->row.kind == SEAK_SERVICE && !seak_over(&i->row, now_us) && i->row.to_s > last)
			last = i->row.to_s;
	return last;
}

/* When the next one is to be made, in seconds; it comes into use ahead_s later. */
static int64_t
making_s(const struct ours *v, int64_t now_us)
{
	int64_t covered = covered_s(v, now_us);

	if (!v->generate || (covered == INT64_MIN && !v->pulled && v->called))
		return INT64_MAX;	/* the BSD/A is asked first: it may have what we have lost */
	return covered == INT64_MIN ? now_us / second : covered == INT64_MAX ? INT64_MAX : covered - 2 * v->ahead_s;
}

/* One more than any; when there is none above, as the BSD/A may have brought the very last, the least that is free. */
static uint32_t
next_extension(const struct ours *v)
{
	uint32_t ext = 0;

	for (const struct own *i = v->items; i; i = i->next)
		if (i->row.kind == SEAK_SERVICE && i->row.cid_extension > ext)
			ext = i->row.cid_extension;
	if (ext < UINT32_MAX)
		return ext + 1;
	for (ext = 1; find_item(v, SEAK_SERVICE, ext); )
		ext++;
	return ext;
}

static struct own *
make(struct seak_bsm *b, struct ours *v, int64_t now_us)
{
	struct seak_row row = row_of(v, b->me, now_us);
	int64_t covered = covered_s(v, now_us), now_s = now_us / second;
	uint8_t key[SEAK_LEN];
	struct own *i;

	row.cid_extension = next_extension(v);
	row.from_s = covered == INT64_MIN ? now_s : covered - v->ahead_s;
	if (row.from_s < now_s)
		row.from_s = now_s;
	row.to_s = row.from_s + v->life_s + v->ahead_s;
	gw_random(key, sizeof(key));
	i = keep(b, v, &row, key);
	gw_cleanse(key, sizeof(key));
	if (!i)
		return NULL;
	b->counts.stored++;
	audit(b, i, b->me, now_us, "made it");
	i->offer.due_us = v->called ? now_us : INT64_MAX;
	return i;
}

static void
use(struct seak_bsm *b, struct own *i, int64_t now_us, const char *who, const char *what)
{
	if (i->row.open_us)
		return;
	i->row.open_us = now_us;
	b->ops.gate(b->self, i->row.id, now_us, now_us);
	b->counts.confirmed++;
	audit(b, i, who, now_us, what);
}

/* What the BSD/A has, as it says by tag 18 or 19: its word counts against what we have only offered. */
static unsigned
take(struct seak_bsm *b, struct ours *v, const struct seak_said *said, int64_t now_us, bool *fresh, const char **reason)
{
	struct seak_row row = row_of(v, v->bsda, now_us);
	struct own *i;

#define NO(code, text) do { b->counts.refused++; *reason = (text); return (code); } while (0)
	*fresh = false;
	if (!said->context)
		NO(BR_MISSING, "SeakContext with cidExtension is missing");
	if (!said->key || said->len != SEAK_LEN)
		NO(BR_INVALID, "a SEAK is one Data of 32 octets");
	i = find_item(v, said->kind, said->cid_extension);
	if (i && long_over(i, now_us)) {	/* it is there for its number only */
		forget(b, v, i);
		i = NULL;
	}
	if (i && gw_secret_equal(&i->key, said->key, said->len)) {
		b->counts.repeated++;
		use(b, i, now_us, v->bsda, "has it: it is used");
		i->offer.due_us = INT64_MAX;
		return BR_OK;
	}
	if (i && i->row.open_us) {
		b->counts.conflicts++;
		if (seak_worth_a_line(&i->conflict_us, now_us))
			audit(b, i, v->bsda, now_us, "has delivered another value for it: refused");
		NO(BR_CONFLICT, "another SEAK has this cidExtension");
	}
	if (said->to_s <= said->from_s || said->to_s <= now_us / second)
		NO(BR_INVALID, "its validity is over, or empty");
	if (i)
		forget(b, v, i);
	if (!make_room(b, v, now_us))
		NO(BR_DELAYED, "too many SEAKs of this service are valid");
	row.kind = said->kind;
	row.cid_extension = said->cid_extension;
	row.from_s = said->from_s;
	row.to_s = said->to_s;
	row.first_us = row.open_us = now_us;
	if (!(i = keep(b, v, &row, said->key)))
		NO(BR_SERVER_ERROR, "the SEAK could not be stored");
#undef NO
	*fresh = true;
	b->counts.stored++;
	audit(b, i, v->bsda, now_us, "delivered it");
	return BR_OK;
}

/* ---- what comes ---- */

void
seak_bsm_offered(struct seak_bsm *b, void *call, const char *who, const char *urn, const struct seak_said *said, int64_t now_us)
{
	struct ours *v = service_of(b, urn);
	const char *reason = NULL;
	unsigned status = BR_NO_SERVICE;
	bool fresh;

	if (!v)
		reason = "this BSM has no SEAKs of this service";
	else if (strcmp(v->bsda, who) != 0) {
		status = BR_NOT_ENTITLED;
		reason = "the sender is not the BSD/A of this service";
	} else
		status = take(b, v, said, now_us, &fresh, &reason);
	b->ops.answer(b->self, call, status, NULL, NULL, reason);
}

/* The one that is valid now and came last, else the next one to be. */
static struct own *
pick(const struct ours *v, int64_t now_us)
{
	struct own *best = NULL;

	for (struct own *i = v->items; i; i = i->next) {
		bool now = i->row.from_s <= now_us / second, best_now = best && best->row.from_s <= now_us / second;

		if (i->row.kind == SEAK_SERVICE && !seak_over(&i->row, now_us) && (!best || (now != best_now ? now : now ? i->row.from_s > best->row.from_s :
		    i->row.from_s < best->row.from_s)))
			best = i;
	}
	return best;
}

void
seak_bsm_asked(struct seak_bsm *b, void *call, const char *who, const char *urn, int64_t now_us)
{
	struct ours *v = service_of(b, urn);
	struct own *i;

#define NO(code, text) do { b->counts.refused++; b->ops.answer(b->self, call, (code), NULL, NULL, (text)); return; } while (0)
	if (!v)
		NO(BR_NO_SERVICE, "this BSM has no SEAKs of this service");
	if (strcmp(v->bsda, who) != 0)
		NO(BR_NOT_ENTITLED, "the sender is not the BSD/A of this service");
	if (!v->generate)
		NO(BR_NOT_PERMITTED, "this BSM does not generate the SEAKs of this service");
	v->pulled = true;	/* who asks us has none for us */
	i = pick(v, now_us);
	if (!i && !(i = make(b, v, now_us)))
		NO(BR_NOT_GENERATED, "no SEAK could be made");
#undef NO
	if (seak_worth_a_line(&i->told_us, now_us))
		audit(b, i, who, now_us, "has asked for it and got it");
	b->ops.answer(b->self, call, BR_OK, &i->row, i->key.p, NULL);
	if (!v->called)		/* there is no other way to it */
		use(b, i, now_us, who, "it is used");
}

/* ---- what goes ---- */

static bool
fly(struct attempt *a, struct ours *v, struct own *i, int64_t now_us)
{
	if (a->flight)
		return false;
	if (!(a->flight = calloc(1, sizeof(*a->flight)))) {
		again(a, now_us);
		return false;
	}
	*a->flight = (struct seak_flight){ a, i, v };
	a->due_us = INT64_MAX;
	return true;
}

/* When to ask next, as nothing is missing: before the last one that is known ends. */
static void
plan_pull(struct ours *v, int64_t now_us)
{
	int64_t covered = covered_s(v, now_us), late = covered - (v->generate ? v->ahead_s / 2 : v->ahead_s);

	v->pull.delay_s = 0;
	if (covered == INT64_MIN)
		again(&v->pull, now_us);
	else if (covered == INT64_MAX)
		v->pull.due_us = INT64_MAX;
	else
		v->pull.due_us = late * second > now_us + SEAK_LONGEST_S * second ? late * second : now_us + SEAK_LONGEST_S * second;
}

void
seak_bsm_delivered(struct seak_bsm *b, struct seak_flight *f, enum seak_end end, unsigned status, const char *reason, int64_t now_us)
{
	struct attempt *a = f->attempt;
	struct own *i = f->item;
	struct ours *v = f->service;
	char what[SEAK_TEXT];

	free(f);
	if (a)
		a->flight = NULL;
	if (!b || !a)
		return;
	if (end == SEAK_ANSWERED && status == BR_OK) {
		use(b, i, now_us, v->bsda, "has confirmed it: it is used");
		return;
	}
	b->counts.failed++;
	if (a->delay_s == 0) {
		char code[24] = "", why[200];

		gw_text(why, sizeof(why), reason);
		if (end == SEAK_ANSWERED)
			snprintf(code, sizeof(code), ": status %u", status);
		snprintf(what, sizeof(what), "did not take it%s%s%s", code, *why ? ": " : "", why);
		audit(b, i, v->bsda, now_us, what);
	}
	if (end == SEAK_ANSWERED && status == BR_CONFLICT && !i->row.open_us) {
		b->counts.conflicts++;
		forget(b, v, i);	/* somebody was first: theirs comes by tag 19, or is asked for */
		v->pull.due_us = now_us + second;
		return;
	}
	again(a, now_us);
}

void
seak_bsm_responded(struct seak_bsm *b, struct seak_flight *f, enum seak_end end, unsigned status, const char *reason, const struct seak_said *said,
    int64_t now_us)
{
	struct attempt *a = f->attempt;
	struct ours *v = f->service;
	bool fresh = false;

	free(f);
	if (a)
		a->flight = NULL;
	if (!b || !a)
		return;
	v->pulled = true;
	if (end == SEAK_ANSWERED && status == BR_OK)
		status = take(b, v, said, now_us, &fresh, &reason);
	else if (end == SEAK_ANSWERED)
		b->counts.refused++;
	if (fresh && end == SEAK_ANSWERED)
		a->due_us = now_us;	/* there may be more */
	else if (end == SEAK_ANSWERED && status == BR_OK)
		plan_pull(v, now_us);
	else
		again(a, now_us);
}

/* ---- time ---- */

static void
tick_service(struct seak_bsm *b, struct ours *v, int64_t now_us)
{
	for (struct own *i = v->items, *next; i; i = next) {
		next = i->next;
		if (long_over(i, now_us) && i != newest(v)) {
			forget(b, v, i);
			continue;
		}
		if (now_us >= i->offer.due_us && !seak_over(&i->row, now_us) && fly(&i->offer, v, i, now_us)) {
			b->counts.deliveries++;
			b->ops.deliver(b->self, i->offer.flight, v->bsda, &i->row, i->key.p);
		}
	}
	if (v->called && now_us >= v->pull.due_us && fly(&v->pull, v, NULL, now_us)) {
		b->counts.pulls++;
		b->ops.request(b->self, v->pull.flight, v->bsda, v->urn);
	}
	if (now_us >= v->make_us && now_us / second >= making_s(v, now_us)) {
		struct own *i = make_room(b, v, now_us) ? make(b, v, now_us) : NULL;

		v->make_us = i ? 0 : now_us + second;

		if (i && fly(&i->offer, v, i, now_us)) {
			b->counts.deliveries++;
			b->ops.deliver(b->self, i->offer.flight, v->bsda, &i->row, i->key.p);
		}
	}
}

/* The clock was set back: nothing waits for the old time. */
static void
set_back(struct ours *v, int64_t now_us)
{
	for (struct own *i = v->items; i; i = i->next)
		if (i->offer.due_us != INT64_MAX)
			i->offer.due_us = now_us;
	if (v->pull.due_us != INT64_MAX)
		v->pull.due_us = now_us;
	v->make_us = 0;
}

void
seak_bsm_tick(struct seak_bsm *b, int64_t now_us)
{
	for (size_t k = 0; now_us < b->now_us - 5 * second && k < b->nservices; k++)
		set_back(&b->services[k], now_us);
	b->now_us = now_us;
	for (size_t k = 0; k < b->nservices; k++)
		tick_service(b, &b->services[k], now_us);
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
in_us(int64_t s)
{
	return s >= INT64_MAX / second ? INT64_MAX : s * second;
}

int64_t
seak_bsm_next(const struct seak_bsm *b)
{
	int64_t next = INT64_MAX;

	for (size_t k = 0; k < b->nservices; k++) {
		const struct ours *v = &b->services[k];
		const struct own *last = newest(v);
		int64_t at;

		if (v->called && !v->pull.flight)
			next = earlier(next, v->pull.due_us);
		at = in_us(making_s(v, b->now_us));
		next = earlier(next, at > v->make_us ? at : v->make_us);
		for (const struct own *i = v->items; i; i = i->next) {
			next = earlier(next, i->offer.flight ? INT64_MAX : i->offer.due_us);
			if (i != last)
				next = earlier(next, in_us(i->row.to_s < INT64_MAX - kept_s ? i->row.to_s + kept_s : INT64_MAX));
		}
	}
	return next;
}

/* ---- coming and going ---- */

struct seak_bsm *
seak_bsm_new(const char *me, const struct seak_bsm_rule *r, size_t n, const struct seak_ops *ops, void *self)
{
	struct seak_bsm *b = calloc(1, sizeof(*b));
	bool ok = b && (b->me = strdup(me)) && (b->services = calloc(n + 1, sizeof(*b->services)));

	for (size_t k = 0; ok && k < n; k++) {
		struct ours *v = &b->services[b->nservices++];

		*v = (struct ours){ .name = strdup(r[k].service), .urn = strdup(r[k].urn), .bsda = strdup(r[k].bsda), .called = r[k].called,
			.generate = r[k].generate, .life_s = r[k].life_s, .ahead_s = r[k].ahead_s };
		ok = v->name && v->urn && v->bsda;
	}
	if (!ok) {
		seak_bsm_free(b);
		return NULL;
	}
	b->ops = *ops;
	b->self = self;
	return b;
}

void
seak_bsm_free(struct seak_bsm *b)
{
	if (!b)
		return;
	for (size_t k = 0; k < b->nservices; k++) {
		struct ours *v = &b->services[k];

		if (v->pull.flight)
			v->pull.flight->attempt = NULL;
		while (v->items) {
			struct own *next = v->items->next;

			free_item(v->items);
			v->items = next;
		}
		free(v->name);
		free(v->urn);
		free(v->bsda);
	}
	free(b->services);
	free(b->me);
	free(b);
}

int
seak_bsm_restore(struct seak_bsm *b, const struct seak_row *row, int64_t now_us)
{
	struct ours *v = service_of(b, row->urn);
	struct own *i;

	b->now_us = now_us;
	if (!v || find_item(v, row->kind, row->cid_extension))
		return 0;
	if (!(i = new_item(v, row, row->key)))
		return -1;
	if (!row->open_us && v->called)
		i->offer.due_us = now_us;
	return 0;
}

/* ---- for operators ---- */

json_t *
seak_bsm_status(const struct seak_bsm *b, int64_t now_us)
{
	json_t *all = json_array();

	for (size_t k = 0; all && k < b->nservices; k++) {
		const struct ours *v = &b->services[k];
		json_t *items = json_array();

		for (const struct own *i = v->items; i; i = i->next) {
			json_t *j = seak_row_json(&i->row, &i->key, now_us);

			json_object_set_new(j, "state", json_string(i->row.open_us ? "in use" : "offered"));
			json_array_append_new(items, j);
		}
		json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:b, s:o}", "service", v->name, "global_service_id", v->urn, "bsda", v->bsda,
		    "generate", v->generate, "instances", items));
	}
	return all;
}

void
seak_bsm_counts(const struct seak_bsm *b, struct seak_counts *c)
{
	*c = b->counts;
	for (size_t k = 0; k < b->nservices; k++)
		c->instances += b->services[k].n;
}
