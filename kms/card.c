/* kms/card.c: see card.h */
#include "kms/card.h"
#include <stdlib.h>
#include <string.h>
#include "lib/secret.h"

enum { KEY = 16, RAND = 16 };

/* Keys in clear, locked: one piece of memory for all of a kind. */
struct smk { char *naf, *btid; uint32_t counter; };
struct slot { uint8_t smk[CARD_SMKS][MIKEY_SMK]; };
struct key {
	struct mikey_ids ids;
	struct gw_secret key;
	uint8_t rand[RAND];
	uint16_t lower, upper, seqs;
	uint32_t counter;	/* with seqs: while it is not lent; then they are with the msk */
};
struct card {
	struct gw_secret secret;	/* struct slot */
	struct smk smk[CARD_SMKS]; size_t nsmk;		/* in the order in which they came */
	struct key *key; struct msk **msk; size_t nkeys, room;	/* the same; msk: NULL until it is lent */
};

static struct slot *
slot_of(const struct card *c)
{
	return (struct slot *)c->secret.p;
}

struct card *
card_new(void)
{
	struct card *c = calloc(1, sizeof(*c));

	if (c && gw_secret_new(&c->secret, sizeof(struct slot)) == 0)
		return c;
	free(c);
	return NULL;
}

static void
drop_key(struct card *c, size_t k)
{
	msk_free(c->msk[k]);
	gw_secret_free(&c->key[k].key);
	c->nkeys--;
	memmove(&c->key[k], &c->key[k + 1], (c->nkeys - k) * sizeof(c->key[0]));
	memmove(&c->msk[k], &c->msk[k + 1], (c->nkeys - k) * sizeof(c->msk[0]));
}

void
card_forget(struct card *c)
{
	while (c->nkeys)
		drop_key(c, c->nkeys - 1);
}

static void
drop_smk(struct card *c, size_t k)
{
	struct slot *s = slot_of(c);

	free(c->smk[k].naf);
	free(c->smk[k].btid);
	c->nsmk--;
	memmove(&c->smk[k], &c->smk[k + 1], (c->nsmk - k) * sizeof(c->smk[0]));
	memmove(s->smk[k], s->smk[k + 1], (c->nsmk - k) * MIKEY_SMK);
	gw_cleanse(s->smk[c->nsmk], MIKEY_SMK);
}

void
card_free(struct card *c)
{
	if (!c)
		return;
	card_forget(c);
	while (c->nsmk)
		drop_smk(c, c->nsmk - 1);
	free(c->key);
	free(c->msk);
	gw_secret_free(&c->secret);
	free(c);
}

/* --- SMKs ------------------------------------------------------------------------------------------------------------- */

static int
find_smk(const struct card *c, const char *naf, const char *btid)
{
	for (size_t k = 0; k < c->nsmk; k++)
		if (strcmp(c->smk[k].naf, naf) == 0 && strcmp(c->smk[k].btid, btid) == 0)
			return (int)k;
	return -1;
}

int
card_smk(struct card *c, const char *naf, const char *btid, const uint8_t smk[MIKEY_SMK])
{
	struct slot *s = slot_of(c);
	struct smk made = { NULL, NULL, 0 };
	int at = find_smk(c, naf, btid);

	if (at >= 0 && memcmp(s->smk[at], smk, MIKEY_SMK) == 0)
		return 0;
	if (!naf[0] || !btid[0] || strlen(naf) >= CARD_NAME || strlen(btid) >= CARD_NAME)
		return -1;
	made.naf = strdup(naf);
	made.btid = strdup(btid);
	if (!made.naf || !made.btid) {
		free(made.naf);
		free(made.btid);
		return -1;
	}
	if (at >= 0 || c->nsmk == CARD_SMKS)
		drop_smk(c, at >= 0 ? (size_t)at : 0);
	memcpy(s->smk[c->nsmk], smk, MIKEY_SMK);
	c->smk[c->nsmk++] = made;
	return 0;
}

int
card_counter(const struct card *c, const char *naf, const char *btid, uint32_t *counter)
{
	int at = find_smk(c, naf, btid);

	if (at < 0)
		return -1;
	*counter = c->smk[at].counter;
	return 0;
}

int
card_set_counter(struct card *c, const char *naf, const char *btid, uint32_t counter)
{
	int at = find_smk(c, naf, btid);

	if (at < 0)
		return -1;
	c->smk[at].counter = counter;
	return 0;
}

/* --- service keys ------------------------------------------------------------------------------------------------------ */

