/* kms/keymgr.c: see keymgr.h */
#include "kms/keymgr.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/secret.h"

#define SECOND INT64_C(1000000)
/* BACK: CPs so far behind the last answered one are behind it, not far ahead; REMEMBERED: of these the store knows the TEKs. */
enum { OLD_KEYS = 8, ENDED = 16, BACK = 4096, REMEMBERED = 256 };
static const int64_t DAYS_30 = 30 * 86400 * SECOND, HOUR = 3600 * SECOND, MINUTE = 60 * SECOND;
static const int64_t LEAD = 3 * SECOND;	/* an STKM is asked for so long before its CP begins: delay_start, max_comp_time, a margin */

/* --- a service's keys -------------------------------------------------------------------------------------------------- */

/* Of one kind. SEKs: what the states say. PEKs: in use, before that one, and the one whose time it is. Secret: forget() it. */
struct ring {
	struct kms_key now, next, before;
	bool has_now, has_next, has_before;
	int64_t old[OLD_KEYS]; size_t nold;	/* ids */
};

static void
forget(struct ring *r)
{
	gw_cleanse(r, sizeof(*r));
}

static int
sort_sek(void *self, const struct kms_key *k)
{
	struct ring *r = self;

	switch (k->state) {
	case KMS_KEY_NEW:
		r->next = *k;
		r->has_next = true;
		break;
	case KMS_KEY_CURRENT:
		r->now = *k;
		r->has_now = true;
		break;
	case KMS_KEY_OLD:
		r->before = *k;		/* by id: the youngest is the last */
		r->has_before = true;
		if (r->nold < OLD_KEYS)
			r->old[r->nold++] = k->id;
		break;
	case KMS_KEY_DEAD:
		break;
	}
	return 0;
}

static enum gw_outcome
seks(struct kms_store *s, const struct kms_service *v, struct ring *r)
{
	memset(r, 0, sizeof(*r));
	return kms_keys(s, v->id, KMS_SEK, sort_sek, r);
}

/* Where CPs stand under a key: how many TEK IDs it has, which was the last spent. */
struct use { int32_t ids, last; };	/* last: its place from 0; -1: none */

static enum gw_outcome
use_of(struct kms_store *s, const struct kms_key *k, struct use *u)
{
	uint16_t last = 0;
	enum gw_outcome o = kms_tek_last(s, k->id, &last);

	u->ids = k->upper > k->lower ? k->upper - k->lower : 0;
	u->last = o == GW_WON ? last - k->lower - 1 : -1;
	return o == GW_UNAVAILABLE ? o : GW_WON;
}

/*
 * A CP's place under a key, from 0; below: before the key, above u->ids: beyond it. 6.1 counts from first_cp modulo 65536; counted from the
 * last answered one it is the same, and tells the end of a long interval from what was just before its beginning.
 */
static int32_t
place(const struct kms_key *k, const struct use *u, uint16_t cp)
{
	int32_t from = u->last < 0 ? 0 : u->last;
	uint16_t from_cp = (uint16_t)(k->first_cp + from);

	return from + (uint16_t)(cp - from_cp + BACK) - BACK;
}

static uint16_t
tek_id_at(const struct kms_key *k, int32_t at)
{
	return (uint16_t)(k->lower + 1 + at);
}

/* It, or one just after it: passed over, then. */
static bool
was_answered(const struct use *u, int32_t at)
{
	return at >= 0 && at <= u->last && at > u->last - REMEMBERED;
}

/* --- plans --------------------------------------------------------------------------------------------------------------- */

struct terms { int64_t life_us, window_us; uint16_t tek_ids; };

/* What holds for the next SEK of a service: as planned, or as the one in use. */
static struct terms
terms_of(const struct kms_service *v, const struct keymgr_plan *p, const struct kms_key *like)
{
	struct terms t = { DAYS_30, HOUR, KEYMGR_TEK_IDS };

	if (p) {
		t = (struct terms){ p->life_us, p->window_us, p->tek_ids ? p->tek_ids : KEYMGR_TEK_IDS };
	} else if (like) {
		t.life_us = like->valid_until_us - like->valid_from_us;
		t.tek_ids = (uint16_t)(like->upper - like->lower);
	}
	int64_t most = keymgr_life_max_us(t.tek_ids, v->crypto_period_ms);
	if (t.life_us > most)
		t.life_us = most;
	if (!p && t.window_us > t.life_us / 8)
		t.window_us = t.life_us / 8;
	return t;
}

