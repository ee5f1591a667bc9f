/* kms/digest.c: see digest.h */
#include "kms/digest.h"
#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "lib/hex.h"
#include "lib/secret.h"
#include "proto/say.h"

enum { MD5 = 16, NC = 8, RESPONSE = DIGEST_HEX - 1, NAME_MAX_LEN = 24 };

static const char *const qops[] = { "", "auth", "auth-int" };
static const char *const algorithms[] = { "MD5", "AKAv1-MD5" };
enum { QOPS = sizeof(qops) / sizeof(qops[0]), ALGORITHMS = sizeof(algorithms) / sizeof(algorithms[0]) };

/* --- reading: a list of name=value, where value is a token or a quoted string (RFC 2617 1.2, RFC 7235 2.1) -------------- */

struct field { const char *name; char *to; size_t cap; bool seen; };

static const char *
skip_space(const char *p)
{
	return p + strspn(p, " \t");
}

/* One value, unquoted. Past it, or NULL: too long, a control character, or no end. */
static const char *
take_value(const char *p, char *to, size_t cap)
{
	bool quoted = *p == '"';
	size_t n = 0;

	for (p += quoted; quoted ? *p != '"' : *p && !strchr(" \t,\"", *p); p++) {
		if (quoted && *p == '\\')
			p++;
		if (iscntrl((unsigned char)*p) || n + 1 >= cap)	/* NUL is one of them */
			return NULL;
		to[n++] = *p;
	}
	to[n] = '\0';
	return quoted || n ? p + quoted : NULL;
}

/* All of them; what no field asks for is checked and dropped. 0, or -1: malformed, or one of ours stands twice. */
static int
take_fields(const char *p, struct field *fields, size_t nfields)
{
	char drop[2 * DIGEST_TEXT];

	for (size_t k = 0; k < nfields; k++)
		fields[k].to[0] = '\0';
	for (p = skip_space(p); *p; p = skip_space(p)) {
		size_t n = strcspn(p, " \t=,\""), k = 0;
		struct field *f = &(struct field){ "", drop, sizeof(drop), false };

		if (*p == ',') {	/* empty elements are no fault */
			p++;
			continue;
		}
		for (; k < nfields; k++)
			if (strlen(fields[k].name) == n && strncasecmp(fields[k].name, p, n) == 0)
				f = &fields[k];
		p = skip_space(p + n);
		if (n == 0 || *p != '=' || f->seen)
			return -1;
		p = take_value(skip_space(p + 1), f->to, f->cap);
		f->seen = true;
		p = p ? skip_space(p) : NULL;
		if (!p || (*p && *p != ','))
			return -1;
	}
	return 0;
}

/* Past "Digest", or NULL: another scheme. */
static const char *
after_scheme(const char *header)
{
	static const char scheme[] = "Digest";
	const char *p = skip_space(header);

	return strncasecmp(p, scheme, sizeof(scheme) - 1) == 0 && strchr(" \t", p[sizeof(scheme) - 1]) && p[sizeof(scheme) - 1] ?
	    p + sizeof(scheme) : NULL;
}

/* The number of a word; none: -1. */
static int
word_of(const char *word, const char *const *words, size_t n)
{
	for (size_t k = 0; k < n; k++)
		if (strcasecmp(word, words[k]) == 0)
			return (int)k;
	return -1;
}

