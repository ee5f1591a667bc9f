/*
 * kms/drm.c: the KMS of the DRM profile as a plugin: TEKs become STKMs under SEAKs of a key file (bcast-drm-profile 3 to 6); at an
 * EMMG, the same file becomes registrations and BCROs (8, 9). The file is looked at while it is used: a new SEAK needs no restart. SEAKs of services that
 * many BSMs share are in the store of a bridge, and are used once their gate is open (bcast-backend-xml 6).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kms/drm_carousel.h"
#include "kms/plug.h"
#include "kms/seaks.h"
#include "lib/clock.h"

enum { PROFILE = 0x0001, PAGE = 256, KEPT = 4, MARK = 8, LOOK_US = 1000000 };
enum { EMM_BAD_VALUE = 0x000d, EMM_UNKNOWN_CLIENT = 0x000e, EMM_UNKNOWN = 0x7000 };	/* TS 103 197 clause 6.2.6 */

/* Time stamp and keys of an answer, so that the same request is answered with the same octets; told by its first ciphertext. */
struct kept { uint32_t super_cas_id; uint16_t cp; bool used; uint8_t mark[MARK]; uint64_t stamp; struct drm_key *seak, *peak; };
struct stream { const struct keys_drm_service *service; unsigned turn; struct kept kept[KEPT]; };
struct file { dev_t dev; ino_t ino; off_t size; struct timespec changed; };
struct drm {
	struct kms_channel channel;
	struct plug_protection protection;
	uint8_t after_reception;
	struct kms_host host;
	char path[1024];
	char store_path[1024], master[1024];	/* of synchronised SEAKs; "": none */
	struct seaks *store;			/* NULL: it is not there yet */
	bool said_missing, stale;		/* stale: it could not be read when it had changed */
	struct keys_drm keys;
	struct drm_carousel *carousel;	/* of them, once the first LTKM is asked for */
	struct file seen; int64_t look_us;
	struct stream *page[65536 / PAGE];	/* by ECM_id: bounded, and no search */
};

static const struct plug_row settings[] = {
	{ "keys", PLUG_PATH, PLUG_AT(drm, path), 0, 0, NULL },
	{ "store", PLUG_PATH, PLUG_AT(drm, store_path), 0, 0, NULL },
	{ "master", PLUG_PATH, PLUG_AT(drm, master), 0, 0, NULL },
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
	drm_carousel_free(d->carousel);
	keys_drm_free(&d->keys);
	seaks_close(d->store);
	free(d);
}

static void
say(struct drm *d, int level, const char *text)
{
	if (d->host.log)
		d->host.log(d->host.ctx, level, text);
}

/* Zeroes for a file that is not there. */
static struct file
look(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct file){ 0 };
	return (struct file){ st.st_dev, st.st_ino, st.st_size, st.st_mtim };
}

static bool
same_file(const struct file *a, const struct file *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
		a->changed.tv_nsec == b->changed.tv_nsec;
}

/* ---- the store of synchronised SEAKs ---- */

/* The bridge makes it, maybe later than we start. 1: it has come. */
static int
open_store(struct drm *d, struct gw_err *err)
{
	char text[sizeof(d->store_path) + 80];

	if (!*d->store_path || d->store)
		return 0;
	if (access(d->store_path, F_OK) < 0 && errno == ENOENT) {
		snprintf(text, sizeof(text), "%s: the bridge has not made its store of SEAKs yet", d->store_path);
		if (!d->said_missing)
			say(d, KMS_LOG_NOTICE, text);
		d->said_missing = true;
		return 0;
	}
	return seaks_open(d->store_path, *d->master ? d->master : NULL, false, &d->store, err) < 0 ? -1 : 1;
}

struct merge { struct keys_drm *keys; int64_t now_s; struct gw_err *err; int rc; };

static int
merge_row(void *self, const struct seak_row *r)
{
	struct merge *m = self;
	const struct keys_more more = { r->service, r->kind == SEAK_SERVICE ? DRM_SERVICE : DRM_PROGRAM, r->cid_extension, r->key, r->from_s, r->to_s };

	if (r->open_us && r->to_s > m->now_s && keys_drm_add(m->keys, &more, m->err) < 0)
		m->rc = -1;
	return m->rc;
}

static int
merge(struct drm *d, struct keys_drm *keys, struct gw_err *err)
{
	struct merge m = { keys, gw_utc_us() / 1000000, err, 0 };

	for (size_t k = 0; !*d->store_path && k < keys->nservices; k++)
		if (keys->services[k].synchronised)
			return gw_fail(err, GW_ECONF, "%s: service %s is synchronised: setting store (that of the bridge) is missing", d->path,
			    keys->services[k].name);
	if (!d->store)
		return 0;
	if (seaks_each(d->store, merge_row, &m) != GW_WON)
		return gw_fail(err, GW_ETEMP, "%s cannot be read now", d->store_path);
	return m.rc;
}

static int
load(struct drm *d, struct keys_drm *keys, struct gw_err *err)
{
	if (keys_drm_load(d->path, keys, err) < 0)
		return -1;
	if (!keys->device.given && merge(d, keys, err) == 0)
		return 0;
	bool device = keys->device.given;
	keys_drm_free(keys);
	return !device ? -1 : gw_fail(err, GW_ECONF, "%s: this is a receiver's key file: it has no services", d->path);
}

