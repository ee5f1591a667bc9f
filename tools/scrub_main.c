/* tools/scrub_main.c: simulgate-scrub: captures that can be shared */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/args.h"
#include "lib/hex.h"
#include "lib/secret.h"
#include "tools/dec_args.h"
#include "tools/scrub.h"

enum { FILES = 1024, PATH = 4096, LINE = 256, KEY_LEAST = 16, NOTES = 1 << 15, HEAP_KIB = 64 };
/* What --list shows: each id and address once. */
struct note { enum scrub_class class; const char *name; uint8_t from[16], to[16]; uint8_t n; uint64_t times; };
static struct app {
	struct dec_msg_conf msg;
	const char *key_file;
	unsigned keep;
	bool ports, drop_other, list, progress;
	struct scrub_pen *pen;
	struct note *notes; size_t nnotes; uint64_t unnoted;
} app;
static volatile sig_atomic_t stop;

static void
on_signal(int n)
{
	stop = n;
}

/* ---- options ---- */

static int
take_keep(void *self, const char *value, struct gw_err *err)
{
	struct app *a = self;

	while (*value) {
		size_t n = strcspn(value, ","), k = 0;

		while (k < SCRUB_NCLASSES && (strlen(scrub_class_names[k]) != n || memcmp(scrub_class_names[k], value, n) != 0))
			k++;
		if (k == SCRUB_NCLASSES || k == SCRUB_KEYS || k == SCRUB_UNKNOWN)
			return gw_fail(err, GW_EUSAGE, "%.*s cannot be kept: ids, addresses, ac, payload or text, with commas between", (int)n, value);
		a->keep |= 1u << k;
		value += n + (value[n] == ',');
	}
	return 0;
}

static int
take_key(void *self, const char *value, struct gw_err *err)
{
	(void)err;
	((struct app *)self)->key_file = value;
	return 0;
}

#define FLAG(name, field) static int name(void *self, const char *value, struct gw_err *err) { (void)value; (void)err; ((struct app *)self)->field = true; return 0; }
FLAG(take_ports, ports)
FLAG(take_drop_other, drop_other)
FLAG(take_list, list)
#undef FLAG

static int
take_as(void *self, const char *value, struct gw_err *err)
{
	return dec_take_iface(value, &((struct app *)self)->msg.as, err);
}

static int
take_port(void *self, const char *value, struct gw_err *err)
{
	return dec_take_port(value, &((struct app *)self)->msg, err);
}

static const struct gw_option options[] = {
	{ "key", "FILE", "pseudonyms come of this file's first line, so that later captures match; made if it is not there", take_key },
	{ "keep", "LIST", "what stays as it is: ids, addresses, ac, payload, text, with commas between", take_keep },
	{ "ports", NULL, "replace TCP and UDP ports, too", take_ports },
	{ "drop-other", NULL, "leave out frames of connections without SimulCrypt, instead of blanking them", take_drop_other },
	{ "list", NULL, "write nothing: show what would be replaced", take_list },
	{ "as", "NAME", "the interface, instead of finding out: ecmg, mux, eis, psig, cpsig or playout", take_as },
	{ "port", "N", "only connections with this port are SimulCrypt, however they look", take_port },
};
static const struct gw_program program = {
	"simulgate-scrub", "[--key FILE] [--keep LIST] IN OUT | IN … DIRECTORY | --list IN …",
	"Rewrites captures so that they can be shared: keys, access criteria, payloads, ids and addresses are replaced.",
	options, sizeof(options) / sizeof(options[0]), 1, FILES,
};

static int
say(const struct gw_err *err)
{
	fprintf(stderr, "simulgate-scrub: %s\n", err->text);
	return gw_exit_status(err->code);
}

/* ---- the key ---- */

