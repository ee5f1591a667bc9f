/* lib/conf.c: a YAML file read under schema rows */
#include "lib/conf.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>
#include "lib/addr.h"
#include "lib/hex.h"
#include "lib/secret.h"

enum { FILE_MAX = 4 << 20, NODES_MAX = 1000000, FAULTS_MAX = 100, DEPTH_MAX = 32, WHY = 360, NAME_LEN = 64, SOCKETS_LEN = 80 };

struct fault { struct gw_place at; size_t nth; char text[WHY]; };
struct given { const void *member; struct gw_place at; bool bad; };
struct object { const struct gw_conf_schema *schema; char *p; struct gw_place at; };
struct ref { const struct gw_conf_row *row; char *member; const char *name; struct gw_place at; };
struct vec { void *p; size_t n, cap; };

struct gw_conf {
	const char *file;
	char dir[PATH_MAX];
	yaml_document_t doc;
	const struct gw_conf_schema *root;
	char *out;
	struct fault *faults;
	size_t nfaults, unsaid, visits;
	struct given *given; size_t ngiven, given_cap;	/* a hash table by address */
	struct vec objects, refs;
	bool nomem;
};

/* ---- memory ---- */

static void *
alloc(struct gw_conf *c, size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		c->nomem = true;
	return p;
}

static void *
push(struct gw_conf *c, struct vec *v, size_t size)
{
	if (v->n == v->cap) {
		size_t cap = v->cap ? 2 * v->cap : 64;
		void *p = realloc(v->p, cap * size);

		if (!p) {
			c->nomem = true;
			return NULL;
		}
		v->p = p;
		v->cap = cap;
	}
	return (char *)v->p + v->n++ * size;
}

/* ---- places and faults ---- */

static struct given *
slot(struct given *t, size_t cap, const void *member)
{
	size_t i = ((uintptr_t)member * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (cap - 1);

	while (t[i].member && t[i].member != member)
		i = (i + 1) & (cap - 1);
	return &t[i];
}

static void
note_given(struct gw_conf *c, const void *member, struct gw_place at)
{
	if (2 * c->ngiven >= c->given_cap) {
		size_t cap = c->given_cap ? 2 * c->given_cap : 1024;
		struct given *t = alloc(c, cap, sizeof(*t));

		if (!t)
			return;
		for (size_t i = 0; i < c->given_cap; i++)
			if (c->given[i].member)
				*slot(t, cap, c->given[i].member) = c->given[i];
		free(c->given);
		c->given = t;
		c->given_cap = cap;
	}
	struct given *g = slot(c->given, c->given_cap, member);
	c->ngiven += !g->member;
	*g = (struct given){ member, at, false };
}

bool
gw_conf_given(const struct gw_conf *c, const void *member)
{
	return c->given_cap && slot(c->given, c->given_cap, member)->member;
}

bool
gw_conf_good(const struct gw_conf *c, const void *member)
{
	return gw_conf_given(c, member) && !slot(c->given, c->given_cap, member)->bad;
}

static struct gw_place
place_of(const struct gw_conf *c, const void *member)
{
	const struct object *o = c->objects.p, *best = NULL;
	uintptr_t m = (uintptr_t)member;

	if (gw_conf_given(c, member))
		return slot(c->given, c->given_cap, member)->at;
	for (size_t i = 0; i < c->objects.n; i++) {
		uintptr_t p = (uintptr_t)o[i].p;

		if (m >= p && m - p < o[i].schema->size && (!best || o[i].schema->size < best->schema->size))
			best = &o[i];
	}
	return best ? best->at : (struct gw_place){ 1, 1 };
}

static int
compare_places(struct gw_place a, struct gw_place b)
{
	return a.line != b.line ? (a.line < b.line ? -1 : 1) : (a.column > b.column) - (a.column < b.column);
}

static void __attribute__((format(printf, 3, 0)))
vfault(struct gw_conf *c, struct gw_place at, const char *fmt, va_list ap)
{
	if (c->nfaults == FAULTS_MAX || !c->faults) {
		c->unsaid++;
		return;
	}
	struct fault *f = &c->faults[c->nfaults];
	f->at = at;
	f->nth = c->nfaults;
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	for (size_t i = 0; i < c->nfaults; i++)	/* an alias: the same text again, said once */
		if (compare_places(c->faults[i].at, at) == 0 && strcmp(c->faults[i].text, f->text) == 0)
			return;
	c->nfaults++;
}

static void __attribute__((format(printf, 3, 4)))
fault(struct gw_conf *c, struct gw_place at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfault(c, at, fmt, ap);
	va_end(ap);
}

void
gw_conf_fail(struct gw_conf *c, const void *member, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfault(c, place_of(c, member), fmt, ap);
	va_end(ap);
}

struct twin { struct gw_conf_key *key; struct gw_place at; };

static int
compare_twins(const void *a, const void *b)
{
	const struct twin *x = a, *y = b;
	int c = strcmp(x->key->text, y->key->text);

	return c ? c : compare_places(x->at, y->at);
}

void
gw_conf_unique(struct gw_conf *c, struct gw_conf_key *keys, size_t n, const char *what)
{
	struct twin *t = alloc(c, n, sizeof(*t));

	if (!t)
		return;
	for (size_t i = 0; i < n; i++)
		t[i] = (struct twin){ &keys[i], place_of(c, keys[i].member) };
	qsort(t, n, sizeof(*t), compare_twins);
	for (size_t i = 1; i < n; i++)
		if (*t[i].key->text && strcmp(t[i].key->text, t[i - 1].key->text) == 0)
			fault(c, t[i].at, "two %s %s; the other is in line %d", what, t[i].key->text, t[i - 1].at.line);
	free(t);
}

/* The known word nearest to a mistyped one, or NULL: edit distance up to a third of its length. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[NAME_LEN + 1], la = strlen(a), lb = strlen(b);

	if (la > NAME_LEN || lb > NAME_LEN)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t cost = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = cost;
			if (diagonal + 1 < row[j])
				row[j] = diagonal + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
		}
	}
	return row[lb];
}

/* "; did you mean X?" or "; known are A, B, C" from the names that at(i) gives. */
static const char *
hint(const char *word, const char *(*at)(const void *, size_t), const void *of, size_t n, char out[WHY])
{
	size_t best = SIZE_MAX, len = 0;

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(word, at(of, i));

		if (d < best && d <= 1 + strlen(at(of, i)) / 3) {
			best = d;
			snprintf(out, WHY, "; did you mean %s?", at(of, i));
		}
	}
	if (best != SIZE_MAX)
		return out;
	for (size_t i = 0; i < n && len < 200; i++)
		len += (size_t)snprintf(out + len, WHY - len, "%s%s", i ? ", " : "; known are ", at(of, i));
	return n ? out : "";
}

