/* bsm/regd.c: which request is which, and who sent it: Digest under the SRK (bcast-smartcard-profile 3.3) */
#include "bsm/regd.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include "bsm/regd_int.h"
#include "lib/addr.h"

#define REGD_X(code, name, help) { name, help },
const struct regd_counter regd_counters[REGD_NCOUNTS] = { REGD_COUNTS(REGD_X) };
#undef REGD_X

static const char keys_note[] = "regd.keys";
const char regd_decoy_context[] = "regd.decoy.context", regd_decoy_card[] = "regd.decoy.card", regd_nobody[] = "regd.nobody";
static const char wrong_text[] = "not authenticated\n";

void
regd_note(struct regd *r, enum regd_count count, const struct door_request *q, const char *who, const char *why)
{
	char peer[64] = "-";

	r->counts[count]++;
	if (q->peer != NULL)
		gw_sockaddr_text(q->peer, peer, sizeof(peer));
	gw_log_limited(&r->log, GW_NOTICE, "request_refused", why, "reason=%s peer=%s user=%s", regd_counters[count].name, peer, who);
}

/* ---- up and down ---- */

/* One note holds all three keys; what decoys are as long as is anything. */
static enum gw_outcome
keys_of_store(struct regd *r)
{
	size_t len = sizeof(r->s->keys);
	enum gw_outcome o = kms_note_get(r->store, keys_note, &r->s->keys, &len, true);
	uint8_t decoy[REGD_CONTEXT_KEYS];

	if (o == GW_WON && len == sizeof(r->s->keys))
		return GW_WON;
	if (o != GW_WON && o != GW_EXISTS)
		return o;
	gw_random(&r->s->keys, sizeof(r->s->keys));
	kms_store_begin(r->store);
	kms_note_put(r->store, keys_note, &r->s->keys, sizeof(r->s->keys), true);
	gw_random(decoy, sizeof(decoy));
	kms_note_put(r->store, regd_decoy_context, decoy, REGD_CONTEXT_KEYS, true);
	kms_note_put(r->store, regd_decoy_card, decoy, REGD_CARD_KEYS, true);
	return kms_store_flush(r->store);
}

static void
defaults(struct regd_conf *c)
{
	static const int64_t second = 1000000;

	c->path = c->path != NULL ? c->path : "/keymanagement";
	c->bsf_path = c->bsf_path != NULL ? c->bsf_path : "/";
	c->registration_us = c->registration_us != 0 ? c->registration_us : 3600 * second;
	c->nonce_us = c->nonce_us != 0 ? c->nonce_us : 300 * second;
	c->bootstrapping_us = c->bootstrapping_us != 0 ? c->bootstrapping_us : 24 * 3600 * second;
	c->challenge_us = c->challenge_us != 0 ? c->challenge_us : 60 * second;
	c->request_us = c->request_us != 0 ? c->request_us : 30 * second;
	c->requests = c->requests != 0 ? c->requests : 4;
}

int
regd_new(struct kms_store *store, const struct regd_conf *conf, const struct bsm_events *events, struct regd **out, struct gw_err *err)
{
	struct regd *r = calloc(1, sizeof(*r));

	*out = NULL;
	if (r == NULL)
		return gw_fail(err, GW_ESYS, "no memory for the registration server");
	r->store = store;
	r->conf = *conf;
	r->events = *events;
	r->log = (struct gw_rate){ .burst = 20, .per_ms = 1000 };
	defaults(&r->conf);
	snprintf(r->realm, sizeof(r->realm), "3GPP-bootstrapping@%s", conf->naf);
	r->limits = calloc(REGD_LIMITS, sizeof(*r->limits));
	if (r->limits == NULL || gw_secret_new(&r->memory, sizeof(*r->s)) < 0) {
		regd_free(r);
		return gw_fail(err, GW_ESYS, "no memory for the registration server");
	}
	r->s = (struct regd_secrets *)(void *)r->memory.p;
	if (keys_of_store(r) != GW_WON) {
		regd_free(r);
		return gw_fail(err, GW_ESTORE, "the store has no keys for nonces, and takes none");
	}
	r->rand_mac = crypt_mac_new(r->s->keys.rand, sizeof(r->s->keys.rand));
	r->decoy_mac = crypt_mac_new(r->s->keys.decoy, sizeof(r->s->keys.decoy));
	if (r->rand_mac == NULL || r->decoy_mac == NULL) {
		regd_free(r);
		return gw_fail(err, GW_ECRYPTO, "HMAC cannot be had");
	}
	*out = r;
	return 0;
}

void
regd_configure(struct regd *r, const struct regd_conf *conf)
{
	r->conf = *conf;
	defaults(&r->conf);
}

void
regd_free(struct regd *r)
{
	if (r == NULL)
		return;
	crypt_mac_free(r->rand_mac);
	crypt_mac_free(r->decoy_mac);
	gw_secret_free(&r->memory);
	mbms_list_free(&r->seen.list);
	free(r->limits);
	free(r);
}

