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
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "lib/secret.h"
#include "lib/transform.h"
#include "proto/au.h"
#include "proto/rtp.h"

enum {
	TEK = 16, SALT = 8, TAK = 20, TAG = 10, ROC = 4, NAME = 8,
	KEYS = 8,			/* that a receiver holds; whose BSO a sender remembers */
	SOURCES = 16,			/* SSRCs at a time */
	AUS = 128,			/* access units in a packet */
	CLEAR_MTU = 1400,		/* of what a receiver sends on */
	DATAGRAM = 65507,
	RESERVE = 1 << 20,		/* octets of BSO written to the marks ahead of their use */
	LATE = 512,			/* sequence numbers behind: late, not restarted */
	WINDOW = 64,
	FIRST_TRIES = 256, MORE_TRIES = 16, LOST_AFTER = 16,	/* ROCs tried with a source's first packet, with later ones; failures until it is sought anew */
	AAC_MOST = 1 << 13,		/* AU-size has 13 bits */
	H264_MOST = 4 << 20,		/* octets of an access unit */
};
#define BSO_END (UINT64_C(1) << 32)	/* an IV has 4 octets */

/* ---- keys ---- */

struct gw_xkey {
	struct gw_aes aes;
	struct gw_hmac mac;
	struct gw_secret block;		/* the memory this lies in */
	uint8_t salt[SALT], id[2], name[NAME];
	size_t id_len;
	bool authenticated;
	uint64_t since;			/* receiver: when it came, by count */
};

static void
key_free(struct gw_xkey *k)
{
	struct gw_secret block;

	if (!k)
		return;
	block = k->block;
	gw_secret_free(&block);
}

static struct gw_xkey *
key_make(const struct gw_material *m, bool authenticated, struct gw_err *err)
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
	k->authenticated = authenticated;
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

static unsigned
counter(const struct gw_xkey *k, uint64_t bso, uint8_t iv[GW_AES_BLOCK])
{
	memcpy(iv, k->salt, SALT);
	for (int i = 0; i < 8; i++)
		iv[SALT + i] = (uint8_t)(bso / GW_AES_BLOCK >> (56 - 8 * i));
	return (unsigned)(bso % GW_AES_BLOCK);
}

static void
encrypt(struct gw_burst *b, const struct gw_xkey *k, uint64_t bso, uint8_t *p, size_t len)
{
	uint8_t iv[GW_AES_BLOCK];
	unsigned skip = counter(k, bso, iv);

	gw_burst_ctr(b, &k->aes, iv, skip, p, len);
}

static void
decrypt(const struct gw_xkey *k, uint64_t bso, uint8_t *p, size_t len)
{
	uint8_t iv[GW_AES_BLOCK];
	unsigned skip = counter(k, bso, iv);

	gw_ctr_once(&k->aes, iv, skip, p, len);
}

static struct au_params
params_of(enum gw_media_type type, size_t id_len)
{
	return au_ismacryp(type == GW_MEDIA_AAC ? &au_aac_hbr : &au_avc_video, (uint8_t)id_len);
}

/* ---- packets ---- */

static void
put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

static void
put_header(uint8_t *p, bool marker, uint8_t payload_type, uint16_t seq, uint32_t timestamp, uint32_t ssrc)
{
	p[0] = 0x80;
	p[1] = (uint8_t)(marker << 7 | payload_type);
	put16(p + 2, seq);
	put32(p + 4, timestamp);
	put32(p + 8, ssrc);
}

/* The header of a packet that was changed where it lies: what padding there was is gone. */
static void
renew_header(uint8_t *p, bool marker, uint8_t payload_type)
{
	p[0] &= 0xdf;
	p[1] = (uint8_t)(marker << 7 | payload_type);
}

/* The 48-bit number nearest to highest that ends in seq. */
static uint64_t
nearest(uint64_t highest, uint16_t seq)
{
	int64_t index = (int64_t)highest + (int16_t)(uint16_t)(seq - (uint16_t)highest);

	return (uint64_t)(index < 0 ? index + 0x10000 : index);
}

/* ---- putting access units together ---- */

