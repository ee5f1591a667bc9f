/* bsm/kms.c: simulgate-kms: the store of a Smartcard KMS made, copied, put back, wrapped anew; its keys, programmes and rolls; trigger messages */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bsm/cmd.h"
#include "bsm/names.h"
#include "bsm/services.h"
#include "bsm/trigger.h"
#include "lib/clock.h"
#include "lib/grow.h"
#include "lib/secret.h"

struct kms {
	struct cmd c;
	const char *service, *in, *item, *from, *until, *number, *upper;
	bool status, all;
};

#define TAKE(member) \
	static int \
	take_##member(void *self, const char *value, struct gw_err *err) \
	{ \
		(void)err; \
		((struct kms *)self)->member = value; \
		return 0; \
	}
#define TAKE_FLAG(member) \
	static int \
	take_##member(void *self, const char *value, struct gw_err *err) \
	{ \
		(void)err, (void)value; \
		((struct kms *)self)->member = true; \
		return 0; \
	}
TAKE(service)
TAKE(in)
TAKE(item)
TAKE(from)
TAKE(until)
TAKE(number)
TAKE(upper)
TAKE_FLAG(status)
TAKE_FLAG(all)

static const char *const key_states[] = { "new", "current", "old", "dead" };
static const char *const out_states[KMS_OUT_STATES] = { "due", "sent", "verified", "failed", "sms", "void" };

/* ---- the store as a whole ---- */

static int
do_init(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct kms *k = self;
	size_t n = 0;

	(void)rest, (void)nrest;
	if (k->c.he && !k->c.bsm)
		return gw_fail(err, GW_ECONF, "%s: KMS %s has no bsm, which says the Key Domain and the life of its keys", k->c.he->file, k->c.k->name);
	if (k->c.bsm && bsm_names_note(k->c.store, k->c.bsm->naf, k->c.bsm->bsf, err) < 0)
		return -1;
	if (k->c.bsm && bsm_services_put(k->c.store, k->c.he, k->c.bsm, k->c.now_us, &n, err) < 0)
		return -1;
	return cmd_say(&k->c, json_pack("{s:s, s:I}", "store", k->c.conf.path, "services", (json_int_t)n), err);
}

static int
do_backup(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct kms *k = self;
	char master[4096];

	(void)nrest;
	snprintf(master, sizeof(master), "%s.master", rest[0]);
	if (kms_store_backup(k->c.store, rest[0], err) < 0)
		return -1;
	return cmd_say(&k->c, json_pack("{s:s, s:s}", "backup", rest[0], "master", master), err);
}

static int
do_restore(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct kms *k = self;

	(void)nrest;
	if (kms_store_restore(rest[0], &k->c.conf, err) < 0)
		return -1;
	return cmd_say(&k->c, json_pack("{s:s, s:s}", "restored", k->c.conf.path, "from", rest[0]), err);
}

static enum gw_outcome
note_rotation(void *arg)
{
	const struct kms *k = arg;

	return kms_audit(k->c.store, k->c.now_us, cmd_who(), "master key rotated");
}

static int
do_rotate(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct kms *k = self;
	struct gw_err why = { 0 };
	int rc = -1;

	(void)rest, (void)nrest;
	for (int tries = 0; rc < 0 && tries < 20; tries++) {	/* others write, too: each waits a while for its turn */
		why = (struct gw_err){ 0 };
		rc = kms_store_rotate(k->c.store, &why);
		if (why.code != GW_ETEMP)
			break;
	}
	if (rc < 0)
		return gw_fail(err, why.code, "%s", why.text);
	if (cmd_group(&k->c, note_rotation, k) != GW_WON)
		return cmd_busy(err);
	return cmd_say(&k->c, json_pack("{s:s, s:b}", "store", k->c.conf.path, "rotated", 1), err);
}

/* ---- services and keys ---- */

struct names { struct kms_service *v; size_t n, cap; };