static const char *
row_at(const void *rows, size_t i)
{
	return ((const struct gw_conf_row *)rows)[i].key;
}

static const char *
word_at(const void *words, size_t i)
{
	return ((const struct gw_conf_word *)words)[i].word;
}

/* ---- integers of any width ---- */

static int64_t
load_int(const void *p, size_t size)
{
	switch (size) {
	case 1: return *(const uint8_t *)p;
	case 2: return *(const uint16_t *)p;
	case 4: return *(const uint32_t *)p;
	default: return *(const int64_t *)p;
	}
}

static void
store_int(void *p, size_t size, int64_t v)
{
	switch (size) {
	case 1: *(uint8_t *)p = (uint8_t)v; break;
	case 2: *(uint16_t *)p = (uint16_t)v; break;
	case 4: *(uint32_t *)p = (uint32_t)v; break;
	default: *(int64_t *)p = v; break;
	}
}

static void
range(const struct gw_conf_row *r, int64_t *min, int64_t *max)
{
	*min = r->min;
	*max = r->min || r->max ? r->max : r->size >= 8 ? INT64_MAX : (int64_t)(UINT64_C(1) << (8 * r->size)) - 1;
}

struct unit { const char *name; int64_t factor; };
static const struct unit durations[] = { { "h", 3600000 }, { "min", 60000 }, { "s", 1000 }, { "ms", 1 } };
static const struct unit rates[] = { { "Gbit/s", 1000000000 }, { "Mbit/s", 1000000 }, { "kbit/s", 1000 }, { "bit/s", 1 } };
static const struct unit sizes[] = { { "GiB", 1 << 30 }, { "MiB", 1 << 20 }, { "KiB", 1 << 10 }, { "GB", 1000000000 },
	{ "MB", 1000000 }, { "kB", 1000 }, { "B", 1 } };
static const struct dimension {
	const char *noun, *with;
	const struct unit *units; size_t n;
} dimensions[] = {
	[GW_CONF_DURATION] = { "a duration", "ms, s, min or h", durations, 4 },
	[GW_CONF_RATE] = { "a bit rate", "bit/s, kbit/s, Mbit/s or Gbit/s", rates, 4 },
	[GW_CONF_SIZE] = { "a size", "B, kB, KiB, MB, MiB, GB or GiB", sizes, 7 },
};

/* The largest unit that needs at most one decimal. */
static void
unit_text(enum gw_conf_type type, int64_t v, char *out, size_t cap)
{
	const struct dimension *d = &dimensions[type];

	for (size_t i = 0; i < d->n; i++) {
		int64_t f = d->units[i].factor, tenth = f / 10;

		if (v && (v < f || (v % f && (f % 10 || v % tenth))))
			continue;
		if (v % f)
			snprintf(out, cap, "%" PRId64 ".%" PRId64 "%s", v / f, v % f / tenth, d->units[i].name);
		else
			snprintf(out, cap, "%" PRId64 "%s", v / f, v ? d->units[i].name : "");
		return;
	}
}

static void
number_text(const struct gw_conf_row *r, int64_t v, char *out, size_t cap)
{
	if (r->type >= GW_CONF_DURATION && r->type <= GW_CONF_SIZE)
		unit_text(r->type, v, out, cap);
	else if (r->flags & GW_CONF_HEX)
		snprintf(out, cap, "0x%0*" PRIx64, (int)(2 * r->size), (uint64_t)v);
	else
		snprintf(out, cap, "%" PRId64, v);
}

/* ---- scalars: read_x fills the member from the text or says why not; print_x writes what read_x reads ---- */

static bool __attribute__((format(printf, 2, 3)))
no(char why[WHY], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, WHY, fmt, ap);
	va_end(ap);
	return false;
}

enum { SHOWN = 60 };	/* of a wrong value in a sentence */

static bool
in_range(const struct gw_conf_row *r, const char *text, int64_t v, char why[WHY])
{
	int64_t min, max;
	char low[32], high[32];

	range(r, &min, &max);
	if (v >= min && v <= max)
		return true;
	number_text(r, min, low, sizeof(low));
	number_text(r, max, high, sizeof(high));
	return no(why, "%.*s is out of range: %s to %s", SHOWN, text, low, high);
}

static bool
read_bool(struct gw_conf *c, const struct gw_conf_row *r, void *m, const char *text, char why[WHY])
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on" };

	(void)c;
	(void)r;
	for (size_t i = 0; i < 6; i++)
		if (strcmp(text, words[i]) == 0) {
			*(bool *)m = i & 1;
			return true;
		}
	return no(why, "%.*s is neither true nor false", SHOWN, text);
}

static bool
read_number(struct gw_conf *c, const struct gw_conf_row *r, void *m, const char *text, char why[WHY])
{
	bool minus = *text == '-' && r->type == GW_CONF_INT;
	const char *digits = text + minus;
	bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
	const char *set = hex ? "0123456789abcdefABCDEF" : "0123456789";
	unsigned long long u;

	(void)c;
	digits += hex ? 2 : 0;
	if (!*digits || digits[strspn(digits, set)])
		return no(why, "%.*s is not a number", SHOWN, text);
	errno = 0;
	u = strtoull(digits, NULL, hex ? 16 : 10);
	if (errno || u > INT64_MAX)
		u = INT64_MAX;	/* out of every range that ends before */
	if (!in_range(r, text, minus ? -(int64_t)u : (int64_t)u, why))
		return false;
	store_int(m, r->size, minus ? -(int64_t)u : (int64_t)u);
	return true;
}

/* "1.5 s": exact in the smallest unit, or refused. */
static bool
read_measure(struct gw_conf *c, const struct gw_conf_row *r, void *m, const char *text, char why[WHY])
{
	const struct dimension *d = &dimensions[r->type];
	int64_t whole = 0, frac = 0, scale = 1, v;
	const char *p = text;
	size_t digits = strspn(p, "0123456789"), places = 0;

	(void)c;
	for (; *p >= '0' && *p <= '9'; p++)
		whole = digits > 15 ? INT64_MAX / 2 : 10 * whole + (*p - '0');
	if (digits && *p == '.')
		for (p++; *p >= '0' && *p <= '9' && places < 6; p++, places++, scale *= 10)
			frac = 10 * frac + (*p - '0');
	p += strspn(p, " ");
	if (digits && !*p && whole == 0 && frac == 0) {
		v = 0;	/* nothing needs no unit */
	} else {
		size_t i = 0;

		while (i < d->n && strcmp(p, d->units[i].name) != 0)
			i++;
		if (!digits || i == d->n || (places == 0 && memchr(text, '.', (size_t)(p - text))))
			return no(why, "%.*s is not %s: write a number with %s", SHOWN, text, d->noun, d->with);
		if (frac * d->units[i].factor % scale)
			return no(why, "%.*s is too fine: it is no whole number of %s", SHOWN, text, d->units[d->n - 1].name);
		if (__builtin_mul_overflow(whole, d->units[i].factor, &v) ||
		    __builtin_add_overflow(v, frac * d->units[i].factor / scale, &v))
			v = INT64_MAX;
	}
	if (!in_range(r, text, v, why))
		return false;
	store_int(m, r->size, v);
	return true;
}

