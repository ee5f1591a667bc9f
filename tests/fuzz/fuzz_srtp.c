/*
 * tests/fuzz/fuzz_srtp.c: the rest of the bytes, after two, as what comes from the air: a receiver with keys opens nothing that nobody
 * has made; and as a clear packet: both engines make the same of it, which the receiver opens, unless an octet was changed.
 *   octet 0: bit 0 without authentication, bit 1 ROC on air (RFC 4771), bits 2-4 octets of the MKI less 1, bit 5 as RTCP
 *   octet 1: which octet of the protected packet is changed, from its end; 0: none
 */
#include <stdlib.h>
#include <string.h>
#include "lib/srtp.h"
#include "lib/transform.h"
#include "proto/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

enum { RATE = 2, BIGGEST = 2048 };
static const struct gw_transform *const row = &gw_transform_srtp;
static const uint8_t tek[16] = "0123456789abcdef", salt[14] = "saltsaltsalts";

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static int
open_it(struct gw_rx *rx, struct gw_pk *pk, bool rtcp)
{
	struct gw_rx_got got;

	row->in_clear(rx, pk);
	return rtcp ? row->unprotect_rtcp(rx, pk, &got) : row->unprotect(rx, pk, &got, NULL);
}

/* As it came; an exact-size copy with an end that names the key, so that it gets further. */
static void
from_air(const struct gw_rx_conf *conf, const struct gw_material *m, const uint8_t *data, size_t size, bool rtcp)
{
	struct gw_rx *rx = row->rx_new(conf, NULL);
	uint8_t *p = malloc(size ? size : 1);
	struct gw_pk pk = { p, size };
	size_t tail = m->id_len + (conf->authenticated || rtcp ? 10 : 0);

	must(rx && p && row->rx_key(rx, m, NULL) == 0);
	memcpy(p, data, size);
	rtcp_is_whole(p, size);
	open_it(rx, &pk, rtcp);
	memcpy(p, data, size);
	pk = (struct gw_pk){ p, size };
	if (size >= tail)
		memcpy(p + size - tail, m->id, m->id_len);
	if (open_it(rx, &pk, rtcp) == GW_XF_OK)
		must(pk.len + tail <= size);
	row->rx_free(rx);
	free(p);
}

/* Protects a packet with one engine; its length, 0 when it was dropped. */
static size_t
by(enum gw_engine engine, unsigned rate, const struct gw_material *m, const uint8_t *data, size_t size, bool rtcp, uint8_t *out)
{
	uint64_t marks[32] = { 0 };
	struct gw_tx_conf conf = { .engine = engine, .authenticated = m->authenticated, .sources = 2, .rcc_rate = rate, .marks = marks };
	struct gw_burst *burst = gw_burst_new(GW_BURST_OPENSSL, NULL);
	struct gw_tx *tx = row->tx_new(&conf, NULL);
	struct gw_tx_medium *medium = tx ? row->medium_new(tx, &(struct gw_tx_medium_conf){ 0 }, NULL) : NULL;
	struct gw_pk pk = { memcpy(out, data, size), size };
	int v;

	must(burst && medium && row->marks_len(&conf) <= sizeof(marks));
	row->use(tx, row->key_new(tx, m, NULL));
	v = rtcp ? row->protect_rtcp(tx, medium, &pk, burst) : row->protect(tx, medium, &pk, burst, NULL);
	gw_burst_run(burst);
	row->key_free(row->use(tx, NULL));
	row->medium_free(medium);
	row->tx_free(tx);
	gw_burst_free(burst);
	must(pk.p == out && (v == GW_XF_OK || pk.len == size));
	return v == GW_XF_OK ? pk.len : 0;
}

static void
to_and_fro(const struct gw_rx_conf *conf, const struct gw_material *m, const uint8_t *data, size_t size, bool rtcp, uint8_t change)
{
	static _Alignas(4) uint8_t one[BIGGEST + GW_XF_TAIL], other[BIGGEST + GW_XF_TAIL];
	size_t n = by(GW_ENGINE_BATCH, conf->rcc_rate, m, data, size, rtcp, one), k;
	struct gw_rx *rx;
	struct gw_pk pk = { one, n };

	if (!conf->rcc_rate) {
		k = by(GW_ENGINE_LIBSRTP2, 0, m, data, size, rtcp, other);
		must(n == k && memcmp(one, other, n) == 0);
	}
	if (n == 0)
		return;
	if (change && change <= n)
		one[n - change] ^= 0x10;
	rx = row->rx_new(conf, NULL);
	must(rx && row->rx_key(rx, m, NULL) == 0);
	k = open_it(rx, &pk, rtcp) == GW_XF_OK;
	if (!change || change > n)
		must(k && pk.len == size && memcmp(one, data, size) == 0);
	else
		must(!k || !(conf->authenticated || rtcp));
	row->rx_free(rx);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_material m = { .id = { 1, 2, 3, 4, 5, 6, 7, 8 }, .tek = tek, .salt = salt };
	struct gw_rx_conf conf = { 0 };
	bool rtcp;

	if (size < 2 || size > BIGGEST)
		return 0;
	rtcp = data[0] >> 5 & 1;
	m.authenticated = conf.authenticated = !(data[0] & 1);
	m.id_len = 1u + (data[0] >> 2 & 7);
	conf.rcc_rate = data[0] & 2 && conf.authenticated ? RATE : 0;
	from_air(&conf, &m, data + 2, size - 2, rtcp);
	to_and_fro(&conf, &m, data + 2, size - 2, rtcp, data[1]);
	return 0;
}