static int
make_key(const char *path, struct gw_err *err)
{
	uint8_t key[SCRUB_KEY];
	char line[2 * SCRUB_KEY + 2];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0)
		return errno == EEXIST ? 0 : gw_fail(err, GW_ESYS, "%s: cannot be made: %s", path, strerror(errno));
	gw_random(key, sizeof(key));
	gw_hex(key, sizeof(key), line, sizeof(line));
	line[2 * SCRUB_KEY] = '\n';
	ok = write(fd, line, 2 * SCRUB_KEY + 1) == 2 * SCRUB_KEY + 1 && fsync(fd) == 0;
	ok = close(fd) == 0 && ok;
	gw_cleanse(key, sizeof(key));
	gw_cleanse(line, sizeof(line));
	if (!ok) {
		unlink(path);
		return gw_fail(err, GW_ESYS, "%s: cannot be written", path);
	}
	return 0;
}

static int
key_of_file(const char *path, uint8_t key[SCRUB_KEY], struct gw_err *err)
{
	struct gw_secret line = { 0 };
	int n = -1;

	if (gw_secret_new(&line, LINE) < 0)
		return gw_fail(err, GW_ESYS, "no locked memory");
	if (make_key(path, err) == 0 && gw_secret_file_ok(path, err) == 0)
		n = gw_secret_line(path, (char *)line.p, LINE, err);
	if (n >= 0 && n < KEY_LEAST)
		n = gw_fail(err, GW_ECONF, "%s: its first line is shorter than %d characters", path, KEY_LEAST);
	if (n >= 0 && !EVP_Digest(line.p, (size_t)n, key, NULL, EVP_sha256(), NULL))
		n = gw_fail(err, GW_ECRYPTO, "no SHA-256");
	gw_secret_free(&line);
	return n < 0 ? -1 : 0;
}

static struct scrub_names *
names_new(struct gw_err *err)
{
	struct gw_secret key = { 0 };
	struct scrub_names *names = NULL;

	if (gw_secret_new(&key, SCRUB_KEY) < 0) {
		gw_fail(err, GW_ESYS, "no locked memory");
		return NULL;
	}
	if (!app.key_file)
		gw_random(key.p, SCRUB_KEY);
	if ((!app.key_file || key_of_file(app.key_file, key.p, err) == 0) && !(names = scrub_names_new(key.p)))
		gw_fail(err, GW_ESYS, "no memory");
	gw_secret_free(&key);
	return names;
}

/* ---- what is said ---- */

static void
on_note(void *self, enum scrub_class class, const char *name, const uint8_t *from, const uint8_t *to, size_t n)
{
	struct app *a = self;
	uint32_t hash = (uint32_t)class;

	if (n > sizeof(a->notes->from))
		return;
	for (size_t k = 0; k < n; k++)
		hash = (hash ^ from[k]) * 0x9e3779b1u;
	for (size_t i = (hash ^ hash >> 15) % NOTES, tries = 0; tries < NOTES; i = (i + 1) % NOTES, tries++) {
		struct note *q = &a->notes[i];

		if (!q->n && a->nnotes < NOTES / 2) {
			*q = (struct note){ .class = class, .name = name, .n = (uint8_t)n };
			memcpy(q->from, from, n);
			memcpy(q->to, to, n);
			a->nnotes++;
		}
		if (!q->n)
			break;
		if (q->n == n && q->class == class && strcmp(q->name, name) == 0 && memcmp(q->from, from, n) == 0) {
			q->times++;
			return;
		}
	}
	a->unnoted++;
}

static int
by_name(const void *a, const void *b)
{
	const struct note *x = a, *y = b;
	int d = (x->n == 0) - (y->n == 0);

	d = d ? d : (int)x->class - (int)y->class;
	d = d || !x->n ? d : strcmp(x->name, y->name);
	d = d ? d : (int)x->n - (int)y->n;
	return d ? d : memcmp(x->from, y->from, x->n);
}

static const char *
value_text(const struct note *q, const uint8_t *p, char out[64])
{
	if (strncmp(q->name, "IPv", 3) == 0 && inet_ntop(q->n == 4 ? AF_INET : AF_INET6, p, out, 64))
		return out;
	if (strcmp(q->name, "MAC") == 0)
		snprintf(out, 64, "%02x:%02x:%02x:%02x:%02x:%02x", p[0], p[1], p[2], p[3], p[4], p[5]);
	else if (q->n == 2)
		snprintf(out, 64, "%u", (unsigned)p[0] << 8 | p[1]);
	else
		snprintf(out, 64, "0x"), gw_hex(p, q->n, out + 2, 62);
	return out;
}

