/* terminal/subscriber.c: see subscriber.h */
#include "terminal/subscriber.h"
#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kms/mbms_xml.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/secret.h"
#include "terminal/memory.h"

enum { S = 1000000 };
/*
 * PATIENCE: for a reply; AGAIN_*: after failures in a row, doubled each time; REBOOT: between bootstrappings that the BSM's not knowing the
 * B-TID led to, the first apart, forgotten after CALM; PULL_GAP: between registrations that pulls ask for; GROUP_*: between requests for
 * one Key Group (3.5), doubled while no LTKM comes.
 */
enum { PATIENCE = 15 * S, AGAIN_LEAST = 1 * S, AGAIN_MOST = 300 * S, REBOOT_LEAST = 10 * S, CALM = 600 * S, PULL_GAP = 3 * S, GROUP_LEAST = 30 * S,
	GROUP_MOST = 300 * S };
enum { WANTS = 64, ANSWERS = 8, URL = EXCHANGE_URL };

enum event { START, WAKE, UB_OK, ACCEPTED, REFUSED, FAILED, UNKNOWN, EXPIRED, PULLED, STOP, ENDED };
static const char *const states[] = { "OFF", "NO_GBA", "BOOTSTRAPPING", "BOOTSTRAPPED", "REGISTERING", "REGISTERED", "DEREGISTERING", "OVER" };
static const char *const events[] = { "START", "WAKE", "UB_OK", "ACCEPTED", "REFUSED", "FAILED", "UNKNOWN", "EXPIRED", "PULLED", "STOP", "ENDED" };
const char *const sub_procedures[] = { "bootstrap", "register", "deregister", "msk-request", "stkm" };
const char *const sub_bearers[] = { "udp", "sms" };
const char *const sub_results[] = { [LTKM_KEY] = "key", [LTKM_PULL] = "pull", [LTKM_STALE] = "stale", [LTKM_BAD_MAC] = "bad_mac",
	[LTKM_UNKNOWN_SMK] = "unknown_smk", [LTKM_MALFORMED] = "malformed", [LTKM_UNSUPPORTED] = "unsupported", [LTKM_TRUNCATED] = "truncated",
	[LTKM_FAILED] = "failed" };

struct keys { struct exchange_keys exchange; uint8_t srk[32]; };
/* A Key Group of which an LTKM is to be asked for. */
struct want {
	bool used, barred;		/* barred: the BSM says never (403, 404), until the next registration or pull */
	uint8_t domain[3]; uint16_t group, number;	/* number 0: the current one */
	int64_t due_us, asked_us;	/* INT64_MAX: nothing is wanted; when it was asked for last, 0: never */
	unsigned tries;			/* without an LTKM */
	bool asking;			/* in the request that is outstanding */
};
struct answered { uint8_t mark[32]; size_t len; uint8_t octets[SUB_ANSWER]; };

struct subscriber {
	struct sub_conf conf;
	const struct sub_ops *ops;
	void *self;
	struct gw_state fsm;
	struct sub_clock now;
	struct gw_secret room; struct keys *keys;	/* locked */
	struct card *card;
	uint8_t sqn[6];			/* the last one that the card accepted */
	char btid[MEMORY_NAME];		/* "": none */
	int64_t since_us, expires_us;	/* of the B-TID, UTC */
	char nonce[DIGEST_TEXT];	/* that the BSM gave for the next request */
	int64_t again_us;		/* when WAKE is due; INT64_MAX: not by itself */
	unsigned failures;		/* in a row */
	unsigned unknowns; int64_t unknown_us;
	bool pulled;			/* another registration is to follow */
	int64_t registered_us;		/* when it began to register last */
	size_t services;
	bool stale;			/* the card's counter was put where the operator wants it */
	int64_t forget_us;
	/* the request that is outstanding */
	bool busy; enum sub_procedure procedure; unsigned id; int64_t patience_us;
	struct exchange exchange;
	char url[URL], *body;
	struct want wants[WANTS];
	size_t stkm, fetched; int64_t stkm_us;	/* the STKM that is fetched next; the one that is being fetched; when another round begins */
	struct answered answered[ANSWERS]; size_t nanswered;
	uint32_t drops, spoils;		/* still to be done on purpose */
	struct sub_counts counts;
	char trouble[sizeof(((struct exchange *)0)->why)];
	struct gw_rate rate;
};

/* ---- time ---- */

static uint64_t
draw(uint64_t below)
{
	uint64_t r;

	gw_random(&r, sizeof(r));
	return below ? r % below : 0;
}

/* After the nth failure in a row: from half of LEAST * 2^(n-1), at most MOST, up to the whole. */
static int64_t
back_off_us(unsigned n, int64_t least, int64_t most)
{
	int64_t d = n < 20 ? least << (n ? n - 1 : 0) : most;

	if (d > most)
		d = most;
	return d / 2 + (int64_t)draw((uint64_t)d / 2 + 1);
}

static void
wake_in(struct subscriber *s, int64_t us)
{
	s->again_us = us == INT64_MAX ? INT64_MAX : s->now.mono_us + us;
}

static bool
has_context(const struct subscriber *s)
{
	return s->btid[0] != '\0';
}

/* ---- what is remembered ---- */

static const char *
whose(const struct subscriber *s)
{
	return s->conf.usim->provision == USIM_KEYS ? s->conf.usim->btid : s->conf.usim->impi;
}