static bool
same_group(const struct mikey_ids *a, const struct mikey_ids *b)
{
	return memcmp(a->domain, b->domain, sizeof(a->domain)) == 0 && a->key_group == b->key_group;
}

static int
find_key(const struct card *c, const struct mikey_ids *ids)
{
	for (size_t k = 0; k < c->nkeys; k++)
		if (same_group(&c->key[k].ids, ids) && c->key[k].ids.key_number == ids->key_number)
			return (int)k;
	return -1;
}

/* Numbers go round after 65535 (1.2): the lower of two is the one from which the way up to the other is short. */
static bool
lower_number(uint16_t a, uint16_t b)
{
	return (uint16_t)(b - a) < 0x8000;
}

/* Which key must go for one more of that group: of two of the group the one with the lower number (4.2.80 and a reading); -1: none. */
static int
to_evict(const struct card *c, const struct mikey_ids *ids)
{
	int lowest = -1;
	size_t n = 0;

	for (size_t k = 0; k < c->nkeys; k++)
		if (same_group(&c->key[k].ids, ids)) {
			n++;
			if (lowest < 0 || lower_number(c->key[k].ids.key_number, c->key[lowest].ids.key_number))
				lowest = (int)k;
		}
	if (n >= CARD_PER_GROUP)
		return lowest;
	return c->nkeys >= CARD_KEYS ? 0 : -1;
}

/* Room for one more. */
static int
grow(struct card *c)
{
	size_t room = c->room ? 2 * c->room : 2;

	if (c->nkeys < c->room)
		return 0;
	struct key *key = realloc(c->key, room * sizeof(*key));
	if (key)
		c->key = key;
	struct msk **msk = key ? realloc(c->msk, room * sizeof(*msk)) : NULL;
	if (!msk)
		return -1;
	c->msk = msk;
	c->room = room;
	return 0;
}

/* Takes over what a lent key has counted. */
static void
note_counters(struct key *k, const struct msk *msk)
{
	if (msk)
		k->counter = msk_counter(msk, &k->seqs);
}

static void
unlend(struct card *c, size_t k)
{
	note_counters(&c->key[k], c->msk[k]);
	msk_free(c->msk[k]);
	c->msk[k] = NULL;
}

/* The same key again: its interval is replaced, SEQs stay at least at the lower limit (2.6 step 7). */
static void
renew(struct card *c, size_t at, const struct ltkm *l)
{
	struct key *k = &c->key[at];

	if (memcmp(k->rand, l->rand, RAND) != 0) {	/* not to be expected (2.3); then the STKMs are under the new one */
		unlend(c, at);
		memcpy(k->rand, l->rand, RAND);
	}
	k->lower = l->lower;
	k->upper = l->upper;
	if (k->seqs < k->lower)
		k->seqs = k->lower;
	if (c->msk[at])
		msk_interval(c->msk[at], k->lower, k->upper);
}

/* 0, or -1: no memory, and nothing has changed. */
static int
add(struct card *c, const struct ltkm *l, struct card_news *news)
{
	struct key k = { .ids = l->ids, .lower = l->lower, .upper = l->upper, .seqs = l->lower };
	int known = find_key(c, &l->ids), gone = known >= 0 ? known : to_evict(c, &l->ids);

	if (grow(c) < 0 || gw_secret_set(&k.key, l->key, KEY) < 0)
		return -1;
	memcpy(k.rand, l->rand, RAND);
	if (gone >= 0) {
		news->evicted = known < 0;
		news->gone = c->key[gone].ids;
		drop_key(c, (size_t)gone);
	}
	c->msk[c->nkeys] = NULL;
	c->key[c->nkeys++] = k;
	return 0;
}

static enum ltkm_result
keep(struct card *c, const struct ltkm *l, struct card_news *news)
{
	int at = find_key(c, &l->ids);

	news->change = CARD_INTERVAL;
	if (at >= 0 && gw_secret_equal(&c->key[at].key, l->key, KEY))
		renew(c, (size_t)at, l);
	else if (add(c, l, news) == 0)
		news->change = CARD_NEW_KEY;
	else
		return LTKM_FAILED;
	if (l->lower > l->upper)
		news->change = CARD_EXPIRED;
	news->lower = l->lower;
	news->upper = l->upper;
	return LTKM_KEY;
}

/* --- messages --------------------------------------------------------------------------------------------------------- */

