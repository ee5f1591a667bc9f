/*
 * tests/unit/bsm_client.h: a store with a subscriber and services in it, and a terminal's half of Digest, for tests of the BSM's doors.
 * Keys and identities are those of mikey-vectors.json V01 to V03.
 */
#ifndef TESTS_UNIT_BSM_CLIENT_H
#define TESTS_UNIT_BSM_CLIENT_H
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "bsm/regd.h"
#include "kms/digest.h"
#include "kms/gba.h"
#include "kms/store.h"

#define IMPI "001010123456789@ims.mnc001.mcc001.3gppnetwork.org"
#define BSF "bsf.mnc001.mcc001.pub.3gppnetwork.org"
#define BTID "I1U8vpY3qJ0hiuZNrke/NQ==@" BSF
#define NAF "bsm.example.net"
#define REALM "3GPP-bootstrapping@" NAF
#define REGISTER_URI "/keymanagement?requesttype=register"
static const int64_t NOW = INT64_C(1795300000000000), SECOND = 1000000;

static const uint8_t bsm_k[16] = { 0x46, 0x5b, 0x5c, 0xe8, 0xb1, 0x99, 0xb4, 0x9f, 0xaa, 0x5f, 0x0a, 0x2e, 0xe2, 0x38, 0xa6, 0xbc };
static const uint8_t bsm_opc[16] = { 0xcd, 0x63, 0xcb, 0x71, 0x95, 0x4a, 0x9f, 0x4e, 0x48, 0xa5, 0x99, 0x4e, 0x37, 0xa0, 0x2b, 0xaf };
static const uint8_t bsm_srk[32] = { 0xb5, 0xb9, 0x97, 0x0f, 0xce, 0x93, 0xe9, 0x5b, 0xcc, 0xdf, 0x49, 0x3f, 0x7d, 0x18, 0xdc, 0x75,
	0x5e, 0xdb, 0xa1, 0xc1, 0x5b, 0xbd, 0xba, 0x60, 0x4e, 0x5a, 0xe4, 0x13, 0xa0, 0x00, 0x6e, 0x31 };
static const uint8_t bsm_domain[3] = { 0x00, 0xf1, 0x10 };

/* What the events were told, in the order of their coming. */
static char bsm_told[512];
static inline void
bsm_tell(const char *what, int64_t a, int64_t b)
{
	size_t n = strlen(bsm_told);

	snprintf(bsm_told + n, sizeof(bsm_told) - n, "%s %lld %lld; ", what, (long long)a, (long long)b);
}
static inline void bsm_on_registered(void *self, int64_t sub, int64_t now) { (void)self, (void)now; bsm_tell("registered", sub, 0); }
static inline void bsm_on_deregistered(void *self, int64_t sub, int64_t now) { (void)self, (void)now; bsm_tell("deregistered", sub, 0); }
static inline void bsm_on_wanted(void *self, int64_t sub, int64_t key, int64_t now) { (void)self, (void)now; bsm_tell("wanted", sub, key); }
static inline void
bsm_on_subscription(void *self, const struct kms_subscription *s, int64_t now)
{
	(void)self, (void)now;
	bsm_tell("subscription", s->id, s->state);
}
static const struct bsm_events bsm_listener = { NULL, bsm_on_registered, bsm_on_deregistered, bsm_on_wanted, bsm_on_subscription };

static inline void
bsm_must(int right)
{
	if (!right)
		abort();
}

static struct kms_store *
bsm_store(const char *path)
{
	struct kms_store_conf conf = { .path = path, .create = true };
	struct kms_store *s = NULL;
	struct gw_err err = { 0 };

	if (kms_store_open(&conf, &s, &err) < 0)
		fprintf(stderr, "%s: %s\n", path, err.text);
	bsm_must(s != NULL);
	return s;
}

static inline int64_t
bsm_subscriber(struct kms_store *s, const char *name, const char *impi)
{
	struct kms_subscriber sub = { .provision = KMS_MILENAGE, .amf = { 0xb9, 0xb9 }, .sqn = { 0, 0, 0, 0, 1, 0 } };
	int64_t id = 0;

	snprintf(sub.name, sizeof(sub.name), "%s", name);
	snprintf(sub.impi, sizeof(sub.impi), "%s", impi);
	memcpy(sub.k, bsm_k, 16);
	memcpy(sub.opc, bsm_opc, 16);
	bsm_must(kms_subscriber_put(s, &sub, &id) == GW_WON);
	return id;
}

static inline void
bsm_context(struct kms_store *s, int64_t sub, const char *btid, int64_t expires_us)
{
	struct kms_gba g = { .sub = sub, .since_us = NOW - SECOND, .expires_us = expires_us, .live = true };

	snprintf(g.btid, sizeof(g.btid), "%s", btid);
	memcpy(g.srk, bsm_srk, 32);
	memset(g.smk, 0x22, 32);
	bsm_must(kms_gba_put(s, &g) == GW_WON);
}