static int
save_it(struct subscriber *s, bool lasting)
{
	struct gw_secret m, octets;
	int rc = -1;

	if (gw_secret_new(&m, sizeof(struct memory)) < 0)
		return -1;
	if (gw_secret_new(&octets, MEMORY_MAX) == 0) {
		struct memory *r = (struct memory *)(void *)m.p;
		snprintf(r->whose, sizeof(r->whose), "%s", whose(s));
		memcpy(r->sqn, s->sqn, sizeof(r->sqn));
		snprintf(r->btid, sizeof(r->btid), "%s", s->btid);
		memcpy(r->srk, s->keys->srk, sizeof(r->srk));
		r->since_us = s->since_us;
		r->expires_us = s->expires_us;
		r->card_len = card_save(s->card, r->card, sizeof(r->card));
		size_t n = r->card_len <= sizeof(r->card) ? memory_write(r, octets.p, octets.len) : 0;
		rc = n ? s->ops->save(s->self, octets.p, n, lasting) : -1;
		gw_secret_free(&octets);
	}
	gw_secret_free(&m);
	if (rc < 0)
		s->counts.unsaved++;
	return rc;
}

static int
save(struct subscriber *s)
{
	return save_it(s, true);
}

void
subscriber_counted(struct subscriber *s)
{
	(void)save_it(s, false);
}

static int
recall(struct subscriber *s, const void *octets, size_t len, struct gw_err *err)
{
	struct gw_secret room;
	int rc;

	if (gw_secret_new(&room, sizeof(struct memory)) < 0)
		return gw_fail(err, GW_ESYS, "no locked memory");
	struct memory *m = (struct memory *)(void *)room.p;
	rc = memory_read(octets, len, m, err);
	if (rc == 0 && strcmp(m->whose, whose(s)) != 0)
		rc = gw_fail(err, GW_ESTORE, "it is of %.120s, not of %.120s", m->whose, whose(s));
	if (rc == 0 && (rc = card_load(s->card, m->card, m->card_len, err)) == 0) {
		memcpy(s->sqn, m->sqn, sizeof(s->sqn));
		memcpy(s->btid, m->btid, sizeof(s->btid));
		memcpy(s->keys->srk, m->srk, sizeof(s->keys->srk));
		s->since_us = m->since_us;
		s->expires_us = m->expires_us;
	}
	gw_secret_free(&room);
	return rc;
}

/* ---- the B-TID and its keys ---- */

static void
make_stale(struct subscriber *s)
{
	const struct term_misbehave *m = &s->conf.misbehave;

	if (!m->fault[TERM_STALE_COUNTER].on || s->stale)
		return;
	s->stale = true;	/* the next one is right again */
	card_set_counter(s->card, s->conf.usim->naf, s->btid, m->fault[TERM_STALE_COUNTER].value);
}

static int
take_keys(struct subscriber *s, const char *btid, const uint8_t smk[32], const uint8_t srk[32], int64_t expires_us)
{
	if (card_smk(s->card, s->conf.usim->naf, btid, smk) < 0)
		return -1;
	snprintf(s->btid, sizeof(s->btid), "%s", btid);
	memmove(s->keys->srk, srk, sizeof(s->keys->srk));
	s->since_us = s->now.utc_us;
	s->expires_us = expires_us;
	s->nonce[0] = '\0';
	make_stale(s);
	return 0;
}

/* Keys that the card was given: no bootstrapping. Their life begins when they are used first. */
static int
given_keys(struct subscriber *s)
{
	const struct usim *u = s->conf.usim;
	int64_t expires = u->lifetime_ms ? s->now.utc_us + (int64_t)u->lifetime_ms * 1000 : INT64_MAX;
	struct gw_secret made;
	int rc;

	if (u->provision == USIM_KEYS)
		return take_keys(s, u->btid, u->smk.p, u->srk.p, expires);
	if (gw_secret_new(&made, 64) < 0)
		return -1;
	rc = gba_naf_keys(u->ks.p, u->rand, u->impi, u->naf, u->gba_me, made.p, made.p + 32);
	if (rc == 0)
		rc = take_keys(s, u->btid, made.p, made.p + 32, expires);
	gw_secret_free(&made);
	return rc;
}

static int
bootstrapped_keys(struct subscriber *s, const char *btid, int64_t expires_us)
{
	const struct usim *u = s->conf.usim;
	const struct gba_vector *v = &s->keys->exchange.vector;
	struct gw_secret made;
	int rc;

	if (gw_secret_new(&made, 64) < 0)
		return -1;
	rc = gba_naf_keys(v->ks, v->rand, u->impi, u->naf, u->gba_me, made.p, made.p + 32);
	if (rc == 0)
		rc = take_keys(s, btid, made.p, made.p + 32, expires_us);
	gw_secret_free(&made);
	return rc;
}

/* ---- requests ---- */

/* From within an action or without. */
static void
raise_event(struct subscriber *s, enum event e)
{
	if (s->fsm.running)
		gw_fsm_post(&s->fsm, (int)e);
	else
		gw_fsm_feed(&s->fsm, s, (int)e, NULL);
}

static void
trouble(struct subscriber *s, const char *why)
{
	snprintf(s->trouble, sizeof(s->trouble), "%s", why);
	gw_log_limited(&s->rate, GW_WARNING, "request_failed", why, "terminal=%s request=%s failures=%u", s->conf.name,
	    sub_procedures[s->procedure], s->failures);
}

static void
hand_over(struct subscriber *s)
{
	const struct exchange *x = &s->exchange;
	const struct sub_request r = { .id = ++s->id, .method = x->method, .url = x->url, .headers = x->headers, .body = x->body, .len = x->len };

	s->busy = true;
	s->patience_us = s->now.mono_us + PATIENCE;
	s->counts.sent[s->procedure]++;
	if (s->ops->request(s->self, &r) < 0)
		s->patience_us = s->now.mono_us;	/* its time is over at once */
}

