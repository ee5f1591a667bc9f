/* kms/card_store.c: see card_store.h */
#include "kms/card_store.h"
#include <openssl/hmac.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "kms/keymgr.h"
#include "lib/secret.h"

enum { BATCH = 512, WAITING = 16384, ECM_IDS = 65536, HELD = 2, WHY = 240, HASH = 32 };

/* A request on its way, access criteria behind it. Its TEK alone is in locked memory, for there may be thousands. */
struct job {
	struct job *next;
	struct kms_request request;
	struct gw_secret block;
	const struct plug_key *key;	/* block's */
	int status;			/* > 0: it has a key; else what is answered */
	struct msk *sek; uint16_t tek_id;
	char why[WHY];
};
/* A stream's keys with their contexts, the latest first: between batches the one in use and the one before. */
struct held { struct held *next; int64_t id; struct msk *sek; };

struct card_store {
	struct kms_host host;
	card_seal *seal;
	const void *self;
	struct kms_store *reader;	/* the loop's */
	/* the thread's */
	pthread_t thread; bool running;
	struct kms_store *store;
	struct held *held[ECM_IDS];
	uint8_t ecm[KMS_ECM_MAX];
	/* between both */
	pthread_mutex_t lock; pthread_cond_t wake;
	struct job *first, **last;
	size_t waiting;
	bool stop;
};

/* --- one request -------------------------------------------------------------------------------------------------------- */

/* What the store remembers of a TEK: under the SEK, so that it tells nothing to who has the store alone. */
static int
hash(const struct kms_key *k, const struct tkm *t, uint8_t out[HASH])
{
	uint8_t text[64] = "simulgate spent TEK";
	size_t at = strlen((const char *)text) + 1, n = tkm_len(t);
	unsigned len = 0;

	text[at++] = t->layout->protocol;
	memcpy(text + at, t->cw, n);
	int rc = HMAC(EVP_sha256(), k->key, sizeof(k->key), text, at + n, out, &len) && len == HASH ? 0 : -1;
	gw_cleanse(text, sizeof(text));
	return rc;
}

/* The key's contexts. NULL: no memory. */
static struct msk *
hold(struct card_store *c, uint16_t ecm_id, const struct kms_key *k)
{
	const struct mikey_ids ids = { .has_domain = true, .has_key = true, .domain = { k->domain[0], k->domain[1], k->domain[2] },
		.key_group = k->group, .key_number = k->number };
	struct held *h = c->held[ecm_id];

	while (h && h->id != k->id)
		h = h->next;
	if (h)
		return h->sek;
	h = calloc(1, sizeof(*h));
	if (!h || !(h->sek = msk_new(&ids, k->key, k->rand, sizeof(k->rand), k->lower, k->upper, NULL))) {
		free(h);
		return NULL;
	}
	h->id = k->id;
	h->next = c->held[ecm_id];
	c->held[ecm_id] = h;
	return h->sek;
}

/* All but the latest `n`. */
static void
let_go(struct card_store *c, uint16_t ecm_id, size_t n)
{
	struct held **at = &c->held[ecm_id], *h;

	while (*at && n-- > 0)
		at = &(*at)->next;
	while ((h = *at)) {
		*at = h->next;
		msk_free(h->sek);
		free(h);
	}
}

static void
end(struct job *j)
{
	gw_secret_free(&j->block);
	free(j);
}

#define SAY(j, status, ...) plug_refuse(status, (j)->why, sizeof((j)->why), __VA_ARGS__)

/* The TEK ID is this TEK's: 1, or -error_status. */
static int
spend(struct card_store *c, struct job *j, const struct kms_key *k)
{
	uint8_t print[HASH];
	bool same = false;

	if (hash(k, &j->key->tkm, print) < 0)
		return SAY(j, PLUG_GENERATION_FAILURE, "OpenSSL gives no SHA-256");
	switch (kms_tek_spend(c->store, k->id, j->tek_id, print, &same)) {
	case GW_WON:
		break;
	case GW_EXISTS:
		if (!same)
			return SAY(j, PLUG_BAD_VALUE, "CP_number %u: TEK ID %u of %04x%04x was used for another TEK", j->request.cp_number, j->tek_id,
			    k->group, k->number);
		break;
	default:
		return SAY(j, PLUG_NO_RESOURCES, "the store of keys is not available");
	}
	j->sek = hold(c, j->request.ecm_id, k);
	return j->sek ? 1 : SAY(j, PLUG_NO_RESOURCES, "no memory for keys");
}

static int
find_key(struct card_store *c, struct job *j, int64_t now_us)
{
	const struct kms_request *r = &j->request;
	struct kms_key k;
	int status = 0;

	switch (keymgr_at(c->store, NULL, r->ecm_id, r->cp_number, now_us, &k, &j->tek_id)) {
	case KEYMGR_KEY:
		status = spend(c, j, &k);
		break;
	case KEYMGR_NO_PROGRAMME:
		break;		/* nothing is sold: no STKM */
	case KEYMGR_BEYOND:
		status = SAY(j, PLUG_GENERATION_FAILURE, "CP_number %u is beyond the interval of every key of ECM_id %u; a roll of its keys takes any",
		    r->cp_number, r->ecm_id);
		break;
	case KEYMGR_UNKNOWN:
		status = SAY(j, PLUG_UNKNOWN_ECM_ID, "no service in the store has a stream with ECM_id %u", r->ecm_id);
		break;
	case KEYMGR_LATER:
		status = SAY(j, PLUG_NO_RESOURCES, "the store of keys is not available");
		break;
	}
	gw_cleanse(&k, sizeof(k));
	return status;
}

