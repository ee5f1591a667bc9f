/* bsm/regd_mbms.c: registration, deregistration and LTKM (MSK) Requests of a subscriber that is known (bcast-smartcard-profile 3.4, 3.5) */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "bsm/regd_int.h"

enum { DONE = 200, FORBIDDEN = 403, NOT_FOUND = 404, URI = 2 * KMS_URI };

/* The services that a subscriber has, now or soon. */
struct rights { int64_t now_us, service[REGD_RIGHTS]; size_t n; };

/* The MBMS User Service ID (3.4, Reading: no separator). One that is not sold by an item goes by its name. */
static void
service_uri(const struct kms_service *s, char out[URI])
{
	if (s->item[0] == '\0' && s->reference[0] == '\0')
		snprintf(out, URI, "%s", s->name);
	else
		snprintf(out, URI, "%s%s", s->item, s->reference);
}

static int
has_service(const struct rights *h, int64_t service)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->service[i] == service)
			return 1;
	return 0;
}

static int
add_right(void *self, const struct kms_subscription *s)
{
	struct rights *h = self;
	bool runs = (s->state == KMS_NEW || s->state == KMS_TOLD) && (s->until_us == 0 || s->until_us > h->now_us);

	if (runs && !has_service(h, s->service))
		h->service[h->n++] = s->service;
	return h->n == REGD_RIGHTS;
}

static enum gw_outcome
rights_of(struct regd *r, int64_t now_us, struct rights *h)
{
	enum gw_outcome o;

	h->now_us = now_us;
	h->n = 0;
	o = kms_subscriptions_of(r->store, r->s->now.gba.sub, add_right, h);
	return o == GW_EXISTS ? GW_WON : o;
}

/* ---- services, as a registration keeps them: their URIs, parted by spaces; "*": all ---- */

static bool
is_in(const char *list, const char *uri)
{
	size_t len = strlen(uri);

	for (const char *p = list; (p = strstr(p, uri)) != NULL; p += len)
		if ((p == list || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return true;
	return strcmp(list, "*") == 0;
}

/* What does not fit becomes "all": nobody gets more than what is bought by it. */
static void
add_uri(char list[KMS_TEXT], const char *uri)
{
	size_t len = strlen(list);

	if (is_in(list, uri))
		return;
	if (snprintf(list + len, KMS_TEXT - len, "%s%s", len > 0 ? " " : "", uri) >= (int)(KMS_TEXT - len))
		strcpy(list, "*");
}

static void
remove_uri(char list[KMS_TEXT], const char *uri)
{
	size_t len = strlen(uri);

	for (char *p = list; (p = strstr(p, uri)) != NULL; p++)
		if ((p == list || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0')) {
			char *from = p + len + (p[len] == ' ');

			memmove(p, from, strlen(from) + 1);
			break;
		}
	for (len = strlen(list); len > 0 && list[len - 1] == ' '; len--)
		list[len - 1] = '\0';
}

/* ---- where it is ---- */

/* The peer's address, or for tests the one that the request names (Reading, 3.4). false: that is no address. */
static bool
address_of(const struct regd *r, const struct door_request *q, struct sockaddr_storage *at)
{
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)at;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)at;
	const struct sockaddr_in6 *peer6 = (const struct sockaddr_in6 *)(const void *)q->peer;

	memset(at, 0, sizeof(*at));
	if (r->conf.registered_address && q->registered_address != NULL) {
		if (inet_pton(AF_INET, q->registered_address, &in->sin_addr) == 1)
			at->ss_family = AF_INET;
		else if (inet_pton(AF_INET6, q->registered_address, &in6->sin6_addr) == 1)
			at->ss_family = AF_INET6;
		return at->ss_family != 0;
	}
	if (q->peer == NULL)
		return false;
	if (q->peer->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&peer6->sin6_addr)) {	/* a listener for both */
		at->ss_family = AF_INET;
		memcpy(&in->sin_addr, peer6->sin6_addr.s6_addr + 12, 4);
	} else if (q->peer->sa_family == AF_INET6) {
		memcpy(at, q->peer, sizeof(struct sockaddr_in6));
		in6->sin6_port = 0;
	} else if (q->peer->sa_family == AF_INET) {
		memcpy(at, q->peer, sizeof(struct sockaddr_in));
		in->sin_port = 0;
	}
	return at->ss_family != 0;
}