static void ask_later(struct subscriber *);

static void
give_up(struct subscriber *s)
{
	if (s->busy && s->procedure == SUB_MSK)
		ask_later(s);
	s->busy = false;
	s->id++;	/* a reply that still comes is nobody's */
	free(s->body);
	s->body = NULL;
	gw_cleanse(&s->keys->exchange, sizeof(s->keys->exchange));
}

/* What fails of these changes nothing in its being registered. */
static bool
in_passing(enum sub_procedure p)
{
	return p == SUB_MSK || p == SUB_STKM;
}

static void
failed(struct subscriber *s, const char *why)
{
	s->counts.failed[s->procedure]++;
	trouble(s, why);
	if (s->procedure == SUB_STKM && s->stkm_us < s->now.mono_us + (int64_t)s->exchange.retry_after_s * S)
		s->stkm_us = s->now.mono_us + (int64_t)s->exchange.retry_after_s * S;
	if (s->procedure == SUB_MSK)
		ask_later(s);
	give_up(s);
	if (!in_passing(s->procedure))
		raise_event(s, FAILED);
}

static void
bootstrap(void *self, const void *arg)
{
	struct subscriber *s = self;

	(void)arg;
	s->procedure = SUB_BOOTSTRAP;
	if (s->conf.usim->provision != USIM_MILENAGE) {
		if (!has_context(s) && (given_keys(s) < 0 || save(s) < 0))
			failed(s, "the card's keys cannot be used or kept");
		else
			raise_event(s, UB_OK);
	} else if (!s->conf.bsf_url || exchange_bootstrap(&s->exchange, s->conf.usim, &s->keys->exchange, s->sqn, s->conf.bsf_url) < 0) {
		failed(s, "the address of the BSF is none, or too long");
	} else {
		hand_over(s);
	}
}

/* The body is s->body. */
static void
post(struct subscriber *s, enum sub_procedure p, enum mbms_procedure type)
{
	const char *base = s->conf.bsm_url, *sep = strchr(base, '?') ? "&" : "?";
	char nonce[DIGEST_TEXT];

	s->procedure = p;
	memcpy(nonce, s->nonce, sizeof(nonce));
	s->nonce[0] = '\0';	/* good for one request */
	if (!s->body || snprintf(s->url, sizeof(s->url), "%s%srequesttype=%s", base, sep, mbms_request_type(type)) >= (int)sizeof(s->url) ||
	    exchange_post(&s->exchange, s->conf.usim, &s->keys->exchange, s->btid, s->keys->srk, s->url, mbms_media_type(type, false), s->body, nonce) < 0)
		failed(s, "the request cannot be made");
	else
		hand_over(s);
}

static char *
all_services(enum mbms_procedure p)
{
	struct mbms_item *item = calloc(1, sizeof(*item));
	const struct mbms_list list = { item, 1 };
	char *text;

	if (!item)
		return NULL;
	snprintf(item->service, sizeof(item->service), "%s", mbms_all_services);
	text = mbms_request_print(p, &list);
	free(item);
	return text;
}

static void
enroll(void *self, const void *arg)
{
	struct subscriber *s = self;

	(void)arg;
	give_up(s);	/* an LTKM Request that is outstanding: registration is first */
	s->again_us = INT64_MAX;
	s->pulled = false;
	s->registered_us = s->now.mono_us;
	s->body = all_services(MBMS_REGISTER);
	post(s, SUB_REGISTER, MBMS_REGISTER);
}

static void
resign(void *self, const void *arg)
{
	struct subscriber *s = self;

	(void)arg;
	give_up(s);
	wake_in(s, SUB_STOP_US);	/* then it is over without an answer */
	s->body = all_services(MBMS_DEREGISTER);
	post(s, SUB_DEREGISTER, MBMS_DEREGISTER);
}

/* ---- LTKM Requests (3.5) ---- */

static struct want *
want_of(struct subscriber *s, const uint8_t domain[3], uint16_t group)
{
	for (size_t i = 0; i < WANTS; i++)
		if (s->wants[i].used && s->wants[i].group == group && memcmp(s->wants[i].domain, domain, 3) == 0)
			return &s->wants[i];
	return NULL;
}

/* A place for one more; those of which nothing is wanted any more give theirs. NULL: there are too many. */
static struct want *
new_want(struct subscriber *s, const uint8_t domain[3], uint16_t group)
{
	struct want *free_one = NULL;

	for (size_t i = 0; i < WANTS && !free_one; i++) {
		struct want *w = &s->wants[i];
		if (!w->used || (w->due_us == INT64_MAX && !w->barred && w->asked_us + GROUP_MOST <= s->now.mono_us))
			free_one = w;
	}
	if (free_one) {
		*free_one = (struct want){ .used = true, .group = group, .due_us = INT64_MAX };
		memcpy(free_one->domain, domain, 3);
	}
	return free_one;
}

static void
want(struct subscriber *s, const struct mikey_ids *ids, uint16_t number, bool anew)
{
	struct want *w = want_of(s, ids->domain, ids->key_group);
	int64_t at = s->now.mono_us + (int64_t)draw(s->conf.usim->request_delay_ms * 1000 + 1), least;

	if (!w && !(w = new_want(s, ids->domain, ids->key_group)))
		return;
	if (anew) {
		w->barred = false;
		w->tries = 0;
		w->due_us = INT64_MAX;
	}
	w->number = number;
	if (w->barred || w->due_us != INT64_MAX || w->asking)
		return;
	least = w->asked_us ? w->asked_us + (w->tries > 1 ? back_off_us(w->tries, GROUP_LEAST, GROUP_MOST) : 0) : at;
	if (w->asked_us && least < w->asked_us + GROUP_LEAST)
		least = w->asked_us + GROUP_LEAST;
	w->due_us = at > least ? at : least;
}

