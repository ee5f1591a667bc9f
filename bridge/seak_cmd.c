/* bridge/seak_cmd.c: simulgate-seak: what a bridge says of its SEAKs, its audit, and what it would do */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "bridge/seak_load.h"
#include "bridge/sp4.h"
#include "lib/args.h"
#include "lib/clock.h"
#include "lib/ops.h"
#include "lib/secret.h"
#include "lib/xml.h"

enum { WAIT_MS = 2000, SECRET_KIB = 1024, PAGE = 1000 };

struct cmd {
	struct gw_args common;
	const char *bridge, *schemas, *from, *service, *kind;
	const char *cid_extension;
	bool json;
	struct headend *he; const struct he_bridge *b;
	json_t *all;
};

#define TAKE(member) \
	static int \
	take_##member(void *self, const char *value, struct gw_err *err) \
	{ \
		(void)err; \
		((struct cmd *)self)->member = value; \
		return 0; \
	}
TAKE(bridge)
TAKE(schemas)
TAKE(from)
TAKE(service)
TAKE(kind)
TAKE(cid_extension)

static int
take_json(void *self, const char *value, struct gw_err *err)
{
	(void)value, (void)err;
	((struct cmd *)self)->json = true;
	return 0;
}

static const struct gw_option options[] = {
	{ "bridge", "NAME", "which of the file's bridges; its only one", take_bridge },
	{ "json", NULL, "answer in JSON", take_json },
	{ "from", "ID", "dry-run: who delivers, by its id", take_from },
	{ "service", "ID", "dry-run: of which service, by id or GlobalServiceID", take_service },
	{ "cid-extension", "N", "dry-run: a new SEAK of that cidExtension", take_cid_extension },
	{ "kind", "KIND", "dry-run: service (default) or program", take_kind },
	{ "schemas", "DIR", "where sp4-backend.xsd and sp4-ext.xsd are, if not where they were installed", take_schemas },
};
static const struct gw_program program = {
	"simulgate-seak", "status | audit | dry-run [DOCUMENT | --from ID --service ID --cid-extension N] [--config FILE] [--bridge NAME] [--json]",
	"Shows the SEAKs that BSMs share, who has them, and what a delivery would do.", options, sizeof(options) / sizeof(options[0]), 1, 2
};

/* ---- the file ---- */

static int
find_bridge(struct cmd *c, struct gw_err *err)
{
	if (!(c->he = headend_load(c->common.config, err)))
		return -1;
	for (size_t i = 0; i < c->he->nbridge; i++)
		if (!c->bridge || strcmp(c->he->bridge[i].name, c->bridge) == 0)
			c->b = &c->he->bridge[i];
	if (c->bridge && !c->b)
		return gw_fail(err, GW_EUSAGE, "%s has no bridge %s", c->he->file, c->bridge);
	if (!c->bridge && c->he->nbridge != 1)
		return gw_fail(err, GW_EUSAGE, c->b ? "%s has several bridges: --bridge NAME says which" : "%s has no bridge", c->he->file);
	if (c->b->nseak == 0)
		return gw_fail(err, GW_EUSAGE, "bridge %s has no seak in %s: it synchronises nothing", c->b->name, c->he->file);
	return 0;
}

/* ---- status ---- */

static const char *
text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "-";
}

static void
print_instance(const json_t *service, const json_t *i)
{
	const json_t *m, *bsms = json_object_get(i, "bsms");
	size_t k;

	printf("%-16s %-8s %10" JSON_INTEGER_FORMAT "  %s  %-24s %-20.20s %-20.20s %s", text_of(service, "service"), text_of(i, "kind"),
	    json_integer_value(json_object_get(i, "cid_extension")), text_of(i, "fingerprint"), text_of(i, "generator"), text_of(i, "valid_from"),
	    text_of(i, "valid_to"), json_is_true(json_object_get(i, "expired")) ? "expired" : bsms ? text_of(i, "gate") : text_of(i, "state"));
	json_array_foreach(bsms, k, m)
		printf(" %s=%s", text_of(m, "bsm"), text_of(m, "state"));
	putchar('\n');
}

