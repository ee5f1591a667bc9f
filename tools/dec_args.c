/* tools/dec_args.c */
#include "tools/dec_args.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "proto/cpsig_psig.h"
#include "proto/ecmg_scs.h"
#include "proto/eis_scs.h"
#include "proto/emmg_mux.h"
#include "proto/playout.h"
#include "proto/psig_mux.h"

int
dec_take_iface(const char *value, const struct sim_iface **iface, struct gw_err *err)
{
	static const struct { const char *name; const struct sim_iface *iface; } names[] = {
		{ "ecmg", &ecmg_scs }, { "mux", &emmg_mux }, { "emmg", &emmg_mux }, { "eis", &eis_scs }, { "psig", &psig_mux }, { "cpsig", &cpsig_psig },
		{ "playout", &playout },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].name, value) == 0) {
			*iface = names[i].iface;
			return 0;
		}
	return gw_fail(err, GW_EUSAGE, "%s is not known: ecmg, mux, eis, psig, cpsig or playout", value);
}

int
dec_take_port(const char *value, struct dec_msg_conf *conf, struct gw_err *err)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(value, &end, 0);
	if (errno || *value < '0' || *value > '9' || *end || n == 0 || n > UINT16_MAX)
		return gw_fail(err, GW_EUSAGE, "%s is no port, a number from 1 to 65535", value);
	conf->port = (uint16_t)n;
	conf->forced = true;
	return 0;
}
