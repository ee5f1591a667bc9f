/*
 * lib/ismacryp.c: ISMACryp 1.1 over RTP: AES-128 in counter mode over access units, each packet with the byte stream offset (BSO) of its first
 * octet and a key indicator in its AU header.
 *
 * AAC (RFC 3640, AAC-hbr) is encrypted packet by packet where it lies. H.264 (RFC 6184) is put together to access units, since a NAL unit's
 * length stands before it, and goes out in fragments of the medium's mtu. An access unit is protected by the key in force when
 * it is complete, so none has two. What is in clear (a transition) keeps the input's payload type, which therefore must not be the output's.
 *
 * One BSO counts for all media of a sender, so that they share a key without sharing key stream; it begins at 0 with each key. Ranges are
 * reserved in the marks before they are used: a process that comes back under the same key goes on behind them.
 */
#include "lib/ismacryp_int.h"
#include <string.h>

enum { LATE = 512 };	/* sequence numbers behind: late, not restarted */

/* ---- keys ---- */

void
ismacryp_key_free(struct gw_xkey *k)
{
	struct gw_secret block;

	if (!k)
		return;
	block = k->block;
	gw_secret_free(&block);
}

struct gw_xkey *
ismacryp_key(const struct gw_material *m, bool authenticated, struct gw_err *err)
{
	uint8_t both[TEK + SALT];
	struct gw_secret block;
	struct gw_xkey *k;
	char name[17];

	if (m->id_len < 1 || m->id_len > sizeof(k->id)) {
		gw_fail(err, GW_ECRYPTO, "a key indicator of %zu octets; 1 or 2 are possible", m->id_len);
		return NULL;
	}
	if (!m->tek || !m->salt || (authenticated && !m->tak)) {
		gw_fail(err, GW_ECRYPTO, "the key material lacks %s", m->tek && m->salt ? "the authentication key" : "key or salt");
		return NULL;
	}
	if (gw_secret_new(&block, sizeof(*k)) < 0) {
		gw_fail(err, GW_ECRYPTO, "no locked memory left for an ISMACryp key");
		return NULL;
	}
	k = (struct gw_xkey *)(void *)block.p;
	k->block = block;
	memcpy(k->salt, m->salt, SALT);
	memcpy(k->id, m->id, k->id_len = m->id_len);
	gw_aes_init(&k->aes, m->tek);
	if (authenticated)
		gw_hmac_init(&k->mac, m->tak, TAK);
	memcpy(both, m->tek, TEK);
	memcpy(both + TEK, m->salt, SALT);
	gw_fingerprint(both, sizeof(both), name);
	memcpy(k->name, name, NAME);
	gw_cleanse(both, sizeof(both));
	return k;
}

unsigned
ismacryp_counter(const struct gw_xkey *k, uint64_t bso, uint8_t iv[GW_AES_BLOCK])
{
	memcpy(iv, k->salt, SALT);
	ismacryp_put32(iv + SALT, (uint32_t)(bso / GW_AES_BLOCK >> 32));
	ismacryp_put32(iv + SALT + 4, (uint32_t)(bso / GW_AES_BLOCK));
	return (unsigned)(bso % GW_AES_BLOCK);
}

struct au_params
ismacryp_params(enum gw_media_type type, size_t id_len)
{
	return au_ismacryp(type == GW_MEDIA_AAC ? &au_aac_hbr : &au_avc_video, (uint8_t)id_len);
}

/* ---- packets ---- */

void
ismacryp_header(uint8_t *p, bool marker, uint8_t payload_type, uint16_t seq, uint32_t timestamp, uint32_t ssrc)
{
	p[0] = 0x80;
	p[1] = (uint8_t)(marker << 7 | payload_type);
	p[2] = (uint8_t)(seq >> 8);
	p[3] = (uint8_t)seq;
	ismacryp_put32(p + 4, timestamp);
	ismacryp_put32(p + 8, ssrc);
}

void
ismacryp_renew(uint8_t *p, bool marker, uint8_t payload_type)
{
	p[0] &= 0xdf;
	p[1] = (uint8_t)(marker << 7 | payload_type);
}

uint64_t
ismacryp_nearest(uint64_t highest, uint16_t seq)
{
	int64_t index = (int64_t)highest + (int16_t)(uint16_t)(seq - (uint16_t)highest);

	return (uint64_t)(index < 0 ? index + 0x10000 : index);
}

size_t
ismacryp_read(const struct au_params *params, const uint8_t *payload, size_t len, struct au list[AUS], size_t *section)
{
	struct au_reader r;
	size_t n = 0;
	int v;

	if (au_read(&r, params, payload, len) < 0)
		return 0;
	*section = r.start;
	while ((v = au_next(&r, &list[n])) == 1)
		if (++n == AUS)
			return 0;
	return v == 0 ? n : 0;
}