static void
print_status(const json_t *seak)
{
	static const char *const roles[] = { "bsda", "bsm" };
	const json_t *service, *i;
	size_t s, k;

	printf("%-16s %-8s %10s  %-16s  %-24s %-20s %-20s %s\n", "service", "kind", "extension", "fingerprint", "generator", "valid from", "valid to", "state, BSMs");
	for (size_t r = 0; r < 2; r++)
		json_array_foreach(json_object_get(seak, roles[r]), s, service) {
			const json_t *items = json_object_get(service, "instances");

			if (json_array_size(items) == 0)
				printf("%-16s none\n", text_of(service, "service"));
			json_array_foreach(items, k, i)
				print_instance(service, i);
		}
}

static int
status(struct cmd *c, struct gw_err *err)
{
	struct gw_addr at = c->common.status;
	char *body = NULL;
	json_t *j, *seak;

	if (!at.scheme && gw_ops_default_addr(c->he->playout, "bridge", c->b->name, &at, err) < 0)
		return -1;
	if (gw_ops_get(&at, "/status", WAIT_MS, &body, err) < 0)
		return gw_wrap(err, "bridge %s", c->b->name);
	j = json_loads(body, 0, NULL);
	free(body);
	seak = json_object_get(j, "seak");
	if (!seak) {
		json_decref(j);
		return gw_fail(err, GW_EPEER, "bridge %s says nothing of SEAKs", c->b->name);
	}
	if (c->json)
		json_dumpf(seak, stdout, JSON_INDENT(2)), putchar('\n');
	else
		print_status(seak);
	json_decref(j);
	return 0;
}

/* ---- audit ---- */

struct page { struct cmd *c; int64_t last; size_t n; };

static int
print_audit(void *self, const struct seak_audit *a)
{
	struct page *p = self;
	char at[32];

	p->last = a->id;
	p->n++;
	gw_utc_text(a->at_us, at);
	if (p->c->json)
		json_array_append_new(p->c->all, json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "at", at, "global_service_id", a->urn, "kind",
		    a->kind ? "program" : "service", "cid_extension", (json_int_t)a->cid_extension, "who", a->who, "what", a->what));
	else
		printf("%s %s %s %10u  %-24s %s\n", at, a->urn, a->kind ? "program" : "service", (unsigned)a->cid_extension, *a->who ? a->who : "-", a->what);
	return 0;
}

static int
audit(struct cmd *c, struct gw_err *err)
{
	struct page p = { .c = c };
	struct seaks *s = NULL;
	enum gw_outcome o;

	if (seaks_open(c->b->seaks, c->b->seaks_master, false, &s, err) < 0)
		return -1;
	c->all = json_array();
	do {
		p.n = 0;
		o = seaks_audits(s, p.last, PAGE, print_audit, &p);
	} while (o == GW_WON && p.n == PAGE);
	seaks_close(s);
	if (c->json)
		json_dumpf(c->all, stdout, JSON_INDENT(2)), putchar('\n');
	json_decref(c->all);
	return o == GW_WON ? 0 : gw_fail(err, GW_ETEMP, "%s cannot be read now", c->b->seaks);
}

/* ---- dry-run: the engine on what is stored, and nothing leaves it ---- */

static int no_save(void *self, struct seak_row *row, const uint8_t *key, const struct seak_mark *m, size_t n)
{ (void)self, (void)row, (void)key, (void)m, (void)n; return -1; }
static void no_mark(void *self, int64_t id, const struct seak_mark *m) { (void)self, (void)id, (void)m; }
static void no_gate(void *self, int64_t id, int64_t first_us, int64_t open_us) { (void)self, (void)id, (void)first_us, (void)open_us; }
static void no_drop(void *self, int64_t id) { (void)self, (void)id; }
static void no_audit(void *self, const struct seak_audit *a) { (void)self, (void)a; }
static void no_delivery(void *self, struct seak_flight *f, const char *who, const struct seak_row *row, const uint8_t *key)
{ (void)self, (void)f, (void)who, (void)row, (void)key; }
static void no_request(void *self, struct seak_flight *f, const char *who, const char *urn) { (void)self, (void)f, (void)who, (void)urn; }
static void no_answer(void *self, void *call, unsigned code, const struct seak_row *row, const uint8_t *key, const char *reason)
{ (void)self, (void)call, (void)code, (void)row, (void)key, (void)reason; }
static const struct seak_ops no_ops = { no_save, no_mark, no_gate, no_drop, no_audit, no_delivery, no_request, no_answer };

