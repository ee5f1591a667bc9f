/* lib/srtp.c: SRTP with MKI. One libsrtp2 session per key and source: a new key is made ready without touching the one in use. */
#include "lib/srtp.h"
#include <srtp2/srtp.h>
#include <stdlib.h>
#include <string.h>
#include "lib/secret.h"

enum { WINDOW = 64, MEDIAN = 1 << 15, TAG = 10, MASTER = GW_SRTP_KEY + GW_SRTP_SALT };

static const char *const verdicts[GW_SRTP_VERDICTS] = {
	[GW_SRTP_OK] = "ok", [GW_SRTP_NOT_RTP] = "not_rtp", [GW_SRTP_NO_KEY] = "no_key", [GW_SRTP_REPEAT] = "repeat",
	[GW_SRTP_OLD] = "restart", [GW_SRTP_FULL] = "too_many_sources",
	[GW_SRTP_TAKEN] = "ssrc_taken", [GW_SRTP_FORGED] = "authentication", [GW_SRTP_FAILED] = "failed",
};

const char *
gw_srtp_verdict_name(int v)
{
	return v >= 0 && v < GW_SRTP_VERDICTS ? verdicts[v] : "unknown";
}

int
gw_srtp_init(struct gw_err *err)
{
	srtp_err_status_t s = srtp_init();

	return s ? gw_fail(err, GW_ECRYPTO, "libsrtp2 does not start (its status %d)", (int)s) : 0;
}

void
gw_srtp_fini(void)
{
	srtp_shutdown();
}

/* The header as far as we need it. */
static bool
rtp_read(const uint8_t *p, size_t len, uint32_t *ssrc, uint16_t *seq)
{
	if (len < 12 || p[0] >> 6 != 2)
		return false;
	*seq = (uint16_t)(p[2] << 8 | p[3]);
	*ssrc = (uint32_t)p[8] << 24 | (uint32_t)p[9] << 16 | (uint32_t)p[10] << 8 | p[11];
	return true;
}

/* ---- indices ---- */

/* RFC 3711 3.3.1 and appendix A; libsrtp2 does the same, so a receiver's guess is this one. */
static uint64_t
guess(uint64_t highest, uint16_t seq)
{
	uint64_t index = (highest & ~UINT64_C(0xffff)) | seq;

	if (highest <= MEDIAN)
		return seq;
	if (index > highest && index - highest > MEDIAN)
		return index - 0x10000;
	if (index < highest && highest - index > MEDIAN)
		return index + 0x10000;
	return index;
}

static int
classify(const struct gw_srtp_mark *m, uint64_t index)
{
	if (!m->used || index > m->highest)
		return GW_SRTP_OK;
	if (m->highest - index >= WINDOW)
		return GW_SRTP_OLD;
	return m->window >> (m->highest - index) & 1 ? GW_SRTP_REPEAT : GW_SRTP_OK;
}

static void
spend(struct gw_srtp_mark *m, uint64_t index)
{
	if (!m->used || index > m->highest) {
		uint64_t shift = m->used ? index - m->highest : WINDOW;
		m->window = shift < WINDOW ? m->window << shift | 1 : 1;
		m->highest = index;
		m->used = 1;
	} else {
		m->window |= UINT64_C(1) << (m->highest - index);
	}
}

/* ---- keys and sessions ---- */

struct key {
	uint8_t mki[GW_SRTP_MKI]; size_t mki_len;
	struct gw_secret master;	/* master key, then salt */
	bool authenticated;
	uint8_t name[8];		/* of gw_fingerprint */
	uint64_t since;			/* receiver: when it came, by count */
};
struct session { srtp_t ctx; uint64_t at; };	/* at: highest index it has worked on */

static void
key_free(struct key *k)
{
	gw_secret_free(&k->master);
	memset(k, 0, sizeof(*k));
}