int
digest_credentials_parse(const char *header, struct digest_credentials *c)
{
	char qop[NAME_MAX_LEN], algorithm[NAME_MAX_LEN];
	enum { USER, REALM, NONCE, URI, RESPONSE_, REQUIRED, CNONCE = REQUIRED, OPAQUE, AUTS, COUNT, QOP, ALGORITHM, FIELDS };
	struct field f[FIELDS] = {
		[USER] = { "username", c->username, sizeof(c->username), false }, [REALM] = { "realm", c->realm, sizeof(c->realm), false },
		[NONCE] = { "nonce", c->nonce, sizeof(c->nonce), false }, [URI] = { "uri", c->uri, sizeof(c->uri), false },
		[RESPONSE_] = { "response", c->response, sizeof(c->response), false },
		[CNONCE] = { "cnonce", c->cnonce, sizeof(c->cnonce), false }, [OPAQUE] = { "opaque", c->opaque, sizeof(c->opaque), false },
		[AUTS] = { "auts", c->auts, sizeof(c->auts), false }, [COUNT] = { "nc", c->nc_text, sizeof(c->nc_text), false },
		[QOP] = { "qop", qop, sizeof(qop), false }, [ALGORITHM] = { "algorithm", algorithm, sizeof(algorithm), false },
	};
	const char *p = after_scheme(header);
	uint8_t nc[NC / 2], response[MD5];

	memset(c, 0, sizeof(*c));
	if (!p || take_fields(p, f, FIELDS) < 0)
		return -1;
	for (size_t k = 0; k < REQUIRED; k++)
		if (!f[k].seen)
			return -1;
	int q = f[QOP].seen && !qop[0] ? -1 : word_of(qop, qops, QOPS), a = f[ALGORITHM].seen ? word_of(algorithm, algorithms, ALGORITHMS) : DIGEST_MD5;
	if (q < 0 || a < 0 || (f[COUNT].seen && (strlen(c->nc_text) != NC || gw_unhex(c->nc_text, nc, sizeof(nc)) != NC / 2)))
		return -1;
	/* A quality of protection needs its count and the client's nonce; a response is empty (Ub, 3.1) or whole. */
	if (q != DIGEST_NONE && c->response[0] && (!f[COUNT].seen || !c->cnonce[0]))
		return -1;
	if (c->response[0] && (strlen(c->response) != RESPONSE || gw_unhex(c->response, response, sizeof(response)) != MD5))
		return -1;
	if (c->response[0])
		gw_hex(response, MD5, c->response, sizeof(c->response));	/* in lower case */
	if (f[COUNT].seen)
		c->nc = (uint32_t)nc[0] << 24 | (uint32_t)nc[1] << 16 | (uint32_t)nc[2] << 8 | nc[3];
	c->qop = (enum digest_qop)q;
	c->algorithm = (enum digest_algorithm)a;
	return 0;
}

int
digest_challenge_parse(const char *header, struct digest_challenge *c)
{
	char qop[NAME_MAX_LEN * 4], algorithm[NAME_MAX_LEN], stale[NAME_MAX_LEN];
	enum { REALM, NONCE, OPAQUE, QOP, ALGORITHM, STALE, FIELDS };
	struct field f[FIELDS] = {
		[REALM] = { "realm", c->realm, sizeof(c->realm), false }, [NONCE] = { "nonce", c->nonce, sizeof(c->nonce), false },
		[OPAQUE] = { "opaque", c->opaque, sizeof(c->opaque), false }, [QOP] = { "qop", qop, sizeof(qop), false },
		[ALGORITHM] = { "algorithm", algorithm, sizeof(algorithm), false }, [STALE] = { "stale", stale, sizeof(stale), false },
	};
	const char *p = after_scheme(header);
	char *rest = qop;

	memset(c, 0, sizeof(*c));
	if (!p || take_fields(p, f, FIELDS) < 0 || !f[REALM].seen || !f[NONCE].seen)
		return -1;
	int a = f[ALGORITHM].seen ? word_of(algorithm, algorithms, ALGORITHMS) : DIGEST_MD5;
	if (a < 0)
		return -1;
	for (char *word; (word = strtok_r(rest, ", \t", &rest)) != NULL;) {	/* others than these two are no fault */
		c->auth |= strcasecmp(word, qops[DIGEST_AUTH]) == 0;
		c->auth_int |= strcasecmp(word, qops[DIGEST_AUTH_INT]) == 0;
	}
	c->algorithm = (enum digest_algorithm)a;
	c->stale = strcasecmp(stale, "true") == 0;
	return 0;
}

/* --- writing ---------------------------------------------------------------------------------------------------------- */

/* name="value", escaped; control characters cannot be said. */
static void
say_quoted(struct say *l, const char *name, const char *value, bool *bad)
{
	say(l, "%s%s=\"", l->len > sizeof("Digest") ? ", " : "", name);	/* a comma, but after the scheme */
	while (*value) {	/* in runs: a call a character was a seventh of a registration */
		size_t n = strcspn(value, "\"\\");

		for (size_t k = 0; k < n; k++)
			*bad |= iscntrl((unsigned char)value[k]) != 0;
		say(l, "%.*s", (int)n, value);
		value += n;
		if (*value)
			say(l, "\\%c", *value++);
	}
	say(l, "\"");
}

static size_t
said(const struct say *l, bool bad)
{
	return bad || l->len >= l->cap ? 0 : l->len;
}

