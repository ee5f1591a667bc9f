/* lib/esp.c: see esp.h */
#include "lib/esp.h"
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include "lib/secret.h"
#include "proto/esp.h"
#include "proto/ip.h"
#include "proto/rtp.h"

enum {
	MARKS = 8,		/* keys whose numbers are remembered: more than come back after a restart */
	RESERVE = 8192,		/* numbers reserved at a time */
	IVS = 64,		/* made at a time */
	REKEY = 4096,		/* such times with one key */
	TTL = 64,
	SSRCS = 16,
};

/* Of a sender or receiver; in locked memory. */
struct gw_xkey {
	struct gw_aes aes;
	struct gw_hmac hmac;
	uint32_t spi;
	bool authenticated;
	char name[17];		/* names the key without showing it */
};

/* Which numbers of a key are spent: all up to `reserved`, whether or not they were sent. */
struct mark { char name[16]; uint32_t spi, reserved, age, unused; };
_Static_assert(sizeof(struct mark) == 32, "it outlives the program that wrote it");

struct gw_tx {
	bool tunnel;
	struct mark *marks, *mark;	/* mark: of the key in force */
	uint32_t seq;			/* the last one used */
	struct gw_xkey *key;
	struct mark own[MARKS];		/* where none are lent */
};

struct gw_tx_medium {
	struct ip_ends ends, rtcp;
	uint32_t sum, rtcp_sum;
};

/* ---- keys -------------------------------------------------------------------------------------------------------------------- */

static void
key_free(struct gw_xkey *k)
{
	struct gw_secret s = { (uint8_t *)k, sizeof(*k) };

	gw_secret_free(&s);
}

static uint32_t
spi_of(const uint8_t *id, size_t len)
{
	return len == 4 ? esp_spi(id) : 0;
}

static struct gw_xkey *
make_key(const struct gw_material *m, struct gw_err *err)
{
	uint32_t spi = spi_of(m->id, m->id_len);
	struct gw_secret s;
	struct gw_xkey *k;

	if (spi < ESP_SPI_MIN) {
		gw_fail(err, GW_ECRYPTO, "an SPI has 4 octets and is none of 0 to 255");
		return NULL;
	}
	if (m->authenticated && !m->tak) {
		gw_fail(err, GW_ECRYPTO, "no key for authentication");
		return NULL;
	}
	if (gw_secret_new(&s, sizeof(*k)) < 0) {
		gw_fail(err, GW_ESYS, "no more memory for keys");
		return NULL;
	}
	k = (struct gw_xkey *)(void *)s.p;
	k->spi = spi;
	k->authenticated = m->authenticated;
	gw_aes_init(&k->aes, m->tek);
	if (k->authenticated)
		gw_hmac_init(&k->hmac, m->tak, GW_SHA1);
	gw_fingerprint(m->tek, GW_AES_KEY, k->name);
	return k;
}

static struct gw_xkey *
key_new(const struct gw_tx *tx, const struct gw_material *m, struct gw_err *err)
{
	(void)tx;
	return make_key(m, err);
}

/* ---- IVs --------------------------------------------------------------------------------------------------------------------- */

/*
 * AES-128-CTR under a key that nobody knows: blocks that nobody can foresee (RFC 3602 3, SP 800-38A appendix C). Each thread has its own
 * generator, re-keyed now and then, so that packets cost neither lock nor system call. Not for use on both sides of a fork().
 */
struct generator { struct gw_aes key; uint8_t block[GW_AES_BLOCK]; uint8_t ivs[IVS * ESP_IV]; unsigned left, times; };
static _Thread_local struct generator generator;

static void
refill(struct generator *g)
{
	uint8_t key[GW_AES_KEY];

	if (g->times == 0) {
		gw_random(key, sizeof(key));
		gw_random(g->block, sizeof(g->block));
		gw_aes_init(&g->key, key);
		gw_cleanse(key, sizeof(key));
		g->times = REKEY;
	}
	g->times--;
	g->block[10] = (uint8_t)(g->times >> 8);	/* the last 4 octets count within this time */
	g->block[11] = (uint8_t)g->times;
	memset(g->block + 12, 0, 4);
	memset(g->ivs, 0, sizeof(g->ivs));
	gw_ctr_once(&g->key, g->block, 0, g->ivs, sizeof(g->ivs));
	g->left = IVS;
}

