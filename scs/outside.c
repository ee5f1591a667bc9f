/*
 * scs/outside.c: keys that a BSM makes and a bridge brings (`keys: BRIDGE`; CP-3, mode A): what is asked for, and whether what comes is taken. A key
 * that a crypto-period has stands: the STKMs of that CP carry it, and receivers may have it.
 */
#include <stdio.h>
#include <string.h>
#include "proto/playout.h"
#include "scs/scs.h"

enum { AHEAD = 64 };	/* crypto-periods after the one in preparation that may have a key already */

static const struct scs_key_entry *
held(const struct scs_unit *u, const struct scs_supply *s)
{
	return scs_unit_key(u, s->cp);
}

/* The identifier as it will be: the BSM's, or by our rule. */
static size_t
identifier(const struct scs_unit *u, const struct scs_supply *s, uint8_t out[8])
{
	if (s->id_len == 0 || s->id_len > 8 || u->conf->service->scrambling == HE_CISSA)
		return he_key_id(u->conf->service->scrambling, u->conf->index, (uint16_t)s->cp, out);
	memcpy(out, s->id, s->id_len);
	return s->id_len;
}

/* ---- what may be wrong ---- */

static bool
not_outside(const struct scs_unit *u, const struct scs_supply *s)
{
	return !u->conf->service->outside_keys || strcmp(u->conf->service->outside_keys, s->source) != 0;
}

static bool
other_protection(const struct scs_unit *u, const struct scs_supply *s)
{
	return s->protection != (int64_t)u->conf->service->scrambling || s->authenticated != u->conf->service->authentication;
}

static bool
other_length(const struct scs_unit *u, const struct scs_supply *s)
{
	return s->len != scs_keys_length(u);
}

static bool
other_id_length(const struct scs_unit *u, const struct scs_supply *s)
{
	uint8_t ours[8];
	size_t n = he_key_id(u->conf->service->scrambling, u->conf->index, (uint16_t)s->cp, ours);

	if (u->conf->service->scrambling == HE_CISSA)	/* its packets say even or odd, and nothing else */
		return s->id_len && (s->id_len != 1 || s->id[0] != (s->cp & 1));
	return s->id_len && s->id_len != n;
}

/* RFC 4303, 2.1: 0 is for local use, 1 to 255 are reserved. */
static bool
reserved_spi(const struct scs_unit *u, const struct scs_supply *s)
{
	return u->conf->service->scrambling == HE_IPSEC && s->id_len == 4 && memcmp(s->id, "\0\0\0", 3) == 0;
}

/* By he_key_id: 1, the unit's index, CP_number. */
static bool
anothers_spi(const struct scs_unit *u, const struct scs_supply *s)
{
	const struct headend *he = u->app ? u->app->he : NULL;
	uint8_t theirs[8];

	if (!he || u->conf->service->scrambling != HE_IPSEC || s->id_len != 4)
		return false;
	for (size_t i = 0; i < he->nservices; i++)
		for (size_t k = 0; k < he->services[i].nunits; k++) {
			const struct he_unit *other = &he->services[i].units[k];
			if (strcmp(other->id, u->conf->id) != 0 && he->services[i].scrambling == HE_IPSEC &&
			    he_key_id(HE_IPSEC, other->index, 0, theirs) == 4 && memcmp(theirs, s->id, 2) == 0)
				return true;
		}
	return false;
}

static bool
over(const struct scs_unit *u, const struct scs_supply *s)
{
	return s->cp < scs_schedule_preparing(u->schedule)->cp && !held(u, s);
}

static bool
too_early(const struct scs_unit *u, const struct scs_supply *s)
{
	return s->cp > scs_schedule_preparing(u->schedule)->cp + AHEAD;
}

static bool
another_key(const struct scs_unit *u, const struct scs_supply *s)
{
	const struct scs_key_entry *k = held(u, s);
	uint8_t one[8], other[8];
	size_t n;

	if (!k)
		return false;
	n = identifier(u, s, one);
	return !gw_secret_equal(&k->material, s->material, s->len) || scs_unit_key_id(u, s->cp, other) != n || memcmp(one, other, n) != 0;
}

/* Packets name their key by it, and by nothing else. */
static bool
id_in_use(const struct scs_unit *u, const struct scs_supply *s)
{
	uint8_t one[8], other[8];
	size_t n = identifier(u, s, one);

	for (const struct scs_key_entry *k = u->keys; n && k; k = k->next)
		if (k->cp != s->cp && scs_unit_key_id(u, k->cp, other) == n && memcmp(one, other, n) == 0)
			return true;
	return false;
}

