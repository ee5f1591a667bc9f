/*
 * lib/cissa.c: DVB-CISSA version 1 (ETSI TS 103 127): AES-128-CBC over the payload of each transport stream packet, with a fixed IV and even
 * and odd keys. A datagram is whole packets, over plain UDP or in RTP (RFC 2250). Octets that fill no block, at the end of a payload, stay clear.
 *
 * Sender: what is not known to be PSI, SI, ECM or EMM is scrambled, so before PAT and PMTs have come everything above PID 0x1f is: nothing
 * is held back, and no media goes out in clear; the PMTs in front of the first PAT and the ECMs of others in front of their PMT go scrambled,
 * too. A packet marked as damaged is never taken for PSI. What comes scrambled already, even or odd, stays as it is; the reserved value of
 * the control bits is no scrambling.
 *
 * Receiver: by the parity in each packet, whatever its PID; it cannot tell packets that another system scrambled from ours.
 */
#include <stdlib.h>
#include <string.h>
#include "lib/cissa_vectors.h"
#include "lib/secret.h"
#include "lib/ts_cipher.h"
#include "proto/rtp.h"
#include "proto/ts.h"

enum { KEY = GW_AES_KEY, PARITIES = 2, PROTECTION_TS = 7, RTP_PADDING = 0x20 };
static const uint8_t iv[GW_AES_BLOCK] = "DVBTMCPTAESCISSA";	/* without its NUL */
static const uint8_t control[PARITIES] = { TS_EVEN, TS_ODD };

/* Lies in memory. */
struct gw_xkey { struct gw_secret memory; const struct gw_ts_cipher *cipher; uint8_t parity; _Alignas(16) uint8_t state[]; };
struct gw_tx { const struct gw_ts_cipher *cipher; struct gw_xkey *key; };
struct gw_tx_medium { bool some; uint8_t pids[TS_PIDS / 8]; struct ts_psi psi; };	/* some: those in pids, and no others */

/* ---- DVB-CISSA as such a cipher ---- */

static int
aes_init(void *state, const uint8_t *tek)
{
	gw_aes_init(state, tek);
	return 0;
}

static size_t
whole_blocks(size_t len)
{
	return len & ~(GW_AES_BLOCK - (size_t)1);
}

static void
aes_seal(void *state, struct gw_burst *burst, uint8_t *p, size_t len)
{
	if (len >= GW_AES_BLOCK)
		gw_burst_cbc(burst, state, iv, p, whole_blocks(len));
}

static void
aes_open(void *state, uint8_t *p, size_t len)
{
	if (len >= GW_AES_BLOCK)
		gw_cbc_open(state, iv, p, whole_blocks(len));
}

static const struct gw_ts_cipher cissa = { "DVB-CISSA", sizeof(struct gw_aes), aes_init, NULL, aes_seal, aes_open };

/* ---- datagrams ---- */

struct datagram { uint8_t *p; size_t n; bool rtp; uint16_t seq; uint32_t ssrc; };	/* n packets */

/* Whole packets with readable headers: GW_XF_OK; nothing of another kind is touched. */
static int
look(const struct gw_pk *pk, struct datagram *d)
{
	struct ts_packet k;
	struct rtp r;
	size_t len = pk->len;

	*d = (struct datagram){ .p = pk->p };
	if (len == 0)
		return GW_XF_MALFORMED;
	if (pk->p[0] != TS_SYNC) {
		if (rtp_parse(pk->p, len, &r) < 0)
			return GW_XF_NOT_RTP;
		*d = (struct datagram){ pk->p + r.header_len, 0, true, r.seq, r.ssrc };
		len = r.payload_len;
	}
	if (len == 0 || len % TS_PACKET != 0)
		return GW_XF_MALFORMED;
	d->n = len / TS_PACKET;
	for (size_t i = 0; i < d->n; i++)
		if (ts_parse(d->p + i * TS_PACKET, &k) < 0)
			return GW_XF_MALFORMED;
	return GW_XF_OK;
}

static void
set_control(uint8_t *p, uint8_t bits)
{
	p[3] = (uint8_t)((p[3] & ~TS_SCRAMBLED) | bits);
}

/* ---- keys ---- */

