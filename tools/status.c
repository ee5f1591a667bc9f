/* tools/status.c: simulgate status: what every local process says of itself */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/args.h"
#include "lib/ops.h"
#include "tools/tools.h"

enum { WAIT_MS = 1000, SOCKETS = 4096, ROWS = 20, DEPTH = 2 };
static const char suffix[] = ".status.sock", run_dir[] = "/run/simulgate";

static int
take_json(void *self, const char *value, struct gw_err *err)
{
	(void)value;
	(void)err;
	*(bool *)self = true;
	return 0;
}

static const struct gw_option options[] = {
	{ "json", NULL, "everything they say, as a JSON array", take_json },
};
static const struct gw_program program = {
	"simulgate status", "[--json] [--config FILE]",
	"Shows the state of the head-end's processes on this machine (of /run/simulgate without --config).", options, 1, 0, 0,
};

/* "PROGRAM[-INSTANCE].status.sock" */
static int
is_socket(const struct dirent *e)
{
	size_t n = strlen(e->d_name), s = sizeof(suffix) - 1;

	return n > s && strcmp(e->d_name + n - s, suffix) == 0;
}

/* What the process at this socket says; or an object with the socket's program and the error. */
static json_t *
ask(const struct gw_addr *a, const char *name)
{
	struct gw_err err = { 0 };
	char *body = NULL;
	json_t *j = NULL;

	if (gw_ops_get(a, "/status", WAIT_MS, &body, &err) == 0 && !((j = json_loads(body, 0, NULL)) && json_is_object(j))) {
		json_decref(j);
		j = NULL;
		gw_fail(&err, GW_EPEER, "what it says is no JSON object");
	}
	free(body);
	if (j)
		return j;
	return json_pack("{s:s%, s:s}", "program", name, strlen(name) - strlen(suffix), "error", err.text);
}

static json_t *
ask_all(const char *dir, struct gw_err *err)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_socket, alphasort);
	json_t *all = json_array();

	if (n < 0)
		gw_fail(err, GW_EUNAVAIL, "%s: there is no such directory: nothing runs", dir);
	for (int i = 0; i < n; i++) {
		char text[GW_ADDR_TEXT + 256];
		struct gw_addr a;

		snprintf(text, sizeof(text), "unix://%s/%s", dir, names[i]->d_name);
		if (i < SOCKETS && gw_addr_parse(text, GW_UNIX, &a, NULL) == 0)
			json_array_append_new(all, ask(&a, names[i]->d_name));
		free(names[i]);
	}
	free(names);
	if (n == 0)
		gw_fail(err, GW_EUNAVAIL, "%s: no process listens there", dir);
	return all;
}

static const char *
text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static void
up_text(double seconds, char out[24])
{
	long long s = (long long)seconds;

	if (s < 60)
		snprintf(out, 24, "%llds", s);
	else if (s < 3600)
		snprintf(out, 24, "%lldm%02llds", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, 24, "%lldh%02lldm", s / 3600, s / 60 % 60);
	else
		snprintf(out, 24, "%lldd%02lldh", s / 86400, s / 3600 % 24);
}

/* The columns of the table, which need not be said again. */
static bool
is_column(const char *key)
{
	static const char *const columns[] = { "program", "instance", "version", "pid", "up_seconds" };

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		if (strcmp(key, columns[i]) == 0)
			return true;
	return false;
}

static bool
is_list(const json_t *v)
{
	return json_is_array(v) && json_is_object(json_array_get(v, 0));
}

/* The counts within one that are not 0: " dropped=no_key:3,overload:17". */
static void
print_counts(const char *name, const json_t *counts)
{
	const char *key;
	bool first = true;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)counts, key, v) {
		if (json_integer_value(v) == 0)
			continue;
		if (first)
			printf(" %s=", name);
		printf("%s%s:%" JSON_INTEGER_FORMAT, first ? "" : ",", key, json_integer_value(v));
		first = false;
	}
}

/* The plain values of an object, counts within it, and of lists of plain values how many there are. */
static void
print_facts(const json_t *j, bool columns)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)j, key, v) {
		if (columns && is_column(key))
			continue;
		if (json_is_string(v) && *json_string_value(v))
			printf(" %s=%s", key, json_string_value(v));
		else if (json_is_integer(v))
			printf(" %s=%" JSON_INTEGER_FORMAT, key, json_integer_value(v));
		else if (json_is_real(v))
			printf(" %s=%.3g", key, json_real_value(v));
		else if (json_is_boolean(v))
			printf(" %s=%s", key, json_is_true(v) ? "yes" : "no");
		else if (json_is_array(v) && !is_list(v) && json_array_size(v))
			printf(" %s:%zu", key, json_array_size(v));
		else if (json_is_object(v))
			print_counts(key, v);
	}
	printf("\n");
}