static bool
set_text(struct gw_conf *c, void *m, const char *text)
{
	char **s = m;

	free(*s);
	*s = alloc(c, strlen(text) + 1, 1);
	if (*s)
		memcpy(*s, text, strlen(text) + 1);
	return true;
}

static bool
read_text(struct gw_conf *c, const struct gw_conf_row *r, void *m, const char *text, char why[WHY])
{
	char more[WHY];

	if (!*text)
		return no(why, "the value is missing");
	for (size_t i = 0; i < r->nwords; i++)
		if (strcmp(text, r->words[i].word) == 0)
			return set_text(c, m, text);
	if (r->nwords)
		return no(why, "%.*s is not known%s", SHOWN, text, hint(text, word_at, r->words, r->nwords, more));
	return set_text(c, m, text);
}

static bool
is_name(const char *text, char why[WHY])
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(text);

	if (n == 0)
		return no(why, "the name is missing");
	if (n > NAME_LEN || strspn(text, set) != n || *text == '.' || *text == '-')
		return no(why, "%.*s is not a name: letters, digits, '.', '_' and '-', at most %d", SHOWN, text, NAME_LEN);
	return true;
}

static bool
read_name(struct gw_conf *c, const struct gw_conf_row *r, void *m, const char *text, char why[WHY])
{
	(void)r;
	return is_name(text, why) && set_text(c, m, text);
}

static bool
read_path(struct gw_conf *c, const struct gw_conf_row *r, void *m, const char *text, char why[WHY])
{
	char path[PATH_MAX];
	struct gw_err err = { 0 };
	bool url = (r->flags & GW_CONF_SOCKETS) && strncmp(text, "unix://", 7) == 0;

	if (url)
		text += 7;
	else if ((r->flags & GW_CONF_SOCKETS) && strncmp(text, "unix:", 5) == 0)
		text += 5;	/* unix:run, relative */
	if (!*text)
		return no(why, "the path is missing");
	if ((r->flags & GW_CONF_OR_NAME) && !strchr(text, '/'))
		return is_name(text, why) && set_text(c, m, text);
	if ((url && *text != '/') || strstr(text, "://"))
		return no(why, "%.*s is not a path%s", SHOWN, text, url ? ": after unix:// it begins with '/'" : "");
	while (text[0] == '.' && text[1] == '/')
		text += 2;
	if (snprintf(path, sizeof(path), *text == '/' ? "%.0s%s" : "%s/%s", c->dir, text) >= (int)sizeof(path))
		return no(why, "the path is too long");
	if ((r->flags & GW_CONF_SOCKETS) && strlen(path) > SOCKETS_LEN)
		return no(why, "%.*s… is too long for the sockets in it: at most %d bytes", SHOWN, path, SOCKETS_LEN);
	if ((r->flags & GW_CONF_KEYS) && gw_secret_file_ok(path, &err) < 0)
		return no(why, "%s", err.text);
	if ((r->flags & GW_CONF_READABLE) && access(path, R_OK) < 0)
		return no(why, "%.240s: %s", path, strerror(errno));
	return set_text(c, m, path);
}

static bool
read_enum(struct gw_conf *c, const struct gw_conf_row *r, void *m, const char *text, char why[WHY])
{
	char more[WHY];

	(void)c;
	for (size_t i = 0; i < r->nwords; i++)
		if (strcmp(text, r->words[i].word) == 0) {
			store_int(m, r->size, r->words[i].value);
			return true;
		}
	return no(why, "%.*s is not known%s", SHOWN, text, hint(text, word_at, r->words, r->nwords, more));
}

static bool
read_addr(struct gw_conf *c, const struct gw_conf_row *r, void *m, const char *text, char why[WHY])
{
	struct gw_err err = { 0 };
	struct gw_addr a;

	(void)c;
	if (gw_addr_parse(text, r->schemes, &a, &err) < 0)
		return no(why, "%.*s", WHY - 1, err.text);
	if (a.scheme != GW_UNIX && a.port == 0 && !(r->flags & GW_CONF_PORT_0))
		return no(why, "%.*s: port 0 cannot be reached", SHOWN, text);
	*(struct gw_addr *)m = a;
	return true;
}

/* Digits after 0x into fresh memory of the right kind; never shows the text. */
static bool
octets_ok(const struct gw_conf_row *r, const char *text, size_t *len, char why[WHY])
{
	size_t n = strlen(text), max = r->max ? (size_t)r->max : SIZE_MAX;

	if (n < 2 || text[0] != '0' || (text[1] != 'x' && text[1] != 'X') || n % 2 ||
	    strspn(text + 2, "0123456789abcdefABCDEF") != n - 2)
		return no(why, "octets are written as 0x and an even number of hexadecimal digits");
	*len = (n - 2) / 2;
	if (*len >= (size_t)r->min && *len <= max && *len > 0)
		return true;
	if (max == (size_t)r->min)
		return no(why, "%zu octets: it wants %zu", *len, max);
	if (r->max)
		return no(why, "%zu octets: it wants %" PRId64 " to %zu", *len, r->min ? r->min : 1, max);
	return no(why, "%zu octets: it wants %" PRId64 " or more", *len, r->min ? r->min : 1);
}

static bool
read_octets(struct gw_conf *c, const struct gw_conf_row *r, void *m, const char *text, char why[WHY])
{
	uint8_t **p = m;
	size_t len;

	if (!octets_ok(r, text, &len, why))
		return false;
	free(*p);
	*p = alloc(c, len, 1);
	if (*p)
		*(size_t *)((char *)m - r->offset + r->count) = (size_t)gw_unhex(text + 2, *p, len);
	return true;
}

static bool
read_secret(struct gw_conf *c, const struct gw_conf_row *r, void *m, const char *text, char why[WHY])
{
	struct gw_secret *s = m;
	size_t len;

	(void)c;
	if (!octets_ok(r, text, &len, why))
		return false;
	gw_secret_free(s);
	if (gw_secret_new(s, len) < 0)
		return no(why, "there is no room for this key in locked memory");
	gw_unhex(text + 2, s->p, len);
	return true;
}

static bool
read_ref(struct gw_conf *c, const struct gw_conf_row *r, void *m, const char *text, char why[WHY])
{
	struct ref *ref;

	if (!is_name(text, why))
		return false;
	ref = push(c, &c->refs, sizeof(*ref));
	if (ref)
		*ref = (struct ref){ r, m, text, { 0, 0 } };	/* the walker fills in the place */
	return true;
}