static struct gw_xkey *
new_key(const struct gw_ts_cipher *cipher, const struct gw_material *m, struct gw_err *err)
{
	struct gw_secret s;
	struct gw_xkey *k;

	if (m->id_len != 1 || m->id[0] >= PARITIES)
		return gw_fail(err, GW_ECRYPTO, "a %s key is even (0) or odd (1)", cipher->name), NULL;
	if (gw_secret_new(&s, sizeof(*k) + cipher->state) < 0)
		return gw_fail(err, GW_ECRYPTO, "no locked memory left for a %s key", cipher->name), NULL;
	k = (struct gw_xkey *)(void *)s.p;
	k->memory = s;
	k->cipher = cipher;
	k->parity = m->id[0];
	if (cipher->init(k->state, m->tek) == 0)
		return k;
	gw_secret_free(&s);
	return gw_fail(err, GW_ECRYPTO, "%s does not take the key", cipher->name), NULL;
}

static struct gw_xkey *
key_new(const struct gw_tx *tx, const struct gw_material *m, struct gw_err *err)
{
	return new_key(tx->cipher, m, err);
}

static void
key_free(struct gw_xkey *k)
{
	struct gw_secret s = k ? k->memory : (struct gw_secret){ 0 };

	if (k && k->cipher->fini)
		k->cipher->fini(k->state);
	gw_secret_free(&s);
}

/* ---- sender ---- */

/* Nothing of a key is spent, but a file that is mapped cannot be empty. */
static size_t
marks_len(const struct gw_tx_conf *conf)
{
	(void)conf;
	return sizeof(uint64_t);
}

struct gw_tx *
gw_ts_tx_new(const struct gw_ts_cipher *cipher, const struct gw_tx_conf *conf, struct gw_err *err)
{
	struct gw_tx *tx;

	if (conf->authenticated)
		return gw_fail(err, GW_ECONF, "%s has no authentication", cipher->name), NULL;
	if (!(tx = calloc(1, sizeof(*tx))))
		return gw_fail(err, GW_ESYS, "no memory"), NULL;
	tx->cipher = cipher;
	return tx;
}

static struct gw_tx *
tx_new(const struct gw_tx_conf *conf, struct gw_err *err)
{
	return gw_ts_tx_new(&cissa, conf, err);
}

static void
tx_free(struct gw_tx *tx)
{
	if (tx)
		key_free(tx->key);
	free(tx);
}

static struct gw_tx_medium *
medium_new(struct gw_tx *tx, const struct gw_tx_medium_conf *conf, struct gw_err *err)
{
	struct gw_tx_medium *m = calloc(1, sizeof(*m));

	(void)tx;
	if (!m)
		return gw_fail(err, GW_ESYS, "no memory"), NULL;
	ts_psi_init(&m->psi);
	m->some = conf->npids > 0;
	for (size_t i = 0; i < conf->npids; i++)
		m->pids[(conf->pids[i] & TS_NULL) >> 3] |= (uint8_t)(1 << (conf->pids[i] & 7));
	return m;
}

static void
medium_free(struct gw_tx_medium *m)
{
	free(m);
}

static struct gw_xkey *
use(struct gw_tx *tx, struct gw_xkey *k)
{
	struct gw_xkey *before = tx->key;

	tx->key = k;
	return before;
}

static bool
is_media(const struct gw_tx_medium *m, const struct ts_packet *k)
{
	if (m->some)
		return m->pids[k->pid >> 3] >> (k->pid & 7) & 1;
	return k->error || !ts_psi_clear(&m->psi, k->pid);
}

static int
protect(struct gw_tx *tx, struct gw_tx_medium *m, struct gw_pk *pk, struct gw_burst *burst, struct gw_sink *sink)
{
	struct gw_xkey *key = tx->key;
	struct datagram d;
	struct ts_packet k;
	int v = look(pk, &d);

	(void)sink;
	if (v != GW_XF_OK)
		return v;
	if (key && d.rtp) {	/* padding is no payload: what stands in it would go out as it is */
		pk->p[0] &= (uint8_t)~RTP_PADDING;
		pk->len = (size_t)(d.p - pk->p) + d.n * TS_PACKET;
	}
	for (uint8_t *p = d.p; d.n > 0; p += TS_PACKET, d.n--) {
		ts_parse(p, &k);
		ts_psi_feed(&m->psi, p, &k);	/* without a key, too: it is known when there is one */
		if (!key || k.len == 0 || (k.scrambling & TS_EVEN) || !is_media(m, &k))	/* TS_ODD has this bit, too */
			continue;
		set_control(p, control[key->parity]);
		key->cipher->seal(key->state, burst, p + k.at, k.len);
	}
	return key ? GW_XF_OK : GW_XF_NO_KEY;
}

