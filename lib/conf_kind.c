/* lib/conf_kind.c: the types of configuration values: their texts and their members */
#include "lib/conf_int.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/addr.h"
#include "lib/hex.h"
#include "lib/secret.h"

enum { SOCKETS_LEN = 80 };	/* of a directory, so that the names of sockets fit behind it */

/* Letters to change, add or leave out between two words. */
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

/* A mistyped word is one that differs from a known one in a third of its letters at most. */
const char *
gw_conf_hint(const char *word, const char *(*at)(const void *, size_t), const void *of, size_t n, char out[WHY])
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

const char *
gw_conf_word_at(const void *words, size_t i)
{
	return ((const struct gw_conf_word *)words)[i].word;
}

/* ---- integers of any width ---- */

int64_t
gw_conf_load_int(const void *p, size_t size)
{
	switch (size) {
	case 1: return *(const uint8_t *)p;
	case 2: return *(const uint16_t *)p;
	case 4: return *(const uint32_t *)p;
	default: return *(const int64_t *)p;
	}
}

void
gw_conf_store(void *p, size_t size, int64_t v)
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
static const struct unit durations[] = { { "d", 86400000 }, { "h", 3600000 }, { "min", 60000 }, { "s", 1000 }, { "ms", 1 } };
static const struct unit rates[] = { { "Gbit/s", 1000000000 }, { "Mbit/s", 1000000 }, { "kbit/s", 1000 }, { "bit/s", 1 } };
static const struct unit sizes[] = { { "GiB", 1 << 30 }, { "MiB", 1 << 20 }, { "KiB", 1 << 10 }, { "GB", 1000000000 },
	{ "MB", 1000000 }, { "kB", 1000 }, { "B", 1 } };
static const struct dimension {
	const char *noun, *with;
	const struct unit *units; size_t n;
} dimensions[] = {
	[GW_CONF_DURATION] = { "a duration", "ms, s, min, h or d", durations, 5 },
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

void
gw_conf_number_text(const struct gw_conf_row *r, int64_t v, char *out, size_t cap)
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

static bool
in_range(const struct gw_conf_row *r, const char *text, int64_t v, char why[WHY])
{
	int64_t min, max;
	char low[32], high[32];

	range(r, &min, &max);
	if (v >= min && v <= max)
		return true;
	gw_conf_number_text(r, min, low, sizeof(low));
	gw_conf_number_text(r, max, high, sizeof(high));
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
	gw_conf_store(m, r->size, minus ? -(int64_t)u : (int64_t)u);
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
	gw_conf_store(m, r->size, v);
	return true;
}

bool
gw_conf_set_text(struct gw_conf *c, void *m, const char *text)
{
	char **s = m;

	free(*s);
	*s = gw_conf_alloc(c, strlen(text) + 1, 1);
	if (*s)
		memcpy(*s, text, strlen(text) + 1);
	return true;
}

void
gw_conf_text(struct gw_conf *c, char **member, const char *text)
{
	gw_conf_set_text(c, member, text);
}

static bool
read_text(struct gw_conf *c, const struct gw_conf_row *r, void *m, const char *text, char why[WHY])
{
	char more[WHY];

	if (!*text)
		return no(why, "the value is missing");
	for (size_t i = 0; i < r->nwords; i++)
		if (strcmp(text, r->words[i].word) == 0)
			return gw_conf_set_text(c, m, text);
	if (r->nwords)
		return no(why, "%.*s is not known%s", SHOWN, text, gw_conf_hint(text, gw_conf_word_at, r->words, r->nwords, more));
	return gw_conf_set_text(c, m, text);
}

bool
gw_conf_is_name(const char *text, char why[WHY])
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
	return gw_conf_is_name(text, why) && gw_conf_set_text(c, m, text);
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
		return gw_conf_is_name(text, why) && gw_conf_set_text(c, m, text);
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
	return gw_conf_set_text(c, m, path);
}

