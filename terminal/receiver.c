/* terminal/receiver.c */
#include "terminal/receiver.h"
#include <stdlib.h>
#include <string.h>
#include "lib/srtp.h"
#include "proto/rtp.h"

enum {
	SOURCES = 8,		/* SSRCs of a medium whose sequence is followed */
	RECENT = 16,		/* key identifiers remembered as seen */
	RESTART = 1 << 15,	/* a step of the index beyond this is a restarted source, not loss */
	PT_MP2T = 33, TS_PACKET = 188, TS_SYNC = 0x47,
};
struct id { uint8_t octets[STKM_ID_MAX], len; };
struct held {			/* a key in the SRTP tables */
	struct id id;
	int64_t until_us;	/* INT64_MAX: no lifetime stated */
	uint32_t lifetime_s;
	uint64_t order;		/* of identifiers, as first seen */
	bool last;		/* named by the STKM accepted last */
};
struct track { bool used; uint32_t ssrc; uint64_t first, highest, got; };
struct medium { struct gw_srtp_rx *srtp; struct id opened; /* by it, the newest packet */ struct track track[SOURCES]; size_t next; uint64_t lost; };
struct receiver {
	receiver_open *open; void *self;
	struct held held[GW_SRTP_KEYS];
	uint64_t ids;			/* identifiers seen in STKMs */
	struct id recent[RECENT]; size_t nrecent;
	int64_t tuned_us;		/* when the first STKM was accepted */
	struct receiver_counts counts;
	size_t nmedia; struct medium media[];
};

struct receiver *
receiver_new(size_t nmedia, receiver_open *open, void *self)
{
	struct receiver *r = calloc(1, sizeof(*r) + nmedia * sizeof(r->media[0]));

	if (!r)
		return NULL;
	r->open = open;
	r->self = self;
	for (; r->nmedia < nmedia; r->nmedia++)
		if (!(r->media[r->nmedia].srtp = gw_srtp_rx_new())) {
			receiver_free(r);
			return NULL;
		}
	return r;
}

void
receiver_free(struct receiver *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->nmedia; i++)
		gw_srtp_rx_free(r->media[i].srtp);
	free(r);
}

/* ---- keys ---- */

static bool
same_id(const struct id *a, const uint8_t *octets, size_t len)
{
	return a->len == len && memcmp(a->octets, octets, len) == 0;
}

static void
drop(struct receiver *r, struct held *h)
{
	for (size_t i = 0; i < r->nmedia; i++)
		gw_srtp_rx_drop(r->media[i].srtp, h->id.octets, h->id.len);
	*h = (struct held){ 0 };
}

static bool
in_use(const struct receiver *r, const struct id *id)
{
	for (size_t i = 0; i < r->nmedia; i++)
		if (same_id(&r->media[i].opened, id->octets, id->len))
			return true;
	return false;
}

/*
 * Without a lifetime it goes when two further identifiers were seen, but not while it is what packets still come under: where STKMs
 * are on air a whole crypto-period early, the second comes at the very moment of the change.
 */
static bool
is_over(const struct receiver *r, const struct held *h, int64_t mono_us)
{
	return h->until_us != INT64_MAX ? mono_us >= h->until_us : r->ids >= h->order + 2 && !in_use(r, &h->id);
}

void
receiver_tick(struct receiver *r, int64_t mono_us)
{
	for (size_t k = 0; k < GW_SRTP_KEYS; k++)
		if (r->held[k].id.len && is_over(r, &r->held[k], mono_us))
			drop(r, &r->held[k]);
}

/* Its place in the table: its own, a free one, or that of the key that has been there longest. */
static struct held *
place(struct receiver *r, const struct rx_key *key)
{
	struct held *h = NULL;

	for (size_t k = 0; k < GW_SRTP_KEYS; k++)
		if (same_id(&r->held[k].id, key->id, key->id_len))
			return &r->held[k];
	for (size_t k = 0; k < GW_SRTP_KEYS; k++)
		if (!h || !r->held[k].id.len || (h->id.len && r->held[k].order < h->order))
			h = &r->held[k];
	if (h->id.len)
		drop(r, h);
	memcpy(h->id.octets, key->id, key->id_len);
	h->id.len = key->id_len;
	h->order = ++r->ids;
	return h;
}

static int
hold(struct receiver *r, const struct rx_key *key, uint32_t lifetime_s)
{
	struct gw_srtp_key k = { .mki_len = key->id_len, .key = tkm_tek(&key->tkm), .salt = tkm_salt(&key->tkm),
		.authenticated = key->tkm.layout->authenticated };
	struct held *h = place(r, key);

	memcpy(k.mki, key->id, key->id_len);
	for (size_t i = 0; i < r->nmedia; i++)
		if (gw_srtp_rx_key(r->media[i].srtp, &k, NULL) < 0)
			return -1;
	h->lifetime_s = lifetime_s;
	h->last = true;
	return 0;
}

/* An STKM named these keys: their lifetime begins now. */
static void
renew(struct receiver *r, int64_t mono_us)
{
	for (size_t k = 0; k < GW_SRTP_KEYS; k++) {
		struct held *h = &r->held[k];
		if (h->id.len && h->last)
			h->until_us = h->lifetime_s ? mono_us + (int64_t)h->lifetime_s * 1000000 : INT64_MAX;
	}
}

static void
accept(struct receiver *r, struct rx_keys *keys, enum rx_result *result)
{
	if (keys->key[0].tkm.layout->protocol != STKM_SRTP) {
		*result = rx_refuse(keys, RX_UNSUPPORTED);
		return;
	}
	for (size_t k = 0; k < GW_SRTP_KEYS; k++)
		r->held[k].last = false;
	for (size_t i = 0; i < keys->n; i++)
		if (hold(r, &keys->key[i], keys->lifetime_s) < 0) {
			*result = rx_refuse(keys, RX_FAILED);
			return;
		}
}

