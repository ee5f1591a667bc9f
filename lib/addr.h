/* lib/addr.h: addresses as people write them: tcp://HOST:PORT tls://… udp://HOST:PORT?interface=lo&ttl=1&dscp=34&source=ADDR&pid=0x1f0 unix:///path; IPv6 in brackets */
#ifndef GW_ADDR_H
#define GW_ADDR_H
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "lib/err.h"

enum { GW_TCP = 1, GW_TLS = 2, GW_UDP = 4, GW_UNIX = 8, GW_PID = 16 };	/* GW_PID, with GW_UDP: ?pid=0x1f0 may follow */

struct gw_addr {
	int scheme;		/* one of the above; 0: not set */
	char host[254];		/* a name, or a numeric address without brackets */
	uint16_t port;		/* 0: the kernel picks (listeners only) */
	char path[108];		/* GW_UNIX */
	char interface[16];	/* multicast interface by name; "" is the system's choice */
	uint8_t ttl;		/* of multicast output; default 1 */
	uint8_t dscp;		/* of output: 0..63 */
	char source[46];	/* GW_UDP: the one sender that is listened to (source-specific multicast), or the address to send from; "": any */
	uint16_t pid;		/* GW_UDP: there goes a transport stream, and this is the PID within it; 0: none */
	bool numeric;		/* ss and sslen are filled (always for GW_UNIX) */
	struct sockaddr_storage ss;
	socklen_t sslen;
};

/* schemes: those allowed, or-ed (GW_PID for places that can make a transport stream). Refuses unknown schemes, missing or superfluous parts, ports out of range, unknown ?keys. */
int gw_addr_parse(const char *text, int schemes, struct gw_addr *, struct gw_err *);
/* As parsed, canonical; into out (GW_ADDR_TEXT bytes are enough). Returns out. */
enum { GW_ADDR_TEXT = 400 };
char *gw_addr_text(const struct gw_addr *, char *out, size_t cap);
/* A socket address as HOST:PORT. */
char *gw_sockaddr_text(const struct sockaddr *, char *out, size_t cap);
bool gw_addr_multicast(const struct gw_addr *);
bool gw_addr_loopback(const struct gw_addr *);	/* unix, 127/8 or ::1 */
/* An address of this machine; a name is resolved (blocking). Unspecified (0.0.0.0, ::) and unix addresses are. */
bool gw_addr_local(const struct gw_addr *);
/* The socket address of `source`, port 0; 0 octets when there is none. */
socklen_t gw_addr_source(const struct gw_addr *, struct sockaddr_storage *);
/* Fills ss from host by getaddrinfo (blocking) when it is not numeric yet. */
int gw_addr_resolve(struct gw_addr *, struct gw_err *);
#endif
