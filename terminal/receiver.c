/* terminal/receiver.c */
#include "terminal/receiver.h"
#include <stdlib.h>
#include <string.h>
#include "lib/esp.h"
#include "lib/secret.h"
#include "proto/rtp.h"

enum {
	KEYS = 8,		/* as many as a row holds */
	SOURCES = 8,		/* SSRCs of a medium whose sequence is followed */
	RECENT = 16,		/* keys remembered as seen */
	RESTART = 1 << 15,	/* a step of the index beyond this is a restarted source, not loss */
	TAK = 20,
	LATELY_US = 1000000,
	PT_MP2T = 33, TS_PACKET = 188, TS_SYNC = 0x47,
};
/* A key's identifier, and since a parity names every other key, a mark of the key itself. */
struct id { uint8_t octets[STKM_ID_MAX], len; char mark[17]; };
struct held {			/* a key in the tables of the protection */
	struct id id;
	int64_t until_us;	/* INT64_MAX: no lifetime stated */
	uint32_t lifetime_s;
	uint64_t order;		/* of keys, as first seen */
	bool last;		/* named by the STKM accepted last */
};
struct track { bool used; uint32_t source; uint64_t first, highest, got; };
struct medium {
	struct gw_rx *rx;
	enum gw_media_type type;
	struct id opened; int64_t opened_us;	/* by it, the newest packet */
	struct track track[SOURCES]; size_t next;
	uint64_t lost;
};
struct receiver {
	const struct gw_transform *row;
	receiver_open *open; void *self;
	struct held held[KEYS];
	uint64_t keys;			/* seen in STKMs */
	struct id recent[RECENT]; size_t nrecent;
	int64_t tuned_us;		/* when the first STKM was accepted */
	struct receiver_counts counts;
	size_t nmedia; struct medium media[];
};

struct receiver *
receiver_new(const struct gw_transform *row, const struct gw_rx_conf *media, size_t nmedia, receiver_open *open, void *self,
    struct gw_err *err)
{
	struct receiver *r = calloc(1, sizeof(*r) + nmedia * sizeof(r->media[0]));

	if (!r) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	r->row = row;
	r->open = open;
	r->self = self;
	for (; r->nmedia < nmedia; r->nmedia++) {
		r->media[r->nmedia].type = media[r->nmedia].type;
		if (!(r->media[r->nmedia].rx = row->rx_new(&media[r->nmedia], err))) {
			receiver_free(r);
			return NULL;
		}
	}
	return r;
}

void
receiver_free(struct receiver *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->nmedia; i++)
		r->row->rx_free(r->media[i].rx);
	free(r);
}

/* ---- keys ---- */

static bool
same_name(const struct id *a, const uint8_t *octets, size_t len)
{
	return a->len == len && memcmp(a->octets, octets, len) == 0;
}

static bool
same_key(const struct id *a, const struct id *b)
{
	return same_name(a, b->octets, b->len) && memcmp(a->mark, b->mark, sizeof(a->mark)) == 0;
}

static void
drop(struct receiver *r, struct held *h)
{
	for (size_t i = 0; i < r->nmedia; i++)
		r->row->rx_drop(r->media[i].rx, h->id.octets, h->id.len);
	*h = (struct held){ 0 };
}

static bool
in_use(const struct receiver *r, const struct id *id, int64_t since_us)
{
	for (size_t i = 0; i < r->nmedia; i++)
		if (r->media[i].opened.len && same_key(&r->media[i].opened, id) && r->media[i].opened_us >= since_us)
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
	return h->until_us != INT64_MAX ? mono_us >= h->until_us : r->keys >= h->order + 2 && !in_use(r, &h->id, INT64_MIN);
}

void
receiver_tick(struct receiver *r, int64_t mono_us)
{
	for (size_t k = 0; k < KEYS; k++)
		if (r->held[k].id.len && is_over(r, &r->held[k], mono_us))
			drop(r, &r->held[k]);
}

