/* proto/esp.c: see esp.h */
#include "proto/esp.h"
#include "proto/be.h"

uint32_t
esp_spi(const void *packet)
{
	return be32(packet);
}

int
esp_parse(const void *packet, size_t len, bool icv, struct esp *e)
{
	const uint8_t *p = packet;
	size_t around = ESP_BEFORE + (icv ? ESP_ICV : 0);

	if (len < around + ESP_BLOCK || (len - around) % ESP_BLOCK != 0)
		return -1;
	e->spi = be32(p);
	e->seq = be32(p + 4);
	e->sealed_len = len - around;
	return e->spi >= ESP_SPI_MIN && e->seq != 0 ? 0 : -1;
}

void
esp_put_header(uint8_t out[ESP_HEADER], uint32_t spi, uint32_t seq)
{
	put32(out, spi);
	put32(out + 4, seq);
}

size_t
esp_sealed_len(size_t payload_len)
{
	return (payload_len + ESP_TRAILER + ESP_BLOCK - 1) / ESP_BLOCK * ESP_BLOCK;
}

size_t
esp_put_trailer(uint8_t *payload, size_t len, uint8_t next)
{
	size_t sealed = esp_sealed_len(len), pad = sealed - len - ESP_TRAILER;

	for (size_t i = 0; i < pad; i++)
		payload[len + i] = (uint8_t)(i + 1);
	payload[sealed - 2] = (uint8_t)pad;
	payload[sealed - 1] = next;
	return sealed;
}

int
esp_trailer(const uint8_t *plain, size_t sealed_len, size_t *payload_len, uint8_t *next)
{
	size_t pad;

	if (sealed_len < ESP_TRAILER)
		return -1;
	pad = plain[sealed_len - 2];	/* up to 255: a sender may hide lengths */
	if (pad > sealed_len - ESP_TRAILER)
		return -1;
	*next = plain[sealed_len - 1];
	*payload_len = sealed_len - ESP_TRAILER - pad;
	for (size_t i = 0; i < pad; i++)
		if (plain[*payload_len + i] != i + 1)
			return -1;
	return 0;
}

enum esp_in_udp
esp_in_udp(const void *payload, size_t len)
{
	const uint8_t *p = payload;

	if (len == 1 && p[0] == 0xff)
		return ESP_NAT_KEEPALIVE;
	if (len < ESP_HEADER)
		return ESP_TOO_SHORT;
	return be32(p) == 0 ? ESP_NOT_ESP : ESP_IN_UDP;
}