/*
 * Packets come in order or their access unit is lost. A packet a little behind is late; two of them in a row are a source that began
 * anew. After a gap nothing is known until the next boundary: a marker, or a change of the time stamp between neighbours.
 */
enum state { IDLE, OPEN, BROKEN };
struct assembly {
	bool known, late;
	uint32_t ssrc, timestamp;	/* of the access unit at hand */
	uint16_t expect, late_next;
	enum state state;
};
enum { STEP_ADD, STEP_BEGIN, STEP_END_AND_BEGIN, STEP_DROP };

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

/* What to do with a packet; for STEP_DROP *v says why. */
static int
step(struct assembly *a, const struct rtp *r, bool may_begin, int *v)
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

/* ---- sender ---- */

/* What outlives the process: how far each of the last keys' BSO may have been used, and the sources' indices (ROC and sequence number). */
struct spent { uint8_t name[NAME]; uint64_t reserved; };
struct source { uint64_t index; uint32_t ssrc, used; };
struct marks {
	struct spent key[KEYS];
	struct source source[SOURCES];
	uint32_t next_key, next_source;	/* whose place goes to a new one */
};
struct gw_tx {
	struct marks *marks;
	bool authenticated;
	struct gw_xkey *key;
	struct spent *spent;		/* of that key */
	uint64_t bso;
	uint32_t live;			/* sources that have sent under this key, by bit */
};
struct gw_tx_medium {
	struct gw_tx *tx;
	enum gw_media_type type;
	uint8_t payload_type;
	size_t mtu;
	struct assembly a;
	struct h264_au au;		/* AAC: the fragments so far, as mere octets */
	struct au aus[AUS];		/* of the packet at hand */
	struct au whole;		/* AAC: the header that all fragments repeat */
	uint16_t first, count;		/* AAC: fragments; H.264: sequence number of its first packet */
};

static size_t
marks_len(const struct gw_tx_conf *c)
{
	(void)c;
	return sizeof(struct marks);
}

static struct gw_tx *
tx_new(const struct gw_tx_conf *c, struct gw_err *err)
{
	struct gw_tx *tx = calloc(1, sizeof(*tx));

	if (!tx) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	tx->marks = c->marks;
	tx->authenticated = c->authenticated;
	return tx;
}

static void
tx_free(struct gw_tx *tx)
{
	free(tx);
}

static void
medium_free(struct gw_tx_medium *m)
{
	if (!m)
		return;
	free(m->au.p);
	free(m);
}

static struct gw_tx_medium *
medium_new(struct gw_tx *tx, const struct gw_tx_medium_conf *c, struct gw_err *err)
{
	struct gw_tx_medium *m;

	if (c->type != GW_MEDIA_H264 && c->type != GW_MEDIA_AAC) {
		gw_fail(err, GW_ECONF, "ISMACryp works on access units of H.264 or AAC");
		return NULL;
	}
	if (c->mtu < 256) {
		gw_fail(err, GW_ECONF, "an MTU of %zu octets; 256 are the least", c->mtu);
		return NULL;
	}
	if (!(m = calloc(1, sizeof(*m))) ||
	    !(m->au.p = malloc(m->au.cap = c->type == GW_MEDIA_AAC ? (size_t)AAC_MOST : (size_t)H264_MOST))) {
		free(m);
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	m->tx = tx;
	m->type = c->type;
	m->payload_type = c->payload_type;
	m->mtu = c->mtu < DATAGRAM ? c->mtu : DATAGRAM;
	return m;
}

static struct gw_xkey *
key_new(const struct gw_tx *tx, const struct gw_material *m, struct gw_err *err)
{
	return key_make(m, tx->authenticated, err);
}

static struct gw_xkey *
use(struct gw_tx *tx, struct gw_xkey *k)
{
	struct gw_xkey *before = tx->key;
	struct spent *s = NULL;

	tx->key = k;
	tx->live = 0;
	if (!k)
		return before;
	for (size_t i = 0; i < KEYS && !s; i++)
		if (memcmp(tx->marks->key[i].name, k->name, NAME) == 0)
			s = &tx->marks->key[i];
	if (s) {
		tx->bso = s->reserved;
	} else {	/* a process that dies in between leaves the new name with the old number: too much, never too little */
		s = &tx->marks->key[tx->marks->next_key++ % KEYS];
		memcpy(s->name, k->name, NAME);
		atomic_signal_fence(memory_order_seq_cst);
		s->reserved = 0;
		tx->bso = 0;
	}
	tx->spent = s;
	return before;
}

/* len octets of key stream that nobody had and nobody will have. */
static int
take(struct gw_tx *tx, size_t len, uint64_t *bso)
{
	uint64_t end = tx->bso + len;

	if (end > BSO_END)
		return GW_XF_EXHAUSTED;
	if (end > tx->spent->reserved) {
		tx->spent->reserved = end + RESERVE < BSO_END ? end + RESERVE : BSO_END;
		atomic_signal_fence(memory_order_seq_cst);
	}
	*bso = tx->bso;
	tx->bso = end;
	return GW_XF_OK;
}

/* The source's place; a new one begins at seq. */
static struct source *
source_of(struct gw_tx *tx, uint32_t ssrc, uint16_t seq, bool *fresh)
{
	struct source *s = tx->marks->source;
	size_t i;

	for (i = 0; i < SOURCES; i++)
		if (s[i].used && s[i].ssrc == ssrc)
			break;
	if ((*fresh = i == SOURCES)) {
		i = tx->marks->next_source++ % SOURCES;
		s[i] = (struct source){ .ssrc = ssrc, .used = 1, .index = seq };
	}
	tx->live |= UINT32_C(1) << i;
	return &s[i];
}

static size_t
sources(const struct gw_tx *tx, struct gw_source *out, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < SOURCES; i++)
		if (tx->live >> i & 1) {
			if (count < n)
				out[count] = (struct gw_source){ tx->marks->source[i].ssrc, (uint32_t)(tx->marks->source[i].index >> 16) };
			count++;
		}
	return count;
}