static int
key_set(struct key *k, const struct gw_srtp_key *from, struct gw_err *err)
{
	char fp[17];

	if (from->mki_len < 1 || from->mki_len > GW_SRTP_MKI)
		return gw_fail(err, GW_ECRYPTO, "an MKI of %zu octets; 1 to %d are possible", from->mki_len, GW_SRTP_MKI);
	key_free(k);
	if (gw_secret_new(&k->master, MASTER) < 0)
		return gw_fail(err, GW_ECRYPTO, "no locked memory left for an SRTP key");
	memcpy(k->master.p, from->key, GW_SRTP_KEY);
	memcpy(k->master.p + GW_SRTP_KEY, from->salt, GW_SRTP_SALT);
	memcpy(k->mki, from->mki, from->mki_len);
	k->mki_len = from->mki_len;
	k->authenticated = from->authenticated;
	gw_fingerprint(k->master.p, MASTER, fp);
	memcpy(k->name, fp, sizeof(k->name));
	return 0;
}

static bool
key_same(const struct key *k, const struct gw_srtp_key *o)
{
	uint8_t master[MASTER];
	bool same;

	memcpy(master, o->key, GW_SRTP_KEY);
	memcpy(master + GW_SRTP_KEY, o->salt, GW_SRTP_SALT);
	same = k->authenticated == o->authenticated && gw_secret_equal(&k->master, master, MASTER);
	gw_cleanse(master, sizeof(master));
	return same;
}

static void
session_close(struct session *s)
{
	if (s->ctx)
		srtp_dealloc(s->ctx);
	*s = (struct session){ 0 };
}

static srtp_err_status_t
session_open(struct session *s, struct key *k, uint32_t ssrc)
{
	srtp_master_key_t master = { .key = k->master.p, .mki_id = k->mki, .mki_size = (unsigned)k->mki_len };
	srtp_master_key_t *keys = &master;
	srtp_policy_t policy = { .ssrc = { ssrc_specific, ssrc }, .keys = &keys, .num_master_keys = 1, .window_size = WINDOW };

	if (k->authenticated)
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
	else
		srtp_crypto_policy_set_aes_cm_128_null_auth(&policy.rtp);
	srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
	s->at = 0;
	return srtp_create(&s->ctx, &policy);
}

/*
 * libsrtp2 makes its own guess of the index; where that is not ours, we say the ROC. It heeds it only when the index lies more
 * than 2^15 ahead (else it keeps it for later packets), so nothing else may be asked for: false.
 */
static bool
session_aim(struct session *s, uint32_t ssrc, uint64_t index)
{
	if (guess(s->at, (uint16_t)index) == index)
		return true;
	return index > s->at + MEDIAN && srtp_set_stream_roc(s->ctx, ssrc, (uint32_t)(index >> 16)) == srtp_err_status_ok;
}

/* ---- sender ---- */

enum { NOW, NEXT };
struct tx_source {
	struct session s[2];	/* NOW, NEXT */
	bool live;		/* sent under the key in force… */
	uint32_t input;		/* …and came from here */
	bool inherited;		/* its mark is of an earlier process */
	bool jumped;		/* the last packet lay outside the window… */
	uint16_t follows;	/* …and this would follow it */
};
struct gw_srtp_tx {
	struct gw_srtp_mark *marks; struct tx_source *sources; size_t n;
	struct key key[2];
	size_t last;		/* found last time: most media have one source */
};

struct gw_srtp_tx *
gw_srtp_tx_new(struct gw_srtp_mark *marks, size_t n)
{
	struct gw_srtp_tx *tx = calloc(1, sizeof(*tx));

	if (!tx || !(tx->sources = calloc(n, sizeof(*tx->sources)))) {
		free(tx);
		return NULL;
	}
	tx->marks = marks;
	tx->n = n;
	for (size_t i = 0; i < n; i++)
		tx->sources[i].inherited = marks[i].used;
	return tx;
}

