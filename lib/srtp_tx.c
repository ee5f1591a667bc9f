/*
 * lib/srtp_tx.c: SRTP's sender: RTP header | cipher text | MKI | tag; SRTCP: header | cipher text | E, index | MKI | tag.
 *
 * Two engines, the same bytes. `batch` notes a packet in the burst; a change of key is one store, and costs nothing per source, since
 * session keys do not depend on the SSRC. `libsrtp2` has a session per key and source: those that are sending get theirs while the
 * key is made ready, others with their first packet. SRTCP is ours in both: its index must go on over keys and processes, and
 * libsrtp2's begins with each session.
 */
#include <stdlib.h>
#include <string.h>
#include "lib/srtp.h"
#include "lib/srtp_int.h"
#include "proto/rtp.h"

enum { AHEAD = 1024 };		/* SRTCP indices reserved at a time; a process that ends wastes what is left of them */
static const uint64_t reports_max = UINT64_C(1) << 31;	/* under one key, RFC 3711 9.2 */

struct gw_xkey {
	uint64_t number;			/* of all keys of the process */
	struct srtp_key key;
	struct srtp_session *sessions; size_t n;	/* libsrtp2: by place */
};
struct gw_tx {
	/* what packets of a single source need: a cache line */
	_Alignas(64) struct gw_xkey *key;
	bool batch;
	unsigned rcc_rate;
	struct gw_srtp_table table;		/* its beginning */
	uint64_t before;			/* number of the key in force before it */
	uint64_t reports;			/* SRTCP packets counted, of this unit */
	struct srtp_rtcp_mark *rtcp;
	_Atomic uint64_t sending;		/* number of the key in force, for who makes the next one ready */
};

size_t
srtp_marks_len(const struct gw_tx_conf *conf)
{
	return sizeof(struct srtp_marks) + conf->sources * sizeof(struct gw_srtp_mark);
}

static int
conf_ok(const struct gw_tx_conf *conf, struct gw_err *err)
{
	if (conf->sources < 1 || conf->sources > GW_SRTP_SOURCES_MAX)
		return gw_fail(err, GW_ECONF, "SRTP: %u sources; 1 to %d are possible", conf->sources, GW_SRTP_SOURCES_MAX);
	if (conf->rcc_rate > UINT16_MAX)
		return gw_fail(err, GW_ECONF, "SRTP: a ROC in every %u packets; 1 to 65535 is possible (RFC 4771)", conf->rcc_rate);
	if (conf->rcc_rate && !conf->authenticated)
		return gw_fail(err, GW_ECONF, "SRTP: the ROC is carried in authenticated packets only (RFC 4771 RCCm2)");
	if (conf->rcc_rate && conf->engine == GW_ENGINE_LIBSRTP2)
		return gw_fail(err, GW_ECONF, "SRTP: engine libsrtp2 cannot carry the ROC in packets (RFC 4771); engine batch can");
	return 0;
}

struct gw_tx *
srtp_tx_new(const struct gw_tx_conf *conf, struct gw_err *err)
{
	struct srtp_marks *marks = conf->marks;
	struct gw_tx *tx;
	uint32_t seed;

	if (conf_ok(conf, err) < 0 || (conf->engine == GW_ENGINE_LIBSRTP2 && gw_srtp_init(err) < 0))
		return NULL;
	gw_random(&seed, sizeof(seed));
	if ((tx = aligned_alloc(_Alignof(struct gw_tx), sizeof(*tx))))
		memset(tx, 0, sizeof(*tx));
	if (!tx || gw_srtp_table_init(&tx->table, marks->sources, conf->sources, seed) < 0) {
		free(tx);
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	tx->batch = conf->engine != GW_ENGINE_LIBSRTP2;
	tx->rcc_rate = conf->rcc_rate;
	tx->rtcp = &marks->rtcp;
	tx->reports = marks->rtcp.reserved;
	return tx;
}

void
srtp_tx_free(struct gw_tx *tx)
{
	if (!tx)
		return;
	gw_srtp_table_fini(&tx->table);
	free(tx);
}

struct gw_tx_medium *
srtp_medium_new(struct gw_tx *tx, const struct gw_tx_medium_conf *conf, struct gw_err *err)
{
	struct gw_tx_medium *m = calloc(1, sizeof(*m));

	(void)tx;
	if (!m)
		gw_fail(err, GW_ESYS, "no memory");
	else
		m->index = conf->index;
	return m;
}

void
srtp_medium_free(struct gw_tx_medium *m)
{
	free(m);
}

/* ---- keys ---- */

/* Sessions for the sources that are sending: what a packet need not wait for. */
static int
open_sessions(const struct gw_tx *tx, struct gw_xkey *k)
{
	uint64_t now = atomic_load_explicit(&tx->sending, memory_order_relaxed);

	if (!(k->sessions = calloc(tx->table.n, sizeof(k->sessions[0]))))
		return -1;
	k->n = tx->table.n;
	for (size_t i = 0; now && i < k->n; i++) {
		struct gw_srtp_source *s = &tx->table.sources[i];
		if (atomic_load_explicit(&s->key, memory_order_relaxed) == now &&
		    srtp_session_open(&k->sessions[i], &k->key, atomic_load_explicit(&s->ssrc, memory_order_relaxed)) < 0)
			return -1;
	}
	return 0;
}

struct gw_xkey *
srtp_key_new(const struct gw_tx *tx, const struct gw_material *from, struct gw_err *err)
{
	static _Atomic uint64_t numbers;
	struct gw_xkey *k = calloc(1, sizeof(*k));

	if (!k) {
		gw_fail(err, GW_ESYS, "no memory");
		return NULL;
	}
	if (tx->rcc_rate && !from->authenticated)
		gw_fail(err, GW_ECRYPTO, "a key without authentication, where the ROC is to be carried (RFC 4771)");
	else if (srtp_key_set(&k->key, from, !tx->batch, err) < 0)
		;
	else if (!tx->batch && open_sessions(tx, k) < 0)
		gw_fail(err, GW_ECRYPTO, "libsrtp2 does not take the key");
	else {
		k->number = atomic_fetch_add(&numbers, 1) + 1;
		return k;
	}
	srtp_xkey_free(k);
	return NULL;
}

void
srtp_xkey_free(struct gw_xkey *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->n; i++)
		srtp_session_close(&k->sessions[i]);
	free(k->sessions);
	srtp_key_free(&k->key);
	free(k);
}

