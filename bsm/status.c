/* bsm/status.c: what operators see */
#include <stdio.h>
#include <stdlib.h>
#include "bsm/bsm.h"
#include "lib/clock.h"
#include "lib/secret.h"

/* ---- messages by state ---- */

static const char *const states[KMS_OUT_STATES] = { [KMS_OUT_DUE] = "due", [KMS_OUT_SENT] = "sent", [KMS_OUT_ACKED] = "verified",
	[KMS_OUT_FAILED] = "failed", [KMS_OUT_SMS] = "sms", [KMS_OUT_VOID] = "void" };

static json_t *
by_state(const uint64_t n[KMS_OUT_STATES])
{
	json_t *o = json_object();

	for (size_t i = 0; i < KMS_OUT_STATES; i++)
		json_object_set_new(o, states[i], json_integer((json_int_t)n[i]));
	return o;
}

/* ---- rolls ---- */

struct rolls { struct kms_store *store; struct kms_roll r[64]; size_t n; };

static int
keep_roll(void *self, const struct kms_roll *r)
{
	struct rolls *all = self;

	all->r[all->n++] = *r;
	return all->n == sizeof(all->r) / sizeof(all->r[0]);
}

static const char *
service_name(struct kms_store *store, int64_t key, struct kms_service *s, unsigned *number)
{
	struct kms_key k = { 0 };
	bool found = kms_key_get(store, key, &k) == GW_WON && kms_service_get(store, k.service, s) == GW_WON;

	*number = k.number;
	gw_cleanse(&k, sizeof(k));
	return found ? s->name : "";
}

static const char *
roll_word(const struct kms_roll *r)
{
	return kms_roll_is_update(r) ? "update" : "roll";
}

static json_t *
roll(struct kms_store *store, const struct kms_roll *r)
{
	static const char *const words[] = { [KMS_ROLL_PUSHING] = "pushing", [KMS_ROLL_READY] = "ready", [KMS_ROLL_DONE] = "done" };
	struct kms_service s;
	char from[32], upto[32];
	unsigned number;
	uint64_t left;
	const char *name = service_name(store, r->new_key, &s, &number);

	kms_roll_left(store, r, gw_utc_us(), &left);
	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:I, s:o}", "service", name, "what", roll_word(r),
	    "key_number", (int)number, "state", words[r->state], "from", gw_utc_text(r->from_us, from), "switch", gw_utc_text(r->switch_us, upto),
	    "to_come", (json_int_t)left, "messages", by_state(r->out));
}

static json_t *
rolls(struct kms_store *store)
{
	struct rolls all = { .store = store };
	json_t *list = json_array();

	kms_rolls(store, false, keep_roll, &all);
	for (size_t i = 0; i < all.n; i++)
		json_array_append_new(list, roll(store, &all.r[i]));
	return list;
}

/* ---- services and the keys that seal them ---- */

enum { SHOWN = 200 };
struct services { struct kms_service s[SHOWN]; size_t n; };

static int
keep_service(void *self, const struct kms_service *s)
{
	struct services *all = self;

	all->s[all->n++] = *s;
	return all->n == SHOWN;
}

static json_t *
service(struct kms_store *store, const struct kms_service *s)
{
	struct kms_key k = { 0 };
	char until[32] = "", uri[2 * KMS_URI];
	json_t *o;

	if (kms_key_find(store, s->domain, s->group[KMS_SEK], 0, &k) == GW_WON)
		gw_utc_text(k.valid_until_us, until);
	snprintf(uri, sizeof(uri), "%s%s", s->item, s->reference);
	o = json_pack("{s:s, s:s, s:i, s:i, s:s}", "service", s->name, "sold_as", uri, "key_group", s->group[KMS_SEK], "key_number", k.number,
	    "key_until", until);
	gw_cleanse(&k, sizeof(k));
	return o;
}