static int
note_service(void *self, const struct kms_service *s)
{
	struct names *l = self;
	struct kms_service *v = gw_grow(l->v, l->n, &l->cap, sizeof(*v));

	if (!v)
		return 1;
	l->v = v;
	l->v[l->n++] = *s;
	return 0;
}

static json_t *
service_row(struct kms *k, const struct kms_service *s)
{
	const bool sek = kms_stream_of(k->c.store, s->id, KMS_SEK) == GW_WON, pek = kms_stream_of(k->c.store, s->id, KMS_PEK) == GW_WON;
	char uri[2 * KMS_URI], domain[8];

	snprintf(uri, sizeof(uri), "%s%s", s->item, s->reference);
	snprintf(domain, sizeof(domain), "%02x%02x%02x", s->domain[0], s->domain[1], s->domain[2]);
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:b, s:b}", "service", s->name, "uri", uri, "key_domain", domain,
	    "sek_group", s->group[KMS_SEK], "pek_group", s->group[KMS_PEK], "crypto_period_ms", (json_int_t)s->crypto_period_ms,
	    "on_air", (int)(sek || pek), "programmes", (int)pek);
}

static int
do_services(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct kms *k = self;
	json_t *all = json_array();
	struct names names = { 0 };
	enum gw_outcome o = kms_services(k->c.store, note_service, &names);

	(void)rest, (void)nrest;
	for (size_t i = 0; i < names.n; i++)
		json_array_append_new(all, service_row(k, &names.v[i]));
	free(names.v);
	if (o == GW_WON)
		return cmd_say(&k->c, all, err);
	json_decref(all);
	return cmd_busy(err);
}

/* Does the configuration have it? Without one, nobody knows. */
static bool
configured(const struct kms *k, const char *service)
{
	for (size_t i = 0; k->c.he && i < k->c.he->nservices; i++)
		for (size_t j = 0; j < k->c.he->services[i].nunits; j++) {
			const struct he_unit *u = &k->c.he->services[i].units[j];

			for (size_t n = 0; n < u->nstkm; n++)
				if (u->stkm[n].kms == k->c.k && strcmp(u->id, service) == 0)
					return true;
		}
	return false;
}

struct renaming { struct kms *k; struct kms_service s; const char *name; };

static enum gw_outcome
end_service(void *arg)
{
	struct renaming *r = arg;
	char what[KMS_TEXT];
	enum gw_outcome o = kms_service_end(r->k->c.store, r->s.id, r->k->c.now_us);

	snprintf(what, sizeof(what), "service %s is ended", r->s.name);
	return o == GW_WON ? kms_audit(r->k->c.store, r->k->c.now_us, cmd_who(), what) : o;
}

static enum gw_outcome
rename_service(void *arg)
{
	struct renaming *r = arg;
	char what[KMS_TEXT];
	enum gw_outcome o = kms_service_rename(r->k->c.store, r->s.id, r->name);

	snprintf(what, sizeof(what), "service %s is called %s", r->s.name, r->name);
	return o == GW_WON ? kms_audit(r->k->c.store, r->k->c.now_us, cmd_who(), what) : o;
}

static int
do_service_end(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct renaming r = { .k = self };

	(void)nrest;
	if (cmd_service(&r.k->c, rest[0], &r.s, err) < 0)
		return -1;
	if (configured(r.k, r.s.name))
		return gw_fail(err, GW_EUSAGE, "%s has service %s: take it out there first", r.k->c.he->file, r.s.name);
	if (cmd_group(&r.k->c, end_service, &r) != GW_WON)
		return cmd_busy(err);
	return cmd_say(&r.k->c, json_pack("{s:s, s:b}", "service", r.s.name, "ended", 1), err);
}