/* Behind the cipher: the tag, if there is one. Octets that it adds. */
static size_t
finish(const struct gw_tx *tx, struct gw_burst *b, uint8_t *p, size_t len, uint64_t index)
{
	if (!tx->authenticated)
		return 0;
	put32(p + len, (uint32_t)(index >> 16));	/* hashed, then overwritten by the tag */
	gw_burst_mac(b, &tx->key->mac, p, len + ROC, p + len, TAG, NULL, NULL, 0);
	return TAG;
}

/* One packet of an access unit: header and section, then n octets of it from p on. */
struct piece { bool marker; uint16_t seq; uint32_t timestamp, ssrc; uint64_t index; };
static int
put_piece(struct gw_tx_medium *m, const struct piece *w, const struct au *head, const uint8_t *p, size_t n, struct gw_burst *b, struct gw_sink *sink)
{
	struct au_params params = params_of(m->type, m->tx->key->id_len);
	struct gw_pk *pk = sink->slot(sink->self);
	size_t at;

	if (!pk)
		return GW_XF_FAILED;
	put_header(pk->p, w->marker, m->payload_type, w->seq, w->timestamp, w->ssrc);
	at = RTP_HEADER + au_write(&params, head, 1, pk->p + RTP_HEADER, AU_SECTION);
	memcpy(pk->p + at, p, n);
	encrypt(b, m->tx->key, head->iv, pk->p + at, n);
	pk->len = at + n;
	pk->len += finish(m->tx, b, pk->p, pk->len, w->index);
	return GW_XF_HELD;
}

static void
name_key(struct au *head, const struct gw_xkey *k)
{
	head->encrypted = true;
	memcpy(head->key, k->id, k->id_len);
}

