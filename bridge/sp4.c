/* bridge/sp4.c: simulgate-sp4: documents of SP-4 and CP-3 checked and shown */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "bridge/sp4.h"
#include "lib/args.h"
#include "lib/secret.h"
#include "lib/xml.h"

struct sp4 {
	const char *schemas;	/* directory */
	bool print, json, secrets;
	struct gw_xml_schema *schema;
	json_t *all;
	int status;
};

#define TAKE_FLAG(member) \
	static int \
	take_##member(void *self, const char *value, struct gw_err *err) \
	{ \
		(void)err, (void)value; \
		((struct sp4 *)self)->member = true; \
		return 0; \
	}
TAKE_FLAG(print)
TAKE_FLAG(json)
TAKE_FLAG(secrets)

static int
take_schemas(void *self, const char *value, struct gw_err *err)
{
	(void)err;
	((struct sp4 *)self)->schemas = value;
	return 0;
}

static const struct gw_option options[] = {
	{ "print", NULL, "show the fields of each message", take_print },
	{ "json", NULL, "answer in JSON", take_json },
	{ "secrets", NULL, "show keys, too, not their fingerprints", take_secrets },
	{ "schemas", "DIR", "where sp4-backend.xsd and sp4-ext.xsd are, if not where they were installed", take_schemas },
};
static const struct gw_program program = {
	"simulgate-sp4", "validate [--print] [--json] [--secrets] FILE ...", "Checks documents of the interfaces SP-4 and CP-3.",
	options, sizeof(options) / sizeof(options[0]), 1, 4096
};

/* The worst is told: a file that can't be read before one that is faulty. */
static void
failed(struct sp4 *s, int status)
{
	if (s->status != EX_NOINPUT)
		s->status = status;
}

/* Names of files may be anything. */
static json_t *
file_row(const char *path, bool valid)
{
	json_t *name = json_string(path);

	return json_pack("{s:o, s:b}", "file", name ? name : json_string("(not UTF-8)"), "valid", valid);
}

static void
tell_unread(struct sp4 *s, const char *path, const char *why)
{
	json_t *j;

	failed(s, EX_NOINPUT);
	if (!s->json) {
		fprintf(stderr, "%s: %s\n", path, why);
		return;
	}
	j = file_row(path, false);
	json_object_set_new(j, "error", json_string(why));
	json_array_append_new(s->all, j);
}

static void
tell_faulty(struct sp4 *s, const char *path, const struct sp4_fault *f)
{
	struct gw_err err;
	json_t *j, *why;

	failed(s, f->verdict == SP4_NO_MEMORY ? EX_OSERR : EX_DATAERR);
	if (!s->json) {
		sp4_fail(&err, f);
		fprintf(stderr, "%s: %s\n", path, err.text);
		return;
	}
	j = file_row(path, false);
	why = json_pack("{s:I, s:s, s:s, s:s}", "line", (json_int_t)f->line, "element", f->element, "rule", f->rule, "clause", f->clause);
	json_object_update(j, why);
	json_decref(why);
	json_array_append_new(s->all, j);
}

static void
tell_valid(struct sp4 *s, const char *path, const struct sp4_msg *m)
{
	json_t *j;

	if (!s->json) {
		printf("%s: valid: %s, tag %d\n", path, sp4_root((int)m->tag), (int)m->tag);
		if (s->print)
			sp4_print(m, s->secrets, stdout);
		return;
	}
	j = file_row(path, true);
	if (s->print)
		json_object_set_new(j, "message", sp4_json(m, s->secrets));
	json_array_append_new(s->all, j);
}

/* One octet more than a document may have, so that one too long is known as such. */
static void
validate(struct sp4 *s, const char *path, char *text)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	struct sp4_fault fault;
	struct sp4_msg m;
	size_t n;

	if (f)
		setvbuf(f, NULL, _IONBF, 0);	/* no copy of a key in a buffer of stdio's */
	n = f ? fread(text, 1, SP4_DOCUMENT + 1, f) : 0;
	if (!f || ferror(f)) {
		tell_unread(s, path, strerror(errno));
	} else {
		if (sp4_validate(s->schema, text, n, &m, &fault) < 0)
			tell_faulty(s, path, &fault);
		else
			tell_valid(s, path, &m);
		sp4_fini(&m);
	}
	gw_cleanse(text, n);
	if (f && f != stdin)
		fclose(f);
}

static int
start(struct sp4 *s, struct gw_err *err)
{
	if (gw_xml_cleanse() != 0)
		return gw_fail(err, GW_ESYS, "libxml2 does not take our memory");
	/* Locked when it can be: a tool that shows files needs no limits raised. */
	if (gw_secrets_init(1024, true, err) < 0)
		return -1;
	s->schema = sp4_schema(s->schemas, err);
	s->all = json_array();
	return s->schema && s->all ? 0 : -1;
}

static int
run(struct sp4 *s, char **files, int n)
{
	char *text = malloc(SP4_DOCUMENT + 1);

	for (int i = 0; text && i < n; i++)
		validate(s, files[i], text);
	free(text);
	if (s->json && (json_dumpf(s->all, stdout, JSON_INDENT(2)) < 0 || putchar('\n') == EOF))
		return EX_IOERR;
	if (!text || fflush(stdout) != 0)
		return text ? EX_IOERR : EX_OSERR;
	return s->status;
}

int
main(int argc, char **argv)
{
	struct sp4 s = { .schemas = SP4_SCHEMAS };
	struct gw_err err = { 0 };
	struct gw_args args;
	int status = gw_args(&program, &args, &s, argc, argv);

	if (status >= 0)
		return status;
	if (strcmp(args.rest[0], "validate") != 0 || args.nrest < 2) {
		fprintf(stderr, "simulgate-sp4: it is: simulgate sp4 validate FILE ...; see --help\n");
		return gw_exit_status(GW_EUSAGE);
	}
	gw_log_init("sp4", GW_WARNING);
	status = start(&s, &err) < 0 ? gw_die(&err) : run(&s, args.rest + 1, args.nrest - 1);
	json_decref(s.all);
	gw_xml_schema_free(s.schema);
	gw_secrets_fini();
	return status;
}