static bool
same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0 && a6->sin6_scope_id == b6->sin6_scope_id;
}

/* The registration as it stands; none, or an old one: an empty one. *stands: it is one that pushes can go to. */
static enum gw_outcome
registration_of(struct regd *r, int64_t now_us, struct kms_registration *g, bool *stands)
{
	enum gw_outcome o = kms_registration_get(r->store, r->s->now.gba.sub, g);

	*stands = o == GW_WON && g->reachable && g->expires_us > now_us && strcmp(g->btid, r->s->now.gba.btid) == 0;
	if (!*stands) {
		memset(g, 0, sizeof(*g));
		g->sub = r->s->now.gba.sub;
	}
	return o == GW_EXISTS ? GW_WON : o;
}

static enum gw_outcome
keep_registration(struct regd *r, int64_t now_us, struct kms_registration *g)
{
	const struct kms_gba *b = &r->s->now.gba;
	int64_t expires_us = now_us + r->conf.registration_us;

	snprintf(g->btid, sizeof(g->btid), "%s", b->btid);
	g->since_us = now_us;
	g->expires_us = expires_us < b->expires_us ? expires_us : b->expires_us;
	g->reachable = true;
	return kms_registration_put(r->store, g);
}

/* ---- registration and deregistration ---- */

struct registering {
	struct rights rights;
	struct kms_registration g;
	struct mbms_list answer;
	size_t done, left;	/* services that were registered or deregistered; that are asked for further on */
};

static void
say(struct registering *x, const char *uri, unsigned code)
{
	struct mbms_item *i = &x->answer.items[x->answer.n++];

	snprintf(i->service, sizeof(i->service), "%s", uri);
	i->code = code;
	x->done += code == DONE;
}

/* The service by its MBMS User Service ID; GW_EXISTS: there is none. (The store knows services by name, too: that is not what is asked.) */
static enum gw_outcome
service_of(struct regd *r, const char *uri, struct kms_service *s)
{
	enum gw_outcome o = kms_service_find(r->store, uri, s);
	char its[URI];

	if (o != GW_WON)
		return o;
	service_uri(s, its);
	return strcmp(its, uri) == 0 ? GW_WON : GW_EXISTS;
}

static enum gw_outcome
register_one(struct regd *r, struct registering *x, const char *uri)
{
	struct kms_service s;
	enum gw_outcome o = service_of(r, uri, &s);

	if (o == GW_UNAVAILABLE)
		return o;
	if (o == GW_WON && has_service(&x->rights, s.id)) {
		add_uri(x->g.services, uri);
		say(x, uri, DONE);
	} else {
		say(x, uri, o == GW_WON ? FORBIDDEN : NOT_FOUND);
	}
	return GW_WON;
}

/* urn:allServices, then each service that is had, once (Reading): the terminal learns the list, as far as a document goes. */
static enum gw_outcome
register_all(struct regd *r, struct registering *x)
{
	struct kms_service s;
	char uri[URI];

	strcpy(x->g.services, "*");
	say(x, mbms_all_services, DONE);
	for (size_t i = 0; i < x->rights.n && x->answer.n + x->left < MBMS_ITEMS; i++) {
		enum gw_outcome o = kms_service_get(r->store, x->rights.service[i], &s);

		if (o == GW_UNAVAILABLE)
			return o;
		if (o != GW_WON)
			continue;
		service_uri(&s, uri);
		say(x, uri, DONE);
	}
	return GW_WON;
}

static enum gw_outcome
registered(struct regd *r, const struct door_request *q, struct registering *x, bool stood)
{
	enum gw_outcome o;

	(void)stood;
	if (x->done == 0)
		return GW_WON;	/* nothing of it is theirs: as if it had not been asked; an earlier registration stays */
	if ((o = keep_registration(r, q->now_us, &x->g)) != GW_WON)
		return o;
	r->counts[REGD_REGISTRATIONS]++;
	r->events.registered(r->events.self, x->g.sub, q->now_us);
	return GW_WON;
}