static int
do_service_rename(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct renaming r = { .k = self, .name = rest[1] };

	(void)nrest;
	if (cmd_service(&r.k->c, rest[0], &r.s, err) < 0)
		return -1;
	if (!*r.name || strlen(r.name) >= KMS_NAME)
		return gw_fail(err, GW_EUSAGE, "a name has %d characters at most", KMS_NAME - 1);
	if (configured(r.k, r.s.name))
		return gw_fail(err, GW_EUSAGE, "%s has service %s: give it its new name there first", r.k->c.he->file, r.s.name);
	switch (cmd_group(&r.k->c, rename_service, &r)) {
	case GW_WON:
		return cmd_say(&r.k->c, json_pack("{s:s, s:s}", "service", r.name, "was", r.s.name), err);
	case GW_EXISTS:
		return gw_fail(err, GW_EUSAGE, "there is a service %s", r.name);
	default:
		return cmd_busy(err);
	}
}

struct key_list { json_t *rows; const char *service; enum kms_kind kind; bool programmes; };

static int
add_key(void *self, const struct kms_key *key)
{
	struct key_list *l = self;
	char print[17];

	gw_fingerprint(key->key, sizeof(key->key), print);
	return json_array_append_new(l->rows, json_pack("{s:I, s:s, s:s, s:i, s:i, s:s, s:o, s:i, s:i, s:o, s:o, s:o, s:s}", "id", (json_int_t)key->id,
	    "service", l->service, "kind", key->kind == KMS_PEK ? "pek" : "sek", "group", key->group, "number", key->number, "state", key_states[key->state],
	    "first_cp", key->first_cp < 0 ? json_null() : json_integer(key->first_cp), "lower", key->lower, "upper", key->upper,
	    "from", cmd_when(key->valid_from_us), "until", cmd_when(key->valid_until_us), "programme", cmd_text(key->programme), "fingerprint", print)) != 0;
}

static int
list_keys(struct kms *k, bool seks, struct gw_err *err)
{
	struct key_list l = { .rows = json_array() };
	struct names names = { 0 };
	enum gw_outcome o = kms_services(k->c.store, note_service, &names);

	for (size_t i = 0; i < names.n && o == GW_WON; i++) {
		l.service = names.v[i].name;
		if (k->service && strcmp(k->service, l.service) != 0)
			continue;
		if (seks)
			o = kms_keys(k->c.store, names.v[i].id, KMS_SEK, add_key, &l);
		if (o == GW_WON)
			o = kms_keys(k->c.store, names.v[i].id, KMS_PEK, add_key, &l);
	}
	free(names.v);
	if (o == GW_WON)
		return cmd_say(&k->c, l.rows, err);
	json_decref(l.rows);
	return cmd_busy(err);
}

static int
do_keys(void *self, char **rest, int nrest, struct gw_err *err)
{
	(void)rest, (void)nrest;
	return list_keys(self, true, err);
}

static int
do_programmes(void *self, char **rest, int nrest, struct gw_err *err)
{
	(void)rest, (void)nrest;
	return list_keys(self, false, err);
}