static json_t *
services(struct kms_store *store)
{
	struct services *all = calloc(1, sizeof(*all));
	json_t *list = json_array();

	if (all)
		kms_services(store, keep_service, all);
	for (size_t i = 0; all && i < all->n; i++)
		json_array_append_new(list, service(store, &all->s[i]));
	free(all);
	return list;
}

/* ---- counts of the engines ---- */

static json_t *
requests(const struct bsm *app)
{
	const uint64_t *n = regd_counts(app->regd);
	json_t *o = json_object();

	for (size_t i = 0; i < REGD_NCOUNTS; i++)
		json_object_set_new(o, regd_counters[i].name, json_integer((json_int_t)n[i]));
	return o;
}

static json_t *
purchases(const struct bsm *app)
{
	const uint64_t *n = app->api ? bsm_api_counts(app->api) : NULL;
	json_t *o = json_object();

	for (size_t i = 0; n && i < API_NCOUNTS; i++)
		json_object_set_new(o, api_counters[i].name, json_integer((json_int_t)n[i]));
	return o;
}

static json_t *
delivered(const struct bsm *app)
{
	const struct delivery_counts *k = delivery_counts(app->delivery);
	json_t *o = json_object();

#define COUNT(field, words) json_object_set_new(o, #field, json_integer((json_int_t)k->field));
	DELIVERY_COUNTS(COUNT)
#undef COUNT
	return o;
}

static json_t *
sms(const struct bsm *app)
{
	const struct sms_counts *k = bsm_sms_counts(app->sms);
	json_t *o = json_pack("{s:s, s:I}", "state", bsm_sms_state(app->sms), "waiting", (json_int_t)bsm_sms_waiting(app->sms));

#define COUNT(field, words) json_object_set_new(o, #field, json_integer((json_int_t)k->field));
	SMS_COUNTS(COUNT)
#undef COUNT
	return o;
}

static json_t *
stkms(const struct bsm *app)
{
	const struct stkm_get_counts *k = stkm_get_counts(app->stkms);
	json_t *o = json_object();

#define COUNT(field, words) json_object_set_new(o, #field, json_integer((json_int_t)k->field));
	STKM_GET_COUNTS(COUNT)
#undef COUNT
	return o;
}

static json_t *
door(const struct bsm_door *d)
{
	char at[GW_ADDR_TEXT];
	json_t *answers = json_object();

	for (int i = 1; i < 6; i++) {
		char class[16];

		snprintf(class, sizeof(class), "%dxx", i);
		json_object_set_new(answers, class, json_integer((json_int_t)d->by_class[i]));
	}
	return json_pack("{s:s, s:I, s:I, s:I, s:o}", "listen", gw_addr_text(gw_httpd_addr(d->httpd), at, sizeof(at)), "requests",
	    (json_int_t)d->requests, "refused", (json_int_t)d->refused, "unavailable", (json_int_t)d->unavailable, "answers", answers);
}

