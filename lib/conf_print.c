/* lib/conf_print.c: an object's text, its rows for the manual, and its end */
#include "lib/conf_int.h"
#include <stdlib.h>
#include <string.h>
#include "lib/addr.h"
#include "lib/secret.h"

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
		case GW_CONF_TEXT: case GW_CONF_NAME: case GW_CONF_PATH: case GW_CONF_OCTETS: case GW_CONF_ADDRS: case GW_CONF_NUMBERS:
		case GW_CONF_REFS: case GW_CONF_MAP:
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
	case GW_CONF_ADDRS: case GW_CONF_NUMBERS: case GW_CONF_REFS: case GW_CONF_LIST: case GW_CONF_NAMED:
		return *(const size_t *)(const void *)(obj + r->count) > 0;
	case GW_CONF_OBJECT:
		for (size_t i = 0; i < r->sub->n; i++)
			if (there(&r->sub->rows[i], m))
				return true;
		return false;
	case GW_CONF_SET:
		return gw_conf_load_int(m, r->size) != 0;
	case GW_CONF_SECRET:
		return false;
	default:
		return true;
	}
}

struct printer { FILE *f; const struct around *around; };

static void
print_ref(const struct printer *p, const struct gw_conf_row *r, const char *element)
{
	char *whose;

	gw_conf_print_word(*(char *const *)(const void *)(element + gw_conf_find_list(p->around, r->ref, &whose)->sub->name), p->f);
}

static void
print_refs(const struct printer *p, const struct gw_conf_row *r, const char *obj)
{
	const char *const *list = *(const char *const *const *)(const void *)(obj + r->offset);

	for (size_t i = 0, n = *(const size_t *)(const void *)(obj + r->count); i < n; i++) {
		fputs(i ? ", " : " [", p->f);
		print_ref(p, r, list[i]);
	}
	fputc(']', p->f);
}

/* item: the first line stands behind "- ". */
static void
print_object(const struct printer *outer, const struct gw_conf_schema *s, const char *obj, int indent, bool item)
{
	const struct around around = { s, NULL, outer->around };
	const struct printer here = { outer->f, &around }, *p = &here;

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
			print_ref(p, r, *(char *const *)(const void *)(obj + r->offset));
		} else if (r->type == GW_CONF_REFS) {
			print_refs(p, r, obj);
		} else if (r->type != GW_CONF_LIST && r->type != GW_CONF_NAMED) {
			fputc(' ', p->f);
			gw_conf_kinds[r->type].print(r, obj, p->f);
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
	print_object(&(struct printer){ f, NULL }, s, object, 0, false);
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
		gw_conf_number_text(r, r->min, low, sizeof(low));
		gw_conf_number_text(r, r->max, high, sizeof(high));
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

		fprintf(f, ".It Ic %s : Ar %s\n", r->key, r->ref ? r->ref : gw_conf_kinds[r->type].noun);
		mdoc_text(r->meaning, f);
		mdoc_facts(r, f);
		if (r->sub && (i == 0 || s->rows[i - 1].sub != r->sub))	/* keys with the same members stand together: once is enough */
			gw_conf_print_mdoc(r->sub, f);
	}
	fputs(".El\n", f);
}
