/* bsm/cmd.c */
#include "bsm/cmd.h"
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "lib/clock.h"
#include "lib/conf.h"
#include "lib/log.h"
#include "lib/secret.h"

enum { SECRET_KIB = 256, WORDS = 3, TRIES = 20 };	/* each waits for the store as long as it does, 0.25 s */

/* ---- options ---- */

int
cmd_take_kms(void *self, const char *value, struct gw_err *err)
{
	(void)err;
	((struct cmd *)self)->kms = value;
	return 0;
}

int
cmd_take_path(void *self, const char *value, struct gw_err *err)
{
	(void)err;
	((struct cmd *)self)->path = value;
	return 0;
}

int
cmd_take_master(void *self, const char *value, struct gw_err *err)
{
	(void)err;
	((struct cmd *)self)->master = value;
	return 0;
}

int
cmd_take_json(void *self, const char *value, struct gw_err *err)
{
	(void)value, (void)err;
	((struct cmd *)self)->json = true;
	return 0;
}

/* ---- where the store is ---- */

static int
find_kms(struct cmd *c, struct gw_err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < c->he->nkms; i++) {
		const struct he_kms *k = &c->he->kms[i];

		if (c->kms ? strcmp(k->name, c->kms) == 0 : k->store != NULL) {
			c->k = k;
			n++;
		}
	}
	if (n == 0)
		return c->kms ? gw_fail(err, GW_EUSAGE, "%s has no KMS %s", c->he->file, c->kms) :
		    gw_fail(err, GW_ECONF, "%s: no KMS has a store", c->he->file);
	if (n > 1)
		return gw_fail(err, GW_EUSAGE, "%s: more than one KMS has a store; say which with --kms", c->he->file);
	if (!c->k->store)
		return gw_fail(err, GW_ECONF, "%s: KMS %s has no store", c->he->file, c->k->name);
	for (size_t i = 0; i < c->he->nbsm; i++)
		if (c->he->bsm[i].kms == c->k)
			c->bsm = &c->he->bsm[i];
	return 0;
}

static int
locate(struct cmd *c, const char *config, struct gw_err *err)
{
	if (c->path) {
		if (config || c->kms)
			return gw_fail(err, GW_EUSAGE, "--store, or --config and --kms; not both");
		c->conf = (struct kms_store_conf){ .path = c->path, .master = c->master };
		return 0;
	}
	if (c->master)
		return gw_fail(err, GW_EUSAGE, "--master goes with --store");
	if (!(c->he = headend_load(config, err)))
		return -1;
	if (find_kms(c, err) < 0)
		return -1;
	c->conf = (struct kms_store_conf){ .path = c->k->store, .master = c->k->master };
	return 0;
}

/* ---- the program ---- */

/* The action whose words stand first; *used: how many. */
static const struct cmd_action *
find_action(const struct cmd_action *a, size_t n, char **rest, int nrest, int *used)
{
	char words[128] = "";
	const struct cmd_action *found = NULL;

	for (int i = 0; i < nrest && i < WORDS; i++) {
		size_t len = strlen(words);

		snprintf(words + len, sizeof(words) - len, "%s%s", i ? " " : "", rest[i]);
		for (size_t k = 0; k < n; k++)
			if (strcmp(a[k].name, words) == 0) {
				found = &a[k];
				*used = i + 1;
			}
	}
	return found;
}

static int
run(struct cmd *c, const struct cmd_action *a, const struct gw_args *args, int used, struct gw_err *err)
{
	int rc;

	if (args->nrest - used < a->needs)
		return gw_fail(err, GW_EUSAGE, "%s: a word is missing; see --help", a->name);
	if (args->nrest - used > a->takes)
		return gw_fail(err, GW_EUSAGE, "%s: %s is one word too many", a->name, args->rest[used + a->takes]);
	if (gw_secrets_init(SECRET_KIB, true, err) < 0 || locate(c, args->config, err) < 0)
		return -1;
	c->conf.create = a->store == CMD_CREATE;
	if (a->store != CMD_NO_STORE && kms_store_open(&c->conf, &c->store, err) < 0)
		return -1;
	rc = a->run(c, args->rest + used, args->nrest - used, err);
	return rc;
}

int
cmd_main(const struct gw_program *p, const struct cmd_action *a, size_t n, struct cmd *c, int argc, char **argv)
{
	struct gw_args args;
	struct gw_err err = { 0 };
	const struct cmd_action *found;
	int used = 0, status = gw_args(p, &args, c, argc, argv);

	if (status >= 0)
		return status;
	gw_log_init(p->name, args.log_level == GW_INFO ? GW_WARNING : args.log_level);
	c->now_us = gw_utc_us();
	found = find_action(a, n, args.rest, args.nrest, &used);
	status = 0;
	if (!found)
		status = gw_fail(&err, GW_EUSAGE, "there is no such command; see --help");
	else
		status = run(c, found, &args, used, &err);
	kms_store_close(c->store);
	headend_free(c->he);
	if (status == 0 && fflush(stdout) != 0)
		status = gw_fail(&err, GW_ESYS, "the answer cannot be written");
	if (status == 0)
		return 0;
	fprintf(stderr, "%s: %s\n", p->name, err.text);
	return gw_exit_status(err.code);
}

/* ---- times ---- */