/* The same key for two crypto-periods is no change of keys. */
static bool
key_in_use(const struct scs_unit *u, const struct scs_supply *s)
{
	for (const struct scs_key_entry *k = u->keys; k; k = k->next)
		if (k->cp != s->cp && gw_secret_equal(&k->material, s->material, s->len))
			return true;
	return false;
}

static const struct { uint16_t status; bool (*wrong)(const struct scs_unit *, const struct scs_supply *); const char *why; } rules[] = {
	{ PLAYOUT_E_ROLE,       not_outside,      "the service's keys are drawn here, or come from another bridge" },
	{ PLAYOUT_E_PROTECTION, other_protection, "the key is for another protection, or its authentication differs" },
	{ PLAYOUT_E_LENGTH,     other_length,     "the key has not the length that the service's protection takes" },
	{ PLAYOUT_E_OVER,       over,             "the crypto-period is over" },
	{ PLAYOUT_E_OVER,       too_early,        "the crypto-period is too far ahead" },
	{ PLAYOUT_E_CONFLICT,   another_key,      "the crypto-period has another key already" },
	{ PLAYOUT_E_CONFLICT,   key_in_use,       "another crypto-period has this key" },
	{ PLAYOUT_E_IDENTIFIER, other_id_length,  "the key identifier is not one of this protection and crypto-period" },
	{ PLAYOUT_E_IDENTIFIER, reserved_spi,     "SPIs below 256 are reserved" },
	{ PLAYOUT_E_IDENTIFIER, anothers_spi,     "the SPI is of another service" },
	{ PLAYOUT_E_IDENTIFIER, id_in_use,        "another crypto-period's key has this identifier" },
};

int
scs_outside_take(struct scs_unit *u, const struct scs_supply *s, const char **why)
{
	const struct scs_key_entry *k = held(u, s);
	struct scs_outside *o = &u->outside;
	bool cissa = u->conf->service->scrambling == HE_CISSA;

	*why = NULL;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].wrong(u, s)) {
			o->refused++;
			o->refused_cp = s->cp;
			*why = rules[i].why;
			snprintf(o->why, sizeof(o->why), "%s", *why);
			return rules[i].status;
		}
	if (k)
		return o->again++, k->durable ? SCS_KEY_HELD : SCS_KEY_TAKEN;
	if (!scs_keys_supply(u, s->cp, s->material, s->id, cissa ? 0 : s->id_len)) {
		*why = "out of locked memory";
		return PLAYOUT_E_RESOURCES;
	}
	o->taken++;
	scs_touch(u);
	return SCS_KEY_TAKEN;
}

/* ---- what is wanted ---- */

static bool
there(const struct scs_unit *u, int64_t from, int64_t last)
{
	for (int64_t cp = from; cp <= last; cp++) {
		const struct scs_key_entry *k = scs_unit_key(u, cp);
		if (!k || !k->durable)
			return false;
	}
	return true;
}

void
scs_outside_want(struct scs_unit *u, int64_t from, int64_t last)
{
	struct scs_outside *o = &u->outside;

	while (from < last && scs_unit_key(u, from))
		from++;
	if (!o->wanted) {
		o->since_us = scs_now(u->app);
		o->why[0] = '\0';
	}
	o->wanted = true;
	o->from = from;
	o->last = last;
	o->requests++;
	scs_follow_request(u);
}

void
scs_outside_failed(struct scs_unit *u, const char *why, size_t len)
{
	snprintf(u->outside.why, sizeof(u->outside.why), "%.*s", (int)(len < 150 ? len : 150), why);
}

void
scs_outside_stored(struct scs_unit *u, int64_t now)
{
	struct scs_outside *o = &u->outside;

	for (struct scs_key_entry *k = u->keys; k; k = k->next)
		if (k->supplied && k->durable) {
			k->supplied = false;
			scs_follow_supplied(u, k);
		}
	if (!o->wanted || !there(u, scs_schedule_preparing(u->schedule)->cp, o->last))
		return;
	o->wanted = false;
	o->why[0] = '\0';
	scs_schedule_drawn(u->schedule, o->last, now);
}

const char *
scs_outside_says(const struct scs_unit *u, char *out, size_t cap)
{
	const struct scs_outside *o = &u->outside;

	*out = '\0';
	if (o->wanted && strcmp(scs_schedule_phase(u->schedule), "drawing") == 0)	/* else it is asked for in good time */
		snprintf(out, cap, "no key of crypto-period %lld yet: %s", (long long)o->from, !o->up ? "the bridge is not connected" :
		    *o->why ? o->why : "asked for");
	return out;
}
