/* lib/udp_int.h: what lib/udp.c and lib/rawip.c share: sockets of an address for either protocol. Of these two alone. */
#ifndef GW_UDP_INT_H
#define GW_UDP_INT_H
#include "lib/udp.h"

enum ip_kind { IP_UDP, IP_ESP };
/* As gw_udp_receiver and gw_udp_sender. */
int ip_receiver(const struct gw_addr *, enum ip_kind, struct gw_err *);
int ip_sender(const struct gw_addr *, enum ip_kind, struct gw_err *);
#endif
