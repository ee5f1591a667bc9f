/* bsm/subscribe.c: simulgate-subscribe: subscribers, and what they have bought */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bsm/cmd.h"
#include "kms/csv.h"
#include "bsm/names.h"
#include "kms/provision.h"
#include "kms/purchase.h"
#include "lib/grow.h"
#include "lib/secret.h"

struct subscribe {
	struct cmd c;
	const char *subscriber, *service, *programme, *from, *until, *order, *source, *naf, *bsf, *msisdn;
	bool now;
};

#define TAKE(member) \
	static int \
	take_##member(void *self, const char *value, struct gw_err *err) \
	{ \
		(void)err; \
		((struct subscribe *)self)->member = value; \
		return 0; \
	}
TAKE(subscriber)
TAKE(service)
TAKE(programme)
TAKE(from)
TAKE(until)
TAKE(order)
TAKE(source)
TAKE(naf)
TAKE(bsf)
TAKE(msisdn)

static int
take_now(void *self, const char *value, struct gw_err *err)
{
	(void)value, (void)err;
	((struct subscribe *)self)->now = true;
	return 0;
}

static const char *const states[] = { "new", "told", "cut", "ended" };
static const char *const provisions[] = { "milenage", "ks", "keys" };

/* ---- subscribers ---- */

static struct provision_names names_of(const struct subscribe *);

/* NAF keys and B-TIDs of `ks` are made of the names under which the store's BSM serves: with others nobody could register. */
static int
names_good(struct subscribe *s, const char *where, struct gw_err *err)
{
	const struct provision_names n = names_of(s);
	struct bsm_names was = { { 0 }, { 0 } };

	if (n.naf && n.bsf && bsm_names_get(s->c.store, &was) && (strcmp(was.naf, n.naf) != 0 || strcmp(was.bsf, n.bsf) != 0))
		return gw_fail(err, GW_EUSAGE, "%s: the BSM of this store is NAF %s, BSF %s, not %.120s, %.120s", where, was.naf, was.bsf, n.naf, n.bsf);
	return 0;
}

struct provisioning { struct subscribe *s; enum gw_outcome o; size_t n; const char *path; bool csv; struct gw_err *err; };

static int
put_subscriber(void *self, const char *where, const struct provision *p, struct gw_err *err)
{
	struct provisioning *v = self;
	struct kms_gba gba = p->gba;
	char what[KMS_TEXT];

	if (p->sub.provision == KMS_KS && names_good(v->s, where, err) < 0) {
		v->o = GW_EXISTS;
		return -1;
	}
	v->o = kms_subscriber_put(v->s->c.store, &p->sub, &gba.sub);
	if (v->o == GW_WON && *gba.btid)
		v->o = kms_gba_put(v->s->c.store, &gba);
	gw_cleanse(&gba, sizeof(gba));
	snprintf(what, sizeof(what), "subscriber %s is added", p->sub.name);
	if (v->o == GW_WON)
		v->o = kms_audit(v->s->c.store, v->s->c.now_us, cmd_who(), what);
	if (v->o == GW_EXISTS)
		return gw_fail(err, GW_EUSAGE, "%s: there is one with this name, IMPI, MSISDN or B-TID already", where);
	v->n += v->o == GW_WON;
	return v->o == GW_WON ? 0 : cmd_busy(err);
}

static struct provision_names
names_of(const struct subscribe *s)
{
	return (struct provision_names){ s->naf ? s->naf : s->c.bsm ? s->c.bsm->naf : NULL, s->bsf ? s->bsf : s->c.bsm ? s->c.bsm->bsf : s->naf, s->c.now_us };
}

/* The whole file, or nothing of it. */
static enum gw_outcome
put_file_of(void *arg)
{
	struct provisioning *v = arg;
	struct subscribe *s = v->s;
	const struct provision_names names = names_of(s);

	v->n = 0;
	v->o = GW_WON;
	if ((v->csv ? provision_csv : provision_read)(v->path, &names, put_subscriber, v, v->err) == 0)
		return GW_WON;
	return v->o == GW_UNAVAILABLE ? GW_UNAVAILABLE : GW_EXISTS;
}