static void
tx_clear(struct gw_srtp_tx *tx, int which)
{
	for (size_t i = 0; i < tx->n; i++)
		session_close(&tx->sources[i].s[which]);
	key_free(&tx->key[which]);
}

void
gw_srtp_tx_forget(struct gw_srtp_tx *tx)
{
	tx_clear(tx, NOW);
	tx_clear(tx, NEXT);
	for (size_t i = 0; i < tx->n; i++)
		tx->sources[i].live = false;
}

void
gw_srtp_tx_free(struct gw_srtp_tx *tx)
{
	if (!tx)
		return;
	gw_srtp_tx_forget(tx);
	free(tx->sources);
	free(tx);
}

int
gw_srtp_tx_prepare(struct gw_srtp_tx *tx, const struct gw_srtp_key *key, struct gw_err *err)
{
	srtp_err_status_t st;

	tx_clear(tx, NEXT);
	if (key_set(&tx->key[NEXT], key, err) < 0)
		return -1;
	for (size_t i = 0; i < tx->n; i++)
		if (tx->sources[i].s[NOW].ctx && (st = session_open(&tx->sources[i].s[NEXT], &tx->key[NEXT], tx->marks[i].ssrc)) != 0) {
			tx_clear(tx, NEXT);
			return gw_fail(err, GW_ECRYPTO, "libsrtp2 does not take the key (its status %d)", (int)st);
		}
	return 0;
}

void
gw_srtp_tx_switch(struct gw_srtp_tx *tx)
{
	if (!tx->key[NEXT].master.p)
		return;
	tx_clear(tx, NOW);
	tx->key[NOW] = tx->key[NEXT];
	tx->key[NEXT] = (struct key){ 0 };
	for (size_t i = 0; i < tx->n; i++) {
		struct tx_source *s = &tx->sources[i];
		if (!s->live)	/* quiet for a whole period: made ready again when it speaks */
			session_close(&s->s[NEXT]);
		s->s[NOW] = s->s[NEXT];
		s->s[NEXT] = (struct session){ 0 };
		s->live = false;
	}
}

/* The source's place; a place is taken from a source only if that has sent nothing under this key. n: the table is full. */
static size_t
tx_find(struct gw_srtp_tx *tx, uint32_t ssrc)
{
	size_t i, room = tx->n;

	if (tx->last < tx->n && tx->marks[tx->last].used && tx->marks[tx->last].ssrc == ssrc)
		return tx->last;
	for (i = 0; i < tx->n; i++) {
		const struct gw_srtp_mark *m = &tx->marks[i];
		if (m->used && m->ssrc == ssrc)
			return tx->last = i;
		if (!m->used ? room == tx->n || tx->marks[room].used :
		    room == tx->n && memcmp(m->key, tx->key[NOW].name, sizeof(m->key)) != 0)
			room = i;
	}
	if (room == tx->n)
		return tx->n;
	session_close(&tx->sources[room].s[NOW]);
	session_close(&tx->sources[room].s[NEXT]);
	tx->sources[room] = (struct tx_source){ 0 };
	tx->marks[room] = (struct gw_srtp_mark){ .ssrc = ssrc };
	return tx->last = room;
}

/* The index of the source's next packet, or the verdict that drops it. */
static int
tx_index(struct tx_source *s, struct gw_srtp_mark *m, const struct key *k, uint16_t seq, uint64_t *index)
{
	int v;

	*index = m->used ? guess(m->highest, seq) : seq;
	v = classify(m, *index);
	if (v == GW_SRTP_OK || v == GW_SRTP_REPEAT) {
		s->jumped = false;
		return v;
	}
	/* What an earlier process sent under another key spends nothing of this one: begin like a new source. */
	if (s->inherited && !s->live && memcmp(m->key, k->name, sizeof(m->key)) != 0) {
		*m = (struct gw_srtp_mark){ .ssrc = m->ssrc };
		*index = seq;
		return GW_SRTP_OK;
	}
	if (!s->jumped || s->follows != seq) {
		s->jumped = true;
		s->follows = (uint16_t)(seq + 1);
		return v;
	}
	s->jumped = false;
	while (*index <= m->highest + MEDIAN)
		*index += 0x10000;
	return GW_SRTP_OK;
}

