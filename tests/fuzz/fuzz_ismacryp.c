/*
 * tests/fuzz/fuzz_ismacryp.c: the first octet says medium and authentication, then packets, each behind its length (one octet, times 8), as both a
 * source's and the air's. What the sender makes is opened by the receiver, and fits; neither is moved by what is not theirs.
 */
#include <stdlib.h>
#include <string.h>
#include "lib/transform.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

enum { MTU = 300, ROOM = GW_XF_HEAD + 2048 + GW_XF_TAIL, SLOTS = 64 };
static uint64_t marks[512];
static _Alignas(16) uint8_t memory[2][SLOTS][ROOM];
struct room { uint8_t (*memory)[ROOM]; struct gw_pk pk[SLOTS]; size_t n; };

static struct gw_pk *
slot(void *self)
{
	struct room *r = self;

	if (r->n == SLOTS)
		return NULL;
	r->pk[r->n].p = r->memory[r->n] + GW_XF_HEAD;
	return &r->pk[r->n++];
}

struct both {
	const struct gw_transform *xf;
	struct gw_tx *tx;
	struct gw_tx_medium *medium;
	struct gw_rx *rx, *air;		/* of what the sender makes; of anything */
	struct gw_burst *burst;
	struct room sent, heard;
};

static void
hear(struct both *b, struct gw_rx *rx, struct gw_pk *pk, bool ours)
{
	struct gw_sink sink = { &b->heard, slot };
	struct gw_rx_got got;
	int v;

	b->heard.n = 0;
	v = b->xf->unprotect(rx, pk, &got, &sink);
	if (ours && v > GW_XF_HELD && v != GW_XF_REPEAT && v != GW_XF_FORGED && v != GW_XF_FAILED)	/* forged: the source jumps about; failed: no slot */
		abort();
	if (v < 0 || v >= GW_XF_VERDICTS)
		abort();
}

static void
packet(struct both *b, const uint8_t *data, size_t len)
{
	static _Alignas(16) uint8_t one[ROOM], two[ROOM];
	struct gw_sink sink = { &b->sent, slot };
	struct gw_pk pk = { one + GW_XF_HEAD, len };
	int v;

	memcpy(pk.p, data, len);
	b->sent.n = 0;
	v = b->xf->protect(b->tx, b->medium, &pk, b->burst, &sink);
	gw_burst_run(b->burst);
	for (size_t i = 0; i < b->sent.n; i++) {
		if (b->sent.pk[i].len > MTU + GW_XF_TAIL)
			abort();
		hear(b, b->rx, &b->sent.pk[i], true);
	}
	if (v == GW_XF_OK && (pk.p < one || pk.p + pk.len + GW_XF_TAIL / 2 > one + ROOM))
		abort();
	if (v == GW_XF_OK)
		hear(b, b->rx, &pk, true);
	pk = (struct gw_pk){ two + GW_XF_HEAD, len };
	memcpy(pk.p, data, len);
	hear(b, b->air, &pk, false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct both b = { .sent = { .memory = memory[0] }, .heard = { .memory = memory[1] } };
	static const uint8_t bytes[44];
	struct gw_material m = { .id = { 5 }, .id_len = 1, .tek = bytes, .salt = bytes + 16, .tak = bytes + 24 };
	struct gw_xkey *key;

	if (size < 1)
		return 0;
	bool authenticated = data[0] & 2;
	struct gw_tx_conf tc = { .authenticated = authenticated, .marks = marks };
	struct gw_tx_medium_conf mc = { .type = data[0] & 1 ? GW_MEDIA_H264 : GW_MEDIA_AAC, .payload_type = 96, .mtu = MTU };
	struct gw_rx_conf rc = { .authenticated = authenticated, .type = mc.type, .payload_type = 98 };
	memset(marks, 0, sizeof(marks));
	b.xf = gw_transform_of(2);
	if (b.xf->marks_len(&tc) > sizeof(marks) || !(b.tx = b.xf->tx_new(&tc, NULL)) || !(b.medium = b.xf->medium_new(b.tx, &mc, NULL)) ||
	    !(b.rx = b.xf->rx_new(&rc, NULL)) || !(b.air = b.xf->rx_new(&rc, NULL)) || !(b.burst = gw_burst_new(GW_BURST_OPENSSL, NULL)) ||
	    !(key = b.xf->key_new(b.tx, &m, NULL)) || b.xf->rx_key(b.rx, &m, NULL) < 0 || b.xf->rx_key(b.air, &m, NULL) < 0)
		abort();
	b.xf->use(b.tx, key);
	data++;
	size--;
	for (size_t n; size > 0; data += n, size -= n) {
		n = 8u * data[0];
		data++;
		size--;
		n = n < size ? n : size;
		packet(&b, data, n);
	}
	b.xf->medium_free(b.medium);
	b.xf->key_free(key);
	b.xf->tx_free(b.tx);
	b.xf->rx_free(b.rx);
	b.xf->rx_free(b.air);
	gw_burst_free(b.burst);
	return 0;
}