void
subscriber_wants(struct subscriber *s, const struct mikey_ids *ids, bool beyond, struct sub_clock now)
{
	s->now = now;
	if (ids->has_domain && ids->has_key && ids->key_group != 0)
		want(s, ids, beyond ? 0 : ids->key_number, false);
}

/* It has come, or the BSM was asked to send all. */
static void
content(struct subscriber *s, const struct mikey_ids *ids)
{
	struct want *w = want_of(s, ids->domain, ids->key_group);

	if (!w)
		return;
	w->due_us = INT64_MAX;
	w->barred = false;
	w->tries = 0;
}

static int64_t
next_want(const struct subscriber *s)
{
	int64_t at = INT64_MAX;

	for (size_t i = 0; i < WANTS; i++)
		if (s->wants[i].used && s->wants[i].due_us < at)
			at = s->wants[i].due_us;
	return at;
}

static char *
list_wants(struct subscriber *s)
{
	struct mbms_list list = { calloc(WANTS, sizeof(struct mbms_item)), 0 };
	char *text;

	for (size_t i = 0; list.items && i < WANTS; i++) {
		struct want *w = &s->wants[i];
		if (!w->used || w->due_us > s->now.mono_us)
			continue;
		struct mikey_ids *k = &list.items[list.n++].key;
		*k = (struct mikey_ids){ .has_domain = true, .has_key = true, .key_group = w->group, .key_number = w->number };
		memcpy(k->domain, w->domain, sizeof(k->domain));
		w->asking = true;
		w->asked_us = s->now.mono_us;
		w->due_us = INT64_MAX;
		w->tries++;
	}
	text = list.n ? mbms_request_print(MBMS_MSK, &list) : NULL;
	free(list.items);
	return text;
}

static void
ask_for_keys(struct subscriber *s)
{
	s->body = list_wants(s);
	post(s, SUB_MSK, MBMS_MSK);
}

/* What was not answered with 200 is asked for again: the intervals grow with the tries. */
static void
ask_later(struct subscriber *s)
{
	for (size_t i = 0; i < WANTS; i++) {
		struct want *w = &s->wants[i];
		if (w->used && w->asking && !w->barred)
			w->due_us = s->now.mono_us + GROUP_LEAST + back_off_us(w->tries, GROUP_LEAST, GROUP_MOST);
		w->asking = false;
	}
}

static void
keys_answered(struct subscriber *s, const void *body, size_t len)
{
	struct mbms_list list = { 0 };
	struct gw_err err = { 0 };

	if (mbms_response_parse(MBMS_MSK, body, len, &list, &err) < 0)
		gw_log_limited(&s->rate, GW_WARNING, "response_malformed", err.text, "terminal=%s request=%s", s->conf.name, sub_procedures[SUB_MSK]);
	for (size_t i = 0; i < list.n; i++) {
		const struct mbms_item *it = &list.items[i];
		struct want *w = want_of(s, it->key.domain, it->key.key_group);
		gw_log(GW_INFO, "keys_requested", NULL, "terminal=%s key_group=0x%04x key_number=0x%04x code=%u", s->conf.name, it->key.key_group,
		    it->key.key_number, it->code);
		if (!w || !w->asking || it->code == MBMS_TRY_LATER)
			continue;
		w->asking = false;	/* 200: it comes by itself; else never */
		w->barred = it->code != 200;
	}
	mbms_list_free(&list);
	ask_later(s);
}

/* ---- STKMs over the interaction channel ---- */

/* The next of them; a round of all begins so often. */
static void
fetch_stkm(struct subscriber *s)
{
	char nonce[DIGEST_TEXT];
	const char *url = s->conf.stkm_urls[s->stkm];

	if (s->stkm == 0)
		s->stkm_us = s->now.mono_us + s->conf.stkm_poll_us;
	s->fetched = s->stkm;
	s->stkm = (s->stkm + 1) % s->conf.nstkm_urls;
	s->procedure = SUB_STKM;
	memcpy(nonce, s->nonce, sizeof(nonce));
	s->nonce[0] = '\0';
	snprintf(s->url, sizeof(s->url), "%s", url);
	if (strlen(url) >= sizeof(s->url) ||
	    exchange_get(&s->exchange, s->conf.usim, &s->keys->exchange, s->btid, s->keys->srk, s->url, nonce) < 0)
		failed(s, "the request cannot be made");
	else
		hand_over(s);
}

static int64_t
next_stkm(const struct subscriber *s)
{
	return s->conf.nstkm_urls == 0 ? INT64_MAX : s->stkm ? s->now.mono_us : s->stkm_us;
}

static void
stkm_fetched(struct subscriber *s, const struct exchange_reply *r)
{
	s->counts.done[SUB_STKM]++;
	s->trouble[0] = '\0';
	give_up(s);
	s->ops->stkm(s->self, s->fetched, r->body, r->len);
}

/* ---- the machine ---- */

static void
wake_now(void *self, const void *arg)
{
	struct subscriber *s = self;

	(void)arg;
	raise_event(s, !has_context(s) ? UNKNOWN : s->expires_us <= s->now.utc_us ? EXPIRED : WAKE);
}

static void
bootstrapped(void *self, const void *arg)
{
	struct subscriber *s = self;

	(void)arg;
	gw_log(GW_INFO, "bootstrapped", NULL, "terminal=%s btid=%s", s->conf.name, s->btid);
	raise_event(s, WAKE);
}

