/* contrib/csa2/csa2.h: DVB-CSA2 as a row of lib/transform.h. GPL, version 2 or later, as libdvbcsa; see README. */
#ifndef GW_CSA2_H
#define GW_CSA2_H
#include "lib/transform.h"

/* Packets, PIDs, parities and PSI as with gw_transform_cissa; keys are control words of 8 octets. Not to be called by two threads at a time. */
const struct gw_transform *gw_transform_csa2(void);
#endif