/* The access unit is whole: it goes out under the key in force now. GW_XF_HELD, or what kept it (or a part of it) from that. */
static int
send_h264(struct gw_tx_medium *m, struct gw_burst *b, struct gw_sink *sink)
{
	struct gw_tx *tx = m->tx;
	struct au head = { .rap = m->au.idr };
	int v = GW_XF_HELD, w;
	uint64_t bso;
	bool fresh;

	if (!tx->key)
		return GW_XF_NO_KEY;
	if (!h264_complete(&m->au))
		return GW_XF_INCOMPLETE;
	if ((w = take(tx, m->au.len, &bso)) != GW_XF_OK)
		return w;
	struct source *s = source_of(tx, m->a.ssrc, m->first, &fresh);
	struct au_params params = params_of(m->type, tx->key->id_len);
	size_t most = m->mtu - RTP_HEADER - au_section_len(&params) - (tx->authenticated ? TAG : 0);
	name_key(&head, tx->key);
	for (size_t at = 0, n; at < m->au.len; at += n) {
		n = m->au.len - at < most ? m->au.len - at : most;
		if (fresh)
			fresh = false;
		else
			s->index++;
		head.iv = bso + at;
		struct piece piece = { at + n == m->au.len, (uint16_t)s->index, m->a.timestamp, m->a.ssrc, s->index };
		if ((w = put_piece(m, &piece, &head, m->au.p + at, n, b, sink)) != GW_XF_HELD)
			v = w;	/* its number is spent, so that receivers see the gap */
	}
	return v;
}

static int
protect_h264(struct gw_tx_medium *m, const struct rtp *r, const uint8_t *payload, struct gw_burst *b, struct gw_sink *sink)
{
	static const int verdicts[] = { [H264_OK] = GW_XF_HELD, [H264_MALFORMED] = GW_XF_MALFORMED, [H264_TOO_LONG] = GW_XF_TOO_LONG };
	uint32_t timestamp = m->a.timestamp;
	int v, ended = GW_XF_HELD, s = step(&m->a, r, h264_may_begin(payload, r->payload_len), &v);

	if (s == STEP_DROP)
		return v;
	if (s == STEP_END_AND_BEGIN) {	/* of the one before */
		m->a.timestamp = timestamp;
		ended = send_h264(m, b, sink);
		m->a.timestamp = r->timestamp;
	}
	if (s != STEP_ADD) {
		h264_au_reset(&m->au);
		m->first = r->seq;
	}
	v = verdicts[h264_add(&m->au, payload, r->payload_len)];
	if (v != GW_XF_HELD)
		m->a.state = r->marker ? IDLE : BROKEN;
	else if (r->marker) {
		v = send_h264(m, b, sink);
		m->a.state = IDLE;
	}
	return v == GW_XF_HELD ? ended : v;
}

/* The index of a packet that keeps its number. */
static uint64_t
index_of(struct gw_tx *tx, uint32_t ssrc, uint16_t seq)
{
	bool fresh;
	struct source *s = source_of(tx, ssrc, seq, &fresh);
	uint64_t index = nearest(s->index, seq);

	if (index > s->index)
		s->index = index;
	return index;
}

/* All fragments of an AAC access unit are here: as many go out, with their numbers. */
static int
send_fragments(struct gw_tx_medium *m, struct gw_burst *b, struct gw_sink *sink)
{
	struct gw_tx *tx = m->tx;
	struct au_params params = params_of(m->type, tx->key->id_len);
	size_t each = (m->au.len + m->count - 1) / m->count;
	int v = GW_XF_HELD, w;
	uint64_t bso;

	if (RTP_HEADER + au_section_len(&params) + each + TAG > m->mtu + GW_XF_TAIL)	/* what a slot has */
		return GW_XF_TOO_LONG;
	if ((w = take(tx, m->au.len, &bso)) != GW_XF_OK)
		return w;
	name_key(&m->whole, tx->key);
	for (size_t i = 0; i < m->count; i++) {
		size_t at = m->au.len * i / m->count, n = m->au.len * (i + 1) / m->count - at;
		struct piece piece = { i + 1u == m->count, (uint16_t)(m->first + i), m->a.timestamp, m->a.ssrc, 0 };
		piece.index = index_of(tx, m->a.ssrc, piece.seq);
		m->whole.iv = bso + at;
		if ((w = put_piece(m, &piece, &m->whole, m->au.p + at, n, b, sink)) != GW_XF_HELD)
			v = w;
	}
	return v;
}

