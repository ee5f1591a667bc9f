/*
 * lib/srtp_rx.c: SRTP's receiver, on libsrtp2: whose key a packet names, and under which index it is authentic. RFC 4771's packets,
 * which libsrtp2 does not know, are opened by means of our own.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include "lib/srtp.h"
#include "lib/srtp_int.h"
#include "proto/rtp.h"

enum {
	KEYS = 8,		/* held at a time */
	SOURCES = 64,		/* SSRCs followed at a time */
	FIRST_TRIES = 256,	/* ROCs tried with a source's first packet: 256 × 2^16 packets after the start of the service */
	MORE_TRIES = 16,	/* and with each later one, so that a wrong key does not cost a processor */
	LOST_AFTER = 16,	/* authentication failures in a row after which a source is looked for anew */
	ROC_MAC = SRTP_TAG - SRTP_ROC,	/* octets of a MAC that has a ROC before it */
	PT_MP2T = 33, TS_PACKET = 188, TS_SYNC = 0x47,
};
static const uint32_t ENCRYPTED = UINT32_C(1) << 31;	/* E flag of SRTCP */
struct held {
	struct srtp_key key;		/* mki_len 0: free */
	uint64_t since;			/* when it came, by count */
};
struct rx_source {
	struct gw_srtp_mark m;
	struct srtp_session s[KEYS];
	struct gw_srtp_run run;		/* of an unauthenticated source: restarts are found as the sender finds them */
	uint64_t newest;		/* of the keys it was authentic under */
	struct gw_srtp_mark report; uint64_t report_newest;	/* the same of its SRTCP */
	uint32_t roc;			/* next to be tried while nothing was authentic */
	unsigned forged;		/* in a row */
	bool taken, tried;
	uint64_t seen;
};
struct gw_rx {
	unsigned rcc_rate;
	struct held held[KEYS];
	struct rx_source source[SOURCES];
	uint64_t keys, packets;		/* counts */
};
/* A packet on its way, and what it is opened with. */
struct opening { struct gw_pk *pk; struct rtp r; struct rx_source *s; struct held *k; struct srtp_session *ses; };

struct gw_rx *
srtp_rx_new(const struct gw_rx_conf *conf, struct gw_err *err)
{
	struct gw_rx *rx;

	if (conf->rcc_rate > UINT16_MAX) {
		gw_fail(err, GW_ECONF, "SRTP: a ROC in every %u packets; 1 to 65535 is possible (RFC 4771)", conf->rcc_rate);
		return NULL;
	}
	if (gw_srtp_init(err) < 0)
		return NULL;
	if (!(rx = calloc(1, sizeof(*rx))))
		gw_fail(err, GW_ESYS, "no memory");
	else
		rx->rcc_rate = conf->rcc_rate;
	return rx;
}

/* ---- keys ---- */

static void
clear(struct gw_rx *rx, size_t slot)
{
	for (size_t i = 0; i < SOURCES; i++)
		srtp_session_close(&rx->source[i].s[slot]);
	srtp_key_free(&rx->held[slot].key);
	rx->held[slot].since = 0;
}

void
srtp_rx_free(struct gw_rx *rx)
{
	if (!rx)
		return;
	for (size_t k = 0; k < KEYS; k++)
		clear(rx, k);
	free(rx);
}

static size_t
find_key(const struct gw_rx *rx, const uint8_t *mki, size_t mki_len)
{
	for (size_t k = 0; mki_len && k < KEYS; k++)
		if (rx->held[k].key.mki_len == mki_len && memcmp(rx->held[k].key.mki, mki, mki_len) == 0)
			return k;
	return KEYS;
}

static bool
same(const struct srtp_key *k, const struct gw_material *o)
{
	return k->authenticated == o->authenticated && CRYPTO_memcmp(k->master.p, o->tek, SRTP_KEY) == 0 &&
	    CRYPTO_memcmp(k->master.p + SRTP_KEY, o->salt, SRTP_SALT) == 0;
}

