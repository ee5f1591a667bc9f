/*
 * tools/scrub_name.h: keyed pseudonyms: the same value has the same one wherever it stands, and nobody without the key can tell which value it
 * was. No I/O. Values of one domain are told apart from those of another.
 */
#ifndef TOOLS_SCRUB_NAME_H
#define TOOLS_SCRUB_NAME_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum scrub_domain { SCRUB_D_CAS, SCRUB_D_CHANNEL, SCRUB_D_STREAM, SCRUB_D_ECM, SCRUB_D_DATA, SCRUB_D_SERVICE, SCRUB_D_NETWORK, SCRUB_D_PID, SCRUB_D_REFERENCE,
	SCRUB_D_KEY_ID, SCRUB_D_CID, SCRUB_D_DEVICE, SCRUB_D_PORT, SCRUB_D_KEY, SCRUB_D_AC, SCRUB_D_PAYLOAD, SCRUB_D_TEXT, SCRUB_D_OTHER,
	SCRUB_D_MAC, SCRUB_D_V4, SCRUB_D_V6 };
enum { SCRUB_KEY = 32, SCRUB_ID = 16 };		/* octets of the key; of the longest value that scrub_id takes */

struct scrub_names;
/* key: SCRUB_KEY octets, of which OpenSSL keeps what it needs. NULL: no memory. */
struct scrub_names *scrub_names_new(const uint8_t *key);
void scrub_names_free(struct scrub_names *);
/*
 * A permutation of the values of n octets (2..SCRUB_ID), in place: different values stay different. PIDs stay what they are: reserved by
 * ISO/IEC 13818-1 (unchanged), free, or too large; port 0 stays. A single octet stays as it is.
 */
void scrub_id(struct scrub_names *, enum scrub_domain, uint8_t *p, size_t n);
/* Any octets, in place, to as many that look like random ones. tweak: another pseudonym of the same value. */
void scrub_octets(struct scrub_names *, enum scrub_domain, unsigned tweak, uint8_t *p, size_t n);
void scrub_text(struct scrub_names *, uint8_t *p, size_t n);	/* to lower-case letters */

/*
 * Addresses, in place. Zero and broadcast stay. MAC: to a locally administered one, a group stays a group. IPv4: 127/8 stays in 127/8,
 * 224.0.0/24 as it is, other groups go to 239/8, all else to 10/8; hosts of one /24 or /16 stay together. IPv6: to 2001:db8::/32, those of
 * one /48 or /64 together; fe80::/10 and groups keep their scope, well-known groups stay; mapped IPv4 is IPv4. Of the IPv4 addresses
 * that a scrub_names has seen (the first SCRUB_HOSTS) no two get the same.
 */
enum { SCRUB_HOSTS = 65536 };
void scrub_mac(struct scrub_names *, uint8_t p[6]);
void scrub_v4(struct scrub_names *, uint8_t p[4]);
void scrub_v6(struct scrub_names *, uint8_t p[16]);
#endif