static int
do_programme(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct kms *k = self;
	struct kms_service s;
	struct kms_key key = { 0 };
	int64_t from = k->c.now_us, until;
	char what[KMS_TEXT];
	enum gw_outcome o;

	(void)rest, (void)nrest;
	if (!k->item || !k->until || strlen(k->item) >= KMS_URI)
		return gw_fail(err, GW_EUSAGE, "a programme has an --item (its GlobalPurchaseItemID, at most %d octets) and an --until", KMS_URI - 1);
	if ((k->from && cmd_time(&k->c, k->from, &from, err) < 0) || cmd_time(&k->c, k->until, &until, err) < 0 ||
	    cmd_service(&k->c, k->service, &s, err) < 0)
		return -1;
	if (until <= from)
		return gw_fail(err, GW_EUSAGE, "--until is not after --from");
	if ((o = kms_stream_of(k->c.store, s.id, KMS_PEK)) != GW_WON)
		return o == GW_EXISTS ? gw_fail(err, GW_EUSAGE, "service %s has no stream of STKMs for programmes (stkm with key: pek): nobody could watch "
		    "what is sold", s.name) : cmd_busy(err);
	snprintf(what, sizeof(what), "programme %.200s of %s", k->item, s.name);
	kms_store_begin(k->c.store);
	o = keymgr_programme(k->c.store, &s, k->item, from, until, &key);
	if (o == GW_WON)
		o = kms_audit(k->c.store, k->c.now_us, cmd_who(), what);
	if (o != GW_WON)
		kms_store_drop(k->c.store);
	else
		o = kms_store_flush(k->c.store);
	gw_cleanse(key.key, sizeof(key.key));
	if (o == GW_EXISTS)
		return gw_fail(err, GW_EUSAGE, "service %s has a programme at that time: %s", s.name, key.programme);
	return o != GW_WON ? cmd_busy(err) : cmd_say(&k->c, json_pack("{s:s, s:s, s:i, s:i, s:o, s:o}", "service", s.name, "programme", k->item,
	    "group", key.group, "number", key.number, "from", cmd_when(from), "until", cmd_when(until)), err);
}

/* ---- rolls ---- */

struct rolls { struct kms_roll *v; size_t n, cap; };

static int
note_roll(void *self, const struct kms_roll *r)
{
	struct rolls *l = self;
	struct kms_roll *v = gw_grow(l->v, l->n, &l->cap, sizeof(*v));

	if (!v)
		return 1;
	l->v = v;
	l->v[l->n++] = *r;
	return 0;
}

static json_t *
counts(const uint64_t n[KMS_OUT_STATES])
{
	json_t *j = json_object();

	for (int i = 0; i < KMS_OUT_STATES; i++)
		json_object_set_new(j, out_states[i], json_integer((json_int_t)n[i]));
	return j;
}

static json_t *
roll_row(struct kms *k, const struct kms_roll *r)
{
	static const char *const states[] = { "pushing", "ready", "done" };
	struct kms_service s = { 0 };
	struct kms_key was = { 0 }, next = { 0 };
	uint64_t left = 0;
	json_t *row, *n;

	if (kms_key_get(k->c.store, r->new_key, &next) == GW_WON)
		kms_service_get(k->c.store, next.service, &s);
	kms_key_get(k->c.store, r->old_key, &was);
	gw_cleanse(was.key, sizeof(was.key));
	gw_cleanse(next.key, sizeof(next.key));
	if (k->service && strcmp(k->service, s.name) != 0)
		return NULL;
	kms_roll_left(k->c.store, r, k->c.now_us, &left);
	row = json_pack("{s:I, s:s, s:s, s:i, s:i, s:s, s:o, s:o, s:I}", "roll", (json_int_t)r->id, "service", s.name,
	    "what", kms_roll_is_update(r) ? "update" : "roll", "from_key", was.number, "to_key", next.number, "state", states[r->state],
	    "since", cmd_when(r->from_us), "switch", cmd_when(r->switch_us), "to_come", (json_int_t)left);
	n = counts(r->out);
	json_object_update(row, n);
	json_decref(n);
	return row;
}

static int
show_rolls(struct kms *k, struct gw_err *err)
{
	struct rolls l = { 0 };
	json_t *all = json_array(), *row;
	enum gw_outcome o = kms_rolls(k->c.store, k->all, note_roll, &l);

	for (size_t i = 0; i < l.n && o == GW_WON; i++)
		if ((row = roll_row(k, &l.v[i])))
			json_array_append_new(all, row);
	free(l.v);
	if (o == GW_WON)
		return cmd_say(&k->c, all, err);
	json_decref(all);
	return cmd_busy(err);
}