/* ---- receiver ---- */

enum { MISORDERED = 1000, UNSEEN = 0xff, NO_PARITY = PARITIES };
struct gw_rx {
	const struct gw_ts_cipher *cipher;
	struct gw_xkey *key[PARITIES];
	struct ts_psi *psi;		/* of clear packets; also learned from when they are only asked about */
	uint8_t parity;			/* last seen; NO_PARITY: none */
	bool begun;
	uint32_t ssrc;
	uint16_t seq;			/* the highest */
	uint64_t index;			/* of the last datagram; of RTP: of seq */
	uint8_t counters[TS_PIDS];	/* continuity_counters of plain UDP; UNSEEN */
};

struct gw_rx *
gw_ts_rx_new(const struct gw_ts_cipher *cipher, const struct gw_rx_conf *conf, struct gw_err *err)
{
	struct gw_rx *rx = calloc(1, sizeof(*rx));

	(void)conf;
	if (!rx || !(rx->psi = malloc(sizeof(*rx->psi)))) {
		free(rx);
		return gw_fail(err, GW_ESYS, "no memory"), NULL;
	}
	rx->cipher = cipher;
	ts_psi_init(rx->psi);
	rx->parity = NO_PARITY;
	memset(rx->counters, UNSEEN, sizeof(rx->counters));
	return rx;
}

static struct gw_rx *
rx_new(const struct gw_rx_conf *conf, struct gw_err *err)
{
	return gw_ts_rx_new(&cissa, conf, err);
}

static void
rx_free(struct gw_rx *rx)
{
	if (!rx)
		return;
	for (size_t i = 0; i < PARITIES; i++)
		key_free(rx->key[i]);
	free(rx->psi);
	free(rx);
}

static int
rx_key(struct gw_rx *rx, const struct gw_material *m, struct gw_err *err)
{
	struct gw_xkey *k = new_key(rx->cipher, m, err);

	if (!k)
		return -1;
	key_free(rx->key[k->parity]);
	rx->key[k->parity] = k;
	return 0;
}

static void
rx_drop(struct gw_rx *rx, const uint8_t *id, size_t id_len)
{
	if (id_len != 1 || id[0] >= PARITIES)
		return;
	key_free(rx->key[id[0]]);
	rx->key[id[0]] = NULL;
}

/* RTP: the sequence number, counted on; another source, or a jump back that no misordering explains, goes on behind what was. */
static uint64_t
count_rtp(struct gw_rx *rx, const struct datagram *d)
{
	int16_t step = (int16_t)(d->seq - rx->seq);

	if (!rx->begun)
		rx->index = d->seq;
	else if (d->ssrc != rx->ssrc || step < -MISORDERED)
		rx->index++;
	else if (step > 0)
		rx->index += (uint64_t)step;
	else
		return rx->index - (uint64_t)-step;
	rx->seq = d->seq;
	rx->ssrc = d->ssrc;
	return rx->index;
}

/* Plain UDP: what the counters of the datagram's PIDs lack, in datagrams of its size. */
static uint64_t
count_udp(struct gw_rx *rx, const struct datagram *d)
{
	size_t lost = 0;
	struct ts_packet k;

	for (size_t i = 0; i < d->n; i++) {
		uint8_t *last;
		ts_parse(d->p + i * TS_PACKET, &k);
		if (k.pid == TS_NULL || k.error || k.len == 0)
			continue;
		last = &rx->counters[k.pid];
		if (*last != UNSEEN && !k.discontinuity && k.counter != *last)	/* the same again: sent twice */
			lost += (k.counter - *last - 1u) & TS_COUNTER;
		*last = k.counter;
	}
	rx->index += rx->begun ? 1 + (lost + d->n - 1) / d->n : 0;
	return rx->index;
}

static bool
is_ours(const struct ts_packet *k)
{
	return k->len > 0 && (k->scrambling == TS_EVEN || k->scrambling == TS_ODD);
}

/* What packets say in their headers; false: a key is not here. */
static bool
keys_there(struct gw_rx *rx, const struct datagram *d)
{
	bool there = true;
	struct ts_packet k;

	for (size_t i = 0; i < d->n; i++) {
		ts_parse(d->p + i * TS_PACKET, &k);
		if (!is_ours(&k))
			continue;
		rx->parity = k.scrambling == TS_ODD;
		there = there && rx->key[rx->parity];
	}
	return there;
}

