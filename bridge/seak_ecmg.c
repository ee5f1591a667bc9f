/* bridge/seak_ecmg.c: see seak_ecmg.h */
#include "bridge/seak_ecmg.h"
#include <stdlib.h>
#include <string.h>
#include "kms/load.h"
#include "lib/ecmg_face.h"
#include "lib/log.h"
#include "lib/settings.h"

enum { SILENCE_MS = 60000, PATIENCE_MS = 10000, WHY = 240 };

/* A KMS whose STKMs are made here. */
struct maker { const struct he_kms *kms; void *state; };
struct seak_ecmg {
	uv_loop_t *loop;
	char label[160];
	struct ecmg_face face;
	struct kms_host host;
	struct kms_module module;
	struct maker *makers; size_t nmakers;
	bool closing;
};

static const struct maker *
maker_of(const struct ecmg_conn *k, uint32_t super_cas_id)
{
	const struct seak_ecmg *s = k->face->owner;

	for (size_t i = 0; i < s->nmakers; i++)
		if (s->makers[i].kms->super_cas_id == super_cas_id)
			return &s->makers[i];
	return NULL;
}

static const struct kms_plugin *
plugin_of(const struct ecmg_conn *k)
{
	return ((const struct seak_ecmg *)k->face->owner)->module.plugin;
}

/* What the plugin announces, and the file corrects. Member by member: channels are compared with memcmp(). */
static void
announce(struct ecmg_says *to, const struct kms_channel *c, const struct he_kms *k)
{
#define CORRECTED(name) (k->name.set ? k->name.v : c->name)
	to->section_TSpkt_flag = c->section_TSpkt_flag;
	to->lead_CW = (uint8_t)CORRECTED(lead_CW);
	to->CW_per_msg = (uint8_t)CORRECTED(CW_per_msg);
	to->access_criteria_transfer_mode = c->access_criteria_transfer_mode;
	to->delay_start = (int16_t)CORRECTED(delay_start);
	to->delay_stop = (int16_t)CORRECTED(delay_stop);
	to->transition_delay_start = c->transition_delay_start;
	to->transition_delay_stop = c->transition_delay_stop;
	to->AC_delay_start = c->AC_delay_start;
	to->AC_delay_stop = c->AC_delay_stop;
	to->has_transition = c->has_transition;
	to->has_AC = c->has_AC;
	to->ECM_rep_period = (uint16_t)CORRECTED(ECM_rep_period);
	to->max_streams = (uint16_t)CORRECTED(max_streams);
	to->min_CP_duration = (uint16_t)CORRECTED(min_CP_duration);
	to->max_comp_time = (uint16_t)CORRECTED(max_comp_time);
#undef CORRECTED
}

static int
make_channel(struct ecmg_conn *k, uint32_t super_cas_id, struct ecmg_says *says, char *why, size_t cap)
{
	const struct maker *m = maker_of(k, super_cas_id);
	struct kms_channel c = { 0 };
	int rc;

	if (!m) {
		snprintf(why, cap, "this bridge makes no STKMs of Super_CAS_id 0x%08x", (unsigned)super_cas_id);
		return -ECMG_E_SUPER_CAS_ID;
	}
	if ((rc = plugin_of(k)->channel(m->state, super_cas_id, &c, why, cap)) == 0)
		announce(says, &c, m->kms);
	return rc;
}

static int
make_stream(struct ecmg_conn *k, uint32_t super_cas_id, uint16_t ecm_id, char *why, size_t cap)
{
	const struct maker *m = maker_of(k, super_cas_id);

	return m ? plugin_of(k)->stream(m->state, super_cas_id, ecm_id, why, cap) : -ECMG_E_SUPER_CAS_ID;
}

