/* kms/provision.c */
#include "kms/provision.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kms/csv.h"
#include "kms/gba.h"
#include "lib/conf.h"
#include "lib/hex.h"
#include "lib/secret.h"

static const uint64_t a_year_ms = UINT64_C(365) * 86400000;

/* ---- one subscriber, from octets and texts ---- */

struct written {	/* as it stands in the file; texts may be NULL */
	char *name;
	int line, column;
	uint8_t provision, gba;
	char *impi, *msisdn, *btid;
	struct gw_secret k, opc, ks, smk, srk;
	uint8_t *sqn, *amf, *rand; size_t sqn_len, amf_len, rand_len;
	uint64_t lifetime_ms;
};

/* Which keys go with which mode. */
static const struct part { const char *name; size_t at, len; unsigned modes; } parts[] = {
	{ "k", offsetof(struct written, k), 16, 1u << KMS_MILENAGE },
	{ "opc", offsetof(struct written, opc), 16, 1u << KMS_MILENAGE },
	{ "ks", offsetof(struct written, ks), 32, 1u << KMS_KS },
	{ "smk", offsetof(struct written, smk), 32, 1u << KMS_KEYS },
	{ "srk", offsetof(struct written, srk), 32, 1u << KMS_KEYS },
};
static const struct gw_conf_word modes[] = { { "milenage", KMS_MILENAGE }, { "ks", KMS_KS }, { "keys", KMS_KEYS } };
static const struct gw_conf_word gbas[] = { { "u", 0 }, { "me", 1 } };

static const struct gw_secret *
secret_at(const struct written *w, const struct part *p)
{
	return (const struct gw_secret *)(const void *)((const char *)w + p->at);
}

/* Digits, KMS_MSISDN - 1 at most. */
static bool
is_msisdn(const char *text)
{
	return strspn(text, "0123456789") == strlen(text) && strlen(text) < KMS_MSISDN;
}

/* Why it is not valid; NULL: it is. */
static const char *
fault(const struct written *w)
{
	static char text[100];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		bool wanted = parts[i].modes & 1u << w->provision;
		size_t len = secret_at(w, &parts[i])->len;

		if (wanted && len != parts[i].len)
			snprintf(text, sizeof(text), "%s is needed with provision %s, %zu octets", parts[i].name, modes[w->provision].word, parts[i].len);
		else if (!wanted && len)
			snprintf(text, sizeof(text), "%s does not go with provision %s", parts[i].name, modes[w->provision].word);
		else
			continue;
		return text;
	}
	if (!w->name || !*w->name || strlen(w->name) >= KMS_NAME)
		return "name is missing or too long";
	if ((!w->impi || !*w->impi) && w->provision != KMS_KEYS)
		return "impi is missing";
	if (w->impi && strlen(w->impi) >= KMS_IMPI)
		return "impi is too long";
	if (w->msisdn && !is_msisdn(w->msisdn))
		return "msisdn is not digits, 19 at most";
	if (w->provision == KMS_KS && w->rand_len != 16)
		return "rand is needed with provision ks, 16 octets";
	if (w->provision == KMS_KEYS && (!w->btid || !*w->btid || strlen(w->btid) >= KMS_BTID))
		return "btid is needed with provision keys";
	return NULL;
}

static void
copy_text(char *out, size_t cap, const char *text)
{
	snprintf(out, cap, "%s", text ? text : "");
}

static const char *
context(const struct written *w, const struct provision_names *n, struct kms_gba *g)
{
	g->since_us = n->now_us;
	g->expires_us = n->now_us + (int64_t)w->lifetime_ms * 1000;
	if (w->provision == KMS_KEYS) {
		copy_text(g->btid, sizeof(g->btid), w->btid);
		memcpy(g->smk, w->smk.p, 32);
		memcpy(g->srk, w->srk.p, 32);
		return NULL;
	}
	if (!n->naf || !n->bsf)
		return "provision ks needs the names of NAF and BSF: --config of a head-end with a bsm, or --naf";
	memcpy(g->rand, w->rand, 16);
	memcpy(g->ks, w->ks.p, 32);
	if (!gba_btid(g->rand, n->bsf, g->btid, sizeof(g->btid)) ||
	    gba_naf_keys(g->ks, g->rand, w->impi, n->naf, w->gba != 0, g->smk, g->srk) < 0)
		return "its NAF keys cannot be made";
	return NULL;
}

