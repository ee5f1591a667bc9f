/* proto/ifaces.c */
#include "proto/ifaces.h"
#include "proto/cpsig_psig.h"
#include "proto/ecmg_scs.h"
#include "proto/eis_scs.h"
#include "proto/emmg_mux.h"
#include "proto/playout.h"
#include "proto/psig_mux.h"

const struct sim_iface *
sim_iface_of(uint16_t message_type)
{
	static const struct { uint16_t block; const struct sim_iface *iface; } blocks[] = {	/* sixteen numbers each */
		{ 0x0000, &ecmg_scs },   { 0x0100, &ecmg_scs },   { 0x0200, &ecmg_scs },
		{ 0x0010, &emmg_mux },   { 0x0110, &emmg_mux },   { 0x0210, &emmg_mux },
		{ 0x0300, &cpsig_psig }, { 0x0310, &cpsig_psig }, { 0x0320, &cpsig_psig },
		{ 0x0400, &eis_scs },
		{ 0x0410, &psig_mux },   { 0x0420, &psig_mux },   { 0x0430, &psig_mux },   { 0x0440, &psig_mux },
		{ 0x9000, &playout },    { 0x9010, &playout },    { 0x9020, &playout },    { 0x9030, &playout }, { 0x9040, &playout },
		{ 0x9050, &playout },
	};

	for (size_t k = 0; k < sizeof(blocks) / sizeof(blocks[0]); k++)
		if (blocks[k].block == (message_type & 0xfff0))
			return blocks[k].iface;
	return NULL;
}