size_t
digest_challenge_print(const struct digest_challenge *c, char *out, size_t cap)
{
	struct say l = { out, cap, 0 };
	bool bad = false;

	say(&l, "Digest ");
	say_quoted(&l, "realm", c->realm, &bad);
	say_quoted(&l, "nonce", c->nonce, &bad);
	if (c->opaque[0])
		say_quoted(&l, "opaque", c->opaque, &bad);
	if (c->stale)
		say(&l, ", stale=true");
	say(&l, ", algorithm=%s", algorithms[c->algorithm]);
	if (c->auth || c->auth_int)
		say(&l, ", qop=\"%s%s%s\"", c->auth ? qops[DIGEST_AUTH] : "", c->auth && c->auth_int ? "," : "",
		    c->auth_int ? qops[DIGEST_AUTH_INT] : "");
	return said(&l, bad);
}

/* As the client wrote it, since it is hashed so; ours is in lower case. */
static const char *
nc_of(const struct digest_credentials *c, char out[NC + 1])
{
	uint8_t nc[NC / 2];

	if (strlen(c->nc_text) == NC && gw_unhex(c->nc_text, nc, sizeof(nc)) == NC / 2 &&
	    ((uint32_t)nc[0] << 24 | (uint32_t)nc[1] << 16 | (uint32_t)nc[2] << 8 | nc[3]) == c->nc)
		return c->nc_text;
	snprintf(out, NC + 1, "%08x", (unsigned)c->nc);
	return out;
}

size_t
digest_credentials_print(const struct digest_credentials *c, char *out, size_t cap)
{
	struct say l = { out, cap, 0 };
	char nc[NC + 1];
	bool bad = false;

	say(&l, "Digest ");
	say_quoted(&l, "username", c->username, &bad);
	say_quoted(&l, "realm", c->realm, &bad);
	say_quoted(&l, "nonce", c->nonce, &bad);
	say_quoted(&l, "uri", c->uri, &bad);
	say_quoted(&l, "response", c->response, &bad);
	say(&l, ", algorithm=%s", algorithms[c->algorithm]);
	if (c->qop != DIGEST_NONE) {
		say(&l, ", qop=%s, nc=%s", qops[c->qop], nc_of(c, nc));
		say_quoted(&l, "cnonce", c->cnonce, &bad);
	}
	if (c->opaque[0])
		say_quoted(&l, "opaque", c->opaque, &bad);
	if (c->auts[0])
		say_quoted(&l, "auts", c->auts, &bad);
	return said(&l, bad);
}

void
digest_begin(struct digest_credentials *c, const struct digest_challenge *to)
{
	memset(c, 0, sizeof(*c));
	memcpy(c->realm, to->realm, sizeof(c->realm));
	memcpy(c->nonce, to->nonce, sizeof(c->nonce));
	memcpy(c->opaque, to->opaque, sizeof(c->opaque));
	c->algorithm = to->algorithm;
	c->qop = to->auth_int ? DIGEST_AUTH_INT : to->auth ? DIGEST_AUTH : DIGEST_NONE;
}

/* --- reckoning (RFC 2617 3.2.2, 3.2.3) -------------------------------------------------------------------------------- */

/* Fetched once a process: EVP_md5() and HMAC() look for them at every use, which costs more than the few blocks that are hashed here. */
static EVP_MD *md5, *sha256;
static CRYPTO_ONCE fetched = CRYPTO_ONCE_STATIC_INIT;

