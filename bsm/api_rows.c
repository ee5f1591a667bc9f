/* bsm/api_rows.c: the purchase API: subscriptions and subscribers, from JSON to the store and back */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "bsm/api_int.h"
#include "kms/purchase.h"
#include "lib/addr.h"

enum { TIME_TEXT = 40 };

static const char *const states[] = { "new", "told", "cut", "ended" };
static const char *const kinds[] = { "sek", "pek" };
static const char *const provisions[] = { "milenage", "ks", "keys" };

/* ---- to JSON ---- */

/* A subscription with the names that its numbers stand for; what has gone since is null. */
static enum gw_outcome
subscription_json(struct bsm_api *api, const struct kms_subscription *s, int64_t now_us, json_t **out)
{
	struct api_passing *p = api->now;
	struct kms_service service;
	enum gw_outcome sub = kms_subscriber_get(api->store, s->sub, &p->sub), svc = kms_service_get(api->store, s->service, &service), key = GW_EXISTS;

	if (s->kind == KMS_PEK && s->key != 0)
		key = kms_key_get(api->store, s->key, &p->key);
	if (sub == GW_UNAVAILABLE || svc == GW_UNAVAILABLE || key == GW_UNAVAILABLE)
		return GW_UNAVAILABLE;
	*out = json_pack("{s:I, s:s?, s:s?, s:s, s:s?, s:o, s:o, s:s, s:s?, s:s}",
	    "id", (json_int_t)s->id,
	    "subscriber", sub == GW_WON ? p->sub.name : NULL,
	    "service", svc == GW_WON ? service.name : NULL,
	    "kind", kinds[s->kind],
	    "programme", key == GW_WON ? p->key.programme : NULL,
	    "from", api_time_json(s->from_us),
	    "until", api_time_json(s->until_us),
	    "source", s->source,
	    "idempotency_key", s->order[0] != '\0' ? s->order : NULL,
	    "state", states[kms_subscription_now(s, now_us)]);
	return GW_WON;
}

static json_t *
subscriber_json(const struct kms_subscriber *s)
{
	return json_pack("{s:I, s:s, s:s?, s:s?, s:s, s:s}", "id", (json_int_t)s->id, "name", s->name, "impi", s->impi[0] != '\0' ? s->impi : NULL,
	    "msisdn", s->msisdn[0] != '\0' ? s->msisdn : NULL, "provision", provisions[s->provision], "gba_mode", s->gba_me ? "me" : "u");
}

/* A page of rows that each() has copied. */
struct page { struct api_page at; size_t size; void *rows; size_t n; bool more; };

static bool
page_init(struct page *p, const struct api_page *at, size_t size)
{
	*p = (struct page){ .at = *at, .size = size, .rows = calloc(at->limit, size) };
	return p->rows != NULL;
}

static int
page_add(struct page *p, const void *row)
{
	if (p->n == p->at.limit) {
		p->more = true;
		return 1;
	}
	memcpy((char *)p->rows + p->n++ * p->size, row, p->size);
	return 0;
}

/* {"NAME": […], "next": id of the last row, if there are more} */
static json_t *
page_json(const struct page *p, const char *name, json_t *rows, int64_t last)
{
	return json_pack("{s:o, s:o}", name, rows, "next", p->more ? json_integer((json_int_t)last) : json_null());
}

/* ---- subscribers ---- */

static int
add_subscriber(void *self, const struct kms_subscriber *s)
{
	return page_add(self, s);
}