static void
back_off(void *self, const void *arg)
{
	struct subscriber *s = self;
	int64_t wait = back_off_us(++s->failures, AGAIN_LEAST, AGAIN_MOST), said = (int64_t)s->exchange.retry_after_s * S;

	(void)arg;
	if (said > wait)
		wait = said + (int64_t)draw((uint64_t)said / 10 + 1);
	wake_in(s, wait);
}

/* The BSM said no for good: only a pull, or a new start, lets it try again. */
static void
stay_away(void *self, const void *arg)
{
	(void)arg;
	wake_in(self, INT64_MAX);
}

static void
registered(void *self, const void *arg)
{
	struct subscriber *s = self;
	int64_t life = (int64_t)s->conf.usim->registration_ms * 1000, left = s->expires_us - s->now.utc_us;

	(void)arg;
	s->failures = 0;
	s->trouble[0] = '\0';
	for (size_t i = 0; i < WANTS; i++)
		s->wants[i].barred = false;
	life = (left < life ? left : life) / 2;
	wake_in(s, life - (int64_t)draw((uint64_t)(life > 0 ? life : 0) / 10 + 1));
	gw_log(GW_INFO, "registered", NULL, "terminal=%s btid=%s services=%zu again_s=%lld", s->conf.name, s->btid, s->services,
	    (long long)(s->again_us - s->now.mono_us) / S);
	if (s->pulled)
		raise_event(s, PULLED);
}

static void
forget_btid(struct subscriber *s)
{
	s->btid[0] = '\0';
	s->expires_us = 0;
	gw_cleanse(s->keys->srk, sizeof(s->keys->srk));
	give_up(s);
}

/*
 * Its B-TID is not known at the BSM. A card that bootstraps gets another one: at once the first time, then later and later. One with
 * given keys has no other and asks again.
 */
static void
unknown(void *self, const void *arg)
{
	struct subscriber *s = self;
	const bool again = s->unknown_us && s->now.mono_us - s->unknown_us < CALM;

	(void)arg;
	s->unknowns = again ? s->unknowns + 1 : 1;
	s->unknown_us = s->now.mono_us ? s->now.mono_us : 1;
	if (s->conf.usim->provision == USIM_MILENAGE) {
		if (has_context(s))
			gw_log(GW_NOTICE, "btid_unknown", "the BSM does not know the B-TID: it bootstraps again", "terminal=%s btid=%s", s->conf.name, s->btid);
		forget_btid(s);
	}
	wake_in(s, s->unknowns > 1 || s->conf.usim->provision != USIM_MILENAGE ? back_off_us(s->unknowns, REBOOT_LEAST, AGAIN_MOST) : 0);
}

static void
first(void *self, const void *arg)
{
	(void)arg;
	wake_in(self, 0);
}

static void
expired(void *self, const void *arg)
{
	struct subscriber *s = self;

	(void)arg;
	gw_log(GW_NOTICE, "btid_expired", NULL, "terminal=%s btid=%s", s->conf.name, s->btid);
	if (s->conf.usim->provision == USIM_MILENAGE) {
		forget_btid(s);
		wake_in(s, 0);
	} else {
		give_up(s);
		wake_in(s, INT64_MAX);	/* there are no others */
		snprintf(s->trouble, sizeof(s->trouble), "the given keys have expired");
	}
}

static void
pull_again(void *self, const void *arg)
{
	struct subscriber *s = self;
	int64_t at = s->registered_us + PULL_GAP;

	(void)arg;
	s->pulled = true;
	if (s->again_us > at)
		s->again_us = at > s->now.mono_us ? at : s->now.mono_us;
}

static void
note_pull(void *self, const void *arg)
{
	(void)arg;
	((struct subscriber *)self)->pulled = true;
}

static void
leave(void *self, const void *arg)
{
	struct subscriber *s = self;

	(void)arg;
	give_up(s);
	wake_in(s, INT64_MAX);
	(void)save(s);	/* the counters of STKMs, too */
	s->ops->over(s->self);
}

static void
stray(void *self, int state, int event, const void *arg)
{
	(void)self;
	(void)state;
	(void)event;
	(void)arg;
}