struct gw_xkey *
srtp_use(struct gw_tx *tx, struct gw_xkey *key)
{
	struct gw_xkey *before = tx->key;

	tx->before = before ? before->number : tx->before;
	tx->key = key;
	atomic_store_explicit(&tx->sending, key ? key->number : 0, memory_order_relaxed);
	return before;
}

/* ---- packets ---- */

/* libsrtp2's turn; a session of another source, which had this place, makes room. */
static int
by_libsrtp2(struct gw_xkey *k, size_t place, uint32_t ssrc, uint64_t index, struct gw_pk *pk)
{
	struct srtp_session *s = &k->sessions[place];
	int n = (int)pk->len;

	if (s->ctx && s->ssrc != ssrc)
		srtp_session_close(s);
	if (!s->ctx && srtp_session_open(s, &k->key, ssrc) < 0)
		return GW_XF_FAILED;
	if (!srtp_session_aim(s, index) || srtp_protect_mki(s->ctx, pk->p, &n, 1, 0) != srtp_err_status_ok)
		return GW_XF_FAILED;
	if (index > s->at)
		s->at = index;
	pk->len = (size_t)n;
	return GW_XF_OK;
}

/*
 * The tag, and what the packet ends with. The ROC is hashed behind the payload, where the MKI goes when that is done. RFC 4771: the
 * ROC once more, in the tag's first octets; where it would lie upon the hashed one it goes with the MKI.
 */
static void
finish(const struct gw_tx *tx, const struct srtp_key *k, const struct rtp *r, uint64_t index, struct gw_pk *pk, struct gw_burst *burst)
{
	uint8_t *end = pk->p + pk->len, *tag = end + k->mki_len, patch[SRTP_MKI];
	size_t tag_len = SRTP_TAG, patch_len = k->mki_len;
	uint32_t roc = (uint32_t)(index >> 16);

	pk->len += k->mki_len;
	if (!k->authenticated) {
		memcpy(end, k->mki, k->mki_len);
		return;
	}
	memcpy(patch, k->mki, sizeof(patch));
	srtp_put32(end, roc);
	if (tx->rcc_rate && r->seq % tx->rcc_rate == 0) {
		if (patch_len + SRTP_ROC <= sizeof(patch)) {
			srtp_put32(patch + patch_len, roc);
			patch_len += SRTP_ROC;
		} else {
			srtp_put32(tag, roc);
		}
		tag += SRTP_ROC;
		tag_len -= SRTP_ROC;
	}
	gw_burst_mac(burst, &srtp_keys_of(k)->rtp_mac, pk->p, (size_t)(end - pk->p) + SRTP_ROC, tag, tag_len, end, patch, patch_len);
	pk->len += SRTP_TAG;
}

static void
by_burst(const struct gw_tx *tx, const struct rtp *r, uint64_t index, struct gw_pk *pk, struct gw_burst *burst)
{
	const struct srtp_key *k = &tx->key->key;
	const struct srtp_session_keys *keys = srtp_keys_of(k);
	uint8_t iv[GW_AES_BLOCK];

	srtp_iv(keys->rtp_salt, r->ssrc, index, iv);
	gw_burst_ctr(burst, &keys->rtp, iv, 0, pk->p + r->header_len, r->payload_len);
	finish(tx, k, r, index, pk, burst);
}