static void
fetch(void)
{
	md5 = EVP_MD_fetch(NULL, "MD5", NULL);
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static bool
have_hashes(void)
{
	return CRYPTO_THREAD_run_once(&fetched, fetch) == 1 && md5 && sha256;
}

struct part { const void *p; size_t len; };
static struct part
text(const char *s)
{
	return (struct part){ s, strlen(s) };
}

/* MD5 of the parts with a colon between any two, in hexadecimal digits. */
static int
hash(EVP_MD_CTX *c, const struct part *parts, size_t n, char out[DIGEST_HEX])
{
	uint8_t md[EVP_MAX_MD_SIZE];
	int ok = EVP_DigestInit_ex(c, md5, NULL);

	for (size_t k = 0; ok && k < n; k++)
		ok = (k == 0 || EVP_DigestUpdate(c, ":", 1)) && EVP_DigestUpdate(c, parts[k].p, parts[k].len);
	ok = ok && EVP_DigestFinal_ex(c, md, NULL);
	if (ok)
		gw_hex(md, MD5, out, DIGEST_HEX);
	gw_cleanse(md, sizeof(md));
	return ok ? 0 : -1;
}

/* method "": the server's, for rspauth. */
static int
reckon(const struct digest_credentials *c, const struct part password, const char *method, const struct part body, char out[DIGEST_HEX])
{
	char ha1[DIGEST_HEX], ha2[DIGEST_HEX], hb[DIGEST_HEX], nc[NC + 1];
	EVP_MD_CTX *m = EVP_MD_CTX_new();	/* one for all four */
	int rc = m && have_hashes() ? hash(m, (const struct part[]){ text(c->username), text(c->realm), password }, 3, ha1) : -1;

	if (rc == 0 && c->qop == DIGEST_AUTH_INT)
		rc = hash(m, &body, 1, hb);
	if (rc == 0)
		rc = hash(m, (const struct part[]){ text(method), text(c->uri), { hb, RESPONSE } }, c->qop == DIGEST_AUTH_INT ? 3 : 2, ha2);
	const struct part plain[] = { { ha1, RESPONSE }, text(c->nonce), { ha2, RESPONSE } };
	const struct part full[] = { { ha1, RESPONSE }, text(c->nonce), text(nc_of(c, nc)), text(c->cnonce), text(qops[c->qop]), { ha2, RESPONSE } };
	if (rc == 0)
		rc = c->qop == DIGEST_NONE ? hash(m, plain, 3, out) : hash(m, full, 6, out);
	EVP_MD_CTX_free(m);
	gw_cleanse(ha1, sizeof(ha1));
	return rc;
}

int
digest_response(const struct digest_credentials *c, const void *password, size_t len, const char *method, const void *body, size_t body_len,
    char out[DIGEST_HEX])
{
	return reckon(c, (struct part){ password, len }, method, (struct part){ body, body_len }, out);
}

bool
digest_right(const struct digest_credentials *c, enum digest_qop least, const void *password, size_t len, const char *method,
    const void *body, size_t body_len)
{
	char want[DIGEST_HEX];

	if (digest_response(c, password, len, method, body, body_len, want) < 0)
		return false;
	bool same = CRYPTO_memcmp(want, c->response, RESPONSE) == 0;
	gw_cleanse(want, sizeof(want));
	return same && c->qop >= least;
}

size_t
digest_info_print(const struct digest_credentials *c, const void *password, size_t len, const void *body, size_t body_len,
    const char *nextnonce, char *out, size_t cap)
{
	struct say l = { out, cap, 0 };
	char rspauth[DIGEST_HEX], nc[NC + 1];
	bool bad = false;

	if (digest_response(c, password, len, "", body, body_len, rspauth) < 0)
		return 0;
	if (c->qop != DIGEST_NONE)
		say(&l, "qop=%s, nc=%s", qops[c->qop], nc_of(c, nc));
	say_quoted(&l, "rspauth", rspauth, &bad);
	if (c->qop != DIGEST_NONE)
		say_quoted(&l, "cnonce", c->cnonce, &bad);
	if (nextnonce)
		say_quoted(&l, "nextnonce", nextnonce, &bad);
	return said(&l, bad);
}

bool
digest_info_right(const char *header, const struct digest_credentials *c, const void *password, size_t len, const void *body, size_t body_len,
    char nextnonce[DIGEST_TEXT])
{
	char rspauth[DIGEST_HEX], qop[NAME_MAX_LEN], nc[NC + 1], cnonce[DIGEST_TEXT], next[DIGEST_TEXT], want[DIGEST_HEX], ours[NC + 1];
	enum { RSPAUTH, QOP, COUNT, CNONCE, NEXT, FIELDS };
	struct field f[FIELDS] = {
		[RSPAUTH] = { "rspauth", rspauth, sizeof(rspauth), false }, [QOP] = { "qop", qop, sizeof(qop), false },
		[COUNT] = { "nc", nc, sizeof(nc), false }, [CNONCE] = { "cnonce", cnonce, sizeof(cnonce), false },
		[NEXT] = { "nextnonce", next, sizeof(next), false },
	};

	nextnonce[0] = '\0';
	if (take_fields(header, f, FIELDS) < 0 || strlen(rspauth) != RESPONSE ||
	    (f[QOP].seen && strcasecmp(qop, qops[c->qop]) != 0) || (f[CNONCE].seen && strcmp(cnonce, c->cnonce) != 0) ||
	    (f[COUNT].seen && strcasecmp(nc, nc_of(c, ours)) != 0) ||
	    digest_response(c, password, len, "", body, body_len, want) < 0 || CRYPTO_memcmp(want, rspauth, RESPONSE) != 0)
		return false;
	memcpy(nextnonce, next, sizeof(next));
	return true;
}

/* The SRK whole, as base64: a reading (3.3). */
size_t
digest_srk_password(const uint8_t srk[32], char out[45])
{
	return (size_t)EVP_EncodeBlock((unsigned char *)out, srk, 32);
}

/* --- nonces: time, random octets and a MAC over both and what they are bound to ----------------------------------------- */

enum { AGE = 8, RANDOM = 16, TAG = 18, NONCE = AGE + RANDOM + TAG, NONCE_TEXT = NONCE / 3 * 4, EXTRA_MAX = 512 };

/* HMAC-SHA256 (RFC 2104) of two parts under a key of 32 octets. */
static int
mac256(const uint8_t key[32], const struct part parts[2], uint8_t out[32])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t in[64], over[64];
	int ok;

	memset(in, 0x36, sizeof(in));
	memset(over, 0x5c, sizeof(over));
	for (size_t k = 0; k < 32; k++) {
		in[k] ^= key[k];
		over[k] ^= key[k];
	}
	ok = c && have_hashes() && EVP_DigestInit_ex(c, sha256, NULL) && EVP_DigestUpdate(c, in, sizeof(in)) && EVP_DigestUpdate(c, parts[0].p, parts[0].len) &&
	    EVP_DigestUpdate(c, parts[1].p, parts[1].len) && EVP_DigestFinal_ex(c, out, NULL) && EVP_DigestInit_ex(c, NULL, NULL) &&
	    EVP_DigestUpdate(c, over, sizeof(over)) && EVP_DigestUpdate(c, out, 32) && EVP_DigestFinal_ex(c, out, NULL);
	EVP_MD_CTX_free(c);
	gw_cleanse(in, sizeof(in));
	gw_cleanse(over, sizeof(over));
	return ok ? 0 : -1;
}

