/* tests/fuzz/fuzz_esp.c: bytes as an ESP packet, as what one decrypts to, and as IP with UDP within; what is understood is written the same again */
#include <stdlib.h>
#include <string.h>
#include "proto/esp.h"
#include "proto/ip.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
as_esp(const uint8_t *p, size_t len, bool icv)
{
	uint8_t header[ESP_HEADER];
	struct esp e;

	if (esp_parse(p, len, icv, &e) < 0)
		return;
	esp_put_header(header, e.spi, e.seq);
	if (memcmp(header, p, ESP_HEADER) != 0 || ESP_BEFORE + e.sealed_len + (icv ? ESP_ICV : 0) != len)
		abort();
}

static void
as_payload(const uint8_t *p, size_t len)
{
	static uint8_t again[1 << 20];
	size_t n;
	uint8_t next;

	if (esp_trailer(p, len, &n, &next) < 0 || len % ESP_BLOCK != 0 || p[len - 2] >= ESP_BLOCK)
		return;
	memcpy(again, p, n);
	if (esp_put_trailer(again, n, next) != len || memcmp(again, p, len) != 0)
		abort();
}

static void
as_ip(const uint8_t *p, size_t len)
{
	static uint8_t again[1 << 17];
	struct ip_ends e;
	struct ip ip;
	size_t n;

	if (ip_parse(p, len, &ip) < 0)
		return;
	uint32_t sum = ip_udp_sum(&ip.ends);
	e = ip.ends;
	if (ip.next != IP_NEXT_UDP || ip_udp_parse(p + ip.header_len, ip.len - ip.header_len, &sum, e.v6, &e, &n) < 0)
		return;
	size_t h = ip_put(again, &e, IP_NEXT_UDP, ip.ttl, IP_UDP_HEADER + n);
	memcpy(again + h + IP_UDP_HEADER, p + ip.header_len + IP_UDP_HEADER, n);
	ip_udp_put(again + h, &e, sum, n);
	if (ip_parse(again, h + IP_UDP_HEADER + n, &ip) < 0 || ip_udp_parse(again + h, ip.len - h, &sum, e.v6, &e, &n) < 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	as_esp(data, size, false);
	as_esp(data, size, true);
	as_payload(data, size);
	as_ip(data, size);
	(void)esp_in_udp(data, size);
	return 0;
}