/* Of one that is registered for all, what is left is what it has without that service. */
static enum gw_outcome
spell_out(struct regd *r, struct registering *x)
{
	struct kms_service s;
	char uri[URI];

	if (strcmp(x->g.services, "*") != 0)
		return GW_WON;
	x->g.services[0] = '\0';
	for (size_t i = 0; i < x->rights.n; i++) {
		enum gw_outcome o = kms_service_get(r->store, x->rights.service[i], &s);

		if (o == GW_UNAVAILABLE)
			return o;
		if (o != GW_WON)
			continue;
		service_uri(&s, uri);
		add_uri(x->g.services, uri);
	}
	return GW_WON;
}

static enum gw_outcome
deregister_one(struct regd *r, struct registering *x, const char *uri)
{
	struct kms_service s;
	enum gw_outcome o = service_of(r, uri, &s);

	if (o == GW_UNAVAILABLE || (o == GW_WON && spell_out(r, x) != GW_WON))
		return GW_UNAVAILABLE;
	if (o == GW_WON)
		remove_uri(x->g.services, uri);
	say(x, uri, o == GW_WON ? DONE : NOT_FOUND);
	return GW_WON;
}

static enum gw_outcome
deregister_all(struct regd *r, struct registering *x)
{
	(void)r;
	x->g.services[0] = '\0';
	say(x, mbms_all_services, DONE);
	return GW_WON;
}

/* What is not registered is deregistered as well as what was; a registration that no longer stands goes as a whole. */
static enum gw_outcome
deregistered(struct regd *r, const struct door_request *q, struct registering *x, bool stood)
{
	enum gw_outcome o;

	if (x->done == 0)
		return GW_WON;
	if (stood && x->g.services[0] != '\0')
		return kms_registration_put(r->store, &x->g);
	o = kms_registration_end(r->store, x->g.sub);
	if (o != GW_WON)
		return o == GW_EXISTS ? GW_WON : o;
	r->counts[REGD_DEREGISTRATIONS]++;
	r->events.deregistered(r->events.self, x->g.sub, q->now_us);
	return GW_WON;
}

static const struct manner {
	enum gw_outcome (*all)(struct regd *, struct registering *);
	enum gw_outcome (*one)(struct regd *, struct registering *, const char *uri);
	enum gw_outcome (*end)(struct regd *, const struct door_request *, struct registering *, bool stood);
	bool address;	/* where it comes from matters */
} manners[] = {
	[MBMS_REGISTER] = { register_all, register_one, registered, true },
	[MBMS_DEREGISTER] = { deregister_all, deregister_one, deregistered, false },
};

static enum gw_outcome
services(struct regd *r, const struct manner *m, const struct door_request *q, const struct mbms_list *asked, struct registering *x, unsigned *status)
{
	struct sockaddr_storage at = { 0 };
	bool stands = false, all = false;
	enum gw_outcome o;

	*status = 400;
	if (m->address && !address_of(r, q, &at))
		return GW_WON;
	if ((o = rights_of(r, q->now_us, &x->rights)) != GW_WON)
		return o;
	if (m == &manners[MBMS_REGISTER] && asked->n == 1 && strcmp(asked->items[0].service, mbms_all_services) == 0)
		x->g.sub = r->s->now.gba.sub;	/* in place of whatever there was */
	else if ((o = registration_of(r, q->now_us, &x->g, &stands)) != GW_WON)
		return o;
	if (m->address)
		x->g.at = at;
	*status = 500;
	x->answer.items = calloc(asked->n + x->rights.n + 1, sizeof(*x->answer.items));	/* all that is asked and all that is had */
	if (x->answer.items == NULL)
		return GW_WON;
	*status = 200;
	for (size_t i = 0; i < asked->n; i++) {
		const char *uri = asked->items[i].service;

		x->left = asked->n - i - 1;
		if (strcmp(uri, mbms_all_services) != 0)
			o = m->one(r, x, uri);
		else if (!all)	/* said twice, answered once */
			o = m->all(r, x), all = true;
		if (o != GW_WON)
			return o;
	}
	return m->end(r, q, x, stands);
}