int
srtp_rx_key(struct gw_rx *rx, const struct gw_material *from, struct gw_err *err)
{
	size_t slot = find_key(rx, from->id, from->id_len);

	if (slot < KEYS && same(&rx->held[slot].key, from))
		return 0;
	if (slot == KEYS) {	/* a free one has waited since 0 */
		slot = 0;
		for (size_t k = 1; k < KEYS; k++)
			if (rx->held[k].since < rx->held[slot].since)
				slot = k;
	}
	clear(rx, slot);
	if (srtp_key_set(&rx->held[slot].key, from, true, err) < 0)
		return -1;
	rx->held[slot].since = ++rx->keys;
	for (size_t i = 0; i < SOURCES; i++) {	/* another chance from the beginning: the key may have been what was wrong */
		rx->source[i].tried = false;
		rx->source[i].roc = 0;
	}
	return 0;
}

void
srtp_rx_drop(struct gw_rx *rx, const uint8_t *mki, size_t mki_len)
{
	size_t k = find_key(rx, mki, mki_len);

	if (k < KEYS)
		clear(rx, k);
}

/* Where the MKI stands depends on the tag, which the key knows; SRTCP always has one. */
static size_t
named(const struct gw_rx *rx, const uint8_t *p, size_t len, bool rtcp)
{
	for (size_t k = 0; k < KEYS; k++) {
		const struct srtp_key *key = &rx->held[k].key;
		size_t tail = key->mki_len + (key->authenticated || rtcp ? SRTP_TAG : 0);
		if (key->mki_len && len >= tail + (rtcp ? SRTCP_HEADER + SRTCP_INDEX : SRTP_RTP) &&
		    memcmp(p + len - tail, key->mki, key->mki_len) == 0)
			return k;
	}
	return KEYS;
}

/* ---- sources ---- */

/* The source's place, at need that of the one longest quiet. */
static struct rx_source *
find(struct gw_rx *rx, uint32_t ssrc)
{
	struct rx_source *s, *oldest = &rx->source[0];

	for (size_t i = 0; i < SOURCES; i++) {
		s = &rx->source[i];
		if (s->taken && s->m.ssrc == ssrc) {
			s->seen = ++rx->packets;
			return s;
		}
		if (s->seen < oldest->seen)
			oldest = s;
	}
	for (size_t k = 0; k < KEYS; k++)
		srtp_session_close(&oldest->s[k]);
	*oldest = (struct rx_source){ .m = { .ssrc = ssrc }, .taken = true, .seen = ++rx->packets };
	return oldest;
}

/*
 * Of a packet that is authentic whatever came before it: an index that lies behind is taken only under a key newer than those
 * heard. Of an older one it may be a replay.
 */
static int
fresh(struct gw_srtp_mark *m, uint64_t *newest, const struct held *k, uint64_t index)
{
	int v = gw_srtp_classify(m, index);

	if (v == GW_XF_RESTART && k->since > *newest) {
		*m = (struct gw_srtp_mark){ .ssrc = m->ssrc };
		v = GW_XF_OK;
	}
	if (v == GW_XF_OK) {
		gw_srtp_spend(m, index);
		*newest = k->since > *newest ? k->since : *newest;
	}
	return v;
}

static void
accepted(struct rx_source *s, const struct held *k, uint64_t index)
{
	gw_srtp_spend(&s->m, index);
	s->newest = k->since > s->newest ? k->since : s->newest;
	s->forged = 0;
}

/* Not authentic under any index that was to be expected. The sender may have begun at 0 again: after some, all is possible. */
static void
not_accepted(struct rx_source *s)
{
	if (++s->forged < LOST_AFTER)
		return;
	for (size_t k = 0; k < KEYS; k++)
		srtp_session_close(&s->s[k]);
	s->m = (struct gw_srtp_mark){ .ssrc = s->m.ssrc };
	s->forged = 0;
	s->roc = 0;
}

/* ---- RTP ---- */

