/* lib/ismacryp_tx.c: ISMACryp, sender: see ismacryp.c */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "lib/ismacryp_int.h"

enum {
	DATAGRAM = 65507,
	HEADERS_MOST = AUS - 1,		/* in a packet */
	RESERVE = 1 << 20,		/* octets of BSO written to the marks ahead of their use */
};
#define BSO_END (UINT64_C(1) << 32)	/* an IV has 4 octets */

static void
encrypt(struct gw_burst *b, const struct gw_xkey *k, uint64_t bso, uint8_t *p, size_t len)
{
	uint8_t iv[GW_AES_BLOCK];
	unsigned skip = ismacryp_counter(k, bso, iv);

	gw_burst_ctr(b, &k->aes, iv, skip, p, len);
}

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
	struct au whole;		/* AAC: the header that all fragments repeat */
	uint16_t first, count;		/* AAC: fragments; H.264: sequence number of its first packet */
};

size_t
ismacryp_marks_len(const struct gw_tx_conf *c)
{
	(void)c;
	return sizeof(struct marks);
}

struct gw_tx *
ismacryp_tx_new(const struct gw_tx_conf *c, struct gw_err *err)
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

void
ismacryp_tx_free(struct gw_tx *tx)
{
	free(tx);
}

void
ismacryp_medium_free(struct gw_tx_medium *m)
{
	if (!m)
		return;
	free(m->au.p);
	free(m);
}

struct gw_tx_medium *
ismacryp_medium_new(struct gw_tx *tx, const struct gw_tx_medium_conf *c, struct gw_err *err)
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

struct gw_xkey *
ismacryp_key_new(const struct gw_tx *tx, const struct gw_material *m, struct gw_err *err)
{
	return ismacryp_key(m, tx->authenticated, err);
}

struct gw_xkey *
ismacryp_use(struct gw_tx *tx, struct gw_xkey *k)
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

size_t
ismacryp_sources(const struct gw_tx *tx, struct gw_source *out, size_t n)
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
	ismacryp_put32(p + len, (uint32_t)(index >> 16));	/* hashed, then overwritten by the tag */
	gw_burst_mac(b, &tx->key->mac, p, len + ROC, p + len, TAG, NULL, NULL, 0);
	return TAG;
}

/* The section that all packets of an access unit have, but for the IV, which comes first. */
enum { IV_AT = 2, IV_LEN = 4, SECTION_MOST = 16 };
struct section { uint8_t octets[SECTION_MOST]; size_t len; };

static void
put_section(struct section *s, const struct gw_tx_medium *m, struct au *head)
{
	const struct gw_xkey *k = m->tx->key;
	struct au_params params = ismacryp_params(m->type, k->id_len);

	head->encrypted = true;
	memcpy(head->key, k->id, sizeof(k->id));
	s->len = au_write(&params, head, 1, s->octets, sizeof(s->octets));
}

/* One packet of an access unit: header and section, then n octets of it from p on. */
struct piece { bool marker; uint32_t timestamp, ssrc; uint64_t index, bso; const uint8_t *p; size_t n; };
static int
put_piece(struct gw_tx_medium *m, const struct piece *w, const struct section *s, struct gw_burst *b, struct gw_sink *sink)
{
	struct gw_pk *pk = sink->slot(sink->self);
	size_t at = RTP_HEADER + s->len;

	if (!pk)
		return GW_XF_FAILED;
	ismacryp_header(pk->p, w->marker, m->payload_type, (uint16_t)w->index, w->timestamp, w->ssrc);
	memcpy(pk->p + RTP_HEADER, s->octets, SECTION_MOST);
	ismacryp_put32(pk->p + RTP_HEADER + IV_AT, (uint32_t)w->bso);
	memcpy(pk->p + at, w->p, w->n);
	encrypt(b, m->tx->key, w->bso, pk->p + at, w->n);
	pk->len = at + w->n;
	pk->len += finish(m->tx, b, pk->p, pk->len, w->index);
	return GW_XF_HELD;
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
	struct section section;
	put_section(&section, m, &head);
	size_t most = m->mtu - RTP_HEADER - section.len - (tx->authenticated ? TAG : 0);
	for (size_t at = 0, n; at < m->au.len; at += n) {
		n = m->au.len - at < most ? m->au.len - at : most;
		if (fresh)
			fresh = false;
		else
			s->index++;
		struct piece piece = { at + n == m->au.len, m->a.timestamp, m->a.ssrc, s->index, bso + at, m->au.p + at, n };
		if ((w = put_piece(m, &piece, &section, b, sink)) != GW_XF_HELD)
			v = w;	/* its number is spent, so that receivers see the gap */
	}
	return v;
}

static int
protect_h264(struct gw_tx_medium *m, const struct rtp *r, const uint8_t *payload, struct gw_burst *b, struct gw_sink *sink)
{
	static const int verdicts[] = { [H264_OK] = GW_XF_HELD, [H264_MALFORMED] = GW_XF_MALFORMED, [H264_TOO_LONG] = GW_XF_TOO_LONG };
	uint32_t timestamp = m->a.timestamp;
	int v, ended = GW_XF_HELD, s = ismacryp_step(&m->a, r, h264_may_begin(payload, r->payload_len), &v);

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
	uint64_t index = ismacryp_nearest(s->index, seq);

	if (index > s->index)
		s->index = index;
	return index;
}

