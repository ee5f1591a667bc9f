/*
 * lib/esp.h: IPsec ESP as a protection: AES-128-CBC, HMAC-SHA1-96 or no authentication, the SPI is the key's identifier. What
 * lib/transform.h does not have: payloads of any kind, a given IV, and what a receiver may be told.
 *
 * A sender's packet begins with the SPI: it goes as IP protocol 50 (lib/rawip.h) or in UDP (RFC 3948). Transport mode holds the UDP
 * datagram of the medium, tunnel mode an IP packet with it (TTL 64, DSCP 0, DF), between the medium's `from` and `to`: the kernel must
 * send from that address, or the checksums are wrong. RTCP goes between the next ports under the same SPI.
 *
 * Sequence numbers begin at 1 with each key and are never used twice, since they are reserved in the marks before they are
 * used, some thousands at a time; a process that was killed leaves a gap. 2^32 - 1 packets are what a key protects.
 */
#ifndef GW_ESP_H
#define GW_ESP_H
#include "lib/transform.h"

enum { GW_ESP_WINDOW = 64, GW_ESP_KEYS = 8 };	/* of a receiver: packets, keys */

extern const struct gw_transform gw_transform_esp;

/*
 * Protects payload pk->p[0..len), whatever it is, under the key in force: 24 octets in front and up to 29 behind. Verdict as protect has it.
 *   next     its protocol number: the next header
 *   iv       16 octets that nobody could foresee, or NULL: of this thread's own generator. Given by tests and self-tests.
 */
int gw_esp_protect_payload(struct gw_tx *, struct gw_pk *, uint8_t next, const uint8_t *iv, struct gw_burst *);
/* The reverse: authentic and with right padding; any next header. Does not look into it. */
int gw_esp_open(struct gw_rx *, struct gw_pk *, uint8_t *next, struct gw_rx_got *);

/* Whether a receiver refuses sequence numbers that it has seen (GW_XF_REPEAT) or that lie behind its window (GW_XF_RESTART); off at first. */
void gw_esp_rx_replay(struct gw_rx *, bool on);
/* The addresses that packets come between: transport mode verifies UDP checksums by them. Without, authentication is what vouches. */
void gw_esp_rx_between(struct gw_rx *, const struct sockaddr_storage *from, const struct sockaddr_storage *to);
#endif