/* A word as YAML text: plain where it can be, else in double quotes. */
static bool
is_plain(const char *s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/:+@%?=&";

	return *s && strspn(s, plain) == strlen(s) && !strchr("-?:@%&=", *s) && s[strlen(s) - 1] != ':';
}

static void
print_word(const char *s, FILE *f)
{
	if (is_plain(s)) {
		fputs(s, f);
		return;
	}
	fputc('"', f);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			fprintf(f, "\\x%02x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

static void
print_bool(const struct gw_conf_row *r, const char *obj, FILE *f)
{
	fputs(*(const bool *)(obj + r->offset) ? "true" : "false", f);
}

static void
print_number(const struct gw_conf_row *r, const char *obj, FILE *f)
{
	char text[40];

	number_text(r, load_int(obj + r->offset, r->size), text, sizeof(text));
	fputs(text, f);
}

static void
print_text(const struct gw_conf_row *r, const char *obj, FILE *f)
{
	const char *s = *(char *const *)(obj + r->offset);

	if ((r->flags & GW_CONF_SOCKETS) && is_plain(s))
		fputs("unix://", f);
	print_word(s, f);
}

static void
print_enum(const struct gw_conf_row *r, const char *obj, FILE *f)
{
	for (size_t i = 0; i < r->nwords; i++)
		if (r->words[i].value == load_int(obj + r->offset, r->size)) {
			fputs(r->words[i].word, f);
			return;
		}
}

static void
print_addr(const struct gw_conf_row *r, const char *obj, FILE *f)
{
	const struct gw_addr *a = (const struct gw_addr *)(const void *)(obj + r->offset);
	char text[GW_ADDR_TEXT];

	print_word(gw_addr_text(a, text, sizeof(text)), f);
}

static void
print_octets(const struct gw_conf_row *r, const char *obj, FILE *f)
{
	const uint8_t *p = *(uint8_t *const *)(const void *)(obj + r->offset);
	size_t n = *(const size_t *)(const void *)(obj + r->count);

	fputs("0x", f);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%02x", p[i]);
}

static void
print_addrs(const struct gw_conf_row *r, const char *obj, FILE *f)
{
	const struct gw_addr *a = *(struct gw_addr *const *)(const void *)(obj + r->offset);
	size_t n = *(const size_t *)(const void *)(obj + r->count);
	char text[GW_ADDR_TEXT];

	for (size_t i = 0; i < n; i++) {
		fputs(i ? ", " : "[", f);
		print_word(gw_addr_text(&a[i], text, sizeof(text)), f);
	}
	fputc(']', f);
}

static void
print_map(const struct gw_conf_row *r, const char *obj, FILE *f)
{
	const char *p = *(char *const *)(const void *)(obj + r->offset);
	char line[1024];

	fputc('{', f);
	for (size_t n; *p; p += n + 1) {
		n = strcspn(p, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)n, p);
		line[strcspn(line, "=")] = '\0';
		fprintf(f, " %s: ", line);
		print_word(line + strlen(line) + 1, f);
		fputs(p[n + 1] ? "," : " ", f);
	}
	fputc('}', f);
}

/* What is written for each type; composite ones have no read. */
static const struct kind {
	bool (*read)(struct gw_conf *, const struct gw_conf_row *, void *member, const char *text, char why[WHY]);
	void (*print)(const struct gw_conf_row *, const char *obj, FILE *);
	const char *noun;
} kinds[] = {
	[GW_CONF_BOOL] = { read_bool, print_bool, "true or false" },
	[GW_CONF_UINT] = { read_number, print_number, "a number" },
	[GW_CONF_INT] = { read_number, print_number, "a number" },
	[GW_CONF_DURATION] = { read_measure, print_number, "a duration" },
	[GW_CONF_RATE] = { read_measure, print_number, "a bit rate" },
	[GW_CONF_SIZE] = { read_measure, print_number, "a size" },
	[GW_CONF_TEXT] = { read_text, print_text, "a text" },
	[GW_CONF_NAME] = { read_name, print_text, "a name" },
	[GW_CONF_PATH] = { read_path, print_text, "a path" },
	[GW_CONF_ENUM] = { read_enum, print_enum, "a word" },
	[GW_CONF_ADDR] = { read_addr, print_addr, "an address" },
	[GW_CONF_OCTETS] = { read_octets, print_octets, "octets" },
	[GW_CONF_SECRET] = { read_secret, NULL, "octets" },
	[GW_CONF_REF] = { read_ref, NULL, "a name" },
	[GW_CONF_ADDRS] = { NULL, print_addrs, "an address or a list of addresses" },
	[GW_CONF_MAP] = { NULL, print_map, "a mapping KEY: VALUE" },
	[GW_CONF_OBJECT] = { NULL, NULL, "a mapping" },
	[GW_CONF_LIST] = { NULL, NULL, "a list" },
	[GW_CONF_NAMED] = { NULL, NULL, "a mapping NAME: …" },
};

/* ---- the walk ---- */

static struct gw_place
mark(const yaml_node_t *n)
{
	return (struct gw_place){ (int)n->start_mark.line + 1, (int)n->start_mark.column + 1 };
}

static yaml_node_t *
node(struct gw_conf *c, int index)
{
	return yaml_document_get_node(&c->doc, index);
}

static const char *
text_of(const yaml_node_t *n)
{
	return n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

static bool
empty(const yaml_node_t *n)	/* "key:" with nothing behind it */
{
	return n->type == YAML_SCALAR_NODE && n->data.scalar.length == 0 && n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool
visit(struct gw_conf *c, const yaml_node_t *n)
{
	if (++c->visits == NODES_MAX)
		fault(c, mark(n), "more than %d values, aliases counted each time", NODES_MAX);
	return c->visits < NODES_MAX;
}

/* One line without control characters. */
static bool
printable(const yaml_node_t *n)
{
	const unsigned char *p = n->data.scalar.value;

	for (size_t i = 0; i < n->data.scalar.length; i++)
		if (p[i] < ' ' || p[i] == 0x7f)
			return false;
	return true;
}

static bool
scalar(struct gw_conf *c, const struct gw_conf_row *r, char *member, const yaml_node_t *n)
{
	const char *text = text_of(n);
	size_t refs = c->refs.n;
	char why[WHY];

	if (!text || !printable(n)) {
		fault(c, mark(n), "%s: %s is wanted here", r->key, kinds[r->type].noun);
		return false;
	}
	if (!kinds[r->type].read(c, r, member, text, why)) {
		fault(c, mark(n), "%s: %s", r->key, why);
		return false;
	}
	if (c->refs.n > refs)
		((struct ref *)c->refs.p)[refs].at = mark(n);
	return true;
}

static void read_object(struct gw_conf *, const struct gw_conf_schema *, char *, const yaml_node_t *, struct gw_place);

static void
read_list(struct gw_conf *c, const struct gw_conf_row *r, char *obj, const yaml_node_t *n)
{
	size_t count = (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
	char *items = alloc(c, count, r->sub->size);

	if (!items)
		return;
	*(char **)(void *)(obj + r->offset) = items;
	*(size_t *)(void *)(obj + r->count) = count;
	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *item = node(c, n->data.sequence.items.start[i]);

		read_object(c, r->sub, items + i * r->sub->size, item, mark(item));
	}
}

static void
read_named(struct gw_conf *c, const struct gw_conf_row *r, char *obj, const yaml_node_t *n)
{
	size_t count = (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start);
	char *items = alloc(c, count, r->sub->size), why[WHY];

	if (!items)
		return;
	*(char **)(void *)(obj + r->offset) = items;
	*(size_t *)(void *)(obj + r->count) = count;
	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *key = node(c, n->data.mapping.pairs.start[i].key);
		char *item = items + i * r->sub->size;

		if (!text_of(key) || !is_name(text_of(key), why))
			fault(c, mark(key), "%s: %s", r->key, text_of(key) ? why : "the name is missing");
		else
			set_text(c, item + r->sub->name, text_of(key));
		note_given(c, item + r->sub->name, mark(key));
		read_object(c, r->sub, item, node(c, n->data.mapping.pairs.start[i].value), mark(key));
	}
}

static void
read_addrs(struct gw_conf *c, const struct gw_conf_row *r, char *obj, const yaml_node_t *n)
{
	bool one = n->type == YAML_SCALAR_NODE;
	size_t count = one ? 1 : (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
	struct gw_addr *a = alloc(c, count, sizeof(*a));

	if (!a)
		return;
	*(struct gw_addr **)(void *)(obj + r->offset) = a;
	*(size_t *)(void *)(obj + r->count) = count;
	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *item = one ? n : node(c, n->data.sequence.items.start[i]);
		char why[WHY];

		if (!visit(c, item))
			return;
		if (!text_of(item))
			fault(c, mark(item), "%s: an address is wanted here", r->key);
		else if (!read_addr(c, r, &a[i], text_of(item), why))
			fault(c, mark(item), "%s: %s", r->key, why);
	}
}

static void
read_map(struct gw_conf *c, const struct gw_conf_row *r, char *obj, const yaml_node_t *n)
{
	char **text = (char **)(void *)(obj + r->offset), why[WHY], *more;
	size_t len = strlen(*text);

	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
		const yaml_node_t *k = node(c, p->key), *v = node(c, p->value);
		size_t need;

		if (!visit(c, k))
			return;
		if (!text_of(k) || !is_name(text_of(k), why)) {
			fault(c, mark(k), "%s: %s", r->key, text_of(k) ? why : "a name is wanted here");
			continue;
		}
		if (!text_of(v) || !printable(v) || v->data.scalar.length > 900) {
			fault(c, mark(v), "%s: one line of text is wanted here", r->key);
			continue;
		}
		need = strlen(text_of(k)) + v->data.scalar.length + 3;
		more = len + need <= NODES_MAX ? realloc(*text, len + need) : NULL;
		if (!more) {
			c->nomem = true;
			return;
		}
		*text = more;
		len += (size_t)snprintf(more + len, need, "%s=%s\n", text_of(k), text_of(v));
	}
}

static bool
read_value(struct gw_conf *c, const struct gw_conf_row *r, char *obj, const yaml_node_t *n)
{
	static const yaml_node_type_t wants[] = { [GW_CONF_ADDRS] = YAML_SEQUENCE_NODE, [GW_CONF_MAP] = YAML_MAPPING_NODE,
		[GW_CONF_OBJECT] = YAML_MAPPING_NODE, [GW_CONF_LIST] = YAML_SEQUENCE_NODE, [GW_CONF_NAMED] = YAML_MAPPING_NODE };
	static void (*const reads[])(struct gw_conf *, const struct gw_conf_row *, char *, const yaml_node_t *) = {
		[GW_CONF_ADDRS] = read_addrs, [GW_CONF_MAP] = read_map, [GW_CONF_LIST] = read_list, [GW_CONF_NAMED] = read_named };

	if (kinds[r->type].read)
		return scalar(c, r, obj + r->offset, n);
	if (empty(n) && !(r->flags & GW_CONF_NEED))
		return true;
	if (n->type != wants[r->type] && !(r->type == GW_CONF_ADDRS && n->type == YAML_SCALAR_NODE)) {
		fault(c, mark(n), "%s: %s is wanted here", r->key, kinds[r->type].noun);
		return false;
	}
	if (r->type == GW_CONF_OBJECT) {
		read_object(c, r->sub, obj + r->offset, n, mark(n));
		return true;
	}
	reads[r->type](c, r, obj, n);
	if ((r->flags & GW_CONF_NEED) && r->type != GW_CONF_MAP && *(size_t *)(void *)(obj + r->count) == 0)
		fault(c, mark(n), "%s: the list is empty", r->key);
	return true;
}

static const struct gw_conf_row *
find_row(const struct gw_conf_schema *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->rows[i].key, key) == 0)
			return &s->rows[i];
	return NULL;
}