/* One attempt with one index; what fails leaves packet and session as they were. */
static int
try(struct opening *o, uint64_t index)
{
	int n = (int)o->pk->len;
	srtp_err_status_t st;

	if (!srtp_session_aim(o->ses, index))
		return GW_XF_RESTART;
	st = srtp_unprotect_mki(o->ses->ctx, o->pk->p, &n, 1);
	if (st != srtp_err_status_ok) {
		srtp_set_stream_roc(o->ses->ctx, o->s->m.ssrc, 0);	/* none pending */
		return st == srtp_err_status_auth_fail ? GW_XF_FORGED : GW_XF_FAILED;
	}
	if (index > o->ses->at)
		o->ses->at = index;
	accepted(o->s, o->k, index);
	o->pk->len = (size_t)n;
	return GW_XF_OK;
}

/* Nothing of this source was authentic yet, or no longer is: look for the ROC, upward, and from 0 again. */
static int
search(struct opening *o, uint64_t *index)
{
	struct rx_source *s = o->s;
	int v = GW_XF_FORGED;

	for (int tries = s->tried ? MORE_TRIES : FIRST_TRIES; v == GW_XF_FORGED && tries > 0; tries--, s->roc++) {
		*index = (uint64_t)s->roc << 16 | o->r.seq;
		v = try(o, *index);
	}
	s->tried = true;
	s->roc = v == GW_XF_FORGED && s->roc <= UINT16_MAX ? s->roc : 0;
	return v;
}

/* A source known: the index as guessed, else as a sender counts on after a restart of its source. */
static int
follow(struct opening *o, uint64_t *index)
{
	struct rx_source *s = o->s;
	int v;

	*index = gw_srtp_guess(s->m.highest, o->r.seq);
	if ((v = gw_srtp_classify(&s->m, *index)) == GW_XF_REPEAT)
		return v;
	if (v == GW_XF_OK && (v = try(o, *index)) != GW_XF_FORGED)
		return v;
	for (int step = 0; step < 3; step++) {
		*index += 0x10000;
		if (*index > s->m.highest + GW_SRTP_MEDIAN && try(o, *index) == GW_XF_OK)
			return GW_XF_OK;
	}
	not_accepted(s);
	return v;
}

static bool
mac_holds(const struct gw_hmac *key, uint8_t *p, size_t end, const uint8_t *tag)
{
	uint8_t roc[SRTP_ROC], under[SRTP_ROC], got[ROC_MAC], mac[GW_SHA1];

	memcpy(roc, tag, sizeof(roc));
	memcpy(got, tag + SRTP_ROC, sizeof(got));
	memcpy(under, p + end, sizeof(under));	/* MKI, and perhaps some of the tag */
	memcpy(p + end, roc, sizeof(roc));
	gw_hmac_once(key, p, end + SRTP_ROC, mac);
	memcpy(p + end, under, sizeof(under));
	return CRYPTO_memcmp(mac, got, sizeof(got)) == 0;
}

/* RFC 4771 RCCm2: the tag is the ROC and 48 bits of the MAC. Where the count stood does not matter: late joiners are right at once. */
static int
told(struct opening *o, uint64_t *index)
{
	const struct srtp_session_keys *keys = srtp_keys_of(&o->k->key);
	size_t end = o->pk->len - o->k->key.mki_len - SRTP_TAG;
	uint8_t *p = o->pk->p, *tag = p + end + o->k->key.mki_len, iv[GW_AES_BLOCK];
	struct rx_source *s = o->s;
	int v;

	if (o->r.header_len > end)
		return GW_XF_NOT_RTP;
	*index = (uint64_t)srtp_get32(tag) << 16 | o->r.seq;
	if (!mac_holds(&keys->rtp_mac, p, end, tag)) {
		if (s->m.used)
			not_accepted(s);
		return GW_XF_FORGED;
	}
	if ((v = fresh(&s->m, &s->newest, o->k, *index)) != GW_XF_OK)
		return v;
	s->forged = 0;
	srtp_iv(keys->rtp_salt, o->r.ssrc, *index, iv);
	gw_ctr_once(&keys->rtp, iv, 0, p + o->r.header_len, end - o->r.header_len);
	o->pk->len = end;
	return GW_XF_OK;
}

static int
open_rtp(struct gw_rx *rx, struct opening *o, uint64_t *index)
{
	int v;

	if (!o->k->key.authenticated) {
		v = gw_srtp_follow(&o->s->run, &o->s->m, false, o->r.seq, index);
		return v == GW_XF_OK ? try(o, *index) : v;
	}
	if (rx->rcc_rate && o->r.seq % rx->rcc_rate == 0)
		return told(o, index);
	return o->s->m.used ? follow(o, index) : search(o, index);
}