static const char *
understand(const struct written *w, const struct provision_names *n, struct provision *p)
{
	const char *why = fault(w);

	*p = (struct provision){ .sub = { .provision = (enum kms_provision)w->provision, .gba_me = w->gba != 0, .amf = { 0x80, 0 } } };
	if (why)
		return why;
	copy_text(p->sub.name, sizeof(p->sub.name), w->name);
	copy_text(p->sub.impi, sizeof(p->sub.impi), w->impi);
	copy_text(p->sub.msisdn, sizeof(p->sub.msisdn), w->msisdn);
	if (w->provision != KMS_MILENAGE)
		return context(w, n, &p->gba);
	memcpy(p->sub.k, w->k.p, 16);
	memcpy(p->sub.opc, w->opc.p, 16);
	if (w->sqn_len == sizeof(p->sub.sqn))
		memcpy(p->sub.sqn, w->sqn, w->sqn_len);
	if (w->amf_len == sizeof(p->sub.amf))
		memcpy(p->sub.amf, w->amf, w->amf_len);
	return NULL;
}

static int
tell(const struct written *w, const char *where, const struct provision_names *n, provision_each *each, void *self, struct gw_err *err)
{
	struct provision p;
	const char *why = understand(w, n, &p);
	int rc = why ? gw_fail(err, GW_ECONF, "%s: %s", where, why) : each(self, where, &p, err);

	gw_cleanse(&p, sizeof(p));
	return rc;
}

/* ---- YAML ---- */

struct file { struct written *subs; size_t n; };
#define MEMBER(member) GW_CONF_AT(written, member)
#define OCTETS(name_, member, n, what) { name_, GW_CONF_OCTETS, MEMBER(member), .count = offsetof(struct written, member##_len), .min = n, .max = n, \
	.meaning = what }
#define SECRET(name_, member, n, what) { name_, GW_CONF_SECRET, MEMBER(member), .min = n, .max = n, .meaning = what }
static const struct gw_conf_row written_rows[] = {
	{ "provision", GW_CONF_ENUM, MEMBER(provision), .words = modes, .nwords = 3, .flags = GW_CONF_NEED, .meaning = "What is known of the card." },
	{ "gba", GW_CONF_ENUM, MEMBER(gba), .words = gbas, .nwords = 2, .dflt = "u", .meaning = "u: the card does GBA; me: the phone does." },
	{ "impi", GW_CONF_TEXT, MEMBER(impi), .meaning = "Private identity." },
	{ "msisdn", GW_CONF_TEXT, MEMBER(msisdn), .meaning = "Number, digits only, for SMS." },
	{ "btid", GW_CONF_TEXT, MEMBER(btid), .meaning = "keys: the B-TID." },
	SECRET("k", k, 16, "milenage: K."), SECRET("opc", opc, 16, "milenage: OPc."),
	OCTETS("sqn", sqn, 6, "milenage: the last SQN used."), OCTETS("amf", amf, 2, "milenage: AMF."),
	OCTETS("rand", rand, 16, "ks: RAND."), SECRET("ks", ks, 32, "ks: Ks."),
	SECRET("smk", smk, 32, "keys: SMK."), SECRET("srk", srk, 32, "keys: SRK."),
	{ "lifetime", GW_CONF_DURATION, MEMBER(lifetime_ms), .dflt = "365d", .meaning = "ks, keys: how long they are good, from now on." },
};
static const struct gw_conf_schema written_schema = { written_rows, sizeof(written_rows) / sizeof(written_rows[0]), sizeof(struct written),
	.noun = "subscriber", .name = offsetof(struct written, name), .named = true, .at = offsetof(struct written, line), .placed = true };
static const struct gw_conf_row file_rows[] = {
	{ "subscribers", GW_CONF_NAMED, GW_CONF_AT(file, subs), .count = offsetof(struct file, n), .sub = &written_schema, .flags = GW_CONF_NEED,
		.meaning = "Subscribers by name." },
};
static const struct gw_conf_schema file_schema = { file_rows, 1, sizeof(struct file), .noun = "subscriber file" };

int
provision_read(const char *path, const struct provision_names *n, provision_each *each, void *self, struct gw_err *err)
{
	struct file f = { NULL, 0 };
	char where[400];
	int rc;

	if (gw_secret_file_ok(path, err) < 0 || gw_conf_load(&file_schema, path, &f, NULL, err) < 0)
		return -1;
	rc = 0;
	for (size_t i = 0; i < f.n && rc == 0; i++) {
		snprintf(where, sizeof(where), "%s:%d: %.64s", path, f.subs[i].line, f.subs[i].name);
		rc = tell(&f.subs[i], where, n, each, self, err);
	}
	gw_conf_free(&file_schema, &f);
	return rc;
}

/* ---- CSV ---- */

/* A column is a row of the schema, or the name. */
static const struct gw_conf_row *
column(const char *name)
{
	for (size_t i = 0; i < sizeof(written_rows) / sizeof(written_rows[0]); i++)
		if (strcmp(written_rows[i].key, name) == 0)
			return &written_rows[i];
	return NULL;
}

/* Room for what the texts of a line stand for. */
struct line { struct written w; uint8_t secret[5][64], octets[3][32]; };