/* Defaults go in first: what the file says then overwrites them. */
static void
set_defaults(struct gw_conf *c, const struct gw_conf_schema *s, char *obj, bool inner)
{
	char why[WHY];

	for (size_t i = 0; i < s->n; i++) {
		const struct gw_conf_row *r = &s->rows[i];

		if (r->type == GW_CONF_MAP)
			set_text(c, obj + r->offset, "");
		else if (r->type == GW_CONF_OBJECT && inner)
			set_defaults(c, r->sub, obj + r->offset, true);
		else if (r->dflt && !kinds[r->type].read(c, r, obj + r->offset, r->dflt, why))
			fault(c, (struct gw_place){ 0, 0 }, "%s: default: %s", r->key, why);	/* a test loads every schema */
	}
}

static void
read_pair(struct gw_conf *c, const struct gw_conf_schema *s, char *obj, yaml_node_pair_t *p, struct gw_place *first)
{
	const yaml_node_t *k = node(c, p->key), *v = node(c, p->value);
	const struct gw_conf_row *r = text_of(k) ? find_row(s, text_of(k)) : NULL;
	char more[WHY];

	if (!visit(c, k) || !visit(c, v))
		return;
	if (!text_of(k)) {
		fault(c, mark(k), "a key is wanted here");
	} else if (!r) {
		fault(c, mark(k), "unknown key %.*s%s", SHOWN, text_of(k), hint(text_of(k), row_at, s->rows, s->n, more));
	} else if (first[r - s->rows].line) {
		fault(c, mark(k), "the key %s is here twice; the first is in line %d", r->key, first[r - s->rows].line);
	} else {
		first[r - s->rows] = mark(k);
		note_given(c, obj + r->offset, mark(v));
		if (!read_value(c, r, obj, v))
			slot(c->given, c->given_cap, obj + r->offset)->bad = true;
		else if (r->has)
			*(bool *)(obj + r->has) = true;
	}
}