static void
learned(struct gw_rx_got *got, const struct held *k, uint32_t ssrc, uint64_t index)
{
	memcpy(got->id, k->key.mki, sizeof(got->id));
	got->id_len = k->key.mki_len;
	got->source = ssrc;
	got->index = index;
}

int
srtp_unprotect_rtp(struct gw_rx *rx, struct gw_pk *pk, struct gw_rx_got *got, struct gw_sink *sink)
{
	struct opening o = { .pk = pk };
	uint64_t index = 0;
	size_t k;
	int v;

	(void)sink;
	if (rtp_peek(pk->p, pk->len, &o.r) < 0 || gw_srtp_is_rtcp(pk->p, pk->len))
		return GW_XF_NOT_RTP;
	if ((k = named(rx, pk->p, pk->len, false)) == KEYS)
		return GW_XF_NO_KEY;
	o.k = &rx->held[k];
	o.s = find(rx, o.r.ssrc);
	o.ses = &o.s->s[k];
	if (!o.ses->ctx && srtp_session_open(o.ses, &o.k->key, o.r.ssrc) < 0)
		return GW_XF_FAILED;
	if ((v = open_rtp(rx, &o, &index)) == GW_XF_OK)
		learned(got, o.k, o.r.ssrc, index);
	return v;
}

/* ---- RTCP ---- */

/* Ours, not libsrtp2's: that looks for the MKI where it would stand in RTP, which is elsewhere under a key without authentication. */
int
srtp_unprotect_report(struct gw_rx *rx, struct gw_pk *pk, struct gw_rx_got *got)
{
	uint8_t iv[GW_AES_BLOCK], mac[GW_SHA1];
	const struct srtp_session_keys *keys;
	struct rx_source *s;
	uint32_t word, ssrc;
	size_t k, end;
	int v;

	if (!gw_srtp_is_rtcp(pk->p, pk->len))
		return GW_XF_NOT_RTP;
	if ((k = named(rx, pk->p, pk->len, true)) == KEYS)
		return GW_XF_NO_KEY;
	keys = srtp_keys_of(&rx->held[k].key);
	end = pk->len - SRTP_TAG - rx->held[k].key.mki_len;
	gw_hmac_once(&keys->rtcp_mac, pk->p, end, mac);
	if (CRYPTO_memcmp(mac, pk->p + pk->len - SRTP_TAG, SRTP_TAG) != 0)
		return GW_XF_FORGED;
	end -= SRTCP_INDEX;
	word = srtp_get32(pk->p + end);
	ssrc = srtp_get32(pk->p + 4);
	s = find(rx, ssrc);
	if ((v = fresh(&s->report, &s->report_newest, &rx->held[k], word & ~ENCRYPTED)) != GW_XF_OK)
		return v;
	if (word & ENCRYPTED) {
		srtp_iv(keys->rtcp_salt, ssrc, word & ~ENCRYPTED, iv);
		gw_ctr_once(&keys->rtcp, iv, 0, pk->p + SRTCP_HEADER, end - SRTCP_HEADER);
	}
	pk->len = end;
	learned(got, &rx->held[k], ssrc, word & ~ENCRYPTED);
	return GW_XF_OK;
}

/*
 * A service that is in clear for a while (SimulCrypt transitions). SRTP has no mark for it; but what ends behind its last transport
 * stream packet has no room for an MKI, whatever its last octets look like.
 */
bool
srtp_in_clear(const struct gw_rx *rx, const struct gw_pk *pk)
{
	struct rtp r;

	(void)rx;
	if (rtp_parse(pk->p, pk->len, &r) < 0 || r.payload_type != PT_MP2T || r.payload_len == 0 || r.payload_len % TS_PACKET != 0)
		return false;
	for (size_t at = 0; at < r.payload_len; at += TS_PACKET)
		if (pk->p[r.header_len + at] != TS_SYNC)
			return false;
	return true;
}