static struct held *
named(struct receiver *r, const uint8_t *octets, size_t len)
{
	for (size_t k = 0; k < KEYS; k++)
		if (r->held[k].id.len && same_name(&r->held[k].id, octets, len))
			return &r->held[k];
	return NULL;
}

/* A free place, or that of the key that has been there longest. */
static struct held *
free_place(struct receiver *r)
{
	struct held *h = &r->held[0];

	for (size_t k = 1; k < KEYS; k++)
		if (!r->held[k].id.len || (h->id.len && r->held[k].order < h->order))
			h = &r->held[k];
	if (h->id.len)
		drop(r, h);
	return h;
}

static struct held *
place(struct receiver *r, const struct id *id)
{
	struct held *h = named(r, id->octets, id->len);

	if (h && same_key(&h->id, id))
		return h;
	h = h ? h : free_place(r);
	h->id = *id;
	h->order = ++r->keys;
	return h;
}

static int
install(struct receiver *r, const struct rx_key *key)
{
	struct gw_material m = { .id_len = key->id_len, .tek = tkm_tek(&key->tkm), .salt = key->tkm.layout->salt ? tkm_salt(&key->tkm) : NULL,
		.authenticated = key->tkm.layout->authenticated };
	uint8_t tak[TAK];
	int rc = 0;

	memcpy(m.id, key->id, key->id_len);
	if (key->tkm.layout->tas) {
		rc = tkm_tak(&key->tkm, tak);
		m.tak = tak;
	}
	for (size_t i = 0; rc == 0 && i < r->nmedia; i++)
		rc = r->row->rx_key(r->media[i].rx, &m, NULL);
	gw_cleanse(tak, sizeof(tak));
	return rc;
}

static struct id
id_of(const struct rx_key *key)
{
	struct id id = { .len = key->id_len };

	memcpy(id.octets, key->id, key->id_len);
	gw_fingerprint(key->tkm.cw, tkm_len(&key->tkm), id.mark);
	return id;
}

static int
hold(struct receiver *r, const struct rx_key *key, uint32_t lifetime_s)
{
	struct id id = id_of(key);
	struct held *h = place(r, &id);

	h->lifetime_s = lifetime_s;
	h->last = true;
	return install(r, key);
}

/* An STKM named these keys: their lifetime begins now. */
static void
renew(struct receiver *r, int64_t mono_us)
{
	for (size_t k = 0; k < KEYS; k++) {
		struct held *h = &r->held[k];
		if (h->id.len && h->last)
			h->until_us = h->lifetime_s ? mono_us + (int64_t)h->lifetime_s * 1000000 : INT64_MAX;
	}
}

static bool
fits(const struct receiver *r, const struct stkm_layout *l)
{
	return l->protocol == r->row->protection && l->tek == r->row->tek && l->salt == r->row->salt;
}

/* The next key of a transport stream has the name of the one before, which packets may still come under. */
static bool
is_early(const struct receiver *r, const struct rx_keys *keys, size_t i, int64_t mono_us)
{
	struct id current;

	if (i == 0 || r->row->protection != STKM_TS)
		return false;
	current = id_of(&keys->key[0]);
	return !in_use(r, &current, mono_us - LATELY_US);
}

