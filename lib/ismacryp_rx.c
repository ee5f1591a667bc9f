/* lib/ismacryp_rx.c: ISMACryp, receiver: see ismacryp.c */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include "lib/ismacryp_int.h"

enum {
	CLEAR_MTU = 1400,		/* of what goes on */
	WINDOW = 64,
	FIRST_TRIES = 256, MORE_TRIES = 16, LOST_AFTER = 16,	/* ROCs tried with a source's first packet, with later ones; failures until it is sought anew */
};

static void
decrypt(const struct gw_xkey *k, uint64_t bso, uint8_t *p, size_t len)
{
	uint8_t iv[GW_AES_BLOCK];
	unsigned skip = ismacryp_counter(k, bso, iv);

	gw_ctr_once(&k->aes, iv, skip, p, len);
}

struct rx_source {
	uint32_t ssrc, roc;		/* roc: next to be tried while nothing was authentic */
	bool taken, known, tried;
	uint64_t highest, window, seen;
	unsigned forged;		/* in a row */
};
struct gw_rx {
	struct gw_rx_conf conf;
	struct gw_xkey *key[KEYS];
	struct rx_source source[SOURCES];
	uint64_t keys, packets;		/* counts */
	struct assembly a;
	uint8_t *au; size_t len;
	uint64_t next_bso;		/* of the fragment that comes next */
	uint16_t seq;			/* of the next packet that goes on */
	struct au aus[AUS];
};

void
ismacryp_rx_free(struct gw_rx *rx)
{
	if (!rx)
		return;
	for (size_t i = 0; i < KEYS; i++)
		ismacryp_key_free(rx->key[i]);
	free(rx->au);
	free(rx);
}