int
gw_srtp_protect(struct gw_srtp_tx *tx, uint32_t input, uint8_t *p, size_t *len)
{
	struct key *k = &tx->key[NOW];
	int v, n = (int)*len;
	uint64_t index;
	uint32_t ssrc;
	uint16_t seq;
	size_t i;

	if (!rtp_read(p, *len, &ssrc, &seq))
		return GW_SRTP_NOT_RTP;
	if (!k->master.p)
		return GW_SRTP_NO_KEY;
	if ((i = tx_find(tx, ssrc)) == tx->n)
		return GW_SRTP_FULL;
	struct tx_source *s = &tx->sources[i];
	struct gw_srtp_mark *m = &tx->marks[i];
	if (s->live && s->input != input)
		return GW_SRTP_TAKEN;
	if ((v = tx_index(s, m, k, seq, &index)) != GW_SRTP_OK)
		return v;
	if (!s->s[NOW].ctx && session_open(&s->s[NOW], k, ssrc) != srtp_err_status_ok)
		return GW_SRTP_FAILED;
	if (!session_aim(&s->s[NOW], ssrc, index))
		return GW_SRTP_FAILED;
	if (!s->live) {
		memcpy(m->key, k->name, sizeof(m->key));
		s->live = true;
		s->input = input;
		/* a source that was quiet when the next key was made ready */
		if (tx->key[NEXT].master.p && !s->s[NEXT].ctx && session_open(&s->s[NEXT], &tx->key[NEXT], ssrc) != srtp_err_status_ok)
			session_close(&s->s[NEXT]);
	}
	spend(m, index);	/* before the packet exists: a process that dies in between wastes an index, it uses none twice */
	if (srtp_protect_mki(s->s[NOW].ctx, p, &n, 1, 0) != srtp_err_status_ok)
		return GW_SRTP_FAILED;
	if (index > s->s[NOW].at)
		s->s[NOW].at = index;
	*len = (size_t)n;
	return GW_SRTP_OK;
}

size_t
gw_srtp_tx_sources(const struct gw_srtp_tx *tx, uint32_t *roc)
{
	size_t n = 0;

	*roc = 0;
	for (size_t i = 0; i < tx->n; i++)
		if (tx->sources[i].live) {
			uint32_t r = (uint32_t)(tx->marks[i].highest >> 16);
			n++;
			*roc = r > *roc ? r : *roc;
		}
	return n;
}

/* ---- receiver ---- */

enum {
	FIRST_TRIES = 256,	/* ROCs tried with a source's first packet: 256 × 2^16 packets after the start of the service */
	MORE_TRIES = 16,	/* and with each later one, so that a wrong key does not cost a processor */
	LOST_AFTER = 16,	/* authentication failures in a row after which a source is looked for anew */
};
struct rx_source {
	struct gw_srtp_mark m;
	struct session s[GW_SRTP_KEYS];
	struct tx_source run;		/* of an unauthenticated source: restarts are found as the sender finds them */
	uint32_t roc;			/* next to be tried while nothing was authentic */
	unsigned forged;		/* in a row */
	bool taken, tried;
	uint64_t seen;
};
struct gw_srtp_rx {
	struct key key[GW_SRTP_KEYS];
	struct rx_source source[GW_SRTP_SOURCES];
	uint64_t keys, packets;		/* counts */
};

struct gw_srtp_rx *
gw_srtp_rx_new(void)
{
	return calloc(1, sizeof(struct gw_srtp_rx));
}

static void
rx_clear(struct gw_srtp_rx *rx, size_t slot)
{
	for (size_t i = 0; i < GW_SRTP_SOURCES; i++)
		session_close(&rx->source[i].s[slot]);
	key_free(&rx->key[slot]);
}

