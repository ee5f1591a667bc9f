/* kms/drm.c: the KMS of the DRM profile as a plugin: TEKs become STKMs under SEAKs of a key file (bcast-drm-profile 3 to 6). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kms/keys.h"
#include "kms/plug.h"
#include "lib/clock.h"

enum { PROFILE = 0x0001, PAGE = 256, KEPT = 4, MARK = 8 };

/* Time stamp and keys of an answer, so that the same request is answered with the same octets; told by its first ciphertext. */
struct kept { uint32_t super_cas_id; uint16_t cp; bool used; uint8_t mark[MARK]; uint64_t stamp; struct drm_key *seak, *peak; };
struct stream { const struct keys_drm_service *service; unsigned turn; struct kept kept[KEPT]; };
struct drm {
	struct kms_channel channel;
	struct plug_protection protection;
	uint8_t after_reception;
	char path[1024];
	struct keys_drm keys;
	struct stream *page[65536 / PAGE];	/* by ECM_id: bounded, and no search */
};

static const struct plug_row settings[] = {
	{ "keys", PLUG_PATH, PLUG_AT(drm, path), 0, 0, NULL },
	{ "protection", PLUG_PROTECTION, PLUG_AT(drm, protection.protocol), 0, 0, NULL },
	{ "authenticated", PLUG_FLAG, PLUG_AT(drm, protection.authenticated), 0, 0, NULL },
	{ "protection_after_reception", PLUG_UINT, PLUG_AT(drm, after_reception), 0, 3, NULL },
	PLUG_CHANNEL(drm),
};

static void
drm_close(void *state)
{
	struct drm *d = state;

	for (size_t k = 0; k < 65536 / PAGE; k++)
		free(d->page[k]);
	keys_drm_free(&d->keys);
	free(d);
}

static int
drm_open(const struct kms_host *host, const char *conf, void **state, char *why, size_t why_cap)
{
	struct drm *d = calloc(1, sizeof(*d));
	struct gw_err err = { 0 };

	(void)host;
	if (!d) {
		plug_refuse(1, why, why_cap, "no memory");
		return -1;
	}
	d->channel = (struct kms_channel){ .section_TSpkt_flag = 2, .lead_CW = 1, .CW_per_msg = 2,
		.delay_start = -2000, .delay_stop = -2000, .ECM_rep_period = 500, .min_CP_duration = 10, .max_comp_time = 500 };
	d->protection = (struct plug_protection){ STKM_SRTP, true };
	d->after_reception = 3;
	int rc = plug_conf(settings, sizeof(settings) / sizeof(settings[0]), d, conf, why, why_cap);
	if (rc == 0 && !*d->path)
		rc = plug_refuse(1, why, why_cap, "setting keys (the key file) is missing");
	else if (rc == 0 && keys_drm_load(d->path, &d->keys, &err) < 0)
		rc = plug_refuse(1, why, why_cap, "%s", err.text);
	if (rc == 0) {
		*state = d;
		return 0;
	}
	drm_close(d);
	return -1;
}

static int
drm_channel(void *state, uint32_t super_cas_id, struct kms_channel *channel, char *why, size_t why_cap)
{
	const struct drm *d = state;

	if (super_cas_id >> 16 != PROFILE)
		return plug_refuse(PLUG_UNKNOWN_CAS, why, why_cap, "Super_CAS_id 0x%08x is not of the DRM profile (0x0001xxxx)",
		    (unsigned)super_cas_id);
	*channel = d->channel;
	return 0;
}

static struct stream *
stream_of(struct drm *d, uint16_t ecm_id)
{
	struct stream **page = &d->page[ecm_id / PAGE];

	if (!*page)
		*page = calloc(PAGE, sizeof(**page));
	if (!*page)
		return NULL;
	struct stream *s = *page + ecm_id % PAGE;
	if (!s->service)
		s->service = keys_drm_service(&d->keys, ecm_id);
	return s;
}

static int
drm_stream(void *state, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t why_cap)
{
	(void)super_cas_id;
	if (!keys_drm_service(&((struct drm *)state)->keys, ecm_id))
		return plug_refuse(PLUG_UNKNOWN_ECM_ID, why, why_cap, "no service in the key file for ECM_id %u", ecm_id);
	return 0;
}