static const struct gw_edge edges[] = {
	/* in state            on event  go to                then do      */
	{ SUB_OFF,           START,    SUB_BOOTSTRAPPED,  wake_now      },
	{ SUB_BOOTSTRAPPED,  UNKNOWN,  SUB_NO_GBA,        first         },	/* there is no B-TID yet */
	{ SUB_NO_GBA,        WAKE,     SUB_BOOTSTRAPPING, bootstrap     },
	{ SUB_NO_GBA,        PULLED,   GW_SAME,           NULL          },	/* it is about to register anyway */
	{ SUB_BOOTSTRAPPING, UB_OK,    SUB_BOOTSTRAPPED,  bootstrapped  },
	{ SUB_BOOTSTRAPPING, FAILED,   SUB_NO_GBA,        back_off      },
	{ SUB_BOOTSTRAPPING, PULLED,   GW_SAME,           NULL          },
	{ SUB_BOOTSTRAPPED,  WAKE,     SUB_REGISTERING,   enroll        },
	{ SUB_BOOTSTRAPPED,  PULLED,   GW_SAME,           pull_again    },
	{ SUB_BOOTSTRAPPED,  EXPIRED,  SUB_NO_GBA,        expired       },
	{ SUB_REGISTERING,   ACCEPTED, SUB_REGISTERED,    registered    },
	{ SUB_REGISTERING,   REFUSED,  SUB_BOOTSTRAPPED,  stay_away     },
	{ SUB_REGISTERING,   FAILED,   SUB_BOOTSTRAPPED,  back_off      },
	{ SUB_REGISTERING,   UNKNOWN,  SUB_NO_GBA,        unknown       },
	{ SUB_REGISTERING,   EXPIRED,  SUB_NO_GBA,        expired       },
	{ SUB_REGISTERING,   PULLED,   GW_SAME,           note_pull     },
	{ SUB_REGISTERING,   STOP,     SUB_DEREGISTERING, resign        },	/* the BSM may have done it */
	{ SUB_REGISTERED,    WAKE,     SUB_REGISTERING,   enroll        },
	{ SUB_REGISTERED,    PULLED,   GW_SAME,           pull_again    },
	{ SUB_REGISTERED,    UNKNOWN,  SUB_NO_GBA,        unknown       },
	{ SUB_REGISTERED,    EXPIRED,  SUB_NO_GBA,        expired       },
	{ SUB_REGISTERED,    STOP,     SUB_DEREGISTERING, resign        },
	{ SUB_DEREGISTERING, STOP,     GW_SAME,           NULL          },
	{ SUB_DEREGISTERING, WAKE,     SUB_OVER,          leave         },	/* it took too long */
	{ SUB_DEREGISTERING, FAILED,   SUB_OVER,          leave         },
	{ SUB_DEREGISTERING, ENDED,    SUB_OVER,          leave         },
	{ SUB_OVER,          STOP,     GW_SAME,           NULL          },
	{ GW_ANY,            STOP,     SUB_OVER,          leave         },
};
const struct gw_fsm sub_fsm = { "subscriber", edges, sizeof(edges) / sizeof(edges[0]), states, SUB_STATES, events, sizeof(events) / sizeof(events[0]), stray };

static void
feed(struct subscriber *s, enum event e)
{
	gw_fsm_feed(&s->fsm, s, e, NULL);
}

/* ---- replies ---- */