static void
put_iv(uint8_t out[ESP_IV])
{
	struct generator *g = &generator;

	if (g->left == 0)
		refill(g);
	memcpy(out, g->ivs + --g->left * ESP_IV, ESP_IV);
}

/* ---- sender ------------------------------------------------------------------------------------------------------------------ */

static size_t
marks_len(const struct gw_tx_conf *conf)
{
	(void)conf;
	return MARKS * sizeof(struct mark);
}

static struct gw_tx *
tx_new(const struct gw_tx_conf *conf, struct gw_err *err)
{
	struct gw_tx *tx = calloc(1, sizeof(*tx));

	if (!tx) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	tx->tunnel = conf->tunnel;
	tx->marks = conf->marks ? conf->marks : tx->own;
	return tx;
}

/* What was reserved and not used is free again, for an orderly end and a key that comes back. */
static void
settle(struct gw_tx *tx)
{
	if (tx->mark)
		tx->mark->reserved = tx->seq;
	tx->mark = NULL;
}

static void
tx_free(struct gw_tx *tx)
{
	if (!tx)
		return;
	settle(tx);
	key_free(tx->key);
	free(tx);
}

/* Of that key, or the one that has not been used for longest. */
static struct mark *
find_mark(struct gw_tx *tx, const struct gw_xkey *k)
{
	struct mark *oldest = tx->marks, *m;
	uint32_t newest = 0;

	for (m = tx->marks; m < tx->marks + MARKS; m++) {
		newest = m->age > newest ? m->age : newest;
		oldest = m->age < oldest->age ? m : oldest;
	}
	for (m = tx->marks; m < tx->marks + MARKS; m++)
		if (m->age && m->spi == k->spi && memcmp(m->name, k->name, sizeof(m->name)) == 0)
			break;
	if (m == tx->marks + MARKS) {
		m = oldest;
		*m = (struct mark){ .spi = k->spi };
		memcpy(m->name, k->name, sizeof(m->name));
	}
	m->age = newest + 1;
	return m;
}

static struct gw_xkey *
use(struct gw_tx *tx, struct gw_xkey *k)
{
	struct gw_xkey *before = tx->key;

	settle(tx);
	tx->key = k;
	if (k) {
		tx->mark = find_mark(tx, k);
		tx->seq = tx->mark->reserved;
	}
	return before;
}

static int
ends_of(struct ip_ends *e, const struct sockaddr_storage *from, const struct sockaddr_storage *to)
{
	memset(e, 0, sizeof(*e));
	if (from->ss_family != to->ss_family || (to->ss_family != AF_INET && to->ss_family != AF_INET6))
		return -1;
	e->v6 = to->ss_family == AF_INET6;
	if (e->v6) {
		const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)from, *b = (const struct sockaddr_in6 *)to;
		memcpy(e->from, &a->sin6_addr, 16);
		memcpy(e->to, &b->sin6_addr, 16);
		e->from_port = ntohs(a->sin6_port);
		e->to_port = ntohs(b->sin6_port);
	} else {
		const struct sockaddr_in *a = (const struct sockaddr_in *)from, *b = (const struct sockaddr_in *)to;
		memcpy(e->from, &a->sin_addr, 4);
		memcpy(e->to, &b->sin_addr, 4);
		e->from_port = ntohs(a->sin_port);
		e->to_port = ntohs(b->sin_port);
	}
	return 0;
}

static struct gw_tx_medium *
medium_new(struct gw_tx *tx, const struct gw_tx_medium_conf *conf, struct gw_err *err)
{
	struct gw_tx_medium *m = calloc(1, sizeof(*m));

	(void)tx;
	if (!m) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	if (ends_of(&m->ends, &conf->from, &conf->to) < 0) {
		gw_fail(err, GW_ECONF, "ESP: packets go from an address of one family to another of the same");
		free(m);
		return NULL;
	}
	m->rtcp = m->ends;
	m->rtcp.to_port++;
	if (m->rtcp.from_port)	/* 0: no port to answer to (RFC 768) */
		m->rtcp.from_port++;
	m->sum = ip_udp_sum(&m->ends);
	m->rtcp_sum = ip_udp_sum(&m->rtcp);
	return m;
}