/* Whose message it is. -1 with the result: nobody's, or none of ours. */
static int
find_peer(const struct card *c, const void *msg, size_t len, struct card_news *news)
{
	const struct ltkm_peer nobody = { .smk = (const uint8_t[MIKEY_SMK]){ 0 }, .naf = "", .btid = "" };
	char naf[CARD_NAME], btid[CARD_NAME];
	struct ltkm none;
	struct mikey m;
	int at = -1;

	if (mikey_decode(msg, len, &m, NULL) == 0 && ltkm_names(&m, naf, sizeof(naf), btid, sizeof(btid)))
		at = find_smk(c, naf, btid);
	if (at < 0) {	/* what else is wrong with it? With this counter nobody's key takes nothing, not even with names that are empty */
		news->result = ltkm_take(&nobody, UINT32_MAX, msg, len, &none, &news->err_no);
		if (news->result == LTKM_STALE)
			news->result = LTKM_UNKNOWN_SMK;
	}
	return at;
}

enum ltkm_result
card_take(struct card *c, const void *msg, size_t len, struct card_news *news)
{
	struct ltkm l;

	memset(news, 0, sizeof(*news));
	int at = find_peer(c, msg, len, news);
	if (at < 0)
		return news->result;
	struct smk *smk = &c->smk[at];
	const struct ltkm_peer peer = { slot_of(c)->smk[at], smk->naf, smk->btid };
	news->result = ltkm_take(&peer, smk->counter, msg, len, &l, &news->err_no);
	if (news->result == LTKM_STALE && smk->counter > 0 && ltkm_take(&peer, smk->counter - 1, msg, len, &l, &(uint8_t){ 0 }) == LTKM_KEY)
		news->again = l.verify;	/* a counter is spent on one message: it is the last one */
	else if (news->result == LTKM_KEY)
		news->result = keep(c, &l, news);
	if (news->result == LTKM_KEY || news->result == LTKM_PULL) {
		news->ids = l.ids;
		news->counter = smk->counter = l.counter;
	}
	if (news->again || (news->result == LTKM_KEY && l.verify))
		news->len = ltkm_verification(&peer, msg, len, news->answer, sizeof(news->answer), NULL);
	gw_cleanse(&l, sizeof(l));
	return news->result;
}

int
card_lend(struct card *c, struct msk_rx *rx)
{
	for (size_t k = 0; k < c->nkeys; k++) {
		struct key *key = &c->key[k];
		if (c->msk[k])
			continue;
		c->msk[k] = msk_new(&key->ids, key->key.p, key->rand, RAND, key->lower, key->upper, NULL);
		if (!c->msk[k])
			return -1;
		msk_resume(c->msk[k], key->counter, key->seqs);
	}
	rx->keys = c->msk;
	rx->nkeys = c->nkeys;
	return 0;
}

size_t
card_keys(const struct card *c, struct card_key *out, size_t max)
{
	for (size_t k = 0; k < c->nkeys && k < max; k++) {
		struct key now = c->key[k];
		note_counters(&now, c->msk[k]);
		out[k] = (struct card_key){ .ids = now.ids, .lower = now.lower, .upper = now.upper, .counter = now.counter, .seqs = now.seqs };
		gw_fingerprint(now.key.p, now.key.len, out[k].fingerprint);
	}
	return c->nkeys;
}

/* --- its state as octets ------------------------------------------------------------------------------------------------ */

/*
 * "SGcard" version(1), number of SMKs(1), each: counter(4), SMK(32), naf and B-TID, both length(1) and octets; number of keys(1), each:
 * domain(3), group(2), number(2), key(16), RAND(16), lower(2), upper(2), counter(4), seqs(2). Big-endian.
 */
static const uint8_t magic[8] = { 'S', 'G', 'c', 'a', 'r', 'd', 0, 1 };
struct out { uint8_t *p; size_t cap, len; };

static void
put(struct out *o, const void *p, size_t n)
{
	if (o->len <= o->cap && n <= o->cap - o->len)
		memcpy(o->p + o->len, p, n);
	o->len += n;
}

static void
put_number(struct out *o, uint32_t v, size_t n)
{
	while (n--)
		put(o, &(uint8_t){ (uint8_t)(v >> 8 * n) }, 1);
}

static void
put_name(struct out *o, const char *name)
{
	put_number(o, (uint32_t)strlen(name), 1);
	put(o, name, strlen(name));
}