/* The keys, and what the message says beside them. The number of keys, or -error_status. */
static int
plan(const struct drm *d, const struct plug_call *c, struct stkm *m, struct plug_key key[2])
{
	const struct kms_request *r = c->r;
	const struct kms_cw *cw = plug_cw(r, r->cp_number), *next = plug_cw(r, (uint16_t)(r->cp_number + 1));
	int rc = plug_criteria(c);

	if (!cw)
		return PLUG_NO(c, PLUG_NOT_ENOUGH_CWS, "no CP_CW_combination for CP_number %u", r->cp_number);
	if (rc == 0)
		rc = plug_key(c, &d->protection, cw, &key[0]);
	if (rc == 0 && next)
		rc = plug_key(c, &d->protection, next, &key[1]);
	if (rc < 0)
		return rc;
	if (next && (key[1].id_len != key[0].id_len || key[1].tkm.layout != key[0].tkm.layout))
		return PLUG_NO(c, PLUG_BAD_VALUE, "the keys of CP %u and the next differ in kind or in their identifier's length",
		    r->cp_number);
	m->protection_after_reception = d->after_reception;
	m->id_len = (uint8_t)key[0].id_len;
	memcpy(m->id, key[0].id, STKM_ID_MAX);
	memcpy(m->next_id, key[1].id, STKM_ID_MAX);
	m->odd = r->cp_number & 1;
	m->lifetime = plug_lifetime(r);
	m->has_timestamp = true;
	m->has_criteria = r->access_criteria_len > 0;
	m->criteria = r->access_criteria;
	m->criteria_len = r->access_criteria_len;
	return next ? 2 : 1;
}

static struct kept *
recall(struct stream *s, const struct kms_request *r)
{
	for (int k = 0; k < KEPT; k++)
		if (s->kept[k].used && s->kept[k].cp == r->cp_number && s->kept[k].super_cas_id == r->super_cas_id)
			return &s->kept[k];
	return NULL;
}

static int
seal(const struct kept *k, struct stkm *m, const struct plug_key key[2], int nkeys, const struct plug_call *c)
{
	struct gw_err err;	/* read after a failure only */

	m->timestamp = k->stamp;
	size_t n = drm_seal(k->seak, k->peak, m, &key[0].tkm, nkeys == 2 ? &key[1].tkm : NULL, c->out, c->cap, &err);
	return n ? (int)n : PLUG_NO(c, PLUG_GENERATION_FAILURE, "%s", err.text);
}

/* What an answer made now is sealed with. */
static int
begin(const struct stream *s, const struct plug_call *c, struct kept *k)
{
	int64_t now_s = gw_utc_tick_us() / 1000000;

	*k = (struct kept){ .super_cas_id = c->r->super_cas_id, .cp = c->r->cp_number, .used = true,
		.seak = keys_valid(s->service->seak, s->service->nseak, now_s),
		.peak = keys_valid(s->service->peak, s->service->npeak, now_s) };
	if (!k->seak && !k->peak)
		return PLUG_NO(c, PLUG_GENERATION_FAILURE, "no SEAK of service %s is valid now", s->service->name);
	if (stkm_mjdutc(now_s, &k->stamp) < 0)
		return PLUG_NO(c, PLUG_GENERATION_FAILURE, "this host's clock is outside of what a time stamp can say");
	return 0;
}

/* A kept answer is given again if it was for the same TEK: a peer that starts over with CP 0 gets a fresh time stamp. */
static int
answer(struct stream *s, struct stkm *m, const struct plug_key key[2], int nkeys, const struct plug_call *c)
{
	struct kept *k = recall(s, c->r), fresh;
	int n;

	if (k) {
		n = seal(k, m, key, nkeys, c);
		if (n > 0 && memcmp(k->mark, m->material, MARK) == 0)
			return n;
	} else
		k = &s->kept[s->turn++ % KEPT];
	n = begin(s, c, &fresh);
	if (n == 0)
		n = seal(&fresh, m, key, nkeys, c);
	if (n > 0) {
		memcpy(fresh.mark, m->material, MARK);
		*k = fresh;
	}
	return n;
}

static int
drm_ecm(void *state, const struct kms_request *r, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	const struct plug_call call = { r, out, cap, why, why_cap };
	struct stream *s = stream_of(state, r->ecm_id);
	struct plug_key key[2] = { 0 };
	struct stkm m = { 0 };

	if (!s)
		return PLUG_NO(&call, PLUG_NO_RESOURCES, "no memory for another stream");
	if (!s->service)
		return PLUG_NO(&call, PLUG_UNKNOWN_ECM_ID, "no service in the key file for ECM_id %u", r->ecm_id);
	int n = plan(state, &call, &m, key);
	if (n > 0)
		n = answer(s, &m, key, n, &call);
	gw_cleanse(key, sizeof(key));
	return n;
}

static const struct kms_plugin plugin = {
	.abi = KMS_PLUGIN_ABI, .size = sizeof(plugin), .name = "drm", .version = "1", .calling = KMS_INLINE,
	.open = drm_open, .channel = drm_channel, .stream = drm_stream, .ecm = drm_ecm, .close = drm_close,
};

const struct kms_plugin *
kms_plugin_entry(void)
{
	return &plugin;
}
