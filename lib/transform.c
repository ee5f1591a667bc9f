/* lib/transform.c: the table of the protections */
#include "lib/transform.h"
#include "lib/esp.h"
#include "lib/srtp.h"

static const char *const verdicts[GW_XF_VERDICTS] = {
	[GW_XF_OK] = "ok", [GW_XF_HELD] = "held", [GW_XF_NOT_RTP] = "not_rtp", [GW_XF_MALFORMED] = "malformed", [GW_XF_NO_KEY] = "no_key",
	[GW_XF_REPEAT] = "repeat", [GW_XF_RESTART] = "restart", [GW_XF_FULL] = "too_many_sources", [GW_XF_TAKEN] = "ssrc_taken",
	[GW_XF_INCOMPLETE] = "incomplete",
	[GW_XF_TOO_LONG] = "too_long", [GW_XF_EXHAUSTED] = "key_exhausted", [GW_XF_FORGED] = "authentication", [GW_XF_FAILED] = "failed",
};

static const struct gw_transform *const rows[] = {
	&gw_transform_srtp,
	&gw_transform_cissa,
	&gw_transform_ismacryp,
	&gw_transform_esp,
	NULL
};

const char *
gw_verdict_name(int v)
{
	return v >= 0 && v < GW_XF_VERDICTS ? verdicts[v] : "unknown";
}

const struct gw_transform *
gw_transform_of(int protection)
{
	for (size_t i = 0; rows[i]; i++)
		if (rows[i]->protection == protection)
			return rows[i];
	return NULL;
}

int
gw_transforms_self_test(struct gw_err *err)
{
	if (gw_burst_self_test(err) < 0)
		return -1;
	for (size_t i = 0; rows[i]; i++)
		if (rows[i]->self_test(err) < 0)
			return gw_wrap(err, "%s: ", rows[i]->name);
	return 0;
}
