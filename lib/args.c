/* lib/args.c: the command line that every program shares */
#include "lib/args.h"
#include "config.h"
#include <stdio.h>
#include <string.h>

/* The common rows' take functions get the gw_args; a program's own get its self. */
static int
take_config(void *self, const char *value, struct gw_err *err)
{
	struct gw_args *a = self;

	if (a->config)
		return gw_fail(err, GW_EUSAGE, "there is one configuration file only");
	a->config = value;
	return 0;
}

static int
take_check(void *self, const char *value, struct gw_err *err)
{
	(void)value;
	(void)err;
	((struct gw_args *)self)->check_config = true;
	return 0;
}

static int
take_level(void *self, const char *value, struct gw_err *err)
{
	int level = gw_log_level(value);

	if (level < 0)
		return gw_fail(err, GW_EUSAGE, "%s is not a level: err, warning, notice, info or debug", value);
	((struct gw_args *)self)->log_level = (enum gw_level)level;
	return 0;
}

static int
take_status(void *self, const char *value, struct gw_err *err)
{
	return gw_addr_parse(value, GW_TCP | GW_UNIX, &((struct gw_args *)self)->status, err);
}

enum { ROW_HELP = 4, ROW_VERSION = 5, COMMON = 6 };
static const struct gw_option common[COMMON] = {
	{ "config", "FILE", "the head-end's configuration, simulgate.yaml(5)", take_config },
	{ "check-config", NULL, "check the configuration, say what would run, start nothing", take_check },
	{ "log-level", "LEVEL", "err, warning, notice, info (default) or debug", take_level },
	{ "status", "ADDR", "serve /status and /metrics here: tcp://127.0.0.1:PORT or unix:///PATH", take_status },
	[ROW_HELP] = { "help", NULL, "this text", NULL },
	[ROW_VERSION] = { "version", NULL, "name and version", NULL },
};

static int
print_version(const struct gw_program *p)
{
	printf("%s %s\n", p->name, PACKAGE_VERSION);
	return 0;
}

static int
width(const struct gw_option *o, size_t n, int least)
{
	for (size_t i = 0; i < n; i++) {
		int w = (int)(strlen(o[i].name) + (o[i].arg ? strlen(o[i].arg) + 1 : 0));

		if (w > least)
			least = w;
	}
	return least;
}

static const struct gw_option *
find(const struct gw_option *o, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(o[i].name, name, len) == 0 && o[i].name[len] == '\0')
			return &o[i];
	return NULL;
}

static void
print_rows(const struct gw_option *o, size_t n, int w, const struct gw_program *but)
{
	char left[128];

	for (size_t i = 0; i < n; i++) {
		if (but && find(but->options, but->noptions, o[i].name, strlen(o[i].name)))
			continue;	/* the program has its own */
		snprintf(left, sizeof(left), "%s%s%s", o[i].name, o[i].arg ? " " : "", o[i].arg ? o[i].arg : "");
		printf("  --%-*s  %s\n", w, left, o[i].help);
	}
}

static int
print_help(const struct gw_program *p)
{
	int w = width(common, COMMON, width(p->options, p->noptions, 0));

	printf("usage: %s%s%s\n%s\n\n", p->name, *p->usage ? " " : "", p->usage, p->summary);
	print_rows(p->options, p->noptions, w, NULL);
	print_rows(common, COMMON, w, p);
	return 0;
}

static int
misuse(const struct gw_program *p, const char *what, int len, const char *why)
{
	fprintf(stderr, "%s: %.*s: %s; see --help\n", p->name, len, what, why);
	return gw_exit_status(GW_EUSAGE);
}

/* One "--name[=value]"; *i moves on over a value that is the next word. -1: go on. */
static int
option(const struct gw_program *p, struct gw_args *a, void *self, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *name = word + 2, *value = NULL;
	size_t len = strcspn(name, "=");
	const struct gw_option *o = find(p->options, p->noptions, name, len);
	struct gw_err err = { 0 };

	if (!o) {	/* a program's row goes before a common one of the same name */
		o = find(common, COMMON, name, len);
		self = a;
	}
	if (!o)
		return misuse(p, word, (int)len + 2, "unknown option");
	if (name[len] == '=')
		value = name + len + 1;
	if (!o->arg && value)
		return misuse(p, word, (int)len + 2, "this option takes no value");
	if (o->arg && !value && (*i + 1 >= argc || !(value = argv[++*i])))
		return misuse(p, word, (int)len + 2, "the value is missing");
	if (o == &common[ROW_HELP])
		return print_help(p);
	if (o == &common[ROW_VERSION])
		return print_version(p);
	return o->take(self, value, &err) < 0 ? misuse(p, word, (int)len + 2, err.text) : -1;
}

int
gw_args(const struct gw_program *p, struct gw_args *a, void *self, int argc, char **argv)
{
	bool options = true;

	*a = (struct gw_args){ .log_level = GW_INFO, .rest = argv + 1 };
	for (int i = 1; i < argc; i++) {
		char *word = argv[i];
		int status = -1;

		if (!options || word[0] != '-' || word[1] == '\0')
			a->rest[a->nrest++] = word;	/* never ahead of i */
		else if (strcmp(word, "--") == 0)
			options = false;
		else if (strcmp(word, "-h") == 0)
			return print_help(p);
		else if (strcmp(word, "-V") == 0)
			return print_version(p);
		else if (word[1] != '-')
			return misuse(p, word, (int)strlen(word), "unknown option");
		else if ((status = option(p, a, self, argc, argv, &i)) >= 0)
			return status;
	}
	if (a->nrest > p->max_rest)
		return misuse(p, a->rest[p->max_rest], (int)strlen(a->rest[p->max_rest]), "one word too many");
	if (a->nrest < p->min_rest)
		return misuse(p, p->usage, (int)strlen(p->usage), "something is missing");
	return -1;
}