static int
do_roll(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct kms *k = self;
	const struct keymgr_plan plan = k->c.bsm ? bsm_plan(k->c.bsm) : (struct keymgr_plan){ .window_us = INT64_C(3600) * 1000000 };
	int64_t in = plan.window_us;
	struct kms_service s;
	char what[KMS_TEXT];
	enum gw_outcome o, audit;

	(void)rest, (void)nrest;
	if (k->status)
		return show_rolls(k, err);
	if ((k->in && cmd_duration(k->in, &in, err) < 0) || cmd_service(&k->c, k->service, &s, err) < 0)
		return -1;
	snprintf(what, sizeof(what), "roll of service %s in %lld s", s.name, (long long)(in / 1000000));
	kms_store_begin(k->c.store);
	o = keymgr_next(k->c.store, &s, k->c.bsm ? &plan : NULL, k->c.now_us, k->c.now_us + in);
	audit = o == GW_UNAVAILABLE ? o : kms_audit(k->c.store, k->c.now_us, cmd_who(), what);
	if (audit != GW_WON)
		kms_store_drop(k->c.store);
	else
		audit = kms_store_flush(k->c.store);
	return audit != GW_WON ? cmd_busy(err) : show_rolls(k, err);
}

/* ---- another validity ---- */

/* 1 to 65535. */
static int
take_id(const char *option, const char *text, uint16_t *out, struct gw_err *err)
{
	char *end;
	const unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n == 0 || n > UINT16_MAX)
		return gw_fail(err, GW_EUSAGE, "--%s is a number from 1 to 65535", option);
	*out = (uint16_t)n;
	return 0;
}

struct change { struct kms *k; struct kms_service s; uint16_t number; struct keymgr_validity to; int64_t over_us, key; const char *why; };

static int
is_programme(void *self, const struct kms_key *key)
{
	struct change *c = self;

	if (strcmp(key->programme, c->k->item) == 0)
		c->key = key->id;
	return c->key != 0;
}

/* The SEK with that number, the current one, or the PEK of that programme. */
static enum gw_outcome
changed_key(struct change *c)
{
	struct kms_key key = { 0 };
	enum gw_outcome o;

	c->key = 0;
	c->why = "there is no such key";
	if (c->k->item) {
		o = kms_keys(c->k->c.store, c->s.id, KMS_PEK, is_programme, c);
	} else {
		o = kms_key_find(c->k->c.store, c->s.domain, c->s.group[KMS_SEK], c->number, &key);
		c->key = key.id;
	}
	gw_cleanse(&key, sizeof(key));
	return o == GW_WON && !c->key ? GW_EXISTS : o;
}

static enum gw_outcome
change(void *arg)
{
	struct change *c = arg;
	char what[KMS_TEXT], upper[40] = "", until[64] = "", when[32];
	enum gw_outcome o = changed_key(c);

	if (o == GW_WON)
		o = keymgr_change(c->k->c.store, &c->s, c->key, &c->to, c->k->c.now_us, c->over_us, &c->why);
	if (o != GW_WON)
		return o;
	if (c->to.upper)
		snprintf(upper, sizeof(upper), ", TEK IDs up to %u", c->to.upper);
	if (c->to.until_us)
		snprintf(until, sizeof(until), ", until %s", gw_utc_text(c->to.until_us, when));
	snprintf(what, sizeof(what), "key %lld of service %s%s%s", (long long)c->key, c->s.name, upper, until);
	return kms_audit(c->k->c.store, c->k->c.now_us, cmd_who(), what);
}