static int
provision(struct subscribe *s, const char *path, bool csv, struct gw_err *err)
{
	struct provisioning v = { .s = s, .path = path, .csv = csv, .err = err };

	switch (cmd_group(&s->c, put_file_of, &v)) {
	case GW_WON:
		return cmd_say(&s->c, json_pack("{s:I}", "subscribers", (json_int_t)v.n), err);
	case GW_EXISTS:
		return -1;
	default:
		return cmd_busy(err);
	}
}

static int
do_subscriber_add(void *self, char **rest, int nrest, struct gw_err *err)
{
	(void)nrest;
	return provision(self, rest[0], false, err);
}

static int
do_subscriber_import(void *self, char **rest, int nrest, struct gw_err *err)
{
	(void)nrest;
	return provision(self, rest[0], true, err);
}

static json_t *
subscriber_json(const struct kms_subscriber *r)
{
	return json_pack("{s:I, s:s, s:o, s:o, s:s, s:s}", "id", (json_int_t)r->id, "name", r->name, "impi", cmd_text(r->impi),
	    "msisdn", cmd_text(r->msisdn), "provision", provisions[r->provision], "gba_mode", r->gba_me ? "me" : "u");
}

struct page { json_t *rows; int64_t last; size_t n; };

static int
add_subscriber(void *self, const struct kms_subscriber *r)
{
	struct page *p = self;

	p->last = r->id;
	p->n++;
	return json_array_append_new(p->rows, subscriber_json(r)) != 0;
}

static int
do_subscriber_list(void *self, char **rest, int nrest, struct gw_err *err)
{
	enum { PAGE = 1000 };
	struct subscribe *s = self;
	struct page p = { .rows = json_array() };

	(void)rest, (void)nrest;
	do {
		p.n = 0;
		if (kms_subscribers(s->c.store, p.last, PAGE, add_subscriber, &p) != GW_WON) {
			json_decref(p.rows);
			return cmd_busy(err);
		}
	} while (p.n == PAGE);
	return cmd_say(&s->c, p.rows, err);
}

static int
find_subscriber(struct subscribe *s, const char *who, struct kms_subscriber *r, struct gw_err *err)
{
	enum gw_outcome o;

	if (!who)
		return gw_fail(err, GW_EUSAGE, "whose? --subscriber NAME, IMPI or MSISDN");
	o = kms_subscriber_find(s->c.store, who, r);
	gw_cleanse(r->k, sizeof(r->k) + sizeof(r->opc));
	if (o == GW_EXISTS)
		return gw_fail(err, GW_EUSAGE, "there is no subscriber %s", who);
	return o == GW_WON ? 0 : cmd_busy(err);
}

static int
do_subscriber_show(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct subscribe *s = self;
	struct kms_subscriber r;
	struct kms_registration reg;
	struct kms_gba gba;
	enum gw_outcome boot, there;
	char address[128] = "";
	json_t *j;

	(void)nrest;
	if (find_subscriber(s, rest[0], &r, err) < 0)
		return -1;
	boot = kms_gba_live(s->c.store, r.id, &gba);
	gw_cleanse(gba.ks, sizeof(gba.ks) + sizeof(gba.smk) + sizeof(gba.srk));
	there = kms_registration_get(s->c.store, r.id, &reg);
	if (boot == GW_UNAVAILABLE || there == GW_UNAVAILABLE)
		return cmd_busy(err);
	if (there == GW_WON)
		getnameinfo((struct sockaddr *)&reg.at, sizeof(reg.at), address, sizeof(address), NULL, 0, NI_NUMERICHOST);
	if (!(j = subscriber_json(&r)))
		return gw_fail(err, GW_ESYS, "no memory");
	json_object_set_new(j, "bootstrapping", boot != GW_WON ? json_null() : json_pack("{s:s, s:o, s:o, s:I}", "btid", gba.btid,
	    "since", cmd_when(gba.since_us), "expires", cmd_when(gba.expires_us), "ltkm_counter", (json_int_t)gba.ltkm_counter));
	json_object_set_new(j, "registration", there != GW_WON ? json_null() : json_pack("{s:s, s:o, s:o, s:b, s:s}", "address", address,
	    "since", cmd_when(reg.since_us), "expires", cmd_when(reg.expires_us), "reachable", (int)reg.reachable, "services", reg.services));
	return cmd_say(&s->c, j, err);
}