/* It goes into headers: base64(RAND)@BSF, of the RAND that the card answered to, and nothing that ends a quoted string. */
static bool
is_btid(const struct subscriber *s, const char *btid)
{
	char mine[MEMORY_NAME];
	size_t n = strlen(btid);

	if (gba_btid(s->keys->exchange.vector.rand, "?", mine, sizeof(mine)) == 0 || strncmp(btid, mine, strlen(mine) - 1) != 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (btid[i] <= ' ' || btid[i] > '~' || btid[i] == '"' || btid[i] == '\\')
			return false;
	return true;
}

static void
bootstrap_done(struct subscriber *s, const struct exchange_reply *r)
{
	struct gw_err err = { 0 };
	char btid[MEMORY_NAME];
	int64_t expires;

	if (mbms_bootstrapping_parse(r->body, r->len, btid, sizeof(btid), &expires, &err) < 0)
		failed(s, err.text);
	else if (!is_btid(s, btid))
		failed(s, "the BSF's B-TID is not of the RAND that was answered");
	else if (expires <= s->now.utc_us)
		failed(s, "the BSF's B-TID has expired already");
	else if (bootstrapped_keys(s, btid, expires) < 0 || save(s) < 0) {
		s->btid[0] = '\0';
		failed(s, "the keys of the bootstrapping cannot be used or kept");
	} else {
		s->counts.done[SUB_BOOTSTRAP]++;
		give_up(s);
		raise_event(s, UB_OK);
	}
}

/* For urn:allServices one code, and one for each service that the subscriber has (3.4). */
static void
register_done(struct subscriber *s, const struct exchange_reply *r)
{
	struct mbms_list list = { 0 };
	struct gw_err err = { 0 };
	unsigned code = 0;
	size_t services = 0;

	if (mbms_response_parse(MBMS_REGISTER, r->body, r->len, &list, &err) < 0) {
		failed(s, err.text);
		return;
	}
	for (size_t i = 0; i < list.n; i++)
		if (strcmp(list.items[i].service, mbms_all_services) == 0)
			code = list.items[i].code;
		else
			services += list.items[i].code == 200;
	mbms_list_free(&list);
	if (code == 200) {
		s->services = services;
		s->counts.done[SUB_REGISTER]++;
		give_up(s);
		raise_event(s, ACCEPTED);
	} else if (code == 403 || code == 404) {
		s->counts.failed[SUB_REGISTER]++;
		trouble(s, "the BSM refuses to register this subscriber for any service");
		give_up(s);
		raise_event(s, REFUSED);
	} else {
		failed(s, code ? "the BSM registers nobody now" : "the response says nothing of urn:allServices");
	}
}

static void
done(struct subscriber *s, const struct exchange_reply *r)
{
	snprintf(s->nonce, sizeof(s->nonce), "%s", s->exchange.next_nonce);
	switch (s->procedure) {
	case SUB_BOOTSTRAP:
		s->nonce[0] = '\0';	/* of the BSF */
		bootstrap_done(s, r);
		break;
	case SUB_REGISTER:
		register_done(s, r);
		break;
	case SUB_MSK:
		s->counts.done[SUB_MSK]++;
		keys_answered(s, r->body, r->len);
		give_up(s);
		break;
	case SUB_STKM:
		stkm_fetched(s, r);
		break;
	default:
		s->counts.done[SUB_DEREGISTER]++;
		give_up(s);
		gw_log(GW_INFO, "deregistered", NULL, "terminal=%s", s->conf.name);
		raise_event(s, ENDED);
	}
}

static void
not_known(struct subscriber *s)
{
	s->counts.failed[s->procedure]++;
	trouble(s, s->exchange.why);
	give_up(s);
	raise_event(s, s->procedure == SUB_DEREGISTER ? ENDED : UNKNOWN);
}

void
subscriber_reply(struct subscriber *s, unsigned id, const struct exchange_reply *r, struct sub_clock now)
{
	s->now = now;
	if (!s->busy || id != s->id)
		return;
	switch (exchange_reply(&s->exchange, r)) {
	case EX_SEND:
		/* what the card has accepted is never accepted again: its sequence number is kept before the answer leaves */
		if (s->procedure == SUB_BOOTSTRAP && save(s) < 0)
			failed(s, "the card's sequence number cannot be kept");
		else
			hand_over(s);
		break;
	case EX_DONE:
		done(s, r);
		break;
	case EX_UNKNOWN:
		not_known(s);
		break;
	default:
		failed(s, s->exchange.why);
	}
}

/* ---- LTKMs and pulls ---- */

static size_t
verify(struct subscriber *s, const struct answered *a, void *out, size_t cap)
{
	uint8_t *p = out;

	if (a->len == 0 || a->len > cap)
		return 0;
	if (s->drops > 0) {
		s->drops--;
		s->counts.dropped++;
		gw_log(GW_NOTICE, "misbehaved", NULL, "terminal=%s fault=drop-verifications", s->conf.name);
		return 0;
	}
	memcpy(p, a->octets, a->len);
	s->counts.verifications++;
	if (s->spoils > 0) {
		s->spoils--;
		s->counts.spoilt++;
		p[a->len - 1] ^= 1;	/* of the MAC, which is last */
		gw_log(GW_NOTICE, "misbehaved", NULL, "terminal=%s fault=wrong-mac", s->conf.name);
	}
	return a->len;
}

static size_t
take_key(struct subscriber *s, const struct card_news *n, const void *msg, size_t len, void *answer, size_t cap)
{
	static const char *const changes[] = { [CARD_UNCHANGED] = "none", [CARD_NEW_KEY] = "new_key", [CARD_INTERVAL] = "interval",
		[CARD_EXPIRED] = "expired" };
	struct answered *a = &s->answered[s->nanswered++ % ANSWERS];

	gw_log(GW_INFO, "ltkm_accepted", NULL, "terminal=%s key_group=0x%04x key_number=0x%04x counter=%u lower=%u upper=%u change=%s", s->conf.name,
	    n->ids.key_group, n->ids.key_number, n->counter, n->lower, n->upper, changes[n->change]);
	content(s, &n->ids);
	a->len = 0;
	if (save(s) < 0) {
		gw_log_limited(&s->rate, GW_ERR, "state_not_saved", "what the card took cannot be kept: it is not verified", "terminal=%s", s->conf.name);
		return 0;
	}
	OPENSSL_assert(n->len <= sizeof(a->octets));
	SHA256(msg, len, a->mark);
	memcpy(a->octets, n->answer, n->len);
	a->len = n->len;
	return verify(s, a, answer, cap);
}

/* Key Group 0: to register again, and no LTKM Request (2.9). */
static void
take_pull(struct subscriber *s, const struct card_news *n, enum sub_bearer bearer)
{
	gw_log(GW_INFO, "pulled", NULL, "terminal=%s bearer=%s key_group=0x%04x counter=%u", s->conf.name, sub_bearers[bearer], n->ids.key_group,
	    n->counter);
	s->counts.pulls[bearer]++;
	if (save(s) < 0)
		gw_log_limited(&s->rate, GW_ERR, "state_not_saved", NULL, "terminal=%s", s->conf.name);
	if (s->conf.misbehave.fault[TERM_IGNORE_PULLS].on)
		gw_log(GW_NOTICE, "misbehaved", NULL, "terminal=%s fault=ignore-pulls", s->conf.name);
	else if (n->ids.key_group == 0)
		raise_event(s, PULLED);
	else
		want(s, &n->ids, 0, true);
}

/* The same octets as were verified before: the verification was lost on its way. */
static const struct answered *
verified_before(const struct subscriber *s, const void *msg, size_t len)
{
	uint8_t mark[32];

	SHA256(msg, len, mark);
	for (size_t i = 0; i < ANSWERS; i++)
		if (s->answered[i].len && memcmp(s->answered[i].mark, mark, sizeof(mark)) == 0)
			return &s->answered[i];
	return NULL;
}

static size_t
reject(struct subscriber *s, const struct card_news *n, enum sub_bearer bearer, const void *msg, size_t len, void *answer, size_t cap)
{
	size_t out = 0;

	gw_log_limited(&s->rate, GW_WARNING, "ltkm_rejected", ltkm_result_text(n->result), "terminal=%s bearer=%s reason=%s", s->conf.name,
	    sub_bearers[bearer], sub_results[n->result]);
	if (s->conf.usim->errors && bearer == SUB_UDP && n->err_no != LTKM_NO_ERR)
		out = ltkm_error(msg, len, n->err_no, answer, cap);
	s->counts.errors += out > 0;
	return out;
}

size_t
subscriber_message(struct subscriber *s, enum sub_bearer bearer, const void *msg, size_t len, void *answer, size_t cap, struct sub_clock now)
{
	const struct answered *before;
	struct card_news news = { 0 };

	s->now = now;
	s->counts.messages[bearer]++;
	s->counts.results[card_take(s->card, msg, len, &news)]++;
	if (news.result == LTKM_KEY)
		return take_key(s, &news, msg, len, answer, cap);
	if (news.result == LTKM_PULL) {
		take_pull(s, &news, bearer);
		return 0;
	}
	if (news.result == LTKM_STALE && s->conf.usim->repeat_verifications && (before = verified_before(s, msg, len))) {
		s->counts.repeated++;
		return verify(s, before, answer, cap);
	}
	return reject(s, &news, bearer, msg, len, answer, cap);
}

/* ---- time, beginning and end ---- */

static bool
may_expire(const struct subscriber *s)
{
	return has_context(s) && s->expires_us != INT64_MAX &&
	    (s->fsm.state == SUB_BOOTSTRAPPED || s->fsm.state == SUB_REGISTERING || s->fsm.state == SUB_REGISTERED);
}

void
subscriber_time(struct subscriber *s, struct sub_clock now)
{
	s->now = now;
	if (now.mono_us >= s->forget_us) {
		s->forget_us = INT64_MAX;
		card_forget(s->card);
		gw_log(GW_NOTICE, "misbehaved", NULL, "terminal=%s fault=forget-keys", s->conf.name);
	}
	if (s->busy && now.mono_us >= s->patience_us)
		failed(s, "no answer in time, or it could not be sent");
	if (may_expire(s) && now.utc_us >= s->expires_us)
		feed(s, EXPIRED);
	if (now.mono_us >= s->again_us) {
		s->again_us = INT64_MAX;
		feed(s, WAKE);
	}
	if (s->fsm.state == SUB_REGISTERED && !s->busy && now.mono_us >= next_want(s))
		ask_for_keys(s);
	if (s->fsm.state == SUB_REGISTERED && !s->busy && now.mono_us >= next_stkm(s))
		fetch_stkm(s);
}

int64_t
subscriber_next(const struct subscriber *s)
{
	int64_t at = s->again_us < s->forget_us ? s->again_us : s->forget_us, more = INT64_MAX;

	if (s->busy && s->patience_us < at)
		at = s->patience_us;
	if (may_expire(s))
		more = s->now.mono_us + (s->expires_us - s->now.utc_us);
	at = more < at ? more : at;
	if (s->fsm.state != SUB_REGISTERED || s->busy)
		return at;
	at = next_want(s) < at ? next_want(s) : at;
	return next_stkm(s) < at ? next_stkm(s) : at;
}

/* What the octets of an earlier run hold for this card. Keys that are given, or a NAF, may have changed since. */
static int
begin_with(struct subscriber *s, const struct sub_conf *c, struct gw_err *err)
{
	uint32_t counter;

	if (c->usim->sqn)
		memcpy(s->sqn, c->usim->sqn, sizeof(s->sqn));
	if (c->state_len == 0)
		return 0;
	if (recall(s, c->state, c->state_len, err) < 0)
		return -1;
	if (has_context(s) && (card_counter(s->card, c->usim->naf, s->btid, &counter) < 0 ||
	    (c->usim->provision != USIM_MILENAGE && strcmp(s->btid, c->usim->btid) != 0)))
		forget_btid(s);
	if (has_context(s))
		make_stale(s);
	return 0;
}

struct subscriber *
subscriber_new(const struct sub_conf *c, const struct sub_ops *ops, void *self, struct gw_err *err)
{
	const struct term_misbehave *m = &c->misbehave;
	struct subscriber *s = calloc(1, sizeof(*s));

	if (!s || gw_secret_new(&s->room, sizeof(struct keys)) < 0 || !(s->card = card_new())) {
		gw_fail(err, GW_ESYS, "no memory, or no locked memory");
		subscriber_free(s);
		return NULL;
	}
	s->keys = (struct keys *)(void *)s->room.p;
	s->conf = *c;
	s->ops = ops;
	s->self = self;
	s->again_us = s->forget_us = INT64_MAX;
	s->rate = (struct gw_rate){ .burst = 20, .per_ms = 10000 };
	s->drops = m->fault[TERM_DROP_VERIFICATIONS].value;
	s->spoils = m->fault[TERM_WRONG_MAC].value;
	gw_fsm_init(&s->fsm, &sub_fsm, SUB_OFF);
	if (begin_with(s, c, err) < 0) {
		subscriber_free(s);
		return NULL;
	}
	s->conf.state = NULL;
	return s;
}

void
subscriber_free(struct subscriber *s)
{
	if (!s)
		return;
	free(s->body);
	card_free(s->card);
	gw_secret_free(&s->room);
	free(s);
}

void
subscriber_start(struct subscriber *s, struct sub_clock now)
{
	const struct term_misbehave *m = &s->conf.misbehave;

	s->now = now;
	if (m->on)
		gw_log(GW_WARNING, "misbehaves", "this phone breaks the rules on purpose", "terminal=%s faults=%s", s->conf.name, m->list);
	if (m->fault[TERM_FORGET_KEYS].on)
		s->forget_us = now.mono_us + (int64_t)m->fault[TERM_FORGET_KEYS].value * S;
	feed(s, START);
}

void
subscriber_stop(struct subscriber *s, struct sub_clock now)
{
	s->now = now;
	feed(s, STOP);
}

/* ---- asking ---- */

struct card *
subscriber_card(struct subscriber *s)
{
	return s->card;
}

enum sub_state
subscriber_state(const struct subscriber *s)
{
	return (enum sub_state)s->fsm.state;
}

const char *
subscriber_btid(const struct subscriber *s)
{
	return s->btid;
}

int64_t
subscriber_again(const struct subscriber *s, int64_t *expires_utc_us)
{
	*expires_utc_us = s->expires_us;
	return s->again_us;
}

size_t
subscriber_services(const struct subscriber *s)
{
	return s->services;
}

void
subscriber_counts(const struct subscriber *s, struct sub_counts *c)
{
	*c = s->counts;
}

const char *
subscriber_trouble(const struct subscriber *s)
{
	return s->trouble;
}