static int
make_ecm(struct ecmg_conn *k, const struct ecmg_request *q, uint8_t *out, size_t cap, char *why, size_t why_cap)
{
	const struct maker *m = maker_of(k, q->super_cas_id);
	struct kms_cw cws[UINT8_MAX];

	if (!m)
		return -ECMG_E_SUPER_CAS_ID;
	for (size_t i = 0; i < q->ncws; i++)
		cws[i] = (struct kms_cw){ q->cws[i].cp_number, q->cws[i].cw, q->cws[i].cw_len, q->cws[i].key_id, q->cws[i].key_id_len };
	return plugin_of(k)->ecm(m->state, &(struct kms_request){
		.size = sizeof(struct kms_request), .handle = q->handle, .super_cas_id = q->super_cas_id, .ecm_id = q->ecm_id, .cp_number = q->cp_number,
		.cp_duration_100ms = q->cp_duration_100ms, .has_protection = q->has_protection, .protection = q->protection,
		.authenticated = q->authenticated, .cws = cws, .ncws = q->ncws, .access_criteria = q->access_criteria,
		.access_criteria_len = q->access_criteria_len }, out, cap, why, why_cap);
}

/* ---- which ----  */

static bool
made_here(const struct he_bridge *b, const struct he_kms *k)
{
	return k->plugin && strcmp(k->plugin, "drm") == 0 && k->store && b->seaks && strcmp(k->store, b->seaks) == 0;
}

static int
add_kms(const struct he_kms ***v, size_t *n, const struct he_kms *k)
{
	const struct he_kms **grown;

	for (size_t i = 0; i < *n; i++)
		if ((*v)[i] == k)
			return 0;
	if (!(grown = reallocarray(*v, *n + 1, sizeof(*grown))))
		return -1;
	*v = grown;
	grown[(*n)++] = k;
	return 0;
}

/* The KMSs of the file that are made here; heap. -1 with *err. */
static int
find_all(const struct he_bridge *b, const struct he_kms ***v, size_t *n, struct gw_err *err)
{
	*v = NULL;
	*n = 0;
	for (size_t i = 0; i < b->nseak; i++) {
		const struct he_service *s = b->seak[i].service;
		bool found = false;

		if (!b->seak[i].make_stkm)
			continue;
		for (size_t u = 0; u < s->nunits; u++)
			for (size_t k = 0; k < s->units[u].nstkm; k++)
				if (made_here(b, s->units[u].stkm[k].kms)) {
					found = true;
					if (add_kms(v, n, s->units[u].stkm[k].kms) < 0)
						return gw_fail(err, GW_ESYS, "no memory");
				}
		if (!found)
			return gw_fail(err, GW_ECONF, "make_stkm: service %s has no stkm of a KMS with the plugin drm and the store %s", s->id, b->seaks);
	}
	return 0;
}

/* ---- up and down ---- */

static void
plugin_log(void *ctx, int level, const char *text)
{
	kms_module_log(&((struct seak_ecmg *)ctx)->module, level, text);
}

static int
open_maker(struct seak_ecmg *s, const struct he_kms *kms, struct gw_err *err)
{
	struct maker *m = &s->makers[s->nmakers];
	char *lines = NULL;
	int rc = gw_settings_of(&lines, kms, err);

	if (rc == 0)
		rc = kms_open(&s->module, &s->host, lines ? lines : "", &m->state, err);
	free(lines);
	if (rc < 0)
		return gw_wrap(err, "KMS %s", kms->name);
	m->kms = kms;
	s->nmakers++;
	for (size_t k = 0; k < kms->necmg; k++)
		if (gw_addr_local(&kms->ecmg[k]) && ecmg_face_listen(&s->face, &kms->ecmg[k], err) < 0)
			return gw_wrap(err, "KMS %s", kms->name);
	return 0;
}

static void
on_unclocked(void *owner)
{
	struct seak_ecmg *s = owner;

	for (size_t i = 0; i < s->nmakers; i++)
		s->module.plugin->close(s->makers[i].state);
	kms_unload(&s->module);
	ecmg_face_fini(&s->face);
	free(s->makers);
	free(s);
}