enum rx_result
receiver_stkm(struct receiver *r, const void *stkm, size_t len, int64_t utc_s, int64_t mono_us, enum rx_reason *why)
{
	struct rx_keys keys = { 0 };
	enum rx_result result = r->open(r->self, stkm, len, utc_s, &keys);

	r->counts.stkm++;
	if (result != RX_REFUSED && keys.n > 0)	/* of a repeat, too: its keys may have expired since */
		accept(r, &keys, &result);
	*why = keys.reason;
	if (result == RX_REFUSED)
		r->counts.refused[keys.reason]++;
	else if (result == RX_REPEAT && r->counts.accepted > 0)
		r->counts.repeats++;
	else if (r->counts.accepted++ == 0)
		r->tuned_us = mono_us;
	if (result != RX_REFUSED)
		renew(r, mono_us);
	receiver_tick(r, mono_us);
	rx_wipe(&keys);
	return result;
}

/* ---- packets ---- */

static uint64_t
missing(const struct track *t)
{
	return t->used ? t->highest - t->first + 1 - t->got : 0;
}

static void
follow(struct medium *m, uint32_t ssrc, uint64_t index)
{
	struct track *t = NULL;

	for (size_t i = 0; i < SOURCES && !t; i++)
		if (m->track[i].used && m->track[i].ssrc == ssrc)
			t = &m->track[i];
	if (!t)
		t = &m->track[m->next++ % SOURCES];
	if (!t->used || t->ssrc != ssrc || index > t->highest + RESTART || index + RESTART < t->highest) {
		m->lost += missing(t);
		*t = (struct track){ .used = true, .ssrc = ssrc, .first = index, .highest = index };
	}
	t->got++;
	t->highest = index > t->highest ? index : t->highest;
	t->first = index < t->first ? index : t->first;	/* the first ones may have changed places */
}

static void
count_period(struct receiver *r, const struct id *id)
{
	for (size_t i = 0; i < RECENT; i++)
		if (same_id(&r->recent[i], id->octets, id->len))
			return;
	r->recent[r->nrecent++ % RECENT] = *id;
	r->counts.crypto_periods++;
}

/* A wrong ROC or key without authentication shows in the payload only. */
static bool
plausible(const uint8_t *p, size_t len)
{
	struct rtp rtp;

	if (rtp_parse(p, len, &rtp) < 0)
		return false;
	if (rtp.payload_type != PT_MP2T)
		return true;
	for (size_t at = 0; at < rtp.payload_len; at += TS_PACKET)
		if (p[rtp.header_len + at] != TS_SYNC)
			return false;
	return rtp.payload_len > 0 && rtp.payload_len % TS_PACKET == 0;
}

/*
 * A service that is in clear for a while (SimulCrypt transitions). SRTP has no mark for it; but what ends behind its last transport
 * stream packet has no room for an MKI, whatever its last octets look like.
 */
static bool
in_clear(const uint8_t *p, size_t len, struct rtp *rtp)
{
	return rtp_parse(p, len, rtp) == 0 && rtp->payload_type == PT_MP2T && plausible(p, len);
}

/* The sequence goes on through the clear: no gap may be seen where there was none. */
static void
follow_clear(struct medium *m, const struct rtp *rtp)
{
	uint64_t index = rtp->seq;

	for (size_t i = 0; i < SOURCES; i++)
		if (m->track[i].used && m->track[i].ssrc == rtp->ssrc)
			index = m->track[i].highest + (uint64_t)(int64_t)(int16_t)(rtp->seq - (uint16_t)m->track[i].highest);
	follow(m, rtp->ssrc, index);
}

bool
receiver_packet(struct receiver *r, size_t medium, uint8_t *p, size_t *len, int64_t mono_us)
{
	struct medium *m = &r->media[medium];
	struct receiver_counts *c = &r->counts;
	uint64_t index = 0;
	struct rtp rtp;
	struct id id = { 0 };
	size_t id_len = 0;

	if (in_clear(p, *len, &rtp)) {
		follow_clear(m, &rtp);
		c->clear++;
		return true;
	}
	if (c->accepted == 0) {
		c->waiting++;
		return false;
	}
	const uint8_t *mki = gw_srtp_rx_mki(m->srtp, p, *len, &id_len);
	if (mki) {
		memcpy(id.octets, mki, id_len);
		id.len = (uint8_t)id_len;
	}
	int verdict = gw_srtp_unprotect(m->srtp, p, len, &index);
	if (verdict == GW_SRTP_REPEAT || verdict == GW_SRTP_OLD) {
		c->repeated++;
		return false;
	}
	if (verdict == GW_SRTP_NO_KEY && c->packets == 0 && mono_us - r->tuned_us < RECEIVER_TUNE_IN_US) {
		c->waiting++;
		return false;
	}
	if (verdict != GW_SRTP_OK || !plausible(p, *len)) {
		c->undecryptable++;
		return false;
	}
	rtp_peek(p, *len, &rtp);
	follow(m, rtp.ssrc, index);
	count_period(r, &id);
	m->opened = id;
	c->packets++;
	return true;
}

void
receiver_counts(const struct receiver *r, struct receiver_counts *c)
{
	*c = r->counts;
	for (size_t i = 0; i < r->nmedia; i++) {
		c->lost += r->media[i].lost;
		for (size_t k = 0; k < SOURCES; k++)
			c->lost += missing(&r->media[i].track[k]);
	}
}

size_t
receiver_keys(const struct receiver *r)
{
	size_t n = 0;

	for (size_t k = 0; k < GW_SRTP_KEYS; k++)
		n += r->held[k].id.len != 0;
	return n;
}