/* Pseudonyms are worth a line when they are those of another run, too. */
static void
say_notes(void)
{
	qsort(app.notes, NOTES, sizeof(*app.notes), by_name);
	for (size_t i = 0; i < app.nnotes; i++) {
		const struct note *q = &app.notes[i];
		char from[64], to[64];

		printf("%-10s %-24s %s", scrub_class_names[q->class], q->name, value_text(q, q->from, from));
		if (app.key_file)
			printf(" -> %s", value_text(q, q->to, to));
		printf("  (%llu)\n", (unsigned long long)q->times);
	}
	if (app.unnoted)
		printf("and more ids or addresses than are listed: %llu times\n", (unsigned long long)app.unnoted);
}

static void
say_classes(void)
{
	for (int class = 0; class < SCRUB_NCLASSES; class++) {
		uint64_t n = 0;
		unsigned column = 0;

		for (size_t i = 0; i < app.pen->ncounts; i++)
			n += app.pen->count[i].class == (enum scrub_class)class ? app.pen->count[i].n : 0;
		if (!n) {
			if (!scrub_wants(app.pen, (enum scrub_class)class))
				printf("%-10s kept\n", scrub_class_names[class]);
			continue;
		}
		printf("%-10s %llu replaced:", scrub_class_names[class], (unsigned long long)n);
		for (size_t i = 0; i < app.pen->ncounts; i++) {
			char text[80];
			int k;

			if (app.pen->count[i].class != (enum scrub_class)class)
				continue;
			k = snprintf(text, sizeof(text), "%s %llu", app.pen->count[i].name, (unsigned long long)app.pen->count[i].n);
			if (column + (unsigned)k > 50) {
				printf(",\n%11s", "");
				column = 0;
			} else if (column) {
				printf(",");
			}
			printf(" %s", text);
			column += (unsigned)k + 2;
		}
		printf("\n");
	}
}

static void
say_file(const char *in, const char *out, const struct scrub_counts *n)
{
	uint64_t blank = n->payload > n->filled ? n->payload - n->filled : 0;

	printf("%s%s%s: %llu frames, %llu messages in %llu sessions", in, out ? " -> " : "", out ? out : "", (unsigned long long)n->frames,
	    (unsigned long long)n->messages, (unsigned long long)n->sessions);
	if (n->partial)
		printf(", %llu messages in part", (unsigned long long)n->partial);
	printf("\n");
	if (n->dropped)
		printf("  left out: %llu frames without SimulCrypt\n", (unsigned long long)n->dropped);
	if (blank)
		printf("  blanked: %llu octets of TCP and UDP that are not SimulCrypt\n", (unsigned long long)blank);
	if (n->other && !app.drop_other)
		printf("  blanked: %llu frames that are neither TCP nor UDP\n", (unsigned long long)n->other);
	if (n->broken && !app.drop_other)
		printf("  blanked: %llu frames that are broken, or cut within their headers\n", (unsigned long long)n->broken);
	if (n->blocks || n->options)
		printf("  left out: %llu blocks and %llu options of pcapng (comments, names, keys and the like)\n", (unsigned long long)n->blocks,
		    (unsigned long long)n->options);
}

static void
on_progress(uint64_t frames)
{
	if (app.progress)
		fprintf(stderr, "\r%llu frames", (unsigned long long)frames);
}

/* ---- files ---- */

static size_t
read_file(void *f, void *p, size_t n)
{
	return fread(p, 1, n, f);
}