static const char *
octets(const struct gw_conf_row *r, const char *text, uint8_t *out, uint8_t **p, size_t *len)
{
	int n = gw_unhex(strncmp(text, "0x", 2) == 0 ? text + 2 : text, out, 32);

	if (n < r->min || n > r->max)
		return "it is not hexadecimal, or of another length";
	*p = out;
	*len = (size_t)n;
	return NULL;
}

static const char *
take(struct line *l, const struct gw_conf_row *r, char *text, size_t *secrets, size_t *others)
{
	char *member = (char *)&l->w + r->offset;
	struct gw_err err = { 0 };

	if (!*text)
		return NULL;
	switch (r->type) {
	case GW_CONF_TEXT:
		memcpy(member, &text, sizeof(text));
		return NULL;
	case GW_CONF_SECRET:
		return octets(r, text, l->secret[(*secrets)++], &((struct gw_secret *)(void *)member)->p, &((struct gw_secret *)(void *)member)->len);
	case GW_CONF_OCTETS:
		return octets(r, text, l->octets[(*others)++], (uint8_t **)(void *)member, (size_t *)(void *)((char *)&l->w + r->count));
	default:
		return gw_conf_value(r, &l->w, text, &err) < 0 ? "it is not valid" : NULL;
	}
}

struct csv { const char *path; FILE *f; char text[CSV_LINE], buffer[4096]; int line; int name; const struct gw_conf_row *columns[CSV_FIELDS]; int n; };

static int
csv_fail(const struct csv *c, struct gw_err *err, const char *field, const char *why)
{
	return gw_fail(err, GW_ECONF, "%s:%d: %s%s%s", c->path, c->line, field, *field ? ": " : "", why);
}

/* 1: a line; 0: the end; -1. Empty lines are skipped. */
static int
next_line(struct csv *c, char *field[CSV_FIELDS], int *n, struct gw_err *err)
{
	const char *why;

	do {
		if (!fgets(c->text, sizeof(c->text), c->f))
			return ferror(c->f) ? gw_fail(err, GW_ESYS, "%s: %s", c->path, strerror(errno)) : 0;
		c->line++;
		if (!strchr(c->text, '\n') && !feof(c->f))
			return csv_fail(c, err, "", "the line is too long");
	} while (c->text[strspn(c->text, "\r\n")] == '\0');
	*n = csv_split(c->text, field, &why);
	return *n < 0 ? csv_fail(c, err, "", why) : 1;
}

static int
read_head(struct csv *c, struct gw_err *err)
{
	char *field[CSV_FIELDS];
	int rc = next_line(c, field, &c->n, err);

	if (rc <= 0)
		return rc < 0 ? -1 : csv_fail(c, err, "", "there is no line that names the columns");
	c->name = -1;
	for (int i = 0; i < c->n; i++) {
		for (int k = 0; k < i; k++)
			if (strcmp(field[i], field[k]) == 0)
				return csv_fail(c, err, field[i], "this column is there twice");
		if (strcmp(field[i], "name") == 0)
			c->name = i;
		else if (!(c->columns[i] = column(field[i])))
			return csv_fail(c, err, field[i], "there is no such column");
	}
	return c->name < 0 ? csv_fail(c, err, "name", "this column is missing") : 0;
}

static int
read_line(struct csv *c, struct line *l, char *field[CSV_FIELDS], int n, struct gw_err *err)
{
	size_t secrets = 0, others = 0;

	memset(l, 0, sizeof(*l));
	l->w.lifetime_ms = a_year_ms;
	if (n != c->n)
		return csv_fail(c, err, "", "it has not as many fields as the first line");
	l->w.name = field[c->name];
	for (int i = 0; i < n; i++) {
		const char *why = c->columns[i] ? take(l, c->columns[i], field[i], &secrets, &others) : NULL;

		if (why)
			return csv_fail(c, err, c->columns[i]->key, why);
	}
	return 0;
}

int
provision_csv(const char *path, const struct provision_names *names, provision_each *each, void *self, struct gw_err *err)
{
	struct csv c = { .path = path, .f = NULL };
	char *field[CSV_FIELDS], where[400];
	struct line l;
	int n, rc;

	if (gw_secret_file_ok(path, err) < 0)
		return -1;
	if (!(c.f = fopen(path, "re")))
		return gw_fail(err, GW_ECONF, "%s: %s", path, strerror(errno));
	setvbuf(c.f, c.buffer, _IOFBF, sizeof(c.buffer));
	rc = read_head(&c, err);
	while (rc == 0 && (rc = next_line(&c, field, &n, err)) == 1) {
		snprintf(where, sizeof(where), "%s:%d", path, c.line);
		rc = read_line(&c, &l, field, n, err);
		if (rc == 0)
			rc = tell(&l.w, where, names, each, self, err);
	}
	fclose(c.f);
	gw_cleanse(&c, sizeof(c));
	gw_cleanse(&l, sizeof(l));
	return rc;
}