/* ---- changed ---- */

struct changing { struct subscribe *s; struct kms_subscriber *was; const char *path; struct gw_err *err; enum gw_outcome o; bool seen; };

static enum gw_outcome
change_row(struct changing *g, const struct kms_subscriber *r, const struct kms_gba *gba)
{
	char what[KMS_TEXT];
	enum gw_outcome o = kms_subscriber_change(g->s->c.store, r);

	if (o == GW_EXISTS)
		gw_fail(g->err, GW_EUSAGE, "another subscriber has this IMPI or MSISDN");
	if (o == GW_WON && gba && (o = kms_gba_renew(g->s->c.store, gba)) == GW_EXISTS && (o = kms_gba_put(g->s->c.store, gba)) == GW_EXISTS)
		gw_fail(g->err, GW_EUSAGE, "another subscriber has this B-TID");
	snprintf(what, sizeof(what), "subscriber %s is changed%s%s", r->name, g->s->msisdn ? ", MSISDN" : "", gba ? ", keys" : "");
	return o == GW_WON ? kms_audit(g->s->c.store, g->s->c.now_us, cmd_who(), what) : o;
}

/* What the file says of them; a number of the command line goes before that. */
static int
change_as_written(void *self, const char *where, const struct provision *p, struct gw_err *err)
{
	struct changing *g = self;
	struct kms_subscriber r = p->sub;
	struct kms_gba gba = p->gba;

	g->o = GW_EXISTS;
	if (strcmp(p->sub.name, g->was->name) != 0)
		return 0;
	if (p->sub.provision != g->was->provision)
		return gw_fail(err, GW_EUSAGE, "%s: provision stays what it is: %s", where, provisions[g->was->provision]);
	if (p->sub.provision == KMS_KS && names_good(g->s, where, err) < 0)
		return -1;
	g->seen = true;
	r.id = gba.sub = g->was->id;
	if (g->s->msisdn)
		memcpy(r.msisdn, g->was->msisdn, sizeof(r.msisdn));
	g->o = change_row(g, &r, *gba.btid ? &gba : NULL);
	gw_cleanse(&r, sizeof(r));
	gw_cleanse(&gba, sizeof(gba));
	return g->o == GW_WON ? 0 : g->o == GW_EXISTS ? gw_wrap(err, "%s", where) : cmd_busy(err);
}

static enum gw_outcome
change_subscriber(void *arg)
{
	struct changing *g = arg;
	const struct provision_names names = names_of(g->s);

	if (!g->path)
		return change_row(g, g->was, NULL);
	g->seen = false;
	if (provision_read(g->path, &names, change_as_written, g, g->err) == 0 && g->seen)
		return GW_WON;
	if (!g->seen && !g->err->text[0])
		gw_fail(g->err, GW_EUSAGE, "%s: there is no subscriber %s in it", g->path, g->was->name);
	return g->o == GW_UNAVAILABLE ? GW_UNAVAILABLE : GW_EXISTS;
}

static int
do_subscriber_change(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct subscribe *s = self;
	struct kms_subscriber r = { .id = 0 };
	struct changing g = { .s = s, .was = &r, .path = nrest > 1 ? rest[1] : NULL, .err = err };
	const char *number = s->msisdn && strcmp(s->msisdn, "none") != 0 ? s->msisdn : "";
	enum gw_outcome o;

	if (!g.path && !s->msisdn)
		return gw_fail(err, GW_EUSAGE, "what is to change? a file, or --msisdn");
	if (strlen(number) >= KMS_MSISDN || number[strspn(number, "0123456789")])
		return gw_fail(err, GW_EUSAGE, "--msisdn: digits, %d at most, or none", KMS_MSISDN - 1);
	o = kms_subscriber_find(s->c.store, rest[0], &r);
	if (o != GW_WON)
		return o == GW_EXISTS ? gw_fail(err, GW_EUSAGE, "there is no subscriber %s", rest[0]) : cmd_busy(err);
	if (s->msisdn)
		snprintf(r.msisdn, sizeof(r.msisdn), "%s", number);
	o = cmd_group(&s->c, change_subscriber, &g);
	gw_cleanse(r.k, sizeof(r.k) + sizeof(r.opc));
	if (o != GW_WON)
		return o == GW_EXISTS ? -1 : cmd_busy(err);
	return do_subscriber_show(self, (char *[]){ r.name }, 1, err);
}