json_t *
bsm_status(void *self)
{
	struct bsm *app = self;
	const struct push_counts *p = push_counts(app->push);
	uint64_t ltkm[KMS_OUT_STATES] = { 0 }, pull[KMS_OUT_STATES] = { 0 }, here, away;
	char at[GW_ADDR_TEXT];
	json_t *o, *doors = json_array();

	kms_out_counts(app->store, ltkm, pull);
	json_array_append_new(doors, door(&app->terminals));
	if (app->shops.httpd)
		json_array_append_new(doors, door(&app->shops));
	o = json_pack("{s:s, s:s, s:s, s:s}", "kms", app->conf.b->kms->name, "store", app->conf.b->kms->store, "naf", app->conf.b->naf,
	    "ltkm_from", gw_addr_text(push_addr(app->push), at, sizeof(at)));
	if (kms_registration_counts(app->store, gw_utc_us(), &here, &away) == GW_WON)
		json_object_set_new(o, "registered", json_pack("{s:I, s:I}", "reachable", (json_int_t)here, "unreachable", (json_int_t)away));
	json_object_set_new(o, "turns", json_integer((json_int_t)app->turns));
	json_object_set_new(o, "turns_lost", json_integer((json_int_t)app->lost));
	json_object_set_new(o, "ltkm", by_state(ltkm));
	json_object_set_new(o, "pull", by_state(pull));
	json_object_set_new(o, "requests", requests(app));
	json_object_set_new(o, "purchases", purchases(app));
	json_object_set_new(o, "delivery", delivered(app));
	json_object_set_new(o, "datagrams", json_pack("{s:I, s:I, s:I, s:I, s:I}", "sent", (json_int_t)p->sent, "received", (json_int_t)p->received,
	    "cut", (json_int_t)p->cut, "unsent", (json_int_t)p->unsent, "full", (json_int_t)p->full));
	json_object_set_new(o, "doors", doors);
	if (app->sms)
		json_object_set_new(o, "sms", sms(app));
	json_object_set_new(o, "stkm", stkms(app));
	json_object_set_new(o, "services", services(app->store));
	json_object_set_new(o, "rolls", rolls(app->store));
	return o;
}

/* ---- metrics ---- */

enum metric { TURNS, LOST, MESSAGES, REQUESTS, PURCHASES, DELIVERY, SMS, STKM, ANSWERS, REFUSED, REGISTERED, ROLL, METRICS };
static const struct gw_metric metrics[METRICS] = {
	[TURNS] = { "simulgate_bsm_turns_total", "groups written to the store", GW_COUNTER },
	[LOST] = { "simulgate_bsm_turns_lost_total", "groups that the store did not take", GW_COUNTER },
	[MESSAGES] = { "simulgate_bsm_messages", "LTKMs and pulls since the store was made, by state", GW_GAUGE },
	[REQUESTS] = { "simulgate_bsm_requests_total", "what terminals asked for, by what came of it", GW_COUNTER },
	[PURCHASES] = { "simulgate_bsm_purchases_total", "what web shops asked for, by what came of it", GW_COUNTER },
	[DELIVERY] = { "simulgate_bsm_delivery_total", "LTKMs, pulls and verifications, by what became of them", GW_COUNTER },
	[SMS] = { "simulgate_bsm_sms_total", "short messages, by what became of them", GW_COUNTER },
	[STKM] = { "simulgate_bsm_stkm_total", "STKMs heard and given out over HTTP", GW_COUNTER },
	[ANSWERS] = { "simulgate_bsm_http_answers_total", "HTTP answers by port and class", GW_COUNTER },
	[REFUSED] = { "simulgate_bsm_http_refused_total", "requests that were no HTTP, too long, too slow or too many", GW_COUNTER },
	[REGISTERED] = { "simulgate_bsm_registered", "subscribers that are registered, by whether they can be reached", GW_GAUGE },
	[ROLL] = { "simulgate_bsm_roll_messages", "LTKMs of rolls and updates of keys under way, by state", GW_GAUGE },
};

struct sink { struct gw_samples *out; const char *kms; };

/* One value of a metric: with `key` its labels say which. */
static void
put(const struct sink *s, enum metric metric, const char *key, const char *value, double v)
{
	char labels[320] = "";

	gw_label(labels, sizeof(labels), "kms", s->kms);
	if (key)
		gw_label(labels, sizeof(labels), key, value);
	gw_sample(s->out, &metrics[metric], labels, v);
}

static void
put_two(const struct sink *s, enum metric metric, const char *key, const char *value, const char *key2, const char *value2, double v)
{
	char labels[320] = "";

	gw_label(labels, sizeof(labels), "kms", s->kms);
	gw_label(labels, sizeof(labels), key, value);
	gw_label(labels, sizeof(labels), key2, value2);
	gw_sample(s->out, &metrics[metric], labels, v);
}