static void
medium_free(struct gw_tx_medium *m)
{
	free(m);
}

/* The next number, which is on the page before it is used. */
static int
next_seq(struct gw_tx *tx)
{
	struct mark *m = tx->mark;

	if (tx->seq == UINT32_MAX)
		return -1;
	if (tx->seq == m->reserved)
		m->reserved = UINT32_MAX - tx->seq > RESERVE ? tx->seq + RESERVE : UINT32_MAX;
	tx->seq++;
	return 0;
}

int
gw_esp_protect_payload(struct gw_tx *tx, struct gw_pk *pk, uint8_t next, const uint8_t *iv, struct gw_burst *b)
{
	const struct gw_xkey *k = tx->key;
	size_t sealed = esp_sealed_len(pk->len);
	uint8_t *p = pk->p - ESP_BEFORE;

	if (!k)
		return GW_XF_NO_KEY;
	/* it must fit an IP packet; a tunnel's inner packet has been measured by then */
	if (ESP_BEFORE + sealed + ESP_ICV > IP_MAX - IP_V4_HEADER)
		return GW_XF_TOO_LONG;
	if (next_seq(tx) < 0)
		return GW_XF_EXHAUSTED;
	esp_put_header(p, k->spi, tx->seq);
	if (iv)
		memcpy(p + ESP_HEADER, iv, ESP_IV);
	else
		put_iv(p + ESP_HEADER);
	esp_put_trailer(pk->p, pk->len, next);
	gw_burst_cbc(b, &k->aes, p + ESP_HEADER, p + ESP_BEFORE, sealed);
	*pk = (struct gw_pk){ p, ESP_BEFORE + sealed };
	if (k->authenticated) {
		gw_burst_mac(b, &k->hmac, p, pk->len, p + pk->len, ESP_ICV, NULL, NULL, 0);
		pk->len += ESP_ICV;
	}
	return GW_XF_OK;
}

static int
protect_datagram(struct gw_tx *tx, const struct ip_ends *e, uint32_t sum, struct gw_pk *pk, struct gw_burst *b)
{
	struct gw_pk inner = { pk->p - IP_UDP_HEADER, pk->len + IP_UDP_HEADER };
	size_t h = tx->tunnel ? ip_header_len(e->v6) : 0;
	uint8_t next = !tx->tunnel ? IP_NEXT_UDP : e->v6 ? IP_NEXT_V6 : IP_NEXT_V4;
	int v;

	if (!tx->key)
		return GW_XF_NO_KEY;
	if (inner.len > IP_MAX - IP_V4_HEADER - ESP_BEFORE - ESP_ICV - ESP_BLOCK)	/* no length below overflows */
		return GW_XF_TOO_LONG;
	ip_udp_put(inner.p, e, sum, pk->len);
	if (h) {
		inner.p -= h;
		ip_put(inner.p, e, IP_NEXT_UDP, TTL, inner.len);
		inner.len += h;
	}
	if ((v = gw_esp_protect_payload(tx, &inner, next, NULL, b)) == GW_XF_OK)
		*pk = inner;
	return v;
}

static int
protect(struct gw_tx *tx, struct gw_tx_medium *m, struct gw_pk *pk, struct gw_burst *b, struct gw_sink *sink)
{
	(void)sink;
	return protect_datagram(tx, &m->ends, m->sum, pk, b);
}

static int
protect_rtcp(struct gw_tx *tx, struct gw_tx_medium *m, struct gw_pk *pk, struct gw_burst *b)
{
	return protect_datagram(tx, &m->rtcp, m->rtcp_sum, pk, b);
}

/* ---- receiver ---------------------------------------------------------------------------------------------------------------- */

struct sa {
	struct gw_xkey *key;	/* NULL: free */
	uint64_t age;
	uint32_t highest;
	uint64_t window;	/* bit n: highest - n was seen */
};
struct stream { bool used; uint32_t ssrc; uint64_t highest, age; };