static int
drm_open(const struct kms_host *host, const char *conf, void **state, char *why, size_t why_cap)
{
	struct drm *d = calloc(1, sizeof(*d));
	struct gw_err err = { 0 };

	if (!d) {
		plug_refuse(1, why, why_cap, "no memory");
		return -1;
	}
	d->channel = (struct kms_channel){ .section_TSpkt_flag = 2, .lead_CW = 1, .CW_per_msg = 2,
		.delay_start = -2000, .delay_stop = -2000, .ECM_rep_period = 500, .min_CP_duration = 10, .max_comp_time = 500 };
	memcpy(&d->host, host, host->size < sizeof(d->host) ? host->size : sizeof(d->host));
	d->protection = (struct plug_protection){ STKM_SRTP, true };
	d->after_reception = 3;
	int rc = plug_conf(settings, sizeof(settings) / sizeof(settings[0]), d, conf, why, why_cap);
	if (rc == 0 && !*d->path)
		rc = plug_refuse(1, why, why_cap, "setting keys (the key file) is missing");
	if (rc == 0) {
		d->seen = look(d->path);	/* before it is read: a change while it is read is seen later */
		d->look_us = gw_mono_tick_us() + LOOK_US;
		if (open_store(d, &err) < 0 || load(d, &d->keys, &err) < 0)
			rc = plug_refuse(1, why, why_cap, "%s", err.text);
	}
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

/* A repeat is answered with the keys of the new file that have the old one's names. */
static struct drm_key *
renewed(const struct keys_drm *keys, const struct drm_key *old, bool *lost)
{
	for (size_t k = 0; old && k < keys->nall; k++)
		if (drm_key_same(keys->all[k], old))
			return keys->all[k];
	*lost |= old != NULL;
	return NULL;
}

static void
renew_streams(struct drm *d, const struct keys_drm *keys)
{
	for (size_t p = 0; p < 65536 / PAGE; p++)
		for (size_t i = 0; d->page[p] && i < PAGE; i++) {
			struct stream *s = &d->page[p][i];
			s->service = NULL;
			for (size_t k = 0; k < KEPT; k++) {
				bool lost = false;
				s->kept[k].seak = renewed(keys, s->kept[k].seak, &lost);
				s->kept[k].peak = renewed(keys, s->kept[k].peak, &lost);
				s->kept[k].used &= !lost;
			}
		}
}

static void
adopt(struct drm *d, struct keys_drm *keys)
{
	renew_streams(d, keys);
	drm_carousel_free(d->carousel);	/* the next LTKM makes that of the new file */
	d->carousel = NULL;
	keys_drm_free(&d->keys);
	d->keys = *keys;
}

/* A file that has faults changes nothing, and is said once. */
static void
say_refused(struct drm *d, struct gw_err *err)
{
	char text[sizeof(err->text) + 96];

	for (char *p = err->text; (p = strchr(p, '\n')) != NULL; p++)
		*p = ';';
	snprintf(text, sizeof(text), "the key file or the store of SEAKs has changed, the old keys stay in use: %s", err->text);
	say(d, KMS_LOG_WARNING, text);
}

/* Once a second at most: has the key file changed? Another process makes the LTKMs of it, so both look by themselves. */
static void
look_again(struct drm *d)
{
	int64_t now_us = gw_mono_tick_us();
	struct gw_err err = { 0 };
	struct keys_drm keys;

	if (now_us < d->look_us)
		return;
	d->look_us = now_us + LOOK_US;
	struct file now = look(d->path);
	bool store = open_store(d, &err) > 0 || (d->store && seaks_changed(d->store)) || d->stale;
	if (same_file(&now, &d->seen) && !store)
		return;
	bool file = !same_file(&now, &d->seen);
	d->seen = now;
	d->stale = false;
	if (load(d, &keys, &err) < 0) {
		d->stale = err.code == GW_ETEMP;
		say_refused(d, &err);
		return;
	}
	struct drm_carousel *carousel = d->carousel ? drm_carousel_new(&keys, &err) : NULL;
	if (d->carousel && !carousel) {
		keys_drm_free(&keys);
		say_refused(d, &err);
		return;
	}
	drm_carousel_free(carousel);	/* it can be made */
	adopt(d, &keys);
	say(d, file ? KMS_LOG_NOTICE : KMS_LOG_DEBUG, file ? "the key file has changed: its keys are in use" : "the store of SEAKs has changed");
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
	look_again(state);
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

static int
drm_ltkm(void *state, const struct kms_ltkm *l, uint32_t index, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	struct drm *d = state;
	struct gw_err err = { 0 };
	int n;

	look_again(d);
	if (l->client_id >> 16 != PROFILE)
		return plug_refuse(EMM_UNKNOWN_CLIENT, why, why_cap, "client_id 0x%08x is not of the DRM profile (0x0001xxxx)",
		    (unsigned)l->client_id);
	if (l->section_TSpkt_flag != 2 || l->data_type != 0)
		return plug_refuse(EMM_BAD_VALUE, why, why_cap, "LTKMs are EMMs (data_type 0) of arbitrary bytes (section_TSpkt_flag 2)");
	if (!d->keys.issuer.given)
		return plug_refuse(EMM_UNKNOWN, why, why_cap, "%s: without a rights_issuer there are no LTKMs", d->path);
	if (!d->carousel && !(d->carousel = drm_carousel_new(&d->keys, &err)))
		return plug_refuse(EMM_UNKNOWN, why, why_cap, "%s", err.text);
	n = drm_carousel_get(d->carousel, index, l->utc_s, out, cap, &err);
	return n < 0 ? plug_refuse(EMM_UNKNOWN, why, why_cap, "%s", err.text) : n;
}

static const struct kms_plugin plugin = {
	.abi = KMS_PLUGIN_ABI, .size = sizeof(plugin), .name = "drm", .version = "1", .calling = KMS_INLINE,
	.open = drm_open, .channel = drm_channel, .stream = drm_stream, .ecm = drm_ecm, .close = drm_close, .ltkm = drm_ltkm,
};

const struct kms_plugin *
kms_plugin_entry(void)
{
	return &plugin;
}