static void
note(struct kms_store *s, int64_t now_us, const struct kms_service *v, const struct kms_key *k, const char *what)
{
	char text[KMS_TEXT];

	snprintf(text, sizeof(text), "service %s: %s %04x%04x %s", v->name, k->kind == KMS_SEK ? "SEK" : "PEK", k->group, k->number, what);
	kms_audit(s, now_us, "keymgr", text);
}

static enum gw_outcome
make(struct kms_store *s, const struct kms_service *v, enum kms_kind kind, const struct terms *t, int64_t from_us, const char *programme,
    int64_t now_us, struct kms_key *k)
{
	*k = (struct kms_key){ .service = v->id, .kind = kind, .group = v->group[kind], .lower = 0, .upper = t->tek_ids, .first_cp = -1,
		.valid_from_us = from_us, .valid_until_us = from_us + t->life_us, .state = KMS_KEY_NEW };
	memcpy(k->domain, v->domain, sizeof(k->domain));
	snprintf(k->programme, sizeof(k->programme), "%s", programme);
	gw_random(k->key, sizeof(k->key));
	gw_random(k->rand, sizeof(k->rand));	/* of the key, not of a message: STKMs carry none (2.3) */
	enum gw_outcome o = kms_key_put(s, k);
	if (o == GW_WON && kind == KMS_SEK)	/* programmes are the doors' to tell */
		note(s, now_us, v, k, "is made");
	return o;
}

static enum gw_outcome
first(struct kms_store *s, const struct kms_service *v, const struct keymgr_plan *p, int64_t now_us, struct ring *r)
{
	const struct terms t = terms_of(v, p, NULL);
	enum gw_outcome o = make(s, v, KMS_SEK, &t, now_us, "", now_us, &r->now);

	if (o == GW_WON)
		o = kms_key_state(s, r->now.id, KMS_KEY_CURRENT);
	r->now.state = KMS_KEY_CURRENT;
	r->has_now = o == GW_WON;
	return o;
}

enum gw_outcome
keymgr_first(struct kms_store *s, const struct kms_service *v, const struct keymgr_plan *p, int64_t now_us)
{
	struct ring r;
	enum gw_outcome o = seks(s, v, &r);

	if (o == GW_WON && !r.has_now && !r.has_next)
		o = first(s, v, p, now_us, &r);
	forget(&r);
	return o;
}

static enum gw_outcome
bury(struct kms_store *s, const int64_t *keys, size_t n)
{
	enum gw_outcome o = GW_WON;

	for (size_t i = 0; o != GW_UNAVAILABLE && i < n; i++)
		o = kms_key_state(s, keys[i], KMS_KEY_DEAD);
	return o == GW_UNAVAILABLE ? o : GW_WON;
}

/* The roll to a key: there, at that time or sooner. One that a crash kept from being put is put. */
static enum gw_outcome
roll_to(struct kms_store *s, const struct ring *r, int64_t now_us, int64_t switch_us)
{
	struct kms_roll roll;
	int64_t id;
	enum gw_outcome o = kms_roll_get(s, r->next.id, &roll);

	if (o == GW_EXISTS) {
		roll = (struct kms_roll){ .old_key = r->has_now ? r->now.id : 0, .new_key = r->next.id, .from_us = now_us,
			.switch_us = switch_us };
		o = kms_roll_put(s, &roll, &id);
	} else if (o == GW_WON && switch_us < roll.switch_us) {
		roll.switch_us = switch_us;
		o = kms_roll_change(s, &roll);
	}
	return o;
}

/* Puts the next SEK into the ring. */
static enum gw_outcome
make_next(struct kms_store *s, const struct kms_service *v, const struct keymgr_plan *p, int64_t now_us, int64_t switch_us, struct ring *r)
{
	const struct terms t = terms_of(v, p, r->has_now ? &r->now : NULL);
	enum gw_outcome o = bury(s, r->old, r->nold);

	if (o == GW_WON)
		o = make(s, v, KMS_SEK, &t, switch_us, "", now_us, &r->next);
	r->has_next = o == GW_WON;
	r->nold = 0;
	r->has_before = false;
	return o == GW_WON ? roll_to(s, r, now_us, switch_us) : o;
}