static int
nonce_tag(const uint8_t key[32], const uint8_t *head, const void *extra, size_t extra_len, uint8_t tag[TAG])
{
	const struct part parts[2] = { { head, AGE + RANDOM }, { extra, extra_len } };
	uint8_t md[32];

	if (extra_len > EXTRA_MAX || mac256(key, parts, md) < 0)
		return -1;
	memcpy(tag, md, TAG);
	return 0;
}

/* What is random in nonces, drawn for many at a time: the generator's door costs more than its octets. Each is given out once. */
static void
draw(uint8_t *out, size_t len)
{
	static _Thread_local uint8_t pool[64 * RANDOM];
	static _Thread_local size_t left;

	if (left < len) {
		gw_random(pool, sizeof(pool));
		left = sizeof(pool);
	}
	left -= len;
	memcpy(out, pool + left, len);
	memset(pool + left, 0, len);
}

size_t
digest_nonce_make(const uint8_t key[32], int64_t now_us, const void *extra, size_t extra_len, char *out, size_t cap)
{
	uint8_t n[NONCE];

	for (int k = 0; k < AGE; k++)
		n[k] = (uint8_t)((uint64_t)now_us >> (56 - 8 * k));
	draw(n + AGE, RANDOM);
	if (cap <= NONCE_TEXT || nonce_tag(key, n, extra, extra_len, n + AGE + RANDOM) < 0)
		return 0;
	return (size_t)EVP_EncodeBlock((unsigned char *)out, n, NONCE);
}

int64_t
digest_nonce_age(const uint8_t key[32], int64_t now_us, const char *nonce, const void *extra, size_t extra_len)
{
	uint8_t n[NONCE], tag[TAG];
	char again[NONCE_TEXT + 1];
	uint64_t made = 0;

	if (strlen(nonce) != NONCE_TEXT || EVP_DecodeBlock(n, (const unsigned char *)nonce, NONCE_TEXT) != NONCE)
		return -1;
	EVP_EncodeBlock((unsigned char *)again, n, NONCE);	/* one nonce has one text, or its nc could be spent twice */
	if (strcmp(again, nonce) != 0 || nonce_tag(key, n, extra, extra_len, tag) < 0 || CRYPTO_memcmp(tag, n + AGE + RANDOM, TAG) != 0)
		return -1;
	for (int k = 0; k < AGE; k++)
		made = made << 8 | n[k];
	return now_us > (int64_t)made ? now_us - (int64_t)made : 0;	/* another server's clock may be ahead */
}
