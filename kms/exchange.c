/* kms/exchange.c: see exchange.h */
#include "kms/exchange.h"
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"
#include "lib/secret.h"

enum { RAND = 16, AUTN = 16, AUTS = 14, NONCE_MAX = 4 * 64, RETRY_MAX_S = 3600 };

static enum exchange_verdict fail(struct exchange *, enum exchange_verdict, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static enum exchange_verdict
fail(struct exchange *x, enum exchange_verdict verdict, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(x->why, sizeof(x->why), fmt, ap);
	va_end(ap);
	return verdict;
}

/* The path and query of a URL: what Digest calls the uri. NULL: it is no URL. */
static const char *
uri_of(const char *url)
{
	const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;

	if (!host)
		return NULL;
	return path ? path : "/";
}

/* "3GPP-bootstrapping@NAF" (3.3), or the BSF. */
static void
realm_of(const struct exchange *x, char *out, size_t cap)
{
	if (x->bootstrap)
		snprintf(out, cap, "%s", x->usim->bsf);
	else
		snprintf(out, cap, "3GPP-bootstrapping@%s", x->usim->naf);
}

static void
head(struct exchange *x, bool authorization)
{
	size_t n = 0;

	x->headers[n++] = x->agent;
	if (x->content_type)
		x->headers[n++] = x->type;
	if (authorization)
		x->headers[n++] = x->header;
	x->headers[n] = NULL;
	x->sends++;
}

/* Credentials of x->sent, whose nonce is set, into the header. password NULL: a synchronisation failure has none. */
static enum exchange_verdict
prove(struct exchange *x, const void *password, size_t len)
{
	static const char name[] = "Authorization: ";
	struct digest_credentials *c = &x->sent;
	uint8_t random[16];

	gw_random(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(c->cnonce + 2 * i, 3, "%02x", random[i]);
	c->nc = 1;
	snprintf(c->nc_text, sizeof(c->nc_text), "%08x", 1u);
	c->qop = DIGEST_AUTH_INT;
	memcpy(x->header, name, sizeof(name));
	if (digest_response(c, password, len, x->method, x->body, x->len, c->response) < 0 ||
	    digest_credentials_print(c, x->header + sizeof(name) - 1, sizeof(x->header) - sizeof(name) + 1) == 0)
		return fail(x, EX_FAILED, "the credentials cannot be made");
	x->proven = true;
	head(x, true);
	return EX_SEND;
}

static void
set_name(struct exchange *x, const char *username)
{
	snprintf(x->sent.username, sizeof(x->sent.username), "%s", username);
	realm_of(x, x->sent.realm, sizeof(x->sent.realm));
	snprintf(x->sent.uri, sizeof(x->sent.uri), "%s", x->uri);
}

int
exchange_bootstrap(struct exchange *x, const struct usim *u, struct exchange_keys *keys, uint8_t sqn[6], const char *url)
{
	*x = (struct exchange){ .usim = u, .keys = keys, .bootstrap = true, .method = "GET", .url = url, .uri = uri_of(url), .body = "", .sqn = sqn,
		.username = u->impi };
	if (!x->uri || strlen(url) >= EXCHANGE_URL)
		return -1;
	/* "3gpp-gba-uicc": the card itself knows GBA */
	snprintf(x->agent, sizeof(x->agent), "User-Agent: simulgate-terminal/%s %s", PACKAGE_VERSION, u->gba_me ? "3gpp-gba" : "3gpp-gba-uicc");
	set_name(x, u->impi);
	x->sent.algorithm = DIGEST_AKA;
	/* who it is, with nothing proven yet (RFC 3310, TS 33.220) */
	snprintf(x->header, sizeof(x->header), "Authorization: Digest username=\"%s\", realm=\"%s\", nonce=\"\", uri=\"%s\", response=\"\"",
	    x->sent.username, x->sent.realm, x->sent.uri);
	head(x, true);
	return 0;
}

/* What the request is, is in x. */
static int
under_srk(struct exchange *x, const uint8_t srk[32], const char *nonce)
{
	struct exchange_keys *keys = x->keys;
	char password[EXCHANGE_PASSWORD];

	x->uri = uri_of(x->url);
	if (!x->uri || strlen(x->url) >= EXCHANGE_URL)
		return -1;
	snprintf(x->agent, sizeof(x->agent), "User-Agent: simulgate-terminal/%s", PACKAGE_VERSION);
	keys->len = digest_srk_password(srk, password);
	memcpy(keys->password, password, sizeof(keys->password));
	gw_cleanse(password, sizeof(password));
	set_name(x, x->username);
	if (nonce[0]) {
		snprintf(x->sent.nonce, sizeof(x->sent.nonce), "%s", nonce);
		return prove(x, keys->password, keys->len) == EX_SEND ? 0 : -1;
	}
	head(x, false);
	return 0;
}

int
exchange_post(struct exchange *x, const struct usim *u, struct exchange_keys *keys, const char *btid, const uint8_t srk[32], const char *url,
    const char *content_type, const char *body, const char *nonce)
{
	*x = (struct exchange){ .usim = u, .keys = keys, .method = "POST", .url = url, .content_type = content_type, .body = body, .len = strlen(body),
		.username = btid };
	snprintf(x->type, sizeof(x->type), "Content-Type: %s", content_type);
	return under_srk(x, srk, nonce);
}

int
exchange_get(struct exchange *x, const struct usim *u, struct exchange_keys *keys, const char *btid, const uint8_t srk[32], const char *url,
    const char *nonce)
{
	*x = (struct exchange){ .usim = u, .keys = keys, .method = "GET", .url = url, .body = "", .username = btid };
	return under_srk(x, srk, nonce);
}

/* ---- what is answered to a challenge ---- */

/* RAND || AUTN [|| what the server wants to see again], in base64. */
static int
take_nonce(const char *nonce, uint8_t rand[RAND], uint8_t autn[AUTN])
{
	uint8_t raw[NONCE_MAX / 4 * 3];
	size_t n = strlen(nonce);

	if (n > NONCE_MAX || n % 4 != 0 || n < 44 || EVP_DecodeBlock(raw, (const unsigned char *)nonce, (int)n) < RAND + AUTN)
		return -1;
	memcpy(rand, raw, RAND);
	memcpy(autn, raw + RAND, AUTN);
	return 0;
}

static enum exchange_verdict
resynchronise(struct exchange *x, const uint8_t auts[AUTS])
{
	if (x->resynced)
		return fail(x, EX_FAILED, "the BSF does not follow the card's sequence number");
	x->resynced = true;
	EVP_EncodeBlock((unsigned char *)x->sent.auts, auts, AUTS);
	return prove(x, "", 0);
}

/* The card answers: RES is the password (RFC 3310). */
static enum exchange_verdict
answer_aka(struct exchange *x)
{
	const struct usim *u = x->usim;
	struct gba_vector *v = &x->keys->vector;
	uint8_t rand[RAND], autn[AUTN], auts[AUTS];

	if (x->proven && !x->sent.auts[0])
		return fail(x, EX_FAILED, "the BSF does not take the card's answer");
	if (take_nonce(x->sent.nonce, rand, autn) < 0)
		return fail(x, EX_FAILED, "the BSF's nonce holds no RAND and AUTN");
	x->sent.auts[0] = '\0';
	switch (gba_answer(u->k.p, u->opc.p, u->amf, rand, autn, u->mac_star, x->sqn, v, auts)) {
	case GBA_OK:
		break;
	case GBA_SYNC:
		return resynchronise(x, auts);
	case GBA_BAD_MAC:
		return fail(x, EX_FAILED, "the BSF does not know the card's key: the MAC in AUTN is wrong");
	case GBA_FAILED:
		return fail(x, EX_FAILED, "MILENAGE cannot be computed");
	}
	memcpy(x->keys->password, v->res, sizeof(v->res));
	x->keys->len = sizeof(v->res);
	return prove(x, x->keys->password, x->keys->len);
}

static enum exchange_verdict
challenged(struct exchange *x, const char *header)
{
	struct digest_challenge c;
	char realm[DIGEST_REALM];

	if (!header || digest_challenge_parse(header, &c) < 0)
		return fail(x, EX_FAILED, "401 without a Digest challenge that can be read");
	realm_of(x, realm, sizeof(realm));
	if (strcmp(c.realm, realm) != 0)
		return fail(x, EX_FAILED, "the challenge is of realm %.80s, not of %.120s", c.realm, realm);
	if (!c.auth_int || c.algorithm != (x->bootstrap ? DIGEST_AKA : DIGEST_MD5))
		return fail(x, EX_FAILED, "the challenge offers no auth-int, or another algorithm");
	if (!x->bootstrap && x->proven && x->fresh && !c.stale)
		return fail(x, EX_UNKNOWN, "the B-TID is not known, or not any more");
	if (x->sends >= EXCHANGE_SENDS)
		return fail(x, EX_FAILED, "challenged again and again");
	snprintf(x->sent.nonce, sizeof(x->sent.nonce), "%s", c.nonce);
	snprintf(x->sent.opaque, sizeof(x->sent.opaque), "%s", c.opaque);
	x->fresh = true;
	return x->bootstrap ? answer_aka(x) : prove(x, x->keys->password, x->keys->len);
}

/* ---- the answer ---- */

static enum exchange_verdict
answered(struct exchange *x, const struct exchange_reply *r)
{
	if (!x->proven || x->sent.auts[0] || !r->info ||
	    !digest_info_right(r->info, &x->sent, x->keys->password, x->keys->len, r->body, r->len, x->next_nonce)) {
		x->next_nonce[0] = '\0';
		return fail(x, EX_FAILED, "the server has not proven that it knows the key (rspauth)");
	}
	return EX_DONE;
}

enum exchange_verdict
exchange_reply(struct exchange *x, const struct exchange_reply *r)
{
	char *end;
	unsigned long s;

	switch (r->status) {
	case 0:
		return fail(x, EX_FAILED, "%s", r->error ? r->error : "no answer");
	case 200:
		return answered(x, r);
	case 401:
		return challenged(x, r->challenge);
	case 503:
		s = r->retry_after ? strtoul(r->retry_after, &end, 10) : 0;
		if (r->retry_after && end != r->retry_after && *end == '\0')	/* a date is not looked at */
			x->retry_after_s = s < RETRY_MAX_S ? (unsigned)s : RETRY_MAX_S;
		return fail(x, EX_LATER, "503: later");
	default:
		return fail(x, EX_FAILED, "HTTP status %u", r->status);
	}
}