/* What it lists, a line each under its name: services, and the streams of each. */
static void
print_lists(const json_t *j, int depth)
{
	const char *key;
	json_t *list, *v;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)j, key, list) {
		if (!is_list(list))
			continue;
		json_array_foreach(list, i, v) {
			if (i == ROWS) {
				printf("%*s… %zu more: --json\n", 4 * depth, "", json_array_size(list) - i);
				break;
			}
			printf("%*s%s:", 4 * depth, "", key);
			print_facts(v, false);
			if (depth < DEPTH)
				print_lists(v, depth + 1);
		}
	}
}

/* The list of that name of every process of a program, one entry after the other. */
static void
each_of(const json_t *all, const char *who, const char *list, void (*each)(const json_t *entry, void *self), void *self)
{
	size_t i, k;
	json_t *j, *v;

	json_array_foreach(all, i, j)
		if (strcmp(text_of(j, "program"), who) == 0)
			json_array_foreach(json_object_get(j, list), k, v)
				each(v, self);
}

static json_int_t
number(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

/* One stream of a service on its way; -1: nobody here counts that. */
struct way { const char *service, *kms; json_int_t ecm_id, on_air, seen; };

static void
on_air(const json_t *stream, void *self)
{
	struct way *w = self;

	if (strcmp(text_of(stream, "service"), w->service) == 0 && strcmp(text_of(stream, "kms"), w->kms) == 0 &&
	    number(stream, "ECM_id") == w->ecm_id)
		w->on_air = number(stream, "aired");
}

/* Of several terminals the one that has seen most: one that is switched off says nothing about the air. */
static void
seen(const json_t *unit, void *self)
{
	struct way *w = self;
	json_int_t n = number(json_object_get(unit, "stkm"), "accepted");

	if (strcmp(text_of(unit, "service"), w->service) == 0 && strcmp(text_of(unit, "kms"), w->kms) == 0 && n > w->seen)
		w->seen = n;
}

static void
print_count(const char *name, json_int_t n)
{
	if (n < 0)
		printf(" %s=-", name);
	else
		printf(" %s=%" JSON_INTEGER_FORMAT, name, n);
}

/* Where an ECM gets lost between its KMS and a receiver: the stage whose count stands still. Each process counts from its own start. */
static void
print_way(const json_t *service, void *self)
{
	static const char *const stages[] = { "generated", "provisioned", "answered", "committed" };
	json_t *stream;
	size_t i;

	json_array_foreach(json_object_get(service, "streams"), i, stream) {
		struct way w = { text_of(service, "service"), text_of(stream, "kms"), number(stream, "ECM_id"), -1, -1 };
		each_of(self, "mux", "streams", on_air, &w);
		each_of(self, "terminal", "services", seen, &w);
		printf("ecm: service=%s kms=%s ECM_id=%" JSON_INTEGER_FORMAT, w.service, w.kms, w.ecm_id);
		for (size_t k = 0; k < sizeof(stages) / sizeof(stages[0]); k++)
			print_count(stages[k], json_object_get(stream, stages[k]) ? number(stream, stages[k]) : -1);
		print_count("on_air", w.on_air);
		print_count("seen", w.seen);
		printf("\n");
	}
}

static void
print_table(const json_t *all)
{
	size_t i;
	json_t *j;
	char up[24];

	printf("%-11s %-16s %-8s %s\n", "PROGRAM", "INSTANCE", "UP", "FACTS");
	json_array_foreach(all, i, j) {
		up_text(json_number_value(json_object_get(j, "up_seconds")), up);
		printf("%-11s %-16s %-8s", text_of(j, "program"), text_of(j, "instance"), json_object_get(j, "error") ? "-" : up);
		print_facts(j, true);
		print_lists(j, 1);
	}
	each_of(all, "scs", "services", print_way, (void *)(uintptr_t)all);
}

int
tool_status(int argc, char **argv)
{
	bool json = false;
	struct gw_args args;
	struct gw_err err = { 0 };
	struct headend *h = NULL;
	json_t *all, *j;
	size_t i;
	int status = gw_args(&program, &args, &json, argc, argv);

	if (status >= 0)
		return status;
	if (args.config && !(h = tool_load(args.config, &status)))
		return status;
	status = 0;
	all = ask_all(h ? h->playout : run_dir, &err);
	if (json) {
		json_dumpf(all, stdout, JSON_INDENT(2) | JSON_SORT_KEYS);
		printf("\n");
	} else if (json_array_size(all)) {
		print_table(all);
	}
	if (err.code) {
		fprintf(stderr, "simulgate status: %s\n", err.text);
		status = gw_exit_status(err.code);
	}
	json_array_foreach(all, i, j)
		if (json_object_get(j, "error"))
			status = gw_exit_status(GW_EUNAVAIL);	/* a socket nobody answers: it died or hangs */
	json_decref(all);
	headend_free(h);
	return status;
}