struct gw_rx {
	bool tunnel, replay, between;
	uint16_t port;
	uint32_t sum;		/* of the pseudo-header's addresses, where they are known */
	bool v6;
	uint64_t clock;		/* counts keys and packets, to tell the oldest */
	struct sa sas[GW_ESP_KEYS];
	struct stream streams[SSRCS];
};

static struct gw_rx *
rx_new(const struct gw_rx_conf *conf, struct gw_err *err)
{
	struct gw_rx *rx = calloc(1, sizeof(*rx));

	if (!rx) {
		gw_fail(err, GW_ESYS, "out of memory");
		return NULL;
	}
	rx->tunnel = conf->tunnel;
	rx->port = conf->port;
	return rx;
}

static void
rx_free(struct gw_rx *rx)
{
	if (!rx)
		return;
	for (int i = 0; i < GW_ESP_KEYS; i++)
		key_free(rx->sas[i].key);
	free(rx);
}

void
gw_esp_rx_replay(struct gw_rx *rx, bool on)
{
	rx->replay = on;
}

void
gw_esp_rx_between(struct gw_rx *rx, const struct sockaddr_storage *from, const struct sockaddr_storage *to)
{
	struct ip_ends e;

	rx->between = ends_of(&e, from, to) == 0;
	rx->v6 = e.v6;
	rx->sum = ip_udp_sum(&e);
}

static struct sa *
find_sa(struct gw_rx *rx, uint32_t spi)
{
	for (struct sa *s = rx->sas; s < rx->sas + GW_ESP_KEYS; s++)
		if (s->key && s->key->spi == spi)
			return s;
	return NULL;
}

static bool
same_key(const struct gw_xkey *a, const struct gw_xkey *b)
{
	return a->authenticated == b->authenticated && CRYPTO_memcmp(a->aes.key, b->aes.key, sizeof(a->aes.key)) == 0 &&
	    CRYPTO_memcmp(&a->hmac, &b->hmac, sizeof(a->hmac)) == 0;
}

static int
rx_key(struct gw_rx *rx, const struct gw_material *m, struct gw_err *err)
{
	struct gw_xkey *k = make_key(m, err);
	struct sa *s;

	if (!k)
		return -1;
	if ((s = find_sa(rx, k->spi)) != NULL && same_key(s->key, k)) {
		key_free(k);
		return 0;
	}
	if (!s) {
		s = rx->sas;	/* free ones have age 0 */
		for (struct sa *o = rx->sas; o < rx->sas + GW_ESP_KEYS; o++)
			s = o->age < s->age ? o : s;
	}
	key_free(s->key);
	*s = (struct sa){ .key = k, .age = ++rx->clock };
	return 0;
}

static void
rx_drop(struct gw_rx *rx, const uint8_t *id, size_t id_len)
{
	struct sa *s = find_sa(rx, spi_of(id, id_len));

	if (!s)
		return;
	key_free(s->key);
	*s = (struct sa){ .key = NULL };
}

/* RFC 4303 3.4.3: may it be new? */
static int
check_window(const struct sa *s, uint32_t seq)
{
	if (seq > s->highest)
		return GW_XF_OK;
	if (s->highest - seq >= GW_ESP_WINDOW)
		return GW_XF_RESTART;
	return s->window >> (s->highest - seq) & 1 ? GW_XF_REPEAT : GW_XF_OK;
}

/* Seen, once it is authentic. */
static void
move_window(struct sa *s, uint32_t seq)
{
	if (seq <= s->highest) {
		if (s->highest - seq < GW_ESP_WINDOW)
			s->window |= UINT64_C(1) << (s->highest - seq);
		return;
	}
	s->window = seq - s->highest < GW_ESP_WINDOW ? s->window << (seq - s->highest) | 1 : 1;
	s->highest = seq;
}

static bool
authentic(const struct gw_xkey *k, const uint8_t *p, size_t len)
{
	uint8_t mac[GW_SHA1];

	gw_hmac_once(&k->hmac, p, len, mac);
	return CRYPTO_memcmp(mac, p + len, ESP_ICV) == 0;
}