enum gw_outcome
api_subscribers_get(struct bsm_api *api, const struct door_request *q, const char *rest, struct door_answer *a)
{
	json_t *rows = json_array();
	const char *bad;
	struct api_page at;
	struct page p;
	enum gw_outcome o;

	(void)rest;
	if ((bad = api_page(q->query, &at)) != NULL || !page_init(&p, &at, sizeof(struct kms_subscriber))) {
		json_decref(rows);
		return bad != NULL ? api_refuse(api, q, a, API_FAULT_INVALID_FIELD, bad, NULL) : api_refuse(api, q, a, API_FAULT_INTERNAL, NULL, NULL);
	}
	o = kms_subscribers(api->store, at.after, at.limit + 1, add_subscriber, &p);
	for (size_t i = 0; i < p.n; i++)
		json_array_append_new(rows, subscriber_json((struct kms_subscriber *)p.rows + i));
	if (o != GW_UNAVAILABLE) {
		api->counts[API_READ]++;
		o = api_say(a, 200, page_json(&p, "subscribers", rows, p.n > 0 ? ((struct kms_subscriber *)p.rows)[p.n - 1].id : 0));
	} else {
		json_decref(rows);
	}
	free(p.rows);
	return o;
}

static json_t *
registration_json(const struct kms_registration *g)
{
	char at[64];

	return json_pack("{s:s, s:o, s:o, s:b, s:s}", "address", gw_sockaddr_text((const struct sockaddr *)&g->at, at, sizeof(at)),
	    "since", api_time_json(g->since_us), "until", api_time_json(g->expires_us), "reachable", g->reachable, "services", g->services);
}

/* One subscriber, and whether what is sold now can be delivered now: bootstrapped and registered. */
enum gw_outcome
api_subscriber_get(struct bsm_api *api, const struct door_request *q, const char *rest, struct door_answer *a)
{
	struct api_passing *p = api->now;
	struct kms_registration g;
	enum gw_outcome o = kms_subscriber_find(api->store, rest, &p->sub), gba, reg;
	json_t *j;

	if (o != GW_WON)
		return o == GW_EXISTS ? api_refuse(api, q, a, API_FAULT_NOT_FOUND, NULL, NULL) : o;
	gba = kms_gba_live(api->store, p->sub.id, &p->gba);
	reg = kms_registration_get(api->store, p->sub.id, &g);
	if (gba == GW_UNAVAILABLE || reg == GW_UNAVAILABLE)
		return GW_UNAVAILABLE;
	j = subscriber_json(&p->sub);
	if (j != NULL) {
		json_object_set_new(j, "bootstrapped_until", gba == GW_WON ? api_time_json(p->gba.expires_us) : json_null());
		json_object_set_new(j, "registration", reg == GW_WON ? registration_json(&g) : json_null());
	}
	api->counts[API_READ]++;
	return api_say(a, 200, j);
}

/* ---- subscriptions: read ---- */

static bool
id_of(const char *text, int64_t *id)
{
	char *end;

	errno = 0;
	*id = strtoll(text, &end, 10);
	return isdigit((unsigned char)text[0]) && *end == '\0' && errno == 0;
}

static enum gw_outcome
say_subscription(struct bsm_api *api, const struct door_request *q, unsigned status, const struct kms_subscription *s, struct door_answer *a)
{
	json_t *j = NULL;

	if (subscription_json(api, s, q->now_us, &j) != GW_WON)
		return GW_UNAVAILABLE;
	return api_say(a, status, j);
}

enum gw_outcome
api_subscription_get(struct bsm_api *api, const struct door_request *q, const char *rest, struct door_answer *a)
{
	struct kms_subscription s;
	int64_t id;
	enum gw_outcome o = id_of(rest, &id) ? kms_subscription_get(api->store, id, &s) : GW_EXISTS;

	if (o != GW_WON)
		return o == GW_EXISTS ? api_refuse(api, q, a, API_FAULT_NOT_FOUND, NULL, NULL) : o;
	api->counts[API_READ]++;
	return say_subscription(api, q, 200, &s, a);
}

static int
add_subscription(void *self, const struct kms_subscription *s)
{
	struct page *p = self;

	return s->id > p->at.after ? page_add(p, s) : 0;
}