static void
on_parted(void *owner)
{
	struct seak_ecmg *s = owner;

	if (s->closing)
		ecmg_face_unclock(&s->face, on_unclocked);
}

static const struct ecmg_maker ecmg_maker = { make_channel, make_stream, make_ecm, NULL, NULL, NULL, on_parted };

struct seak_ecmg *
seak_ecmg_open(uv_loop_t *loop, const struct headend *he, const struct he_bridge *b, struct ex *ex, struct gw_err *err)
{
	struct seak_ecmg *s = calloc(1, sizeof(*s));
	const struct he_kms **v = NULL;
	size_t n = 0;
	int rc;

	(void)he, (void)ex;
	if (!s) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	s->loop = loop;
	snprintf(s->label, sizeof(s->label), "bridge=%.140s", b->name);
	s->host = (struct kms_host){ .size = sizeof(s->host), .ctx = s, .log = plugin_log, .random = kms_random };
	s->face.loop = loop;
	s->face.owner = s;
	s->face.maker = &ecmg_maker;
	s->face.label = s->label;
	s->face.engine.silence_ms = SILENCE_MS;
	s->face.engine.patience_ms = PATIENCE_MS;
	ecmg_face_open(&s->face);
	rc = find_all(b, &v, &n, err);
	if (rc == 0 && n && !(s->makers = calloc(n, sizeof(*s->makers))))
		rc = gw_fail(err, GW_ESYS, "no memory");
	if (rc == 0 && n)
		rc = kms_load(&s->module, "drm", err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = open_maker(s, v[i], err);
	free(v);
	if (rc == 0)
		return s;
	seak_ecmg_close(s);
	return NULL;
}

int
seak_ecmg_reconf(struct seak_ecmg *s, const struct headend *he, const struct he_bridge *b, struct gw_err *err)
{
	const struct he_kms **v = NULL;
	size_t n = 0, same = 0;
	int rc = find_all(b, &v, &n, err);

	(void)he;
	for (size_t i = 0; i < n && rc == 0; i++)
		for (size_t k = 0; k < s->nmakers; k++)
			same += strcmp(s->makers[k].kms->name, v[i]->name) == 0 && s->makers[k].kms->super_cas_id == v[i]->super_cas_id;
	if (rc == 0 && (same != n || n != s->nmakers))
		rc = gw_fail(err, GW_ECONF, "other KMSs with make_stkm take a restart");
	for (size_t i = 0; i < n && rc == 0; i++)
		for (size_t k = 0; k < s->nmakers; k++)
			if (strcmp(s->makers[k].kms->name, v[i]->name) == 0)
				s->makers[k].kms = v[i];
	free(v);
	if (rc == 0)
		ecmg_face_revise(&s->face);
	return rc;
}

void
seak_ecmg_close(struct seak_ecmg *s)
{
	if (!s || s->closing)
		return;
	s->closing = true;
	ecmg_face_close(&s->face);
	ecmg_face_leave(&s->face);
	if (s->face.nconns == 0)
		ecmg_face_unclock(&s->face, on_unclocked);
}

/* ---- for operators ---- */

json_t *
seak_ecmg_status(const struct seak_ecmg *s)
{
	json_t *kms = json_array();

	for (size_t i = 0; i < s->nmakers; i++)
		json_array_append_new(kms, json_string(s->makers[i].kms->name));
	return json_pack("{s:o, s:o, s:o, s:I, s:o}", "kms", kms, "listen", ecmg_face_listening(&s->face), "channels", ecmg_face_channels(&s->face),
	    "ecm_total", (json_int_t)s->face.engine.ecm_total, "refused", gw_refusals_counts(&s->face.refused, &ecmg_scs));
}

void
seak_ecmg_collect(const struct seak_ecmg *s, struct gw_samples *out)
{
	static const struct gw_metric made = { "simulgate_bridge_seak_stkm_total", "STKMs made here (make_stkm).", GW_COUNTER };

	gw_sample(out, &made, "", (double)s->face.engine.ecm_total);
}
