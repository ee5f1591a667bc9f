/* bridge/sp4_print.c: a message for people, as text and as JSON, row by row */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bridge/sp4_int.h"
#include "lib/hex.h"
#include "lib/secret.h"

/* Heap: digits; of a key its length and fingerprint, unless it may be shown. */
static char *
octets(const struct sp4_row *row, const struct sp4_octets *o, bool secrets)
{
	char print[17], *text = malloc(2 * o->len + 64);

	if (!text)
		return NULL;
	if ((row->flags & SP4_SECRET) && !secrets) {
		gw_fingerprint(o->p, o->len, print);
		sprintf(text, "(secret, %zu octets, fingerprint %s)", o->len, print);
	} else
		gw_hex(o->p, o->len, text, 2 * o->len + 1);
	return text;
}

static json_t *
value(const struct sp4_row *row, const void *at, bool secrets)
{
	char *text;
	json_t *j;

	switch (row->type) {
	case SP4_STRING: case SP4_URI: return json_string(*(const char *const *)at);
	case SP4_WORD: return json_string(row->words[*(const int64_t *)at]);
	case SP4_BOOL: return json_boolean(*(const int64_t *)at);
	case SP4_INT: return json_integer(*(const int64_t *)at);
	default:
		text = octets(row, at, secrets);
		j = text ? json_string(text) : NULL;
		if (text)
			gw_cleanse(text, strlen(text));
		free(text);
		return j;
	}
}

static int rows_into(json_t *, const struct sp4_row *, size_t, const char *base, bool secrets);

static json_t *
one(const struct sp4_row *row, const char *at, bool secrets)
{
	json_t *j;

	if (row->type != SP4_NEST)
		return value(row, at, secrets);
	j = json_object();
	if (rows_into(j, row->rows, row->nrows, at, secrets) < 0) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static int
rows_into(json_t *to, const struct sp4_row *rows, size_t n, const char *base, bool secrets)
{
	for (size_t i = 0; i < n; i++) {
		size_t count = sp4_count(&rows[i], base);
		json_t *list = rows[i].most > 1 ? json_array() : NULL;

		for (size_t k = 0; k < count; k++) {
			json_t *j = one(&rows[i], base + rows[i].at + k * rows[i].stride, secrets);

			if (list ? json_array_append_new(list, j) : json_object_set_new(to, rows[i].name, j)) {
				json_decref(list);
				return -1;
			}
		}
		if (list && (count ? json_object_set(to, rows[i].name, list) : 0)) {
			json_decref(list);
			return -1;
		}
		json_decref(list);
	}
	return 0;
}

json_t *
sp4_json(const struct sp4_msg *m, bool secrets)
{
	const struct sp4_message *d = sp4_message_of(m->tag);
	json_t *j = d ? json_pack("{s:s, s:s}", "message", d->root, "form", m->short_form ? "short" : "full") : NULL;

	if (!j || rows_into(j, d->rows, d->nrows, (const char *)m, secrets) < 0 ||
	    rows_into(j, sp4_extensions, sp4_nextensions, (const char *)m, secrets) < 0 ||
	    (m->ignored && json_object_set_new(j, "ignored", json_integer((json_int_t)m->ignored)))) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static void
print_number(const struct sp4_row *row, int64_t n, FILE *f)
{
	time_t t = (time_t)sp4_unix(n);
	char when[32];
	struct tm tm;

	fprintf(f, "%lld", (long long)n);
	if ((row->flags & SP4_NTP) && gmtime_r(&t, &tm) && strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm))
		fprintf(f, " (%s)", when);
}

/* Strangers' text: no control character of theirs reaches a terminal. */
static void
print_text(const char *s, FILE *f)
{
	for (; *s; s++) {
		const unsigned char c = (unsigned char)*s, next = (unsigned char)s[1];

		if (c < ' ' || c == 127)
			fprintf(f, "\\x%02x", c);
		else if (c == 0xc2 && next >= 0x80 && next < 0xa0)	/* C1 */
			fprintf(f, "\\x%02x", *++s & 0xff);
		else
			putc(c, f);
	}
}

static void
print_value(const struct sp4_row *row, const void *at, bool secrets, FILE *f)
{
	char *text;

	switch (row->type) {
	case SP4_STRING: case SP4_URI: print_text(*(const char *const *)at, f); break;
	case SP4_WORD: fputs(row->words[*(const int64_t *)at], f); break;
	case SP4_BOOL: fputs(*(const int64_t *)at ? "true" : "false", f); break;
	case SP4_INT: print_number(row, *(const int64_t *)at, f); break;
	default:
		text = octets(row, at, secrets);
		fputs(text ? text : "(out of memory)", f);
		if (text)
			gw_cleanse(text, strlen(text));
		free(text);
	}
}

static void
print_rows(const struct sp4_row *rows, size_t n, const char *base, int indent, bool secrets, FILE *f)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0, count = sp4_count(&rows[i], base); k < count; k++) {
			const char *at = base + rows[i].at + k * rows[i].stride;

			fprintf(f, "%*s%-*s", indent, "", rows[i].type == SP4_NEST ? 0 : 22 - indent, rows[i].name);
			if (rows[i].type != SP4_NEST) {
				putc(' ', f);
				print_value(&rows[i], at, secrets, f);
			}
			putc('\n', f);
			if (rows[i].type == SP4_NEST)
				print_rows(rows[i].rows, rows[i].nrows, at, indent + 2, secrets, f);
		}
}

void
sp4_print(const struct sp4_msg *m, bool secrets, FILE *f)
{
	const struct sp4_message *d = sp4_message_of(m->tag);

	if (!d)
		return;
	fprintf(f, "%s%s\n", d->root, m->short_form ? ", short form" : "");
	print_rows(d->rows, d->nrows, (const char *)m, 2, secrets, f);
	print_rows(sp4_extensions, sp4_nextensions, (const char *)m, 2, secrets, f);
	if (m->ignored)
		fprintf(f, "  %zu extension element%s ignored\n", m->ignored, m->ignored == 1 ? "" : "s");
}