static bool
read_enum(struct gw_conf *c, const struct gw_conf_row *r, void *m, const char *text, char why[WHY])
{
	char more[WHY];

	(void)c;
	for (size_t i = 0; i < r->nwords; i++)
		if (strcmp(text, r->words[i].word) == 0) {
			gw_conf_store(m, r->size, r->words[i].value);
			return true;
		}
	return no(why, "%.*s is not known%s", SHOWN, text, gw_conf_hint(text, gw_conf_word_at, r->words, r->nwords, more));
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
	*p = gw_conf_alloc(c, len, 1);
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

	if (!gw_conf_is_name(text, why))
		return false;
	ref = gw_conf_push(c, &c->refs, sizeof(*ref));
	if (!ref)
		return true;
	*ref = (struct ref){ .row = r, .member = m, .name = text };	/* the walker fills in the place */
	ref->in = gw_conf_find_list(c->around, r->ref, &ref->object);
	return true;
}

/* A word as YAML text: plain where it can be, else in double quotes. */
static bool
is_plain(const char *s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/:+@%?=&";

	return *s && strspn(s, plain) == strlen(s) && !strchr("-?:@%&=", *s) && s[strlen(s) - 1] != ':';
}

void
gw_conf_print_word(const char *s, FILE *f)
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

	gw_conf_number_text(r, gw_conf_load_int(obj + r->offset, r->size), text, sizeof(text));
	fputs(text, f);
}

static void
print_text(const struct gw_conf_row *r, const char *obj, FILE *f)
{
	const char *s = *(char *const *)(obj + r->offset);

	if ((r->flags & GW_CONF_SOCKETS) && is_plain(s))
		fputs("unix://", f);
	gw_conf_print_word(s, f);
}

static void
print_enum(const struct gw_conf_row *r, const char *obj, FILE *f)
{
	for (size_t i = 0; i < r->nwords; i++)
		if (r->words[i].value == gw_conf_load_int(obj + r->offset, r->size)) {
			fputs(r->words[i].word, f);
			return;
		}
}

static void
print_addr(const struct gw_conf_row *r, const char *obj, FILE *f)
{
	const struct gw_addr *a = (const struct gw_addr *)(const void *)(obj + r->offset);
	char text[GW_ADDR_TEXT];

	gw_conf_print_word(gw_addr_text(a, text, sizeof(text)), f);
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
		gw_conf_print_word(gw_addr_text(&a[i], text, sizeof(text)), f);
	}
	fputc(']', f);
}

static void
print_numbers(const struct gw_conf_row *r, const char *obj, FILE *f)
{
	const uint16_t *v = *(uint16_t *const *)(const void *)(obj + r->offset);
	size_t n = *(const size_t *)(const void *)(obj + r->count);

	for (size_t i = 0; i < n; i++)
		fprintf(f, r->flags & GW_CONF_HEX ? "%s0x%04x" : "%s%u", i ? ", " : "[", v[i]);
	fputc(']', f);
}

static void
print_set(const struct gw_conf_row *r, const char *obj, FILE *f)
{
	uint64_t v = (uint64_t)gw_conf_load_int(obj + r->offset, r->size);
	const char *sep = "[";

	for (size_t i = 0; i < r->nwords; i++)
		if (v & (uint64_t)r->words[i].value) {
			fprintf(f, "%s%s", sep, r->words[i].word);
			sep = ", ";
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
		gw_conf_print_word(line + strlen(line) + 1, f);
		fputs(p[n + 1] ? "," : " ", f);
	}
	fputc('}', f);
}

/* What is written for each type; composite ones have no read. */
const struct gw_conf_kind gw_conf_kinds[] = {
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
	[GW_CONF_NUMBERS] = { NULL, print_numbers, "a number or a list of numbers" },
	[GW_CONF_REFS] = { NULL, NULL, "a name or a list of names" },
	[GW_CONF_SET] = { NULL, print_set, "a word or a list of words" },
	[GW_CONF_MAP] = { NULL, print_map, "a mapping KEY: VALUE" },
	[GW_CONF_OBJECT] = { NULL, NULL, "a mapping" },
	[GW_CONF_LIST] = { NULL, NULL, "a list" },
	[GW_CONF_NAMED] = { NULL, NULL, "a mapping NAME: …" },
};

int
gw_conf_value(const struct gw_conf_row *r, void *object, const char *text, struct gw_err *err)
{
	char why[WHY] = "";

	return gw_conf_kinds[r->type].read(NULL, r, (char *)object + r->offset, text, why) ? 0 : gw_fail(err, GW_EUSAGE, "%s", why);
}
