/* kms/drm_carousel.c: see drm_carousel.h */
#include "kms/drm_carousel.h"
#include <stdlib.h>
#include <string.h>
#include "kms/drm_ltkm.h"

enum { REGISTRATION_CAP = 64 + BCRO_KEYSET_MAX + 2 * RSA_OCTETS_MAX, ID = 8 };

struct item {	/* without a SEAK: the registration of a device; else a BCRO to a group or a device */
	size_t device;
	const struct keys_group *group;		/* NULL: to the device */
	const struct keys_seak *seak;
	enum drm_layer layer;
	uint8_t *octets; size_t len;		/* once made */
};
struct drm_carousel {
	const struct keys_drm *keys;
	EVP_PKEY *issuer; uint8_t issuer_id[BCRO_ISSUER_LEN];
	EVP_PKEY **device;			/* public, by number in the key file */
	struct crypt_mac *bak;
	struct item *items; size_t nitems;
	uint32_t *on_air, n;			/* items of this round */
};

/* --- what there is ---------------------------------------------------------------------------------------------------- */

static size_t
count_rights(const struct keys_right *r, size_t n)
{
	size_t keys = 0;

	for (size_t k = 0; k < n; k++)
		keys += r[k].service->nseak + r[k].service->npeak;
	return keys;
}

static void
add_rights(struct drm_carousel *c, const struct keys_right *r, size_t n, size_t device, const struct keys_group *group)
{
	for (size_t k = 0; k < n; k++) {
		const struct keys_drm_service *s = r[k].service;
		for (size_t i = 0; i < s->nseak + s->npeak; i++)
			c->items[c->nitems++] = (struct item){ .device = device, .group = group,
				.seak = i < s->nseak ? &s->seak[i] : &s->peak[i - s->nseak], .layer = i < s->nseak ? DRM_SERVICE : DRM_PROGRAM };
	}
}

static int
add_all(struct drm_carousel *c, struct gw_err *err)
{
	const struct keys_drm *k = c->keys;
	size_t n = k->ndevices;

	for (size_t i = 0; i < k->ngroups; i++)
		n += count_rights(k->groups[i].rights, k->groups[i].nrights);
	for (size_t i = 0; i < k->ndevices; i++)
		n += count_rights(k->devices[i].rights, k->devices[i].nrights);
	c->items = calloc(n + 1, sizeof(*c->items));
	c->on_air = calloc(n + 1, sizeof(*c->on_air));
	if (!c->items || !c->on_air || n > UINT32_MAX)
		return gw_fail(err, GW_ESYS, "no memory for %zu long-term key messages", n);
	for (size_t i = 0; i < k->ndevices; i++)
		c->items[c->nitems++] = (struct item){ .device = i };
	for (size_t i = 0; i < k->ngroups; i++)
		add_rights(c, k->groups[i].rights, k->groups[i].nrights, 0, &k->groups[i]);
	for (size_t i = 0; i < k->ndevices; i++)
		add_rights(c, k->devices[i].rights, k->devices[i].nrights, i, NULL);
	return 0;
}

static int
load_keys(struct drm_carousel *c, struct gw_err *err)
{
	const struct keys_drm *k = c->keys;

	if (!(c->issuer = rsa_private(k->issuer.private_key, err)))
		return -1;
	if (rsa_id(c->issuer, c->issuer_id) < 0 || !(c->bak = drm_bak(k->issuer.RIAK.p)) ||
	    !(c->device = calloc(k->ndevices + 1, sizeof(*c->device))))
		return gw_fail(err, GW_ECRYPTO, "the rights issuer's keys cannot be set up: no memory for keys, or OpenSSL refuses");
	for (size_t i = 0; i < k->ndevices; i++)
		if (!(c->device[i] = rsa_public(k->devices[i].public_key, err)))
			return -1;
	return 0;
}

struct drm_carousel *
drm_carousel_new(const struct keys_drm *keys, struct gw_err *err)
{
	struct drm_carousel *c = calloc(1, sizeof(*c));

	if (!c) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	c->keys = keys;
	if (load_keys(c, err) == 0 && add_all(c, err) == 0)
		return c;
	drm_carousel_free(c);
	return NULL;
}

void
drm_carousel_free(struct drm_carousel *c)
{
	if (!c)
		return;
	for (size_t k = 0; k < c->nitems; k++)
		free(c->items[k].octets);
	for (size_t k = 0; c->device && k < c->keys->ndevices; k++)
		EVP_PKEY_free(c->device[k]);
	EVP_PKEY_free(c->issuer);
	crypt_mac_free(c->bak);
	free(c->device);
	free(c->items);
	free(c->on_air);
	free(c);
}

/* --- making it -------------------------------------------------------------------------------------------------------- */

/* Times outside of what mjdutc can say are its first or last second. */
static uint64_t
stamp(int64_t unix_s)
{
	uint64_t t;

	if (stkm_mjdutc(unix_s, &t) == 0)
		return t;
	return unix_s < 0 ? 0 : UINT64_C(0xffff235959);
}

static void
keyset_of(const struct keys_drm *keys, const struct keys_member *m, struct bcro_keyset *k)
{
	const struct keys_group *g = m->group;

	k->has = 1u << BCRO_UDK | 1u << BCRO_UDF | 1u << BCRO_RIAK;
	memcpy(k->UDK, m->UDK.p, BCRO_KEY);
	memcpy(k->UDF, m->UDF, BCRO_ADDRESS_LEN);
	memcpy(k->RIAK, keys->issuer.RIAK.p, BCRO_KEY);
	if (!g)
		return;
	k->has |= 1u << BCRO_UGK | 1u << BCRO_GROUP_ADDRESS | 1u << BCRO_POSITION;
	memcpy(k->UGK, g->UGK.p, BCRO_KEY);
	memcpy(k->group_address, g->address, BCRO_ADDRESS_LEN);
	k->position = m->position;
}