enum gw_outcome
keymgr_next(struct kms_store *s, const struct kms_service *v, const struct keymgr_plan *p, int64_t now_us, int64_t switch_us)
{
	struct ring r;
	enum gw_outcome o = seks(s, v, &r);

	if (o == GW_WON && !r.has_now && !r.has_next)
		o = first(s, v, p, now_us, &r);
	if (o == GW_WON && !r.has_next) {
		o = make_next(s, v, p, now_us, switch_us, &r);
	} else if (o == GW_WON) {
		o = roll_to(s, &r, now_us, switch_us);
		o = o == GW_WON ? GW_EXISTS : o;
	}
	forget(&r);
	return o;
}

/* --- programmes ---------------------------------------------------------------------------------------------------------- */

struct slot { const char *item; int64_t from_us, until_us; struct kms_key *key; bool taken, same; };

static int
find_taken(void *self, const struct kms_key *k)
{
	struct slot *p = self;

	if (k->valid_from_us >= p->until_us || k->valid_until_us <= p->from_us)
		return 0;
	p->taken = true;
	p->same = strcmp(k->programme, p->item) == 0 && k->valid_from_us == p->from_us && k->valid_until_us == p->until_us;
	*p->key = *k;
	return 1;
}

enum gw_outcome
keymgr_programme(struct kms_store *s, const struct kms_service *v, const char *item, int64_t from_us, int64_t until_us, struct kms_key *key)
{
	const struct terms t = { .life_us = until_us - from_us, .tek_ids = KEYMGR_TEK_IDS };
	struct slot p = { item, from_us, until_us, key, false, false };

	memset(key, 0, sizeof(*key));
	if (until_us <= from_us)
		return GW_EXISTS;
	enum gw_outcome o = kms_keys(s, v->id, KMS_PEK, find_taken, &p);
	if (o == GW_WON && p.taken)
		return p.same ? GW_WON : GW_EXISTS;
	return o == GW_WON ? make(s, v, KMS_PEK, &t, from_us, item, 0, key) : o;
}

/* --- another validity ------------------------------------------------------------------------------------------------------- */

/* Who else is sold at that time? */
struct neighbours { int64_t key, from_us, until_us; bool taken, successor; };

static int
look_aside(void *self, const struct kms_key *k)
{
	struct neighbours *n = self;

	if (k->id == n->key)
		return 0;
	n->successor = n->successor || k->state == KMS_KEY_NEW;
	n->taken = n->taken || (k->valid_from_us < n->until_us && k->valid_until_us > n->from_us);
	return 0;
}

/* The TEK IDs that are still to be used until then; a key that nobody uses yet is planned from its beginning. */
static int64_t
needed(const struct kms_service *v, const struct kms_key *k, int64_t until_us, int64_t now_us)
{
	const int64_t period_us = v->crypto_period_ms * INT64_C(1000), from = k->first_cp < 0 || k->valid_from_us > now_us ? k->valid_from_us : now_us;

	return period_us > 0 && until_us > from ? (until_us - from + period_us - 1) / period_us : 0;
}

/* GW_WON: it may be so. */
static enum gw_outcome
admissible(struct kms_store *s, const struct kms_service *v, const struct kms_key *k, const struct keymgr_validity *to, int64_t now_us,
    const char **why)
{
	struct neighbours n = { k->id, k->valid_from_us, to->until_us, false, false };
	const uint16_t upper = to->upper ? to->upper : k->upper;
	uint16_t last = k->lower;
	enum gw_outcome o = kms_keys(s, v->id, k->kind, look_aside, &n);

	if (o != GW_WON || kms_tek_last(s, k->id, &last) == GW_UNAVAILABLE)
		return GW_UNAVAILABLE;
	*why = k->state != KMS_KEY_NEW && k->state != KMS_KEY_CURRENT ? "it is not used any more" :
	    upper <= last ? "TEK IDs up to there are spent" :
	    !to->until_us ? NULL :
	    to->until_us <= now_us || to->until_us <= k->valid_from_us ? "it would be over before it begins, or is over already" :
	    k->kind == KMS_SEK && k->state == KMS_KEY_CURRENT && n.successor ? "the next key is on its way" :
	    k->kind == KMS_PEK && n.taken ? "another programme has that time, or a part of it" :
	    needed(v, k, to->until_us, now_us) > upper - last ? "its TEK IDs do not last until then" : NULL;
	return *why ? GW_EXISTS : GW_WON;
}