int
gw_esp_open(struct gw_rx *rx, struct gw_pk *pk, uint8_t *next, struct gw_rx_got *got)
{
	struct esp e;
	struct sa *s;
	size_t len;
	int v;

	*got = (struct gw_rx_got){ .id_len = 0 };
	if (pk->len < ESP_HEADER)
		return GW_XF_MALFORMED;
	memcpy(got->id, pk->p, got->id_len = 4);
	if (!(s = find_sa(rx, esp_spi(pk->p))))
		return GW_XF_NO_KEY;
	if (esp_parse(pk->p, pk->len, s->key->authenticated, &e) < 0)
		return GW_XF_MALFORMED;
	got->index = e.seq;
	if (rx->replay && (v = check_window(s, e.seq)) != GW_XF_OK)
		return v;
	if (s->key->authenticated && !authentic(s->key, pk->p, ESP_BEFORE + e.sealed_len))
		return GW_XF_FORGED;
	move_window(s, e.seq);
	gw_cbc_open(&s->key->aes, pk->p + ESP_HEADER, pk->p + ESP_BEFORE, e.sealed_len);
	pk->p += ESP_BEFORE;
	if (esp_trailer(pk->p, e.sealed_len, &len, next) < 0)
		return GW_XF_MALFORMED;
	pk->len = len;
	return GW_XF_OK;
}

/* The one that has not sent for longest makes room. */
static struct stream *
find_stream(struct gw_rx *rx, uint32_t ssrc)
{
	struct stream *oldest = rx->streams;

	for (struct stream *s = rx->streams; s < rx->streams + SSRCS; s++) {
		if (s->used && s->ssrc == ssrc)
			return s;
		oldest = s->age < oldest->age ? s : oldest;
	}
	*oldest = (struct stream){ .ssrc = ssrc };
	return oldest;
}

/* The index of a sequence number that lies nearest to the highest one so far (RFC 3711 3.3.1). */
static uint64_t
extend(struct gw_rx *rx, const struct rtp *r)
{
	struct stream *s = find_stream(rx, r->ssrc);
	int16_t ahead = (int16_t)(r->seq - (uint16_t)s->highest);
	uint64_t index = r->seq;

	if (s->used)	/* nothing lies before the beginning */
		index = ahead >= 0 || s->highest >= (uint64_t)-(int64_t)ahead ? s->highest + (uint64_t)(int64_t)ahead : 0;
	if (!s->used || index > s->highest)
		s->highest = index;
	s->used = true;
	s->age = ++rx->clock;
	return index;
}

/* Takes the inner IP header off, if there is one; *sum: what the UDP checksum begins with. */
static int
strip(const struct gw_rx *rx, struct gw_pk *pk, uint8_t next, struct ip_ends *e, uint32_t *sum)
{
	struct ip ip;

	if (!rx->tunnel)
		return next == IP_NEXT_UDP ? 0 : -1;
	if (next != IP_NEXT_V4 && next != IP_NEXT_V6)
		return -1;
	if (ip_parse(pk->p, pk->len, &ip) < 0 || ip.ends.v6 != (next == IP_NEXT_V6) || ip.next != IP_NEXT_UDP)
		return -1;
	*e = ip.ends;
	*sum = ip_udp_sum(e);
	*pk = (struct gw_pk){ pk->p + ip.header_len, ip.len - ip.header_len };
	return 0;
}

static int
open_datagram(struct gw_rx *rx, struct gw_pk *pk, struct gw_rx_got *got, uint16_t *port)
{
	struct ip_ends e = { .v6 = rx->between && rx->v6 };
	uint32_t sum = rx->sum;
	uint8_t next;
	size_t len;
	int v = gw_esp_open(rx, pk, &next, got);

	if (v != GW_XF_OK)
		return v;
	if (strip(rx, pk, next, &e, &sum) < 0 ||
	    ip_udp_parse(pk->p, pk->len, rx->tunnel || rx->between ? &sum : NULL, e.v6, &e, &len) < 0)
		return GW_XF_MALFORMED;
	*pk = (struct gw_pk){ pk->p + IP_UDP_HEADER, len };
	*port = e.to_port;
	return GW_XF_OK;
}