static size_t
make_registration(const struct drm_carousel *c, const struct item *i, int64_t now_s, uint8_t *out, size_t cap, struct gw_err *err)
{
	const struct keys_member *m = &c->keys->devices[i->device];
	struct bcro_registration r = { .timestamp = stamp(now_s) };
	struct gw_secret set;
	size_t n = 0;

	if (gw_secret_new(&set, sizeof(struct bcro_keyset)) < 0) {
		gw_fail(err, GW_ESYS, "no memory for keys");
		return 0;
	}
	keyset_of(c->keys, m, (struct bcro_keyset *)(void *)set.p);
	if (bcro_device(m->number, r.device) == 0)
		n = drm_registration_seal(&r, (struct bcro_keyset *)(void *)set.p, c->device[i->device], c->issuer, out, cap, err);
	gw_secret_free(&set);
	return n;
}

/* The same right has the same rights_object_id, also after a restart: octets of what it is, hashed. */
static uint64_t
object_id(const struct bcro *b)
{
	uint8_t what[1 + BCRO_ADDRESS_LEN + BCRO_BCI + 16], md[EVP_MAX_MD_SIZE] = { 0 };
	uint64_t id = 0;

	what[0] = b->mode;
	memcpy(what + 1, b->address, BCRO_ADDRESS_LEN);
	memcpy(what + 1 + BCRO_ADDRESS_LEN, b->asset[0].BCI, BCRO_BCI);
	for (size_t k = 0; k < 8; k++) {
		what[1 + BCRO_ADDRESS_LEN + BCRO_BCI + k] = (uint8_t)(b->asset[0].valid_from >> 8 * (7 - k));
		what[1 + BCRO_ADDRESS_LEN + BCRO_BCI + 8 + k] = (uint8_t)(b->asset[0].valid_to >> 8 * (7 - k));
	}
	(void)EVP_Q_digest(NULL, "SHA1", NULL, what, sizeof(what), md, NULL);
	for (size_t k = 0; k < ID; k++)
		id = id << 8 | md[k];
	return id;
}

static size_t
make_bcro(const struct drm_carousel *c, const struct item *i, int64_t now_s, uint8_t *out, size_t cap, struct gw_err *err)
{
	const struct keys_member *m = i->group ? NULL : &c->keys->devices[i->device];
	const uint8_t *IEK = i->group ? i->group->UGK.p : m->UDK.p;
	const struct keys_seak *k = i->seak;
	struct bcro b = { .mode = i->group ? BCRO_GROUP : BCRO_UNIQUE, .has_issuer = true, .has_timestamp = true, .timestamp = stamp(now_s),
		.nassets = 1, .npermissions = 1, .permission = { { 0, BCRO_ACCESS } } };
	struct bcro_asset *a = &b.asset[0];

	memcpy(b.issuer, c->issuer_id, sizeof(b.issuer));
	memcpy(b.address, i->group ? i->group->address : m->UDF, sizeof(b.address));
	a->type = i->layer == DRM_SERVICE ? BCRO_SERVICE : BCRO_PROGRAM;
	a->valid_from = stamp(k->from_s);
	a->valid_to = stamp(k->to_s);
	if (drm_bci(c->keys->base_cid, i->layer, k->CID_extension, a->BCI) < 0 || drm_asset_seal(a, IEK, k->key.p, k->seed.p, err) < 0)
		return 0;
	b.rights_object_id = object_id(&b);
	return drm_bcro_seal(&b, c->bak, out, cap, err);
}

static int
make(const struct drm_carousel *c, struct item *i, int64_t now_s, struct gw_err *err)
{
	uint8_t room[REGISTRATION_CAP];
	size_t n = (i->seak ? make_bcro : make_registration)(c, i, now_s, room, sizeof(room), err);

	if (n == 0)
		return -1;
	if (!(i->octets = malloc(n)))
		return gw_fail(err, GW_ESYS, "no memory");
	memcpy(i->octets, room, n);
	i->len = n;
	return 0;
}

/* --- what is on air --------------------------------------------------------------------------------------------------- */

static bool
due(const struct drm_carousel *c, const struct item *i, int64_t now_s)
{
	const int64_t lead_s = (int64_t)((c->keys->issuer.lead_ms + 999) / 1000);

	return !i->seak || (i->seak->from_s <= now_s + lead_s && now_s < i->seak->to_s);
}

int
drm_carousel_get(struct drm_carousel *c, uint32_t index, int64_t now_s, void *out, size_t cap, struct gw_err *err)
{
	if (index == 0)
		for (uint32_t k = c->n = 0; k < c->nitems; k++)
			if (due(c, &c->items[k], now_s))
				c->on_air[c->n++] = k;
	if (index >= c->n)
		return 0;
	struct item *i = &c->items[c->on_air[index]];
	if (!i->octets && make(c, i, now_s, err) < 0)
		return -1;
	if (i->len > cap)
		return gw_fail(err, GW_ESYS, "a message of %zu octets, where %zu fit", i->len, cap);
	memcpy(out, i->octets, i->len);
	return (int)i->len;
}
