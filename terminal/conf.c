/* terminal/conf.c: this program's view of the head-end's file */
#include <stdlib.h>
#include <string.h>
#include "terminal/terminal.h"

enum { DRM_UPPER = 0x0001, SMARTCARD_UPPER = 0x0002 };	/* upper half of Super_CAS_id (bcast-backend-xml 10) */

const struct he_stkm *
term_conf_stkm(const struct he_unit *u, bool smartcard)
{
	const struct he_stkm *best = NULL;

	for (size_t i = 0; i < u->nstkm; i++) {
		const struct he_stkm *s = &u->stkm[i];
		if (s->kms->super_cas_id >> 16 == (smartcard ? SMARTCARD_UPPER : DRM_UPPER) && s->out.scheme && (!best || s->ecm_id < best->ecm_id))
			best = s;
	}
	return best;
}

const struct he_terminal *
term_conf(const struct headend *he, const char *name, struct gw_err *err)
{
	const struct he_terminal *t = NULL;

	for (size_t i = 0; i < he->nterminals && !t; i++)
		if (strcmp(he->terminals[i].name, name) == 0)
			t = &he->terminals[i];
	if (!t) {
		gw_fail(err, GW_ECONF, "%s: terminals: there is no terminal %s", he->file, name);
		return NULL;
	}
	if (!gw_transform_of(t->service->scrambling)) {
		gw_fail(err, GW_ECONF, "%s:%d:%d: terminal %s: this receiver does not know the scrambling of service %s",
		    he->file, t->at.line, t->at.column, t->name, t->service->id);
		return NULL;
	}
	for (size_t i = 0; i < t->service->nunits; i++)
		if (!term_conf_stkm(&t->service->units[i], t->smartcard)) {
			gw_fail(err, GW_ECONF, "%s:%d:%d: terminal %s: no KMS of the %s profile (Super_CAS_id 0x%04xxxxx) sends STKMs for %s",
			    he->file, t->at.line, t->at.column, t->name, t->smartcard ? "smartcard" : "drm",
			    t->smartcard ? SMARTCARD_UPPER : DRM_UPPER, t->service->units[i].id);
			return NULL;
		}
	return t;
}

enum gw_media_type
term_type(const struct he_medium *m)
{
	static const enum gw_media_type types[] = { [HE_TS] = GW_MEDIA_TS, [HE_H264] = GW_MEDIA_H264, [HE_AAC] = GW_MEDIA_AAC };

	return types[m->type];
}

bool
term_to_stdout(const struct terminal *app)
{
	return app->write && strcmp(app->write, "-") == 0;
}

int
term_conf_out(const struct headend *he, const struct he_terminal *t, const struct terminal *app, struct gw_err *err)
{
	if (term_to_stdout(app) && t->service->nmedia > 1)
		return gw_fail(err, GW_EUSAGE, "--write -: service %s has %zu media, and stdout is one; name a file", t->service->id,
		    t->service->nmedia);
	for (size_t i = 0; (app->write || t->file) && i < t->service->nmedia; i++) {
		const struct he_medium *m = &t->service->media[i];
		struct es es;
		if (es_init(&es, term_type(m), es_config(m->fmtp)) < 0)
			return gw_fail(err, GW_ECONF, "%s:%d:%d: medium %s: for a file of AAC its fmtp must have the encoder's config=",
			    he->file, m->at.line, m->at.column, m->name);
	}
	return 0;
}

int
term_conf_phone(const struct he_terminal *t, const struct terminal *app, struct gw_err *err)
{
	if (app->misbehave.on && !t->card)
		return gw_fail(err, GW_EUSAGE, "--misbehave is for a terminal with a card, and %s has none", t->name);
	return 0;
}

static bool
serves(const struct he_terminal *t, const struct he_kms *kms)
{
	for (size_t i = 0; i < t->service->nunits; i++)
		if (term_conf_stkm(&t->service->units[i], t->smartcard)->kms == kms)
			return true;
	return false;
}

int
term_conf_ltkm(const struct headend *he, const struct he_terminal *t, const struct he_ltkm ***list, size_t *n, struct gw_err *err)
{
	*n = 0;
	if (!(*list = calloc(he->nltkm + 1, sizeof(**list))))
		return gw_fail(err, GW_ESYS, "no memory");
	for (size_t i = 0; i < he->nltkm; i++)
		/* this receiver reads no transport streams */
		if (he->ltkm[i].out.scheme && he->ltkm[i].out.pid == 0 && serves(t, he->ltkm[i].kms))
			(*list)[(*n)++] = &he->ltkm[i];
	if (*n)
		return 0;
	return gw_fail(err, GW_ECONF, "%s:%d:%d: its keys come on air, but ltkm has no entry of a KMS of service %s that datagrams can be "
	    "heard from", he->file, t->at.line, t->at.column, t->service->id);
}
