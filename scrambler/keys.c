/* scrambler/keys.c */
#include "scrambler/keys.h"
#include <string.h>
#include "proto/playout.h"

void
scr_key_free(struct scr_key *key)
{
	gw_secret_free(&key->key);
	*key = (struct scr_key){ 0 };
}

static void
drop(struct scr_keys *k, struct scr_key *key)
{
	if (!key->key.p || k->ngone == sizeof(k->gone) / sizeof(k->gone[0]))
		scr_key_free(key);
	else
		k->gone[k->ngone++] = *key;
	*key = (struct scr_key){ 0 };
}

bool
scr_keys_gone(struct scr_keys *k, struct scr_key *key)
{
	if (k->ngone == 0)
		return false;
	*key = k->gone[--k->ngone];
	k->gone[k->ngone] = (struct scr_key){ 0 };
	return true;
}

struct scr_key *
scr_keys_coming(struct scr_keys *k, uint64_t cp)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->coming[i].cp == cp)
			return &k->coming[i];
	return NULL;
}

const char *
scr_mode_name(enum scr_mode mode)
{
	static const char *const names[] = { [SCR_NONE] = "none", [SCR_SCRAMBLED] = "scrambled", [SCR_CLEAR] = "clear", [SCR_MUTED] = "muted" };

	return names[mode];
}

void
scr_keys_init(struct scr_keys *k, const struct scr_form *form)
{
	*k = (struct scr_keys){ .hold_us = INT64_MIN, .end_us = INT64_MAX, .heard_us = INT64_MIN, .form = *form };
}

void
scr_keys_forget(struct scr_keys *k)
{
	drop(k, &k->now);
	for (size_t i = 0; i < k->n; i++)
		drop(k, &k->coming[i]);
	k->n = 0;
	k->hold_us = INT64_MIN;
	k->end_us = INT64_MAX;
	k->plan_us = 0;
}

void
scr_keys_fini(struct scr_keys *k)
{
	struct scr_key key;

	scr_keys_forget(k);
	while (scr_keys_gone(k, &key))
		scr_key_free(&key);
}

/* As its record said, whatever has become of it. */
static enum scr_mode
committed(const struct scr_key *k)
{
	return k->key.p ? SCR_SCRAMBLED : k->mode;
}

void
scr_keys_policy(struct scr_keys *k, enum scr_mode loss, uint32_t after_ms)
{
	k->loss = loss;
	k->loss_after_us = (int64_t)after_ms * 1000;
}

void
scr_keys_heard(struct scr_keys *k, int64_t mono_us)
{
	k->heard_us = mono_us;
}

bool
scr_keys_starved(const struct scr_keys *k)
{
	return k->now.mode != committed(&k->now);
}

/* Microseconds until the policy takes effect; INT64_MAX: it does not. */
static int64_t
until_loss(const struct scr_keys *k, int64_t mono_us)
{
	if (committed(&k->now) != SCR_SCRAMBLED || k->n > 0 || (k->loss != SCR_MUTED && k->loss != SCR_CLEAR))
		return INT64_MAX;
	return (k->heard_us > k->plan_us ? k->heard_us : k->plan_us) + k->loss_after_us - mono_us;
}

/* What the key in force is to be now. */
static enum scr_mode
mode_at(const struct scr_keys *k, int64_t mono_us)
{
	return until_loss(k, mono_us) <= 0 ? k->loss : committed(&k->now);
}

/* Is it the key we hold? */
static bool
same(const struct scr_key *k, const struct scr_record *r)
{
	if (committed(k) != r->mode || r->mode != SCR_SCRAMBLED)
		return committed(k) == r->mode;
	return k->authenticated == r->authenticated && k->key_id_len == r->key_id_len &&
	    memcmp(k->key_id, r->key_id, r->key_id_len) == 0 && gw_secret_equal(&k->key, r->key, r->key_len);
}

static int
check(const struct scr_keys *k, const struct scr_record *r, const char **why)
{
	size_t id_len = k->now.key_id_len;

	for (size_t i = 0; i < k->n && !id_len; i++)
		id_len = k->coming[i].key_id_len;
	if (r->mode == SCR_CLEAR || r->mode == SCR_MUTED)
		return 0;
	if (r->mode != SCR_SCRAMBLED)
		return *why = "no such mode", PLAYOUT_E_INVALID;
	if (r->protection != k->form.protection)
		return *why = "another protection than the service has here", PLAYOUT_E_PROTECTION;
	if (r->key_len != k->form.key_len)
		return *why = "key material of another length than this protection has", PLAYOUT_E_PROTECTION;
	if (r->key_id_len < k->form.id_min || r->key_id_len > k->form.id_max)
		return *why = "a key identifier (SPI, MKI, key indicator) of another length than this protection has", PLAYOUT_E_PROTECTION;
	if (id_len && r->key_id_len != id_len)
		return *why = "the length of the key identifier changes within the session", PLAYOUT_E_PROTECTION;
	return 0;
}

/* A crypto-period that already runs, or ran. */
static int
take_known(const struct scr_key *now, const struct scr_record *r, const char **why)
{
	if (r->cp == now->cp)
		return same(now, r) ? 0 : (*why = "a second key for the crypto-period in force", PLAYOUT_E_STATE);
	/* an old record sent again is harmless; a lower number that starts later is another count of periods */
	return r->start_us < now->start_us ? 0 :
	    (*why = "the crypto-period numbers went back; end the service first", PLAYOUT_E_STATE);
}