static int
unprotect(struct gw_rx *rx, struct gw_pk *pk, struct gw_rx_got *got, struct gw_sink *sink)
{
	struct rtp r;
	uint16_t port;
	int v = open_datagram(rx, pk, got, &port);

	(void)sink;
	if (v != GW_XF_OK)
		return v;
	if (port == (uint16_t)(rx->port + 1))
		return GW_XF_HELD;	/* RTCP, which has no other way here: it is authentic and goes nowhere */
	if (port != rx->port)
		return GW_XF_MALFORMED;
	if (rtp_peek(pk->p, pk->len, &r) == 0) {
		got->source = r.ssrc;
		got->index = extend(rx, &r);
	}
	return GW_XF_OK;
}

static int
unprotect_rtcp(struct gw_rx *rx, struct gw_pk *pk, struct gw_rx_got *got)
{
	uint16_t port;
	int v = open_datagram(rx, pk, got, &port);

	return v != GW_XF_OK ? v : port == (uint16_t)(rx->port + 1) ? GW_XF_OK : GW_XF_MALFORMED;
}

/* What is in clear is UDP, and comes on another socket. */
static bool
in_clear(const struct gw_rx *rx, const struct gw_pk *pk)
{
	(void)rx;
	(void)pk;
	return false;
}

/* ---- self-test --------------------------------------------------------------------------------------------------------------- */

struct vector {
	const char *name;
	uint8_t id[4], tek[16], tak[20], iv[16];
	bool authenticated;
	uint8_t next;
	size_t plain_len, sealed_len;
	uint8_t plain[80], sealed[96];	/* sealed: what follows the IV */
};

/* RFC 3602 section 4, case 5; and the example of this project's reading of BCAST, which another program has recomputed. */
static const struct vector vectors[] = {
	{ "RFC 3602 case 5", { 0x00, 0x00, 0x43, 0x21 },
	    { 0x90, 0xd3, 0x82, 0xb4, 0x10, 0xee, 0xba, 0x7a, 0xd9, 0x38, 0xc4, 0x6c, 0xec, 0x1a, 0x82, 0xbf },
	    { 0 },
	    { 0xe9, 0x6e, 0x8c, 0x08, 0xab, 0x46, 0x57, 0x63, 0xfd, 0x09, 0x8d, 0x45, 0xdd, 0x3f, 0xf8, 0x93 },
	    false, 1, 64, 80,
	    { 0x08, 0x00, 0x0e, 0xbd, 0xa7, 0x0a, 0x00, 0x00, 0x8e, 0x9c, 0x08, 0x3d, 0xb9, 0x5b, 0x07, 0x00,
	    0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
	    0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27,
	    0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37 },
	    { 0xf6, 0x63, 0xc2, 0x5d, 0x32, 0x5c, 0x18, 0xc6, 0xa9, 0x45, 0x3e, 0x19, 0x4e, 0x12, 0x08, 0x49,
	    0xa4, 0x87, 0x0b, 0x66, 0xcc, 0x6b, 0x99, 0x65, 0x33, 0x00, 0x13, 0xb4, 0x89, 0x8d, 0xc8, 0x56,
	    0xa4, 0x69, 0x9e, 0x52, 0x3a, 0x55, 0xdb, 0x08, 0x0b, 0x59, 0xec, 0x3a, 0x8e, 0x4b, 0x7e, 0x52,
	    0x77, 0x5b, 0x07, 0xd1, 0xdb, 0x34, 0xed, 0x9c, 0x53, 0x8a, 0xb5, 0x0c, 0x55, 0x1b, 0x87, 0x4a,
	    0xa2, 0x69, 0xad, 0xd0, 0x47, 0xad, 0x2d, 0x59, 0x13, 0xac, 0x19, 0xb7, 0xcf, 0xba, 0xd4, 0xa6 } },
	{ "with HMAC-SHA1-96", { 0x80, 0x01, 0x00, 0x05 },
	    { 0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x22, 0x22, 0x33, 0x33, 0x33, 0x33, 0x44, 0x44, 0x44, 0x44 },
	    { 0xd3, 0x44, 0x12, 0x81, 0xf9, 0x48, 0x93, 0x50, 0xe8, 0x94, 0x35, 0xb2, 0x83, 0x12, 0xc1, 0x15,
	    0xb5, 0x1a, 0xb2, 0x85 },
	    { 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f },
	    true, 17, 42, 60,
	    { 0x13, 0x88, 0x13, 0x8c, 0x00, 0x2a, 0x00, 0x00, 0x42, 0x43, 0x41, 0x53, 0x54, 0x20, 0x45, 0x53,
	    0x50, 0x20, 0x74, 0x65, 0x73, 0x74, 0x20, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64, 0x20, 0x28,
	    0x33, 0x34, 0x20, 0x6f, 0x63, 0x74, 0x65, 0x74, 0x73, 0x29 },
	    { 0x7a, 0xdd, 0x82, 0xa1, 0x88, 0x55, 0xcc, 0xbc, 0x43, 0x65, 0x68, 0x1c, 0x60, 0x4c, 0x4b, 0xea,
	    0x35, 0xd1, 0xd2, 0x93, 0xac, 0x98, 0x17, 0x08, 0xcd, 0x70, 0xc5, 0x79, 0x2a, 0x46, 0xf4, 0x52,
	    0xe7, 0xe3, 0x8b, 0x37, 0x02, 0xfa, 0xb6, 0x5a, 0x50, 0xd0, 0x4a, 0x17, 0x85, 0x71, 0x85, 0x45,
	    0x72, 0x80, 0x61, 0xb4, 0xe7, 0xcf, 0xa2, 0xa3, 0x90, 0x98, 0x48, 0xbc } },
};

