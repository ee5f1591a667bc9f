/* scrambler/conf.c: this program's view of the head-end's file */
#include <stdlib.h>
#include <string.h>
#include "scrambler/scrambler.h"

static const char *const scramblings[] = { [HE_IPSEC] = "ipsec", [HE_SRTP] = "srtp", [HE_ISMACRYP] = "ismacryp", [HE_CISSA] = "dvb-cissa" };

int
scr_conf_check(const struct headend *he, struct gw_err *err)
{
	const char *engine = he->scrambler.engine;

	if (strcmp(engine, "auto") != 0 && strcmp(engine, "libsrtp2") != 0)
		return gw_fail(err, GW_ECONF, "%s: scrambler: engine: %s is not part of this build; auto or libsrtp2", he->file, engine);
	if (he->scrambler.threads != 1)
		return gw_fail(err, GW_ECONF, "%s: scrambler: threads: %u: this scrambler works on one thread; 1", he->file, he->scrambler.threads);
	for (size_t i = 0; i < he->nservices; i++) {
		const struct he_service *s = &he->services[i];
		if (s->scrambling != HE_SRTP && s->scrambling != HE_NONE)
			return gw_fail(err, GW_ECONF, "%s:%d:%d: service %s: scrambling: %s is not possible with this scrambler; srtp or none",
			    he->file, s->at.line, s->at.column, s->id, scramblings[s->scrambling]);
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
		for (size_t u = 0; u < he->services[i].nunits && he->services[i].scrambling == HE_SRTP; u++)
			list[(*n)++] = &he->services[i].units[u];
	return list;
}