static int
take(struct scr_keys *k, const struct scr_record *r, const char **why)
{
	int status = check(k, r, why);
	size_t i = 0;

	if (status)
		return status;
	if (k->now.mode && r->cp <= k->now.cp)
		return take_known(&k->now, r, why);
	while (i < k->n && k->coming[i].cp < r->cp)
		i++;
	if (i < k->n && k->coming[i].cp == r->cp) {
		if (!same(&k->coming[i], r))
			return *why = "a second key for a committed crypto-period", PLAYOUT_E_STATE;
	} else {
		struct gw_secret key = { 0 };
		if (k->n == SCR_COMING || (r->mode == SCR_SCRAMBLED && gw_secret_set(&key, r->key, r->key_len) < 0))
			return *why = "no room for another crypto-period", PLAYOUT_E_RESOURCES;
		memmove(&k->coming[i + 1], &k->coming[i], (k->n - i) * sizeof(k->coming[0]));
		k->coming[i] = (struct scr_key){ .mode = r->mode, .cp = r->cp, .authenticated = r->authenticated, .key = key };
		if (key.p) {
			k->coming[i].key_id_len = r->key_id_len;
			memcpy(k->coming[i].key_id, r->key_id, r->key_id_len);
			gw_fingerprint(r->key, r->key_len, k->coming[i].fingerprint);
		}
		k->n++;
	}
	k->coming[i].start_us = r->start_us;
	k->coming[i].duration_ms = r->duration_ms;
	k->coming[i].min_duration_ms = r->min_duration_ms;
	return 0;
}

int
scr_keys_take(struct scr_keys *k, const struct scr_record *r, const char **why)
{
	int status = take(k, r, why);

	if (status == 0)
		k->end_us = INT64_MAX;	/* a service that is given keys goes on */
	return status;
}

void
scr_keys_end(struct scr_keys *k, int64_t start_us)
{
	k->end_us = start_us;
}

/* The key in force changes its mode, or takes it back. */
static enum scr_step
starve(struct scr_keys *k, int64_t mono_us)
{
	const enum scr_mode mode = mode_at(k, mono_us);

	if (k->now.mode == mode)
		return SCR_GO_ON;
	k->now.mode = mode;
	return SCR_SWITCH;
}

/* How long of the plan is left at the switch: a late joiner, or one with a wrong clock, counts no time beyond the plan. */
static int64_t
plan_left(const struct scr_key *k, int64_t ran_us)
{
	const int64_t left = (int64_t)k->duration_ms * 1000 - (ran_us > 0 ? ran_us : 0);

	return left > 0 ? left : 0;
}

enum scr_step
scr_keys_step(struct scr_keys *k, int64_t utc_us, int64_t mono_us)
{
	size_t due = k->n;

	if (utc_us >= k->end_us) {
		scr_keys_forget(k);
		return SCR_END;
	}
	/* after a gap: the last one due, not one after the other */
	while (due > 0 && (mono_us < k->hold_us || k->coming[due - 1].start_us > utc_us))
		due--;
	if (due == 0)
		return starve(k, mono_us);
	/* A period that we join while it runs has lasted since its start: only that may be counted, and only then. */
	int64_t ran = k->now.mode ? 0 : utc_us - k->coming[due - 1].start_us;
	drop(k, &k->now);
	for (size_t i = 0; i + 1 < due; i++)
		drop(k, &k->coming[i]);
	k->now = k->coming[due - 1];
	k->n -= due;
	memmove(k->coming, &k->coming[due], k->n * sizeof(k->coming[0]));
	k->hold_us = mono_us + (int64_t)k->now.min_duration_ms * 1000 - ran;
	k->plan_us = mono_us + plan_left(&k->now, ran);
	return SCR_SWITCH;
}

const char *
scr_keys_fingerprint(const struct scr_keys *k, uint64_t cp)
{
	const struct scr_key *key = k->now.mode && k->now.cp == cp ? &k->now : NULL;

	for (size_t i = 0; i < k->n && !key; i++)
		if (k->coming[i].cp == cp)
			key = &k->coming[i];
	return key && key->key.p ? key->fingerprint : NULL;
}

const struct scr_key *
scr_keys_next(const struct scr_keys *k)
{
	return k->n ? &k->coming[0] : NULL;
}

int64_t
scr_keys_wait(const struct scr_keys *k, int64_t utc_us, int64_t mono_us)
{
	int64_t wait = INT64_MAX;

	for (size_t i = 0; i < k->n; i++)	/* starts need not ascend with cp while a plan changes */
		if (k->coming[i].start_us - utc_us < wait)
			wait = k->coming[i].start_us - utc_us;
	if (wait != INT64_MAX && mono_us < k->hold_us && wait < k->hold_us - mono_us)
		wait = k->hold_us - mono_us;
	if (k->end_us != INT64_MAX && k->end_us - utc_us < wait)
		wait = k->end_us - utc_us;
	if (k->now.mode != mode_at(k, mono_us))
		return 0;
	if (!scr_keys_starved(k) && until_loss(k, mono_us) < wait)
		wait = until_loss(k, mono_us);
	return wait > 0 ? wait : 0;
}
