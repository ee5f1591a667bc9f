/*
 * proto/esp.h: ESP (RFC 4303) with AES-128-CBC (RFC 3602) and HMAC-SHA1-96 (RFC 2404) or without authentication: where things stand in a
 * packet; and ESP in UDP (RFC 3948). Pure; cryptography is others'.
 *
 *	SPI 4 | sequence number 4 | IV 16 | E( payload | padding 0..15 | pad length 1 | next header 1 ) | ICV 12 or 0
 */
#ifndef PROTO_ESP_H
#define PROTO_ESP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ESP_HEADER = 8, ESP_IV = 16, ESP_BLOCK = 16, ESP_ICV = 12, ESP_TRAILER = 2 };
enum { ESP_BEFORE = ESP_HEADER + ESP_IV, ESP_SPI_MIN = 256 };	/* octets before the cipher text; SPIs 0..255 are never used */

struct esp {
	uint32_t spi, seq;
	size_t sealed_len;	/* of the cipher text, from octet ESP_BEFORE on: whole blocks, at least one */
};
/* A packet with an ICV (icv) or without. 0, or -1 when it is too short, its cipher text is not whole blocks, its SPI below 256 or its number 0. */
int esp_parse(const void *packet, size_t len, bool icv, struct esp *);
/* SPI of a packet of at least ESP_HEADER octets. */
uint32_t esp_spi(const void *packet);
void esp_put_header(uint8_t out[ESP_HEADER], uint32_t spi, uint32_t seq);
/* Cipher text of payload_len octets: with padding and trailer, whole blocks. */
size_t esp_sealed_len(size_t payload_len);
/* Padding 1, 2, 3…, pad length and next header behind payload[0..len): up to 17 octets. Returns esp_sealed_len(len). */
size_t esp_put_trailer(uint8_t *payload, size_t len, uint8_t next);
/* What came out of sealed_len octets of cipher text: payload length and next header. 0, or -1 when the padding is not 1, 2, 3… (RFC 4303 2.4). */
int esp_trailer(const uint8_t *plain, size_t sealed_len, size_t *payload_len, uint8_t *next);

/* What a datagram on the port of encapsulated ESP is: RFC 3948 2. */
enum esp_in_udp { ESP_IN_UDP, ESP_NAT_KEEPALIVE, ESP_NOT_ESP, ESP_TOO_SHORT };	/* NOT_ESP: the marker of IKE, four octets 0 */
enum esp_in_udp esp_in_udp(const void *payload, size_t len);
#endif
