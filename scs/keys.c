/* scs/keys.c: the keys of a unit: drawn by cwg or supplied from outside, stored before anybody sees them, in locked memory while they are needed */
#include <stdlib.h>
#include <string.h>
#include "scs/scs.h"

/*
 * At rest: the material; of a key from outside also an octet with the length of its identifier, and that identifier, so that one can
 * never be taken for the other.
 */
enum { ID_MAX = 8, PLAIN_MAX = CWG_MATERIAL_MAX + 1 + ID_MAX, WRAPPED_MAX = PLAIN_MAX + 7 + GW_WRAP_OVERHEAD };

static struct scs_key_entry *
find(const struct scs_unit *u, int64_t cp)
{
	for (struct scs_key_entry *k = u->keys; k; k = k->next)
		if (k->cp == cp)
			return k;
	return NULL;
}

const struct scs_key_entry *
scs_unit_key(const struct scs_unit *u, int64_t cp)
{
	return find(u, cp);
}

size_t
scs_unit_key_id(const struct scs_unit *u, int64_t cp, uint8_t out[8])
{
	const struct scs_key_entry *k = find(u, cp);

	if (!k || !k->id_len)
		return he_key_id(u->conf->service->scrambling, u->conf->index, (uint16_t)cp, out);
	memcpy(out, k->id, k->id_len);
	return k->id_len;
}

size_t
scs_keys_length(const struct scs_unit *u)
{
	const struct he_service *s = u->conf->service;

	return cwg_length((int)s->scrambling, s->authentication, s->cw_length);
}

static struct scs_key_entry *
add(struct scs_unit *u, int64_t cp, size_t len)
{
	struct scs_key_entry *k = calloc(1, sizeof(*k));

	if (!k || gw_secret_new(&k->material, len) < 0) {
		free(k);
		return NULL;
	}
	k->cp = cp;
	k->next = u->keys;
	u->keys = k;
	return k;
}

static bool
below(const struct scs_key_entry *k, int64_t cp)
{
	return k->cp < cp;
}

static bool
not_durable(const struct scs_key_entry *k, int64_t cp)
{
	(void)cp;
	return !k->durable;
}

static bool
of(const struct scs_key_entry *k, int64_t cp)
{
	return k->cp == cp;
}

static void
drop_if(struct scs_unit *u, bool (*goes)(const struct scs_key_entry *, int64_t), int64_t cp)
{
	for (struct scs_key_entry **at = &u->keys; *at;) {
		struct scs_key_entry *k = *at;
		if (!goes(k, cp)) {
			at = &k->next;
			continue;
		}
		*at = k->next;
		gw_secret_free(&k->material);
		free(k);
	}
}

void
scs_keys_drop(struct scs_unit *u, int64_t cp)
{
	drop_if(u, below, cp);
}

void
scs_keys_settle(struct scs_unit *u, bool stored)
{
	if (!stored)
		drop_if(u, not_durable, 0);
	for (struct scs_key_entry *k = u->keys; k; k = k->next)
		k->durable = true;
}

/* Does the length of what was stored say where the key came from, and is that where it comes from today? */
static bool
plausible(const struct scs_unit *u, const uint8_t *plain, int n)
{
	size_t len = scs_keys_length(u);

	if (!u->conf->service->outside_keys)
		return n > 0 && (size_t)n == len;
	return n > 0 && (size_t)n > len && plain[len] <= ID_MAX && (size_t)n == len + 1 + plain[len];
}

int
scs_keys_load(struct scs_unit *u, int64_t cp, const void *value, size_t len)
{
	uint8_t plain[WRAPPED_MAX];
	int n = gw_wrap_open_key(u->app->wrap, value, len, plain, sizeof(plain));
	size_t own = scs_keys_length(u);
	struct scs_key_entry *k = plausible(u, plain, n) ? add(u, cp, own) : NULL;

	if (k) {
		k->durable = true;
		memcpy(k->material.p, plain, own);
		k->id_len = (size_t)n > own ? plain[own] : 0;
		memcpy(k->id, plain + own + 1, k->id_len);
		gw_fingerprint(plain, own, k->fingerprint);
	}
	gw_cleanse(plain, sizeof(plain));
	return k ? 0 : -1;
}

