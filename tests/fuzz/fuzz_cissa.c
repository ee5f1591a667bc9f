/*
 * tests/fuzz/fuzz_cissa.c: datagrams, each behind its length (16 bits), through sender and receiver of DVB-CISSA. What the sender takes, the
 * receiver must bring back, but for packets that came scrambled; what it does not take stays as it was.
 */
#include <stdlib.h>
#include <string.h>
#include "lib/transform.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const struct gw_transform *const x = &gw_transform_cissa;
static const struct gw_material even = { .id = { 0 }, .id_len = 1, .tek = (const uint8_t *)"0123456789abcdef" };

static bool
scrambled(const uint8_t *p, size_t len)
{
	for (p += len % 188, len -= len % 188; len > 0; p += 188, len -= 188)
		if (p[3] & 0xc0)
			return true;
	return false;
}

static void
round_trip(struct gw_tx *tx, struct gw_tx_medium *m, struct gw_rx *rx, struct gw_burst *burst, const uint8_t *data, size_t len)
{
	uint8_t *room = malloc(GW_XF_HEAD + len + GW_XF_TAIL);
	struct gw_pk pk = { room + GW_XF_HEAD, len };
	struct gw_rx_got got;
	bool theirs, padded;

	memcpy(pk.p, data, len);
	x->in_clear(rx, &pk);
	x->unprotect(rx, &pk, &got, NULL);
	memcpy(pk.p, data, len);
	int v = x->protect(tx, m, &pk, burst, NULL);
	gw_burst_run(burst);
	padded = v == GW_XF_OK && data[0] != 0x47 && data[0] & 0x20;	/* the sender leaves it out */
	if ((padded ? pk.len >= len || pk.p[0] & 0x20 : pk.len != len) || (v != GW_XF_OK && memcmp(pk.p, data, len) != 0))
		abort();
	theirs = v != GW_XF_OK || padded || scrambled(data, len);
	if (!theirs && (x->unprotect(rx, &pk, &got, NULL) != GW_XF_OK || memcmp(pk.p, data, len) != 0))
		abort();
	free(room);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_tx *tx = x->tx_new(&(struct gw_tx_conf){ 0 }, NULL);
	struct gw_tx_medium *m = x->medium_new(tx, &(struct gw_tx_medium_conf){ 0 }, NULL);
	struct gw_rx *rx = x->rx_new(&(struct gw_rx_conf){ 0 }, NULL);
	struct gw_burst *burst = gw_burst_new(GW_BURST_OPENSSL, NULL);
	size_t n;

	x->use(tx, x->key_new(tx, &even, NULL));
	x->rx_key(rx, &even, NULL);
	for (size_t at = 0; size - at >= 2; at += n) {
		n = (size_t)data[at] << 8 | data[at + 1];
		at += 2;
		n = n < size - at ? n : size - at;
		round_trip(tx, m, rx, burst, data + at, n);
	}
	x->medium_free(m);
	x->tx_free(tx);
	x->rx_free(rx);
	gw_burst_free(burst);
	return 0;
}