enum gw_outcome
keymgr_change(struct kms_store *s, const struct kms_service *v, int64_t key, const struct keymgr_validity *to, int64_t now_us, int64_t over_us,
    const char **why)
{
	const struct kms_roll update = { .old_key = key, .new_key = key, .from_us = now_us, .switch_us = over_us };
	struct kms_key k = { 0 };
	enum gw_outcome o = kms_key_get(s, key, &k);
	int64_t id;

	*why = "there is no such key";
	if (o == GW_WON)
		o = admissible(s, v, &k, to, now_us, why);
	if (o == GW_WON && to->until_us)
		o = kms_key_validity(s, key, to->until_us);
	if (o == GW_WON && to->upper && to->upper != k.upper) {
		o = kms_key_upper(s, key, to->upper);
		if (o == GW_WON)
			o = kms_roll_put(s, &update, &id);
	}
	gw_cleanse(&k, sizeof(k));
	return o;
}

/* --- the STKMG's question ------------------------------------------------------------------------------------------------ */

struct question {
	struct kms_store *s;
	const struct keymgr_plan *plan;
	struct kms_service v;
	uint16_t cp;
	int64_t now_us;
	struct kms_key *key;
	uint16_t *tek_id;
};

static enum keymgr_answer
give(struct question *q, const struct kms_key *k, int32_t at)
{
	*q->key = *k;
	*q->tek_id = tek_id_at(k, at);
	return KEYMGR_KEY;
}

/* Its LTKMs are all due or further: the roll is over. One that is still at it ends at a later tick. */
static enum gw_outcome
end_roll(struct kms_store *s, int64_t key)
{
	struct kms_roll roll;
	enum gw_outcome o = kms_roll_get(s, key, &roll);

	if (o == GW_WON && roll.state == KMS_ROLL_READY) {
		roll.state = KMS_ROLL_DONE;
		o = kms_roll_change(s, &roll);
	}
	return o == GW_UNAVAILABLE ? o : GW_WON;
}

/* From this CP on it is k's; a SEK's life begins, and that of the one before ends. */
static enum keymgr_answer
put_into_use(struct question *q, struct kms_key *k, const struct kms_key *before)
{
	uint16_t since = q->cp;
	enum gw_outcome o = kms_key_use(q->s, k->id, q->cp, &since);
	char what[40];

	if (o == GW_UNAVAILABLE || (o == GW_EXISTS && since != q->cp))
		return KEYMGR_LATER;	/* a store without groups: another was quicker */
	k->first_cp = since;
	k->state = KMS_KEY_CURRENT;
	if (k->kind == KMS_SEK && kms_key_validity(q->s, k->id, q->now_us + k->valid_until_us - k->valid_from_us) == GW_UNAVAILABLE)
		return KEYMGR_LATER;
	if (before && before->valid_until_us > q->now_us && kms_key_validity(q->s, before->id, q->now_us) == GW_UNAVAILABLE)
		return KEYMGR_LATER;
	if (k->kind == KMS_SEK && end_roll(q->s, k->id) == GW_UNAVAILABLE)
		return KEYMGR_LATER;
	snprintf(what, sizeof(what), "is in use from CP %u on", since);
	note(q->s, q->now_us, &q->v, k, what);
	return give(q, k, 0);
}

/*
 * How long a switch waits for LTKMs that are not all on their way (the BSM is down, or slow): as long as the window was, a minute at least, an
 * hour at most. Who has no key then has waited in vain; but no SEK is used for ever because a server is.
 */
static int64_t
grace(const struct kms_roll *roll)
{
	int64_t window = roll->switch_us - roll->from_us;

	if (roll->state != KMS_ROLL_PUSHING)
		return 0;
	return window < MINUTE ? MINUTE : window > HOUR ? HOUR : window;
}