static void
adopt(struct receiver *r, struct rx_keys *keys, int64_t mono_us, enum rx_result *result)
{
	if (!fits(r, keys->key[0].tkm.layout)) {
		*result = rx_refuse(keys, RX_UNSUPPORTED);
		return;
	}
	for (size_t k = 0; k < KEYS; k++)
		r->held[k].last = false;
	for (size_t i = 0; i < keys->n; i++)
		if (!is_early(r, keys, i, mono_us) && hold(r, &keys->key[i], keys->lifetime_s) < 0) {
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
		adopt(r, &keys, mono_us, &result);
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

static struct track *
track_of(struct medium *m, uint32_t source)
{
	for (size_t i = 0; i < SOURCES; i++)
		if (m->track[i].used && m->track[i].source == source)
			return &m->track[i];
	return NULL;
}

/* True: it came after one that follows it. */
static bool
follow(struct medium *m, uint32_t source, uint64_t index)
{
	struct track *t = track_of(m, source);

	if (!t)
		t = &m->track[m->next++ % SOURCES];
	if (!t->used || t->source != source || index > t->highest + RESTART || index + RESTART < t->highest) {
		m->lost += missing(t);
		*t = (struct track){ .used = true, .source = source, .first = index, .highest = index };
	}
	t->got++;
	t->first = index < t->first ? index : t->first;	/* the first ones may have changed places */
	if (index < t->highest)
		return true;
	t->highest = index;
	return false;
}

/*
 * The sequence goes on through the clear: no gap may be seen where there was none. Access units of H.264 under ISMACryp go out in
 * packets with numbers of their own, whose sequence the clear ones are no part of.
 */
static void
follow_clear(const struct receiver *r, struct medium *m, struct gw_pk *pk)
{
	struct gw_rx_got got = { 0 };
	struct track *t;
	struct rtp rtp;

	if (r->row->protection == STKM_ISMACRYP && m->type == GW_MEDIA_H264)
		return;
	if (r->row->protection == STKM_TS) {	/* counts what is in clear, too */
		if (r->row->unprotect(m->rx, pk, &got, NULL) == GW_XF_OK)
			follow(m, got.source, got.index);
		return;
	}
	if (rtp_parse(pk->p, pk->len, &rtp) < 0)
		return;
	got.index = rtp.seq;
	if ((t = track_of(m, rtp.ssrc)))
		got.index = t->highest + (uint64_t)(int64_t)(int16_t)(rtp.seq - (uint16_t)t->highest);
	follow(m, rtp.ssrc, got.index);
}

static void
count_period(struct receiver *r, const struct id *id)
{
	for (size_t i = 0; i < RECENT; i++)
		if (r->recent[i].len && same_key(&r->recent[i], id))
			return;
	r->recent[r->nrecent++ % RECENT] = *id;
	r->counts.crypto_periods++;
}

/* A wrong ROC or key without authentication shows in the payload only. */
static bool
plausible(const struct receiver *r, const struct gw_pk *pk)
{
	struct rtp rtp;

	if (rtp_parse(pk->p, pk->len, &rtp) < 0)
		return r->row->protection != STKM_SRTP;
	if (rtp.payload_type != PT_MP2T)
		return true;
	for (size_t at = 0; at < rtp.payload_len; at += TS_PACKET)
		if (pk->p[rtp.header_len + at] != TS_SYNC)
			return false;
	return rtp.payload_len > 0 && rtp.payload_len % TS_PACKET == 0;
}

void
receiver_between(struct receiver *r, size_t medium, const struct sockaddr_storage *from, const struct sockaddr_storage *to)
{
	if (r->row == &gw_transform_esp)
		gw_esp_rx_between(r->media[medium].rx, from, to);
}

void
receiver_clear(struct receiver *r, size_t medium, struct gw_pk *pk)
{
	follow_clear(r, &r->media[medium], pk);
	r->counts.clear++;
}

/* On air is what is scrambled with a key that is no longer broadcast. */
static bool
tunes_in(const struct receiver *r, int verdict, int64_t mono_us)
{
	return verdict == GW_XF_NO_KEY && r->counts.packets == 0 && mono_us - r->tuned_us < RECEIVER_TUNE_IN_US;
}

static bool
refuse(struct receiver *r, int verdict, int64_t mono_us)
{
	struct receiver_counts *c = &r->counts;

	if (verdict == GW_XF_REPEAT || verdict == GW_XF_RESTART) {
		c->repeated++;
		return false;
	}
	if (tunes_in(r, verdict, mono_us)) {
		c->waiting++;
		return false;
	}
	c->unknown_key += verdict == GW_XF_NO_KEY;
	c->bad_tag += verdict == GW_XF_FORGED;
	c->undecryptable++;
	return false;
}

/* It was descrambled; or there was nothing in it that a key was needed for. */
static void
took(struct receiver *r, struct medium *m, const struct gw_rx_got *got, int64_t mono_us)
{
	struct held *h = named(r, got->id, got->id_len);

	r->counts.reordered += follow(m, got->source, got->index);
	if (got->id_len == 0)
		return;
	r->counts.packets++;
	if (!h)
		return;
	count_period(r, &h->id);
	m->opened = h->id;
	m->opened_us = mono_us;
}

bool
receiver_packet(struct receiver *r, size_t medium, struct gw_pk *pk, struct gw_sink *sink, int64_t mono_us)
{
	size_t which;

	if (r->row->in_clear(r->media[medium].rx, pk)) {
		receiver_clear(r, medium, pk);
		return true;
	}
	return receiver_among(r, &medium, 1, &which, pk, sink, mono_us);
}

/* In place for the last of them; a protection says GW_XF_MALFORMED of what is another medium's. */
static int
unprotect(struct receiver *r, const size_t *media, size_t n, size_t *which, struct gw_pk *pk, struct gw_rx_got *got, struct gw_sink *sink)
{
	static _Alignas(16) uint8_t copy[RECEIVER_COPY];

	for (size_t i = 0; i + 1 < n && pk->len <= sizeof(copy); i++) {
		struct gw_pk c = { copy, pk->len };
		memcpy(copy, pk->p, pk->len);
		int verdict = r->row->unprotect(r->media[media[i]].rx, &c, got, sink);
		*which = media[i];
		if (verdict == GW_XF_OK)
			memcpy(pk->p, c.p, pk->len = c.len);
		if (verdict != GW_XF_MALFORMED)
			return verdict;
	}
	*which = media[n - 1];
	return r->row->unprotect(r->media[*which].rx, pk, got, sink);
}

bool
receiver_among(struct receiver *r, const size_t *media, size_t n, size_t *which, struct gw_pk *pk, struct gw_sink *sink, int64_t mono_us)
{
	struct gw_rx_got got = { 0 };
	int verdict;

	*which = media[0];
	if (r->counts.accepted == 0) {
		r->counts.waiting++;
		return false;
	}
	verdict = unprotect(r, media, n, which, pk, &got, sink);
	if (verdict == GW_XF_OK && !plausible(r, pk))
		verdict = GW_XF_MALFORMED;
	if (verdict != GW_XF_OK && verdict != GW_XF_HELD)
		return refuse(r, verdict, mono_us);
	if (verdict == GW_XF_HELD && r->row->protection == STKM_IPSEC)	/* which holds RTCP only */
		r->counts.rtcp++;
	else
		took(r, &r->media[*which], &got, mono_us);
	return verdict == GW_XF_OK;
}

bool
receiver_rtcp(struct receiver *r, size_t medium, struct gw_pk *pk, int64_t mono_us)
{
	struct gw_rx_got got = { 0 };
	int verdict;

	if (r->counts.accepted == 0)
		return false;
	verdict = r->row->unprotect_rtcp(r->media[medium].rx, pk, &got);
	if (verdict == GW_XF_OK) {
		r->counts.rtcp++;
		return true;
	}
	if (!tunes_in(r, verdict, mono_us) && !(verdict == GW_XF_NO_KEY && rtcp_is_whole(pk->p, pk->len)))
		r->counts.rtcp_bad++;
	return false;
}

void
receiver_add(struct receiver_counts *sum, const struct receiver_counts *c)
{
	sum->packets += c->packets;
	sum->clear += c->clear;
	sum->lost += c->lost;
	sum->reordered += c->reordered;
	sum->undecryptable += c->undecryptable;
	sum->unknown_key += c->unknown_key;
	sum->bad_tag += c->bad_tag;
	sum->waiting += c->waiting;
	sum->repeated += c->repeated;
	sum->rtcp += c->rtcp;
	sum->rtcp_bad += c->rtcp_bad;
	sum->crypto_periods += c->crypto_periods;
	sum->stkm += c->stkm;
	sum->accepted += c->accepted;
	sum->repeats += c->repeats;
	for (size_t k = 0; k < RECEIVER_REASONS; k++)
		sum->refused[k] += c->refused[k];
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

	for (size_t k = 0; k < KEYS; k++)
		n += r->held[k].id.len != 0;
	return n;
}