struct ending { struct subscribe *s; int64_t id; const char *name; };

static enum gw_outcome
end_subscriber(void *arg)
{
	struct ending *e = arg;
	char what[KMS_TEXT];
	enum gw_outcome o = kms_subscriber_end(e->s->c.store, e->id);

	snprintf(what, sizeof(what), "subscriber %s is removed", e->name);
	return o == GW_WON ? kms_audit(e->s->c.store, e->s->c.now_us, cmd_who(), what) : o;
}

static int
do_subscriber_end(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct subscribe *s = self;
	struct kms_subscriber r;

	(void)nrest;
	if (find_subscriber(s, rest[0], &r, err) < 0)
		return -1;
	struct ending e = { s, r.id, r.name };
	if (cmd_group(&s->c, end_subscriber, &e) != GW_WON)
		return cmd_busy(err);
	return cmd_say(&s->c, json_pack("{s:s, s:b}", "subscriber", r.name, "ended", 1), err);
}

/* ---- subscriptions as answers ---- */

struct sales { struct kms_subscription *v; size_t n, cap; };

static int
note_sale(void *self, const struct kms_subscription *r)
{
	struct sales *l = self;
	struct kms_subscription *v = gw_grow(l->v, l->n, &l->cap, sizeof(*v));

	if (!v)
		return 1;
	l->v = v;
	l->v[l->n++] = *r;
	return 0;
}

static json_t *
sale_json(struct subscribe *s, const struct kms_subscription *r)
{
	struct kms_subscriber sub = { .name = "" };
	struct kms_service service = { .name = "" };
	struct kms_key key = { .programme = "" };

	kms_subscriber_get(s->c.store, r->sub, &sub);
	kms_service_get(s->c.store, r->service, &service);
	if (r->kind == KMS_PEK)
		kms_key_get(s->c.store, r->key, &key);
	gw_cleanse(sub.k, sizeof(sub.k) + sizeof(sub.opc));
	gw_cleanse(key.key, sizeof(key.key));
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "id", (json_int_t)r->id, "subscriber", cmd_text(sub.name),
	    "service", cmd_text(service.name), "programme", cmd_text(key.programme), "from", cmd_when(r->from_us), "until", cmd_when(r->until_us),
	    "state", states[kms_subscription_now(r, s->c.now_us)], "source", cmd_text(r->source), "order", cmd_text(r->order));
}

/* ---- bought ---- */

static int
refuse(const char *where, enum kms_order_fault fault, struct gw_err *err)
{
	return gw_fail(err, fault == KMS_ORDER_CONFLICT ? GW_EUNAVAIL : GW_EUSAGE, "%s%s%s: %s", where, *where ? ": " : "", kms_order_texts[fault].field,
	    kms_order_texts[fault].text);
}

struct purchase { struct subscribe *s; struct kms_order o; struct kms_subscription row; enum kms_order_fault fault; bool again; };

/* One that was taken before is no fault: there is nothing to be put. */
static enum gw_outcome
purchase(void *arg)
{
	struct purchase *p = arg;
	enum gw_outcome o = kms_buy(p->s->c.store, &p->o, p->s->c.now_us, &p->row, &p->fault);

	p->again = o == GW_EXISTS && p->fault == KMS_ORDER_GOOD;
	return p->again ? GW_WON : o;
}

static int
do_add(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct subscribe *s = self;
	struct purchase p = { .s = s, .o = { .subscriber = s->subscriber, .service = s->service, .programme = s->programme,
		.source = s->source ? s->source : "operator", .order = s->order } };

	(void)rest, (void)nrest;
	if (!s->subscriber || !s->service)
		return gw_fail(err, GW_EUSAGE, "who, and what? --subscriber and --service");
	if ((s->from && cmd_time(&s->c, s->from, &p.o.from_us, err) < 0) || (s->until && cmd_time(&s->c, s->until, &p.o.until_us, err) < 0))
		return -1;
	switch (cmd_group(&s->c, purchase, &p)) {
	case GW_WON:
		return cmd_say(&s->c, sale_json(s, &p.row), err);
	case GW_EXISTS:
		return refuse("", p.fault, err);
	default:
		return cmd_busy(err);
	}
}