int
cmd_duration(const char *text, int64_t *us, struct gw_err *err)
{
	struct holder { uint64_t ms; } h = { 0 };
	static const struct gw_conf_row row = { "duration", GW_CONF_DURATION, GW_CONF_AT(holder, ms), .max = INT64_C(100) * 366 * 86400000 };

	if (gw_conf_value(&row, &h, text, err) < 0)
		return -1;
	*us = (int64_t)h.ms * 1000;
	return 0;
}

int
cmd_time(const struct cmd *c, const char *text, int64_t *utc_us, struct gw_err *err)
{
	struct tm tm = { 0 }, again;
	const char *rest;

	if (*text == '+') {
		if (cmd_duration(text + 1, utc_us, err) < 0)
			return -1;
		*utc_us += c->now_us;
		return 0;
	}
	rest = strptime(text, "%Y-%m-%d", &tm);
	if (rest && *rest == 'T')
		rest = strptime(rest + 1, "%H:%M:%SZ", &tm);
	again = tm;
	if (!rest || *rest || tm.tm_year < 70 || tm.tm_year > 7000 || tm.tm_sec > 59 || timegm(&again) <= 0 || again.tm_mday != tm.tm_mday)
		return gw_fail(err, GW_EUSAGE, "%s is no time: 2026-12-01, 2026-12-01T10:00:00Z (UTC) or +30d", text);
	*utc_us = (int64_t)timegm(&tm) * 1000000;
	return 0;
}

/* ---- answers ---- */

json_t *
cmd_when(int64_t utc_us)
{
	char text[32];

	return utc_us ? json_string(gw_utc_text(utc_us, text)) : json_null();
}

json_t *
cmd_text(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static void
cell(json_t *v, char out[600])
{
	char *text;

	if (json_is_string(v))
		snprintf(out, 600, "%s", json_string_value(v));
	else if (!v || json_is_null(v))
		snprintf(out, 600, "-");
	else if (json_is_boolean(v))
		snprintf(out, 600, "%s", json_is_true(v) ? "yes" : "no");
	else if ((text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT))) {
		snprintf(out, 600, "%s", text);
		free(text);
	}
}

static void
print_object(json_t *o, int indent)
{
	char text[600];
	const char *key;
	json_t *v;

	json_object_foreach(o, key, v) {
		if (json_is_object(v)) {
			printf("%*s%s:\n", indent, "", key);
			print_object(v, indent + 2);
		} else {
			cell(v, text);
			printf("%*s%s: %s\n", indent, "", key, text);
		}
	}
}

static void
print_row(json_t *columns, const int *width, json_t *row)
{
	char text[600];
	const char *key;
	json_t *v;
	size_t n = 0, last = json_object_size(columns);

	json_object_foreach(columns, key, v) {
		if (row)
			cell(json_object_get(row, key), text);
		else
			snprintf(text, sizeof(text), "%s", key);
		if (++n == last)
			printf("%s\n", text);
		else
			printf("%-*s  ", width[n - 1], text);
	}
}

static void
print_table(json_t *rows)
{
	json_t *columns = json_array_get(rows, 0), *row, *v;
	int width[32] = { 0 };
	char text[600];
	const char *key;
	size_t i, n = 0;

	if (!columns || json_object_size(columns) > 32)
		return;
	json_object_foreach(columns, key, v)
		width[n++] = (int)strlen(key);
	json_array_foreach(rows, i, row) {
		n = 0;
		json_object_foreach(columns, key, v) {
			cell(json_object_get(row, key), text);
			if ((int)strlen(text) > width[n])
				width[n] = (int)strlen(text);
			n++;
		}
	}
	print_row(columns, width, NULL);
	json_array_foreach(rows, i, row)
		print_row(columns, width, row);
}

int
cmd_say(const struct cmd *c, json_t *j, struct gw_err *err)
{
	if (!j)
		return gw_fail(err, GW_ESYS, "no memory");
	if (c->json) {
		json_dumpf(j, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (json_is_array(j)) {
		print_table(j);
	} else {
		print_object(j, 0);
	}
	json_decref(j);
	return 0;
}

int
cmd_busy(struct gw_err *err)
{
	return gw_fail(err, GW_ETEMP, "the store is busy or cannot be used; try again");
}

enum gw_outcome
cmd_group(struct cmd *c, enum gw_outcome (*what)(void *), void *arg)
{
	enum gw_outcome o = GW_UNAVAILABLE;

	for (int tries = 0; tries < TRIES && o == GW_UNAVAILABLE; tries++) {
		kms_store_begin(c->store);
		o = what(arg);
		if (o != GW_WON)
			kms_store_drop(c->store);
		else
			o = kms_store_flush(c->store);
	}
	return o;
}

int
cmd_service(struct cmd *c, const char *name, struct kms_service *s, struct gw_err *err)
{
	enum gw_outcome o;

	if (!name)
		return gw_fail(err, GW_EUSAGE, "which service? --service NAME");
	o = kms_service_find(c->store, name, s);
	if (o == GW_EXISTS)
		return gw_fail(err, GW_EUSAGE, "there is no service %s in the store", name);
	return o == GW_WON ? 0 : cmd_busy(err);
}

const char *
cmd_who(void)
{
	static char who[KMS_NAME];
	const struct passwd *p = getpwuid(getuid());

	snprintf(who, sizeof(who), "operator %.40s", p ? p->pw_name : "?");
	return who;
}