static int
unprotect(struct gw_rx *rx, struct gw_pk *pk, struct gw_rx_got *got, struct gw_sink *sink)
{
	struct datagram d;
	struct ts_packet k;
	int v = look(pk, &d);

	(void)sink;
	if (v != GW_XF_OK)
		return v;
	*got = (struct gw_rx_got){ .source = d.ssrc, .index = (d.rtp ? count_rtp : count_udp)(rx, &d) };
	rx->begun = true;
	if (!keys_there(rx, &d))
		return GW_XF_NO_KEY;
	if (rx->parity != NO_PARITY) {
		got->id[0] = rx->parity;
		got->id_len = 1;
	}
	for (uint8_t *p = d.p; d.n > 0; p += TS_PACKET, d.n--) {
		ts_parse(p, &k);
		ts_psi_feed(rx->psi, p, &k);
		if (!is_ours(&k))
			continue;
		set_control(p, 0);
		rx->cipher->open(rx->key[k.scrambling == TS_ODD]->state, p + k.at, k.len);
	}
	return GW_XF_OK;
}

/* Media in clear, and nothing scrambled. PSI alone is neither; nor is anything before the first PAT. */
static bool
in_clear(const struct gw_rx *rx, const struct gw_pk *pk)
{
	struct datagram d;
	struct ts_packet k;
	bool media = false;

	if (look(pk, &d) != GW_XF_OK)
		return false;
	for (uint8_t *p = d.p; d.n > 0; p += TS_PACKET, d.n--) {
		ts_parse(p, &k);
		ts_psi_feed(rx->psi, p, &k);
		if (k.scrambling)
			return false;
		media = media || (k.len > 0 && !k.error && !ts_psi_clear(rx->psi, k.pid));
	}
	return media && rx->psi->pat;
}

/* ---- known answers ---- */

static int
check(const struct vector *v, struct gw_burst *burst, struct gw_err *err)
{
	const struct gw_material m = { .id = { v->parity }, .id_len = 1, .tek = v->key };
	uint8_t clear[TS_PACKET], room[TS_PACKET];
	struct gw_tx tx = { &cissa, new_key(&cissa, &m, err) };
	struct gw_rx *rx = rx_new(&(struct gw_rx_conf){ 0 }, err);
	struct gw_tx_medium *medium = medium_new(&tx, &(struct gw_tx_medium_conf){ 0 }, err);
	struct gw_pk pk = { room, sizeof(room) };
	struct gw_rx_got got;
	int ok = -1;

	vector_packet(v, clear);
	memcpy(room, clear, sizeof(room));
	if (tx.key && rx && medium && rx_key(rx, &m, err) == 0) {
		ok = protect(&tx, medium, &pk, burst, NULL) == GW_XF_OK;
		gw_burst_run(burst);
		ok = ok && memcmp(room + TS_PACKET - v->len, v->scrambled, v->len) == 0 && unprotect(rx, &pk, &got, NULL) == GW_XF_OK &&
		    memcmp(room, clear, sizeof(room)) == 0;
		ok = ok ? 0 : gw_fail(err, GW_ECRYPTO, "a known answer does not come out");
	}
	key_free(tx.key);
	medium_free(medium);
	rx_free(rx);
	return ok;
}

static int
self_test(struct gw_err *err)
{
	struct gw_burst *burst = gw_burst_new(GW_BURST_AUTO, err);
	int ok = burst ? 0 : -1;

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]) && ok == 0; i++)
		ok = check(&vectors[i], burst, err);
	gw_burst_free(burst);
	return ok;
}

const struct gw_transform gw_transform_cissa = {
	.name = "dvb-cissa", .protection = PROTECTION_TS, .tek = KEY, .id_min = 1, .id_max = 1,
	.marks_len = marks_len, .tx_new = tx_new, .tx_free = tx_free, .medium_new = medium_new, .medium_free = medium_free,
	.key_new = key_new, .key_free = key_free, .use = use, .protect = protect,
	.rx_new = rx_new, .rx_free = rx_free, .rx_key = rx_key, .rx_drop = rx_drop, .unprotect = unprotect, .in_clear = in_clear,
	.self_test = self_test,
};