static void
put_all(struct out *o, const struct card *c)
{
	put(o, magic, sizeof(magic));
	put_number(o, (uint32_t)c->nsmk, 1);
	for (size_t k = 0; k < c->nsmk; k++) {
		put_number(o, c->smk[k].counter, 4);
		put(o, slot_of(c)->smk[k], MIKEY_SMK);
		put_name(o, c->smk[k].naf);
		put_name(o, c->smk[k].btid);
	}
	put_number(o, (uint32_t)c->nkeys, 1);
	for (size_t k = 0; k < c->nkeys; k++) {
		struct key now = c->key[k];
		note_counters(&now, c->msk[k]);
		put(o, now.ids.domain, 3);
		put_number(o, now.ids.key_group, 2);
		put_number(o, now.ids.key_number, 2);
		put(o, now.key.p, KEY);
		put(o, now.rand, RAND);
		put_number(o, now.lower, 2);
		put_number(o, now.upper, 2);
		put_number(o, now.counter, 4);
		put_number(o, now.seqs, 2);
	}
}

size_t
card_save(const struct card *c, void *out, size_t cap)
{
	struct out o = { NULL, 0, 0 };

	put_all(&o, c);
	if (o.len <= cap) {
		o = (struct out){ out, cap, 0 };
		put_all(&o, c);
	}
	return o.len;
}

struct in { const uint8_t *p; size_t left; bool bad; };

/* NULL once there were too few. */
static const uint8_t *
get(struct in *i, size_t n)
{
	const uint8_t *p = i->p;

	i->bad |= n > i->left;
	if (i->bad)
		return NULL;
	i->p += n;
	i->left -= n;
	return p;
}

static uint32_t
get_number(struct in *i, size_t n)
{
	const uint8_t *p = get(i, n);
	uint32_t v = 0;

	while (p && n--)
		v = v << 8 | *p++;
	return v;
}

static void
get_name(struct in *i, char out[CARD_NAME])
{
	size_t n = get_number(i, 1);
	const uint8_t *p = get(i, n);

	i->bad |= p && memchr(p, 0, n);
	if (!i->bad)
		memcpy(out, p, n);
	out[i->bad ? 0 : n] = '\0';
}

static int
get_smk(struct in *i, struct card *c)
{
	char naf[CARD_NAME], btid[CARD_NAME];
	uint32_t counter = get_number(i, 4);
	const uint8_t *smk = get(i, MIKEY_SMK);

	get_name(i, naf);
	get_name(i, btid);
	if (i->bad || find_smk(c, naf, btid) >= 0)
		return -1;
	return card_smk(c, naf, btid, smk) == 0 ? card_set_counter(c, naf, btid, counter) : -1;
}

static int
get_key(struct in *i, struct card *c)
{
	const uint8_t *domain = get(i, 3);
	struct card_news news = { 0 };
	struct ltkm l = { 0 };

	l.ids.has_domain = l.ids.has_key = true;
	l.ids.key_group = (uint16_t)get_number(i, 2);
	l.ids.key_number = (uint16_t)get_number(i, 2);
	const uint8_t *key = get(i, KEY), *rand = get(i, RAND);
	l.lower = (uint16_t)get_number(i, 2);
	l.upper = (uint16_t)get_number(i, 2);
	uint32_t counter = get_number(i, 4);
	uint16_t seqs = (uint16_t)get_number(i, 2);
	if (i->bad)
		return -1;
	memcpy(l.ids.domain, domain, 3);
	memcpy(l.key, key, KEY);
	memcpy(l.rand, rand, RAND);
	int rc = find_key(c, &l.ids) < 0 ? add(c, &l, &news) : -1;
	gw_cleanse(&l, sizeof(l));
	if (rc < 0 || news.evicted)	/* one too many */
		return -1;
	c->key[c->nkeys - 1].counter = counter;
	c->key[c->nkeys - 1].seqs = seqs;
	return 0;
}

int
card_load(struct card *c, const void *state, size_t len, struct gw_err *err)
{
	struct in i = { state, len, false };
	const uint8_t *head = get(&i, sizeof(magic));
	struct card *made = card_new(), old = *c;
	int rc = made ? 0 : -1;

	if (!head || memcmp(head, magic, sizeof(magic)) != 0) {
		card_free(made);
		return gw_fail(err, GW_ECONF, "this is no state of a card, or one of another version");
	}
	for (size_t n = get_number(&i, 1); rc == 0 && n > 0; n--)
		rc = made->nsmk < CARD_SMKS ? get_smk(&i, made) : -1;
	for (size_t n = rc == 0 ? get_number(&i, 1) : 0; rc == 0 && n > 0; n--)
		rc = get_key(&i, made);
	if (rc < 0 || i.bad || i.left) {
		card_free(made);
		return gw_fail(err, GW_ECONF, "the state of a card is damaged, or there is no memory for its keys");
	}
	*c = *made;
	*made = old;
	card_free(made);
	return 0;
}