/* One run over the file. fd -1: nothing is written. 0, 1 or -1 as scrub_capture says. */
static int
pass(FILE *f, const char *name, int fd, struct scrub_seen *learn, const struct scrub_seen *only, struct scrub_counts *counts, struct gw_err *err)
{
	struct scrub_source source = { read_file, f };
	struct scrub_out *out = scrub_out_new(fd);
	struct scrub *s = out ? scrub_new(app.pen, out, &app.msg, learn, only) : NULL;
	int rc = s ? scrub_capture(s, out, &source, name, &stop, on_progress, err) : gw_fail(err, GW_ESYS, "no memory");

	if (rc >= 0 && stop) {	/* which may have come within a frame */
		*err = (struct gw_err){ 0 };
		rc = 0;
	} else if (rc >= 0 && ferror(f)) {
		gw_fail(err, GW_ESYS, "%s: cannot be read", name);
		rc = 1;
	}
	if (s)
		*counts = *scrub_count(s);
	scrub_free(s);
	if (rc >= 0 && scrub_out_end(out, err) < 0)
		rc = -1;
	scrub_out_free(out);
	return rc;
}

/* With --drop-other a first run finds out which connections have SimulCrypt in them; what it counts counts for nothing. */
static int
passes(FILE *f, const char *name, int fd, struct scrub_counts *counts, struct gw_err *err)
{
	struct scrub_seen seen = { 0 };
	size_t ncounts = app.pen->ncounts;
	struct scrub_count *before;
	int rc;

	if (!app.drop_other)
		return pass(f, name, fd, NULL, NULL, counts, err);
	if (!(before = malloc(sizeof(app.pen->count))))
		return gw_fail(err, GW_ESYS, "no memory");
	memcpy(before, app.pen->count, sizeof(app.pen->count));
	rc = pass(f, name, -1, &seen, NULL, counts, err);
	memcpy(app.pen->count, before, sizeof(app.pen->count));
	app.pen->ncounts = ncounts;
	free(before);
	if (rc >= 0 && fseek(f, 0, SEEK_SET) < 0)
		rc = gw_fail(err, GW_EUSAGE, "%s: --drop-other reads a capture twice, and this cannot be: give a file", name);
	if (rc >= 0 && !stop)
		rc = pass(f, name, fd, NULL, &seen, counts, err);
	free(seen.map);
	return rc;
}

static int
to_temporary(FILE *f, const char *in, const char *out, struct scrub_counts *counts, struct gw_err *err)
{
	char path[PATH + 8];
	int fd, rc;

	if (snprintf(path, sizeof(path), "%s.XXXXXX", out) >= (int)sizeof(path))
		return gw_fail(err, GW_EUSAGE, "%s: a name too long", out);
	if ((fd = mkstemp(path)) < 0)
		return gw_fail(err, GW_ESYS, "%s: cannot be made: %s", path, strerror(errno));
	rc = passes(f, in, fd, counts, err);
	if (close(fd) != 0 && rc >= 0)
		rc = gw_fail(err, GW_ESYS, "%s: cannot write: %s", out, strerror(errno));
	if (rc >= 0 && rename(path, out) != 0)
		rc = gw_fail(err, GW_ESYS, "%s: cannot be put in its place: %s", out, strerror(errno));
	if (rc < 0)
		unlink(path);
	return rc;
}