/* ---- ended ---- */

struct endings { struct subscribe *s; int64_t id, sub, service, until_us; size_t n; json_t *rows; };

static bool
meant(const struct endings *e, const struct kms_subscription *r, const char *programme)
{
	struct kms_key key = { .programme = "" };
	bool same;

	if (e->id)
		return r->id == e->id;
	if (r->service != e->service)
		return false;
	if (!programme)
		return r->kind == KMS_SEK;
	same = r->kind == KMS_PEK && kms_key_get(e->s->c.store, r->key, &key) == GW_WON && strcmp(key.programme, programme) == 0;
	gw_cleanse(key.key, sizeof(key.key));
	return same;
}

static enum gw_outcome
end_sales(void *arg)
{
	struct endings *e = arg;
	struct subscribe *s = e->s;
	struct sales l = { 0 };
	enum gw_outcome o = kms_subscriptions_of(s->c.store, e->sub, note_sale, &l);

	e->n = 0;
	json_array_clear(e->rows);
	for (size_t i = 0; i < l.n && o == GW_WON; i++) {
		if (!meant(e, &l.v[i], s->programme))
			continue;
		o = kms_end(s->c.store, &l.v[i], s->now ? KMS_END_NOW : KMS_END_PLAIN, e->until_us, cmd_who(), s->c.now_us);
		if (o == GW_UNAVAILABLE)
			break;
		o = GW_WON;	/* one that was over already is answered, too */
		e->n++;
		json_array_append_new(e->rows, sale_json(s, &l.v[i]));
	}
	free(l.v);
	return o;
}

/* By its id, or the subscriber's right to the service. */
static int
which(struct subscribe *s, struct endings *e, char **rest, int nrest, struct gw_err *err)
{
	struct kms_subscriber sub;
	struct kms_service service;
	struct kms_subscription row;
	char *end;

	if (nrest == 1) {
		e->id = strtoll(rest[0], &end, 10);
		if (*end || e->id <= 0 || s->subscriber || s->service || kms_subscription_get(s->c.store, e->id, &row) != GW_WON)
			return gw_fail(err, GW_EUSAGE, "there is no subscription %s", rest[0]);
		e->sub = row.sub;
		return 0;
	}
	if (find_subscriber(s, s->subscriber, &sub, err) < 0 || cmd_service(&s->c, s->service, &service, err) < 0)
		return -1;
	e->sub = sub.id;
	e->service = service.id;
	return 0;
}

static int
do_end(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct subscribe *s = self;
	struct endings e = { .s = s };

	if (s->now && s->until)
		return gw_fail(err, GW_EUSAGE, "--now or --until, not both");
	if ((s->until && cmd_time(&s->c, s->until, &e.until_us, err) < 0) || which(s, &e, rest, nrest, err) < 0)
		return -1;
	if (!(e.rows = json_array()))
		return gw_fail(err, GW_ESYS, "no memory");
	if (cmd_group(&s->c, end_sales, &e) != GW_WON) {
		json_decref(e.rows);
		return cmd_busy(err);
	}
	if (e.n == 0) {
		json_decref(e.rows);
		return gw_fail(err, GW_EUSAGE, "%s has no such subscription", s->subscriber);
	}
	return cmd_say(&s->c, e.rows, err);
}

/* ---- listed ---- */

static enum gw_outcome
all_in(struct subscribe *s, enum kms_subscription_state state, struct sales *l)
{
	enum { PAGE = 1000 };
	int64_t last = 0;
	size_t before;

	do {
		before = l->n;
		if (kms_subscriptions_in(s->c.store, state, last, PAGE, note_sale, l) != GW_WON)
			return GW_UNAVAILABLE;
		if (l->n > before)
			last = l->v[l->n - 1].id;
	} while (l->n - before == PAGE);
	return GW_WON;
}