struct offer { const char *from, *urn; struct seak_said said; };

static void
would_get(void *self, const char *id, bool called)
{
	struct cmd *c = self;

	if (c->json)
		json_array_append_new(c->all, json_pack("{s:s, s:b}", "bsm", id, "called", called));
	else
		printf("%s: %s\n", id, called ? "would get it by tag 19" : "would have to ask for it");
}

static void
judge(struct cmd *c, const struct seak_sync *sync, const struct offer *o)
{
	const char *reason = NULL;
	unsigned code = sync ? seak_would(sync, o->from, o->urn, &o->said, gw_utc_us(), &reason, NULL, NULL) : BR_NOT_PERMITTED;

	if (!sync)
		reason = "this bridge is not the BSD/A of any service";
	if (!c->json)
		printf("%s would be answered with status %u%s%s\n", o->from, code, reason ? ": " : "", reason ? reason : "");
	c->all = json_array();
	if (sync)
		seak_would(sync, o->from, o->urn, &o->said, gw_utc_us(), &reason, would_get, c);
	if (c->json) {
		json_t *j = json_pack("{s:s, s:s, s:i, s:s?, s:o}", "from", o->from, "global_service_id", o->urn, "status", (int)code, "reason", reason,
		    "would_get", c->all);
		json_dumpf(j, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(j);
	} else
		json_decref(c->all);
}

static int
with_state(struct cmd *c, const struct offer *o, struct gw_err *err)
{
	struct seak_engines e;
	struct seaks *s = NULL;
	int rc;

	if (access(c->b->seaks, F_OK) == 0 && seaks_open(c->b->seaks, c->b->seaks_master, false, &s, err) < 0)
		return -1;
	if (!s)
		fprintf(stderr, "%s: there is none yet: as if nothing had been delivered\n", c->b->seaks);
	rc = seak_engines_load(c->b, s, &no_ops, (void *[2]){ c, c }, gw_utc_us(), &e, err);
	if (rc == 0) {
		judge(c, e.sync, o);
		seak_free(e.sync);
		seak_bsm_free(e.bsm);
		free(e.gone);
	}
	seaks_close(s);
	return rc;
}

static int
described(struct cmd *c, struct gw_err *err)
{
	static uint8_t key[SEAK_LEN];
	struct offer o = { .from = c->from, .urn = c->service };
	char *end = NULL;

	if (!c->from || !c->service || !c->cid_extension)
		return gw_fail(err, GW_EUSAGE, "dry-run takes a document, or --from, --service and --cid-extension");
	unsigned long ext = strtoul(c->cid_extension, &end, 0);
	if (!*c->cid_extension || *end || ext > UINT32_MAX || *c->cid_extension == '-')
		return gw_fail(err, GW_EUSAGE, "--cid-extension %s is not a number of 32 bits", c->cid_extension);
	if (c->kind && strcmp(c->kind, "service") != 0 && strcmp(c->kind, "program") != 0)
		return gw_fail(err, GW_EUSAGE, "--kind is service or program");
	if (headend_service(c->he, c->service))
		o.urn = headend_service(c->he, c->service)->global_service_id;
	gw_random(key, sizeof(key));	/* a value that nobody has */
	o.said = (struct seak_said){ .context = true, .kind = c->kind && *c->kind == 'p' ? SEAK_PROGRAM : SEAK_SERVICE, .cid_extension = (uint32_t)ext,
		.from_s = INT64_MIN, .to_s = INT64_MAX, .key = key, .len = sizeof(key) };
	return with_state(c, &o, err);
}

static int
judge_document(struct cmd *c, const struct sp4_msg *m, struct gw_err *err)
{
	struct offer o = { .from = m->source, .urn = m->service, .said = { .from_s = INT64_MIN, .to_s = INT64_MAX } };

	if (m->tag != 19)
		return gw_fail(err, GW_EUSAGE, "the document is a %s, tag %d: dry-run judges deliveries, tag 19", sp4_root((int)m->tag), (int)m->tag);
	if (strcmp(m->destination, c->b->id) != 0)
		fprintf(stderr, "its destination is %s: bridge %s, which is %s, would answer with status 23\n", m->destination, c->b->name, c->b->id);
	if (m->n_data == 1) {
		o.said.key = m->data[0].p;
		o.said.len = m->data[0].len;
	}
	if (m->n_seak && m->seak.cid_extension != SP4_ABSENT) {
		o.said.context = true;
		o.said.kind = m->seak.kind == SP4_PROGRAM_KEY ? SEAK_PROGRAM : SEAK_SERVICE;
		o.said.cid_extension = (uint32_t)m->seak.cid_extension;
		o.said.from_s = m->seak.valid_from == SP4_ABSENT ? INT64_MIN : sp4_unix(m->seak.valid_from);
		o.said.to_s = m->seak.valid_to == SP4_ABSENT ? INT64_MAX : sp4_unix(m->seak.valid_to);
	}
	return with_state(c, &o, err);
}

static int
document(struct cmd *c, const char *path, struct gw_err *err)
{
	struct gw_xml_schema *schema = sp4_schema(c->schemas, err);
	char *text = schema ? malloc(SP4_DOCUMENT + 1) : NULL;
	FILE *f = text ? fopen(path, "rb") : NULL;
	struct sp4_fault fault;
	static struct sp4_msg m;
	size_t n = 0;
	int rc = -1;

	if (f) {
		setvbuf(f, NULL, _IONBF, 0);	/* no copy of a key in a buffer of stdio's */
		n = fread(text, 1, SP4_DOCUMENT + 1, f);
		fclose(f);
		if (sp4_validate(schema, text, n, &m, &fault) < 0)
			sp4_fail(err, &fault), gw_wrap(err, "%s", path);
		else
			rc = judge_document(c, &m, err);
		sp4_fini(&m);
		gw_cleanse(text, n);
	} else if (schema)
		gw_fail(err, GW_ESYS, "%s cannot be read", path);
	free(text);
	gw_xml_schema_free(schema);
	return rc;
}

static int
dry_run(struct cmd *c, struct gw_err *err)
{
	int rc;

	if (gw_secrets_init(SECRET_KIB, false, err) < 0)
		return -1;
	rc = c->common.nrest > 1 ? document(c, c->common.rest[1], err) : described(c, err);
	gw_secrets_fini();
	return rc;
}

static const struct { const char *name; int (*run)(struct cmd *, struct gw_err *); int most; } verbs[] = {
	{ "status", status, 1 }, { "audit", audit, 1 }, { "dry-run", dry_run, 2 },
};

int
main(int argc, char **argv)
{
	static struct cmd c = { .schemas = SP4_SCHEMAS };
	struct gw_err err = { 0 };
	int rc = gw_args(&program, &c.common, &c, argc, argv), status_code = 0;
	size_t v = 0;

	if (rc >= 0)
		return rc;
	gw_log_init("seak", c.common.log_level);
	gw_xml_cleanse();
	while (v < sizeof(verbs) / sizeof(verbs[0]) && strcmp(verbs[v].name, c.common.rest[0]) != 0)
		v++;
	if (v == sizeof(verbs) / sizeof(verbs[0]) || c.common.nrest > verbs[v].most) {
		fprintf(stderr, "simulgate-seak: status, audit or dry-run is wanted; see --help\n");
		return EX_USAGE;
	}
	if (find_bridge(&c, &err) < 0 || verbs[v].run(&c, &err) < 0)
		status_code = gw_die(&err);
	headend_free(c.he);
	return status_code;
}