/* Those of one subscriber. */
enum gw_outcome
api_subscriptions_get(struct bsm_api *api, const struct door_request *q, const char *rest, struct door_answer *a)
{
	char who[KMS_IMPI];
	const char *bad = api_query(q->query, "subscriber", who, sizeof(who)) <= 0 ? "subscriber" : NULL;
	json_t *rows, *j;
	struct api_page at;
	struct page p;
	enum gw_outcome o;
	int64_t last = 0;

	(void)rest;
	if (bad == NULL)
		bad = api_page(q->query, &at);
	if (bad != NULL)
		return api_refuse(api, q, a, API_FAULT_INVALID_FIELD, bad, NULL);
	if ((o = kms_subscriber_find(api->store, who, &api->now->sub)) != GW_WON)
		return o == GW_EXISTS ? api_refuse(api, q, a, API_FAULT_UNKNOWN_NAME, "subscriber", NULL) : o;
	if (!page_init(&p, &at, sizeof(struct kms_subscription)) || (rows = json_array()) == NULL) {
		free(p.rows);
		return api_refuse(api, q, a, API_FAULT_INTERNAL, NULL, NULL);
	}
	o = kms_subscriptions_of(api->store, api->now->sub.id, add_subscription, &p);
	o = o == GW_EXISTS ? GW_WON : o;
	for (size_t i = 0; i < p.n && o == GW_WON; i++) {
		const struct kms_subscription *s = (struct kms_subscription *)p.rows + i;

		if ((o = subscription_json(api, s, q->now_us, &j)) == GW_WON)
			json_array_append_new(rows, j);
		last = s->id;
	}
	free(p.rows);
	if (o != GW_WON) {
		json_decref(rows);
		return o;
	}
	api->counts[API_READ]++;
	return api_say(a, 200, page_json(&p, "subscriptions", rows, last));
}

/* ---- subscriptions: bought and ended ---- */

struct purchase {	/* as it was sent */
	char subscriber[KMS_IMPI], service[2 * KMS_URI], programme[KMS_URI], from[TIME_TEXT], until[TIME_TEXT], source[KMS_NAME];
};
#define FIELD(name, needed) { #name, offsetof(struct purchase, name), sizeof(((struct purchase *)0)->name), needed }
static const struct field { const char *name; size_t at, cap; bool needed; } fields[] = {
	FIELD(subscriber, true), FIELD(service, true), FIELD(programme, false), FIELD(from, false), FIELD(until, false), FIELD(source, false),
};
enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static bool
printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == '\x7f')
			return false;
	return len > 0;
}

/* A fault and its field, or API_NFAULTS. */
static enum api_fault
read_fields(json_t *j, struct purchase *p, const char **field)
{
	const char *key;
	json_t *v;

	json_object_foreach(j, key, v) {
		const struct field *f = fields;

		while (f < fields + FIELDS && strcmp(f->name, key) != 0)
			f++;
		*field = f < fields + FIELDS ? f->name : key;
		if (f == fields + FIELDS)
			return API_FAULT_UNKNOWN_FIELD;
		if (json_is_null(v) && !f->needed)
			continue;
		if (!json_is_string(v) || json_string_length(v) >= f->cap || !printable(json_string_value(v), json_string_length(v)))
			return API_FAULT_INVALID_FIELD;
		memcpy((char *)p + f->at, json_string_value(v), json_string_length(v) + 1);
	}
	for (size_t i = 0; i < FIELDS; i++)
		if (fields[i].needed && ((char *)p)[fields[i].at] == '\0') {
			*field = fields[i].name;
			return API_FAULT_MISSING_FIELD;
		}
	return API_NFAULTS;
}

/* The field as the client named it, for the store's commands say it otherwise. */
static enum gw_outcome
refuse_order(struct bsm_api *api, const struct door_request *q, struct door_answer *a, enum kms_order_fault f)
{
	const struct kms_order_text *t = &kms_order_texts[f];
	bool name = f == KMS_ORDER_NO_SUBSCRIBER || f == KMS_ORDER_NO_SERVICE || f == KMS_ORDER_NO_PROGRAMME;

	return api_refuse(api, q, a, name ? API_FAULT_UNKNOWN_NAME : f == KMS_ORDER_CONFLICT ? API_FAULT_CONFLICT : API_FAULT_INVALID_FIELD,
	    strcmp(t->field, "order") == 0 ? "idempotency-key" : t->field, t->text);
}