static enum gw_outcome
answer_services(struct regd *r, enum mbms_procedure procedure, const struct door_request *q, const struct mbms_list *asked, struct door_answer *a)
{
	struct registering x = { .answer = { NULL, 0 } };
	unsigned status;
	enum gw_outcome o = services(r, &manners[procedure], q, asked, &x, &status);

	if (o == GW_WON && status == 200)
		door_answer_take(a, 200, mbms_media_type(procedure, true), mbms_response_print(procedure, &x.answer));
	else if (o == GW_WON && status == 400)
		door_answer_text(a, 400, "text/plain", "X-Registered-Address is no address\n");
	mbms_list_free(&x.answer);
	return o;	/* else 500, as the answer was begun */
}

/* ---- LTKM Request ---- */

/* At most `requests` for a Key Group in request_us: more than the reference lets a terminal send, so that one that repeats itself is borne. */
static bool
within_limit(struct regd *r, const struct mikey_ids *id, int64_t now_us)
{
	uint64_t who = (uint64_t)r->s->now.gba.sub * UINT64_C(0x9e3779b97f4a7c15) ^
	    ((uint64_t)id->domain[0] << 32 | (uint64_t)id->domain[1] << 24 | (uint64_t)id->domain[2] << 16 | id->key_group);
	struct regd_limit *l;

	who ^= who >> 29;
	who = who * UINT64_C(0xbf58476d1ce4e5b9) | 1;	/* never 0, which an empty place has */
	l = &r->limits[(who >> 32) % REGD_LIMITS];
	if (l->who != who || now_us < l->since_us || now_us - l->since_us >= r->conf.request_us)
		*l = (struct regd_limit){ .who = who, .since_us = now_us };
	if (l->n >= r->conf.requests)
		return false;
	l->n++;
	return true;
}

/* The key that is asked for, number 0: the one in force. Its code; *key: the one to send with 200. */
static enum gw_outcome
key_code(struct regd *r, const struct mikey_ids *id, int64_t now_us, unsigned *code, int64_t *key)
{
	struct kms_key *k = &r->s->now.key;
	struct kms_service s;
	enum kms_kind kind;
	int64_t sub = r->s->now.gba.sub, at_us;
	enum gw_outcome o = kms_key_find(r->store, id->domain, id->key_group, id->key_number, k);

	*code = NOT_FOUND;
	if (o == GW_WON && k->state == KMS_KEY_DEAD)
		return GW_WON;
	if (o == GW_WON) {	/* one that is not in force yet is for those who will have it then */
		at_us = k->valid_from_us > now_us ? k->valid_from_us : now_us;
		o = kms_entitled(r->store, sub, k->service, k->kind, k->kind == KMS_PEK ? k->id : 0, at_us);
		*code = o == GW_WON ? DONE : FORBIDDEN;
		*key = k->id;
		return o == GW_EXISTS ? GW_WON : o;
	}
	if (o != GW_EXISTS || id->key_number != 0)
		return o == GW_EXISTS ? GW_WON : o;
	o = kms_service_group(r->store, id->domain, id->key_group, &s, &kind);
	if (o != GW_WON)
		return o == GW_EXISTS ? GW_WON : o;
	o = kms_entitled(r->store, sub, s.id, kind, 0, now_us);	/* the group is known and has no key: one is being made */
	*code = o == GW_WON ? MBMS_TRY_LATER : FORBIDDEN;
	return o == GW_EXISTS ? GW_WON : o;
}

/*
 * An LTKM Request under a proven SRK tells where its terminal is as well as a registration does (Reading): one that has expired, that pushes
 * have failed at or that lies elsewhere is renewed, for else what was promised would not arrive. What was registered stays as it was.
 */