void
gw_srtp_rx_free(struct gw_srtp_rx *rx)
{
	if (!rx)
		return;
	for (size_t k = 0; k < GW_SRTP_KEYS; k++)
		rx_clear(rx, k);
	free(rx);
}

static size_t
rx_find_key(const struct gw_srtp_rx *rx, const uint8_t *mki, size_t mki_len)
{
	for (size_t k = 0; k < GW_SRTP_KEYS; k++)
		if (rx->key[k].mki_len == mki_len && memcmp(rx->key[k].mki, mki, mki_len) == 0)
			return k;
	return GW_SRTP_KEYS;
}

int
gw_srtp_rx_key(struct gw_srtp_rx *rx, const struct gw_srtp_key *key, struct gw_err *err)
{
	size_t slot = key->mki_len ? rx_find_key(rx, key->mki, key->mki_len) : GW_SRTP_KEYS;

	if (slot < GW_SRTP_KEYS && key_same(&rx->key[slot], key))
		return 0;
	for (size_t k = 0; slot == GW_SRTP_KEYS && k < GW_SRTP_KEYS; k++)
		if (!rx->key[k].mki_len)
			slot = k;
	if (slot == GW_SRTP_KEYS) {
		slot = 0;
		for (size_t k = 1; k < GW_SRTP_KEYS; k++)
			if (rx->key[k].since < rx->key[slot].since)
				slot = k;
	}
	rx_clear(rx, slot);
	if (key_set(&rx->key[slot], key, err) < 0)
		return -1;
	rx->key[slot].since = ++rx->keys;
	for (size_t i = 0; i < GW_SRTP_SOURCES; i++) {	/* another chance from the beginning: the key may have been what was wrong */
		rx->source[i].tried = false;
		rx->source[i].roc = 0;
	}
	return 0;
}

void
gw_srtp_rx_drop(struct gw_srtp_rx *rx, const uint8_t *mki, size_t mki_len)
{
	size_t k = mki_len ? rx_find_key(rx, mki, mki_len) : GW_SRTP_KEYS;

	if (k < GW_SRTP_KEYS)
		rx_clear(rx, k);
}

/* Where the MKI stands depends on the tag, which the key knows. */
static size_t
rx_key_of(const struct gw_srtp_rx *rx, const uint8_t *p, size_t len)
{
	for (size_t k = 0; k < GW_SRTP_KEYS; k++) {
		const struct key *key = &rx->key[k];
		size_t tail = key->mki_len + (key->authenticated ? TAG : 0);
		if (key->mki_len && len >= 12 + tail && memcmp(p + len - tail, key->mki, key->mki_len) == 0)
			return k;
	}
	return GW_SRTP_KEYS;
}

const uint8_t *
gw_srtp_rx_mki(const struct gw_srtp_rx *rx, const uint8_t *p, size_t len, size_t *mki_len)
{
	size_t k = rx_key_of(rx, p, len);

	if (k == GW_SRTP_KEYS)
		return NULL;
	*mki_len = rx->key[k].mki_len;
	return rx->key[k].mki;
}

/* The source's place, at need that of the one longest quiet. */
static struct rx_source *
rx_find(struct gw_srtp_rx *rx, uint32_t ssrc)
{
	struct rx_source *s, *oldest = &rx->source[0];

	for (size_t i = 0; i < GW_SRTP_SOURCES; i++) {
		s = &rx->source[i];
		if (s->taken && s->m.ssrc == ssrc) {
			s->seen = ++rx->packets;
			return s;
		}
		if (s->seen < oldest->seen)
			oldest = s;
	}
	for (size_t k = 0; k < GW_SRTP_KEYS; k++)
		session_close(&oldest->s[k]);
	*oldest = (struct rx_source){ .m = { .ssrc = ssrc }, .taken = true, .seen = ++rx->packets };
	return oldest;
}