/* The roll's window is over, and what it was for is done. */
static enum gw_outcome
due(struct question *q, const struct kms_key *next, bool *is)
{
	struct kms_roll roll;
	enum gw_outcome o = kms_roll_get(q->s, next->id, &roll);

	*is = q->now_us >= (o == GW_WON ? roll.switch_us + grace(&roll) : next->valid_from_us);
	return o == GW_UNAVAILABLE ? o : GW_WON;
}

/*
 * When the window of the next SEK begins, and the switch at its end: as planned, or when the interval will be used up if that is sooner. Who
 * comes late (nobody was there to plan) gives subscribers a whole window still, if the interval has room for it.
 */
static int64_t
window_begins(const struct kms_service *v, const struct kms_key *now, const struct terms *t, int32_t left, int64_t now_us, int64_t *switch_us)
{
	int64_t used_up = now_us + left * (int64_t)v->crypto_period_ms * 1000;
	int64_t end = now->valid_until_us < used_up ? now->valid_until_us : used_up;

	*switch_us = end;
	if (now_us > end - t->window_us / 2)
		*switch_us = now_us + t->window_us < used_up ? now_us + t->window_us : used_up;
	if (left <= KEYMGR_FEW)
		return now_us;
	return end - t->window_us;
}

static enum keymgr_answer
before_first(struct question *q, const struct ring *r, int32_t at)
{
	struct use u;

	if (at < -KEYMGR_BEFORE || !r->has_before || r->before.first_cp < 0)
		return KEYMGR_BEYOND;
	if (use_of(q->s, &r->before, &u) != GW_WON)
		return KEYMGR_LATER;
	at = place(&r->before, &u, q->cp);
	return at >= 0 && at < u.ids ? give(q, &r->before, at) : KEYMGR_BEYOND;
}

static enum keymgr_answer
sek_in_turn(struct question *q, struct ring *r)
{
	struct use u;
	bool turn = false;

	if (r->has_next && due(q, &r->next, &turn) != GW_WON)
		return KEYMGR_LATER;
	if (r->now.first_cp < 0)
		return turn ? put_into_use(q, &r->next, &r->now) : put_into_use(q, &r->now, NULL);
	if (use_of(q->s, &r->now, &u) != GW_WON)
		return KEYMGR_LATER;
	const int32_t at = place(&r->now, &u, q->cp);
	const bool on = at > u.last && at < u.ids + KEYMGR_BEFORE;	/* CPs go on, and no further than just beyond */

	if (was_answered(&u, at))
		return give(q, &r->now, at);
	if (at < 0 && at >= -KEYMGR_BEFORE)
		return before_first(q, r, at);
	if (!r->has_next) {
		const struct terms t = terms_of(&q->v, q->plan, &r->now);
		int64_t switch_us, begins = window_begins(&q->v, &r->now, &t, u.ids - (on ? at : u.last + 1), q->now_us, &switch_us);

		if (q->now_us >= begins && (make_next(q->s, &q->v, q->plan, q->now_us, switch_us, r) != GW_WON || due(q, &r->next, &turn) != GW_WON))
			return KEYMGR_LATER;
	}
	if (r->has_next && (turn || (on && at >= u.ids)))
		return put_into_use(q, &r->next, &r->now);
	return on && at < u.ids ? give(q, &r->now, at) : KEYMGR_BEYOND;
}

static enum keymgr_answer
sek_at(struct question *q)
{
	struct ring r;
	enum keymgr_answer a = KEYMGR_LATER;
	enum gw_outcome o = seks(q->s, &q->v, &r);

	if (o == GW_WON && !r.has_now && !r.has_next)
		o = first(q->s, &q->v, q->plan, q->now_us, &r);
	if (o == GW_WON)
		a = r.has_now ? sek_in_turn(q, &r) : put_into_use(q, &r.next, NULL);
	forget(&r);
	return a;
}

/* A PEK's time has come when the CP in which its programme begins is asked for, and is over when the first CP after it is. */
struct listing { struct ring r; int64_t begins_before, ends_after, over; };