static enum gw_outcome
renew(struct regd *r, const struct door_request *q)
{
	struct kms_registration g;
	struct sockaddr_storage at;
	bool stands;
	enum gw_outcome o = registration_of(r, q->now_us, &g, &stands);

	if (o != GW_WON || !address_of(r, q, &at) || (stands && same_address(&at, &g.at)))
		return o;
	g.at = at;
	if (!stands)
		strcpy(g.services, "*");
	return keep_registration(r, q->now_us, &g);
}

static enum gw_outcome
promise(struct regd *r, const struct door_request *q, const int64_t *keys, size_t n)
{
	enum gw_outcome o = n > 0 ? renew(r, q) : GW_WON;

	for (size_t i = 0; i < n && o == GW_WON; i++) {
		r->counts[REGD_WANTED]++;
		r->events.wanted(r->events.self, r->s->now.gba.sub, keys[i], q->now_us);
	}
	return o;
}

/* Asked twice in one request is asked once. */
static bool
add_key(int64_t *keys, size_t *n, int64_t key)
{
	for (size_t i = 0; i < *n; i++)
		if (keys[i] == key)
			return false;
	keys[(*n)++] = key;
	return true;
}

static enum gw_outcome
answer_keys(struct regd *r, const struct door_request *q, struct mbms_list *asked, struct door_answer *a)
{
	int64_t keys[MBMS_ITEMS], key = 0;
	size_t n = 0;
	enum gw_outcome o;

	r->counts[REGD_REQUESTS]++;
	for (size_t i = 0; i < asked->n && i < MBMS_ITEMS; i++) {
		struct mbms_item *item = &asked->items[i];

		if ((o = key_code(r, &item->key, q->now_us, &item->code, &key)) != GW_WON)
			return o;
		if (item->code == DONE && add_key(keys, &n, key) && !within_limit(r, &item->key, q->now_us)) {
			n--;
			item->code = MBMS_TRY_LATER;
			regd_note(r, REGD_LIMITED, q, r->s->now.gba.btid, "the key was asked for too often");
		}
	}
	if ((o = promise(r, q, keys, n)) == GW_WON)
		door_answer_take(a, 200, mbms_media_type(MBMS_MSK, true), mbms_response_print(MBMS_MSK, asked));
	return o;
}

static void
malformed(struct regd *r, const struct door_request *q, const struct gw_err *err, struct door_answer *a)
{
	char text[sizeof(err->text) + 1];

	regd_note(r, REGD_MALFORMED, q, r->s->now.gba.btid, err->text);
	snprintf(text, sizeof(text), "%s\n", err->text);
	door_answer_text(a, 400, "text/plain", text);
}

/* What services are asked for; lent until the next request. NULL: with *err. */
static const struct mbms_list *
asked_services(struct regd *r, enum mbms_procedure procedure, const struct door_request *q, struct gw_err *err)
{
	struct regd_seen *s = &r->seen;

	if (s->len && s->procedure == procedure && s->len == q->body_len && memcmp(s->octets, q->body, s->len) == 0)
		return &s->list;
	mbms_list_free(&s->list);
	s->len = 0;
	if (mbms_request_parse(procedure, q->body, q->body_len, &s->list, err) < 0)
		return NULL;
	if (q->body_len <= sizeof(s->octets)) {
		memcpy(s->octets, q->body, q->body_len);
		s->len = q->body_len;
		s->procedure = procedure;
	}
	return &s->list;
}

enum gw_outcome
regd_procedure(struct regd *r, enum mbms_procedure procedure, const struct door_request *q, struct door_answer *a)
{
	struct mbms_list keys = { NULL, 0 };
	const struct mbms_list *asked;
	struct gw_err err = { 0 };
	enum gw_outcome o = GW_WON;

	if (procedure != MBMS_MSK) {
		if ((asked = asked_services(r, procedure, q, &err)))
			o = answer_services(r, procedure, q, asked, a);
		else
			malformed(r, q, &err, a);
		return o;
	}
	if (mbms_request_parse(procedure, q->body, q->body_len, &keys, &err) == 0)
		o = answer_keys(r, q, &keys, a);
	else
		malformed(r, q, &err, a);
	mbms_list_free(&keys);
	return o;
}
