/* bridge/sp4_write.c: a message into a document, row by row */
#include <stdarg.h>
#include <string.h>
#include "bridge/sp4_int.h"
#include "lib/secret.h"

struct writer {
	const struct sp4_msg *m;
	char *out; size_t cap, len;	/* len: what it would be */
	const char *parent;
	struct sp4_fault *fault;
};

static int
wrong(struct writer *w, enum sp4_verdict verdict, const struct sp4_row *row, const char *rule)
{
	*w->fault = (struct sp4_fault){ .verdict = verdict, .clause = row ? row->clause : "7.2" };
	if (row)
		snprintf(w->fault->element, sizeof(w->fault->element), "%s%s%s%s", w->parent ? w->parent : "", w->parent ? "/" : "",
		    row->place == SP4_ATTRIBUTE ? "@" : "", row->name);
	snprintf(w->fault->rule, sizeof(w->fault->rule), "%s", rule);
	return -1;
}

static void
put(struct writer *w, const char *s, size_t n)
{
	if (w->len < w->cap && n <= w->cap - w->len)
		memcpy(w->out + w->len, s, n);
	w->len += n;
}

static inline void puts_(struct writer *w, const char *s) { put(w, s, strlen(s)); }	/* which is a number when s is written out */

/* What a reader would take for markup, or for the white space that it makes of it. */
static void
put_text(struct writer *w, const char *s)
{
	static const struct { char c; const char *as; } marks[] = { { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" },
		{ '\t', "&#9;" }, { '\n', "&#10;" }, { '\r', "&#13;" } };

	for (size_t n; *s; s += n) {
		n = strcspn(s, "&<>\"\t\n\r");
		put(w, s, n);
		if (!s[n])
			return;
		for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
			if (marks[i].c == s[n])
				puts_(w, marks[i].as);
		n++;
	}
}

static void
put_hex(struct writer *w, const struct sp4_octets *o)
{
	static const char digits[] = "0123456789ABCDEF";
	char *to;

	w->len += 2 * o->len;
	if (w->len > w->cap)
		return;
	to = w->out + (w->len - 2 * o->len);
	for (size_t i = 0; i < o->len; i++) {
		*to++ = digits[o->p[i] >> 4];
		*to++ = digits[o->p[i] & 15];
	}
}

/* None is negative: sp4_wrong has seen to it. */
static void
put_number(struct writer *w, int64_t n)
{
	char digits[20], *p = digits + sizeof(digits);

	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	put(w, p, (size_t)(digits + sizeof(digits) - p));
}

static int
put_value(struct writer *w, const struct sp4_row *row, const void *value)
{
	bool semantic;
	const char *why = sp4_wrong(row, value, &semantic);

	if (why)
		return wrong(w, semantic ? SP4_SEMANTIC : SP4_INVALID, row, why);
	switch (row->type) {
	case SP4_STRING: case SP4_URI: put_text(w, *(const char *const *)value); break;
	case SP4_HEX: put_hex(w, value); break;
	case SP4_WORD: puts_(w, row->words[*(const int64_t *)value]); break;
	case SP4_BOOL: puts_(w, *(const int64_t *)value ? "true" : "false"); break;
	default: put_number(w, *(const int64_t *)value);
	}
	return 0;
}

static int
put_attributes(struct writer *w, const struct sp4_row *rows, size_t n, const char *base, const char *between)
{
	for (size_t i = 0; i < n; i++) {
		const struct sp4_row *row = &rows[i];

		if (row->place != SP4_ATTRIBUTE)
			continue;
		if (sp4_count(row, base) == 0 && row->least)
			return wrong(w, SP4_INVALID, row, "it is missing");
		if (sp4_count(row, base) == 0)
			continue;
		puts_(w, between);
		puts_(w, row->name);
		puts_(w, "=\"");
		if (put_value(w, row, base + row->at) < 0)
			return -1;
		puts_(w, "\"");
		between = " ";
	}
	return 0;
}

static void
put_tag(struct writer *w, const char *open, const struct sp4_row *row, const char *close)
{
	puts_(w, open);
	puts_(w, row->place == SP4_EXTENSION || w->parent ? "ext:" : "");
	puts_(w, row->name);
	puts_(w, close);
}

static int
put_simple(struct writer *w, const struct sp4_row *row, const void *value)
{
	put_tag(w, w->parent ? "\n    <" : "\n  <", row, ">");
	if (put_value(w, row, value) < 0)
		return -1;
	put_tag(w, "</", row, ">");
	return 0;
}

static int
put_children(struct writer *w, const struct sp4_row *rows, size_t n, const char *base)
{
	for (size_t i = 0; i < n; i++) {
		const struct sp4_row *row = &rows[i];
		size_t count = sp4_count(row, base);

		if (row->place != SP4_CHILD)
			continue;
		if (count == 0 && (row->least || (row->flags & SP4_SEND)))
			return wrong(w, SP4_INVALID, row, "it is missing");
		if (count > row->most)
			return wrong(w, SP4_INVALID, row, "it stands there too often");
		if (count && row->needs && !sp4_text_there(base, row->needs - 1))
			return wrong(w, SP4_INVALID, row, "it stands without the identifier that comes before it");
		for (size_t k = 0; k < count; k++)
			if (put_simple(w, row, base + row->at + k * row->stride) < 0)
				return -1;
	}
	return 0;
}

static int
put_nested(struct writer *w, const struct sp4_row *row, const char *base)
{
	size_t before;
	int rc;

	put_tag(w, "\n  <", row, "");
	w->parent = row->name;
	rc = put_attributes(w, row->rows, row->nrows, base, " ");
	puts_(w, ">");
	before = w->len;
	if (rc == 0)
		rc = put_children(w, row->rows, row->nrows, base);
	w->parent = NULL;
	if (rc < 0)
		return -1;
	if (w->len > before) {
		put_tag(w, "\n  </", row, ">");
		return 0;
	}
	w->len--;	/* nothing in it */
	puts_(w, "/>");
	return 0;
}

static int
put_extensions(struct writer *w)
{
	const char *base = (const char *)w->m;

	for (size_t i = 0; i < sp4_nextensions; i++) {
		const struct sp4_row *row = &sp4_extensions[i];
		size_t count = sp4_count(row, base);

		if (count && !(row->tags & SP4_BIT(w->m->tag)))
			return wrong(w, SP4_INVALID, row, "this message has no use for it");
		if (count > row->most)
			return wrong(w, SP4_INVALID, row, "it stands there too often");
		for (size_t k = 0; k < count; k++)
			if ((row->type == SP4_NEST ? put_nested(w, row, base + row->at + k * row->stride) : put_simple(w, row, base + row->at)) < 0)
				return -1;
	}
	return 0;
}

static bool
extended(const struct sp4_msg *m)
{
	for (size_t i = 0; i < sp4_nextensions; i++)
		if (sp4_count(&sp4_extensions[i], m))
			return true;
	return false;
}

static int
put_message(struct writer *w, const struct sp4_message *d)
{
	size_t before;

	puts_(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<");
	puts_(w, d->root);
	puts_(w, " xmlns=\"");
	puts_(w, sp4_space);
	if (extended(w->m)) {
		puts_(w, "\" xmlns:ext=\"");
		puts_(w, sp4_ext_space);
	}
	puts_(w, "\"");
	if (put_attributes(w, d->rows, d->nrows, (const char *)w->m, "\n  ") < 0)
		return -1;
	puts_(w, ">");
	before = w->len;
	if (put_children(w, d->rows, d->nrows, (const char *)w->m) < 0 || put_extensions(w) < 0)
		return -1;
	if (w->len == before) {
		w->len--;
		puts_(w, "/>\n");
		return 0;
	}
	puts_(w, "\n</");
	puts_(w, d->root);
	puts_(w, ">\n");
	return 0;
}

static int
check_whole(struct writer *w, const struct sp4_message *d)
{
	const char *element, *clause, *why;

	if (w->m->short_form && (d->kind == SP4_REQUEST || d->kind == SP4_DELIVERY))
		return wrong(w, SP4_INVALID, NULL, "requests and deliveries have no short form");
	why = sp4_wrong_whole(d, w->m, &element, &clause);
	if (!why)
		return 0;
	wrong(w, SP4_SEMANTIC, NULL, why);
	snprintf(w->fault->element, sizeof(w->fault->element), "%s", element);
	w->fault->clause = clause;
	return -1;
}

size_t
sp4_encode(const struct sp4_msg *m, char *out, size_t cap, struct sp4_fault *fault)
{
	struct writer w = { .m = m, .out = out, .cap = cap, .fault = fault };
	const struct sp4_message *d = sp4_message_of(m->tag);
	int rc;

	*fault = (struct sp4_fault){ 0 };
	rc = !d ? wrong(&w, SP4_INVALID, NULL, "there is no such tag") : check_whole(&w, d) < 0 ? -1 : put_message(&w, d);
	if (rc == 0 && (w.len >= cap || w.len > SP4_DOCUMENT))
		rc = wrong(&w, SP4_TOO_LONG, NULL, "the document would be too long");
	if (rc < 0) {
		gw_cleanse(out, w.len < cap ? w.len : cap);
		return 0;
	}
	out[w.len] = '\0';
	return w.len;
}