static void
read_object(struct gw_conf *c, const struct gw_conf_schema *s, char *obj, const yaml_node_t *n, struct gw_place at)
{
	struct gw_place first[64] = { { 0, 0 } };
	struct object *o;

	if (!visit(c, n))
		return;
	if (s->placed)
		memcpy(obj + s->at, &at, sizeof(at));
	set_defaults(c, s, obj, true);
	if (n->type != YAML_MAPPING_NODE) {
		fault(c, mark(n), "a %s is a mapping, KEY: VALUE", s->noun);
		return;
	}
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++)
		read_pair(c, s, obj, p, first);
	for (size_t i = 0; i < s->n; i++)
		if ((s->rows[i].flags & GW_CONF_NEED) && !first[i].line)
			fault(c, at, "the %s lacks %s", s->noun, s->rows[i].key);
	o = push(c, &c->objects, sizeof(*o));
	if (o)
		*o = (struct object){ s, obj, at };
}

/* ---- after the walk ---- */

static void
resolve(struct gw_conf *c, const struct ref *ref)
{
	const struct gw_conf_row *list = find_row(c->root, ref->row->ref);
	char *items = *(char **)(void *)(c->out + list->offset);
	size_t n = *(size_t *)(void *)(c->out + list->count);
	char more[WHY];
	const char **names = alloc(c, n, sizeof(*names));

	for (size_t i = 0; names && i < n; i++) {
		char *item = items + i * list->sub->size, *name = *(char **)(void *)(item + list->sub->name);

		names[i] = name ? name : "";
		if (strcmp(names[i], ref->name) == 0) {
			*(void **)(void *)ref->member = item;
			free(names);
			return;
		}
	}
	if (names) {
		struct gw_conf_word *w = alloc(c, n, sizeof(*w));

		for (size_t i = 0; w && i < n; i++)
			w[i].word = names[i];
		fault(c, ref->at, "%s: there is no %s %.*s%s", ref->row->key, list->sub->noun, SHOWN, ref->name,
		    w ? hint(ref->name, word_at, w, n, more) : "");
		free(w);
	}
	free(names);
}

static void
check_names(struct gw_conf *c, const struct gw_conf_row *r, char *obj)
{
	char *items = *(char **)(void *)(obj + r->offset), what[80];
	size_t n = *(size_t *)(void *)(obj + r->count);
	struct gw_conf_key *k = alloc(c, n, sizeof(*k));

	for (size_t i = 0; k && i < n; i++) {
		char **name = (char **)(void *)(items + i * r->sub->size + r->sub->name);

		snprintf(k[i].text, sizeof(k[i].text), "%s", *name ? *name : "");
		k[i].member = name;
	}
	snprintf(what, sizeof(what), "elements of %s are called", r->key);
	if (k)
		gw_conf_unique(c, k, n, what);
	free(k);
}

static void
check_objects(struct gw_conf *c)
{
	struct object *o = c->objects.p;

	for (size_t i = 0; i < c->objects.n; i++) {
		const struct gw_conf_schema *s = o[i].schema;

		for (size_t k = 0; k < s->n; k++)
			if ((s->rows[k].type == GW_CONF_LIST || s->rows[k].type == GW_CONF_NAMED) && s->rows[k].sub->named)
				check_names(c, &s->rows[k], o[i].p);
		if (s->check)
			s->check(c, o[i].p);
	}
}

/*
 * YAML ends a plain scalar at a bracket, but people write tcp://[::1]:2000 without quotes. The brackets of such an address travel
 * through the parser as private characters, of one column each, and come back in the scalars.
 */
static const char opening[] = "\xee\x80\x80", closing[] = "\xee\x80\x81";	/* U+E000, U+E001 */

static char *
hide_brackets(const char *in, size_t len, size_t *out_len)
{
	char *out = malloc(3 * len + 1), *o = out;
	size_t end = 0;	/* of an address within brackets */

	for (size_t i = 0; out && i < len; i++) {
		if (i >= 3 && in[i] == '[' && memcmp(in + i - 3, "://", 3) == 0) {
			for (end = i + 1; end < len && strchr("0123456789abcdefABCDEF:.%", in[end]) && in[end]; )
				end++;
			if (end < len && in[end] == ']') {
				memcpy(o, opening, 3);
				o += 3;
				continue;
			}
			end = 0;
		}
		if (end && i == end) {
			memcpy(o, closing, 3);
			o += 3;
			continue;
		}
		*o++ = in[i];
	}
	*out_len = out ? (size_t)(o - out) : 0;
	return out;
}

static void
show_brackets(yaml_document_t *doc)
{
	for (yaml_node_t *n = doc->nodes.start; n < doc->nodes.top; n++) {
		char *p, *o;
		size_t len;

		if (n->type != YAML_SCALAR_NODE)
			continue;
		o = p = (char *)n->data.scalar.value;
		len = n->data.scalar.length;
		for (size_t i = 0; i < len; o++) {
			bool open = len - i >= 3 && memcmp(p + i, opening, 3) == 0;

			if (open || (len - i >= 3 && memcmp(p + i, closing, 3) == 0)) {
				*o = open ? '[' : ']';
				i += 3;
			} else {
				*o = p[i++];
			}
		}
		n->data.scalar.length = (size_t)(o - p);
		*o = '\0';
	}
}

static void
cleanse_document(yaml_document_t *doc)
{
	for (yaml_node_t *n = doc->nodes.start; n < doc->nodes.top; n++)
		if (n->type == YAML_SCALAR_NODE)
			gw_cleanse(n->data.scalar.value, n->data.scalar.length);
}

static void
delete_parser(yaml_parser_t *p)
{
	if (p->raw_buffer.start)	/* libyaml's own copies */
		gw_cleanse(p->raw_buffer.start, (size_t)(p->raw_buffer.end - p->raw_buffer.start));
	if (p->buffer.start)
		gw_cleanse(p->buffer.start, (size_t)(p->buffer.end - p->buffer.start));
	yaml_parser_delete(p);
}

static void
parser_fault(struct gw_conf *c, const yaml_parser_t *p, const char *input)
{
	struct gw_place at = { (int)p->problem_mark.line + 1, (int)p->problem_mark.column + 1 };

	if (p->error == YAML_READER_ERROR) {	/* knows the octet only */
		at = (struct gw_place){ 1, 1 };
		for (size_t i = 0; i < p->problem_offset; i++)
			at = input[i] == '\n' ? (struct gw_place){ at.line + 1, 1 } : (struct gw_place){ at.line, at.column + 1 };
	}
	fault(c, at, "%s%s%s", p->context ? p->context : "", p->context ? ": " : "", p->problem ? p->problem : "not YAML");
}