static void
collect_roll(struct bsm *app, const struct sink *s, const struct kms_roll *r)
{
	struct kms_service service;
	unsigned number;
	const char *name = service_name(app->store, r->new_key, &service, &number);

	for (size_t k = 0; k < KMS_OUT_STATES; k++) {
		char labels[320] = "", text[12];

		snprintf(text, sizeof(text), "%u", number);
		gw_label(labels, sizeof(labels), "kms", s->kms);
		gw_label(labels, sizeof(labels), "service", name);
		gw_label(labels, sizeof(labels), "what", roll_word(r));
		gw_label(labels, sizeof(labels), "key_number", text);
		gw_label(labels, sizeof(labels), "state", states[k]);
		gw_sample(s->out, &metrics[ROLL], labels, (double)r->out[k]);
	}
}

static void
collect_messages(struct bsm *app, const struct sink *s)
{
	uint64_t ltkm[KMS_OUT_STATES] = { 0 }, pull[KMS_OUT_STATES] = { 0 };
	struct rolls all = { .store = app->store };

	kms_out_counts(app->store, ltkm, pull);
	for (size_t i = 0; i < KMS_OUT_STATES; i++) {
		put_two(s, MESSAGES, "message", "ltkm", "state", states[i], (double)ltkm[i]);
		put_two(s, MESSAGES, "message", "pull", "state", states[i], (double)pull[i]);
	}
	kms_rolls(app->store, false, keep_roll, &all);
	for (size_t i = 0; i < all.n; i++)
		collect_roll(app, s, &all.r[i]);
}

static void
collect_door(const struct bsm_door *d, const struct sink *s, const char *name)
{
	for (int i = 1; i < 6; i++) {
		char class[16];

		snprintf(class, sizeof(class), "%dxx", i);
		put_two(s, ANSWERS, "port", name, "class", class, (double)d->by_class[i]);
	}
	put(s, REFUSED, "port", name, (double)d->refused);
}

void
bsm_collect(void *self, struct gw_samples *out)
{
	struct bsm *app = self;
	const struct sink s = { out, app->conf.b->kms->name };
	const uint64_t *n = regd_counts(app->regd);
	const struct delivery_counts *k = delivery_counts(app->delivery);
	uint64_t here, away;

	if (kms_registration_counts(app->store, gw_utc_us(), &here, &away) == GW_WON) {
		put(&s, REGISTERED, "reachable", "yes", (double)here);
		put(&s, REGISTERED, "reachable", "no", (double)away);
	}
	put(&s, TURNS, NULL, NULL, (double)app->turns);
	put(&s, LOST, NULL, NULL, (double)app->lost);
	for (size_t i = 0; i < REGD_NCOUNTS; i++)
		put(&s, REQUESTS, "what", regd_counters[i].name, (double)n[i]);
	n = app->api ? bsm_api_counts(app->api) : NULL;
	for (size_t i = 0; n && i < API_NCOUNTS; i++)
		put(&s, PURCHASES, "what", api_counters[i].name, (double)n[i]);
#define SAMPLE(field, words) put(&s, DELIVERY, "what", #field, (double)k->field);
	DELIVERY_COUNTS(SAMPLE)
#undef SAMPLE
	if (app->sms) {
		const struct sms_counts *m = bsm_sms_counts(app->sms);
#define SAMPLE(field, words) put(&s, SMS, "what", #field, (double)m->field);
		SMS_COUNTS(SAMPLE)
#undef SAMPLE
	}
	const struct stkm_get_counts *g = stkm_get_counts(app->stkms);
#define SAMPLE(field, words) put(&s, STKM, "what", #field, (double)g->field);
	STKM_GET_COUNTS(SAMPLE)
#undef SAMPLE
	collect_door(&app->terminals, &s, "terminals");
	if (app->shops.httpd)
		collect_door(&app->shops, &s, "shops");
	collect_messages(app, &s);
}