/* ---- putting access units together ---- */

/* Whether it is the packet behind the one before: GW_XF_OK, GW_XF_INCOMPLETE after a gap, or the verdict that drops it. */
static int
arrive(struct assembly *a, const struct rtp *r)
{
	int16_t ahead = (int16_t)(uint16_t)(r->seq - a->expect);
	bool follows = a->late && a->late_next == r->seq;

	if (ahead == -1)
		return GW_XF_REPEAT;
	if (ahead < 0 && ahead >= -LATE && !follows) {
		a->late = true;
		a->late_next = (uint16_t)(r->seq + 1);
		return GW_XF_RESTART;
	}
	a->late = false;
	a->expect = (uint16_t)(r->seq + 1);
	return ahead == 0 ? GW_XF_OK : GW_XF_INCOMPLETE;
}

int
ismacryp_step(struct assembly *a, const struct rtp *r, bool may_begin, int *v)
{
	bool boundary = a->state == IDLE || a->timestamp != r->timestamp;

	*v = GW_XF_INCOMPLETE;
	if (!a->known || a->ssrc != r->ssrc) {
		*a = (struct assembly){ .known = true, .ssrc = r->ssrc, .expect = (uint16_t)(r->seq + 1), .timestamp = r->timestamp };
		a->state = may_begin ? OPEN : r->marker ? IDLE : BROKEN;
		return may_begin ? STEP_BEGIN : STEP_DROP;
	}
	if ((*v = arrive(a, r)) != GW_XF_OK) {
		if (*v == GW_XF_INCOMPLETE) {
			a->timestamp = r->timestamp;
			a->state = r->marker ? IDLE : BROKEN;
		}
		return STEP_DROP;
	}
	if (boundary) {
		bool ends = a->state == OPEN;
		a->timestamp = r->timestamp;
		a->state = OPEN;
		return ends ? STEP_END_AND_BEGIN : STEP_BEGIN;
	}
	if (a->state == OPEN)
		return STEP_ADD;
	*v = GW_XF_INCOMPLETE;
	if (r->marker)
		a->state = IDLE;
	return STEP_DROP;
}

/* ---- the row ---- */

/* Example C of this project's worked messages: an access unit at BSO 0x123. */
static int
self_test(struct gw_err *err)
{
	static const uint8_t tek[TEK] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10 };
	static const uint8_t salt[SALT] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 };
	static const uint8_t want[] = {
		0x2b, 0xfb, 0xbc, 0xf1, 0x04, 0x80, 0xcb, 0x50, 0x0b, 0xd9, 0x35, 0x25, 0x85, 0x41, 0x97, 0xce, 0xf7, 0x64, 0xca, 0xa4,
		0xc7, 0x88, 0x90, 0xb5, 0x54, 0xb5, 0x84, 0x55, 0x94, 0x74, 0x83, 0x1c, 0xbb, 0x2d, 0x8a, 0x2a, 0xc5, 0x9a, 0xcc, 0x4a };
	uint8_t iv[GW_AES_BLOCK], unit[sizeof(want) + 1] = "This is one access unit, 40 octets long.";
	struct gw_material m = { .id = { 5 }, .id_len = 1, .tek = tek, .salt = salt };
	struct gw_xkey *k = ismacryp_key(&m, false, err);
	unsigned skip;

	if (!k)
		return -1;
	skip = ismacryp_counter(k, 0x123, iv);
	gw_ctr_once(&k->aes, iv, skip, unit, sizeof(want));
	ismacryp_key_free(k);
	return memcmp(unit, want, sizeof(want)) == 0 ? 0 : gw_fail(err, GW_ECRYPTO, "the worked example does not come out");
}

const struct gw_transform gw_transform_ismacryp = {
	.name = "ismacryp", .protection = 2, .tek = TEK, .salt = SALT, .id_min = 1, .id_max = 2, .authenticates = true,
	.overhead = 4 + 2 + TAG, .marks_len = ismacryp_marks_len, .tx_new = ismacryp_tx_new, .tx_free = ismacryp_tx_free, .medium_new = ismacryp_medium_new,
	.medium_free = ismacryp_medium_free, .key_new = ismacryp_key_new, .key_free = ismacryp_key_free, .use = ismacryp_use, .protect = ismacryp_protect, .sources = ismacryp_sources,
	.rx_new = ismacryp_rx_new, .rx_free = ismacryp_rx_free, .rx_key = ismacryp_rx_key, .rx_drop = ismacryp_rx_drop, .unprotect = ismacryp_unprotect, .in_clear = ismacryp_in_clear,
	.self_test = self_test,
};