static int
hold(const struct vector *x, struct gw_burst *b, struct gw_err *err)
{
	struct gw_material m = { .id_len = 4, .tek = x->tek, .tak = x->tak, .authenticated = x->authenticated };
	struct gw_tx *tx = tx_new(&(struct gw_tx_conf){ .marks = NULL }, err);
	struct gw_rx *rx = rx_new(&(struct gw_rx_conf){ .port = 0 }, err);
	uint8_t room[GW_XF_HEAD + sizeof(x->plain) + GW_XF_TAIL], next = 0;
	struct gw_pk pk = { room + GW_XF_HEAD, x->plain_len };
	struct gw_rx_got got;
	struct gw_xkey *k = NULL;
	bool good;

	memcpy(m.id, x->id, 4);
	memcpy(pk.p, x->plain, x->plain_len);
	good = tx && rx && rx_key(rx, &m, err) == 0 && (k = key_new(tx, &m, err)) != NULL;
	if (good) {
		use(tx, k);
		good = gw_esp_protect_payload(tx, &pk, x->next, x->iv, b) == GW_XF_OK;
		gw_burst_run(b);
		good = good && pk.len == ESP_BEFORE + x->sealed_len && memcmp(pk.p + ESP_BEFORE, x->sealed, x->sealed_len) == 0 &&
		    gw_esp_open(rx, &pk, &next, &got) == GW_XF_OK && next == x->next && pk.len == x->plain_len &&
		    memcmp(pk.p, x->plain, x->plain_len) == 0;
	}
	tx_free(tx);
	rx_free(rx);
	return good ? 0 : gw_fail(err, GW_ECRYPTO, "%s does not hold", x->name);
}

static int
self_test(struct gw_err *err)
{
	struct gw_burst *b = gw_burst_new(GW_BURST_AUTO, err);
	int rc = b ? 0 : -1;

	for (size_t i = 0; rc == 0 && i < sizeof(vectors) / sizeof(vectors[0]); i++)
		rc = hold(&vectors[i], b, err);
	gw_burst_free(b);
	return rc;
}

const struct gw_transform gw_transform_esp = {
	.name = "ipsec", .protection = 0, .tek = GW_AES_KEY, .salt = 0, .id_min = 4, .id_max = 4, .authenticates = true,
	.overhead = IP_V6_HEADER + IP_UDP_HEADER + ESP_BEFORE + ESP_BLOCK - 1 + ESP_TRAILER + ESP_ICV,
	.marks_len = marks_len, .tx_new = tx_new, .tx_free = tx_free, .medium_new = medium_new, .medium_free = medium_free,
	.key_new = key_new, .key_free = key_free, .use = use, .protect = protect, .protect_rtcp = protect_rtcp,
	.rx_new = rx_new, .rx_free = rx_free, .rx_key = rx_key, .rx_drop = rx_drop, .unprotect = unprotect,
	.unprotect_rtcp = unprotect_rtcp, .in_clear = in_clear, .self_test = self_test,
};