static int
do_list(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct subscribe *s = self;
	struct kms_subscriber sub;
	struct kms_service service = { .id = 0 };
	struct sales l = { 0 };
	json_t *all;
	enum gw_outcome o = GW_WON;

	(void)rest, (void)nrest;
	if ((s->subscriber && find_subscriber(s, s->subscriber, &sub, err) < 0) || (s->service && cmd_service(&s->c, s->service, &service, err) < 0))
		return -1;
	if (s->subscriber)
		o = kms_subscriptions_of(s->c.store, sub.id, note_sale, &l);
	else
		for (int state = KMS_NEW; state <= KMS_ENDED && o == GW_WON; state++)
			o = all_in(s, (enum kms_subscription_state)state, &l);
	all = json_array();
	for (size_t i = 0; i < l.n && o == GW_WON; i++)
		if (!service.id || l.v[i].service == service.id)
			json_array_append_new(all, sale_json(s, &l.v[i]));
	free(l.v);
	if (o == GW_WON)
		return cmd_say(&s->c, all, err);
	json_decref(all);
	return cmd_busy(err);
}

/* ---- imported ---- */

enum sale_column { SUBSCRIBER, SERVICE, PROGRAMME, FROM, UNTIL, ORDER, SOURCE, SALE_COLUMNS };
static const char *const columns[SALE_COLUMNS] = { "subscriber", "service", "programme", "from", "until", "order", "source" };

struct import { struct subscribe *s; const char *path; struct gw_err *err; size_t n, again; };

static int
head(const char *where, char **field, int n, int at[SALE_COLUMNS], struct gw_err *err)
{
	for (int c = 0; c < SALE_COLUMNS; c++)
		at[c] = -1;
	for (int i = 0; i < n; i++) {
		int c = 0;

		while (c < SALE_COLUMNS && strcmp(field[i], columns[c]) != 0)
			c++;
		if (c == SALE_COLUMNS || at[c] >= 0)
			return gw_fail(err, GW_ECONF, "%s: %s: %s", where, field[i], c == SALE_COLUMNS ? "there is no such column" : "this column is there twice");
		at[c] = i;
	}
	if (at[SUBSCRIBER] < 0 || at[SERVICE] < 0)
		return gw_fail(err, GW_ECONF, "%s: the columns subscriber and service are needed", where);
	return 0;
}

static enum gw_outcome
import_line(struct import *m, const char *where, char **field, const int at[SALE_COLUMNS])
{
	struct subscribe *s = m->s;
	struct kms_subscription row;
	enum kms_order_fault fault;
	struct gw_err why = { 0 };
	const char *v[SALE_COLUMNS];
	enum gw_outcome o;

	for (int c = 0; c < SALE_COLUMNS; c++)
		v[c] = at[c] < 0 ? "" : field[at[c]];
	struct kms_order order = { .subscriber = v[SUBSCRIBER], .service = v[SERVICE], .programme = v[PROGRAMME], .order = v[ORDER],
		.source = *v[SOURCE] ? v[SOURCE] : s->source ? s->source : "import" };
	if ((*v[FROM] && cmd_time(&s->c, v[FROM], &order.from_us, &why) < 0) || (*v[UNTIL] && cmd_time(&s->c, v[UNTIL], &order.until_us, &why) < 0)) {
		gw_fail(m->err, GW_ECONF, "%s: %s", where, why.text);
		return GW_EXISTS;
	}
	o = kms_buy(s->c.store, &order, s->c.now_us, &row, &fault);
	if (o == GW_EXISTS && fault != KMS_ORDER_GOOD) {
		refuse(where, fault, m->err);
		return o;
	}
	m->n += o == GW_WON;
	m->again += o == GW_EXISTS;
	return o == GW_EXISTS ? GW_WON : o;
}