/* All fragments of an AAC access unit are here: as many go out, with their numbers. */
static int
send_fragments(struct gw_tx_medium *m, struct gw_burst *b, struct gw_sink *sink)
{
	struct gw_tx *tx = m->tx;
	size_t each = (m->au.len + m->count - 1) / m->count;
	int v = GW_XF_HELD, w;
	struct section section;
	uint64_t bso;

	put_section(&section, m, &m->whole);
	if (RTP_HEADER + section.len + each + TAG > m->mtu + GW_XF_TAIL)	/* what a slot has */
		return GW_XF_TOO_LONG;
	if ((w = take(tx, m->au.len, &bso)) != GW_XF_OK)
		return w;
	for (size_t i = 0; i < m->count; i++) {
		size_t at = m->au.len * i / m->count, n = m->au.len * (i + 1) / m->count - at;
		struct piece piece = { i + 1u == m->count, m->a.timestamp, m->a.ssrc, index_of(tx, m->a.ssrc, (uint16_t)(m->first + i)), bso + at,
			m->au.p + at, n };
		if ((w = put_piece(m, &piece, &section, b, sink)) != GW_XF_HELD)
			v = w;
	}
	return v;
}

/* One fragment: len octets from p on. Fragments of one access unit are neighbours, of one time stamp and header. */
static int
hold_fragment(struct gw_tx_medium *m, const struct rtp *r, const struct au *head, const uint8_t *p, size_t len, struct gw_burst *b, struct gw_sink *sink)
{
	bool more = m->a.state == OPEN && m->a.ssrc == r->ssrc && m->a.expect == r->seq && m->a.timestamp == r->timestamp &&
	    m->whole.size == head->size;

	if (!more) {
		m->a = (struct assembly){ .state = OPEN, .ssrc = r->ssrc, .timestamp = r->timestamp };
		m->au.len = m->count = 0;
		m->first = r->seq;
		m->whole = *head;
	}
	m->a.expect = (uint16_t)(r->seq + 1);
	if (m->au.len + len > m->whole.size) {
		m->a.state = IDLE;
		return GW_XF_INCOMPLETE;
	}
	memcpy(m->au.p + m->au.len, p, len);
	m->au.len += len;
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

/*
 * The section grows by IV and key indicator, which stand before the rest of the first header: what is before them moves toward the front, nothing
 * else does.
 */
static void
put_aac(const struct gw_xkey *k, uint64_t bso, struct gw_pk *pk, size_t header_len, size_t headers)
{
	size_t grow = IV_LEN + k->id_len;
	uint8_t *section = pk->p + header_len - grow;

	if (header_len == RTP_HEADER)
		memmove(pk->p - grow, pk->p, RTP_HEADER);
	else
		memmove(pk->p - grow, pk->p, header_len);
	pk->p -= grow;
	section[0] = (uint8_t)((16 * headers + 8 * grow) >> 8);
	section[1] = (uint8_t)(16 * headers + 8 * grow);
	ismacryp_put32(section + IV_AT, (uint32_t)bso);
	memcpy(section + IV_AT + IV_LEN, k->id, k->id_len);
}

static int
protect_aac(struct gw_tx_medium *m, const struct rtp *r, struct gw_pk *pk, struct gw_burst *b, struct gw_sink *sink)
{
	struct gw_tx *tx = m->tx;
	const uint8_t *payload = pk->p + r->header_len;
	struct au head = { .size = 0 };
	size_t n = au_hbr(payload, r->payload_len, &head.size), grow, data = r->payload_len - 2 - 2 * n;
	uint64_t bso;
	int v;

	if (n == 0 || n > HEADERS_MOST)
		return GW_XF_MALFORMED;
	if (!tx->key)
		return GW_XF_NO_KEY;
	if (data < head.size) {
		head.index = payload[3] & 7;
		return hold_fragment(m, r, &head, payload + 4, data, b, sink);
	}
	m->a.state = IDLE;
	grow = IV_LEN + tx->key->id_len;
	if (r->header_len + r->payload_len + grow + TAG > DATAGRAM)
		return GW_XF_TOO_LONG;
	if ((v = take(tx, data, &bso)) != GW_XF_OK)
		return v;
	put_aac(tx->key, bso, pk, r->header_len, n);
	ismacryp_renew(pk->p, r->marker, m->payload_type);
	pk->len = r->header_len + r->payload_len + grow;
	encrypt(b, tx->key, bso, pk->p + pk->len - data, data);
	if (tx->authenticated)
		pk->len += finish(tx, b, pk->p, pk->len, index_of(tx, r->ssrc, r->seq));
	return GW_XF_OK;
}

int
ismacryp_protect(struct gw_tx *tx, struct gw_tx_medium *m, struct gw_pk *pk, struct gw_burst *b, struct gw_sink *sink)
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
