/* tools/diff_main.c: simulgate-diff: two captures compared by meaning */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/args.h"
#include "tools/dec_args.h"
#include "tools/diff.h"
#include "tools/term.h"

static struct app {
	struct talk_conf read;
	struct alike_conf alike;
	bool json, secrets, brief;
	struct talk a, b;
	struct find_out out;
	bool broken_output;
} app;

/* ---- options ---- */

static int
take_ignore(void *self, const char *value, struct gw_err *err)
{
	(void)self;
	if (app.alike.nignored == ALIKE_IGNORED)
		return gw_fail(err, GW_EUSAGE, "more than %d of them", ALIKE_IGNORED);
	app.alike.ignored[app.alike.nignored++] = value;
	return 0;
}

static int
take_session(void *self, const char *value, struct gw_err *err)
{
	(void)self;
	if (talk_listed(value, 1) < 0)
		return gw_fail(err, GW_EUSAGE, "%s is no list of sessions, such as 1,3-5", value);
	app.read.sessions = value;
	return 0;
}

static int
take_interface(void *self, const char *value, struct gw_err *err)
{
	(void)self;
	return dec_take_iface(value, &app.read.iface, err);
}

#define FLAG(name, what) static int name(void *self, const char *value, struct gw_err *err) { (void)self; (void)value; (void)err; what = true; return 0; }
FLAG(take_strict, app.alike.strict)
FLAG(take_json, app.json)
FLAG(take_secrets, app.secrets)
FLAG(take_brief, app.brief)
#undef FLAG

static const struct gw_option options[] = {
	{ "ignore", "NAME", "a parameter, or a message, that may differ", take_ignore },
	{ "strict", NULL, "ECMs, control words, payloads, error texts and tests must be the same, too", take_strict },
	{ "session", "LIST", "only these sessions of both, as simulgate decode counts them: 1,3-5", take_session },
	{ "as", "INTERFACE", "only sessions of ecmg, mux, eis, psig, cpsig or playout", take_interface },
	{ "brief", NULL, "only whether they differ, and the counts", take_brief },
	{ "json", NULL, "the report as an object a line", take_json },
	{ "secrets", NULL, "show control words and keys", take_secrets },
};
static const struct gw_program program = {
	"simulgate-diff", "A.pcap B.pcap", "Compares the SimulCrypt sessions of two captures by meaning.", options, sizeof(options) / sizeof(options[0]), 2, 2,
};

/* ---- output ---- */

static void
write_out(void *self, const char *p, size_t len)
{
	(void)self;
	if (fwrite(p, 1, len, stdout) != len)
		app.broken_output = true;
}

static void
on_found(void *self, const struct finding *f)
{
	(void)self;
	if (!app.brief)
		find_out(&app.out, f);
}

static void
on_names(void *self, const struct talk_conn *c, const struct alike_map *names)
{
	(void)self;
	if (!app.brief && !app.json)
		find_names(&app.out, c, names);
}

static void
summary_json(const struct diff_counts *n, bool whole)
{
	json_t *found = json_object(), *j;
	char *text;

	for (int k = 0; k < FIND_KINDS; k++)
		json_object_set_new(found, find_word((enum find_what)k), json_integer((json_int_t)n->found[k]));
	j = json_pack("{s:s, s:I, s:I, s:I, s:b, s:b, s:o}", "event", "summary", "sessions", (json_int_t)n->connections, "compared", (json_int_t)n->compared,
	    "differ", (json_int_t)n->messages, "same", diff_same(n) && whole, "whole", whole, "found", found);
	if ((text = json_dumps(j, JSON_COMPACT)) != NULL)
		printf("%s\n", text);
	free(text);
	json_decref(j);
}

static void
summary_lines(const struct diff_counts *n)
{
	find_printf(&app.out, "%llu sessions, %llu messages compared, %llu differ", (unsigned long long)n->connections, (unsigned long long)n->compared,
	    (unsigned long long)n->messages);
	for (int k = 0; k < FIND_KINDS; k++)
		if (n->found[k])
			find_printf(&app.out, "  %-12s %llu", find_word((enum find_what)k), (unsigned long long)n->found[k]);
	find_took(&app.out, "in A", &n->a);
	find_took(&app.out, "in B", &n->b);
}

/* ---- the program ---- */

static void
say(const char *text)
{
	fflush(stdout);
	fprintf(stderr, "simulgate-diff: %s\n", text);
}

static int
read_one(struct talk *t, const char *name, bool *whole, struct gw_err *err)
{
	uint64_t lost = 0;
	char text[512];
	int rc = talk_read(t, name, &app.read, err);

	if (rc < 0)
		return -1;
	if (rc > 0) {
		say(err->text);
		*whole = false;
	}
	for (size_t i = 0; i < t->n; i++)
		lost += t->c[i].lost;
	if (lost) {
		snprintf(text, sizeof(text), "%s: %llu octets are missing in it, or are no messages", name, (unsigned long long)lost);
		say(text);
	}
	if (t->n == 0)
		return gw_fail(err, GW_ECONF, "%s: no SimulCrypt messages in it%s", name, app.read.sessions || app.read.iface ? " that were asked for" : "");
	return 0;
}

int
main(int argc, char **argv)
{
	struct diff_user user = { NULL, on_found, on_names };
	struct diff_counts counts;
	struct gw_err err = { 0 };
	struct gw_args args;
	bool whole = true;
	int status = gw_args(&program, &args, &app, argc, argv);

	if (status >= 0)
		return status;
	if (strcmp(args.rest[0], "-") == 0 && strcmp(args.rest[1], "-") == 0)
		gw_fail(&err, GW_EUSAGE, "standard input is one capture, not two");
	else if (read_one(&app.a, args.rest[0], &whole, &err) == 0 && read_one(&app.b, args.rest[1], &whole, &err) == 0) {
		app.out.conf = (struct find_out_conf){ .json = app.json, .secrets = app.secrets, .colour = term_colour(), .width = term_width(),
			.a = "a", .b = "b", .first_ns = app.a.origin_ns, .b_first_ns = app.b.origin_ns, .write = write_out };
		err = (struct gw_err){ 0 };
		if (diff(&app.alike, &app.a, &app.b, &user, &counts) < 0) {
			gw_fail(&err, GW_ESYS, "no memory");
		} else {
			if (app.json)
				summary_json(&counts, whole);
			else
				summary_lines(&counts);
			status = diff_same(&counts) && whole ? 0 : 1;
		}
	}
	if (fflush(stdout) != 0 || app.broken_output)
		gw_fail(&err, GW_ESYS, "cannot write: %s", strerror(errno));
	if (err.code) {
		say(err.text);
		status = gw_exit_status(err.code);
	}
	talk_free(&app.a);
	talk_free(&app.b);
	return status;
}