/* One attempt with one index; what fails leaves packet and session as they were. */
static int
rx_try(struct rx_source *s, struct session *ses, uint8_t *p, size_t *len, uint64_t index)
{
	int n = (int)*len;
	srtp_err_status_t st;

	if (!session_aim(ses, s->m.ssrc, index))
		return GW_SRTP_OLD;
	st = srtp_unprotect_mki(ses->ctx, p, &n, 1);
	if (st != srtp_err_status_ok) {
		srtp_set_stream_roc(ses->ctx, s->m.ssrc, 0);	/* none pending */
		return st == srtp_err_status_auth_fail ? GW_SRTP_FORGED : GW_SRTP_FAILED;
	}
	if (index > ses->at)
		ses->at = index;
	spend(&s->m, index);
	s->forged = 0;
	*len = (size_t)n;
	return GW_SRTP_OK;
}

/* Nothing of this source was authentic yet, or no longer is: look for the ROC, upward, and from 0 again. */
static int
rx_search(struct rx_source *s, struct session *ses, uint8_t *p, size_t *len, uint16_t seq, uint64_t *index)
{
	int v = GW_SRTP_FORGED;

	for (int tries = s->tried ? MORE_TRIES : FIRST_TRIES; v == GW_SRTP_FORGED && tries > 0; tries--, s->roc++) {
		*index = (uint64_t)s->roc << 16 | seq;
		v = rx_try(s, ses, p, len, *index);
	}
	s->tried = true;
	s->roc = v == GW_SRTP_FORGED && s->roc <= UINT16_MAX ? s->roc : 0;
	return v;
}

/* A source known: the index as guessed, else as a sender counts on after a restart of its source. */
static int
rx_follow(struct rx_source *s, struct session *ses, uint8_t *p, size_t *len, uint16_t seq, uint64_t *index)
{
	int v;

	*index = guess(s->m.highest, seq);
	if ((v = classify(&s->m, *index)) == GW_SRTP_REPEAT)
		return v;
	if (v == GW_SRTP_OK && (v = rx_try(s, ses, p, len, *index)) != GW_SRTP_FORGED)
		return v;
	for (int step = 0; step < 3; step++) {
		*index += 0x10000;
		if (*index > s->m.highest + MEDIAN && rx_try(s, ses, p, len, *index) == GW_SRTP_OK)
			return GW_SRTP_OK;
	}
	if (++s->forged >= LOST_AFTER) {	/* the sender may have begun at 0 again */
		for (size_t k = 0; k < GW_SRTP_KEYS; k++)
			session_close(&s->s[k]);
		s->m = (struct gw_srtp_mark){ .ssrc = s->m.ssrc };
		s->forged = 0;
		s->roc = 0;
	}
	return v;
}

int
gw_srtp_unprotect(struct gw_srtp_rx *rx, uint8_t *p, size_t *len, uint64_t *index)
{
	struct rx_source *s;
	struct session *ses;
	uint32_t ssrc;
	uint16_t seq;
	size_t k;
	int v;

	if (!rtp_read(p, *len, &ssrc, &seq))
		return GW_SRTP_NOT_RTP;
	if ((k = rx_key_of(rx, p, *len)) == GW_SRTP_KEYS)
		return GW_SRTP_NO_KEY;
	s = rx_find(rx, ssrc);
	ses = &s->s[k];
	if (!ses->ctx && session_open(ses, &rx->key[k], ssrc) != srtp_err_status_ok)
		return GW_SRTP_FAILED;
	if (rx->key[k].authenticated)
		return s->m.used ? rx_follow(s, ses, p, len, seq, index) : rx_search(s, ses, p, len, seq, index);
	if ((v = tx_index(&s->run, &s->m, &rx->key[k], seq, index)) != GW_SRTP_OK)
		return v;
	return rx_try(s, ses, p, len, *index);
}