static void
answer(struct card_store *c, struct job *j)
{
	const struct plug_call call = { &j->request, c->ecm, sizeof(c->ecm), j->why, sizeof(j->why) };
	const struct msk_plan plan = { .tek_id = j->tek_id, .spent = true };
	int n = j->status;

	if (n > 0)
		n = c->seal(c->self, j->sek, &plan, j->key, &call);
	c->host.answer(c->host.ctx, j->request.handle, c->ecm, n > 0 ? (size_t)n : 0, n < 0 ? n : 0, j->why);
}

/* --- the thread --------------------------------------------------------------------------------------------------------- */

static int64_t
utc_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static struct job *
take(struct card_store *c)
{
	struct job *batch = c->first, *j = batch;

	for (size_t n = 1; j->next && n < BATCH; n++)
		j = j->next;
	c->first = j->next;
	if (!c->first)
		c->last = &c->first;
	j->next = NULL;
	return batch;
}

static void
serve(struct card_store *c, struct job *batch)
{
	const int64_t now_us = utc_us();
	bool lost = false;

	kms_store_begin(c->store);
	for (struct job *j = batch; j && !lost; j = j->next) {
		j->status = find_key(c, j, now_us);
		lost = j->status == -PLUG_NO_RESOURCES;
	}
	if (lost)
		kms_store_drop(c->store);
	else
		lost = kms_store_flush(c->store) != GW_WON;
	for (struct job *j = batch; j; j = j->next) {
		if (lost)
			j->status = SAY(j, PLUG_NO_RESOURCES, "the store of keys is not available");
		answer(c, j);
	}
	for (struct job *j = batch, *next; j; j = next) {	/* whose keys no job needs any more */
		next = j->next;
		let_go(c, j->request.ecm_id, HELD);
		end(j);
	}
}

static void *
work(void *self)
{
	struct card_store *c = self;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (!c->stop && !c->first)
			pthread_cond_wait(&c->wake, &c->lock);
		if (c->stop)
			break;
		struct job *batch = take(c);
		for (struct job *j = batch; j; j = j->next)
			c->waiting--;
		pthread_mutex_unlock(&c->lock);
		serve(c, batch);
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* --- the loop's side ---------------------------------------------------------------------------------------------------- */

static int
start(struct card_store *c, struct gw_err *err)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);	/* signals are the loop's */
	c->running = pthread_create(&c->thread, NULL, work, c) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return c->running ? 0 : gw_fail(err, GW_ESYS, "no thread for the store of keys");
}

int
card_store_open(const char *path, const char *master, const struct kms_host *host, card_seal *seal, const void *self, struct card_store **out,
    struct gw_err *err)
{
	const struct kms_store_conf conf = { .path = path, .master = master, .create = false };
	struct card_store *c = calloc(1, sizeof(*c));

	if (!c)
		return gw_fail(err, GW_ESYS, "no memory");
	c->host = *host;
	c->seal = seal;
	c->self = self;
	c->last = &c->first;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	if (kms_store_open(&conf, &c->reader, err) < 0 || kms_store_open(&conf, &c->store, err) < 0 || start(c, err) < 0) {
		card_store_close(c);
		return -1;
	}
	*out = c;
	return 0;
}

void
card_store_close(struct card_store *c)
{
	struct job *j;

	if (!c)
		return;
	if (c->running) {
		pthread_mutex_lock(&c->lock);
		c->stop = true;
		pthread_cond_signal(&c->wake);
		pthread_mutex_unlock(&c->lock);
		pthread_join(c->thread, NULL);
	}
	while ((j = c->first)) {
		c->first = j->next;
		end(j);
	}
	for (size_t i = 0; i < ECM_IDS; i++)
		let_go(c, (uint16_t)i, 0);
	kms_store_close(c->store);
	kms_store_close(c->reader);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

bool
card_store_knows(struct card_store *c, uint16_t ecm_id)
{
	struct kms_service v;
	enum kms_kind kind;

	return kms_stream_get(c->reader, ecm_id, &v, &kind) != GW_EXISTS;
}

int
card_store_ecm(struct card_store *c, const struct plug_call *call, const struct plug_key *key)
{
	const struct kms_request *r = call->r;
	struct job *j = calloc(1, sizeof(*j) + r->access_criteria_len);

	if (!j || gw_secret_set(&j->block, key, sizeof(*key)) < 0) {
		free(j);
		return PLUG_NO(call, PLUG_NO_RESOURCES, "no memory, or no locked memory, for a request");
	}
	j->key = (const struct plug_key *)(const void *)j->block.p;
	j->request = *r;
	j->request.cws = NULL;
	j->request.ncws = 0;
	if (r->access_criteria_len) {
		memcpy(j + 1, r->access_criteria, r->access_criteria_len);
		j->request.access_criteria = (const uint8_t *)(j + 1);
	}
	pthread_mutex_lock(&c->lock);
	bool full = c->waiting >= WAITING;
	if (!full) {
		*c->last = j;
		c->last = &j->next;
		c->waiting++;
		pthread_cond_signal(&c->wake);
	}
	pthread_mutex_unlock(&c->lock);
	if (!full)
		return KMS_LATER;
	end(j);
	return PLUG_NO(call, PLUG_NO_RESOURCES, "too many requests wait for the store of keys");
}