int
srtp_protect_rtp(struct gw_tx *tx, struct gw_tx_medium *m, struct gw_pk *pk, struct gw_burst *burst, struct gw_sink *sink)
{
	struct gw_xkey *k = tx->key;
	struct gw_srtp_source *s;
	struct gw_srtp_mark *mark;
	uint64_t index;
	struct rtp r;
	size_t place;
	bool heard;
	int v;

	(void)sink;
	if (rtp_peek(pk->p, pk->len, &r) < 0 || gw_srtp_is_rtcp(pk->p, pk->len))
		return GW_XF_NOT_RTP;
	if (!k)
		return GW_XF_NO_KEY;
	if (pk->len + k->key.mki_len + (k->key.authenticated ? SRTP_TAG : 0) > SRTP_DATAGRAM)
		return GW_XF_TOO_LONG;
	if ((place = gw_srtp_table_find(&tx->table, k->number, k->key.name, r.ssrc)) == tx->table.n)
		return GW_XF_FULL;
	s = &tx->table.sources[place];
	mark = &tx->table.marks[place];
	heard = atomic_load_explicit(&s->key, memory_order_relaxed) == k->number;
	if (heard && s->input != m->index)
		return GW_XF_TAKEN;
	v = gw_srtp_follow(&s->run, mark, !heard && memcmp(mark->key, k->key.name, sizeof(mark->key)) != 0, r.seq, &index);
	if (v != GW_XF_OK)
		return v;
	if (!heard) {
		memcpy(mark->key, k->key.name, sizeof(mark->key));
		s->input = m->index;
		atomic_store_explicit(&s->key, k->number, memory_order_relaxed);
	}
	gw_srtp_spend(mark, index);	/* before the packet exists: a process that dies in between wastes an index, it uses none twice */
	if (!tx->batch)
		return by_libsrtp2(k, place, r.ssrc, index, pk);
	by_burst(tx, &r, index, pk, burst);
	return GW_XF_OK;
}

/* Most units have one source, the one found last. */
void
srtp_warm(const struct gw_tx *tx, unsigned step)
{
	const struct gw_srtp_table *t = &tx->table;
	const char *keys;

	if (step == 0) {
		__builtin_prefetch(tx, 1);
	} else if (step == 1) {
		__builtin_prefetch(tx->key);
		if (tx->key)
			__builtin_prefetch(&tx->key->key.derived);
		__builtin_prefetch(&t->sources[t->last], 1);
		__builtin_prefetch(&t->marks[t->last], 1);
	} else if (tx->key) {
		keys = (const char *)srtp_keys_of(&tx->key->key);
		for (size_t at = 0; at < offsetof(struct srtp_session_keys, rtcp); at += 64)
			__builtin_prefetch(keys + at);
	}
}

/* The next SRTCP index of the unit; 0x80000000 and more: none is left under this key. */
static uint64_t
next_report(struct gw_tx *tx, const struct srtp_key *k)
{
	struct srtp_rtcp_mark *m = tx->rtcp;

	if (memcmp(m->key, k->name, sizeof(m->key)) != 0) {
		m->begun = tx->reports;
		memcpy(m->key, k->name, sizeof(m->key));
	}
	if (tx->reports - m->begun >= reports_max)
		return reports_max;
	if (tx->reports >= m->reserved)
		m->reserved = tx->reports + AHEAD;
	return tx->reports++ & (reports_max - 1);
}

int
srtp_protect_report(struct gw_tx *tx, struct gw_tx_medium *m, struct gw_pk *pk, struct gw_burst *burst)
{
	uint8_t iv[GW_AES_BLOCK], *end = pk->p + pk->len;
	const struct srtp_session_keys *keys;
	const struct srtp_key *k;
	uint64_t index;

	(void)m;
	if (!gw_srtp_is_rtcp(pk->p, pk->len))
		return GW_XF_NOT_RTP;
	if (!tx->key)
		return GW_XF_NO_KEY;
	k = &tx->key->key;
	keys = srtp_keys_of(k);
	if (pk->len + SRTCP_INDEX + k->mki_len + SRTP_TAG > SRTP_DATAGRAM)
		return GW_XF_TOO_LONG;
	if ((index = next_report(tx, k)) >= reports_max)
		return GW_XF_EXHAUSTED;
	srtp_iv(keys->rtcp_salt, srtp_get32(pk->p + 4), index, iv);
	gw_burst_ctr(burst, &keys->rtcp, iv, 0, pk->p + SRTCP_HEADER, pk->len - SRTCP_HEADER);
	srtp_put32(end, UINT32_C(1) << 31 | (uint32_t)index);	/* E: encrypted */
	end += SRTCP_INDEX;
	memcpy(end, k->mki, k->mki_len);
	gw_burst_mac(burst, &keys->rtcp_mac, pk->p, (size_t)(end - pk->p), end + k->mki_len, SRTP_TAG, NULL, NULL, 0);
	pk->len += SRTCP_INDEX + k->mki_len + SRTP_TAG;
	return GW_XF_OK;
}

size_t
srtp_sources(const struct gw_tx *tx, struct gw_source *out, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; tx->key && i < tx->table.n; i++) {
		struct gw_srtp_source *s = &tx->table.sources[i];
		uint64_t heard = atomic_load_explicit(&s->key, memory_order_relaxed);
		if (heard == 0 || (heard != tx->key->number && heard != tx->before))
			continue;
		if (found++ < n)
			out[found - 1] = (struct gw_source){ atomic_load_explicit(&s->ssrc, memory_order_relaxed),
			    (uint32_t)(tx->table.marks[i].highest >> 16) };
	}
	return found;
}