static int
sort_pek(void *self, const struct kms_key *k)
{
	struct listing *l = self;
	struct ring *r = &l->r;

	if (k->valid_until_us < l->over)
		return 0;	/* nobody buried it yet, and CP numbers may be round again */
	if (k->state == KMS_KEY_CURRENT) {
		r->now = *k;
		r->has_now = true;
	} else if (k->state == KMS_KEY_OLD && (!r->has_before || k->valid_from_us > r->before.valid_from_us)) {
		r->before = *k;
		r->has_before = true;
	}
	if (k->valid_from_us < l->begins_before && k->valid_until_us > l->ends_after &&
	    (!r->has_next || k->valid_from_us > r->next.valid_from_us)) {
		r->next = *k;
		r->has_next = true;
	}
	return 0;
}

static enum gw_outcome
answered(struct question *q, const struct kms_key *k, int32_t *at, bool *is)
{
	struct use u;
	enum gw_outcome o = use_of(q->s, k, &u);

	*at = k->first_cp < 0 ? -1 : place(k, &u, q->cp);
	*is = was_answered(&u, *at);
	return o;
}

static enum keymgr_answer
programme_in_turn(struct question *q, struct ring *r)
{
	struct use u;
	int32_t at;
	bool is;

	if (r->has_now && answered(q, &r->now, &at, &is) != GW_WON)
		return KEYMGR_LATER;
	if (r->has_now && is)
		return give(q, &r->now, at);
	/* Just before the programme in use: of the one before that, if it has seen it. Whose time is over has no other CPs. */
	if (r->has_now && r->has_before && at < 0 && at >= -KEYMGR_BEFORE) {
		if (answered(q, &r->before, &at, &is) != GW_WON)
			return KEYMGR_LATER;
		if (is)
			return give(q, &r->before, at);
	}
	if (!r->has_next)
		return KEYMGR_NO_PROGRAMME;
	if (r->next.first_cp < 0)
		return put_into_use(q, &r->next, NULL);
	if (use_of(q->s, &r->next, &u) != GW_WON)
		return KEYMGR_LATER;
	at = place(&r->next, &u, q->cp);
	if (at < 0 && at >= -KEYMGR_BEFORE)
		return KEYMGR_NO_PROGRAMME;
	return at >= 0 && at < u.ids ? give(q, &r->next, at) : KEYMGR_BEYOND;
}

static enum keymgr_answer
pek_at(struct question *q)
{
	struct listing l = { .begins_before = q->now_us + LEAD + q->v.crypto_period_ms * INT64_C(1000), .ends_after = q->now_us + LEAD,
		.over = q->now_us - HOUR };
	enum keymgr_answer a = KEYMGR_LATER;

	if (kms_keys(q->s, q->v.id, KMS_PEK, sort_pek, &l) == GW_WON)
		a = programme_in_turn(q, &l.r);
	forget(&l.r);
	return a;
}

enum keymgr_answer
keymgr_at(struct kms_store *s, const struct keymgr_plan *plan, uint16_t ecm_id, uint16_t cp, int64_t now_us, struct kms_key *key,
    uint16_t *tek_id)
{
	struct question q = { .s = s, .plan = plan, .cp = cp, .now_us = now_us, .key = key, .tek_id = tek_id };
	enum kms_kind kind;

	switch (kms_stream_get(s, ecm_id, &q.v, &kind)) {
	case GW_WON:
		return kind == KMS_SEK ? sek_at(&q) : pek_at(&q);
	case GW_EXISTS:
		return KEYMGR_UNKNOWN;
	default:
		return KEYMGR_LATER;
	}
}

/* --- once a second or so ------------------------------------------------------------------------------------------------- */

static void
sooner(int64_t *next_us, int64_t at_us)
{
	if (at_us < *next_us)
		*next_us = at_us;
}

static enum gw_outcome
tick_seks(struct kms_store *s, const struct kms_service *v, const struct keymgr_plan *p, int64_t now_us, int64_t *next_us)
{
	struct ring r;
	struct use u;
	int64_t switch_us, begins;
	enum gw_outcome o = seks(s, v, &r);

	if (o == GW_WON && r.has_next) {
		o = roll_to(s, &r, now_us, r.next.valid_from_us);
	} else if (o == GW_WON && r.has_now && r.now.first_cp >= 0 && (o = use_of(s, &r.now, &u)) == GW_WON) {
		const struct terms t = terms_of(v, p, &r.now);

		begins = window_begins(v, &r.now, &t, u.ids - u.last - 1, now_us, &switch_us);
		if (now_us >= begins)
			o = make_next(s, v, p, now_us, switch_us, &r);
		else
			sooner(next_us, begins);
	}
	/* A key that has been out of use for an hour: nothing on air needs it. */
	if (o == GW_WON && r.has_before && now_us >= r.before.valid_until_us + HOUR)
		o = bury(s, r.old, r.nold);
	else if (o == GW_WON && r.has_before)
		sooner(next_us, r.before.valid_until_us + HOUR);
	forget(&r);
	return o;
}