static int
do_key_update(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct kms *k = self;
	struct change c = { .k = k };
	int64_t in = 0;

	(void)rest, (void)nrest;
	if (!k->upper && !k->until)
		return gw_fail(err, GW_EUSAGE, "what is to change? --upper TEK-ID, --until TIME");
	if (k->item && k->number)
		return gw_fail(err, GW_EUSAGE, "--number of a SEK, or --item of a programme, not both");
	if (cmd_service(&k->c, k->service, &c.s, err) < 0 || (k->number && take_id("number", k->number, &c.number, err) < 0) ||
	    (k->upper && take_id("upper", k->upper, &c.to.upper, err) < 0) || (k->until && cmd_time(&k->c, k->until, &c.to.until_us, err) < 0) ||
	    (k->in && cmd_duration(k->in, &in, err) < 0))
		return -1;
	c.over_us = k->c.now_us + in;
	switch (cmd_group(&k->c, change, &c)) {
	case GW_WON:
		return list_keys(k, !k->item, err);
	case GW_EXISTS:
		return gw_fail(err, GW_EUSAGE, "service %s: %s", c.s.name, c.why);
	default:
		return cmd_busy(err);
	}
}

/* ---- a subscriber's phone ---- */

struct trigger { struct kms *k; int64_t sub, out; const char *name; bool pull, sms; uint16_t group; };

static enum gw_outcome
put_trigger(void *arg)
{
	struct trigger *t = arg;
	char what[KMS_TEXT];
	enum gw_outcome o = t->pull ? pull_put(t->k->c.store, t->sub, t->group, t->k->c.now_us, &t->sms, &t->out) :
	    trigger_put(t->k->c.store, t->sub, t->k->c.now_us, &t->out);

	if (t->pull)
		snprintf(what, sizeof(what), "pull for Key Group %u to subscriber %s", t->group, t->name);
	else
		snprintf(what, sizeof(what), "trigger message to subscriber %s", t->name);
	return o == GW_WON ? kms_audit(t->k->c.store, t->k->c.now_us, cmd_who(), what) : o;
}

static int
call(struct kms *k, const char *who, bool pull, uint16_t group, struct gw_err *err)
{
	struct kms_subscriber s = { 0 };
	struct trigger t = { .k = k, .name = s.name, .pull = pull, .sms = true, .group = group };
	enum gw_outcome o = kms_subscriber_find(k->c.store, who, &s);

	gw_cleanse(s.k, sizeof(s.k));
	gw_cleanse(s.opc, sizeof(s.opc));
	if (o != GW_WON)
		return o == GW_EXISTS ? gw_fail(err, GW_EUSAGE, "there is no subscriber %s", who) : cmd_busy(err);
	t.sub = s.id;
	o = cmd_group(&k->c, put_trigger, &t);
	if (o == GW_EXISTS)
		return gw_fail(err, GW_EUNAVAIL, "subscriber %s cannot be reached by SMS: no MSISDN, or its card has not been bootstrapped", s.name);
	return o != GW_WON ? cmd_busy(err) : cmd_say(&k->c, json_pack("{s:s, s:s, s:s, s:I}", "subscriber", s.name, "msisdn", s.msisdn,
	    "bearer", t.sms ? "sms" : "udp", "message", (json_int_t)t.out), err);
}

static int
do_trigger(void *self, char **rest, int nrest, struct gw_err *err)
{
	(void)nrest;
	return call(self, rest[0], false, 0, err);
}

static int
do_pull(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct kms *k = self;
	struct kms_service s = { .id = 0 };

	(void)nrest;
	if (k->service && cmd_service(&k->c, k->service, &s, err) < 0)
		return -1;
	return call(k, rest[0], true, s.group[KMS_SEK], err);
}

/* ---- what there is ---- */

static int
do_status(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct kms *k = self;
	struct names names = { 0 };
	struct rolls rolls = { 0 };
	uint64_t ltkm[KMS_OUT_STATES], pull[KMS_OUT_STATES], reachable = 0, unreachable = 0;
	enum gw_outcome o = kms_services(k->c.store, note_service, &names);

	(void)rest, (void)nrest;
	if (o == GW_WON)
		o = kms_rolls(k->c.store, false, note_roll, &rolls);
	if (o == GW_WON)
		o = kms_out_counts(k->c.store, ltkm, pull);
	if (o == GW_WON)
		o = kms_registration_counts(k->c.store, k->c.now_us, &reachable, &unreachable);
	free(names.v);
	free(rolls.v);
	return o != GW_WON ? cmd_busy(err) : cmd_say(&k->c, json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "store", k->c.conf.path,
	    "services", (json_int_t)names.n, "rolls", (json_int_t)rolls.n, "registered", (json_int_t)reachable, "unreachable", (json_int_t)unreachable, "ltkms", counts(ltkm), "pulls", counts(pull)), err);
}