static bool
same_file(FILE *f, const char *out)
{
	struct stat a, b;

	return fstat(fileno(f), &a) == 0 && stat(out, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* What is put in the place of a device, a pipe or a socket takes it away from everybody. */
static bool
no_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

/* The exit status. out NULL: nothing is written. */
static int
scrub_one(const char *in, const char *out)
{
	FILE *f = strcmp(in, "-") == 0 ? stdin : fopen(in, "rb");
	struct scrub_counts counts = { 0 };
	struct gw_err err = { 0 };
	int rc;

	if (!f)
		rc = gw_fail(&err, GW_ECONF, "%s: %s", in, strerror(errno));
	else if (out && same_file(f, out))
		rc = gw_fail(&err, GW_EUSAGE, "%s is what is read: the scrubbed capture needs a name of its own", out);
	else if (out && no_file(out))
		rc = gw_fail(&err, GW_EUSAGE, "%s is no file: the scrubbed capture is put in its place", out);
	else
		rc = out ? to_temporary(f, in, out, &counts, &err) : passes(f, in, -1, &counts, &err);
	if (f && f != stdin)
		fclose(f);
	if (app.progress)
		fprintf(stderr, "\r%40s\r", "");
	if (rc >= 0)
		say_file(in, out, &counts);
	fflush(stdout);
	if (rc != 0)
		say(&err);
	if (rc > 0 && out)
		fprintf(stderr, "simulgate-scrub: %s has what is before that\n", out);
	if (rc >= 0 && stop)
		fprintf(stderr, "simulgate-scrub: interrupted: %s has the first %llu frames\n", out ? out : "this", (unsigned long long)counts.frames);
	return rc < 0 ? gw_exit_status(err.code) : rc > 0 || stop ? 1 : 0;
}

/* ---- the command line ---- */

static bool
is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static const char *
base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* In a directory the second would take the place of the first. NULL: each has a name of its own. */
static const char *
named_twice(char **name, int n)
{
	for (int i = 0; i < n; i++)
		for (int k = 0; k < i; k++)
			if (strcmp(base_of(name[i]), base_of(name[k])) == 0)
				return base_of(name[i]);
	return NULL;
}

static int
scrub_all(char **name, int n)
{
	const char *last = name[n - 1];
	bool into = !app.list && is_directory(last);
	char path[PATH];
	int worst = 0, status;

	for (int i = 0; i < n - !app.list && !stop; i++) {
		const char *base = base_of(name[i]);

		if (into && snprintf(path, sizeof(path), "%s/%s", last, base) >= (int)sizeof(path)) {
			fprintf(stderr, "simulgate-scrub: %s: a name too long\n", base);
			return gw_exit_status(GW_EUSAGE);
		}
		status = scrub_one(name[i], app.list ? NULL : into ? path : last);
		worst = status > worst ? status : worst;
	}
	return worst;
}

static int
usage(const char *text)
{
	fprintf(stderr, "simulgate-scrub: %s; see --help\n", text);
	return gw_exit_status(GW_EUSAGE);
}

int
main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct gw_args args;
	struct gw_err err = { 0 };
	const char *twice;
	int status = gw_args(&program, &args, &app, argc, argv);

	if (status >= 0)
		return status;
	if (!app.list && args.nrest < 2)
		return usage("a capture, and a name for what comes of it");
	if (!app.list && args.nrest > 2 && !is_directory(args.rest[args.nrest - 1]))
		return usage("several captures go into a directory");
	if (!app.list && (twice = named_twice(args.rest, args.nrest - 1)) != NULL) {
		fprintf(stderr, "simulgate-scrub: two captures are called %s, and would go into one; see --help\n", twice);
		return gw_exit_status(GW_EUSAGE);
	}
	if (!app.list && strcmp(args.rest[args.nrest - 1], "-") == 0)
		return usage("what is written is written again behind its end: it needs a file, not a pipe");
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	if (gw_secrets_init(HEAP_KIB, true, &err) < 0)
		return say(&err);
	app.progress = isatty(STDERR_FILENO);
	app.pen = calloc(1, sizeof(*app.pen));
	app.notes = app.list ? calloc(NOTES, sizeof(*app.notes)) : NULL;
	if (!app.pen || (app.list && !app.notes) || !(app.pen->names = names_new(&err))) {
		if (!err.code)
			gw_fail(&err, GW_ESYS, "no memory");
		status = say(&err);
	} else {
		app.pen->keep = app.keep | (app.ports ? 0 : 1u << SCRUB_PORTS);
		app.pen->note = app.list ? on_note : NULL;
		app.pen->self = &app;
		status = scrub_all(args.rest, args.nrest);
		if (app.list)
			say_notes();
		say_classes();
		if (fflush(stdout) != 0)
			status = gw_exit_status(GW_ESYS);
		scrub_names_free(app.pen->names);
	}
	free(app.notes);
	free(app.pen);
	gw_secrets_fini();
	return status;
}