static enum gw_outcome
store(struct scs_unit *u, struct scs_key_entry *k, struct gw_blob *found)
{
	uint8_t plain[PLAIN_MAX], wrapped[WRAPPED_MAX];
	size_t len = k->material.len;
	int n;

	memcpy(plain, k->material.p, len);
	if (u->conf->service->outside_keys) {
		plain[len++] = k->id_len;
		memcpy(plain + len, k->id, k->id_len);
		len += k->id_len;
	}
	n = gw_wrap_seal(u->app->wrap, plain, len, wrapped, sizeof(wrapped));
	gw_cleanse(plain, sizeof(plain));
	gw_fingerprint(k->material.p, k->material.len, k->fingerprint);
	if (n < 0)
		return GW_UNAVAILABLE;
	return gw_store_put(u->app->store, u->conf->id, u->epoch, GW_RECORD_KEY, k->cp, wrapped, (size_t)n, found);
}

/* Stored by an earlier life: that one it is. */
static enum gw_outcome
take_stored(struct scs_unit *u, int64_t cp, const struct gw_blob *found)
{
	if (scs_keys_load(u, cp, found->p, found->len) == 0)
		return GW_EXISTS;
	gw_log(GW_ERR, "key_unusable", "a stored key does not open with this master key, or is of another protection or origin",
	    "service=%s cp=%lld", u->conf->id, (long long)cp);
	return GW_UNAVAILABLE;
}

enum gw_outcome
scs_keys_draw(struct scs_unit *u, int64_t cp)
{
	const struct he_service *s = u->conf->service;
	enum gw_outcome outcome = GW_UNAVAILABLE;
	struct gw_blob found = { 0 };
	struct scs_key_entry *k;

	if (find(u, cp))
		return GW_WON;
	if (!(k = add(u, cp, scs_keys_length(u))))
		return GW_UNAVAILABLE;
	if (cwg_draw(u->app->cwg, (int)s->scrambling, s->authentication, u->conf->id, (uint64_t)cp, k->material.p, k->material.len) == 0)
		outcome = store(u, k, &found);
	else
		gw_log_limited(&u->app->rate, GW_ERR, "key_not_drawn", "no random octets: tried again", "service=%s cp=%lld", u->conf->id,
		    (long long)cp);
	u->generated += outcome == GW_WON;
	if (outcome != GW_WON)
		drop_if(u, of, cp);
	if (outcome == GW_EXISTS && (outcome = take_stored(u, cp, &found)) == GW_EXISTS)
		outcome = GW_WON;
	gw_store_free(&found);
	return outcome;
}

struct scs_key_entry *
scs_keys_supply(struct scs_unit *u, int64_t cp, const void *material, const void *id, size_t id_len)
{
	struct scs_key_entry *k = id_len <= ID_MAX ? add(u, cp, scs_keys_length(u)) : NULL;

	if (!k)
		return NULL;
	memcpy(k->material.p, material, k->material.len);
	k->id_len = (uint8_t)id_len;
	if (id_len)
		memcpy(k->id, id, id_len);
	k->supplied = true;
	gw_fingerprint(k->material.p, k->material.len, k->fingerprint);
	return k;
}

enum gw_outcome
scs_keys_store_supplied(struct scs_unit *u)
{
	enum gw_outcome outcome = GW_WON;

	for (struct scs_key_entry *k = u->keys, *next; k && outcome == GW_WON; k = next) {
		struct gw_blob found = { 0 };
		int64_t cp = k->cp;
		next = k->next;
		if (k->durable || !k->supplied)
			continue;
		outcome = store(u, k, &found);
		if (outcome == GW_WON)
			u->generated++;
		if (outcome == GW_EXISTS) {	/* nobody remembers it, yet it stands: the source will be told which one it is */
			drop_if(u, of, cp);
			if (take_stored(u, cp, &found) == GW_EXISTS) {
				u->keys->supplied = true;	/* it was put in front */
				outcome = GW_WON;
			}
		}
		gw_store_free(&found);
	}
	return outcome;
}