/* The purchase as the store takes it; the field that is not valid, or NULL. */
static const char *
order_of(const struct purchase *p, const struct door_request *q, struct kms_order *o)
{
	const char *order = q->idempotency_key;

	*o = (struct kms_order){ .subscriber = p->subscriber, .service = p->service, .programme = p->programme, .source = p->source, .order = order };
	if (order != NULL && !printable(order, strlen(order)))
		return "idempotency-key";
	if (p->from[0] != '\0' && !api_time(p->from, &o->from_us))
		return "from";
	return p->until[0] != '\0' && !api_time(p->until, &o->until_us) ? "until" : NULL;
}

static enum gw_outcome
buy(struct bsm_api *api, const struct kms_order *order, const struct door_request *q, struct door_answer *a)
{
	enum kms_order_fault fault;
	struct kms_subscription s;
	enum gw_outcome o = kms_buy(api->store, order, q->now_us, &s, &fault);

	if (o == GW_EXISTS && fault != KMS_ORDER_GOOD)
		return refuse_order(api, q, a, fault);
	if (o == GW_EXISTS) {
		api->counts[API_REPEATED]++;
		return say_subscription(api, q, 200, &s, a);
	}
	if (o != GW_WON)
		return o;
	api->events.subscription(api->events.self, &s, q->now_us);
	api->counts[API_PURCHASES]++;
	door_answer_header(a, "location: /api/v1/subscriptions/%lld", (long long)s.id);
	return say_subscription(api, q, 201, &s, a);
}

enum gw_outcome
api_subscription_post(struct bsm_api *api, const struct door_request *q, const char *rest, struct door_answer *a)
{
	struct purchase p = { .source = "portal" };
	const char *field = NULL;
	struct kms_order order;
	enum api_fault fault;
	json_error_t e;
	json_t *j;

	(void)rest;
	if (strcmp(q->content_type, "application/json") != 0)
		return api_refuse(api, q, a, API_FAULT_MEDIA_TYPE, NULL, NULL);
	if ((j = json_loadb((const char *)q->body, q->body_len, JSON_REJECT_DUPLICATES, &e)) == NULL)
		return api_refuse(api, q, a, API_FAULT_MALFORMED, NULL, e.text);
	fault = json_is_object(j) ? read_fields(j, &p, &field) : API_FAULT_MALFORMED;
	if (fault != API_NFAULTS)
		api_refuse(api, q, a, fault, field, NULL);	/* field may be a key of j */
	json_decref(j);
	if (fault != API_NFAULTS)
		return GW_WON;
	if ((field = order_of(&p, q, &order)) != NULL)
		return api_refuse(api, q, a, API_FAULT_INVALID_FIELD, field, NULL);
	return buy(api, &order, q, a);
}

/* Ends it with the next key, or (?now=true) at once: its key is made unusable and rolled. What is over already is answered as it is. */
enum gw_outcome
api_subscription_end(struct bsm_api *api, const struct door_request *q, const char *rest, struct door_answer *a)
{
	char now[8] = "false";
	int there = api_query(q->query, "now", now, sizeof(now));
	bool cut = strcmp(now, "true") == 0;
	struct kms_subscription s;
	int64_t id;
	enum gw_outcome o;

	if (there < 0 || (!cut && strcmp(now, "false") != 0))
		return api_refuse(api, q, a, API_FAULT_INVALID_FIELD, "now", NULL);
	o = id_of(rest, &id) ? kms_subscription_get(api->store, id, &s) : GW_EXISTS;
	if (o != GW_WON)
		return o == GW_EXISTS ? api_refuse(api, q, a, API_FAULT_NOT_FOUND, NULL, NULL) : o;
	o = kms_end(api->store, &s, cut ? KMS_END_NOW : KMS_END_PLAIN, 0, "portal", q->now_us);
	if (o != GW_WON)
		return o == GW_EXISTS ? say_subscription(api, q, 200, &s, a) : o;
	api->events.subscription(api->events.self, &s, q->now_us);
	api->counts[API_ENDED]++;
	return say_subscription(api, q, 200, &s, a);
}