struct gw_rx *
ismacryp_rx_new(const struct gw_rx_conf *c, struct gw_err *err)
{
	struct gw_rx *rx;

	if (c->type != GW_MEDIA_H264 && c->type != GW_MEDIA_AAC) {
		gw_fail(err, GW_ECONF, "ISMACryp works on access units of H.264 or AAC");
		return NULL;
	}
	if (!(rx = calloc(1, sizeof(*rx))) || (c->type == GW_MEDIA_H264 && !(rx->au = malloc(H264_MOST)))) {
		free(rx);
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	rx->conf = *c;
	return rx;
}

static size_t
rx_find(const struct gw_rx *rx, const uint8_t *id, size_t id_len)
{
	for (size_t i = 0; i < KEYS; i++)
		if (rx->key[i] && rx->key[i]->id_len == id_len && memcmp(rx->key[i]->id, id, id_len) == 0)
			return i;
	return KEYS;
}

static size_t
rx_room(const struct gw_rx *rx)
{
	size_t oldest = 0;

	for (size_t i = 0; i < KEYS; i++) {
		if (!rx->key[i])
			return i;
		if (rx->key[i]->since < rx->key[oldest]->since)
			oldest = i;
	}
	return oldest;
}

static bool
same_key(const struct gw_xkey *a, const struct gw_xkey *b)
{
	return CRYPTO_memcmp(a->aes.key, b->aes.key, TEK) == 0 && CRYPTO_memcmp(a->salt, b->salt, SALT) == 0 &&
	    CRYPTO_memcmp(&a->mac, &b->mac, sizeof(a->mac)) == 0;
}

int
ismacryp_rx_key(struct gw_rx *rx, const struct gw_material *m, struct gw_err *err)
{
	struct gw_xkey *k = ismacryp_key(m, rx->conf.authenticated, err);
	size_t slot;

	if (!k)
		return -1;
	slot = rx_find(rx, k->id, k->id_len);
	if (slot < KEYS && same_key(rx->key[slot], k)) {
		ismacryp_key_free(k);
		return 0;
	}
	if (slot == KEYS)
		slot = rx_room(rx);
	ismacryp_key_free(rx->key[slot]);
	k->since = ++rx->keys;
	rx->key[slot] = k;
	for (size_t i = 0; i < SOURCES; i++) {	/* another chance from the beginning: the key may have been what was wrong */
		rx->source[i].tried = false;
		rx->source[i].roc = 0;
	}
	return 0;
}

void
ismacryp_rx_drop(struct gw_rx *rx, const uint8_t *id, size_t id_len)
{
	size_t slot = rx_find(rx, id, id_len);

	if (slot < KEYS) {
		ismacryp_key_free(rx->key[slot]);
		rx->key[slot] = NULL;
	}
}

/* Octets of a key indicator in this stream; 0: no key is there yet. */
static size_t
rx_id_len(const struct gw_rx *rx)
{
	for (size_t i = 0; i < KEYS; i++)
		if (rx->key[i])
			return rx->key[i]->id_len;
	return 0;
}

/* The source's place, at need that of the one longest quiet. */
static struct rx_source *
rx_source(struct gw_rx *rx, uint32_t ssrc)
{
	struct rx_source *s = rx->source, *oldest = s;

	for (size_t i = 0; i < SOURCES; i++) {
		if (s[i].taken && s[i].ssrc == ssrc) {
			s[i].seen = ++rx->packets;
			return &s[i];
		}
		if (s[i].seen < oldest->seen)
			oldest = &s[i];
	}
	*oldest = (struct rx_source){ .ssrc = ssrc, .taken = true, .seen = ++rx->packets };
	return oldest;
}

static bool
seen_before(const struct rx_source *s, uint64_t index)
{
	return s->known && index <= s->highest && s->highest - index < WINDOW && s->window >> (s->highest - index) & 1;
}

static void
note(struct rx_source *s, uint64_t index)
{
	if (!s->known || index > s->highest) {
		uint64_t shift = s->known ? index - s->highest : WINDOW;
		s->window = shift < WINDOW ? s->window << shift | 1 : 1;
		s->highest = index;
	} else if (s->highest - index < WINDOW) {
		s->window |= UINT64_C(1) << (s->highest - index);
	} else if (s->highest - index > 0xffff) {	/* it had counted on where it should not have */
		s->highest = index;
		s->window = 1;
	}
	s->known = true;
	s->forged = 0;
}

/* Is the tag behind len octets the one for this index? The octets behind them are as before. */
static bool
authentic(const struct gw_xkey *k, uint8_t *p, size_t len, uint64_t index)
{
	uint8_t tag[TAG], mac[GW_SHA1];

	memcpy(tag, p + len, TAG);
	ismacryp_put32(p + len, (uint32_t)(index >> 16));
	gw_hmac_once(&k->mac, p, len + ROC, mac);
	memcpy(p + len, tag, TAG);
	return CRYPTO_memcmp(mac, tag, TAG) == 0;
}

static bool
try_rocs(const struct gw_xkey *k, uint8_t *p, size_t len, uint16_t seq, uint64_t *index, uint32_t from, unsigned tries)
{
	for (; tries > 0; tries--, from++)
		if (authentic(k, p, len, *index = (uint64_t)from << 16 | seq))
			return true;
	return false;
}

/* A source of which nothing was authentic yet, or no longer is: ROCs upward, and from 0 again; the lowest always, so that forged packets do not keep
 * a young source out. */
static bool
search(struct rx_source *s, const struct gw_xkey *k, uint8_t *p, size_t len, uint16_t seq, uint64_t *index)
{
	unsigned tries = s->tried ? MORE_TRIES : FIRST_TRIES;
	bool found = try_rocs(k, p, len, seq, index, s->roc, tries) || (s->tried && try_rocs(k, p, len, seq, index, 0, MORE_TRIES));

	s->roc += tries;
	s->tried = true;
	s->roc = !found && s->roc <= UINT16_MAX ? s->roc : 0;
	return found;
}

/* The packet's index, proven by its tag where there is one: GW_XF_OK, GW_XF_REPEAT or GW_XF_FORGED. */
static int
rx_index(const struct gw_rx *rx, struct rx_source *s, const struct gw_xkey *k, uint8_t *p, size_t len, uint16_t seq, uint64_t *index)
{
	bool good = !rx->conf.authenticated;

	*index = s->known ? ismacryp_nearest(s->highest, seq) : seq;
	if (!good && !s->known) {
		good = search(s, k, p, len, seq, index);
	} else if (!good) {
		const uint64_t guesses[] = { *index, *index + 0x10000, *index - 0x10000 };
		for (size_t i = 0; i < (*index > UINT16_MAX ? 3u : 2u) && !good; i++)
			good = authentic(k, p, len, *index = guesses[i]);
		if (!good && ++s->forged >= LOST_AFTER)
			*s = (struct rx_source){ .ssrc = s->ssrc, .taken = true, .seen = s->seen };
	}
	if (!good)
		return GW_XF_FORGED;
	if (seen_before(s, *index))
		return GW_XF_REPEAT;
	note(s, *index);
	return GW_XF_OK;
}

static int
open_aac(struct gw_rx *rx, const struct gw_xkey *k, const struct rtp *r, struct gw_pk *pk, size_t n, size_t section)
{
	size_t data = r->payload_len - section, shrink = 4 + k->id_len;

	for (size_t i = 0; i < n; i++)
		if (rx->aus[i].encrypted)
			decrypt(k, rx->aus[i].iv, pk->p + r->header_len + (size_t)(rx->aus[i].p - rx->aus[0].p) + section, rx->aus[i].len);
	memmove(pk->p + shrink, pk->p, r->header_len);
	pk->p += shrink;
	ismacryp_renew(pk->p, r->marker, rx->conf.payload_type);
	if (au_write(&au_aac_hbr, rx->aus, n, pk->p + r->header_len, section - shrink) != section - shrink)
		return GW_XF_FAILED;
	pk->len = r->header_len + section - shrink + data;
	return GW_XF_OK;
}

/* The access unit is whole: packets of it, as RFC 6184 has them. */
static int
pass_h264(struct gw_rx *rx, struct gw_sink *sink)
{
	struct h264_split s;
	struct gw_pk *pk;

	if (h264_split(&s, rx->au, rx->len) < 0)
		return GW_XF_MALFORMED;		/* the key was not the right one, or the sender's clear was none */
	while (!h264_ended(&s)) {
		if (!(pk = sink->slot(sink->self)))
			return GW_XF_FAILED;
		size_t n = h264_next(&s, pk->p + RTP_HEADER, CLEAR_MTU - RTP_HEADER);
		ismacryp_header(pk->p, h264_ended(&s), rx->conf.payload_type, rx->seq++, rx->a.timestamp, rx->a.ssrc);
		pk->len = RTP_HEADER + n;
	}
	return GW_XF_HELD;
}

static int
open_h264(struct gw_rx *rx, const struct gw_xkey *k, const struct rtp *r, const struct au *a, uint8_t *p, struct gw_sink *sink)
{
	bool known = rx->a.known && rx->a.ssrc == r->ssrc;
	uint32_t timestamp = rx->a.timestamp;
	int v, s, ended = GW_XF_HELD;

	if (a->encrypted)
		decrypt(k, a->iv, p, a->len);
	s = ismacryp_step(&rx->a, r, a->len > H264_LENGTH && h264_may_begin(p + H264_LENGTH, a->len - H264_LENGTH), &v);
	if (!known)
		rx->seq = r->seq;
	if (s == STEP_DROP) {	/* it was right, but nothing comes of it: another was lost, and that shows in the indices */
		if (v == GW_XF_INCOMPLETE)
			rx->seq++;	/* whoever comes behind us sees the gap */
		return GW_XF_HELD;
	}
	if (s == STEP_END_AND_BEGIN) {
		rx->a.timestamp = timestamp;
		ended = pass_h264(rx, sink);
		rx->a.timestamp = r->timestamp;
	}
	if (s != STEP_ADD)
		rx->len = 0;
	v = s == STEP_ADD && a->encrypted && a->iv != rx->next_bso ? GW_XF_MALFORMED : a->len > H264_MOST - rx->len ? GW_XF_TOO_LONG : GW_XF_HELD;
	if (v != GW_XF_HELD) {
		rx->a.state = r->marker ? IDLE : BROKEN;
		return v;
	}
	memcpy(rx->au + rx->len, p, a->len);
	rx->len += a->len;
	rx->next_bso = a->iv + a->len;
	if (r->marker) {
		v = pass_h264(rx, sink);
		rx->a.state = IDLE;
	}
	return v == GW_XF_HELD ? ended : v;
}

int
ismacryp_unprotect(struct gw_rx *rx, struct gw_pk *pk, struct gw_rx_got *got, struct gw_sink *sink)
{
	size_t section, n, slot, id_len = rx_id_len(rx), tag = rx->conf.authenticated ? TAG : 0;
	struct au_params params = ismacryp_params(rx->conf.type, id_len);
	struct rtp r;
	int v;

	*got = (struct gw_rx_got){ .id_len = 0 };
	if (pk->len < RTP_HEADER + tag || rtp_parse(pk->p, pk->len - tag, &r) < 0)
		return GW_XF_NOT_RTP;
	if (id_len == 0)
		return GW_XF_NO_KEY;
	if ((n = ismacryp_read(&params, pk->p + r.header_len, r.payload_len, rx->aus, &section)) == 0)
		return GW_XF_MALFORMED;
	got->source = r.ssrc;
	memcpy(got->id, rx->aus[0].key, got->id_len = id_len);
	if ((slot = rx_find(rx, rx->aus[0].key, id_len)) == KEYS)
		return GW_XF_NO_KEY;
	v = rx_index(rx, rx_source(rx, r.ssrc), rx->key[slot], pk->p, pk->len - tag, r.seq, &got->index);
	if (v != GW_XF_OK)
		return v;
	if (rx->conf.type == GW_MEDIA_AAC)
		return open_aac(rx, rx->key[slot], &r, pk, n, section);
	return open_h264(rx, rx->key[slot], &r, &rx->aus[0], pk->p + r.header_len + section, sink);
}

bool
ismacryp_in_clear(const struct gw_rx *rx, const struct gw_pk *pk)
{
	struct rtp r;

	return rtp_parse(pk->p, pk->len, &r) == 0 && r.payload_type == rx->conf.payload_type;
}