/* One fragment. Fragments of one access unit are neighbours, of one time stamp and stated size. */
static int
hold_fragment(struct gw_tx_medium *m, const struct rtp *r, const struct au *a, struct gw_burst *b, struct gw_sink *sink)
{
	bool more = m->a.state == OPEN && m->a.ssrc == r->ssrc && m->a.expect == r->seq && m->a.timestamp == r->timestamp &&
	    m->whole.size == a->size;

	if (!more) {
		m->a = (struct assembly){ .state = OPEN, .ssrc = r->ssrc, .timestamp = r->timestamp };
		m->au.len = m->count = 0;
		m->first = r->seq;
		m->whole = *a;
	}
	m->a.expect = (uint16_t)(r->seq + 1);
	if (m->au.len + a->len > m->whole.size) {
		m->a.state = IDLE;
		return GW_XF_INCOMPLETE;
	}
	memcpy(m->au.p + m->au.len, a->p, a->len);
	m->au.len += a->len;
	m->count++;
	if (m->au.len == m->whole.size) {
		m->a.state = IDLE;
		return send_fragments(m, b, sink);
	}
	if (!r->marker)
		return GW_XF_HELD;
	m->a.state = IDLE;
	return GW_XF_INCOMPLETE;
}

/* The access units of a packet into list; their number, or 0: malformed. */
static size_t
read_all(const struct au_params *params, const uint8_t *payload, size_t len, struct au list[AUS], size_t *section)
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

static int
protect_aac(struct gw_tx_medium *m, const struct rtp *r, struct gw_pk *pk, struct gw_burst *b, struct gw_sink *sink)
{
	struct gw_tx *tx = m->tx;
	size_t section, n = read_all(&au_aac_hbr, pk->p + r->header_len, r->payload_len, m->aus, &section);
	uint64_t bso;
	int v;

	if (n == 0)
		return GW_XF_MALFORMED;
	if (!tx->key)
		return GW_XF_NO_KEY;
	if (m->aus[0].len < m->aus[0].size)
		return hold_fragment(m, r, &m->aus[0], b, sink);
	m->a.state = IDLE;
	size_t data = r->payload_len - section, grow = 4 + tx->key->id_len;
	if (r->header_len + section + grow + data + TAG > DATAGRAM)
		return GW_XF_TOO_LONG;
	if ((v = take(tx, data, &bso)) != GW_XF_OK)
		return v;
	struct au_params params = params_of(m->type, tx->key->id_len);
	m->aus[0].iv = bso;
	name_key(&m->aus[0], tx->key);
	memmove(pk->p - grow, pk->p, r->header_len);
	pk->p -= grow;
	renew_header(pk->p, r->marker, m->payload_type);
	if (au_write(&params, m->aus, n, pk->p + r->header_len, section + grow) != section + grow)
		return GW_XF_FAILED;
	pk->len = r->header_len + section + grow + data;
	encrypt(b, tx->key, bso, pk->p + r->header_len + section + grow, data);
	if (tx->authenticated)
		pk->len += finish(tx, b, pk->p, pk->len, index_of(tx, r->ssrc, r->seq));
	return GW_XF_OK;
}

static int
protect(struct gw_tx *tx, struct gw_tx_medium *m, struct gw_pk *pk, struct gw_burst *b, struct gw_sink *sink)
{
	struct rtp r;

	(void)tx;
	if (rtp_parse(pk->p, pk->len, &r) < 0)
		return GW_XF_NOT_RTP;
	if (r.payload_type == m->payload_type)	/* in clear it could not be told from what is protected */
		return GW_XF_MALFORMED;
	if (m->type == GW_MEDIA_AAC)
		return protect_aac(m, &r, pk, b, sink);
	return protect_h264(m, &r, pk->p + r.header_len, b, sink);
}

/* ---- receiver ---- */

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

static void
rx_free(struct gw_rx *rx)
{
	if (!rx)
		return;
	for (size_t i = 0; i < KEYS; i++)
		key_free(rx->key[i]);
	free(rx->au);
	free(rx);
}

static struct gw_rx *
rx_new(const struct gw_rx_conf *c, struct gw_err *err)
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

static int
rx_key(struct gw_rx *rx, const struct gw_material *m, struct gw_err *err)
{
	struct gw_xkey *k = key_make(m, rx->conf.authenticated, err);
	size_t slot;

	if (!k)
		return -1;
	slot = rx_find(rx, k->id, k->id_len);
	if (slot < KEYS && same_key(rx->key[slot], k)) {
		key_free(k);
		return 0;
	}
	if (slot == KEYS)
		slot = rx_room(rx);
	key_free(rx->key[slot]);
	k->since = ++rx->keys;
	rx->key[slot] = k;
	for (size_t i = 0; i < SOURCES; i++) {	/* another chance from the beginning: the key may have been what was wrong */
		rx->source[i].tried = false;
		rx->source[i].roc = 0;
	}
	return 0;
}