static enum gw_outcome
import_lines(struct import *m, FILE *f)
{
	static char line[CSV_LINE];
	char *field[CSV_FIELDS], where[400];
	int at[SALE_COLUMNS], width = 0;
	enum gw_outcome o = GW_WON;

	for (int number = 1; o == GW_WON && fgets(line, sizeof(line), f); number++) {
		const char *why = NULL;
		int n;

		snprintf(where, sizeof(where), "%s:%d", m->path, number);
		if (!strchr(line, '\n') && !feof(f))
			why = "the line is too long";
		else if (line[strspn(line, "\r\n")] == '\0')
			continue;
		else if ((n = csv_split(line, field, &why)) >= 0 && width && n != width)
			why = "it has not as many fields as the first line";
		if (why) {
			gw_fail(m->err, GW_ECONF, "%s: %s", where, why);
			return GW_EXISTS;
		}
		if (width)
			o = import_line(m, where, field, at);
		else if (head(where, field, width = n, at, m->err) < 0)
			return GW_EXISTS;
	}
	if (o == GW_WON && (ferror(f) || !width)) {
		gw_fail(m->err, GW_ECONF, "%s: %s", m->path, ferror(f) ? strerror(errno) : "there is no line that names the columns");
		return GW_EXISTS;
	}
	return o;
}

/* All of it, or nothing. */
static enum gw_outcome
import_file(void *arg)
{
	struct import *m = arg;
	FILE *f = fopen(m->path, "re");
	enum gw_outcome o;

	m->n = m->again = 0;
	if (!f) {
		gw_fail(m->err, GW_ECONF, "%s: %s", m->path, strerror(errno));
		return GW_EXISTS;
	}
	o = import_lines(m, f);
	fclose(f);
	return o;
}

static int
do_import(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct subscribe *s = self;
	struct import m = { .s = s, .path = rest[0], .err = err };

	(void)nrest;
	switch (cmd_group(&s->c, import_file, &m)) {
	case GW_WON:
		return cmd_say(&s->c, json_pack("{s:I, s:I}", "subscriptions", (json_int_t)m.n, "known_orders", (json_int_t)m.again), err);
	case GW_EXISTS:
		return -1;
	default:
		return cmd_busy(err);
	}
}

static const struct cmd_action actions[] = {
	{ "subscriber add", do_subscriber_add, CMD_OPEN, 1, 1 },
	{ "subscriber import", do_subscriber_import, CMD_OPEN, 1, 1 },
	{ "subscriber list", do_subscriber_list, CMD_OPEN, 0, 0 },
	{ "subscriber show", do_subscriber_show, CMD_OPEN, 1, 1 },
	{ "subscriber change", do_subscriber_change, CMD_OPEN, 1, 2 },
	{ "subscriber end", do_subscriber_end, CMD_OPEN, 1, 1 },
	{ "add", do_add, CMD_OPEN, 0, 0 },
	{ "end", do_end, CMD_OPEN, 0, 1 },
	{ "list", do_list, CMD_OPEN, 0, 0 },
	{ "import", do_import, CMD_OPEN, 1, 1 },
};
static const struct gw_option options[] = {
	CMD_OPTIONS,
	{ "subscriber", "WHO", "by name, IMPI or MSISDN", take_subscriber },
	{ "service", "NAME", "by name, or by its MBMS User Service ID", take_service },
	{ "programme", "URI", "a programme of the service, by its GlobalPurchaseItemID", take_programme },
	{ "from", "TIME", "add: default now", take_from },
	{ "until", "TIME", "add: default for good; end: default now", take_until },
	{ "now", NULL, "end: its key is made unusable, and the service's key rolled", take_now },
	{ "order", "ID", "add: idempotency key: the same order again is the same subscription", take_order },
	{ "source", "NAME", "add, import: who sold it; default operator, import", take_source },
	{ "msisdn", "DIGITS", "subscriber change: the number for SMS; none takes it away", take_msisdn },
	{ "naf", "NAME", "subscriber add, import, change: the NAF of `ks`; default the configuration's", take_naf },
	{ "bsf", "NAME", "the same: the BSF; default the configuration's, or the NAF", take_bsf },
};
static const struct gw_program program = {
	"simulgate-subscribe", "subscriber add FILE|subscriber import FILE.csv|subscriber list|subscriber show WHO|subscriber change WHO [FILE]|subscriber end WHO|add|end [ID]|list|import FILE.csv "
	"[--config FILE [--kms NAME] | --store PATH]",
	"Subscribers of a KMS of the Smartcard profile, and what they have bought.", options, sizeof(options) / sizeof(options[0]), 1, 8,
};

int
main(int argc, char **argv)
{
	static struct subscribe s;

	return cmd_main(&program, actions, sizeof(actions) / sizeof(actions[0]), &s.c, argc, argv);
}