static int
add_audit(void *self, int64_t id, int64_t at_us, const char *who, const char *what)
{
	return json_array_append_new(self, json_pack("{s:I, s:o, s:s, s:s}", "id", (json_int_t)id, "at", cmd_when(at_us), "who", who, "what", what)) != 0;
}

static int
do_audit(void *self, char **rest, int nrest, struct gw_err *err)
{
	struct kms *k = self;
	json_t *all = json_array();

	(void)rest, (void)nrest;
	if (all && kms_audits(k->c.store, 0, INT32_MAX, add_audit, all) != GW_WON) {
		json_decref(all);
		return cmd_busy(err);
	}
	return cmd_say(&k->c, all, err);
}

static const struct cmd_action actions[] = {
	{ "init", do_init, CMD_CREATE, 0, 0 },
	{ "backup", do_backup, CMD_OPEN, 1, 1 },
	{ "restore", do_restore, CMD_NO_STORE, 1, 1 },
	{ "rotate-master", do_rotate, CMD_OPEN, 0, 0 },
	{ "service list", do_services, CMD_OPEN, 0, 0 },
	{ "service end", do_service_end, CMD_OPEN, 1, 1 },
	{ "service rename", do_service_rename, CMD_OPEN, 2, 2 },
	{ "key list", do_keys, CMD_OPEN, 0, 0 },
	{ "key update", do_key_update, CMD_OPEN, 0, 0 },
	{ "programme add", do_programme, CMD_OPEN, 0, 0 },
	{ "programme list", do_programmes, CMD_OPEN, 0, 0 },
	{ "roll", do_roll, CMD_OPEN, 0, 0 },
	{ "trigger", do_trigger, CMD_OPEN, 1, 1 },
	{ "pull", do_pull, CMD_OPEN, 1, 1 },
	{ "status", do_status, CMD_OPEN, 0, 0 },
	{ "audit", do_audit, CMD_OPEN, 0, 0 },
};
static const struct gw_option options[] = {
	CMD_OPTIONS,
	{ "service", "NAME", "roll, key, programme, pull: the service", take_service },
	{ "in", "DURATION", "roll: the next SEK goes to subscribers until then, then it is in use; default roll_window. key update: the new LTKMs do; default at once", take_in },
	{ "number", "N", "key update: the SEK's Key Number; default the current one", take_number },
	{ "upper", "TEK-ID", "key update: the last TEK ID of its interval", take_upper },
	{ "status", NULL, "roll: how far the rolls are", take_status },
	{ "all", NULL, "roll --status: those that are done, too", take_all },
	{ "item", "URI", "programme add, key update: its GlobalPurchaseItemID", take_item },
	{ "from", "TIME", "programme add: default now", take_from },
	{ "until", "TIME", "programme add, key update: when it is over", take_until },
};
static const struct gw_program program = {
	"simulgate-kms", "init|backup FILE|restore FILE|rotate-master|service list|service end NAME|service rename NAME NEW|key list|key update|programme add|programme list|roll|trigger SUBSCRIBER|pull SUBSCRIBER|status|audit "
	"[--config FILE [--kms NAME] | --store PATH]",
	"The store of a KMS of the Smartcard profile.", options, sizeof(options) / sizeof(options[0]), 1, 8,
};

int
main(int argc, char **argv)
{
	static struct kms k;

	return cmd_main(&program, actions, sizeof(actions) / sizeof(actions[0]), &k.c, argc, argv);
}
