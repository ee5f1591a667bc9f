/* scrambler/conf.c: this program's view of the head-end's file */
#include <stdlib.h>
#include <string.h>
#include "proto/stkm.h"
#include "scrambler/scrambler.h"

static const char *const scramblings[] = { [HE_IPSEC] = "ipsec", [HE_SRTP] = "srtp", [HE_ISMACRYP] = "ismacryp", [HE_CISSA] = "dvb-cissa" };
static const struct { const char *name; enum gw_engine engine; } engines[] = {
	{ "auto", GW_ENGINE_AUTO }, { "libsrtp2", GW_ENGINE_LIBSRTP2 }, { "batch", GW_ENGINE_BATCH },
};

enum gw_engine
scr_conf_engine(const struct headend *he)
{
	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
		if (strcmp(he->scrambler.engine, engines[i].name) == 0)
			return engines[i].engine;
	return GW_ENGINE_AUTO;
}

int
scr_conf_check(const struct headend *he, struct gw_err *err)
{
	bool libsrtp2 = scr_conf_engine(he) == GW_ENGINE_LIBSRTP2;

	for (size_t i = 0; i < he->nservices; i++) {
		const struct he_service *s = &he->services[i];
		if (s->scrambling != HE_NONE && !gw_transform_of((int)s->scrambling))
			return gw_fail(err, GW_ECONF, "%s:%d:%d: service %s: scrambling: %s is not part of this build",
			    he->file, s->at.line, s->at.column, s->id, scramblings[s->scrambling]);
		if (s->rcc && libsrtp2)
			return gw_fail(err, GW_ECONF, "%s:%d:%d: service %s: rcc: engine libsrtp2 cannot do it; auto or batch",
			    he->file, s->at.line, s->at.column, s->id);
	}
	return 0;
}

const struct he_unit **
scr_conf_units(const struct headend *he, size_t *n)
{
	const struct he_unit **list;
	size_t all = 1;

	for (size_t i = 0; i < he->nservices; i++)
		all += he->services[i].nunits;
	list = calloc(all, sizeof(*list));
	*n = 0;
	for (size_t i = 0; list && i < he->nservices; i++)
		for (size_t u = 0; u < he->services[i].nunits && he->services[i].scrambling != HE_NONE; u++)
			if (he->services[i].units[u].nstkm)
				list[(*n)++] = &he->services[i].units[u];
	return list;
}

struct scr_form
scr_form_of(const struct scr_setup *s)
{
	const struct gw_transform *row = gw_transform_of((int)s->scrambling);
	const struct stkm_layout *l = stkm_layout((uint8_t)s->scrambling, s->authenticated, STKM_CISSA);

	return (struct scr_form){ .name = row->name, .protection = (uint8_t)s->scrambling, .id_min = row->id_min, .id_max = row->id_max,
		.key_len = l ? (size_t)l->tek + l->salt + l->tas : row->tek + row->salt };
}