/* A first pass for the depth alone: libyaml takes quadratic time over deep nesting. */
static bool
shallow(struct gw_conf *c, const char *input, size_t n)
{
	static const int steps[] = { [YAML_SEQUENCE_START_EVENT] = 1, [YAML_MAPPING_START_EVENT] = 1,
		[YAML_SEQUENCE_END_EVENT] = -1, [YAML_MAPPING_END_EVENT] = -1 };
	bool going = true, fine = true;
	yaml_parser_t p;
	yaml_event_t e;

	if (!yaml_parser_initialize(&p)) {
		c->nomem = true;
		return false;
	}
	yaml_parser_set_input_string(&p, (const unsigned char *)input, n);
	for (int depth = 0; going; ) {
		if (!yaml_parser_parse(&p, &e)) {
			parser_fault(c, &p, input);
			fine = going = false;
			break;
		}
		depth += steps[e.type];
		if (depth > DEPTH_MAX) {
			fault(c, (struct gw_place){ (int)e.start_mark.line + 1, (int)e.start_mark.column + 1 },
			    "nested more than %d deep", DEPTH_MAX);
			fine = false;
		}
		going = fine && e.type != YAML_STREAM_END_EVENT;
		if (e.type == YAML_SCALAR_EVENT)
			gw_cleanse(e.data.scalar.value, e.data.scalar.length);
		yaml_event_delete(&e);
	}
	delete_parser(&p);
	return fine;
}

static void
read_document(struct gw_conf *c)
{
	yaml_node_t *root = yaml_document_get_root_node(&c->doc);
	struct ref *refs;

	if (!root || empty(root)) {
		fault(c, (struct gw_place){ 1, 1 }, "the file is empty");
		return;
	}
	show_brackets(&c->doc);
	read_object(c, c->root, c->out, root, mark(root));
	refs = c->refs.p;
	for (size_t i = 0; i < c->refs.n; i++)
		resolve(c, &refs[i]);
	if (root->type == YAML_MAPPING_NODE && c->visits < NODES_MAX)	/* else there are holes to stumble over */
		check_objects(c);
}

static void
parse(struct gw_conf *c, const char *text, size_t len)
{
	yaml_parser_t p;
	yaml_document_t second;
	size_t n;
	char *input = hide_brackets(text, len, &n);

	if (!input)
		c->nomem = true;
	if (input && shallow(c, input, n) && yaml_parser_initialize(&p)) {
		yaml_parser_set_input_string(&p, (const unsigned char *)input, n);
		if (!yaml_parser_load(&p, &c->doc)) {
			parser_fault(c, &p, input);
		} else {
			read_document(c);
			cleanse_document(&c->doc);
			yaml_document_delete(&c->doc);
			if (!yaml_parser_load(&p, &second)) {
				parser_fault(c, &p, input);
			} else {
				if (yaml_document_get_root_node(&second))
					fault(c, mark(yaml_document_get_root_node(&second)), "a second document: there is one in a file");
				cleanse_document(&second);
				yaml_document_delete(&second);
			}
		}
		delete_parser(&p);
	}
	if (input)
		gw_cleanse(input, n);
	free(input);
}

static int
compare_faults(const void *a, const void *b)
{
	const struct fault *x = a, *y = b;
	int c = compare_places(x->at, y->at);

	return c ? c : (x->nth > y->nth) - (x->nth < y->nth);
}

static int
report(struct gw_conf *c, const struct gw_conf_listener *l, struct gw_err *err)
{
	char all[sizeof(err->text)] = "", line[PATH_MAX + WHY];
	size_t len = 0, left = c->unsaid;

	if (c->nomem)
		return gw_fail(err, GW_ESYS, "%s: out of memory", c->file);
	if (!c->nfaults)
		return 0;
	qsort(c->faults, c->nfaults, sizeof(*c->faults), compare_faults);
	for (size_t i = 0; i < c->nfaults; i++) {
		const struct fault *f = &c->faults[i];
		size_t n = (size_t)snprintf(line, sizeof(line), "%s:%d:%d: %s", c->file, f->at.line, f->at.column, f->text);

		if (l)
			l->say(l->self, line);
		if (left == c->unsaid && (len == 0 || len + n + 24 < sizeof(all)))
			len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", len ? "\n" : "", line);
		else
			left++;
	}
	if (l && c->unsaid) {
		snprintf(line, sizeof(line), "%s: and %zu more", c->file, c->unsaid);
		l->say(l->self, line);
	}
	if (left && len < sizeof(all))
		snprintf(all + len, sizeof(all) - len, "\nand %zu more", left);
	return gw_fail(err, GW_ECONF, "%s", all);
}

static void
find_dir(struct gw_conf *c)
{
	const char *slash = strrchr(c->file, '/');
	char dir[PATH_MAX], *real;

	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - c->file) + 1 : 1, slash ? c->file : ".");
	real = realpath(dir, NULL);
	snprintf(c->dir, sizeof(c->dir), "%s", real ? real : dir);
	free(real);
	if (strcmp(c->dir, "/") == 0)
		c->dir[0] = '\0';
}

int
gw_conf_load_text(const struct gw_conf_schema *s, const char *path, char *text, size_t len, void *out,
    const struct gw_conf_listener *l, struct gw_err *err)
{
	struct gw_conf *c = calloc(1, sizeof(*c));
	int rc;

	memset(out, 0, s->size);
	if (!c)
		return gw_fail(err, GW_ESYS, "%s: out of memory", path);
	c->file = path;
	c->root = s;
	c->out = out;
	c->faults = alloc(c, FAULTS_MAX, sizeof(*c->faults));
	find_dir(c);
	parse(c, text, len);
	gw_cleanse(text, len);
	rc = report(c, l, err);
	if (rc < 0) {
		gw_conf_free(s, out);
		memset(out, 0, s->size);
	}
	free(c->faults);
	free(c->given);
	free(c->objects.p);
	free(c->refs.p);
	free(c);
	return rc;
}