static void
rx_drop(struct gw_rx *rx, const uint8_t *id, size_t id_len)
{
	size_t slot = rx_find(rx, id, id_len);

	if (slot < KEYS) {
		key_free(rx->key[slot]);
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
	put32(p + len, (uint32_t)(index >> 16));
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

	*index = s->known ? nearest(s->highest, seq) : seq;
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
	renew_header(pk->p, r->marker, rx->conf.payload_type);
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
		put_header(pk->p, h264_ended(&s), rx->conf.payload_type, rx->seq++, rx->a.timestamp, rx->a.ssrc);
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
	s = step(&rx->a, r, a->len > H264_LENGTH && h264_may_begin(p + H264_LENGTH, a->len - H264_LENGTH), &v);
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

static int
unprotect(struct gw_rx *rx, struct gw_pk *pk, struct gw_rx_got *got, struct gw_sink *sink)
{
	size_t section, n, slot, id_len = rx_id_len(rx), tag = rx->conf.authenticated ? TAG : 0;
	struct au_params params = params_of(rx->conf.type, id_len);
	struct rtp r;
	int v;

	*got = (struct gw_rx_got){ .id_len = 0 };
	if (pk->len < RTP_HEADER + tag || rtp_parse(pk->p, pk->len - tag, &r) < 0)
		return GW_XF_NOT_RTP;
	if (id_len == 0)
		return GW_XF_NO_KEY;
	if ((n = read_all(&params, pk->p + r.header_len, r.payload_len, rx->aus, &section)) == 0)
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

static bool
in_clear(const struct gw_rx *rx, const struct gw_pk *pk)
{
	struct rtp r;

	return rtp_parse(pk->p, pk->len, &r) == 0 && r.payload_type == rx->conf.payload_type;
}

/* ---- self test ---- */

/* Example C of this project's worked messages: an access unit at BSO 0x123. */
static int
self_test(struct gw_err *err)
{
	static const uint8_t tek[TEK] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10 };
	static const uint8_t salt[SALT] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 };
	static const uint8_t want[] = {
		0x2b, 0xfb, 0xbc, 0xf1, 0x04, 0x80, 0xcb, 0x50, 0x0b, 0xd9, 0x35, 0x25, 0x85, 0x41, 0x97, 0xce, 0xf7, 0x64, 0xca, 0xa4,
		0xc7, 0x88, 0x90, 0xb5, 0x54, 0xb5, 0x84, 0x55, 0x94, 0x74, 0x83, 0x1c, 0xbb, 0x2d, 0x8a, 0x2a, 0xc5, 0x9a, 0xcc, 0x4a };
	uint8_t unit[sizeof(want) + 1] = "This is one access unit, 40 octets long.";
	struct gw_material m = { .id = { 5 }, .id_len = 1, .tek = tek, .salt = salt };
	struct gw_xkey *k = key_make(&m, false, err);

	if (!k)
		return -1;
	decrypt(k, 0x123, unit, sizeof(want));
	key_free(k);
	return memcmp(unit, want, sizeof(want)) == 0 ? 0 : gw_fail(err, GW_ECRYPTO, "the worked example does not come out");
}

const struct gw_transform gw_transform_ismacryp = {
	.name = "ismacryp", .protection = 2, .tek = TEK, .salt = SALT, .id_min = 1, .id_max = 2, .authenticates = true,
	.overhead = 4 + 2 + TAG, .marks_len = marks_len, .tx_new = tx_new, .tx_free = tx_free, .medium_new = medium_new,
	.medium_free = medium_free, .key_new = key_new, .key_free = key_free, .use = use, .protect = protect, .sources = sources,
	.rx_new = rx_new, .rx_free = rx_free, .rx_key = rx_key, .rx_drop = rx_drop, .unprotect = unprotect, .in_clear = in_clear,
	.self_test = self_test,
};