const uint64_t *
regd_counts(const struct regd *r)
{
	return r->counts;
}

/* ---- who sent it ---- */

enum gw_outcome
regd_look_up(struct regd *r, const char *note)
{
	uint8_t v[REGD_CONTEXT_KEYS];
	size_t len = sizeof(v);
	enum gw_outcome o = kms_note_get(r->store, note, v, &len, true);

	gw_cleanse(v, sizeof(v));
	return o == GW_UNAVAILABLE ? o : GW_WON;
}

static size_t
new_nonce(struct regd *r, int64_t now_us, char *out, size_t cap)
{
	return digest_nonce_make(r->s->keys.nonce, now_us, r->realm, strlen(r->realm), out, cap);
}

static void
challenge(struct regd *r, const struct door_request *q, struct door_answer *a, bool stale)
{
	struct digest_challenge c = { .auth = r->conf.auth_ok, .auth_int = true, .algorithm = DIGEST_MD5, .stale = stale };
	char text[DIGEST_HEADER];

	snprintf(c.realm, sizeof(c.realm), "%s", r->realm);
	if (new_nonce(r, q->now_us, c.nonce, sizeof(c.nonce)) == 0 || digest_challenge_print(&c, text, sizeof(text)) == 0) {
		door_answer_text(a, 500, "text/plain", "no challenge\n");
		return;
	}
	door_answer_text(a, 401, "text/plain", wrong_text);
	door_answer_header(a, "www-authenticate: %s", text);
}

/* Does the uri of the credentials name what was asked for? It may be absolute. */
static bool
same_place(const char *uri, const struct door_request *q)
{
	const char *slashes = strstr(uri, "://");

	if (uri[0] != '/' && slashes != NULL)
		uri = strchr(slashes + 3, '/');
	return uri != NULL && strcmp(uri, q->uri) == 0;
}

/*
 * The context of the name, or a decoy. Whatever is wrong, the same look-ups are made and the same digest is computed, so that neither time
 * nor text tells a name that is known from one that is not.
 */
static enum gw_outcome
know(struct regd *r, const struct door_request *q, bool *known)
{
	struct regd_passing *p = &r->s->now;
	enum gw_outcome o = kms_gba_get(r->store, r->c.username, &p->gba);
	uint8_t decoy[2 * CRYPT_SHA1];

	if (o != GW_WON && o != GW_EXISTS)
		return o;
	*known = o == GW_WON && p->gba.live && p->gba.expires_us > q->now_us;
	if (crypt_mac(r->decoy_mac, r->c.username, strlen(r->c.username), decoy) < 0)
		memset(decoy, 0, sizeof(decoy));
	memcpy(decoy + CRYPT_SHA1, decoy, CRYPT_SHA1);
	digest_srk_password(o == GW_WON ? p->gba.srk : decoy, p->password);
	gw_cleanse(decoy, sizeof(decoy));
	return regd_look_up(r, o == GW_WON ? regd_nobody : regd_decoy_context);
}

/* The credentials as they stand: NULL, or what is wrong with them. */
static const char *
odd(const struct regd *r, const struct door_request *q)
{
	if (strcmp(r->c.realm, r->realm) != 0)
		return "credentials for another realm";
	if (r->c.algorithm != DIGEST_MD5)
		return "credentials of another algorithm";
	if (!same_place(r->c.uri, q))
		return "credentials for another uri";
	return r->c.username[0] == '\0' || r->c.nc == 0 ? "credentials without username or nonce count" : NULL;
}

enum gw_outcome
regd_prove(struct regd *r, const struct door_request *q, struct door_answer *a, bool *proven)
{
	const enum digest_qop least = r->conf.auth_ok ? DIGEST_AUTH : DIGEST_AUTH_INT;
	struct regd_passing *p = &r->s->now;
	const char *why = NULL;
	bool known = false, right;
	enum gw_outcome o;
	int64_t age;

	*proven = false;
	if (q->authorization == NULL) {
		r->counts[REGD_UNAUTHENTICATED]++;
		challenge(r, q, a, false);
		a->at_once = true;
		return GW_WON;
	}
	if (digest_credentials_parse(q->authorization, &r->c) < 0 || (why = odd(r, q)) != NULL) {
		regd_note(r, REGD_BAD_CREDENTIALS, q, why != NULL ? r->c.username : "-", why != NULL ? why : "malformed credentials");
		challenge(r, q, a, false);
		return GW_WON;
	}
	age = digest_nonce_age(r->s->keys.nonce, q->now_us, r->c.nonce, r->realm, strlen(r->realm));
	if ((o = know(r, q, &known)) != GW_WON)
		return o;
	right = digest_right(&r->c, least, p->password, REGD_PASSWORD, q->method, q->body, q->body_len);
	if (!right || !known) {
		regd_note(r, REGD_WRONG, q, r->c.username, known ? "wrong response" : "unknown or expired B-TID");
		challenge(r, q, a, false);
		return GW_WON;
	}
	if (age < 0 || age > r->conf.nonce_us) {	/* stale says: all else was right */
		regd_note(r, age < 0 ? REGD_BAD_CREDENTIALS : REGD_STALE, q, r->c.username, age < 0 ? "a nonce that is not ours" : "expired nonce");
		challenge(r, q, a, age >= 0);
		return GW_WON;
	}
	o = kms_nonce_use(r->store, r->c.nonce, r->c.nc, q->now_us - age + r->conf.nonce_us);
	if (o == GW_EXISTS) {
		regd_note(r, REGD_REPLAYED, q, r->c.username, "nonce count was used before");
		challenge(r, q, a, false);
		return GW_WON;
	}
	*proven = o == GW_WON;
	return o;
}