/* The whole file, bounded; the caller cleanses and frees. */
static char *
slurp(const char *path, size_t *len, struct gw_err *err)
{
	char *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n = 0;

	*len = 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		gw_fail(err, GW_ECONF, "%s: %s", path, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		gw_fail(err, GW_ECONF, "%s: %s", path, strerror(EISDIR));
	else if (!(text = malloc(FILE_MAX + 1)))
		gw_fail(err, GW_ESYS, "%s: out of memory", path);
	else
		while (*len <= FILE_MAX && (n = read(fd, text + *len, FILE_MAX + 1 - *len)) > 0)
			*len += (size_t)n;
	if (text && (n < 0 || *len > FILE_MAX)) {
		if (n < 0)
			gw_fail(err, GW_ESYS, "%s: %s", path, strerror(errno));
		else
			gw_fail(err, GW_ECONF, "%s: a configuration has at most %d MiB", path, FILE_MAX >> 20);
		gw_cleanse(text, *len);
		free(text);
		text = NULL;
	}
	if (fd >= 0)
		close(fd);
	return text;
}

int
gw_conf_load(const struct gw_conf_schema *s, const char *path, void *out, const struct gw_conf_listener *l, struct gw_err *err)
{
	struct gw_err mine = { 0 };
	size_t len;
	char *text = slurp(path, &len, &mine);
	int rc;

	memset(out, 0, s->size);
	if (!text) {
		if (l)
			l->say(l->self, mine.text);
		if (err)
			*err = mine;
		return -1;
	}
	rc = gw_conf_load_text(s, path, text, len, out, l, err);
	free(text);
	return rc;
}

/* ---- an object's end, and its text ---- */

void
gw_conf_free(const struct gw_conf_schema *s, void *object)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct gw_conf_row *r = &s->rows[i];
		char *m = (char *)object + r->offset, *items;

		switch (r->type) {
		case GW_CONF_LIST:
		case GW_CONF_NAMED:
			items = *(char **)(void *)m;
			for (size_t k = 0; items && k < *(size_t *)(void *)((char *)object + r->count); k++) {
				if (r->type == GW_CONF_NAMED)
					free(*(char **)(void *)(items + k * r->sub->size + r->sub->name));
				gw_conf_free(r->sub, items + k * r->sub->size);
			}
			free(items);
			break;
		case GW_CONF_TEXT: case GW_CONF_NAME: case GW_CONF_PATH: case GW_CONF_OCTETS: case GW_CONF_ADDRS: case GW_CONF_MAP:
			free(*(void **)(void *)m);
			break;
		case GW_CONF_SECRET:
			gw_secret_free((struct gw_secret *)(void *)m);
			break;
		case GW_CONF_OBJECT:
			gw_conf_free(r->sub, m);
			break;
		default:
			break;
		}
	}
}

/* Is there something to print? */
static bool
there(const struct gw_conf_row *r, const char *obj)
{
	const char *m = obj + r->offset;

	if (r->has && !*(const bool *)(obj + r->has))
		return false;
	switch (r->type) {
	case GW_CONF_TEXT: case GW_CONF_NAME: case GW_CONF_PATH: case GW_CONF_OCTETS: case GW_CONF_REF:
		return *(void *const *)(const void *)m != NULL;
	case GW_CONF_MAP:
		return *(char *const *)(const void *)m && **(char *const *)(const void *)m;
	case GW_CONF_ADDR:
		return ((const struct gw_addr *)(const void *)m)->scheme != 0;
	case GW_CONF_ADDRS: case GW_CONF_LIST: case GW_CONF_NAMED:
		return *(const size_t *)(const void *)(obj + r->count) > 0;
	case GW_CONF_SECRET:
		return false;
	default:
		return true;
	}
}

struct printer { FILE *f; const struct gw_conf_schema *root; };

/* item: the first line stands behind "- ". */
static void
print_object(const struct printer *p, const struct gw_conf_schema *s, const char *obj, int indent, bool item)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct gw_conf_row *r = &s->rows[i];
		const char *items;
		size_t n;

		if (!there(r, obj))
			continue;
		fprintf(p->f, "%*s%s:", item ? 0 : indent, "", r->key);
		item = false;
		if (r->type == GW_CONF_OBJECT) {
			fputc('\n', p->f);
			print_object(p, r->sub, obj + r->offset, indent + 2, false);
			continue;
		}
		if (r->type == GW_CONF_REF) {
			fputc(' ', p->f);
			print_word(*(char *const *)(const void *)(*(char *const *)(const void *)(obj + r->offset) +
			    find_row(p->root, r->ref)->sub->name), p->f);
		} else if (r->type != GW_CONF_LIST && r->type != GW_CONF_NAMED) {
			fputc(' ', p->f);
			kinds[r->type].print(r, obj, p->f);
		}
		fputc('\n', p->f);
		if (r->type != GW_CONF_LIST && r->type != GW_CONF_NAMED)
			continue;
		items = *(char *const *)(const void *)(obj + r->offset);
		n = *(const size_t *)(const void *)(obj + r->count);
		for (size_t k = 0; k < n; k++, items += r->sub->size) {
			if (r->type == GW_CONF_LIST)
				fprintf(p->f, "%*s- ", indent + 2, "");
			else
				fprintf(p->f, "%*s%s:\n", indent + 2, "", *(char *const *)(const void *)(items + r->sub->name));
			print_object(p, r->sub, items, indent + 4, r->type == GW_CONF_LIST);
		}
	}
}

void
gw_conf_print(const struct gw_conf_schema *s, const void *object, FILE *f)
{
	print_object(&(struct printer){ f, s }, s, object, 0, false);
}

/* Filled lines, and a new one for each sentence, as mdoc(7) wants them. */
static void
mdoc_text(const char *s, FILE *f)
{
	size_t column = 0;

	while (*s) {
		size_t n = strcspn(s, " ");
		bool last = s[n] == '\0', ends = s[n - 1] == '.';

		if (column && column + 1 + n > 76) {
			fputc('\n', f);
			column = 0;
		}
		column += (size_t)fprintf(f, "%s%.*s", column ? " " : "", (int)n, s);
		if (last || ends) {
			fputc('\n', f);
			column = 0;
		}
		s += n + !last;
	}
}

static void
mdoc_facts(const struct gw_conf_row *r, FILE *f)
{
	char low[32], high[32];

	if (r->nwords) {
		fputs("One of", f);
		for (size_t i = 0; i < r->nwords; i++)
			fprintf(f, "%s\n.Cm %s", i ? " ," : "", r->words[i].word);
		fputs(" .\n", f);
	}
	if ((r->min || r->max) && r->type <= GW_CONF_SIZE) {
		number_text(r, r->min, low, sizeof(low));
		number_text(r, r->max, high, sizeof(high));
		fprintf(f, "From %s to %s.\n", low, high);
	}
	if (r->dflt)
		fprintf(f, "Default:\n.Cm %s .\n", r->dflt);
	else if (r->flags & GW_CONF_NEED)
		fputs("Must be given.\n", f);
}

void
gw_conf_print_mdoc(const struct gw_conf_schema *s, FILE *f)
{
	fputs(".Bl -tag -width Ds\n", f);
	for (size_t i = 0; i < s->n; i++) {
		const struct gw_conf_row *r = &s->rows[i];

		fprintf(f, ".It Ic %s : Ar %s\n", r->key, r->ref ? r->ref : kinds[r->type].noun);
		mdoc_text(r->meaning, f);
		mdoc_facts(r, f);
		if (r->sub)
			gw_conf_print_mdoc(r->sub, f);
	}
	fputs(".El\n", f);
}
