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
	d->channel = (struct kms_channel){ .section_TSpkt_flag = 2, .lead_CW = 1, .CW_per_msg = 2, .delay_start = -2000, .delay_stop = -2000,
		.ECM_rep_period = 500, .min_CP_duration = 10, .max_comp_time = 500 };
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

/* What the message says beside its keys. */
static int
plan(const struct drm *d, const struct kms_request *r, struct stkm *m, struct tkm *now, struct tkm *next, bool *has_next, char *why, size_t cap)
{
	const struct kms_cw *cw = plug_cw(r, r->cp_number), *following = plug_cw(r, (uint16_t)(r->cp_number + 1));
	size_t id_len, next_len;
	int rc = plug_criteria(r, why, cap);

	if (!cw)
		return plug_refuse(PLUG_NOT_ENOUGH_CWS, why, cap, "no CP_CW_combination for CP_number %u", r->cp_number);
	if (rc == 0)
		rc = plug_key(r, &d->protection, cw, now, m->id, &id_len, why, cap);
	if (rc == 0 && following)
		rc = plug_key(r, &d->protection, following, next, m->next_id, &next_len, why, cap);
	if (rc < 0)
		return rc;
	if (following && (next_len != id_len || next->layout != now->layout))
		return plug_refuse(PLUG_BAD_VALUE, why, cap, "the keys of CP %u and the next differ in kind or in the length of their identifier",
		    r->cp_number);
	*has_next = following != NULL;
	m->protection_after_reception = d->after_reception;
	m->id_len = (uint8_t)id_len;
	m->odd = r->cp_number & 1;
	m->lifetime = plug_lifetime(r);
	m->has_timestamp = true;
	m->has_criteria = r->access_criteria_len > 0;
	m->criteria = r->access_criteria;
	m->criteria_len = r->access_criteria_len;
	return 0;
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
seal(struct kept *k, struct stkm *m, const struct tkm *now, const struct tkm *next, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	struct gw_err err = { 0 };

	m->timestamp = k->stamp;
	size_t n = drm_seal(k->seak, k->peak, m, now, next, out, cap, &err);
	return n ? (int)n : plug_refuse(PLUG_GENERATION_FAILURE, why, why_cap, "%s", err.text);
}

/* An answer kept from before is given again if it was for the same TEK; a peer that starts over with CP 0 gets a fresh time stamp. */
static int
answer(struct stream *s, const struct kms_request *r, struct stkm *m, const struct tkm *now, const struct tkm *next, uint8_t *out, size_t cap,
    char *why, size_t why_cap)
{
	struct kept *k = recall(s, r), fresh = { .super_cas_id = r->super_cas_id, .cp = r->cp_number, .used = true };
	int64_t now_s = gw_utc_us() / 1000000;
	int n;

	if (k) {
		n = seal(k, m, now, next, out, cap, why, why_cap);
		if (n > 0 && memcmp(k->mark, m->material, MARK) == 0)
			return n;
	} else
		k = &s->kept[s->turn++ % KEPT];
	fresh.seak = keys_valid(s->service->seak, s->service->nseak, now_s);
	fresh.peak = keys_valid(s->service->peak, s->service->npeak, now_s);
	if (!fresh.seak && !fresh.peak)
		return plug_refuse(PLUG_GENERATION_FAILURE, why, why_cap, "no SEAK of service %s is valid now", s->service->name);
	if (stkm_mjdutc(now_s, &fresh.stamp) < 0)
		return plug_refuse(PLUG_GENERATION_FAILURE, why, why_cap, "the clock of this host is outside of what a time stamp can say");
	n = seal(&fresh, m, now, next, out, cap, why, why_cap);
	if (n > 0) {
		memcpy(fresh.mark, m->material, MARK);
		*k = fresh;
	}
	return n;
}

static int
drm_ecm(void *state, const struct kms_request *r, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	struct drm *d = state;
	struct stream *s = stream_of(d, r->ecm_id);
	struct stkm m = { 0 };
	struct tkm now = { 0 }, next = { 0 };
	bool has_next = false;

	if (!s)
		return plug_refuse(PLUG_NO_RESOURCES, why, why_cap, "no memory for another stream");
	if (!s->service)
		return plug_refuse(PLUG_UNKNOWN_ECM_ID, why, why_cap, "no service in the key file for ECM_id %u", r->ecm_id);
	int n = plan(d, r, &m, &now, &next, &has_next, why, why_cap);
	if (n == 0)
		n = answer(s, r, &m, &now, has_next ? &next : NULL, out, cap, why, why_cap);
	gw_cleanse(&now, sizeof(now));
	gw_cleanse(&next, sizeof(next));
	return n;
}

static const struct kms_plugin plugin = { .abi = KMS_PLUGIN_ABI, .size = sizeof(plugin), .name = "drm", .version = "1", .calling = KMS_INLINE,
	.open = drm_open, .channel = drm_channel, .stream = drm_stream, .ecm = drm_ecm, .close = drm_close };

const struct kms_plugin *
kms_plugin_entry(void)
{
	return &plugin;
}