/* What a proven request is answered with says who answers. */
static void
sign(struct regd *r, const struct door_request *q, struct door_answer *a)
{
	char nonce[REGD_NONCE], info[DIGEST_HEADER];

	if (new_nonce(r, q->now_us, nonce, sizeof(nonce)) == 0 ||
	    digest_info_print(&r->c, r->s->now.password, REGD_PASSWORD, a->body, a->len, nonce, info, sizeof(info)) == 0 ||
	    !door_answer_header(a, "authentication-info: %s", info))
		door_answer_text(a, 500, "text/plain", "no Authentication-Info\n");
}

/* ---- which is which ---- */

static const struct regd_route *
route_of(const struct regd *r, const struct door_request *q)
{
	for (size_t i = 0; i < r->conf.nroutes; i++) {
		const struct regd_route *t = &r->conf.routes[i];

		if (strcmp(t->method, q->method) == 0 && strncmp(t->prefix, q->path, strlen(t->prefix)) == 0)
			return t;
	}
	return NULL;
}

/*
 * The procedure: the content type says it wherever it was sent to; what has no telling one is for conf->path and its query. -1: *status says
 * why there is none.
 */
static int
procedure_of(const struct regd *r, const struct door_request *q, unsigned *status)
{
	int by_type = mbms_procedure_of(q->content_type, ""), procedure = by_type;
	bool here = strcmp(q->path, r->conf.path) == 0;

	if (by_type < 0 && here)
		procedure = mbms_procedure_of(q->content_type, q->query);
	if (procedure < 0)
		*status = here || (q->content_type[0] != '\0' && strcmp(q->method, "POST") == 0) ? 415 : 404;
	else if (strcmp(q->method, "POST") != 0)
		*status = 405;
	else
		return procedure;
	return -1;
}

static void
unknown(struct regd *r, const struct door_request *q, struct door_answer *a, unsigned status)
{
	static const struct { unsigned status; const char *text; } texts[] = {
		{ 404, "nothing is here\n" },
		{ 405, "another method is needed\n" },
		{ 415, "unknown content type\n" },
	};
	size_t i = 0;

	while (texts[i].status != status)
		i++;
	regd_note(r, REGD_UNKNOWN, q, "-", status == 415 ? "unknown content type" : status == 405 ? "another method" : "unknown path");
	door_answer_text(a, status, "text/plain", texts[i].text);
	if (status == 405)
		door_answer_header(a, "allow: POST");
}

static enum gw_outcome
proven_request(struct regd *r, const struct regd_route *route, int procedure, const struct door_request *q, struct door_answer *a)
{
	bool proven;
	enum gw_outcome o = regd_prove(r, q, a, &proven);

	if (o != GW_WON || !proven)
		return o;
	if (route != NULL) {
		r->counts[REGD_ROUTED]++;
		route->answer(route->self, r->s->now.gba.sub, q, a);
	} else {
		o = regd_procedure(r, (enum mbms_procedure)procedure, q, a);
	}
	if (o == GW_WON)
		sign(r, q, a);
	return o;
}

enum gw_outcome
regd_request(struct regd *r, const struct door_request *q, struct door_answer *a)
{
	const struct regd_route *route = route_of(r, q);
	enum gw_outcome o = GW_WON;
	unsigned status;
	int procedure;

	door_answer_init(a);
	if (route == NULL && regd_is_ub(r, q))
		o = regd_ub(r, q, a);
	else if ((procedure = route != NULL ? 0 : procedure_of(r, q, &status)) >= 0)
		o = proven_request(r, route, procedure, q, a);
	else
		unknown(r, q, a, status);
	gw_cleanse(&r->s->now, sizeof(r->s->now));
	if (o != GW_WON) {
		r->counts[REGD_UNAVAILABLE]++;
		door_unavailable(a);
		return GW_UNAVAILABLE;
	}
	return GW_WON;
}