struct ended { int64_t now_us, key[ENDED], *next_us; size_t n; };

static int
find_ended(void *self, const struct kms_key *k)
{
	struct ended *e = self;
	int64_t at_us = k->valid_until_us + HOUR;

	if (e->now_us >= at_us && e->n < ENDED)
		e->key[e->n++] = k->id;
	else
		sooner(e->next_us, at_us < e->now_us + SECOND ? e->now_us + SECOND : at_us);
	return 0;
}

static enum gw_outcome
tick_peks(struct kms_store *s, const struct kms_service *v, int64_t now_us, int64_t *next_us)
{
	struct ended e = { .now_us = now_us, .next_us = next_us };
	enum gw_outcome o = kms_keys(s, v->id, KMS_PEK, find_ended, &e);

	return o == GW_WON ? bury(s, e.key, e.n) : o;
}

/* Rows of a list, for calls that its each() may not make. */
struct rows { uint8_t *p; size_t n, room, size; bool full; };

static int
keep(void *self, const void *row)
{
	struct rows *r = self;

	if (r->n == r->room) {
		size_t room = r->room ? 2 * r->room : 16;
		uint8_t *p = reallocarray(r->p, room, r->size);

		r->full = !p;
		if (!p)
			return 1;
		r->p = p;
		r->room = room;
	}
	memcpy(r->p + r->n++ * r->size, row, r->size);
	return 0;
}

static int
keep_service(void *self, const struct kms_service *v)
{
	return keep(self, v);
}

static int
keep_roll(void *self, const struct kms_roll *roll)
{
	return roll->state == KMS_ROLL_READY ? keep(self, roll) : 0;
}

/* The key is in use; of an update: whoever was to have it has it, or has not answered. */
static enum gw_outcome
over(struct kms_store *s, const struct kms_roll *roll, bool *is)
{
	struct kms_key k = { 0 };
	enum gw_outcome o = GW_WON;

	if (kms_roll_is_update(roll)) {
		*is = roll->out[KMS_OUT_DUE] + roll->out[KMS_OUT_SENT] == 0;
	} else {
		o = kms_key_get(s, roll->new_key, &k);
		*is = o == GW_WON && k.state != KMS_KEY_NEW;
		gw_cleanse(&k, sizeof(k));
	}
	return o == GW_UNAVAILABLE ? o : GW_WON;
}

static enum gw_outcome
tick_rolls(struct kms_store *s)
{
	struct rows ready = { .size = sizeof(struct kms_roll) };
	enum gw_outcome o = kms_rolls(s, false, keep_roll, &ready);

	for (size_t i = 0; o == GW_WON && i < ready.n; i++) {
		struct kms_roll *roll = (struct kms_roll *)(void *)ready.p + i;
		bool is = false;

		o = over(s, roll, &is);
		if (o == GW_WON && is) {
			roll->state = KMS_ROLL_DONE;
			o = kms_roll_change(s, roll);
		}
	}
	free(ready.p);
	return ready.full ? GW_UNAVAILABLE : o;
}

enum gw_outcome
keymgr_tick(struct kms_store *s, const struct keymgr_plan *plan, int64_t now_us, int64_t *next_us)
{
	struct rows services = { .size = sizeof(struct kms_service) };
	enum gw_outcome o = kms_services(s, keep_service, &services);

	*next_us = now_us + MINUTE;	/* crypto-periods and what others do move the times that follow */
	for (size_t i = 0; o == GW_WON && i < services.n; i++) {
		const struct kms_service *v = (const struct kms_service *)(const void *)services.p + i;

		o = tick_seks(s, v, plan, now_us, next_us);
		if (o == GW_WON && v->group[KMS_PEK])
			o = tick_peks(s, v, now_us, next_us);
	}
	free(services.p);
	return o != GW_WON ? o : services.full ? GW_UNAVAILABLE : tick_rolls(s);
}