/* Named NAME, sold as urn:example:pi:NAME urn:example:pd:monthly. */
static inline struct kms_service
bsm_service(struct kms_store *s, const char *name)
{
	struct kms_service v = { .crypto_period_ms = 10000 };

	snprintf(v.name, sizeof(v.name), "%s", name);
	snprintf(v.item, sizeof(v.item), "urn:example:pi:%s", name);
	snprintf(v.reference, sizeof(v.reference), "urn:example:pd:monthly");
	memcpy(v.domain, bsm_domain, 3);
	bsm_must(kms_service_put(s, &v) == GW_WON);
	return v;
}

static inline int64_t
bsm_buy(struct kms_store *s, int64_t sub, int64_t service, int64_t until_us)
{
	struct kms_subscription p = { .sub = sub, .service = service, .kind = KMS_SEK, .from_us = NOW - SECOND, .until_us = until_us, .source = "portal" };
	int64_t id = 0;

	bsm_must(kms_subscription_put(s, &p, &id) == GW_WON);
	return id;
}

/* A SEK that is in use from CP 1 on. */
static inline struct kms_key
bsm_key(struct kms_store *s, const struct kms_service *v, bool in_use)
{
	struct kms_key k = { .service = v->id, .kind = KMS_SEK, .group = v->group[KMS_SEK], .lower = 0, .upper = 65535, .first_cp = -1 };
	uint16_t cp;

	memcpy(k.domain, bsm_domain, 3);
	bsm_must(kms_key_put(s, &k) == GW_WON);
	if (in_use)
		bsm_must(kms_key_use(s, k.id, 1, &cp) == GW_WON);
	return k;
}

/* ---- requests ---- */

static struct sockaddr_in bsm_peer = { .sin_family = AF_INET };

/* uri: path and query; type, body: NULL: none. Lent: uri, type, body. */
static inline struct door_request
bsm_ask(const char *method, const char *uri, const char *type, const char *body, int64_t now_us)
{
	static char path[4][600];
	static unsigned turn;
	struct door_request q = { .method = method, .uri = uri, .query = strchr(uri, '?') ? strchr(uri, '?') + 1 : "", .content_type = type ? type : "",
		.body = (const uint8_t *)(body ? body : ""), .body_len = body ? strlen(body) : 0, .now_us = now_us };
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%.*s", (int)strcspn(uri, "?"), uri);
	q.path = p;
	bsm_peer.sin_addr.s_addr = htonl(0xc0000207);	/* 192.0.2.7 */
	q.peer = (const struct sockaddr *)&bsm_peer;
	return q;
}

/* A terminal: what it says next, by the last challenge. */
struct bsm_client { struct digest_credentials c; char password[64]; size_t len; char header[DIGEST_HEADER]; };

static inline const char *
bsm_header(const struct door_answer *a, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; a->headers[i] != NULL; i++)
		if (strncmp(a->headers[i], name, len) == 0 && a->headers[i][len] == ':')
			return a->headers[i] + len + 2;
	return NULL;
}

static inline void
bsm_client(struct bsm_client *t, const char *username, const void *password, size_t len)
{
	memset(t, 0, sizeof(*t));
	snprintf(t->c.username, sizeof(t->c.username), "%s", username);
	snprintf(t->c.cnonce, sizeof(t->c.cnonce), "0a4f113b");
	t->c.qop = DIGEST_AUTH_INT;
	memcpy(t->password, password, len);
	t->len = len;
}

/* Takes a challenge in; false: the answer has none. */
static inline bool
bsm_challenged(struct bsm_client *t, const struct door_answer *a, struct digest_challenge *d)
{
	const char *h = bsm_header(a, "www-authenticate");

	if (a->status != 401 || h == NULL || digest_challenge_parse(h, d) < 0)
		return false;
	snprintf(t->c.realm, sizeof(t->c.realm), "%s", d->realm);
	snprintf(t->c.nonce, sizeof(t->c.nonce), "%s", d->nonce);
	snprintf(t->c.opaque, sizeof(t->c.opaque), "%s", d->opaque);
	t->c.algorithm = d->algorithm;
	t->c.nc = 0;
	return true;
}

static inline void
bsm_nc(struct bsm_client *t, uint32_t nc)
{
	t->c.nc = nc;
	snprintf(t->c.nc_text, sizeof(t->c.nc_text), "%08x", nc);
}

/* Signs the request as it stands, nc and all. */
static inline void
bsm_sign_again(struct bsm_client *t, struct door_request *q)
{
	snprintf(t->c.uri, sizeof(t->c.uri), "%s", q->uri);
	bsm_must(digest_response(&t->c, t->password, t->len, q->method, q->body, q->body_len, t->c.response) == 0);
	bsm_must(digest_credentials_print(&t->c, t->header, sizeof(t->header)) > 0);
	q->authorization = t->header;
}

static inline void
bsm_sign(struct bsm_client *t, struct door_request *q)
{
	bsm_nc(t, t->c.nc + 1);
	bsm_sign_again(t, q);
}

/* One request in a group of its own. */
static inline enum gw_outcome
bsm_do(struct regd *r, struct kms_store *s, const struct door_request *q, struct door_answer *a)
{
	enum gw_outcome o, kept;

	kms_store_begin(s);
	o = regd_request(r, q, a);
	kept = kms_store_flush(s);
	return o == GW_WON ? kept : o;
}
#endif
